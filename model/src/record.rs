//! What stands in the store, and the only ways to read and change it.
//!
//! The store is any linearizable one with conditional multi-key writes: a [`Write`] is applied
//! as a whole if every [`Compare`] holds, and then gives every record it puts the same new
//! [`Revision`]; otherwise nothing changes. Revisions only grow, so a condition that has failed
//! once fails for ever: that is what makes it possible to reason about requests that are still
//! under way.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::format::groups::Groups;
use crate::format::rules::Rules;
use crate::id::{
    BootId, Epoch, Holder, LockId, MachineId, NodeId, RequestId, Revision, ServiceId, Uid,
};
use crate::manager::command::Command;
use crate::manager::status::{self, LrmStatus, Resource, Status};
use crate::time::Span;
use crate::visit::{Visit, Visitor, visit_fields, visit_under};

/// The name of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Key {
    /// Who holds a lock, and what that says about services.
    Grant(LockId),
    /// The holder's sign of life.
    Beat(LockId),
    /// Where a service belongs and what it is to do.
    Service(ServiceId),
    /// What manager, LRMs and people tell each other.
    Data(DataKey),
}

/// The name of a record that no safety rests on beside the locks and [`Key::Service`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DataKey {
    /// The manager's status but for its services.
    Status,
    /// A service in the manager's status.
    Entry(ServiceId),
    /// What a node's LRM publishes. That it changes is a sign of life.
    Lrm(NodeId),
    /// A service's configuration.
    Resource(ServiceId),
    /// What people asked for and no master took in yet.
    Commands,
    /// The rules.
    Rules,
    /// The groups that rules are to replace.
    Groups,
    /// Which term of a node's lock its fence agents were to end last.
    Fence(NodeId),
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
    /// Under [`Key::Data`].
    Data(Box<Data>),
}

/// The content of a record under [`Key::Data`].
///
/// No record is ever deleted: the condition that one is absent could come true again, and with it
/// a request that was given up long ago. What has gone is written as none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Data {
    /// Under [`DataKey::Status`]; without services.
    Status(Status),
    /// Under [`DataKey::Entry`]; none: it isn't managed any more.
    Entry(Option<status::Entry>),
    /// Under [`DataKey::Lrm`].
    Lrm(Published),
    /// Under [`DataKey::Resource`]; none: it was removed. Its node is that of [`Service::location`].
    Resource(Option<Resource>),
    /// Under [`DataKey::Commands`], in the order in which they came.
    Commands(Vec<Command>),
    /// Under [`DataKey::Rules`].
    Rules(Rules),
    /// Under [`DataKey::Groups`].
    Groups(Groups),
    /// Under [`DataKey::Fence`].
    Fence(Fence),
}

impl Data {
    /// The manager's status, if that is what it is.
    #[must_use]
    pub const fn as_status(&self) -> Option<&Status> {
        if let Self::Status(status) = self {
            return Some(status);
        }
        None
    }

    /// A service's entry, if that is what it is, and the service is managed.
    #[must_use]
    pub const fn as_entry(&self) -> Option<&status::Entry> {
        if let Self::Entry(Some(entry)) = self {
            return Some(entry);
        }
        None
    }

    /// Which term of a node's lock is to be ended, if that is what it is.
    #[must_use]
    pub const fn as_fence(&self) -> Option<&Fence> {
        if let Self::Fence(fence) = self {
            return Some(fence);
        }
        None
    }

    /// A service's configuration, if that is what it is, and there is one.
    #[must_use]
    pub const fn as_resource(&self) -> Option<&Resource> {
        if let Self::Resource(Some(resource)) = self {
            return Some(resource);
        }
        None
    }

    /// People's commands, if that is what it is.
    #[must_use]
    pub fn as_commands(&self) -> Option<&[Command]> {
        if let Self::Commands(commands) = self {
            return Some(commands);
        }
        None
    }
}

/// What an LRM publishes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Published {
    /// For the manager.
    pub status: LrmStatus,
    /// The request that wrote this record.
    pub written_by: RequestId,
}

/// A term of a node's lock that a fence agent is asked to end, or that a person says has ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// Which term.
    pub term: Term,
    /// Whether a person says so: the node is dead, and what it left running is gone.
    pub confirmed: bool,
    /// The request that wrote this record.
    pub written_by: RequestId,
}

/// A term of a node's lock, and what it was held on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Term {
    /// The machine.
    pub machine: MachineId,
    /// That machine's boot.
    pub boot: BootId,
    /// Which term.
    pub epoch: Epoch,
}

impl Term {
    /// The present one.
    #[must_use]
    pub const fn of(grant: &Grant) -> Self {
        Self {
            machine: grant.holder.machine,
            boot: grant.holder.boot,
            epoch: grant.epoch,
        }
    }

    /// Visits the term as one of `lock`.
    pub fn visit_under<V: Visitor + ?Sized>(&mut self, lock: LockId, visitor: &mut V) {
        visitor.machine(&mut self.machine);
        visitor.boot(&mut self.boot);
        visitor.epoch(lock, &mut self.epoch);
    }
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
    /// Whether a live move brought it to its node: what is paused there is the newest there is. It
    /// says so until it leaves or is nobody's concern, whatever orders follow: an LRM that never saw
    /// the move's own order goes on with what came as well.
    #[serde(default)]
    pub brought: bool,
    /// What it is to do.
    pub wanted: Wanted,
    /// The command that says so.
    pub uid: Uid,
    /// How often a failed start is repeated here before that is the command's result. None: for
    /// ever, and no result is asked for.
    pub restarts_max: Option<u32>,
    /// How long a stop may take, in seconds, if somebody said so; zero: not at all.
    pub timeout_seconds: Option<u64>,
}

/// What a service is to do on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Wanted {
    /// Run.
    Started,
    /// Not run.
    Stopped,
    /// Stay as it is: it is frozen, or waits for a person or for the manager.
    Untouched,
    /// Stay as it is, and be nobody's concern: it isn't managed.
    Ignored,
    /// Not run, and the lock is given back as soon as nothing runs: the manager waits for it to move
    /// services elsewhere.
    Fenced,
    /// Leave for another node. There, it is what the move brings: running if it was
    /// [`Service::brought`], untouched else.
    Moved {
        /// Where to.
        target: NodeId,
        /// In which state.
        kind: MoveKind,
    },
}

/// In which state a service moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MoveKind {
    /// Running if it runs, else stopped.
    Live,
    /// Stopped.
    Stopped,
    /// Not at all if it runs: a better node was chosen for a start.
    BeforeStart,
}

impl Service {
    /// A service of which no more is said.
    #[must_use]
    pub const fn new(location: NodeId, wanted: Wanted, uid: Uid) -> Self {
        Self {
            location,
            brought: false,
            wanted,
            uid,
            restarts_max: None,
            timeout_seconds: None,
        }
    }

    /// The same, on another node, with nothing brought there.
    #[must_use]
    pub fn recovered_to(self, location: NodeId) -> Self {
        Self {
            location,
            brought: false,
            ..self
        }
    }

    /// Where it is moving to, if it is.
    #[must_use]
    pub const fn target(&self) -> Option<NodeId> {
        match self.wanted {
            Wanted::Moved { target, .. } => Some(target),
            Wanted::Started
            | Wanted::Stopped
            | Wanted::Untouched
            | Wanted::Ignored
            | Wanted::Fenced => None,
        }
    }
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

impl Record {
    /// The grant, if it is one.
    #[must_use]
    pub const fn as_grant(&self) -> Option<&Grant> {
        match self {
            Self::Grant(grant) => Some(grant),
            Self::Beat(_) | Self::Service(_) | Self::Data(_) => None,
        }
    }

    /// The beat, if it is one.
    #[must_use]
    pub const fn as_beat(&self) -> Option<&Beat> {
        match self {
            Self::Beat(beat) => Some(beat),
            Self::Grant(_) | Self::Service(_) | Self::Data(_) => None,
        }
    }

    /// The service, if it is one.
    #[must_use]
    pub const fn as_service(&self) -> Option<&Service> {
        match self {
            Self::Service(service) => Some(service),
            Self::Grant(_) | Self::Beat(_) | Self::Data(_) => None,
        }
    }

    /// The data, if that is what it is.
    #[must_use]
    pub const fn as_data(&self) -> Option<&Data> {
        match self {
            Self::Data(data) => Some(data),
            Self::Grant(_) | Self::Beat(_) | Self::Service(_) => None,
        }
    }
}

impl Write {
    /// Whether it writes where a service belongs.
    #[must_use]
    pub fn moves_service(&self) -> bool {
        self.puts.iter().any(|put| match put.key {
            Key::Service(_) => true,
            Key::Grant(_) | Key::Beat(_) | Key::Data(_) => false,
        })
    }
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

    /// The grant of a lock.
    #[must_use]
    pub fn grant(&self, lock: LockId) -> Option<&Grant> {
        self.find(Key::Grant(lock))?.record.as_grant()
    }

    /// The beat of a lock.
    #[must_use]
    pub fn beat(&self, lock: LockId) -> Option<&Beat> {
        self.find(Key::Beat(lock))?.record.as_beat()
    }

    /// A record under [`Key::Data`].
    #[must_use]
    pub fn data(&self, key: DataKey) -> Option<&Data> {
        self.find(Key::Data(key))?.record.as_data()
    }

    /// All records under [`Key::Data`] with their revisions.
    pub fn all_data(&self) -> impl Iterator<Item = (DataKey, Revision, &Data)> {
        self.entries.iter().filter_map(|entry| match entry.key {
            Key::Data(key) => Some((key, entry.revision, entry.record.as_data()?)),
            Key::Grant(_) | Key::Beat(_) | Key::Service(_) => None,
        })
    }

    /// A service.
    #[must_use]
    pub fn service(&self, service: ServiceId) -> Option<&Service> {
        self.find(Key::Service(service))?.record.as_service()
    }

    /// All services with their revisions.
    pub fn services(&self) -> impl Iterator<Item = (ServiceId, Revision, &Service)> {
        self.entries.iter().filter_map(|entry| match entry.key {
            Key::Service(id) => Some((id, entry.revision, entry.record.as_service()?)),
            Key::Grant(_) | Key::Beat(_) | Key::Data(_) => None,
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

    /// What a lock that was held in this state is given back as, by one that runs nothing itself.
    #[must_use]
    pub fn released(self) -> Self {
        match self {
            Self::HeldUnguarded(list) if !list.services.is_empty() => Self::ReleasedRunning(list),
            Self::HeldUnguarded(_)
            | Self::HeldGuarded
            | Self::ReleasedClean
            | Self::ReleasedRunning(_) => Self::ReleasedClean,
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
            Self::Grant(LockId::Agent(node)) | Self::Beat(LockId::Agent(node)) => {
                visitor.node(node)
            }
            Self::Data(DataKey::Lrm(node) | DataKey::Fence(node)) => visitor.node(node),
            Self::Grant(LockId::Manager)
            | Self::Beat(LockId::Manager)
            | Self::Service(_)
            | Self::Data(_) => {}
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
    pub fn visit_under<V: Visitor + ?Sized>(&mut self, lock: LockId, visitor: &mut V) {
        self.holder.visit(visitor);
        visitor.epoch(lock, &mut self.epoch);
        self.state.visit(visitor);
        visitor.author(&mut self.written_by);
    }
}

fn visit_record<V: Visitor + ?Sized>(key: &mut Key, record: &mut Record, visitor: &mut V) {
    let lock = match key {
        Key::Grant(node) | Key::Beat(node) => Some(*node),
        Key::Service(_) | Key::Data(_) => None,
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
            visitor.author(&mut beat.written_by);
        }
        Record::Service(service) => service.visit(visitor),
        Record::Data(data) => match (&mut **data, &*key) {
            (Data::Fence(fence), Key::Data(DataKey::Fence(node))) => {
                fence.term.visit_under(LockId::Agent(*node), visitor);
                visitor.author(&mut fence.written_by);
            }
            (data, _) => data.visit(visitor),
        },
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
        visit_under(self.key, &mut self.revision, visitor);
        visit_record(&mut self.key, &mut self.record, visitor);
    }
}

impl Visit for Compare {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        visit_under(self.key, &mut self.revision, visitor);
        self.key.visit_node(visitor);
    }
}

impl Visit for Outcome {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Applied(revision) => visitor.applied_as(revision),
            Self::Refused => {}
        }
    }
}

impl Visit for Data {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Lrm(published) => published.visit(visitor),
            Self::Status(status) => status.visit(visitor),
            Self::Entry(entry) => entry.visit(visitor),
            // What people say names nodes by their ids, and has nothing relative but them.
            Self::Resource(_) | Self::Commands(_) | Self::Rules(_) | Self::Groups(_) => {}
            // Whose lock its term is of, the key says: it is visited with that.
            Self::Fence(_) => {}
        }
    }
}

visit_fields!(Published { status, written_by });
visit_fields!(Write {
    request,
    compares,
    puts
});
impl Visit for Snapshot {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        if self.revision != Revision::ABSENT {
            visitor.read_at(&mut self.revision);
        }
        self.entries.visit(visitor);
        // Nodes may have changed places.
        self.entries.sort_unstable_by_key(|entry| entry.key);
    }
}
visit_fields!(Service {
    location,
    wanted,
    uid
});

impl Visit for Wanted {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Moved { target, .. } => visitor.node(target),
            Self::Started | Self::Stopped | Self::Untouched | Self::Ignored | Self::Fenced => {}
        }
    }
}
