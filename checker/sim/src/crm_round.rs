//! A CRM's round: what is read when, what the lock says, what is written (`protocol.md` 7.3).

use std::collections::VecDeque;

use lockstep_model::crm::{Crm, CrmState, Effect, Event, Input, LockAnswer, LockRequest, Outbox};
use lockstep_model::event::Level;
use lockstep_model::format::groups::Groups;
use lockstep_model::manager::event::NodeEvent;
use lockstep_model::manager::{self, status::Requested};

use crate::cluster::{Cluster, CrmProcess, Fatal, instant};
use crate::locks::{Answer, Name};
use crate::log::Daemon;

/// How a daemon's round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    GoesOn,
    Ended,
}

/// How long a master's round takes at least, in seconds.
const MASTER_ROUND: u64 = 10;

/// How long an idle CRM sleeps, in seconds.
const IDLE_SLEEP: u64 = 5;

impl Cluster {
    /// Begins a CRM on a node that has none.
    pub(crate) fn create_crm(&mut self, node: usize) {
        let mut machine = Crm::new(self.nodes[node].id);
        let mut out = Outbox::default();
        machine.begin(&mut out);
        self.nodes[node].crm = Some(CrmProcess {
            machine,
            watchdog: None,
            disarmed: false,
            stopping: false,
        });
        self.say_crm_events(node, &mut out);
    }

    pub(crate) fn shut_crm_down(&mut self, node: usize) {
        let Some(mut process) = self.nodes[node].crm.take() else {
            return;
        };
        let mut out = Outbox::default();
        let now = instant(self.nodes[node].crm_env.clock);
        process
            .machine
            .step(&self.config, now, Input::Shutdown, &mut out);
        self.nodes[node].crm = Some(process);
        self.say_crm_events(node, &mut out);
    }

    fn say_crm_events(&mut self, node: usize, out: &mut Outbox) {
        for event in out.events.drain(..) {
            let mut text = String::new();
            if let Event::Manager(manager::event::Event::Measured) = event {
                self.say_overcommitted();
                continue;
            }
            let written = event.write(&mut text, &self.names);
            assert!(written.is_ok(), "a string takes everything");
            self.say(node, Daemon::Crm, event.level(), &text);
        }
    }

    /// One round of a node's CRM.
    pub(crate) fn crm_round(&mut self, node: usize) -> Result<Turn, Fatal> {
        let Some(mut process) = self.nodes[node].crm.take() else {
            return Ok(Turn::GoesOn);
        };
        let ended = self.crm_steps(node, &mut process);
        if process.machine.state() != CrmState::Master
            && let Some(fed) = process.watchdog.take()
            && self.is_expired(fed)
        {
            return Err(Fatal::new("watchdog expired"));
        }
        self.nodes[node].crm = Some(process);
        ended
    }

    fn crm_steps(&mut self, node: usize, process: &mut CrmProcess) -> Result<Turn, Fatal> {
        let now = instant(self.nodes[node].crm_env.clock);
        let mut out = Outbox::default();
        let mut effects = VecDeque::new();
        let snapshot = self.snapshot(node);
        let input = Input::Round {
            quorate: self.is_online(&self.nodes[node]),
            updated: !self.nodes[node].update_fails,
            view: self.store(node).map(|()| snapshot.view(self)),
        };
        process.machine.step(&self.config, now, input, &mut out);
        let (mut turn, mut lost) = (Turn::GoesOn, false);
        loop {
            self.say_crm_events(node, &mut out);
            effects.extend(out.effects.drain(..));
            let Some(effect) = effects.pop_front() else {
                if turn == Turn::GoesOn && !lost {
                    self.rest_crm(node, process.machine.state());
                }
                return Ok(turn);
            };
            match effect {
                Effect::Lock(LockRequest::Hold) => {
                    let answer = self.hold_manager_lock(node, process)?;
                    let is_master = process.machine.state() == CrmState::Master;
                    lost = is_master && answer == LockAnswer::Refused;
                    let input = Input::Lock(answer);
                    process.machine.step(&self.config, now, input, &mut out);
                }
                Effect::Lock(LockRequest::Release) => {
                    let answer = self.release_manager_lock(node, process);
                    let input = Input::Lock(answer);
                    process.machine.step(&self.config, now, input, &mut out);
                }
                Effect::Read => self.manage(node, process, &mut out),
                // Carried out with the read that it rests on.
                Effect::Commit => {}
                Effect::Exit => turn = Turn::Ended,
            }
        }
    }

    /// What is left of a round that ends in this state. One that has just lost the lock goes on at
    /// once, and so do slaves, which the lock makes wait.
    fn rest_crm(&mut self, node: usize, state: CrmState) {
        match state {
            CrmState::Master => self.nodes[node].crm_env.sleep_until(MASTER_ROUND),
            CrmState::WaitForQuorum => self.nodes[node].crm_env.sleep(IDLE_SLEEP),
            CrmState::Startup | CrmState::Slave | CrmState::LostManagerLock => {}
        }
    }

    fn manage(&mut self, node: usize, process: &mut CrmProcess, out: &mut Outbox) {
        let now = instant(self.nodes[node].crm_env.clock);
        let snapshot = self.snapshot(node);
        let view = self.store(node).map(|()| snapshot.view(self));
        process
            .machine
            .step(&self.config, now, Input::Manage(view), out);
        let abandoned = |event: &Event| matches!(event, Event::Unexpected(_));
        if out.events.iter().any(abandoned) {
            return;
        }
        let halted = |event: &Event| matches!(event, Event::Halted(_));
        let halted = out.events.iter().any(halted);
        let commits = out.effects.contains(&Effect::Commit);
        out.effects.clear();
        let decided: Vec<manager::event::Event> =
            out.events.iter().filter_map(decision).cloned().collect();
        let fenced = |event: &&manager::event::Event| {
            matches!(event, manager::event::Event::Node(_, NodeEvent::Fenced))
        };
        let granted = decided.iter().filter(fenced).count() as u64;
        let refused = out.decisions.changes.contend.len() as u64;
        self.nodes[node].crm_env.attempt(granted + refused);
        // What was measured is said before anything of it changes.
        self.say_crm_events(node, out);
        self.carry_out(node, out);
        if let (true, Some(manager)) = (commits, process.machine.manager()) {
            let before = std::mem::replace(&mut self.status, manager.status().clone());
            self.watch_round(&before, &decided);
        }
        if !halted {
            self.follow_disarm(node, process);
        }
    }

    /// Writes what a round changes beside the status. The reference does so while it decides, so
    /// it is done even if the round was given up in its middle.
    fn carry_out(&mut self, node: usize, out: &Outbox) {
        let changes = &out.decisions.changes;
        if changes.commands_taken {
            self.queue.clear();
        }
        for service in &changes.unlocked {
            if let Some(guest) = self.guests.configured.get_mut(service) {
                guest.lock = None;
            }
        }
        for (service, _, to) in &changes.stolen {
            if let Some(guest) = self.guests.configured.get_mut(service) {
                guest.node = *to;
            }
        }
        for service in &changes.stopped {
            if let Some(guest) = self.guests.configured.get_mut(service) {
                guest.requested = Requested::Stopped;
            }
        }
        let (holder, now) = (self.nodes[node].id, self.nodes[node].crm_env.clock);
        for lock in &changes.locks {
            self.locks.hold(Name::Agent(*lock), holder, now);
            self.watch_taken(*lock);
        }
        if let Some(migrated) = &changes.migrated_groups {
            self.rules = migrated.rules.clone();
            self.groups = Groups::default();
            self.digest += 1;
            for (service, failback) in &migrated.services {
                if let Some(guest) = self.guests.configured.get_mut(service) {
                    guest.group = None;
                    guest.failback = *failback;
                }
            }
        }
    }

    /// A disarmed master goes without a watchdog. That is the schedule's: our own CRM has none.
    fn follow_disarm(&mut self, node: usize, process: &mut CrmProcess) {
        let disarmed = process
            .machine
            .manager()
            .is_some_and(|manager| manager.is_disarmed());
        if disarmed && !process.disarmed {
            let text = "HA stack fully disarmed, releasing CRM watchdog";
            self.say(node, Daemon::Crm, Level::Info, &text);
            process.watchdog = None;
            process.disarmed = true;
        } else if !disarmed && process.disarmed {
            self.say(node, Daemon::Crm, Level::Info, &"re-arming HA stack");
            process.disarmed = false;
        }
    }

    /// Takes or renews the manager lock, and opens or feeds the watchdog with it.
    fn hold_manager_lock(
        &mut self,
        node: usize,
        process: &mut CrmProcess,
    ) -> Result<LockAnswer, Fatal> {
        let now = self.nodes[node].crm_env.clock;
        let answer = match self.is_online(&self.nodes[node]) {
            true => self.locks.hold(Name::Manager, self.nodes[node].id, now),
            false => Answer::Refused,
        };
        self.nodes[node].crm_env.insist(answer);
        if answer == Answer::Refused {
            return Ok(LockAnswer::Refused);
        }
        if answer == Answer::Taken {
            let text = "got lock 'ha_manager_lock'";
            self.say(node, Daemon::Crm, Level::Info, &text);
        }
        if let Some(fed) = process.watchdog {
            if self.is_expired(fed) {
                return Err(Fatal::new("watchdog expired"));
            }
            process.watchdog = Some(self.clock);
        } else if !process.disarmed {
            let disarm = self.status.disarm.as_ref();
            if self.store(node).is_ok() && disarm.is_some_and(|disarm| disarm.complete) {
                let text = "taking over as disarmed master, skipping watchdog";
                self.say(node, Daemon::Crm, Level::Info, &text);
                process.disarmed = true;
            } else {
                process.watchdog = Some(self.clock);
            }
        }
        Ok(LockAnswer::Granted)
    }

    fn release_manager_lock(&mut self, node: usize, process: &mut CrmProcess) -> LockAnswer {
        process.watchdog = None;
        let (id, now) = (self.nodes[node].id, self.nodes[node].crm_env.clock);
        let released =
            self.is_online(&self.nodes[node]) && self.locks.release(Name::Manager, id, now);
        match released {
            true => LockAnswer::Granted,
            false => LockAnswer::Refused,
        }
    }
}

fn decision(event: &Event) -> Option<&manager::event::Event> {
    match event {
        Event::Manager(event) => Some(event),
        Event::State(..)
        | Event::ShutdownRequested
        | Event::StatusUnreadable(_)
        | Event::RoundSkipped
        | Event::GoingIdle(_)
        | Event::Releasing
        | Event::ReleaseFailed
        | Event::Unexpected(_)
        | Event::Halted(_) => None,
    }
}
