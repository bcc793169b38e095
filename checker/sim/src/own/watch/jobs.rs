//! What agents are told to do.

use lockstep_model::event::LrmState;
use lockstep_model::id::{LockId, ServiceId};
use lockstep_model::lrm::Job;
use lockstep_model::placement::state::ServiceState;
use lockstep_model::record::{DataKey, Key, Wanted};

use super::super::cluster::Cluster;
use crate::watch::Property;

impl Cluster {
    /// An LRM begins a job.
    pub(in super::super) fn judge_job(&mut self, host: usize, service: ServiceId, job: Job) {
        match job {
            Job::Query => return,
            Job::Start => {
                self.judge_start(host, service);
                self.judge_attempt(host, service);
            }
            Job::Stop | Job::Send { .. } => {}
        }
        let forced = job == Job::Stop && self.must_stop(host);
        self.judge_touched(host, service, forced);
    }

    /// An LRM kills services.
    pub(in super::super) fn judge_kill(&mut self, host: usize, services: &[ServiceId]) {
        for service in services {
            self.judge_touched(host, *service, true);
        }
    }

    /// Whether an LRM has to stop everything: its authority ends, or its node goes down.
    fn must_stop(&self, host: usize) -> bool {
        let value = &self.hosts[host];
        let Some(lrm) = &value.lrm else {
            return false;
        };
        let held = self.store.holds(&lrm.me, LockId::Agent(value.id));
        !held || lrm.machine.state() == LrmState::LostAgentLock || lrm.stops
    }

    /// A start rests on a location that was read after the present grant.
    fn judge_start(&mut self, host: usize, service: ServiceId) {
        let value = &self.hosts[host];
        let taken = self.store.history(LockId::Agent(value.id));
        let lrm = value.lrm.as_ref();
        let read = lrm.and_then(|lrm| lrm.machine.view_revision());
        if read >= taken.map(|history| history.taken) {
            return;
        }
        let (sid, name) = (self.sid(service), self.name_of(host));
        let text = format!("service '{sid}' is started on '{name}' on an old reading");
        self.report(Property::StartAfterGrantRead, text);
    }

    /// A failed start is repeated as often as its order allows. One right after a service has
    /// arrived counts for the order that follows.
    fn judge_attempt(&mut self, host: usize, service: ServiceId) {
        let Some(record) = self.store.service(service).cloned() else {
            return;
        };
        let uid = record.target().is_none().then_some(record.uid);
        self.watch.starting.insert((host, service), uid);
        let failed = self.watch.failed_starts.get(&(host, service));
        let failed = failed.filter(|(of, _)| of.is_none() || *of == uid);
        let allowed = record.restarts_max.unwrap_or(u32::MAX);
        if failed.is_none_or(|(_, count)| *count <= allowed) {
            return;
        }
        let (sid, name) = (self.sid(service), self.name_of(host));
        let text = format!("service '{sid}' is started on '{name}' more often than allowed");
        self.report(Property::PolicyBounds, text);
    }

    /// How a start ended is counted.
    pub(in super::super) fn note_start(&mut self, host: usize, service: ServiceId, runs: bool) {
        let uid = self.watch.starting.remove(&(host, service));
        let counts = &mut self.watch.failed_starts;
        let before = counts.remove(&(host, service));
        if let Some(uid) = uid.filter(|_| !runs) {
            let same = before.filter(|(other, _)| other.is_none() || *other == uid);
            let count = same.map_or(0, |(_, count)| count) + 1;
            counts.insert((host, service), (uid, count));
        }
    }

    /// An LRM that is new counts anew.
    pub(in super::super) fn forget_starts(&mut self, host: usize) {
        self.watch.failed_starts.retain(|(of, _), _| *of != host);
    }

    /// What is frozen, in error or ignored is left alone where it belongs, as far as the LRM can have
    /// read that it is.
    fn judge_touched(&mut self, host: usize, service: ServiceId, forced: bool) {
        let record = self.store.service(service);
        if record.is_none_or(|record| record.location != self.hosts[host].id) {
            return;
        }
        let lrm = self.hosts[host].lrm.as_ref();
        let read = lrm.and_then(|lrm| lrm.machine.view_revision());
        let known = |key: Key| Some(self.store.revision_of(key)) <= read;
        let state = self.store.entry(service).map(|entry| entry.state);
        let state = state.filter(|_| known(Key::Data(DataKey::Entry(service))) && !forced);
        let wanted = self.store.service(service).map(|record| record.wanted);
        let ignored = wanted == Some(Wanted::Ignored) && known(Key::Service(service));
        let property = match state {
            Some(ServiceState::Freeze) => Property::FrozenUntouched,
            Some(ServiceState::Error) => Property::ErrorUntouched,
            Some(_) | None if ignored => Property::IgnoredUntouched,
            Some(_) | None => return,
        };
        let (sid, name) = (self.sid(service), self.name_of(host));
        let text = format!("service '{sid}' was started or stopped on '{name}'");
        self.report(property, text);
    }
}
