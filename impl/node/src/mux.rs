//! The watchdog multiplexer as a process.
//!
//! One thread steps the machine and executes its effects, all in one lane and in order: what the
//! device does has happened when the next step begins. Other threads only wait.
//!
//! SIGTERM, SIGINT and SIGHUP end it when nothing is armed, and are ignored otherwise.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use lockstep_model::config::Config;
use lockstep_model::id::BootId;
use lockstep_model::journal::Kind;
use lockstep_model::mutation::Mutation;
use lockstep_model::time::{Instant, Span};
use lockstep_model::watchdog::{Effect, Input, Multiplexer};
use lockstep_watchdog::clock::{self, Alarm};
use lockstep_watchdog::device::Device;
use lockstep_watchdog::kill_timer::KillTimer;
use lockstep_watchdog::peers::{self, News, Peers};
use nix::sys::stat::{Mode, umask};

use crate::core::Core;
use crate::error::{Error, system};
use crate::settings::Settings;
use crate::{cli, journal, state};

/// What it is called.
const DAEMON: &str = "watchdog-mux";

/// After which time the same complaint about a peer is made again.
const SAME_AGAIN: Span = Span(600_000);

enum Event {
    Input(Input),
    News(News),
}

/// What is different in a multiplexer that is broken on purpose.
pub struct Parts<M> {
    /// The configuration.
    pub config: Config<M>,
    /// The device.
    pub device: Box<dyn Device>,
    /// The kill timer.
    pub kill_timer: Box<dyn KillTimer>,
}

struct Mux<M> {
    core: Core<Multiplexer, M>,
    peers: Peers,
    device: Box<dyn Device>,
    kill_timer: Box<dyn KillTimer>,
    boot: BootId,
    marker: PathBuf,
    /// What was last said of a peer, and when.
    complaint: Option<(String, Instant)>,
}

/// Runs until a request to end is granted.
///
/// # Errors
///
/// What keeps it from running. An armed device is left counting.
pub fn run<M: Mutation>(settings: &Settings, parts: Parts<M>) -> Result<(), Error> {
    let only_one = settings.state_dir.join("watchdog-mux.lock");
    let lock = system("open the lock", &only_one, File::create(&only_one))?;
    lock.try_lock().map_err(|_| Error::Running(DAEMON))?;
    let incarnation = settings.new_incarnation()?;
    let directory = &settings.state_dir;
    system("tidy", directory, journal::prune(directory, DAEMON))?;

    let (events, received) = mpsc::channel();
    let rings = events.clone();
    let alarm = Alarm::new(move || rings.send(Event::Input(Input::Timer)).is_ok());
    let alarm = system("make a timer on", "CLOCK_BOOTTIME", alarm)?;
    let core = Core::new(
        Multiplexer::new(),
        Kind::Multiplexer(settings.boot),
        parts.config,
        &journal::path(directory, DAEMON, incarnation),
        alarm,
    )?;
    let mut mux = Mux {
        core,
        peers: Peers::new(settings.boot),
        device: parts.device,
        kill_timer: parts.kill_timer,
        boot: settings.boot,
        marker: settings.state_dir.join("watchdog-mux.armed"),
        complaint: None,
    };
    // Looked for before anything else: opening the device would ping it.
    let marker = system(
        "read the marker",
        &mux.marker,
        state::read::<bool>(&mux.marker, mux.boot),
    )?
    .is_some();
    if mux.feed(Input::Started { marker })? {
        return Err(Error::Marked);
    }

    let terminates = events.clone();
    cli::on_signals(move |_| {
        let _ = terminates.send(Event::Input(Input::Terminate));
    })?;
    let socket = &settings.multiplexer_socket;
    let reports = move |news| {
        let _ = events.send(Event::News(news));
    };
    listen(socket, reports)?;
    for event in received {
        let inputs = match event {
            Event::Input(input) => vec![input],
            Event::News(news) => {
                let (inputs, error) = mux.peers.on(news);
                if let Some(error) = error {
                    mux.complain(&error.to_string());
                }
                inputs
            }
        };
        for input in inputs {
            if mux.feed(input)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Listens where clients look. The lock is held, so a socket that is there is a dead predecessor's.
fn listen(socket: &Path, reports: impl Fn(News) + Clone + Send + 'static) -> Result<(), Error> {
    let wrong = |what: String| Error::Settings(format!("listen at {}: {what}", socket.display()));
    match fs::symlink_metadata(socket) {
        Ok(metadata) if metadata.file_type().is_socket() => {
            system("remove", socket, fs::remove_file(socket))?;
        }
        Ok(_) => {
            let what = "found something that is no socket; expected a socket or nothing";
            return Err(wrong(what.to_owned()));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(wrong(error.to_string())),
    }
    // From the first moment nobody else may connect. All that this process makes is its own.
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    let listener = UnixListener::bind(socket).map_err(|error| wrong(error.to_string()))?;
    system("listen at", socket, peers::accept(listener, reports))
}

impl<M: Mutation> Mux<M> {
    /// Steps until nothing follows from the input any more. Returns whether the process ends.
    fn feed(&mut self, input: Input) -> Result<bool, Error> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.core.step(input) {
                if effect == Effect::Exit {
                    return Ok(true);
                }
                inputs.extend(self.execute(effect)?);
            }
        }
        Ok(false)
    }

    /// Tells why a peer was sent away. One that comes back with the same at once is told again only
    /// after a while.
    fn complain(&mut self, error: &str) {
        let now = clock::now();
        let is_known = |(last, at): &(String, Instant)| last == error && now < *at + SAME_AGAIN;
        if !self.complaint.as_ref().is_some_and(is_known) {
            self.core.say(now, &format!("warning: failed to {error}"));
            self.complaint = Some((error.to_owned(), now));
        }
    }

    fn execute(&mut self, effect: Effect) -> Result<Option<Input>, Error> {
        let watchdog = |doing| move |source| Error::Watchdog { doing, source };
        Ok(match effect {
            Effect::Reply(client, message) => {
                self.peers.tell(client, message);
                None
            }
            Effect::SetTimer(at) => {
                let set = self.kill_timer.set(at);
                set.map_err(watchdog("set the kill timer"))?;
                Some(Input::TimerSet(at))
            }
            Effect::Open { timeout } => Some(self.open(timeout)?),
            Effect::Ping => {
                self.device.ping().map_err(watchdog("ping the device"))?;
                None
            }
            Effect::Resize { timeout } => {
                let resized = self.device.set_timeout(timeout);
                Some(Input::Resized(
                    resized.map_err(watchdog("set the device's time-out"))?,
                ))
            }
            Effect::Close => {
                self.device.close().map_err(watchdog("close the device"))?;
                system("remove", &self.marker, state::remove(&self.marker))?;
                Some(Input::Closed)
            }
            // The caller has looked.
            Effect::Exit => None,
        })
    }

    fn open(&mut self, timeout: Span) -> Result<Input, Error> {
        use io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied, ResourceBusy};
        let marked = state::write(&self.marker, self.boot, &true);
        system("write the marker", &self.marker, marked)?;
        let unarmed = [NotFound, ConnectionRefused, PermissionDenied, ResourceBusy];
        match self.device.open(timeout) {
            Ok(timeout) => Ok(Input::Opened(Some(timeout))),
            Err(error) if unarmed.contains(&error.kind()) => {
                let text = format!("error: failed to open the watchdog's device: {error}");
                self.core.say(clock::now(), &text);
                system("remove", &self.marker, state::remove(&self.marker))?;
                Ok(Input::Opened(None))
            }
            Err(source) => Err(Error::Watchdog {
                doing: "open the device",
                source,
            }),
        }
    }
}
