//! Writes to the store, judged before they are applied.

use lockstep_model::id::{Holder, LockId, NodeId, ServiceId};
use lockstep_model::record::{Data, DataKey, Grant, Key, Put, Record, Service};

use super::super::cluster::Cluster;
use super::super::host::Owner;
use super::super::store::Writer;
use super::instances::is_listed;
use crate::watch::Property;

impl Cluster {
    /// A write is about to be applied. People may write what they like.
    pub(in super::super) fn judge_write(&mut self, writer: &Writer, puts: &[Put]) {
        let Writer::Process(sender) = writer else {
            return;
        };
        for put in puts {
            match (&put.key, &put.record) {
                (Key::Grant(lock), Record::Grant(new)) => self.judge_grant(sender, *lock, new),
                (Key::Beat(lock), Record::Beat(_)) => {
                    let grant = Key::Grant(*lock);
                    let taken_along = puts.iter().any(|other| other.key == grant);
                    if !taken_along && !self.store.holds(sender, *lock) {
                        self.report_writer(sender, "a beat");
                    }
                }
                (Key::Service(service), Record::Service(new)) => {
                    self.judge_service(sender, *service, new, puts);
                }
                (Key::Data(key), Record::Data(new)) => self.judge_data(sender, *key, new),
                (Key::Grant(_) | Key::Beat(_) | Key::Service(_) | Key::Data(_), _) => {
                    self.report_writer(sender, "a record under a key that isn't its own");
                }
            }
        }
    }

    fn report_writer(&mut self, sender: &Holder, what: &str) {
        let name = self.names.node(sender.node);
        let text = format!("a process of '{name}' wrote {what} without the lock for it");
        self.report(Property::SingleWriter, text);
    }

    fn judge_grant(&mut self, sender: &Holder, lock: LockId, new: &Grant) {
        let old = self.store.grant(lock).cloned();
        let taking = old.as_ref().is_none_or(|old| new.epoch > old.epoch);
        if !taking && !self.store.holds(sender, lock) {
            self.report_writer(sender, "a grant");
        }
        let LockId::Agent(node) = lock else {
            return;
        };
        if taking {
            self.judge_taken(node, new);
        }
        let Some(list) = old.as_ref().and_then(|old| old.state.unguarded()) else {
            return;
        };
        // The machine that they were left on can speak for them, in any of its boots.
        let mut services = list.services.iter();
        let dropped = services.find(|service| !new.state.lists(**service));
        if let Some(service) = dropped
            && sender.machine != list.machine
        {
            let (sid, name) = (self.sid(*service), self.names.node(node));
            let text = format!("service '{sid}', left running on '{name}', was dropped");
            self.report(Property::UnguardedNeverRecovered, text);
        }
    }

    /// A node's lock gets another holder: nothing that isn't listed runs there, or trails.
    fn judge_taken(&mut self, node: NodeId, new: &Grant) {
        let Some(index) = self.host_index(node) else {
            return;
        };
        let (host, now) = (&self.hosts[index], self.now);
        let own = new.holder.boot == host.boot && new.holder.machine == host.machine();
        let present = host.instances.iter();
        let present = present
            .filter(|(_, instance)| !own && instance.owner == Owner::Stack && instance.does_io())
            .filter(|(service, _)| !is_listed(new, host, **service))
            .map(|(service, _)| *service);
        let trailing = host.trailing.keys().copied();
        let trailing = trailing.filter(|service| host.trails(*service, now));
        let found = present.chain(trailing).next();
        if let Some(service) = found {
            let (sid, name) = (self.sid(service), self.name_of(index));
            let text = format!("the lock of '{name}' was taken while service '{sid}' runs there");
            self.report(Property::TakenIsDead, text);
        }
    }

    fn judge_service(&mut self, sender: &Holder, id: ServiceId, new: &Service, puts: &[Put]) {
        let manages = self.store.holds(sender, LockId::Manager);
        let Some(old) = self.store.service(id).cloned() else {
            if !manages {
                self.report_writer(sender, "a service's place");
            }
            return;
        };
        let lock = LockId::Agent(old.location);
        let moved = old.location != new.location;
        let sid = self.sid(id).to_owned();
        if moved && !self.store.holds(sender, lock) {
            let name = self.names.node(old.location);
            let text = format!("service '{sid}' was taken from '{name}' without its lock");
            self.report(Property::LocChangesUnderLock, text);
        }
        let grant = self.store.grant(lock);
        if moved && grant.is_some_and(|grant| grant.state.lists(id)) {
            let text = format!("service '{sid}' was moved though it was left running");
            self.report(Property::UnguardedNeverRecovered, text);
        }
        let by_lrm = sender.node == old.location && self.store.holds(sender, lock);
        if !manages && !by_lrm {
            self.report_writer(sender, "a service's order");
        }
        if manages {
            self.judge_recovered(sender, id, moved, &old);
            let target = new.target().filter(|_| new.target() != old.target());
            let decided = target.or(Some(new.location).filter(|_| moved));
            if let Some(node) = decided {
                self.judge_place(id, node, puts);
            }
        }
    }

    fn judge_data(&mut self, sender: &Holder, key: DataKey, new: &Data) {
        if let DataKey::Lrm(node) = key {
            if sender.node != node {
                self.report_writer(sender, "what another LRM publishes");
            }
            return;
        }
        if !self.store.holds(sender, LockId::Manager) {
            self.report_writer(sender, "what is the manager's");
        }
        match (key, new) {
            (DataKey::Entry(service), Data::Entry(new)) => self.judge_entry(service, new.as_ref()),
            (DataKey::Commands, Data::Commands(new)) => self.judge_commands(new),
            (
                DataKey::Status
                | DataKey::Entry(_)
                | DataKey::Lrm(_)
                | DataKey::Resource(_)
                | DataKey::Commands
                | DataKey::Rules
                | DataKey::Groups
                | DataKey::Fence(_),
                _,
            ) => {}
        }
    }
}
