//! Models small enough to be counted by hand, and helpers for asking about them.

use lockstep_explore::search::{
    Checked, Encoding, Limits, Options, Parts, Pieces, Report, StopAt, Trace, Verdict, raise,
    search,
};
use stateright::{Model, Property};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

/// A graph given as a table: the state is a node.
#[derive(Clone, Default)]
pub(crate) struct Toy {
    pub(crate) initial: Vec<u32>,
    pub(crate) edges: Vec<Vec<(u32, u32)>>,
    pub(crate) bad_states: BTreeSet<u32>,
    pub(crate) bad_steps: BTreeSet<(u32, u32)>,
    /// Nodes in which a run may end.
    pub(crate) ends: BTreeSet<u32>,
    pub(crate) panics: Option<Panics>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Panics {
    Initially,
    Expanding(u32),
    JudgingState(u32),
    JudgingStep(u32, u32),
}

pub(crate) const TIME: u32 = 1;

impl Toy {
    /// A graph with unlabelled edges that starts at node 0.
    pub(crate) fn new(edges: &[&[u32]]) -> Self {
        let labelled = |targets: &&[u32]| targets.iter().map(|&to| (0, to)).collect();
        Self {
            initial: vec![0],
            edges: edges.iter().map(labelled).collect(),
            ..Self::default()
        }
    }

    /// A random graph of `nodes` nodes with up to `degree` edges each.
    pub(crate) fn random(random: &mut Random, nodes: u32, degree: u32) -> Self {
        let mut edges = Vec::new();
        for _ in 0..nodes {
            let count = random.below(degree + 1);
            edges.push((0..count).map(|_| (0, random.below(nodes))).collect());
        }
        let initial = (0..1 + random.below(3)).map(|_| random.below(nodes));
        Self {
            initial: initial.collect(),
            edges,
            ..Self::default()
        }
    }
}

/// An edge: its place among its node's edges, and its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) place: usize,
    pub(crate) label: u32,
}

impl Model for Toy {
    type State = u32;
    type Action = Edge;

    fn init_states(&self) -> Vec<u32> {
        assert!(self.panics != Some(Panics::Initially), "no start");
        self.initial.clone()
    }

    fn actions(&self, state: &u32, actions: &mut Vec<Edge>) {
        assert!(
            self.panics != Some(Panics::Expanding(*state)),
            "stuck at {state}"
        );
        let edges = self.edges[*state as usize].iter().enumerate();
        actions.extend(edges.map(|(place, &(label, _))| Edge { place, label }));
    }

    fn next_state(&self, state: &u32, edge: Edge) -> Option<u32> {
        Some(self.edges[*state as usize][edge.place].1)
    }
}

impl Checked for Toy {
    fn property_names(&self) -> Vec<&'static str> {
        vec!["state", "step"]
    }

    fn judge_state(&self, state: &u32) -> u64 {
        assert!(
            self.panics != Some(Panics::JudgingState(*state)),
            "unjudgeable"
        );
        u64::from(self.bad_states.contains(state))
    }

    fn judge_step(&self, from: &u32, _edge: &Edge, to: &u32) -> u64 {
        assert!(
            self.panics != Some(Panics::JudgingStep(*from, *to)),
            "unjudgeable"
        );
        u64::from(self.bad_steps.contains(&(*from, *to))) << 1
    }

    fn coverage_names(&self) -> Vec<&'static str> {
        vec!["to even", "to odd", "never"]
    }

    fn coverage(&self, _from: &u32, _edge: &Edge, to: &u32) -> u128 {
        1 << (to % 2)
    }

    fn measure_names(&self) -> Vec<&'static str> {
        vec!["farthest jump", "none"]
    }

    fn measure(&self, from: &u32, _edge: &Edge, to: &u32, maxima: &mut [Option<i64>]) {
        raise(&mut maxima[0], i64::from(*to) - i64::from(*from));
    }

    fn action_kind_names(&self) -> Vec<&'static str> {
        vec!["first edge", "other edge"]
    }

    fn action_kind(&self, edge: &Edge) -> usize {
        usize::from(edge.place > 0)
    }

    fn may_end(&self, state: &u32) -> bool {
        self.ends.contains(state)
    }

    fn encoding(&self) -> Option<&dyn Encoding<u32>> {
        Some(&Digits)
    }
}

/// A node's number as three digits of two kinds.
struct Digits;

impl Encoding<u32> for Digits {
    fn kinds(&self) -> usize {
        2
    }

    fn take_apart(&self, state: &u32, parts: &mut Parts) {
        parts.push(0, |bytes| bytes.push((state % 100) as u8));
        parts.push(1, |bytes| bytes.push((state / 100 % 100) as u8));
        parts.push(1, |bytes| bytes.extend((state / 10_000).to_le_bytes()));
    }

    fn put_together(&self, parts: &mut Pieces<'_, '_>) -> Option<u32> {
        let low = u32::from(*parts.next_of(0)?.first()?);
        let middle = u32::from(*parts.next_of(1)?.first()?);
        let high = u32::from_le_bytes(parts.next_of(1)?.try_into().ok()?);
        Some(low + 100 * middle + 10_000 * high)
    }
}

/// Two counters up to `side`: a space of known size that needs no table. All
/// its trait methods of ours are the defaults.
pub(crate) struct Grid {
    pub(crate) side: u32,
}

impl Model for Grid {
    type State = (u32, u32);
    type Action = bool;

    fn init_states(&self) -> Vec<(u32, u32)> {
        vec![(0, 0)]
    }

    fn actions(&self, _: &(u32, u32), actions: &mut Vec<bool>) {
        actions.extend([false, true]);
    }

    fn next_state(&self, &(x, y): &(u32, u32), action: bool) -> Option<(u32, u32)> {
        Some(if action { (x + 1, y) } else { (x, y + 1) })
    }

    fn within_boundary(&self, &(x, y): &(u32, u32)) -> bool {
        x < self.side && y < self.side
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("below 150", |_, (x, y)| x + y < 150)]
    }
}

impl Checked for Grid {}

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        // SplitMix64, whose high bits are good enough for a graph.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % u64::from(bound)) as u32
    }
}

pub(crate) type ReportOf<M> = Report<<M as Model>::State, <M as Model>::Action>;

pub(crate) fn run<M: Checked>(model: &M, options: &Options) -> ReportOf<M> {
    search(model, options, |_| {})
}

pub(crate) fn first_breach(threads: usize) -> Options {
    Options {
        threads,
        ..Options::default()
    }
}

pub(crate) fn to_closure(threads: usize) -> Options {
    Options {
        stop_at: StopAt::Closure,
        ..first_breach(threads)
    }
}

pub(crate) fn limited(limits: Limits) -> Options {
    Options {
        limits,
        ..to_closure(2)
    }
}

/// The nodes of the trace to the breach that decided the verdict.
pub(crate) fn violation(report: &Report<u32, Edge>) -> (usize, Vec<u32>) {
    let Verdict::Violated {
        property, trace, ..
    } = &report.verdict
    else {
        panic!("{:?}", report.verdict);
    };
    (*property, nodes(trace))
}

pub(crate) fn nodes(trace: &Trace<u32, Edge>) -> Vec<u32> {
    let steps = trace.steps.iter().map(|step| step.state);
    std::iter::once(trace.start).chain(steps).collect()
}

/// A model whose steps change while it is asked.
pub(crate) struct Fickle(pub(crate) AtomicU32);

impl Model for Fickle {
    type State = u32;
    type Action = ();

    fn init_states(&self) -> Vec<u32> {
        vec![0]
    }

    fn actions(&self, _: &u32, actions: &mut Vec<()>) {
        actions.push(());
    }

    fn next_state(&self, _: &u32, (): ()) -> Option<u32> {
        Some(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("small", |_, &state| state < 10)]
    }
}

impl Checked for Fickle {}
