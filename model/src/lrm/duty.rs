//! What has to be done about each service, and whether it may be done now.

use alloc::vec::Vec;

use super::{Effect, Job, Killing, Leave, Local, Lrm, Report, Stage, Status, Worker};
use crate::config::Config;
use crate::event::{Effects, Event};
use crate::id::ServiceId;
use crate::lock::Standing;
use crate::mutation::{Mutant, Mutation};
use crate::record::{GrantState, Wanted};
use crate::time::Instant;

/// What is due for a service, derived from view, lock and watchdog after every input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    Run,
    Stop,
    /// Neither: it is left running unguarded, or too little is known to decide.
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
            .values()
            .all(|local| local.status == Status::Stopped)
    }

    /// Whether the view is one that starts may rest on: read after the grant.
    fn view_is_fresh<M: Mutation>(&self, config: &Config<M>) -> bool {
        let Some(hold) = self.lock.hold() else {
            return false;
        };
        self.view_revision().is_some_and(|read| read >= hold.taken)
            || (config.broken(Mutant::StaleView) && self.view.is_some())
    }

    fn is_wanted(&self, service: ServiceId) -> bool {
        self.view.as_ref().is_some_and(|view| {
            view.services
                .iter()
                .any(|(id, service_)| *id == service && service_.wanted == Wanted::Started)
        })
    }

    /// Whether anything is to run here, as far as this process knows.
    pub(super) fn wants_to_run(&self) -> bool {
        self.view.as_ref().is_some_and(|view| {
            view.services
                .iter()
                .any(|(_, service)| service.wanted == Wanted::Started)
        })
    }

    fn duty<M: Mutation>(&self, config: &Config<M>, now: Instant, service: ServiceId) -> Duty {
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
            return self.duty_without_lock(config, now);
        };
        match (self.leaving, &hold.state) {
            (Some(Leave::Stop | Leave::StopAndFreeze), _) => Duty::Stop,
            (Some(Leave::Restart | Leave::Migrate), _) | (None, GrantState::HeldUnguarded(_)) => {
                Duty::Leave
            }
            (
                None,
                GrantState::HeldGuarded
                | GrantState::ReleasedClean
                | GrantState::ReleasedRunning(_),
            ) => {
                if !self.view_is_fresh(config) {
                    Duty::Leave
                } else if self.is_wanted(service) {
                    Duty::Run
                } else {
                    Duty::Stop
                }
            }
        }
    }

    /// Without the lock nothing may run here, unless it is about to be taken over from a process
    /// of this boot, or was left running.
    fn duty_without_lock<M: Mutation>(&self, config: &Config<M>, now: Instant) -> Duty {
        if self.lock.is_busy() {
            return Duty::Leave;
        }
        match self.lock.standing(config, now) {
            Standing::Unknown | Standing::Mine => Duty::Leave,
            Standing::Free(_) if self.wants_lock() => Duty::Leave,
            Standing::Free(_)
            | Standing::Silent(_)
            | Standing::LeftRunning
            | Standing::OtherMachine => Duty::Stop,
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
        held && !released && guarded && self.leaving.is_none() && self.view_is_fresh(config)
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
        let mut ids: Vec<ServiceId> = self.services.keys().copied().collect();
        ids.sort_by_key(|id| config.services.rank(id.0));
        for id in ids {
            let duty = self.duty(config, now, id);
            let may_start = self.may_start(config, now);
            let Some(local) = self.services.get_mut(&id) else {
                continue;
            };
            if local.worker.is_some() {
                continue;
            }
            if local.retry_at.is_some_and(|at| at > now) {
                continue;
            }
            let job = match (duty, local.status) {
                (Duty::Run, Status::Unknown) => Job::Query,
                (Duty::Run, Status::Stopped) if may_start => Job::Start,
                (Duty::Run, Status::Failed)
                | (Duty::Stop, Status::Unknown | Status::Running | Status::Failed) => Job::Stop,
                (Duty::Run, Status::Stopped | Status::Running)
                | (Duty::Stop, Status::Stopped)
                | (Duty::Leave, _) => {
                    local.retry_at = None;
                    continue;
                }
            };
            self.begin_job(config, now, id, job, effects);
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
        let Some(local) = self.services.get_mut(&service) else {
            return;
        };
        local.retry_at = None;
        local.worker = Some(Worker {
            id,
            job,
            stage: Stage::Recording,
        });
        match job {
            Job::Start => effects.say(Event::Starting(service)),
            Job::Stop => effects.say(Event::Stopping(service)),
            Job::Query | Job::Send { .. } => {}
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
        let may_start = self.may_start(config, now) && self.duty(config, now, service) == Duty::Run;
        let Some(local) = self.services.get_mut(&service) else {
            return;
        };
        let Some(worker) = local
            .worker
            .filter(|worker| worker.stage == Stage::Recording)
        else {
            return;
        };
        if worker.job == Job::Start && !may_start {
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
        let Some(worker) = self
            .services
            .get_mut(&service)
            .and_then(|local| local.worker.as_mut())
        else {
            return;
        };
        worker.stage = Stage::Spawned;
        let not_after = match worker.job {
            Job::Start => stop_from.filter(|at| *at > now),
            Job::Query | Job::Stop | Job::Send { .. } => None,
        };
        effects.push(Effect::Spawn {
            worker: worker.id,
            service,
            job: worker.job,
            not_after,
            timeout_seconds: None,
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
        let answers = local.worker == Some(done)
            || (config.broken(Mutant::AnyWorkerAnswers)
                && local.worker.is_some_and(|worker| worker.job == done.job));
        if !answers {
            return;
        }
        let job = done.job;
        local.worker = None;
        local.status = match (job, report) {
            (Job::Start | Job::Query, Report::Running) => Status::Running,
            (Job::Stop | Job::Query, Report::Stopped) => Status::Stopped,
            (Job::Stop, _) if config.broken(Mutant::FailedStopIsStopped) => Status::Stopped,
            // A start that ends with "stopped" has failed half-way for all that is known.
            (Job::Start, Report::Stopped | Report::Unclear | Report::Sent) => Status::Failed,
            (Job::Stop, Report::Running | Report::Unclear | Report::Sent)
            | (Job::Query, Report::Unclear | Report::Sent)
            | (Job::Send { .. }, _) => Status::Unknown,
        };
        match local.status {
            Status::Unknown | Status::Failed => {
                local.retry_at = Some(now + config.timing().retry);
                effects.say(Event::Unclear(service));
            }
            Status::Running => effects.say(Event::Running(service)),
            Status::Stopped => effects.say(Event::Stopped(service)),
        }
    }

    pub(super) fn on_service_ended(&mut self, service: ServiceId) {
        if let Some(local) = self.services.get_mut(&service)
            && local.worker.is_none()
        {
            local.status = Status::Unknown;
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
