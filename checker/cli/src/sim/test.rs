//! `ha-checker sim test`: cases, and what is expected of them.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lockstep_model::config::Profile;
use lockstep_sim::case::Case;
use lockstep_sim::{Ended, Options, file, run_watched};

use super::arguments::Test;
use super::{Stopwatch, told};
use crate::cases::{difference, printable, warning_lines};
use crate::failure::{End, Failure};
use crate::screen::Screen;

/// The file that makes a directory a case.
const COMMANDS: &str = "cmdlist";

/// The file that a log of profile `pve` is compared with. It, and those of the other profiles
/// (`log.PROFILE.expect`), are the only ones that are ever written.
const EXPECTATION: &str = "log.expect";

/// How deep cases are looked for below a directory.
const DEPTH_MAX: usize = 16;

/// The most cases that are looked for.
const CASES_MAX: usize = 100_000;

/// What came of a case.
struct Outcome {
    end: End,
    /// For standard output.
    text: String,
    /// For standard error.
    warnings: Vec<String>,
    complaint: Option<String>,
}

/// Runs cases and compares their logs.
pub(crate) fn run(asked: &Test, screen: &mut Screen) -> Result<End, Failure> {
    let mut cases = Vec::new();
    for directory in &asked.directories {
        let before = cases.len();
        find(directory, 0, &mut cases)?;
        if cases.len() == before {
            let shown = printable(&directory.display().to_string());
            let message = format!("{shown}: no case, expected a {COMMANDS} in it or below");
            return Err(Failure::input(message));
        }
    }
    let mut end = End::AsExpected;
    let mut passed = 0;
    judge_all(asked, &cases, |outcome| {
        passed += usize::from(outcome.end == End::AsExpected);
        end = end.and(outcome.end);
        show(&outcome, screen)
    })?;
    let tests = cases.len();
    screen.line(&format!("passed {passed} out of {tests} tests"))?;
    Ok(end)
}

/// The cases in and below a directory, in the order of their names.
fn find(directory: &Path, depth: usize, cases: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let wrong = |message: String| {
        let shown = directory.display();
        Failure::input(printable(&format!("{shown}: {message}")))
    };
    if fs::symlink_metadata(directory.join(COMMANDS)).is_ok() {
        if cases.len() >= CASES_MAX {
            return Err(wrong(format!("more than {CASES_MAX} cases")));
        }
        cases.push(directory.to_owned());
        return Ok(());
    }
    let unreadable = |error| wrong(format!("{error}, expected a directory with a {COMMANDS}"));
    let mut below = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        // Links are not followed: they may lead back.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            below.push(entry.path());
        }
    }
    if depth >= DEPTH_MAX && !below.is_empty() {
        return Err(wrong(format!("more than {DEPTH_MAX} directories deep")));
    }
    below.sort();
    below
        .iter()
        .try_for_each(|path| find(path, depth + 1, cases))
}

/// Hands on what comes of each case, in their order.
fn judge_all(
    asked: &Test,
    cases: &[PathBuf],
    mut hand_on: impl FnMut(Outcome) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get().min(2));
    let jobs = asked.jobs.map_or(cores, usize::from).min(cases.len());
    let (next, time) = (AtomicUsize::new(0), asked.limit.time());
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(number) else {
                        return;
                    };
                    let outcome = match asked.profile.into() {
                        Profile::Pve => judge(case, asked.update, time),
                        profile @ (Profile::Fast | Profile::Default | Profile::Conservative) => {
                            enforce(case, profile, asked.update, time)
                        }
                    };
                    // Nobody listens any more once the output can't be written.
                    if sender.send((number, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut number = 0;
        for (finished, outcome) in receiver {
            early.insert(finished, outcome);
            while let Some(outcome) = early.remove(&number) {
                hand_on(outcome)?;
                number += 1;
            }
        }
        Ok(())
    })
}

fn show(outcome: &Outcome, screen: &mut Screen) -> Result<(), Failure> {
    screen.flush()?;
    for warning in &outcome.warnings {
        screen.warn(warning);
    }
    if let Some(complaint) = &outcome.complaint {
        screen.complain(&printable(complaint));
    }
    screen.verbatim(&outcome.text)
}

fn judge(directory: &Path, update: bool, time: Duration) -> Outcome {
    let shown = directory.display();
    let mut warnings = Vec::new();
    let judged = catch_unwind(|| {
        let case = Case::read(directory).map_err(|error| (End::Usage, error.to_string()))?;
        let warnings: Vec<String> = case.warnings().flat_map(warning_lines).collect();
        let log = log_of(&case, time)
            .map_err(|message| (End::Truncated, format!("{shown}: {message}")))?;
        Ok((warnings, log))
    });
    let judged = judged
        .unwrap_or_else(|_| Err((End::Internal, format!("{shown}: an error in the simulator"))));
    let compared = judged.and_then(|(said, log)| {
        warnings = said;
        compare(&directory.join(EXPECTATION), &log, update)
    });
    outcome_of(compared, warnings)
}

fn outcome_of(compared: Result<(End, String), (End, String)>, warnings: Vec<String>) -> Outcome {
    let (end, text, complaint) = match compared {
        Ok((end, text)) => (end, text, None),
        Err((end, complaint)) => (end, String::new(), Some(complaint)),
    };
    Outcome {
        end,
        text,
        warnings,
        complaint,
    }
}

/// Runs a case under a profile of ours: what is judged is whether every property holds, and the log
/// if one is expected. An error of the simulation ends a case early, and is told.
fn enforce(directory: &Path, profile: Profile, update: bool, time: Duration) -> Outcome {
    let shown = directory.display();
    let judged = catch_unwind(|| {
        let case = Case::read(directory).map_err(|error| (End::Usage, error.to_string()))?;
        let mut warnings: Vec<String> = case.warnings().flat_map(warning_lines).collect();
        let options = Options {
            profile,
            until_seconds: None,
        };
        let stopwatch = Stopwatch::start(time);
        let (mut problem, mut log) = (String::new(), String::new());
        let run = run_watched(&case, &options, &mut |lines| {
            log.extend(lines.iter().map(|line| format!("{line}\n")));
            match stopwatch.check() {
                Ok(()) => ControlFlow::Continue(()),
                Err(message) => {
                    problem = message;
                    ControlFlow::Break(())
                }
            }
        });
        match run.ended {
            Ended::Regular => Ok((warnings, log)),
            Ended::Error(error) => {
                warnings.push(printable(&format!("{shown}: ended early: {error}")));
                Ok((warnings, log))
            }
            Ended::Violated => {
                let report = run.reports.last().map(told).unwrap_or_default();
                Err((End::Violated, format!("{shown}: {report}")))
            }
            Ended::Stopped => Err((End::Truncated, format!("{shown}: {problem}"))),
        }
    });
    let judged = judged
        .unwrap_or_else(|_| Err((End::Internal, format!("{shown}: an error in the simulator"))));
    let mut warnings = Vec::new();
    let compared = judged.and_then(|(said, log)| {
        warnings = said;
        let expectation = directory.join(format!("log.{}.expect", profile.name()));
        match update || fs::symlink_metadata(&expectation).is_ok() {
            true => compare(&expectation, &log, update),
            false => Ok((End::AsExpected, String::new())),
        }
    });
    outcome_of(compared, warnings)
}

/// The whole log of a case, if it is neither too long nor too slow.
fn log_of(case: &Case, time: Duration) -> Result<String, String> {
    let stopwatch = Stopwatch::start(time);
    let mut log = String::new();
    let mut problem = String::new();
    let run = run_watched(case, &Options::default(), &mut |lines| {
        for line in lines {
            log.push_str(&format!("{line}\n"));
        }
        if log.len() as u64 > file::BYTES_MAX {
            let most = file::BYTES_MAX >> 20;
            problem = format!("a log of more than {most} MiB");
            return ControlFlow::Break(());
        }
        if let Err(message) = stopwatch.check() {
            problem = message;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    match run.ended {
        Ended::Regular | Ended::Error(_) | Ended::Violated => Ok(log),
        Ended::Stopped => Err(problem),
    }
}

/// Whether a log is as expected, with what there is to show; otherwise a complaint.
fn compare(path: &Path, log: &str, update: bool) -> Result<(End, String), (End, String)> {
    let shown = path.display().to_string();
    let broken = |error: file::FileError| {
        let line = error.line().map(|line| format!(":{line}"));
        let message = format!("{shown}{}: {error}", line.unwrap_or_default());
        (End::Usage, message)
    };
    let expected = file::read(path).map_err(broken)?;
    if expected.as_deref() == Some(log) {
        return Ok((End::AsExpected, String::new()));
    }
    if update {
        file::write(path, log).map_err(broken)?;
        return Ok((End::AsExpected, format!("{shown}: written\n")));
    }
    match expected {
        Some(expected) => {
            let text = difference(&expected, log, &shown, "log");
            Ok((End::Violated, text))
        }
        None => {
            let message = format!("{shown}: isn't there, expected the log; --update writes it");
            Err((End::Violated, message))
        }
    }
}
