//! A store that can be cut off from one process: by a file whose content says how.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use lockstep_model::id::Revision;
use lockstep_model::record::{Outcome, Snapshot, Write};
use lockstep_store::{ClusterId, Doing, Error, Store};

const POLL: Duration = Duration::from_millis(10);

/// How a process is cut off from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Requests don't arrive.
    Requests,
    /// Requests are carried out, and the answers are lost.
    Replies,
    /// Requests arrive when the cut ends.
    Delayed,
}

impl Cut {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Requests, Self::Replies, Self::Delayed];

    /// What the gate's file says.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Replies => "replies",
            Self::Delayed => "delayed",
        }
    }
}

/// A store behind a gate, which is open while its file isn't there.
pub struct Gated {
    /// The store.
    pub store: Box<dyn Store>,
    /// The gate's file.
    pub gate: PathBuf,
}

impl Gated {
    fn cut(&self) -> Option<Cut> {
        let word = fs::read_to_string(&self.gate).ok()?;
        Cut::ALL.into_iter().find(|cut| cut.word() == word)
    }

    fn pass<T>(
        &mut self,
        doing: Doing,
        work: impl FnOnce(&mut dyn Store) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self.cut() {
            None => return work(self.store.as_mut()),
            Some(Cut::Requests) => {}
            Some(Cut::Replies) => {
                let _ = work(self.store.as_mut());
            }
            Some(Cut::Delayed) => {
                while self.cut().is_some() {
                    thread::sleep(POLL);
                }
                return work(self.store.as_mut());
            }
        }
        thread::sleep(POLL * 5);
        Err(Error::Unavailable {
            doing,
            store: self.gate.display().to_string(),
            reason: "the gate is closed".to_owned(),
            source: None,
        })
    }
}

impl Store for Gated {
    fn cluster(&self) -> ClusterId {
        self.store.cluster()
    }

    fn read(&mut self) -> Result<Snapshot, Error> {
        self.pass(Doing::Read, |store| store.read())
    }

    fn write(&mut self, write: &Write) -> Result<Outcome, Error> {
        self.pass(Doing::Write, |store| store.write(write))
    }

    fn revision(&mut self) -> Result<Revision, Error> {
        self.pass(Doing::Read, |store| store.revision())
    }

    fn watch(&mut self, since: Revision, patience: Duration) -> Result<Option<Revision>, Error> {
        let slice = patience.min(POLL * 5);
        self.pass(Doing::Read, |store| store.watch(since, slice))
    }
}
