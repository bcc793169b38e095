//! Negative controls: stores that break one clause of the contract, and the check that notices.
//!
//! Each is the embedded store with one lie in front of it.

use std::process::Child;
use std::time::Duration;

use lockstep_model::id::Revision;
use lockstep_model::record::{Outcome, Snapshot, Write};
use lockstep_store::contract::{self, Fixture, Job};
use lockstep_store::{ClusterId, Doing, Embedded, Error, Store};

use super::File;

/// Which clause is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// Conditions are not looked at.
    NoConditions,
    /// Only the first condition is looked at.
    FirstCondition,
    /// Each record is a write of its own, so several have several revisions.
    OneByOne,
    /// The first record is written even where the conditions don't hold.
    HalfRefused,
    /// What was written is acknowledged, and forgotten.
    Forgotten,
    /// A read returns what the one before it found.
    StaleRead,
    /// Writing what stands there already changes nothing.
    SkipsSame,
    /// Revisions start again with each handle.
    OwnRevisions,
    /// A watch never notices anything.
    Blind,
    /// A watch always notices something.
    Nervous,
    /// What was never sent is reported like any other error.
    Secretive,
}

struct Liar {
    store: Embedded,
    lie: Lie,
    last: Option<Snapshot>,
    opened_at: u64,
}

struct LiarFile(File, Lie);

impl Fixture for LiarFile {
    type Store = Liar;

    fn open(&self) -> Liar {
        let mut store = self.0.open();
        let opened_at = store.revision().unwrap().0;
        Liar {
            store,
            lie: self.1,
            last: None,
            opened_at,
        }
    }

    fn spawn(&self, job: Job) -> Child {
        self.0.spawn(job)
    }

    fn watch_lag(&self) -> Duration {
        self.0.watch_lag()
    }
}

impl Liar {
    fn one_by_one(&mut self, write: &Write) -> Result<Outcome, Error> {
        let mut last = self.store.write(&Write {
            puts: Vec::new(),
            ..write.clone()
        })?;
        for put in &write.puts {
            if last == Outcome::Refused {
                break;
            }
            last = self.store.write(&Write {
                compares: Vec::new(),
                puts: vec![put.clone()],
                ..*write
            })?;
        }
        Ok(last)
    }

    fn is_same(&mut self, write: &Write) -> Result<bool, Error> {
        let snapshot = self.store.read()?;
        Ok(write.puts.iter().all(|put| {
            snapshot
                .entries
                .iter()
                .any(|entry| entry.key == put.key && entry.record == put.record)
        }))
    }

    /// The store's answer as a handle tells it that counts from its own beginning.
    fn renumbered(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Applied(revision) => Outcome::Applied(Revision(revision.0 - self.opened_at)),
            Outcome::Refused => Outcome::Refused,
        }
    }
}

impl Store for Liar {
    fn cluster(&self) -> ClusterId {
        self.store.cluster()
    }

    fn read(&mut self) -> Result<Snapshot, Error> {
        let snapshot = self.store.read()?;
        let last = self.last.replace(snapshot.clone());
        let is_stale = self.lie == Lie::StaleRead;
        Ok(last.filter(|_| is_stale).unwrap_or(snapshot))
    }

    fn write(&mut self, write: &Write) -> Result<Outcome, Error> {
        let lie = self.lie;
        if lie == Lie::OneByOne {
            return self.one_by_one(write);
        }
        let mut changed = write.clone();
        if lie == Lie::NoConditions {
            changed.compares.clear();
        }
        if lie == Lie::FirstCondition {
            changed.compares.truncate(1);
        }
        if (lie == Lie::Forgotten && write.request.number == 7)
            || (lie == Lie::SkipsSame && self.is_same(write)?)
        {
            changed.puts.clear();
        }
        let outcome = match self.store.write(&changed) {
            Err(error) if lie == Lie::Secretive => Err(Error::Unavailable {
                doing: Doing::Write,
                store: String::new(),
                reason: error.to_string(),
                source: None,
            }),
            result => result,
        }?;
        if lie == Lie::HalfRefused && outcome == Outcome::Refused {
            changed.compares.clear();
            changed.puts.truncate(1);
            self.store.write(&changed)?;
        }
        if lie == Lie::OwnRevisions {
            return Ok(self.renumbered(outcome));
        }
        Ok(outcome)
    }

    fn revision(&mut self) -> Result<Revision, Error> {
        self.store.revision()
    }

    fn watch(&mut self, since: Revision, patience: Duration) -> Result<Option<Revision>, Error> {
        if self.lie == Lie::Blind {
            return Ok(None);
        }
        if self.lie == Lie::Nervous {
            return self.store.revision().map(Some);
        }
        self.store.watch(since, patience)
    }
}

/// Makes one test of each lie, the check that has to notice it, and what that says.
macro_rules! noticed {
    ($($name:ident: $lie:ident by $check:ident, $expected:literal,)*) => {
        $(
            #[test]
            #[should_panic(expected = $expected)]
            fn $name() {
                contract::$check(&LiarFile(File::new(), Lie::$lie));
            }
        )*
    };
}

noticed! {
    no_conditions_once: NoConditions by absent_compare, "absent only once",
    no_conditions_count: NoConditions by threads_count, "each counts once",
    first_condition: FirstCondition by refused_changes_nothing, "one fails in",
    one_by_one: OneByOne by one_write_one_revision, "one write, one revision",
    one_by_one_torn: OneByOne by pairs_are_never_torn, "written together",
    half_refused: HalfRefused by refused_changes_nothing, "nothing of",
    half_refused_once: HalfRefused by absent_compare, "refused is not written",
    forgotten: Forgotten by acknowledged_is_seen, "acknowledged before the read",
    stale_read: StaleRead by acknowledged_is_seen, "acknowledged before the read",
    skips_same: SkipsSame by same_content_is_a_change, "a new revision for the same content",
    own_revisions: OwnRevisions by revisions_grow_across_handles, "revisions grow",
    blind: Blind by watch_reports, "changed already",
    blind_to_others: Blind by watch_reports_other_processes, "written by another process",
    nervous: Nervous by watch_reports, "nothing has changed",
    secretive: Secretive by unsendable_writes, "never sent",
}
