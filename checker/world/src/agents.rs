//! Agents: what becomes of services by their jobs.
//!
//! What is sent elsewhere is copied there and then paused on both sides; whoever starts it first
//! goes on with it, and from then on every other copy is stale. A start goes on with what is paused
//! here, whatever it is: an agent can't tell.

use lockstep_model::lrm::{self, Job, Report};

use crate::state::{Failed, Instance, Worker, World};

impl World {
    fn instance(&mut self, host: usize, worker: Worker) -> &mut Instance {
        &mut self.hosts[host].instances[usize::from(worker.service.0)]
    }

    /// A service runs on here: what is paused elsewhere is out of date.
    fn runs_on(&mut self, host: usize, worker: Worker) {
        for (other, value) in self.hosts.iter_mut().enumerate() {
            let instance = &mut value.instances[usize::from(worker.service.0)];
            if other != host && instance.is_paused() {
                *instance = Instance::Stale;
            }
        }
    }

    /// The host that a job sends to, if it is there to receive anything.
    fn receiver(&self, host: usize, worker: Worker) -> Option<usize> {
        let Job::Send { target } = worker.job else {
            return None;
        };
        let there = |index: &usize| {
            let other = &self.hosts[*index];
            *index != host && other.node == target && other.on && !other.is_halted()
        };
        (0..self.hosts.len()).find(there)
    }

    /// A copy is complete: both sides are paused. What runs at the target is in the way.
    fn hand_over(&mut self, host: usize, worker: Worker) {
        let Some(to) = self.receiver(host, worker) else {
            return;
        };
        let there = self.hosts[to].instances[usize::from(worker.service.0)];
        if *self.instance(host, worker) == Instance::Running && !there.runs() {
            *self.instance(host, worker) = Instance::Outgoing;
            *self.instance(to, worker) = Instance::Incoming;
        }
    }

    /// An agent ends its job well: what it says is true.
    pub(crate) fn do_job(&mut self, host: usize, worker: Worker) -> Report {
        self.hosts[host].workers.retain(|other| *other != worker);
        match worker.job {
            Job::Start => {
                self.runs_on(host, worker);
                *self.instance(host, worker) = Instance::Running;
                let failed = &mut self.hosts[host].failed;
                failed.retain(|failed| failed.service != worker.service);
            }
            Job::Stop => *self.instance(host, worker) = Instance::Absent,
            Job::Send { .. } => self.hand_over(host, worker),
            Job::Query => {}
        }
        match self.instance(host, worker) {
            Instance::Absent => Report::Stopped,
            Instance::Running => Report::Running,
            Instance::Half => Report::Unclear,
            Instance::Outgoing | Instance::Incoming | Instance::Stale => Report::Sent,
        }
    }

    /// An agent's worker ends its job.
    pub(crate) fn work(&mut self, host: usize, worker: usize) {
        let worker = self.hosts[host].workers[worker];
        let report = self.do_job(host, worker);
        self.report(host, worker, report);
    }

    /// An agent's worker fails: a start or stop leaves something half-way, a move a part of a copy
    /// at its target.
    pub(crate) fn work_fails(&mut self, host: usize, worker: usize) {
        let worker = self.hosts[host].workers.remove(worker);
        match (worker.job, *self.instance(host, worker)) {
            (Job::Start, _) => {
                self.runs_on(host, worker);
                *self.instance(host, worker) = Instance::Half;
                self.count_failure(host, worker);
            }
            (Job::Stop, Instance::Running | Instance::Half) => {
                *self.instance(host, worker) = Instance::Half;
            }
            (Job::Send { .. }, Instance::Running) => self.leave_part(host, worker),
            (
                Job::Stop,
                Instance::Absent | Instance::Outgoing | Instance::Incoming | Instance::Stale,
            )
            | (
                Job::Send { .. },
                Instance::Absent
                | Instance::Half
                | Instance::Outgoing
                | Instance::Incoming
                | Instance::Stale,
            )
            | (Job::Query, _) => {}
        }
        self.report(host, worker, Report::Unclear);
    }

    /// A start has failed under the order that its LRM has read. One right after a service has
    /// arrived counts for the order that follows, which its LRM sees to.
    fn count_failure(&mut self, host: usize, worker: Worker) {
        let value = &mut self.hosts[host];
        let mut lrms = value.lrms.iter();
        let lrm = lrms.find(|lrm| lrm.incarnation == worker.owner);
        let order = lrm.and_then(|lrm| lrm.machine.read_order(worker.service));
        let limited = order.filter(|it| it.restarts_max.is_some() && it.target().is_none());
        let Some(uid) = limited.map(|order| order.uid) else {
            return;
        };
        let service = worker.service;
        let before = value
            .failed
            .iter()
            .find(|it| (it.service, it.uid) == (service, uid));
        let count = before.map_or(0, |failed| failed.count) + 1;
        value.failed.retain(|failed| failed.service != service);
        value.failed.push(Failed {
            service,
            uid,
            count,
        });
        value.failed.sort_unstable();
    }

    fn leave_part(&mut self, host: usize, worker: Worker) {
        if let Some(to) = self.receiver(host, worker) {
            let copy = self.instance(to, worker);
            if !copy.runs() {
                *copy = Instance::Stale;
            }
        }
    }

    /// What a worker was at is left half-way: the worse of what its end can leave. A move that was
    /// complete has told nobody.
    pub(crate) fn kill_workers(&mut self, host: usize) {
        for worker in std::mem::take(&mut self.hosts[host].workers) {
            match (worker.job, *self.instance(host, worker)) {
                (
                    Job::Start,
                    Instance::Absent | Instance::Outgoing | Instance::Incoming | Instance::Stale,
                ) => {
                    self.runs_on(host, worker);
                    *self.instance(host, worker) = Instance::Half;
                }
                (Job::Stop, Instance::Running) => *self.instance(host, worker) = Instance::Half,
                (Job::Send { .. }, _) => self.hand_over(host, worker),
                (Job::Start, Instance::Running | Instance::Half)
                | (
                    Job::Stop,
                    Instance::Absent
                    | Instance::Half
                    | Instance::Outgoing
                    | Instance::Incoming
                    | Instance::Stale,
                )
                | (Job::Query, _) => {}
            }
        }
    }

    fn report(&mut self, host: usize, worker: Worker, report: Report) {
        let lrms = &mut self.hosts[host].lrms;
        if let Some(lrm) = lrms.iter_mut().find(|lrm| lrm.incarnation == worker.owner) {
            let Worker {
                id, service, job, ..
            } = worker;
            lrm.inbox.push(lrm::Input::WorkerDone {
                worker: id,
                service,
                job,
                report,
            });
        }
    }
}
