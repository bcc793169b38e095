//! Requests to the store: applied at once, lost, or on their way for any time.

use lockstep_model::id::{Holder, Incarnation, LockId, NodeId, RequestId, Revision};
use lockstep_model::record::{DataKey, Entry, Key, Outcome, Put, Record, Write};
use lockstep_model::{contender, lrm};

use crate::action::Proc;
use crate::crm::FromStore;
use crate::setup::{Fault, Setup};
use crate::state::{Delayed, Stage, World};

impl World {
    /// Whether a host's requests get to the store now.
    #[must_use]
    pub fn reaches_store(&self, host: usize) -> bool {
        !self.store.down && !self.hosts[host].isolated
    }

    /// Who a process is to the store.
    pub(crate) fn sender(&self, host: usize, proc: Proc) -> Option<Holder> {
        let value = &self.hosts[host];
        let incarnation = match proc {
            Proc::Lrm(index) => value.lrms.get(index)?.incarnation,
            Proc::Contender => value.contender.as_ref()?.incarnation,
            Proc::Crm => value.crm.as_ref()?.incarnation,
            Proc::Mux => return None,
        };
        Some(value.holder(incarnation))
    }

    pub(crate) fn send_write(
        &mut self,
        setup: &Setup,
        host: usize,
        proc: Proc,
        write: Write,
        delayed: bool,
    ) {
        let Some(sender) = self.sender(host, proc) else {
            return;
        };
        if delayed {
            let stage = Stage::Sent { sender, write };
            self.store.delayed.push(Delayed {
                from: sender.incarnation,
                stage,
            });
        } else if self.reaches_store(host) {
            let request = write.request;
            let outcome = self.apply(setup, &sender, write);
            self.answer_written(host, proc, request, outcome);
        }
    }

    fn answer_written(&mut self, host: usize, proc: Proc, request: RequestId, outcome: Outcome) {
        let host = &mut self.hosts[host];
        match proc {
            Proc::Lrm(index) => {
                if let Some(lrm) = host.lrms.get_mut(index) {
                    lrm.inbox.push(lrm::Input::Written { request, outcome });
                }
            }
            Proc::Contender => {
                if let Some(contender) = &mut host.contender {
                    contender
                        .inbox
                        .push(contender::Input::Written { request, outcome });
                }
            }
            Proc::Crm => {
                if let Some(crm) = &mut host.crm {
                    crm.inbox.push(FromStore::Written { request, outcome });
                }
            }
            Proc::Mux => {}
        }
    }

    pub(crate) fn send_read(
        &mut self,
        setup: &Setup,
        host: usize,
        proc: Proc,
        request: RequestId,
        delayed: bool,
    ) {
        if !self.reaches_store(host) {
            return;
        }
        let snapshot = match proc {
            Proc::Lrm(_) => self.store.snapshot_for(setup, self.hosts[host].node),
            Proc::Contender | Proc::Crm | Proc::Mux => self.store.snapshot(),
        };
        if delayed {
            let Some(sender) = self.sender(host, proc) else {
                return;
            };
            let stage = Stage::Read(request, snapshot);
            self.store.delayed.push(Delayed {
                from: sender.incarnation,
                stage,
            });
            return;
        }
        self.answer_read(host, proc, request, snapshot);
    }

    fn answer_read(
        &mut self,
        host: usize,
        proc: Proc,
        request: RequestId,
        snapshot: lockstep_model::record::Snapshot,
    ) {
        let host = &mut self.hosts[host];
        match proc {
            Proc::Lrm(index) => {
                if let Some(lrm) = host.lrms.get_mut(index) {
                    lrm.inbox.push(lrm::Input::Read { request, snapshot });
                }
            }
            Proc::Contender => {
                if let Some(contender) = &mut host.contender {
                    contender
                        .inbox
                        .push(contender::Input::Read { request, snapshot });
                }
            }
            Proc::Crm => {
                if let Some(crm) = &mut host.crm {
                    crm.inbox.push(FromStore::Read { request, snapshot });
                }
            }
            Proc::Mux => {}
        }
    }

    /// Applies a write if its conditions hold, and lets watchers know.
    pub(crate) fn apply(&mut self, setup: &Setup, sender: &Holder, write: Write) -> Outcome {
        if !self.store.would_apply(&write) {
            return Outcome::Refused;
        }
        if setup.allows(Fault::Rollback) {
            let before = (self.store.revision, self.store.entries.clone());
            self.store.before = Some(Box::new(before));
        }
        let revision = Revision(self.store.revision.0 + 1);
        self.store.revision = revision;
        for put in write.puts {
            if !setup.orders.is_empty() {
                self.note_readiness(&put, revision);
            }
            self.put(sender, put, revision);
        }
        Outcome::Applied(revision)
    }

    fn put(&mut self, sender: &Holder, put: Put, revision: Revision) {
        let Put { key, record } = put;
        match key {
            Key::Grant(lock) => {
                let epoch_of = |record: &Record| record.as_grant().map(|grant| grant.epoch);
                let epoch = epoch_of(&record);
                let before = self
                    .store
                    .entry(key)
                    .and_then(|entry| epoch_of(&entry.record));
                self.touch_lock(lock, (epoch != before).then_some(revision));
                self.notify(sender, key);
            }
            Key::Beat(lock) => {
                self.touch_lock(lock, None);
                self.notify(sender, key);
            }
            Key::Service(_) | Key::Data(_) => self.notify(sender, key),
        }
        let entries = &mut self.store.entries;
        let entry = Entry {
            key,
            revision,
            record,
        };
        match entries.binary_search_by_key(&key, |entry| entry.key) {
            Ok(index) => entries[index] = entry,
            Err(index) => entries.insert(index, entry),
        }
    }

    fn touch_lock(&mut self, lock: LockId, taken: Option<Revision>) {
        let mut histories = self.store.locks.iter_mut();
        if let Some(history) = histories.find(|history| history.lock == lock) {
            history.age = 0;
            history.taken = taken.unwrap_or(history.taken);
        }
    }

    /// Watches show a lock's records to its node's LRM and to whoever contends for it, all services
    /// to everybody, the manager's status to LRMs, and everything to CRMs. Nobody is told of his own
    /// writes: their answers tell more.
    fn notify(&mut self, sender: &Holder, key: Key) {
        let concerns = |node: NodeId, is_lrm: bool| match key {
            Key::Grant(lock) | Key::Beat(lock) => lock == LockId::Agent(node),
            Key::Service(_) => true,
            Key::Data(DataKey::Status) => is_lrm,
            Key::Data(_) => false,
        };
        for host in &mut self.hosts {
            if let Some(crm) = &mut host.crm
                && crm.incarnation != sender.incarnation
            {
                crm.notified = true;
            }
            if let Some(contender) = &mut host.contender {
                let concerned = concerns(contender.machine.node(), false);
                if concerned && contender.incarnation != sender.incarnation {
                    contender.notified = true;
                }
            }
            let concerned = concerns(host.node, true);
            for lrm in &mut host.lrms {
                if concerned && lrm.incarnation != sender.incarnation {
                    lrm.notified = true;
                }
            }
        }
    }

    fn notify_one(&mut self, host: usize, proc: Proc) {
        let host = &mut self.hosts[host];
        match proc {
            Proc::Lrm(index) => {
                if let Some(lrm) = host.lrms.get_mut(index) {
                    lrm.notified = true;
                }
            }
            Proc::Contender => {
                if let Some(contender) = &mut host.contender {
                    contender.notified = true;
                }
            }
            Proc::Crm => {
                if let Some(crm) = &mut host.crm {
                    crm.notified = true;
                }
            }
            Proc::Mux => {}
        }
    }

    /// Somebody who is no process writes records: a person, through the manager or by hand.
    pub(crate) fn write_by_hand(&mut self, setup: &Setup, puts: Vec<Put>) {
        let (nobody, _) = self.nobody();
        self.write_as(setup, &nobody, puts);
    }

    /// Somebody who is no process, and what they ask for.
    pub(crate) fn nobody(&self) -> (Holder, RequestId) {
        let process = Incarnation(u64::MAX);
        let request = RequestId { process, number: 1 };
        (self.hosts[0].holder(process), request)
    }

    /// Somebody writes records without a condition.
    pub(crate) fn write_as(&mut self, setup: &Setup, sender: &Holder, puts: Vec<Put>) {
        let request = RequestId {
            process: sender.incarnation,
            number: 1,
        };
        let write = Write {
            request,
            compares: Vec::new(),
            puts,
        };
        self.apply(setup, sender, write);
    }

    /// A delayed write reaches the store.
    pub(crate) fn apply_delayed(&mut self, setup: &Setup, index: usize) {
        let Delayed { from, stage } = self.store.delayed.remove(index);
        let Stage::Sent { sender, write } = stage else {
            return;
        };
        let request = write.request;
        let outcome = self.apply(setup, &sender, write);
        let stage = Stage::Written(request, outcome);
        self.store.delayed.push(Delayed { from, stage });
        // The answer may never come.
        if let (Some((host, proc)), Outcome::Applied(_)) = (self.find_process(from), outcome) {
            self.notify_one(host, proc);
        }
    }

    /// A delayed answer reaches its process.
    pub(crate) fn answer_delayed(&mut self, index: usize) {
        let Delayed { from, stage } = self.store.delayed.remove(index);
        let Some((host, proc)) = self.find_process(from) else {
            return;
        };
        match stage {
            Stage::Sent { .. } => {}
            Stage::Written(request, outcome) => self.answer_written(host, proc, request, outcome),
            Stage::Read(request, snapshot) => self.answer_read(host, proc, request, snapshot),
        }
    }

    /// The living process with this identity.
    #[must_use]
    pub fn find_process(&self, from: Incarnation) -> Option<(usize, Proc)> {
        if let Some((host, index)) = self.find_lrm(from) {
            return Some((host, Proc::Lrm(index)));
        }
        self.hosts.iter().enumerate().find_map(|(index, host)| {
            let contender = host.contender.as_ref().map(|it| it.incarnation);
            let crm = host.crm.as_ref().map(|it| it.incarnation);
            let of = |proc, incarnation| (incarnation == Some(from)).then_some((index, proc));
            of(Proc::Contender, contender).or(of(Proc::Crm, crm))
        })
    }

    /// Answers that were on their way when the connection broke are lost.
    pub(crate) fn lose_answers(&mut self, host: usize) {
        let host = &mut self.hosts[host];
        for lrm in &mut host.lrms {
            lrm.inbox.retain(|input| {
                !matches!(input, lrm::Input::Written { .. } | lrm::Input::Read { .. })
            });
        }
        if let Some(contender) = &mut host.contender {
            contender.inbox.retain(|input| {
                !matches!(
                    input,
                    contender::Input::Written { .. } | contender::Input::Read { .. }
                )
            });
        }
        if let Some(crm) = &mut host.crm {
            crm.inbox.clear();
        }
    }

    /// The connection is back: the watch shows everything anew.
    pub(crate) fn reconnect(&mut self, host: usize) {
        let host = &mut self.hosts[host];
        for lrm in &mut host.lrms {
            lrm.notified = true;
        }
        if let Some(contender) = &mut host.contender {
            contender.notified = true;
        }
        if let Some(crm) = &mut host.crm {
            crm.notified = true;
        }
    }
}
