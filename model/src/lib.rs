//! The protocol of Lockstep: what decides that a service may run here and nowhere else.
//!
//! Every part is a *machine*: a plain value with one entry point,
//! `step(&mut self, config, now, input, effects)`. A machine performs no I/O, reads no clock and
//! draws no random number; it is told the time and what happened, and answers with effects for its
//! driver to execute. The model checker and the daemons call the same `step`.
//!
//! What this crate must not know: files, sockets, threads, clocks, JSON, stateright. It is
//! `no_std`, and depends on `serde` and `libm` alone, so purity is a compile error and not a
//! promise.
//!
//! Where to start reading:
//!
//! 1. [`time`] and [`id`]: the two vocabularies that everything else is written in,
//! 2. [`record`]: what stands in the store, and how it may be changed,
//! 3. [`lock`]: how a lock is held, observed and taken,
//! 4. [`watchdog`]: the multiplexer, which alone knows the device,
//! 5. [`lrm`]: who runs services while all of that holds,
//! 6. [`config`]: the numbers, and the inequalities between them that make it safe,
//! 7. [`mutation`]: the rules by name, so that the checker can break each of them,
//! 8. [`journal`]: what a daemon writes down, and how it is replayed,
//! 9. [`format`](mod@format): what configuration files say, and the texts of what is wrong in them,
//! 10. [`rules`]: from affinity rules as written to what placement asks,
//! 11. [`placement`]: which node a service belongs on,
//! 12. [`presence`]: what an LRM tells the manager, beside its lock,
//! 13. [`manager`]: what a master decides in a round, [`crm`], which makes one of them master, and
//!     [`master`], which does both on the store's locks and records.
//!
//! # Driving a machine
//!
//! A driver waits (timer, socket, watch, signal), turns what came into an input, calls `step`, and
//! executes the effects **in the order of the outbox within each lane**. Between `step` and an
//! effect's execution any time may pass and the driver may die: safety never rests on an effect
//! being executed soon. After every `step` the driver asks `next_wakeup` and arms its timer, and
//! asks `check`; a violation is a bug and ends the process.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod aside;
pub mod config;
pub mod contender;
pub mod crm;
pub mod event;
pub mod format;
pub mod id;
pub mod journal;
pub mod lock;
pub mod lrm;
pub mod manager;
pub mod master;
pub mod mutation;
pub mod name;
pub mod person;
pub mod placement;
pub mod presence;
pub mod record;
pub mod rules;
pub mod table;
pub mod time;
pub mod visit;
pub mod watchdog;
