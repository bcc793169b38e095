//! What the manager asks of an LRM, and how it ended: queue, workers, results, restart policy
//! (`protocol.md` 5.7 to 5.9).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::id::{NodeId, ServiceId, Uid};
use crate::manager::status::{ExitCode, LrmResult, Status};
use crate::placement::state::ServiceState;
use crate::table::Table;

use super::Event;
use crate::lrm::results::{Results, turn};

/// A command for one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command {
    /// Which.
    pub service: ServiceId,
    /// What the manager will look for in the results; none for a stop at the node's shutdown.
    pub uid: Option<Uid>,
    /// What to do: the state that the manager has the service in.
    pub state: ServiceState,
    /// Where a move goes.
    pub target: Option<NodeId>,
    /// How long a stop may take, in seconds.
    pub timeout: Option<u64>,
    /// How often a failed start is repeated here.
    pub restarts_max: u32,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkerEnd {
    /// The agent said so.
    Code(ExitCode),
    /// It could not be executed.
    NotExecuted,
    /// A signal ended it.
    Signal(i32),
}

/// The exit code of a worker that gave none.
const NO_CODE: ExitCode = ExitCode(-1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Waiting {
    command: Command,
    /// How often it was passed over.
    passes: u32,
}

/// The work of one LRM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    waiting: BTreeMap<ServiceId, Waiting>,
    running: BTreeMap<ServiceId, Command>,
    results: Results,
    /// How often each service's start failed here in a row.
    retries: Table<ServiceId, u32>,
    stop_errors: u32,
}

impl Work {
    /// Whether nothing waits or runs.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    pub(super) fn results(&self) -> &[LrmResult] {
        self.results.all()
    }

    /// Whether a stop at the node's shutdown failed.
    pub(super) const fn has_stop_errors(&self) -> bool {
        self.stop_errors > 0
    }

    /// Queues a command unless it was carried out already, or one for this service runs. `stopped`
    /// is carried out again and again, since nobody looks at its result.
    pub(super) fn queue(&mut self, command: Command) {
        let done = command.state != ServiceState::Stopped
            && command
                .uid
                .is_some_and(|uid| self.results.of(uid).is_some());
        if done || self.running.contains_key(&command.service) {
            return;
        }
        let waiting = Waiting { command, passes: 0 };
        self.waiting.insert(command.service, waiting);
    }

    /// Forgets the retries of services that are not managed any more.
    pub(super) fn forget_unmanaged(&mut self, status: &Status) {
        let gone: Vec<ServiceId> = self
            .retries
            .iter()
            .map(|(service, _)| service)
            .filter(|service| !status.services.contains(*service))
            .collect();
        for service in gone {
            self.retries.remove(service);
        }
    }

    /// Takes out what may start now: those passed over most often first, then by name, until
    /// `workers_max` run, or all if there is no such limit.
    pub(super) fn start(
        &mut self,
        workers_max: Option<usize>,
        rank: impl Fn(ServiceId) -> (u16, u16),
    ) -> Vec<Command> {
        let mut order: Vec<Waiting> = self.waiting.values().copied().collect();
        order.sort_by_key(|one| turn(one.passes, rank(one.command.service)));
        let mut started = Vec::new();
        for one in order {
            let service = one.command.service;
            if workers_max.is_some_and(|max| self.running.len() >= max) {
                if let Some(waiting) = self.waiting.get_mut(&service) {
                    waiting.passes += 1;
                }
                continue;
            }
            self.waiting.remove(&service);
            self.running.insert(service, one.command);
            started.push(one.command);
        }
        started
    }

    /// A worker ended. Its result is published unless its start is to be tried again here.
    pub(super) fn on_end(
        &mut self,
        service: ServiceId,
        end: WorkerEnd,
        status: &Status,
        say: &mut impl FnMut(Event),
    ) {
        let Some(command) = self.running.remove(&service) else {
            return;
        };
        let code = match end {
            WorkerEnd::Code(code) => code,
            WorkerEnd::NotExecuted => {
                say(Event::NotExecuted(service));
                NO_CODE
            }
            WorkerEnd::Signal(signal) => {
                say(Event::Killed(service, signal));
                NO_CODE
            }
        };
        let Some(uid) = command.uid else {
            self.stop_errors += u32::from(code != ExitCode::SUCCESS);
            return;
        };
        if command.state == ServiceState::Started && self.tries_again(&command, code, say) {
            return;
        }
        self.record(LrmResult { uid, service, code }, status);
    }

    /// The restart policy: whether a failed start is repeated on this node.
    fn tries_again(
        &mut self,
        command: &Command,
        code: ExitCode,
        say: &mut impl FnMut(Event),
    ) -> bool {
        let service = command.service;
        match code {
            ExitCode::SUCCESS => {
                self.retries.insert(service, 0);
                false
            }
            ExitCode::ERROR => {
                let retries = self.retries.get(service).copied().unwrap_or(0);
                if retries >= command.restarts_max {
                    say(Event::GivesUpStart(service, retries));
                    self.retries.insert(service, 0);
                    return false;
                }
                self.retries.insert(service, retries + 1);
                say(Event::Retries(service, retries + 1));
                true
            }
            _ => false,
        }
    }

    /// Keeps a result, and of the others those that the manager may still look for.
    fn record(&mut self, result: LrmResult, status: &Status) {
        let looked_for = |service, uid| {
            let entry = status.services.get(service);
            entry.is_some_and(|entry| entry.uid == uid)
        };
        self.results.record(result);
        self.results.retain(looked_for);
    }
}
