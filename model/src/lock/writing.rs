//! The conditional writes that take, renew and release a lock.

use alloc::vec::Vec;

use super::{Client, Kind, Request, Takeover};
use crate::config::Config;
use crate::id::{Epoch, RequestId, Revision};
use crate::mutation::{Mutant, Mutation};
use crate::record::{Beat, Compare, Grant, GrantState, Key, Put, Record, Write};
use crate::time::{Instant, Span};

impl Client {
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

    /// The condition that the grant is still the one that was read last.
    #[must_use]
    pub fn seen_compare(&self) -> Compare {
        let seen = self.seen.as_ref();
        Compare {
            key: Key::Grant(self.lock),
            revision: seen.map_or(Revision::ABSENT, |seen| seen.grant_revision),
        }
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
}
