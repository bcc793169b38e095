//! What a process knows of a lock, and what it has asked the store to do with it.

use serde::{Deserialize, Serialize};

use crate::id::{Epoch, LockId, Revision};
use crate::record::{Grant, GrantState, Key};
use crate::time::{Instant, Span};
use crate::visit::{Visit, VisitDeadline, Visitor, visit_under};

/// The lock as last read, and since when it has not changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) grant_revision: Revision,
    pub(super) beat_revision: Revision,
    pub(super) grant: Option<Grant>,
    /// When this process itself first saw these two revisions.
    pub(super) since: Instant,
}

/// A term of the lock that this process holds, as far as it knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// Which term.
    pub epoch: Epoch,
    /// The T that the grant states.
    pub ttl: Span,
    /// What the grant says about services.
    pub state: GrantState,
    /// The revision of the write that began the term: what was read earlier is void.
    pub taken: Revision,
    /// E: the end of authority, if a confirmed write has given any.
    pub expires: Option<Instant>,
    pub(super) grant_revision: Revision,
    pub(super) beat_revision: Revision,
    /// When the next renewal is due.
    pub(super) renew_at: Instant,
}

/// A request under way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) number: u64,
    /// t0: before it was sent. `None` once that is so long ago that it gives no authority.
    pub(super) sent: Option<Instant>,
    pub(super) kind: Kind,
    /// The T in force once it is applied.
    pub(super) ttl: Span,
}

/// What a request does to the lock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Kind {
    Take(Epoch, GrantState),
    /// Renews; with a state, it also rewrites the grant.
    Renew(Option<GrantState>),
    Release(GrantState),
}

/// What an answer from the store, or a read, changed for the holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that matters outside.
    None,
    /// A new term began.
    Taken,
    /// The end of authority moved, or the grant's state changed.
    Renewed,
    /// The term ended by this process's own release.
    Released,
    /// Somebody else holds the lock now.
    Lost,
    /// The lock differs from what this process knew: it has to read it.
    ReadNeeded,
}

impl Request {
    pub(super) fn is_overdue(&self, timeout: Span, now: Instant) -> bool {
        self.sent.is_some_and(|sent| sent + timeout <= now)
    }
}

impl Visit for Kind {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Take(_, state) | Self::Release(state) => state.visit(visitor),
            Self::Renew(state) => state.visit(visitor),
        }
    }
}

impl Hold {
    /// Visits the hold as that of `lock`.
    pub(super) fn visit_under<V: Visitor + ?Sized>(&mut self, lock: LockId, visitor: &mut V) {
        self.state.visit(visitor);
        if self.taken != Revision::ABSENT {
            visitor.term_began(Key::Grant(lock), &mut self.taken);
        }
        visit_under(Key::Grant(lock), &mut self.grant_revision, visitor);
        visit_under(Key::Beat(lock), &mut self.beat_revision, visitor);
        self.expires.visit_deadline(visitor);
        self.renew_at.visit_deadline(visitor);
    }
}
