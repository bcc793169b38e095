//! The whole space of a model as a graph: what is enabled and promised in each state, and of which
//! classes each step is.

use super::super::engine::initial_states;
use super::super::fingerprint::{Fingerprint, Fingerprinter};
use super::super::graph::Graph;
use super::super::links::{Id, Link, Links, Spot};
use super::super::options::{Limits, Progress, Why};
use super::super::trace::{Rebuilder, Trace};
use super::super::watch::Watch;
use super::super::worker::message_of;
use super::{Live, Promises};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::super::endless::LowHalf;

/// What matters of a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct StateLabel {
    /// The classes that are enabled.
    pub(super) enabled: u64,
    pub(super) promises: Promises,
}

/// What matters of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct StepLabel {
    /// The classes that it belongs to.
    pub(super) classes: u64,
    pub(super) takes_time: bool,
}

/// Labels by a small number each: there are few different ones.
#[derive(Debug)]
struct Labels<L> {
    numbers: HashMap<L, u32>,
    labels: Vec<L>,
}

impl<L: Copy + Eq + Hash> Labels<L> {
    fn new() -> Self {
        Self {
            numbers: HashMap::new(),
            labels: Vec::new(),
        }
    }

    fn number(&mut self, label: L) -> u32 {
        let next = self.labels.len() as u32;
        let number = *self.numbers.entry(label).or_insert(next);
        if number == next {
            self.labels.push(label);
        }
        number
    }
}

/// A visited space.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) graph: Graph,
    states: Vec<u32>,
    steps: Vec<u16>,
    state_labels: Vec<StateLabel>,
    step_labels: Vec<StepLabel>,
    pub(super) links: Links,
    ids: Ids,
    /// The most steps to any state.
    pub(super) depth: u64,
    pub(super) peak_bytes: u64,
}

type Ids = HashMap<Fingerprint, Id, BuildHasherDefault<LowHalf>>;

impl Space {
    pub(super) fn state(&self, node: u32) -> &StateLabel {
        &self.state_labels[self.states[node as usize] as usize]
    }

    pub(super) fn step(&self, edge: usize) -> &StepLabel {
        &self.step_labels[usize::from(self.steps[edge])]
    }

    pub(super) fn id_of(&self, fingerprint: Fingerprint) -> Option<Id> {
        self.ids.get(&fingerprint).copied()
    }

    /// A shortest way to a spot.
    pub(super) fn way_to<M: Live>(
        &self,
        model: &M,
        spot: Spot,
    ) -> Result<Trace<M::State, M::Action>, String> {
        let known = |fingerprint| self.ids.contains_key(&fingerprint);
        let mut rebuilder = Rebuilder::new(model, &self.links, known);
        let trace = rebuilder.way_to(spot);
        trace.ok_or_else(|| rebuilder.failure().unwrap_or_default())
    }
}

/// Why the visit ended early.
pub(super) enum Stopped {
    Limit(Why),
    /// The model panicked, with this message, there.
    Panic(String, Option<Spot>),
}

/// How many states are expanded at a time by each thread.
const BATCH: usize = 1024;

pub(super) struct Explorer<'a, M: Live> {
    model: &'a M,
    threads: usize,
    limits: Limits,
    pub(super) watch: Watch,
    ids: Ids,
    links: Links,
    graph: Graph,
    states: Vec<u32>,
    steps: Vec<u16>,
    state_labels: Labels<StateLabel>,
    step_labels: Labels<StepLabel>,
    /// The states not yet expanded, in the order of their numbers.
    queue: VecDeque<M::State>,
    /// The first state of the level after the one under way.
    next_level: usize,
    depth: u64,
    peak_bytes: u64,
    told: Duration,
}

/// A state's steps, as a thread found them.
struct Expanded<S> {
    label: StateLabel,
    steps: Vec<(StepLabel, Fingerprint, Option<S>)>,
}

impl<'a, M: Live> Explorer<'a, M>
where
    M::State: Sync,
{
    pub(super) fn new(model: &'a M, threads: usize, limits: &Limits) -> Self {
        assert!(threads > 0, "somebody has to do it");
        Self {
            model,
            threads,
            limits: *limits,
            watch: Watch::start(),
            ids: HashMap::default(),
            links: Links::default(),
            graph: Graph::default(),
            states: Vec::new(),
            steps: Vec::new(),
            state_labels: Labels::new(),
            step_labels: Labels::new(),
            queue: VecDeque::new(),
            next_level: 0,
            depth: 0,
            peak_bytes: 0,
            told: Duration::ZERO,
        }
    }

    /// Visits every state, unless there is a reason to stop before.
    pub(super) fn visit_all(&mut self, mut progress: impl FnMut(&Progress)) -> Result<(), Stopped> {
        let begin = catch_unwind(AssertUnwindSafe(|| initial_states(self.model)));
        let initial = begin.map_err(|panic| Stopped::Panic(message_of(&*panic), None))?;
        let mut fingerprinter = Fingerprinter::default();
        for (root, state) in initial.into_iter().enumerate() {
            let fingerprint = fingerprinter.of(&state);
            if let Entry::Vacant(entry) = self.ids.entry(fingerprint) {
                entry.insert(self.links.states() as Id);
                self.links.roots.push(root);
                self.queue.push_back(state);
            }
        }
        self.next_level = self.links.states();
        while !self.queue.is_empty() {
            self.within_limits().map_err(Stopped::Limit)?;
            self.tell(&mut progress);
            let count = self.queue.len().min(BATCH * self.threads);
            let batch: Vec<M::State> = self.queue.drain(..count).collect();
            let first = self.graph.nodes();
            for (offset, expanded) in self.expand(&batch).into_iter().enumerate() {
                let node = (first + offset) as Id;
                let expanded = expanded.map_err(|message| {
                    let state = node;
                    Stopped::Panic(
                        message,
                        Some(Spot::Within {
                            state,
                            choice: None,
                        }),
                    )
                })?;
                self.take_in(node, expanded).map_err(Stopped::Limit)?;
            }
        }
        Ok(())
    }

    pub(super) fn into_space(self) -> Space {
        Space {
            graph: self.graph,
            states: self.states,
            steps: self.steps,
            state_labels: self.state_labels.labels,
            step_labels: self.step_labels.labels,
            links: self.links,
            ids: self.ids,
            depth: self.depth,
            peak_bytes: self.peak_bytes,
        }
    }

    fn expand(&self, batch: &[M::State]) -> Vec<Result<Expanded<M::State>, String>> {
        let share = batch.len().div_ceil(self.threads).max(1);
        let work = |states: &[M::State]| {
            let mut fingerprinter = Fingerprinter::default();
            let expanded = states.iter().map(|state| {
                let one = || expand_one(self.model, &self.ids, state, &mut fingerprinter);
                catch_unwind(AssertUnwindSafe(one)).map_err(|panic| message_of(&*panic))
            });
            expanded.collect::<Vec<_>>()
        };
        std::thread::scope(|scope| {
            let mut shares = batch.chunks(share);
            let own = shares.next().unwrap_or_default();
            let others: Vec<_> = shares.map(|share| scope.spawn(|| work(share))).collect();
            let mut all = work(own);
            for other in others {
                match other.join() {
                    Ok(expanded) => all.extend(expanded),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            all
        })
    }

    /// Numbers what a state's steps lead to and stores them.
    fn take_in(&mut self, node: Id, expanded: Expanded<M::State>) -> Result<(), Why> {
        if node as usize == self.next_level {
            self.next_level = self.links.states();
            self.depth += 1;
        }
        for (choice, (label, fingerprint, state)) in expanded.steps.into_iter().enumerate() {
            let choice = u16::try_from(choice).map_err(|_| Why::Successors)?;
            let next = Id::try_from(self.links.states()).map_err(|_| Why::States)?;
            let id = *self.ids.entry(fingerprint).or_insert(next);
            self.graph.push_edge(id);
            let label = u16::try_from(self.step_labels.number(label));
            self.steps.push(label.map_err(|_| Why::Successors)?);
            if id == next {
                let parent = node;
                self.links.push(Link { parent, choice });
                // A state that was known when its batch began was not kept, and is known now.
                let state = state.unwrap_or_else(|| unreachable!("a new state was kept"));
                self.queue.push_back(state);
            }
        }
        self.graph.end_node();
        self.states.push(self.state_labels.number(expanded.label));
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let by_entry = size_of::<(Fingerprint, Id)>() + 1;
        let heap = self
            .queue
            .front()
            .map_or(0, |state| self.model.heap_bytes(state));
        let bytes = self.ids.capacity() * by_entry
            + self.queue.len() * (size_of::<M::State>() + heap)
            + self.links.bytes()
            + self.graph.bytes()
            + self.states.capacity() * size_of::<u32>()
            + self.steps.capacity() * size_of::<u16>();
        bytes as u64
    }

    fn within_limits(&mut self) -> Result<(), Why> {
        let is_over = |limit: Option<u64>, value| limit.is_some_and(|limit| value > limit);
        let bytes = self.bytes();
        self.peak_bytes = self.peak_bytes.max(bytes);
        if is_over(self.limits.states, self.links.states() as u64) {
            Err(Why::States)
        } else if is_over(self.limits.bytes, bytes) {
            Err(Why::Memory)
        } else if self
            .limits
            .time
            .is_some_and(|limit| self.watch.elapsed() >= limit)
        {
            Err(Why::Time)
        } else {
            Ok(())
        }
    }

    fn tell(&mut self, progress: &mut impl FnMut(&Progress)) {
        let elapsed = self.watch.elapsed();
        if elapsed.saturating_sub(self.told) < Duration::from_millis(100) {
            return;
        }
        self.told = elapsed;
        let states = self.links.states() as u64;
        progress(&Progress {
            level: self.depth,
            states,
            transitions: self.graph.edges() as u64,
            queue: self.queue.len() as u64,
            states_per_second: states as f64 / elapsed.as_secs_f64().max(1e-9),
            bytes: self.peak_bytes,
            disk_bytes: 0,
            elapsed,
        });
    }
}

/// A state's label and steps. States that are known already are dropped.
fn expand_one<M: Live>(
    model: &M,
    ids: &Ids,
    state: &M::State,
    fingerprinter: &mut Fingerprinter,
) -> Expanded<M::State> {
    let mut successors = Vec::new();
    model.successors(state, &mut successors);
    let mut of_steps = 0;
    let mut steps = Vec::with_capacity(successors.len());
    for (action, to) in successors {
        let label = StepLabel {
            classes: model.classes_of(state, &action, &to),
            takes_time: model.takes_time(&action),
        };
        of_steps |= label.classes;
        let fingerprint = fingerprinter.of(&to);
        let state = (!ids.contains_key(&fingerprint)).then_some(to);
        steps.push((label, fingerprint, state));
    }
    let label = StateLabel {
        enabled: model.enabled_classes(state, of_steps),
        promises: model.promises(state),
    };
    Expanded { label, steps }
}
