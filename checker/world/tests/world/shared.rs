//! Parts that worlds share are as good as copies of their own.

use std::hash::{DefaultHasher, Hash, Hasher};

use lockstep_world::World;
use lockstep_world::shared::Shared;
use proptest::prelude::*;

use super::walk::{MANAGED, Named, SETUPS, walks};

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn copied<T: Clone>(part: &Shared<T>) -> Shared<T> {
    Shared::new(T::clone(part))
}

/// The same world with nothing shared and nothing remembered.
fn apart(world: &World) -> World {
    let mut world = world.clone();
    world.store = copied(&world.store);
    for host in &mut world.hosts {
        let mut own = copied(host);
        own.lrms = own.lrms.iter().map(copied).collect();
        own.mux = own.mux.as_ref().map(copied);
        own.contender = own.contender.as_ref().map(copied);
        own.crm = own.crm.as_ref().map(copied);
        *host = own;
    }
    world
}

const MANY: [Named; 8] = [
    SETUPS[0], SETUPS[1], SETUPS[2], SETUPS[3], SETUPS[4], SETUPS[5], SETUPS[6], MANAGED,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// What follows is the same, with the same fingerprint, and the world itself stays as it is.
    #[test]
    fn sharing_changes_nothing(walk in walks(&MANY, 300)) {
        let setup = (walk.setup.1)();
        walk.through(&setup, |world, actions, _| {
            let own = apart(world);
            assert_eq!(hash(world), hash(&own));
            for action in actions {
                let (next, _) = world.after(&setup, action);
                let (other, _) = apart(&own).after(&setup, action);
                assert_eq!(next, other, "{action:?}");
                assert_eq!(hash(&next), hash(&other), "{action:?}");
                assert_eq!(hash(&apart(&next)), hash(&next), "{action:?}");
            }
            assert_eq!(*world, own);
            assert_eq!(hash(&apart(world)), hash(&own));
        });
    }
}
