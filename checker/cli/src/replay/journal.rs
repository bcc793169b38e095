//! Journals of the daemons.

use std::io::BufRead;

use lockstep_explore::counterexample::action_text;
use lockstep_model::config::Config;
use lockstep_model::journal::{self, Difference, Entry, FORMAT, Header, Kind, LIMIT_REACHED};

use super::lines::Lines;
use super::{Trouble, without_place};
use crate::amount;

/// Feeds a journal's inputs to its machine and compares the effects. Says in a sentence what it
/// was.
pub(super) fn replay<R: BufRead>(first: &str, lines: &mut Lines<R>) -> Result<String, Trouble> {
    let header: Header = serde_json::from_str(first).map_err(|error| {
        let message = format!("no journal's header: {}", without_place(&error));
        Trouble::broken(1, message)
    })?;
    if lines.is_torn() {
        let message =
            "a journal's header without the end of its line: nothing was written after it";
        return Err(Trouble::broken(1, message));
    }
    let config = &header.config;
    if let Err(broken) = Config::new(config.timing().clone(), config.services.clone()) {
        let first = broken.first().map(ToString::to_string).unwrap_or_default();
        let message = format!("no daemon runs on this timing: {first}");
        return Err(Trouble::broken(1, message));
    }
    let mut trouble = None;
    let entries = std::iter::from_fn(|| match entry(lines) {
        Ok(entry) => entry,
        Err(found) => {
            trouble = Some(found);
            None
        }
    });
    let replayed = journal::replay(&header, entries);
    if let Some(trouble) = trouble {
        return Err(trouble);
    }
    let steps = replayed.map_err(|difference| differs(&header, &difference))?;
    let torn = if lines.is_torn() {
        "; its torn last line is left out"
    } else {
        ""
    };
    let machine = machine(&header.machine);
    let replays = match steps {
        0 => "has no steps yet, only a header".to_owned(),
        1 => "replays, 1 step".to_owned(),
        _ => format!("replays, {} steps", amount::grouped(steps)),
    };
    Ok(format!("the journal of {machine} {replays}{torn}"))
}

fn entry<R: BufRead>(lines: &mut Lines<R>) -> Result<Option<Entry>, Trouble> {
    let Some(line) = lines.next_line()? else {
        return Ok(None);
    };
    if line == LIMIT_REACHED {
        return match lines.next_line()? {
            None => Ok(None),
            Some(_) => {
                let message = "a line after the journal's end, expected none";
                Err(Trouble::broken(lines.number(), message))
            }
        };
    }
    let parsed = serde_json::from_str(&line);
    parsed.map(Some).map_err(|error| {
        let message = format!("no step of a machine: {}", without_place(&error));
        Trouble::broken(lines.number(), message)
    })
}

fn machine(kind: &Kind) -> String {
    match kind {
        Kind::Lrm(me) => format!("the LRM of {}", me.node),
        Kind::Multiplexer(_) => "a multiplexer".into(),
        Kind::Contender { lock, me } => format!("{}'s contender for the lock of {lock}", me.node),
    }
}

/// The header is line 1, the first entry line 2.
fn differs(header: &Header, difference: &Difference) -> Trouble {
    match difference {
        Difference::Format { found } => {
            Trouble::broken(1, format!("a journal of format {found}, expected {FORMAT}"))
        }
        Difference::OtherMachine { entry } => {
            let machine = machine(&header.machine);
            Trouble::broken(
                entry + 1,
                format!("a step of another machine, expected {machine}'s"),
            )
        }
        Difference::Backwards { entry } => Trouble::differs(entry + 1, "time goes backwards"),
        Difference::Effects { entry, expected } => Trouble::differs(
            entry + 1,
            format!(
                "other effects than the machine gives, which are: {}",
                action_text(expected)
            ),
        ),
        Difference::Violation { entry, violation } => {
            Trouble::differs(entry + 1, format!("an invariant doesn't hold: {violation}"))
        }
    }
}
