//! The state machines of the specification, as data: states, and the edges that it allows.
//!
//! A service's, a node's, a CRM's and an LRM's. An edge names the section that allows it; where our
//! design goes on where the reference stops, it names that ([`Origin::Design`]). Why one is never
//! taken stands in [`super::reasons`].

use lockstep_model::crm::CrmState;
use lockstep_model::event::LrmState;
use lockstep_model::manager::status::NodeState;
use lockstep_model::placement::state::ServiceState;

/// A state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Machine {
    /// A service, as the manager sees it.
    Service,
    /// A node, as the manager sees it.
    Node,
    /// A CRM process.
    Crm,
    /// An LRM process.
    Lrm,
}

/// What allows an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This section of `protocol.md`.
    Protocol(&'static str),
    /// Our own design, for this reason; the reference has no such edge.
    Design(&'static str),
}

/// A change of state that is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Whose.
    pub machine: Machine,
    /// The state left, by its place in [`Machine::states`].
    pub from: usize,
    /// The state entered.
    pub to: usize,
    /// What allows it.
    pub origin: Origin,
}

/// Where a service stands in [`Machine::states`] that isn't managed.
pub(super) const UNMANAGED: usize = ServiceState::ALL.len();

/// Where a node stands there that was forgotten.
pub(super) const FORGOTTEN: usize = NODES.len() - 1;

const SERVICES: [&str; UNMANAGED + 1] = [
    "stopped",
    "request_stop",
    "request_start",
    "request_start_balance",
    "started",
    "fence",
    "recovery",
    "migrate",
    "relocate",
    "freeze",
    "error",
    "(unmanaged)",
];

const NODES: [&str; 6] = [
    "online",
    "maintenance",
    "unknown",
    "fence",
    "gone",
    "(forgotten)",
];

const CRMS: [&str; 5] = [
    "startup",
    "wait_for_quorum",
    "slave",
    "master",
    "lost_manager_lock",
];

const LRMS: [&str; 5] = [
    "startup",
    "wait_for_agent_lock",
    "active",
    "lost_agent_lock",
    "maintenance",
];

impl Machine {
    /// All, in the order of the document.
    pub const ALL: [Self; 4] = [Self::Service, Self::Node, Self::Crm, Self::Lrm];

    /// The name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Node => "node",
            Self::Crm => "crm",
            Self::Lrm => "lrm",
        }
    }

    /// The machine of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|machine| machine.name() == name)
    }

    /// What it is, as a heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Service => "A service, as the manager sees it",
            Self::Node => "A node, as the manager sees it",
            Self::Crm => "A CRM",
            Self::Lrm => "An LRM",
        }
    }

    /// The names of its states. In parentheses stands what isn't one: not to be managed, or known.
    #[must_use]
    pub const fn states(self) -> &'static [&'static str] {
        match self {
            Self::Service => &SERVICES,
            Self::Node => &NODES,
            Self::Crm => &CRMS,
            Self::Lrm => &LRMS,
        }
    }

    /// The place of a state.
    #[must_use]
    pub fn state(self, name: &str) -> Option<usize> {
        self.states().iter().position(|state| *state == name)
    }

    /// The edges that are allowed.
    pub fn edges(self) -> impl Iterator<Item = Edge> {
        let of = move |name: &str| {
            let place = self.state(name);
            place.unwrap_or_else(|| unreachable!("{name} is no state of {}", self.name()))
        };
        allowed(self).iter().flat_map(move |(from, to, origin)| {
            to.iter().map(move |to| Edge {
                machine: self,
                from: of(from),
                to: of(to),
                origin: *origin,
            })
        })
    }

    /// Whether an edge is allowed.
    #[must_use]
    pub fn allows(self, from: usize, to: usize) -> bool {
        self.edges().any(|edge| (edge.from, edge.to) == (from, to))
    }
}

/// From a state, to these, allowed by that.
type Row = (&'static str, &'static [&'static str], Origin);

const fn allowed(machine: Machine) -> &'static [Row] {
    match machine {
        Machine::Service => SERVICE_EDGES,
        Machine::Node => NODE_EDGES,
        Machine::Crm => CRM_EDGES,
        Machine::Lrm => LRM_EDGES,
    }
}

const ADDED: Origin = Origin::Protocol("8.2, step 8a");
const REMOVED: Origin = Origin::Protocol("8.2, step 8b");
const FROZEN: Origin = Origin::Protocol("8.2, step 14a, and 8.8");
const DISARMED: Origin = Origin::Protocol("8.8");
const HANDLED: Origin = Origin::Protocol("8.6");
const FENCED: Origin = Origin::Protocol("8.7");

const FROZEN_BY_THE_DEAD: Origin = Origin::Design(
    "A node that dies with its lock held, or that a person has confirmed dead, left nothing on purpose: its \
     lock decides (decision 0015). The reference never fences what is frozen.",
);

const SERVICE_EDGES: &[Row] = &[
    ("freeze", &["fence"], FROZEN_BY_THE_DEAD),
    ("(unmanaged)", &["request_start", "request_stop"], ADDED),
    (
        "request_start",
        &["started", "request_start_balance"],
        HANDLED,
    ),
    ("request_start", &["freeze"], DISARMED),
    ("request_start", &["(unmanaged)"], REMOVED),
    (
        "request_start_balance",
        &["started", "request_stop", "error", "fence"],
        HANDLED,
    ),
    ("request_start_balance", &["freeze"], DISARMED),
    ("request_start_balance", &["(unmanaged)"], REMOVED),
    (
        "started",
        &["request_stop", "migrate", "relocate", "fence", "error"],
        HANDLED,
    ),
    ("started", &["freeze"], FROZEN),
    ("started", &["(unmanaged)"], REMOVED),
    ("request_stop", &["stopped", "error", "fence"], HANDLED),
    ("request_stop", &["freeze"], FROZEN),
    ("request_stop", &["(unmanaged)"], REMOVED),
    (
        "stopped",
        &["request_start", "migrate", "relocate", "fence"],
        HANDLED,
    ),
    ("stopped", &["freeze"], FROZEN),
    ("stopped", &["(unmanaged)"], REMOVED),
    (
        "migrate",
        &["started", "request_stop", "error", "fence"],
        HANDLED,
    ),
    ("migrate", &["(unmanaged)"], REMOVED),
    (
        "relocate",
        &["started", "request_stop", "error", "fence"],
        HANDLED,
    ),
    ("relocate", &["(unmanaged)"], REMOVED),
    ("fence", &["recovery"], FENCED),
    (
        "fence",
        &["request_stop", "migrate", "relocate"],
        Origin::Protocol("8.6, *started* step 1, and 11.13"),
    ),
    ("fence", &["(unmanaged)"], REMOVED),
    ("recovery", &["started", "request_stop", "stopped"], HANDLED),
    ("recovery", &["(unmanaged)"], REMOVED),
    ("freeze", &["started", "request_stop"], HANDLED),
    ("freeze", &["(unmanaged)"], REMOVED),
    ("error", &["stopped"], HANDLED),
    ("error", &["(unmanaged)"], REMOVED),
];

const NODE_RULES: Origin = Origin::Protocol("8.3");

const NODE_EDGES: &[Row] = &[
    ("online", &["maintenance", "unknown"], NODE_RULES),
    ("online", &["fence"], FENCED),
    ("maintenance", &["online", "unknown"], NODE_RULES),
    ("maintenance", &["fence"], FENCED),
    ("unknown", &["online", "gone"], NODE_RULES),
    ("unknown", &["fence"], FENCED),
    ("fence", &["unknown"], FENCED),
    ("gone", &["online", "(forgotten)"], NODE_RULES),
    ("gone", &["fence"], FENCED),
];

const CRM_STEP: Origin = Origin::Protocol("7.3");

const CRM_EDGES: &[Row] = &[
    ("startup", &["wait_for_quorum"], Origin::Protocol("7.1")),
    ("wait_for_quorum", &["slave", "master"], CRM_STEP),
    ("slave", &["wait_for_quorum", "master"], CRM_STEP),
    (
        "master",
        &["wait_for_quorum", "lost_manager_lock"],
        CRM_STEP,
    ),
    (
        "lost_manager_lock",
        &["wait_for_quorum", "master"],
        CRM_STEP,
    ),
];

const LRM_STEP: Origin = Origin::Protocol("5.5");

const STOPPED: Origin = Origin::Design(
    "An LRM whose authority ends stops its services and disarms its watchdog once all are known to be \
     stopped: its node needs no reset. The reference's waits for the reset.",
);

const ENDS_AT_ONCE: Origin = Origin::Design(
    "Authority counts from before the renewal was sent. Where the LRM was stopped meanwhile, or the \
     watchdog is armed late, it is at its end as soon as it begins.",
);

const BEGINS_IN_IT: Origin = Origin::Design(
    "An LRM that has its lock, or has it again, while maintenance is asked for is in that state; the reference's \
     goes through `active` in the same moment.",
);

const LRM_EDGES: &[Row] = &[
    ("startup", &["wait_for_agent_lock"], Origin::Protocol("5.1")),
    ("wait_for_agent_lock", &["active"], LRM_STEP),
    (
        "active",
        &["wait_for_agent_lock", "lost_agent_lock", "maintenance"],
        LRM_STEP,
    ),
    ("lost_agent_lock", &["active"], LRM_STEP),
    ("lost_agent_lock", &["wait_for_agent_lock"], STOPPED),
    ("wait_for_agent_lock", &["lost_agent_lock"], ENDS_AT_ONCE),
    ("wait_for_agent_lock", &["maintenance"], BEGINS_IN_IT),
    ("lost_agent_lock", &["maintenance"], BEGINS_IN_IT),
    (
        "maintenance",
        &["wait_for_agent_lock", "active", "lost_agent_lock"],
        LRM_STEP,
    ),
];

/// The place of a service's state.
pub(super) const fn of_service(state: ServiceState) -> usize {
    state as usize
}

/// The place of a node's state.
pub(super) const fn of_node(state: NodeState) -> usize {
    state as usize
}

/// The place of a CRM's state.
pub(super) const fn of_crm(state: CrmState) -> usize {
    state as usize
}

/// The place of an LRM's state.
pub(super) const fn of_lrm(state: LrmState) -> usize {
    state as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_stand_at_their_places() {
        for state in ServiceState::ALL {
            assert_eq!(SERVICES[of_service(state)], state.name());
        }
        for (place, name) in NODES.iter().enumerate().take(FORGOTTEN) {
            let state = NodeState::from_name(name).expect("a state of nodes");
            assert_eq!(of_node(state), place);
        }
        let crms = [
            CrmState::Startup,
            CrmState::WaitForQuorum,
            CrmState::Slave,
            CrmState::Master,
            CrmState::LostManagerLock,
        ];
        for state in crms {
            assert_eq!(CRMS[of_crm(state)], state.to_string());
        }
        let lrms = [
            LrmState::Startup,
            LrmState::WaitForAgentLock,
            LrmState::Active,
            LrmState::LostAgentLock,
            LrmState::Maintenance,
        ];
        for state in lrms {
            assert_eq!(LRMS[of_lrm(state)], state.to_string());
        }
    }

    #[test]
    fn no_edge_stands_there_twice() {
        for machine in Machine::ALL {
            let mut edges: Vec<_> = machine.edges().map(|edge| (edge.from, edge.to)).collect();
            let all = edges.len();
            edges.sort_unstable();
            edges.dedup();
            assert_eq!(edges.len(), all, "{}", machine.name());
        }
    }
}
