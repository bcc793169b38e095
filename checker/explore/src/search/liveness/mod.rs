//! What must happen: `P leads to Q`, under fairness.
//!
//! A [`Live`] model makes *promises*. A promise is **made** in every state of P, **kept** in every
//! state of Q, and **open** from a state in which it is made until one in which it is kept. It is
//! broken by a run that begins in an initial state, makes the promise and never keeps it, and is
//! *fair*: what has to be done is not put off for ever. [`liveness()`] visits every state, stores
//! the graph, and looks for such runs among its strongly connected components.
//!
//! Who acts is told by *classes* of steps. A run is fair to a class of
//!
//! * **weak** fairness, unless from some moment on the class is enabled for ever and never taken,
//! * **strong** fairness, unless it is enabled again and again for ever and taken only so many
//!   times. A lock that two contend for is free now and then: weak fairness lets one lose for ever.
//!
//! Steps without a class are never forced: faults, and what people do. So a run may also stop where
//! nothing is enabled that is in a class, or nothing at all.
//!
//! For each promise the states in which it is open are split into components. One with a class that
//! all its states enable and none of its steps takes holds no fair run, nor does any part of it. One
//! in which a class of strong fairness is enabled and never taken holds none but in what is left
//! without the states that enable it, which is split again. What remains has a fair run: through
//! all its states. It is shown as a lasso, the shortest way into the nearest such component and a
//! cycle that is fair to every class.
//!
//! stateright's `eventually` looks at runs that end or come to a known state, and so misses cycles
//! and what begins at a state met before. Here the cycles themselves are looked at.
//!
//! The longest time for which a promise stays open comes from the same graph ([`Longest`]): the
//! most steps of time on any way through its open states, fair or not. A bound on it can be judged as
//! safety, too, by a model that counts ([`super::Overdue`]).

mod fair;
mod lasso;
mod longest;
mod overdue;
mod space;

use super::checked::Checked;
use super::endless::Lasso;
use super::options::{Limits, Progress, Why};
use super::trace::Trace;
use space::{Explorer, Space, Stopped};

pub use longest::Longest;
pub use overdue::{Overdue, Timed};

/// A model that says what must happen, and who is fair.
pub trait Live: Checked {
    /// The classes of steps; a class' number is its place here. At most 64.
    fn classes(&self) -> Vec<Class>;

    /// The classes that a step belongs to, as a set of bits.
    fn classes_of(&self, from: &Self::State, action: &Self::Action, to: &Self::State) -> u64;

    /// The classes enabled in a state, given those of its steps.
    ///
    /// The default takes these. A model that leaves out orders of steps has states in which a step
    /// is put off that could as well be taken: there its class is enabled.
    fn enabled_classes(&self, _state: &Self::State, of_steps: u64) -> u64 {
        of_steps
    }

    /// Whether a step takes a unit of time.
    fn takes_time(&self, action: &Self::Action) -> bool;

    /// The names of the promises; a promise's number is its place here. At most 32.
    fn promise_names(&self) -> Vec<String>;

    /// What becomes of the promises in a state.
    fn promises(&self, state: &Self::State) -> Promises;
}

/// Who takes a class of steps, and how fair runs are to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// A name for people.
    pub name: String,
    /// How fair.
    pub fairness: Fairness,
}

/// How fair runs are to a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fairness {
    /// What is enabled from some moment on is taken.
    Weak,
    /// What is enabled again and again is taken again and again.
    Strong,
}

/// What becomes of each promise in a state, as sets of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Promises {
    /// Those that are made.
    pub made: u32,
    /// Those that are kept.
    pub kept: u32,
    /// Those for which time doesn't count: something is waited for that has all the time it likes.
    /// Matters to [`Longest`] alone.
    pub uncounted: u32,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Liveness<S, A> {
    /// How it ended. What stands below says something only if every state was visited.
    pub ending: Ending<S, A>,
    /// Unique states.
    pub states: u64,
    /// Steps.
    pub steps: u64,
    /// The most steps needed to reach any state.
    pub depth: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// The most bytes ever in use, as accounted.
    pub peak_bytes: u64,
    /// What became of each promise, by number; empty unless every state was visited.
    pub promises: Vec<PromiseResult<S, A>>,
}

/// How the visit of the states ended.
#[derive(Clone, Debug)]
pub enum Ending<S, A> {
    /// Every state was visited.
    Closed,
    /// A limit was reached before.
    Truncated(Why),
    /// The model panicked.
    Panicked {
        /// The panic's message.
        message: String,
        /// A shortest way to where it did, if any state was known by then.
        trace: Option<Trace<S, A>>,
    },
    /// The model gave other successors when its steps were repeated.
    Unrepeatable {
        /// Where the model differed.
        message: String,
    },
}

/// What became of a promise.
#[derive(Clone, Debug)]
pub struct PromiseResult<S, A> {
    /// Its name.
    pub name: String,
    /// In how many states it is open. With 0 it says nothing.
    pub open: u64,
    /// The longest time for which it stays open.
    pub longest: Longest,
    /// A fair run that breaks it, if there is one.
    pub broken: Option<Broken<S, A>>,
}

/// A fair run that makes a promise and never keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken<S, A> {
    /// The run. An empty cycle: it stops there, where nothing is left that has to be done.
    pub lasso: Lasso<S, A>,
    /// After how many steps of the prefix the promise is made that is never kept.
    pub made: usize,
}

impl<S, A> Liveness<S, A> {
    /// The first promise that is broken: its name, and a run that breaks it.
    pub fn first_broken(&self) -> Option<(&str, &Broken<S, A>)> {
        let mut promises = self.promises.iter();
        promises.find_map(|promise| Some((promise.name.as_str(), promise.broken.as_ref()?)))
    }
}

/// Visits every state of `model` and looks for fair runs that break a promise. `threads` take part
/// in visiting; what is found doesn't depend on it.
///
/// The graph is stored, at about 60 bytes a state and 6 bytes a step, so this is for spaces of up
/// to some ten million states.
///
/// # Panics
///
/// Only for faults of the engine itself and in `progress`; the model's panics are reported.
pub fn liveness<M: Live>(
    model: &M,
    threads: usize,
    limits: &Limits,
    progress: impl FnMut(&Progress),
) -> Liveness<M::State, M::Action>
where
    M::State: Sync,
{
    let mut explorer = Explorer::new(model, threads, limits);
    let stopped = explorer.visit_all(progress);
    let watch = explorer.watch;
    let space = explorer.into_space();
    let (ending, promises) = conclude(model, &space, stopped);
    Liveness {
        ending,
        states: space.graph.nodes() as u64,
        steps: space.graph.edges() as u64,
        depth: space.depth,
        seconds: watch.elapsed().as_secs_f64(),
        peak_bytes: space.peak_bytes,
        promises,
    }
}

/// What became of each promise of a model.
type Results<M> = Vec<PromiseResult<StateOf<M>, ActionOf<M>>>;

type StateOf<M> = <M as stateright::Model>::State;
type ActionOf<M> = <M as stateright::Model>::Action;

/// What is said of a space, by how the visit of it stopped.
fn conclude<M: Live>(
    model: &M,
    space: &Space,
    stopped: Result<(), Stopped>,
) -> (Ending<StateOf<M>, ActionOf<M>>, Results<M>) {
    let unrepeatable = |message| (Ending::Unrepeatable { message }, Vec::new());
    match stopped {
        Ok(()) => match judge(model, space) {
            Ok(promises) => (Ending::Closed, promises),
            Err(message) => unrepeatable(message),
        },
        Err(Stopped::Limit(why)) => (Ending::Truncated(why), Vec::new()),
        Err(Stopped::Panic(message, spot)) => {
            match spot.map(|spot| space.way_to(model, spot)).transpose() {
                Ok(trace) => (Ending::Panicked { message, trace }, Vec::new()),
                Err(message) => unrepeatable(message),
            }
        }
    }
}

fn judge<M: Live>(model: &M, space: &Space) -> Result<Results<M>, String> {
    let names = model.promise_names();
    assert!(names.len() <= 32, "a promise is a bit of 32");
    let classes = model.classes();
    assert!(classes.len() <= 64, "a class is a bit of 64");
    let mut fair = fair::Fair::new(space, &classes);
    let mut results = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        let open = fair.open_states(number);
        let found = fair.fair_runs();
        let broken = match found {
            false => None,
            true => Some(lasso::Finder::new(space, &fair, number).lasso(model)?),
        };
        results.push(PromiseResult {
            name,
            open,
            longest: longest::longest(space, &mut fair, number),
            broken,
        });
    }
    Ok(results)
}
