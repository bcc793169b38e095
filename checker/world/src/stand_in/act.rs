//! What each act does: to the store, and to what runs.

use lockstep_model::id::{Epoch, Holder, LockId, ServiceId, Uid};
use lockstep_model::manager::status::{ExitCode, LrmResult};
use lockstep_model::record::{
    Grant, GrantState, Key, MoveKind, Put, Record, Service, Unguarded, Wanted,
};

use super::{Act, Lock, beat, nonce};
use crate::setup::Setup;
use crate::state::{Instance, World};

impl World {
    /// A stand-in does something.
    pub(crate) fn act(&mut self, setup: &Setup, host: usize, act: Act) {
        let Some(me) = self.stand_in_holder(host) else {
            return;
        };
        match act {
            Act::Take => self.take(setup, host, me),
            Act::Guard => self.regrant(setup, me, GrantState::HeldGuarded),
            Act::Release => self.regrant(setup, me, GrantState::ReleasedClean),
            Act::LeaveRunning => {
                let services = self.running_on(host);
                let list = Unguarded {
                    machine: me.machine,
                    boot: me.boot,
                    services,
                };
                self.regrant(setup, me, GrantState::ReleasedRunning(list));
            }
            Act::Carry(service) => self.carry(setup, host, me, service),
            Act::Fail(service) => self.fail_order(setup, host, service),
            Act::Stop(service) => {
                self.hosts[host].instances[usize::from(service.0)] = Instance::Absent;
            }
            Act::Publish => self.publish(setup, host),
            Act::PublishBefore => self.publish_before(setup, host),
            Act::Return => self.start_stand_in(setup, host),
            Act::Crash => self.crash_stand_in(host),
            Act::GiveUp => {
                self.hosts[host].instances.fill(Instance::Absent);
                if let Some(stand_in) = &mut self.hosts[host].stand_in {
                    stand_in.doubts = false;
                }
            }
            Act::Reset => self.power_off(setup, host),
            Act::Pause | Act::Resume => {
                if let Some(stand_in) = &mut self.hosts[host].stand_in {
                    stand_in.paused = act == Act::Pause;
                }
            }
        }
    }

    fn take(&mut self, setup: &Setup, host: usize, me: Holder) {
        let Lock::Free(state) = self.lock_of_stand_in(setup, host, me) else {
            return;
        };
        let lock = LockId::Agent(me.node);
        let last = self.grant_of(lock).map_or(0, |grant| grant.epoch.0);
        let epoch = Epoch(last + 1);
        let grant = Grant {
            holder: me,
            epoch,
            ttl: setup.config(self.reconfigured).timing().lock_ttl,
            state,
            written_by: nonce(me),
        };
        let put = Put {
            key: Key::Grant(lock),
            record: Record::Grant(grant),
        };
        self.write_as(setup, &me, vec![put, beat(lock, epoch, me)]);
    }

    /// Its own grant is in another state from now on.
    fn regrant(&mut self, setup: &Setup, me: Holder, state: GrantState) {
        let lock = LockId::Agent(me.node);
        let Some(grant) = self.grant_of(lock).cloned() else {
            return;
        };
        let put = Put {
            key: Key::Grant(lock),
            record: Record::Grant(Grant { state, ..grant }),
        };
        self.write_as(setup, &me, vec![put]);
    }

    /// It carries an order out and says so.
    fn carry(&mut self, setup: &Setup, host: usize, me: Holder, service: ServiceId) {
        let Some(order) = self.store.service(service).cloned() else {
            return;
        };
        let index = usize::from(service.0);
        match order.wanted {
            Wanted::Started => self.hosts[host].instances[index] = Instance::Running,
            Wanted::Stopped => self.hosts[host].instances[index] = Instance::Absent,
            Wanted::Moved { target, kind } => {
                let here = &mut self.hosts[host].instances[index];
                let moves_running = kind == MoveKind::Live && *here == Instance::Running;
                *here = Instance::Absent;
                let there = self
                    .grant(target)
                    .map(|grant| grant.holder)
                    .and_then(|holder| self.host_of(holder));
                if let Some(there) = there.filter(|_| moves_running) {
                    self.hosts[there].instances[index] = Instance::Running;
                }
                let record = Service {
                    location: target,
                    brought: moves_running,
                    ..order.clone()
                };
                let put = Put {
                    key: Key::Service(service),
                    record: Record::Service(record),
                };
                self.write_as(setup, &me, vec![put]);
            }
            Wanted::Untouched | Wanted::Ignored | Wanted::Fenced => {}
        }
        self.answer(setup, host, service, order.uid, ExitCode::SUCCESS);
    }

    /// It fails to carry an order out: what was to be started doesn't run, all else is as it was.
    fn fail_order(&mut self, setup: &Setup, host: usize, service: ServiceId) {
        let Some(order) = self.store.service(service).cloned() else {
            return;
        };
        if order.wanted == Wanted::Started {
            self.hosts[host].instances[usize::from(service.0)] = Instance::Absent;
        }
        self.answer(setup, host, service, order.uid, ExitCode::ERROR);
    }

    fn answer(&mut self, setup: &Setup, host: usize, service: ServiceId, uid: Uid, code: ExitCode) {
        if let Some(stand_in) = &mut self.hosts[host].stand_in {
            stand_in.results.retain(|result| result.uid != uid);
            stand_in.results.push(LrmResult { uid, service, code });
            stand_in.results.sort_unstable_by_key(|result| result.uid);
        }
        self.publish(setup, host);
    }
}
