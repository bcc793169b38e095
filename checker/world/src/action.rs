//! What can happen next, as values that replay.

use lockstep_model::id::ServiceId;
use lockstep_model::lrm::Leave;
use lockstep_model::record::Wanted;
use serde::{Deserialize, Serialize};

use crate::setup::Fault;
use crate::stand_in::Act;

/// A process of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Proc {
    /// The LRM with this place in [`crate::state::Host::lrms`].
    Lrm(usize),
    /// The multiplexer.
    Mux,
    /// The contender.
    Contender,
    /// The CRM.
    Crm,
}

impl Proc {
    /// The kinds of fault that stop it, and that end it.
    #[must_use]
    pub const fn faults(self) -> (Fault, Fault) {
        match self {
            Self::Lrm(_) => (Fault::PauseLrm, Fault::CrashLrm),
            Self::Mux => (Fault::PauseMux, Fault::CrashMux),
            Self::Contender => (Fault::PauseContender, Fault::CrashContender),
            Self::Crm => (Fault::PauseCrm, Fault::CrashCrm),
        }
    }
}

/// One step of the world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A process executes an effect of its outbox.
    Execute {
        /// Host.
        host: usize,
        /// Process.
        proc: Proc,
        /// Which effect.
        effect: usize,
    },
    /// A request to the store leaves the process, and takes any time from here.
    ExecuteDelayed {
        /// Host.
        host: usize,
        /// Process.
        proc: Proc,
        /// Which effect.
        effect: usize,
    },
    /// A process takes in an input.
    Deliver {
        /// Host.
        host: usize,
        /// Process.
        proc: Proc,
        /// Which input.
        input: usize,
    },
    /// A process sees what the store's watch has for it.
    Watch {
        /// Host.
        host: usize,
        /// Process.
        proc: Proc,
    },
    /// A process wakes up as it asked to.
    Wake {
        /// Host.
        host: usize,
        /// Process.
        proc: Proc,
    },
    /// An agent ends its job well.
    Work {
        /// Host.
        host: usize,
        /// Which worker.
        worker: usize,
    },
    /// An agent's job fails; the service is left half-way.
    WorkFails {
        /// Host.
        host: usize,
        /// Which worker.
        worker: usize,
    },
    /// An agent's job will take any time.
    WorkHangs {
        /// Host.
        host: usize,
        /// Which worker.
        worker: usize,
    },
    /// A fence agent switches a machine off, and says so.
    Fence {
        /// The host that asked for it.
        host: usize,
        /// Which of its agents.
        agent: usize,
    },
    /// A fence agent fails, and says so.
    FenceFails {
        /// The host that asked for it.
        host: usize,
        /// Which of its agents.
        agent: usize,
    },
    /// A fence agent says that it has switched a machine off, and hasn't.
    FenceLies {
        /// The host that asked for it.
        host: usize,
        /// Which of its agents.
        agent: usize,
    },
    /// A delayed request reaches the store.
    Apply {
        /// Which.
        delayed: usize,
    },
    /// A delayed answer reaches its process.
    Answer {
        /// Which.
        delayed: usize,
    },
    /// The watchdog's device resets its host.
    Reset {
        /// Host.
        host: usize,
    },
    /// The kernel's timer kills the multiplexer.
    KillTimer {
        /// Host.
        host: usize,
    },
    /// A ping enters the kernel and is not done yet.
    PingEnters {
        /// Host.
        host: usize,
        /// Which effect.
        effect: usize,
    },
    /// Opening the device goes wrong.
    OpenFails {
        /// Host.
        host: usize,
        /// Which effect.
        effect: usize,
        /// Whether it counts, with a longer time-out than was asked for.
        longer: bool,
    },
    /// A ping that had entered the kernel is done.
    PingLands {
        /// Host.
        host: usize,
    },
    /// A process is stopped.
    Pause {
        /// Host.
        host: usize,
        /// Process.
        proc: Proc,
    },
    /// All processes of a host are stopped.
    PauseAll {
        /// Host.
        host: usize,
    },
    /// A stopped process goes on.
    Resume {
        /// Host.
        host: usize,
        /// Process.
        proc: Proc,
    },
    /// A process dies.
    Crash {
        /// Host.
        host: usize,
        /// Process.
        proc: Proc,
    },
    /// The LRM is started again.
    StartLrm {
        /// Host.
        host: usize,
    },
    /// The multiplexer is started again.
    StartMux {
        /// Host.
        host: usize,
    },
    /// The contender is started again.
    StartContender {
        /// Host.
        host: usize,
    },
    /// The CRM is started again.
    StartCrm {
        /// Host.
        host: usize,
    },
    /// A stand-in for an LRM does something.
    StandIn {
        /// Host.
        host: usize,
        /// What.
        act: Act,
    },
    /// Somebody gives the CRM a command.
    Command {
        /// Which of the cluster's.
        which: usize,
    },
    /// Somebody changes the configuration.
    Edit {
        /// Which of the cluster's changes.
        which: usize,
    },
    /// Somebody stops a CRM.
    StopCrm {
        /// Host.
        host: usize,
    },
    /// Somebody says that a node is dead, which it is.
    ConfirmDead {
        /// Its host.
        host: usize,
    },
    /// A host loses power.
    PowerOff {
        /// Host.
        host: usize,
    },
    /// A host boots.
    PowerOn {
        /// Host.
        host: usize,
    },
    /// A host can no longer reach the store.
    Isolate {
        /// Host.
        host: usize,
    },
    /// It can again.
    Heal {
        /// Host.
        host: usize,
    },
    /// Nobody can reach the store.
    Outage,
    /// Everybody can again.
    OutageEnds,
    /// A hypervisor stops a host.
    HostStops {
        /// Host.
        host: usize,
    },
    /// It lets the host go on.
    HostGoesOn {
        /// Host.
        host: usize,
    },
    /// A host is suspended.
    Suspend {
        /// Host.
        host: usize,
    },
    /// A suspended host goes on.
    WakeUp {
        /// Host.
        host: usize,
    },
    /// A service ends by itself.
    ServiceEnds {
        /// Host.
        host: usize,
        /// Which.
        service: ServiceId,
    },
    /// The store forgets its last write.
    Rollback,
    /// Somebody writes another location into a service's record.
    HandEdit {
        /// Which.
        service: ServiceId,
        /// The host whose node it is to belong to.
        to: usize,
    },
    /// Somebody requests that a service run or not.
    Want {
        /// Which.
        service: ServiceId,
        /// What.
        wanted: Wanted,
    },
    /// Somebody restarts an LRM, leaving services running.
    RestartLrm {
        /// Host.
        host: usize,
    },
    /// Somebody stops an LRM and its services.
    StopLrm {
        /// Host.
        host: usize,
    },
    /// Somebody has an LRM end in another way.
    EndLrm {
        /// Host.
        host: usize,
        /// Which.
        way: Leave,
    },
    /// Somebody asks a node to do maintenance, or ends that.
    Maintain {
        /// Host.
        host: usize,
    },
    /// Somebody disarms the stack.
    Disarm {
        /// Whether services are to be nobody's concern.
        ignore: bool,
    },
    /// Somebody arms it again.
    Arm,
    /// The second configuration comes into force.
    Reconfigure,
    /// Somebody asks the multiplexer to terminate.
    TerminateMux {
        /// Host.
        host: usize,
    },
    /// A second LRM process is started beside the first.
    SecondLrm {
        /// Host.
        host: usize,
    },
    /// The manager has a contender contend.
    Contend {
        /// The contender's host.
        host: usize,
    },
    /// The manager gives a service's LRM an order.
    Order {
        /// Which service.
        service: ServiceId,
        /// What.
        wanted: Wanted,
    },
    /// The manager moves a service away from the node whose lock is held.
    Move {
        /// The contender's host.
        host: usize,
        /// Which service.
        service: ServiceId,
        /// The host whose node it is to belong to.
        to: usize,
    },
    /// The manager has a contender give the lock back.
    LetGo {
        /// The contender's host.
        host: usize,
    },
    /// A tick passes, everywhere.
    Tick,
    /// A tick passes, and one host's clock skips it or counts it twice.
    TickDrifting {
        /// Host.
        host: usize,
        /// Counted twice.
        fast: bool,
    },
}

impl Action {
    /// The names of the kinds of action.
    pub const KINDS: &'static [&'static str] = &[
        "execute",
        "execute-delayed",
        "deliver",
        "watch",
        "wake",
        "work",
        "work-fails",
        "work-hangs",
        "apply",
        "answer",
        "reset",
        "kill-timer",
        "ping-enters",
        "ping-lands",
        "pause",
        "pause-all",
        "resume",
        "crash",
        "start-lrm",
        "start-mux",
        "start-contender",
        "power-off",
        "power-on",
        "isolate",
        "heal",
        "outage",
        "outage-ends",
        "host-stops",
        "host-goes-on",
        "service-ends",
        "rollback",
        "hand-edit",
        "want",
        "restart-lrm",
        "stop-lrm",
        "reconfigure",
        "terminate-mux",
        "second-lrm",
        "contend",
        "move",
        "let-go",
        "tick",
        "tick-drifting",
        "open-fails",
        "start-crm",
        "stand-in",
        "command",
        "edit",
        "stop-crm",
        "confirm-dead",
        "suspend",
        "wake-up",
        "end-lrm",
        "maintain",
        "disarm",
        "arm",
        "order",
        "fence",
        "fence-fails",
        "fence-lies",
    ];

    /// The kind of fault that this is, if it is one that draws on the budget.
    #[must_use]
    pub const fn fault(&self) -> Option<Fault> {
        let fault = match self {
            Self::TickDrifting { .. } => Fault::Drift,
            Self::ExecuteDelayed { .. } => Fault::Delay,
            Self::WorkFails { .. } => Fault::AgentFails,
            Self::WorkHangs { .. } => Fault::AgentHangs,
            Self::PingEnters { .. } => Fault::SlowPing,
            Self::OpenFails { .. } => Fault::DeviceFails,
            Self::PauseAll { .. } => Fault::PauseAll,
            Self::PowerOff { .. } => Fault::Power,
            Self::Isolate { .. } => Fault::Isolate,
            Self::Outage => Fault::Outage,
            Self::HostStops { .. } => Fault::HostStop,
            Self::ServiceEnds { .. } => Fault::ServiceEnds,
            Self::Rollback => Fault::Rollback,
            Self::HandEdit { .. } => Fault::HandEdit,
            Self::StandIn { act, .. } => match act.fault() {
                Some(fault) => fault,
                None => return None,
            },
            Self::Suspend { .. } => Fault::Suspend,
            Self::FenceFails { .. } => Fault::FenceFails,
            Self::FenceLies { .. } => Fault::FenceLies,
            Self::Pause { proc, .. } => proc.faults().0,
            Self::Crash { proc, .. } => proc.faults().1,
            Self::Execute { .. }
            | Self::Deliver { .. }
            | Self::Watch { .. }
            | Self::Wake { .. }
            | Self::Work { .. }
            | Self::Fence { .. }
            | Self::Apply { .. }
            | Self::Answer { .. }
            | Self::Reset { .. }
            | Self::KillTimer { .. }
            | Self::PingLands { .. }
            | Self::Tick
            | Self::Resume { .. }
            | Self::Heal { .. }
            | Self::OutageEnds
            | Self::HostGoesOn { .. }
            | Self::PowerOn { .. }
            | Self::StartLrm { .. }
            | Self::StartMux { .. }
            | Self::StartContender { .. }
            | Self::StartCrm { .. }
            | Self::Command { .. }
            | Self::Edit { .. }
            | Self::StopCrm { .. }
            | Self::ConfirmDead { .. }
            | Self::Contend { .. }
            | Self::LetGo { .. }
            | Self::Move { .. }
            | Self::Want { .. }
            | Self::RestartLrm { .. }
            | Self::StopLrm { .. }
            | Self::EndLrm { .. }
            | Self::Maintain { .. }
            | Self::Disarm { .. }
            | Self::Arm
            | Self::Order { .. }
            | Self::WakeUp { .. }
            | Self::Reconfigure
            | Self::TerminateMux { .. }
            | Self::SecondLrm { .. } => return None,
        };
        Some(fault)
    }

    /// The kind: its place in [`Self::KINDS`].
    #[must_use]
    pub const fn kind(&self) -> usize {
        match self {
            Self::Execute { .. } => 0,
            Self::ExecuteDelayed { .. } => 1,
            Self::Deliver { .. } => 2,
            Self::Watch { .. } => 3,
            Self::Wake { .. } => 4,
            Self::Work { .. } => 5,
            Self::WorkFails { .. } => 6,
            Self::WorkHangs { .. } => 7,
            Self::Apply { .. } => 8,
            Self::Answer { .. } => 9,
            Self::Reset { .. } => 10,
            Self::KillTimer { .. } => 11,
            Self::PingEnters { .. } => 12,
            Self::PingLands { .. } => 13,
            Self::Pause { .. } => 14,
            Self::PauseAll { .. } => 15,
            Self::Resume { .. } => 16,
            Self::Crash { .. } => 17,
            Self::StartLrm { .. } => 18,
            Self::StartMux { .. } => 19,
            Self::StartContender { .. } => 20,
            Self::PowerOff { .. } => 21,
            Self::PowerOn { .. } => 22,
            Self::Isolate { .. } => 23,
            Self::Heal { .. } => 24,
            Self::Outage => 25,
            Self::OutageEnds => 26,
            Self::HostStops { .. } => 27,
            Self::HostGoesOn { .. } => 28,
            Self::ServiceEnds { .. } => 29,
            Self::Rollback => 30,
            Self::HandEdit { .. } => 31,
            Self::Want { .. } => 32,
            Self::RestartLrm { .. } => 33,
            Self::StopLrm { .. } => 34,
            Self::Reconfigure => 35,
            Self::TerminateMux { .. } => 36,
            Self::SecondLrm { .. } => 37,
            Self::Contend { .. } => 38,
            Self::Move { .. } => 39,
            Self::LetGo { .. } => 40,
            Self::Tick => 41,
            Self::TickDrifting { .. } => 42,
            Self::OpenFails { .. } => 43,
            Self::StartCrm { .. } => 44,
            Self::StandIn { .. } => 45,
            Self::Command { .. } => 46,
            Self::Edit { .. } => 47,
            Self::StopCrm { .. } => 48,
            Self::ConfirmDead { .. } => 49,
            Self::Suspend { .. } => 50,
            Self::WakeUp { .. } => 51,
            Self::EndLrm { .. } => 52,
            Self::Maintain { .. } => 53,
            Self::Disarm { .. } => 54,
            Self::Arm => 55,
            Self::Order { .. } => 56,
            Self::Fence { .. } => 57,
            Self::FenceFails { .. } => 58,
            Self::FenceLies { .. } => 59,
        }
    }

    /// Whether it is something that people ask for, on budget.
    #[must_use]
    pub const fn is_asked(&self) -> bool {
        matches!(
            self,
            Self::Want { .. }
                | Self::RestartLrm { .. }
                | Self::StopLrm { .. }
                | Self::Reconfigure
                | Self::TerminateMux { .. }
                | Self::SecondLrm { .. }
                | Self::Command { .. }
                | Self::Edit { .. }
                | Self::StopCrm { .. }
                | Self::ConfirmDead { .. }
                | Self::EndLrm { .. }
                | Self::Maintain { .. }
                | Self::Disarm { .. }
                | Self::Arm
                | Self::Order { .. }
                | Self::Move { .. }
                | Self::LetGo { .. }
        )
    }

    /// Whether time passes.
    #[must_use]
    pub const fn is_time(&self) -> bool {
        matches!(self, Self::Tick | Self::TickDrifting { .. })
    }
}
