//! The assumptions of the safety argument, each broken: the argument needs every one of them.

use lockstep_model::config::{DriftPpm, Timing};
use lockstep_model::mutation::Mask;
use lockstep_world::property::Property;
use lockstep_world::{Admin, Fault, Setup};

use super::layer1::{self, holder};
use super::{Configuration, Expectation, Tier, brisk_kappa_one, brisk_kappa_three, fenced, layer2};

fn breaks(name: &str, about: &str, property: Property, setup: Setup) -> Configuration {
    Configuration {
        name: format!("assumption/{name}"),
        about: about.into(),
        tier: Tier::Quick,
        setup,
        mutants: Mask::NONE,
        expectation: Expectation::AssumptionBroken(property),
        meets: Vec::new(),
        latest_reset: None,
    }
}

/// Each assumption, made false.
fn made_false() -> Vec<Configuration> {
    let k1 = brisk_kappa_one();
    let dead = Property::TakenIsDead;
    vec![
        breaks(
            "a1-clock-rate",
            "A clock is further off than ρ.",
            dead,
            clock_rate(&k1),
        ),
        breaks(
            "a2-late-device",
            "The device resets a tick after W′.",
            dead,
            late_device(&k1),
        ),
        breaks(
            "a3-host-stop",
            "A hypervisor stops a host for longer than h.",
            dead,
            host_stop(&k1),
        ),
        breaks(
            "a4-suspend",
            "A host is suspended, past whoever should have prevented it.",
            dead,
            suspended(&k1),
        ),
        breaks(
            "a5-late-kernel",
            "A system call is later than δ_k.",
            dead,
            late_kernel(),
        ),
        breaks(
            "a6-trailing-io",
            "I/O trails a reset for longer than δ.",
            dead,
            trailing(&k1),
        ),
        breaks(
            "a7-rollback",
            "The store forgets a confirmed write.",
            dead,
            rollback(&k1),
        ),
        breaks(
            "a8-hand-edit",
            "Somebody edits a service's location by hand.",
            Property::SingleInstance,
            hand_edit(&k1),
        ),
        breaks(
            "a9-lying-agent",
            "A fence agent says that a machine is off, which isn't.",
            dead,
            fenced::fenced(&k1, &[Fault::FenceLies]),
        ),
        breaks(
            "clone-while-frozen",
            "A clone of a machine boots while services are left running on the original.",
            dead,
            clone_while_frozen(&k1),
        ),
    ]
}

pub(super) fn all() -> Vec<Configuration> {
    let mut all = made_false();
    for configuration in &mut all {
        let quick = ["a2", "a6", "a9", "clone"];
        if !quick.iter().any(|name| configuration.name.contains(name)) {
            configuration.tier = Tier::Full;
        }
    }
    for (name, timing) in [("k1", brisk_kappa_one()), ("k3", brisk_kappa_three())] {
        let mut setup = layer1::tight_setup(&timing, 1);
        // The counterexample needs each kind of fault once.
        setup.each_fault_once = true;
        let about = "The margin is a tick below what the closed form asks for.";
        let dead = Property::TakenIsDead;
        let mut configuration = breaks(name, about, dead, setup).named(format!("short/{name}"));
        configuration.tier = Tier::Full;
        all.push(configuration);
    }
    all
}

impl Configuration {
    fn named(mut self, name: String) -> Self {
        self.name = name;
        self
    }
}

/// Clocks may be a tick off in T, but nobody was told.
fn clock_rate(timing: &Timing) -> Setup {
    let told = Timing {
        drift: DriftPpm(0),
        ..timing.clone()
    };
    let mut setup = holder(&told, &[Fault::PauseLrm, Fault::Drift], 2);
    setup.physics.drift_spacing = Some(timing.lock_ttl.0);
    setup
}

fn late_device(timing: &Timing) -> Setup {
    let mut setup = holder(timing, &[Fault::PauseLrm], 1);
    setup.physics.device_slack += 1;
    setup
}

fn host_stop(timing: &Timing) -> Setup {
    let mut setup = layer1::host_stop_setup(timing);
    setup.physics.host_stop += 1;
    setup
}

/// Its clock goes on, its device doesn't: silence proves nothing.
fn suspended(timing: &Timing) -> Setup {
    let mut setup = holder(timing, &[Fault::Suspend], 1);
    setup.fault_hosts = vec![0];
    setup
}

fn late_kernel() -> Setup {
    let timing = layer1::slow_kernel_timing();
    let mut setup = holder(&timing, &[Fault::SlowPing, Fault::PauseLrm], 2);
    setup.fault_hosts = vec![0];
    setup.physics.kernel_delay += 1;
    setup
}

fn trailing(timing: &Timing) -> Setup {
    let mut setup = holder(timing, &[Fault::PauseLrm], 1);
    setup.physics.trail += 1;
    setup
}

fn rollback(timing: &Timing) -> Setup {
    let mut setup = layer2::pair(timing, &[Fault::Rollback, Fault::Isolate], 2);
    setup.instant_agents = true;
    setup
}

/// What was released beats no more: its silence tells the clone nothing.
fn clone_while_frozen(timing: &Timing) -> Setup {
    let mut setup = layer1::twin(timing, 0);
    setup.faults.clear();
    setup.fault_budget = 0;
    setup.admin = vec![Admin::SwitchOn, Admin::RestartLrm];
    setup.admin_budget = 1;
    setup
}

fn hand_edit(timing: &Timing) -> Setup {
    let mut setup = layer2::pair(timing, &[Fault::HandEdit], 1);
    setup.instant_agents = true;
    setup
}
