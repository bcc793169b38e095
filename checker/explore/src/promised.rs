//! The world as a model that makes promises, and what becomes of a configuration's.
//!
//! Hosts that nothing tells apart stay where they are here: a canonical order of them would exchange
//! who acts from one state to the next, and a class that is one host's in one state would be
//! another's in the next.

use lockstep_world::leads::{Leads, Promise};
use lockstep_world::{Action, Setup, World};
use stateright::Model;

use crate::cluster::Cluster;
use crate::configuration::{Configuration, Expectation, Judgement};
use crate::search::{
    Checked, Class, Ending, Fairness, Live, Liveness, Longest, Options, Progress, Promises,
    liveness,
};

/// A cluster with what must happen in it.
#[derive(Clone, Debug)]
pub struct Promised {
    cluster: Cluster,
    promises: Vec<Promise>,
}

/// What became of a configuration's promises.
pub type Fates = Liveness<World, Action>;

impl Promised {
    /// What these leads-to properties promise in a setup.
    ///
    /// # Panics
    ///
    /// As [`Cluster::new`].
    #[must_use]
    pub fn new(mut setup: Setup, leads: &[Leads]) -> Self {
        setup.symmetric.clear();
        let promises = leads.iter().flat_map(|leads| setup.promises(*leads));
        Self {
            promises: promises.collect(),
            cluster: Cluster::new(setup),
        }
    }

    /// The promises, by number.
    #[must_use]
    pub fn promises_made(&self) -> &[Promise] {
        &self.promises
    }

    /// What stays the same.
    #[must_use]
    pub const fn setup(&self) -> &Setup {
        self.cluster.setup()
    }
}

impl Model for Promised {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        self.cluster.init_states()
    }

    fn actions(&self, state: &World, actions: &mut Vec<Action>) {
        self.cluster.actions(state, actions);
    }

    fn next_state(&self, state: &World, action: Action) -> Option<World> {
        self.cluster.next_state(state, action)
    }
}

impl Checked for Promised {
    fn successors(&self, state: &World, out: &mut Vec<(Action, World)>) {
        self.cluster.successors(state, out);
    }

    fn hash_levels(&self) -> u32 {
        self.cluster.hash_levels()
    }

    fn heap_bytes(&self, state: &World) -> usize {
        self.cluster.heap_bytes(state)
    }
}

impl Live for Promised {
    fn classes(&self) -> Vec<Class> {
        let classes = self.setup().classes().into_iter();
        classes
            .map(|class| match class {
                None => Class {
                    name: "time".to_owned(),
                    fairness: Fairness::Weak,
                },
                Some((host, actor)) => Class {
                    name: format!("{} on host {host}", actor.name()),
                    fairness: match actor.is_strong() {
                        true => Fairness::Strong,
                        false => Fairness::Weak,
                    },
                },
            })
            .collect()
    }

    fn classes_of(&self, from: &World, action: &Action, _: &World) -> u64 {
        from.classes_of(action)
    }

    fn enabled_classes(&self, state: &World, _: u64) -> u64 {
        state.enabled_classes(self.setup())
    }

    fn takes_time(&self, action: &Action) -> bool {
        action.is_time()
    }

    fn promise_names(&self) -> Vec<String> {
        self.promises.iter().map(Promise::name).collect()
    }

    fn promises(&self, state: &World) -> Promises {
        let mut promises = Promises::default();
        for (number, promise) in self.promises.iter().enumerate() {
            let standing = state.standing(self.setup(), promise);
            promises.made |= u32::from(standing.made) << number;
            promises.kept |= u32::from(standing.kept) << number;
            promises.uncounted |= u32::from(standing.uncounted) << number;
        }
        promises
    }
}

impl Configuration {
    /// Looks for runs that break what must happen in it; `None` if nothing is said to.
    pub fn keep(&self, options: &Options, progress: impl FnMut(&Progress)) -> Option<Fates> {
        let leads = self.leads();
        let model = (!leads.is_empty()).then(|| Promised::new(self.setup.clone(), &leads))?;
        Some(liveness(&model, options.threads, &options.limits, progress))
    }

    /// Compares what became of the promises with what must.
    #[must_use]
    pub fn judge_fates(&self, fates: &Fates) -> Judgement {
        match &fates.ending {
            Ending::Closed => {}
            Ending::Truncated(_) => return Judgement::Truncated,
            Ending::Panicked { message, .. } | Ending::Unrepeatable { message } => {
                return Judgement::Failed(message.clone());
            }
        }
        let broken = fates.first_broken().map(|(promise, _)| promise.to_owned());
        match (self.expectation, broken) {
            (Expectation::NeverHappens(_), Some(_)) => Judgement::AsExpected,
            (Expectation::NeverHappens(leads), None) => Judgement::NotViolated(leads.name()),
            (
                Expectation::Holds | Expectation::RuleBroken(_) | Expectation::AssumptionBroken(_),
                Some(promise),
            ) => Judgement::PromiseBroken(promise),
            (
                Expectation::Holds | Expectation::RuleBroken(_) | Expectation::AssumptionBroken(_),
                None,
            ) => {
                let never = fates.promises.iter().filter(|promise| promise.open == 0);
                let never: Vec<String> = never.map(|promise| promise.name.clone()).collect();
                match never.is_empty() {
                    true => self.judge_longest(fates),
                    false => Judgement::NeverOpen(never),
                }
            }
        }
    }

    /// Compares the longest times for which promises stay open with what they must be: of the
    /// promises of one property the longest.
    fn judge_longest(&self, fates: &Fates) -> Judgement {
        let model = Promised::new(self.setup.clone(), &self.leads());
        let made = model.promises_made().iter().zip(&fates.promises);
        for leads in self.leads() {
            let of_it = made.clone().filter(|(promise, _)| promise.leads == leads);
            let longest = of_it.max_by_key(|(_, fate)| fate.longest);
            let (Some(expected), Some((promise, fate))) = (self.within(leads), longest) else {
                continue;
            };
            let found = match fate.longest {
                Longest::Never => Some(0),
                Longest::Units(units) => Some(units),
                Longest::Unbounded => None,
            };
            if found.map(u64::from) != Some(expected) {
                return Judgement::OtherLongest(promise.name(), found, expected);
            }
        }
        Judgement::AsExpected
    }
}
