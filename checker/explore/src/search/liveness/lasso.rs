//! A fair run as a lasso: the shortest way into a component that holds one, and a cycle that is
//! fair to every class.

use super::super::endless::Lasso;
use super::super::engine::initial_states;
use super::super::fingerprint::Fingerprinter;
use super::super::trace::{Step, Trace};
use super::super::worker::message_of;
use super::fair::Fair;
use super::space::Space;
use super::{Broken, Live};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// No edge: a state wasn't reached.
const UNREACHED: u32 = u32::MAX;

/// No edge: the way begins here.
const BEGINS: u32 = u32::MAX - 1;

pub(super) struct Finder<'a> {
    space: &'a Space,
    fair: &'a Fair<'a>,
    promise: usize,
    /// The edge by which each state was first reached.
    by: Vec<u32>,
}

type BrokenBy<M> = Broken<<M as stateright::Model>::State, <M as stateright::Model>::Action>;

impl<'a> Finder<'a> {
    pub(super) fn new(space: &'a Space, fair: &'a Fair<'a>, promise: usize) -> Self {
        Self {
            space,
            fair,
            promise,
            by: vec![UNREACHED; space.graph.nodes()],
        }
    }

    /// A lasso through the component with a fair run that is nearest.
    pub(super) fn lasso<M: Live>(mut self, model: &M) -> Result<BrokenBy<M>, String> {
        let entry = self.entry();
        let open = self.way_back(entry);
        let made = open
            .first()
            .map_or(entry, |&edge| self.start_of(edge as usize));
        let (root, choices) = self.space.links.way_to(made);
        let component = self
            .fair
            .component(self.fair.component_of(entry).unwrap_or(0));
        let cycle = self.cycle(entry, &component);
        let walk = || {
            let mut walk = Walk::new(self.space, model, root)?;
            for choice in &choices {
                walk.take(*choice)?;
            }
            walk.expect(made)?;
            for edge in &open {
                walk.follow(*edge as usize)?;
            }
            let prefix = walk.steps.len();
            for edge in &cycle {
                walk.follow(*edge)?;
            }
            let cycle = walk.steps.split_off(prefix);
            Ok(Broken {
                lasso: Lasso {
                    prefix: Trace {
                        start: walk.start,
                        steps: walk.steps,
                    },
                    cycle,
                },
                made: choices.len(),
            })
        };
        let walked = catch_unwind(AssertUnwindSafe(walk));
        walked.unwrap_or_else(|panic| Err(message_of(&*panic)))
    }

    /// The first state of a component with a fair run, on a shortest way that makes the promise and
    /// doesn't keep it from there. States are numbered by how far they are from the beginning, so
    /// those that make it come in as the search gets as far.
    fn entry(&mut self) -> u32 {
        let space = self.space;
        let state = |node: u32| {
            let promises = space.state(node).promises;
            (
                promises.made >> self.promise & 1,
                promises.kept >> self.promise & 1,
            )
        };
        let depths = self.depths();
        let mut begins = (0..depths.len() as u32)
            .filter(|&node| state(node) == (1, 0))
            .peekable();
        let mut reached: VecDeque<(u32, u32)> = VecDeque::new();
        loop {
            let depth = reached.front().map(|(depth, _)| *depth);
            let begin =
                begins.next_if(|&node| depth.is_none_or(|depth| depths[node as usize] <= depth));
            let (depth, node) = match begin {
                Some(node) if self.by[node as usize] != UNREACHED => continue,
                Some(node) => {
                    self.by[node as usize] = BEGINS;
                    (depths[node as usize], node)
                }
                None => match reached.pop_front() {
                    Some(next) => next,
                    None => unreachable!("an open state with a fair run was reached"),
                },
            };
            if self.fair.component_of(node).is_some() {
                return node;
            }
            for edge in space.graph.edges_of(node) {
                let target = space.graph.target(edge);
                if self.by[target as usize] == UNREACHED && state(target).1 == 0 {
                    self.by[target as usize] = edge as u32;
                    reached.push_back((depth + 1, target));
                }
            }
        }
    }

    /// How far each state is from the beginning.
    fn depths(&self) -> Vec<u32> {
        let links = &self.space.links;
        let mut depths = Vec::with_capacity(self.by.len());
        for node in 0..self.by.len() as u32 {
            let link = links.link_of(node);
            depths.push(link.map_or(0, |link| depths[link.parent as usize] + 1));
        }
        depths
    }

    /// The edges to a state from where its way begins.
    fn way_back(&self, to: u32) -> Vec<u32> {
        let mut way = Vec::new();
        let mut at = to;
        while self.by[at as usize] != BEGINS {
            let edge = self.by[at as usize];
            way.push(edge);
            at = self.start_of(edge as usize);
        }
        way.reverse();
        way
    }

    /// The state that an edge starts from.
    fn start_of(&self, edge: usize) -> u32 {
        self.space.graph.start_of(edge)
    }

    /// A cycle through a component that is fair to every class: from one thing owed to the nearest
    /// next, and back.
    fn cycle(&mut self, start: u32, component: &[u32]) -> Vec<usize> {
        let (mut either, mut taken) = self.fair.owed(self.fair.classes_of(component));
        let mut cycle = Vec::new();
        let mut at = start;
        either &= self.space.state(at).enabled;
        while either | taken != 0 {
            let pays = |edge: usize| {
                let disabled = !self.space.state(self.space.graph.target(edge)).enabled;
                let classes = self.space.step(edge).classes;
                (classes & (either | taken)) | (disabled & either) != 0
            };
            let way = self.way_within(at, component, pays);
            for &edge in &way {
                let to = self.space.state(self.space.graph.target(edge));
                let classes = self.space.step(edge).classes;
                taken &= !classes;
                either &= !classes & to.enabled;
            }
            at = way.last().map_or(at, |&edge| self.space.graph.target(edge));
            cycle.extend(way);
        }
        let is_cyclic = self.space.graph.is_cyclic(component);
        if at != start || (cycle.is_empty() && is_cyclic) {
            let home = |edge: usize| self.space.graph.target(edge) == start;
            let way = self.way_within(at, component, home);
            cycle.extend(way);
        }
        cycle
    }

    /// A shortest way within a component whose last edge is one that is looked for.
    fn way_within(
        &self,
        from: u32,
        component: &[u32],
        is_goal: impl Fn(usize) -> bool,
    ) -> Vec<usize> {
        let graph = &self.space.graph;
        let number = self.fair.component_of(from);
        let mut members: Vec<u32> = component.to_vec();
        members.sort_unstable();
        let place = |node: u32| members.binary_search(&node).ok();
        let mut by = vec![usize::MAX; members.len()];
        let mut reached = VecDeque::from([from]);
        while let Some(node) = reached.pop_front() {
            for edge in graph.edges_of(node) {
                let target = graph.target(edge);
                if self.fair.component_of(target) != number {
                    continue;
                }
                if is_goal(edge) {
                    let mut way = vec![edge];
                    let mut at = node;
                    while at != from {
                        let edge = place(at).map_or(usize::MAX, |place| by[place]);
                        way.push(edge);
                        at = graph.start_of(edge);
                    }
                    way.reverse();
                    return way;
                }
                if let Some(place) = place(target)
                    && by[place] == usize::MAX
                    && target != from
                {
                    by[place] = edge;
                    reached.push_back(target);
                }
            }
        }
        unreachable!("a component's states lead to each other")
    }
}

/// Carries out a way again, and checks that it leads where it did.
struct Walk<'a, M: Live> {
    space: &'a Space,
    model: &'a M,
    start: M::State,
    steps: Vec<Step<M::State, M::Action>>,
}

impl<'a, M: Live> Walk<'a, M> {
    fn new(space: &'a Space, model: &'a M, root: usize) -> Result<Self, String> {
        let start = initial_states(model).into_iter().nth(root);
        Ok(Self {
            space,
            model,
            start: start.ok_or("an initial state is missing")?,
            steps: Vec::new(),
        })
    }

    fn at(&self) -> &M::State {
        self.steps.last().map_or(&self.start, |step| &step.state)
    }

    /// Takes the step that a stored edge stands for.
    fn follow(&mut self, edge: usize) -> Result<(), String> {
        let graph = &self.space.graph;
        let choice = edge - graph.edges_of(graph.start_of(edge)).start;
        self.take(choice as u16)?;
        self.expect(graph.target(edge))
    }

    fn take(&mut self, choice: u16) -> Result<(), String> {
        let mut successors = Vec::new();
        self.model.successors(self.at(), &mut successors);
        let step = successors.into_iter().nth(usize::from(choice));
        let (action, state) = step.ok_or("a state has fewer successors than before")?;
        self.steps.push(Step {
            choice,
            action,
            state,
        });
        Ok(())
    }

    fn expect(&self, node: u32) -> Result<(), String> {
        let fingerprint = Fingerprinter::default().of(self.at());
        match self.space.id_of(fingerprint) == Some(node) {
            true => Ok(()),
            false => Err("a step leads elsewhere than before".to_owned()),
        }
    }
}
