//! Nodes as real processes: what the protocol promises, under faults at random moments.
//!
//! `LOCKSTEP_SEEDS=1..30` runs these seeds (both included) instead of the few that every run does,
//! in about 150 seconds; `LOCKSTEP_SEEDS=17` runs one. `LOCKSTEP_JOURNALS=DIRECTORY` keeps the
//! journals of all nodes, for `ha-checker replay`.

#![expect(clippy::print_stderr, reason = "a run is told as one line")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use lockstep_model::id::{BootId, MachineId};
use lockstep_model::lrm::Effect;
use lockstep_model::record::{GrantState, Unguarded, Wanted};
use lockstep_model::time::Span;
use lockstep_tests::fault::{Action, Fault, KINDS, Target};
use lockstep_tests::gate::Cut;
use lockstep_tests::node::{
    NODE_A, NODE_B, Node, Programs, SERVICE, config, sleep_until, wait_for,
};
use lockstep_tests::run::{run, run_any};
use lockstep_watchdog::clock;
use nix::sys::signal::Signal;

const PROGRAMS: Programs = Programs {
    device: env!("CARGO_BIN_EXE_node-device"),
    mux: env!("CARGO_BIN_EXE_node-mux"),
    lrm: env!("CARGO_BIN_EXE_node-lrm"),
    service: env!("CARGO_BIN_EXE_node-service"),
};

/// What every run does: each kind of fault, undone early, late and never; in about 50 seconds.
const SEEDS: &str = "1..11,65,85";

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
    numbers(&text)
}

fn numbers(text: &str) -> Vec<u64> {
    let range = |range: &str| {
        let (first, last) = range.split_once("..").unwrap_or((range, range));
        let number = |text: &str| {
            text.parse::<u64>()
                .expect("LOCKSTEP_SEEDS has numbers and FIRST..LAST, with commas between them")
        };
        number(first)..=number(last)
    };
    text.split(',').flat_map(range).collect()
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
    let faults: Vec<Fault> = numbers(SEEDS).into_iter().map(Fault::of_seed).collect();
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
    // Requests that arrive after the take.
    let is_late =
        |one: &Fault| one.action == Action::Cut(Cut::Delayed) && one.undone_after_ms > Some(6_000);
    assert!(faults.iter().any(is_late), "{faults:?}");
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
    assert_eq!(node.grant().state, GrantState::ReleasedRunning(list));
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
    let mode = fs::metadata(node.path("mux")).expect("the multiplexer listens");
    assert_eq!(
        mode.permissions().mode() & 0o077,
        0,
        "nobody else may connect"
    );
    // Ignored while it is armed.
    node.signal_mux(Signal::SIGTERM);
    node.signal_mux(Signal::SIGHUP);
    writes_on(&node);

    node.signal_lrm(Signal::SIGTERM);
    assert!(node.lrm_ends().success(), "{}", node.log());
    assert_eq!(node.grant().state, GrantState::ReleasedClean);
    assert!(!node.is_armed(), "{}", node.log());
    let written = node.stamps().len();
    node.signal_mux(Signal::SIGTERM);
    assert!(node.mux_ends().success(), "{}", node.log());
    assert_eq!(node.stamps().len(), written);
    assert_eq!(node.device_said("fired"), None);
    assert!(node.replay() > 0);
}

/// From D − kill budget on the LRM kills by name what hasn't stopped.
#[test]
fn a_service_that_ignores_its_stop_command_is_killed_before_the_deadline() {
    let _machine = machine();
    let node = Node::begin_with(PROGRAMS, "stubborn", &["service", "stubborn"]);
    let contender = node.contender();
    contender.contend();
    node.cut(Some(Cut::Requests));
    let taken = wait_for("the take", || contender.taken());
    let is_kill = |effect: &Effect| matches!(effect, Effect::KillServices(_));
    assert!(node.lrm_wanted(is_kill), "{}", node.log());
    let last = node.stamps().last().expect("the service has written").at;
    let deadline = node.last_deadline().expect("the node was guarded");
    assert!(
        last < deadline && deadline < taken,
        "{last:?}, {deadline:?}, {taken:?}"
    );
    drop(contender);
    node.signal_all(Signal::SIGKILL);
    assert!(node.replay() > 0);
}

#[test]
fn a_launcher_that_dies_is_told_and_its_service_starts_once_it_can() {
    let _machine = machine();
    let mut node = Node::prepare(PROGRAMS, "launcher", "program", &["service"]);
    node.begin_mux();
    node.begin_lrm();
    wait_for("the launcher's complaint", || {
        let line = format!(
            "failed to launch {}: No such file",
            node.path("program").display()
        );
        node.log().contains(&line).then_some(())
    });
    node.wait_for_grant(&GrantState::HeldGuarded);
    assert_eq!(node.stamps(), []);
    symlink(PROGRAMS.service, node.path("program")).expect("the program is there now");
    node.wait_for_service();
    node.signal_lrm(Signal::SIGHUP);
    assert!(node.lrm_ends().success(), "{}", node.log());
    assert_eq!(node.grant().state, GrantState::ReleasedClean);
    assert!(!node.is_armed(), "{}", node.log());
    assert!(node.replay() > 0);
}

/// A new boot knows nothing of the former one's lock: it waits for as long as anybody else.
#[test]
fn a_node_that_was_reset_waits_for_its_lock_in_the_new_boot() {
    let _machine = machine();
    let mut node = Node::begin(PROGRAMS, "reboot");
    let former = writer(&node);
    node.signal_lrm(Signal::SIGKILL);
    let reset = wait_for("the reset", || node.device_said("dead"));
    let booted = clock::now();
    // A crash may leave anything behind.
    fs::write(node.path("state/intents/1"), "{").expect("the intent is written");
    node.boot_again();
    let boot = wait_for("the new boot's grant", || {
        let grant = node.grant();
        (grant.holder.boot != BootId(1)).then_some(grant.holder.boot)
    });
    assert_eq!(boot, BootId(2));
    let waited = clock::now().since(booted);
    let ttl = config().timing().lock_ttl;
    assert!(
        waited >= ttl,
        "it took its lock after {waited:?}; expected {ttl:?} at least"
    );
    wait_for("the service's first write in the new boot", || {
        let last = node.stamps().pop()?;
        (last.writer != former).then_some(())
    });
    assert_eq!(node.device_said("dead"), Some(reset));
    let told = node.log().contains("failed to read the intent");
    assert!(told, "{}", node.log());
    node.signal_all(Signal::SIGKILL);
    assert!(node.replay() > 0);
}

#[test]
fn a_node_whose_lock_was_taken_waits_until_it_is_given_back() {
    let _machine = machine();
    let mut node = Node::begin(PROGRAMS, "taken");
    let contender = node.contender();
    contender.contend();
    node.signal_all(Signal::SIGKILL);
    wait_for("the take", || contender.taken());
    node.boot_again();
    // Longer than any lock lasts by itself.
    thread::sleep(Duration::from_millis(7_500));
    assert_eq!(node.grant().holder.boot, BootId(2), "node B's");
    assert_eq!(node.grant().holder.node, NODE_B);
    contender.let_go();
    wait_for("the release", || {
        (node.grant().state == GrantState::ReleasedClean).then_some(())
    });
    // The service was moved away, and without one node A needs no lock.
    node.want(Wanted::Started);
    wait_for("node A's own grant", || {
        (node.grant().holder.node == NODE_A).then_some(())
    });
    drop(contender);
    node.signal_all(Signal::SIGKILL);
    assert!(node.replay() > 0);
}
