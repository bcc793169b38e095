//! What runs where, and what stands behind it.

use std::collections::BTreeMap;

use lockstep_model::id::{LockId, ServiceId};
use lockstep_model::manager::status::Requested;
use lockstep_model::record::{Grant, GrantState, Key, Wanted};

use super::super::cluster::Cluster;
use super::super::host::{Device, Host, Owner};
use crate::watch::Property;

impl Cluster {
    /// Whether a service is the stack's concern.
    fn is_managed(&self, service: ServiceId) -> bool {
        let resource = self.store.resource(service);
        let wanted = self.store.service(service).map(|record| record.wanted);
        resource.is_some_and(|resource| resource.requested != Requested::Ignored)
            && wanted.is_some_and(|wanted| wanted != Wanted::Ignored)
    }

    /// Looks at all instances, if anything has changed that concerns them.
    pub(in super::super) fn watch_instances(&mut self) {
        if !std::mem::take(&mut self.watch.dirty) {
            return;
        }
        for host in 0..self.hosts.len() {
            let now = self.now;
            self.hosts[host].trailing.retain(|_, until| now < *until);
            let services: Vec<ServiceId> = self.hosts[host].instances.keys().copied().collect();
            for service in services {
                self.watch_instance(host, service);
            }
        }
        self.watch_twice();
    }

    fn watch_instance(&mut self, host: usize, service: ServiceId) {
        let value = &self.hosts[host];
        let Some(mut instance) = value.instances.get(&service).copied() else {
            return;
        };
        let grant = self.store.agent_grant(value.id);
        let listed = grant.is_some_and(|grant| is_listed(grant, value, service));
        let held = grant.is_some_and(|grant| self.is_held_guarded(grant, value));
        let guarded = held && self.is_guarded(value);
        let belongs = self.store.service(service).map(|record| record.location) == Some(value.id);
        let managed = self.is_managed(service);
        match instance.owner {
            Owner::Stack if !managed => instance.owner = Owner::Nobody,
            Owner::Person | Owner::Nobody
                if managed && guarded && belongs && self.is_known(value, service) =>
            {
                instance.owner = Owner::Stack;
            }
            Owner::Stack | Owner::Person | Owner::Nobody => {}
        }
        self.hosts[host].instances.insert(service, instance);
        if instance.owner != Owner::Stack || !instance.does_io() || listed {
            return;
        }
        let (sid, name) = (self.sid(service).to_owned(), self.name_of(host).to_owned());
        if !held {
            let text = format!("service '{sid}' runs on '{name}' without its lock");
            self.report(Property::RunNeedsAuthority, text);
        } else if !guarded {
            let text = format!("service '{sid}' runs on '{name}' without a watchdog behind it");
            self.report(Property::WatchdogGuards, text);
        }
    }

    /// Whether a host's LRM has read what a service is to do, as it stands now.
    pub(super) fn is_known(&self, host: &Host, service: ServiceId) -> bool {
        let read = host
            .lrm
            .as_ref()
            .and_then(|lrm| lrm.machine.view_revision());
        read.is_some_and(|read| self.store.revision_of(Key::Service(service)) <= read)
    }

    /// Whether a grant says that this very boot may run services, and nobody may have taken it.
    fn is_held_guarded(&self, grant: &Grant, host: &Host) -> bool {
        let own = grant.holder.boot == host.boot && grant.holder.machine == host.machine();
        let changed = self.store.history(LockId::Agent(host.id));
        let age = changed.map(|history| self.now.since(history.changed));
        grant.state == GrantState::HeldGuarded && own && age.is_some_and(|age| age < grant.ttl)
    }

    /// Whether the host's device resets it, whatever happens from now on, before anybody may take
    /// its lock: the multiplexer's D lies a whole margin before the end of authority, or is past and
    /// the device still counts.
    fn is_guarded(&self, host: &Host) -> bool {
        let timing = self.config.timing();
        let Device::Counting { due } = host.device else {
            return false;
        };
        let Some(history) = self.store.history(LockId::Agent(host.id)) else {
            return false;
        };
        let expires = history.changed + timing.authority(timing.lock_ttl);
        let mux = host.mux.as_ref();
        match mux.and_then(|mux| mux.machine.deadline(&self.config)) {
            Some(deadline) => deadline + timing.margin(timing.reset_max) <= expires,
            None => due + timing.io_trail <= expires,
        }
    }

    fn watch_twice(&mut self) {
        let now = self.now;
        let mut places: BTreeMap<ServiceId, usize> = BTreeMap::new();
        let mut twice = Vec::new();
        for (index, host) in self.hosts.iter().enumerate() {
            let services = host.instances.keys().chain(host.trailing.keys()).copied();
            let writing =
                |service: &ServiceId| self.is_managed(*service) && host.writes(*service, now);
            for service in services.filter(writing) {
                match places.insert(service, index) {
                    Some(other) if other != index => twice.push((service, other, index)),
                    Some(_) | None => {}
                }
            }
        }
        for (service, one, other) in twice {
            let (sid, one, other) = (self.sid(service), self.name_of(one), self.name_of(other));
            let text = format!("service '{sid}' runs on '{one}' and on '{other}'");
            self.report(Property::SingleInstance, text);
        }
    }
}

/// Whether a grant lists a service as running unguarded in a host's present boot.
pub(super) fn is_listed(grant: &Grant, host: &Host, service: ServiceId) -> bool {
    let unguarded = grant.state.unguarded();
    let of_boot =
        unguarded.is_some_and(|list| list.machine == host.machine() && list.boot == host.boot);
    of_boot && grant.state.lists(service)
}
