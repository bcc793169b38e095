//! What holds of random timings.

use lockstep_model::config::inequality::{Amount, Bound, Inequality, LONGEST, check};
use lockstep_model::config::scaled::{scaled_kappa_one_with_drift, scaled_kappa_three_with_drift};
use lockstep_model::config::{Certificate, DriftPpm, Field, Kappa, Profile, Timing, same_order};
use lockstep_model::time::Span;
use proptest::prelude::*;

use super::{broken, still_broken};

const BASES: [fn() -> Timing; 6] = [
    || Profile::Fast.timing(),
    || Profile::Default.timing(),
    || Profile::Conservative.timing(),
    || Profile::Pve.timing(),
    scaled_kappa_one_with_drift,
    scaled_kappa_three_with_drift,
];

const ALL: usize = Field::SPANS.len();

/// A profile with every number between nothing and twice itself, a few milliseconds added.
fn near() -> impl Strategy<Value = Timing> {
    let factors = prop::collection::vec((prop_oneof![Just(100_u64), 0..200_u64], 0..3_u64), ALL);
    (0..BASES.len(), factors, 0..120_000_u32, 0..20_u8).prop_map(|(base, factors, drift, rare)| {
        let mut timing = BASES[base]();
        for (field, (percent, more)) in Field::SPANS.into_iter().zip(factors) {
            let value = field.of(&timing) * percent / 100 + more;
            timing = field.with(&timing, value);
        }
        if rare > 0 {
            timing.trim = Span::ZERO;
            timing.drift = DriftPpm(drift / 100);
        } else {
            timing.drift = DriftPpm(drift);
        }
        timing
    })
}

/// Any numbers at all.
fn any_timing() -> impl Strategy<Value = Timing> {
    let number = || {
        prop_oneof![
            any::<u64>(),
            Just(0),
            Just(u64::MAX),
            LONGEST.0 - 1..LONGEST.0 + 2,
            0..100_000_u64,
        ]
    };
    let numbers = prop::collection::vec(number(), ALL);
    (numbers, any::<u32>(), any::<bool>()).prop_map(|(numbers, drift, three)| {
        let mut timing = Profile::Default.timing();
        for (field, number) in Field::SPANS.into_iter().zip(numbers) {
            timing = field.with(&timing, number);
        }
        timing.drift = DriftPpm(drift);
        timing.kappa = if three { Kappa::Three } else { Kappa::One };
        timing
    })
}

/// Follows the first advice again and again.
fn mended(mut timing: Timing) -> Option<Timing> {
    for _ in 0..100 {
        let Err(broken) = check(&timing) else {
            return Some(timing);
        };
        timing = broken[0].remedies.first()?.apply(&timing);
    }
    None
}

/// `value` true milliseconds later, by a clock that is fast (or slow) by ρ: the bounds of what
/// it shows, times a million.
fn shown(timing: &Timing, milliseconds: u64, fast: bool) -> u128 {
    let rho = u128::from(timing.drift.0);
    let rate = if fast {
        1_000_000 + rho
    } else {
        1_000_000 - rho
    };
    u128::from(milliseconds) * rate
}

proptest! {
    #[test]
    fn remedies_are_enough_and_no_more(timing in near()) {
        for one in broken(&timing) {
            for remedy in &one.remedies {
                let mended = remedy.apply(&timing);
                prop_assert!(!still_broken(&mended, &one, remedy.field), "{one}\n{mended:?}");
                let number = remedy.value.number();
                let short = match remedy.bound {
                    Bound::AtLeast => number - 1,
                    Bound::AtMost => number + 1,
                };
                let short = remedy.field.with(&timing, short);
                prop_assert!(still_broken(&short, &one, remedy.field), "{one}\n{short:?}");
            }
        }
    }

    #[test]
    fn what_it_lacks_is_what_it_says(timing in near()) {
        for one in broken(&timing) {
            prop_assert!(one.by.number() > 0);
            prop_assert_eq!(one.to_string().lines().count(), 1);
            let wanted = one.inequality.name();
            prop_assert!(one.to_string().starts_with(wanted));
            if let (Inequality::RenewalInTime, Amount::Span(by)) = (one.inequality, one.by) {
                // Without drift each millisecond of T is one of D.
                let mut exact = timing.clone();
                exact.lock_ttl = timing.lock_ttl + by;
                if timing.drift == DriftPpm(0) && exact.lock_ttl <= LONGEST {
                    prop_assert!(!still_broken(&exact, &one, Field::LockTtl));
                }
            }
        }
    }

    #[test]
    fn advice_leads_somewhere(timing in near()) {
        prop_assert!(mended(timing).is_some());
    }

    /// In true time, whatever the rates of the two clocks within ρ: the last trailing I/O
    /// comes before any take.
    #[test]
    fn an_accepted_timing_is_safe(timing in near()) {
        let Some(timing) = mended(timing) else { return Ok(()); };
        let certificate = Certificate::of(&timing);
        prop_assert!(certificate.is_accepted(), "{certificate}");
        prop_assert!(certificate.latest_io == certificate.authority);
        prop_assert!(certificate.latest_io <= certificate.earliest_take);
        let resets = timing.reset_max.times(timing.kappa.factor());
        let silence = u128::from(timing.silence(timing.lock_ttl).0) * 1_000_000;
        for holder_fast in [false, true] {
            // The first true millisecond at which the holder's clock shows D or more.
            let shows = |at| shown(&timing, at, holder_fast);
            let deadline = u128::from(timing.guarded().0) * 1_000_000;
            let mut at = timing.guarded().0 * 8 / 10;
            prop_assert!(shows(at) <= deadline);
            let step = 1_000_000 + u128::from(timing.drift.0);
            at += u64::try_from((deadline - shows(at)) / step).unwrap();
            while shows(at) < deadline {
                at += 1;
            }
            let last = at + (resets + timing.io_trail + timing.host_stop).0;
            // The latest moment at which no clock shows T(1+ρ) yet lies behind it.
            prop_assert!(last == 0 || shown(&timing, last - 1, true) < silence);
            prop_assert!(last <= timing.lock_ttl.0);
        }
    }

    #[test]
    fn the_outage_survived_is_the_longest(timing in near()) {
        let Some(timing) = mended(timing) else { return Ok(()); };
        let longest = Certificate::of(&timing).outage_survived;
        prop_assert!(longest >= timing.outage);
        let breaks = |outage| {
            let longer = Timing { outage, ..timing.clone() };
            broken(&longer).iter().any(|one| one.inequality == Inequality::RenewalInTime)
        };
        prop_assert!(!breaks(longest));
        prop_assert!(breaks(longest + Span(1)));
    }

    #[test]
    fn nothing_overflows(timing in any_timing()) {
        let certificate = Certificate::of(&timing);
        prop_assert_eq!(certificate.broken.is_empty(), check(&timing).is_ok());
        prop_assert!(!certificate.to_string().is_empty());
        prop_assert!(same_order(&timing, &timing).is_ok());
    }
}
