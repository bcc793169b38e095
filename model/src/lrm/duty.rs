//! What has to be done about each service, and whether it may be done now.

use alloc::vec::Vec;

use super::results::{Turn, turn};
use super::{Effect, Job, Killing, Leave, Local, Lrm, Report, Stage, Status, Worker};
use crate::config::Config;
use crate::event::{Effects, Event};
use crate::id::{NodeId, ServiceId, Uid};
use crate::lock::Standing;
use crate::mutation::{Mutant, Mutation};
use crate::record::{GrantState, Wanted};
use crate::time::Instant;

/// What is due for a service, derived from view, lock and watchdog after every input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    Run,
    Stop,
    /// Find out whether it runs, and stop it if so.
    StopRunning,
    /// Find out whether it runs, and leave it so.
    Find,
    /// Make it ready to go on elsewhere.
    Send(NodeId),
    /// Nothing: it is left running unguarded, or too little is known to decide.
    Leave,
}

impl Lrm {
    /// Whether authority is so near its end that services have to stop: now ≥ D − g.
    pub(super) fn is_losing<M: Mutation>(&self, config: &Config<M>, now: Instant) -> bool {
        if config.broken(Mutant::StopAtFirstTimeout) && self.lock.has_unsettled() {
            return true;
        }
        let stop_budget = config.timing().stop_budget;
        self.watchdog
            .armed()
            .is_some_and(|armed| armed.deadline.minus(stop_budget) <= now)
    }

    /// Whether the grant says that this service was left running here without a watchdog. A
    /// renewal that ends this, once sent, counts as applied.
    pub(super) fn is_left<M: Mutation>(&self, config: &Config<M>, service: ServiceId) -> bool {
        self.lock.left_running(config).contains(&service)
    }

    /// What is killed when it doesn't stop: all that may run and was not left running.
    fn to_kill<M: Mutation>(&self, config: &Config<M>) -> impl Iterator<Item = ServiceId> {
        let left = self.lock.left_running(config);
        self.services
            .iter()
            .filter(|(id, local)| {
                !left.contains(id) && (local.status != Status::Stopped || local.worker.is_some())
            })
            .map(|(id, _)| *id)
    }

    /// Whether the kill budget's beginning has to be waited for.
    pub(super) fn may_have_to_kill<M: Mutation>(&self, config: &Config<M>) -> bool {
        self.killing == Killing::No
            && !config.broken(Mutant::LossStopsNothing)
            && self.to_kill(config).next().is_some()
    }

    pub(super) fn has_worker<M: Mutation>(&self, config: &Config<M>) -> bool {
        self.killing == Killing::Pending
            || (self.services.values().any(|local| local.worker.is_some())
                && !config.broken(Mutant::ReleaseDespiteWorker))
    }

    pub(super) fn all_stopped(&self) -> bool {
        self.services
            .iter()
            .all(|(id, local)| local.status == Status::Stopped || self.is_ignored(*id))
    }

    /// Whether everything here was positively reported stopped, or a confirmed grant says that it
    /// was left running without a watchdog, or it is nobody's concern.
    pub(super) fn all_stopped_or_left<M: Mutation>(&self, config: &Config<M>) -> bool {
        self.services.iter().all(|(id, local)| {
            local.status == Status::Stopped || self.is_left(config, *id) || self.is_ignored(*id)
        })
    }

    /// Whether the view is one that starts may rest on: read after the grant.
    pub(super) fn view_is_fresh<M: Mutation>(&self, config: &Config<M>) -> bool {
        let Some(hold) = self.lock.hold() else {
            return false;
        };
        self.view_revision().is_some_and(|read| read >= hold.taken)
            || (config.broken(Mutant::StaleView) && self.view.is_some())
    }

    fn duty<M: Mutation>(&self, config: &Config<M>, now: Instant, service: ServiceId) -> Duty {
        if self.is_ignored(service) {
            return match config.broken(Mutant::IgnoredStopped) {
                true => Duty::Stop,
                false => Duty::Leave,
            };
        }
        let order = self.order(service).map(|order| order.wanted);
        if order == Some(Wanted::Untouched) && config.broken(Mutant::UntouchedStopped) {
            return Duty::Stop;
        }
        if self.is_left(config, service) {
            return match config.broken(Mutant::FrozenTouched) {
                true => Duty::Stop,
                false => Duty::Leave,
            };
        }
        if self.is_losing(config, now) {
            return match config.broken(Mutant::LossStopsNothing) {
                true => Duty::Leave,
                false => Duty::Stop,
            };
        }
        let Some(hold) = self.lock.hold() else {
            return self.duty_without_lock(config, now, service);
        };
        match (self.leaving, &hold.state) {
            (Some(Leave::Stop | Leave::StopAndFreeze), _) => Duty::Stop,
            (Some(Leave::Restart), _)
            | (None | Some(Leave::Migrate), GrantState::HeldUnguarded(_)) => Duty::Leave,
            (
                None | Some(Leave::Migrate),
                GrantState::HeldGuarded
                | GrantState::ReleasedClean
                | GrantState::ReleasedRunning(_),
            ) => {
                // A release that leaves services running may have been applied.
                let letting_go = self.is_to_disarm() && self.lock.may_be_released();
                if !self.view_is_fresh(config) || letting_go {
                    Duty::Leave
                } else {
                    self.ordered(service)
                }
            }
        }
    }

    /// Without the lock nothing may run here, unless it is about to be taken over from a process
    /// of this boot, or was left running.
    fn duty_without_lock<M: Mutation>(
        &self,
        config: &Config<M>,
        now: Instant,
        service: ServiceId,
    ) -> Duty {
        if self.lock.is_busy() || self.heard.contains(&service) {
            return Duty::Leave;
        }
        match self.lock.standing(config, now) {
            Standing::Unknown | Standing::Mine => Duty::Leave,
            Standing::Free(_) if self.wants_lock() => Duty::Leave,
            Standing::Free(_)
            | Standing::Silent(_)
            | Standing::LeftRunning
            | Standing::OtherMachine => match self.order(service).map(|order| order.wanted) {
                Some(Wanted::Untouched) => Duty::StopRunning,
                Some(
                    Wanted::Started
                    | Wanted::Stopped
                    | Wanted::Ignored
                    | Wanted::Fenced
                    | Wanted::Moved { .. },
                )
                | None => Duty::Stop,
            },
        }
    }

    /// Whether a service may be started now: everything that a start rests on holds.
    fn may_start<M: Mutation>(&self, config: &Config<M>, now: Instant) -> bool {
        let Some(hold) = self.lock.hold() else {
            return false;
        };
        let held = hold.state == GrantState::HeldGuarded
            && hold.expires.is_some_and(|expires| now < expires);
        let released = self.lock.may_be_released() && !config.broken(Mutant::StartDespiteRelease);
        let guarded = self.watchdog.guards(config, self.lock.me().incarnation)
            && !self.is_losing(config, now)
            || config.broken(Mutant::StartUnarmed);
        held && !released && guarded && self.is_serving() && self.view_is_fresh(config)
    }

    /// Does for every service, in name order, what is due and can be done.
    pub(super) fn attend_services<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        self.kill_if_due(config, now, effects);
        if self.killing == Killing::Pending {
            return;
        }
        let mut due = Vec::new();
        let ids: Vec<ServiceId> = self.services.keys().copied().collect();
        for id in ids {
            let duty = self.duty(config, now, id);
            let may_start = self.may_start(config, now);
            let brought = self.order(id).is_some_and(|order| order.brought);
            let Some(local) = self.services.get_mut(&id) else {
                continue;
            };
            if local.worker.is_some() || local.retry_at.is_some_and(|at| at > now) {
                continue;
            }
            local.retry_at = None;
            // What it goes on with has to be the newest there is.
            let is_old = local.status == Status::Paused(None)
                && duty == Duty::Run
                && !brought
                && !config.broken(Mutant::StaleResumed);
            let status = if is_old { Status::Failed } else { local.status };
            match job_for(duty, status, may_start) {
                Some(job) => due.push((turn(local.passes, config.services.rank(id.0)), id, job)),
                None => local.passes = 0,
            }
        }
        due.sort_unstable();
        self.begin_jobs(config, now, &due, effects);
    }

    /// Begins jobs in their order, until there are as many workers as may be. What is urgent waits
    /// for nobody.
    fn begin_jobs<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        due: &[(Turn, ServiceId, Job)],
        effects: &mut Effects<Effect>,
    ) {
        let workers = self.services.values().filter(|it| it.worker.is_some());
        let mut running = workers.count();
        let mut passed = Vec::new();
        for (_, id, job) in due {
            let full = config
                .policy()
                .workers_max
                .is_some_and(|max| running >= max);
            if full && !(*job == Job::Stop && self.is_urgent(config, now, *id)) {
                passed.push(*id);
                continue;
            }
            running += 1;
            self.begin_job(config, now, *id, *job, effects);
        }
        // Who came later has been passed over less often, whatever the names.
        let begun = passed.len() < due.len();
        for id in passed {
            if let Some(local) = self.services.get_mut(&id)
                && (begun || local.passes == 0)
            {
                local.passes = local.passes.saturating_add(1);
            }
        }
    }

    fn begin_job<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        service: ServiceId,
        job: Job,
        effects: &mut Effects<Effect>,
    ) {
        let id = self.lock.number();
        let uid = self.awaited(service);
        let Some(local) = self.services.get_mut(&service) else {
            return;
        };
        local.passes = 0;
        local.ended = false;
        local.worker = Some(Worker {
            id,
            job,
            stage: Stage::Recording,
            uid,
        });
        match job {
            Job::Start => effects.say(Event::Starting(service)),
            Job::Stop => effects.say(Event::Stopping(service)),
            Job::Send { target } => effects.say(Event::Sending { service, target }),
            Job::Query => {}
        }
        if job == Job::Query || config.broken(Mutant::NoIntent) {
            self.spawn(config, now, service, effects);
        } else {
            effects.push(Effect::RecordIntent { service, job });
        }
    }

    /// The intent is recorded: the worker is spawned, unless its reason has gone meanwhile.
    pub(super) fn on_intent<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        service: ServiceId,
        effects: &mut Effects<Effect>,
    ) {
        let duty = self.duty(config, now, service);
        let may_start = self.may_start(config, now);
        let Some(local) = self.services.get_mut(&service) else {
            return;
        };
        let Some(worker) = local
            .worker
            .filter(|worker| worker.stage == Stage::Recording)
        else {
            return;
        };
        let stands = match worker.job {
            Job::Start => may_start && duty == Duty::Run,
            Job::Send { target } => may_start && duty == Duty::Send(target),
            Job::Query | Job::Stop => true,
        };
        if !stands {
            local.worker = None;
            return;
        }
        self.spawn(config, now, service, effects);
    }

    fn spawn<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        service: ServiceId,
        effects: &mut Effects<Effect>,
    ) {
        let stop_from = self
            .watchdog
            .armed()
            .map(|armed| armed.deadline.minus(config.timing().stop_budget));
        let timeout_seconds = self.order(service).and_then(|order| order.timeout_seconds);
        let Some(worker) = self
            .services
            .get_mut(&service)
            .and_then(|local| local.worker.as_mut())
        else {
            return;
        };
        worker.stage = Stage::Spawned;
        let not_after = match worker.job {
            Job::Start | Job::Send { .. } => stop_from.filter(|at| *at > now),
            Job::Query | Job::Stop => None,
        };
        effects.push(Effect::Spawn {
            worker: worker.id,
            service,
            job: worker.job,
            not_after,
            timeout_seconds: timeout_seconds.filter(|_| worker.job == Job::Stop),
        });
    }

    pub(super) fn on_worker_done<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        service: ServiceId,
        done: Worker,
        report: Report,
        effects: &mut Effects<Effect>,
    ) {
        let Some(local) = self.services.get_mut(&service) else {
            return;
        };
        let answers = local.worker.is_some_and(|worker| {
            (worker.id, worker.job, worker.stage) == (done.id, done.job, done.stage)
                || (config.broken(Mutant::AnyWorkerAnswers) && worker.job == done.job)
        });
        if !answers {
            return;
        }
        let job = done.job;
        let uid = local.worker.take().and_then(|worker| worker.uid);
        local.status = match (job, report) {
            (Job::Stop, _) if config.broken(Mutant::FailedStopIsStopped) => Status::Stopped,
            (Job::Query, Report::Unclear) if config.broken(Mutant::AskedForEver) => Status::Unknown,
            (job, report) => status_after(local.status, job, report, uid),
        };
        // What runs, by a report made before it ended, is asked for again.
        if core::mem::take(&mut local.ended) && local.status == Status::Running {
            local.status = Status::Unknown;
        }
        let status = local.status;
        match status {
            Status::Unknown | Status::Doubtful | Status::Failed => {
                local.retry_at = Some(now + config.timing().retry);
                effects.say(Event::Unclear(service));
            }
            Status::Running => effects.say(Event::Running(service)),
            Status::Stopped => effects.say(Event::Stopped(service)),
            Status::Paused(_) => {}
        }
        self.on_job_ended(config, (service, job), uid, status, effects);
    }

    pub(super) fn on_service_ended<M: Mutation>(&mut self, config: &Config<M>, service: ServiceId) {
        let Some(local) = self.services.get_mut(&service) else {
            return;
        };
        match local.worker {
            None => local.status = Status::Unknown,
            Some(_) => local.ended = !config.broken(Mutant::EndUnheeded),
        }
    }

    fn kill_if_due<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        let kill_budget = config.timing().kill_budget;
        let due = self
            .watchdog
            .armed()
            .is_some_and(|armed| armed.deadline.minus(kill_budget) <= now);
        if due && self.may_have_to_kill(config) {
            let services = self.to_kill(config).collect();
            self.killing = Killing::Pending;
            effects.say(Event::Killing);
            effects.push(Effect::KillServices(services));
        } else if !due && self.killing == Killing::Done {
            self.killing = Killing::No;
        }
    }

    /// What was killed is asked for again: only a positive report counts.
    pub(super) fn on_killed<M: Mutation>(&mut self, config: &Config<M>) {
        if self.killing != Killing::Pending {
            return;
        }
        self.killing = Killing::Done;
        let killed: Vec<ServiceId> = self.to_kill(config).collect();
        for id in killed {
            self.services.insert(id, Local::unknown());
        }
    }
}

/// What has to be done, by what is due and how a service is, if anything.
fn job_for(duty: Duty, status: Status, may_start: bool) -> Option<Job> {
    match (duty, status) {
        (Duty::Run | Duty::StopRunning | Duty::Find, Status::Unknown | Status::Doubtful)
        | (Duty::Find, Status::Failed) => Some(Job::Query),
        (Duty::Run, Status::Stopped | Status::Paused(_)) => may_start.then_some(Job::Start),
        (Duty::Send(target), Status::Running) => may_start.then_some(Job::Send { target }),
        (Duty::Run, Status::Failed)
        | (Duty::Stop, Status::Unknown | Status::Doubtful)
        | (Duty::Stop | Duty::StopRunning, Status::Running | Status::Failed | Status::Paused(_)) => {
            Some(Job::Stop)
        }
        (Duty::Run, Status::Running)
        | (Duty::Stop | Duty::StopRunning, Status::Stopped)
        | (Duty::Find, Status::Stopped | Status::Running | Status::Paused(_))
        | (
            Duty::Send(_),
            Status::Unknown
            | Status::Doubtful
            | Status::Stopped
            | Status::Failed
            | Status::Paused(_),
        )
        | (Duty::Leave, _) => None,
    }
}

/// How a service is after a job, by how it was and its agent's report: only positive ones count.
/// Where an agent couldn't tell it is asked again, once: something may be left half-way, which
/// nothing but a stop ends, and what runs well isn't to be stopped for one question without an
/// answer.
const fn status_after(before: Status, job: Job, report: Report, uid: Option<Uid>) -> Status {
    match (job, report) {
        (Job::Start | Job::Query | Job::Send { .. }, Report::Running) => Status::Running,
        (Job::Stop | Job::Query | Job::Send { .. }, Report::Stopped) => Status::Stopped,
        (Job::Send { .. }, Report::Sent) => Status::Paused(uid),
        // Where it was sent, and by which order, is not known any more.
        (Job::Query, Report::Sent) => Status::Paused(None),
        // A start that ends with "stopped" has failed half-way for all that is known.
        (Job::Start, Report::Stopped | Report::Unclear | Report::Sent) => Status::Failed,
        (Job::Query, Report::Unclear) => match before {
            Status::Doubtful | Status::Failed => Status::Failed,
            Status::Unknown | Status::Stopped | Status::Running | Status::Paused(_) => {
                Status::Doubtful
            }
        },
        (Job::Stop, Report::Running | Report::Unclear | Report::Sent)
        | (Job::Send { .. }, Report::Unclear) => Status::Unknown,
    }
}
