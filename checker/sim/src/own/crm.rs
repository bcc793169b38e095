//! The CRM's process, and what it knows beside the store's records.

use std::collections::VecDeque;

use lockstep_model::contender::Fenced;
use lockstep_model::crm::Event as CrmEvent;
use lockstep_model::event::Level;
use lockstep_model::id::{Holder, RequestId};
use lockstep_model::manager::Settings;
use lockstep_model::manager::event::Event as Decision;
use lockstep_model::master::{Effect, Event, Files, Input, Master, Outbox};
use lockstep_model::placement::stats::{NodeStats, ServiceStats};
use lockstep_model::placement::usage::Mode;
use lockstep_model::record::Outcome;
use lockstep_model::table::Table;
use lockstep_model::time::Instant;

use super::cluster::Cluster;
use super::host::State;
use super::say;
use crate::log::Daemon;
use crate::view;

/// A CRM's process.
#[derive(Debug)]
pub(crate) struct CrmProcess {
    pub(crate) me: Holder,
    pub(crate) machine: Master,
    pub(crate) inbox: VecDeque<ToCrm>,
    /// Whether its watch has news.
    pub(crate) notified: bool,
    /// Whether a command asked it to stop.
    pub(crate) stopping: bool,
    /// Whether it is stopped.
    pub(crate) stopped: bool,
}

/// What reaches a CRM.
#[derive(Debug)]
pub(crate) enum ToCrm {
    Started,
    Read(RequestId, std::rc::Rc<lockstep_model::record::Snapshot>),
    Written(RequestId, Outcome),
    Fenced(RequestId, Fenced),
    Watched(std::rc::Rc<lockstep_model::record::Snapshot>),
    Timer,
    Leave,
}

/// What a CRM knows beside the records, put together for one input.
struct Knowledge {
    settings: Settings,
    node_stats: Vec<Option<NodeStats>>,
    service_stats: Table<lockstep_model::id::ServiceId, ServiceStats>,
    versions: Table<lockstep_model::id::NodeId, String>,
}

impl Cluster {
    /// A CRM begins on a host with power that has none.
    pub(super) fn start_crm(&mut self, host: usize) {
        if !self.hosts[host].power {
            return;
        }
        let incarnation = self.incarnation();
        let me = self.hosts[host].holder(incarnation);
        self.hosts[host].crm = Some(CrmProcess {
            me,
            machine: Master::new(me),
            inbox: VecDeque::from([ToCrm::Started]),
            notified: true,
            stopping: false,
            stopped: false,
        });
    }

    /// Asks a node's CRM to end.
    pub(super) fn stop_crm(&mut self, host: usize) {
        if let Some(crm) = &mut self.hosts[host].crm {
            crm.stopping = true;
            crm.inbox.push_back(ToCrm::Leave);
        }
    }

    /// A CRM takes in the next thing that reached it.
    pub(super) fn deliver_crm(&mut self, host: usize) -> bool {
        if self.is_paused_crm() {
            return false;
        }
        let sees = self.can_read(host);
        let snapshot = self.store.snapshot();
        let Some(crm) = self.hosts[host].crm.as_mut().filter(|crm| !crm.stopped) else {
            return false;
        };
        if let Some(input) = crm.inbox.pop_front() {
            self.step_crm(host, &input);
        } else if crm.notified && sees {
            crm.notified = false;
            self.step_crm(host, &ToCrm::Watched(snapshot));
        } else {
            return false;
        }
        true
    }

    pub(super) fn next_wakeup_crm(&self, host: usize) -> Option<Instant> {
        let crm = self.hosts[host].crm.as_ref().filter(|crm| !crm.stopped)?;
        Some(crm.machine.next_wakeup(&self.config)?.at)
    }

    pub(super) fn wake_crm(&mut self, host: usize) -> bool {
        let due = self.next_wakeup_crm(host).is_some_and(|at| at <= self.now);
        if due {
            self.step_crm(host, &ToCrm::Timer);
        }
        due
    }

    fn step_crm(&mut self, host: usize, input: &ToCrm) {
        let Some(mut crm) = self.hosts[host].crm.take() else {
            return;
        };
        let knowledge = self.knowledge();
        let files = Files {
            names: &self.names,
            nodes: &self.ids,
            settings: &knowledge.settings,
            node_stats: &knowledge.node_stats,
            service_stats: &knowledge.service_stats,
            versions: &knowledge.versions,
            fenceable: &[],
        };
        let files = &files;
        let input = match input {
            ToCrm::Started => Input::Started,
            ToCrm::Read(request, snapshot) => Input::Read {
                request: *request,
                snapshot,
                files,
            },
            ToCrm::Written(request, outcome) => Input::Written {
                request: *request,
                outcome: *outcome,
            },
            ToCrm::Watched(snapshot) => Input::Watched { snapshot, files },
            ToCrm::Fenced(request, fenced) => Input::Fenced {
                request: *request,
                fenced: *fenced,
            },
            ToCrm::Timer => Input::Timer,
            ToCrm::Leave => Input::Leave,
        };
        let mut out = Outbox::default();
        crm.machine.step(&self.config, self.now, input, &mut out);
        let (me, checked) = (crm.me, crm.machine.check());
        self.hosts[host].crm = Some(crm);
        self.judge_machine(host, checked);
        for event in &out.events {
            self.say_of_crm(host, event);
        }
        for effect in out.effects {
            self.execute_crm(host, me, effect);
        }
    }

    fn execute_crm(&mut self, host: usize, me: Holder, effect: Effect) {
        let answer = match effect {
            Effect::Write(write) => {
                let request = write.request;
                let outcome = self.write(host, me, write);
                outcome.map(|outcome| ToCrm::Written(request, outcome))
            }
            Effect::Read(request) => self
                .read(host)
                .map(|snapshot| ToCrm::Read(request, snapshot)),
            // No case has fence devices.
            Effect::Fence(order) => Some(ToCrm::Fenced(order.request, Fenced::Failed)),
            Effect::Exit => {
                self.crm_ended(host);
                None
            }
        };
        if let Some(crm) = &mut self.hosts[host].crm {
            crm.inbox.extend(answer);
        }
    }

    /// A CRM says what it decided. That its requests have no answer is said once by its state.
    fn say_of_crm(&mut self, host: usize, event: &Event) {
        let text = match event {
            Event::Crm(CrmEvent::Manager(Decision::Measured)) => return,
            Event::Crm(crm) => {
                if let CrmEvent::Manager(decision) = crm {
                    self.note_decision(decision);
                }
                let mut text = String::new();
                let written = crm.write(&mut text, &self.names);
                assert!(written.is_ok(), "a string takes everything");
                text
            }
            Event::Lock(lockstep_model::event::Event::RequestUnanswered) => return,
            Event::Lock(event) => say::text(event, &self.names),
            Event::CommitRefused | Event::CommitUnanswered => {
                let mut text = String::new();
                let written = event.write(&mut text, &self.names);
                assert!(written.is_ok(), "a string takes everything");
                text
            }
        };
        let level: Level = event.level();
        self.say(host, Daemon::Crm, level, &text);
    }

    fn knowledge(&self) -> Knowledge {
        let settings = view::settings(&self.datacenter);
        let mode = settings.scheduler.mode();
        let mut knowledge = Knowledge {
            settings,
            node_stats: Vec::new(),
            service_stats: Table::new(),
            versions: Table::new(),
        };
        for host in &self.hosts {
            knowledge.versions.insert(host.id, host.version.clone());
        }
        if mode == Mode::Basic {
            return knowledge;
        }
        let configured = self.store.configured().map(|(id, _)| id);
        knowledge.service_stats = view::service_stats(&self.guests, configured);
        for host in &self.hosts {
            let running = host.instances.iter();
            let running = running.filter(|(id, one)| {
                one.state == State::Running && self.store.resource(**id).is_some()
            });
            let stats = view::node_stats(
                &self.guests,
                (host.cpu_max, host.mem_max),
                running.map(|(id, _)| *id),
                mode == Mode::Dynamic,
            );
            view::set_node_stats(&mut knowledge.node_stats, host.id, stats);
        }
        knowledge
    }
}
