//! What holds of every round of a manager.

use std::cell::Cell;

use lockstep_model::config::Profile;
use lockstep_model::format::groups::Groups;
use lockstep_model::id::Uid;
use lockstep_model::manager::event::{Event, RecoveryEvent, ServiceEvent};
use lockstep_model::manager::status::{LrmStatus, Requested, Status};
use lockstep_model::manager::{Changes, Decisions, Halt, Manager};
use lockstep_model::name::Names;
use lockstep_model::time::Span;
use proptest::prelude::*;

use crate::rename::Renaming;
use crate::shadow::{Met, Shadow};
use crate::world::World;

/// How many rounds of one manager are looked at.
const ROUNDS: usize = 6;

/// More events than a round of so few services can have; one that doesn't end has more.
const EVENTS_MAX: usize = 500;

/// A manager, and the world that it is shown.
#[derive(Clone)]
struct Master {
    world: World,
    manager: Manager,
    decisions: Decisions,
}

pub(crate) fn profile(is_reference: bool) -> Profile {
    match is_reference {
        true => Profile::Pve,
        false => Profile::Default,
    }
}

pub(crate) fn uids(status: &Status) -> Vec<Uid> {
    status.services.iter().map(|(_, entry)| entry.uid).collect()
}

impl Master {
    fn new(world: World) -> Self {
        Self {
            manager: Manager::new(world.me, world.status.clone()),
            world,
            decisions: Decisions::default(),
        }
    }

    fn decide(&mut self) -> Result<(), Halt> {
        let Self {
            world,
            manager,
            decisions,
        } = self;
        let ended = manager.decide(&world.config, &world.view(), world.now, decisions);
        let events = decisions.events.len();
        assert!(events <= EVENTS_MAX, "{events} events in a round");
        ended
    }

    /// What was decided is done, or not, as happens; then something else is the case.
    fn go_on(&mut self, ended: &Result<(), Halt>) {
        if ended.is_ok() && self.decisions.changes.commit {
            self.world.status.clone_from(self.manager.status());
            carry_out(&mut self.world, &self.decisions.changes);
        }
        self.world.go_on(&uids(self.manager.status()));
    }

    fn texts(&self) -> Vec<String> {
        let names: &Names = &self.world.names;
        let events = self.decisions.events.iter();
        events
            .map(|event| format!("{:?} {}", event.level(), event.text(names)))
            .collect()
    }
}

fn carry_out(world: &mut World, changes: &Changes) {
    for (service, _, to) in &changes.stolen {
        if let Some(resource) = world.resources.get_mut(*service) {
            resource.node = Some(*to);
        }
    }
    for service in &changes.stopped {
        if let Some(resource) = world.resources.get_mut(*service) {
            resource.requested = Requested::Stopped;
        }
    }
}

/// What is to be written, whatever the numbers are.
fn renamed(changes: &Changes, renaming: &Renaming) -> Changes {
    let services = |all: &[_]| all.iter().map(|it| renaming.service(*it)).collect();
    let nodes = |all: &[_]| all.iter().map(|it| renaming.node(*it)).collect();
    let stolen = changes.stolen.iter().map(|(service, from, to)| {
        let (from, to) = (renaming.node(*from), renaming.node(*to));
        (renaming.service(*service), from, to)
    });
    let mut migrated_groups = changes.migrated_groups.clone();
    if let Some(migrated) = &mut migrated_groups {
        for (service, _) in &mut migrated.services {
            *service = renaming.service(*service);
        }
        migrated.services.sort_unstable();
    }
    Changes {
        stopped: services(&changes.stopped),
        stolen: stolen.collect(),
        unlocked: services(&changes.unlocked),
        locks: nodes(&changes.locks),
        contend: nodes(&changes.contend),
        migrated_groups,
        ..changes.clone()
    }
}

fn back_from_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).expect("it can be written");
    serde_json::from_str(&text).expect("it can be read")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever it is shown, a round ends without a panic, what it leaves can be written and read,
    /// and a new manager can go on from there.
    #[test]
    fn every_round_ends(seed: u64, is_reference: bool) {
        let mut master = Master::new(World::new(seed, profile(is_reference)));
        for _ in 0..ROUNDS {
            let ended = master.decide();
            let status = master.manager.status();
            prop_assert_eq!(&back_from_json(status), status);
            for (_, lrm) in master.world.lrms.iter() {
                prop_assert_eq!(&back_from_json::<LrmStatus>(lrm), lrm);
            }
            let mut successor = master.clone();
            successor.manager = Manager::new(master.world.me, status.clone());
            drop(successor.decide());
            master.go_on(&ended);
        }
    }

    /// Nothing depends on when the clock began.
    #[test]
    fn time_may_be_shifted(seed: u64, is_reference: bool, shift in 0..1_u64 << 60) {
        let mut master = Master::new(World::new(seed, profile(is_reference)));
        let mut later = master.clone();
        for _ in 0..ROUNDS {
            later.world = master.world.clone();
            later.world.now += Span(shift);
            let ended = master.decide();
            prop_assert_eq!(&later.decide(), &ended);
            prop_assert_eq!(&later.decisions, &master.decisions);
            let mut status = master.manager.status().clone();
            status.written.0 = status.written.map(|at| at + Span(shift));
            prop_assert_eq!(later.manager.status(), &status);
            master.go_on(&ended);
        }
    }

    /// Names decide, not numbers.
    #[test]
    fn numbers_may_be_others(seed: u64, order: u64, is_reference: bool) {
        let mut master = Master::new(World::new(seed, profile(is_reference)));
        let renaming = Renaming::new(order, &master.world);
        let mut other = Master::new(renaming.world(&master.world));
        for round in 0..ROUNDS {
            other.world = renaming.world(&master.world);
            let (ended, others_end) = (master.decide(), other.decide());
            prop_assert_eq!(ended.is_ok(), others_end.is_ok());
            prop_assert_eq!(other.texts(), master.texts(), "round {}", round);
            let changes = renamed(&master.decisions.changes, &renaming);
            let others = renamed(&other.decisions.changes, &Renaming::identity(&other.world));
            prop_assert_eq!(others, changes);
            let status = renaming.status(master.manager.status());
            // Rows that were never used don't count.
            let others = Renaming::identity(&other.world).status(other.manager.status());
            prop_assert_eq!(others, status);
            master.go_on(&ended);
        }
    }
}

/// A service that is disabled is not recovered, but by the reference.
#[test]
fn a_disabled_service_is_not_recovered() {
    let recovered = |profile| {
        let mut recovered = 0;
        for seed in 0..4000 {
            let mut master = Master::new(World::new(seed, profile));
            for _ in 0..ROUNDS {
                let ended = master.decide();
                let resources = &master.world.resources;
                let disabled = |service| {
                    let resource = resources.get(service);
                    resource.is_none_or(|it| it.requested == Requested::Disabled)
                };
                let events = master.decisions.events.iter();
                let to_another = |event: &&Event| {
                    matches!(event, Event::Service(
                        service,
                        ServiceEvent::Recovery(RecoveryEvent::To { .. }),
                    ) if disabled(*service))
                };
                recovered += events.filter(to_another).count();
                master.go_on(&ended);
            }
        }
        recovered
    };
    assert_eq!(recovered(Profile::Default), 0);
    assert!(recovered(Profile::Pve) > 0);
}

/// Every node that is chosen is one that strict and preferred node affinity and negative resource
/// affinity allow at that moment, none is refused that they allow, and the events tell of every
/// change.
#[test]
fn every_choice_follows_the_rules() {
    let config = ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let met = Cell::new(Met::default());
    proptest!(config, |(seed: u64, is_reference: bool)| {
        let mut world = World::new(seed, profile(is_reference));
        world.groups = Groups::new();
        let mut master = Master::new(world);
        for _ in 0..ROUNDS {
            // The rules are compiled anew, so that they follow from this round alone.
            master.world.digest += 1;
            let before = master.manager.status().clone();
            let ended = master.decide();
            let events = &master.decisions.events;
            let mut shadow = Shadow::new(&master.world, &before, events);
            for event in events {
                shadow.follow(event);
            }
            shadow.check_end(master.manager.status());
            let mut sum = met.get();
            sum += shadow.met;
            met.set(sum);
            master.go_on(&ended);
            master.world.groups = Groups::new();
        }
    });
    let met = met.get();
    let counts = [met.choices, met.bound, met.apart, met.refused];
    assert!(
        counts.iter().all(|count| *count >= 50),
        "too few to say much: {met:?}"
    );
}
