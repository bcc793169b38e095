//! What stands for machines does all that they do.
//!
//! Layer 3 puts a stand-in in the place of an LRM with its watchdog, workers and agents; layer 2 puts
//! orders that are legal in the place of the manager. Layer 4 has the machines themselves. Each of its
//! steps, as far as the others see it, must be one of the stand-in's, and each order that is given in
//! layers 3 and 4 must be legal.
//!
//! Not compared is when something happens: a stand-in gives a sign of life in every tick, or none.

use std::collections::{HashSet, VecDeque};

use lockstep_explore::configuration::named;
use lockstep_model::event::LrmState;
use lockstep_model::id::{Incarnation, LockId, NodeId, ServiceId, Uid};
use lockstep_model::manager::status::{ExitCode, LrmMode};
use lockstep_model::record::{Data, DataKey, GrantState, Key, Record, Wanted};
use lockstep_world::orders::{Grounds, legal};
use lockstep_world::stand_in::StandIn;
use lockstep_world::state::{Device, Instance};
use lockstep_world::{Action, Admin, Fault, Proc, Setup, World};

/// A configuration's setup.
fn setup_of(name: &str) -> Setup {
    let configuration = named(name).expect("a configuration of this name");
    configuration.setup
}

/// The same, in which people may also give one of these commands.
fn commanded(name: &str, commands: &[&str]) -> Setup {
    let mut setup = setup_of(name);
    setup.admin = vec![Admin::Command];
    setup.admin_budget = 1;
    let cluster = setup.cluster.take();
    setup.cluster = cluster.map(|cluster| Box::new(cluster.with_commands(commands)));
    setup
}

/// Every step from each of the first worlds that there are, in the order of their distance.
fn each_step(setup: &Setup, worlds_max: usize, mut each: impl FnMut(&World, &Action, &World)) {
    let first = World::initial(setup);
    let mut seen: HashSet<World> = HashSet::from([first.clone()]);
    let mut waiting = VecDeque::from([first]);
    while let Some(world) = waiting.pop_front() {
        for action in world.enabled(setup) {
            let (next, _) = world.after(setup, &action);
            each(&world, &action, &next);
            if seen.len() < worlds_max && seen.insert(next.clone()) {
                waiting.push_back(next);
            }
        }
    }
}

/// Asserts that every order in the first worlds is legal. Says how many there were.
fn judge_orders(setup: &Setup, worlds_max: usize) -> usize {
    let mut given = 0;
    each_step(setup, worlds_max, |world, action, _| {
        let Action::Execute {
            host,
            proc: Proc::Crm,
            effect,
        } = *action
        else {
            return;
        };
        let Some(write) = world.write_of(host, Proc::Crm, effect) else {
            return;
        };
        let crm = world.hosts[host].crm.as_ref().expect("it has an effect");
        let sender = world.hosts[host].holder(crm.incarnation);
        if !world.reaches_store(host) || !world.store.would_apply(write) {
            return;
        }
        let entries = world.store.entries.iter();
        let uids = entries.filter_map(|entry| Some(entry.record.as_service()?.uid));
        let newest = uids.max().unwrap_or(Uid(0));
        for put in &write.puts {
            let (Key::Service(id), Record::Service(after)) = (put.key, &put.record) else {
                continue;
            };
            let before = world.store.service(id).expect("it is replaced");
            let held = world.grant(before.location);
            let grounds = Grounds {
                held: held.filter(|grant| grant.state.is_held() && grant.holder == sender),
                // Who owns what is noted where LRMs are.
                unowned: setup.hosts[host].lrm && world.unowned.contains(&id),
                newest,
            };
            let ok = legal(id, before, after, &grounds);
            assert!(ok, "{before:#?}\n{after:#?}\n{grounds:#?}");
            given += 1;
        }
    });
    given
}

/// What others see of a host's LRM, and what runs there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    on: bool,
    runs: Vec<bool>,
    lock: Option<ShownLock>,
    /// Without how orders ended.
    status: Option<(Option<LrmState>, Option<LrmMode>)>,
    /// How present orders ended.
    results: Vec<(ServiceId, ExitCode)>,
    services: Vec<(NodeId, Wanted)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ShownLock {
    holder: NodeId,
    in_boot: bool,
    by_process: bool,
    /// Held or released, guarded or with a list.
    state: (bool, Option<Vec<ServiceId>>),
}

fn shown(setup: &Setup, world: &World, host: usize) -> Shown {
    let value = &world.hosts[host];
    let process = process_of(world, host);
    let lock = world.grant(value.node).map(|grant| ShownLock {
        holder: grant.holder.node,
        in_boot: value.on && grant.holder.boot == value.boot,
        by_process: process == Some(grant.holder.incarnation),
        state: match &grant.state {
            GrantState::HeldGuarded => (true, None),
            GrantState::HeldUnguarded(list) => (true, Some(list.services.clone())),
            GrantState::ReleasedClean => (false, None),
            GrantState::ReleasedRunning(list) => (false, Some(list.services.clone())),
        },
    });
    let record = world.data(DataKey::Lrm(value.node));
    let published = match record {
        Some(Data::Lrm(published)) => Some(&published.status),
        Some(_) | None => None,
    };
    let results = published.iter().flat_map(|status| &status.results);
    let present = results.filter(|result| {
        let order = world.store.service(result.service);
        order.is_some_and(|order| order.uid == result.uid)
    });
    let services = setup.service_ids().filter_map(|id| {
        let record = world.store.service(id)?;
        Some((record.location, record.wanted))
    });
    Shown {
        on: value.on,
        runs: setup
            .service_ids()
            .map(|id| runs(world, host, id))
            .collect(),
        lock,
        status: published.map(|status| (heard(status.state), status.mode)),
        results: present
            .map(|result| (result.service, result.code))
            .collect(),
        services: services.collect(),
    }
}

/// That a lock is lost concerns group migration alone, which waits then as for one not yet taken. A
/// stand-in goes on saying what it said.
fn heard(state: Option<LrmState>) -> Option<LrmState> {
    match state {
        Some(LrmState::LostAgentLock) => Some(LrmState::Active),
        Some(_) | None => state,
    }
}

/// Whether a service runs on a host, or is on its way and still that of this host's node.
fn runs(world: &World, host: usize, id: ServiceId) -> bool {
    let value = &world.hosts[host];
    let record = world.store.service(id);
    let here = record.is_some_and(|record| record.location == value.node);
    match value.instances[usize::from(id.0)] {
        Instance::Running | Instance::Half => true,
        Instance::Outgoing | Instance::Incoming => here,
        Instance::Absent | Instance::Stale => false,
    }
}

fn process_of(world: &World, host: usize) -> Option<Incarnation> {
    let value = &world.hosts[host];
    let lrm = value.lrms.first().map(|lrm| lrm.incarnation);
    lrm.or_else(|| value.stand_in.as_ref().map(|it| it.incarnation))
}

/// The setup with stand-ins in place of LRMs, to which anything may happen.
fn abstract_setup(setup: &Setup) -> Setup {
    let mut setup = setup.clone();
    for host in &mut setup.hosts {
        host.lrm = false;
        host.stand_in = true;
    }
    setup.reduce = false;
    setup.warm = 0;
    setup.faults = vec![Fault::PauseLrm, Fault::CrashLrm, Fault::AgentFails];
    setup.fault_hosts = (0..setup.hosts.len()).collect();
    setup
}

/// The world with stand-ins in place of LRMs: what they know is what shows. They may have `renewed`
/// their locks, and have `doubts` whether their time was over before.
fn abstracted(setup: &Setup, world: &World, renewed: bool, doubts: bool) -> World {
    let mut next = world.clone();
    next.faults_left = 3;
    let hosts = next.hosts.iter_mut().zip(&world.hosts);
    for (index, (host, concrete)) in hosts.enumerate() {
        let lrm = concrete.lrms.first();
        let published = lrm.and_then(|lrm| {
            let config = setup.config(world.reconfigured);
            lrm.machine.published(config, World::now(setup))
        });
        host.stand_in = concrete.on.then(|| StandIn {
            incarnation: lrm.map_or(concrete.next_incarnation, |lrm| lrm.incarnation),
            paused: lrm.is_none_or(|lrm| lrm.paused),
            doubts,
            leaving: None,
            results: published.map_or_else(Vec::new, |status| status.results),
        });
        for (number, instance) in (0..).zip(&mut host.instances) {
            *instance = match runs(world, index, ServiceId(number)) {
                true => Instance::Running,
                false => Instance::Absent,
            };
        }
        // A stand-in that can has renewed its lock with the tick, unless it could only since then.
        let renews = renewed && host.stand_in.as_ref().is_some_and(|it| !it.paused);
        if renews && world.reaches_store(index) {
            let mut locks = next.store.locks.iter_mut();
            let own = locks.find(|lock| lock.lock == LockId::Agent(host.node));
            own.expect("every node has a lock").age = 0;
        }
        host.lrms.clear();
        host.mux = None;
        host.mux_peer = None;
        host.device = Device::Off;
        host.kill_timer = None;
        host.marker = false;
        host.presence = None;
        host.workers.clear();
        host.intents.clear();
        host.last_deadline = None;
    }
    next
}

/// How many steps of stand-ins one of theirs may take.
const STEPS_MAX: usize = 3;

/// Whether stand-ins come from this world to one that shows this, and in how many steps.
fn leads_to(setup: &Setup, from: &World, host: usize, wanted: &[Shown]) -> Option<usize> {
    let mut level = vec![from.clone()];
    for steps in 0..=STEPS_MAX {
        let hosts = || 0..from.hosts.len();
        let shows = |world: &World| hosts().all(|at| shown(setup, world, at) == wanted[at]);
        if level.iter().any(shows) {
            return Some(steps);
        }
        let mut next = Vec::new();
        for world in &level {
            for action in world.enabled(setup) {
                let own = matches!(action, Action::StandIn { host: at, .. } if at == host);
                if own {
                    next.push(world.after(setup, &action).0);
                }
            }
        }
        level = next;
    }
    None
}

/// The host whose LRM, or what it works with, does this.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all else is done by others, or to them alike"
)]
fn host_of(action: &Action) -> Option<usize> {
    match *action {
        Action::Execute {
            host,
            proc: Proc::Lrm(_) | Proc::Mux,
            ..
        }
        | Action::Deliver {
            host,
            proc: Proc::Lrm(_) | Proc::Mux,
            ..
        }
        | Action::Watch {
            host,
            proc: Proc::Lrm(_) | Proc::Mux,
        }
        | Action::Wake {
            host,
            proc: Proc::Lrm(_) | Proc::Mux,
        }
        | Action::Crash {
            host,
            proc: Proc::Lrm(_),
        }
        | Action::Work { host, .. }
        | Action::WorkFails { host, .. }
        | Action::StartLrm { host }
        | Action::Reset { host } => Some(host),
        _ => None,
    }
}

/// Asserts that the first worlds' LRMs take no step that a stand-in doesn't. Says how many there
/// were, and of those how many show.
fn judge_steps(concrete: &Setup, worlds_max: usize) -> (usize, usize) {
    let setup = abstract_setup(concrete);
    let (mut steps, mut shows) = (0, 0);
    let mut refuted = Vec::new();
    each_step(concrete, worlds_max, |world, action, next| {
        let Some(host) = host_of(action) else {
            return;
        };
        steps += 1;
        let all = |world| (0..concrete.hosts.len()).map(move |at| shown(concrete, world, at));
        let (before, after): (Vec<Shown>, Vec<Shown>) = (all(world).collect(), all(next).collect());
        if before == after {
            return;
        }
        shows += 1;
        // Its lock may have been silent until a moment ago.
        let silent = [Fault::PauseLrm, Fault::Isolate];
        let silent = concrete.faults.iter().any(|fault| silent.contains(fault));
        let doubts = silent && world.faults_left < concrete.fault_budget;
        let from = [true, false].map(|renewed| abstracted(concrete, world, renewed, doubts));
        let mut found = from.iter().map(|from| leads_to(&setup, from, host, &after));
        if found.all(|steps| steps.is_none()) && refuted.len() < REFUTED_MAX {
            let stand_in = &from[0].hosts[host].stand_in;
            let step = {
                let (was, is) = (&before[host], &after[host]);
                format!("{action:?}:\n{was:?}\nbecomes\n{is:?}\nwith {stand_in:?}")
            };
            if !refuted.contains(&step) {
                refuted.push(step);
            }
        }
    });
    assert!(
        refuted.is_empty(),
        "no stand-in does\n{}",
        refuted.join("\n\n")
    );
    (steps, shows)
}

/// How many steps that no stand-in does are shown.
const REFUTED_MAX: usize = 6;

/// From how many worlds of each setup every step is compared.
const WORLDS_MAX: usize = 8_000;

const MOVES: [&str; 1] = ["migrate vm:101 node2"];

#[test]
fn every_order_is_legal() {
    let mut given = 0;
    for name in ["l3/start", "l3/run-power", "l3/stop-start", "l3/migrate"] {
        given += judge_orders(&setup_of(name), 6_000);
    }
    given += judge_orders(&setup_of("l4/power"), 6_000);
    given += judge_orders(&commanded("l4/undisturbed", &MOVES), 6_000);
    println!("{given} orders");
    assert!(given > 400, "{given} orders");
}

#[test]
fn an_lrm_does_nothing_that_its_stand_in_does_not() {
    let setups = [
        commanded("l4/undisturbed", &MOVES),
        setup_of("l4/service-ends"),
        setup_of("l4/power"),
        setup_of("l4/crash-lrm"),
        setup_of("l4/pause-lrm"),
        setup_of("l4/isolate"),
    ];
    let (mut steps, mut shows) = (0, 0);
    for setup in &setups {
        let (more, visible) = judge_steps(setup, WORLDS_MAX);
        steps += more;
        shows += visible;
    }
    println!("{steps} steps, {shows} visible");
    assert!(shows > 1000, "{steps} steps, {shows} visible");
}
