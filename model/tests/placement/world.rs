//! A cluster as its manager sees it, by name.

use lockstep_model::id::{NodeId, Ranks, ServiceId};
use lockstep_model::placement::affinity::{Affinity, Kind};
use lockstep_model::placement::balance::{Cluster, Outcome, Settings, rebalance};
use lockstep_model::placement::note::{Names, Note};
use lockstep_model::placement::state::{Guest, Managed, ServiceState};
use lockstep_model::placement::stats::{MicroCores, NodeStats, ServiceStats};
use lockstep_model::placement::usage::{Mode, Round, Table};
use lockstep_model::placement::{Preference, Request, Scratch, Selection, select};

pub(crate) const MIB: u64 = 1 << 20;

/// Everything that placement is told, and the table made of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) mode: Mode,
    pub(crate) nodes: Vec<String>,
    pub(crate) node_stats: Vec<Option<NodeStats>>,
    pub(crate) online: Vec<NodeId>,
    pub(crate) services: Vec<String>,
    pub(crate) guests: Vec<Option<Guest>>,
    pub(crate) stats: Vec<Option<ServiceStats>>,
    pub(crate) affinity: Affinity,
    /// The rules of node affinity once more; without a node for all others.
    pub(crate) restrictions: Vec<(ServiceId, Option<NodeId>, i32)>,
    pub(crate) table: Table,
    pub(crate) notes: Vec<Note>,
}

pub(crate) fn cores(number: f64) -> MicroCores {
    MicroCores::from_cores(number).expect("a number of cores")
}

impl World {
    /// Online nodes of so many cores and bytes.
    pub(crate) fn new(mode: Mode, nodes: &[(&str, u32, u64)]) -> Self {
        let mut world = Self {
            mode,
            ..Self::default()
        };
        for (number, (name, cores, mem)) in (0..).zip(nodes) {
            world.nodes.push((*name).to_owned());
            world.online.push(NodeId(number));
            world.node_stats.push(Some(NodeStats {
                cpu_max: Some(MicroCores::from_whole(*cores)),
                mem_max_bytes: Some(*mem),
                ..NodeStats::default()
            }));
        }
        world
    }

    pub(crate) fn node(&self, name: &str) -> NodeId {
        let index = self.nodes.iter().position(|node| node == name);
        NodeId(
            index
                .expect("a node of that name")
                .try_into()
                .expect("in range"),
        )
    }

    pub(crate) fn service(&self, sid: &str) -> ServiceId {
        let index = self.services.iter().position(|service| service == sid);
        ServiceId(
            index
                .expect("a service of that name")
                .try_into()
                .expect("in range"),
        )
    }

    /// Adds a service with its maxima; what it uses is the same until said otherwise.
    pub(crate) fn add(&mut self, sid: &str, state: ServiceState, node: &str, cpu: f64, mem: u64) {
        let managed = Managed {
            state,
            node: Some(self.node(node)),
            target: None,
            running: state == ServiceState::Started,
        };
        self.services.push(sid.to_owned());
        self.guests.push(Some(Guest::Managed(managed)));
        self.stats.push(Some(ServiceStats {
            cpu_max: Some(cores(cpu)),
            mem_max_bytes: Some(mem),
            cpu: Some(cores(cpu)),
            mem_bytes: Some(mem),
        }));
    }

    /// Says what a service uses.
    pub(crate) fn uses(&mut self, sid: &str, cpu: f64, mem: u64) {
        let index = usize::from(self.service(sid).0);
        let stats = self.stats[index].as_mut().expect("statistics");
        (stats.cpu, stats.mem_bytes) = (Some(cores(cpu)), Some(mem));
    }

    /// What each node uses is what its running services use, as the simulator has it.
    pub(crate) fn measure(&mut self) {
        for (number, stats) in (0..).zip(&mut self.node_stats) {
            let stats = stats.as_mut().expect("statistics");
            (stats.cpu, stats.mem_bytes) = (MicroCores(0), 0);
            for (guest, used) in self.guests.iter().zip(&self.stats) {
                if let (Some(Guest::Managed(managed)), Some(used)) = (guest, used)
                    && managed.running
                    && managed.node == Some(NodeId(number))
                {
                    stats.cpu.0 += used.cpu.map_or(0, |cpu| cpu.0);
                    stats.mem_bytes += used.mem_bytes.unwrap_or(0);
                }
            }
        }
    }

    pub(crate) fn relate(&mut self, kind: Kind, sids: &[&str]) {
        for one in sids {
            for other in sids {
                let (one, other) = (self.service(one), self.service(other));
                self.affinity.relate(kind, one, other);
            }
        }
    }

    /// Allows a service on a node, or on all that are not named.
    pub(crate) fn restrict(&mut self, service: ServiceId, node: Option<NodeId>, priority: i32) {
        self.restrictions.push((service, node, priority));
        match node {
            Some(node) => self.affinity.restrict(service, node, priority),
            None => self.affinity.restrict_others(service, priority),
        }
    }

    pub(crate) fn service_ranks(&self) -> Ranks {
        Ranks::of_names(&self.services)
    }

    pub(crate) fn names(&self) -> Names<'_> {
        Names {
            nodes: &self.nodes,
            services: &self.services,
        }
    }

    /// Builds the table anew.
    pub(crate) fn rebuild(&mut self) {
        let ranks = Ranks::of_names(&self.nodes);
        self.notes.clear();
        self.notes.extend(self.table.begin(Round {
            mode: self.mode,
            online: &self.online,
            ranks: &ranks,
            node_stats: Ok(&self.node_stats),
        }));
        for (number, (guest, stats)) in (0..).zip(self.guests.iter().zip(&self.stats)) {
            if let Some(guest) = guest {
                let note = self.table.set(ServiceId(number), *guest, stats.as_ref());
                self.notes.extend(note);
            }
        }
    }

    pub(crate) fn managed(&self, sid: &str) -> Managed {
        let guest = self.guests[usize::from(self.service(sid).0)];
        *guest.as_ref().and_then(Guest::managed).expect("managed")
    }

    /// Changes the state of a service, in the table too.
    pub(crate) fn change(
        &mut self,
        sid: &str,
        state: ServiceState,
        node: &str,
        target: Option<&str>,
    ) {
        let managed = Managed {
            state,
            node: Some(self.node(node)),
            target: target.map(|target| self.node(target)),
            running: false,
        };
        self.enter(sid, managed);
    }

    pub(crate) fn enter(&mut self, sid: &str, managed: Managed) {
        let service = self.service(sid);
        let guest = Guest::Managed(managed);
        self.guests[usize::from(service.0)] = Some(guest);
        self.notes.extend(self.table.change(service, guest));
    }

    /// Takes a node out of the table, or back into it.
    pub(crate) fn set_online(&mut self, node: &str, online: bool) {
        let node = self.node(node);
        self.online.retain(|other| *other != node);
        if online {
            self.online.push(node);
        }
    }

    pub(crate) fn request(&self, sid: &str, preference: Preference) -> Request<'static> {
        Request {
            service: self.service(sid),
            node: self.managed(sid).node,
            failed_nodes: &[],
            maintenance_node: None,
            failback: true,
            preference,
        }
    }

    pub(crate) fn ask(&self, request: &Request<'_>) -> Selection {
        select(&self.table, &self.affinity, request, &mut Scratch::new())
    }

    /// The name of the node chosen for a service that failed nowhere; empty if there is none.
    pub(crate) fn choose(&self, sid: &str, preference: Preference) -> String {
        let selection = self.ask(&self.request(sid, preference));
        assert_eq!(selection.note, None);
        let name = |node: NodeId| self.nodes[usize::from(node.0)].clone();
        selection.node.map(name).unwrap_or_default()
    }

    /// The balance, held long enough.
    pub(crate) fn balance(&self, settings: &Settings) -> Outcome {
        let services = self.service_ranks();
        let cluster = Cluster {
            table: &self.table,
            affinity: &self.affinity,
            services: &services,
        };
        rebalance(settings, cluster, false, 2)
    }

    /// The text of the move that follows, with the move done at once; empty if there is none.
    pub(crate) fn balance_and_move(&mut self, settings: &Settings) -> String {
        let outcome = self.balance(settings);
        assert_eq!(outcome.note, None);
        let Some(step) = outcome.step else {
            return String::new();
        };
        let text = step.text(self.names()).to_string();
        let sid = self.services[usize::from(step.service.0)].clone();
        let moved = Managed {
            node: Some(step.target),
            ..self.managed(&sid)
        };
        self.guests[usize::from(step.service.0)] = Some(Guest::Managed(moved));
        self.measure();
        self.rebuild();
        text
    }
}
