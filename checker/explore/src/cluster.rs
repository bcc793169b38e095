//! The world as a model that can be searched.

use lockstep_world::action::Action;
use lockstep_world::coverage::Tag;
use lockstep_world::property::Property;
use lockstep_world::{Setup, World};
use stateright::Model;

use std::sync::Arc;

use crate::coverage::Counter;
use crate::encoding::Worlds;
use crate::search::{Checked, Encoding, raise};

/// A cluster: a setup, to be explored from its beginning.
#[derive(Clone, Debug)]
pub struct Cluster {
    setup: Setup,
    counter: Option<Arc<Counter>>,
}

impl Cluster {
    /// Everything that can happen in this setup.
    ///
    /// # Panics
    ///
    /// If the setup is unsound: what a search of it says would mean nothing.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        if let Err(why) = setup.check() {
            panic!("an unsound setup: {why}");
        }
        Self::unchecked(setup)
    }

    /// As [`Cluster::new`], for a setup that may be unsound.
    #[must_use]
    pub const fn unchecked(setup: Setup) -> Self {
        Self {
            setup,
            counter: None,
        }
    }

    /// The same; what a search sees of the state machines is counted there.
    #[must_use]
    pub fn counting(self, counter: Arc<Counter>) -> Self {
        Self {
            counter: Some(counter),
            ..self
        }
    }

    /// What stays the same.
    #[must_use]
    pub const fn setup(&self) -> &Setup {
        &self.setup
    }
}

impl Model for Cluster {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::initial(&self.setup)]
    }

    fn actions(&self, state: &World, actions: &mut Vec<Action>) {
        actions.extend(state.enabled(&self.setup));
    }

    fn next_state(&self, state: &World, action: Action) -> Option<World> {
        Some(state.after(&self.setup, &action).0)
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        macro_rules! all {
            ($($property:ident),* $(,)?) => {
                vec![$(stateright::Property::always(
                    Property::$property.name(),
                    |model: &Self, state: &World| {
                        state.broken_here(&model.setup) & Property::$property.bit() == 0
                    },
                )),*]
            };
        }
        all![
            SingleInstance,
            RunNeedsAuthority,
            TakenIsDead,
            WatchdogGuards,
            AtMostOnce,
            MachineInvariants,
        ]
    }
}

impl Checked for Cluster {
    fn successors(&self, state: &World, out: &mut Vec<(Action, World)>) {
        for action in state.enabled(&self.setup) {
            let (next, said) = state.after(&self.setup, &action);
            if let Some(counter) = &self.counter {
                counter.note(&self.setup, state, &action, &said);
            }
            out.push((action, next));
        }
    }

    fn property_names(&self) -> Vec<&'static str> {
        Property::ALL
            .iter()
            .map(|property| property.name())
            .collect()
    }

    fn judge_state(&self, state: &World) -> u64 {
        state.broken_here(&self.setup)
    }

    fn judge_step(&self, from: &World, action: &Action, to: &World) -> u64 {
        from.broken_by(&self.setup, action, to)
    }

    fn coverage_names(&self) -> Vec<&'static str> {
        Tag::ALL.iter().map(|tag| tag.name()).collect()
    }

    fn coverage(&self, from: &World, action: &Action, to: &World) -> u128 {
        from.tags(&self.setup, action, to)
    }

    fn measure_names(&self) -> Vec<&'static str> {
        vec!["latest reset after D"]
    }

    fn measure(&self, from: &World, action: &Action, _: &World, maxima: &mut [Option<i64>]) {
        if let (Some(maximum), Some(late)) = (
            maxima.first_mut(),
            from.reset_after_deadline(&self.setup, action),
        ) {
            raise(maximum, late);
        }
    }

    fn action_kind_names(&self) -> Vec<&'static str> {
        Action::KINDS.to_vec()
    }

    fn action_kind(&self, action: &Action) -> usize {
        action.kind()
    }

    fn encoding(&self) -> Option<&dyn Encoding<World>> {
        Some(&Worlds)
    }

    fn hash_levels(&self) -> u32 {
        // The world, its hosts, their processes.
        3
    }

    fn heap_bytes(&self, state: &World) -> usize {
        // What a typical world owns; the frontiers are a small part of the whole.
        state.hosts.len() * 1500 + state.store.entries.len() * 200
    }
}
