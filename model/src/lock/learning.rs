//! What a read or a confirmed write shows of a lock, and the authority that it gives.

use super::{Change, Client, Hold, Kind, Request, Seen};
use crate::config::Config;
use crate::id::{RequestId, Revision};
use crate::mutation::{Mutant, Mutation};
use crate::record::{Grant, GrantState, Key, Outcome, Snapshot};
use crate::time::{Instant, Span};

impl Client {
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

    /// Takes in a confirmed write. It is *overtaken* if younger news came before its answer: then
    /// it tells nothing about the lock any more, and adds authority at most.
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
        match (&request.kind, &mut self.hold) {
            (Kind::Take(..), Some(hold)) => {
                // A read has shown the take already; its answer adds the authority.
                hold.expires = hold.expires.max(expires);
                Change::Renewed
            }
            (Kind::Take(..), None) if overtaken => Change::None,
            (Kind::Take(epoch, state), None) => {
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
            (Kind::Renew(state), Some(hold)) => {
                hold.expires = hold.expires.max(expires);
                if !overtaken {
                    hold.on_renewed(state.as_ref(), request.ttl, revision);
                }
                Change::Renewed
            }
            (Kind::Renew(_), None) => Change::None,
            (Kind::Release(_), _) if overtaken => Change::ReadNeeded,
            (Kind::Release(state), _) => {
                self.on_released(now, request.number, state.clone(), revision)
            }
        }
    }

    /// Takes in this process's own release: it watches the lock from now on, like any other.
    fn on_released(
        &mut self,
        now: Instant,
        number: u64,
        state: GrantState,
        revision: Revision,
    ) -> Change {
        let Some(hold) = self.hold.take() else {
            return Change::ReadNeeded;
        };
        let written_by = RequestId {
            process: self.me.incarnation,
            number,
        };
        self.seen = Some(Seen {
            grant_revision: revision,
            beat_revision: hold.beat_revision,
            grant: Some(Grant {
                holder: self.me,
                epoch: hold.epoch,
                ttl: hold.ttl,
                state,
                written_by,
            }),
            since: now,
        });
        Change::Released
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
}

impl Hold {
    /// Takes in a confirmed renewal; with a state, it also rewrote the grant.
    fn on_renewed(&mut self, state: Option<&GrantState>, ttl: Span, revision: Revision) {
        self.beat_revision = revision;
        if let Some(state) = state {
            self.grant_revision = revision;
            self.state = state.clone();
            self.ttl = ttl;
        }
    }
}
