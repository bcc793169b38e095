//! `ha-checker` as a process: what it prints, and how it ends.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers end it where they fail"
)]

mod cases;
mod kept;
mod replay;
mod sim;

use std::process::{Command, Output};

use lockstep_model::config::Profile;
use serde_json::Value;

/// Explored in a moment; everything holds in it.
const HOLDS: &str = "l1/k1/undisturbed";

/// Explored in a moment; a property must fail in it.
const VIOLATES: &str = "reference/frozen-is-dead";

struct Ended {
    code: i32,
    out: String,
    err: String,
}

fn run(arguments: &[&str]) -> Ended {
    run_with(arguments, &[])
}

fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ha-checker"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM", "CI"] {
        command.env_remove(name);
    }
    command.args(arguments).envs(variables.iter().copied());
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    Ended {
        code: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// Ends with this code and one line on standard error that contains all of these.
#[track_caller]
fn refuses(arguments: &[&str], code: i32, parts: &[&str]) {
    let ended = run(arguments);
    assert_eq!(
        ended.code, code,
        "{arguments:?}: {}{}",
        ended.out, ended.err
    );
    assert_eq!(ended.err.lines().count(), 1, "{arguments:?}: {}", ended.err);
    for part in parts {
        assert!(
            ended.err.contains(part),
            "{arguments:?}: no '{part}' in {}",
            ended.err
        );
    }
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> String {
    let ended = run(arguments);
    assert_eq!(ended.code, 0, "{arguments:?}: {}{}", ended.out, ended.err);
    assert_eq!(ended.err, "", "{arguments:?}");
    ended.out
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_command_has_a_help_text_with_its_exit_codes() {
    for command in [
        &["check"][..],
        &["mutants"],
        &["timing"],
        &["replay"],
        &["rules"],
        &["fence"],
        &["sim", "run"],
        &["sim", "test"],
    ] {
        let help = succeeds(&[command, &["--help"]].concat());
        let command = command.join(" ");
        assert!(help.contains("Exit codes:"), "{command}: {help}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
    }
    assert!(succeeds(&["--help"]).contains("ha-checker"));
    assert!(succeeds(&["--version"]).starts_with("ha-checker "));
}

#[test]
fn bad_arguments_get_one_line_that_says_what_would_be_right() {
    for (arguments, parts) in [
        (
            &["check", "--tier", "slow"][..],
            &["'slow'", "quick, full"][..],
        ),
        (
            &["check", "--tier", "quick", "--config", HOLDS],
            &["--tier", "cannot be used with", "--config", "--help"],
        ),
        (&["check", "--time", "5"], &["--time", "'5'", "300ms"]),
        (
            &["check", "--time"],
            &["--time", "value is required", "--help"],
        ),
        (&["check", "--memory", "lots"], &["--memory", "4GiB"]),
        (&["check", "--threads", "0"], &["positive", "64"]),
        (&["check", "--threads", "two"], &["positive", "64"]),
        (
            &["check", "--teir", "full"],
            &["--teir", "--tier", "--help"],
        ),
        (
            &["mutants", "--counterexample", "x"],
            &["--counterexample", "--help"],
        ),
        (&["timing", "--profile", "slow"], &["fast, default"]),
        (&["timing", "--kappa", "2"], &["possible values: 1, 3"]),
        (&["replay"], &["not provided: <FILE>", "--help"]),
        (&["frobnicate"], &["frobnicate", "--help"]),
        (&[], &["check", "mutants", "timing", "replay", "--help"]),
    ] {
        refuses(arguments, 2, parts);
        assert_eq!(run(arguments).out, "", "{arguments:?}");
    }
}

#[test]
fn negative_and_enormous_values_are_said_to_be() {
    for (arguments, part) in [
        (&["timing", "--lease", "-5s"][..], "must not be negative"),
        (&["timing", "--drift", "-1"], "must not be negative"),
        (&["check", "--time", "-5s"], "must not be negative"),
        (&["mutants", "--memory", "-1GB"], "must not be negative"),
        (&["check", "--threads", "-1"], "positive"),
        (&["timing", "--kappa", "-1"], "possible values: 1, 3"),
        (&["check", "--time", "99999999999999999999h"], "too long"),
        (&["timing", "--lease", "99999999999999999999h"], "too long"),
        (&["check", "--memory", "17000000TiB"], "too large"),
        (&["timing", "--drift", "5000000000"], "at most 4294967295"),
    ] {
        refuses(arguments, 2, &[part]);
    }
}

#[test]
fn unknown_names_get_one_line_with_the_nearest() {
    refuses(
        &["check", "--config", "l1/k1/undisturbd"],
        2,
        &["l1/k1/undisturbd", HOLDS, "--list"],
    );
    refuses(&["check", "--config", "nothing/"], 2, &["nothing/"]);
    refuses(
        &["mutants", "--only", "take-erly"],
        2,
        &["take-erly", "take-early"],
    );
}

#[test]
fn lists_say_what_there_is() {
    let list = succeeds(&["check", "--list"]);
    let known = parsed(&succeeds(&["check", "--list", "--json"]));
    assert_eq!(known["format"], "lockstep-configurations");
    let known = known["configurations"].as_array().unwrap();
    assert!(known.len() > 10);
    for one in known {
        assert!(list.contains(one["name"].as_str().unwrap()));
        assert!(list.contains(one["about"].as_str().unwrap()));
    }
    let mutants = parsed(&succeeds(&["mutants", "--list", "--json"]));
    assert!(mutants["mutants"].as_array().unwrap().len() > 10);
    assert!(mutants["all_killed"].is_null());
}

#[test]
fn what_holds_is_said_to_hold() {
    let out = succeeds(&["check", "--config", HOLDS]);
    let row = out.lines().find(|line| line.starts_with(HOLDS)).unwrap();
    assert!(row.ends_with("  holds, and keeps 1 promise"), "{out}");
    assert!(out.contains("1 of 1 as expected"), "{out}");
}

#[test]
fn json_has_the_numbers_and_the_trace() {
    let document = parsed(&succeeds(&["check", "--json", "--config", HOLDS, VIOLATES]));
    assert_eq!(document["format"], "lockstep-check");
    assert_eq!(document["version"], 1);
    assert_eq!(document["result"], "as-expected");
    assert_eq!(document["exit_code"], 0);
    let [holds, violates] = document["configurations"].as_array().unwrap().as_slice() else {
        panic!("two were asked for");
    };
    assert_eq!(holds["name"], HOLDS);
    assert_eq!(holds["judgement"]["kind"], "as-expected");
    assert_eq!(holds["search"]["verdict"], "exhausted");
    assert!(holds["search"]["states"].as_u64().unwrap() > 10);
    assert!(holds["search"]["kinds"]["tick"].as_u64().unwrap() > 0);
    assert!(holds["trace"].is_null());
    assert_eq!(violates["search"]["verdict"], "violated");
    assert_eq!(
        violates["expectation"]["property"],
        violates["trace"]["property"]
    );
    assert!(!violates["trace"]["actions"].as_array().unwrap().is_empty());
}

#[test]
fn what_must_fail_shows_how_it_does_if_it_is_named() {
    let out = succeeds(&["check", "--config", VIOLATES]);
    for part in [
        "as it must",
        "host 0",
        "broken on purpose",
        "t=0",
        "broken at t=",
        "lock of",
    ] {
        assert!(out.contains(part), "no '{part}' in {out}");
    }
    assert!(out.lines().all(|line| line.chars().count() <= 160), "{out}");
}

#[test]
fn off_a_terminal_a_row_is_a_line() {
    let out = succeeds(&["check", "--config", VIOLATES]);
    let row = out.lines().find(|line| line.starts_with(VIOLATES)).unwrap();
    assert!(row.ends_with("violates taken-is-dead, as it must"), "{out}");
    let out = succeeds(&["mutants", "--only", "frozen-is-dead"]);
    let row = out.lines().nth(1).unwrap();
    assert!(row.ends_with("first: unguarded-never-recovered"), "{out}");
}

/// The limit cuts the long searches among them short.
#[test]
fn the_beginning_of_names_asks_for_time_lines_too() {
    let whole = succeeds(&["check", "--config", VIOLATES]);
    let (_, story) = whole.split_once("\n\n").unwrap();
    assert!(story.contains("broken at t="), "{whole}");
    let ended = run(&["check", "--config", "reference/", "--memory", "8MB"]);
    assert_eq!(ended.code, 3, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains(story), "no '{story}' in {}", ended.out);
}

#[test]
fn a_mutant_shows_what_happens_without_its_rule() {
    let out = succeeds(&["check", "--config", "mutant/start-unarmed"]);
    for part in [
        "violates watchdog-guards, as it must",
        "t=0",
        "broken at t=",
    ] {
        assert!(out.contains(part), "no '{part}' in {out}");
    }
}

#[test]
fn limits_end_with_three() {
    let ended = run(&["check", "--config", HOLDS, "--time", "0s"]);
    assert_eq!(ended.code, 3, "{}", ended.out);
    assert!(ended.out.contains("the time was up"), "{}", ended.out);
    let summary = "0 of 1 as expected; 0 states in 0.00 s\n";
    assert!(ended.out.ends_with(summary), "{}", ended.out);
    let ended = run(&[
        "check",
        "--config",
        "l1/k1/power",
        "--memory",
        "1kB",
        "--json",
    ]);
    let document = parsed(&ended.out);
    assert_eq!(ended.code, 3, "{}", ended.out);
    assert_eq!(document["result"], "truncated");
    assert_eq!(document["configurations"][0]["search"]["cut"], "memory");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let arguments = ["check", "--config", VIOLATES];
    assert!(!run(&arguments).out.contains('\u{1b}'));
    let forced = run_with(&arguments, &[("CLICOLOR_FORCE", "1")]);
    assert!(forced.out.contains('\u{1b}'));
    let refused = run_with(&arguments, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
    assert!(!refused.out.contains('\u{1b}'));
}

#[test]
fn profiles_are_certified() {
    for profile in Profile::ALL {
        let out = succeeds(&["timing", "--profile", profile.name()]);
        assert!(out.starts_with("safe and live"), "{out}");
        let document = parsed(&succeeds(&[
            "timing",
            "--profile",
            profile.name(),
            "--json",
        ]));
        assert_eq!(document["format"], "lockstep-timing");
        assert_eq!(document["profile"], profile.name());
        assert_eq!(document["accepted"], true);
        assert_eq!(document["timing"]["lock_ttl"], profile.timing().lock_ttl.0);
    }
    assert_eq!(
        succeeds(&["timing"]),
        succeeds(&["timing", "--profile", "default"])
    );
}

#[test]
fn numbers_replace_those_of_the_profile() {
    let out = succeeds(&["timing", "--json", "--lease", "20s", "--watchdog", "6s"]);
    let timing = &parsed(&out)["timing"];
    assert_eq!(timing["lock_ttl"], 20_000);
    assert_eq!(timing["watchdog"], 6_000);
    assert_eq!(timing["reset_max"], 6_300, "W takes W′ along");
    let out = succeeds(&["timing", "--json", "--lease", "40s", "--kappa", "3"]);
    assert_eq!(parsed(&out)["timing"]["kappa"], "Three");
}

#[test]
fn a_contradiction_gets_a_line_for_each_inequality() {
    refuses(
        &["timing", "--outage", "8s"],
        2,
        &["renewal-in-time", "T ≥"],
    );
    refuses(
        &["timing", "--drift", "200000"],
        2,
        &["bounded-drift", "ppm"],
    );
    let ended = run(&["timing", "--outage", "9s", "--fence-delay", "1s"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.lines().count() > 1, "{}", ended.err);
    assert!(
        ended.err.lines().all(|line| line.starts_with("error: ")),
        "{}",
        ended.err
    );
    let ended = run(&["timing", "--outage", "9s", "--json"]);
    assert_eq!(ended.code, 2);
    assert_eq!(parsed(&ended.out)["accepted"], false);
}

#[test]
fn a_mutant_is_killed() {
    let out = succeeds(&["mutants", "--only", "frozen-is-dead"]);
    assert!(out.contains("yes") && out.contains("killed"), "{out}");
    let document = parsed(&succeeds(&[
        "mutants",
        "--only",
        "frozen-is-dead",
        "--json",
    ]));
    assert_eq!(document["format"], "lockstep-mutants");
    assert_eq!(document["all_killed"], true);
    assert!(
        document["mutants"][0]["outcome"]["trace_length"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[test]
fn limits_end_mutants_with_three() {
    let mutant = "frozen-is-dead";
    for (limit, value, part) in [
        ("--time", "0s", "not explored: the time was up"),
        ("--memory", "1kB", "truncated by memory"),
    ] {
        let ended = run(&["mutants", "--only", mutant, limit, value]);
        assert_eq!(ended.code, 3, "{}{}", ended.out, ended.err);
        assert!(ended.out.contains(part), "no '{part}' in {}", ended.out);
        assert!(ended.out.contains("1 UNKNOWN"), "{}", ended.out);
        let ended = run(&["mutants", "--only", mutant, limit, value, "--json"]);
        let document = parsed(&ended.out);
        assert_eq!(ended.code, 3, "{}{}", ended.out, ended.err);
        assert_eq!(document["result"], "truncated");
        assert!(document["all_killed"].is_null());
        assert!(document["mutants"][0]["outcome"]["killed"].is_null());
    }
}

#[test]
fn mutants_say_which_property_fails_first() {
    let out = succeeds(&["mutants", "--only", "frozen-is-dead", "start-unarmed"]);
    for part in [
        "taken-is-dead, first: unguarded-never-recovered",
        "watchdog-guards, the first",
    ] {
        assert!(out.contains(part), "no '{part}' in {out}");
    }
}
