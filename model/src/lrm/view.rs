//! What the LRM knows of the store: its lock as observed, services as read.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Effect, Local, Lrm};
use crate::config::Config;
use crate::event::{Effects, Event};
use crate::id::{LockId, NodeId, Revision, ServiceId};
use crate::lock::Standing;
use crate::mutation::{Mutant, Mutation};
use crate::record::{Data, DataKey, GrantState, Key, Service, Snapshot, Wanted};
use crate::time::Instant;
use crate::visit::{Visit, Visitor, visit_under};

/// What was last read about services.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct View {
    /// When it was read: what is older than the grant counts for nothing.
    pub(super) revision: Revision,
    /// Those that belong to this node.
    pub(super) services: Vec<(ServiceId, Service)>,
    /// What else matters here.
    pub(super) around: Around,
}

/// What matters to a node beside its own services.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Around {
    /// The records of services that are to leave this node: what a move compares.
    pub(super) moving: Vec<(ServiceId, Revision)>,
    /// Those of their targets that hold their locks guarded, in ascending order.
    pub(super) ready: Vec<NodeId>,
    /// Whether a service of another node is to come here.
    pub(super) arriving: bool,
    /// Whether this node was asked to do maintenance.
    pub(super) maintenance: bool,
    /// Whether the stack is disarmed, or is to be.
    pub(super) disarm: bool,
    /// Whether this node waits to be fenced.
    pub(super) fenced: bool,
}

impl View {
    fn of<M: Mutation>(config: &Config<M>, snapshot: &Snapshot, here: NodeId) -> Self {
        let early = config.broken(Mutant::ResumeEarly);
        let comes = |service: &Service| early && service.target() == Some(here);
        let is_here = |service: &Service| service.location == here || comes(service);
        let seen = |service: &Service| Service {
            brought: service.brought || comes(service),
            ..service.clone()
        };
        let services: Vec<(ServiceId, Service)> = snapshot
            .services()
            .filter(|(_, _, service)| is_here(service))
            .map(|(id, _, service)| (id, seen(service)))
            .collect();
        let leaving = |service: &Service| service.target().filter(|target| *target != here);
        let moving = services
            .iter()
            .filter(|(_, service)| leaving(service).is_some())
            .map(|(id, _)| (*id, snapshot.revision_of(Key::Service(*id))))
            .collect();
        let targets = services.iter().filter_map(|(_, service)| leaving(service));
        let mut ready: Vec<NodeId> = targets
            .filter(|target| is_ready(snapshot, *target) || config.broken(Mutant::TargetNotAsked))
            .collect();
        ready.sort_unstable();
        ready.dedup();
        let arriving = snapshot
            .services()
            .any(|(_, _, service)| service.location != here && service.target() == Some(here));
        let status = snapshot.data(DataKey::Status).and_then(Data::as_status);
        Self {
            revision: snapshot.revision,
            services,
            around: Around {
                moving,
                ready,
                arriving,
                maintenance: status.is_some_and(|status| status.wants_maintenance(here)),
                disarm: status.is_some_and(|status| status.disarm.is_some()),
                fenced: status.is_some_and(|status| status.wants_fenced(here)),
            },
        }
    }

    /// What a service of this node is to do.
    pub(super) fn order(&self, service: ServiceId) -> Option<&Service> {
        let at = self
            .services
            .binary_search_by_key(&service, |(id, _)| *id)
            .ok()?;
        self.services.get(at).map(|(_, order)| order)
    }

    /// A service has left, by a write that was applied as this revision.
    pub(super) fn lose(&mut self, service: ServiceId, revision: Revision) {
        // What was read before that would bring it back.
        self.revision = self.revision.max(revision);
        self.services.retain(|(id, _)| *id != service);
        self.around.moving.retain(|(id, _)| *id != service);
    }
}

/// Whether a node's own LRM holds its lock, guarded: what arrives there can run.
fn is_ready(snapshot: &Snapshot, node: NodeId) -> bool {
    snapshot
        .grant(LockId::Agent(node))
        .is_some_and(|grant| grant.holder.node == node && grant.state == GrantState::HeldGuarded)
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
        let shown = View::of(config, snapshot, self.lock.me().node);
        let is_news = self.view.as_ref().is_none_or(|view| {
            view.revision < shown.revision
                && (&view.services, &view.around) != (&shown.services, &shown.around)
        });
        if self.view.is_none() {
            self.hear(&shown);
        }
        if is_news && !config.broken(Mutant::NewsUnread) {
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
            let view = View::of(config, snapshot, self.lock.me().node);
            self.forget_what_comes(&view);
            self.view = Some(view);
            self.heard.clear();
            self.settle_move(snapshot, effects);
            let stands = |service, uid| {
                let order = snapshot.service(service);
                order.is_some_and(|order| order.uid == uid)
            };
            self.results.retain(stands);
        }
        self.know_services(config);
    }

    /// How a service was when it left says nothing of one that comes back: somebody else may have
    /// had it meanwhile, or a person. It is asked for anew.
    fn forget_what_comes(&mut self, view: &View) {
        let Some(before) = &self.view else {
            return;
        };
        for (id, _) in &view.services {
            let idle = |local: &Local| local.worker.is_none();
            if before.order(*id).is_none() && self.services.get(id).is_some_and(idle) {
                self.services.insert(*id, Local::unknown());
            }
        }
    }

    /// Before anything is read, what is to be left alone by hearsay is left alone.
    fn hear(&mut self, shown: &View) {
        let left_alone = |wanted| match wanted {
            Wanted::Untouched | Wanted::Ignored => true,
            Wanted::Started | Wanted::Stopped | Wanted::Fenced | Wanted::Moved { .. } => false,
        };
        self.heard = shown
            .services
            .iter()
            .filter(|(_, service)| left_alone(service.wanted))
            .map(|(id, _)| *id)
            .collect();
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
        let known: Vec<ServiceId> = viewed
            .chain(listed.iter().copied())
            .filter(|id| !self.is_ignored(*id))
            .collect();
        for id in known {
            self.services.entry(id).or_insert_with(Local::unknown);
        }
        self.forget_ignored(config);
    }

    /// What is ignored is let go of once nothing is being done with it any more.
    pub(super) fn forget_ignored<M: Mutation>(&mut self, config: &Config<M>) {
        let Some(view) = self
            .view
            .as_ref()
            .filter(|_| !config.broken(Mutant::IgnoredStopped))
        else {
            return;
        };
        for (id, order) in &view.services {
            let idle = |local: &Local| local.worker.is_none();
            if order.wanted == Wanted::Ignored && self.services.get(id).is_some_and(idle) {
                self.services.remove(id);
            }
        }
    }
}

impl Visit for View {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.revision.visit(visitor);
        for (_, service) in &mut self.services {
            service.visit(visitor);
        }
        for (service, revision) in &mut self.around.moving {
            visit_under(Key::Service(*service), revision, visitor);
        }
        self.around.ready.visit(visitor);
        // Nodes may have changed places.
        self.around.ready.sort_unstable();
    }
}
