//! Ready-made timings: fast, default, conservative, pve.
//!
//! | | T | W | κ | p | late | r | q | τ | 2·RTT | g (kill) | δ (δ_k) | b | f | slack | failover |
//! |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
//! | fast | 6 s | 2 s | 1 | 0.5 s | 1 s | 0.5 s | 2 s | 0.3 s | 0.02 s | 0.5 (0.2) s | 0.5 (0.05) s | 1 s | 4 s | 0.074 s | 7.546 s |
//! | default | 15 s | 5 s | 1 | 1 s | 3 s | 1 s | 5.5 s | 0.5 s | 0.1 s | 1.4 (0.4) s | 1 (0.1) s | 2 s | 10 s | 0.235 s | 16.715 s |
//! | conservative | 50 s | 10 s | 3 | 2 s | 6 s | 2 s | 10 s | 1 s | 0.4 s | 3 (1) s | 2 s | 5 s | 30 s | 0.05 s | 52.35 s |
//! | pve | 120 s | 10 s | 3 | 1 s | 6 s | 10 s | 40 s | 5 s | 1 s | 30 (10) s | 2 s | 10 s | 60 s | 0.38 s | 123.62 s |
//!
//! In all of them W′ = 1.05·W rounded up, ρ = 1000 ppm, h = 0 and trim = 0.
//! *Late* is the scheduling delay tolerated; *slack* and *failover* follow
//! ([`super::certificate`]). Pve's failover is that of these numbers, not the reference's.
//!
//! How the numbers that the argument leaves open were chosen:
//!
//! * p is a quarter of W or less, so that a ping may be skipped without a reset, and no less than a
//!   few hundred milliseconds, because each ping is an access to a slow device.
//! * The scheduling delay is at least half of W. p + delay stays well below W, because the
//!   device's own granularity may be a second.
//! * The kill budget is a quarter to two fifths of g: the kill of a cgroup takes tenths of a second
//!   at worst unless storage hangs, and then no budget would do.
//! * δ_k is a tenth of δ: a kernel timer was seen 0.4 ms late, so this is two orders of magnitude
//!   more and still leaves δ to the storage. With κ = 3 nothing uses it, so it is 0.
//! * Retry is of the order of a few renewals: an agent that fails at once would fail again at once.
//! * Idle is 60 s where the profile is fast to act and 2 min for conservative: longer than T and
//!   than a service's way there and back, so neither costs a lock and an arm of the watchdog.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{DriftPpm, Kappa, Policy, Timing};
use crate::time::Span;

/// A ready-made timing.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// A hardware watchdog, and a store that elects a leader within a second.
    Fast,
    /// Any watchdog, one site.
    #[default]
    Default,
    /// Long distances, busy hosts, or a kernel whose timers aren't trusted (κ = 3).
    Conservative,
    /// The reference's T, W, r and f. Its relative feeding of the watchdog isn't a matter of
    /// numbers and is kept elsewhere; q, τ, 2·RTT, g, δ and the rest are ours, filled in so that
    /// the same inequalities hold for it.
    Pve,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Fast, Self::Default, Self::Conservative, Self::Pve];

    /// What it is called in a configuration file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Default => "default",
            Self::Conservative => "conservative",
            Self::Pve => "pve",
        }
    }

    /// The profile of this name.
    ///
    /// # Errors
    ///
    /// Any text but the four names, letter by letter.
    pub fn parse(name: &str) -> Result<Self, UnknownProfile> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == name)
            .ok_or_else(|| UnknownProfile(name.to_string()))
    }

    /// Its numbers.
    #[must_use]
    pub const fn timing(self) -> Timing {
        match self {
            Self::Fast => fast(),
            Self::Default => default(),
            Self::Conservative => conservative(),
            Self::Pve => pve(),
        }
    }

    /// What is decided otherwise in some profile.
    #[must_use]
    pub const fn policy(self) -> Policy {
        match self {
            Self::Fast | Self::Default | Self::Conservative => Policy::OWN,
            Self::Pve => Policy::PVE,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse(name)
    }
}

/// A profile was named that doesn't exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProfile(pub String);

impl fmt::Display for UnknownProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no profile is called '{}'; there are", self.0)?;
        for (index, profile) in Profile::ALL.into_iter().enumerate() {
            let before = if index == 0 { "" } else { "," };
            write!(f, "{before} {profile}")?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownProfile {}

/// ρ of every profile: a thousandth.
const DRIFT: DriftPpm = DriftPpm(1000);

/// W′ until the driver's own is measured: 1.05·W, rounded up.
const fn reset_max(watchdog: Span) -> Span {
    Span((watchdog.0 * 105).div_ceil(100))
}

const fn fast() -> Timing {
    Timing {
        lock_ttl: Span(6_000),
        watchdog: Span(2_000),
        reset_max: reset_max(Span(2_000)),
        kappa: Kappa::One,
        ping: Span(500),
        scheduling_delay: Span(1_000),
        renewal: Span(500),
        outage: Span(2_000),
        request_timeout: Span(300),
        round_trips: Span(20),
        stop_budget: Span(500),
        kill_budget: Span(200),
        io_trail: Span(500),
        kernel_delay: Span(50),
        host_stop: Span::ZERO,
        drift: DRIFT,
        presence: Span(1_000),
        fence_delay: Span(4_000),
        retry: Span(1_000),
        idle: Span(60_000),
        trim: Span::ZERO,
    }
}

const fn default() -> Timing {
    Timing {
        lock_ttl: Span(15_000),
        watchdog: Span(5_000),
        reset_max: reset_max(Span(5_000)),
        kappa: Kappa::One,
        ping: Span(1_000),
        scheduling_delay: Span(3_000),
        renewal: Span(1_000),
        outage: Span(5_500),
        request_timeout: Span(500),
        round_trips: Span(100),
        stop_budget: Span(1_400),
        kill_budget: Span(400),
        io_trail: Span(1_000),
        kernel_delay: Span(100),
        host_stop: Span::ZERO,
        drift: DRIFT,
        presence: Span(2_000),
        fence_delay: Span(10_000),
        retry: Span(2_000),
        idle: Span(60_000),
        trim: Span::ZERO,
    }
}

const fn conservative() -> Timing {
    Timing {
        lock_ttl: Span(50_000),
        watchdog: Span(10_000),
        reset_max: reset_max(Span(10_000)),
        kappa: Kappa::Three,
        ping: Span(2_000),
        scheduling_delay: Span(6_000),
        renewal: Span(2_000),
        outage: Span(10_000),
        request_timeout: Span(1_000),
        round_trips: Span(400),
        stop_budget: Span(3_000),
        kill_budget: Span(1_000),
        io_trail: Span(2_000),
        kernel_delay: Span::ZERO,
        host_stop: Span::ZERO,
        drift: DRIFT,
        presence: Span(5_000),
        fence_delay: Span(30_000),
        retry: Span(5_000),
        idle: Span(120_000),
        trim: Span::ZERO,
    }
}

/// The reference's are T, W, r and f; p is what its multiplexer does, retry is one of its rounds and
/// idle sixty of them. q, τ, 2·RTT, g, δ and b are ours: f = 60 s bounds q, and T leaves 30 s to
/// stop services in order.
const fn pve() -> Timing {
    Timing {
        lock_ttl: Span(120_000),
        watchdog: Span(10_000),
        reset_max: reset_max(Span(10_000)),
        kappa: Kappa::Three,
        ping: Span(1_000),
        scheduling_delay: Span(6_000),
        renewal: Span(10_000),
        outage: Span(40_000),
        request_timeout: Span(5_000),
        round_trips: Span(1_000),
        stop_budget: Span(30_000),
        kill_budget: Span(10_000),
        io_trail: Span(2_000),
        kernel_delay: Span::ZERO,
        host_stop: Span::ZERO,
        drift: DRIFT,
        presence: Span(10_000),
        fence_delay: Span(60_000),
        retry: Span(10_000),
        idle: Span(600_000),
        trim: Span::ZERO,
    }
}
