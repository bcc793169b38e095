//! The local resource manager of a node.

use std::process::ExitCode;

use lockstep_node::cli;

fn main() -> ExitCode {
    cli::lrm_main(cli::embedded)
}
