//! The machines together: one node's LRM and multiplexer, another's contender, a store.
//!
//! [`bench`] drives them by commands as a driver would, one after the other and without faults
//! other than those commanded; `scenarios` compares whole traces with golden text, `shift` moves
//! all instants, `orders` and `moves` have what the manager asks of the LRM, `presence` how it
//! publishes what came of it, `table` writes down what the multiplexer does with every input.

mod bench;
mod command;
mod life;
mod moves;
mod orders;
mod presence;
mod scenarios;
mod shift;
mod standing;
mod step;
mod table;
mod text;
