//! What the manager orders, carried out: each test is a short life of node 0's LRM.

use lockstep_model::event::LrmState;
use lockstep_model::id::{BootId, NodeId};
use lockstep_model::lrm::{self, Job};
use lockstep_model::manager::status::LrmMode;
use lockstep_model::record::GrantState;

use crate::bench::{Effect, Entered};
use crate::life::{DONE, FAILED, Life, S0, THERE, life, running};

#[test]
fn a_start_that_succeeds_is_answered_once() {
    let life = running();
    assert_eq!(life.result(0), DONE);
    assert_eq!(life.published().results.len(), 1);
    assert_eq!(life.mode(), Some(LrmMode::Active));
    assert_eq!(life.published().state, Some(LrmState::Active));
}

#[test]
fn an_order_without_limit_has_no_result() {
    let life = life(&["start lrm", "tick 10"]);
    assert!(life.runs(0));
    assert_eq!(life.published().results, []);
}

#[test]
fn a_new_order_of_the_same_is_answered_too_and_the_old_result_forgotten() {
    let mut life = running();
    life.forget();
    life.go(&["order 0 started restarts 1"]);
    assert_eq!(life.result(0), DONE);
    assert_eq!(life.published().results.len(), 1);
    assert_eq!(life.jobs(0), []);
}

#[test]
fn a_start_is_repeated_so_often_and_given_up() {
    let mut life = life(&["order 0 started restarts 2"]);
    life.0.fail_starts = true;
    life.go(&["start lrm", "tick 40"]);
    assert_eq!(life.result(0), FAILED);
    assert_eq!(life.starts(), 3, "once, and twice again");
    assert!(!life.runs(0), "what was half-started is stopped");
    life.0.fail_starts = false;
    life.go(&["tick 20"]);
    assert_eq!(life.starts(), 3, "given up");
    life.go(&["order 0 started restarts 2", "tick 10"]);
    assert_eq!(life.result(0), DONE, "another order is another matter");
}

#[test]
fn a_start_without_limit_is_repeated_for_ever() {
    let mut life = life(&[]);
    life.0.fail_starts = true;
    life.go(&["start lrm", "tick 60"]);
    assert!(life.starts() > 5);
    assert_eq!(life.published().results, []);
}

#[test]
fn a_service_that_ends_is_restarted_by_the_same_policy() {
    let mut life = running();
    life.forget();
    life.go(&["ends 0", "tick 5"]);
    assert!(life.runs(0));
    assert_eq!(life.result(0), DONE);
    life.0.fail_starts = true;
    life.go(&["ends 0", "tick 40"]);
    assert_eq!(life.result(0), FAILED, "the same order has failed since");
    assert_eq!(life.starts(), 1 + 2);
}

#[test]
fn a_stop_is_answered_when_it_is_confirmed() {
    let mut life = running();
    life.go(&["hold job", "order 0 stopped restarts 1 within 7"]);
    assert_eq!(life.result(0), None);
    life.go(&["answer"]);
    assert_eq!(life.result(0), DONE);
    assert!(!life.runs(0));
    let timeouts = life.0.log.iter().flat_map(|entered| match entered {
        Entered::Step(_, _, effects, _) => effects.as_slice(),
        Entered::Began(..) | Entered::Ended(_) => &[],
    });
    let timeouts: Vec<Option<u64>> = timeouts
        .filter_map(|effect| match effect {
            Effect::Lrm(lrm::Effect::Spawn {
                job: Job::Stop,
                timeout_seconds,
                ..
            }) => Some(*timeout_seconds),
            Effect::Lrm(_) | Effect::Mux(_) | Effect::Contender(_) => None,
        })
        .collect();
    assert_eq!(timeouts, [Some(7)]);
}

#[test]
fn a_stop_that_fails_is_not_repeated_for_that_order() {
    let mut life = running();
    life.forget();
    life.go(&["fail job", "order 0 stopped restarts 1", "tick 20"]);
    assert_eq!(life.result(0), FAILED);
    assert!(life.runs(0));
    let stops = life.jobs(0).iter().filter(|it| **it == Job::Stop).count();
    assert_eq!(stops, 1);
    life.go(&["order 0 stopped restarts 1", "tick 5"]);
    assert_eq!(life.result(0), DONE);
}

#[test]
fn a_stop_that_fails_is_repeated_when_the_lrm_leaves() {
    let mut life = running();
    life.go(&[
        "fail job",
        "order 0 stopped restarts 1",
        "leave stop",
        "tick 10",
    ]);
    assert!(!life.runs(0));
    assert!(!life.lives());
}

#[test]
fn a_stop_without_limit_is_repeated() {
    let mut life = life(&[
        "start lrm",
        "tick 10",
        "fail job",
        "order 0 stopped",
        "tick 10",
    ]);
    assert!(!life.runs(0));
    life.go(&["tick 1"]);
    assert_eq!(life.published().results, []);
}

#[test]
fn a_fenced_node_stops_and_releases_at_once() {
    let mut life = running();
    life.go(&["order 1 started restarts 1", "tick 3", "order 0 fenced"]);
    assert!(life.is_held(), "something else runs");
    assert!(!life.runs(0));
    life.go(&["order 1 fenced"]);
    assert_eq!(life.grant(), Some(GrantState::ReleasedClean));
    life.go(&["tick 60"]);
    assert!(!life.is_held());
    assert!(!life.is_armed());
}

#[test]
fn what_is_ignored_is_forgotten_untouched() {
    let mut life = running();
    life.forget();
    life.go(&["order 0 ignored", "tick 60"]);
    assert_eq!(life.jobs(0), []);
    assert!(life.runs(0));
    assert_eq!(
        life.grant(),
        Some(GrantState::ReleasedClean),
        "nobody's concern"
    );
    assert!(!life.is_armed());
    life.go(&["order 0 started restarts 1", "tick 10"]);
    assert_eq!(life.jobs(0), [Job::Query], "adopted");
    assert_eq!(life.result(0), DONE);
}

#[test]
fn what_is_ignored_is_left_alone_by_a_new_process_before_it_has_read() {
    let mut life = running();
    life.go(&["order 0 ignored", "tick 60", "crash lrm"]);
    life.forget();
    life.go(&["lose read", "start lrm", "order 1 stopped", "tick 20"]);
    assert_eq!(life.jobs(0), []);
    assert!(life.runs(0));
}

#[test]
fn what_is_frozen_is_left_as_it_is() {
    let mut life = running();
    life.forget();
    life.go(&["order 0 untouched", "tick 60"]);
    assert_eq!(life.jobs(0), []);
    assert!(life.is_held(), "what runs is guarded");
    life.go(&["ends 0", "tick 5"]);
    assert_eq!(life.jobs(0), [Job::Query]);
    life.go(&["tick 60"]);
    assert!(!life.is_held(), "nothing runs any more");
}

#[test]
fn what_is_frozen_is_found_out_after_a_boot() {
    let life = life(&["order 0 untouched", "start lrm", "tick 2"]);
    assert_eq!(life.jobs(0), [Job::Query]);
    assert_eq!(
        life.mode(),
        Some(LrmMode::Active),
        "there is nothing to unfreeze"
    );
}

#[test]
fn what_is_frozen_is_stopped_while_the_lock_is_waited_for_only_if_it_runs() {
    for runs in [false, true] {
        let mut life = life(&["order 0 untouched"]);
        life.0.grant(NodeId(0), BootId(99), true);
        life.0.running.insert(S0, runs);
        life.go(&["start lrm"]);
        life.go(&["tick 3"]);
        let expected: &[Job] = if runs {
            &[Job::Query, Job::Stop]
        } else {
            &[Job::Query]
        };
        assert_eq!(life.jobs(0), expected);
    }
}

#[test]
fn a_restart_freezes_until_the_grant_is_guarded_again() {
    let mut life = running();
    life.go(&["leave restart"]);
    assert!(!life.lives());
    assert_eq!(life.left(), [S0]);
    life.forget();
    life.go(&["order 0 untouched", "hold write", "start lrm"]);
    assert_eq!(life.mode(), Some(LrmMode::Restart));
    life.go(&["answer"]);
    assert_eq!(life.grant(), Some(GrantState::HeldGuarded));
    assert_eq!(life.mode(), Some(LrmMode::Active));
    life.go(&["tick 5"]);
    assert_eq!(life.jobs(0), [Job::Query]);
    assert!(life.runs(0));
}

#[test]
fn the_ways_to_leave_have_their_modes() {
    for (way, mode) in [
        ("restart", LrmMode::Restart),
        ("freeze", LrmMode::Restart),
        ("stop", LrmMode::Shutdown),
        ("migrate", LrmMode::Maintenance),
    ] {
        let mut life = running();
        life.go(&["hold job", "order 1 started", &format!("leave {way}")]);
        assert_eq!(life.mode(), Some(mode), "{way}");
    }
}

#[test]
fn stop_and_freeze_stops_and_releases_clean() {
    let mut life = running();
    life.go(&["leave freeze", "tick 2"]);
    assert!(!life.lives());
    assert!(!life.runs(0));
    assert_eq!(life.grant(), Some(GrantState::ReleasedClean));
}

#[test]
fn leaving_by_migration_ends_when_nothing_is_left() {
    let mut life = running();
    life.go(&["peer guarded", "leave migrate", "tick 40"]);
    assert!(life.lives());
    assert!(life.runs(0));
    assert_eq!(life.published().state, Some(LrmState::Maintenance));
    life.go(&["order 0 live to 1", "tick 2"]);
    assert_eq!(life.0.location(S0), THERE);
    assert!(!life.lives());
    assert_eq!(life.grant(), Some(GrantState::ReleasedClean));
}

#[test]
fn maintenance_lets_go_at_once_when_nothing_is_left() {
    let mut life = running();
    life.go(&["peer guarded", "ask maintenance", "tick 5"]);
    assert_eq!(life.mode(), Some(LrmMode::Maintenance));
    assert_eq!(life.published().state, Some(LrmState::Maintenance));
    assert!(life.runs(0));
    life.go(&["order 0 cold to 1", "tick 1"]);
    assert_eq!(life.grant(), Some(GrantState::ReleasedClean));
    assert_eq!(life.mode(), Some(LrmMode::Maintenance));
    life.go(&["ask nothing"]);
    assert_eq!(life.mode(), Some(LrmMode::Active));
}

#[test]
fn disarming_leaves_services_and_arming_adopts_them() {
    let mut life = running();
    life.go(&["order 0 untouched", "hold write", "ask disarm"]);
    assert_eq!(life.left(), [S0]);
    assert!(life.is_armed(), "the release isn't confirmed");
    assert_ne!(life.mode(), Some(LrmMode::Disarm));
    life.forget();
    life.go(&["answer", "tick 1"]);
    assert!(!life.is_armed());
    assert_eq!(life.mode(), Some(LrmMode::Disarm));
    life.go(&["tick 60"]);
    assert_eq!(life.left(), [S0], "it isn't taken again");
    life.go(&["crash lrm", "start lrm", "tick 60"]);
    assert_eq!(life.mode(), Some(LrmMode::Disarm), "nor by another process");
    assert_eq!(life.jobs(0), []);
    assert!(life.runs(0));
    life.go(&["hold device", "ask nothing"]);
    assert_eq!(life.mode(), Some(LrmMode::Restart), "not guarded yet");
    life.go(&["answer", "tick 1"]);
    assert_eq!(life.grant(), Some(GrantState::HeldGuarded));
    assert_eq!(life.mode(), Some(LrmMode::Active));
    assert_eq!(life.jobs(0), [Job::Query]);
    assert!(life.runs(0));
}

#[test]
fn disarming_waits_for_what_is_under_way() {
    let mut life = running();
    life.go(&[
        "peer guarded",
        "hold job",
        "order 0 live to 1",
        "ask disarm",
        "tick 2",
    ]);
    assert!(life.is_held());
    life.go(&["answer", "tick 1"]);
    assert_eq!(life.0.location(S0), THERE);
    assert_eq!(life.grant(), Some(GrantState::ReleasedClean));
    assert_eq!(life.mode(), Some(LrmMode::Disarm));
}

#[test]
fn there_are_only_so_many_workers() {
    let lines: Vec<String> = (0..7)
        .map(|id| format!("order {id} started restarts 1"))
        .collect();
    let mut life = life(&[]);
    for line in &lines {
        life.go(&[line]);
    }
    life.0.hold_jobs = true;
    life.go(&["start lrm", "tick 2"]);
    let busy = |life: &Life| {
        (0..7)
            .filter(|id| !life.jobs(*id).is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(busy(&life), [0, 1, 2, 3]);
    life.go(&["answer"]);
    assert_eq!(
        busy(&life),
        [0, 1, 2, 3, 4],
        "who waited comes before who was served"
    );
    life.go(&["answer", "answer"]);
    assert_eq!(busy(&life), [0, 1, 2, 3, 4, 5, 6]);
    for _ in 0..20 {
        life.go(&["answer"]);
    }
    assert!((0..7).all(|id| life.runs(id)));
    life.forget();
    life.go(&["leave stop"]);
    assert_eq!(
        busy(&life),
        [0, 1, 2, 3, 4, 5, 6],
        "what has to end waits for nobody"
    );
}
