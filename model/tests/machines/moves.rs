//! Moves that the manager orders: to another node, and here.

use lockstep_model::lrm::Job;
use lockstep_model::manager::status::ExitCode;
use lockstep_model::record::GrantState;

use crate::life::{DONE, FAILED, HERE, S0, SEND, THERE, life, running};

#[test]
fn a_live_move_sends_writes_and_destroys() {
    let mut life = running();
    life.go(&["peer guarded"]);
    life.forget();
    life.go(&["hold location", "order 0 live to 1"]);
    assert_eq!(life.jobs(0), [SEND]);
    assert!(life.is_paused(), "nothing is destroyed before it is known");
    assert_eq!(life.result(0), None);
    life.go(&["answer"]);
    assert_eq!(life.0.location(S0), THERE);
    assert_eq!(life.jobs(0), [SEND, Job::Stop]);
    assert!(!life.is_paused());
    assert_eq!(life.result(0), DONE);
    life.go(&["tick 20"]);
    assert_eq!(life.jobs(0), [SEND, Job::Stop]);
}

#[test]
fn a_move_of_what_runs_stops_it_first() {
    let mut life = running();
    life.go(&["peer guarded"]);
    life.forget();
    life.go(&["order 0 cold to 1", "tick 1"]);
    assert_eq!(life.jobs(0), [Job::Stop]);
    assert_eq!(life.0.location(S0), THERE);
    assert_eq!(life.result(0), DONE);
}

#[test]
fn a_move_before_a_start_moves_only_what_is_stopped() {
    let mut life = running();
    life.go(&["peer guarded", "order 0 before-start to 1", "tick 5"]);
    assert_eq!(life.result(0), Some(ExitCode::IGNORED));
    assert!(life.runs(0));
    life.go(&[
        "order 0 stopped restarts 0",
        "order 0 before-start to 1",
        "tick 5",
    ]);
    assert_eq!(life.result(0), DONE);
    assert_eq!(life.0.location(S0), THERE);
}

#[test]
fn a_live_move_of_what_is_stopped_moves_it_stopped() {
    let mut life = running();
    life.go(&["peer guarded", "order 0 stopped restarts 0"]);
    life.forget();
    life.go(&["order 0 live to 1", "tick 5"]);
    assert_eq!(life.result(0), DONE);
    assert_eq!(life.jobs(0), []);
}

#[test]
fn a_failed_send_ends_the_move_and_the_service_runs_on() {
    let mut life = running();
    life.go(&["peer guarded", "fail job", "order 0 live to 1", "tick 10"]);
    assert_eq!(life.result(0), FAILED);
    assert!(life.runs(0));
    assert_eq!(life.0.location(S0), HERE);
    life.forget();
    life.go(&["tick 20"]);
    assert_eq!(life.jobs(0), []);
}

#[test]
fn a_move_waits_for_its_target() {
    let mut life = running();
    life.forget();
    for kind in ["live", "cold"] {
        life.go(&[&format!("order 0 {kind} to 1"), "tick 10"]);
        assert_eq!(life.jobs(0), [], "{kind}");
        assert!(life.runs(0));
    }
    life.go(&["peer guarded", "tick 1"]);
    assert_eq!(life.0.location(S0), THERE);
    assert_eq!(life.result(0), DONE);
}

#[test]
fn what_was_sent_to_a_node_that_went_is_resumed_here() {
    let mut life = running();
    life.go(&["peer guarded", "hold job", "order 0 live to 1", "peer gone"]);
    life.forget();
    life.go(&["answer", "tick 1"]);
    assert_eq!(life.result(0), FAILED);
    assert!(life.runs(0));
    assert!(!life.is_paused());
    assert_eq!(life.location_writes(), 0);
}

#[test]
fn a_move_withdrawn_while_it_is_sent_is_resumed_here() {
    let mut life = running();
    life.go(&["peer guarded", "hold job", "order 0 live to 1"]);
    life.go(&["order 0 started restarts 1", "answer", "tick 1"]);
    assert!(life.runs(0));
    assert_eq!(life.result(0), DONE);
    assert_eq!(life.location_writes(), 0);
}

#[test]
fn what_was_sent_for_one_order_is_sent_anew_for_another() {
    let mut life = running();
    life.go(&[
        "peer guarded",
        "hold job",
        "order 0 live to 1",
        "order 0 live to 1",
    ]);
    life.forget();
    life.go(&["answer", "tick 2"]);
    assert_eq!(life.jobs(0), [Job::Start, SEND, Job::Stop]);
    assert_eq!(life.0.location(S0), THERE);
}

#[test]
fn a_move_without_an_answer_is_written_again() {
    let mut life = running();
    life.go(&["peer guarded"]);
    life.forget();
    life.go(&["lose location", "order 0 live to 1", "tick 10"]);
    assert_eq!(life.location_writes(), 2);
    assert_eq!(life.0.location(S0), THERE);
    assert_eq!(life.result(0), DONE);
    assert_eq!(life.starts(), 0);
}

#[test]
fn a_move_that_was_applied_without_an_answer_is_read() {
    let mut life = running();
    life.go(&["peer guarded", "hold location", "order 0 live to 1"]);
    life.forget();
    life.go(&["tick 10"]);
    assert_eq!(life.location_writes(), 0);
    assert_eq!(life.result(0), DONE);
    assert!(!life.is_paused());
    life.go(&["answer", "tick 5"]);
    assert_eq!(life.starts(), 0);
}

#[test]
fn a_move_that_is_applied_late_was_never_undone() {
    let mut life = running();
    life.go(&["peer guarded"]);
    life.forget();
    // Both the first and its repetition stay under way; the manager changes its mind too late.
    life.go(&[
        "delay location",
        "order 0 live to 1",
        "delay location",
        "tick 3",
    ]);
    assert!(life.is_paused());
    assert_eq!(life.location_writes(), 2);
    life.go(&["deliver", "tick 3"]);
    assert_eq!(life.0.location(S0), THERE);
    assert_eq!(life.result(0), DONE);
    life.go(&["deliver", "tick 10"]);
    assert_eq!(life.starts(), 0);
    assert!(!life.is_paused());
}

#[test]
fn a_move_overtaken_by_another_order_is_refuted_and_resumed() {
    let mut life = running();
    life.go(&["peer guarded", "delay location", "order 0 live to 1"]);
    life.forget();
    life.go(&["lose read", "order 0 started restarts 1"]);
    assert_eq!(life.starts(), 0, "nothing was read yet");
    life.go(&["tick 10"]);
    assert_eq!(life.starts(), 1);
    assert!(life.runs(0));
    life.go(&["deliver", "tick 5"]);
    assert_eq!(life.0.location(S0), HERE, "the late write is refused");
    assert!(life.runs(0));
}

#[test]
fn a_move_that_is_refused_is_read_and_written_again() {
    let mut life = running();
    life.go(&["peer guarded"]);
    life.forget();
    life.go(&["fail location", "order 0 cold to 1", "tick 5"]);
    assert_eq!(life.location_writes(), 2);
    assert_eq!(life.result(0), DONE);
}

#[test]
fn the_lock_is_kept_while_a_move_is_open() {
    let mut life = running();
    life.go(&[
        "peer guarded",
        "delay location",
        "order 0 cold to 1",
        "delay location",
    ]);
    life.go(&["leave stop", "tick 3"]);
    assert!(life.is_held());
    assert!(life.lives());
    life.go(&["deliver", "tick 10"]);
    assert_eq!(life.0.location(S0), THERE);
    assert!(!life.lives());
    assert_eq!(life.grant(), Some(GrantState::ReleasedClean));
}

#[test]
fn a_target_that_goes_after_the_write_changes_nothing() {
    let mut life = running();
    life.go(&["peer guarded", "delay location", "order 0 live to 1"]);
    life.forget();
    life.go(&["delay location", "peer gone", "tick 3"]);
    assert!(life.is_paused(), "it may belong to the other already");
    assert_eq!(life.starts(), 0);
    life.go(&["deliver", "tick 3"]);
    assert_eq!(life.0.location(S0), THERE);
    assert_eq!(life.result(0), DONE);
    assert_eq!(life.starts(), 0);
}

#[test]
fn what_was_read_before_a_move_brings_nothing_back() {
    let mut life = running();
    life.go(&["peer guarded", "hold job", "order 0 live to 1"]);
    // A read under way, a move that is applied, and a first try to destroy what is left.
    life.go(&["hold read", "order 1 stopped restarts 0", "fail job"]);
    life.forget();
    life.go(&["answer"]);
    assert_eq!(life.0.location(S0), THERE);
    life.go(&["hold read", "answer", "tick 1"]);
    assert_eq!(life.jobs(0), [Job::Stop, Job::Stop]);
    assert!(!life.is_paused());
}

#[test]
fn what_arrives_runs_here_once_it_belongs_here() {
    let mut life = life(&["order 0 stopped", "arrive 1 live 1", "start lrm", "tick 10"]);
    assert!(life.is_held(), "the lock is taken for what is to come");
    assert!(life.is_armed());
    assert_eq!(life.jobs(1), []);
    life.go(&["tick 60"]);
    assert!(life.is_held(), "and kept");
    life.go(&["arrive 1 live 0", "tick 3"]);
    assert!(life.runs(1));
    assert_eq!(life.published().results, [], "the source's to give");
}

#[test]
fn what_fails_to_go_on_here_has_used_up_a_start() {
    let mut life = life(&["order 0 stopped", "arrive 1 live 1", "start lrm", "tick 10"]);
    life.0.fail_starts = true;
    life.go(&["arrive 1 live 0", "tick 20"]);
    let starts = |life: &crate::life::Life| {
        let jobs = life.jobs(1);
        jobs.iter().filter(|job| **job == Job::Start).count()
    };
    assert_eq!(
        starts(&life),
        1,
        "what comes next is for the manager to say"
    );
    life.go(&["order 1 started restarts 1", "tick 40"]);
    assert_eq!(starts(&life), 2);
    assert_eq!(life.result(1), FAILED);
}

#[test]
fn what_arrives_stopped_is_left_so() {
    let mut life = life(&["arrive 0 cold 0", "start lrm", "tick 10"]);
    assert_eq!(life.jobs(0), [Job::Query]);
    assert!(!life.runs(0));
    life.go(&["order 0 started restarts 1", "tick 2"]);
    assert!(life.runs(0));
}

#[test]
fn what_comes_back_is_asked_for_anew() {
    let mut life = running();
    life.go(&["peer guarded", "order 0 cold to 1", "tick 5"]);
    assert_eq!(life.0.location(S0), THERE);
    // While it was elsewhere somebody has put it here, running.
    life.0.running.insert(S0, true);
    life.forget();
    life.go(&["arrive 0 cold 0", "order 0 stopped restarts 1", "tick 5"]);
    assert_eq!(life.jobs(0).first(), Some(&Job::Query));
    assert!(!life.runs(0));
    assert_eq!(life.result(0), DONE);
}
