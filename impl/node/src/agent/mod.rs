//! The exec agent: a service is one command in a process group of its own.
//!
//! * **Started** means launched: `ha-lrm` runs itself as a [`launcher`], which puts its process id
//!   and start time on the disk and then becomes the command. While it does, it holds a lock on a
//!   file; so a later LRM, which has the kernel lock that died with this one, can wait for the last
//!   launcher and then knows every service that was ever begun in this boot.
//! * **Running** means that the group's leader, by id *and* start time, lives.
//! * **Stopped** means that no process of the group exists. When the leader ends, the rest of its
//!   group is killed: the service has ended. Anything else is unclear.
//!
//! Services outlive the LRM. What a service moves to another process group is not seen; control
//! groups will close that gap.

mod group;
pub mod launcher;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use lockstep_model::id::{BootId, ServiceId};
use lockstep_model::lrm::{Job, Report};
use lockstep_model::time::{Instant, Span};
use lockstep_watchdog::clock;
use nix::sys::signal::Signal;

use crate::state;
use crate::voice::{Once, Voice};
use group::Group;

/// How often a process that is no child is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How long a service may take to follow SIGTERM if nobody said, authority permitting: from D − kill budget on
/// the LRM has it killed.
const STOP_PATIENCE: Span = Span(10_000);
/// How long the kernel may take to end killed processes before a job gives up.
const KILL_PATIENCE: Span = Span(5_000);

/// All services of a node, as one LRM process deals with them.
#[derive(Debug)]
pub struct Agent {
    directory: PathBuf,
    boot: BootId,
    commands: BTreeMap<ServiceId, Vec<String>>,
    voice: Voice,
    services: Mutex<BTreeMap<ServiceId, Arc<Service>>>,
}

#[derive(Debug)]
struct Service {
    id: ServiceId,
    record: PathBuf,
    launching: PathBuf,
    boot: BootId,
    command: Option<Vec<String>>,
    present: Mutex<Present>,
    voice: Voice,
    trouble: Mutex<Once>,
}

#[derive(Debug, Default)]
struct Present {
    /// Counts kills: a job that was begun before one does nothing any more and reports nothing.
    kills: u64,
    /// The launcher under way, whose id will be that of the group.
    launcher: Option<i32>,
    /// The group whose end is reported.
    watched: Option<Group>,
}

/// A job that was taken on, to be done in a thread of its own.
#[derive(Debug)]
pub struct Task {
    service: Arc<Service>,
    kills: u64,
    job: Job,
    not_after: Option<Instant>,
    stop_patience: Span,
}

/// What became of a [`Task`]: the report, and then something to wait for the service's end with.
#[derive(Debug)]
pub struct Done {
    /// What the agent says.
    pub report: Report,
    watch: Option<(Arc<Service>, Group)>,
    child: Option<Child>,
}

impl Agent {
    /// The agent that keeps its records in this directory.
    ///
    /// # Errors
    ///
    /// The directory can't be made.
    pub fn new(
        directory: &Path,
        boot: BootId,
        commands: BTreeMap<ServiceId, Vec<String>>,
        voice: Voice,
    ) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            boot,
            commands,
            voice,
            services: Mutex::default(),
        })
    }

    fn service(&self, id: ServiceId) -> Arc<Service> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let service = services.entry(id).or_insert_with(|| {
            Arc::new(Service {
                id,
                record: self.directory.join(format!("{}.group", id.0)),
                launching: self.directory.join(format!("{}.launching", id.0)),
                boot: self.boot,
                command: self.commands.get(&id).cloned(),
                present: Mutex::default(),
                voice: self.voice.clone(),
                trouble: Mutex::default(),
            })
        });
        Arc::clone(service)
    }

    /// Takes on a job.
    #[must_use]
    pub fn task(
        &self,
        id: ServiceId,
        job: Job,
        not_after: Option<Instant>,
        timeout_seconds: Option<u64>,
    ) -> Task {
        let service = self.service(id);
        let kills = service.present().kills;
        Task {
            service,
            kills,
            job,
            not_after,
            stop_patience: timeout_seconds
                .map_or(STOP_PATIENCE, |seconds| Span(seconds.saturating_mul(1000))),
        }
    }

    /// Waits for the launchers of a dead predecessor, and kills what services that have ended
    /// left of themselves.
    ///
    /// # Errors
    ///
    /// The directory can't be read.
    pub fn reap(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let number = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse().ok());
            let is_launching = path.extension().is_some_and(|one| one == "launching");
            if let (Some(number), true) = (number, is_launching) {
                let service = self.service(ServiceId(number));
                service.await_launcher()?;
                service.end_leaderless();
            }
        }
        Ok(())
    }

    /// Kills everything that belongs to these services, jobs included, and waits for their end.
    pub fn kill(&self, ids: &[ServiceId]) {
        let services: Vec<_> = ids.iter().map(|id| self.service(*id)).collect();
        for service in &services {
            service.kill();
        }
        let until = clock::now() + KILL_PATIENCE;
        while services.iter().any(|one| one.look() != Report::Stopped) && clock::now() < until {
            thread::sleep(POLL);
        }
    }
}

impl Task {
    /// Does the job. `None`: the service was killed meanwhile, and nobody waits for a report.
    #[must_use]
    pub fn run(self) -> Option<Done> {
        let service = &self.service;
        let (report, child) = match self.job {
            Job::Query => (service.query(), None),
            Job::Stop => (service.stop(self.kills, self.stop_patience)?, None),
            Job::Start => service.start(self.kills, self.not_after)?,
            Job::Send { .. } => (service.send(), None),
        };
        let mut present = service.present();
        if present.kills != self.kills {
            drop(present);
            child.map(|mut child| child.wait());
            return None;
        }
        let group = service.group().ok().flatten();
        let is_new = present.watched != group;
        let watch = group.filter(|_| is_new && report == Report::Running);
        if watch.is_some() {
            present.watched = watch;
        }
        drop(present);
        Some(Done {
            report,
            watch: watch.map(|group| (self.service, group)),
            child,
        })
    }
}

impl Done {
    /// Waits until the service has ended by itself. Returns whether that is news: not if nobody
    /// needs to wait, or the end was asked for.
    #[must_use]
    pub fn ended(self) -> bool {
        if let Some(mut child) = self.child {
            let _ = child.wait();
        }
        let Some((service, group)) = self.watch else {
            return false;
        };
        while group.is_led() {
            thread::sleep(POLL * 5);
        }
        let mut present = service.present();
        let is_news = present.watched.take_if(|one| *one == group).is_some();
        drop(present);
        if is_news {
            service.end_leaderless();
        }
        is_news
    }
}

impl Service {
    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is wrong with this service, each cause once.
    fn complain(&self, text: &str) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let text = format!("error: failed to {text}; service {} is unclear", self.id.0);
        if let Some(text) = trouble.news(text) {
            self.voice.say(text);
        }
    }

    /// The group that was last begun in this boot and not yet found stopped.
    fn group(&self) -> io::Result<Option<Group>> {
        state::read(&self.record, self.boot).inspect_err(|error| {
            let record = self.record.display();
            self.complain(&format!(
                "read the group on record in {record}: {error}; expected what ha-lrm wrote there, or no file if nothing of the service runs"
            ));
        })
    }

    fn look(&self) -> Report {
        match self.group() {
            Ok(None) => Report::Stopped,
            Ok(Some(group)) => group.look(),
            Err(_) => Report::Unclear,
        }
    }

    /// Returns when no launcher of this service exists; no other can begin meanwhile.
    fn await_launcher(&self) -> io::Result<File> {
        let locked = File::create(&self.launching).and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        locked.inspect_err(|error| {
            let path = self.launching.display();
            self.complain(&format!("wait for the launcher that locks {path}: {error}"));
        })
    }

    fn query(&self) -> Report {
        let idle = File::create(&self.launching).is_ok_and(|file| file.try_lock().is_ok());
        match idle {
            true => self.look(),
            false => Report::Unclear,
        }
    }

    fn start(&self, kills: u64, not_after: Option<Instant>) -> Option<(Report, Option<Child>)> {
        let unclear = Some((Report::Unclear, None));
        let Some(command) = &self.command else {
            let key = format!("services.{}.exec", self.id.0);
            self.complain(&format!(
                "start it: it has no command; expected one in the configuration under {key}"
            ));
            return unclear;
        };
        let Ok(lock) = self.await_launcher() else {
            return unclear;
        };
        match self.look() {
            Report::Stopped => {}
            found @ (Report::Running | Report::Unclear | Report::Sent) => {
                return Some((found, None));
            }
        }
        let mut present = self.present();
        if present.kills != kills {
            return None;
        }
        if not_after.is_some_and(|at| at <= clock::now()) {
            return unclear;
        }
        let child = match self.launch(command, lock) {
            Ok(child) => child,
            Err(error) => {
                self.complain(&format!("begin a launcher for it: {error}"));
                return unclear;
            }
        };
        present.launcher = i32::try_from(child.id()).ok();
        drop(present);
        // The launcher's own lock ends when it has become the command, or nothing.
        let waited = self.await_launcher();
        self.present().launcher = None;
        match waited {
            Ok(_) => {
                let report = self.look();
                if report == Report::Running {
                    self.trouble
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .passed();
                }
                Some((report, Some(child)))
            }
            Err(_) => unclear,
        }
    }

    /// Begins a launcher, which keeps the lock until it has become the command.
    fn launch(&self, command: &[String], lock: File) -> io::Result<Child> {
        Command::new("/proc/self/exe")
            .arg(launcher::COMMAND)
            .arg(&self.record)
            .arg(format!("{:032x}", self.boot.0))
            .args(command)
            .stdin(Stdio::from(lock))
            .process_group(0)
            .spawn()
    }

    fn send(&self) -> Report {
        self.complain("move it while it runs: an exec service is one process, which can't be paused and copied; expected a move in state stopped");
        Report::Unclear
    }

    fn stop(&self, kills: u64, patience: Span) -> Option<Report> {
        let mut present = self.present();
        if present.kills != kills {
            return None;
        }
        present.watched = None;
        drop(present);
        let Ok(group) = self.group() else {
            return Some(Report::Unclear);
        };
        let Some(group) = group else {
            return Some(self.query());
        };
        for (signal, patience) in [
            (Signal::SIGTERM, patience),
            (Signal::SIGKILL, KILL_PATIENCE),
        ] {
            let until = clock::now() + patience;
            group.signal(signal);
            while group.is_led() && clock::now() < until {
                thread::sleep(POLL);
            }
        }
        let until = clock::now() + KILL_PATIENCE;
        while group.look() != Report::Stopped && clock::now() < until {
            thread::sleep(POLL);
        }
        let report = group.look();
        if report == Report::Stopped && state::remove(&self.record).is_err() {
            return Some(Report::Unclear);
        }
        Some(report)
    }

    fn kill(&self) {
        let mut present = self.present();
        present.kills += 1;
        present.watched = None;
        let launcher = present.launcher;
        drop(present);
        if let Some(id) = launcher {
            group::kill(id);
        }
        if let Ok(Some(group)) = self.group() {
            group.signal(Signal::SIGKILL);
        }
    }

    /// The leader has ended, and with it the service: nothing of it is left behind.
    fn end_leaderless(&self) {
        if let Ok(Some(group)) = self.group()
            && !group.is_led()
        {
            group.signal(Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: ServiceId = ServiceId(1);

    /// Does a job twice, which is unclear. Returns what was said of it.
    fn check_unclear(job: Job, prepare: impl FnOnce(&Path), expect: &[&str]) {
        let directory = tempfile::tempdir().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&said);
        let voice = Voice::new(move |text| hears.lock().unwrap().push(text));
        let agent = Agent::new(directory.path(), BootId(1), BTreeMap::new(), voice).unwrap();
        prepare(directory.path());
        for _ in 0..2 {
            let done = agent.task(SERVICE, job, None, None).run().unwrap();
            assert_eq!(done.report, Report::Unclear);
        }
        let said = said.lock().unwrap();
        assert_eq!(said.len(), 1, "{said:?}");
        for part in expect {
            assert!(said[0].contains(part), "no '{part}' in: {}", said[0]);
        }
    }

    #[test]
    fn a_service_without_a_command_is_told_once() {
        let expect = ["failed to start it: it has no command", "services.1.exec"];
        check_unclear(Job::Start, |_| (), &expect);
    }

    #[test]
    fn a_broken_record_is_told_once() {
        let expect = [
            "1.group: EOF",
            "expected what ha-lrm wrote",
            "service 1 is unclear",
        ];
        let broken = |directory: &Path| fs::write(directory.join("1.group"), "{").unwrap();
        check_unclear(Job::Query, broken, &expect);
    }
}
