//! The simulator: a whole cluster from a case directory, its log line by line.
//!
//! A case says which nodes and services there are and what happens to them when
//! (`simulator.md`). The simulator owns the *schedule*: the virtual clock, whose turn it is, what
//! is read when and answered at once; and what surrounds the daemons: power, network, locks,
//! watchdogs, guests. Every decision is the machines' in `lockstep-model`. It knows no other clock
//! than its own: who runs it may stop it, see [`run_watched`].
//!
//! Under the own profiles the same cases run on the machines that the daemons run, see `own`.
//!
//! Start reading at [`run`]; [`case`] has the input, `cluster` the state, `schedule` the loop.

mod agent;
mod asked;
pub mod case;
mod cluster;
mod command;
mod crm_round;
pub mod effects;
pub mod end;
pub mod file;
mod guests;
mod locks;
pub mod log;
mod lrm_round;
mod own;
mod power;
mod schedule;
mod view;
pub mod watch;

use std::ops::ControlFlow;

use case::Case;
use end::End;
use lockstep_model::config::Profile;
use log::Line;
use watch::Report;

/// How a simulation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// At the end of its commands, or where [`Options`] say.
    Regular,
    /// With an error of the simulation, which is the last line of the log too.
    Error(String),
    /// With a property that didn't hold under an own profile: the last report. There is no last
    /// line.
    Violated,
    /// Because who watched it didn't want more. There is no last line.
    Stopped,
}

/// How far a simulation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The timing and the rules: the reference's rounds under `pve`, and under the own profiles the
    /// machines that the daemons run, with every property enforced.
    pub profile: Profile,
    /// Ends in the regular way as soon as the hardware's clock has reached so many seconds at the
    /// end of a loop; the commands of that moment are not executed any more.
    pub until_seconds: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: Profile::Pve,
            until_seconds: None,
        }
    }
}

/// What came out of a simulation beside its log.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// The properties that didn't hold on the way.
    pub reports: Vec<Report>,
    /// Where it left its cluster, if there ever was one.
    pub end: Option<End>,
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
    let Outcome { ended, reports, .. } = run_watched(case, &Options::default(), &mut |lines| {
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

/// Runs a case, and hands every line on when it is said.
///
/// `watch` is called at least after each daemon's turn and each command with what was said, which may be
/// nothing, so that it can also look at a clock; [`ControlFlow::Break`] stops the simulation. What
/// is held back between two calls is bounded by [`case::SERVICES_MAX`] and [`case::QUEUE_MAX`].
pub fn run_watched(
    case: &Case,
    options: &Options,
    watch: &mut dyn FnMut(&[Line]) -> ControlFlow<()>,
) -> Outcome {
    match options.profile {
        Profile::Pve if case.faults.is_some() => own::refuse(watch),
        Profile::Pve => schedule::run(case, options, watch),
        profile @ (Profile::Fast | Profile::Default | Profile::Conservative) => {
            own::run(case, profile, options, watch)
        }
    }
}
