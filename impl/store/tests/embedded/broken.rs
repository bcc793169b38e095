//! A file that is a store, with something in it that no store writes.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use lockstep_model::id::Revision;
use lockstep_model::record::Outcome;
use lockstep_store::contract::Fixture as _;
use lockstep_store::{Error, Store as _};

use super::{File, number, open, write_number};

/// A store of which one row was changed can't be read, and the error says this.
#[track_caller]
fn check_broken(change: &str, expect: &[&str]) -> Error {
    let file = File::new();
    let mut store = file.open();
    store.write(&write_number(1)).unwrap();
    file.raw()
        .execute_batch(change)
        .unwrap_or_else(|error| panic!("{change}: {error}"));
    let error = store.read().unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("read the record \""), "{text}");
    assert!(text.len() < 600, "{} bytes", text.len());
    for words in expect {
        assert!(text.contains(words), "{text}");
    }
    error
}

#[test]
fn broken_values_name_their_key() {
    for (value, found) in [
        ("", "``"),
        ("{", "`{`"),
        ("null", "`null`"),
        ("{\"location\":1,\"wanted\":\"Flying\",\"uid\":1}", "Flying"),
        (
            "{\"location\":70000,\"wanted\":\"Started\",\"uid\":1}",
            "70000",
        ),
        (
            "{\"location\":1,\"wanted\":\"Started\",\"uid\":1} x",
            "trailing",
        ),
        ("\x1b[2J", "\\u{1b}"),
    ] {
        let change = format!("UPDATE record SET value = '{value}'");
        let expect = ["\"service/7\"", found, "expected a service as JSON"];
        let error = check_broken(&change, &expect);
        assert!(matches!(error, Error::Broken { .. }));
    }
    let deep = format!("UPDATE record SET value = '{}'", "[".repeat(60_000));
    check_broken(&deep, &["\"service/7\"", "expected a service"]);
    // Text that is no UTF-8.
    let bytes = "UPDATE record SET value = CAST(x'ff00fe' AS TEXT)";
    check_broken(bytes, &["\"service/7\"", "expected a service"]);
}

#[test]
fn broken_keys_are_named() {
    for key in ["service/07", "service/65536", "lock/1", "", "service/7\n"] {
        let change = format!("UPDATE record SET key = '{key}'");
        check_broken(&change, &["expected grant/N, beat/N, service/N"]);
    }
    let long = format!("UPDATE record SET key = '{}'", "k".repeat(100_000));
    check_broken(&long, &["\"kkkk", "more than 64 bytes"]);
    let bytes = "UPDATE record SET key = CAST(x'ff00fe' AS TEXT)";
    check_broken(bytes, &["expected grant/N"]);
}

#[test]
fn broken_revisions_are_named() {
    for revision in ["-1", "0", "2", "9223372036854775807"] {
        let change = format!("UPDATE record SET revision = {revision}");
        let found = format!("found revision {revision}");
        check_broken(&change, &["\"service/7\"", &found, "expected a revision"]);
    }
}

#[test]
fn large_values_are_not_loaded() {
    let change = "UPDATE record SET value = CAST(zeroblob(100000000) AS TEXT)";
    let error = check_broken(change, &["\"service/7\"", "at most 65536"]);
    assert!(matches!(error, Error::TooLarge { size, .. } if size == 100_000_000));
    assert!(!error.is_certainly_not_applied());
}

#[test]
fn many_large_values_are_bounded() {
    let change = "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) \
         INSERT INTO record SELECT 'service/' || i, 1, \
         '{\"location\":1,\"wanted\":\"Started\",\"uid\":1}' \
         || substr(replace(hex(zeroblob(32700)), '0', ' '), 1, 65000) FROM n";
    let file = File::new();
    let mut store = file.open();
    store.write(&write_number(1)).unwrap();
    file.raw().execute_batch(change).unwrap();
    let error = store.read().unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains("all records"), "{error}");
}

/// One broken record doesn't stand in the way of writing, nor of putting it right.
#[test]
fn broken_record_can_be_overwritten() {
    let file = File::new();
    let mut store = file.open();
    store.write(&write_number(1)).unwrap();
    file.raw()
        .execute_batch("UPDATE record SET value = 'x'")
        .unwrap();
    store.read().unwrap_err();
    store.write(&write_number(2)).unwrap();
    assert_eq!(number(&mut store), 2);
}

#[test]
fn revisions_are_not_reused_after_removal_and_end_with_an_error() {
    let file = File::new();
    let mut store = file.open();
    store.write(&write_number(1)).unwrap();
    let before = store.revision().unwrap();
    file.raw().execute_batch("DELETE FROM record").unwrap();
    drop(store);
    let mut store = file.open();
    let Outcome::Applied(after) = store.write(&write_number(2)).unwrap() else {
        panic!("refused");
    };
    assert!(before < after);

    file.raw()
        .execute_batch("UPDATE meta SET revision = 9223372036854775807")
        .unwrap();
    let error = store.write(&write_number(3)).unwrap_err();
    assert!(error.to_string().contains("can still grow"), "{error}");
    assert_eq!(number(&mut store), 2);
    assert_eq!(store.revision().unwrap(), Revision(i64::MAX as u64));
}

/// Pages overwritten with garbage are told as damage, not as records.
#[test]
fn damaged_pages_are_damage() {
    let file = File::new();
    file.open().write(&write_number(1)).unwrap();
    let size = fs::metadata(file.path()).unwrap().len();
    assert!(size > 8192);
    let garbage = vec![0xa5; usize::try_from(size).unwrap() - 4096];
    OpenOptions::new()
        .write(true)
        .open(file.path())
        .unwrap()
        .write_all_at(&garbage, 4096)
        .unwrap();
    let error = match open(&file.path(), Duration::from_millis(100)) {
        Ok(mut store) => store.read().unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("it is damaged"), "{error}");
}
