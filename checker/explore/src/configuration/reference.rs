//! The rules that one gets wrong, each with its counterexample.
//!
//! Every one of these has been built somewhere, or was written down here first. The traces are
//! explained in `docs/checking.md`.

use lockstep_model::mutation::Mutant;
use lockstep_world::property::Property;

use super::{Configuration, Expectation, Tier};
use crate::mutants::{Case, cases};

/// What is shown, under which name, and how it ends.
const SHOWN: &[(&str, Mutant, Property, &str)] = &[
    (
        "relative-feeding",
        Mutant::RelativeFeeding,
        Property::TakenIsDead,
        "A client's deadline counts from when it was fed, as in the reference (120, 60, 10 s).",
    ),
    (
        "margin-of-one-reset",
        Mutant::MarginOfOneReset,
        Property::TakenIsDead,
        "D = E − W′ − p − δ: a late ping and a late close are forgotten.",
    ),
    (
        "read-settles-release",
        Mutant::ReadSettles,
        Property::TakenIsDead,
        "A read that still shows the old record is taken to settle a release in flight.",
    ),
    (
        "shorter-ttl-at-once",
        Mutant::ShorterTtlAtOnce,
        Property::TakenIsDead,
        "A shorter T is sent before the multiplexer knows.",
    ),
    (
        "frozen-is-dead",
        Mutant::FrozenIsDead,
        Property::TakenIsDead,
        "The free lock of a node with frozen services is taken as proof that they are dead.",
    ),
    (
        "return-guarded",
        Mutant::ReturnGuarded,
        Property::TakenIsDead,
        "A returning LRM holds its lock guarded before its watchdog is armed.",
    ),
    (
        "stale-view",
        Mutant::StaleView,
        Property::StartAfterGrantRead,
        "A service is started from what was read before the grant.",
    ),
    (
        "boot-takes-over",
        Mutant::BootTakesOver,
        Property::TakenIsDead,
        "A new boot takes over its node's lock at once.",
    ),
];

/// Those whose search takes longer than a quick check may.
const LONG: &[Mutant] = &[
    Mutant::RelativeFeeding,
    Mutant::MarginOfOneReset,
    Mutant::ShorterTtlAtOnce,
    Mutant::ReturnGuarded,
    Mutant::ReadSettles,
];

pub(super) fn all() -> Vec<Configuration> {
    let cases = cases();
    let show = |(name, mutant, property, about): &(&str, Mutant, Property, &str)| {
        let case: Option<&Case> = cases.iter().find(|case| case.mutant == *mutant);
        case.map(|case| Configuration {
            name: format!("reference/{name}"),
            about: (*about).into(),
            tier: match LONG.contains(mutant) {
                true => Tier::Full,
                false => Tier::Quick,
            },
            expectation: Expectation::RuleBroken(*property),
            ..case.configuration.clone()
        })
    };
    SHOWN.iter().filter_map(show).collect()
}
