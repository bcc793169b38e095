//! From what was decided to conditional writes.
//!
//! What a store takes in one write is limited, so a commit may have several parts, written one
//! after the other. A service's entry and its order are in one part. The status goes first, since it
//! says which uids were given; the commands that led to all of it are removed with the last part, so
//! that one that was accepted is never lost: a master that follows upon a torn commit carries it
//! out again, which changes nothing more.

use serde::{Deserialize, Serialize};

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::order::order;
use super::{Effect, Event, Master, Outbox};
use crate::aside::Aside;
use crate::config::Config;
use crate::id::{LockId, NodeId, RequestId, ServiceId};
use crate::manager::Changes;
use crate::manager::status::{Entry, Requested, Resource, Status};
use crate::mutation::{Mutant, Mutation};
use crate::placement::state::ServiceState;
use crate::record::{Compare, Data, DataKey, Key, Outcome, Put, Record, Wanted, Write};
use crate::table::Table;
use crate::time::Instant;
use crate::visit::visit_fields;

/// A commit under way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Commit {
    pending: Pending,
    /// What is to follow, the next one last.
    rest: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Pending {
    request: RequestId,
    sent: Instant,
    puts: Vec<Put>,
}

/// Records that are written together, and the dead nodes under whose locks.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Part {
    puts: Vec<Put>,
    nodes: Vec<NodeId>,
    /// Nodes whose grants have to be as they were read, or written by this process since.
    relied: Vec<NodeId>,
}

/// A service isn't managed any more because of its configuration: that must still say so.
fn grounds_of_removal(put: &Put) -> Option<Key> {
    let Key::Data(DataKey::Entry(service)) = put.key else {
        return None;
    };
    let removed = matches!(put.record.as_data(), Some(Data::Entry(None)));
    removed.then_some(Key::Data(DataKey::Resource(service)))
}

impl Part {
    /// How many records it compares, at most one more being the manager lock's grant.
    fn size(&self) -> usize {
        let grounds = self.puts.iter().filter_map(grounds_of_removal).count();
        self.puts.len() + self.nodes.len() + self.relied.len() + grounds
    }

    fn put(&mut self, key: DataKey, data: Data) {
        self.puts.push(Put {
            key: Key::Data(key),
            record: Record::Data(Box::new(data)),
        });
    }
}

impl Commit {
    pub(super) fn awaits(&self, request: RequestId) -> bool {
        self.pending.request == request
    }

    /// When its answer is overdue, counted from here.
    pub(super) const fn sent(&self) -> Instant {
        self.pending.sent
    }
}

impl Master {
    /// Writes what was decided, if that is anything.
    pub(super) fn begin_commit<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        out: &mut Outbox,
    ) {
        let Some(manager) = self.crm.manager() else {
            return;
        };
        let status = manager.status();
        let mut parts = self.parts(config, status, &out.crm.decisions.changes);
        parts.reverse();
        self.send_part(config, now, parts, out);
    }

    fn send_part<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        mut rest: Vec<Part>,
        out: &mut Outbox,
    ) {
        let Some(part) = rest.pop() else {
            return;
        };
        let Some(mut compares) = self.grants(&part.nodes) else {
            // The lock was lost meanwhile: nothing of it counts.
            return;
        };
        let replaced = part.puts.iter().map(|put| put.key);
        let grounds = part.puts.iter().filter_map(grounds_of_removal);
        let grounds = grounds.filter(|_| !config.broken(Mutant::RemovalUncompared));
        let keys = replaced.chain(grounds).filter(|key| {
            *key != Key::Data(DataKey::Commands) || !config.broken(Mutant::CommandsUncompared)
        });
        let revisions = keys.map(|key| Compare {
            key,
            revision: self.mirror.revision_of(key),
        });
        compares.extend(revisions);
        let relied = part.relied.iter().filter(|node| !part.nodes.contains(node));
        compares.extend(relied.map(|node| {
            let key = Key::Grant(LockId::Agent(*node));
            let own = self
                .contender(*node)
                .and_then(|one| one.lock().grant_compare());
            let revision = self.mirror.revision_of(key);
            own.unwrap_or(Compare { key, revision })
        }));
        let request = self.lock.number();
        let puts = part.puts;
        out.effects.push(Effect::Write(Write {
            request,
            compares,
            puts: puts.clone(),
        }));
        self.commit = Some(Commit {
            pending: Pending {
                request,
                sent: now,
                puts,
            },
            rest,
        });
    }

    /// The conditions that the manager lock is held, and the locks of these nodes.
    fn grants(&self, nodes: &[NodeId]) -> Option<Vec<Compare>> {
        let mut grants = Vec::with_capacity(1 + nodes.len());
        grants.push(self.lock.grant_compare()?);
        for node in nodes {
            grants.push(self.contender(*node)?.lock().grant_compare()?);
        }
        Some(grants)
    }

    /// Takes in the answer to a commit. Says whether it was one.
    pub(super) fn on_committed<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        request: RequestId,
        outcome: Outcome,
        out: &mut Outbox,
    ) -> bool {
        let Some(commit) = self.commit.take_if(|commit| commit.awaits(request)) else {
            return false;
        };
        // What was changed may call for more; what was not has to be read.
        self.want_round();
        match outcome {
            Outcome::Applied(revision) => {
                self.mirror.take_in_written(&commit.pending.puts, revision);
                self.send_part(config, now, commit.rest, out);
            }
            Outcome::Refused => out.events.push(Event::CommitRefused),
        }
        true
    }

    pub(super) fn time_commit_out<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        out: &mut Outbox,
    ) {
        let timeout = config.timing().request_timeout;
        let unanswered = self.commit.take_if(|commit| commit.sent() + timeout <= now);
        if unanswered.is_some() {
            out.events.push(Event::CommitUnanswered);
            self.want_round();
        }
    }

    /// What differs from what stands in the store, in parts.
    fn parts<M: Mutation>(
        &self,
        config: &Config<M>,
        status: &Status,
        changes: &Changes,
    ) -> Vec<Part> {
        let operations_max = config.policy().operations_max;
        let mut parts = Vec::new();
        let mut part = self.first_part(status, changes);
        let resources = self.resources(changes);
        for service in self.mirror.service_ids() {
            let mut one = Part::default();
            self.put_service(config, service, status, changes, &mut one);
            if let Some(resource) = resources.get(service) {
                let data = Data::Resource(Some(resource.clone()));
                one.put(DataKey::Resource(service), data);
            }
            if part.size() + one.size() >= operations_max {
                parts.push(core::mem::take(&mut part));
            }
            part.puts.append(&mut one.puts);
            part.nodes.append(&mut one.nodes);
            part.nodes.sort_unstable();
            part.nodes.dedup();
            part.relied.append(&mut one.relied);
            part.relied.sort_unstable();
            part.relied.dedup();
        }
        if changes.commands_taken {
            part.put(DataKey::Commands, Data::Commands(Vec::new()));
        }
        parts.push(part);
        parts.retain(|part| !part.puts.is_empty());
        parts
    }

    fn first_part(&self, status: &Status, changes: &Changes) -> Part {
        let mut part = Part::default();
        let bare = |status: &Status| Status {
            // A moment of one host means nothing on another.
            written: Aside(None),
            services: Table::new(),
            ..status.clone()
        };
        let (before, after) = (bare(self.mirror.status()), bare(status));
        if before != after {
            part.put(DataKey::Status, Data::Status(after));
        }
        if let Some(migrated) = &changes.migrated_groups {
            part.put(DataKey::Rules, Data::Rules(migrated.rules.clone()));
            part.put(DataKey::Groups, Data::Groups(Default::default()));
        }
        part
    }

    /// The configurations that change.
    fn resources(&self, changes: &Changes) -> Table<ServiceId, Resource> {
        let mut changed: Table<ServiceId, Resource> = Table::new();
        let mut change = |service: ServiceId, act: &dyn Fn(&mut Resource)| {
            let present = changed.get(service).cloned();
            if let Some(mut resource) = present.or_else(|| self.mirror.resource(service).cloned()) {
                act(&mut resource);
                changed.insert(service, resource);
            }
        };
        for service in &changes.stopped {
            change(*service, &|resource| {
                resource.requested = Requested::Stopped;
            });
        }
        for service in &changes.unlocked {
            change(*service, &|resource| resource.guest_lock = None);
        }
        let migrated = changes.migrated_groups.iter();
        for (service, failback) in migrated.flat_map(|migrated| &migrated.services) {
            change(*service, &|resource| {
                resource.group = None;
                resource.failback = *failback;
            });
        }
        changed
    }

    /// The node on whose guarding it rests that a service isn't frozen any more. Whether it may
    /// leave a node that is to be fenced is a question to that node's lock.
    fn unfreezes(&self, service: ServiceId, entry: Option<&Entry>) -> Option<NodeId> {
        let before = self.mirror.entry(service)?;
        let served = |after: &Entry| {
            let waits = [
                ServiceState::Freeze,
                ServiceState::Fence,
                ServiceState::Recovery,
            ];
            after.node == before.node && !waits.contains(&after.state)
        };
        let served = entry.is_some_and(served) && before.state == ServiceState::Freeze;
        before.node.filter(|_| served)
    }

    /// A service's entry and its order, and the lock under which it moves.
    fn put_service<M: Mutation>(
        &self,
        config: &Config<M>,
        service: ServiceId,
        status: &Status,
        changes: &Changes,
        part: &mut Part,
    ) {
        let entry = status.services.get(service);
        if entry != self.mirror.entry(service) {
            part.put(DataKey::Entry(service), Data::Entry(entry.cloned()));
        }
        part.relied.extend(self.unfreezes(service, entry));
        let Some(before) = self.mirror.service(service) else {
            return;
        };
        let mut after = before.clone();
        let stolen = changes.stolen.iter();
        for (_, from, to) in stolen.filter(|(stolen, _, _)| *stolen == service) {
            if before.location == *from && from != to {
                after = after.recovered_to(*to);
                after.brought = before.brought && config.broken(Mutant::RecoveredAsBrought);
                part.nodes.push(*from);
            }
        }
        let resource = self.mirror.resource(service);
        let mut after = order(status, entry, resource, &after);
        if after.wanted == Wanted::Started && config.broken(Mutant::StartNotOrdered) {
            after.wanted = Wanted::Untouched;
        }
        if after != *before {
            part.puts.push(Put {
                key: Key::Service(service),
                record: Record::Service(after),
            });
        }
    }
}

visit_fields!(Commit { pending, rest });
visit_fields!(Pending {
    request,
    sent,
    puts
});
visit_fields!(Part { puts });
