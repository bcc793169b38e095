//! Layer 4: the whole. CRMs with their manager, LRMs with workers and agents, multiplexers and
//! devices, on a store that anything may happen to.

use lockstep_model::config::Config;
use lockstep_model::id::Ranks;
use lockstep_model::manager::status::Requested;
use lockstep_model::mutation::Mask;
use lockstep_world::cluster::ClusterSetup;
use lockstep_world::coverage::Tag;
use lockstep_world::setup::Physics;
use lockstep_world::{Admin, Fault, Setup};

use super::layer1::holds;
use super::layer3::{POLICY, cluster, decided_by_second};
use super::{Configuration, brisk_kappa_one, layer3_rules};

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

const FAULTS: &[Fault] = &[
    Fault::Power,
    Fault::Isolate,
    Fault::Outage,
    Fault::PauseLrm,
    Fault::PauseMux,
    Fault::PauseCrm,
    Fault::PauseAll,
    Fault::CrashLrm,
    Fault::CrashMux,
    Fault::CrashCrm,
    Fault::AgentFails,
    Fault::ServiceEnds,
    Fault::Delay,
];

pub(super) fn all() -> Vec<Configuration> {
    let mut all = vec![holds(
        "l4/undisturbed",
        "Two hosts with everything and one service; nothing fails.",
        warm(whole(2, 2, 1)),
    )];
    for fault in FAULTS {
        let name = fault.name();
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
    all.extend(asked());
    all.push(three_hosts());
    all
}

/// Everything on two hosts, with one CRM; nothing fails, and people ask for one thing.
fn asked() -> Vec<Configuration> {
    let one = |name: &str, about: &str, commands: &[&str], admin: Admin, tags: &[Tag]| {
        let setup = decided_by_second(warm(whole(2, 1, 1)));
        let mut setup = layer3_rules::asked(setup, commands, 1);
        setup.admin = vec![admin];
        let about = format!("Two hosts with everything, one with a CRM; {about}.");
        holds(format!("l4/{name}"), &about, setup).meeting(tags)
    };
    vec![
        one(
            "migrate",
            "the service is migrated",
            &["migrate vm:101 node2"],
            Admin::Command,
            &[Tag::CommandTaken, Tag::Sent, Tag::Moved, Tag::Resumed],
        )
        .in_deep(),
        one(
            "stop",
            "the service is stopped",
            &["stop vm:101 1"],
            Admin::Command,
            &[Tag::CommandTaken, Tag::Stopped],
        ),
        one(
            "disarm",
            "the stack is disarmed",
            &["disarm-ha freeze"],
            Admin::Command,
            &[Tag::CommandTaken, Tag::Frozen, Tag::Disarmed],
        ),
        one(
            "maintenance",
            "its node is put into maintenance",
            &["enable-node-maintenance node1"],
            Admin::Command,
            &[Tag::CommandTaken, Tag::Moved],
        )
        .in_deep(),
        one(
            "freeze",
            "its LRM is restarted",
            &[],
            Admin::RestartLrm,
            &[Tag::Frozen, Tag::ReleasedRunning, Tag::GuardedAgain],
        )
        .in_full(),
    ]
}

/// The largest: what no machine closes, for as long as there is time.
fn three_hosts() -> Configuration {
    let mut setup = warm(whole(3, 3, 2));
    setup.faults = FAULTS.to_vec();
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
