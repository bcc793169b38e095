//! The multiplexer's process and the device under it.

use std::collections::VecDeque;

use lockstep_model::event::Effects;
use lockstep_model::lrm;
use lockstep_model::time::Instant;
use lockstep_model::watchdog::message::{ClientId, ToMultiplexer};
use lockstep_model::watchdog::{Effect, Input, Multiplexer};

use super::cluster::Cluster;
use super::host::{Device, MuxProcess, ToMux};
use crate::case::faults::Process;
use crate::effects;

impl Cluster {
    /// The multiplexer begins with its host.
    pub(super) fn start_mux(&mut self, host: usize) {
        let marker = self.hosts[host].marker;
        self.hosts[host].mux = Some(MuxProcess {
            machine: Multiplexer::new(),
            inbox: VecDeque::from([ToMux::Input(Input::Started { marker })]),
            peer: None,
            outbox: VecDeque::new(),
            done: VecDeque::new(),
            stopped: false,
        });
    }

    /// It is started again, and whoever lives connects.
    pub(super) fn restart_mux(&mut self, host: usize) {
        self.start_mux(host);
        if let Some(lrm) = &mut self.hosts[host].lrm {
            lrm.inbox.push_back(lrm::Input::WatchdogConnected);
        }
    }

    /// It takes in the next thing that reached it.
    pub(super) fn deliver_mux(&mut self, host: usize) -> bool {
        let value = &mut self.hosts[host];
        let Some(mux) = value.mux.as_mut().filter(|mux| !mux.stopped) else {
            return false;
        };
        if !mux.outbox.is_empty() || !mux.done.is_empty() {
            self.empty_mux(host);
            return true;
        }
        let Some(next) = mux.inbox.pop_front() else {
            return false;
        };
        let input = match next {
            ToMux::Input(input) => Some(input),
            ToMux::Request(from, request) => {
                let lives = value
                    .lrm
                    .as_ref()
                    .is_some_and(|lrm| lrm.me.incarnation == from);
                if let ToMultiplexer::Attach { .. } = request {
                    // A connection that has ended is not one to begin with.
                    mux.peer = lives.then_some(from).or(mux.peer);
                }
                (mux.peer == Some(from)).then_some(Input::Client(ClientId::Lrm, request))
            }
            // Only the present connection's end says anything.
            ToMux::Vanished(from) => mux
                .peer
                .take_if(|peer| *peer == from)
                .map(|_| Input::Vanished(ClientId::Lrm)),
        };
        if let Some(input) = input {
            self.step_mux(host, input);
        }
        true
    }

    pub(super) fn next_wakeup_mux(&self, host: usize) -> Option<Instant> {
        let mux = self.hosts[host].mux.as_ref().filter(|mux| !mux.stopped)?;
        Some(mux.machine.next_wakeup(&self.config)?.at)
    }

    pub(super) fn wake_mux(&mut self, host: usize) -> bool {
        let due = self.next_wakeup_mux(host).is_some_and(|at| at <= self.now);
        if due {
            self.step_mux(host, Input::Timer);
        }
        due
    }

    fn step_mux(&mut self, host: usize, input: Input) {
        if let Some(mux) = &mut self.hosts[host].mux {
            mux.done.push_back(input);
        }
        self.empty_mux(host);
    }

    /// The multiplexer does what it has to do and takes in what comes of it, until that is all or it
    /// is stopped.
    pub(super) fn empty_mux(&mut self, host: usize) {
        loop {
            let Some(mux) = self.hosts[host].mux.as_mut().filter(|mux| !mux.stopped) else {
                return;
            };
            if let Some(effect) = mux.outbox.front() {
                let name = effects::of_mux(effect);
                if self.is_trapped(host, Process::Mux, name, true) {
                    continue;
                }
                let mux = self.hosts[host].mux.as_mut();
                if let Some(effect) = mux.and_then(|mux| mux.outbox.pop_front()) {
                    let input = self.execute_mux(host, effect);
                    if let Some(mux) = &mut self.hosts[host].mux {
                        mux.done.extend(input);
                    }
                    self.is_trapped(host, Process::Mux, name, false);
                }
            } else if let Some(input) = mux.done.pop_front() {
                let mut out = Effects::new();
                mux.machine.step(&self.config, self.now, input, &mut out);
                mux.outbox.extend(out.effects);
                let checked = mux.machine.check(&self.config);
                self.judge_machine(host, checked);
                for event in &out.events {
                    self.mux_says(host, event);
                }
            } else {
                return;
            }
        }
    }

    /// Carries out an effect; what is done at once is answered at once.
    fn execute_mux(&mut self, host: usize, effect: Effect) -> Option<Input> {
        self.watch.dirty = true;
        let (now, reset_max) = (self.now, self.config.timing().reset_max);
        let value = &mut self.hosts[host];
        let counting = Device::Counting {
            due: now + reset_max,
        };
        match effect {
            Effect::Reply(ClientId::Lrm, reply) => {
                let peer = value.mux.as_ref().and_then(|mux| mux.peer);
                if let Some(lrm) = &mut value.lrm
                    && Some(lrm.me.incarnation) == peer
                {
                    lrm.inbox.push_back(lrm::Input::Watchdog(reply));
                }
                None
            }
            Effect::Reply(ClientId::Crm, _) => None,
            Effect::SetTimer(at) => {
                value.kill_timer = at;
                Some(Input::TimerSet(at))
            }
            Effect::Open { timeout } => {
                value.marker = true;
                value.device = counting;
                Some(Input::Opened(Some(timeout)))
            }
            Effect::Ping => {
                value.ping(now, reset_max);
                None
            }
            Effect::Resize { timeout } => {
                value.device = counting;
                Some(Input::Resized(timeout))
            }
            Effect::Close => {
                value.device = Device::Off;
                value.marker = false;
                Some(Input::Closed)
            }
            Effect::Exit => {
                self.mux_ends(host);
                None
            }
        }
    }

    /// The multiplexer ends, by itself or not. The kernel closes its device; a counting one is pinged
    /// by that.
    pub(super) fn mux_ends(&mut self, host: usize) {
        self.watch.dirty = true;
        let (now, reset_max) = (self.now, self.config.timing().reset_max);
        let value = &mut self.hosts[host];
        value.ping(now, reset_max);
        value.mux = None;
        value.kill_timer = None;
        if let Some(lrm) = &mut value.lrm {
            lrm.inbox.push_back(lrm::Input::WatchdogGone);
        }
    }
}
