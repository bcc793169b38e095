//! Searches that pack their states, spill them to the disk, are interrupted, and go on from a file.

use super::toys::{Edge, Grid, Random, Toy, first_breach, run, to_closure, violation};
use lockstep_explore::search::{
    Checkpoint, Limits, Options, Refused, Report, Saved, StopAt, Verdict, Why, search, search_from,
};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const NODES: u32 = 100_000;

fn toy(seed: u64) -> Toy {
    Toy::random(&mut Random(seed), NODES, 8)
}

/// Everything of a report that must not depend on how the search was carried out.
fn said(report: &Report<u32, Edge>) -> String {
    let counts = (
        report.initial_states,
        report.states,
        report.transitions,
        &report.levels,
    );
    let tallies = (
        &report.kinds,
        &report.coverage,
        &report.measures,
        &report.dead_ends,
    );
    format!(
        "{:?} {:?} {counts:?} {tallies:?} {:?}",
        report.verdict, report.closed, report.properties
    )
}

fn kept(file: &Path, base: Options, limits: Limits) -> Options {
    Options {
        limits,
        checkpoint: Some(Checkpoint {
            file: file.to_owned(),
            queue_bytes: 1 << 30,
            name: "toy".into(),
            subject: 7,
            every: Duration::MAX,
        }),
        ..base
    }
}

fn up_to(states: u64) -> Limits {
    Limits {
        states: Some(states),
        ..Limits::default()
    }
}

fn go_on(toy: &Toy, options: &Options) -> Report<u32, Edge> {
    let saved = Saved::open(toy, options).expect("a file to go on from");
    search_from(toy, options, Some(saved), |_| ())
}

#[test]
fn packing_changes_nothing() {
    for seed in 0..6 {
        let mut toy = Toy::random(&mut Random(seed), 3_000, 4);
        toy.bad_states = BTreeSet::from([1_234]);
        for base in [first_breach(1), first_breach(3), to_closure(2)] {
            let plain = run(&toy, &base);
            let packed = Options { pack: true, ..base };
            assert_eq!(said(&run(&toy, &packed)), said(&plain), "seed {seed}");
        }
    }
}

/// Interrupted twice and continued with other numbers of threads, it says the same.
#[test]
fn an_interrupted_search_ends_as_if_it_had_not_been() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("toy.checkpoint");
    for (seed, stop_at) in [(1, StopAt::FirstBreach), (2, StopAt::Closure)] {
        let mut toy = toy(seed);
        let base = |threads| Options {
            stop_at,
            ..first_breach(threads)
        };
        // The last one found, so that everything is found first.
        let whole = run(&toy, &base(1));
        assert!(whole.verdict.is_exhausted());
        let Some(bad) = (0..NODES).rev().find(|&node| {
            toy.bad_states = BTreeSet::from([node]);
            let report = run(&toy, &base(2));
            report.properties[0].trace.is_some() && report.states > 80_000
        }) else {
            panic!("some node is found late");
        };
        let whole = run(&toy, &base(1));
        assert!(matches!(whole.verdict, Verdict::Violated { .. }), "{bad}");
        let report = run(&toy, &kept(&file, base(2), up_to(10_000)));
        assert_eq!(report.cut, Some(Why::States));
        assert_eq!(report.saved.as_deref(), Some(&*file));
        assert_eq!(report.disk_failure, None);
        let again = go_on(&toy, &kept(&file, base(3), up_to(50_000)));
        assert!(again.states > 50_000 && again.states < whole.states);
        assert!(
            again.seconds > again.seconds_here,
            "what came before counts"
        );
        assert!(again.saved.is_some());
        let end = go_on(&toy, &kept(&file, base(1), Limits::default()));
        assert_eq!(said(&end), said(&whole));
        assert_eq!(end.saved, None, "nothing is left to go on with");
        assert_eq!(violation(&end), violation(&whole));
    }
}

/// The file is written while the search goes on, and is as good as one written at its end.
#[test]
fn a_search_that_dies_goes_on_from_the_last_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("toy.checkpoint");
    let toy = toy(3);
    let mut options = kept(&file, to_closure(2), Limits::default());
    if let Some(checkpoint) = &mut options.checkpoint {
        checkpoint.every = Duration::ZERO;
    }
    let whole = search(&toy, &options, |_| ());
    assert!(whole.verdict.is_exhausted());
    assert_eq!(whole.saved, None);
    // What was there when it ended, after the last batch that had a successor.
    let saved = Saved::open(&toy, &options).expect("a file");
    assert!(saved.states() > 50_000);
    assert_eq!(
        said(&search_from(&toy, &options, Some(saved), |_| ())),
        said(&whole)
    );
}

#[test]
fn an_interrupt_keeps_the_search() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("toy.checkpoint");
    let toy = toy(4);
    let interrupt = Arc::new(AtomicBool::new(false));
    let options = Options {
        interrupt: Some(Arc::clone(&interrupt)),
        progress_every: Duration::ZERO,
        ..kept(&file, to_closure(2), Limits::default())
    };
    let report = search(&toy, &options, |progress| {
        if progress.states > 5_000 {
            interrupt.store(true, Ordering::Relaxed);
        }
    });
    assert!(matches!(
        report.verdict,
        Verdict::Truncated(Why::Interrupted)
    ));
    assert!(report.saved.is_some());
    let options = kept(&file, to_closure(1), Limits::default());
    assert_eq!(
        said(&go_on(&toy, &options)),
        said(&run(&toy, &to_closure(1)))
    );
}

#[test]
fn a_time_limit_keeps_the_search() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("toy.checkpoint");
    let toy = toy(5);
    let limits = Limits {
        time: Some(Duration::ZERO),
        ..Limits::default()
    };
    let options = kept(&file, to_closure(2), limits);
    let report = run(&toy, &options);
    assert_eq!(
        (report.cut, report.states),
        (Some(Why::Time), report.levels[0])
    );
    let options = kept(&file, to_closure(2), Limits::default());
    assert_eq!(
        said(&go_on(&toy, &options)),
        said(&run(&toy, &to_closure(2)))
    );
}

/// With little memory most of the queue waits on the disk, and is kept with the rest.
#[test]
fn what_waits_on_the_disk_comes_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("toy.checkpoint");
    let toy = toy(6);
    let little = |limits| {
        let mut options = kept(&file, to_closure(2), limits);
        options.checkpoint.as_mut().unwrap().queue_bytes = 10_000;
        options.progress_every = Duration::ZERO;
        options
    };
    let mut most = 0;
    let options = little(up_to(60_000));
    let report = search(&toy, &options, |progress| {
        most = most.max(progress.disk_bytes);
    });
    assert_eq!(report.cut, Some(Why::States));
    assert!(most > 0, "everything fitted into memory");
    let options = little(Limits::default());
    assert_eq!(
        said(&go_on(&toy, &options)),
        said(&run(&toy, &to_closure(2)))
    );
    let names: Vec<_> = fs::read_dir(directory.path()).expect("readable").collect();
    assert_eq!(
        names.len(),
        1,
        "nothing but the checkpoint is left: {names:?}"
    );
}

/// A memory limit ends the search, which goes on with more.
#[test]
fn more_memory_lets_a_search_go_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("toy.checkpoint");
    let toy = toy(7);
    let limits = Limits {
        bytes: Some(1 << 20),
        ..Limits::default()
    };
    let report = run(&toy, &kept(&file, to_closure(2), limits));
    assert_eq!(report.cut, Some(Why::Memory));
    assert!(report.peak_bytes < 3 << 20, "{}", report.peak_bytes);
    let options = kept(&file, to_closure(2), Limits::default());
    assert_eq!(
        said(&go_on(&toy, &options)),
        said(&run(&toy, &to_closure(2)))
    );
}

/// A toy that was interrupted, and the file.
fn interrupted(directory: &Path) -> (Toy, PathBuf) {
    let file = directory.join("toy.checkpoint");
    let toy = toy(7);
    let report = run(&toy, &kept(&file, to_closure(1), up_to(100)));
    assert!(report.saved.is_some());
    (toy, file)
}

#[test]
fn what_is_of_something_else_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let (toy, file) = interrupted(directory.path());
    let options = kept(&file, to_closure(1), Limits::default());
    let check = |change: fn(&mut Options), expect: &str| {
        let mut options = options.clone();
        change(&mut options);
        let refused = Saved::open(&toy, &options).expect_err("it is of something else");
        assert!(
            matches!(refused, Refused::Other(what, ..) if what == expect),
            "{refused}"
        );
    };
    assert!(Saved::open(&toy, &options).is_ok());
    check(
        |options| options.checkpoint.as_mut().unwrap().name = "other".into(),
        "configuration",
    );
    check(
        |options| options.checkpoint.as_mut().unwrap().subject = 8,
        "program or setup",
    );
    check(|options| options.properties = 1, "set of properties");
    check(|options| options.stop_at = StopAt::FirstBreach, "end");
    let refused = Saved::open(&Grid { side: 9 }, &options).expect_err("a grid has no parts");
    assert!(matches!(refused, Refused::NoEncoding));
}

#[test]
fn what_is_damaged_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let (toy, file) = interrupted(directory.path());
    let options = kept(&file, to_closure(1), Limits::default());
    let whole = fs::read(&file).expect("readable");
    let refused = |bytes: &[u8]| {
        fs::write(&file, bytes).expect("writable");
        Saved::open(&toy, &options).err()
    };
    assert!(refused(&whole).is_none());
    for place in (0..whole.len()).step_by(997).chain([0, 8, whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        let refused = refused(&bytes);
        assert!(
            matches!(refused, Some(Refused::Damaged | Refused::Foreign)),
            "{place}: {refused:?}"
        );
    }
    for length in [0, 7, 15, 16, 40, whole.len() / 2, whole.len() - 1] {
        let refused = refused(&whole[..length]);
        assert!(
            matches!(refused, Some(Refused::Damaged | Refused::Foreign)),
            "{length}: {refused:?}"
        );
    }
    fs::remove_file(&file).expect("it is there");
    assert!(matches!(
        Saved::open(&toy, &options),
        Err(Refused::Io(error)) if error.kind() == std::io::ErrorKind::NotFound
    ));
}

/// A disk that refuses the file is told of, and costs nothing else.
#[test]
fn a_search_that_cannot_be_kept_goes_on() {
    let toy = toy(7);
    let file = Path::new("/proc/no/such/directory/toy.checkpoint");
    let report = run(&toy, &kept(file, to_closure(1), up_to(100)));
    assert_eq!((report.cut, &report.saved), (Some(Why::States), &None));
    let failure = report.disk_failure.expect("there is no such directory");
    assert!(
        failure.starts_with("failed to write /proc/no/such"),
        "{failure}"
    );
    // A model whose states can't be packed.
    let file = std::env::temp_dir().join("never-written.checkpoint");
    let options = kept(&file, to_closure(1), up_to(100));
    let report = run(&Grid { side: 50 }, &options);
    assert!(report.disk_failure.is_some() && report.saved.is_none());
    assert!(!file.exists());
}
