//! What a search says of small models: counts, traces, limits, panics.

use super::toys::{
    Fickle, Grid, Panics, Toy, first_breach, limited, nodes, run, to_closure, violation,
};
use lockstep_explore::lease::Lease;
use lockstep_explore::search::{Limits, Options, Verdict, Why, search};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

#[test]
fn a_small_graph_is_counted() {
    let mut toy = Toy::new(&[&[1, 2], &[3], &[3, 0, 2], &[], &[0]]);
    toy.initial = vec![0, 0];
    let report = run(&toy, &first_breach(2));
    assert!(report.verdict.is_exhausted());
    assert!(report.closed);
    assert_eq!(report.cut, None);
    assert_eq!((report.states, report.transitions), (4, 6));
    assert_eq!((report.initial_states, report.generated()), (1, 7));
    assert_eq!((report.depth, &report.levels[..]), (2, &[1, 2, 1][..]));
    let counts = |counts: &[lockstep_explore::search::Count]| -> Vec<u64> {
        counts.iter().map(|count| count.count).collect()
    };
    assert_eq!(counts(&report.coverage), [3, 3, 0]);
    assert_eq!(counts(&report.kinds), [3, 3]);
    let maxima: Vec<_> = report.measures.iter().map(|one| one.maximum).collect();
    assert_eq!(maxima, [Some(2), None]);
    assert!(report.peak_bytes >= report.table_bytes);
    assert!(report.collision_bound < 1e-30);
}

#[test]
fn dead_ends_are_told_from_ends() {
    let mut toy = Toy::new(&[&[1, 2], &[3], &[4], &[], &[]]);
    toy.ends = BTreeSet::from([3]);
    let ends = run(&toy, &first_breach(1)).dead_ends;
    assert_eq!((ends.allowed, ends.count), (1, 1));
    assert_eq!(ends.first.as_ref().map(nodes), Some(vec![0, 2, 4]));
}

#[test]
fn the_first_breach_has_the_shortest_trace() {
    let mut toy = Toy::new(&[&[1, 2], &[3], &[4, 3], &[5], &[], &[4]]);
    toy.bad_states = BTreeSet::from([4]);
    toy.bad_steps = BTreeSet::from([(2, 3), (5, 4)]);
    let report = run(&toy, &first_breach(1));
    assert_eq!(violation(&report), (0, vec![0, 2, 4]));
    assert!(!report.closed);

    // The breaking step leads to a state that is known from elsewhere.
    let only_steps = Options {
        properties: 0b10,
        ..first_breach(1)
    };
    let report = run(&toy, &only_steps);
    assert_eq!(violation(&report), (1, vec![0, 2, 3]));
    assert!(!report.properties[0].judged);
    assert!(report.properties[0].trace.is_none());

    let report = run(&toy, &to_closure(1));
    assert!(report.closed);
    let traces = report.properties.iter().map(|one| one.trace.as_ref());
    let traces: Vec<_> = traces.map(|trace| trace.map(nodes)).collect();
    assert_eq!(traces, [Some(vec![0, 2, 4]), Some(vec![0, 2, 3])]);
}

#[test]
fn an_initial_state_can_break_a_property() {
    let mut toy = Toy::new(&[&[], &[0]]);
    toy.initial = vec![0, 1];
    toy.bad_states = BTreeSet::from([1]);
    assert_eq!(violation(&run(&toy, &first_breach(2))), (0, vec![1]));
}

#[test]
fn a_model_without_overrides() {
    let report = run(&Grid { side: 70 }, &first_breach(2));
    assert!(report.verdict.is_exhausted());
    assert_eq!((report.states, report.transitions), (4_900, 2 * 70 * 69));
    assert_eq!(report.dead_ends.count, 1);
    let report = run(&Grid { side: 300 }, &first_breach(2));
    let Verdict::Violated { name, trace, .. } = report.verdict else {
        panic!("{:?}", report.verdict);
    };
    assert_eq!((name, trace.len()), ("below 150", 150));
    assert_eq!(*trace.last(), (0, 150), "the first in the order of actions");
    assert!(trace.replays(&Grid { side: 300 }));
    assert!(!trace.replays(&Grid { side: 100 }));
}

#[test]
fn limits_truncate() {
    let endless = Grid { side: u32::MAX };
    let none_broken = |limits| Options {
        properties: 0,
        ..limited(limits)
    };
    let check = |limits: Limits, expect: Why| {
        let report = run(&endless, &none_broken(limits));
        let Verdict::Truncated(why) = report.verdict else {
            panic!("{:?}", report.verdict);
        };
        assert_eq!(
            (why, report.cut, report.closed),
            (expect, Some(expect), false)
        );
        report
    };
    let limits = Limits {
        states: Some(20_000),
        ..Limits::default()
    };
    let report = check(limits, Why::States);
    assert!(
        (20_000..25_000).contains(&report.states),
        "{}",
        report.states
    );

    let limits = Limits {
        bytes: Some(4 << 20),
        ..Limits::default()
    };
    let report = check(limits, Why::Memory);
    assert!((4 << 20..6 << 20).contains(&report.peak_bytes));
    assert!(report.states > 50_000);

    let limits = Limits {
        time: Some(Duration::ZERO),
        ..Limits::default()
    };
    assert_eq!(check(limits, Why::Time).states, 1);
    let limits = Limits {
        time: Some(Duration::from_millis(100)),
        ..Limits::default()
    };
    let report = check(limits, Why::Time);
    assert!((0.1..5.0).contains(&report.seconds));

    // A breach found before the limit is the verdict; the limit is told too.
    let limits = Limits {
        states: Some(20_000),
        ..Limits::default()
    };
    let report = run(&endless, &limited(limits));
    assert!(matches!(report.verdict, Verdict::Violated { .. }));
    assert_eq!((report.cut, report.closed), (Some(Why::States), false));
}

#[test]
fn a_limit_that_is_just_enough_truncates_nothing() {
    let limits = Limits {
        states: Some(4_900),
        ..Limits::default()
    };
    assert!(
        run(&Grid { side: 70 }, &limited(limits))
            .verdict
            .is_exhausted()
    );
}

#[test]
fn more_successors_than_a_trace_can_name_truncate() {
    let star = |rays: u32| {
        let mut edges = vec![(0..=rays).map(|ray| (0, ray)).collect()];
        edges.resize(rays as usize + 1, Vec::new());
        Toy {
            edges,
            initial: vec![0],
            bad_states: BTreeSet::from([65_535]),
            ..Toy::default()
        }
    };
    let report = run(&star(65_535), &to_closure(2));
    assert_eq!(violation(&report), (0, vec![0, 65_535]));
    assert!(report.closed);
    let mut wide = star(65_536);
    wide.bad_states.clear();
    let report = run(&wide, &to_closure(2));
    assert!(matches!(
        report.verdict,
        Verdict::Truncated(Why::Successors)
    ));
    assert!(!report.closed);
}

#[test]
fn a_panic_is_reported_with_its_place() {
    let check = |panics: Panics, expect: &str, place: Option<Vec<u32>>| {
        for options in [first_breach(1), first_breach(2), to_closure(2)] {
            let mut toy = Toy::new(&[&[1, 2], &[3], &[4], &[], &[3]]);
            // Broken at the same level, but later.
            toy.bad_steps = BTreeSet::from([(4, 3)]);
            toy.panics = Some(panics);
            let report = run(&toy, &options);
            let Verdict::Panicked { message, trace } = report.verdict else {
                panic!("{:?}", report.verdict);
            };
            assert_eq!(message, expect);
            assert_eq!(trace.as_ref().map(nodes), place);
            assert!(!report.closed);
        }
    };
    check(Panics::Initially, "no start", None);
    check(Panics::JudgingState(0), "unjudgeable", Some(vec![0]));
    check(Panics::JudgingState(3), "unjudgeable", Some(vec![0, 1, 3]));
    check(
        Panics::JudgingStep(2, 4),
        "unjudgeable",
        Some(vec![0, 2, 4]),
    );
}

#[test]
fn a_panic_while_expanding_is_reported_with_its_state() {
    let mut toy = Toy::new(&[&[1, 2], &[3], &[4], &[], &[3]]);
    toy.panics = Some(Panics::Expanding(4));
    let report = run(&toy, &first_breach(2));
    let Verdict::Panicked { message, trace } = report.verdict else {
        panic!("{:?}", report.verdict);
    };
    assert_eq!(message, "stuck at 4");
    assert_eq!(trace.as_ref().map(nodes), Some(vec![0, 2, 4]));

    // A breach that a sequential search meets first is the verdict, unless the
    // search was to go on after it.
    toy.bad_states = BTreeSet::from([3]);
    assert_eq!(violation(&run(&toy, &first_breach(2))).1, [0, 1, 3]);
    toy.panics = Some(Panics::Expanding(3));
    let report = run(&toy, &to_closure(2));
    assert!(matches!(report.verdict, Verdict::Panicked { .. }));
    assert!(report.properties[0].trace.is_some());
}

#[test]
fn a_trace_that_does_not_repeat_is_no_trace() {
    let report = run(&Fickle(AtomicU32::new(1)), &first_breach(1));
    assert!(matches!(report.verdict, Verdict::Unrepeatable { .. }));
}

#[test]
fn progress_is_told() {
    let options = Options {
        progress_every: Duration::ZERO,
        ..first_breach(2)
    };
    let mut calls = 0;
    let mut states = 0;
    let report = search(&Lease::<2>::small(), &options, |progress| {
        calls += 1;
        assert!(progress.states >= states);
        assert!(progress.queue <= progress.states);
        states = progress.states;
    });
    assert!(calls > report.depth);
    assert!(states <= report.states);
}
