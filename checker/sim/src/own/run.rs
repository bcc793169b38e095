//! The loop: inputs until there are none, then time (`simulator.md` 5).
//!
//! Commands keep the reference's times: a list every fifth slot of 20 s, slots not counted during a
//! `delay`. A process that isn't paused takes in what reached it before time passes.

use lockstep_model::event::Level;
use lockstep_model::time::{Instant, Span};

use super::cluster::Cluster;
use crate::case::Case;
use crate::cluster::Fatal;
use crate::schedule::{AFTER_LAST, Halt, LOOP_MIN, LOOPS_PER_LIST, TIME_MAX, Watch, show};
use crate::watch::Property;
use crate::{Ended, Options};

/// The most inputs that a whole run takes in: more is an error of the simulation.
pub(crate) const DELIVERIES_MAX: u64 = 20_000_000;

/// How many inputs a moment may have, and how many more for each host and service.
const MOMENT_BASE: u64 = 10_000;
const MOMENT_EACH: u64 = 500;

/// Where the case's list stands, in seconds.
#[derive(Debug, Default)]
struct Script {
    /// When the next slot is.
    slot: u64,
    slots: u64,
    lists: usize,
    last_command: u64,
    next_command: u64,
}

/// What a slot led to.
#[derive(PartialEq, Eq)]
enum Slot {
    GoesOn,
    Over,
}

/// Runs until the case's end, an error, a violated property, or until nobody watches.
pub(super) fn run(
    cluster: &mut Cluster,
    case: &Case,
    options: &Options,
    watch: &mut Watch<'_>,
) -> Result<Ended, Halt> {
    let mut script = Script {
        slot: LOOP_MIN,
        ..Script::default()
    };
    let is_over = |seconds| options.until_seconds.is_some_and(|until| seconds >= until);
    if is_over(0) {
        return Ok(Ended::Regular);
    }
    loop {
        settle(cluster, watch)?;
        run_faults(cluster, false, watch)?;
        if cluster.is_violated() {
            return Ok(Ended::Violated);
        }
        let slot = Instant(script.slot.saturating_mul(1000));
        let next = cluster.next_event().filter(|at| *at < slot);
        cluster.now = next.unwrap_or(slot).max(cluster.now);
        run_faults(cluster, true, watch)?;
        if cluster.hardware_last {
            settle(cluster, watch)?;
            if cluster.is_violated() {
                return Ok(Ended::Violated);
            }
        }
        cluster.run_hardware();
        cluster.end_jobs();
        if next.is_some() {
            continue;
        }
        settle(cluster, watch)?;
        if cluster.is_violated() {
            return Ok(Ended::Violated);
        }
        cluster.watch_lost();
        if script.slot > TIME_MAX {
            let text = format!("simulation exceeded maximum time ({TIME_MAX}) - force end\n");
            return Err(Fatal::new(text).into());
        }
        if is_over(script.slot) || run_slot(cluster, case, &mut script, watch)? == Slot::Over {
            return Ok(Ended::Regular);
        }
    }
}

/// A slot of the list, after everything else of its moment.
fn run_slot(
    cluster: &mut Cluster,
    case: &Case,
    script: &mut Script,
    watch: &mut Watch<'_>,
) -> Result<Slot, Halt> {
    let now = script.slot;
    script.slot += LOOP_MIN;
    if now < script.next_command {
        return Ok(Slot::GoesOn);
    }
    if script.slots.is_multiple_of(LOOPS_PER_LIST) {
        match case.commands.get(script.lists) {
            Some(list) => {
                script.lists += 1;
                for line in list {
                    script.last_command = now;
                    execute(cluster, line, script)?;
                    show(&mut cluster.log, watch)?;
                }
            }
            None if now - script.last_command > AFTER_LAST => return Ok(Slot::Over),
            None => {}
        }
    }
    script.slots += 1;
    Ok(Slot::GoesOn)
}

fn execute(cluster: &mut Cluster, line: &str, script: &mut Script) -> Result<(), Fatal> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |word: &str| {
        word.parse::<u64>().map_err(|_| {
            let text = format!("command '{line}': expected a number, found '{word}'\n");
            Fatal::new(text)
        })
    };
    let (rounds, crm) = match words.as_slice() {
        ["delay", seconds] => {
            script.next_command = script.last_command.saturating_add(number(seconds)?);
            cluster.note("cmdlist", Level::Info, &format!("execute {line}"));
            return Ok(());
        }
        ["skip-round", "crm", rounds @ ..] if rounds.len() <= 1 => (rounds, true),
        ["skip-round", "lrm", rounds @ ..] if rounds.len() <= 1 => (rounds, false),
        _ => return cluster.command(line),
    };
    let rounds = number(rounds.first().unwrap_or(&"1"))?;
    cluster.note("cmdlist", Level::Info, &format!("execute {line}"));
    let until = match crm {
        true => &mut cluster.crms_paused,
        false => &mut cluster.lrms_paused,
    };
    let pause = Span(rounds.saturating_mul(LOOP_MIN * 1000));
    *until = (*until).max(cluster.now) + pause;
    cluster.watch.faults = true;
    Ok(())
}

/// The faults of this moment: those that come before everything else, or all that are left. What
/// follows from each happens before the next.
fn run_faults(cluster: &mut Cluster, first: bool, watch: &mut Watch<'_>) -> Result<(), Halt> {
    while !cluster.is_violated()
        && let Some(fault) = cluster.take_fault(first)
    {
        cluster.run_fault(&fault)?;
        if !first {
            settle(cluster, watch)?;
        }
        show(&mut cluster.log, watch)?;
    }
    Ok(())
}

fn settle(cluster: &mut Cluster, watch: &mut Watch<'_>) -> Result<(), Halt> {
    let services = cluster.names.counts().1 as u64;
    let each = cluster.hosts.len() as u64 + services;
    settle_within(cluster, MOMENT_BASE + MOMENT_EACH * each, watch)
}

/// Lets every process that isn't paused take in what reached it, until there is nothing.
pub(super) fn settle_within(
    cluster: &mut Cluster,
    mut left: u64,
    watch: &mut Watch<'_>,
) -> Result<(), Halt> {
    loop {
        let mut moved = cluster.wake();
        left = left.saturating_sub(u64::from(moved));
        for host in 0..cluster.hosts.len() {
            for deliver in [
                Cluster::deliver_mux,
                Cluster::deliver_lrm,
                Cluster::deliver_crm,
            ] {
                if !deliver(cluster, host) {
                    continue;
                }
                moved = true;
                cluster.deliveries += 1;
                left = left.saturating_sub(1);
                cluster.watch_instances();
            }
        }
        cluster.watch_instances();
        show(&mut cluster.log, watch)?;
        if !moved || cluster.is_violated() {
            return Ok(());
        }
        if left == 0 {
            let text = String::from("the daemons don't come to rest: time can't pass");
            cluster.report(Property::TimeCanPass, text);
            return Ok(());
        }
        if cluster.deliveries > DELIVERIES_MAX {
            let text = format!("more than {DELIVERIES_MAX} inputs - force end\n");
            return Err(Fatal::new(text).into());
        }
    }
}

impl Cluster {
    fn lrms_run(&self) -> bool {
        self.lrms_paused <= self.now
    }

    fn crms_run(&self) -> bool {
        self.crms_paused <= self.now
    }

    pub(super) fn is_paused_lrm(&self) -> bool {
        !self.lrms_run()
    }

    pub(super) fn is_paused_crm(&self) -> bool {
        !self.crms_run()
    }

    /// Tells every process that asked to be woken by now. Whether there was one.
    fn wake(&mut self) -> bool {
        let mut woken = false;
        for host in 0..self.hosts.len() {
            woken |= self.wake_mux(host);
            if self.lrms_run() {
                woken |= self.wake_lrm(host);
            }
            if self.crms_run() {
                woken |= self.wake_crm(host);
            }
        }
        woken
    }

    /// When something next happens by itself.
    fn next_event(&self) -> Option<Instant> {
        let mut next: Vec<Option<Instant>> = vec![self.next_job_end(), self.next_hardware()];
        for host in 0..self.hosts.len() {
            next.push(self.next_wakeup_mux(host));
            if self.lrms_run() {
                next.push(self.next_wakeup_lrm(host));
            }
            if self.crms_run() {
                next.push(self.next_wakeup_crm(host));
            }
        }
        next.push(self.next_fault());
        for paused in [self.lrms_paused, self.crms_paused] {
            next.push(Some(paused).filter(|until| *until > self.now));
        }
        next.into_iter().flatten().min()
    }
}
