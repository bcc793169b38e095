//! How an arm begins, moves and ends. With κ = 1 the timer stands before anything is promised.

use super::message::{ClientId, FromMultiplexer};
use super::{Arm, Device, Effect, Multiplexer, Operation};
use crate::config::{Config, Kappa};
use crate::event::{Effects, Event};
use crate::id::ArmId;
use crate::mutation::{Mutant, Mutation};
use crate::time::{Instant, Span};

impl Multiplexer {
    pub(super) fn begin_arm<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        id: ClientId,
        arm: Arm,
        effects: &mut Effects<Effect>,
    ) {
        let reset_max = self.reset_max(config).max(config.timing().reset_max);
        let deadline = config.deadline(arm.expires, reset_max);
        // What a process sent before its successor attached comes too late.
        let mine =
            self.process_of(id) == Some(arm.id.0.process) || config.broken(Mutant::OlderExtends);
        if deadline <= now || !mine {
            effects.say(Event::ArmRefused);
            effects.push(Effect::Reply(id, FromMultiplexer::Refused(Some(arm.id))));
            return;
        }
        if !timer_comes_first(config) {
            self.open_for(config, now, id, arm, effects);
            return;
        }
        let at = self.kill_at(config, id, deadline);
        self.operation = Some(Operation::ArmTimer(id, arm));
        effects.push(Effect::SetTimer(Some(at)));
    }

    /// The second step of arming: the device, unless it is open for another arm already.
    pub(super) fn open_for<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        id: ClientId,
        arm: Arm,
        effects: &mut Effects<Effect>,
    ) {
        match self.device {
            _ if self.deadline_of(config, &arm) <= now => {
                effects.say(Event::ArmRefused);
                self.withdraw(config, id, arm.id, effects);
            }
            Device::Open { .. } => self.armed(config, id, arm, effects),
            Device::Closed => {
                self.operation = Some(Operation::ArmDevice(id, arm));
                effects.push(Effect::Open {
                    timeout: config.timing().watchdog,
                });
            }
        }
    }

    pub(super) fn on_opened<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        timeout: Option<Span>,
        effects: &mut Effects<Effect>,
    ) {
        let Some(Operation::ArmDevice(id, arm)) = self.operation.take() else {
            return;
        };
        let asked = config.timing().watchdog;
        match timeout {
            Some(timeout) if timeout <= asked => {
                self.device = Device::Open {
                    timeout,
                    reset_max: config.timing().reset_max,
                    next_ping: now + config.timing().ping,
                };
                self.armed(config, id, arm, effects);
            }
            got => {
                effects.say(Event::DeviceRefused { asked, got });
                if got.is_some() && !config.broken(Mutant::RefusedLeftOpen) {
                    self.device = Device::Open {
                        timeout: got.unwrap_or(asked),
                        reset_max: config.timing().reset_max,
                        next_ping: now + config.timing().ping,
                    };
                }
                self.withdraw(config, id, arm.id, effects);
            }
        }
    }

    /// Ends an arming that promised nothing yet: what was opened for it alone is closed again.
    fn withdraw<M: Mutation>(
        &mut self,
        config: &Config<M>,
        id: ClientId,
        arm: ArmId,
        effects: &mut Effects<Effect>,
    ) {
        effects.push(Effect::Reply(id, FromMultiplexer::Refused(Some(arm))));
        let others = self.deadline_without(config, Some(id));
        if others.is_none() && self.device != Device::Closed {
            self.operation = Some(Operation::Close(id, arm));
            effects.push(Effect::Close);
        } else if self.kill_timer.is_some() {
            self.end_timer(id, arm, others, effects);
        }
    }

    /// The last step of arming: the promise.
    fn armed<M: Mutation>(
        &mut self,
        config: &Config<M>,
        id: ClientId,
        arm: Arm,
        effects: &mut Effects<Effect>,
    ) {
        let armed = self.as_armed(config, &arm);
        let deadline = armed.deadline;
        if let Some(at) = self.timer_too_late(config, id, deadline) {
            self.operation = Some(Operation::ArmTimer(id, arm));
            effects.push(Effect::SetTimer(Some(at)));
            return;
        }
        self.client(id).arm = Some(arm);
        effects.say(Event::Armed { deadline });
        effects.push(Effect::Reply(id, FromMultiplexer::Armed(armed)));
        self.set_timer_late(config, deadline, effects);
    }

    pub(super) fn begin_extend<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        id: ClientId,
        new: Arm,
        effects: &mut Effects<Effect>,
    ) {
        let younger = self.arm_of(id).is_some_and(|arm| {
            (arm.id == new.id && arm.renewal < new.renewal) || config.broken(Mutant::OlderExtends)
        });
        let deadline = self.deadline_of(config, &new);
        if !younger || deadline <= now {
            effects.push(Effect::Reply(id, FromMultiplexer::Refused(Some(new.id))));
            return;
        }
        // An earlier end counts at once; a later one when the timer stands.
        if let Some(arm) = &mut self.client(id).arm {
            arm.expires = arm.expires.min(new.expires);
        }
        if !timer_comes_first(config) {
            self.extended(config, id, new, effects);
            return;
        }
        let at = self.kill_at(config, id, deadline);
        self.operation = Some(Operation::ExtendTimer(id, new));
        effects.push(Effect::SetTimer(Some(at)));
    }

    /// The last step of extending: the promise.
    pub(super) fn extended<M: Mutation>(
        &mut self,
        config: &Config<M>,
        id: ClientId,
        new: Arm,
        effects: &mut Effects<Effect>,
    ) {
        let armed = self.as_armed(config, &new);
        let deadline = armed.deadline;
        if let Some(at) = self.timer_too_late(config, id, deadline) {
            self.operation = Some(Operation::ExtendTimer(id, new));
            effects.push(Effect::SetTimer(Some(at)));
            return;
        }
        if let Some(arm) = &mut self.client(id).arm {
            arm.renewal = new.renewal;
            arm.expires = new.expires;
        }
        effects.push(Effect::Reply(id, FromMultiplexer::Extended(armed)));
        self.set_timer_late(config, deadline, effects);
    }

    /// Where the timer has to stand before D is promised, if it stands later: W may have changed
    /// since it was set.
    fn timer_too_late<M: Mutation>(
        &self,
        config: &Config<M>,
        id: ClientId,
        deadline: Instant,
    ) -> Option<Instant> {
        let at = self.kill_at(config, id, deadline);
        let stands = self.kill_timer.is_some_and(|stands| stands <= at);
        let matters = timer_comes_first(config) && !config.broken(Mutant::TimerNotCompared);
        (matters && !stands).then_some(at)
    }

    /// When the kernel has to kill this process if this client's D is `deadline`: at the earliest
    /// of all.
    fn kill_at<M: Mutation>(&self, config: &Config<M>, id: ClientId, deadline: Instant) -> Instant {
        let others = self.deadline_without(config, Some(id));
        others.map_or(deadline, |others| others.min(deadline))
    }

    /// What a multiplexer would do that promises before the timer stands.
    fn set_timer_late<M: Mutation>(
        &mut self,
        config: &Config<M>,
        deadline: Instant,
        effects: &mut Effects<Effect>,
    ) {
        if config.broken(Mutant::KillTimerLate) && config.timing().kappa == Kappa::One {
            self.operation = Some(Operation::ResizeTimer(self.reset_max(config)));
            effects.push(Effect::SetTimer(Some(deadline)));
        }
    }

    pub(super) fn begin_disarm<M: Mutation>(
        &mut self,
        config: &Config<M>,
        id: ClientId,
        arm: ArmId,
        effects: &mut Effects<Effect>,
    ) {
        let names_it = self
            .arm_of(id)
            .is_some_and(|present| present.id == arm || config.broken(Mutant::DisarmAny));
        if !names_it {
            effects.push(Effect::Reply(id, FromMultiplexer::Refused(Some(arm))));
            return;
        }
        match self.deadline_without(config, Some(id)) {
            None => {
                self.operation = Some(Operation::Close(id, arm));
                effects.push(Effect::Close);
            }
            Some(deadline) => {
                self.client(id).arm = None;
                let at = (config.timing().kappa == Kappa::One).then_some(deadline);
                self.end_timer(id, arm, at, effects);
            }
        }
    }

    pub(super) fn on_closed<M: Mutation>(
        &mut self,
        config: &Config<M>,
        effects: &mut Effects<Effect>,
    ) {
        let Some(Operation::Close(id, arm)) = self.operation.take() else {
            return;
        };
        self.device = Device::Closed;
        self.client(id).arm = None;
        self.retain_clients();
        effects.say(Event::Disarmed);
        if config.timing().kappa == Kappa::One {
            self.end_timer(id, arm, None, effects);
        } else {
            effects.push(Effect::Reply(id, FromMultiplexer::Disarmed(arm)));
        }
    }

    /// The last step of disarming, or of an arming that failed: the timer stands at what other
    /// clients need, if any.
    fn end_timer(
        &mut self,
        id: ClientId,
        arm: ArmId,
        at: Option<Instant>,
        effects: &mut Effects<Effect>,
    ) {
        self.operation = Some(Operation::EndTimer(id, arm));
        effects.push(Effect::SetTimer(at));
    }
}

/// Whether a promise waits for the timer to stand.
fn timer_comes_first<M: Mutation>(config: &Config<M>) -> bool {
    config.timing().kappa == Kappa::One && !config.broken(Mutant::KillTimerLate)
}
