//! `ha-checker sim`: what becomes of a cluster, and whether it is what is expected.

pub(crate) mod arguments;
mod run;
mod test;

use std::time::Duration;

use lockstep_sim::watch::Report;

use crate::failure::{End, Failure};
use crate::screen::Screen;
use arguments::{Sim, SimCommand};

/// Carries out what is asked.
pub(crate) fn run(asked: &Sim, screen: &mut Screen) -> Result<End, Failure> {
    match &asked.command {
        SimCommand::Run(asked) => run::run(asked, screen),
        SimCommand::Test(asked) => test::run(asked, screen),
    }
}

/// How long a person waits for a case.
#[expect(
    clippy::disallowed_types,
    reason = "a person's time, which no decision rests on"
)]
pub(crate) struct Stopwatch {
    started: std::time::Instant,
    most: Duration,
}

impl Stopwatch {
    #[expect(
        clippy::disallowed_types,
        reason = "a person's time, which no decision rests on"
    )]
    pub(crate) fn start(most: Duration) -> Self {
        Self {
            started: std::time::Instant::now(),
            most,
        }
    }

    /// What is wrong, once the time is up.
    pub(crate) fn check(&self) -> Result<(), String> {
        let most = self.most;
        match self.started.elapsed() < most {
            true => Ok(()),
            false => Err(format!(
                "not at its end after {most:?}; --time gives it more"
            )),
        }
    }
}

/// Profile `pve` breaks some properties, and people do; that is told, and the run goes on.
fn told(report: &Report) -> String {
    let Report {
        property,
        seconds,
        what,
    } = report;
    format!("{property} doesn't hold at {seconds} s: {what}")
}
