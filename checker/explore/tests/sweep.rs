//! The margin's formula: the search finds a double run exactly where it says unsafe.
//!
//! `UPDATE_PICTURES=1` rewrites the plot in `docs`.

mod kept;

use lockstep_explore::sweep::{Answer, Point, plot, sweep};
use lockstep_model::config::{Kappa, inequality};
use lockstep_model::time::Span;

fn answers() -> Vec<Answer> {
    sweep(&Point::all(), 2).expect("every search comes to a verdict")
}

#[test]
fn a_double_run_is_found_exactly_where_the_formula_says_unsafe() {
    let answers = answers();
    let differing: Vec<&Answer> = answers.iter().filter(|answer| !answer.agrees()).collect();
    assert!(differing.is_empty(), "{differing:?}");
    for kappa in [Kappa::One, Kappa::Three] {
        let of_kappa = || answers.iter().filter(|answer| answer.point.kappa == kappa);
        assert!(of_kappa().filter(|answer| answer.violated).count() > 50);
        assert!(of_kappa().filter(|answer| !answer.violated).count() > 50);
    }
    let differing = kept::compare("docs/pictures/sweep.svg", &plot(&answers));
    assert_eq!(differing, None);
}

/// What a daemon may run on is safe by the form for ticks, too; it has no tick to spare for κ = 1.
#[test]
fn an_accepted_margin_is_safe() {
    let mut spared = Vec::new();
    for point in Point::all() {
        if point.drift > 0 || point.clock_errs {
            continue;
        }
        let mut timing = point.timing();
        timing.trim = Span(0);
        timing.host_stop = Span(0);
        let margin = timing.margin(timing.reset_max).0;
        let broken = inequality::check(&timing).err().unwrap_or_default();
        let refused = broken.iter().any(|broken| broken.inequality.is_safety());
        assert!(refused || margin >= point.needed(), "{point:?}");
        if point.kappa == Kappa::One && !refused {
            spared.push(margin - point.needed());
        }
        if margin < point.needed() {
            assert_eq!(point.kappa, Kappa::One, "{point:?}");
        }
    }
    assert!(spared.iter().all(|ticks| *ticks == 0) && !spared.is_empty());
}
