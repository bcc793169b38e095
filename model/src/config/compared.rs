//! Which sums of a timing are compared with which, by a machine, an inequality or an observer.
//!
//! The checker runs on timings of a few ticks. What it finds holds for a profile as far as the two
//! agree on what comes first; that is, on the order of every pair listed here. Two numbers that
//! nothing compares may come in any order.
//!
//! Pairs that differ by a rate error alone (T(1−ρ) and T(1+ρ), W and W′) are left out of a timing
//! without rate errors: it makes a statement about exact clocks, and its variant with drift about
//! the others. Whatever else is absent (2·RTT, h, δ_k) is zero and still compared.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::{Kappa, Timing};
use crate::time::Span;

/// Two sums that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Compared {
    /// The two sides: `τ vs r`.
    pub name: &'static str,
    /// The left one's value.
    pub left: Span,
    /// The right one's value.
    pub right: Span,
}

impl Compared {
    /// Which comes first.
    #[must_use]
    pub fn order(&self) -> Ordering {
        self.left.cmp(&self.right)
    }
}

impl Timing {
    /// Every pair of sums that is compared somewhere, in the order of the names' appearance in the
    /// argument: the device, a renewal, the outage, stopping, expiry, fencing.
    #[must_use]
    pub fn compared_sums(&self) -> Vec<Compared> {
        let mut pairs = Vec::new();
        let mut pair = |name, left, right| pairs.push(Compared { name, left, right });
        self.device_sums(&mut pair);
        self.renewal_sums(&mut pair);
        self.expiry_sums(&mut pair);
        pairs
    }

    fn device_sums(&self, pair: &mut impl FnMut(&'static str, Span, Span)) {
        let w_max = self.reset_max;
        pair("p vs W", self.ping, self.watchdog);
        pair("p vs W′", self.ping, w_max);
        pair("2·p vs W", self.ping.times(2), self.watchdog);
        let late = self.ping + self.scheduling_delay;
        pair("p + scheduling delay vs W", late, self.watchdog);
        if self.watchdog != w_max {
            pair("W vs W′", self.watchdog, w_max);
        }
        pair("δ vs W′", self.io_trail, w_max);
        pair("h vs W′", self.host_stop, w_max);
        if self.kappa == Kappa::One {
            pair("δ_k vs δ", self.kernel_delay, self.io_trail);
        }
        // The margin that comes to mind first, against the one that is needed.
        let first_thought = w_max + self.ping;
        let needed = w_max.times(self.kappa.factor());
        pair("W′ + p vs κ·W′", first_thought, needed);
        pair("W′ vs D − t0", w_max, self.guarded());
    }

    fn renewal_sums(&self, pair: &mut impl FnMut(&'static str, Span, Span)) {
        let guarded = self.guarded();
        let (r, q, tau, g) = (
            self.renewal,
            self.outage,
            self.request_timeout,
            self.stop_budget,
        );
        pair("τ vs r", tau, r);
        pair("2·RTT vs 2·τ", self.round_trips, tau.times(2));
        pair("q vs τ", q, tau);
        pair("q vs r", q, r);
        pair("2·r vs D − t0", r.times(2), guarded);
        let needed = r + q + tau + self.round_trips + g;
        pair("r + q + τ + 2·RTT + g vs D − t0", needed, guarded);
        // The slack doesn't cover one more time-out.
        let more = needed + tau;
        pair("r + q + 2·τ + 2·RTT + g vs D − t0", more, guarded);
        pair("kill budget vs g", self.kill_budget, g);
        pair("g vs D − t0", g, guarded);
    }

    fn expiry_sums(&self, pair: &mut impl FnMut(&'static str, Span, Span)) {
        let authority = self.authority(self.lock_ttl);
        let silence = self.silence(self.lock_ttl);
        let margin = self.margin(self.reset_max);
        let f = self.fence_delay;
        pair("κ·W′ + δ + h vs T(1−ρ)", margin, authority);
        if self.drift.0 != 0 {
            pair("T(1−ρ) vs T", authority, self.lock_ttl);
            pair("T vs T(1+ρ)", self.lock_ttl, silence);
            pair("T(1−ρ) vs T(1+ρ)", authority, silence);
        }
        pair("f vs T", f, self.lock_ttl);
        pair("f vs T(1−ρ)", f, authority);
        pair("f vs D − t0", f, self.guarded());
        let renewing = self.renewal + self.request_timeout + self.round_trips;
        let offline = self.presence.times(3);
        pair("f vs r + q + τ + 2·RTT", f, renewing + self.outage);
        pair("3·b vs f", offline, f);
        pair("3·b vs r + τ + 2·RTT", offline, renewing);
    }
}

/// Whether what is compared comes in the same order in both timings.
///
/// # Errors
///
/// The pairs that don't, with their values; and κ, where it differs.
pub fn same_order(a: &Timing, b: &Timing) -> Result<(), Vec<String>> {
    let mut differing = Vec::new();
    if a.kappa != b.kappa {
        let (here, there) = (a.kappa.factor(), b.kappa.factor());
        differing.push(format!("κ: {here} here, {there} there"));
    }
    let others = b.compared_sums();
    for here in a.compared_sums() {
        let there = others.iter().find(|pair| pair.name == here.name);
        if let Some(there) = there.filter(|there| there.order() != here.order()) {
            differing.push(format!(
                "{}: {} {} {} here, {} {} {} there",
                here.name,
                here.left,
                sign(here.order()),
                here.right,
                there.left,
                sign(there.order()),
                there.right,
            ));
        }
    }
    if differing.is_empty() {
        Ok(())
    } else {
        Err(differing)
    }
}

const fn sign(order: Ordering) -> char {
    match order {
        Ordering::Less => '<',
        Ordering::Equal => '=',
        Ordering::Greater => '>',
    }
}
