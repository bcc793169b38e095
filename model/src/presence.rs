//! What an LRM's process tells the manager: its second lane to the store.
//!
//! The record changes when there is news, and every b while no lock's beat shows that the process
//! lives. Nothing safe rests on it, so it is written without a lock; each write compares the
//! record's own revision all the same, so that one that was given up never covers a later one.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::event::{Effects, Event, Violation};
use crate::id::{Incarnation, NodeId, RequestId, Revision};
use crate::manager::status::LrmStatus;
use crate::mutation::Mutation;
use crate::record::{
    Compare, Data, DataKey, Key, Outcome, Published, Put, Record, Snapshot, Write,
};
use crate::time::{Instant, Wakeup, Why, earliest};
use crate::visit::{Visit, Visitor, visit_fields, visit_under};

/// The writer of one node's record, as part of one process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Presence {
    node: NodeId,
    /// Whose numbers its requests have: nobody else's.
    process: Incarnation,
    next_request: u64,
    /// What is to stand there, once that is known.
    wanted: Option<LrmStatus>,
    /// Whether a lock's beat is sign of life enough.
    beats: bool,
    known: Known,
    pending: Option<Pending>,
    /// When the last write was sent, if it was confirmed.
    written_at: Option<Instant>,
}

/// What stands in the record, as far as this process knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Known {
    /// It has to be read before it is written.
    Unread,
    /// This revision, with this status if it is one that this process wrote.
    Read(Revision, Option<LrmStatus>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Pending {
    request: RequestId,
    sent: Instant,
    /// What it writes; none: it reads.
    writes: Option<LrmStatus>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Input {
    /// This is to stand there.
    Publish {
        /// What the LRM says.
        status: LrmStatus,
        /// Whether its lock's beat serves as sign of life.
        beats: bool,
    },
    /// The answer to [`Effect::Write`], in time or late.
    Written {
        /// Which write.
        request: RequestId,
        /// What became of it.
        outcome: Outcome,
    },
    /// The answer to [`Effect::Read`].
    Read {
        /// Which read.
        request: RequestId,
        /// What stood there.
        snapshot: Snapshot,
    },
    /// What the store's watch shows now.
    Watched(Snapshot),
    /// A wake-up that was asked for, or any other moment.
    Timer,
}

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// Write to the store; answer with [`Input::Written`] if there is an answer.
    Write(Write),
    /// Read everything linearizably; answer with [`Input::Read`].
    Read(RequestId),
}

impl Presence {
    /// The writer of `node`'s record. `process` numbers its requests: no other machine, the LRM of
    /// the same process neither, may use it.
    #[must_use]
    pub const fn new(node: NodeId, process: Incarnation) -> Self {
        Self {
            node,
            process,
            next_request: 1,
            wanted: None,
            beats: false,
            known: Known::Unread,
            pending: None,
            written_at: None,
        }
    }

    /// Whether this is what stands in the record, as far as this process knows.
    #[must_use]
    pub fn shows(&self, status: &LrmStatus) -> bool {
        match &self.known {
            Known::Read(_, Some(written)) => written == status,
            Known::Read(_, None) | Known::Unread => false,
        }
    }

    /// Whether the answer to this request would still be taken in.
    #[must_use]
    pub fn awaits(&self, request: RequestId) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.request == request)
    }

    /// Takes in what happened and says what to do.
    pub fn step<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        input: Input,
        effects: &mut Effects<Effect>,
    ) {
        match input {
            Input::Publish { status, beats } => {
                self.wanted = Some(status);
                self.beats = beats;
            }
            Input::Written { request, outcome } => self.on_written(request, outcome),
            Input::Read { request, snapshot } => {
                if self.answered(request).is_some() {
                    self.on_snapshot(&snapshot);
                }
            }
            Input::Watched(snapshot) => self.on_snapshot(&snapshot),
            Input::Timer => self.on_timer(config, now, effects),
        }
        self.proceed(config, now, effects);
    }

    fn answered(&mut self, request: RequestId) -> Option<Pending> {
        self.pending.take_if(|pending| pending.request == request)
    }

    fn on_written(&mut self, request: RequestId, outcome: Outcome) {
        let Some(pending) = self.answered(request) else {
            return;
        };
        match (outcome, pending.writes) {
            (Outcome::Applied(revision), Some(status)) => {
                // A watch may have shown it, and what came after it, before its answer.
                if self.revision().is_none_or(|known| known <= revision) {
                    self.known = Known::Read(revision, Some(status));
                }
                self.written_at = Some(pending.sent);
            }
            (Outcome::Applied(_) | Outcome::Refused, _) => self.forget(),
        }
    }

    /// Applied or not, the next write compares what is read first, and is due at once.
    fn forget(&mut self) {
        self.known = Known::Unread;
        self.written_at = None;
    }

    /// A snapshot that is younger than what is known says what stands there, whoever wrote it. What
    /// this process didn't write itself is no sign that this process lives.
    fn on_snapshot(&mut self, snapshot: &Snapshot) {
        let key = DataKey::Lrm(self.node);
        let revision = snapshot.revision_of(Key::Data(key));
        if self.revision().is_some_and(|known| revision <= known) {
            return;
        }
        let mine = match snapshot.data(key) {
            Some(Data::Lrm(published)) if published.written_by.process == self.process => {
                Some(published.status.clone())
            }
            Some(
                Data::Lrm(_)
                | Data::Status(_)
                | Data::Entry(_)
                | Data::Resource(_)
                | Data::Commands(_)
                | Data::Rules(_)
                | Data::Groups(_)
                | Data::Fence(_),
            )
            | None => None,
        };
        self.known = Known::Read(revision, mine);
    }

    const fn revision(&self) -> Option<Revision> {
        match &self.known {
            Known::Read(revision, _) => Some(*revision),
            Known::Unread => None,
        }
    }

    fn on_timer<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        let timeout = config.timing().request_timeout;
        let overdue = |pending: &mut Pending| pending.sent + timeout <= now;
        if self.pending.take_if(overdue).is_some() {
            self.forget();
            effects.say(Event::RequestUnanswered);
        }
    }

    /// When the record has to change as a sign of life.
    fn due_at<M: Mutation>(&self, config: &Config<M>) -> Option<Instant> {
        Some(self.written_at? + config.timing().presence)
    }

    fn is_due<M: Mutation>(&self, config: &Config<M>, now: Instant) -> bool {
        let Some(wanted) = &self.wanted else {
            return false;
        };
        !self.shows(wanted) || !self.beats && self.due_at(config).is_none_or(|at| at <= now)
    }

    fn number(&mut self) -> RequestId {
        let number = self.next_request;
        self.next_request += 1;
        RequestId {
            process: self.process,
            number,
        }
    }

    fn proceed<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        if self.pending.is_some() || !self.is_due(config, now) {
            return;
        }
        let request = self.number();
        let writes = self.wanted.clone().filter(|_| self.revision().is_some());
        match (self.revision(), &writes) {
            (Some(revision), Some(status)) => {
                let write = self.write(request, revision, status.clone());
                effects.push(Effect::Write(write));
            }
            (None, _) | (Some(_), None) => effects.push(Effect::Read(request)),
        }
        self.pending = Some(Pending {
            request,
            sent: now,
            writes,
        });
    }

    fn write(&self, request: RequestId, revision: Revision, status: LrmStatus) -> Write {
        let key = Key::Data(DataKey::Lrm(self.node));
        let published = Published {
            status,
            written_by: request,
        };
        Write {
            request,
            compares: alloc::vec![Compare { key, revision }],
            puts: alloc::vec![Put {
                key,
                record: Record::Data(alloc::boxed::Box::new(Data::Lrm(published))),
            }],
        }
    }

    /// When this machine next needs attention, and why.
    #[must_use]
    pub fn next_wakeup<M: Mutation>(&self, config: &Config<M>) -> Option<Wakeup> {
        let pending = self.pending.as_ref().map(|pending| Wakeup {
            at: pending.sent + config.timing().request_timeout,
            why: Why::RequestTimeout,
        });
        let due = self
            .due_at(config)
            .filter(|_| !self.beats)
            .map(|at| Wakeup {
                at,
                why: Why::Presence,
            });
        earliest([pending, due.filter(|_| self.pending.is_none())])
    }

    /// The invariants of this machine's own state.
    ///
    /// # Errors
    ///
    /// The first that doesn't hold.
    pub fn check(&self) -> Result<(), Violation> {
        let numbered = self
            .pending
            .as_ref()
            .is_none_or(|pending| pending.request.number < self.next_request);
        if !numbered {
            return Err(Violation {
                name: "presence-numbers",
                why: "a request is numbered before it is sent, and no number is given twice",
            });
        }
        Ok(())
    }
}

visit_fields!(Pending {
    request,
    sent,
    writes
});

impl Visit for Presence {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        visitor.node(&mut self.node);
        let process = self.process;
        visitor.request(process, &mut self.next_request);
        visitor.incarnation(&mut self.process);
        self.wanted.visit(visitor);
        if let Known::Read(revision, status) = &mut self.known {
            visit_under(Key::Data(DataKey::Lrm(self.node)), revision, visitor);
            status.visit(visitor);
        }
        self.pending.visit(visitor);
        self.written_at.visit(visitor);
    }
}

impl Visit for Input {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Publish { status, .. } => status.visit(visitor),
            Self::Written { request, outcome } => {
                request.visit(visitor);
                outcome.visit(visitor);
            }
            Self::Read { request, snapshot } => {
                request.visit(visitor);
                snapshot.visit(visitor);
            }
            Self::Watched(snapshot) => snapshot.visit(visitor),
            Self::Timer => {}
        }
    }
}

impl Visit for Effect {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Write(write) => write.visit(visitor),
            Self::Read(request) => request.visit(visitor),
        }
    }
}
