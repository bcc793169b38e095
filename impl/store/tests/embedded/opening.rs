//! Creating and opening: what is a store, and what only looks like one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::Duration;

use lockstep_model::id::Revision;
use lockstep_store::contract::Fixture as _;
use lockstep_store::{ClusterId, Embedded, Error, Options, Store as _};

use super::{File, number, open, write_number};

const TIMEOUT: Duration = Duration::from_millis(200);

/// Opening fails with these words.
#[track_caller]
fn check_refused(path: &Path, expect: &[&str]) -> Error {
    let error = open(path, TIMEOUT).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("open the store "), "{text}");
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    for words in expect {
        assert!(text.contains(words), "{text}");
    }
    error
}

#[test]
fn missing_is_not_created() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let error = check_refused(&path, &["there is none"]);
    assert!(matches!(error, Error::Missing { .. }));
    assert!(!path.exists());
}

#[test]
fn creating_replaces_nothing() {
    let file = File::new();
    file.open().write(&write_number(1)).unwrap();
    let error = Embedded::create(&file.path()).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
    assert_eq!(number(&mut file.open()), 1);
    let gone = file.directory.path().join("no/such/store.db");
    let error = Embedded::create(&gone).unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}

#[test]
fn created_once_among_many() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let created = thread::scope(|scope| {
        let all: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| Embedded::create(&path)))
            .collect();
        all.into_iter()
            .filter_map(|one| one.join().unwrap().ok())
            .collect::<Vec<_>>()
    });
    let found = open(&path, TIMEOUT).unwrap().cluster();
    assert_eq!(created, [found]);
    assert_ne!(found, ClusterId(0));
    let names: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["store.db"], "nothing is left beside it");
}

#[test]
fn another_cluster_is_refused() {
    let (file, other) = (File::new(), File::new());
    let options = |cluster| Options {
        busy_timeout: TIMEOUT,
        poll_interval: TIMEOUT,
        cluster: Some(cluster),
        seen: Revision::ABSENT,
    };
    let (own, foreign) = (file.open().cluster(), other.open().cluster());
    assert_ne!(own, foreign);
    Embedded::open(&file.path(), options(own)).unwrap();
    let error = Embedded::open(&file.path(), options(foreign)).unwrap_err();
    assert!(matches!(error, Error::OtherCluster { .. }));
    let text = error.to_string();
    assert!(text.contains(&own.to_string()), "{text}");
    assert!(text.contains(&foreign.to_string()), "{text}");
}

#[test]
fn one_that_was_rolled_back_is_refused() {
    let file = File::new();
    let mut store = file.open();
    store.write(&write_number(1)).unwrap();
    let seen = store.revision().unwrap();
    let options = |seen| Options {
        busy_timeout: TIMEOUT,
        poll_interval: TIMEOUT,
        cluster: None,
        seen,
    };
    Embedded::open(&file.path(), options(seen)).unwrap();
    let later = Revision(seen.0 + 1);
    let error = Embedded::open(&file.path(), options(later)).unwrap_err();
    assert!(matches!(error, Error::RolledBack { .. }), "{error}");
}

#[test]
fn what_is_no_store_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    check_refused(directory.path(), &["found something that is no file"]);

    fs::write(&path, "").unwrap();
    check_refused(&path, &["application id 0x0"]);
    fs::write(
        &path,
        "not a database, but long enough to have a header".repeat(100),
    )
    .unwrap();
    check_refused(&path, &["found a file that is no SQLite database"]);

    fs::remove_file(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE people (name TEXT)")
        .unwrap();
    check_refused(&path, &["application id 0x0", "expected application id"]);
}

#[test]
fn another_schema_is_refused() {
    let file = File::new();
    file.raw().execute_batch("PRAGMA user_version = 9").unwrap();
    let error = check_refused(
        &file.path(),
        &["found schema version 9; expected version 1"],
    );
    assert!(matches!(error, Error::OtherSchema { found: 9, .. }));

    for change in [
        "CREATE TRIGGER t AFTER INSERT ON record BEGIN DELETE FROM record; END",
        "DROP TABLE record; CREATE VIEW record AS SELECT 1",
        "DROP TABLE record",
    ] {
        let file = File::new();
        file.raw().execute_batch(change).unwrap();
        check_refused(&file.path(), &["found a layout of [meta"]);
    }
    for (change, expect) in [
        ("DELETE FROM meta", "found no cluster id"),
        (
            "UPDATE meta SET cluster = 'mine'",
            "found cluster id `mine`",
        ),
        ("UPDATE meta SET revision = -1", "found revision -1"),
    ] {
        let file = File::new();
        file.raw().execute_batch(change).unwrap();
        check_refused(&file.path(), &[expect]);
    }
}

#[test]
fn options_are_bounded() {
    let file = File::new();
    for busy_timeout in [Duration::ZERO, Duration::from_secs(61), Duration::MAX] {
        let error = open(&file.path(), busy_timeout).unwrap_err();
        assert!(matches!(error, Error::Options { .. }), "{error}");
    }
}

#[test]
fn second_hard_link_is_refused() {
    let file = File::new();
    let second = file.directory.path().join("second.db");
    fs::hard_link(file.path(), &second).unwrap();
    check_refused(&second, &["a file with 2 names"]);
    fs::remove_file(second).unwrap();
    file.open();
}

/// A symbolic link is one node's way to the store, which can be cut and mended.
#[test]
fn cut_link_is_unavailable_until_mended() {
    let file = File::new();
    let link = file.directory.path().join("node1.db");
    symlink(file.path(), &link).unwrap();
    let mut cut = open(&link, TIMEOUT).unwrap();
    let mut other = file.open();
    cut.write(&write_number(1)).unwrap();
    assert_eq!(number(&mut other), 1, "both use one log");

    fs::remove_file(&link).unwrap();
    let errors = [
        cut.read().unwrap_err(),
        cut.revision().unwrap_err(),
        cut.write(&write_number(2)).unwrap_err(),
        cut.watch(Revision(0), Duration::ZERO).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    }
    assert_eq!(number(&mut other), 1, "nothing came through");
    other.write(&write_number(3)).unwrap();

    symlink(file.path(), &link).unwrap();
    assert_eq!(number(&mut cut), 3);
    cut.write(&write_number(4)).unwrap();
    assert_eq!(number(&mut other), 4);
}

#[test]
fn replaced_file_is_noticed() {
    let (file, other) = (File::new(), File::new());
    let mut store = file.open();
    fs::rename(other.path(), file.path()).unwrap();
    let error = store.write(&write_number(1)).unwrap_err();
    assert!(matches!(error, Error::Replaced { .. }), "{error}");
    let error = store.read().unwrap_err();
    assert!(matches!(error, Error::Replaced { .. }), "{error}");
    assert_eq!(number(&mut file.open()), 0);
}

#[test]
fn rolled_back_store_is_noticed() {
    let file = File::new();
    let mut store = file.open();
    for number in 1..=3 {
        store.write(&write_number(number)).unwrap();
    }
    file.raw()
        .execute_batch("UPDATE meta SET revision = 2; UPDATE record SET revision = 2")
        .unwrap();
    let errors = [
        store.read().unwrap_err(),
        store.revision().unwrap_err(),
        store.write(&write_number(4)).unwrap_err(),
        file.open().watch(Revision(3), TIMEOUT).unwrap_err(),
    ];
    for error in errors {
        assert!(
            matches!(
                error,
                Error::RolledBack {
                    seen: Revision(3),
                    found: Revision(2),
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn file_system_that_holds_no_files_is_unavailable() {
    let error = Embedded::create(Path::new("/proc/store.db")).unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}
