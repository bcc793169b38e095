//! Ids by their ranks: the names that they have in every world.

use std::cell::Cell;

use lockstep_model::id::{BootId, Epoch, Incarnation, LockId, RequestId, Revision, Uid};
use lockstep_model::lrm;
use lockstep_model::record::{Key, Outcome};
use lockstep_model::visit::{Visit, Visitor};

use crate::crm::FromStore;
use crate::setup::Setup;
use crate::shared::{Id, Shared};
use crate::state::{Host, IDS_PER_HOST, Process, Stage, World};

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
    /// What is known of the store, where it gets the highest rank whatever it is.
    horizons: Vec<u64>,
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
        match self.scope.quiet {
            true => self.horizons.push(revision.0),
            false => self.revisions.push(revision.0),
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

impl Ids {
    /// Forgets all ids, and keeps the room that they took.
    fn begin(&mut self, scope: Scope) {
        let Self {
            scope: last,
            revisions,
            of_records,
            longest,
            epochs,
            boots,
            incarnations,
            requests,
            uids,
            horizons,
        } = self;
        (*last, *longest) = (scope, 0);
        for values in [revisions, incarnations, uids, horizons] {
            values.clear();
        }
        of_records.clear();
        epochs.clear();
        boots.clear();
        requests.clear();
    }

    /// Each once, in ascending order.
    fn sort(&mut self) {
        sort(&mut self.revisions);
        sort(&mut self.of_records);
        let of_one = self.of_records.chunk_by(|one, other| one.0 == other.0);
        self.longest = of_one.map(|all| all.len() as u64).max().unwrap_or(0);
        sort(&mut self.epochs);
        sort(&mut self.boots);
        sort(&mut self.incarnations);
        sort(&mut self.requests);
        sort(&mut self.uids);
    }

    /// Whether every id is its rank, so that there is nothing to rename.
    fn are_ranks(&self) -> bool {
        let last = self.longest + self.revisions.len() as u64;
        let boots = self.boots.chunk_by(|one, other| {
            one / u128::from(IDS_PER_HOST) == other / u128::from(IDS_PER_HOST)
        });
        let incarnations =
            (self.incarnations).chunk_by(|one, other| one / IDS_PER_HOST == other / IDS_PER_HOST);
        let lane = |request: u64| request / RequestId::LANE;
        let requests =
            (self.requests).chunk_by(|one, other| one.0 == other.0 && lane(one.1) == lane(other.1));
        let records = self.of_records.chunk_by(|one, other| one.0 == other.0);
        let epochs = self.epochs.chunk_by(|one, other| one.0 == other.0);
        follow(self.revisions.iter().copied(), self.longest)
            && follow(self.uids.iter().copied(), 0)
            && self.horizons.iter().all(|horizon| *horizon == last)
            && { records }.all(|all| follow(all.iter().map(|one| one.1), 0))
            && { epochs }.all(|all| follow(all.iter().map(|one| one.1), 0))
            && { boots }.all(|all| {
                let first = all[0] / u128::from(IDS_PER_HOST) * u128::from(IDS_PER_HOST);
                let mut next = first;
                all.iter().all(|boot| {
                    next += 1;
                    *boot == next
                })
            })
            && { incarnations }.all(|all| {
                let group = all[0] / IDS_PER_HOST * IDS_PER_HOST;
                follow(all.iter().copied(), group)
            })
            && { requests }.all(|all| {
                let first = lane(all[0].1) * RequestId::LANE;
                follow(all.iter().map(|one| one.1), first)
            })
    }
}

/// Whether these are the numbers after `before`, one after the other.
fn follow(numbers: impl Iterator<Item = u64>, before: u64) -> bool {
    numbers
        .zip(before + 1..)
        .all(|(number, expected)| number == expected)
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

/// The outcome that an answer to an LRM tells.
fn lrm_outcome(input: &lrm::Input) -> Option<Outcome> {
    if let lrm::Input::Written { outcome, .. } = input {
        return Some(*outcome);
    }
    None
}

thread_local! {
    /// Room for ids.
    static IDS: Cell<Ids> = Cell::new(Ids::default());
}

/// Whether a visitor changes any of these.
fn changes(visitor: &mut Rename, ids: &[Id]) -> bool {
    ids.iter().any(|before| {
        let mut after = *before;
        after.show(visitor);
        after != *before
    })
}

/// Renames the ids of a process, if there is one and its ids change.
fn rename_process<M, I, E>(
    host: &mut Shared<Host>,
    rename: &mut Rename,
    of: impl Fn(&Host) -> Option<&Shared<Process<M, I, E>>>,
    of_mut: impl Fn(&mut Host) -> Option<&mut Shared<Process<M, I, E>>>,
) where
    Process<M, I, E>: Visit + Clone,
{
    if of(host).is_some_and(|process| changes(rename, process.noted()))
        && let Some(process) = of_mut(host)
    {
        process.visit(rename);
    }
}

impl World {
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
        let answered = |host: &Shared<Host>| {
            let crm = host.crm.iter().flat_map(|crm| &crm.inbox);
            let lrms = host.lrms.iter().flat_map(|lrm| &lrm.inbox);
            let mut outcomes = crm.map(FromStore::outcome).chain(lrms.map(lrm_outcome));
            outcomes.any(|outcome| outcome.is_some_and(|outcome| applied(&outcome)))
        };
        let in_flight = self.store.delayed.iter().any(|one| under_way(&one.stage))
            || self.hosts.iter().any(answered);
        let idle = |host: &Shared<Host>| {
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

    /// Gives every id its rank for a name.
    pub(crate) fn rename(&mut self, setup: &Setup) {
        let mut ids = IDS.take();
        ids.begin(self.scope(setup));
        self.note_ids();
        self.show_ids(&mut ids);
        ids.sort();
        if !ids.are_ranks() {
            let mut rename = Rename(ids);
            self.rename_all(&mut rename);
            ids = rename.0;
        }
        IDS.set(ids);
        self.sort_sets();
    }

    /// Notes the ids of the parts that have changed.
    fn note_ids(&mut self) {
        for host in &mut self.hosts {
            let lrms = host.lrms.iter().all(Shared::is_noted);
            let mux = host.mux.as_ref().is_none_or(Shared::is_noted);
            let contender = host.contender.as_ref().is_none_or(Shared::is_noted);
            let crm = host.crm.as_ref().is_none_or(Shared::is_noted);
            if !(lrms && mux && contender && crm) {
                let host = &mut **host;
                host.lrms.iter_mut().for_each(|lrm| lrm.note(Visit::visit));
                host.mux.iter_mut().for_each(|mux| mux.note(Visit::visit));
                let contender = host.contender.iter_mut();
                contender.for_each(|contender| contender.note(Visit::visit));
                host.crm.iter_mut().for_each(|crm| crm.note(Visit::visit));
            }
            host.note(Host::visit_own);
        }
        self.store.note(Visit::visit);
    }

    /// Shows every id that was noted.
    fn show_ids(&self, visitor: &mut Ids) {
        let mut show = |ids: &[Id]| {
            for id in ids {
                let mut id = *id;
                id.show(visitor);
            }
        };
        for host in &self.hosts {
            host.lrms.iter().for_each(|lrm| show(lrm.noted()));
            host.mux.iter().for_each(|mux| show(mux.noted()));
            host.contender.iter().for_each(|it| show(it.noted()));
            host.crm.iter().for_each(|crm| show(crm.noted()));
            show(host.noted());
        }
        show(self.store.noted());
    }

    /// Renames in those parts in which a name changes.
    fn rename_all(&mut self, rename: &mut Rename) {
        for host in &mut self.hosts {
            // The host's own first: what is changed has to be noted anew.
            if changes(rename, host.noted()) {
                host.visit_own(rename);
            }
            for index in 0..host.lrms.len() {
                rename_process(
                    host,
                    rename,
                    |host| host.lrms.get(index),
                    |host| host.lrms.get_mut(index),
                );
            }
            rename_process(
                host,
                rename,
                |host| host.mux.as_ref(),
                |host| host.mux.as_mut(),
            );
            rename_process(
                host,
                rename,
                |host| host.contender.as_ref(),
                |host| host.contender.as_mut(),
            );
            rename_process(
                host,
                rename,
                |host| host.crm.as_ref(),
                |host| host.crm.as_mut(),
            );
        }
        if changes(rename, self.store.noted()) {
            self.store.visit(rename);
        }
    }
}
