//! What takes several threads or processes to see of the contract.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use lockstep_model::record::Key;

use super::job::{count, write_pair};
use super::{COUNTER, Fixture, Job, PAIR, Worker, number, read, revision, watch};

/// Threads that count by conditional writes lose none and double none.
pub fn threads_count(fixture: &impl Fixture) {
    const THREADS: u64 = 4;
    const TIMES: u64 = 25;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let mut store = fixture.open();
            scope.spawn(move || count(&mut store, TIMES));
        }
    });
    let counted = number(&read(&mut fixture.open()), COUNTER);
    assert_eq!(counted, THREADS * TIMES, "each counts once");
}

/// So do processes.
pub fn processes_count(fixture: &impl Fixture) {
    const PROCESSES: u64 = 4;
    const TIMES: u64 = 25;
    let workers: Vec<Worker> = (0..PROCESSES)
        .map(|_| Worker::new(fixture.spawn(Job::Count { times: TIMES })))
        .collect();
    let mut store = fixture.open();
    count(&mut store, TIMES);
    workers.into_iter().for_each(Worker::finish);
    let counted = number(&read(&mut store), COUNTER);
    assert_eq!(counted, (PROCESSES + 1) * TIMES, "each counts once");
}

/// Two records that are always written together are never seen apart.
pub fn pairs_are_never_torn(fixture: &impl Fixture) {
    const WRITES: u64 = 200;
    let is_done = AtomicBool::new(false);
    let (mut writer, mut reader) = (fixture.open(), fixture.open());
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for number in 1..=WRITES {
                write_pair(&mut writer, number);
            }
            is_done.store(true, Ordering::Release);
        });
        let mut last = 0;
        while !is_done.load(Ordering::Acquire) && !writing.is_finished() {
            let now = pair_number(&mut reader);
            assert!(last <= now, "{now} after {last}");
            last = now;
        }
    });
    assert_eq!(pair_number(&mut reader), WRITES);
}

/// A writer killed at any moment leaves a consistent store with every acknowledged write in it,
/// both to those that were watching and to those that come later.
pub fn killed_writers_lose_nothing(fixture: &impl Fixture) {
    const ROUNDS: u64 = 24;
    for round in 0..ROUNDS {
        // In every other round nobody else has the store open, so that the next one to open it
        // finds it as the dead left it.
        let mut bystander = (round % 2 == 0).then(|| fixture.open());
        let mut worker = Worker::new(fixture.spawn(Job::Pairs));
        let mut acknowledged = worker.next_report().expect("a first write");
        for _ in 0..round % 4 {
            acknowledged = worker.next_report().expect("another write");
        }
        thread::sleep(Duration::from_micros(round * 397 % 3000));
        if let Some(report) = worker.kill() {
            assert!(acknowledged < report, "{acknowledged:?} before {report:?}");
            acknowledged = report;
        }
        let (revision, written) = acknowledged;
        if let Some(store) = bystander.as_mut() {
            assert!(written <= pair_number(store), "round {round}");
        }
        let mut store = fixture.open();
        let found = pair_number(&mut store);
        assert!(written <= found, "round {round}: {found} of {written}");
        assert!(
            found <= written + 1,
            "round {round}: at most one write was under way"
        );
        assert!(revision <= super::revision(&mut store), "round {round}");
        write_pair(&mut store, found + 1);
    }
}

/// A change made by another process is noticed.
pub fn watch_reports_other_processes(fixture: &impl Fixture) {
    let mut store = fixture.open();
    let before = revision(&mut store);
    let mut worker = Worker::new(fixture.spawn(Job::Once { delay_ms: 100 }));
    assert!(worker.next_report().is_some(), "it is there");
    let noticed = watch(&mut store, before, Duration::from_secs(20));
    let (written, _) = worker.next_report().expect("its write");
    assert_eq!(noticed, Some(written), "written by another process");
    let after = watch(&mut fixture.open(), written, fixture.watch_lag());
    assert_eq!(after, None);
    worker.finish();
}

/// The number that both records of the pair stand for.
#[track_caller]
fn pair_number(store: &mut impl crate::Store) -> u64 {
    let snapshot = read(store);
    let [one, two] = PAIR.map(|id| {
        let revision = snapshot.revision_of(Key::Service(id));
        (number(&snapshot, id), revision)
    });
    assert_eq!(one, two, "written together");
    one.0
}
