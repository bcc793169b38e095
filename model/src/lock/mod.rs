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
//! A read settles nothing but the request whose number it shows in the record.

mod standing;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::event::Violation;
use crate::id::{Epoch, Holder, NodeId, RequestId, Revision, ServiceId};
use crate::mutation::{Mutant, Mutation};
use crate::record::{Beat, Compare, Grant, GrantState, Key, Outcome, Put, Record, Snapshot, Write};
use crate::time::{Instant, Span, Wakeup, Why};
use crate::visit::{Visit, Visitor, visit_fields};
pub use standing::{Standing, Takeover};

/// One process's dealings with one lock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Client {
    lock: NodeId,
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

/// The lock as last read, and since when it has not changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Seen {
    grant_revision: Revision,
    beat_revision: Revision,
    grant: Option<Grant>,
    /// When this process itself first saw these two revisions.
    since: Instant,
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
    grant_revision: Revision,
    beat_revision: Revision,
    /// When the next renewal is due.
    renew_at: Instant,
}

/// A request under way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Request {
    number: u64,
    /// t0: before it was sent. `None` once that is so long ago that it gives no authority.
    sent: Option<Instant>,
    kind: Kind,
    /// The T in force once it is applied.
    ttl: Span,
}

/// What a request does to the lock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Kind {
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

impl Client {
    /// A process that knows nothing yet about the lock.
    #[must_use]
    pub const fn new(lock: NodeId, me: Holder) -> Self {
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

    /// Which lock this is.
    #[must_use]
    pub const fn lock(&self) -> NodeId {
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
    /// list.
    #[must_use]
    pub fn left_running<M: Mutation>(&self, config: &Config<M>) -> &[ServiceId] {
        let state = match &self.hold {
            Some(hold) => Some(&hold.state),
            None => self.seen_grant().map(|grant| &grant.state),
        };
        let guarding = self
            .under_way()
            .any(|request| matches!(&request.kind, Kind::Renew(Some(GrantState::HeldGuarded))));
        if guarding && !config.broken(Mutant::GuardingIgnored) {
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

    /// Takes in a snapshot.
    pub fn observe<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        snapshot: &Snapshot,
    ) -> Change {
        // A read may be overtaken by the answer to a later write.
        if snapshot.revision < self.known {
            return Change::None;
        }
        self.known = snapshot.revision;
        let grant_revision = snapshot.revision_of(Key::Grant(self.lock));
        let beat_revision = snapshot.revision_of(Key::Beat(self.lock));
        let unchanged = self.seen.as_ref().is_some_and(|seen| {
            seen.grant_revision == grant_revision
                && (seen.beat_revision == beat_revision || config.broken(Mutant::ObserveGrantOnly))
        });
        let since = match &self.seen {
            Some(seen) if unchanged => seen.since,
            Some(_) | None => now,
        };
        let grant = snapshot.grant(self.lock).cloned();
        let change = self.compare_with_hold(now, grant.as_ref(), grant_revision, beat_revision);
        self.seen = match &self.hold {
            Some(_) => None,
            None => Some(Seen {
                grant_revision,
                beat_revision,
                grant,
                since,
            }),
        };
        if config.broken(Mutant::ReadSettles) {
            self.unsettled.clear();
        }
        change
    }

    fn compare_with_hold(
        &mut self,
        now: Instant,
        grant: Option<&Grant>,
        grant_revision: Revision,
        beat_revision: Revision,
    ) -> Change {
        let mine = grant.filter(|grant| grant.holder == self.me);
        match (&mut self.hold, mine) {
            (None, Some(grant)) if grant.state.is_held() => {
                // This process's take was applied; its answer never came. Authority begins with
                // the next confirmed write.
                self.hold = Some(Hold {
                    epoch: grant.epoch,
                    ttl: grant.ttl,
                    state: grant.state.clone(),
                    taken: grant_revision,
                    expires: None,
                    grant_revision,
                    beat_revision,
                    renew_at: now,
                });
                Change::Taken
            }
            (None, Some(_) | None) => Change::None,
            (Some(hold), Some(grant)) if grant.state.is_held() && grant.epoch == hold.epoch => {
                let same =
                    hold.grant_revision == grant_revision && hold.beat_revision == beat_revision;
                hold.grant_revision = grant_revision;
                hold.beat_revision = beat_revision;
                hold.ttl = grant.ttl;
                hold.state = grant.state.clone();
                if same { Change::None } else { Change::Renewed }
            }
            (Some(_), Some(grant)) if !grant.state.is_held() => {
                self.hold = None;
                Change::Released
            }
            (Some(_), Some(_) | None) => {
                self.hold = None;
                Change::Lost
            }
        }
    }

    /// Makes a write that takes the lock in `state`, as [`Client::standing`] permits.
    ///
    /// # Panics
    ///
    /// If the lock was not read, or a request is pending: the caller asks first.
    pub fn take<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        takeover: Takeover,
    ) -> Write {
        assert!(self.hold.is_none(), "a held lock is renewed, not taken");
        let seen = self
            .seen
            .clone()
            .expect("only a lock that was read is taken");
        let previous = seen.grant.as_ref();
        let epoch = previous.map_or(Epoch::FIRST, |grant| grant.epoch.next());
        let mut ttl = config.timing().lock_ttl;
        if let (Some(inherited), false) = (
            takeover.inherited_ttl,
            config.broken(Mutant::TakeoverShortens),
        ) {
            ttl = ttl.max(inherited);
        }
        let request = self.begin(now, Kind::Take(epoch, takeover.state.clone()), ttl);
        let grant = Grant {
            holder: self.me,
            epoch,
            ttl,
            state: takeover.state,
            written_by: request,
        };
        let mut compares = self.compares(seen.grant_revision, seen.beat_revision);
        if config.broken(Mutant::TakeIgnoresBeat) {
            compares.pop();
        }
        Write {
            request,
            compares,
            puts: alloc::vec![self.put_grant(grant), self.put_beat(epoch, request)],
        }
    }

    /// Makes a write that renews the held lock, and changes its grant's state or T if they are
    /// to be others.
    ///
    /// # Panics
    ///
    /// If nothing is held, or a request is pending: the caller asks first.
    pub fn renew<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        state: &GrantState,
        ttl: Span,
    ) -> Write {
        let hold = self
            .hold
            .clone()
            .expect("only a held lock is renewed or released");
        let changes = *state != hold.state || ttl != hold.ttl;
        let request = self.begin(now, Kind::Renew(changes.then(|| state.clone())), ttl);
        if let Some(held) = &mut self.hold {
            held.renew_at = now + config.timing().renewal;
        }
        let mut puts = Vec::new();
        if changes {
            puts.push(self.put_grant(Grant {
                holder: self.me,
                epoch: hold.epoch,
                ttl,
                state: state.clone(),
                written_by: request,
            }));
        }
        puts.push(self.put_beat(hold.epoch, request));
        let mut compares = self.compares(hold.grant_revision, hold.beat_revision);
        if config.broken(Mutant::RenewBlindly) {
            compares.clear();
        }
        Write {
            request,
            compares,
            puts,
        }
    }

    /// Makes a write that gives the lock back in `state`.
    ///
    /// # Panics
    ///
    /// If nothing is held, or a request is pending: the caller asks first.
    pub fn release(&mut self, now: Instant, state: GrantState) -> Write {
        let hold = self
            .hold
            .clone()
            .expect("only a held lock is renewed or released");
        let request = self.begin(now, Kind::Release(state.clone()), hold.ttl);
        let grant = Grant {
            holder: self.me,
            epoch: hold.epoch,
            ttl: hold.ttl,
            state,
            written_by: request,
        };
        Write {
            request,
            compares: self.compares(hold.grant_revision, hold.beat_revision),
            puts: alloc::vec![self.put_grant(grant)],
        }
    }

    fn begin(&mut self, now: Instant, kind: Kind, ttl: Span) -> RequestId {
        assert!(self.pending.is_none(), "one request at a time");
        let request = self.number();
        self.pending = Some(Request {
            number: request.number,
            sent: Some(now),
            kind,
            ttl,
        });
        request
    }

    fn compares(&self, grant: Revision, beat: Revision) -> Vec<Compare> {
        alloc::vec![
            Compare {
                key: Key::Grant(self.lock),
                revision: grant
            },
            Compare {
                key: Key::Beat(self.lock),
                revision: beat
            },
        ]
    }

    /// The condition that this process's term still lasts, for writes that rest on it.
    #[must_use]
    pub fn grant_compare(&self) -> Option<Compare> {
        let hold = self.hold.as_ref()?;
        Some(Compare {
            key: Key::Grant(self.lock),
            revision: hold.grant_revision,
        })
    }

    const fn put_grant(&self, grant: Grant) -> Put {
        Put {
            key: Key::Grant(self.lock),
            record: Record::Grant(grant),
        }
    }

    const fn put_beat(&self, epoch: Epoch, written_by: RequestId) -> Put {
        Put {
            key: Key::Beat(self.lock),
            record: Record::Beat(Beat { epoch, written_by }),
        }
    }

    /// Takes in the answer to a request of this lock, pending or long given up.
    pub fn on_outcome<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        request: RequestId,
        outcome: Outcome,
    ) -> Change {
        let Some(answered) = self.answered(request) else {
            return Change::None;
        };
        match outcome {
            Outcome::Refused => Change::ReadNeeded,
            Outcome::Applied(revision) => {
                // Every other request compares revisions that are no more.
                self.unsettled.clear();
                self.apply(config, now, &answered, revision)
            }
        }
    }

    /// Removes and returns the request with this number, wherever it stands.
    fn answered(&mut self, request: RequestId) -> Option<Request> {
        if request.process != self.me.incarnation {
            return None;
        }
        if self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.number == request.number)
        {
            return self.pending.take();
        }
        let index = self
            .unsettled
            .iter()
            .position(|one| one.number == request.number)?;
        Some(self.unsettled.remove(index))
    }

    fn apply<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        request: &Request,
        revision: Revision,
    ) -> Change {
        let overtaken = revision < self.known;
        self.known = self.known.max(revision);
        let expires = self.authority(config, now, request);
        match &request.kind {
            Kind::Take(..) | Kind::Renew(_) if overtaken && self.hold.is_none() => Change::None,
            Kind::Take(epoch, state) => {
                if let Some(hold) = &mut self.hold {
                    // A read has shown the take already; its answer adds the authority.
                    hold.expires = hold.expires.max(expires);
                    return Change::Renewed;
                }
                self.hold = Some(Hold {
                    epoch: *epoch,
                    ttl: request.ttl,
                    state: state.clone(),
                    taken: revision,
                    expires,
                    grant_revision: revision,
                    beat_revision: revision,
                    renew_at: request.sent.unwrap_or(now) + config.timing().renewal,
                });
                self.seen = None;
                Change::Taken
            }
            Kind::Renew(state) => {
                let Some(hold) = &mut self.hold else {
                    return Change::None;
                };
                hold.expires = hold.expires.max(expires);
                if overtaken {
                    return Change::Renewed;
                }
                hold.beat_revision = revision;
                if let Some(state) = state {
                    hold.grant_revision = revision;
                    hold.state = state.clone();
                    hold.ttl = request.ttl;
                }
                Change::Renewed
            }
            Kind::Release(_) if overtaken => Change::ReadNeeded,
            Kind::Release(state) => {
                let Some(hold) = self.hold.take() else {
                    return Change::ReadNeeded;
                };
                let written_by = RequestId {
                    process: self.me.incarnation,
                    number: request.number,
                };
                self.seen = Some(Seen {
                    grant_revision: revision,
                    beat_revision: hold.beat_revision,
                    grant: Some(Grant {
                        holder: self.me,
                        epoch: hold.epoch,
                        ttl: hold.ttl,
                        state: state.clone(),
                        written_by,
                    }),
                    since: now,
                });
                Change::Released
            }
        }
    }

    /// E for a confirmed write: from before it was sent, for the shortest T anybody may count.
    fn authority<M: Mutation>(
        &self,
        config: &Config<M>,
        now: Instant,
        request: &Request,
    ) -> Option<Instant> {
        let timing = config.timing();
        let mut ttl = request.ttl.min(timing.lock_ttl);
        if config.broken(Mutant::ShorterTtlUncapped) {
            ttl = request.ttl;
        }
        let authority = match config.broken(Mutant::AuthorityWithoutDrift) {
            true => ttl,
            false => timing.authority(ttl),
        };
        let from = match &self.pending {
            _ if config.broken(Mutant::AuthorityFromReply) => Some(now),
            Some(latest) if config.broken(Mutant::AuthorityFromLatest) => latest.sent,
            Some(_) | None => request.sent,
        };
        from.map(|from| from + authority)
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

impl Request {
    fn is_overdue(&self, timeout: Span, now: Instant) -> bool {
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
            seen.grant_revision.visit(visitor);
            seen.beat_revision.visit(visitor);
            seen.since.visit(visitor);
            if let Some(grant) = &mut seen.grant {
                grant.visit_under(lock, visitor);
            }
        }
        if let Some(hold) = &mut self.hold {
            visitor.epoch(lock, &mut hold.epoch);
            hold.visit(visitor);
        }
        self.known.visit(visitor);
        visitor.node(&mut self.lock);
    }
}

visit_fields!(Hold {
    state,
    taken,
    expires,
    grant_revision,
    beat_revision,
    renew_at
});
