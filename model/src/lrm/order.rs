//! What the manager orders, what that means for each service, and how it ended.

use super::duty::Duty;
use super::{Job, Leave, Lrm, Status};
use crate::config::Config;
use crate::event::{Effects, Event};
use crate::id::{NodeId, ServiceId, Uid};
use crate::manager::status::{ExitCode, LrmResult};
use crate::mutation::{Mutant, Mutation};
use crate::record::{GrantState, MoveKind, Service, Wanted};
use crate::time::Instant;

use super::Effect;

impl Lrm {
    /// What a service that belongs here is to do.
    pub(super) fn order(&self, service: ServiceId) -> Option<&Service> {
        self.view.as_ref()?.order(service)
    }

    /// Whether a service here is nobody's concern.
    pub(super) fn is_ignored(&self, service: ServiceId) -> bool {
        let order = self.order(service);
        order.is_some_and(|order| order.wanted == Wanted::Ignored)
    }

    /// Whether the manager waits for this node to let go of everything.
    pub(super) fn is_fenced(&self) -> bool {
        self.view.as_ref().is_some_and(|view| {
            let mut orders = view.services.iter();
            view.around.fenced || orders.any(|(_, order)| order.wanted == Wanted::Fenced)
        })
    }

    /// Whether maintenance was asked for.
    pub(super) fn in_maintenance(&self) -> bool {
        self.leaving == Some(Leave::Migrate)
            || self
                .view
                .as_ref()
                .is_some_and(|view| view.around.maintenance)
    }

    /// Whether lock and watchdog are to be let go, with services as they are.
    pub(super) fn is_to_disarm(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.around.disarm)
    }

    /// Whether services are served as ordered: nothing but a move of everything ends the process.
    pub(super) const fn is_serving(&self) -> bool {
        match self.leaving {
            None | Some(Leave::Migrate) => true,
            Some(Leave::Restart | Leave::Stop | Leave::StopAndFreeze) => false,
        }
    }

    fn is_stopped(&self, service: ServiceId) -> bool {
        let local = self.services.get(&service);
        local.is_some_and(|local| local.status == Status::Stopped)
    }

    /// Whether anything is to run here, or may, or is to leave or to come, as far as this process
    /// knows: what it takes the lock for.
    pub(super) fn needs_lock(&self) -> bool {
        let Some(view) = &self.view else {
            return false;
        };
        let needs = |service: ServiceId, order: &Service| match order.wanted {
            Wanted::Started => true,
            Wanted::Stopped | Wanted::Ignored | Wanted::Fenced => false,
            Wanted::Untouched => !self.is_stopped(service),
            Wanted::Moved { target, .. } if target == self.lock.me().node => {
                order.brought || !self.is_stopped(service)
            }
            Wanted::Moved { .. } => {
                self.results.of(order.uid).is_none() || !self.is_stopped(service)
            }
        };
        let mut orders = view.services.iter();
        view.around.arriving || orders.any(|(id, order)| needs(*id, order))
    }

    /// What is due for a service by its order, while nothing stands against that.
    pub(super) fn ordered(&self, service: ServiceId) -> Duty {
        let Some(order) = self.order(service) else {
            return Duty::Stop;
        };
        if self.is_moving(service) {
            return Duty::Leave;
        }
        let failed = self.results.of(order.uid) == Some(ExitCode::ERROR);
        let node_fenced = self.view.as_ref().is_some_and(|view| view.around.fenced);
        if node_fenced && order.wanted != Wanted::Ignored {
            return Duty::Stop;
        }
        match order.wanted {
            Wanted::Started if failed => Duty::Stop,
            Wanted::Started => Duty::Run,
            Wanted::Stopped if failed => Duty::Find,
            Wanted::Stopped | Wanted::Fenced => Duty::Stop,
            Wanted::Untouched => Duty::Find,
            Wanted::Ignored => Duty::Leave,
            Wanted::Moved { target, .. } if target == self.lock.me().node => {
                self.ordered_arrival(service, order)
            }
            Wanted::Moved { target, kind } => self.ordered_move(service, order.uid, target, kind),
        }
    }

    /// What is due for a service that a move has brought here, in whichever state.
    fn ordered_arrival(&self, service: ServiceId, order: &Service) -> Duty {
        let local = self.services.get(&service);
        let failed = local.is_some_and(|local| local.failures > 0);
        match order.brought {
            // What failed to go on here is tried again when the manager says so.
            true if failed => Duty::Stop,
            true => Duty::Run,
            false => Duty::Find,
        }
    }

    fn ordered_move(&self, service: ServiceId, uid: Uid, target: NodeId, kind: MoveKind) -> Duty {
        let Some(status) = self.services.get(&service).map(|local| local.status) else {
            return Duty::Leave;
        };
        if self.results.of(uid).is_some() {
            // It stays: what a move has paused goes on.
            return match status {
                Status::Paused(_) => Duty::Run,
                Status::Unknown
                | Status::Doubtful
                | Status::Stopped
                | Status::Running
                | Status::Failed => Duty::Find,
            };
        }
        let ready = self.is_ready(target);
        match (kind, status) {
            (_, Status::Failed) => Duty::Stop,
            (_, Status::Stopped) => Duty::Leave,
            (
                MoveKind::Stopped,
                Status::Unknown | Status::Doubtful | Status::Running | Status::Paused(_),
            ) if ready => Duty::Stop,
            (MoveKind::Live, Status::Running) if ready => Duty::Send(target),
            (MoveKind::Live, Status::Paused(sent)) if sent == Some(uid) => Duty::Leave,
            // It was sent elsewhere, or nobody knows where to: it goes on here first.
            (_, Status::Paused(_)) => Duty::Run,
            (_, Status::Unknown | Status::Doubtful | Status::Running) => Duty::Find,
        }
    }

    /// Whether a node can take over what is sent to it.
    pub(super) fn is_ready(&self, node: NodeId) -> bool {
        self.view
            .as_ref()
            .is_some_and(|view| view.around.ready.contains(&node))
    }

    /// Whether nothing is under way that a disarmed stack would leave half-done.
    pub(super) fn is_order_done(&self, service: ServiceId, order: &Service) -> bool {
        let local = self.services.get(&service);
        let is = |status| local.is_some_and(|local| local.status == status);
        let answered = self.results.of(order.uid).is_some();
        match order.wanted {
            Wanted::Started => answered || (order.restarts_max.is_none() && is(Status::Running)),
            Wanted::Stopped => answered || (order.restarts_max.is_none() && is(Status::Stopped)),
            Wanted::Untouched | Wanted::Ignored => true,
            Wanted::Fenced => is(Status::Stopped),
            Wanted::Moved { target, .. } if target == self.lock.me().node => {
                !order.brought || is(Status::Running)
            }
            Wanted::Moved { .. } => answered,
        }
    }

    /// Gives the results that follow from how services are.
    pub(super) fn answer_orders<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        let Some(view) = &self.view else {
            return;
        };
        let ends: alloc::vec::Vec<LrmResult> = view
            .services
            .iter()
            .filter(|(_, order)| self.results.of(order.uid).is_none())
            .filter_map(|(id, order)| {
                let code = self.end_of(config, now, *id, order)?;
                Some(LrmResult {
                    uid: order.uid,
                    service: *id,
                    code,
                })
            })
            .collect();
        for end in ends {
            if end.code == ExitCode::ERROR {
                let moves = self.order(end.service).and_then(Service::target).is_some();
                let service = end.service;
                if moves {
                    effects.say(Event::NotMoved(service));
                } else if let Some(local) = self.services.get_mut(&service) {
                    let retries = core::mem::take(&mut local.failures).saturating_sub(1);
                    effects.say(Event::GivesUpStart { service, retries });
                }
            }
            self.results.record(end);
        }
    }

    /// How an order has ended, if how its service is says so.
    fn end_of<M: Mutation>(
        &self,
        config: &Config<M>,
        now: Instant,
        service: ServiceId,
        order: &Service,
    ) -> Option<ExitCode> {
        let local = self.services.get(&service)?;
        if local.worker.is_some() || self.is_moving(service) {
            return None;
        }
        let here = self.lock.me().node;
        let fresh = self.view_is_fresh(config);
        let guarded = fresh && self.is_adopted(config, now);
        match (order.wanted, local.status) {
            (Wanted::Started, Status::Running) if guarded => {
                order.restarts_max.map(|_| ExitCode::SUCCESS)
            }
            // It failed to go on here too often already.
            (Wanted::Started, Status::Stopped)
                if order.restarts_max.is_some_and(|max| local.failures > max)
                    && !config.broken(Mutant::StartsForEver) =>
            {
                Some(ExitCode::ERROR)
            }
            (Wanted::Stopped, Status::Stopped) => order.restarts_max.map(|_| ExitCode::SUCCESS),
            (Wanted::Moved { target, kind }, status) if target != here => match (kind, status) {
                // That it runs, too, is said only of what is guarded.
                (MoveKind::BeforeStart, Status::Running)
                    if guarded || config.broken(Mutant::AnsweredUnguarded) =>
                {
                    Some(ExitCode::IGNORED)
                }
                // The target has gone since: the service goes on here.
                (MoveKind::Live, Status::Paused(sent))
                    if fresh && sent == Some(order.uid) && !self.is_ready(target) =>
                {
                    Some(ExitCode::ERROR)
                }
                (MoveKind::Live | MoveKind::Stopped | MoveKind::BeforeStart, _) => None,
            },
            (
                Wanted::Started
                | Wanted::Stopped
                | Wanted::Untouched
                | Wanted::Ignored
                | Wanted::Fenced
                | Wanted::Moved { .. },
                _,
            ) => None,
        }
    }

    /// Whether what runs here is this process's: its grant says so, nothing under way could end
    /// that, and the watchdog stands behind it. Before, nobody may conclude anything from the lock:
    /// a manager that was told that a service runs here takes it for dead with the lock.
    fn is_adopted<M: Mutation>(&self, config: &Config<M>, now: Instant) -> bool {
        let held = self.is_guarded(now) || config.broken(Mutant::AdoptReleased);
        let armed = self.watchdog.guards(config, self.lock.me().incarnation)
            || config.broken(Mutant::ReportUnarmed);
        let guarded = self
            .lock
            .hold()
            .is_some_and(|hold| hold.state == GrantState::HeldGuarded);
        guarded && held && armed
    }

    /// The order whose result a job decides on, if somebody looks for it.
    pub(super) fn awaited(&self, service: ServiceId) -> Option<Uid> {
        let order = self.order(service)?;
        let asked = order.restarts_max.is_some() || order.target().is_some();
        asked.then_some(order.uid)
    }

    /// Takes in what a job's end means for the order that it was begun for.
    pub(super) fn on_job_ended<M: Mutation>(
        &mut self,
        config: &Config<M>,
        (service, job): (ServiceId, Job),
        uid: Option<Uid>,
        status: Status,
        effects: &mut Effects<Effect>,
    ) {
        match (job, status) {
            (Job::Start, Status::Failed) => self.on_start_failed(config, service, effects),
            (Job::Start | Job::Query, Status::Running) => {
                if let Some(local) = self.services.get_mut(&service) {
                    local.failures = 0;
                }
            }
            (Job::Stop | Job::Send { .. }, Status::Stopped)
            | (Job::Send { .. }, Status::Paused(_)) => {}
            (Job::Stop | Job::Send { .. }, _) => self.on_order_failed(service, uid, effects),
            (Job::Start | Job::Query, _) => {}
        }
    }

    /// The restart policy: whether a failed start is repeated on this node (`protocol.md` 5.9).
    fn on_start_failed<M: Mutation>(
        &mut self,
        config: &Config<M>,
        service: ServiceId,
        effects: &mut Effects<Effect>,
    ) {
        let Some(order) = self.order(service) else {
            return;
        };
        let (uid, Some(max)) = (order.uid, order.restarts_max) else {
            return;
        };
        let arrived = order.target().is_some();
        if order.wanted != Wanted::Started && !arrived {
            return;
        }
        let Some(local) = self.services.get_mut(&service) else {
            return;
        };
        if arrived {
            // It counts when the manager wants it started here.
            local.failures = local.failures.saturating_add(1);
            return;
        }
        if local.failures < max || config.broken(Mutant::StartsForEver) {
            local.failures += 1;
            let number = local.failures;
            effects.say(Event::Retries { service, number });
            return;
        }
        let retries = core::mem::take(&mut local.failures);
        effects.say(Event::GivesUpStart { service, retries });
        self.results.record(LrmResult {
            uid,
            service,
            code: ExitCode::ERROR,
        });
    }

    /// A stop or a move was not done: that is the order's end, if it still stands.
    fn on_order_failed(
        &mut self,
        service: ServiceId,
        uid: Option<Uid>,
        effects: &mut Effects<Effect>,
    ) {
        let here = self.lock.me().node;
        let Some(order) = self
            .order(service)
            .filter(|order| Some(order.uid) == uid && self.results.of(order.uid).is_none())
        else {
            return;
        };
        let (uid, moves) = match order.wanted {
            Wanted::Stopped => (order.uid, false),
            Wanted::Moved { target, .. } if target != here => (order.uid, true),
            Wanted::Moved { .. }
            | Wanted::Started
            | Wanted::Untouched
            | Wanted::Ignored
            | Wanted::Fenced => return,
        };
        if moves {
            effects.say(Event::NotMoved(service));
        }
        self.results.record(LrmResult {
            uid,
            service,
            code: ExitCode::ERROR,
        });
    }

    /// Whether a job may begin beside however many: it ends what may not go on.
    pub(super) fn is_urgent<M: Mutation>(
        &self,
        config: &Config<M>,
        now: Instant,
        service: ServiceId,
    ) -> bool {
        let order = self.order(service);
        self.is_losing(config, now)
            || self.lock.hold().is_none()
            || !self.is_serving()
            || order.is_some_and(|order| order.wanted == Wanted::Fenced)
    }
}
