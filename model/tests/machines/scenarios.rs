//! Scenarios as text with their whole traces.
//!
//! Each file of `scenarios/` begins with comments (`#`) and a line `timing NAME`; then lines
//! `$ command` (see [`Command`]), each followed by what happened: `time machine < input`, an
//! indented `>` line for every effect, and a quoted one for every event.
//! `UPDATE_SCENARIOS=1` rewrites what follows the commands.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use lockstep_model::config::scaled::{scaled_kappa_one, scaled_kappa_three};
use lockstep_model::time::Instant;

use crate::bench::Bench;
use crate::command::Command;
use crate::text;

fn directory() -> &'static Path {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/",
        "tests",
        "/",
        "scenarios"
    ))
}

/// The scenario as it stands, with what happens now.
fn played(text: &str) -> Result<String, String> {
    let mut bench = None;
    let mut out = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let complaint = |what: String| format!("line {number}: {what}");
        if line.starts_with('#') || line.is_empty() {
            writeln!(out, "{line}").expect("a string can be written to");
        } else if let Some(name) = line.strip_prefix("timing ") {
            let timing = match name {
                "scaled-k1" => scaled_kappa_one(),
                "scaled-k3" => scaled_kappa_three(),
                other => return Err(complaint(format!("there is no timing {other:?}"))),
            };
            bench = Some(Bench::new(timing, Instant(100)));
            writeln!(out, "{line}").expect("a string can be written to");
        } else if let Some(command) = line.strip_prefix("$ ") {
            let command: Command = command.parse().map_err(complaint)?;
            let Some(bench) = &mut bench else {
                return Err(complaint("a command before `timing`".into()));
            };
            bench.perform(&command);
            writeln!(out, "{line}").expect("a string can be written to");
            for line in bench.log.drain(..).flat_map(|it| text::lines(&it)) {
                writeln!(out, "{line}").expect("a string can be written to");
            }
        }
    }
    Ok(out)
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory()).expect("the directory of scenarios");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| path.extension().is_some_and(|it| it == "txt"))
        .collect();
    files.sort_unstable();
    files
}

/// The first line that differs, and its neighbours.
fn difference(expected: &str, found: &str) -> String {
    let (mut left, mut right) = (expected.lines(), found.lines());
    for number in 1.. {
        let (expected, found) = (left.next(), right.next());
        if expected != found {
            let show = |line: Option<&str>| line.unwrap_or("(the end)").to_string();
            return format!(
                "line {number}:\n  expected {}\n  found    {}",
                show(expected),
                show(found)
            );
        }
        if expected.is_none() {
            break;
        }
    }
    "line ends".into()
}

#[test]
fn traces_are_as_written_down() {
    let update = std::env::var_os("UPDATE_SCENARIOS").is_some();
    let mut differences = String::new();
    let files = files();
    assert!(!files.is_empty(), "no scenarios");
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(&path).expect("a scenario");
        let found = match played(&text) {
            Ok(found) => found,
            Err(complaint) => panic!("{name}, {complaint}"),
        };
        if found == text {
            continue;
        }
        if update {
            std::fs::write(&path, found).expect("the scenario can be rewritten");
        } else {
            writeln!(differences, "{name}, {}", difference(&text, &found))
                .expect("a string can be written to");
        }
    }
    assert!(
        differences.is_empty(),
        "traces differ; if that is meant, UPDATE_SCENARIOS=1 rewrites them:\n{differences}"
    );
}
