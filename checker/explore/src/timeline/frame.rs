//! What a picture of a run shows of each state.

use lockstep_model::id::LockId;
use lockstep_world::shared::Shared;
use lockstep_world::state::{Device, Host, Instance, Process};

use super::scene::Scene;

/// A state, as far as it is drawn. Moments are in ticks since the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The moment.
    pub tick: u64,
    /// The hosts, by column.
    pub hosts: Vec<HostFrame>,
    /// The locks that were ever taken.
    pub locks: Vec<LockFrame>,
}

/// A host in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFrame {
    /// Whether it has power.
    pub on: bool,
    /// Whether a hypervisor has stopped it.
    pub halted: bool,
    /// Whether it can't reach the store.
    pub cut_off: bool,
    /// The first LRM.
    pub lrm: Life,
    /// The multiplexer.
    pub mux: Life,
    /// The contender.
    pub contender: Life,
    /// The CRM.
    pub crm: Life,
    /// E, as the LRM has it.
    pub expires: Option<i64>,
    /// D, as the multiplexer has it.
    pub deadline: Option<i64>,
    /// Ticks since the device's last ping, while it counts.
    pub device: Option<u64>,
    /// The services.
    pub services: Vec<Running>,
}

/// Whether a process is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It isn't.
    Absent,
    /// It is.
    Lives,
    /// It is, and is stopped.
    Stopped,
}

/// Whether anything of a service can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// Nothing.
    No,
    /// What was started, well or half-way.
    Yes,
    /// What its host's reset has left under way.
    Trails,
    /// Nothing, but what moves and is paused.
    Paused,
}

/// A lock in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockFrame {
    /// Which it is, in words.
    pub name: String,
    /// The column of the host whose process holds it, or held it last; `None` where that process's
    /// host can't be told.
    pub holder: Option<usize>,
    /// Whether it is held.
    pub held: bool,
    /// True ticks since it changed.
    pub silent: u64,
}

impl Frame {
    pub(super) fn of(scene: &Scene<'_>) -> Self {
        let mut hosts: Vec<(usize, HostFrame)> = scene
            .world
            .hosts
            .iter()
            .enumerate()
            .map(|(index, host)| {
                let column = scene.columns.get(index).copied().unwrap_or(index);
                (column, host_frame(scene, host))
            })
            .collect();
        hosts.sort_unstable_by_key(|(column, _)| *column);
        Self {
            tick: scene.tick,
            hosts: hosts.into_iter().map(|(_, host)| host).collect(),
            locks: locks(scene),
        }
    }
}

fn host_frame(scene: &Scene<'_>, host: &Host) -> HostFrame {
    let config = scene.setup.config(scene.world.reconfigured);
    let absolute = |at| {
        let tick = i64::try_from(scene.tick).unwrap_or(i64::MAX);
        tick.saturating_add(scene.ahead(at))
    };
    let lrm = host.lrms.first();
    let mux = host.mux.as_ref();
    let expires = lrm.and_then(|lrm| lrm.machine.lock().hold()?.expires);
    let deadline = mux.and_then(|mux| mux.machine.deadline(config));
    let instances = host.instances.iter().zip(&host.trailing);
    HostFrame {
        on: host.on,
        halted: host.stopped,
        cut_off: host.isolated || scene.world.store.down,
        lrm: life(lrm),
        mux: life(mux),
        contender: life(host.contender.as_ref()),
        crm: life(host.crm.as_ref()),
        expires: expires.map(absolute),
        deadline: deadline.map(absolute),
        device: match host.device {
            Device::Counting { elapsed, .. } => Some(elapsed),
            Device::Off => None,
        },
        services: instances
            .map(|(instance, trailing)| match instance {
                Instance::Running | Instance::Half => Running::Yes,
                Instance::Absent if *trailing > 0 => Running::Trails,
                Instance::Outgoing | Instance::Incoming | Instance::Stale => Running::Paused,
                Instance::Absent => Running::No,
            })
            .collect(),
    }
}

fn life<M, I, E>(process: Option<&Shared<Process<M, I, E>>>) -> Life {
    match process {
        None => Life::Absent,
        Some(process) if process.paused => Life::Stopped,
        Some(_) => Life::Lives,
    }
}

fn locks(scene: &Scene<'_>) -> Vec<LockFrame> {
    let histories = scene.world.store.locks.iter();
    let lock = |history: &lockstep_world::state::LockHistory| {
        let grant = scene.world.grant_of(history.lock)?;
        let by_boot = |host: &Shared<Host>| host.boot == grant.holder.boot;
        let found = scene.world.find_process(grant.holder.incarnation);
        let host = found.map(|(host, _)| host);
        let host = host.or_else(|| scene.world.hosts.iter().position(by_boot));
        Some(LockFrame {
            name: match history.lock {
                LockId::Manager => "manager lock".into(),
                LockId::Agent(node) => format!("lock of {}", scene.node(node)),
            },
            holder: host.and_then(|host| scene.columns.get(host).copied()),
            held: grant.state.is_held(),
            silent: history.age,
        })
    };
    histories.filter_map(lock).collect()
}
