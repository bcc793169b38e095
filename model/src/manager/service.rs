//! Services: what each state does in a round (`protocol.md` 8.6).

use alloc::vec::Vec;

use super::event::{Parameters, PlaceEvent, RecoveryEvent, RequestEvent, ServiceEvent, StartEvent};
use super::status::{ExitCode, LrmMode, NodeState, Queued, Requested, Task};
use super::{Halt, Round};
use crate::id::{NodeId, ServiceId};
use crate::mutation::{Mutant, Mutation};
use crate::placement::Preference;
use crate::placement::state::ServiceState;

/// What a change of state sets: the node alone.
const fn to_node(node: Option<NodeId>) -> Parameters {
    Parameters {
        node,
        target: None,
        timeout: None,
    }
}

/// What a change of state sets for a move.
const fn moving(node: Option<NodeId>, target: NodeId) -> Parameters {
    Parameters {
        node,
        target: Some(target),
        timeout: None,
    }
}

const NOTHING: Parameters = to_node(None);

/// Whether the handler of `started` is through with a service.
enum Step {
    Done,
    GoOn,
}

impl<M: Mutation> Round<'_, M> {
    pub(super) fn handle(&mut self, service: ServiceId) -> Result<(), Halt> {
        let Some(entry) = self.entry(service) else {
            return Ok(());
        };
        match entry.state {
            ServiceState::RequestStart => self.on_request_start(service),
            ServiceState::Stopped => self.on_stopped(service),
            ServiceState::Started => self.on_started(service),
            ServiceState::RequestStop => self.on_request_stop(service),
            ServiceState::Migrate | ServiceState::Relocate | ServiceState::RequestStartBalance => {
                self.on_moving(service);
            }
            ServiceState::Freeze => self.on_frozen(service),
            ServiceState::Error => self.on_error(service),
            ServiceState::Recovery => return self.on_recovery(service),
            ServiceState::Fence => {}
        }
        Ok(())
    }

    fn node_of(&self, service: ServiceId) -> Option<NodeId> {
        self.entry(service).and_then(|entry| entry.node)
    }

    fn state_of_node(&self, node: Option<NodeId>) -> Option<NodeState> {
        node.map(|node| self.node_state(node))
    }

    /// What follows a start or a move: running if that is wanted, else stopped.
    fn wanted_state(&self, service: ServiceId) -> ServiceState {
        match self.requested(service) {
            Requested::Started => ServiceState::Started,
            Requested::Stopped | Requested::Disabled | Requested::Ignored => {
                ServiceState::RequestStop
            }
        }
    }

    fn place(&mut self, service: ServiceId, event: PlaceEvent) {
        self.say_of(service, ServiceEvent::Place(event));
    }

    fn on_request_start(&mut self, service: ServiceId) {
        let node = self.node_of(service);
        if self.view.settings.rebalance_on_start {
            let chosen = self.select(service, Preference::BestScore).or(node);
            let moved = chosen != node;
            if let Some(chosen) = chosen {
                self.place(
                    service,
                    PlaceEvent::Balanced {
                        node: chosen,
                        moved,
                    },
                );
                if moved {
                    let set = moving(node, chosen);
                    self.change(service, ServiceState::RequestStartBalance, set);
                    return;
                }
            }
        }
        self.change(service, ServiceState::Started, to_node(node));
    }

    fn on_stopped(&mut self, service: ServiceId) {
        self.fix_location(service);
        let node = self.node_of(service);
        if let Some(queued) = self
            .entry_mut(service)
            .and_then(|entry| entry.queued.take())
            && self.begin_while_stopped(service, queued)
        {
            return;
        }
        let requested = self.requested(service);
        if requested == Requested::Disabled {
            return;
        }
        if self.is_to_be_fenced(node) && self.state_of_node(node) != Some(NodeState::Maintenance) {
            self.change(service, ServiceState::Fence, NOTHING);
            return;
        }
        match requested {
            Requested::Stopped | Requested::Disabled => {}
            Requested::Started => self.change(service, ServiceState::RequestStart, to_node(node)),
            Requested::Ignored => {
                self.say_of(service, ServiceEvent::UnknownState(requested));
            }
        }
    }

    /// A service is where its configuration is, whatever it was thought to be doing elsewhere: it was
    /// removed and added again unseen. Where it is nobody has reported on it.
    pub(super) fn follow_locations(&mut self) {
        if !self.config.policy().finds_moved {
            return;
        }
        for service in self.view.names.services() {
            let resource = self.view.resources.get(service);
            let Some(configured) = resource.and_then(|resource| resource.node) else {
                continue;
            };
            let Some(entry) = self.entry(service) else {
                continue;
            };
            let (node, state) = (entry.node, entry.state);
            let known = node == Some(configured) || entry.target == Some(configured);
            if known || matches!(state, ServiceState::Fence | ServiceState::Recovery) {
                continue;
            }
            self.say_of(service, ServiceEvent::Fixup(node, Some(configured)));
            if state.is_moving() {
                let wanted = self.wanted_state(service);
                self.change(service, wanted, NOTHING);
            }
            let uid = self.next_uid();
            if let Some(entry) = self.entry_mut(service) {
                entry.node = Some(configured);
                entry.uid = uid;
                entry.running = false;
                entry.unowned = true;
            }
        }
    }

    /// A stopped service is where its configuration is.
    fn fix_location(&mut self, service: ServiceId) {
        let node = self.node_of(service);
        let configured = self
            .view
            .resources
            .get(service)
            .and_then(|resource| resource.node);
        if node != configured {
            self.say_of(service, ServiceEvent::Fixup(node, configured));
            if let Some(entry) = self.entry_mut(service) {
                entry.node = configured;
            }
        }
    }

    fn begin_while_stopped(&mut self, service: ServiceId, queued: Queued) -> bool {
        match queued {
            Queued::Move { task, target } => {
                if self.refuses_move(service, task, target) {
                    return false;
                }
                let set = moving(self.node_of(service), target);
                self.change(service, task.state(), set);
                true
            }
            Queued::Stop { .. } => {
                let event = ServiceEvent::Request(RequestEvent::AlreadyStopped);
                self.say_of(service, event);
                false
            }
            Queued::Unknown(word) => {
                let event = ServiceEvent::Request(RequestEvent::Unknown(word));
                self.say_of(service, event);
                false
            }
        }
    }

    /// Says why a move that was asked for is not begun, if it isn't.
    fn refuses_move(&mut self, service: ServiceId, task: Task, target: NodeId) -> bool {
        let event = if !self.is_online(target) {
            RequestEvent::TargetOffline(task, target)
        } else if self.node_of(service) == Some(target) {
            RequestEvent::AlreadyThere(task, target)
        } else {
            return false;
        };
        self.say_of(service, ServiceEvent::Request(event));
        true
    }

    fn on_started(&mut self, service: ServiceId) {
        let result = self.result(service);
        if let Step::Done = self.leave_lost_node(service) {
            return;
        }
        match self.requested(service) {
            Requested::Started => {}
            Requested::Stopped | Requested::Disabled => {
                self.change(service, ServiceState::RequestStop, NOTHING);
                return;
            }
            requested @ Requested::Ignored => {
                self.say_of(service, ServiceEvent::UnknownState(requested));
                return;
            }
        }
        if let Some(queued) = self
            .entry_mut(service)
            .and_then(|entry| entry.queued.take())
        {
            self.begin_while_started(service, queued);
            return;
        }
        let preference = match result.map(|code| self.take_start_result(service, code)) {
            None => Preference::None,
            Some(Some(preference)) => preference,
            Some(None) => return,
        };
        self.settle(service, preference, result.is_some());
    }

    /// A node that isn't online can't keep its service. One in maintenance is left on purpose, and
    /// remembered.
    fn leave_lost_node(&mut self, service: ServiceId) -> Step {
        let node = self.node_of(service);
        let state = self.state_of_node(node);
        if state == Some(NodeState::Online) {
            return Step::GoOn;
        }
        let in_maintenance = state == Some(NodeState::Maintenance);
        if self.is_to_be_fenced(node) {
            self.change(service, ServiceState::Fence, NOTHING);
            if !self.config.policy().compat.fence_and_move {
                return Step::Done;
            }
        }
        if !in_maintenance {
            return Step::Done;
        }
        if let Some(entry) = self.entry_mut(service) {
            entry.maintenance_node = node;
        }
        Step::GoOn
    }

    fn begin_while_started(&mut self, service: ServiceId, queued: Queued) {
        match queued {
            Queued::Move { task, target } => {
                if self.refuses_move(service, task, target) {
                    return;
                }
                let event = ServiceEvent::Request(RequestEvent::Moving(task, target));
                self.say_of(service, event);
                let set = moving(self.node_of(service), target);
                self.change(service, task.state(), set);
            }
            Queued::Stop { timeout } => {
                let event = ServiceEvent::Request(RequestEvent::Stopping(timeout));
                self.say_of(service, event);
                let set = Parameters {
                    timeout: Some(timeout),
                    ..NOTHING
                };
                self.change(service, ServiceState::RequestStop, set);
                self.out.changes.stopped.push(service);
            }
            Queued::Unknown(word) => {
                let event = ServiceEvent::Request(RequestEvent::Unknown(word));
                self.say_of(service, event);
            }
        }
    }

    /// Takes in how a start ended, and says what to look for next; nothing if it can't go on.
    fn take_start_result(&mut self, service: ServiceId, code: ExitCode) -> Option<Preference> {
        match code {
            ExitCode::SUCCESS => {
                self.note_running(service);
                Some(Preference::None)
            }
            ExitCode::ERROR | ExitCode::WRONG_NODE => self.note_failed(service),
            _ => {
                let node = self.node_of(service);
                if let Some(entry) = self.entry_mut(service) {
                    entry.failed_nodes.extend(node);
                }
                let event = ServiceEvent::Start(StartEvent::Unrecoverable(code));
                self.say_of(service, event);
                self.change(service, ServiceState::Error, NOTHING);
                None
            }
        }
    }

    fn note_running(&mut self, service: ServiceId) {
        let Some(entry) = self.entry_mut(service) else {
            return;
        };
        entry.running = true;
        let failed = core::mem::take(&mut entry.failed_nodes);
        let node = entry.node;
        if let (false, Some(node)) = (failed.is_empty(), node) {
            let event = ServiceEvent::Start(StartEvent::Relocated(node, failed));
            self.say_of(service, event);
        }
    }

    fn note_failed(&mut self, service: ServiceId) -> Option<Preference> {
        let allowed = self
            .view
            .resources
            .get(service)
            .map_or(0, |resource| resource.max_relocate);
        let entry = self.entry_mut(service)?;
        let node = entry.node?;
        entry.running = false;
        entry.failed_nodes.push(node);
        if u32::try_from(entry.failed_nodes.len()).is_ok_and(|failed| failed <= allowed) {
            let event = ServiceEvent::Start(StartEvent::Failed(node));
            self.say_of(service, event);
            return Some(Preference::TryNext);
        }
        let failed = entry.failed_nodes.clone();
        let event = ServiceEvent::Start(StartEvent::PolicyFailed(failed));
        self.say_of(service, event);
        self.change(service, ServiceState::Error, NOTHING);
        None
    }

    /// Moves a started service to the node that it belongs on, or leaves it where it is.
    fn settle(&mut self, service: ServiceId, preference: Preference, answered: bool) {
        let node = self.node_of(service);
        match self.select(service, preference) {
            Some(target) if Some(target) != node && !self.manager.unmoved.contains(&service) => {
                self.move_to(service, target);
            }
            chosen => {
                if preference == Preference::TryNext && chosen.is_none() {
                    self.say_tried_all(service);
                }
                self.stay(service, answered);
            }
        }
    }

    fn say_tried_all(&mut self, service: ServiceId) {
        let tried = self
            .entry(service)
            .map_or_else(Vec::new, |entry| entry.failed_nodes.clone());
        let event = ServiceEvent::Start(StartEvent::TriedAll(tried));
        self.say_of(service, event);
    }

    fn move_to(&mut self, service: ServiceId, target: NodeId) {
        let node = self.node_of(service);
        self.drop_fallback(service, target);
        let task = self.task_of(service);
        self.place(service, PlaceEvent::Placed(task, target));
        self.change(service, task.state(), moving(node, target));
    }

    /// A service that moves once its node is back from maintenance needs not be brought back.
    fn drop_fallback(&mut self, service: ServiceId, target: NodeId) {
        let Some(entry) = self.entry_mut(service) else {
            return;
        };
        let Some(fallback) = entry.maintenance_node else {
            return;
        };
        let event = if fallback == target {
            PlaceEvent::MovingBack(fallback)
        } else if entry.node != Some(fallback) {
            PlaceEvent::FallbackDropped(fallback)
        } else {
            return;
        };
        entry.maintenance_node = None;
        self.place(service, event);
    }

    fn stay(&mut self, service: ServiceId, answered: bool) {
        let Some(entry) = self.entry(service) else {
            return;
        };
        if let Some(fallback) = entry.maintenance_node
            && entry.node == Some(fallback)
            && self.is_online(fallback)
        {
            self.place(service, PlaceEvent::FallbackStale(fallback));
            if let Some(entry) = self.entry_mut(service) {
                entry.maintenance_node = None;
            }
        }
        // A confirmed command is followed by another, so that a service that ended is noticed.
        let confirmed = self.entry(service).is_some_and(|entry| entry.running);
        if answered && (!confirmed || self.config.policy().repeats_start) {
            let uid = self.next_uid();
            if let Some(entry) = self.entry_mut(service) {
                entry.uid = uid;
            }
        }
    }

    fn on_request_stop(&mut self, service: ServiceId) {
        match self.result(service) {
            Some(ExitCode::SUCCESS) => self.change(service, ServiceState::Stopped, NOTHING),
            Some(code) => {
                self.say_of(service, ServiceEvent::StopFailed(code));
                self.change(service, ServiceState::Error, NOTHING);
            }
            None => {
                let node = self.node_of(service);
                if self.is_to_be_fenced(node) {
                    self.change(service, ServiceState::Fence, NOTHING);
                }
            }
        }
    }

    fn on_moving(&mut self, service: ServiceId) {
        let Some(entry) = self.entry(service) else {
            return;
        };
        let (node, target) = (entry.node, entry.target);
        let wanted = self.wanted_state(service);
        match self.result(service) {
            Some(ExitCode::SUCCESS) => {
                self.change(service, wanted, to_node(target));
                return;
            }
            Some(ExitCode::WRONG_NODE) => {
                self.place(service, PlaceEvent::WrongNode);
                self.change(service, ServiceState::Error, NOTHING);
            }
            Some(ExitCode::IGNORED) => {
                self.place(service, PlaceEvent::BalanceIgnored);
                self.change(service, wanted, to_node(node));
            }
            Some(code) => {
                self.place(service, PlaceEvent::MoveFailed(code));
                if !self.view.periodic {
                    self.manager.unmoved.insert(service);
                }
                self.change(service, wanted, to_node(node));
                return;
            }
            // Its LRM moved it and never said so.
            None if self.is_located(service, target) => {
                self.change(service, wanted, to_node(target));
                return;
            }
            None => {}
        }
        // The source decides: a target that died shows as a failed move.
        if self.is_to_be_fenced(node) {
            self.change(service, ServiceState::Fence, NOTHING);
        }
    }

    /// Whether a service's configuration is where it was to move.
    fn is_located(&self, service: ServiceId, target: Option<NodeId>) -> bool {
        let resource = self.view.resources.get(service);
        self.config.policy().finds_moved
            && target.is_some()
            && resource.and_then(|resource| resource.node) == target
    }

    fn on_frozen(&mut self, service: ServiceId) {
        let node = self.node_of(service);
        let serving =
            node.is_some_and(|node| self.manager.modes.get(node) == Some(&LrmMode::Active));
        // What an LRM says may be older than what its grant says.
        let left = self.view.left.binary_search(&service).is_ok()
            && !self.config.broken(Mutant::UnfrozenOnWord);
        if left {
            return;
        }
        if serving {
            let wanted = self.wanted_state(service);
            self.change(service, wanted, NOTHING);
        } else if self.is_gone(node) {
            let to = match self.requested(service) {
                Requested::Disabled => ServiceState::Stopped,
                Requested::Started | Requested::Stopped | Requested::Ignored => ServiceState::Fence,
            };
            self.change(service, to, NOTHING);
        }
    }

    /// Whether a node is to be fenced that didn't leave its services on purpose, or of which a person
    /// has said that it is dead.
    pub(super) fn is_gone(&mut self, node: Option<NodeId>) -> bool {
        node.is_some_and(|node| self.view.unreleased.binary_search(&node).is_ok())
            && !self.config.broken(Mutant::FrozenForEver)
            && self.is_to_be_fenced(node)
    }

    fn on_error(&mut self, service: ServiceId) {
        if self.requested(service) == Requested::Disabled {
            self.forgive(service);
        }
    }

    fn forgive(&mut self, service: ServiceId) {
        if let Some(entry) = self.entry_mut(service) {
            entry.failed_nodes.clear();
        }
        self.change(service, ServiceState::Stopped, NOTHING);
    }

    fn on_recovery(&mut self, service: ServiceId) -> Result<(), Halt> {
        let from = self.node_of(service);
        let disabled = self.requested(service) == Requested::Disabled;
        if disabled && !self.config.policy().compat.disabled_is_recovered {
            self.forgive(service);
            return Ok(());
        }
        if let Some(node) = from.filter(|node| !self.holds_lock(*node)) {
            // Whoever fenced it has lost its lock since: that is to be held again.
            if self.is_online(node) {
                let event = ServiceEvent::Recovery(RecoveryEvent::Back(node));
                self.say_of(service, event);
                let wanted = self.wanted_state(service);
                self.change(service, wanted, to_node(from));
            } else {
                self.out.changes.contend.push(node);
            }
            return Ok(());
        }
        if let Some(event) = self.may_still_run(service, from) {
            self.say_of(service, ServiceEvent::Recovery(event));
            if self.state_of_node(from) == Some(NodeState::Online) {
                let wanted = self.wanted_state(service);
                self.change(service, wanted, to_node(from));
            }
            return Ok(());
        }
        let Some(to) = self.select(service, Preference::BestScore) else {
            let event = ServiceEvent::Recovery(RecoveryEvent::NoNode(from));
            self.say_of(service, event);
            if disabled {
                self.forgive(service);
            }
            return Ok(());
        };
        let event = ServiceEvent::Recovery(RecoveryEvent::To { from, to });
        self.say_of(service, event);
        let to = self.steal(service, from, to)?;
        let wanted = self.wanted_state(service);
        self.change(service, wanted, to_node(Some(to)));
        Ok(())
    }

    /// Why a service whose node's lock is held may still run there, if it may: it stays until its
    /// node is back, or a person confirms that that is dead.
    fn may_still_run(&self, service: ServiceId, from: Option<NodeId>) -> Option<RecoveryEvent> {
        let confirmed = from.is_some_and(|node| self.view.confirmed.binary_search(&node).is_ok());
        let unowned = self.entry(service).is_some_and(|entry| entry.unowned)
            && !confirmed
            && !self.config.policy().compat.unowned_is_recovered;
        let back = self.state_of_node(from) == Some(NodeState::Online);
        if self.view.unguarded.binary_search(&service).is_ok() {
            Some(RecoveryEvent::LeftRunning { from, back })
        } else if unowned {
            Some(RecoveryEvent::Unowned { from, back })
        } else {
            None
        }
    }

    /// Moves a service's configuration away from its fenced node, and frees it of what that left.
    /// Where it is then.
    fn steal(
        &mut self,
        service: ServiceId,
        from: Option<NodeId>,
        to: NodeId,
    ) -> Result<NodeId, Halt> {
        let blocks = self.config.policy().compat.failed_recovery_blocks;
        // One without a configuration counts as disabled, which only the reference recovers.
        let Some(resource) = self.view.resources.get(service) else {
            return Err(Halt::Service(service, RecoveryEvent::NoConfig));
        };
        if let Some(lock) = &resource.guest_lock
            && lock.dies_with_its_node()
        {
            let event = ServiceEvent::Recovery(RecoveryEvent::LockRemoved(lock.0.clone()));
            self.say_of(service, event);
            self.out.changes.unlocked.push(service);
        }
        let configured = resource.node;
        if configured != from {
            if blocks {
                let status = from;
                let event = RecoveryEvent::NotThere {
                    status,
                    config: configured,
                };
                return Err(Halt::Service(service, event));
            }
            // A move was finished and its end never reported: there it belongs.
            return Ok(configured.unwrap_or(to));
        }
        if let Some(from) = from {
            self.out.changes.stolen.push((service, from, to));
        }
        Ok(to)
    }
}
