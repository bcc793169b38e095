//! Rules of affinity (`rules.md` §8–9) and the usage table (`scheduling.md` §2).

use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::placement::affinity::Kind;
use lockstep_model::placement::balance::Settings;
use lockstep_model::placement::note::{
    CandidateError, InitError, NotFinite, Note, Refusal, ScoreError,
};
use lockstep_model::placement::ratio::Ratio;
use lockstep_model::placement::state::ServiceState::{
    Migrate, Relocate, RequestStartBalance, Started, Stopped,
};
use lockstep_model::placement::state::{Guest, Managed, Requested, Unmanaged};
use lockstep_model::placement::stats::{Field, MicroCores, NodeStats};
use lockstep_model::placement::usage::Mode;
use lockstep_model::placement::{Preference, Request};

use crate::world::World;

const GIB: u64 = 1 << 30;

fn world(mode: Mode, services: &[(&str, &str)]) -> World {
    let nodes = ["node1", "node2", "node3"].map(|name| (name, 8, 16 * GIB));
    let mut world = World::new(mode, &nodes);
    for (sid, node) in services {
        world.add(sid, Started, node, 1.0, GIB);
    }
    world.rebuild();
    world
}

fn sids(world: &World, services: &[ServiceId]) -> String {
    let names: Vec<&str> = services
        .iter()
        .map(|id| world.services[usize::from(id.0)].as_str())
        .collect();
    names.join(" ")
}

fn node_names(world: &World, nodes: &[NodeId]) -> String {
    let names: Vec<&str> = nodes
        .iter()
        .map(|id| world.nodes[usize::from(id.0)].as_str())
        .collect();
    names.join(" ")
}

/// `rules.md` §8.1.
#[test]
fn preferred_are_the_highest_priority_online() {
    let mut world = world(Mode::Basic, &[("vm:1", "node1"), ("vm:2", "node1")]);
    let (one, two) = (world.service("vm:1"), world.service("vm:2"));
    world.affinity.restrict(one, world.node("node1"), 2);
    world.affinity.restrict(one, world.node("node2"), 1);
    world.affinity.restrict(two, world.node("node1"), 0);
    world.affinity.restrict_others(two, -1);
    for (offline, service, allowed, preferred) in [
        ("", one, "node1 node2", "node1"),
        ("node1", one, "node2", "node2"),
        ("node1 node2", one, "", ""),
        ("", two, "node1 node2 node3", "node1"),
        ("node1", two, "node2 node3", "node2 node3"),
        ("node1 node2 node3", two, "", ""),
    ] {
        for name in ["node1", "node2", "node3"] {
            world.set_online(name, !offline.contains(name));
        }
        world.rebuild();
        let found = world.affinity.allowed(&world.table, service);
        assert_eq!(node_names(&world, &found), allowed, "without {offline}");
        let found = world.affinity.preferred(&world.table, service);
        assert_eq!(node_names(&world, &found), preferred, "without {offline}");
    }
}

/// `rules.md` §8.2: only the target of a moving partner attracts, both of its nodes repel.
#[test]
fn partners_count_where_they_will_be_and_repel_everywhere() {
    let mut world = world(
        Mode::Basic,
        &[("vm:1", "node3"), ("vm:2", "node1"), ("vm:3", "node1")],
    );
    let service = world.service("vm:1");
    world.relate(Kind::Positive, &["vm:1", "vm:2"]);
    world.relate(Kind::Positive, &["vm:1", "vm:3"]);
    world.change("vm:3", Migrate, "node1", Some("node2"));
    let together = world.affinity.together(&world.table, service);
    assert_eq!(
        together,
        [(world.node("node1"), 1), (world.node("node2"), 1)]
    );
    // One partner each: the name decides.
    assert_eq!(world.choose("vm:1", Preference::None), "node1");
    world.change("vm:2", Relocate, "node1", Some("node2"));
    assert_eq!(world.choose("vm:1", Preference::None), "node2");

    world.affinity = lockstep_model::placement::affinity::Affinity::new();
    world.relate(Kind::Negative, &["vm:1", "vm:3"]);
    let separate = world.affinity.separate(&world.table, service);
    assert_eq!(node_names(&world, &separate), "node1 node2");
    assert_eq!(world.choose("vm:1", Preference::BestScore), "node3");
    world.change("vm:3", RequestStartBalance, "node3", Some("node1"));
    let separate = world.affinity.separate(&world.table, service);
    assert_eq!(node_names(&world, &separate), "node1");
}

/// `rules.md` §8.2: most partners first, then the name.
#[test]
fn most_partners_decide() {
    let mut world = world(
        Mode::Basic,
        &[
            ("vm:1", "node1"),
            ("vm:2", "node1"),
            ("vm:3", "node2"),
            ("vm:4", "node2"),
            ("vm:5", "node3"),
            ("vm:6", "node3"),
        ],
    );
    for partner in ["vm:2", "vm:3", "vm:4", "vm:5", "vm:6"] {
        world.relate(Kind::Positive, &["vm:1", partner]);
    }
    for preference in [Preference::None, Preference::BestScore] {
        assert_eq!(world.choose("vm:1", preference), "node2");
    }
}

/// `rules.md` §8.2: partners on nodes that are not candidates don't bind.
#[test]
fn partners_out_of_reach_do_not_bind() {
    let mut world = world(Mode::Basic, &[("vm:1", "node3"), ("vm:2", "node1")]);
    world.relate(Kind::Positive, &["vm:1", "vm:2"]);
    let node = world.node("node3");
    world.affinity.restrict(world.service("vm:1"), node, 0);
    assert_eq!(world.choose("vm:1", Preference::None), "node3");
}

/// `scheduling.md` §3, step 3: without failback a service stays with its partners even next to
/// one that it is to be away from.
#[test]
fn without_failback_a_service_stays_where_it_may() {
    let mut world = world(
        Mode::Basic,
        &[("vm:1", "node1"), ("vm:2", "node1"), ("vm:3", "node1")],
    );
    world.relate(Kind::Negative, &["vm:1", "vm:2"]);
    let request = |world: &World| Request {
        failback: false,
        ..world.request("vm:1", Preference::None)
    };
    assert_eq!(world.ask(&request(&world)).node, Some(world.node("node2")));
    world.relate(Kind::Positive, &["vm:1", "vm:3"]);
    assert_eq!(world.ask(&request(&world)).node, Some(world.node("node1")));
}

/// `rules.md` §8.3, step 1.
#[test]
fn what_blocks_a_requested_move() {
    let mut world = world(
        Mode::Basic,
        &[("vm:1", "node1"), ("vm:99", "node2"), ("vm:100", "node2")],
    );
    world.services.push("vm:5".into());
    world.relate(Kind::Negative, &["vm:1", "vm:99", "vm:100", "vm:5"]);
    let blocking = |world: &World, target: &str| {
        let (service, target) = (world.service("vm:1"), world.node(target));
        let ranks = world.service_ranks();
        let found = world.affinity.blocking(
            |it| world.table.managed(it).copied(),
            service,
            target,
            &ranks,
        );
        sids(world, &found)
    };
    // In byte order; one that isn't known blocks nothing.
    assert_eq!(blocking(&world, "node2"), "vm:100 vm:99");
    assert_eq!(blocking(&world, "node3"), "");
    // On the move from the target or to it blocks neither.
    world.change("vm:99", Migrate, "node2", Some("node3"));
    assert_eq!(blocking(&world, "node2"), "vm:100");
    assert_eq!(blocking(&world, "node3"), "");
    // One that belongs nowhere is in the way everywhere.
    let nowhere = Managed {
        state: Stopped,
        node: None,
        target: None,
        running: false,
    };
    world.enter("vm:99", nowhere);
    assert_eq!(blocking(&world, "node3"), "vm:99");
}

/// `rules.md` §8.3, step 3.
#[test]
fn what_a_requested_move_takes_along() {
    let mut world = world(
        Mode::Basic,
        &[
            ("vm:1", "node1"),
            ("vm:9", "node1"),
            ("vm:10", "node1"),
            ("vm:3", "node2"),
            ("vm:4", "node1"),
        ],
    );
    world.relate(Kind::Positive, &["vm:1", "vm:9", "vm:10", "vm:3", "vm:4"]);
    world.change("vm:4", Migrate, "node1", Some("node2"));
    let ranks = world.service_ranks();
    let (service, target) = (world.service("vm:1"), world.node("node2"));
    let found = world.affinity.taken_along(
        |it| world.table.managed(it).copied(),
        service,
        target,
        &ranks,
    );
    assert_eq!(sids(&world, &found), "vm:10 vm:9");
}

fn bundles(world: &World) -> Vec<(String, String)> {
    let bundles = world.affinity.bundles(&world.table, &world.service_ranks());
    bundles
        .iter()
        .map(|one| (sids(world, &[one.leader]), sids(world, &one.members)))
        .collect()
}

/// `rules.md` §9, unit cases.
#[test]
fn bundles_are_what_started_together() {
    let three = [
        ("vm:101", "node1"),
        ("vm:102", "node1"),
        ("vm:103", "node1"),
    ];
    let all = ["vm:101", "vm:102", "vm:103"];
    let pair = |leader: &str, members: &str| (leader.to_owned(), members.to_owned());

    let plain = world(Mode::Static, &three[..2]);
    let expect = [pair("vm:101", "vm:101"), pair("vm:102", "vm:102")];
    assert_eq!(bundles(&plain), expect);

    let mut related = world(Mode::Static, &three[..2]);
    related.relate(Kind::Positive, &all[..2]);
    assert_eq!(bundles(&related), [pair("vm:101", "vm:101 vm:102")]);

    let mut stopped = world(Mode::Static, &three);
    stopped.relate(Kind::Positive, &all);
    stopped.change("vm:101", Stopped, "node1", None);
    assert_eq!(bundles(&stopped), [pair("vm:102", "vm:102 vm:103")]);

    for state in [Migrate, Relocate] {
        let mut moving = world(Mode::Static, &three);
        moving.relate(Kind::Positive, &all);
        moving.change("vm:102", state, "node1", Some("node2"));
        assert_eq!(bundles(&moving), []);
    }

    let apart = [
        ("vm:101", "node1"),
        ("vm:102", "node2"),
        ("vm:103", "node3"),
    ];
    let mut apart = world(Mode::Static, &apart);
    apart.relate(Kind::Positive, &all);
    assert_eq!(bundles(&apart), []);
}

/// `scheduling.md` §2.2: a moving service counts on both nodes, another guest when started.
#[test]
fn basic_counts_every_user_of_a_node() {
    let mut world = world(Mode::Basic, &[("vm:1", "node1"), ("vm:2", "node1")]);
    let guest = |requested| {
        Guest::Unmanaged(Unmanaged {
            requested,
            node: Some(NodeId(2)),
            running: true,
        })
    };
    for requested in [Requested::Started, Requested::Ignored, Requested::Disabled] {
        world.services.push(format!("vm:{requested:?}"));
        world.guests.push(Some(guest(requested)));
        world.stats.push(None);
    }
    world.rebuild();
    world.change("vm:2", Migrate, "node1", Some("node2"));
    let counts = world.online.iter().map(|node| world.table.guests_on(*node));
    assert_eq!(counts.collect::<Vec<_>>(), [2, 1, 1]);
    assert!(world.table.is_any_moving());
    world.change("vm:2", Started, "node2", None);
    let counts = world.online.iter().map(|node| world.table.guests_on(*node));
    assert_eq!(counts.collect::<Vec<_>>(), [1, 1, 1]);
    assert!(!world.table.is_any_moving());
    let all: Vec<ServiceId> = world.table.all_managed().map(|(id, _)| id).collect();
    assert_eq!(all, [ServiceId(0), ServiceId(1)]);
}

/// `scheduling.md` §1: what is wanting makes the round basic.
#[test]
fn wanting_statistics_of_nodes_fall_back() {
    let whole = world(Mode::Static, &[]).node_stats[0].unwrap();
    for (stats, reason) in [
        (None, InitError::NoStatsOf(NodeId(1))),
        (
            Some(NodeStats {
                cpu_max: None,
                ..whole
            }),
            InitError::NoCpuCount(NodeId(1)),
        ),
        (
            Some(NodeStats {
                mem_max_bytes: None,
                ..whole
            }),
            InitError::NoMemory(NodeId(1)),
        ),
    ] {
        for mode in [Mode::Static, Mode::Dynamic] {
            let mut world = world(mode, &[("vm:1", "node1")]);
            assert_eq!(world.table.mode(), mode);
            world.node_stats[1] = stats;
            world.rebuild();
            let reason = reason.clone();
            assert_eq!(world.notes, [Note::Fallback { mode, reason }]);
            assert_eq!(world.table.mode(), Mode::Basic);
            assert_eq!(world.table.configured_mode(), mode);
            assert_eq!(world.choose("vm:1", Preference::BestScore), "node2");
            world.set_online("node2", false);
            world.rebuild();
            assert_eq!(world.notes, []);
        }
    }
}

/// `scheduling.md` §2.4 and §4: a service without statistics is left out, and placed by name.
#[test]
fn a_service_without_statistics_is_left_out() {
    let mut world = world(Mode::Static, &[("vm:1", "node1"), ("vm:2", "node1")]);
    let service = world.service("vm:1");
    for (field, refusal) in [
        (None, Refusal::NoStats),
        (Some(()), Refusal::MissingField(Field::MemMax)),
    ] {
        let mut stats = world.stats[1];
        stats.as_mut().unwrap().mem_max_bytes = None;
        world.stats[0] = field.and(stats);
        let started = Managed {
            state: Started,
            node: Some(world.node("node1")),
            target: None,
            running: true,
        };
        world.guests[0] = Some(Guest::Managed(started));
        world.rebuild();
        let mode = Mode::Static;
        let note = Note::NotAdded {
            service,
            mode,
            refusal,
        };
        assert_eq!(world.notes, [note]);
        let selection = world.ask(&world.request("vm:1", Preference::BestScore));
        assert_eq!(selection.node, Some(world.node("node1")));
        let error = ScoreError::Service(refusal);
        let note = Note::NotScored {
            service,
            mode,
            error,
        };
        assert_eq!(selection.note, Some(note));
        // Without a used node there is nothing to add, so nothing to warn of.
        world.notes.clear();
        world.change("vm:1", Stopped, "node1", None);
        assert_eq!(world.notes, []);
    }
    world.change("vm:2", Migrate, "node1", Some("node1"));
    let refusal = Refusal::SameNode;
    assert!(matches!(world.notes[..], [Note::NotAdded { refusal: found, .. }] if found == refusal));
}

/// `scheduling.md` §2.6: a service without limit may take all cores of its node.
#[test]
fn unlimited_services_take_the_node() {
    let mut world = World::new(Mode::Static, &[("a", 4, GIB), ("b", 4, GIB)]);
    world.add("vm:1", Started, "a", 0.0, 0);
    world.add("vm:2", Stopped, "a", 1.0, 0);
    world.rebuild();
    assert_eq!(world.choose("vm:2", Preference::BestScore), "b");
    world.change("vm:1", Started, "b", None);
    assert_eq!(world.choose("vm:2", Preference::BestScore), "a");
}

fn at_once() -> Settings {
    Settings {
        enabled: true,
        hold_rounds: Ratio::ZERO,
        ..Settings::default()
    }
}

/// `scheduling.md` §4.2 and §5.1: what has no ratio is no score, and names decide.
#[test]
fn a_node_without_capacity_is_told() {
    let mode = Mode::Dynamic;
    let mut world = world(mode, &[("vm:1", "node1"), ("vm:2", "node2")]);
    world.node_stats[1].as_mut().unwrap().cpu_max = Some(MicroCores(0));
    world.rebuild();
    let service = world.service("vm:1");
    let selection = world.ask(&world.request("vm:1", Preference::BestScore));
    assert_eq!(selection.node, Some(world.node("node1")));
    let error = ScoreError::Criterion(0, NotFinite::Nan);
    let note = Note::NotScored {
        service,
        mode,
        error,
    };
    assert_eq!(selection.note, Some(note));
    let outcome = world.balance(&at_once());
    let error = ScoreError::Imbalance(NotFinite::Nan);
    assert_eq!(outcome.note, Some(Note::NoImbalance { mode, error }));
    assert_eq!((outcome.held_rounds, outcome.step), (0, None));
}

/// `scheduling.md` §5.3: one service that is not part of the figures spoils the round.
#[test]
fn a_service_out_of_the_figures_spoils_balancing() {
    let services = [("vm:1", "node3"), ("vm:2", "node1"), ("vm:3", "node1")];
    let mut world = world(Mode::Static, &services);
    assert!(world.balance(&at_once()).step.is_some());
    world.set_online("node3", false);
    world.rebuild();
    let outcome = world.balance(&at_once());
    let leader = CandidateError::LeaderAbsent(world.service("vm:1"));
    assert_eq!(
        (outcome.step, outcome.note),
        (None, Some(Note::NoMove(leader)))
    );

    world.set_online("node3", true);
    world.relate(Kind::Positive, &["vm:2", "vm:3"]);
    world.stats[2] = None;
    world.rebuild();
    let outcome = world.balance(&at_once());
    let member = CandidateError::MemberAbsent(world.service("vm:3"));
    assert_eq!(
        (outcome.step, outcome.note),
        (None, Some(Note::NoMove(member)))
    );
}
