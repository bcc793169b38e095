//! The store: linearizable, with conditional writes. A request is applied and answered at the moment
//! it is made, or lost with its sender's connection.

use std::collections::BTreeMap;
use std::rc::Rc;

use lockstep_model::id::{Holder, LockId, NodeId, Revision, ServiceId};
use lockstep_model::manager::command::Command;
use lockstep_model::manager::status::{self, Resource, Status};
use lockstep_model::record::{
    Data, DataKey, Entry, Grant, Key, Put, Record, Service, Snapshot, Write,
};
use lockstep_model::time::Instant;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// A command of the case, on behalf of a person.
    Person,
    /// A process.
    Process(Holder),
}

/// What the store's history says about a lock, to judge by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockHistory {
    /// When its grant or beat last changed.
    pub(crate) changed: Instant,
    /// The write that began the present term.
    pub(crate) taken: Revision,
}

/// All records, and when they changed.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    present: Rc<Snapshot>,
    locks: BTreeMap<LockId, LockHistory>,
    /// When records of people and manager last changed.
    changed: BTreeMap<Key, Instant>,
}

impl Default for Store {
    fn default() -> Self {
        let present = Snapshot {
            revision: Revision::ABSENT,
            entries: Vec::new(),
        };
        Self {
            present: Rc::new(present),
            locks: BTreeMap::new(),
            changed: BTreeMap::new(),
        }
    }
}

impl Store {
    /// Everything as it stands now.
    pub(crate) fn snapshot(&self) -> Rc<Snapshot> {
        Rc::clone(&self.present)
    }

    /// Whether every condition of a write holds.
    pub(crate) fn would_apply(&self, write: &Write) -> bool {
        let holds = |compare: &lockstep_model::record::Compare| {
            self.present.revision_of(compare.key) == compare.revision
        };
        write.compares.iter().all(holds)
    }

    /// Writes records, all with one new revision.
    pub(crate) fn put(&mut self, now: Instant, puts: Vec<Put>) -> Revision {
        let revision = Revision(self.present.revision.0 + 1);
        for put in &puts {
            self.note(now, put, revision);
        }
        let present = Rc::make_mut(&mut self.present);
        present.revision = revision;
        for Put { key, record } in puts {
            let entry = Entry {
                key,
                revision,
                record,
            };
            match present.entries.binary_search_by_key(&key, |one| one.key) {
                Ok(index) => present.entries[index] = entry,
                Err(index) => present.entries.insert(index, entry),
            }
        }
        revision
    }

    fn note(&mut self, now: Instant, put: &Put, revision: Revision) {
        let (Key::Grant(lock) | Key::Beat(lock)) = put.key else {
            self.changed.insert(put.key, now);
            return;
        };
        let before = self.grant(lock).map(|grant| grant.epoch);
        let begins = match &put.record {
            Record::Grant(grant) => Some(grant.epoch) != before,
            Record::Beat(_) | Record::Service(_) | Record::Data(_) => false,
        };
        let history = self.locks.entry(lock).or_insert(LockHistory {
            changed: now,
            taken: revision,
        });
        history.changed = now;
        if begins {
            history.taken = revision;
        }
    }

    pub(crate) fn history(&self, lock: LockId) -> Option<&LockHistory> {
        self.locks.get(&lock)
    }

    /// When a record that is no lock's was last written.
    pub(crate) fn changed(&self, key: Key) -> Option<Instant> {
        self.changed.get(&key).copied()
    }

    pub(crate) fn revision_of(&self, key: Key) -> Revision {
        self.present.revision_of(key)
    }

    pub(crate) fn grant(&self, lock: LockId) -> Option<&Grant> {
        self.present.grant(lock)
    }

    /// The grant of a node's lock.
    pub(crate) fn agent_grant(&self, node: NodeId) -> Option<&Grant> {
        self.grant(LockId::Agent(node))
    }

    /// Whether a process holds a lock.
    pub(crate) fn holds(&self, holder: &Holder, lock: LockId) -> bool {
        self.grant(lock)
            .is_some_and(|grant| grant.state.is_held() && grant.holder == *holder)
    }

    pub(crate) fn service(&self, service: ServiceId) -> Option<&Service> {
        self.present.service(service)
    }

    /// A service's entry in the manager's status.
    pub(crate) fn entry(&self, service: ServiceId) -> Option<&status::Entry> {
        self.present.data(DataKey::Entry(service))?.as_entry()
    }

    /// A service's configuration.
    pub(crate) fn resource(&self, service: ServiceId) -> Option<&Resource> {
        self.present.data(DataKey::Resource(service))?.as_resource()
    }

    /// The manager's status but for its services.
    pub(crate) fn status(&self) -> Option<&Status> {
        self.present.data(DataKey::Status)?.as_status()
    }

    /// What people asked for and nobody took in yet.
    pub(crate) fn commands(&self) -> &[Command] {
        let data = self.present.data(DataKey::Commands);
        data.and_then(Data::as_commands).unwrap_or_default()
    }

    /// The services that are configured.
    pub(crate) fn configured(&self) -> impl Iterator<Item = (ServiceId, &Resource)> {
        let services = self.present.services();
        services.filter_map(|(id, _, _)| Some((id, self.resource(id)?)))
    }
}
