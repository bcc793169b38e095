//! The table of locks that the reference's cluster file system keeps (`protocol.md` 3.2).

use std::collections::BTreeMap;

use lockstep_model::id::NodeId;

/// After how many seconds a lock that wasn't renewed can be taken: when it is older than this.
const LIFETIME: u64 = 120;

/// A lock's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Manager,
    Agent(NodeId),
}

#[derive(Clone, Copy, Debug)]
struct Lock {
    holder: NodeId,
    renewed: u64,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Held already, and renewed.
    Renewed,
    /// Obtained.
    Taken,
    Refused,
}

/// Every lock, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locks(BTreeMap<Name, Lock>);

impl Locks {
    /// Takes or renews a lock for a node with a majority.
    pub(crate) fn hold(&mut self, name: Name, node: NodeId, now: u64) -> Answer {
        let answer = self.would_hold(name, node, now);
        if answer != Answer::Refused {
            let lock = Lock {
                holder: node,
                renewed: now,
            };
            self.0.insert(name, lock);
        }
        answer
    }

    /// What [`Self::hold`] would answer.
    pub(crate) fn would_hold(&self, name: Name, node: NodeId, now: u64) -> Answer {
        match self.0.get(&name) {
            Some(lock) if now.saturating_sub(lock.renewed) > LIFETIME => Answer::Taken,
            Some(lock) if lock.holder == node => Answer::Renewed,
            Some(_) => Answer::Refused,
            None => Answer::Taken,
        }
    }

    /// Gives a lock back. An expired one stays where it is.
    pub(crate) fn release(&mut self, name: Name, node: NodeId, now: u64) -> bool {
        let Some(lock) = self.0.get(&name) else {
            return false;
        };
        if now.saturating_sub(lock.renewed) > LIFETIME {
            return true;
        }
        let mine = lock.holder == node;
        if mine {
            self.0.remove(&name);
        }
        mine
    }
}
