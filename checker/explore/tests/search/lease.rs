//! The lease model: against stateright's own search, and at full size against
//! the counts that are known.

use super::toys::{first_breach, run, to_closure};
use lockstep_explore::lease::{Lease, Orbits, State};
use lockstep_explore::search::{Options, Verdict};
use stateright::{Checker, Model};
use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;

/// stateright's own search over the same model: unique and generated states,
/// and whether it found a breach.
fn second_opinion<const NODES: usize>(model: &Lease<NODES>, threads: usize) -> (u64, u64, bool) {
    let checker = model.clone().checker().threads(threads).spawn_bfs().join();
    let unique = checker.unique_state_count() as u64;
    let broken = !checker.discoveries().is_empty();
    (unique, checker.state_count() as u64, broken)
}

fn check<const NODES: usize>(model: &Lease<NODES>, states: u64) {
    let report = run(model, &first_breach(2));
    assert!(report.verdict.is_exhausted());
    assert_eq!(report.states, states);
    let expect = (report.states, report.generated(), false);
    assert_eq!(second_opinion(model, 1), expect);
    let kinds: u64 = report.kinds.iter().map(|kind| kind.count).sum();
    assert_eq!(kinds, report.transitions);
    assert!(report.coverage.iter().all(|tag| tag.count > 0));
    // The last ping comes as late as it may, and the watchdog counts the tick
    // in which it is pinged.
    let latest = model.watchdog_ticks + model.acknowledge_ticks - 1;
    assert_eq!(report.measures[0].maximum, Some(i64::from(latest)));
}

#[test]
fn small_sizes_agree_with_the_second_opinion() {
    check(&Lease::<1>::small(), 120);
    check(&Lease::<2>::small(), 1404);
    check(&Lease::<3>::small(), 12528);
}

#[test]
fn a_lease_too_short_is_violated() {
    let model = Lease::<2> {
        lease_ticks: 4,
        ..Lease::small()
    };
    let one = run(&model, &first_breach(1));
    let Verdict::Violated { name, trace, .. } = one.verdict else {
        panic!("{:?}", one.verdict);
    };
    assert_eq!(name, "exclusive");
    assert!(trace.replays(&model));
    let two = run(&model, &to_closure(2));
    assert_eq!(two.properties[0].trace.as_ref(), Some(&trace));
    assert!(two.closed);
    assert!(second_opinion(&model, 1).2);
}

const STATES: u64 = 7_260_624;
const GENERATED: u64 = 51_592_689;
/// 19.58 times fewer.
const ORBITS: u64 = 370_860;

#[test]
fn the_large_size_has_the_known_counts() {
    let report = run(&Lease::large(), &Options::default());
    assert!(report.verdict.is_exhausted());
    assert_eq!((report.states, report.generated()), (STATES, GENERATED));
    assert_eq!(report.depth, 25);
    assert_eq!(report.measures[0].maximum, Some(13));
    assert!(report.bytes_per_state <= 24.0, "{}", report.bytes_per_state);
}

/// The second opinion at full size: 700 MB, and most of the time of all these tests.
#[test]
fn the_large_size_agrees_with_the_second_opinion() {
    let counts = second_opinion(&Lease::large(), 2);
    assert_eq!(counts, (STATES, GENERATED, false));
}

/// All states, without the search.
fn all_states<M: Model<State: Copy + Eq + Hash>>(model: &M) -> HashSet<M::State> {
    let mut waiting = model.init_states();
    let mut states: HashSet<M::State> = waiting.iter().copied().collect();
    while let Some(state) = waiting.pop() {
        for next in model.next_states(&state) {
            if states.insert(next) {
                waiting.push(next);
            }
        }
    }
    states
}

/// How many states an orbit has, counted by exchanging nodes until nothing new comes out.
fn orbit<const NODES: usize>(state: &State<NODES>) -> BTreeSet<State<NODES>> {
    let mut orbit = BTreeSet::from([*state]);
    let mut waiting = vec![*state];
    while let Some(state) = waiting.pop() {
        for other in 1..NODES {
            let mut exchanged = state;
            exchanged.nodes.swap(0, other);
            exchanged.owner = state.owner.map(|owner| match usize::from(owner) {
                0 => other as u8,
                owner if owner == other => 0,
                _ => owner,
            });
            if orbit.insert(exchanged) {
                waiting.push(exchanged);
            }
        }
    }
    orbit
}

/// The search of representatives meets exactly one state of every orbit of the plain space.
fn check_orbits<const NODES: usize>(model: &Lease<NODES>, plain: u64) -> u64 {
    let orbits = Orbits(model.clone());
    let report = run(&orbits, &first_breach(2));
    assert!(report.verdict.is_exhausted());
    let representatives = all_states(&orbits);
    assert_eq!(report.states, representatives.len() as u64);
    let mut covered = 0;
    for state in &representatives {
        let orbit = orbit(state);
        assert_eq!(
            orbit
                .iter()
                .filter(|it| it.representative() == **it)
                .count(),
            1
        );
        assert!(orbit.iter().all(|it| it.representative() == *state));
        covered += orbit.len() as u64;
    }
    assert_eq!(covered, plain, "the orbits together are the plain space");
    report.states
}

#[test]
fn small_sizes_have_a_state_for_each_orbit() {
    fn check<const NODES: usize>(model: &Lease<NODES>) {
        let plain = all_states(model);
        let least = |state: &State<NODES>| orbit(state).pop_first();
        let orbits: BTreeSet<_> = plain.iter().map(least).collect();
        let searched = check_orbits(model, plain.len() as u64);
        assert_eq!(searched, orbits.len() as u64);
    }
    check(&Lease::<1>::small());
    check(&Lease::<2>::small());
    check(&Lease::<3>::small());
}

#[test]
fn the_large_size_has_a_state_for_each_orbit() {
    assert_eq!(check_orbits(&Lease::large(), STATES), ORBITS);
}
