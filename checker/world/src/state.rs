//! The part of a world that changes.

use lockstep_model::contender::{self, Contender};
use lockstep_model::event::{Effects, Event};
use lockstep_model::format::rules::Rules;
use lockstep_model::id::{
    BootId, Holder, Incarnation, LockId, MachineId, NodeId, RequestId, Revision, ServiceId, Uid,
};
use lockstep_model::lrm::{self, Job, Lrm};
use lockstep_model::master::{self, Master};
use lockstep_model::presence::Presence;
use lockstep_model::record::{
    Data, DataKey, Entry, Key, Outcome, Record, Service, Snapshot, Wanted, Write,
};
use lockstep_model::time::{Instant, Span};
use lockstep_model::watchdog::message::ToMultiplexer;
use lockstep_model::watchdog::{self, Multiplexer};
use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::crm::FromStore;
use crate::setup::Setup;
use crate::shared::Shared;
use crate::stand_in::StandIn;

/// A cluster at one moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct World {
    /// The hosts, in the setup's order.
    pub hosts: Vec<Shared<Host>>,
    /// The store.
    pub store: Shared<Store>,
    /// How many faults may still happen.
    pub faults_left: u8,
    /// Which kinds can't happen any more, a bit for each.
    pub faults_spent: u32,
    /// How often people may still act.
    pub admin_left: u8,
    /// How often the manager may still give an order.
    pub orders_left: u8,
    /// Not part of the cluster, to judge by: the services that no LRM has reported on since they
    /// were nobody's concern.
    pub unowned: Vec<ServiceId>,
    /// Whether the second configuration is in force.
    pub reconfigured: bool,
}

/// A machine with what runs on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Host {
    /// The node that it acts for.
    pub node: NodeId,
    /// The machine id that it reports.
    pub machine: MachineId,
    /// Whether it has power.
    pub on: bool,
    /// The present boot's id, or the next one's while it is off.
    pub boot: BootId,
    /// The next process's identity.
    pub next_incarnation: Incarnation,
    /// The watchdog's device.
    pub device: Device,
    /// When the kernel kills the multiplexer.
    pub kill_timer: Option<Instant>,
    /// Whether the marker of an armed multiplexer is there.
    pub marker: bool,
    /// A ping that has entered the kernel and is not done yet; κ = 1.
    pub slow_ping: bool,
    /// The LRM; two only where the setup allows that.
    pub lrms: Vec<Shared<Process<Lrm, lrm::Input, lrm::Effect>>>,
    /// The multiplexer.
    pub mux: Option<Shared<Process<Multiplexer, FromClient, watchdog::Effect>>>,
    /// Which LRM process the multiplexer has a connection with.
    pub mux_peer: Option<Incarnation>,
    /// The contender.
    pub contender: Option<Shared<Process<Contender, contender::Input, contender::Effect>>>,
    /// The CRM.
    pub crm: Option<Shared<Process<Master, FromStore, master::Effect>>>,
    /// What the first LRM process publishes with, where CRMs read that.
    pub presence: Option<Presence>,
    /// What stands for the LRM and the multiplexer.
    pub stand_in: Option<StandIn>,
    /// The services' processes here, by service.
    pub instances: Vec<Instance>,
    /// How many ticks of I/O a dead instance has left, by service.
    pub trailing: Vec<u64>,
    /// Jobs that agents are doing.
    pub workers: Vec<Worker>,
    /// What this host's contender or CRM asked fence agents to do, and they have yet to do: any time
    /// later, whether or not somebody waits for it any more.
    pub agents: Vec<contender::Order>,
    /// The services with intents on the disk, from this boot.
    pub intents: Vec<ServiceId>,
    /// Not part of the machine, to judge by: the starts that failed, where orders limit that.
    pub failed: Vec<Failed>,
    /// Whether the store can't be reached from here.
    pub isolated: bool,
    /// Whether a hypervisor has stopped the host.
    pub stopped: bool,
    /// Whether the host is suspended.
    pub suspended: bool,
    /// For how many more ticks it may.
    pub stop_left: u64,
    /// Until when the clock keeps its rate.
    pub drift_wait: u64,
    /// Not part of the machine, to measure with: the last D that the multiplexer had, or its timer.
    pub last_deadline: Option<Instant>,
}

/// A running process: its machine, what it has yet to do, what has yet to reach it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Process<M, I, E> {
    /// Its identity.
    pub incarnation: Incarnation,
    /// Its state.
    pub machine: M,
    /// Whether it is stopped (SIGSTOP, a memory stall, a freezer).
    pub paused: bool,
    /// Effects not executed yet, in order within each lane.
    pub outbox: Vec<E>,
    /// Inputs not taken in yet, in any order.
    pub inbox: Vec<I>,
    /// Whether the store's watch has news for it.
    pub notified: bool,
}

/// What reaches the multiplexer over its socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FromClient {
    /// The LRM process at the other end.
    pub from: Incarnation,
    /// Its request; `None`: the connection has ended.
    pub request: Option<ToMultiplexer>,
}

/// A watchdog device. It counts in true time; its rate's error is part of W′.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Device {
    /// Not counting.
    Off,
    /// Counting: it may reset the host when W is over and has when W′ is.
    Counting {
        /// W.
        timeout: Span,
        /// Ticks since the last ping.
        elapsed: u64,
    },
}

/// A service's processes on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Instance {
    /// None.
    Absent,
    /// It runs.
    Running,
    /// A start failed half-way: something may run.
    Half,
    /// It was sent elsewhere, and is paused here.
    Outgoing,
    /// It was sent here, and is paused.
    Incoming,
    /// It is paused, and what it was copied from or to has run on: it must never go on itself.
    Stale,
}

impl Instance {
    /// Whether it does I/O, or may.
    #[must_use]
    pub const fn runs(self) -> bool {
        match self {
            Self::Running | Self::Half => true,
            Self::Absent | Self::Outgoing | Self::Incoming | Self::Stale => false,
        }
    }

    /// Whether it does no I/O and could go on.
    #[must_use]
    pub const fn is_paused(self) -> bool {
        match self {
            Self::Outgoing | Self::Incoming | Self::Stale => true,
            Self::Absent | Self::Running | Self::Half => false,
        }
    }
}

/// A job that an agent is doing. It survives the LRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Worker {
    /// Which it is, as its LRM numbered it.
    pub id: RequestId,
    /// For which LRM process.
    pub owner: Incarnation,
    /// The service.
    pub service: ServiceId,
    /// What it does.
    pub job: Job,
    /// Whether it takes any time.
    pub hung: bool,
}

/// Starts of a service that failed one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Failed {
    /// Which service.
    pub service: ServiceId,
    /// Under which order.
    pub uid: Uid,
    /// How many.
    pub count: u32,
}

/// The store: linearizable, with conditional writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Store {
    /// The last write's revision.
    pub revision: Revision,
    /// The records, in ascending order of their keys.
    pub entries: Vec<Entry>,
    /// Whether nobody can reach it.
    pub down: bool,
    /// For how long it has been down, or any host isolated; saturates just above q.
    pub outage: u64,
    /// Requests and answers that take any time.
    pub delayed: Vec<Delayed>,
    /// Not part of the store, to judge by: what its history says about each lock.
    pub locks: Vec<LockHistory>,
    /// What stood before the last write, where a rollback may happen.
    pub before: Option<Box<(Revision, Vec<Entry>)>>,
}

/// What a lock's history says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LockHistory {
    /// Which lock.
    pub lock: LockId,
    /// True ticks since its grant or beat changed; saturates at the rebase bound.
    pub age: u64,
    /// The revision of the write that began the present term.
    pub taken: Revision,
    /// The revision of the write since which its node's LRM doesn't hold it guarded any more, where
    /// the manager gives orders.
    pub unready: Revision,
}

/// A request, or its answer, that is still somewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Delayed {
    /// The process that made it.
    pub from: Incarnation,
    /// How far it has got.
    pub stage: Stage,
}

/// How far a delayed request has got.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// Not applied yet.
    Sent {
        /// Who sent it.
        sender: Holder,
        /// What it would write.
        write: Write,
    },
    /// Applied or refused; the answer is on its way.
    Written(RequestId, Outcome),
    /// Read; the answer is on its way.
    Read(RequestId, Snapshot),
}

impl Store {
    /// The record under a key, with its revision.
    #[must_use]
    pub fn entry(&self, key: Key) -> Option<&Entry> {
        let index = self
            .entries
            .binary_search_by_key(&key, |entry| entry.key)
            .ok()?;
        self.entries.get(index)
    }

    /// Everything at once.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            revision: self.revision,
            entries: self.entries.clone(),
        }
    }

    /// Everything that an LRM of this node looks at: of other nodes' locks, who holds them how. What
    /// it doesn't look at can't tell two worlds apart.
    #[must_use]
    pub fn snapshot_for(&self, setup: &Setup, node: NodeId) -> Snapshot {
        if !setup.reorder {
            return self.snapshot();
        }
        let mut entries = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            match entry.key {
                Key::Beat(LockId::Agent(other)) if other != node => {}
                Key::Grant(LockId::Agent(other)) if other != node => entries.push(Entry {
                    revision: Revision::ABSENT,
                    ..entry.clone()
                }),
                Key::Grant(_) | Key::Beat(_) | Key::Service(_) | Key::Data(_) => {
                    entries.push(entry.clone());
                }
            }
        }
        Snapshot {
            revision: self.revision,
            entries,
        }
    }

    /// A service's record.
    #[must_use]
    pub fn service(&self, id: ServiceId) -> Option<&Service> {
        self.entry(Key::Service(id))?.record.as_service()
    }

    /// A lock's history.
    #[must_use]
    pub fn history(&self, lock: LockId) -> Option<&LockHistory> {
        self.locks.iter().find(|history| history.lock == lock)
    }

    /// Whether every condition of a write holds.
    #[must_use]
    pub fn would_apply(&self, write: &Write) -> bool {
        write.compares.iter().all(|compare| {
            self.entry(compare.key)
                .map_or(Revision::ABSENT, |entry| entry.revision)
                == compare.revision
        })
    }
}

impl<M, I, E> Process<M, I, E> {
    /// Has the machine take something in. What follows waits in the outbox; what it decided is
    /// returned.
    pub(crate) fn take_in(&mut self, step: impl FnOnce(&mut M, &mut Effects<E>)) -> Vec<Event> {
        let mut effects = Effects::new();
        step(&mut self.machine, &mut effects);
        self.outbox.append(&mut effects.effects);
        effects.events
    }

    /// A process that has just begun.
    #[must_use]
    pub const fn new(incarnation: Incarnation, machine: M) -> Self {
        Self {
            incarnation,
            machine,
            paused: false,
            outbox: Vec::new(),
            inbox: Vec::new(),
            notified: false,
        }
    }
}

/// Ids of different hosts are kept apart, so that renaming one host's moves no other's.
pub(crate) const IDS_PER_HOST: u64 = 1000;

impl World {
    /// The clock of every host, always. Instants are relative to it.
    #[must_use]
    pub fn now(setup: &Setup) -> Instant {
        Instant(setup.rebase_bound.0)
    }

    /// The beginning: every host that is to be on has just booted, nothing was ever locked.
    #[must_use]
    pub fn initial(setup: &Setup) -> Self {
        let services = setup.service_ids().zip(&setup.services);
        let crms = setup.cluster.is_some();
        // An order that no manager has given yet has no number.
        let uid = if crms { Uid::NONE } else { Uid(1) };
        let entries = services.map(|(id, service)| Entry {
            key: Key::Service(id),
            revision: Revision(1),
            record: Record::Service(Service {
                restarts_max: setup.restarts_max,
                ..Service::new(service.location, service.wanted, uid)
            }),
        });
        let mut entries: Vec<Entry> = entries.chain(configured(setup)).collect();
        entries.sort_unstable_by_key(|entry| entry.key);
        let mut nodes: Vec<NodeId> = setup.hosts.iter().map(|host| host.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let manager = crms.then_some(LockId::Manager);
        let locks = manager
            .into_iter()
            .chain(nodes.into_iter().map(LockId::Agent));
        let history = |lock| LockHistory {
            lock,
            age: 0,
            taken: Revision::ABSENT,
            unready: Revision::ABSENT,
        };
        let mut world = Self {
            hosts: (0..setup.hosts.len())
                .map(|index| Shared::new(Host::off(setup, index)))
                .collect(),
            store: Shared::new(Store {
                revision: Revision(1),
                entries,
                down: false,
                outage: 0,
                delayed: Vec::new(),
                locks: locks.map(history).collect(),
                before: None,
            }),
            faults_left: setup.fault_budget,
            faults_spent: 0,
            admin_left: setup.admin_budget,
            orders_left: setup.orders_budget,
            unowned: setup
                .service_ids()
                .zip(&setup.services)
                .filter(|(_, service)| service.wanted == Wanted::Ignored)
                .map(|(id, _)| id)
                .collect(),
            reconfigured: false,
        };
        for index in 0..setup.hosts.len() {
            if setup.hosts[index].on {
                world.boot(setup, index);
            }
        }
        world.canonicalize(setup);
        world.warmed_up(setup)
    }

    /// The world after the ticks in which nothing goes wrong and nobody asks for anything. Among what
    /// may happen then the first comes first.
    fn warmed_up(mut self, setup: &Setup) -> Self {
        let mut left = setup.warm;
        while left > 0 {
            let actions = self.enabled(setup);
            let ordinary = |action: &&Action| action.fault().is_none() && !action.is_asked();
            let Some(action) = actions.iter().find(ordinary) else {
                break;
            };
            left -= u64::from(action.is_time());
            self = self.after(setup, action).0;
        }
        self
    }

    /// The LRM process with this identity, and where it is.
    #[must_use]
    pub fn find_lrm(&self, incarnation: Incarnation) -> Option<(usize, usize)> {
        self.hosts.iter().enumerate().find_map(|(host, value)| {
            let lrm = value
                .lrms
                .iter()
                .position(|lrm| lrm.incarnation == incarnation)?;
            Some((host, lrm))
        })
    }
}

/// The configuration in the beginning.
fn configured(setup: &Setup) -> Vec<Entry> {
    let Some(cluster) = &setup.cluster else {
        return Vec::new();
    };
    let entry = |key, data| Entry {
        key: Key::Data(key),
        revision: Revision(1),
        record: Record::Data(Box::new(data)),
    };
    let resources = setup.service_ids().zip(&cluster.resources);
    let configured = resources.filter(|(_, resource)| resource.is_some());
    let mut entries: Vec<Entry> = configured
        .map(|(id, resource)| entry(DataKey::Resource(id), Data::Resource(resource.clone())))
        .collect();
    if cluster.rules != Rules::default() {
        entries.push(entry(DataKey::Rules, Data::Rules(cluster.rules.clone())));
    }
    if !cluster.groups.is_empty() {
        entries.push(entry(DataKey::Groups, Data::Groups(cluster.groups.clone())));
    }
    entries
}

impl Host {
    fn off(setup: &Setup, index: usize) -> Self {
        let first = index as u64 * IDS_PER_HOST + 1;
        let services = setup.services.len();
        Self {
            node: setup.hosts[index].node,
            machine: setup.hosts[index].machine,
            on: false,
            boot: BootId(u128::from(first)),
            next_incarnation: Incarnation(first),
            device: Device::Off,
            kill_timer: None,
            marker: false,
            slow_ping: false,
            lrms: Vec::new(),
            mux: None,
            mux_peer: None,
            contender: None,
            crm: None,
            presence: None,
            stand_in: None,
            instances: vec![Instance::Absent; services],
            trailing: vec![0; services],
            workers: Vec::new(),
            agents: Vec::new(),
            intents: Vec::new(),
            failed: Vec::new(),
            isolated: false,
            stopped: false,
            suspended: false,
            stop_left: setup.physics.host_stop,
            drift_wait: 0,
            last_deadline: None,
        }
    }

    /// Who a process of this host is.
    #[must_use]
    pub fn holder(&self, incarnation: Incarnation) -> Holder {
        Holder {
            node: self.node,
            machine: self.machine,
            boot: self.boot,
            incarnation,
        }
    }

    /// Whether an instance of the service can do I/O here: running, or dead with I/O trailing.
    #[must_use]
    pub fn does_io(&self, service: usize) -> bool {
        self.instances
            .get(service)
            .is_some_and(|instance| instance.runs())
            || self.trailing.get(service).is_some_and(|left| *left > 0)
    }
}
