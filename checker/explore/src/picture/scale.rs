//! Where the states and the ticks of a run stand from left to right.

use super::episodes::matters;
use super::svg::pixels;
use crate::timeline::Story;

/// A tick.
const TICK: i64 = 30;

/// A step that matters. Numbers have to fit side by side.
const STEP: i64 = 18;

/// Where bars begin.
pub(super) const LEFT: i64 = 150;

/// How many ticks after the end are shown.
const AFTER: i64 = 2;

/// The places of states.
pub(super) struct Scale {
    /// Where each state begins.
    states: Vec<i64>,
    /// Where each tick begins.
    ticks: Vec<i64>,
}

impl Scale {
    pub(super) fn of(story: &Story) -> Self {
        let mut x = LEFT + STEP;
        let (mut states, mut ticks) = (vec![x], vec![x]);
        for (step, pair) in story.frames.windows(2).enumerate() {
            let [before, after] = pair else { continue };
            if after.tick > before.tick {
                x += TICK;
                ticks.push(x);
            }
            let mut happenings = story.happenings.iter();
            if happenings.any(|one| one.step == step && matters(one)) {
                x += STEP;
            }
            states.push(x);
        }
        Self { states, ticks }
    }

    /// Where the state after so many steps begins.
    pub(super) fn state(&self, index: usize) -> i64 {
        self.states.get(index).copied().unwrap_or(LEFT)
    }

    /// Where the last state begins: the moment that breaks something.
    pub(super) fn end(&self) -> i64 {
        self.states.last().copied().unwrap_or(LEFT)
    }

    /// Where everything ends.
    pub(super) fn right(&self) -> i64 {
        self.end() + AFTER * TICK
    }

    /// Where each tick begins that is part of the run.
    pub(super) fn ticks(&self) -> &[i64] {
        &self.ticks
    }

    /// Where a moment stands; `None` if that is outside.
    pub(super) fn moment(&self, tick: i64) -> Option<i64> {
        let index = usize::try_from(tick).ok()?;
        if let Some(x) = self.ticks.get(index) {
            return Some(*x);
        }
        let beyond = pixels(index + 1 - self.ticks.len());
        let x = self.end() + beyond * TICK;
        (x <= self.right()).then_some(x)
    }
}
