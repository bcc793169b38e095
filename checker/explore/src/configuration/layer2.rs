//! Layer 2: the LRM with its services, workers and agents; ownership; freeze and return.
//!
//! Two hosts with LRMs; the second contends for the first one's lock and, holding it, may move
//! the service and give the lock back at any moment: the manager in any legal order. Locks,
//! multiplexer and device are those of layer 1. Agents' jobs take their time.

use lockstep_model::config::{Kappa, Timing};
use lockstep_model::id::{MachineId, NodeId};
use lockstep_world::coverage::Tag;
use lockstep_world::setup::HostSetup;
use lockstep_world::{Admin, Fault, Setup};

use super::layer1::{holder, holds, kappa_name};
use super::{Configuration, brisk_kappa_one, brisk_kappa_three, with_drift};

/// Two hosts that run services; the second contends for the first one's lock.
pub(crate) fn pair(timing: &Timing, faults: &[Fault], budget: u8) -> Setup {
    let mut setup = holder(timing, faults, budget);
    setup.hosts[1].lrm = true;
    // Workers are seen half-way where a fault concerns them.
    let workers = [
        Fault::CrashLrm,
        Fault::AgentFails,
        Fault::AgentHangs,
        Fault::ServiceEnds,
    ];
    setup.instant_agents = !faults.iter().any(|fault| workers.contains(fault));
    setup.fault_hosts = vec![0];
    if faults.contains(&Fault::Drift) {
        setup.physics.drift_spacing = Some(timing.lock_ttl.0);
    }
    setup.admin = vec![Admin::Move, Admin::LetGo];
    setup
}

/// One host that runs services, with people; the other contends for its lock and keeps it.
pub(crate) fn served(
    timing: &Timing,
    faults: &[Fault],
    budget: u8,
    admin: &[Admin],
    admin_budget: u8,
) -> Setup {
    let mut setup = pair(timing, faults, budget);
    setup.hosts[1].lrm = false;
    setup.admin = admin.to_vec();
    setup.admin_budget = admin_budget;
    setup
}

const FAULTS: &[Fault] = &[
    Fault::Power,
    Fault::PauseLrm,
    Fault::PauseMux,
    Fault::CrashLrm,
    Fault::CrashMux,
    Fault::Isolate,
    Fault::Outage,
    Fault::PauseAll,
    Fault::Drift,
    Fault::Delay,
    Fault::AgentFails,
    Fault::AgentHangs,
    Fault::ServiceEnds,
];

pub(super) fn all() -> Vec<Configuration> {
    let mut all = Vec::new();
    for fault in FAULTS {
        for timing in [brisk_kappa_one(), brisk_kappa_three()] {
            // κ concerns the multiplexer and the device alone.
            let concerned = matches!(fault, Fault::PauseMux | Fault::CrashMux);
            if timing.kappa == Kappa::Three && !concerned {
                continue;
            }
            let timing = match fault == &Fault::Drift {
                true => with_drift(&timing),
                false => timing,
            };
            // What ends a host's part in it is enough to see a service recovered.
            if !matches!(fault, Fault::Outage | Fault::PauseAll | Fault::Drift) {
                all.push(recover(&timing, *fault));
            }
            all.push(stop_and_start(&timing, *fault));
            all.push(freeze(&timing, *fault));
        }
    }
    let timing = brisk_kappa_one();
    all.push(undisturbed(&timing));
    all.push(recover_and_return(&timing));
    all.push(three_hosts(&timing));
    all.push(frozen_and_lost(&timing));
    all
}

/// The service is recovered to the other host after a fault of the first.
fn recover(timing: &Timing, fault: Fault) -> Configuration {
    let name = fault.name();
    let mut setup = pair(timing, &[fault], 1);
    let about = format!("A service is recovered by the other host; one fault: {name}.");
    let tags: &[Tag] = match fault {
        Fault::Power
        | Fault::PauseMux
        | Fault::CrashMux
        | Fault::Isolate
        | Fault::PauseLrm
        | Fault::CrashLrm => &[Tag::TakenSilent, Tag::Moved, Tag::StartedElsewhere],
        Fault::Delay => &[Tag::ZombieApplied],
        Fault::AgentFails => &[Tag::HalfStarted],
        Fault::PauseContender
        | Fault::PauseCrm
        | Fault::CrashCrm
        | Fault::PauseAll
        | Fault::CrashContender
        | Fault::Outage
        | Fault::AgentHangs
        | Fault::ServiceEnds
        | Fault::Drift
        | Fault::DeviceFails
        | Fault::SlowPing
        | Fault::HostStop
        | Fault::Rollback
        | Fault::HandEdit
        | Fault::Suspend
        | Fault::FenceFails
        | Fault::FenceLies => &[Tag::Started],
    };
    let light = [
        Fault::Delay,
        Fault::AgentFails,
        Fault::AgentHangs,
        Fault::ServiceEnds,
    ];
    let heavy = !light.contains(&fault);
    if heavy {
        // The other host keeps the lock: what follows when it gives it back is explored once.
        setup.admin = vec![Admin::Move];
        // Workers are seen half-way while services are stopped and started on request.
        setup.instant_agents = true;
    }
    let configuration = holds(
        format!("l2/{}/recover-{name}", kappa_name(timing)),
        &about,
        setup,
    )
    .meeting(tags);
    if heavy {
        configuration.in_full()
    } else {
        configuration
    }
}

/// The other host gives the lock back, when and as often as it likes, and the first one returns.
fn recover_and_return(timing: &Timing) -> Configuration {
    holds(
        format!("l2/{}/recover-and-return", kappa_name(timing)),
        "A service is recovered, and its first host gets its lock back.",
        pair(timing, &[Fault::Power], 1),
    )
    .meeting(&[
        Tag::TakenSilent,
        Tag::TakenFree,
        Tag::Moved,
        Tag::StartedElsewhere,
    ])
    .in_full()
}

/// The service is stopped and started on request.
fn stop_and_start(timing: &Timing, fault: Fault) -> Configuration {
    let name = fault.name();
    // Processes of a host that stop and go on one by one, and an outage that may end at any moment,
    // make for many orders: one request is enough to meet each of them in.
    let requests = match matches!(fault, Fault::PauseAll | Fault::Outage) {
        true => 1,
        false => 2,
    };
    let setup = served(timing, &[fault], 1, &[Admin::Want], requests);
    let about = format!("A service is stopped and started on request; one fault: {name}.");
    let mut configuration = holds(
        format!("l2/{}/stop-start-{name}", kappa_name(timing)),
        &about,
        setup,
    )
    .meeting(&[Tag::ReleasedClean, Tag::Disarmed, Tag::Stopped])
    .in_full();
    if fault == Fault::Delay {
        configuration.meets.push(Tag::ZombieRelease);
    }
    if fault == Fault::CrashLrm {
        configuration.meets.push(Tag::KilledHalfWay);
    }
    configuration
}

/// The LRM is restarted with the service left running, and comes back.
fn freeze(timing: &Timing, fault: Fault) -> Configuration {
    let name = fault.name();
    let setup = served(timing, &[fault], 1, &[Admin::RestartLrm], 1);
    let about = format!("An LRM is restarted, its service left running; one fault: {name}.");
    holds(
        format!("l2/{}/freeze-{name}", kappa_name(timing)),
        &about,
        setup,
    )
    .meeting(&[
        Tag::ReleasedRunning,
        Tag::HeldUnguarded,
        Tag::GuardedAgain,
        Tag::LrmExited,
    ])
    .in_full()
}

fn undisturbed(timing: &Timing) -> Configuration {
    let admin = [Admin::Want, Admin::RestartLrm, Admin::StopLrm];
    let mut setup = served(timing, &[], 0, &admin, 2);
    setup.never_resets = true;
    let name = format!("l2/{}/undisturbed", kappa_name(timing));
    holds(
        name,
        "People stop, start, restart and leave; nothing fails, nothing resets.",
        setup,
    )
    .meeting(&[
        Tag::ReleasedClean,
        Tag::ReleasedRunning,
        Tag::GuardedAgain,
        Tag::LrmExited,
        Tag::Disarmed,
    ])
}

/// Three hosts: one runs the service, one receives it, and one decides.
fn three_hosts(timing: &Timing) -> Configuration {
    let mut setup = pair(timing, &[Fault::Power, Fault::Isolate], 1);
    setup.admin = vec![Admin::Move];
    add_host(&mut setup);
    setup.hosts[2].lrm = false;
    setup.hosts[2].contends_for = setup.hosts[1].contends_for.take();
    holds(
        format!("l2/{}/three-hosts", kappa_name(timing)),
        "One host contends for the lock and moves the service to another; one fault.",
        setup,
    )
    .meeting(&[Tag::TakenSilent, Tag::Moved, Tag::StartedElsewhere])
    .in_full()
}

/// A third host, which runs services and decides nothing.
pub(crate) fn add_host(setup: &mut Setup) {
    setup.hosts.push(HostSetup {
        node: NodeId(2),
        machine: MachineId(2),
        lrm: true,
        contends_for: None,
        ..setup.hosts[1].clone()
    });
}

/// An LRM that returns to frozen services dies, or is cut off, before it is guarded.
fn frozen_and_lost(timing: &Timing) -> Configuration {
    let faults = [Fault::CrashLrm, Fault::Delay, Fault::Isolate];
    let mut setup = served(timing, &faults, 2, &[Admin::RestartLrm], 1);
    setup.instant_agents = true;
    holds(
        format!("l2/{}/frozen-and-lost", kappa_name(timing)),
        "An LRM that returns to services left running dies, or is cut off, on the way.",
        setup,
    )
    .meeting(&[Tag::ReleasedRunning, Tag::HeldUnguarded, Tag::TakenWithList])
    .in_full()
}
