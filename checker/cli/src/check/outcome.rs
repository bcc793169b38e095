//! What became of a configuration.

use lockstep_explore::configuration::{Configuration, Expectation, Findings, Judgement};
use lockstep_explore::counterexample::Counterexample;
use lockstep_explore::lasso::Lasso;
use lockstep_explore::promised::{Fates, Promised};
use lockstep_explore::search::{Ending, Trace, Verdict, Why};
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
    /// What became of what must happen in it; `None` if nothing must, or it was not looked at.
    pub(crate) fates: Option<Fates>,
    /// The way to what was found.
    pub(crate) trace: Option<Way>,
    /// The file that the counterexample was written into.
    pub(crate) file: Option<String>,
}

/// A way to a state or over a step, or round for ever.
pub(crate) struct Way {
    /// What breaks at its end; `None` for a state without a next step.
    pub(crate) property: Option<Property>,
    pub(crate) actions: Vec<Action>,
    /// The same with what never happens in it, if it is a way round for ever.
    pub(crate) lasso: Option<Lasso>,
}

impl Outcome {
    /// What a search found, and what became of what must happen. States are dropped; the actions
    /// give them again.
    pub(crate) fn of(
        configuration: &Configuration,
        mut found: Findings,
        mut fates: Option<Fates>,
    ) -> Self {
        let mut judgement = configuration.judge(&found);
        if judgement == Judgement::AsExpected && !configuration.leads().is_empty() {
            judgement = match &fates {
                Some(fates) => configuration.judge_fates(fates),
                None => Judgement::Truncated,
            };
        }
        let trace = fates
            .as_ref()
            .and_then(|fates| round(configuration, fates))
            .or_else(|| way(&found));
        for property in &mut found.properties {
            property.trace = None;
        }
        for broken in fates.iter_mut().flat_map(|fates| &mut fates.promises) {
            if let Some(broken) = &mut broken.broken {
                broken.lasso.prefix.steps.clear();
                broken.lasso.cycle.clear();
            }
        }
        Self {
            configuration: configuration.clone(),
            found: Some((found, judgement)),
            skipped: "",
            fates,
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
            fates: None,
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

    /// The seconds that were spent on it.
    pub(crate) fn seconds(&self) -> f64 {
        let found = self.found.as_ref().map_or(0.0, |(found, _)| found.seconds);
        found + self.fates.as_ref().map_or(0.0, |fates| fates.seconds)
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
                | Judgement::PromiseBroken(_)
                | Judgement::NeverOpen(_)
                | Judgement::OtherLongest(..)
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
                Expectation::Holds => match &self.fates {
                    None => "holds".into(),
                    Some(fates) => format!("holds, and keeps {}", promises(fates.promises.len())),
                },
                Expectation::NeverHappens(leads) => {
                    format!("never comes to {}, as it must", leads.name())
                }
                Expectation::RuleBroken(property) | Expectation::AssumptionBroken(property) => {
                    format!("violates {}, as it must", property.name())
                }
            },
            Judgement::Violated(name) => format!("VIOLATES {name}"),
            Judgement::NotViolated(name) => format!("DOESN'T VIOLATE {name}, and must"),
            Judgement::NotMet(tags) => format!("HOLDS, BUT NEVER MET {}", tags.join(", ")),
            Judgement::PromiseBroken(promise) => format!("NEVER KEEPS {promise}"),
            Judgement::NeverOpen(promises) => {
                format!("HOLDS, BUT NEVER HAS TO KEEP {}", promises.join(", "))
            }
            Judgement::OtherLongest(promise, Some(found), expected) => {
                format!("KEEPS {promise} WITHIN {found}, must be {expected}")
            }
            Judgement::OtherLongest(promise, None, expected) => {
                format!("KEEPS {promise} WITHIN NO BOUND, must be {expected}")
            }
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
            Judgement::Truncated => {
                let fates = self.fates.as_ref();
                let late = fates.and_then(|fates| match fates.ending {
                    Ending::Truncated(why) => Some(why),
                    Ending::Closed | Ending::Panicked { .. } | Ending::Unrepeatable { .. } => None,
                });
                // What was not looked at at all was cut short by time.
                let closed = found.closed.then_some(Why::Time);
                format!("truncated by {}", cut(late.or(found.cut).or(closed)))
            }
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

fn promises(count: usize) -> String {
    match count {
        1 => "1 promise".to_owned(),
        count => format!("{count} promises"),
    }
}

/// The run that breaks the first promise that is broken.
fn round(configuration: &Configuration, fates: &Fates) -> Option<Way> {
    let (number, broken) = fates
        .promises
        .iter()
        .enumerate()
        .find_map(|(number, promise)| Some((number, promise.broken.as_ref()?)))?;
    let model = Promised::new(configuration.setup.clone(), &configuration.leads());
    let promise = *model.promises_made().get(number)?;
    let lasso = Lasso::new(configuration.clone(), promise, broken);
    Some(Way {
        property: None,
        actions: lasso.prefix.iter().chain(&lasso.cycle).cloned().collect(),
        lasso: Some(lasso),
    })
}

/// The way to the first thing that is wrong.
fn way(found: &Findings) -> Option<Way> {
    let actions =
        |trace: &Trace<World, Action>| trace.steps.iter().map(|step| step.action.clone()).collect();
    match &found.verdict {
        Verdict::Violated { name, trace, .. } => Some(Way {
            property: Property::named(name),
            actions: actions(trace),
            lasso: None,
        }),
        Verdict::Exhausted => found.dead_ends.first.as_ref().map(|trace| Way {
            property: None,
            actions: actions(trace),
            lasso: None,
        }),
        // A model that panicked would panic again while the way is told.
        Verdict::Truncated(_) | Verdict::Panicked { .. } | Verdict::Unrepeatable { .. } => None,
    }
}
