//! `ha-checker mutants`: each rule broken, and what fails then.

use lockstep_explore::mutants::{Case, Outcome, cases};
use lockstep_explore::search::Verdict;
use lockstep_explore::timeline::Tone;
use serde::Serialize;

use crate::arguments::Mutants;
use crate::check::{options, unknown_name};
use crate::failure::{End, Failure};
use crate::screen::Screen;

/// What `--json` prints.
#[derive(Serialize)]
struct Document {
    format: &'static str,
    version: u32,
    /// Whether every mutant was killed; `null` in a list.
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
    killed: bool,
    /// The property that fails first when all are judged.
    first: Option<&'static str>,
    /// The steps to the declared property's breach.
    trace_length: Option<usize>,
    /// The states visited until then.
    states: u64,
    seconds: f64,
}

/// Runs the mutants asked for.
pub(crate) fn run(asked: &Mutants, screen: &mut Screen) -> Result<End, Failure> {
    let chosen = choose(asked)?;
    let names = chosen.iter().map(|case| case.mutant.name().len());
    let width = names.max().unwrap_or(0).max("mutant".len());
    let mut rows = Vec::new();
    if !asked.json && !asked.list {
        screen.line(&heading(width))?;
    }
    let ticker = screen.begin_progress();
    for (index, case) in chosen.iter().enumerate() {
        ticker.show(|| format!("[{}/{}] {}", index + 1, chosen.len(), case.mutant.name()));
        let fate = (!asked.list).then(|| fate(&case.run(&options(&asked.threads))));
        let row = Row {
            mutant: case.mutant.name(),
            rule: case.rule,
            configuration: case.configuration.name.clone(),
            property: case.property.name(),
            outcome: fate,
        };
        if !asked.json {
            screen.text(&text(&row, width, screen))?;
        }
        rows.push(row);
    }
    screen.end_progress();
    finish(asked, rows, screen)
}

fn finish(asked: &Mutants, rows: Vec<Row>, screen: &mut Screen) -> Result<End, Failure> {
    let survives = |row: &&Row| row.outcome.as_ref().is_some_and(|fate| !fate.killed);
    let surviving = rows.iter().filter(survives).count();
    if asked.json {
        screen.json(&Document {
            format: "lockstep-mutants",
            version: 1,
            all_killed: (!asked.list).then_some(surviving == 0),
            mutants: rows,
        })?;
    } else if !asked.list {
        let count = rows.len();
        screen.line(&match surviving {
            0 => format!("all {count} killed"),
            _ => format!("{surviving} of {count} SURVIVE"),
        })?;
    }
    Ok(if surviving == 0 {
        End::AsExpected
    } else {
        End::Violated
    })
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

fn fate(outcome: &Outcome) -> Fate {
    Fate {
        killed: outcome.killed,
        first: outcome.first,
        trace_length: match &outcome.declared.verdict {
            Verdict::Violated { trace, .. } => Some(trace.len()),
            Verdict::Exhausted
            | Verdict::Truncated(_)
            | Verdict::Panicked { .. }
            | Verdict::Unrepeatable { .. } => None,
        },
        states: outcome.declared.states,
        seconds: outcome.declared.seconds,
    }
}

fn heading(width: usize) -> String {
    format!(
        "{:width$}  killed  steps  seconds  declared property, and the first to fail",
        "mutant"
    )
}

/// A row, with a second line for where and what.
fn text(row: &Row, width: usize, screen: &Screen) -> String {
    let Row {
        mutant,
        rule,
        configuration,
        property,
        outcome,
    } = row;
    let Some(fate) = outcome else {
        return format!("{mutant:width$}  {property}\n    {rule}\n    in {configuration}");
    };
    let (killed, tone) = match fate.killed {
        true => ("yes", Tone::Notable),
        false => ("NO", Tone::Alarm),
    };
    let killed = screen.paint(tone, &format!("{killed:6}"));
    let steps = fate
        .trace_length
        .map_or_else(|| "-".to_owned(), |steps| steps.to_string());
    let first = match fate.first {
        Some(first) if first == *property => ", the first".to_owned(),
        Some(first) => format!(", first: {first}"),
        None => String::new(),
    };
    format!(
        "{mutant:width$}  {killed}  {steps:>5}  {:>7.2}  {property}{first}\n    {rule}, in {configuration}",
        fate.seconds
    )
}
