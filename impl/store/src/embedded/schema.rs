//! The layout of the file: made once, verified whenever it is opened.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use lockstep_model::id::Revision;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};

use super::Fault;
use super::place::{Place, not_a_store, refuse_shared_file_system};
use crate::ClusterId;
use crate::codec::excerpt;
use crate::error::{Doing, Error};

/// `LKST`: tells the file from other SQLite databases.
const APPLICATION_ID: i64 = 0x4c4b_5354;
/// The version of this layout and of the records' JSON.
const SCHEMA_VERSION: i64 = 1;

/// Every object of the schema by name, in the order of names.
const OBJECTS: [(&str, &str); 2] = [
    (
        "meta",
        "CREATE TABLE meta (\
         single INTEGER PRIMARY KEY CHECK (single = 1), \
         cluster TEXT NOT NULL, \
         revision INTEGER NOT NULL) STRICT",
    ),
    (
        "record",
        "CREATE TABLE record (\
         key TEXT PRIMARY KEY NOT NULL, \
         revision INTEGER NOT NULL, \
         value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    ),
];

/// What the file says about itself.
pub(super) struct Meta {
    pub(super) cluster: ClusterId,
    pub(super) revision: Revision,
}

/// Makes a new store; see [`super::Embedded::create`].
///
/// The name is claimed with an empty file, which replaces nothing; the store is made beside it and
/// then takes the name. Who opens it meanwhile is told that it is empty.
pub(super) fn create(path: &Path) -> Result<ClusterId, Error> {
    let failed = |error: io::Error| Error::Unavailable {
        doing: Doing::Create,
        store: path.display().to_string(),
        reason: error.to_string(),
        source: Some(error.into()),
    };
    let path = std::path::absolute(path).map_err(failed)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    refuse_shared_file_system(directory)?;
    let cluster = random_id().map_err(failed)?;
    match new_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Error::Exists {
                store: path.display().to_string(),
            });
        }
        Err(error) => return Err(failed(error)),
    }
    let draft = draft_path(&path, cluster);
    let made = new_file(&draft)
        .and_then(|()| fill(&draft, cluster).map_err(io::Error::other))
        .and_then(|()| fs::rename(&draft, &path));
    if let Err(error) = made {
        // If this fails too, the next attempt says what is in the way.
        let _ = fs::remove_file(&draft);
        let _ = fs::remove_file(&path);
        return Err(failed(error));
    }
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed)?;
    Ok(cluster)
}

/// Checks that this is a store that this program understands, and sets the connection up.
pub(super) fn verify(connection: &Connection, place: &Place) -> Result<Meta, Fault> {
    let application = match pragma(connection, "application_id") {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            let found = "a file that is no SQLite database";
            return Err(not_a_store(place.path(), found, "a store's database").into());
        }
        other => other?,
    };
    if application != APPLICATION_ID {
        let found = format!("a database with application id {application:#x} (an empty one: 0x0)");
        return Err(not_a_store(place.path(), found, "application id 0x4c4b5354").into());
    }
    let version = pragma(connection, "user_version")?;
    if version != SCHEMA_VERSION {
        return Err(Error::OtherSchema {
            store: place.to_string(),
            found: version,
            expected: SCHEMA_VERSION,
        }
        .into());
    }
    verify_objects(connection, place)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| {
        row.get("journal_mode")
    })?;
    if mode != "wal" {
        let found = format!("journal mode {mode}");
        return Err(not_a_store(place.path(), found, "a file system that allows WAL").into());
    }
    configure(connection)?;
    read_meta(connection, place)
}

/// What holds for one connection only and has to be said each time.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA synchronous = FULL; \
         PRAGMA trusted_schema = OFF; \
         PRAGMA cell_size_check = ON; \
         PRAGMA journal_size_limit = 4194304;",
    )?;
    let synchronous = pragma(connection, "synchronous")?;
    assert_eq!(synchronous, 2, "synchronous is FULL");
    Ok(())
}

fn verify_objects(connection: &Connection, place: &Place) -> Result<(), Fault> {
    let mut statement = connection
        .prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name LIMIT 3")?;
    let found: Vec<(String, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let is_ours = found
        .iter()
        .map(|(name, sql)| (name.as_str(), sql.as_str()))
        .eq(OBJECTS);
    if is_ours {
        return Ok(());
    }
    let names: Vec<String> = found
        .iter()
        .map(|(name, _)| excerpt(name.as_bytes()))
        .collect();
    let found = format!("a layout of [{}]", names.join(", "));
    Err(not_a_store(
        place.path(),
        found,
        "exactly this version's tables meta and record",
    )
    .into())
}

fn read_meta(connection: &Connection, place: &Place) -> Result<Meta, Fault> {
    let row: Option<(String, i64)> = connection
        .query_row(
            "SELECT cluster, revision FROM meta WHERE single = 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((cluster, revision)) = row else {
        return Err(not_a_store(place.path(), "no cluster id", "one").into());
    };
    let Ok(id) = cluster.parse() else {
        let found = format!("cluster id `{}`", excerpt(cluster.as_bytes()));
        return Err(not_a_store(place.path(), found, "32 lower-case hexadecimal digits").into());
    };
    let Ok(revision) = u64::try_from(revision) else {
        let found = format!("revision {revision}");
        return Err(not_a_store(place.path(), found, "a revision of at least 0").into());
    };
    Ok(Meta {
        cluster: id,
        revision: Revision(revision),
    })
}

fn fill(path: &Path, cluster: ClusterId) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch("PRAGMA synchronous = EXTRA; PRAGMA journal_mode = WAL;")?;
    let transaction = connection.transaction()?;
    for (_, sql) in OBJECTS {
        transaction.execute_batch(sql)?;
    }
    transaction.execute(
        "INSERT INTO meta (single, cluster, revision) VALUES (1, ?1, 0)",
        [cluster.to_string()],
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    // The last one to close moves the log into the database and removes it.
    connection.close().map_err(|(_, error)| error)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn new_file(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

fn draft_path(path: &Path, cluster: ClusterId) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{cluster}.new"));
    PathBuf::from(name)
}

fn random_id() -> io::Result<ClusterId> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(ClusterId(u128::from_ne_bytes(bytes)))
}
