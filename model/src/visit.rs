//! One traversal over everything in a state that has no absolute meaning: instants and opaque ids.
//!
//! Behaviour must not change when all instants of a host move together, nor when opaque ids are
//! replaced by others in the same order. [`Visit`] is how the checker uses that: it shifts time
//! back after every tick, so that a cluster that runs for ever has finitely many states, and
//! renames ids by rank. The daemons never call it.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::id::{
    ArmId, BootId, Epoch, Incarnation, LockId, MachineId, NodeId, RequestId, Revision, Uid,
};
use crate::record::Key;
use crate::table::Table;
use crate::time::Instant;

/// What to do with each kind of relative value. Everything is left alone by default.
pub trait Visitor {
    /// A moment on the clock of the host that the visited value lives on.
    fn instant(&mut self, _: &mut Instant) {}
    /// A moment at which something ends or is due: it is compared with the present and with other
    /// such moments only, so that of those that have passed none matters more than another.
    fn deadline(&mut self, at: &mut Instant) {
        self.instant(at);
    }
    /// A revision; never called for [`Revision::ABSENT`].
    fn revision(&mut self, _: &mut Revision) {}
    /// A revision of the record under `key`, compared with others of that record alone; never called
    /// for [`Revision::ABSENT`].
    fn revision_under(&mut self, _key: Key, revision: &mut Revision) {
        self.revision(revision);
    }
    /// The latest revision of the store that something knows: what comes later is compared with it,
    /// to see whether it is older. Never called for [`Revision::ABSENT`].
    fn horizon(&mut self, revision: &mut Revision) {
        self.revision(revision);
    }
    /// The revision of the write of `key` that began a term: what was read is compared with it.
    fn term_began(&mut self, key: Key, revision: &mut Revision) {
        self.revision_under(key, revision);
    }
    /// When something that is under way to a process was read.
    fn read_at(&mut self, revision: &mut Revision) {
        self.revision(revision);
    }
    /// What a write that was applied gave to all of its records.
    fn applied_as(&mut self, revision: &mut Revision) {
        self.revision(revision);
    }
    /// The request that wrote a record, where nobody looks at that.
    fn author(&mut self, request: &mut RequestId) {
        self.request(request.process, &mut request.number);
        self.incarnation(&mut request.process);
    }
    /// A term of the lock of `lock`.
    fn epoch(&mut self, _lock: LockId, _: &mut Epoch) {}
    /// A boot.
    fn boot(&mut self, _: &mut BootId) {}
    /// A machine.
    fn machine(&mut self, _: &mut MachineId) {}
    /// A process.
    fn incarnation(&mut self, _: &mut Incarnation) {}
    /// A request's number within `process`, which is visited before it.
    fn request(&mut self, _process: Incarnation, _: &mut u64) {}
    /// The same, where it is compared with others for being the same, and not for its order.
    fn label(&mut self, process: Incarnation, number: &mut u64) {
        self.request(process, number);
    }
    /// A command; never called for [`Uid::NONE`].
    fn uid(&mut self, _: &mut Uid) {}
    /// A node.
    fn node(&mut self, _: &mut NodeId) {}
}

/// Something a [`Visitor`] can walk through.
pub trait Visit {
    /// Shows every relative value to the visitor, each exactly once, in a fixed order.
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V);
}

impl Visit for Instant {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        visitor.instant(self);
    }
}

/// A moment at which something ends or is due, or none.
pub trait VisitDeadline {
    /// Shows it to the visitor.
    fn visit_deadline<V: Visitor + ?Sized>(&mut self, visitor: &mut V);
}

impl VisitDeadline for Instant {
    fn visit_deadline<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        visitor.deadline(self);
    }
}

impl VisitDeadline for Option<Instant> {
    fn visit_deadline<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        if let Some(at) = self {
            visitor.deadline(at);
        }
    }
}

impl Visit for Revision {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        if *self != Self::ABSENT {
            visitor.revision(self);
        }
    }
}

impl Visit for Uid {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        if *self != Self::NONE {
            visitor.uid(self);
        }
    }
}

/// Shows a revision of the record under `key`, unless there is none.
pub(crate) fn visit_under<V: Visitor + ?Sized>(key: Key, revision: &mut Revision, visitor: &mut V) {
    if *revision != Revision::ABSENT {
        visitor.revision_under(key, revision);
    }
}

/// Shows what is known of the store, unless that is nothing.
pub(crate) fn visit_horizon<V: Visitor + ?Sized>(revision: &mut Revision, visitor: &mut V) {
    if *revision != Revision::ABSENT {
        visitor.horizon(revision);
    }
}

impl Visit for RequestId {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        let process = self.process;
        visitor.label(process, &mut self.number);
        visitor.incarnation(&mut self.process);
    }
}

impl Visit for ArmId {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.0.visit(visitor);
    }
}

impl<T: Visit> Visit for Option<T> {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        if let Some(inner) = self {
            inner.visit(visitor);
        }
    }
}

impl<T: Visit> Visit for Vec<T> {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        for item in self {
            item.visit(visitor);
        }
    }
}

impl<T: Visit> Visit for VecDeque<T> {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        for item in self {
            item.visit(visitor);
        }
    }
}

impl<K, T: Visit> Visit for BTreeMap<K, T> {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        for item in self.values_mut() {
            item.visit(visitor);
        }
    }
}

impl<I, T: Visit> Visit for Table<I, T> {
    /// Rows stay where they are: a table by node can't be part of a permuted cluster.
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        for item in self.values_mut() {
            item.visit(visitor);
        }
    }
}

impl<T: Visit + ?Sized> Visit for Box<T> {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.as_mut().visit(visitor);
    }
}

impl<A: Visit, B: Visit> Visit for (A, B) {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.0.visit(visitor);
        self.1.visit(visitor);
    }
}

macro_rules! visit_by_method {
    ($($type:ty => $method:ident),* $(,)?) => {
        $(impl Visit for $type {
            fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
                visitor.$method(self);
            }
        })*
    };
}

visit_by_method! {
    BootId => boot,
    Incarnation => incarnation,
    NodeId => node,
}

/// Implements [`Visit`] by visiting the named fields, after a semicolon those that are deadlines.
macro_rules! visit_fields {
    ($type:ty { $($field:ident),* $(,)? $(; $($deadline:ident),* $(,)?)? }) => {
        impl $crate::visit::Visit for $type {
            fn visit<V: $crate::visit::Visitor + ?Sized>(&mut self, visitor: &mut V) {
                $($crate::visit::Visit::visit(&mut self.$field, visitor);)*
                $($($crate::visit::VisitDeadline::visit_deadline(&mut self.$deadline, visitor);)*)?
            }
        }
    };
}
pub(crate) use visit_fields;
