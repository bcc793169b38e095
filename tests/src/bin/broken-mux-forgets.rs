//! A broken multiplexer: it takes a lost connection for a goodbye, and disarms.

use std::process::ExitCode;

use lockstep_model::config::Config;
use lockstep_model::mutation::{Mask, Mutant};
use lockstep_node::{cli, mux};
use lockstep_watchdog::device::StandIn;
use lockstep_watchdog::kill_timer::PosixKillTimer;

fn main() -> ExitCode {
    cli::mux_main_with(|settings| {
        let timing = settings.config.timing().clone();
        let mask = Mask::only(Mutant::VanishedForgotten);
        Ok(mux::Parts {
            config: Config::for_checking(timing, settings.config.services.clone(), mask),
            device: Box::new(StandIn::new(settings.watchdog.clone())),
            kill_timer: Box::new(PosixKillTimer::new().expect("the kernel has timers")),
        })
    })
}
