//! Cases that are broken, out of all proportion, or meant to do harm.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::path::Path;

use lockstep_sim::case::{Case, QUEUE_MAX, SERVICES_MAX};
use lockstep_sim::watch::Property;
use lockstep_sim::{Ended, Options, run, run_watched};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

const ON: &str = r#"["power node1 on", "power node2 on", "power node3 on"]"#;

/// A case of these files, with a list of commands if they have none.
fn case(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("cmdlist"), format!("[{ON}]")).unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

#[track_caller]
fn refuses_directory(directory: &Path, expected: &str) {
    let error = Case::read(directory).expect_err("it is broken").to_string();
    let prefix = format!("{}/", directory.display());
    let shown = error.strip_prefix(&prefix).unwrap_or(&error);
    assert_eq!(shown, expected);
}

/// A case with this file can't be read, and the error is this one.
#[track_caller]
fn refuses(file: &str, text: &str, expected: &str) {
    refuses_directory(case(&[(file, text)]).path(), expected);
}

/// A simulation ends with this error, in its log too.
#[track_caller]
fn fails(files: &[(&str, &str)], expected: &str) {
    let directory = case(files);
    let run = run(&Case::read(directory.path()).unwrap());
    assert_eq!(run.ended, Ended::Error(expected.to_owned()), "{}", run.log);
    let text = format!("exit simulation - {expected}");
    assert!(run.log.contains(&text), "{}", run.log);
}

/// A simulation ends in the regular way.
#[track_caller]
fn runs(files: &[(&str, &str)]) -> String {
    let directory = case(files);
    let run = run(&Case::read(directory.path()).unwrap());
    assert_eq!(run.ended, Ended::Regular, "{}", run.log);
    run.log
}

#[test]
fn what_must_be_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    refuses_directory(
        directory.path(),
        "cmdlist: isn't there, expected a list of lists of commands",
    );
    let missing = directory.path().join("none");
    let error = Case::read(&missing).expect_err("it isn't there");
    let expected = "No such file or directory (os error 2), expected a directory with a cmdlist";
    assert_eq!(
        error.to_string(),
        format!("{}: {expected}", missing.display())
    );
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Case::read(&file).expect_err("it is a file").to_string();
    assert!(error.ends_with(": not a directory, expected one with a cmdlist"));
}

#[test]
fn broken_json_is_named_with_its_line() {
    refuses("cmdlist", "[\n[\"a\",]\n]", "cmdlist:2: trailing comma");
    refuses("cmdlist", "", "cmdlist:1: EOF while parsing a value");
    refuses(
        "cmdlist",
        "[\n\"power node1 on\"]",
        "cmdlist:2: invalid type: string \"power node1 on\", expected a sequence",
    );
    refuses(
        "cmdlist",
        "[[1]]",
        "cmdlist:1: invalid type: integer `1`, expected a string",
    );
    refuses(
        "hardware_status",
        "{\n\"node1\": {\"power\": \"up\", \"network\": \"off\"}}",
        "hardware_status:2: unknown variant `up`, expected `on` or `off`",
    );
    refuses(
        "hardware_status",
        "{\n\"node1\": {\"power\": \"on\"}}",
        "hardware_status:2: missing field `network`",
    );
    refuses(
        "service_config",
        "{\n\n\"vm:1\": {\"state\": \"started\"}}",
        "service_config:3: missing field `node`",
    );
    refuses(
        "datacenter.cfg",
        "[]",
        "datacenter.cfg:1: invalid type: sequence, expected a map",
    );
    refuses(
        "hardware_status",
        "{\"node1\":\n[\"on\", \"on\"]}",
        "hardware_status:2: invalid type: sequence, expected a map",
    );
    refuses(
        "service_status_node1",
        "{\"vm:1\": \"maybe\"}",
        "service_status_node1:1: expected a truth value such as 0 or 1, found 'maybe'",
    );
}

#[test]
fn json_of_any_depth_is_refused() {
    let deep = "[".repeat(1_000_000);
    refuses(
        "cmdlist",
        &deep,
        "cmdlist:1: invalid type: sequence, expected a string",
    );
    for file in [
        "hardware_status",
        "service_config",
        "manager_status",
        "datacenter.cfg",
    ] {
        let text = format!("{{\"x\": {{\"a\": {}", "[".repeat(1_000_000));
        let directory = case(&[(file, &text)]);
        Case::read(directory.path()).expect_err("it is broken");
    }
    let deep = format!("{{\"service_status\": {}", "[".repeat(1_000_000));
    refuses(
        "manager_status",
        &deep,
        "manager_status:1: EOF while parsing a list",
    );
}

#[test]
fn misspelt_fields_are_not_ignored() {
    refuses(
        "service_config",
        "{\"vm:1\": {\"node\": \"node1\", \"max_restrat\": 3}}",
        "service_config:1: unknown field `max_restrat`, expected one of `node`, `state`, `group`, \
         `max_restart`, `max_relocate`, `failback`, `lock`, `comment`",
    );
    refuses(
        "hardware_status",
        "{\"node1\": {\"power\": \"on\", \"network\": \"on\", \"cfs\": {\"rw\": 1}}}",
        "hardware_status:1: 'cfs' and 'shutdown' of a node can't be given at the beginning, \
         expected a command in cmdlist",
    );
}

#[test]
fn numbers_have_bounds() {
    for (value, found) in [
        ("-1", "-1"),
        ("\"NaN\"", "NaN"),
        ("\"inf\"", "inf"),
        ("1e300", "1e+300"),
        ("\"many\"", "many"),
    ] {
        refuses(
            "static_service_stats",
            &format!("{{\"vm:1\":\n{{\"maxcpu\": {value}}}}}"),
            &format!(
                "static_service_stats:2: expected a number from 0 to 1000000, found '{found}'"
            ),
        );
    }
    refuses(
        "service_config",
        "{\"vm:1\": {\"node\": \"node1\", \"max_restart\": 99999999999}}",
        "service_config:1: expected a number from 0 to 4294967295, found '99999999999'",
    );
    refuses(
        "service_config",
        "{\"vm:1\": {\"node\": \"node1\", \"max_relocate\": []}}",
        "service_config:1: expected a number, a string or a flag",
    );
    refuses(
        "datacenter.cfg",
        "{\"crs\": {\"ha-auto-rebalance-threshold\": -0.5}}",
        "datacenter.cfg:1: expected a number from 0 to 1000000, found '-0.5'",
    );
}

#[test]
fn nodes_and_services_are_known_ones() {
    refuses(
        "service_config",
        "{\"vm:1\": {\"node\": \"node1\"},\n\"vm:2\": {\"node\": \"node4\"}}",
        "service_config:2: service 'vm:2': unknown node 'node4', expected one of node1, node2, node3",
    );
    refuses(
        "service_config",
        "{\"vm:one\": {\"node\": \"node1\"}}",
        "service_config:1: service 'vm:one': expected vm:, ct: or fa: followed by digits",
    );
    refuses(
        "hardware_status",
        "{\n\"../node1\": {\"power\": \"on\", \"network\": \"on\"}}",
        "hardware_status:2: a node can't be called '../node1', expected letters, digits, dots, \
         hyphens and underscores",
    );
    refuses(
        "hardware_status",
        "{}",
        "hardware_status:1: no nodes, expected at least one",
    );
}

#[test]
fn a_status_has_known_states() {
    refuses(
        "manager_status",
        "{\"node_status\": {\n\"node1\": \"offline\"}}",
        "manager_status:2: unknown node state 'offline', expected online, maintenance, unknown, \
         fence or gone",
    );
    refuses(
        "manager_status",
        "{\"service_status\":\n{\"vm:1\": {\"state\": \"running\"}}}",
        "manager_status:2: unknown service state 'running', expected stopped, request_stop, \
         request_start, request_start_balance, started, fence, recovery, migrate, relocate, freeze \
         or error",
    );
    refuses(
        "manager_status",
        "{\"disarm\": {\"mode\": \"freeze\", \"state\": \"armed\"}}",
        "manager_status:1: unknown variant `armed`, expected `disarming` or `disarmed`",
    );
    refuses(
        "manager_status",
        "{\"service_status\": {\"vm:1\": {\"state\": \"started\", \"cmd\": [\"stop\", \"soon\"]}}}",
        "manager_status:1: expected seconds for stop, found 'soon'",
    );
}

#[test]
fn only_regular_files_are_read() {
    let directory = case(&[]);
    let name = |name: &str| directory.path().join(name);
    symlink("/dev/zero", name("groups")).unwrap();
    refuses_directory(directory.path(), "groups: not a regular file, expected one");
    fs::remove_file(name("groups")).unwrap();
    mkfifo(&name("rules_config"), Mode::S_IRWXU).unwrap();
    let error = "rules_config: not a regular file, expected one";
    refuses_directory(directory.path(), error);
    fs::remove_file(name("rules_config")).unwrap();
    fs::create_dir(name("manager_status")).unwrap();
    let error = "manager_status: not a regular file, expected one";
    refuses_directory(directory.path(), error);
    fs::remove_dir(name("manager_status")).unwrap();
    symlink("nowhere", name("service_config")).unwrap();
    let error = "service_config: No such file or directory (os error 2), expected a file";
    refuses_directory(directory.path(), error);
    fs::remove_file(name("service_config")).unwrap();
    let large = File::create(name("rules_config")).unwrap();
    large.set_len((16 << 20) + 1).unwrap();
    let error = "rules_config: too large, expected at most 16 MiB";
    refuses_directory(directory.path(), error);
    fs::write(name("rules_config"), b"\n\xff").unwrap();
    let error = "rules_config:2: not UTF-8, expected a text in UTF-8";
    refuses_directory(directory.path(), error);
    fs::remove_file(name("rules_config")).unwrap();
    Case::read(directory.path()).expect("nothing odd is left");
}

#[test]
fn rules_and_groups_that_cannot_be_read_stop_nothing() {
    let directory = case(&[
        (
            "rules_config",
            "node-affinity: aa\n\tresources vm:1\n\tnodes node1\n\tstrict 7\n\nx\n",
        ),
        ("groups", "grupp: b\n"),
    ]);
    let case = Case::read(directory.path()).unwrap();
    let warnings = case.warnings().flat_map(|of_file| of_file.iter());
    let warnings: Vec<String> = warnings.map(|one| one.to_string()).collect();
    for place in [
        "rules_config line 4",
        "rules_config line 6",
        "groups line 1",
    ] {
        let found = warnings.iter().any(|warning| warning.contains(place));
        assert!(found, "no {place} in {warnings:?}");
    }
    assert_eq!(run(&case).ended, Ended::Regular);
}

#[test]
fn commands_that_make_no_sense_end_a_simulation() {
    for (command, error) in [
        (
            "power",
            "sim_hardware_cmd: command 'power' without an object",
        ),
        ("power node9 on", "sim_hardware_cmd: no such node 'node9'"),
        ("power node1 up", "sim_hardware_cmd: unknown action 'up'"),
        (
            "explode node1",
            "sim_hardware_cmd: unknown command 'explode node1'",
        ),
        (
            "service 101 started",
            "value does not look like a valid ha resource id",
        ),
        ("service vm:9 started", "no such service 'vm:9'"),
        (
            "crm node1 disarm-ha melt",
            "sim_hardware_cmd: unknown resource mode 'melt'",
        ),
        (
            "service vm:101 set-static-stats maxmem -5",
            "sim_hardware_cmd: expected a number from 0 to 1073741824, found '-5'",
        ),
        (
            "delay -1",
            "command 'delay -1': expected a number, found '-1'",
        ),
        (
            "skip-round crm 18446744073709551616",
            "command 'skip-round crm 18446744073709551616': expected a number, found \
             '18446744073709551616'",
        ),
    ] {
        let commands = format!("[{ON}, [\"{command}\"]]");
        fails(&[("cmdlist", &commands)], error);
    }
}

#[test]
fn times_and_counts_of_any_size_end_with_the_simulation() {
    let most = u64::MAX;
    let over = "simulation exceeded maximum time (10000) - force end";
    let commands = format!("[{ON}, [\"delay {most}\"]]");
    fails(&[("cmdlist", &commands)], over);
    let skipping = format!(
        "[[\"skip-round crm {most}\", \"skip-round crm {most}\", \"skip-round lrm {most}\"], {ON}]"
    );
    runs(&[("cmdlist", &skipping)]);
    let commands = format!(
        "[{ON}, [\"service vm:101 stop {most}\", \"service vm:101 stop 99999999999999999999\"]]"
    );
    let log = runs(&[
        ("cmdlist", &commands),
        (
            "service_config",
            "{\"vm:101\": {\"node\": \"node1\", \"state\": \"started\"}}",
        ),
    ]);
    assert!(log.contains("got crm command: stop vm:101 18446744073709551615"));
    assert!(log.contains("unable to parse crm command: stop vm:101 99999999999999999999"));
    let lists = "[], ".repeat(1_000);
    fails(&[("cmdlist", &format!("[{lists}{ON}]"))], over);
}

/// Starting a guest takes two seconds, and the lock one.
#[test]
fn rounds_that_take_too_long_end_the_simulation() {
    let services = |count: u32| {
        let service = |number| format!(r#""vm:{number}": {{"node": "node1", "state": "started"}}"#);
        let services: Vec<String> = (0..count).map(service).collect();
        format!("{{{}}}", services.join(","))
    };
    runs(&[("service_config", &services(149))]);
    fails(
        &[("service_config", &services(150))],
        "loop took too long (301 seconds)",
    );
}

/// The LRM, skipped until then, carries out what the manager asked for before that.
#[test]
fn what_is_ignored_and_started_all_the_same_is_reported() {
    let commands = r#"[["power node2 on", "power node3 on"], ["power node1 on"],
        ["service vm:101 add node1", "skip-round lrm 5"], ["service vm:101 ignored"]]"#;
    let directory = case(&[
        ("cmdlist", commands),
        (
            "service_config",
            r#"{"vm:102": {"node": "node2", "state": "ignored"}}"#,
        ),
    ]);
    let run = run(&Case::read(directory.path()).unwrap());
    let reports: Vec<(Property, u64)> = run
        .reports
        .iter()
        .map(|report| (report.property, report.seconds))
        .collect();
    let expected = [(Property::IgnoredUntouched, 321)];
    assert_eq!(reports, expected, "{}", run.log);
}

#[test]
fn statistics_of_any_size_add_up() {
    let most = 1_u64 << 50;
    let mut services = Vec::new();
    let mut usage = Vec::new();
    for number in 0..100 {
        services.push(format!(
            "\"vm:{number}\": {{\"node\": \"node1\", \"state\": \"started\"}}"
        ));
        usage.push(format!(
            "\"vm:{number}\": {{\"cpu\": 1e6, \"mem\": {most}}}"
        ));
    }
    let node = format!("{{\"power\": \"off\", \"network\": \"off\", \"maxmem\": {most}}}");
    let log = runs(&[
        ("service_config", &format!("{{{}}}", services.join(","))),
        ("dynamic_service_stats", &format!("{{{}}}", usage.join(","))),
        (
            "hardware_status",
            &format!("{{\"node1\": {node}, \"node2\": {node}, \"node3\": {node}}}"),
        ),
        (
            "datacenter.cfg",
            "{\"crs\": {\"ha\": \"dynamic\", \"ha-auto-rebalance\": 1}}",
        ),
    ]);
    assert!(log.contains("overcommitted mem on 'node1'"));
}

#[test]
fn too_many_of_anything_are_refused() {
    let nodes: Vec<String> = (0..10_000)
        .map(|number| format!("\"n{number}\": {{\"power\": \"off\", \"network\": \"off\"}}"))
        .collect();
    let error = "unable to simulate so many nodes. You need to increase watchdog/lock timeouts.";
    fails(
        &[
            ("hardware_status", &format!("{{{}}}", nodes.join(","))),
            ("service_config", "{}"),
        ],
        error,
    );
    let services: Vec<String> = (0..10_000)
        .map(|number| format!("\"vm:{number}\": {{\"node\": \"node1\"}}"))
        .collect();
    refuses(
        "service_config",
        &format!("{{{}}}", services.join(",")),
        &format!("service_config: 10000 services, expected at most {SERVICES_MAX}"),
    );
    let entries: Vec<String> = (0..10_000)
        .map(|number| format!("\"vm:{number}\": {{\"state\": \"stopped\"}}"))
        .collect();
    refuses(
        "manager_status",
        &format!("{{\"service_status\": {{{}}}}}", entries.join(",")),
        &format!("manager_status: 10000 services, expected at most {SERVICES_MAX}"),
    );
    let added: Vec<String> = (0..SERVICES_MAX + 1)
        .map(|number| format!("\"service vm:1{number:05} add node1 stopped\""))
        .collect();
    let last = SERVICES_MAX - 6;
    fails(
        &[("cmdlist", &format!("[[{}]]", added.join(",")))],
        &format!("service 'vm:1{last:05}' add: more than {SERVICES_MAX} services"),
    );
    let queued = "\"crm node1 arm-ha\",".repeat(QUEUE_MAX);
    fails(
        &[("cmdlist", &format!("[[{queued}\"crm node1 arm-ha\"]]"))],
        &format!("more than {QUEUE_MAX} commands wait for the CRM"),
    );
}

/// What is said is handed on command by command, so a watcher's limit is soon seen.
#[test]
fn endless_commands_can_be_stopped() {
    let commands = "\"network node1 on\",".repeat(500_000);
    let directory = case(&[("cmdlist", &format!("[[{commands}\"network node1 on\"]]"))]);
    let case = Case::read(directory.path()).unwrap();
    let mut lines_seen = 0;
    let outcome = run_watched(&case, &Options::default(), &mut |lines| {
        assert!(lines.len() <= 2);
        lines_seen += lines.len();
        match lines_seen < 1_000 {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    assert_eq!(outcome.ended, Ended::Stopped);
    let log = run(&case).log;
    assert_eq!(log.lines().count(), 500_003);
}

/// As many services as there may be, with everything that costs time, in every node's round.
#[test]
fn the_largest_case_comes_to_an_end() {
    let services: Vec<String> = (0..SERVICES_MAX)
        .map(|number| {
            let node = number % 3 + 1;
            format!("\"vm:{number}\": {{\"node\": \"node{node}\", \"state\": \"stopped\"}}")
        })
        .collect();
    let all: Vec<String> = (0..SERVICES_MAX)
        .map(|number| format!("vm:{number}"))
        .collect();
    let rules = format!(
        "resource-affinity: all\n\taffinity positive\n\tresources {}\n\n",
        all.join(",")
    );
    let directory = case(&[
        ("service_config", &format!("{{{}}}", services.join(","))),
        ("rules_config", &rules),
        (
            "datacenter.cfg",
            "{\"crs\": {\"ha\": \"dynamic\", \"ha-auto-rebalance\": 1}}",
        ),
        (
            "cmdlist",
            &format!("[{ON}, [\"service vm:6 migrate node2\"]]"),
        ),
    ]);
    let run = run(&Case::read(directory.path()).unwrap());
    assert_eq!(run.ended, Ended::Regular);
    assert!(run.log.lines().count() > 2 * SERVICES_MAX);
}
