//! A service that stamps a file every 10 ms: `FILE`.

use std::env;
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::thread;
use std::time::Duration;

fn main() -> ExitCode {
    let path = PathBuf::from(env::args_os().nth(1).unwrap_or_default());
    let writer = format!("A{}", process::id());
    while lockstep_tests::stamp(&path, &writer).is_ok() {
        thread::sleep(Duration::from_millis(10));
    }
    ExitCode::FAILURE
}
