//! What becomes of a service of which its LRM doesn't speak: frozen on a dead node, or unowned.

use lockstep_model::config::Profile;
use lockstep_model::event::LrmState;
use lockstep_model::id::{NodeId, ServiceId, Uid};
use lockstep_model::manager::status::{
    Entry, ExitCode, LrmMode, LrmResult, LrmStatus, NodeState, Requested,
};
use lockstep_model::manager::{Decisions, Manager};
use lockstep_model::placement::state::ServiceState;
use lockstep_model::time::Instant;

use crate::allocations::cluster;
use crate::world::World;

/// The service that this is about, and its node.
const SERVICE: ServiceId = ServiceId(1);
const NODE: NodeId = NodeId(1);
const ORDER: Uid = Uid(7);

/// Two nodes, and a service of the second one in this state.
fn world(state: ServiceState) -> World {
    let mut world = cluster(Profile::Default, 2, 2);
    world.unreleased.clear();
    let entry = Entry::new(state, Some(NODE), ORDER);
    world.status.services.insert(SERVICE, entry);
    world
}

fn says(world: &mut World, mode: LrmMode, results: Vec<LrmResult>) {
    let status = LrmStatus {
        state: Some(LrmState::Active),
        mode: Some(mode),
        results,
    };
    world.lrms.insert(NODE, status);
}

fn decide(manager: &mut Manager, world: &World) -> Entry {
    let mut decisions = Decisions::default();
    let ended = manager.decide(&world.config, &world.view(), world.now, &mut decisions);
    assert_eq!(ended, Ok(()));
    let entry = manager.status().services.get(SERVICE);
    entry.expect("it is managed").clone()
}

/// What a frozen service is once its node has been offline for longer than the fence delay.
fn after_death(mut world: World) -> ServiceState {
    says(&mut world, LrmMode::Restart, Vec::new());
    world.members.insert(NODE, false);
    world.status.nodes.insert(NODE, NodeState::Online);
    let mut manager = Manager::new(world.me, world.status.clone());
    decide(&mut manager, &world);
    world.now = Instant(world.now.0 + world.config.timing().fence_delay.0 + 1);
    decide(&mut manager, &world).state
}

#[test]
fn what_was_left_on_purpose_stays_frozen() {
    assert_eq!(
        after_death(world(ServiceState::Freeze)),
        ServiceState::Freeze
    );
}

#[test]
fn what_was_not_is_fenced() {
    let mut world = world(ServiceState::Freeze);
    world.unreleased = vec![NODE];
    assert_eq!(after_death(world), ServiceState::Fence);
}

#[test]
fn a_disabled_one_fences_nobody() {
    let mut world = world(ServiceState::Freeze);
    world.unreleased = vec![NODE];
    let resource = world.resources.get_mut(SERVICE).expect("it is configured");
    resource.requested = Requested::Disabled;
    assert_eq!(after_death(world), ServiceState::Stopped);
}

/// Whether a service is still unowned once its stop has ended so.
fn is_unowned_after(code: ExitCode) -> bool {
    let mut world = world(ServiceState::RequestStop);
    let entry = world
        .status
        .services
        .get_mut(SERVICE)
        .expect("it is managed");
    entry.unowned = true;
    let result = LrmResult {
        uid: ORDER,
        service: SERVICE,
        code,
    };
    says(&mut world, LrmMode::Active, vec![result]);
    let mut manager = Manager::new(world.me, world.status.clone());
    decide(&mut manager, &world).unowned
}

#[test]
fn a_stop_that_failed_says_nothing_of_who_runs_the_service() {
    assert!(is_unowned_after(ExitCode::ERROR));
    assert!(!is_unowned_after(ExitCode::SUCCESS));
}
