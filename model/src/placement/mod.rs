//! Placement: which node a service belongs on (`scheduling.md`, `rules.md` §8–9).
//!
//! Pure functions of three tables: the compiled rules ([`affinity`]), what the guests are and
//! where ([`state`]), and what loads the nodes ([`usage`]). [`select`] chooses a node for one
//! service, [`balance`] proposes one move per round. Everything is by id; names matter for order
//! alone, which comes from [`crate::id::Ranks`], and in texts ([`note`]).
//!
//! A manager that has nothing to do asks for every started service in every round whether it is
//! to stay. That answer takes no allocation and no look at other nodes or services, unless rules
//! relate the service to others.

pub mod affinity;
pub mod balance;
mod moves;
pub mod note;
pub mod ratio;
mod score;
pub mod state;
pub mod stats;
pub mod usage;

use core::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::id::{NodeId, ServiceId};
use affinity::{Affinity, Allowance, Marks};
use note::Note;
use score::Scorer;
use usage::{Mode, Slot, Table};

/// What a choice of node is for (`scheduling.md` §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Preference {
    /// Stay if possible: the question of every round.
    None,
    /// Take the best node: recovery, and rebalancing on start.
    BestScore,
    /// Take another node than those that failed.
    TryNext,
}

/// A question for a node.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// For which service.
    pub service: ServiceId,
    /// The node it is assigned to.
    pub node: Option<NodeId>,
    /// The nodes on which it failed to start. They matter to [`Preference::TryNext`] only.
    pub failed_nodes: &'a [NodeId],
    /// The node that it left for maintenance and returns to.
    pub maintenance_node: Option<NodeId>,
    /// Whether it moves to a better node by itself.
    pub failback: bool,
    /// What the choice is for.
    pub preference: Preference,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Selection {
    /// The node, if any is possible.
    pub node: Option<NodeId>,
    /// What has to be logged.
    pub note: Option<Note>,
}

/// Buffers that are kept between selections. They hold nothing that matters to the next one.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    marks: Marks,
    scorer: Scorer,
}

impl Selection {
    const NONE: Self = Self {
        node: None,
        note: None,
    };
}

/// Chooses a node for one service (`scheduling.md` §3; the numbers are its steps).
///
/// Costs, with n nodes in the table and p partners of the service: O(p) where the service stays;
/// else O(n + p) in basic mode, and O(n²) additions in the others (`scheduling.md` §4 scores all
/// nodes by sums over all nodes).
#[must_use]
pub fn select(
    table: &Table,
    affinity: &Affinity,
    request: &Request<'_>,
    scratch: &mut Scratch,
) -> Selection {
    let rules = affinity.rules(request.service);
    // 1.
    let Some(allowance) = Allowance::of(table, rules) else {
        return Selection::NONE;
    };
    let found = |slot| Selection {
        node: table.node_at(slot),
        note: None,
    };
    let current = request.node.and_then(|node| {
        let slot = table.slot(node)?;
        Some((node, slot))
    });
    let stays = request.preference == Preference::None;
    // 2.
    scratch.marks.note(table, rules);
    // 3.
    if let Some((node, slot)) = current
        && stays
        && !request.failback
        && allowance.is_allowed(node)
        && scratch.marks.is_acceptable(slot)
    {
        return found(slot);
    }
    // 4 and 5.
    let candidates = Candidates::of(table, allowance, &scratch.marks, request);
    // 6.
    if let Some(slot) = request.maintenance_node.and_then(|node| table.slot(node))
        && candidates.contains(slot)
    {
        return found(slot);
    }
    // 7.
    let current = current.map(|(_, slot)| slot);
    if let Some(slot) = current
        && stays
        && candidates.contains(slot)
    {
        return found(slot);
    }
    // 8 and 9.
    let after = match request.preference {
        Preference::TryNext => current.filter(|slot| candidates.contains(*slot)),
        Preference::None | Preference::BestScore => None,
    };
    let (slot, note) = match table.mode() {
        Mode::Basic => {
            let order =
                |a: Slot, b: Slot| table.guests_at(a).cmp(&table.guests_at(b)).then(a.cmp(&b));
            (pick(candidates.iter(), order, after), None)
        }
        Mode::Static | Mode::Dynamic => {
            let note = scratch.scorer.score(table, request.service);
            let order = |a, b| scratch.scorer.order(a, b);
            (pick(candidates.iter(), order, after), note)
        }
    };
    Selection {
        node: slot.and_then(|slot| table.node_at(slot)),
        note,
    }
}

/// The first in order, or the one that follows `after` unless that is the last.
fn pick(
    slots: impl Iterator<Item = Slot>,
    order: impl Fn(Slot, Slot) -> Ordering,
    after: Option<Slot>,
) -> Option<Slot> {
    let lesser = |best: Option<Slot>, slot| match best {
        Some(best) if order(best, slot) == Ordering::Less => Some(best),
        Some(_) | None => Some(slot),
    };
    let (mut first, mut next) = (None, None);
    for slot in slots {
        first = lesser(first, slot);
        if after.is_some_and(|after| order(after, slot) == Ordering::Less) {
            next = lesser(next, slot);
        }
    }
    next.or(first)
}

/// The nodes that remain after all rules.
struct Candidates<'a> {
    table: &'a Table,
    allowance: Allowance<'a>,
    marks: &'a Marks,
    failed: &'a [NodeId],
    /// Where partners to be with are: the only candidate.
    joined: Option<Slot>,
}

impl<'a> Candidates<'a> {
    fn of(
        table: &'a Table,
        allowance: Allowance<'a>,
        marks: &'a Marks,
        request: &Request<'a>,
    ) -> Self {
        let mut candidates = Self {
            table,
            allowance,
            marks,
            failed: match request.preference {
                Preference::TryNext => request.failed_nodes,
                Preference::None | Preference::BestScore => &[],
            },
            joined: None,
        };
        candidates.joined = marks.most_joined(|slot| candidates.contains(slot));
        candidates
    }

    fn contains(&self, slot: Slot) -> bool {
        if let Some(joined) = self.joined {
            return slot == joined;
        }
        let Some(node) = self.table.node_at(slot) else {
            return false;
        };
        self.allowance.is_preferred(node)
            && !self.failed.contains(&node)
            && !self.marks.is_separate(slot)
    }

    /// By name.
    fn iter(&self) -> impl Iterator<Item = Slot> {
        self.table.slots().filter(|slot| self.contains(*slot))
    }
}

impl Scratch {
    /// Buffers that are empty as yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The scores of the last placement that needed any, the higher the better, by node in name
    /// order. For tests and explanations; empty in basic mode.
    #[must_use]
    pub fn last_scores(&self) -> &[f64] {
        self.scorer.scores()
    }
}
