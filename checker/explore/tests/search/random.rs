//! Random graphs: the search against a naive one, with any number of threads.

use super::toys::{Random, Toy, first_breach, nodes, run, to_closure, violation};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A sequential search, as plain as can be.
#[derive(Default)]
struct Naive {
    /// Every node with the one it was found from, and its distance.
    found: BTreeMap<u32, (Option<u32>, usize)>,
    order: Vec<u32>,
    transitions: u64,
}

impl Naive {
    fn of(toy: &Toy) -> Self {
        let mut this = Self::default();
        let mut queue = VecDeque::new();
        for &node in &toy.initial {
            if this.find(node, None, 0) {
                queue.push_back(node);
            }
        }
        while let Some(node) = queue.pop_front() {
            let (_, distance) = this.found[&node];
            for &(_, to) in &toy.edges[node as usize] {
                this.transitions += 1;
                if this.find(to, Some(node), distance + 1) {
                    queue.push_back(to);
                }
            }
        }
        this
    }

    fn find(&mut self, node: u32, from: Option<u32>, distance: usize) -> bool {
        let is_new = !self.found.contains_key(&node);
        if is_new {
            self.found.insert(node, (from, distance));
            self.order.push(node);
        }
        is_new
    }

    fn levels(&self) -> Vec<u64> {
        let mut levels = Vec::new();
        for node in &self.order {
            let (_, distance) = self.found[node];
            levels.resize(distance + 1, 0);
            levels[distance] += 1;
        }
        levels
    }

    fn way_to(&self, node: u32) -> Vec<u32> {
        let mut way = vec![node];
        let mut at = node;
        while let (Some(from), _) = self.found[&at] {
            way.insert(0, from);
            at = from;
        }
        way
    }
}

fn check(toy: &mut Toy, seed: u64) {
    let naive = Naive::of(toy);
    for threads in [1, 2, 3] {
        let report = run(toy, &first_breach(threads));
        let context = format!("seed {seed}, {threads} threads");
        assert!(report.verdict.is_exhausted(), "{context}");
        assert_eq!(report.states as usize, naive.order.len(), "{context}");
        assert_eq!(report.transitions, naive.transitions, "{context}");
        assert_eq!(report.levels, naive.levels(), "{context}");
    }
    // The last node found breaks the property, and one in the middle.
    let order = &naive.order;
    let bad = [order[order.len() - 1], order[order.len() / 2]];
    toy.bad_states = BTreeSet::from(bad);
    let mut counts = BTreeSet::new();
    for threads in [1, 2, 3] {
        let report = run(toy, &first_breach(threads));
        let (_, way) = violation(&report);
        assert_eq!(way, naive.way_to(bad[1]), "seed {seed}, {threads} threads");
        counts.insert((report.states, report.transitions));
        let report = run(toy, &to_closure(threads));
        assert_eq!(violation(&report).1, way, "seed {seed}");
        assert_eq!(report.states as usize, order.len(), "seed {seed}");
    }
    assert_eq!(
        counts.len(),
        1,
        "where a search stops depends on the threads"
    );
    check_dead_end(toy, &naive);
}

fn check_dead_end(toy: &Toy, naive: &Naive) {
    let is_dead = |node: &&u32| toy.edges[**node as usize].is_empty();
    let dead: Vec<_> = naive.order.iter().filter(is_dead).collect();
    let ends = run(toy, &to_closure(2)).dead_ends;
    assert_eq!(ends.count as usize, dead.len());
    let first = dead.first().map(|&&node| naive.way_to(node));
    assert_eq!(ends.first.as_ref().map(nodes), first);
}

#[test]
fn small_graphs() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let nodes = 1 + random.below(60);
        let degree = 1 + random.below(4);
        check(&mut Toy::random(&mut random, nodes, degree), seed);
    }
}

/// Levels of many batches, tables that grow, chunks that fill.
#[test]
fn large_graphs() {
    for (seed, degree) in [(1, 3), (2, 8), (3, 40)] {
        let mut random = Random(seed);
        check(&mut Toy::random(&mut random, 100_000, degree), seed);
    }
}
