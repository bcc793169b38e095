//! `ha-checker sim`: cases run and compared.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{parsed, refuses, run, succeeds};

const COMMANDS: &str = r#"[["power node1 on", "power node2 on", "power node3 on"]]"#;

const SERVICES: &str = r#"{"vm:101": {"node": "node1", "state": "started"}}"#;

/// A case at a path, with its service on node1.
fn case_at(path: &Path) -> String {
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("cmdlist"), COMMANDS).unwrap();
    fs::write(path.join("service_config"), SERVICES).unwrap();
    path.to_str().unwrap().to_owned()
}

fn case() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = case_at(&directory.path().join("case"));
    (directory, path)
}

fn listing(path: &str) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn the_log_is_shown_and_nothing_is_written() {
    let (_directory, path) = case();
    let out = succeeds(&["sim", "run", &path]);
    let first = "info      0     hardware: starting simulation\n\
                 info     20      cmdlist: execute power node1 on\n\
                 info     20    node1/crm: status change startup => wait_for_quorum\n";
    assert!(out.starts_with(first), "{out}");
    assert!(
        out.contains("node1/lrm: service status vm:101 started\n"),
        "{out}"
    );
    let last = "info    620     hardware: exit simulation - done\n";
    assert!(out.ends_with(last), "{out}");
    assert_eq!(listing(&path), ["cmdlist", "service_config"]);
    assert_eq!(succeeds(&["sim", "run", "--profile", "pve", &path]), out);
    let short = succeeds(&["sim", "run", "--until", "15", &path]);
    assert!(short.ends_with("info     20     hardware: exit simulation - done\n"));
}

#[test]
fn json_has_a_document_for_each_line_and_one_for_the_end() {
    let (_directory, path) = case();
    let log = succeeds(&["sim", "run", &path]);
    let out = succeeds(&["sim", "run", "--json", &path]);
    assert_eq!(out.lines().count(), log.lines().count() + 1);
    let mut seen = 0;
    for (document, line) in out.lines().zip(log.lines()) {
        let document = parsed(document);
        let message = document["message"].as_str().unwrap();
        let seconds = document["seconds"].as_u64().unwrap();
        let (level, source) = (&document["level"], &document["source"]);
        let level = level.as_str().unwrap();
        let source = source.as_str().unwrap();
        assert!(line.ends_with(&format!(" {seconds:>5} {source:>12}: {message}")));
        assert_eq!(
            level.get(..4).unwrap_or(level),
            line.get(..4).unwrap().trim()
        );
        seen += 1;
    }
    assert_eq!(seen, log.lines().count());
    let last = parsed(out.lines().last().unwrap());
    assert_eq!(last["ended"], "regular");
    assert_eq!(last["exit_code"], 0);
    assert!(last["error"].is_null());
}

#[test]
fn an_error_of_the_simulation_is_said_on_both_outputs() {
    let (_directory, path) = case();
    let commands = r#"[["power node1 on"], ["explode node1"]]"#;
    fs::write(Path::new(&path).join("cmdlist"), commands).unwrap();
    let ended = run(&["sim", "run", &path]);
    let error = "sim_hardware_cmd: unknown command 'explode node1'";
    assert_eq!(ended.code, 1);
    let last = format!("err     120     hardware: exit simulation - {error}\n \n");
    assert!(ended.out.ends_with(&last), "{}", ended.out);
    assert_eq!(ended.err, format!("error: {path}: {error}\n"));
    let ended = run(&["sim", "run", "--json", &path]);
    let last = parsed(ended.out.lines().last().unwrap());
    assert_eq!(ended.code, 1);
    assert_eq!(last["ended"], "error");
    assert_eq!(last["error"], error);
    assert_eq!(last["exit_code"], 1);
}

/// No log is expected of it, but every property has to hold.
#[test]
fn a_case_runs_under_every_profile() {
    let (directory, path) = case();
    for profile in ["fast", "default", "conservative"] {
        let ended = run(&["sim", "run", "--profile", profile, &path]);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{profile}");
        for part in [
            "info      0     hardware: starting simulation\n",
            "info     20      cmdlist: execute power node1 on\n",
            "info     20    node1/lrm: starting service vm:101\n",
            "info     22    node1/lrm: service status vm:101 started\n",
        ] {
            assert!(ended.out.contains(part), "no {part:?} in {}", ended.out);
        }
        let last = "info    620     hardware: exit simulation - done\n";
        assert!(ended.out.ends_with(last), "{}", ended.out);
        let again = succeeds(&["sim", "run", "--profile", profile, &path]);
        assert_eq!(again, ended.out, "{profile}");
        let short = succeeds(&["sim", "run", "--profile", profile, "--until", "15", &path]);
        assert!(short.ends_with("info     20     hardware: exit simulation - done\n"));
        let json = succeeds(&["sim", "run", "--profile", profile, "--json", &path]);
        let last = parsed(json.lines().last().unwrap());
        assert_eq!(last["ended"], "regular");
        assert_eq!(json.lines().count(), ended.out.lines().count() + 1);
        let root = directory.path().to_str().unwrap();
        let tested = succeeds(&["sim", "test", "--profile", profile, root]);
        assert_eq!(tested, "passed 1 out of 1 tests\n");
    }
    assert_eq!(listing(&path), ["cmdlist", "service_config"]);
}

#[test]
fn an_error_of_the_simulation_ends_every_profile() {
    let (_directory, path) = case();
    let commands = r#"[["power node1 on"], ["explode node1"]]"#;
    fs::write(Path::new(&path).join("cmdlist"), commands).unwrap();
    let error = "sim_hardware_cmd: unknown command 'explode node1'";
    let ended = run(&["sim", "run", "--profile", "fast", &path]);
    assert_eq!(ended.code, 1);
    assert_eq!(ended.err, format!("error: {path}: {error}\n"));
    let ended = run(&["sim", "test", "--profile", "fast", &path]);
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (0, "passed 1 out of 1 tests\n")
    );
    let told = format!("warning: {path}: ended early: {error}\n");
    assert_eq!(ended.err, told);
}

#[test]
fn a_log_of_an_own_profile_is_compared_where_one_is_expected() {
    let (_directory, path) = case();
    let test = ["sim", "test", "--profile", "fast", &path];
    assert_eq!(succeeds(&test), "passed 1 out of 1 tests\n");
    let update = ["sim", "test", "--update", "--profile", "fast", &path];
    let expectation = Path::new(&path).join("log.fast.expect");
    let written = format!("{}: written\n", expectation.display());
    assert_eq!(
        succeeds(&update),
        format!("{written}passed 1 out of 1 tests\n")
    );
    let log = fs::read_to_string(&expectation).unwrap();
    assert!(log.starts_with("info      0     hardware: starting simulation\n"));
    assert_eq!(succeeds(&test), "passed 1 out of 1 tests\n");
    fs::write(&expectation, log.replacen("starting", "ending", 1)).unwrap();
    let ended = run(&test);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(
        ended
            .out
            .contains("-info      0     hardware: ending simulation")
    );
    assert!(ended.out.ends_with("passed 0 out of 1 tests\n"));
}

#[test]
fn bad_input_of_the_simulator_gets_one_line() {
    let (directory, path) = case();
    let status = Path::new(&path).join("manager_status");
    fs::write(&status, "{\"node_status\":\n{\"node1\": \"\\u001b[31m\"}}").unwrap();
    for command in ["run", "test"] {
        refuses(
            &["sim", command, &path],
            2,
            &["manager_status:2: ", "'\\u{1b}[31m'", "expected online"],
        );
        refuses(&["sim", command], 2, &["not provided: <DIR>", "--help"]);
        let missing = ["sim", command, "/nonexistent/case"];
        refuses(
            &missing,
            2,
            &["/nonexistent/case: ", "expected a directory"],
        );
    }
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let empty = empty.to_str().unwrap();
    refuses(&["sim", "run", empty], 2, &["cmdlist: ", "expected a list"]);
    refuses(&["sim", "test", empty], 2, &["empty: no case, expected"]);
    refuses(
        &["sim", "run", "--until", "soon", &path],
        2,
        &["--until", "seconds"],
    );
    refuses(&["sim", "test", "-j", "0", &path], 2, &["positive", "64"]);
    refuses(&["sim"], 2, &["run, test", "--help"]);
}

#[test]
fn a_limit_of_time_ends_with_three() {
    let (_directory, path) = case();
    for command in ["run", "test"] {
        let arguments = ["sim", command, "--time", "0s", &path];
        refuses(&arguments, 3, &["not at its end", "--time"]);
    }
}

#[test]
fn rules_that_cannot_be_read_are_named_and_left_out() {
    let (_directory, path) = case();
    fs::write(Path::new(&path).join("rules_config"), "\nx\n").unwrap();
    let ended = run(&["sim", "run", &path]);
    assert_eq!(ended.code, 0);
    let expected = format!("warning: file {path}/rules_config line 2 - ignore config line: x\n");
    assert_eq!(ended.err, expected);
}

#[test]
fn logs_are_compared_and_counted_in_the_order_of_names() {
    let directory = tempfile::tempdir().unwrap();
    let names = ["b", "a/z", "a/c", "d"];
    for name in names {
        case_at(&directory.path().join(name));
    }
    let root = directory.path().to_str().unwrap();
    let missing = run(&["sim", "test", root]);
    assert_eq!(missing.code, 1);
    assert_eq!(missing.out, "passed 0 out of 4 tests\n");
    let places: Vec<&str> = missing.err.lines().collect();
    for (line, name) in places.iter().zip(["a/c", "a/z", "b", "d"]) {
        let place = format!("error: {root}/{name}/log.expect: isn't there");
        assert!(line.starts_with(&place), "{line}");
    }
    let written = succeeds(&["sim", "test", "--update", root]);
    assert_eq!(written.matches("log.expect: written\n").count(), 4);
    assert!(written.ends_with("passed 4 out of 4 tests\n"), "{written}");
    let log = succeeds(&["sim", "run", &format!("{root}/b")]);
    let expectation = directory.path().join("b/log.expect");
    assert_eq!(fs::read_to_string(&expectation).unwrap(), log);
    assert_eq!(
        succeeds(&["sim", "test", "--update", root]),
        "passed 4 out of 4 tests\n"
    );
    fs::write(
        &expectation,
        log.replace("exit simulation", "end simulation"),
    )
    .unwrap();
    fs::write(directory.path().join("a/z/log.expect"), "").unwrap();
    let one = run(&["sim", "test", "-j", "1", root]);
    assert_eq!(one.code, 1);
    for part in [
        "a/z/log.expect\n+++ log\n",
        "\n-info    620     hardware: end simulation - done\n",
        "\n+info    620     hardware: exit simulation - done\n",
    ] {
        assert!(one.out.contains(part), "no {part:?} in {}", one.out);
    }
    assert!(one.out.ends_with("passed 2 out of 4 tests\n"));
    for jobs in ["2", "7", "64"] {
        let many = run(&["sim", "test", "-j", jobs, root]);
        assert_eq!((many.code, &many.out), (1, &one.out), "{jobs}");
    }
}

/// A bad case doesn't keep others from being run, and the exit code is the bad one's.
#[test]
fn a_bad_case_among_others_is_named() {
    let (directory, good) = case();
    let bad = case_at(&directory.path().join("bad"));
    succeeds(&["sim", "test", "--update", &good]);
    fs::write(Path::new(&bad).join("service_config"), "{").unwrap();
    let ended = run(&["sim", "test", &bad, &good]);
    assert_eq!(ended.code, 2);
    assert_eq!(ended.out, "passed 1 out of 2 tests\n");
    assert!(ended.err.contains("bad/service_config:1: "));
}

#[test]
fn an_update_writes_through_no_link() {
    let (directory, path) = case();
    let precious = directory.path().join("precious");
    fs::write(&precious, "mine").unwrap();
    symlink(&precious, Path::new(&path).join("log.expect")).unwrap();
    refuses(
        &["sim", "test", "--update", &path],
        2,
        &["log.expect: not a regular file"],
    );
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");
}
