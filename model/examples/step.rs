//! How long a step of the LRM takes: `cargo run --release -p lockstep-model --example step`.
//!
//! A steady state with two services on this node and a store of three nodes: every round renews
//! the lock (timer, answer), moves the watchdog's deadline (answer), and every tenth reads all
//! records again because something changed elsewhere. What the driver has to do with the effects
//! is not measured, but making and dropping them is.

#![expect(clippy::disallowed_types, reason = "a stopwatch")]
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::hint::black_box;
use std::time::Instant as Stopwatch;

use lockstep_model::config::{Config, Profile};
use lockstep_model::event::Effects;
use lockstep_model::id::{
    BootId, Epoch, Holder, Incarnation, LockId, MachineId, NodeId, Ranks, RequestId, Revision,
    ServiceId, Uid,
};
use lockstep_model::lrm::{Effect, Input, Job, Lrm, Report};
use lockstep_model::record::{
    Beat, Entry, Grant, GrantState, Key, Outcome, Record, Service, Snapshot, Wanted,
};
use lockstep_model::time::{Instant, Span};
use lockstep_model::watchdog::message::{Armed, FromMultiplexer, ToMultiplexer};

const ROUNDS: u64 = 500_000;

/// The LRM with a store and a multiplexer that always answer at once.
struct Bench {
    config: Config,
    lrm: Lrm,
    now: Instant,
    snapshot: Snapshot,
    /// Inputs that answer the effects of the last step.
    answers: Vec<Input>,
    out: Effects<Effect>,
    steps: u64,
}

const fn me(number: u16) -> Holder {
    Holder {
        node: NodeId(number),
        machine: MachineId(number as u128),
        boot: BootId(number as u128),
        incarnation: Incarnation(number as u64 + 1),
    }
}

/// Three nodes' locks, those of the others held, and two services here.
fn records() -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |key, record| {
        entries.push(Entry {
            key,
            revision: Revision(1),
            record,
        });
    };
    for node in [1, 2] {
        let holder = me(node);
        let written_by = RequestId {
            process: holder.incarnation,
            number: 1,
        };
        let grant = Grant {
            holder,
            epoch: Epoch::FIRST,
            ttl: Span(15_000),
            state: GrantState::HeldGuarded,
            written_by,
        };
        let beat = Beat {
            epoch: Epoch::FIRST,
            written_by,
        };
        add(
            Key::Grant(LockId::Agent(NodeId(node))),
            Record::Grant(grant),
        );
        add(Key::Beat(LockId::Agent(NodeId(node))), Record::Beat(beat));
    }
    for service in [0, 1] {
        let record = Service::new(NodeId(0), Wanted::Started, Uid(1));
        add(Key::Service(ServiceId(service)), Record::Service(record));
    }
    entries.sort_by_key(|entry| entry.key);
    entries
}

impl Bench {
    fn new() -> Self {
        let config = Config::new(Profile::Default.timing(), Ranks::default());
        Self {
            config: config.unwrap_or_else(|broken| panic!("{broken:?}")),
            lrm: Lrm::new(me(0)),
            now: Instant(1_000_000),
            snapshot: Snapshot {
                revision: Revision(1),
                entries: records(),
            },
            answers: Vec::new(),
            out: Effects::new(),
            steps: 0,
        }
    }

    fn step(&mut self, input: Input) {
        self.lrm.step(&self.config, self.now, input, &mut self.out);
        self.steps += 1;
        black_box(&self.lrm);
        self.out.events.clear();
        for effect in self.out.effects.drain(..) {
            answer(&self.config, &mut self.snapshot, effect, &mut self.answers);
        }
    }

    /// Takes in an input and the answers to everything that follows from it.
    fn settle(&mut self, input: Input) {
        self.step(input);
        while let Some(input) = self.answers.pop() {
            self.step(input);
        }
    }
}

/// What the surroundings answer.
fn answer(config: &Config, store: &mut Snapshot, effect: Effect, answers: &mut Vec<Input>) {
    match effect {
        Effect::Write(write) => {
            store.revision.0 += 1;
            let revision = store.revision;
            for put in write.puts {
                let entry = Entry {
                    key: put.key,
                    revision,
                    record: put.record,
                };
                match store.entries.binary_search_by_key(&put.key, |it| it.key) {
                    Ok(index) => store.entries[index] = entry,
                    Err(index) => store.entries.insert(index, entry),
                }
            }
            answers.push(Input::Written {
                request: write.request,
                outcome: Outcome::Applied(revision),
            });
        }
        Effect::Read(request) => answers.push(Input::Read {
            request,
            snapshot: store.clone(),
        }),
        Effect::Watchdog(request) => answers.push(Input::Watchdog(watchdog(config, &request))),
        Effect::Reap => answers.push(Input::Reaped),
        Effect::RecordIntent { service, .. } => answers.push(Input::IntentRecorded { service }),
        Effect::Spawn {
            service,
            job,
            worker,
            ..
        } => answers.push(Input::WorkerDone {
            service,
            job,
            worker,
            report: match job {
                Job::Start => Report::Running,
                Job::Query | Job::Stop => Report::Stopped,
                Job::Send { .. } => Report::Sent,
            },
        }),
        Effect::KillServices(_) | Effect::Exit => panic!("the steady state has ended"),
    }
}

fn watchdog(config: &Config, request: &ToMultiplexer) -> FromMultiplexer {
    let armed = |arm, renewal, expires| Armed {
        arm,
        renewal,
        expires,
        deadline: config.deadline(expires, config.timing().reset_max),
    };
    match request {
        ToMultiplexer::Attach { .. } => FromMultiplexer::Attached(None),
        ToMultiplexer::Arm { arm, expires } => FromMultiplexer::Armed(armed(*arm, 0, *expires)),
        ToMultiplexer::Extend {
            arm,
            renewal,
            expires,
        } => FromMultiplexer::Extended(armed(*arm, *renewal, *expires)),
        ToMultiplexer::Disarm { arm } => FromMultiplexer::Disarmed(*arm),
    }
}

fn main() {
    let mut bench = Bench::new();
    bench.settle(Input::Started);
    let intents = Vec::new();
    bench.settle(Input::KernelLock { intents });
    let renewal = bench.config.timing().renewal;
    bench.steps = 0;
    let clock = Stopwatch::now();
    for round in 0..ROUNDS {
        bench.now += renewal;
        bench.settle(Input::Timer);
        black_box(bench.lrm.next_wakeup(&bench.config));
        black_box(bench.lrm.check().is_ok());
        if round % 10 == 0 {
            let snapshot = bench.snapshot.clone();
            bench.settle(Input::Watched(snapshot));
        }
    }
    let nanoseconds = clock.elapsed().as_nanos() as f64 / bench.steps as f64;
    assert_eq!(
        bench.lrm.state().to_string(),
        "active",
        "the steady state has ended"
    );
    println!(
        "{nanoseconds:.0} ns a step, {:.2} steps a round, {} steps",
        bench.steps as f64 / ROUNDS as f64,
        bench.steps
    );
}
