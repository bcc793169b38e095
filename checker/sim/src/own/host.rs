//! A host: its power, its boots, the watchdog's device, its processes and what they run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lockstep_model::id::{BootId, Holder, Incarnation, MachineId, NodeId, RequestId, ServiceId};
use lockstep_model::lrm::rounds::Reason;
use lockstep_model::lrm::{self, Job, Lrm};
use lockstep_model::presence::{self, Presence};
use lockstep_model::time::{Instant, Span};
use lockstep_model::watchdog::message::ToMultiplexer;
use lockstep_model::watchdog::{self, Multiplexer};

/// A machine with what runs on it.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) id: NodeId,
    pub(crate) power: bool,
    pub(crate) network: bool,
    /// No request gets to the store.
    pub(crate) store_fails: bool,
    /// Its watches show nothing new, and its reads fail.
    pub(crate) update_fails: bool,
    /// Whether its watches could show something new when that was last looked at.
    pub(crate) sees: bool,
    pub(crate) version: String,
    pub(crate) cpu_max: Option<f64>,
    pub(crate) mem_max: Option<f64>,
    /// Why it is about to go down.
    pub(crate) ending: Option<Reason>,
    pub(crate) boot: BootId,
    pub(crate) device: Device,
    /// When the kernel kills the multiplexer.
    pub(crate) kill_timer: Option<Instant>,
    /// Whether the marker of an armed multiplexer is there.
    pub(crate) marker: bool,
    pub(crate) mux: Option<MuxProcess>,
    pub(crate) lrm: Option<LrmProcess>,
    pub(crate) crm: Option<super::crm::CrmProcess>,
    pub(crate) workers: Vec<Worker>,
    /// The services with intents on the disk, from this boot.
    pub(crate) intents: BTreeSet<ServiceId>,
    pub(crate) instances: BTreeMap<ServiceId, Instance>,
    /// Until when what ran before a reset may still write, by service.
    pub(crate) trailing: BTreeMap<ServiceId, Instant>,
    /// What the case says runs here, until the host first has power.
    pub(crate) found: BTreeSet<ServiceId>,
}

/// A watchdog device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    /// Not counting.
    Off,
    /// Counting.
    Counting {
        /// When it resets the host, unless it is pinged.
        due: Instant,
    },
}

/// The multiplexer's process.
#[derive(Debug)]
pub(crate) struct MuxProcess {
    pub(crate) machine: Multiplexer,
    pub(crate) inbox: VecDeque<ToMux>,
    /// The LRM's process that it has a connection with.
    pub(crate) peer: Option<Incarnation>,
    /// What it has yet to do.
    pub(crate) outbox: VecDeque<watchdog::Effect>,
    /// What came of what it did, not taken in yet.
    pub(crate) done: VecDeque<watchdog::Input>,
    /// Whether it is stopped.
    pub(crate) stopped: bool,
}

/// What reaches the multiplexer.
#[derive(Clone, Debug)]
pub(crate) enum ToMux {
    /// A request over its socket.
    Request(Incarnation, ToMultiplexer),
    /// The end of a connection.
    Vanished(Incarnation),
    /// What is its own.
    Input(watchdog::Input),
}

/// The LRM's process.
#[derive(Debug)]
pub(crate) struct LrmProcess {
    pub(crate) me: Holder,
    pub(crate) machine: Lrm,
    pub(crate) inbox: VecDeque<lrm::Input>,
    /// Who writes what it publishes.
    pub(crate) publisher: Holder,
    pub(crate) presence: Presence,
    pub(crate) answers: VecDeque<presence::Input>,
    /// Whether its watch has news.
    pub(crate) notified: bool,
    /// Whether it is to come back.
    pub(crate) restarting: bool,
    /// Whether it was told to stop everything.
    pub(crate) stops: bool,
    /// What it has yet to do.
    pub(crate) outbox: VecDeque<lrm::Effect>,
    /// Whether it is stopped.
    pub(crate) stopped: bool,
}

/// A job that an agent does. It outlives its LRM.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Worker {
    pub(crate) id: RequestId,
    pub(crate) owner: Incarnation,
    pub(crate) service: ServiceId,
    pub(crate) job: Job,
    pub(crate) ends: Instant,
}

/// A service's processes on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) state: State,
    pub(crate) owner: Owner,
}

/// Who answers for an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A person put it there, or said that the service belongs elsewhere.
    Person,
    /// Nobody: it was the stack's, until its service was ignored or removed.
    Nobody,
    /// The stack: the LRM of its node has had it under its lock and watchdog.
    Stack,
}

/// How far an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A start is under way.
    Starting,
    /// It runs.
    Running,
    /// A stop is under way.
    Stopping,
    /// A job was ended half-way: something may run.
    Unknown,
    /// It comes from another node and waits to go on here.
    Incoming,
    /// It goes to another node and waits to go on there.
    Outgoing,
}

impl Instance {
    /// Whether it may write.
    pub(crate) const fn does_io(self) -> bool {
        match self.state {
            State::Starting | State::Running | State::Stopping | State::Unknown => true,
            State::Incoming | State::Outgoing => false,
        }
    }
}

impl Host {
    /// A host that was never on.
    pub(crate) fn new(id: NodeId) -> Self {
        Self {
            id,
            power: false,
            network: false,
            store_fails: false,
            update_fails: false,
            sees: false,
            version: String::new(),
            cpu_max: None,
            mem_max: None,
            ending: None,
            boot: BootId(0),
            device: Device::Off,
            kill_timer: None,
            marker: false,
            mux: None,
            lrm: None,
            crm: None,
            workers: Vec::new(),
            intents: BTreeSet::new(),
            instances: BTreeMap::new(),
            trailing: BTreeMap::new(),
            found: BTreeSet::new(),
        }
    }

    pub(crate) const fn is_connected(&self) -> bool {
        self.power && self.network
    }

    /// Each host is a machine of its own.
    pub(crate) fn machine(&self) -> MachineId {
        MachineId(u128::from(self.id.0) + 1)
    }

    /// The identity of a process that begins on it.
    pub(crate) fn holder(&self, incarnation: Incarnation) -> Holder {
        Holder {
            node: self.id,
            machine: self.machine(),
            boot: self.boot,
            incarnation,
        }
    }

    /// What a case says runs here does so as soon as there is power.
    pub(crate) fn place_found(&mut self) {
        for service in std::mem::take(&mut self.found) {
            let instance = Instance {
                state: State::Running,
                owner: Owner::Person,
            };
            self.instances.insert(service, instance);
        }
    }

    /// The device is given another W′.
    pub(crate) fn ping(&mut self, now: Instant, reset_max: Span) {
        if let Device::Counting { due } = &mut self.device {
            *due = now + reset_max;
        }
    }

    /// What is left of a host without power: I/O that trails.
    pub(crate) fn lose_power(&mut self, now: Instant, trail: Span) {
        for (service, instance) in std::mem::take(&mut self.instances) {
            if instance.does_io() && instance.owner == Owner::Stack {
                self.trailing.insert(service, now + trail);
            }
        }
        self.power = false;
        self.network = false;
        self.ending = None;
        self.device = Device::Off;
        self.kill_timer = None;
        self.marker = false;
        self.mux = None;
        self.lrm = None;
        self.crm = None;
        self.workers.clear();
        self.intents.clear();
    }

    /// Whether something of a service on this host may write at a time that no person put there.
    pub(crate) fn writes(&self, service: ServiceId, now: Instant) -> bool {
        self.instances
            .get(&service)
            .is_some_and(|instance| instance.owner != Owner::Person && instance.does_io())
            || self.trails(service, now)
    }

    /// Whether a service's I/O from before the last reset may still trail.
    pub(crate) fn trails(&self, service: ServiceId, now: Instant) -> bool {
        self.trailing
            .get(&service)
            .is_some_and(|until| now < *until)
    }
}
