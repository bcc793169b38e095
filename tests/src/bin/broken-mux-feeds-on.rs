//! A broken multiplexer: it pings past D, and nothing kills it there.

use std::io;
use std::process::ExitCode;

use lockstep_model::config::Config;
use lockstep_model::mutation::{Mask, Mutant};
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
        let timing = settings.config.timing().clone();
        let mask = Mask::only(Mutant::PingPastDeadline);
        Ok(mux::Parts {
            config: Config::for_checking(timing, settings.config.services.clone(), mask),
            device: Box::new(StandIn::new(settings.watchdog.clone())),
            kill_timer: Box::new(NoTimer),
        })
    })
}
