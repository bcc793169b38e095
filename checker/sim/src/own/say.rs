//! The texts of what the event-driven machines decide, with names.

use lockstep_model::event::{Event, Level};
use lockstep_model::id::{LockId, ServiceId};
use lockstep_model::name::Names;

use super::cluster::Cluster;
use crate::log::{Daemon, Source};

/// How a lock reads.
pub(super) fn lock_name(lock: LockId, names: &Names) -> String {
    match lock {
        LockId::Manager => String::from("ha_manager_lock"),
        LockId::Agent(node) => format!("ha_agent_{}_lock", names.node(node)),
    }
}

/// What an event says. Its own text has ids where people have names.
pub(super) fn text(event: &Event, names: &Names) -> String {
    let sid = |service: &ServiceId| names.service(*service);
    match event {
        Event::LockTaken { lock, epoch } => {
            format!("got lock '{}' (term {epoch})", lock_name(*lock, names))
        }
        Event::LockReleased { lock, running: 0 } => {
            format!("released lock '{}', nothing runs", lock_name(*lock, names))
        }
        Event::LockReleased { lock, running } => {
            let lock = lock_name(*lock, names);
            format!("released lock '{lock}', {running} services left running")
        }
        Event::LockLost { lock } => format!("lost lock '{}'", lock_name(*lock, names)),
        Event::FencingByAgent { node } => format!("start fencing node '{}'", names.node(*node)),
        Event::FencedByAgent { node } => {
            format!("node '{}' is off, a fence agent says", names.node(*node))
        }
        Event::AgentDidNotFence { node } => {
            format!("tried all fence devices for node '{}'", names.node(*node))
        }
        Event::Starting(service) => format!("starting service {}", sid(service)),
        Event::Stopping(service) => format!("stopping service {}", sid(service)),
        Event::Running(service) => format!("service status {} started", sid(service)),
        Event::Stopped(service) => format!("service status {} stopped", sid(service)),
        Event::Unclear(service) => {
            format!("the state of service {} is unclear", sid(service))
        }
        Event::Retries { service, number } => {
            let sid = sid(service);
            format!("restart policy: retry number {number} for service '{sid}'")
        }
        Event::GivesUpStart { service, retries } => {
            let sid = sid(service);
            format!("unable to start service {sid} on local node after {retries} retries")
        }
        Event::Sending { service, target } => {
            let target = names.node(*target);
            format!(
                "service {} - start migrate to node '{target}'",
                sid(service)
            )
        }
        Event::Moved { service, target } => {
            let target = names.node(*target);
            format!("service {} belongs to node '{target}'", sid(service))
        }
        Event::NotMoved(service) => {
            format!("service {} not moved (migration error)", sid(service))
        }
        Event::SecondBoot { node } => {
            let node = names.node(*node);
            format!("another boot of {node} still renews its lock")
        }
        Event::OtherMachine { node } => {
            format!("another machine held the lock of {}", names.node(*node))
        }
        Event::RequestUnanswered
        | Event::LrmState { .. }
        | Event::Killing
        | Event::Armed { .. }
        | Event::Disarmed
        | Event::ArmRefused
        | Event::DeadlinePassed
        | Event::ClientVanished
        | Event::TerminateIgnored
        | Event::MarkerFound
        | Event::DeviceRefused { .. } => event.to_string(),
    }
}

impl Cluster {
    /// A daemon says what it decided.
    pub(super) fn say_event(&mut self, host: usize, daemon: Daemon, event: &Event) {
        let text = text(event, &self.names);
        self.say(host, daemon, event.level(), &text);
    }

    /// A multiplexer says what it decided.
    pub(super) fn mux_says(&mut self, host: usize, event: &Event) {
        let text = text(event, &self.names);
        self.note_of_mux(host, event.level(), &text);
    }

    /// A line about a node's multiplexer.
    pub(super) fn note_of_mux(&mut self, host: usize, level: Level, text: &str) {
        let seconds = self.seconds();
        let name = self.names.node(self.hosts[host].id);
        self.log
            .line(level, seconds, Source::Multiplexer(name), &text);
    }
}
