//! The specification once more, as plainly as it can be written: by name, with sets, sorting, and
//! every sum taken from the start. Slow, and sharing nothing with what it is compared to but the
//! nodes that a guest uses.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::placement::affinity::Kind;
use lockstep_model::placement::state::{Guest, Used};
use lockstep_model::placement::stats::ServiceStats;
use lockstep_model::placement::usage::Mode;
use lockstep_model::placement::{Preference, Request};

use crate::world::World;

type Name = String;
type Loads = BTreeMap<Name, (f64, f64)>;

pub(crate) struct Oracle<'a> {
    pub(crate) world: &'a World,
}

impl Oracle<'_> {
    fn name(&self, node: NodeId) -> Name {
        self.world.nodes[usize::from(node.0)].clone()
    }

    fn online(&self) -> BTreeSet<Name> {
        let nodes = self.world.online.iter();
        nodes.map(|node| self.name(*node)).collect()
    }

    fn used(&self, guest: &Guest) -> Used<NodeId> {
        guest.used(|node| self.world.online.contains(&node).then_some(node))
    }

    fn guests(&self) -> impl Iterator<Item = (ServiceId, &Guest)> {
        let guests = (0..).zip(&self.world.guests);
        guests.filter_map(|(id, guest)| Some((ServiceId(id), guest.as_ref()?)))
    }

    /// `rules.md` §8.2, by name: together with counts, separate.
    pub(crate) fn related(&self, service: ServiceId) -> (BTreeMap<Name, u32>, BTreeSet<Name>) {
        let (mut together, mut separate) = (BTreeMap::new(), BTreeSet::new());
        for (id, guest) in self.guests() {
            let is_managed = guest.managed().is_some();
            let is = |kind| self.world.affinity.partners(kind, service).contains(&id);
            let used = self.used(guest);
            if let Some(node) = used.target.or(used.current)
                && is_managed
                && is(Kind::Positive)
            {
                *together.entry(self.name(node)).or_insert(0) += 1;
            }
            if is_managed && is(Kind::Negative) {
                separate.extend(used.current.map(|node| self.name(node)));
                separate.extend(used.target.map(|node| self.name(node)));
            }
        }
        (together, separate)
    }

    fn names(&self, nodes: &[NodeId]) -> BTreeSet<Name> {
        nodes.iter().map(|node| self.name(*node)).collect()
    }

    /// `rules.md` §8.1: the nodes that a service may be on, with their priorities.
    fn priorities(&self, service: ServiceId) -> BTreeMap<Name, i32> {
        let online = self.online().into_iter();
        let rules = self.world.restrictions.iter();
        let rules: Vec<_> = rules.filter(|rule| rule.0 == service).collect();
        if rules.is_empty() {
            return online.map(|node| (node, 0)).collect();
        }
        // The last word on a node counts, and any word before that on all others.
        let priority = |node: &Name| {
            let last = |named: Option<NodeId>| rules.iter().rev().find(|rule| rule.1 == named);
            let rule = last(Some(self.world.node(node))).or_else(|| last(None));
            rule.map(|rule| rule.2)
        };
        online
            .filter_map(|node| priority(&node).map(|priority| (node, priority)))
            .collect()
    }

    pub(crate) fn allowed(&self, service: ServiceId) -> BTreeSet<Name> {
        self.priorities(service).into_keys().collect()
    }

    pub(crate) fn preferred(&self, service: ServiceId) -> BTreeSet<Name> {
        let priorities = self.priorities(service);
        let highest = priorities.values().max().copied();
        let best = priorities.into_iter();
        best.filter(|(_, priority)| Some(*priority) == highest)
            .map(|(node, _)| node)
            .collect()
    }

    /// `scheduling.md` §3.
    pub(crate) fn select(&self, request: &Request<'_>) -> Option<Name> {
        let service = request.service;
        let (allowed, mut preferred) = (self.allowed(service), self.preferred(service));
        if preferred.is_empty() {
            return None;
        }
        let (mut together, separate) = self.related(service);
        let current = request.node.map(|node| self.name(node));
        let stays = request.preference == Preference::None;
        if let Some(current) = &current
            && stays
            && !request.failback
            && allowed.contains(current)
            && (together.contains_key(current) || !separate.contains(current))
        {
            return Some(current.clone());
        }
        if request.preference == Preference::TryNext {
            let failed = self.names(request.failed_nodes);
            preferred.retain(|node| !failed.contains(node));
        }
        preferred.retain(|node| !separate.contains(node));
        together.retain(|node, _| preferred.contains(node));
        if let Some(most) = together.values().max() {
            let (node, _) = together.iter().find(|(_, count)| *count == most)?;
            preferred = BTreeSet::from([node.clone()]);
        }
        let maintenance = request.maintenance_node.map(|node| self.name(node));
        if let Some(node) = maintenance.filter(|node| preferred.contains(node)) {
            return Some(node);
        }
        if let Some(current) = &current
            && stays
            && preferred.contains(current)
        {
            return Some(current.clone());
        }
        let scores = self.scores(service);
        let mut sorted: Vec<Name> = preferred.into_iter().collect();
        sorted.sort_by(|a, b| scores[a].total_cmp(&scores[b]).then(a.cmp(b)));
        if request.preference == Preference::TryNext {
            let place = sorted
                .iter()
                .position(|node| Some(node) == current.as_ref());
            if let Some(next) = place.and_then(|place| sorted.get(place + 1)) {
                return Some(next.clone());
            }
        }
        sorted.first().cloned()
    }

    /// Lower is better.
    fn scores(&self, service: ServiceId) -> BTreeMap<Name, f64> {
        let online = self.online();
        if self.world.table.mode() == Mode::Basic {
            let count = |node: &Name| {
                let users = self.guests().filter(|(_, guest)| {
                    let used = self.used(guest);
                    let on = [used.current, used.target];
                    on.into_iter().flatten().any(|id| self.name(id) == *node)
                });
                users.count() as f64
            };
            return online
                .iter()
                .map(|node| (node.clone(), count(node)))
                .collect();
        }
        // Statistics are those of the guests in the table.
        let index = usize::from(service.0);
        let stats = self.world.guests[index].and(self.world.stats[index]);
        let Some(stats) = stats else {
            return online.into_iter().map(|node| (node, 0.0)).collect();
        };
        let alternatives: Vec<[f64; 4]> = online
            .iter()
            .map(|node| criteria(&self.loads(true, Some((&stats, node)))))
            .collect();
        let scores = topsis(alternatives);
        online.into_iter().zip(scores.map(|score| -score)).collect()
    }

    /// `scheduling.md` §2.6: for starting a service (with one started on a node), or as they are.
    fn loads(&self, for_start: bool, with: Option<(&ServiceStats, &Name)>) -> Loads {
        let is_dynamic = self.world.table.mode() == Mode::Dynamic;
        let mut loads = Loads::new();
        for node in &self.world.online {
            let stats = self.world.node_stats[usize::from(node.0)].expect("known");
            let capacity = (
                stats.cpu_max.expect("known").0,
                stats.mem_max_bytes.expect("known"),
            );
            let (mut cpu, mut mem) = (0, 0);
            if is_dynamic {
                (cpu, mem) = (stats.cpu.0, stats.mem_bytes);
            }
            let mut start = |stats: &ServiceStats| {
                let limit = stats.cpu_max.expect("known").0;
                cpu += if limit == 0 { capacity.0 } else { limit };
                mem += stats.mem_max_bytes.expect("known");
            };
            for (id, guest) in self.guests() {
                let used = self.used(guest);
                let on = used.current == Some(*node) || used.target == Some(*node);
                let counts = !is_dynamic || (for_start && !guest.is_running(&used));
                let sane = used.current != used.target;
                if let Some(stats) = &self.world.stats[usize::from(id.0)]
                    && on
                    && counts
                    && sane
                {
                    start(stats);
                }
            }
            if let Some((stats, _)) = with.filter(|(_, name)| **name == self.name(*node)) {
                start(stats);
            }
            let share = |part: u64, whole: u64| part as f64 / whole as f64;
            let load = (share(cpu, capacity.0), share(mem, capacity.1));
            loads.insert(self.name(*node), load);
        }
        loads
    }

    /// `scheduling.md` §5.1.
    pub(crate) fn imbalance(&self) -> f64 {
        imbalance(&self.loads(false, None))
    }
}

fn criteria(loads: &Loads) -> [f64; 4] {
    let count = loads.len() as f64;
    let average = |part: fn(&(f64, f64)) -> f64| {
        let squares = loads.values().map(|load| part(load) * part(load));
        1.0 + (squares.fold(0.0, |sum, one| sum + one) / count).sqrt()
    };
    let highest = |part: fn(&(f64, f64)) -> f64| 1.0 + loads.values().map(part).fold(0.0, f64::max);
    [
        average(|load| load.0),
        highest(|load| load.0),
        average(|load| load.1),
        highest(|load| load.1),
    ]
}

fn topsis(mut alternatives: Vec<[f64; 4]>) -> impl Iterator<Item = f64> {
    let weights = [1.0 / 18.0, 2.0 / 18.0, 5.0 / 18.0, 10.0 / 18.0];
    for j in 0..4 {
        let squares = alternatives.iter().map(|one| one[j] * one[j]);
        let root = squares.fold(0.0, |sum: f64, one| sum + one).sqrt();
        alternatives.iter_mut().for_each(|one| one[j] /= root);
    }
    let extreme = |j: usize, pick: fn(f64, f64) -> f64| {
        let column = alternatives.iter().map(|one| one[j]);
        column.fold(f64::NAN, pick)
    };
    let best: Vec<f64> = (0..4).map(|j| extreme(j, f64::min)).collect();
    let worst: Vec<f64> = (0..4).map(|j| extreme(j, f64::max)).collect();
    alternatives.into_iter().map(move |one| {
        let distance = |from: &[f64]| {
            let parts = (0..4).map(|j| weights[j] * (one[j] - from[j]));
            parts.fold(0.0, |sum, part| sum + part * part).sqrt()
        };
        let (to_best, to_worst) = (distance(&best), distance(&worst));
        if to_best + to_worst == 0.0 {
            return 0.0;
        }
        to_worst / (to_best + to_worst)
    })
}

fn imbalance(loads: &Loads) -> f64 {
    let each = || loads.values().map(|(cpu, mem)| (cpu + mem) / 2.0);
    let count = loads.len() as f64;
    let sum = each().fold(0.0, |sum, load| sum + load);
    if sum == 0.0 {
        return 0.0;
    }
    let mean = sum / count;
    let squares = each().fold(0.0, |sum, load| sum + (load - mean) * (load - mean));
    (squares / count).sqrt() / mean
}

/// A move, with the loads after it.
struct Move {
    leader: ServiceId,
    target: Name,
    after: Loads,
}

impl Move {
    /// With its expected imbalance, truncated.
    fn with_imbalance(self) -> (f64, ServiceId, Name) {
        let expected = (imbalance(&self.after) * 1e15).trunc() / 1e15;
        (expected, self.leader, self.target)
    }
}

/// Every move that may be proposed, by leader and target (`scheduling.md` §5.3).
fn moves(oracle: &Oracle<'_>) -> Vec<Move> {
    let world = oracle.world;
    let is_dynamic = world.table.mode() == Mode::Dynamic;
    let mut moves = Vec::new();
    for bundle in world.affinity.bundles(&world.table, &world.service_ranks()) {
        let source = oracle.name(bundle.node.expect("known"));
        let (_, separate) = oracle.related(bundle.leader);
        let (mut cpu, mut mem) = (0, 0);
        for member in &bundle.members {
            let stats = world.stats[usize::from(member.0)].expect("known");
            let used = (stats.cpu, stats.mem_bytes);
            let most = (stats.cpu_max, stats.mem_max_bytes);
            let (one_cpu, one_mem) = if is_dynamic { used } else { most };
            cpu += one_cpu.expect("known").0;
            mem += one_mem.expect("known");
        }
        for target in oracle.preferred(bundle.leader) {
            if target == source || separate.contains(&target) {
                continue;
            }
            let mut after = oracle.loads(false, None);
            let left = oracle.moved(&source, cpu, mem, false);
            after.insert(source.clone(), left);
            let joined = oracle.moved(&target, cpu, mem, true);
            after.insert(target.clone(), joined);
            let leader = bundle.leader;
            moves.push(Move {
                leader,
                target,
                after,
            });
        }
    }
    moves
}

/// `scheduling.md` §5.4: every move tried, the smallest expected imbalance with the move.
pub(crate) fn bruteforce(oracle: &Oracle<'_>) -> Option<(f64, ServiceId, Name)> {
    let moves = moves(oracle).into_iter().map(Move::with_imbalance);
    moves.reduce(|best, one| if one.0 < best.0 { one } else { best })
}

/// `scheduling.md` §5.5: the highest score, with its expected imbalance.
pub(crate) fn best_by_topsis(oracle: &Oracle<'_>) -> Option<(f64, ServiceId, Name)> {
    let moves = moves(oracle);
    let alternatives = moves.iter().map(|one| criteria(&one.after)).collect();
    let scored = topsis(alternatives).zip(moves);
    let best = scored.reduce(|best, one| if one.0 > best.0 { one } else { best });
    best.map(|(_, one)| one.with_imbalance())
}

impl Oracle<'_> {
    /// A node's loads with a bundle more or less.
    fn moved(&self, node: &Name, cpu: u64, mem: u64, comes: bool) -> (f64, f64) {
        let id = self.world.node(node);
        let stats = self.world.node_stats[usize::from(id.0)].expect("known");
        let capacity = (
            stats.cpu_max.expect("known").0,
            stats.mem_max_bytes.expect("known"),
        );
        let (cpu_load, mem_load) = self.loads(false, None)[node];
        // Loads are whole figures over whole capacities, so they can be had back.
        let whole = |load: f64, capacity: u64| (load * capacity as f64).round() as u64;
        let change = |old: u64, by: u64| {
            if comes {
                old + by
            } else {
                old.saturating_sub(by)
            }
        };
        let cpu = change(whole(cpu_load, capacity.0), cpu);
        let mem = change(whole(mem_load, capacity.1), mem);
        let share = |part: u64, whole: u64| part as f64 / whole as f64;
        (share(cpu, capacity.0), share(mem, capacity.1))
    }
}
