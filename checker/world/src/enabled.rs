//! What can happen next.
//!
//! Time passes only when nothing else has to happen first (*urgency*). With [`Setup::reduce`] a
//! process that has effects to execute does that before any other process moves: executing them
//! touches nothing that another process's step reads, so the orders left out lead to the same
//! worlds. Another process's look at the store in between would have shown it older news; what it
//! does on the strength of that it can do without having looked. What else can come between, faults
//! of its host, its watchdog's device and another configuration, still can.

use lockstep_model::contender;
use lockstep_model::id::ServiceId;
use lockstep_model::lrm::Leave;
use lockstep_model::manager::status::Entry;
use lockstep_model::placement::state::ServiceState;
use lockstep_model::record::{Wanted, Write};
use lockstep_model::time::Instant;

use crate::action::{Action, Proc};
use crate::setup::{Admin, Fault, Setup};
use crate::stand_in::Act;
use crate::state::{Stage, World};

impl World {
    /// Everything that can happen next.
    #[must_use]
    pub fn enabled(&self, setup: &Setup) -> Vec<Action> {
        if setup.reduce
            && let Some((host, proc)) = self.in_motion()
        {
            let mut actions = Vec::with_capacity(16);
            self.add_effects(setup, host, proc, &mut actions);
            self.add_hardware(setup, host, &mut actions);
            self.add_host_faults(setup, host, &mut actions);
            self.add_store_faults(setup, &mut actions);
            self.add_reconfigure(setup, &mut actions);
            return actions;
        }
        self.enabled_unreduced(setup)
    }

    /// The same, whether or not a process has effects to execute.
    pub(crate) fn enabled_unreduced(&self, setup: &Setup) -> Vec<Action> {
        let mut actions = Vec::with_capacity(16);
        for host in 0..self.hosts.len() {
            self.add_host(setup, host, &mut actions);
        }
        self.add_delayed(&mut actions);
        let urgent = self.is_urgent(setup);
        self.add_recoveries(setup, &mut actions);
        self.add_people(setup, &mut actions);
        for host in 0..self.hosts.len() {
            self.add_host_faults(setup, host, &mut actions);
        }
        self.add_store_faults(setup, &mut actions);
        if !urgent {
            self.add_time(setup, &mut actions);
        }
        actions
    }

    /// The first process that has effects to execute and can.
    fn in_motion(&self) -> Option<(usize, Proc)> {
        self.hosts.iter().enumerate().find_map(|(index, host)| {
            let proc = host
                .processes()
                .find(|proc| host.runs(*proc) && host.has_effects(*proc))?;
            Some((index, proc))
        })
    }

    fn add_host(&self, setup: &Setup, index: usize, actions: &mut Vec<Action>) {
        let host = &self.hosts[index];
        for proc in host.processes().filter(|proc| host.runs(*proc)) {
            self.add_effects(setup, index, proc, actions);
            for input in host.deliverable(proc) {
                actions.push(Action::Deliver {
                    host: index,
                    proc,
                    input,
                });
            }
            if host.is_notified(proc) && self.reaches_store(index) {
                actions.push(Action::Watch { host: index, proc });
            }
            if World::is_due(setup, host.wakeup(setup, self.reconfigured, proc)) {
                actions.push(Action::Wake { host: index, proc });
            }
        }
        if !host.is_halted() {
            for (worker, _) in host.workers.iter().enumerate() {
                actions.push(Action::Work {
                    host: index,
                    worker,
                });
            }
        }
        for (agent, _) in host.agents.iter().enumerate() {
            actions.push(Action::Fence { host: index, agent });
        }
        for act in self.acts(setup, index) {
            actions.push(Action::StandIn { host: index, act });
        }
        self.add_hardware(setup, index, actions);
    }

    fn add_effects(&self, setup: &Setup, index: usize, proc: Proc, actions: &mut Vec<Action>) {
        let host = &self.hosts[index];
        for effect in host.executable(proc) {
            actions.push(Action::Execute {
                host: index,
                proc,
                effect,
            });
            let may_fail = self.faults_left > 0 && setup.fault_hosts.contains(&index);
            let may_be_late = host.is_request(proc, effect)
                && (!setup.only_moves_late
                    || self
                        .write_of(index, proc, effect)
                        .is_some_and(Write::moves_service));
            if may_fail && self.allows(setup, Fault::Delay) && may_be_late {
                actions.push(Action::ExecuteDelayed {
                    host: index,
                    proc,
                    effect,
                });
            }
            if may_fail && self.allows(setup, Fault::DeviceFails) && host.opens(proc, effect) {
                for longer in [false, true] {
                    actions.push(Action::OpenFails {
                        host: index,
                        effect,
                        longer,
                    });
                }
            }
            if may_fail && self.allows(setup, Fault::SlowPing) && host.is_ping(proc, effect) {
                actions.push(Action::PingEnters {
                    host: index,
                    effect,
                });
            }
        }
    }

    fn add_hardware(&self, setup: &Setup, index: usize, actions: &mut Vec<Action>) {
        let host = &self.hosts[index];
        if !host.on || host.is_halted() {
            return;
        }
        let may_reset = self
            .reset_due(setup, index)
            .is_some_and(|left| left <= setup.physics.device_slack);
        if may_reset {
            actions.push(Action::Reset { host: index });
        }
        if host.mux.is_some() && Self::is_due(setup, host.kill_timer) {
            actions.push(Action::KillTimer { host: index });
        }
        if host.slow_ping && !self.ping_is_too_late(setup, index) {
            actions.push(Action::PingLands { host: index });
        }
    }

    /// Whether a ping that entered the kernel before D can no longer be done.
    fn ping_is_too_late(&self, setup: &Setup, index: usize) -> bool {
        let now = Self::now(setup);
        self.hosts[index]
            .last_deadline
            .is_some_and(|deadline| deadline.0 + setup.physics.kernel_delay < now.0)
    }

    fn add_delayed(&self, actions: &mut Vec<Action>) {
        if self.store.down {
            return;
        }
        for (delayed, request) in self.store.delayed.iter().enumerate() {
            match request.stage {
                Stage::Sent { .. } => actions.push(Action::Apply { delayed }),
                Stage::Written(..) | Stage::Read(..) => {
                    let reaches = self
                        .find_process(request.from)
                        .is_some_and(|(host, _)| self.reaches_store(host));
                    if reaches {
                        actions.push(Action::Answer { delayed });
                    }
                }
            }
        }
    }

    /// What ends a fault. Free, and at any time.
    fn add_recoveries(&self, setup: &Setup, actions: &mut Vec<Action>) {
        for (index, host) in self.hosts.iter().enumerate() {
            if !host.on {
                if setup.hosts[index].on || setup.admin.contains(&Admin::SwitchOn) {
                    actions.push(Action::PowerOn { host: index });
                }
                continue;
            }
            if host.stopped {
                actions.push(Action::HostGoesOn { host: index });
            }
            if host.suspended {
                actions.push(Action::WakeUp { host: index });
            }
            for proc in host.processes().filter(|proc| host.is_paused(*proc)) {
                let in_kernel = proc == Proc::Mux && host.slow_ping;
                if !in_kernel {
                    actions.push(Action::Resume { host: index, proc });
                }
            }
            if host.isolated {
                actions.push(Action::Heal { host: index });
            }
            if setup.hosts[index].lrm && host.lrms.is_empty() {
                actions.push(Action::StartLrm { host: index });
            }
            let refuses = host.marker
                && !setup
                    .config(self.reconfigured)
                    .broken(lockstep_model::mutation::Mutant::MarkerIgnored);
            if setup.hosts[index].lrm && host.mux.is_none() && !refuses {
                actions.push(Action::StartMux { host: index });
            }
            if setup.hosts[index].contends_for.is_some() && host.contender.is_none() {
                actions.push(Action::StartContender { host: index });
            }
            if setup.hosts[index].crm && host.crm.is_none() {
                actions.push(Action::StartCrm { host: index });
            }
        }
        if self.store.down {
            actions.push(Action::OutageEnds);
        }
    }

    fn add_people(&self, setup: &Setup, actions: &mut Vec<Action>) {
        for (index, host) in self.hosts.iter().enumerate() {
            if let Some(contender) = &host.contender
                && host.on
                && !contender.paused
                && !host.is_halted()
            {
                self.add_manager(setup, index, &contender.machine, actions);
            }
        }
        if self.orders_left > 0 && !(setup.orders_at_rest && self.is_urgent(setup)) {
            for service in setup.service_ids() {
                for wanted in self.orders(setup, service) {
                    actions.push(Action::Order { service, wanted });
                }
            }
        }
        if self.admin_left == 0 {
            return;
        }
        self.add_status(setup, actions);
        if setup.admin.contains(&Admin::Want) {
            for service in setup.service_ids() {
                let wanted = match self.store.service(service).map(|service| service.wanted) {
                    Some(Wanted::Started) => Wanted::Stopped,
                    Some(Wanted::Stopped) => Wanted::Started,
                    Some(
                        Wanted::Untouched | Wanted::Ignored | Wanted::Fenced | Wanted::Moved { .. },
                    )
                    | None => continue,
                };
                actions.push(Action::Want { service, wanted });
            }
        }
        self.add_reconfigure(setup, actions);
        for (index, host) in self.hosts.iter().enumerate() {
            let lrm_runs = host.lrms.len() == 1 && host.runs(Proc::Lrm(0));
            if lrm_runs && setup.admin.contains(&Admin::RestartLrm) {
                actions.push(Action::RestartLrm { host: index });
            }
            if lrm_runs && setup.admin.contains(&Admin::StopLrm) {
                actions.push(Action::StopLrm { host: index });
            }
            if lrm_runs {
                add_other_ways(setup, index, actions);
            }
            if host.lrms.len() == 1 && setup.admin.contains(&Admin::SecondLrm) {
                actions.push(Action::SecondLrm { host: index });
            }
            if host.runs(Proc::Mux) && setup.admin.contains(&Admin::TerminateMux) {
                actions.push(Action::TerminateMux { host: index });
            }
            self.add_people_of_cluster(setup, index, actions);
        }
        self.add_asked_of_cluster(setup, actions);
    }

    /// What people may ask of CRMs.
    fn add_asked_of_cluster(&self, setup: &Setup, actions: &mut Vec<Action>) {
        if let Some(cluster) = &setup.cluster {
            if setup.admin.contains(&Admin::Command) {
                let commands = 0..cluster.commands.len();
                actions.extend(commands.map(|which| Action::Command { which }));
            }
            if setup.admin.contains(&Admin::Edit) {
                let edits = 0..cluster.edits.len();
                let news = edits.filter(|which| self.is_news(&cluster.edits[*which]));
                actions.extend(news.map(|which| Action::Edit { which }));
            }
        }
    }

    /// Whether a change of the configuration changes anything.
    fn is_news(&self, edit: &crate::cluster::Edit) -> bool {
        self.data(edit.key) != Some(&edit.data)
    }

    fn add_people_of_cluster(&self, setup: &Setup, index: usize, actions: &mut Vec<Action>) {
        let host = &self.hosts[index];
        if host.stand_in_stays() && host.on && !host.stopped {
            if setup.admin.contains(&Admin::RestartLrm) {
                actions.push(Action::RestartLrm { host: index });
            }
            if setup.admin.contains(&Admin::StopLrm) {
                actions.push(Action::StopLrm { host: index });
            }
            add_other_ways(setup, index, actions);
        }
        if host.runs(Proc::Crm) && host.crm.is_some() && setup.admin.contains(&Admin::StopCrm) {
            actions.push(Action::StopCrm { host: index });
        }
        // A person sees that the machine is off, and what trailed has ended.
        let dead = !host.on && host.trailing.iter().all(|left| *left == 0);
        if dead && setup.admin.contains(&Admin::ConfirmDead) && self.waits_for_a_person(index) {
            actions.push(Action::ConfirmDead { host: index });
        }
    }

    /// Whether something of a host's node stays as it is until that is back, or a person speaks.
    fn waits_for_a_person(&self, index: usize) -> bool {
        let node = self.hosts[index].node;
        let grant = self.grant(node);
        let waits = |entry: &Entry| {
            let waits = entry.state == ServiceState::Freeze || entry.unowned;
            waits && entry.node == Some(node)
        };
        let services = 0..self.hosts[index].instances.len();
        let mut services = services.filter_map(|id| u16::try_from(id).ok().map(ServiceId));
        grant.is_some_and(|grant| grant.state.unguarded().is_some())
            || services.any(|id| self.entry_of(id).is_some_and(waits))
    }

    /// What people have the manager tell all LRMs.
    fn add_status(&self, setup: &Setup, actions: &mut Vec<Action>) {
        if setup.admin.contains(&Admin::Maintain) {
            for (host, _) in setup.hosts.iter().enumerate().filter(|(_, it)| it.lrm) {
                actions.push(Action::Maintain { host });
            }
        }
        if setup.admin.contains(&Admin::Disarm) {
            if self.is_disarmed() {
                actions.push(Action::Arm);
            } else {
                let modes = [false, true].into_iter();
                actions.extend(modes.map(|ignore| Action::Disarm { ignore }));
            }
        }
    }

    fn may_reconfigure(&self, setup: &Setup) -> bool {
        self.admin_left > 0 && setup.admin.contains(&Admin::Reconfigure) && !self.reconfigured
    }

    fn add_reconfigure(&self, setup: &Setup, actions: &mut Vec<Action>) {
        if self.may_reconfigure(setup) {
            actions.push(Action::Reconfigure);
        }
    }

    /// The manager may have a contender do anything legal, at any time.
    fn add_manager(
        &self,
        setup: &Setup,
        index: usize,
        contender: &contender::Contender,
        actions: &mut Vec<Action>,
    ) {
        let node = contender.node();
        if !contender.is_wanted() {
            // It contends for a lock that its own node holds; a free one says nothing new.
            let held_at_home = contender
                .lock()
                .seen_grant()
                .is_some_and(|grant| grant.holder.node == node);
            if held_at_home {
                actions.push(Action::Contend { host: index });
            }
            return;
        }
        if contender.lock().hold().is_none() {
            return;
        }
        if setup.admin.contains(&Admin::LetGo) {
            actions.push(Action::LetGo { host: index });
        }
        if setup.admin.contains(&Admin::Move) {
            for service in contender.movable(setup.config(self.reconfigured)) {
                for (to, host) in setup.hosts.iter().enumerate() {
                    let legal =
                        setup.orders.is_empty() || self.may_recover(setup, index, service, to);
                    if host.lrm && host.node != node && legal {
                        actions.push(Action::Move {
                            host: index,
                            service,
                            to,
                        });
                    }
                }
            }
        }
    }

    fn add_host_faults(&self, setup: &Setup, index: usize, actions: &mut Vec<Action>) {
        let host = &self.hosts[index];
        if self.faults_left == 0
            || !setup.fault_hosts.contains(&index)
            || !host.on
            || host.is_halted()
        {
            return;
        }
        if self.allows(setup, Fault::Suspend) {
            actions.push(Action::Suspend { host: index });
        }
        if self.allows(setup, Fault::Power) {
            actions.push(Action::PowerOff { host: index });
        }
        if self.allows(setup, Fault::Isolate) && !host.isolated {
            actions.push(Action::Isolate { host: index });
        }
        if self.allows(setup, Fault::HostStop) && host.stop_left > 0 {
            actions.push(Action::HostStops { host: index });
        }
        for proc in host.processes() {
            let (pause, crash) = proc.faults();
            // Stopped while it has nothing to do, the multiplexer is as one stopped when it has, but
            // that it doesn't learn of another configuration.
            let lazy = setup.reduce && proc == Proc::Mux && !self.may_reconfigure(setup);
            let idle = lazy && !self.could_act(setup, index, proc);
            if self.allows(setup, pause) && !host.is_paused(proc) && !idle {
                actions.push(Action::Pause { host: index, proc });
            }
            if self.allows(setup, crash) {
                actions.push(Action::Crash { host: index, proc });
            }
        }
        if self.allows(setup, Fault::PauseAll) && host.processes().any(|proc| !host.is_paused(proc))
        {
            actions.push(Action::PauseAll { host: index });
        }
        if host.stand_in.as_ref().is_some_and(|it| !it.paused) {
            for act in [Act::Pause, Act::Crash] {
                if act.fault().is_some_and(|fault| self.allows(setup, fault)) {
                    actions.push(Action::StandIn { host: index, act });
                }
            }
        }
        self.add_service_faults(setup, index, actions);
    }

    fn add_service_faults(&self, setup: &Setup, index: usize, actions: &mut Vec<Action>) {
        let host = &self.hosts[index];
        for (worker, job) in host.workers.iter().enumerate() {
            if self.allows(setup, Fault::AgentFails) {
                actions.push(Action::WorkFails {
                    host: index,
                    worker,
                });
            }
            if self.allows(setup, Fault::AgentHangs) && !job.hung {
                actions.push(Action::WorkHangs {
                    host: index,
                    worker,
                });
            }
        }
        for (agent, _) in host.agents.iter().enumerate() {
            if self.allows(setup, Fault::FenceFails) {
                actions.push(Action::FenceFails { host: index, agent });
            }
            if self.allows(setup, Fault::FenceLies) {
                actions.push(Action::FenceLies { host: index, agent });
            }
        }
        if self.allows(setup, Fault::ServiceEnds) {
            for (number, instance) in (0..).zip(&host.instances) {
                if instance.runs() {
                    let service = ServiceId(number);
                    actions.push(Action::ServiceEnds {
                        host: index,
                        service,
                    });
                }
            }
        }
    }

    fn add_store_faults(&self, setup: &Setup, actions: &mut Vec<Action>) {
        if self.faults_left == 0 {
            return;
        }
        if self.allows(setup, Fault::Outage) && !self.store.down {
            actions.push(Action::Outage);
        }
        if self.allows(setup, Fault::Rollback) && self.store.before.is_some() {
            actions.push(Action::Rollback);
        }
        if self.allows(setup, Fault::HandEdit) {
            for service in setup.service_ids() {
                let location = self.store.service(service).map(|service| service.location);
                for (to, host) in setup.hosts.iter().enumerate() {
                    if host.lrm && Some(host.node) != location {
                        actions.push(Action::HandEdit { service, to });
                    }
                }
            }
        }
    }

    fn add_time(&self, setup: &Setup, actions: &mut Vec<Action>) {
        actions.push(Action::Tick);
        if self.faults_left == 0 || !self.allows(setup, Fault::Drift) {
            return;
        }
        for (index, host) in self.hosts.iter().enumerate() {
            if host.on && host.drift_wait == 0 && setup.fault_hosts.contains(&index) {
                actions.push(Action::TickDrifting {
                    host: index,
                    fast: false,
                });
                actions.push(Action::TickDrifting {
                    host: index,
                    fast: true,
                });
            }
        }
    }

    /// Whether a process has anything to do or to take in now.
    fn could_act(&self, setup: &Setup, index: usize, proc: Proc) -> bool {
        self.could_watch(index, proc) || self.could_act_unseeing(setup, index, proc)
    }

    /// Whether a process' watch has news for it that can reach it now.
    fn could_watch(&self, index: usize, proc: Proc) -> bool {
        self.hosts[index].is_notified(proc) && self.reaches_store(index)
    }

    /// Whether a process has anything to do or to take in now but what its watch shows.
    fn could_act_unseeing(&self, setup: &Setup, index: usize, proc: Proc) -> bool {
        let host = &self.hosts[index];
        host.has_effects(proc)
            || host.deliverable(proc).next().is_some()
            || Self::is_due(setup, host.wakeup(setup, self.reconfigured, proc))
    }

    /// Whether a process is due, and has nothing else to do or to take in.
    pub(crate) fn only_wakes(&self, setup: &Setup, index: usize, proc: Proc) -> bool {
        let host = &self.hosts[index];
        host.runs(proc)
            && Self::is_due(setup, host.wakeup(setup, self.reconfigured, proc))
            && !host.has_effects(proc)
            && host.deliverable(proc).next().is_none()
            && !self.could_watch(index, proc)
    }

    /// Whether what its watch shows is all that a process has to do now.
    pub(crate) fn only_watches(&self, setup: &Setup, index: usize, proc: Proc) -> bool {
        self.hosts[index].runs(proc)
            && self.could_watch(index, proc)
            && !self.could_act_unseeing(setup, index, proc)
    }

    /// Whether something has to happen before time passes.
    fn is_urgent(&self, setup: &Setup) -> bool {
        if let Some(max) = setup.outage_max {
            let out = self.store.down || self.hosts.iter().any(|host| host.isolated);
            if out && self.store.outage >= max {
                return true;
            }
        }
        (0..self.hosts.len()).any(|index| self.is_urgent_on(setup, index))
    }

    fn is_urgent_on(&self, setup: &Setup, index: usize) -> bool {
        let host = &self.hosts[index];
        if !host.on {
            return false;
        }
        if host.stopped {
            return host.stop_left == 0;
        }
        if host.suspended {
            return false;
        }
        let process_urgent = host
            .processes()
            .filter(|proc| host.runs(*proc))
            .any(|proc| self.could_act(setup, index, proc));
        let late = |at: Instant| Instant(at.0 + setup.physics.kernel_delay);
        process_urgent
            || host.workers.iter().any(|worker| !worker.hung)
            || self.must_reset(setup, index)
            || self.reset_due(setup, index) == Some(0)
            || (host.mux.is_some() && Self::is_due(setup, host.kill_timer.map(late)))
    }
}

/// The ways in which people have an LRM end but restarting and stopping it.
fn add_other_ways(setup: &Setup, host: usize, actions: &mut Vec<Action>) {
    for (admin, way) in [
        (Admin::StopAndFreezeLrm, Leave::StopAndFreeze),
        (Admin::MigrateLrm, Leave::Migrate),
    ] {
        if setup.admin.contains(&admin) {
            actions.push(Action::EndLrm { host, way });
        }
    }
}
