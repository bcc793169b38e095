//! A bound on how long a promise stays open, judged as safety.

use super::super::checked::Checked;
use super::Live;
use stateright::{Model, Property};

/// A model beside a clock that counts while one of its promises is open, from anew wherever time
/// doesn't count for it. Where the clock shows more than the bound, the promise is overdue: its one
/// property fails.
#[derive(Debug)]
pub struct Overdue<M> {
    model: M,
    promise: usize,
    bound: u32,
}

/// A state with its clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Timed<S> {
    /// The model's state.
    pub state: S,
    /// For how many units of time the promise has been open; `None` if it isn't. Never more than
    /// one beyond the bound.
    pub open_for: Option<u32>,
}

impl<M: Live> Overdue<M> {
    /// The name of the one property.
    pub const PROPERTY: &'static str = "kept-in-time";

    /// A clock for the promise of this number, which may show `bound`, and not more.
    pub const fn new(model: M, promise: usize, bound: u32) -> Self {
        Self {
            model,
            promise,
            bound,
        }
    }

    fn timed(&self, state: M::State, before: Option<u32>) -> Timed<M::State> {
        let promises = self.model.promises(&state);
        let has = |set: u32| set >> self.promise & 1 == 1;
        let open_for = match before {
            _ if has(promises.kept | promises.uncounted) => None,
            Some(units) => Some(units.min(self.bound + 1)),
            None => has(promises.made).then_some(0),
        };
        Timed { state, open_for }
    }
}

impl<M: Live> Model for Overdue<M>
where
    M::State: Clone + std::fmt::Debug + PartialEq,
{
    type State = Timed<M::State>;
    type Action = M::Action;

    fn init_states(&self) -> Vec<Self::State> {
        let states = self.model.init_states().into_iter();
        states.map(|state| self.timed(state, None)).collect()
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        self.model.actions(&state.state, actions);
    }

    fn next_state(&self, from: &Self::State, action: Self::Action) -> Option<Self::State> {
        let units = u32::from(self.model.takes_time(&action));
        let state = self.model.next_state(&from.state, action)?;
        Some(self.timed(state, from.open_for.map(|before| before + units)))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(
            Self::PROPERTY,
            |model: &Self, state: &Timed<M::State>| {
                state.open_for.is_none_or(|units| units <= model.bound)
            },
        )]
    }

    fn within_boundary(&self, state: &Self::State) -> bool {
        self.model.within_boundary(&state.state)
    }
}

impl<M: Live> Checked for Overdue<M>
where
    M::State: Clone + std::fmt::Debug + PartialEq,
{
    fn successors(&self, from: &Self::State, out: &mut Vec<(Self::Action, Self::State)>) {
        let mut successors = Vec::new();
        self.model.successors(&from.state, &mut successors);
        out.extend(successors.into_iter().map(|(action, state)| {
            let units = u32::from(self.model.takes_time(&action));
            let before = from.open_for.map(|before| before + units);
            (action, self.timed(state, before))
        }));
    }

    fn judge_state(&self, state: &Self::State) -> u64 {
        u64::from(state.open_for.is_some_and(|units| units > self.bound))
    }

    /// A step that keeps the promise may come too late as well.
    fn judge_step(&self, from: &Self::State, action: &Self::Action, _: &Self::State) -> u64 {
        let units = u32::from(self.model.takes_time(action));
        u64::from(
            from.open_for
                .is_some_and(|before| before + units > self.bound),
        )
    }

    fn may_end(&self, state: &Self::State) -> bool {
        self.model.may_end(&state.state)
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        self.model.heap_bytes(&state.state)
    }
}
