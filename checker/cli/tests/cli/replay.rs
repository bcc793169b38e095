//! `ha-checker replay`: files that are what they say, and files that aren't.

use std::fs;
use std::path::Path;

use lockstep_model::config::{Config, Profile};
use lockstep_model::event::Effects;
use lockstep_model::id::{BootId, Ranks};
use lockstep_model::journal::{Entry, FORMAT, Header, Kind, Step};
use lockstep_model::time::Instant;
use lockstep_model::watchdog::{Input, Multiplexer};
use serde_json::{Value, json};

use super::{HOLDS, VIOLATES, parsed, refuses, run, succeeds};

#[test]
fn counterexamples_are_written_and_replay() {
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().join("a/b");
    let into = into.to_str().unwrap();
    let out = succeeds(&[
        "check",
        "--config",
        HOLDS,
        VIOLATES,
        "--counterexample",
        into,
    ]);
    let files: Vec<_> = fs::read_dir(into)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    let [file] = files.as_slice() else {
        panic!("one violates: {files:?}");
    };
    let name = file.to_str().unwrap();
    assert!(out.contains(name), "{out}");
    let told = succeeds(&["replay", name]);
    assert!(
        told.contains("as stated") && told.contains("broken at t="),
        "{told}"
    );
    assert_eq!(succeeds(&["replay", "--quiet", name]).lines().count(), 1);
    assert_eq!(succeeds(&["replay", "-q", name, name]).lines().count(), 2);
}

#[test]
fn what_a_mutant_does_is_written_and_replays() {
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().to_str().unwrap();
    let mutant = "mutant/start-unarmed";
    succeeds(&["check", "--config", mutant, "--counterexample", into]);
    let file = directory.path().join("mutant-start-unarmed.json");
    let told = succeeds(&["replay", "--quiet", file.to_str().unwrap()]);
    assert!(
        told.contains("mutant/start-unarmed violates watchdog-guards")
            && told.contains("as stated"),
        "{told}"
    );
}

/// A counterexample's text with something replaced.
fn changed(directory: &Path, change: impl Fn(&mut Value)) -> String {
    let into = directory.to_str().unwrap();
    succeeds(&["check", "--config", VIOLATES, "--counterexample", into]);
    let file = fs::read_dir(directory)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut document = parsed(&fs::read_to_string(&file).unwrap());
    change(&mut document);
    fs::write(&file, serde_json::to_string_pretty(&document).unwrap()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn what_a_counterexample_must_not_say_is_refused() {
    type Change = fn(&mut Value);
    let cases: &[(Change, i32, &[&str])] = &[
        (
            |it| it["format"] = json!("lockstep"),
            2,
            &["lockstep-counterexample"],
        ),
        (
            |it| it["version"] = json!(2),
            2,
            &["version is 2", "expected 1"],
        ),
        (|it| it["more"] = json!(2), 2, &["unknown field `more`"]),
        (
            |it| it["configuration"] = json!("l9"),
            2,
            &["'l9'", "--list"],
        ),
        (|it| it["mutants"] = json!(["l9"]), 2, &["'l9'"]),
        (|it| it["property"] = json!("l9"), 2, &["'l9'"]),
        (
            |it| it["actions"][0] = json!("fly"),
            2,
            &["unknown variant `fly`"],
        ),
        (
            |it| it["actions"][0] = json!({"reset": {"host": 77}}),
            1,
            &["action 1 of", "reset"],
        ),
        (
            |it| it["actions"] = json!("tick"),
            2,
            &["expected a sequence"],
        ),
        (|it| it["format"] = json!(true), 2, &["neither", "'format'"]),
        (|it| *it = json!({}), 2, &["neither", "'format'"]),
    ];
    for (change, code, parts) in cases {
        let directory = tempfile::tempdir().unwrap();
        let name = changed(directory.path(), change);
        refuses(&["replay", &name], *code, parts);
    }
}

#[test]
fn a_counterexample_that_breaks_nothing_is_found_out() {
    type Change = fn(&mut Value);
    let changes: &[Change] = &[
        |it| it["property"] = json!("single-writer"),
        |it| it["actions"] = json!([]),
    ];
    for change in changes {
        let directory = tempfile::tempdir().unwrap();
        let name = changed(directory.path(), change);
        let ended = run(&["replay", &name]);
        assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
        assert!(ended.out.contains("DOESN'T VIOLATE"), "{}", ended.out);
    }
}

#[test]
fn files_that_are_none_get_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    refuses(
        &["replay", &path("absent")],
        2,
        &["absent", "failed to read"],
    );
    refuses(
        &["replay", directory.path().to_str().unwrap()],
        2,
        &["directory"],
    );
    let half = b"{\"format\": \"lockstep-counterexample\",\n\"version\": 1,\n";
    for (name, content, part) in [
        ("empty", &b""[..], "empty: empty, expected a counterexample"),
        ("lines", b"\n\n", "lines: empty, expected a counterexample"),
        (
            "words",
            b"once upon a time\n",
            ":1: not JSON: expected value",
        ),
        ("half", half, ":2: ends too early: EOF"),
        ("open", b"[1,2", ":1: ends too early: EOF"),
        ("list", b"[1,2]\n", "list: JSON, but no object"),
        (
            "number",
            b"{\"format\": 1}\n",
            ":1: no journal's header: missing",
        ),
        ("binary", b"{\n\xff\xfe\n}", ":2: not UTF-8"),
        ("zero", &[0; 5000], ":1: not JSON: "),
    ] {
        fs::write(path(name), content).unwrap();
        refuses(&["replay", &path(name)], 2, &[name, part]);
        let said = run(&["replay", &path(name)]).err;
        assert!(!said.contains("at line"), "{said}");
    }
    let huge = fs::File::create(path("huge")).unwrap();
    huge.set_len(1 << 30).unwrap();
    refuses(&["replay", &path("huge")], 2, &["huge", "16777216"]);
}

/// A journal of a multiplexer that was started and woken.
fn journal() -> Vec<String> {
    let config = Config::new(Profile::Fast.timing(), Ranks::default()).unwrap();
    let mut machine = Multiplexer::new();
    let header = Header {
        format: FORMAT,
        machine: Kind::Multiplexer(BootId(u128::MAX)),
        config: config.clone(),
    };
    let mut lines = vec![serde_json::to_string(&header).unwrap()];
    for (now, input) in [
        (5, Input::Started { marker: false }),
        (7, Input::Timer),
        (9, Input::Terminate),
    ] {
        let mut effects = Effects::new();
        machine.step(&config, Instant(now), input.clone(), &mut effects);
        let effects = effects.effects;
        let step = Step {
            now: Instant(now),
            input,
            effects,
        };
        lines.push(serde_json::to_string(&Entry::Multiplexer(step)).unwrap());
    }
    lines
}

#[test]
fn journals_replay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mux.journal");
    let name = path.to_str().unwrap();
    let whole = journal().join("\n") + "\n";
    fs::write(&path, &whole).unwrap();
    assert!(succeeds(&["replay", name]).contains("3 steps"));
    fs::write(&path, format!("{whole}{{\"Multi")).unwrap();
    assert!(succeeds(&["replay", name]).contains("3 steps; its torn last line"));
    let ended = format!("{whole}\"journal ends: limit\"\n");
    fs::write(&path, &ended).unwrap();
    assert!(succeeds(&["replay", name]).contains("3 steps"));
    fs::write(&path, format!("{ended}{{}}\n")).unwrap();
    refuses(&["replay", name], 2, &[":6:", "after the journal's end"]);
}

#[test]
fn a_journal_without_steps_says_so_and_one_without_a_whole_header_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mux.journal");
    let name = path.to_str().unwrap();
    let header = journal().remove(0);
    fs::write(&path, format!("{header}\n")).unwrap();
    assert!(succeeds(&["replay", name]).ends_with("has no steps yet, only a header\n"));
    fs::write(&path, format!("{header}\n{{\"Multi")).unwrap();
    assert!(succeeds(&["replay", name]).contains("only a header; its torn last line"));
    fs::write(&path, &header).unwrap();
    refuses(&["replay", name], 2, &[":1:", "header without the end"]);
    fs::write(&path, &header[..header.len() / 2]).unwrap();
    refuses(&["replay", name], 2, &[":1:", "ends too early"]);
}

#[test]
fn journals_that_are_not_what_happened_are_found_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mux.journal");
    let name = path.to_str().unwrap();
    let change = |line: usize, from: &str, to: &str| {
        let mut lines = journal();
        assert!(lines[line].contains(from), "no '{from}' in {}", lines[line]);
        lines[line] = lines[line].replace(from, to);
        fs::write(&path, lines.join("\n") + "\n").unwrap();
    };
    change(0, "\"format\":1", "\"format\":7");
    refuses(&["replay", name], 2, &[":1:", "format 7", "expected 1"]);
    change(0, "\"lock_ttl\":6000", "\"lock_ttl\":60");
    refuses(&["replay", name], 2, &[":1:", "timing"]);
    change(0, "Multiplexer", "Nobody");
    refuses(&["replay", name], 2, &[":1:", "Nobody"]);
    change(1, "Multiplexer", "Contender");
    refuses(&["replay", name], 2, &[":2:"]);
    change(2, "\"now\":7", "\"now\":3");
    refuses(&["replay", name], 1, &[":3:", "backwards"]);
    change(2, "\"effects\":[]", "\"effects\":[\"Ping\"]");
    refuses(&["replay", name], 1, &[":3:", "other effects"]);
    change(2, "{", "");
    refuses(&["replay", name], 2, &[":3:"]);
}

fn trace(name: &str) -> String {
    format!(
        "{}/../../docs/traces/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    )
}

#[test]
fn a_counterexample_becomes_a_case_that_violates_the_same_property() {
    let directory = tempfile::tempdir().unwrap();
    let case = directory.path().join("case");
    let case = case.to_str().unwrap();
    let example = trace("margin-of-one-reset");
    let said = succeeds(&["replay", "-q", "--to-case", case, &example]);
    assert!(
        said.contains("the simulator violates taken-is-dead at 314 s, too"),
        "{said}"
    );
    let ended = run(&["sim", "run", "--profile", "default", case]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    let found = ended.err.contains("taken-is-dead doesn't hold at 314 s");
    assert!(found, "{}", ended.err);
    // Not without the fault that the run is about.
    let faults = directory.path().join("case/faults");
    let text = fs::read_to_string(&faults).unwrap();
    let kept = text.replace(
        "stop node1 mux before ping 1",
        "stop node1 mux before resize",
    );
    assert_ne!(kept, text);
    fs::write(&faults, kept).unwrap();
    succeeds(&["sim", "run", "--profile", "default", case]);
    // A rule that is kept makes up for the fault.
    let sound = text.replace("\"margin-of-one-reset\"", "");
    assert_ne!(sound, text);
    fs::write(&faults, sound).unwrap();
    succeeds(&["sim", "run", "--profile", "default", case]);
    // The reference's rounds know nothing of it.
    refuses(&["sim", "run", case], 1, &["faults"]);
    refuses(
        &["replay", "-q", "--to-case", case, &example],
        2,
        &["failed to write"],
    );
}

#[test]
fn what_the_simulator_has_no_counterpart_of_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let case = directory.path().join("case");
    let path = case.to_str().unwrap();
    for (name, part) in [
        (
            "shorter-ttl-at-once",
            "no counterpart of step 21, \"reconfigure\"",
        ),
        (
            "read-settles-release",
            "no counterpart of step 23, {\"execute-delayed\"",
        ),
        (
            "boot-takes-over",
            "no counterpart of hosts with each other's names",
        ),
    ] {
        refuses(
            &["replay", "-q", "--to-case", path, &trace(name)],
            1,
            &[part],
        );
        assert!(!case.exists());
    }
}

#[test]
fn a_counterexample_is_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("picture.svg");
    let example = trace("frozen-is-dead");
    succeeds(&[
        "replay",
        "-q",
        "--picture",
        file.to_str().unwrap(),
        &example,
    ]);
    let drawn = fs::read_to_string(&file).unwrap();
    assert!(drawn.starts_with("<svg ") && drawn.contains("frozen-is-dead"));
}
