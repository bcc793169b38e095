//! Resource agents: what becomes of a command for a guest (`protocol.md` 6, `simulator.md` 12).

use lockstep_model::event::Level;
use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::lrm::rounds::work::{Command, WorkerEnd};
use lockstep_model::manager::status::ExitCode;
use lockstep_model::placement::state::ServiceState;

use crate::cluster::Cluster;
use crate::guests::{Failing, Kind, Operation};
use crate::log::Daemon;

/// How long an operation on a guest takes, in seconds.
const OPERATION: u64 = 2;

const UNKNOWN_TYPE: ExitCode = ExitCode(4);
const UNKNOWN_COMMAND: ExitCode = ExitCode(5);
const UNKNOWN_SERVICE: ExitCode = ExitCode(7);

impl Cluster {
    fn agent_says(&mut self, node: usize, level: Level, text: &str) {
        self.say(node, Daemon::Lrm, level, &text);
    }

    fn takes_time(&mut self, node: usize) {
        self.nodes[node].lrm_env.delay += OPERATION;
    }

    fn runs(&self, node: usize, service: ServiceId) -> bool {
        self.nodes[node].running.contains(&service)
    }

    /// Carries out a command on a node.
    pub(crate) fn run_agent(&mut self, node: usize, command: &Command) -> WorkerEnd {
        let service = command.service;
        let sid = self.names.service(service).to_owned();
        let Some(kind) = Kind::of(&sid) else {
            let kind = sid.split(':').next().unwrap_or_default();
            let text = format!("service type '{kind}' not implemented");
            self.agent_says(node, Level::Error, &text);
            return WorkerEnd::Code(UNKNOWN_TYPE);
        };
        let Some(configured) = self.guests.configured.get(&service).map(|guest| guest.node) else {
            let text = format!("missing resource configuration for '{sid}'");
            self.agent_says(node, Level::Error, &text);
            return WorkerEnd::Code(UNKNOWN_SERVICE);
        };
        if command.state == ServiceState::Error {
            let text = format!(
                "service {sid} is in an error state and needs manual intervention. \
                 Look up 'ERROR RECOVERY' in the documentation."
            );
            self.agent_says(node, Level::Error, &text);
            return WorkerEnd::Code(ExitCode::SUCCESS);
        }
        if configured != self.nodes[node].id {
            let text = format!("service '{sid}' not on this node");
            self.agent_says(node, Level::Error, &text);
            return WorkerEnd::Code(ExitCode::WRONG_NODE);
        }
        match command.state {
            ServiceState::Started => WorkerEnd::Code(self.start_guest(node, service, &sid, kind)),
            ServiceState::RequestStop | ServiceState::Stopped => {
                WorkerEnd::Code(self.stop_guest(node, command, &sid, kind))
            }
            ServiceState::Migrate | ServiceState::Relocate | ServiceState::RequestStartBalance => {
                self.move_guest(node, command, &sid, kind)
            }
            ServiceState::RequestStart
            | ServiceState::Fence
            | ServiceState::Recovery
            | ServiceState::Freeze
            | ServiceState::Error => {
                let text = format!("implement me (cmd '{}')", command.state);
                self.agent_says(node, Level::Error, &text);
                WorkerEnd::Code(UNKNOWN_COMMAND)
            }
        }
    }

    fn start_guest(&mut self, node: usize, service: ServiceId, sid: &str, kind: Kind) -> ExitCode {
        if self.runs(node, service) {
            return ExitCode::SUCCESS;
        }
        self.agent_says(node, Level::Info, &format!("starting service {sid}"));
        let fails = matches!(kind, Kind::Failing(failing)
            if self.fails(node, service, failing, Operation::Start));
        if !fails && !self.is_locked(node, service, sid, "start") {
            self.takes_time(node);
            self.nodes[node].running.insert(service);
        }
        if self.runs(node, service) {
            self.agent_says(node, Level::Info, &format!("service status {sid} started"));
            return ExitCode::SUCCESS;
        }
        let text = format!("unable to start service {sid}");
        self.agent_says(node, Level::Warning, &text);
        ExitCode::ERROR
    }

    fn stop_guest(&mut self, node: usize, command: &Command, sid: &str, kind: Kind) -> ExitCode {
        let service = command.service;
        if !self.runs(node, service) {
            return ExitCode::SUCCESS;
        }
        let text = match command.timeout {
            Some(timeout) => format!("stopping service {sid} (timeout={timeout})"),
            None => format!("stopping service {sid}"),
        };
        self.agent_says(node, Level::Info, &text);
        self.shut_down(node, service, sid, kind);
        if self.runs(node, service) {
            let text = format!("unable to stop service {sid} (still running)");
            self.agent_says(node, Level::Info, &text);
            return ExitCode::ERROR;
        }
        self.agent_says(node, Level::Info, &format!("service status {sid} stopped"));
        ExitCode::SUCCESS
    }

    fn shut_down(&mut self, node: usize, service: ServiceId, sid: &str, kind: Kind) {
        if matches!(kind, Kind::Failing(failing) if failing.unstoppable)
            || self.is_locked(node, service, sid, "shutdown")
        {
            return;
        }
        self.takes_time(node);
        self.nodes[node].running.remove(&service);
    }

    /// Whether a lock on the guest forbids an operation; says so.
    fn is_locked(&mut self, node: usize, service: ServiceId, sid: &str, operation: &str) -> bool {
        let guest = self.guests.configured.get(&service);
        let Some(lock) = guest.and_then(|guest| guest.lock.clone()) else {
            return false;
        };
        let text = format!("service '{sid}' locked ({lock}), unable to {operation}!");
        self.agent_says(node, Level::Error, &text);
        true
    }

    fn move_guest(&mut self, node: usize, command: &Command, sid: &str, kind: Kind) -> WorkerEnd {
        let Some(target) = command.target else {
            let text = format!("{} '{sid}' failed - missing target", command.state);
            self.agent_says(node, Level::Error, &text);
            return WorkerEnd::NotExecuted;
        };
        if target == self.nodes[node].id {
            return WorkerEnd::Code(ExitCode::SUCCESS);
        }
        let runs = self.runs(node, command.service);
        if command.state == ServiceState::RequestStartBalance && runs {
            let text = format!("ignoring rebalance-on-start for service {sid} - already running");
            self.agent_says(node, Level::Info, &text);
            return WorkerEnd::Code(ExitCode::IGNORED);
        }
        let online = command.state == ServiceState::Migrate;
        if self.migrate(node, command.service, sid, kind, target, online) {
            return WorkerEnd::Code(ExitCode::SUCCESS);
        }
        let text = format!("service {sid} not moved (migration error)");
        self.agent_says(node, Level::Error, &text);
        WorkerEnd::Code(ExitCode::ERROR)
    }

    fn migrate(
        &mut self,
        node: usize,
        service: ServiceId,
        sid: &str,
        kind: Kind,
        target: NodeId,
        online: bool,
    ) -> bool {
        let runs = self.runs(node, service);
        let online = match kind {
            Kind::Container if online && runs => {
                let text = "unable to live migrate running container, fallback to relocate";
                self.agent_says(node, Level::Warning, text);
                false
            }
            Kind::Failing(failing) if self.fails(node, service, failing, Operation::Move) => {
                return false;
            }
            Kind::Machine | Kind::Container | Kind::Failing(_) => online,
        };
        let word = if online { "migrate" } else { "relocate" };
        let to = self.names.node(target).to_owned();
        let text = format!("service {sid} - start {word} to node '{to}'");
        self.agent_says(node, Level::Info, &text);
        if self.is_locked(node, service, sid, word) {
            return false;
        }
        if !online && runs {
            let text = format!("stopping service {sid} (relocate)");
            self.agent_says(node, Level::Info, &text);
            self.shut_down(node, service, sid, kind);
            self.agent_says(node, Level::Info, &format!("service status {sid} stopped"));
        } else {
            self.takes_time(node);
        }
        if let Some(guest) = self.guests.configured.get_mut(&service) {
            guest.node = target;
        }
        let text = format!("service {sid} - end {word} to node '{to}'");
        self.agent_says(node, Level::Info, &text);
        self.nodes[node].running.remove(&service);
        true
    }

    /// Whether a failing guest's operation fails this time.
    fn fails(
        &mut self,
        node: usize,
        service: ServiceId,
        failing: Failing,
        operation: Operation,
    ) -> bool {
        let here = self.names.node(self.nodes[node].id);
        self.guests.fails(here, service, failing, operation)
    }
}
