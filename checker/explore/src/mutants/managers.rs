//! Rules of the manager, broken: found by what its commits write.

use lockstep_model::manager::status::Requested;
use lockstep_model::mutation::Mutant;
use lockstep_world::cluster::ClusterSetup;
use lockstep_world::leads::Leads;
use lockstep_world::property::Property;
use lockstep_world::{Admin, Fault, Setup};

use super::{Case, case, never};
use crate::configuration::{edges, layer3, layer3_rules};

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
        case(
            Mutant::RemovalUncompared,
            "what is decided counts once it is written",
            Property::NoLostService,
            edges::asking(
                pausing(&[Fault::PauseCrm]),
                &[Requested::Ignored, Requested::Started],
                &[],
                2,
            ),
        ),
        case(
            Mutant::CommandsUncompared,
            "what is decided counts once it is written",
            Property::NoLostCommand,
            edges::asking(
                pausing(&[Fault::PauseCrm]),
                &[],
                &["enable-node-maintenance node1", "disarm-ha freeze"],
                2,
            ),
        ),
        case(
            Mutant::RulesUnheeded,
            "where services may be",
            Property::Affinity,
            layer3_rules::strict(&[Fault::Power]),
        ),
        case(
            Mutant::PartnersUnheeded,
            "where services may be",
            Property::Affinity,
            layer3_rules::asked(layer3_rules::together(&[]), &["migrate vm:101 node2"], 1),
        ),
        case(
            Mutant::PrioritiesUnheeded,
            "where services may be",
            Property::Affinity,
            layer3_rules::preferred_of_three(&[Fault::Power]),
        ),
    ]
}

/// What a manager promises, and never keeps.
pub(super) fn promised() -> Vec<Case> {
    vec![
        never(
            Mutant::NeverContends,
            "what a manager promises",
            Leads::FenceResolved,
            edges::failing(edges::alone(Requested::Started), &[Fault::Power], 1),
        ),
        never(
            Mutant::StartNotOrdered,
            "what a manager promises",
            Leads::RequestedRuns,
            beginning(),
        ),
        never(
            Mutant::FrozenForEver,
            "what a manager promises",
            Leads::RequestedRuns,
            edges::leaving(&[Admin::RestartLrm], &[Fault::Power]),
        ),
        never(
            Mutant::DisarmNeverEnds,
            "what a manager promises",
            Leads::DisarmCompletes,
            edges::disarming(),
        ),
        never(
            Mutant::MaintenanceUnheeded,
            "what a manager promises",
            Leads::MaintenanceEmpties,
            edges::asking(
                edges::alone(Requested::Started),
                &[],
                &["enable-node-maintenance node1"],
                1,
            ),
        ),
    ]
}

/// Nothing has been started yet.
fn beginning() -> Setup {
    let mut setup = edges::alone(Requested::Started);
    setup.warm = 0;
    setup
}

/// The host with the CRM fails.
fn pausing(faults: &[Fault]) -> Setup {
    let mut setup = edges::failing(edges::alone(Requested::Started), faults, 1);
    setup.fault_hosts = vec![1];
    setup
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
