//! What holds for every choice, over random clusters.

use lockstep_model::id::{NodeId, Ranks, ServiceId};
use lockstep_model::placement::affinity::Kind;
use lockstep_model::placement::balance::{Method, Settings};
use lockstep_model::placement::ratio::Ratio;
use lockstep_model::placement::state::{Guest, Managed, Requested, ServiceState, Unmanaged};
use lockstep_model::placement::stats::{MicroCores, NodeStats, ServiceStats};
use lockstep_model::placement::usage::{Mode, Round};
use lockstep_model::placement::{Preference, Request, Scratch, select};
use proptest::prelude::*;

use crate::oracle::{Oracle, best_by_topsis, bruteforce};
use crate::world::World;

/// Not in the order of their numbers.
const NODES: [&str; 6] = ["node3", "node10", "a", "node2", "node1", "z"];
const SERVICES: [&str; 9] = [
    "vm:102", "ct:7", "vm:99", "vm:1000", "fa:1", "vm:101", "ct:10", "vm:5", "vm:4",
];

/// Numbers that follow from a seed: a cluster is made of them, and what is asked about it.
#[derive(Clone, Debug)]
struct Draw {
    seed: u64,
}

impl Draw {
    /// Below `bound`, by splitmix64.
    fn below(&mut self, bound: usize) -> usize {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 32).expect("in range") % bound
    }

    fn node(&mut self, nodes: usize) -> NodeId {
        NodeId(u16::try_from(self.below(nodes)).expect("in range"))
    }

    fn maybe_node(&mut self, nodes: usize) -> Option<NodeId> {
        let node = self.node(nodes);
        (self.below(4) > 0).then_some(node)
    }

    fn managed(&mut self, nodes: usize) -> Managed {
        Managed {
            state: ServiceState::ALL[[4, 4, 4, 4, 5][self.below(5)].max(self.below(14)) % 11],
            node: self.maybe_node(nodes),
            target: self.maybe_node(nodes),
            running: self.below(2) == 0,
        }
    }

    fn guest(&mut self, nodes: usize) -> Guest {
        if self.below(6) > 0 {
            return Guest::Managed(self.managed(nodes));
        }
        Guest::Unmanaged(Unmanaged {
            requested: [Requested::Started, Requested::Ignored][self.below(2)],
            node: self.maybe_node(nodes),
            running: self.below(2) == 0,
        })
    }

    fn stats(&mut self) -> ServiceStats {
        let step = 100_000;
        ServiceStats {
            cpu_max: Some(MicroCores(self.below(80) as u64 * step)),
            mem_max_bytes: Some(self.below(16) as u64 * 123_456_789),
            cpu: Some(MicroCores(self.below(80) as u64 * step)),
            mem_bytes: Some(self.below(16) as u64 * 123_456_789),
        }
    }

    /// A cluster whose ids are given, so that one cluster can be made with several.
    fn world(&mut self, node_ids: &[u16], service_ids: &[u16]) -> World {
        let nodes = node_ids.len();
        let mut world = World {
            mode: [Mode::Basic, Mode::Static, Mode::Dynamic][self.below(3)],
            nodes: vec![String::new(); nodes],
            node_stats: vec![None; nodes],
            services: vec![String::new(); service_ids.len()],
            guests: vec![None; service_ids.len()],
            stats: vec![None; service_ids.len()],
            ..World::default()
        };
        for (name, id) in NODES.iter().zip(node_ids) {
            let index = usize::from(*id);
            world.nodes[index] = (*name).to_owned();
            world.node_stats[index] = Some(NodeStats {
                cpu_max: Some(MicroCores::from_whole(8 << self.below(3))),
                mem_max_bytes: Some(16_000_000_000 << self.below(3)),
                cpu: MicroCores(self.below(80) as u64 * 100_000),
                mem_bytes: self.below(16) as u64 * 1_000_000_007,
            });
            if self.below(5) > 0 {
                world.online.push(NodeId(*id));
            }
        }
        let rename = |node: NodeId| NodeId(node_ids[usize::from(node.0)]);
        for (name, id) in SERVICES.iter().zip(service_ids) {
            let index = usize::from(*id);
            world.services[index] = (*name).to_owned();
            let guest = self.guest(nodes);
            world.guests[index] = (self.below(9) > 0).then_some(renamed(guest, rename));
            let stats = self.stats();
            world.stats[index] = (self.below(12) > 0).then_some(stats);
        }
        self.rules(&mut world, service_ids, rename);
        world.rebuild();
        world
    }

    fn rules(&mut self, world: &mut World, services: &[u16], rename: impl Fn(NodeId) -> NodeId) {
        for id in services {
            if self.below(3) > 0 {
                continue;
            }
            for _ in 0..self.below(4) {
                let node = rename(self.node(world.nodes.len()));
                let priority = i32::try_from(self.below(3)).expect("in range");
                world.restrict(ServiceId(*id), Some(node), priority);
            }
            if self.below(2) > 0 {
                let priority = [-1, -1, 1][self.below(3)];
                world.restrict(ServiceId(*id), None, priority);
            }
        }
        for _ in 0..self.below(14) {
            let kind = [Kind::Positive, Kind::Negative][self.below(2)];
            let one = services[self.below(services.len())];
            let other = services[self.below(services.len())];
            world
                .affinity
                .relate(kind, ServiceId(one), ServiceId(other));
        }
    }
}

fn renamed(guest: Guest, rename: impl Fn(NodeId) -> NodeId) -> Guest {
    match guest {
        Guest::Managed(managed) => Guest::Managed(Managed {
            node: managed.node.map(&rename),
            target: managed.target.map(&rename),
            ..managed
        }),
        Guest::Unmanaged(unmanaged) => Guest::Unmanaged(Unmanaged {
            node: unmanaged.node.map(&rename),
            ..unmanaged
        }),
    }
}

/// A question, with a list of failed nodes of its own.
#[derive(Clone, Debug)]
struct Question {
    service: ServiceId,
    node: Option<NodeId>,
    failed: Vec<NodeId>,
    maintenance: Option<NodeId>,
    failback: bool,
    preference: Preference,
}

impl Question {
    fn draw(draw: &mut Draw, node_ids: &[u16], service_ids: &[u16]) -> Self {
        let rename = |node: NodeId| NodeId(node_ids[usize::from(node.0)]);
        let nodes = node_ids.len();
        let failed = (0..draw.below(3)).map(|_| draw.node(nodes)).map(rename);
        Self {
            failed: failed.collect(),
            service: ServiceId(service_ids[draw.below(service_ids.len())]),
            node: draw.maybe_node(nodes).map(rename),
            maintenance: (draw.below(4) == 0).then(|| rename(draw.node(nodes))),
            failback: draw.below(3) > 0,
            preference: [Preference::None, Preference::BestScore, Preference::TryNext]
                [draw.below(3)],
        }
    }

    fn request(&self) -> Request<'_> {
        Request {
            service: self.service,
            node: self.node,
            failed_nodes: &self.failed,
            maintenance_node: self.maintenance,
            failback: self.failback,
            preference: self.preference,
        }
    }
}

fn at_once(method: Method) -> Settings {
    Settings {
        enabled: true,
        method: Some(method),
        threshold: Ratio::ZERO,
        hold_rounds: Ratio::ZERO,
        margin: Ratio::ZERO,
    }
}

fn identity(length: usize) -> Vec<u16> {
    (0..u16::try_from(length).expect("in range")).collect()
}

fn draws() -> impl Strategy<Value = Draw> {
    any::<u64>().prop_map(|seed| Draw { seed })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The choice is that of the plain calculation, allowed, and not next to what is to be kept
    /// apart — but for a service that stays with its partners (`scheduling.md` §3, step 3).
    #[test]
    fn choices_are_the_specifications(
        mut draw in draws(),
        nodes in 1..=NODES.len(),
        services in 1..=SERVICES.len(),
    ) {
        let (node_ids, service_ids) = (identity(nodes), identity(services));
        let world = draw.world(&node_ids, &service_ids);
        let oracle = Oracle { world: &world };
        let mut scratch = Scratch::new();
        for _ in 0..12 {
            let question = Question::draw(&mut draw, &node_ids, &service_ids);
            let request = question.request();
            let found = select(&world.table, &world.affinity, &request, &mut scratch);
            let name = found.node.map(|node| world.nodes[usize::from(node.0)].clone());
            prop_assert_eq!(&name, &oracle.select(&request), "{:?}", &question);
            let Some(name) = name else { continue };
            prop_assert!(oracle.allowed(question.service).contains(&name));
            let (together, separate) = oracle.related(question.service);
            let stays = question.preference == Preference::None
                && !question.failback
                && found.node == question.node
                && together.contains_key(&name);
            prop_assert!(stays || !separate.contains(&name));
        }
    }

    /// What a round's changes leave is what building anew would give.
    #[test]
    fn changes_leave_what_a_rebuild_gives(
        mut draw in draws(),
        nodes in 1..=NODES.len(),
        services in 1..=SERVICES.len(),
    ) {
        let mut world = draw.world(&identity(nodes), &identity(services));
        for _ in 0..30 {
            let index = draw.below(services);
            let service = ServiceId(u16::try_from(index).expect("in range"));
            let guest = draw.guest(nodes);
            if world.guests[index].is_none() {
                continue;
            }
            if draw.below(5) == 0 {
                world.table.remove(service);
                prop_assert_eq!(world.table.managed(service), None);
            }
            world.guests[index] = Some(guest);
            world.table.change(service, guest);
            let mut anew = world.clone();
            anew.table = lockstep_model::placement::usage::Table::new();
            anew.rebuild();
            prop_assert_eq!(&anew.table, &world.table);
        }
    }

    /// Names decide, not numbers.
    #[test]
    fn renumbering_changes_nothing(
        mut draw in draws(),
        node_ids in Just(identity(NODES.len())).prop_shuffle(),
        service_ids in Just(identity(SERVICES.len())).prop_shuffle(),
    ) {
        let plain_nodes = identity(NODES.len());
        let plain_services = identity(SERVICES.len());
        let mut other_draw = draw.clone();
        let plain = draw.world(&plain_nodes, &plain_services);
        let other = other_draw.world(&node_ids, &service_ids);
        let name = |world: &World, node: Option<NodeId>| {
            node.map(|node| world.nodes[usize::from(node.0)].clone())
        };
        for _ in 0..12 {
            let one = Question::draw(&mut draw, &plain_nodes, &plain_services);
            let two = Question::draw(&mut other_draw, &node_ids, &service_ids);
            let (one, two) = (plain.ask(&one.request()), other.ask(&two.request()));
            prop_assert_eq!(name(&plain, one.node), name(&other, two.node));
            let text = |world: &World, note: Option<lockstep_model::placement::note::Note>| {
                note.map(|note| note.text(world.names()).to_string())
            };
            prop_assert_eq!(text(&plain, one.note), text(&other, two.note));
        }
        for method in [Method::Bruteforce, Method::Topsis] {
            let step = |world: &World| {
                let step = world.balance(&at_once(method)).step?;
                Some(step.text(world.names()).to_string())
            };
            prop_assert_eq!(step(&plain), step(&other));
        }
    }

    /// Estimates leave out no move that the plain calculation would choose.
    #[test]
    fn the_best_move_is_the_best_of_all(
        mut draw in draws(),
        nodes in 2..=NODES.len(),
        services in 1..=SERVICES.len(),
    ) {
        let mut world = draw.world(&identity(nodes), &identity(services));
        world.mode = [Mode::Static, Mode::Dynamic][draw.below(2)];
        for (guest, stats) in world.guests.iter_mut().zip(&mut world.stats) {
            // Balancing wants everything started, online and known.
            let node = world.online.get(draw.below(nodes)).copied();
            let running = Managed {
                state: ServiceState::Started,
                node,
                target: None,
                running: true,
            };
            *guest = node.map(|_| Guest::Managed(running));
            *stats = Some(draw.stats());
        }
        world.rebuild();
        let oracle = Oracle { world: &world };
        let imbalance = oracle.imbalance();
        for (method, best) in [
            (Method::Bruteforce, bruteforce(&oracle)),
            (Method::Topsis, best_by_topsis(&oracle)),
        ] {
            let outcome = world.balance(&at_once(method));
            prop_assert_eq!(&outcome.note, &None);
            let best = best.filter(|(expected, ..)| {
                imbalance > 0.0 && (imbalance - expected) / imbalance >= 0.0
            });
            let found = outcome.step.map(|step| {
                let node = world.nodes[usize::from(step.target.0)].clone();
                (step.to_imbalance.get(), step.service, node)
            });
            prop_assert_eq!(found, best);
        }
    }
}

/// A table is built in its old buffers.
#[test]
fn a_table_is_used_again() {
    let mut world = World::new(Mode::Static, &[("b", 4, 1 << 30), ("a", 4, 1 << 30)]);
    world.add("vm:1", ServiceState::Started, "a", 1.0, 1);
    world.rebuild();
    let before = world.table.clone();
    world.rebuild();
    assert_eq!(world.table, before);
    let names: Vec<NodeId> = world.table.nodes().collect();
    assert_eq!(names, [NodeId(1), NodeId(0)]);
    let ranks = Ranks::of_names(&world.nodes);
    let note = world.table.begin(Round {
        mode: Mode::Basic,
        online: &[],
        ranks: &ranks,
        node_stats: Ok(&[]),
    });
    assert_eq!(note, None);
    assert_eq!(world.table.managed(ServiceId(0)), None);
    assert_eq!(
        world.ask(&world.request("vm:1", Preference::None)).node,
        None
    );
}
