//! Holding, observing and taking one lock.
//!
//! A lock is two records, changed only by conditional writes through the store's consensus: the
//! *grant* says who holds it and what that means for services, the *beat* is the holder's sign of
//! life. A [`Client`] is one process's dealings with one lock: a holder that renews and releases
//! its own, or a contender that waits for another's to fall silent. Both are the same code.
//!
//! # Requests in flight
//!
//! At most one request is *pending* (its answer is waited for). One that had no answer within τ
//! becomes *unsettled*: it may still be applied once, any time later. Until it is settled it
//! counts as applied in what it takes away ([`Client::may_be_released`],
//! [`Client::left_running`]) and as not applied in what it gives (the authority). What settles it:
//!
//! * its own reply, however late,
//! * a later *confirmed* write of this lock: every request here compares both records' revisions,
//!   and any applied one changes at least one of them, so the others can never be applied again.
//!
//! A read settles nothing. It could show that a request *was* applied; the next confirmed write does
//! so, too, and gives authority besides.

mod learning;
mod standing;
mod types;
mod writing;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::event::Violation;
use crate::id::{Holder, LockId, RequestId, Revision, ServiceId};
use crate::mutation::{Mutant, Mutation};
use crate::record::{Grant, GrantState, Key};
use crate::time::{Instant, Wakeup, Why};
use crate::visit::{Visit, Visitor, visit_horizon, visit_under};
pub use standing::{Standing, Takeover};
pub use types::{Change, Hold};
use types::{Kind, Request, Seen};

/// One process's dealings with one lock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Client {
    lock: LockId,
    me: Holder,
    /// Only while the lock is not held: a holder watches nobody.
    seen: Option<Seen>,
    hold: Option<Hold>,
    pending: Option<Request>,
    unsettled: Vec<Request>,
    /// The newest revision of the store that this process knows of: older news change nothing.
    known: Revision,
    next_request: u64,
}

impl Client {
    /// A process that knows nothing yet about the lock.
    #[must_use]
    pub const fn new(lock: LockId, me: Holder) -> Self {
        Self {
            lock,
            me,
            seen: None,
            hold: None,
            pending: None,
            unsettled: Vec::new(),
            known: Revision::ABSENT,
            next_request: 1,
        }
    }

    /// The same, with requests numbered from `first`: for a process with several clients.
    #[must_use]
    pub const fn numbered_from(mut self, first: u64) -> Self {
        self.next_request = first;
        self
    }

    /// Which lock this is.
    #[must_use]
    pub const fn lock(&self) -> LockId {
        self.lock
    }

    /// Who this process is.
    #[must_use]
    pub const fn me(&self) -> Holder {
        self.me
    }

    /// The term held, if any.
    #[must_use]
    pub const fn hold(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    /// The grant as last read, whoever holds it. `None`: not read yet, or there is none.
    #[must_use]
    pub fn seen_grant(&self) -> Option<&Grant> {
        self.seen.as_ref()?.grant.as_ref()
    }

    /// Whether this process has learned who holds the lock.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.seen.is_some() || self.hold.is_some()
    }

    /// Whether a request's answer is being waited for.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether a release is under way or unsettled, so that the lock may be free already.
    #[must_use]
    pub fn may_be_released(&self) -> bool {
        self.under_way().any(|request| match request.kind {
            Kind::Release(_) => true,
            Kind::Take(..) | Kind::Renew(_) => false,
        })
    }

    /// Whether a request had no answer in time and is not settled yet.
    #[must_use]
    pub const fn has_unsettled(&self) -> bool {
        !self.unsettled.is_empty()
    }

    /// The services that the grant says were left running in this very boot. A renewal that ends
    /// this counts as applied as soon as it was sent: until it is settled, nothing rests on the
    /// list. A predecessor that died holding the lock may have sent one: until this process has the
    /// lock itself, nothing rests on its predecessor's list either.
    #[must_use]
    pub fn left_running<M: Mutation>(&self, config: &Config<M>) -> &[ServiceId] {
        let state = match &self.hold {
            Some(hold) => Some(&hold.state),
            None => self.seen_grant().map(|grant| &grant.state),
        };
        let guarding = self
            .under_way()
            .any(|request| matches!(&request.kind, Kind::Renew(Some(GrantState::HeldGuarded))));
        let by_predecessor = self.hold.is_none()
            && self
                .seen_grant()
                .is_some_and(|grant| grant.state.is_held() && grant.holder.same_boot(&self.me));
        if (guarding && !config.broken(Mutant::GuardingIgnored))
            || (by_predecessor && !config.broken(Mutant::PredecessorTrusted))
        {
            return &[];
        }
        state
            .and_then(GrantState::unguarded)
            .filter(|list| list.machine == self.me.machine && list.boot == self.me.boot)
            .map_or(&[], |list| &list.services)
    }

    /// Whether another boot holds this node's lock under its name, as last read.
    #[must_use]
    pub fn is_held_by_other_boot(&self) -> bool {
        self.hold.is_none()
            && self.seen_grant().is_some_and(|grant| {
                grant.state.is_held()
                    && grant.holder.node == self.me.node
                    && grant.holder.boot != self.me.boot
            })
    }

    /// The revision of the beat as last read.
    #[must_use]
    pub fn seen_beat(&self) -> Option<Revision> {
        self.seen.as_ref().map(|seen| seen.beat_revision)
    }

    /// Whether the answer to this request would still be taken in.
    #[must_use]
    pub fn awaits(&self, request: RequestId) -> bool {
        request.process == self.me.incarnation
            && self.under_way().any(|one| one.number == request.number)
    }

    fn under_way(&self) -> impl Iterator<Item = &Request> {
        self.pending.iter().chain(&self.unsettled)
    }

    /// A number for a request of this process that doesn't concern the lock.
    pub fn number(&mut self) -> RequestId {
        let number = self.next_request;
        self.next_request += 1;
        RequestId {
            process: self.me.incarnation,
            number,
        }
    }

    /// Ends the authority at `at` at the latest, without asking anybody.
    pub fn shorten_authority(&mut self, at: Instant) {
        if let Some(hold) = &mut self.hold {
            hold.expires = hold.expires.map(|expires| expires.min(at));
        }
    }

    /// An authority that has ended is none, and a request that could only give such a one gives
    /// none any more.
    pub fn expire<M: Mutation>(&mut self, config: &Config<M>, now: Instant) {
        if let Some(hold) = &mut self.hold {
            hold.expires = hold.expires.filter(|expires| now < *expires);
        }
        for request in &mut self.unsettled {
            let authority = config.timing().authority(request.ttl);
            request.sent = request.sent.filter(|sent| now < *sent + authority);
        }
    }

    /// Gives up the authority, so that nothing rests on it until a later write is confirmed.
    pub fn drop_authority(&mut self) {
        if let Some(hold) = &mut self.hold {
            hold.expires = None;
        }
    }

    /// Gives up waiting for a request that had its time. It stays unsettled.
    ///
    /// Returns whether there was one: the lock then has to be read before the next request.
    pub fn on_timer<M: Mutation>(&mut self, config: &Config<M>, now: Instant) -> bool {
        let timeout = config.timing().request_timeout;
        match self
            .pending
            .take_if(|pending| pending.is_overdue(timeout, now))
        {
            Some(request) => {
                self.unsettled.push(request);
                true
            }
            None => false,
        }
    }

    /// Whether the held lock's next renewal is due.
    #[must_use]
    pub fn renewal_due(&self, now: Instant) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.renew_at <= now)
    }

    /// Lets a renewal pass that would serve nothing.
    pub fn skip_renewal<M: Mutation>(&mut self, config: &Config<M>, now: Instant) {
        if let Some(hold) = &mut self.hold {
            hold.renew_at = now + config.timing().renewal;
        }
    }

    /// When this lock next needs attention.
    #[must_use]
    pub fn next_wakeup<M: Mutation>(&self, config: &Config<M>) -> Option<Wakeup> {
        let timeout = config.timing().request_timeout;
        match (&self.pending, &self.hold) {
            (Some(pending), _) => pending.sent.map(|sent| Wakeup {
                at: sent + timeout,
                why: Why::RequestTimeout,
            }),
            (None, Some(hold)) => Some(Wakeup {
                at: hold.renew_at,
                why: Why::Renewal,
            }),
            (None, None) => None,
        }
    }

    /// The invariants of this machine's own state.
    ///
    /// # Errors
    ///
    /// The first that doesn't hold.
    pub fn check(&self) -> Result<(), Violation> {
        let unsettled_before_pending = self.unsettled.iter().all(|request| {
            self.pending
                .as_ref()
                .is_none_or(|pending| request.number < pending.number)
        });
        if !unsettled_before_pending {
            return Err(Violation {
                name: "requests-in-order",
                why: "a request is numbered when it is made, and older ones are given up first",
            });
        }
        if self.hold.as_ref().is_some_and(|hold| !hold.state.is_held()) {
            return Err(Violation {
                name: "held-is-held",
                why: "a release that is confirmed ends the hold",
            });
        }
        Ok(())
    }
}

impl Visit for Client {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        let process = self.me.incarnation;
        visitor.request(process, &mut self.next_request);
        for request in self.pending.iter_mut().chain(&mut self.unsettled) {
            visitor.request(process, &mut request.number);
            request.sent.visit(visitor);
            request.kind.visit(visitor);
        }
        self.me.visit(visitor);
        let lock = self.lock;
        for request in self.pending.iter_mut().chain(&mut self.unsettled) {
            if let Kind::Take(epoch, _) = &mut request.kind {
                visitor.epoch(lock, epoch);
            }
        }
        if let Some(seen) = &mut self.seen {
            visit_under(Key::Grant(lock), &mut seen.grant_revision, visitor);
            visit_under(Key::Beat(lock), &mut seen.beat_revision, visitor);
            seen.since.visit(visitor);
            if let Some(grant) = &mut seen.grant {
                grant.visit_under(lock, visitor);
            }
        }
        if let Some(hold) = &mut self.hold {
            visitor.epoch(lock, &mut hold.epoch);
            hold.visit_under(lock, visitor);
        }
        visit_horizon(&mut self.known, visitor);
        if let LockId::Agent(node) = &mut self.lock {
            visitor.node(node);
        }
    }
}
