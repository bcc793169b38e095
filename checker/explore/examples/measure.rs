//! The search beside stateright's own BFS: the lease model, and every quick configuration that holds.
//!
//! `cargo run --release -p lockstep-explore --example measure [--runs N] [NAME…]`
//!
//! Each run is a process of its own, so that its processor time and its memory are nobody else's.
//! A name is that of a configuration, or `lease`; without one, all are measured. A number is the
//! median of the runs (five unless said otherwise).

#![expect(clippy::print_stdout, reason = "a program for people")]
#![expect(
    clippy::disallowed_types,
    reason = "nothing of the protocol is measured here"
)]

use std::env;
use std::fs;
use std::process::Command;
use std::time::Instant;

use lockstep_explore::cluster::Cluster;
use lockstep_explore::configuration::{self, Configuration, Expectation, Tier};
use lockstep_explore::lease::Lease;
use lockstep_explore::search::{Checked, Options, StopAt, search};
use stateright::Checker;

/// As in `ha-checker`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The lease model's name among the configurations'.
const LEASE: &str = "lease";

/// Of larger spaces stateright's tables take too much of a small machine.
const STATES_MAX: u64 = 8_000_000;

/// One run, as it comes out of its process.
#[derive(Clone, Copy)]
struct Measured {
    states: u64,
    generated: u64,
    wall_seconds: f64,
    processor_seconds: f64,
    /// What the process took at most, less what it took before.
    bytes: f64,
    /// What the search says that it keeps by state.
    kept: f64,
}

fn main() {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--one") {
        return one(&arguments[1..]);
    }
    let mut runs = 5;
    if arguments.first().is_some_and(|first| first == "--runs") {
        runs = arguments[1].parse().expect("a number of runs");
        arguments.drain(..2);
    }
    let quick =
        |one: &Configuration| one.tier == Tier::Quick && one.expectation == Expectation::Holds;
    let names = configuration::all().into_iter().filter(quick);
    let names: Vec<String> = [LEASE.to_owned()]
        .into_iter()
        .chain(names.map(|one| one.name))
        .collect();
    println!(
        "| model | states | k/CPU-s | stateright's | times | B/state | in all | stateright's | two threads |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let chosen = |name: &&String| arguments.is_empty() || arguments.contains(name);
    let mut sums = [0.0; 3];
    for name in names.iter().filter(chosen) {
        let row = row(name, runs);
        if let Some([states, ours, theirs]) = row {
            sums = [sums[0] + states, sums[1] + ours, sums[2] + theirs];
        }
    }
    let [states, ours, theirs] = sums;
    println!(
        "together {states:.0} states: {ours:.1} CPU-s, stateright {theirs:.1}, {:.2} times",
        theirs / ours.max(1e-9)
    );
}

/// Measures one model and prints its row: its states and the processor seconds of both.
fn row(name: &str, runs: usize) -> Option<[f64; 3]> {
    let ours = median(name, "ours", 1, runs);
    if ours.states > STATES_MAX {
        println!(
            "| {name} | {} | too many for a second opinion |",
            ours.states
        );
        return None;
    }
    let theirs = median(name, "theirs", 1, runs);
    assert_eq!(
        (ours.states, ours.generated),
        (theirs.states, theirs.generated)
    );
    let two = median(name, "ours", 2, runs);
    let states = ours.states as f64;
    let rate = |run: &Measured| states / run.processor_seconds.max(0.01) / 1e3;
    println!(
        "| {name} | {} | {:.0} | {:.0} | {:.2} | {:.1} | {:.0} | {:.0} | {:.2} |",
        ours.states,
        rate(&ours),
        rate(&theirs),
        rate(&ours) / rate(&theirs),
        ours.kept,
        ours.bytes / states,
        theirs.bytes / states,
        ours.wall_seconds / two.wall_seconds,
    );
    Some([states, ours.processor_seconds, theirs.processor_seconds])
}

/// The run of median processor time.
fn median(name: &str, whose: &str, threads: usize, runs: usize) -> Measured {
    let program = env::current_exe().expect("this program");
    let mut measured: Vec<Measured> = (0..runs.max(1))
        .map(|_| {
            let mut command = Command::new(&program);
            let arguments = ["--one", name, whose, &threads.to_string()];
            let ended = command.args(arguments).output().expect("a process");
            let text = String::from_utf8_lossy(&ended.stdout);
            assert!(ended.status.success(), "{name}, {whose}: {text}");
            let numbers: Vec<f64> = text
                .split_whitespace()
                .map(|number| number.parse().expect("a number"))
                .collect();
            Measured {
                states: numbers[0] as u64,
                generated: numbers[1] as u64,
                wall_seconds: numbers[2],
                processor_seconds: numbers[3],
                bytes: numbers[4],
                kept: numbers[5],
            }
        })
        .collect();
    let time = |run: &Measured| match threads {
        1 => run.processor_seconds,
        _ => run.wall_seconds,
    };
    measured.sort_by(|a, b| time(a).total_cmp(&time(b)));
    measured[measured.len() / 2]
}

/// One run in this process; prints its numbers.
fn one(arguments: &[String]) {
    let [name, whose, threads] = arguments else {
        panic!("--one NAME ours|theirs THREADS");
    };
    let threads = threads.parse().expect("a number of threads");
    if name == LEASE {
        return run(Lease::large(), whose, threads);
    }
    let configuration = configuration::named(name).expect("a configuration's name");
    run(Cluster::new(configuration.setup), whose, threads);
}

fn run<M>(model: M, whose: &str, threads: usize)
where
    M: Checked + Send + Sync + 'static,
    M::State: Send + Sync + Clone + std::fmt::Debug + PartialEq,
    M::Action: Send + Sync + Clone + std::fmt::Debug + PartialEq,
{
    let (before, spent) = (memory("VmRSS:"), processor_seconds());
    let began = Instant::now();
    let (states, generated, kept) = if whose == "ours" {
        let options = Options {
            threads,
            stop_at: StopAt::Closure,
            ..Options::default()
        };
        let report = search(&model, &options, |_| ());
        assert!(report.closed, "the whole space");
        (report.states, report.generated(), report.bytes_per_state)
    } else {
        let checker = model.checker().threads(threads).spawn_bfs().join();
        (
            checker.unique_state_count() as u64,
            checker.state_count() as u64,
            0.0,
        )
    };
    let wall = began.elapsed().as_secs_f64();
    let spent = processor_seconds() - spent;
    let bytes = memory("VmHWM:") - before;
    println!("{states} {generated} {wall} {spent} {bytes} {kept}");
}

/// A number of bytes that the kernel tells of this process.
fn memory(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    let kibibytes: f64 = number.expect("a number").parse().expect("a number");
    kibibytes * 1024.0
}

/// The processor time of all threads of this process so far. The kernel counts it in hundredths.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    // The program's name may contain anything, but is in brackets.
    let (_, rest) = stat.rsplit_once(')').expect("the name");
    let number = |place: usize| -> f64 {
        let text = rest.split_whitespace().nth(place).expect("a number");
        text.parse().expect("a number")
    };
    (number(11) + number(12)) / 100.0
}
