//! Disarming: every lock and watchdog is let go, services stay as they are (`protocol.md` 8.8).

use alloc::vec::Vec;

use super::Round;
use super::event::{Event, StackEvent};
use super::status::{DisarmMode, LrmMode, NodeState};
use crate::id::ServiceId;
use crate::mutation::{Mutant, Mutation};
use crate::placement::state::ServiceState;

/// What a disarmed stack does in a round.
pub(super) enum Outcome {
    /// Nothing more.
    Finished,
    /// Nothing, and nothing is written.
    Abandoned,
    /// These services, in the order of their ids, are in the middle of something, which comes first.
    Deferred(Vec<ServiceId>),
}

impl<M: Mutation> Round<'_, M> {
    pub(super) fn disarm(&mut self) -> Outcome {
        let mode = self.manager.status.disarm.as_ref().map(|it| &it.mode);
        if let Some(DisarmMode::Unknown(word)) = mode {
            let event = Event::UnknownDisarm(word.clone());
            self.say(event);
            return Outcome::Abandoned;
        }
        let deferred = self.deferred();
        if !deferred.is_empty() {
            return Outcome::Deferred(deferred);
        }
        for service in self.view.names.services() {
            self.suspend(service);
        }
        self.complete_disarm();
        Outcome::Finished
    }

    fn deferred(&mut self) -> Vec<ServiceId> {
        let mut deferred = Vec::new();
        for service in self.view.names.services() {
            let Some(state) = self.entry(service).map(|entry| entry.state) else {
                continue;
            };
            let waits =
                state.is_moving() || matches!(state, ServiceState::Fence | ServiceState::Recovery);
            if waits {
                self.say(Event::Stack(StackEvent::Deferred(service, state)));
                deferred.push(service);
            }
        }
        deferred.sort_unstable();
        deferred
    }

    /// Leaves a service alone: frozen, or just without a command.
    fn suspend(&mut self, service: ServiceId) {
        let mode = self
            .manager
            .status
            .disarm
            .as_ref()
            .map(|it| it.mode.clone());
        let drops_request = self.config.policy().compat.change_drops_request;
        let Some(entry) = self.entry_mut(service) else {
            return;
        };
        let state = entry.state;
        let freezes = match state {
            ServiceState::Started
            | ServiceState::Stopped
            | ServiceState::RequestStop
            | ServiceState::RequestStart
            | ServiceState::RequestStartBalance => true,
            ServiceState::Freeze
            | ServiceState::Error
            | ServiceState::Fence
            | ServiceState::Recovery
            | ServiceState::Migrate
            | ServiceState::Relocate => false,
        };
        let freezes = freezes && mode == Some(DisarmMode::Freeze);
        if !freezes && mode != Some(DisarmMode::Ignore) {
            return;
        }
        entry.target = None;
        entry.timeout = None;
        entry.failed_nodes.clear();
        entry.running = false;
        if drops_request {
            entry.queued = None;
        }
        if freezes {
            entry.state = ServiceState::Freeze;
            let uid = self.next_uid();
            if let Some(entry) = self.entry_mut(service) {
                entry.uid = uid;
            }
            self.say(Event::Stack(StackEvent::Freezing(service, state)));
        }
    }

    /// The stack is disarmed once every LRM that is there has let go; it stays so.
    fn complete_disarm(&mut self) {
        let waits = self.manager.status.nodes.iter().any(|(node, state)| {
            *state == NodeState::Online && self.manager.modes.get(node) != Some(&LrmMode::Disarm)
        });
        let Some(disarm) = &mut self.manager.status.disarm else {
            return;
        };
        let completes = !waits && !disarm.complete && !self.config.broken(Mutant::DisarmNeverEnds);
        disarm.complete |= completes;
        self.manager.disarmed = disarm.complete;
        if completes {
            self.say(Event::Stack(StackEvent::Complete));
        }
    }
}
