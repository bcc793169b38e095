//! Behaviour is invariant under a shift of time (design: instants are relative).
//!
//! A random scenario is performed once; then every machine is given the same inputs with all
//! instants later by a span, and must end in the same states, shifted, having said the same.

use lockstep_model::config::scaled::{
    scaled_kappa_one, scaled_kappa_one_with_drift, scaled_kappa_three,
};
use lockstep_model::config::{Profile, Timing};
use lockstep_model::contender::Contender;
use lockstep_model::event::Event;
use lockstep_model::lrm::Lrm;
use lockstep_model::time::{Instant, Wakeup};
use lockstep_model::visit::{Visit, Visitor};
use lockstep_model::watchdog::Multiplexer;
use proptest::prelude::*;

use crate::bench::{Bench, Effect, Entered, Input};
use crate::command::{Command, Who};
use crate::step::step;

/// Moves every instant later.
struct Later(u64);

impl Visitor for Later {
    fn instant(&mut self, instant: &mut Instant) {
        instant.0 += self.0;
    }
}

impl Later {
    fn of<T: Visit + Clone>(&mut self, value: &T) -> T {
        let mut value = value.clone();
        value.visit(self);
        value
    }

    fn input(&mut self, input: &Input) -> Input {
        match input {
            Input::Lrm(input) => Input::Lrm(self.of(input)),
            Input::Mux(input) => Input::Mux(self.of(input)),
            Input::Contender(input) => Input::Contender(self.of(input)),
        }
    }

    fn effect(&mut self, effect: &Effect) -> Effect {
        match effect {
            Effect::Lrm(effect) => Effect::Lrm(self.of(effect)),
            Effect::Mux(effect) => Effect::Mux(self.of(effect)),
            Effect::Contender(effect) => Effect::Contender(self.of(effect)),
        }
    }

    /// Events show instants to people; only these have any.
    fn event(&mut self, event: &Event) -> Event {
        let mut event = event.clone();
        if let Event::Armed { deadline } = &mut event {
            deadline.visit(self);
        }
        event
    }

    fn wakeup(&mut self, wakeup: Option<Wakeup>) -> Option<Wakeup> {
        wakeup.map(|wakeup| Wakeup {
            at: self.of(&wakeup.at),
            why: wakeup.why,
        })
    }
}

/// The machines of a run, the shifted or the other.
#[derive(Default)]
struct Machines {
    lrm: Option<Lrm>,
    mux: Option<Multiplexer>,
    contender: Option<Contender>,
}

impl Machines {
    fn set(&mut self, entered: &Entered) {
        match entered {
            Entered::Began(Who::Lrm, me) => self.lrm = Some(Lrm::new(*me)),
            Entered::Began(Who::Mux, _) => self.mux = Some(Multiplexer::new()),
            Entered::Began(Who::Contender, me) => {
                self.contender = Some(Contender::new(lockstep_model::id::NodeId(0), *me));
            }
            Entered::Ended(Who::Lrm) => self.lrm = None,
            Entered::Ended(Who::Mux) => self.mux = None,
            Entered::Ended(Who::Contender) => self.contender = None,
            Entered::Step(..) => {}
        }
    }

    fn step(&mut self, bench: &Bench, now: Instant, input: &Input) -> (Vec<Effect>, Vec<Event>) {
        let Self {
            lrm,
            mux,
            contender,
        } = self;
        step(&bench.config, now, input, lrm, mux, contender).expect("the machine is there")
    }

    fn wakeups(&self, bench: &Bench) -> [Option<Wakeup>; 3] {
        let config = &bench.config;
        [
            self.lrm.as_ref().and_then(|it| it.next_wakeup(config)),
            self.mux.as_ref().and_then(|it| it.next_wakeup(config)),
            self.contender
                .as_ref()
                .and_then(|it| it.next_wakeup(config)),
        ]
    }
}

/// Repeats a run beside itself, later.
fn check(bench: &Bench, by: u64) {
    let mut later = Later(by);
    let (mut here, mut there) = (Machines::default(), Machines::default());
    for (number, entered) in bench.log.iter().enumerate() {
        here.set(entered);
        there.set(entered);
        let Entered::Step(now, input, effects, events) = entered else {
            continue;
        };
        let again = here.step(bench, *now, input);
        assert_eq!(
            again,
            (effects.clone(), events.clone()),
            "step {number} repeats"
        );
        let said = there.step(bench, later.of(now), &later.input(input));
        let expected: Vec<Effect> = effects.iter().map(|it| later.effect(it)).collect();
        assert_eq!(said.0, expected, "effects of step {number}");
        let expected: Vec<Event> = events.iter().map(|it| later.event(it)).collect();
        assert_eq!(said.1, expected, "events of step {number}");
        assert_eq!(here.lrm.as_ref().map(|it| later.of(it)), there.lrm);
        assert_eq!(here.mux.as_ref().map(|it| later.of(it)), there.mux);
        assert_eq!(
            here.contender.as_ref().map(|it| later.of(it)),
            there.contender
        );
        let published = |machines: &Machines, now| {
            let lrm = machines.lrm.as_ref();
            lrm.map(|it| it.published(&bench.config, now))
        };
        assert_eq!(published(&here, *now), published(&there, later.of(now)));
        let wakeups = here.wakeups(bench).map(|it| later.wakeup(it));
        assert_eq!(
            wakeups,
            there.wakeups(bench),
            "wake-ups after step {number}"
        );
    }
}

/// What a random run consists of; ordinary life is listed more often.
const COMMANDS: &[&str] = &[
    "tick 1",
    "tick 1",
    "tick 2",
    "tick 5",
    "tick 20",
    "stall 3",
    "stall 9",
    "lose write",
    "lose read",
    "lose job",
    "lose device",
    "lose timer",
    "hold write",
    "hold read",
    "hold job",
    "hold timer",
    "hold device",
    "fail write",
    "fail job",
    "fail device",
    "answer",
    "answer",
    "want 0 stopped",
    "want 0 started",
    "want 1 started",
    "order 0 started restarts 1",
    "order 1 started restarts 0",
    "order 0 stopped restarts 1 within 9",
    "order 0 untouched",
    "order 0 ignored",
    "order 0 fenced",
    "order 0 live to 1",
    "order 0 live to 1",
    "order 0 cold to 1",
    "order 1 before-start to 1",
    "arrive 1 live 1",
    "arrive 1 live 0",
    "peer guarded",
    "peer guarded",
    "peer gone",
    "ask maintenance",
    "ask disarm",
    "ask nothing",
    "lose location",
    "hold location",
    "fail location",
    "delay location",
    "delay write",
    "deliver",
    "leave freeze",
    "leave migrate",
    "ends 0",
    "leave restart",
    "leave stop",
    "contend",
    "move 0 1",
    "let-go",
    "crash lrm",
    "crash mux",
    "crash contender",
    "start lrm",
    "start lrm",
    "start mux",
    "start contender",
    "terminate",
];

fn timings() -> impl Strategy<Value = (&'static str, Timing, u64)> {
    prop_oneof![
        Just(("scaled, κ = 1", scaled_kappa_one(), 1)),
        Just(("scaled, with drift", scaled_kappa_one_with_drift(), 1)),
        Just(("scaled, κ = 3", scaled_kappa_three(), 1)),
        Just(("fast", Profile::Fast.timing(), 200)),
    ]
}

/// Performs a run in which a tick is `unit` long; nobody wakes more often than that.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other command is the bench's"
)]
fn perform(timing: &Timing, unit: u64, lines: &[&str]) -> Bench {
    // Far enough from the origin that no deadline saturates there.
    let mut bench = Bench::new(timing.clone(), Instant(1_000_000));
    let first = ["start mux", "start lrm", "start contender"];
    for line in first.iter().chain(lines) {
        match line.parse().expect("a command") {
            Command::Tick(ticks) => {
                for _ in 0..ticks {
                    bench.perform(&Command::Stall(unit - 1));
                    bench.perform(&Command::Tick(1));
                }
            }
            Command::Stall(ticks) => bench.perform(&Command::Stall(ticks * unit)),
            other => bench.perform(&other),
        }
    }
    bench
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn behaviour_does_not_depend_on_the_origin(
        (_name, timing, unit) in timings(),
        lines in prop::collection::vec(prop::sample::select(COMMANDS), 0..120),
        by in prop_oneof![1..100_u64, 1..(1_u64 << 40)],
    ) {
        check(&perform(&timing, unit, &lines), by);
    }
}

/// The random runs are worth something: a plain one comes to an armed watchdog and a running
/// service, and goes on from there.
#[test]
fn a_plain_run_starts_a_service() {
    let bench = perform(&scaled_kappa_one(), 1, &["tick 20", "tick 20"]);
    let started = bench.log.iter().any(|entered| match entered {
        Entered::Step(_, _, _, events) => events
            .iter()
            .any(|event| matches!(event, Event::Running(_))),
        Entered::Began(..) | Entered::Ended(_) => false,
    });
    assert!(started);
    check(&bench, 12_345);
}
