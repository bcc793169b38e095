//! Runs in which time never passes.

use super::toys::{Edge, Fickle, Panics, TIME, Toy, nodes};
use lockstep_explore::lease::{Action, Lease};
use lockstep_explore::search::{Endless, Lasso, Limits, Why, endless};
use std::sync::atomic::AtomicU32;

/// A graph of edges that take time (`true`) or don't.
fn timed(edges: &[&[(bool, u32)]]) -> Toy {
    let mut toy = Toy::new(&[]);
    let labelled = |targets: &&[(bool, u32)]| {
        let targets = targets.iter();
        targets
            .map(|&(takes, to)| (if takes { TIME } else { 0 }, to))
            .collect()
    };
    toy.edges = edges.iter().map(labelled).collect();
    toy
}

fn seek(toy: &Toy, limits: &Limits) -> Endless<u32, Edge> {
    endless(toy, |edge| edge.label == TIME, limits)
}

fn found(toy: &Toy) -> (Vec<u32>, Vec<u32>) {
    let Endless::Found(Lasso { prefix, cycle }) = seek(toy, &Limits::default()) else {
        panic!("there is an endless run");
    };
    let cycle = cycle.iter().map(|step| step.state);
    (nodes(&prefix), cycle.collect())
}

#[test]
fn a_planted_cycle_is_found() {
    let toy = timed(&[
        &[(true, 0), (false, 1)],
        &[(true, 2)],
        &[(false, 3), (true, 1)],
        &[(false, 4), (false, 5)],
        &[(false, 5)],
        &[(true, 3), (false, 2)],
    ]);
    assert_eq!(found(&toy), (vec![0, 1, 2], vec![3, 5, 2]));
}

#[test]
fn a_step_that_changes_nothing_is_a_cycle() {
    let toy = timed(&[&[(true, 1)], &[(true, 1), (false, 1)]]);
    assert_eq!(found(&toy), (vec![0, 1], vec![1]));
}

#[test]
fn cycles_with_time_in_them_are_none() {
    let toy = timed(&[
        &[(false, 1)],
        &[(false, 2), (true, 0)],
        &[(true, 2), (true, 1)],
    ]);
    let Endless::Free { states, steps } = seek(&toy, &Limits::default()) else {
        panic!("time passes on every cycle");
    };
    assert_eq!((states, steps), (3, 2));
}

#[test]
fn what_was_cut_short_is_not_free() {
    let toy = timed(&[&[(false, 1)], &[]]);
    let limits = Limits {
        states: Some(0),
        ..Limits::default()
    };
    assert!(matches!(
        seek(&toy, &limits),
        Endless::Truncated(Why::States)
    ));
    let mut toy = toy;
    toy.panics = Some(Panics::Expanding(1));
    let Endless::Panicked { message, trace } = seek(&toy, &Limits::default()) else {
        panic!("a panic is neither free nor found");
    };
    assert_eq!(message, "stuck at 1");
    assert_eq!(trace.as_ref().map(nodes), Some(vec![0, 1]));
    toy.panics = Some(Panics::Initially);
    let outcome = seek(&toy, &Limits::default());
    assert!(matches!(outcome, Endless::Panicked { trace: None, .. }));
}

#[test]
fn a_model_that_changes_has_no_lasso() {
    // The eleventh answer leads back to a known state, but not when repeated.
    let fickle = Fickle(AtomicU32::new(u32::MAX - 9));
    let outcome = endless(&fickle, |()| false, &Limits::default());
    assert!(matches!(outcome, Endless::Unrepeatable { .. }));
}

#[test]
fn the_lease_has_faults_without_end() {
    let model = Lease::<2>::small();
    let is_tick = |action: &Action| *action == Action::Tick;
    let Endless::Found(lasso) = endless(&model, is_tick, &Limits::default()) else {
        panic!("a node may lose its connection again and again");
    };
    assert!(lasso.prefix.replays(&model));
    assert_eq!(
        lasso.cycle.last().map(|step| step.state),
        Some(*lasso.prefix.last())
    );
    // Without what can be done again and again, every run needs time.
    let is_time = |action: &Action| {
        let again = matches!(
            action,
            Action::Disconnect(_) | Action::Release(_) | Action::Renew(_)
        );
        is_tick(action) || again
    };
    let Endless::Free { states, .. } = endless(&model, is_time, &Limits::default()) else {
        panic!("every other step of a node can be taken once");
    };
    assert_eq!(states, 1404);
}
