//! What becomes of rules: which are dropped, what the others imply, what placement asks.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers end it where they fail"
)]

mod checks;
mod groups;
mod properties;
mod transform;

use std::collections::BTreeSet;

use lockstep_model::format::rules::Rules;
use lockstep_model::rules::{Translated, translate};

/// Rules from lines: `ID + RESOURCE…` to keep together, `ID - RESOURCE…` to keep apart,
/// `ID = NODE… = RESOURCE…` for node affinity, `ID ! …` for a strict one.
fn rules(lines: &[&str]) -> Rules {
    let section = |line: &&str| {
        let (id, rest) = line.split_once(' ').unwrap();
        let (kind, rest) = rest.split_at(1);
        let affinity = |kind| {
            format!(
                "resource-affinity: {id}\n\taffinity {kind}\n\tresources {}\n\n",
                list(rest)
            )
        };
        match kind {
            "+" => affinity("positive"),
            "-" => affinity("negative"),
            "=" | "!" => {
                let (nodes, resources) = rest.split_once('=').unwrap();
                let strict = u8::from(kind == "!");
                let resources = list(resources);
                format!(
                    "node-affinity: {id}\n\tnodes {nodes}\n\tresources {resources}\n\tstrict {strict}\n\n"
                )
            }
            other => panic!("no kind {other}"),
        }
    };
    let text: String = lines.iter().map(section).collect();
    let (rules, warnings) = Rules::read("f", &text);
    let warnings: Vec<String> = warnings.iter().map(|one| one.to_string()).collect();
    assert_eq!(warnings, [""; 0]);
    rules
}

/// Resources without their types.
fn list(names: &str) -> String {
    let names: Vec<String> = names
        .split_whitespace()
        .map(|name| format!("r:{name}"))
        .collect();
    if names.is_empty() {
        ",".into()
    } else {
        names.join(",")
    }
}

/// In a cluster of four nodes.
fn translated(lines: &[&str]) -> Translated {
    translate(rules(lines), &BTreeSet::from(["n1", "n2", "n3", "n4"])).unwrap()
}

/// The messages.
fn dropped(lines: &[&str]) -> Vec<String> {
    let translated = translated(lines);
    translated.dropped.iter().map(ToString::to_string).collect()
}
