//! The watchdog multiplexer of a node.

use std::process::ExitCode;

use lockstep_node::cli;

fn main() -> ExitCode {
    cli::mux_main()
}
