//! How an arm begins, moves and ends: the timer stands before any answer that promises something.

use super::message::{Armed, ClientId, FromMultiplexer};
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
        if config.timing().kappa == Kappa::Three || config.broken(Mutant::KillTimerLate) {
            self.open_for(config, now, id, arm, effects);
            return;
        }
        let others = self.deadline_without(config, Some(id));
        let at = others.map_or(deadline, |others| others.min(deadline));
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
            Device::Open { .. } => self.armed(config, id, arm, effects),
            Device::Closed if config.deadline(arm.expires, self.reset_max(config)) <= now => {
                // Nothing was promised yet and the device is not open: there is nothing to end.
                effects.say(Event::ArmRefused);
                effects.push(Effect::Reply(id, FromMultiplexer::Refused(Some(arm.id))));
                if self.kill_timer.is_some() {
                    self.operation = Some(Operation::EndTimer(id, arm.id));
                    effects.push(Effect::SetTimer(self.deadline_without(config, Some(id))));
                }
            }
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
                effects.push(Effect::Reply(id, FromMultiplexer::Refused(Some(arm.id))));
                let at = self.deadline_without(config, Some(id));
                self.operation = Some(Operation::EndTimer(id, arm.id));
                effects.push(Effect::SetTimer(at));
            }
        }
    }

    fn armed<M: Mutation>(
        &mut self,
        config: &Config<M>,
        id: ClientId,
        arm: Arm,
        effects: &mut Effects<Effect>,
    ) {
        let deadline = config.deadline(arm.expires, self.reset_max(config));
        let (arm_id, expires) = (arm.id, arm.expires);
        self.client(id).arm = Some(arm);
        effects.say(Event::Armed { deadline });
        let armed = Armed {
            arm: arm_id,
            renewal: 0,
            expires,
            deadline,
        };
        effects.push(Effect::Reply(id, FromMultiplexer::Armed(armed)));
        if config.broken(Mutant::KillTimerLate) && config.timing().kappa == Kappa::One {
            self.operation = Some(Operation::ResizeTimer(self.reset_max(config)));
            effects.push(Effect::SetTimer(Some(deadline)));
        }
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
        let deadline = config.deadline(new.expires, self.reset_max(config));
        if !younger || deadline <= now {
            effects.push(Effect::Reply(id, FromMultiplexer::Refused(Some(new.id))));
            return;
        }
        // An earlier end counts at once; a later one when the timer stands.
        if let Some(arm) = &mut self.client(id).arm {
            arm.expires = arm.expires.min(new.expires);
        }
        if config.timing().kappa == Kappa::Three || config.broken(Mutant::KillTimerLate) {
            self.extended(config, id, new, effects);
            return;
        }
        let others = self.deadline_without(config, Some(id));
        let at = others.map_or(deadline, |others| others.min(deadline));
        self.operation = Some(Operation::ExtendTimer(id, new));
        effects.push(Effect::SetTimer(Some(at)));
    }

    pub(super) fn extended<M: Mutation>(
        &mut self,
        config: &Config<M>,
        id: ClientId,
        new: Arm,
        effects: &mut Effects<Effect>,
    ) {
        let deadline = config.deadline(new.expires, self.reset_max(config));
        let armed = Armed {
            arm: new.id,
            renewal: new.renewal,
            expires: new.expires,
            deadline,
        };
        if let Some(arm) = &mut self.client(id).arm {
            arm.renewal = new.renewal;
            arm.expires = new.expires;
        }
        effects.push(Effect::Reply(id, FromMultiplexer::Extended(armed)));
        if config.broken(Mutant::KillTimerLate) && config.timing().kappa == Kappa::One {
            self.operation = Some(Operation::ResizeTimer(self.reset_max(config)));
            effects.push(Effect::SetTimer(Some(deadline)));
        }
    }

    /// E as the client gave it. The reference counts from when it was fed instead.
    pub(super) fn end<M: Mutation>(
        &self,
        config: &Config<M>,
        now: Instant,
        expires: Instant,
    ) -> Instant {
        if !config.broken(Mutant::RelativeFeeding) {
            return expires;
        }
        let timing = config.timing();
        // It expires once *more* than half of T has passed.
        now + Span(timing.lock_ttl.0 / 2 + 1) + timing.margin(timing.reset_max)
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
                self.operation = Some(Operation::EndTimer(id, arm));
                let at = (config.timing().kappa == Kappa::One).then_some(deadline);
                effects.push(Effect::SetTimer(at));
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
        self.clients
            .retain(|client| client.process.is_some() || client.arm.is_some());
        effects.say(Event::Disarmed);
        if config.timing().kappa == Kappa::One {
            self.operation = Some(Operation::EndTimer(id, arm));
            effects.push(Effect::SetTimer(None));
        } else {
            effects.push(Effect::Reply(id, FromMultiplexer::Disarmed(arm)));
        }
    }
}
