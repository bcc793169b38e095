//! The watchdog multiplexer: the only part that knows the device and its margins.
//!
//! A client hands over E, the end of its authority; the multiplexer subtracts what the device and
//! the storage may trail (κ·W′ + δ + h) and pings only after a check that now < D. Past D it never
//! touches the device again: no ping, no close, no re-opening, no other time-out. What is left is
//! the device's countdown.
//!
//! With κ = 1 a kernel timer kills this process at D, also when it is stopped. The timer is set
//! *before* any answer that arms or extends, so a client never relies on a deadline that nobody
//! enforces.
//!
//! A client's deadline moves only by a younger renewal's E under the arm that it names. A client
//! that vanishes keeps its deadline. One operation touches the device or the timer at a time;
//! requests that come meanwhile wait in order.

mod arming;
mod clients;
mod device;
pub mod message;
mod operation;
mod types;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::{Config, Kappa};
use crate::event::{Effects, Event, Violation};
use crate::mutation::{Mutant, Mutation};
use crate::time::{Instant, Wakeup, Why, earliest};
use crate::visit::visit_fields;
use clients::{Arm, Client};
use device::Device;
use message::{ClientId, FromMultiplexer, ToMultiplexer};
use operation::Operation;
pub use types::{Effect, Input};

/// The multiplexer of one boot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Multiplexer {
    phase: Phase,
    clients: Vec<Client>,
    device: Device,
    /// When the kernel will kill this process, as far as it was confirmed.
    kill_timer: Option<Instant>,
    operation: Option<Operation>,
    waiting: VecDeque<(ClientId, ToMultiplexer)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Phase {
    /// The driver has not yet looked for the marker.
    New,
    /// Normal operation.
    Serving,
    /// D has passed: the device is left alone for good.
    Expired,
    /// Ended, or never allowed to begin.
    Gone,
}

impl Default for Multiplexer {
    fn default() -> Self {
        Self::new()
    }
}

impl Multiplexer {
    /// A process that just began.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            phase: Phase::New,
            clients: Vec::new(),
            device: Device::Closed,
            kill_timer: None,
            operation: None,
            waiting: VecDeque::new(),
        }
    }

    /// The earliest D of all arms: what the device is fed until.
    #[must_use]
    pub fn deadline<M: Mutation>(&self, config: &Config<M>) -> Option<Instant> {
        self.deadline_without(config, None)
    }

    /// Whether D has passed, so that the device is left alone.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.phase == Phase::Expired
    }

    /// D of one arm.
    fn deadline_of<M: Mutation>(&self, config: &Config<M>, arm: &Arm) -> Instant {
        config.deadline(arm.expires, self.reset_max(config))
    }

    fn deadline_without<M: Mutation>(
        &self,
        config: &Config<M>,
        without: Option<ClientId>,
    ) -> Option<Instant> {
        let reset_max = self.reset_max(config);
        let arms = self
            .clients
            .iter()
            .filter(|client| Some(client.id) != without);
        let expires = arms
            .filter_map(|client| client.arm.as_ref())
            .map(|arm| arm.expires)
            .min()?;
        Some(config.deadline(expires, reset_max))
    }

    /// Takes in what happened and says what to do.
    pub fn step<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        input: Input,
        effects: &mut Effects<Effect>,
    ) {
        self.expire(config, now, effects);
        match (self.phase, input) {
            (Phase::New, Input::Started { marker }) => self.on_started(config, marker, effects),
            (Phase::New | Phase::Gone, _) => {}
            (Phase::Expired, input) => self.on_input_expired(input, effects),
            (Phase::Serving, input) => self.on_input(config, now, input, effects),
        }
        if self.phase == Phase::Serving {
            self.proceed(config, now, effects);
            self.ping(config, now, effects);
        }
    }

    /// Past D nothing is done to the device any more, whatever is asked.
    fn expire<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        effects: &mut Effects<Effect>,
    ) {
        let past = self
            .deadline(config)
            .is_some_and(|deadline| deadline <= now);
        let armed = self.device != Device::Closed;
        if self.phase == Phase::Serving && armed && past && !config.broken(Mutant::PingPastDeadline)
        {
            self.phase = Phase::Expired;
            self.operation = None;
            self.waiting.clear();
            self.kill_timer = None;
            for client in &mut self.clients {
                client.arm = None;
            }
            effects.say(Event::DeadlinePassed);
            if config.broken(Mutant::ClosePastDeadline) {
                effects.push(Effect::Close);
            }
        }
    }

    fn on_started<M: Mutation>(
        &mut self,
        config: &Config<M>,
        marker: bool,
        effects: &mut Effects<Effect>,
    ) {
        if marker && !config.broken(Mutant::MarkerIgnored) {
            self.phase = Phase::Gone;
            effects.say(Event::MarkerFound);
            effects.push(Effect::Exit);
            return;
        }
        self.phase = Phase::Serving;
    }

    fn on_input_expired(&mut self, input: Input, effects: &mut Effects<Effect>) {
        match input {
            Input::Vanished(id) => self.disconnect(id, effects),
            Input::Terminate => effects.say(Event::TerminateIgnored),
            Input::Client(id, request) => {
                effects.push(Effect::Reply(id, FromMultiplexer::Refused(request.arm())));
            }
            Input::Started { .. }
            | Input::TimerSet(_)
            | Input::Opened(_)
            | Input::Closed
            | Input::Resized(_)
            | Input::Timer => {}
        }
    }

    fn on_input<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        input: Input,
        effects: &mut Effects<Effect>,
    ) {
        match input {
            Input::Client(id, request) => self.waiting.push_back((id, request)),
            Input::Vanished(id) => {
                self.disconnect(id, effects);
                if config.broken(Mutant::VanishedForgotten) && self.operation.is_none() {
                    self.forget(config, id, effects);
                }
            }
            Input::TimerSet(at) => self.on_timer_set(config, now, at, effects),
            Input::Opened(timeout) => self.on_opened(config, now, timeout, effects),
            Input::Closed => self.on_closed(config, effects),
            Input::Resized(timeout) => self.on_resized(config, timeout),
            Input::Terminate => {
                if !self.is_armed() && self.operation.is_none() && self.device == Device::Closed {
                    self.phase = Phase::Gone;
                    effects.push(Effect::Exit);
                } else if config.broken(Mutant::TerminateArmed) {
                    self.phase = Phase::Gone;
                    effects.push(Effect::Close);
                    effects.push(Effect::Exit);
                } else {
                    effects.say(Event::TerminateIgnored);
                }
            }
            Input::Started { .. } | Input::Timer => {}
        }
    }

    /// When this machine next needs attention, and why.
    #[must_use]
    pub fn next_wakeup<M: Mutation>(&self, config: &Config<M>) -> Option<Wakeup> {
        if self.phase != Phase::Serving {
            return None;
        }
        let Device::Open { next_ping, .. } = self.device else {
            return None;
        };
        let deadline = self
            .deadline(config)
            .filter(|_| !config.broken(Mutant::PingPastDeadline));
        earliest([
            Some(Wakeup {
                at: next_ping,
                why: Why::Ping,
            }),
            deadline.map(|at| Wakeup {
                at,
                why: Why::Deadline,
            }),
        ])
    }

    /// The invariants of this machine's own state.
    ///
    /// # Errors
    ///
    /// The first that doesn't hold.
    pub fn check<M: Mutation>(&self, config: &Config<M>) -> Result<(), Violation> {
        let armed = self.is_armed();
        if armed && self.device == Device::Closed {
            return Err(Violation {
                name: "armed-is-open",
                why: "a client is told that it is armed only once the device was opened",
            });
        }
        // While the timer is being moved to an earlier D, that D was not yet promised.
        let moving = match &self.operation {
            Some(Operation::ExtendTimer(..) | Operation::ResizeTimer(_)) => true,
            Some(
                Operation::ArmTimer(..)
                | Operation::ArmDevice(..)
                | Operation::Close(..)
                | Operation::EndTimer(..)
                | Operation::Resize(_),
            )
            | None => false,
        };
        let in_time = |at| moving || self.deadline(config).is_none_or(|deadline| at <= deadline);
        let enforced = self.kill_timer.is_some_and(in_time);
        if armed && config.timing().kappa == Kappa::One && !enforced {
            return Err(Violation {
                name: "kill-timer-stands",
                why: "with κ = 1 the timer stands at D or earlier before any answer that arms or extends",
            });
        }
        Ok(())
    }
}

visit_fields!(Multiplexer {
    clients,
    device,
    operation,
    waiting;
    kill_timer
});
