//! Whole cases: the reference's, our own, and such as nobody should write.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers end it where they fail"
)]

mod bad;
mod histories;

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use lockstep_model::config::Profile;
use lockstep_sim::case::Case;
use lockstep_sim::watch::Property;
use lockstep_sim::{Ended, Options, run, run_watched};

/// Asked for when the test runs: another checkout may share the target directory.
fn workspace() -> PathBuf {
    let own = env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate lies");
    Path::new(&own).ancestors().nth(2).unwrap().to_owned()
}

fn cases_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    assert!(!cases.is_empty(), "{} has no cases", folder.display());
    cases
}

/// Where a log is not what is expected of it first.
fn first_difference(case: &Path) -> Option<String> {
    let name = case.file_name().unwrap().to_string_lossy();
    let read = match Case::read(case) {
        Ok(read) => read,
        Err(error) => return Some(format!("{name}: {error}")),
    };
    let log = run(&read).log;
    let Ok(expected) = fs::read_to_string(case.join("log.expect")) else {
        return Some(format!("{name}: has no log.expect"));
    };
    if log == expected {
        return None;
    }
    let (mut ours, mut theirs) = (log.lines(), expected.lines());
    let mut number = 0;
    loop {
        number += 1;
        let (our, their) = (ours.next(), theirs.next());
        if our != their || our.is_none() {
            return Some(format!(
                "{name}: line {number}: {our:?}, expected {their:?}"
            ));
        }
    }
}

/// Every case of a collection gives its log to the byte.
#[track_caller]
fn check_collection(folder: &Path) {
    let cases = cases_in(folder);
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| first_difference(case))
        .collect();
    let count = format!("{} of {}", wrong.len(), cases.len());
    assert!(wrong.is_empty(), "{count} differ:\n{}", wrong.join("\n"));
}

/// Cases beside the workspace, which are not part of the project.
fn reference(folder: &str) -> Option<PathBuf> {
    let folder = workspace().join("../shared/cases").join(folder);
    if folder.is_dir() {
        return Some(folder);
    }
    let message = format!("skipped: {} isn't there\n", folder.display());
    assert!(env::var_os("LOCKSTEP_NO_SKIP").is_none(), "{message}");
    // Past the test runner, which keeps what a passing test prints to itself.
    io::stderr().write_all(message.as_bytes()).unwrap();
    None
}

fn check_reference(folder: &str) {
    if let Some(folder) = reference(folder) {
        check_collection(&folder);
    }
}

#[test]
fn the_references_scenarios_give_their_logs_to_the_byte() {
    check_reference("pve/scenarios");
}

#[test]
fn the_references_random_cases_give_their_logs_to_the_byte() {
    check_reference("random");
}

#[test]
fn our_scenarios_give_their_logs_to_the_byte() {
    check_collection(&workspace().join("tests/scenarios"));
}

/// What is wrong with a case under a profile of ours: a property that doesn't hold, or another log
/// than is expected, if one is.
fn surprise(path: &Path, profile: Profile) -> Option<String> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let options = Options {
        profile,
        until_seconds: None,
    };
    let case = match Case::read(path) {
        Ok(case) => case,
        Err(error) => return Some(format!("{name}: {error}")),
    };
    let mut log = String::new();
    let outcome = run_watched(&case, &options, &mut |lines| {
        log.extend(lines.iter().map(|line| format!("{line}\n")));
        ControlFlow::Continue(())
    });
    if !outcome.reports.is_empty() {
        return Some(format!("{name}, {profile}: {:?}", outcome.reports));
    }
    let expected = fs::read_to_string(path.join(format!("log.{}.expect", profile.name())));
    let differs = expected.is_ok_and(|expected| expected != log);
    differs.then(|| format!("{name}, {profile}: another log than is expected"))
}

/// Every property holds in every case, under each of these profiles in turn.
#[track_caller]
fn holds_in(folder: &Path, profiles: &[Profile]) {
    let cases = cases_in(folder);
    let profiles = profiles.iter().cycle();
    let wrong: Vec<String> = cases
        .iter()
        .zip(profiles)
        .filter_map(|(case, profile)| surprise(case, *profile))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const OURS: [Profile; 3] = [Profile::Default, Profile::Fast, Profile::Conservative];

#[test]
fn properties_hold_in_the_references_scenarios_under_our_profiles() {
    if let Some(folder) = reference("pve/scenarios") {
        holds_in(&folder, &OURS);
    }
}

#[test]
fn properties_hold_in_the_references_random_cases_under_our_profiles() {
    if let Some(folder) = reference("random") {
        holds_in(&folder, &OURS);
    }
}

#[test]
fn properties_hold_in_our_scenarios_under_each_of_our_profiles() {
    for profile in OURS {
        holds_in(&workspace().join("tests/scenarios"), &[profile]);
    }
}

#[test]
fn our_scenarios_say_what_they_show_and_where_that_is_specified() {
    let cases = cases_in(&workspace().join("tests/scenarios"));
    assert!(cases.len() >= 25, "{} scenarios", cases.len());
    for case in cases {
        let text = fs::read_to_string(case.join("README")).unwrap();
        let lines = text.lines().count();
        assert!((2..=5).contains(&lines), "{}: {lines}", case.display());
        assert!(text.contains("Specification: "), "{}", case.display());
    }
}

/// Neither the reference nor this manager touches a frozen service, but for a node that goes down
/// with what runs on it.
#[test]
fn what_is_frozen_is_left_alone() {
    let own = workspace().join("tests/scenarios");
    let others = ["pve/scenarios", "random"];
    let folders = others.into_iter().filter_map(reference).chain([own]);
    for case in folders.flat_map(|folder| cases_in(&folder)) {
        let mut reports = run(&Case::read(&case).unwrap()).reports;
        reports.retain(|report| report.property == Property::FrozenUntouched);
        assert_eq!(reports, [], "{}", case.display());
    }
}

fn scenario(name: &str) -> Case {
    Case::read(&workspace().join("tests/scenarios").join(name)).unwrap()
}

fn until(case: &Case, seconds: u64) -> (String, Ended) {
    let mut log = String::new();
    let options = Options {
        until_seconds: Some(seconds),
        ..Options::default()
    };
    let outcome = run_watched(case, &options, &mut |lines| {
        for line in lines {
            log.push_str(&format!("{line}\n"));
        }
        ControlFlow::Continue(())
    });
    (log, outcome.ended)
}

#[test]
fn a_run_can_end_early() {
    let case = scenario("double-fault");
    let whole = run(&case).log;
    let (log, ended) = until(&case, 0);
    let nothing = "info      0     hardware: starting simulation\n\
                   info      0     hardware: exit simulation - done\n";
    assert_eq!((log.as_str(), ended), (nothing, Ended::Regular));
    for seconds in [121, 140] {
        let (log, ended) = until(&case, seconds);
        assert_eq!(ended, Ended::Regular);
        let end = "info    140     hardware: exit simulation - done\n";
        let before = log.strip_suffix(end).expect(&log);
        assert!(whole.starts_with(before), "{log}");
        assert!(before.contains("execute network node1 off"), "{log}");
    }
    let (log, ended) = until(&case, u64::MAX);
    assert_eq!((log, ended), (whole, Ended::Regular));
}

/// Lines come when they are said, and none after the watcher has had enough.
#[test]
fn a_run_can_be_watched_and_stopped() {
    let case = scenario("double-fault");
    let whole = run(&case).log;
    let mut log = String::new();
    let outcome = run_watched(&case, &Options::default(), &mut |lines| {
        assert!(lines.len() < 50, "{} at once", lines.len());
        for line in lines {
            log.push_str(&format!("{line}\n"));
        }
        match log.contains("FENCE") {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    assert_eq!(outcome.ended, Ended::Stopped);
    assert!(whole.starts_with(&log) && log.len() < whole.len(), "{log}");
}
