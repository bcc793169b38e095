//! Power: boots, resets, and nodes that go down in order (`simulator.md` 7).

use lockstep_model::config::Kappa;
use lockstep_model::event::Level;
use lockstep_model::id::BootId;
use lockstep_model::lrm::rounds::Reason;
use lockstep_model::time::Instant;

use super::cluster::Cluster;
use super::host::Device;
use crate::log::Daemon;

impl Cluster {
    /// Power comes: the host boots. A host that has it is connected again.
    pub(super) fn power_on(&mut self, host: usize) {
        let value = &mut self.hosts[host];
        let boots = !value.power;
        value.power = true;
        value.network = true;
        value.ending = None;
        if boots {
            value.store_fails = false;
            value.update_fails = false;
            value.boot = BootId(self.next_boot);
            value.place_found();
            self.next_boot += 1;
            self.start_mux(host);
            self.start_crm(host);
            self.start_lrm(host);
        }
        self.watch.dirty = true;
        self.reconnect();
    }

    /// Power goes, at once.
    pub(super) fn power_off(&mut self, host: usize) {
        let value = &self.hosts[host];
        let (crm, lrm) = (value.crm.is_some(), value.lrm.is_some());
        for (daemon, runs) in [(Daemon::Crm, crm), (Daemon::Lrm, lrm)] {
            if runs {
                self.say(host, daemon, Level::Info, &"killed by poweroff");
            }
        }
        let (now, trail) = (self.now, self.config.timing().io_trail);
        self.hosts[host].lose_power(now, trail);
        self.watch.dirty = true;
        self.reconnect();
    }

    /// When a device resets its host, or the kernel kills a multiplexer, next.
    pub(super) fn next_hardware(&self) -> Option<Instant> {
        let kappa = self.config.timing().kappa;
        let of = |host: &super::host::Host| {
            let reset = match host.device {
                Device::Off => None,
                Device::Counting { due } => Some(due),
            };
            let killed = host.kill_timer.filter(|_| kappa == Kappa::One);
            reset.into_iter().chain(killed).min()
        };
        self.hosts.iter().filter_map(of).min()
    }

    /// Kills multiplexers at their D, and resets hosts whose devices were not fed.
    pub(super) fn run_hardware(&mut self) {
        for host in 0..self.hosts.len() {
            let value = &self.hosts[host];
            if value.mux.is_some() && value.kill_timer.is_some_and(|at| at <= self.now) {
                let text = "multiplexer killed at its deadline, its device counts on";
                self.note_of_mux(host, Level::Error, text);
                self.mux_ends(host);
            }
            let due = match self.hosts[host].device {
                Device::Off => None,
                Device::Counting { due } => Some(due),
            };
            if due.is_some_and(|due| due <= self.now) {
                self.reset(host);
            }
        }
    }

    fn reset(&mut self, host: usize) {
        self.judge_reset(host);
        let name = self.names.node(self.hosts[host].id).to_owned();
        let text = format!("execute power {name} off");
        self.note("watchdog", Level::Info, &text);
        self.power_off(host);
        let text = format!("server '{name}' stopped by poweroff (watchdog)");
        self.note("hardware", Level::Info, &text);
    }

    /// A node is to go down: its LRM first.
    pub(super) fn end_node(&mut self, host: usize, reason: Reason) {
        self.hosts[host].ending = Some(reason);
        self.leave_lrm(host, reason);
    }

    /// What follows when an LRM has ended. One that nobody asked to end, or whose node is not to go
    /// down any more, is started again, as whatever supervises daemons does.
    pub(super) fn lrm_ended(&mut self, host: usize) {
        self.say(host, Daemon::Lrm, Level::Info, &"exit (loop end)");
        self.drop_lrm(host);
        let Some(reason) = self.hosts[host].ending else {
            self.start_lrm(host);
            return;
        };
        let name = self.names.node(self.hosts[host].id).to_owned();
        let text = format!("execute crm {name} stop");
        self.note(reason.name(), Level::Info, &text);
        if self.hosts[host].crm.is_some() {
            self.stop_crm(host);
        } else {
            self.go_down(host, reason);
        }
    }

    /// What follows when a CRM has ended.
    pub(super) fn crm_ended(&mut self, host: usize) {
        self.say(host, Daemon::Crm, Level::Info, &"exit (loop end)");
        let stopping = self.hosts[host].crm.take().is_some_and(|crm| crm.stopping);
        match self.hosts[host].ending {
            Some(reason) if self.hosts[host].lrm.is_none() => self.go_down(host, reason),
            Some(_) => {}
            None if stopping => {}
            None => self.start_crm(host),
        }
    }

    fn go_down(&mut self, host: usize, reason: Reason) {
        let name = self.names.node(self.hosts[host].id).to_owned();
        let text = format!("execute power {name} off");
        self.note(reason.name(), Level::Info, &text);
        self.power_off(host);
        if reason == Reason::Reboot {
            let text = format!("execute power {name} on");
            self.note(reason.name(), Level::Info, &text);
            self.power_on(host);
        }
    }
}
