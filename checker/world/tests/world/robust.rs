//! Whatever can happen can be performed, and always in the same way.

use std::cell::RefCell;
use std::collections::BTreeSet;

use lockstep_world::Action;
use lockstep_world::coverage::Tag;
use lockstep_world::property::Property;
use proptest::prelude::*;

use super::walk::{DYING, FENCED, MANAGED, SETUPS, Walk, walks};

/// The kinds that no walk met: kinds of action, and tags.
fn unmet(walks: impl IntoIterator<Item = Walk>) -> (Vec<&'static str>, Vec<&'static str>) {
    let kinds = RefCell::new(BTreeSet::new());
    let mut tags = 0;
    for walk in walks {
        let setup = (walk.setup.1)();
        walk.through(&setup, |world, _, action| {
            kinds.borrow_mut().insert(action.kind());
            let (next, _) = world.after(&setup, action);
            tags |= world.tags(&setup, action, &next);
        });
    }
    let kinds = kinds.into_inner();
    let names = Action::KINDS.iter().enumerate();
    let kinds = names.filter(|(kind, _)| !kinds.contains(kind));
    let tags = Tag::ALL.iter().filter(|tag| tags & tag.bit() == 0);
    (
        kinds.map(|(_, name)| *name).collect(),
        tags.map(|tag| tag.name()).collect(),
    )
}

/// These tests say little if their walks meet little.
#[test]
fn walks_meet_every_kind_of_action() {
    let walks = SETUPS
        .iter()
        .chain([&MANAGED, &DYING, &FENCED])
        .flat_map(|setup| {
            (0..16).map(|seed| Walk {
                setup: *setup,
                seed,
                // Two seldom things in a row, and little that takes time.
                steps: if setup.0 == DYING.0 { 8000 } else { 2000 },
            })
        });
    let (kinds, tags) = unmet(walks);
    // What takes a chain of events that chance hardly finds; the search meets it.
    let hard = [
        "ttl-shortened",
        "late-ping",
        "half-started",
        "resumed",
        "move-refuted",
        "copy-outdated",
        "move-failed",
        // What other setups are for than those that are walked through here.
        "groups-migrated",
        "commit-in-parts",
        "commit-torn",
        "relocated-after-failure",
        "moved-together",
        "in-error",
        "profile-changed",
        "two-of-one-name",
        "taken-left-running",
    ];
    assert_eq!(
        kinds, [""; 0],
        "kinds of action that no walk met; tags: {tags:?}"
    );
    let missing: Vec<_> = tags.iter().filter(|tag| !hard.contains(tag)).collect();
    assert!(missing.is_empty(), "tags that no walk met: {missing:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every action on the way can be performed, twice with the same result; nothing that judges
    /// or counts a step panics. With assumptions broken, properties may be.
    #[test]
    fn every_action_can_be_performed_and_repeats(walk in walks(&SETUPS, 300)) {
        let setup = (walk.setup.1)();
        walk.through(&setup, |world, actions, _| {
            assert_eq!(world.enabled(&setup), actions);
            let _: u64 = world.broken_here(&setup);
            for action in actions {
                let (next, events) = world.after(&setup, action);
                let (again, same) = world.after(&setup, action);
                assert!(next == again && events == same, "{action:?} differs when repeated");
                let _: u64 = world.broken_by(&setup, action, &next);
                let _: u128 = world.tags(&setup, action, &next);
                let _: Option<i64> = world.reset_after_deadline(&setup, action);
                assert!(next.faults_left <= world.faults_left);
                assert!(next.admin_left <= world.admin_left);
            }
        });
    }

    /// A machine's own invariants hold whatever happens around it, broken assumptions included.
    #[test]
    fn machines_keep_their_invariants(walk in walks(&SETUPS, 1000)) {
        let setup = (walk.setup.1)();
        walk.through(&setup, |world, _, _| {
            let broken = world.broken_here(&setup) & Property::MachineInvariants.bit();
            assert_eq!(broken, 0);
        });
    }

    /// Time never stands still: a world that lets nothing fail comes to its next tick.
    #[test]
    fn time_passes(walk in walks(&SETUPS, 400)) {
        let (setup, mut world) = walk.end();
        world.faults_left = 0;
        world.admin_left = 0;
        for _ in 0..2000 {
            let actions = world.enabled(&setup);
            if actions.iter().any(Action::is_time) {
                return Ok(());
            }
            // Whatever is urgent, in order; what people do is never urgent.
            let people = |action: &Action| matches!(
                action,
                Action::Contend { .. } | Action::Move { .. } | Action::LetGo { .. }
            );
            let urgent = actions.iter().find(|action| !people(action));
            world = world.after(&setup, urgent.expect("something is urgent")).0;
        }
        prop_assert!(false, "two thousand steps without a tick");
    }
}
