//! Commands: what people ask for, answered one by one (`protocol.md` 8.4).

use alloc::string::String;

use super::Round;
use super::command::{Command, Parsed};
use super::event::{CommandEvent, Event, NodeEvent, StackEvent};
use super::status::{Disarm, DisarmMode, NodeState, Queued, Task};
use crate::id::{NodeId, ServiceId};
use crate::mutation::Mutation;

impl<M: Mutation> Round<'_, M> {
    pub(super) fn take_commands(&mut self) {
        let commands: &[Command] = self.view.commands;
        for command in commands {
            self.take_command(command);
        }
        self.out.changes.commands_taken = !commands.is_empty();
    }

    fn answer(&mut self, text: &str, event: CommandEvent) {
        self.say(Event::Command(String::from(text), event));
    }

    fn take_command(&mut self, command: &Command) {
        let text = command.text.as_str();
        match &command.parsed {
            None => self.answer(text, CommandEvent::Unparsable),
            Some(Parsed::Move {
                task,
                service,
                target,
            }) => self.ask_move(text, *task, *service, *target),
            Some(Parsed::Stop { service, timeout }) => self.ask_stop(text, *service, *timeout),
            Some(Parsed::Maintenance { node, enable: true }) => self.ask_maintenance(text, *node),
            Some(Parsed::Maintenance {
                node,
                enable: false,
            }) => self.end_maintenance(*node),
            Some(Parsed::Disarm(mode)) => self.ask_disarm(text, mode.clone()),
            Some(Parsed::Arm) => self.ask_arm(text),
        }
    }

    fn ask_stop(&mut self, text: &str, service: Option<ServiceId>, timeout: u64) {
        let managed = service.filter(|service| self.entry(*service).is_some());
        let Some(service) = managed else {
            self.answer(text, CommandEvent::NoSuchService);
            return;
        };
        self.answer(text, CommandEvent::Got);
        if let Some(entry) = self.entry_mut(service) {
            entry.queued = Some(Queued::Stop { timeout });
        }
    }

    fn ask_move(
        &mut self,
        text: &str,
        task: Task,
        service: Option<ServiceId>,
        target: Option<NodeId>,
    ) {
        let managed = service.filter(|service| self.entry(*service).is_some());
        let Some(service) = managed else {
            self.answer(text, CommandEvent::NoSuchService);
            return;
        };
        let Some(target) = target.filter(|target| self.is_online(*target)) else {
            self.answer(text, CommandEvent::NodeNotOnline);
            return;
        };
        if self.entry(service).and_then(|entry| entry.node) == Some(target) {
            self.answer(text, CommandEvent::AlreadyThere);
            return;
        }
        self.queue_move(text, task, service, target);
    }

    /// Accepts a move, for the service and all that belong on its node, unless one that must not
    /// be on its node is in the way.
    pub(super) fn queue_move(
        &mut self,
        text: &str,
        task: Task,
        service: ServiceId,
        target: NodeId,
    ) {
        if let Some(by) = self.blocker(service, target) {
            let event = CommandEvent::Blocked {
                service,
                by,
                target,
            };
            self.answer(text, event);
            return;
        }
        self.answer(text, CommandEvent::Got);
        let queued = Queued::Move { task, target };
        if let Some(entry) = self.entry_mut(service) {
            entry.queued = Some(queued.clone());
        }
        for other in self.companions(service, target) {
            let event = CommandEvent::Together {
                task,
                service: other,
                target,
                leader: service,
            };
            self.answer(text, event);
            if let Some(entry) = self.entry_mut(other) {
                entry.queued = Some(queued.clone());
            }
        }
    }

    fn ask_maintenance(&mut self, text: &str, node: Option<NodeId>) {
        let Some(node) = node else {
            self.answer(text, CommandEvent::NodeNotOnline);
            return;
        };
        if self.manager.status.disarm.is_some() {
            self.say(Event::Node(node, NodeEvent::MaintenanceWhileDisarmed));
            return;
        }
        match self.node_state(node) {
            NodeState::Online => {
                self.manager.status.requests.insert(node, true);
            }
            NodeState::Maintenance => {
                self.say(Event::Node(node, NodeEvent::AlreadyInMaintenance));
            }
            NodeState::Unknown | NodeState::Fence | NodeState::Gone => {
                self.answer(text, CommandEvent::NodeNotOnline);
            }
        }
    }

    fn end_maintenance(&mut self, node: Option<NodeId>) {
        let Some(node) = node else {
            return;
        };
        let state = self.node_state(node);
        if state != NodeState::Maintenance {
            self.say(Event::Node(node, NodeEvent::NoMaintenanceToEnd(state)));
        }
        if let Some(request) = self.manager.status.requests.get_mut(node) {
            *request = false;
        }
    }

    fn ask_disarm(&mut self, text: &str, mode: DisarmMode) {
        if let Some(disarm) = self.manager.status.disarm.clone() {
            self.answer(text, CommandEvent::AlreadyDisarmed(disarm));
            return;
        }
        self.answer(text, CommandEvent::Got);
        if mode == DisarmMode::Ignore {
            for service in self.view.names.services() {
                if self.entry(service).is_some() {
                    self.say(Event::Stack(StackEvent::Suspending(service)));
                }
            }
        }
        self.manager.status.disarm = Some(Disarm {
            mode,
            complete: false,
        });
    }

    fn ask_arm(&mut self, text: &str) {
        let Some(disarm) = self.manager.status.disarm.take() else {
            self.answer(text, CommandEvent::NotDisarmed);
            return;
        };
        self.answer(text, CommandEvent::Got);
        if disarm.mode == DisarmMode::Ignore {
            self.follow_moves();
            self.disown();
        }
    }

    /// Whatever ran while nobody looked has to be found out anew: what LRMs said before counts for
    /// nothing.
    fn disown(&mut self) {
        if self.config.policy().compat.unowned_is_recovered {
            return;
        }
        for service in self.view.names.services() {
            if self.entry(service).is_none() {
                continue;
            }
            let uid = self.next_uid();
            if let Some(entry) = self.entry_mut(service) {
                entry.uid = uid;
                entry.unowned = true;
            }
        }
    }

    /// Services were moved by hand while nobody looked: they belong where they are now.
    fn follow_moves(&mut self) {
        for service in self.view.names.services() {
            let Some(resource) = self.view.resources.get(service) else {
                continue;
            };
            let configured = resource.node;
            let Some(entry) = self.entry_mut(service) else {
                continue;
            };
            let old = entry.node;
            if old == configured {
                continue;
            }
            entry.node = configured;
            self.say(Event::Stack(StackEvent::Moved(service, old, configured)));
        }
    }
}
