//! Automatic balancing: at most one move per round (`scheduling.md` §5).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::affinity::{Affinity, Allowance, Bundle, Marks};
use super::moves::{Candidate, Nodes};
use super::note::{CandidateError, Names, NotFinite, Note, ScoreError};
use super::ratio::Ratio;
use super::score;
use super::stats::Amount;
use super::usage::{Mode, Slot, Table};
use crate::id::{NodeId, Ranks, ServiceId};

/// How the best move is found.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The smallest imbalance (`scheduling.md` §5.4).
    #[default]
    Bruteforce,
    /// The best score by several criteria (`scheduling.md` §5.5).
    Topsis,
}

impl Method {
    /// The method of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "bruteforce" => Some(Self::Bruteforce),
            "topsis" => Some(Self::Topsis),
            _ => None,
        }
    }
}

/// What is set about balancing (`config.md` §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Settings {
    /// Whether there is any.
    pub enabled: bool,
    /// How; none if the settings name a method that doesn't exist.
    pub method: Option<Method>,
    /// The imbalance that has to be exceeded.
    pub threshold: Ratio,
    /// For how many rounds; may be a fraction.
    pub hold_rounds: Ratio,
    /// The least relative improvement.
    pub margin: Ratio,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: false,
            method: Some(Method::default()),
            threshold: Ratio::of(3, 10),
            hold_rounds: Ratio::whole(3),
            margin: Ratio::of(1, 10),
        }
    }
}

/// A move to be made as if it had been requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Move {
    /// The leader of the bundle.
    pub service: ServiceId,
    /// Where to.
    pub target: NodeId,
    /// The imbalance as it is.
    pub from_imbalance: Ratio,
    /// The imbalance to be expected.
    pub to_imbalance: Ratio,
}

/// What a round's look at the balance led to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Outcome {
    /// For how many rounds the imbalance has been exceeded by now; to be passed in next time.
    pub held_rounds: u32,
    /// A move to make.
    pub step: Option<Move>,
    /// What has to be logged before.
    pub note: Option<Note>,
}

/// What balancing looks at.
#[derive(Clone, Copy, Debug)]
pub struct Cluster<'a> {
    /// The loads.
    pub table: &'a Table,
    /// The rules.
    pub affinity: &'a Affinity,
    /// The order of the services' names.
    pub services: &'a Ranks,
}

/// Looks at the balance, once per round (`scheduling.md` §5.2; the numbers are its steps). Not to
/// be called while disarmed or disarming.
///
/// `move_is_pending`: whether a migrate or relocate command is queued for any service.
/// `held_rounds`: what the last call returned, 0 for a new manager.
#[must_use]
pub fn rebalance(
    settings: &Settings,
    cluster: Cluster<'_>,
    move_is_pending: bool,
    held_rounds: u32,
) -> Outcome {
    let mut outcome = Outcome {
        held_rounds,
        step: None,
        note: None,
    };
    // 1 and 2.
    let table = cluster.table;
    let is_scored = match table.configured_mode() {
        Mode::Basic => false,
        Mode::Static | Mode::Dynamic => true,
    };
    if !settings.enabled || !is_scored || move_is_pending || table.is_any_moving() {
        return outcome;
    }
    // 3.
    let imbalance = match imbalance(table) {
        Ok(imbalance) => imbalance,
        Err(error) => {
            let mode = table.mode();
            outcome.note = Some(Note::NoImbalance { mode, error });
            Ratio::ZERO
        }
    };
    if imbalance <= settings.threshold {
        outcome.held_rounds = 0;
        return outcome;
    }
    // 4.
    outcome.held_rounds = held_rounds.saturating_add(1);
    if Ratio::whole(outcome.held_rounds) < settings.hold_rounds {
        return outcome;
    }
    outcome.held_rounds = 0;
    // 5 and 6.
    let Some(method) = settings.method else {
        return outcome;
    };
    match best_move(cluster, method) {
        Ok(best) => {
            let step = best.map(|best| best.step(imbalance));
            outcome.step = step.filter(|step| !step.is_below(settings.margin));
        }
        Err(error) => outcome.note = Some(Note::NoMove(error)),
    }
    outcome
}

/// The imbalance of the nodes (`scheduling.md` §5.1); 0 in basic mode.
///
/// # Errors
///
/// If it is not finite, which takes a node without any capacity.
pub fn imbalance(table: &Table) -> Result<Ratio, ScoreError> {
    let value = match table.mode() {
        Mode::Basic => 0.0,
        Mode::Static | Mode::Dynamic => {
            let loads: Vec<f64> = table
                .present_loads()
                .map(|(capacity, load)| load.share_of(capacity).mean())
                .collect();
            score::imbalance(loads.iter().copied())
        }
    };
    Ratio::new(value).ok_or_else(|| {
        ScoreError::Imbalance(NotFinite::of(value).unwrap_or(NotFinite::NegativeInfinite))
    })
}

impl Move {
    /// Whether the relative improvement is less than `margin`.
    fn is_below(&self, margin: Ratio) -> bool {
        let from = self.from_imbalance.get();
        (from - self.to_imbalance.get()) / from < margin.get()
    }

    /// `migrate` for a virtual machine, `relocate` for any other type, by the service's name
    /// (`scheduling.md` §5.2, step 7).
    #[must_use]
    pub fn task(&self, names: Names<'_>) -> &'static str {
        match names.service(self.service).name() {
            Some(sid) if sid.starts_with("vm:") => "migrate",
            Some(_) | None => "relocate",
        }
    }

    /// The command that the move is: `migrate vm:101 node2`.
    #[must_use]
    pub fn command(&self, names: Names<'_>) -> String {
        let (sid, target) = (names.service(self.service), names.node(self.target));
        alloc::format!("{} {sid} {target}", self.task(names))
    }

    /// The text that announces it.
    #[must_use]
    pub const fn text<'a>(&'a self, names: Names<'a>) -> MoveText<'a> {
        MoveText { step: self, names }
    }
}

/// A move as it is announced.
#[derive(Clone, Copy, Debug)]
pub struct MoveText<'a> {
    step: &'a Move,
    names: Names<'a>,
}

impl fmt::Display for MoveText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Move {
            service,
            target,
            from_imbalance,
            to_imbalance,
        } = self.step;
        write!(
            f,
            "auto rebalance - {} {} to {} \
             (expected change for imbalance from {from_imbalance:.2} to {to_imbalance:.2})",
            self.step.task(self.names),
            self.names.service(*service),
            self.names.node(*target),
        )
    }
}

/// The best move before it is known whether it is worth it.
struct Best {
    leader: ServiceId,
    target: NodeId,
    expected: Ratio,
}

impl Best {
    fn step(&self, from_imbalance: Ratio) -> Move {
        Move {
            service: self.leader,
            target: self.target,
            from_imbalance,
            to_imbalance: self.expected,
        }
    }
}

fn best_move(cluster: Cluster<'_>, method: Method) -> Result<Option<Best>, CandidateError> {
    let candidates = candidates(cluster)?;
    let nodes = Nodes::of(cluster.table);
    let best = match method {
        Method::Bruteforce => nodes.bruteforce(&candidates),
        Method::Topsis => nodes.topsis(&candidates).map_err(CandidateError::Score)?,
    };
    let Some((candidate, target)) = best else {
        return Ok(None);
    };
    let expected = nodes.expected(candidate, target);
    let expected = Ratio::new(expected)
        .ok_or_else(|| NotFinite::of(expected).unwrap_or(NotFinite::NegativeInfinite))
        .map_err(|value| CandidateError::Score(ScoreError::Imbalance(value)))?;
    let target = cluster.table.node_at(target);
    Ok(target.map(|target| Best {
        leader: candidate.leader,
        target,
        expected,
    }))
}

/// What may move where, by leader (`scheduling.md` §5.3).
fn candidates(cluster: Cluster<'_>) -> Result<Vec<Candidate>, CandidateError> {
    let Cluster {
        table,
        affinity,
        services,
    } = cluster;
    let mut marks = Marks::default();
    let mut candidates = Vec::new();
    for bundle in affinity.bundles(table, services) {
        let targets = targets(table, affinity, &bundle, &mut marks);
        if !targets.is_empty() {
            candidates.push(candidate(table, &bundle, targets)?);
        }
    }
    Ok(candidates)
}

/// The nodes that a bundle may move to. Positive affinity is left out: the bundle moves as one.
fn targets(table: &Table, affinity: &Affinity, bundle: &Bundle, marks: &mut Marks) -> Vec<Slot> {
    let rules = affinity.rules(bundle.leader);
    let Some(allowance) = Allowance::of(table, rules) else {
        return Vec::new();
    };
    marks.note(table, rules);
    let is_target = |slot: &Slot| {
        let node = table.node_at(*slot);
        node.is_some_and(|node| allowance.is_preferred(node))
            && node != bundle.node
            && !marks.is_separate(*slot)
    };
    table.slots().filter(is_target).collect()
}

fn candidate(
    table: &Table,
    bundle: &Bundle,
    targets: Vec<Slot>,
) -> Result<Candidate, CandidateError> {
    let absent = |service| {
        if service == bundle.leader {
            CandidateError::LeaderAbsent(service)
        } else {
            CandidateError::MemberAbsent(service)
        }
    };
    let place = |service| {
        let used = table.counted(service);
        used.and_then(|used| used.current)
            .ok_or_else(|| absent(service))
    };
    let source = place(bundle.leader)?;
    let mut demand = Amount::default();
    for member in &bundle.members {
        place(*member)?;
        let figures = table.demand(*member).map_err(|_| absent(*member))?;
        demand = demand.plus(Amount::new(figures.cpu, figures.mem));
    }
    Ok(Candidate {
        leader: bundle.leader,
        source,
        demand,
        targets,
    })
}
