//! The lanes to the store and to the multiplexer: at most one pending request in each.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Effect, Killing, Leave, Lrm, Status};
use crate::config::Config;
use crate::event::Effects;
use crate::id::{ArmId, Incarnation, RequestId, ServiceId};
use crate::lock::Standing;
use crate::mutation::{Mutant, Mutation};
use crate::record::{GrantState, Unguarded};
use crate::time::{Instant, Wakeup, Why};
use crate::visit::visit_fields;
use crate::watchdog::message::{Armed, FromMultiplexer, ToMultiplexer};

/// The connection to the multiplexer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Link {
    connected: bool,
    /// What is armed in the LRM's name, as last confirmed; a predecessor's arm included.
    armed: Option<Armed>,
    pending: Option<ToMultiplexer>,
    /// The end that was refused last: it isn't asked for again.
    refused: Option<Instant>,
}

impl Link {
    pub(super) const fn new() -> Self {
        Self {
            connected: false,
            armed: None,
            pending: None,
            refused: None,
        }
    }

    pub(super) const fn armed(&self) -> Option<&Armed> {
        self.armed.as_ref()
    }

    /// Whether what is armed is known: the multiplexer has answered, and nothing is asked of it.
    pub(super) const fn is_attached(&self) -> bool {
        self.connected && self.pending.is_none()
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.pending.is_none()
    }

    /// Whether the multiplexer has confirmed an arm of this very process, and nothing since could
    /// have ended it: no disarm under way, no connection lost.
    pub(super) fn guards<M: Mutation>(&self, config: &Config<M>, process: Incarnation) -> bool {
        let doubtful = match &self.pending {
            Some(ToMultiplexer::Disarm { .. } | ToMultiplexer::Attach { .. }) => true,
            Some(ToMultiplexer::Arm { .. } | ToMultiplexer::Extend { .. }) => false,
            None => !self.connected,
        };
        let mine = |armed: &Armed| armed.arm.0.process == process;
        (!doubtful || config.broken(Mutant::StartDespiteDisarm))
            && self.armed.as_ref().is_some_and(mine)
    }

    pub(super) fn attach(&mut self, process: Incarnation, effects: &mut Effects<Effect>) {
        self.connected = true;
        self.send(ToMultiplexer::Attach { process }, effects);
    }

    pub(super) fn lose(&mut self) {
        self.connected = false;
        self.pending = None;
    }

    fn send(&mut self, request: ToMultiplexer, effects: &mut Effects<Effect>) {
        self.pending = Some(request.clone());
        effects.push(Effect::Watchdog(request));
    }

    /// Forgets which end was refused, once another is asked for or none.
    pub(super) fn forget_refusal(&mut self, expires: Option<Instant>) {
        self.refused = self.refused.filter(|refused| expires == Some(*refused));
    }

    /// Takes in an answer. One to a request of a predecessor, or to one that was given up, changes
    /// nothing.
    pub(super) fn on_reply(
        &mut self,
        process: Incarnation,
        reply: FromMultiplexer,
        effects: &mut Effects<Effect>,
    ) {
        if !self
            .pending
            .as_ref()
            .is_some_and(|asked| asked.is_answered_by(&reply))
        {
            return;
        }
        let pending = self.pending.take();
        self.refused = None;
        match reply {
            FromMultiplexer::Attached(armed) => self.armed = armed,
            FromMultiplexer::Armed(armed) | FromMultiplexer::Extended(armed) => {
                self.armed = Some(armed);
            }
            FromMultiplexer::Disarmed(_) => self.armed = None,
            FromMultiplexer::Refused(_) => {
                self.refused = pending.as_ref().and_then(ToMultiplexer::expires);
                // What is armed is not what this process thought.
                if let Some(ToMultiplexer::Disarm { .. }) = pending {
                    self.attach(process, effects);
                }
            }
        }
    }
}

/// Reads of the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Reading {
    pending: Option<(RequestId, Instant)>,
    wanted: bool,
    /// Whether the lock may have changed unseen: it is read before it is written again.
    for_lock: bool,
}

impl Reading {
    pub(super) const fn new() -> Self {
        Self {
            pending: None,
            wanted: false,
            for_lock: false,
        }
    }

    pub(super) const fn want(&mut self) {
        self.wanted = true;
    }

    pub(super) const fn want_for_lock(&mut self) {
        self.wanted = true;
        self.for_lock = true;
    }

    pub(super) const fn blocks_lock(&self) -> bool {
        self.for_lock
    }

    /// Whether the answer to this request is waited for.
    pub(super) fn awaits(&self, request: RequestId) -> bool {
        self.pending.is_some_and(|(pending, _)| pending == request)
    }

    /// Whether this is the answer that is waited for.
    pub(super) fn on_answer(&mut self, request: RequestId) -> bool {
        let answered = self
            .pending
            .take_if(|(pending, _)| *pending == request)
            .is_some();
        // What changed while the answer was under way may be missing in it; only a read begun
        // later clears the doubt about the lock.
        if answered && !self.wanted {
            self.for_lock = false;
        }
        answered
    }

    pub(super) fn on_timer<M: Mutation>(&mut self, config: &Config<M>, now: Instant) {
        let timeout = config.timing().request_timeout;
        if self
            .pending
            .take_if(|(_, sent)| *sent + timeout <= now)
            .is_some()
        {
            self.wanted = true;
        }
    }

    pub(super) fn next_wakeup<M: Mutation>(&self, config: &Config<M>) -> Option<Wakeup> {
        let (_, sent) = self.pending?;
        Some(Wakeup {
            at: sent + config.timing().request_timeout,
            why: Why::RequestTimeout,
        })
    }
}

impl Lrm {
    pub(super) fn read_lane(&mut self, now: Instant, effects: &mut Effects<Effect>) {
        if self.reading.wanted && self.reading.pending.is_none() {
            let request = self.lock.number();
            self.reading.pending = Some((request, now));
            self.reading.wanted = false;
            effects.push(Effect::Read(request));
        }
    }

    /// A shorter T counts from now on: authority ends as if it had been in force.
    pub(super) fn shorten_for_ttl<M: Mutation>(&mut self, config: &Config<M>, now: Instant) {
        let timing = config.timing();
        let shorter = self
            .lock
            .hold()
            .is_some_and(|hold| timing.lock_ttl < hold.ttl);
        if shorter && !config.broken(Mutant::ShorterTtlUncapped) {
            self.lock
                .shorten_authority(now + timing.authority(timing.lock_ttl));
        }
    }

    /// Whether a process of this boot before this one held the lock when it died.
    pub(super) fn inherits_term(&self) -> bool {
        let me = self.lock.me();
        self.lock
            .seen_grant()
            .is_some_and(|grant| grant.state.is_held() && grant.holder.same_boot(&me))
    }

    /// Whether services were left running here, in this boot or in one that they died with: for as
    /// long as the grant lists them they are nobody's to start or to recover.
    fn inherits_services(&self) -> bool {
        let me = self.lock.me();
        self.lock.seen_grant().is_some_and(|grant| {
            let list = grant.state.unguarded();
            list.is_some_and(|list| list.machine == me.machine)
        })
    }

    /// Whether the lock is worth having: something is to run here, was left running here, or a
    /// process of this boot held it and it has to be given back properly. While the stack is
    /// disarmed only the last counts; while the manager waits for the lock, what runs doesn't.
    pub(super) fn wants_lock(&self) -> bool {
        let inherited = self.inherits_term() || (self.inherits_services() && !self.is_to_disarm());
        let needed = self.needs_lock() && !self.is_to_disarm() && !self.is_fenced();
        self.is_serving() && (needed || inherited)
    }

    /// When this node's lock will have been silent for long enough, if it is waited for.
    pub(super) fn silence_ends<M: Mutation>(&self, config: &Config<M>) -> Option<Wakeup> {
        if self.lock.hold().is_some() || self.lock.is_busy() || !self.wants_lock() {
            return None;
        }
        // Asked for the earliest moment there is, a silence that is over reads as "free".
        match self.lock.standing(config, Instant(0)) {
            Standing::Silent(at) => Some(Wakeup {
                at,
                why: Why::ObservationEnds,
            }),
            Standing::Unknown
            | Standing::Free(_)
            | Standing::Mine
            | Standing::LeftRunning
            | Standing::OtherMachine => None,
        }
        .filter(|_| !self.reading.for_lock)
    }

    pub(super) fn lock_lane<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        self.note_idle(config, now);
        if self.lock.is_busy() || self.reading.for_lock {
            return;
        }
        if self.lock.hold().is_none() {
            if self.wants_lock()
                && let Standing::Free(takeover) = self.lock.standing(config, now)
            {
                let write = self.lock.take(config, now, takeover);
                effects.push(Effect::Write(write));
            }
            return;
        }
        if self.renew_if_due(config, now, effects) {
            return;
        }
        if let Some(state) = self.release_state(config, now) {
            let write = self.lock.release(now, state);
            effects.push(Effect::Write(write));
        }
    }

    fn renew_if_due<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) -> bool {
        let Some(hold) = self.lock.hold() else {
            return false;
        };
        let armed = self.watchdog.guards(config, self.lock.me().incarnation)
            && !self.is_losing(config, now)
            || config.broken(Mutant::AdoptUnarmed);
        let state = match &hold.state {
            GrantState::HeldUnguarded(_) if armed && self.is_to_guard(config) => {
                GrantState::HeldGuarded
            }
            GrantState::HeldGuarded
            | GrantState::HeldUnguarded(_)
            | GrantState::ReleasedClean
            | GrantState::ReleasedRunning(_) => hold.state.clone(),
        };
        let mut ttl = config.timing().lock_ttl;
        if ttl < hold.ttl && !self.multiplexer_knows(config, now) {
            ttl = hold.ttl;
        }
        let changes = state != hold.state || ttl != hold.ttl;
        if !changes && !self.lock.renewal_due(now) {
            return false;
        }
        if self.is_doomed(now) {
            self.lock.skip_renewal(config, now);
            return false;
        }
        let write = self.lock.renew(config, now, &state, ttl);
        effects.push(Effect::Write(write));
        true
    }

    /// Whether what was left running is to be guarded again: it is to be served, or to be stopped,
    /// which takes a guarded grant as well.
    fn is_to_guard<M: Mutation>(&self, config: &Config<M>) -> bool {
        let stops = match self.leaving {
            None | Some(Leave::Migrate | Leave::Restart) => false,
            Some(Leave::Stop | Leave::StopAndFreeze) => !config.broken(Mutant::EndStaysUnguarded),
        };
        (self.is_serving() || stops) && !config.broken(Mutant::ReturnStaysUnguarded)
    }

    /// Whether D has passed as far as this process knows: its host will be reset whatever happens,
    /// and a renewal would only delay recovery elsewhere.
    pub(super) fn is_doomed(&self, now: Instant) -> bool {
        self.watchdog
            .armed()
            .is_some_and(|armed| armed.deadline <= now)
    }

    /// Whether the multiplexer has confirmed an end that a shorter T, sent now, allows.
    fn multiplexer_knows<M: Mutation>(&self, config: &Config<M>, now: Instant) -> bool {
        if config.broken(Mutant::ShorterTtlAtOnce) {
            return true;
        }
        // A request that was lost with the connection may have been carried out.
        if !self.watchdog.connected {
            return false;
        }
        let timing = config.timing();
        let allowed = now + timing.authority(timing.lock_ttl);
        let confirmed = self
            .watchdog
            .armed
            .as_ref()
            .is_none_or(|armed| armed.expires <= allowed);
        let asked = match &self.watchdog.pending {
            Some(ToMultiplexer::Arm { expires, .. } | ToMultiplexer::Extend { expires, .. }) => {
                *expires <= allowed
            }
            // What is armed is not known before the answer.
            Some(ToMultiplexer::Attach { .. }) => false,
            Some(ToMultiplexer::Disarm { .. }) | None => true,
        };
        confirmed && asked
    }

    /// Remembers since when the lock is held for nothing.
    fn note_idle<M: Mutation>(&mut self, config: &Config<M>, now: Instant) {
        let idle = self
            .lock
            .hold()
            .is_some_and(|hold| hold.state == GrantState::HeldGuarded)
            && self.is_serving()
            && self.view.is_some()
            && !self.needs_lock()
            && self.moving.is_none()
            && self.all_stopped()
            && !self.has_worker(config);
        self.idle_since = match (idle, self.idle_since) {
            (true, since) => since.or(Some(now)),
            (false, _) => None,
        };
    }

    /// The state to give the lock back in, if it is to be given back and may be.
    fn release_state<M: Mutation>(&self, config: &Config<M>, now: Instant) -> Option<GrantState> {
        // A move that may still be applied names this term.
        if self.has_worker(config) || self.moving.is_some() {
            return None;
        }
        match self.leaving {
            None | Some(Leave::Migrate) => self.release_state_in_service(config, now),
            Some(Leave::Stop | Leave::StopAndFreeze) => {
                self.all_stopped().then_some(GrantState::ReleasedClean)
            }
            Some(Leave::Restart) => Some(self.left_state(config)),
        }
    }

    /// The same, while services are served: there is nothing to run for a while, or the manager
    /// wants the lock back.
    fn release_state_in_service<M: Mutation>(
        &self,
        config: &Config<M>,
        now: Instant,
    ) -> Option<GrantState> {
        let idle_over = self
            .idle_since
            .is_some_and(|since| since + config.timing().idle <= now)
            && !config.broken(Mutant::IdleKeepsLock);
        if idle_over {
            return Some(GrantState::ReleasedClean);
        }
        let view = self
            .view
            .as_ref()
            .filter(|_| self.view_is_fresh(config) && !self.is_losing(config, now))?;
        let given_up = self.is_fenced() || (self.in_maintenance() && !self.needs_lock());
        if given_up && self.all_stopped() {
            return Some(GrantState::ReleasedClean);
        }
        let mut orders = view.services.iter();
        let let_go =
            self.is_to_disarm() && orders.all(|(id, order)| self.is_order_done(*id, order));
        let_go.then(|| self.left_state(config))
    }

    /// What is left behind by a restart, or while disarmed: everything that was not positively
    /// reported stopped, and is anybody's concern.
    fn left_state<M: Mutation>(&self, config: &Config<M>) -> GrantState {
        let mut services: Vec<ServiceId> = self
            .services
            .iter()
            .filter(|(id, local)| local.status != Status::Stopped && !self.is_ignored(**id))
            .map(|(id, _)| *id)
            .collect();
        if config.broken(Mutant::ReleaseForgetsRunning) || services.is_empty() {
            return GrantState::ReleasedClean;
        }
        services.sort_unstable();
        let me = self.lock.me();
        GrantState::ReleasedRunning(Unguarded {
            machine: me.machine,
            boot: me.boot,
            services,
        })
    }

    pub(super) fn watchdog_lane<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        let expires = self.lock.hold().and_then(|hold| hold.expires);
        self.watchdog.forget_refusal(expires);
        if !self.watchdog.connected || self.watchdog.pending.is_some() {
            return;
        }
        if let Some(arm) = self.watchdog.armed().map(|armed| armed.arm)
            && self.wants_disarmed(config, now)
            && self.may_disarm(config)
            && !self.is_doomed(now)
        {
            self.lock.drop_authority();
            self.watchdog.send(ToMultiplexer::Disarm { arm }, effects);
            return;
        }
        let Some(expires) = expires else {
            return;
        };
        let timing = config.timing();
        let process = self.lock.me().incarnation;
        let is_armed = self
            .watchdog
            .armed()
            .is_some_and(|armed| armed.expires == expires && armed.arm.0.process == process);
        let in_vain = self.watchdog.refused == Some(expires)
            || config.deadline(expires, timing.reset_max) <= now;
        if is_armed || in_vain {
            return;
        }
        let request = match self.watchdog.armed() {
            Some(armed) if armed.arm.0.process == process => {
                let arm = armed.arm;
                ToMultiplexer::Extend {
                    arm,
                    renewal: self.lock.number().number,
                    expires,
                }
            }
            Some(_) | None => ToMultiplexer::Arm {
                arm: ArmId(self.lock.number()),
                expires,
            },
        };
        self.watchdog.send(request, effects);
    }

    /// Whether there is no use for what is armed: no lock, or one that is about to be lost.
    fn wants_disarmed<M: Mutation>(&self, config: &Config<M>, now: Instant) -> bool {
        let leaving_early = config.broken(Mutant::DisarmBeforeRelease)
            && self.leaving == Some(Leave::Restart)
            && self.lock.may_be_released();
        self.lock.hold().is_none() || self.is_losing(config, now) || leaving_early
    }

    /// Whether nothing that the watchdog guards can run any more: no worker exists, and every
    /// service was positively reported stopped since the last one ended, or a confirmed grant
    /// says that it was left running without a watchdog.
    fn may_disarm<M: Mutation>(&self, config: &Config<M>) -> bool {
        if config.broken(Mutant::DisarmRunning) {
            return true;
        }
        if self.has_worker(config) || self.killing == Killing::Pending {
            return false;
        }
        let leaving_early =
            config.broken(Mutant::DisarmBeforeRelease) && self.leaving == Some(Leave::Restart);
        leaving_early || self.all_stopped_or_left(config)
    }
}

visit_fields!(Link {
    armed,
    pending;
    refused
});
visit_fields!(Reading { pending });
