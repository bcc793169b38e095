//! Why an edge that the specification allows is never taken in the quick tier, and why a fault never
//! meets a service in some phase there.
//!
//! Each entry is judged: one whose edge is taken after all, or whose pair is met, is out of date and
//! fails as much as an edge without an entry.

use lockstep_world::Fault;

use super::diagram::{Edge, Machine};
use super::pairs::Phase;

/// From these states to these, for this reason.
type Untaken = (
    Machine,
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
);

/// These faults in these phases, for this reason.
type Unmet = (&'static [Fault], &'static [Phase], &'static str);

const UNTAKEN: &[Untaken] = &[];

const UNMET: &[Unmet] = &[];

/// Why an edge isn't taken, if that is known.
#[must_use]
pub fn untaken(edge: &Edge) -> Option<&'static str> {
    let states = edge.machine.states();
    let mut known = UNTAKEN.iter().filter(|(machine, from, to, _)| {
        *machine == edge.machine
            && from.contains(&states[edge.from])
            && to.contains(&states[edge.to])
    });
    known.next().map(|(.., why)| *why)
}

/// Why a fault doesn't happen in a phase, if that is known.
#[must_use]
pub fn unmet(fault: Fault, phase: Phase) -> Option<&'static str> {
    let mut known = UNMET
        .iter()
        .filter(|(faults, phases, _)| faults.contains(&fault) && phases.contains(&phase));
    known.next().map(|(.., why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_of_edges_that_are_allowed() {
        for (machine, from, to, why) in UNTAKEN {
            for from in *from {
                for to in *to {
                    let place = |name: &str| machine.state(name).expect("a state");
                    let edge = (place(from), place(to));
                    assert!(machine.allows(edge.0, edge.1), "{from} → {to}: {why}");
                }
            }
        }
    }
}
