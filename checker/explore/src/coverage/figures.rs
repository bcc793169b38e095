//! What searches covered, as a file: pictures and tables can be made of it again without searching.

use lockstep_world::Fault;
use serde::{Deserialize, Serialize};

use super::counter::Counts;
use super::diagram::Machine;
use super::judgement::{Coverage, Covered};
use super::pairs::Phase;

/// One search: names and numbers.
#[derive(Serialize, Deserialize)]
struct Figures {
    name: String,
    hosts: usize,
    states: u64,
    /// Machine, state left, state entered, in how many steps.
    edges: Vec<(String, String, String, u64)>,
    /// Fault, phase, in how many steps.
    pairs: Vec<(String, String, u64)>,
}

impl Figures {
    fn of(covered: &Covered) -> Self {
        let mut edges = Vec::new();
        for machine in Machine::ALL {
            let states = machine.states();
            for (from, to, count) in covered.counts.edges(machine) {
                let (from, to) = (states[from].to_owned(), states[to].to_owned());
                edges.push((machine.name().to_owned(), from, to, count));
            }
        }
        let mut pairs = Vec::new();
        for fault in Fault::ALL.iter().copied() {
            for phase in Phase::ALL {
                let count = covered.counts.pair(fault, phase);
                if count > 0 {
                    pairs.push((fault.name().to_owned(), phase.name().to_owned(), count));
                }
            }
        }
        Self {
            name: covered.name.clone(),
            hosts: covered.hosts,
            states: covered.states,
            edges,
            pairs,
        }
    }

    fn read(self) -> Result<Covered, String> {
        let mut counts = Counts::default();
        for (machine, from, to, count) in &self.edges {
            let machine = Machine::from_name(machine).ok_or_else(|| unknown("machine", machine))?;
            let state = |name: &str| machine.state(name).ok_or_else(|| unknown("state", name));
            counts.set_edge(machine, state(from)?, state(to)?, *count);
        }
        for (fault, phase, count) in &self.pairs {
            let mut faults = Fault::ALL.iter().copied();
            let known = faults.find(|one| one.name() == fault);
            let mut phases = Phase::ALL.into_iter();
            let kept = phases.find(|one| one.name() == phase);
            let known = known.ok_or_else(|| unknown("fault", fault))?;
            let kept = kept.ok_or_else(|| unknown("phase", phase))?;
            counts.set_pair(known, kept, *count);
        }
        Ok(Covered {
            name: self.name,
            hosts: self.hosts,
            states: self.states,
            counts,
        })
    }
}

fn unknown(kind: &str, name: &str) -> String {
    format!("no {kind} is called {name}")
}

/// The file: JSON, a line for each search.
///
/// # Panics
///
/// Never: names and numbers can be written.
#[must_use]
pub fn write(coverage: &Coverage) -> String {
    let line = |covered: &Covered| {
        let line = serde_json::to_string(&Figures::of(covered));
        line.unwrap_or_else(|error| unreachable!("names and numbers: {error}"))
    };
    let lines: Vec<String> = coverage.each.iter().map(line).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// Reads it.
///
/// # Errors
///
/// What in it isn't as [`write()`] leaves it.
pub fn read(text: &str) -> Result<Coverage, String> {
    let all: Vec<Figures> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut coverage = Coverage::default();
    for one in all {
        coverage.add(one.read()?);
    }
    Ok(coverage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_world::Fault;

    #[test]
    fn what_is_written_is_read() {
        let mut counts = Counts::default();
        counts.set_edge(Machine::Crm, 1, 3, 17);
        counts.set_pair(Fault::Outage, Phase::Frozen, 5);
        let mut coverage = Coverage::default();
        coverage.add(Covered {
            name: "l3/run".to_owned(),
            hosts: 2,
            states: 9,
            counts,
        });
        let text = write(&coverage);
        assert_eq!(read(&text).as_ref(), Ok(&coverage));
        let wrong = text.replace("outage", "outrage");
        assert_eq!(read(&wrong), Err("no fault is called outrage".to_owned()));
    }
}
