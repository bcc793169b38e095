//! Bad input to the binaries: one clear line, and exit 2.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const LRM: &str = env!("CARGO_BIN_EXE_ha-lrm");
const MUX: &str = env!("CARGO_BIN_EXE_watchdog-mux");

fn call(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output();
    output.expect("the program begins")
}

/// Both programs, called like this, say one line with all of these in it.
fn check(arguments: &[&str], expect: &[&str]) {
    for program in [LRM, MUX] {
        let output = call(program, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
        for part in expect {
            assert!(said.contains(part), "{arguments:?}: no '{part}' in: {said}");
        }
    }
}

/// A good configuration, changed like this, is refused like this.
fn check_changed(change: impl FnOnce(&mut Value), expect: &[&str]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut document = good(directory.path());
    change(&mut document);
    check_text(directory.path(), &format!("{document:#}"), expect);
}

fn check_text(directory: &Path, text: &str, expect: &[&str]) {
    let path = directory.join("node.json");
    fs::write(&path, text).expect("the file is written");
    let path = path.to_str().expect("the path is text");
    check(&["--config", path], expect);
}

fn good(directory: &Path) -> Value {
    json!({
        "node": 1,
        "machine_id": {"literal": "00000000000000000000000000000001"},
        "boot_id": {"literal": "00000000-0000-0000-0000-000000000001"},
        "state_dir": directory.join("state"),
        "store": directory.join("store"),
        "multiplexer_socket": directory.join("mux"),
        "watchdog": {"stand-in": directory.join("device")},
        "profile": "fast",
        "services": {"1": {"exec": ["/bin/true"]}},
    })
}

#[test]
fn the_command_line() {
    check(
        &[],
        &[
            "failed to understand the command line: ",
            "--config",
            "--help",
        ],
    );
    check(&["--colour"], &["unexpected argument '--colour'"]);
    check(&["--config"], &["--config"]);
    check(
        &["--config", "/nonexistent/node.json"],
        &["/nonexistent/node.json: No such file"],
    );
}

#[test]
fn help_is_readable() {
    for (program, signals) in [(LRM, ["SIGTERM", "SIGUSR1"]), (MUX, ["SIGTERM", "armed"])] {
        let output = call(program, &["--help"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success());
        for part in ["--config <FILE>", signals[0], signals[1]] {
            assert!(said.contains(part), "no '{part}' in: {said}");
        }
    }
}

#[test]
fn broken_json() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    check_text(directory.path(), "", &["node.json:1: the document: EOF"]);
    check_text(directory.path(), "{\n\"node\": 1\n", &["node.json:3: "]);
    let twice = format!("{:#}\n{{}}", good(directory.path()));
    check_text(
        directory.path(),
        &twice,
        &["the document: trailing characters"],
    );
}

#[test]
fn keys_and_values() {
    check_changed(
        |it| it["colour"] = json!(1),
        &["colour: unknown field `colour`, expected"],
    );
    check_changed(
        |it| it["node"] = json!("x"),
        &["node: invalid type: string \"x\", expected u16"],
    );
    check_changed(|it| it["node"] = Value::Null, &["node: invalid type: null"]);
    check_changed(
        |it| it["store"] = json!("x"),
        &["store: found 'x'; expected an absolute path"],
    );
    check_changed(
        |it| it["boot_id"] = json!({"literal": "12"}),
        &["boot_id: found '12'; expected 32 hexadecimal digits"],
    );
    check_changed(
        |it| it["boot_id"] = json!({"file": "/nonexistent"}),
        &["boot_id: /nonexistent: No such file"],
    );
    check_changed(
        |it| it["services"]["1"]["exec"] = json!(["true"]),
        &["services.1.exec: found 'true'; expected the absolute path"],
    );
    check_changed(
        |it| {
            it["services"] = json!({
                "1": {"exec": ["/bin/true", "7", "exec"]},
                "7": {"exec": ["true"]},
            });
        },
        // The document has a value a line, in the order of keys.
        &["node.json:20: services.7.exec: found 'true'"],
    );
    check_changed(
        |it| it["state_dir"] = json!("/proc/nonexistent/state"),
        &["state_dir: "],
    );
}

#[test]
fn timings() {
    check_changed(
        |it| it["profile"] = json!("fats"),
        &["node.json:", ": profile: ", "'fats'", "fast, default"],
    );
    check_changed(|it| drop(it["profile"].take()), &["profile: missing"]);
    let timing = || {
        let timing = lockstep_model::config::profile::Profile::Fast.timing();
        serde_json::to_value(timing).expect("a timing is JSON")
    };
    check_changed(
        |it| it["timing"] = timing(),
        &["timing: found beside 'profile'"],
    );
    check_changed(
        |it| {
            drop(it["profile"].take());
            it["timing"] = timing();
            it["timing"]["lock_ttl"] = json!(5_000);
        },
        &["timing: ", "renewal-in-time", "holds with T ≥"],
    );
    check_changed(
        |it| {
            drop(it["profile"].take());
            it["timing"] = timing();
            it["timing"]["colour"] = json!(1);
        },
        &["timing.colour: unknown field `colour`"],
    );
}

#[test]
fn a_store_that_is_none() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("node.json");
    fs::write(&path, good(directory.path()).to_string()).expect("the file is written");
    let output = call(LRM, &["--config", path.to_str().expect("the path is text")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("there is none"), "{said}");
}

#[test]
fn paths_that_get_in_each_other_s_way() {
    let paths = ["state_dir", "store", "multiplexer_socket"];
    for (number, key) in paths.into_iter().enumerate() {
        for other in &paths[..number] {
            check_changed(
                |it| it[key] = it[*other].clone(),
                &[
                    &format!("{key}: found '"),
                    &format!("as for '{other}'; expected a path of its own"),
                ],
            );
        }
        check_changed(
            |it| it["watchdog"] = json!({"stand-in": it[key]}),
            &["watchdog: found '", &format!("as for '{key}'")],
        );
    }
}

#[test]
fn sockets_that_nobody_can_use() {
    check_changed(
        |it| it["multiplexer_socket"] = json!("/nonexistent/mux"),
        &["multiplexer_socket: '/nonexistent' is no directory"],
    );
    let long = format!("/tmp/{}", "x".repeat(103));
    check_changed(
        |it| it["multiplexer_socket"] = json!(long),
        &["multiplexer_socket: found a path of 108 bytes; expected at most 107"],
    );
    check_changed(
        |it| it["watchdog"] = json!({"stand-in": long}),
        &["watchdog: found a path of 108 bytes"],
    );
}

#[test]
fn the_multiplexer_removes_nothing_but_a_socket() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("node.json");
    fs::write(&path, good(directory.path()).to_string()).expect("the file is written");
    let socket = directory.path().join("mux");
    fs::write(&socket, "precious").expect("the file is written");
    let output = call(MUX, &["--config", path.to_str().expect("the path is text")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("mux: found something that is no socket; expected"),
        "{said}"
    );
    let kept = fs::read_to_string(&socket).expect("it is still there");
    assert_eq!(kept, "precious");
}
