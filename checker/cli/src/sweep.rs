//! `ha-checker sweep`: the margin's formula against the search.

use std::fs;
use std::num::NonZeroUsize;
use std::thread;

use lockstep_explore::sweep::{Answer, Point, plot, sweep};
use lockstep_model::config::Kappa;

use crate::amount;
use crate::arguments::Sweep;
use crate::failure::{End, Failure};
use crate::screen::Screen;

/// Searches every point and compares.
pub(crate) fn run(asked: &Sweep, screen: &mut Screen) -> Result<End, Failure> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let answers = sweep(&Point::all(), cores.min(2))
        .map_err(|(point, why)| Failure::Bug(format!("no verdict for {point:?}: {why}")))?;
    for kappa in [Kappa::One, Kappa::Three] {
        let of_kappa = answers.iter().filter(|answer| answer.point.kappa == kappa);
        screen.line(&summary(kappa, &of_kappa.collect::<Vec<_>>()))?;
    }
    let mut end = End::AsExpected;
    for answer in answers.iter().filter(|answer| !answer.agrees()) {
        end = End::Violated;
        let said = match answer.violated {
            true => "the search finds a double run where the formula says safe",
            false => "the search finds nothing where the formula says unsafe",
        };
        screen.line(&format!("{said}: {:?}", answer.point))?;
    }
    if let Some(path) = &asked.plot {
        fs::write(path, plot(&answers)).map_err(|error| {
            Failure::input(format!("{}: failed to write: {error}", path.display()))
        })?;
    }
    Ok(end)
}

fn summary(kappa: Kappa, answers: &[&Answer]) -> String {
    let violated = answers.iter().filter(|answer| answer.violated).count();
    let states = answers.iter().map(|answer| answer.states).sum();
    format!(
        "κ = {}: {} timings, {violated} with a double run, {} without; {} states",
        kappa.factor(),
        answers.len(),
        answers.len() - violated,
        amount::grouped(states),
    )
}
