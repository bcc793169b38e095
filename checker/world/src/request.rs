//! Requests to the store: applied at once, lost, or on their way for any time.

use lockstep_model::id::{Holder, LockId, NodeId, Revision};
use lockstep_model::record::{Entry, Key, Outcome, Put, Record, Write};
use lockstep_model::{contender, lrm};

use crate::action::Proc;
use crate::setup::{Fault, Setup};
use crate::state::{Delayed, Stage, World};

impl World {
    /// Whether a host's requests get to the store now.
    #[must_use]
    pub fn reaches_store(&self, host: usize) -> bool {
        !self.store.down && !self.hosts[host].isolated
    }

    /// Who a process is to the store.
    fn sender(&self, host: usize, proc: Proc) -> Option<Holder> {
        let value = &self.hosts[host];
        let incarnation = match proc {
            Proc::Lrm(index) => value.lrms.get(index)?.incarnation,
            Proc::Contender => value.contender.as_ref()?.incarnation,
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

    fn answer_written(
        &mut self,
        host: usize,
        proc: Proc,
        request: lockstep_model::id::RequestId,
        outcome: Outcome,
    ) {
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
            Proc::Mux => {}
        }
    }

    pub(crate) fn send_read(
        &mut self,
        host: usize,
        proc: Proc,
        request: lockstep_model::id::RequestId,
        delayed: bool,
    ) {
        if !self.reaches_store(host) {
            return;
        }
        let snapshot = self.store.snapshot();
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
        request: lockstep_model::id::RequestId,
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
            Proc::Mux => {}
        }
    }

    /// Applies a write if its conditions hold, and lets watchers know.
    fn apply(&mut self, setup: &Setup, sender: &Holder, write: Write) -> Outcome {
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
            self.put(sender, put, revision);
        }
        Outcome::Applied(revision)
    }

    fn put(&mut self, sender: &Holder, put: Put, revision: Revision) {
        let Put { key, record } = put;
        match key {
            Key::Grant(LockId::Agent(node)) => {
                let epoch_of = |record: &Record| record.as_grant().map(|grant| grant.epoch);
                let epoch = epoch_of(&record);
                let before = self
                    .store
                    .entry(key)
                    .and_then(|entry| epoch_of(&entry.record));
                self.touch_lock(node, (epoch != before).then_some(revision));
                self.notify(sender, Some(node));
            }
            Key::Beat(LockId::Agent(node)) => {
                self.touch_lock(node, None);
                self.notify(sender, Some(node));
            }
            Key::Service(_) => self.notify(sender, None),
            // No world has any yet.
            Key::Grant(LockId::Manager) | Key::Beat(LockId::Manager) | Key::Data(_) => {}
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

    fn touch_lock(&mut self, node: NodeId, taken: Option<Revision>) {
        if let Some(lock) = self.store.locks.iter_mut().find(|lock| lock.node == node) {
            lock.age = 0;
            lock.taken = taken.unwrap_or(lock.taken);
        }
    }

    /// Watches show a lock's records to its node's LRM and to whoever contends for it, and all
    /// services to everybody. Nobody is told of his own writes: their answers tell more.
    fn notify(&mut self, sender: &Holder, lock: Option<NodeId>) {
        for host in &mut self.hosts {
            if let Some(contender) = &mut host.contender {
                let concerned = lock.is_none_or(|lock| contender.machine.node() == lock);
                if concerned && contender.incarnation != sender.incarnation {
                    contender.notified = true;
                }
            }
            let concerned = lock.is_none_or(|lock| host.node == lock);
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
            Proc::Mux => {}
        }
    }

    /// Somebody who is no process writes a record: a person, through the manager or by hand.
    pub(crate) fn write_by_hand(&mut self, setup: &Setup, put: Put) {
        let nobody = self.hosts[0].holder(lockstep_model::id::Incarnation(u64::MAX));
        let request = lockstep_model::id::RequestId {
            process: nobody.incarnation,
            number: 1,
        };
        let write = Write {
            request,
            compares: Vec::new(),
            puts: vec![put],
        };
        self.apply(setup, &nobody, write);
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
    pub fn find_process(&self, from: lockstep_model::id::Incarnation) -> Option<(usize, Proc)> {
        if let Some((host, index)) = self.find_lrm(from) {
            return Some((host, Proc::Lrm(index)));
        }
        let host = self.hosts.iter().position(|host| {
            host.contender
                .as_ref()
                .is_some_and(|contender| contender.incarnation == from)
        })?;
        Some((host, Proc::Contender))
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
    }
}
