//! The LRM's process: the LRM itself, and what it publishes.

use std::collections::VecDeque;

use lockstep_model::event::{Effects, Event, Level};
use lockstep_model::id::{Holder, RequestId};
use lockstep_model::lrm::rounds::{Reason, ShutdownPolicy};
use lockstep_model::lrm::{Effect, Input, Job, Leave, Lrm};
use lockstep_model::presence::{self, Presence};
use lockstep_model::record::{Outcome, Snapshot, Write};
use lockstep_model::time::{Instant, Span};

use super::cluster::Cluster;
use super::host::{LrmProcess, ToMux, Worker};
use crate::case::faults::Process;
use crate::log::Daemon;

impl Cluster {
    /// An LRM begins on a host that has none. Its predecessor, if there was one, is gone, and its
    /// kernel lock with it.
    pub(super) fn start_lrm(&mut self, host: usize) {
        let me = {
            let incarnation = self.incarnation();
            self.hosts[host].holder(incarnation)
        };
        let publisher = {
            let incarnation = self.incarnation();
            self.hosts[host].holder(incarnation)
        };
        self.forget_starts(host);
        let value = &mut self.hosts[host];
        let intents = value.intents.iter().copied().collect();
        let mut inbox = VecDeque::from([Input::Started, Input::KernelLock { intents }]);
        if value.mux.is_some() {
            inbox.push_back(Input::WatchdogConnected);
        }
        value.lrm = Some(LrmProcess {
            me,
            machine: Lrm::new(me),
            publisher,
            presence: Presence::new(me.node, publisher.incarnation),
            inbox,
            answers: VecDeque::new(),
            notified: true,
            restarting: false,
            stops: false,
            outbox: VecDeque::new(),
            stopped: false,
        });
    }

    /// An LRM's process has gone; its connection ends with it.
    pub(super) fn drop_lrm(&mut self, host: usize) {
        self.watch.dirty = true;
        let value = &mut self.hosts[host];
        let Some(lrm) = value.lrm.take() else {
            return;
        };
        if let Some(mux) = &mut value.mux {
            mux.inbox.push_back(ToMux::Vanished(lrm.me.incarnation));
        }
    }

    /// Asks a node's LRM to end (`protocol.md` 5.10).
    pub(super) fn leave_lrm(&mut self, host: usize, reason: Reason) {
        let word = self.datacenter.ha.shutdown_policy.as_deref();
        let policy = word.and_then(ShutdownPolicy::from_name);
        let policy = policy.unwrap_or(ShutdownPolicy::Conditional);
        let node = self.hosts[host].id;
        let status = self.store.status();
        let in_maintenance = status.is_some_and(|status| status.wants_maintenance(node));
        let Some(lrm) = &mut self.hosts[host].lrm else {
            return;
        };
        let leave = Leave::of(reason, policy, in_maintenance);
        lrm.stops |= matches!(leave, Leave::Stop | Leave::StopAndFreeze);
        lrm.inbox.push_back(Input::Leave(leave));
        let text = format!("got {} request: {leave:?}", reason.name());
        self.lrm_says(host, Level::Info, &text);
    }

    /// Asks a node's LRM to end and come back.
    pub(super) fn restart_lrm(&mut self, host: usize) {
        if let Some(lrm) = &mut self.hosts[host].lrm {
            lrm.restarting = true;
            self.leave_lrm(host, Reason::Restart);
        }
    }

    /// The LRM's process takes in the next thing that reached it.
    pub(super) fn deliver_lrm(&mut self, host: usize) -> bool {
        if self.is_paused_lrm() {
            return false;
        }
        let sees = self.can_read(host);
        let snapshot = self.store.snapshot();
        let Some(lrm) = self.hosts[host].lrm.as_mut().filter(|lrm| !lrm.stopped) else {
            return false;
        };
        if !lrm.outbox.is_empty() {
            self.empty_lrm(host);
        } else if let Some(answer) = lrm.answers.pop_front() {
            self.step_presence(host, answer);
        } else if let Some(input) = lrm.inbox.pop_front() {
            self.step_lrm(host, input);
        } else if lrm.notified && sees {
            lrm.notified = false;
            self.step_lrm(host, Input::Watched(Snapshot::clone(&snapshot)));
            self.step_presence(host, presence::Input::Watched(Snapshot::clone(&snapshot)));
        } else {
            return false;
        }
        true
    }

    pub(super) fn next_wakeup_lrm(&self, host: usize) -> Option<Instant> {
        let lrm = self.hosts[host].lrm.as_ref().filter(|lrm| !lrm.stopped)?;
        let machine = lrm.machine.next_wakeup(&self.config);
        let presence = lrm.presence.next_wakeup(&self.config);
        machine
            .into_iter()
            .chain(presence)
            .map(|wakeup| wakeup.at)
            .min()
    }

    pub(super) fn wake_lrm(&mut self, host: usize) -> bool {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= self.now);
        if !due(self.next_wakeup_lrm(host)) {
            return false;
        }
        self.step_lrm(host, Input::Timer);
        self.step_presence(host, presence::Input::Timer);
        true
    }

    fn step_lrm(&mut self, host: usize, input: Input) {
        let Some(lrm) = &mut self.hosts[host].lrm else {
            return;
        };
        let mut out = Effects::new();
        lrm.machine.step(&self.config, self.now, input, &mut out);
        let checked = lrm.machine.check();
        self.judge_machine(host, checked);
        // One line of a cut-off node each second says nothing.
        let said = out.events.iter();
        for event in said.filter(|event| **event != Event::RequestUnanswered) {
            self.say_event(host, Daemon::Lrm, event);
        }
        if let Some(lrm) = &mut self.hosts[host].lrm {
            lrm.outbox.extend(out.effects);
        }
        self.empty_lrm(host);
        self.publish(host);
    }

    /// The LRM does what it has to do, until that is all or it is stopped.
    pub(super) fn empty_lrm(&mut self, host: usize) {
        loop {
            let lrm = self.hosts[host].lrm.as_ref().filter(|lrm| !lrm.stopped);
            let Some(effect) = lrm.and_then(|lrm| lrm.outbox.front()) else {
                return;
            };
            let name = self.name_of_lrm_effect(effect);
            if self.is_trapped(host, Process::Lrm, name, true) {
                continue;
            }
            let lrm = self.hosts[host].lrm.as_mut();
            let Some(effect) = lrm.and_then(|lrm| lrm.outbox.pop_front()) else {
                return;
            };
            self.execute_lrm(host, effect);
            self.is_trapped(host, Process::Lrm, name, false);
        }
    }

    /// What the LRM says of itself now is to stand in its record.
    fn publish(&mut self, host: usize) {
        let Some(lrm) = self.hosts[host].lrm.as_ref().filter(|lrm| !lrm.stopped) else {
            return;
        };
        let Some(status) = lrm.machine.published(&self.config, self.now) else {
            return;
        };
        let beats = lrm.machine.lock().hold().is_some();
        self.step_presence(host, presence::Input::Publish { status, beats });
    }

    fn step_presence(&mut self, host: usize, input: presence::Input) {
        let Some(lrm) = &mut self.hosts[host].lrm else {
            return;
        };
        let mut out = Effects::new();
        lrm.presence.step(&self.config, self.now, input, &mut out);
        let (sender, checked) = (lrm.publisher, lrm.presence.check());
        self.judge_machine(host, checked);
        for effect in out.effects {
            let answer = match effect {
                presence::Effect::Write(write) => {
                    let request = write.request;
                    let outcome = self.write(host, sender, write);
                    outcome.map(|outcome| presence::Input::Written { request, outcome })
                }
                presence::Effect::Read(request) => self.read(host).map(|snapshot| {
                    let snapshot = Snapshot::clone(&snapshot);
                    presence::Input::Read { request, snapshot }
                }),
            };
            if let Some(lrm) = &mut self.hosts[host].lrm {
                lrm.answers.extend(answer);
            }
        }
    }

    fn execute_lrm(&mut self, host: usize, effect: Effect) {
        let Some(me) = self.hosts[host].lrm.as_ref().map(|lrm| lrm.me) else {
            return;
        };
        let input = match effect {
            Effect::Write(write) => self.write_of_lrm(host, me, write),
            Effect::Read(request) => self.read(host).map(|snapshot| {
                let snapshot = Snapshot::clone(&snapshot);
                Input::Read { request, snapshot }
            }),
            Effect::Watchdog(request) => match &mut self.hosts[host].mux {
                Some(mux) => {
                    mux.inbox.push_back(ToMux::Request(me.incarnation, request));
                    None
                }
                None => Some(Input::WatchdogGone),
            },
            Effect::Reap => {
                self.reap(host);
                Some(Input::Reaped)
            }
            Effect::RecordIntent { service, .. } => {
                self.hosts[host].intents.insert(service);
                Some(Input::IntentRecorded { service })
            }
            Effect::Spawn {
                worker,
                service,
                job,
                timeout_seconds,
                ..
            } => {
                self.judge_job(host, service, job);
                self.spawn(host, &me, worker, service, job, timeout_seconds);
                None
            }
            Effect::KillServices(services) => {
                self.judge_kill(host, &services);
                self.kill(host, &services);
                Some(Input::ServicesKilled)
            }
            Effect::Exit => {
                self.lrm_ended(host);
                None
            }
        };
        if let Some(lrm) = &mut self.hosts[host].lrm {
            lrm.inbox.extend(input);
        }
    }

    fn spawn(
        &mut self,
        host: usize,
        me: &Holder,
        id: RequestId,
        service: lockstep_model::id::ServiceId,
        job: Job,
        timeout: Option<u64>,
    ) {
        let worker = Worker {
            id,
            owner: me.incarnation,
            service,
            job,
            ends: self.now + Span::ZERO,
        };
        self.begin_job(host, worker, timeout);
    }

    fn write_of_lrm(&mut self, host: usize, me: Holder, write: Write) -> Option<Input> {
        let request = write.request;
        let outcome: Outcome = self.write(host, me, write)?;
        Some(Input::Written { request, outcome })
    }

    /// What a linearizable read shows, if it is answered.
    pub(super) fn read(&self, host: usize) -> Option<std::rc::Rc<Snapshot>> {
        self.can_read(host).then(|| self.store.snapshot())
    }
}
