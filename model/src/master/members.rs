//! Who is there: whose records change.
//!
//! A hint; nothing safe rests on it. Each observer counts from when it saw a change itself.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::id::{LockId, NodeId, Revision};
use crate::mutation::Mutation;
use crate::record::{DataKey, Key, Snapshot};
use crate::table::Table;
use crate::time::{Instant, Span};
use crate::visit::{Visit, Visitor, visit_under};

/// What was seen of the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Members {
    /// Of what its LRM publishes, and of the beat of a lock that it holds itself.
    revisions: Table<NodeId, (Revision, Revision)>,
    /// When these last changed.
    seen: Table<NodeId, Instant>,
    online: Table<NodeId, bool>,
    /// Those whose silence has lasted for f.
    silent: Table<NodeId, bool>,
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

    /// When each of them last gave a sign of life.
    pub(super) const fn seen(&self) -> &Table<NodeId, Instant> {
        &self.seen
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
            // What is gone is no sign of life.
            let lives = self
                .revisions
                .get(*node)
                .is_none_or(|before| published > before.0 || (own && beat > before.1));
            self.revisions.insert(*node, revisions);
            if lives {
                self.seen.insert(*node, now);
            }
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
            self.revisions.remove(*node);
            self.silent.remove(*node);
        }
        let mut moved = !gone.is_empty();
        for node in nodes {
            if !self.online.contains(*node) {
                self.online.insert(*node, false);
                moved = true;
            }
        }
        let (patience, delay) = (patience(config), config.timing().fence_delay);
        for (node, online) in self.online.iter_mut() {
            let seen = self.seen.get(node).copied();
            let lasts = |span| seen.is_some_and(|seen| now < seen + span);
            moved |= *online != lasts(patience);
            *online = lasts(patience);
            let silent = !lasts(delay);
            moved |= self.silent.insert(node, silent) != Some(silent);
        }
        moved
    }

    /// When the next of them has been silent for too long: to be online, or not to be fenced.
    pub(super) fn next_silence<M: Mutation>(&self, config: &Config<M>) -> Option<Instant> {
        let (patience, delay) = (patience(config), config.timing().fence_delay);
        let due = |span: Span, ends: bool, node| {
            let seen = self.seen.get(node).filter(|_| ends);
            seen.map(|seen| *seen + span)
        };
        let online = self.online.iter();
        let offline = online.filter_map(|(node, online)| due(patience, *online, node));
        let silent = self.silent.iter();
        let fenced = silent.filter_map(|(node, silent)| due(delay, !*silent, node));
        offline.chain(fenced).min()
    }
}

impl Visit for Members {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        for (node, (published, beat)) in self.revisions.iter_mut() {
            visit_under(Key::Data(DataKey::Lrm(node)), published, visitor);
            visit_under(Key::Beat(LockId::Agent(node)), beat, visitor);
        }
        self.seen.visit(visitor);
    }
}
