//! What is being done to the device or the timer: one operation at a time, requests in order.

use serde::{Deserialize, Serialize};

use super::message::{ClientId, FromMultiplexer, ToMultiplexer};
use super::{Arm, Device, Effect, Multiplexer};
use crate::config::Config;
use crate::event::Effects;
use crate::id::ArmId;
use crate::mutation::{Mutant, Mutation};
use crate::time::{Instant, Span};
use crate::visit::{Visit, Visitor};

/// What is being done to the device or the timer, step by step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Operation {
    /// Arm: the timer is being set.
    ArmTimer(ClientId, Arm),
    /// Arm: the device is being opened.
    ArmDevice(ClientId, Arm),
    /// Extend: the timer is being moved.
    ExtendTimer(ClientId, Arm),
    /// Disarm: the device is being closed.
    Close(ClientId, ArmId),
    /// Disarm: the timer is being ended, or moved to what other clients need.
    EndTimer(ClientId, ArmId),
    /// Another W: the timer is being moved to the deadline with the larger W′.
    ResizeTimer(Span),
    /// Another W: the device is being told and read back.
    Resize(Span),
}

impl Multiplexer {
    /// Begins the next waiting request, or a change of W, when nothing is under way.
    pub(super) fn proceed<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        while self.operation.is_none() {
            let Some((id, request)) = self.waiting.pop_front() else {
                self.resize(config, now, effects);
                return;
            };
            match request {
                ToMultiplexer::Attach { process } => {
                    self.on_attach(config, now, id, process, effects);
                }
                ToMultiplexer::Arm { arm, expires } => {
                    let arm = Arm {
                        id: arm,
                        renewal: 0,
                        expires: self.end(config, now, expires),
                    };
                    self.begin_arm(config, now, id, arm, effects);
                }
                ToMultiplexer::Extend {
                    arm,
                    renewal,
                    expires,
                } => {
                    let arm = Arm {
                        id: arm,
                        renewal,
                        expires: self.end(config, now, expires),
                    };
                    self.begin_extend(config, now, id, arm, effects);
                }
                ToMultiplexer::Disarm { arm } => self.begin_disarm(config, id, arm, effects),
            }
        }
    }

    /// E as the client gave it. The reference counts from when it was fed instead.
    fn end<M: Mutation>(&self, config: &Config<M>, now: Instant, expires: Instant) -> Instant {
        if !config.broken(Mutant::RelativeFeeding) {
            return expires;
        }
        let timing = config.timing();
        // It expires once *more* than half of T has passed.
        now + Span(timing.lock_ttl.0 / 2 + 1) + timing.margin(timing.reset_max)
    }

    pub(super) fn on_timer_set<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        at: Option<Instant>,
        effects: &mut Effects<Effect>,
    ) {
        self.kill_timer = at;
        match self.operation.take() {
            Some(Operation::ArmTimer(id, arm)) => self.open_for(config, now, id, arm, effects),
            Some(Operation::ExtendTimer(id, arm)) => self.extended(config, id, arm, effects),
            Some(Operation::EndTimer(id, arm)) => {
                effects.push(Effect::Reply(id, FromMultiplexer::Disarmed(arm)));
            }
            Some(Operation::ResizeTimer(reset_max)) => {
                if let Device::Open { timeout, .. } = self.device
                    && timeout != config.timing().watchdog
                    && reset_max != self.reset_max(config)
                {
                    self.operation = Some(Operation::Resize(config.timing().watchdog));
                    effects.push(Effect::Resize {
                        timeout: config.timing().watchdog,
                    });
                }
            }
            Some(
                unexpected @ (Operation::ArmDevice(..)
                | Operation::Close(..)
                | Operation::Resize(_)),
            ) => self.operation = Some(unexpected),
            None => {}
        }
    }
}

impl Visit for Operation {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::ArmTimer(_, arm) | Self::ArmDevice(_, arm) | Self::ExtendTimer(_, arm) => {
                arm.visit(visitor);
            }
            Self::Close(_, arm) | Self::EndTimer(_, arm) => arm.visit(visitor),
            Self::ResizeTimer(_) | Self::Resize(_) => {}
        }
    }
}
