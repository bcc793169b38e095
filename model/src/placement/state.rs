//! What placement needs to know of a guest: its state, where it is and where it is going.
//!
//! The states are those of `protocol.md` §8.5; which nodes a guest loads follows from them alone
//! (`scheduling.md` §2.1).

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::NodeId;

/// The manager's state of a service (`protocol.md` §8.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// It is to stay stopped.
    Stopped,
    /// It is being stopped.
    RequestStop,
    /// It is to be started; its node may still be chosen.
    RequestStart,
    /// It is moved while stopped, to be started on its target.
    RequestStartBalance,
    /// It is to run on its node.
    Started,
    /// Its node has to be fenced first.
    Fence,
    /// Its node was fenced; a new one is sought.
    Recovery,
    /// It moves to its target while it runs.
    Migrate,
    /// It is stopped and moves to its target.
    Relocate,
    /// Nothing is done with it.
    Freeze,
    /// It failed; only a person helps.
    Error,
}

impl ServiceState {
    /// All states, in the order of the specification.
    pub const ALL: [Self; 11] = [
        Self::Stopped,
        Self::RequestStop,
        Self::RequestStart,
        Self::RequestStartBalance,
        Self::Started,
        Self::Fence,
        Self::Recovery,
        Self::Migrate,
        Self::Relocate,
        Self::Freeze,
        Self::Error,
    ];

    /// The name in files and texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::RequestStop => "request_stop",
            Self::RequestStart => "request_start",
            Self::RequestStartBalance => "request_start_balance",
            Self::Started => "started",
            Self::Fence => "fence",
            Self::Recovery => "recovery",
            Self::Migrate => "migrate",
            Self::Relocate => "relocate",
            Self::Freeze => "freeze",
            Self::Error => "error",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether a service in this state keeps the LRMs of its node and target busy
    /// (`scheduling.md` §2.3). This is not what nodes are scored by.
    #[must_use]
    pub const fn is_active(self) -> bool {
        match self {
            Self::Stopped | Self::RequestStart | Self::Freeze | Self::Error => false,
            Self::RequestStop
            | Self::RequestStartBalance
            | Self::Started
            | Self::Fence
            | Self::Recovery
            | Self::Migrate
            | Self::Relocate => true,
        }
    }

    /// Whether the service is on its way between two nodes, so that nothing is balanced now
    /// (`scheduling.md` §5.2, `rules.md` §9).
    #[must_use]
    pub const fn is_moving(self) -> bool {
        match self {
            Self::Migrate | Self::Relocate => true,
            Self::Stopped
            | Self::RequestStop
            | Self::RequestStart
            | Self::RequestStartBalance
            | Self::Started
            | Self::Fence
            | Self::Recovery
            | Self::Freeze
            | Self::Error => false,
        }
    }
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a guest that the manager doesn't manage is to do, as far as statistics say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requested {
    /// Run: the only one that loads a node.
    Started,
    /// Not run.
    Stopped,
    /// Not run, and not be recovered.
    Disabled,
    /// Be left alone.
    Ignored,
}

impl Requested {
    /// The name in texts and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Disabled => "disabled",
            Self::Ignored => "ignored",
        }
    }
}

/// A service of the manager's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Managed {
    /// Its state.
    pub state: ServiceState,
    /// The node it is assigned to; unset for one that lost its configuration while disarmed.
    pub node: Option<NodeId>,
    /// Where it moves, in a state that moves it.
    pub target: Option<NodeId>,
    /// Whether an LRM has confirmed that it runs. Meaningful in state `started` only.
    pub running: bool,
}

/// A guest of the cluster that is not in the manager's status (`scheduling.md` §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unmanaged {
    /// What it is to do.
    pub requested: Requested,
    /// Where it is.
    pub node: Option<NodeId>,
    /// Whether it runs there.
    pub running: bool,
}

/// Anything that may load a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Guest {
    /// A service of the manager.
    Managed(Managed),
    /// Another guest of the cluster.
    Unmanaged(Unmanaged),
}

/// The nodes that a guest loads (`scheduling.md` §2.1), as `T` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Used<T> {
    /// Where it is.
    pub current: Option<T>,
    /// Where it is going.
    pub target: Option<T>,
}

impl<T> Used<T> {
    /// No node at all.
    pub const NONE: Self = Self {
        current: None,
        target: None,
    };
}

impl<T: Copy> Used<T> {
    /// Where the guest will be: its target if it has one, else where it is.
    #[must_use]
    pub fn destination(&self) -> Option<T> {
        self.target.or(self.current)
    }
}

impl<T: Copy + PartialEq> Used<T> {
    /// The nodes, each once.
    pub fn distinct(&self) -> impl Iterator<Item = T> + use<T> {
        let target = self.target.filter(|target| self.current != Some(*target));
        self.current.into_iter().chain(target)
    }
}

impl Managed {
    /// The nodes that the service loads. `place` knows the nodes of the usage table; any other
    /// counts as none.
    #[must_use]
    pub fn used<T>(&self, place: impl Fn(NodeId) -> Option<T>) -> Used<T> {
        let (current, target) = match self.state {
            ServiceState::Stopped | ServiceState::RequestStart => (None, None),
            ServiceState::Started
            | ServiceState::RequestStop
            | ServiceState::Fence
            | ServiceState::Freeze
            | ServiceState::Error
            | ServiceState::Recovery => (self.node, None),
            ServiceState::Migrate | ServiceState::Relocate => (self.node, self.target),
            ServiceState::RequestStartBalance => (None, self.target),
        };
        Used {
            current: current.and_then(&place),
            target: target.and_then(&place),
        }
    }
}

impl Guest {
    /// The nodes that the guest loads, as [`Managed::used`] says.
    #[must_use]
    pub fn used<T>(&self, place: impl Fn(NodeId) -> Option<T>) -> Used<T> {
        match self {
            Self::Managed(managed) => managed.used(place),
            Self::Unmanaged(unmanaged) => match unmanaged.requested {
                Requested::Started => Used {
                    current: unmanaged.node.and_then(place),
                    target: None,
                },
                Requested::Stopped | Requested::Disabled | Requested::Ignored => Used::NONE,
            },
        }
    }

    /// Whether the guest counts as running, so that a measurement of its node includes it; else
    /// it counts as starting.
    #[must_use]
    pub fn is_running<T>(&self, used: &Used<T>) -> bool {
        match self {
            Self::Managed(managed) if managed.state == ServiceState::Started => managed.running,
            Self::Managed(_) => used.current.is_some(),
            Self::Unmanaged(unmanaged) => unmanaged.running,
        }
    }

    /// The guest as a service of the manager, if it is one.
    #[must_use]
    pub const fn managed(&self) -> Option<&Managed> {
        match self {
            Self::Managed(managed) => Some(managed),
            Self::Unmanaged(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: NodeId = NodeId(1);
    const THERE: NodeId = NodeId(2);
    const GONE: NodeId = NodeId(9);

    fn used(state: ServiceState, node: NodeId, target: Option<NodeId>) -> Used<NodeId> {
        let managed = Managed {
            state,
            node: Some(node),
            target,
            running: false,
        };
        managed.used(|id| (id != GONE).then_some(id))
    }

    #[test]
    fn names_are_the_specifications_and_read_back() {
        let names = ServiceState::ALL.map(ServiceState::name);
        assert_eq!(
            names.join(" "),
            "stopped request_stop request_start request_start_balance started fence recovery \
             migrate relocate freeze error"
        );
        for state in ServiceState::ALL {
            assert_eq!(ServiceState::from_name(state.name()), Some(state));
        }
        assert_eq!(ServiceState::from_name("Started"), None);
    }

    /// `scheduling.md` §2.1, row by row.
    #[test]
    fn used_nodes_follow_from_the_state() {
        for state in ServiceState::ALL {
            let (current, target) = match state {
                ServiceState::Stopped | ServiceState::RequestStart => (None, None),
                ServiceState::Migrate | ServiceState::Relocate => (Some(HERE), Some(THERE)),
                ServiceState::RequestStartBalance => (None, Some(THERE)),
                ServiceState::Started
                | ServiceState::RequestStop
                | ServiceState::Fence
                | ServiceState::Freeze
                | ServiceState::Error
                | ServiceState::Recovery => (Some(HERE), None),
            };
            assert_eq!(used(state, HERE, Some(THERE)), Used { current, target });
        }
        assert_eq!(used(ServiceState::Started, GONE, None), Used::NONE);
        let moving = used(ServiceState::Migrate, GONE, Some(THERE));
        assert_eq!((moving.current, moving.target), (None, Some(THERE)));
    }

    #[test]
    fn only_started_asks_for_a_confirmation() {
        let guest = |state, running| {
            Guest::Managed(Managed {
                state,
                node: Some(HERE),
                target: Some(THERE),
                running,
            })
        };
        let runs = |guest: Guest| guest.is_running(&guest.used(Some));
        assert!(!runs(guest(ServiceState::Started, false)));
        assert!(runs(guest(ServiceState::Started, true)));
        assert!(runs(guest(ServiceState::Migrate, false)));
        assert!(!runs(guest(ServiceState::RequestStartBalance, true)));
    }

    #[test]
    fn other_guests_count_when_started() {
        for (requested, current) in [
            (Requested::Started, Some(HERE)),
            (Requested::Stopped, None),
            (Requested::Disabled, None),
            (Requested::Ignored, None),
        ] {
            let guest = Guest::Unmanaged(Unmanaged {
                requested,
                node: Some(HERE),
                running: true,
            });
            assert_eq!(guest.used(Some).current, current);
        }
    }
}
