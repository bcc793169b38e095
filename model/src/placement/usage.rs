//! The usage table: which nodes are online, and what loads them (`scheduling.md` §1–2).
//!
//! Built anew in every round of the manager ([`Table::begin`], then [`Table::set`] for every
//! guest in name order) and kept current within it ([`Table::change`] at every change of a
//! service's state), so that later decisions see earlier ones. All figures are integers: what is
//! taken out of a sum leaves exactly what was there before. Buffers are kept between rounds.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::note::{InitError, Note, Refusal};
use super::state::{Guest, Managed, Used};
use super::stats::{Amount, Demand, NodeStats, ServiceStats};
use crate::id::{NodeId, Ranks, ServiceId};

/// By what nodes are scored (`scheduling.md` §1).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By the number of their services.
    #[default]
    Basic,
    /// By what their services may use at most.
    Static,
    /// By what was measured.
    Dynamic,
}

impl Mode {
    /// The name in settings and texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Static => "static",
            Self::Dynamic => "dynamic",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Basic, Self::Static, Self::Dynamic]
            .into_iter()
            .find(|mode| mode.name() == name)
    }
}

/// The place of a node in the table. Slots are in name order: ties by name are ties by slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u16);

impl Slot {
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What a round's table starts from.
#[derive(Clone, Debug)]
pub struct Round<'a> {
    /// The mode that is set.
    pub mode: Mode,
    /// The nodes in state `online`, in any order.
    pub online: &'a [NodeId],
    /// The order of the nodes' names.
    pub ranks: &'a Ranks,
    /// The nodes' statistics by id, or why there are none. Not looked at in basic mode.
    pub node_stats: Result<&'a [Option<NodeStats>], InitError>,
}

/// The usage table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    configured: Mode,
    mode: Mode,
    /// In name order.
    nodes: Vec<Node>,
    /// By node id.
    slots: Vec<Option<Slot>>,
    /// By service id.
    guests: Vec<Option<Entry>>,
    /// By service id; empty in basic mode.
    demands: Vec<Result<Demand, Refusal>>,
    /// How many services are in state `migrate` or `relocate`.
    moving: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    id: NodeId,
    capacity: Amount,
    /// What was measured; nothing in static mode.
    measured: Amount,
    /// What the services take that no measurement includes: all in static mode, those that are
    /// starting in dynamic mode.
    expected: Amount,
    /// How many guests use the node.
    guests: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    guest: Guest,
    used: Used<Slot>,
    /// Counts as running.
    running: bool,
    /// Is part of the figures; false for one that was left out with a warning.
    counted: bool,
}

impl Table {
    /// An empty table in basic mode.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties the table and enters the nodes. Falls back to basic, with a note, where the nodes'
    /// statistics are wanting (`scheduling.md` §1).
    pub fn begin(&mut self, round: Round<'_>) -> Option<Note> {
        self.configured = round.mode;
        self.mode = round.mode;
        self.moving = 0;
        self.guests.clear();
        self.demands.clear();
        self.enter_nodes(round.online, round.ranks);
        let filled = match round.mode {
            Mode::Basic => Ok(()),
            Mode::Static | Mode::Dynamic => round
                .node_stats
                .and_then(|stats| self.fill_nodes(stats, round.mode)),
        };
        filled.err().map(|reason| {
            self.mode = Mode::Basic;
            Note::Fallback {
                mode: round.mode,
                reason,
            }
        })
    }

    fn enter_nodes(&mut self, online: &[NodeId], ranks: &Ranks) {
        self.nodes.clear();
        self.nodes.extend(online.iter().map(|id| Node {
            id: *id,
            capacity: Amount::default(),
            measured: Amount::default(),
            expected: Amount::default(),
            guests: 0,
        }));
        self.nodes
            .sort_unstable_by_key(|node| ranks.rank(node.id.0));
        self.nodes.dedup_by_key(|node| node.id);
        self.slots.clear();
        for (slot, node) in (0..).zip(&self.nodes) {
            let index = usize::from(node.id.0);
            if self.slots.len() <= index {
                self.slots.resize(index + 1, None);
            }
            if let Some(place) = self.slots.get_mut(index) {
                *place = Some(Slot(slot));
            }
        }
    }

    fn fill_nodes(&mut self, all: &[Option<NodeStats>], mode: Mode) -> Result<(), InitError> {
        for node in &mut self.nodes {
            let id = node.id;
            let stats = all.get(usize::from(id.0)).copied().flatten();
            let stats = stats.ok_or(InitError::NoStatsOf(id))?;
            let cpu_max = stats.cpu_max.ok_or(InitError::NoCpuCount(id))?;
            let mem_max = stats.mem_max_bytes.ok_or(InitError::NoMemory(id))?;
            node.capacity = Amount::new(cpu_max.0, mem_max);
            if mode == Mode::Dynamic {
                node.measured = Amount::new(stats.cpu.0, stats.mem_bytes);
            }
        }
        Ok(())
    }

    /// Enters a guest with its statistics for this round. A note says if it had to be left out of
    /// the figures (`scheduling.md` §2.4); for affinity it is known all the same.
    pub fn set(
        &mut self,
        service: ServiceId,
        guest: Guest,
        stats: Option<&ServiceStats>,
    ) -> Option<Note> {
        self.remove(service);
        let demand = match self.mode {
            Mode::Basic => None,
            Mode::Static => Some(stats.map(ServiceStats::static_demand)),
            Mode::Dynamic => Some(stats.map(ServiceStats::dynamic_demand)),
        };
        if let Some(demand) = demand {
            let demand = demand.map_or(Err(Refusal::NoStats), |demand| {
                demand.map_err(Refusal::MissingField)
            });
            let index = usize::from(service.0);
            if self.demands.len() <= index {
                self.demands.resize(index + 1, Err(Refusal::NoStats));
            }
            if let Some(place) = self.demands.get_mut(index) {
                *place = demand;
            }
        }
        self.change(service, guest)
    }

    /// Enters a guest's new state; its statistics are those of the round.
    pub fn change(&mut self, service: ServiceId, guest: Guest) -> Option<Note> {
        self.remove(service);
        let used = guest.used(|node| self.slot(node));
        let refusal = self.refusal(service, &used);
        let entry = Entry {
            guest,
            used,
            running: guest.is_running(&used),
            counted: refusal.is_none(),
        };
        let index = usize::from(service.0);
        if self.guests.len() <= index {
            self.guests.resize(index + 1, None);
        }
        if let Some(place) = self.guests.get_mut(index) {
            *place = Some(entry);
        }
        self.moving += usize::from(is_moving(&guest));
        self.count(service, &entry, true);
        refusal.map(|refusal| Note::NotAdded {
            service,
            mode: self.mode,
            refusal,
        })
    }

    /// Takes a guest out. Its statistics are remembered until the round ends.
    pub fn remove(&mut self, service: ServiceId) {
        let place = self.guests.get_mut(usize::from(service.0));
        let Some(entry) = place.and_then(Option::take) else {
            return;
        };
        self.moving -= usize::from(is_moving(&entry.guest));
        self.count(service, &entry, false);
    }

    /// Why the guest can't be part of the figures.
    fn refusal(&self, service: ServiceId, used: &Used<Slot>) -> Option<Refusal> {
        if self.mode == Mode::Basic || used.destination().is_none() {
            return None;
        }
        if let Err(refusal) = self.demand(service) {
            return Some(refusal);
        }
        (used.current.is_some() && used.current == used.target).then_some(Refusal::SameNode)
    }

    /// Adds an entry to the figures of its nodes, or takes it out again.
    fn count(&mut self, service: ServiceId, entry: &Entry, add: bool) {
        if !entry.counted {
            return;
        }
        let demand = match self.mode {
            Mode::Basic => None,
            Mode::Static => self.demand(service).ok(),
            Mode::Dynamic if entry.running => None,
            Mode::Dynamic => self.demand(service).ok(),
        };
        for slot in entry.used.distinct() {
            let Some(node) = self.nodes.get_mut(slot.index()) else {
                continue;
            };
            let expected = demand.map_or_else(Amount::default, |demand| node.started(&demand));
            if add {
                node.guests += 1;
                node.expected = node.expected.plus(expected);
            } else {
                node.guests -= 1;
                node.expected = node.expected.minus(expected);
            }
        }
    }

    /// The mode in force: basic after a fallback.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The mode that is set.
    #[must_use]
    pub fn configured_mode(&self) -> Mode {
        self.configured
    }

    /// The nodes in name order.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeId> {
        self.nodes.iter().map(|node| node.id)
    }

    /// Whether the node is in the table, that is, online.
    #[must_use]
    pub fn is_online(&self, node: NodeId) -> bool {
        self.slot(node).is_some()
    }

    /// How many guests use the node, as current or as target; the score in basic mode
    /// (`scheduling.md` §2.2).
    #[must_use]
    pub fn guests_on(&self, node: NodeId) -> u32 {
        self.slot(node).map_or(0, |slot| self.guests_at(slot))
    }

    /// What was entered for a service of the manager.
    #[must_use]
    pub fn managed(&self, service: ServiceId) -> Option<&Managed> {
        self.entry(service)?.guest.managed()
    }

    /// All services of the manager, by id.
    pub fn all_managed(&self) -> impl Iterator<Item = (ServiceId, &Managed)> {
        (0..).zip(&self.guests).filter_map(|(id, entry)| {
            let managed = entry.as_ref()?.guest.managed()?;
            Some((ServiceId(id), managed))
        })
    }

    /// Whether any service is in state `migrate` or `relocate`.
    #[must_use]
    pub fn is_any_moving(&self) -> bool {
        self.moving > 0
    }

    pub(crate) fn slot(&self, node: NodeId) -> Option<Slot> {
        self.slots.get(usize::from(node.0)).copied().flatten()
    }

    pub(crate) fn node_at(&self, slot: Slot) -> Option<NodeId> {
        self.nodes.get(slot.index()).map(|node| node.id)
    }

    pub(crate) fn guests_at(&self, slot: Slot) -> u32 {
        self.nodes.get(slot.index()).map_or(0, |node| node.guests)
    }

    /// All slots, that is, all nodes in name order.
    pub(crate) fn slots(&self) -> impl ExactSizeIterator<Item = Slot> + use<> {
        // There are no more slots than node ids, which are 16 bits wide.
        #[expect(clippy::cast_possible_truncation, reason = "bounded by the ids")]
        (0..self.nodes.len()).map(|index| Slot(index as u16))
    }

    fn entry(&self, service: ServiceId) -> Option<&Entry> {
        self.guests.get(usize::from(service.0))?.as_ref()
    }

    /// The nodes that a service of the manager uses; none for one that it doesn't know.
    pub(crate) fn used(&self, service: ServiceId) -> Used<Slot> {
        self.entry(service)
            .filter(|entry| entry.guest.managed().is_some())
            .map_or(Used::NONE, |entry| entry.used)
    }

    /// The nodes on which the guest is part of the figures.
    pub(crate) fn counted(&self, service: ServiceId) -> Option<Used<Slot>> {
        let entry = self.entry(service).filter(|entry| entry.counted)?;
        Some(entry.used)
    }

    pub(crate) fn demand(&self, service: ServiceId) -> Result<Demand, Refusal> {
        self.demands
            .get(usize::from(service.0))
            .copied()
            .unwrap_or(Err(Refusal::NoStats))
    }

    /// Per node in name order: its capacity and its load for choosing where to start
    /// (`scheduling.md` §2.6).
    pub(crate) fn expected_loads(&self) -> impl Iterator<Item = (Amount, Amount)> {
        self.nodes
            .iter()
            .map(|node| (node.capacity, node.measured.plus(node.expected)))
    }

    /// Per node in name order: its capacity and its load for balancing (`scheduling.md` §2.6).
    pub(crate) fn present_loads(&self) -> impl Iterator<Item = (Amount, Amount)> {
        self.nodes.iter().map(|node| match self.mode {
            Mode::Basic => (node.capacity, Amount::default()),
            Mode::Static => (node.capacity, node.expected),
            Mode::Dynamic => (node.capacity, node.measured),
        })
    }
}

impl Node {
    fn started(&self, demand: &Demand) -> Amount {
        started(demand, self.capacity)
    }
}

/// What a guest takes once it is started on a node: one without limit may take all the node's
/// cores (`scheduling.md` §2.6).
pub(crate) fn started(demand: &Demand, capacity: Amount) -> Amount {
    let taken = Amount::new(demand.cpu_max, demand.mem_max);
    if demand.cpu_max > 0 {
        return taken;
    }
    Amount {
        cpu: capacity.cpu,
        ..taken
    }
}

fn is_moving(guest: &Guest) -> bool {
    guest
        .managed()
        .is_some_and(|managed| managed.state.is_moving())
}
