//! The simulated cluster: hardware, what its file system holds, and the daemons.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use lockstep_model::config::Config;
use lockstep_model::crm::Crm;
use lockstep_model::event::Level;
use lockstep_model::format::groups::Groups;
use lockstep_model::format::rules::Rules;
use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::lrm::rounds::{Reason, RoundLrm};
use lockstep_model::manager::status::{LrmStatus, Status};
use lockstep_model::name::Names;
use lockstep_model::time::Instant;

use crate::case::Datacenter;
use crate::guests::Guests;
use crate::locks::{Answer, Locks};
use crate::log::{Daemon, Log, Source};
use crate::watch::Watch;

/// What ends a simulation with an error; the text says what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fatal(pub(crate) String);

impl Fatal {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// After how many seconds without being fed a watchdog resets its node: when it is longer ago.
const WATCHDOG: u64 = 60;

/// Everything but the schedule's own counters.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) log: Log,
    /// The hardware's clock, in seconds.
    pub(crate) clock: u64,
    pub(crate) config: Config,
    pub(crate) names: Names,
    /// In the order of their names.
    pub(crate) nodes: Vec<Node>,
    pub(crate) guests: Guests,
    pub(crate) status: Status,
    pub(crate) rules: Rules,
    pub(crate) groups: Groups,
    /// Another number whenever rules or groups are written.
    pub(crate) digest: u64,
    /// What people asked for, line by line.
    pub(crate) queue: Vec<String>,
    pub(crate) locks: Locks,
    pub(crate) datacenter: Datacenter,
    /// Whether some LRM has written its status: until then each round of one begins with that.
    pub(crate) first_written: bool,
    pub(crate) watch: Watch,
}

/// A node: its hardware and its daemons.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) power: bool,
    pub(crate) network: bool,
    /// Its part of the cluster's file system can't be read or written.
    pub(crate) store_fails: bool,
    /// Its part of the cluster's file system isn't brought up to date.
    pub(crate) update_fails: bool,
    pub(crate) version: String,
    pub(crate) cpu_max: Option<f64>,
    pub(crate) mem_max: Option<f64>,
    /// Why it is about to go down.
    pub(crate) ending: Option<Reason>,
    pub(crate) crm: Option<CrmProcess>,
    pub(crate) lrm: Option<LrmProcess>,
    pub(crate) crm_env: Environment,
    pub(crate) lrm_env: Environment,
    /// What its LRM last wrote.
    pub(crate) lrm_status: LrmStatus,
    /// The services that run on it.
    pub(crate) running: BTreeSet<ServiceId>,
    /// When the watchdogs of daemons that ended without closing them were last fed.
    pub(crate) orphans: Vec<u64>,
}

/// A daemon's clock, which stands still during its round, and what its round takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Environment {
    pub(crate) clock: u64,
    pub(crate) delay: u64,
}

#[derive(Debug)]
pub(crate) struct CrmProcess {
    pub(crate) machine: Crm,
    /// When its watchdog was last fed, if it has one open.
    pub(crate) watchdog: Option<u64>,
    /// Whether it goes without one, the stack being disarmed.
    pub(crate) disarmed: bool,
    /// Whether a command asked it to stop.
    pub(crate) stopping: bool,
}

#[derive(Debug)]
pub(crate) struct LrmProcess {
    pub(crate) machine: RoundLrm,
    /// When its watchdog was last fed, if it has one open.
    pub(crate) watchdog: Option<u64>,
    /// Whether it is to come back.
    pub(crate) restarting: bool,
}

/// How a fault of the cluster's file system reads.
pub(crate) const STORE_ERROR: &str = "cfs connection refused - not mounted?";

impl Node {
    pub(crate) fn is_connected(&self) -> bool {
        self.power && self.network
    }

    pub(crate) fn env(&mut self, daemon: Daemon) -> &mut Environment {
        match daemon {
            Daemon::Crm => &mut self.crm_env,
            Daemon::Lrm => &mut self.lrm_env,
        }
    }
}

/// After how many failed attempts at a lock a daemon gives up, with a pause of a second between.
const ATTEMPTS: u64 = 6;

impl Environment {
    /// Asks for a lock of its own, again and again as long as that is refused (`protocol.md` 3.3).
    pub(crate) fn insist(&mut self, answer: Answer) {
        let attempts = match answer {
            Answer::Renewed | Answer::Taken => 1,
            Answer::Refused => ATTEMPTS,
        };
        self.attempt(attempts);
        self.sleep(attempts - 1);
    }

    /// Asks for locks, so often, whatever the answers are (`simulator.md` 4).
    pub(crate) fn attempt(&mut self, times: u64) {
        self.delay += times;
    }

    /// Sleeps for so many seconds.
    pub(crate) fn sleep(&mut self, seconds: u64) {
        self.delay += seconds;
    }

    /// Sleeps until so many seconds after the clock's time.
    pub(crate) fn sleep_until(&mut self, seconds: u64) {
        self.delay = self.delay.max(seconds);
    }
}

impl Cluster {
    pub(crate) fn is_quorate(&self) -> bool {
        let connected = self.nodes.iter().filter(|node| node.is_connected()).count();
        connected > self.nodes.len() / 2
    }

    /// Whether the node is in the part that has a majority.
    pub(crate) fn is_online(&self, node: &Node) -> bool {
        node.is_connected() && self.is_quorate()
    }

    /// Whether a watchdog that was fed then resets its node now.
    pub(crate) fn is_expired(&self, fed: u64) -> bool {
        self.clock.saturating_sub(fed) > WATCHDOG
    }

    pub(crate) fn node_index(&self, id: NodeId) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == id)
    }

    pub(crate) fn named(&self, name: &str) -> Option<usize> {
        self.node_index(self.names.find_node(name)?)
    }

    /// A line of the simulator, at the hardware's time.
    pub(crate) fn note(&mut self, source: &'static str, level: Level, message: &dyn fmt::Display) {
        let source = Source::Simulator(source);
        self.log.line(level, self.clock, source, message);
    }

    /// A line of a daemon, at its own time.
    pub(crate) fn say(
        &mut self,
        node: usize,
        daemon: Daemon,
        level: Level,
        message: &dyn fmt::Display,
    ) {
        let seconds = self.nodes[node].env(daemon).clock;
        let name = self.names.node(self.nodes[node].id);
        self.log
            .line(level, seconds, Source::Daemon(name, daemon), message);
    }
}

/// A time of the simulation as the machines know it.
pub(crate) fn instant(seconds: u64) -> Instant {
    Instant(seconds.saturating_mul(1000))
}

/// Services whose SIDs are known, by id.
pub(crate) type ById<T> = BTreeMap<ServiceId, T>;
