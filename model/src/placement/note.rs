//! What placement has to say: typed, with the specification's texts.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::stats::Field;
use super::usage::Mode;
use crate::event::Level;
use crate::id::{NodeId, ServiceId};

/// The names that ids stand for; an id without a name shows itself.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// By node id.
    pub nodes: &'a [String],
    /// SIDs by service id.
    pub services: &'a [String],
}

impl<'a> Names<'a> {
    /// A node's name.
    #[must_use]
    pub fn node(self, id: NodeId) -> Named<'a, NodeId> {
        Named {
            name: self.nodes.get(usize::from(id.0)).map(String::as_str),
            id,
        }
    }

    /// A service's SID.
    #[must_use]
    pub fn service(self, id: ServiceId) -> Named<'a, ServiceId> {
        Named {
            name: self.services.get(usize::from(id.0)).map(String::as_str),
            id,
        }
    }
}

/// An id together with its name, to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a, Id> {
    name: Option<&'a str>,
    id: Id,
}

impl<'a, Id> Named<'a, Id> {
    /// The name, if there is one.
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        self.name
    }
}

impl<Id: fmt::Display> fmt::Display for Named<'_, Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => f.write_str(name),
            None => self.id.fmt(f),
        }
    }
}

/// Why a mode other than basic can't be used in this round (`scheduling.md` §1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum InitError {
    /// The nodes' statistics could not be had, with the source's reason.
    NoNodeStats(String),
    /// There are none of this node.
    NoStatsOf(NodeId),
    /// This node's lack the number of its cores.
    NoCpuCount(NodeId),
    /// This node's lack its memory.
    NoMemory(NodeId),
    /// The source refused this node, with its reason.
    Node(NodeId, String),
    /// There is no source for this mode.
    NotAvailable,
    /// The source could not be set up, with its reason.
    Source(String),
}

/// Why a service is left out of the figures, or can't be scored (`scheduling.md` §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// It has no statistics.
    NoStats,
    /// Its statistics lack a field.
    MissingField(Field),
    /// It moves to where it is.
    SameNode,
}

/// A result that is no number to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NotFinite {
    /// Not a number.
    Nan,
    /// Above every number.
    Infinite,
    /// Below every number.
    NegativeInfinite,
}

/// What went wrong in a calculation (`scheduling.md` §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ScoreError {
    /// The service has no figures to calculate with.
    Service(Refusal),
    /// A criterion, by its number from 0, has no finite value.
    Criterion(u8, NotFinite),
    /// A score is not finite.
    Score(NotFinite),
    /// The imbalance is not finite: a node has no capacity at all.
    Imbalance(NotFinite),
}

/// Why no move can be proposed (`scheduling.md` §5.3).
///
/// The specification has further reasons about services on the move or on other nodes than their
/// leader; those can't occur, since a bundle is made of services started on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CandidateError {
    /// A bundle's leader is not part of the figures.
    LeaderAbsent(ServiceId),
    /// Another member is not.
    MemberAbsent(ServiceId),
    /// The calculation failed.
    Score(ScoreError),
}

/// Something to be logged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Note {
    /// The settings name a mode that doesn't exist; basic is used.
    UnknownMode(String),
    /// The mode can't be used in this round; basic is.
    Fallback {
        /// The mode that is set.
        mode: Mode,
        /// What is wanting.
        reason: InitError,
    },
    /// A service is left out of the figures.
    NotAdded {
        /// Which.
        service: ServiceId,
        /// The mode in force.
        mode: Mode,
        /// Why.
        refusal: Refusal,
    },
    /// A service's start node was chosen by name alone.
    NotScored {
        /// Whose.
        service: ServiceId,
        /// The mode in force.
        mode: Mode,
        /// Why.
        error: ScoreError,
    },
    /// The imbalance is taken to be zero.
    NoImbalance {
        /// The mode in force.
        mode: Mode,
        /// Why.
        error: ScoreError,
    },
    /// Nothing is balanced in this round.
    NoMove(CandidateError),
}

impl Note {
    /// How much it matters.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::UnknownMode(_)
            | Self::Fallback { .. }
            | Self::NotAdded { .. }
            | Self::NoImbalance { .. }
            | Self::NoMove(_) => Level::Warning,
            Self::NotScored { .. } => Level::Error,
        }
    }

    /// The text, by the names that ids stand for.
    #[must_use]
    pub const fn text<'a>(&'a self, names: Names<'a>) -> NoteText<'a> {
        NoteText { note: self, names }
    }
}

/// A note as it is logged.
#[derive(Clone, Copy, Debug)]
pub struct NoteText<'a> {
    note: &'a Note,
    names: Names<'a>,
}

impl fmt::Display for NoteText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.note {
            Note::UnknownMode(name) => {
                write!(f, "got unknown scheduler mode '{name}', using 'basic'")
            }
            Note::Fallback { mode, reason } => {
                let name = mode.name();
                write!(
                    f,
                    "fallback to 'basic' scheduler mode, init for '{name}' failed - "
                )?;
                self.init(f, name, reason)
            }
            Note::NotAdded {
                service,
                mode,
                refusal,
            } => {
                let sid = self.names.service(*service);
                write!(f, "unable to add service '{sid}' - ")?;
                self.refusal(f, *service, *mode, *refusal)
            }
            Note::NotScored {
                service,
                mode,
                error,
            } => {
                let (sid, mode_name) = (self.names.service(*service), mode.name());
                write!(
                    f,
                    "unable to score nodes according to {mode_name} usage for service '{sid}' - "
                )?;
                match error {
                    ScoreError::Service(refusal) => self.refusal(f, *service, *mode, *refusal),
                    ScoreError::Criterion(..) | ScoreError::Score(_) | ScoreError::Imbalance(_) => {
                        error.fmt(f)
                    }
                }
            }
            Note::NoImbalance { mode, error } => {
                let name = mode.name();
                write!(f, "unable to calculate {name} node imbalance - {error}")
            }
            Note::NoMove(error) => {
                f.write_str("unable to score best balancing migration - ")?;
                self.candidate(f, *error)
            }
        }
    }
}

impl NoteText<'_> {
    fn init(&self, f: &mut fmt::Formatter<'_>, mode: &str, error: &InitError) -> fmt::Result {
        let information = format_args!("{mode} node usage information");
        match error {
            InitError::NoNodeStats(why) => write!(f, "did not get {information} - {why}"),
            InitError::NoStatsOf(node) => {
                let node = self.names.node(*node);
                write!(f, "did not get {information} for '{node}'")
            }
            InitError::NoCpuCount(node) => {
                let node = self.names.node(*node);
                write!(f, "{information} for '{node}' missing cpu count")
            }
            InitError::NoMemory(node) => {
                let node = self.names.node(*node);
                write!(f, "{information} for '{node}' missing memory")
            }
            InitError::Node(node, why) => {
                let node = self.names.node(*node);
                write!(
                    f,
                    "initializing {mode} node usage for '{node}' failed - {why}"
                )
            }
            InitError::NotAvailable => write!(f, "{mode} scheduling not available"),
            InitError::Source(why) => write!(f, "unable to initialize {mode} scheduling - {why}"),
        }
    }

    fn refusal(
        &self,
        f: &mut fmt::Formatter<'_>,
        service: ServiceId,
        mode: Mode,
        refusal: Refusal,
    ) -> fmt::Result {
        let (sid, mode) = (self.names.service(service), mode.name());
        match refusal {
            Refusal::NoStats => {
                write!(
                    f,
                    "did not get {mode} service usage information for '{sid}'"
                )
            }
            Refusal::MissingField(field) => {
                write!(f, "error: missing field `{}`", field.name())
            }
            Refusal::SameNode => {
                write!(f, "resource '{sid}' has the same current and target node")
            }
        }
    }

    fn candidate(&self, f: &mut fmt::Formatter<'_>, error: CandidateError) -> fmt::Result {
        match error {
            CandidateError::LeaderAbsent(service) => {
                let sid = self.names.service(service);
                write!(f, "leader '{sid}' is not present in the cluster usage")
            }
            CandidateError::MemberAbsent(service) => {
                let sid = self.names.service(service);
                write!(f, "resource '{sid}' is not present in the cluster usage")
            }
            CandidateError::Score(error) => write!(f, "{error}"),
        }
    }
}

impl NotFinite {
    /// What a value is, if it isn't finite.
    pub(crate) fn of(value: f64) -> Option<Self> {
        if value.is_finite() {
            None
        } else if value.is_nan() {
            Some(Self::Nan)
        } else if value > 0.0 {
            Some(Self::Infinite)
        } else {
            Some(Self::NegativeInfinite)
        }
    }
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nan => "NaN",
            Self::Infinite => "inf",
            Self::NegativeInfinite => "-inf",
        })
    }
}

impl fmt::Display for ScoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(_) => f.write_str("no usable statistics"),
            Self::Criterion(number, value) => {
                write!(f, "criterion {number} got invalid value {value}")
            }
            Self::Score(value) => write!(f, "invalid score {value}"),
            Self::Imbalance(value) => write!(f, "invalid imbalance {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const NODE: NodeId = NodeId(0);
    const SERVICE: ServiceId = ServiceId(0);

    fn check(note: &Note, expect: &str) {
        let nodes = ["node1".to_string()];
        let services = ["vm:101".to_string()];
        let names = Names {
            nodes: &nodes,
            services: &services,
        };
        assert_eq!(note.text(names).to_string(), expect);
    }

    fn check_fallback(reason: InitError, expect: &str) {
        let note = Note::Fallback {
            mode: Mode::Static,
            reason,
        };
        let start = "fallback to 'basic' scheduler mode, init for 'static' failed - ";
        check(&note, &(start.to_string() + expect));
    }

    /// `scheduling.md` §1.
    #[test]
    fn fallbacks_read_as_specified() {
        check_fallback(
            InitError::NoNodeStats("no reply".into()),
            "did not get static node usage information - no reply",
        );
        check_fallback(
            InitError::NoStatsOf(NODE),
            "did not get static node usage information for 'node1'",
        );
        check_fallback(
            InitError::NoCpuCount(NODE),
            "static node usage information for 'node1' missing cpu count",
        );
        check_fallback(
            InitError::NoMemory(NODE),
            "static node usage information for 'node1' missing memory",
        );
        check_fallback(
            InitError::Node(NODE, "twice".into()),
            "initializing static node usage for 'node1' failed - twice",
        );
        check_fallback(InitError::NotAvailable, "static scheduling not available");
        check_fallback(
            InitError::Source("x".into()),
            "unable to initialize static scheduling - x",
        );
        check(
            &Note::UnknownMode("best".into()),
            "got unknown scheduler mode 'best', using 'basic'",
        );
    }

    /// `scheduling.md` §2.4, `simulator.md` §13.
    #[test]
    fn refusals_read_as_specified() {
        for (refusal, expect) in [
            (
                Refusal::NoStats,
                "unable to add service 'vm:101' - \
                 did not get dynamic service usage information for 'vm:101'",
            ),
            (
                Refusal::MissingField(Field::CpuMax),
                "unable to add service 'vm:101' - error: missing field `maxcpu`",
            ),
            (
                Refusal::SameNode,
                "unable to add service 'vm:101' - \
                 resource 'vm:101' has the same current and target node",
            ),
        ] {
            let note = Note::NotAdded {
                service: SERVICE,
                mode: Mode::Dynamic,
                refusal,
            };
            check(&note, expect);
            assert_eq!(note.level(), Level::Warning);
        }
    }

    /// `scheduling.md` §4, §4.2, §5.1, §5.3.
    #[test]
    fn failed_calculations_read_as_specified() {
        let note = Note::NotScored {
            service: SERVICE,
            mode: Mode::Static,
            error: ScoreError::Service(Refusal::MissingField(Field::MemMax)),
        };
        check(
            &note,
            "unable to score nodes according to static usage for service 'vm:101' - \
             error: missing field `maxmem`",
        );
        assert_eq!(note.level(), Level::Error);
        check(
            &Note::NoImbalance {
                mode: Mode::Dynamic,
                error: ScoreError::Criterion(2, NotFinite::Nan),
            },
            "unable to calculate dynamic node imbalance - criterion 2 got invalid value NaN",
        );
        check(
            &Note::NoMove(CandidateError::LeaderAbsent(SERVICE)),
            "unable to score best balancing migration - \
             leader 'vm:101' is not present in the cluster usage",
        );
        check(
            &Note::NoMove(CandidateError::MemberAbsent(ServiceId(7))),
            "unable to score best balancing migration - \
             resource 's7' is not present in the cluster usage",
        );
    }
}
