//! What comes into the multiplexer and what goes out of it.

use serde::{Deserialize, Serialize};

use super::message::{ClientId, FromMultiplexer, ToMultiplexer};
use crate::time::{Instant, Span};
use crate::visit::{Visit, VisitDeadline, Visitor};

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

impl Visit for Input {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Client(_, request) => request.visit(visitor),
            Self::TimerSet(at) => at.visit_deadline(visitor),
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
            Self::SetTimer(at) => at.visit_deadline(visitor),
            Self::Open { .. } | Self::Ping | Self::Resize { .. } | Self::Close | Self::Exit => {}
        }
    }
}
