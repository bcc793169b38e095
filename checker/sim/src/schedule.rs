//! The loop: whose turn it is, and when (`simulator.md` 4, 5).

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use lockstep_model::config::{Config, Profile};
use lockstep_model::event::Level;
use lockstep_model::id::{ServiceId, Uid};
use lockstep_model::manager::status::{Disarm, DisarmMode, Entry, Queued, Status};
use lockstep_model::name::Names;

use crate::case::{Case, DisarmState, EntryCase, Flag, NodeCase, NodeStateCase, QueuedCase};
use crate::cluster::{Cluster, Environment, Fatal, Node};
use crate::crm_round::Turn;
use crate::end::End;
use crate::guests::{self, Guests};
use crate::locks::Locks;
use crate::log::{Daemon, Line, Log, Source};
use crate::{Ended, Options, Outcome};

/// How long a loop takes at least, in seconds.
pub(crate) const LOOP_MIN: u64 = 20;

/// How long a loop may take at most, in seconds.
pub(crate) const LOOP_MAX: u64 = 60;

/// When a simulation is ended by force.
pub(crate) const TIME_MAX: u64 = 10_000;

/// How long after the last command a simulation goes on.
pub(crate) const AFTER_LAST: u64 = 500;

/// How many loops there are to a list of commands.
pub(crate) const LOOPS_PER_LIST: u64 = 5;

/// What a daemon's round may take at most, in seconds.
const ROUND_MAX: u64 = 300;

#[derive(Debug, Default)]
struct Counters {
    loops: u64,
    last_command: u64,
    next_command: u64,
    skip_crm: u64,
    skip_lrm: u64,
}

/// What ends a simulation early.
pub(crate) enum Halt {
    Fatal(Fatal),
    /// Whoever watches doesn't want more.
    Stopped,
}

impl From<Fatal> for Halt {
    fn from(fatal: Fatal) -> Self {
        Self::Fatal(fatal)
    }
}

/// Who is told every line.
pub(crate) type Watch<'a> = dyn FnMut(&[Line]) -> ControlFlow<()> + 'a;

/// Hands on what was said.
pub(crate) fn show(log: &mut Log, watch: &mut Watch<'_>) -> Result<(), Halt> {
    let goes_on = watch(log.lines());
    log.clear();
    match goes_on {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Halt::Stopped),
    }
}

/// Runs a case to its end.
pub(crate) fn run(case: &Case, options: &Options, watch: &mut Watch<'_>) -> Outcome {
    let mut cluster = match build(case) {
        Ok(cluster) => cluster,
        Err(Fatal(error)) => {
            let mut log = Log::default();
            let source = Source::Simulator("hardware");
            log.line(Level::Info, 0, source, &"starting simulation");
            log.line(Level::Error, 0, source, &last_words(&error));
            let ended = match show(&mut log, watch) {
                Ok(()) => Ended::Error(error),
                Err(_) => Ended::Stopped,
            };
            return Outcome {
                ended,
                reports: Vec::new(),
                end: None,
            };
        }
    };
    cluster.note("hardware", Level::Info, &"starting simulation");
    let ended = match main_loop(&mut cluster, case, options, watch) {
        Ok(()) => {
            cluster.note("hardware", Level::Info, &"exit simulation - done");
            Ended::Regular
        }
        Err(Halt::Fatal(Fatal(error))) => {
            cluster.note("hardware", Level::Error, &last_words(&error));
            Ended::Error(error.trim_end().to_owned())
        }
        Err(Halt::Stopped) => Ended::Stopped,
    };
    let ended = match show(&mut cluster.log, watch) {
        Ok(()) => ended,
        Err(_) => Ended::Stopped,
    };
    let services = cluster.status.services.iter();
    let nodes = cluster.nodes.iter().filter(|node| node.power);
    let running = nodes.map(|node| (node.id, node.running.clone()));
    let end = End::new(&cluster.names, &cluster.status, services, running);
    Outcome {
        ended,
        reports: cluster.watch.reports,
        end: Some(end),
    }
}

/// What an error is logged with: it ends its line, and a blank follows (`simulator.md` 14). Where in
/// the reference's source it was raised isn't said.
pub(crate) fn last_words(error: &str) -> String {
    let error = error.strip_suffix('\n').unwrap_or(error);
    format!("exit simulation - {error}\n ")
}

fn main_loop(
    cluster: &mut Cluster,
    case: &Case,
    options: &Options,
    watch: &mut Watch<'_>,
) -> Result<(), Halt> {
    let mut lists = case.commands.iter();
    let mut counters = Counters::default();
    let length = (2 * cluster.nodes.len() as u64).max(LOOP_MIN);
    if length >= LOOP_MAX {
        let text =
            "unable to simulate so many nodes. You need to increase watchdog/lock timeouts.\n";
        return Err(Fatal::new(text).into());
    }
    let is_over = |clock| options.until_seconds.is_some_and(|until| clock >= until);
    if is_over(cluster.clock) {
        return Ok(());
    }
    loop {
        let start = cluster.clock;
        run_daemons(cluster, &counters, watch)?;
        counters.skip_crm = counters.skip_crm.saturating_sub(1);
        counters.skip_lrm = counters.skip_lrm.saturating_sub(1);
        cluster.clock = cluster.clock.max(start + length);
        if cluster.clock > TIME_MAX {
            let text = format!("simulation exceeded maximum time ({TIME_MAX}) - force end\n");
            return Err(Fatal::new(text).into());
        }
        for node in &mut cluster.nodes {
            node.crm_env.clock = cluster.clock;
            node.lrm_env.clock = cluster.clock;
        }
        if is_over(cluster.clock) {
            return Ok(());
        }
        if cluster.clock < counters.next_command {
            continue;
        }
        if counters.loops.is_multiple_of(LOOPS_PER_LIST) {
            match lists.next() {
                Some(list) => execute(cluster, list, &mut counters, watch)?,
                None if cluster.clock - counters.last_command > AFTER_LAST => return Ok(()),
                None => {}
            }
        }
        counters.loops += 1;
    }
}

fn run_daemons(
    cluster: &mut Cluster,
    counters: &Counters,
    watch: &mut Watch<'_>,
) -> Result<(), Halt> {
    for node in 0..cluster.nodes.len() {
        for daemon in [Daemon::Crm, Daemon::Lrm] {
            turn(cluster, counters, node, daemon)?;
            cluster.watch_instances();
            show(&mut cluster.log, watch)?;
        }
        cluster.check_watchdogs();
    }
    Ok(())
}

/// One daemon's turn, if it is there.
fn turn(
    cluster: &mut Cluster,
    counters: &Counters,
    node: usize,
    daemon: Daemon,
) -> Result<(), Fatal> {
    let (exists, skipped, text) = match daemon {
        Daemon::Crm => (
            cluster.nodes[node].crm.is_some(),
            counters.skip_crm > 0,
            "skipping CRM round",
        ),
        Daemon::Lrm => (
            cluster.nodes[node].lrm.is_some(),
            counters.skip_lrm > 0,
            "skipping LRM round",
        ),
    };
    if !exists {
        return Ok(());
    }
    if skipped {
        if node == 0 {
            cluster.note("run-loop", Level::Info, &text);
        }
        return Ok(());
    }
    let clock = cluster.clock;
    let env = cluster.nodes[node].env(daemon);
    if clock < env.clock {
        return Err(Fatal::new("strange start time\n"));
    }
    *env = Environment { clock, delay: 0 };
    let ended = match daemon {
        Daemon::Crm => cluster.crm_round(node)?,
        Daemon::Lrm => cluster.lrm_round(node)?,
    };
    let env = cluster.nodes[node].env(daemon);
    if env.delay > ROUND_MAX {
        let text = format!("loop took too long ({} seconds)\n", env.delay);
        return Err(Fatal::new(text));
    }
    env.delay = 0;
    env.clock += 1;
    cluster.clock = cluster.clock.max(env.clock);
    match (ended, daemon) {
        (Turn::GoesOn, _) => Ok(()),
        (Turn::Ended, Daemon::Crm) => cluster.crm_ended(node),
        (Turn::Ended, Daemon::Lrm) => cluster.lrm_ended(node),
    }
}

fn execute(
    cluster: &mut Cluster,
    list: &[String],
    counters: &mut Counters,
    watch: &mut Watch<'_>,
) -> Result<(), Halt> {
    for line in list {
        counters.last_command = cluster.clock;
        execute_one(cluster, line, counters)?;
        show(&mut cluster.log, watch)?;
    }
    Ok(())
}

fn execute_one(cluster: &mut Cluster, line: &str, counters: &mut Counters) -> Result<(), Fatal> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |word: &str| {
        word.parse::<u64>().map_err(|_| {
            let text = format!("command '{line}': expected a number, found '{word}'\n");
            Fatal::new(text)
        })
    };
    let (counter, rounds) = match words.as_slice() {
        ["delay", seconds] => {
            let seconds = number(seconds)?;
            cluster.note("cmdlist", Level::Info, &format!("execute {line}"));
            counters.next_command = cluster.clock.saturating_add(seconds);
            return Ok(());
        }
        ["skip-round", "crm", rounds @ ..] if rounds.len() <= 1 => (&mut counters.skip_crm, rounds),
        ["skip-round", "lrm", rounds @ ..] if rounds.len() <= 1 => (&mut counters.skip_lrm, rounds),
        _ => return cluster.command(line),
    };
    cluster.note("cmdlist", Level::Info, &format!("execute {line}"));
    *counter = counter.saturating_add(number(rounds.first().unwrap_or(&"1"))?);
    Ok(())
}

fn build(case: &Case) -> Result<Cluster, Fatal> {
    let mut names = Names::new();
    for name in case.nodes.keys() {
        intern_node(&mut names, name)?;
    }
    let guests = Guests::of_case(case, &mut names)?;
    let status = read_status(case, &mut names)?;
    let nodes = case
        .nodes
        .iter()
        .map(|(name, config)| node(case, name, config, &mut names))
        .collect::<Result<Vec<_>, _>>()?;
    let mut config = Config::of_profile(Profile::Pve);
    config.services = names.service_ranks();
    config.nodes = names.node_ranks();
    Ok(Cluster {
        log: Log::default(),
        clock: 0,
        config,
        names,
        nodes,
        guests,
        status,
        rules: case.rules.clone(),
        groups: case.groups.clone(),
        digest: 0,
        queue: Vec::new(),
        locks: Locks::default(),
        datacenter: case.datacenter.clone(),
        first_written: false,
        watch: crate::watch::Watch::default(),
    })
}

pub(crate) fn intern_node(
    names: &mut Names,
    name: &str,
) -> Result<lockstep_model::id::NodeId, Fatal> {
    names
        .intern_node(name)
        .ok_or_else(|| Fatal::new("too many nodes"))
}

fn node(case: &Case, name: &str, config: &NodeCase, names: &mut Names) -> Result<Node, Fatal> {
    let running = case.running.get(name).into_iter().flatten();
    Ok(Node {
        id: intern_node(names, name)?,
        power: config.has_power(),
        network: config.has_network(),
        store_fails: false,
        update_fails: false,
        version: config
            .version
            .clone()
            .unwrap_or_else(|| String::from("9.0.0~2")),
        cpu_max: config.maxcpu,
        mem_max: config.maxmem,
        ending: None,
        crm: None,
        lrm: None,
        crm_env: Environment::default(),
        lrm_env: Environment::default(),
        lrm_status: Default::default(),
        running: running
            .map(|sid| guests::intern(names, sid))
            .collect::<Result<_, _>>()?,
        orphans: Vec::new(),
    })
}

pub(crate) fn read_status(case: &Case, names: &mut Names) -> Result<Status, Fatal> {
    let given = &case.status;
    let mut status = Status::default();
    if let Some(master) = &given.master_node {
        status.master = Some(intern_node(names, master)?);
    }
    for (name, NodeStateCase(state)) in &given.node_status {
        status.nodes.insert(intern_node(names, name)?, *state);
    }
    for (name, requests) in &given.node_request {
        let asked = requests.get("maintenance").is_some_and(Flag::is_set);
        status.requests.insert(intern_node(names, name)?, asked);
    }
    let mut uids: BTreeMap<&str, u64> = BTreeMap::new();
    for (sid, entry) in &given.service_status {
        // One without a uid has no command, and so no result (`protocol.md` 5.7).
        let uid = entry.uid.as_deref().filter(|uid| !uid.is_empty());
        let uid = uid.map_or(Uid::NONE, |uid| {
            let next = uids.len() as u64 + 1;
            Uid(*uids.entry(uid).or_insert(next))
        });
        let id: ServiceId = guests::intern(names, sid)?;
        let entry = read_entry(entry, uid, names)?;
        status.services.insert(id, entry);
    }
    status.last_uid = uids.len() as u64;
    if let Some(disarm) = &given.disarm {
        let mode = match disarm.mode.as_str() {
            "freeze" => DisarmMode::Freeze,
            "ignore" => DisarmMode::Ignore,
            other => DisarmMode::Unknown(other.to_owned()),
        };
        let complete = disarm.state == DisarmState::Disarmed;
        status.disarm = Some(Disarm { mode, complete });
    }
    Ok(status)
}

fn read_entry(given: &EntryCase, uid: Uid, names: &mut Names) -> Result<Entry, Fatal> {
    let mut node = |name: &Option<String>| {
        name.as_ref()
            .map(|name| intern_node(names, name))
            .transpose()
    };
    let mut entry = Entry::new(given.state, node(&given.node)?, uid);
    entry.target = node(&given.target)?;
    entry.maintenance_node = node(&given.maintenance_node)?;
    for failed in &given.failed_nodes {
        entry.failed_nodes.extend(node(&Some(failed.clone()))?);
    }
    entry.timeout = given.timeout;
    entry.running = given.running.is_some_and(|running| running != 0);
    entry.queued = match &given.cmd {
        None => None,
        Some(QueuedCase::Move(task, target)) => Some(Queued::Move {
            task: *task,
            target: intern_node(names, target)?,
        }),
        Some(QueuedCase::Stop(timeout)) => Some(Queued::Stop { timeout: *timeout }),
        Some(QueuedCase::Unknown(word)) => Some(Queued::Unknown(word.clone())),
    };
    Ok(entry)
}

/// What rounds take, which is seen from outside only where it is far too much (`simulator.md` 4).
#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A cluster that has just been turned on, each node with a started service.
    fn cluster(nodes: u32) -> Cluster {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let write = |name: &str, text: String| {
            fs::write(directory.path().join(name), text).expect("a file can be written");
        };
        let list = |of: &dyn Fn(u32) -> String| {
            let entries: Vec<String> = (10..10 + nodes).map(of).collect();
            format!("{{{}}}", entries.join(","))
        };
        let off = r#"{"power": "off", "network": "off"}"#;
        write("cmdlist", String::from("[]"));
        write("hardware_status", list(&|n| format!("\"node{n}\": {off}")));
        let service = |n| format!(r#""vm:{n}": {{"node": "node{n}", "state": "started"}}"#);
        write("service_config", list(&service));
        let case = Case::read(directory.path()).expect("it is a case");
        let mut cluster = build(&case).expect("there are few nodes");
        for node in 0..cluster.nodes.len() {
            cluster.power_on(node);
        }
        cluster
    }

    /// How long a daemon's round at this moment takes.
    fn round(cluster: &mut Cluster, node: usize, daemon: Daemon, clock: u64) -> u64 {
        cluster.clock = clock;
        *cluster.nodes[node].env(daemon) = Environment { clock, delay: 0 };
        let turn = match daemon {
            Daemon::Crm => cluster.crm_round(node),
            Daemon::Lrm => cluster.lrm_round(node),
        };
        assert!(turn.is_ok(), "{turn:?}");
        cluster.nodes[node].env(daemon).delay
    }

    #[test]
    fn a_lock_that_is_refused_takes_six_attempts_and_five_pauses() {
        let mut cluster = cluster(3);
        let waits = [Daemon::Crm, Daemon::Lrm].map(|daemon| round(&mut cluster, 0, daemon, 0));
        assert_eq!(waits, [10, 10], "a master, and an active LRM");
        assert_eq!(
            round(&mut cluster, 1, Daemon::Crm, 2),
            11,
            "a slave goes on at once"
        );
        cluster.nodes[0].network = false;
        assert_eq!(
            round(&mut cluster, 0, Daemon::Crm, 20),
            11,
            "so does who lost it"
        );
        assert_eq!(round(&mut cluster, 0, Daemon::Crm, 40), 5);
        assert_eq!(round(&mut cluster, 0, Daemon::Lrm, 41), 11 + 5);
        assert_eq!(
            round(&mut cluster, 0, Daemon::Lrm, 42),
            5,
            "without a majority none asks"
        );
    }

    #[test]
    fn each_attempt_to_fence_takes_a_second() {
        let (nodes, lost) = (41, 20);
        let mut taken = cluster(nodes);
        let mut held = cluster(nodes);
        for cluster in [&mut taken, &mut held] {
            round(cluster, 0, Daemon::Crm, 0);
        }
        for node in 1..=lost {
            round(&mut held, node, Daemon::Lrm, 1);
        }
        for cluster in [&mut taken, &mut held] {
            for node in 1..=lost {
                cluster.nodes[node].network = false;
            }
            assert_eq!(round(cluster, 0, Daemon::Crm, 20), 10);
        }
        // Its own lock, and each of theirs once: they are had at once; or once in the pass in which
        // services come to be fenced, and once more in the next, in which nothing changes.
        assert_eq!(round(&mut taken, 0, Daemon::Crm, 60), 1 + 20);
        assert_eq!(round(&mut held, 0, Daemon::Crm, 60), 1 + 20 + 20);
    }
}
