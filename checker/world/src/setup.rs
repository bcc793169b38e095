//! What a world consists of and what may go wrong in it.
//!
//! A [`Setup`] never changes while a world runs; a [`crate::World`] is the part that does. Physics
//! that the protocol's assumptions bound (how late a device resets, how long I/O trails) stand
//! here separately from the numbers that the machines are told: a configuration in which they
//! differ is one in which an assumption is false.

use lockstep_model::config::{Config, Timing};
use lockstep_model::id::{MachineId, NodeId, Ranks, ServiceId};
use lockstep_model::mutation::Mask;
use lockstep_model::record::{MoveKind, Wanted};
use lockstep_model::time::Span;
use serde::{Deserialize, Serialize};

use crate::cluster::ClusterSetup;
use crate::named::named;

/// Everything that stays the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// What the machines are told: first, and after an administrator's change.
    pub configs: [Config<Mask>; 2],
    /// The hosts.
    pub hosts: Vec<HostSetup>,
    /// The services, by number.
    pub services: Vec<ServiceSetup>,
    /// What CRMs know and people may ask of them; `None`: there are none.
    pub cluster: Option<Box<ClusterSetup>>,
    /// The nodes whose machines fence agents can switch off, in the order of their ids.
    pub fenceable: Vec<NodeId>,
    /// Which faults may happen.
    pub faults: Vec<Fault>,
    /// How many of them, in all.
    pub fault_budget: u8,
    /// Whether no request is late but those that move a service.
    pub only_moves_late: bool,
    /// Whether each kind happens at most once.
    pub each_fault_once: bool,
    /// On which hosts.
    pub fault_hosts: Vec<usize>,
    /// What people may do.
    pub admin: Vec<Admin>,
    /// How often, in all.
    pub admin_budget: u8,
    /// What the manager may order, to services where they are. It is free to have any reason.
    pub orders: Vec<Order>,
    /// How often, in all.
    pub orders_budget: u8,
    /// Whether they are given only when nothing else has to happen first: between any two steps of a
    /// move that takes one tick is then no order.
    pub orders_at_rest: bool,
    /// Whether they are given in the order in which they stand, each once.
    pub orders_in_turn: bool,
    /// How often orders have a failed start repeated; `None`: for ever, and nobody asks how it ended.
    pub restarts_max: Option<u32>,
    /// How the surroundings behave.
    pub physics: Physics,
    /// Whether a worker's whole job is one step. Workers are then never seen half-way.
    pub instant_agents: bool,
    /// Whether steps that commute with all others are taken at once. Off, every order of every
    /// step is explored.
    pub reduce: bool,
    /// Whether ids whose order nobody compares are put in one order, and those that nobody looks at
    /// are forgotten.
    pub reorder: bool,
    /// Hosts that nothing in this setup tells apart, with their faults.
    pub symmetric: Vec<usize>,
    /// For how long the store may be out of reach; `None`: for any time.
    pub outage_max: Option<u64>,
    /// Whether nothing that can happen here may reset a host.
    pub never_resets: bool,
    /// For how many ticks everything goes well before anything else may happen.
    pub warm: u64,
    /// Instants further back than this are not told apart. At least the largest sum compared.
    pub rebase_bound: Span,
}

/// One host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSetup {
    /// The node that it acts for. Two hosts may claim the same.
    pub node: NodeId,
    /// The machine id that it reports; a clone has its original's.
    pub machine: MachineId,
    /// Whether it runs an LRM and a multiplexer.
    pub lrm: bool,
    /// Whether it runs a stand-in for them.
    pub stand_in: bool,
    /// Whether it runs a CRM.
    pub crm: bool,
    /// The node whose lock it contends for, if any.
    pub contends_for: Option<NodeId>,
    /// Whether it is switched on in the beginning.
    pub on: bool,
}

/// One service in the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSetup {
    /// Where it belongs.
    pub location: NodeId,
    /// What it is to do.
    pub wanted: Wanted,
}

/// How hardware and kernel behave, in ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Physics {
    /// Beyond W, the longest time from a ping to the reset: the true W′ less W.
    pub device_slack: u64,
    /// How long I/O of a dead host goes on.
    pub trail: u64,
    /// How late the kernel's timer and entered system calls may be.
    pub kernel_delay: u64,
    /// How many ticks in all a hypervisor stops a host.
    pub host_stop: u64,
    /// At most one skipped or doubled tick of a clock in this many; `None`: clocks are exact.
    pub drift_spacing: Option<u64>,
}

impl Physics {
    /// Surroundings that are just as bad as the machines were told.
    #[must_use]
    pub fn as_told(timing: &Timing) -> Self {
        Self {
            device_slack: timing.reset_max.minus(timing.watchdog).0,
            trail: timing.io_trail.minus(timing.kernel_delay).0,
            kernel_delay: timing.kernel_delay.0,
            host_stop: timing.host_stop.0,
            drift_spacing: None,
        }
    }
}

named! {
    /// A kind of fault. Each occurrence draws on the budget; what ends one is free.
    Fault:
    #[doc = "A host loses power, and may get it back."]
    Power = "power",
    #[doc = "The LRM is stopped between any two effects, and may be resumed."]
    PauseLrm = "pause-lrm",
    #[doc = "The multiplexer is stopped."]
    PauseMux = "pause-mux",
    #[doc = "The contender is stopped."]
    PauseContender = "pause-contender",
    #[doc = "The CRM is stopped."]
    PauseCrm = "pause-crm",
    #[doc = "All processes of a host are stopped together and resumed separately."]
    PauseAll = "pause-all",
    #[doc = "The LRM dies, and may be started again."]
    CrashLrm = "crash-lrm",
    #[doc = "The multiplexer dies, and may be started again."]
    CrashMux = "crash-mux",
    #[doc = "The contender dies, and may be started again."]
    CrashContender = "crash-contender",
    #[doc = "The CRM dies, and may be started again."]
    CrashCrm = "crash-crm",
    #[doc = "A host can't reach the store."]
    Isolate = "isolate",
    #[doc = "Nobody can reach the store."]
    Outage = "outage",
    #[doc = "A request is applied any time later, or never; its answer comes later still, or never."]
    Delay = "delay",
    #[doc = "An agent's job fails and leaves the service half-way."]
    AgentFails = "agent-fails",
    #[doc = "An agent's job takes any time."]
    AgentHangs = "agent-hangs",
    #[doc = "A running service ends by itself."]
    ServiceEnds = "service-ends",
    #[doc = "A clock skips a tick or counts it twice."]
    Drift = "drift",
    #[doc = "Opening the device fails, or it reads back a longer time-out than was asked for."]
    DeviceFails = "device-fails",
    #[doc = "A ping of the device enters the kernel and is done late."]
    SlowPing = "slow-ping",
    #[doc = "A hypervisor stops a host, with its clock and its watchdog."]
    HostStop = "host-stop",
    #[doc = "The store forgets its last write, which was confirmed."]
    Rollback = "rollback",
    #[doc = "Somebody edits a service's location by hand."]
    HandEdit = "hand-edit",
    #[doc = "A host is suspended: its clock goes on, its processes and timers don't."]
    Suspend = "suspend",
    #[doc = "A fence agent fails, and leaves the machine as it is."]
    FenceFails = "fence-fails",
    #[doc = "A fence agent says that it has switched a machine off, and hasn't."]
    FenceLies = "fence-lies",
}

impl Fault {
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What people do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Admin {
    /// Request that a service run or not.
    Want,
    /// Restart a node's LRM, leaving services running.
    RestartLrm,
    /// Stop a node's LRM and its services.
    StopLrm,
    /// Have the manager move a service, through its node's lock. Draws on no budget.
    Move,
    /// Have the manager contend for a lock, and give it back, at any time. Draws on no budget.
    /// Without it every contender contends from the beginning, for ever.
    LetGo,
    /// Change to the second configuration.
    Reconfigure,
    /// Give the CRM one of the cluster's commands.
    Command,
    /// Make one of the cluster's changes of the configuration.
    Edit,
    /// Stop a CRM.
    StopCrm,
    /// Say that a node is dead, when it is.
    ConfirmDead,
    /// Ask the multiplexer to terminate.
    TerminateMux,
    /// Start a second LRM process on a node.
    SecondLrm,
    /// Start a host that was off in the beginning.
    SwitchOn,
    /// Stop a node's LRM and its services, which are to stay with it.
    StopAndFreezeLrm,
    /// End a node's LRM when everything has left it.
    MigrateLrm,
    /// Ask a node to do maintenance, and end that.
    Maintain,
    /// Disarm the stack with services frozen or ignored, which the manager orders, and arm it again.
    Disarm,
}

/// A kind of order that a manager gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// Run.
    Start,
    /// Don't run.
    Stop,
    /// Stay as it is: frozen, in error, or about to be placed.
    LeaveUntouched,
    /// Be nobody's concern: removed, ignored, or disarmed in that mode.
    Ignore,
    /// Don't run, and let the lock go.
    Fence,
    /// Move to any other node, in this state.
    Move(MoveKind),
}

impl Setup {
    /// The configuration in force.
    #[must_use]
    pub fn config(&self, reconfigured: bool) -> &Config<Mask> {
        &self.configs[usize::from(reconfigured)]
    }

    /// Whether this kind of fault may happen.
    #[must_use]
    pub fn allows(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// The numbers of the services.
    pub fn service_ids(&self) -> impl Iterator<Item = ServiceId> + use<> {
        (0..self.services.len())
            .filter_map(|number| u16::try_from(number).ok())
            .map(ServiceId)
    }

    /// What a CRM compares elapsed times with, if there is one.
    fn crm_sum(config: &Config<Mask>, crms: bool) -> Span {
        let (timing, policy) = (config.timing(), config.policy());
        let patience = Span(timing.presence.0.saturating_mul(3));
        let sums = [
            patience,
            timing.fence_delay,
            policy.round,
            policy.forget_node,
        ];
        let largest = sums.into_iter().max().filter(|_| crms);
        largest.unwrap_or(Span::ZERO)
    }

    /// A rebase bound that every comparison of both configurations fits in.
    #[must_use]
    pub fn sufficient_bound(configs: &[Config<Mask>; 2], crms: bool) -> Span {
        configs
            .iter()
            .map(|config| {
                config
                    .timing()
                    .largest_sum()
                    .max(Self::crm_sum(config, crms))
            })
            .max()
            .unwrap_or(Span::ZERO)
    }

    /// Whether what a search of this setup says holds for what it stands for.
    ///
    /// # Errors
    ///
    /// The first reason why it doesn't.
    pub fn check(&self) -> Result<(), &'static str> {
        let crms = self.cluster.is_some();
        if self.rebase_bound < Self::sufficient_bound(&self.configs, crms) {
            return Err("instants that are compared are taken for equal");
        }
        if crms != self.hosts.iter().any(|host| host.crm) {
            return Err("CRMs know nothing of their cluster");
        }
        if crms && self.reorder {
            return Err("a CRM's requests keep the order of their lanes");
        }
        if crms && self.symmetric.len() > 1 {
            return Err("CRMs tell nodes apart by their names");
        }
        let (Some(first), true) = (self.symmetric.first(), self.symmetric.len() > 1) else {
            return Ok(());
        };
        let faulty = |host: &usize| self.fault_hosts.contains(host);
        let alike = |host: &usize| {
            let (one, other) = (&self.hosts[*first], &self.hosts[*host]);
            one.lrm == other.lrm
                && one.contends_for == other.contends_for
                && one.on == other.on
                && faulty(first) == faulty(host)
        };
        if !self.symmetric.iter().all(alike) {
            return Err("hosts are taken for alike that are not");
        }
        let named = |host: &usize| {
            let node = self.hosts[*host].node;
            self.services.iter().any(|service| service.location == node)
                || self
                    .hosts
                    .iter()
                    .any(|other| other.contends_for == Some(node))
                || self.hosts.iter().filter(|other| other.node == node).count() > 1
        };
        if self.symmetric.iter().any(named) {
            return Err("hosts are taken for alike of which one is named");
        }
        Ok(())
    }

    /// Two hosts: one that runs a service, one that contends for its lock.
    #[must_use]
    pub fn holder_and_contender(timing: &Timing, mutants: Mask) -> Self {
        let config = Config::for_checking(timing.clone(), Ranks::default(), mutants);
        let configs = [config.clone(), config];
        let host = |number: u16, lrm, contends_for| HostSetup {
            node: NodeId(number),
            machine: MachineId(u128::from(number)),
            lrm,
            stand_in: false,
            crm: false,
            contends_for,
            on: true,
        };
        Self {
            rebase_bound: Self::sufficient_bound(&configs, false),
            configs,
            hosts: vec![host(0, true, None), host(1, false, Some(NodeId(0)))],
            services: vec![ServiceSetup {
                location: NodeId(0),
                wanted: Wanted::Started,
            }],
            cluster: None,
            faults: Vec::new(),
            fault_budget: 0,
            only_moves_late: false,
            each_fault_once: false,
            fault_hosts: vec![0, 1],
            admin: Vec::new(),
            admin_budget: 0,
            orders: Vec::new(),
            orders_budget: 0,
            orders_at_rest: false,
            orders_in_turn: false,
            restarts_max: None,
            physics: Physics::as_told(timing),
            instant_agents: true,
            reduce: true,
            reorder: false,
            fenceable: Vec::new(),
            symmetric: Vec::new(),
            outage_max: None,
            never_resets: false,
            warm: 0,
        }
    }
}
