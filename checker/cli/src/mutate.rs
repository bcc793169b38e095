//! `ha-checker mutate`: every guard, comparison and effect broken, and what notices.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use lockstep_mutate::campaign::{self, Found, Outcome, Plan, Progress};
use lockstep_mutate::copy::{Error, build};
use lockstep_mutate::explained::{Explanation, explanation_of, explanations};
use lockstep_mutate::instrument::instrument;
use lockstep_mutate::report::{self, Counts, shortened};
use serde::Serialize;

use crate::arguments::Mutate;
use crate::failure::{End, Failure};
use crate::screen::Screen;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    version: u32,
    /// `as-expected`, `violated`; `null` in a list.
    result: Option<&'static str>,
    exit_code: u8,
    mutants: Vec<Row<'a>>,
}

/// One mutant.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    /// Why it survives; `null` if it doesn't, or nobody knows.
    explanation: Option<&'a str>,
}

/// Breaks what was asked for.
pub(crate) fn run(asked: &Mutate, screen: &mut Screen) -> Result<End, Failure> {
    let root = match &asked.source {
        Some(root) => root.clone(),
        None => workspace()?,
    };
    let root = root
        .canonicalize()
        .map_err(|error| Failure::input(format!("failed to find {}: {error}", root.display())))?;
    if asked.list {
        return list(asked, &root, screen);
    }
    let plan = plan(asked, &root);
    let ticker = screen.begin_progress();
    ticker.show(|| "building the instrumented copy".to_owned());
    let built = build(&root, &plan.work, plan.jobs).map_err(|error| match error {
        Error::Instrument(_) | Error::Copy { .. } => Failure::input(error.to_string()),
        Error::Build(_) => Failure::Bug(error.to_string()),
    })?;
    let is_known = |wanted: &&String| {
        let mut all = (1..).zip(&built.instrumented.mutants);
        !all.any(|(id, mutant)| campaign::means(wanted, id, mutant))
    };
    if let Some(unknown) = asked.only.iter().find(is_known) {
        return Err(Failure::input(format!(
            "no mutant is in '{unknown}'; --list shows all"
        )));
    }
    let found = campaign::run(&plan, &built, &|now: &Progress| {
        ticker.show(|| format!("{} {}/{}: {}", now.stage, now.done, now.all, now.last));
    })?;
    screen.end_progress();
    finish(asked, &found, screen)
}

/// The workspace around the working directory.
fn workspace() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir()?;
    let mut around = here.ancestors();
    let found = around.find(|folder| folder.join("model/src/lrm").is_dir());
    found.map(Path::to_owned).ok_or_else(|| {
        Failure::input("the working directory is in no workspace of Lockstep; --source names one")
    })
}

fn plan(asked: &Mutate, root: &Path) -> Plan {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get().min(2));
    Plan {
        root: root.to_owned(),
        work: asked
            .work
            .clone()
            .unwrap_or_else(|| root.join("target/mutate")),
        only: asked.only.clone(),
        jobs: asked.jobs.map_or(cores, usize::from),
        sample: asked.sample.unwrap_or(1),
        largest: asked.largest,
        limit: Duration::from_millis(asked.each.0),
        cases: asked.cases.clone(),
        last: asked.until.into(),
        resume: asked.resume,
    }
}

fn list(asked: &Mutate, root: &Path, screen: &mut Screen) -> Result<End, Failure> {
    let instrumented = instrument(root).map_err(|error| Failure::input(error.to_string()))?;
    let plan = plan(asked, root);
    let all = (1..).zip(&instrumented.mutants);
    let chosen = all.filter(|(id, mutant)| campaign::is_chosen(&plan, *id, mutant));
    if asked.json {
        screen.json(&chosen.map(|(_, mutant)| mutant).collect::<Vec<_>>())?;
        return Ok(End::AsExpected);
    }
    for (id, mutant) in chosen {
        screen.line(&format!(
            "#{id} {}:{} {}, {}: {}",
            mutant.file,
            mutant.line,
            mutant.function,
            mutant.operator.name(),
            shortened(&mutant.snippet, 100)
        ))?;
    }
    Ok(End::AsExpected)
}

fn finish(asked: &Mutate, found: &Found, screen: &mut Screen) -> Result<End, Failure> {
    let explanations = explanations()
        .map_err(|error| Failure::Bug(format!("failed to read the explanations: {error}")))?;
    let counts = Counts::of(&found.outcomes, &explanations);
    let end = match counts.is_enough() {
        true => End::AsExpected,
        false => End::Violated,
    };
    if let Some(path) = &asked.table {
        write(path, &report::table(found))?;
    }
    if let Some(path) = &asked.document {
        write(path, &report::document(found, &explanations))?;
    }
    if asked.json {
        screen.json(&document(found, &explanations, end))?;
        return Ok(end);
    }
    for outcome in &found.outcomes {
        if outcome.verdict.is_alive() {
            screen.line(&alive(outcome, &explanations))?;
        }
    }
    screen.line(&summary(&counts))?;
    Ok(end)
}

fn document<'a>(found: &'a Found, explanations: &'a [Explanation], end: End) -> Document<'a> {
    let row = |outcome: &'a Outcome| Row {
        outcome,
        explanation: explanation_of(explanations, &outcome.mutant)
            .filter(|_| outcome.verdict.is_alive())
            .map(|one| one.why.as_str()),
    };
    Document {
        format: "lockstep-generated-mutants",
        version: 1,
        result: Some(end.name()),
        exit_code: end.code(),
        mutants: found.outcomes.iter().map(row).collect(),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text)
        .map_err(|error| Failure::input(format!("failed to write {}: {error}", path.display())))
}

/// A line about a mutant that lives.
fn alive(outcome: &Outcome, explanations: &[Explanation]) -> String {
    let mutant = &outcome.mutant;
    let why = match explanation_of(explanations, mutant) {
        Some(one) => one.kind.name(),
        None => "NOT EXPLAINED",
    };
    format!(
        "#{} {}:{} {}, {}: {}\n    {}, {why}: {}",
        outcome.id,
        mutant.file,
        mutant.line,
        mutant.function,
        mutant.operator.name(),
        shortened(&mutant.snippet, 100),
        outcome.verdict.name(),
        outcome.verdict.detail()
    )
}

/// The last line.
fn summary(counts: &Counts) -> String {
    let per_mille = counts.killed_per_mille();
    let mut line = format!(
        "{} of {} caught, {}.{} %: {} by searches, {} by cases and tests alone; {} survive, {} \
         indifferent, {} unreached",
        counts.killed + counts.tested,
        counts.all,
        per_mille / 10,
        per_mille % 10,
        counts.killed,
        counts.tested,
        counts.survive,
        counts.indifferent,
        counts.unreached
    );
    if counts.unexplained > 0 {
        line.push_str(&format!("; {} NOT EXPLAINED", counts.unexplained));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts() {
        let counts = Counts {
            all: 8,
            killed: 5,
            tested: 1,
            survive: 2,
            unexplained: 1,
            ..Counts::default()
        };
        assert_eq!(
            summary(&counts),
            "6 of 8 caught, 75.0 %: 5 by searches, 1 by cases and tests alone; 2 survive, 0 \
             indifferent, 0 unreached; 1 NOT EXPLAINED"
        );
    }
}
