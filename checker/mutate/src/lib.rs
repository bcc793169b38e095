//! Generated mutants: whether anything notices when a piece of the protocol is broken.
//!
//! A property that holds says little if it held as well with the code wrong. So every guard of the
//! model is negated, every comparison shifted by one unit, every effect dropped, one at a time, and
//! something has to fail each time. That would be as many builds as mutants; instead *one* copy of
//! the workspace is built, in which each such place asks a switch ([`instrument`](mod@instrument)).
//! With the switch off, that copy also tells which places a search reaches, and where a mutant
//! would have made a difference at all; it runs only there ([`campaign`]).
//!
//! The crate takes no decision of the protocol. It knows the model as text ([`places`]), the
//! searches by name ([`job`]), and needs cargo to build its copy ([`copy`](mod@copy)).

pub mod baseline;
pub mod campaign;
pub mod copy;
mod edit;
pub mod explained;
pub mod instrument;
pub mod job;
pub mod operator;
pub mod places;
mod pool;
mod reading;
pub mod report;
mod watch;
pub mod worker;
