//! What must hold of each write by which a CRM's decisions come into force.
//!
//! What a rule allows is said here once more, from the setup, and not asked of the manager.

use lockstep_model::id::{Holder, LockId, NodeId, ServiceId};
use lockstep_model::manager::command::{Command, Parsed};
use lockstep_model::manager::status::{Entry, NodeState, Queued, Requested, Status};
use lockstep_model::placement::state::ServiceState;
use lockstep_model::record::{Data, DataKey, Key, Record, Service, Write};

use crate::cluster::ClusterSetup;
use crate::property::{Broken, Property};
use crate::setup::Setup;
use crate::state::World;

impl World {
    /// Whether a write is one of those that only the master makes.
    fn is_decision(&self, write: &Write) -> bool {
        write.puts.iter().any(|put| match (put.key, &put.record) {
            (Key::Data(DataKey::Lrm(_)), _) | (Key::Grant(_) | Key::Beat(_), _) => false,
            (Key::Data(_), _) => true,
            (Key::Service(id), Record::Service(new)) => self
                .store
                .service(id)
                .is_some_and(|old| old.uid != new.uid || old.wanted != new.wanted),
            (Key::Service(_), _) => false,
        })
    }

    /// Judges a write that would be applied now.
    pub(crate) fn judge_commit(
        &self,
        setup: &Setup,
        sender: &Holder,
        write: &Write,
        broken: &mut Broken,
    ) {
        let Some(cluster) = &setup.cluster else {
            return;
        };
        if !self.is_decision(write) {
            return;
        }
        let master = self.grant_of(LockId::Manager);
        let holds = master.is_some_and(|grant| grant.state.is_held() && grant.holder == *sender);
        broken.unless(holds, Property::SingleWriter);
        for id in setup.service_ids() {
            let (before, after) = (self.entry_of(id), entry_in(write, id));
            match (before, after) {
                (_, None) | (None, Some(_)) => {}
                (Some(_), Some(None)) => {
                    let kept = self
                        .resource_of(id)
                        .is_some_and(|resource| resource.requested != Requested::Ignored);
                    broken.unless(!kept, Property::NoLostService);
                }
                (Some(before), Some(Some(after))) => {
                    self.judge_entry(id, before, after, broken);
                    if let Some(node) = chosen(before, after) {
                        let asked = self.is_asked_for(id, before, node);
                        let allowed = cluster.allows(id, node)
                            && self.is_preferred(cluster, write, (id, after), node);
                        broken.unless(allowed || asked, Property::Affinity);
                        let apart = self.is_apart(cluster, write, id, node);
                        // Where partners are, it may have failed to start.
                        let together = !after.failed_nodes.is_empty()
                            || self.is_together(cluster, write, id, node);
                        broken.unless(apart && together, Property::Affinity);
                    }
                }
            }
            self.judge_location(id, write, broken);
        }
        self.judge_commands(setup, write, broken);
    }

    fn judge_entry(&self, id: ServiceId, before: &Entry, after: &Entry, broken: &mut Broken) {
        let resource = self.resource_of(id);
        let disabled = resource.is_none_or(|it| it.requested == Requested::Disabled);
        if before.state == ServiceState::Error && after.state != ServiceState::Error {
            broken.unless(disabled, Property::ErrorUntouched);
        }
        // Whether it may leave a node that is to be fenced is a question to that node's lock.
        let waits = [
            ServiceState::Freeze,
            ServiceState::Fence,
            ServiceState::Recovery,
        ];
        if before.state == ServiceState::Freeze && !waits.contains(&after.state) {
            let grant = before.node.and_then(|node| self.grant(node));
            let left = grant.is_some_and(|grant| grant.state.lists(id));
            broken.unless(!left, Property::FrozenUntouched);
        }
        let relocations = after.failed_nodes.len();
        let allowed = resource.map_or(0, |resource| resource.max_relocate);
        let tried = u32::try_from(relocations).unwrap_or(u32::MAX);
        broken.unless(tried <= allowed + 1, Property::PolicyBounds);
    }

    /// Whether no partner that is to be elsewhere is on `node`, or on its way there, once the write is
    /// applied.
    fn is_apart(&self, cluster: &ClusterSetup, write: &Write, id: ServiceId, node: NodeId) -> bool {
        cluster.partners_apart(id).all(|partner| {
            let entry = self.entry_after(write, partner);
            // One that is on its way away frees its place only once it has gone.
            entry.is_none_or(|entry| !entry.concerns(node) || !uses_a_node(entry.state))
        })
    }

    /// Whether one of the partners that a service is to be with is on `node`, or to go there, once the
    /// write is applied; none need be while all of them are nowhere, or where nobody can be asked.
    fn is_together(
        &self,
        cluster: &ClusterSetup,
        write: &Write,
        id: ServiceId,
        node: NodeId,
    ) -> bool {
        let partners = cluster.partners_together(id);
        let somewhere = partners
            .filter_map(|partner| self.entry_after(write, partner))
            .filter(|entry| uses_a_node(entry.state))
            .filter(|entry| entry.node.is_some_and(|on| self.is_online(write, on)));
        let mut somewhere = somewhere.peekable();
        let follows = |entry: &Entry| entry.concerns(node) || waits_for(entry, node);
        somewhere.peek().is_none() || somewhere.any(follows)
    }

    /// Whether every node that a service belongs on rather than on `node` can't have it.
    fn is_preferred(
        &self,
        cluster: &ClusterSetup,
        write: &Write,
        (id, after): (ServiceId, &Entry),
        node: NodeId,
    ) -> bool {
        let better = cluster.preferred_to(id, node).iter();
        let can = |one: &&NodeId| self.is_online(write, **one) && !after.failed_nodes.contains(one);
        better.filter(can).count() == 0
    }

    fn is_online(&self, write: &Write, node: NodeId) -> bool {
        let status = self.status_after(write);
        status.is_some_and(|status| status.nodes.get(node) == Some(&NodeState::Online))
    }

    /// Whether a person has named this node for a service, which node affinity doesn't forbid
    /// (`rules.md` 8.3): the service comes back from there.
    fn is_asked_for(&self, id: ServiceId, before: &Entry, node: NodeId) -> bool {
        let queued = waits_for(before, node);
        let mut commands = self.commands().iter();
        queued
            || commands.any(|command| {
                matches!(
                    command.parsed,
                    Some(Parsed::Move { service: Some(service), target: Some(target), .. })
                        if service == id && target == node
                )
            })
    }

    /// What nobody wants to run isn't moved off a dead node, and what is moved off one is nowhere
    /// paused so that it could go on.
    fn judge_location(&self, id: ServiceId, write: &Write, broken: &mut Broken) {
        let (Some(old), Some(new)) = (self.store.service(id), service_in(write, id)) else {
            return;
        };
        if old.location == new.location {
            return;
        }
        let disabled = self
            .resource_of(id)
            .is_none_or(|resource| resource.requested == Requested::Disabled);
        broken.unless(!disabled, Property::DisabledNotRecovered);
        broken.unless(!new.brought, Property::ResumesLatest);
    }

    /// A command that is taken in has led to something, or there was a reason against it.
    fn judge_commands(&self, setup: &Setup, write: &Write, broken: &mut Broken) {
        let Some(Data::Commands(left)) = data_in(write, DataKey::Commands) else {
            return;
        };
        let taken = self.commands();
        // Later ones may have undone what earlier ones led to.
        for (at, command) in taken.iter().enumerate() {
            let last = taken[at + 1..].is_empty();
            let lost = !left.contains(command) && last && !self.shows(setup, write, command);
            broken.unless(!lost, Property::NoLostCommand);
        }
    }

    fn shows(&self, setup: &Setup, write: &Write, command: &Command) -> bool {
        let (Some(status), Some(cluster)) = (self.status_after(write), &setup.cluster) else {
            return false;
        };
        match &command.parsed {
            None => true,
            Some(Parsed::Maintenance { node, enable }) => node.is_none_or(|node| {
                let there = matches!(
                    status.nodes.get(node),
                    Some(NodeState::Online | NodeState::Maintenance)
                );
                // Who isn't online can't be asked, nor can anybody while the stack is disarmed.
                let refused = *enable && (!there || status.disarm.is_some());
                refused || status.wants_maintenance(node) == *enable
            }),
            Some(Parsed::Disarm(_)) => status.disarm.is_some(),
            Some(Parsed::Arm) => status.disarm.is_none(),
            Some(Parsed::Move {
                service, target, ..
            }) => match (service, target) {
                (Some(service), Some(target)) => {
                    let apart = self.is_apart(cluster, write, *service, *target);
                    !apart || self.moves(write, status, *service, *target)
                }
                (None, _) | (_, None) => true,
            },
            Some(Parsed::Stop { service, .. }) => service.is_none_or(|service| {
                let stops = |entry: &Entry| {
                    matches!(entry.queued, Some(Queued::Stop { .. }))
                        || matches!(
                            entry.state,
                            ServiceState::RequestStop | ServiceState::Stopped
                        )
                        || !is_settled(entry.state)
                };
                self.entry_after(write, service).is_none_or(stops)
            }),
        }
    }

    /// Whether a service moves to a node, is there, waits to, or can't.
    fn moves(&self, write: &Write, status: &Status, service: ServiceId, target: NodeId) -> bool {
        let online = status.nodes.get(target) == Some(&NodeState::Online);
        let Some(entry) = self.entry_after(write, service).filter(|_| online) else {
            return true;
        };
        waits_for(entry, target)
            || entry.concerns(target)
            || !is_settled(entry.state)
            || status.disarm.is_some()
    }

    fn status_after<'a>(&'a self, write: &'a Write) -> Option<&'a Status> {
        match data_in(write, DataKey::Status) {
            Some(written) => written.as_status(),
            None => self.status(),
        }
    }

    fn entry_after<'a>(&'a self, write: &'a Write, id: ServiceId) -> Option<&'a Entry> {
        entry_in(write, id).unwrap_or_else(|| self.entry_of(id))
    }
}

fn data_in(write: &Write, key: DataKey) -> Option<&Data> {
    let mut puts = write.puts.iter();
    let put = puts.find(|put| put.key == Key::Data(key))?;
    put.record.as_data()
}

/// What a write says of a service's entry: that there is none any more, or what it is.
fn entry_in(write: &Write, id: ServiceId) -> Option<Option<&Entry>> {
    if let Data::Entry(entry) = data_in(write, DataKey::Entry(id))? {
        return Some(entry.as_ref());
    }
    None
}

fn service_in(write: &Write, id: ServiceId) -> Option<&Service> {
    let mut puts = write.puts.iter();
    let put = puts.find(|put| put.key == Key::Service(id))?;
    put.record.as_service()
}

/// The node that was chosen for a service in this write, if one was.
fn chosen(before: &Entry, after: &Entry) -> Option<NodeId> {
    if after.target.is_some() && after.target != before.target {
        return after.target;
    }
    // A move that ended brings it where it was sent.
    let arrived = after.node == before.target;
    after.node.filter(|_| after.node != before.node && !arrived)
}

/// Whether a move to a node is to begin once the service can be moved.
fn waits_for(entry: &Entry, node: NodeId) -> bool {
    matches!(entry.queued, Some(Queued::Move { target, .. }) if target == node)
}

/// Whether a service in this state runs, or may run, on its node (`scheduling.md` 2.1).
const fn uses_a_node(state: ServiceState) -> bool {
    match state {
        ServiceState::Started
        | ServiceState::Migrate
        | ServiceState::Relocate
        | ServiceState::RequestStart
        | ServiceState::RequestStartBalance
        | ServiceState::RequestStop
        | ServiceState::Freeze
        | ServiceState::Error => true,
        ServiceState::Stopped | ServiceState::Fence | ServiceState::Recovery => false,
    }
}

/// Whether a command for a service in this state is carried out at once.
const fn is_settled(state: ServiceState) -> bool {
    matches!(state, ServiceState::Started)
}
