//! The rules of the protocol by name, so that each can be broken on purpose.
//!
//! A safety rule that can be removed without anything failing is either not needed or not checked.
//! Each [`Mutant`] names one deviation; where a machine follows the rule it asks its configuration
//! whether the rule is broken. Production asks [`NoMutation`], which is zero-sized and always says
//! no, so the compiler removes the question; the checker asks a [`Mask`] set at run time. No
//! machine's state contains either.

use core::fmt::Debug;
use core::hash::Hash;

use serde::{Deserialize, Serialize};

/// Answers whether a rule is broken.
pub trait Mutation: Clone + Debug + Eq + Hash {
    /// Whether `mutant` is switched on.
    fn contains(&self, mutant: Mutant) -> bool;
}

/// Every rule is followed: production.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct NoMutation;

impl Mutation for NoMutation {
    #[inline(always)]
    fn contains(&self, _: Mutant) -> bool {
        false
    }
}

/// A set of broken rules, chosen at run time: the checker.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Mask(u128);

impl Mask {
    /// No rule broken.
    pub const NONE: Self = Self(0);

    /// One rule broken.
    #[must_use]
    pub const fn only(mutant: Mutant) -> Self {
        Self(1 << mutant as u32)
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Mutation for Mask {
    fn contains(&self, mutant: Mutant) -> bool {
        self.0 & (1 << mutant as u32) != 0
    }
}

macro_rules! mutants {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A deviation from one rule.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[repr(u8)]
        pub enum Mutant {
            $($(#[$doc])* $variant,)*
        }

        impl Mutant {
            /// All of them, in the order of the rules that they break.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name on the command line and in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

mutants! {
    // Locks.
    /// A renewal is written without comparing what it replaces.
    RenewBlindly = "renew-blindly",
    /// A lock is taken one unit of time before its silence is long enough.
    TakeEarly = "take-early",
    /// A take compares the grant but not the beat.
    TakeIgnoresBeat = "take-ignores-beat",
    /// An observer goes on counting when the beat has changed.
    ObserveGrantOnly = "observe-grant-only",
    /// An observer waits its own T, not the one that the grant states.
    ObserveOwnTtl = "observe-own-ttl",
    /// A take or renewal counts from its reply, not from before it was sent.
    AuthorityFromReply = "authority-from-reply",
    /// A late reply to an earlier request is credited with the latest request's time.
    AuthorityFromLatest = "authority-from-latest",
    /// The holder trusts a confirmed write for T, not T(1−ρ).
    AuthorityWithoutDrift = "authority-without-drift",
    /// The observer waits T, not T(1+ρ).
    SilenceWithoutDrift = "silence-without-drift",
    // Requests in flight.
    /// A read that shows the old record is taken to prove that a request will never be applied.
    ReadSettles = "read-settles",
    /// Services are started while a release is unsettled.
    StartDespiteRelease = "start-despite-release",
    /// Services are started while a disarm is under way.
    StartDespiteDisarm = "start-despite-disarm",
    // Who is who.
    /// A new boot takes over its node's lock at once.
    BootTakesOver = "boot-takes-over",
    /// Another machine under the node's name is treated as a new boot.
    MachineIgnored = "machine-ignored",
    /// A new process takes over before it has the kernel lock of its predecessor.
    NoKernelLock = "no-kernel-lock",
    // Another T or W.
    /// A shorter T is sent before the multiplexer has confirmed the earlier end.
    ShorterTtlAtOnce = "shorter-ttl-at-once",
    /// A process that takes over from its predecessor brings a shorter T at once.
    TakeoverShortens = "takeover-shortens",
    /// A shorter T doesn't shorten the authority until it is confirmed.
    ShorterTtlUncapped = "shorter-ttl-uncapped",
    /// The new W′ counts before the device has been read back.
    ResetTimeAtOnce = "reset-time-at-once",
    // Authority and the multiplexer.
    /// A client's deadline counts from when it was fed, as the reference does.
    RelativeFeeding = "relative-feeding",
    /// D = E − W′ − p − δ.
    MarginOfOneReset = "margin-of-one-reset",
    /// δ is not subtracted.
    MarginWithoutTrail = "margin-without-trail",
    /// h is not subtracted.
    MarginWithoutHostStop = "margin-without-host-stop",
    /// The device is pinged past D.
    PingPastDeadline = "ping-past-deadline",
    /// The device is closed properly when D has passed.
    ClosePastDeadline = "close-past-deadline",
    /// A client that vanishes is forgotten.
    VanishedForgotten = "vanished-forgotten",
    /// A client that comes back has its deadline moved without an authority.
    AttachExtends = "attach-extends",
    /// A disarm ends whatever arm there is.
    DisarmAny = "disarm-any",
    /// An older renewal's end replaces a younger one's, an ended arm's a later one's.
    OlderExtends = "older-extends",
    /// The kill timer is set after the client was told that it is guarded.
    KillTimerLate = "kill-timer-late",
    /// A deadline is promised that the timer, set before W changed, stands behind.
    TimerNotCompared = "timer-not-compared",
    /// A device whose time-out is too long is left open.
    RefusedLeftOpen = "refused-left-open",
    /// The multiplexer obeys SIGTERM while armed.
    TerminateArmed = "terminate-armed",
    /// A restarted multiplexer opens the device although it was armed.
    MarkerIgnored = "marker-ignored",
    // A free lock proves nothing.
    /// A contender takes `released running` as proof of death.
    FrozenIsDead = "frozen-is-dead",
    /// A contender takes the expiry of `held unguarded` as proof of death.
    UnguardedIsDead = "unguarded-is-dead",
    /// The watchdog is disarmed before `released running` is confirmed.
    DisarmBeforeRelease = "disarm-before-release",
    /// The list is left out of `released running`.
    ReleaseForgetsRunning = "release-forgets-running",
    /// A returning LRM holds its lock guarded at once.
    ReturnGuarded = "return-guarded",
    /// A returning LRM forgets the list.
    ReturnForgetsList = "return-forgets-list",
    /// A list of services left running still counts although a renewal that ends it is under way.
    GuardingIgnored = "guarding-ignored",
    /// A predecessor's list still counts although a renewal of its that ends it may be under way.
    PredecessorTrusted = "predecessor-trusted",
    /// An LRM stops what was left running, although it knows.
    FrozenTouched = "frozen-touched",
    /// A running service is adopted before the watchdog is armed.
    AdoptUnarmed = "adopt-unarmed",
    // Starting, stopping, releasing.
    /// A service is started before the watchdog is armed.
    StartUnarmed = "start-unarmed",
    /// What was read before the grant still counts after it.
    StaleView = "stale-view",
    /// Workers of a predecessor are left to run.
    WorkersNotReaped = "workers-not-reaped",
    /// No intent is recorded before a worker is spawned.
    NoIntent = "no-intent",
    /// The report of a worker that was killed counts as that of a later one.
    AnyWorkerAnswers = "any-worker-answers",
    /// A service whose stop failed counts as stopped.
    FailedStopIsStopped = "failed-stop-is-stopped",
    /// The lock is released while a worker still runs.
    ReleaseDespiteWorker = "release-despite-worker",
    /// The watchdog is disarmed while services may still run.
    DisarmRunning = "disarm-running",
    /// A lost lock stops nothing.
    LossStopsNothing = "loss-stops-nothing",
    /// Services are stopped at the first unanswered renewal.
    StopAtFirstTimeout = "stop-at-first-timeout",
    /// A location is moved without comparing the grant of the lock it is moved under.
    MoveWithoutGrant = "move-without-grant",
    /// A location is moved without comparing the location's own revision.
    MoveWithoutRevision = "move-without-revision",
    /// A service that its node's grant lists as running unguarded is moved.
    MoveUnguarded = "move-unguarded",
    // What must happen at last.
    /// What an agent can't tell about a service is asked for again and again.
    AskedForEver = "asked-for-ever",
    /// What ends while a worker is at it is as the worker says.
    EndUnheeded = "end-unheeded",
    /// What the watch shows of services is never read.
    NewsUnread = "news-unread",
    /// An idle node keeps its lock.
    IdleKeepsLock = "idle-keeps-lock",
    /// A contender isn't woken when a lock was silent for long enough.
    SilenceNotTimed = "silence-not-timed",
    /// A CRM never takes the manager lock of one that fell silent.
    SlaveForEver = "slave-for-ever",
    /// A returning LRM renews its lock as it took it, armed or not.
    ReturnStaysUnguarded = "return-stays-unguarded",
    /// An LRM that is to end, its services stopped, doesn't guard those left running first.
    EndStaysUnguarded = "end-stays-unguarded",
    // The manager.
    /// A frozen service goes on because its LRM said so once, whatever its node's grant says.
    UnfrozenOnWord = "unfrozen-on-word",
    /// A frozen service of a dead node stays frozen for ever.
    FrozenForEver = "frozen-for-ever",
    /// What is recovered to another node counts as brought there.
    RecoveredAsBrought = "recovered-as-brought",
    /// A service is dropped whatever its configuration says by then.
    RemovalUncompared = "removal-uncompared",
    /// Commands are taken whether or not more have come since they were read.
    CommandsUncompared = "commands-uncompared",
    /// Rules are read, and followed by nobody.
    RulesUnheeded = "rules-unheeded",
    /// Services that are to be on one node go their own ways.
    PartnersUnheeded = "partners-unheeded",
    /// Of the nodes that a rule names, all are alike.
    PrioritiesUnheeded = "priorities-unheeded",
    /// Nobody contends for the lock of a node that is to be fenced.
    NeverContends = "never-contends",
    /// What is to run is ordered to stay as it is.
    StartNotOrdered = "start-not-ordered",
    /// A disarmed stack waits for ever for LRMs that have let go.
    DisarmNeverEnds = "disarm-never-ends",
    /// An LRM's word that its node is in maintenance isn't heeded.
    MaintenanceUnheeded = "maintenance-unheeded",
    // Fence agents.
    /// A contender is woken for a fence that has nothing to add any more.
    FenceWakesBusy = "fence-wakes-busy",
    /// A fence agent is asked before the store knows.
    FenceUnrecorded = "fence-unrecorded",
    /// Nothing is thought to trail from a machine that was switched off.
    FencedDoesNotTrail = "fenced-does-not-trail",
    /// A lock is taken after its node's machine was switched off, whatever term it shows now.
    FencedAnyTerm = "fenced-any-term",
    // Orders.
    /// A service is reported to run although the lock that says so is being given back.
    AdoptReleased = "adopt-released",
    /// A service is reported to run before the watchdog stands behind it.
    ReportUnarmed = "report-unarmed",
    /// A move before a start is answered with "it runs" before anything guards that.
    AnsweredUnguarded = "answered-unguarded",
    /// What is to come counts as here before its location says so.
    ResumeEarly = "resume-early",
    /// What is paused goes on although another copy may have run since.
    StaleResumed = "stale-resumed",
    /// A service is sent to a node whether or not that holds its lock.
    TargetNotAsked = "target-not-asked",
    /// An LRM moves a service away without comparing its own grant.
    LeaveWithoutGrant = "leave-without-grant",
    /// An LRM moves a service away without comparing the location's own revision.
    LeaveWithoutRevision = "leave-without-revision",
    /// What is to stay as it is is stopped.
    UntouchedStopped = "untouched-stopped",
    /// What is nobody's concern is stopped.
    IgnoredStopped = "ignored-stopped",
    /// A failed start is repeated for ever, however often it may be.
    StartsForEver = "starts-for-ever",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_carries_nothing() {
        assert_eq!(size_of::<NoMutation>(), 0);
    }

    #[test]
    fn a_mask_holds_every_mutant() {
        assert!(Mutant::ALL.len() <= 128);
        for one in Mutant::ALL {
            for other in Mutant::ALL {
                assert_eq!(Mask::only(*one).contains(*other), one == other);
            }
        }
    }
}
