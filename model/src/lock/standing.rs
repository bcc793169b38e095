//! Who may take a lock, when, and in which state.

use serde::{Deserialize, Serialize};

use super::{Client, Seen};
use crate::config::Config;
use crate::id::LockId;
use crate::mutation::{Mutant, Mutation};
use crate::record::{Grant, GrantState};
use crate::time::{Instant, Span};

/// Where a process that doesn't hold a lock stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// The lock was not read yet.
    Unknown,
    /// It may be taken now.
    Free(Takeover),
    /// It may be taken at this moment, if it stays silent until then.
    Silent(Instant),
    /// A later process of this boot, or one that shares its name, holds it.
    Mine,
    /// It was left with services running on this or another boot: only that node, or a person,
    /// may end that.
    LeftRunning,
    /// It was held from another machine under this node's name, or services were left running on
    /// one: a person has to replace the node.
    OtherMachine,
}

/// How a lock may be taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Takeover {
    /// The state that the new grant begins with.
    pub state: GrantState,
    /// The T of a predecessor in the same boot: its authority is still armed, so a shorter one
    /// has to wait until the multiplexer knows.
    pub inherited_ttl: Option<Span>,
}

impl Takeover {
    /// In this state, after nobody of the same boot.
    pub(crate) const fn of(state: GrantState) -> Self {
        Self {
            state,
            inherited_ttl: None,
        }
    }
}

impl Client {
    /// Whether this process may take the lock, which it doesn't hold.
    ///
    /// A lock that nobody holds may be taken at once, and a held one after it was silent for
    /// T(1+ρ) on this process's own clock; but
    ///
    /// * a process of the same boot takes over at once, and keeps what the grant says about
    ///   services (its driver holds the kernel lock that died with its predecessor),
    /// * a new boot waits, unless its predecessor released clean: it can't tell its predecessor from
    ///   a clone,
    /// * another machine under the node's name is refused,
    /// * what was left running stays with its node. A contender that takes a lock whose holder
    ///   died before it was guarded keeps the list.
    #[must_use]
    pub fn standing<M: Mutation>(&self, config: &Config<M>, now: Instant) -> Standing {
        let Some(seen) = &self.seen else {
            return Standing::Unknown;
        };
        let Some(grant) = &seen.grant else {
            return Standing::Free(Takeover::of(GrantState::HeldGuarded));
        };
        let at_home = match self.lock {
            LockId::Agent(_) => self.is_own_node() && grant.holder.node == self.me.node,
            // Only a successor in the same boot needs not wait.
            LockId::Manager => grant.holder.same_boot(&self.me),
        };
        if at_home {
            self.standing_at_home(config, now, seen, grant)
        } else {
            self.standing_elsewhere(config, now, seen, grant)
        }
    }

    /// Whether this is the agent lock of this process's own node.
    fn is_own_node(&self) -> bool {
        self.lock == LockId::Agent(self.me.node)
    }

    /// The lock of this process's own node, last held under that node's name.
    fn standing_at_home<M: Mutation>(
        &self,
        config: &Config<M>,
        now: Instant,
        seen: &Seen,
        grant: &Grant,
    ) -> Standing {
        let same_machine =
            grant.holder.machine == self.me.machine || config.broken(Mutant::MachineIgnored);
        if !same_machine {
            return Standing::OtherMachine;
        }
        if grant.holder.boot == self.me.boot {
            return self.standing_in_boot(config, grant);
        }
        match &grant.state {
            GrantState::ReleasedClean => Standing::Free(Takeover::of(GrantState::HeldGuarded)),
            // What ran in the other boot died with it.
            GrantState::HeldGuarded
            | GrantState::HeldUnguarded(_)
            | GrantState::ReleasedRunning(_) => {
                if config.broken(Mutant::BootTakesOver) {
                    return Standing::Free(Takeover::of(GrantState::HeldGuarded));
                }
                self.after_silence(config, now, seen, grant, GrantState::HeldGuarded)
            }
        }
    }

    /// The lock of this process's own node, last held in this very boot.
    fn standing_in_boot<M: Mutation>(&self, config: &Config<M>, grant: &Grant) -> Standing {
        if grant.holder.incarnation == self.me.incarnation && grant.state.is_held() {
            return Standing::Mine;
        }
        let state = match &grant.state {
            GrantState::HeldGuarded | GrantState::ReleasedClean => GrantState::HeldGuarded,
            GrantState::HeldUnguarded(list) | GrantState::ReleasedRunning(list) => {
                let mut list = list.clone();
                if config.broken(Mutant::ReturnForgetsList) {
                    list.services.clear();
                }
                match config.broken(Mutant::ReturnGuarded) {
                    true => GrantState::HeldGuarded,
                    false => GrantState::HeldUnguarded(list),
                }
            }
        };
        let inherited_ttl = grant.state.is_held().then_some(grant.ttl);
        Standing::Free(Takeover {
            state,
            inherited_ttl,
        })
    }

    /// Another node's lock, or this node's while another node holds or held it.
    fn standing_elsewhere<M: Mutation>(
        &self,
        config: &Config<M>,
        now: Instant,
        seen: &Seen,
        grant: &Grant,
    ) -> Standing {
        // Another node keeps a list of what runs unguarded here; this boot still knows it.
        let mine = |list: &crate::record::Unguarded| {
            self.is_own_node() && list.machine == self.me.machine && list.boot == self.me.boot
        };
        let other_machine = grant.state.unguarded().is_some_and(|list| {
            self.is_own_node()
                && list.machine != self.me.machine
                && !config.broken(Mutant::MachineIgnored)
        });
        if other_machine {
            return Standing::OtherMachine;
        }
        match &grant.state {
            GrantState::ReleasedClean => Standing::Free(Takeover::of(GrantState::HeldGuarded)),
            GrantState::ReleasedRunning(list) if mine(list) => {
                Standing::Free(Takeover::of(GrantState::HeldUnguarded(list.clone())))
            }
            GrantState::ReleasedRunning(_) if config.broken(Mutant::FrozenIsDead) => {
                Standing::Free(Takeover::of(GrantState::HeldGuarded))
            }
            GrantState::ReleasedRunning(list)
                if self.is_own_node() && list.machine == self.me.machine =>
            {
                self.after_silence(config, now, seen, grant, GrantState::HeldGuarded)
            }
            GrantState::ReleasedRunning(_) => Standing::LeftRunning,
            GrantState::HeldGuarded => {
                self.after_silence(config, now, seen, grant, GrantState::HeldGuarded)
            }
            GrantState::HeldUnguarded(list) => {
                let state = match config.broken(Mutant::UnguardedIsDead) {
                    true => GrantState::HeldGuarded,
                    false => GrantState::HeldUnguarded(list.clone()),
                };
                self.after_silence(config, now, seen, grant, state)
            }
        }
    }

    fn after_silence<M: Mutation>(
        &self,
        config: &Config<M>,
        now: Instant,
        seen: &Seen,
        grant: &Grant,
        state: GrantState,
    ) -> Standing {
        let timing = config.timing();
        let ttl = match config.broken(Mutant::ObserveOwnTtl) {
            true => timing.lock_ttl,
            false => grant.ttl,
        };
        let mut silence = match config.broken(Mutant::SilenceWithoutDrift) {
            true => ttl,
            false => timing.silence(ttl),
        };
        if config.broken(Mutant::TakeEarly) {
            silence = silence.minus(Span(1));
        }
        let free_at = seen.since + silence;
        if free_at <= now {
            Standing::Free(Takeover::of(state))
        } else {
            Standing::Silent(free_at)
        }
    }
}
