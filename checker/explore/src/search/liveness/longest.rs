//! The longest time for which a promise stays open.

use super::fair::Fair;
use super::space::Space;

/// The most units of time for which a promise is open, from a state in which it is made to the
/// first in which it is kept, whatever is taken in between and whether that is fair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Longest {
    /// It is never open.
    Never,
    /// So many.
    Units(u32),
    /// There is no bound: something is waited for that only fairness forces, or nothing does.
    Unbounded,
}

/// Finds it. Components come after all that they lead to, so one pass is enough.
pub(super) fn longest(space: &Space, fair: &mut Fair<'_>, promise: usize) -> Longest {
    let (open, part, scratch) = fair.counted_states(promise);
    let inside = |node: u32| part[node as usize].get() != 0;
    let mut longest = vec![Longest::Never; part.len()];
    let mut component_of = vec![0_u32; part.len()];
    let mut components = 0;
    let mut most = Longest::Never;
    scratch.components(&space.graph, open.iter().copied(), inside, |component| {
        components += 1;
        for &node in component {
            component_of[node as usize] = components;
        }
        let mut longest_here = Longest::Units(0);
        for &node in component {
            for edge in space.graph.edges_of(node) {
                let target = space.graph.target(edge);
                let units = u32::from(space.step(edge).takes_time);
                let is_inside = component_of[target as usize] == components;
                let way = match (is_inside, longest[target as usize]) {
                    (true, _) if units > 0 => Longest::Unbounded,
                    (true, _) => Longest::Units(0),
                    (false, Longest::Never) => Longest::Units(units),
                    (false, Longest::Units(more)) => Longest::Units(units + more),
                    (false, Longest::Unbounded) => Longest::Unbounded,
                };
                longest_here = longest_here.max(way);
            }
        }
        for &node in component {
            longest[node as usize] = longest_here;
        }
        most = most.max(longest_here);
    });
    most
}
