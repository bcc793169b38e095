//! What a search found.

use super::options::Why;
use super::trace::Trace;
use std::path::PathBuf;

/// The result of a search.
#[derive(Clone, Debug)]
pub struct Report<S, A> {
    /// How the search ended.
    pub verdict: Verdict<S, A>,
    /// Whether every reachable state was visited. A violation says nothing
    /// about that by itself: with [`super::StopAt::Closure`] both can be true.
    pub closed: bool,
    /// The limit that was reached, if one was; also set beside a violation.
    pub cut: Option<Why>,
    /// What became of each property, by number.
    pub properties: Vec<PropertyResult<S, A>>,
    /// Unique initial states.
    pub initial_states: u64,
    /// Unique states visited, initial ones included.
    pub states: u64,
    /// Steps taken: every successor of every expanded state, known or new.
    /// stateright's `state_count` is [`Report::generated`].
    pub transitions: u64,
    /// The most steps needed to reach any visited state.
    pub depth: u64,
    /// Unique states by level; the first number counts the initial states.
    pub levels: Vec<u64>,
    /// Worker threads.
    pub threads: usize,
    /// Where the search can go on, if it was cut short and kept.
    pub saved: Option<PathBuf>,
    /// What the disk refused, if it did. The search goes on without it if it can.
    pub disk_failure: Option<String>,
    /// Wall-clock seconds since the search began, or went on.
    pub seconds_here: f64,
    /// Wall-clock seconds, those before interruptions included.
    pub seconds: f64,
    /// The most bytes ever in use: tables, frontiers and buffers as accounted.
    pub peak_bytes: u64,
    /// Bytes that stay resident for the visited states: fingerprints and links.
    pub table_bytes: u64,
    /// `table_bytes` by state.
    pub bytes_per_state: f64,
    /// The most bytes that any state took while it waited as numbers; 0 if none did.
    pub state_bytes_max: u64,
    /// An upper bound on the probability that two states shared a fingerprint.
    pub collision_bound: f64,
    /// Steps by kind of action.
    pub kinds: Vec<Count>,
    /// Steps by coverage tag.
    pub coverage: Vec<Count>,
    /// The maxima of the model's measures.
    pub measures: Vec<Maximum>,
    /// States without successors.
    pub dead_ends: DeadEnds<S, A>,
}

impl<S, A> Report<S, A> {
    /// The states generated, as other checkers count them: every step's and the
    /// initial ones.
    pub fn generated(&self) -> u64 {
        self.transitions + self.initial_states
    }
}

/// How a search ended.
#[derive(Clone, Debug)]
pub enum Verdict<S, A> {
    /// Every reachable state was visited and no judged property was broken.
    Exhausted,
    /// A property was broken.
    Violated {
        /// The number of the property.
        property: usize,
        /// Its name.
        name: &'static str,
        /// A shortest way to the breach. If a step broke the property, it is
        /// the last one.
        trace: Trace<S, A>,
    },
    /// A limit was reached before every state was visited, with nothing broken
    /// so far.
    Truncated(Why),
    /// The model panicked; nothing is known of what it would have said.
    Panicked {
        /// The panic's message.
        message: String,
        /// A shortest way to the state, or over the step, that the model was
        /// asked about; `None` if it panicked before any state was known.
        trace: Option<Trace<S, A>>,
    },
    /// The model gave other successors when a trace was rebuilt from its steps.
    /// No count of such a search means anything.
    Unrepeatable {
        /// Where the model differed.
        message: String,
    },
}

impl<S, A> Verdict<S, A> {
    /// Whether every state was visited without a breach.
    pub fn is_exhausted(&self) -> bool {
        matches!(self, Self::Exhausted)
    }
}

/// What became of one property.
#[derive(Clone, Debug)]
pub struct PropertyResult<S, A> {
    /// Its name.
    pub name: &'static str,
    /// Whether it was judged.
    pub judged: bool,
    /// A shortest way to its first breach, if there was one.
    pub trace: Option<Trace<S, A>>,
}

/// A name and how often it occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// What was counted.
    pub name: &'static str,
    /// How often.
    pub count: u64,
}

/// A name and the greatest value seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maximum {
    /// What was measured.
    pub name: &'static str,
    /// The maximum, or `None` if no step gave a value.
    pub maximum: Option<i64>,
}

/// The states without successors.
#[derive(Clone, Debug)]
pub struct DeadEnds<S, A> {
    /// Those in which a run may end.
    pub allowed: u64,
    /// Those in which it may not.
    pub count: u64,
    /// A shortest way to the first in which it may not.
    pub first: Option<Trace<S, A>>,
}
