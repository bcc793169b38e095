//! A broken multiplexer: it keeps every rule that it can keep by itself, but nothing kills it at D.

use std::io;
use std::process::ExitCode;

use lockstep_model::time::Instant;
use lockstep_node::{cli, mux};
use lockstep_watchdog::device::StandIn;
use lockstep_watchdog::kill_timer::KillTimer;

struct NoTimer;

impl KillTimer for NoTimer {
    fn set(&mut self, _: Option<Instant>) -> io::Result<()> {
        Ok(())
    }
}

fn main() -> ExitCode {
    cli::mux_main_with(|settings| {
        Ok(mux::Parts {
            config: settings.config.clone(),
            device: Box::new(StandIn::new(settings.watchdog.clone())),
            kill_timer: Box::new(NoTimer),
        })
    })
}
