//! The second opinion: stateright's own search visits the same states of the same clusters.

use lockstep_explore::cluster::Cluster;
use lockstep_explore::configuration::named;
use lockstep_explore::search::{Options, search};
use stateright::{Checker, Model};

/// Both searches of a configuration in which everything holds, to closure.
fn check(name: &str) {
    let configuration = named(name).expect("a configuration");
    let model = Cluster::new(configuration.setup);
    let own = search(&model, &Options::default(), |_| ());
    let broken = own.properties.iter().find(|one| one.trace.is_some());
    assert_eq!(broken.map(|one| one.name), None, "{name}");
    assert!(
        own.verdict.is_exhausted(),
        "{name} was not explored to closure"
    );
    let other = model.checker().threads(2).spawn_bfs().join();
    let counts = (
        other.unique_state_count() as u64,
        other.state_count() as u64,
        other.discoveries().is_empty(),
    );
    assert_eq!(counts, (own.states, own.generated(), true), "{name}");
}

#[test]
fn undisturbed() {
    check("l1/k1/undisturbed");
}

#[test]
fn power() {
    check("l1/k1/power");
}

#[test]
fn crash_of_the_multiplexer() {
    check("l1/k1/crash-mux");
}

#[test]
fn delayed_requests() {
    check("l1/k3/delay");
}

#[test]
fn a_clone() {
    check("l1/k1/clone");
}

#[test]
fn symmetric_contenders() {
    check("l1/k1/three-hosts-crash-mux");
}

#[test]
fn failing_agents() {
    check("l2/k1/recover-agent-fails");
}
