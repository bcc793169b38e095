//! What follows from a timing, for a person to read.
//!
//! All moments count from t0, the moment before the last confirmed renewal was sent, and are those
//! of the holder's clock unless said otherwise.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use super::inequality::{Broken, check};
use super::{DriftPpm, Kappa, Timing};
use crate::time::Span;

/// What a service's start is given in the worst failover. An agent that takes longer adds the
/// difference. It was chosen, not measured: with it the failovers of the profiles, rounded to the
/// nearest second, are the published 8, 17 and 52 s.
pub const START_ALLOWANCE: Span = Span(1_500);

/// A difference of spans, in milliseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Signed(pub i64);

impl Signed {
    /// `left` − `right`; the largest difference there is where it would be larger.
    #[must_use]
    pub fn difference(left: Span, right: Span) -> Self {
        let size = i64::try_from(left.0.abs_diff(right.0)).unwrap_or(i64::MAX);
        Self(if left < right { -size } else { size })
    }
}

/// Seconds, with a minus sign where it is negative.
impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minus = if self.0 < 0 { "−" } else { "" };
        write!(f, "{minus}{}", Span(self.0.unsigned_abs()))
    }
}

/// The consequences of a timing.
///
/// Where a range is broken (an absurd value, [`Certificate::broken`]) the moments are saturated and
/// mean nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// κ.
    pub kappa: Kappa,
    /// ρ.
    pub drift: DriftPpm,
    /// W′, the longest time from a ping to the reset that the margin was computed with.
    pub reset_max: Span,
    /// D − g: from here on services are stopped if no renewal was confirmed.
    pub stop: Span,
    /// D less the kill budget: whatever still runs is killed.
    pub kill: Span,
    /// D: the last check before a ping. Zero if the margin leaves nothing of the authority.
    pub deadline: Span,
    /// D + κ·W′: no device resets later.
    pub latest_reset: Span,
    /// δ + h: how much later a node's last I/O may be than its reset by the holder's clock.
    pub trail: Span,
    /// D + κ·W′ + δ + h: storage accepts nothing later.
    pub latest_io: Span,
    /// E = T(1−ρ): the authority's end.
    pub authority: Span,
    /// T(1+ρ), by the observer's clock: the earliest take if it saw the renewal as soon as it was
    /// sent.
    pub earliest_take: Span,
    /// From the latest I/O to the earliest take, in true time, clocks at true rate.
    pub slack_true_clocks: Signed,
    /// The same with the clocks that ρ allows to be worst: the holder's slow, the observer's fast.
    /// The timing is unsafe where this is negative.
    pub slack_worst_clocks: Signed,
    /// r + q + τ + 2·RTT + g: what D − t0 must be above.
    pub needed: Span,
    /// D − t0 less that.
    pub liveness_slack: Signed,
    /// q: the store outage that was asked to stop and reset nothing.
    pub outage: Span,
    /// The longest that does: q and the slack, less the millisecond that must be left.
    pub outage_survived: Span,
    /// From the crash of a node to its services running elsewhere, the store available:
    /// T(1+ρ) + 2·(2·RTT) + [`START_ALLOWANCE`]. The four round trips are the last beat's way to
    /// the master and the new location's to the target (half each), taking the lock, moving the
    /// location, and the target's read. It holds where the target has its own lock and the master
    /// survives; taking the target's lock, or the master's, adds about 2·RTT each.
    pub failover: Span,
    /// The inequalities that don't hold.
    pub broken: Vec<Broken>,
}

impl Certificate {
    /// Draws the conclusions, from a sound timing or any other.
    #[must_use]
    pub fn of(timing: &Timing) -> Self {
        let deadline = timing.guarded();
        let latest_reset = deadline + timing.reset_max.times(timing.kappa.factor());
        let trail = timing.io_trail + timing.host_stop;
        let latest_io = latest_reset + trail;
        let earliest_take = timing.silence(timing.lock_ttl);
        // The observer's T(1+ρ) takes T or more, and the holder's D takes D/(1−ρ) or less. W′, δ
        // and h are true time: bounds measured over everything, clocks included.
        let slow_deadline = deadline + slowed(deadline, timing.drift);
        let slow_io = slow_deadline + latest_io.minus(deadline);
        let needed = timing.renewal
            + timing.outage
            + timing.request_timeout
            + timing.round_trips
            + timing.stop_budget;
        let without_outage = needed.minus(timing.outage);
        Self {
            kappa: timing.kappa,
            drift: timing.drift,
            reset_max: timing.reset_max,
            stop: deadline.minus(timing.stop_budget),
            kill: deadline.minus(timing.kill_budget),
            deadline,
            latest_reset,
            trail,
            latest_io,
            authority: timing.authority(timing.lock_ttl),
            earliest_take,
            slack_true_clocks: Signed::difference(earliest_take, latest_io),
            slack_worst_clocks: Signed::difference(timing.lock_ttl, slow_io),
            needed,
            liveness_slack: Signed::difference(deadline, needed),
            outage: timing.outage,
            outage_survived: deadline.minus(without_outage).minus(Span(1)),
            failover: earliest_take + timing.round_trips.times(2) + START_ALLOWANCE,
            broken: check(timing).err().unwrap_or_default(),
        }
    }

    /// Whether everything that keeps two nodes from running one service holds.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        let safety = |broken: &Broken| broken.inequality.is_safety();
        self.slack_worst_clocks.0 >= 0 && !self.broken.iter().any(safety)
    }

    /// Whether every inequality holds.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.broken.is_empty() && self.is_safe()
    }

    fn verdict(&self) -> &'static str {
        match (self.is_safe(), self.is_accepted()) {
            (true, true) => "safe and live",
            (true, false) => "safe, but refused: not live",
            (false, _) => "NOT SAFE, and refused",
        }
    }

    /// Quantity, formula, value.
    fn rows(&self) -> Vec<[String; 3]> {
        let resets = match self.kappa {
            Kappa::One => "W′",
            Kappa::Three => "3·W′",
        };
        let reset = format!("D + {resets}, W′ = {}", self.reset_max);
        let drift = format!("T − latest I/O, {} ppm off", self.drift.0);
        let row = |quantity: &str, formula: &str, value: &dyn fmt::Display| {
            [quantity.to_string(), formula.to_string(), value.to_string()]
        };
        vec![
            row("services are stopped from", "D − g", &self.stop),
            row("and killed from", "D − kill budget", &self.kill),
            row(
                "last check before a ping",
                "D = E − κ·W′ − δ − h",
                &self.deadline,
            ),
            row("latest reset", &reset, &self.latest_reset),
            row("latest I/O", "D + κ·W′ + δ + h", &self.latest_io),
            row("authority ends", "E = T(1−ρ)", &self.authority),
            row("earliest take", "T(1+ρ)", &self.earliest_take),
            row(
                "slack of safety, true clocks",
                "T(1+ρ) − latest I/O",
                &self.slack_true_clocks,
            ),
            row(
                "slack of safety, worst clocks",
                &drift,
                &self.slack_worst_clocks,
            ),
            row(
                "slack of liveness",
                "D − (r + q + τ + 2·RTT + g)",
                &self.liveness_slack,
            ),
            row("store outage asked for", "q", &self.outage),
            row(
                "store outage survived",
                "below q + slack",
                &self.outage_survived,
            ),
            row(
                "worst failover",
                "T(1+ρ) + 2·(2·RTT) + start",
                &self.failover,
            ),
        ]
    }

    /// The moments of the time line, and what happens up to each.
    fn marks(&self) -> Vec<Mark> {
        let mut marks = vec![
            Mark::new("", "t0", Span::ZERO, '-'),
            Mark::new("renewals, pings", "D − g", self.stop, '-'),
            Mark::new("stopping", "D", self.deadline, '-'),
        ];
        let after = |n| self.deadline + self.reset_max.times(n);
        match self.kappa {
            Kappa::One => marks.push(Mark::new("reset", "D + W′", after(1), '·')),
            Kappa::Three => marks.extend([
                Mark::new("late ping", "D + W′", after(1), '·'),
                Mark::new("late close", "D + 2·W′", after(2), '·'),
                Mark::new("reset", "D + 3·W′", after(3), '·'),
            ]),
        }
        let trail = if self.trail == Span::ZERO { "" } else { "δ" };
        marks.push(Mark::new(trail, "E", self.authority, '·'));
        marks.push(Mark::new("", "take", self.earliest_take, ' '));
        marks
    }
}

/// An aligned block: the verdict, the time line, the quantities.
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.verdict())?;
        for broken in &self.broken {
            writeln!(f, "  {broken}")?;
        }
        writeln!(f)?;
        draw(f, &self.marks())?;
        writeln!(f)?;
        let rows = self.rows();
        let width = |column: usize| {
            let lengths = rows.iter().map(|row| row[column].chars().count());
            lengths.max().unwrap_or(0)
        };
        let (first, second, third) = (width(0), width(1), width(2));
        for [quantity, formula, value] in &rows {
            write!(f, "{quantity:<first$}  {formula:<second$}  ")?;
            writeln!(f, "{value:>third$}")?;
        }
        Ok(())
    }
}

/// A moment on the time line.
struct Mark {
    /// What happens between the one before and this one.
    before: &'static str,
    label: &'static str,
    value: String,
    /// What the line up to here is drawn with.
    line: char,
}

impl Mark {
    fn new(before: &'static str, label: &'static str, at: Span, line: char) -> Self {
        Self {
            before,
            label,
            value: at.to_string(),
            line,
        }
    }
}

/// Three lines: labels, the line with what happens, values. Not to scale.
fn draw(f: &mut fmt::Formatter<'_>, marks: &[Mark]) -> fmt::Result {
    let (mut labels, mut line, mut values) = (String::new(), String::new(), String::new());
    for (index, mark) in marks.iter().enumerate() {
        let next = marks.get(index + 1);
        let text = next.map_or("", |next| next.before);
        let fill = next.map_or(' ', |next| next.line);
        let widest = [mark.label, &mark.value, text].map(|text| text.chars().count());
        let width = widest.into_iter().max().unwrap_or(0) + 2;
        labels.push_str(&format!("{:<width$}", mark.label));
        values.push_str(&format!("{:<width$}", mark.value));
        line.push('|');
        let space = width - 1 - text.chars().count();
        line.extend(core::iter::repeat_n(fill, space / 2));
        line.push_str(text);
        line.extend(core::iter::repeat_n(fill, space - space / 2));
    }
    for text in [labels, line, values] {
        writeln!(f, " {}", text.trim_end())?;
    }
    Ok(())
}

/// How much longer `span` takes by a clock that is slow by ρ: span·ρ/(1−ρ), rounded up.
fn slowed(span: Span, drift: DriftPpm) -> Span {
    let rho = u64::from(drift.0);
    let rest = 1_000_000_u64.saturating_sub(rho).max(1);
    Span(span.0.saturating_mul(rho).div_ceil(rest))
}
