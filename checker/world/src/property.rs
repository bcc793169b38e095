//! The properties that must hold in every state and on every step, by name.

use lockstep_model::id::{Holder, LockId, NodeId, ServiceId};
use lockstep_model::lrm::{self, Job};
use lockstep_model::master;
use lockstep_model::record::{Grant, GrantState, Key, Record, Write};
use lockstep_model::time::Span;

use crate::action::{Action, Proc};
use crate::setup::Setup;
use crate::state::{Device, Host, Instance, Stage, World};

macro_rules! properties {
    ($(#[doc = $doc:literal] $variant:ident = $name:literal,)*) => {
        /// A property.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Property {
            $(#[doc = $doc] $variant,)*
        }

        impl Property {
            /// All of them; the position is the bit in a mask.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in reports and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it says.
            #[must_use]
            pub const fn statement(self) -> &'static str {
                match self {
                    $(Self::$variant => $doc,)*
                }
            }
        }
    };
}

properties! {
    #[doc = "At most one instance of a service is on hosts that can still do I/O."]
    SingleInstance = "single-instance",
    #[doc = "Whatever runs is covered by a grant of its own boot that nobody may take yet, or is listed as running unguarded."]
    RunNeedsAuthority = "run-needs-authority",
    #[doc = "Once another holds a host's lock, nothing runs there but what the grant lists as running unguarded."]
    TakenIsDead = "taken-is-dead",
    #[doc = "Every start rests on a location read after the present grant."]
    StartAfterGrantRead = "start-after-grant-read",
    #[doc = "A location leaves a node only under that node's lock."]
    LocChangesUnderLock = "loc-changes-under-lock",
    #[doc = "What a grant lists as running unguarded is neither moved nor dropped from the list by another node."]
    UnguardedNeverRecovered = "unguarded-never-recovered",
    #[doc = "While guarded services run, the device counts and its deadline lies a whole margin before the end of authority."]
    WatchdogGuards = "watchdog-guards",
    #[doc = "No write of a deposed holder takes effect."]
    SingleWriter = "single-writer",
    #[doc = "No watchdog fires where none has to."]
    NoNeedlessReset = "no-needless-reset",
    #[doc = "An outage of the store up to q stops and resets nothing."]
    OutageTolerated = "outage-tolerated",
    #[doc = "An LRM that knows that a service was left running unguarded doesn't touch it."]
    FrozenUntouched = "frozen-untouched",
    #[doc = "Every node that is chosen for a service is one that strict rules allow."]
    Affinity = "affinity",
    #[doc = "Failed starts and relocations are repeated as often as is configured."]
    PolicyBounds = "policy-bounds",
    #[doc = "What is in error stays as it is until somebody disables it."]
    ErrorUntouched = "error-untouched",
    #[doc = "What is disabled isn't moved off a dead node."]
    DisabledNotRecovered = "disabled-not-recovered",
    #[doc = "A command that a master takes in shows in what it writes with it."]
    NoLostCommand = "no-lost-command",
    #[doc = "A service that is configured stays managed."]
    NoLostService = "no-lost-service",
    #[doc = "At most one worker at a time for a service, and none without a recorded intent."]
    AtMostOnce = "at-most-once",
    #[doc = "Nothing happens for ever without time passing."]
    TimeCanPass = "time-can-pass",
    #[doc = "Every machine's own invariants hold."]
    MachineInvariants = "machine-invariants",
}

impl Property {
    /// This property alone.
    #[must_use]
    pub const fn bit(self) -> u64 {
        1 << self as u32
    }

    /// The property of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|property| property.name() == name)
    }
}

/// Collects broken properties.
#[derive(Default)]
pub(crate) struct Broken(u64);

impl Broken {
    pub(crate) fn unless(&mut self, holds: bool, property: Property) {
        if !holds {
            self.0 |= property.bit();
        }
    }
}

/// Whose instance the grant speaks for.
#[derive(PartialEq, Eq)]
enum Covered {
    /// A grant of the instance's own boot.
    Own,
    /// Somebody else's.
    Others,
}

impl World {
    /// The grant of a node's lock as it stands in the store.
    #[must_use]
    pub fn grant(&self, node: NodeId) -> Option<&Grant> {
        let key = Key::Grant(LockId::Agent(node));
        self.store.entry(key)?.record.as_grant()
    }

    /// The properties that this state breaks.
    #[must_use]
    pub fn broken_here(&self, setup: &Setup) -> u64 {
        let mut broken = Broken::default();
        for service in 0..setup.services.len() {
            let running = self
                .hosts
                .iter()
                .filter(|host| host.does_io(service))
                .count();
            broken.unless(running <= 1, Property::SingleInstance);
            for (index, host) in self.hosts.iter().enumerate() {
                if host.does_io(service) {
                    self.judge_instance(index, host, service, &mut broken);
                }
                if host.instances[service] != Instance::Absent && host.stand_in.is_none() {
                    broken.unless(self.is_guarded(setup, host), Property::WatchdogGuards);
                }
            }
        }
        self.judge_machines(setup, &mut broken);
        broken.0
    }

    fn judge_instance(&self, index: usize, host: &Host, service: usize, broken: &mut Broken) {
        let id = ServiceId(u16::try_from(service).unwrap_or(u16::MAX));
        let present = host.instances[service] != Instance::Absent;
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
        let lock = LockId::Agent(host.node);
        let age = self.store.history(lock).map_or(0, |lock| lock.age);
        let margin = timing.margin(timeout + Span(setup.physics.device_slack));
        // One's own clock may have lost what T(1−ρ) allows for, and what a host was stopped for.
        let authority = match setup.physics.drift_spacing {
            Some(_) => grant.ttl,
            None => timing.authority(grant.ttl),
        };
        let ends = Self::now(setup).0 + authority.0 + setup.physics.host_stop;
        deadline.0 + margin.0 + age <= ends
    }

    fn judge_machines(&self, setup: &Setup, broken: &mut Broken) {
        let config = setup.config(self.reconfigured);
        for host in &self.hosts {
            for lrm in &host.lrms {
                broken.unless(lrm.machine.check().is_ok(), Property::MachineInvariants);
            }
            if let Some(mux) = &host.mux {
                broken.unless(
                    mux.machine.check(config).is_ok(),
                    Property::MachineInvariants,
                );
            }
            if let Some(contender) = &host.contender {
                broken.unless(
                    contender.machine.check().is_ok(),
                    Property::MachineInvariants,
                );
            }
            if let Some(presence) = &host.presence {
                broken.unless(presence.check().is_ok(), Property::MachineInvariants);
            }
            if let Some(crm) = &host.crm {
                broken.unless(crm.machine.check().is_ok(), Property::MachineInvariants);
            }
            let alone = |worker: &crate::state::Worker| {
                host.workers
                    .iter()
                    .filter(|other| other.service == worker.service)
                    .count()
                    <= 1
            };
            broken.unless(host.workers.iter().all(alone), Property::AtMostOnce);
        }
    }

    /// The properties that this step breaks.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the steps of which no property speaks need not be named"
    )]
    #[must_use]
    pub fn broken_by(&self, setup: &Setup, action: &Action, after: &Self) -> u64 {
        let mut broken = Broken::default();
        match *action {
            Action::Execute {
                host,
                proc: Proc::Lrm(index),
                effect,
            } => {
                self.judge_effect(setup, host, index, effect, &mut broken);
            }
            Action::Execute {
                host,
                proc: proc @ (Proc::Contender | Proc::Crm),
                effect,
            } => {
                if let Some(write) = self.write_of(host, proc, effect)
                    && self.reaches_store(host)
                    && let Some(sender) = self.sender(host, proc)
                {
                    self.judge_write(setup, &sender, write, &mut broken);
                }
            }
            Action::Apply { delayed } => {
                if let Stage::Sent { sender, write } = &self.store.delayed[delayed].stage {
                    self.judge_write(setup, sender, write, &mut broken);
                }
            }
            Action::HandEdit { .. } => {
                broken.unless(false, Property::LocChangesUnderLock);
            }
            Action::Reset { .. } => {
                broken.unless(!setup.never_resets, Property::NoNeedlessReset);
                broken.unless(setup.outage_max.is_none(), Property::OutageTolerated);
            }
            Action::Wake { host, proc } => {
                let after = self.with_hosts_in_place(setup, action, after);
                let idle = after.hosts[host].wakes_for_nothing(setup, after.reconfigured, proc);
                broken.unless(!idle, Property::TimeCanPass);
            }
            _ => {}
        }
        broken.0
    }

    /// The write that a process is about to execute, if that is what this effect is.
    #[must_use]
    pub fn write_of(&self, host: usize, proc: Proc, effect: usize) -> Option<&Write> {
        let host = &self.hosts[host];
        match proc {
            Proc::Lrm(index) => match host.lrms.get(index)?.outbox.get(effect)? {
                lrm::Effect::Write(write) => Some(write),
                lrm::Effect::Read(_)
                | lrm::Effect::Watchdog(_)
                | lrm::Effect::Reap
                | lrm::Effect::RecordIntent { .. }
                | lrm::Effect::Spawn { .. }
                | lrm::Effect::KillServices(_)
                | lrm::Effect::Exit => None,
            },
            Proc::Contender => match host.contender.as_ref()?.outbox.get(effect)? {
                lockstep_model::contender::Effect::Write(write) => Some(write),
                lockstep_model::contender::Effect::Read(_) => None,
            },
            Proc::Crm => match host.crm.as_ref()?.outbox.get(effect)? {
                master::Effect::Write(write) => Some(write),
                master::Effect::Read(_) | master::Effect::Exit => None,
            },
            Proc::Mux => None,
        }
    }

    fn judge_effect(
        &self,
        setup: &Setup,
        host: usize,
        index: usize,
        effect: usize,
        broken: &mut Broken,
    ) {
        let value = &self.hosts[host];
        let lrm = &value.lrms[index];
        match &lrm.outbox[effect] {
            lrm::Effect::Write(write) => {
                if self.reaches_store(host) {
                    let sender = value.holder(lrm.incarnation);
                    self.judge_write(setup, &sender, write, broken);
                }
            }
            lrm::Effect::Spawn { service, job, .. } => {
                if *job == Job::Start {
                    let lock = LockId::Agent(value.node);
                    let taken = self.store.history(lock).map(|lock| lock.taken);
                    let fresh = lrm.machine.view_revision() >= taken;
                    broken.unless(fresh, Property::StartAfterGrantRead);
                }
                if *job != Job::Query {
                    let intended = value.intents.contains(service);
                    broken.unless(intended, Property::AtMostOnce);
                    self.judge_touch(setup, value, index, *service, broken);
                }
                let runs = value.instances[usize::from(service.0)] != Instance::Absent;
                let needless = *job == Job::Stop && runs && setup.outage_max.is_some();
                broken.unless(!needless, Property::OutageTolerated);
            }
            lrm::Effect::KillServices(services) => {
                for service in services {
                    self.judge_touch(setup, value, index, *service, broken);
                }
                broken.unless(setup.outage_max.is_none(), Property::OutageTolerated);
            }
            lrm::Effect::Read(_)
            | lrm::Effect::Watchdog(_)
            | lrm::Effect::Reap
            | lrm::Effect::RecordIntent { .. }
            | lrm::Effect::Exit => {}
        }
    }

    /// A worker starts, stops or kills a service.
    fn judge_touch(
        &self,
        setup: &Setup,
        host: &Host,
        index: usize,
        service: ServiceId,
        broken: &mut Broken,
    ) {
        let left = self.grant(host.node).is_some_and(|grant| {
            grant.state.lists(service)
                && grant
                    .state
                    .unguarded()
                    .is_some_and(|list| list.boot == host.boot)
        });
        let lock = host.lrms[index].machine.lock();
        let knows = lock
            .left_running(setup.config(self.reconfigured))
            .contains(&service);
        broken.unless(!(left && knows), Property::FrozenUntouched);
    }

    fn judge_write(&self, setup: &Setup, sender: &Holder, write: &Write, broken: &mut Broken) {
        if !self.store.would_apply(write) {
            return;
        }
        self.judge_commit(setup, sender, write, broken);
        for put in &write.puts {
            match (&put.key, &put.record) {
                (Key::Grant(lock), Record::Grant(new)) => {
                    self.judge_grant(sender, *lock, new, broken);
                }
                (Key::Beat(lock), Record::Beat(_)) => {
                    let taken_along = write
                        .puts
                        .iter()
                        .any(|other| other.key == Key::Grant(*lock));
                    let holds = self.holds(sender, *lock) || taken_along;
                    broken.unless(holds, Property::SingleWriter);
                }
                (Key::Service(id), Record::Service(new)) => {
                    let Some(old) = self.store.service(*id) else {
                        continue;
                    };
                    if old.location != new.location {
                        let holds = self.holds(sender, LockId::Agent(old.location));
                        broken.unless(holds, Property::LocChangesUnderLock);
                        let listed = self
                            .grant(old.location)
                            .is_some_and(|grant| grant.state.lists(*id));
                        broken.unless(!listed, Property::UnguardedNeverRecovered);
                    }
                }
                (Key::Grant(_) | Key::Beat(_) | Key::Service(_) | Key::Data(_), _) => {}
            }
        }
    }

    fn holds(&self, sender: &Holder, lock: LockId) -> bool {
        self.grant_of(lock)
            .is_some_and(|grant| grant.state.is_held() && grant.holder == *sender)
    }

    fn judge_grant(&self, sender: &Holder, lock: LockId, new: &Grant, broken: &mut Broken) {
        let Some(old) = self.grant_of(lock) else {
            return;
        };
        let taking = new.epoch > old.epoch;
        broken.unless(taking || self.holds(sender, lock), Property::SingleWriter);
        let Some(list) = old.state.unguarded() else {
            return;
        };
        // The machine that they were left on can speak for them, in any of its boots.
        let dropped = list.services.iter().any(|id| !new.state.lists(*id));
        if dropped && sender.machine != list.machine {
            broken.unless(false, Property::UnguardedNeverRecovered);
        }
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
