//! The local resource manager of one node: runs services while it provably may.
//!
//! It holds its node's lock, keeps the watchdog armed for as long as that lasts, and starts, stops
//! and adopts services. It is a *view* (what it last read), *duties* (what has to be done about
//! each service, derived anew after every input) and one pending request per *lane*: lock,
//! reading, watchdog, workers. A hung request in one lane delays no other.
//!
//! What a start needs, all of it: the lock, held guarded; an armed watchdog whose D is more than
//! the stop budget g away; a location read after the grant; a positive report that the service
//! doesn't run here; and no release of the lock that may still be applied.
//!
//! From D − g it stops what runs, kills what doesn't stop, and disarms when every service was
//! positively confirmed stopped after the last worker ended. Otherwise the watchdog does it.

mod duty;
mod lanes;
mod mode;
mod moving;
mod order;
mod results;
pub mod rounds;
mod startup;
mod types;
mod view;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::event::{Effects, Event, LrmState, Violation};
use crate::id::{Holder, LockId, RequestId, Revision, ServiceId, Uid};
use crate::lock::{self, Change};
use crate::mutation::{Mutant, Mutation};
use crate::record::Service;
use crate::time::{Instant, Wakeup, Why, earliest};
use crate::visit::{Visit, Visitor, visit_fields};
pub use types::{Effect, Input, Job, Lane, Leave, Report};
use view::View;

/// The LRM of one node, as one process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lrm {
    phase: Phase,
    state: LrmState,
    lock: lock::Client,
    watchdog: lanes::Link,
    reading: lanes::Reading,
    view: Option<View>,
    services: BTreeMap<ServiceId, Local>,
    /// What the watch says is to be left alone, before anything was read.
    heard: Vec<ServiceId>,
    moving: Option<moving::Move>,
    results: results::Results,
    leaving: Option<Leave>,
    /// Whether the services' processes are being killed, or were since authority last ended.
    killing: Killing,
    idle_since: Option<Instant>,
    /// Whether it was said that another boot or machine acts under this node's name.
    alarmed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Phase {
    /// A predecessor may still live: nothing is done.
    New,
    /// A predecessor's workers are being ended.
    Reaping,
    /// Normal operation.
    Serving,
    /// Ended.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Killing {
    No,
    Pending,
    Done,
}

/// What this LRM knows about a service on its own node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Local {
    status: Status,
    worker: Option<Worker>,
    retry_at: Option<Instant>,
    /// Whether it has ended by itself while a worker was at it, which may not know.
    ended: bool,
    /// How often its start failed in a row, where that is limited.
    failures: u32,
    /// How often others were served first.
    passes: u32,
}

/// The last positive report about a service; nothing positive is [`Status::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Status {
    Unknown,
    /// An agent was asked, and couldn't tell.
    Doubtful,
    Stopped,
    Running,
    /// A start ended without success, or an agent couldn't tell twice: what is left is cleaned up
    /// before the next start.
    Failed,
    /// It does no I/O and could go on: elsewhere, if it was sent there for this order, or here.
    Paused(Option<Uid>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Worker {
    id: RequestId,
    job: Job,
    stage: Stage,
    /// The order that its end may answer.
    uid: Option<Uid>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Stage {
    /// Its intent is being recorded; it doesn't exist yet.
    Recording,
    /// It was asked for and may be running.
    Spawned,
}

impl Lrm {
    /// A process that just began, under an identity that was never used before.
    #[must_use]
    pub const fn new(me: Holder) -> Self {
        Self {
            phase: Phase::New,
            state: LrmState::Startup,
            lock: lock::Client::new(LockId::Agent(me.node), me),
            watchdog: lanes::Link::new(),
            reading: lanes::Reading::new(),
            view: None,
            services: BTreeMap::new(),
            heard: Vec::new(),
            moving: None,
            results: results::Results::new(),
            leaving: None,
            killing: Killing::No,
            idle_since: None,
            alarmed: false,
        }
    }

    /// This node's lock, as this process knows it.
    #[must_use]
    pub const fn lock(&self) -> &lock::Client {
        &self.lock
    }

    /// The state, by the specification's name.
    #[must_use]
    pub const fn state(&self) -> LrmState {
        self.state
    }

    /// The revision of the store that the next start would rest on.
    #[must_use]
    pub fn view_revision(&self) -> Option<Revision> {
        self.view.as_ref().map(|view| view.revision)
    }

    /// What a service that belongs here is to do, as last read.
    #[must_use]
    pub fn read_order(&self, service: ServiceId) -> Option<&Service> {
        self.order(service)
    }

    /// Whether the answer to this request would still be taken in.
    #[must_use]
    pub fn awaits(&self, request: RequestId) -> bool {
        let moving = self.moving.as_ref();
        self.reading.awaits(request)
            || self.lock.awaits(request)
            || moving.is_some_and(|moving| moving.awaits(request))
    }

    /// Takes in what happened and says what to do.
    pub fn step<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        input: Input,
        effects: &mut Effects<Effect>,
    ) {
        match self.phase {
            Phase::New => self.on_input_new(config, input, effects),
            Phase::Reaping => self.on_input_reaping(config, now, input, effects),
            Phase::Serving => {
                self.on_input(config, now, input, effects);
                self.proceed(config, now, effects);
            }
            Phase::Gone => {}
        }
    }

    fn on_input<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        input: Input,
        effects: &mut Effects<Effect>,
    ) {
        match input {
            Input::Watched(snapshot) => self.on_watch(config, now, &snapshot, effects),
            Input::Read { request, snapshot } => {
                if self.reading.on_answer(request) {
                    self.on_snapshot(config, now, &snapshot, effects);
                }
            }
            Input::Written { request, outcome } => {
                if !self.on_move_written(request, outcome, effects) {
                    let change = self.lock.on_outcome(config, now, request, outcome);
                    self.on_change(config, change, effects);
                }
            }
            Input::Watchdog(reply) => {
                let process = self.lock.me().incarnation;
                self.watchdog.on_reply(process, reply, effects);
            }
            Input::WatchdogConnected => self.watchdog.attach(self.lock.me().incarnation, effects),
            Input::WatchdogGone => self.watchdog.lose(),
            Input::IntentRecorded { service } => {
                self.on_intent(config, now, service, effects);
            }
            Input::WorkerDone {
                worker,
                service,
                job,
                report,
            } => {
                let done = Worker {
                    id: worker,
                    job,
                    stage: Stage::Spawned,
                    uid: None,
                };
                self.on_worker_done(config, now, service, done, report, effects);
            }
            Input::ServiceEnded { service } => self.on_service_ended(config, service),
            Input::ServicesKilled => self.on_killed(config),
            Input::Leave(leave) => self.leaving = Some(leave),
            Input::Timer => {
                if self.lock.on_timer(config, now) {
                    effects.say(Event::RequestUnanswered);
                    self.reading.want_for_lock();
                }
                self.time_out_move(config, now, effects);
                self.reading.on_timer(config, now);
            }
            Input::Started | Input::KernelLock { .. } | Input::Reaped => {}
        }
    }

    fn on_change<M: Mutation>(
        &mut self,
        config: &Config<M>,
        change: Change,
        effects: &mut Effects<Effect>,
    ) {
        let lock = self.lock.lock();
        match change {
            Change::None | Change::Renewed => {}
            Change::Taken => {
                if let Some(hold) = self.lock.hold() {
                    effects.say(Event::LockTaken {
                        lock,
                        epoch: hold.epoch,
                    });
                }
                self.forget_move();
                self.forget_paused();
                self.reading.want();
                self.know_services(config);
            }
            Change::Released => {
                let running = self.lock.left_running(config).len();
                effects.say(Event::LockReleased { lock, running });
            }
            Change::Lost => {
                effects.say(Event::LockLost { lock });
            }
            Change::ReadNeeded => self.reading.want_for_lock(),
        }
    }

    fn publish(&mut self, state: LrmState, effects: &mut Effects<Effect>) {
        if state != self.state {
            effects.say(Event::LrmState {
                from: self.state,
                to: state,
            });
            self.state = state;
        }
    }

    /// Does in every lane what can be done now.
    fn proceed<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        self.lock.expire(config, now);
        self.shorten_for_ttl(config, now);
        self.forget_ignored(config);
        self.answer_orders(config, now, effects);
        self.attend_services(config, now, effects);
        self.location_lane(config, now, effects);
        self.lock_lane(config, now, effects);
        self.watchdog_lane(config, now, effects);
        self.read_lane(now, effects);
        self.publish(self.present_state(config, now), effects);
        if self.may_exit(config) {
            self.phase = Phase::Gone;
            effects.push(Effect::Exit);
        }
    }

    /// Whether every reason to stay has ended.
    fn may_exit<M: Mutation>(&self, config: &Config<M>) -> bool {
        self.leaving.is_some()
            && self.watchdog.is_idle()
            && self.watchdog.armed().is_none()
            && self.lock.hold().is_none()
            && !self.lock.is_busy()
            && self.services.values().all(|local| local.worker.is_none())
            && match self.leaving {
                // Nothing stays behind, not even without a watchdog.
                Some(Leave::Migrate) => self.all_stopped(),
                None | Some(Leave::Restart | Leave::Stop | Leave::StopAndFreeze) => {
                    self.all_stopped_or_left(config)
                }
            }
    }

    /// When this machine next needs attention, and why.
    #[must_use]
    pub fn next_wakeup<M: Mutation>(&self, config: &Config<M>) -> Option<Wakeup> {
        if self.phase != Phase::Serving {
            return None;
        }
        let timing = config.timing();
        let armed = self.watchdog.armed();
        let stop = armed.map(|armed| armed.deadline.minus(timing.stop_budget));
        let kill = armed.map(|armed| armed.deadline.minus(timing.kill_budget));
        let retries = self
            .services
            .values()
            .filter_map(|local| local.retry_at)
            .filter(|_| self.killing != Killing::Pending);
        earliest(
            [
                self.lock.next_wakeup(config).filter(|wakeup| {
                    wakeup.why == Why::RequestTimeout || !self.reading.blocks_lock()
                }),
                self.reading.next_wakeup(config),
                self.move_times_out(config),
                self.silence_ends(config),
                stop.filter(|_| self.state != LrmState::LostAgentLock)
                    .map(|at| Wakeup {
                        at,
                        why: Why::StopServices,
                    }),
                kill.filter(|_| self.may_have_to_kill(config))
                    .map(|at| Wakeup {
                        at,
                        why: Why::KillServices,
                    }),
                self.idle_since
                    .filter(|_| !config.broken(Mutant::IdleKeepsLock))
                    .filter(|_| !self.lock.is_busy() && !self.reading.blocks_lock())
                    .map(|since| Wakeup {
                        at: since + timing.idle,
                        why: Why::Idle,
                    }),
            ]
            .into_iter()
            .chain(retries.map(|at| {
                Some(Wakeup {
                    at,
                    why: Why::Retry,
                })
            })),
        )
    }

    /// The invariants of this machine's own state.
    ///
    /// # Errors
    ///
    /// The first that doesn't hold.
    pub fn check(&self) -> Result<(), Violation> {
        self.lock.check()?;
        let retry_without_worker = self
            .services
            .values()
            .all(|local| local.retry_at.is_none() || local.worker.is_none());
        if !retry_without_worker {
            return Err(Violation {
                name: "retry-or-work",
                why: "a job is tried again only after its worker has ended",
            });
        }
        self.check_orders()?;
        if self.phase == Phase::Gone && self.watchdog.armed().is_some() {
            return Err(Violation {
                name: "leaves-disarmed",
                why: "an LRM ends by itself only when nothing of its own is armed",
            });
        }
        Ok(())
    }

    fn check_orders(&self) -> Result<(), Violation> {
        if !self.results.are_sorted() {
            return Err(Violation {
                name: "one-result",
                why: "a command has one result, and the manager looks it up by its uid",
            });
        }
        let resumed = self.moving.as_ref().is_some_and(|moving| {
            let local = self.services.get(&moving.service());
            local
                .and_then(|local| local.worker)
                .is_some_and(|worker| worker.job == Job::Start && worker.stage == Stage::Spawned)
        });
        if resumed {
            return Err(Violation {
                name: "moved-untouched",
                why: "a service that may belong to another node already is not started here",
            });
        }
        Ok(())
    }

    /// What the watchdog's client knows to be armed, for the checker's properties.
    #[must_use]
    pub fn armed_until(&self) -> Option<Instant> {
        self.watchdog.armed().map(|armed| armed.deadline)
    }
}

impl Local {
    const fn unknown() -> Self {
        Self {
            status: Status::Unknown,
            worker: None,
            retry_at: None,
            ended: false,
            failures: 0,
            passes: 0,
        }
    }
}

impl Visit for Status {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Paused(sent) => sent.visit(visitor),
            Self::Unknown | Self::Doubtful | Self::Stopped | Self::Running | Self::Failed => {}
        }
    }
}

visit_fields!(Worker { id, job, uid });
visit_fields!(Local { status, worker; retry_at });
visit_fields!(Lrm {
    lock,
    watchdog,
    reading,
    view,
    services,
    moving,
    results,
    idle_since
});
