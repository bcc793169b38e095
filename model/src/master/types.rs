//! What comes into a CRM process and what goes out of it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::contender::{Fenced, Order};
use crate::crm;
use crate::event::{self, Effects, Level};
use crate::id::{NodeId, RequestId, ServiceId};
use crate::manager::Settings;
use crate::name::Names;
use crate::placement::stats::{NodeStats, ServiceStats};
use crate::record::{Outcome, Snapshot, Write};
use crate::table::Table;
use crate::visit::{Visit, Visitor};

/// What a CRM knows beside the store's records.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    /// The names behind the ids.
    pub names: &'a Names,
    /// The nodes of the cluster, in the order of their ids.
    pub nodes: &'a [NodeId],
    /// The cluster's settings.
    pub settings: &'a Settings,
    /// The nodes' loads and capacities, by id; not needed with the basic scheduler.
    pub node_stats: &'a [Option<NodeStats>],
    /// The services' loads and limits; not needed with the basic scheduler.
    pub service_stats: &'a Table<ServiceId, ServiceStats>,
    /// The version of each node, as far as it is known.
    pub versions: &'a Table<NodeId, String>,
    /// The nodes that fence agents can switch off, in the order of their ids.
    pub fenceable: &'a [NodeId],
}

/// What happened to a CRM process.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The process began, and no predecessor of this boot lives.
    Started,
    /// What the store's watch shows now. It may lag: every write compares what it rests on.
    Watched {
        /// The records.
        snapshot: &'a Snapshot,
        /// What else there is.
        files: &'a Files<'a>,
    },
    /// The answer to [`Effect::Read`].
    Read {
        /// Which read.
        request: RequestId,
        /// What stood there.
        snapshot: &'a Snapshot,
        /// What else there is.
        files: &'a Files<'a>,
    },
    /// The answer to [`Effect::Write`], in time or late.
    Written {
        /// Which write.
        request: RequestId,
        /// What became of it.
        outcome: Outcome,
    },
    /// The answer to [`Effect::Fence`].
    Fenced {
        /// Which order.
        request: RequestId,
        /// What became of it.
        fenced: Fenced,
    },
    /// A wake-up that was asked for, or any other moment.
    Timer,
    /// The process is to end.
    Leave,
}

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// Write to the store; answer with [`Input::Written`] if there is an answer.
    Write(Write),
    /// Read everything linearizably; answer with [`Input::Read`].
    Read(RequestId),
    /// Have a node's fence agents switch its machine off, and leave it off; answer with
    /// [`Input::Fenced`].
    Fence(Order),
    /// End the process.
    Exit,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Event {
    /// Of the CRM or its manager. It counts once it is written.
    Crm(crm::Event),
    /// About a lock.
    Lock(event::Event),
    /// What was decided last is void: something that it rests on had changed.
    CommitRefused,
    /// Whether what was decided last is written isn't known: it is read again.
    CommitUnanswered,
}

impl Visit for Effect {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Write(write) => write.visit(visitor),
            Self::Read(request) => request.visit(visitor),
            Self::Fence(order) => order.visit(visitor),
            Self::Exit => {}
        }
    }
}

impl Event {
    /// How much it matters.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::Crm(event) => event.level(),
            Self::Lock(event) => event.level(),
            Self::CommitRefused => Level::Info,
            Self::CommitUnanswered => Level::Warning,
        }
    }

    /// Writes the text, with names.
    ///
    /// # Errors
    ///
    /// That of the writer.
    pub fn write(&self, f: &mut dyn fmt::Write, names: &Names) -> fmt::Result {
        match self {
            Self::Crm(event) => event.write(f, names),
            Self::Lock(event) => write!(f, "{event}"),
            Self::CommitRefused => {
                f.write_str("the store has changed since it was read, deciding again")
            }
            Self::CommitUnanswered => {
                f.write_str("no answer from the store about what was decided, reading again")
            }
        }
    }
}

/// The outbox of a step. Kept between steps.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// What the driver has to do, in order.
    pub effects: Vec<Effect>,
    /// What was decided.
    pub events: Vec<Event>,
    /// Where the CRM decides.
    pub(super) crm: crm::Outbox,
}

/// Passes on what a contender wants done.
pub(super) fn pass_on(effects: Effects<crate::contender::Effect>, out: &mut Outbox) {
    out.events
        .extend(effects.events.into_iter().map(Event::Lock));
    let passed = effects.effects.into_iter().map(|effect| match effect {
        crate::contender::Effect::Write(write) => Effect::Write(write),
        crate::contender::Effect::Read(request) => Effect::Read(request),
        crate::contender::Effect::Fence(order) => Effect::Fence(order),
    });
    out.effects.extend(passed);
}
