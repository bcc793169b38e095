//! The check values of `scheduling.md` §3 and the traced cases of §7.

use lockstep_model::placement::affinity::Kind;
use lockstep_model::placement::balance::{Method, Settings};
use lockstep_model::placement::ratio::Ratio;
use lockstep_model::placement::state::ServiceState::{
    Migrate, RequestStart, RequestStartBalance, Started, Stopped,
};
use lockstep_model::placement::usage::Mode;
use lockstep_model::placement::{Preference, Request};

use crate::world::{MIB, World};

const GB: u64 = 1_000_000_000;
const GIB: u64 = 1 << 30;

fn settings(method: Method) -> Settings {
    Settings {
        enabled: true,
        method: Some(method),
        ..Settings::default()
    }
}

/// `scheduling.md` §3, check values: one non-strict rule that prefers node1.
#[test]
fn check_values_of_selection() {
    let mut world = World::new(
        Mode::Basic,
        &[("node1", 8, GIB), ("node2", 8, GIB), ("node3", 8, GIB)],
    );
    world.services.push("vm:111".into());
    world.guests.push(None);
    world.stats.push(None);
    let service = world.service("vm:111");
    world.affinity.restrict(service, world.node("node1"), 0);
    world.affinity.restrict_others(service, -1);
    let mut node = Some(world.node("node1"));
    for (online, preference, expect) in [
        ("123", Preference::None, "node1"),
        ("123", Preference::TryNext, "node1"),
        ("23", Preference::None, "node2"),
        ("23", Preference::TryNext, "node3"),
        ("23", Preference::TryNext, "node2"),
        ("3", Preference::None, "node3"),
        ("3", Preference::TryNext, "node3"),
        ("13", Preference::None, "node1"),
        ("123", Preference::None, "node1"),
        ("123", Preference::TryNext, "node1"),
    ] {
        for (name, digit) in [("node1", '1'), ("node2", '2'), ("node3", '3')] {
            world.set_online(name, online.contains(digit));
        }
        world.rebuild();
        let selection = world.ask(&Request {
            service,
            node,
            failed_nodes: &[],
            maintenance_node: None,
            failback: true,
            preference,
        });
        assert_eq!(selection.node, Some(world.node(expect)), "{online}");
        node = selection.node;
    }
}

#[test]
fn failback_maintenance_and_failed_nodes() {
    let mut world = World::new(Mode::Basic, &[("a", 8, GIB), ("b", 8, GIB), ("c", 8, GIB)]);
    world.add("vm:1", Started, "b", 1.0, GIB);
    let (a, b, c) = (world.node("a"), world.node("b"), world.node("c"));
    world.affinity.restrict(world.service("vm:1"), a, 2);
    world.affinity.restrict(world.service("vm:1"), b, 1);
    world.affinity.restrict(world.service("vm:1"), c, 1);
    world.rebuild();
    let plain = world.request("vm:1", Preference::None);
    assert_eq!(world.ask(&plain).node, Some(a));
    let stays = Request {
        failback: false,
        ..plain
    };
    assert_eq!(world.ask(&stays).node, Some(b));
    world.set_online("a", false);
    world.rebuild();
    assert_eq!(world.ask(&plain).node, Some(b));
    let returns = Request {
        maintenance_node: Some(c),
        preference: Preference::BestScore,
        ..plain
    };
    assert_eq!(world.ask(&returns).node, Some(c));
    let failed = Request {
        failed_nodes: &[b],
        preference: Preference::TryNext,
        ..plain
    };
    assert_eq!(world.ask(&failed).node, Some(c));
    let everywhere = Request {
        failed_nodes: &[b, c, a],
        preference: Preference::TryNext,
        ..plain
    };
    assert_eq!(world.ask(&everywhere).node, None);
}

/// `scheduling.md` §7, test-crs-static3.
#[test]
fn static3_spreads_by_capacity() {
    let mut world = World::new(
        Mode::Static,
        &[
            ("node1", 32, 100 * GB),
            ("node2", 64, 200 * GB),
            ("node3", 32, 100 * GB),
        ],
    );
    world.add("vm:100", Stopped, "node1", 2.0, 4 * GB);
    for number in 101..=109 {
        world.add(&format!("vm:{number}"), Started, "node1", 2.0, 4 * GB);
    }
    world.set_online("node1", false);
    world.rebuild();
    let mut targets = String::new();
    for number in 101..=109 {
        let sid = format!("vm:{number}");
        let target = world.choose(&sid, Preference::None);
        world.change(&sid, Migrate, "node1", Some(&target));
        targets.push_str(&target[4..]);
    }
    assert_eq!(targets, "223223223");
}

/// `scheduling.md` §7, test-crs-static-rebalance-resource-affinity1.
#[test]
fn rebalance_on_start_sees_earlier_decisions() {
    let nodes = ["node1", "node2", "node3"].map(|name| (name, 8, 112 * GB));
    let mut world = World::new(Mode::Static, &nodes);
    for (number, node, cpu, gigabytes) in [
        (101, "node1", 8.0, 16),
        (102, "node2", 4.0, 24),
        (103, "node3", 2.0, 32),
        (104, "node3", 4.0, 48),
        (105, "node3", 8.0, 16),
        (106, "node3", 4.0, 32),
        (107, "node3", 2.0, 64),
        (108, "node3", 8.0, 48),
    ] {
        let sid = format!("vm:{number}");
        world.add(&sid, RequestStart, node, cpu, gigabytes * GB);
    }
    world.relate(Kind::Positive, &["vm:102", "vm:107"]);
    world.relate(Kind::Positive, &["vm:104", "vm:106", "vm:108"]);
    for apart in [
        ["vm:103", "vm:104", "vm:105"].as_slice(),
        &["vm:103", "vm:106", "vm:107"],
        &["vm:107", "vm:108"],
    ] {
        world.relate(Kind::Negative, apart);
    }
    // What the pipeline adds (`rules.md` §4.2): whoever is apart from one is apart from those
    // that are kept with it.
    for (member, apart) in [
        ("vm:102", "vm:103"),
        ("vm:102", "vm:106"),
        ("vm:102", "vm:108"),
        ("vm:106", "vm:105"),
        ("vm:108", "vm:103"),
        ("vm:108", "vm:105"),
        ("vm:104", "vm:107"),
    ] {
        world.relate(Kind::Negative, &[member, apart]);
    }
    world.rebuild();
    let mut chosen = String::new();
    for number in 101..=108 {
        let sid = format!("vm:{number}");
        let node = world.choose(&sid, Preference::BestScore);
        let managed = world.managed(&sid);
        let current = world.nodes[usize::from(managed.node.unwrap().0)].clone();
        if node == current {
            world.change(&sid, Started, &current, None);
        } else {
            world.change(&sid, RequestStartBalance, &current, Some(&node));
        }
        chosen.push_str(&node[4..]);
    }
    assert_eq!(chosen, "12312121");

    // node3 has failed: 103 is to be apart from what is on both others.
    world.set_online("node3", false);
    world.rebuild();
    assert_eq!(world.choose("vm:103", Preference::BestScore), "");
}

/// Four equal virtual machines on node1 of three.
fn four_on_one() -> World {
    let nodes = ["node1", "node2", "node3"].map(|name| (name, 24, 32 * GIB));
    let mut world = World::new(Mode::Dynamic, &nodes);
    for number in 101..=104 {
        world.add(&format!("vm:{number}"), Started, "node1", 1.0, 4 * GIB);
    }
    world.measure();
    world.rebuild();
    world
}

/// `scheduling.md` §7, test-crs-dynamic-auto-rebalance-topsis2; bruteforce logs the same.
#[test]
fn four_on_one_node_are_spread() {
    for method in [Method::Bruteforce, Method::Topsis] {
        let mut world = four_on_one();
        assert_eq!(
            world.balance_and_move(&settings(method)),
            "auto rebalance - migrate vm:101 to node2 \
             (expected change for imbalance from 1.41 to 0.94)"
        );
        assert_eq!(
            world.balance_and_move(&settings(method)),
            "auto rebalance - migrate vm:102 to node3 \
             (expected change for imbalance from 0.94 to 0.35)"
        );
        assert_eq!(world.balance_and_move(&settings(method)), "");
    }
}

/// `scheduling.md` §5.2, steps 1 to 4.
#[test]
fn the_imbalance_has_to_be_held() {
    let world = four_on_one();
    let services = world.service_ranks();
    let cluster = lockstep_model::placement::balance::Cluster {
        table: &world.table,
        affinity: &world.affinity,
        services: &services,
    };
    let look = |settings: &Settings, pending, held| {
        lockstep_model::placement::balance::rebalance(settings, cluster, pending, held)
    };
    let plain = settings(Method::Bruteforce);
    for (held, then, moves) in [(0, 1, false), (1, 2, false), (2, 0, true), (7, 0, true)] {
        let outcome = look(&plain, false, held);
        assert_eq!((outcome.held_rounds, outcome.step.is_some()), (then, moves));
    }
    let outcome = look(&plain, true, 2);
    assert_eq!((outcome.held_rounds, outcome.step), (2, None));
    for hold in [0, 1] {
        let at_once = Settings {
            hold_rounds: Ratio::whole(hold),
            ..plain
        };
        assert!(look(&at_once, false, 0).step.is_some());
    }
    let high = Settings {
        threshold: Ratio::whole(2),
        ..plain
    };
    assert_eq!(look(&high, false, 2).held_rounds, 0);
    let unknown = Settings {
        method: None,
        ..plain
    };
    let outcome = look(&unknown, false, 2);
    assert_eq!((outcome.held_rounds, outcome.step), (0, None));
    let off = Settings::default();
    assert_eq!(look(&off, false, 2).held_rounds, 2);
}

#[test]
fn nothing_is_balanced_while_something_moves() {
    let mut world = four_on_one();
    world.change("vm:104", Migrate, "node1", Some("node2"));
    let outcome = world.balance(&settings(Method::Bruteforce));
    assert_eq!((outcome.held_rounds, outcome.step), (2, None));
}

/// `scheduling.md` §7, test-crs-dynamic-auto-rebalance1: no move is better than none.
#[test]
fn a_lone_service_stays() {
    let nodes = ["node1", "node2", "node3"].map(|name| (name, 24, 48 * GIB));
    let mut world = World::new(Mode::Dynamic, &nodes);
    world.add("vm:101", Started, "node1", 1.0, GIB);
    world.measure();
    world.rebuild();
    let outcome = world.balance(&settings(Method::Bruteforce));
    assert_eq!((outcome.held_rounds, outcome.step), (0, None));
}

/// `scheduling.md` §7, test-crs-dynamic-auto-rebalance3 and -topsis3.
#[test]
fn methods_differ_as_in_the_logs() {
    for (method, expect) in [
        (
            Method::Bruteforce,
            [
                "vm:105 to node2 (expected change for imbalance from 0.85 to 0.42)",
                "vm:103 to node1 (expected change for imbalance from 0.81 to 0.40)",
                "vm:105 to node3 (expected change for imbalance from 0.40 to 0.21)",
            ],
        ),
        (
            Method::Topsis,
            [
                "vm:105 to node2 (expected change for imbalance from 0.85 to 0.42)",
                "vm:103 to node3 (expected change for imbalance from 0.81 to 0.43)",
                "vm:105 to node1 (expected change for imbalance from 0.43 to 0.24)",
            ],
        ),
    ] {
        let mut world = rebalance3();
        for (round, text) in expect.into_iter().enumerate() {
            if round == 1 {
                world.uses("vm:101", 0.9, 1011 * MIB);
                world.uses("vm:103", 3.9, 6517 * MIB);
                world.uses("vm:104", 6.7, 8001 * MIB);
                world.uses("vm:105", 1.8, 1201 * MIB);
                world.uses("vm:106", 2.1, 1211 * MIB);
                world.uses("vm:107", 0.9, 1191 * MIB);
                world.measure();
                world.rebuild();
            }
            let expected = format!("auto rebalance - migrate {text}");
            assert_eq!(world.balance_and_move(&settings(method)), expected);
        }
        assert_eq!(world.balance_and_move(&settings(method)), "");
    }
}

fn rebalance3() -> World {
    let nodes = ["node1", "node2", "node3"].map(|name| (name, 24, 48 * GIB));
    let mut world = World::new(Mode::Dynamic, &nodes);
    for (number, node, maximum, cpu, mem) in [
        (101, "node1", 8.0, 0.9, 5_444_206_592),
        (102, "node1", 8.0, 1.2, 2_621_440_000),
        (103, "node2", 4.0, 0.8, 5_444_206_592),
        (104, "node2", 8.0, 0.9, 2_621_440_000),
        (105, "node3", 8.0, 7.8, 7912 * MIB),
        (106, "node3", 6.0, 5.7, 8192 * MIB),
        (107, "node3", 6.0, 6.0, 8011 * MIB),
    ] {
        let sid = format!("vm:{number}");
        world.add(&sid, Started, node, maximum, 8 * GIB);
        world.uses(&sid, cpu, mem);
    }
    world.measure();
    world.rebuild();
    world
}

/// test-crs-static-auto-rebalance3: the same in static mode, with the maxima.
#[test]
fn static_mode_balances_by_maxima() {
    let nodes = ["node1", "node2", "node3"].map(|name| (name, 24, 48 * GIB));
    let mut world = World::new(Mode::Static, &nodes);
    for (number, node, maximum) in [
        (101, "node1", 2_u32),
        (102, "node1", 2),
        (103, "node2", 2),
        (104, "node2", 2),
        (105, "node3", 8),
        (106, "node3", 8),
        (107, "node3", 8),
    ] {
        let (cpu, mem) = (f64::from(maximum), GIB * u64::from(maximum));
        world.add(&format!("vm:{number}"), Started, node, cpu, mem);
    }
    world.rebuild();
    let plain = settings(Method::Bruteforce);
    assert_eq!(
        world.balance_and_move(&plain),
        "auto rebalance - migrate vm:105 to node1 \
         (expected change for imbalance from 0.88 to 0.47)"
    );
    for number in 101..=105 {
        let index = usize::from(world.service(&format!("vm:{number}")).0);
        let stats = world.stats[index].as_mut().unwrap();
        stats.cpu_max = Some(crate::world::cores(1.0));
        stats.mem_max_bytes = Some(GIB);
    }
    world.rebuild();
    for text in [
        "vm:106 to node2 (expected change for imbalance from 0.91 to 0.42)",
        "vm:103 to node1 (expected change for imbalance from 0.42 to 0.31)",
        "vm:104 to node1 (expected change for imbalance from 0.31 to 0.20)",
    ] {
        let expected = format!("auto rebalance - migrate {text}");
        assert_eq!(world.balance_and_move(&plain), expected);
    }
    assert_eq!(world.balance_and_move(&plain), "");
}

/// The nodes and services of the constrained cases.
fn constrained(services: &[(u32, &str, f64, u64)]) -> World {
    let nodes = ["node1", "node2", "node3"].map(|name| (name, 24, 48 * GIB));
    let mut world = World::new(Mode::Dynamic, &nodes);
    for (number, node, cpu, mem) in services {
        let sid = format!("vm:{number}");
        world.add(&sid, Started, node, 8.0, 8 * GIB);
        world.uses(&sid, *cpu, *mem);
    }
    world
}

/// `scheduling.md` §7, test-crs-dynamic-constrained-auto-rebalance1.
#[test]
fn bound_services_are_no_candidates() {
    let mut world = constrained(&[
        (101, "node1", 0.9, 2500 * MIB),
        (102, "node1", 7.9, 8192 * MIB),
        (103, "node1", 4.7, 5000 * MIB),
    ]);
    for sid in ["vm:101", "vm:102", "vm:103"] {
        let (service, node) = (world.service(sid), world.node("node1"));
        world.affinity.restrict(service, node, 0);
    }
    world.measure();
    world.rebuild();
    let plain = settings(Method::Bruteforce);
    let outcome = world.balance(&plain);
    assert_eq!((outcome.held_rounds, outcome.step), (0, None));
    world.add("vm:104", Started, "node1", 8.0, 8 * GIB);
    world.uses("vm:104", 4.0, 4096 * MIB);
    world.measure();
    world.rebuild();
    assert_eq!(
        world.balance_and_move(&plain),
        "auto rebalance - migrate vm:104 to node2 \
         (expected change for imbalance from 1.41 to 0.98)"
    );
}

/// test-crs-dynamic-constrained-auto-rebalance3: what is kept together moves together.
#[test]
fn a_bundle_moves_as_one() {
    let mut world = constrained(&[
        (101, "node1", 0.9, 2500 * MIB),
        (102, "node1", 7.9, 8192 * MIB),
        (103, "node1", 4.7, 5000 * MIB),
        (104, "node1", 4.0, 4096 * MIB),
    ]);
    world.relate(Kind::Positive, &["vm:101", "vm:103"]);
    world.measure();
    world.rebuild();
    let at_once = Settings {
        hold_rounds: Ratio::ZERO,
        ..settings(Method::Bruteforce)
    };
    assert_eq!(
        world.balance_and_move(&at_once),
        "auto rebalance - migrate vm:102 to node2 \
         (expected change for imbalance from 1.41 to 0.72)"
    );
    let step = world.balance(&at_once).step.unwrap();
    assert_eq!(
        step.text(world.names()).to_string(),
        "auto rebalance - migrate vm:101 to node3 \
         (expected change for imbalance from 0.72 to 0.27)"
    );
    assert_eq!(step.command(world.names()), "migrate vm:101 node3");
}

/// test-crs-dynamic-constrained-auto-rebalance4: what is kept apart stays apart.
#[test]
fn no_move_next_to_what_is_kept_apart() {
    let mut world = constrained(&[
        (101, "node1", 0.9, 4096 * MIB),
        (102, "node1", 2.4, 2500 * MIB),
        (103, "node2", 0.0, 0),
        (104, "node3", 1.0, 1024 * MIB),
    ]);
    world.relate(Kind::Negative, &["vm:101", "vm:103"]);
    world.relate(Kind::Negative, &["vm:102", "vm:103"]);
    world.measure();
    world.rebuild();
    let plain = settings(Method::Bruteforce);
    for text in [
        "vm:101 to node3 (expected change for imbalance from 1.04 to 0.72)",
        "vm:104 to node2 (expected change for imbalance from 0.72 to 0.33)",
    ] {
        let expected = format!("auto rebalance - migrate {text}");
        assert_eq!(world.balance_and_move(&plain), expected);
    }
}
