//! What a search has met: faults and antecedents by name, so that no property holds vacuously.

use lockstep_model::id::{LockId, NodeId};
use lockstep_model::lrm::{self, Job};
use lockstep_model::record::{Grant, GrantState, Key, Outcome, Record, Write};

use crate::action::{Action, Proc};
use crate::setup::Setup;
use crate::state::{Device, Instance, Stage, World};

macro_rules! tags {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Something that a step can be an instance of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Tag {
            $($(#[$doc])* $variant,)*
        }

        impl Tag {
            /// All of them; the position is the bit in a mask.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

tags! {
    /// A contender took a lock that had fallen silent.
    TakenSilent = "taken-silent",
    /// A contender took a lock that was released.
    TakenFree = "taken-free",
    /// A process took over from one of its own boot.
    TakenInBoot = "taken-in-boot",
    /// A new boot took its node's lock.
    TakenByBoot = "taken-by-boot",
    /// A take was refused: the lock had changed.
    TakeRefused = "take-refused",
    /// A lock was released with nothing running.
    ReleasedClean = "released-clean",
    /// A lock was released with services left running.
    ReleasedRunning = "released-running",
    /// A returning LRM held its lock unguarded.
    HeldUnguarded = "held-unguarded",
    /// It became guarded again.
    GuardedAgain = "guarded-again",
    /// A contender took a lock together with the list of what runs unguarded.
    TakenWithList = "taken-with-list",
    /// A write shortened T.
    TtlShortened = "ttl-shortened",
    /// A write lengthened T.
    TtlLengthened = "ttl-lengthened",
    /// The device was given another W.
    Resized = "resized",
    /// A delayed write was applied.
    ZombieApplied = "zombie-applied",
    /// A delayed answer arrived.
    LateAnswer = "late-answer",
    /// A delayed release was applied.
    ZombieRelease = "zombie-release",
    /// A watchdog reset its host.
    Reset = "reset",
    /// It did so past D, with a service on it.
    ResetRunning = "reset-running",
    /// A ping was done at or past D.
    LatePing = "late-ping",
    /// A counting device was closed uncleanly.
    UncleanClose = "unclean-close",
    /// The kernel's timer killed the multiplexer.
    KilledAtDeadline = "killed-at-deadline",
    /// The watchdog was disarmed.
    Disarmed = "disarmed",
    /// A service was started.
    Started = "started",
    /// A service was started on another host than the first.
    StartedElsewhere = "started-elsewhere",
    /// A service was stopped.
    Stopped = "stopped",
    /// Services were killed.
    Killed = "killed",
    /// A service was moved to another node.
    Moved = "moved",
    /// A start failed half-way.
    HalfStarted = "half-started",
    /// A predecessor's worker was killed in the middle of a start or a stop.
    KilledHalfWay = "killed-half-way",
    /// A worker outlived its LRM.
    WorkerOutlived = "worker-outlived",
    /// A second LRM process waited for the kernel lock.
    SecondLrm = "second-lrm",
    /// An LRM ended by itself.
    LrmExited = "lrm-exited",
    /// A service was sent to another node, and paused on both.
    Sent = "sent",
    /// A service that was sent went on where it came to.
    Resumed = "resumed",
    /// A service that was sent went on where it came from.
    MoveRefuted = "move-refuted",
    /// A copy that is paused is out of date.
    CopyOutdated = "copy-outdated",
    /// A move failed.
    MoveFailed = "move-failed",
    /// A host was suspended.
    Suspended = "suspended",
    /// Another node's CRM became master.
    MasterChanged = "master-changed",
    /// A master took in what people had asked for.
    CommandTaken = "command-taken",
    /// Another node's CRM became master while a command waited to be taken in.
    CommandOutlivesMaster = "command-outlives-master",
    /// Groups became rules.
    GroupsMigrated = "groups-migrated",
    /// A later part of a commit waited to be written.
    CommitInParts = "commit-in-parts",
    /// A later part of a commit was lost or refused.
    CommitTorn = "commit-torn",
    /// A node came to be fenced.
    ToBeFenced = "to-be-fenced",
    /// A node was fenced.
    Fenced = "fenced",
    /// A node that was to be fenced took its lock in a new boot before it was.
    ReturnedUnfenced = "returned-unfenced",
    /// A fence agent switched off a machine that was on.
    FencedByAgent = "fenced-by-agent",
    /// One did so when the machine had booted again since that was decided.
    FencedLate = "fenced-late",
    /// A lock was taken on an agent's word, before its silence would have been enough.
    TakenFenced = "taken-fenced",
    /// A lock was taken on an agent's word, and with it what its node had left running.
    TakenLeftRunning = "taken-left-running",
    /// A service was recovered to another node.
    Recovered = "recovered",
    /// Time passed while a service could have been recovered, had there been a node for it.
    RecoveryWaits = "recovery-waits",
    /// A service that couldn't be started came to another node.
    RelocatedAfterFailure = "relocated-after-failure",
    /// A service that had left its first node came back to it.
    CameHome = "came-home",
    /// Several services were sent away in one write.
    MovedTogether = "moved-together",
    /// A service came to be in error.
    InError = "in-error",
    /// A service was frozen.
    Frozen = "frozen",
    /// A person confirmed that a node is dead.
    ConfirmedDead = "confirmed-dead",
    /// The second configuration came into force.
    ProfileChanged = "profile-changed",
    /// Two machines under one name were on for a tick.
    TwoOfOneName = "two-of-one-name",
}

impl Tag {
    /// This tag alone.
    #[must_use]
    pub const fn bit(self) -> u128 {
        1 << self as u32
    }
}

impl World {
    /// What this step is an instance of.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "an action without a tag of its own shows nothing new"
    )]
    #[must_use]
    pub fn tags(&self, setup: &Setup, action: &Action, after: &Self) -> u128 {
        let mut tags = 0;
        match *action {
            Action::Execute { host, proc, effect } => {
                if let Some(write) = self.write_of(host, proc, effect)
                    && self.reaches_store(host)
                {
                    tags |= self.tags_of_write(write);
                }
                tags |= self.tags_of_effect(setup, host, proc, effect);
            }
            Action::Apply { delayed } => {
                tags |= self.tags_of_zombie(after, delayed);
            }
            Action::Answer { .. } => tags |= Tag::LateAnswer.bit(),
            Action::Reset { host } => {
                tags |= Tag::Reset.bit();
                let running = self.hosts[host].instances.iter().any(|it| it.runs());
                let past = self.hosts[host]
                    .last_deadline
                    .is_some_and(|at| at <= Self::now(setup));
                if running && past {
                    tags |= Tag::ResetRunning.bit();
                }
            }
            Action::KillTimer { .. } => tags |= Tag::KilledAtDeadline.bit(),
            Action::PingLands { host } => tags |= self.tag_of_ping(setup, host),
            Action::Crash {
                host,
                proc: Proc::Mux,
            } if self.hosts[host].device != Device::Off => {
                tags |= Tag::UncleanClose.bit();
            }
            Action::Crash {
                host,
                proc: Proc::Lrm(_),
            } if !self.hosts[host].workers.is_empty() => {
                tags |= Tag::WorkerOutlived.bit();
            }
            Action::WorkFails { host, .. } => {
                let after = self.with_hosts_in_place(setup, action, after);
                if after.hosts[host].instances.contains(&Instance::Half) {
                    tags |= Tag::HalfStarted.bit();
                }
            }
            Action::Work { host, worker } => {
                tags |= job_tag(host, self.hosts[host].workers[worker].job);
            }
            Action::Fence { host, agent } => tags |= self.tags_of_fence(host, agent),
            Action::SecondLrm { .. } => tags |= Tag::SecondLrm.bit(),
            Action::Suspend { .. } => tags |= Tag::Suspended.bit(),
            _ => {}
        }
        if setup.cluster.is_some() {
            tags |= self.tags_of_cluster(setup, action, after);
        }
        if !setup.orders.is_empty() {
            tags |= self.tags_of_copies(after);
            if let Action::WorkFails { host, worker } = *action
                && let Job::Send { .. } = self.hosts[host].workers[worker].job
            {
                tags |= Tag::MoveFailed.bit();
            }
        }
        tags
    }

    /// What becomes of copies. Where orders are given, hosts stay in their places.
    fn tags_of_copies(&self, after: &Self) -> u128 {
        let mut tags = 0;
        for (before, after) in self.hosts.iter().zip(&after.hosts) {
            for (before, after) in before.instances.iter().zip(&after.instances) {
                tags |= match (before, after) {
                    (Instance::Running, Instance::Outgoing) => Tag::Sent.bit(),
                    (Instance::Incoming, Instance::Running) => Tag::Resumed.bit(),
                    (Instance::Outgoing, Instance::Running) => Tag::MoveRefuted.bit(),
                    (Instance::Incoming | Instance::Outgoing, Instance::Stale) => {
                        Tag::CopyOutdated.bit()
                    }
                    (
                        Instance::Absent
                        | Instance::Running
                        | Instance::Half
                        | Instance::Incoming
                        | Instance::Outgoing
                        | Instance::Stale,
                        _,
                    ) => 0,
                };
            }
        }
        tags
    }

    fn tag_of_ping(&self, setup: &Setup, host: usize) -> u128 {
        let host = &self.hosts[host];
        let past = host
            .last_deadline
            .is_some_and(|deadline| deadline <= Self::now(setup));
        if past && host.device != Device::Off {
            Tag::LatePing.bit()
        } else {
            0
        }
    }

    fn tags_of_effect(&self, setup: &Setup, host: usize, proc: Proc, effect: usize) -> u128 {
        let value = &self.hosts[host];
        match proc {
            Proc::Lrm(index) => match &value.lrms[index].outbox[effect] {
                lrm::Effect::Spawn { job, .. } if setup.instant_agents => job_tag(host, *job),
                lrm::Effect::KillServices(_) => Tag::Killed.bit(),
                lrm::Effect::Exit => Tag::LrmExited.bit(),
                lrm::Effect::Reap if value.workers.iter().any(|it| it.job != Job::Query) => {
                    Tag::KilledHalfWay.bit()
                }
                lrm::Effect::Spawn { .. }
                | lrm::Effect::Write(_)
                | lrm::Effect::Read(_)
                | lrm::Effect::Watchdog(_)
                | lrm::Effect::Reap
                | lrm::Effect::RecordIntent { .. } => 0,
            },
            Proc::Mux => {
                use lockstep_model::watchdog::Effect;
                let effect = value.mux.as_ref().and_then(|mux| mux.outbox.get(effect));
                match effect {
                    Some(Effect::Ping) => self.tag_of_ping(setup, host),
                    Some(Effect::Close) => Tag::Disarmed.bit(),
                    Some(Effect::Resize { .. }) => Tag::Resized.bit(),
                    Some(
                        Effect::Reply(..)
                        | Effect::SetTimer(_)
                        | Effect::Open { .. }
                        | Effect::Exit,
                    )
                    | None => 0,
                }
            }
            Proc::Contender | Proc::Crm => 0,
        }
    }

    fn tags_of_zombie(&self, after: &Self, delayed: usize) -> u128 {
        let Stage::Sent { sender, write } = &self.store.delayed[delayed].stage else {
            return 0;
        };
        let applied = after
            .store
            .delayed
            .iter()
            .any(|one| matches!(one.stage, Stage::Written(_, Outcome::Applied(_))));
        let mut tags = if applied { Tag::ZombieApplied.bit() } else { 0 };
        for put in &write.puts {
            if let (Key::Grant(_), Record::Grant(grant)) = (put.key, &put.record)
                && !grant.state.is_held()
                && grant.holder == *sender
            {
                tags |= Tag::ZombieRelease.bit();
            }
        }
        tags
    }

    fn tags_of_write(&self, write: &Write) -> u128 {
        let mut tags = 0;
        let applies = self.store.would_apply(write);
        for put in &write.puts {
            match (put.key, &put.record) {
                (Key::Grant(LockId::Agent(node)), Record::Grant(new)) => {
                    let old = self.grant(node);
                    // Somebody else's take may have been faster, under the same epoch.
                    let taking = old.is_none_or(|old| {
                        new.epoch > old.epoch
                            || (new.epoch == old.epoch && new.holder != old.holder)
                    });
                    if !applies {
                        tags |= if taking { Tag::TakeRefused.bit() } else { 0 };
                        continue;
                    }
                    if taking {
                        tags |= self.tags_of_take(node, new);
                    } else if let Some(old) = old {
                        tags |= tags_of_change(old, new);
                    }
                }
                (Key::Service(_), Record::Service(_)) if applies => tags |= Tag::Moved.bit(),
                (Key::Grant(_) | Key::Beat(_) | Key::Service(_) | Key::Data(_), _) => {}
            }
        }
        tags
    }

    fn tags_of_take(&self, node: NodeId, new: &Grant) -> u128 {
        let mut tags = 0;
        if let GrantState::HeldUnguarded(_) = new.state {
            tags |= match new.holder.node == node {
                true => Tag::HeldUnguarded.bit(),
                false => Tag::TakenWithList.bit(),
            };
        }
        let Some(old) = self.grant(node) else {
            return tags;
        };
        let home = new.holder.node == old.holder.node;
        tags |= self.tags_of_fenced(node, old, new);
        tags |= match (home, old.state.is_held()) {
            (true, _) if new.holder.boot == old.holder.boot => Tag::TakenInBoot.bit(),
            (true, _) => Tag::TakenByBoot.bit(),
            (false, true) => Tag::TakenSilent.bit(),
            (false, false) => Tag::TakenFree.bit(),
        };
        tags
    }
}

fn tags_of_change(old: &Grant, new: &Grant) -> u128 {
    let mut tags = 0;
    match (&old.state, &new.state) {
        (_, GrantState::ReleasedClean) => tags |= Tag::ReleasedClean.bit(),
        (_, GrantState::ReleasedRunning(_)) => tags |= Tag::ReleasedRunning.bit(),
        (GrantState::HeldUnguarded(_), GrantState::HeldGuarded) => {
            tags |= Tag::GuardedAgain.bit();
        }
        (_, GrantState::HeldGuarded | GrantState::HeldUnguarded(_)) => {}
    }
    if new.ttl < old.ttl {
        tags |= Tag::TtlShortened.bit();
    }
    if new.ttl > old.ttl {
        tags |= Tag::TtlLengthened.bit();
    }
    tags
}

const fn job_tag(host: usize, job: Job) -> u128 {
    match job {
        Job::Start if host == 0 => Tag::Started.bit(),
        Job::Start => Tag::StartedElsewhere.bit(),
        Job::Stop => Tag::Stopped.bit(),
        Job::Query | Job::Send { .. } => 0,
    }
}

impl World {
    /// How long after D the device resets a host on which something runs, where this step is that.
    #[must_use]
    pub fn reset_after_deadline(&self, setup: &Setup, action: &Action) -> Option<i64> {
        let Action::Reset { host } = *action else {
            return None;
        };
        let host = &self.hosts[host];
        if !host.instances.iter().any(|it| it.runs()) {
            return None;
        }
        let deadline = host.last_deadline?;
        let signed = |ticks: u64| i64::try_from(ticks).unwrap_or(i64::MAX);
        Some(signed(Self::now(setup).0) - signed(deadline.0))
    }
}
