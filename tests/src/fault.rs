//! What happens to a node, and when; drawn from a seed.

use nix::sys::signal::Signal;

use crate::gate::Cut;
use crate::node::Node;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// SIGSTOP; undone by SIGCONT.
    Stop,
    /// SIGKILL; undone by beginning the daemons anew.
    Kill,
    /// Cut from the store, whatever the target: only the LRM uses it.
    Cut(Cut),
}

/// What it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The LRM.
    Lrm,
    /// The multiplexer, which doesn't use the store.
    Mux,
    /// Both daemons.
    Both,
    /// Everything in the node, the service included.
    Node,
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is done.
    pub action: Action,
    /// What it is done to.
    pub target: Target,
    /// How long the service has run by then.
    pub after_ms: u64,
    /// When it is undone, if it is.
    pub undone_after_ms: Option<u64>,
}

/// What has to follow from a fault, beyond safety.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No take, no reset, and the service runs on.
    Nothing,
    /// A take, in time.
    Take,
    /// Either.
    Either,
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Everything that differs in what it does: only the LRM uses the store, so a cut of the others
/// would be none, or the same.
pub const KINDS: [(Action, Target); 11] = [
    (Action::Stop, Target::Lrm),
    (Action::Stop, Target::Mux),
    (Action::Stop, Target::Both),
    (Action::Stop, Target::Node),
    (Action::Kill, Target::Lrm),
    (Action::Kill, Target::Mux),
    (Action::Kill, Target::Both),
    (Action::Kill, Target::Node),
    (Action::Cut(Cut::Requests), Target::Lrm),
    (Action::Cut(Cut::Replies), Target::Lrm),
    (Action::Cut(Cut::Delayed), Target::Lrm),
];

impl Fault {
    /// The fault of this seed. Eleven seeds in a row have every kind.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut random = Random(seed);
        let number = seed % KINDS.len() as u64;
        let (action, target) = KINDS[usize::try_from(number).unwrap_or(0)];
        let after_ms = random.below(2_500);
        let undone_after_ms = match random.below(3) {
            0 => Some(100 + random.below(500)),
            // Up to well after the take.
            1 => Some(600 + random.below(7_400)),
            _ => None,
        };
        Self {
            action,
            target,
            after_ms,
            undone_after_ms,
        }
    }

    /// What has to follow.
    #[must_use]
    pub fn expect(&self) -> Expect {
        // What profile fast tolerates (q = 2 s, a daemon late by 1 s), less what a busy machine
        // may add.
        let tolerated_ms = match (self.action, self.target) {
            (Action::Kill, Target::Mux | Target::Both | Target::Node) => return Expect::Take,
            (Action::Cut(_), Target::Lrm | Target::Mux | Target::Both | Target::Node)
            | (Action::Stop, Target::Lrm) => 1_400,
            (Action::Kill, Target::Lrm) => 1_000,
            (Action::Stop, Target::Mux | Target::Both | Target::Node) => 600,
        };
        match self.undone_after_ms {
            None => Expect::Take,
            Some(ms) if ms <= tolerated_ms => Expect::Nothing,
            Some(_) => Expect::Either,
        }
    }

    /// Does it.
    pub fn inflict(&self, node: &Node) {
        match (self.action, self.target) {
            (Action::Stop, target) => target.signal(node, Signal::SIGSTOP),
            (Action::Kill, target) => target.signal(node, Signal::SIGKILL),
            (Action::Cut(cut), Target::Lrm | Target::Mux | Target::Both | Target::Node) => {
                node.cut(Some(cut))
            }
        }
    }

    /// Undoes it.
    pub fn undo(&self, node: &mut Node) {
        match (self.action, self.target) {
            (Action::Stop, target) => target.signal(node, Signal::SIGCONT),
            // That would be another boot.
            (Action::Kill, Target::Node) => {}
            (Action::Kill, target @ (Target::Lrm | Target::Mux | Target::Both)) => {
                if target != Target::Lrm {
                    node.begin_mux();
                }
                if target != Target::Mux {
                    node.begin_lrm();
                }
            }
            (Action::Cut(_), Target::Lrm | Target::Mux | Target::Both | Target::Node) => {
                node.cut(None)
            }
        }
    }
}

impl Target {
    fn signal(self, node: &Node, signal: Signal) {
        match self {
            Self::Lrm => node.signal_lrm(signal),
            Self::Mux => node.signal_mux(signal),
            Self::Both => {
                node.signal_mux(signal);
                node.signal_lrm(signal);
            }
            Self::Node => node.signal_all(signal),
        }
    }
}
