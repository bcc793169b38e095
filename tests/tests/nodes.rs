//! Nodes as real processes: what the protocol promises, under faults at random moments.
//!
//! `LOCKSTEP_SEEDS=1..30` runs these seeds (both included) instead of the few that every run does,
//! in about 150 seconds; `LOCKSTEP_SEEDS=17` runs one. `LOCKSTEP_JOURNALS=DIRECTORY` keeps the
//! journals of all nodes, for `ha-checker replay`.

#![expect(clippy::print_stderr, reason = "a run is told as one line")]

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use lockstep_model::id::{BootId, MachineId};
use lockstep_model::record::{GrantState, Unguarded};
use lockstep_model::time::Span;
use lockstep_tests::fault::{Action, Fault, KINDS, Target};
use lockstep_tests::node::{Node, Programs, SERVICE, config, sleep_until, wait_for};
use lockstep_tests::run::{run, run_any};
use nix::sys::signal::Signal;

const PROGRAMS: Programs = Programs {
    device: env!("CARGO_BIN_EXE_node-device"),
    mux: env!("CARGO_BIN_EXE_node-mux"),
    lrm: env!("CARGO_BIN_EXE_node-lrm"),
    service: env!("CARGO_BIN_EXE_node-service"),
};

/// What every run does: each kind of fault, undone early, late and never; in about 50 seconds.
const SEEDS: &str = "1..11";

/// How many nodes run at a time.
const PARALLEL: usize = 3;

/// One test at a time: the nodes of one are load enough for a small machine.
static MACHINE: Mutex<()> = Mutex::new(());

fn machine() -> std::sync::MutexGuard<'static, ()> {
    MACHINE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn seeds() -> Vec<u64> {
    let text = std::env::var("LOCKSTEP_SEEDS").unwrap_or_else(|_| SEEDS.to_owned());
    let (first, last) = text.split_once("..").unwrap_or((&text, &text));
    let number = |text: &str| {
        text.parse()
            .expect("LOCKSTEP_SEEDS is FIRST..LAST or one number")
    };
    (number(first)..=number(last)).collect()
}

/// Runs one seed and returns what is wrong, with how to run it again.
fn check_seed(seed: u64) -> Option<String> {
    let fault = Fault::of_seed(seed);
    let (outcome, node) = run(PROGRAMS, &format!("seed{seed}"), &fault);
    let line = format!("seed {seed:>3}  {outcome}  {fault:?}");
    eprintln!("{line}");
    (!outcome.wrong.is_empty()).then(|| {
        format!(
            "{line}\n{}\nagain: LOCKSTEP_SEEDS={seed} cargo test -p lockstep-tests --test nodes faults",
            node.log()
        )
    })
}

#[test]
fn faults_never_overlap_the_service_with_a_take() {
    let _machine = machine();
    let waiting = Mutex::new(seeds().into_iter());
    let next = || waiting.lock().unwrap().next();
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while let Some(seed) = next() {
                    let found = check_seed(seed);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The same harness must see what a broken multiplexer does.
fn check_broken(mux: &'static str, name: &str, fault: &Fault) {
    let _machine = machine();
    let (outcome, node) = run_any(Programs { mux, ..PROGRAMS }, name, fault);
    eprintln!("{name}: {outcome}");
    let overlap = outcome.margin_ms().is_some_and(|margin| margin < 0);
    assert!(
        overlap,
        "nobody saw that it is broken: {outcome}\n{}",
        node.log()
    );
    assert!(!outcome.wrong.is_empty());
}

const LRM_DIES: Fault = Fault {
    action: Action::Kill,
    target: Target::Lrm,
    after_ms: 500,
    undone_after_ms: None,
};

#[test]
fn a_multiplexer_that_feeds_past_the_deadline_is_found_out() {
    let mux = env!("CARGO_BIN_EXE_broken-mux-feeds-on");
    check_broken(mux, "feeds-on", &LRM_DIES);
}

#[test]
fn a_multiplexer_that_forgets_a_client_is_found_out() {
    let mux = env!("CARGO_BIN_EXE_broken-mux-forgets");
    check_broken(mux, "forgets", &LRM_DIES);
}

/// The LRM dies, the multiplexer is stopped right before D, and killed well after it. Returns how
/// long after D the node was reset, in milliseconds.
fn reset_after_a_stop_across_the_deadline(mux: &'static str, name: &str) -> u64 {
    let node = Node::begin(Programs { mux, ..PROGRAMS }, name);
    node.signal_lrm(Signal::SIGKILL);
    // What it had still asked for is in the journal by then.
    thread::sleep(Duration::from_millis(300));
    let deadline = node.last_deadline().expect("the node was guarded");
    let pinged_last = deadline.minus(Span(100));
    sleep_until(pinged_last);
    node.signal_mux(Signal::SIGSTOP);
    // Before the device fires for what was pinged until then.
    sleep_until(deadline + Span(1_000));
    node.signal_mux(Signal::SIGKILL);
    let fired = wait_for("the reset", || node.device_said("fired"));
    let after = fired.0.saturating_sub(deadline.0);
    eprintln!("{name}: reset-D {after}");
    after
}

#[test]
fn the_kill_timer_ends_a_multiplexer_that_is_stopped_across_the_deadline() {
    let _machine = machine();
    let latest = config().timing().reset_max.0;
    let after = reset_after_a_stop_across_the_deadline(PROGRAMS.mux, "timer");
    assert!(after <= latest, "D + {after} ms; expected {latest} at most");
}

#[test]
fn a_multiplexer_without_a_kill_timer_is_found_out() {
    let _machine = machine();
    let mux = env!("CARGO_BIN_EXE_broken-mux-without-timer");
    let latest = config().timing().reset_max.0;
    let after = reset_after_a_stop_across_the_deadline(mux, "no-timer");
    assert!(
        after > latest,
        "nobody saw that it is broken: D + {after} ms"
    );
}

#[test]
fn every_kind_of_fault_is_among_what_every_run_does() {
    let (first, last) = SEEDS.split_once("..").expect("a range");
    let range = first.parse::<u64>().unwrap()..=last.parse().unwrap();
    let faults: Vec<Fault> = range.map(Fault::of_seed).collect();
    for kind in KINDS {
        let is_there = faults.iter().any(|one| (one.action, one.target) == kind);
        assert!(is_there, "{kind:?}");
    }
    let undone = |least: u64, most: u64| {
        let is_undone = |ms: u64| least <= ms && ms <= most;
        faults
            .iter()
            .any(|one| one.undone_after_ms.is_some_and(is_undone))
    };
    assert!(
        undone(0, 600) && undone(601, 6_000) && undone(6_001, 8_000),
        "{faults:?}"
    );
    assert!(faults.iter().any(|one| one.undone_after_ms.is_none()));
}

/// The one process that has written the service's file.
fn writer(node: &Node) -> String {
    let stamps = node.stamps();
    let first = stamps
        .first()
        .expect("the service has written")
        .writer
        .clone();
    assert!(stamps.iter().all(|stamp| stamp.writer == first));
    first
}

fn writes_on(node: &Node) {
    let seen = node.stamps().len();
    wait_for("another write of the service", || {
        (node.stamps().len() > seen + 2).then_some(())
    });
}

#[test]
fn a_restarted_lrm_finds_its_service_running() {
    let _machine = machine();
    let mut node = Node::begin(PROGRAMS, "restart");
    let contender = node.contender();
    contender.contend();
    let service = writer(&node);

    node.signal_lrm(Signal::SIGUSR1);
    assert!(node.lrm_ends().success(), "{}", node.log());
    let list = Unguarded {
        machine: MachineId(1),
        boot: BootId(1),
        services: vec![SERVICE],
    };
    assert_eq!(node.grant().0, GrantState::ReleasedRunning(list));
    assert!(!node.is_armed(), "{}", node.log());
    // Longer than any lock lasts.
    thread::sleep(Duration::from_millis(7_500));
    assert_eq!(contender.taken(), None);
    writes_on(&node);

    node.begin_lrm();
    node.wait_for_grant(&GrantState::HeldGuarded);
    assert!(node.is_armed());
    writes_on(&node);
    assert_eq!(writer(&node), service);
    assert_eq!(node.device_said("fired"), None);
    drop(contender);
    node.signal_all(Signal::SIGKILL);
    assert!(node.replay() > 0);
}

#[test]
fn an_lrm_that_ends_leaves_nothing_behind() {
    let _machine = machine();
    let mut node = Node::begin(PROGRAMS, "stop");
    // Ignored while it is armed.
    node.signal_mux(Signal::SIGTERM);
    node.signal_mux(Signal::SIGHUP);
    writes_on(&node);

    node.signal_lrm(Signal::SIGTERM);
    assert!(node.lrm_ends().success(), "{}", node.log());
    assert_eq!(node.grant().0, GrantState::ReleasedClean);
    assert!(!node.is_armed(), "{}", node.log());
    let written = node.stamps().len();
    node.signal_mux(Signal::SIGTERM);
    assert!(node.mux_ends().success(), "{}", node.log());
    assert_eq!(node.stamps().len(), written);
    assert_eq!(node.device_said("fired"), None);
    assert!(node.replay() > 0);
}
