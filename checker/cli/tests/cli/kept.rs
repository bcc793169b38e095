//! `ha-checker check --checkpoint`: interrupted, refused, and gone on with.

use std::fs;

use super::{refuses, run};
use serde_json::Value;

/// Some thousand states on dozens of levels.
const POWER: &str = "l1/k1/power";

fn search(json: &str) -> Value {
    let document: Value = serde_json::from_str(json).unwrap();
    document["configurations"][0]["search"].clone()
}

/// What must not depend on interruptions.
fn counts(search: &Value) -> Vec<Value> {
    let names = [
        "verdict",
        "closed",
        "states",
        "transitions",
        "levels",
        "kinds",
        "coverage",
        "measures",
    ];
    names.iter().map(|name| search[name].clone()).collect()
}

#[test]
fn a_search_goes_on_where_it_was_cut_short() {
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("kept");
    let kept = kept.to_str().unwrap();
    let check = ["check", "--config", POWER, "--json", "--checkpoint", kept];
    let limited: Vec<&str> = check.into_iter().chain(["--time", "1ms"]).collect();
    let cut = run(&limited);
    assert_eq!(cut.code, 3, "{}{}", cut.out, cut.err);
    let found = search(&cut.out);
    assert_eq!(found["cut"], "time");
    let file = format!("{kept}/l1-k1-power.checkpoint");
    assert_eq!(found["saved"], file);
    assert_eq!(fs::read_dir(kept).unwrap().count(), 1);

    refuses(&check, 2, &[&file, "--resume"]);
    let resumed: Vec<&str> = check.into_iter().chain(["--resume"]).collect();
    let end = run(&resumed);
    assert_eq!(end.code, 0, "{}{}", end.out, end.err);
    let whole = run(&["check", "--config", POWER, "--json"]);
    assert_eq!(counts(&search(&end.out)), counts(&search(&whole.out)));
    assert_eq!(
        fs::read_dir(kept).unwrap().count(),
        0,
        "nothing is left to go on with"
    );
}

#[test]
fn what_is_damaged_or_of_something_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().to_str().unwrap();
    let check = |config| {
        let limits = ["--checkpoint", kept, "--resume", "--time", "1ms"];
        let mut arguments = vec!["check", "--config", config];
        arguments.extend(limits);
        arguments
    };
    assert_eq!(run(&check(POWER)).code, 3);
    let file = format!("{kept}/l1-k1-power.checkpoint");
    let other = format!("{kept}/l1-k1-isolate.checkpoint");
    fs::copy(&file, &other).unwrap();
    refuses(
        &check("l1/k1/isolate"),
        2,
        &[&other, "another configuration", POWER],
    );
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    refuses(&check(POWER), 2, &[&file, "damaged"]);
    refuses(
        &["check", "--config", POWER, "--resume"],
        2,
        &["--checkpoint"],
    );
}
