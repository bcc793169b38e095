//! Configuration files that each give a text, which is shown or compared with what is expected.

mod input;
pub(crate) mod json;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lockstep_model::format::Warnings;
use similar::TextDiff;

use crate::arguments::Cases;
use crate::failure::{End, Failure};
use crate::screen::Screen;
use input::Unreadable;

/// The nodes of every case.
pub(crate) const NODES: [&str; 3] = ["node1", "node2", "node3"];

/// The most warnings that are shown of a file. All are counted.
const WARNINGS_MAX: usize = 1000;

/// The most characters of a warning that are shown.
const WARNING_CHARACTERS_MAX: usize = 1000;

/// After which a comparison of very different texts becomes coarse.
const DIFF_TIME_MAX: Duration = Duration::from_secs(2);

/// A file to be shown.
pub(crate) struct Case<'a> {
    /// Its path, as it was given.
    pub(crate) path: &'a str,
    /// Its name in its directory.
    pub(crate) name: &'a str,
    /// What it says.
    pub(crate) text: &'a str,
}

/// What a file gives.
pub(crate) struct Shown {
    /// The text.
    pub(crate) output: String,
    /// What was left out of the file, by its path.
    pub(crate) warnings: Warnings,
}

/// How a file is shown, or what is wrong with it.
type Show = fn(&Case<'_>) -> Result<Shown, String>;

/// Shows every file, or compares it.
pub(crate) fn run(asked: &Cases, show: Show, screen: &mut Screen) -> Result<End, Failure> {
    let mut end = End::AsExpected;
    let mut passed = 0;
    for path in &asked.files {
        let one = one(path, asked.test, show, screen)?;
        passed += usize::from(one == End::AsExpected);
        end = end.and(one);
    }
    if asked.test {
        let tests = asked.files.len();
        screen.line(&format!("passed {passed} out of {tests} tests"))?;
    }
    Ok(end)
}

fn one(path: &Path, test: bool, show: Show, screen: &mut Screen) -> Result<End, Failure> {
    let shown_path = path.display().to_string();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let shown = input::read(path).map_err(|error| error.to_string());
    let shown = shown.and_then(|text| {
        let case = Case {
            path: &shown_path,
            name: &name,
            text: &text,
        };
        show(&case).map_err(|message| format!(": {message}"))
    });
    let shown = match shown {
        Ok(shown) => shown,
        Err(message) => {
            screen.flush()?;
            screen.complain(&format!("{shown_path}{message}"));
            return Ok(End::Usage);
        }
    };
    warn(&shown.warnings, screen)?;
    if test {
        return compare(path, &shown.output, screen);
    }
    screen.text(&shown.output)?;
    Ok(End::AsExpected)
}

fn warn(warnings: &Warnings, screen: &mut Screen) -> Result<(), Failure> {
    screen.flush()?;
    for line in warning_lines(warnings) {
        screen.warn(&line);
    }
    Ok(())
}

/// A line for each warning, not too many.
pub(crate) fn warning_lines(warnings: &Warnings) -> Vec<String> {
    let shown = warnings.iter().take(WARNINGS_MAX);
    let mut lines: Vec<String> = shown
        .map(|warning| printable(&warning.to_string()))
        .collect();
    let more = warnings.len().saturating_sub(WARNINGS_MAX);
    if more > 0 {
        lines.push(format!("{}: {more} more of these", warnings.file()));
    }
    lines
}

/// A text of any origin on one line, as a terminal may see it.
pub(crate) fn printable(text: &str) -> String {
    let mut characters = text.chars();
    let shown: String = characters.by_ref().take(WARNING_CHARACTERS_MAX).collect();
    let mut shown = escaped(&shown).replace('\n', "\\n");
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// A text of any origin, in lines, as a terminal may see it.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\t' | '\n') {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// What differs between two texts.
pub(crate) fn difference(expected: &str, output: &str, shown: &str, given: &str) -> String {
    let mut config = TextDiff::configure();
    let diff = config.timeout(DIFF_TIME_MAX).diff_lines(expected, output);
    diff.unified_diff().header(shown, given).to_string()
}

/// Whether a file gives what is expected; shows what differs.
fn compare(path: &Path, output: &str, screen: &mut Screen) -> Result<End, Failure> {
    let mut expectation = OsString::from(path);
    expectation.push(".expect");
    let expectation = PathBuf::from(expectation);
    let shown = expectation.display().to_string();
    let expected = match input::read(&expectation) {
        Ok(expected) => expected,
        Err(error) => {
            screen.flush()?;
            screen.complain(&format!("{shown}{error}"));
            return Ok(match error {
                Unreadable::Io(error) if error.kind() == io::ErrorKind::NotFound => End::Violated,
                Unreadable::Io(_) | Unreadable::TooLarge | Unreadable::NotUtf8 { .. } => End::Usage,
            });
        }
    };
    if expected == output {
        return Ok(End::AsExpected);
    }
    let given = path.display().to_string();
    let text = difference(&expected, output, &shown, &given);
    screen.text(&text)?;
    Ok(End::Violated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_as_such() {
        assert_eq!(printable("a\tb\u{1b}[31m"), "a\tb\\u{1b}[31m");
        let long = printable(&"ä".repeat(WARNING_CHARACTERS_MAX + 1));
        assert_eq!(long.chars().count(), WARNING_CHARACTERS_MAX + 1);
        assert!(long.ends_with('…'));
    }
}
