//! Layer 3: CRMs with their manager; node and service states, commands, placement, recovery.
//!
//! Each host has a stand-in for its LRM and watchdog ([`lockstep_world::stand_in`]), which does
//! anything at any time that layers 1 and 2 let them do. The CRMs, their locks, reads and commits
//! are the machines themselves.

use lockstep_model::config::{Compat, Config, Kappa, Policy, Timing};
use lockstep_model::id::{MachineId, NodeId, Ranks};
use lockstep_model::manager::status::{Requested, Resource};
use lockstep_model::mutation::Mask;
use lockstep_model::record::Wanted;
use lockstep_model::time::Span;
use lockstep_world::cluster::ClusterSetup;
use lockstep_world::setup::{HostSetup, Physics, ServiceSetup};
use lockstep_world::{Admin, Fault, Setup};

use super::layer1::holds;
use super::{Configuration, brisk_kappa_one};

/// The shortest timings that a CRM tells apart: a node without a sign of life for 3 ticks is offline
/// and is to be fenced, a lock that was silent for 4 is dead.
fn timing() -> Timing {
    Timing {
        lock_ttl: Span(4),
        renewal: Span(1),
        request_timeout: Span(1),
        presence: Span(1),
        fence_delay: Span(3),
        kappa: Kappa::One,
        ..brisk_kappa_one()
    }
}

const POLICY: Policy = Policy {
    crm_idle_rounds: 1,
    lrm_idle_rounds: 1,
    forget_node: Span(6),
    round: Span(4),
    compat: Compat::NONE,
    ..Policy::OWN
};

/// A service as it is configured in most of these.
pub(crate) fn resource(requested: Requested) -> Resource {
    Resource {
        requested,
        node: None,
        group: None,
        failback: true,
        max_restart: 0,
        max_relocate: 1,
        can_migrate: true,
        guest_lock: None,
    }
}

/// `hosts` hosts with CRMs on the first `crms`, and services on the first one.
pub(crate) fn cluster(hosts: u16, crms: u16, resources: Vec<Resource>) -> Setup {
    let timing = timing();
    let cluster = ClusterSetup::new(hosts, resources);
    let mut config = Config::for_checking(timing.clone(), Ranks::default(), Mask::default());
    config.services = cluster.names.service_ranks();
    config.nodes = cluster.names.node_ranks();
    let configs = [config.clone().deciding(POLICY), config.deciding(POLICY)];
    let host = |number: u16| HostSetup {
        node: NodeId(number),
        machine: MachineId(u128::from(number)),
        lrm: false,
        stand_in: true,
        crm: number < crms,
        contends_for: None,
        on: true,
    };
    let service = |_| ServiceSetup {
        location: NodeId(0),
        wanted: Wanted::Ignored,
    };
    Setup {
        rebase_bound: Setup::sufficient_bound(&configs, true),
        configs,
        hosts: (0..hosts).map(host).collect(),
        services: cluster.resources.iter().map(service).collect(),
        cluster: Some(Box::new(cluster)),
        faults: Vec::new(),
        fault_budget: 0,
        each_fault_once: false,
        fault_hosts: (0..usize::from(hosts)).collect(),
        admin: Vec::new(),
        admin_budget: 0,
        physics: Physics::as_told(&timing),
        instant_agents: true,
        reduce: true,
        symmetric: Vec::new(),
        outage_max: None,
        never_resets: false,
        only_moves_late: false,
        orders: Vec::new(),
        orders_budget: 0,
        orders_at_rest: false,
        orders_in_turn: false,
        restarts_max: None,
        reorder: false,
        warm: 0,
    }
}

pub(super) fn all() -> Vec<Configuration> {
    let mut all = Vec::new();
    all.push(holds(
        String::from("l3/start"),
        "Two CRMs begin, one is elected, a service is started; nothing fails.",
        cluster(2, 2, vec![resource(Requested::Started)]),
    ));
    let mut setup = cluster(2, 2, vec![resource(Requested::Started)]);
    setup.faults = vec![Fault::Power];
    setup.fault_budget = 1;
    setup.fault_hosts = vec![0];
    setup.warm = 12;
    all.push(holds(
        String::from("l3/power"),
        "A host loses power.",
        setup,
    ));
    let mut setup = cluster(2, 1, vec![resource(Requested::Started)]);
    setup.admin = vec![Admin::Command];
    all.push(holds(String::from("l3/one"), "One CRM alone.", setup));
    all
}
