//! Nothing goes on for ever without time passing, in one configuration of each kind of fault.

use lockstep_explore::cluster::Cluster;
use lockstep_explore::configuration::{ENDLESS, named};
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

fn check_all(layer: &str) {
    let of_layer: Vec<_> = ENDLESS.iter().filter(|it| it.starts_with(layer)).collect();
    assert!(!of_layer.is_empty());
    of_layer.into_iter().for_each(|name| check(name));
}

#[test]
fn in_layer_1() {
    check_all("l1/");
}

#[test]
fn in_layer_2() {
    check_all("l2/");
}
