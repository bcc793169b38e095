//! A service that stamps a file every 10 ms: `FILE [stubborn]`. A stubborn one ignores SIGTERM.

use std::env;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{self, ExitCode};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let path = match arguments.as_slice() {
        [path] => path,
        [path, "stubborn"] => {
            let mut ignored = SigSet::empty();
            ignored.add(Signal::SIGTERM);
            // It has no other thread.
            ignored.thread_block().expect("signals can be blocked");
            path
        }
        _ => {
            let _ = writeln!(io::stderr(), "node-service: expected FILE [stubborn]");
            return ExitCode::from(2);
        }
    };
    let writer = format!("A{}", process::id());
    loop {
        if let Err(error) = lockstep_tests::stamp(Path::new(path), &writer) {
            let _ = writeln!(
                io::stderr(),
                "node-service: failed to stamp {path}: {error}"
            );
            return ExitCode::FAILURE;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
