//! Stories of random runs: every action has words, hosts stay in their columns, lines fit.

use lockstep_explore::configuration::{self, Configuration};
use lockstep_explore::counterexample::{Counterexample, Replay};
use lockstep_explore::timeline::{Place, Story, layout, plain};
use lockstep_world::property::Property;
use lockstep_world::{Action, World};

/// A run of so many steps that prefers what isn't time passing, the same for the same seed.
fn run(configuration: &Configuration, steps: usize, seed: u64) -> Vec<Action> {
    let setup = &configuration.setup;
    let mut world = World::initial(setup);
    let mut random = seed;
    let mut actions = Vec::new();
    for _ in 0..steps {
        let enabled = world.enabled(setup);
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let choice = (random >> 33) as usize % enabled.len();
        let action = enabled[choice].clone();
        world = world.after(setup, &action).0;
        actions.push(action);
    }
    actions
}

#[test]
fn every_action_of_every_configuration_has_words() {
    for configuration in configuration::all() {
        let actions = run(&configuration, 200, 7);
        let story = Story::of(&configuration.setup, &actions).unwrap();
        for (step, action) in actions.iter().enumerate() {
            let mut told = story.happenings.iter().filter(|one| one.step == step);
            let said = told.next().is_some();
            assert!(
                said || *action == Action::Tick,
                "{}: {action:?}",
                configuration.name
            );
        }
        assert!(
            story.happenings.iter().all(|one| !one.what.is_empty()),
            "{}",
            configuration.name
        );
        for width in [80, 100, 200] {
            let text = layout(&story, width, &plain);
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(
                widest <= Some(width),
                "{} at {width}:\n{text}",
                configuration.name
            );
        }
    }
}

#[test]
fn hosts_that_nothing_tells_apart_stay_in_their_columns() {
    let mut swapped = 0;
    for configuration in configuration::all() {
        if configuration.setup.symmetric.is_empty() {
            continue;
        }
        for seed in 0..20 {
            let actions = run(&configuration, 120, seed);
            let story = Story::of(&configuration.setup, &actions).unwrap();
            for host in 0..story.hosts.len() {
                let mut on = true;
                for one in story
                    .happenings
                    .iter()
                    .filter(|one| one.place == Place::Host(host))
                {
                    let (goes, comes) = (one.what == "loses power", one.what == "boots");
                    assert!(
                        !(goes && !on || comes && on),
                        "{} {seed}",
                        configuration.name
                    );
                    on = if goes || comes { comes } else { on };
                    let is_moved = matches!(
                        actions[one.step],
                        Action::Deliver { host: named, .. } | Action::Watch { host: named, .. }
                            if named != host
                    );
                    swapped += usize::from(is_moved);
                }
            }
        }
    }
    assert!(swapped > 0, "no run in which hosts changed places");
}

#[test]
fn what_cannot_happen_is_named() {
    let configuration = configuration::all().remove(0);
    let mut actions = run(&configuration, 10, 1);
    actions.push(Action::Answer { delayed: 9 });
    let impossible = Story::of(&configuration.setup, &actions).unwrap_err();
    assert_eq!(impossible.step, 10);
    let example = Counterexample::new(configuration, Property::SingleInstance, actions);
    assert!(matches!(example.replay(), Replay::Impossible(_)));
}

#[test]
fn a_counterexample_survives_its_file() {
    for configuration in configuration::all() {
        let actions = run(&configuration, 60, 3);
        let property = Property::SingleInstance;
        let written = Counterexample::new(configuration, property, actions);
        let text = written.to_json().unwrap();
        let read = Counterexample::from_json(&text).unwrap();
        assert_eq!(read.actions, written.actions);
        assert_eq!(read.mutants, written.mutants);
        assert_eq!(read.setup(), written.setup(), "{}", read.configuration.name);
    }
}
