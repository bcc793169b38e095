//! `ha-checker rules` and `fence`: configurations and what they give.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{refuses, run, succeeds};

/// Regression data of the reference beside the workspace, which is not part of the project.
fn reference_cases(kind: &str) -> Option<Vec<String>> {
    let own = env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate lies");
    let workspace = Path::new(&own).ancestors().nth(2).unwrap();
    let folder = workspace.join("../shared/cases/pve").join(kind);
    let Ok(entries) = fs::read_dir(&folder) else {
        let message = format!("skipped: {} isn't there\n", folder.display());
        assert!(env::var_os("LOCKSTEP_NO_SKIP").is_none(), "{message}");
        // Past the test runner, which keeps what a passing test prints to itself.
        io::stderr().write_all(message.as_bytes()).unwrap();
        return None;
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let cases = paths.filter(|path| path.extension().is_some_and(|end| end == "cfg"));
    let mut cases: Vec<String> = cases
        .map(|path| path.to_str().unwrap().to_owned())
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "{} has no cases", folder.display());
    Some(cases)
}

#[test]
fn reference_cases_give_what_is_expected_to_the_byte() {
    for kind in ["rules", "fence"] {
        let Some(cases) = reference_cases(kind) else {
            continue;
        };
        let mut arguments = vec![kind, "--test"];
        arguments.extend(cases.iter().map(String::as_str));
        let ended = run(&arguments);
        let passed = format!("passed {0} out of {0} tests\n", cases.len());
        assert_eq!((ended.code, ended.out), (0, passed), "{kind}");
        for case in &cases {
            let expected = fs::read_to_string(format!("{case}.expect")).unwrap();
            assert_eq!(run(&[kind, case]).out, expected, "{case}");
        }
    }
}

/// A directory with a file.
fn file(name: &str, content: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, content).unwrap();
    (directory, path)
}

const RULES: &str = "node-affinity: db\n\tresources vm:1,ct:2\n\tnodes node2:3\n\tstrict\n\t\
                     comment %C3%A4%3A \"\n\tdisable 0\n\tstrict 7\n\nresource-affinity: one\n\t\
                     affinity positive\n\tresources vm:1\n\tnothing\n\nx\n";

const RULES_EXPECTED: &str = r#"--- Log ---
Drop rule 'one', because rule is ineffective as there are less than two resources.
--- Config ---
{
   "digest" : "DIGEST",
   "errors" : [
      {
         "context" : "file rules_cfgs/r.cfg line 7",
         "err" : "duplicate attribute\n",
         "key" : "strict",
         "section" : "db"
      },
      {
         "context" : "file rules_cfgs/r.cfg line 12",
         "err" : "unknown property type\n",
         "key" : "nothing",
         "section" : "one"
      }
   ],
   "ids" : {
      "db" : {
         "comment" : "ä: \"",
         "disable" : 0,
         "nodes" : {
            "node2" : {
               "priority" : 3
            }
         },
         "resources" : {
            "ct:2" : 1,
            "vm:1" : 1
         },
         "strict" : 1,
         "type" : "node-affinity"
      }
   },
   "order" : {
      "db" : 1
   }
}
--- Compiled Config ---
{
   "node-affinity" : {},
   "resource-affinity" : {
      "negative" : {},
      "positive" : {}
   }
}
"#;

#[test]
fn rules_are_shown_with_what_could_not_be_read() {
    let (_directory, path) = file("r.cfg", RULES);
    let path = path.to_str().unwrap();
    let ended = run(&["rules", path]);
    assert_eq!(ended.code, 0);
    let digest = ended.out.split('"').nth(3).unwrap().to_owned();
    assert_eq!(digest.len(), 40);
    assert_eq!(ended.out.replace(&digest, "DIGEST"), RULES_EXPECTED);
    let section = "unable to parse value of";
    let expected = format!(
        "warning: file {path} line 7 (section 'db') - {section} 'strict': duplicate attribute\n\
         warning: file {path} line 12 (section 'one') - {section} 'nothing': unknown property type\n\
         warning: file {path} line 14 - ignore config line: x\n"
    );
    assert_eq!(ended.err, expected);
}

/// The digest is of the file's bytes; that of nothing is well known.
#[test]
fn the_digest_is_of_the_text() {
    let (_directory, path) = file("r.cfg", "");
    let out = succeeds(&["rules", path.to_str().unwrap()]);
    assert!(
        out.contains("da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        "{out}"
    );
}

#[test]
fn fence_errors_name_the_file_as_expectations_do() {
    let (_directory, path) = file("d.cfg", "device a\nconnect a node=n b\n");
    let path = path.to_str().unwrap();
    let ended = run(&["fence", path]);
    let expected = "[FenceConfig] Encountered error(s) on parsing 'fence_cfgs/d.cfg':\n\
                    line 2: device 'a' must be declared before you can connect to it\n";
    assert_eq!((ended.code, ended.out.as_str()), (0, expected));
    assert_eq!(
        ended.err,
        format!("warning: {path} ignore line 1: device a\n")
    );
}

#[test]
fn fence_commands_are_shown_by_try_and_node() {
    let text = "device a x y=1\ndevice a:10 x10 z\ndevice a:2 x2 z\ndevice b w z\n\
                connect a node=node1 p\nconnect a:2 node=node1 p\nconnect a:10 node=node1 p\n\
                connect b node=node1 p\nconnect b node=node3 p\n";
    let (_directory, path) = file("d.cfg", text);
    let out = succeeds(&["fence", path.to_str().unwrap()]);
    let expected = "[try] 0\n[node1-cmd] x -y 1 -p\n[node1-cmd] x2 -z -p\n[node1-cmd] x10 -z -p\n\
                    [node2-cmd] none\n[node3-cmd] w -z -p\n\
                    [try] 1\n[node1-cmd] w -z -p\n[node2-cmd] none\n[node3-cmd] none\n\
                    [try] 2\n[node1-cmd] none\n[node2-cmd] none\n[node3-cmd] none\n";
    assert_eq!(out, expected);
}

#[test]
fn what_differs_is_shown_and_counted() {
    let (directory, path) = file("d.cfg", "");
    let path = path.to_str().unwrap();
    let refuses_missing = run(&["fence", "--test", path]);
    assert_eq!(refuses_missing.code, 1);
    assert_eq!(refuses_missing.out, "passed 0 out of 1 tests\n");
    assert!(
        refuses_missing.err.contains("d.cfg.expect: "),
        "{}",
        refuses_missing.err
    );
    let expected = directory.path().join("d.cfg.expect");
    fs::write(&expected, succeeds(&["fence", path])).unwrap();
    assert_eq!(
        succeeds(&["fence", "--test", path, path]),
        "passed 2 out of 2 tests\n"
    );
    fs::write(&expected, "[try] 0\n[node1-cmd] other\n").unwrap();
    let ended = run(&["fence", "--test", path]);
    assert_eq!(ended.code, 1);
    for part in [
        "--- ",
        "+++ ",
        "\n-[node1-cmd] other\n",
        "\n+[node1-cmd] none\n",
        "passed 0 out",
    ] {
        assert!(ended.out.contains(part), "no {part:?} in {}", ended.out);
    }
}

#[test]
fn bad_files_get_one_line_with_their_place() {
    let (directory, path) = file("a.cfg", b"# \xc3\xa4\n\nx\xff\n");
    let path = path.to_str().unwrap();
    for command in ["rules", "fence"] {
        refuses(&[command, path], 2, &["a.cfg:3: ", "UTF-8"]);
        refuses(
            &[command, directory.path().to_str().unwrap()],
            2,
            &["directory", "expected"],
        );
        refuses(
            &[command, "/nonexistent/a.cfg"],
            2,
            &["/nonexistent/a.cfg: ", "expected"],
        );
        refuses(&[command], 2, &["not provided: <FILE>", "--help"]);
    }
    let large = directory.path().join("large.cfg");
    fs::File::create(&large)
        .unwrap()
        .set_len((16 << 20) + 1)
        .unwrap();
    refuses(
        &["rules", large.to_str().unwrap()],
        2,
        &["large.cfg: ", "at most 16 MiB"],
    );
    fs::write(directory.path().join("b.cfg"), "").unwrap();
    fs::write(directory.path().join("b.cfg.expect"), b"\xff").unwrap();
    let case = directory.path().join("b.cfg");
    let ended = run(&["rules", "--test", case.to_str().unwrap()]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.contains("b.cfg.expect:1: not UTF-8"),
        "{}",
        ended.err
    );
}

/// The rest is shown in spite of a bad file, and the exit code is the bad one's.
#[test]
fn a_bad_file_does_not_keep_others_from_being_shown() {
    let (_directory, path) = file("d.cfg", "");
    let ended = run(&["fence", "/nonexistent/a.cfg", path.to_str().unwrap()]);
    assert_eq!(ended.code, 2);
    assert!(ended.out.starts_with("[try] 0\n"), "{}", ended.out);
}

#[test]
fn rules_out_of_all_proportion_are_refused() {
    let resources: Vec<String> = (0..100_000).map(|number| format!("vm:{number}")).collect();
    let resources = resources.join(",");
    let text = format!("resource-affinity: all\n\taffinity positive\n\tresources {resources}\n");
    let (_directory, path) = file("r.cfg", text);
    refuses(
        &["rules", path.to_str().unwrap()],
        2,
        &["r.cfg: ", "expected fewer", "256 MiB"],
    );
}

#[test]
fn warnings_are_cut_short_and_counted() {
    let (_directory, path) = file("r.cfg", "\u{1b}[31mred\n".repeat(1500));
    let ended = run(&["rules", path.to_str().unwrap()]);
    assert_eq!(ended.code, 0);
    assert!(!ended.err.contains('\u{1b}'), "{}", ended.err);
    assert!(
        ended.err.contains("ignore config line: \\u{1b}[31mred\n"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.ends_with(": 500 more of these\n"),
        "{}",
        ended.err
    );
    assert_eq!(ended.err.lines().count(), 1001);
}
