//! A node as real processes: a device outside it; a multiplexer, an LRM and a service inside.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use lockstep_model::config::Config;
use lockstep_model::config::profile::Profile;
use lockstep_model::id::{
    BootId, Holder, Incarnation, LockId, MachineId, NodeId, Ranks, RequestId, Revision, ServiceId,
    Uid,
};
use lockstep_model::record::{
    Compare, Grant, GrantState, Key, Outcome, Put, Record, Service, Wanted, Write,
};
use lockstep_model::time::{Instant, Span};
use lockstep_store::{Embedded, Options, Store};
use lockstep_watchdog::clock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::contender;
use crate::device::{NODE, signal_node};
use crate::gate::Cut;

/// The node that has the service.
pub const NODE_A: NodeId = NodeId(1);
/// The node that contends.
pub const NODE_B: NodeId = NodeId(2);
/// The service.
pub const SERVICE: ServiceId = ServiceId(1);

const POLL: Duration = Duration::from_millis(10);
/// How long anything may take that has no time of its own, on a busy machine.
const PATIENCE: Span = Span(10_000);

/// The programs of a node, as paths.
#[derive(Clone, Copy, Debug)]
pub struct Programs {
    /// The stand-in for the device.
    pub device: &'static str,
    /// The multiplexer.
    pub mux: &'static str,
    /// The LRM, on a store with a gate.
    pub lrm: &'static str,
    /// The service.
    pub service: &'static str,
}

/// A stamp that somebody wrote into the service's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The process.
    pub writer: String,
    /// When, on BOOTTIME.
    pub at: Instant,
}

/// Node A, with its device and its directory. Everything ends with it.
pub struct Node {
    programs: Programs,
    directory: tempfile::TempDir,
    token: String,
    device: Child,
    mux: Option<Child>,
    lrm: Option<Child>,
    /// The service's command.
    exec: Vec<PathBuf>,
    boot: BootId,
}

/// Waits until `found` gives something.
///
/// # Panics
///
/// When that takes longer than it ever should.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let until = clock::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(clock::now() < until, "waited in vain for {what}");
        thread::sleep(POLL);
    }
}

/// Waits for a moment.
pub fn sleep_until(at: Instant) {
    while clock::now() < at {
        thread::sleep(POLL / 10);
    }
}

/// The timing of all nodes.
///
/// # Panics
///
/// Never: the profile holds its inequalities.
#[must_use]
pub fn config() -> Config {
    Config::new(Profile::Fast.timing(), Ranks::default()).expect("profile fast is sound")
}

impl Node {
    /// Begins the device, the multiplexer and the LRM, and waits until the service runs.
    ///
    /// # Panics
    ///
    /// When the node doesn't come up.
    #[must_use]
    pub fn begin(programs: Programs, name: &str) -> Self {
        Self::begin_with(programs, name, &["service"])
    }

    /// The same, with other arguments for the service. The first is a file in the node's directory.
    ///
    /// # Panics
    ///
    /// When the node doesn't come up.
    #[must_use]
    pub fn begin_with(programs: Programs, name: &str, arguments: &[&str]) -> Self {
        let mut node = Self::prepare(programs, name, programs.service, arguments);
        node.begin_mux();
        node.begin_lrm();
        node.wait_for_service();
        node
    }

    /// A node whose device alone runs. The service's program may be a file in its directory.
    ///
    /// # Panics
    ///
    /// When the device doesn't come up.
    #[must_use]
    pub fn prepare(programs: Programs, name: &str, service: &str, arguments: &[&str]) -> Self {
        let directory = tempfile::Builder::new()
            .prefix(&format!("lockstep-{name}-"))
            .tempdir()
            .expect("a temporary directory");
        let path = directory.path();
        Embedded::create(&path.join("store")).expect("a new store");
        // Made here once, so that the first reader finds it.
        File::create(path.join("service")).expect("the service's file");
        let mut exec = vec![path.join(service), path.join(arguments[0])];
        exec.extend(arguments[1..].iter().map(PathBuf::from));
        let node = Self {
            programs,
            token: path.display().to_string(),
            device: begin_device(programs, path),
            mux: None,
            lrm: None,
            exec,
            boot: BootId(1),
            directory,
        };
        node.write_node_file();
        node.want(Wanted::Started);
        node
    }

    /// Waits until the service runs under the node's guarded lock.
    ///
    /// # Panics
    ///
    /// When it doesn't.
    pub fn wait_for_service(&self) {
        wait_for("the service's first write", || {
            self.stamps().first().cloned()
        });
        self.wait_for_grant(&GrantState::HeldGuarded);
    }

    /// Begins the node once more after its reset, in a new boot.
    ///
    /// # Panics
    ///
    /// When it wasn't reset.
    pub fn boot_again(&mut self) {
        wait_for("the reset", || self.device_said("dead"));
        let children = [self.lrm.as_mut(), self.mux.as_mut(), Some(&mut self.device)];
        for child in children.into_iter().flatten() {
            let _ = child.wait();
        }
        fs::remove_file(self.path("device")).expect("the former device's socket");
        self.boot = BootId(self.boot.0 + 1);
        self.write_node_file();
        self.device = begin_device(self.programs, self.directory.path());
        self.begin_mux();
        self.begin_lrm();
    }

    /// A path in the node's directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn begin_inside(&self, program: &str) -> Child {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("node.log"));
        Command::new(program)
            .arg("--config")
            .arg(self.path("node.json"))
            .env(NODE, &self.token)
            .env("LOCKSTEP_GATE", self.path("gate"))
            .stdin(Stdio::null())
            .stderr(log.expect("the log opens"))
            .spawn()
            .expect("the program begins")
    }

    /// Begins a multiplexer.
    pub fn begin_mux(&mut self) {
        self.mux = Some(self.begin_inside(self.programs.mux));
    }

    /// Begins an LRM.
    pub fn begin_lrm(&mut self) {
        self.lrm = Some(self.begin_inside(self.programs.lrm));
    }

    /// Signals the multiplexer.
    pub fn signal_mux(&self, signal: Signal) {
        signal_child(self.mux.as_ref(), signal);
    }

    /// Signals the LRM.
    pub fn signal_lrm(&self, signal: Signal) {
        signal_child(self.lrm.as_ref(), signal);
    }

    /// Signals everything in the node.
    pub fn signal_all(&self, signal: Signal) {
        signal_node(&self.token, signal);
    }

    /// Cuts the LRM from the store, or ends that.
    ///
    /// # Panics
    ///
    /// When the gate's file can't be written.
    pub fn cut(&self, cut: Option<Cut>) {
        let gate = self.path("gate");
        match cut {
            Some(cut) => fs::write(self.path("gate.new"), cut.word())
                .and_then(|()| fs::rename(self.path("gate.new"), gate)),
            None => fs::remove_file(gate),
        }
        .expect("the gate moves");
    }

    /// Waits until the LRM has ended.
    pub fn lrm_ends(&mut self) -> ExitStatus {
        ends(self.lrm.as_mut())
    }

    /// Waits until the multiplexer has ended.
    pub fn mux_ends(&mut self) -> ExitStatus {
        ends(self.mux.as_mut())
    }

    /// A handle of the store.
    ///
    /// # Panics
    ///
    /// When it can't be opened.
    #[must_use]
    pub fn store(&self) -> Box<dyn Store> {
        let options = Options {
            busy_timeout: Duration::from_millis(300),
            poll_interval: POLL,
            cluster: None,
            seen: Revision::ABSENT,
        };
        Box::new(Embedded::open(&self.path("store"), options).expect("the store opens"))
    }

    /// Sets what the service is to do.
    ///
    /// # Panics
    ///
    /// When the store refuses.
    pub fn want(&self, wanted: Wanted) {
        let mut store = self.store();
        let key = Key::Service(SERVICE);
        wait_for("the service's record", || {
            let revision = store.read().ok()?.revision_of(key);
            let service = Service::new(NODE_A, wanted, Uid(revision.0 + 1));
            let write = Write {
                request: RequestId {
                    process: Incarnation(0),
                    number: revision.0 + 1,
                },
                compares: vec![Compare { key, revision }],
                puts: vec![Put {
                    key,
                    record: Record::Service(service),
                }],
            };
            matches!(store.write(&write), Ok(Outcome::Applied(_))).then_some(())
        });
    }

    /// Waits until the node's grant is in this state.
    pub fn wait_for_grant(&self, state: &GrantState) {
        let mut store = self.store();
        wait_for(&format!("{state:?}"), || {
            let snapshot = store.read().ok()?;
            (snapshot.grant(LockId::Agent(NODE_A))?.state == *state).then_some(())
        });
    }

    /// The node's grant.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn grant(&self) -> Grant {
        let snapshot = self.store().read().expect("the store reads");
        snapshot
            .grant(LockId::Agent(NODE_A))
            .expect("the lock was held")
            .clone()
    }

    /// A contender on node B.
    #[must_use]
    pub fn contender(&self) -> contender::Running {
        let me = Holder {
            node: NODE_B,
            machine: MachineId(2),
            boot: BootId(2),
            incarnation: Incarnation(2),
        };
        let journal = self.path("contender.journal");
        contender::Running::begin(NODE_A, me, config(), self.store(), &journal)
    }

    /// Writes to the service's file, as node B.
    ///
    /// # Panics
    ///
    /// When the file can't be written.
    pub fn write_as_b(&self) {
        crate::stamp(&self.path("service"), "B").expect("the service's file is there");
    }

    /// All that was written to the service's file, in order.
    #[must_use]
    pub fn stamps(&self) -> Vec<Stamp> {
        let text = fs::read_to_string(self.path("service")).unwrap_or_default();
        let stamp = |line: &str| {
            let (writer, at) = line.split_once(' ')?;
            Some(Stamp {
                writer: writer.to_owned(),
                at: Instant(at.parse().ok()?),
            })
        };
        text.lines().filter_map(stamp).collect()
    }

    /// When the device logged this word for the last time.
    #[must_use]
    pub fn device_said(&self, word: &str) -> Option<Instant> {
        let text = fs::read_to_string(self.path("device.log")).ok()?;
        let mut lines = text.lines().rev().filter_map(|line| line.split_once(' '));
        let (at, _) = lines.find(|(_, found)| *found == word)?;
        Some(Instant(at.parse().ok()?))
    }

    /// Whether the device counts, by its log.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.device_said("open") > self.device_said("closed")
    }

    fn write_node_file(&self) {
        let document = serde_json::json!({
            "node": NODE_A.0,
            "machine_id": {"literal": format!("{:032x}", 1)},
            "boot_id": {"literal": format!("{:032x}", self.boot.0)},
            "state_dir": self.path("state"),
            "store": self.path("store"),
            "multiplexer_socket": self.path("mux"),
            "watchdog": {"stand-in": self.path("device")},
            "profile": "fast",
            "services": {SERVICE.0.to_string(): {"exec": self.exec}},
        });
        fs::write(self.path("node.json"), format!("{document:#}\n")).expect("node.json");
    }

    /// The end of the node's log, for a failure's report.
    #[must_use]
    pub fn log(&self) -> String {
        let text = fs::read_to_string(self.path("node.log")).unwrap_or_default();
        let device = fs::read_to_string(self.path("device.log")).unwrap_or_default();
        format!("{text}-- device\n{device}")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.signal_all(Signal::SIGKILL);
        let children = [self.lrm.as_mut(), self.mux.as_mut(), Some(&mut self.device)];
        for child in children.into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn signal_child(child: Option<&Child>, signal: Signal) {
    let id = child.and_then(|child| i32::try_from(child.id()).ok());
    if let Some(id) = id {
        // Not waited for yet, so its id is its own; dead already is as good.
        let _ = kill(Pid::from_raw(id), signal);
    }
}

fn ends(child: Option<&mut Child>) -> ExitStatus {
    let child = child.expect("it was begun");
    wait_for("a daemon's end", || {
        child.try_wait().expect("it is a child")
    })
}

fn begin_device(programs: Programs, directory: &Path) -> Child {
    let socket = directory.join("device");
    let device = Command::new(programs.device)
        .args([&socket, directory, &directory.join("device.log")])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the device begins");
    wait_for("the device", || socket.exists().then_some(()));
    device
}
