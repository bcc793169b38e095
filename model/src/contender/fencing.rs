//! Fencing by agent: a machine that is switched off runs nothing.
//!
//! A lock's silence proves its holder dead without anybody's help, T later. A fence agent switches
//! the holder's machine off, which proves it sooner; and it proves it of services that were left
//! running without a watchdog too, of which silence says nothing.
//!
//! The store is told first which term of the lock is meant, so that whoever contends later knows
//! that an agent may be at it. Then the agent is asked. Once it has answered that the machine is
//! off, and what that had under way has had δ to trail, the lock may be taken if it still shows that
//! very term: a node that came back holds another one. Until then the lock's silence counts as ever,
//! whatever the agent says or doesn't say. One that fails is asked again T later.

use serde::{Deserialize, Serialize};

use super::{Contender, Effect};
use crate::config::Config;
use crate::event::{Effects, Event};
use crate::id::{LockId, NodeId, RequestId, Revision};
use crate::lock::{Standing, Takeover};
use crate::mutation::{Mutant, Mutation};
use crate::record::{Compare, Data, DataKey, Fence, Key, Outcome, Put, Record, Snapshot, Term};
use crate::record::{GrantState, Write};
use crate::time::{Instant, Wakeup, Why};
use crate::visit::{Visit, VisitDeadline, Visitor, visit_under};

/// A machine that an agent is to switch off, and to leave off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Order {
    /// What the answer names.
    pub request: RequestId,
    /// The node whose machine it is.
    pub node: NodeId,
    /// The term of its lock that is to be ended.
    pub term: Term,
}

/// What became of an [`Order`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Fenced {
    /// The machine is off: assumption A9 is that this is true.
    Off,
    /// Nobody knows.
    Failed,
}

/// What a contender does about fencing its node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Fencing {
    /// Whether there is an agent to ask.
    wanted: bool,
    /// The revision of what the store says about it.
    revision: Revision,
    /// The term that the store names.
    recorded: Option<Term>,
    /// What is under way, and about which term.
    at: Option<(Term, Stage)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Stage {
    /// The store is told.
    Recording(RequestId, Instant),
    /// The agent is at it.
    Asked(RequestId),
    /// The machine was off when the agent said so, and nothing trails from this moment on.
    Off(Instant),
    /// The agent failed; it is asked again at this moment.
    Failed(Instant),
}

impl Fencing {
    /// Nothing is known, and nothing is to be done.
    pub(super) const NONE: Self = Self {
        wanted: false,
        revision: Revision::ABSENT,
        recorded: None,
        at: None,
    };

    /// Takes in what the store says.
    pub(super) fn take_in(&mut self, node: NodeId, snapshot: &Snapshot) {
        let key = DataKey::Fence(node);
        self.revision = snapshot.revision_of(Key::Data(key));
        let recorded = snapshot.data(key).and_then(Data::as_fence);
        self.recorded = recorded.map(|fence| fence.term);
    }

    /// Whether the answer to this request would still be taken in.
    pub(super) fn awaits(&self, request: RequestId) -> bool {
        match self.at {
            Some((_, Stage::Recording(asked, _) | Stage::Asked(asked))) => asked == request,
            Some((_, Stage::Off(_) | Stage::Failed(_))) | None => false,
        }
    }

    /// Takes in what became of the record. Says whether it was about that.
    pub(super) fn on_written(&mut self, request: RequestId, outcome: Outcome) -> bool {
        let Some((term, Stage::Recording(..))) = self.at.filter(|_| self.awaits(request)) else {
            return false;
        };
        self.at = None;
        if let Outcome::Applied(revision) = outcome {
            self.revision = revision;
            self.recorded = Some(term);
        }
        true
    }

    /// Gives up waiting for an answer about the record. Says whether one was missing.
    pub(super) fn time_out<M: Mutation>(&mut self, config: &Config<M>, now: Instant) -> bool {
        let timeout = config.timing().request_timeout;
        let overdue = |(_, stage): &mut (Term, Stage)| match stage {
            Stage::Recording(_, sent) => *sent + timeout <= now,
            Stage::Asked(_) | Stage::Off(_) | Stage::Failed(_) => false,
        };
        self.at.take_if(overdue).is_some()
    }

    /// When something is due here.
    pub(super) fn next_wakeup<M: Mutation>(&self, config: &Config<M>) -> Option<Wakeup> {
        let timeout = config.timing().request_timeout;
        let (_, stage) = self.at.as_ref()?;
        let (at, why) = match *stage {
            Stage::Recording(_, sent) => (sent + timeout, Why::RequestTimeout),
            Stage::Off(at) => (at, Why::FenceSettles),
            Stage::Failed(at) => (at, Why::Retry),
            Stage::Asked(_) => return None,
        };
        Some(Wakeup { at, why })
    }
}

impl Contender {
    /// Whether an agent is to be asked.
    #[must_use]
    pub const fn is_to_fence(&self) -> bool {
        self.fencing.wanted
    }

    pub(super) fn want_fence(&mut self, wanted: bool) {
        self.fencing.wanted = wanted;
        if !wanted {
            self.fencing.at = None;
        }
    }

    /// The term that has to end before the lock can be had: one of the node's own.
    fn term(&self) -> Option<Term> {
        let grant = self.lock.seen_grant()?;
        let open = grant.holder.node == self.node && grant.state != GrantState::ReleasedClean;
        open.then(|| Term::of(grant))
    }

    /// What the agent answered.
    pub(super) fn on_fenced<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        (request, fenced): (RequestId, Fenced),
        effects: &mut Effects<Effect>,
    ) {
        let Some((term, Stage::Asked(_))) =
            self.fencing.at.filter(|_| self.fencing.awaits(request))
        else {
            return;
        };
        let node = self.node;
        let timing = config.timing();
        let stage = match fenced {
            Fenced::Off if config.broken(Mutant::FencedDoesNotTrail) => Stage::Off(now),
            Fenced::Off => Stage::Off(now + timing.silence(timing.io_trail)),
            Fenced::Failed => Stage::Failed(now + timing.silence(timing.lock_ttl)),
        };
        effects.say(match fenced {
            Fenced::Off => Event::FencedByAgent { node },
            Fenced::Failed => Event::AgentDidNotFence { node },
        });
        self.fencing.at = Some((term, stage));
    }

    /// How the lock stands: free as well if its holder's machine is off.
    pub(super) fn standing<M: Mutation>(&self, config: &Config<M>, now: Instant) -> Standing {
        if let Some((term, Stage::Off(at))) = self.fencing.at {
            let same = self.term() == Some(term)
                || (self.term().is_some() && config.broken(Mutant::FencedAnyTerm));
            if same && at <= now {
                return Standing::Free(Takeover::of(GrantState::HeldGuarded));
            }
        }
        self.lock.standing(config, now)
    }

    /// Does what is next about fencing the present term.
    pub(super) fn fence<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        let wanted = self.wanted && self.fencing.wanted;
        let Some(term) = self.term().filter(|_| wanted) else {
            self.fencing.at = None;
            return;
        };
        match self.fencing.at {
            Some((of, Stage::Off(_))) if of == term || config.broken(Mutant::FencedAnyTerm) => {}
            Some((of, Stage::Failed(at))) if of == term && now < at => {}
            Some((of, Stage::Recording(..) | Stage::Asked(_))) if of == term => {}
            Some(_) | None => {
                let unrecorded = config.broken(Mutant::FenceUnrecorded);
                if self.fencing.recorded == Some(term) || unrecorded {
                    self.ask_agent(term, effects);
                } else {
                    self.record_fence(now, term, effects);
                }
            }
        }
    }

    fn ask_agent(&mut self, term: Term, effects: &mut Effects<Effect>) {
        let (request, node) = (self.lock.number(), self.node);
        self.fencing.at = Some((term, Stage::Asked(request)));
        effects.say(Event::FencingByAgent { node });
        let order = Order {
            request,
            node,
            term,
        };
        effects.push(Effect::Fence(order));
    }

    fn record_fence(&mut self, now: Instant, term: Term, effects: &mut Effects<Effect>) {
        let request = self.lock.number();
        let key = Key::Data(DataKey::Fence(self.node));
        let record = Fence {
            term,
            confirmed: false,
            written_by: request,
        };
        self.fencing.at = Some((term, Stage::Recording(request, now)));
        effects.push(Effect::Write(Write {
            request,
            compares: alloc::vec![
                self.lock.seen_compare(),
                Compare {
                    key,
                    revision: self.fencing.revision
                }
            ],
            puts: alloc::vec![Put {
                key,
                record: Record::Data(Data::Fence(record).into())
            }],
        }));
    }

    /// Shows what is relative about fencing `self.node`.
    pub(super) fn visit_fencing<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        let node = self.node;
        let fencing = &mut self.fencing;
        visit_under(
            Key::Data(DataKey::Fence(node)),
            &mut fencing.revision,
            visitor,
        );
        let lock = LockId::Agent(node);
        if let Some(term) = &mut fencing.recorded {
            term.visit_under(lock, visitor);
        }
        let Some((term, stage)) = &mut fencing.at else {
            return;
        };
        term.visit_under(lock, visitor);
        match stage {
            Stage::Recording(request, sent) => {
                request.visit(visitor);
                sent.visit(visitor);
            }
            Stage::Asked(request) => request.visit(visitor),
            Stage::Off(at) | Stage::Failed(at) => at.visit_deadline(visitor),
        }
    }
}

impl Visit for Order {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.request.visit(visitor);
        self.term.visit_under(LockId::Agent(self.node), visitor);
        visitor.node(&mut self.node);
    }
}
