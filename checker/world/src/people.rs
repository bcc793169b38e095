//! What administrators, and the manager on their behalf, do.

use crate::crm::Said;
use lockstep_model::contender;
use lockstep_model::id::{Revision, ServiceId, Uid};
use lockstep_model::lrm::{self, Leave};
use lockstep_model::manager::status::{Disarm, DisarmMode, Status};
use lockstep_model::record::{Data, DataKey, Key, Put, Record, Service, Wanted};
use lockstep_model::watchdog;

use crate::setup::Setup;
use crate::state::World;

impl World {
    fn rewrite(&mut self, setup: &Setup, id: ServiceId, change: impl FnOnce(&mut Service)) {
        let Some(mut service) = self.store.service(id).cloned() else {
            return;
        };
        change(&mut service);
        let newest = self
            .store
            .entries
            .iter()
            .filter_map(|entry| entry.record.as_service())
            .map(|service| service.uid.0);
        service.uid = Uid(newest.max().unwrap_or(0) + 1);
        let put = Put {
            key: Key::Service(id),
            record: Record::Service(service),
        };
        self.write_by_hand(setup, vec![put]);
    }

    pub(crate) fn want(&mut self, setup: &Setup, id: ServiceId, wanted: Wanted) {
        self.rewrite(setup, id, |service| service.wanted = wanted);
    }

    /// The manager's status, as far as LRMs look at it.
    fn write_status(&mut self, setup: &Setup, change: impl FnOnce(&mut Status)) {
        let key = Key::Data(DataKey::Status);
        let present = self.store.entry(key);
        let present = present.and_then(|entry| entry.record.as_data()?.as_status());
        let mut status = present.cloned().unwrap_or_default();
        change(&mut status);
        let record = Record::Data(Box::new(Data::Status(status)));
        self.write_by_hand(setup, vec![Put { key, record }]);
    }

    /// Asks a node to do maintenance, or ends that.
    pub(crate) fn toggle_maintenance(&mut self, setup: &Setup, host: usize) {
        let node = self.hosts[host].node;
        self.write_status(setup, |status| {
            let asked = status.wants_maintenance(node);
            status.requests.insert(node, !asked);
        });
    }

    /// Disarms the stack, with services ignored or frozen, or arms it again.
    pub(crate) fn disarm(&mut self, setup: &Setup, ignore: Option<bool>) {
        self.write_status(setup, |status| {
            status.disarm = ignore.map(|ignore| Disarm {
                mode: match ignore {
                    true => DisarmMode::Ignore,
                    false => DisarmMode::Freeze,
                },
                complete: false,
            });
        });
    }

    /// Whether the stack is disarmed, or is to be.
    #[must_use]
    pub fn is_disarmed(&self) -> bool {
        let entry = self.store.entry(Key::Data(DataKey::Status));
        let status = entry.and_then(|entry| entry.record.as_data()?.as_status());
        status.is_some_and(|status| status.disarm.is_some())
    }

    pub(crate) fn hand_edit(&mut self, setup: &Setup, id: ServiceId, to: usize) {
        let target = setup.hosts[to].node;
        self.rewrite(setup, id, |service| {
            service.location = target;
            service.brought = false;
        });
    }

    pub(crate) fn leave(&mut self, setup: &Setup, host: usize, leave: Leave) -> Vec<Said> {
        if let Some(stand_in) = &mut self.hosts[host].stand_in {
            stand_in.leaving = Some(leave);
            return Vec::new();
        }
        self.step_lrm(setup, host, 0, lrm::Input::Leave(leave))
    }

    pub(crate) fn terminate_mux(&mut self, setup: &Setup, host: usize) -> Vec<Said> {
        self.step_mux(setup, host, watchdog::Input::Terminate)
    }

    pub(crate) fn move_service(
        &mut self,
        setup: &Setup,
        host: usize,
        service: ServiceId,
        to: usize,
    ) -> Vec<Said> {
        let target = setup.hosts[to].node;
        self.step_contender(setup, host, contender::Input::Move { service, target })
    }

    /// The second configuration comes into force; every process is told.
    pub(crate) fn reconfigure(&mut self, setup: &Setup) -> Vec<Said> {
        self.reconfigured = true;
        let mut events = Vec::new();
        for host in 0..self.hosts.len() {
            for index in 0..self.hosts[host].lrms.len() {
                if !self.hosts[host].lrms[index].paused {
                    events.extend(self.step_lrm(setup, host, index, lrm::Input::Timer));
                }
            }
            if self.hosts[host].mux.as_ref().is_some_and(|mux| !mux.paused) {
                events.extend(self.step_mux(setup, host, watchdog::Input::Timer));
            }
        }
        events
    }

    /// What the last write changed is as before it, for everybody who asks from now on.
    pub(crate) fn rollback(&mut self) {
        let Some(before) = self.store.before.take() else {
            return;
        };
        let (Revision(_), entries) = *before;
        self.store.entries = entries;
        for host in 0..self.hosts.len() {
            self.reconnect(host);
        }
    }
}
