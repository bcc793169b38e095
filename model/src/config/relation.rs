//! The inequalities between several numbers, as data: what is added up on each side, how the sides
//! must compare, and which numbers to turn where they don't.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::certificate::Signed;
use super::field::Field;
use super::inequality::{Amount, Bound, Broken, Inequality, LONGEST, Remedy};
use super::{Kappa, Timing};
use crate::time::Span;

/// A side of a relation is a sum of these.
#[derive(Clone, Copy)]
enum Term {
    /// D − t0, negative where the margin is longer than the authority.
    Guarded,
    /// A number of the timing, so many times.
    Times(i64, Field),
}

impl Term {
    /// In milliseconds. Only for timings within the ranges.
    fn value(self, timing: &Timing) -> i64 {
        match self {
            Self::Guarded => {
                let authority = timing.authority(timing.lock_ttl);
                signed(authority.0) - signed(timing.margin(timing.reset_max).0)
            }
            Self::Times(factor, field) => factor * signed(field.of(timing)),
        }
    }

    fn text(self) -> String {
        match self {
            Self::Guarded => "D − t0".to_string(),
            Self::Times(1, field) => field.to_string(),
            Self::Times(factor, field) => format!("{factor}·{field}"),
        }
    }
}

/// How the left side must compare with the right one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Above,
    AtLeast,
    AtMost,
}

/// An inequality between sums.
pub(super) struct Relation {
    inequality: Inequality,
    /// Required of one κ alone.
    kappa: Option<Kappa>,
    left: Term,
    sign: Sign,
    /// Empty means zero.
    right: &'static [Term],
    /// Which numbers to try, and in which direction. The first of each relation only ever raises
    /// one (but trim), so whoever follows the first advice again and again comes to an end.
    remedies: &'static [(Field, Bound)],
}

impl Relation {
    /// By how much the left side is off, in milliseconds; zero or less where the relation holds.
    fn lacks(&self, timing: &Timing) -> i64 {
        let left = self.left.value(timing);
        let right = self.right_value(timing);
        match self.sign {
            Sign::Above => right + 1 - left,
            Sign::AtLeast => right - left,
            Sign::AtMost => left - right,
        }
    }

    fn right_value(&self, timing: &Timing) -> i64 {
        self.right.iter().map(|term| term.value(timing)).sum()
    }

    /// What is wrong, if anything, with a timing within the ranges and of the κ concerned.
    pub(super) fn broken(&self, timing: &Timing) -> Option<Broken> {
        if self.kappa.is_some_and(|only| only != timing.kappa) {
            return None;
        }
        let by = u64::try_from(self.lacks(timing))
            .ok()
            .filter(|&by| by > 0)?;
        let nearest = |&(field, bound): &(Field, Bound)| self.remedy(timing, field, bound);
        Some(Broken {
            inequality: self.inequality,
            sentence: self.sentence(timing, Span(by)),
            by: Amount::Span(Span(by)),
            remedies: self.remedies.iter().filter_map(nearest).collect(),
        })
    }

    fn sentence(&self, timing: &Timing, by: Span) -> String {
        let (must, off) = match self.sign {
            Sign::Above => ("above", "short by"),
            Sign::AtLeast => ("at least", "short by"),
            Sign::AtMost => ("at most", "too long by"),
        };
        let left = Signed(self.left.value(timing));
        let right = Signed(self.right_value(timing));
        let terms: Vec<String> = self.right.iter().map(|term| term.text()).collect();
        let sum = if terms.is_empty() {
            right.to_string()
        } else {
            format!("{} = {right}", terms.join(" + "))
        };
        let name = self.left.text();
        format!("{name} = {left}, but must be {must} {sum}: {off} {by}")
    }

    /// The nearest value of `field` in this direction with which the relation holds.
    ///
    /// Each side is monotone in each field, so halving finds the edge exactly.
    fn remedy(&self, timing: &Timing, field: Field, bound: Bound) -> Option<Remedy> {
        let holds = |value| self.lacks(&field.with(timing, value)) <= 0;
        let mut fails = field.of(timing);
        let mut works = match bound {
            Bound::AtLeast => field.greatest(timing, LONGEST.0),
            Bound::AtMost => field.least(),
        };
        if !holds(works) {
            return None;
        }
        while fails.abs_diff(works) > 1 {
            let middle = u64::midpoint(fails, works);
            if holds(middle) {
                works = middle;
            } else {
                fails = middle;
            }
        }
        let value = Amount::of(field, works);
        Some(Remedy {
            field,
            bound,
            value,
        })
    }
}

/// A span within the ranges, as a number that can be subtracted from.
fn signed(milliseconds: u64) -> i64 {
    i64::try_from(milliseconds).unwrap_or(i64::MAX)
}

/// A renewal with its time-out.
const RENEWING: &[Term] = &[
    Term::Times(1, Field::Renewal),
    Term::Times(1, Field::RequestTimeout),
    Term::Times(1, Field::RoundTrips),
];

/// All of them, the graver ones first.
pub(super) const RELATIONS: &[Relation] = &[
    Relation {
        inequality: Inequality::NoTrim,
        kappa: None,
        left: Term::Times(1, Field::Trim),
        sign: Sign::AtMost,
        right: &[],
        remedies: &[(Field::Trim, Bound::AtMost)],
    },
    Relation {
        inequality: Inequality::RenewalInTime,
        kappa: None,
        left: Term::Guarded,
        sign: Sign::Above,
        right: &[
            Term::Times(1, Field::Renewal),
            Term::Times(1, Field::Outage),
            Term::Times(1, Field::RequestTimeout),
            Term::Times(1, Field::RoundTrips),
            Term::Times(1, Field::StopBudget),
        ],
        remedies: &[
            (Field::LockTtl, Bound::AtLeast),
            (Field::Watchdog, Bound::AtMost),
            (Field::Renewal, Bound::AtMost),
            (Field::Outage, Bound::AtMost),
            (Field::RequestTimeout, Bound::AtMost),
            (Field::StopBudget, Bound::AtMost),
        ],
    },
    Relation {
        inequality: Inequality::TwoRenewals,
        kappa: None,
        left: Term::Guarded,
        sign: Sign::AtLeast,
        right: &[Term::Times(2, Field::Renewal)],
        remedies: &[
            (Field::LockTtl, Bound::AtLeast),
            (Field::Watchdog, Bound::AtMost),
            (Field::Renewal, Bound::AtMost),
        ],
    },
    Relation {
        inequality: Inequality::PingBeforeReset,
        kappa: None,
        left: Term::Times(1, Field::Watchdog),
        sign: Sign::Above,
        right: &[
            Term::Times(1, Field::Ping),
            Term::Times(1, Field::SchedulingDelay),
        ],
        remedies: &[
            (Field::Watchdog, Bound::AtLeast),
            (Field::Ping, Bound::AtMost),
            (Field::SchedulingDelay, Bound::AtMost),
        ],
    },
    Relation {
        inequality: Inequality::ResetAfterTimeout,
        kappa: None,
        left: Term::Times(1, Field::ResetMax),
        sign: Sign::AtLeast,
        right: &[Term::Times(1, Field::Watchdog)],
        remedies: &[(Field::ResetMax, Bound::AtLeast)],
    },
    Relation {
        inequality: Inequality::FenceWithinTtl,
        kappa: None,
        left: Term::Times(1, Field::FenceDelay),
        sign: Sign::AtMost,
        right: &[Term::Times(1, Field::LockTtl)],
        remedies: &[
            (Field::LockTtl, Bound::AtLeast),
            (Field::FenceDelay, Bound::AtMost),
        ],
    },
    Relation {
        inequality: Inequality::FenceAfterOutage,
        kappa: None,
        left: Term::Times(1, Field::FenceDelay),
        sign: Sign::Above,
        right: &[
            Term::Times(1, Field::Renewal),
            Term::Times(1, Field::Outage),
            Term::Times(1, Field::RequestTimeout),
            Term::Times(1, Field::RoundTrips),
        ],
        remedies: &[
            (Field::FenceDelay, Bound::AtLeast),
            (Field::Renewal, Bound::AtMost),
            (Field::Outage, Bound::AtMost),
            (Field::RequestTimeout, Bound::AtMost),
        ],
    },
    Relation {
        inequality: Inequality::OfflineBeforeFence,
        kappa: None,
        left: Term::Times(1, Field::FenceDelay),
        sign: Sign::AtLeast,
        right: &[Term::Times(3, Field::Presence)],
        remedies: &[
            (Field::FenceDelay, Bound::AtLeast),
            (Field::Presence, Bound::AtMost),
        ],
    },
    Relation {
        inequality: Inequality::OnlineWhileRenewing,
        kappa: None,
        left: Term::Times(3, Field::Presence),
        sign: Sign::Above,
        right: RENEWING,
        remedies: &[
            (Field::Presence, Bound::AtLeast),
            (Field::Renewal, Bound::AtMost),
            (Field::RequestTimeout, Bound::AtMost),
        ],
    },
    Relation {
        inequality: Inequality::KillWithinStop,
        kappa: None,
        left: Term::Times(1, Field::StopBudget),
        sign: Sign::AtLeast,
        right: &[Term::Times(1, Field::KillBudget)],
        remedies: &[
            (Field::StopBudget, Bound::AtLeast),
            (Field::KillBudget, Bound::AtMost),
        ],
    },
    Relation {
        inequality: Inequality::KernelWithinTrail,
        kappa: Some(Kappa::One),
        left: Term::Times(1, Field::IoTrail),
        sign: Sign::Above,
        right: &[Term::Times(1, Field::KernelDelay)],
        remedies: &[(Field::IoTrail, Bound::AtLeast)],
    },
    Relation {
        inequality: Inequality::AnswerBeforeTimeout,
        kappa: None,
        left: Term::Times(2, Field::RequestTimeout),
        sign: Sign::Above,
        right: &[Term::Times(1, Field::RoundTrips)],
        remedies: &[(Field::RequestTimeout, Bound::AtLeast)],
    },
];
