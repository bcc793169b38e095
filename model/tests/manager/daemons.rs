//! What holds of the CRM and the LRM by rounds, whatever they are told and in whatever order.

use std::collections::BTreeSet;

use lockstep_model::config::Config;
use lockstep_model::crm::{self, Crm, CrmState, LockAnswer, ReadError};
use lockstep_model::event::LrmState;
use lockstep_model::id::ServiceId;
use lockstep_model::lrm::rounds::work::WorkerEnd;
use lockstep_model::lrm::rounds::{self, Reason, RoundLrm, ShutdownPolicy};
use proptest::prelude::*;

use crate::draw::{CODES, Draw};
use crate::rounds::{profile, uids};
use crate::world::World;

/// How many inputs a daemon gets.
const INPUTS: usize = 60;

fn error() -> ReadError {
    ReadError(String::from("interrupted"))
}

fn answer(draw: &mut Draw) -> LockAnswer {
    match draw.once_in(4) {
        true => LockAnswer::Refused,
        false => LockAnswer::Granted,
    }
}

fn crm_input<'a>(draw: &mut Draw, world: &'a World) -> crm::Input<'a> {
    let view = match draw.once_in(6) {
        true => Err(error()),
        false => Ok(world.view()),
    };
    match draw.below(16) {
        0 => crm::Input::Shutdown,
        1..=5 => crm::Input::Lock(answer(draw)),
        6..=9 => crm::Input::Manage(view),
        _ => crm::Input::Round {
            quorate: world.quorate,
            updated: !draw.once_in(6),
            view,
        },
    }
}

fn lrm_input<'a>(draw: &mut Draw, world: &'a World, running: &[ServiceId]) -> rounds::Input<'a> {
    let view = match draw.once_in(6) {
        true => Err(error()),
        false => Ok(rounds::View {
            status: &world.status,
            resources: &world.resources,
        }),
    };
    match draw.below(24) {
        0 => rounds::Input::Shutdown {
            reason: draw.one_of(&[Reason::Reboot, Reason::Shutdown, Reason::Restart]),
            policy: draw.one_of(&[
                Ok(ShutdownPolicy::Conditional),
                Ok(ShutdownPolicy::Freeze),
                Ok(ShutdownPolicy::Failover),
                Ok(ShutdownPolicy::Migrate),
                Err(String::from("panic")),
            ]),
        },
        1 => rounds::Input::NotPublished {
            error: draw.one_of(&[None, Some(error())]),
            at_shutdown: draw.once_in(2),
        },
        2..=6 => rounds::Input::Lock(answer(draw)),
        7..=12 => {
            let service = match running.is_empty() || draw.once_in(6) {
                true => draw.service(),
                false => draw.one_of(running),
            };
            let end = match draw.below(6) {
                0 => WorkerEnd::NotExecuted,
                1 => WorkerEnd::Signal(9),
                _ => WorkerEnd::Code(draw.one_of(&CODES)),
            };
            rounds::Input::Done(service, end)
        }
        13..=16 => rounds::Input::Work(view),
        17..=18 => rounds::Input::End,
        _ => rounds::Input::Round {
            quorate: world.quorate,
            updated: !draw.once_in(6),
            view,
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A CRM decides as a master only, and keeps a manager no longer than it is one.
    #[test]
    fn only_a_master_decides(seed: u64, is_reference: bool) {
        let mut world = World::new(seed, profile(is_reference));
        let (nodes, services) = world.names.counts();
        let mut draw = Draw::new(!seed, nodes, services);
        let mut crm = Crm::new(world.me);
        let mut out = crm::Outbox::default();
        if !draw.once_in(10) {
            crm.begin(&mut out);
        }
        for _ in 0..INPUTS {
            out.effects.clear();
            out.events.clear();
            let input = crm_input(&mut draw, &world);
            let is_managing = matches!(input, crm::Input::Manage(Ok(_)));
            let before = crm.state();
            crm.step(&world.config, world.now, input, &mut out);
            for event in &out.events {
                let mut text = String::new();
                event.write(&mut text, &world.names).expect("a string takes everything");
            }
            let commits = out.effects.contains(&crm::Effect::Commit);
            prop_assert!(!commits || (is_managing && before == CrmState::Master));
            let is_master = crm.state() == CrmState::Master;
            prop_assert!(crm.manager().is_none() || is_master);
            if let (true, Some(manager)) = (commits, crm.manager()) {
                world.status.clone_from(manager.status());
            }
            let uids = uids(&world.status);
            world.go_on(&uids);
        }
    }

    /// A worker begins only under the lock, and never beside another one for the same service.
    #[test]
    fn workers_begin_under_the_lock(seed: u64, is_reference: bool) {
        let mut world = World::new(seed, profile(is_reference));
        let (nodes, services) = world.names.counts();
        let mut draw = Draw::new(!seed, nodes, services);
        let mut lrm = RoundLrm::new(world.me, world.now);
        let mut out = rounds::Outbox::default();
        if !draw.once_in(10) {
            lrm.begin(world.now, &mut out);
        }
        let mut running = BTreeSet::new();
        for _ in 0..INPUTS {
            out.effects.clear();
            out.events.clear();
            let list: Vec<ServiceId> = running.iter().copied().collect();
            let input = lrm_input(&mut draw, &world, &list);
            if let rounds::Input::Done(service, _) = &input {
                running.remove(service);
            }
            let before = lrm.state();
            lrm.step(&world.config, world.now, input, &mut out);
            for event in &out.events {
                let mut text = String::new();
                event.write(&mut text, &world.names).expect("a string takes everything");
            }
            for effect in &out.effects {
                if let rounds::Effect::Run(command) = effect {
                    prop_assert!(matches!(before, LrmState::Active | LrmState::Maintenance));
                    prop_assert!(running.insert(command.service));
                    check_workers(&world.config, running.len());
                }
            }
            world.lrms.insert(world.me, lrm.published());
            let uids = uids(&world.status);
            world.go_on(&uids);
        }
    }
}

fn check_workers(config: &Config, running: usize) {
    let max = config.policy().workers_max;
    assert!(max.is_none_or(|max| running <= max), "{running} workers");
}
