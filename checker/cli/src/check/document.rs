//! What `--json` prints. The names of the fields are stable; a change that isn't an addition counts
//! [`VERSION`] up.

use std::collections::BTreeMap;

use lockstep_explore::configuration::{Configuration, Expectation, Findings, Judgement};
use lockstep_explore::counterexample::mutant_names;
use lockstep_explore::promised::Fates;
use lockstep_explore::search::{Count, Ending, Longest, PromiseResult, Verdict};
use lockstep_world::{Action, World};
use serde::Serialize;

use super::outcome::{Outcome, cut};
use super::table::tier;
use crate::failure::End;

/// The version of both documents.
const VERSION: u32 = 1;

/// A whole run.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    format: &'static str,
    version: u32,
    /// `as-expected`, `violated`, `truncated`, `failed`.
    result: &'static str,
    exit_code: u8,
    configurations: Vec<Explored<'a>>,
}

/// A configuration with what was found.
#[derive(Serialize)]
struct Explored<'a> {
    #[serde(flatten)]
    configuration: Listed<'a>,
    judgement: Judged,
    /// `null`: not explored, because the time was up.
    search: Option<Search>,
    /// What became of what must happen; `null`: nothing must, or it was not looked at.
    liveness: Option<Kept<'a>>,
    /// The way to what was found.
    trace: Option<Way<'a>>,
    /// The file that it was written into.
    counterexample: Option<&'a str>,
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    about: &'a str,
    tier: &'static str,
    mutants: Vec<&'static str>,
    expectation: Expected,
    meets: Vec<&'static str>,
    /// The leads-to properties that are judged in it.
    leads: Vec<&'static str>,
    latest_reset: Option<i64>,
}

#[derive(Serialize)]
struct Expected {
    /// `holds`, `rule-broken`, `assumption-broken`, `never-happens`.
    kind: &'static str,
    /// What must fail.
    property: Option<&'static str>,
}

#[derive(Serialize)]
struct Judged {
    /// `as-expected`, `violated`, `not-violated`, `not-met`, `promise-broken`, `never-open`,
    /// `other-longest`, `other-latest-reset`, `dead-end`, `truncated`, `failed`, `not-explored`.
    kind: &'static str,
    /// The same in words.
    text: String,
    property: Option<&'static str>,
    not_met: Vec<&'static str>,
}

#[derive(Serialize)]
struct Search {
    /// `exhausted`, `violated`, `truncated`, `panicked`, `unrepeatable`.
    verdict: &'static str,
    closed: bool,
    /// The limit that was reached.
    cut: Option<&'static str>,
    /// The file with which `--resume` goes on.
    saved: Option<String>,
    initial_states: u64,
    states: u64,
    transitions: u64,
    depth: u64,
    levels: Vec<u64>,
    threads: usize,
    seconds: f64,
    peak_bytes: u64,
    table_bytes: u64,
    bytes_per_state: f64,
    state_bytes_max: u64,
    collision_bound: f64,
    properties: Vec<&'static str>,
    kinds: BTreeMap<&'static str, u64>,
    coverage: BTreeMap<&'static str, u64>,
    measures: BTreeMap<&'static str, Option<i64>>,
    dead_ends: u64,
    ends_allowed: u64,
}

#[derive(Serialize)]
struct Way<'a> {
    property: Option<&'static str>,
    /// What is never kept.
    promise: Option<String>,
    actions: &'a [Action],
    /// How many of the actions, the last ones, repeat for ever; `null`: there is no end to wait for.
    repeated: Option<usize>,
}

#[derive(Serialize)]
struct Kept<'a> {
    /// `closed`, `truncated`, `panicked`, `unrepeatable`.
    ending: &'static str,
    states: u64,
    transitions: u64,
    depth: u64,
    seconds: f64,
    peak_bytes: u64,
    promises: Vec<Promise<'a>>,
}

#[derive(Serialize)]
struct Promise<'a> {
    name: &'a str,
    kept: bool,
    /// In how many states it is open.
    open: u64,
    /// The longest time for which it stays open, in ticks; `null`: there is no bound, or it is never
    /// open.
    longest: Option<u32>,
}

/// What there is.
#[derive(Serialize)]
pub(crate) struct List<'a> {
    format: &'static str,
    version: u32,
    configurations: Vec<Listed<'a>>,
}

/// What there is.
pub(crate) fn list(configurations: &[Configuration]) -> List<'_> {
    List {
        format: "lockstep-configurations",
        version: VERSION,
        configurations: configurations.iter().map(listed).collect(),
    }
}

impl<'a> Document<'a> {
    /// What a run found.
    pub(crate) fn of(outcomes: &'a [Outcome], end: End) -> Self {
        Self {
            format: "lockstep-check",
            version: VERSION,
            result: end.name(),
            exit_code: end.code(),
            configurations: outcomes.iter().map(explored).collect(),
        }
    }
}

fn listed(configuration: &Configuration) -> Listed<'_> {
    let (kind, property) = match configuration.expectation {
        Expectation::Holds => ("holds", None),
        Expectation::NeverHappens(leads) => ("never-happens", Some(leads.name())),
        Expectation::RuleBroken(property) => ("rule-broken", Some(property.name())),
        Expectation::AssumptionBroken(property) => ("assumption-broken", Some(property.name())),
    };
    Listed {
        name: &configuration.name,
        about: &configuration.about,
        tier: tier(configuration.tier),
        mutants: mutant_names(&configuration.mutants).collect(),
        expectation: Expected { kind, property },
        meets: configuration.meets.iter().map(|tag| tag.name()).collect(),
        leads: configuration
            .leads()
            .iter()
            .map(|leads| leads.name())
            .collect(),
        latest_reset: configuration.latest_reset,
    }
}

fn kept(fates: &Fates) -> Kept<'_> {
    fn promise(promise: &PromiseResult<World, Action>) -> Promise<'_> {
        let PromiseResult {
            name,
            open,
            longest,
            broken,
        } = promise;
        Promise {
            name,
            kept: broken.is_none(),
            open: *open,
            longest: match longest {
                Longest::Units(units) => Some(*units),
                Longest::Never | Longest::Unbounded => None,
            },
        }
    }
    Kept {
        ending: match fates.ending {
            Ending::Closed => "closed",
            Ending::Truncated(_) => "truncated",
            Ending::Panicked { .. } => "panicked",
            Ending::Unrepeatable { .. } => "unrepeatable",
        },
        states: fates.states,
        transitions: fates.steps,
        depth: fates.depth,
        seconds: fates.seconds,
        peak_bytes: fates.peak_bytes,
        promises: fates.promises.iter().map(promise).collect(),
    }
}

fn explored(outcome: &Outcome) -> Explored<'_> {
    Explored {
        configuration: listed(&outcome.configuration),
        judgement: judged(outcome),
        search: outcome.found.as_ref().map(|(found, _)| search(found)),
        liveness: outcome.fates.as_ref().map(kept),
        trace: outcome.trace.as_ref().map(|way| Way {
            property: way.property.map(|property| property.name()),
            promise: way.lasso.as_ref().map(|lasso| lasso.promise.name()),
            actions: &way.actions,
            repeated: way.lasso.as_ref().map(|lasso| lasso.cycle.len()),
        }),
        counterexample: outcome.file.as_deref(),
    }
}

fn judged(outcome: &Outcome) -> Judged {
    let mut property = outcome
        .trace
        .as_ref()
        .and_then(|way| way.property)
        .map(|it| it.name());
    let mut not_met = Vec::new();
    let kind = match outcome.found.as_ref().map(|(_, judgement)| judgement) {
        None => "not-explored",
        Some(Judgement::AsExpected) => "as-expected",
        Some(Judgement::Violated(_)) => "violated",
        Some(Judgement::NotViolated(name)) => {
            property = Some(name);
            "not-violated"
        }
        Some(Judgement::NotMet(tags)) => {
            not_met.clone_from(tags);
            "not-met"
        }
        Some(Judgement::PromiseBroken(_)) => "promise-broken",
        Some(Judgement::NeverOpen(_)) => "never-open",
        Some(Judgement::OtherLongest(..)) => "other-longest",
        Some(Judgement::OtherLatestReset(..)) => "other-latest-reset",
        Some(Judgement::DeadEnd) => "dead-end",
        Some(Judgement::Truncated) => "truncated",
        Some(Judgement::Failed(_)) => "failed",
    };
    Judged {
        kind,
        text: outcome.verdict(),
        property,
        not_met,
    }
}

fn search(found: &Findings) -> Search {
    let counts = |counts: &[Count]| counts.iter().map(|one| (one.name, one.count)).collect();
    let judged = found.properties.iter().filter(|property| property.judged);
    Search {
        verdict: match found.verdict {
            Verdict::Exhausted => "exhausted",
            Verdict::Violated { .. } => "violated",
            Verdict::Truncated(_) => "truncated",
            Verdict::Panicked { .. } => "panicked",
            Verdict::Unrepeatable { .. } => "unrepeatable",
        },
        closed: found.closed,
        cut: found.cut.map(|why| cut(Some(why))),
        saved: (found.saved.as_ref()).map(|file| file.display().to_string()),
        initial_states: found.initial_states,
        states: found.states,
        transitions: found.transitions,
        depth: found.depth,
        levels: found.levels.clone(),
        threads: found.threads,
        seconds: found.seconds,
        peak_bytes: found.peak_bytes,
        table_bytes: found.table_bytes,
        bytes_per_state: found.bytes_per_state,
        state_bytes_max: found.state_bytes_max,
        collision_bound: found.collision_bound,
        properties: judged.map(|property| property.name).collect(),
        kinds: counts(&found.kinds),
        coverage: counts(&found.coverage),
        measures: found
            .measures
            .iter()
            .map(|one| (one.name, one.maximum))
            .collect(),
        dead_ends: found.dead_ends.count,
        ends_allowed: found.dead_ends.allowed,
    }
}
