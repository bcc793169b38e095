//! Runs in which time never passes: cycles among the steps that take none.
//!
//! A model in which such a run exists can hide any breach behind it, because
//! deadlines are only reached where time goes on. The whole graph of steps that
//! take no time is stored, at about 70 bytes a state and 4 bytes a step, so this
//! is for spaces of up to a few million states.

use super::checked::Checked;
use super::engine::initial_states;
use super::fingerprint::{Fingerprint, Fingerprinter};
use super::graph::Graph;
use super::links::{Id, Link, Links, Spot};
use super::options::{Limits, Why};
use super::trace::{Rebuilder, Step, Trace};
use super::watch::Watch;
use super::worker::message_of;
use stateright::Model;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the search for endless runs found.
#[derive(Clone, Debug)]
pub enum Endless<S, A> {
    /// Every state was visited and time can't be kept from passing.
    Free {
        /// Unique states.
        states: u64,
        /// Steps that take no time.
        steps: u64,
    },
    /// Time can be kept from passing.
    Found(Lasso<S, A>),
    /// A limit was reached before every state was visited.
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

/// An endless run: a way to a state and one from it back to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lasso<S, A> {
    /// A shortest way to any state on a cycle of steps that take no time.
    pub prefix: Trace<S, A>,
    /// A shortest such cycle through that state; its last state is the prefix's
    /// last state.
    pub cycle: Vec<Step<S, A>>,
}

/// Visits every state of `model` and looks for a cycle of steps of which none
/// is a step of time.
pub fn endless<M: Checked>(
    model: &M,
    is_time_step: impl Fn(&M::Action) -> bool,
    limits: &Limits,
) -> Endless<M::State, M::Action> {
    let mut explorer = Explorer::new(model, is_time_step);
    let visited = catch_unwind(AssertUnwindSafe(|| explorer.visit_all(limits)));
    let outcome = match visited {
        Ok(Ok(())) => explorer.conclude(),
        Ok(Err(why)) => return Endless::Truncated(why),
        Err(panic) => {
            let message = message_of(&*panic);
            let trace = explorer.at.map(|spot| explorer.way_to(spot)).transpose();
            trace.map(|trace| Endless::Panicked { message, trace })
        }
    };
    outcome.unwrap_or_else(|message| Endless::Unrepeatable { message })
}

type Steps<M> = Vec<Step<<M as Model>::State, <M as Model>::Action>>;

/// How many states are expanded between two looks at the limits.
const BATCH: usize = 256;

struct Explorer<'a, M: Checked, T> {
    model: &'a M,
    is_time_step: T,
    fingerprinter: Fingerprinter,
    ids: HashMap<Fingerprint, Id, BuildHasherDefault<LowHalf>>,
    links: Links,
    graph: Graph,
    /// The states not yet expanded, in the order of their numbers.
    queue: VecDeque<M::State>,
    /// Where in the model's space it is, should the model panic.
    at: Option<Spot>,
}

impl<'a, M: Checked, T: Fn(&M::Action) -> bool> Explorer<'a, M, T> {
    fn new(model: &'a M, is_time_step: T) -> Self {
        Self {
            model,
            is_time_step,
            fingerprinter: Fingerprinter::default(),
            ids: HashMap::default(),
            links: Links::default(),
            graph: Graph::default(),
            queue: VecDeque::new(),
            at: None,
        }
    }

    fn visit_all(&mut self, limits: &Limits) -> Result<(), Why> {
        let watch = Watch::start();
        for (root, state) in initial_states(self.model).into_iter().enumerate() {
            let fingerprint = self.fingerprinter.of(&state);
            if let Entry::Vacant(entry) = self.ids.entry(fingerprint) {
                entry.insert(self.links.states() as Id);
                self.links.roots.push(root);
                self.queue.push_back(state);
            }
        }
        let mut successors = Vec::new();
        for expanded in 0.. {
            let Some(state) = self.queue.pop_front() else {
                break;
            };
            if expanded % BATCH == 0 {
                self.within(limits, &watch)?;
            }
            self.expand(expanded as Id, &state, &mut successors)?;
        }
        Ok(())
    }

    fn expand(
        &mut self,
        parent: Id,
        state: &M::State,
        successors: &mut Vec<(M::Action, M::State)>,
    ) -> Result<(), Why> {
        let spot = |choice| Spot::Within {
            state: parent,
            choice,
        };
        self.at = Some(spot(None));
        self.model.successors(state, successors);
        for (choice, (action, to)) in successors.drain(..).enumerate() {
            let choice = u16::try_from(choice).map_err(|_| Why::Successors)?;
            self.at = Some(spot(Some(choice)));
            let next = Id::try_from(self.links.states()).map_err(|_| Why::States)?;
            let id = *self.ids.entry(self.fingerprinter.of(&to)).or_insert(next);
            if !(self.is_time_step)(&action) {
                self.graph.push_edge(id);
            }
            if id == next {
                self.links.push(Link { parent, choice });
                self.queue.push_back(to);
            }
        }
        self.graph.end_node();
        Ok(())
    }

    fn within(&self, limits: &Limits, watch: &Watch) -> Result<(), Why> {
        let is_over = |limit: Option<u64>, value| limit.is_some_and(|limit| value > limit);
        let by_entry = size_of::<(Fingerprint, Id)>() + 1;
        let bytes = self.ids.capacity() * by_entry
            + self.queue.capacity() * size_of::<M::State>()
            + self.links.bytes()
            + self.graph.bytes();
        if is_over(limits.states, self.links.states() as u64) {
            Err(Why::States)
        } else if is_over(limits.bytes, bytes as u64) {
            Err(Why::Memory)
        } else if limits.time.is_some_and(|limit| watch.elapsed() >= limit) {
            Err(Why::Time)
        } else {
            Ok(())
        }
    }

    fn conclude(&mut self) -> Result<Endless<M::State, M::Action>, String> {
        let Some(cycle) = self.graph.least_cycle() else {
            return Ok(Endless::Free {
                states: self.links.states() as u64,
                steps: self.graph.edges() as u64,
            });
        };
        let prefix = self.way_to(Spot::Within {
            state: cycle[0],
            choice: None,
        })?;
        let outcome = catch_unwind(AssertUnwindSafe(|| self.follow(&prefix, &cycle)));
        let cycle = outcome.unwrap_or_else(|panic| Err(message_of(&*panic)))?;
        Ok(Endless::Found(Lasso { prefix, cycle }))
    }

    fn way_to(&self, spot: Spot) -> Result<Trace<M::State, M::Action>, String> {
        let known = |fingerprint| self.ids.contains_key(&fingerprint);
        let mut rebuilder = Rebuilder::new(self.model, &self.links, known);
        let trace = rebuilder.way_to(spot);
        trace.ok_or_else(|| rebuilder.failure().unwrap_or_default())
    }

    /// The steps of a cycle, which are not stored: of each state's successors
    /// the first that takes no time and is the next state.
    fn follow(
        &mut self,
        prefix: &Trace<M::State, M::Action>,
        cycle: &[Id],
    ) -> Result<Steps<M>, String> {
        let mut steps = Steps::<M>::with_capacity(cycle.len());
        let nexts = cycle.iter().skip(1).chain(cycle.first());
        for &next in nexts {
            let from = steps.last().map_or(prefix.last(), |step| &step.state);
            let mut successors = Vec::new();
            self.model.successors(from, &mut successors);
            let found = successors.into_iter().enumerate().find(|(_, step)| {
                let (action, to) = step;
                !(self.is_time_step)(action)
                    && self.ids.get(&self.fingerprinter.of(to)) == Some(&next)
            });
            let (choice, (action, state)) = found.ok_or("a step of a cycle is missing")?;
            steps.push(Step {
                choice: choice as u16,
                action,
                state,
            });
        }
        Ok(steps)
    }
}

/// Takes a fingerprint as its own hash: it is one already.
#[derive(Default)]
pub(super) struct LowHalf(u64);

impl Hasher for LowHalf {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        unreachable!(
            "a fingerprint comes as one `u128`, not as {} bytes",
            bytes.len()
        );
    }

    fn write_u128(&mut self, fingerprint: u128) {
        self.0 = fingerprint as u64;
    }
}
