//! What surrounds the machines of Lockstep, for the checker.
//!
//! A [`World`] is hosts with processes, clocks and watchdog devices, a store, agents, people, and
//! what may go wrong with each. It contains the very machines of `lockstep-model` and calls their
//! `step`. It must not know how it is searched, and it takes no decision of the protocol.
//!
//! Time is counted in ticks. Every host's clock reads the same, [`World::now`], for ever: after
//! each tick the instants that live on a host move back by what its clock advanced, and ids are
//! renamed by rank ([`canonical`]). So a world that runs for ever has finitely many states.
//!
//! *Urgency*: a process that is not paused acts before time passes. Slowness is a fault. Within a
//! tick everything may happen in any order.
//!
//! Start reading with [`setup`], then [`state`], then [`action`].

pub mod action;
mod agents;
pub mod canonical;
pub mod cluster;
mod commit;
pub mod coverage;
pub mod crm;
mod enabled;
mod execute;
pub mod fairness;
mod fencing;
mod hardware;
pub mod leads;
mod met;
mod named;
pub mod orders;
mod people;
mod process;
pub mod property;
mod publish;
mod quiet;
mod records;
mod rename;
mod reorder;
mod request;
pub mod setup;
pub mod shared;
pub mod stand_in;
pub mod state;
mod step;
mod unseen;

pub use action::{Action, Proc};
pub use crm::Said;
pub use setup::{Admin, Fault, Setup};
pub use state::World;
