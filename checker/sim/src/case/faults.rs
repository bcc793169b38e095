//! The file `faults`: what goes wrong at which moment, for the own profiles alone.
//!
//! The reference's command list has a slot every 100 s and knows daemons as a whole. This file says
//! what happens to one process at one moment, between two of its effects if need be, and may bring
//! its own numbers and broken rules along. It is what counterexamples of the checker become.

use std::str::FromStr;

use lockstep_model::config::inequality::{self, Inequality};
use lockstep_model::config::{Broken, Timing};
use lockstep_model::mutation::{Mask, Mutant};
use serde::{Deserialize, Serialize};

use crate::watch::Property;

/// The most faults of a case.
pub const FAULTS_MAX: usize = 10_000;

/// The content of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// The numbers, instead of the profile's; they need not be sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// The rules that are broken on purpose, by the names of their mutants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<String>,
    /// The properties that are judged, by name; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judged: Vec<String>,
    /// Whether devices reset their hosts after everything else of a moment, and not before it. Nothing
    /// says in which order two things of one moment come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hardware_last: bool,
    /// What happens, in the order of time.
    #[serde(default)]
    pub faults: Vec<FaultCase>,
}

/// Something that happens at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FaultCase {
    /// When, in seconds from the beginning.
    pub at: u64,
    /// Whether before everything else of the moment; otherwise after it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
    /// What: a command for a process, or one of the command list.
    #[serde(rename = "do")]
    pub what: String,
}

/// A command for a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForProcess {
    pub(crate) node: String,
    pub(crate) process: Process,
    pub(crate) fate: Fate,
}

/// Which process of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    Lrm,
    Mux,
    Crm,
}

/// What becomes of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is stopped, or dies; now, or around one of its effects in this moment or later.
    Ends { dies: bool, around: Option<Around> },
    /// It goes on.
    GoesOn,
    /// It is started again.
    Starts,
}

/// Before or after the so-manieth effect of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Around {
    pub(crate) before: bool,
    pub(crate) effect: String,
    pub(crate) count: u64,
}

impl Faults {
    /// The rules that are broken.
    pub(crate) fn mask(&self) -> Mask {
        let named = |name: &String| Mutant::ALL.iter().find(|mutant| mutant.name() == name);
        let mutants = self.broken.iter().filter_map(named);
        mutants.fold(Mask::NONE, |mask, mutant| mask.and(Mask::only(*mutant)))
    }

    /// The first thing that can't be meant.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.faults.len() > FAULTS_MAX {
            let count = self.faults.len();
            return Err(format!(
                "{count} faults are too many, {FAULTS_MAX} would do"
            ));
        }
        if let Some(timing) = &self.timing {
            let broken = inequality::check(timing).err().unwrap_or_default();
            let range = |broken: &&Broken| {
                let ranges = [
                    Inequality::BoundedSpan,
                    Inequality::PositiveSpan,
                    Inequality::BoundedDrift,
                ];
                ranges.contains(&broken.inequality)
            };
            if let Some(broken) = broken.iter().find(range) {
                return Err(broken.to_string());
            }
        }
        let unknown = |name: &&String| !Mutant::ALL.iter().any(|mutant| mutant.name() == **name);
        if let Some(name) = self.broken.iter().find(unknown) {
            return Err(format!(
                "no rule is called '{name}', expected a mutant's name"
            ));
        }
        let unknown = |name: &&String| Property::named(name).is_none();
        if let Some(name) = self.judged.iter().find(unknown) {
            return Err(format!(
                "no property is called '{name}', expected one's name"
            ));
        }
        let mut before = 0;
        for fault in &self.faults {
            if fault.at < before {
                return Err(format!(
                    "'{}' at {} s comes too late in the list",
                    fault.what, fault.at
                ));
            }
            before = fault.at;
            if let Some(parsed) = ForProcess::of(&fault.what) {
                parsed?;
            }
        }
        Ok(())
    }
}

impl ForProcess {
    /// Takes a line apart; `None` if it is one of the command list.
    pub(crate) fn of(line: &str) -> Option<Result<Self, String>> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (verb, rest) = words.split_first()?;
        if !matches!(*verb, "stop" | "crash" | "continue" | "start") {
            return None;
        }
        let parsed = Self::parse(verb, rest);
        Some(parsed.ok_or_else(|| {
            format!(
                "'{line}' is no fault, expected 'stop|crash NODE lrm|mux|crm [before|after EFFECT \
                 [COUNT]]' or 'continue|start NODE lrm|mux|crm'"
            )
        }))
    }

    fn parse(verb: &str, rest: &[&str]) -> Option<Self> {
        let [node, process, around @ ..] = rest else {
            return None;
        };
        let process = match *process {
            "lrm" => Process::Lrm,
            "mux" => Process::Mux,
            "crm" => Process::Crm,
            _ => return None,
        };
        let ends = matches!(verb, "stop" | "crash");
        let around = match (around, ends) {
            ([], _) => None,
            ([edge, effect], true) => Some((*edge, *effect, 1)),
            ([edge, effect, count], true) => Some((*edge, *effect, u64::from_str(count).ok()?)),
            _ => return None,
        };
        let around = match around {
            Some((edge @ ("before" | "after"), effect, count)) if count > 0 => Some(Around {
                before: edge == "before",
                effect: effect.to_owned(),
                count,
            }),
            Some(_) => return None,
            None => None,
        };
        // A CRM's effects have no names.
        if around.is_some() && process == Process::Crm {
            return None;
        }
        let fate = match verb {
            "continue" => Fate::GoesOn,
            "start" => Fate::Starts,
            _ => Fate::Ends {
                dies: verb == "crash",
                around,
            },
        };
        Some(Self {
            node: (*node).to_owned(),
            process,
            fate,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_processes() {
        let parsed = |line: &str| ForProcess::of(line).map(|parsed| parsed.is_ok());
        assert_eq!(parsed("stop node1 lrm"), Some(true));
        assert_eq!(parsed("stop node1 mux before ping 2"), Some(true));
        assert_eq!(parsed("crash node1 lrm after take"), Some(true));
        assert_eq!(parsed("continue node1 lrm"), Some(true));
        assert_eq!(parsed("power node1 off"), None);
        for wrong in [
            "stop node1",
            "stop node1 kernel",
            "stop node1 mux before",
            "stop node1 mux beside ping",
            "stop node1 mux before ping 0",
            "stop node1 crm before read",
            "continue node1 mux before ping",
        ] {
            assert_eq!(parsed(wrong), Some(false), "{wrong}");
        }
    }
}
