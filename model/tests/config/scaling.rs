//! How far the checker's timings stand for the profiles.

use lockstep_model::config::inequality::check;
use lockstep_model::config::scaled::{
    scaled_kappa_one, scaled_kappa_one_with_drift, scaled_kappa_three,
    scaled_kappa_three_with_drift,
};
use lockstep_model::config::{Certificate, Kappa, Profile, Timing, same_order};
use lockstep_model::time::Span;

use super::lines;

/// What stands for which profile, with how many ticks of each rate error.
type Scaled = (fn() -> Timing, Profile, u64);

const SCALED: [Scaled; 4] = [
    (scaled_kappa_one, Profile::Default, 0),
    (scaled_kappa_one_with_drift, Profile::Default, 1),
    (scaled_kappa_three, Profile::Conservative, 0),
    (scaled_kappa_three_with_drift, Profile::Conservative, 1),
];

fn distinct(timing: &Timing) -> bool {
    let mut values = [
        timing.lock_ttl,
        timing.watchdog,
        timing.ping,
        timing.renewal,
        timing.outage,
        timing.request_timeout,
        timing.stop_budget,
        timing.io_trail,
    ];
    values.sort_unstable();
    values.windows(2).all(|two| two[0] != two[1])
}

#[test]
fn each_stands_for_its_profile() {
    for (scaled, profile, drift) in SCALED {
        let timing = scaled();
        assert_eq!(lines(&timing), [""; 0], "{timing:?}");
        assert_eq!(same_order(&timing, &profile.timing()), Ok(()), "{profile}");
        assert_eq!(same_order(&profile.timing(), &timing), Ok(()), "{profile}");
        assert_eq!(timing.drift.of(timing.lock_ttl), Span(drift));
        assert_eq!(timing.reset_max.minus(timing.watchdog), Span(drift));
        assert_eq!(Certificate::of(&timing).liveness_slack.0, 1);
        assert!(distinct(&timing), "{timing:?}");
    }
}

#[test]
fn drift_takes_nothing_from_the_guarded_time() {
    for (exact, drifting) in [(0, 1), (2, 3)] {
        let (exact, drifting) = (SCALED[exact].0(), SCALED[drifting].0());
        assert_eq!(exact.guarded(), drifting.guarded());
    }
}

/// Rate errors are what a plain one leaves out, and nothing else.
#[test]
fn only_pairs_about_rates_are_left_out() {
    for (scaled, profile, drift) in SCALED {
        let names = |timing: &Timing| -> Vec<&str> {
            let pairs = timing.compared_sums();
            pairs.into_iter().map(|pair| pair.name).collect()
        };
        let kept = names(&scaled());
        let mut missing = names(&profile.timing());
        missing.retain(|name| !kept.contains(name));
        let rates = ["W vs W′", "T(1−ρ) vs T", "T vs T(1+ρ)", "T(1−ρ) vs T(1+ρ)"];
        let expected = if drift == 0 { &rates[..] } else { &[] };
        assert_eq!(missing, expected);
    }
}

#[test]
fn a_swapped_pair_is_named() {
    let mut timing = scaled_kappa_one();
    (timing.request_timeout, timing.outage) = (Span(4), Span(4));
    assert_eq!(
        same_order(&timing, &Profile::Default.timing()),
        Err(vec![
            "τ vs r: 0.004 s = 0.004 s here, 0.5 s < 1 s there".to_owned(),
            "q vs τ: 0.004 s = 0.004 s here, 5.5 s > 0.5 s there".to_owned(),
            "q vs r: 0.004 s = 0.004 s here, 5.5 s > 1 s there".to_owned(),
        ])
    );
    let other = same_order(&scaled_kappa_one(), &scaled_kappa_three()).unwrap_err();
    assert_eq!(other[0], "κ: 1 here, 3 there");
}

/// Every choice of so many positive spans that together are at most `budget`.
fn choices(count: usize, budget: u64) -> Vec<Vec<Span>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let with_last = |last: u64| {
        let rest = choices(count - 1, budget - last).into_iter();
        rest.map(move |mut spans| {
            spans.push(Span(last));
            spans
        })
    };
    (1..=budget).flat_map(with_last).collect()
}

/// A timing that would stand for `profile` with one tick of slack and a T below `limit`.
fn shorter(kappa: Kappa, profile: Profile, limit: u64) -> Option<Timing> {
    let profile = profile.timing();
    let mut timing = scaled_kappa_one();
    timing.kappa = kappa;
    for w in 2..limit / kappa.factor() {
        let resets = Span(w).times(kappa.factor());
        for chosen in choices(5, (limit - 2).saturating_sub(resets.0)) {
            let [r, q, tau, g, delta] = chosen[..] else {
                unreachable!("five were asked for")
            };
            let guarded = r + q + tau + g + Span(1);
            timing.lock_ttl = resets + delta + guarded;
            (timing.watchdog, timing.reset_max) = (Span(w), Span(w));
            (timing.renewal, timing.outage) = (r, q);
            (timing.request_timeout, timing.stop_budget) = (tau, g);
            timing.io_trail = delta;
            timing.fence_delay = guarded + Span(1);
            timing.presence = Span((r + tau).0 / 3 + 1);
            for p in 1..w {
                timing.ping = Span(p);
                let accepted = distinct(&timing) && check(&timing).is_ok();
                if accepted && same_order(&timing, &profile).is_ok() {
                    return Some(timing);
                }
            }
        }
    }
    None
}

#[test]
fn none_is_shorter() {
    for (scaled, profile) in [
        (scaled_kappa_one(), Profile::Default),
        (scaled_kappa_three(), Profile::Conservative),
    ] {
        let ttl = scaled.lock_ttl.0;
        assert_eq!(shorter(scaled.kappa, profile, ttl), None, "{profile}");
        let found = shorter(scaled.kappa, profile, ttl + 1);
        assert!(found.is_some(), "the search finds the one there is");
    }
}
