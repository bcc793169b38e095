//! The simulated cluster: hosts, store, and what everybody knows.

use std::collections::VecDeque;
use std::fmt;

use lockstep_model::config::Config;
use lockstep_model::event::Level;
use lockstep_model::id::{Holder, Incarnation, LockId, NodeId, Revision};
use lockstep_model::manager::status::Status;
use lockstep_model::mutation::Mask;
use lockstep_model::name::Names;
use lockstep_model::record::{DataKey, Key, Outcome, Put, Write};
use lockstep_model::time::Instant;

use super::faults::Trap;
use super::host::{Host, State};
use super::store::{Store, Writer};
use super::watch::Watch;
use crate::case::Datacenter;
use crate::case::faults::FaultCase;
use crate::end::End;
use crate::guests::Guests;
use crate::log::{Daemon, Log, Source};

/// Everything but the commands still to come.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) log: Log,
    pub(crate) now: Instant,
    pub(crate) config: Config<Mask>,
    pub(crate) names: Names,
    /// In the order of their names.
    pub(crate) hosts: Vec<Host>,
    /// Their ids.
    pub(crate) ids: Vec<NodeId>,
    /// Loads, and how failing guests fail. What is configured stands in the store.
    pub(crate) guests: Guests,
    pub(crate) datacenter: Datacenter,
    pub(crate) store: Store,
    /// Until when CRMs and LRMs are paused.
    pub(crate) crms_paused: Instant,
    pub(crate) lrms_paused: Instant,
    pub(crate) next_incarnation: u64,
    pub(crate) next_boot: u128,
    /// How many inputs were taken in so far.
    pub(crate) deliveries: u64,
    pub(crate) watch: Watch,
    /// What is still to go wrong.
    pub(crate) faults: VecDeque<FaultCase>,
    /// Whether devices reset their hosts after everything else of a moment.
    pub(crate) hardware_last: bool,
    /// What waits for an effect.
    pub(crate) traps: Vec<Trap>,
}

impl Cluster {
    pub(super) fn seconds(&self) -> u64 {
        self.now.0 / 1000
    }

    /// Where the cluster is now.
    pub(super) fn end(&self) -> End {
        let none = Status::default();
        let services = self.names.services();
        let entries = services.filter_map(|id| Some((id, self.store.entry(id)?)));
        let running = self.hosts.iter().filter(|host| host.power).map(|host| {
            let running = host.instances.iter();
            let running = running.filter(|(_, instance)| instance.state == State::Running);
            (host.id, running.map(|(id, _)| *id).collect())
        });
        let status = self.store.status().unwrap_or(&none);
        End::new(&self.names, status, entries, running)
    }

    pub(super) fn host_index(&self, id: NodeId) -> Option<usize> {
        self.hosts.iter().position(|host| host.id == id)
    }

    pub(super) fn incarnation(&mut self) -> Incarnation {
        self.next_incarnation += 1;
        Incarnation(self.next_incarnation)
    }

    pub(super) fn is_quorate(&self) -> bool {
        let connected = self.hosts.iter().filter(|host| host.is_connected()).count();
        connected > self.hosts.len() / 2
    }

    /// Whether a host's writes get to the store.
    pub(super) fn can_write(&self, host: usize) -> bool {
        let value = &self.hosts[host];
        value.is_connected() && !value.store_fails && self.is_quorate()
    }

    /// Whether a host's reads get to the store, and its watches show what is new.
    pub(super) fn can_read(&self, host: usize) -> bool {
        self.can_write(host) && !self.hosts[host].update_fails
    }

    /// Who can see the store now, and couldn't, is shown everything anew.
    pub(super) fn reconnect(&mut self) {
        for host in 0..self.hosts.len() {
            let sees = self.can_read(host);
            let value = &mut self.hosts[host];
            let before = std::mem::replace(&mut value.sees, sees);
            if !sees || before {
                continue;
            }
            if let Some(lrm) = &mut value.lrm {
                lrm.notified = true;
            }
            if let Some(crm) = &mut value.crm {
                crm.notified = true;
            }
        }
    }

    /// A process's write, if it gets to the store.
    pub(super) fn write(&mut self, host: usize, sender: Holder, write: Write) -> Option<Outcome> {
        if !self.can_write(host) {
            return None;
        }
        if !self.store.would_apply(&write) {
            return Some(Outcome::Refused);
        }
        let revision = self.apply(&Writer::Process(sender), write.puts);
        Some(Outcome::Applied(revision))
    }

    /// A person's write, which nothing stands against.
    pub(super) fn write_by_hand(&mut self, puts: Vec<Put>) {
        self.apply(&Writer::Person, puts);
    }

    fn apply(&mut self, writer: &Writer, puts: Vec<Put>) -> Revision {
        self.judge_write(writer, &puts);
        self.watch.dirty = true;
        self.notify(writer, &puts);
        self.store.put(self.now, puts)
    }

    /// Watches show news to whom they concern, but nobody his own writes: their answers tell more.
    fn notify(&mut self, writer: &Writer, puts: &[Put]) {
        let concerns_lrm = |node: NodeId| {
            puts.iter().any(|put| match put.key {
                Key::Grant(LockId::Agent(_)) | Key::Service(_) | Key::Data(DataKey::Status) => true,
                Key::Beat(LockId::Agent(other)) | Key::Data(DataKey::Lrm(other)) => other == node,
                Key::Grant(LockId::Manager)
                | Key::Beat(LockId::Manager)
                | Key::Data(
                    DataKey::Entry(_)
                    | DataKey::Resource(_)
                    | DataKey::Commands
                    | DataKey::Rules
                    | DataKey::Groups
                    | DataKey::Fence(_),
                ) => false,
            })
        };
        for host in &mut self.hosts {
            let wrote = |me: &Holder| *writer == Writer::Process(*me);
            let node = host.id;
            if let Some(lrm) = &mut host.lrm
                && !wrote(&lrm.me)
                && !wrote(&lrm.publisher)
                && concerns_lrm(node)
            {
                lrm.notified = true;
            }
            if let Some(crm) = &mut host.crm
                && !wrote(&crm.me)
            {
                crm.notified = true;
            }
        }
    }

    /// A line of the simulator.
    pub(super) fn note(&mut self, source: &'static str, level: Level, message: &dyn fmt::Display) {
        let seconds = self.seconds();
        self.log
            .line(level, seconds, Source::Simulator(source), message);
    }

    /// A line of a daemon.
    pub(super) fn say(
        &mut self,
        host: usize,
        daemon: Daemon,
        level: Level,
        message: &dyn fmt::Display,
    ) {
        let seconds = self.seconds();
        let name = self.names.node(self.hosts[host].id);
        self.log
            .line(level, seconds, Source::Daemon(name, daemon), message);
    }
}
