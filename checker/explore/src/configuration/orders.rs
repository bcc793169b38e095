//! Layer 2: what the manager orders, in any legal order.
//!
//! Two hosts with LRMs. The manager may order anything legal of what a configuration names, at any
//! moment ([`lockstep_world::orders`]); where somebody contends for a lock, it may recover what is
//! left under it. Both hosts have settled before the first order: what happens while they boot is
//! explored without orders.

use lockstep_model::config::Timing;
use lockstep_model::id::NodeId;
use lockstep_model::record::MoveKind;
use lockstep_world::coverage::Tag;
use lockstep_world::setup::Order;
use lockstep_world::{Admin, Fault, Setup};

use super::layer1::{holds, kappa_name};
use super::layer2::pair;
use super::{Configuration, swift_kappa_one};

pub(crate) const LIVE: Order = Order::Move(MoveKind::Live);
pub(crate) const COLD: Order = Order::Move(MoveKind::Stopped);
pub(crate) const BEFORE_START: Order = Order::Move(MoveKind::BeforeStart);

/// How long two hosts take to settle.
const SETTLED: u64 = 10;

/// Two hosts that run services, the manager giving orders in any sequence; nobody contends for a
/// lock. Faults befall either.
pub(crate) fn ordered(timing: &Timing, orders: &[Order], often: u8, faults: &[Fault]) -> Setup {
    let mut setup = pair(timing, faults, u8::from(!faults.is_empty()));
    setup.hosts[1].contends_for = None;
    setup.admin.clear();
    setup.fault_hosts = vec![0, 1];
    setup.orders = orders.to_vec();
    setup.orders_budget = often;
    setup.restarts_max = Some(0);
    setup.instant_agents = true;
    setup.only_moves_late = true;
    setup.reorder = true;
    setup.warm = SETTLED;
    setup
}

/// The same, with orders given one after the other as they stand.
pub(crate) fn in_turn(timing: &Timing, orders: &[Order], faults: &[Fault]) -> Setup {
    let often = u8::try_from(orders.len()).unwrap_or(u8::MAX);
    Setup {
        orders_in_turn: true,
        ..ordered(timing, orders, often, faults)
    }
}

/// The same, with orders only between ticks: for many of them.
pub(crate) fn at_rest(setup: Setup) -> Setup {
    Setup {
        orders_at_rest: true,
        ..setup
    }
}

/// The second host contends for the first one's lock, and may recover what is left under it.
pub(crate) fn contended(mut setup: Setup) -> Setup {
    setup.hosts[1].contends_for = Some(NodeId(0));
    setup.admin = vec![Admin::Move];
    setup.fault_hosts = vec![0];
    setup
}

/// Faults, and whether what they lead to is explored on every change.
const FAULTS: &[(Fault, bool)] = &[
    (Fault::Power, true),
    (Fault::PauseLrm, false),
    (Fault::PauseMux, false),
    (Fault::CrashLrm, false),
    (Fault::CrashMux, true),
    (Fault::Isolate, false),
    (Fault::Delay, true),
    (Fault::Outage, false),
    (Fault::PauseAll, false),
    (Fault::SlowPing, false),
];

pub(super) fn all() -> Vec<Configuration> {
    let timing = swift_kappa_one();
    let mut all = undisturbed(&timing);
    for (fault, quick) in FAULTS {
        all.push(moved(&timing, *fault, *quick));
    }
    all.extend(workers(&timing));
    all.push(taken_back(&timing));
    all.push(left_over(&timing));
    all.extend(ignored(&timing));
    all.extend(asked(&timing));
    all
}

fn named(timing: &Timing, name: &str) -> String {
    format!("l2/{}/order-{name}", kappa_name(timing))
}

/// Nothing fails: each kind of order, and each after each.
fn undisturbed(timing: &Timing) -> Vec<Configuration> {
    let one = |orders: &[Order], name: &str, about: &str, tags: &[Tag]| {
        let mut setup = ordered(timing, orders, 1, &[]);
        setup.never_resets = true;
        holds(named(timing, name), about, setup).meeting(tags)
    };
    let every = [
        Order::Start,
        Order::Stop,
        Order::LeaveUntouched,
        Order::Ignore,
        Order::Fence,
        LIVE,
        COLD,
        BEFORE_START,
    ];
    let mut pairs = ordered(timing, &every, 2, &[]);
    pairs.never_resets = true;
    vec![
        one(
            &[LIVE],
            "live",
            "A running service is moved as it runs.",
            &[Tag::Sent, Tag::Moved, Tag::Resumed],
        ),
        one(
            &[COLD],
            "cold",
            "A running service is stopped and moved.",
            &[Tag::Stopped, Tag::Moved],
        ),
        one(
            &[
                BEFORE_START,
                Order::Fence,
                Order::LeaveUntouched,
                Order::Ignore,
            ],
            "stay",
            "A running service is to be moved if it doesn't run, fenced, frozen or ignored.",
            &[Tag::ReleasedClean, Tag::Disarmed],
        ),
        holds(
            named(timing, "any-two"),
            "Any two orders, at any two moments.",
            pairs,
        )
        .meeting(&[Tag::Sent, Tag::Moved, Tag::Resumed, Tag::StartedElsewhere])
        .in_full(),
    ]
}

/// A live move, and one fault at either end at any moment.
fn moved(timing: &Timing, fault: Fault, quick: bool) -> Configuration {
    let name = fault.name();
    let setup = ordered(timing, &[LIVE], 1, &[fault]);
    let about = format!("A running service is moved; one fault at either end: {name}.");
    let configuration = holds(named(timing, &format!("live-{name}")), &about, setup).meeting(&[
        Tag::Sent,
        Tag::Moved,
        Tag::Resumed,
    ]);
    match quick {
        true => configuration,
        false => configuration.in_full(),
    }
}

/// Workers take their time; a move fails, hangs, or outlives its LRM.
fn workers(timing: &Timing) -> Vec<Configuration> {
    let faults = [
        (Fault::AgentFails, "agent-fails", Tag::MoveFailed),
        (Fault::AgentHangs, "agent-hangs", Tag::Sent),
        (Fault::CrashLrm, "worker-outlives", Tag::WorkerOutlived),
    ];
    let one = |(fault, name, tag): (Fault, &str, Tag)| {
        let mut setup = in_turn(timing, &[LIVE], &[fault]);
        setup.instant_agents = false;
        let about = format!("A move whose worker takes its time; one fault: {name}.");
        holds(named(timing, name), &about, setup)
            .meeting(&[tag])
            .in_full()
    };
    faults.map(one).into()
}

/// A move whose write is under way is taken back, and the service moved again by another way.
fn taken_back(timing: &Timing) -> Configuration {
    let orders = [LIVE, Order::Start, COLD, Order::Start];
    let setup = at_rest(in_turn(timing, &orders, &[Fault::Delay]));
    holds(
        named(timing, "taken-back"),
        "A move is taken back while its write is under way; the service arrives by another one.",
        setup,
    )
    .meeting(&[Tag::ZombieApplied, Tag::CopyOutdated, Tag::Moved])
    .in_full()
}

/// What is left of a move at its target is not what is recovered to it.
fn left_over(timing: &Timing) -> Configuration {
    let mut setup = contended(in_turn(
        timing,
        &[LIVE, Order::Start],
        &[Fault::Delay, Fault::Power],
    ));
    setup.fault_budget = 2;
    setup.each_fault_once = true;
    setup.orders_at_rest = true;
    holds(
        named(timing, "left-over"),
        "A move is taken back, its source dies, and the service is recovered to its target.",
        setup,
    )
    .meeting(&[Tag::CopyOutdated, Tag::TakenSilent, Tag::StartedElsewhere])
    .in_deep()
}

/// A service is nobody's concern and comes back, while somebody contends for its node's lock.
fn ignored(timing: &Timing) -> Vec<Configuration> {
    let orders = [Order::Ignore, Order::Start];
    let one = |faults: &[Fault], name: &str| {
        let setup = contended(in_turn(timing, &orders, faults));
        holds(
            named(timing, name),
            "A service is ignored and returns; another host contends for its node's lock.",
            setup,
        )
        .meeting(&[Tag::ReleasedClean, Tag::TakenFree])
    };
    vec![
        one(&[], "ignored"),
        one(&[Fault::PauseLrm], "ignored-pause-lrm").in_deep(),
    ]
}

/// What people ask of LRMs, by themselves or through the manager, beside its orders.
fn asked(timing: &Timing) -> Vec<Configuration> {
    let one = |name: &str, about: &str, orders: &[Order], admin: &[Admin], often, tags: &[Tag]| {
        let mut setup = in_turn(timing, orders, &[]);
        setup.admin = admin.to_vec();
        setup.admin_budget = often;
        setup.never_resets = true;
        setup.orders_at_rest = true;
        holds(named(timing, name), about, setup).meeting(tags)
    };
    let leave = [
        Admin::RestartLrm,
        Admin::StopLrm,
        Admin::StopAndFreezeLrm,
        Admin::MigrateLrm,
    ];
    vec![
        one(
            "disarm",
            "The stack is disarmed in either mode, and armed again; services are frozen and run.",
            &[Order::LeaveUntouched, Order::Start],
            &[Admin::Disarm],
            2,
            &[Tag::ReleasedRunning, Tag::HeldUnguarded, Tag::GuardedAgain],
        ),
        one(
            "disarm-ignore",
            "The stack is disarmed in either mode, and armed again; services are ignored and return.",
            &[Order::Ignore, Order::Start],
            &[Admin::Disarm],
            2,
            &[Tag::ReleasedRunning, Tag::ReleasedClean, Tag::Disarmed],
        ),
        one(
            "maintenance",
            "A node is asked to do maintenance, its service moves, and it comes back.",
            &[LIVE],
            &[Admin::Maintain],
            2,
            &[Tag::Sent, Tag::Resumed, Tag::ReleasedClean],
        )
        .in_deep(),
        one(
            "leave",
            "An LRM ends in any of four ways while its service is moved.",
            &[LIVE],
            &leave,
            1,
            &[
                Tag::LrmExited,
                Tag::ReleasedRunning,
                Tag::ReleasedClean,
                Tag::Moved,
            ],
        ),
    ]
}
