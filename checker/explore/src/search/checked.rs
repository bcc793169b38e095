//! What a model provides to the search.

use super::encoding::Encoding;
use stateright::{Expectation, Model, Property};
use std::hash::Hash;

/// A stateright model with what the search judges and counts.
///
/// Every method has a default, so that a toy needs no more than stateright's
/// own trait. The methods must be functions of their arguments alone: traces
/// are rebuilt by repeating steps, and a model that answers differently then is
/// reported as [`super::Verdict::Unrepeatable`].
///
/// Properties, coverage tags and kinds of action are numbers, so that nothing
/// is looked up by name on the way; the names are asked for once.
pub trait Checked: Model<State: Hash + Send, Action: Send> + Sync {
    /// Appends every step from `state` to `out`, always in the same order,
    /// without touching what `out` already holds.
    ///
    /// The default asks stateright's methods and keeps to `within_boundary`.
    fn successors(&self, state: &Self::State, out: &mut Vec<(Self::Action, Self::State)>) {
        let inside = self.next_steps(state).into_iter();
        out.extend(inside.filter(|(_, to)| self.within_boundary(to)));
    }

    /// The names of the properties; a property's number is its place here. At
    /// most 64.
    ///
    /// The default names the model's own [`Model::properties`].
    ///
    /// # Panics
    ///
    /// The default panics if one of those is not an `always` property: dropping
    /// it in silence would make it look as if it held.
    fn property_names(&self) -> Vec<&'static str> {
        let names = self.properties().into_iter().map(|property| {
            let Property {
                expectation, name, ..
            } = property;
            match expectation {
                Expectation::Always => name,
                Expectation::Eventually | Expectation::Sometimes => {
                    panic!("property {name} is not an `always` property: judge it by other means")
                }
            }
        });
        names.collect()
    }

    /// The properties broken in `state`, as a set of bits.
    ///
    /// The default judges the model's own [`Model::properties`]; it builds
    /// their list for every state, which only a small model can afford.
    fn judge_state(&self, state: &Self::State) -> u64 {
        let mut broken = 0;
        for (index, property) in self.properties().iter().enumerate() {
            broken |= u64::from(!(property.condition)(self, state)) << index;
        }
        broken
    }

    /// The properties broken by the step itself, as a set of bits. Steps to
    /// states that are known already are judged too.
    fn judge_step(&self, _from: &Self::State, _action: &Self::Action, _to: &Self::State) -> u64 {
        0
    }

    /// The names of the coverage tags, at most 128.
    fn coverage_names(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// The coverage tags that this step shows, as a set of bits.
    fn coverage(&self, _from: &Self::State, _action: &Self::Action, _to: &Self::State) -> u128 {
        0
    }

    /// The names of the numbers whose maximum over all steps is wanted.
    fn measure_names(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Raises the maxima (see [`raise`]) to what this step shows.
    fn measure(
        &self,
        _from: &Self::State,
        _action: &Self::Action,
        _to: &Self::State,
        _maxima: &mut [Option<i64>],
    ) {
    }

    /// The names of the kinds of action.
    fn action_kind_names(&self) -> Vec<&'static str> {
        vec!["step"]
    }

    /// The kind of an action: its place in [`Checked::action_kind_names`].
    fn action_kind(&self, _action: &Self::Action) -> usize {
        0
    }

    /// Whether a run may end in `state`. Asked of states without successors
    /// only; where the answer is no, the state is a dead end.
    fn may_end(&self, _state: &Self::State) -> bool {
        false
    }

    /// How states are taken apart into parts. A model that doesn't say keeps
    /// them in memory as they are, and its searches can't be interrupted.
    fn encoding(&self) -> Option<&dyn Encoding<Self::State>> {
        None
    }

    /// How many fingerprints of 128 bits lie one inside the other in what a
    /// state's `Hash` makes: the state's own, and those of its parts that are
    /// hashed as one.
    fn hash_levels(&self) -> u32 {
        1
    }

    /// The bytes that `state` owns beyond its own size, for the account of
    /// memory.
    fn heap_bytes(&self, _state: &Self::State) -> usize {
        0
    }
}

/// Raises `maximum` to `value` if that is more.
#[inline]
pub fn raise(maximum: &mut Option<i64>, value: i64) {
    *maximum = Some(maximum.map_or(value, |before| before.max(value)));
}
