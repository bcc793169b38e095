//! A small protocol with a known state space: nodes compete for one lease.
//!
//! It stands for the real thing where the search itself is tested and measured.
//! The same model in Promela has, with four nodes and times of 16, 10, 4 and 6
//! ticks ([`Lease::large`]), 7,260,624 states and 51,592,689 transitions: here
//! these are 51,592,688 steps, the other one being the step to the initial
//! state.
//!
//! A node that takes the lease becomes active and arms its watchdog. It renews;
//! the acknowledgement comes later or never, and pings the watchdog. A node may
//! lose its connection, hang or go down. A tick lets every timer run: the lease
//! becomes free, a watchdog takes its node down, a node that has booted is idle.
//! Two nodes are never active or hung together as long as the watchdog and the
//! latest acknowledgement fit into the lease.

use crate::search::{Checked, raise};
use stateright::{Model, Property};
use std::hash::{Hash, Hasher};

/// The model: `NODES` nodes and the protocol's times, in ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease<const NODES: usize> {
    /// How long the lease lasts after it was taken or renewed.
    pub lease_ticks: u8,
    /// How long a watchdog waits after it was armed or pinged.
    pub watchdog_ticks: u8,
    /// How late a renewal's acknowledgement may come.
    pub acknowledge_ticks: u8,
    /// How long a node is down; one more after its watchdog fired.
    pub boot_ticks: u8,
}

/// A state: who holds the lease, how long still, and the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct State<const NODES: usize> {
    /// The holder.
    pub owner: Option<u8>,
    /// Ticks until the lease is free.
    pub lease: u8,
    /// The nodes.
    pub nodes: [Node; NODES],
}

/// One node; the timers rest at zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// What it does.
    pub mode: Mode,
    /// Whether it reaches the others.
    pub connected: bool,
    /// Ticks until its watchdog fires.
    pub watchdog: u8,
    /// Ticks until it has booted.
    pub boot: u8,
    /// Ticks in which its renewal may still be acknowledged.
    pub acknowledge: u8,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Nothing.
    Idle,
    /// Works, believing that it holds the lease.
    Active,
    /// Works, but doesn't react.
    Hung,
    /// Is off or boots.
    Down,
}

/// A step: of one node, or of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// A node takes the free lease.
    Take(u8),
    /// The holder renews it.
    Renew(u8),
    /// A renewal's acknowledgement arrives and pings the watchdog.
    Acknowledge(u8),
    /// A renewal's acknowledgement is lost.
    Lose(u8),
    /// The holder gives the lease back.
    Release(u8),
    /// A node loses its connection.
    Disconnect(u8),
    /// A node is connected again.
    Connect(u8),
    /// An active node hangs.
    Hang(u8),
    /// A node goes down.
    Crash(u8),
    /// Time passes.
    Tick,
}

const KINDS: [&str; 10] = [
    "take",
    "renew",
    "acknowledge",
    "lose",
    "release",
    "disconnect",
    "connect",
    "hang",
    "crash",
    "tick",
];

impl Lease<4> {
    /// The size for which another checker's counts are known.
    pub const fn large() -> Self {
        Self {
            lease_ticks: 16,
            watchdog_ticks: 10,
            acknowledge_ticks: 4,
            boot_ticks: 6,
        }
    }
}

impl<const NODES: usize> Lease<NODES> {
    /// Short times, for spaces that are searched in no time.
    pub const fn small() -> Self {
        Self {
            lease_ticks: 6,
            watchdog_ticks: 4,
            acknowledge_ticks: 2,
            boot_ticks: 2,
        }
    }
}

impl Node {
    const START: Self = Self {
        mode: Mode::Idle,
        connected: true,
        watchdog: 0,
        boot: 0,
        acknowledge: 0,
    };

    /// Whether it works, reacting or not.
    pub fn is_busy(&self) -> bool {
        match self.mode {
            Mode::Active | Mode::Hung => true,
            Mode::Idle | Mode::Down => false,
        }
    }

    fn go_down(&mut self, boot: u8) {
        self.mode = Mode::Down;
        self.boot = boot;
        self.watchdog = 0;
        self.acknowledge = 0;
    }

    /// Lets a tick pass.
    fn tick(&mut self, boot_ticks: u8) {
        self.acknowledge = self.acknowledge.saturating_sub(1);
        if self.watchdog > 0 {
            self.watchdog -= 1;
            if self.watchdog == 0 {
                // The present tick counts as one of the boot's.
                self.go_down(boot_ticks + 1);
            }
        }
        if self.boot > 0 {
            self.boot -= 1;
            if self.boot == 0 {
                self.mode = Mode::Idle;
            }
        }
    }
}

impl<const NODES: usize> Hash for State<NODES> {
    /// Writes five bytes a node: derived, it would write the size of the array
    /// and eight bytes for each mode.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let owner = self.owner.map_or(u8::MAX, |owner| owner);
        hasher.write_u16(u16::from_le_bytes([owner, self.lease]));
        for node in &self.nodes {
            let mode = (node.mode as u8) << 1 | u8::from(node.connected);
            let bytes = [mode, node.watchdog, node.boot, node.acknowledge];
            hasher.write_u32(u32::from_le_bytes(bytes));
        }
    }
}

impl<const NODES: usize> Lease<NODES> {
    fn start(&self) -> State<NODES> {
        assert!(NODES < usize::from(u8::MAX), "a node's number is a byte");
        State {
            owner: None,
            lease: 0,
            nodes: [Node::START; NODES],
        }
    }

    /// The steps that node `index` may take.
    #[inline]
    fn node_actions(&self, state: &State<NODES>, index: u8, mut push: impl FnMut(Action)) {
        let node = &state.nodes[usize::from(index)];
        let holds = state.owner == Some(index);
        let active = node.mode == Mode::Active;
        let waits = node.acknowledge > 0;
        if node.mode == Mode::Idle && state.owner.is_none() && node.connected {
            push(Action::Take(index));
        }
        if active && holds && node.connected && !waits {
            push(Action::Renew(index));
        }
        if active && waits && node.connected {
            push(Action::Acknowledge(index));
        }
        if waits {
            push(Action::Lose(index));
        }
        if active && holds && node.connected {
            push(Action::Release(index));
        }
        push(if node.connected {
            Action::Disconnect(index)
        } else {
            Action::Connect(index)
        });
        if active {
            push(Action::Hang(index));
        }
        if node.mode != Mode::Down {
            push(Action::Crash(index));
        }
    }

    #[inline]
    fn for_each_action(&self, state: &State<NODES>, mut push: impl FnMut(Action)) {
        for index in 0..NODES as u8 {
            self.node_actions(state, index, &mut push);
        }
        push(Action::Tick);
    }

    /// The state after an action that is possible in `state`.
    #[inline]
    fn apply(&self, state: &State<NODES>, action: Action) -> State<NODES> {
        let mut to = *state;
        match action {
            Action::Take(index) => {
                to.owner = Some(index);
                to.lease = self.lease_ticks;
                let node = &mut to.nodes[usize::from(index)];
                node.mode = Mode::Active;
                node.watchdog = self.watchdog_ticks;
                node.acknowledge = 0;
            }
            Action::Renew(index) => {
                to.lease = self.lease_ticks;
                to.nodes[usize::from(index)].acknowledge = self.acknowledge_ticks;
            }
            Action::Acknowledge(index) => {
                let node = &mut to.nodes[usize::from(index)];
                node.watchdog = self.watchdog_ticks;
                node.acknowledge = 0;
            }
            Action::Lose(index) => to.nodes[usize::from(index)].acknowledge = 0,
            Action::Release(index) => {
                to.owner = None;
                to.lease = 0;
                let node = &mut to.nodes[usize::from(index)];
                node.mode = Mode::Idle;
                node.watchdog = 0;
                node.acknowledge = 0;
            }
            Action::Disconnect(index) => to.nodes[usize::from(index)].connected = false,
            Action::Connect(index) => to.nodes[usize::from(index)].connected = true,
            Action::Hang(index) => to.nodes[usize::from(index)].mode = Mode::Hung,
            Action::Crash(index) => to.nodes[usize::from(index)].go_down(self.boot_ticks),
            Action::Tick => {
                if to.lease > 0 {
                    to.lease -= 1;
                    if to.lease == 0 {
                        to.owner = None;
                    }
                }
                for node in &mut to.nodes {
                    node.tick(self.boot_ticks);
                }
            }
        }
        to
    }

    fn is_exclusive(state: &State<NODES>) -> bool {
        state.nodes.iter().filter(|node| node.is_busy()).count() <= 1
    }
}

impl<const NODES: usize> Model for Lease<NODES> {
    type State = State<NODES>;
    type Action = Action;

    fn init_states(&self) -> Vec<Self::State> {
        vec![self.start()]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        self.for_each_action(state, |action| actions.push(action));
    }

    fn next_state(&self, state: &Self::State, action: Self::Action) -> Option<Self::State> {
        Some(self.apply(state, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("exclusive", |_, state| {
            Self::is_exclusive(state)
        })]
    }
}

impl<const NODES: usize> Checked for Lease<NODES> {
    fn successors(&self, state: &Self::State, out: &mut Vec<(Self::Action, Self::State)>) {
        self.for_each_action(state, |action| {
            out.push((action, self.apply(state, action)))
        });
    }

    fn judge_state(&self, state: &Self::State) -> u64 {
        u64::from(!Self::is_exclusive(state))
    }

    fn coverage_names(&self) -> Vec<&'static str> {
        vec![
            "lease expired",
            "watchdog fired",
            "watchdog fired on a hung node",
        ]
    }

    fn coverage(&self, from: &Self::State, action: &Self::Action, _to: &Self::State) -> u128 {
        if *action != Action::Tick {
            return 0;
        }
        let fires = |node: &&Node| node.watchdog == 1;
        let fired = from.nodes.iter().any(|node| fires(&node));
        let hung = (from.nodes.iter().filter(fires)).any(|node| node.mode == Mode::Hung);
        u128::from(from.lease == 1) | u128::from(fired) << 1 | u128::from(hung) << 2
    }

    fn measure_names(&self) -> Vec<&'static str> {
        vec!["ticks from a renewal to the watchdog that fires on the holder"]
    }

    fn measure(
        &self,
        from: &Self::State,
        action: &Self::Action,
        to: &Self::State,
        maxima: &mut [Option<i64>],
    ) {
        if *action != Action::Tick {
            return;
        }
        if let Some(owner) = from.owner
            && from.nodes[usize::from(owner)].watchdog == 1
        {
            raise(&mut maxima[0], i64::from(self.lease_ticks - to.lease));
        }
    }

    fn action_kind_names(&self) -> Vec<&'static str> {
        KINDS.to_vec()
    }

    fn action_kind(&self, action: &Self::Action) -> usize {
        match action {
            Action::Take(_) => 0,
            Action::Renew(_) => 1,
            Action::Acknowledge(_) => 2,
            Action::Lose(_) => 3,
            Action::Release(_) => 4,
            Action::Disconnect(_) => 5,
            Action::Connect(_) => 6,
            Action::Hang(_) => 7,
            Action::Crash(_) => 8,
            Action::Tick => 9,
        }
    }
}

/// The same model with its nodes interchangeable: one state for each orbit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orbits<const NODES: usize>(pub Lease<NODES>);

impl<const NODES: usize> State<NODES> {
    /// The state of this one's orbit whose nodes are in ascending order, the owner last among equals.
    #[must_use]
    pub fn representative(&self) -> Self {
        let mut nodes: [(Node, bool); NODES] =
            std::array::from_fn(|index| (self.nodes[index], self.owner == Some(index as u8)));
        nodes.sort_unstable();
        let owner = nodes.iter().position(|(_, owns)| *owns);
        Self {
            owner: owner.map(|owner| owner as u8),
            lease: self.lease,
            nodes: nodes.map(|(node, _)| node),
        }
    }
}

impl<const NODES: usize> Model for Orbits<NODES> {
    type State = State<NODES>;
    type Action = Action;

    fn init_states(&self) -> Vec<Self::State> {
        vec![self.0.start().representative()]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        self.0.actions(state, actions);
    }

    fn next_state(&self, state: &Self::State, action: Self::Action) -> Option<Self::State> {
        Some(self.0.apply(state, action).representative())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("exclusive", |_, state| {
            Lease::is_exclusive(state)
        })]
    }
}

impl<const NODES: usize> Checked for Orbits<NODES> {}
