//! What became of a configuration.

use lockstep_explore::configuration::{Configuration, Expectation, Findings, Judgement};
use lockstep_explore::counterexample::Counterexample;
use lockstep_explore::search::{Trace, Verdict, Why};
use lockstep_explore::timeline::Tone;
use lockstep_world::property::Property;
use lockstep_world::{Action, World};

use crate::failure::End;

/// A configuration with what its search found.
pub(crate) struct Outcome {
    pub(crate) configuration: Configuration,
    /// `None`: it was not explored.
    pub(crate) found: Option<(Findings, Judgement)>,
    /// Why it was not explored.
    skipped: &'static str,
    /// The way to what was found.
    pub(crate) trace: Option<Way>,
    /// The file that the counterexample was written into.
    pub(crate) file: Option<String>,
}

/// A way to a state or over a step.
pub(crate) struct Way {
    /// What breaks at its end; `None` for a state without a next step.
    pub(crate) property: Option<Property>,
    pub(crate) actions: Vec<Action>,
}

impl Outcome {
    /// What a search found. States are dropped; the actions give them again.
    pub(crate) fn of(configuration: &Configuration, mut found: Findings) -> Self {
        let judgement = configuration.judge(&found);
        let trace = way(&found);
        for property in &mut found.properties {
            property.trace = None;
        }
        Self {
            configuration: configuration.clone(),
            found: Some((found, judgement)),
            skipped: "",
            trace,
            file: None,
        }
    }

    /// It was not explored.
    pub(crate) fn skipped(configuration: &Configuration, why: &'static str) -> Self {
        Self {
            configuration: configuration.clone(),
            found: None,
            skipped: why,
            trace: None,
            file: None,
        }
    }

    /// The counterexample, if a property was broken.
    pub(crate) fn counterexample(&self) -> Option<Counterexample> {
        let way = self.trace.as_ref()?;
        let (configuration, property) = (self.configuration.clone(), way.property?);
        Some(Counterexample::new(
            configuration,
            property,
            way.actions.clone(),
        ))
    }

    /// What it means for the run.
    pub(crate) fn end(&self) -> End {
        match self.found.as_ref().map(|(_, judgement)| judgement) {
            None | Some(Judgement::Truncated) => End::Truncated,
            Some(Judgement::AsExpected) => End::AsExpected,
            Some(Judgement::Failed(_)) => End::Internal,
            Some(
                Judgement::Violated(_)
                | Judgement::NotViolated(_)
                | Judgement::NotMet(_)
                | Judgement::OtherLatestReset(..)
                | Judgement::DeadEnd,
            ) => End::Violated,
        }
    }

    /// How much the verdict matters.
    pub(crate) fn tone(&self) -> Tone {
        self.end().tone()
    }

    /// The verdict in words.
    pub(crate) fn verdict(&self) -> String {
        let Some((found, judgement)) = &self.found else {
            return format!("not explored: {}", self.skipped);
        };
        match judgement {
            Judgement::AsExpected => match self.configuration.expectation {
                Expectation::Holds => "holds".into(),
                Expectation::RuleBroken(property) | Expectation::AssumptionBroken(property) => {
                    format!("violates {}, as it must", property.name())
                }
            },
            Judgement::Violated(name) => format!("VIOLATES {name}"),
            Judgement::NotViolated(name) => format!("DOESN'T VIOLATE {name}, and must"),
            Judgement::NotMet(tags) => format!("HOLDS, BUT NEVER MET {}", tags.join(", ")),
            Judgement::OtherLatestReset(Some(late), expected) => {
                format!("LATEST RESET at D + {late}, must be D + {expected}")
            }
            Judgement::OtherLatestReset(None, expected) => {
                format!("NO RESET, must be one at D + {expected}")
            }
            Judgement::DeadEnd => "A STATE WITHOUT A NEXT STEP".into(),
            Judgement::Truncated if found.saved.is_some() => {
                format!("truncated by {}; --resume goes on", cut(found.cut))
            }
            Judgement::Truncated => format!("truncated by {}", cut(found.cut)),
            Judgement::Failed(message) => format!("FAILED: {message}"),
        }
    }
}

/// The limit that was reached.
pub(crate) const fn cut(why: Option<Why>) -> &'static str {
    match why {
        Some(Why::Time) => "time",
        Some(Why::Memory) => "memory",
        Some(Why::States) => "states",
        Some(Why::Successors) => "successors",
        Some(Why::Interrupted) => "interruption",
        Some(Why::Disk) => "the disk",
        None => "nothing",
    }
}

/// The way to the first thing that is wrong.
fn way(found: &Findings) -> Option<Way> {
    let actions =
        |trace: &Trace<World, Action>| trace.steps.iter().map(|step| step.action.clone()).collect();
    match &found.verdict {
        Verdict::Violated { name, trace, .. } => Some(Way {
            property: Property::named(name),
            actions: actions(trace),
        }),
        Verdict::Exhausted => found.dead_ends.first.as_ref().map(|trace| Way {
            property: None,
            actions: actions(trace),
        }),
        // A model that panicked would panic again while the way is told.
        Verdict::Truncated(_) | Verdict::Panicked { .. } | Verdict::Unrepeatable { .. } => None,
    }
}
