//! Layer 1: lock records, multiplexer, device, clocks and store, with every fault of them.
//!
//! One host runs a service while its authority lasts; another, or two others, contend for its
//! lock. An agent's job is one step. Each fault alone is explored with eight different values for
//! T, W, p, r, q, τ, g and δ; the pairs that the rules name with the briskest timings.

use lockstep_model::config::scaled::{
    scaled_kappa_one, scaled_kappa_one_with_drift, scaled_kappa_three,
    scaled_kappa_three_with_drift,
};
use lockstep_model::config::{Config, Kappa, Timing};
use lockstep_model::id::{MachineId, NodeId, Ranks};
use lockstep_model::mutation::Mask;
use lockstep_model::time::Span;
use lockstep_world::coverage::Tag;
use lockstep_world::setup::{HostSetup, Physics};
use lockstep_world::{Admin, Fault, Setup};

use super::{Configuration, Expectation, Tier, brisk_kappa_one, brisk_kappa_three, with_drift};

/// A configuration in which everything must hold.
pub(super) fn holds(name: impl Into<String>, about: &str, setup: Setup) -> Configuration {
    Configuration {
        name: name.into(),
        about: about.into(),
        tier: Tier::Quick,
        setup,
        mutants: Mask::NONE,
        expectation: Expectation::Holds,
        meets: Vec::new(),
        latest_reset: None,
    }
}

impl Configuration {
    pub(super) fn meeting(mut self, tags: &[Tag]) -> Self {
        self.meets = tags.to_vec();
        self
    }

    /// In no tier but the deep one.
    pub(super) const fn in_deep(mut self) -> Self {
        self.tier = Tier::Deep;
        self
    }

    /// In the full tier only.
    pub(super) const fn in_full(mut self) -> Self {
        self.tier = Tier::Full;
        self
    }
}

pub(super) fn kappa_name(timing: &Timing) -> &'static str {
    match timing.kappa {
        Kappa::One => "k1",
        Kappa::Three => "k3",
    }
}

/// Holder and contender with these faults, of which `budget` may happen.
pub(crate) fn holder(timing: &Timing, faults: &[Fault], budget: u8) -> Setup {
    let mut setup = Setup::holder_and_contender(timing, Mask::NONE);
    setup.faults = faults.to_vec();
    setup.fault_budget = budget;
    setup
}

/// The faults that are explored alone, with what has to be met.
const SINGLE: &[(Fault, &str, &[Tag])] = &[
    (Fault::Power, "power", &[Tag::TakenSilent, Tag::TakenByBoot]),
    (
        Fault::PauseLrm,
        "pause-lrm",
        &[
            Tag::Reset,
            Tag::ResetRunning,
            Tag::TakenSilent,
            Tag::Disarmed,
            Tag::Killed,
        ],
    ),
    (
        Fault::PauseMux,
        "pause-mux",
        &[Tag::Reset, Tag::TakenSilent],
    ),
    (
        Fault::PauseContender,
        "pause-contender",
        &[Tag::TakeRefused],
    ),
    (
        Fault::PauseAll,
        "pause-all",
        &[Tag::Reset, Tag::TakenSilent],
    ),
    (
        Fault::CrashLrm,
        "crash-lrm",
        &[Tag::TakenInBoot, Tag::Reset, Tag::TakenSilent],
    ),
    (
        Fault::CrashMux,
        "crash-mux",
        &[Tag::UncleanClose, Tag::Reset, Tag::TakenSilent],
    ),
    (
        Fault::CrashContender,
        "crash-contender",
        &[Tag::TakeRefused, Tag::TakenSilent],
    ),
    (
        Fault::Isolate,
        "isolate",
        &[Tag::TakenSilent, Tag::Disarmed, Tag::Stopped],
    ),
    (
        Fault::Outage,
        "outage",
        &[Tag::TakenSilent, Tag::Disarmed, Tag::Stopped],
    ),
    (
        Fault::Delay,
        "delay",
        &[Tag::ZombieApplied, Tag::LateAnswer],
    ),
];

pub(super) fn all() -> Vec<Configuration> {
    let mut all = Vec::new();
    for timing in [scaled_kappa_one(), scaled_kappa_three()] {
        all.extend(undisturbed(&timing));
        all.extend(singles(&timing));
        all.push(device_fails(&timing));
        all.push(outage_tolerated(&timing));
        all.push(isolation_resets_nothing(&timing));
    }
    for timing in [
        scaled_kappa_one_with_drift(),
        scaled_kappa_three_with_drift(),
    ] {
        all.push(drift(&timing));
    }
    for timing in [brisk_kappa_one(), brisk_kappa_three()] {
        all.push(drift_and_fault(&with_drift(&timing)));
        all.extend(pairs(&timing));
        all.extend(three_hosts(&timing));
        all.extend(reconfigured(&timing));
        all.extend(who_is_who(&timing));
        all.extend(tight(&timing));
        all.push(host_stop(&timing));
    }
    all.push(slow_kernel());
    all
}

fn undisturbed(timing: &Timing) -> Vec<Configuration> {
    let mut setup = holder(timing, &[], 0);
    setup.never_resets = true;
    let name = format!("l1/{}/undisturbed", kappa_name(timing));
    vec![holds(name, "Nothing fails; no watchdog fires.", setup).meeting(&[Tag::Started])]
}

fn singles(timing: &Timing) -> Vec<Configuration> {
    let single = |(fault, name, tags): &(Fault, &str, &[Tag])| {
        let setup = holder(timing, &[*fault], 1);
        let about = format!("One fault: {name}.");
        let full_name = format!("l1/{}/{name}", kappa_name(timing));
        let configuration = holds(full_name, &about, setup).meeting(tags);
        match fault {
            Fault::PauseAll | Fault::PauseLrm => configuration.in_full(),
            Fault::Power
            | Fault::PauseMux
            | Fault::PauseContender
            | Fault::PauseCrm
            | Fault::CrashCrm
            | Fault::CrashLrm
            | Fault::CrashMux
            | Fault::CrashContender
            | Fault::Isolate
            | Fault::Outage
            | Fault::Delay
            | Fault::AgentFails
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
            | Fault::FenceLies => configuration,
        }
    };
    SINGLE.iter().map(single).collect()
}

fn device_fails(timing: &Timing) -> Configuration {
    let mut setup = holder(timing, &[Fault::DeviceFails], 1);
    setup.never_resets = true;
    let name = format!("l1/{}/device-fails", kappa_name(timing));
    let about = "The device can't be opened, or counts for longer than was asked: nothing resets.";
    holds(name, about, setup).meeting(&[Tag::Started, Tag::Disarmed])
}

fn outage_tolerated(timing: &Timing) -> Configuration {
    let mut setup = holder(timing, &[Fault::Outage, Fault::Isolate], 1);
    setup.outage_max = Some(timing.outage.0);
    setup.never_resets = true;
    let name = format!("l1/{}/outage-tolerated", kappa_name(timing));
    holds(
        name,
        "The store is out of reach for up to q: nothing stops, nothing resets.",
        setup,
    )
    .meeting(&[Tag::Started])
}

fn isolation_resets_nothing(timing: &Timing) -> Configuration {
    let mut setup = holder(timing, &[Fault::Isolate, Fault::Outage], 1);
    setup.never_resets = true;
    let name = format!("l1/{}/isolation-resets-nothing", kappa_name(timing));
    holds(
        name,
        "The store is out of reach for any time: services are stopped in time, nothing resets.",
        setup,
    )
    .meeting(&[Tag::Stopped, Tag::Disarmed, Tag::TakenSilent])
}

/// A setup whose clocks may skip or double a tick, once in T.
fn drifting(timing: &Timing, faults: &[Fault], budget: u8) -> Setup {
    let mut setup = holder(timing, faults, budget);
    setup.physics.drift_spacing = Some(timing.lock_ttl.0);
    setup
}

fn drift(timing: &Timing) -> Configuration {
    let mut setup = drifting(timing, &[Fault::Drift], 2);
    setup.never_resets = true;
    let name = format!("l1/{}/drift", kappa_name(timing));
    let about = "Clocks skip or double ticks within ρ: nothing resets.";
    holds(name, about, setup).meeting(&[Tag::Started])
}

fn drift_and_fault(timing: &Timing) -> Configuration {
    let faults = [Fault::Drift, Fault::Power, Fault::CrashMux, Fault::Isolate];
    let name = format!("l1/{}/drift-and-fault", kappa_name(timing));
    let about = "Clocks skip or double ticks within ρ, with one other fault.";
    holds(name, about, drifting(timing, &faults, 2))
        .meeting(&[Tag::TakenSilent, Tag::Reset])
        .in_full()
}

/// The pairs of faults that the rules name.
fn pairs(timing: &Timing) -> Vec<Configuration> {
    let pairs: &[(&str, &str, &[Fault], &[Tag])] = &[
        (
            "late-ping-late-close",
            "The multiplexer is stopped between check and ping, and dies late.",
            &[Fault::PauseLrm, Fault::PauseMux, Fault::CrashMux],
            &[Tag::ResetRunning, Tag::UncleanClose],
        ),
        (
            "zombie-and-isolation",
            "A request in flight is applied after its sender was cut off.",
            &[Fault::Delay, Fault::Isolate],
            &[Tag::ZombieApplied, Tag::TakenSilent],
        ),
        (
            "zombie-and-crash",
            "A request in flight is applied after its sender's successor took over.",
            &[Fault::Delay, Fault::CrashLrm],
            &[Tag::ZombieApplied, Tag::TakenInBoot],
        ),
        (
            "zombie-and-boot",
            "A request in flight is applied after its sender's host booted anew.",
            &[Fault::Delay, Fault::Power],
            &[Tag::ZombieApplied, Tag::TakenByBoot],
        ),
        (
            "zombie-and-pause",
            "A request in flight, and a pause of the LRM.",
            &[Fault::Delay, Fault::PauseLrm],
            &[Tag::ZombieApplied, Tag::ResetRunning],
        ),
        (
            "crash-and-isolation",
            "The LRM or the multiplexer dies where the store can't be reached.",
            &[Fault::CrashLrm, Fault::CrashMux, Fault::Isolate],
            &[Tag::TakenInBoot, Tag::UncleanClose],
        ),
        (
            "memory-stall",
            "All processes of a host are stopped and resumed separately, twice.",
            &[Fault::PauseAll],
            &[Tag::ResetRunning, Tag::TakenSilent],
        ),
    ];
    let pair = |(name, about, faults, tags): &(&str, &str, &[Fault], &[Tag])| {
        let mut setup = holder(timing, faults, 2);
        setup.fault_hosts = vec![0];
        let name = format!("l1/{}/{name}", kappa_name(timing));
        holds(name, about, setup).meeting(tags).in_full()
    };
    pairs.iter().map(pair).collect()
}

/// Two contenders for one lock, on hosts that nothing tells apart.
fn three_hosts(timing: &Timing) -> Vec<Configuration> {
    let faults = [
        (Fault::Power, "power"),
        (Fault::PauseContender, "pause-contender"),
        (Fault::CrashMux, "crash-mux"),
        (Fault::Isolate, "isolate"),
        (Fault::Delay, "delay"),
        (Fault::PauseLrm, "pause-lrm"),
        (Fault::PauseMux, "pause-mux"),
        (Fault::PauseAll, "pause-all"),
        (Fault::CrashLrm, "crash-lrm"),
        (Fault::CrashContender, "crash-contender"),
        (Fault::Outage, "outage"),
    ];
    let quick = 5;
    let three = |(index, (fault, name)): (usize, &(Fault, &str))| {
        let mut setup = holder(timing, &[*fault], 1);
        setup.hosts.push(HostSetup {
            node: NodeId(2),
            machine: MachineId(2),
            ..setup.hosts[1].clone()
        });
        setup.fault_hosts = vec![0, 1, 2];
        setup.symmetric = vec![1, 2];
        let name = format!("l1/{}/three-hosts-{name}", kappa_name(timing));
        let about = "Two contenders for one lock; one fault.";
        let configuration = holds(name, about, setup).meeting(&[Tag::TakeRefused]);
        match index < quick {
            true => configuration,
            false => configuration.in_full(),
        }
    };
    faults.iter().enumerate().map(three).collect()
}

/// Another T or W comes into force while the lock is held.
fn reconfigured(timing: &Timing) -> Vec<Configuration> {
    let longer = Timing {
        lock_ttl: timing.lock_ttl + Span(4),
        ..timing.clone()
    };
    let (wider, narrow) = wider_and_narrow(timing);
    let changes = [
        (
            "shorter-ttl",
            "T becomes shorter.",
            longer.clone(),
            timing.clone(),
            Tag::TtlShortened,
        ),
        (
            "longer-ttl",
            "T becomes longer.",
            timing.clone(),
            longer,
            Tag::TtlLengthened,
        ),
        (
            "wider-watchdog",
            "W becomes longer.",
            narrow.clone(),
            wider.clone(),
            Tag::Resized,
        ),
        (
            "narrower-watchdog",
            "W becomes shorter.",
            wider,
            narrow,
            Tag::Resized,
        ),
    ];
    let change = |(name, about, before, after, tag): &(&str, &str, Timing, Timing, Tag)| {
        let faults = [
            Fault::PauseLrm,
            Fault::PauseMux,
            Fault::CrashLrm,
            Fault::CrashMux,
            Fault::Delay,
        ];
        let mut setup = holder(before, &faults, 1);
        setup.fault_hosts = vec![0];
        setup.configs[1] = Config::for_checking(after.clone(), Ranks::default(), Mask::NONE);
        setup.rebase_bound = Setup::sufficient_bound(&setup.configs, false);
        setup.admin = vec![Admin::Reconfigure];
        setup.admin_budget = 1;
        let name = format!("l1/{}/{name}", kappa_name(timing));
        holds(name, about, setup)
            .meeting(&[*tag, Tag::TakenSilent])
            .in_full()
    };
    changes.iter().map(change).collect()
}

/// A timing with a longer W, and one that differs from it in W alone: a wider margin needs a longer
/// T.
pub(crate) fn wider_and_narrow(timing: &Timing) -> (Timing, Timing) {
    let wider = Timing {
        lock_ttl: timing.lock_ttl + Span(2 * timing.kappa.factor()),
        watchdog: timing.watchdog + Span(1),
        reset_max: timing.reset_max + Span(1),
        ..timing.clone()
    };
    let narrow = Timing {
        lock_ttl: wider.lock_ttl,
        ..timing.clone()
    };
    (wider, narrow)
}

/// Two hosts under one node's name; the second boots at any time.
pub(crate) fn twin(timing: &Timing, machine: u128) -> Setup {
    let mut setup = holder(timing, &[Fault::Power, Fault::Isolate, Fault::CrashLrm], 1);
    setup.hosts[1] = HostSetup {
        node: NodeId(0),
        machine: MachineId(machine),
        lrm: true,
        stand_in: false,
        crm: false,
        contends_for: None,
        on: false,
    };
    setup.fault_hosts = vec![0];
    setup.admin = vec![Admin::SwitchOn];
    setup
}

/// Two machines under one node's name, and services left running on the first.
pub(crate) fn other_machine(timing: &Timing) -> Setup {
    let mut setup = twin(timing, 1);
    setup.faults = vec![Fault::Power];
    setup.admin = vec![Admin::SwitchOn, Admin::RestartLrm];
    setup.admin_budget = 1;
    setup
}

/// Two hosts under one node's name, and two LRMs on one host.
fn who_is_who(timing: &Timing) -> Vec<Configuration> {
    let other = other_machine(timing);
    let mut second = holder(timing, &[Fault::PauseLrm, Fault::CrashLrm], 2);
    second.fault_hosts = vec![0];
    second.admin = vec![Admin::SecondLrm];
    second.admin_budget = 1;
    let kappa = kappa_name(timing);
    vec![
        holds(
            format!("l1/{kappa}/clone"),
            "A clone of the machine, with its node's name, boots beside it.",
            twin(timing, 0),
        )
        .meeting(&[Tag::TakenByBoot, Tag::StartedElsewhere]),
        holds(
            format!("l1/{kappa}/other-machine"),
            "Another machine under the node's name boots while services are left running.",
            other,
        )
        .meeting(&[Tag::ReleasedRunning])
        .in_full(),
        holds(
            format!("l1/{kappa}/second-lrm"),
            "A second LRM process is started while the first lives, or is stopped.",
            second,
        )
        .meeting(&[Tag::SecondLrm, Tag::TakenInBoot])
        .in_full(),
    ]
}

/// The latest reset after D that any schedule reaches, in ticks.
///
/// κ = 3: the last regular ping is checked before D − p, the late one at D − 1; it is done just
/// before the device would have reset the host, and so is the close that follows. κ = 1: the
/// kernel kills the multiplexer at D, which closes the device.
pub(crate) fn latest_reset(timing: &Timing) -> u64 {
    let reset = timing.reset_max.0;
    match timing.kappa {
        Kappa::One => reset,
        Kappa::Three => 3 * reset - timing.ping.0 - 1,
    }
}

/// Exactly the margin that the closed form asks for, and not a tick more: everything holds.
fn tight(timing: &Timing) -> Vec<Configuration> {
    let setup = tight_setup(timing, 0);
    let latest = i64::try_from(latest_reset(timing)).unwrap_or(i64::MAX);
    let mut configuration = holds(
        format!("l1/{}/tight", kappa_name(timing)),
        "The least margin: the latest reset is that of the closed form, and in time.",
        setup,
    )
    .meeting(&[Tag::ResetRunning])
    .in_full();
    configuration.latest_reset = Some(latest);
    vec![configuration]
}

/// A margin `short` ticks below what the closed form asks for.
pub(super) fn tight_setup(timing: &Timing, short: u64) -> Setup {
    let needed = latest_reset(timing) + timing.io_trail.0;
    let trim = timing.margin(timing.reset_max).0 - needed + short;
    let timing = Timing {
        trim: Span(trim),
        ..timing.clone()
    };
    // A late ping is one stop of the multiplexer, a late close its death. With κ = 1 the kernel
    // closes at D.
    let faults = [Fault::PauseLrm, Fault::PauseMux, Fault::CrashMux];
    let faults = match timing.kappa {
        Kappa::One => &faults[..2],
        Kappa::Three => &faults[..],
    };
    let mut setup = holder(&timing, faults, faults.len() as u8);
    setup.fault_hosts = vec![0];
    setup
}

/// A hypervisor stops a host for up to h, which the margin allows for.
fn host_stop(timing: &Timing) -> Configuration {
    let setup = host_stop_setup(timing);
    let name = format!("l1/{}/host-stop", kappa_name(timing));
    holds(
        name,
        "A hypervisor stops a host with its clock and watchdog, for up to h.",
        setup,
    )
    .meeting(&[Tag::ResetRunning, Tag::TakenSilent])
    .in_full()
}

pub(crate) fn host_stop_setup(timing: &Timing) -> Setup {
    let timing = Timing {
        host_stop: Span(2),
        lock_ttl: timing.lock_ttl + Span(2),
        ..timing.clone()
    };
    let faults = [Fault::HostStop, Fault::PauseLrm];
    let mut setup = holder(&timing, &faults, 2);
    setup.fault_hosts = vec![0];
    setup.physics = Physics {
        host_stop: 2,
        ..setup.physics
    };
    setup
}

/// κ = 1: the kernel's timer and entered system calls are late by up to δ_k, a part of δ.
fn slow_kernel() -> Configuration {
    let timing = slow_kernel_timing();
    let mut setup = holder(
        &timing,
        &[Fault::SlowPing, Fault::PauseLrm, Fault::PauseMux],
        2,
    );
    setup.fault_hosts = vec![0];
    holds(
        "l1/k1/slow-kernel",
        "The kill timer and a ping that has entered the kernel are late by up to δ_k.",
        setup,
    )
    .meeting(&[Tag::KilledAtDeadline, Tag::ResetRunning, Tag::LatePing])
    .in_full()
}

pub(super) fn slow_kernel_timing() -> Timing {
    let timing = brisk_kappa_one();
    Timing {
        io_trail: Span(2),
        kernel_delay: Span(1),
        lock_ttl: timing.lock_ttl + Span(1),
        ..timing
    }
}
