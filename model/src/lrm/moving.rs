//! The lane for the writes that move a service away.
//!
//! A move is one conditional write: this node's grant and the service's record are as they were
//! read, and the record names another node. From the moment it is sent the service counts as
//! moved: nothing starts or resumes it here. Its answer settles it, or a read in which the record
//! has another revision than the one compared: from then on the condition fails for ever. A read of
//! the same revision settles nothing, and the write is repeated. So does a new term of the lock
//! settle it: it changes the grant that was compared.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Effect, Lrm, Status};
use crate::config::Config;
use crate::event::{Effects, Event};
use crate::id::{NodeId, RequestId, Revision, ServiceId, Uid};
use crate::manager::status::{ExitCode, LrmResult};
use crate::mutation::{Mutant, Mutation};
use crate::record::{
    Compare, GrantState, Key, MoveKind, Outcome, Put, Record, Service, Snapshot, Wanted, Write,
};
use crate::time::{Instant, Wakeup, Why};
use crate::visit::{Visit, Visitor, visit_under};

/// A move that was sent and is not settled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Move {
    service: ServiceId,
    target: NodeId,
    uid: Uid,
    /// The revision of the service's record that every request compares.
    revision: Revision,
    /// Every request that may have been, or may be, applied.
    requests: Vec<RequestId>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Stage {
    /// The last request's answer is waited for, since it was sent.
    Sent(Instant),
    /// It had none in time, or was refused: what stands there is read.
    Doubtful,
    /// What was compared still stands there: it is to be written again.
    Again,
}

impl Lrm {
    /// Whether a service may belong to another node already.
    pub(super) fn is_moving(&self, service: ServiceId) -> bool {
        let moving = self.moving.as_ref();
        moving.is_some_and(|moving| moving.service == service)
    }

    /// Takes in the answer to a move, in time or late; whether it was one.
    pub(super) fn on_move_written(
        &mut self,
        request: RequestId,
        outcome: Outcome,
        effects: &mut Effects<Effect>,
    ) -> bool {
        let Some(moving) = &mut self.moving else {
            return false;
        };
        let Some(at) = moving.requests.iter().position(|one| *one == request) else {
            return false;
        };
        match outcome {
            Outcome::Applied(revision) => {
                let service = moving.service;
                self.on_moved(effects);
                if let Some(view) = &mut self.view {
                    view.lose(service, revision);
                }
            }
            Outcome::Refused => {
                moving.requests.remove(at);
                moving.stage = Stage::Doubtful;
            }
        }
        self.reading.want();
        true
    }

    fn on_moved(&mut self, effects: &mut Effects<Effect>) {
        let Some(moving) = self.moving.take() else {
            return;
        };
        let Move {
            service,
            target,
            uid,
            ..
        } = moving;
        effects.say(Event::Moved { service, target });
        self.results.record(LrmResult {
            uid,
            service,
            code: ExitCode::SUCCESS,
        });
    }

    /// Takes in what a read says about a move under way.
    pub(super) fn settle_move(&mut self, snapshot: &Snapshot, effects: &mut Effects<Effect>) {
        let Some(moving) = &mut self.moving else {
            return;
        };
        let key = Key::Service(moving.service);
        if snapshot.revision_of(key) == moving.revision {
            moving.stage = match moving.stage {
                Stage::Sent(sent) => Stage::Sent(sent),
                Stage::Doubtful | Stage::Again => Stage::Again,
            };
            return;
        }
        let (uid, target) = (moving.uid, moving.target);
        let applied = snapshot
            .service(moving.service)
            .is_some_and(|service| service.uid == uid && service.location == target);
        if applied {
            self.on_moved(effects);
        } else {
            self.moving = None;
        }
    }

    /// A new term began: no move that compared an older grant can be applied any more.
    pub(super) fn forget_move(&mut self) {
        self.moving = None;
    }

    pub(super) fn time_out_move<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        let timeout = config.timing().request_timeout;
        if let Some(moving) = &mut self.moving
            && let Stage::Sent(sent) = moving.stage
            && sent + timeout <= now
        {
            moving.stage = Stage::Doubtful;
            effects.say(Event::RequestUnanswered);
            self.reading.want();
        }
    }

    pub(super) fn move_times_out<M: Mutation>(&self, config: &Config<M>) -> Option<Wakeup> {
        match self.moving.as_ref()?.stage {
            Stage::Sent(sent) => Some(Wakeup {
                at: sent + config.timing().request_timeout,
                why: Why::RequestTimeout,
            }),
            Stage::Doubtful | Stage::Again => None,
        }
    }

    /// Writes what is due: a move again, or the next one.
    pub(super) fn location_lane<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        match &self.moving {
            Some(moving) if moving.stage == Stage::Again => {}
            Some(_) => return,
            None => self.moving = self.next_move(config, now),
        }
        self.write_move(config, now, effects);
    }

    /// The first service, by name, that may be written as another node's now.
    fn next_move<M: Mutation>(&self, config: &Config<M>, now: Instant) -> Option<Move> {
        let hold = self.lock.hold()?;
        let may_move = hold.state == GrantState::HeldGuarded
            && self.is_serving()
            && self.view_is_fresh(config)
            && !self.lock.may_be_released()
            && !self.is_losing(config, now);
        let view = self.view.as_ref().filter(|_| may_move)?;
        let first = view
            .around
            .moving
            .iter()
            .filter(|(id, _)| self.is_ready_to_go(*id) && !self.is_left(config, *id))
            .min_by_key(|(id, _)| config.services.rank(id.0))?;
        let (service, revision) = *first;
        let order = view.order(service)?;
        Some(Move {
            service,
            target: order.target()?,
            uid: order.uid,
            revision,
            requests: Vec::new(),
            stage: Stage::Again,
        })
    }

    /// Whether nothing of a service runs here any more, and its target can have it.
    fn is_ready_to_go(&self, service: ServiceId) -> bool {
        let (Some(order), Some(local)) = (self.order(service), self.services.get(&service)) else {
            return false;
        };
        let Wanted::Moved { target, kind } = order.wanted else {
            return false;
        };
        let gone = match local.status {
            Status::Stopped => true,
            Status::Paused(sent) => kind == MoveKind::Live && sent == Some(order.uid),
            Status::Unknown | Status::Doubtful | Status::Running | Status::Failed => false,
        };
        let open = self.results.of(order.uid).is_none();
        gone && open && local.worker.is_none() && self.is_ready(target)
    }

    /// The record to be written: the same order, elsewhere. What was compared says that it is the
    /// same; so nothing but the view needs to know it. It says whether anything was brought: only
    /// then is what is paused there the newest there is, and not a copy left by an earlier move.
    fn record_of<M: Mutation>(&self, config: &Config<M>, moving: &Move) -> Option<Service> {
        let order = self.order(moving.service)?;
        let local = self.services.get(&moving.service)?;
        let sent = local.status == Status::Paused(Some(moving.uid));
        Some(Service {
            location: moving.target,
            brought: sent || config.broken(Mutant::StaleResumed),
            ..order.clone()
        })
    }

    /// A new term began: somebody else may have had what is paused here, and have run it since.
    pub(super) fn forget_paused(&mut self) {
        for local in self.services.values_mut() {
            if matches!(local.status, Status::Paused(_)) {
                local.status = Status::Unknown;
            }
        }
    }

    fn write_move<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        let moving = self.moving.as_ref();
        let record = moving.and_then(|it| self.record_of(config, it));
        let (Some(grant), Some(record)) = (self.lock.grant_compare(), record) else {
            return;
        };
        let request = self.lock.number();
        let Some(moving) = &mut self.moving else {
            return;
        };
        moving.requests.push(request);
        moving.stage = Stage::Sent(now);
        let key = Key::Service(moving.service);
        let own = Compare {
            key,
            revision: moving.revision,
        };
        let mut compares = alloc::vec![grant, own];
        if config.broken(Mutant::LeaveWithoutGrant) {
            compares.retain(|compare| *compare == own);
        }
        if config.broken(Mutant::LeaveWithoutRevision) {
            compares.retain(|compare| *compare != own);
        }
        effects.push(Effect::Write(Write {
            request,
            compares,
            puts: alloc::vec![Put {
                key,
                record: Record::Service(record),
            }],
        }));
    }
}

impl Move {
    pub(super) const fn service(&self) -> ServiceId {
        self.service
    }

    pub(super) fn awaits(&self, request: RequestId) -> bool {
        self.requests.contains(&request)
    }
}

impl Visit for Stage {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Sent(sent) => sent.visit(visitor),
            Self::Doubtful | Self::Again => {}
        }
    }
}

impl Visit for Move {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.target.visit(visitor);
        self.uid.visit(visitor);
        visit_under(Key::Service(self.service), &mut self.revision, visitor);
        self.requests.visit(visitor);
        self.stage.visit(visitor);
    }
}
