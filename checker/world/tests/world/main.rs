//! What the checker relies on about worlds, along random walks.
//!
//! A failure prints the walk: the setup's name, the seed, and the number of steps. The same
//! [`Walk`] given to the same test repeats it.

mod canonical;
mod robust;
mod shared;
mod walk;
