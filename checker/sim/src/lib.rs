//! The simulator: a whole cluster from a case directory, its log line by line.
//!
//! A case says which nodes and services there are and what happens to them when
//! (`simulator.md`). The simulator owns the *schedule*: the virtual clock, whose turn it is, what
//! is read when and answered at once; and what surrounds the daemons: power, network, locks,
//! watchdogs, guests. Every decision is the machines' in `lockstep-model`.
//!
//! Start reading at [`run`]; [`case`] has the input, `cluster` the state, `schedule` the loop.

mod agent;
pub mod case;
mod cluster;
mod command;
mod crm_round;
mod guests;
mod locks;
pub mod log;
mod lrm_round;
mod power;
mod schedule;
mod view;
pub mod watch;

use case::Case;
use log::Log;
use watch::Report;

/// How a simulation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// At the end of its commands.
    Regular,
    /// With an error of the simulation, which is the last line of the log too.
    Error(String),
}

/// A simulation's log and end.
#[derive(Clone, Debug)]
pub struct Run {
    /// Every line.
    pub log: Log,
    /// How it ended.
    pub ended: Ended,
    /// The properties that didn't hold on the way.
    pub reports: Vec<Report>,
}

/// Runs a case to its end under profile `pve`.
#[must_use]
pub fn run(case: &Case) -> Run {
    schedule::Simulation::new(case).run()
}
