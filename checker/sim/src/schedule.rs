//! The loop: whose turn it is, and when (`simulator.md` 4, 5).

use lockstep_model::config::{Config, Profile};
use lockstep_model::event::Level;
use lockstep_model::format;
use lockstep_model::id::{ServiceId, Uid};
use lockstep_model::manager::status::{Disarm, DisarmMode, Entry, NodeState, Queued, Status, Task};
use lockstep_model::name::Names;
use lockstep_model::placement::state::ServiceState;

use crate::case::{Case, EntryCase, NodeCase};
use crate::cluster::{Cluster, Environment, Fatal, Node};
use crate::crm_round::Turn;
use crate::guests::{self, Guests};
use crate::locks::Locks;
use crate::log::{Daemon, Log};
use crate::watch::Watch;
use crate::{Ended, Run};

/// How long a loop takes at least, in seconds.
const LOOP_MIN: u64 = 20;

/// How long a loop may take at most, in seconds.
const LOOP_MAX: u64 = 60;

/// When a simulation is ended by force.
const TIME_MAX: u64 = 10_000;

/// How long after the last command a simulation goes on.
const AFTER_LAST: u64 = 500;

/// How many loops there are to a list of commands.
const LOOPS_PER_LIST: u64 = 5;

/// What a daemon's round may take at most, in seconds.
const ROUND_MAX: u64 = 300;

/// A simulation under way.
#[derive(Debug)]
pub(crate) struct Simulation {
    cluster: Result<Cluster, Fatal>,
    lists: Vec<Vec<String>>,
}

#[derive(Debug, Default)]
struct Counters {
    loops: u64,
    last_command: u64,
    next_command: u64,
    skip_crm: u64,
    skip_lrm: u64,
}

impl Simulation {
    pub(crate) fn new(case: &Case) -> Self {
        Self {
            cluster: build(case),
            lists: case.commands.clone(),
        }
    }

    pub(crate) fn run(self) -> Run {
        let mut cluster = match self.cluster {
            Ok(cluster) => cluster,
            Err(Fatal(error)) => {
                let mut log = Log::default();
                let source = crate::log::Source::Simulator("hardware");
                log.line(Level::Info, 0, source, &"starting simulation");
                log.line(Level::Error, 0, source, &last_words(&error));
                return Run {
                    log,
                    ended: Ended::Error(error),
                    reports: Vec::new(),
                };
            }
        };
        cluster.note("hardware", Level::Info, &"starting simulation");
        let ended = match main_loop(&mut cluster, self.lists) {
            Ok(()) => {
                cluster.note("hardware", Level::Info, &"exit simulation - done");
                Ended::Regular
            }
            Err(Fatal(error)) => {
                cluster.note("hardware", Level::Error, &last_words(&error));
                Ended::Error(error.trim_end().to_owned())
            }
        };
        Run {
            log: cluster.log,
            ended,
            reports: cluster.watch.reports,
        }
    }
}

/// What an error is logged with: it ends its line, and a blank follows (`simulator.md` 14). Where in
/// the reference's source it was raised isn't said.
fn last_words(error: &str) -> String {
    let error = error.strip_suffix('\n').unwrap_or(error);
    format!("exit simulation - {error}\n ")
}

fn main_loop(cluster: &mut Cluster, lists: Vec<Vec<String>>) -> Result<(), Fatal> {
    let mut lists = lists.into_iter();
    let mut counters = Counters::default();
    let length = (2 * cluster.nodes.len() as u64).max(LOOP_MIN);
    if length >= LOOP_MAX {
        return Err(Fatal::new(
            "unable to simulate so many nodes. You need to increase watchdog/lock timeouts.\n",
        ));
    }
    loop {
        let start = cluster.clock;
        run_daemons(cluster, &counters)?;
        counters.skip_crm = counters.skip_crm.saturating_sub(1);
        counters.skip_lrm = counters.skip_lrm.saturating_sub(1);
        cluster.clock = cluster.clock.max(start + length);
        if cluster.clock > TIME_MAX {
            return Err(Fatal::new(format!(
                "simulation exceeded maximum time ({TIME_MAX}) - force end\n"
            )));
        }
        for node in &mut cluster.nodes {
            node.crm_env.clock = cluster.clock;
            node.lrm_env.clock = cluster.clock;
        }
        if cluster.clock < counters.next_command {
            continue;
        }
        if counters.loops.is_multiple_of(LOOPS_PER_LIST) {
            match lists.next() {
                Some(list) => execute(cluster, &list, &mut counters)?,
                None if cluster.clock - counters.last_command > AFTER_LAST => return Ok(()),
                None => {}
            }
        }
        counters.loops += 1;
    }
}

fn run_daemons(cluster: &mut Cluster, counters: &Counters) -> Result<(), Fatal> {
    for node in 0..cluster.nodes.len() {
        for daemon in [Daemon::Crm, Daemon::Lrm] {
            turn(cluster, counters, node, daemon)?;
            cluster.watch_instances();
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

fn execute(cluster: &mut Cluster, list: &[String], counters: &mut Counters) -> Result<(), Fatal> {
    for line in list {
        counters.last_command = cluster.clock;
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |word: &str| {
            word.parse::<u64>().map_err(|_| {
                Fatal::new(format!(
                    "command '{line}': expected a number, found '{word}'\n"
                ))
            })
        };
        match words.as_slice() {
            ["delay", seconds] => {
                let seconds = number(seconds)?;
                cluster.note("cmdlist", Level::Info, &format!("execute {line}"));
                counters.next_command = cluster.clock.saturating_add(seconds);
            }
            ["skip-round", "crm", rounds @ ..] if rounds.len() <= 1 => {
                cluster.note("cmdlist", Level::Info, &format!("execute {line}"));
                let rounds = number(rounds.first().unwrap_or(&"1"))?;
                counters.skip_crm = counters.skip_crm.saturating_add(rounds);
            }
            ["skip-round", "lrm", rounds @ ..] if rounds.len() <= 1 => {
                cluster.note("cmdlist", Level::Info, &format!("execute {line}"));
                let rounds = number(rounds.first().unwrap_or(&"1"))?;
                counters.skip_lrm = counters.skip_lrm.saturating_add(rounds);
            }
            _ => cluster.command(line)?,
        }
    }
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
        rules: format::rules::Rules::read("rules_config", &case.rules).0,
        groups: format::groups::Groups::read("groups", &case.groups).0,
        digest: 0,
        queue: Vec::new(),
        locks: Locks::default(),
        datacenter: case.datacenter.clone(),
        first_written: false,
        watch: Watch::default(),
    })
}

fn intern_node(names: &mut Names, name: &str) -> Result<lockstep_model::id::NodeId, Fatal> {
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

fn read_status(case: &Case, names: &mut Names) -> Result<Status, Fatal> {
    let given = &case.status;
    let mut status = Status::default();
    if let Some(master) = &given.master_node {
        status.master = Some(intern_node(names, master)?);
    }
    for (name, state) in &given.node_status {
        let unknown = || Fatal::new(format!("manager_status: unknown node state '{state}'"));
        let state = NodeState::from_name(state).ok_or_else(unknown)?;
        status.nodes.insert(intern_node(names, name)?, state);
    }
    for (name, requests) in &given.node_request {
        let asked = requests
            .get("maintenance")
            .is_some_and(|value| *value != 0 && !value.is_null());
        status.requests.insert(intern_node(names, name)?, asked);
    }
    let mut uids: Vec<&String> = Vec::new();
    for (sid, entry) in &given.service_status {
        // One without a uid has no command, and so no result (`protocol.md` 5.7).
        let uid = entry.uid.as_ref().filter(|uid| !uid.is_empty());
        let uid = uid.map_or(Uid::NONE, |uid| Uid(number_of(&mut uids, uid)));
        let id: ServiceId = guests::intern(names, sid)?;
        let entry = read_entry(sid, entry, uid, names)?;
        status.services.insert(id, entry);
    }
    status.last_uid = uids.len() as u64;
    if let Some(disarm) = &given.disarm {
        let mode = match disarm.mode.as_str() {
            "freeze" => DisarmMode::Freeze,
            "ignore" => DisarmMode::Ignore,
            other => DisarmMode::Unknown(other.to_owned()),
        };
        let complete = disarm.state == "disarmed";
        status.disarm = Some(Disarm { mode, complete });
    }
    Ok(status)
}

fn number_of<'a>(uids: &mut Vec<&'a String>, uid: &'a String) -> u64 {
    let at = uids.iter().position(|known| *known == uid);
    let at = at.unwrap_or_else(|| {
        uids.push(uid);
        uids.len() - 1
    });
    at as u64 + 1
}

fn read_entry(sid: &str, given: &EntryCase, uid: Uid, names: &mut Names) -> Result<Entry, Fatal> {
    let unknown = || {
        let state = &given.state;
        Fatal::new(format!(
            "manager_status: service '{sid}': unknown state '{state}'"
        ))
    };
    let state = ServiceState::from_name(&given.state).ok_or_else(unknown)?;
    let mut node = |name: &Option<String>| {
        name.as_ref()
            .map(|name| intern_node(names, name))
            .transpose()
    };
    let mut entry = Entry::new(state, node(&given.node)?, uid);
    entry.target = node(&given.target)?;
    entry.maintenance_node = node(&given.maintenance_node)?;
    for failed in &given.failed_nodes {
        entry.failed_nodes.extend(node(&Some(failed.clone()))?);
    }
    entry.timeout = given.timeout;
    entry.running = given.running.is_some_and(|running| running != 0);
    let words: Vec<String> = given
        .cmd
        .iter()
        .map(|word| {
            word.as_str()
                .map_or_else(|| word.to_string(), str::to_owned)
        })
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let moved = |task, target: &str, names: &mut Names| {
        intern_node(names, target).map(|target| Queued::Move { task, target })
    };
    entry.queued = match words.as_slice() {
        [] => None,
        ["migrate", target] => Some(moved(Task::Migrate, target, names)?),
        ["relocate", target] => Some(moved(Task::Relocate, target, names)?),
        ["stop", timeout] => timeout.parse().ok().map(|timeout| Queued::Stop { timeout }),
        [word, ..] => Some(Queued::Unknown((*word).to_owned())),
    };
    Ok(entry)
}
