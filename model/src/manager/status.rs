//! What the manager knows and keeps: its status, and what nodes and people tell it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::aside::Aside;
use crate::event::LrmState;
use crate::id::{NodeId, ServiceId, Uid};
pub use crate::placement::state::Requested;
use crate::placement::state::ServiceState;
use crate::table::Table;
use crate::time::Instant;
use crate::visit::{Visit, Visitor, visit_fields};

/// What is kept across rounds and masters (`protocol.md` 2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Status {
    /// The node whose manager wrote it.
    pub master: Option<NodeId>,
    /// When it was written, on the writer's clock; for people.
    pub written: Aside<Option<Instant>>,
    /// Every node that is known.
    pub nodes: Table<NodeId, NodeState>,
    /// Every service that is managed.
    pub services: Table<ServiceId, Entry>,
    /// Nodes with a request for maintenance; one that was withdrawn stays as `false`.
    pub requests: Table<NodeId, bool>,
    /// Whether the whole stack is disarmed, or is to be.
    pub disarm: Option<Disarm>,
    /// The last uid given: none is ever given twice, whichever master gives it.
    pub last_uid: u64,
}

/// A node, as the manager sees it (`protocol.md` 8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NodeState {
    /// It takes part.
    Online,
    /// It is to run nothing.
    Maintenance,
    /// It is not a member of the cluster now, or was not yet looked at.
    Unknown,
    /// It is to be fenced.
    Fence,
    /// It is no member of the cluster any more.
    Gone,
}

impl NodeState {
    /// The name in texts and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Maintenance => "maintenance",
            Self::Unknown => "unknown",
            Self::Fence => "fence",
            Self::Gone => "gone",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Online,
            Self::Maintenance,
            Self::Unknown,
            Self::Fence,
            Self::Gone,
        ]
        .into_iter()
        .find(|state| state.name() == name)
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A managed service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Its state (`protocol.md` 8.5).
    pub state: ServiceState,
    /// The node that it is assigned to. None only for a service whose configuration went away
    /// while it was stopped and nothing could be removed.
    pub node: Option<NodeId>,
    /// Where it is being moved to.
    pub target: Option<NodeId>,
    /// The command that its LRM is to carry out once.
    pub uid: Uid,
    /// How long its stop may take, in seconds, if a command said so.
    pub timeout: Option<u64>,
    /// The nodes on which it could not be started, in the order of trying.
    pub failed_nodes: Vec<NodeId>,
    /// The node that it left for maintenance and is to return to.
    pub maintenance_node: Option<NodeId>,
    /// Whether its start was confirmed.
    pub running: bool,
    /// What a person asked for and was not looked at yet.
    pub queued: Option<Queued>,
    /// Whether no LRM has reported on it yet since it came to be managed: nobody knows whether it
    /// runs, so nothing proves it dead.
    #[serde(default)]
    pub unowned: bool,
}

impl Entry {
    /// A service that is managed from now on.
    #[must_use]
    pub const fn new(state: ServiceState, node: Option<NodeId>, uid: Uid) -> Self {
        Self {
            state,
            node,
            target: None,
            uid,
            timeout: None,
            failed_nodes: Vec::new(),
            maintenance_node: None,
            running: false,
            queued: None,
            unowned: false,
        }
    }

    /// Whether it is assigned to `node`, or is on its way there.
    #[must_use]
    pub fn concerns(&self, node: NodeId) -> bool {
        self.node == Some(node) || self.target == Some(node)
    }
}

impl Status {
    /// How many services `node` has to be able to run or move.
    #[must_use]
    pub fn active_services(&self, node: NodeId) -> usize {
        self.services
            .iter()
            .filter(|(_, entry)| entry.state.is_active() && entry.concerns(node))
            .count()
    }

    /// Whether a service on `node`, or the node itself, waits to be fenced.
    #[must_use]
    pub fn wants_fenced(&self, node: NodeId) -> bool {
        self.nodes.get(node) == Some(&NodeState::Fence) || self.has_service_in_fence(node)
    }

    /// Whether a service on `node` waits for it to be fenced.
    #[must_use]
    pub fn has_service_in_fence(&self, node: NodeId) -> bool {
        self.services
            .iter()
            .any(|(_, entry)| entry.state == ServiceState::Fence && entry.node == Some(node))
    }

    /// Whether a service of `node`, or the node itself, waits for its lock to be held: to be fenced,
    /// or to be recovered under it.
    #[must_use]
    pub fn awaits_lock(&self, node: NodeId) -> bool {
        let recovers =
            |entry: &Entry| entry.state == ServiceState::Recovery && entry.node == Some(node);
        self.wants_fenced(node) || self.services.iter().any(|(_, entry)| recovers(entry))
    }

    /// Whether `node` was asked to do maintenance.
    #[must_use]
    pub fn wants_maintenance(&self, node: NodeId) -> bool {
        self.requests.get(node) == Some(&true)
    }
}

/// A move, with the service running or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Task {
    /// Running, if the resource can do so.
    Migrate,
    /// Stopped.
    Relocate,
}

impl Task {
    /// The word in commands and texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::Relocate => "relocate",
        }
    }

    /// The state of a service that is being moved so.
    #[must_use]
    pub const fn state(self) -> ServiceState {
        match self {
            Self::Migrate => ServiceState::Migrate,
            Self::Relocate => ServiceState::Relocate,
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A person's command for one service, accepted and not yet begun.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Queued {
    /// Move it.
    Move {
        /// How.
        task: Task,
        /// Where to.
        target: NodeId,
    },
    /// Stop it within so many seconds, and keep it stopped.
    Stop {
        /// Zero: at once.
        timeout: u64,
    },
    /// A word in the store that is no command.
    Unknown(String),
}

/// How services are treated while the stack is disarmed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DisarmMode {
    /// They stay as they are.
    Freeze,
    /// They are as if not managed.
    Ignore,
    /// A word in the store that is no mode: nothing is done until that is put right.
    Unknown(String),
}

impl DisarmMode {
    /// The word in commands and files.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Freeze => "freeze",
            Self::Ignore => "ignore",
            Self::Unknown(word) => word,
        }
    }
}

/// A disarmed stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Disarm {
    /// What becomes of services.
    pub mode: DisarmMode,
    /// Whether every LRM has let go.
    pub complete: bool,
}

impl Disarm {
    /// The sub-state's word in texts and files.
    #[must_use]
    pub const fn state_name(&self) -> &'static str {
        if self.complete {
            "disarmed"
        } else {
            "disarming"
        }
    }
}

/// What an LRM is there for (`protocol.md` 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LrmMode {
    /// To run services.
    Active,
    /// To come back soon: services are frozen.
    Restart,
    /// To end with its node: services are stopped.
    Shutdown,
    /// To run nothing.
    Maintenance,
    /// To let go of lock and watchdog.
    Disarm,
}

impl LrmMode {
    /// The name in texts and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Restart => "restart",
            Self::Shutdown => "shutdown",
            Self::Maintenance => "maintenance",
            Self::Disarm => "disarm",
        }
    }
}

/// What an LRM publishes (`protocol.md` 2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LrmStatus {
    /// Its state; none if it never wrote one.
    pub state: Option<LrmState>,
    /// Its mode; none if it never wrote one.
    pub mode: Option<LrmMode>,
    /// How its services' commands ended.
    pub results: Vec<LrmResult>,
}

/// How one command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LrmResult {
    /// Which command.
    pub uid: Uid,
    /// The service that it was for.
    pub service: ServiceId,
    /// The resource agent's exit code (`protocol.md` 6).
    pub code: ExitCode,
}

impl Visit for Status {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        // Uids are numbered by this count, so it is one of them.
        let mut last = Uid(self.last_uid);
        last.visit(visitor);
        self.last_uid = last.0;
        self.services.visit(visitor);
    }
}

visit_fields!(Entry { uid });
visit_fields!(LrmStatus { results });
visit_fields!(LrmResult { uid });

/// A resource agent's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExitCode(pub i32);

impl ExitCode {
    /// Whether an order that ended so says how the service is. That something failed doesn't.
    #[must_use]
    pub fn shows_service(self) -> bool {
        matches!(self, Self::SUCCESS | Self::IGNORED)
    }

    /// Done.
    pub const SUCCESS: Self = Self(0);
    /// Failed.
    pub const ERROR: Self = Self(1);
    /// The service is not on this node.
    pub const WRONG_NODE: Self = Self(3);
    /// Deliberately not done.
    pub const IGNORED: Self = Self(8);
}

impl fmt::Display for ExitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A service's configuration, as far as it concerns the manager and the LRMs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Resource {
    /// What is wanted.
    pub requested: Requested,
    /// Where its configuration lies; none if nowhere.
    pub node: Option<NodeId>,
    /// Its group, while groups are not migrated.
    pub group: Option<String>,
    /// Whether it goes back to a better node that appears, unless its group says otherwise.
    pub failback: bool,
    /// How often a failed start is repeated on its node.
    pub max_restart: u32,
    /// How often it is moved to another node after that.
    pub max_relocate: u32,
    /// Whether it can be moved while it runs.
    pub can_migrate: bool,
    /// A lock that somebody's operation holds on it.
    pub guest_lock: Option<GuestLock>,
}

/// A lock on a guest's configuration, and whether it can outlive the node that set it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GuestLock(pub String);

impl GuestLock {
    /// Locks of operations that die with their node (`protocol.md` 8.6).
    const LEFT_OVER: [&'static str; 9] = [
        "backup",
        "mounted",
        "migrate",
        "clone",
        "rollback",
        "snapshot",
        "snapshot-delete",
        "suspending",
        "suspended",
    ];

    /// Whether a fenced node can't hold it any more.
    #[must_use]
    pub fn dies_with_its_node(&self) -> bool {
        Self::LEFT_OVER.contains(&self.0.as_str())
    }
}
