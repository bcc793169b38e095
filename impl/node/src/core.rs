//! One step of a machine, with all that belongs to it whatever the machine.

use std::path::Path;

use lockstep_model::config::Config;
use lockstep_model::event::{Effects, Level};
use lockstep_model::journal::{FORMAT, Header, Kind, Machine, Step};
use lockstep_model::mutation::{Mutation, NoMutation};
use lockstep_model::time::{Instant, Span};
use lockstep_watchdog::clock::{self, Alarm};

use crate::error::{Error, system};
use crate::journal::Journal;

/// A machine with its configuration, its journal and its timer.
#[derive(Debug)]
pub struct Core<T: Machine, M> {
    machine: T,
    config: Config<M>,
    journal: Journal,
    alarm: Alarm,
}

impl<T: Machine, M: Mutation> Core<T, M> {
    /// A machine in its initial state. The journal is that of the machine without any rule broken.
    ///
    /// # Errors
    ///
    /// The journal can't be begun.
    pub fn new(
        machine: T,
        kind: Kind,
        config: Config<M>,
        journal: &Path,
        alarm: Alarm,
    ) -> Result<Self, Error> {
        let (timing, services) = (config.timing().clone(), config.services.clone());
        let header = Header {
            format: FORMAT,
            machine: kind,
            config: Config::for_checking(timing, services, NoMutation),
        };
        let journal = system(
            "begin the journal",
            journal,
            Journal::begin(journal, &header),
        )?;
        Ok(Self {
            machine,
            config,
            journal,
            alarm,
        })
    }

    /// The configuration.
    pub const fn config(&self) -> &Config<M> {
        &self.config
    }

    /// The machine, to look at.
    pub const fn machine(&self) -> &T {
        &self.machine
    }

    /// Takes one step now and returns what is to be done, in order. The timer is set.
    ///
    /// A violated invariant ends the process on the spot. Nothing is disarmed or released: a bug
    /// becomes fencing, not corruption.
    pub fn step(&mut self, input: T::Input) -> Vec<T::Effect> {
        let now = clock::now();
        let mut outbox = Effects::new();
        self.machine
            .step(&self.config, now, input.clone(), &mut outbox);
        let Effects { effects, events } = outbox;
        self.journal.append(&T::entry(Step {
            now,
            input,
            effects: effects.clone(),
        }));
        for event in &events {
            let level = match event.level() {
                Level::Info => "info",
                Level::Notice => "notice",
                Level::Warning => "warning",
                Level::Error => "error",
                Level::Mail => "mail",
            };
            self.say(now, &format!("{level}: {event}"));
            if event.level() == Level::Error {
                self.journal.sync();
            }
        }
        if let Err(violation) = self.machine.check(&self.config) {
            self.abort(now, &format!("violated {violation}"));
        }
        self.set_alarm(now);
        effects
    }

    fn set_alarm(&mut self, now: Instant) {
        let wakeup = self.machine.next_wakeup(&self.config);
        // One that lies in the past was just served; a machine that asks again gets it later.
        let at = wakeup.map(|wakeup| wakeup.at.max(now + Span(1)));
        if let Err(error) = self.alarm.set(at) {
            self.abort(now, &format!("failed to set the timer: {error}"));
        }
    }

    /// Writes a line for people, without waiting.
    pub fn say(&mut self, now: Instant, text: &str) {
        self.journal.say(line(now, text));
    }

    fn abort(&mut self, now: Instant, text: &str) -> ! {
        self.say(now, &format!("error: {text}"));
        self.journal.sync();
        self.journal.finish();
        std::process::abort()
    }
}

fn line(now: Instant, text: &str) -> String {
    format!("{} ms {text}", now.0)
}
