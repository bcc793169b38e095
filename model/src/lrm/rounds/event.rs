//! What the LRM decided, and the texts for it (`protocol.md` 5).

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::event::{Level, LrmState};
use crate::id::ServiceId;
use crate::name::Names;

/// How services are treated when their node is shut down (`config.md` 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ShutdownPolicy {
    /// Frozen if the node comes back at once.
    Conditional,
    /// Frozen.
    Freeze,
    /// Recovered elsewhere.
    Failover,
    /// Moved away first.
    Migrate,
}

impl ShutdownPolicy {
    /// The policy of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Conditional,
            Self::Freeze,
            Self::Failover,
            Self::Migrate,
        ]
        .into_iter()
        .find(|policy| policy.name() == name)
    }

    /// The word in settings and texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conditional => "conditional",
            Self::Freeze => "freeze",
            Self::Failover => "failover",
            Self::Migrate => "migrate",
        }
    }
}

/// Why an LRM is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// Its node goes down and comes back.
    Reboot,
    /// Its node goes down.
    Shutdown,
    /// The LRM alone is restarted.
    Restart,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Event {
    /// The state changed.
    State(LrmState, LrmState),
    /// The manager's status couldn't be read.
    StatusUnreadable(String),
    /// The node's status couldn't be written.
    NotPublished(String),
    /// The same, at a shutdown.
    NotPublishedAtShutdown,
    /// This node is to be fenced.
    ToBeFenced {
        /// Whether it is in maintenance.
        maintenance: bool,
    },
    /// Lock and watchdog are let go, the stack being disarmed.
    Disarming {
        /// Whether the node is in maintenance.
        maintenance: bool,
    },
    /// Nothing to run for so many rounds.
    GoingIdle(u32),
    /// This node's copy of the store may be old.
    RoundSkipped,
    /// An end was asked for while services run without a lock.
    ShutdownWithoutLock(usize),
    /// The lock doesn't come back.
    GivesUp,
    /// A worker couldn't be executed.
    NotExecuted(ServiceId),
    /// A worker was killed.
    Killed(ServiceId, i32),
    /// A start failed too often here.
    GivesUpStart(ServiceId, u32),
    /// A start is tried again.
    Retries(ServiceId, u32),
    /// The node's shutdown begins.
    ShutdownPolicy(String),
    /// The cluster's settings name a policy that isn't known.
    UnknownPolicy(String),
    /// What an end means for services.
    Leaving(Leaving),
}

/// What an LRM's end means for its services.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Leaving {
    /// In maintenance already, and that policy asks for it too.
    AlreadyMaintenance(Reason),
    /// In maintenance already, whatever the policy, which is named as the settings have it.
    PolicyIgnored(Reason, String),
    /// They are moved away.
    Maintenance(Reason),
    /// They are stopped and frozen.
    StopAndFreeze(Reason),
    /// They are stopped.
    Stop,
    /// They are moved away before it restarts.
    RestartInMaintenance,
    /// They are frozen.
    Freeze,
}

impl Reason {
    /// The word in texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reboot => "reboot",
            Self::Shutdown => "shutdown",
            Self::Restart => "restart",
        }
    }
}

impl Event {
    /// How much it matters.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::State(..)
            | Self::Disarming { .. }
            | Self::GoingIdle(_)
            | Self::ShutdownPolicy(_)
            | Self::Leaving(_) => Level::Info,
            Self::RoundSkipped => Level::Notice,
            Self::Retries(..) => Level::Warning,
            Self::StatusUnreadable(_)
            | Self::NotPublished(_)
            | Self::NotPublishedAtShutdown
            | Self::ToBeFenced { .. }
            | Self::ShutdownWithoutLock(_)
            | Self::GivesUp
            | Self::NotExecuted(_)
            | Self::Killed(..)
            | Self::GivesUpStart(..)
            | Self::UnknownPolicy(_) => Level::Error,
        }
    }

    /// Writes the text, with names.
    ///
    /// # Errors
    ///
    /// That of the writer.
    pub fn write(&self, f: &mut dyn fmt::Write, names: &Names) -> fmt::Result {
        match self {
            Self::State(from, to) => write!(f, "status change {from} => {to}"),
            Self::StatusUnreadable(error) => {
                write!(f, "updating service status from manager failed: {error}")
            }
            Self::NotPublished(error) => write!(f, "unable to write lrm status file - {error}"),
            Self::NotPublishedAtShutdown => {
                f.write_str("unable to update lrm status file - not quorate?")
            }
            Self::ToBeFenced { maintenance: false } => {
                f.write_str("node needs to be fenced - releasing agent_lock")
            }
            Self::ToBeFenced { maintenance: true } => f.write_str(
                "node needs to be fenced during maintenance mode - releasing agent_lock",
            ),
            Self::Disarming { maintenance: false } => {
                f.write_str("HA disarm requested, releasing agent lock and watchdog")
            }
            Self::Disarming { maintenance: true } => f.write_str(
                "HA disarm requested during maintenance, releasing agent lock and watchdog",
            ),
            Self::GoingIdle(rounds) => write!(
                f,
                "node had no service configured for {rounds} rounds, going idle."
            ),
            Self::RoundSkipped => {
                f.write_str("temporary inconsistent cluster state (cfs restart?), skip round")
            }
            Self::ShutdownWithoutLock(running) => write!(
                f,
                "got shutdown request in state 'lost_agent_lock' - detected {running} running services"
            ),
            Self::GivesUp => {
                f.write_str("lost agent lock and restart request for over 90 seconds - giving up!")
            }
            Self::NotExecuted(service) => write!(
                f,
                "resource agent {} finished - failed to execute",
                names.service(*service)
            ),
            Self::Killed(service, signal) => write!(
                f,
                "resource agent {} finished - got signal {signal}",
                names.service(*service)
            ),
            Self::GivesUpStart(service, retries) => write!(
                f,
                "unable to start service {} on local node after {retries} retries",
                names.service(*service)
            ),
            Self::Retries(service, number) => write!(
                f,
                "restart policy: retry number {number} for service '{}'",
                names.service(*service)
            ),
            Self::ShutdownPolicy(policy) => {
                write!(f, "got shutdown request with shutdown policy '{policy}'")
            }
            Self::UnknownPolicy(policy) => write!(
                f,
                "unknown shutdown policy '{policy}', fall back to conditional"
            ),
            Self::Leaving(leaving) => leaving.write(f),
        }
    }
}

impl Leaving {
    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::AlreadyMaintenance(reason) => write!(
                f,
                "{} LRM, ignore maintenance policy, already in maintenance mode",
                reason.name()
            ),
            Self::PolicyIgnored(reason, policy) => write!(
                f,
                "{} LRM, ignore {policy} policy as manual maintenance mode is enabled",
                reason.name()
            ),
            Self::Maintenance(reason) => write!(
                f,
                "{} LRM, doing maintenance, removing this node from active list",
                reason.name()
            ),
            Self::StopAndFreeze(reason) => {
                write!(f, "{} LRM, stop and freeze all services", reason.name())
            }
            Self::Stop => f.write_str("shutdown LRM, stop all services"),
            Self::RestartInMaintenance => f.write_str(
                "Restarting LRM in maintenance mode may be delayed until all services are moved",
            ),
            Self::Freeze => f.write_str("restart LRM, freeze all services"),
        }
    }
}
