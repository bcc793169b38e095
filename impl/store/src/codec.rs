//! The text of keys and records, and the bounds on both; the same for every backend.
//!
//! A key is `kind/number`, in one spelling only; its record is a JSON object, whose type the key's
//! kind decides. What comes out of a store is input like any other: it is bounded, parsed, and
//! refused with the key's name.

use std::collections::BTreeSet;
use std::fmt::Display;

use lockstep_model::id::{LockId, NodeId, Revision, ServiceId};
use lockstep_model::record::{Data, DataKey, Key, Record, Write};
use serde::de::DeserializeOwned;

use crate::error::{Doing, Error};

/// The largest text of one record, in bytes, in writing and in reading.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// The most conditions, and the most records put, of one write.
///
/// That of an etcd server left at its defaults.
pub const OPERATIONS_MAX: usize = 128;
/// The largest sum of texts of one write, in bytes.
///
/// Below what an etcd server left at its defaults takes as one request (1.5 MiB).
pub const WRITE_BYTES_MAX: usize = 1024 * 1024;
/// The largest sum of texts of one snapshot, in bytes.
pub const SNAPSHOT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How much of a broken text an error shows, in bytes.
const EXCERPT_BYTES_MAX: usize = 80;

/// A record ready to be written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Encoded {
    /// The key's text.
    pub key: String,
    /// The record's text.
    pub value: String,
}

/// The text of a key: `grant/manager`, `grant/3`, `beat/3`, `service/7`, `data/status`,
/// `data/entry/7`, `data/lrm/3` and so on.
#[must_use]
pub fn key_text(key: Key) -> String {
    match key {
        Key::Grant(lock) => format!("grant/{}", lock_text(lock)),
        Key::Beat(lock) => format!("beat/{}", lock_text(lock)),
        Key::Service(service) => format!("service/{}", service.0),
        Key::Data(data) => format!("data/{}", data_text(data)),
    }
}

fn lock_text(lock: LockId) -> String {
    match lock {
        LockId::Manager => String::from("manager"),
        LockId::Agent(node) => node.0.to_string(),
    }
}

fn data_text(key: DataKey) -> String {
    match key {
        DataKey::Status => String::from("status"),
        DataKey::Entry(service) => format!("entry/{}", service.0),
        DataKey::Lrm(node) => format!("lrm/{}", node.0),
        DataKey::Resource(service) => format!("resource/{}", service.0),
        DataKey::Commands => String::from("commands"),
        DataKey::Rules => String::from("rules"),
        DataKey::Groups => String::from("groups"),
        DataKey::Fence(node) => format!("fence/{}", node.0),
    }
}

fn parse_lock(text: &str) -> Option<LockId> {
    match text {
        "manager" => Some(LockId::Manager),
        number => Some(LockId::Agent(NodeId(number.parse().ok()?))),
    }
}

fn parse_data(text: &str) -> Option<DataKey> {
    let (kind, number) = match text.split_once('/') {
        Some((kind, number)) => (kind, Some(number.parse::<u16>().ok()?)),
        None => (text, None),
    };
    match (kind, number) {
        ("status", None) => Some(DataKey::Status),
        ("entry", Some(number)) => Some(DataKey::Entry(ServiceId(number))),
        ("lrm", Some(number)) => Some(DataKey::Lrm(NodeId(number))),
        ("resource", Some(number)) => Some(DataKey::Resource(ServiceId(number))),
        ("commands", None) => Some(DataKey::Commands),
        ("rules", None) => Some(DataKey::Rules),
        ("groups", None) => Some(DataKey::Groups),
        ("fence", Some(number)) => Some(DataKey::Fence(NodeId(number))),
        _ => None,
    }
}

/// The key of a text.
///
/// # Errors
///
/// [`Error::Broken`] if the text isn't exactly what [`key_text`] makes of some key.
pub fn parse_key(text: &str) -> Result<Key, Error> {
    let parsed = text.split_once('/').and_then(|(kind, rest)| match kind {
        "grant" => parse_lock(rest).map(Key::Grant),
        "beat" => parse_lock(rest).map(Key::Beat),
        "service" => Some(Key::Service(ServiceId(rest.parse().ok()?))),
        "data" => parse_data(rest).map(Key::Data),
        _ => None,
    });
    parsed.filter(|key| key_text(*key) == text).ok_or_else(|| {
        broken(
            text,
            "a key that no record has",
            "grant/N, beat/N, service/N, data/entry/N, data/lrm/N, data/resource/N or data/fence/N \
             with N from 0 to 65535, without leading zeros, or grant/manager, beat/manager, data/status, \
             data/commands, data/rules or data/groups",
        )
    })
}

/// The text of a record.
///
/// # Errors
///
/// [`Error::Malformed`] if the record is of another kind than its key, [`Error::TooLarge`] if its
/// text is.
pub fn encode(key: Key, record: &Record) -> Result<Encoded, Error> {
    let text = key_text(key);
    let json = match (key, record) {
        (Key::Grant(_), Record::Grant(grant)) => serde_json::to_string(grant),
        (Key::Beat(_), Record::Beat(beat)) => serde_json::to_string(beat),
        (Key::Service(_), Record::Service(service)) => serde_json::to_string(service),
        (Key::Data(key), Record::Data(data)) if is_of(key, data) => serde_json::to_string(data),
        (Key::Grant(_) | Key::Beat(_) | Key::Service(_) | Key::Data(_), _) => {
            return Err(malformed(
                text,
                "its content is of another kind; expected the kind of the key",
            ));
        }
    };
    let value = json.map_err(|error| malformed(text.clone(), error))?;
    at_most(value.len(), VALUE_BYTES_MAX, Doing::Write, || {
        format!("the record {text:?} (in bytes)")
    })?;
    Ok(Encoded { key: text, value })
}

/// The record of a key from its text.
///
/// # Errors
///
/// [`Error::TooLarge`], or [`Error::Broken`] if the text isn't that of such a record.
pub fn decode(key: Key, value: &[u8]) -> Result<Record, Error> {
    check_value_size(&key_text(key), value.len())?;
    match key {
        Key::Grant(_) => parse(key, value, "a grant").map(Record::Grant),
        Key::Beat(_) => parse(key, value, "a beat").map(Record::Beat),
        Key::Service(_) => parse(key, value, "a service").map(Record::Service),
        Key::Data(name) => {
            let data: Data = parse(key, value, "data")?;
            match is_of(name, &data) {
                true => Ok(Record::Data(Box::new(data))),
                false => Err(broken(
                    &key_text(key),
                    "its content is of another kind",
                    "the kind of the key",
                )),
            }
        }
    }
}

/// Whether a record under this key has such a content.
const fn is_of(key: DataKey, data: &Data) -> bool {
    match key {
        DataKey::Status => matches!(data, Data::Status(_)),
        DataKey::Entry(_) => matches!(data, Data::Entry(_)),
        DataKey::Lrm(_) => matches!(data, Data::Lrm(_)),
        DataKey::Resource(_) => matches!(data, Data::Resource(_)),
        DataKey::Commands => matches!(data, Data::Commands(_)),
        DataKey::Rules => matches!(data, Data::Rules(_)),
        DataKey::Groups => matches!(data, Data::Groups(_)),
        DataKey::Fence(_) => matches!(data, Data::Fence(_)),
    }
}

/// Refuses the text of a record that is too large, best before it is loaded.
///
/// # Errors
///
/// [`Error::TooLarge`].
pub fn check_value_size(key: &str, bytes: usize) -> Result<(), Error> {
    at_most(bytes, VALUE_BYTES_MAX, Doing::Read, || {
        format!("the record {:?} (in bytes)", excerpt(key.as_bytes()))
    })
}

/// Refuses a snapshot that is too large, best before all of it is loaded.
///
/// # Errors
///
/// [`Error::TooLarge`].
pub fn check_snapshot_size(bytes: usize) -> Result<(), Error> {
    at_most(bytes, SNAPSHOT_BYTES_MAX, Doing::Read, || {
        "all records (in bytes)".to_owned()
    })
}

/// A record's revision from a store's number.
///
/// # Errors
///
/// [`Error::Broken`] if no write can have left it: it is not above [`Revision::ABSENT`], or above
/// the revision of the whole store.
pub fn parse_revision(key: &str, number: i64, store: Revision) -> Result<Revision, Error> {
    match u64::try_from(number) {
        Ok(number) if Revision::ABSENT.0 < number && number <= store.0 => Ok(Revision(number)),
        Ok(_) | Err(_) => Err(broken(
            key,
            format!("revision {number}"),
            format!("a revision from 1 to that of the store, {}", store.0),
        )),
    }
}

/// Checks a write against the bounds and against itself, and returns the texts that it puts.
///
/// Every backend calls this before it sends anything.
///
/// # Errors
///
/// [`Error::TooLarge`] and [`Error::Malformed`]; the write is then certainly not applied.
pub fn encode_write(write: &Write) -> Result<Vec<Encoded>, Error> {
    at_most(write.compares.len(), OPERATIONS_MAX, Doing::Write, || {
        "the records (in conditions)".to_owned()
    })?;
    at_most(write.puts.len(), OPERATIONS_MAX, Doing::Write, || {
        "the records (in number)".to_owned()
    })?;
    let mut keys = BTreeSet::new();
    let mut puts = Vec::with_capacity(write.puts.len());
    for put in &write.puts {
        if !keys.insert(put.key) {
            return Err(malformed(
                key_text(put.key),
                "it is put twice by one write; expected each key once",
            ));
        }
        puts.push(encode(put.key, &put.record)?);
    }
    let bytes = puts.iter().map(|put| put.value.len()).sum();
    at_most(bytes, WRITE_BYTES_MAX, Doing::Write, || {
        "the records together (in bytes)".to_owned()
    })?;
    assert_eq!(puts.len(), write.puts.len(), "one text for each put");
    Ok(puts)
}

/// Text from outside, shortened and with control characters made visible.
pub(crate) fn excerpt(text: &[u8]) -> String {
    let shown = text.get(..EXCERPT_BYTES_MAX).unwrap_or(text);
    let ellipsis = if shown.len() < text.len() { "…" } else { "" };
    let escaped: String = String::from_utf8_lossy(shown)
        .chars()
        .flat_map(|c| {
            let visible = (!c.is_control()).then_some(c);
            let escaped = visible.is_none().then(|| c.escape_default());
            visible.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect();
    format!("{escaped}{ellipsis}")
}

/// An [`Error::Broken`] with bounded texts.
pub(crate) fn broken(key: &str, found: impl Display, expected: impl Display) -> Error {
    Error::Broken {
        key: excerpt(key.as_bytes()),
        found: found.to_string(),
        expected: expected.to_string(),
    }
}

fn parse<T: DeserializeOwned>(key: Key, value: &[u8], expected: &str) -> Result<T, Error> {
    serde_json::from_slice(value).map_err(|error| {
        let found = format!("`{}`", excerpt(value));
        broken(
            &key_text(key),
            found,
            format!("{expected} as JSON ({error})"),
        )
    })
}

fn malformed(key: String, reason: impl Display) -> Error {
    Error::Malformed {
        key,
        reason: reason.to_string(),
    }
}

fn at_most(
    size: usize,
    size_max: usize,
    doing: Doing,
    what: impl FnOnce() -> String,
) -> Result<(), Error> {
    if size <= size_max {
        return Ok(());
    }
    Err(Error::TooLarge {
        doing,
        what: what(),
        size: size as u64,
        size_max: size_max as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_one_text() {
        for key in [
            Key::Grant(LockId::Agent(NodeId(0))),
            Key::Beat(LockId::Agent(NodeId(3))),
            Key::Service(ServiceId(u16::MAX)),
            Key::Grant(LockId::Manager),
            Key::Beat(LockId::Manager),
            Key::Data(DataKey::Status),
            Key::Data(DataKey::Entry(ServiceId(7))),
            Key::Data(DataKey::Lrm(NodeId(7))),
            Key::Data(DataKey::Resource(ServiceId(7))),
            Key::Data(DataKey::Commands),
            Key::Data(DataKey::Rules),
            Key::Data(DataKey::Groups),
            Key::Data(DataKey::Fence(NodeId(7))),
        ] {
            let text = key_text(key);
            assert_eq!(parse_key(&text).unwrap(), key, "{text}");
        }
        for text in [
            "",
            "grant",
            "grant/",
            "grant/03",
            "grant/+3",
            "grant/65536",
            "Grant/3",
            "grant/3/",
            "lock/3",
            "service/manager",
            "data",
            "data/entry",
            "data/entry/07",
            "data/rules/1",
        ] {
            let error = parse_key(text).unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn data_is_of_the_kind_of_its_key() {
        let (rules, groups) = (Key::Data(DataKey::Rules), Key::Data(DataKey::Groups));
        let commands = Record::Data(Box::new(Data::Commands(Vec::new())));
        assert!(encode(rules, &commands).is_err());
        let encoded = encode(Key::Data(DataKey::Commands), &commands).unwrap();
        let text = encoded.value.as_bytes();
        assert_eq!(
            decode(Key::Data(DataKey::Commands), text).unwrap(),
            commands
        );
        let error = decode(groups, text).unwrap_err().to_string();
        assert!(error.contains("expected the kind of the key"), "{error}");
    }

    #[test]
    fn revisions_are_bounded_by_the_stores() {
        let store = Revision(7);
        for number in [1, 7] {
            assert!(parse_revision("beat/1", number, store).is_ok());
        }
        for number in [i64::MIN, -1, 0, 8, i64::MAX] {
            assert!(parse_revision("beat/1", number, store).is_err());
        }
    }

    #[test]
    fn excerpts_are_short_and_printable() {
        assert_eq!(excerpt(b"a\x1b[31m\n"), "a\\u{1b}[31m\\n");
        let long = excerpt(&[b'x'; 10_000]);
        assert_eq!(long.chars().count(), EXCERPT_BYTES_MAX + 1);
        assert!(excerpt(&[0xff; 200]).len() < 400);
    }

    #[test]
    fn broken_texts_name_the_key_and_what_was_expected() {
        let error = decode(Key::Service(ServiceId(7)), b"{\"location\":1}")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("read the record \"service/7\""),
            "{error}"
        );
        assert!(error.contains("expected a service as JSON"), "{error}");
        assert!(error.contains("wanted"), "{error}");
        let large = vec![b' '; VALUE_BYTES_MAX + 1];
        assert!(matches!(
            decode(Key::Grant(LockId::Agent(NodeId(1))), &large),
            Err(Error::TooLarge { .. })
        ));
    }
}
