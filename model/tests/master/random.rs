//! CRMs under random histories: what holds of every write, and that they find an end.

use lockstep_model::id::{LockId, ServiceId};
use lockstep_model::manager::status::Requested;
use lockstep_model::time::Span;
use proptest::prelude::*;

use crate::bench::Bench;

const NODES: usize = 3;
const SERVICES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    Add(usize),
    Want(usize, Requested),
    Remove(usize),
    Migrate(usize, usize),
    Stop(usize),
    Maintenance(usize, bool),
    Disarm(bool),
    Arm,
    Lrm(usize, bool),
    Kill(usize),
    Start(usize),
    Reaches(usize, bool),
    LoseAnswers(usize),
    DieAfter(usize, usize),
    Unguarded(usize, usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let requested = prop_oneof![
        Just(Requested::Started),
        Just(Requested::Stopped),
        Just(Requested::Disabled),
        Just(Requested::Ignored),
    ];
    let event = prop_oneof![
        (0..NODES).prop_map(Step::Add),
        (0..SERVICES, requested).prop_map(|(service, to)| Step::Want(service, to)),
        (0..SERVICES).prop_map(Step::Remove),
        (0..SERVICES, 0..NODES).prop_map(|(service, node)| Step::Migrate(service, node)),
        (0..SERVICES).prop_map(Step::Stop),
        (0..NODES, any::<bool>()).prop_map(|(node, on)| Step::Maintenance(node, on)),
        any::<bool>().prop_map(Step::Disarm),
        Just(Step::Arm),
        (0..NODES, any::<bool>()).prop_map(|(node, lives)| Step::Lrm(node, lives)),
        (0..NODES).prop_map(Step::Kill),
        (0..NODES).prop_map(Step::Start),
        (0..NODES, any::<bool>()).prop_map(|(node, on)| Step::Reaches(node, on)),
        (1_usize..4).prop_map(Step::LoseAnswers),
        (0..NODES, 1_usize..3).prop_map(|(node, parts)| Step::DieAfter(node, parts)),
        (0..NODES, 0..SERVICES).prop_map(|(node, service)| Step::Unguarded(node, service)),
    ];
    prop_oneof![1 => event, 1 => (1_u64..40_000).prop_map(Step::Pass)]
}

fn carry_out(bench: &mut Bench, services: &mut Vec<ServiceId>, step: Step) {
    let known = |service: usize| services.get(service).copied();
    let sid = |service: usize| format!("vm:{}", service + 1);
    match step {
        Step::Add(node) => {
            if services.len() < SERVICES {
                let id = bench.add(&sid(services.len()), node);
                services.push(id);
            }
        }
        Step::Want(service, requested) => {
            if let Some(id) = known(service) {
                bench.want(id, requested);
            }
        }
        Step::Remove(service) => {
            if let Some(id) = known(service) {
                bench.remove(id);
            }
        }
        Step::Migrate(service, node) if known(service).is_some() => {
            bench.command(&format!("migrate {} node{}", sid(service), node + 1));
        }
        Step::Stop(service) if known(service).is_some() => {
            bench.command(&format!("stop {} 10", sid(service)));
        }
        Step::Migrate(..) | Step::Stop(_) => {}
        Step::Maintenance(node, on) => {
            let word = if on { "enable" } else { "disable" };
            bench.command(&format!("{word}-node-maintenance node{}", node + 1));
        }
        Step::Disarm(freeze) => {
            let mode = if freeze { "freeze" } else { "ignore" };
            bench.command(&format!("disarm-ha {mode}"));
        }
        Step::Arm => bench.command("arm-ha"),
        Step::Lrm(node, lives) => bench.nodes[node].lrm = lives,
        Step::Kill(node) => bench.kill(node),
        Step::Start(node) => {
            bench.kill(node);
            bench.start(node);
        }
        Step::Reaches(node, on) => bench.nodes[node].reaches = on,
        Step::LoseAnswers(number) => bench.lose_answers = number,
        Step::DieAfter(node, parts) => bench.die_after = Some((node, parts)),
        Step::Unguarded(node, service) => {
            if let Some(id) = known(service)
                && bench
                    .grant_of(node)
                    .is_some_and(|grant| grant.state.is_held())
            {
                bench.leave_unguarded(node, &[id]);
            }
        }
        Step::Pass(milliseconds) => bench.run(Span(milliseconds)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every write rests on the locks and revisions that it has to, at most one holds the manager
    /// lock, and once all are well again there is a master that has nothing more to write.
    #[test]
    fn writes_rest_on_locks_and_come_to_an_end(steps in prop::collection::vec(step(), 1..40)) {
        let mut bench = Bench::new(NODES);
        let mut services = Vec::new();
        for step in steps {
            carry_out(&mut bench, &mut services, step);
        }
        bench.lose_answers = 0;
        bench.die_after = None;
        for node in 0..NODES {
            bench.nodes[node].reaches = true;
            bench.nodes[node].lrm = true;
            bench.kill(node);
            bench.start(node);
        }
        bench.run(Span(120_000));
        let managed = !services.is_empty();
        if managed && bench.has_resources() {
            prop_assert_eq!(bench.masters().len(), 1);
        }
        let holder = bench.grant(LockId::Manager).map(|grant| grant.holder.node);
        for master in bench.masters() {
            prop_assert_eq!(Some(bench.nodes[master].id()), holder);
        }
        for node in 0..NODES {
            let lock = LockId::Agent(bench.nodes[node].id());
            let kept = bench.nodes.iter().any(|other| {
                let master = other.master.as_ref();
                master.is_some_and(|master| master.holds(lock))
            });
            let awaited = bench.awaits_lock(node);
            prop_assert!(!kept || awaited, "the lock of node {} is kept for nothing", node + 1);
        }
        let written = bench.commits;
        bench.run(Span(60_000));
        prop_assert_eq!(bench.commits, written, "it goes on for ever");
    }
}
