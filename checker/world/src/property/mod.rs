//! The properties that must hold in every state and on every step, by name.

mod instances;
mod jobs;
mod writes;

use lockstep_model::contender::{self, Order};
use lockstep_model::id::{LockId, NodeId};
use lockstep_model::lrm;
use lockstep_model::master;
use lockstep_model::record::{Grant, Write};

use crate::action::{Action, Proc};
use crate::named::named;
use crate::setup::Setup;
use crate::state::{Stage, World};

named! {
    /// A property; its place is its bit in a mask.
    Property:
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
    #[doc = "What a grant lists as left running unguarded isn't touched by an LRM that knows, nor ordered by the master."]
    FrozenUntouched = "frozen-untouched",
    #[doc = "What an LRM has read to be nobody's concern is neither started, stopped, sent nor killed."]
    IgnoredUntouched = "ignored-untouched",
    #[doc = "What is paused goes on only if nothing has run since it was copied."]
    ResumesLatest = "resumes-latest",
    #[doc = "A service is sent to, or made that of, a node only whose LRM held its lock guarded when that was last read."]
    TargetHoldsLock = "target-holds-lock",
    #[doc = "Every node that is chosen for a service is one that strict rules allow."]
    Affinity = "affinity",
    #[doc = "Failed starts and relocations are repeated as often as is configured."]
    PolicyBounds = "policy-bounds",
    #[doc = "What is in error stays as it is until somebody disables it; what is ordered to stay as it is does so unless its node loses its lock or ends."]
    ErrorUntouched = "error-untouched",
    #[doc = "What is disabled isn't moved off a dead node."]
    DisabledNotRecovered = "disabled-not-recovered",
    #[doc = "A command that a master takes in shows in what it writes with it."]
    NoLostCommand = "no-lost-command",
    #[doc = "A service that is configured stays managed."]
    NoLostService = "no-lost-service",
    #[doc = "At most one worker at a time for a service, none without a recorded intent, none for a move that has ended."]
    AtMostOnce = "at-most-once",
    #[doc = "A fence agent is asked to end a term that the store names, or one before it."]
    FenceIntended = "fence-intended",
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

impl World {
    /// The grant of a node's lock as it stands in the store.
    #[must_use]
    pub fn grant(&self, node: NodeId) -> Option<&Grant> {
        self.grant_of(LockId::Agent(node))
    }

    /// The properties that this state breaks.
    #[must_use]
    pub fn broken_here(&self, setup: &Setup) -> u64 {
        let mut broken = Broken::default();
        for service in 0..setup.services.len() {
            self.judge_instances(setup, service, &mut broken);
        }
        self.judge_machines(setup, &mut broken);
        broken.0
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
                let named = |order: &Order| self.is_fence_recorded(order);
                let order = self.order_of(host, proc, effect);
                broken.unless(order.is_none_or(named), Property::FenceIntended);
            }
            Action::Work { host, worker } => {
                self.judge_start(host, self.hosts[host].workers[worker], &mut broken);
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
                contender::Effect::Write(write) => Some(write),
                contender::Effect::Read(_) | contender::Effect::Fence(_) => None,
            },
            Proc::Crm => match host.crm.as_ref()?.outbox.get(effect)? {
                master::Effect::Write(write) => Some(write),
                master::Effect::Read(_) | master::Effect::Fence(_) | master::Effect::Exit => None,
            },
            Proc::Mux => None,
        }
    }
}
