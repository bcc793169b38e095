//! The same cluster with other numbers for the same names.

use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::manager::command::Command;
use lockstep_model::manager::status::{Entry, LrmStatus, Queued, Resource, Status};
use lockstep_model::name::Names;
use lockstep_model::table::{Index, Table};

use crate::draw::Draw;
use crate::world::World;

/// Which number becomes which.
#[derive(Clone, Debug)]
pub(crate) struct Renaming {
    nodes: Vec<u16>,
    services: Vec<u16>,
}

impl Renaming {
    pub(crate) fn new(seed: u64, world: &World) -> Self {
        let (nodes, services) = world.names.counts();
        let mut draw = Draw::new(seed, nodes, services);
        Self {
            nodes: shuffled(nodes, &mut draw),
            services: shuffled(services, &mut draw),
        }
    }

    /// Everything keeps its number.
    pub(crate) fn identity(world: &World) -> Self {
        let (nodes, services) = world.names.counts();
        Self {
            nodes: (0..).take(nodes).collect(),
            services: (0..).take(services).collect(),
        }
    }

    /// The one that undoes this one.
    pub(crate) fn inverse(&self) -> Self {
        let inverse = |numbers: &[u16]| {
            let mut back = vec![0; numbers.len()];
            for (old, new) in (0..).zip(numbers) {
                back[usize::from(*new)] = old;
            }
            back
        };
        Self {
            nodes: inverse(&self.nodes),
            services: inverse(&self.services),
        }
    }

    pub(crate) fn node(&self, node: NodeId) -> NodeId {
        NodeId(self.nodes[usize::from(node.0)])
    }

    pub(crate) fn service(&self, service: ServiceId) -> ServiceId {
        ServiceId(self.services[usize::from(service.0)])
    }

    fn maybe(&self, node: Option<NodeId>) -> Option<NodeId> {
        node.map(|node| self.node(node))
    }

    fn by_node<T: Clone>(&self, table: &Table<NodeId, T>) -> Table<NodeId, T> {
        rows(table, |node| self.node(node))
    }

    fn by_service<T: Clone>(&self, table: &Table<ServiceId, T>) -> Table<ServiceId, T> {
        rows(table, |service| self.service(service))
    }

    fn entry(&self, entry: &Entry) -> Entry {
        let queued = entry.queued.clone();
        Entry {
            node: self.maybe(entry.node),
            target: self.maybe(entry.target),
            maintenance_node: self.maybe(entry.maintenance_node),
            failed_nodes: entry.failed_nodes.iter().map(|it| self.node(*it)).collect(),
            queued: queued.map(|queued| match queued {
                Queued::Move { task, target } => Queued::Move {
                    task,
                    target: self.node(target),
                },
                Queued::Stop { timeout } => Queued::Stop { timeout },
                Queued::Unknown(word) => Queued::Unknown(word),
            }),
            ..entry.clone()
        }
    }

    pub(crate) fn status(&self, status: &Status) -> Status {
        let services = status.services.iter();
        let entries = services.map(|(service, entry)| (self.service(service), self.entry(entry)));
        Status {
            master: self.maybe(status.master),
            nodes: self.by_node(&status.nodes),
            services: entries.collect(),
            requests: self.by_node(&status.requests),
            ..status.clone()
        }
    }

    fn lrm(&self, lrm: &LrmStatus) -> LrmStatus {
        let mut lrm = lrm.clone();
        for result in &mut lrm.results {
            result.service = self.service(result.service);
        }
        lrm
    }

    pub(crate) fn world(&self, world: &World) -> World {
        let mut names = Names::new();
        let back = self.inverse();
        for new in (0..).take(self.nodes.len()) {
            let name = world.names.node(back.node(NodeId(new)));
            names.intern_node(name).expect("few");
        }
        for new in (0..).take(self.services.len()) {
            let sid = world.names.service(back.service(ServiceId(new)));
            names.intern_service(sid).expect("few");
        }
        let mut renamed = world.clone();
        renamed.config.nodes = names.node_ranks();
        renamed.config.services = names.service_ranks();
        renamed.me = self.node(world.me);
        renamed.status = self.status(&world.status);
        renamed.members = self.by_node(&world.members);
        renamed.lrms = self.by_node(&world.lrms);
        for (_, lrm) in renamed.lrms.iter_mut() {
            *lrm = self.lrm(lrm);
        }
        renamed.resources = self.by_service(&world.resources);
        for (_, resource) in renamed.resources.iter_mut() {
            *resource = Resource {
                node: self.maybe(resource.node),
                ..resource.clone()
            };
        }
        for command in &mut renamed.commands {
            *command = Command::parse(&command.text, &names);
        }
        renamed.locks = self.by_node(&world.locks);
        for (old, stats) in (0..).map(NodeId).zip(&world.node_stats) {
            renamed.node_stats[usize::from(self.node(old).0)] = *stats;
        }
        renamed.service_stats = self.by_service(&world.service_stats);
        renamed.versions = self.by_node(&world.versions);
        renamed.names = names;
        renamed
    }
}

fn rows<I: Index, T: Clone>(table: &Table<I, T>, new: impl Fn(I) -> I) -> Table<I, T> {
    let rows = table.iter();
    rows.map(|(id, value)| (new(id), value.clone())).collect()
}

fn shuffled(count: usize, draw: &mut Draw) -> Vec<u16> {
    let mut numbers: Vec<u16> = (0..).take(count).collect();
    for end in (1..count).rev() {
        numbers.swap(end, draw.below(end + 1));
    }
    numbers
}
