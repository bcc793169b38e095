//! The simulator: a whole cluster from a case directory, its log line by line.
//!
//! A case says which nodes and services there are and what happens to them when
//! (`simulator.md`). The simulator owns the *schedule*: the virtual clock, whose turn it is, what
//! is read when and answered at once; and what surrounds the daemons: power, network, locks,
//! watchdogs, guests. Every decision is the machines' in `lockstep-model`. It knows no other clock
//! than its own: who runs it may stop it, see [`run_watched`].
//!
//! Start reading at [`run`]; [`case`] has the input, `cluster` the state, `schedule` the loop.

mod agent;
pub mod case;
mod cluster;
mod command;
mod crm_round;
pub mod file;
mod guests;
mod locks;
pub mod log;
mod lrm_round;
mod power;
mod schedule;
mod view;
pub mod watch;

use std::ops::ControlFlow;

use case::Case;
use log::Line;
use watch::Report;

/// How a simulation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// At the end of its commands, or where [`Options`] say.
    Regular,
    /// With an error of the simulation, which is the last line of the log too.
    Error(String),
    /// Because who watched it didn't want more. There is no last line.
    Stopped,
}

/// How far a simulation goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Ends in the regular way as soon as the hardware's clock has reached so many seconds at the
    /// end of a loop; the commands of that moment are not executed any more.
    pub until_seconds: Option<u64>,
}

/// What came out of a simulation beside its log.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// The properties that didn't hold on the way.
    pub reports: Vec<Report>,
}

/// A simulation's log and end.
#[derive(Clone, Debug)]
pub struct Run {
    /// Every line, ended by a line feed.
    pub log: String,
    /// How it ended.
    pub ended: Ended,
    /// The properties that didn't hold on the way.
    pub reports: Vec<Report>,
}

/// Runs a case to its end under profile `pve`.
#[must_use]
pub fn run(case: &Case) -> Run {
    let mut log = String::new();
    let Outcome { ended, reports } = run_watched(case, &Options::default(), &mut |lines| {
        for line in lines {
            log.push_str(&format!("{line}\n"));
        }
        ControlFlow::Continue(())
    });
    Run {
        log,
        ended,
        reports,
    }
}

/// Runs a case under profile `pve`, and hands every line on when it is said.
///
/// `watch` is called after each daemon's turn and each command with what was said, which may be
/// nothing, so that it can also look at a clock; [`ControlFlow::Break`] stops the simulation. What
/// is held back between two calls is bounded by [`case::SERVICES_MAX`] and [`case::QUEUE_MAX`].
pub fn run_watched(
    case: &Case,
    options: &Options,
    watch: &mut dyn FnMut(&[Line]) -> ControlFlow<()>,
) -> Outcome {
    schedule::run(case, options, watch)
}
