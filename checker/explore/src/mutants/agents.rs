//! Rules of fencing by agent, broken.

use lockstep_model::mutation::Mutant;
use lockstep_world::Fault;
use lockstep_world::property::Property;

use super::{Case, case};
use crate::configuration::{brisk_kappa_one, fenced};

/// What fence agents prove, and about what.
pub(super) fn agents() -> Vec<Case> {
    let timing = brisk_kappa_one();
    let rule = "fence agents";
    vec![
        case(
            Mutant::FenceUnrecorded,
            rule,
            Property::FenceIntended,
            fenced::fenced(&timing, &[]),
        ),
        case(
            Mutant::FencedDoesNotTrail,
            rule,
            Property::TakenIsDead,
            fenced::fenced(&timing, &[]),
        ),
        case(
            Mutant::FencedAnyTerm,
            rule,
            Property::TakenIsDead,
            fenced::fenced(&timing, &[Fault::PauseContender]),
        ),
        case(
            Mutant::FenceWakesBusy,
            rule,
            Property::TimeCanPass,
            fenced::fenced(&timing, &[]),
        ),
    ]
}
