//! The sizes of the small configurations are known: a change that moves one is seen, and explains
//! itself.
//!
//! `pinned.txt` has a line for each: name, states, transitions, depth. `UPDATE_PINNED=1` rewrites
//! it with every quick configuration in which everything holds and whose space is small enough.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use lockstep_explore::configuration::{Configuration, Expectation, Judgement, Tier, all};
use lockstep_explore::search::{Limits, Options};

/// Larger spaces are left to the checker itself.
const STATES_MAX: u64 = 200_000;

/// What all lines together may come to, so that the test stays short.
const TOTAL_MAX: u64 = 1_000_000;

const HEADING: &str = "# name states transitions depth; UPDATE_PINNED=1 rewrites this\n";

fn path() -> &'static Path {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/",
        "tests",
        "/",
        "pinned.txt"
    ))
}

/// Explores a configuration; its line, or `None` if it is too large to be pinned.
fn explored(configuration: &Configuration) -> Option<(String, u64)> {
    let name = &configuration.name;
    let options = Options {
        limits: Limits {
            states: Some(STATES_MAX),
            ..Limits::default()
        },
        ..Options::default()
    };
    let found = configuration.explore(&options, |_| ());
    match configuration.judge(&found) {
        Judgement::AsExpected => {
            let (states, transitions, depth) = (found.states, found.transitions, found.depth);
            Some((format!("{name} {states} {transitions} {depth}"), states))
        }
        Judgement::Truncated => None,
        other @ (Judgement::Violated(_)
        | Judgement::NotViolated(_)
        | Judgement::NotMet(_)
        | Judgement::PromiseBroken(_)
        | Judgement::NeverOpen(_)
        | Judgement::OtherLongest(..)
        | Judgement::OtherLatestReset(..)
        | Judgement::DeadEnd
        | Judgement::Failed(_)) => panic!("{name}: {other:?}"),
    }
}

fn update(candidates: &BTreeMap<String, Configuration>) {
    let mut lines: Vec<(String, u64)> = candidates.values().filter_map(explored).collect();
    lines.sort_by_key(|(_, states)| *states);
    let mut total = 0;
    let mut kept: Vec<&str> = Vec::new();
    for (line, states) in &lines {
        total += states;
        if total <= TOTAL_MAX {
            kept.push(line);
        }
    }
    kept.sort_unstable();
    let mut text = HEADING.to_string();
    for line in kept {
        writeln!(text, "{line}").expect("a string can be written to");
    }
    std::fs::write(path(), text).expect("the file can be written");
}

#[test]
fn sizes_are_as_pinned() {
    let quick =
        |one: &Configuration| one.tier == Tier::Quick && one.expectation == Expectation::Holds;
    let candidates = all().into_iter().filter(quick);
    let candidates: BTreeMap<String, Configuration> =
        candidates.map(|one| (one.name.clone(), one)).collect();
    if std::env::var_os("UPDATE_PINNED").is_some() {
        update(&candidates);
        return;
    }
    let text = std::fs::read_to_string(path()).expect("UPDATE_PINNED=1 writes it");
    let mut differences = String::new();
    let pinned: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(!pinned.is_empty(), "nothing is pinned");
    for line in pinned {
        let name = line.split(' ').next().unwrap_or_default();
        let now = candidates.get(name).map(explored);
        let now = match now {
            Some(Some((now, _))) => now,
            Some(None) => "more states than are pinned".into(),
            None => "no quick configuration of this name".into(),
        };
        if now != line {
            writeln!(differences, "  pinned {line}\n  now    {now}")
                .expect("a string can be written to");
        }
    }
    assert!(
        differences.is_empty(),
        "sizes differ; if that is meant, UPDATE_PINNED=1 rewrites them:\n{differences}"
    );
}
