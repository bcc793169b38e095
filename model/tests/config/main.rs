//! The numbers: what the profiles promise, which timings are refused and with what advice, and how
//! far the checker's timings stand for the profiles.

mod properties;
mod scaling;

use lockstep_model::config::inequality::{Inequality, check};
use lockstep_model::config::scaled::scaled_kappa_one;
use lockstep_model::config::{Broken, Certificate, Config, DriftPpm, Field, Profile, Timing};
use lockstep_model::id::Ranks;
use lockstep_model::time::Span;

fn broken(timing: &Timing) -> Vec<Broken> {
    check(timing).err().unwrap_or_default()
}

fn lines(timing: &Timing) -> Vec<String> {
    broken(timing).iter().map(ToString::to_string).collect()
}

/// Whether the inequality that `one` is about is broken; of those about single numbers, for the
/// same number.
fn still_broken(timing: &Timing, one: &Broken, field: Field) -> bool {
    let single = matches!(
        one.inequality,
        Inequality::BoundedSpan | Inequality::PositiveSpan | Inequality::BoundedDrift
    );
    broken(timing).iter().any(|other| {
        let same_field = other.remedies.iter().any(|remedy| remedy.field == field);
        other.inequality == one.inequality && (!single || same_field)
    })
}

mod profiles {
    use super::*;

    #[test]
    fn every_profile_is_accepted() {
        for profile in Profile::ALL {
            assert_eq!(lines(&profile.timing()), [""; 0], "{profile}");
            let certificate = Certificate::of(&profile.timing());
            assert!(certificate.is_accepted(), "{profile}\n{certificate}");
        }
    }

    /// Slack in hundredths of a second and failover in seconds, both rounded to the nearest.
    #[test]
    fn slack_and_failover_are_the_published_ones() {
        for (profile, slack, failover) in [
            (Profile::Fast, 7, 8),
            (Profile::Default, 24, 17),
            (Profile::Conservative, 5, 52),
        ] {
            let certificate = Certificate::of(&profile.timing());
            assert_eq!((certificate.liveness_slack.0 + 5) / 10, slack, "{profile}");
            assert_eq!((certificate.failover.0 + 500) / 1000, failover, "{profile}");
        }
    }

    /// The table in the documentation of the profiles.
    #[test]
    fn slack_and_failover_are_exactly() {
        for (profile, slack, failover) in [
            (Profile::Fast, 74, 7_546),
            (Profile::Default, 235, 16_715),
            (Profile::Conservative, 50, 52_350),
            (Profile::Pve, 380, 123_620),
        ] {
            let certificate = Certificate::of(&profile.timing());
            assert_eq!(certificate.liveness_slack.0, slack, "{profile}");
            assert_eq!(certificate.failover, Span(failover), "{profile}");
        }
    }

    #[test]
    fn the_choices_left_open_keep_to_their_reasons() {
        for profile in Profile::ALL {
            let timing = profile.timing();
            assert!(timing.ping.times(4) <= timing.watchdog, "{profile}: p");
            let half = timing.scheduling_delay.times(2) >= timing.watchdog;
            assert!(half, "{profile}: delay");
            let tenth = timing.kernel_delay.times(10) <= timing.io_trail;
            assert!(tenth, "{profile}: δ_k");
            assert!(timing.idle > timing.lock_ttl, "{profile}: idle");
        }
    }

    #[test]
    fn names_parse_back() {
        for profile in Profile::ALL {
            assert_eq!(Profile::parse(profile.name()), Ok(profile));
            assert_eq!(profile.name().parse(), Ok(profile));
        }
        let unknown = Profile::parse("Default").unwrap_err().to_string();
        let expected = "no profile is called 'Default'; there are fast, default, conservative, pve";
        assert_eq!(unknown, expected);
    }
}

mod refusals {
    use super::*;

    fn check_lines(change: impl FnOnce(&mut Timing), expected: &[&str]) {
        let mut timing = Profile::Default.timing();
        change(&mut timing);
        assert_eq!(lines(&timing), expected);
    }

    #[test]
    fn a_line_has_the_sums_and_every_way_out() {
        check_lines(
            |timing| timing.stop_budget = Span(2_000),
            &[
                "renewal-in-time: D − t0 = 8.735 s, but must be above r + q + τ + 2·RTT + g = 9.1 s: \
                 short by 0.366 s; holds with T ≥ 15.367 s, or W ≤ 4.651 s, or r ≤ 0.634 s, \
                 or q ≤ 5.134 s, or τ ≤ 0.134 s, or g ≤ 1.634 s",
            ],
        );
    }

    #[test]
    fn a_margin_longer_than_the_authority_is_a_negative_number() {
        check_lines(
            |timing| timing.host_stop = Span(10_000),
            &[
                "renewal-in-time: D − t0 = −1.265 s, but must be above r + q + τ + 2·RTT + g = 8.5 s: \
             short by 9.766 s; holds with T ≥ 24.776 s",
                "two-renewals: D − t0 = −1.265 s, but must be at least 2·r = 2 s: \
             short by 3.265 s; holds with T ≥ 18.269 s, or W ≤ 1.89 s",
            ],
        );
    }

    #[test]
    fn facts_are_never_assumed_smaller() {
        check_lines(
            |timing| timing.kernel_delay = Span(1_500),
            &[
                "kernel-within-trail: δ = 1 s, but must be above δ_k = 1.5 s: \
               short by 0.501 s; holds with δ ≥ 1.501 s",
            ],
        );
        check_lines(
            |timing| timing.reset_max = Span(4_000),
            &[
                "reset-after-timeout: W′ = 4 s, but must be at least W = 5 s: \
               short by 1 s; holds with W′ ≥ 5 s",
            ],
        );
    }

    #[test]
    fn too_long_is_said_as_such() {
        check_lines(
            |timing| timing.fence_delay = Span(20_000),
            &["fence-within-ttl: f = 20 s, but must be at most T = 15 s: \
               too long by 5 s; holds with T ≥ 20 s, or f ≤ 15 s"],
        );
        check_lines(
            |timing| timing.trim = Span(1),
            &["no-trim: trim = 0.001 s, but must be at most 0 s: \
               too long by 0.001 s; holds with trim ≤ 0 s"],
        );
    }

    #[test]
    fn ranges_come_first_and_alone() {
        check_lines(
            |timing| {
                timing.lock_ttl = Span(u64::MAX);
                timing.renewal = Span::ZERO;
                timing.drift = DriftPpm(100_000);
            },
            &[
                "bounded-span: T = 18446744073709551.615 s, but must be at most 86400 s; \
                 holds with T ≤ 86400 s",
                "positive-span: r = 0 s, but must be at least 0.001 s; holds with r ≥ 0.001 s",
                "bounded-drift: ρ = 100000 ppm, but must be at most 99999 ppm; \
                 holds with ρ ≤ 99999 ppm",
            ],
        );
    }

    /// A service that is fenced, recovered and fenced again in one round would never come to rest.
    #[test]
    fn a_node_isnt_fenced_at_once() {
        check_lines(
            |timing| timing.fence_delay = Span::ZERO,
            &["positive-span: f = 0 s, but must be at least 0.001 s; holds with f ≥ 0.001 s"],
        );
        let timing = Timing {
            fence_delay: Span::ZERO,
            ..Profile::Default.timing()
        };
        let refused = Config::new(timing, Ranks::default()).expect_err("f must be positive");
        let names = refused.iter().map(|broken| broken.inequality);
        assert_eq!(names.collect::<Vec<_>>(), [Inequality::PositiveSpan]);
    }

    #[test]
    fn a_kernel_delay_is_nothing_to_kappa_three() {
        let mut timing = Profile::Conservative.timing();
        timing.kernel_delay = Span(60_000);
        assert_eq!(lines(&timing), [""; 0]);
    }

    #[test]
    fn names_are_kebab_case() {
        let name = |inequality: Inequality| format!("{inequality:?}");
        for inequality in [
            Inequality::RenewalInTime,
            Inequality::BoundedSpan,
            Inequality::OnlineWhileRenewing,
        ] {
            let mut kebab = String::new();
            for letter in name(inequality).chars() {
                if letter.is_uppercase() && !kebab.is_empty() {
                    kebab.push('-');
                }
                kebab.extend(letter.to_lowercase());
            }
            assert_eq!(inequality.name(), kebab);
        }
    }
}

mod certificates {
    use super::*;

    const DEFAULT: &str = "
safe and live

 t0               D − g     D        D + W′    E         take
 |renewals, pings-|stopping-|·reset··|····δ····|         |
 0 s              7.335 s   8.735 s  13.985 s  14.985 s  15.015 s

services are stopped from      D − g                          7.335 s
and killed from                D − kill budget                8.335 s
last check before a ping       D = E − κ·W′ − δ − h           8.735 s
latest reset                   D + W′, W′ = 5.25 s           13.985 s
latest I/O                     D + κ·W′ + δ + h              14.985 s
authority ends                 E = T(1−ρ)                    14.985 s
earliest take                  T(1+ρ)                        15.015 s
slack of safety, true clocks   T(1+ρ) − latest I/O             0.03 s
slack of safety, worst clocks  T − latest I/O, 1000 ppm off   0.006 s
slack of liveness              D − (r + q + τ + 2·RTT + g)    0.235 s
store outage asked for         q                                5.5 s
store outage survived          below q + slack                5.734 s
worst failover                 T(1+ρ) + 2·(2·RTT) + start    16.715 s
";

    fn check_text(timing: &Timing, expected: &str) {
        let text = Certificate::of(timing).to_string();
        assert_eq!(text.trim_end(), expected.trim(), "\n{text}");
    }

    #[test]
    fn of_the_default() {
        check_text(&Profile::Default.timing(), DEFAULT);
    }

    #[test]
    fn of_kappa_three() {
        let text = Certificate::of(&Profile::Conservative.timing()).to_string();
        let picture: Vec<&str> = text.lines().skip(2).take(3).collect();
        let expected = [
            " t0               D − g     D          D + W′      D + 2·W′  D + 3·W′  E        take",
            " |renewals, pings-|stopping-|late ping·|late close·|··reset··|····δ····|        |",
            " 0 s              13.45 s   16.45 s    26.95 s     37.45 s   47.95 s   49.95 s  50.05 s",
        ];
        assert_eq!(picture, expected);
    }

    #[test]
    fn a_trimmed_margin_is_not_safe() {
        let mut timing = scaled_kappa_one();
        timing.trim = Span(1);
        let certificate = Certificate::of(&timing);
        assert_eq!(certificate.slack_worst_clocks.0, -1);
        assert!(!certificate.is_safe());
        let text = certificate.to_string();
        assert!(
            text.starts_with("NOT SAFE, and refused\n  no-trim: "),
            "{text}"
        );
    }

    #[test]
    fn a_short_authority_is_safe_but_refused() {
        let mut timing = Profile::Default.timing();
        timing.outage = Span(6_000);
        let certificate = Certificate::of(&timing);
        assert!(certificate.is_safe() && !certificate.is_accepted());
        let text = certificate.to_string();
        let expected = "safe, but refused: not live\n  renewal-in-time: ";
        assert!(text.starts_with(expected), "{text}");
    }
}
