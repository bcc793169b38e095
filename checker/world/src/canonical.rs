//! One representative of all worlds that behave alike.
//!
//! Instants are kept relative to a clock that always reads the same; whatever lies further back
//! than the rebase bound is as old as the bound. Opaque ids are renamed by rank within what they
//! are compared with. Inboxes, workers and delayed requests are sets. Hosts that the setup can't
//! tell apart are put in the order that gives the least world.

use lockstep_model::contender::{self, Contender};
use lockstep_model::id::{BootId, Incarnation, LockId, MachineId, NodeId, RequestId, Revision};
use lockstep_model::lrm::{self, Lrm};
use lockstep_model::master::Master;
use lockstep_model::record::{Key, Outcome};
use lockstep_model::time::{Instant, Span};
use lockstep_model::visit::{Visit, VisitDeadline, Visitor};

use crate::action::Proc;
use crate::crm::FromStore;
use crate::setup::{Fault, Setup};
use crate::shared::Shared;
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
        self.lrms.visit(visitor);
        self.mux.visit(visitor);
        self.contender.visit(visitor);
        self.crm.visit(visitor);
        self.visit_own(visitor);
    }
}

impl Host {
    /// Shows what isn't in one of the processes that [`Shared`] holds.
    pub(crate) fn visit_own<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.node.visit(visitor);
        visitor.machine(&mut self.machine);
        self.boot.visit(visitor);
        self.next_incarnation.visit(visitor);
        self.kill_timer.visit_deadline(visitor);
        self.mux_peer.visit(visitor);
        self.presence.visit(visitor);
        self.stand_in.visit(visitor);
        self.workers.visit(visitor);
        self.agents.visit(visitor);
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

/// Whether an inbox holds an answer that its process has given up.
fn holds_unawaited<M, I, E>(
    process: &Shared<Process<M, I, E>>,
    is_unawaited: impl Fn(&M, &I) -> bool,
) -> bool {
    let mut inbox = process.inbox.iter();
    inbox.any(|input| is_unawaited(&process.machine, input))
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
        let by_lrm = |machine: &Lrm, input: &lrm::Input| {
            let answers = input.answers();
            answers.is_some_and(|request| !machine.awaits(request))
        };
        let by_contender = |machine: &Contender, input: &contender::Input| {
            let answers = input.answers();
            answers.is_some_and(|request| !machine.awaits(request))
        };
        let by_crm = |machine: &Master, input: &FromStore| !machine.awaits(input.answers());
        for host in &mut self.hosts {
            for at in 0..host.lrms.len() {
                if holds_unawaited(&host.lrms[at], by_lrm) {
                    let Process { machine, inbox, .. } = &mut *host.lrms[at];
                    inbox.retain(|input| !by_lrm(machine, input));
                }
            }
            let contender = host.contender.as_ref();
            if contender.is_some_and(|it| holds_unawaited(it, by_contender))
                && let Some(contender) = &mut host.contender
            {
                let Process { machine, inbox, .. } = &mut **contender;
                inbox.retain(|input| !by_contender(machine, input));
            }
            let crm = host.crm.as_ref();
            if crm.is_some_and(|crm| holds_unawaited(crm, by_crm))
                && let Some(crm) = &mut host.crm
            {
                let Process { machine, inbox, .. } = &mut **crm;
                inbox.retain(|input| !by_crm(machine, input));
            }
        }
    }

    pub(crate) fn sort_sets(&mut self) {
        for host in &mut self.hosts {
            for at in 0..host.lrms.len() {
                if !host.lrms[at].inbox.is_sorted() {
                    host.lrms[at].inbox.sort_unstable();
                }
            }
            let by_connection = |mux: &Shared<Process<_, FromClient, _>>| {
                mux.inbox.is_sorted_by_key(|message| message.from)
            };
            if !host.mux.as_ref().is_none_or(by_connection)
                && let Some(mux) = &mut host.mux
            {
                // Stable: what came over one connection keeps its order.
                mux.inbox.sort_by_key(|message| message.from);
            }
            let contender = host.contender.as_ref();
            if !contender.is_none_or(|it| it.inbox.is_sorted())
                && let Some(contender) = &mut host.contender
            {
                contender.inbox.sort_unstable();
            }
            if !host.crm.as_ref().is_none_or(|it| it.inbox.is_sorted())
                && let Some(crm) = &mut host.crm
            {
                crm.inbox.sort_unstable();
            }
            if !host.workers.is_sorted() {
                host.workers.sort_unstable();
            }
            if !host.agents.is_sorted() {
                host.agents.sort_unstable();
            }
        }
        if !self.store.delayed.is_sorted() {
            self.store.delayed.sort_unstable();
        }
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
        let mut hosts = vec![None; world.hosts.len()];
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
