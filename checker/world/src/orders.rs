//! What the manager may order, where it is abstract.
//!
//! A master writes a service's record in conditional writes: each compares the manager lock's grant
//! and the record's own revision, so that whatever was decided on an older record is refused. What
//! is left of the manager, seen from LRMs, is the content of those writes, at any time and in any
//! order: [`legal`]. It doesn't ask why. A manager in its right mind gives fewer orders; every
//! one that it gives has to be one of these.
//!
//! * An order is new, or takes nothing back: it has a uid that was never given before, or leaves the
//!   uid and has the service left alone.
//! * Where a service belongs is left as it is, or changes under the lock of the node that it
//!   leaves. Nothing leaves that its node's grant lists as running unguarded, nor what is unowned:
//!   what was nobody's concern, until an LRM has reported on it.
//! * What was recovered is not on its way, nor waits for a fence, under the same write.
//! * A service moves to another node than it is on.
//! * That a live move brought it is said for as long as it stays and is somebody's concern.
//!
//! Nothing else is forbidden: a move may be taken back, changed or repeated before, while and after
//! it is carried out, and a service may be ordered to run, to stop or to be left at any moment.

use lockstep_model::contender;
use lockstep_model::id::{LockId, NodeId, Revision, ServiceId, Uid};
use lockstep_model::record::{Grant, GrantState, Key, Put, Record, Service, Wanted};

use crate::crm::Said;
use crate::setup::{Order, Setup};
use crate::state::World;

/// What an order rests on beside the record that it replaces.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    /// The grant of the node's lock that the manager holds, if it holds it.
    pub held: Option<&'a Grant>,
    /// Whether no LRM has reported on the service since it was nobody's concern.
    pub unowned: bool,
    /// The newest uid ever given.
    pub newest: Uid,
}

/// Whether a manager may replace this record by that one.
#[must_use]
pub fn legal(id: ServiceId, before: &Service, after: &Service, grounds: &Grounds<'_>) -> bool {
    if before == after {
        return true;
    }
    let takes_nothing_back = match after.wanted {
        Wanted::Ignored | Wanted::Untouched => true,
        Wanted::Started | Wanted::Stopped | Wanted::Fenced | Wanted::Moved { .. } => {
            after.wanted == before.wanted
        }
    };
    let numbered = after.uid > grounds.newest || (after.uid == before.uid && takes_nothing_back);
    let leads_away = after.target() != Some(after.location) || after.wanted == before.wanted;
    let stays = before.location == after.location && after.wanted != Wanted::Ignored;
    let brought = after.brought == (before.brought && stays);
    numbered && leads_away && brought && may_be_there(id, before, after, grounds)
}

fn may_be_there(id: ServiceId, before: &Service, after: &Service, grounds: &Grounds<'_>) -> bool {
    if before.location == after.location {
        return true;
    }
    let under_lock = grounds.held.is_some_and(|grant| !grant.state.lists(id));
    let settled = match after.wanted {
        Wanted::Started | Wanted::Stopped | Wanted::Untouched | Wanted::Ignored => true,
        Wanted::Fenced | Wanted::Moved { .. } => false,
    };
    under_lock && settled && !grounds.unowned
}

impl Order {
    /// What that says in a service's record, once for each node that it may name.
    fn wanted(self, nodes: &[NodeId]) -> Vec<Wanted> {
        match self {
            Self::Start => vec![Wanted::Started],
            Self::Stop => vec![Wanted::Stopped],
            Self::LeaveUntouched => vec![Wanted::Untouched],
            Self::Ignore => vec![Wanted::Ignored],
            Self::Fence => vec![Wanted::Fenced],
            Self::Move(kind) => nodes
                .iter()
                .map(|target| Wanted::Moved {
                    target: *target,
                    kind,
                })
                .collect(),
        }
    }
}

impl World {
    /// The newest uid that stands in any record. Every order has a newer one than those before it,
    /// so it is the newest ever given.
    fn newest_uid(&self) -> Uid {
        let services = self.store.entries.iter();
        let uids = services.filter_map(|entry| Some(entry.record.as_service()?.uid));
        uids.max().unwrap_or(Uid(0))
    }

    /// The record that an order leads to. Only what has a service ignored is no order of its own.
    fn ordered(&self, setup: &Setup, before: &Service, wanted: Wanted) -> Service {
        let uid = match wanted {
            Wanted::Ignored => before.uid,
            Wanted::Started
            | Wanted::Stopped
            | Wanted::Untouched
            | Wanted::Fenced
            | Wanted::Moved { .. } => Uid(self.newest_uid().0 + 1),
        };
        Service {
            brought: before.brought && wanted != Wanted::Ignored,
            wanted,
            uid,
            restarts_max: setup.restarts_max,
            ..before.clone()
        }
    }

    /// What the manager may order a service now, where it is.
    pub(crate) fn orders(&self, setup: &Setup, id: ServiceId) -> Vec<Wanted> {
        let Some(before) = self.store.service(id) else {
            return Vec::new();
        };
        let nodes: Vec<NodeId> = setup
            .hosts
            .iter()
            .filter(|host| host.lrm)
            .map(|host| host.node)
            .collect();
        let grounds = Grounds {
            held: None,
            unowned: self.unowned.contains(&id),
            newest: self.newest_uid(),
        };
        let given = usize::from(setup.orders_budget - self.orders_left);
        let all: &[Order] = match setup.orders_in_turn {
            true => setup.orders.get(given..=given).unwrap_or_default(),
            false => &setup.orders,
        };
        let all = all.iter().flat_map(|order| order.wanted(&nodes));
        let may = |wanted: &Wanted| {
            // The same again is another order only where its uid is another.
            let after = self.ordered(setup, before, *wanted);
            after != *before && legal(id, before, &after, &grounds)
        };
        all.filter(may).collect()
    }

    /// The manager gives an order.
    pub(crate) fn give_order(&mut self, setup: &Setup, id: ServiceId, wanted: Wanted) {
        let Some(before) = self.store.service(id) else {
            return;
        };
        let after = self.ordered(setup, before, wanted);
        if wanted == Wanted::Ignored && !self.unowned.contains(&id) {
            self.unowned.push(id);
            self.unowned.sort_unstable();
        }
        let put = Put {
            key: Key::Service(id),
            record: Record::Service(after),
        };
        self.write_by_hand(setup, vec![put]);
    }

    /// Whether the manager may recover a service to another node, the lock being held.
    pub(crate) fn may_recover(&self, setup: &Setup, host: usize, id: ServiceId, to: usize) -> bool {
        let contender = self.hosts[host].contender.as_ref();
        let held = contender.and_then(|it| self.grant(it.machine.node()));
        let Some(before) = self.store.service(id) else {
            return false;
        };
        let grounds = Grounds {
            held,
            unowned: self.unowned.contains(&id),
            newest: self.newest_uid(),
        };
        legal(id, before, &self.recovered(setup, before, to), &grounds)
    }

    fn recovered(&self, setup: &Setup, before: &Service, to: usize) -> Service {
        self.ordered(setup, before, Wanted::Started)
            .recovered_to(setup.hosts[to].node)
    }

    /// The manager recovers a service under the lock that it holds, under a new order.
    pub(crate) fn recover(
        &mut self,
        setup: &Setup,
        host: usize,
        service: ServiceId,
        to: usize,
    ) -> Vec<Said> {
        let Some(before) = self.store.service(service) else {
            return Vec::new();
        };
        let order = self.recovered(setup, before, to);
        self.step_contender(setup, host, contender::Input::Recover { service, order })
    }

    /// Whether a node's own LRM holds its lock guarded.
    #[must_use]
    pub fn is_ready(&self, node: NodeId) -> bool {
        self.grant(node).is_some_and(|grant| {
            grant.holder.node == node && grant.state == GrantState::HeldGuarded
        })
    }

    /// Remembers since when a node is not ready any more to receive anything.
    pub(crate) fn note_readiness(&mut self, put: &Put, revision: Revision) {
        let (Key::Grant(LockId::Agent(node)), Record::Grant(grant)) = (put.key, &put.record) else {
            return;
        };
        let was = self.is_ready(node);
        let is = grant.holder.node == node && grant.state == GrantState::HeldGuarded;
        if let Some(lock) = self
            .store
            .locks
            .iter_mut()
            .find(|lock| lock.lock == LockId::Agent(node))
        {
            match (was, is) {
                (_, true) => lock.unready = Revision::ABSENT,
                (true, false) => lock.unready = revision,
                (false, false) => {}
            }
        }
    }

    /// An LRM that says that a service's present order was carried out, or needn't be, has found out how
    /// the service is: from then on it is owned.
    pub(crate) fn note_owners(&mut self, setup: &Setup) {
        if self.unowned.is_empty() {
            return;
        }
        let config = setup.config(self.reconfigured);
        let now = Self::now(setup);
        let mut unowned = std::mem::take(&mut self.unowned);
        unowned.retain(|id| {
            let order = self.store.service(*id);
            let order = order.filter(|order| order.wanted != Wanted::Ignored);
            let Some(order) = order else { return true };
            let lrms = self.hosts.iter().flat_map(|host| &host.lrms);
            let mut said = lrms.filter_map(|lrm| lrm.machine.published(config, now));
            !said.any(|said| {
                let mut results = said.results.iter();
                results.any(|result| result.uid == order.uid && result.code.shows_service())
            })
        });
        self.unowned = unowned;
    }
}
