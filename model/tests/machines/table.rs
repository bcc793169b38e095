//! What the multiplexer does with every input in every kind of state, as a table.
//!
//! `multiplexer.txt` is golden; `UPDATE_SCENARIOS=1` rewrites it. A state that a step leads to is
//! named if it is one of the table's; otherwise the step changed something, or nothing.

use std::fmt::Write as _;
use std::path::Path;

use lockstep_model::config::scaled::{scaled_kappa_one, scaled_kappa_three};
use lockstep_model::config::{Config, Timing};
use lockstep_model::event::Effects;
use lockstep_model::id::{ArmId, Incarnation, Ranks, RequestId};
use lockstep_model::time::{Instant, Span};
use lockstep_model::watchdog::message::{ClientId, ToMultiplexer};
use lockstep_model::watchdog::{Input, Multiplexer};

use crate::text;

const NOW: Instant = Instant(100);

/// What client LRM's process 1 asks.
fn ask(request: ToMultiplexer) -> Input {
    Input::Client(ClientId::Lrm, request)
}

const fn arm_of(process: u64, number: u64) -> ArmId {
    ArmId(RequestId {
        process: Incarnation(process),
        number,
    })
}

fn attach(process: u64) -> Input {
    let process = Incarnation(process);
    ask(ToMultiplexer::Attach { process })
}

fn arm(process: u64, number: u64, expires: u64) -> Input {
    ask(ToMultiplexer::Arm {
        arm: arm_of(process, number),
        expires: Instant(expires),
    })
}

fn extend(number: u64, renewal: u64, expires: u64) -> Input {
    ask(ToMultiplexer::Extend {
        arm: arm_of(1, number),
        renewal,
        expires: Instant(expires),
    })
}

fn disarm(number: u64) -> Input {
    let arm = arm_of(1, number);
    ask(ToMultiplexer::Disarm { arm })
}

/// Another client's request.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other input stays as it is"
)]
fn crm(input: Input) -> Input {
    match input {
        Input::Client(_, request) => Input::Client(ClientId::Crm, request),
        other => other,
    }
}

/// D for an authority that ends then.
fn deadline(config: &Config, expires: u64) -> Instant {
    config.deadline(Instant(expires), config.timing().reset_max)
}

/// A column's name and the inputs that lead to its state.
type State = (&'static str, Vec<Input>);

fn states(config: &Config) -> Vec<State> {
    let timing = config.timing();
    let opened = || Input::Opened(Some(timing.watchdog));
    let started = || Input::Started { marker: false };
    let timer = |expires| Input::TimerSet(Some(deadline(config, expires)));
    let one = timing.kappa.factor() == 1;
    let armed = || {
        let mut inputs = vec![started(), attach(1), arm(1, 1, 140)];
        inputs.extend(one.then(|| timer(140)));
        inputs.push(opened());
        inputs
    };
    let and = |mut inputs: Vec<Input>, more: Vec<Input>| {
        inputs.extend(more);
        inputs
    };
    let mut states = vec![
        ("new", vec![]),
        ("serving", vec![started()]),
        ("attached", vec![started(), attach(1)]),
    ];
    if one {
        states.push(("arming: timer", vec![started(), attach(1), arm(1, 1, 140)]));
    }
    let mut opening = armed();
    opening.pop();
    states.push(("arming: device", opening));
    states.push(("armed", armed()));
    if one {
        states.push(("extending", and(armed(), vec![extend(1, 2, 145)])));
    }
    let extended = and(
        vec![extend(1, 2, 145)],
        one.then(|| timer(145)).into_iter().collect(),
    );
    states.push(("extended", and(armed(), extended)));
    states.push((
        "vanished",
        and(armed(), vec![Input::Vanished(ClientId::Lrm)]),
    ));
    states.push(("closing", and(armed(), vec![disarm(1)])));
    if one {
        states.push(("ending timer", and(armed(), vec![disarm(1), Input::Closed])));
    }
    let second = vec![crm(attach(9)), crm(arm(9, 7, 139))];
    let second = and(second, one.then(|| timer(139)).into_iter().collect());
    states.push(("two armed", and(armed(), second)));
    states.push(("gone", vec![Input::Started { marker: true }]));
    states
}

fn inputs(config: &Config) -> Vec<Input> {
    let watchdog = config.timing().watchdog;
    vec![
        Input::Started { marker: false },
        Input::Started { marker: true },
        attach(1),
        attach(2),
        arm(1, 1, 140),
        arm(1, 2, 150),
        arm(2, 1, 140),
        arm(1, 3, 101),
        extend(1, 2, 145),
        extend(1, 1, 101),
        extend(2, 9, 150),
        disarm(1),
        disarm(2),
        Input::Vanished(ClientId::Lrm),
        Input::TimerSet(Some(deadline(config, 140))),
        Input::TimerSet(None),
        Input::Opened(Some(watchdog)),
        Input::Opened(Some(watchdog + Span(1))),
        Input::Opened(None),
        Input::Closed,
        Input::Resized(watchdog),
        Input::Timer,
        Input::Terminate,
    ]
}

struct Table<'a> {
    config: &'a Config,
    known: Vec<(&'static str, Multiplexer)>,
}

impl<'a> Table<'a> {
    fn new(config: &'a Config) -> Self {
        let known = states(config).into_iter().map(|(name, inputs)| {
            let mut machine = Multiplexer::new();
            for input in inputs {
                machine.step(config, NOW, input, &mut Effects::new());
            }
            (name, machine)
        });
        Self {
            config,
            known: known.collect(),
        }
    }

    /// What an input does at a moment.
    fn cell(&self, before: &Multiplexer, now: Instant, input: Input) -> String {
        let (mut machine, mut out) = (before.clone(), Effects::new());
        machine.step(self.config, now, input, &mut out);
        let mut words: Vec<String> = out.effects.iter().map(text::mux_effect).collect();
        words.extend(out.events.iter().map(|event| format!("\"{event}\"")));
        let known = self.known.iter().find(|(_, known)| *known == machine);
        match known {
            _ if machine == *before => {}
            Some((name, _)) => words.push(format!("→ {name}")),
            None if machine.is_expired() => words.push("→ expired".into()),
            None => words.push("→ changed".into()),
        }
        match words.is_empty() {
            true => "-".into(),
            false => words.join(", "),
        }
    }

    fn write(&self, out: &mut String) {
        let mut line = |text: &str| {
            out.push_str(text);
            out.push('\n');
        };
        for (name, machine) in &self.known {
            line(&format!("\n{name}"));
            for input in inputs(self.config) {
                let does = self.cell(machine, NOW, input.clone());
                line(&format!("  {:<30} {does}", text::mux_input(&input)));
            }
            if let Some(deadline) = machine.deadline(self.config) {
                let does = self.cell(machine, Instant(deadline.0 - 1), Input::Timer);
                line(&format!("  {:<30} {does}", "timer at D - 1"));
                for input in [Input::Timer, Input::Terminate, attach(2), disarm(1)] {
                    let does = self.cell(machine, deadline, input.clone());
                    let what = format!("{} at D", text::mux_input(&input));
                    line(&format!("  {what:<30} {does}"));
                }
            }
        }
    }
}

#[test]
fn every_input_in_every_state() {
    let mut found = String::from("# UPDATE_SCENARIOS=1 rewrites this\n");
    let timings: [(&str, Timing); 2] = [
        ("κ = 1", scaled_kappa_one()),
        ("κ = 3", scaled_kappa_three()),
    ];
    for (name, timing) in timings {
        let config = Config::new(timing, Ranks::default()).expect("a sound timing");
        write!(found, "\n== {name}\n").expect("a string can be written to");
        Table::new(&config).write(&mut found);
    }
    let path = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/",
        "tests",
        "/",
        "machines",
        "/",
        "multiplexer.txt"
    ));
    if std::env::var_os("UPDATE_SCENARIOS").is_some() {
        std::fs::write(path, &found).expect("the table can be written");
    }
    let expected = std::fs::read_to_string(path).expect("UPDATE_SCENARIOS=1 writes it");
    let differs = (1..)
        .zip(expected.lines().zip(found.lines()))
        .find(|(_, (expected, found))| expected != found);
    assert_eq!(differs, None, "UPDATE_SCENARIOS=1 rewrites the table");
    assert_eq!(expected.lines().count(), found.lines().count());
}
