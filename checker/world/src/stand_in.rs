//! What stands for an LRM with its multiplexer, workers and agents where the CRM is the point.
//!
//! A [`StandIn`] does, at any moment, anything that the machines may do that it stands for: it holds
//! its node's lock as layer 1 lets it, answers an order as layer 2 lets it, or takes any time. Each
//! [`Act`] is one step, with its writes to the store. What layer 1 shows of the watchdog is taken for
//! granted: a host that is cut off is reset, or has stopped its services, before its lock has been
//! silent for T, trailing I/O included.

mod act;

use lockstep_model::event::LrmState;
use lockstep_model::id::{Epoch, Holder, Incarnation, LockId, NodeId, RequestId, ServiceId, Uid};
use lockstep_model::lrm::Leave;
use lockstep_model::manager::status::{ExitCode, LrmMode, LrmResult, LrmStatus};
use lockstep_model::record::{
    Beat, Data, DataKey, Grant, GrantState, Key, MoveKind, Published, Put, Record, Service,
    Unguarded, Wanted,
};
use lockstep_model::visit::{Visit, Visitor};
use serde::{Deserialize, Serialize};

use crate::setup::{Fault, Setup};
use crate::state::{Host, Instance, World};

/// A process that stands for an LRM and all that it works with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StandIn {
    /// Its identity.
    pub incarnation: Incarnation,
    /// Whether it is stopped, or has not begun since its predecessor died.
    pub paused: bool,
    /// Whether it may find its time over although its lock was renewed in this tick: before that, it
    /// hadn't been for longer than a tick.
    pub doubts: bool,
    /// Why it is to end, if it is.
    pub leaving: Option<Leave>,
    /// How orders ended, by uid.
    pub results: Vec<LrmResult>,
}

impl Visit for StandIn {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.incarnation.visit(visitor);
        self.results.visit(visitor);
    }
}

/// What a stand-in does in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// It takes its node's lock.
    Take,
    /// It has armed its watchdog: what its grant lists runs guarded from now on.
    Guard,
    /// It gives its lock back with nothing running.
    Release,
    /// It gives its lock back with its services left running.
    LeaveRunning,
    /// It carries an order out, and says so.
    Carry(ServiceId),
    /// It fails to, and says so.
    Fail(ServiceId),
    /// It stops a service without having to answer.
    Stop(ServiceId),
    /// It says what it is there for now.
    Publish,
    /// It says that it is there to run services, and doesn't know yet that it has its lock.
    PublishBefore,
    /// It comes back under a new process.
    Return,
    /// Cut off from the store, or no longer so, it has stopped its services.
    GiveUp,
    /// Cut off from the store, its watchdog resets its host.
    Reset,
    /// It is stopped.
    Pause,
    /// It goes on.
    Resume,
    /// It dies. Going on, it is its successor.
    Crash,
}

impl Act {
    /// The kind of fault that this is, if it is one.
    #[must_use]
    pub const fn fault(self) -> Option<Fault> {
        match self {
            Self::Fail(_) => Some(Fault::AgentFails),
            Self::Pause => Some(Fault::PauseLrm),
            Self::Crash => Some(Fault::CrashLrm),
            Self::Take
            | Self::Guard
            | Self::Release
            | Self::LeaveRunning
            | Self::Carry(_)
            | Self::Stop(_)
            | Self::Publish
            | Self::PublishBefore
            | Self::Return
            | Self::GiveUp
            | Self::Reset
            | Self::Resume => None,
        }
    }
}

/// How a node's lock stands for its own LRM.
enum Lock {
    /// It holds it, in this state.
    Mine(GrantState),
    /// It may take it, and then holds it in this state.
    Free(GrantState),
    /// Somebody else's, or its own of another boot that may still live.
    Taken,
}

impl World {
    pub(crate) fn start_stand_in(&mut self, setup: &Setup, host: usize) {
        let incarnation = self.incarnation(host);
        self.hosts[host].stand_in = Some(StandIn {
            incarnation,
            paused: false,
            doubts: false,
            leaving: None,
            results: Vec::new(),
        });
        if !self.is_cut_off(host) {
            self.publish(setup, host);
        }
    }

    /// A stand-in dies. Its successor begins when it goes on, which may take any time.
    fn crash_stand_in(&mut self, host: usize) {
        let incarnation = self.incarnation(host);
        self.hosts[host].stand_in = Some(StandIn {
            incarnation,
            paused: true,
            doubts: false,
            leaving: None,
            results: Vec::new(),
        });
    }

    /// Whether its stand-in can't write to the store.
    fn is_cut_off(&self, host: usize) -> bool {
        let paused = self.hosts[host]
            .stand_in
            .as_ref()
            .is_none_or(|stand_in| stand_in.paused);
        paused || !self.reaches_store(host)
    }

    pub(crate) fn stand_in_holder(&self, host: usize) -> Option<Holder> {
        let value = &self.hosts[host];
        let stand_in = value.stand_in.as_ref()?;
        Some(value.holder(stand_in.incarnation))
    }

    /// How the lock of a host's node stands for its stand-in.
    fn lock_of_stand_in(&self, setup: &Setup, host: usize, me: Holder) -> Lock {
        let value = &self.hosts[host];
        let id = LockId::Agent(value.node);
        let Some(grant) = self.grant_of(id) else {
            return Lock::Free(GrantState::HeldGuarded);
        };
        let held = grant.state.is_held();
        if held && grant.holder == me {
            return Lock::Mine(grant.state.clone());
        }
        let list = grant.state.unguarded().cloned();
        let in_boot = |list: &Unguarded| list.machine == me.machine && list.boot == me.boot;
        let state = match list {
            Some(list) if in_boot(&list) => GrantState::HeldUnguarded(list),
            // Somebody else's machine speaks for what it left running.
            Some(list) if list.machine != me.machine => return Lock::Taken,
            Some(_) | None => self.adopting(host, me),
        };
        let predecessor = grant.holder.machine == me.machine && grant.holder.boot == me.boot;
        let timing = setup.config(self.reconfigured).timing();
        let age = self.store.history(id).map_or(0, |history| history.age);
        let silent = age >= timing.silence(grant.ttl).0;
        if !held || predecessor || silent {
            Lock::Free(state)
        } else {
            Lock::Taken
        }
    }

    /// What a new process of a boot holds its lock for: what runs here isn't guarded by it yet.
    fn adopting(&self, host: usize, me: Holder) -> GrantState {
        let services = self.running_on(host);
        if services.is_empty() {
            return GrantState::HeldGuarded;
        }
        GrantState::HeldUnguarded(Unguarded {
            machine: me.machine,
            boot: me.boot,
            services,
        })
    }

    fn running_on(&self, host: usize) -> Vec<ServiceId> {
        let instances = (0..).map(ServiceId).zip(&self.hosts[host].instances);
        let present = instances.filter(|(_, instance)| **instance != Instance::Absent);
        present.map(|(service, _)| service).collect()
    }

    /// Whether a node has to hold its lock for what it is to run, or to receive.
    fn is_needed(&self, setup: &Setup, node: NodeId) -> bool {
        setup.service_ids().any(|service| {
            let Some(record) = self.store.service(service) else {
                return false;
            };
            let wants = match record.wanted {
                Wanted::Started | Wanted::Stopped | Wanted::Moved { .. } => true,
                Wanted::Untouched => !self.is_disarming(),
                Wanted::Ignored | Wanted::Fenced => false,
            };
            (record.location == node && wants) || record.target() == Some(node)
        })
    }

    /// Whether its grant lists services as left running on its machine: it takes the lock to end that.
    fn inherits_services(&self, me: Holder) -> bool {
        let grant = self.grant_of(LockId::Agent(me.node));
        let list = grant.and_then(|grant| grant.state.unguarded());
        list.is_some_and(|list| list.machine == me.machine) && !self.is_disarming()
    }

    fn is_disarming(&self) -> bool {
        self.status().is_some_and(|status| status.disarm.is_some())
    }

    /// What a stand-in is there for now.
    fn mode_of_stand_in(&self, setup: &Setup, host: usize, me: Holder) -> LrmMode {
        let value = &self.hosts[host];
        let leaving = value.stand_in.as_ref().and_then(|it| it.leaving);
        if let Some(leave) = leaving {
            return leave.mode();
        }
        let status = self.status();
        if status.is_some_and(|status| status.wants_maintenance(value.node)) {
            return LrmMode::Maintenance;
        }
        match self.lock_of_stand_in(setup, host, me) {
            Lock::Mine(GrantState::HeldGuarded) => LrmMode::Active,
            Lock::Mine(_) => LrmMode::Restart,
            Lock::Free(_) | Lock::Taken if self.is_disarming() => LrmMode::Disarm,
            Lock::Free(_) | Lock::Taken if self.running_on(host).is_empty() => LrmMode::Active,
            Lock::Free(_) | Lock::Taken => LrmMode::Restart,
        }
    }

    /// What it is to say, and what its record says.
    pub(crate) fn published_by(&self, setup: &Setup, host: usize, me: Holder) -> LrmStatus {
        let results = self.hosts[host].stand_in.as_ref().map(|it| &it.results);
        let state = match self.lock_of_stand_in(setup, host, me) {
            Lock::Mine(_) => LrmState::Active,
            Lock::Free(_) | Lock::Taken => LrmState::WaitForAgentLock,
        };
        LrmStatus {
            state: Some(state),
            mode: Some(self.mode_of_stand_in(setup, host, me)),
            results: results.cloned().unwrap_or_default(),
        }
    }

    fn has_news(&self, setup: &Setup, host: usize, me: Holder) -> bool {
        let wanted = self.published_by(setup, host, me);
        match self.data(DataKey::Lrm(self.hosts[host].node)) {
            Some(Data::Lrm(published)) => published.status != wanted,
            Some(_) | None => true,
        }
    }

    /// Writes what it says into its record.
    fn publish(&mut self, setup: &Setup, host: usize) {
        let Some(me) = self.stand_in_holder(host) else {
            return;
        };
        self.forget_results(host);
        let status = self.published_by(setup, host, me);
        self.write_published(setup, host, me, status);
    }

    pub(crate) fn write_published(
        &mut self,
        setup: &Setup,
        host: usize,
        me: Holder,
        status: LrmStatus,
    ) {
        let published = Published {
            status,
            written_by: nonce(me),
        };
        let put = Put {
            key: Key::Data(DataKey::Lrm(self.hosts[host].node)),
            record: Record::Data(Box::new(Data::Lrm(published))),
        };
        self.write_as(setup, &me, vec![put]);
    }

    /// Results of orders that don't stand any more are of no interest.
    fn forget_results(&mut self, host: usize) {
        let store = &self.store;
        if let Some(stand_in) = &mut self.hosts[host].stand_in {
            stand_in.results.retain(|result| {
                let record = store.service(result.service);
                record.is_some_and(|record| record.uid == result.uid)
            });
        }
    }

    /// Signs of life of every host whose stand-in can give one: a tick has passed.
    pub(crate) fn stand_ins_beat(&mut self, setup: &Setup) {
        for host in 0..self.hosts.len() {
            if self.is_cut_off(host) || !self.hosts[host].on || self.hosts[host].stopped {
                continue;
            }
            let Some(me) = self.stand_in_holder(host) else {
                continue;
            };
            match self.lock_of_stand_in(setup, host, me) {
                Lock::Mine(_) => {
                    let lock = LockId::Agent(me.node);
                    let silent = self.store.history(lock).is_some_and(|it| it.age > 1);
                    if let Some(stand_in) = &mut self.hosts[host].stand_in {
                        stand_in.doubts = silent;
                    }
                    let epoch = self.grant_of(lock).map_or(Epoch(0), |grant| grant.epoch);
                    self.write_as(setup, &me, vec![beat(lock, epoch, me)]);
                    if self.has_news(setup, host, me) {
                        self.publish(setup, host);
                    }
                }
                Lock::Free(_) | Lock::Taken => self.publish(setup, host),
            }
        }
    }

    /// Everything that the stand-in of a host may do now.
    pub(crate) fn acts(&self, setup: &Setup, host: usize) -> Vec<Act> {
        let value = &self.hosts[host];
        let (Some(stand_in), Some(me)) = (&value.stand_in, self.stand_in_holder(host)) else {
            return Vec::new();
        };
        if !value.on || value.stopped {
            return Vec::new();
        }
        let mut acts = Vec::new();
        if stand_in.paused {
            acts.push(Act::Resume);
        }
        if self.is_cut_off(host) {
            self.add_cut_off(host, me, &mut acts);
            return acts;
        }
        let lock = self.lock_of_stand_in(setup, host, me);
        if self.has_news(setup, host, me) {
            acts.push(Act::Publish);
        }
        if self.returns_unseen(setup, host, me) {
            acts.push(Act::PublishBefore);
        }
        if self.must_reset(setup, host) {
            acts.push(Act::Reset);
        }
        let needed = self.is_needed(setup, value.node) || self.inherits_services(me);
        let id = LockId::Agent(value.node);
        let renewed = self.store.history(id).is_none_or(|it| it.age == 0);
        let guards = matches!(lock, Lock::Mine(GrantState::HeldGuarded));
        if guards && (!renewed || stand_in.doubts) && !self.running_on(host).is_empty() {
            acts.push(Act::GiveUp);
        }
        match (&lock, stand_in.leaving) {
            // One that was cut off acts on nothing else before it has renewed its lock.
            (Lock::Mine(_), _) if !renewed => {}
            (Lock::Free(_), None | Some(Leave::Migrate)) if needed => acts.push(Act::Take),
            (Lock::Mine(GrantState::HeldUnguarded(_)), None | Some(Leave::Migrate)) => {
                acts.push(Act::Guard);
            }
            (Lock::Mine(GrantState::HeldGuarded), leaving) => {
                self.add_holding(setup, host, leaving, &mut acts);
            }
            (Lock::Free(_) | Lock::Taken, Some(Leave::Restart)) => acts.push(Act::Return),
            (Lock::Free(_) | Lock::Taken, Some(_)) if self.running_on(host).is_empty() => {
                acts.push(Act::Return);
            }
            (Lock::Free(_) | Lock::Mine(_) | Lock::Taken, _) => {}
        }
        acts.retain(|act| self.may_fail(setup, host, *act));
        acts
    }

    /// Whether an act is no fault, or one that may still happen here.
    fn may_fail(&self, setup: &Setup, host: usize, act: Act) -> bool {
        act.fault().is_none_or(|fault| {
            self.faults_left > 0 && setup.fault_hosts.contains(&host) && self.allows(setup, fault)
        })
    }

    fn add_cut_off(&self, host: usize, me: Holder, acts: &mut Vec<Act>) {
        // Its watchdog counts on when the process that armed it has ended. Once somebody else has
        // the lock, what ran under it is gone.
        let guarded = self.grant(me.node).is_some_and(|grant| {
            grant.state == GrantState::HeldGuarded
                && grant.holder.machine == me.machine
                && grant.holder.boot == me.boot
        });
        let runs = !self.running_on(host).is_empty();
        if guarded && runs {
            let paused = self.hosts[host]
                .stand_in
                .as_ref()
                .is_some_and(|it| it.paused);
            if !paused {
                acts.push(Act::GiveUp);
            }
            acts.push(Act::Reset);
        }
    }

    fn add_holding(&self, setup: &Setup, host: usize, leaving: Option<Leave>, acts: &mut Vec<Act>) {
        let value = &self.hosts[host];
        let running = self.running_on(host);
        let may_leave = leaving == Some(Leave::Restart) || self.is_let_go(setup, host);
        if running.is_empty() {
            if leaving.is_some() || !self.is_needed(setup, value.node) {
                acts.push(Act::Release);
            }
        } else if may_leave {
            acts.push(Act::LeaveRunning);
        }
        for service in setup.service_ids() {
            let Some(record) = self.store.service(service) else {
                continue;
            };
            let runs = running.contains(&service);
            let fenced = record.wanted == Wanted::Fenced || record.location != value.node;
            let ends = matches!(leaving, Some(Leave::Stop | Leave::StopAndFreeze));
            if runs && (fenced || ends) {
                acts.push(Act::Stop(service));
            }
            let serves = matches!(leaving, None | Some(Leave::Migrate));
            if record.location == value.node && serves {
                self.add_answers(host, service, record, acts);
            }
        }
    }

    /// Whether the stack is disarmed as far as this host's services go: nothing is to be done here.
    fn is_let_go(&self, setup: &Setup, host: usize) -> bool {
        let node = self.hosts[host].node;
        let untouched = |record: &Service| match record.wanted {
            Wanted::Untouched | Wanted::Ignored => true,
            Wanted::Started | Wanted::Stopped | Wanted::Fenced | Wanted::Moved { .. } => false,
        };
        self.is_disarming()
            && setup.service_ids().all(|service| {
                let record = self.store.service(service);
                record.is_none_or(|record| record.location != node || untouched(record))
            })
    }

    fn add_answers(&self, host: usize, service: ServiceId, order: &Service, acts: &mut Vec<Act>) {
        if order.uid == Uid::NONE {
            return;
        }
        let value = &self.hosts[host];
        let instance = value.instances[usize::from(service.0)];
        let results = value.stand_in.as_ref().map_or(&[][..], |it| &it.results);
        let answered = results.iter().find(|result| result.uid == order.uid);
        let done = answered.map(|result| result.code) == Some(ExitCode::SUCCESS);
        let carried = match order.wanted {
            Wanted::Started => done && instance == Instance::Running,
            Wanted::Stopped => done && instance == Instance::Absent,
            Wanted::Moved { .. } => answered.is_some(),
            Wanted::Untouched | Wanted::Ignored | Wanted::Fenced => return,
        };
        if carried {
            return;
        }
        if order.target() == Some(order.location) {
            return;
        }
        let can = match order.wanted {
            Wanted::Moved { target, kind } => self.can_move(service, order, target, kind, host),
            Wanted::Started | Wanted::Stopped => true,
            Wanted::Untouched | Wanted::Ignored | Wanted::Fenced => false,
        };
        if can {
            acts.push(Act::Carry(service));
        }
        acts.push(Act::Fail(service));
    }

    /// Whether a move can be done: its target's lock is held under an armed watchdog.
    fn can_move(
        &self,
        service: ServiceId,
        order: &Service,
        target: NodeId,
        kind: MoveKind,
        host: usize,
    ) -> bool {
        if target == order.location {
            return false;
        }
        let runs = self.hosts[host].instances[usize::from(service.0)] != Instance::Absent;
        if kind == MoveKind::BeforeStart && runs {
            return false;
        }
        let Some(grant) = self.grant(target) else {
            return false;
        };
        let there = self.host_of(grant.holder);
        let ready = there.is_some_and(|there| self.hosts[there].on);
        ready && grant.state == GrantState::HeldGuarded && grant.holder.node == target
    }

    /// The host on which a holder's boot runs.
    fn host_of(&self, holder: Holder) -> Option<usize> {
        self.hosts
            .iter()
            .position(|host| host.machine == holder.machine && host.boot == holder.boot)
    }

    /// Whether a host on which services run, and whose lock this boot doesn't renew, has to be reset
    /// before another tick passes.
    pub(crate) fn must_reset(&self, setup: &Setup, host: usize) -> bool {
        let Some(me) = self.stand_in_holder(host) else {
            return false;
        };
        if self.running_on(host).is_empty() || !self.hosts[host].on {
            return false;
        }
        let id = LockId::Agent(me.node);
        // The watchdog counts on when the process that armed it has ended.
        let own =
            |grant: &&Grant| grant.holder.machine == me.machine && grant.holder.boot == me.boot;
        let Some(grant) = self.grant_of(id).filter(own) else {
            return false;
        };
        let age = self.store.history(id).map_or(0, |history| history.age);
        let last = grant.ttl.0.saturating_sub(1 + setup.physics.trail);
        grant.state == GrantState::HeldGuarded && age >= last
    }
}

impl Host {
    /// Whether its stand-in is asked to end.
    pub(crate) fn stand_in_stays(&self) -> bool {
        self.stand_in
            .as_ref()
            .is_some_and(|stand_in| stand_in.leaving.is_none() && !stand_in.paused)
    }
}

/// A stand-in asks for nothing that could be lost, so one number does for all its requests.
const fn nonce(me: Holder) -> RequestId {
    RequestId {
        process: me.incarnation,
        number: 1,
    }
}

const fn beat(lock: LockId, epoch: Epoch, me: Holder) -> Put {
    Put {
        key: Key::Beat(lock),
        record: Record::Beat(Beat {
            epoch,
            written_by: nonce(me),
        }),
    }
}
