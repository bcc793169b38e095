//! The LRM as the reference runs it: by rounds, on a table of locks (`protocol.md` 5).
//!
//! Profile `pve` uses it in the simulator, where the reference's logs are its specification. The
//! lock is granted or refused by a table, a refusal is a loss, a watchdog that isn't fed any more
//! does the rest: none of that keeps the properties of our own LRM ([`super::Lrm`]). What is
//! common to both, what the manager asks for and how it ends, is in [`work`].
//!
//! A round is [`Input::Round`], the answer about the lock if one was asked for, [`Input::Work`]
//! with a second read, the ends of the workers, and [`Input::End`].

mod event;
pub mod work;

use alloc::string::String;
use alloc::vec::Vec;

use crate::config::Config;
use crate::crm::{LockAnswer, LockRequest, ReadError};
use crate::event::LrmState;
use crate::id::{NodeId, ServiceId, Uid};
use crate::lrm::Leave;
use crate::manager::status::{LrmMode, LrmStatus, Resource, Status};
use crate::mutation::Mutation;
use crate::placement::state::ServiceState;
use crate::table::Table;
use crate::time::Instant;
pub use event::{Event, Leaving, Reason, ShutdownPolicy};
use work::{Command, Work, WorkerEnd};

/// The LRM of one node, as one process.
#[derive(Clone, Debug)]
pub struct RoundLrm {
    me: NodeId,
    state: LrmState,
    since: Instant,
    mode: LrmMode,
    /// What the manager last said, as far as it could be read.
    status: Status,
    work: Work,
    asked: bool,
    updated: bool,
    quorate: bool,
    /// Why the round's first read failed, if it did.
    unreadable: Option<ReadError>,
    leaving: bool,
    /// Whether the round's work was what an end needs.
    worked: bool,
    exits: bool,
    /// Whether it ends without a word.
    drops: bool,
    idle_rounds: u32,
}

/// What an LRM reads.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The manager's status.
    pub status: &'a Status,
    /// The configured services.
    pub resources: &'a Table<ServiceId, Resource>,
}

/// What happened to the LRM.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A round begins.
    Round {
        /// Whether this node is in the part of the cluster that has a majority.
        quorate: bool,
        /// Whether this node's copy of the store is up to date.
        updated: bool,
        /// What stands there.
        view: Result<View<'a>, ReadError>,
    },
    /// The answer to [`Effect::Lock`].
    Lock(LockAnswer),
    /// The work of a round, with a later read than the one it began with.
    Work(Result<View<'a>, ReadError>),
    /// A worker ended.
    Done(ServiceId, WorkerEnd),
    /// The round is over: workers that end in place have ended.
    End,
    /// The process is to end.
    Shutdown {
        /// Why.
        reason: Reason,
        /// What the cluster's settings say about that; else the word that isn't known.
        policy: Result<ShutdownPolicy, String>,
    },
    /// What was to be published was not written.
    NotPublished {
        /// Why, if there is more to say than that there is no majority.
        error: Option<ReadError>,
        /// Whether that was at the beginning of a shutdown.
        at_shutdown: bool,
    },
}

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Answer with [`Input::Lock`]; the agent lock of this node is meant.
    Lock(LockRequest),
    /// Open the watchdog, or feed it if it is open.
    Feed,
    /// Close the watchdog.
    Close,
    /// Carry out a command; answer with [`Input::Done`].
    Run(Command),
    /// Write [`RoundLrm::published`]; say if it wasn't.
    Publish {
        /// To be given back then.
        at_shutdown: bool,
    },
    /// End.
    Exit,
    /// End at once, for an error that nobody handles.
    Abort(ReadError),
}

/// The outbox of a step.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// What the driver has to do, in order.
    pub effects: Vec<Effect>,
    /// What was decided.
    pub events: Vec<Event>,
}

/// How long an LRM that is to restart waits for its lost lock, in milliseconds.
const GIVE_UP_MS: u64 = 90_000;

impl RoundLrm {
    /// A process that just began.
    #[must_use]
    pub fn new(me: NodeId, now: Instant) -> Self {
        Self {
            me,
            state: LrmState::Startup,
            since: now,
            mode: LrmMode::Active,
            status: Status::default(),
            work: Work::default(),
            asked: false,
            updated: true,
            quorate: false,
            unreadable: None,
            leaving: false,
            worked: false,
            exits: false,
            drops: false,
            idle_rounds: 0,
        }
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> LrmState {
        self.state
    }

    /// Whether it was asked to end.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// What it tells the manager.
    #[must_use]
    pub fn published(&self) -> LrmStatus {
        LrmStatus {
            state: Some(self.state),
            mode: Some(self.mode),
            results: self.work.results().to_vec(),
        }
    }

    /// Enters the first state.
    pub fn begin(&mut self, now: Instant, out: &mut Outbox) {
        self.enter(LrmState::WaitForAgentLock, now, out);
    }

    /// Takes in what happened and says what to do.
    pub fn step<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        input: Input<'_>,
        out: &mut Outbox,
    ) {
        match input {
            Input::Round {
                quorate,
                updated,
                view,
            } => {
                self.quorate = quorate;
                self.updated = updated;
                self.unreadable = view.as_ref().err().cloned();
                self.read(view, out);
                self.begin_round(config, now, out);
            }
            Input::Lock(answer) => self.on_lock(config, now, answer, out),
            Input::Work(view) => self.on_work(config, now, view, out),
            Input::Done(service, end) => {
                let (status, events) = (&self.status, &mut out.events);
                self.work
                    .on_end(service, end, status, &mut |event| events.push(event));
            }
            Input::End => self.on_end(out),
            Input::Shutdown { reason, policy } => self.on_shutdown(reason, policy, out),
            Input::NotPublished { error, at_shutdown } => {
                let event = error.map(|ReadError(error)| Event::NotPublished(error));
                out.events.extend(event);
                out.events
                    .extend(at_shutdown.then_some(Event::NotPublishedAtShutdown));
            }
        }
    }

    fn enter(&mut self, to: LrmState, now: Instant, out: &mut Outbox) {
        if to != self.state {
            out.events.push(Event::State(self.state, to));
            self.state = to;
            self.since = now;
        }
    }

    /// Takes in what the manager says. The mode follows it until an end was asked for.
    fn read(&mut self, view: Result<View<'_>, ReadError>, out: &mut Outbox) -> bool {
        let view = match view {
            Ok(view) => view,
            Err(ReadError(error)) => {
                out.events.push(Event::StatusUnreadable(error));
                return false;
            }
        };
        self.status.clone_from(view.status);
        if !self.leaving {
            self.mode = if self.status.wants_maintenance(self.me) {
                LrmMode::Maintenance
            } else if self.status.disarm.is_some() {
                LrmMode::Disarm
            } else if matches!(self.mode, LrmMode::Maintenance | LrmMode::Disarm) {
                LrmMode::Active
            } else {
                self.mode
            };
        }
        true
    }

    fn active_services(&self) -> usize {
        self.status.active_services(self.me)
    }

    fn is_to_be_fenced(&self) -> bool {
        self.status.wants_fenced(self.me)
    }

    fn has_services(&self) -> bool {
        self.status
            .services
            .iter()
            .any(|(_, entry)| entry.node == Some(self.me))
    }

    fn ask(&mut self, out: &mut Outbox) {
        self.asked = true;
        out.effects.push(Effect::Lock(LockRequest::Hold));
    }

    fn let_go(&mut self, now: Instant, out: &mut Outbox) {
        out.effects.push(Effect::Lock(LockRequest::Release));
        out.effects.push(Effect::Close);
        self.enter(LrmState::WaitForAgentLock, now, out);
    }

    fn begin_round<M: Mutation>(&mut self, config: &Config<M>, now: Instant, out: &mut Outbox) {
        match self.state {
            LrmState::WaitForAgentLock => {
                let wanted = self.mode != LrmMode::Disarm
                    && !self.is_to_be_fenced()
                    && self.active_services() > 0;
                if wanted && self.quorate {
                    self.ask(out);
                }
            }
            LrmState::LostAgentLock => {
                if !self.is_to_be_fenced() && self.quorate {
                    self.ask(out);
                }
            }
            LrmState::Active => {
                if self.is_to_be_fenced() {
                    out.events.push(Event::ToBeFenced { maintenance: false });
                    self.enter(LrmState::LostAgentLock, now, out);
                } else {
                    self.ask(out);
                }
            }
            LrmState::Maintenance => self.begin_maintenance_round(config, now, out),
            LrmState::Startup => {}
        }
    }

    fn begin_maintenance_round<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        out: &mut Outbox,
    ) {
        if self.is_to_be_fenced() {
            out.events.push(Event::ToBeFenced { maintenance: true });
            self.enter(LrmState::LostAgentLock, now, out);
            return;
        }
        let busy = self.active_services() > 0;
        if !busy {
            self.run(config, out);
        }
        if self.mode == LrmMode::Disarm && !busy {
            out.events.push(Event::Disarming { maintenance: true });
            self.let_go(now, out);
        } else if busy || self.mode != LrmMode::Maintenance {
            self.ask(out);
        }
    }

    fn on_lock<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        answer: LockAnswer,
        out: &mut Outbox,
    ) {
        if !core::mem::take(&mut self.asked) {
            return;
        }
        if answer == LockAnswer::Refused {
            if matches!(self.state, LrmState::Active | LrmState::Maintenance) {
                self.enter(LrmState::LostAgentLock, now, out);
            }
            return;
        }
        out.effects.push(Effect::Feed);
        match self.state {
            LrmState::WaitForAgentLock | LrmState::LostAgentLock => {
                self.enter(LrmState::Active, now, out);
            }
            LrmState::Active => self.on_kept(config, now, out),
            LrmState::Maintenance => {
                if self.active_services() == 0 {
                    self.enter(LrmState::Active, now, out);
                }
            }
            LrmState::Startup => {}
        }
    }

    /// The lock was kept: is it still needed?
    fn on_kept<M: Mutation>(&mut self, config: &Config<M>, now: Instant, out: &mut Outbox) {
        if self.mode == LrmMode::Maintenance {
            self.enter(LrmState::Maintenance, now, out);
            return;
        }
        if self.mode == LrmMode::Disarm && self.work.is_empty() {
            out.events.push(Event::Disarming { maintenance: false });
            self.let_go(now, out);
            return;
        }
        if self.has_services() {
            self.idle_rounds = 0;
            return;
        }
        if let Some(error) = self.unreadable.take()
            && config.policy().compat.unreadable_config_ends_lrm
        {
            out.effects.push(Effect::Abort(error));
            return;
        }
        self.run(config, out);
        self.idle_rounds += 1;
        let rounds_max = config.policy().lrm_idle_rounds;
        if self.idle_rounds > rounds_max {
            out.events.push(Event::GoingIdle(rounds_max));
            self.let_go(now, out);
            self.idle_rounds = 0;
        }
    }

    fn on_work<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        view: Result<View<'_>, ReadError>,
        out: &mut Outbox,
    ) {
        match self.state {
            LrmState::WaitForAgentLock => self.exits |= self.leaving,
            LrmState::Active => {
                let resources = view.as_ref().map(|view| view.resources).ok();
                if !self.read(view, out) {
                    return;
                }
                if self.leaving {
                    self.run(config, out);
                    self.worked = true;
                } else if !self.updated {
                    out.events.push(Event::RoundSkipped);
                } else if let Some(resources) = resources {
                    self.manage(config, resources, out);
                }
            }
            LrmState::LostAgentLock => self.leave_without_lock(now, out),
            LrmState::Maintenance => {
                let resources = view.as_ref().map(|view| view.resources).ok();
                if !self.read(view, out) {
                    self.drops |= config.policy().compat.unreadable_status_ends_lrm;
                    return;
                }
                let idle = self.active_services() == 0;
                if idle {
                    self.run(config, out);
                    out.effects.push(Effect::Close);
                    self.exits |= self.leaving;
                    out.effects.push(Effect::Lock(LockRequest::Release));
                }
                if let (false, Some(resources)) = (self.exits, resources) {
                    self.manage(config, resources, out);
                }
            }
            LrmState::Startup => {}
        }
    }

    fn leave_without_lock(&mut self, now: Instant, out: &mut Outbox) {
        if !self.leaving {
            return;
        }
        let running = self.active_services();
        if running == 0 {
            out.effects.push(Effect::Close);
            self.exits = true;
            return;
        }
        out.events.push(Event::ShutdownWithoutLock(running));
        if self.mode == LrmMode::Restart && now.since(self.since).0 > GIVE_UP_MS {
            out.events.push(Event::GivesUp);
            self.exits = true;
        }
    }

    /// Queues what the manager has for this node, and begins with it (`protocol.md` 5.7).
    fn manage<M: Mutation>(
        &mut self,
        config: &Config<M>,
        resources: &Table<ServiceId, Resource>,
        out: &mut Outbox,
    ) {
        self.work.forget_unmanaged(&self.status);
        for (service, entry) in self.status.services.iter() {
            let skipped = matches!(
                entry.state,
                ServiceState::Recovery | ServiceState::Freeze | ServiceState::RequestStart
            );
            if entry.node != Some(self.me) || entry.uid == Uid::NONE || skipped {
                continue;
            }
            self.work.queue(Command {
                service,
                uid: Some(entry.uid),
                state: entry.state,
                target: entry.target,
                timeout: entry.timeout,
                restarts_max: resources
                    .get(service)
                    .map_or(0, |resource| resource.max_restart),
            });
        }
        self.run(config, out);
    }

    fn run<M: Mutation>(&mut self, config: &Config<M>, out: &mut Outbox) {
        let rank = |service: ServiceId| config.services.rank(service.0);
        let started = self.work.start(config.policy().workers_max, rank);
        out.effects.extend(started.into_iter().map(Effect::Run));
    }

    fn on_end(&mut self, out: &mut Outbox) {
        if self.drops {
            out.effects.push(Effect::Exit);
            return;
        }
        let worked = core::mem::take(&mut self.worked);
        if self.state == LrmState::Active && worked && self.work.is_empty() {
            self.finish(out);
        }
        let publishes = match self.state {
            LrmState::Active | LrmState::Maintenance => true,
            LrmState::WaitForAgentLock => !self.exits,
            LrmState::LostAgentLock | LrmState::Startup => false,
        };
        if publishes {
            out.effects.push(Effect::Publish { at_shutdown: false });
        }
        if self.exits {
            out.effects.push(Effect::Exit);
        }
    }

    /// An active LRM whose work is done lets go and ends. If something wouldn't stop, it leaves
    /// the watchdog open, which does the rest.
    fn finish(&mut self, out: &mut Outbox) {
        if self.mode == LrmMode::Restart && self.active_services() > 0 {
            return;
        }
        if self.mode == LrmMode::Restart || !self.work.has_stop_errors() {
            out.effects.push(Effect::Close);
            out.effects.push(Effect::Lock(LockRequest::Release));
        }
        self.exits = true;
    }

    fn on_shutdown(
        &mut self,
        reason: Reason,
        policy: Result<ShutdownPolicy, String>,
        out: &mut Outbox,
    ) {
        if self.leaving {
            return;
        }
        self.leaving = true;
        let node_ends = matches!(reason, Reason::Reboot | Reason::Shutdown);
        let word = match &policy {
            Ok(policy) => String::from(policy.name()),
            Err(unknown) => unknown.clone(),
        };
        if node_ends {
            out.events.push(Event::ShutdownPolicy(word.clone()));
        }
        let policy = policy.unwrap_or_else(|unknown| {
            out.events.push(Event::UnknownPolicy(unknown));
            ShutdownPolicy::Conditional
        });
        if node_ends && policy != ShutdownPolicy::Migrate {
            self.queue_stops();
        }
        let leaving = self.leave_by(reason, policy, word);
        out.events.push(Event::Leaving(leaving));
        out.effects.push(Effect::Publish { at_shutdown: true });
    }

    fn queue_stops(&mut self) {
        let services: Vec<ServiceId> = self
            .status
            .services
            .iter()
            .filter(|(_, entry)| entry.node == Some(self.me))
            .map(|(service, _)| service)
            .collect();
        for service in services {
            self.work.queue(Command {
                service,
                uid: None,
                state: ServiceState::RequestStop,
                target: None,
                timeout: None,
                restarts_max: 0,
            });
        }
    }

    /// Sets the mode for an end, and says what it means for services (`protocol.md` 5.10).
    /// `word` is the policy as the settings have it, whether it is known or not.
    fn leave_by(&mut self, reason: Reason, policy: ShutdownPolicy, word: String) -> Leaving {
        let in_maintenance = self.mode == LrmMode::Maintenance;
        let leave = Leave::of(reason, policy, in_maintenance);
        self.mode = leave.mode();
        match (leave, reason, policy) {
            (Leave::Migrate, Reason::Restart, _) => Leaving::RestartInMaintenance,
            (Leave::Migrate, _, _) if !in_maintenance => Leaving::Maintenance(reason),
            (Leave::Migrate, _, ShutdownPolicy::Migrate) => Leaving::AlreadyMaintenance(reason),
            (
                Leave::Migrate,
                _,
                ShutdownPolicy::Conditional | ShutdownPolicy::Freeze | ShutdownPolicy::Failover,
            ) => Leaving::PolicyIgnored(reason, word),
            (Leave::Restart, _, _) => Leaving::Freeze,
            (Leave::StopAndFreeze, _, _) => Leaving::StopAndFreeze(reason),
            (Leave::Stop, _, _) => Leaving::Stop,
        }
    }
}
