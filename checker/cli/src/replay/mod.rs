//! `ha-checker replay`: counterexamples and journals, carried out again.
//!
//! Which of the two a file is, the field `format` of its first document says: a counterexample has
//! a name there, a journal's header a number.

mod case;
mod journal;
mod lines;

use std::fs::{self, File};
use std::io::{BufReader, Read as _};
use std::panic;
use std::path::Path;

use lockstep_explore::configuration::Configuration;
use lockstep_explore::counterexample::{
    ACTIONS_MAX, BYTES_MAX, Counterexample, Malformed, Replay as Replayed, action_text,
    mutant_names,
};
use lockstep_explore::lasso::{self, Lasso};
use lockstep_explore::picture::picture;
use lockstep_explore::timeline;
use lockstep_model::mutation::Mask;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::amount;
use crate::arguments::Replay;
use crate::failure::{End, Failure};
use crate::screen::Screen;
use lines::Lines;

/// Why a file is not carried out again, or not as it says: the place in it and what is wrong.
pub(crate) struct Trouble {
    /// The line, from 1; 0 where it is about the whole.
    line: u64,
    message: String,
    end: End,
}

impl Trouble {
    /// The file is broken.
    fn broken(line: u64, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            line,
            message,
            end: End::Usage,
        }
    }

    /// The file is whole, but what it says doesn't happen.
    fn differs(line: u64, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            line,
            message,
            end: End::Violated,
        }
    }
}

impl From<Malformed> for Trouble {
    fn from(malformed: Malformed) -> Self {
        Self::broken(malformed.line as u64, malformed.message)
    }
}

/// Carries out every file again.
pub(crate) fn run(asked: &Replay, screen: &mut Screen) -> Result<End, Failure> {
    let mut end = End::AsExpected;
    if (asked.picture.is_some() || asked.to_case.is_some()) && asked.files.len() > 1 {
        let message = "--picture and --to-case are for one file, several were given";
        return Err(Failure::input(message));
    }
    for path in &asked.files {
        let name = path.display().to_string();
        match quietly(|| one(path)) {
            Ok(Again {
                headline,
                story,
                as_stated,
                example,
            }) => {
                if let Some(file) = &asked.picture {
                    draw(file, example.as_ref())?;
                }
                screen.line(&format!("{name}: {headline}"))?;
                if let Some(directory) = &asked.to_case {
                    end = end.and(convert(directory, example.as_ref(), screen)?);
                }
                if let Some(story) = story.filter(|_| !asked.quiet) {
                    let text = timeline::layout(&story, screen.width(), &screen.painter());
                    screen.text(&text)?;
                }
                if !as_stated {
                    end = end.and(End::Violated);
                }
            }
            Err(trouble) => {
                screen.flush()?;
                screen.complain(&match trouble.line {
                    0 => format!("{name}: {}", trouble.message),
                    line => format!("{name}:{line}: {}", trouble.message),
                });
                end = end.and(trouble.end);
            }
        }
    }
    Ok(end)
}

/// Makes a case of a counterexample.
fn convert(
    directory: &Path,
    example: Option<&Counterexample>,
    screen: &mut Screen,
) -> Result<End, Failure> {
    let Some(example) = example else {
        return Err(Failure::input(
            "--to-case converts runs that break a property, not lassos or journals",
        ));
    };
    let shown = directory.display();
    match case::of(example) {
        Ok(files) => {
            case::write(directory, &files)
                .map_err(|error| Failure::input(format!("{shown}: failed to write: {error}")))?;
            let verdict = case::verdict(directory).map_err(Failure::Bug)?;
            screen.line(&format!("{shown}: written; {verdict}"))?;
            Ok(End::AsExpected)
        }
        Err(missing) => {
            screen.flush()?;
            screen.complain(&format!("{shown}: not written: {missing}"));
            Ok(End::Violated)
        }
    }
}

/// Draws a counterexample into a file.
fn draw(file: &Path, example: Option<&Counterexample>) -> Result<(), Failure> {
    let Some(picture) = example.and_then(picture) else {
        return Err(Failure::input(
            "--picture draws runs that break a property, not lassos or journals",
        ));
    };
    fs::write(file, picture)
        .map_err(|error| Failure::input(format!("{}: failed to write: {error}", file.display())))
}

/// A file that could be carried out again.
struct Again {
    headline: String,
    story: Option<timeline::Story>,
    as_stated: bool,
    /// What it is, if it is no journal.
    example: Option<Counterexample>,
}

/// What a file's first document says of it.
#[derive(Deserialize)]
struct Probe {
    format: Kind,
}

/// What the field `format` can be.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kind {
    Journal(#[expect(dead_code, reason = "only its type matters")] u32),
    Counterexample(String),
}

fn one(path: &Path) -> Result<Again, Trouble> {
    let cannot = |error: std::io::Error| Trouble::broken(0, format!("failed to read: {error}"));
    let file = File::open(path).map_err(cannot)?;
    if file.metadata().map_err(cannot)?.is_dir() {
        return Err(Trouble::broken(0, "a directory, expected a file"));
    }
    let mut lines = Lines::new(BufReader::new(file));
    let first = lines.next_line()?.unwrap_or_default();
    if let Ok(Probe {
        format: Kind::Journal(_),
    }) = serde_json::from_str(&first)
        && first.trim_start().starts_with('{')
    {
        let headline = journal::replay(&first, &mut lines)?;
        return Ok(Again {
            headline,
            story: None,
            as_stated: true,
            example: None,
        });
    }
    let mut text = first.into_bytes();
    if !lines.is_torn() {
        text.push(b'\n');
    }
    let limit = (BYTES_MAX + 1).saturating_sub(text.len()) as u64;
    lines
        .into_inner()
        .take(limit)
        .read_to_end(&mut text)
        .map_err(cannot)?;
    let text = String::from_utf8(text).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Trouble::broken(line as u64, "not UTF-8, expected JSON")
    })?;
    document(&text)
}

/// A file of one document, which can only be a counterexample.
fn document(text: &str) -> Result<Again, Trouble> {
    let neither = |what: &str| {
        let expected = "expected a counterexample or a journal";
        Err(Trouble::broken(0, format!("{what}, {expected}")))
    };
    if text.trim().is_empty() {
        return neither("empty");
    }
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        // The end of a text with its last line ended is on the line after that.
        let line = error.line().min(text.lines().count()) as u64;
        let how = if error.is_eof() {
            "ends too early"
        } else {
            "not JSON"
        };
        let message = format!("{how}: {}", without_place(&error));
        return Err(Trouble::broken(line, message));
    }
    // serde takes a list for an object whose fields are in order.
    if !text.trim_start().starts_with('{') {
        return neither("JSON, but no object");
    }
    match serde_json::from_str(text) {
        Ok(Probe {
            format: Kind::Counterexample(name),
        }) if name == lasso::FORMAT => round(text),
        Ok(Probe {
            format: Kind::Counterexample(_),
        }) => counterexample(text),
        Ok(Probe {
            format: Kind::Journal(_),
        }) => Err(Trouble::broken(
            1,
            "a journal's header over several lines, expected one document a line",
        )),
        Err(_) => Err(Trouble::broken(
            0,
            "neither a counterexample nor a journal: expected a field 'format' that says which",
        )),
    }
}

/// serde_json ends its messages with the place, which stands at the beginning of ours.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let what = message.split(" at line ").next();
    what.unwrap_or_default().to_owned()
}

/// A configuration, with the rules broken in it if they aren't its own.
fn under(configuration: &Configuration, mutants: Mask) -> String {
    let name = &configuration.name;
    let names: Vec<&str> = mutant_names(&mutants).collect();
    if mutants == configuration.mutants {
        name.clone()
    } else if names.is_empty() {
        format!("{name} with every rule kept")
    } else {
        format!("{name} with {}", names.join(", "))
    }
}

/// A run that goes round for ever.
fn round(text: &str) -> Result<Again, Trouble> {
    let lasso = Lasso::from_json(text)?;
    let under = under(&lasso.configuration, lasso.mutants);
    let promise = lasso.promise.name();
    let (prefix, cycle) = (lasso.prefix.len(), lasso.cycle.len());
    let steps = format!("{prefix} steps and {cycle} that repeat");
    match lasso.replay() {
        lasso::Replay::AsStated(story) => Ok(Again {
            headline: format!("{under} never keeps {promise} in {steps}, as stated"),
            story: Some(story),
            as_stated: true,
            example: None,
        }),
        lasso::Replay::Differs(story, why) => Ok(Again {
            headline: format!("{under}, {steps}: NOT AS STATED: {why}"),
            story: Some(story),
            as_stated: false,
            example: None,
        }),
        lasso::Replay::Impossible(impossible) => Err(Trouble::differs(
            0,
            format!(
                "action {} of {} can't happen there: {}",
                impossible.step + 1,
                prefix + cycle,
                action_text(&impossible.action)
            ),
        )),
    }
}

fn counterexample(text: &str) -> Result<Again, Trouble> {
    let example = Counterexample::from_json(text)?;
    let property = example.property.name();
    let under = under(&example.configuration, example.mutants);
    let steps = amount::grouped(example.actions.len().min(ACTIONS_MAX) as u64);
    let replayed = example.replay();
    let again = |headline, story, as_stated| Again {
        headline,
        story: Some(story),
        as_stated,
        example: Some(example.clone()),
    };
    match replayed {
        Replayed::AsStated(story) => {
            let headline = format!("{under} violates {property} after {steps} steps, as stated");
            Ok(again(headline, story, true))
        }
        Replayed::NotBroken(story) => {
            let headline = format!("{under} DOESN'T VIOLATE {property} after {steps} steps");
            Ok(again(headline, story, false))
        }
        Replayed::Impossible(impossible) => Err(Trouble::differs(
            0,
            format!(
                "action {} of {steps} can't happen there: {}",
                impossible.step + 1,
                action_text(&impossible.action)
            ),
        )),
    }
}

/// A machine that is fed what can't be has assertions. Here that is a finding about the file.
fn quietly<T>(work: impl FnOnce() -> Result<T, Trouble> + panic::UnwindSafe) -> Result<T, Trouble> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let outcome = panic::catch_unwind(work);
    panic::set_hook(hook);
    outcome.unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        let message = message.replace('\n', " ");
        Err(Trouble::differs(0, format!("a machine panics: {message}")))
    })
}
