//! Identifiers: small, stable, opaque.
//!
//! None of them carries a meaning beyond equality and order, so the checker may rename them by
//! rank ([`crate::visit`]) and a host's name may change without any machine noticing. Where the
//! order of *names* is observable (services are stopped in byte order of their SID), it comes from
//! a [`Ranks`] table that changes when names do.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);
    };
}

opaque! {
    /// A node of the cluster. Its agent lock carries the same number.
    NodeId(u16)
}
opaque! {
    /// A service (resource).
    ServiceId(u16)
}
opaque! {
    /// The machine a node runs on (`/etc/machine-id`); a clone carries its original's.
    MachineId(u128)
}
opaque! {
    /// One boot of a machine (`/proc/sys/kernel/random/boot_id`).
    BootId(u128)
}
opaque! {
    /// One process of a daemon, never used twice.
    Incarnation(u64)
}
opaque! {
    /// One term of a lock. Every change of holder and every return counts it up.
    Epoch(u64)
}
opaque! {
    /// When a record last changed, in the store's own order. Zero: there is no such record.
    Revision(u64)
}
opaque! {
    /// One command for a service, as the manager numbered it. Zero: there is none.
    Uid(u64)
}

impl Uid {
    /// No command at all: nobody carries it out, nobody answers it.
    pub const NONE: Self = Self(0);
}

/// A request, unique over all processes and for all time.
///
/// One to the store is written into the records it changes (as a nonce): a later read can show
/// that it was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId {
    /// The process that made it.
    pub process: Incarnation,
    /// Its number there.
    pub number: u64,
}

impl RequestId {
    /// A process with several locks numbers the requests of each from a multiple of this.
    pub const LANE: u64 = 1 << 40;
}

/// One arming of the watchdog by one client. A disarm names the arm that it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArmId(pub RequestId);

impl Default for Revision {
    fn default() -> Self {
        Self::ABSENT
    }
}

impl Revision {
    /// The revision of a record that isn't there.
    pub const ABSENT: Self = Self(0);
}

impl Epoch {
    /// The first term of a lock that was never held.
    pub const FIRST: Self = Self(1);

    /// The term after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// One of the locks that the protocol knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LockId {
    /// Whoever holds it decides for the cluster.
    Manager,
    /// Whoever holds it decides what runs on this node.
    Agent(NodeId),
}

/// Who holds a lock: a process of one boot of one machine under a node's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// The node that the process acts for.
    pub node: NodeId,
    /// The machine under it.
    pub machine: MachineId,
    /// That machine's boot.
    pub boot: BootId,
    /// The process.
    pub incarnation: Incarnation,
}

impl Holder {
    /// Whether both are processes of one boot, so that what one started the other finds.
    #[must_use]
    pub fn same_boot(&self, other: &Self) -> bool {
        self.node == other.node && self.machine == other.machine && self.boot == other.boot
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node{}", self.0)
    }
}

impl fmt::Display for LockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manager => f.write_str("ha_manager_lock"),
            Self::Agent(node) => write!(f, "ha_agent_{node}_lock"),
        }
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The byte order of names, for ids that stand for named things.
///
/// Built at the edge from the names, and replaced when they change; ids keep their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ranks(Vec<u16>);

impl Ranks {
    /// Ranks for ids 0, 1, 2 … that carry these names.
    #[must_use]
    pub fn of_names(names: &[String]) -> Self {
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by(|a, b| names.get(*a).cmp(&names.get(*b)).then(a.cmp(b)));
        let mut ranks = alloc::vec![0; names.len()];
        for (rank, index) in (0..).zip(order) {
            if let Some(slot) = ranks.get_mut(index) {
                *slot = rank;
            }
        }
        Self(ranks)
    }

    /// The place of id `number` in name order. Ids without a name come last, in their own order.
    #[must_use]
    pub fn rank(&self, number: u16) -> (u16, u16) {
        (
            self.0.get(usize::from(number)).copied().unwrap_or(u16::MAX),
            number,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn ranks_follow_bytes_not_numbers() {
        let names = ["vm:101", "ct:9", "vm:1000"].map(|n| n.to_string());
        let ranks = Ranks::of_names(&names);
        let mut ids = [0, 1, 2, 7];
        ids.sort_by_key(|id| ranks.rank(*id));
        assert_eq!(ids, [1, 2, 0, 7]);
    }
}
