//! The passes of the state machine, and fencing between them (`protocol.md` 8.2, 8.7).

use alloc::vec::Vec;

use super::event::{Event, NodeEvent, Parameters};
use super::status::{LrmMode, NodeState};
use super::{Halt, LockView, Round};
use crate::id::{NodeId, ServiceId};
use crate::mutation::Mutation;
use crate::placement::state::ServiceState;

/// How often a service may change its state in a round. What is left then the next round does.
///
/// It takes fewer. What LRMs said and which nodes are online stands still for a round, an answer
/// and a request are used up by the change that they cause, and a node is fenced only after some
/// time without a sign of life: no configuration with a fence delay of zero is accepted. So a
/// service leaves `fence` once, for a node that has just given one, and none of `stopped`,
/// `request_start`, `started`, a move and `freeze` leads back to an earlier one; what is frozen may be
/// fenced, as what is started may. The longest way is that of `stopped` on a node in maintenance that
/// is off: to be started, fenced, moved, fenced again, recovered, and moved.
const CHANGES_MAX: usize = 16;

impl<M: Mutation> Round<'_, M> {
    /// Lets every service go on, and fences, until nothing changes any more. With `only`, the
    /// services named there alone, which are in the order of their ids.
    pub(super) fn run_passes(&mut self, only: Option<&[ServiceId]>) -> Result<(), Halt> {
        let (nodes, services) = self.view.names.counts();
        let passes_max = CHANGES_MAX * (1 + nodes + services);
        for _ in 0..passes_max {
            let mut again = false;
            for service in self.view.names.services() {
                let concerned = only.is_none_or(|only| only.binary_search(&service).is_ok());
                if concerned && self.entry(service).is_some() {
                    again |= self.pass(service)?;
                }
            }
            again |= self.fence_nodes(only);
            if !again {
                break;
            }
        }
        Ok(())
    }

    /// One service's turn. Says whether its state changed.
    fn pass(&mut self, service: ServiceId) -> Result<bool, Halt> {
        let before = self.entry(service).map(|entry| entry.state);
        self.handle(service)?;
        self.freeze_with_lrm(service);
        Ok(self.entry(service).map(|entry| entry.state) != before)
    }

    /// A service whose LRM is about to restart stays as it is until that is back.
    fn freeze_with_lrm(&mut self, service: ServiceId) {
        let Some(entry) = self.entry(service) else {
            return;
        };
        let node = entry.node;
        let restarting =
            node.is_some_and(|node| self.manager.modes.get(node) == Some(&LrmMode::Restart));
        let freezable = matches!(
            entry.state,
            ServiceState::Started | ServiceState::Stopped | ServiceState::RequestStop
        );
        // One that has died since doesn't come back from its restart.
        if restarting && freezable && !self.is_gone(node) {
            self.change(service, ServiceState::Freeze, Parameters::default());
        }
    }

    /// Attempts to fence each node with a service that waits for it, and each that waits without.
    fn fence_nodes(&mut self, only: Option<&[ServiceId]>) -> bool {
        let mut again = false;
        let mut attempted: Vec<(NodeId, bool)> = Vec::new();
        for service in self.view.names.services() {
            let concerned = only.is_none_or(|only| only.binary_search(&service).is_ok());
            let Some(entry) = self.entry(service).filter(|_| concerned) else {
                continue;
            };
            let (ServiceState::Fence, Some(node)) = (entry.state, entry.node) else {
                continue;
            };
            let known = attempted.iter().find(|(other, _)| *other == node);
            let fenced = match known {
                Some((_, fenced)) => *fenced,
                None => {
                    let fenced = self.fence(node);
                    attempted.push((node, fenced));
                    fenced
                }
            };
            if fenced {
                self.change(service, ServiceState::Recovery, Parameters::default());
                again = true;
            }
        }
        for node in self.view.names.nodes() {
            let waits = self.manager.status.nodes.get(node) == Some(&NodeState::Fence);
            if waits && !attempted.iter().any(|(other, _)| *other == node) {
                self.say(Event::Node(node, NodeEvent::FenceWithoutServices));
                again |= self.fence(node);
            }
        }
        again
    }

    /// Fences a node if its lock can be had: whoever holds that knows that it is dead.
    fn fence(&mut self, node: NodeId) -> bool {
        if self.node_state(node) != NodeState::Fence {
            self.set_node(node, NodeState::Fence);
            self.say(Event::Node(node, NodeEvent::ToFence));
        }
        if !self.obtain_lock(node) {
            return false;
        }
        self.say(Event::Node(node, NodeEvent::Fenced));
        self.set_node(node, NodeState::Unknown);
        self.say(Event::Node(node, NodeEvent::FencedMail));
        true
    }

    /// Whether what leaves a node can be written under its lock.
    pub(super) fn holds_lock(&self, node: NodeId) -> bool {
        self.config.policy().compat.fence_while_taking
            || self.view.locks.get(node) == Some(&LockView::Mine)
    }

    fn obtain_lock(&mut self, node: NodeId) -> bool {
        let taken = self.out.changes.locks.contains(&node);
        match self.view.locks.get(node) {
            Some(LockView::Mine) => {
                if !taken {
                    self.out.changes.locks.push(node);
                }
                true
            }
            Some(LockView::Free) | None if taken => true,
            // What rests on a lock is written under it: it has to be held first.
            Some(LockView::Free) | None if !self.config.policy().compat.fence_while_taking => {
                self.out.changes.contend.push(node);
                false
            }
            Some(LockView::Free) | None => {
                self.out.changes.locks.push(node);
                self.say(Event::Node(node, NodeEvent::GotLock));
                true
            }
            Some(LockView::Held) => {
                self.out.changes.contend.push(node);
                false
            }
        }
    }
}
