//! A counterexample as a case of the simulator.
//!
//! What people, hardware and faults do becomes a command at its moment; what daemons do by
//! themselves the simulator's daemons do, too, since they are the same machines. A tick becomes a
//! second. The first host is `node1`; a contender is the CRM of its node, and only one on `node2` can
//! be: that is the node whose CRM is master. There are three nodes at least, so that one may fail.
//!
//! The cluster needs a master before anything can go wrong: a service on `node2` sees to that. The run
//! begins at [`BEGIN`], when the run's own services are added.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use lockstep_explore::counterexample::{Counterexample, action_text, mutant_names};
use lockstep_model::config::{Field, Profile, Timing};
use lockstep_model::id::LockId;
use lockstep_model::record::Wanted;
use lockstep_sim::case::Case;
use lockstep_sim::case::faults::{FaultCase, Faults};
use lockstep_sim::effects;
use lockstep_sim::watch::{Property, Report};
use lockstep_sim::{Ended, Options, run_watched};
use lockstep_world::{Action, Proc, Setup, World};
use serde_json::json;

use crate::sim::Stopwatch;

/// The second in which the run begins.
const BEGIN: u64 = 300;

/// Until when the simulator looks.
const UNTIL: u64 = 800;

/// How long a person waits for that.
const PATIENCE: Duration = Duration::from_secs(30);

/// A step that the simulator knows no counterpart of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// Which step, from 1; 0: what the run begins with.
    step: usize,
    what: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, what } = self;
        match step {
            0 => write!(f, "the simulator has no counterpart of {what}"),
            step => write!(f, "the simulator has no counterpart of step {step}, {what}"),
        }
    }
}

/// The files of a case, by name.
pub(super) type Files = BTreeMap<&'static str, String>;

/// The case of a counterexample that can be carried out.
///
/// # Errors
///
/// The first step that has no counterpart.
pub(super) fn of(example: &Counterexample) -> Result<Files, Missing> {
    let setup = example.setup();
    check(&setup, example)?;
    let mut writer = Writer::new(&setup);
    for (step, action) in example.actions.iter().enumerate() {
        let taken = writer.take(action);
        taken.map_err(|()| Missing {
            step: step + 1,
            what: action_text(action),
        })?;
    }
    let mut list = services(&setup);
    list.extend(writer.faults);
    let faults = Faults {
        timing: Some(in_seconds(setup.config(false).timing())),
        broken: mutant_names(&example.mutants).map(str::to_owned).collect(),
        judged: vec![example.property.name().to_owned()],
        hardware_last: true,
        faults: list,
    };
    let nodes = setup.hosts.len().max(3);
    let on = |node: usize| format!("power node{node} on");
    let others: Vec<String> = (2..=nodes).map(on).collect();
    // There is a master as soon as there is something to manage: the first node that is on.
    let kept = "service vm:100 add node2 stopped";
    let lists = json!([others, [kept], [on(1)]]);
    let hardware: BTreeMap<String, _> = (1..=nodes)
        .map(|node| {
            (
                format!("node{node}"),
                json!({"power": "off", "network": "off"}),
            )
        })
        .collect();
    let pretty = |value: &serde_json::Value| format!("{value:#}\n");
    Ok(Files::from([
        ("README", readme(example)),
        ("cmdlist", pretty(&lists)),
        ("faults", pretty(&json!(faults))),
        ("hardware_status", pretty(&json!(hardware))),
        ("manager_status", "{}\n".into()),
        ("service_config", "{}\n".into()),
    ]))
}

/// Writes a case into a directory that isn't there yet.
pub(super) fn write(directory: &Path, files: &Files) -> io::Result<()> {
    fs::create_dir(directory)?;
    for (name, text) in files {
        fs::write(directory.join(name), text)?;
    }
    Ok(())
}

/// What the simulator says of a case.
pub(super) fn verdict(directory: &Path) -> Result<String, String> {
    let case = Case::read(directory).map_err(|error| error.to_string())?;
    let options = Options {
        profile: Profile::Default,
        until_seconds: Some(UNTIL),
    };
    let stopwatch = Stopwatch::start(PATIENCE);
    let run = run_watched(&case, &options, &mut |_| match stopwatch.check() {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    });
    Ok(match (run.ended, run.reports.last()) {
        (
            Ended::Violated,
            Some(Report {
                property, seconds, ..
            }),
        ) => {
            format!("the simulator violates {property} at {seconds} s, too")
        }
        (Ended::Error(error), _) => format!("the simulator ends early: {error}"),
        (Ended::Stopped, _) => format!("the simulator isn't done after {PATIENCE:?}"),
        (Ended::Regular | Ended::Violated, _) => {
            "the simulator violates nothing: its manager doesn't do what the contender did".into()
        }
    })
}

fn readme(example: &Counterexample) -> String {
    let name = &example.configuration.name;
    let about = &example.configuration.about;
    let property = example.property.name();
    format!(
        "{name}: {about}\nA counterexample of the checker, which breaks {property}; `ha-checker \
         replay --to-case` made it. It begins at {BEGIN} s, and a tick is a second.\nUnder profile \
         default the faults of the file `faults` are carried out, with the numbers and the broken \
         rules that stand there.\n"
    )
}

/// What of a setup the simulator can't stand for.
fn check(setup: &Setup, example: &Counterexample) -> Result<(), Missing> {
    let missing = |what: &str| Missing {
        step: 0,
        what: what.to_owned(),
    };
    if Property::named(example.property.name()).is_none() {
        return Err(missing(&format!(
            "the property {}",
            example.property.name()
        )));
    }
    let numbered = |(number, host): (usize, &lockstep_world::setup::HostSetup)| {
        usize::from(host.node.0) == number && host.machine.0 == number as u128
    };
    if !setup.hosts.iter().enumerate().all(numbered) {
        return Err(missing("hosts with each other's names"));
    }
    if setup.cluster.is_some() {
        return Err(missing("CRMs whose cluster is a configuration's"));
    }
    let contenders = setup.hosts.iter().enumerate();
    let mut contenders = contenders.filter(|(_, host)| host.contends_for.is_some());
    if contenders.any(|(number, _)| number != 1) {
        return Err(missing("a contender that isn't on the second host"));
    }
    let (told, is) = (
        lockstep_world::setup::Physics::as_told(setup.config(false).timing()),
        &setup.physics,
    );
    if told != *is {
        return Err(missing(
            "surroundings that are not as the machines are told",
        ));
    }
    Ok(())
}

/// A tick is a second.
fn in_seconds(timing: &Timing) -> Timing {
    let scale = |scaled: Timing, field: &Field| field.with(&scaled, field.of(timing) * 1000);
    Field::SPANS.iter().fold(timing.clone(), scale)
}

/// The services, which are added when the run begins.
fn services(setup: &Setup) -> Vec<FaultCase> {
    let each = setup.services.iter().enumerate();
    let add = |(number, service): (usize, &lockstep_world::setup::ServiceSetup)| {
        let node = usize::from(service.location.0) + 1;
        let wanted = match service.wanted {
            Wanted::Stopped => "stopped",
            Wanted::Started
            | Wanted::Untouched
            | Wanted::Ignored
            | Wanted::Fenced
            | Wanted::Moved { .. } => "started",
        };
        FaultCase {
            at: BEGIN,
            first: false,
            what: format!("service {} add node{node} {wanted}", sid(number)),
        }
    };
    each.map(add).collect()
}

fn sid(number: usize) -> String {
    format!("vm:{}", 101 + number)
}

/// Follows a run and writes down what is done to it.
struct Writer<'a> {
    setup: &'a Setup,
    world: World,
    tick: u64,
    faults: Vec<FaultCase>,
    /// What each process has done in this tick.
    done: Vec<(usize, Proc, &'static str)>,
    /// The processes that have taken anything in in this tick.
    moved: Vec<(usize, Proc)>,
}

impl<'a> Writer<'a> {
    fn new(setup: &'a Setup) -> Self {
        Self {
            setup,
            world: World::initial(setup),
            tick: 0,
            faults: Vec::new(),
            done: Vec::new(),
            moved: Vec::new(),
        }
    }

    fn take(&mut self, action: &Action) -> Result<(), ()> {
        self.write_down(action)?;
        let (next, _) = self.world.after(self.setup, action);
        self.world = next;
        if action.is_time() {
            self.tick += 1;
            self.done.clear();
            self.moved.clear();
        }
        Ok(())
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever isn't named has no counterpart, what is new included"
    )]
    fn write_down(&mut self, action: &Action) -> Result<(), ()> {
        match *action {
            Action::Execute { host, proc, effect } => {
                if let Some(name) = self.name_of(host, proc, effect) {
                    self.done.push((host, proc, name));
                }
                self.moved.push((host, proc));
            }
            Action::Deliver { host, proc, .. }
            | Action::Watch { host, proc }
            | Action::Wake { host, proc } => self.moved.push((host, proc)),
            Action::Pause { host, proc } => self.end_process("stop", host, proc)?,
            Action::Crash { host, proc } => self.end_process("crash", host, proc)?,
            Action::PauseAll { host } => {
                let processes: Vec<Proc> = self.world.hosts[host].processes().collect();
                for proc in processes {
                    self.end_process("stop", host, proc)?;
                }
            }
            Action::Resume { host, proc } => {
                let first = self.moved.is_empty();
                self.push(first, format!("continue {}", named(host, proc)?));
            }
            Action::StartLrm { host } => self.push(false, format!("start {} lrm", node(host))),
            Action::StartMux { host } => self.push(false, format!("start {} mux", node(host))),
            Action::StartContender { host } => {
                self.push(false, format!("start {} crm", node(host)));
            }
            Action::PowerOff { host } => self.push(false, format!("power {} off", node(host))),
            Action::PowerOn { host } => self.push(false, format!("power {} on", node(host))),
            Action::Isolate { host } => self.push(false, format!("cfs {} rw fail", node(host))),
            Action::Heal { host } => self.push(false, format!("cfs {} rw work", node(host))),
            Action::Outage => self.everywhere("fail"),
            Action::OutageEnds => self.everywhere("work"),
            Action::RestartLrm { host } => self.push(false, format!("restart-lrm {}", node(host))),
            Action::Want { service, wanted } => {
                let wanted = match wanted {
                    Wanted::Started => "started",
                    Wanted::Stopped => "stopped",
                    Wanted::Untouched | Wanted::Ignored | Wanted::Fenced | Wanted::Moved { .. } => {
                        return Err(());
                    }
                };
                let sid = sid(usize::from(service.0));
                self.push(false, format!("service {sid} {wanted}"));
            }
            // What daemons, agents and hardware do by themselves, and the master as it sees fit.
            Action::Tick
            | Action::Work { .. }
            | Action::Reset { .. }
            | Action::KillTimer { .. }
            | Action::Contend { .. }
            | Action::LetGo { .. } => {}
            _ => return Err(()),
        }
        Ok(())
    }

    fn push(&mut self, first: bool, what: String) {
        self.faults.push(FaultCase {
            at: BEGIN + self.tick,
            first,
            what,
        });
    }

    fn everywhere(&mut self, what: &str) {
        for node in 1..=self.setup.hosts.len().max(3) {
            self.push(false, format!("cfs node{node} rw {what}"));
        }
    }

    /// A process is stopped or dies between two things that it does, if it did or was to do any.
    fn end_process(&mut self, verb: &str, host: usize, proc: Proc) -> Result<(), ()> {
        let process = named(host, proc)?;
        let count = |name: &str| {
            let done = self.done.iter();
            done.filter(|(at, by, what)| (*at, *by) == (host, proc) && *what == name)
                .count()
        };
        let next = self.name_of(host, proc, 0);
        let mut done = self.done.iter().rev();
        let last = done.find(|(at, by, _)| (*at, *by) == (host, proc));
        let moved = self.moved.contains(&(host, proc));
        let (first, what) = match (next, last) {
            (Some(name), _) => {
                let count = count(name) + 1;
                (true, format!("{verb} {process} before {name} {count}"))
            }
            (None, Some((_, _, name))) => {
                let count = count(name);
                (true, format!("{verb} {process} after {name} {count}"))
            }
            (None, None) => (!moved, format!("{verb} {process}")),
        };
        self.push(first, what);
        Ok(())
    }

    /// The simulator's name of an effect; a contender's have none.
    fn name_of(&self, host: usize, proc: Proc, effect: usize) -> Option<&'static str> {
        let value = self.world.hosts.get(host)?;
        match proc {
            Proc::Lrm(index) => {
                let effect = value.lrms.get(index)?.outbox.get(effect)?;
                Some(effects::of_lrm(effect, |lock| match lock {
                    LockId::Agent(node) => self.world.grant(node).map(|grant| grant.epoch),
                    LockId::Manager => None,
                }))
            }
            Proc::Mux => Some(effects::of_mux(value.mux.as_ref()?.outbox.get(effect)?)),
            Proc::Contender | Proc::Crm => None,
        }
    }
}

fn node(host: usize) -> String {
    format!("node{}", host + 1)
}

/// A process as the simulator names it.
fn named(host: usize, proc: Proc) -> Result<String, ()> {
    let process = match proc {
        Proc::Lrm(0) => "lrm",
        Proc::Lrm(_) => return Err(()),
        Proc::Mux => "mux",
        Proc::Contender | Proc::Crm => "crm",
    };
    Ok(format!("{} {process}", node(host)))
}
