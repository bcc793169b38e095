//! The search engine against models whose state spaces are known.

mod endless;
mod kept;
mod lease;
mod random;
mod toys;
mod verdicts;
