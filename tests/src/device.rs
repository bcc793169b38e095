//! The watchdog's device of one node, outside that node: when it isn't pinged in time, it kills
//! the whole node.
//!
//! A node is every process that carries `LOCKSTEP_NODE=TOKEN` in its environment, which all
//! processes inherit: daemons, launchers, services; stopped ones too. The protocol is
//! `lockstep_watchdog::device`'s.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use lockstep_model::time::{Instant, Span};
use lockstep_watchdog::clock::{self, Alarm};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The variable that says which node a process belongs to.
pub const NODE: &str = "LOCKSTEP_NODE";

enum State {
    Idle,
    Armed { timeout: Span, pinged: Instant },
    Fired,
}

struct Device {
    state: State,
    open: bool,
    alarm: Alarm,
    log: File,
}

/// Serves at `socket` until it has reset the node of this `token`, and logs what happens as lines
/// `MS WORD`: `open`, `closed` (disarmed), `left` (an unclean close), `fired`, `dead`.
///
/// # Errors
///
/// The socket or the log can't be made.
pub fn serve(socket: &Path, token: &str, log: &Path) -> io::Result<()> {
    let (rings, rung) = mpsc::channel();
    let device = Arc::new(Mutex::new(Device {
        state: State::Idle,
        open: false,
        alarm: Alarm::new(move || rings.send(()).is_ok())?,
        log: OpenOptions::new().create(true).append(true).open(log)?,
    }));
    let listener = UnixListener::bind(socket)?;
    let accepting = Arc::clone(&device);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let device = Arc::clone(&accepting);
            thread::spawn(move || serve_connection(&device, &stream));
        }
    });
    for () in rung {
        if lock(&device).has_fired(token) {
            break;
        }
    }
    Ok(())
}

fn lock(device: &Mutex<Device>) -> MutexGuard<'_, Device> {
    device.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection: one opening of the device.
fn serve_connection(device: &Mutex<Device>, stream: &UnixStream) {
    let mut opened = false;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let answer = lock(device).answer(&line, &mut opened);
        let mut answers = stream;
        if answers.write_all(format!("{answer}\n").as_bytes()).is_err() {
            break;
        }
    }
    if opened {
        lock(device).leave();
    }
}

impl Device {
    fn answer(&mut self, line: &str, opened: &mut bool) -> String {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("open", _) if self.open => "busy".to_owned(),
            ("open", ms) => {
                *opened = true;
                self.open = true;
                self.say("open");
                self.arm(ms)
            }
            ("timeout", ms) if *opened => self.arm(ms),
            ("ping", _) if *opened => {
                self.ping();
                "ok".to_owned()
            }
            ("V", _) if *opened => {
                *opened = false;
                self.open = false;
                self.state = State::Idle;
                self.say("closed");
                "ok".to_owned()
            }
            (other, _) => format!("refused {other}"),
        }
    }

    fn arm(&mut self, ms: &str) -> String {
        let Ok(ms) = ms.parse() else {
            return format!("refused {ms}");
        };
        if !matches!(self.state, State::Fired) {
            self.state = State::Armed {
                timeout: Span(ms),
                pinged: clock::now(),
            };
        }
        self.ping();
        format!("ok {ms}")
    }

    fn ping(&mut self) {
        if let State::Armed { timeout, pinged } = &mut self.state {
            *pinged = clock::now();
            let at = *pinged + *timeout;
            // Without a timer this device is of no use, and the node must not run on.
            self.alarm.set(Some(at)).expect("the kernel sets timers");
        }
    }

    /// An unclean close pings once more, like the kernel's.
    fn leave(&mut self) {
        self.open = false;
        self.ping();
        self.say("left");
    }

    fn has_fired(&mut self, token: &str) -> bool {
        let State::Armed { timeout, pinged } = self.state else {
            return false;
        };
        if clock::now() < pinged + timeout {
            return false;
        }
        self.state = State::Fired;
        self.say("fired");
        signal_node(token, Signal::SIGKILL);
        self.say("dead");
        true
    }

    fn say(&mut self, word: &str) {
        // A log that can't be written fails the test that reads it.
        let _ = writeln!(self.log, "{} {word}", clock::now().0);
    }
}

/// Signals every process of the node; kills until none is left.
pub fn signal_node(token: &str, signal: Signal) {
    let mut clear = 0;
    while clear < 2 {
        let found = processes(token);
        for id in &found {
            // One that has gone meanwhile is as good.
            let _ = kill(*id, signal);
        }
        clear = match signal == Signal::SIGKILL && !found.is_empty() {
            true => 0,
            false => clear + 1,
        };
    }
}

/// The living processes of the node.
#[must_use]
pub fn processes(token: &str) -> Vec<Pid> {
    let wanted = format!("{NODE}={token}");
    let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
    ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|id| {
            let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == wanted.as_bytes())
        })
        .map(Pid::from_raw)
        .collect()
}
