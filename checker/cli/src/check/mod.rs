//! `ha-checker check`: explores configurations.

mod document;
mod kept;
mod outcome;
mod table;

use std::fs;
use std::path::Path;

use lockstep_explore::configuration::{self, Configuration, Expectation, Judgement};
use lockstep_explore::coverage::Coverage;
use lockstep_explore::timeline::{self, Story};

use crate::amount;
use crate::arguments::Check;
use crate::budget::Budget;
use crate::failure::{End, Failure};
use crate::layout::wrapped;
use crate::screen::Screen;
use document::Document;
use kept::Kept;
use outcome::Outcome;
use table::Table;

pub(crate) use outcome::cut;
pub(crate) use table::progress;

/// Explores what was asked for.
pub(crate) fn run(asked: &Check, screen: &mut Screen) -> Result<End, Failure> {
    let tier = |one: &Configuration| asked.list || asked.tier.includes(one.tier);
    let chosen = choose(&asked.config, tier)?;
    if asked.list {
        return list(asked, &chosen, screen);
    }
    if let Some(directory) = &asked.counterexample {
        fs::create_dir_all(directory).map_err(|error| {
            Failure::input(format!("failed to make {}: {error}", directory.display()))
        })?;
    }
    let table = Table::new(&chosen, screen.width());
    if !asked.json {
        screen.line(&table.heading())?;
    }
    let (outcomes, covered) = explore(asked, &chosen, &table, screen)?;
    let mut end = outcomes
        .iter()
        .fold(End::AsExpected, |end, outcome| end.and(outcome.end()));
    if asked.coverage {
        for line in covered.wrong(end == End::AsExpected) {
            screen.complain(&line);
            end = end.and(End::Violated);
        }
    }
    if asked.json {
        screen.json(&Document::of(&outcomes, end))?;
        return Ok(end);
    }
    screen.line(&wrapped(&table::summary(&outcomes), screen.width()))?;
    for outcome in &outcomes {
        // What must fail is shown if somebody asked for it by name, or by how its name begins.
        if is_named(&asked.config, &outcome.configuration) || outcome.end() != End::AsExpected {
            show(outcome, screen)?;
        }
    }
    Ok(end)
}

/// The configurations of these names, or, if there are none, those for which `tier` says so.
pub(crate) fn choose(
    names: &[String],
    tier: impl Fn(&Configuration) -> bool,
) -> Result<Vec<Configuration>, Failure> {
    if names.is_empty() {
        let all = configuration::all().into_iter();
        return Ok(all.filter(tier).collect());
    }
    let all = configuration::with_mutants();
    let unknown: Vec<String> = names
        .iter()
        .filter(|wanted| !all.iter().any(|one| meant(wanted, &one.name)))
        .map(|wanted| unknown_name("configuration", wanted, all.iter().map(|one| &*one.name)))
        .collect();
    if !unknown.is_empty() {
        return Err(Failure::Input(unknown));
    }
    let wanted = |one: &Configuration| is_named(names, one);
    Ok(all.into_iter().filter(wanted).collect())
}

/// Whether somebody asked for it with `--config`.
fn is_named(names: &[String], configuration: &Configuration) -> bool {
    let mut names = names.iter();
    names.any(|wanted| meant(wanted, &configuration.name))
}

/// Whether `--config` means this name: itself, or with a / at its end all below it.
fn meant(wanted: &str, name: &str) -> bool {
    if wanted.ends_with('/') {
        name.starts_with(wanted)
    } else {
        name == wanted
    }
}

/// Says that there is no such name, and what it might have been.
pub(crate) fn unknown_name<'a>(
    kind: &str,
    wanted: &str,
    names: impl Iterator<Item = &'a str>,
) -> String {
    let common = |name: &str| {
        let pairs = name.bytes().zip(wanted.bytes());
        pairs.take_while(|(left, right)| left == right).count()
    };
    let nearest = names.max_by_key(|name| (common(name), usize::MAX - name.len()));
    let hint = match nearest {
        Some(name) if common(name) > 2 => format!("did you mean '{name}'? "),
        Some(_) | None => String::new(),
    };
    format!("no {kind} is called '{wanted}'; {hint}--list shows all")
}

fn list(asked: &Check, chosen: &[Configuration], screen: &mut Screen) -> Result<End, Failure> {
    if asked.json {
        screen.json(&document::list(chosen))?;
        return Ok(End::AsExpected);
    }
    for line in table::list(chosen, screen.width()) {
        screen.line(&line)?;
    }
    Ok(End::AsExpected)
}

fn explore(
    asked: &Check,
    chosen: &[Configuration],
    table: &Table,
    screen: &mut Screen,
) -> Result<(Vec<Outcome>, Coverage), Failure> {
    let mut outcomes = Vec::new();
    let mut coverage = Coverage::default();
    let ticker = screen.begin_progress();
    let mut budget = Budget::of(&asked.means);
    let kept = Kept::begin(asked)?;
    for (index, configuration) in chosen.iter().enumerate() {
        let mut outcome = match budget.options() {
            _ if kept.as_ref().is_some_and(Kept::is_interrupted) => {
                Outcome::skipped(configuration, "interrupted before")
            }
            None => Outcome::skipped(configuration, "the time was up"),
            Some(mut options) => {
                let saved = match &kept {
                    Some(kept) => kept.open(configuration, &mut options)?,
                    None => None,
                };
                let place = format!("[{}/{}] {}", index + 1, chosen.len(), configuration.name);
                let show = |now: &_| ticker.show(|| progress(&place, now));
                let counts = asked.coverage && configuration.expectation == Expectation::Holds;
                let found = if counts {
                    let (found, covered) = configuration.cover(&options, show);
                    coverage.add(covered);
                    found
                } else {
                    configuration.explore_from(&options, saved, show)
                };
                if let Some(failure) = &found.disk_failure {
                    screen.warn(failure);
                }
                if found.cut.is_none() {
                    kept.iter()
                        .try_for_each(|kept| kept.forget(configuration))?;
                }
                budget.spend(found.seconds_here);
                let holds = configuration.judge(&found) == Judgement::AsExpected;
                let options = budget.options().filter(|_| holds);
                let fates = options.and_then(|options| {
                    let place = format!("{place}, what must happen");
                    configuration.keep(&options, |now| ticker.show(|| progress(&place, now)))
                });
                budget.spend(fates.as_ref().map_or(0.0, |fates| fates.seconds));
                Outcome::of(configuration, found, fates)
            }
        };
        if let Some(directory) = &asked.counterexample {
            outcome.file = write(directory, &outcome)?;
        }
        if !asked.json {
            let text = table.row(&outcome, &screen.painter());
            screen.text(&text)?;
        }
        outcomes.push(outcome);
    }
    screen.end_progress();
    Ok((outcomes, coverage))
}

/// Writes the way to what was found, if something can be carried out again.
fn write(directory: &Path, outcome: &Outcome) -> Result<Option<String>, Failure> {
    let lasso = outcome.trace.as_ref().and_then(|way| way.lasso.as_ref());
    let (name, text) = match (lasso, outcome.counterexample()) {
        (Some(lasso), _) => (lasso.file_name(), lasso.to_json()?),
        (None, Some(example)) => (example.file_name(), example.to_json()?),
        (None, None) => return Ok(None),
    };
    let path = directory.join(name);
    fs::write(&path, text)
        .map_err(|error| Failure::input(format!("failed to write {}: {error}", path.display())))?;
    Ok(Some(path.display().to_string()))
}

/// Shows the way to what was found, if there is one.
fn show(outcome: &Outcome, screen: &mut Screen) -> Result<(), Failure> {
    let Some(trace) = &outcome.trace else {
        return Ok(());
    };
    let configuration = &outcome.configuration;
    let steps = trace.actions.len();
    let heading = match (&trace.lasso, trace.property) {
        (Some(lasso), _) => heading(configuration, "never keeps", &lasso.promise.name(), steps),
        (None, Some(property)) => heading(configuration, "violates", property.name(), steps),
        (None, None) => format!("{}: the way to what went wrong", configuration.name),
    };
    screen.line("")?;
    screen.line(&wrapped(&heading, screen.width()))?;
    screen.line(&wrapped(
        &format!("  {}", configuration.about),
        screen.width(),
    ))?;
    let story = match &trace.lasso {
        Some(lasso) => {
            let setup = lasso.setup();
            Story::of_lasso(&setup, &lasso.promise, &lasso.prefix, &lasso.cycle)
        }
        None => Story::of(&configuration.setup, &trace.actions),
    };
    match story {
        Ok(story) => screen.text(&timeline::layout(&story, screen.width(), &screen.painter()))?,
        Err(impossible) => {
            return Err(Failure::Bug(format!(
                "the trace of {} can't be carried out again from step {}",
                configuration.name,
                impossible.step + 1
            )));
        }
    }
    if let Some(file) = &outcome.file {
        screen.line(&format!("written to {file}"))?;
    }
    Ok(())
}

fn heading(configuration: &Configuration, verb: &str, what: &str, steps: usize) -> String {
    let must = match configuration.expectation {
        Expectation::Holds => ", and must not",
        Expectation::RuleBroken(_)
        | Expectation::AssumptionBroken(_)
        | Expectation::NeverHappens(_) => ", as it must",
    };
    format!(
        "{} {verb} {what}{must}: a shortest way, {} steps",
        configuration.name,
        amount::grouped(steps as u64)
    )
}
