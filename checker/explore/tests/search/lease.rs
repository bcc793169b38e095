//! The lease model: against stateright's own search, and at full size against
//! the counts that are known.

use super::toys::{first_breach, run, to_closure};
use lockstep_explore::lease::Lease;
use lockstep_explore::search::{Options, Verdict};
use stateright::{Checker, Model};

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
