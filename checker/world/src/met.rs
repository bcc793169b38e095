//! What a step of a world with CRMs is an instance of, as it shows in the store.

use lockstep_model::id::{LockId, NodeId, ServiceId};
use lockstep_model::manager::status::{Entry, NodeState};
use lockstep_model::master;
use lockstep_model::placement::state::ServiceState;
use lockstep_model::record::{Data, DataKey, Key, Record, Write};

use crate::action::Action;
use crate::coverage::Tag;
use crate::setup::Setup;
use crate::state::{Host, World};

impl World {
    /// What this step is an instance of, where there are CRMs.
    #[must_use]
    pub(crate) fn tags_of_cluster(&self, setup: &Setup, action: &Action, after: &Self) -> u128 {
        let mut tags = self.tags_of_action(action) | self.tags_of_masters(after);
        tags |= self.tags_of_nodes(after);
        for id in setup.service_ids() {
            let home = setup.services[usize::from(id.0)].location;
            tags |= self.tags_of_service(after, id, home);
        }
        tags |= self.tags_of_commits(after);
        if action.is_time() {
            tags |= self.tags_of_waiting(setup);
        }
        let target = |world: &Self, id| world.store.service(id).and_then(|it| it.target());
        let sent = |id: &ServiceId| target(self, *id).is_none() && target(after, *id).is_some();
        if setup.service_ids().filter(sent).count() > 1 {
            tags |= Tag::MovedTogether.bit();
        }
        tags
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what else happens shows in the store"
    )]
    fn tags_of_action(&self, action: &Action) -> u128 {
        match *action {
            // Nobody has its lock yet: it may return without having been fenced.
            Action::PowerOn { host } if self.is_unfenced(self.hosts[host].node) => {
                Tag::ReturnedUnfenced.bit()
            }
            Action::ConfirmDead { .. } => Tag::ConfirmedDead.bit(),
            Action::Reconfigure => Tag::ProfileChanged.bit(),
            _ => 0,
        }
    }

    fn tags_of_masters(&self, after: &Self) -> u128 {
        let holder = |world: &Self| world.grant_of(LockId::Manager).map(|it| it.holder.node);
        let mut tags = 0;
        let (before, now) = (holder(self), holder(after));
        if before.is_some() && before != now {
            tags |= Tag::MasterChanged.bit();
            if !self.commands().is_empty() {
                tags |= Tag::CommandOutlivesMaster.bit();
            }
        }
        if !self.commands().is_empty() && after.commands().is_empty() {
            tags |= Tag::CommandTaken.bit();
        }
        let groups = |world: &Self| match world.data(DataKey::Groups) {
            Some(Data::Groups(groups)) => !groups.is_empty(),
            Some(_) | None => false,
        };
        if groups(self) && !groups(after) {
            tags |= Tag::GroupsMigrated.bit();
        }
        tags
    }

    fn tags_of_nodes(&self, after: &Self) -> u128 {
        let state = |world: &Self, node| {
            let status = world.status()?;
            status.nodes.get(node).copied()
        };
        let mut tags = 0;
        for host in &self.hosts {
            let node = host.node;
            let (before, now) = (state(self, node), state(after, node));
            let fenced = Some(NodeState::Fence);
            if before != fenced && now == fenced {
                tags |= Tag::ToBeFenced.bit();
            }
            if before == fenced && now == Some(NodeState::Unknown) {
                tags |= Tag::Fenced.bit();
            }
            if !self.has_lock(node) && after.has_lock(node) {
                tags |= Tag::TakenByBoot.bit();
            }
        }
        tags
    }

    /// Whether a node is to be fenced, and nobody else holds its lock.
    fn is_unfenced(&self, node: NodeId) -> bool {
        let status = self.status();
        let waits = status.is_some_and(|it| it.nodes.get(node) == Some(&NodeState::Fence));
        waits && self.grant(node).is_some_and(|it| it.holder.node == node)
    }

    /// Whether a host's present boot holds its node's lock. Boots of different moments can't be
    /// compared: they are renamed.
    fn holds_in_boot(&self, host: &Host) -> bool {
        let held = self.grant(host.node);
        held.is_some_and(|grant| grant.state.is_held() && grant.holder.boot == host.boot)
    }

    fn has_lock(&self, node: NodeId) -> bool {
        let mut hosts = self.hosts.iter();
        hosts.any(|host| host.node == node && host.on && self.holds_in_boot(host))
    }

    fn tags_of_service(&self, after: &Self, id: ServiceId, home: NodeId) -> u128 {
        let (Some(before), Some(now)) = (self.store.service(id), after.store.service(id)) else {
            return 0;
        };
        let state = |entry: Option<&Entry>| entry.map(|entry| entry.state);
        let entry = self.entry_of(id);
        let (was, is) = (state(entry), state(after.entry_of(id)));
        let mut tags = 0;
        if before.location != now.location {
            let failed = entry.is_some_and(|entry| !entry.failed_nodes.is_empty());
            tags |= match was {
                Some(ServiceState::Fence | ServiceState::Recovery) => Tag::Recovered.bit(),
                Some(_) if failed => Tag::RelocatedAfterFailure.bit(),
                Some(_) | None => 0,
            };
            if now.location == home {
                tags |= Tag::CameHome.bit();
            }
        }
        if was != is {
            tags |= match is {
                Some(ServiceState::Error) => Tag::InError.bit(),
                Some(ServiceState::Freeze) => Tag::Frozen.bit(),
                Some(_) | None => 0,
            };
        }
        tags
    }

    /// What lasts while time passes.
    fn tags_of_waiting(&self, setup: &Setup) -> u128 {
        let mut tags = 0;
        for id in setup.service_ids() {
            let Some(entry) = self.entry_of(id) else {
                continue;
            };
            let held = entry.node.and_then(|node| self.grant(node));
            let by_another = held.is_some_and(|grant| {
                grant.state.is_held() && Some(grant.holder.node) != entry.node
            });
            if entry.state == ServiceState::Recovery && by_another {
                tags |= Tag::RecoveryWaits.bit();
            }
        }
        for (index, host) in self.hosts.iter().enumerate() {
            let twin = |other: &Host| other.node == host.node && other.on;
            if host.on && self.hosts[index + 1..].iter().any(|other| twin(other)) {
                tags |= Tag::TwoOfOneName.bit();
            }
        }
        tags
    }

    fn tags_of_commits(&self, after: &Self) -> u128 {
        let mut tags = 0;
        for (before, now) in self.hosts.iter().zip(&after.hosts) {
            let outbox = before.crm.iter().flat_map(|crm| &crm.outbox);
            let later = |effect: &&master::Effect| match effect {
                master::Effect::Write(write) => self.is_later_part(write),
                master::Effect::Read(_) | master::Effect::Fence(_) | master::Effect::Exit => false,
            };
            let Some(master::Effect::Write(write)) = outbox.into_iter().find(later) else {
                continue;
            };
            tags |= Tag::CommitInParts.bit();
            let waits = now.crm.iter().flat_map(|crm| &crm.outbox);
            let mut waits = waits.filter(|effect| later(effect));
            if waits.next().is_none() && !after.has_applied(write) {
                tags |= Tag::CommitTorn.bit();
            }
        }
        tags
    }

    /// Whether a write is a part of a commit of which another part was applied before: it orders
    /// something under a uid that the status in the store has given already.
    fn is_later_part(&self, write: &Write) -> bool {
        let Some(status) = self.status() else {
            return false;
        };
        let mut puts = write.puts.iter();
        puts.any(|put| match (put.key, &put.record) {
            (Key::Service(id), Record::Service(new)) => {
                let known = self.store.service(id).map(|old| old.uid);
                new.uid.0 <= status.last_uid && known != Some(new.uid)
            }
            (Key::Grant(_) | Key::Beat(_) | Key::Service(_) | Key::Data(_), _) => false,
        })
    }

    /// Whether the orders of a write are what stands in the store.
    fn has_applied(&self, write: &Write) -> bool {
        write.puts.iter().all(|put| match (put.key, &put.record) {
            (Key::Service(id), Record::Service(new)) => self
                .store
                .service(id)
                .is_some_and(|now| now.wanted == new.wanted && now.location == new.location),
            (Key::Grant(_) | Key::Beat(_) | Key::Service(_) | Key::Data(_), _) => true,
        })
    }
}
