//! What a cluster with CRMs knows beside its hosts, and what people may ask of it.

use lockstep_model::format::groups::Groups;
use lockstep_model::format::rules::Rules;
use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::manager::Settings;
use lockstep_model::manager::command::{Command, Parsed};
use lockstep_model::manager::status::{Requested, Resource};
use lockstep_model::master::Files;
use lockstep_model::name::Names;
use lockstep_model::placement::stats::ServiceStats;
use lockstep_model::record::{Data, DataKey};
use lockstep_model::table::Table;

/// What stays the same while a world with CRMs runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSetup {
    /// The names of nodes and services: node N is the N-th name.
    pub names: Names,
    /// The nodes of the cluster.
    pub nodes: Vec<NodeId>,
    /// The settings of the whole cluster.
    pub settings: Settings,
    /// The configuration of each service in the beginning; none: it isn't there yet.
    pub resources: Vec<Option<Resource>>,
    /// The rules in the beginning.
    pub rules: Rules,
    /// The groups in the beginning.
    pub groups: Groups,
    /// What people may ask for, each as often as there is budget.
    pub commands: Vec<Command>,
    /// What people may write into the configuration, each as often as there is budget.
    pub edits: Vec<Edit>,
    /// The version of each node.
    pub versions: Table<NodeId, String>,
    demands: Demands,
    stats: Table<ServiceId, ServiceStats>,
}

/// What rules say, once more: by this a search judges, and asks no rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// Services that may run on some nodes alone.
    pub only_on: Vec<(ServiceId, Vec<NodeId>)>,
    /// Services that belong on the first of these nodes that can have them.
    pub preferred: Vec<(ServiceId, Vec<NodeId>)>,
    /// Services that are to be on one node.
    pub together: Vec<(ServiceId, ServiceId)>,
    /// Services that must not be on one node.
    pub apart: Vec<(ServiceId, ServiceId)>,
}

/// A change of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edit {
    /// Which record.
    pub key: DataKey,
    /// What it is to say from then on.
    pub data: Data,
}

impl ClusterSetup {
    /// A cluster of `nodes` nodes with these services and nothing else.
    ///
    /// # Panics
    ///
    /// If there are more names than ids.
    #[must_use]
    pub fn new(nodes: u16, resources: Vec<Resource>) -> Self {
        let mut names = Names::new();
        let node = |number: u16| format!("node{}", number + 1);
        let ids = (0..nodes).filter_map(|number| names.intern_node(&node(number)));
        let ids: Vec<NodeId> = ids.collect();
        assert_eq!(ids.len(), usize::from(nodes), "every node has an id");
        for number in 0..resources.len() {
            let id = names.intern_service(&format!("vm:{}", 101 + number));
            assert!(id.is_some(), "every service has an id");
        }
        let version = |id: &NodeId| (*id, String::from("9.1.0"));
        Self {
            names,
            versions: ids.iter().map(version).collect(),
            nodes: ids,
            settings: Settings::default(),
            resources: resources.into_iter().map(Some).collect(),
            rules: Rules::default(),
            groups: Groups::default(),
            commands: Vec::new(),
            edits: Vec::new(),
            demands: Demands::default(),
            stats: Table::new(),
        }
    }

    /// A service as it is configured in most of these: moved once after a failed start, and able to
    /// move while it runs.
    #[must_use]
    pub const fn resource(requested: Requested) -> Resource {
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

    /// The same, with these commands for people to give.
    ///
    /// # Panics
    ///
    /// If one of them isn't a command.
    #[must_use]
    pub fn with_commands(mut self, commands: &[&str]) -> Self {
        let parse = |text: &&str| {
            let command = Command::parse(text, &self.names);
            assert!(command.parsed.is_some(), "'{text}' is no command");
            command
        };
        self.commands = commands.iter().map(parse).collect();
        self
    }

    /// The same, with these rules, and what they say.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules, demands: Demands) -> Self {
        self.rules = rules;
        self.demands = demands;
        self
    }

    /// Whether people may put a node into maintenance.
    pub(crate) fn may_maintain(&self, node: NodeId) -> bool {
        let mut asked = self
            .commands
            .iter()
            .filter_map(|command| command.parsed.as_ref());
        asked.any(|parsed| {
            matches!(parsed, Parsed::Maintenance { node: Some(of), enable: true } if *of == node)
        })
    }

    /// Whether the rules let a service run on a node.
    pub(crate) fn allows(&self, service: ServiceId, node: NodeId) -> bool {
        let rules = self.demands.only_on.iter().filter(|(id, _)| *id == service);
        rules.into_iter().all(|(_, nodes)| nodes.contains(&node))
    }

    /// The nodes that a service belongs on rather than on this one.
    pub(crate) fn preferred_to(&self, service: ServiceId, node: NodeId) -> &[NodeId] {
        let mut rules = self.demands.preferred.iter();
        let nodes = rules.find(|(id, _)| *id == service);
        let nodes = nodes.map_or(&[][..], |(_, nodes)| nodes);
        let at = nodes.iter().position(|one| *one == node);
        &nodes[..at.unwrap_or(nodes.len())]
    }

    /// The services that a service must not be together with.
    pub(crate) fn partners_apart(&self, service: ServiceId) -> impl Iterator<Item = ServiceId> {
        partners(&self.demands.apart, service)
    }

    /// The services that a service is to be together with.
    pub(crate) fn partners_together(&self, service: ServiceId) -> impl Iterator<Item = ServiceId> {
        partners(&self.demands.together, service)
    }

    /// What a CRM is told beside the records, where agents can switch these nodes off.
    #[must_use]
    pub fn files<'a>(&'a self, fenceable: &'a [NodeId]) -> Files<'a> {
        Files {
            names: &self.names,
            nodes: &self.nodes,
            settings: &self.settings,
            node_stats: &[],
            service_stats: &self.stats,
            versions: &self.versions,
            fenceable,
        }
    }
}

/// What stands beside a service in pairs.
fn partners(
    pairs: &[(ServiceId, ServiceId)],
    service: ServiceId,
) -> impl Iterator<Item = ServiceId> {
    pairs.iter().filter_map(move |(one, other)| {
        if *one == service {
            Some(*other)
        } else {
            (*other == service).then_some(*one)
        }
    })
}
