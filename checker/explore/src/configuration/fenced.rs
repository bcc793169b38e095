//! Fence agents: in layer 1 with the real watchdog, in layer 3 with the manager that asks for them.
//!
//! In layer 1 nothing says that the holder is dead: the contender has a healthy host switched off
//! as soon as it knows the lock, which is the harder case for everybody but its services.

use lockstep_model::config::Timing;
use lockstep_model::id::NodeId;
use lockstep_world::coverage::Tag;
use lockstep_world::{Admin, Fault, Setup};

use super::layer1::{holder, holds, kappa_name};
use super::layer3::{decided_by_second, timed_cluster, timing};
use super::layer3_rules::{settled_in, started};
use super::{Configuration, brisk_kappa_one, brisk_kappa_three, layer2, swift_kappa_one};

pub(super) fn all() -> Vec<Configuration> {
    let mut all = Vec::new();
    for timing in [brisk_kappa_one(), brisk_kappa_three()] {
        all.extend(locks(&timing));
    }
    all.push(left_running(&swift_kappa_one()));
    all.extend(managers());
    all
}

/// A holder and a contender that has an agent for the holder's machine.
pub(crate) fn fenced(timing: &Timing, faults: &[Fault]) -> Setup {
    let mut setup = holder(timing, faults, u8::from(!faults.is_empty()));
    setup.fenceable = vec![NodeId(0)];
    setup
}

fn locks(timing: &Timing) -> Vec<Configuration> {
    let named = |name: &str| format!("l1/{}/fenced{name}", kappa_name(timing));
    vec![
        holds(
            named(""),
            "A contender has the holder's machine switched off by an agent; nothing fails.",
            fenced(timing, &[]),
        )
        .meeting(&[Tag::FencedByAgent, Tag::TakenFenced]),
        holds(
            named("-pause-contender"),
            "An agent switches the holder off while the contender is stopped; it boots again.",
            fenced(timing, &[Fault::PauseContender]),
        )
        .meeting(&[Tag::FencedByAgent, Tag::TakenFenced, Tag::TakeRefused]),
        holds(
            named("-crash-contender"),
            "An agent outlives the contender that asked for it, and comes late.",
            fenced(timing, &[Fault::CrashContender]),
        )
        .meeting(&[Tag::FencedByAgent, Tag::FencedLate, Tag::TakenFenced]),
        holds(
            named("-power"),
            "The holder loses power before an agent is at it, or while one is.",
            fenced(timing, &[Fault::Power]),
        )
        .meeting(&[Tag::FencedByAgent, Tag::FencedLate, Tag::TakenSilent]),
        holds(
            named("-isolate"),
            "The holder can't reach the store, and an agent switches it off.",
            fenced(timing, &[Fault::Isolate]),
        )
        .meeting(&[Tag::FencedByAgent, Tag::TakenFenced]),
        holds(
            named("-fails"),
            "An agent fails, and is asked again.",
            fenced(timing, &[Fault::FenceFails]),
        )
        .meeting(&[Tag::FencedByAgent, Tag::TakenFenced]),
        holds(
            named("-delay"),
            "A request of either is late, and an agent switches the holder off.",
            fenced(timing, &[Fault::Delay]),
        )
        .meeting(&[Tag::FencedByAgent, Tag::ZombieApplied])
        .in_full(),
    ]
}

/// An LRM is restarted and its services left running; silence proves nothing about them.
fn left_running(timing: &Timing) -> Configuration {
    let mut setup = layer2::pair(timing, &[], 0);
    setup.admin = vec![Admin::RestartLrm, Admin::Move];
    setup.admin_budget = 1;
    setup.instant_agents = true;
    setup.fenceable = vec![NodeId(0)];
    holds(
        format!("l2/{}/freeze-fenced", kappa_name(timing)),
        "An LRM is restarted, its service left running, and an agent switches its host off.",
        setup,
    )
    .meeting(&[Tag::FencedByAgent, Tag::TakenLeftRunning, Tag::Moved])
    .in_deep()
}

/// Two hosts, the second with a CRM that has an agent for the first. T leaves it time to be of use.
pub(crate) fn managed(faults: &[Fault], budget: u8) -> Setup {
    let timing = Timing {
        lock_ttl: timing().lock_ttl + lockstep_model::time::Span(2),
        ..timing()
    };
    let cluster = decided_by_second(timed_cluster(&timing, 2, 1, started(1)));
    let mut setup = settled_in(cluster, faults);
    setup.fault_budget = budget;
    setup.each_fault_once = budget > 1;
    setup.fenceable = vec![NodeId(0)];
    setup
}

fn managers() -> Vec<Configuration> {
    let tags = [
        Tag::ToBeFenced,
        Tag::Fenced,
        Tag::TakenFenced,
        Tag::Recovered,
    ];
    let shot = [&tags[..], &[Tag::FencedByAgent]].concat();
    let mut restarted = managed(&[Fault::Power], 1);
    restarted.admin = vec![Admin::RestartLrm];
    restarted.admin_budget = 1;
    vec![
        holds(
            "l3/fenced-power",
            "A node loses power, and an agent says that it is off.",
            managed(&[Fault::Power], 1),
        )
        .meeting(&tags),
        holds(
            "l3/fenced-isolate",
            "A node can't reach the store, and an agent switches it off.",
            managed(&[Fault::Isolate], 1),
        )
        .meeting(&shot),
        holds(
            "l3/fenced-pause-lrm",
            "An LRM is stopped, and an agent switches its node off.",
            managed(&[Fault::PauseLrm], 1),
        )
        .meeting(&shot),
        holds(
            "l3/fenced-crash-crm",
            "A node loses power, and the CRM that has asked an agent crashes.",
            {
                let mut setup = managed(&[Fault::Power, Fault::CrashCrm], 2);
                setup.fault_hosts = vec![0, 1];
                setup
            },
        )
        .meeting(&tags)
        .in_full(),
        holds(
            "l3/fenced-fails",
            "A node loses power, and the agent fails.",
            {
                let mut setup = managed(&[Fault::Power, Fault::FenceFails], 2);
                setup.fault_hosts = vec![0, 1];
                setup
            },
        )
        .meeting(&[Tag::ToBeFenced, Tag::Fenced, Tag::Recovered]),
        holds(
            "l3/fenced-freeze",
            "An LRM is restarted, its node loses power, and an agent says that it is off.",
            restarted,
        )
        .meeting(&tags)
        .in_full(),
    ]
}
