//! The search's stopwatch: the only place that reads a clock.
#![expect(
    clippy::disallowed_types,
    reason = "elapsed time is for display and limits; no model sees it"
)]

use std::time::{Duration, Instant};

/// Measures how long a search has been running.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    start: Instant,
}

impl Watch {
    /// Starts measuring.
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}
