//! What a search is told, and what it tells while it runs.

use super::checkpoint::Checkpoint;
use super::spill::Spill;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How to search.
#[derive(Clone, Debug)]
pub struct Options {
    /// The properties to judge, as a set of bits; the others are ignored.
    pub properties: u64,
    /// Where to stop.
    pub stop_at: StopAt,
    /// The number of worker threads, at least 1. Results don't depend on it.
    pub threads: usize,
    /// What the search may use.
    pub limits: Limits,
    /// Whether states that wait are kept as the numbers of their parts, where
    /// the model says how ([`super::Encoding`]).
    pub pack: bool,
    /// Where the search is kept, if it is; it packs, then.
    pub checkpoint: Option<Checkpoint>,
    /// Set from elsewhere when the search is to end after the present batch.
    pub interrupt: Option<Arc<AtomicBool>>,
    /// The least time between two calls of the progress callback.
    pub progress_every: Duration,
}

impl Options {
    /// Whether somebody wants the search to end.
    pub(super) fn is_interrupted(&self) -> bool {
        let interrupt = self.interrupt.as_ref();
        interrupt.is_some_and(|interrupt| interrupt.load(Ordering::Relaxed))
    }

    /// Where waiting states go that don't fit into memory. There are two such queues.
    pub(super) fn spill(&self) -> Option<Spill> {
        let checkpoint = self.checkpoint.as_ref()?;
        let directory = checkpoint.file.parent();
        let directory = directory.filter(|path| !path.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        Some(Spill::new(directory, checkpoint.queue_bytes / 2))
    }
}

impl Default for Options {
    /// Judges everything, stops at the first breach, uses up to two of the
    /// available cores (more hardly help: the memory is what is waited for),
    /// and has no limits.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            properties: u64::MAX,
            stop_at: StopAt::FirstBreach,
            threads: cores.min(2),
            limits: Limits::default(),
            pack: false,
            checkpoint: None,
            interrupt: None,
            progress_every: Duration::from_millis(100),
        }
    }
}

/// Where a search stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopAt {
    /// At the first breach of a property.
    FirstBreach,
    /// When every state was visited; the first breach of each property is kept.
    Closure,
}

/// The most that a search may use. Limits are looked at after each batch of states, so
/// a search oversteps them by up to a batch (4096 states and their successors).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Time since the search began, or went on after an interruption.
    pub time: Option<Duration>,
    /// Bytes of the search's own tables and frontiers, as it accounts for them.
    pub bytes: Option<u64>,
    /// Unique states.
    pub states: Option<u64>,
}

/// Why a search was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The time limit was reached.
    Time,
    /// The memory limit was passed.
    Memory,
    /// Somebody wanted the search to end.
    Interrupted,
    /// The disk didn't give back states that waited there.
    Disk,
    /// The limit of unique states was passed, or 4.0e9, beyond which states
    /// can't be numbered.
    States,
    /// A state has more than 65,536 successors, more than a trace can name.
    Successors,
}

/// How far a search has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The level being expanded: its states are this many steps from an initial
    /// state.
    pub level: u64,
    /// Unique states found so far.
    pub states: u64,
    /// Steps taken so far.
    pub transitions: u64,
    /// States found but not yet expanded.
    pub queue: u64,
    /// Unique states found per second since the previous call.
    pub states_per_second: f64,
    /// Bytes in use now, as the search accounts for them.
    pub bytes: u64,
    /// Bytes of waiting states on the disk.
    pub disk_bytes: u64,
    /// Time since the search began, what came before interruptions included.
    pub elapsed: Duration,
}
