//! What a campaign found, counted and written down.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::campaign::{Found, Outcome, Verdict};
use crate::explained::{Explanation, explanation_of};

/// How many mutants came to what end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub all: usize,
    /// Caught by an exhaustive search.
    pub killed: usize,
    /// Caught by a case or a test alone.
    pub tested: usize,
    /// Alive although searches reach them where they matter.
    pub survive: usize,
    /// Of these, those with which other states are met: pinned sizes show them, no property does.
    pub resized: usize,
    /// Alive, and never of consequence where a search reaches them.
    pub indifferent: usize,
    /// Alive, and reached by no search.
    pub unreached: usize,
    /// Alive in any of these ways, without an explanation.
    pub unexplained: usize,
}

/// The share of mutants that have to be killed, in percent.
pub const KILLED_MIN: usize = 95;

impl Counts {
    /// Counts outcomes.
    #[must_use]
    pub fn of<'a>(
        outcomes: impl IntoIterator<Item = &'a Outcome>,
        explanations: &[Explanation],
    ) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            counts.all += 1;
            let number = match outcome.verdict {
                Verdict::Killed { .. } => &mut counts.killed,
                Verdict::Tested { .. } => &mut counts.tested,
                Verdict::Survives { .. } => &mut counts.survive,
                Verdict::Indifferent => &mut counts.indifferent,
                Verdict::Unreached => &mut counts.unreached,
            };
            *number += 1;
            let resized = matches!(outcome.verdict, Verdict::Survives { differs: true, .. });
            counts.resized += usize::from(resized);
            let explained = explanation_of(explanations, &outcome.mutant).is_some();
            counts.unexplained += usize::from(outcome.verdict.is_alive() && !explained);
        }
        counts
    }

    /// Killed ones, in tenths of a percent of all.
    #[must_use]
    pub const fn killed_per_mille(&self) -> usize {
        match self.all {
            0 => 1_000,
            all => (self.killed + self.tested) * 1_000 / all,
        }
    }

    /// Whether enough were killed, and the others are explained.
    #[must_use]
    pub const fn is_enough(&self) -> bool {
        self.unexplained == 0 && self.killed_per_mille() >= KILLED_MIN * 10
    }
}

impl Verdict {
    /// Whether nothing caught it.
    #[must_use]
    pub const fn is_alive(&self) -> bool {
        match self {
            Self::Killed { .. } | Self::Tested { .. } => false,
            Self::Survives { .. } | Self::Unreached | Self::Indifferent => true,
        }
    }

    /// The name in tables.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Killed { .. } => "killed",
            Self::Tested { .. } => "tested",
            Self::Survives { .. } => "survives",
            Self::Unreached => "unreached",
            Self::Indifferent => "indifferent",
        }
    }

    /// What caught it, or what is known of it.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Killed { job, by, steps } => {
                let steps = steps.map_or(String::new(), |steps| format!(", {steps} steps"));
                format!("{by} in {job}{steps}")
            }
            Self::Tested { by } => by.clone(),
            Self::Survives {
                differs,
                outgrown,
                left_out,
            } => {
                let differs = match differs {
                    true => "other states are met",
                    false => "the same states are met",
                };
                match outgrown.iter().chain(left_out).next() {
                    Some(job) => format!("{differs}; not all of {job}"),
                    None => differs.to_owned(),
                }
            }
            Self::Unreached => "no search reaches it".to_owned(),
            Self::Indifferent => "makes no difference where it is reached".to_owned(),
        }
    }
}

/// The part of the model that a file belongs to: its folder, or itself.
#[must_use]
pub fn part_of(file: &str) -> &str {
    let inner = file.strip_prefix("model/src/").unwrap_or(file);
    inner
        .split_once('/')
        .map_or_else(|| inner.trim_end_matches(".rs"), |(folder, _)| folder)
}

/// Outcomes by the part of the model.
#[must_use]
pub fn by_part(found: &Found) -> BTreeMap<&str, Vec<&Outcome>> {
    let mut parts: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for outcome in &found.outcomes {
        let part = part_of(&outcome.mutant.file);
        parts.entry(part).or_default().push(outcome);
    }
    parts
}

/// Every mutant in a line, its fields apart by tabulators.
#[must_use]
pub fn table(found: &Found) -> String {
    let mut text = "file\tline\tfunction\toperator\twhat\tverdict\tdetail\n".to_owned();
    for Outcome {
        mutant, verdict, ..
    } in &found.outcomes
    {
        let fields = [
            mutant.file.as_str(),
            &mutant.line.to_string(),
            &mutant.function,
            mutant.operator.name(),
            &shortened(&mutant.snippet, 100),
            verdict.name(),
            &shortened(&verdict.detail().replace(['\t', '\n'], " "), 160),
        ];
        text.push_str(&fields.join("\t"));
        text.push('\n');
    }
    text
}

/// At most so many characters of a text.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let start: String = text.chars().take(most - 1).collect();
    format!("{start}…")
}

/// The document: what was found in figures, and who survives why.
#[must_use]
pub fn document(found: &Found, explanations: &[Explanation]) -> String {
    let mut text = String::new();
    text.push_str(HEADING);
    text.push_str("| part | mutants | killed | tested | survive | of these resized | indifferent | unreached |\n");
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    let parts = by_part(found);
    let rows = parts
        .iter()
        .map(|(part, outcomes)| (format!("`{part}`"), outcomes.clone()));
    let all = ("all".to_owned(), found.outcomes.iter().collect::<Vec<_>>());
    for (name, outcomes) in rows.chain([all]) {
        let counts = Counts::of(outcomes.iter().copied(), explanations);
        // A string can always be written to.
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} | {} |",
            counts.all,
            counts.killed,
            counts.tested,
            counts.survive,
            counts.resized,
            counts.indifferent,
            counts.unreached
        );
    }
    let counts = Counts::of(&found.outcomes, explanations);
    let per_mille = counts.killed_per_mille();
    let _ = writeln!(
        text,
        "\n{}.{} % are caught: {} by searches, {} by cases and tests alone.\n",
        per_mille / 10,
        per_mille % 10,
        counts.killed,
        counts.tested
    );
    text.push_str("## Those that survive\n");
    for one in explanations {
        explain(found, explanations, one, &mut text);
    }
    unexplained(found, explanations, &mut text);
    text
}

const HEADING: &str = "\
# Generated mutants

Every guard of the protocol's code negated, every comparison shifted by one, every effect dropped:
`ha-checker mutate` makes them, runs each where a search reaches it until one catches it, and
writes this file (`--document`) and a table of all (`--table`). *Killed*: an exhaustive search of
the quick tier, or one for runs without time, ended otherwise than it must. *Tested*: no search caught it, but a simulated case or
one of the model's own tests did. *Resized*: it survives, but searches meet more states or fewer,
which the pinned sizes show and no property does. *Indifferent*: searches reach the place, but never where the
change would show. *Unreached*: no search reaches the place.

";

fn explain(found: &Found, all: &[Explanation], one: &Explanation, text: &mut String) {
    let alive = found.outcomes.iter().filter(|outcome| {
        let its = explanation_of(all, &outcome.mutant);
        outcome.verdict.is_alive() && its == Some(one)
    });
    let lines: Vec<String> = alive.map(line_of).collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n**{}.** {}\n", capital(one.kind.name()), one.why);
    text.push_str(&lines.concat());
}

fn unexplained(found: &Found, explanations: &[Explanation], text: &mut String) {
    let alive = found.outcomes.iter().filter(|outcome| {
        outcome.verdict.is_alive() && explanation_of(explanations, &outcome.mutant).is_none()
    });
    let lines: Vec<String> = alive.map(line_of).collect();
    if !lines.is_empty() {
        text.push_str("\n**Not explained yet.**\n\n");
        text.push_str(&lines.concat());
    }
}

fn line_of(outcome: &Outcome) -> String {
    let mutant = &outcome.mutant;
    let file = mutant.file.trim_start_matches("model/src/");
    format!(
        "* `{file}` `{}`, {} ({}): `{}`\n",
        mutant.function,
        mutant.operator.name(),
        outcome.verdict.name(),
        shortened(&mutant.snippet, 100)
    )
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}
