//! Exhaustive search: whether the rules hold in everything that can happen.
//!
//! [`search`] is a search over any stateright model and knows nothing of Lockstep. [`cluster`]
//! makes the world such a model and [`promised`] one in which something must happen,
//! [`configuration`] names what is explored, [`mutants`] what must fail and [`trial`] whether it
//! does, [`counterexample`], [`lasso`], [`timeline`] and [`picture`] show how. [`sweep`] asks the
//! search about the margin's formula. [`lease`] is a small model of known size to measure the search
//! with, [`sight`] what is compared with other models.
//!
//! This crate takes no decision of the protocol and prints nothing.

pub mod cluster;
pub mod configuration;
pub mod counterexample;
pub mod coverage;
mod encoding;
pub mod lasso;
pub mod lease;
pub mod mutants;
pub mod picture;
pub mod promised;
pub mod search;
pub mod sight;
pub mod sweep;
pub mod timeline;
pub mod trial;
