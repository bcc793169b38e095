//! One representative of all worlds that behave alike.
//!
//! Instants are kept relative to a clock that always reads the same; whatever lies further back
//! than the rebase bound is as old as the bound. Opaque ids are renamed by rank within what they
//! are compared with. Inboxes, workers and delayed requests are sets. Hosts that the setup can't
//! tell apart are put in the order that gives the least world.

use lockstep_model::id::{
    BootId, Epoch, Incarnation, LockId, MachineId, NodeId, RequestId, Revision, Uid,
};
use lockstep_model::lrm;
use lockstep_model::record::{Key, Outcome};
use lockstep_model::time::{Instant, Span};
use lockstep_model::visit::{Visit, VisitDeadline, Visitor};

use crate::action::Proc;
use crate::crm::FromStore;
use crate::setup::{Fault, Setup};
use crate::state::{
    Delayed, FromClient, Host, IDS_PER_HOST, LockHistory, Process, Stage, Store, Worker, World,
};

/// Moves all instants back by what a clock has advanced.
struct Shift {
    ticks: u64,
    /// A deadline that has passed by so much that nothing still happens because of it.
    over: Instant,
}

impl Visitor for Shift {
    fn instant(&mut self, instant: &mut Instant) {
        instant.0 = instant.0.saturating_sub(self.ticks);
    }
    fn deadline(&mut self, at: &mut Instant) {
        self.instant(at);
        *at = (*at).max(self.over);
    }
}

/// With what revisions are compared in a world.
#[derive(Clone, Copy, Default)]
struct Scope {
    /// Those of a record with others of the same record alone, but for agents' grants.
    data: bool,
    /// Those of agents' grants so, too: no LRM is there, which compares what it read with its own.
    all: bool,
    /// Nothing that was read or written is on its way.
    quiet: bool,
}

impl Scope {
    const fn is_alone(self, key: Key) -> bool {
        match key {
            Key::Data(_) | Key::Service(_) | Key::Beat(_) | Key::Grant(LockId::Manager) => {
                self.data
            }
            Key::Grant(LockId::Agent(_)) => self.all,
        }
    }
}

/// Every id in use, by what it is compared with.
#[derive(Default)]
struct Ids {
    scope: Scope,
    revisions: Vec<u64>,
    of_records: Vec<(Key, u64)>,
    /// How many of one record's there are at most: the store's own come after all of them.
    longest: u64,
    epochs: Vec<(LockId, u64)>,
    boots: Vec<u128>,
    incarnations: Vec<u64>,
    requests: Vec<(u64, u64)>,
    uids: Vec<u64>,
}

impl Visitor for Ids {
    fn revision(&mut self, revision: &mut Revision) {
        self.revisions.push(revision.0);
    }
    fn revision_under(&mut self, key: Key, revision: &mut Revision) {
        match self.scope.is_alone(key) {
            true => self.of_records.push((key, revision.0)),
            false => self.revisions.push(revision.0),
        }
    }
    fn horizon(&mut self, revision: &mut Revision) {
        if !self.scope.quiet {
            self.revisions.push(revision.0);
        }
    }
    fn epoch(&mut self, lock: LockId, epoch: &mut Epoch) {
        self.epochs.push((lock, epoch.0));
    }
    fn boot(&mut self, boot: &mut BootId) {
        self.boots.push(boot.0);
    }
    fn incarnation(&mut self, incarnation: &mut Incarnation) {
        self.incarnations.push(incarnation.0);
    }
    fn request(&mut self, process: Incarnation, request: &mut u64) {
        self.requests.push((process.0, *request));
    }
    fn uid(&mut self, uid: &mut Uid) {
        self.uids.push(uid.0);
    }
}

fn sort<T: Ord>(values: &mut Vec<T>) {
    values.sort_unstable();
    values.dedup();
}

/// How many of the sorted values come before this one in its group, and itself.
fn rank<T: Ord>(values: &[T], value: &T, first_of_group: &T) -> u64 {
    let before = |value: &T| values.partition_point(|other| other < value) as u64;
    before(value) - before(first_of_group) + 1
}

/// The outcome that an answer to an LRM tells.
fn lrm_outcome(input: &lrm::Input) -> Option<Outcome> {
    if let lrm::Input::Written { outcome, .. } = input {
        return Some(*outcome);
    }
    None
}

/// Replaces every id by its rank.
struct Rename(Ids);

impl Visitor for Rename {
    fn revision(&mut self, revision: &mut Revision) {
        revision.0 = self.0.longest + rank(&self.0.revisions, &revision.0, &0);
    }
    fn revision_under(&mut self, key: Key, revision: &mut Revision) {
        match self.0.scope.is_alone(key) {
            true => revision.0 = rank(&self.0.of_records, &(key, revision.0), &(key, 0)),
            false => self.revision(revision),
        }
    }
    fn horizon(&mut self, revision: &mut Revision) {
        match self.0.scope.quiet {
            // Whatever comes is at least as new as the store is now.
            true => revision.0 = self.0.longest + self.0.revisions.len() as u64,
            false => self.revision(revision),
        }
    }
    fn epoch(&mut self, lock: LockId, epoch: &mut Epoch) {
        epoch.0 = rank(&self.0.epochs, &(lock, epoch.0), &(lock, 0));
    }
    fn boot(&mut self, boot: &mut BootId) {
        let group = boot.0 / u128::from(IDS_PER_HOST) * u128::from(IDS_PER_HOST);
        boot.0 = group + u128::from(rank(&self.0.boots, &boot.0, &group));
    }
    fn incarnation(&mut self, incarnation: &mut Incarnation) {
        let group = incarnation.0 / IDS_PER_HOST * IDS_PER_HOST;
        incarnation.0 = group + rank(&self.0.incarnations, &incarnation.0, &group);
    }
    fn request(&mut self, process: Incarnation, request: &mut u64) {
        let lane = *request / RequestId::LANE * RequestId::LANE;
        let first = (process.0, lane);
        *request = lane + rank(&self.0.requests, &(process.0, *request), &first);
    }
    fn uid(&mut self, uid: &mut Uid) {
        uid.0 = rank(&self.0.uids, &uid.0, &0);
    }
}

/// Exchanges hosts: `0.1[i]` is where host i goes.
struct Permute<'a> {
    setup: &'a Setup,
    to: &'a [usize],
}

impl Permute<'_> {
    fn id(&self, id: u64) -> u64 {
        let host = usize::try_from(id / IDS_PER_HOST).unwrap_or(usize::MAX);
        let target = self.to.get(host).copied().unwrap_or(host);
        target as u64 * IDS_PER_HOST + id % IDS_PER_HOST
    }
}

impl Visitor for Permute<'_> {
    fn boot(&mut self, boot: &mut BootId) {
        if let Ok(id) = u64::try_from(boot.0) {
            boot.0 = u128::from(self.id(id));
        }
    }
    fn incarnation(&mut self, incarnation: &mut Incarnation) {
        incarnation.0 = self.id(incarnation.0);
    }
    fn machine(&mut self, machine: &mut MachineId) {
        let hosts = &self.setup.hosts;
        if let Some(host) = hosts.iter().position(|host| host.machine == *machine) {
            *machine = hosts[self.to[host]].machine;
        }
    }
    fn node(&mut self, node: &mut NodeId) {
        let hosts = &self.setup.hosts;
        if let Some(host) = hosts.iter().position(|host| host.node == *node) {
            *node = hosts[self.to[host]].node;
        }
    }
}

impl<M: Visit, I: Visit, E: Visit> Visit for Process<M, I, E> {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.incarnation.visit(visitor);
        self.machine.visit(visitor);
        self.outbox.visit(visitor);
        self.inbox.visit(visitor);
    }
}

impl Visit for FromClient {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.from.visit(visitor);
        self.request.visit(visitor);
    }
}

impl Visit for Worker {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.id.visit(visitor);
        self.owner.visit(visitor);
        self.job.visit(visitor);
    }
}

impl Visit for Host {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.node.visit(visitor);
        visitor.machine(&mut self.machine);
        self.boot.visit(visitor);
        self.next_incarnation.visit(visitor);
        self.kill_timer.visit_deadline(visitor);
        self.lrms.visit(visitor);
        self.mux.visit(visitor);
        self.mux_peer.visit(visitor);
        self.contender.visit(visitor);
        self.crm.visit(visitor);
        self.presence.visit(visitor);
        self.stand_in.visit(visitor);
        self.workers.visit(visitor);
        for failed in &mut self.failed {
            failed.uid.visit(visitor);
        }
        self.last_deadline.visit(visitor);
    }
}

impl Visit for Delayed {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.from.visit(visitor);
        match &mut self.stage {
            Stage::Sent { sender, write } => {
                sender.visit(visitor);
                write.visit(visitor);
            }
            Stage::Written(request, outcome) => {
                request.visit(visitor);
                outcome.visit(visitor);
            }
            Stage::Read(request, snapshot) => {
                request.visit(visitor);
                snapshot.visit(visitor);
            }
        }
    }
}

impl Visit for LockHistory {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        if let LockId::Agent(node) = &mut self.lock {
            visitor.node(node);
        }
        if self.taken != Revision::ABSENT {
            visitor.term_began(Key::Grant(self.lock), &mut self.taken);
        }
        self.unready.visit(visitor);
    }
}

impl Visit for Store {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.revision.visit(visitor);
        self.entries.visit(visitor);
        self.delayed.visit(visitor);
        self.locks.visit(visitor);
        if let Some(before) = &mut self.before {
            before.0.visit(visitor);
            before.1.visit(visitor);
        }
    }
}

impl Visit for World {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.hosts.visit(visitor);
        self.store.visit(visitor);
    }
}

impl Host {
    /// The host's clock has advanced by `ticks`: its instants move back by as much.
    pub fn rebase(&mut self, setup: &Setup, ticks: u64) {
        let over = World::now(setup).minus(Span(setup.physics.kernel_delay + 1));
        self.visit(&mut Shift { ticks, over });
    }
}

impl World {
    /// Replaces this world by the representative of all that behave like it.
    pub fn canonicalize(&mut self, setup: &Setup) {
        self.forget_the_dead(setup);
        if setup.reduce {
            self.forget_the_unawaited();
        }
        if setup.reorder {
            self.reorder();
        }
        self.rename(setup);
        if setup.symmetric.len() > 1 {
            self.least_permutation(setup);
        }
    }

    /// Requests that can never be applied any more are as good as refused. Drops answers that nobody
    /// takes in any more.
    fn forget_the_dead(&mut self, setup: &Setup) {
        if self.store.delayed.is_empty() {
            return;
        }
        // A store that forgets may be again what a request compares.
        let rolls_back = setup.allows(Fault::Rollback);
        let mut delayed = std::mem::take(&mut self.store.delayed);
        delayed.retain_mut(|one| {
            if let Stage::Sent { write, .. } = &one.stage
                && !rolls_back
                && !self.store.would_apply(write)
            {
                one.stage = Stage::Written(write.request, Outcome::Refused);
            }
            match &one.stage {
                Stage::Sent { .. } => true,
                Stage::Written(request, _) | Stage::Read(request, _) => {
                    self.awaits(one.from, *request)
                }
            }
        });
        self.store.delayed = delayed;
    }

    /// Whether a process still takes in the answer to its request.
    fn awaits(&self, from: Incarnation, request: RequestId) -> bool {
        let Some((host, proc)) = self.find_process(from) else {
            return false;
        };
        let host = &self.hosts[host];
        match proc {
            Proc::Lrm(index) => host.lrms[index].machine.awaits(request),
            Proc::Contender => {
                let contender = host.contender.as_ref();
                contender.is_some_and(|it| it.machine.awaits(request))
            }
            Proc::Crm => host
                .crm
                .as_ref()
                .is_some_and(|crm| crm.machine.awaits(request)),
            Proc::Mux => false,
        }
    }

    /// Drops answers that their process has given up: taking them in would be no more than a look
    /// at the clock, and whatever is due wakes it anyway.
    fn forget_the_unawaited(&mut self) {
        for host in &mut self.hosts {
            for lrm in &mut host.lrms {
                let machine = &lrm.machine;
                lrm.inbox.retain(|input| {
                    input
                        .answers()
                        .is_none_or(|request| machine.awaits(request))
                });
            }
            if let Some(contender) = &mut host.contender {
                let machine = &contender.machine;
                contender.inbox.retain(|input| {
                    input
                        .answers()
                        .is_none_or(|request| machine.awaits(request))
                });
            }
            if let Some(crm) = &mut host.crm {
                let machine = &crm.machine;
                crm.inbox.retain(|input| machine.awaits(input.answers()));
            }
        }
    }

    /// With what revisions are compared here. Where a write's answer is on its way, its one revision
    /// stands for those of several records, and all are kept in one order.
    fn scope(&self, setup: &Setup) -> Scope {
        if setup.cluster.is_none() {
            return Scope::default();
        }
        let applied = |outcome: &Outcome| matches!(outcome, Outcome::Applied(_));
        let under_way = |stage: &Stage| match stage {
            Stage::Written(_, outcome) => applied(outcome),
            Stage::Sent { .. } | Stage::Read(..) => false,
        };
        let answered = |host: &Host| {
            let crm = host.crm.iter().flat_map(|crm| &crm.inbox);
            let lrms = host.lrms.iter().flat_map(|lrm| &lrm.inbox);
            let mut outcomes = crm.map(FromStore::outcome).chain(lrms.map(lrm_outcome));
            outcomes.any(|outcome| outcome.is_some_and(|outcome| applied(&outcome)))
        };
        let in_flight = self.store.delayed.iter().any(|one| under_way(&one.stage))
            || self.hosts.iter().any(answered);
        let idle = |host: &Host| {
            host.crm.as_ref().is_none_or(|crm| crm.inbox.is_empty()) && host.lrms.is_empty()
        };
        let quiet = self.store.delayed.is_empty() && self.hosts.iter().all(idle);
        let lrms = self.hosts.iter().any(|host| !host.lrms.is_empty());
        Scope {
            data: !in_flight,
            all: !in_flight && !lrms && setup.hosts.iter().all(|host| !host.lrm),
            quiet,
        }
    }

    fn rename(&mut self, setup: &Setup) {
        let mut ids = Ids {
            scope: self.scope(setup),
            ..Ids::default()
        };
        self.visit(&mut ids);
        sort(&mut ids.revisions);
        sort(&mut ids.of_records);
        let of_one = ids.of_records.chunk_by(|one, other| one.0 == other.0);
        ids.longest = of_one.map(|all| all.len() as u64).max().unwrap_or(0);
        sort(&mut ids.epochs);
        sort(&mut ids.boots);
        sort(&mut ids.incarnations);
        sort(&mut ids.requests);
        sort(&mut ids.uids);
        self.visit(&mut Rename(ids));
        self.sort_sets();
    }

    fn sort_sets(&mut self) {
        for host in &mut self.hosts {
            for lrm in &mut host.lrms {
                lrm.inbox.sort_unstable();
            }
            if let Some(mux) = &mut host.mux {
                // Stable: what came over one connection keeps its order.
                mux.inbox.sort_by_key(|message| message.from);
            }
            if let Some(contender) = &mut host.contender {
                contender.inbox.sort_unstable();
            }
            if let Some(crm) = &mut host.crm {
                crm.inbox.sort_unstable();
            }
            host.workers.sort_unstable();
        }
        self.store.delayed.sort_unstable();
    }

    fn least_permutation(&mut self, setup: &Setup) {
        let mut best: Option<Self> = None;
        permutations(&setup.symmetric, &mut |order| {
            let mut to: Vec<usize> = (0..self.hosts.len()).collect();
            for (from, target) in setup.symmetric.iter().zip(order) {
                to[*from] = *target;
            }
            let candidate = self.permuted(setup, &to);
            if best.as_ref().is_none_or(|best| candidate < *best) {
                best = Some(candidate);
            }
        });
        if let Some(best) = best {
            *self = best;
        }
    }

    /// The same cluster with its hosts in another order; `to[i]` is where host i goes.
    #[must_use]
    pub fn permuted(&self, setup: &Setup, to: &[usize]) -> Self {
        let mut world = self.clone();
        world.visit(&mut Permute { setup, to });
        let mut hosts: Vec<Option<Host>> = vec![None; world.hosts.len()];
        for (from, host) in std::mem::take(&mut world.hosts).into_iter().enumerate() {
            hosts[to[from]] = Some(host);
        }
        world.hosts = hosts.into_iter().flatten().collect();
        world.store.entries.sort_unstable_by_key(|entry| entry.key);
        if let Some(before) = &mut world.store.before {
            before.1.sort_unstable_by_key(|entry| entry.key);
        }
        world
            .store
            .locks
            .sort_unstable_by_key(|history| history.lock);
        if setup.reorder {
            world.reorder();
        }
        world.rename(setup);
        world
    }
}

/// Calls `each` with every order of `items`.
fn permutations(items: &[usize], each: &mut impl FnMut(&[usize])) {
    fn go(rest: &mut Vec<usize>, chosen: &mut Vec<usize>, each: &mut impl FnMut(&[usize])) {
        if rest.is_empty() {
            each(chosen);
            return;
        }
        for index in 0..rest.len() {
            let item = rest.remove(index);
            chosen.push(item);
            go(rest, chosen, each);
            chosen.pop();
            rest.insert(index, item);
        }
    }
    go(&mut items.to_vec(), &mut Vec::new(), each);
}
