//! A cluster of which anything may be the case.

use lockstep_model::config::{Config, Profile};
use lockstep_model::format::groups::Groups;
use lockstep_model::format::rules::Rules;
use lockstep_model::id::{NodeId, ServiceId, Uid};
use lockstep_model::manager::command::Command;
use lockstep_model::manager::status::{LrmStatus, Resource, Status};
use lockstep_model::manager::{LockView, Settings, View};
use lockstep_model::name::Names;
use lockstep_model::placement::stats::{NodeStats, ServiceStats};
use lockstep_model::table::Table;
use lockstep_model::time::{Instant, Span};

use crate::draw::{Draw, GROUPS};

/// Not in the order of their numbers.
const NODES: [&str; 5] = ["node3", "node10", "a", "node2", "z"];
const SERVICES: [&str; 7] = [
    "vm:102", "ct:7", "vm:99", "vm:1000", "fa:1", "vm:101", "ct:10",
];

/// All that a round rests on, with the clock.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) me: NodeId,
    pub(crate) now: Instant,
    pub(crate) names: Names,
    pub(crate) status: Status,
    pub(crate) members: Table<NodeId, bool>,
    pub(crate) quorate: bool,
    pub(crate) lrms: Table<NodeId, LrmStatus>,
    pub(crate) resources: Table<ServiceId, Resource>,
    pub(crate) groups: Groups,
    pub(crate) rules: Rules,
    pub(crate) digest: u64,
    pub(crate) commands: Vec<Command>,
    pub(crate) locks: Table<NodeId, LockView>,
    /// All nodes or none.
    pub(crate) unreleased: Vec<NodeId>,
    pub(crate) settings: Settings,
    pub(crate) node_stats: Vec<Option<NodeStats>>,
    pub(crate) service_stats: Table<ServiceId, ServiceStats>,
    pub(crate) versions: Table<NodeId, String>,
    codes: u64,
    draw: Draw,
}

fn all_by_id(names: &Names, says: bool) -> Vec<NodeId> {
    let mut all: Vec<NodeId> = names.nodes().filter(|_| says).collect();
    all.sort_unstable();
    all
}

impl World {
    /// Whatever follows from the seed.
    pub(crate) fn new(seed: u64, profile: Profile) -> Self {
        let mut draw = Draw::new(seed, 0, 0);
        let (nodes, services) = (1 + draw.below(NODES.len()), 1 + draw.below(SERVICES.len()));
        let mut draw = Draw::new(seed, nodes, services);
        let mut names = Names::new();
        for name in &NODES[..nodes] {
            names.intern_node(name).expect("few");
        }
        for sid in &SERVICES[..services] {
            names.intern_service(sid).expect("few");
        }
        let mut config = Config::of_profile(profile);
        config.nodes = names.node_ranks();
        config.services = names.service_ranks();
        let says = profile != Profile::Pve && seed.is_multiple_of(2);
        let mut world = Self {
            config,
            unreleased: all_by_id(&names, says),
            me: draw.node(),
            now: Instant(draw.below(1_000_000) as u64),
            names,
            status: Status::default(),
            members: Table::new(),
            quorate: true,
            lrms: Table::new(),
            resources: Table::new(),
            groups: Groups::new(),
            rules: Rules::new(),
            digest: 1,
            commands: Vec::new(),
            locks: Table::new(),
            settings: draw.settings(),
            node_stats: Vec::new(),
            service_stats: Table::new(),
            versions: Table::new(),
            codes: draw.below(1 << 30) as u64,
            draw,
        };
        world.draw_status();
        world.draw_rules();
        for _ in 0..2 {
            world.go_on(&[]);
        }
        world
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            names: &self.names,
            status: &self.status,
            members: &self.members,
            seen: None,
            quorate: self.quorate,
            periodic: true,
            lrms: &self.lrms,
            resources: &self.resources,
            groups: &self.groups,
            rules: &self.rules,
            digest: self.digest,
            commands: &self.commands,
            locks: &self.locks,
            unguarded: &[],
            left: &[],
            unreleased: &self.unreleased,
            confirmed: &[],
            settings: &self.settings,
            node_stats: &self.node_stats,
            service_stats: &self.service_stats,
            versions: &self.versions,
        }
    }

    fn draw_status(&mut self) {
        let draw = &mut self.draw;
        let status = &mut self.status;
        for node in draw.all_nodes() {
            if !draw.once_in(6) {
                status.nodes.insert(node, draw.node_state());
            }
            if draw.once_in(4) {
                status.requests.insert(node, draw.once_in(2));
            }
        }
        for service in draw.all_services() {
            if !draw.once_in(4) {
                status.services.insert(service, draw.entry());
            }
        }
        status.disarm = draw.disarm();
        status.last_uid = draw.below(30) as u64;
        status.master = Some(draw.node());
    }

    fn draw_rules(&mut self) {
        let mut text = String::new();
        for number in 0..self.draw.below(4) {
            let (first, second) = (self.node_name(), self.node_name());
            let strict = self.draw.below(2);
            let resources = self.sids();
            text += &format!(
                "node-affinity: n{number}\n\tnodes {first}:{strict},{second}\n\tresources \
                 {resources}\n\tstrict {strict}\n\n"
            );
        }
        for number in 0..self.draw.below(4) {
            let kind = self.draw.one_of(&["positive", "negative", "negative"]);
            let resources = self.sids();
            text += &format!(
                "resource-affinity: r{number}\n\taffinity {kind}\n\tresources {resources}\n\n"
            );
        }
        self.rules = Rules::read("rules", &text).0;
        self.groups = Groups::new();
        if self.draw.once_in(4) {
            let (node, restricted) = (self.node_name(), self.draw.below(2));
            let text = format!(
                "group: {}\n\tnodes {node}:1\n\trestricted {restricted}\n\tnofailback 1\n\n\
                 group: {}\n\tnodes {node}\n\n",
                GROUPS[0], GROUPS[1]
            );
            self.groups = Groups::read("groups", &text).0;
        }
        self.digest += 1;
    }

    fn node_name(&mut self) -> String {
        let node = self.draw.node();
        String::from(self.names.node(node))
    }

    fn sid(&mut self) -> String {
        let service = self.draw.service();
        String::from(self.names.service(service))
    }

    fn sids(&mut self) -> String {
        let sids: Vec<String> = (0..2 + self.draw.below(3)).map(|_| self.sid()).collect();
        sids.join(",")
    }

    /// Time passes, and something else is the case. LRMs may have answered these uids.
    pub(crate) fn go_on(&mut self, uids: &[Uid]) {
        self.now += Span(self.draw.below(100) as u64 * 1000);
        self.quorate = !self.draw.once_in(6);
        if self.draw.once_in(5) {
            self.draw_rules();
        }
        self.commands.clear();
        for _ in 0..self.draw.below(3) {
            let (node, sid) = (self.node_name(), self.sid());
            let line = self.draw.command(&node, &sid);
            self.commands.push(Command::parse(&line, &self.names));
        }
        let draw = &mut self.draw;
        if draw.once_in(6) {
            self.settings = draw.settings();
        }
        for node in draw.all_nodes() {
            if draw.once_in(2) {
                let member = !draw.once_in(3);
                self.members.insert(node, member);
            } else if draw.once_in(8) {
                self.members.remove(node);
            }
            if !draw.once_in(4) {
                let lrm = draw.lrm(uids, self.codes);
                self.lrms.insert(node, lrm);
            }
            self.locks.remove(node);
            if let Some(lock) = draw.lock() {
                self.locks.insert(node, lock);
            }
            let version = draw.one_of(&["9.0.0~16", "9.1.2", "9.1.2", "8.4.1", "soon"]);
            self.versions.insert(node, String::from(version));
        }
        // The master sees itself, or it decides nothing.
        if !draw.once_in(20) {
            self.members.insert(self.me, true);
        }
        for service in draw.all_services() {
            match draw.below(6) {
                0 => drop(self.resources.remove(service)),
                1 | 2 => drop(self.resources.insert(service, draw.resource())),
                _ => {}
            }
            if let Some(stats) = draw.service_stats() {
                self.service_stats.insert(service, stats);
            }
        }
        self.node_stats = draw.all_nodes().map(|_| draw.node_stats()).collect();
    }
}
