//! A round in which nothing happens takes no memory.

use allocation_counter::measure;
use lockstep_model::config::{Config, Profile};
use lockstep_model::event::LrmState;
use lockstep_model::format::groups::Groups;
use lockstep_model::format::rules::Rules;
use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::manager::status::{
    ExitCode, LrmMode, LrmResult, LrmStatus, NodeState, Requested, Resource, Status,
};
use lockstep_model::manager::{Decisions, Manager, Settings};
use lockstep_model::name::Names;
use lockstep_model::table::Table;
use lockstep_model::time::{Instant, Span};

use crate::world::World;

/// A cluster with every service configured as started, and nothing else in it.
pub(crate) fn cluster(profile: Profile, nodes: u16, services: u16) -> World {
    let mut world = World::new(0, profile);
    let mut names = Names::new();
    for node in 0..nodes {
        names.intern_node(&format!("node{node}")).expect("few");
    }
    for service in 0..services {
        names.intern_service(&format!("vm:{service}")).expect("few");
    }
    world.config = Config::of_profile(profile);
    world.config.nodes = names.node_ranks();
    world.config.services = names.service_ranks();
    world.me = NodeId(0);
    world.now = Instant(0);
    world.status = Status {
        nodes: names
            .nodes()
            .map(|node| (node, NodeState::Online))
            .collect(),
        ..Status::default()
    };
    world.members = names.nodes().map(|node| (node, true)).collect();
    world.lrms = Table::new();
    let resource = |service: ServiceId| Resource {
        requested: Requested::Started,
        node: Some(NodeId(service.0 % nodes)),
        group: None,
        failback: true,
        max_restart: 1,
        max_relocate: 1,
        can_migrate: true,
        guest_lock: None,
    };
    world.resources = names.services().map(|it| (it, resource(it))).collect();
    world.groups = Groups::new();
    world.rules = Rules::new();
    world.commands.clear();
    world.locks = Table::new();
    world.settings = Settings::default();
    world.names = names;
    world
}

/// Every LRM has done what it was told.
fn confirm(world: &mut World, status: &Status) {
    let nodes: Vec<NodeId> = world.names.nodes().collect();
    for node in nodes {
        let services = status.services.iter();
        let here = services.filter(|(_, entry)| entry.node == Some(node));
        let results = here.map(|(service, entry)| LrmResult {
            uid: entry.uid,
            service,
            code: ExitCode::SUCCESS,
        });
        let mut results: Vec<LrmResult> = results.collect();
        results.sort_unstable_by_key(|result| result.uid);
        let published = LrmStatus {
            state: Some(LrmState::Active),
            mode: Some(LrmMode::Active),
            results,
        };
        world.lrms.insert(node, published);
    }
}

fn check_steady(profile: Profile, nodes: u16, services: u16) {
    let mut world = cluster(profile, nodes, services);
    let mut manager = Manager::new(world.me, world.status.clone());
    let mut decisions = Decisions::default();
    for round in 0..10 {
        let view = world.view();
        let uid = manager.status().last_uid;
        let mut ended = Ok(());
        let spent = measure(|| {
            ended = manager.decide(&world.config, &view, world.now, &mut decisions);
        });
        assert_eq!(ended, Ok(()));
        if round >= 5 {
            let given = manager.status().last_uid - uid;
            // Only the reference gives a service that runs its command again.
            let repeated = match world.config.policy().repeats_start {
                true => services,
                false => 0,
            };
            assert_eq!(given, u64::from(repeated), "commands given");
            assert_eq!(spent.count_total, 0, "allocations in round {round}");
        }
        world.now += Span(10_000);
        confirm(&mut world, manager.status());
    }
}

#[test]
fn a_steady_round_allocates_nothing() {
    for profile in [Profile::Pve, Profile::Default] {
        check_steady(profile, 3, 2);
        check_steady(profile, 20, 1000);
    }
}
