//! What searches have seen of the specification's state machines, and which fault happened when.
//!
//! [`diagram`] has the machines with the edges that are allowed, [`reasons`] why some are never
//! taken, [`pairs`] the faults and the phases in which they meet a service. [`Configuration::cover`]
//! searches and counts, [`Coverage`] judges, [`document`] shows what came out, and [`figures`] keeps it.
//!
//! An edge is counted in each step of the state graph in which it is decided. A manager may take
//! several in one round, and writes what came out of them: what its commit compares may have changed
//! meanwhile, and then it decides again.

mod counter;
pub mod diagram;
pub mod document;
mod draw;
pub mod figures;
mod judgement;
pub mod pairs;
pub mod reasons;

use std::sync::Arc;

use crate::cluster::Cluster;
use crate::configuration::{Configuration, Findings};
use crate::search::{Options, Progress, search};

pub use counter::{Counter, Counts};
pub use judgement::{Coverage, Covered, Standing};

impl Configuration {
    /// Explores it, and counts what it sees of the state machines.
    pub fn cover(&self, options: &Options, progress: impl FnMut(&Progress)) -> (Findings, Covered) {
        let counter = Arc::new(Counter::default());
        let cluster = Cluster::new(self.setup.clone()).counting(Arc::clone(&counter));
        let found = search(&cluster, &self.searching(options), progress);
        let covered = Covered {
            name: self.name.clone(),
            hosts: self.setup.hosts.len(),
            states: found.states,
            counts: counter.counts(),
        };
        (found, covered)
    }
}
