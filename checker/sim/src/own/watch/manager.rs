//! What a manager decides.

use std::collections::BTreeSet;

use lockstep_model::id::{Holder, LockId, NodeId, ServiceId};
use lockstep_model::manager::command::{Command, Parsed};
use lockstep_model::manager::event::{Event, ServiceEvent, StackEvent};
use lockstep_model::manager::status::{Entry, Queued, Requested};
use lockstep_model::placement::state::ServiceState;
use lockstep_model::record::{Data, DataKey, Key, Put, Record, Service, Wanted};
use lockstep_model::rules;
use lockstep_model::time::Span;

use super::super::cluster::Cluster;
use crate::watch::Property;

/// How long a master may take to manage a service that is configured.
const TAKES_IN: Span = Span(60_000);

impl Cluster {
    /// A manager has decided something: what it answers is noted.
    pub(in super::super) fn note_decision(&mut self, event: &Event) {
        match event {
            Event::Command(text, _) => {
                *self.watch.answered.entry(text.clone()).or_default() += 1;
                // What is accepted now is not answered by what was said before.
                let service = match Command::parse(text, &self.names).parsed {
                    Some(Parsed::Move { service, .. } | Parsed::Stop { service, .. }) => service,
                    Some(Parsed::Maintenance { .. } | Parsed::Disarm(_) | Parsed::Arm) | None => {
                        None
                    }
                };
                if let Some(service) = service {
                    self.watch.requests_answered.remove(&service);
                }
            }
            Event::Service(service, ServiceEvent::Request(_))
            | Event::Stack(StackEvent::Suspending(service) | StackEvent::Freezing(service, _)) => {
                self.watch.requests_answered.insert(*service);
            }
            // Begun, whatever becomes of it later in the same round.
            Event::Service(service, ServiceEvent::State { to, .. })
                if to.is_moving() || *to == ServiceState::RequestStop =>
            {
                self.watch.requests_answered.insert(*service);
            }
            Event::Node(..)
            | Event::Service(..)
            | Event::Stack(_)
            | Event::Groups(_)
            | Event::MasterOffline
            | Event::UnknownDisarm(_)
            | Event::Measured
            | Event::Advice { .. } => {}
        }
    }

    /// A service's entry is written: what was queued for it was begun or answered, and it was tried
    /// on no more nodes than allowed.
    pub(super) fn judge_entry(&mut self, service: ServiceId, new: Option<&Entry>) {
        let answered = self.watch.requests_answered.remove(&service);
        let Some(new) = new else {
            return;
        };
        let lost = self.store.entry(service).is_some_and(|old| {
            let began = new.target.is_some() && new.uid != old.uid;
            old.queued.is_some() && new.queued.is_none() && !began
        });
        let sid = self.sid(service).to_owned();
        if lost && !answered {
            let text = format!("what was asked for service '{sid}' was dropped");
            self.report(Property::NoLostCommand, text);
        }
        let resource = self.store.resource(service);
        let allowed = resource.map_or(u32::MAX, |resource| resource.max_relocate);
        let tried = new.failed_nodes.len() as u64;
        // What a case begins with may be more than allowed.
        let old = self.store.entry(service);
        let before = old.map_or(0, |old| old.failed_nodes.len() as u64);
        if new.state != ServiceState::Error && tried > before.max(u64::from(allowed)) {
            let text = format!("service '{sid}' was tried on more nodes than allowed");
            self.report(Property::PolicyBounds, text);
        }
    }

    /// Commands are taken in, in their order, and each is answered or is one about maintenance,
    /// which may show in the node's state alone.
    pub(super) fn judge_commands(&mut self, new: &[Command]) {
        let old = self.store.commands().to_vec();
        let Some(taken) = old.strip_suffix(new) else {
            let text = String::from("commands that wait were rewritten");
            self.report(Property::NoLostCommand, text);
            return;
        };
        for command in taken {
            let answers = self.watch.answered.get_mut(&command.text);
            let answered = answers.is_some_and(|answers| {
                let answered = *answers > 0;
                *answers = answers.saturating_sub(1);
                answered
            });
            let silent = matches!(command.parsed, Some(Parsed::Maintenance { .. }));
            if !answered && !silent {
                let text = format!("command '{}' was dropped", command.text);
                self.report(Property::NoLostCommand, text);
            }
        }
    }

    /// A disabled service stays where its node has died.
    pub(super) fn judge_recovered(
        &mut self,
        sender: &Holder,
        service: ServiceId,
        moved: bool,
        old: &Service,
    ) {
        let resource = self.store.resource(service);
        let disabled = resource.is_some_and(|one| one.requested == Requested::Disabled);
        let key = Key::Data(DataKey::Resource(service));
        // Somebody may have disabled it since the manager looked.
        let changed = self.store.changed(key);
        let known = changed.is_some_and(|changed| changed < self.now);
        if moved && disabled && known && sender.node != old.location {
            let text = format!(
                "service '{}' is disabled and was recovered",
                self.sid(service)
            );
            self.report(Property::DisabledNotRecovered, text);
        }
    }

    /// A manager has decided where a service is to be. What a person asked for need not follow the
    /// rules, but for services that are to be kept apart.
    pub(super) fn judge_place(&mut self, service: ServiceId, node: NodeId, puts: &[Put]) {
        let Some(compiled) = self.compiled() else {
            return;
        };
        let (sid, name) = (
            self.sid(service).to_owned(),
            self.names.node(node).to_owned(),
        );
        let partners = |partners: &rules::compile::Partners| -> Vec<ServiceId> {
            let of = partners.get(&sid).into_iter().flatten();
            of.filter_map(|other| self.names.find_service(other))
                .collect()
        };
        let (apart, together) = (partners(&compiled.negative), partners(&compiled.positive));
        let asked = self.is_asked_for(service, node);
        let allowed = compiled.node_affinity.get(&sid);
        if !asked && allowed.is_some_and(|nodes| !nodes.contains_key(&name)) {
            let text = format!("service '{sid}' is to go to '{name}', which its rules forbid");
            self.report(Property::Affinity, text);
        }
        for other in apart {
            if self.place_of(other, puts) == Some(node) {
                let other = self.sid(other);
                let text = format!("services '{sid}' and '{other}' are both to be on '{name}'");
                self.report(Property::Affinity, text);
            }
        }
        // Those that are scattered come together one by one.
        let places: Vec<NodeId> = together
            .iter()
            .filter_map(|other| self.place_of(*other, puts))
            .collect();
        if !asked && !places.is_empty() && !places.contains(&node) {
            let text = format!("service '{sid}' is to go to '{name}' without its partners");
            self.report(Property::Affinity, text);
        }
    }

    /// Where a service that is to run is, or is to go, once these records are written.
    fn place_of(&self, service: ServiceId, puts: &[Put]) -> Option<NodeId> {
        let written = puts.iter().find_map(|put| match (&put.key, &put.record) {
            (Key::Service(id), Record::Service(record)) if *id == service => Some(record),
            (Key::Service(_) | Key::Grant(_) | Key::Beat(_) | Key::Data(_), _) => None,
        });
        let record = written.or(self.store.service(service))?;
        match record.wanted {
            Wanted::Started => Some(record.location),
            Wanted::Moved { target, .. } => Some(target),
            Wanted::Stopped | Wanted::Untouched | Wanted::Ignored | Wanted::Fenced => None,
        }
    }

    /// Whether a person asked for a move to a node.
    fn is_asked_for(&self, service: ServiceId, node: NodeId) -> bool {
        let entry = self.store.entry(service);
        let queued = entry.and_then(|entry| entry.queued.as_ref());
        let queued = queued.is_some_and(|queued| match queued {
            Queued::Move { target, .. } => *target == node,
            Queued::Stop { .. } | Queued::Unknown(_) => false,
        });
        let mut commands = self.store.commands().iter();
        queued
            || commands.any(|command| match &command.parsed {
                Some(Parsed::Move { target, .. }) => *target == Some(node),
                Some(
                    Parsed::Stop { .. }
                    | Parsed::Maintenance { .. }
                    | Parsed::Disarm(_)
                    | Parsed::Arm,
                )
                | None => false,
            })
    }

    /// The rules that stand in the store, compiled. Groups are rules only once they were migrated.
    fn compiled(&mut self) -> Option<rules::Compiled> {
        let revision = self.store.revision_of(Key::Data(DataKey::Rules));
        if let Some((of, compiled)) = &self.watch.rules
            && *of == revision
        {
            return Some(compiled.clone());
        }
        let snapshot = self.store.snapshot();
        let Some(Data::Rules(written)) = snapshot.data(DataKey::Rules) else {
            return None;
        };
        let names = &self.names;
        let nodes: BTreeSet<&str> = self.ids.iter().map(|id| names.node(*id)).collect();
        let compiled = rules::translate(written.clone(), &nodes).ok()?.compiled;
        self.watch.rules = Some((revision, compiled.clone()));
        Some(compiled)
    }

    /// Services that are configured and that no master manages, though there is one.
    pub(in super::super) fn watch_lost(&mut self) {
        let (now, timing) = (self.now, self.config.timing());
        let manager = self.store.history(LockId::Manager);
        let alive = manager.is_some_and(|one| now.since(one.changed) < timing.lock_ttl);
        let status = self.store.status();
        let disarmed = status.is_none_or(|status| status.disarm.is_some());
        if !alive || disarmed || self.is_paused_crm() {
            self.watch.unmanaged.clear();
            return;
        }
        let unmanaged: BTreeSet<ServiceId> = self
            .store
            .configured()
            .filter(|(id, resource)| {
                resource.requested != Requested::Ignored && self.store.entry(*id).is_none()
            })
            .map(|(id, _)| id)
            .collect();
        self.watch.unmanaged.retain(|id, _| unmanaged.contains(id));
        for service in unmanaged {
            let since = *self.watch.unmanaged.entry(service).or_insert(now);
            if now.since(since) >= TAKES_IN {
                let text = format!("service '{}' is not managed", self.sid(service));
                self.report(Property::NoLostService, text);
            }
        }
    }
}
