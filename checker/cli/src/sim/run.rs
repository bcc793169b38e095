//! `ha-checker sim run`: one case, its log as it comes.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use lockstep_sim::case::Case;
use lockstep_sim::log::{Line, level_name};
use lockstep_sim::{Ended, Options, Outcome, run_watched};
use serde::Serialize;

use super::arguments::Run;
use super::{Stopwatch, told};
use crate::cases::{printable, warning_lines};
use crate::failure::{End, Failure};
use crate::screen::Screen;

/// A line of the log. The level's name is in full, whoever says it.
#[derive(Serialize)]
struct LineDocument<'a> {
    level: &'static str,
    seconds: u64,
    source: &'a str,
    message: &'a str,
}

/// The last document.
#[derive(Serialize)]
struct EndDocument<'a> {
    ended: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    exit_code: u8,
}

/// Runs a case.
pub(crate) fn run(asked: &Run, screen: &mut Screen) -> Result<End, Failure> {
    let case = Case::read(&asked.directory)
        .map_err(|error| Failure::input(printable(&error.to_string())))?;
    for warning in case.warnings().flat_map(warning_lines) {
        screen.warn(&warning);
    }
    let options = Options {
        profile: asked.profile.into(),
        until_seconds: asked.until,
    };
    let stopwatch = Stopwatch::start(asked.limit.time());
    let (mut written, mut time) = (Ok(()), Ok(()));
    let mut last = Last::default();
    let Outcome { ended, reports, .. } = run_watched(&case, &options, &mut |lines| {
        written = show(lines, asked.json, screen);
        last.keep(lines);
        time = stopwatch.check();
        match written.is_ok() && time.is_ok() {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    written?;
    if !reports.is_empty() {
        screen.flush()?;
    }
    if ended != Ended::Violated {
        for report in &reports {
            screen.warn(&printable(&told(report)));
        }
    }
    let violated = ended == Ended::Violated;
    let (name, error, end) = match ended {
        Ended::Regular => ("regular", None, End::AsExpected),
        Ended::Error(error) => ("error", Some(error), End::Violated),
        // Nothing that was asked is wrong; but 1 says that the simulation is.
        Ended::Violated => ("violated", reports.last().map(told), End::Usage),
        Ended::Stopped => ("stopped", time.err(), End::Truncated),
    };
    if asked.json {
        let document = EndDocument {
            ended: name,
            error: error.as_deref(),
            exit_code: end.code(),
        };
        screen.verbatim(&format!("{}\n", serde_json::to_string(&document)?))?;
    }
    if let Some(error) = error {
        screen.flush()?;
        let directory = asked.directory.display();
        screen.complain(&printable(&format!("{directory}: {error}")));
    }
    if violated {
        last.show(screen);
    }
    Ok(end)
}

/// How many lines are shown again when a property doesn't hold.
const LAST: usize = 30;

/// The last lines of a log.
#[derive(Default)]
struct Last(VecDeque<String>);

impl Last {
    fn keep(&mut self, lines: &[Line]) {
        for line in lines {
            if self.0.len() == LAST {
                self.0.pop_front();
            }
            self.0.push_back(printable(&line.to_string()));
        }
    }

    fn show(self, screen: &Screen) {
        for line in self.0 {
            screen.warn(&format!("before that: {line}"));
        }
    }
}

fn show(lines: &[Line], json: bool, screen: &mut Screen) -> Result<(), Failure> {
    for line in lines {
        let text = match json {
            false => line.to_string(),
            true => serde_json::to_string(&LineDocument {
                level: level_name(line.level),
                seconds: line.seconds,
                source: &line.source,
                message: &line.message,
            })?,
        };
        screen.verbatim(&format!("{text}\n"))?;
    }
    Ok(())
}
