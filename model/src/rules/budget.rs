//! A bound on what rules may become.
//!
//! Messages, implied rules and pairs of resources grow with the square of the rules: one rule with
//! a hundred thousand resources says ten thousand million pairs. A cluster of thousands of services
//! is far from the bound; a file that reaches it is refused, not obeyed at the cost of the daemon.

use core::fmt;

/// The most bytes of names in what rules become, in all steps together.
pub const BYTES_MAX: usize = 256 << 20;

/// What one thing costs beside its names, in bytes.
const OVERHEAD: usize = 64;

/// Rules that would become more than [`BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// What is left of [`BYTES_MAX`].
#[derive(Debug)]
pub struct Budget(usize);

impl Budget {
    /// All of it.
    #[must_use]
    pub const fn new() -> Self {
        Self(BYTES_MAX)
    }

    /// Takes what one thing with names of this length costs, *before* it is made.
    pub(super) fn spend(&mut self, name_bytes: usize) -> Result<(), TooLarge> {
        let cost = name_bytes.saturating_add(OVERHEAD);
        self.0 = self.0.checked_sub(cost).ok_or(TooLarge)?;
        Ok(())
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = BYTES_MAX >> 20;
        write!(
            f,
            "the rules imply too much: expected fewer or smaller ones, which imply at most {most} MiB"
        )
    }
}
