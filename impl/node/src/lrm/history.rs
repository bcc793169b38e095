//! What is known of the store's history, for all lanes of this process and across its openings.
//!
//! A handle notices by itself that its store was replaced or rolled back, but a lane opens a new
//! one after any error. So what was seen is kept here, and a store that contradicts it is never
//! used again by this process: what was decided by the former isn't to be added to it. The store's
//! id is kept on the disk, for later processes.

use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockstep_model::id::Revision;
use lockstep_model::record::{Outcome, Snapshot, Write};
use lockstep_store::{ClusterId, Doing, Error, Store};

use crate::state;

/// What a store must agree with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// Which store it was, if one was ever opened.
    pub cluster: Option<ClusterId>,
    /// The highest revision seen by this process.
    pub seen: Revision,
}

/// Opens the store, if it agrees with its past. Each lane has a handle of its own, and opens it
/// anew after an error.
pub type Opener = Arc<dyn Fn(Past) -> Result<Box<dyn Store>, Error> + Send + Sync>;

/// The way to the store, and what came of it so far.
pub(super) struct History {
    opener: Opener,
    /// The store's name, for errors.
    store: String,
    /// Where its id is kept.
    record: PathBuf,
    past: Mutex<Past>,
    ended: AtomicBool,
}

/// What an error means for the rest of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The store is tried again.
    MayPass,
    /// The store isn't used any more.
    Ends,
    /// It wasn't already.
    HadEnded,
}

impl History {
    /// The history that the record tells of.
    pub(super) fn new(store: &Path, record: PathBuf, opener: Opener) -> Result<Self, crate::Error> {
        let cluster = read(&record).map_err(|what| {
            let record = record.display();
            crate::Error::Settings(format!("read the store's id in {record}: {what}"))
        })?;
        let seen = Revision::ABSENT;
        Ok(Self {
            opener,
            store: store.display().to_string(),
            record,
            past: Mutex::new(Past { cluster, seen }),
            ended: AtomicBool::new(false),
        })
    }

    /// Whether this process may not use the store any more.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Takes note of an error.
    pub(super) fn judge(&self, error: &Error) -> Verdict {
        let is_end = match error {
            Error::RolledBack { .. }
            | Error::Replaced { .. }
            | Error::OtherCluster { .. }
            | Error::Damaged { .. } => true,
            Error::Unavailable { .. }
            | Error::Missing { .. }
            | Error::Exists { .. }
            | Error::NotAStore { .. }
            | Error::OtherSchema { .. }
            | Error::Broken { .. }
            | Error::TooLarge { .. }
            | Error::Malformed { .. }
            | Error::Options { .. } => false,
        };
        let had_ended = self.ended.fetch_or(is_end, Ordering::SeqCst);
        match (had_ended, is_end) {
            (true, _) => Verdict::HadEnded,
            (false, true) => Verdict::Ends,
            (false, false) => Verdict::MayPass,
        }
    }

    /// Opens the store.
    pub(super) fn open(self: &Arc<Self>) -> Result<Remembering, Error> {
        let store = (self.opener)(*self.past())?;
        self.is_of(store.cluster())?;
        Ok(Remembering {
            store,
            history: Arc::clone(self),
        })
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first one opened decides which store it is, for good.
    fn is_of(&self, found: ClusterId) -> Result<(), Error> {
        let mut past = self.past();
        match past.cluster {
            Some(expected) if expected != found => Err(Error::OtherCluster {
                store: self.store.clone(),
                found,
                expected,
            }),
            Some(_) => Ok(()),
            None => {
                let kept = state::replace(&self.record, format!("{found}\n").as_bytes());
                kept.map_err(|error| Error::Unavailable {
                    doing: Doing::Open,
                    store: self.store.clone(),
                    reason: format!("its id can't be kept in {}: {error}", self.record.display()),
                    source: Some(error.into()),
                })?;
                past.cluster = Some(found);
                Ok(())
            }
        }
    }

    /// A call that began when `seen` had been seen found this revision.
    fn notice(&self, doing: Doing, seen: Revision, found: Revision) -> Result<(), Error> {
        if found < seen {
            return Err(Error::RolledBack {
                doing,
                store: self.store.clone(),
                seen,
                found,
            });
        }
        let mut past = self.past();
        past.seen = past.seen.max(found);
        Ok(())
    }
}

fn read(record: &Path) -> Result<Option<ClusterId>, String> {
    let text = match fs::read_to_string(record) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let text = text.trim_end();
    let wrong = |error: &dyn Display| {
        format!("found '{text}'; {error}, or no file before the store is first opened")
    };
    text.parse()
        .map(Some)
        .map_err(|error: String| wrong(&error))
}

/// An open store whose answers are held against all that was seen before.
pub(super) struct Remembering {
    store: Box<dyn Store>,
    history: Arc<History>,
}

impl Store for Remembering {
    fn cluster(&self) -> ClusterId {
        self.store.cluster()
    }

    fn read(&mut self) -> Result<Snapshot, Error> {
        let seen = self.history.past().seen;
        let snapshot = self.store.read()?;
        self.history.notice(Doing::Read, seen, snapshot.revision)?;
        Ok(snapshot)
    }

    fn write(&mut self, write: &Write) -> Result<Outcome, Error> {
        let seen = self.history.past().seen;
        let outcome = self.store.write(write)?;
        if let Outcome::Applied(revision) = outcome {
            self.history.notice(Doing::Write, seen, revision)?;
        }
        Ok(outcome)
    }

    fn revision(&mut self) -> Result<Revision, Error> {
        let seen = self.history.past().seen;
        let revision = self.store.revision()?;
        self.history.notice(Doing::Read, seen, revision)?;
        Ok(revision)
    }

    fn watch(&mut self, since: Revision, patience: Duration) -> Result<Option<Revision>, Error> {
        let seen = self.history.past().seen;
        let found = self.store.watch(since, patience)?;
        if let Some(revision) = found {
            self.history.notice(Doing::Read, seen, revision)?;
        }
        Ok(found)
    }
}
