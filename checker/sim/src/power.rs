//! Power: what turns nodes on and off, and how daemons end (`simulator.md` 6, 7, 9).

use lockstep_model::event::Level;
use lockstep_model::lrm::rounds::Reason;

use crate::cluster::{Cluster, Fatal};
use crate::log::Daemon;

impl Cluster {
    pub(crate) fn power_on(&mut self, node: usize) {
        if !self.nodes[node].power {
            if self.nodes[node].crm.is_none() {
                self.create_crm(node);
            }
            if self.nodes[node].lrm.is_none() {
                self.create_lrm(node);
            }
            let value = &mut self.nodes[node];
            value.store_fails = false;
            value.update_fails = false;
        }
        let value = &mut self.nodes[node];
        value.power = true;
        value.network = true;
        value.ending = None;
    }

    pub(crate) fn power_off(&mut self, node: usize) {
        if self.nodes[node].power {
            if self.nodes[node].crm.take().is_some() {
                self.say(node, Daemon::Crm, Level::Info, &"killed by poweroff");
            }
            if self.nodes[node].lrm.take().is_some() {
                self.say(node, Daemon::Lrm, Level::Info, &"killed by poweroff");
            }
            let value = &mut self.nodes[node];
            value.orphans.clear();
            value.running.clear();
        }
        let value = &mut self.nodes[node];
        value.power = false;
        value.network = false;
        value.ending = None;
    }

    /// Resets every node with a watchdog that wasn't fed for too long.
    pub(crate) fn check_watchdogs(&mut self) {
        for node in 0..self.nodes.len() {
            let value = &self.nodes[node];
            let crm = value.crm.as_ref().and_then(|crm| crm.watchdog);
            let lrm = value.lrm.as_ref().and_then(|lrm| lrm.watchdog);
            let mut fed = crm
                .into_iter()
                .chain(lrm)
                .chain(value.orphans.iter().copied());
            if !fed.any(|fed| self.is_expired(fed)) {
                continue;
            }
            let name = self.names.node(value.id).to_owned();
            let text = format!("execute power {name} off");
            self.note("watchdog", Level::Info, &text);
            self.power_off(node);
            let text = format!("server '{name}' stopped by poweroff (watchdog)");
            self.note("hardware", Level::Info, &text);
        }
    }

    /// A node is to go down: its LRM first.
    pub(crate) fn end_node(&mut self, node: usize, reason: Reason) -> Result<(), Fatal> {
        self.nodes[node].ending = Some(reason);
        self.shut_lrm_down(node, reason)
    }

    pub(crate) fn restart_lrm(&mut self, node: usize) -> Result<(), Fatal> {
        let Some(lrm) = &mut self.nodes[node].lrm else {
            return Ok(());
        };
        lrm.restarting = true;
        self.shut_lrm_down(node, Reason::Restart)
    }

    pub(crate) fn stop_crm(&mut self, node: usize) {
        if let Some(crm) = &mut self.nodes[node].crm {
            crm.stopping = true;
            self.shut_crm_down(node);
        }
    }

    /// What follows when an LRM has ended.
    pub(crate) fn lrm_ended(&mut self, node: usize) -> Result<(), Fatal> {
        self.say(node, Daemon::Lrm, Level::Info, &"exit (loop end)");
        let restarting = self.drop_lrm(node).is_some_and(|lrm| lrm.restarting);
        match (restarting, self.nodes[node].ending) {
            (true, Some(_)) => Err(Fatal::new("lrm restart during shutdown - not implemented")),
            (true, None) => {
                self.create_lrm(node);
                Ok(())
            }
            (false, Some(reason)) => {
                let name = self.names.node(self.nodes[node].id).to_owned();
                let text = format!("execute crm {name} stop");
                self.note(reason.name(), Level::Info, &text);
                self.stop_crm(node);
                Ok(())
            }
            (false, None) => Err(Fatal::new("unexpected LRM exit - not implemented")),
        }
    }

    /// What follows when a CRM has ended.
    pub(crate) fn crm_ended(&mut self, node: usize) -> Result<(), Fatal> {
        self.say(node, Daemon::Crm, Level::Info, &"exit (loop end)");
        let stopping = self.nodes[node].crm.take().is_some_and(|crm| crm.stopping);
        let Some(reason) = self.nodes[node].ending else {
            return match stopping {
                true => Ok(()),
                false => Err(Fatal::new("unexpected CRM exit - not implemented")),
            };
        };
        let name = self.names.node(self.nodes[node].id).to_owned();
        let text = format!("execute power {name} off");
        self.note(reason.name(), Level::Info, &text);
        self.power_off(node);
        if reason == Reason::Reboot {
            let text = format!("execute power {name} on");
            self.note(reason.name(), Level::Info, &text);
            self.power_on(node);
        }
        Ok(())
    }
}
