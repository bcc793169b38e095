//! A contender for another node's lock: what of the master's work touches a lock.
//!
//! It watches the lock all the time, takes it when its silence proves the holder dead, moves
//! services away from the dead node under it, and gives it back. Which services move where, and
//! when it is enough, is for its owner to say: the manager, or whoever drives it.
//!
//! Each of its writes compares the grant that it rests on. It needs no watchdog and no authority
//! in time: whatever it does late is refused by the store.

mod fencing;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::event::{Effects, Event, Violation};
use crate::id::{Holder, LockId, NodeId, RequestId, Revision, ServiceId};
use crate::lock::{self, Change, Standing};
use crate::mutation::{Mutant, Mutation};
use crate::record::{Compare, Key, Outcome, Put, Record, Service, Snapshot, Write};
use crate::time::{Instant, Wakeup, Why, earliest};
use crate::visit::{Visit, Visitor, visit_under};
use fencing::Fencing;
pub use fencing::{Fenced, Order};

/// A contender for one node's lock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Contender {
    node: NodeId,
    lock: lock::Client,
    /// Whether it is to take the lock as soon as it may.
    wanted: bool,
    /// Whether what it leaves to another contender is left running.
    resigned: bool,
    reading: Option<(RequestId, Instant)>,
    read_wanted: bool,
    /// The services that belong to the lock's node, as last read.
    services: Vec<(ServiceId, Revision, Service)>,
    /// The move under way.
    moving: Option<(RequestId, Instant)>,
    fencing: Fencing,
}

/// What happened to the contender.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Input {
    /// Take the lock as soon as it may be taken.
    Contend,
    /// There is a fence agent for the node that the lock is of, or there is none any more: as long
    /// as the lock is contended for and not held, that is asked to switch the machine off.
    Fence {
        /// Whether there is one.
        agent: bool,
    },
    /// The answer to [`Effect::Fence`].
    Fenced {
        /// Which order.
        request: RequestId,
        /// What became of it.
        fenced: Fenced,
    },
    /// What the store's watch shows now. It may lag: it feeds the observation, and every write
    /// compares what it rests on.
    Watched(Snapshot),
    /// The answer to [`Effect::Read`].
    Read {
        /// Which read.
        request: RequestId,
        /// What stood there.
        snapshot: Snapshot,
    },
    /// The answer to [`Effect::Write`], in time or late.
    Written {
        /// Which write.
        request: RequestId,
        /// What became of it.
        outcome: Outcome,
    },
    /// Move a service from the lock's node to another.
    Move {
        /// Which.
        service: ServiceId,
        /// Where to.
        target: NodeId,
    },
    /// Move a service from the lock's node to another, under a new order.
    Recover {
        /// Which.
        service: ServiceId,
        /// What its record is to say.
        order: Service,
    },
    /// Give the lock back and contend no more.
    LetGo,
    /// Leave the lock to another contender. One that lists services as running unguarded falls silent
    /// instead: given back, it would be their node's alone to take.
    Resign,
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
    /// Have the node's fence agents switch its machine off, and leave it off: never on, never a
    /// reboot. Answer with [`Input::Fenced`] when all of one try have succeeded, or none has.
    Fence(Order),
}

impl Contender {
    /// A process `me` that will contend for the lock of `node` when told to.
    #[must_use]
    pub const fn new(node: NodeId, me: Holder) -> Self {
        Self {
            node,
            lock: lock::Client::new(LockId::Agent(node), me),
            wanted: false,
            resigned: false,
            reading: None,
            read_wanted: false,
            services: Vec::new(),
            moving: None,
            fencing: Fencing::NONE,
        }
    }

    /// The same, with requests numbered from `first`: for a process with several.
    #[must_use]
    pub fn numbered_from(mut self, first: u64) -> Self {
        self.lock = self.lock.numbered_from(first);
        self
    }

    /// The lock, as this process knows it.
    #[must_use]
    pub const fn lock(&self) -> &lock::Client {
        &self.lock
    }

    /// The node whose lock it is.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// Whether it is to take the lock, or to keep it.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// The services that may be moved now: the lock is held, and its grant doesn't list them as
    /// running unguarded.
    pub fn movable<M: Mutation>(&self, config: &Config<M>) -> impl Iterator<Item = ServiceId> {
        let state = self.lock.hold().map(|hold| &hold.state);
        let free = state.is_some() && self.moving.is_none() && !self.lock.may_be_released();
        let even_unguarded = config.broken(Mutant::MoveUnguarded);
        self.services
            .iter()
            .map(|(id, _, _)| *id)
            .filter(move |id| {
                free && (even_unguarded || state.is_some_and(|state| !state.lists(*id)))
            })
    }

    /// Whether the answer to this request would still be taken in.
    #[must_use]
    pub fn awaits(&self, request: RequestId) -> bool {
        let mine =
            |asked: &Option<(RequestId, Instant)>| asked.is_some_and(|(asked, _)| asked == request);
        mine(&self.reading)
            || mine(&self.moving)
            || self.lock.awaits(request)
            || self.fencing.awaits(request)
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
            Input::Contend => (self.wanted, self.resigned) = (true, false),
            Input::Fence { agent } => self.want_fence(agent),
            Input::Fenced { request, fenced } => {
                self.on_fenced(config, now, (request, fenced), effects);
            }
            Input::Watched(snapshot) => self.on_snapshot(config, now, &snapshot, effects),
            Input::Read { request, snapshot } => {
                self.on_read(config, now, request, &snapshot, effects);
            }
            Input::Written { request, outcome } => {
                self.on_written(config, now, request, outcome, effects);
            }
            Input::Move { service, target } => {
                if let Some(order) = self.order_of(service) {
                    self.on_move(config, now, service, order.recovered_to(target), effects);
                }
            }
            Input::Recover { service, order } => {
                self.on_move(config, now, service, order, effects);
            }
            Input::LetGo => self.wanted = false,
            Input::Resign => (self.wanted, self.resigned) = (false, true),
            Input::Timer => self.on_timer(config, now, effects),
        }
        self.proceed(config, now, effects);
    }

    /// What [`Input::Watched`] does, for one of several that share a snapshot.
    pub fn watch<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        snapshot: &Snapshot,
        effects: &mut Effects<Effect>,
    ) {
        self.on_snapshot(config, now, snapshot, effects);
        self.proceed(config, now, effects);
    }

    /// What [`Input::Read`] does, for one of several that share a snapshot.
    pub fn read<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        request: RequestId,
        snapshot: &Snapshot,
        effects: &mut Effects<Effect>,
    ) {
        self.on_read(config, now, request, snapshot, effects);
        self.proceed(config, now, effects);
    }

    fn on_read<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        request: RequestId,
        snapshot: &Snapshot,
        effects: &mut Effects<Effect>,
    ) {
        if self
            .reading
            .take_if(|(reading, _)| *reading == request)
            .is_some()
        {
            self.on_snapshot(config, now, snapshot, effects);
        }
    }

    fn on_snapshot<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        snapshot: &Snapshot,
        effects: &mut Effects<Effect>,
    ) {
        let change = self.lock.observe(config, now, snapshot);
        self.on_change(change, effects);
        let node = self.node;
        self.services = snapshot
            .services()
            .filter(|(_, _, service)| service.location == node)
            .map(|(id, revision, service)| (id, revision, service.clone()))
            .collect();
        self.fencing.take_in(node, snapshot);
    }

    fn on_written<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        request: RequestId,
        outcome: Outcome,
        effects: &mut Effects<Effect>,
    ) {
        if self
            .moving
            .take_if(|(moving, _)| *moving == request)
            .is_some()
        {
            // Moved or refused: what is there now has to be read.
            self.read_wanted = true;
            return;
        }
        if self.fencing.on_written(request, outcome) {
            self.read_wanted |= outcome == Outcome::Refused;
            return;
        }
        let change = self.lock.on_outcome(config, now, request, outcome);
        self.on_change(change, effects);
    }

    fn on_change(&mut self, change: Change, effects: &mut Effects<Effect>) {
        let lock = self.lock.lock();
        match change {
            Change::None | Change::Renewed => {}
            Change::Taken => {
                self.read_wanted = true;
                if let Some(hold) = self.lock.hold() {
                    effects.say(Event::LockTaken {
                        lock,
                        epoch: hold.epoch,
                    });
                }
            }
            Change::Released => effects.say(Event::LockReleased { lock, running: 0 }),
            Change::Lost => effects.say(Event::LockLost { lock }),
            Change::ReadNeeded => self.read_wanted = true,
        }
    }

    /// What a service that belongs to the lock's node is to do, as last read.
    fn order_of(&self, service: ServiceId) -> Option<Service> {
        let mut services = self.services.iter();
        services
            .find(|(id, _, _)| *id == service)
            .map(|(_, _, order)| order.clone())
    }

    fn on_move<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        service: ServiceId,
        record: Service,
        effects: &mut Effects<Effect>,
    ) {
        if !self.movable(config).any(|id| id == service) {
            return;
        }
        let Some(position) = self.services.iter().position(|(id, _, _)| *id == service) else {
            return;
        };
        let (_, revision, _) = self.services.remove(position);
        let request = self.lock.number();
        let Some(grant) = self.lock.grant_compare() else {
            return;
        };
        let mut compares = alloc::vec![
            grant,
            Compare {
                key: Key::Service(service),
                revision
            }
        ];
        if config.broken(Mutant::MoveWithoutGrant) {
            compares.remove(0);
        }
        if config.broken(Mutant::MoveWithoutRevision) {
            compares.retain(|compare| compare.key != Key::Service(service));
        }
        self.moving = Some((request, now));
        let put = Put {
            key: Key::Service(service),
            record: Record::Service(record),
        };
        effects.push(Effect::Write(Write {
            request,
            compares,
            puts: alloc::vec![put],
        }));
    }

    fn on_timer<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        let timeout = config.timing().request_timeout;
        if self.lock.on_timer(config, now) {
            effects.say(Event::RequestUnanswered);
            self.read_wanted = true;
        }
        // A move whose answer never came may still happen. The grant that it compares is what
        // ends it: the lock is not given back before a read has shown the service.
        if self
            .moving
            .take_if(|(_, sent)| *sent + timeout <= now)
            .is_some()
        {
            self.read_wanted = true;
        }
        if self
            .reading
            .take_if(|(_, sent)| *sent + timeout <= now)
            .is_some()
        {
            self.read_wanted = true;
        }
        if self.fencing.time_out(config, now) {
            effects.say(Event::RequestUnanswered);
            self.read_wanted = true;
        }
    }

    fn proceed<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        if self.read_wanted && self.reading.is_none() {
            let request = self.lock.number();
            self.reading = Some((request, now));
            self.read_wanted = false;
            effects.push(Effect::Read(request));
        }
        if self.lock.is_busy() || self.reading.is_some() {
            return;
        }
        let Some(hold) = self.lock.hold() else {
            match self.standing(config, now) {
                Standing::Free(takeover) if self.wanted => {
                    let write = self.lock.take(config, now, takeover);
                    effects.push(Effect::Write(write));
                }
                Standing::Unknown => {}
                Standing::Free(_)
                | Standing::Silent(_)
                | Standing::Mine
                | Standing::LeftRunning
                | Standing::OtherMachine => self.fence(config, now, effects),
            }
            return;
        };
        let (state, ttl) = (hold.state.clone(), hold.ttl);
        let released = state.clone().released();
        if self.resigned && released.unguarded().is_some() {
            if self.lock.renewal_due(now) {
                self.lock.skip_renewal(config, now);
            }
        } else if !self.wanted && self.moving.is_none() {
            let write = self.lock.release(now, released);
            effects.push(Effect::Write(write));
        } else if self.lock.renewal_due(now) {
            let write = self.lock.renew(config, now, &state, ttl);
            effects.push(Effect::Write(write));
        }
    }

    /// When this machine next needs attention, and why.
    #[must_use]
    pub fn next_wakeup<M: Mutation>(&self, config: &Config<M>) -> Option<Wakeup> {
        let timeout = config.timing().request_timeout;
        let answer = |sent: Instant| Wakeup {
            at: sent + timeout,
            why: Why::RequestTimeout,
        };
        let silence = match self.lock.standing(config, Instant(0)) {
            Standing::Silent(at)
                if self.wanted
                    && self.lock.hold().is_none()
                    && !self.lock.is_busy()
                    && !config.broken(Mutant::SilenceNotTimed) =>
            {
                Some(Wakeup {
                    at,
                    why: Why::ObservationEnds,
                })
            }
            Standing::Silent(_)
            | Standing::Unknown
            | Standing::Free(_)
            | Standing::Mine
            | Standing::LeftRunning
            | Standing::OtherMachine => None,
        };
        let reading = self.reading.as_ref().map(|(_, sent)| answer(*sent));
        earliest([
            self.lock
                .next_wakeup(config)
                .filter(|wakeup| wakeup.why == Why::RequestTimeout || reading.is_none()),
            reading,
            self.moving.as_ref().map(|(_, sent)| answer(*sent)),
            silence.filter(|_| reading.is_none()),
            self.fencing
                .next_wakeup(config)
                .filter(|_| reading.is_none())
                .filter(|_| !self.lock.is_busy() || config.broken(Mutant::FenceWakesBusy))
                .filter(|_| self.lock.hold().is_none()),
        ])
    }

    /// The invariants of this machine's own state.
    ///
    /// # Errors
    ///
    /// The first that doesn't hold.
    pub fn check(&self) -> Result<(), Violation> {
        self.lock.check()
    }
}

impl Visit for (ServiceId, Revision, Service) {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        visit_under(Key::Service(self.0), &mut self.1, visitor);
        self.2.visit(visitor);
    }
}

impl Visit for Contender {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.visit_fencing(visitor);
        self.node.visit(visitor);
        self.lock.visit(visitor);
        self.reading.visit(visitor);
        self.services.visit(visitor);
        self.moving.visit(visitor);
    }
}

impl Input {
    /// The request that this answers, if it is an answer from the store.
    #[must_use]
    pub const fn answers(&self) -> Option<RequestId> {
        match self {
            Self::Read { request, .. }
            | Self::Written { request, .. }
            | Self::Fenced { request, .. } => Some(*request),
            Self::Contend
            | Self::Fence { .. }
            | Self::Watched(_)
            | Self::Move { .. }
            | Self::Recover { .. }
            | Self::LetGo
            | Self::Resign
            | Self::Timer => None,
        }
    }
}

impl Visit for Input {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Watched(snapshot) => snapshot.visit(visitor),
            Self::Read { request, snapshot } => {
                request.visit(visitor);
                snapshot.visit(visitor);
            }
            Self::Written { request, outcome } => {
                request.visit(visitor);
                outcome.visit(visitor);
            }
            Self::Fenced { request, .. } => request.visit(visitor),
            Self::Move { target, .. } => visitor.node(target),
            Self::Recover { order, .. } => order.visit(visitor),
            Self::Fence { .. } | Self::Contend | Self::LetGo | Self::Resign | Self::Timer => {}
        }
    }
}

impl Visit for Effect {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Write(write) => write.visit(visitor),
            Self::Read(request) => request.visit(visitor),
            Self::Fence(order) => order.visit(visitor),
        }
    }
}
