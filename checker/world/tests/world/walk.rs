//! Random walks through worlds, repeatable from a seed.

use std::collections::BTreeSet;

use lockstep_model::config::scaled::{
    scaled_kappa_one, scaled_kappa_one_with_drift, scaled_kappa_three,
};
use lockstep_model::config::{Config, Timing};
use lockstep_model::id::{MachineId, NodeId, Ranks, ServiceId};
use lockstep_model::manager::status::Requested;
use lockstep_model::mutation::Mask;
use lockstep_model::record::{Data, DataKey, MoveKind, Wanted};
use lockstep_model::time::Span;
use lockstep_world::cluster::{ClusterSetup, Edit};
use lockstep_world::setup::{HostSetup, Order, ServiceSetup};
use lockstep_world::{Action, Admin, Fault, Setup, World};
use proptest::prelude::*;

pub(crate) const FAULTS: [Fault; 20] = [
    Fault::Power,
    Fault::PauseLrm,
    Fault::PauseMux,
    Fault::PauseContender,
    Fault::PauseAll,
    Fault::CrashLrm,
    Fault::CrashMux,
    Fault::CrashContender,
    Fault::Isolate,
    Fault::Outage,
    Fault::Delay,
    Fault::AgentFails,
    Fault::AgentHangs,
    Fault::ServiceEnds,
    Fault::DeviceFails,
    Fault::SlowPing,
    Fault::HostStop,
    Fault::Rollback,
    Fault::HandEdit,
    Fault::Drift,
];

pub(crate) const ADMIN: [Admin; 9] = [
    Admin::Want,
    Admin::RestartLrm,
    Admin::StopLrm,
    Admin::Move,
    Admin::LetGo,
    Admin::Reconfigure,
    Admin::TerminateMux,
    Admin::SecondLrm,
    Admin::SwitchOn,
];

/// A setup by name, so that a failure says which.
pub(crate) type Named = (&'static str, fn() -> Setup);

/// The setups that walks go through.
pub(crate) const SETUPS: [Named; 7] = [
    ("ordered", ordered),
    ("plain", plain),
    ("everything", || everything(&scaled_kappa_one(), false)),
    ("everything reduced", || {
        everything(&scaled_kappa_three(), true)
    }),
    ("drifting", drifting),
    ("twins", twins),
    ("symmetric", symmetric),
];

/// One with CRMs, and stand-ins for LRMs.
pub(crate) const MANAGED: Named = ("managed", managed);

/// Two hosts with CRMs, with people who ask for all that there is.
fn managed() -> Setup {
    let mut setup = Setup::holder_and_contender(&scaled_kappa_one(), Mask::NONE);
    let mut cluster = ClusterSetup::new(2, vec![ClusterSetup::resource(Requested::Started)])
        .with_commands(&["migrate vm:101 node2", "migrate vm:101 node1"]);
    cluster.edits = [Requested::Stopped, Requested::Started]
        .map(|requested| Edit {
            key: DataKey::Resource(ServiceId(0)),
            data: Data::Resource(Some(ClusterSetup::resource(requested))),
        })
        .to_vec();
    for host in &mut setup.hosts {
        host.lrm = false;
        host.contends_for = None;
        host.stand_in = true;
        host.crm = true;
    }
    setup.services[0].wanted = Wanted::Ignored;
    setup.cluster = Some(Box::new(cluster));
    setup.rebase_bound = Setup::sufficient_bound(&setup.configs, true);
    setup.faults = vec![
        Fault::Power,
        Fault::PauseCrm,
        Fault::CrashCrm,
        Fault::PauseLrm,
    ];
    setup.fault_budget = 40;
    setup.admin = vec![
        Admin::Command,
        Admin::Edit,
        Admin::StopCrm,
        Admin::RestartLrm,
        Admin::ConfirmDead,
    ];
    setup.admin_budget = 40;
    setup
}

/// As [`MANAGED`], with little but nodes that lose power while they leave services running.
pub(crate) const DYING: Named = ("dying", dying);

/// Two hosts with CRMs; people restart LRMs, and confirm what is dead.
fn dying() -> Setup {
    let mut setup = managed();
    setup.faults = vec![Fault::Power];
    setup.fault_budget = 200;
    setup.admin = vec![Admin::RestartLrm, Admin::ConfirmDead];
    setup.admin_budget = 200;
    setup
}

/// As `plain`, with an agent for the holder's machine, which fails, lies and is late.
pub(crate) const FENCED: Named = ("fenced", fenced);

fn fenced() -> Setup {
    let mut setup = plain();
    setup.fenceable = vec![NodeId(0)];
    setup.faults = vec![
        Fault::FenceFails,
        Fault::FenceLies,
        Fault::CrashContender,
        Fault::Power,
    ];
    setup.fault_budget = 60;
    setup.admin = vec![Admin::RestartLrm, Admin::LetGo];
    setup.admin_budget = 60;
    setup
}

/// A holder and a contender, and nothing fails.
fn plain() -> Setup {
    Setup::holder_and_contender(&scaled_kappa_three(), Mask::NONE)
}

/// Two hosts that run services, with everything that may go wrong and all that people do.
fn everything(timing: &Timing, reduce: bool) -> Setup {
    let timing = Timing {
        host_stop: Span(2),
        kernel_delay: Span(1),
        ..timing.clone()
    };
    let mut setup = Setup::holder_and_contender(&timing, Mask::NONE);
    let changed = Timing {
        lock_ttl: timing.lock_ttl + Span(6),
        watchdog: timing.watchdog + Span(1),
        reset_max: timing.reset_max + Span(1),
        ..timing
    };
    setup.configs[1] = Config::for_checking(changed, Ranks::default(), Mask::NONE);
    setup.rebase_bound = Setup::sufficient_bound(&setup.configs, false);
    setup.hosts[1].lrm = true;
    setup.services.push(ServiceSetup {
        location: NodeId(1),
        wanted: Wanted::Stopped,
    });
    setup.faults = FAULTS.to_vec();
    setup.fault_budget = 40;
    setup.admin = ADMIN.to_vec();
    setup.admin_budget = 20;
    setup.instant_agents = false;
    setup.reduce = reduce;
    setup
}

/// The manager gives orders, and little else happens.
fn ordered() -> Setup {
    let mut setup = Setup::holder_and_contender(&scaled_kappa_one(), Mask::NONE);
    setup.hosts[1].lrm = true;
    setup.hosts[1].contends_for = None;
    setup.orders = vec![
        Order::Start,
        Order::Stop,
        Order::LeaveUntouched,
        Order::Ignore,
        Order::Fence,
        Order::Move(MoveKind::Live),
        Order::Move(MoveKind::Stopped),
        Order::Move(MoveKind::BeforeStart),
    ];
    setup.orders_budget = 60;
    setup.restarts_max = Some(1);
    setup.faults = vec![Fault::AgentFails, Fault::Delay, Fault::Suspend];
    setup.fault_budget = 20;
    setup.admin = vec![
        Admin::StopAndFreezeLrm,
        Admin::MigrateLrm,
        Admin::Maintain,
        Admin::Disarm,
    ];
    setup.admin_budget = 20;
    setup.instant_agents = false;
    setup.reorder = true;
    setup
}

/// Clocks that skip and double ticks.
fn drifting() -> Setup {
    let timing = scaled_kappa_one_with_drift();
    let mut setup = everything(&timing, true);
    setup.physics.drift_spacing = Some(timing.lock_ttl.0);
    setup
}

/// Two machines under one name; the second is switched on some time.
fn twins() -> Setup {
    let mut setup = everything(&scaled_kappa_one(), true);
    setup.hosts[1] = HostSetup {
        node: NodeId(0),
        machine: MachineId(0),
        lrm: true,
        stand_in: false,
        crm: false,
        contends_for: None,
        on: false,
    };
    setup.services.truncate(1);
    setup
}

/// Two contenders that nothing tells apart.
pub(crate) fn symmetric() -> Setup {
    let mut setup = everything(&scaled_kappa_one(), true);
    setup.hosts.push(HostSetup {
        node: NodeId(2),
        machine: MachineId(2),
        ..setup.hosts[1].clone()
    });
    setup.services.truncate(1);
    setup.fault_hosts = vec![0, 1, 2];
    setup.symmetric = vec![1, 2];
    setup
}

/// A way through a world: everything that it needs to be repeated.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    pub(crate) setup: Named,
    pub(crate) seed: u64,
    pub(crate) steps: u32,
}

impl std::fmt::Debug for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { setup, seed, steps } = self;
        write!(f, "setup {:?}, seed {seed}, {steps} steps", setup.0)
    }
}

/// Walks through any of these setups.
pub(crate) fn walks(setups: &'static [Named], steps: u32) -> impl Strategy<Value = Walk> {
    let setup = prop::sample::select(setups);
    (setup, any::<u64>(), 0..steps).prop_map(|(setup, seed, steps)| Walk { setup, seed, steps })
}

/// SplitMix64: small, and good enough to choose with.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).expect("small");
        usize::try_from((mixed ^ (mixed >> 31)) % bound).expect("below a usize")
    }
}

impl Walk {
    /// Walks, and shows every step: the world, what could happen, and what did.
    ///
    /// What draws on a budget is chosen less often, so that most of a walk is ordinary life.
    pub(crate) fn through(
        &self,
        setup: &Setup,
        mut each: impl FnMut(&World, &[Action], &Action),
    ) -> World {
        let mut random = Random(self.seed);
        let mut world = World::initial(setup);
        for _ in 0..self.steps {
            let actions = world.enabled(setup);
            assert!(!actions.is_empty(), "a world in which nothing can happen");
            let (action, next) = loop {
                let action = &actions[random.below(actions.len())];
                let (next, _) = world.after(setup, action);
                let spends =
                    next.faults_left < world.faults_left || next.admin_left < world.admin_left;
                // Most of what can happen is a fault: this makes one in fifty steps one. What
                // ends a fault can happen at once; it is chosen less often, so that some last. A
                // person's word that a node is dead follows a fault, and ends what waits for it.
                let ends_a_fault = matches!(
                    action,
                    Action::Resume { .. }
                        | Action::Heal { .. }
                        | Action::OutageEnds
                        | Action::PowerOn { .. }
                        | Action::HostGoesOn { .. }
                        | Action::ConfirmDead { .. }
                );
                let patience = match (spends, ends_a_fault) {
                    (_, true) => 30,
                    (true, false) => 300,
                    (false, false) => 1,
                };
                if random.below(patience) == 0 {
                    break (action, next);
                }
            };
            each(&world, &actions, action);
            world = next;
        }
        world
    }

    /// Where the walk ends.
    pub(crate) fn end(&self) -> (Setup, World) {
        let setup = (self.setup.1)();
        let world = self.through(&setup, |_, _, _| ());
        (setup, world)
    }
}

/// Everything that can come next, each once.
pub(crate) fn successors(setup: &Setup, world: &World) -> BTreeSet<World> {
    let after = |action: &Action| world.after(setup, action).0;
    world.enabled(setup).iter().map(after).collect()
}
