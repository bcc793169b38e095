//! The CRM on a store: who is master, what it writes, and what becomes of a dead node's services.

mod bench;
mod random;

use bench::Bench;
use lockstep_model::id::LockId;
use lockstep_model::placement::state::ServiceState;
use lockstep_model::record::{GrantState, Wanted};
use lockstep_model::time::Span;

fn seconds(seconds: u64) -> Span {
    Span(seconds * 1_000)
}

fn runs_on(bench: &Bench, id: lockstep_model::id::ServiceId, node: usize) -> bool {
    let service = bench.service(id);
    let managed = bench.managed(id);
    service.wanted == Wanted::Started
        && service.location.0 == u16::try_from(node).expect("it is there")
        && managed.is_some_and(|entry| entry.state == ServiceState::Started && entry.running)
}

#[test]
fn one_becomes_master_and_starts_what_is_wanted() {
    let mut bench = Bench::new(3);
    let one = bench.add("vm:1", 0);
    let two = bench.add("vm:2", 2);
    bench.until("both run", seconds(5), |bench| {
        runs_on(bench, one, 0) && runs_on(bench, two, 2)
    });
    bench.run(seconds(60));
    assert_eq!(bench.masters().len(), 1);
    let revision = bench.service(one).uid;
    bench.run(seconds(60));
    assert_eq!(bench.service(one).uid, revision, "nothing happens twice");
}

#[test]
fn a_command_is_carried_out_once() {
    let mut bench = Bench::new(3);
    let one = bench.add("vm:1", 0);
    bench.until("it runs", seconds(5), |bench| runs_on(bench, one, 0));
    bench.command("migrate vm:1 node2");
    bench.until("it runs there", seconds(5), |bench| runs_on(bench, one, 1));
    bench.run(seconds(30));
    assert!(runs_on(&bench, one, 1));
}

#[test]
fn what_was_written_without_an_answer_is_found() {
    let mut bench = Bench::new(3);
    let one = bench.add("vm:1", 0);
    bench.until("it runs", seconds(5), |bench| runs_on(bench, one, 0));
    bench.command("migrate vm:1 node3");
    bench.lose_answers = 3;
    bench.until("it runs there", seconds(10), |bench| runs_on(bench, one, 2));
    assert_eq!(bench.lose_answers, 0);
    assert!(bench.log.iter().any(|line| line.contains("no answer")));
}

#[test]
fn a_dead_nodes_services_go_elsewhere_under_its_lock() {
    let mut bench = Bench::new(3);
    let one = bench.add("vm:1", 2);
    bench.until("it runs", seconds(5), |bench| runs_on(bench, one, 2));
    let master = bench.masters()[0];
    assert_ne!(master, 2, "{:?}", bench.log);
    bench.nodes[2].lrm = false;
    bench.kill(2);
    let took = bench.until("it runs elsewhere", seconds(30), |bench| {
        runs_on(bench, one, 0) || runs_on(bench, one, 1)
    });
    // The last beat came up to a second before the node died.
    let ttl = bench.config.timing().lock_ttl;
    assert!(took + seconds(1) > ttl, "{took}");
    assert!(took < ttl + seconds(1), "{took}");
    bench.until("its lock is given back", seconds(5), |bench| {
        bench
            .grant_of(2)
            .is_some_and(|grant| grant.state == GrantState::ReleasedClean)
    });
}

#[test]
fn another_one_goes_on_where_a_master_ended() {
    let mut bench = Bench::new(3);
    let one = bench.add("vm:1", 1);
    bench.until("it runs", seconds(5), |bench| runs_on(bench, one, 1));
    let first = bench.masters()[0];
    bench.command("migrate vm:1 node3");
    bench.kill(first);
    let took = bench.until("it runs there", seconds(30), |bench| runs_on(bench, one, 2));
    assert!(took >= bench.config.timing().lock_ttl, "{took}");
    assert_eq!(bench.masters().len(), 1);
    assert_ne!(bench.masters()[0], first);
}

#[test]
fn a_deposed_master_changes_nothing_and_finds_out() {
    let mut bench = Bench::new(3);
    let one = bench.add("vm:1", 1);
    bench.until("it runs", seconds(5), |bench| runs_on(bench, one, 1));
    let first = bench.masters()[0];
    bench.nodes[first].reaches = false;
    bench.until("another one is master", seconds(30), |bench| {
        bench.masters().iter().any(|master| *master != first)
    });
    bench.nodes[first].reaches = true;
    bench.run(seconds(12));
    assert_eq!(bench.masters().len(), 1, "{:?}", bench.log);
    assert!(!bench.masters().contains(&first));
}

#[test]
fn a_master_whose_own_lrm_is_gone_resigns() {
    let mut bench = Bench::new(3);
    let one = bench.add("vm:1", 1);
    bench.until("it runs", seconds(5), |bench| runs_on(bench, one, 1));
    let first = bench.masters()[0];
    bench.nodes[first].lrm = false;
    bench.until("another one is master", seconds(20), |bench| {
        let masters = bench.masters();
        masters.len() == 1 && !masters.contains(&first)
    });
    let holder = bench
        .grant(LockId::Manager)
        .expect("it is there")
        .holder
        .node;
    assert_ne!(usize::from(holder.0), first);
}

#[test]
fn what_was_left_running_is_not_recovered() {
    let mut bench = Bench::new(3);
    let (one, two) = (bench.add("vm:1", 2), bench.add("vm:2", 2));
    bench.until("both run", seconds(5), |bench| {
        runs_on(bench, one, 2) && runs_on(bench, two, 2)
    });
    bench.leave_unguarded(2, &[one]);
    bench.nodes[2].lrm = false;
    bench.kill(2);
    bench.until("the other one runs elsewhere", seconds(30), |bench| {
        runs_on(bench, two, 0) || runs_on(bench, two, 1)
    });
    bench.run(seconds(60));
    assert_eq!(bench.service(one).location.0, 2);
    let state = bench.managed(one).map(|entry| entry.state);
    assert_eq!(state, Some(ServiceState::Recovery));
    assert!(bench.log.iter().any(|line| line.contains("may still run")));
}

#[test]
fn a_commit_too_large_for_one_write_is_written_in_parts() {
    let mut bench = Bench::new(3);
    let all: Vec<_> = (0..300)
        .map(|number| bench.add(&format!("vm:{}", 1_000 + number), number % 3))
        .collect();
    bench.until("all run", seconds(20), |bench| {
        (0..300).all(|number| runs_on(bench, all[number], number % 3))
    });
    assert!(bench.largest <= 128, "{} operations", bench.largest);
    assert!(bench.largest > 100, "{} operations", bench.largest);
}

#[test]
fn a_torn_commit_loses_no_command() {
    // The first part is written, the master dies before the next.
    for parts in 1..6 {
        let mut bench = Bench::new(3);
        let all: Vec<_> = (0..100)
            .map(|number| bench.add(&format!("vm:{}", 1_000 + number), 1))
            .collect();
        bench.until("all run", seconds(20), |bench| {
            all.iter().all(|id| runs_on(bench, *id, 1))
        });
        let first = bench.masters()[0];
        for number in 0..100 {
            bench.command(&format!("migrate vm:{} node3", 1_000 + number));
        }
        bench.die_after = Some((first, parts));
        bench.until("all run there", seconds(40), |bench| {
            all.iter().all(|id| runs_on(bench, *id, 2))
        });
        assert!(bench.die_after.is_none(), "it died after {parts} parts");
    }
}

#[test]
fn who_is_master_no_more_gives_back_the_locks_of_dead_nodes() {
    let mut bench = Bench::new(3);
    let one = bench.add("vm:1", 2);
    bench.nodes[2].lrm = false;
    bench.kill(2);
    let holder_of = |bench: &Bench| {
        let grant = bench.grant_of(2).filter(|grant| grant.state.is_held());
        grant.map(|grant| usize::from(grant.holder.node.0))
    };
    // No LRM has ever reported on the service: it waits, and the lock is kept.
    bench.until("the master holds the lock", seconds(60), |bench| {
        let state = bench.managed(one).map(|entry| entry.state);
        holder_of(bench).is_some() && state == Some(ServiceState::Recovery)
    });
    let first = bench.masters()[0];
    bench.nodes[first].lrm = false;
    bench.until("the next one holds it", seconds(30), |bench| {
        holder_of(bench) == bench.masters().first().copied() && holder_of(bench) != Some(first)
    });
}

#[test]
fn what_was_left_running_outlives_a_change_of_masters() {
    let mut bench = Bench::new(3);
    let (one, two) = (bench.add("vm:1", 2), bench.add("vm:2", 2));
    bench.until("both run", seconds(5), |bench| {
        runs_on(bench, one, 2) && runs_on(bench, two, 2)
    });
    bench.leave_unguarded(2, &[one]);
    bench.nodes[2].lrm = false;
    bench.kill(2);
    let holder_of = |bench: &Bench| {
        let grant = bench.grant_of(2).filter(|grant| grant.state.lists(one));
        grant.map(|grant| usize::from(grant.holder.node.0))
    };
    bench.until("the master holds the lock", seconds(60), |bench| {
        let state = bench.managed(one).map(|entry| entry.state);
        holder_of(bench) != Some(2) && state == Some(ServiceState::Recovery)
    });
    let first = bench.masters()[0];
    bench.nodes[first].lrm = false;
    bench.until("the next one holds it", seconds(40), |bench| {
        holder_of(bench) == bench.masters().first().copied() && holder_of(bench) != Some(first)
    });
}

#[test]
fn the_same_command_is_answered_each_time() {
    let mut bench = Bench::new(3);
    let one = bench.add("vm:1", 0);
    bench.until("it runs", seconds(5), |bench| runs_on(bench, one, 0));
    // The first one's answer is said, but whether it is written is not known when the next comes.
    bench.lose_answers = 1;
    bench.command("arm-ha");
    bench.settle();
    bench.command("arm-ha");
    bench.run(seconds(5));
    let lines = bench.log.iter();
    let answers = lines.filter(|line| line.contains("ignoring arm-ha"));
    assert_eq!(answers.count(), 2, "{:#?}", bench.log);
}

#[test]
fn a_round_that_is_due_waits_for_the_locks_answer_without_reading_again() {
    let mut bench = Bench::new(3);
    let one = bench.add("vm:1", 1);
    bench.until("it runs", seconds(5), |bench| runs_on(bench, one, 1));
    let first = bench.masters()[0];
    bench.kill(first);
    // What is asked of a lock is applied nowhere and has no answer; reads are answered.
    bench.drop_locks = true;
    let before = bench.reads;
    bench.run(seconds(60));
    let reads = bench.reads - before;
    // One for each answer that didn't come, and one for each look around.
    assert!(reads < 200, "{reads} reads");
    bench.drop_locks = false;
    bench.until("another one is master", seconds(20), |bench| {
        !bench.masters().is_empty()
    });
}

#[test]
fn a_service_that_was_added_elsewhere_unseen_is_followed() {
    let mut bench = Bench::new(3);
    let one = bench.add("vm:1", 0);
    bench.until("it runs", seconds(5), |bench| runs_on(bench, one, 0));
    bench.command("disarm-ha freeze");
    bench.run(seconds(15));
    bench.place(one, 1);
    bench.command("arm-ha");
    bench.until("it runs there", seconds(30), |bench| runs_on(bench, one, 1));
}
