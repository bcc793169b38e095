//! The numbers of a timing by name, so that an inequality can say which of them would mend it.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{DriftPpm, Timing};
use crate::time::Span;

/// One number of a [`Timing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// T.
    LockTtl,
    /// W.
    Watchdog,
    /// W′.
    ResetMax,
    /// p.
    Ping,
    /// The scheduling delay tolerated.
    SchedulingDelay,
    /// r.
    Renewal,
    /// q.
    Outage,
    /// τ.
    RequestTimeout,
    /// 2·RTT.
    RoundTrips,
    /// g.
    StopBudget,
    /// The last part of g.
    KillBudget,
    /// δ.
    IoTrail,
    /// δ_k.
    KernelDelay,
    /// h.
    HostStop,
    /// ρ, in parts per million.
    Drift,
    /// b.
    Presence,
    /// f.
    FenceDelay,
    /// The pause before a failed job is tried again.
    Retry,
    /// How long an LRM keeps its lock with nothing to run.
    Idle,
    /// What the checker leaves out of the margin.
    Trim,
}

impl Field {
    /// Every field that is a span: all but ρ.
    pub const SPANS: [Self; 19] = [
        Self::LockTtl,
        Self::Watchdog,
        Self::ResetMax,
        Self::Ping,
        Self::SchedulingDelay,
        Self::Renewal,
        Self::Outage,
        Self::RequestTimeout,
        Self::RoundTrips,
        Self::StopBudget,
        Self::KillBudget,
        Self::IoTrail,
        Self::KernelDelay,
        Self::HostStop,
        Self::Presence,
        Self::FenceDelay,
        Self::Retry,
        Self::Idle,
        Self::Trim,
    ];

    /// What the argument calls it: `T`, `W′`, `2·RTT`; a word where it has no letter.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::LockTtl => "T",
            Self::Watchdog => "W",
            Self::ResetMax => "W′",
            Self::Ping => "p",
            Self::SchedulingDelay => "scheduling delay",
            Self::Renewal => "r",
            Self::Outage => "q",
            Self::RequestTimeout => "τ",
            Self::RoundTrips => "2·RTT",
            Self::StopBudget => "g",
            Self::KillBudget => "kill budget",
            Self::IoTrail => "δ",
            Self::KernelDelay => "δ_k",
            Self::HostStop => "h",
            Self::Drift => "ρ",
            Self::Presence => "b",
            Self::FenceDelay => "f",
            Self::Retry => "retry",
            Self::Idle => "idle",
            Self::Trim => "trim",
        }
    }

    /// The smallest value that means anything: one millisecond for what must pass between two
    /// actions or for a budget, nothing for what may be absent.
    #[must_use]
    pub const fn least(self) -> u64 {
        match self {
            Self::LockTtl
            | Self::Watchdog
            | Self::ResetMax
            | Self::Ping
            | Self::Renewal
            | Self::RequestTimeout
            | Self::StopBudget
            | Self::KillBudget
            | Self::Presence
            | Self::FenceDelay
            | Self::Retry => 1,
            Self::SchedulingDelay
            | Self::Outage
            | Self::RoundTrips
            | Self::IoTrail
            | Self::KernelDelay
            | Self::HostStop
            | Self::Drift
            | Self::Idle
            | Self::Trim => 0,
        }
    }

    /// Its value: milliseconds, or parts per million for ρ.
    #[must_use]
    pub const fn of(self, timing: &Timing) -> u64 {
        match self {
            Self::LockTtl => timing.lock_ttl.0,
            Self::Watchdog => timing.watchdog.0,
            Self::ResetMax => timing.reset_max.0,
            Self::Ping => timing.ping.0,
            Self::SchedulingDelay => timing.scheduling_delay.0,
            Self::Renewal => timing.renewal.0,
            Self::Outage => timing.outage.0,
            Self::RequestTimeout => timing.request_timeout.0,
            Self::RoundTrips => timing.round_trips.0,
            Self::StopBudget => timing.stop_budget.0,
            Self::KillBudget => timing.kill_budget.0,
            Self::IoTrail => timing.io_trail.0,
            Self::KernelDelay => timing.kernel_delay.0,
            Self::HostStop => timing.host_stop.0,
            Self::Drift => timing.drift.0 as u64,
            Self::Presence => timing.presence.0,
            Self::FenceDelay => timing.fence_delay.0,
            Self::Retry => timing.retry.0,
            Self::Idle => timing.idle.0,
            Self::Trim => timing.trim.0,
        }
    }

    /// The timing with this field set to `value`: milliseconds, or parts per million for ρ.
    ///
    /// W takes W′ along, at the same ratio and rounded up: another time-out is asked of the same
    /// device, and the same driver's error comes on top.
    #[must_use]
    pub fn with(self, timing: &Timing, value: u64) -> Timing {
        let mut changed = timing.clone();
        let span = match self {
            Self::Watchdog => {
                changed.reset_max = Span(scaled(timing.reset_max.0, value, timing.watchdog.0));
                &mut changed.watchdog
            }
            Self::Drift => {
                changed.drift = DriftPpm(u32::try_from(value).unwrap_or(u32::MAX));
                return changed;
            }
            Self::LockTtl => &mut changed.lock_ttl,
            Self::ResetMax => &mut changed.reset_max,
            Self::Ping => &mut changed.ping,
            Self::SchedulingDelay => &mut changed.scheduling_delay,
            Self::Renewal => &mut changed.renewal,
            Self::Outage => &mut changed.outage,
            Self::RequestTimeout => &mut changed.request_timeout,
            Self::RoundTrips => &mut changed.round_trips,
            Self::StopBudget => &mut changed.stop_budget,
            Self::KillBudget => &mut changed.kill_budget,
            Self::IoTrail => &mut changed.io_trail,
            Self::KernelDelay => &mut changed.kernel_delay,
            Self::HostStop => &mut changed.host_stop,
            Self::Presence => &mut changed.presence,
            Self::FenceDelay => &mut changed.fence_delay,
            Self::Retry => &mut changed.retry,
            Self::Idle => &mut changed.idle,
            Self::Trim => &mut changed.trim,
        };
        *span = Span(value);
        changed
    }

    /// The largest value that keeps the timing within `longest`, W′ included where it follows W.
    #[must_use]
    pub(super) fn greatest(self, timing: &Timing, longest: u64) -> u64 {
        match self {
            Self::Watchdog if timing.reset_max > timing.watchdog => {
                let product = u128::from(longest) * u128::from(timing.watchdog.0);
                let ratio = product / u128::from(timing.reset_max.0);
                u64::try_from(ratio).unwrap_or(longest)
            }
            Self::Watchdog
            | Self::LockTtl
            | Self::ResetMax
            | Self::Ping
            | Self::SchedulingDelay
            | Self::Renewal
            | Self::Outage
            | Self::RequestTimeout
            | Self::RoundTrips
            | Self::StopBudget
            | Self::KillBudget
            | Self::IoTrail
            | Self::KernelDelay
            | Self::HostStop
            | Self::Drift
            | Self::Presence
            | Self::FenceDelay
            | Self::Retry
            | Self::Idle
            | Self::Trim => longest,
        }
    }
}

/// The letter or word.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.symbol())
    }
}

/// `value`·`numerator`/`denominator`, rounded up; `value` itself without a ratio.
fn scaled(value: u64, numerator: u64, denominator: u64) -> u64 {
    if denominator == 0 {
        return value;
    }
    let product = u128::from(value) * u128::from(numerator);
    u64::try_from(product.div_ceil(u128::from(denominator))).unwrap_or(u64::MAX)
}
