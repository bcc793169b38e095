//! Strongly connected components (Tarjan's search, without recursion) of a graph or a part of it.

use super::graph::Graph;

/// What a search needs by node; kept between searches, so that one costs no more than the part it
/// looks at.
#[derive(Debug)]
pub(super) struct Scratch {
    /// When a node was first visited, counted from 1; 0 if it wasn't, or not in this search.
    visited: Vec<u32>,
    /// The earliest visit known to be reachable through unfinished nodes.
    low: Vec<u32>,
}

/// Bytes of a [`Scratch`] by node.
pub(super) const SCRATCH_BYTES: usize = 2 * size_of::<u32>();

/// A finished node can't be told from one that is outside: neither lowers anything.
const FINISHED: u32 = u32::MAX;

impl Scratch {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            visited: vec![0; nodes],
            low: vec![0; nodes],
        }
    }

    /// Calls `each` with the nodes of every component of the part that `inside` names, as far as
    /// it can be reached from `roots`, those without a cycle included. A component comes after all
    /// that can be reached from it.
    pub(super) fn components(
        &mut self,
        graph: &Graph,
        roots: impl Iterator<Item = u32>,
        inside: impl Fn(u32) -> bool,
        mut each: impl FnMut(&[u32]),
    ) {
        let mut seen = Vec::new();
        let mut search = Search {
            scratch: self,
            graph,
            open: Vec::new(),
            path: Vec::new(),
            visits: 0,
        };
        for root in roots.filter(|&root| inside(root)) {
            if search.scratch.visited[root as usize] == 0 {
                search.visit(root);
                search.follow(&inside, &mut |nodes| {
                    seen.extend_from_slice(nodes);
                    each(nodes);
                });
            }
        }
        for node in seen {
            self.visited[node as usize] = 0;
        }
    }
}

struct Search<'a> {
    scratch: &'a mut Scratch,
    graph: &'a Graph,
    /// Nodes visited whose component isn't known.
    open: Vec<u32>,
    /// The path under way: each node with the next edge to look at.
    path: Vec<(u32, usize)>,
    visits: u32,
}

impl Search<'_> {
    fn visit(&mut self, node: u32) {
        self.visits += 1;
        self.scratch.visited[node as usize] = self.visits;
        self.scratch.low[node as usize] = self.visits;
        self.open.push(node);
        self.path.push((node, self.graph.edges_of(node).start));
    }

    fn follow(&mut self, inside: &impl Fn(u32) -> bool, each: &mut impl FnMut(&[u32])) {
        while let Some((node, edge)) = self.path.last_mut() {
            let node = *node;
            if *edge == self.graph.edges_of(node).end {
                self.path.pop();
                self.finish(node, each);
                continue;
            }
            let target = self.graph.target(*edge);
            *edge += 1;
            if !inside(target) {
                continue;
            }
            match self.scratch.visited[target as usize] {
                0 => self.visit(target),
                FINISHED => {}
                visit => self.lower(node, visit),
            }
        }
    }

    fn finish(&mut self, node: u32, each: &mut impl FnMut(&[u32])) {
        let low = self.scratch.low[node as usize];
        if low == self.scratch.visited[node as usize] {
            let first = self.open.iter().rposition(|&open| open == node);
            let nodes = self.open.split_off(first.unwrap_or(0));
            for &node in &nodes {
                self.scratch.visited[node as usize] = FINISHED;
            }
            each(&nodes);
        }
        if let Some(&(parent, _)) = self.path.last() {
            self.lower(parent, low);
        }
    }

    fn lower(&mut self, node: u32, visit: u32) {
        let low = &mut self.scratch.low[node as usize];
        *low = (*low).min(visit);
    }
}
