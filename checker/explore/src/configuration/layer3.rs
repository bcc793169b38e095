//! Layer 3: CRMs with their manager; node and service states, commands, placement, recovery.
//!
//! Each host has a stand-in for its LRM and watchdog ([`lockstep_world::stand_in`]), which does
//! anything at any time that layers 1 and 2 let them do. The CRMs, their locks, reads and commits
//! are the machines themselves.

use lockstep_model::config::{Compat, Config, Kappa, Policy, Timing};
use lockstep_model::id::{MachineId, NodeId, Ranks, ServiceId};
use lockstep_model::manager::status::{Requested, Resource};
use lockstep_model::mutation::Mask;
use lockstep_model::record::{Data, DataKey, Wanted};
use lockstep_model::time::Span;
use lockstep_world::cluster::{ClusterSetup, Edit};
use lockstep_world::coverage::Tag;
use lockstep_world::setup::{HostSetup, Physics, ServiceSetup};
use lockstep_world::{Admin, Fault, Setup};

use super::layer1::holds;
use super::{Configuration, brisk_kappa_one};

/// The shortest timings that a CRM tells apart: a node without a sign of life for 3 ticks is offline
/// and is to be fenced, a lock that was silent for 4 is dead.
pub(super) fn timing() -> Timing {
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

pub(crate) const POLICY: Policy = Policy {
    crm_idle_rounds: 1,
    lrm_idle_rounds: 1,
    forget_node: Span(6),
    round: Span(4),
    compat: Compat::NONE,
    ..Policy::OWN
};

/// `hosts` hosts with CRMs on the first `crms`, and services on the first one.
pub(crate) fn cluster(hosts: u16, crms: u16, resources: Vec<Resource>) -> Setup {
    timed_cluster(&timing(), hosts, crms, resources)
}

/// The same, with another timing.
pub(crate) fn timed_cluster(
    timing: &Timing,
    hosts: u16,
    crms: u16,
    resources: Vec<Resource>,
) -> Setup {
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
        physics: Physics::as_told(timing),
        instant_agents: true,
        reduce: true,
        fenceable: Vec::new(),
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

/// The same, with its only CRM on the second host.
pub(crate) fn decided_by_second(mut setup: Setup) -> Setup {
    setup.hosts[0].crm = false;
    setup.hosts[1].crm = true;
    setup
}

/// The faults that a cluster with CRMs is exposed to, one at a time.
const FAULTS: &[Fault] = &[
    Fault::Power,
    Fault::Isolate,
    Fault::Outage,
    Fault::PauseLrm,
    Fault::CrashLrm,
    Fault::PauseCrm,
    Fault::CrashCrm,
    Fault::PauseAll,
    Fault::AgentFails,
    Fault::ServiceEnds,
    Fault::Delay,
];

/// What people do beside that.
struct Feature {
    name: &'static str,
    about: &'static str,
    commands: &'static [&'static str],
    edits: &'static [Requested],
    admin: &'static [Admin],
    budget: u8,
}

const FEATURES: &[Feature] = &[
    Feature {
        name: "run",
        about: "nobody asks for anything",
        commands: &[],
        edits: &[],
        admin: &[],
        budget: 0,
    },
    Feature {
        name: "stop-start",
        about: "the service is stopped and started",
        commands: &[],
        edits: &[Requested::Stopped, Requested::Started],
        admin: &[Admin::Edit],
        budget: 2,
    },
    Feature {
        name: "disable",
        about: "the service is disabled",
        commands: &[],
        edits: &[Requested::Disabled],
        admin: &[Admin::Edit],
        budget: 1,
    },
    Feature {
        name: "ignore",
        about: "the service is ignored and comes back",
        commands: &[],
        edits: &[Requested::Ignored, Requested::Started],
        admin: &[Admin::Edit],
        budget: 2,
    },
    Feature {
        name: "migrate",
        about: "the service is migrated",
        commands: &["migrate vm:101 node2"],
        edits: &[],
        admin: &[Admin::Command],
        budget: 1,
    },
    Feature {
        name: "relocate",
        about: "the service is relocated",
        commands: &["relocate vm:101 node2"],
        edits: &[],
        admin: &[Admin::Command],
        budget: 1,
    },
    Feature {
        name: "stop-command",
        about: "the service is stopped by a command",
        commands: &["stop vm:101 1"],
        edits: &[],
        admin: &[Admin::Command],
        budget: 1,
    },
    Feature {
        name: "maintenance",
        about: "the node is put into maintenance and taken out of it",
        commands: &[
            "enable-node-maintenance node1",
            "disable-node-maintenance node1",
        ],
        edits: &[],
        admin: &[Admin::Command],
        budget: 2,
    },
    Feature {
        name: "disarm-freeze",
        about: "the stack is disarmed, services frozen, and armed again",
        commands: &["disarm-ha freeze", "arm-ha"],
        edits: &[],
        admin: &[Admin::Command],
        budget: 2,
    },
    Feature {
        name: "disarm-ignore",
        about: "the stack is disarmed, services ignored, and armed again",
        commands: &["disarm-ha ignore", "arm-ha"],
        edits: &[],
        admin: &[Admin::Command],
        budget: 2,
    },
    Feature {
        name: "freeze",
        about: "an LRM is restarted, its services left running",
        commands: &[],
        edits: &[],
        admin: &[Admin::RestartLrm],
        budget: 1,
    },
    Feature {
        name: "shutdown",
        about: "an LRM ends with its services",
        commands: &[],
        edits: &[],
        admin: &[Admin::StopLrm],
        budget: 1,
    },
    Feature {
        name: "confirm",
        about: "an LRM is restarted, and a person may confirm that its node is dead",
        commands: &[],
        edits: &[],
        admin: &[Admin::RestartLrm, Admin::ConfirmDead],
        budget: 2,
    },
    Feature {
        name: "stop-crm",
        about: "a CRM is stopped",
        commands: &[],
        edits: &[],
        admin: &[Admin::StopCrm],
        budget: 1,
    },
];

/// Those that are known to close, soon enough for every change.
const CLOSE: &[&str] = &[
    "l3/run",
    "l3/run-power",
    "l3/run-pause-lrm",
    "l3/run-pause-crm",
    "l3/run-crash-crm",
    "l3/run-pause-all",
    "l3/run-service-ends",
    "l3/run-delay",
    "l3/stop-start",
    "l3/disable",
    "l3/ignore",
    "l3/migrate",
    "l3/relocate",
    "l3/stop-command",
    "l3/freeze",
    "l3/shutdown",
    "l3/stop-crm",
    "l3/stop-crm-crash-crm",
];

/// Those that are known to close, before a release.
const FULL: &[&str] = &[
    "l3/disable-crash-crm",
    "l3/disable-pause-crm",
    "l3/ignore-crash-crm",
    "l3/run-crash-lrm",
    "l3/stop-command-crash-crm",
    "l3/stop-command-pause-crm",
];

/// What must have happened where a feature is explored.
const SHOWN_BY_FEATURE: &[(&str, &[Tag])] = &[
    ("migrate", &[Tag::CommandTaken]),
    ("relocate", &[Tag::CommandTaken]),
    ("stop-command", &[Tag::CommandTaken]),
    ("stop-start", &[Tag::Moved]),
    ("disable", &[Tag::Moved]),
    ("ignore", &[Tag::Moved]),
    ("freeze", &[Tag::Frozen]),
    ("stop-crm", &[Tag::MasterChanged]),
];

/// What must have happened where a fault is explored, whatever else is.
const SHOWN_BY_FAULT: &[(Fault, &[Tag])] = &[
    (Fault::Power, &[Tag::Fenced, Tag::MasterChanged]),
    (Fault::PauseCrm, &[Tag::MasterChanged]),
    (Fault::CrashCrm, &[Tag::MasterChanged]),
    (Fault::PauseAll, &[Tag::MasterChanged]),
    (Fault::Isolate, &[Tag::MasterChanged]),
    (Fault::PauseLrm, &[Tag::ToBeFenced, Tag::MasterChanged]),
    (Fault::Delay, &[Tag::ZombieApplied]),
];

pub(super) fn all() -> Vec<Configuration> {
    let mut all = vec![holds(
        "l3/start",
        "Two CRMs begin, one is elected, a service is started; nothing fails.",
        cluster(2, 2, vec![ClusterSetup::resource(Requested::Started)]),
    )];
    for feature in FEATURES {
        all.push(one(feature, None));
        for fault in FAULTS {
            // What has been started already can't fail to start.
            if feature.name != "run" || *fault != Fault::AgentFails {
                all.push(one(feature, Some(*fault)));
            }
        }
    }
    all
}

/// One service on two hosts with CRMs; one feature, at most one fault of the first host.
fn one(feature: &Feature, fault: Option<Fault>) -> Configuration {
    let mut setup = cluster(2, 2, vec![ClusterSetup::resource(Requested::Started)]);
    setup.warm = 8;
    setup.fault_hosts = vec![0];
    setup.faults = fault.into_iter().collect();
    setup.fault_budget = u8::from(fault.is_some());
    setup.admin = feature.admin.to_vec();
    setup.admin_budget = feature.budget;
    if let Some(mut cluster) = setup.cluster.take() {
        cluster.edits = feature
            .edits
            .iter()
            .map(|requested| edit(*requested))
            .collect();
        setup.cluster = Some(Box::new(cluster.with_commands(feature.commands)));
    }
    let (about, fault) = (feature.about, fault.map(Fault::name));
    let fails = fault.map_or("nothing fails".into(), |name| format!("one fault: {name}"));
    let full_name = match fault {
        Some(fault) => format!("l3/{}-{fault}", feature.name),
        None => format!("l3/{}", feature.name),
    };
    let closes = CLOSE.contains(&full_name.as_str());
    let closes_in_full = FULL.contains(&full_name.as_str());
    let about = format!("On two hosts, {about}; {fails}.");
    let shown = shown_by(feature.name, setup.faults.first().copied());
    let configuration = holds(full_name, &about, setup).meeting(&shown);
    match (closes, closes_in_full) {
        (true, _) => configuration,
        (false, true) => configuration.in_full(),
        (false, false) => configuration.in_deep(),
    }
}

fn shown_by(feature: &str, fault: Option<Fault>) -> Vec<Tag> {
    let by_feature = SHOWN_BY_FEATURE.iter().filter(|(name, _)| *name == feature);
    let by_fault = SHOWN_BY_FAULT.iter().filter(|(of, _)| Some(*of) == fault);
    let by_feature = by_feature.flat_map(|(_, tags)| tags.iter());
    by_feature
        .chain(by_fault.flat_map(|(_, tags)| tags.iter()))
        .copied()
        .collect()
}

/// The first service is to do something else.
fn edit(requested: Requested) -> Edit {
    Edit {
        key: DataKey::Resource(ServiceId(0)),
        data: Data::Resource(Some(ClusterSetup::resource(requested))),
    }
}
