//! What travels between the multiplexer and its clients, within one boot.
//!
//! Instants travel absolute: a remaining span would count from its arrival, and a client or a
//! multiplexer that pauses between two moments would gain time. The driver puts the boot id beside
//! every message and refuses another boot's.

use serde::{Deserialize, Serialize};

use crate::id::{ArmId, Incarnation};
use crate::time::Instant;
use crate::visit::{Visit, VisitDeadline, Visitor};

/// Which daemon a client is. One connection each at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ClientId {
    /// The LRM, which runs services.
    Lrm,
    /// The CRM, under profile `pve` only.
    Crm,
}

/// A client's request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ToMultiplexer {
    /// This process is the client from now on. What is armed stays as it is.
    Attach {
        /// The process; from now on nobody else arms in this client's name.
        process: Incarnation,
    },
    /// Guard me until my authority ends. Replaces an earlier arm of this client.
    Arm {
        /// The new arm.
        arm: ArmId,
        /// E.
        expires: Instant,
    },
    /// My authority ends at another time.
    Extend {
        /// The arm that it is about.
        arm: ArmId,
        /// Which renewal says so; only a younger one counts.
        renewal: u64,
        /// E.
        expires: Instant,
    },
    /// Nothing of mine runs any more, or my grant says that it runs unguarded.
    Disarm {
        /// The arm that ends; no other does.
        arm: ArmId,
    },
}

/// An arm as it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Armed {
    /// Which arm.
    pub arm: ArmId,
    /// The renewal that its end comes from; 0: from the arming itself.
    pub renewal: u64,
    /// E.
    pub expires: Instant,
    /// D: the device is not fed from here on.
    pub deadline: Instant,
}

/// The multiplexer's answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FromMultiplexer {
    /// You are the client; this is what is armed in your name.
    Attached(Option<Armed>),
    /// You are guarded.
    Armed(Armed),
    /// The end has moved.
    Extended(Armed),
    /// That arm has ended.
    Disarmed(ArmId),
    /// Not done: the arm is not yours, the end has passed, or D has.
    Refused(Option<ArmId>),
}

impl ToMultiplexer {
    /// The arm that the request is about.
    #[must_use]
    pub const fn arm(&self) -> Option<ArmId> {
        match self {
            Self::Attach { .. } => None,
            Self::Arm { arm, .. } | Self::Extend { arm, .. } | Self::Disarm { arm } => Some(*arm),
        }
    }
}

impl ToMultiplexer {
    /// Whether this is an answer to that request, and to no other.
    #[must_use]
    pub fn is_answered_by(&self, reply: &FromMultiplexer) -> bool {
        match (self, reply) {
            (Self::Attach { .. }, FromMultiplexer::Attached(_)) => true,
            (Self::Arm { arm, .. }, FromMultiplexer::Armed(armed)) => *arm == armed.arm,
            (Self::Extend { arm, renewal, .. }, FromMultiplexer::Extended(armed)) => {
                *arm == armed.arm && *renewal == armed.renewal
            }
            (Self::Disarm { arm }, FromMultiplexer::Disarmed(disarmed)) => arm == disarmed,
            (_, FromMultiplexer::Refused(arm)) => self.arm() == *arm,
            (
                Self::Attach { .. } | Self::Arm { .. } | Self::Extend { .. } | Self::Disarm { .. },
                FromMultiplexer::Attached(_)
                | FromMultiplexer::Armed(_)
                | FromMultiplexer::Extended(_)
                | FromMultiplexer::Disarmed(_),
            ) => false,
        }
    }

    /// The end of authority that the request brings.
    #[must_use]
    pub const fn expires(&self) -> Option<Instant> {
        match self {
            Self::Attach { .. } | Self::Disarm { .. } => None,
            Self::Arm { expires, .. } | Self::Extend { expires, .. } => Some(*expires),
        }
    }
}

impl Visit for ToMultiplexer {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Attach { process } => process.visit(visitor),
            Self::Arm { arm, expires } => {
                arm.visit(visitor);
                expires.visit_deadline(visitor);
            }
            Self::Extend {
                arm,
                renewal,
                expires,
            } => {
                visitor.request(arm.0.process, renewal);
                arm.visit(visitor);
                expires.visit_deadline(visitor);
            }
            Self::Disarm { arm } => arm.visit(visitor),
        }
    }
}

impl Visit for Armed {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        if self.renewal != 0 {
            visitor.request(self.arm.0.process, &mut self.renewal);
        }
        self.arm.visit(visitor);
        self.expires.visit_deadline(visitor);
        self.deadline.visit_deadline(visitor);
    }
}

impl Visit for FromMultiplexer {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Attached(armed) => armed.visit(visitor),
            Self::Armed(armed) | Self::Extended(armed) => armed.visit(visitor),
            Self::Disarmed(arm) => arm.visit(visitor),
            Self::Refused(arm) => arm.visit(visitor),
        }
    }
}

impl Visit for (ClientId, ToMultiplexer) {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.1.visit(visitor);
    }
}
