//! The inequalities between the numbers, each with a name and a remedy.
//!
//! Two kinds, in this order. *Ranges*: each number alone is neither absurd nor missing; where one
//! is, nothing else is said, because sums of such numbers mean nothing. *Relations*: what the
//! safety argument and liveness need of several numbers together. Within the ranges no sum that a
//! machine forms can overflow or saturate ([`LONGEST`]).
//!
//! A remedy changes one number that somebody *chooses* (T, W, r, q, τ, g …), to the nearest value
//! that makes the relation hold with all others as they are. What is *measured or assumed* (W′,
//! 2·RTT, δ, δ_k, h, ρ) is never lowered by a remedy: to assume less doesn't make it so. It may
//! have to be raised. W takes W′ along ([`Field::with`]). A remedy for one relation may break
//! another; following the first one of the first line, again and again, ends at a valid timing.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::Timing;
use super::field::Field;
use super::relation::RELATIONS;
use crate::time::Span;

/// No span of a timing may be longer: one day. Far above any sensible value, and so far below
/// `u64::MAX` that no sum or product of the protocol comes near it.
pub const LONGEST: Span = Span(24 * 60 * 60 * 1000);

/// ρ must be below this, in parts per million: 10 %. T(1±ρ) is an approximation of T/(1∓ρ), and a
/// clock that far off is broken, not drifting.
pub const DRIFT_LIMIT: u32 = 100_000;

/// What must hold. The name, in kebab case, is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inequality {
    /// Every span is at most [`LONGEST`].
    BoundedSpan,
    /// What must be positive is ([`Field::least`]).
    PositiveSpan,
    /// ρ is below [`DRIFT_LIMIT`].
    BoundedDrift,
    /// The whole margin is subtracted.
    NoTrim,
    /// D − t0 > r + q + τ + 2·RTT + g: a store outage of q stops and resets nothing, and after a
    /// longer one there is still time to stop.
    RenewalInTime,
    /// D − t0 ≥ 2r: one renewal may be lost.
    TwoRenewals,
    /// W > p + scheduling delay: a daemon that is late as tolerated still pings in time. W and not
    /// W′, because W′ is the latest and the device may reset W after a ping.
    PingBeforeReset,
    /// W′ ≥ W: no device resets before its time-out.
    ResetAfterTimeout,
    /// f ≤ T: the fence delay runs concurrently with the lock's expiry, never beyond.
    FenceWithinTtl,
    /// f > r + q + τ + 2·RTT: a node that only a tolerated outage silences isn't fenced.
    FenceAfterOutage,
    /// f ≥ 3b: a node is offline before it is fenced.
    OfflineBeforeFence,
    /// 3b > r + τ + 2·RTT: a node that renews its lock is online, one slow renewal included.
    OnlineWhileRenewing,
    /// g ≥ kill budget: the kill is the last part of the stop.
    KillWithinStop,
    /// δ > δ_k, for κ = 1: what the kernel still writes to the device late is part of the trail, and
    /// a reset as late as it may be comes before the take, not in the same moment.
    KernelWithinTrail,
    /// 2·τ > 2·RTT: an answer that takes its usual time isn't given up.
    AnswerBeforeTimeout,
}

impl Inequality {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BoundedSpan => "bounded-span",
            Self::PositiveSpan => "positive-span",
            Self::BoundedDrift => "bounded-drift",
            Self::NoTrim => "no-trim",
            Self::RenewalInTime => "renewal-in-time",
            Self::TwoRenewals => "two-renewals",
            Self::PingBeforeReset => "ping-before-reset",
            Self::ResetAfterTimeout => "reset-after-timeout",
            Self::FenceWithinTtl => "fence-within-ttl",
            Self::FenceAfterOutage => "fence-after-outage",
            Self::OfflineBeforeFence => "offline-before-fence",
            Self::OnlineWhileRenewing => "online-while-renewing",
            Self::KillWithinStop => "kill-within-stop",
            Self::KernelWithinTrail => "kernel-within-trail",
            Self::AnswerBeforeTimeout => "answer-before-timeout",
        }
    }

    /// Whether two nodes might run a service at once without it. The others cost liveness: resets
    /// and fences that weren't needed, locks that can't be kept.
    #[must_use]
    pub const fn is_safety(self) -> bool {
        match self {
            Self::BoundedSpan
            | Self::PositiveSpan
            | Self::BoundedDrift
            | Self::NoTrim
            | Self::ResetAfterTimeout
            | Self::KernelWithinTrail => true,
            Self::RenewalInTime
            | Self::TwoRenewals
            | Self::PingBeforeReset
            | Self::FenceWithinTtl
            | Self::FenceAfterOutage
            | Self::OfflineBeforeFence
            | Self::OnlineWhileRenewing
            | Self::KillWithinStop
            | Self::AnswerBeforeTimeout => false,
        }
    }
}

/// A number with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// Milliseconds.
    Span(Span),
    /// Parts per million.
    Ppm(u32),
}

impl Amount {
    /// The unit is the field's.
    pub(super) fn of(field: Field, value: u64) -> Self {
        if field == Field::Drift {
            Self::Ppm(u32::try_from(value).unwrap_or(u32::MAX))
        } else {
            Self::Span(Span(value))
        }
    }

    /// The number without its unit.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::Span(span) => span.0,
            Self::Ppm(ppm) => ppm as u64,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Span(span) => write!(f, "{span}"),
            Self::Ppm(ppm) => write!(f, "{ppm} ppm"),
        }
    }
}

/// On which side of a remedy's value the valid ones lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// This value or more.
    AtLeast,
    /// This value or less.
    AtMost,
}

/// A change of one number that mends an inequality, all others left as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// What to change.
    pub field: Field,
    /// In which direction.
    pub bound: Bound,
    /// The nearest valid value.
    pub value: Amount,
}

impl Remedy {
    /// The timing with the nearest valid value.
    #[must_use]
    pub fn apply(&self, timing: &Timing) -> Timing {
        self.field.with(timing, self.value.number())
    }
}

/// `T ≥ 16.2 s`.
impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.bound {
            Bound::AtLeast => '≥',
            Bound::AtMost => '≤',
        };
        write!(f, "{} {sign} {}", self.field, self.value)
    }
}

/// An inequality that a timing breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Which one.
    pub inequality: Inequality,
    /// The two sides with their values.
    pub sentence: String,
    /// How much more (or less) the left side has to be, at least.
    pub by: Amount,
    /// The changes of one number that would do; empty where no single one does.
    pub remedies: Vec<Remedy>,
}

/// One line: name, sentence, remedies.
impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.inequality.name(), self.sentence)?;
        for (index, remedy) in self.remedies.iter().enumerate() {
            let before = if index == 0 { "; holds with" } else { ", or" };
            write!(f, "{before} {remedy}")?;
        }
        Ok(())
    }
}

/// Checks every inequality.
///
/// # Errors
///
/// All that don't hold; only those about ranges where there are any.
pub fn check(timing: &Timing) -> Result<(), Vec<Broken>> {
    let mut broken = ranges(timing);
    if broken.is_empty() {
        broken.extend(RELATIONS.iter().filter_map(|one| one.broken(timing)));
    }
    if broken.is_empty() {
        Ok(())
    } else {
        Err(broken)
    }
}

/// What is wrong with single numbers.
fn ranges(timing: &Timing) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut require = |inequality, field: Field, bound, limit: u64| {
        let value = field.of(timing);
        let (holds, must) = match bound {
            Bound::AtLeast => (value >= limit, "least"),
            Bound::AtMost => (value <= limit, "most"),
        };
        if !holds {
            let (value_is, limit_is) = (Amount::of(field, value), Amount::of(field, limit));
            broken.push(Broken {
                inequality,
                sentence: format!("{field} = {value_is}, but must be at {must} {limit_is}"),
                by: Amount::of(field, value.abs_diff(limit)),
                remedies: [Remedy {
                    field,
                    bound,
                    value: limit_is,
                }]
                .into(),
            });
        }
    };
    for field in Field::SPANS {
        require(Inequality::BoundedSpan, field, Bound::AtMost, LONGEST.0);
        require(
            Inequality::PositiveSpan,
            field,
            Bound::AtLeast,
            field.least(),
        );
    }
    let steepest = u64::from(DRIFT_LIMIT) - 1;
    require(
        Inequality::BoundedDrift,
        Field::Drift,
        Bound::AtMost,
        steepest,
    );
    broken
}
