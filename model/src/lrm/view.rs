//! What the LRM knows of the store: its lock as observed, services as read.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Effect, Local, Lrm};
use crate::config::Config;
use crate::event::{Effects, Event};
use crate::id::{Revision, ServiceId};
use crate::lock::Standing;
use crate::mutation::Mutation;
use crate::record::{Service, Snapshot};
use crate::time::Instant;
use crate::visit::{Visit, Visitor};

/// What was last read about services.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct View {
    /// When it was read: what is older than the grant counts for nothing.
    pub(super) revision: Revision,
    pub(super) services: Vec<(ServiceId, Service)>,
}

impl Lrm {
    /// The watch shows the lock as it was a moment ago, which is all that observing it takes. Other
    /// news is read: a watch may lag, and a start must not.
    pub(super) fn on_watch<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        snapshot: &Snapshot,
        effects: &mut Effects<Effect>,
    ) {
        self.observe_lock(config, now, snapshot, effects);
        self.know_services(config);
        let is_news = self.view.as_ref().is_none_or(|view| {
            view.revision < snapshot.revision && view.services != self.services_here(snapshot)
        });
        if is_news {
            self.reading.want();
        }
    }

    pub(super) fn on_snapshot<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        snapshot: &Snapshot,
        effects: &mut Effects<Effect>,
    ) {
        self.observe_lock(config, now, snapshot, effects);
        if self
            .view_revision()
            .is_none_or(|known| known <= snapshot.revision)
        {
            self.view = Some(View {
                revision: snapshot.revision,
                services: self.services_here(snapshot),
            });
        }
        self.know_services(config);
    }

    /// The services that belong to this node.
    fn services_here(&self, snapshot: &Snapshot) -> Vec<(ServiceId, Service)> {
        let here = self.lock.me().node;
        snapshot
            .services()
            .filter(|(_, _, service)| service.location == here)
            .map(|(id, _, service)| (id, service.clone()))
            .collect()
    }

    fn observe_lock<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        snapshot: &Snapshot,
        effects: &mut Effects<Effect>,
    ) {
        let other_boot = self.lock.is_held_by_other_boot();
        let beat = self.lock.seen_beat();
        let change = self.lock.observe(config, now, snapshot);
        let node = self.lock.me().node;
        let alarm = if self.lock.standing(config, now) == Standing::OtherMachine {
            Some(Event::OtherMachine { node })
        } else if self.lock.is_held_by_other_boot() {
            let beats = other_boot && beat != self.lock.seen_beat();
            (beats || self.alarmed).then_some(Event::SecondBoot { node })
        } else {
            None
        };
        let alarmed = alarm.is_some();
        if let Some(alarm) = alarm.filter(|_| !self.alarmed) {
            effects.say(alarm);
        }
        self.alarmed = alarmed;
        self.on_change(config, change, effects);
    }

    /// Every service that belongs here, or that the grant lists as left running here, has an
    /// entry, so that nothing is forgotten when "everything is stopped" is asked.
    pub(super) fn know_services<M: Mutation>(&mut self, config: &Config<M>) {
        let viewed = self
            .view
            .iter()
            .flat_map(|view| view.services.iter().map(|(id, _)| *id));
        let listed = self.lock.left_running(config);
        let known: Vec<ServiceId> = viewed.chain(listed.iter().copied()).collect();
        for id in known {
            self.services.entry(id).or_insert_with(Local::unknown);
        }
    }
}

impl Visit for View {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.revision.visit(visitor);
        for (_, service) in &mut self.services {
            service.visit(visitor);
        }
    }
}
