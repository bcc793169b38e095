//! What happens within one transaction.

use lockstep_model::id::Revision;
use lockstep_model::record::{Compare, Entry, Outcome, Snapshot, Write};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use super::Fault;
use super::place::Place;
use crate::codec::{self, Encoded, VALUE_BYTES_MAX};
use crate::error::{Doing, Error};

/// A read transaction: one moment of the store.
pub(super) struct Read<'a>(Transaction<'a>);

impl<'a> Read<'a> {
    pub(super) fn begin(connection: &'a mut Connection) -> Result<Self, Fault> {
        begin(connection, TransactionBehavior::Deferred).map(Self)
    }

    /// The store's revision.
    pub(super) fn revision(&self) -> Result<Revision, Fault> {
        store_revision(&self.0)
    }

    /// All records.
    pub(super) fn snapshot(&self) -> Result<Snapshot, Fault> {
        let revision = store_revision(&self.0)?;
        // What is too large is never loaded.
        let mut statement = self.0.prepare(
            "SELECT key, revision, octet_length(value), \
             CASE WHEN octet_length(value) <= ?1 THEN CAST(value AS BLOB) END \
             FROM record WHERE octet_length(key) <= 64",
        )?;
        let mut rows = statement.query([VALUE_BYTES_MAX as i64])?;
        let mut entries = Vec::new();
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let text = String::from_utf8_lossy(bytes_of(row.get_ref(0)?)).into_owned();
            let size = usize::try_from(row.get::<_, i64>(2)?).unwrap_or(usize::MAX);
            codec::check_value_size(&text, size)?;
            bytes += size;
            codec::check_snapshot_size(bytes)?;
            let key = codec::parse_key(&text)?;
            entries.push(Entry {
                key,
                revision: codec::parse_revision(&text, row.get(1)?, revision)?,
                record: codec::decode(key, bytes_of(row.get_ref(3)?))?,
            });
        }
        drop(rows);
        drop(statement);
        self.refuse_long_keys()?;
        entries.sort_unstable_by_key(|entry| entry.key);
        assert!(
            entries.windows(2).all(|pair| pair[0].key < pair[1].key),
            "a key has one text, and the text is the table's primary key"
        );
        Ok(Snapshot { revision, entries })
    }

    /// A key longer than any that can be parsed is shown by its beginning.
    fn refuse_long_keys(&self) -> Result<(), Fault> {
        let long: Option<String> = self
            .0
            .query_row(
                "SELECT substr(key, 1, 64) FROM record WHERE octet_length(key) > 64 LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()?;
        match long {
            Some(start) => Err(codec::broken(
                &start,
                "a key of more than 64 bytes",
                "grant/N, beat/N or service/N",
            )
            .into()),
            None => Ok(()),
        }
    }
}

/// A conditional write, whole or not at all.
///
/// `seen` is a revision that the store had before; one that has less was rolled back, and what was
/// decided on the strength of the former isn't to be added to it.
pub(super) fn write(
    connection: &mut Connection,
    place: &Place,
    seen: Revision,
    write: &Write,
    puts: &[Encoded],
) -> Result<Outcome, Fault> {
    assert_eq!(write.puts.len(), puts.len(), "one text for each put");
    // Immediate: the lock comes before the reads, so that what was compared stays true.
    let transaction = begin(connection, TransactionBehavior::Immediate)?;
    place.check(Doing::Write)?;
    let current = store_revision(&transaction)?;
    if current < seen {
        return Err(Error::RolledBack {
            doing: Doing::Write,
            store: place.to_string(),
            seen,
            found: current,
        }
        .into());
    }
    for compare in &write.compares {
        if !holds(&transaction, compare, current)? {
            return Ok(Outcome::Refused);
        }
    }
    if puts.is_empty() {
        return Ok(Outcome::Applied(current));
    }
    let Some(next) = current.0.checked_add(1).and_then(|n| i64::try_from(n).ok()) else {
        return Err(codec::broken("revision", current.0, "one that can still grow").into());
    };
    put_all(&transaction, puts, next)?;
    transaction.commit()?;
    Ok(Outcome::Applied(Revision(current.0 + 1)))
}

fn put_all(transaction: &Transaction<'_>, puts: &[Encoded], next: i64) -> Result<(), Fault> {
    let mut statement = transaction.prepare(
        "INSERT INTO record (key, revision, value) VALUES (?1, ?2, ?3) \
         ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, value = excluded.value",
    )?;
    for put in puts {
        let changed = statement.execute((&put.key, next, &put.value))?;
        assert_eq!(changed, 1, "one key, one row");
    }
    let changed = transaction.execute("UPDATE meta SET revision = ?1 WHERE single = 1", [next])?;
    assert_eq!(changed, 1, "the revision was read from this row");
    Ok(())
}

/// Begins a transaction, after ending one that an earlier error may have left open.
fn begin(
    connection: &mut Connection,
    behavior: TransactionBehavior,
) -> Result<Transaction<'_>, Fault> {
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    Ok(connection.transaction_with_behavior(behavior)?)
}

fn store_revision(transaction: &Transaction<'_>) -> Result<Revision, Fault> {
    let number: i64 =
        transaction.query_row("SELECT revision FROM meta WHERE single = 1", [], |row| {
            row.get(0)
        })?;
    match u64::try_from(number) {
        Ok(number) => Ok(Revision(number)),
        Err(_) => Err(codec::broken("revision", number, "at least 0").into()),
    }
}

fn holds(transaction: &Transaction<'_>, compare: &Compare, store: Revision) -> Result<bool, Fault> {
    let key = codec::key_text(compare.key);
    let number: Option<i64> = transaction
        .query_row(
            "SELECT revision FROM record WHERE key = ?1",
            [&key],
            |row| row.get(0),
        )
        .optional()?;
    let found = match number {
        Some(number) => codec::parse_revision(&key, number, store)?,
        None => Revision::ABSENT,
    };
    Ok(found == compare.revision)
}

fn bytes_of(value: rusqlite::types::ValueRef<'_>) -> &[u8] {
    value.as_bytes().unwrap_or_default()
}
