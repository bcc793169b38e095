//! What searches covered, compared with what the specification allows and with the reasons given.

use lockstep_world::Fault;

use super::counter::Counts;
use super::diagram::{Edge, Machine};
use super::pairs::Phase;
use super::reasons;

/// What one search covered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The configuration's name.
    pub name: String,
    /// How many hosts it has.
    pub hosts: usize,
    /// How many states.
    pub states: u64,
    /// What was counted.
    pub counts: Counts,
}

impl Covered {
    /// The layer: what its name begins with.
    #[must_use]
    pub fn layer(&self) -> &str {
        self.name.split('/').next().unwrap_or(&self.name)
    }
}

/// All searches of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Each of them.
    pub each: Vec<Covered>,
    /// All together.
    pub total: Counts,
}

/// How an edge, or a pair of fault and phase, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was met so often.
    Met(u64),
    /// It wasn't, for this reason.
    Explained(&'static str),
    /// It wasn't, and nobody says why.
    Missing,
    /// It was met so often, though this is said to be why it isn't.
    Contradicted(u64, &'static str),
}

impl Standing {
    fn of(count: u64, reason: Option<&'static str>) -> Self {
        match (count, reason) {
            (0, Some(reason)) => Self::Explained(reason),
            (0, None) => Self::Missing,
            (count, Some(reason)) => Self::Contradicted(count, reason),
            (count, None) => Self::Met(count),
        }
    }

    /// Whether it is as it must be.
    #[must_use]
    pub const fn is_fine(self) -> bool {
        match self {
            Self::Met(_) | Self::Explained(_) => true,
            Self::Missing | Self::Contradicted(..) => false,
        }
    }
}

impl Coverage {
    /// Adds a search.
    pub fn add(&mut self, covered: Covered) {
        self.total.add(&covered.counts);
        self.each.push(covered);
    }

    /// How an edge stands.
    #[must_use]
    pub fn edge(&self, edge: &Edge) -> Standing {
        let count = self.total.edge(edge.machine, edge.from, edge.to);
        Standing::of(count, reasons::untaken(edge))
    }

    /// How a fault in a phase stands.
    #[must_use]
    pub fn pair(&self, fault: Fault, phase: Phase) -> Standing {
        Standing::of(self.total.pair(fault, phase), reasons::unmet(fault, phase))
    }

    /// The first configuration that takes an edge.
    #[must_use]
    pub fn first(&self, edge: &Edge) -> Option<&str> {
        let mut each = self.each.iter();
        let takes = |one: &&Covered| one.counts.edge(edge.machine, edge.from, edge.to) > 0;
        each.find(takes).map(|one| one.name.as_str())
    }

    /// Where a fault in a phase is met: each layer with its numbers of hosts.
    #[must_use]
    pub fn places(&self, fault: Fault, phase: Phase) -> Vec<(&str, usize)> {
        let meets = |one: &&Covered| one.counts.pair(fault, phase) > 0;
        let mut places: Vec<(&str, usize)> = self
            .each
            .iter()
            .filter(meets)
            .map(|one| (one.layer(), one.hosts))
            .collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The edges that were taken and aren't allowed, with the first configuration that takes each.
    #[must_use]
    pub fn strange(&self) -> Vec<(Edge, &str)> {
        let mut strange = Vec::new();
        for machine in Machine::ALL {
            for (from, to, _) in self.total.edges(machine) {
                if machine.allows(from, to) {
                    continue;
                }
                let edge = Edge {
                    machine,
                    from,
                    to,
                    origin: super::diagram::Origin::Protocol("nowhere"),
                };
                strange.push((edge, self.first(&edge).unwrap_or_default()));
            }
        }
        strange
    }

    /// What is wrong, a line for each thing. `whole`: whether everything was searched that is to take
    /// every edge.
    #[must_use]
    pub fn wrong(&self, whole: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        for (edge, name) in self.strange() {
            let what = "is taken and not allowed, first in";
            wrong.push(format!("{} {what} {name}", edge.text()));
        }
        for edge in Machine::ALL.into_iter().flat_map(Machine::edges) {
            wrong.extend(complaint(&edge.text(), self.edge(&edge), whole));
        }
        for fault in Fault::ALL.iter().copied() {
            for phase in Phase::ALL {
                let name = fault.name();
                let text = format!("fault {name} while {}", phase.name());
                wrong.extend(complaint(&text, self.pair(fault, phase), whole));
            }
        }
        wrong
    }
}

fn complaint(what: &str, standing: Standing, whole: bool) -> Option<String> {
    match standing {
        Standing::Met(_) | Standing::Explained(_) => None,
        Standing::Missing => whole.then(|| format!("{what} is never met, and no reason is given")),
        Standing::Contradicted(count, reason) => Some(format!(
            "{what} is met {count} times, though it is said: {reason}"
        )),
    }
}

impl Edge {
    /// The machine and both states.
    #[must_use]
    pub fn text(&self) -> String {
        let states = self.machine.states();
        let (from, to) = (states[self.from], states[self.to]);
        format!("{}: {from} → {to}", self.machine.name())
    }
}
