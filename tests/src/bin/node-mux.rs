//! `watchdog-mux` as it is, for tests that are not beside it.

use std::process::ExitCode;

use lockstep_node::cli;

fn main() -> ExitCode {
    cli::mux_main()
}
