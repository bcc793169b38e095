//! What the daemons read, put together from what the simulated cluster holds.

use lockstep_model::crm::ReadError;
use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::manager::command::Command;
use lockstep_model::manager::status::{LrmStatus, Resource};
use lockstep_model::manager::{LockView, Scheduler, Settings, View};
use lockstep_model::placement::balance::{self, Method};
use lockstep_model::placement::ratio::Ratio;
use lockstep_model::placement::stats::{MicroCores, NodeStats, ServiceStats};
use lockstep_model::placement::usage::Mode;
use lockstep_model::table::Table;

use crate::case::Datacenter;
use crate::cluster::{Cluster, STORE_ERROR};
use crate::guests::{CPU_MAX, Guest, Guests, MEM_MAX};
use crate::locks::{Answer, Name};

/// Everything that a CRM reads but the status, which it borrows.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    members: Table<NodeId, bool>,
    quorate: bool,
    lrms: Table<NodeId, LrmStatus>,
    resources: Table<ServiceId, Resource>,
    commands: Vec<Command>,
    locks: Table<NodeId, LockView>,
    settings: Settings,
    node_stats: Vec<Option<NodeStats>>,
    service_stats: Table<ServiceId, ServiceStats>,
    versions: Table<NodeId, String>,
}

impl Snapshot {
    /// The view of it.
    pub(crate) fn view<'a>(&'a self, cluster: &'a Cluster) -> View<'a> {
        View {
            names: &cluster.names,
            status: &cluster.status,
            members: &self.members,
            seen: None,
            quorate: self.quorate,
            periodic: true,
            lrms: &self.lrms,
            resources: &self.resources,
            groups: &cluster.groups,
            rules: &cluster.rules,
            digest: cluster.digest,
            commands: &self.commands,
            locks: &self.locks,
            unguarded: &[],
            left: &[],
            unreleased: &[],
            confirmed: &[],
            settings: &self.settings,
            node_stats: &self.node_stats,
            service_stats: &self.service_stats,
            versions: &self.versions,
        }
    }
}

impl Cluster {
    pub(crate) fn resources(&self) -> Table<ServiceId, Resource> {
        let configured = self.guests.configured.iter();
        configured
            .map(|(id, guest)| (*id, guest.resource()))
            .collect()
    }

    /// What a node's CRM reads at a time of its clock.
    pub(crate) fn snapshot(&self, node: usize) -> Snapshot {
        let now = self.nodes[node].crm_env.clock;
        let quorate = self.is_quorate();
        let settings = settings(&self.datacenter);
        let statistics = settings.scheduler.mode() != Mode::Basic;
        let mut snapshot = Snapshot {
            quorate: self.is_online(&self.nodes[node]),
            resources: self.resources(),
            commands: self
                .queue
                .iter()
                .map(|line| Command::parse(line, &self.names))
                .collect(),
            settings,
            ..Snapshot::default()
        };
        for other in &self.nodes {
            let id = other.id;
            snapshot.members.insert(id, quorate && other.is_connected());
            snapshot.lrms.insert(id, other.lrm_status.clone());
            snapshot.versions.insert(id, other.version.clone());
        }
        for id in self.names.nodes() {
            let answer = self
                .locks
                .would_hold(Name::Agent(id), self.nodes[node].id, now);
            let lock = match answer {
                Answer::Renewed => LockView::Mine,
                Answer::Taken => LockView::Free,
                Answer::Refused => LockView::Held,
            };
            snapshot.locks.insert(id, lock);
        }
        if statistics {
            self.measure(&mut snapshot);
        }
        snapshot
    }

    fn measure(&self, snapshot: &mut Snapshot) {
        let dynamic = snapshot.settings.scheduler.mode() == Mode::Dynamic;
        let configured = self.guests.configured.keys().copied();
        snapshot.service_stats = service_stats(&self.guests, configured);
        for node in &self.nodes {
            let here = |(_, guest): &(&ServiceId, &Guest)| guest.node == node.id;
            let running = self.guests.configured.iter().filter(here);
            let running = running
                .map(|(id, _)| *id)
                .filter(|id| node.running.contains(id));
            let capacity = (node.cpu_max, node.mem_max);
            let stats = node_stats(&self.guests, capacity, running, dynamic);
            set_node_stats(&mut snapshot.node_stats, node.id, stats);
        }
    }

    /// Whether a node's daemons can read and write what the cluster keeps.
    pub(crate) fn store(&self, node: usize) -> Result<(), ReadError> {
        match self.nodes[node].store_fails {
            true => Err(ReadError(STORE_ERROR.to_owned())),
            false => Ok(()),
        }
    }
}

/// What the settings of a cluster say to a manager.
pub(crate) fn settings(datacenter: &Datacenter) -> Settings {
    let crs = &datacenter.crs;
    let mode = crs.ha.as_deref().unwrap_or("basic");
    let ratio = |value: Option<f64>, default: f64| {
        Ratio::new(value.unwrap_or(default)).unwrap_or(Ratio::ZERO)
    };
    Settings {
        scheduler: Scheduler::of_name(mode),
        rebalance_on_start: crs.rebalance_on_start == Some(true),
        balance: balance::Settings {
            enabled: crs.auto_rebalance == Some(true),
            method: Method::from_name(crs.method.as_deref().unwrap_or("bruteforce")),
            threshold: ratio(crs.threshold, 0.3),
            hold_rounds: ratio(crs.hold_rounds, 3.0),
            margin: ratio(crs.margin, 0.1),
        },
    }
}

/// The loads and limits of services, as far as they are known.
pub(crate) fn service_stats(
    guests: &Guests,
    services: impl Iterator<Item = ServiceId>,
) -> Table<ServiceId, ServiceStats> {
    let of = |id: ServiceId| {
        let fixed = guests.static_stats.get(&id);
        let measured = guests.dynamic_stats.get(&id);
        let stats = ServiceStats {
            cpu_max: fixed.and_then(|it| cores(it.maxcpu)),
            mem_max_bytes: fixed.and_then(|it| bytes(it.maxmem)),
            cpu: measured.and_then(|it| cores(it.cpu)),
            mem_bytes: measured.and_then(|it| bytes(it.mem)),
        };
        (id, stats)
    };
    services.map(of).collect()
}

/// The load of a node on which these services run, and its capacity.
pub(crate) fn node_stats(
    guests: &Guests,
    (cpu_max, mem_max): (Option<f64>, Option<f64>),
    running: impl Iterator<Item = ServiceId>,
    dynamic: bool,
) -> NodeStats {
    let (mut cpu, mut mem) = (0, 0);
    for id in running {
        if let Some(stats) = guests.dynamic_stats.get(&id) {
            cpu = cores(stats.cpu).map_or(cpu, |more| more.0.saturating_add(cpu));
            mem = bytes(stats.mem).unwrap_or(0).saturating_add(mem);
        }
    }
    let default = |value: Option<f64>, default: f64| value.or(dynamic.then_some(default));
    NodeStats {
        cpu_max: cores(default(cpu_max, CPU_MAX)),
        mem_max_bytes: bytes(default(mem_max, MEM_MAX)),
        cpu: MicroCores(cpu),
        mem_bytes: mem,
    }
}

/// Puts a node's load where it belongs.
pub(crate) fn set_node_stats(table: &mut Vec<Option<NodeStats>>, node: NodeId, stats: NodeStats) {
    let row = usize::from(node.0);
    if table.len() <= row {
        table.resize(row + 1, None);
    }
    table[row] = Some(stats);
}

fn cores(value: Option<f64>) -> Option<MicroCores> {
    value.and_then(MicroCores::from_cores)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes in bytes are whole and far below 2^53; what isn't saturates"
)]
fn bytes(value: Option<f64>) -> Option<u64> {
    value.map(|value| value as u64)
}
