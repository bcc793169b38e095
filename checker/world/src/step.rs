//! What each action does.

use std::borrow::Cow;

use lockstep_model::contender::{self, Fenced};
use lockstep_model::lrm::Leave;

use crate::action::{Action, Proc};
use crate::crm::Said;
use crate::setup::{Fault, Setup};
use crate::state::World;

impl World {
    /// The world after an action, and what machines decided in it.
    ///
    /// # Panics
    ///
    /// If the action names something that isn't there. [`World::enabled`] never does.
    #[must_use]
    pub fn after(&self, setup: &Setup, action: &Action) -> (Self, Vec<Said>) {
        let mut world = self.clone();
        let mut events = world.perform(setup, action);
        if setup.reduce {
            world.settle(setup, &mut events);
        }
        world.note_owners(setup);
        world.canonicalize(setup);
        (world, events)
    }

    /// The world after a step, with every host where it was before it: those that the setup can't
    /// tell apart may have changed places.
    pub(crate) fn with_hosts_in_place<'a>(
        &self,
        setup: &Setup,
        action: &Action,
        after: &'a Self,
    ) -> Cow<'a, Self> {
        if setup.symmetric.len() < 2 {
            return Cow::Borrowed(after);
        }
        let mut world = self.clone();
        world.perform(setup, action);
        Cow::Owned(world)
    }

    fn perform(&mut self, setup: &Setup, action: &Action) -> Vec<Said> {
        self.spend(setup, action);
        match *action {
            Action::Execute { .. }
            | Action::Deliver { .. }
            | Action::Watch { .. }
            | Action::Wake { .. } => return self.run(setup, action),
            Action::Work { host, worker } => self.work(host, worker),
            Action::Fence { host, agent } => self.fence(setup, host, agent),
            Action::Apply { delayed } => self.apply_delayed(setup, delayed),
            Action::Answer { delayed } => self.answer_delayed(delayed),
            Action::Reset { host } => self.power_off(setup, host),
            Action::KillTimer { host } => self.mux_ends(host),
            Action::Tick => self.tick(setup, None),
            Action::TickDrifting { host, fast } => self.tick(setup, Some((host, fast))),
            Action::Resume { .. }
            | Action::Heal { .. }
            | Action::OutageEnds
            | Action::HostGoesOn { .. }
            | Action::WakeUp { .. }
            | Action::PingLands { .. } => self.end_fault(action),
            Action::PowerOn { host } => return self.boot(setup, host),
            Action::StartLrm { host } => return self.start_lrm(setup, host),
            Action::StartMux { host } => return self.start_mux(setup, host),
            Action::StartContender { host } => self.start_contender(setup, host),
            Action::StartCrm { host } => return self.start_crm(setup, host),
            Action::StandIn { host, act } => self.act(setup, host, act),
            Action::Order { .. }
            | Action::Contend { .. }
            | Action::LetGo { .. }
            | Action::Move { .. } => {
                return self.manage(setup, action);
            }
            Action::Want { .. }
            | Action::RestartLrm { .. }
            | Action::StopLrm { .. }
            | Action::EndLrm { .. }
            | Action::Maintain { .. }
            | Action::Disarm { .. }
            | Action::Arm
            | Action::Reconfigure
            | Action::TerminateMux { .. }
            | Action::Command { .. }
            | Action::Edit { .. }
            | Action::StopCrm { .. }
            | Action::ConfirmDead { .. }
            | Action::SecondLrm { .. } => {
                return self.administer(setup, action);
            }
            Action::ExecuteDelayed { .. }
            | Action::WorkFails { .. }
            | Action::WorkHangs { .. }
            | Action::FenceFails { .. }
            | Action::FenceLies { .. }
            | Action::PingEnters { .. }
            | Action::OpenFails { .. }
            | Action::Pause { .. }
            | Action::PauseAll { .. }
            | Action::Crash { .. }
            | Action::PowerOff { .. }
            | Action::Isolate { .. }
            | Action::Outage
            | Action::HostStops { .. }
            | Action::Suspend { .. }
            | Action::ServiceEnds { .. }
            | Action::Rollback
            | Action::HandEdit { .. } => return self.fail(setup, action),
        }
        Vec::new()
    }

    /// What ends a fault.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller has picked out what ends faults"
    )]
    fn end_fault(&mut self, action: &Action) {
        match *action {
            Action::Resume { host, proc } => self.set_paused(host, proc, false),
            Action::Heal { host } => {
                self.hosts[host].isolated = false;
                self.reconnect(host);
            }
            Action::OutageEnds => {
                self.store.down = false;
                (0..self.hosts.len()).for_each(|host| self.reconnect(host));
            }
            Action::HostGoesOn { host } => self.hosts[host].stopped = false,
            Action::WakeUp { host } => self.hosts[host].suspended = false,
            Action::PingLands { host } => {
                self.ping(host);
                self.hosts[host].slow_ping = false;
            }
            ref other => unreachable!("{other:?} ends no fault"),
        }
    }

    /// A fault draws on the budget of faults, and an order on that of orders.
    fn spend(&mut self, setup: &Setup, action: &Action) {
        let ordered = matches!(action, Action::Order { .. });
        self.orders_left = self.orders_left.saturating_sub(u8::from(ordered));
        let Some(fault) = action.fault() else { return };
        self.faults_left = self.faults_left.saturating_sub(1);
        if setup.each_fault_once {
            self.faults_spent |= fault.bit();
        }
    }

    /// Whether this kind of fault may happen now, as far as its kind goes.
    pub(crate) fn allows(&self, setup: &Setup, fault: Fault) -> bool {
        setup.allows(fault) && self.faults_spent & fault.bit() == 0
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller has picked out what processes do"
    )]
    fn run(&mut self, setup: &Setup, action: &Action) -> Vec<Said> {
        match *action {
            Action::Execute { host, proc, effect } => {
                self.execute(setup, host, proc, effect, false)
            }
            Action::Deliver { host, proc, input } => self.deliver(setup, host, proc, input),
            Action::Watch { host, proc } => self.watch(setup, host, proc),
            Action::Wake { host, proc } => self.wake(setup, host, proc),
            ref other => unreachable!("{other:?} is not a process's"),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller has picked out the manager's actions"
    )]
    fn manage(&mut self, setup: &Setup, action: &Action) -> Vec<Said> {
        match *action {
            Action::Contend { host } => self.step_contender(setup, host, contender::Input::Contend),
            Action::LetGo { host } => self.step_contender(setup, host, contender::Input::LetGo),
            Action::Move { host, service, to } if setup.orders.is_empty() => {
                self.move_service(setup, host, service, to)
            }
            Action::Move { host, service, to } => self.recover(setup, host, service, to),
            Action::Order { service, wanted } => {
                self.give_order(setup, service, wanted);
                Vec::new()
            }
            ref other => unreachable!("{other:?} is not the manager's"),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller has picked out an administrator's actions"
    )]
    fn administer(&mut self, setup: &Setup, action: &Action) -> Vec<Said> {
        self.admin_left = self.admin_left.saturating_sub(1);
        match *action {
            Action::Want { service, wanted } => {
                self.want(setup, service, wanted);
                Vec::new()
            }
            Action::RestartLrm { host } => self.leave(setup, host, Leave::Restart),
            Action::StopLrm { host } => self.leave(setup, host, Leave::Stop),
            Action::EndLrm { host, way } => self.leave(setup, host, way),
            Action::Maintain { host } => {
                self.toggle_maintenance(setup, host);
                Vec::new()
            }
            Action::Disarm { ignore } => {
                self.disarm(setup, Some(ignore));
                Vec::new()
            }
            Action::Arm => {
                self.disarm(setup, None);
                Vec::new()
            }
            Action::Reconfigure => self.reconfigure(setup),
            Action::TerminateMux { host } => self.terminate_mux(setup, host),
            Action::SecondLrm { host } => self.start_lrm(setup, host),
            Action::StopCrm { host } => self.stop_crm(setup, host),
            Action::Command { which } => {
                self.give_command(setup, which);
                Vec::new()
            }
            Action::Edit { which } => {
                self.edit(setup, which);
                Vec::new()
            }
            Action::ConfirmDead { host } => {
                self.confirm_dead(setup, host);
                Vec::new()
            }
            ref other => unreachable!("{other:?} is not an administrator's"),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller has picked out the faults"
    )]
    fn fail(&mut self, setup: &Setup, action: &Action) -> Vec<Said> {
        match *action {
            Action::ExecuteDelayed { host, proc, effect } => {
                return self.execute(setup, host, proc, effect, true);
            }
            Action::WorkFails { host, worker } => self.work_fails(host, worker),
            Action::WorkHangs { host, worker } => self.hosts[host].workers[worker].hung = true,
            Action::FenceFails { host, agent } => {
                self.agent_answers(host, agent, Fenced::Failed);
            }
            Action::FenceLies { host, agent } => self.agent_answers(host, agent, Fenced::Off),
            Action::OpenFails {
                host,
                effect,
                longer,
            } => return self.open_fails(setup, host, effect, longer),
            Action::PingEnters { host, effect } => {
                if let Some(mux) = &mut self.hosts[host].mux {
                    mux.outbox.remove(effect);
                    mux.paused = true;
                }
                self.hosts[host].slow_ping = true;
            }
            Action::Pause { host, proc } => self.set_paused(host, proc, true),
            Action::PauseAll { host } => {
                for index in 0..self.hosts[host].lrms.len() {
                    self.set_paused(host, Proc::Lrm(index), true);
                }
                self.set_paused(host, Proc::Mux, true);
                self.set_paused(host, Proc::Contender, true);
                self.set_paused(host, Proc::Crm, true);
                if let Some(stand_in) = &mut self.hosts[host].stand_in {
                    stand_in.paused = true;
                }
            }
            Action::Crash { host, proc } => match proc {
                Proc::Lrm(index) => self.lrm_ends(setup, host, index),
                Proc::Mux => self.mux_ends(host),
                Proc::Contender => self.hosts[host].contender = None,
                Proc::Crm => self.hosts[host].crm = None,
            },
            Action::PowerOff { host } => self.power_off(setup, host),
            Action::Isolate { host } => {
                self.hosts[host].isolated = true;
                self.lose_answers(host);
            }
            Action::Outage => {
                self.store.down = true;
                (0..self.hosts.len()).for_each(|host| self.lose_answers(host));
            }
            Action::HostStops { host } => self.hosts[host].stopped = true,
            Action::Suspend { host } => self.hosts[host].suspended = true,
            Action::ServiceEnds { host, service } => self.service_ends(host, service),
            Action::Rollback => self.rollback(),
            Action::HandEdit { service, to } => self.hand_edit(setup, service, to),
            ref other => unreachable!("{other:?} is not a fault"),
        }
        Vec::new()
    }

    fn set_paused(&mut self, host: usize, proc: Proc, paused: bool) {
        let host = &mut self.hosts[host];
        match proc {
            Proc::Lrm(index) => {
                if let Some(lrm) = host.lrms.get_mut(index) {
                    lrm.paused = paused;
                }
            }
            Proc::Mux => {
                if let Some(mux) = &mut host.mux {
                    mux.paused = paused;
                }
            }
            Proc::Contender => {
                if let Some(contender) = &mut host.contender {
                    contender.paused = paused;
                }
            }
            Proc::Crm => {
                if let Some(crm) = &mut host.crm {
                    crm.paused = paused;
                }
            }
        }
    }

    fn service_ends(&mut self, host: usize, service: lockstep_model::id::ServiceId) {
        let host = &mut self.hosts[host];
        host.instances[usize::from(service.0)] = crate::state::Instance::Absent;
        for lrm in &mut host.lrms {
            lrm.inbox
                .push(lockstep_model::lrm::Input::ServiceEnded { service });
        }
    }
}
