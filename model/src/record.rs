//! What stands in the store, and the only ways to read and change it.
//!
//! The store is any linearizable one with conditional multi-key writes: a [`Write`] is applied
//! as a whole if every [`Compare`] holds, and then gives every record it puts the same new
//! [`Revision`]; otherwise nothing changes. Revisions only grow, so a condition that has failed
//! once fails for ever: that is what makes it possible to reason about requests that are still
//! under way.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::{BootId, Epoch, Holder, MachineId, NodeId, RequestId, Revision, ServiceId, Uid};
use crate::time::Span;
use crate::visit::{Visit, Visitor, visit_fields};

/// The name of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Key {
    /// Who holds a node's agent lock, and what that says about its services.
    Grant(NodeId),
    /// The holder's sign of life.
    Beat(NodeId),
    /// Where a service belongs and what it is to do.
    Service(ServiceId),
}

/// The content of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Record {
    /// Under [`Key::Grant`].
    Grant(Grant),
    /// Under [`Key::Beat`].
    Beat(Beat),
    /// Under [`Key::Service`].
    Service(Service),
}

/// One term of a lock, or how the last one ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// Who holds or held it.
    pub holder: Holder,
    /// Which term this is.
    pub epoch: Epoch,
    /// The holder's T: how long the lock must be silent before another may take it.
    pub ttl: Span,
    /// What the grant says about services.
    pub state: GrantState,
    /// The request that wrote this record.
    pub written_by: RequestId,
}

/// What a grant says about the services of its lock's node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GrantState {
    /// Held; whatever runs is under an armed watchdog, so expiry proves it dead.
    HeldGuarded,
    /// Held; the listed services may run without a watchdog, and expiry proves nothing about them.
    HeldUnguarded(Unguarded),
    /// Given back with every service confirmed stopped.
    ReleasedClean,
    /// Given back with the listed services left running.
    ReleasedRunning(Unguarded),
}

/// Services that may run without a watchdog, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unguarded {
    /// The machine they were left on.
    pub machine: MachineId,
    /// The boot they were left in; they died with it.
    pub boot: BootId,
    /// Which they are, in ascending order.
    pub services: Vec<ServiceId>,
}

/// A sign of life under a grant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Beat {
    /// The grant's term.
    pub epoch: Epoch,
    /// The request that wrote this record.
    pub written_by: RequestId,
}

/// Where a service belongs and what it is to do there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Service {
    /// The node it belongs to: nowhere else may it run.
    pub location: NodeId,
    /// What it is to do.
    pub wanted: Wanted,
    /// The command that says so.
    pub uid: Uid,
}

/// What a service is to do on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Wanted {
    /// Run.
    Started,
    /// Not run.
    Stopped,
}

/// A condition on one record: it is still the one with this revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Compare {
    /// Which record.
    pub key: Key,
    /// Its revision, or [`Revision::ABSENT`].
    pub revision: Revision,
}

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Put {
    /// Its name.
    pub key: Key,
    /// Its content.
    pub record: Record,
}

/// A conditional change of several records: all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Write {
    /// The request's number.
    pub request: RequestId,
    /// Every condition that has to hold.
    pub compares: Vec<Compare>,
    /// What is then written.
    pub puts: Vec<Put>,
}

/// The store's answer to a [`Write`]. There may never be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// Applied; the records written have this revision.
    Applied(Revision),
    /// A condition did not hold. Nothing was changed, and since revisions only grow, nothing will
    /// be by this request.
    Refused,
}

/// A record with its name and revision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub key: Key,
    /// When it was last written.
    pub revision: Revision,
    /// Its content.
    pub record: Record,
}

/// All records at one moment, read linearizably unless it says otherwise where it is used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    /// The revision of the store at that moment.
    pub revision: Revision,
    /// The records, in ascending order of their keys.
    pub entries: Vec<Entry>,
}

impl Snapshot {
    fn find(&self, key: Key) -> Option<&Entry> {
        let index = self
            .entries
            .binary_search_by_key(&key, |entry| entry.key)
            .ok()?;
        self.entries.get(index)
    }

    /// The revision of a record, absent or not.
    #[must_use]
    pub fn revision_of(&self, key: Key) -> Revision {
        self.find(key)
            .map_or(Revision::ABSENT, |entry| entry.revision)
    }

    /// The grant of a node's lock.
    #[must_use]
    pub fn grant(&self, lock: NodeId) -> Option<&Grant> {
        match &self.find(Key::Grant(lock))?.record {
            Record::Grant(grant) => Some(grant),
            Record::Beat(_) | Record::Service(_) => None,
        }
    }

    /// The beat of a node's lock.
    #[must_use]
    pub fn beat(&self, lock: NodeId) -> Option<&Beat> {
        match &self.find(Key::Beat(lock))?.record {
            Record::Beat(beat) => Some(beat),
            Record::Grant(_) | Record::Service(_) => None,
        }
    }

    /// All services with their revisions.
    pub fn services(&self) -> impl Iterator<Item = (ServiceId, Revision, &Service)> {
        self.entries
            .iter()
            .filter_map(|entry| match (entry.key, &entry.record) {
                (Key::Service(id), Record::Service(service)) => Some((id, entry.revision, service)),
                (Key::Grant(_) | Key::Beat(_) | Key::Service(_), _) => None,
            })
    }
}

impl GrantState {
    /// Whether somebody holds the lock.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        match self {
            Self::HeldGuarded | Self::HeldUnguarded(_) => true,
            Self::ReleasedClean | Self::ReleasedRunning(_) => false,
        }
    }

    /// The services that may run without a watchdog.
    #[must_use]
    pub const fn unguarded(&self) -> Option<&Unguarded> {
        match self {
            Self::HeldUnguarded(unguarded) | Self::ReleasedRunning(unguarded) => Some(unguarded),
            Self::HeldGuarded | Self::ReleasedClean => None,
        }
    }

    /// Whether this service may run without a watchdog.
    #[must_use]
    pub fn lists(&self, service: ServiceId) -> bool {
        self.unguarded()
            .is_some_and(|list| list.services.contains(&service))
    }
}

impl Key {
    /// The same key as part of a permuted cluster.
    fn visit_node<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Grant(node) | Self::Beat(node) => visitor.node(node),
            Self::Service(_) => {}
        }
    }
}

impl Visit for Holder {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        visitor.node(&mut self.node);
        visitor.machine(&mut self.machine);
        visitor.boot(&mut self.boot);
        visitor.incarnation(&mut self.incarnation);
    }
}

impl Visit for GrantState {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::HeldUnguarded(unguarded) | Self::ReleasedRunning(unguarded) => {
                visitor.machine(&mut unguarded.machine);
                visitor.boot(&mut unguarded.boot);
            }
            Self::HeldGuarded | Self::ReleasedClean => {}
        }
    }
}

impl Grant {
    /// Visits the grant as that of `lock`.
    pub fn visit_under<V: Visitor + ?Sized>(&mut self, lock: NodeId, visitor: &mut V) {
        self.holder.visit(visitor);
        visitor.epoch(lock, &mut self.epoch);
        self.state.visit(visitor);
        self.written_by.visit(visitor);
    }
}

fn visit_record<V: Visitor + ?Sized>(key: &mut Key, record: &mut Record, visitor: &mut V) {
    let lock = match key {
        Key::Grant(node) | Key::Beat(node) => Some(*node),
        Key::Service(_) => None,
    };
    match record {
        Record::Grant(grant) => {
            if let Some(lock) = lock {
                grant.visit_under(lock, visitor);
            }
        }
        Record::Beat(beat) => {
            if let Some(lock) = lock {
                visitor.epoch(lock, &mut beat.epoch);
            }
            beat.written_by.visit(visitor);
        }
        Record::Service(service) => service.visit(visitor),
    }
    key.visit_node(visitor);
}

impl Visit for Put {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        visit_record(&mut self.key, &mut self.record, visitor);
    }
}

impl Visit for Entry {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.revision.visit(visitor);
        visit_record(&mut self.key, &mut self.record, visitor);
    }
}

impl Visit for Compare {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.key.visit_node(visitor);
        self.revision.visit(visitor);
    }
}

impl Visit for Outcome {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Applied(revision) => revision.visit(visitor),
            Self::Refused => {}
        }
    }
}

visit_fields!(Write {
    request,
    compares,
    puts
});
impl Visit for Snapshot {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.revision.visit(visitor);
        self.entries.visit(visitor);
        // Nodes may have changed places.
        self.entries.sort_unstable_by_key(|entry| entry.key);
    }
}
visit_fields!(Service { location, uid });
