//! Tables of configurations for a terminal or a log.

use lockstep_explore::configuration::{Configuration, Expectation, Findings, Tier};
use lockstep_explore::search::Progress;
use lockstep_explore::timeline::Paint;

use super::outcome::Outcome;
use crate::amount;
use crate::failure::End;

/// The widths of the numbers' columns: states, transitions, depth, seconds, bytes by state.
const WIDTHS: [usize; 5] = [11, 12, 5, 8, 7];

/// One row for each configuration.
pub(crate) struct Table {
    name: usize,
    width: usize,
}

impl Table {
    /// A table of these.
    pub(crate) fn new(configurations: &[Configuration], width: usize) -> Self {
        let names = configurations.iter().map(|one| one.name.chars().count());
        Self {
            name: names.max().unwrap_or(0).max("configuration".len()),
            width,
        }
    }

    /// The first line.
    pub(crate) fn heading(&self) -> String {
        let names = ["states", "transitions", "depth", "seconds", "B/state"];
        let numbers = columns(names.map(str::to_owned));
        format!(
            "{:name$}{numbers}  verdict",
            "configuration",
            name = self.name
        )
    }

    /// A row; two lines where the verdict doesn't fit.
    pub(crate) fn row(&self, outcome: &Outcome, paint: Paint<'_>) -> String {
        let name = &outcome.configuration.name;
        let numbers = match &outcome.found {
            Some((found, _)) => [
                amount::grouped(found.states),
                amount::grouped(found.transitions),
                amount::grouped(found.depth),
                format!("{:.2}", found.seconds),
                format!("{:.1}", found.bytes_per_state),
            ],
            None => [const { "-" }; 5].map(str::to_owned),
        };
        let left = format!("{name:width$}{}", columns(numbers), width = self.name);
        let verdict = outcome.verdict();
        let used = left.chars().count() + 2;
        let painted = paint(outcome.tone(), &verdict);
        if used + verdict.chars().count() <= self.width {
            format!("{left}  {painted}")
        } else {
            format!("{left}\n    {painted}")
        }
    }
}

fn columns(numbers: [String; 5]) -> String {
    let each = numbers.iter().zip(WIDTHS);
    each.map(|(number, width)| format!("  {number:>width$}"))
        .collect()
}

/// The last line.
pub(crate) fn summary(outcomes: &[Outcome]) -> String {
    let found = || outcomes.iter().filter_map(|outcome| outcome.found.as_ref());
    let states = found().map(|(found, _)| found.states).sum();
    // The sum of no numbers at all is -0.0.
    let sum = |of: fn(&Findings) -> f64| found().fold(0.0, |sum, (found, _)| sum + of(found));
    let seconds = sum(|found| found.seconds);
    let collision = match sum(|found| found.collision_bound) {
        0.0 => String::new(),
        bound => format!("; chance that two were taken for one: {bound:.0e}"),
    };
    let as_expected = outcomes
        .iter()
        .filter(|outcome| outcome.end() == End::AsExpected)
        .count();
    format!(
        "{as_expected} of {} as expected; {} states in {}{collision}",
        outcomes.len(),
        amount::grouped(states),
        amount::elapsed(seconds),
    )
}

/// How far a search has come, in a line.
pub(crate) fn progress(place: &str, progress: &Progress) -> String {
    let seconds = progress.elapsed.as_secs_f64();
    // The mean: the rate of the last moment jumps between two merges.
    let rate = progress.states as f64 / seconds.max(0.001) / 1000.0;
    format!(
        "{place}  level {}, {} states, {rate:.0} k/s, queue {}, {}, {}",
        progress.level,
        amount::grouped(progress.states),
        amount::grouped(progress.queue),
        amount::bytes(progress.bytes),
        amount::elapsed(seconds),
    )
}

/// What there is.
pub(crate) fn list(configurations: &[Configuration], width: usize) -> Vec<String> {
    let rows: Vec<[String; 3]> = configurations
        .iter()
        .map(|one| {
            [
                one.name.clone(),
                tier(one.tier).to_owned(),
                expectation(one.expectation),
            ]
        })
        .collect();
    let widest = |column: usize| {
        let lengths = rows.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or(0)
    };
    let [first, second, third] = [widest(0), widest(1), widest(2)];
    let left = first + second + third + 6;
    let each = rows.iter().zip(configurations);
    each.map(|([name, tier, must], one)| {
        let row = format!("{name:first$}  {tier:second$}  {must:third$}");
        if left + one.about.chars().count() <= width {
            format!("{row}  {}", one.about)
        } else {
            format!("{}\n    {}", row.trim_end(), one.about)
        }
    })
    .collect()
}

/// The tier's name.
pub(crate) const fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Quick => "quick",
        Tier::Full => "full",
    }
}

fn expectation(expectation: Expectation) -> String {
    match expectation {
        Expectation::Holds => "holds".into(),
        Expectation::RuleBroken(property) | Expectation::AssumptionBroken(property) => {
            format!("violates {}", property.name())
        }
    }
}
