//! A limit on how long any store's calls take.
//!
//! A backend bounds its waiting for others; it can't bound storage that stalls, nor every wait in
//! the libraries below it. Here the store lives on a thread of its own, and a caller stops waiting
//! for it after the limit, whatever the thread is stuck in.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use lockstep_model::id::Revision;
use lockstep_model::record::{Outcome, Snapshot, Write};

use crate::error::{Doing, Error};
use crate::{ClusterId, Store};

/// A store whose calls end within a limit.
///
/// A call that takes longer ends with [`Error::Unavailable`], and goes on behind the scenes: a
/// write then has an unknown outcome like any other, and its late answer is dropped. Until it has
/// ended the store does nothing else. A call made meanwhile waits for it, up to the limit, before
/// its own time begins: so a call takes at most twice the limit.
///
/// Dropping it doesn't wait either; the store is closed once its last call has ended.
pub struct Bounded {
    name: String,
    cluster: ClusterId,
    limit: Duration,
    calls: SyncSender<Call>,
    answers: Receiver<Answer>,
    /// Whether an answer that nobody waits for any more is still to come.
    is_late: bool,
}

enum Call {
    Read,
    Write(Write),
    Revision,
    Watch(Revision, Duration),
}

enum Answer {
    Read(Result<Snapshot, Error>),
    Write(Result<Outcome, Error>),
    Revision(Result<Revision, Error>),
    Watch(Result<Option<Revision>, Error>),
}

impl Bounded {
    /// Gives a store a thread and its calls a limit. The name appears in errors.
    ///
    /// The limit should be above the time-out of the store itself, whose errors say more.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the system has no thread to give.
    pub fn new(
        mut store: impl Store + 'static,
        name: impl Into<String>,
        limit: Duration,
    ) -> Result<Self, Error> {
        let (name, cluster) = (name.into(), store.cluster());
        // One call at a time: the sender never waits.
        let (calls, calls_taken) = sync_channel(1);
        let (answers_given, answers) = sync_channel(1);
        let serve = move || {
            while let Ok(call) = calls_taken.recv() {
                if answers_given.send(answer(&mut store, call)).is_err() {
                    break;
                }
            }
        };
        let spawned = thread::Builder::new().name("store".to_owned()).spawn(serve);
        spawned.map_err(|error| Error::Unavailable {
            doing: Doing::Open,
            store: name.clone(),
            reason: format!("no thread for it ({error})"),
            source: Some(error.into()),
        })?;
        Ok(Self {
            name,
            cluster,
            limit,
            calls,
            answers,
            is_late: false,
        })
    }

    fn call(&mut self, doing: Doing, call: Call, limit: Duration) -> Result<Answer, Error> {
        if self.is_late {
            // Whose answer it is doesn't matter: its caller has been told that it is unknown.
            drop(self.wait(doing, self.limit)?);
        }
        if self.calls.send(call).is_err() {
            return Err(self.unavailable(doing, "its thread has ended".to_owned()));
        }
        self.wait(doing, limit)
    }

    fn wait(&mut self, doing: Doing, limit: Duration) -> Result<Answer, Error> {
        match self.answers.recv_timeout(limit) {
            Ok(answer) => {
                self.is_late = false;
                Ok(answer)
            }
            Err(RecvTimeoutError::Timeout) => {
                self.is_late = true;
                Err(self.unavailable(doing, format!("no answer; expected one within {limit:?}")))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(self.unavailable(doing, "its thread has ended".to_owned()))
            }
        }
    }

    fn unavailable(&self, doing: Doing, reason: String) -> Error {
        Error::Unavailable {
            doing,
            store: self.name.clone(),
            reason,
            source: None,
        }
    }
}

fn answer(store: &mut impl Store, call: Call) -> Answer {
    match call {
        Call::Read => Answer::Read(store.read()),
        Call::Write(write) => Answer::Write(store.write(&write)),
        Call::Revision => Answer::Revision(store.revision()),
        Call::Watch(since, patience) => Answer::Watch(store.watch(since, patience)),
    }
}

impl Store for Bounded {
    fn cluster(&self) -> ClusterId {
        self.cluster
    }

    fn read(&mut self) -> Result<Snapshot, Error> {
        match self.call(Doing::Read, Call::Read, self.limit)? {
            Answer::Read(result) => result,
            Answer::Write(_) | Answer::Revision(_) | Answer::Watch(_) => unreachable!("{ONE}"),
        }
    }

    fn write(&mut self, write: &Write) -> Result<Outcome, Error> {
        match self.call(Doing::Write, Call::Write(write.clone()), self.limit)? {
            Answer::Write(result) => result,
            Answer::Read(_) | Answer::Revision(_) | Answer::Watch(_) => unreachable!("{ONE}"),
        }
    }

    fn revision(&mut self) -> Result<Revision, Error> {
        match self.call(Doing::Read, Call::Revision, self.limit)? {
            Answer::Revision(result) => result,
            Answer::Read(_) | Answer::Write(_) | Answer::Watch(_) => unreachable!("{ONE}"),
        }
    }

    fn watch(&mut self, since: Revision, patience: Duration) -> Result<Option<Revision>, Error> {
        let limit = self.limit.saturating_add(patience);
        match self.call(Doing::Read, Call::Watch(since, patience), limit)? {
            Answer::Watch(result) => result,
            Answer::Read(_) | Answer::Write(_) | Answer::Revision(_) => unreachable!("{ONE}"),
        }
    }
}

/// Why an answer belongs to the call.
const ONE: &str = "one call is under way at a time, and late answers are taken first";

impl fmt::Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded")
            .field("name", &self.name)
            .field("limit", &self.limit)
            .field("is_late", &self.is_late)
            .finish_non_exhaustive()
    }
}
