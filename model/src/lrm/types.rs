//! What comes into the LRM and what goes out of it.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::rounds::{Reason, ShutdownPolicy};
use crate::id::{NodeId, RequestId, ServiceId};
use crate::manager::status::LrmMode;
use crate::record::{Outcome, Snapshot, Write};
use crate::time::Instant;
use crate::visit::{Visit, VisitDeadline, Visitor};
use crate::watchdog::message::{FromMultiplexer, ToMultiplexer};

/// What a worker does with a service. Each may be repeated without harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Job {
    /// Ask whether it runs.
    Query,
    /// Make it run: from nothing, or from what a [`Job::Send`] brought to this node or paused on it.
    Start,
    /// Make it not run, and destroy what a [`Job::Send`] paused.
    Stop,
    /// Make it ready to go on elsewhere: copy it there, then pause it here. What is paused does no
    /// I/O.
    Send {
        /// Where to.
        target: NodeId,
    },
}

/// What an agent says about a service after a job. An error or a time-out is never "stopped".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Report {
    /// It runs.
    Running,
    /// It positively doesn't run (OCF 7).
    Stopped,
    /// Neither is sure.
    Unclear,
    /// It is paused: it does no I/O and could go on. After a [`Job::Send`], at its target too; it is
    /// resumed here only if the move is refuted. After a [`Job::Query`], here, whether it was to
    /// leave this node or has come to it.
    Sent,
}

/// Why the LRM is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Leave {
    /// To come back in the same boot: services stay as they are, unguarded.
    Restart,
    /// For good: services are stopped, and others may have them.
    Stop,
    /// The node comes back: services are stopped, and the manager is told to leave them to it.
    StopAndFreeze,
    /// When nothing is left here: the manager is told to move everything away.
    Migrate,
}

impl Leave {
    /// What the end of an LRM means for its services (`protocol.md` 5.10).
    #[must_use]
    pub const fn of(reason: Reason, policy: ShutdownPolicy, in_maintenance: bool) -> Self {
        if in_maintenance {
            return Self::Migrate;
        }
        match (reason, policy) {
            (Reason::Restart, _) => Self::Restart,
            (Reason::Reboot | Reason::Shutdown, ShutdownPolicy::Migrate) => Self::Migrate,
            (Reason::Reboot, ShutdownPolicy::Conditional)
            | (Reason::Reboot | Reason::Shutdown, ShutdownPolicy::Freeze) => Self::StopAndFreeze,
            (Reason::Shutdown, ShutdownPolicy::Conditional)
            | (Reason::Reboot | Reason::Shutdown, ShutdownPolicy::Failover) => Self::Stop,
        }
    }

    /// The mode that tells the manager.
    #[must_use]
    pub const fn mode(self) -> LrmMode {
        match self {
            Self::Restart | Self::StopAndFreeze => LrmMode::Restart,
            Self::Stop => LrmMode::Shutdown,
            Self::Migrate => LrmMode::Maintenance,
        }
    }
}

/// What happened to the LRM.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Input {
    /// The process began.
    Started,
    /// The kernel lock that dies with its holder was obtained: no predecessor lives.
    KernelLock {
        /// The services for which a start or stop was intended in this boot, ended or not: read
        /// *after* the lock was obtained, since a living predecessor may still add to them.
        intents: Vec<ServiceId>,
    },
    /// What the store's watch shows now. It may lag: it feeds the observation of the lock, and tells
    /// when to read. No start rests on it.
    Watched(Snapshot),
    /// The answer to [`Effect::Read`].
    Read {
        /// Which read.
        request: RequestId,
        /// What stood there.
        snapshot: Snapshot,
    },
    /// The answer to [`Effect::Write`], in time or late.
    Written {
        /// Which write.
        request: RequestId,
        /// What became of it.
        outcome: Outcome,
    },
    /// The multiplexer's answer.
    Watchdog(FromMultiplexer),
    /// The multiplexer can be reached (again).
    WatchdogConnected,
    /// The connection to the multiplexer ended.
    WatchdogGone,
    /// No worker of a predecessor exists any more.
    Reaped,
    /// The intent is on the disk.
    IntentRecorded {
        /// Whose.
        service: ServiceId,
    },
    /// A worker ended.
    WorkerDone {
        /// Which: a report of one that was killed says nothing about a later one.
        worker: RequestId,
        /// Whose.
        service: ServiceId,
        /// What it was to do.
        job: Job,
        /// What it says.
        report: Report,
    },
    /// A running service ended by itself.
    ServiceEnded {
        /// Which.
        service: ServiceId,
    },
    /// What [`Effect::KillServices`] named was killed.
    ServicesKilled,
    /// A wake-up that was asked for, or any other moment.
    Timer,
    /// End.
    Leave(Leave),
}

/// What the driver has to do, in order within each lane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// Write to the store; answer with [`Input::Written`] if there is an answer.
    Write(Write),
    /// Read everything linearizably; answer with [`Input::Read`].
    Read(RequestId),
    /// Tell the multiplexer.
    Watchdog(ToMultiplexer),
    /// End all workers that a predecessor left; answer with [`Input::Reaped`].
    Reap,
    /// Put on the disk that a worker will be spawned for this service; answer with
    /// [`Input::IntentRecorded`].
    RecordIntent {
        /// Whose.
        service: ServiceId,
        /// What it will do.
        job: Job,
    },
    /// Spawn a worker; answer with [`Input::WorkerDone`] when it has ended.
    Spawn {
        /// Which worker this is.
        worker: RequestId,
        /// Whose.
        service: ServiceId,
        /// What it is to do.
        job: Job,
        /// On this host's clock; later it is pointless. Saves work, proves nothing.
        not_after: Option<Instant>,
        /// How long a stop may take, in seconds, if the order says so; zero: not at all.
        timeout_seconds: Option<u64>,
    },
    /// Kill everything in these services' control groups, workers included; answer with
    /// [`Input::ServicesKilled`].
    KillServices(Vec<ServiceId>),
    /// End the process.
    Exit,
}

/// Effects of one lane are executed in order; lanes may overtake each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lane {
    /// Writes to locks.
    Lock,
    /// Writes that move a service away.
    Location,
    /// Reads.
    Read,
    /// The multiplexer.
    Watchdog,
    /// Agents, their workers, and the process's own end.
    Workers,
}

impl Effect {
    /// Which lane the effect belongs to.
    #[must_use]
    pub fn lane(&self) -> Lane {
        match self {
            Self::Write(write) if write.moves_service() => Lane::Location,
            Self::Write(_) => Lane::Lock,
            Self::Read(_) => Lane::Read,
            Self::Watchdog(_) => Lane::Watchdog,
            Self::Reap
            | Self::RecordIntent { .. }
            | Self::Spawn { .. }
            | Self::KillServices(_)
            | Self::Exit => Lane::Workers,
        }
    }
}

impl Visit for Job {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Send { target } => visitor.node(target),
            Self::Query | Self::Start | Self::Stop => {}
        }
    }
}

impl Visit for Effect {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Write(write) => write.visit(visitor),
            Self::Read(request) => request.visit(visitor),
            Self::Watchdog(request) => request.visit(visitor),
            Self::Spawn {
                worker,
                job,
                not_after,
                ..
            } => {
                worker.visit(visitor);
                job.visit(visitor);
                not_after.visit_deadline(visitor);
            }
            Self::RecordIntent { job, .. } => job.visit(visitor),
            Self::Reap | Self::KillServices(_) | Self::Exit => {}
        }
    }
}

impl Input {
    /// The request that this answers, if it is an answer from the store.
    #[must_use]
    pub const fn answers(&self) -> Option<RequestId> {
        match self {
            Self::Read { request, .. } | Self::Written { request, .. } => Some(*request),
            Self::Started
            | Self::KernelLock { .. }
            | Self::Watched(_)
            | Self::Watchdog(_)
            | Self::WatchdogConnected
            | Self::WatchdogGone
            | Self::Reaped
            | Self::IntentRecorded { .. }
            | Self::WorkerDone { .. }
            | Self::ServiceEnded { .. }
            | Self::ServicesKilled
            | Self::Timer
            | Self::Leave(_) => None,
        }
    }
}

impl Visit for Input {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Watched(snapshot) => snapshot.visit(visitor),
            Self::Read { request, snapshot } => {
                request.visit(visitor);
                snapshot.visit(visitor);
            }
            Self::Written { request, outcome } => {
                request.visit(visitor);
                outcome.visit(visitor);
            }
            Self::Watchdog(reply) => reply.visit(visitor),
            Self::WorkerDone { worker, job, .. } => {
                worker.visit(visitor);
                job.visit(visitor);
            }
            Self::Started
            | Self::KernelLock { .. }
            | Self::WatchdogConnected
            | Self::WatchdogGone
            | Self::Reaped
            | Self::IntentRecorded { .. }
            | Self::ServiceEnded { .. }
            | Self::ServicesKilled
            | Self::Timer
            | Self::Leave(_) => {}
        }
    }
}

impl From<FromMultiplexer> for Input {
    fn from(reply: FromMultiplexer) -> Self {
        Self::Watchdog(reply)
    }
}
