//! What is explored, by name.
//!
//! A [`Configuration`] is a setup with what its search must find: that everything holds, or, where
//! a rule or an assumption is broken on purpose, which property fails. It names what must have
//! happened on the way ([`Configuration::meets`]), so that nothing holds vacuously.

mod assumptions;
mod compat;
pub(crate) mod edges;
pub(crate) mod fenced;
pub(crate) mod layer1;
pub(crate) mod layer2;
pub(crate) mod layer3;
mod layer3_masters;
pub(crate) mod layer3_rules;
pub(crate) mod layer4;
mod leads;
pub(crate) mod orders;
mod reference;
mod timings;

use lockstep_model::mutation::Mask;
use lockstep_world::coverage::Tag;
use lockstep_world::leads::Leads;
use lockstep_world::property::Property;
use lockstep_world::{Action, Setup, World};

use crate::cluster::Cluster;
use crate::mutants::cases;
use crate::search::{Options, Progress, Refused, Report, Saved, StopAt, Verdict, search_from};

pub use timings::{brisk_kappa_one, brisk_kappa_three, swift_kappa_one, with_drift};

/// How often a configuration is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// On every change.
    Quick,
    /// Before a release, and when somebody asks.
    Full,
    /// For as long as somebody likes: whether it closes isn't known.
    Deep,
}

/// What a search must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Every property holds in everything that can happen.
    Holds,
    /// A rule of the protocol is broken: this property fails.
    RuleBroken(Property),
    /// An assumption doesn't hold: this property fails.
    AssumptionBroken(Property),
    /// A rule of the protocol is broken: every property holds, but what this one leads to never
    /// happens.
    NeverHappens(Leads),
}

/// A setup to be explored, with what must come out.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The name on the command line.
    pub name: String,
    /// One sentence: what happens in it.
    pub about: String,
    /// How often it is explored.
    pub tier: Tier,
    /// The setup.
    pub setup: Setup,
    /// The rules broken in it.
    pub mutants: Mask,
    /// What must come out.
    pub expectation: Expectation,
    /// What must have happened on the way, where everything holds.
    pub meets: Vec<Tag>,
    /// The latest reset after D that must be found, in ticks.
    pub latest_reset: Option<i64>,
}

/// What a search of a configuration found.
pub type Findings = Report<World, Action>;

/// How the findings compare with what must come out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// As expected.
    AsExpected,
    /// A property fails that must hold.
    Violated(&'static str),
    /// The property that must fail didn't, in the whole space.
    NotViolated(&'static str),
    /// Everything holds, but this was never met: it says less than it seems to.
    NotMet(Vec<&'static str>),
    /// What must happen never does.
    PromiseBroken(String),
    /// What must happen does, but it never has to: that says less than it seems to.
    NeverOpen(Vec<String>),
    /// The longest that this promise stays open is another time: found (`None`: there is no end to
    /// it), and expected.
    OtherLongest(String, Option<u32>, u64),
    /// The latest reset after D is another one: found and expected.
    OtherLatestReset(Option<i64>, i64),
    /// A state without a next step.
    DeadEnd,
    /// The search ended early, so that nothing is known.
    Truncated,
    /// The search failed.
    Failed(String),
}

impl Configuration {
    /// The properties that are judged: all, or the one that must fail.
    #[must_use]
    pub fn judged(&self) -> u64 {
        match self.expectation {
            Expectation::Holds | Expectation::NeverHappens(_) => {
                u64::MAX >> (64 - Property::ALL.len())
            }
            Expectation::RuleBroken(property) | Expectation::AssumptionBroken(property) => {
                property.bit()
            }
        }
    }

    /// Explores it.
    pub fn explore(&self, options: &Options, progress: impl FnMut(&Progress)) -> Findings {
        self.explore_from(options, None, progress)
    }

    /// As [`Configuration::explore`]; goes on with a search that was interrupted, if one is given.
    pub fn explore_from(
        &self,
        options: &Options,
        saved: Option<Saved<World>>,
        progress: impl FnMut(&Progress),
    ) -> Findings {
        let cluster = Cluster::new(self.setup.clone());
        search_from(&cluster, &self.searching(options), saved, progress)
    }

    /// Reads the search that was interrupted.
    ///
    /// # Errors
    ///
    /// If the file that `options` name is none of this configuration.
    pub fn open(&self, options: &Options) -> Result<Saved<World>, Refused> {
        let cluster = Cluster::new(self.setup.clone());
        Saved::open(&cluster, &self.searching(options))
    }

    pub(crate) fn searching(&self, options: &Options) -> Options {
        Options {
            properties: self.judged(),
            stop_at: StopAt::FirstBreach,
            ..options.clone()
        }
    }

    /// Compares what was found with what must come out.
    #[must_use]
    pub fn judge(&self, found: &Findings) -> Judgement {
        let violated = found
            .properties
            .iter()
            .find(|property| property.trace.is_some());
        match (&found.verdict, self.expectation) {
            (Verdict::Panicked { message, .. }, _) => Judgement::Failed(message.clone()),
            (Verdict::Unrepeatable { .. }, _) => {
                Judgement::Failed("the model answers differently when it is asked again".into())
            }
            (Verdict::Truncated(..), _) => Judgement::Truncated,
            (Verdict::Violated { .. }, Expectation::Holds | Expectation::NeverHappens(_)) => {
                Judgement::Violated(violated.map_or("unnamed", |property| property.name))
            }
            (
                Verdict::Violated { .. },
                Expectation::RuleBroken(_) | Expectation::AssumptionBroken(_),
            ) => Judgement::AsExpected,
            (
                Verdict::Exhausted,
                Expectation::RuleBroken(property) | Expectation::AssumptionBroken(property),
            ) => Judgement::NotViolated(property.name()),
            (Verdict::Exhausted, Expectation::Holds | Expectation::NeverHappens(_)) => {
                self.judge_exhausted(found)
            }
        }
    }

    fn judge_exhausted(&self, found: &Findings) -> Judgement {
        if found.dead_ends.count > 0 {
            return Judgement::DeadEnd;
        }
        let met = |tag: &Tag| {
            let mut counts = found.coverage.iter();
            counts.any(|count| count.name == tag.name() && count.count > 0)
        };
        let missing = self.meets.iter().filter(|tag| !met(tag));
        let missing: Vec<&'static str> = missing.map(|tag| tag.name()).collect();
        if !missing.is_empty() {
            return Judgement::NotMet(missing);
        }
        let latest = found.measures.first().and_then(|measure| measure.maximum);
        match self.latest_reset {
            Some(expected) if latest != Some(expected) => {
                Judgement::OtherLatestReset(latest, expected)
            }
            Some(_) | None => Judgement::AsExpected,
        }
    }
}

/// Those in which runs that go on for ever without time passing are looked for: one of each kind of
/// fault.
pub const ENDLESS: &[&str] = &[
    "l1/k1/undisturbed",
    "l1/k1/power",
    "l1/k3/pause-mux",
    "l1/k1/crash-lrm",
    "l1/k3/crash-mux",
    "l1/k1/isolate",
    "l1/k1/outage",
    "l1/k3/delay",
    "l1/k1/three-hosts-isolate",
    "l1/k1/clone",
    "l2/k1/undisturbed",
    "l2/k1/recover-agent-fails",
    "l2/k1/freeze-crash-lrm",
    "l2/k1/stop-start-isolate",
];

/// Every configuration, in the order of the argument: locks and the watchdog alone, then services,
/// then the rules that one gets wrong, then the assumptions.
#[must_use]
pub fn all() -> Vec<Configuration> {
    let mut all = layer1::all();
    all.extend(layer2::all());
    all.extend(layer3::all());
    all.extend(layer3_rules::all());
    all.extend(layer3_masters::all());
    all.extend(layer4::all());
    all.extend(orders::all());
    all.extend(fenced::all());
    all.extend(compat::all());
    all.extend(edges::all());
    all.extend(reference::all());
    all.extend(assumptions::all());
    all
}

/// [`all`], and those of the mutants, which are in no tier.
#[must_use]
pub fn with_mutants() -> Vec<Configuration> {
    let mutants = cases().into_iter().map(|case| case.configuration);
    all().into_iter().chain(mutants).collect()
}

/// The configuration of this name, or that of the mutant `mutant/NAME`.
#[must_use]
pub fn named(name: &str) -> Option<Configuration> {
    with_mutants()
        .into_iter()
        .find(|configuration| configuration.name == name)
}
