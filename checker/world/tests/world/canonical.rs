//! One world stands for all that behave like it: renamed and permuted ones.

use lockstep_model::id::{BootId, Incarnation, Revision, Uid};
use lockstep_model::visit::{Visit, Visitor};
use lockstep_world::{Setup, World};
use proptest::prelude::*;

use super::walk::{Named, SETUPS, successors, symmetric, walks};

/// Replaces every opaque id by another, in the same order among those it is compared with.
struct Spread {
    factor: u64,
    offset: u64,
}

impl Spread {
    const fn number(&self, number: u64) -> u64 {
        number * self.factor + self.offset
    }

    /// Ids of a host stay among that host's, of which there are a thousand.
    fn of_host(&self, id: u64) -> u64 {
        let spread = self.number(id % 1000);
        assert!(spread < 1000, "a walk so long that ids run out");
        id / 1000 * 1000 + spread
    }
}

impl Visitor for Spread {
    fn revision(&mut self, revision: &mut Revision) {
        revision.0 = self.number(revision.0);
    }
    // Epochs keep their names: one is also made by counting on from another, by a process that may
    // have seen an old one. Such a take is refused whatever it calls its term.
    fn boot(&mut self, boot: &mut BootId) {
        let id = u64::try_from(boot.0).expect("a small id");
        boot.0 = u128::from(self.of_host(id));
    }
    fn incarnation(&mut self, incarnation: &mut Incarnation) {
        incarnation.0 = self.of_host(incarnation.0);
    }
    fn request(&mut self, process: Incarnation, request: &mut u64) {
        *request = self.number(*request) + process.0;
    }
    fn uid(&mut self, uid: &mut Uid) {
        uid.0 = self.number(uid.0);
    }
}

/// The youngest numbers in use.
#[derive(Default, PartialEq)]
struct Youngest {
    revision: u64,
    uid: u64,
}

impl Visitor for Youngest {
    fn revision(&mut self, revision: &mut Revision) {
        self.revision = self.revision.max(revision.0);
    }
    fn uid(&mut self, uid: &mut Uid) {
        self.uid = self.uid.max(uid.0);
    }
}

/// A store that has forgotten writes gives their numbers once more. Whether that is noticed depends
/// on the numbers, so they matter where anybody knows of a forgotten one.
fn knows_what_was_forgotten(world: &World) -> bool {
    let (mut everywhere, mut in_store) = (Youngest::default(), Youngest::default());
    world.clone().visit(&mut everywhere);
    let mut store = world.store.clone();
    store.before = None;
    store.delayed.clear();
    store.locks.clear();
    store.visit(&mut in_store);
    everywhere != in_store
}

fn canonical(setup: &Setup, mut world: World) -> World {
    world.canonicalize(setup);
    world
}

/// Both worlds have the same successors. Says of the first that one lacks how it comes about.
fn same_successors(setup: &Setup, one: &World, other: &World) {
    for (one, other) in [(one, other), (other, one)] {
        let there = successors(setup, other);
        for action in one.enabled(setup) {
            let (next, _) = one.after(setup, &action);
            assert!(
                there.contains(&next),
                "{action:?} leads to a world of its own:\n{next:#?}"
            );
        }
    }
}

const SYMMETRIC: [Named; 1] = [("symmetric", symmetric)];

/// Where host i goes: the symmetric ones change places.
const EXCHANGED: [usize; 3] = [0, 2, 1];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Worlds are canonical wherever they come from, and stay so. Where revisions are put in order,
    /// they are met in the order of messages, which are sorted by them afterwards: there a world may
    /// have a second representative, but no third.
    #[test]
    fn canonicalizing_twice_is_once(walk in walks(&SETUPS, 400)) {
        let setup = (walk.setup.1)();
        walk.through(&setup, |world, _, _| {
            let mut before = world.clone();
            if setup.reorder {
                before = canonical(&setup, before);
            }
            assert_eq!(canonical(&setup, before.clone()), before);
        });
    }

    /// What opaque ids are called makes no difference: neither to the world nor to what follows.
    #[test]
    fn names_do_not_matter(
        walk in walks(&SETUPS, 1000),
        factor in 1..5_u64,
        offset in 0..9_u64,
    ) {
        let (setup, world) = walk.end();
        prop_assume!(!knows_what_was_forgotten(&world));
        let mut renamed = world.clone();
        renamed.visit(&mut Spread { factor, offset });
        same_successors(&setup, &renamed, &world);
        prop_assert_eq!(canonical(&setup, renamed), world);
    }

    /// Which of the hosts that nothing tells apart is which makes no difference. Every order of
    /// steps is asked for: of commuting ones the first host's would come first.
    #[test]
    fn places_do_not_matter(walk in walks(&SYMMETRIC, 1000)) {
        let (mut setup, world) = walk.end();
        setup.reduce = false;
        let exchanged = world.permuted(&setup, &EXCHANGED);
        prop_assert_eq!(
            exchanged.enabled(&setup).len(),
            world.enabled(&setup).len()
        );
        same_successors(&setup, &exchanged, &world);
        prop_assert_eq!(&exchanged.permuted(&setup, &EXCHANGED), &world);
        prop_assert_eq!(canonical(&setup, exchanged), world);
    }
}

/// What one of two symmetric hosts does is what the other does.
#[test]
fn the_first_step_of_either_host_is_one_world() {
    let mut setup = symmetric();
    setup.faults.clear();
    setup.admin.clear();
    setup.reduce = false;
    let world = World::initial(&setup);
    let here = |host: usize| {
        let actions = world.enabled(&setup);
        let own = actions
            .iter()
            .find(|action| format!("{action:?}").contains(&format!("host: {host}")));
        world.after(&setup, own.expect("something to do")).0
    };
    assert_eq!(here(1), here(2));
}
