//! Nodes: who is there, and since when not (`protocol.md` 8.3).

use super::Round;
use super::event::{Event, NodeEvent};
use super::status::{LrmMode, NodeState};
use crate::id::NodeId;
use crate::mutation::{Mutant, Mutation};
use crate::time::Span;

impl<M: Mutation> Round<'_, M> {
    pub(super) fn node_state(&self, node: NodeId) -> NodeState {
        self.manager
            .status
            .nodes
            .get(node)
            .copied()
            .unwrap_or(NodeState::Unknown)
    }

    pub(super) fn is_online(&self, node: NodeId) -> bool {
        self.node_state(node) == NodeState::Online
    }

    /// Whether a node appeared among the members, or vanished, compared to those that are known.
    pub(super) fn nodes_changed(&self) -> bool {
        let (members, known) = (self.view.members, &self.manager.status.nodes);
        members.iter().any(|(node, _)| !known.contains(node))
            || known.iter().any(|(node, _)| !members.contains(node))
    }

    /// Takes in the modes of the nodes that are known; one first seen in this round has none yet.
    pub(super) fn read_modes(&mut self) {
        let manager = &mut *self.manager;
        manager.modes.clear();
        for (node, _) in manager.status.nodes.iter() {
            let published = self.view.lrms.get(node).and_then(|lrm| lrm.mode);
            manager
                .modes
                .insert(node, published.unwrap_or(LrmMode::Active));
        }
        manager.answers.begin(&manager.modes, self.view.lrms);
    }

    pub(super) fn set_node(&mut self, node: NodeId, to: NodeState) {
        let from = self.node_state(node);
        self.manager.status.nodes.insert(node, to);
        self.say(Event::Node(node, NodeEvent::State(from, to)));
    }

    pub(super) fn update_nodes(&mut self) {
        for node in self.view.names.nodes() {
            if self.view.members.get(node) == Some(&true) {
                self.on_online(node);
            }
        }
        for node in self.view.names.nodes() {
            if self.manager.status.nodes.contains(node)
                && self.view.members.get(node) != Some(&true)
            {
                self.on_offline(node);
            }
        }
    }

    fn on_online(&mut self, node: NodeId) {
        let seen = self.view.seen.and_then(|seen| seen.get(node)).copied();
        let seen = seen.unwrap_or(self.now);
        self.manager.last_online.insert(node, seen);
        let maintenance = self.manager.modes.get(node) == Some(&LrmMode::Maintenance)
            && !self.config.broken(Mutant::MaintenanceUnheeded);
        match self.node_state(node) {
            NodeState::Online if maintenance => self.set_node(node, NodeState::Maintenance),
            NodeState::Maintenance if !maintenance => self.set_node(node, NodeState::Online),
            NodeState::Unknown | NodeState::Gone => self.set_node(node, NodeState::Online),
            NodeState::Online | NodeState::Maintenance | NodeState::Fence => {}
        }
    }

    fn on_offline(&mut self, node: NodeId) {
        let maintenance = self.manager.modes.get(node) == Some(&LrmMode::Maintenance);
        match self.node_state(node) {
            NodeState::Online => self.set_node(node, NodeState::Unknown),
            // A node that shut down for maintenance stays in it while it is off.
            NodeState::Maintenance if !maintenance => self.set_node(node, NodeState::Unknown),
            NodeState::Unknown if !self.view.members.contains(node) => {
                self.set_node(node, NodeState::Gone);
            }
            NodeState::Gone => {
                let delay = self.config.policy().forget_node;
                if self.is_offline_for(node, delay) {
                    self.manager.status.nodes.remove(node);
                    self.say(Event::Node(node, NodeEvent::Deleted));
                }
            }
            NodeState::Maintenance | NodeState::Unknown | NodeState::Fence => {}
        }
    }

    /// Whether a node has been offline for `delay`. One that this manager never saw counts as seen
    /// just now.
    fn is_offline_for(&mut self, node: NodeId, delay: Span) -> bool {
        if self.is_online(node) {
            return false;
        }
        let Some(seen) = self.manager.last_online.get(node) else {
            self.manager.last_online.insert(node, self.now);
            return false;
        };
        *seen + delay <= self.now
    }

    /// Whether a node has been offline for so long that it is to be fenced.
    pub(super) fn is_to_be_fenced(&mut self, node: Option<NodeId>) -> bool {
        let delay = self.config.timing().fence_delay;
        node.is_some_and(|node| self.is_offline_for(node, delay))
    }
}
