//! Layer 3: where services may be. Rules, groups that become rules, starts that fail.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::format::groups::{Group, Groups};
use lockstep_model::format::rules::{Affinity, Demand, Rule, Rules};
use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::manager::status::{Requested, Resource};
use lockstep_world::cluster::{ClusterSetup, Demands};
use lockstep_world::coverage::Tag;
use lockstep_world::{Admin, Fault, Setup};

use super::Configuration;
use super::layer1::holds;
use super::layer3::{cluster, decided_by_second};

const ONE: ServiceId = ServiceId(0);
const OTHER: ServiceId = ServiceId(1);

pub(super) fn all() -> Vec<Configuration> {
    let mut all = nodes();
    all.extend(partners());
    all.extend(groups());
    all.extend(starts());
    all
}

/// Two hosts with CRMs, services on the first, and faults of the first: one at most.
pub(super) fn settled(resources: Vec<Resource>, faults: &[Fault]) -> Setup {
    settled_in(cluster(2, 2, resources), faults)
}

/// The same in this cluster.
pub(super) fn settled_in(mut setup: Setup, faults: &[Fault]) -> Setup {
    setup.warm = 8;
    setup.fault_hosts = vec![0];
    setup.faults = faults.to_vec();
    setup.fault_budget = u8::from(!faults.is_empty());
    setup
}

/// So many services that are to run.
pub(super) fn started(services: usize) -> Vec<Resource> {
    vec![ClusterSetup::resource(Requested::Started); services]
}

/// The same, with what people may ask for and how often.
pub(crate) fn asked(mut setup: Setup, commands: &[&str], budget: u8) -> Setup {
    setup.admin = vec![Admin::Command];
    setup.admin_budget = budget;
    changed(setup, |cluster| cluster.with_commands(commands))
}

/// The same, with another cluster.
pub(super) fn changed(
    mut setup: Setup,
    change: impl FnOnce(ClusterSetup) -> ClusterSetup,
) -> Setup {
    setup.cluster = setup.cluster.map(|cluster| Box::new(change(*cluster)));
    setup
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| String::from(*name)).collect()
}

fn rules(rule: Rule) -> Rules {
    let mut rules = Rules::new();
    rules.insert("rule".into(), Some(1), rule);
    rules
}

/// The first service is to run on these nodes.
fn on_nodes(nodes: &[(&str, u64)], strict: bool) -> Rules {
    let nodes: BTreeMap<String, u64> = nodes
        .iter()
        .map(|(node, priority)| (String::from(*node), *priority))
        .collect();
    let demand = Demand::Nodes {
        nodes,
        strict: Some(strict),
    };
    rules(Rule::new(names(&["vm:101"]), demand))
}

/// The two services are to be together, or apart.
fn spread(affinity: Affinity) -> Rules {
    let both = names(&["vm:101", "vm:102"]);
    rules(Rule::new(both, Demand::Affinity(affinity)))
}

/// A service that may run on the first node alone.
pub(crate) fn strict(faults: &[Fault]) -> Setup {
    let rules = on_nodes(&[("node1", 0)], true);
    changed(settled(started(1), faults), |cluster| {
        cluster.with_rules(rules, only_on_first())
    })
}

fn only_on_first() -> Demands {
    Demands {
        only_on: vec![(ONE, vec![NodeId(0)])],
        ..Demands::default()
    }
}

/// A service that belongs on the first node, and may run on the second.
fn preferred(faults: &[Fault]) -> Setup {
    let rules = on_nodes(&[("node1", 2), ("node2", 1)], true);
    let demands = Demands {
        preferred: vec![(ONE, vec![NodeId(0), NodeId(1)])],
        ..Demands::default()
    };
    changed(settled(started(1), faults), |cluster| {
        cluster.with_rules(rules, demands)
    })
}

/// A service that prefers the first host, then the third; the second decides.
pub(crate) fn preferred_of_three(faults: &[Fault]) -> Setup {
    let rules = on_nodes(&[("node1", 3), ("node2", 1), ("node3", 2)], true);
    let demands = Demands {
        preferred: vec![(ONE, vec![NodeId(0), NodeId(2), NodeId(1)])],
        ..Demands::default()
    };
    let three = decided_by_second(cluster(3, 1, started(1)));
    changed(settled_in(three, faults), |cluster| {
        cluster.with_rules(rules, demands)
    })
}

/// Two services that are to be on one node.
pub(crate) fn together(faults: &[Fault]) -> Setup {
    let rules = spread(Affinity::Positive);
    let demands = Demands {
        together: vec![(ONE, OTHER)],
        ..Demands::default()
    };
    changed(settled(started(2), faults), |cluster| {
        cluster.with_rules(rules, demands)
    })
}

/// Two services that must not be on one node, each on its own.
fn apart(faults: &[Fault]) -> Setup {
    let rules = spread(Affinity::Negative);
    let demands = Demands {
        apart: vec![(ONE, OTHER)],
        ..Demands::default()
    };
    let mut setup = settled(started(2), faults);
    setup.services[1].location = NodeId(1);
    changed(setup, |cluster| cluster.with_rules(rules, demands))
}

/// Node affinity: strict, and with a node that is preferred.
fn nodes() -> Vec<Configuration> {
    vec![
        holds(
            "l3/strict-power",
            "A service may run on one node alone, which loses power: it waits for that node.",
            strict(&[Fault::Power]),
        )
        .meeting(&[Tag::Fenced, Tag::RecoveryWaits])
        .in_full(),
        holds(
            "l3/strict-migrate",
            "A service may run on one node alone, and people ask for it on the other.",
            asked(strict(&[]), &["migrate vm:101 node2"], 1),
        )
        .meeting(&[Tag::CommandTaken, Tag::CameHome])
        .in_full(),
        holds(
            "l3/preferred-power",
            "The node that a service prefers loses power and returns: the service comes back to it.",
            preferred(&[Fault::Power]),
        )
        .meeting(&[Tag::Recovered, Tag::CameHome])
        .in_deep(),
        holds(
            "l3/preferred-of-three",
            "The node that a service prefers loses power: of two others it goes to the one that it \
             prefers.",
            preferred_of_three(&[Fault::Power]),
        )
        .meeting(&[Tag::Recovered, Tag::CameHome]),
        holds(
            "l3/preferred-migrate",
            "A service is migrated away from the node that it prefers.",
            asked(preferred(&[]), &["migrate vm:101 node2"], 1),
        )
        .meeting(&[Tag::CommandTaken])
        .in_full(),
        holds(
            "l3/preferred-crash-crm",
            "A service is migrated away from the node that it prefers; a CRM crashes.",
            asked(preferred(&[Fault::CrashCrm]), &["migrate vm:101 node2"], 1),
        )
        .meeting(&[Tag::CommandTaken, Tag::MasterChanged])
        .in_deep(),
    ]
}

/// Resource affinity.
fn partners() -> Vec<Configuration> {
    vec![
        holds(
            "l3/together-migrate",
            "Two services are to be together, and one of them is to be migrated.",
            asked(together(&[]), &["migrate vm:101 node2"], 1),
        )
        .meeting(&[Tag::CommandTaken, Tag::MovedTogether])
        .in_full(),
        holds(
            "l3/together-power",
            "Two services are to be together, and their node loses power.",
            together(&[Fault::Power]),
        )
        .meeting(&[Tag::Recovered])
        .in_full(),
        holds(
            "l3/apart-migrate",
            "Two services are to be apart, and one of them is to come to the other.",
            asked(apart(&[]), &["migrate vm:101 node2"], 1),
        )
        .meeting(&[Tag::CommandTaken]),
        holds(
            "l3/apart-power",
            "Two services are to be apart on two nodes, of which one loses power.",
            apart(&[Fault::Power]),
        )
        .meeting(&[Tag::Fenced, Tag::RecoveryWaits])
        .in_full(),
    ]
}

/// Groups become rules in a round of the master's.
fn groups() -> Vec<Configuration> {
    let one = |fault: Option<Fault>| {
        let mut groups = Groups::new();
        let group = Group {
            nodes: names(&["node1"]),
            restricted: Some(true),
            nofailback: Some(true),
            comment: None,
        };
        groups.insert("first".into(), Some(1), group);
        let mut setup = settled(started(1), fault.as_slice());
        setup.warm = 12;
        changed(setup, |mut cluster| {
            for resource in cluster.resources.iter_mut().flatten() {
                resource.group = Some("first".into());
            }
            cluster.groups = groups;
            cluster.with_rules(Rules::new(), only_on_first())
        })
    };
    let about = |what: &str| format!("A group becomes a rule; {what}.");
    vec![
        holds("l3/groups", &about("nothing fails"), one(None)).meeting(&[Tag::GroupsMigrated]),
        holds(
            "l3/groups-crash-crm",
            &about("one fault: crash-crm"),
            one(Some(Fault::CrashCrm)),
        )
        .meeting(&[Tag::GroupsMigrated, Tag::MasterChanged]),
        holds(
            "l3/groups-delay",
            &about("one fault: delay"),
            one(Some(Fault::Delay)),
        )
        .meeting(&[Tag::GroupsMigrated, Tag::ZombieApplied]),
        holds(
            "l3/groups-power",
            &about("one fault: power"),
            one(Some(Fault::Power)),
        )
        .meeting(&[Tag::GroupsMigrated, Tag::RecoveryWaits])
        .in_deep(),
    ]
}

/// A service that is about to be started where starts fail.
fn starts() -> Vec<Configuration> {
    let failing = |budget: u8| {
        let mut setup = settled(started(1), &[Fault::AgentFails]);
        setup.warm = 0;
        setup.fault_hosts = vec![0, 1];
        setup.fault_budget = budget;
        setup
    };
    vec![
        holds(
            "l3/start-fails",
            "A service can't be started on its node, and is relocated.",
            failing(1),
        )
        .meeting(&[Tag::RelocatedAfterFailure])
        .in_full(),
        holds(
            "l3/start-fails-twice",
            "A service can be started on no node, and is left in error.",
            failing(2),
        )
        .meeting(&[Tag::RelocatedAfterFailure, Tag::InError])
        .in_full(),
    ]
}
