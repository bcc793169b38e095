//! What is written, before it is.

use lockstep_model::id::{Holder, LockId};
use lockstep_model::record::{Grant, Key, Record, Unguarded, Write};

use super::{Broken, Property};
use crate::setup::Setup;
use crate::state::{Host, World};

impl World {
    pub(super) fn judge_write(
        &self,
        setup: &Setup,
        sender: &Holder,
        write: &Write,
        broken: &mut Broken,
    ) {
        if !self.store.would_apply(write) {
            return;
        }
        self.judge_commit(setup, sender, write, broken);
        for put in &write.puts {
            match (&put.key, &put.record) {
                (Key::Grant(lock), Record::Grant(new)) => {
                    self.judge_grant(setup, sender, (*lock, new), broken);
                }
                (Key::Beat(lock), Record::Beat(_)) => {
                    let taken_along = write
                        .puts
                        .iter()
                        .any(|other| other.key == Key::Grant(*lock));
                    let holds = self.holds(sender, *lock) || taken_along;
                    broken.unless(holds, Property::SingleWriter);
                }
                (Key::Service(id), Record::Service(new)) => {
                    let Some(old) = self.store.service(*id) else {
                        continue;
                    };
                    if old.location != new.location {
                        let holds = self.holds(sender, LockId::Agent(old.location));
                        broken.unless(holds, Property::LocChangesUnderLock);
                        let listed = self
                            .grant(old.location)
                            .is_some_and(|grant| grant.state.lists(*id));
                        broken.unless(!listed, Property::UnguardedNeverRecovered);
                    }
                }
                (Key::Grant(_) | Key::Beat(_) | Key::Service(_) | Key::Data(_), _) => {}
            }
        }
    }

    /// An LRM makes a service another node's.
    pub(super) fn judge_departure(
        &self,
        setup: &Setup,
        host: &Host,
        index: usize,
        write: &Write,
        broken: &mut Broken,
    ) {
        for put in &write.puts {
            if let Record::Service(service) = &put.record
                && service.location != host.node
                && !setup.orders.is_empty()
            {
                let ready = self.was_ready(service.location, host, index);
                broken.unless(ready, Property::TargetHoldsLock);
            }
        }
    }

    /// Whether the boot that services were left running in goes on.
    fn lives(&self, list: &Unguarded) -> bool {
        let mut hosts = self.hosts.iter();
        hosts.any(|host| host.on && host.machine == list.machine && host.boot == list.boot)
    }

    pub(super) fn holds(&self, sender: &Holder, lock: LockId) -> bool {
        self.grant_of(lock)
            .is_some_and(|grant| grant.state.is_held() && grant.holder == *sender)
    }

    fn judge_grant(
        &self,
        setup: &Setup,
        sender: &Holder,
        (lock, new): (LockId, &Grant),
        broken: &mut Broken,
    ) {
        let Some(old) = self.grant_of(lock) else {
            return;
        };
        let taking = new.epoch > old.epoch;
        broken.unless(taking || self.holds(sender, lock), Property::SingleWriter);
        let Some(list) = old.state.unguarded() else {
            return;
        };
        // The machine that they were left on can speak for them, in any of its boots.
        let dropped = list.services.iter().any(|id| !new.state.lists(*id));
        // An agent that was to can have seen to it that they are gone.
        let fenced = match lock {
            LockId::Agent(node) => {
                let term = self.fence_recorded(node);
                let ordered = term.is_some_and(|term| term.epoch == old.epoch);
                setup.fenceable.contains(&node) && ordered && !self.lives(list)
            }
            LockId::Manager => false,
        };
        if dropped && sender.machine != list.machine && !fenced {
            broken.unless(false, Property::UnguardedNeverRecovered);
        }
    }
}
