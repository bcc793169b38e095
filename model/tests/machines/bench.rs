//! A driver of all three machines that does what it is told, one thing after the other.

use std::collections::{BTreeMap, VecDeque};

use lockstep_model::config::{Config, Timing};
use lockstep_model::contender::{self, Contender};
use lockstep_model::event::Event;
use lockstep_model::id::{
    ArmId, BootId, Epoch, Holder, Incarnation, LockId, MachineId, NodeId, Ranks, RequestId,
    Revision, ServiceId, Uid,
};
use lockstep_model::lrm::{self, Job, Lrm, Report};
use lockstep_model::manager::status::{Disarm, DisarmMode, ExitCode, LrmMode, Status};
use lockstep_model::record::{
    Data, DataKey, Entry, Grant, GrantState, Key, MoveKind, Outcome, Put, Record, Service,
    Snapshot, Wanted, Write,
};
use lockstep_model::time::{Instant, Span};
use lockstep_model::watchdog::message::{ClientId, ToMultiplexer};
use lockstep_model::watchdog::{self, Multiplexer};

use crate::command::{Command, Fate, Target, Who};
use crate::step::step;
use crate::text;

/// Something that reaches a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Lrm(lrm::Input),
    Mux(watchdog::Input),
    Contender(contender::Input),
}

/// Something that a machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Lrm(lrm::Effect),
    Mux(watchdog::Effect),
    Contender(contender::Effect),
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// A process began, under this identity.
    Began(Who, Holder),
    /// A process ended.
    Ended(Who),
    /// A machine took in an input, and answered.
    Step(Instant, Input, Vec<Effect>, Vec<Event>),
}

/// Node 0 with its LRM and multiplexer, node 1's contender for its lock, and the store.
pub(crate) struct Bench {
    pub(crate) config: Config,
    pub(crate) now: Instant,
    pub(crate) lrm: Option<Lrm>,
    pub(crate) mux: Option<Multiplexer>,
    pub(crate) contender: Option<Contender>,
    pub(crate) log: Vec<Entered>,
    next_incarnation: u64,
    revision: Revision,
    entries: Vec<Entry>,
    pub(crate) running: BTreeMap<ServiceId, bool>,
    /// What was sent elsewhere and is paused here.
    pub(crate) paused: BTreeMap<ServiceId, bool>,
    intents: Vec<ServiceId>,
    marker: bool,
    kill_timer: Option<Instant>,
    queue: VecDeque<Effect>,
    /// Whether every start ends without success.
    pub(crate) fail_starts: bool,
    /// Whether every job's report waits for `answer`.
    pub(crate) hold_jobs: bool,
    held: VecDeque<Input>,
    delayed: VecDeque<(Who, Write)>,
    fates: BTreeMap<Target, Fate>,
}

impl Bench {
    /// Nothing runs yet; service 0 belongs to node 0 and is wanted.
    pub(crate) fn new(timing: Timing, origin: Instant) -> Self {
        let service = Service::new(NodeId(0), Wanted::Started, Uid(1));
        let entry = Entry {
            key: Key::Service(ServiceId(0)),
            revision: Revision(1),
            record: Record::Service(service),
        };
        Self {
            config: Config::new(timing, Ranks::default()).expect("a sound timing"),
            now: origin,
            lrm: None,
            mux: None,
            contender: None,
            log: Vec::new(),
            next_incarnation: 1,
            revision: Revision(1),
            entries: vec![entry],
            running: BTreeMap::new(),
            paused: BTreeMap::new(),
            intents: Vec::new(),
            marker: false,
            kill_timer: None,
            queue: VecDeque::new(),
            fail_starts: false,
            hold_jobs: false,
            held: VecDeque::new(),
            delayed: VecDeque::new(),
            fates: BTreeMap::new(),
        }
    }

    /// Does what a command says, and everything that follows from it at this moment.
    pub(crate) fn perform(&mut self, command: &Command) {
        match *command {
            Command::Start(who) => self.start(who),
            Command::Crash(who) => self.end(who),
            Command::Tick(ticks) => (0..ticks).for_each(|_| self.tick()),
            Command::Stall(ticks) => self.now += Span(ticks),
            Command::Meet(fate, target) => {
                self.fates.insert(target, fate);
            }
            Command::Answer => {
                if let Some(input) = self.held.pop_front() {
                    self.feed(input);
                }
            }
            Command::Deliver => {
                if let Some((who, write)) = self.delayed.pop_front() {
                    self.write_now(who, &write, Target::Write);
                }
            }
            Command::Order(service, wanted, restarts_max, timeout_seconds) => {
                let order = Service {
                    restarts_max,
                    timeout_seconds,
                    ..self.next_order(NodeId(0), wanted)
                };
                self.order(service, order);
            }
            Command::Arrive(service, kind, location) => self.arrive(service, kind, location),
            Command::Peer(guarded) => self.peer(guarded),
            Command::Ask {
                maintenance,
                disarm,
            } => self.ask_lrm(maintenance, disarm),
            Command::Want(service, wanted) => self.want(service, wanted),
            Command::Leave(leave) => self.feed(Input::Lrm(lrm::Input::Leave(leave))),
            Command::Contend => self.feed(Input::Contender(contender::Input::Contend)),
            Command::Move(service, target) => {
                self.feed(Input::Contender(contender::Input::Move { service, target }));
            }
            Command::LetGo => self.feed(Input::Contender(contender::Input::LetGo)),
            Command::Ends(service) => {
                self.running.insert(service, false);
                self.feed(Input::Lrm(lrm::Input::ServiceEnded { service }));
            }
            Command::Terminate => self.feed(Input::Mux(watchdog::Input::Terminate)),
            Command::Attach(process) => self.ask(ToMultiplexer::Attach {
                process: Incarnation(process),
            }),
            Command::Arm(arm, ticks) => self.ask(ToMultiplexer::Arm {
                arm: client_arm(arm),
                expires: self.now + Span(ticks),
            }),
            Command::Extend(arm, renewal, ticks) => self.ask(ToMultiplexer::Extend {
                arm: client_arm(arm),
                renewal,
                expires: self.now + Span(ticks),
            }),
            Command::Disarm(arm) => self.ask(ToMultiplexer::Disarm {
                arm: client_arm(arm),
            }),
        }
        self.run();
    }

    fn arrive(&mut self, service: ServiceId, kind: MoveKind, location: NodeId) {
        let target = NodeId(0);
        let order = Service {
            brought: kind == MoveKind::Live && location == target,
            restarts_max: Some(1),
            ..self.next_order(location, Wanted::Moved { target, kind })
        };
        // Only under the lock does it leave.
        if self.location(service) != Some(target) || location == target {
            self.order(service, order);
        }
    }

    fn ask(&mut self, request: ToMultiplexer) {
        self.feed(Input::Mux(watchdog::Input::Client(ClientId::Lrm, request)));
    }

    fn holder(&mut self, number: u16) -> Holder {
        let incarnation = Incarnation(self.next_incarnation);
        self.next_incarnation += 1;
        Holder {
            node: NodeId(number),
            machine: MachineId(u128::from(number)),
            boot: BootId(u128::from(number)),
            incarnation,
        }
    }

    fn start(&mut self, who: Who) {
        self.end(who);
        let me = self.holder(u16::from(who == Who::Contender));
        self.log.push(Entered::Began(who, me));
        match who {
            Who::Lrm => {
                self.lrm = Some(Lrm::new(me));
                self.feed(Input::Lrm(lrm::Input::Started));
                let intents = self.intents.clone();
                self.feed(Input::Lrm(lrm::Input::KernelLock { intents }));
            }
            Who::Mux => {
                self.mux = Some(Multiplexer::new());
                let marker = self.marker;
                self.feed(Input::Mux(watchdog::Input::Started { marker }));
                self.feed(Input::Lrm(lrm::Input::WatchdogConnected));
            }
            Who::Contender => {
                self.contender = Some(Contender::new(NodeId(0), me));
                self.show(None);
            }
        }
    }

    fn end(&mut self, who: Who) {
        let lived = match who {
            Who::Lrm => self.lrm.take().is_some(),
            Who::Mux => self.mux.take().is_some(),
            Who::Contender => self.contender.take().is_some(),
        };
        if !lived {
            return;
        }
        self.log.push(Entered::Ended(who));
        let theirs = |effect: &Effect| match effect {
            Effect::Lrm(_) => who == Who::Lrm,
            Effect::Mux(_) => who == Who::Mux,
            Effect::Contender(_) => who == Who::Contender,
        };
        self.queue.retain(|effect| !theirs(effect));
        self.held.retain(|answer| match answer {
            Input::Lrm(_) => who != Who::Lrm,
            Input::Mux(_) => who != Who::Mux,
            Input::Contender(_) => who != Who::Contender,
        });
        match who {
            Who::Lrm => self.feed(Input::Mux(watchdog::Input::Vanished(ClientId::Lrm))),
            Who::Mux => {
                self.kill_timer = None;
                self.feed(Input::Lrm(lrm::Input::WatchdogGone));
            }
            Who::Contender => {}
        }
    }

    /// A machine takes in an input, if it is there.
    fn feed(&mut self, input: Input) {
        let (config, now) = (&self.config, self.now);
        let Some((effects, events)) = step(
            config,
            now,
            &input,
            &mut self.lrm,
            &mut self.mux,
            &mut self.contender,
        ) else {
            return;
        };
        self.queue.extend(effects.iter().cloned());
        self.log.push(Entered::Step(now, input, effects, events));
        self.judge_published();
    }

    /// What is published is true.
    fn judge_published(&self) {
        let Some(lrm) = &self.lrm else {
            return;
        };
        let published = lrm.published(&self.config, self.now).unwrap_or_default();
        let snapshot = self.snapshot();
        if published.mode == Some(LrmMode::Disarm) {
            assert_eq!(lrm.armed_until(), None, "disarmed, but armed");
            let me = lrm.lock().me();
            let held = snapshot
                .grant(LockId::Agent(me.node))
                .is_some_and(|grant| grant.state.is_held() && grant.holder == me);
            assert!(!held, "disarmed, but the lock is held");
        }
        for result in published.results {
            let order = snapshot.service(result.service);
            let stopped = order.is_some_and(|order| {
                order.uid == result.uid
                    && order.wanted == Wanted::Stopped
                    && result.code == ExitCode::SUCCESS
            });
            let runs = self.running.get(&result.service) == Some(&true);
            assert!(!(stopped && runs), "{} runs, stopped", result.service);
        }
    }

    fn tick(&mut self) {
        self.now += Span(1);
        if self.kill_timer.is_some_and(|at| at <= self.now) {
            self.end(Who::Mux);
        }
        // A machine that wakes for nothing would go on for ever.
        for _ in 0..8 {
            if !self.wake() {
                return;
            }
            self.run();
        }
        self.give_up("a machine is woken again and again");
    }

    /// Wakes whoever is due; whether anybody was.
    fn wake(&mut self) -> bool {
        let (config, now) = (&self.config, self.now);
        let lrm = self.lrm.as_ref().and_then(|it| it.next_wakeup(config));
        let mux = self.mux.as_ref().and_then(|it| it.next_wakeup(config));
        let contender = self
            .contender
            .as_ref()
            .and_then(|it| it.next_wakeup(config));
        let timers = [
            (lrm, Input::Lrm(lrm::Input::Timer)),
            (mux, Input::Mux(watchdog::Input::Timer)),
            (contender, Input::Contender(contender::Input::Timer)),
        ];
        let mut woken = false;
        for (wakeup, timer) in timers {
            if wakeup.is_some_and(|wakeup| wakeup.at <= now) {
                woken = true;
                self.feed(timer);
            }
        }
        woken
    }

    fn give_up(&self, why: &str) -> ! {
        let lines = self.log.iter().rev().take(12).map(text::lines);
        let lines: Vec<String> = lines.flatten().collect();
        panic!("{why}; newest first: {lines:#?}");
    }

    fn run(&mut self) {
        let mut executed = 0;
        while let Some(effect) = self.queue.pop_front() {
            executed += 1;
            if executed > 500 {
                self.give_up("the machines go on for ever at one moment");
            }
            match effect {
                Effect::Lrm(effect) => self.execute_lrm(effect),
                Effect::Mux(effect) => self.execute_mux(effect),
                Effect::Contender(contender::Effect::Write(write)) => {
                    self.write(Who::Contender, &write);
                }
                Effect::Contender(contender::Effect::Read(request)) => {
                    let snapshot = self.snapshot();
                    let answer = contender::Input::Read { request, snapshot };
                    self.answer(Target::Read, Input::Contender(answer));
                }
                Effect::Contender(contender::Effect::Fence(order)) => {
                    self.feed(Input::Contender(contender::Input::Fenced {
                        request: order.request,
                        fenced: contender::Fenced::Failed,
                    }));
                }
            }
        }
    }

    /// An answer arrives, unless a fate was met.
    fn answer(&mut self, target: Target, input: Input) {
        match self.fates.remove(&target) {
            None => self.feed(input),
            Some(Fate::Held) => self.held.push_back(input),
            Some(Fate::Lost | Fate::Failed | Fate::Delayed) => {}
        }
    }

    fn execute_lrm(&mut self, effect: lrm::Effect) {
        match effect {
            lrm::Effect::Write(write) => {
                self.write(Who::Lrm, &write);
            }
            lrm::Effect::Read(request) => {
                let snapshot = self.snapshot();
                let answer = lrm::Input::Read { request, snapshot };
                self.answer(Target::Read, Input::Lrm(answer));
            }
            lrm::Effect::Watchdog(request) if self.mux.is_some() => self.ask(request),
            lrm::Effect::Watchdog(_) => self.feed(Input::Lrm(lrm::Input::WatchdogGone)),
            lrm::Effect::Reap => self.feed(Input::Lrm(lrm::Input::Reaped)),
            lrm::Effect::RecordIntent { service, .. } => {
                if !self.intents.contains(&service) {
                    self.intents.push(service);
                }
                self.feed(Input::Lrm(lrm::Input::IntentRecorded { service }));
            }
            lrm::Effect::Spawn {
                service,
                job,
                worker,
                ..
            } => self.work(service, job, worker),
            lrm::Effect::KillServices(services) => {
                for service in services {
                    self.running.insert(service, false);
                }
                self.feed(Input::Lrm(lrm::Input::ServicesKilled));
            }
            lrm::Effect::Exit => self.end(Who::Lrm),
        }
    }

    fn work(&mut self, service: ServiceId, job: Job, worker: RequestId) {
        if self.hold_jobs {
            self.fates.insert(Target::Job, Fate::Held);
        }
        let failed = self.fates.get(&Target::Job) == Some(&Fate::Failed)
            || (self.fail_starts && job == Job::Start);
        let belongs = self.location(service) == Some(NodeId(0));
        let running = self.running.entry(service).or_default();
        let paused = self.paused.entry(service).or_default();
        match job {
            Job::Start => {
                assert!(belongs, "{service} is started where it doesn't belong");
                *running = true;
                *paused = false;
            }
            Job::Stop if !failed => {
                *running = false;
                *paused = false;
            }
            Job::Send { .. } if !failed && *running => {
                *running = false;
                *paused = true;
            }
            Job::Stop | Job::Query | Job::Send { .. } => {}
        }
        let report = match (failed, *running, *paused) {
            (true, _, _) => Report::Unclear,
            (false, true, _) => Report::Running,
            (false, false, true) => Report::Sent,
            (false, false, false) => Report::Stopped,
        };
        let done = lrm::Input::WorkerDone {
            service,
            job,
            worker,
            report,
        };
        if failed {
            self.fates.remove(&Target::Job);
        }
        self.answer(Target::Job, Input::Lrm(done));
    }

    fn execute_mux(&mut self, effect: watchdog::Effect) {
        let (target, completed) = match effect {
            watchdog::Effect::Reply(_, reply) => {
                return self.feed(Input::Lrm(lrm::Input::Watchdog(reply)));
            }
            watchdog::Effect::SetTimer(at) => {
                self.kill_timer = at;
                (Target::Timer, watchdog::Input::TimerSet(at))
            }
            watchdog::Effect::Open { timeout } => {
                let failed = self.fates.get(&Target::Device) == Some(&Fate::Failed);
                if failed {
                    self.fates.remove(&Target::Device);
                }
                self.marker = !failed;
                let opened = (!failed).then_some(timeout);
                (Target::Device, watchdog::Input::Opened(opened))
            }
            watchdog::Effect::Ping => return,
            watchdog::Effect::Resize { timeout } => {
                (Target::Device, watchdog::Input::Resized(timeout))
            }
            watchdog::Effect::Close => {
                self.marker = false;
                (Target::Device, watchdog::Input::Closed)
            }
            watchdog::Effect::Exit => return self.end(Who::Mux),
        };
        self.answer(target, Input::Mux(completed));
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            revision: self.revision,
            entries: self.entries.clone(),
        }
    }

    fn write(&mut self, who: Who, write: &Write) {
        let target = match write.moves_service() && who == Who::Lrm {
            true => Target::Location,
            false => Target::Write,
        };
        match self.fates.get(&target).copied() {
            Some(Fate::Lost) => {
                self.fates.remove(&target);
            }
            Some(Fate::Failed) => {
                self.fates.remove(&target);
                self.feed(written(who, write.request, Outcome::Refused));
            }
            Some(Fate::Delayed) => {
                self.fates.remove(&target);
                self.delayed.push_back((who, write.clone()));
            }
            Some(Fate::Held) | None => self.write_now(who, write, target),
        }
    }

    fn write_now(&mut self, who: Who, write: &Write, target: Target) {
        let holds = write.compares.iter().all(|compare| {
            let found = self.entries.iter().find(|entry| entry.key == compare.key);
            found.map_or(Revision::ABSENT, |entry| entry.revision) == compare.revision
        });
        if !holds {
            return self.answer(target, written(who, write.request, Outcome::Refused));
        }
        self.put(&write.puts);
        let outcome = Outcome::Applied(self.revision);
        self.answer(target, written(who, write.request, outcome));
        self.show(Some(who));
    }

    /// Where a service belongs.
    pub(crate) fn location(&self, service: ServiceId) -> Option<NodeId> {
        let service = self.snapshot().service(service).cloned()?;
        Some(service.location)
    }

    fn next_order(&self, location: NodeId, wanted: Wanted) -> Service {
        Service::new(location, wanted, Uid(self.revision.0 + 1))
    }

    fn order(&mut self, service: ServiceId, order: Service) {
        let key = Key::Service(service);
        let record = Record::Service(order);
        self.put(&[Put { key, record }]);
        self.show(None);
    }

    fn peer(&mut self, guarded: bool) {
        self.grant(NodeId(1), BootId(1), guarded);
    }

    /// A process of another boot of a node holds its lock, or has released it.
    pub(crate) fn grant(&mut self, node: NodeId, boot: BootId, guarded: bool) {
        let holder = Holder {
            node,
            machine: MachineId(u128::from(node.0)),
            boot,
            incarnation: Incarnation(1_000_000),
        };
        let grant = Grant {
            holder,
            epoch: Epoch::FIRST,
            ttl: self.config.timing().lock_ttl,
            state: match guarded {
                true => GrantState::HeldGuarded,
                false => GrantState::ReleasedClean,
            },
            written_by: RequestId {
                process: holder.incarnation,
                number: self.revision.0,
            },
        };
        let key = Key::Grant(LockId::Agent(node));
        let record = Record::Grant(grant);
        self.put(&[Put { key, record }]);
        self.show(None);
    }

    fn ask_lrm(&mut self, maintenance: bool, disarm: bool) {
        let mut status = Status::default();
        status.requests.insert(NodeId(0), maintenance);
        status.disarm = disarm.then_some(Disarm {
            mode: DisarmMode::Freeze,
            complete: false,
        });
        let key = Key::Data(DataKey::Status);
        let record = Record::Data(Box::new(Data::Status(status)));
        self.put(&[Put { key, record }]);
        self.show(None);
    }

    fn put(&mut self, puts: &[Put]) {
        self.revision.0 += 1;
        for Put { key, record } in puts {
            self.entries.retain(|entry| entry.key != *key);
            self.entries.push(Entry {
                key: *key,
                revision: self.revision,
                record: record.clone(),
            });
        }
        self.entries.sort_by_key(|entry| entry.key);
    }

    fn want(&mut self, service: ServiceId, wanted: Wanted) {
        let order = self.next_order(NodeId(0), wanted);
        self.order(service, order);
    }

    /// The watch shows what changed to everybody but who did it.
    fn show(&mut self, but: Option<Who>) {
        let snapshot = self.snapshot();
        if but != Some(Who::Contender) {
            let snapshot = snapshot.clone();
            self.feed(Input::Contender(contender::Input::Watched(snapshot)));
        }
        if but != Some(Who::Lrm) {
            self.feed(Input::Lrm(lrm::Input::Watched(snapshot)));
        }
    }
}

const fn written(who: Who, request: RequestId, outcome: Outcome) -> Input {
    match who {
        Who::Contender => Input::Contender(contender::Input::Written { request, outcome }),
        Who::Lrm | Who::Mux => Input::Lrm(lrm::Input::Written { request, outcome }),
    }
}

const fn client_arm(number: u64) -> ArmId {
    ArmId(RequestId {
        process: Incarnation(1),
        number,
    })
}
