//! Power, processes coming and going, the watchdog's device, and time.

use lockstep_model::contender::{self, Contender};
use lockstep_model::id::{BootId, Incarnation};
use lockstep_model::lrm::{self, Lrm};
use lockstep_model::time::Instant;
use lockstep_model::watchdog::{self, Multiplexer};

use crate::crm::Said;
use crate::setup::{Admin, Setup};
use crate::shared::Shared;
use crate::state::{Device, FromClient, Instance, Process, World};

impl World {
    pub(crate) fn incarnation(&mut self, host: usize) -> Incarnation {
        let next = &mut self.hosts[host].next_incarnation;
        let incarnation = *next;
        next.0 += 1;
        incarnation
    }

    /// A host boots: nothing of the last boot is left.
    pub(crate) fn boot(&mut self, setup: &Setup, host: usize) -> Vec<Said> {
        self.hosts[host].on = true;
        let mut events = Vec::new();
        if setup.hosts[host].lrm {
            events.extend(self.start_mux(setup, host));
            events.extend(self.start_lrm(setup, host));
        }
        if setup.hosts[host].contends_for.is_some() {
            self.start_contender(setup, host);
        }
        if setup.hosts[host].stand_in {
            self.start_stand_in(setup, host);
        }
        if setup.hosts[host].crm {
            events.extend(self.start_crm(setup, host));
        }
        events
    }

    /// A host loses power, or its watchdog resets it. Its I/O trails.
    pub(crate) fn power_off(&mut self, setup: &Setup, host: usize) {
        let value = &mut *self.hosts[host];
        value.on = false;
        value.boot = BootId(value.boot.0 + 1);
        value.device = Device::Off;
        value.kill_timer = None;
        value.marker = false;
        value.slow_ping = false;
        value.lrms.clear();
        value.mux = None;
        value.mux_peer = None;
        value.contender = None;
        value.crm = None;
        value.presence = None;
        value.stand_in = None;
        value.workers.clear();
        value.agents.clear();
        value.intents.clear();
        value.failed.clear();
        value.stopped = false;
        value.suspended = false;
        value.last_deadline = None;
        for (instance, trailing) in value.instances.iter_mut().zip(&mut value.trailing) {
            if instance.runs() {
                *trailing = setup.physics.trail;
            }
            *instance = Instance::Absent;
        }
    }

    /// The first LRM process obtains the kernel lock, and reads this boot's intents.
    fn obtain_kernel_lock(&mut self, setup: &Setup, host: usize) -> Vec<Said> {
        let intents = self.hosts[host].intents.clone();
        self.step_lrm(setup, host, 0, lrm::Input::KernelLock { intents })
    }

    /// An LRM process is started. It obtains the kernel lock if no other process has it.
    pub(crate) fn start_lrm(&mut self, setup: &Setup, host: usize) -> Vec<Said> {
        let incarnation = self.incarnation(host);
        let value = &mut self.hosts[host];
        let me = value.holder(incarnation);
        let index = value.lrms.len();
        let process = Process::new(incarnation, Lrm::new(me));
        value.lrms.push(Shared::new(process));
        if index == 0 {
            self.start_presence(setup, host);
        }
        let mut events = self.step_lrm(setup, host, index, lrm::Input::Started);
        if index == 0 {
            events.extend(self.obtain_kernel_lock(setup, host));
        }
        events
    }

    /// An LRM process ends, by itself or not: its connection and its kernel lock end with it.
    pub(crate) fn lrm_ends(&mut self, setup: &Setup, host: usize, index: usize) {
        let value = &mut self.hosts[host];
        let process = value.lrms.remove(index);
        // One that is new counts anew.
        value.failed.clear();
        if let Some(mux) = &mut value.mux {
            mux.inbox.push(FromClient {
                from: process.incarnation,
                request: None,
            });
        }
        let heir = !value.lrms.is_empty();
        if index == 0 {
            value.presence = None;
        }
        if index == 0 && heir {
            self.start_presence(setup, host);
            self.obtain_kernel_lock(setup, host);
        }
    }

    pub(crate) fn start_mux(&mut self, setup: &Setup, host: usize) -> Vec<Said> {
        let value = &mut self.hosts[host];
        let marker = value.marker;
        let process = Process::new(Incarnation(0), Multiplexer::new());
        value.mux = Some(Shared::new(process));
        value.mux_peer = None;
        for lrm in &mut value.lrms {
            lrm.inbox.push(lrm::Input::WatchdogConnected);
        }
        self.step_mux(setup, host, watchdog::Input::Started { marker })
    }

    /// The multiplexer ends, by itself or not. The kernel closes the device; a counting one is
    /// pinged by that.
    pub(crate) fn mux_ends(&mut self, host: usize) {
        self.ping(host);
        let value = &mut self.hosts[host];
        value.mux = None;
        value.mux_peer = None;
        value.kill_timer = None;
        for lrm in &mut value.lrms {
            // A connection that begins and ends unseen was none.
            let unseen = |input: &lrm::Input| *input != lrm::Input::WatchdogConnected;
            lrm.inbox.retain(unseen);
            if !lrm.inbox.contains(&lrm::Input::WatchdogGone) {
                lrm.inbox.push(lrm::Input::WatchdogGone);
            }
        }
    }

    pub(crate) fn start_contender(&mut self, setup: &Setup, host: usize) {
        let Some(lock) = setup.hosts[host].contends_for else {
            return;
        };
        let incarnation = self.incarnation(host);
        let value = &mut self.hosts[host];
        let me = value.holder(incarnation);
        let mut process = Process::new(incarnation, Contender::new(lock, me));
        process.notified = true;
        value.contender = Some(Shared::new(process));
        if setup.fenceable.contains(&lock) {
            let there_is = contender::Input::Fence { agent: true };
            self.step_contender(setup, host, there_is);
        }
        if !setup.admin.contains(&Admin::LetGo) {
            self.step_contender(setup, host, contender::Input::Contend);
        }
    }

    pub(crate) fn ping(&mut self, host: usize) {
        match &mut self.hosts[host].device {
            Device::Counting { elapsed, .. } => *elapsed = 0,
            Device::Off => {}
        }
    }

    /// How many ticks the device needs at most from a ping to the reset.
    pub(crate) fn reset_due(&self, setup: &Setup, host: usize) -> Option<u64> {
        match self.hosts[host].device {
            Device::Counting { timeout, elapsed } => {
                Some((timeout.0 + setup.physics.device_slack).saturating_sub(elapsed))
            }
            Device::Off => None,
        }
    }

    /// A tick passes. `clocks[host]` is by how much the host's clock advances.
    pub(crate) fn tick(&mut self, setup: &Setup, drifting: Option<(usize, bool)>) {
        for index in 0..self.hosts.len() {
            let host = &mut self.hosts[index];
            for left in &mut host.trailing {
                *left = left.saturating_sub(1);
            }
            if host.stopped {
                host.stop_left = host.stop_left.saturating_sub(1);
                continue;
            }
            let advance = match drifting {
                Some((drifting, fast)) if drifting == index => 2 * u64::from(fast),
                Some(_) | None => 1,
            };
            if host.suspended {
                // Its clock goes on; nothing else does.
                host.rebase(setup, 1);
                continue;
            }
            host.drift_wait = host.drift_wait.saturating_sub(1);
            if advance != 1 {
                host.drift_wait = setup.physics.drift_spacing.unwrap_or(1).saturating_sub(1);
            }
            if let Device::Counting { elapsed, .. } = &mut host.device {
                *elapsed += 1;
            }
            host.rebase(setup, advance);
        }
        self.age_locks(setup);
        self.stand_ins_beat(setup);
    }

    /// Nobody has written to a lock for one more tick.
    fn age_locks(&mut self, setup: &Setup) {
        let bound = setup.rebase_bound.0;
        for index in 0..self.store.locks.len() {
            let lock = self.store.locks[index].lock;
            let held = self
                .grant_of(lock)
                .is_some_and(|grant| grant.state.is_held());
            // How long a free lock has been free says nothing.
            let before = self.store.locks[index].age;
            let age = if held { (before + 1).min(bound) } else { 0 };
            if age != before {
                self.store.locks[index].age = age;
            }
        }
        if let Some(max) = setup.outage_max {
            let out = self.store.down || self.hosts.iter().any(|host| host.isolated);
            let before = self.store.outage;
            let outage = if out { (before + 1).min(max) } else { 0 };
            if outage != before {
                self.store.outage = outage;
            }
        }
    }

    /// Whether a wake-up is due on this host.
    pub(crate) fn is_due(setup: &Setup, at: Option<Instant>) -> bool {
        at.is_some_and(|at| at <= Self::now(setup))
    }
}
