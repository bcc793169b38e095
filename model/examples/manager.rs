//! How long a round of the manager takes, and what it holds:
//! `cargo run --release -p lockstep-model --example manager`.
//!
//! *Steady*: every service is started and every LRM has confirmed it since the last round, so each
//! gets a new uid. *Failover*: one node has been offline for longer than the fence delay and its
//! agent lock is free, so its services are fenced, recovered and started elsewhere in this one
//! round, while all others are as in a steady one. Profile `pve`, basic scheduler, no rules.
//!
//! Measured is [`Manager::decide`] alone, without reading and writing; the median of many rounds.
//! Each failover begins with another copy of the same manager. Allocations are counted, not
//! estimated: the calls in one round, and the bytes that a manager and the view that it is given
//! hold after some rounds.

#![expect(clippy::disallowed_types, reason = "a stopwatch")]
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::hint::black_box;
use std::time::{Duration, Instant as Stopwatch};

use allocation_counter::measure;
use lockstep_model::config::{Config, Profile};
use lockstep_model::event::LrmState;
use lockstep_model::format::groups::Groups;
use lockstep_model::format::rules::Rules;
use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::manager::status::{
    ExitCode, LrmMode, LrmResult, LrmStatus, NodeState, Requested, Resource, Status,
};
use lockstep_model::manager::{Decisions, LockView, Manager, Settings, View};
use lockstep_model::name::Names;
use lockstep_model::placement::state::ServiceState;
use lockstep_model::table::Table;
use lockstep_model::time::{Instant, Span};

/// About how long each measurement takes.
const AIM: Duration = Duration::from_millis(1500);

/// How many rounds are measured at most.
const ROUNDS_MAX: usize = 20_000;

/// How many rounds pass before anything is measured.
const ROUNDS_BEFORE: usize = 5;

const BETWEEN_ROUNDS: Span = Span(10_000);

/// Nodes and services, and the reference's milliseconds for both kinds of rounds where known.
struct Size(u16, u16, Option<(f64, f64)>);

const SIZES: [Size; 6] = [
    Size(3, 2, None),
    Size(3, 10, Some((0.22, 0.64))),
    Size(10, 100, Some((1.77, 5.1))),
    Size(20, 1000, Some((19.6, 54.9))),
    Size(29, 5000, Some((135.0, 375.0))),
    Size(1000, 20_000, None),
];

/// What a manager is shown: a cluster whose LRMs confirm everything.
struct Cluster {
    config: Config,
    names: Names,
    members: Table<NodeId, bool>,
    lrms: Table<NodeId, LrmStatus>,
    resources: Table<ServiceId, Resource>,
    groups: Groups,
    rules: Rules,
    locks: Table<NodeId, LockView>,
    settings: Settings,
    service_stats: Table<ServiceId, lockstep_model::placement::stats::ServiceStats>,
    versions: Table<NodeId, String>,
    status: Status,
    now: Instant,
}

/// A manager with its outbox.
#[derive(Clone)]
struct Master {
    manager: Manager,
    decisions: Decisions,
}

impl Cluster {
    /// A cluster that knows all its nodes, with services that are about to be added.
    fn new(nodes: u16, services: u16) -> Self {
        let mut names = Names::new();
        let mut cluster_nodes = Vec::new();
        for number in 1..=nodes {
            cluster_nodes.extend(names.intern_node(&format!("node{number}")));
        }
        let mut resources = Table::new();
        for (number, node) in (100..)
            .zip(cluster_nodes.iter().cycle())
            .take(services.into())
        {
            let resource = Resource {
                requested: Requested::Started,
                node: Some(*node),
                group: None,
                failback: true,
                max_restart: 1,
                max_relocate: 1,
                can_migrate: true,
                guest_lock: None,
            };
            if let Some(service) = names.intern_service(&format!("vm:{number}")) {
                resources.insert(service, resource);
            }
        }
        let mut config = Config::of_profile(Profile::Pve);
        config.nodes = names.node_ranks();
        config.services = names.service_ranks();
        let of_all = |node: &NodeId| (*node, NodeState::Online);
        let mut cluster = Self {
            config,
            names,
            members: cluster_nodes.iter().map(|node| (*node, true)).collect(),
            lrms: Table::new(),
            resources,
            groups: Groups::new(),
            rules: Rules::new(),
            locks: cluster_nodes
                .iter()
                .map(|node| (*node, LockView::Held))
                .collect(),
            settings: Settings::default(),
            service_stats: Table::new(),
            versions: Table::new(),
            status: Status {
                nodes: cluster_nodes.iter().map(of_all).collect(),
                ..Status::default()
            },
            now: Instant(1_000_000),
        };
        cluster.confirm(&Status::default());
        cluster
    }

    fn view(&self) -> View<'_> {
        View {
            names: &self.names,
            status: &self.status,
            members: &self.members,
            seen: None,
            quorate: true,
            periodic: true,
            lrms: &self.lrms,
            resources: &self.resources,
            groups: &self.groups,
            rules: &self.rules,
            digest: 1,
            commands: &[],
            locks: &self.locks,
            unguarded: &[],
            left: &[],
            unreleased: &[],
            confirmed: &[],
            settings: &self.settings,
            node_stats: &[],
            service_stats: &self.service_stats,
            versions: &self.versions,
        }
    }

    /// Every LRM has done what `status` says, and published so.
    fn confirm(&mut self, status: &Status) {
        for node in self.names.nodes() {
            if self.members.get(node) != Some(&true) {
                continue;
            }
            let results = status
                .services
                .iter()
                .filter(|(_, entry)| entry.node == Some(node))
                .map(|(service, entry)| LrmResult {
                    uid: entry.uid,
                    service,
                    code: ExitCode::SUCCESS,
                });
            let mut results: Vec<LrmResult> = results.collect();
            results.sort_by_key(|result| result.uid);
            let published = LrmStatus {
                state: Some(LrmState::Active),
                mode: Some(LrmMode::Active),
                results,
            };
            self.lrms.insert(node, published);
        }
    }

    /// One round, and what follows from it. How long it took.
    fn round(&mut self, master: &mut Master) -> Duration {
        let spent = self.decide(master);
        self.now += BETWEEN_ROUNDS;
        self.confirm(master.manager.status());
        spent
    }

    fn decide(&self, master: &mut Master) -> Duration {
        let view = self.view();
        let Master { manager, decisions } = master;
        let watch = Stopwatch::now();
        let ended = manager.decide(&self.config, black_box(&view), self.now, decisions);
        let spent = watch.elapsed();
        assert!(ended.is_ok(), "the round was given up: {ended:?}");
        spent
    }

    /// A manager with every service started and confirmed.
    fn master(&mut self) -> Master {
        let mut master = Master {
            manager: Manager::new(NodeId(0), self.status.clone()),
            decisions: Decisions::default(),
        };
        for _ in 0..ROUNDS_BEFORE {
            self.round(&mut master);
        }
        self.status.clone_from(master.manager.status());
        assert!(master.decisions.events.is_empty(), "the state is steady");
        master
    }

    /// The last node with a service goes, and stays away until it is to be fenced.
    fn lose_node(&mut self, master: &mut Master) {
        let services = self.resources.iter();
        let used = services.filter_map(|(_, resource)| resource.node);
        let last = used.max().unwrap_or(NodeId(0));
        self.members.insert(last, false);
        self.locks.insert(last, LockView::Free);
        self.round(master);
        self.now += self.config.timing().fence_delay;
    }
}

fn median(mut measured: Vec<Duration>) -> f64 {
    measured.sort_unstable();
    let middle = measured.get(measured.len() / 2);
    middle.copied().unwrap_or_default().as_secs_f64() * 1e6
}

fn steady(cluster: &mut Cluster, master: &mut Master) -> f64 {
    let begun = Stopwatch::now();
    let mut measured = Vec::new();
    while begun.elapsed() < AIM && measured.len() < ROUNDS_MAX {
        let uid = master.manager.status().last_uid;
        measured.push(cluster.round(master));
        let services = cluster.names.counts().1 as u64;
        assert_eq!(
            master.manager.status().last_uid,
            uid + services,
            "every service was answered"
        );
    }
    median(measured)
}

fn failover(cluster: &Cluster, before: &Master) -> f64 {
    let begun = Stopwatch::now();
    let mut measured = Vec::new();
    while begun.elapsed() < AIM && measured.len() < ROUNDS_MAX {
        let mut master = before.clone();
        measured.push(cluster.decide(&mut master));
        let status = master.manager.status();
        for (_, entry) in status.services.iter() {
            let node = entry.node.and_then(|node| status.nodes.get(node));
            assert_eq!(
                (entry.state, node),
                (ServiceState::Started, Some(&NodeState::Online)),
                "everything runs on a node that is there"
            );
        }
        black_box(&master);
    }
    median(measured)
}

fn factor(reference_ms: Option<f64>, measured_us: f64) -> String {
    reference_ms.map_or_else(
        || String::from("-"),
        |reference| format!("{:.0}", reference * 1e3 / measured_us),
    )
}

fn report(nodes: u16, services: u16, reference: Option<(f64, f64)>) {
    let mut kept = None;
    let held = measure(|| {
        let mut cluster = Cluster::new(nodes, services);
        let master = cluster.master();
        kept = Some((cluster, master));
    });
    let Some((mut cluster, mut master)) = kept else {
        return;
    };
    let steady_us = steady(&mut cluster, &mut master);
    let round = measure(|| {
        black_box(cluster.decide(&mut master));
    });
    cluster.now += BETWEEN_ROUNDS;
    cluster.confirm(master.manager.status());
    cluster.lose_node(&mut master);
    let failover_us = failover(&cluster, &master);
    let (steady_ms, failover_ms) = reference.unzip();
    println!(
        "{nodes:5} {services:8} {steady_us:11.2} {failover_us:13.2} {:>12} {:>14} {:11} {:9.1}",
        factor(steady_ms, steady_us),
        factor(failover_ms, failover_us),
        round.count_total,
        kibibytes(held.bytes_current),
    );
}

fn kibibytes(bytes: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let bytes = bytes as f64;
    bytes / 1024.0
}

fn main() {
    println!(
        "nodes services   steady µs   failover µs  × reference    × reference allocations       KiB"
    );
    for Size(nodes, services, reference) in SIZES {
        report(nodes, services, reference);
    }
}
