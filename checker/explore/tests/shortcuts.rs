//! The shortcuts that make a space small change nothing that is said about it: steps that commute
//! taken at once, symmetric hosts, instants far back.

use std::collections::BTreeSet;

use lockstep_explore::cluster::Cluster;
use lockstep_explore::configuration::{Findings, brisk_kappa_one, brisk_kappa_three, named};
use lockstep_explore::search::{Options, StopAt, search};
use lockstep_model::config::{Config, Timing};
use lockstep_model::id::Ranks;
use lockstep_model::mutation::{Mask, Mutant};
use lockstep_model::time::Span;
use lockstep_world::{Admin, Fault, Setup};

fn explore(setup: &Setup) -> Findings {
    explore_cluster(&Cluster::new(setup.clone()))
}

fn explore_cluster(cluster: &Cluster) -> Findings {
    let options = Options {
        stop_at: StopAt::Closure,
        ..Options::default()
    };
    search(cluster, &options, |_| ())
}

/// What a search says, apart from how large the space is.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    closed: bool,
    broken: Vec<&'static str>,
    met: BTreeSet<&'static str>,
    measures: Vec<Option<i64>>,
    dead_ends: bool,
}

fn said(found: &Findings) -> Said {
    let broken = found.properties.iter().filter(|one| one.trace.is_some());
    let met = found.coverage.iter().filter(|one| one.count > 0);
    Said {
        closed: found.closed,
        broken: broken.map(|one| one.name).collect(),
        met: met.map(|one| one.name).collect(),
        measures: found.measures.iter().map(|one| one.maximum).collect(),
        dead_ends: found.dead_ends.count > 0,
    }
}

fn holder(timing: &Timing, faults: &[Fault], mutants: Mask) -> Setup {
    let mut setup = Setup::holder_and_contender(timing, mutants);
    setup.faults = faults.to_vec();
    setup.fault_budget = u8::from(!faults.is_empty());
    setup.fault_hosts = vec![0];
    setup
}

/// The same is said with and without the reduction, in fewer states.
fn check_reduction(setup: &Setup) -> Said {
    let reduced = explore(setup);
    let whole = explore(&Setup {
        reduce: false,
        ..setup.clone()
    });
    assert_eq!(said(&reduced), said(&whole));
    assert!(reduced.states < whole.states);
    said(&reduced)
}

#[test]
fn steps_that_commute() {
    for timing in [brisk_kappa_one(), brisk_kappa_three()] {
        let faults = [Fault::Power, Fault::CrashMux, Fault::Isolate];
        let said = check_reduction(&holder(&timing, &faults, Mask::NONE));
        assert!(said.closed && said.broken.is_empty());
        assert!(said.met.contains("taken-silent") && said.met.contains("reset"));
    }
}

/// Processes that are stopped or die, and requests that are late: here orders are left out, answers
/// dropped, and the multiplexer is stopped only where that matters.
#[test]
fn steps_that_commute_with_stopped_processes() {
    for fault in [Fault::PauseMux, Fault::CrashLrm, Fault::PauseLrm] {
        let said = check_reduction(&holder(&brisk_kappa_one(), &[fault], Mask::NONE));
        assert!(said.closed && said.broken.is_empty());
    }
    for timing in [brisk_kappa_one(), brisk_kappa_three()] {
        let said = check_reduction(&holder(&timing, &[Fault::Delay], Mask::NONE));
        assert!(said.closed && said.broken.is_empty());
        assert!(said.met.contains("zombie-applied"));
    }
}

/// Another T or W at any moment, with the multiplexer stopped before or after.
#[test]
fn steps_that_commute_with_another_configuration() {
    let timing = brisk_kappa_one();
    let longer = Timing {
        lock_ttl: timing.lock_ttl + Span(2),
        ..timing.clone()
    };
    let wider = Timing {
        watchdog: timing.watchdog + Span(1),
        reset_max: timing.reset_max + Span(1),
        ..longer.clone()
    };
    for (before, after) in [(&longer, &timing), (&longer, &wider), (&wider, &longer)] {
        let mut setup = holder(before, &[Fault::PauseMux], Mask::NONE);
        setup.configs[1] = Config::for_checking(after.clone(), Ranks::default(), Mask::NONE);
        setup.rebase_bound = Setup::sufficient_bound(&setup.configs, false);
        setup.admin = vec![Admin::Reconfigure];
        setup.admin_budget = 1;
        let said = check_reduction(&setup);
        assert!(said.closed && said.broken.is_empty());
    }
}

#[test]
fn steps_that_commute_with_people_about() {
    let mut setup = holder(&brisk_kappa_one(), &[], Mask::NONE);
    setup.admin = vec![Admin::Want, Admin::RestartLrm];
    setup.admin_budget = 1;
    let said = check_reduction(&setup);
    assert!(said.closed && said.broken.is_empty());
}

#[test]
fn steps_that_commute_where_a_rule_is_broken() {
    let mutants = Mask::only(Mutant::StartUnarmed);
    let setup = holder(&brisk_kappa_three(), &[Fault::Power], mutants);
    assert!(!check_reduction(&setup).broken.is_empty());
}

/// Hosts that nothing tells apart: the same is said, in little more than half the states.
#[test]
fn symmetric_hosts() {
    let configuration = named("l1/k1/three-hosts-crash-mux").expect("a configuration");
    let with = explore(&configuration.setup);
    let without = explore(&Setup {
        fenceable: Vec::new(),
        symmetric: Vec::new(),
        ..configuration.setup
    });
    assert_eq!(said(&with), said(&without));
    let (with, without) = (with.states, without.states);
    assert!(without <= 2 * with, "{without} states stand for {with}");
    assert!(
        3 * with < 2 * without,
        "{with} of {without} states are left"
    );
}

fn with_bound(setup: &Setup, ticks: u64) -> Findings {
    explore_cluster(&Cluster::unchecked(Setup {
        rebase_bound: Span(ticks),
        ..setup.clone()
    }))
}

/// A lock's silence is what the longest comparison is about: with a bound one below it, no
/// contender ever sees enough of it. A larger one adds nothing.
#[test]
fn a_bound_below_the_largest_sum_is_caught() {
    for timing in [brisk_kappa_one(), brisk_kappa_three()] {
        let setup = holder(&timing, &[Fault::Power], Mask::NONE);
        let enough = Setup::sufficient_bound(&setup.configs, false).0;
        let exact = said(&explore(&setup));
        assert!(exact.closed && exact.met.contains("taken-silent"));
        for larger in [1, 3] {
            assert_eq!(said(&with_bound(&setup, enough + larger)), exact);
        }
        let short = said(&with_bound(&setup, enough - 1));
        assert_ne!(short, exact);
        assert!(!short.met.contains("taken-silent"));
    }
}

#[test]
#[should_panic(expected = "instants that are compared are taken for equal")]
fn a_bound_below_the_largest_sum_is_refused() {
    let mut setup = holder(&brisk_kappa_one(), &[], Mask::NONE);
    setup.rebase_bound = Span(setup.rebase_bound.0 - 1);
    let _ = Cluster::new(setup);
}

#[test]
#[should_panic(expected = "hosts are taken for alike that are not")]
fn hosts_that_differ_are_not_symmetric() {
    let mut setup = holder(&brisk_kappa_one(), &[], Mask::NONE);
    setup.symmetric = vec![0, 1];
    let _ = Cluster::new(setup);
}
