//! How the programs are called.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{panic, process, thread};

use clap::Parser;
use lockstep_model::mutation::Mutation;
use lockstep_watchdog::device::StandIn;
use lockstep_watchdog::kill_timer::PosixKillTimer;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::agent::launcher;
use crate::error::{Error, system};
use crate::settings::Settings;
use crate::{lrm, mux};

/// How long a process that ends waits for its last line to be written: a loaded machine takes its
/// time.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The same after a panic, while the other threads still go on.
const LAST_WORDS_OF_PANIC: Duration = Duration::from_millis(500);

/// The local resource manager: runs this node's services while it provably may.
#[derive(Parser)]
#[command(
    name = "ha-lrm",
    version,
    after_help = "Signals:\n  \
        SIGTERM, SIGINT, SIGHUP\n           \
        stop all services, give the lock back, disarm the watchdog, end\n  \
        SIGUSR1\n           \
        end, but leave the services running for the next ha-lrm of this boot"
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
        SIGTERM, SIGINT, SIGHUP\n           \
        end, if nothing is armed; ignored otherwise"
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
    let busy_timeout = lrm::duration(settings.config.timing().request_timeout);
    embedded_at(settings.store.clone(), busy_timeout)
}

pub(crate) fn embedded_at(path: PathBuf, busy_timeout: Duration) -> lrm::Opener {
    Arc::new(move |past: lrm::Past| {
        let options = lockstep_store::Options {
            busy_timeout,
            poll_interval: lrm::POLL_INTERVAL,
            cluster: past.cluster,
            seen: past.seen,
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

fn run(name: &'static str, main: impl FnOnce() -> Result<(), Error>) -> ExitCode {
    end_on_panic(name);
    match main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            last_words(format!("{name}: failed to {error}"), LAST_WORDS);
            error.exit_code()
        }
    }
}

/// Writes a line, and doesn't wait for ever if nobody reads it.
fn last_words(text: String, wait: Duration) {
    let (said, heard) = mpsc::channel();
    let spawned = thread::Builder::new().spawn(move || {
        let _ = writeln!(io::stderr(), "{text}");
        let _ = said.send(());
    });
    if spawned.is_ok() {
        let _ = heard.recv_timeout(wait);
    }
}

/// A panic in any thread ends the process: what that thread did would be missing from now on, and
/// nobody would notice. Nothing is disarmed or released: a bug becomes fencing, not corruption.
fn end_on_panic(name: &'static str) {
    panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let message = message.replace('\n', " ");
        let place = panic.location().map(ToString::to_string);
        let place = place.unwrap_or_default();
        let text = format!("{name}: error: panicked at {place}: {message}");
        last_words(text, LAST_WORDS_OF_PANIC);
        process::abort();
    }));
}

/// Calls `on` for every request to end or restart, in a thread of its own.
pub(crate) fn on_signals(on: impl Fn(i32) + Send + 'static) -> Result<(), Error> {
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1]);
    let mut signals = system("handle", "signals", signals)?;
    let wait = move || signals.forever().for_each(on);
    let spawned = thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait);
    system("handle", "signals", spawned)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::Signal;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, Stdio};

    const CHILD: &str = "LOCKSTEP_PANIC_CHILD";

    /// The test begins itself once more, as the process that panics.
    fn child() -> Command {
        let name = thread::current().name().unwrap().to_owned();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", &name]).env(CHILD, "");
        child
    }

    fn panic_in_a_thread() {
        let _ = run("it", || {
            let _ = thread::spawn(|| panic!("one\ntwo"));
            loop {
                thread::park();
            }
        });
    }

    #[test]
    fn a_panic_in_any_thread_ends_the_process_with_one_line() {
        if std::env::var_os(CHILD).is_some() {
            return panic_in_a_thread();
        }
        let output = child().output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(Signal::SIGABRT as i32));
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with("it: error: panicked at impl/"), "{said}");
        assert!(said.ends_with(": one two\n"), "{said}");
    }

    #[test]
    fn a_panic_that_nobody_reads_of_ends_the_process() {
        if std::env::var_os(CHILD).is_some() {
            return panic_in_a_thread();
        }
        let (read, mut write) = io::pipe().unwrap();
        let filler = write.try_clone().unwrap();
        nix::fcntl::fcntl(
            &filler,
            nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
        )
        .unwrap();
        while write.write(&[0; 4096]).is_ok() {}
        nix::fcntl::fcntl(
            &filler,
            nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty()),
        )
        .unwrap();
        let status = child()
            .stdout(Stdio::null())
            .stderr(Stdio::from(write))
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(Signal::SIGABRT as i32));
        drop(read);
    }
}
