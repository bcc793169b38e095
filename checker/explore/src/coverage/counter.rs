//! Counts what a search sees of the state machines, and of faults.

use std::sync::atomic::{AtomicU64, Ordering};

use lockstep_model::crm;
use lockstep_model::event::Event;
use lockstep_model::id::ServiceId;
use lockstep_model::manager::event::{Event as Decided, NodeEvent, ServiceEvent, StackEvent};
use lockstep_model::master;
use lockstep_model::placement::state::ServiceState;
use lockstep_model::record::DataKey;
use lockstep_world::crm::Said;
use lockstep_world::{Action, Fault, Setup, World};

use super::diagram::{FORGOTTEN, Machine, UNMANAGED, of_crm, of_lrm, of_node, of_service};
use super::pairs::{Phase, phases};

/// The counts of a search, or of several together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    cells: Vec<u64>,
}

/// Where workers of a search count.
#[derive(Debug)]
pub struct Counter {
    cells: Vec<AtomicU64>,
}

/// Every change of state of a machine has a cell, allowed or not, and so has each fault in each
/// phase.
const fn first_cell(machine: Machine) -> usize {
    match machine {
        Machine::Service => 0,
        Machine::Node => first_cell(Machine::Service) + square(Machine::Service),
        Machine::Crm => first_cell(Machine::Node) + square(Machine::Node),
        Machine::Lrm => first_cell(Machine::Crm) + square(Machine::Crm),
    }
}

const fn square(machine: Machine) -> usize {
    machine.states().len() * machine.states().len()
}

const FIRST_PAIR: usize = first_cell(Machine::Lrm) + square(Machine::Lrm);
const CELLS: usize = FIRST_PAIR + Fault::ALL.len() * Phase::ALL.len();

const fn edge_cell(machine: Machine, from: usize, to: usize) -> usize {
    first_cell(machine) + from * machine.states().len() + to
}

const fn pair_cell(fault: Fault, phase: Phase) -> usize {
    FIRST_PAIR + fault as usize * Phase::ALL.len() + phase as usize
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            cells: vec![0; CELLS],
        }
    }
}

impl Counts {
    /// In how many steps a machine went from one state to another.
    #[must_use]
    pub fn edge(&self, machine: Machine, from: usize, to: usize) -> u64 {
        self.cells[edge_cell(machine, from, to)]
    }

    /// How often a state was entered.
    #[must_use]
    pub fn entered(&self, machine: Machine, state: usize) -> u64 {
        let states = 0..machine.states().len();
        states.map(|from| self.edge(machine, from, state)).sum()
    }

    /// In how many steps a fault happened while a service was in a phase.
    #[must_use]
    pub fn pair(&self, fault: Fault, phase: Phase) -> u64 {
        self.cells[pair_cell(fault, phase)]
    }

    /// Sets the count of an edge.
    pub fn set_edge(&mut self, machine: Machine, from: usize, to: usize, count: u64) {
        self.cells[edge_cell(machine, from, to)] = count;
    }

    /// Sets the count of a fault in a phase.
    pub fn set_pair(&mut self, fault: Fault, phase: Phase, count: u64) {
        self.cells[pair_cell(fault, phase)] = count;
    }

    /// Adds another search's.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.cells.iter_mut().zip(&other.cells) {
            *sum += count;
        }
    }

    /// Every edge that was taken, with its count; also those that aren't allowed.
    pub fn edges(&self, machine: Machine) -> impl Iterator<Item = (usize, usize, u64)> {
        let states = machine.states().len();
        let all = (0..states).flat_map(move |from| (0..states).map(move |to| (from, to)));
        all.map(move |(from, to)| (from, to, self.edge(machine, from, to)))
            .filter(|(_, _, count)| *count > 0)
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            cells: (0..CELLS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Counter {
    /// What was counted until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let load = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Counts {
            cells: self.cells.iter().map(load).collect(),
        }
    }

    fn add(&self, cell: usize) {
        self.cells[cell].fetch_add(1, Ordering::Relaxed);
    }

    fn note_edge(&self, machine: Machine, from: usize, to: usize) {
        self.add(edge_cell(machine, from, to));
    }

    /// Notes a step: what machines decided in it, and whether it is a fault.
    pub(crate) fn note(&self, setup: &Setup, from: &World, action: &Action, said: &[Said]) {
        for (index, event) in said.iter().enumerate() {
            match event {
                Said::Crm(master::Event::Crm(event)) => {
                    self.note_crm(from, event, &said[index + 1..]);
                }
                Said::Machine(Event::LrmState { from, to }) => {
                    self.note_edge(Machine::Lrm, of_lrm(*from), of_lrm(*to));
                }
                Said::Machine(_)
                | Said::Crm(
                    master::Event::Lock(_)
                    | master::Event::CommitRefused
                    | master::Event::CommitUnanswered,
                ) => {}
            }
        }
        if let Some(fault) = action.fault() {
            let phases = phases(from, setup.service_ids());
            for phase in Phase::ALL {
                if phases & (1 << phase as u8) != 0 {
                    self.add(pair_cell(fault, phase));
                }
            }
        }
    }

    fn note_crm(&self, world: &World, event: &crm::Event, later: &[Said]) {
        match event {
            crm::Event::State(from, to) => {
                self.note_edge(Machine::Crm, of_crm(*from), of_crm(*to));
            }
            crm::Event::Manager(Decided::Node(_, event)) => self.note_node(*event),
            crm::Event::Manager(Decided::Service(id, event)) => {
                self.note_service(world, *id, event, later);
            }
            crm::Event::Manager(Decided::Stack(StackEvent::Freezing(_, from))) => {
                let to = of_service(ServiceState::Freeze);
                self.note_edge(Machine::Service, of_service(*from), to);
            }
            crm::Event::Manager(
                Decided::Command(..)
                | Decided::Stack(_)
                | Decided::Groups(_)
                | Decided::MasterOffline
                | Decided::UnknownDisarm(_)
                | Decided::Measured
                | Decided::Advice { .. },
            )
            | crm::Event::ShutdownRequested
            | crm::Event::StatusUnreadable(_)
            | crm::Event::RoundSkipped
            | crm::Event::GoingIdle(_)
            | crm::Event::Releasing
            | crm::Event::ReleaseFailed
            | crm::Event::Unexpected(_)
            | crm::Event::Halted(_) => {}
        }
    }

    fn note_node(&self, event: NodeEvent) {
        match event {
            NodeEvent::State(from, to) => {
                self.note_edge(Machine::Node, of_node(from), of_node(to));
            }
            NodeEvent::Deleted => {
                let gone = lockstep_model::manager::status::NodeState::Gone;
                self.note_edge(Machine::Node, of_node(gone), FORGOTTEN);
            }
            NodeEvent::ToFence
            | NodeEvent::FenceWithoutServices
            | NodeEvent::GotLock
            | NodeEvent::Fenced
            | NodeEvent::FencedMail
            | NodeEvent::MaintenanceWhileDisarmed
            | NodeEvent::AlreadyInMaintenance
            | NodeEvent::NoMaintenanceToEnd(_) => {}
        }
    }

    fn note_service(&self, world: &World, id: ServiceId, event: &ServiceEvent, later: &[Said]) {
        match event {
            ServiceEvent::State { from, to, .. } => {
                self.note_edge(Machine::Service, of_service(*from), of_service(*to));
            }
            ServiceEvent::Added(_) => {
                if let Some(to) = added_as(id, later) {
                    self.note_edge(Machine::Service, UNMANAGED, of_service(to));
                }
            }
            ServiceEvent::Removed { .. } => {
                let entry = world.data(DataKey::Entry(id));
                if let Some(entry) = entry.and_then(|data| data.as_entry()) {
                    self.note_edge(Machine::Service, of_service(entry.state), UNMANAGED);
                }
            }
            ServiceEvent::Fixup(..)
            | ServiceEvent::UnknownState(_)
            | ServiceEvent::StopFailed(_)
            | ServiceEvent::Request(_)
            | ServiceEvent::Start(_)
            | ServiceEvent::Place(_)
            | ServiceEvent::Recovery(_) => {}
        }
    }
}

/// The state in which a service began to be managed: that which it left later in the same round. One
/// that is to be started doesn't stay as it is, unless the stack is disarmed in that round; then
/// nothing says it.
fn added_as(id: ServiceId, later: &[Said]) -> Option<ServiceState> {
    let mut disarms = false;
    for said in later {
        let Said::Crm(master::Event::Crm(crm::Event::Manager(event))) = said else {
            continue;
        };
        match event {
            Decided::Service(other, ServiceEvent::State { from, .. }) if *other == id => {
                return Some(*from);
            }
            Decided::Stack(StackEvent::Freezing(other, from)) if *other == id => {
                return Some(*from);
            }
            Decided::Stack(_) => disarms = true,
            Decided::Node(..)
            | Decided::Service(..)
            | Decided::Command(..)
            | Decided::Groups(_)
            | Decided::MasterOffline
            | Decided::UnknownDisarm(_)
            | Decided::Measured
            | Decided::Advice { .. } => {}
        }
    }
    (!disarms).then_some(ServiceState::RequestStop)
}
