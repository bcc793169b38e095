//! Which fault happens while a service is in which phase.
//!
//! A phase is read off the world before the fault: off the store's records and what runs where, so
//! that it means the same in every layer.

use lockstep_model::id::{LockId, ServiceId};
use lockstep_model::lrm::Job;
use lockstep_model::manager::status::Entry;
use lockstep_model::placement::state::ServiceState;
use lockstep_model::record::{DataKey, Service, Wanted};
use lockstep_world::World;
use lockstep_world::state::Instance;

/// What becomes of a service at a moment. More than one may apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// It is to run on a node that is there, and doesn't yet.
    Starting,
    /// It runs.
    Running,
    /// It is to stop, and hasn't yet.
    Stopping,
    /// It is on its way to another node.
    Migrating,
    /// Its node is fenced, or was: somebody else holds that node's lock, or waits for it.
    Fencing,
    /// It is to stay as it is, or was left running without a watchdog.
    Frozen,
    /// The stack is disarmed, or is being.
    Disarmed,
}

impl Phase {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::Running,
        Self::Stopping,
        Self::Migrating,
        Self::Fencing,
        Self::Frozen,
        Self::Disarmed,
    ];

    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Migrating => "migrating",
            Self::Fencing => "fencing",
            Self::Frozen => "frozen",
            Self::Disarmed => "disarmed",
        }
    }
}

/// The phases that any service is in, a bit for each.
pub(super) fn phases(world: &World, services: impl Iterator<Item = ServiceId>) -> u8 {
    let mut all = 0;
    let mut note = |phase: Phase, applies: bool| {
        if applies {
            all |= 1 << phase as u8;
        }
    };
    note(Phase::Disarmed, world.is_disarmed());
    for id in services {
        let seen = Seen::of(world, id);
        note(Phase::Starting, seen.starts());
        note(Phase::Running, seen.has(|it| it == Instance::Running));
        note(Phase::Stopping, seen.stops());
        note(Phase::Migrating, seen.moves());
        note(Phase::Fencing, seen.is_fenced());
        note(Phase::Frozen, seen.is_frozen());
    }
    all
}

/// A service, as everybody sees it.
struct Seen<'a> {
    world: &'a World,
    id: ServiceId,
    order: Option<&'a Service>,
    entry: Option<&'a Entry>,
}

impl<'a> Seen<'a> {
    fn of(world: &'a World, id: ServiceId) -> Self {
        let entry = world.data(DataKey::Entry(id));
        Self {
            world,
            id,
            order: world.store.service(id),
            entry: entry.and_then(|data| data.as_entry()),
        }
    }

    fn has(&self, is: impl Fn(Instance) -> bool) -> bool {
        let mut hosts = self.world.hosts.iter();
        hosts.any(|host| is(host.instances[usize::from(self.id.0)]))
    }

    fn works(&self, is: impl Fn(Job) -> bool) -> bool {
        let workers = self.world.hosts.iter().flat_map(|host| &host.workers);
        let mut own = workers.filter(|worker| worker.service == self.id);
        own.any(|worker| is(worker.job))
    }

    fn wants(&self, is: impl Fn(Wanted) -> bool) -> bool {
        self.order.is_some_and(|order| is(order.wanted))
    }

    fn is(&self, states: &[ServiceState]) -> bool {
        self.entry
            .is_some_and(|entry| states.contains(&entry.state))
    }

    fn starts(&self) -> bool {
        let there = self.order.is_some_and(|order| {
            let mut hosts = self.world.hosts.iter();
            hosts.any(|host| host.on && host.node == order.location)
        });
        let waits = there
            && self.wants(|wanted| wanted == Wanted::Started)
            && !self.has(|it| it == Instance::Running);
        waits || self.works(|job| job == Job::Start)
    }

    fn stops(&self) -> bool {
        let waits =
            self.wants(|wanted| wanted == Wanted::Stopped) && self.has(|it| it != Instance::Absent);
        waits || self.works(|job| job == Job::Stop) || self.is(&[ServiceState::RequestStop])
    }

    fn moves(&self) -> bool {
        self.wants(|wanted| matches!(wanted, Wanted::Moved { .. }))
            || self.works(|job| matches!(job, Job::Send { .. }))
            || self.has(|it| matches!(it, Instance::Outgoing | Instance::Incoming))
            || self.entry.is_some_and(|entry| entry.state.is_moving())
    }

    fn is_fenced(&self) -> bool {
        let taken = self.order.is_some_and(|order| {
            let grant = self.world.grant_of(LockId::Agent(order.location));
            grant.is_some_and(|grant| grant.state.is_held() && grant.holder.node != order.location)
        });
        taken
            || self.wants(|wanted| wanted == Wanted::Fenced)
            || self.is(&[ServiceState::Fence, ServiceState::Recovery])
    }

    fn is_frozen(&self) -> bool {
        let listed = self.order.is_some_and(|order| {
            let grant = self.world.grant_of(LockId::Agent(order.location));
            let list = grant.and_then(|grant| grant.state.unguarded());
            list.is_some_and(|list| list.services.contains(&self.id))
        });
        listed
            || self.wants(|wanted| wanted == Wanted::Untouched)
            || self.is(&[ServiceState::Freeze])
    }
}

#[cfg(test)]
mod tests {
    use lockstep_world::Fault;

    use super::*;

    #[test]
    fn faults_and_phases_stand_at_their_places() {
        for (place, fault) in Fault::ALL.iter().enumerate() {
            assert_eq!(*fault as usize, place);
        }
        for (place, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, place);
        }
    }
}
