//! Instants and spans in milliseconds of one host's clock.
//!
//! The unit is the millisecond in the daemons and one *tick* in the checker; no machine knows the
//! difference. An [`Instant`] counts from an origin of its host's own and never crosses hosts:
//! only a [`Span`] does. Behaviour is invariant under a shift of all instants of a host, which is
//! what lets the checker move its origin after every step ([`crate::visit`]).

use core::fmt;
use core::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// A moment on one host's `CLOCK_BOOTTIME`, in milliseconds since that host's boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub u64);

/// A length of time in milliseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Span(pub u64);

impl Instant {
    /// The moment `span` earlier, or the origin where that would lie before it.
    ///
    /// Saturation is on the safe side where it is used: for deadlines, which only get earlier.
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Instant {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Instant {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// The span `n` times over.
    #[must_use]
    pub const fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }

    /// The span less `other`; zero where `other` is longer.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Seconds with as many decimals as it takes: `15 s`, `0.24 s`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1000, self.0 % 1000);
        if rest == 0 {
            return write!(f, "{whole} s");
        }
        let mut digits = rest;
        let mut width = 3;
        while digits % 10 == 0 {
            digits /= 10;
            width -= 1;
        }
        write!(f, "{whole}.{digits:0width$} s")
    }
}

/// Why a machine wants to be woken; travels with the instant so that a driver's log says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Why {
    /// The next renewal of a held lock is due.
    Renewal,
    /// A request to the store has had its time τ.
    RequestTimeout,
    /// A lock that this process observes has been silent for T(1+ρ).
    ObservationEnds,
    /// The next ping of the watchdog's device is due.
    Ping,
    /// The deadline D: from here on the device is never touched again.
    Deadline,
    /// D − g: services are stopped because the lock could not be renewed.
    StopServices,
    /// What remains of the stop budget: whatever still runs is killed.
    KillServices,
    /// A job that failed or gave no clear answer is tried again.
    Retry,
    /// Nothing of a machine that was switched off trails any more.
    FenceSettles,
    /// Nothing is to run here; the lock is given back.
    Idle,
    /// A process shows that it lives.
    Presence,
    /// A round that nothing but time asks for.
    Round,
    /// A node has given no sign of life for so long that it doesn't count as online.
    NodeSilent,
}

/// When to call `step` with a timer input at the latest, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Wakeup {
    /// The moment, on the machine's own host.
    pub at: Instant,
    /// The reason.
    pub why: Why,
}

/// The earliest of several possible wake-ups.
pub(crate) fn earliest(candidates: impl IntoIterator<Item = Option<Wakeup>>) -> Option<Wakeup> {
    candidates.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn spans_read_as_seconds() {
        for (ms, text) in [
            (0, "0 s"),
            (15_000, "15 s"),
            (240, "0.24 s"),
            (5_500, "5.5 s"),
            (5, "0.005 s"),
        ] {
            assert_eq!(Span(ms).to_string(), text);
        }
    }
}
