//! A process that runs jobs with one mutant after the other switched on.
//!
//! It is built with the instrumented model. Each line on its standard input asks for one job, each
//! line on its standard output answers. Whatever a mutant does to it, the campaign goes on with
//! another.

use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::job::{Allowance, Job, Result};

/// The switch of the instrumented model.
#[derive(Clone, Copy, Debug)]
pub struct Switch {
    /// Switches a mutant on, by its number; 0 switches all off.
    pub select: fn(u32),
    /// Forgets what was noted.
    pub forget: fn(),
    /// Whether a mutant's place was reached, and whether it would have made a difference.
    pub noted: fn(u32) -> (bool, bool),
}

/// What is asked of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The mutant; 0 for none.
    pub mutant: u32,
    /// What is run.
    pub job: Job,
    /// What it may use.
    pub allowance: Allowance,
    /// With none switched on: how many mutants there are, to say which of them matter.
    pub mutants: u32,
}

/// What a worker answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// What came of it.
    pub result: Result,
    /// With none switched on, the mutants whose places were reached,
    pub reached: Vec<u32>,
    /// and those of them that would have made a difference.
    pub matter: Vec<u32>,
}

/// The process: answers until nothing more is asked.
pub fn main(switch: &Switch) -> ExitCode {
    // What a mutant breaks ends in panics; nobody reads them.
    std::panic::set_hook(Box::new(|_| ()));
    match answer_all(switch) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer_all(switch: &Switch) -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let answer = answer(switch, &request);
        let mut out = io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
        out.flush()?;
    }
    Ok(())
}

fn answer(switch: &Switch, request: &Request) -> Answer {
    (switch.select)(request.mutant);
    (switch.forget)();
    let result = request.job.run(Path::new("."), &request.allowance);
    let noted = (1..=request.mutants).filter(|_| request.mutant == 0);
    let noted: Vec<(u32, (bool, bool))> = noted.map(|id| (id, (switch.noted)(id))).collect();
    let of = |which: fn(&(bool, bool)) -> bool| {
        let chosen = noted.iter().filter(|(_, noted)| which(noted));
        chosen.map(|(id, _)| *id).collect()
    };
    Answer {
        result,
        reached: of(|(reached, _)| *reached),
        matter: of(|(_, matters)| *matters),
    }
}
