//! Rules of the manager, broken: found by what its commits write.

use lockstep_model::manager::status::Requested;
use lockstep_model::mutation::Mutant;
use lockstep_world::cluster::ClusterSetup;
use lockstep_world::property::Property;
use lockstep_world::{Admin, Fault, Setup};

use super::{Case, case};
use crate::configuration::layer3;

/// What the manager decides, and writes.
pub(super) fn managers() -> Vec<Case> {
    vec![
        case(
            Mutant::UnfrozenOnWord,
            "what is frozen",
            Property::FrozenUntouched,
            asked(&["disarm-ha freeze", "arm-ha"], &[]),
        ),
        case(
            Mutant::RecoveredAsBrought,
            "orders",
            Property::ResumesLatest,
            asked(&["migrate vm:101 node2"], &[Fault::Power]),
        ),
    ]
}

/// Two hosts with CRMs; people ask for each of these once, and the second host may fail.
fn asked(commands: &'static [&'static str], faults: &[Fault]) -> Setup {
    let resource = ClusterSetup::resource(Requested::Started);
    let mut setup = layer3::cluster(2, 2, vec![resource]);
    setup.warm = 8;
    setup.faults = faults.to_vec();
    setup.fault_budget = u8::from(!faults.is_empty());
    setup.fault_hosts = vec![1];
    setup.admin = vec![Admin::Command];
    setup.admin_budget = u8::try_from(commands.len()).expect("few commands");
    setup.cluster = setup
        .cluster
        .map(|cluster| Box::new(cluster.with_commands(commands)));
    setup
}
