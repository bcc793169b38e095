//! The cluster resource manager of one node: at most one of them is master and decides.
//!
//! It contends for the manager lock while there is something to manage. Holding it, it lets its
//! [`Manager`] decide, once a round and whenever something changed. It runs no service and its
//! writes compare the manager lock's grant, so a deposed master changes nothing.
//!
//! The lock is behind a port: [`Effect::Lock`] asks, [`Input::Lock`] answers. A round is
//! [`Input::Round`], the answer about the lock, and, for a master, [`Input::Manage`] with a read
//! made after it.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::event::Level;
use crate::id::NodeId;
use crate::manager::event::Event as Said;
use crate::manager::status::{NodeState, Status};
use crate::manager::{Decisions, Halt, Manager, View};
use crate::mutation::Mutation;
use crate::time::Instant;
use crate::visit::visit_fields;

/// The CRM of one node, as one process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Crm {
    me: NodeId,
    state: CrmState,
    manager: Option<Box<Manager>>,
    /// What the answer about the lock is waited for with.
    asked: Option<Asked>,
    idle_rounds: u32,
    leaving: bool,
}

/// The states of a CRM, by the specification's names (`protocol.md` 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CrmState {
    /// Before the first transition.
    Startup,
    /// Nothing to manage, or no majority.
    WaitForQuorum,
    /// Another one is master.
    Slave,
    /// This one decides.
    Master,
    /// This one was master.
    LostManagerLock,
}

/// What a round learned before it asked for the lock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Asked {
    updated: bool,
    /// Whether nothing is managed, if that could be read.
    idle: Result<bool, ReadError>,
    /// What a manager would say that began now.
    announcement: Option<Said>,
}

/// What is asked of the manager lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LockRequest {
    /// Take or renew it.
    Hold,
    /// Give it back.
    Release,
}

/// The answer about the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LockAnswer {
    /// It was done.
    Granted,
    /// It was not.
    Refused,
}

/// Why something couldn't be read, in the words of whoever tried.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReadError(pub String);

/// What happened to the CRM.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A round begins.
    Round {
        /// Whether this node is in the part of the cluster that has a majority.
        quorate: bool,
        /// Whether this node's copy of the store is up to date.
        updated: bool,
        /// What stands in the store.
        view: Result<View<'a>, ReadError>,
    },
    /// The answer to [`Effect::Lock`].
    Lock(LockAnswer),
    /// The answer to [`Effect::Read`].
    Manage(Result<View<'a>, ReadError>),
    /// The process is to end.
    Shutdown,
}

/// What the driver has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// Answer with [`Input::Lock`].
    Lock(LockRequest),
    /// Read everything, later than now; answer with [`Input::Manage`].
    Read,
    /// Write the [`Decisions`] of this step.
    Commit,
    /// End.
    Exit,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Event {
    /// The state changed.
    State(CrmState, CrmState),
    /// The process was asked to end.
    ShutdownRequested,
    /// The status couldn't be read.
    StatusUnreadable(ReadError),
    /// This node's copy of the store may be old.
    RoundSkipped,
    /// Nothing to manage for so many rounds.
    GoingIdle(u32),
    /// The lock is given back.
    Releasing,
    /// It couldn't be given back.
    ReleaseFailed,
    /// The round was given up.
    Unexpected(ReadError),
    /// The round was given up over a service.
    Halted(Halt),
    /// A decision of the manager.
    Manager(Said),
}

/// The outbox of a step. Kept between steps.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// What the driver has to do.
    pub effects: alloc::vec::Vec<Effect>,
    /// What was decided.
    pub events: alloc::vec::Vec<Event>,
    /// What the manager decided, if [`Effect::Commit`] asks for it.
    pub decisions: Decisions,
}

impl Crm {
    /// A process that just began.
    #[must_use]
    pub const fn new(me: NodeId) -> Self {
        Self {
            me,
            state: CrmState::Startup,
            manager: None,
            asked: None,
            idle_rounds: 0,
            leaving: false,
        }
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> CrmState {
        self.state
    }

    /// The manager, while this one is master and has begun to decide.
    #[must_use]
    pub fn manager(&self) -> Option<&Manager> {
        self.manager.as_deref()
    }

    /// Lets the manager go on from what stands in the store, whatever it decided meanwhile.
    pub fn go_on_from(&mut self, status: &Status) {
        if let Some(manager) = &mut self.manager {
            manager.go_on_from(status);
        }
    }

    /// Forgets what is kept for speed alone.
    pub fn forget_buffers(&mut self) {
        if let Some(manager) = &mut self.manager {
            manager.forget_buffers();
        }
    }

    /// Enters the first state.
    pub fn begin(&mut self, out: &mut Outbox) {
        self.enter(CrmState::WaitForQuorum, out);
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
            } => self.on_round(quorate, updated, &view, out),
            Input::Lock(answer) => self.on_lock(config, answer, out),
            Input::Manage(Ok(view)) => self.on_view(config, now, &view, out),
            Input::Manage(Err(error)) => out.events.push(Event::Unexpected(error)),
            Input::Shutdown => self.on_shutdown(out),
        }
    }

    fn enter(&mut self, to: CrmState, out: &mut Outbox) {
        if to == self.state {
            return;
        }
        out.events.push(Event::State(self.state, to));
        self.state = to;
        self.manager = None;
    }

    fn on_shutdown(&mut self, out: &mut Outbox) {
        if !self.leaving {
            self.leaving = true;
            out.events.push(Event::ShutdownRequested);
        }
    }

    fn on_round(
        &mut self,
        quorate: bool,
        updated: bool,
        view: &Result<View<'_>, ReadError>,
        out: &mut Outbox,
    ) {
        let healthy =
            |view: &View<'_>| quorate && updated && !view.status.has_service_in_fence(self.me);
        let asks = match (self.state, view) {
            (CrmState::Master, _) => true,
            (CrmState::WaitForQuorum | CrmState::Slave, Ok(view)) => {
                healthy(view) && self.has_work(view)
            }
            (CrmState::WaitForQuorum | CrmState::Slave, Err(error)) => {
                out.events.push(Event::StatusUnreadable(error.clone()));
                false
            }
            (CrmState::Startup | CrmState::LostManagerLock, _) => false,
        };
        if asks {
            let idle = match view {
                Ok(view) => Ok(healthy(view) && is_idle(view)),
                Err(error) => Err(error.clone()),
            };
            let announcement = view
                .as_ref()
                .ok()
                .and_then(|view| view.settings.scheduler.announcement());
            self.asked = Some(Asked {
                updated,
                idle,
                announcement,
            });
            out.effects.push(Effect::Lock(LockRequest::Hold));
            return;
        }
        if self.state == CrmState::Slave {
            self.enter(CrmState::WaitForQuorum, out);
        }
        self.exit_if_leaving(out);
    }

    /// Whether there is anything that a master is needed for (`protocol.md` 7.2).
    fn has_work(&self, view: &View<'_>) -> bool {
        if !view.resources.is_empty() {
            return true;
        }
        let status = view.status;
        let master_is_away = status.master.is_none_or(|master| {
            master == self.me || status.nodes.get(master) != Some(&NodeState::Online)
        });
        let unasked_maintenance = || {
            status.nodes.iter().any(|(node, state)| {
                *state == NodeState::Maintenance && !status.wants_maintenance(node)
            })
        };
        master_is_away
            && (unasked_maintenance()
                || !view.commands.is_empty()
                || !status.services.is_empty()
                || status.disarm.is_some())
    }

    fn on_lock<M: Mutation>(&mut self, config: &Config<M>, answer: LockAnswer, out: &mut Outbox) {
        let Some(asked) = self.asked.take() else {
            self.on_released(answer, out);
            return;
        };
        match (self.state, answer) {
            (CrmState::WaitForQuorum | CrmState::Slave, LockAnswer::Granted) => {
                self.enter(CrmState::Master, out);
            }
            (CrmState::WaitForQuorum | CrmState::Slave, LockAnswer::Refused) => {
                self.enter(CrmState::Slave, out);
            }
            (CrmState::Master, LockAnswer::Granted) => {
                if self.note_idle(config, asked.idle, out) {
                    return;
                }
            }
            (CrmState::Master, LockAnswer::Refused) => {
                self.enter(CrmState::LostManagerLock, out);
                if self.leaving {
                    out.effects.push(Effect::Exit);
                } else {
                    self.enter(CrmState::WaitForQuorum, out);
                }
                return;
            }
            (CrmState::Startup | CrmState::LostManagerLock, _) => return,
        }
        if self.state == CrmState::Master {
            self.work(asked.updated, asked.announcement, out);
        } else {
            self.exit_if_leaving(out);
        }
    }

    /// Counts rounds with nothing to manage. Says whether the lock was given back for that.
    fn note_idle<M: Mutation>(
        &mut self,
        config: &Config<M>,
        idle: Result<bool, ReadError>,
        out: &mut Outbox,
    ) -> bool {
        let rounds_max = config.policy().crm_idle_rounds;
        let idle = idle.unwrap_or_else(|error| {
            out.events.push(Event::StatusUnreadable(error));
            false
        });
        self.idle_rounds = if idle { self.idle_rounds + 1 } else { 0 };
        if self.idle_rounds <= rounds_max {
            return false;
        }
        self.idle_rounds = 0;
        out.events.push(Event::GoingIdle(rounds_max));
        out.effects.push(Effect::Lock(LockRequest::Release));
        self.enter(CrmState::WaitForQuorum, out);
        self.exit_if_leaving(out);
        true
    }

    fn work(&mut self, updated: bool, announcement: Option<Said>, out: &mut Outbox) {
        if self.leaving {
            // One that became master only to give the lock back has a manager all the same.
            let begins = self.manager.is_none();
            let announcement = announcement.filter(|_| begins);
            out.events.extend(announcement.map(Event::Manager));
            out.events.push(Event::Releasing);
            out.effects.push(Effect::Lock(LockRequest::Release));
        } else if updated {
            out.effects.push(Effect::Read);
        } else {
            out.events.push(Event::RoundSkipped);
        }
    }

    fn on_released(&mut self, answer: LockAnswer, out: &mut Outbox) {
        if self.state != CrmState::Master {
            return;
        }
        if answer == LockAnswer::Refused {
            out.events.push(Event::ReleaseFailed);
        }
        self.exit_if_leaving(out);
    }

    fn exit_if_leaving(&mut self, out: &mut Outbox) {
        if self.leaving {
            out.effects.push(Effect::Exit);
        }
    }

    fn on_view<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        view: &View<'_>,
        out: &mut Outbox,
    ) {
        if self.state != CrmState::Master {
            return;
        }
        let (me, decisions) = (self.me, &mut out.decisions);
        let manager = self
            .manager
            .get_or_insert_with(|| Box::new(Manager::new(me, view.status.clone())));
        let ended = manager.decide(config, view, now, decisions);
        out.events
            .extend(decisions.events.drain(..).map(Event::Manager));
        match ended {
            Ok(()) => out.effects.push(Effect::Commit),
            Err(Halt::Said) => {}
            Err(halt @ Halt::Service(..)) => out.events.push(Event::Halted(halt)),
        }
    }
}

/// Whether nothing is managed, and nothing is left of what was.
fn is_idle(view: &View<'_>) -> bool {
    let Status {
        services, disarm, ..
    } = view.status;
    disarm.is_none() && view.resources.is_empty() && services.is_empty()
}

impl fmt::Display for CrmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Startup => "startup",
            Self::WaitForQuorum => "wait_for_quorum",
            Self::Slave => "slave",
            Self::Master => "master",
            Self::LostManagerLock => "lost_manager_lock",
        })
    }
}

impl Event {
    /// How much it matters.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::State(..) | Self::ShutdownRequested | Self::GoingIdle(_) | Self::Releasing => {
                Level::Info
            }
            Self::RoundSkipped | Self::ReleaseFailed => Level::Notice,
            Self::StatusUnreadable(_) | Self::Unexpected(_) | Self::Halted(_) => Level::Error,
            Self::Manager(event) => event.level(),
        }
    }

    /// Writes the text, with names.
    ///
    /// # Errors
    ///
    /// That of the writer.
    pub fn write(&self, f: &mut dyn fmt::Write, names: &crate::name::Names) -> fmt::Result {
        match self {
            Self::State(from, to) => write!(f, "status change {from} => {to}"),
            Self::ShutdownRequested => f.write_str("server received shutdown request"),
            Self::StatusUnreadable(ReadError(error)) => {
                write!(f, "could not read manager status: {error}")
            }
            Self::RoundSkipped => {
                f.write_str("temporary inconsistent cluster state (cfs restart?), skip round")
            }
            Self::GoingIdle(rounds) => write!(
                f,
                "cluster had no service configured for {rounds} rounds, going idle."
            ),
            Self::Releasing => f.write_str("voluntary release CRM lock"),
            Self::ReleaseFailed => f.write_str("CRM lock release failed, let the lock timeout"),
            Self::Unexpected(ReadError(error)) => write!(f, "got unexpected error - {error}"),
            Self::Halted(halt) => {
                f.write_str("got unexpected error - ")?;
                match halt.event() {
                    Some(event) => write!(f, "{}", event.text(names)),
                    None => Ok(()),
                }
            }
            Self::Manager(event) => write!(f, "{}", event.text(names)),
        }
    }
}

visit_fields!(Crm { manager });
