//! How fast the search is, beside stateright's own: the lease model at full size.
//!
//! `cargo run --release -p lockstep-explore --example lease [THREADS]`

#![expect(clippy::print_stdout, reason = "a program for people")]
#![expect(
    clippy::disallowed_types,
    reason = "nothing of the protocol is measured here"
)]

use std::env;
use std::time::Instant;

use lockstep_explore::lease::Lease;
use lockstep_explore::search::{Options, search};
use stateright::{Checker, Model};

fn main() {
    let threads: usize = env::args()
        .nth(1)
        .and_then(|argument| argument.parse().ok())
        .unwrap_or(1);
    let began = Instant::now();
    let options = Options {
        threads,
        ..Options::default()
    };
    let report = search(&Lease::large(), &options, |_| ());
    say("this search", report.states, report.generated(), began);
    println!("    {:.1} bytes a state", report.bytes_per_state);
    let began = Instant::now();
    let checker = Lease::large().checker().threads(threads).spawn_bfs().join();
    let (unique, generated) = (checker.unique_state_count(), checker.state_count());
    say("stateright", unique as u64, generated as u64, began);
}

fn say(whose: &str, states: u64, generated: u64, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    let rate = states as f64 / seconds;
    println!("{whose}: {states} states, {generated} generated, {seconds:.2} s, {rate:.0} states/s");
}
