//! Processes that stop, or end, while they hold something.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use lockstep_model::record::Outcome;
use lockstep_store::contract::{Fixture as _, Job, Worker};
use lockstep_store::{Error, Store as _};
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use rusqlite::Connection;

use super::{File, HOLD, number, open, write_number};

/// How much longer than its time-out a call may take on a busy machine.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// The helper's part: a write transaction, held until a byte comes, then committed.
pub(super) fn hold(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL; \
             BEGIN IMMEDIATE; \
             UPDATE meta SET revision = revision + 1;",
        )
        .unwrap();
    io::stderr().write_all(b"holding\n").unwrap();
    io::stdin().read_exact(&mut [0]).unwrap();
    connection.execute_batch("COMMIT").unwrap();
}

fn signal(id: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(id).unwrap()), signal).unwrap();
}

pub(super) fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap().into()
}

/// A process stopped within a write transaction makes writes end with `Unavailable` in time, and
/// reads not at all; when it goes on, so do they.
#[test]
fn stopped_writer_makes_writes_unavailable() {
    let file = File::new();
    let timeout = Duration::from_millis(300);
    let mut store = open(&file.path(), timeout).unwrap();
    store.write(&write_number(1)).unwrap();
    let before = store.revision().unwrap();

    let mut holder = file.helper(HOLD);
    let mut lines = BufReader::new(holder.stderr.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "holding\n");
    signal(holder.id(), Signal::SIGSTOP);
    // The byte that lets it go on is there, but it is stopped.
    holder.stdin.take().unwrap().write_all(b"x").unwrap();

    for _ in 0..2 {
        let start = now();
        let error = store.write(&write_number(2)).unwrap_err();
        let elapsed = now() - start;
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        assert!(!error.is_certainly_not_applied());
        assert!(error.to_string().contains("another process"), "{error}");
        assert!(
            timeout <= elapsed && elapsed < timeout + GRACE,
            "{elapsed:?}"
        );
        assert_eq!(number(&mut store), 1, "reading goes on");
        assert_eq!(store.revision().unwrap(), before);
    }
    open(&file.path(), timeout).expect("opening goes on");

    signal(holder.id(), Signal::SIGCONT);
    assert!(holder.wait().unwrap().success());
    let Outcome::Applied(after) = store.write(&write_number(3)).unwrap() else {
        panic!("refused");
    };
    assert_eq!(after.0, before.0 + 2, "the other's came in between");
    assert_eq!(number(&mut store), 3);
}

/// A process stopped anywhere in its work holds nobody up for longer than the time-out.
#[test]
fn writers_stopped_anywhere_are_survived() {
    const ROUNDS: u64 = 60;
    let file = File::new();
    let timeout = Duration::from_millis(50);
    let mut store = open(&file.path(), timeout).unwrap();
    let mut worker = Worker::new(file.spawn(Job::Pairs));
    assert!(worker.next_report().is_some());
    let (mut blocked, mut unread, mut longest) = (0, 0, Duration::ZERO);
    for round in 0..ROUNDS {
        thread::sleep(Duration::from_micros(round * 793 % 5000));
        signal(worker.id(), Signal::SIGSTOP);
        let start = now();
        let read = store.read();
        let written = store.write(&write_number(round));
        longest = longest.max(now() - start);
        signal(worker.id(), Signal::SIGCONT);
        // Readers don't wait for writers, but for one that stopped in the middle of saying where its
        // last transaction ends: a moment that is seldom hit.
        match read {
            Ok(_) => {}
            Err(Error::Unavailable { .. }) => unread += 1,
            Err(error) => panic!("failed to {error}"),
        }
        match written {
            Ok(Outcome::Applied(_)) => {}
            Ok(Outcome::Refused) => panic!("nothing was compared"),
            Err(Error::Unavailable { .. }) => blocked += 1,
            Err(error) => panic!("failed to {error}"),
        }
    }
    assert!(longest < timeout * 2 + GRACE, "{longest:?}");
    assert!(unread < ROUNDS / 4, "{unread} reads of {ROUNDS} failed");
    println!("blocked in {blocked} of {ROUNDS} rounds, unread {unread}, longest {longest:?}");
    let last = worker.kill();
    assert!(last.is_some(), "it went on in between");
}

/// A process killed within a transaction leaves nothing of it, and blocks nobody.
#[test]
fn killed_holder_leaves_nothing() {
    let file = File::new();
    let mut store = open(&file.path(), Duration::from_secs(5)).unwrap();
    let before = store.revision().unwrap();
    let mut holder = file.helper(HOLD);
    let mut line = String::new();
    BufReader::new(holder.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "holding\n");
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(store.revision().unwrap(), before);
    let Outcome::Applied(after) = store.write(&write_number(1)).unwrap() else {
        panic!("refused");
    };
    assert_eq!(after.0, before.0 + 1);
}
