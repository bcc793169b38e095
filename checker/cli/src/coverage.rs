//! `ha-checker coverage`: what searches see of the state machines, and which fault happens when.

use std::fs;
use std::path::{Path, PathBuf};

use lockstep_explore::configuration::{Configuration, Expectation, Judgement};
use lockstep_explore::coverage::diagram::Machine;
use lockstep_explore::coverage::pairs::Phase;
use lockstep_explore::coverage::{Coverage, Standing, document, figures};
use lockstep_world::Fault;

use crate::amount::grouped;
use crate::arguments;
use crate::budget::Budget;
use crate::check::{choose, progress};
use crate::failure::{End, Failure};
use crate::screen::Screen;

/// Explores what was asked for, and counts.
pub(crate) fn run(asked: &arguments::Coverage, screen: &mut Screen) -> Result<End, Failure> {
    let whole = asked.config.is_empty();
    let mut chosen = choose(&asked.config, |one| asked.tier.includes(one.tier))?;
    chosen.retain(|one| one.expectation == Expectation::Holds);
    let (coverage, mut end) = match asked.figures.is_empty() {
        true => explore(asked, &chosen, screen)?,
        false => (read(&asked.figures, &chosen)?, End::AsExpected),
    };
    for machine in Machine::ALL {
        screen.text(&edges(&coverage, machine))?;
    }
    screen.text(&pairs(&coverage))?;
    let wrong = coverage.wrong(whole && end == End::AsExpected);
    for line in &wrong {
        screen.complain(line);
        end = end.and(End::Violated);
    }
    if let Some(directory) = &asked.document {
        write(directory, &coverage)?;
    }
    Ok(end)
}

fn explore(
    asked: &arguments::Coverage,
    chosen: &[Configuration],
    screen: &mut Screen,
) -> Result<(Coverage, End), Failure> {
    let mut coverage = Coverage::default();
    let mut end = End::AsExpected;
    let mut budget = Budget::of(&asked.means);
    let ticker = screen.begin_progress();
    for (index, configuration) in chosen.iter().enumerate() {
        let Some(options) = budget.options() else {
            screen.warn(&format!("{}: the time was up", configuration.name));
            end = end.and(End::Truncated);
            continue;
        };
        let place = format!("[{}/{}] {}", index + 1, chosen.len(), configuration.name);
        let (found, covered) = configuration.cover(&options, |now| {
            ticker.show(|| progress(&place, now));
        });
        budget.spend(found.seconds_here);
        let judgement = configuration.judge(&found);
        if judgement == Judgement::Truncated {
            screen.warn(&format!("{}: a limit was reached", configuration.name));
            end = end.and(End::Truncated);
        } else if judgement != Judgement::AsExpected {
            screen.complain(&format!("{}: {judgement:?}", configuration.name));
            end = end.and(End::Violated);
        }
        coverage.add(covered);
    }
    screen.end_progress();
    let states = coverage.each.iter().map(|one| one.states).sum();
    screen.line(&format!(
        "{} configurations, {} states",
        coverage.each.len(),
        grouped(states)
    ))?;
    Ok((coverage, end))
}

/// What earlier runs counted of these configurations: of each in the first file that has it.
fn read(files: &[PathBuf], chosen: &[Configuration]) -> Result<Coverage, Failure> {
    let mut known = Vec::new();
    for path in files {
        let wrong = |why: &str| Failure::input(format!("{}: {why}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
        known.extend(figures::read(&text).map_err(|why| wrong(&why))?.each);
    }
    let mut coverage = Coverage::default();
    for configuration in chosen {
        let covered = known.iter().find(|one| one.name == configuration.name);
        let covered = covered
            .ok_or_else(|| Failure::input(format!("{} stands in no file", configuration.name)))?;
        coverage.add(covered.clone());
    }
    Ok(coverage)
}

/// A machine's edges: how often each was taken and where first, or why not.
fn edges(coverage: &Coverage, machine: Machine) -> String {
    let states = machine.states();
    let name = |edge: &_| -> String {
        let edge: &lockstep_explore::coverage::diagram::Edge = edge;
        format!("{} → {}", states[edge.from], states[edge.to])
    };
    let all: Vec<_> = machine.edges().collect();
    let widest = all.iter().map(|edge| name(edge).chars().count());
    let width = widest.max().unwrap_or(0);
    let taken = all
        .iter()
        .filter(|edge| matches!(coverage.edge(edge), Standing::Met(_)));
    let mut text = format!(
        "\n{}: {} of {} edges taken\n",
        machine.title(),
        taken.count(),
        all.len()
    );
    for edge in &all {
        let (count, note) = match coverage.edge(edge) {
            Standing::Met(count) => (grouped(count), coverage.first(edge).unwrap_or_default()),
            Standing::Explained(reason) => ("-".to_owned(), reason),
            Standing::Missing => ("-".to_owned(), "MISSING"),
            Standing::Contradicted(count, reason) => (grouped(count), reason),
        };
        text.push_str(&format!("  {:<width$}  {count:>13}  {note}\n", name(edge)));
    }
    text
}

/// Which fault meets a service in which phase, with layers and numbers of hosts.
fn pairs(coverage: &Coverage) -> String {
    let row = |name: &str, cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:<20}")).collect();
        let line = format!("  {name:<16}  {}", cells.join(" "));
        format!("{}\n", line.trim_end())
    };
    let phases = Phase::ALL.map(|phase| phase.name().to_owned());
    let mut text = format!("\n{}", row("fault", &phases));
    for fault in Fault::ALL.iter().copied() {
        let cells = Phase::ALL.map(|phase| match coverage.pair(fault, phase) {
            Standing::Met(_) | Standing::Contradicted(..) => {
                document::places(&coverage.places(fault, phase))
            }
            Standing::Explained(_) => "-".to_owned(),
            Standing::Missing => "MISSING".to_owned(),
        });
        text.push_str(&row(fault.name(), &cells));
    }
    text
}

/// Writes the document, its figures and its pictures.
fn write(directory: &Path, coverage: &Coverage) -> Result<(), Failure> {
    for (name, content) in document::files(coverage) {
        let path = directory.join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, content))
            .map_err(|error| {
                Failure::input(format!("{}: failed to write: {error}", path.display()))
            })?;
    }
    Ok(())
}
