//! What a round decided. [`super::text`] says it in words.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::status::{Disarm, ExitCode, LrmMode, NodeState, Requested, Task};
use super::text::Text;
use crate::event::{Level, LrmState};
use crate::id::{NodeId, ServiceId};
use crate::name::Names;
use crate::placement::state::ServiceState;

/// A decision of a manager's round.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Event {
    /// About a node.
    Node(NodeId, NodeEvent),
    /// About a service.
    Service(ServiceId, ServiceEvent),
    /// About a command, with its text.
    Command(String, CommandEvent),
    /// About disarming and arming.
    Stack(StackEvent),
    /// About the migration of groups to rules.
    Groups(GroupsEvent),
    /// This node is not online as the manager sees it: it decides nothing.
    MasterOffline,
    /// The stack is disarmed in a way that isn't known.
    UnknownDisarm(String),
    /// Loads were measured, for a scheduler that looks at them.
    Measured,
    /// What the scheduler or the rules say, ready to print.
    Advice {
        /// How much it matters.
        level: Level,
        /// What they say.
        text: String,
    },
}

/// A decision about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NodeEvent {
    /// Its state changed.
    State(NodeState, NodeState),
    /// It was forgotten.
    Deleted,
    /// It is to be fenced.
    ToFence,
    /// It is to be fenced, though none of its services is.
    FenceWithoutServices,
    /// Its agent lock was obtained.
    GotLock,
    /// It is fenced.
    Fenced,
    /// The same, for people.
    FencedMail,
    /// A request for maintenance while disarmed.
    MaintenanceWhileDisarmed,
    /// A request for maintenance that it does already.
    AlreadyInMaintenance,
    /// A request for its end that it doesn't do.
    NoMaintenanceToEnd(NodeState),
}

/// A decision about a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ServiceEvent {
    /// It is managed from now on.
    Added(Option<NodeId>),
    /// It is managed no more.
    Removed {
        /// Whether it is configured as ignored, and not just gone.
        ignored: bool,
    },
    /// Its state changed, with what the change brought along.
    State {
        /// The state left.
        from: ServiceState,
        /// The state entered.
        to: ServiceState,
        /// What was set with it.
        set: Parameters,
    },
    /// Its configuration lies elsewhere.
    Fixup(Option<NodeId>, Option<NodeId>),
    /// Its configuration asks for what can't be done.
    UnknownState(Requested),
    /// It couldn't be stopped.
    StopFailed(ExitCode),
    /// About what a person asked for.
    Request(RequestEvent),
    /// About its start.
    Start(StartEvent),
    /// About where it is to be.
    Place(PlaceEvent),
    /// About its recovery.
    Recovery(RecoveryEvent),
}

/// What a change of state sets.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Parameters {
    /// The node.
    pub node: Option<NodeId>,
    /// Where it is moved to.
    pub target: Option<NodeId>,
    /// How long a stop may take, in seconds.
    pub timeout: Option<u64>,
}

/// A person's request, looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RequestEvent {
    /// A move to a node that isn't online.
    TargetOffline(Task, NodeId),
    /// A move to where it is.
    AlreadyThere(Task, NodeId),
    /// A stop of what is stopped.
    AlreadyStopped,
    /// A move begins.
    Moving(Task, NodeId),
    /// A stop begins.
    Stopping(u64),
    /// What is queued is no command.
    Unknown(String),
}

/// A start's outcome.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StartEvent {
    /// It runs, after failures elsewhere.
    Relocated(NodeId, Vec<NodeId>),
    /// It couldn't be started on this node.
    Failed(NodeId),
    /// It couldn't be started anywhere allowed.
    PolicyFailed(Vec<NodeId>),
    /// It can't be started.
    Unrecoverable(ExitCode),
    /// Nowhere else to try.
    TriedAll(Vec<NodeId>),
}

/// A choice of node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PlaceEvent {
    /// A node was chosen for its start.
    Balanced {
        /// Which.
        node: NodeId,
        /// Whether it is another one.
        moved: bool,
    },
    /// It returns after maintenance.
    MovingBack(NodeId),
    /// It doesn't return after maintenance.
    FallbackDropped(NodeId),
    /// It has returned otherwise.
    FallbackStale(NodeId),
    /// Another node is better.
    Placed(Task, NodeId),
    /// It wasn't where it was to be moved from.
    WrongNode,
    /// It ran already and stays.
    BalanceIgnored,
    /// It couldn't be moved.
    MoveFailed(ExitCode),
}

/// A recovery from a fenced node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RecoveryEvent {
    /// It goes to another node, or to the same again.
    To {
        /// From where.
        from: Option<NodeId>,
        /// To where.
        to: NodeId,
    },
    /// Nowhere to go.
    NoNode(Option<NodeId>),
    /// Its node's lock lists it as left running there, which may go on.
    LeftRunning {
        /// Which node.
        from: Option<NodeId>,
        /// Whether that is there again, and goes on with it.
        back: bool,
    },
    /// Its node is back, with its lock: there it goes on.
    Back(NodeId),
    /// No LRM has reported on it since it came to be managed, so it may run on its node.
    Unowned {
        /// Which node.
        from: Option<NodeId>,
        /// Whether that is there again, and finds out.
        back: bool,
    },
    /// A lock that its dead node left was removed.
    LockRemoved(String),
    /// Its configuration isn't where the status says (`protocol.md` 8.6).
    NotThere {
        /// Where the status says.
        status: Option<NodeId>,
        /// Where it is.
        config: Option<NodeId>,
    },
    /// It has no configuration to move.
    NoConfig,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CommandEvent {
    /// Accepted.
    Got,
    /// Not a command.
    Unparsable,
    /// No such service.
    NoSuchService,
    /// Its node isn't online.
    NodeNotOnline,
    /// Nothing to do.
    AlreadyThere,
    /// Another service keeps the target to itself.
    Blocked {
        /// The one that was to be moved.
        service: ServiceId,
        /// The one that is in the way.
        by: ServiceId,
        /// The target.
        target: NodeId,
    },
    /// Another service moves with it.
    Together {
        /// How.
        task: Task,
        /// The other one.
        service: ServiceId,
        /// The target.
        target: NodeId,
        /// The one that it moves with.
        leader: ServiceId,
    },
    /// A disarm while one is in force.
    AlreadyDisarmed(Disarm),
    /// An arm while nothing is disarmed.
    NotDisarmed,
}

/// Disarming and arming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StackEvent {
    /// A service is left alone from now on.
    Suspending(ServiceId),
    /// A service was moved by hand meanwhile.
    Moved(ServiceId, Option<NodeId>, Option<NodeId>),
    /// A service is in the middle of something.
    Deferred(ServiceId, ServiceState),
    /// A service is frozen.
    Freezing(ServiceId, ServiceState),
    /// Every LRM has let go.
    Complete,
}

/// The migration of groups to rules (`protocol.md` 8.10).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GroupsEvent {
    /// It begins.
    Begin,
    /// A node's state.
    Node(NodeId, NodeState),
    /// An LRM's state.
    Lrm(NodeId, LrmState, LrmMode),
    /// A node's version.
    Version(NodeId, String),
    /// Why not now.
    Abort(GroupsError),
    /// So nothing was done.
    Failed,
    /// It is tried again later.
    Retry,
    /// Rules were written.
    RulesDone,
    /// Resources were written.
    ResourcesDone,
    /// Groups were deleted.
    GroupsDone,
    /// It is finished.
    Done,
}

/// Why groups can't be migrated now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GroupsError {
    /// No quorum.
    NoQuorum,
    /// No node is known.
    NoNodes,
    /// A node isn't online.
    NotOnline(NodeId),
    /// An LRM never wrote its status.
    NoLrm(NodeId),
    /// An LRM is neither active nor idle.
    LrmState(NodeId),
    /// An LRM is about to do something else.
    LrmMode(NodeId),
    /// A node's version isn't known.
    NoVersion(NodeId),
    /// A node's version is too old.
    OldVersion(NodeId),
}

/// The version that a node needs before groups may be migrated.
pub const GROUPS_VERSION: &str = "9.0.0~16";

impl Event {
    /// How much it matters.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::Node(_, event) => event.level(),
            Self::Service(_, event) => event.level(),
            Self::Command(_, event) => event.level(),
            Self::Stack(event) => event.level(),
            Self::Groups(event) => event.level(),
            Self::MasterOffline | Self::Measured => Level::Info,
            Self::UnknownDisarm(_) => Level::Error,
            Self::Advice { level, .. } => *level,
        }
    }

    /// The text, with names.
    #[must_use]
    pub const fn text<'a>(&'a self, names: &'a Names) -> Text<'a> {
        Text::new(self, names)
    }
}

impl NodeEvent {
    const fn level(self) -> Level {
        match self {
            Self::State(..) | Self::GotLock | Self::Fenced | Self::AlreadyInMaintenance => {
                Level::Info
            }
            Self::Deleted | Self::FenceWithoutServices => Level::Notice,
            Self::ToFence | Self::FencedMail => Level::Mail,
            Self::MaintenanceWhileDisarmed | Self::NoMaintenanceToEnd(_) => Level::Warning,
        }
    }
}

impl ServiceEvent {
    const fn level(&self) -> Level {
        match self {
            Self::Added(_) | Self::Removed { .. } | Self::State { .. } | Self::Fixup(..) => {
                Level::Info
            }
            Self::UnknownState(_) | Self::StopFailed(_) => Level::Error,
            Self::Request(event) => match event {
                RequestEvent::TargetOffline(..) | RequestEvent::Unknown(_) => Level::Error,
                RequestEvent::AlreadyThere(..)
                | RequestEvent::AlreadyStopped
                | RequestEvent::Moving(..)
                | RequestEvent::Stopping(_) => Level::Info,
            },
            Self::Start(event) => match event {
                StartEvent::Relocated(..) => Level::Info,
                StartEvent::Failed(_) | StartEvent::TriedAll(_) => Level::Warning,
                StartEvent::PolicyFailed(_) | StartEvent::Unrecoverable(_) => Level::Error,
            },
            Self::Place(event) => match event {
                PlaceEvent::Balanced { .. }
                | PlaceEvent::MovingBack(_)
                | PlaceEvent::FallbackDropped(_)
                | PlaceEvent::FallbackStale(_)
                | PlaceEvent::Placed(..)
                | PlaceEvent::BalanceIgnored => Level::Info,
                PlaceEvent::WrongNode | PlaceEvent::MoveFailed(_) => Level::Error,
            },
            Self::Recovery(event) => match event {
                RecoveryEvent::To { .. } | RecoveryEvent::Back(_) => Level::Info,
                RecoveryEvent::LockRemoved(_)
                | RecoveryEvent::LeftRunning { .. }
                | RecoveryEvent::Unowned { .. } => Level::Warning,
                RecoveryEvent::NoNode(_)
                | RecoveryEvent::NotThere { .. }
                | RecoveryEvent::NoConfig => Level::Error,
            },
        }
    }
}

impl CommandEvent {
    const fn level(&self) -> Level {
        match self {
            Self::Got | Self::AlreadyThere | Self::Together { .. } => Level::Info,
            Self::AlreadyDisarmed(_) | Self::NotDisarmed => Level::Notice,
            Self::Unparsable | Self::NoSuchService | Self::NodeNotOnline | Self::Blocked { .. } => {
                Level::Error
            }
        }
    }
}

impl StackEvent {
    const fn level(self) -> Level {
        match self {
            Self::Deferred(_, ServiceState::Fence | ServiceState::Recovery) => Level::Warning,
            Self::Suspending(_)
            | Self::Moved(..)
            | Self::Deferred(..)
            | Self::Freezing(..)
            | Self::Complete => Level::Info,
        }
    }
}

impl GroupsEvent {
    const fn level(&self) -> Level {
        match self {
            Self::Abort(_) | Self::Failed => Level::Error,
            Self::Begin
            | Self::Retry
            | Self::Node(..)
            | Self::Lrm(..)
            | Self::Version(..)
            | Self::RulesDone
            | Self::ResourcesDone
            | Self::GroupsDone
            | Self::Done => Level::Notice,
        }
    }
}
