//! Layer 2: what the manager orders, in any legal order.
//!
//! Two hosts with LRMs, and no third party, or a contender on the second for the first one's lock:
//! the manager may order anything legal at any moment ([`lockstep_world::orders`]), and, where it
//! contends, recover what is left under a lock that it holds.

use lockstep_model::config::Timing;
use lockstep_model::record::MoveKind;
use lockstep_world::coverage::Tag;
use lockstep_world::setup::Order;
use lockstep_world::{Admin, Fault, Setup};

use super::layer1::{holds, kappa_name};
use super::layer2::pair;
use super::{Configuration, swift_kappa_one};

const LIVE: Order = Order::Move(MoveKind::Live);
const COLD: Order = Order::Move(MoveKind::Stopped);
const BEFORE_START: Order = Order::Move(MoveKind::BeforeStart);

/// Two hosts that run services, the manager giving orders; nobody contends for a lock.
pub(crate) fn ordered(
    timing: &Timing,
    orders: &[Order],
    orders_budget: u8,
    faults: &[Fault],
    budget: u8,
) -> Setup {
    let mut setup = pair(timing, faults, budget);
    setup.hosts[1].contends_for = None;
    setup.admin.clear();
    setup.orders = orders.to_vec();
    setup.orders_budget = orders_budget;
    setup.restarts_max = Some(0);
    setup.reorder = true;
    setup.warm = 10;
    setup.instant_agents = true;
    setup
}

pub(super) fn all() -> Vec<Configuration> {
    let k1 = swift_kappa_one();
    let mut all = Vec::new();
    for (orders, name) in [
        (vec![LIVE], "live"),
        (vec![COLD], "cold"),
        (vec![BEFORE_START], "before-start"),
        (vec![LIVE, Order::Start], "live-start"),
    ] {
        for n in [1, 2] {
            let setup = ordered(&k1, &orders, n, &[], 0);
            all.push(
                holds(
                    format!("l2/{}/try-{name}-{n}", kappa_name(&k1)),
                    "try",
                    setup,
                )
                .meeting(&[Tag::Started]),
            );
        }
    }
    for (f, name) in [
        (Fault::Power, "power"),
        (Fault::CrashLrm, "crash"),
        (Fault::PauseLrm, "pause"),
        (Fault::Isolate, "isolate"),
        (Fault::Delay, "delay"),
    ] {
        let mut setup = ordered(&k1, &[LIVE, Order::Start], 1, &[f], 1);
        setup.fault_hosts = vec![0, 1];
        all.push(
            holds(format!("l2/{}/try-f-{name}", kappa_name(&k1)), "try", setup)
                .meeting(&[Tag::Started]),
        );
    }
    // hunts
    let mut setup = ordered(
        &k1,
        &[Order::Ignore, Order::Start],
        2,
        &[Fault::PauseLrm],
        1,
    );
    setup.hosts[1].contends_for = setup.hosts.first().map(|host| host.node);
    setup.admin = vec![Admin::Move];
    setup.fault_hosts = vec![0];
    all.push(holds(String::from("l2/k1/hunt-ignore"), "hunt", setup).meeting(&[Tag::Started]));
    let mut setup = ordered(&k1, &[LIVE, Order::Start], 2, &[Fault::Power], 1);
    setup.hosts[1].contends_for = setup.hosts.first().map(|host| host.node);
    setup.admin = vec![Admin::Move];
    setup.fault_hosts = vec![0];
    all.push(holds(String::from("l2/k1/hunt-stale"), "hunt", setup).meeting(&[Tag::Started]));
    let mut setup = ordered(&k1, &[LIVE, COLD, Order::Start], 3, &[Fault::AgentFails], 1);
    setup.instant_agents = false;
    all.push(holds(String::from("l2/k1/hunt-stale-3"), "hunt", setup).meeting(&[Tag::Started]));
    all
}
