//! A round, followed from outside: what its events say, and whether each node was well chosen.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::manager::event::{
    Event, NodeEvent, PlaceEvent, RecoveryEvent, ServiceEvent, StackEvent,
};
use lockstep_model::manager::status::{NodeState, Requested, Status};
use lockstep_model::placement::state::{Managed, ServiceState};
use lockstep_model::rules::{Compiled, translate};

use crate::world::World;

/// The services as the events tell of them, and the rules in force.
pub(crate) struct Shadow<'a> {
    world: &'a World,
    services: BTreeMap<ServiceId, Managed>,
    online: BTreeSet<NodeId>,
    compiled: Compiled,
    /// Whether services were found elsewhere in the middle of the round: loads and places were
    /// looked at before.
    is_arming: bool,
    pub(crate) met: Met,
}

/// What a check came across: it says nothing about what it never met.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Met {
    /// Nodes that were chosen.
    pub(crate) choices: usize,
    /// Those where node affinity excluded one that is online.
    pub(crate) bound: usize,
    /// Those where a partner to be away from was on one that is online.
    pub(crate) apart: usize,
    /// Times that no node was left.
    pub(crate) refused: usize,
}

impl std::ops::AddAssign for Met {
    fn add_assign(&mut self, other: Self) {
        self.choices += other.choices;
        self.bound += other.bound;
        self.apart += other.apart;
        self.refused += other.refused;
    }
}

impl<'a> Shadow<'a> {
    /// Before a round with these events. The rules are compiled in it.
    pub(crate) fn new(world: &'a World, status: &Status, events: &[Event]) -> Self {
        let services = status.services.iter().map(|(service, entry)| {
            let managed = Managed {
                state: entry.state,
                node: entry.node,
                target: entry.target,
                running: entry.running,
            };
            (service, managed)
        });
        let nodes = nodes_of_round(status, events);
        let names = nodes.keys().map(|node| world.names.node(*node)).collect();
        let translated = translate(world.rules.clone(), &names);
        let is_online =
            |(node, state): (&NodeId, &NodeState)| (*state == NodeState::Online).then_some(*node);
        Self {
            world,
            services: services.collect(),
            online: nodes.iter().filter_map(is_online).collect(),
            compiled: translated.map(|it| it.compiled).unwrap_or_default(),
            is_arming: events
                .iter()
                .any(|event| matches!(event, Event::Stack(StackEvent::Moved(..)))),
            met: Met::default(),
        }
    }

    pub(crate) fn follow(&mut self, event: &Event) {
        match event {
            Event::Service(service, event) => self.on_service(*service, event),
            Event::Stack(StackEvent::Moved(service, _, to)) => self.managed(*service).node = *to,
            Event::Stack(StackEvent::Freezing(service, from)) => {
                let managed = self.managed(*service);
                assert_eq!(managed.state, *from, "the state that is left is the state");
                managed.state = ServiceState::Freeze;
            }
            Event::Stack(
                StackEvent::Suspending(_) | StackEvent::Deferred(..) | StackEvent::Complete,
            )
            | Event::Node(..)
            | Event::Command(..)
            | Event::Groups(_)
            | Event::MasterOffline
            | Event::UnknownDisarm(_)
            | Event::Measured
            | Event::Advice { .. } => {}
        }
    }

    fn managed(&mut self, service: ServiceId) -> &mut Managed {
        let managed = self.services.get_mut(&service);
        managed.expect("only managed services are spoken of")
    }

    fn on_service(&mut self, service: ServiceId, event: &ServiceEvent) {
        match event {
            ServiceEvent::Added(node) => {
                let resource = self.world.resources.get(service);
                let started = resource.is_some_and(|it| it.requested == Requested::Started);
                let state = match started {
                    true => ServiceState::RequestStart,
                    false => ServiceState::RequestStop,
                };
                let added = Managed {
                    state,
                    node: *node,
                    target: None,
                    running: false,
                };
                let before = self.services.insert(service, added);
                assert_eq!(before, None, "a service is added once");
            }
            ServiceEvent::Removed { .. } => {
                let before = self.services.remove(&service);
                assert!(before.is_some(), "only what is managed is removed");
            }
            ServiceEvent::Fixup(from, to) => {
                let managed = self.managed(service);
                assert_eq!(managed.node, *from, "the place that is left is the place");
                managed.node = *to;
            }
            ServiceEvent::State { from, to, set } => {
                let managed = self.managed(service);
                assert_eq!(managed.state, *from, "the state that is left is the state");
                managed.state = *to;
                managed.node = set.node.or(managed.node);
                managed.target = set.target;
            }
            ServiceEvent::Place(
                PlaceEvent::Placed(_, node) | PlaceEvent::Balanced { node, moved: true },
            )
            | ServiceEvent::Recovery(RecoveryEvent::To { to: node, .. }) => {
                self.check_choice(service, *node);
            }
            ServiceEvent::Recovery(RecoveryEvent::NoNode(_)) => {
                if !self.is_arming {
                    self.met.refused += 1;
                    assert_eq!(self.candidates(service), BTreeSet::new(), "no node is left");
                }
            }
            ServiceEvent::Recovery(
                RecoveryEvent::LockRemoved(_)
                | RecoveryEvent::LeftRunning { .. }
                | RecoveryEvent::Unowned { .. }
                | RecoveryEvent::Back(_)
                | RecoveryEvent::NotThere { .. }
                | RecoveryEvent::NoConfig,
            )
            | ServiceEvent::Place(_)
            | ServiceEvent::UnknownState(_)
            | ServiceEvent::StopFailed(_)
            | ServiceEvent::Request(_)
            | ServiceEvent::Start(_) => {}
        }
    }

    fn check_choice(&mut self, service: ServiceId, node: NodeId) {
        self.met.choices += 1;
        assert!(self.online.contains(&node), "the chosen node is online");
        let preferred = self.preferred(service);
        assert!(
            preferred.contains(&node),
            "node affinity: {node} for {service}, of {preferred:?}"
        );
        self.met.bound += usize::from(preferred.len() < self.online.len());
        if self.is_arming {
            return;
        }
        let separate = self.separate(service);
        self.met.apart += usize::from(!separate.is_empty());
        assert!(
            !separate.contains(&node),
            "negative affinity: {node} for {service}, not on {separate:?}"
        );
    }

    /// The nodes of the highest priority that node affinity leaves.
    fn preferred(&self, service: ServiceId) -> BTreeSet<NodeId> {
        let names = &self.world.names;
        let Some(priorities) = self.compiled.node_affinity.get(names.service(service)) else {
            return self.online.clone();
        };
        let priority = |node: &NodeId| priorities.get(names.node(*node));
        let best = self.online.iter().filter_map(priority).max();
        let nodes = self.online.iter().copied();
        nodes
            .filter(|node| best.is_some() && priority(node) == best)
            .collect()
    }

    /// The nodes that services use which must not be where this one is.
    fn separate(&self, service: ServiceId) -> BTreeSet<NodeId> {
        let names = &self.world.names;
        let partners = self.compiled.negative.get(names.service(service));
        let partners = partners.into_iter().flatten();
        let used = partners.filter_map(|sid| {
            let partner = self.services.get(&names.find_service(sid)?)?;
            let used = partner.used(|node| self.online.contains(&node).then_some(node));
            Some(used.distinct())
        });
        used.flatten().collect()
    }

    fn candidates(&self, service: ServiceId) -> BTreeSet<NodeId> {
        let separate = self.separate(service);
        let preferred = self.preferred(service).into_iter();
        preferred.filter(|node| !separate.contains(node)).collect()
    }

    /// The events told of everything.
    pub(crate) fn check_end(&self, status: &Status) {
        let told = self.services.iter();
        let told = told.map(|(service, managed)| (*service, managed.state, managed.node));
        let is = status.services.iter();
        let is = is.map(|(service, entry)| (service, entry.state, entry.node));
        assert!(told.eq(is), "events tell of every change: {status:?}");
    }
}

/// The nodes as the round's placement saw them: as they were updated at its beginning, and before
/// any was fenced.
fn nodes_of_round(status: &Status, events: &[Event]) -> BTreeMap<NodeId, NodeState> {
    let known = status.nodes.iter();
    let mut nodes: BTreeMap<_, _> = known.map(|(node, state)| (node, *state)).collect();
    for event in events {
        match event {
            Event::Node(
                _,
                NodeEvent::State(NodeState::Fence, _) | NodeEvent::State(_, NodeState::Fence),
            ) => {}
            Event::Node(node, NodeEvent::State(_, to)) => {
                nodes.insert(*node, *to);
            }
            Event::Node(node, NodeEvent::Deleted) => {
                nodes.remove(node);
            }
            Event::Node(
                _,
                NodeEvent::ToFence
                | NodeEvent::FenceWithoutServices
                | NodeEvent::GotLock
                | NodeEvent::Fenced
                | NodeEvent::FencedMail
                | NodeEvent::MaintenanceWhileDisarmed
                | NodeEvent::AlreadyInMaintenance
                | NodeEvent::NoMaintenanceToEnd(_),
            )
            | Event::Service(..)
            | Event::Command(..)
            | Event::Stack(_)
            | Event::Groups(_)
            | Event::MasterOffline
            | Event::UnknownDisarm(_)
            | Event::Measured
            | Event::Advice { .. } => {}
        }
    }
    nodes
}
