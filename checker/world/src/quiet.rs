//! Steps that are taken at once, because their place among the others of the same tick matters to
//! nobody.

use lockstep_model::watchdog;

use crate::action::Proc;
use crate::crm::Said;
use crate::setup::Setup;
use crate::state::World;

impl World {
    /// Takes every step that may be taken at once.
    pub(crate) fn settle(&mut self, setup: &Setup, events: &mut Vec<Said>) {
        self.watch_quietly(setup, events);
        for host in 0..self.hosts.len() {
            self.ping_quietly(setup, host);
        }
    }

    /// A process that only takes note of what its watch shows, and has nothing else to do, does so
    /// at once: nobody else sees when within a tick that is. One that would act on it, or that may
    /// first do something without having seen it, does so in any order.
    fn watch_quietly(&mut self, setup: &Setup, events: &mut Vec<Said>) {
        for host in 0..self.hosts.len() {
            for proc in self.hosts[host].processes() {
                if !self.only_watches(setup, host, proc) {
                    continue;
                }
                let before = self.hosts[host].clone();
                let seen = self.watch(setup, host, proc);
                if self.hosts[host].has_effects(proc) {
                    self.hosts[host] = before;
                } else {
                    events.extend(seen);
                }
            }
        }
    }

    /// A multiplexer that pings, and has nothing else to do, does so at once, if nothing can come
    /// between: no fault of its host, no reset, no timer.
    fn ping_quietly(&mut self, setup: &Setup, host: usize) {
        let safe = self.faults_left == 0 || !setup.fault_hosts.contains(&host);
        let killed = Self::is_due(setup, self.hosts[host].kill_timer);
        let reset = self
            .reset_due(setup, host)
            .is_some_and(|left| left <= setup.physics.device_slack);
        if !safe || killed || reset || !self.only_wakes(setup, host, Proc::Mux) {
            return;
        }
        let before = self.hosts[host].clone();
        self.wake(setup, host, Proc::Mux);
        let pings = self.hosts[host].mux.as_mut().is_some_and(|mux| {
            mux.outbox.pop() == Some(watchdog::Effect::Ping) && mux.outbox.is_empty()
        });
        if pings {
            self.ping(host);
        } else {
            self.hosts[host] = before;
        }
    }
}
