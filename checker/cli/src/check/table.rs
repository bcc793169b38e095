//! Tables of configurations for a terminal or a log.

use lockstep_explore::configuration::{Configuration, Expectation, Findings, Tier};
use lockstep_explore::search::Progress;
use lockstep_explore::timeline::Paint;

use super::outcome::Outcome;
use crate::amount;
use crate::failure::End;
use crate::layout::indented;

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

    /// The first line, or two.
    pub(crate) fn heading(&self) -> String {
        let names = ["states", "transitions", "depth", "seconds", "B/state"];
        let left = self.left("configuration", &columns(names.map(str::to_owned)));
        let verdict = "  verdict";
        if self.stacked() || length(&left) + length(verdict) > self.width {
            return left;
        }
        format!("{left}{verdict}")
    }

    /// A row. The verdict gets lines of its own where it doesn't fit, and so do the numbers.
    pub(crate) fn row(&self, outcome: &Outcome, paint: Paint<'_>) -> String {
        let numbers = match &outcome.found {
            Some((found, _)) => [
                amount::grouped(found.states),
                amount::grouped(found.transitions),
                amount::grouped(found.depth),
                format!("{:.2}", outcome.seconds()),
                format!("{:.1}", found.bytes_per_state),
            ],
            None => [const { "-" }; 5].map(str::to_owned),
        };
        let left = self.left(&outcome.configuration.name, &columns(numbers));
        let verdict = outcome.verdict();
        let tone = outcome.tone();
        if !self.stacked() && length(&left) + 2 + length(&verdict) <= self.width {
            return format!("{left}  {}", paint(tone, &verdict));
        }
        let verdict = indented(&verdict, self.width);
        let painted: Vec<String> = verdict.iter().map(|line| paint(tone, line)).collect();
        format!("{left}\n{}", painted.join("\n"))
    }

    fn left(&self, name: &str, numbers: &str) -> String {
        if self.stacked() {
            // The first number has room to spare, so this is an indentation, too.
            return format!("{name}\n{numbers}");
        }
        format!("{name:width$}{numbers}", width = self.name)
    }

    /// Whether the numbers don't fit beside the names.
    fn stacked(&self) -> bool {
        let numbers: usize = WIDTHS.iter().map(|width| width + 2).sum();
        self.name + numbers > self.width
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
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
    let seconds = outcomes
        .iter()
        .fold(0.0, |sum, outcome| sum + outcome.seconds());
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
        if left + length(&one.about) <= width {
            return format!("{row}  {}", one.about);
        }
        let row = match left - 2 <= width {
            true => row.trim_end().to_owned(),
            false => format!(
                "{name}\n{}",
                indented(&format!("{tier}, {must}"), width).join("\n")
            ),
        };
        format!("{row}\n{}", indented(&one.about, width).join("\n"))
    })
    .collect()
}

/// The tier's name.
pub(crate) const fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Quick => "quick",
        Tier::Full => "full",
        Tier::Deep => "deep",
    }
}

fn expectation(expectation: Expectation) -> String {
    match expectation {
        Expectation::Holds => "holds".into(),
        Expectation::NeverHappens(leads) => format!("never comes to {}", leads.name()),
        Expectation::RuleBroken(property) | Expectation::AssumptionBroken(property) => {
            format!("violates {}", property.name())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_explore::configuration;
    use lockstep_explore::timeline::plain;

    #[test]
    fn every_line_fits_the_width() {
        let all = configuration::with_mutants();
        for width in [60, 80, 120, 160] {
            let table = Table::new(&all, width);
            let rows = all
                .iter()
                .map(|one| Outcome::skipped(one, "the time was up"));
            let mut text = vec![table.heading()];
            text.extend(rows.map(|row| table.row(&row, &plain)));
            text.extend(list(&all, width));
            for line in text.iter().flat_map(|row| row.lines()) {
                assert!(length(line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_row_has_as_many_lines_as_it_needs() {
        let all = configuration::all();
        let row = |width| {
            Table::new(&all, width).row(&Outcome::skipped(&all[0], "the time was up"), &plain)
        };
        assert_eq!(
            [160, 100, 60].map(|width| row(width).lines().count()),
            [1, 2, 3]
        );
    }
}
