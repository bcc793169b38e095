//! The contract of [`Store`] as tests, for every backend.
//!
//! A backend's test binary implements [`Fixture`] and names it in
//! [`contract_tests!`](crate::contract_tests). Each check gets a new, empty store and panics with
//! what it found.
//!
//! Checks of several processes need the test binary to run itself: [`Fixture::spawn`] starts it
//! again with a [`Job`], which it carries out by [`Job::run`].
//!
//! What a check may assume of time is little: the machine may be busy. Bounds are generous, and
//! what has to be exact is counted, not timed.

mod job;
mod records;
mod shared;

use std::process::Child;
use std::time::Duration;

use lockstep_model::id::Holder;
use lockstep_model::id::{
    BootId, Epoch, Incarnation, LockId, MachineId, NodeId, RequestId, Revision, ServiceId, Uid,
};
use lockstep_model::record::{
    Beat, Compare, Entry, Grant, GrantState, Key, Outcome, Put, Record, Service, Snapshot, Wanted,
    Write,
};
use lockstep_model::time::Span;

use crate::Store;

pub use job::{Job, Worker};
pub use records::{
    absent_compare, acknowledged_is_seen, conditions_without_puts, contents_survive,
    empty_at_first, one_write_one_revision, refused_changes_nothing, revisions_grow_across_handles,
    same_content_is_a_change, unsendable_writes, watch_reports,
};
pub use shared::{
    killed_writers_lose_nothing, pairs_are_never_torn, processes_count, threads_count,
    watch_reports_other_processes,
};

/// How a backend's tests get at a store.
pub trait Fixture {
    /// The backend.
    type Store: Store + 'static;

    /// Another handle on this fixture's store, which is empty at first. It waits at least 10 s for
    /// other processes.
    fn open(&self) -> Self::Store;

    /// Another process that opens the same store and runs [`Job::run`] on it. Its standard error
    /// is a pipe.
    fn spawn(&self, job: Job) -> Child;

    /// Within what time a change is noticed by [`Store::watch`], on an idle machine.
    fn watch_lag(&self) -> Duration;
}

/// Makes one test of each check; the argument is an expression for a new [`Fixture`].
#[macro_export]
macro_rules! contract_tests {
    ($fixture:expr) => {
        $crate::contract_tests!(
            $fixture;
            empty_at_first,
            one_write_one_revision,
            absent_compare,
            refused_changes_nothing,
            conditions_without_puts,
            same_content_is_a_change,
            contents_survive,
            unsendable_writes,
            acknowledged_is_seen,
            revisions_grow_across_handles,
            watch_reports,
            threads_count,
            processes_count,
            pairs_are_never_torn,
            killed_writers_lose_nothing,
            watch_reports_other_processes,
        );
    };
    ($fixture:expr; $($check:ident,)*) => {
        $(
            #[test]
            fn $check() {
                $crate::contract::$check(&$fixture);
            }
        )*
    };
}

/// The service that checks count with: its `uid` is the number.
const COUNTER: ServiceId = ServiceId(7);
/// Two services that are always written together.
const PAIR: [ServiceId; 2] = [ServiceId(1), ServiceId(40_000)];

/// A write of this process.
fn write(number: u64, compares: &[(Key, Revision)], puts: Vec<Put>) -> Write {
    Write {
        request: RequestId {
            process: Incarnation(u64::from(std::process::id())),
            number,
        },
        compares: compares
            .iter()
            .map(|&(key, revision)| Compare { key, revision })
            .collect(),
        puts,
    }
}

fn put_service(id: ServiceId, uid: u64) -> Put {
    Put {
        key: Key::Service(id),
        record: Record::Service(Service::new(NodeId(3), Wanted::Started, Uid(uid))),
    }
}

fn put_beat(node: u16, epoch: u64) -> Put {
    Put {
        key: Key::Beat(LockId::Agent(NodeId(node))),
        record: Record::Beat(Beat {
            epoch: Epoch(epoch),
            written_by: RequestId {
                process: Incarnation(1),
                number: 1,
            },
        }),
    }
}

fn put_grant(node: u16, state: GrantState) -> Put {
    Put {
        key: Key::Grant(LockId::Agent(NodeId(node))),
        record: Record::Grant(Grant {
            holder: Holder {
                node: NodeId(node),
                machine: MachineId(u128::MAX),
                boot: BootId(u128::MAX - 1),
                incarnation: Incarnation(u64::MAX),
            },
            epoch: Epoch(u64::MAX),
            ttl: Span(u64::MAX),
            state,
            written_by: RequestId {
                process: Incarnation(0),
                number: u64::MAX,
            },
        }),
    }
}

/// The outcome of a write that has to have one.
#[track_caller]
fn outcome(store: &mut impl Store, write: &Write) -> Outcome {
    match store.write(write) {
        Ok(outcome) => outcome,
        Err(error) => panic!("failed to {error}"),
    }
}

/// The revision of a write that has to be applied.
#[track_caller]
fn applied(store: &mut impl Store, write: &Write) -> Revision {
    match outcome(store, write) {
        Outcome::Applied(revision) => revision,
        Outcome::Refused => panic!("refused: {write:?}"),
    }
}

/// A snapshot that has to be readable, and in order.
#[track_caller]
fn read(store: &mut impl Store) -> Snapshot {
    let snapshot = match store.read() {
        Ok(snapshot) => snapshot,
        Err(error) => panic!("failed to {error}"),
    };
    for pair in snapshot.entries.windows(2) {
        assert!(pair[0].key < pair[1].key, "in ascending order: {pair:?}");
    }
    for entry in &snapshot.entries {
        assert!(Revision::ABSENT < entry.revision, "{entry:?}");
        assert!(entry.revision <= snapshot.revision, "{entry:?}");
    }
    snapshot
}

#[track_caller]
fn revision(store: &mut impl Store) -> Revision {
    match store.revision() {
        Ok(revision) => revision,
        Err(error) => panic!("failed to {error}"),
    }
}

#[track_caller]
fn watch(store: &mut impl Store, since: Revision, patience: Duration) -> Option<Revision> {
    match store.watch(since, patience) {
        Ok(noticed) => noticed,
        Err(error) => panic!("failed to {error}"),
    }
}

fn entry(snapshot: &Snapshot, key: Key) -> Option<&Entry> {
    snapshot.entries.iter().find(|entry| entry.key == key)
}

/// The number that a service stands for, 0 if it is absent.
fn number(snapshot: &Snapshot, id: ServiceId) -> u64 {
    snapshot
        .services()
        .find(|(found, _, _)| *found == id)
        .map_or(0, |(_, _, service)| service.uid.0)
}
