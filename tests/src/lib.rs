//! What the tests that cross crates share: a stand-in for the watchdog's device, a store that can
//! be cut off, a contender, and nodes as real processes.
//!
//! Where to start reading: [`node`], then [`fault`], then [`run`].

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use lockstep_watchdog::clock;

pub mod contender;
pub mod device;
pub mod fault;
pub mod gate;
mod journals;
pub mod node;
pub mod run;

/// Appends `WRITER MS` to a file, in one write.
///
/// # Errors
///
/// The file's.
pub fn stamp(path: &Path, writer: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(format!("{writer} {}\n", clock::now().0).as_bytes())
}
