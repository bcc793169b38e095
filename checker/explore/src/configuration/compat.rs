//! What the reference does where our own rules differ (`Compat`), on our own machines: it must break
//! a property.
//!
//! Of the other switches none breaks one here. A commit compares what it rests on whatever was
//! decided, which stops `fence_while_taking` and `unowned_is_recovered`; what they lead to on the
//! reference's own machines the simulator's watch shows (`model/DEVIATIONS.md`).

use lockstep_model::config::policy::{Compat, Policy};
use lockstep_model::manager::status::Requested;
use lockstep_model::mutation::Mask;
use lockstep_world::property::Property;
use lockstep_world::{Fault, Setup};

use super::edges::{alone, asking, failing};
use super::layer3::POLICY;
use super::{Configuration, Expectation, Tier};

fn breaks(
    name: &str,
    about: &str,
    property: Property,
    mut setup: Setup,
    compat: Compat,
) -> Configuration {
    for config in &mut setup.configs {
        *config = config.clone().deciding(Policy { compat, ..POLICY });
    }
    Configuration {
        name: format!("reference/{name}"),
        about: about.into(),
        tier: Tier::Quick,
        setup,
        mutants: Mask::NONE,
        expectation: Expectation::RuleBroken(property),
        meets: Vec::new(),
        latest_reset: None,
    }
}

pub(super) fn all() -> Vec<Configuration> {
    let disabled = asking(alone(Requested::Started), &[Requested::Disabled], &[], 1);
    vec![breaks(
        "disabled-is-recovered",
        "A disabled service of a fenced node is moved to another one.",
        Property::DisabledNotRecovered,
        failing(disabled, &[Fault::Power], 1),
        Compat {
            disabled_is_recovered: true,
            ..Compat::NONE
        },
    )]
}
