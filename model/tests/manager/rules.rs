//! Which rules a manager goes by.

use std::fmt::Write as _;

use lockstep_model::config::Profile;
use lockstep_model::event::Level;
use lockstep_model::format::rules::Rules;
use lockstep_model::id::NodeId;
use lockstep_model::manager::command::Command;
use lockstep_model::manager::event::{CommandEvent, Event};
use lockstep_model::manager::{Decisions, Manager};

use crate::allocations::cluster;
use crate::world::World;

const APART: &str = "resource-affinity: apart\n\taffinity negative\n\tresources vm:0,vm:3\n\n";

/// Node affinity rules and resource affinity rules that all have one service in common: what looks
/// at each with each looks at millions.
fn too_large() -> String {
    let mut text = String::new();
    for number in 0..1500 {
        write!(
            text,
            "node-affinity: n{number}\n\tnodes node0\n\tresources vm:2\n\n\
             resource-affinity: r{number}\n\taffinity positive\n\tresources vm:2,vm:x{number}\n\n"
        )
        .expect("a string takes everything");
    }
    text
}

/// Three nodes, each with a service.
fn world(rules: &str) -> World {
    let mut world = cluster(Profile::Default, 3, 3);
    write_rules(&mut world, rules);
    world
}

fn write_rules(world: &mut World, rules: &str) {
    world.rules = Rules::read("rules", rules).0;
    world.digest += 1;
}

/// A service comes to the second node, which a rule may have named before. In every round that
/// follows somebody asks for that of the first node to be moved there.
fn add_service(world: &mut World) {
    let other = world.resources.iter().next().expect("there are some").1;
    let mut resource = other.clone();
    resource.node = Some(NodeId(1));
    let service = world.names.intern_service("vm:3").expect("few");
    world.resources.insert(service, resource);
    world.config.services = world.names.service_ranks();
    world.commands = vec![Command::parse("migrate vm:0 node1", &world.names)];
}

/// Whether the rules forbid the move in this round, and which errors are about the rules.
fn round(manager: &mut Manager, world: &World) -> (bool, Vec<String>) {
    let mut decisions = Decisions::default();
    let ended = manager.decide(&world.config, &world.view(), world.now, &mut decisions);
    assert_eq!(ended, Ok(()));
    let mut errors = decisions.events.clone();
    errors.retain(|event| event.level() == Level::Error && matches!(event, Event::Advice { .. }));
    let errors = errors.iter().map(|event| event.text(&world.names));
    let blocked = |event: &Event| matches!(event, Event::Command(_, CommandEvent::Blocked { .. }));
    let is_blocked = decisions.events.iter().any(blocked);
    (is_blocked, errors.map(|text| text.to_string()).collect())
}

fn error(instead: &str) -> String {
    format!(
        "the rules can't be followed: the rules imply too much: expected fewer or smaller ones, \
         which imply at most 256 MiB; {instead}"
    )
}

#[test]
fn rules_that_are_too_large_leave_those_before_in_force() {
    let mut world = world(APART);
    let mut manager = Manager::new(world.me, world.status.clone());
    assert_eq!(round(&mut manager, &world), (false, Vec::new()));
    add_service(&mut world);
    assert_eq!(round(&mut manager, &world), (true, Vec::new()));
    let said = vec![error("those before stay in force")];
    for _ in 0..2 {
        write_rules(&mut world, &too_large());
        assert_eq!(round(&mut manager, &world), (true, said.clone()));
    }
    assert_eq!(round(&mut manager, &world), (true, Vec::new()), "said once");
    write_rules(&mut world, "");
    assert_eq!(round(&mut manager, &world), (false, Vec::new()));
}

/// Those before are by name: a service that comes in the same round is one of theirs.
#[test]
fn rules_that_stay_in_force_know_who_comes() {
    let mut world = world(APART);
    let mut manager = Manager::new(world.me, world.status.clone());
    assert_eq!(round(&mut manager, &world), (false, Vec::new()));
    write_rules(&mut world, &too_large());
    add_service(&mut world);
    let said = vec![error("those before stay in force")];
    assert_eq!(round(&mut manager, &world), (true, said));
}

#[test]
fn a_manager_that_begins_with_rules_too_large_has_none() {
    let mut world = world(&too_large());
    let mut manager = Manager::new(world.me, world.status.clone());
    add_service(&mut world);
    let said = vec![error("there were none before, so none is in force")];
    assert_eq!(round(&mut manager, &world), (false, said));
    write_rules(&mut world, APART);
    manager = Manager::new(world.me, world.status.clone());
    assert_eq!(round(&mut manager, &world), (true, Vec::new()));
}
