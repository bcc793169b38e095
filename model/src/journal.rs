//! What a daemon writes down about its machine, and the proof that it ran this very code.
//!
//! A journal is a [`Header`] followed by one [`Entry`] for every call of a machine's `step`, in
//! order. The machine is deterministic, so the header and the inputs give the effects again:
//! [`replay`] feeds them to the same code and reports the first step whose effects differ. How a
//! journal is stored (one JSON document a line, the last one possibly torn) is the reader's and
//! the writer's business.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::contender::{self, Contender};
use crate::event::{Effects, Violation};
use crate::id::{BootId, Holder, NodeId};
use crate::lrm::{self, Lrm};
use crate::mutation::Mutation;
use crate::time::{Instant, Wakeup};
use crate::watchdog::{self, Multiplexer};

/// The version of the journal's form. A reader refuses any other.
pub const FORMAT: u32 = 1;

/// What stands in place of a last entry where the writer keeps no more of them: a JSON document
/// like the others, and the last one.
pub const LIMIT_REACHED: &str = "\"journal ends: limit\"";

/// What every journal begins with: all that the first step rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`], as the writer knew it.
    pub format: u32,
    /// Which machine, and who it was.
    pub machine: Kind,
    /// The configuration of all steps.
    pub config: Config,
}

/// A machine in its initial state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// An LRM.
    Lrm(Holder),
    /// A multiplexer of this boot, to which the instants belong.
    Multiplexer(BootId),
    /// A contender.
    Contender {
        /// For whose lock.
        lock: NodeId,
        /// Under which identity.
        me: Holder,
    },
}

/// One step of one kind of machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step<I, E> {
    /// When it was.
    pub now: Instant,
    /// What came in.
    pub input: I,
    /// What was to be done, in order.
    pub effects: Vec<E>,
}

/// One step of any machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// Of an LRM.
    Lrm(Step<lrm::Input, lrm::Effect>),
    /// Of a multiplexer.
    Multiplexer(Step<watchdog::Input, watchdog::Effect>),
    /// Of a contender.
    Contender(Step<contender::Input, contender::Effect>),
}

/// A machine that can be driven and written down.
pub trait Machine {
    /// What happens to it.
    type Input: Clone;
    /// What it wants done.
    type Effect: Clone + PartialEq;

    /// Takes in what happened and says what to do.
    fn step<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        input: Self::Input,
        effects: &mut Effects<Self::Effect>,
    );

    /// When it next needs attention, and why.
    fn next_wakeup<M: Mutation>(&self, config: &Config<M>) -> Option<Wakeup>;

    /// Its own invariants.
    ///
    /// # Errors
    ///
    /// The first that doesn't hold.
    fn check<M: Mutation>(&self, config: &Config<M>) -> Result<(), Violation>;

    /// A step of this machine as an entry.
    fn entry(step: Step<Self::Input, Self::Effect>) -> Entry;
}

macro_rules! machine {
    ($machine:ty, $module:ident, $entry:ident, |$this:ident, $config:ident| $check:expr) => {
        impl Machine for $machine {
            type Input = $module::Input;
            type Effect = $module::Effect;

            fn step<M: Mutation>(
                &mut self,
                config: &Config<M>,
                now: Instant,
                input: Self::Input,
                effects: &mut Effects<Self::Effect>,
            ) {
                self.step(config, now, input, effects);
            }

            fn next_wakeup<M: Mutation>(&self, config: &Config<M>) -> Option<Wakeup> {
                self.next_wakeup(config)
            }

            fn check<M: Mutation>(&self, $config: &Config<M>) -> Result<(), Violation> {
                let $this = self;
                $check
            }

            fn entry(step: Step<Self::Input, Self::Effect>) -> Entry {
                Entry::$entry(step)
            }
        }
    };
}

machine!(Lrm, lrm, Lrm, |this, _config| this.check());
machine!(Multiplexer, watchdog, Multiplexer, |this, config| this
    .check(config));
machine!(Contender, contender, Contender, |this, _config| this
    .check());

/// Why a journal is not what its machine does. Entries count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The journal has another form.
    Format {
        /// The form found.
        found: u32,
    },
    /// An entry is that of another kind of machine than the header's.
    OtherMachine {
        /// Which entry.
        entry: u64,
    },
    /// Time went backwards.
    Backwards {
        /// Which entry.
        entry: u64,
    },
    /// The machine gives other effects than were written down.
    Effects {
        /// Which entry, and what it should be.
        entry: u64,
        /// The same step, with the effects that the machine gives.
        expected: Entry,
    },
    /// An invariant of the machine's own state doesn't hold after an entry.
    Violation {
        /// Which entry.
        entry: u64,
        /// Which invariant.
        violation: Violation,
    },
}

/// Runs a journal's inputs through the machine and compares the effects. Returns how many steps
/// that were.
///
/// # Errors
///
/// The first [`Difference`].
pub fn replay(
    header: &Header,
    entries: impl IntoIterator<Item = Entry>,
) -> Result<u64, Difference> {
    if header.format != FORMAT {
        return Err(Difference::Format {
            found: header.format,
        });
    }
    let config = &header.config;
    match &header.machine {
        Kind::Lrm(me) => replay_machine(Lrm::new(*me), config, entries, |entry| match entry {
            Entry::Lrm(step) => Some(step),
            Entry::Multiplexer(_) | Entry::Contender(_) => None,
        }),
        Kind::Multiplexer(_) => {
            replay_machine(Multiplexer::new(), config, entries, |entry| match entry {
                Entry::Multiplexer(step) => Some(step),
                Entry::Lrm(_) | Entry::Contender(_) => None,
            })
        }
        Kind::Contender { lock, me } => {
            let machine = Contender::new(*lock, *me);
            replay_machine(machine, config, entries, |entry| match entry {
                Entry::Contender(step) => Some(step),
                Entry::Lrm(_) | Entry::Multiplexer(_) => None,
            })
        }
    }
}

fn replay_machine<T: Machine>(
    mut machine: T,
    config: &Config,
    entries: impl IntoIterator<Item = Entry>,
    step_of: impl Fn(Entry) -> Option<Step<T::Input, T::Effect>>,
) -> Result<u64, Difference> {
    let mut count = 0;
    let mut before = Instant(0);
    for entry in entries {
        count += 1;
        let Some(step) = step_of(entry) else {
            return Err(Difference::OtherMachine { entry: count });
        };
        if step.now < before {
            return Err(Difference::Backwards { entry: count });
        }
        before = step.now;
        let mut effects = Effects::new();
        machine.step(config, step.now, step.input.clone(), &mut effects);
        if effects.effects != step.effects {
            let effects = effects.effects;
            return Err(Difference::Effects {
                entry: count,
                expected: T::entry(Step { effects, ..step }),
            });
        }
        if let Err(violation) = machine.check(config) {
            return Err(Difference::Violation {
                entry: count,
                violation,
            });
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::profile::Profile;
    use crate::id::Ranks;
    use alloc::vec;

    fn header() -> Header {
        Header {
            format: FORMAT,
            machine: Kind::Multiplexer(BootId(1)),
            config: Config::new(Profile::Fast.timing(), Ranks::default()).unwrap(),
        }
    }

    fn step(ms: u64, input: watchdog::Input, effects: Vec<watchdog::Effect>) -> Entry {
        let now = Instant(ms);
        Entry::Multiplexer(Step {
            now,
            input,
            effects,
        })
    }

    fn good() -> Vec<Entry> {
        use watchdog::{Effect, Input};
        vec![
            step(5, Input::Started { marker: false }, vec![]),
            step(7, Input::Terminate, vec![Effect::Exit]),
        ]
    }

    fn check(entries: Vec<Entry>, expect: &Result<u64, Difference>) {
        assert_eq!(&replay(&header(), entries), expect);
    }

    #[test]
    fn a_journal_replays() {
        check(good(), &Ok(2));
        check(vec![], &Ok(0));
    }

    #[test]
    fn every_difference_is_found() {
        use watchdog::{Effect, Input};
        let [first, second] = <[Entry; 2]>::try_from(good()).unwrap();
        let other = step(7, Input::Terminate, vec![Effect::Ping]);
        let expected = second.clone();
        check(
            vec![first.clone(), other],
            &Err(Difference::Effects { entry: 2, expected }),
        );
        let early = step(4, Input::Terminate, vec![Effect::Exit]);
        check(
            vec![first.clone(), early],
            &Err(Difference::Backwards { entry: 2 }),
        );
        let contender = Entry::Contender(Step {
            now: Instant(9),
            input: contender::Input::Timer,
            effects: vec![],
        });
        check(
            vec![first, contender],
            &Err(Difference::OtherMachine { entry: 2 }),
        );
        let header = Header {
            format: FORMAT + 1,
            ..header()
        };
        let found = FORMAT + 1;
        assert_eq!(replay(&header, good()), Err(Difference::Format { found }));
    }
}
