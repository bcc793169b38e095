//! What the LRM tells the manager.

use super::{Leave, Lrm, Phase, Status};
use crate::config::Config;
use crate::event::LrmState;
use crate::manager::status::{LrmMode, LrmStatus};
use crate::mutation::Mutation;
use crate::record::{GrantState, Wanted};
use crate::time::Instant;

impl Lrm {
    /// What it tells the manager. Before it has read anything it has nothing to tell: what a
    /// predecessor said stands.
    #[must_use]
    pub fn published<M: Mutation>(&self, config: &Config<M>, now: Instant) -> Option<LrmStatus> {
        self.view.as_ref()?;
        Some(LrmStatus {
            state: Some(self.state),
            mode: Some(self.mode(config, now)),
            results: self.results.all().to_vec(),
        })
    }

    /// Why it is to end, if it was asked to.
    #[must_use]
    pub const fn leaving(&self) -> Option<Leave> {
        self.leaving
    }

    fn mode<M: Mutation>(&self, config: &Config<M>, now: Instant) -> LrmMode {
        if let Some(leave) = self.leaving {
            leave.mode()
        } else if self.in_maintenance() {
            LrmMode::Maintenance
        } else if self.is_to_disarm() && self.has_let_go() {
            LrmMode::Disarm
        } else if self.is_guarded(now) || !self.may_have_left(config) {
            LrmMode::Active
        } else {
            LrmMode::Restart
        }
    }

    /// Whether the grant was confirmed as guarded, and nothing may have ended that.
    pub(super) fn is_guarded(&self, now: Instant) -> bool {
        let hold = self.lock.hold();
        let guarded = hold.is_some_and(|hold| {
            hold.state == GrantState::HeldGuarded && hold.expires.is_some_and(|at| now < at)
        });
        guarded && !self.lock.may_be_released()
    }

    /// Whether lock and watchdog are given up: nothing of this process's own, or of a predecessor's
    /// in this boot, is held, armed or under way.
    fn has_let_go(&self) -> bool {
        self.phase == Phase::Serving
            && self.lock.is_known()
            && self.lock.hold().is_none()
            && !self.lock.is_busy()
            && !self.lock.has_unsettled()
            && !self.inherits_term()
            && self.watchdog.is_attached()
            && self.watchdog.armed().is_none()
    }

    /// Whether something here may run that only a guarded grant lets the manager touch: what was
    /// left running, by this process or one before it in this boot, and what is frozen.
    fn may_have_left<M: Mutation>(&self, config: &Config<M>) -> bool {
        let Some(view) = &self.view else {
            return true;
        };
        let unguarded = self
            .lock
            .hold()
            .is_some_and(|hold| hold.state != GrantState::HeldGuarded);
        let left = unguarded || self.inherits_term() || !self.lock.left_running(config).is_empty();
        left || view.services.iter().any(|(id, order)| {
            let local = self.services.get(id);
            let stopped = local.is_some_and(|local| local.status == Status::Stopped);
            order.wanted == Wanted::Untouched && !stopped
        })
    }

    pub(super) fn present_state<M: Mutation>(&self, config: &Config<M>, now: Instant) -> LrmState {
        match self.watchdog.armed() {
            Some(_) if self.is_losing(config, now) => LrmState::LostAgentLock,
            Some(_) if self.lock.hold().is_some_and(|hold| hold.expires.is_some()) => {
                match self.in_maintenance() {
                    true => LrmState::Maintenance,
                    false => LrmState::Active,
                }
            }
            Some(_) | None => LrmState::WaitForAgentLock,
        }
    }
}
