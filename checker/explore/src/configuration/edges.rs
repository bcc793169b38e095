//! Small clusters that take the edges of the specification's state machines, and in which each fault
//! meets a service in each phase, that no other configuration of the quick tier shows
//! ([`crate::coverage`]).
//!
//! Of CRMs there is one, on the host that doesn't run the service: what CRMs do to each other is
//! explored in layer 3. People ask for one thing of many, or for two.

use lockstep_model::config::Timing;
use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::manager::status::{Requested, Resource};
use lockstep_model::record::{Data, DataKey};
use lockstep_model::time::Span;
use lockstep_world::cluster::{ClusterSetup, Edit};
use lockstep_world::coverage::Tag;
use lockstep_world::setup::Order;
use lockstep_world::{Admin, Fault, Setup};

use super::layer1::holds;
use super::layer3::{cluster, decided_by_second};
use super::orders::{LIVE, at_rest, ordered};
use super::{Configuration, swift_kappa_one, with_drift};

/// How long a cluster with one CRM takes to settle.
const SETTLED: u64 = 8;

pub(super) fn all() -> Vec<Configuration> {
    let mut all = asked();
    all.extend(of_nodes());
    all.extend(armed_again());
    all.extend(left());
    all.extend(rare());
    all.extend(met_by_crms());
    all.extend(met_by_lrms(&swift_kappa_one()));
    all
}

/// Two hosts: one with the service, and one with the CRM.
pub(crate) fn alone(requested: Requested) -> Setup {
    let mut setup = decided_by_second(cluster(2, 1, vec![ClusterSetup::resource(requested)]));
    setup.fault_hosts = vec![0];
    setup.warm = SETTLED;
    setup
}

/// People may have these written into the service's configuration, and give these commands: so
/// often in all.
pub(crate) fn asking(setup: Setup, edits: &[Requested], commands: &[&str], often: u8) -> Setup {
    let mut setup = setup;
    if let Some(cluster) = setup.cluster.take() {
        let mut cluster = cluster.with_commands(commands);
        let resource = cluster.resources.first().cloned().flatten();
        let edit = |requested: &Requested| Edit {
            key: DataKey::Resource(ServiceId(0)),
            data: Data::Resource(resource.clone().map(|resource| Resource {
                requested: *requested,
                ..resource
            })),
        };
        cluster.edits = edits.iter().map(edit).collect();
        setup.cluster = Some(Box::new(cluster));
    }
    if !edits.is_empty() {
        setup.admin.push(Admin::Edit);
    }
    if !commands.is_empty() {
        setup.admin.push(Admin::Command);
    }
    setup.admin_budget = often;
    setup
}

pub(crate) fn failing(mut setup: Setup, faults: &[Fault], budget: u8) -> Setup {
    setup.faults = faults.to_vec();
    setup.fault_budget = budget;
    setup
}

const MOVES: &[&str] = &["migrate vm:101 node2", "relocate vm:101 node2"];

/// What people ask of a service one after the other, or while its node fails.
fn asked() -> Vec<Configuration> {
    let edits = [Requested::Stopped, Requested::Ignored];
    let two = asking(alone(Requested::Started), &edits, MOVES, 2);
    let mut frozen = asking(alone(Requested::Started), &edits, &[], 2);
    frozen.admin.push(Admin::RestartLrm);
    let edits = [Requested::Stopped, Requested::Disabled, Requested::Ignored];
    let power = asking(alone(Requested::Started), &edits, MOVES, 1);
    let power = failing(power, &[Fault::Power], 1);
    let mut fails = alone(Requested::Started);
    if let Some(cluster) = &mut fails.cluster {
        for resource in cluster.resources.iter_mut().flatten() {
            resource.max_relocate = 0;
        }
    }
    let edits = [
        Requested::Stopped,
        Requested::Started,
        Requested::Disabled,
        Requested::Ignored,
    ];
    let fails = failing(asking(fails, &edits, &[], 2), &[Fault::AgentFails], 1);
    vec![
        holds(
            "l3/asked-twice",
            "Any two of: stop, ignore, migrate or relocate the service.",
            two,
        )
        .meeting(&[Tag::CommandTaken, Tag::Moved]),
        holds(
            "l3/asked-frozen",
            "Any two of: stop or ignore the service, restart an LRM.",
            frozen,
        )
        .meeting(&[Tag::Frozen, Tag::Moved]),
        holds(
            "l3/asked-power",
            "The service is stopped, disabled, ignored or moved, and its node loses power.",
            power,
        )
        .meeting(&[
            Tag::CommandTaken,
            Tag::Fenced,
            Tag::Recovered,
            Tag::ReturnedUnfenced,
        ]),
        holds(
            "l3/asked-agent-fails",
            "A job of the service fails, and any two of: stop, start, disable, ignore it.",
            fails,
        )
        .meeting(&[Tag::InError]),
    ]
}

/// What becomes of nodes.
fn of_nodes() -> Vec<Configuration> {
    let commands = [
        "enable-node-maintenance node1",
        "disable-node-maintenance node1",
    ];
    let asked = asking(alone(Requested::Started), &[], &commands, 2);
    let lost = asking(alone(Requested::Started), &[], &commands[..1], 1);
    let mut unseen = failing(asked.clone(), &[Fault::Power, Fault::PauseCrm], 2);
    unseen.each_fault_once = true;
    unseen.fault_hosts = vec![0, 1];
    let mut removed = cluster(2, 2, vec![ClusterSetup::resource(Requested::Started)]);
    removed.warm = SETTLED;
    removed.admin = vec![Admin::Edit];
    removed.admin_budget = 1;
    if let Some(cluster) = &mut removed.cluster {
        cluster.edits = vec![Edit {
            key: DataKey::Resource(ServiceId(0)),
            data: Data::Resource(None),
        }];
    }
    vec![
        holds(
            "l3/maintenance-asked",
            "One CRM; a node is put into maintenance and taken out of it; nothing fails.",
            asked,
        )
        .meeting(&[Tag::CommandTaken, Tag::CameHome]),
        holds(
            "l3/maintenance-lost",
            "One CRM; a node is put into maintenance, and loses power.",
            failing(lost, &[Fault::Power], 1),
        ),
        holds(
            "l3/maintenance-unseen",
            "A node is taken out of maintenance and loses power while the only CRM is stopped.",
            unseen,
        )
        .in_deep(),
        holds(
            "l3/removed",
            "Two CRMs; the only service is removed, and nothing is left to manage.",
            removed,
        )
        .meeting(&[Tag::Moved]),
    ]
}

/// The stack is disarmed and armed again.
fn armed_again() -> Vec<Configuration> {
    let one = |mode: &str, tags: &[Tag]| {
        let disarm = format!("disarm-ha {mode}");
        let commands = [disarm.as_str(), "arm-ha"];
        holds(
            format!("l3/armed-again-{mode}"),
            &format!("One CRM; the stack is disarmed in mode {mode}, and armed again."),
            asking(alone(Requested::Started), &[], &commands, 2),
        )
        .meeting(tags)
    };
    vec![
        one("freeze", &[Tag::CommandTaken, Tag::Frozen]),
        one("ignore", &[Tag::CommandTaken]),
    ]
}

/// People have an LRM end, or say that its node is dead, so often as there are ways; and it may fail.
pub(crate) fn leaving(admin: &[Admin], faults: &[Fault]) -> Setup {
    let budget = u8::from(!faults.is_empty());
    let mut setup = failing(alone(Requested::Started), faults, budget);
    setup.admin = admin.to_vec();
    setup.admin_budget = u8::try_from(admin.len()).unwrap_or(u8::MAX);
    setup
}

/// How an LRM ends, as its manager sees it; and what a person says of one that was left.
fn left() -> Vec<Configuration> {
    let confirm = [Admin::RestartLrm, Admin::ConfirmDead];
    vec![
        holds(
            "l3/stop-and-freeze",
            "One CRM; a node reboots: its services are stopped, and are to stay with it.",
            leaving(&[Admin::StopAndFreezeLrm], &[]),
        )
        .meeting(&[Tag::Frozen]),
        holds(
            "l3/stop-and-freeze-power",
            "One CRM; a node reboots, its services stopped, and loses power.",
            leaving(&[Admin::StopAndFreezeLrm], &[Fault::Power]),
        )
        .meeting(&[Tag::Frozen]),
        holds(
            "l3/leave-migrate",
            "One CRM; a node shuts down once everything has left it.",
            leaving(&[Admin::MigrateLrm], &[]),
        )
        .meeting(&[Tag::Moved]),
        holds(
            "l3/restart-power",
            "One CRM; an LRM is restarted, and its node loses power.",
            leaving(&[Admin::RestartLrm], &[Fault::Power]),
        )
        .meeting(&[Tag::Frozen, Tag::Fenced, Tag::Recovered])
        .in_full(),
        holds(
            "l3/confirmed-frozen",
            "One CRM; a node reboots, its services stopped, loses power, and a person says that it is \
             dead.",
            leaving(&[Admin::StopAndFreezeLrm, Admin::ConfirmDead], &[Fault::Power]),
        )
        .meeting(&[Tag::Frozen, Tag::ConfirmedDead, Tag::Recovered])
        .in_full(),
        holds(
            "l3/confirmed",
            "One CRM; an LRM is restarted, its node loses power, and a person says that it is dead.",
            leaving(&confirm, &[Fault::Power]),
        )
        .meeting(&[Tag::ConfirmedDead, Tag::Recovered])
        .in_full(),
    ]
}

/// The stack is to be disarmed, its services frozen.
pub(crate) fn disarming() -> Setup {
    asking(alone(Requested::Started), &[], &["disarm-ha freeze"], 1)
}

/// What takes more than one thing to happen.
fn rare() -> Vec<Configuration> {
    let mut balanced = cluster(2, 1, vec![ClusterSetup::resource(Requested::Stopped)]);
    balanced.services[0].location = NodeId(1);
    balanced.fault_hosts = vec![1];
    balanced.warm = SETTLED;
    if let Some(cluster) = &mut balanced.cluster {
        cluster.settings.rebalance_on_start = true;
    }
    let edits = [Requested::Started, Requested::Stopped, Requested::Ignored];
    let alone_lost = asking(balanced.clone(), &edits[..1], &[], 1);
    let balanced = asking(balanced, &edits, &["disarm-ha freeze"], 2);
    let added = asking(
        alone(Requested::Ignored),
        &[Requested::Started, Requested::Stopped, Requested::Ignored],
        &["disarm-ha freeze", "disarm-ha ignore"],
        2,
    );
    let mut unowned = asking(
        alone(Requested::Started),
        &[Requested::Ignored, Requested::Disabled],
        &[],
        1,
    );
    unowned.warm = 0;
    let mut confirmed = failing(unowned.clone(), &[Fault::Power], 1);
    confirmed.admin.push(Admin::ConfirmDead);
    confirmed.admin_budget = 2;
    vec![
        holds(
            "l3/balance",
            "A service is moved to a better node before it is started; people ask for other things.",
            balanced,
        )
        .meeting(&[Tag::CommandTaken, Tag::Frozen]),
        holds(
            "l3/balance-power",
            "A service is moved to a better node before it is started; its node loses power.",
            failing(alone_lost, &[Fault::Power], 1),
        )
        .meeting(&[Tag::Fenced, Tag::Recovered, Tag::ReturnedUnfenced]),
        holds(
            "l3/added-and-disarmed",
            "A service is added, changed and ignored while the stack is disarmed.",
            added,
        ),
        holds(
            "l3/disarm-lost",
            "One CRM; the stack is disarmed, and a node loses power or is cut off.",
            failing(disarming(), &[Fault::Power, Fault::Isolate], 1),
        )
        .meeting(&[Tag::CommandTaken, Tag::Fenced])
        .in_full(),
        holds(
            "l3/unowned-confirmed",
            "A node loses power while nobody has reported on its service, and a person says that it is \
             dead.",
            confirmed,
        )
        .meeting(&[Tag::ConfirmedDead, Tag::Recovered])
        .in_full(),
        holds(
            "l3/unowned-power",
            "A node loses power while nobody has reported on its service, which is given up.",
            failing(unowned, &[Fault::Power], 1),
        ),
    ]
}

/// Those of the CRM itself, and of what it asked for. The others meet what takes longer in layer 2.
const OWN: [Fault; 5] = [
    Fault::PauseCrm,
    Fault::CrashCrm,
    Fault::AgentFails,
    Fault::ServiceEnds,
    Fault::Delay,
];

/// Any fault while anything is done with a service.
fn met_by_crms() -> Vec<Configuration> {
    let ask = |edits: &[Requested], commands: &[&str], faults: &[Fault]| {
        let mut setup = asking(alone(Requested::Started), edits, commands, 1);
        setup.fault_hosts = vec![0, 1];
        failing(setup, faults, 1)
    };
    let crm = &OWN[..2];
    let mut frozen = ask(&[], &[], crm);
    frozen.admin = vec![Admin::RestartLrm];
    frozen.admin_budget = 1;
    let mut begin = ask(&[], &[], &OWN);
    begin.warm = 0;
    let after = [Fault::Power, Fault::PauseCrm, Fault::CrashCrm];
    let mut fenced = failing(ask(&[], &[], &[]), &after, 2);
    fenced.each_fault_once = true;
    let one = |name: &str, about: &str, setup| {
        holds(
            format!("l3/any-fault-{name}"),
            &format!("One CRM; {about}, and one fault of many."),
            setup,
        )
    };
    let stop = [Requested::Stopped];
    let disarm = ["disarm-ha freeze"];
    vec![
        one("start", "a service is started", begin),
        one("stop", "a service is stopped", ask(&stop, &[], &OWN)),
        one("move", "a service is migrated", ask(&[], &MOVES[..1], crm)),
        one("freeze", "an LRM is restarted", frozen),
        one("disarm", "the stack is disarmed", ask(&[], &disarm, &OWN)),
        one("fence", "a fault, by which a node may be fenced", fenced),
    ]
}

/// Any fault while a manager's order is carried out, or something else is asked of an LRM.
fn met_by_lrms(timing: &Timing) -> Vec<Configuration> {
    let hosts = [
        Fault::Power,
        Fault::PauseLrm,
        Fault::PauseMux,
        Fault::PauseAll,
        Fault::CrashLrm,
        Fault::CrashMux,
        Fault::Isolate,
        Fault::Outage,
        Fault::DeviceFails,
        Fault::SlowPing,
    ];
    let agents = [Fault::AgentFails, Fault::AgentHangs, Fault::ServiceEnds];
    let mut all = Vec::new();
    let drifting = with_drift(timing);
    let stopping = Timing {
        host_stop: Span(2),
        lock_ttl: timing.lock_ttl + Span(2),
        ..timing.clone()
    };
    let kinds: [(&str, &Timing, &[Fault]); 4] = [
        ("host", timing, &hosts),
        ("agent", timing, &agents),
        ("clock", &drifting, &[Fault::Drift]),
        ("hypervisor", &stopping, &[Fault::HostStop]),
    ];
    for (kind, timing, faults) in kinds {
        for what in What::ALL {
            let setup = what.setup(timing, faults);
            let (name, about) = what.words();
            let name = format!("l2/k1/any-{kind}-fault-{name}");
            let about = format!("{about}; one fault of its {kind}.");
            // A move takes two hosts, and with that many faults isn't known to close.
            let heavy = matches!(what, What::Move) && kind == "host";
            let configuration = holds(name, &about, setup);
            all.push(match heavy {
                true => configuration.in_deep(),
                false => configuration,
            });
        }
    }
    all.extend(met_half_way(timing));
    all
}

/// Time passes while a job is half done only if it hangs, or if something else is asked meanwhile.
fn met_half_way(timing: &Timing) -> Vec<Configuration> {
    let hung = |what: What, timing: &Timing, faults: &[Fault]| {
        let faults: Vec<Fault> = faults.iter().copied().chain([Fault::AgentHangs]).collect();
        let mut setup = what.setup(timing, &faults);
        setup.fault_budget = 2;
        setup.each_fault_once = true;
        setup
    };
    let device = [Fault::PauseMux, Fault::SlowPing];
    let agents = [Fault::AgentFails, Fault::AgentHangs, Fault::ServiceEnds];
    let mut both = What::Order.setup(timing, &agents);
    both.orders = vec![Order::Stop];
    both.admin = vec![Admin::Disarm];
    both.admin_budget = 1;
    let mut turned = What::Order.setup(timing, &agents);
    turned.orders = vec![Order::Stop, Order::LeaveUntouched];
    turned.orders_budget = 2;
    turned.orders_in_turn = true;
    turned.orders_at_rest = false;
    let one = |name: &str, about: &str, setup| holds(format!("l2/k1/{name}"), about, setup);
    vec![
        one(
            "hung-start",
            "A start hangs; the multiplexer is stopped, or a ping is done late.",
            hung(What::Start, timing, &device),
        ),
        one(
            "hung-order",
            "A job of an order hangs; the multiplexer is stopped, or a ping is done late.",
            hung(What::Order, timing, &device),
        ),
        one(
            "hung-move",
            "A job of a move hangs; the multiplexer is stopped, or a ping is done late.",
            hung(What::Move, timing, &device),
        )
        .in_full(),
        one(
            "hung-order-drift",
            "A job of an order hangs, and a clock leaves its rate.",
            hung(What::Order, &with_drift(timing), &[Fault::Drift]),
        ),
        one(
            "stopped-and-disarmed",
            "The stack is disarmed while a service is being stopped; its job fails or hangs.",
            both,
        )
        .meeting(&[Tag::Disarmed, Tag::HalfStarted, Tag::Stopped]),
        one(
            "stopped-and-frozen",
            "A service is to stay as it is while it is being stopped; its job fails or hangs.",
            turned,
        )
        .meeting(&[Tag::HalfStarted, Tag::Stopped]),
    ]
}

/// What is done with a service while a fault happens.
#[derive(Clone, Copy)]
enum What {
    /// Its host boots, and it is started.
    Start,
    /// It is stopped, frozen, or given up for its node to be fenced.
    Order,
    /// The stack is disarmed, in either mode.
    Disarm,
    /// The LRM is restarted.
    Restart,
    /// The node does maintenance.
    Maintain,
    /// It is moved as it runs.
    Move,
}

impl What {
    const ALL: [Self; 6] = [
        Self::Start,
        Self::Order,
        Self::Disarm,
        Self::Restart,
        Self::Maintain,
        Self::Move,
    ];

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Start => ("start", "Hosts boot, and a service is started"),
            Self::Order => (
                "order",
                "A service is ordered to stop, to stay, or to let go",
            ),
            Self::Disarm => ("disarm", "The stack is disarmed in either mode"),
            Self::Restart => ("restart", "An LRM is restarted, its service left running"),
            Self::Maintain => ("maintain", "A node does maintenance, its service staying"),
            Self::Move => ("move", "A service is moved as it runs"),
        }
    }

    fn setup(self, timing: &Timing, faults: &[Fault]) -> Setup {
        let orders: &[Order] = match self {
            Self::Order => &[Order::Stop, Order::LeaveUntouched, Order::Fence],
            Self::Move => &[LIVE],
            Self::Start | Self::Disarm | Self::Restart | Self::Maintain => &[Order::LeaveUntouched],
        };
        let (admin, often) = match self {
            Self::Start | Self::Order | Self::Move => (None, 0),
            Self::Disarm => (Some(Admin::Disarm), 1),
            Self::Restart => (Some(Admin::RestartLrm), 1),
            Self::Maintain => (Some(Admin::Maintain), 2),
        };
        let mut setup = at_rest(ordered(timing, orders, 1, faults));
        match self {
            Self::Order | Self::Move => {}
            Self::Disarm | Self::Restart | Self::Maintain => setup.orders_budget = 0,
            Self::Start => {
                setup.orders_budget = 0;
                setup.warm = 0;
            }
        }
        setup.physics.host_stop = timing.host_stop.0;
        setup.admin = admin.into_iter().collect();
        setup.admin_budget = often;
        setup.fault_hosts = vec![0];
        // Whoever isn't moved needs nobody else.
        setup.hosts[1].lrm = matches!(self, Self::Move);
        let jobs = [Fault::AgentFails, Fault::AgentHangs, Fault::ServiceEnds];
        setup.instant_agents = !faults.iter().any(|fault| jobs.contains(fault));
        setup
    }
}
