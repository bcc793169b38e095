//! The daemons of a node: thin drivers around the machines of `lockstep_model`.
//!
//! A driver waits (timer, socket, watch, signal), turns what came into an input, calls `step`, and
//! executes the effects; every step goes into a journal. What this crate must not know: any rule
//! of the protocol. It decides nothing.
//!
//! Where to start reading:
//!
//! 1. [`core`]: one step, with its journal, its check and its timer,
//! 2. [`mux`]: the multiplexer, which executes everything itself, in order,
//! 3. [`lrm`]: the LRM, whose effects may take long and so have threads of their own,
//! 4. [`agent`]: services as process groups,
//! 5. [`settings`] and [`cli`]: what a person configures and how the programs are called,
//! 6. [`journal`] and [`voice`]: what is written down, for the checker and for people.

#![forbid(unsafe_code)]

pub mod agent;
pub mod cli;
pub mod core;
mod error;
pub mod journal;
pub mod lrm;
pub mod mux;
pub mod settings;
mod state;
pub mod voice;

pub use error::Error;
