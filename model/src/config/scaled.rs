//! Timings in a few ticks that stand for the profiles in the checker.
//!
//! A state space grows with T counted in ticks, so each is as short as it can be while it
//! * satisfies every inequality, with exactly one tick of slack;
//! * keeps the order of every pair of sums that is compared ([`super::compared`]), so that whatever
//!   can come first in the profile can come first here;
//! * gives T, W, p, r, q, τ, g and δ eight different values, so that a machine that takes one for
//!   another is seen to do so.
//!
//! A search over all values finds no shorter T (a test repeats it). What the checker models
//! otherwise is zero: 2·RTT (a message takes no time unless a fault delays it), scheduling delay
//! and δ_k (lateness is a fault), h. A kill takes one tick, as does the pause before a retry and
//! before an idle lock is given back; b and f are the least that keep a profile's order.
//!
//! The plain ones have exact rates: ρ = 0 and W′ = W. `with_drift` adds rate errors: T(1−ρ) is
//! one tick less than T and T(1+ρ) one more, and the device may reset in either of two ticks
//! (W′ = W + 1). T grows by that much, so D − t0 and everything in it stay the same. Only the pairs
//! that differ by a rate error alone need these to be compared.

use super::{DriftPpm, Kappa, Timing};
use crate::time::Span;

/// Stands for [`super::profile::Profile::Default`]: T = 26.
#[must_use]
pub const fn scaled_kappa_one() -> Timing {
    Timing {
        lock_ttl: Span(26),
        watchdog: Span(7),
        reset_max: Span(7),
        kappa: Kappa::One,
        ping: Span(3),
        renewal: Span(4),
        outage: Span(6),
        request_timeout: Span(2),
        stop_budget: Span(5),
        io_trail: Span(1),
        presence: Span(3),
        fence_delay: Span(19),
        ..ABSENT
    }
}

/// [`scaled_kappa_one`] with rate errors: T = 28, W′ = 8.
#[must_use]
pub const fn scaled_kappa_one_with_drift() -> Timing {
    with_drift(scaled_kappa_one())
}

/// Stands for [`super::profile::Profile::Conservative`]: T = 34.
#[must_use]
pub const fn scaled_kappa_three() -> Timing {
    Timing {
        lock_ttl: Span(34),
        watchdog: Span(3),
        reset_max: Span(3),
        kappa: Kappa::Three,
        ping: Span(1),
        renewal: Span(5),
        outage: Span(7),
        request_timeout: Span(4),
        stop_budget: Span(6),
        io_trail: Span(2),
        presence: Span(4),
        fence_delay: Span(24),
        ..ABSENT
    }
}

/// [`scaled_kappa_three`] with rate errors: T = 38, W′ = 4.
#[must_use]
pub const fn scaled_kappa_three_with_drift() -> Timing {
    with_drift(scaled_kappa_three())
}

/// The profiles' ρ; rounded up it is one tick of any T up to a thousand ticks.
const DRIFT: DriftPpm = DriftPpm(1000);

/// One tick of ρT, one of the device's rate, and the T that makes up for both.
const fn with_drift(exact: Timing) -> Timing {
    Timing {
        lock_ttl: Span(exact.lock_ttl.0 + 1 + exact.kappa.factor()),
        reset_max: Span(exact.reset_max.0 + 1),
        drift: DRIFT,
        ..exact
    }
}

/// What is the same in all of them; the zeros above are what the checker models otherwise.
const ABSENT: Timing = Timing {
    lock_ttl: Span::ZERO,
    watchdog: Span::ZERO,
    reset_max: Span::ZERO,
    kappa: Kappa::One,
    ping: Span::ZERO,
    scheduling_delay: Span::ZERO,
    renewal: Span::ZERO,
    outage: Span::ZERO,
    request_timeout: Span::ZERO,
    round_trips: Span::ZERO,
    stop_budget: Span::ZERO,
    kill_budget: Span(1),
    io_trail: Span::ZERO,
    kernel_delay: Span::ZERO,
    host_stop: Span::ZERO,
    drift: DriftPpm(0),
    presence: Span::ZERO,
    fence_delay: Span::ZERO,
    retry: Span(1),
    idle: Span(1),
    trim: Span::ZERO,
};
