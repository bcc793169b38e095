//! Moves compared with each other: how balancing finds the best (`scheduling.md` §5.3–5.5).

use alloc::vec::Vec;

use super::note::ScoreError;
use super::score::{self, Change, Criteria, Field, Sums};
use super::stats::{Amount, Share};
use super::usage::{Slot, Table};
use crate::id::ServiceId;

/// A bundle that may move, and where to.
pub(crate) struct Candidate {
    pub(crate) leader: ServiceId,
    pub(crate) source: Slot,
    pub(crate) demand: Amount,
    /// By name.
    pub(crate) targets: Vec<Slot>,
}

/// The nodes' loads as they are, in name order.
pub(crate) struct Nodes {
    capacities: Vec<Amount>,
    amounts: Vec<Amount>,
    shares: Vec<Share>,
    means: Vec<f64>,
}

impl Nodes {
    pub(crate) fn of(table: &Table) -> Self {
        let (capacities, amounts): (Vec<_>, Vec<_>) = table.present_loads().unzip();
        let each = capacities.iter().zip(&amounts);
        let shares: Vec<Share> = each
            .map(|(capacity, amount)| amount.share_of(*capacity))
            .collect();
        let means = shares.iter().map(|share| share.mean()).collect();
        Self {
            capacities,
            amounts,
            shares,
            means,
        }
    }

    /// The source's loads once a bundle has left it.
    fn left(&self, candidate: &Candidate) -> Share {
        let index = candidate.source.index();
        self.amounts[index]
            .minus(candidate.demand)
            .share_of(self.capacities[index])
    }

    /// A target's loads once a bundle has come.
    fn joined(&self, candidate: &Candidate, target: Slot) -> Share {
        let index = target.index();
        self.amounts[index]
            .plus(candidate.demand)
            .share_of(self.capacities[index])
    }

    /// The imbalance after a move.
    pub(crate) fn expected(&self, candidate: &Candidate, target: Slot) -> f64 {
        let left = self.left(candidate).mean();
        let joined = self.joined(candidate, target).mean();
        self.imbalance_with(candidate.source, left, target, joined)
    }

    fn imbalance_with(&self, source: Slot, left: f64, target: Slot, joined: f64) -> f64 {
        let loads = self.means.iter().enumerate().map(|(index, load)| {
            if index == source.index() {
                left
            } else if index == target.index() {
                joined
            } else {
                *load
            }
        });
        score::truncate(score::imbalance(loads))
    }

    /// The move to the smallest imbalance, the first of equal ones (`scheduling.md` §5.4).
    ///
    /// The sums that make an imbalance are taken over all nodes only for moves that come close to
    /// the best so far: the others are told from it by sums that are corrected for two nodes.
    pub(crate) fn bruteforce<'a>(
        &self,
        candidates: &'a [Candidate],
    ) -> Option<(&'a Candidate, Slot)> {
        let estimate = Estimate::of(&self.means);
        let mut best: Option<(f64, &Candidate, Slot)> = None;
        for candidate in candidates {
            let source = candidate.source;
            let left = self.left(candidate).mean();
            let without = estimate.with(self.means[source.index()], left);
            for target in &candidate.targets {
                let joined = self.joined(candidate, *target).mean();
                let with = without.with(self.means[target.index()], joined);
                if best.is_some_and(|(least, ..)| with.exceeds(least)) {
                    continue;
                }
                let expected = self.imbalance_with(source, left, *target, joined);
                if best.is_none_or(|(least, ..)| expected < least) {
                    best = Some((expected, candidate, *target));
                }
            }
        }
        best.map(|(_, candidate, target)| (candidate, target))
    }

    /// The move with the highest score, the first of equal ones (`scheduling.md` §5.5).
    pub(crate) fn topsis<'a>(
        &self,
        candidates: &'a [Candidate],
    ) -> Result<Option<(&'a Candidate, Slot)>, ScoreError> {
        let mut moves = Moves::of(self);
        let mut field = Field::new();
        for candidate in candidates {
            moves.weigh(candidate).iter().for_each(|one| field.add(one));
        }
        let contest = field.close()?;
        let mut best: Option<(f64, &Candidate, Slot)> = None;
        for candidate in candidates {
            let values = moves.weigh(candidate).iter();
            for (target, values) in candidate.targets.iter().zip(values) {
                let score = contest.score(values)?;
                if best.is_none_or(|(most, ..)| score > most) {
                    best = Some((score, candidate, *target));
                }
            }
        }
        Ok(best.map(|(_, candidate, target)| (candidate, target)))
    }
}

/// The criteria of moves, one bundle at a time.
struct Moves<'a> {
    nodes: &'a Nodes,
    base: Vec<Share>,
    changes: Vec<Change>,
    sums: Sums,
    values: Vec<Criteria>,
}

impl<'a> Moves<'a> {
    fn of(nodes: &'a Nodes) -> Self {
        Self {
            nodes,
            base: nodes.shares.clone(),
            changes: Vec::new(),
            sums: Sums::default(),
            values: Vec::new(),
        }
    }

    /// By target.
    fn weigh(&mut self, candidate: &Candidate) -> &[Criteria] {
        let source = candidate.source.index();
        self.base[source] = self.nodes.left(candidate);
        self.changes.clear();
        self.changes
            .extend(candidate.targets.iter().map(|target| Change {
                index: target.index(),
                share: self.nodes.joined(candidate, *target),
            }));
        score::criteria(&self.base, &self.changes, &mut self.sums, &mut self.values);
        self.base[source] = self.nodes.shares[source];
        &self.values
    }
}

/// Sums from which an imbalance can be told up to rounding.
#[derive(Clone, Copy)]
struct Estimate {
    count: f64,
    sum: f64,
    squares: f64,
    /// Below these what rounding has left of larger sums is no longer small.
    sum_min: f64,
    squares_min: f64,
}

impl Estimate {
    fn of(loads: &[f64]) -> Self {
        let sum: f64 = loads.iter().sum();
        let squares: f64 = loads.iter().map(|load| load * load).sum();
        Self {
            count: score::count(loads.len()),
            sum,
            squares,
            sum_min: sum / 16.0,
            squares_min: squares / 16.0,
        }
    }

    /// The same with another load on one node.
    fn with(self, old: f64, new: f64) -> Self {
        Self {
            sum: self.sum - old + new,
            squares: self.squares - old * old + new * new,
            ..self
        }
    }

    /// Whether the imbalance is certainly above another.
    ///
    /// The squared imbalance is v = n·Σl²/(Σl)² − 1. Each sum carries a relative error of n·10⁻¹⁶,
    /// sixteen times that where most of it went away: 3·10⁻¹⁰·(1 + v) for as many nodes as ids can
    /// name. The doubt left is more than that and more than what truncation takes.
    fn exceeds(&self, imbalance: f64) -> bool {
        let is_sound = self.sum >= self.sum_min && self.squares >= self.squares_min;
        let variation = self.count * self.squares / (self.sum * self.sum);
        is_sound && variation - 1.0 > imbalance * imbalance + 1e-9 * variation
    }
}
