//! What LRMs have agents do.

use lockstep_model::event::LrmState;
use lockstep_model::id::{LockId, NodeId, ServiceId};
use lockstep_model::lrm::{self, Job};
use lockstep_model::manager::status::LrmMode;
use lockstep_model::record::Wanted;

use super::{Broken, Property};
use crate::setup::Setup;
use crate::state::{Host, Instance, Worker, World};

impl World {
    pub(super) fn judge_effect(
        &self,
        setup: &Setup,
        host: usize,
        index: usize,
        effect: usize,
        broken: &mut Broken,
    ) {
        let value = &self.hosts[host];
        let lrm = &value.lrms[index];
        match &lrm.outbox[effect] {
            lrm::Effect::Write(write) => {
                if self.reaches_store(host) {
                    let sender = value.holder(lrm.incarnation);
                    self.judge_write(setup, &sender, write, broken);
                }
                self.judge_departure(setup, value, index, write, broken);
            }
            lrm::Effect::Spawn {
                worker,
                service,
                job,
                ..
            } => {
                self.judge_job(setup, host, index, *service, *job, broken);
                if setup.instant_agents {
                    let worker = Worker {
                        id: *worker,
                        owner: lrm.incarnation,
                        service: *service,
                        job: *job,
                        hung: false,
                    };
                    self.judge_start(host, worker, broken);
                }
            }
            lrm::Effect::KillServices(services) => {
                for service in services {
                    self.judge_touch(setup, value, index, *service, broken);
                }
                broken.unless(setup.outage_max.is_none(), Property::OutageTolerated);
            }
            lrm::Effect::Read(_)
            | lrm::Effect::Watchdog(_)
            | lrm::Effect::Reap
            | lrm::Effect::RecordIntent { .. }
            | lrm::Effect::Exit => {}
        }
    }

    fn judge_job(
        &self,
        setup: &Setup,
        host: usize,
        index: usize,
        service: ServiceId,
        job: Job,
        broken: &mut Broken,
    ) {
        let value = &self.hosts[host];
        let lrm = &value.lrms[index];
        match job {
            Job::Query => return,
            Job::Start => {
                let taken = self
                    .store
                    .history(LockId::Agent(value.node))
                    .map(|lock| lock.taken);
                let fresh = lrm.machine.view_revision() >= taken;
                broken.unless(fresh, Property::StartAfterGrantRead);
                let bounded = self.is_allowed(value, index, service);
                broken.unless(bounded, Property::PolicyBounds);
            }
            Job::Send { target } => {
                let ready = setup.orders.is_empty() || self.was_ready(target, value, index);
                broken.unless(ready, Property::TargetHoldsLock);
                let open = self.is_open(setup, value, index, service);
                broken.unless(open, Property::AtMostOnce);
            }
            Job::Stop => {
                let runs = value.instances[usize::from(service.0)].runs();
                let needless = runs && setup.outage_max.is_some();
                broken.unless(!needless, Property::OutageTolerated);
            }
        }
        let intended = value.intents.contains(&service);
        broken.unless(intended, Property::AtMostOnce);
        self.judge_touch(setup, value, index, service, broken);
    }

    /// A start is done: it goes on with what is paused here, whatever that is.
    pub(super) fn judge_start(&self, host: usize, worker: Worker, broken: &mut Broken) {
        let instance = self.hosts[host].instances[usize::from(worker.service.0)];
        let resumes_stale = worker.job == Job::Start && instance == Instance::Stale;
        broken.unless(!resumes_stale, Property::ResumesLatest);
    }

    /// Whether a node's own LRM held its lock guarded when this LRM last read, or does now.
    pub(super) fn was_ready(&self, node: NodeId, reader: &Host, index: usize) -> bool {
        let read = reader.lrms[index].machine.view_revision();
        let unready = self
            .store
            .history(LockId::Agent(node))
            .map(|lock| lock.unready);
        self.is_ready(node) || read < unready
    }

    /// Whether the move that a service's order asks for has no result yet.
    fn is_open(&self, setup: &Setup, host: &Host, index: usize, service: ServiceId) -> bool {
        let lrm = &host.lrms[index].machine;
        let config = setup.config(self.reconfigured);
        let uid = lrm.read_order(service).map(|order| order.uid);
        let said = lrm.published(config, Self::now(setup));
        let mut results = said.iter().flat_map(|said| &said.results);
        !results.any(|result| Some(result.uid) == uid)
    }

    /// Whether a start may be tried again, for all that has failed under the order as read.
    fn is_allowed(&self, host: &Host, index: usize, service: ServiceId) -> bool {
        let order = host.lrms[index].machine.read_order(service);
        let Some((order, max)) = order.and_then(|order| Some((order, order.restarts_max?))) else {
            return true;
        };
        let mut failed = host.failed.iter();
        let failed = failed.find(|failed| failed.service == service && failed.uid == order.uid);
        failed.is_none_or(|failed| failed.count <= max)
    }

    /// A worker starts, stops or kills a service.
    fn judge_touch(
        &self,
        setup: &Setup,
        host: &Host,
        index: usize,
        service: ServiceId,
        broken: &mut Broken,
    ) {
        let left = self.grant(host.node).is_some_and(|grant| {
            grant.state.lists(service)
                && grant
                    .state
                    .unguarded()
                    .is_some_and(|list| list.boot == host.boot)
        });
        let lock = host.lrms[index].machine.lock();
        let knows = lock
            .left_running(setup.config(self.reconfigured))
            .contains(&service);
        broken.unless(!(left && knows), Property::FrozenUntouched);
        let order = host.lrms[index].machine.read_order(service);
        match order.map(|order| order.wanted) {
            Some(Wanted::Ignored) => broken.unless(false, Property::IgnoredUntouched),
            Some(Wanted::Untouched) => {
                let forced = self.must_stop(setup, host, index);
                broken.unless(forced, Property::ErrorUntouched);
            }
            Some(Wanted::Started | Wanted::Stopped | Wanted::Fenced | Wanted::Moved { .. })
            | None => {}
        }
    }

    /// Whether an LRM has to stop everything: its authority ends, or it does, or its node waits to
    /// be fenced.
    fn must_stop(&self, setup: &Setup, host: &Host, index: usize) -> bool {
        let lrm = &host.lrms[index];
        let held = self.holds(&host.holder(lrm.incarnation), LockId::Agent(host.node));
        let config = setup.config(self.reconfigured);
        let said = lrm.machine.published(config, Self::now(setup));
        let leaves = said
            .and_then(|said| said.mode)
            .is_some_and(|mode| match mode {
                LrmMode::Restart | LrmMode::Shutdown => true,
                LrmMode::Active | LrmMode::Maintenance | LrmMode::Disarm => false,
            });
        !held || leaves || lrm.machine.state() == LrmState::LostAgentLock
    }
}
