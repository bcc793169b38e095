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

pub mod message;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::{Config, Kappa};
use crate::event::{Effects, Event, Violation};
use crate::id::{ArmId, Incarnation};
use crate::mutation::{Mutant, Mutation};
use crate::time::{Instant, Span, Wakeup, Why, earliest};
use crate::visit::{Visit, Visitor, visit_fields};
use message::{Armed, ClientId, FromMultiplexer, ToMultiplexer};

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

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Client {
    id: ClientId,
    /// The process at the other end of its connection, if there is one.
    process: Option<Incarnation>,
    arm: Option<Arm>,
}

/// What a client was promised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Arm {
    id: ArmId,
    /// The renewal that the present end comes from.
    renewal: u64,
    /// E.
    expires: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Device {
    Closed,
    Open {
        /// W as it was last read back.
        timeout: Span,
        /// The W′ that margins count with: the larger one while W changes.
        reset_max: Span,
        next_ping: Instant,
    },
}

/// What is being done to the device or the timer, step by step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Operation {
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

/// What happened to the multiplexer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Input {
    /// The process began; the marker of an armed predecessor in this boot was found or not.
    Started {
        /// Whether the marker is there. Checked before the device is opened, which pings it.
        marker: bool,
    },
    /// A client's request.
    Client(ClientId, ToMultiplexer),
    /// A client's connection ended.
    Vanished(ClientId),
    /// The kill timer stands as asked.
    TimerSet(Option<Instant>),
    /// The device was opened and armed with this time-out, as read back; `None`: it failed, and
    /// was left unarmed.
    Opened(Option<Span>),
    /// The device was closed properly and counts no more.
    Closed,
    /// The device keeps this time-out now, as read back.
    Resized(Span),
    /// A wake-up that was asked for, or any other moment.
    Timer,
    /// A request to end (SIGTERM).
    Terminate,
}

/// What the driver has to do. One lane: in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// Tell a client. Nothing if it is gone.
    Reply(ClientId, FromMultiplexer),
    /// Have the kernel kill this process at that moment (CLOCK_BOOTTIME, SIGKILL), or not at all.
    /// Answer with [`Input::TimerSet`].
    SetTimer(Option<Instant>),
    /// Write the marker, then open the device with this time-out. Answer with [`Input::Opened`].
    Open {
        /// The time-out W to ask for.
        timeout: Span,
    },
    /// Ping the device.
    Ping,
    /// Set another time-out, which pings, and read it back. Answer with [`Input::Resized`].
    Resize {
        /// The time-out W to ask for.
        timeout: Span,
    },
    /// Close the device so that it stops counting, then remove the marker. Answer with
    /// [`Input::Closed`].
    Close,
    /// End the process.
    Exit,
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

    fn reset_max<M: Mutation>(&self, config: &Config<M>) -> Span {
        match self.device {
            Device::Closed => config.timing().reset_max,
            Device::Open { reset_max, .. } => reset_max,
        }
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
                let armed = self.clients.iter().any(|client| client.arm.is_some());
                if !armed && self.operation.is_none() && self.device == Device::Closed {
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

    fn disconnect(&mut self, id: ClientId, effects: &mut Effects<Effect>) {
        if let Some(client) = self.clients.iter_mut().find(|client| client.id == id) {
            client.process = None;
            if client.arm.is_some() {
                effects.say(Event::ClientVanished);
            }
        }
        self.clients
            .retain(|client| client.process.is_some() || client.arm.is_some());
    }

    /// What a multiplexer would do that takes a lost connection for a goodbye.
    fn forget<M: Mutation>(
        &mut self,
        config: &Config<M>,
        id: ClientId,
        effects: &mut Effects<Effect>,
    ) {
        let arm = self.arm_of(id).map(|arm| arm.id);
        if let Some(arm) = arm {
            self.begin_disarm(config, id, arm, effects);
        }
    }

    fn process_of(&self, id: ClientId) -> Option<Incarnation> {
        self.clients.iter().find(|client| client.id == id)?.process
    }

    fn arm_of(&self, id: ClientId) -> Option<&Arm> {
        self.clients
            .iter()
            .find(|client| client.id == id)?
            .arm
            .as_ref()
    }

    fn client(&mut self, id: ClientId) -> &mut Client {
        let index = self.clients.iter().position(|client| client.id == id);
        let index = index.unwrap_or_else(|| {
            self.clients.push(Client {
                id,
                process: None,
                arm: None,
            });
            self.clients.len() - 1
        });
        &mut self.clients[index]
    }

    /// Begins the next waiting request, or a change of W, when nothing is under way.
    fn proceed<M: Mutation>(
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
                    let expires = self.end(config, now, expires);
                    self.begin_extend(
                        config,
                        now,
                        id,
                        Arm {
                            id: arm,
                            renewal,
                            expires,
                        },
                        effects,
                    );
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

    fn on_attach<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        id: ClientId,
        process: Incarnation,
        effects: &mut Effects<Effect>,
    ) {
        let reset_max = self.reset_max(config);
        let client = self.client(id);
        client.process = Some(process);
        if let (Some(arm), true) = (&mut client.arm, config.broken(Mutant::AttachExtends)) {
            arm.expires = now + config.timing().authority(config.timing().lock_ttl);
        }
        let armed = client.arm.as_ref().map(|arm| Armed {
            arm: arm.id,
            renewal: arm.renewal,
            expires: arm.expires,
            deadline: config.deadline(arm.expires, reset_max),
        });
        effects.push(Effect::Reply(id, FromMultiplexer::Attached(armed)));
    }

    fn begin_arm<M: Mutation>(
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
    fn open_for<M: Mutation>(
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

    fn begin_extend<M: Mutation>(
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

    fn extended<M: Mutation>(
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

    fn begin_disarm<M: Mutation>(
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

    fn on_timer_set<M: Mutation>(
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

    fn on_opened<M: Mutation>(
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

    fn on_closed<M: Mutation>(&mut self, config: &Config<M>, effects: &mut Effects<Effect>) {
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

    /// Begins to set another W, if the configuration asks for one and no deadline is near.
    fn resize<M: Mutation>(
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

    fn on_resized<M: Mutation>(&mut self, config: &Config<M>, read_back: Span) {
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

    fn ping<M: Mutation>(
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
        let armed = self.clients.iter().any(|client| client.arm.is_some());
        if armed && self.device == Device::Closed {
            return Err(Violation {
                name: "armed-is-open",
                why: "a client is told that it is armed only once the device was opened",
            });
        }
        let enforced = self.kill_timer.is_some() || config.timing().kappa == Kappa::Three;
        if armed && !enforced {
            return Err(Violation {
                name: "kill-timer-stands",
                why: "with κ = 1 the timer is set before any answer that arms or extends",
            });
        }
        Ok(())
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

impl Visit for Arm {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        // Renewals are numbered like the requests of the process that armed.
        if self.renewal != 0 {
            visitor.request(self.id.0.process, &mut self.renewal);
        }
        self.id.visit(visitor);
        self.expires.visit(visitor);
    }
}

impl Visit for Device {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Closed => {}
            Self::Open { next_ping, .. } => next_ping.visit(visitor),
        }
    }
}

impl Visit for Client {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.process.visit(visitor);
        self.arm.visit(visitor);
    }
}

impl Visit for (ClientId, ToMultiplexer) {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.1.visit(visitor);
    }
}

visit_fields!(Multiplexer {
    clients,
    device,
    kill_timer,
    operation,
    waiting
});

impl Visit for Input {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Client(_, request) => request.visit(visitor),
            Self::TimerSet(at) => at.visit(visitor),
            Self::Started { .. }
            | Self::Vanished(_)
            | Self::Opened(_)
            | Self::Closed
            | Self::Resized(_)
            | Self::Timer
            | Self::Terminate => {}
        }
    }
}

impl Visit for Effect {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Reply(_, reply) => reply.visit(visitor),
            Self::SetTimer(at) => at.visit(visitor),
            Self::Open { .. } | Self::Ping | Self::Resize { .. } | Self::Close | Self::Exit => {}
        }
    }
}
