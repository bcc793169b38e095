//! Random values, of any kind that a view can hold.

use lockstep_model::event::LrmState;
use lockstep_model::id::{NodeId, ServiceId, Uid};
use lockstep_model::manager::status::{
    Disarm, DisarmMode, Entry, ExitCode, GuestLock, LrmMode, LrmResult, LrmStatus, NodeState,
    Queued, Requested, Resource, Task,
};
use lockstep_model::manager::{LockView, Scheduler, Settings};
use lockstep_model::placement::balance::{self, Method};
use lockstep_model::placement::ratio::Ratio;
use lockstep_model::placement::state::ServiceState;
use lockstep_model::placement::stats::{MicroCores, NodeStats, ServiceStats};

/// Uids are drawn below this, so that results meet entries.
const UIDS: usize = 24;

/// The groups that a service may be in; the last one never exists.
pub(crate) const GROUPS: [&str; 3] = ["g1", "g2", "nowhere"];

pub(crate) const CODES: [ExitCode; 7] = [
    ExitCode::SUCCESS,
    ExitCode::SUCCESS,
    ExitCode::ERROR,
    ExitCode::WRONG_NODE,
    ExitCode::IGNORED,
    ExitCode(7),
    ExitCode(-1),
];

/// Numbers that follow from a seed, so that a failure is one number.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    seed: u64,
    nodes: usize,
    services: usize,
}

impl Draw {
    pub(crate) fn new(seed: u64, nodes: usize, services: usize) -> Self {
        Self {
            seed,
            nodes,
            services,
        }
    }

    /// Below `bound`, by splitmix64.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 32).expect("in range") % bound
    }

    /// Once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    fn number(&mut self, bound: usize) -> u16 {
        u16::try_from(self.below(bound)).expect("in range")
    }

    pub(crate) fn node(&mut self) -> NodeId {
        NodeId(self.number(self.nodes))
    }

    fn maybe_node(&mut self) -> Option<NodeId> {
        let node = self.node();
        (!self.once_in(5)).then_some(node)
    }

    pub(crate) fn service(&mut self) -> ServiceId {
        ServiceId(self.number(self.services))
    }

    pub(crate) fn all_nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..u16::try_from(self.nodes).expect("few")).map(NodeId)
    }

    pub(crate) fn all_services(&self) -> impl Iterator<Item = ServiceId> + use<> {
        (0..u16::try_from(self.services).expect("few")).map(ServiceId)
    }

    pub(crate) fn node_state(&mut self) -> NodeState {
        self.one_of(&[
            NodeState::Online,
            NodeState::Online,
            NodeState::Online,
            NodeState::Online,
            NodeState::Maintenance,
            NodeState::Unknown,
            NodeState::Fence,
            NodeState::Gone,
        ])
    }

    fn queued(&mut self) -> Option<Queued> {
        let task = self.task();
        let target = self.node();
        let timeout = self.below(3) as u64 * 30;
        match self.below(8) {
            0 => Some(Queued::Move { task, target }),
            1 => Some(Queued::Stop { timeout }),
            2 => Some(Queued::Unknown(String::from("dance"))),
            _ => None,
        }
    }

    fn task(&mut self) -> Task {
        self.one_of(&[Task::Migrate, Task::Relocate])
    }

    fn maybe<T>(&mut self, value: T) -> Option<T> {
        self.once_in(3).then_some(value)
    }

    /// Any state with any of what a state may carry, whether it fits or not.
    pub(crate) fn entry(&mut self) -> Entry {
        let mut entry = Entry::new(
            self.one_of(&ServiceState::ALL),
            self.maybe_node(),
            Uid(self.below(UIDS) as u64),
        );
        let (target, fallback) = (self.node(), self.node());
        entry.target = self.maybe(target);
        entry.maintenance_node = self.maybe(fallback);
        entry.timeout = self.maybe(60);
        for _ in 0..self.below(4) {
            entry.failed_nodes.push(self.node());
        }
        entry.running = self.once_in(2);
        entry.queued = self.queued();
        entry
    }

    pub(crate) fn disarm(&mut self) -> Option<Disarm> {
        let mode = match self.below(30) {
            0 => DisarmMode::Freeze,
            1 => DisarmMode::Ignore,
            2 => DisarmMode::Unknown(String::from("melt")),
            _ => return None,
        };
        let complete = self.once_in(2);
        Some(Disarm { mode, complete })
    }

    pub(crate) fn requested(&mut self) -> Requested {
        self.one_of(&[
            Requested::Started,
            Requested::Started,
            Requested::Started,
            Requested::Stopped,
            Requested::Disabled,
            Requested::Ignored,
        ])
    }

    pub(crate) fn resource(&mut self) -> Resource {
        let (group, lock) = (
            self.one_of(&GROUPS),
            self.one_of(&["backup", "create", "mounted", ""]),
        );
        Resource {
            requested: self.requested(),
            node: self.maybe_node(),
            group: self.maybe(String::from(group)),
            failback: self.once_in(2),
            max_restart: u32::from(self.number(3)),
            max_relocate: u32::from(self.number(4)),
            can_migrate: self.once_in(2),
            guest_lock: self.maybe(GuestLock(String::from(lock))),
        }
    }

    fn lrm_mode(&mut self) -> Option<LrmMode> {
        let mode = self.one_of(&[
            LrmMode::Active,
            LrmMode::Active,
            LrmMode::Restart,
            LrmMode::Shutdown,
            LrmMode::Maintenance,
            LrmMode::Disarm,
        ]);
        (!self.once_in(6)).then_some(mode)
    }

    fn lrm_state(&mut self) -> Option<LrmState> {
        let state = self.one_of(&[
            LrmState::Active,
            LrmState::WaitForAgentLock,
            LrmState::LostAgentLock,
            LrmState::Maintenance,
            LrmState::Startup,
        ]);
        (!self.once_in(6)).then_some(state)
    }

    /// `uids`: those that are worth an answer now. Whatever LRM answers a uid, the answer is the
    /// same in a world, since a uid belongs to one command.
    pub(crate) fn lrm(&mut self, uids: &[Uid], codes: u64) -> LrmStatus {
        let mut answered: Vec<Uid> = uids.to_vec();
        for _ in 0..self.below(6) {
            answered.push(Uid(self.below(UIDS) as u64));
        }
        answered.retain(|_| self.once_in(2));
        answered.sort_unstable();
        answered.dedup();
        let result = |uid: Uid| LrmResult {
            uid,
            service: self.service(),
            code: code_of(uid, codes),
        };
        let results = answered.into_iter().map(result).collect();
        LrmStatus {
            state: self.lrm_state(),
            mode: self.lrm_mode(),
            results,
        }
    }

    pub(crate) fn lock(&mut self) -> Option<LockView> {
        let lock = self.one_of(&[LockView::Held, LockView::Free, LockView::Mine]);
        (!self.once_in(4)).then_some(lock)
    }

    pub(crate) fn settings(&mut self) -> Settings {
        let scheduler = self.one_of(&["basic", "basic", "static", "dynamic", "astrology"]);
        let number = |draw: &mut Self| {
            let value = draw.one_of(&[0.0, 0.1, 1.0, 2.5]);
            Ratio::new(value).expect("finite")
        };
        Settings {
            scheduler: Scheduler::of_name(scheduler),
            rebalance_on_start: self.once_in(3),
            balance: balance::Settings {
                enabled: self.once_in(2),
                method: self.one_of(&[Some(Method::Bruteforce), Some(Method::Topsis), None]),
                threshold: number(self),
                hold_rounds: number(self),
                margin: number(self),
            },
        }
    }

    pub(crate) fn node_stats(&mut self) -> Option<NodeStats> {
        let stats = NodeStats {
            cpu_max: Some(MicroCores::from_whole(u32::from(self.number(16)))),
            mem_max_bytes: Some(self.below(64) as u64),
            cpu: MicroCores(self.below(8) as u64 * 1_000_000),
            mem_bytes: self.below(64) as u64,
        };
        (!self.once_in(20)).then_some(stats)
    }

    pub(crate) fn service_stats(&mut self) -> Option<ServiceStats> {
        let stats = ServiceStats {
            cpu_max: Some(MicroCores::from_whole(u32::from(self.number(8)))),
            mem_max_bytes: Some(self.below(32) as u64),
            cpu: Some(MicroCores(self.below(4) as u64 * 500_000)),
            mem_bytes: Some(self.below(32) as u64),
        };
        (!self.once_in(8)).then_some(stats)
    }

    /// A line in the queue of commands.
    pub(crate) fn command(&mut self, node: &str, sid: &str) -> String {
        match self.below(11) {
            0 | 1 => format!("migrate {sid} {node}"),
            2 => format!("relocate {sid} {node}"),
            3 => format!("migrate {sid} nowhere"),
            4 => format!("stop {sid} {}", self.below(2) * 60),
            5 => format!("enable-node-maintenance {node}"),
            6 => format!("disable-node-maintenance {node}"),
            7 => String::from("disarm-ha freeze"),
            8 => String::from("disarm-ha ignore"),
            9 => String::from("arm-ha"),
            _ => format!("stop {sid} soon"),
        }
    }
}

fn code_of(uid: Uid, codes: u64) -> ExitCode {
    let mixed = (uid.0 + 1).wrapping_mul(codes | 1) >> 7;
    CODES[usize::try_from(mixed % CODES.len() as u64).expect("in range")]
}
