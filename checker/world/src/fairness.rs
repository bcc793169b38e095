//! Who has to act at last: the classes of steps to which a run is fair.
//!
//! Processes that are not stopped, agents, the kernel and the watchdog's device, what starts
//! processes again, a manager that may move a service, and time are treated with weak fairness: none
//! puts off for ever what it could do all the time. A take of a lock that would succeed is treated
//! with strong fairness: whoever contends for a lock that is free again and again gets it at last.
//!
//! A stand-in may take any time for anything, but does something at last while there is something
//! that it can do. Which of the things is left open: what it does is done, and so leaves the others.
//!
//! In no class, and so never forced, is what ends a fault (a process that goes on, a host that is
//! switched on, a network that heals), a request that a fault has delayed and its answer, an agent
//! that hangs, and what people do. Promises make allowances for them.

use lockstep_model::record::{GrantState, Key, Write};

use crate::action::{Action, Proc};
use crate::setup::Setup;
use crate::stand_in::Act;
use crate::state::World;

/// Who acts on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// The LRM.
    Lrm,
    /// The multiplexer.
    Mux,
    /// The contender.
    Contender,
    /// The CRM.
    Crm,
    /// Agents with jobs that don't hang.
    Agents,
    /// The watchdog's device, and the kernel's timer.
    Hardware,
    /// What starts processes that have ended.
    Init,
    /// The manager, as it moves services away from a node whose lock it has.
    Manager,
    /// The LRM, as it takes its lock.
    Taker,
    /// What stands for an LRM and all that it works with.
    StandIn,
}

impl Actor {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Lrm,
        Self::Mux,
        Self::Contender,
        Self::Crm,
        Self::Agents,
        Self::Hardware,
        Self::Init,
        Self::Manager,
        Self::Taker,
        Self::StandIn,
    ];

    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lrm => "LRM",
            Self::Mux => "multiplexer",
            Self::Contender => "contender",
            Self::Crm => "CRM",
            Self::Agents => "agents",
            Self::Hardware => "watchdog",
            Self::Init => "init",
            Self::Manager => "manager",
            Self::Taker => "take of the lock",
            Self::StandIn => "stand-in",
        }
    }

    /// Whether it is owed strong fairness, not only weak.
    #[must_use]
    pub const fn is_strong(self) -> bool {
        match self {
            Self::Taker => true,
            Self::Lrm
            | Self::Mux
            | Self::Contender
            | Self::Crm
            | Self::Agents
            | Self::Hardware
            | Self::Init
            | Self::Manager
            | Self::StandIn => false,
        }
    }

    /// Its class on a host, as a set of bits.
    const fn class_on(self, host: usize) -> u64 {
        1 << (1 + host * Self::ALL.len() + self as usize)
    }
}

/// The class of the passing of time.
const TIME: u64 = 1;

impl Setup {
    /// The classes, by number: who it is, and on which host; `None` is time.
    #[must_use]
    pub fn classes(&self) -> Vec<Option<(usize, Actor)>> {
        let hosts = 0..self.hosts.len();
        let actors = hosts.flat_map(|host| Actor::ALL.map(|actor| Some((host, actor))));
        std::iter::once(None).chain(actors).collect()
    }
}

impl World {
    /// The classes that an action belongs to. What the manager orders is its own affair, like what
    /// people ask for; a fence agent may take for ever, since the lock's silence is relied on.
    #[must_use]
    pub fn classes_of(&self, action: &Action) -> u64 {
        match *action {
            Action::Execute { host, proc, effect } => {
                let takes = self.is_fit_to_take(host, proc, effect);
                process(proc).class_on(host) | (u64::from(takes) * Actor::Taker.class_on(host))
            }
            Action::ExecuteDelayed { host, proc, .. }
            | Action::Deliver { host, proc, .. }
            | Action::Watch { host, proc }
            | Action::Wake { host, proc } => process(proc).class_on(host),
            Action::OpenFails { host, .. } | Action::PingEnters { host, .. } => {
                Actor::Mux.class_on(host)
            }
            Action::Work { host, worker } => {
                let ends = !self.hosts[host].workers[worker].hung;
                u64::from(ends) * Actor::Agents.class_on(host)
            }
            Action::WorkFails { host, .. } => Actor::Agents.class_on(host),
            Action::Reset { host } | Action::KillTimer { host } | Action::PingLands { host } => {
                Actor::Hardware.class_on(host)
            }
            Action::StartLrm { host }
            | Action::StartMux { host }
            | Action::StartContender { host }
            | Action::StartCrm { host } => Actor::Init.class_on(host),
            Action::Move { host, .. } => Actor::Manager.class_on(host),
            Action::StandIn { host, act } => stand_in(act).map_or(0, |actor| actor.class_on(host)),
            Action::Tick | Action::TickDrifting { .. } => TIME,
            Action::WorkHangs { .. }
            | Action::Fence { .. }
            | Action::FenceFails { .. }
            | Action::FenceLies { .. }
            | Action::Apply { .. }
            | Action::Answer { .. }
            | Action::Pause { .. }
            | Action::PauseAll { .. }
            | Action::Resume { .. }
            | Action::Crash { .. }
            | Action::PowerOff { .. }
            | Action::PowerOn { .. }
            | Action::Isolate { .. }
            | Action::Heal { .. }
            | Action::Outage
            | Action::OutageEnds
            | Action::HostStops { .. }
            | Action::HostGoesOn { .. }
            | Action::ServiceEnds { .. }
            | Action::Rollback
            | Action::HandEdit { .. }
            | Action::Want { .. }
            | Action::RestartLrm { .. }
            | Action::StopLrm { .. }
            | Action::Reconfigure
            | Action::TerminateMux { .. }
            | Action::SecondLrm { .. }
            | Action::Order { .. }
            | Action::EndLrm { .. }
            | Action::Maintain { .. }
            | Action::Disarm { .. }
            | Action::Arm
            | Action::Suspend { .. }
            | Action::WakeUp { .. }
            | Action::Command { .. }
            | Action::Edit { .. }
            | Action::StopCrm { .. }
            | Action::ConfirmDead { .. }
            | Action::Contend { .. }
            | Action::LetGo { .. } => 0,
        }
    }

    /// The classes enabled here, those included of which a reduced search takes steps only later.
    #[must_use]
    pub fn enabled_classes(&self, setup: &Setup) -> u64 {
        let all = self.enabled_unreduced(setup);
        all.iter()
            .fold(0, |set, action| set | self.classes_of(action))
    }

    /// Whether an effect is an LRM's take of its lock that would succeed now.
    fn is_fit_to_take(&self, host: usize, proc: Proc, effect: usize) -> bool {
        let lrm = matches!(proc, Proc::Lrm(_));
        lrm && self.reaches_store(host)
            && self
                .write_of(host, proc, effect)
                .is_some_and(|write| takes(write) && self.store.would_apply(write))
    }
}

/// Whether a write makes somebody hold a lock whose grant it replaces.
fn takes(write: &Write) -> bool {
    write.puts.iter().any(|put| {
        let held = |state: &GrantState| state.is_held();
        matches!(put.key, Key::Grant(_)) && put.record.as_grant().is_some_and(|it| held(&it.state))
    })
}

const fn process(proc: Proc) -> Actor {
    match proc {
        Proc::Lrm(_) => Actor::Lrm,
        Proc::Mux => Actor::Mux,
        Proc::Contender => Actor::Contender,
        Proc::Crm => Actor::Crm,
    }
}

/// Whose steps a stand-in's acts are, but for faults and what ends them. What it says it says with
/// every tick anyway; said again and again, it isn't all that it does.
const fn stand_in(act: Act) -> Option<Actor> {
    match act {
        Act::Reset => Some(Actor::Hardware),
        Act::Publish
        | Act::PublishBefore
        | Act::Fail(_)
        | Act::Pause
        | Act::Crash
        | Act::Resume => None,
        Act::Take
        | Act::Guard
        | Act::Release
        | Act::LeaveRunning
        | Act::Carry(_)
        | Act::Stop(_)
        | Act::Return
        | Act::GiveUp => Some(Actor::StandIn),
    }
}
