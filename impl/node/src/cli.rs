//! How the programs are called.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use clap::Parser;
use lockstep_model::mutation::Mutation;
use lockstep_watchdog::device::StandIn;
use lockstep_watchdog::kill_timer::PosixKillTimer;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::agent::launcher;
use crate::error::{Error, system};
use crate::settings::Settings;
use crate::{lrm, mux};

/// The local resource manager: runs this node's services while it provably may.
#[derive(Parser)]
#[command(
    name = "ha-lrm",
    version,
    after_help = "Signals:\n  \
        SIGTERM  stop all services, give the lock back, disarm the watchdog, end\n  \
        SIGUSR1  end, but leave the services running for the next ha-lrm of this boot"
)]
struct LrmArguments {
    /// The node's configuration (JSON)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// The watchdog multiplexer: feeds the watchdog's device while its clients provably may run.
#[derive(Parser)]
#[command(
    name = "watchdog-mux",
    version,
    after_help = "Signals:\n  \
        SIGTERM  end, if nothing is armed; ignored otherwise"
)]
struct MuxArguments {
    /// The node's configuration (JSON)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// `ha-lrm`, on stores that `opener` opens.
#[must_use]
pub fn lrm_main(opener: impl FnOnce(&Settings) -> lrm::Opener) -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() == Some(launcher::COMMAND.as_ref()) {
        let rest: Vec<OsString> = arguments.collect();
        return launcher::main(&rest);
    }
    run("ha-lrm", || {
        let Some(arguments) = parse::<LrmArguments>()? else {
            return Ok(());
        };
        let settings = Settings::read(&arguments.config)?;
        let opener = opener(&settings);
        lrm::run(settings, opener)
    })
}

/// `watchdog-mux`, with the stand-in as the device.
#[must_use]
pub fn mux_main() -> ExitCode {
    mux_main_with(|settings| {
        let kill_timer = PosixKillTimer::new();
        Ok(mux::Parts {
            config: settings.config.clone(),
            device: Box::new(StandIn::new(settings.watchdog.clone())),
            kill_timer: Box::new(system("make a timer on", "CLOCK_BOOTTIME", kill_timer)?),
        })
    })
}

/// `watchdog-mux` of other parts.
#[must_use]
pub fn mux_main_with<M: Mutation>(
    parts: impl FnOnce(&Settings) -> Result<mux::Parts<M>, Error>,
) -> ExitCode {
    run("watchdog-mux", || {
        let Some(arguments) = parse::<MuxArguments>()? else {
            return Ok(());
        };
        let settings = Settings::read(&arguments.config)?;
        mux::run(&settings, parts(&settings)?)
    })
}

/// The embedded store that the settings name.
#[must_use]
pub fn embedded(settings: &Settings) -> lrm::Opener {
    let path = settings.store.clone();
    let busy_timeout = lrm::duration(settings.config.timing().request_timeout);
    Arc::new(move || {
        let options = lockstep_store::Options {
            busy_timeout,
            poll_interval: lrm::POLL_INTERVAL,
            cluster: None,
        };
        Ok(Box::new(lockstep_store::Embedded::open(&path, options)?))
    })
}

/// The arguments; `None` if help or the version was asked for and shown.
fn parse<T: Parser>() -> Result<Option<T>, Error> {
    match T::try_parse() {
        Ok(arguments) => Ok(Some(arguments)),
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            Ok(None)
        }
        Err(error) => {
            let text = error.to_string();
            let lines = text.lines().take_while(|line| !line.starts_with("Usage:"));
            let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
            let line = words.join(" ");
            let what = line.strip_prefix("error: ").unwrap_or(&line);
            let what =
                format!("understand the command line: {what}; --help shows how it is called");
            Err(Error::Settings(what))
        }
    }
}

fn run(name: &str, main: impl FnOnce() -> Result<(), Error>) -> ExitCode {
    match main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{name}: failed to {error}");
            error.exit_code()
        }
    }
}

/// Calls `on` for every request to end or restart, in a thread of its own.
pub(crate) fn on_signals(on: impl Fn(i32) + Send + 'static) -> Result<(), Error> {
    let signals = Signals::new([SIGTERM, SIGINT, SIGUSR1]);
    let mut signals = system("handle", "signals", signals)?;
    let wait = move || signals.forever().for_each(on);
    let spawned = thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait);
    system("handle", "signals", spawned)?;
    Ok(())
}
