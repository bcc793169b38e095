//! Processes: taking in inputs, executing effects.

use lockstep_model::contender;
use lockstep_model::lrm;
use lockstep_model::presence;
use lockstep_model::time::Span;
use lockstep_model::watchdog::message::{ClientId, ToMultiplexer};
use lockstep_model::watchdog::{self};

use crate::action::Proc;
use crate::crm::Said;
use crate::setup::Setup;
use crate::state::{Device, FromClient, Instance, Worker, World};

impl World {
    pub(crate) fn step_lrm(
        &mut self,
        setup: &Setup,
        host: usize,
        index: usize,
        input: lrm::Input,
    ) -> Vec<Said> {
        let config = setup.config(self.reconfigured);
        let Some(process) = self.hosts[host].lrms.get_mut(index) else {
            return Vec::new();
        };
        let said = process
            .take_in(|machine, effects| machine.step(config, Self::now(setup), input, effects));
        if index == 0 {
            self.publish_lrm(setup, host);
        }
        said.into_iter().map(Said::from).collect()
    }

    pub(crate) fn step_mux(
        &mut self,
        setup: &Setup,
        host: usize,
        input: watchdog::Input,
    ) -> Vec<Said> {
        let config = setup.config(self.reconfigured);
        let value = &mut self.hosts[host];
        let Some(process) = &mut value.mux else {
            return Vec::new();
        };
        let events = process
            .take_in(|machine, effects| machine.step(config, Self::now(setup), input, effects));
        // A timer that was moved while the multiplexer was stopped stands, whatever that thinks.
        let enforced = process.machine.deadline(config).max(value.kill_timer);
        value.last_deadline = enforced.or(value.last_deadline);
        events.into_iter().map(Said::from).collect()
    }

    pub(crate) fn step_contender(
        &mut self,
        setup: &Setup,
        host: usize,
        input: contender::Input,
    ) -> Vec<Said> {
        let config = setup.config(self.reconfigured);
        let Some(process) = &mut self.hosts[host].contender else {
            return Vec::new();
        };
        let said = process
            .take_in(|machine, effects| machine.step(config, Self::now(setup), input, effects));
        said.into_iter().map(Said::from).collect()
    }

    /// What a synchronous call returns: taken in at once, or later like any input.
    fn complete_lrm(
        &mut self,
        setup: &Setup,
        host: usize,
        index: usize,
        input: lrm::Input,
    ) -> Vec<Said> {
        if setup.reduce {
            return self.step_lrm(setup, host, index, input);
        }
        if let Some(lrm) = self.hosts[host].lrms.get_mut(index) {
            lrm.inbox.push(input);
        }
        Vec::new()
    }

    /// A process executes an effect.
    pub(crate) fn execute(
        &mut self,
        setup: &Setup,
        host: usize,
        proc: Proc,
        effect: usize,
        delayed: bool,
    ) -> Vec<Said> {
        match proc {
            Proc::Lrm(index) => {
                let outbox = &mut self.hosts[host].lrms[index].outbox;
                let effect = outbox.remove(effect);
                self.execute_lrm(setup, host, index, effect, delayed)
            }
            Proc::Mux => {
                let Some(mux) = &mut self.hosts[host].mux else {
                    return Vec::new();
                };
                let effect = mux.outbox.remove(effect);
                self.execute_mux(setup, host, effect)
            }
            Proc::Contender => {
                let Some(contender) = &mut self.hosts[host].contender else {
                    return Vec::new();
                };
                match contender.outbox.remove(effect) {
                    contender::Effect::Write(write) => {
                        self.send_write(setup, host, proc, write, delayed);
                    }
                    contender::Effect::Read(request) => {
                        self.send_read(setup, host, proc, request, delayed);
                    }
                    contender::Effect::Fence(order) => self.hosts[host].agents.push(order),
                }
                Vec::new()
            }
            Proc::Crm => {
                let Some(crm) = &mut self.hosts[host].crm else {
                    return Vec::new();
                };
                let effect = crm.outbox.remove(effect);
                self.execute_crm(setup, host, effect, delayed)
            }
        }
    }

    fn execute_lrm(
        &mut self,
        setup: &Setup,
        host: usize,
        index: usize,
        effect: lrm::Effect,
        delayed: bool,
    ) -> Vec<Said> {
        let owner = self.hosts[host].lrms[index].incarnation;
        match effect {
            lrm::Effect::Write(write) => {
                self.send_write(setup, host, Proc::Lrm(index), write, delayed);
            }
            lrm::Effect::Read(request) => {
                self.send_read(setup, host, Proc::Lrm(index), request, delayed);
            }
            lrm::Effect::Watchdog(request) => self.tell_mux(host, index, request),
            lrm::Effect::Reap => {
                self.kill_workers(host);
                return self.complete_lrm(setup, host, index, lrm::Input::Reaped);
            }
            lrm::Effect::RecordIntent { service, .. } => {
                let intents = &mut self.hosts[host].intents;
                if let Err(position) = intents.binary_search(&service) {
                    intents.insert(position, service);
                }
                let input = lrm::Input::IntentRecorded { service };
                return self.complete_lrm(setup, host, index, input);
            }
            lrm::Effect::Spawn {
                worker: id,
                service,
                job,
                ..
            } => {
                let worker = Worker {
                    id,
                    owner,
                    service,
                    job,
                    hung: false,
                };
                self.hosts[host].workers.push(worker);
                if setup.instant_agents {
                    let report = self.do_job(host, worker);
                    let input = lrm::Input::WorkerDone {
                        worker: id,
                        service,
                        job,
                        report,
                    };
                    return self.complete_lrm(setup, host, index, input);
                }
            }
            lrm::Effect::KillServices(services) => {
                let value = &mut self.hosts[host];
                for service in &services {
                    value.instances[usize::from(service.0)] = Instance::Absent;
                }
                value
                    .workers
                    .retain(|worker| !services.contains(&worker.service));
                return self.complete_lrm(setup, host, index, lrm::Input::ServicesKilled);
            }
            lrm::Effect::Exit => self.lrm_ends(setup, host, index),
        }
        Vec::new()
    }

    fn tell_mux(&mut self, host: usize, index: usize, request: ToMultiplexer) {
        let value = &mut self.hosts[host];
        let from = value.lrms[index].incarnation;
        match &mut value.mux {
            Some(mux) => mux.inbox.push(FromClient {
                from,
                request: Some(request),
            }),
            None => value.lrms[index].inbox.push(lrm::Input::WatchdogGone),
        }
    }

    fn execute_mux(&mut self, setup: &Setup, host: usize, effect: watchdog::Effect) -> Vec<Said> {
        let value = &mut self.hosts[host];
        let counting = |timeout: Span| Device::Counting {
            timeout,
            elapsed: 0,
        };
        let completed = match effect {
            watchdog::Effect::Reply(ClientId::Lrm, reply) => {
                let peer = value.mux_peer;
                let lrm = value
                    .lrms
                    .iter_mut()
                    .find(|lrm| Some(lrm.incarnation) == peer);
                if let Some(lrm) = lrm {
                    lrm.inbox.push(lrm::Input::Watchdog(reply));
                }
                return Vec::new();
            }
            watchdog::Effect::Reply(ClientId::Crm, _) => return Vec::new(),
            watchdog::Effect::SetTimer(at) => {
                value.kill_timer = at;
                watchdog::Input::TimerSet(at)
            }
            watchdog::Effect::Open { timeout } => {
                value.marker = true;
                value.device = counting(timeout);
                watchdog::Input::Opened(Some(timeout))
            }
            watchdog::Effect::Ping => {
                self.ping(host);
                return Vec::new();
            }
            watchdog::Effect::Resize { timeout } => {
                value.device = counting(timeout);
                watchdog::Input::Resized(timeout)
            }
            watchdog::Effect::Close => {
                value.device = Device::Off;
                value.marker = false;
                value.last_deadline = None;
                watchdog::Input::Closed
            }
            watchdog::Effect::Exit => {
                self.mux_ends(host);
                return Vec::new();
            }
        };
        self.step_mux(setup, host, completed)
    }

    /// Opening the device goes wrong: it fails, or the device counts for longer than was asked.
    pub(crate) fn open_fails(
        &mut self,
        setup: &Setup,
        host: usize,
        effect: usize,
        longer: bool,
    ) -> Vec<Said> {
        let value = &mut self.hosts[host];
        let asked = value.mux.as_mut().map(|mux| mux.outbox.remove(effect));
        let Some(watchdog::Effect::Open { timeout }) = asked else {
            unreachable!("{asked:?} doesn't open the device");
        };
        let counts = longer.then_some(timeout + Span(1));
        if let Some(timeout) = counts {
            value.marker = true;
            value.device = Device::Counting {
                timeout,
                elapsed: 0,
            };
        }
        self.step_mux(setup, host, watchdog::Input::Opened(counts))
    }

    /// A process takes in an input.
    pub(crate) fn deliver(
        &mut self,
        setup: &Setup,
        host: usize,
        proc: Proc,
        input: usize,
    ) -> Vec<Said> {
        match proc {
            Proc::Lrm(index) => {
                let input = self.hosts[host].lrms[index].inbox.remove(input);
                self.step_lrm(setup, host, index, input)
            }
            Proc::Mux => {
                let value = &mut self.hosts[host];
                let Some(mux) = &mut value.mux else {
                    return Vec::new();
                };
                let FromClient { from, request } = mux.inbox.remove(input);
                let lives = value.lrms.iter().any(|lrm| lrm.incarnation == from);
                let input = match request {
                    // A connection that has ended is not one to begin with.
                    Some(ToMultiplexer::Attach { .. }) if !lives => return Vec::new(),
                    Some(request) => {
                        if let ToMultiplexer::Attach { .. } = request {
                            value.mux_peer = Some(from);
                        }
                        watchdog::Input::Client(ClientId::Lrm, request)
                    }
                    // Only the present connection's end says anything.
                    None if value.mux_peer == Some(from) => {
                        value.mux_peer = None;
                        watchdog::Input::Vanished(ClientId::Lrm)
                    }
                    None => return Vec::new(),
                };
                self.step_mux(setup, host, input)
            }
            Proc::Contender => {
                let Some(contender) = &mut self.hosts[host].contender else {
                    return Vec::new();
                };
                let input = contender.inbox.remove(input);
                self.step_contender(setup, host, input)
            }
            Proc::Crm => self.deliver_crm(setup, host, input),
        }
    }

    /// A process sees what the watch has for it.
    pub(crate) fn watch(&mut self, setup: &Setup, host: usize, proc: Proc) -> Vec<Said> {
        match proc {
            Proc::Lrm(index) => {
                let snapshot = self.store.snapshot_for(setup, self.hosts[host].node);
                self.hosts[host].lrms[index].notified = false;
                if index == 0 && self.hosts[host].presence.is_some() {
                    let input = presence::Input::Watched(snapshot.clone());
                    self.step_presence(setup, host, input);
                }
                self.step_lrm(setup, host, index, lrm::Input::Watched(snapshot))
            }
            Proc::Contender => {
                let snapshot = self.store.snapshot();
                if let Some(contender) = &mut self.hosts[host].contender {
                    contender.notified = false;
                }
                self.step_contender(setup, host, contender::Input::Watched(snapshot))
            }
            Proc::Crm => self.watch_crm(setup, host),
            Proc::Mux => Vec::new(),
        }
    }

    /// A process wakes up.
    pub(crate) fn wake(&mut self, setup: &Setup, host: usize, proc: Proc) -> Vec<Said> {
        match proc {
            Proc::Lrm(index) => {
                let said = self.step_lrm(setup, host, index, lrm::Input::Timer);
                if index == 0 {
                    self.step_presence(setup, host, presence::Input::Timer);
                }
                said
            }
            Proc::Mux => self.step_mux(setup, host, watchdog::Input::Timer),
            Proc::Contender => self.step_contender(setup, host, contender::Input::Timer),
            Proc::Crm => self.wake_crm(setup, host),
        }
    }
}
