//! Layer 4: the whole. CRMs with their manager, LRMs with workers and agents, multiplexers and
//! devices, on a store that anything may happen to.

use lockstep_model::config::Config;
use lockstep_model::id::Ranks;
use lockstep_model::manager::status::Requested;
use lockstep_model::mutation::Mask;
use lockstep_world::cluster::ClusterSetup;
use lockstep_world::setup::Physics;
use lockstep_world::{Fault, Setup};

use super::layer1::holds;
use super::layer3::{POLICY, cluster};
use super::{Configuration, brisk_kappa_one};

/// `hosts` hosts with everything, and services on the first.
pub(crate) fn whole(hosts: u16, crms: u16, services: usize) -> Setup {
    let timing = brisk_kappa_one();
    let resources = vec![ClusterSetup::resource(Requested::Started); services];
    let mut setup = cluster(hosts, crms, resources);
    for config in &mut setup.configs {
        let (services, nodes) = (config.services.clone(), config.nodes.clone());
        *config = Config::for_checking(timing.clone(), Ranks::default(), Mask::default());
        config.services = services;
        config.nodes = nodes;
        *config = config.clone().deciding(POLICY);
    }
    setup.rebase_bound = Setup::sufficient_bound(&setup.configs, true);
    setup.physics = Physics::as_told(&timing);
    for host in &mut setup.hosts {
        host.lrm = true;
        host.stand_in = false;
    }
    setup
}

const FAULTS: &[(Fault, &str)] = &[
    (Fault::Power, "power"),
    (Fault::Isolate, "isolate"),
    (Fault::Outage, "outage"),
    (Fault::PauseLrm, "pause-lrm"),
    (Fault::PauseMux, "pause-mux"),
    (Fault::PauseCrm, "pause-crm"),
    (Fault::PauseAll, "pause-all"),
    (Fault::CrashLrm, "crash-lrm"),
    (Fault::CrashMux, "crash-mux"),
    (Fault::CrashCrm, "crash-crm"),
    (Fault::AgentFails, "agent-fails"),
    (Fault::ServiceEnds, "service-ends"),
    (Fault::Delay, "delay"),
];

pub(super) fn all() -> Vec<Configuration> {
    let mut all = vec![holds(
        "l4/undisturbed",
        "Two hosts with everything and one service; nothing fails.",
        warm(whole(2, 2, 1)),
    )];
    for (fault, name) in FAULTS {
        let mut setup = warm(whole(2, 2, 1));
        setup.faults = vec![*fault];
        setup.fault_budget = 1;
        setup.fault_hosts = vec![0];
        let about = format!("Two hosts with everything and one service; one fault: {name}.");
        let configuration = holds(format!("l4/{name}"), &about, setup);
        all.push(if *fault == Fault::ServiceEnds {
            configuration
        } else {
            configuration.in_deep()
        });
    }
    all.push(three_hosts());
    all
}

/// The largest: what no machine closes, for as long as there is time.
fn three_hosts() -> Configuration {
    let mut setup = warm(whole(3, 3, 2));
    setup.faults = FAULTS.iter().map(|(fault, _)| *fault).collect();
    setup.fault_budget = 2;
    holds(
        "l4/three-hosts",
        "Three hosts with everything and two services; two faults of any kind, anywhere.",
        setup,
    )
    .in_deep()
}

/// The beginning is explored once: these begin with the service running.
fn warm(mut setup: Setup) -> Setup {
    setup.warm = 12;
    setup
}
