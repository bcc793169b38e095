//! What becomes of a mutant: killed, alive, or nothing known.

use std::time::Duration;

use crate::configuration::{Configuration, Expectation, Findings, Judgement};
use crate::mutants::{Case, Declared};
use crate::promised::Fates;
use crate::search::{Limits, Options, Progress, Verdict};

/// What became of a case.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What was declared to fail.
    pub property: Declared,
    /// The search in which the declared property was judged alone, or, where a leads-to property is
    /// declared, all others.
    pub declared: Findings,
    /// What became of the promises, where one is declared to be broken and nothing else is.
    pub fates: Option<Fates>,
    /// What it says: [`Judgement::AsExpected`] is a mutant that was killed,
    /// [`Judgement::NotViolated`] one that survives.
    pub judgement: Judgement,
    /// The search in which all properties were judged; `None` if the first search said nothing, or
    /// took all the time.
    pub all: Option<Findings>,
}

impl Trial {
    /// The property that fails first when all are judged.
    #[must_use]
    pub fn first(&self) -> Option<&'static str> {
        match &self.all.as_ref()?.verdict {
            Verdict::Violated { name, .. } => Some(name),
            Verdict::Exhausted
            | Verdict::Truncated(_)
            | Verdict::Panicked { .. }
            | Verdict::Unrepeatable { .. } => None,
        }
    }

    /// The seconds that both searches took.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let fates = self.fates.as_ref().map_or(0.0, |fates| fates.seconds);
        self.declared.seconds + fates + self.all.as_ref().map_or(0.0, |all| all.seconds)
    }

    /// The steps to what was declared to fail, of a lasso those of its cycle included; `None` if it
    /// doesn't.
    #[must_use]
    pub fn trace_length(&self) -> Option<usize> {
        if let Some((_, broken)) = self.fates.as_ref().and_then(Fates::first_broken) {
            return Some(broken.lasso.prefix.len() + broken.lasso.cycle.len());
        }
        match &self.declared.verdict {
            Verdict::Violated { trace, .. } => Some(trace.len()),
            Verdict::Exhausted
            | Verdict::Truncated(_)
            | Verdict::Panicked { .. }
            | Verdict::Unrepeatable { .. } => None,
        }
    }
}

impl Case {
    /// Runs the case: the declared property alone, then all of them. A limit of time is for both
    /// searches together.
    pub fn run(&self, options: &Options, mut progress: impl FnMut(&Progress)) -> Trial {
        let declared = self.configuration.explore(options, &mut progress);
        let judgement = self.configuration.judge(&declared);
        if let Declared::Leads(_) = self.property {
            return self.run_leads(options, declared, judgement, progress);
        }
        let said = match judgement {
            Judgement::Truncated | Judgement::Failed(_) => false,
            Judgement::AsExpected
            | Judgement::Violated(_)
            | Judgement::NotViolated(_)
            | Judgement::NotMet(_)
            | Judgement::PromiseBroken(_)
            | Judgement::NeverOpen(_)
            | Judgement::OtherLongest(..)
            | Judgement::OtherLatestReset(..)
            | Judgement::DeadEnd => true,
        };
        let rest = without(&options.limits, declared.seconds).filter(|_| said);
        let all = rest.map(|limits| {
            let options = Options {
                limits,
                ..options.clone()
            };
            self.judging_all().explore(&options, &mut progress)
        });
        Trial {
            property: self.property,
            declared,
            fates: None,
            judgement,
            all,
        }
    }

    /// What never happens, once it is known that nothing else is wrong.
    fn run_leads(
        &self,
        options: &Options,
        declared: Findings,
        judgement: Judgement,
        progress: impl FnMut(&Progress),
    ) -> Trial {
        let limits = without(&options.limits, declared.seconds);
        let (fates, judgement) = match (judgement, limits) {
            (Judgement::AsExpected, None) => (None, Judgement::Truncated),
            (Judgement::AsExpected, Some(limits)) => {
                let options = Options {
                    limits,
                    ..options.clone()
                };
                let fates = self.configuration.keep(&options, progress);
                let judgement = fates.as_ref().map_or(Judgement::AsExpected, |it| {
                    self.configuration.judge_fates(it)
                });
                (fates, judgement)
            }
            (other, _) => (None, other),
        };
        Trial {
            property: self.property,
            declared,
            fates,
            judgement,
            all: None,
        }
    }

    fn judging_all(&self) -> Configuration {
        Configuration {
            expectation: Expectation::Holds,
            ..self.configuration.clone()
        }
    }
}

/// What is left of the limits after so many seconds; `None` if it is no time.
fn without(limits: &Limits, seconds: f64) -> Option<Limits> {
    let spent = Duration::from_secs_f64(seconds);
    let time = match limits.time {
        Some(time) => Some(time.checked_sub(spent).filter(|left| !left.is_zero())?),
        None => None,
    };
    Some(Limits { time, ..*limits })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::cases;
    use crate::search::Why;
    use lockstep_model::mutation::Mutant;

    fn case(mutant: Mutant) -> Case {
        let mut cases = cases().into_iter();
        cases
            .find(|case| case.mutant == mutant)
            .expect("it has one")
    }

    #[test]
    fn a_mutant_is_killed_and_the_first_property_named() {
        let trial = case(Mutant::StartUnarmed).run(&Options::default(), |_| ());
        assert_eq!(trial.judgement, Judgement::AsExpected);
        assert_eq!(trial.first(), Some("watchdog-guards"));
    }

    #[test]
    fn a_rule_that_is_kept_survives() {
        let mut case = case(Mutant::StartUnarmed);
        let setup = crate::configuration::named("l1/k1/undisturbed").expect("there is one");
        case.configuration.setup = setup.setup;
        let trial = case.run(&Options::default(), |_| ());
        assert_eq!(trial.judgement, Judgement::NotViolated("watchdog-guards"));
        assert_eq!(trial.first(), None);
    }

    #[test]
    fn a_limit_says_nothing_about_a_mutant() {
        let limits = Limits {
            states: Some(1),
            ..Limits::default()
        };
        let options = Options {
            limits,
            ..Options::default()
        };
        let trial = case(Mutant::StartUnarmed).run(&options, |_| ());
        assert_eq!(trial.judgement, Judgement::Truncated);
        assert_eq!(trial.declared.cut, Some(Why::States));
        assert!(trial.all.is_none());
    }

    #[test]
    fn time_is_for_both_searches() {
        let second = Duration::from_secs(1);
        let limits = |time| Limits {
            time,
            bytes: Some(7),
            states: None,
        };
        let left = without(&limits(Some(second)), 0.25).and_then(|left| left.time);
        assert_eq!(left, Some(second * 3 / 4));
        assert_eq!(without(&limits(Some(second)), 1.0), None);
        assert_eq!(without(&limits(None), 9.0), Some(limits(None)));
    }
}
