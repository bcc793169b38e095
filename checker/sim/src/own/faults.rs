//! What the file `faults` does to processes: they are stopped, die, go on and are started again, at
//! a moment or between two of their effects.

use lockstep_model::event::Level;
use lockstep_model::id::LockId;
use lockstep_model::time::Instant;

use super::cluster::Cluster;
use crate::asked;
use crate::case::faults::{Around, Fate, FaultCase, ForProcess, Process};
use crate::cluster::Fatal;
use crate::effects;

/// A fault that waits for an effect.
#[derive(Clone, Debug)]
pub(crate) struct Trap {
    host: usize,
    process: Process,
    dies: bool,
    around: Around,
}

impl Cluster {
    /// When the next fault of the file comes.
    pub(super) fn next_fault(&self) -> Option<Instant> {
        let fault = self.faults.front()?;
        Some(Instant(fault.at.saturating_mul(1000)))
    }

    /// Takes out the next fault of the present moment, of those that come first or of the others.
    /// What waits for an effect always comes first.
    pub(super) fn take_fault(&mut self, first: bool) -> Option<FaultCase> {
        let now = self.now;
        let waits = |fault: &FaultCase| {
            let parsed = ForProcess::of(&fault.what).and_then(Result::ok);
            parsed.is_some_and(|parsed| {
                matches!(
                    parsed.fate,
                    Fate::Ends {
                        around: Some(_),
                        ..
                    }
                )
            })
        };
        let due = |fault: &FaultCase| Instant(fault.at.saturating_mul(1000)) <= now;
        let chosen = |fault: &FaultCase| due(fault) && (!first || fault.first || waits(fault));
        let index = self.faults.iter().position(chosen)?;
        self.faults.remove(index)
    }

    /// Carries a fault out.
    pub(super) fn run_fault(&mut self, fault: &FaultCase) -> Result<(), Fatal> {
        let Some(parsed) = ForProcess::of(&fault.what) else {
            return self.command(&fault.what);
        };
        let asked = parsed.map_err(|message| Fatal::new(format!("{message}\n")))?;
        let node = self.names.find_node(&asked.node);
        let host = node.and_then(|node| self.host_index(node));
        let host = host.ok_or_else(|| asked::no_such_node(&asked.node))?;
        let text = format!("execute {}", fault.what);
        self.note("faults", Level::Info, &text);
        self.watch.faults = true;
        match asked.fate {
            Fate::Ends { dies, around: None } => self.end_process(host, asked.process, dies),
            Fate::Ends {
                dies,
                around: Some(around),
            } => self.traps.push(Trap {
                host,
                process: asked.process,
                dies,
                around,
            }),
            Fate::GoesOn => {
                self.set_stopped(host, asked.process, false);
                // What it was about to do comes before everything else.
                match asked.process {
                    Process::Lrm => self.empty_lrm(host),
                    Process::Mux => self.empty_mux(host),
                    Process::Crm => {}
                }
            }
            Fate::Starts => self.start_process(host, asked.process),
        }
        Ok(())
    }

    /// A process is about to do something, or has just done it. Whether that ends it.
    pub(super) fn is_trapped(
        &mut self,
        host: usize,
        process: Process,
        effect: &str,
        before: bool,
    ) -> bool {
        if self.traps.is_empty() {
            return false;
        }
        let mut sprung = None;
        for (index, trap) in self.traps.iter_mut().enumerate() {
            let here = trap.host == host && trap.process == process;
            let around = &mut trap.around;
            if !here || around.before != before || around.effect != effect {
                continue;
            }
            around.count = around.count.saturating_sub(1);
            if around.count == 0 && sprung.is_none() {
                sprung = Some(index);
            }
        }
        let Some(index) = sprung else {
            return false;
        };
        let trap = self.traps.remove(index);
        let how = if trap.dies { "dies" } else { "is stopped" };
        let when = if before { "before" } else { "after" };
        let name = self.names.node(self.hosts[host].id);
        let text = format!("{} of {name} {how} {when} {effect}", process_name(process));
        self.note("faults", Level::Info, &text);
        self.end_process(host, process, trap.dies);
        true
    }

    fn end_process(&mut self, host: usize, process: Process, dies: bool) {
        match (dies, process) {
            (false, _) => self.set_stopped(host, process, true),
            (true, Process::Lrm) => self.drop_lrm(host),
            (true, Process::Mux) => self.mux_ends(host),
            (true, Process::Crm) => self.hosts[host].crm = None,
        }
    }

    fn set_stopped(&mut self, host: usize, process: Process, stopped: bool) {
        let value = &mut self.hosts[host];
        match process {
            Process::Lrm => {
                if let Some(lrm) = &mut value.lrm {
                    lrm.stopped = stopped;
                }
            }
            Process::Mux => {
                if let Some(mux) = &mut value.mux {
                    mux.stopped = stopped;
                }
            }
            Process::Crm => {
                if let Some(crm) = &mut value.crm {
                    crm.stopped = stopped;
                }
            }
        }
    }

    fn start_process(&mut self, host: usize, process: Process) {
        let value = &self.hosts[host];
        if !value.power {
            return;
        }
        match process {
            Process::Lrm if value.lrm.is_none() => self.start_lrm(host),
            Process::Mux if value.mux.is_none() => self.restart_mux(host),
            Process::Crm if value.crm.is_none() => self.start_crm(host),
            Process::Lrm | Process::Mux | Process::Crm => {}
        }
    }

    /// The name of what an LRM is about to do.
    pub(super) fn name_of_lrm_effect(&self, effect: &lockstep_model::lrm::Effect) -> &'static str {
        effects::of_lrm(effect, |lock| match lock {
            LockId::Agent(node) => self.store.agent_grant(node).map(|grant| grant.epoch),
            LockId::Manager => None,
        })
    }
}

const fn process_name(process: Process) -> &'static str {
    match process {
        Process::Lrm => "LRM",
        Process::Mux => "multiplexer",
        Process::Crm => "CRM",
    }
}
