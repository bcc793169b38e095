//! The search engine against models whose state spaces are known.

mod endless;
mod kept;
mod lease;
mod liveness;
mod random;
mod toys;
mod verdicts;
