//! What runs where, and what stands behind it.

use lockstep_model::id::{Holder, LockId, ServiceId};
use lockstep_model::record::GrantState;
use lockstep_model::time::Span;

use super::{Broken, Property};
use crate::setup::Setup;
use crate::state::{Device, Host, World};

/// Whose instance the grant speaks for.
#[derive(PartialEq, Eq)]
enum Covered {
    /// A grant of the instance's own boot.
    Own,
    /// Somebody else's.
    Others,
}

impl World {
    pub(super) fn judge_instances(&self, setup: &Setup, service: usize, broken: &mut Broken) {
        let running = self.hosts.iter().filter(|host| host.does_io(service));
        broken.unless(running.count() <= 1, Property::SingleInstance);
        let id = ServiceId(u16::try_from(service).unwrap_or(u16::MAX));
        if self.unowned.contains(&id) {
            // It may have been put there by anybody: nothing is known of it, and nothing rests on it.
            return;
        }
        for (index, host) in self.hosts.iter().enumerate() {
            if host.does_io(service) {
                self.judge_instance(index, host, id, broken);
            }
            if host.instances[service].runs() && host.stand_in.is_none() {
                broken.unless(self.is_guarded(setup, host), Property::WatchdogGuards);
            }
        }
    }

    fn judge_instance(&self, index: usize, host: &Host, id: ServiceId, broken: &mut Broken) {
        let present = host.instances[usize::from(id.0)].runs();
        let Some(grant) = self.grant(host.node) else {
            broken.unless(false, Property::RunNeedsAuthority);
            return;
        };
        let listed = grant.state.lists(id)
            && grant.state.unguarded().is_some_and(|list| {
                list.machine == host.machine && (!present || list.boot == host.boot)
            });
        let covered = covered(index, host, present, &grant.holder);
        let taken = grant.state.is_held() && covered == Covered::Others;
        broken.unless(!taken || listed, Property::TakenIsDead);
        let age = self
            .store
            .history(LockId::Agent(host.node))
            .map_or(u64::MAX, |lock| lock.age);
        let guarded = match &grant.state {
            GrantState::HeldGuarded => covered == Covered::Own && age < grant.ttl.0,
            GrantState::HeldUnguarded(_)
            | GrantState::ReleasedClean
            | GrantState::ReleasedRunning(_) => false,
        };
        broken.unless(guarded || listed, Property::RunNeedsAuthority);
    }

    /// Whether the watchdog stands behind what the host's own guarded grant says.
    fn is_guarded(&self, setup: &Setup, host: &Host) -> bool {
        let Some(grant) = self.grant(host.node) else {
            return true;
        };
        if grant.state != GrantState::HeldGuarded || grant.holder.boot != host.boot {
            return true;
        }
        let Device::Counting { timeout, .. } = host.device else {
            return false;
        };
        let Some(deadline) = host.last_deadline else {
            return false;
        };
        let timing = setup.config(self.reconfigured).timing();
        let age = self
            .store
            .history(LockId::Agent(host.node))
            .map_or(0, |lock| lock.age);
        let margin = timing.margin(timeout + Span(setup.physics.device_slack));
        // One's own clock may have lost what T(1−ρ) allows for, and what a host was stopped for.
        let authority = match setup.physics.drift_spacing {
            Some(_) => grant.ttl,
            None => timing.authority(grant.ttl),
        };
        let ends = Self::now(setup).0 + authority.0 + setup.physics.host_stop;
        deadline.0 + margin.0 + age <= ends
    }
}

/// Whether the holder is the boot that the instance was started in. What trails was started in an
/// earlier boot of this host than the one that its identity stands for now.
fn covered(index: usize, host: &Host, present: bool, holder: &Holder) -> Covered {
    let own = if present {
        holder.boot == host.boot && holder.machine == host.machine
    } else {
        let of_host = holder.boot.0 / u128::from(crate::state::IDS_PER_HOST) == index as u128;
        of_host && holder.boot != host.boot
    };
    if own { Covered::Own } else { Covered::Others }
}
