//! What the reference does where our own rules differ (`Compat`), on our own machines: it must break
//! a property.
//!
//! Three more were tried on clusters as small as this one, to closure, and broke none:
//! `fence_while_taking` (loc-changes-under-lock), `unowned_is_recovered` (single-instance) and
//! `change_drops_request` (no-lost-command). What they lead to on the reference's own machines stands in
//! `model/DEVIATIONS.md`.

use lockstep_model::config::policy::{Compat, Policy};
use lockstep_model::manager::status::Requested;
use lockstep_world::property::Property;
use lockstep_world::{Fault, Setup};

use super::edges::{alone, asking, failing};
use super::layer1::holds;
use super::layer3::POLICY;
use super::{Configuration, Expectation};

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
        expectation: Expectation::RuleBroken(property),
        ..holds(format!("reference/{name}"), about, setup)
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
