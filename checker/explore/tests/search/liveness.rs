//! What must happen, in models small enough to be judged by hand, and against brute force.

use crate::toys::{Edge, Random, Toy};
use lockstep_explore::search::{
    Broken, Checked, Class, Ending, Fairness, Limits, Live, Liveness, Longest, Options, Overdue,
    Promises, Verdict, Why, liveness, search,
};
use stateright::Model;
use std::collections::BTreeSet;

/// The label of a step in no class: nobody has to take it.
const FREE: u32 = 0;

/// Who takes steps labelled 1 and 2.
const FIRST: u32 = 1;
const SECOND: u32 = 2;

/// A step of the first class that takes time.
const TICK: u32 = 3;

/// A graph with one promise. An edge's label is its class, counted from 1.
#[derive(Clone)]
struct Promising {
    toy: Toy,
    fairness: Vec<Fairness>,
    made: BTreeSet<u32>,
    kept: BTreeSet<u32>,
    uncounted: BTreeSet<u32>,
}

impl Model for Promising {
    type State = u32;
    type Action = Edge;

    fn init_states(&self) -> Vec<u32> {
        self.toy.init_states()
    }

    fn actions(&self, state: &u32, actions: &mut Vec<Edge>) {
        self.toy.actions(state, actions);
    }

    fn next_state(&self, state: &u32, edge: Edge) -> Option<u32> {
        self.toy.next_state(state, edge)
    }
}

impl Checked for Promising {}

impl Live for Promising {
    fn classes(&self) -> Vec<Class> {
        let fairness = self.fairness.iter();
        fairness
            .map(|&fairness| Class {
                name: format!("{fairness:?}"),
                fairness,
            })
            .collect()
    }

    fn classes_of(&self, _: &u32, edge: &Edge, _: &u32) -> u64 {
        match edge.label {
            FREE => 0,
            TICK => 1,
            class => 1 << (class - 1),
        }
    }

    fn takes_time(&self, edge: &Edge) -> bool {
        edge.label == TICK
    }

    fn promise_names(&self) -> Vec<String> {
        vec!["promise".to_owned()]
    }

    fn promises(&self, state: &u32) -> Promises {
        Promises {
            made: self.made.contains(state).into(),
            kept: self.kept.contains(state).into(),
            uncounted: self.uncounted.contains(state).into(),
        }
    }
}

/// A graph with two weak classes, in which node 0 makes the promise.
fn weak(edges: &[&[(u32, u32)]], kept: &[u32]) -> Promising {
    Promising {
        toy: Toy {
            initial: vec![0],
            edges: edges.iter().map(|edges| edges.to_vec()).collect(),
            ..Toy::default()
        },
        fairness: vec![Fairness::Weak, Fairness::Weak],
        made: BTreeSet::from([0]),
        kept: kept.iter().copied().collect(),
        uncounted: BTreeSet::new(),
    }
}

/// The same, with a second class that is strong.
fn strong(edges: &[&[(u32, u32)]], kept: &[u32]) -> Promising {
    Promising {
        fairness: vec![Fairness::Weak, Fairness::Strong],
        ..weak(edges, kept)
    }
}

fn run(model: &Promising) -> Liveness<u32, Edge> {
    let one = liveness(model, 1, &Limits::default(), |_| ());
    let two = liveness(model, 2, &Limits::default(), |_| ());
    assert!(matches!(one.ending, Ending::Closed), "{:?}", one.ending);
    assert_eq!(one.promises[0].broken, two.promises[0].broken);
    assert_eq!(one.promises[0].longest, two.promises[0].longest);
    one
}

fn broken(model: &Promising) -> Option<Broken<u32, Edge>> {
    run(model).promises[0].broken.clone()
}

/// The nodes of the prefix and of the cycle behind it.
fn nodes(broken: &Broken<u32, Edge>) -> (Vec<u32>, Vec<u32>) {
    let lasso = &broken.lasso;
    let cycle = lasso.cycle.iter().map(|step| step.state).collect();
    (crate::toys::nodes(&lasso.prefix), cycle)
}

fn check(model: &Promising, expect: Option<(&[u32], &[u32])>) {
    let found = broken(model);
    let found = found.as_ref().map(nodes);
    let found = found.as_ref().map(|(way, cycle)| (&way[..], &cycle[..]));
    assert_eq!(found, expect);
}

#[test]
fn what_is_enabled_for_ever_is_taken() {
    // The first class goes round for ever while the second could keep the promise.
    let edges: &[&[(u32, u32)]] = &[&[(FIRST, 0), (SECOND, 1)], &[(FIRST, 1)]];
    check(&weak(edges, &[1]), None);
    // Nobody has to keep it.
    let edges: &[&[(u32, u32)]] = &[&[(FIRST, 0), (FREE, 1)], &[(FIRST, 1)]];
    check(&weak(edges, &[1]), Some((&[0], &[0])));
}

#[test]
fn what_is_enabled_now_and_then_takes_strong_fairness() {
    // The lock is free at 0 only; the first class takes it and gives it back.
    let edges: &[&[(u32, u32)]] = &[&[(FIRST, 1), (SECOND, 2)], &[(FIRST, 0)], &[(FIRST, 2)]];
    check(&weak(edges, &[2]), Some((&[0], &[1, 0])));
    check(&strong(edges, &[2]), None);
}

#[test]
fn strong_fairness_within_a_part() {
    // Without the states at which the second class is enabled, 0 and 1, a cycle of others is left:
    // there it isn't, so a run through them is fair.
    let edges: &[&[(u32, u32)]] = &[
        &[(FIRST, 1), (SECOND, 4)],
        &[(FIRST, 2), (SECOND, 4)],
        &[(FIRST, 3)],
        &[(FIRST, 2), (FIRST, 0)],
        &[(FIRST, 4)],
    ];
    check(&strong(edges, &[4]), Some((&[0, 1, 2], &[3, 2])));
    // With an edge that the second class takes there, the whole is fair, through that edge.
    let edges: &[&[(u32, u32)]] = &[&[(FIRST, 1)], &[(FIRST, 2), (SECOND, 0)], &[(FIRST, 1)]];
    check(&strong(edges, &[]), Some((&[0], &[1, 0])));
}

#[test]
fn a_cycle_shows_that_it_is_fair_to_all() {
    // Both classes are enabled at every state: the cycle takes both, or it isn't fair.
    let edges: &[&[(u32, u32)]] = &[
        &[(FIRST, 0), (SECOND, 1)],
        &[(SECOND, 1), (FIRST, 2)],
        &[(FIRST, 0), (SECOND, 2)],
    ];
    let found = broken(&weak(edges, &[])).expect("nothing keeps it");
    let taken: BTreeSet<u32> = found
        .lasso
        .cycle
        .iter()
        .map(|step| step.action.label)
        .collect();
    assert_eq!(taken, BTreeSet::from([FIRST, SECOND]));
    // A class that is enabled at one state only is let off by a visit to the other.
    let edges: &[&[(u32, u32)]] = &[&[(FIRST, 1), (SECOND, 2), (FIRST, 0)], &[(FIRST, 0)], &[]];
    check(&weak(edges, &[2]), Some((&[0], &[1, 0])));
}

#[test]
fn a_run_may_stop_where_nothing_has_to_be_done() {
    // At 1 nothing is enabled.
    check(&weak(&[&[(FIRST, 1)], &[]], &[]), Some((&[0, 1], &[])));
    // At 1 there are faults alone, and what people do.
    let edges: &[&[(u32, u32)]] = &[&[(FIRST, 1)], &[(FREE, 2)], &[(FIRST, 2)]];
    check(&weak(edges, &[2]), Some((&[0, 1], &[])));
    // At 1 a class has to go on.
    let edges: &[&[(u32, u32)]] = &[&[(FIRST, 1)], &[(FIRST, 2), (FREE, 1)], &[(FIRST, 2)]];
    check(&weak(edges, &[2]), None);
    // A step from a state to itself is one that is taken.
    let edges: &[&[(u32, u32)]] = &[&[(FIRST, 0), (FREE, 1)], &[]];
    check(&weak(edges, &[1]), Some((&[0], &[0])));
}

#[test]
fn keeping_once_is_enough_and_making_again_counts_again() {
    // 0 makes it, 1 keeps it, then it is made no more.
    let edges: &[&[(u32, u32)]] = &[&[(FIRST, 1)], &[(FIRST, 2)], &[(FIRST, 2)]];
    check(&weak(edges, &[1]), None);
    // 3 makes it again, behind the state that kept it, and leads into a cycle.
    let edges: &[&[(u32, u32)]] = &[&[(FIRST, 1)], &[(FIRST, 2)], &[(FIRST, 3)], &[(FIRST, 3)]];
    let mut model = weak(edges, &[1]);
    check(&model, None);
    model.made.insert(3);
    let found = broken(&model).expect("it is made again");
    assert_eq!(
        (nodes(&found), found.made),
        ((vec![0, 1, 2, 3], vec![3]), 3)
    );
}

#[test]
fn the_shortest_prefix_is_shown() {
    // Two cycles: one near through many open states, one farther that makes it late.
    let edges: &[&[(u32, u32)]] = &[
        &[(FIRST, 1), (FIRST, 4)],
        &[(FIRST, 2)],
        &[(FIRST, 3)],
        &[(FIRST, 3)],
        &[(FIRST, 5)],
        &[(FIRST, 5)],
    ];
    let mut model = weak(edges, &[1]);
    model.made = BTreeSet::from([2, 5]);
    check(&model, Some((&[0, 4, 5], &[5])));
    model.made = BTreeSet::from([2]);
    check(&model, Some((&[0, 1, 2, 3], &[3])));
}

/// Where stateright's `eventually` is wrong: at a join, whose second visitor is not followed, and on
/// a cycle, which never ends.
#[test]
fn joins_and_cycles() {
    // 0 goes to 3 through 1, which keeps the promise, and through 2, which doesn't.
    let edges: &[&[(u32, u32)]] = &[&[(FREE, 1), (FREE, 2)], &[(FIRST, 3)], &[(FIRST, 3)], &[]];
    let mut model = weak(edges, &[1]);
    model.toy.edges[0] = vec![(FIRST, 1), (FIRST, 2)];
    check(&model, Some((&[0, 2, 3], &[])));
    // 0 and 1 are a cycle that never keeps it, with a way out that is never forced.
    let edges: &[&[(u32, u32)]] = &[&[(FIRST, 1)], &[(FIRST, 0), (FIRST, 2)], &[]];
    check(&weak(edges, &[2]), Some((&[0], &[1, 0])));
}

#[test]
fn the_longest_time_that_a_promise_is_open() {
    let longest = |model: &Promising| run(model).promises[0].longest;
    // Two units one way, one the other.
    let edges: &[&[(u32, u32)]] = &[
        &[(TICK, 1), (FIRST, 2)],
        &[(TICK, 3), (FIRST, 2)],
        &[(TICK, 3)],
        &[(TICK, 3)],
    ];
    let mut model = weak(edges, &[3]);
    assert_eq!(longest(&model), Longest::Units(2));
    // From 1 on it counts anew, if 1 makes it again.
    model.uncounted.insert(1);
    assert_eq!(longest(&model), Longest::Units(1));
    model.uncounted.remove(&1);
    model.made.clear();
    assert_eq!(longest(&model), Longest::Never);
    // A cycle without time costs none; one with time has no end, though fairness breaks it.
    let edges: &[&[(u32, u32)]] = &[&[(FIRST, 1)], &[(FIRST, 0), (TICK, 2)], &[]];
    assert_eq!(longest(&weak(edges, &[2])), Longest::Units(1));
    let edges: &[&[(u32, u32)]] = &[&[(TICK, 0), (SECOND, 1)], &[(TICK, 1)]];
    assert_eq!(longest(&weak(edges, &[1])), Longest::Unbounded);
    check(&weak(edges, &[1]), None);
}

/// The bound that the graph gives holds as safety, and one less doesn't.
#[test]
fn bounds_as_safety_are_those_of_the_graph() {
    let mut random = Random(17);
    let mut bounded = 0;
    for _ in 0..400 {
        let model = random_model(&mut random);
        let longest = run(&model).promises[0].longest;
        let kept_within = |bound| {
            let overdue = Overdue::new(model.clone(), 0, bound);
            match search(&overdue, &Options::default(), |_| ()).verdict {
                Verdict::Exhausted => true,
                Verdict::Violated { .. } => false,
                other @ (Verdict::Truncated(_)
                | Verdict::Panicked { .. }
                | Verdict::Unrepeatable { .. }) => panic!("{other:?}"),
            }
        };
        match longest {
            Longest::Never => assert!(kept_within(0)),
            Longest::Units(units) => {
                assert!(kept_within(units));
                bounded += units.min(1);
                assert!(units == 0 || !kept_within(units - 1));
            }
            Longest::Unbounded => assert!(!kept_within(20)),
        }
    }
    assert!(bounded > 20, "{bounded} with a bound of their own");
}

fn random_model(random: &mut Random) -> Promising {
    let nodes = 2 + random.below(7);
    let toy = Toy::random(random, nodes, 3);
    let mut subset =
        |share: u32| -> BTreeSet<u32> { (0..nodes).filter(|_| random.below(share) == 0).collect() };
    let (made, kept, uncounted) = (subset(2), subset(3), subset(6));
    let mut edges = toy.edges.clone();
    for edge in edges.iter_mut().flatten() {
        edge.0 = random.below(4);
    }
    let strong = random.below(2) == 0;
    Promising {
        toy: Toy { edges, ..toy },
        fairness: match strong {
            true => vec![Fairness::Weak, Fairness::Strong],
            false => vec![Fairness::Weak, Fairness::Weak],
        },
        made,
        kept,
        uncounted,
    }
}

impl Promising {
    fn targets(&self, node: u32) -> impl Iterator<Item = (u64, u32)> + '_ {
        let edges = self.toy.edges[node as usize].iter().enumerate();
        edges.map(move |(place, &(label, to))| {
            (self.classes_of(&node, &Edge { place, label }, &to), to)
        })
    }

    fn enabled(&self, node: u32) -> u64 {
        self.targets(node)
            .fold(0, |set, (classes, _)| set | classes)
    }

    fn reached(&self, from: &[u32], within: impl Fn(u32) -> bool) -> BTreeSet<u32> {
        let mut reached: BTreeSet<u32> =
            from.iter().copied().filter(|&node| within(node)).collect();
        let mut waiting: Vec<u32> = reached.iter().copied().collect();
        while let Some(node) = waiting.pop() {
            for (_, to) in self.targets(node) {
                if within(to) && reached.insert(to) {
                    waiting.push(to);
                }
            }
        }
        reached
    }

    /// By the definition: some set of open states, each of which leads to each within the set, or
    /// one alone, has for every class what fairness asks of the run that visits just these for
    /// ever and takes every step among them.
    fn is_broken(&self) -> bool {
        let known = self.reached(&self.toy.initial, |_| true);
        let not_kept = |node: u32| !self.kept.contains(&node);
        let made: Vec<u32> = known.intersection(&self.made).copied().collect();
        let open: Vec<u32> = self.reached(&made, not_kept).into_iter().collect();
        (1_u32..1 << open.len()).any(|chosen| {
            let chosen = open
                .iter()
                .enumerate()
                .filter(|(bit, _)| chosen >> bit & 1 == 1);
            let set: BTreeSet<u32> = chosen.map(|(_, node)| *node).collect();
            self.is_fair(&set)
        })
    }

    fn is_fair(&self, set: &BTreeSet<u32>) -> bool {
        let connected = set
            .iter()
            .all(|&node| self.reached(&[node], |node| set.contains(&node)) == *set);
        let steps = || set.iter().flat_map(|&node| self.targets(node));
        let inside = steps().filter(|(_, to)| set.contains(to));
        let taken = inside.fold(0, |taken, (classes, _)| taken | classes);
        let enabled = || set.iter().map(|&node| self.enabled(node));
        let owed = |(class, fairness): (usize, &Fairness)| {
            let bit = 1 << class;
            let due = match fairness {
                Fairness::Weak => enabled().all(|enabled| enabled & bit != 0),
                Fairness::Strong => enabled().any(|enabled| enabled & bit != 0),
            };
            due && taken & bit == 0
        };
        connected && !self.fairness.iter().enumerate().any(owed)
    }

    /// Whether a run is what it is said to be: possible, and fair, and open from where it says.
    fn confirm(&self, found: &Broken<u32, Edge>) {
        let Broken { lasso, made } = found;
        assert!(lasso.prefix.replays(self));
        let (way, cycle) = nodes(found);
        assert!(self.made.contains(&way[*made]));
        assert!(
            way[*made..]
                .iter()
                .chain(&cycle)
                .all(|node| !self.kept.contains(node))
        );
        let mut at = way[way.len() - 1];
        let round: BTreeSet<u32> = std::iter::once(at).chain(cycle.iter().copied()).collect();
        let mut taken = 0;
        for step in &lasso.cycle {
            let (classes, to) = self
                .targets(at)
                .nth(usize::from(step.choice))
                .expect("a step");
            assert_eq!(to, step.state);
            taken |= classes;
            at = to;
        }
        assert_eq!(at, way[way.len() - 1], "it ends where it began");
        for (class, fairness) in self.fairness.iter().enumerate() {
            let bit = 1 << class;
            let mut enabled = round.iter().map(|&node| self.enabled(node) & bit != 0);
            let due = match fairness {
                Fairness::Weak => enabled.all(|enabled| enabled),
                Fairness::Strong => enabled.any(|enabled| enabled),
            };
            assert!(!due || taken & bit != 0, "class {class} of {found:?}");
        }
    }
}

#[test]
fn random_models_against_the_definition() {
    let mut random = Random(4);
    let mut counts = [0; 2];
    for round in 0..3000 {
        let model = random_model(&mut random);
        let found = broken(&model);
        assert_eq!(found.is_some(), model.is_broken(), "round {round}");
        if let Some(found) = &found {
            model.confirm(found);
        }
        counts[usize::from(found.is_some())] += 1;
    }
    assert!(counts.iter().all(|&count| count > 300), "{counts:?}");
}

#[test]
fn what_ends_early_says_nothing() {
    let edges: &[&[(u32, u32)]] = &[&[(FIRST, 1)], &[(FIRST, 1)]];
    let mut model = weak(edges, &[]);
    let limits = Limits {
        states: Some(0),
        ..Limits::default()
    };
    let found = liveness(&model, 1, &limits, |_| ());
    assert!(matches!(found.ending, Ending::Truncated(Why::States)));
    assert!(found.promises.is_empty());
    model.toy.panics = Some(crate::toys::Panics::Expanding(1));
    let found = liveness(&model, 2, &Limits::default(), |_| ());
    let Ending::Panicked { message, trace } = found.ending else {
        panic!("{:?}", found.ending);
    };
    assert_eq!(message, "stuck at 1");
    assert_eq!(trace.expect("a way").len(), 1);
}
