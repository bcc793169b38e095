//! A stored graph and its cycles.

use std::collections::VecDeque;

/// A directed graph: its edges in one list, sorted by where they start.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// For each node where its edges end; they start where the last one's end.
    ends: Vec<usize>,
    targets: Vec<u32>,
}

/// The search for strongly connected components (Tarjan's, without recursion).
struct Components<'a> {
    graph: &'a Graph,
    /// When a node was first visited, counted from 1; 0 if it wasn't.
    visited: Vec<u32>,
    /// The earliest visit known to be reachable through unfinished nodes.
    low: Vec<u32>,
    /// The component's number, counted from 1; 0 while it isn't known.
    component: Vec<u32>,
    /// Nodes visited whose component isn't known.
    open: Vec<u32>,
    /// The path under way: each node with the next edge to look at.
    path: Vec<(u32, usize)>,
    visits: u32,
    components: u32,
    /// The least node on any cycle.
    least: Option<u32>,
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
        let search_by_node = 3 * size_of::<u32>();
        self.ends.capacity() * (size_of::<usize>() + search_by_node)
            + self.targets.capacity() * size_of::<u32>()
    }

    /// A shortest cycle through the least node that is on any cycle, starting
    /// with that node.
    pub(super) fn least_cycle(&self) -> Option<Vec<u32>> {
        let components = Components::of(self);
        let least = components.least?;
        Some(self.cycle_through(least, &components.component))
    }

    fn edges_of(&self, node: u32) -> std::ops::Range<usize> {
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

impl<'a> Components<'a> {
    fn of(graph: &'a Graph) -> Self {
        let nodes = graph.ends.len();
        let mut this = Self {
            graph,
            visited: vec![0; nodes],
            low: vec![0; nodes],
            component: vec![0; nodes],
            open: Vec::new(),
            path: Vec::new(),
            visits: 0,
            components: 0,
            least: None,
        };
        for root in 0..nodes as u32 {
            if this.visited[root as usize] == 0 {
                this.visit(root);
                this.follow();
            }
        }
        this
    }

    fn visit(&mut self, node: u32) {
        self.visits += 1;
        self.visited[node as usize] = self.visits;
        self.low[node as usize] = self.visits;
        self.open.push(node);
        self.path.push((node, self.graph.edges_of(node).start));
    }

    fn follow(&mut self) {
        while let Some((node, edge)) = self.path.last_mut() {
            let node = *node;
            if *edge == self.graph.edges_of(node).end {
                self.path.pop();
                self.finish(node);
                continue;
            }
            let target = self.graph.targets[*edge];
            *edge += 1;
            if target == node {
                self.note_cycle(node);
            } else if self.visited[target as usize] == 0 {
                self.visit(target);
            } else if self.component[target as usize] == 0 {
                self.lower(node, self.visited[target as usize]);
            }
        }
    }

    fn finish(&mut self, node: u32) {
        let low = self.low[node as usize];
        if low == self.visited[node as usize] {
            self.close_component(node);
        }
        if let Some(&(parent, _)) = self.path.last() {
            self.lower(parent, low);
        }
    }

    fn close_component(&mut self, first: u32) {
        self.components += 1;
        let is_cyclic = self.open.last() != Some(&first);
        while let Some(node) = self.open.pop() {
            self.component[node as usize] = self.components;
            if is_cyclic {
                self.note_cycle(node);
            }
            if node == first {
                return;
            }
        }
    }

    fn lower(&mut self, node: u32, visit: u32) {
        let low = &mut self.low[node as usize];
        *low = (*low).min(visit);
    }

    fn note_cycle(&mut self, node: u32) {
        self.least = Some(self.least.map_or(node, |least| least.min(node)));
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
