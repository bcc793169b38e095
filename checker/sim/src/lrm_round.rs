//! An LRM's round: what is read when, what the lock says, how its workers end (`protocol.md` 5.4).

use std::collections::VecDeque;

use lockstep_model::crm::{LockAnswer, LockRequest};
use lockstep_model::event::{Level, LrmState};
use lockstep_model::lrm::rounds::{
    Effect, Event, Input, Leaving, Outbox, Reason, RoundLrm, ShutdownPolicy, View,
};

use crate::cluster::{Cluster, Fatal, LrmProcess, instant};
use crate::crm_round::Turn;
use crate::locks::{Answer, Name};
use crate::log::{Daemon, Source};

/// How long an active LRM's round takes at least, in seconds.
const ACTIVE_ROUND: u64 = 10;

/// How long a round in maintenance takes at least, in seconds.
const MAINTENANCE_ROUND: u64 = 5;

/// How long an LRM without its lock sleeps, in seconds, whatever its round took.
const IDLE_SLEEP: u64 = 5;

impl Cluster {
    /// Begins an LRM on a node that has none.
    pub(crate) fn create_lrm(&mut self, node: usize) {
        let now = instant(self.nodes[node].lrm_env.clock);
        let mut machine = RoundLrm::new(self.nodes[node].id, now);
        let mut out = Outbox::default();
        machine.begin(now, &mut out);
        self.nodes[node].lrm = Some(LrmProcess {
            machine,
            watchdog: None,
            restarting: false,
        });
        self.say_lrm_events(node, &mut out);
    }

    /// Takes a node's LRM away. A watchdog that it left open counts on.
    pub(crate) fn drop_lrm(&mut self, node: usize) -> Option<LrmProcess> {
        let process = self.nodes[node].lrm.take()?;
        self.nodes[node].orphans.extend(process.watchdog);
        Some(process)
    }

    fn say_lrm_events(&mut self, node: usize, out: &mut Outbox) {
        for event in out.events.drain(..) {
            let mut text = String::new();
            let written = event.write(&mut text, &self.names);
            assert!(written.is_ok(), "a string takes everything");
            if event == Event::Leaving(Leaving::RestartInMaintenance) {
                let seconds = self.nodes[node].lrm_env.clock;
                let name = self.names.node(self.nodes[node].id);
                let source = Source::Daemon(name, Daemon::Lrm);
                self.log.spoiled_line(seconds, source, &text);
                continue;
            }
            self.say(node, Daemon::Lrm, event.level(), &text);
        }
    }

    /// Asks a node's LRM to end.
    pub(crate) fn shut_lrm_down(&mut self, node: usize, reason: Reason) -> Result<(), Fatal> {
        let Some(mut process) = self.nodes[node].lrm.take() else {
            return Ok(());
        };
        let word = self.datacenter.ha.shutdown_policy.as_deref();
        let word = word.unwrap_or("conditional");
        let policy = ShutdownPolicy::from_name(word).ok_or_else(|| word.to_owned());
        let input = Input::Shutdown { reason, policy };
        let ended = self.lrm_steps(node, &mut process, input);
        self.nodes[node].lrm = Some(process);
        ended.map(|_| ())
    }

    /// One round of a node's LRM.
    pub(crate) fn lrm_round(&mut self, node: usize) -> Result<Turn, Fatal> {
        let Some(mut process) = self.nodes[node].lrm.take() else {
            return Ok(Turn::GoesOn);
        };
        let turn = self.lrm_phases(node, &mut process);
        if turn == Ok(Turn::GoesOn) {
            self.rest_lrm(node, process.machine.state());
        }
        self.nodes[node].lrm = Some(process);
        turn
    }

    /// What is left of a round that ends in this state.
    fn rest_lrm(&mut self, node: usize, state: LrmState) {
        let env = &mut self.nodes[node].lrm_env;
        match state {
            LrmState::Active => env.sleep_until(ACTIVE_ROUND),
            LrmState::Maintenance => env.sleep_until(MAINTENANCE_ROUND),
            LrmState::Startup | LrmState::WaitForAgentLock | LrmState::LostAgentLock => {
                env.sleep(IDLE_SLEEP);
            }
        }
    }

    fn lrm_phases(&mut self, node: usize, process: &mut LrmProcess) -> Result<Turn, Fatal> {
        if !self.first_written {
            self.first_written = self.write_first(node, process);
            if !self.first_written {
                return Ok(match process.machine.is_leaving() {
                    true => Turn::Ended,
                    false => Turn::GoesOn,
                });
            }
        }
        // Nobody else writes while it is this LRM's turn: both reads see the same.
        let (status, resources) = (self.status.clone(), self.resources());
        let view = View {
            status: &status,
            resources: &resources,
        };
        let view = self.store(node).map(|()| view);
        let input = Input::Round {
            quorate: self.is_online(&self.nodes[node]),
            updated: !self.nodes[node].update_fails,
            view: view.clone(),
        };
        self.lrm_steps(node, process, input)?;
        self.lrm_steps(node, process, Input::Work(view))?;
        self.lrm_steps(node, process, Input::End)
    }

    /// The first round of any LRM begins with a write.
    fn write_first(&mut self, node: usize, process: &LrmProcess) -> bool {
        if !self.is_online(&self.nodes[node]) {
            return false;
        }
        if let Err(error) = self.store(node) {
            let text = format!("unable to write lrm status file - {}", error.0);
            self.say(node, Daemon::Lrm, Level::Error, &text);
            return false;
        }
        self.nodes[node].lrm_status = process.machine.published();
        true
    }

    fn lrm_steps(
        &mut self,
        node: usize,
        process: &mut LrmProcess,
        input: Input<'_>,
    ) -> Result<Turn, Fatal> {
        let now = instant(self.nodes[node].lrm_env.clock);
        let mut out = Outbox::default();
        process.machine.step(&self.config, now, input, &mut out);
        let mut effects = VecDeque::new();
        let mut turn = Turn::GoesOn;
        loop {
            self.say_lrm_events(node, &mut out);
            effects.extend(out.effects.drain(..));
            let Some(effect) = effects.pop_front() else {
                return Ok(turn);
            };
            let input = match effect {
                Effect::Lock(LockRequest::Hold) => Some(Input::Lock(self.hold_agent_lock(node))),
                Effect::Lock(LockRequest::Release) => {
                    let (id, at) = (self.nodes[node].id, self.nodes[node].lrm_env.clock);
                    if self.is_online(&self.nodes[node]) {
                        self.locks.release(Name::Agent(id), id, at);
                    }
                    None
                }
                Effect::Feed => {
                    self.feed(process)?;
                    None
                }
                Effect::Close => {
                    if process
                        .watchdog
                        .take()
                        .is_some_and(|fed| self.is_expired(fed))
                    {
                        return Err(Fatal::new("watchdog expired"));
                    }
                    None
                }
                Effect::Run(command) => {
                    let ran = self.nodes[node].running.contains(&command.service);
                    let end = self.run_agent(node, &command);
                    if ran != self.nodes[node].running.contains(&command.service) {
                        self.watch_touched(&command);
                    }
                    Some(Input::Done(command.service, end))
                }
                Effect::Publish { at_shutdown } => self.publish(node, process, at_shutdown),
                Effect::Abort(error) => return Err(Fatal::new(format!("{}\n", error.0))),
                Effect::Exit => {
                    turn = Turn::Ended;
                    None
                }
            };
            if let Some(input) = input {
                process.machine.step(&self.config, now, input, &mut out);
            }
        }
    }

    fn feed(&self, process: &mut LrmProcess) -> Result<(), Fatal> {
        if process.watchdog.is_some_and(|fed| self.is_expired(fed)) {
            return Err(Fatal::new("watchdog expired"));
        }
        process.watchdog = Some(self.clock);
        Ok(())
    }

    fn publish(
        &mut self,
        node: usize,
        process: &LrmProcess,
        at_shutdown: bool,
    ) -> Option<Input<'static>> {
        if !self.is_online(&self.nodes[node]) {
            return Some(Input::NotPublished {
                error: None,
                at_shutdown,
            });
        }
        if let Err(error) = self.store(node) {
            return Some(Input::NotPublished {
                error: Some(error),
                at_shutdown,
            });
        }
        self.nodes[node].lrm_status = process.machine.published();
        // Any write that succeeds counts, also that at the beginning of a shutdown.
        self.first_written = true;
        None
    }

    fn hold_agent_lock(&mut self, node: usize) -> LockAnswer {
        let (id, now) = (self.nodes[node].id, self.nodes[node].lrm_env.clock);
        let answer = match self.is_online(&self.nodes[node]) {
            true => self.locks.hold(Name::Agent(id), id, now),
            false => Answer::Refused,
        };
        self.nodes[node].lrm_env.insist(answer);
        if answer == Answer::Refused {
            return LockAnswer::Refused;
        }
        if answer == Answer::Taken {
            let name = self.names.node(id).to_owned();
            let text = format!("got lock 'ha_agent_{name}_lock'");
            self.say(node, Daemon::Lrm, Level::Info, &text);
        }
        LockAnswer::Granted
    }
}
