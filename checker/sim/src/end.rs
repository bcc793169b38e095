//! Where a simulation left its cluster, for comparing one schedule with another.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::manager::status::{Entry, NodeState, Status};
use lockstep_model::name::Names;
use lockstep_model::placement::state::ServiceState;

/// Nodes and services by name, as the last master wrote them and as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The manager's view of each node.
    pub nodes: BTreeMap<String, NodeState>,
    /// The manager's view of each service: its state and its node.
    pub services: BTreeMap<String, (ServiceState, Option<String>)>,
    /// The services that run on each node that has power.
    pub running: BTreeMap<String, BTreeSet<String>>,
}

impl End {
    /// The end of a cluster with this status, these services, and this running on its nodes.
    pub(crate) fn new<'a>(
        names: &Names,
        status: &Status,
        services: impl Iterator<Item = (ServiceId, &'a Entry)>,
        running: impl Iterator<Item = (NodeId, BTreeSet<ServiceId>)>,
    ) -> Self {
        let node = |id: NodeId| names.node(id).to_owned();
        let service = |id: ServiceId| names.service(id).to_owned();
        let nodes = status.nodes.iter();
        Self {
            nodes: nodes.map(|(id, state)| (node(id), *state)).collect(),
            services: services
                .map(|(id, entry)| (service(id), (entry.state, entry.node.map(node))))
                .collect(),
            running: running
                .map(|(id, here)| (node(id), here.into_iter().map(service).collect()))
                .collect(),
        }
    }
}
