//! The guests: their configuration, their loads, and how the failing ones fail (`simulator.md` 12,
//! 13).

use std::collections::BTreeMap;

use lockstep_model::event::Level;
use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::manager::status::{GuestLock, Requested, Resource};
use lockstep_model::name::Names;

use crate::case::{Case, DynamicStats, ServiceCase, StateCase, StaticStats};
use crate::cluster::{ById, Cluster, Fatal};

/// Every guest that is configured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guests {
    pub(crate) configured: ById<Guest>,
    pub(crate) static_stats: ById<StaticStats>,
    pub(crate) dynamic_stats: ById<DynamicStats>,
    /// How often each failing one was started, and moved, since it last succeeded.
    pub(crate) attempts: ById<Attempts>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attempts {
    pub(crate) starts: u32,
    pub(crate) moves: u32,
}

/// A guest's configuration.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) kind: Kind,
    pub(crate) node: NodeId,
    pub(crate) requested: Requested,
    pub(crate) group: Option<String>,
    pub(crate) failback: bool,
    pub(crate) max_restart: u32,
    pub(crate) max_relocate: u32,
    pub(crate) lock: Option<String>,
}

/// What kind of guest a SID names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Machine,
    Container,
    /// One that fails as its number says.
    Failing(Failing),
}

/// How a failing guest fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failing {
    /// How many starts fail before one succeeds.
    pub(crate) starts: u32,
    /// How many moves fail before one succeeds.
    pub(crate) moves: u32,
    /// Whether it can't be stopped.
    pub(crate) unstoppable: bool,
    /// The number of the node where starts and moves fail; none: on all.
    pub(crate) only_on: Option<u32>,
}

impl Kind {
    /// The kind that a SID says: `vm:`, `ct:` or `fa:` and digits.
    pub(crate) fn of(sid: &str) -> Option<Self> {
        let (kind, number) = sid.split_once(':')?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        match kind {
            "vm" => Some(Self::Machine),
            "ct" => Some(Self::Container),
            "fa" => Some(Self::Failing(Failing::of(number))),
            _ => None,
        }
    }
}

impl Failing {
    fn of(number: &str) -> Self {
        let digit = |index: usize| {
            let digit = number.as_bytes().get(index).filter(|_| number.len() >= 3);
            digit.map_or(0, |byte| u32::from(byte - b'0'))
        };
        Self {
            starts: digit(1),
            moves: digit(2),
            unstoppable: digit(3) != 0,
            only_on: Some(digit(5)).filter(|node| *node != 0),
        }
    }
}

pub(crate) fn requested(state: StateCase) -> Requested {
    match state {
        StateCase::Started | StateCase::Enabled => Requested::Started,
        StateCase::Stopped => Requested::Stopped,
        StateCase::Disabled => Requested::Disabled,
        StateCase::Ignored => Requested::Ignored,
    }
}

impl Guests {
    pub(crate) fn of_case(case: &Case, names: &mut Names) -> Result<Self, Fatal> {
        let mut guests = Self::default();
        for (sid, config) in &case.services {
            let id = intern(names, sid)?;
            let guest = Guest::of_case(sid, config, names)?;
            guests.configured.insert(id, guest);
        }
        let default = StaticStats {
            maxcpu: Some(4.0),
            maxmem: Some(f64::from(4_u32 << 20) * 1024.0),
        };
        guests.static_stats = match &case.static_stats {
            None => guests.configured.keys().map(|id| (*id, default)).collect(),
            Some(stats) => by_id(stats, names)?,
        };
        let default = DynamicStats {
            cpu: Some(2.0),
            mem: Some(f64::from(2_u32 << 20) * 1024.0),
        };
        guests.dynamic_stats = match &case.dynamic_stats {
            None => guests
                .static_stats
                .keys()
                .map(|id| (*id, default))
                .collect(),
            Some(stats) => by_id(stats, names)?,
        };
        Ok(guests)
    }
}

/// What of a failing guest fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A start.
    Start,
    /// A move.
    Move,
}

impl Guests {
    /// Whether a failing guest's operation on the node named `here` fails this time.
    pub(crate) fn fails(
        &mut self,
        here: &str,
        service: ServiceId,
        failing: Failing,
        operation: Operation,
    ) -> bool {
        let elsewhere = failing
            .only_on
            .is_some_and(|number| here != format!("node{number}"));
        let attempts = self.attempts.entry(service).or_default();
        let (count, failures) = match operation {
            Operation::Start => (&mut attempts.starts, failing.starts),
            Operation::Move => (&mut attempts.moves, failing.moves),
        };
        if elsewhere {
            *count = 0;
            return false;
        }
        *count += 1;
        if failures >= *count {
            return true;
        }
        *count = 0;
        false
    }
}

impl Cluster {
    /// What the simulated hardware says when loads are measured (`simulator.md` 13): the guests'
    /// figures are looked at twice, the nodes' after each guest.
    pub(crate) fn say_overcommitted(&mut self) {
        let guests = &self.guests;
        let name = |id: &ServiceId| self.names.service(*id);
        let mut services = Vec::new();
        for id in guests.configured.keys() {
            let fixed = guests.static_stats.get(id).copied().unwrap_or_default();
            let measured = guests.dynamic_stats.get(id).copied().unwrap_or_default();
            services.push((
                name(id),
                measured.cpu,
                fixed.maxcpu,
                measured.mem,
                fixed.maxmem,
            ));
        }
        services.sort_by_key(|service| service.0);
        let exceeds = |value: Option<f64>, max: Option<f64>| {
            value.zip(max).is_some_and(|(value, max)| value > max)
        };
        let mut lines = Vec::new();
        let mut note = |what: &str, on: &str, over: bool| {
            if over {
                lines.push(format!("overcommitted {what} on '{on}'"));
            }
        };
        for _ in 0..2 {
            for (sid, cpu, maxcpu, mem, maxmem) in &services {
                note("cpu", sid, exceeds(*cpu, *maxcpu));
                note("mem", sid, exceeds(*mem, *maxmem));
            }
        }
        let mut ids: Vec<_> = guests.configured.iter().collect();
        ids.sort_by_key(|(id, _)| name(id));
        let mut sums: BTreeMap<NodeId, (f64, f64)> = BTreeMap::new();
        for (id, guest) in ids {
            let Some(node) = self.nodes.iter().find(|node| node.id == guest.node) else {
                continue;
            };
            if !node.running.contains(id) {
                continue;
            }
            let measured = guests.dynamic_stats.get(id).copied().unwrap_or_default();
            let sum = sums.entry(node.id).or_default();
            sum.0 += measured.cpu.unwrap_or(0.0);
            sum.1 += measured.mem.unwrap_or(0.0);
            let on = self.names.node(node.id);
            note("cpu", on, sum.0 > node.cpu_max.unwrap_or(CPU_MAX));
            note("mem", on, sum.1 > node.mem_max.unwrap_or(MEM_MAX));
        }
        for line in lines {
            self.note("hardware", Level::Warning, &line);
        }
    }
}

/// A node's cores, if the case doesn't say.
pub(crate) const CPU_MAX: f64 = 24.0;

/// A node's memory in bytes, if the case doesn't say.
pub(crate) const MEM_MAX: f64 = 137_438_953_472.0;

fn by_id<T: Copy>(stats: &BTreeMap<String, T>, names: &mut Names) -> Result<ById<T>, Fatal> {
    stats
        .iter()
        .map(|(sid, stats)| Ok((intern(names, sid)?, *stats)))
        .collect()
}

/// The id of a service, a new one if need be.
pub(crate) fn intern(names: &mut Names, sid: &str) -> Result<ServiceId, Fatal> {
    names
        .intern_service(sid)
        .ok_or_else(|| Fatal::new("too many services"))
}

impl Guest {
    fn of_case(sid: &str, config: &ServiceCase, names: &mut Names) -> Result<Self, Fatal> {
        let kind = Kind::of(sid).ok_or_else(|| {
            Fatal::new(format!(
                "service '{sid}': expected vm:, ct: or fa: and digits"
            ))
        })?;
        let node = names
            .intern_node(&config.node)
            .ok_or_else(|| Fatal::new("too many nodes"))?;
        Ok(Self {
            kind,
            node,
            requested: requested(config.state),
            group: config.group.clone().filter(|group| !group.is_empty()),
            failback: config.failback != Some(0),
            max_restart: config.max_restart.unwrap_or(1),
            max_relocate: config.max_relocate.unwrap_or(1),
            lock: config.lock.clone().filter(|lock| !lock.is_empty()),
        })
    }

    /// A guest that is added with nothing but a node and what is wanted.
    pub(crate) const fn new(kind: Kind, node: NodeId, requested: Requested) -> Self {
        Self {
            kind,
            node,
            requested,
            group: None,
            failback: true,
            max_restart: 1,
            max_relocate: 1,
            lock: None,
        }
    }

    /// What of it concerns manager and LRM.
    pub(crate) fn resource(&self) -> Resource {
        Resource {
            requested: self.requested,
            node: Some(self.node),
            group: self.group.clone(),
            failback: self.failback,
            max_restart: self.max_restart,
            max_relocate: self.max_relocate,
            can_migrate: self.kind == Kind::Machine,
            guest_lock: self.lock.clone().map(GuestLock),
        }
    }
}
