//! The numbers that the protocol runs on, and what has to hold between them.
//!
//! A [`Timing`] is plain data. Only [`Config::new`] makes a [`Config`] of it, and refuses one whose
//! inequalities don't hold ([`inequality`]). What follows from a timing, for a person to read, is
//! its [`certificate`]; the ready-made ones are [`profile`]s, and [`scaled`] has those that stand
//! for them in the checker ([`compared`] says when they may).

pub mod certificate;
pub mod compared;
pub mod field;
pub mod inequality;
pub mod policy;
pub mod profile;
mod relation;
pub mod scaled;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::Ranks;
use crate::mutation::{Mutant, Mutation, NoMutation};
use crate::time::{Instant, Span};
pub use certificate::Certificate;
pub use compared::{Compared, same_order};
pub use field::Field;
pub use inequality::Broken;
pub use policy::{Compat, Policy};
pub use profile::Profile;

/// How many reset times of the device the multiplexer subtracts from an authority's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kappa {
    /// A kernel timer kills the multiplexer at D, so only the close that follows can ping later.
    One,
    /// No kill timer: a ping checked before D may come W′ late, and a close another W′.
    Three,
}

impl Kappa {
    /// The factor.
    #[must_use]
    pub const fn factor(self) -> u64 {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }
}

/// A bound on how far a clock's rate is from true time, in parts per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DriftPpm(pub u32);

impl DriftPpm {
    /// ρ·`span`, rounded up.
    #[must_use]
    pub const fn of(self, span: Span) -> Span {
        Span((span.0.saturating_mul(self.0 as u64)).div_ceil(1_000_000))
    }
}

/// Every duration of the protocol, in milliseconds (ticks in the checker).
///
/// The letters are those of the safety argument in `ARCHITECTURE.md`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// T: a lock may be taken after it was silent for T(1+ρ).
    pub lock_ttl: Span,
    /// W: the time-out asked of the watchdog's device; it resets no earlier after a ping.
    pub watchdog: Span,
    /// W′: the longest time from a ping to the reset, as measured for the driver. At least W.
    pub reset_max: Span,
    /// κ: what the device can still be given after D.
    pub kappa: Kappa,
    /// p: how often the device is pinged.
    pub ping: Span,
    /// How late the multiplexer may be scheduled without a reset.
    pub scheduling_delay: Span,
    /// r: how often a held lock is renewed.
    pub renewal: Span,
    /// q: the store outage that stops and resets nothing.
    pub outage: Span,
    /// τ: after which a request to the store counts as unanswered.
    pub request_timeout: Span,
    /// 2·RTT: one read and one write of the store.
    pub round_trips: Span,
    /// g: how long stopping all services may take when the lock is lost.
    pub stop_budget: Span,
    /// The last part of g: what still runs then is killed.
    pub kill_budget: Span,
    /// δ: how long a node's I/O may trail its reset.
    pub io_trail: Span,
    /// δ_k: how late entered system calls and kernel timers may be; a part of δ. For κ = 1.
    pub kernel_delay: Span,
    /// h: how long a hypervisor may stop the machine with its clocks, in total per grant.
    pub host_stop: Span,
    /// ρ: the bound on every clock's rate error.
    pub drift: DriftPpm,
    /// b: how often a node without a lock shows that it is alive.
    pub presence: Span,
    /// f: how long a node must be silent before it is fenced.
    pub fence_delay: Span,
    /// After which a failed or unclear job of an agent is tried again.
    pub retry: Span,
    /// How long an LRM keeps its lock with nothing to run.
    pub idle: Span,
    /// How much less than κ·W′ + δ + h is subtracted. Zero in every configuration that
    /// [`Config::new`] accepts; the checker uses it to show that the margin is tight.
    pub trim: Span,
}

impl Timing {
    /// T(1−ρ): how long a holder trusts a confirmed write, from before it sent it.
    #[must_use]
    pub const fn authority(&self, ttl: Span) -> Span {
        ttl.minus(self.drift.of(ttl))
    }

    /// T(1+ρ): how long an observer must see a lock silent before it may take it.
    #[must_use]
    pub fn silence(&self, ttl: Span) -> Span {
        ttl + self.drift.of(ttl)
    }

    /// E − D for a device that resets within `reset_max`: κ·W′ + δ + h.
    #[must_use]
    pub fn margin(&self, reset_max: Span) -> Span {
        (reset_max.times(self.kappa.factor()) + self.io_trail + self.host_stop).minus(self.trim)
    }

    /// D − t0 for a confirmed renewal.
    #[must_use]
    pub fn guarded(&self) -> Span {
        self.authority(self.lock_ttl)
            .minus(self.margin(self.reset_max))
    }

    /// The sum that no past instant needs to be told apart beyond: the largest that any machine
    /// compares an elapsed time with.
    #[must_use]
    pub fn largest_sum(&self) -> Span {
        let elapsed = [
            self.silence(self.lock_ttl),
            self.authority(self.lock_ttl),
            self.margin(self.reset_max),
            self.idle,
            self.retry,
            self.renewal,
            self.request_timeout,
        ];
        elapsed.into_iter().max().unwrap_or(Span::ZERO)
    }
}

/// A timing whose inequalities hold, with what else the machines of a node must agree on.
///
/// `M` is [`NoMutation`] in production; it is zero-sized and answers every question with "no".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config<M = NoMutation> {
    timing: Timing,
    policy: Policy,
    /// The name order of services, in which they are stopped.
    pub services: Ranks,
    /// The name order of nodes, in which they are looked at.
    pub nodes: Ranks,
    mutation: M,
}

impl Config {
    /// Accepts a timing all of whose inequalities hold.
    ///
    /// # Errors
    ///
    /// Every inequality that doesn't hold, with by how much and the nearest valid values.
    pub fn new(timing: Timing, services: Ranks) -> Result<Self, Vec<Broken>> {
        inequality::check(&timing)?;
        Ok(Self {
            timing,
            policy: Policy::OWN,
            services,
            nodes: Ranks::default(),
            mutation: NoMutation,
        })
    }

    /// A ready-made timing with the decisions that belong to it, for services without names.
    #[must_use]
    pub fn of_profile(profile: Profile) -> Self {
        Self {
            timing: profile.timing(),
            policy: profile.policy(),
            services: Ranks::default(),
            nodes: Ranks::default(),
            mutation: NoMutation,
        }
    }
}

impl<M: Mutation> Config<M> {
    /// Any timing, sound or not, with rules broken on purpose: for the checker, which shows what
    /// happens then. Never for a daemon.
    #[must_use]
    pub fn for_checking(timing: Timing, services: Ranks, mutation: M) -> Self {
        Self {
            timing,
            policy: Policy::OWN,
            services,
            nodes: Ranks::default(),
            mutation,
        }
    }

    /// The same with other decisions and counts: a checker's are as small as they can be.
    #[must_use]
    pub fn deciding(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The same with other rules broken on purpose.
    #[must_use]
    pub fn breaking(self, mutation: M) -> Self {
        Self { mutation, ..self }
    }

    /// The numbers.
    #[must_use]
    pub const fn timing(&self) -> &Timing {
        &self.timing
    }

    /// What is decided otherwise in some profile.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether the checker has broken this rule.
    #[must_use]
    pub fn broken(&self, mutant: Mutant) -> bool {
        self.mutation.contains(mutant)
    }

    /// D for an authority that ends at `expires`, with a device that resets within `reset_max`.
    #[must_use]
    pub fn deadline(&self, expires: Instant, reset_max: Span) -> Instant {
        let timing = &self.timing;
        let mut margin = timing.margin(reset_max);
        if self.broken(Mutant::MarginOfOneReset) {
            margin = reset_max + timing.ping + timing.io_trail;
        }
        if self.broken(Mutant::MarginWithoutTrail) {
            margin = margin.minus(timing.io_trail);
        }
        if self.broken(Mutant::MarginWithoutHostStop) {
            margin = margin.minus(timing.host_stop);
        }
        expires.minus(margin)
    }
}
