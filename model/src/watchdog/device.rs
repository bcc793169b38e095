//! The device: its time-out W, how long it may trail, and its pings.

use serde::{Deserialize, Serialize};

use super::{Effect, Multiplexer, Operation};
use crate::config::{Config, Kappa};
use crate::event::Effects;
use crate::mutation::{Mutant, Mutation};
use crate::time::{Instant, Span};
use crate::visit::{Visit, VisitDeadline, Visitor};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Device {
    Closed,
    Open {
        /// W as it was last read back.
        timeout: Span,
        /// The W′ that margins count with: the larger one while W changes.
        reset_max: Span,
        next_ping: Instant,
    },
}

impl Multiplexer {
    pub(super) fn reset_max<M: Mutation>(&self, config: &Config<M>) -> Span {
        match self.device {
            Device::Closed => config.timing().reset_max,
            Device::Open { reset_max, .. } => reset_max,
        }
    }

    /// Begins to set another W, if the configuration asks for one and no deadline is near.
    pub(super) fn resize<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        let timing = config.timing();
        let wanted = timing.watchdog;
        let Device::Open {
            timeout, reset_max, ..
        } = &mut self.device
        else {
            return;
        };
        if *timeout == wanted {
            return;
        }
        let larger = match config.broken(Mutant::ResetTimeAtOnce) {
            true => timing.reset_max,
            false => timing.reset_max.max(*reset_max),
        };
        let before = *reset_max;
        *reset_max = larger;
        let deadline = self.deadline(config);
        if deadline.is_none_or(|deadline| deadline <= now + timing.ping) {
            if let Device::Open { reset_max, .. } = &mut self.device {
                *reset_max = before;
            }
            return;
        }
        if timing.kappa == Kappa::One && larger != before {
            self.operation = Some(Operation::ResizeTimer(before));
            effects.push(Effect::SetTimer(deadline));
        } else {
            self.operation = Some(Operation::Resize(wanted));
            effects.push(Effect::Resize { timeout: wanted });
        }
    }

    pub(super) fn on_resized<M: Mutation>(&mut self, config: &Config<M>, read_back: Span) {
        let Some(Operation::Resize(asked)) = self.operation.take() else {
            return;
        };
        if let Device::Open {
            timeout, reset_max, ..
        } = &mut self.device
        {
            *timeout = read_back;
            if read_back == asked && asked == config.timing().watchdog {
                *reset_max = config.timing().reset_max;
            }
        }
    }

    pub(super) fn ping<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        if let Device::Open { next_ping, .. } = &mut self.device
            && *next_ping <= now
        {
            *next_ping = now + config.timing().ping;
            effects.push(Effect::Ping);
        }
    }
}

impl Visit for Device {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Closed => {}
            Self::Open { next_ping, .. } => next_ping.visit_deadline(visitor),
        }
    }
}
