//! Nothing goes on for ever without time passing, in one configuration of each kind of fault.

use lockstep_explore::cluster::Cluster;
use lockstep_explore::configuration::named;
use lockstep_explore::search::{Endless, Limits, endless};
use lockstep_world::Action;

fn check(name: &str) {
    let configuration = named(name).expect("a configuration");
    let model = Cluster::new(configuration.setup);
    match endless(&model, Action::is_time, &Limits::default()) {
        Endless::Free { states, .. } => assert!(states > 100, "{name}: {states} states"),
        Endless::Found(lasso) => {
            let cycle: Vec<&Action> = lasso.cycle.iter().map(|step| &step.action).collect();
            panic!("{name}: for ever {cycle:?}");
        }
        Endless::Truncated(_) | Endless::Panicked { .. } | Endless::Unrepeatable { .. } => {
            panic!("{name}: not decided");
        }
    }
}

#[test]
fn in_layer_1() {
    for name in [
        "l1/k1/undisturbed",
        "l1/k1/power",
        "l1/k3/pause-mux",
        "l1/k1/crash-lrm",
        "l1/k3/crash-mux",
        "l1/k1/isolate",
        "l1/k1/outage",
        "l1/k3/delay",
        "l1/k1/three-hosts-isolate",
        "l1/k1/clone",
    ] {
        check(name);
    }
}

#[test]
fn in_layer_2() {
    for name in [
        "l2/k1/undisturbed",
        "l2/k1/recover-agent-fails",
        "l2/k1/freeze-crash-lrm",
        "l2/k1/stop-start-isolate",
    ] {
        check(name);
    }
}
