//! Lossless tree compression tried: what a set of visited worlds takes as a tree of numbers.
//!
//! `cargo run --release -p lockstep-explore --example tree NAME…`
//!
//! A world is a vector of the numbers of its parts. A tree database (Laarman, van de Pol, Weber 2011)
//! folds the vector in halves, keeps each pair of numbers once and knows a world by the number of its
//! last pair. Vectors that differ in one place share all pairs but those on the way to it, so that, at
//! best, a world adds one pair: 8 bytes, or fewer where the pair's place in the table says a part of
//! it (Laarman 2019, "Compact Tree"; reckoned here, not built). The same space is then searched as
//! `ha-checker check` does, by fingerprints.

#![expect(clippy::print_stdout, reason = "a program for people")]
#![expect(
    clippy::disallowed_types,
    reason = "nothing of the protocol is measured here"
)]

use std::collections::HashMap;
use std::env;
use std::time::Instant;

use lockstep_explore::cluster::Cluster;
use lockstep_explore::configuration;
use lockstep_explore::search::{Checked, Options, Packing, StopAt, read_varint, search};
use stateright::Model;

/// As in `ha-checker`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Pairs of numbers, each with a number of its own. Worlds and what they consist of are kept apart:
/// of the one a search has as many as there are states, of the other far fewer.
#[derive(Default)]
struct Tree {
    inner: HashMap<(u32, u32), u32>,
    roots: HashMap<(u32, u32), u32>,
}

fn number_of(pairs: &mut HashMap<(u32, u32), u32>, pair: (u32, u32)) -> (u32, bool) {
    let next = u32::try_from(pairs.len()).expect("memory ends before the numbers do");
    let number = *pairs.entry(pair).or_insert(next);
    (number, number == next)
}

impl Tree {
    fn fold(&mut self, numbers: &[u32]) -> u32 {
        if let [number] = numbers {
            return *number;
        }
        let (left, right) = numbers.split_at(numbers.len() / 2);
        let pair = (self.fold(left), self.fold(right));
        number_of(&mut self.inner, pair).0
    }

    /// Adds a vector. Whether it is new.
    fn insert(&mut self, numbers: &[u32]) -> bool {
        // Vectors of two lengths can't be told apart by their halves' numbers: the length goes first.
        let length = u32::try_from(numbers.len()).expect("a short vector");
        let (left, right) = numbers.split_at(numbers.len() / 2);
        let left = (length, self.fold(left));
        let left = number_of(&mut self.inner, left).0;
        let right = self.fold(right);
        number_of(&mut self.roots, (left, right)).1
    }

    /// Bytes a world if each pair takes 8, in tables that are 92 % full.
    fn plain(&self) -> f64 {
        let pairs = self.inner.len() + self.roots.len();
        8.0 * pairs as f64 / 0.92 / self.roots.len() as f64
    }

    /// Bytes a world if a root keeps of its pair only what its place doesn't say, and three bits to
    /// find it.
    fn compact(&self) -> f64 {
        let roots = self.roots.len() as f64;
        let inner = self.inner.len() as f64;
        let slots = roots / 0.92;
        let bits = 2.0 * inner.log2() - slots.log2() + 3.0;
        (bits / 8.0 * slots + 8.0 * inner / 0.92) / roots
    }
}

/// Takes the numbers off a packed world.
fn numbers(mut packed: &[u8]) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Some(number) = read_varint(&mut packed) {
        numbers.push(u32::try_from(number).expect("a part's number"));
    }
    numbers
}

fn main() {
    println!(
        "| model | states | parts a state | pairs below roots | B/state, plain | compact | k/s | by \
         fingerprint: B/state | k/s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for name in env::args().skip(1) {
        let configuration = configuration::named(&name).expect("a configuration's name");
        row(&name, &Cluster::new(configuration.setup));
    }
}

fn row(name: &str, model: &Cluster) {
    let packing = Packing::new(model.encoding().expect("worlds can be packed"));
    let mut packer = packing.packer();
    let mut tree = Tree::default();
    let began = Instant::now();
    let (mut level, mut parts) = (Vec::new(), 0);
    for world in model.init_states() {
        let packed = packer.encode(&world);
        tree.insert(&numbers(&packed));
        level.push(packed);
    }
    let mut successors = Vec::new();
    while !level.is_empty() {
        let mut next = Vec::new();
        for packed in &level {
            let world = packer.decode(packed);
            model.successors(&world, &mut successors);
            for (_, to) in successors.drain(..) {
                let packed = packer.encode(&to);
                let vector = numbers(&packed);
                if tree.insert(&vector) {
                    parts += vector.len();
                    next.push(packed);
                }
            }
        }
        level = next;
    }
    let seconds = began.elapsed().as_secs_f64();
    let states = tree.roots.len();
    let options = Options {
        threads: 1,
        stop_at: StopAt::Closure,
        ..Options::default()
    };
    let began = Instant::now();
    let report = search(model, &options, |_| ());
    let by_fingerprint = began.elapsed().as_secs_f64();
    assert_eq!(report.states, states as u64);
    println!(
        "| {name} | {states} | {} | {} | {:.1} | {:.1} | {:.0} | {:.1} | {:.0} |",
        parts / states,
        tree.inner.len(),
        tree.plain(),
        tree.compact(),
        states as f64 / seconds / 1e3,
        report.bytes_per_state,
        states as f64 / by_fingerprint / 1e3,
    );
}
