//! Resource agents and what they do to instances (`simulator.md` 12).
//!
//! A start, a stop and a move take two seconds; a question, and a job that changes nothing, none.
//! A moved instance is copied, then paused here and there; whoever starts it first goes on with it.
//! A container can't be moved while it runs: it is stopped, and so arrives with nothing running.
//! What can't be stopped can't be killed either: it hangs in the kernel.

use lockstep_model::event::Level;
use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::lrm::{self, Job, Report};
use lockstep_model::time::{Instant, Span};

use super::cluster::Cluster;
use super::host::{Instance, Owner, State, Worker};
use crate::guests::{Kind, Operation};
use crate::log::Daemon;

/// How long an operation on a guest takes.
const OPERATION: Span = Span(2_000);

impl Cluster {
    fn state_of(&self, host: usize, service: ServiceId) -> Option<State> {
        let instance = self.hosts[host].instances.get(&service)?;
        Some(instance.state)
    }

    pub(super) fn set_state(&mut self, host: usize, service: ServiceId, state: Option<State>) {
        self.watch.dirty = true;
        let instances = &mut self.hosts[host].instances;
        match state {
            Some(state) => {
                let owner = instances
                    .get(&service)
                    .map_or(Owner::Stack, |one| one.owner);
                instances.insert(service, Instance { state, owner });
            }
            None => {
                instances.remove(&service);
            }
        }
    }

    /// An agent begins a job. What takes no time is done at once.
    pub(super) fn begin_job(&mut self, host: usize, worker: Worker, timeout: Option<u64>) {
        let takes = match worker.job {
            Job::Query => None,
            Job::Start => self.begin_start(host, worker.service),
            Job::Stop => self.begin_stop(host, worker.service, timeout),
            Job::Send { .. } => self.begin_send(host, worker.service),
        };
        let ends = self.now + takes.unwrap_or(Span::ZERO);
        let worker = Worker { ends, ..worker };
        match takes {
            Some(_) => self.hosts[host].workers.push(worker),
            None => self.say_done(host, worker),
        }
    }

    fn begin_start(&mut self, host: usize, service: ServiceId) -> Option<Span> {
        match self.state_of(host, service) {
            Some(State::Running) => return None,
            Some(State::Incoming | State::Outgoing) => {
                self.set_state(host, service, Some(State::Running));
                return None;
            }
            Some(State::Starting | State::Stopping | State::Unknown) | None => {}
        }
        let sid = self.names.service(service).to_owned();
        let kind = Kind::of(&sid).filter(|_| self.store.resource(service).is_some());
        let Some(kind) = kind else {
            let text = format!("missing resource configuration for '{sid}'");
            self.agent_says(host, &text);
            return None;
        };
        if self.is_locked(host, service, "start")
            || self.fails(host, service, kind, Operation::Start)
        {
            return None;
        }
        self.set_state(host, service, Some(State::Starting));
        Some(OPERATION)
    }

    fn begin_stop(
        &mut self,
        host: usize,
        service: ServiceId,
        timeout: Option<u64>,
    ) -> Option<Span> {
        match self.state_of(host, service)? {
            State::Incoming | State::Outgoing => {
                self.set_state(host, service, None);
                return None;
            }
            State::Starting | State::Running | State::Stopping | State::Unknown => {}
        }
        if self.is_unstoppable(service) || self.is_locked(host, service, "shutdown") {
            return None;
        }
        self.set_state(host, service, Some(State::Stopping));
        let timeout = timeout.map(|seconds| Span(seconds.saturating_mul(1000)));
        Some(timeout.map_or(OPERATION, |timeout| timeout.min(OPERATION)))
    }

    fn begin_send(&mut self, host: usize, service: ServiceId) -> Option<Span> {
        if self.state_of(host, service)? != State::Running {
            return None;
        }
        let sid = self.names.service(service).to_owned();
        let kind = Kind::of(&sid)?;
        if self.fails(host, service, kind, Operation::Move)
            || self.is_locked(host, service, "migrate")
        {
            return None;
        }
        if kind == Kind::Container {
            let text = "unable to live migrate running container, fallback to relocate";
            self.lrm_says(host, Level::Warning, text);
            self.set_state(host, service, Some(State::Stopping));
        }
        Some(OPERATION)
    }

    fn fails(&mut self, host: usize, service: ServiceId, kind: Kind, operation: Operation) -> bool {
        let Kind::Failing(failing) = kind else {
            return false;
        };
        let here = self.names.node(self.hosts[host].id);
        self.guests.fails(here, service, failing, operation)
    }

    pub(super) fn is_unstoppable(&self, service: ServiceId) -> bool {
        let kind = Kind::of(self.names.service(service));
        matches!(kind, Some(Kind::Failing(failing)) if failing.unstoppable)
    }

    fn is_locked(&mut self, host: usize, service: ServiceId, operation: &str) -> bool {
        let resource = self.store.resource(service);
        let Some(lock) = resource.and_then(|resource| resource.guest_lock.clone()) else {
            return false;
        };
        let sid = self.names.service(service);
        let text = format!(
            "service '{sid}' locked ({}), unable to {operation}!",
            lock.0
        );
        self.agent_says(host, &text);
        true
    }

    fn agent_says(&mut self, host: usize, text: &str) {
        self.lrm_says(host, Level::Error, text);
    }

    pub(super) fn lrm_says(&mut self, host: usize, level: Level, text: &str) {
        self.say(host, Daemon::Lrm, level, &text);
    }

    /// When the next job ends.
    pub(super) fn next_job_end(&self) -> Option<Instant> {
        let hosts = self.hosts.iter();
        hosts
            .flat_map(|host| host.workers.iter().map(|worker| worker.ends))
            .min()
    }

    /// Every job ends whose time has come.
    pub(super) fn end_jobs(&mut self) {
        for host in 0..self.hosts.len() {
            let now = self.now;
            let workers = &mut self.hosts[host].workers;
            let ended: Vec<Worker> = workers
                .extract_if(.., |worker| worker.ends <= now)
                .collect();
            for worker in ended {
                self.end_job(host, worker);
            }
        }
    }

    fn end_job(&mut self, host: usize, worker: Worker) {
        let (service, state) = (worker.service, self.state_of(host, worker.service));
        match (worker.job, state) {
            (Job::Start, Some(State::Starting)) => {
                self.set_state(host, service, Some(State::Running));
            }
            (Job::Stop | Job::Send { .. }, Some(State::Stopping)) => {
                self.set_state(host, service, None);
            }
            (Job::Send { target }, Some(State::Running)) => self.hand_over(host, service, target),
            (Job::Query | Job::Start | Job::Stop | Job::Send { .. }, _) => {}
        }
        self.say_done(host, worker);
    }

    /// The copy is complete: both sides are paused, if both can be reached.
    fn hand_over(&mut self, host: usize, service: ServiceId, target: NodeId) {
        let Some(to) = self.host_index(target) else {
            return;
        };
        let reachable = self.hosts[host].is_connected() && self.hosts[to].is_connected();
        if to == host || !reachable || self.hosts[to].instances.contains_key(&service) {
            return;
        }
        self.set_state(host, service, Some(State::Outgoing));
        let instance = self.hosts[host].instances.get(&service);
        let owner = instance.map_or(Owner::Stack, |one| one.owner);
        let state = State::Incoming;
        self.hosts[to]
            .instances
            .insert(service, Instance { state, owner });
    }

    /// What an agent says after a job is true.
    fn say_done(&mut self, host: usize, worker: Worker) {
        let state = self.state_of(host, worker.service);
        let report = match (worker.job, state) {
            // What has come to this node is asked about by the LRM to which it belongs by now.
            (Job::Send { .. }, None)
            | (_, Some(State::Outgoing))
            | (Job::Query, Some(State::Incoming)) => Report::Sent,
            (Job::Query | Job::Start | Job::Stop, None)
            | (Job::Start | Job::Stop, Some(State::Incoming)) => Report::Stopped,
            (_, Some(State::Running | State::Starting)) => Report::Running,
            (_, Some(State::Stopping | State::Unknown))
            | (Job::Send { .. }, Some(State::Incoming)) => Report::Unclear,
        };
        if worker.job == Job::Start {
            self.note_start(host, worker.service, report == Report::Running);
        }
        let Some(lrm) = &mut self.hosts[host].lrm else {
            return;
        };
        if lrm.me.incarnation == worker.owner {
            lrm.inbox.push_back(lrm::Input::WorkerDone {
                worker: worker.id,
                service: worker.service,
                job: worker.job,
                report,
            });
        }
    }

    /// A new LRM ends what its predecessor's workers were at: it is left half-way.
    pub(super) fn reap(&mut self, host: usize) {
        for worker in std::mem::take(&mut self.hosts[host].workers) {
            match self.state_of(host, worker.service) {
                Some(State::Starting | State::Stopping) => {
                    self.set_state(host, worker.service, Some(State::Unknown));
                }
                Some(State::Running | State::Unknown | State::Incoming | State::Outgoing)
                | None => {}
            }
        }
    }

    /// Kills services with their workers.
    pub(super) fn kill(&mut self, host: usize, services: &[ServiceId]) {
        let workers = &mut self.hosts[host].workers;
        workers.retain(|worker| !services.contains(&worker.service));
        for service in services {
            if !self.is_unstoppable(*service) {
                self.set_state(host, *service, None);
            } else if self.state_of(host, *service).is_some() {
                self.set_state(host, *service, Some(State::Running));
            }
        }
    }
}
