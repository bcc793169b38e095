//! What a machine decided, as typed events; one formatter renders them.
//!
//! An event says what was *decided*. Whether what follows from it was carried out is in the
//! journal, which holds the effects and their results. Texts that the specification fixes
//! (`protocol.md`) are rendered exactly so.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{Epoch, LockId, NodeId, ServiceId};
use crate::time::{Instant, Span};

/// How much an event matters to an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// Normal operation.
    Info,
    /// Normal operation, but rare.
    Notice,
    /// Something an operator should look at.
    Warning,
    /// Something that stops or resets services, or keeps them from running.
    Error,
    /// Something that people are told of wherever they are.
    Mail,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Event {
    /// The lock was granted to this process.
    LockTaken {
        /// Which.
        lock: LockId,
        /// The term that begins.
        epoch: Epoch,
    },
    /// The lock was given back.
    LockReleased {
        /// Which.
        lock: LockId,
        /// Whether services were left running.
        running: usize,
    },
    /// A read showed that somebody else holds the lock now.
    LockLost {
        /// Which.
        lock: LockId,
    },
    /// The lock's beat goes on although this boot is not its holder's: two boots of one node.
    SecondBoot {
        /// The node that both act for.
        node: NodeId,
    },
    /// The lock was held from another machine under this node's name.
    OtherMachine {
        /// The node that both act for.
        node: NodeId,
    },
    /// A fence agent is asked to switch a node's machine off.
    FencingByAgent {
        /// The node.
        node: NodeId,
    },
    /// A fence agent has switched a node's machine off.
    FencedByAgent {
        /// The node.
        node: NodeId,
    },
    /// A fence agent doesn't know whether a node's machine is off.
    AgentDidNotFence {
        /// The node.
        node: NodeId,
    },
    /// A request to the store had no answer in time; its outcome is open.
    RequestUnanswered,
    /// The LRM's state changed.
    LrmState {
        /// The state left.
        from: LrmState,
        /// The state entered.
        to: LrmState,
    },
    /// A service is being started.
    Starting(ServiceId),
    /// A service is being stopped.
    Stopping(ServiceId),
    /// A service runs.
    Running(ServiceId),
    /// A service was positively confirmed stopped.
    Stopped(ServiceId),
    /// An agent gave no clear answer about a service.
    Unclear(ServiceId),
    /// A failed start is tried again on this node.
    Retries {
        /// What didn't start.
        service: ServiceId,
        /// How often it has failed in a row.
        number: u32,
    },
    /// A start failed too often on this node.
    GivesUpStart {
        /// What didn't start.
        service: ServiceId,
        /// How often it was tried again.
        retries: u32,
    },
    /// A service is being made ready to go on elsewhere.
    Sending {
        /// Which.
        service: ServiceId,
        /// Where to.
        target: NodeId,
    },
    /// A service belongs to another node now.
    Moved {
        /// Which.
        service: ServiceId,
        /// Where to.
        target: NodeId,
    },
    /// A service was not moved, and stays here.
    NotMoved(ServiceId),
    /// Services did not stop within their budget and are killed.
    Killing,
    /// The watchdog is armed for a client until D.
    Armed {
        /// The deadline D.
        deadline: Instant,
    },
    /// The last arm ended; the device was closed.
    Disarmed,
    /// A client's end of authority was refused: its deadline has passed already.
    ArmRefused,
    /// D has passed: the device is not touched again and resets the host.
    DeadlinePassed,
    /// A client went away without disarming; its deadline stays.
    ClientVanished,
    /// A request to terminate was ignored while armed.
    TerminateIgnored,
    /// The marker of an armed multiplexer was found: this one must not open the device.
    MarkerFound,
    /// The device refused, or keeps another time-out than it was asked for.
    DeviceRefused {
        /// What was asked for.
        asked: Span,
        /// What it reported, if anything.
        got: Option<Span>,
    },
}

/// The LRM's states, by the specification's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LrmState {
    /// Before the first transition.
    Startup,
    /// It may run nothing.
    WaitForAgentLock,
    /// It holds its lock with authority left and may run services.
    Active,
    /// Its authority is at its end; services are being stopped.
    LostAgentLock,
    /// It may run services, and is to have none.
    Maintenance,
}

impl fmt::Display for LrmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Startup => "startup",
            Self::WaitForAgentLock => "wait_for_agent_lock",
            Self::Active => "active",
            Self::LostAgentLock => "lost_agent_lock",
            Self::Maintenance => "maintenance",
        })
    }
}

impl Event {
    /// How much it matters.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::LockTaken { .. }
            | Self::LockReleased { .. }
            | Self::LrmState { .. }
            | Self::Starting(_)
            | Self::Stopping(_)
            | Self::Running(_)
            | Self::Stopped(_)
            | Self::Sending { .. }
            | Self::Moved { .. }
            | Self::Armed { .. }
            | Self::Disarmed => Level::Info,
            Self::FencingByAgent { .. } | Self::FencedByAgent { .. } => Level::Notice,
            Self::RequestUnanswered
            | Self::Unclear(_)
            | Self::Retries { .. }
            | Self::TerminateIgnored => Level::Warning,
            Self::GivesUpStart { .. }
            | Self::NotMoved(_)
            | Self::AgentDidNotFence { .. }
            | Self::LockLost { .. }
            | Self::SecondBoot { .. }
            | Self::OtherMachine { .. }
            | Self::Killing
            | Self::ArmRefused
            | Self::DeadlinePassed
            | Self::ClientVanished
            | Self::MarkerFound
            | Self::DeviceRefused { .. } => Level::Error,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LockTaken { lock, epoch } => {
                write!(f, "got lock '{lock}' (term {epoch})")
            }
            Self::LockReleased { lock, running: 0 } => {
                write!(f, "released lock '{lock}', nothing runs")
            }
            Self::LockReleased { lock, running } => {
                write!(f, "released lock '{lock}', {running} services left running")
            }
            Self::LockLost { lock } => write!(f, "lost lock '{lock}'"),
            Self::SecondBoot { node } => write!(
                f,
                "another boot of {node} still renews its lock: is this machine a clone? refusing to take the lock"
            ),
            Self::OtherMachine { node } => write!(
                f,
                "another machine held the lock of {node}: refusing to take it until a person replaces the node"
            ),
            Self::FencingByAgent { node } => write!(f, "start fencing node '{node}'"),
            Self::FencedByAgent { node } => write!(f, "node '{node}' is off, a fence agent says"),
            Self::AgentDidNotFence { node } => {
                write!(f, "tried all fence devices for node '{node}'")
            }
            Self::RequestUnanswered => f.write_str("a store request had no answer in time"),
            Self::LrmState { from, to } => write!(f, "status change {from} => {to}"),
            Self::Starting(service) => write!(f, "starting service {service}"),
            Self::Stopping(service) => write!(f, "stopping service {service}"),
            Self::Running(service) => write!(f, "service {service} runs"),
            Self::Stopped(service) => write!(f, "service {service} is stopped"),
            Self::Unclear(service) => write!(f, "the state of service {service} is unclear"),
            Self::Retries { service, number } => write!(
                f,
                "restart policy: retry number {number} for service '{service}'"
            ),
            Self::GivesUpStart { service, retries } => write!(
                f,
                "unable to start service {service} on local node after {retries} retries"
            ),
            Self::Sending { service, target } => {
                write!(f, "moving service {service} to {target} while it runs")
            }
            Self::Moved { service, target } => write!(f, "service {service} belongs to {target}"),
            Self::NotMoved(service) => write!(f, "service {service} not moved (migration error)"),
            Self::Killing => f.write_str("services did not stop in time, killing them"),
            Self::Armed { deadline } => write!(f, "watchdog active (until {} ms)", deadline.0),
            Self::Disarmed => f.write_str("watchdog closed (disabled)"),
            Self::ArmRefused => f.write_str("an authority that has ended was not armed"),
            Self::DeadlinePassed => {
                f.write_str("client watchdog expired - disable watchdog updates")
            }
            Self::ClientVanished => {
                f.write_str("client did not stop watchdog - its deadline stays")
            }
            Self::TerminateIgnored => f.write_str("got terminate request while armed - ignored"),
            Self::MarkerFound => f.write_str("watchdog active - unable to restart watchdog-mux"),
            Self::DeviceRefused {
                asked,
                got: Some(got),
            } => write!(
                f,
                "the watchdog device keeps a time-out of {got} instead of {asked}: not armed"
            ),
            Self::DeviceRefused { asked, got: None } => {
                write!(f, "the watchdog device could not be armed with {asked}")
            }
        }
    }
}

/// The outbox of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effects<E> {
    /// What the driver has to do, in order within each lane.
    pub effects: Vec<E>,
    /// What was decided, for people.
    pub events: Vec<Event>,
}

impl<E> Default for Effects<E> {
    fn default() -> Self {
        Self {
            effects: Vec::new(),
            events: Vec::new(),
        }
    }
}

impl<E> Effects<E> {
    /// An empty outbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn push(&mut self, effect: E) {
        self.effects.push(effect);
    }

    pub(crate) fn say(&mut self, event: Event) {
        self.events.push(event);
    }
}

/// An invariant of a machine's own state that does not hold: a bug, never bad input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Violation {
    /// The invariant's name.
    pub name: &'static str,
    /// What it says, and why the opposite can't happen.
    pub why: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.why)
    }
}
