//! Scores and imbalance: all calculation with floating point (`scheduling.md` §4 and §5.1).
//!
//! Sums run over the nodes in name order, to the last bit, because ties are broken by name and a
//! last bit can make or break a tie. What that costs: the sum of squares of an alternative shares
//! its beginning with all others, so n alternatives take n²/2 additions, which run over
//! neighbouring numbers and not over each other.

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::note::{NotFinite, Note, ScoreError};
use super::stats::Share;
use super::usage::{Slot, Table, started};
use crate::id::ServiceId;

/// Average CPU, highest CPU, average memory, highest memory: all to be small.
pub(crate) type Criteria = [f64; 4];

/// How much each criterion matters (`scheduling.md` §4.1), out of [`WEIGHT_SUM`].
const WEIGHTS: Criteria = [1.0, 2.0, 5.0, 10.0];
const WEIGHT_SUM: f64 = 18.0;

/// The scores of all nodes for starting one service, with the buffers that lead to them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scorer {
    base: Vec<Share>,
    changes: Vec<Change>,
    sums: Sums,
    alternatives: Vec<Criteria>,
    /// By slot.
    scores: Vec<f64>,
}

impl Scorer {
    /// Scores all nodes (`scheduling.md` §4). Where that fails all are equal, so that names
    /// decide, and the note says why.
    pub(crate) fn score(&mut self, table: &Table, service: ServiceId) -> Option<Note> {
        let error = self.try_score(table, service).err()?;
        self.scores.clear();
        self.scores.resize(table.nodes().len(), 0.0);
        Some(Note::NotScored {
            service,
            mode: table.mode(),
            error,
        })
    }

    fn try_score(&mut self, table: &Table, service: ServiceId) -> Result<(), ScoreError> {
        let demand = table.demand(service).map_err(ScoreError::Service)?;
        self.base.clear();
        self.changes.clear();
        for (index, (capacity, load)) in table.expected_loads().enumerate() {
            self.base.push(load.share_of(capacity));
            self.changes.push(Change {
                index,
                share: load.plus(started(&demand, capacity)).share_of(capacity),
            });
        }
        criteria(
            &self.base,
            &self.changes,
            &mut self.sums,
            &mut self.alternatives,
        );
        let mut field = Field::new();
        self.alternatives.iter().for_each(|one| field.add(one));
        let contest = field.close()?;
        self.scores.clear();
        for values in &self.alternatives {
            self.scores.push(contest.score(values)?);
        }
        Ok(())
    }

    /// The higher score first, then the name.
    pub(crate) fn order(&self, a: Slot, b: Slot) -> Ordering {
        let score = |slot: Slot| self.scores.get(slot.index()).copied().unwrap_or(0.0);
        score(b).total_cmp(&score(a)).then(a.cmp(&b))
    }

    pub(crate) fn scores(&self) -> &[f64] {
        &self.scores
    }
}

/// One alternative: the loads as they are, but for one node that takes more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    /// Which node, by its place in name order.
    pub(crate) index: usize,
    /// Its load then; not less than before.
    pub(crate) share: Share,
}

/// Buffers that are kept between calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    cpu: Vec<f64>,
    mem: Vec<f64>,
}

/// The criteria of each alternative. Changes are in ascending order of their nodes.
pub(crate) fn criteria(
    base: &[Share],
    changes: &[Change],
    sums: &mut Sums,
    out: &mut Vec<Criteria>,
) {
    squares(base, changes, |share| share.cpu, &mut sums.cpu);
    squares(base, changes, |share| share.mem, &mut sums.mem);
    // A node's own load as it is doesn't exceed the one that it changes to.
    let highest_cpu = base.iter().map(|share| share.cpu).fold(0.0, f64::max);
    let highest_mem = base.iter().map(|share| share.mem).fold(0.0, f64::max);
    let count = count(base.len());
    let each = changes.iter().zip(sums.cpu.iter().zip(&sums.mem));
    out.clear();
    out.extend(each.map(|(change, (cpu, mem))| {
        [
            1.0 + libm::sqrt(cpu / count),
            1.0 + change.share.cpu.max(highest_cpu),
            1.0 + libm::sqrt(mem / count),
            1.0 + change.share.mem.max(highest_mem),
        ]
    }));
}

/// Per alternative the sum of the squared loads, in name order.
fn squares(base: &[Share], changes: &[Change], part: impl Fn(&Share) -> f64, sums: &mut Vec<f64>) {
    sums.clear();
    let mut changes = changes.iter().peekable();
    let mut before = 0.0;
    for (index, share) in base.iter().enumerate() {
        let load = part(share);
        let square = load * load;
        for sum in sums.iter_mut() {
            *sum += square;
        }
        if let Some(change) = changes.next_if(|change| change.index == index) {
            let load = part(&change.share);
            sums.push(before + load * load);
        }
        before += square;
    }
}

/// What all alternatives have to be known for before any can be scored (`scheduling.md` §4.2).
///
/// Alternatives are added one by one, and shown again to be scored, so that they needn't be kept:
/// balancing has one for each service and node.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    squares: Criteria,
    least: Criteria,
    most: Criteria,
    is_finite: [bool; 4],
}

/// A field with every alternative in it.
#[derive(Clone, Debug)]
pub(crate) struct Contest {
    roots: Criteria,
    best: Criteria,
    worst: Criteria,
}

impl Field {
    pub(crate) fn new() -> Self {
        Self {
            squares: [0.0; 4],
            least: [f64::INFINITY; 4],
            most: [f64::NEG_INFINITY; 4],
            is_finite: [true; 4],
        }
    }

    pub(crate) fn add(&mut self, values: &Criteria) {
        for (j, value) in values.iter().enumerate() {
            self.squares[j] += value * value;
            self.least[j] = self.least[j].min(*value);
            self.most[j] = self.most[j].max(*value);
            self.is_finite[j] &= value.is_finite();
        }
    }

    /// Ends the adding. The least value over the root is the least of all values over the root,
    /// because division keeps the order.
    pub(crate) fn close(&self) -> Result<Contest, ScoreError> {
        let roots = self.squares.map(libm::sqrt);
        // A value that isn't finite is none over the root that it makes.
        let invalid = (0..).zip(self.is_finite).find(|(_, is_finite)| !is_finite);
        if let Some((number, _)) = invalid {
            return Err(ScoreError::Criterion(number, NotFinite::Nan));
        }
        Ok(Contest {
            roots,
            best: over(&self.least, &roots),
            worst: over(&self.most, &roots),
        })
    }
}

impl Contest {
    /// The score of an alternative, from 0 to 1; the higher the better.
    pub(crate) fn score(&self, values: &Criteria) -> Result<f64, ScoreError> {
        let values = over(values, &self.roots);
        let to_best = distance(&values, &self.best);
        let to_worst = distance(&values, &self.worst);
        let both = to_best + to_worst;
        let score = if both == 0.0 { 0.0 } else { to_worst / both };
        match NotFinite::of(score) {
            Some(value) => Err(ScoreError::Score(value)),
            None => Ok(score),
        }
    }
}

/// Values by their criteria's roots, but where a root is zero.
fn over(values: &Criteria, roots: &Criteria) -> Criteria {
    let mut values = *values;
    for (value, root) in values.iter_mut().zip(roots) {
        if *root != 0.0 {
            *value /= root;
        }
    }
    values
}

fn distance(values: &Criteria, from: &Criteria) -> f64 {
    let mut sum = 0.0;
    for j in 0..4 {
        let part = WEIGHTS[j] / WEIGHT_SUM * (values[j] - from[j]);
        sum += part * part;
    }
    libm::sqrt(sum)
}

/// The coefficient of variation of the nodes' loads, each the mean of CPU and memory
/// (`scheduling.md` §5.1). Zero without nodes or load; not finite if a node has no capacity.
pub(crate) fn imbalance(loads: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let count = count(loads.len());
    let sum: f64 = loads.clone().fold(0.0, |sum, load| sum + load);
    if sum == 0.0 {
        return 0.0;
    }
    let mean = sum / count;
    let variance = loads.fold(0.0, |sum, load| sum + (load - mean) * (load - mean)) / count;
    libm::sqrt(variance) / mean
}

/// Toward zero to 15 decimals, which is what makes equal moves tie (`scheduling.md` §5.4).
pub(crate) fn truncate(imbalance: f64) -> f64 {
    libm::trunc(imbalance * 1e15) / 1e15
}

/// A number of nodes or candidates.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// Scores for a service of 2 cores and 4 GB on empty nodes (cores, GB).
    fn scores(nodes: &[(f64, f64)]) -> Vec<f64> {
        let base = vec![Share { cpu: 0.0, mem: 0.0 }; nodes.len()];
        let share = |(cores, memory): &(f64, f64)| Share {
            cpu: 2.0 / cores,
            mem: 4.0 / memory,
        };
        let changes: Vec<Change> = nodes
            .iter()
            .enumerate()
            .map(|(index, node)| Change {
                index,
                share: share(node),
            })
            .collect();
        let mut alternatives = Vec::new();
        criteria(&base, &changes, &mut Sums::default(), &mut alternatives);
        let mut field = Field::new();
        alternatives.iter().for_each(|one| field.add(one));
        let contest = field.close().unwrap();
        let scores = alternatives.iter().map(|one| contest.score(one).unwrap());
        scores.collect()
    }

    fn check(nodes: &[(f64, f64)], expect: &[f64]) {
        let scores = scores(nodes);
        assert_eq!(scores.len(), expect.len());
        for (score, expected) in scores.iter().zip(expect) {
            assert!((score - expected).abs() < 0.0005, "{scores:?}");
        }
    }

    /// `scheduling.md` §7, test-crs-static2.
    #[test]
    fn static2_scores() {
        let [node2, node3, node4, node5] =
            [(32.0, 200.0), (32.0, 300.0), (64.0, 300.0), (32.0, 100.0)];
        check(&[node2, node3, node5], &[0.75, 1.0, 0.0]);
        check(&[node2, node3, node4, node5], &[0.689, 0.815, 1.0, 0.0]);
        check(&[node3, node4, node5], &[0.814, 1.0, 0.0]);
        check(&[node2, node4, node5], &[0.689, 1.0, 0.0]);
    }

    #[test]
    fn equal_alternatives_score_nothing() {
        check(&[(8.0, 16.0); 3], &[0.0; 3]);
    }

    /// `scheduling.md` §5.1 and §7, topsis2: 1.41, 0.935, 0.354.
    #[test]
    fn imbalance_is_the_coefficient_of_variation() {
        for (loads, expect) in [
            (vec![], 0.0),
            (vec![0.0, 0.0], 0.0),
            (vec![0.5, 0.5, 0.5], 0.0),
            (vec![4.0, 0.0, 0.0], 1.414),
            (vec![3.0, 1.0, 0.0], 0.935),
            (vec![2.0, 1.0, 1.0], 0.354),
        ] {
            let value = imbalance(loads.iter().copied());
            assert!((value - expect).abs() < 0.0005, "{loads:?} {value}");
        }
        assert!(imbalance([f64::NAN, 1.0].into_iter()).is_nan());
    }

    #[test]
    fn a_node_without_capacity_spoils_its_criterion() {
        let mut field = Field::new();
        field.add(&[1.0, 1.0, 1.0, 1.0]);
        field.add(&[1.0, f64::INFINITY, 1.0, f64::NAN]);
        let error = ScoreError::Criterion(1, NotFinite::Nan);
        assert_eq!(field.close().unwrap_err(), error);
    }

    #[test]
    fn sums_are_those_of_each_alternative_alone() {
        let base: Vec<Share> = [0.1, 0.7, 0.3, 0.9, 0.2]
            .map(|cpu| Share {
                cpu,
                mem: cpu / 3.0,
            })
            .to_vec();
        let changes = [1, 3, 4].map(|index| Change {
            index,
            share: Share {
                cpu: base[index].cpu + 0.15,
                mem: base[index].mem + 0.05,
            },
        });
        let mut found = Vec::new();
        criteria(&base, &changes, &mut Sums::default(), &mut found);
        for (change, found) in changes.iter().zip(&found) {
            let mut loads = base.clone();
            loads[change.index] = change.share;
            let average = |part: fn(&Share) -> f64| {
                let sum = loads.iter().fold(0.0, |sum, l| sum + part(l) * part(l));
                1.0 + libm::sqrt(sum / 5.0)
            };
            let highest =
                |part: fn(&Share) -> f64| 1.0 + loads.iter().map(part).fold(0.0, f64::max);
            let expect = [
                average(|l| l.cpu),
                highest(|l| l.cpu),
                average(|l| l.mem),
                highest(|l| l.mem),
            ];
            assert_eq!(*found, expect);
        }
    }
}
