//! What stands in the store, as last read, in the form that a manager decides on.

use serde::{Deserialize, Serialize};

use alloc::vec::Vec;

use super::Files;
use super::members::Members;
use crate::format::groups::Groups;
use crate::format::rules::Rules;
use crate::id::{LockId, NodeId, Revision, ServiceId};
use crate::manager::command::Command;
use crate::manager::status::{Entry, LrmStatus, Resource, Status};
use crate::manager::{LockView, View};
use crate::record::{Data, DataKey, Key, Put, Record, Service, Snapshot, Term};
use crate::table::Table;
use crate::visit::{Visit, Visitor, visit_horizon, visit_under};

/// The records, taken apart. Each is looked at again only when its revision has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Mirror {
    /// Of the whole store.
    revision: Revision,
    status: Status,
    resources: Table<ServiceId, Resource>,
    services: Table<ServiceId, Service>,
    lrms: Table<NodeId, LrmStatus>,
    commands: Vec<Command>,
    rules: Rules,
    groups: Groups,
    /// Another number whenever rules or groups have changed.
    digest: u64,
    /// The services that the grants of agent locks list as left running, in the order of their ids.
    left: Vec<ServiceId>,
    /// As [`View::unreleased`].
    unreleased: Vec<NodeId>,
    /// The nodes that a person has confirmed dead, and that haven't held their lock since.
    confirmed: Vec<NodeId>,
    revisions: Revisions,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Revisions {
    status: Revision,
    commands: Revision,
    rules: Revision,
    groups: Revision,
    entries: Table<ServiceId, Revision>,
    resources: Table<ServiceId, Revision>,
    services: Table<ServiceId, Revision>,
    lrms: Table<NodeId, Revision>,
    /// Of agent locks' grants.
    grants: Table<NodeId, Revision>,
}

impl Mirror {
    pub(super) const fn status(&self) -> &Status {
        &self.status
    }

    pub(super) fn entry(&self, service: ServiceId) -> Option<&Entry> {
        self.status.services.get(service)
    }

    pub(super) fn resource(&self, service: ServiceId) -> Option<&Resource> {
        self.resources.get(service)
    }

    pub(super) fn service(&self, service: ServiceId) -> Option<&Service> {
        self.services.get(service)
    }

    /// Every service with an order.
    pub(super) fn service_ids(&self) -> impl Iterator<Item = ServiceId> {
        self.revisions.services.iter().map(|(id, _)| id)
    }

    /// The revision of a record as last read or written.
    pub(super) fn revision_of(&self, key: Key) -> Revision {
        let revisions = &self.revisions;
        let found = match key {
            Key::Service(id) => revisions.services.get(id),
            Key::Data(DataKey::Status) => Some(&revisions.status),
            Key::Data(DataKey::Commands) => Some(&revisions.commands),
            Key::Data(DataKey::Rules) => Some(&revisions.rules),
            Key::Data(DataKey::Groups) => Some(&revisions.groups),
            Key::Data(DataKey::Entry(id)) => revisions.entries.get(id),
            Key::Data(DataKey::Resource(id)) => revisions.resources.get(id),
            Key::Data(DataKey::Lrm(node)) => revisions.lrms.get(node),
            Key::Grant(LockId::Agent(node)) => revisions.grants.get(node),
            // Whoever contends for the lock knows it.
            Key::Data(DataKey::Fence(_)) | Key::Grant(LockId::Manager) | Key::Beat(_) => None,
        };
        found.copied().unwrap_or(Revision::ABSENT)
    }

    fn set_revision(&mut self, key: Key, revision: Revision) {
        let revisions = &mut self.revisions;
        match key {
            Key::Service(id) => {
                revisions.services.insert(id, revision);
            }
            Key::Data(DataKey::Status) => revisions.status = revision,
            Key::Data(DataKey::Commands) => revisions.commands = revision,
            Key::Data(DataKey::Rules) => revisions.rules = revision,
            Key::Data(DataKey::Groups) => revisions.groups = revision,
            Key::Data(DataKey::Entry(id)) => {
                revisions.entries.insert(id, revision);
            }
            Key::Data(DataKey::Resource(id)) => {
                revisions.resources.insert(id, revision);
            }
            Key::Data(DataKey::Lrm(node)) => {
                revisions.lrms.insert(node, revision);
            }
            Key::Grant(LockId::Agent(node)) => {
                revisions.grants.insert(node, revision);
            }
            Key::Data(DataKey::Fence(_)) | Key::Grant(LockId::Manager) | Key::Beat(_) => {}
        }
    }

    /// Takes in a snapshot, unless a later one is known. Says whether it brought anything that a
    /// manager rests on.
    pub(super) fn take_in(&mut self, snapshot: &Snapshot) -> bool {
        let mut news = false;
        if snapshot.revision < self.revision {
            return news;
        }
        self.revision = snapshot.revision;
        for entry in &snapshot.entries {
            let unchanged = entry.revision == self.revision_of(entry.key);
            if unchanged || matches!(entry.key, Key::Grant(LockId::Manager) | Key::Beat(_)) {
                continue;
            }
            self.set_revision(entry.key, entry.revision);
            news |= self.put(entry.key, &entry.record);
        }
        news | self.note_grants(snapshot)
    }

    /// Notes what agents' grants say about services that are frozen. Says whether that has changed.
    fn note_grants(&mut self, snapshot: &Snapshot) -> bool {
        let (mut left, mut unreleased) = (Vec::new(), Vec::new());
        let mut confirmed = Vec::new();
        for entry in &snapshot.entries {
            let (Key::Grant(LockId::Agent(node)), Some(grant)) =
                (entry.key, entry.record.as_grant())
            else {
                continue;
            };
            let list = grant.state.unguarded();
            left.extend(list.iter().flat_map(|list| &list.services));
            let fence = snapshot.data(DataKey::Fence(node)).and_then(Data::as_fence);
            let was_others = grant.holder.node != node;
            let is_confirmed = fence.is_some_and(|fence| {
                fence.confirmed && (was_others || fence.term == Term::of(grant))
            });
            if grant.state.is_held() || is_confirmed || was_others {
                unreleased.push(node);
            }
            if is_confirmed {
                confirmed.push(node);
            }
        }
        left.sort_unstable();
        unreleased.sort_unstable();
        confirmed.sort_unstable();
        let before = (&self.left, &self.unreleased, &self.confirmed);
        let changed = before != (&left, &unreleased, &confirmed);
        self.left = left;
        self.unreleased = unreleased;
        self.confirmed = confirmed;
        changed
    }

    /// Takes in what this process has written itself.
    pub(super) fn take_in_written(&mut self, puts: &[Put], revision: Revision) {
        for put in puts {
            self.set_revision(put.key, revision);
            self.put(put.key, &put.record);
        }
    }

    /// Keeps a record. Says whether its content has changed.
    fn put(&mut self, key: Key, record: &Record) -> bool {
        match (key, record) {
            (Key::Service(id), Record::Service(service)) => {
                if let Some(resource) = self.resources.get_mut(id) {
                    resource.node = Some(service.location);
                }
                self.services.insert(id, service.clone()).as_ref() != Some(service)
            }
            (Key::Data(key), Record::Data(data)) => self.put_data(key, data),
            // A grant is looked at with all others; a record of another kind than its key is not one.
            (Key::Grant(_) | Key::Beat(_) | Key::Service(_) | Key::Data(_), _) => false,
        }
    }

    fn put_data(&mut self, key: DataKey, data: &Data) -> bool {
        match (key, data) {
            (DataKey::Status, Data::Status(status)) => {
                let services = core::mem::take(&mut self.status.services);
                let before = core::mem::replace(&mut self.status, status.clone());
                let changed = before != self.status;
                self.status.services = services;
                changed
            }
            (DataKey::Entry(id), Data::Entry(entry)) => {
                let services = &mut self.status.services;
                let before = match entry {
                    Some(entry) => services.insert(id, entry.clone()),
                    None => services.remove(id),
                };
                before != *entry
            }
            (DataKey::Lrm(node), Data::Lrm(published)) => {
                let before = self.lrms.insert(node, published.status.clone());
                before.as_ref() != Some(&published.status)
            }
            (DataKey::Resource(id), Data::Resource(resource)) => {
                let located = self.services.get(id).map(|service| service.location);
                match resource {
                    Some(resource) => {
                        let node = located.or(resource.node);
                        let resource = Resource {
                            node,
                            ..resource.clone()
                        };
                        self.resources.insert(id, resource);
                    }
                    None => {
                        self.resources.remove(id);
                    }
                }
                true
            }
            (DataKey::Commands, Data::Commands(commands)) => {
                self.commands.clone_from(commands);
                !commands.is_empty()
            }
            (DataKey::Rules, Data::Rules(rules)) => {
                self.rules = rules.clone();
                self.digest += 1;
                true
            }
            (DataKey::Groups, Data::Groups(groups)) => {
                self.groups = groups.clone();
                self.digest += 1;
                true
            }
            // A record of another kind than its key is not one, and agents are another's concern.
            (
                DataKey::Status
                | DataKey::Entry(_)
                | DataKey::Lrm(_)
                | DataKey::Resource(_)
                | DataKey::Commands
                | DataKey::Rules
                | DataKey::Groups
                | DataKey::Fence(_),
                _,
            ) => false,
        }
    }

    /// The view of it, for a round that nothing but time asks for, with no service left running.
    pub(super) fn view<'a>(
        &'a self,
        files: &Files<'a>,
        members: &'a Members,
        locks: &'a Table<NodeId, LockView>,
    ) -> View<'a> {
        View {
            names: files.names,
            status: &self.status,
            members: members.online(),
            seen: Some(members.seen()),
            quorate: true,
            periodic: true,
            lrms: &self.lrms,
            resources: &self.resources,
            groups: &self.groups,
            rules: &self.rules,
            digest: self.digest,
            commands: &self.commands,
            locks,
            unguarded: &[],
            left: &self.left,
            unreleased: &self.unreleased,
            confirmed: &self.confirmed,
            settings: files.settings,
            node_stats: files.node_stats,
            service_stats: files.service_stats,
            versions: files.versions,
        }
    }
}

impl Visit for Mirror {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        visit_horizon(&mut self.revision, visitor);
        self.status.visit(visitor);
        self.services.visit(visitor);
        self.lrms.visit(visitor);
        self.revisions.visit(visitor);
    }
}

impl Visit for Revisions {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        let single = [
            (DataKey::Status, &mut self.status),
            (DataKey::Commands, &mut self.commands),
            (DataKey::Rules, &mut self.rules),
            (DataKey::Groups, &mut self.groups),
        ];
        for (key, revision) in single {
            visit_under(Key::Data(key), revision, visitor);
        }
        for (id, revision) in self.entries.iter_mut() {
            visit_under(Key::Data(DataKey::Entry(id)), revision, visitor);
        }
        for (id, revision) in self.resources.iter_mut() {
            visit_under(Key::Data(DataKey::Resource(id)), revision, visitor);
        }
        for (id, revision) in self.services.iter_mut() {
            visit_under(Key::Service(id), revision, visitor);
        }
        for (node, revision) in self.lrms.iter_mut() {
            visit_under(Key::Data(DataKey::Lrm(node)), revision, visitor);
        }
        for (node, revision) in self.grants.iter_mut() {
            visit_under(Key::Grant(LockId::Agent(node)), revision, visitor);
        }
    }
}
