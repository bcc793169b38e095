//! A stored graph and its cycles.

use super::components::{SCRATCH_BYTES, Scratch};
use std::collections::VecDeque;

/// A directed graph: its edges in one list, sorted by where they start.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// For each node where its edges end; they start where the last one's end.
    ends: Vec<usize>,
    targets: Vec<u32>,
}

impl Graph {
    /// Adds an edge from the next node to be ended.
    pub(super) fn push_edge(&mut self, target: u32) {
        self.targets.push(target);
    }

    /// Ends the next node: the edges pushed since the last one are its own.
    pub(super) fn end_node(&mut self) {
        self.ends.push(self.targets.len());
    }

    /// The number of edges.
    pub(super) fn edges(&self) -> usize {
        self.targets.len()
    }

    /// Bytes in use, and those that the search for a cycle will take.
    pub(super) fn bytes(&self) -> usize {
        let search_by_node = SCRATCH_BYTES + size_of::<u32>();
        self.ends.capacity() * (size_of::<usize>() + search_by_node)
            + self.targets.capacity() * size_of::<u32>()
    }

    /// A shortest cycle through the least node that is on any cycle, starting
    /// with that node.
    pub(super) fn least_cycle(&self) -> Option<Vec<u32>> {
        let nodes = self.nodes();
        let mut component = vec![0; nodes];
        let mut components = 0;
        let mut least: Option<u32> = None;
        let all = 0..nodes as u32;
        Scratch::new(nodes).components(
            self,
            all,
            |_| true,
            |members| {
                components += 1;
                for &node in members {
                    component[node as usize] = components;
                }
                if self.is_cyclic(members) {
                    least = least.into_iter().chain(members.iter().copied()).min();
                }
            },
        );
        Some(self.cycle_through(least?, &component))
    }

    /// Whether a component has a cycle: it has several nodes, or one with an edge to itself.
    pub(super) fn is_cyclic(&self, component: &[u32]) -> bool {
        match component {
            [node] => self.targets[self.edges_of(*node)].contains(node),
            _ => component.len() > 1,
        }
    }

    /// The number of nodes.
    pub(super) fn nodes(&self) -> usize {
        self.ends.len()
    }

    /// Where an edge leads.
    pub(super) fn target(&self, edge: usize) -> u32 {
        self.targets[edge]
    }

    /// Where an edge starts.
    pub(super) fn start_of(&self, edge: usize) -> u32 {
        self.ends.partition_point(|&end| end <= edge) as u32
    }

    /// A node's edges.
    pub(super) fn edges_of(&self, node: u32) -> std::ops::Range<usize> {
        let node = node as usize;
        let start = if node == 0 { 0 } else { self.ends[node - 1] };
        start..self.ends[node]
    }

    /// A shortest cycle through `start`, which is on one.
    fn cycle_through(&self, start: u32, component: &[u32]) -> Vec<u32> {
        let mut before = vec![u32::MAX; self.ends.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for &target in &self.targets[self.edges_of(node)] {
                if target == start {
                    let mut cycle = vec![node];
                    let mut at = node;
                    while at != start {
                        at = before[at as usize];
                        cycle.push(at);
                    }
                    cycle.reverse();
                    return cycle;
                }
                let is_inside = component[target as usize] == component[start as usize];
                if is_inside && before[target as usize] == u32::MAX {
                    before[target as usize] = node;
                    queue.push_back(target);
                }
            }
        }
        unreachable!("a node on a cycle leads back to itself")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(nodes: &[&[u32]], expect: Option<&[u32]>) {
        let mut graph = Graph::default();
        for targets in nodes {
            targets.iter().for_each(|&target| graph.push_edge(target));
            graph.end_node();
        }
        assert_eq!(graph.least_cycle().as_deref(), expect, "{nodes:?}");
    }

    #[test]
    fn cycles() {
        check(&[], None);
        check(&[&[]], None);
        check(&[&[0]], Some(&[0]));
        check(&[&[1, 2], &[3], &[3], &[]], None);
        check(&[&[1], &[2], &[0]], Some(&[0, 1, 2]));
        // The shorter way round, and not the nodes before or behind.
        check(&[&[1], &[2, 3], &[3], &[1, 4], &[]], Some(&[1, 3]));
        // Two components: the one with the least node.
        check(&[&[3], &[2], &[1], &[4], &[3]], Some(&[1, 2]));
        // A self-loop inside a larger component is the shortest cycle.
        check(&[&[1], &[0, 1]], Some(&[0, 1]));
        check(&[&[1], &[2], &[2, 1]], Some(&[1, 2]));
    }

    /// Against the definition: a node is on a cycle if it can be reached from
    /// itself.
    #[test]
    fn random_graphs() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for nodes in (1..40_usize).cycle().take(600) {
            let mut graph = Graph::default();
            let mut reach = vec![vec![false; nodes]; nodes];
            for from in &mut reach {
                for (target, edge) in from.iter_mut().enumerate() {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    *edge = random % (2 * nodes as u64) < 2;
                    if *edge {
                        graph.push_edge(target as u32);
                    }
                }
                graph.end_node();
            }
            for over in 0..nodes {
                let onward = reach[over].clone();
                for from in &mut reach {
                    if from[over] {
                        from.iter_mut().zip(&onward).for_each(|(a, &b)| *a |= b);
                    }
                }
            }
            let least = (0..nodes).find(|&node| reach[node][node]);
            let cycle = graph.least_cycle();
            assert_eq!(cycle.as_ref().map(|cycle| cycle[0] as usize), least);
            for (index, &node) in cycle.iter().flatten().enumerate() {
                let cycle = cycle.as_deref().unwrap_or_default();
                let next = cycle[(index + 1) % cycle.len()];
                assert!(graph.targets[graph.edges_of(node)].contains(&next));
            }
        }
    }
}
