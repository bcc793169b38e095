//! The embedded backend: one machine, several processes, one SQLite file.
//!
//! # What it keeps
//!
//! A commit is linearizable because SQLite lets one process write at a time and shows every reader
//! that begins later what was committed; readers and writers don't wait for each other (write-ahead
//! log). `synchronous = FULL` syncs the log before a commit is acknowledged. So an acknowledged
//! write survives the death of every process (which the kernel's page cache alone would give) and
//! a crash or power loss of the machine (which needs the sync, and storage that tells the truth
//! about it).
//!
//! A process killed within a commit may leave a complete commit in the log that nobody has been
//! shown yet. Whoever writes next overwrites it; if everyone dies first, it is found when the
//! store is next opened. That is the contract's "applied later": its conditions still hold then,
//! since nothing was written in between.
//!
//! # What it needs
//!
//! * **One kernel.** The log's index is memory that the processes share; over a network file system,
//!   or one shared with virtual machines, both sides would write without seeing each other. Such
//!   file systems are refused.
//! * **One name.** Three files belong together (`-wal` and `-shm` beside the database). A second
//!   hard link is refused; a file mounted alone, without its directory, can't be told and mustn't
//!   be used. A symbolic link is fine.
//! * **Nothing else touches the files**, not even to read them: closing *any* descriptor of the
//!   database drops the process's POSIX locks on it. Copy it with SQLite's own backup; put a copy
//!   back only while nobody has the store open, and remove the old `-wal` and `-shm` first, or the
//!   old log is applied to the copy.
//! * **A limit, where one must hold.** The time-out bounds waiting for a process that holds the
//!   store's lock; reading doesn't wait for one at all. Two waits are not bounded by it: storage
//!   that stalls, and a process stopped in the few instructions in which it changes the log's index,
//!   for which SQLite waits 10 s before it gives up. [`Bounded`](crate::Bounded) bounds these too.
//!
//! A file that is moved, removed or replaced while it is open is noticed before and after every
//! call, since its open handles would go on with a store that nobody else sees.

mod place;
mod schema;
mod transaction;

use std::fmt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use lockstep_model::id::Revision;
use lockstep_model::record::{Outcome, Snapshot, Write};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{Doing, Error};
use crate::{ClusterId, Store, codec};
use place::Place;
use transaction::Read;

/// How to open an embedded store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long to wait for a process that holds the store's lock before a call ends with
    /// [`Error::Unavailable`]; from 1 ms to 60 s. A little more may pass: waiting is counted in
    /// naps, not on a clock. Whoever needs a hard limit uses [`Bounded`](crate::Bounded).
    pub busy_timeout: Duration,
    /// How often [`Store::watch`] looks; from 1 ms to 60 s.
    pub poll_interval: Duration,
    /// The store's id, if it is known; another is refused.
    pub cluster: Option<ClusterId>,
    /// A revision that it had before, [`Revision::ABSENT`] if none is known; a store that has less
    /// was rolled back, and is refused.
    pub seen: Revision,
}

/// The smallest and largest duration in [`Options`].
const OPTION_RANGE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(60));

impl Options {
    fn check(&self) -> Result<(), Error> {
        let (min, max) = OPTION_RANGE;
        for (name, value) in [
            ("busy_timeout", self.busy_timeout),
            ("poll_interval", self.poll_interval),
        ] {
            if value < min || max < value {
                return Err(Error::Options {
                    name,
                    value: format!("{value:?}"),
                    expected: "1 ms to 60 s",
                });
            }
        }
        Ok(())
    }
}

/// A store in a file on this machine, shared by its processes.
///
/// Each thread that uses the store opens it for itself. A handle must not be used in a forked
/// child.
pub struct Embedded {
    connection: Connection,
    place: Place,
    options: Options,
    cluster: ClusterId,
    /// The greatest revision this handle has seen.
    seen: Revision,
}

impl Embedded {
    /// Makes a new, empty store at `path`, whose directory exists, and returns its id.
    ///
    /// It stands there complete or not at all. Opening never creates one: a daemon that finds none
    /// must not begin a new history.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`], [`Error::NotAStore`] for a file system that can't hold one, and
    /// [`Error::Unavailable`] for the file system's own errors.
    pub fn create(path: &Path) -> Result<ClusterId, Error> {
        schema::create(path)
    }

    /// Opens the store at `path`.
    ///
    /// # Errors
    ///
    /// Those of opening ([`Error::Missing`], [`Error::NotAStore`], [`Error::OtherSchema`],
    /// [`Error::OtherCluster`], [`Error::Options`]), [`Error::RolledBack`], [`Error::Damaged`], and
    /// [`Error::Unavailable`].
    pub fn open(path: &Path, options: Options) -> Result<Self, Error> {
        options.check()?;
        let place = Place::find(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(place.path(), flags)
            .and_then(|connection| {
                connection.busy_timeout(options.busy_timeout)?;
                Ok(connection)
            })
            .map_err(|error| Fault::from(error).at(Doing::Open, &place, &options))?;
        let meta = schema::verify(&connection, &place)
            .map_err(|fault| fault.at(Doing::Open, &place, &options))?;
        if let Some(expected) = options.cluster
            && expected != meta.cluster
        {
            return Err(Error::OtherCluster {
                store: place.to_string(),
                found: meta.cluster,
                expected,
            });
        }
        place.check(Doing::Open)?;
        let mut opened = Self {
            connection,
            place,
            options,
            cluster: meta.cluster,
            seen: options.seen,
        };
        opened.notice(Doing::Open, options.seen, meta.revision)?;
        Ok(opened)
    }

    /// Takes note of the store's revision, which can't be less than one seen before.
    fn notice(&mut self, doing: Doing, seen: Revision, found: Revision) -> Result<(), Error> {
        let seen = seen.max(self.seen);
        if found < seen {
            return Err(Error::RolledBack {
                doing,
                store: self.place.to_string(),
                seen,
                found,
            });
        }
        self.seen = found;
        Ok(())
    }

    /// One read transaction.
    fn reading<T>(&mut self, body: impl FnOnce(&Read<'_>) -> Result<T, Fault>) -> Result<T, Error> {
        self.place.check(Doing::Read)?;
        let result = Read::begin(&mut self.connection).and_then(|read| body(&read));
        self.place.check(Doing::Read)?;
        result.map_err(|fault| fault.at(Doing::Read, &self.place, &self.options))
    }

    fn revision_after(&mut self, since: Revision) -> Result<Revision, Error> {
        let found = self.reading(|read| read.revision())?;
        self.notice(Doing::Read, since, found)?;
        Ok(found)
    }
}

impl Store for Embedded {
    fn cluster(&self) -> ClusterId {
        self.cluster
    }

    fn read(&mut self) -> Result<Snapshot, Error> {
        let snapshot = self.reading(|read| read.snapshot())?;
        self.notice(Doing::Read, Revision::ABSENT, snapshot.revision)?;
        Ok(snapshot)
    }

    fn write(&mut self, write: &Write) -> Result<Outcome, Error> {
        let puts = codec::encode_write(write)?;
        self.place.check(Doing::Write)?;
        let result = transaction::write(&mut self.connection, &self.place, self.seen, write, &puts);
        // Who acknowledges a write must know that it went to where everyone else looks.
        self.place.check(Doing::Write)?;
        let outcome = result.map_err(|fault| fault.at(Doing::Write, &self.place, &self.options))?;
        if let Outcome::Applied(revision) = outcome {
            self.notice(Doing::Write, Revision::ABSENT, revision)?;
        }
        Ok(outcome)
    }

    fn revision(&mut self) -> Result<Revision, Error> {
        self.revision_after(Revision::ABSENT)
    }

    fn watch(&mut self, since: Revision, patience: Duration) -> Result<Option<Revision>, Error> {
        let mut rest = patience;
        loop {
            let found = self.revision_after(since)?;
            if found != since {
                return Ok(Some(found));
            }
            if rest.is_zero() {
                return Ok(None);
            }
            let nap = self.options.poll_interval.min(rest);
            thread::sleep(nap);
            rest = rest.saturating_sub(nap);
        }
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("path", &self.place.path())
            .field("cluster", &self.cluster)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

/// What ended a transaction: the library's own error, or one of ours.
#[derive(Debug)]
enum Fault {
    Sqlite(rusqlite::Error),
    Ours(Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl Fault {
    /// The error to return, by what can be done about it.
    fn at(self, doing: Doing, place: &Place, options: &Options) -> Error {
        let error = match self {
            Self::Ours(error) => return error,
            Self::Sqlite(error) => error,
        };
        let store = place.to_string();
        let code = error.sqlite_error_code();
        let is_busy = matches!(
            code,
            Some(
                ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::FileLockingProtocolFailed
            )
        );
        let may_pass = matches!(
            code,
            Some(
                ErrorCode::PermissionDenied
                    | ErrorCode::OperationAborted
                    | ErrorCode::OutOfMemory
                    | ErrorCode::ReadOnly
                    | ErrorCode::OperationInterrupted
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::DiskFull
                    | ErrorCode::CannotOpen
                    | ErrorCode::NoLargeFileSupport
            )
        );
        let reason = if is_busy {
            let timeout = options.busy_timeout;
            format!("another process holds its lock; expected it to be free within {timeout:?}")
        } else {
            error.to_string()
        };
        let source = Some(error.into());
        if is_busy || may_pass {
            Error::Unavailable {
                doing,
                store,
                reason,
                source,
            }
        } else {
            Error::Damaged {
                doing,
                store,
                reason,
                source,
            }
        }
    }
}
