//! The open states of a promise, and the fair runs among them.

use super::super::components::Scratch;
use super::space::Space;
use super::{Class, Fairness, Promises};
use std::cell::Cell;

/// No part that is looked at.
const NOWHERE: u32 = 0;

/// Looks for fair runs, for one promise after the other.
pub(super) struct Fair<'a> {
    space: &'a Space,
    /// The classes of each fairness.
    weak: u64,
    strong: u64,
    scratch: Scratch,
    /// In which part of the open states a state is; in the end, in which component with a fair run.
    part: Vec<Cell<u32>>,
    parts: u32,
    /// The open states.
    open: Vec<u32>,
}

/// What a component's states and steps say about classes.
#[derive(Clone, Copy)]
pub(super) struct Classes {
    /// Those that every state enables.
    pub(super) always: u64,
    /// Those that some state enables.
    pub(super) ever: u64,
    /// Those of the steps from one of its states to another.
    pub(super) taken: u64,
}

impl<'a> Fair<'a> {
    pub(super) fn new(space: &'a Space, classes: &[Class]) -> Self {
        let of = |fairness| {
            let bits = classes.iter().enumerate();
            let bits = bits.filter(|(_, class)| class.fairness == fairness);
            bits.fold(0, |set, (number, _)| set | 1 << number)
        };
        let nodes = space.graph.nodes();
        Self {
            space,
            weak: of(Fairness::Weak),
            strong: of(Fairness::Strong),
            scratch: Scratch::new(nodes),
            part: vec![Cell::new(NOWHERE); nodes],
            parts: NOWHERE,
            open: Vec::new(),
        }
    }

    /// Finds the states in which a promise is open, and counts them.
    pub(super) fn open_states(&mut self, promise: usize) -> u64 {
        self.reach(|promises| (promises.made >> promise & 1, promises.kept >> promise & 1));
        self.open.len() as u64
    }

    /// As [`Self::open_states`], as far as time counts.
    pub(super) fn counted_states(
        &mut self,
        promise: usize,
    ) -> (&[u32], &[Cell<u32>], &mut Scratch) {
        self.reach(|promises| {
            let over = promises.kept | promises.uncounted;
            (promises.made >> promise & 1, over >> promise & 1)
        });
        (&self.open, &self.part, &mut self.scratch)
    }

    /// Finds what can be reached from where something is made without being kept.
    fn reach(&mut self, made_and_kept: impl Fn(&Promises) -> (u32, u32)) {
        self.part.fill(Cell::new(NOWHERE));
        self.parts = 1;
        self.open.clear();
        let space = self.space;
        let state = |node| made_and_kept(&space.state(node).promises);
        for node in 0..self.part.len() as u32 {
            if state(node) != (1, 0) || self.part[node as usize].get() != NOWHERE {
                continue;
            }
            let mut waiting = vec![node];
            self.part[node as usize].set(self.parts);
            while let Some(node) = waiting.pop() {
                self.open.push(node);
                for edge in space.graph.edges_of(node) {
                    let target = space.graph.target(edge);
                    if self.part[target as usize].get() == NOWHERE && state(target).1 == 0 {
                        self.part[target as usize].set(self.parts);
                        waiting.push(target);
                    }
                }
            }
        }
    }

    /// Whether a fair run stays among the open states. Then [`Self::component_of`] names the
    /// components that hold one.
    pub(super) fn fair_runs(&mut self) -> bool {
        let mut found = false;
        let mut waiting = vec![self.open.clone()];
        while let Some(nodes) = waiting.pop() {
            let Some(whole) = nodes.first().map(|&node| self.part[node as usize].get()) else {
                continue;
            };
            let (space, part) = (self.space, &self.part);
            let (weak, strong) = (self.weak, self.strong);
            let inside = |node: u32| part[node as usize].get() == whole;
            let leave = |node: u32| part[node as usize].set(NOWHERE);
            self.scratch
                .components(&space.graph, nodes.iter().copied(), inside, |component| {
                    self.parts += 1;
                    let own = |node: &u32| part[*node as usize].set(self.parts);
                    component.iter().for_each(own);
                    let classes = Classes::of(space, part, component);
                    let starved = classes.ever & !classes.taken & strong;
                    if classes.always & !classes.taken & weak != 0 {
                        component.iter().copied().for_each(leave);
                    } else if starved == 0 {
                        found = true;
                    } else {
                        let enables = |node: &u32| space.state(*node).enabled & starved != 0;
                        let (out, rest): (Vec<u32>, Vec<u32>) =
                            component.iter().partition(|&node| enables(node));
                        out.into_iter().for_each(leave);
                        waiting.push(rest);
                    }
                });
        }
        found
    }

    /// The component with a fair run that a state is in.
    pub(super) fn component_of(&self, node: u32) -> Option<u32> {
        Some(self.part[node as usize].get()).filter(|part| *part != NOWHERE)
    }

    /// The states of a component.
    pub(super) fn component(&self, number: u32) -> Vec<u32> {
        let nodes = self.open.iter().copied();
        nodes
            .filter(|node| self.part[*node as usize].get() == number)
            .collect()
    }

    /// What a component says about classes.
    pub(super) fn classes_of(&self, component: &[u32]) -> Classes {
        Classes::of(self.space, &self.part, component)
    }

    /// What a fair cycle through a component has to show: the classes of which a step is taken or
    /// that a state doesn't enable, and those of which a step is taken.
    pub(super) fn owed(&self, classes: Classes) -> (u64, u64) {
        let must_take = (classes.always & self.weak) | (classes.ever & self.strong);
        ((self.weak & classes.ever) & !must_take, must_take)
    }
}

impl Classes {
    /// What a component, which is a part, says about classes.
    fn of(space: &Space, part: &[Cell<u32>], component: &[u32]) -> Self {
        let mut classes = Self {
            always: u64::MAX,
            ever: 0,
            taken: 0,
        };
        for &node in component {
            let enabled = space.state(node).enabled;
            classes.always &= enabled;
            classes.ever |= enabled;
            for edge in space.graph.edges_of(node) {
                let target = space.graph.target(edge);
                if part[target as usize] == part[node as usize] {
                    classes.taken |= space.step(edge).classes;
                }
            }
        }
        classes
    }
}
