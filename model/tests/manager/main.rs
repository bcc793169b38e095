//! The manager, the CRM and the LRM by rounds, whatever they are shown: what holds of every round.

mod allocations;
mod daemons;
mod draw;
mod frozen;
mod rename;
mod rounds;
mod rules;
mod shadow;
mod world;
