//! The LRM as a process.
//!
//! One thread steps the machine. What an effect asks for is done in other threads, one for each
//! lane to the store, one for each job of an agent, so that nothing that hangs delays another
//! lane; what they find out comes back as inputs, however late.
//!
//! * The kernel lock is a lock on a file that the kernel ends with this process and with those
//!   that it has forked but that have not become another program yet.
//! * The intents are read once it is held: a predecessor may add to them until then.

mod history;
mod lanes;
mod link;

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::fd::IntoRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use lockstep_model::id::{Holder, RequestId, ServiceId};
use lockstep_model::journal::Kind;
use lockstep_model::lrm::{Effect, Input, Job, Leave, Lrm};
use lockstep_model::mutation::NoMutation;
use lockstep_model::time::Span;
use lockstep_watchdog::clock::{self, Alarm};
use signal_hook::consts::SIGUSR1;

use crate::agent::{Agent, Task};
use crate::core::Core;
use crate::error::{Error, system};
use crate::settings::Settings;
use crate::voice::{Once, Voice};
use crate::{cli, journal, state};
use history::History;
pub use history::{Opener, Past};
use lanes::Lane;
use link::Link;

/// What it is called.
const DAEMON: &str = "ha-lrm";

/// How often the store is looked at for changes.
pub const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long to wait before something local that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// A span as the standard library has it.
pub(crate) const fn duration(span: Span) -> Duration {
    Duration::from_millis(span.0)
}

/// What comes in from the other threads.
enum Event {
    Input(Input),
    /// No predecessor lives.
    Locked(File),
    Link(link::News),
    /// A line for people.
    Say(String),
}

/// Lines go through the machine's thread, which never waits for whoever reads them.
fn voice(events: &Sender<Event>) -> Voice {
    let events = events.clone();
    Voice::new(move |text| {
        // The receiver is gone only when the process is about to end.
        let _ = events.send(Event::Say(text));
    })
}

struct Driver {
    core: Core<Lrm, NoMutation>,
    settings: Settings,
    events: Sender<Event>,
    writes: Lane,
    moves: Lane,
    reads: Lane,
    link: Link,
    agent: Arc<Agent>,
    intents: PathBuf,
}

/// Runs until a request to end is fulfilled.
///
/// # Errors
///
/// What keeps it from running.
pub fn run(settings: Settings, opener: Opener) -> Result<(), Error> {
    let record = settings.state_dir.join("cluster");
    let history = Arc::new(History::new(&settings.store, record, opener)?);
    match history.open() {
        // What may pass is waited for.
        Ok(_) | Err(lockstep_store::Error::Unavailable { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let me = settings.new_holder()?;
    let (events, received) = mpsc::channel();
    let mut driver = Driver::new(settings, me, &history, events)?;
    driver.listen(&history)?;
    driver.feed(Input::Started);
    for event in received {
        let ended = match event {
            Event::Input(input) => driver.feed(input),
            Event::Locked(file) => driver.on_locked(file)?,
            Event::Link(news) => driver.on_link(news),
            Event::Say(text) => {
                driver.core.say(clock::now(), &text);
                false
            }
        };
        if ended {
            return Ok(());
        }
    }
    Ok(())
}

impl Driver {
    fn new(
        settings: Settings,
        me: Holder,
        history: &Arc<History>,
        events: Sender<Event>,
    ) -> Result<Self, Error> {
        let rings = events.clone();
        let alarm = Alarm::new(move || rings.send(Event::Input(Input::Timer)).is_ok());
        let alarm = system("make a timer on", "CLOCK_BOOTTIME", alarm)?;
        let directory = &settings.state_dir;
        system("tidy", directory, journal::prune(directory, DAEMON))?;
        let journal = journal::path(directory, DAEMON, me.incarnation);
        let config = settings.config.clone();
        let core = Core::new(Lrm::new(me), Kind::Lrm(me), config, &journal, alarm)?;
        let intents = settings.state_dir.join("intents");
        system("make", &intents, fs::create_dir_all(&intents))?;
        let services = settings.state_dir.join("services");
        let agent = Agent::new(
            &services,
            settings.boot,
            settings.services.clone(),
            voice(&events),
        );
        let agent = Arc::new(system("make", &services, agent)?);
        let lane = |name: &str| system("spawn", name, Lane::new(name, history, events.clone()));
        Ok(Self {
            core,
            writes: lane("writes")?,
            moves: lane("moves")?,
            reads: lane("reads")?,
            link: Link::new(settings.boot, settings.multiplexer_socket.clone()),
            settings,
            events,
            agent,
            intents,
        })
    }

    /// Begins to wait for all that may come.
    fn listen(&self, history: &Arc<History>) -> Result<(), Error> {
        let leaves = self.events.clone();
        cli::on_signals(move |signal| {
            let leave = match signal {
                SIGUSR1 => Leave::Restart,
                _ => Leave::Stop,
            };
            let _ = leaves.send(Event::Input(Input::Leave(leave)));
        })?;
        let lock = self.settings.state_dir.join("ha-lrm.lock");
        let file = system("open the lock", &lock, File::create(&lock))?;
        self.spawn("kernel-lock", move |events| {
            await_lock(&file, &lock, &voice(&events));
            let _ = events.send(Event::Locked(file));
        });
        let reports = self.events.clone();
        let socket = self.settings.multiplexer_socket.clone();
        let linked =
            link::keep_connecting(socket, move |news| reports.send(Event::Link(news)).is_ok());
        system("spawn", "link", linked)?;
        system("spawn", "watch", lanes::watch(history, self.events.clone()))
    }

    fn on_link(&mut self, news: link::News) -> bool {
        let (input, text) = self.link.on(news);
        if let Some(text) = text {
            self.core.say(clock::now(), &text);
        }
        input.is_some_and(|input| self.feed(input))
    }

    fn on_locked(&mut self, file: File) -> Result<bool, Error> {
        // Never closed: the kernel ends the lock with the process, when no thread of it can act any
        // more. To drop it at the end of this one would be too early.
        let _ = file.into_raw_fd();
        let intents = self.read_intents();
        let intents = system("read", &self.intents, intents)?;
        Ok(self.feed(Input::KernelLock { intents }))
    }

    /// The services for which a start or stop was intended in this boot. A file that can't be
    /// understood says at least of which service it is: whether it was of this boot is unknown, so
    /// it counts.
    fn read_intents(&mut self) -> io::Result<Vec<ServiceId>> {
        let mut services = BTreeSet::new();
        for entry in fs::read_dir(&self.intents)? {
            let path = entry?.path();
            let name = path.file_name();
            let Some(number) = name.and_then(|name| name.to_str()?.parse().ok()) else {
                continue;
            };
            let is_intended = match state::read::<Job>(&path, self.settings.boot) {
                Ok(job) => job.is_some(),
                Err(error) => {
                    let path = path.display();
                    let text = format!(
                        "warning: failed to read the intent {path}: {error}; service {number} counts as begun in this boot"
                    );
                    self.core.say(clock::now(), &text);
                    true
                }
            };
            if is_intended {
                services.insert(ServiceId(number));
            }
        }
        Ok(services.into_iter().collect())
    }

    /// Steps, and executes what follows. Returns whether the process ends.
    fn feed(&mut self, input: Input) -> bool {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            for effect in self.core.step(input) {
                match effect {
                    Effect::Exit => return true,
                    // Known at once, before any news of a later connection.
                    Effect::Watchdog(request) => {
                        next = (!self.link.tell(request)).then_some(Input::WatchdogGone);
                    }
                    effect @ (Effect::Write(_)
                    | Effect::Read(_)
                    | Effect::Reap
                    | Effect::RecordIntent { .. }
                    | Effect::Spawn { .. }
                    | Effect::KillServices(_)) => self.execute(effect),
                }
            }
        }
        false
    }

    fn execute(&mut self, effect: Effect) {
        match effect {
            Effect::Write(ref write) if write.moves_service() => self.moves.order(effect),
            Effect::Write(_) => self.writes.order(effect),
            Effect::Read(_) => self.reads.order(effect),
            Effect::Reap => {
                let agent = Arc::clone(&self.agent);
                self.spawn("reap", move |events| {
                    persist("reap", &voice(&events), || agent.reap());
                    reply(events, Input::Reaped);
                });
            }
            Effect::RecordIntent { service, job } => {
                let (path, boot) = (self.intents.join(service.0.to_string()), self.settings.boot);
                self.spawn("intent", move |events| {
                    let doing = format!("record an intent in {}", path.display());
                    persist(&doing, &voice(&events), || state::write(&path, boot, &job));
                    reply(events, Input::IntentRecorded { service });
                });
            }
            Effect::Spawn {
                worker,
                service,
                job,
                not_after,
                timeout_seconds,
            } => {
                let task = self.agent.task(service, job, not_after, timeout_seconds);
                self.work(worker, service, job, task);
            }
            Effect::KillServices(services) => {
                let agent = Arc::clone(&self.agent);
                self.spawn("kill", move |events| {
                    agent.kill(&services);
                    reply(events, Input::ServicesKilled);
                });
            }
            // The caller's own.
            Effect::Watchdog(_) | Effect::Exit => {}
        }
    }

    fn work(&self, worker: RequestId, service: ServiceId, job: Job, task: Task) {
        self.spawn("work", move |events| {
            let Some(done) = task.run() else {
                return;
            };
            let report = done.report;
            let _ = events.send(Event::Input(Input::WorkerDone {
                worker,
                service,
                job,
                report,
            }));
            // Begun after the report was sent, so that the end can't be heard of before it.
            if done.ended() {
                reply(events, Input::ServiceEnded { service });
            }
        });
    }

    /// A thread for one effect. Without one the effect has no answer, which the machine bears.
    fn spawn(&self, name: &str, work: impl FnOnce(Sender<Event>) + Send + 'static) {
        let events = self.events.clone();
        let spawned = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(events));
        if let Err(error) = spawned {
            voice(&self.events).say(format!("error: failed to spawn the thread {name}: {error}"));
        }
    }
}

/// Waits until no predecessor lives.
fn await_lock(file: &File, path: &Path, voice: &Voice) {
    let path = path.display();
    match file.try_lock() {
        Ok(()) => return,
        Err(TryLockError::WouldBlock) => {
            voice.say(format!(
                "info: another ha-lrm of this node lives and holds {path}; waiting for its end"
            ));
        }
        Err(TryLockError::Error(_)) => {}
    }
    persist("lock the node's ha-lrm.lock", voice, || file.lock());
}

/// Tries until it succeeds: without it nothing is begun, and nothing is given up either.
fn persist(doing: &str, voice: &Voice, mut work: impl FnMut() -> io::Result<()>) {
    let mut trouble = Once::default();
    while let Err(error) = work() {
        if let Some(text) = trouble.news(format!("error: failed to {doing}: {error}")) {
            voice.say(text);
        }
        thread::sleep(AGAIN);
    }
}

fn reply(events: Sender<Event>, input: Input) {
    // The receiver is gone only when the process is about to end.
    let _ = events.send(Event::Input(input));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_that_holds_the_lock_is_told_and_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ha-lrm.lock");
        let other = File::create(&path).unwrap();
        other.lock().unwrap();
        let (said, heard) = mpsc::channel();
        let voice = Voice::new(move |text| drop(said.send(text)));
        thread::scope(|scope| {
            let waits = scope.spawn(|| await_lock(&File::open(&path).unwrap(), &path, &voice));
            let text = heard.recv().unwrap();
            assert!(text.contains("another ha-lrm of this node lives"), "{text}");
            assert!(!waits.is_finished());
            drop(other);
        });
        assert!(heard.try_recv().is_err());
    }

    #[test]
    fn what_fails_for_one_cause_again_and_again_is_told_once() {
        let (said, heard) = mpsc::channel();
        let voice = Voice::new(move |text| drop(said.send(text)));
        let mut rest = 3;
        persist("do it", &voice, || {
            rest -= 1;
            match rest {
                0 => Ok(()),
                _ => Err(io::ErrorKind::StorageFull.into()),
            }
        });
        drop(voice);
        assert_eq!(heard.iter().count(), 1);
    }
}
