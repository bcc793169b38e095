//! `ha-checker mutants`: each rule broken, and what fails then.

use lockstep_explore::configuration::Judgement;
use lockstep_explore::mutants::{Case, Declared, cases};
use lockstep_explore::search::Verdict;
use lockstep_explore::timeline::Paint;
use lockstep_explore::trial::Trial;
use serde::Serialize;

use crate::arguments::Mutants;
use crate::budget::Budget;
use crate::check::{cut, progress, unknown_name};
use crate::failure::{End, Failure};
use crate::layout::indented;
use crate::screen::Screen;

/// What `--json` prints.
#[derive(Serialize)]
struct Document {
    format: &'static str,
    version: u32,
    /// `as-expected`, `violated`, `truncated`, `failed`; `null` in a list.
    result: Option<&'static str>,
    exit_code: u8,
    /// Whether every mutant was killed; `null` if that isn't known, and in a list.
    all_killed: Option<bool>,
    mutants: Vec<Row>,
}

/// One mutant.
#[derive(Serialize)]
struct Row {
    mutant: &'static str,
    rule: &'static str,
    configuration: String,
    property: &'static str,
    /// What became of it; `null` in a list.
    outcome: Option<Fate>,
}

/// What became of a mutant.
#[derive(Serialize)]
struct Fate {
    /// Whether it was killed; `null` if that isn't known.
    killed: Option<bool>,
    /// What became of it in words.
    text: String,
    /// The property that fails first when all are judged; `null` if none does, or none is known to.
    first: Option<&'static str>,
    /// The steps to the declared property's breach.
    trace_length: Option<usize>,
    /// The states visited until then.
    states: u64,
    seconds: f64,
    /// `as-expected`, `violated`, `truncated`, `failed`.
    result: &'static str,
    #[serde(skip)]
    end: End,
}

/// Runs the mutants asked for.
pub(crate) fn run(asked: &Mutants, screen: &mut Screen) -> Result<End, Failure> {
    let chosen = choose(asked)?;
    let names = chosen.iter().map(|case| case.mutant.name().len());
    let name = names.max().unwrap_or(0).max("mutant".len());
    let mut rows = Vec::new();
    if !asked.json && !asked.list {
        screen.line(&heading(name, screen.width()))?;
    }
    let ticker = screen.begin_progress();
    let mut budget = Budget::of(&asked.means);
    for (index, case) in chosen.iter().enumerate() {
        let place = format!("[{}/{}] {}", index + 1, chosen.len(), case.mutant.name());
        let trial = budget.options().filter(|_| !asked.list).map(|options| {
            case.run(&options, |now| {
                ticker.show(|| progress(&place, now));
            })
        });
        budget.spend(trial.as_ref().map_or(0.0, Trial::seconds));
        let row = Row {
            mutant: case.mutant.name(),
            rule: case.rule,
            configuration: case.configuration.name.clone(),
            property: case.property.name(),
            outcome: (!asked.list).then(|| Fate::of(trial.as_ref(), case.property.name())),
        };
        if !asked.json {
            let text = text(&row, name, screen.width(), &screen.painter());
            screen.text(&text)?;
        }
        rows.push(row);
    }
    screen.end_progress();
    finish(asked, rows, screen)
}

fn choose(asked: &Mutants) -> Result<Vec<Case>, Failure> {
    let all = cases();
    let known = |name: &str| all.iter().any(|case| case.mutant.name() == name);
    let unknown: Vec<String> = asked
        .only
        .iter()
        .filter(|name| !known(name))
        .map(|name| unknown_name("mutant", name, all.iter().map(|case| case.mutant.name())))
        .collect();
    if !unknown.is_empty() {
        return Err(Failure::Input(unknown));
    }
    let wanted = |case: &Case| {
        asked.only.is_empty() || asked.only.iter().any(|name| name == case.mutant.name())
    };
    Ok(all.into_iter().filter(wanted).collect())
}

fn finish(asked: &Mutants, rows: Vec<Row>, screen: &mut Screen) -> Result<End, Failure> {
    let fates = || rows.iter().filter_map(|row| row.outcome.as_ref());
    let end = fates().fold(End::AsExpected, |end, fate| end.and(fate.end));
    if asked.json {
        let killed = |known: bool| fates().any(|fate| fate.killed == Some(known));
        let unknown = fates().any(|fate| fate.killed.is_none());
        let all_killed = match (killed(false), unknown) {
            (true, _) => Some(false),
            (false, true) => None,
            (false, false) => Some(true),
        };
        screen.json(&Document {
            format: "lockstep-mutants",
            version: 1,
            result: (!asked.list).then_some(end.name()),
            exit_code: end.code(),
            all_killed: all_killed.filter(|_| !asked.list),
            mutants: rows,
        })?;
    } else if !asked.list {
        screen.line(&summary(
            &fates().map(|fate| fate.killed).collect::<Vec<_>>(),
        ))?;
    }
    Ok(end)
}

/// The last line.
fn summary(killed: &[Option<bool>]) -> String {
    let count = |which| killed.iter().filter(|one| **one == which).count();
    let (all, yes, no) = (killed.len(), count(Some(true)), count(Some(false)));
    if yes == all {
        return format!("all {all} killed");
    }
    let mut line = format!("{yes} of {all} killed");
    if no > 0 {
        line.push_str(&format!("; {no} SURVIVE"));
    }
    if yes + no < all {
        line.push_str(&format!("; {} UNKNOWN", all - yes - no));
    }
    line
}

impl Fate {
    /// What became of a mutant; `None` if the time was up before.
    fn of(trial: Option<&Trial>, property: &str) -> Self {
        let Some(trial) = trial else {
            return Self {
                killed: None,
                text: "not explored: the time was up".into(),
                first: None,
                trace_length: None,
                states: 0,
                seconds: 0.0,
                result: End::Truncated.name(),
                end: End::Truncated,
            };
        };
        let (killed, text, end) = judged(trial, property);
        Self {
            killed,
            text,
            first: trial.first(),
            trace_length: trial.trace_length(),
            states: trial.declared.states,
            seconds: trial.declared.seconds + trial.fates.as_ref().map_or(0.0, |it| it.seconds),
            result: end.name(),
            end,
        }
    }
}

/// Whether it was killed, what became of it in words, and what that means for the run.
fn judged(trial: &Trial, property: &str) -> (Option<bool>, String, End) {
    let (first, end) = match trial.property {
        Declared::Always(_) => first(trial, property),
        Declared::Leads(_) => {
            let first = if let Judgement::Violated(name) = trial.judgement {
                format!("first: {name}")
            } else {
                "while all else holds".into()
            };
            (first, End::AsExpected)
        }
    };
    match &trial.judgement {
        Judgement::AsExpected => (Some(true), format!("{property}, {first}"), end),
        Judgement::NotViolated(_)
        | Judgement::Violated(_)
        | Judgement::NotMet(_)
        | Judgement::PromiseBroken(_)
        | Judgement::NeverOpen(_)
        | Judgement::OtherLongest(..)
        | Judgement::OtherLatestReset(..)
        | Judgement::DeadEnd => {
            let text = format!("{property} HOLDS, {first}");
            (Some(false), text, End::Violated.and(end))
        }
        Judgement::Truncated => {
            let text = format!("{property}: truncated by {}", cut(trial.declared.cut));
            (None, text, End::Truncated)
        }
        Judgement::Failed(message) => (
            None,
            format!("{property}: FAILED: {message}"),
            End::Internal,
        ),
    }
}

/// Which property fails first when all are judged, in words, and what that search means for the
/// run.
fn first(trial: &Trial, property: &str) -> (String, End) {
    let Some(all) = &trial.all else {
        return ("the first unknown: the time was up".into(), End::Truncated);
    };
    match &all.verdict {
        Verdict::Violated { name, .. } if *name == property => {
            ("the first".into(), End::AsExpected)
        }
        Verdict::Violated { name, .. } => (format!("first: {name}"), End::AsExpected),
        Verdict::Exhausted => ("as all others do".into(), End::AsExpected),
        Verdict::Truncated(why) => (
            format!("the first unknown: truncated by {}", cut(Some(*why))),
            End::Truncated,
        ),
        Verdict::Panicked { message, .. } | Verdict::Unrepeatable { message } => (
            format!("the first unknown: FAILED: {message}"),
            End::Internal,
        ),
    }
}

/// The widths of the columns between the mutant and what became of it: killed, steps, seconds.
const WIDTHS: [usize; 3] = [6, 5, 7];

fn heading(name: usize, width: usize) -> String {
    let [killed, steps, seconds] = WIDTHS;
    let left = format!(
        "{:name$}  {:killed$}  {:>steps$}  {:>seconds$}",
        "mutant", "killed", "steps", "seconds"
    );
    beside(&left, "declared property, and the first to fail", width)
}

/// A row, with more lines for what doesn't fit, and for where and what.
fn text(row: &Row, name: usize, width: usize, paint: Paint<'_>) -> String {
    let Row {
        mutant,
        rule,
        configuration,
        property,
        outcome,
    } = row;
    let Some(fate) = outcome else {
        return format!("{mutant:name$}  {property}\n    {rule}\n    in {configuration}");
    };
    let killed = match fate.killed {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "?",
    };
    let steps = fate
        .trace_length
        .map_or_else(|| "-".to_owned(), |steps| steps.to_string());
    let [first, second, third] = WIDTHS;
    let painted = paint(fate.end.tone(), &format!("{killed:first$}"));
    let right = format!("{steps:>second$}  {:>third$.2}", fate.seconds);
    let plain = format!("{mutant:name$}  {killed:first$}  {right}");
    let told = beside(&plain, &fate.text, width);
    let told = told.strip_prefix(&plain).unwrap_or(&told);
    let place = indented(&format!("{rule}, in {configuration}"), width).join("\n");
    format!("{mutant:name$}  {painted}  {right}{told}\n{place}")
}

/// A text beside another, or below it where it doesn't fit.
fn beside(left: &str, text: &str, width: usize) -> String {
    if left.chars().count() + 2 + text.chars().count() <= width {
        return format!("{left}  {text}");
    }
    format!("{left}\n{}", indented(text, width).join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_explore::search::Options;
    use lockstep_explore::timeline::plain;
    use lockstep_model::mutation::Mutant;

    #[test]
    fn a_panicked_search_is_no_survivor() {
        let case = cases()
            .into_iter()
            .find(|case| case.mutant == Mutant::StartUnarmed);
        let case = case.expect("it has one");
        let mut trial = case.run(&Options::default(), |_| ());
        trial.declared.verdict = Verdict::Panicked {
            message: "out of bounds".into(),
            trace: None,
        };
        trial.judgement = case.configuration.judge(&trial.declared);
        let fate = Fate::of(Some(&trial), case.property.name());
        assert_eq!((fate.killed, fate.end), (None, End::Internal));
        assert!(fate.text.contains("FAILED: out of bounds"), "{}", fate.text);
    }

    #[test]
    fn every_line_fits_the_width() {
        let row = Row {
            mutant: "margin-of-one-reset",
            rule: "starting, stopping, releasing",
            configuration: "mutant/margin-of-one-reset".into(),
            property: "unguarded-never-recovered",
            outcome: Some(Fate::of(None, "unguarded-never-recovered")),
        };
        for (width, lines) in [(60, 4), (80, 2), (160, 2)] {
            let told = text(&row, 20, width, &plain);
            assert_eq!(told.lines().count(), lines, "{told}");
            let fits = |line: &str| line.chars().count() <= width;
            assert!(told.lines().all(fits), "{told}");
        }
    }

    #[test]
    fn the_last_line_counts() {
        assert_eq!(summary(&[Some(true); 3]), "all 3 killed");
        let line = summary(&[Some(true), Some(false), None, None]);
        assert_eq!(line, "1 of 4 killed; 1 SURVIVE; 2 UNKNOWN");
    }
}
