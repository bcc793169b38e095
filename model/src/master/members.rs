//! Who is there: whose records change.
//!
//! A hint; nothing safe rests on it. Each observer counts from when it saw a change itself.

use crate::config::Config;
use crate::id::{LockId, NodeId, Revision};
use crate::mutation::Mutation;
use crate::record::{DataKey, Key, Snapshot};
use crate::table::Table;
use crate::time::{Instant, Span};

/// What was seen of the nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    seen: Table<NodeId, Seen>,
    online: Table<NodeId, bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    /// Of what its LRM publishes, and of the beat of a lock that it holds itself.
    revisions: (Revision, Revision),
    changed: Instant,
}

/// For how long a node without a sign of life counts as online: three times b.
fn patience<M: Mutation>(config: &Config<M>) -> Span {
    Span(config.timing().presence.0.saturating_mul(3))
}

impl Members {
    /// Whether each node is online.
    pub(super) const fn online(&self) -> &Table<NodeId, bool> {
        &self.online
    }

    pub(super) fn is_online(&self, node: NodeId) -> bool {
        self.online.get(node) == Some(&true)
    }

    /// Takes in signs of life. Says whether somebody came or went.
    pub(super) fn take_in<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        snapshot: &Snapshot,
        nodes: &[NodeId],
    ) -> bool {
        for node in nodes {
            let lock = LockId::Agent(*node);
            // A master renews the lock of a dead node.
            let own = snapshot
                .grant(lock)
                .is_some_and(|grant| grant.holder.node == *node);
            let published = snapshot.revision_of(Key::Data(DataKey::Lrm(*node)));
            let beat = match own {
                true => snapshot.revision_of(Key::Beat(lock)),
                false => Revision::ABSENT,
            };
            let revisions = (published, beat);
            if revisions == (Revision::ABSENT, Revision::ABSENT) {
                continue;
            }
            let before = self.seen.get(*node).copied();
            // What is gone is no sign of life.
            let lives = before.is_none_or(|seen| {
                published > seen.revisions.0 || (own && beat > seen.revisions.1)
            });
            let changed = match before {
                Some(seen) if !lives => seen.changed,
                Some(_) | None => now,
            };
            self.seen.insert(*node, Seen { revisions, changed });
        }
        self.update(config, now, nodes)
    }

    /// Looks at who has been silent for too long. Says whether somebody came or went.
    pub(super) fn update<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        nodes: &[NodeId],
    ) -> bool {
        let gone: alloc::vec::Vec<NodeId> = self
            .online
            .iter()
            .map(|(node, _)| node)
            .filter(|node| !nodes.is_empty() && !nodes.contains(node))
            .collect();
        for node in &gone {
            self.online.remove(*node);
            self.seen.remove(*node);
        }
        let mut moved = !gone.is_empty();
        for node in nodes {
            if !self.online.contains(*node) {
                self.online.insert(*node, false);
                moved = true;
            }
        }
        let patience = patience(config);
        for (node, online) in self.online.iter_mut() {
            let seen = self.seen.get(node);
            let is_online = seen.is_some_and(|seen| now < seen.changed + patience);
            moved |= *online != is_online;
            *online = is_online;
        }
        moved
    }

    /// When the next of those that are online has been silent for too long.
    pub(super) fn next_silence<M: Mutation>(&self, config: &Config<M>) -> Option<Instant> {
        let online = self.online.iter().filter(|(_, online)| **online);
        let seen = online.filter_map(|(node, _)| self.seen.get(node));
        seen.map(|seen| seen.changed + patience(config)).min()
    }
}
