//! Exhaustive search of a model's state space, level by level.
//!
//! [`search`] visits every reachable state of a [`Checked`] model once, judges
//! every state and every step, and says with a [`Verdict`] how it ended. A
//! search that was cut short or whose model panicked never looks like one that
//! visited everything: the verdict is recorded where it arises, never inferred
//! from what is missing.
//!
//! Three decisions shape the engine:
//!
//! * A state is known by a 128-bit fingerprint of what its `Hash` writes. Of a
//!   visited state only the fingerprint and the step that first reached it stay
//!   in memory; states themselves live in the frontier alone. The chance that
//!   two states share a fingerprint is bounded and reported.
//! * States are numbered in the order in which a sequential search would find
//!   them, whatever the number of threads. So counts, verdicts and traces are
//!   the same in every run, and the first trace of each kind is a shortest one.
//! * Model code runs inside `catch_unwind`; no engine code runs inside a lock.
//!
//! States that wait can be kept as the numbers of their parts ([`Encoding`]), go to the disk where
//! memory is short, and a search can be kept in a file and go on from it ([`Checkpoint`]).
//!
//! [`endless()`] finds runs in which time never passes, [`liveness()`] fair ones in which what must
//! happen never does.
//!
//! Read `checked` for what a model provides, `report` for what comes out,
//! `engine` for the level loop and `worker` for what happens to one batch.

mod checked;
mod checkpoint;
mod components;
mod crew;
mod dictionary;
mod encoding;
mod endless;
mod engine;
mod fingerprint;
mod frontier;
mod graph;
mod keeper;
mod links;
mod liveness;
mod options;
mod packer;
mod record;
mod report;
mod spill;
mod table;
mod tally;
mod trace;
mod watch;
mod worker;

pub use checked::{Checked, raise};
pub use checkpoint::{Checkpoint, Refused, Saved};
pub use encoding::{Encoding, Parts, Pieces, read_varint};
pub use endless::{Endless, Lasso, endless};
pub use engine::{search, search_from};
pub use fingerprint::{Fingerprint, Fingerprinter, collision_bound};
pub use liveness::{
    Broken, Class, Ending, Fairness, Live, Liveness, Longest, Overdue, PromiseResult, Promises,
    Timed, liveness,
};
pub use options::{Limits, Options, Progress, StopAt, Why};
pub use packer::{Packer, Packing};
pub use report::{Count, DeadEnds, Maximum, PropertyResult, Report, Verdict};
pub use trace::{Step, Trace};
