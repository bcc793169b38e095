//! Timings that are as short as they can be, for what has to be explored with several faults.
//!
//! The scaled timings of `lockstep_model::config::scaled` stand for the profiles. These stand for
//! none: they satisfy every inequality of safety and liveness with the smallest numbers, several
//! of them equal.

use lockstep_model::config::{DriftPpm, Kappa, Timing};
use lockstep_model::time::Span;

/// κ = 1: T = 10, W = W′ = 2.
#[must_use]
pub fn brisk_kappa_one() -> Timing {
    brisk(Kappa::One, 10)
}

/// κ = 3: T = 14, W = W′ = 2.
#[must_use]
pub fn brisk_kappa_three() -> Timing {
    brisk(Kappa::Three, 14)
}

/// κ = 1 with a renewal in every tick: T = 8, W = W′ = 2. Hosts have no phase in which one renews
/// and the other doesn't, which makes what several of them do together much less.
#[must_use]
pub fn swift_kappa_one() -> Timing {
    Timing {
        renewal: Span(1),
        outage: Span(0),
        ..brisk(Kappa::One, 8)
    }
}

/// The same with rate errors: T(1−ρ) is a tick less than T and T(1+ρ) one more, and T is by so
/// much longer.
#[must_use]
pub fn with_drift(timing: &Timing) -> Timing {
    Timing {
        lock_ttl: timing.lock_ttl + Span(2),
        drift: DriftPpm(1000),
        ..timing.clone()
    }
}

fn brisk(kappa: Kappa, ttl: u64) -> Timing {
    Timing {
        lock_ttl: Span(ttl),
        watchdog: Span(2),
        reset_max: Span(2),
        kappa,
        ping: Span(1),
        scheduling_delay: Span(0),
        renewal: Span(2),
        outage: Span(1),
        request_timeout: Span(1),
        round_trips: Span(0),
        stop_budget: Span(2),
        kill_budget: Span(1),
        io_trail: Span(1),
        kernel_delay: Span(0),
        host_stop: Span(0),
        drift: DriftPpm(0),
        presence: Span(2),
        fence_delay: Span(7),
        retry: Span(1),
        idle: Span(1),
        trim: Span(0),
    }
}
