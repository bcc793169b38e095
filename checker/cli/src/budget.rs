//! What the searches of a run may use together.

use std::time::Duration;

use lockstep_explore::search::{Limits, Options};

use crate::arguments::Means;

/// What is left of the means of a run.
pub(crate) struct Budget {
    options: Options,
    /// What the whole run may take.
    time: Option<Duration>,
    /// What its searches have taken.
    spent: Duration,
}

impl Budget {
    /// Nothing of it is spent.
    pub(crate) fn of(means: &Means) -> Self {
        let mut options = Options::default();
        if let Some(threads) = means.threads {
            options.threads = threads.into();
        }
        options.limits = Limits {
            time: None,
            bytes: means.memory,
            states: None,
        };
        Self {
            options,
            time: means.time.map(|time| Duration::from_millis(time.0)),
            spent: Duration::ZERO,
        }
    }

    /// How the next search is to search; `None` if the time is up.
    pub(crate) fn options(&self) -> Option<Options> {
        let mut options = self.options.clone();
        if let Some(time) = self.time {
            let left = time.checked_sub(self.spent);
            options.limits.time = Some(left.filter(|left| !left.is_zero())?);
        }
        Some(options)
    }

    /// A search took so long.
    pub(crate) fn spend(&mut self, seconds: f64) {
        self.spent += Duration::from_secs_f64(seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_model::time::Span;

    #[test]
    fn time_is_for_the_whole_run() {
        let mut budget = Budget::of(&Means {
            time: Some(Span(1_000)),
            memory: Some(7),
            threads: Some(3),
        });
        budget.spend(0.75);
        let options = budget.options().expect("a quarter is left");
        assert_eq!(options.limits.time, Some(Duration::from_millis(250)));
        assert_eq!((options.limits.bytes, options.threads), (Some(7), 3));
        budget.spend(0.25);
        assert!(budget.options().is_none());
    }
}
