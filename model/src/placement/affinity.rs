//! Compiled rules by id (`rules.md` §6), and what they say about placement (`rules.md` §8–9).
//!
//! Compiled once per change of the rules and asked in every round: a service without rule costs
//! one look into a dense table.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::state::{Managed, ServiceState};
use super::usage::{Slot, Table};
use crate::id::{NodeId, Ranks, ServiceId};

/// Whether services are kept together or apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// On one node.
    Positive,
    /// On different nodes.
    Negative,
}

/// The compiled rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Affinity {
    /// By service id, as far as there are rules.
    services: Vec<Option<Box<Rules>>>,
}

/// What the rules say about one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Rules {
    /// Node affinity: the nodes named, by id, with their priorities.
    nodes: Vec<(NodeId, i32)>,
    /// Node affinity: the priority of all nodes that are not named; none if they are excluded.
    others: Option<i32>,
    /// Whether there is a node affinity at all.
    is_restricted: bool,
    /// Partners to be with, by id.
    positive: Vec<ServiceId>,
    /// Partners to be away from, by id.
    negative: Vec<ServiceId>,
}

/// Services that balancing moves as one (`rules.md` §9).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bundle {
    /// The member with the smallest name.
    pub leader: ServiceId,
    /// Where all of them are.
    pub node: Option<NodeId>,
    /// All of them, by name.
    pub members: Vec<ServiceId>,
}

impl Affinity {
    /// No rules.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            services: Vec::new(),
        }
    }

    /// Allows a service on a node, with a priority. A service with any such entry is allowed on
    /// no other nodes but by [`Self::restrict_others`]. A node named twice has the last priority.
    pub fn restrict(&mut self, service: ServiceId, node: NodeId, priority: i32) {
        let rules = self.rules_of(service);
        rules.is_restricted = true;
        match rules.nodes.binary_search_by_key(&node, |(id, _)| *id) {
            Ok(index) => {
                if let Some(entry) = rules.nodes.get_mut(index) {
                    entry.1 = priority;
                }
            }
            Err(index) => rules.nodes.insert(index, (node, priority)),
        }
    }

    /// Allows a service on all nodes that are not named, with a priority: −1 in a rule that isn't
    /// strict (`rules.md` §6). Naming those nodes one by one says the same.
    pub fn restrict_others(&mut self, service: ServiceId, priority: i32) {
        let rules = self.rules_of(service);
        rules.is_restricted = true;
        rules.others = Some(priority);
    }

    /// Allows a service on no node but those that are named, even if none is.
    pub fn restrict_at_all(&mut self, service: ServiceId) {
        self.rules_of(service).is_restricted = true;
    }

    /// Makes two services partners, in both directions. A service is no partner of itself.
    pub fn relate(&mut self, kind: Kind, one: ServiceId, other: ServiceId) {
        if one == other {
            return;
        }
        for (service, partner) in [(one, other), (other, one)] {
            let rules = self.rules_of(service);
            let partners = match kind {
                Kind::Positive => &mut rules.positive,
                Kind::Negative => &mut rules.negative,
            };
            if let Err(index) = partners.binary_search(&partner) {
                partners.insert(index, partner);
            }
        }
    }

    fn rules_of(&mut self, service: ServiceId) -> &mut Rules {
        let index = usize::from(service.0);
        if self.services.len() <= index {
            self.services.resize(index + 1, None);
        }
        self.services[index].get_or_insert_default()
    }

    /// What the rules say about a service, if they say anything.
    pub(crate) fn rules(&self, service: ServiceId) -> Option<&Rules> {
        self.services.get(usize::from(service.0))?.as_deref()
    }

    /// The partners of a service, by id.
    #[must_use]
    pub fn partners(&self, kind: Kind, service: ServiceId) -> &[ServiceId] {
        self.rules(service).map_or(&[], |rules| match kind {
            Kind::Positive => &rules.positive,
            Kind::Negative => &rules.negative,
        })
    }

    /// The nodes of the table that a service may be on, by name (`rules.md` §8.1).
    #[must_use]
    pub fn allowed(&self, table: &Table, service: ServiceId) -> Vec<NodeId> {
        let allowance = Allowance::of(table, self.rules(service));
        let allowance = allowance.as_ref();
        let is_allowed = |node: &NodeId| allowance.is_some_and(|one| one.is_allowed(*node));
        table.nodes().filter(is_allowed).collect()
    }

    /// Those of them with the highest priority, by name (`rules.md` §8.1).
    #[must_use]
    pub fn preferred(&self, table: &Table, service: ServiceId) -> Vec<NodeId> {
        let allowance = Allowance::of(table, self.rules(service));
        let allowance = allowance.as_ref();
        let is_preferred = |node: &NodeId| allowance.is_some_and(|one| one.is_preferred(*node));
        table.nodes().filter(is_preferred).collect()
    }

    /// How many partners to be with are or will be on a node, per node by name (`rules.md` §8.2).
    #[must_use]
    pub fn together(&self, table: &Table, service: ServiceId) -> Vec<(NodeId, u32)> {
        let mut marks = Marks::default();
        marks.note(table, self.rules(service));
        let counts = table
            .slots()
            .map(|slot| (table.node_at(slot), marks.together(slot)));
        counts
            .filter_map(|(node, count)| Some((node?, count)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// The nodes that partners to be away from use, by name (`rules.md` §8.2).
    #[must_use]
    pub fn separate(&self, table: &Table, service: ServiceId) -> Vec<NodeId> {
        let mut marks = Marks::default();
        marks.note(table, self.rules(service));
        let slots = table.slots().filter(|slot| marks.is_separate(*slot));
        slots.filter_map(|slot| table.node_at(slot)).collect()
    }

    /// The services that forbid a requested move to `target`, by name (`rules.md` §8.3, step 1).
    /// `managed` says where a service is, if it is managed.
    #[must_use]
    pub fn blocking(
        &self,
        managed: impl Fn(ServiceId) -> Option<Managed>,
        service: ServiceId,
        target: NodeId,
        services: &Ranks,
    ) -> Vec<ServiceId> {
        let elsewhere = |node: Option<NodeId>| node.is_some_and(|node| node != target);
        let blocks = |partner: &ServiceId| {
            managed(*partner).is_some_and(|it| !elsewhere(it.node) && !elsewhere(it.target))
        };
        let partners = self.partners(Kind::Negative, service);
        by_name(partners.iter().copied().filter(blocks).collect(), services)
    }

    /// The services that a requested move to `target` takes along, by name (`rules.md` §8.3,
    /// step 3). `managed` says where a service is, if it is managed.
    #[must_use]
    pub fn taken_along(
        &self,
        managed: impl Fn(ServiceId) -> Option<Managed>,
        service: ServiceId,
        target: NodeId,
        services: &Ranks,
    ) -> Vec<ServiceId> {
        let follows = |partner: &ServiceId| {
            managed(*partner).is_some_and(|it| it.node != Some(target) && it.target != Some(target))
        };
        let partners = self.partners(Kind::Positive, service);
        by_name(partners.iter().copied().filter(follows).collect(), services)
    }

    /// What may be balanced, by the leaders' names (`rules.md` §9).
    #[must_use]
    pub fn bundles(&self, table: &Table, services: &Ranks) -> Vec<Bundle> {
        let started = table
            .all_managed()
            .filter(|(_, managed)| managed.state == ServiceState::Started);
        let started = by_name(started.map(|(service, _)| service).collect(), services);
        let mut bundles = BTreeMap::new();
        for service in started {
            if let Some(bundle) = self.bundle(table, service, services) {
                bundles.insert(services.rank(bundle.leader.0), bundle);
            }
        }
        bundles.into_values().collect()
    }

    fn bundle(&self, table: &Table, service: ServiceId, services: &Ranks) -> Option<Bundle> {
        let node = table.managed(service)?.node;
        let mut members = alloc::vec![service];
        for partner in self.partners(Kind::Positive, service) {
            let Some(managed) = table.managed(*partner) else {
                continue;
            };
            if managed.state.is_moving() {
                return None;
            }
            if managed.state == ServiceState::Started {
                if managed.node != node {
                    return None;
                }
                members.push(*partner);
            }
        }
        let members = by_name(members, services);
        let leader = *members.first()?;
        Some(Bundle {
            leader,
            node,
            members,
        })
    }
}

fn by_name(mut services: Vec<ServiceId>, ranks: &Ranks) -> Vec<ServiceId> {
    services.sort_unstable_by_key(|service| ranks.rank(service.0));
    services
}

/// Where a service may be, as far as node affinity goes (`rules.md` §8.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance<'a> {
    rules: Option<&'a Rules>,
    /// The highest priority among the nodes of the table.
    best: i32,
}

impl<'a> Allowance<'a> {
    /// None if no node of the table is allowed. For nodes of the table only.
    pub(crate) fn of(table: &Table, rules: Option<&'a Rules>) -> Option<Self> {
        let online = table.nodes().len();
        let restricting = rules.filter(|rules| rules.is_restricted);
        let Some(rules) = restricting else {
            return (online > 0).then_some(Self {
                rules: None,
                best: 0,
            });
        };
        let mut named = 0;
        let mut best = None;
        for (node, priority) in &rules.nodes {
            if table.is_online(*node) {
                named += 1;
                best = best.max(Some(*priority));
            }
        }
        if named < online {
            best = best.max(rules.others);
        }
        best.map(|best| Self {
            rules: Some(rules),
            best,
        })
    }

    fn priority(rules: &Rules, node: NodeId) -> Option<i32> {
        match rules.nodes.binary_search_by_key(&node, |(id, _)| *id) {
            Ok(index) => rules.nodes.get(index).map(|(_, priority)| *priority),
            Err(_) => rules.others,
        }
    }

    pub(crate) fn is_allowed(&self, node: NodeId) -> bool {
        self.rules
            .is_none_or(|rules| Self::priority(rules, node).is_some())
    }

    pub(crate) fn is_preferred(&self, node: NodeId) -> bool {
        self.rules
            .is_none_or(|rules| Self::priority(rules, node) == Some(self.best))
    }
}

/// Where the partners of one service are (`rules.md` §8.2).
///
/// Nothing is cleared between services: a mark is valid only with the number of the service it
/// was made for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    turn: u64,
    /// By slot: the turn in which it was marked.
    separate: Vec<u64>,
    /// By slot: the turn in which it was marked, and how often.
    together: Vec<(u64, u32)>,
    /// Slots with such a mark, each once.
    joined: Vec<Slot>,
}

impl Marks {
    /// Notes the partners of one service instead of the last one's.
    pub(crate) fn note(&mut self, table: &Table, rules: Option<&Rules>) {
        self.turn += 1;
        self.joined.clear();
        let Some(rules) = rules else {
            return;
        };
        if rules.positive.is_empty() && rules.negative.is_empty() {
            return;
        }
        let nodes = table.nodes().len();
        if self.separate.len() < nodes {
            self.separate.resize(nodes, 0);
            self.together.resize(nodes, (0, 0));
        }
        for partner in &rules.negative {
            for slot in table.used(*partner).distinct() {
                if let Some(mark) = self.separate.get_mut(slot.index()) {
                    *mark = self.turn;
                }
            }
        }
        for partner in &rules.positive {
            if let Some(slot) = table.used(*partner).destination() {
                self.join(slot);
            }
        }
    }

    fn join(&mut self, slot: Slot) {
        if let Some((turn, count)) = self.together.get_mut(slot.index()) {
            if *turn == self.turn {
                *count += 1;
            } else {
                (*turn, *count) = (self.turn, 1);
                self.joined.push(slot);
            }
        }
    }

    pub(crate) fn is_separate(&self, slot: Slot) -> bool {
        self.separate.get(slot.index()) == Some(&self.turn)
    }

    pub(crate) fn together(&self, slot: Slot) -> u32 {
        match self.together.get(slot.index()) {
            Some((turn, count)) if *turn == self.turn => *count,
            Some(_) | None => 0,
        }
    }

    /// Whether resource affinity lets the service be there.
    pub(crate) fn is_acceptable(&self, slot: Slot) -> bool {
        self.together(slot) > 0 || !self.is_separate(slot)
    }

    /// The node with most partners to be with among the candidates, the first by name.
    pub(crate) fn most_joined(&self, is_candidate: impl Fn(Slot) -> bool) -> Option<Slot> {
        let joined = self.joined.iter().copied();
        joined
            .filter(|slot| is_candidate(*slot))
            .min_by_key(|slot| (core::cmp::Reverse(self.together(*slot)), *slot))
    }
}
