//! What is decided otherwise in some profile: counts, delays, and what only `pve` does.

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// Counts and delays of decisions that keep every property, whatever their values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// For how many rounds a CRM keeps its lock with nothing to manage.
    pub crm_idle_rounds: u32,
    /// For how many rounds an LRM keeps its lock with nothing configured on its node.
    pub lrm_idle_rounds: u32,
    /// After how long a node that left the cluster is forgotten.
    pub forget_node: Span,
    /// How often a CRM decides although nothing has changed.
    pub round: Span,
    /// Whether a service whose start was confirmed gets its command again, so that its LRM looks
    /// whether it still runs. Ours is told when one ends.
    pub repeats_start: bool,
    /// Whether a service counts as moved once its configuration is where it was to go, though no LRM
    /// said so.
    pub finds_moved: bool,
    /// How many workers an LRM has at a time; none: as many as there is work.
    pub workers_max: Option<usize>,
    /// The most records that one part of a manager's commit puts, and the most that it compares; a
    /// service's are never parted. 128 is what an etcd server left at its defaults takes.
    pub operations_max: usize,
    /// What the reference does and our rules forbid.
    pub compat: Compat,
}

/// What the reference does and our rules forbid, by name: true in profile `pve` alone.
/// `model/DEVIATIONS.md` has, for each, the log that needs it and the property that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compat {
    /// A change of a service's state drops a command that was accepted for it.
    pub change_drops_request: bool,
    /// A dead node's lock is taken and relied on in one write.
    pub fence_while_taking: bool,
    /// A service of a node in maintenance that is off is fenced and moved at once.
    pub fence_and_move: bool,
    /// A disabled service of a fenced node is moved to another one.
    pub disabled_is_recovered: bool,
    /// A node that comes to be known by being fenced is no reason to look at the rules again.
    pub rules_miss_late_nodes: bool,
    /// A service on which no LRM has reported yet is moved off its fenced node like any other.
    pub unowned_is_recovered: bool,
    /// A recovery that can't be carried out ends the round, and so every later one.
    pub failed_recovery_blocks: bool,
    /// An LRM in maintenance that can't read the manager's status ends.
    pub unreadable_status_ends_lrm: bool,
    /// An LRM with nothing to run that can't read the configuration ends.
    pub unreadable_config_ends_lrm: bool,
}

impl Compat {
    /// Our own rules.
    pub const NONE: Self = Self {
        change_drops_request: false,
        fence_while_taking: false,
        fence_and_move: false,
        disabled_is_recovered: false,
        rules_miss_late_nodes: false,
        unowned_is_recovered: false,
        failed_recovery_blocks: false,
        unreadable_status_ends_lrm: false,
        unreadable_config_ends_lrm: false,
    };

    /// The reference's.
    pub const PVE: Self = Self {
        change_drops_request: true,
        fence_while_taking: true,
        fence_and_move: true,
        disabled_is_recovered: true,
        rules_miss_late_nodes: true,
        unowned_is_recovered: true,
        failed_recovery_blocks: true,
        unreadable_status_ends_lrm: true,
        unreadable_config_ends_lrm: true,
    };
}

impl Policy {
    /// Our own profiles'.
    pub const OWN: Self = Self {
        crm_idle_rounds: 90,
        lrm_idle_rounds: 60,
        forget_node: Span(3_600_000),
        round: Span(10_000),
        repeats_start: false,
        finds_moved: true,
        workers_max: Some(4),
        operations_max: 120,
        compat: Compat::NONE,
    };

    /// The reference's. Its tester carries every command out in place.
    pub const PVE: Self = Self {
        repeats_start: true,
        finds_moved: false,
        workers_max: None,
        compat: Compat::PVE,
        ..Self::OWN
    };
}
