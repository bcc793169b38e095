//! The stand-in for a node's watchdog: `SOCKET TOKEN LOG`. Resets the node, too, when its standard
//! input ends: whoever began it is gone.

use std::env;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use lockstep_tests::device;
use nix::sys::signal::Signal;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [socket, token, log] = arguments.as_slice() else {
        let _ = writeln!(io::stderr(), "node-device: expected SOCKET TOKEN LOG");
        return ExitCode::from(2);
    };
    let orphaned = token.clone();
    thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        device::signal_node(&orphaned, Signal::SIGKILL);
        std::process::exit(1);
    });
    match device::serve(Path::new(socket), token, Path::new(log)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(
                io::stderr(),
                "node-device: failed to serve {socket}: {error}"
            );
            ExitCode::FAILURE
        }
    }
}
