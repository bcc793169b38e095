//! One run: a node, a fault, a contender, and what came of it.

use std::collections::BTreeSet;
use std::fmt;
use std::thread;
use std::time::Duration;

use lockstep_model::time::{Instant, Span};
use lockstep_watchdog::clock;

use crate::fault::{Expect, Fault};
use crate::node::{Node, Programs, Stamp, config};

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// When the fault was inflicted.
    pub fault: Instant,
    /// When the lock was taken, at the earliest.
    pub taken: Option<Instant>,
    /// When the device fired.
    pub fired: Option<Instant>,
    /// When it had killed everything.
    pub dead: Option<Instant>,
    /// The service's last write on node A.
    pub last_write: Instant,
    /// The last D.
    pub deadline: Option<Instant>,
    /// Steps replayed.
    pub steps: u64,
    /// What is wrong about all this.
    pub wrong: Vec<String>,
}

/// How much longer than by the clock anything may take on a busy machine.
const LATE: Span = Span(1_500);

/// How long node B writes after its take, and after the fault was undone if that is later.
const AFTER: Span = Span(1_000);

/// A run with the node's own multiplexer: its journals are replayed, too.
///
/// # Panics
///
/// When the node doesn't come up, or a journal gives other effects.
#[must_use]
pub fn run(programs: Programs, name: &str, fault: &Fault) -> (Outcome, Node) {
    let (mut outcome, node) = run_any(programs, name, fault);
    outcome.steps = node.replay();
    (outcome, node)
}

/// A run whose multiplexer may be a broken one.
///
/// # Panics
///
/// When the node doesn't come up.
#[must_use]
pub fn run_any(programs: Programs, name: &str, fault: &Fault) -> (Outcome, Node) {
    let mut node = Node::begin(programs, name);
    let contender = node.contender();
    contender.contend();
    sleep(fault.after_ms);
    let begun = clock::now();
    fault.inflict(&node);
    let config = config();
    let failover = config.timing().silence(config.timing().lock_ttl) + LATE;
    let mut undo_at = fault.undone_after_ms.map(|ms| begun + Span(ms));
    // A node whose multiplexer alone is dead beats until it is reset.
    let overdue =
        |node: &Node| clock::now() >= node.device_said("dead").unwrap_or(begun) + failover;
    while contender.taken().is_none() && !(clock::now() >= begun + failover && overdue(&node)) {
        undo_when_due(fault, &mut undo_at, &mut node);
        sleep(5);
    }
    let taken = contender.taken();
    let ended = clock::now();
    if taken.is_some() {
        // What comes back late must find that it has no part in this any more.
        let after_undoing = undo_at.map_or(ended, |at| at + AFTER);
        let until = after_undoing.max(ended + AFTER);
        while clock::now() < until {
            undo_when_due(fault, &mut undo_at, &mut node);
            node.write_as_b();
            sleep(10);
        }
    }
    drop(contender);
    let stamps = node.stamps();
    let last_write = stamps
        .iter()
        .filter(|stamp| stamp.writer != "B")
        .map(|stamp| stamp.at);
    let mut outcome = Outcome {
        fault: begun,
        taken,
        fired: node.device_said("fired"),
        dead: node.device_said("dead"),
        last_write: last_write.max().unwrap_or(begun),
        deadline: node.last_deadline(),
        steps: 0,
        wrong: Vec::new(),
    };
    outcome.judge(fault.expect(), ended, &stamps);
    (outcome, node)
}

/// What was reset doesn't come back in the same boot.
fn undo_when_due(fault: &Fault, at: &mut Option<Instant>, node: &mut Node) {
    if at.take_if(|at| *at <= clock::now()).is_some() && node.device_said("fired").is_none() {
        fault.undo(node);
    }
}

impl Outcome {
    fn judge(&mut self, expect: Expect, ended: Instant, stamps: &[Stamp]) {
        let first_of_b = stamps.iter().position(|stamp| stamp.writer == "B");
        let after_b = first_of_b.map_or(&[][..], |first| &stamps[first..]);
        let overlap = after_b.iter().any(|stamp| stamp.writer != "B");
        self.require(!overlap, "the service wrote after node B had");
        if let Some(taken) = self.taken {
            let before = self.last_write < taken;
            self.require(before, "the service's last write is not before the take");
            let reset = self
                .fired
                .filter(|_| self.dead.is_none_or(|dead| dead >= taken));
            self.require(reset.is_none(), "the reset is not before the take");
        }
        if let (Some(fired), Some(deadline)) = (self.fired, self.deadline) {
            let latest = deadline + config().timing().reset_max;
            self.require(fired <= latest, "the reset came later than D + W'");
        }
        match expect {
            Expect::Either => {}
            Expect::Take => self.require(self.taken.is_some(), "nobody took the lock in time"),
            Expect::Nothing => {
                self.require(self.taken.is_none(), "the lock was taken without need");
                self.require(self.fired.is_none(), "the device fired without need");
                let recently = self.last_write + LATE > ended;
                self.require(recently, "the service does not run on");
                let writers: BTreeSet<&str> =
                    stamps.iter().map(|stamp| stamp.writer.as_str()).collect();
                self.require(
                    writers.len() == 1,
                    "the service was begun anew without need",
                );
            }
        }
    }

    fn require(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.wrong.push(otherwise.to_owned());
        }
    }

    /// Take − the service's last write, in milliseconds; negative if it wrote on.
    #[must_use]
    pub fn margin_ms(&self) -> Option<i64> {
        Some(self.taken?.0.cast_signed() - self.last_write.0.cast_signed())
    }

    /// Reset − D, in milliseconds.
    #[must_use]
    pub fn reset_after_deadline_ms(&self) -> Option<i64> {
        Some(self.fired?.0.cast_signed() - self.deadline?.0.cast_signed())
    }

    /// Take − fault, in milliseconds.
    #[must_use]
    pub fn failover_ms(&self) -> Option<i64> {
        Some(self.taken?.0.cast_signed() - self.fault.0.cast_signed())
    }
}

/// One line of a table.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |value: Option<i64>| value.map_or("-".to_owned(), |value| value.to_string());
        write!(
            f,
            "take-fault {:>5}  take-last {:>5}  reset-D {:>5}  steps {:>4}  {}",
            ms(self.failover_ms()),
            ms(self.margin_ms()),
            ms(self.reset_after_deadline_ms()),
            self.steps,
            if self.wrong.is_empty() {
                "ok".to_owned()
            } else {
                self.wrong.join("; ")
            }
        )
    }
}

fn sleep(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}
