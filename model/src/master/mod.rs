//! The CRM of one node, on the store's locks and records.
//!
//! [`Crm`] says whether it is to be master, its manager what is to happen. This machine is between
//! them and the store: it holds the manager lock, watches all agent locks and contends for those of
//! dead nodes, sees who is there, puts the manager's view together from one snapshot, and writes
//! what was decided.
//!
//! It runs nothing and needs no authority in time. Each of its writes compares the manager lock's
//! grant and the revisions of what it replaces, and a write that moves a service off a dead node
//! that node's grant too; whatever comes late is refused. What it decided counts once it is
//! written: after a refusal, or without an answer, it reads again and decides anew.
//!
//! A round begins when something that it rests on has changed, and every
//! [`Policy::round`](crate::config::Policy::round) otherwise.

mod commit;
mod contest;
mod dead;
mod members;
mod mirror;
mod order;
mod types;

use serde::{Deserialize, Serialize};

use alloc::vec::Vec;

use crate::aside::Aside;
use crate::config::Config;
use crate::contender::{self, Contender};
use crate::crm::{self, Crm, CrmState, LockAnswer, LockRequest};
use crate::event::{self, Effects, Violation};
use crate::id::{Holder, LockId, NodeId, RequestId};
use crate::lock::{self, Change, Standing};
use crate::manager::View;
use crate::manager::event::{Event as Decision, ServiceEvent};
use crate::mutation::Mutation;
use crate::record::{Outcome, Snapshot};
use crate::time::{Instant, Wakeup, Why, earliest};
use crate::visit::visit_fields;
use commit::Commit;
use members::Members;
use mirror::Mirror;
use types::pass_on;
pub use types::{Effect, Event, Files, Input, Outbox};

/// The CRM of one node, as one process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Master {
    crm: Crm,
    lock: lock::Client,
    /// One for each other node that was named so far, in the order of their ids.
    contenders: Vec<Contender>,
    mirror: Mirror,
    members: Members,
    reading: Option<Reading>,
    read_wanted: bool,
    /// Whether a round is to begin with the next read.
    round_wanted: bool,
    /// Whether the CRM, made master since its round began, waits for a read.
    manage_wanted: bool,
    /// When the next round is due that nothing else asks for.
    round_at: Option<Instant>,
    /// Whether the present round is such a one.
    periodic: bool,
    /// What the answer about the manager lock is waited for with.
    asked: Option<LockRequest>,
    /// Whether the manager lock may have changed unseen: it is read before it is written again.
    lock_doubtful: bool,
    commit: Option<Commit>,
    /// What the last round said, in order.
    #[serde(skip)]
    said: Aside<Vec<crm::Event>>,
    leaving: bool,
    gone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Reading {
    request: RequestId,
    sent: Instant,
}

/// Whether an event answers somebody who asked for something.
const fn is_answer(event: &crm::Event) -> bool {
    matches!(
        event,
        crm::Event::Manager(Decision::Command(..) | Decision::Service(_, ServiceEvent::Request(_)))
    )
}

impl Master {
    /// A process that just began, under an identity that was never used before.
    #[must_use]
    pub fn new(me: Holder) -> Self {
        Self {
            crm: Crm::new(me.node),
            lock: lock::Client::new(LockId::Manager, me),
            contenders: Vec::new(),
            mirror: Mirror::default(),
            members: Members::default(),
            reading: None,
            read_wanted: false,
            round_wanted: false,
            manage_wanted: false,
            round_at: None,
            periodic: false,
            asked: None,
            lock_doubtful: false,
            commit: None,
            said: Aside(Vec::new()),
            leaving: false,
            gone: false,
        }
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> CrmState {
        self.crm.state()
    }

    /// Whether it holds this lock, as far as it knows.
    #[must_use]
    pub fn holds(&self, lock: LockId) -> bool {
        match lock {
            LockId::Manager => self.lock.hold().is_some(),
            LockId::Agent(node) => self
                .contender(node)
                .is_some_and(|contender| contender.lock().hold().is_some()),
        }
    }

    /// Whether the answer to this request would still be taken in.
    #[must_use]
    pub fn awaits(&self, request: RequestId) -> bool {
        let reading = self
            .reading
            .is_some_and(|reading| reading.request == request);
        let commit = self.commit.as_ref();
        reading
            || commit.is_some_and(|commit| commit.awaits(request))
            || self.lock.awaits(request)
            || self.contenders.iter().any(|one| one.awaits(request))
    }

    fn contender(&self, node: NodeId) -> Option<&Contender> {
        let mut contenders = self.contenders.iter();
        contenders.find(|contender| contender.node() == node)
    }

    /// Takes in what happened and says what to do.
    pub fn step<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        input: Input<'_>,
        out: &mut Outbox,
    ) {
        if self.gone {
            return;
        }
        match input {
            Input::Started => {
                self.want_round();
                self.round_at = Some(now + config.policy().round);
                self.crm.begin(&mut out.crm);
            }
            Input::Watched { snapshot, files } => {
                self.take_in(config, now, snapshot, files, out);
            }
            Input::Read {
                request,
                snapshot,
                files,
            } => self.on_read(config, now, request, (snapshot, files), out),
            Input::Written { request, outcome } => {
                self.on_written(config, now, request, outcome, out);
            }
            Input::Fenced { request, fenced } => {
                self.on_fenced(config, now, (request, fenced), out);
            }
            Input::Timer => self.on_timer(config, now, out),
            Input::Leave => {
                self.leaving = true;
                self.want_round();
                self.crm
                    .step(config, now, crm::Input::Shutdown, &mut out.crm);
            }
        }
        self.run(config, now, None, out);
        self.proceed(config, now, out);
    }

    const fn want_round(&mut self) {
        self.read_wanted = true;
        self.round_wanted = true;
    }

    /// Does what the CRM asks for. With `files`, what was just read is good for a decision.
    fn run<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        files: Option<&Files<'_>>,
        out: &mut Outbox,
    ) {
        loop {
            let said = out.crm.events.drain(..);
            out.events.extend(said.map(Event::Crm));
            if out.crm.effects.is_empty() {
                return;
            }
            match (out.crm.effects.remove(0), files) {
                (crm::Effect::Lock(request), _) => self.ask_lock(config, now, request, out),
                (crm::Effect::Read, Some(files)) => self.manage(config, now, files, out),
                (crm::Effect::Read, None) => {
                    self.manage_wanted = true;
                    self.read_wanted = true;
                }
                (crm::Effect::Commit, _) => self.begin_commit(config, now, out),
                (crm::Effect::Exit, _) => self.exit(config, now, out),
            }
        }
    }

    fn exit<M: Mutation>(&mut self, config: &Config<M>, now: Instant, out: &mut Outbox) {
        if !self.gone {
            self.let_go(config, now, out);
            self.gone = true;
            out.effects.push(Effect::Exit);
        }
    }

    /// The CRM asks for its lock, or gives it back.
    fn ask_lock<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        request: LockRequest,
        out: &mut Outbox,
    ) {
        self.asked = Some(request);
        match (request, self.lock.hold().is_some()) {
            (LockRequest::Release, true) => {}
            (LockRequest::Release, false) => self.answer_lock(config, now, true, out),
            (LockRequest::Hold, _) if !self.is_fit() => self.answer_lock(config, now, false, out),
            (LockRequest::Hold, true) => self.answer_lock(config, now, true, out),
            (LockRequest::Hold, false) => match self.standing(config, now) {
                Standing::Free(takeover) if !self.lock.is_busy() && !self.lock_doubtful => {
                    let write = self.lock.take(config, now, takeover);
                    out.effects.push(Effect::Write(write));
                }
                Standing::Free(_)
                | Standing::Unknown
                | Standing::Silent(_)
                | Standing::Mine
                | Standing::LeftRunning
                | Standing::OtherMachine => self.answer_lock(config, now, false, out),
            },
        }
    }

    fn answer_lock<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        granted: bool,
        out: &mut Outbox,
    ) {
        if self.asked.take().is_none() {
            return;
        }
        let answer = match granted {
            true => LockAnswer::Granted,
            false => LockAnswer::Refused,
        };
        let input = crm::Input::Lock(answer);
        self.crm.step(config, now, input, &mut out.crm);
    }

    /// Takes in what stands in the store. What others changed calls for a round.
    fn take_in<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        snapshot: &Snapshot,
        files: &Files<'_>,
        out: &mut Outbox,
    ) {
        let change = self.lock.observe(config, now, snapshot);
        self.on_change(config, now, change, out);
        self.know_nodes(files);
        let before = self.lock_views(config, now);
        let mut effects = Effects::new();
        for contender in &mut self.contenders {
            contender.watch(config, now, snapshot, &mut effects);
        }
        pass_on(effects, out);
        let locks_changed = before != self.lock_views(config, now);
        let news = self.mirror.take_in(snapshot);
        let moved = self.members.take_in(config, now, snapshot, files.nodes);
        if locks_changed || news || moved || self.may_be_master(config, now) {
            self.want_round();
        }
    }

    fn on_change<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        change: Change,
        out: &mut Outbox,
    ) {
        let lock = LockId::Manager;
        match change {
            Change::None | Change::Renewed => {}
            Change::Taken => {
                if let Some(hold) = self.lock.hold() {
                    let epoch = hold.epoch;
                    let event = event::Event::LockTaken { lock, epoch };
                    out.events.push(Event::Lock(event));
                }
                // The answer to a take may come when nobody waits for it any more.
                match self.asked {
                    Some(_) => self.answer_lock(config, now, true, out),
                    None => self.want_round(),
                }
            }
            Change::Released => {
                let event = event::Event::LockReleased { lock, running: 0 };
                out.events.push(Event::Lock(event));
                self.answer_lock(config, now, true, out);
                self.want_round();
            }
            Change::Lost => {
                out.events
                    .push(Event::Lock(event::Event::LockLost { lock }));
                self.answer_lock(config, now, false, out);
                self.want_round();
            }
            Change::ReadNeeded => {
                self.lock_doubtful = true;
                self.answer_lock(config, now, false, out);
                self.want_round();
            }
        }
    }

    fn on_read<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        request: RequestId,
        (snapshot, files): (&Snapshot, &Files<'_>),
        out: &mut Outbox,
    ) {
        let mine = self
            .reading
            .take_if(|reading| reading.request == request)
            .is_some();
        if !mine {
            let mut effects = Effects::new();
            for contender in &mut self.contenders {
                if contender.awaits(request) {
                    contender.read(config, now, request, snapshot, &mut effects);
                }
            }
            pass_on(effects, out);
            return;
        }
        let began_later = self.read_wanted;
        self.lock_doubtful &= began_later;
        self.take_in(config, now, snapshot, files, out);
        if self.commit.is_some() {
            return;
        }
        // What this very read has shown is no news for a round that rests on it.
        self.read_wanted = began_later;
        if core::mem::take(&mut self.manage_wanted) {
            self.round_wanted = began_later;
            self.manage(config, now, files, out);
        } else if self.round_wanted && self.asked.is_none() {
            // While the lock's answer is waited for, the wish stands: what is due isn't asked again.
            self.round_wanted = began_later;
            self.round(config, now, files, out);
        }
        self.run(config, now, Some(files), out);
    }

    /// Lets the CRM look at what was just read.
    fn round<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        files: &Files<'_>,
        out: &mut Outbox,
    ) {
        let quorate = self.is_fit();
        self.begin_round(config, now, files);
        let (locks, unguarded) = (self.lock_views(config, now), self.unguarded());
        let view = View {
            periodic: self.periodic,
            unguarded: &unguarded,
            ..self.mirror.view(files, &self.members, &locks)
        };
        let input = crm::Input::Round {
            quorate,
            updated: true,
            view: Ok(view),
        };
        self.crm.step(config, now, input, &mut out.crm);
    }

    /// Notes that a round begins, and whether it is one of those that nothing but time asks for.
    fn begin_round<M: Mutation>(&mut self, config: &Config<M>, now: Instant, files: &Files<'_>) {
        self.members.update(config, now, files.nodes);
        self.periodic = self.round_at.is_none_or(|at| at <= now);
        if self.periodic {
            self.round_at = Some(now + config.policy().round);
        }
    }

    /// Lets the manager decide on what was just read.
    fn manage<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        files: &Files<'_>,
        out: &mut Outbox,
    ) {
        self.crm.go_on_from(self.mirror.status());
        let (locks, unguarded) = (self.lock_views(config, now), self.unguarded());
        let view = View {
            periodic: self.periodic,
            unguarded: &unguarded,
            ..self.mirror.view(files, &self.members, &locks)
        };
        let input = crm::Input::Manage(Ok(view));
        self.crm.step(config, now, input, &mut out.crm);
        self.say_news(out);
        self.contend(config, now, files, out);
    }

    /// What a round says that the one before has said already is no news, but once in a while. An
    /// answer to what was asked for always is.
    fn say_news(&mut self, out: &mut Outbox) {
        let mut said = out.crm.events.clone();
        said.sort_unstable();
        let before = core::mem::replace(&mut self.said.0, said);
        if !self.periodic {
            let is_new =
                |event: &crm::Event| is_answer(event) || before.binary_search(event).is_err();
            out.crm.events.retain(is_new);
        }
    }

    fn on_written<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        request: RequestId,
        outcome: Outcome,
        out: &mut Outbox,
    ) {
        if self.on_committed(config, now, request, outcome, out) {
            return;
        }
        if self.lock.awaits(request) {
            let change = self.lock.on_outcome(config, now, request, outcome);
            self.on_change(config, now, change, out);
            return;
        }
        let mut effects = Effects::new();
        let input = contender::Input::Written { request, outcome };
        for contender in &mut self.contenders {
            if contender.awaits(request) {
                contender.step(config, now, input.clone(), &mut effects);
            }
        }
        pass_on(effects, out);
        self.want_round();
    }

    fn on_timer<M: Mutation>(&mut self, config: &Config<M>, now: Instant, out: &mut Outbox) {
        let timeout = config.timing().request_timeout;
        if self.lock.on_timer(config, now) {
            self.lock_doubtful = true;
            let event = event::Event::RequestUnanswered;
            out.events.push(Event::Lock(event));
            self.answer_lock(config, now, false, out);
            self.want_round();
        }
        let unanswered = self
            .reading
            .take_if(|reading| reading.sent + timeout <= now)
            .is_some();
        if unanswered {
            self.read_wanted = true;
            if self.leaving {
                self.exit(config, now, out);
            }
        }
        self.time_commit_out(config, now, out);
        let silent = self.members.update(config, now, &[]);
        let due = self.round_at.is_some_and(|at| at <= now);
        if silent || due || self.may_be_master(config, now) {
            self.want_round();
        }
        let mut effects = Effects::new();
        for contender in &mut self.contenders {
            contender.step(config, now, contender::Input::Timer, &mut effects);
        }
        pass_on(effects, out);
    }

    /// Does in every lane what can be done now.
    fn proceed<M: Mutation>(&mut self, config: &Config<M>, now: Instant, out: &mut Outbox) {
        if self.gone {
            return;
        }
        if self.crm.state() != CrmState::Master {
            self.let_go(config, now, out);
        }
        if self.read_wanted && self.reading.is_none() && self.commit.is_none() {
            let request = self.lock.number();
            self.reading = Some(Reading { request, sent: now });
            self.read_wanted = false;
            out.effects.push(Effect::Read(request));
        }
        if self.lock.is_busy() || self.lock_doubtful {
            return;
        }
        let Some(hold) = self.lock.hold() else {
            return;
        };
        let (state, ttl) = (hold.state.clone(), hold.ttl);
        let resigns = !self.is_fit() && self.commit.is_none();
        let write = match self.asked {
            Some(LockRequest::Release) => self.lock.release(now, state.released()),
            _ if resigns => self.lock.release(now, state.released()),
            Some(LockRequest::Hold) | None if self.lock.renewal_due(now) => {
                self.lock.renew(config, now, &state, ttl)
            }
            Some(LockRequest::Hold) | None => return,
        };
        out.effects.push(Effect::Write(write));
    }

    /// When this machine next needs attention, and why.
    #[must_use]
    pub fn next_wakeup<M: Mutation>(&self, config: &Config<M>) -> Option<Wakeup> {
        if self.gone {
            return None;
        }
        let timeout = config.timing().request_timeout;
        let answer = |sent: Instant| Wakeup {
            at: sent + timeout,
            why: Why::RequestTimeout,
        };
        let at = |why: Why| move |at: Instant| Wakeup { at, why };
        // Asked for the earliest moment there is, a silence that is over reads as "free".
        let silence = match self.standing(config, Instant(0)) {
            // A round that is to begin anyway, or that would ask for nothing, needs no waking.
            Standing::Silent(at)
                if self.crm.state() == CrmState::Slave && self.is_fit() && !self.round_wanted =>
            {
                Some(at)
            }
            Standing::Silent(_)
            | Standing::Unknown
            | Standing::Free(_)
            | Standing::Mine
            | Standing::LeftRunning
            | Standing::OtherMachine => None,
        };
        let own = [
            self.lock
                .next_wakeup(config)
                .filter(|wakeup| wakeup.why == Why::RequestTimeout || !self.lock_doubtful),
            silence
                .filter(|_| !self.lock.is_busy() && self.lock.hold().is_none())
                .map(at(Why::ObservationEnds)),
            self.reading.map(|reading| answer(reading.sent)),
            self.commit.as_ref().map(|commit| answer(commit.sent())),
            self.round_at
                .filter(|_| !self.round_wanted)
                .map(at(Why::Round)),
            self.members.next_silence(config).map(at(Why::NodeSilent)),
        ];
        let contenders = self.contenders.iter().map(|one| one.next_wakeup(config));
        earliest(own.into_iter().chain(contenders))
    }

    /// Forgets what is kept for speed or for people alone: the checker keeps many of these.
    pub fn forget_buffers(&mut self) {
        self.said = Aside::default();
        self.crm.forget_buffers();
    }

    /// The invariants of this machine's own state.
    ///
    /// # Errors
    ///
    /// The first that doesn't hold.
    pub fn check(&self) -> Result<(), Violation> {
        self.lock.check()?;
        for contender in &self.contenders {
            contender.check()?;
        }
        Ok(())
    }
}

visit_fields!(Reading { request, sent });
visit_fields!(Master {
    lock,
    crm,
    contenders,
    mirror,
    members,
    reading,
    commit;
    round_at
});
