//! CRM processes: what reaches them, and what people have them do.
//!
//! A CRM's effects are carried out in the order in which it asked for them; one that overtakes
//! another is a delayed request.

use serde::{Deserialize, Serialize};

use lockstep_model::contender::Fenced;
use lockstep_model::event::Event;
use lockstep_model::id::RequestId;
use lockstep_model::master::{self, Effect, Input, Master, Outbox};
use lockstep_model::person;
use lockstep_model::record::{Data, DataKey, Key, Outcome, Put, Record, Snapshot};
use lockstep_model::visit::{Visit, Visitor};

use crate::action::Proc;
use crate::setup::Setup;
use crate::shared::Shared;
use crate::state::{Host, Process, World};

/// What a machine decided in a step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Said {
    /// An LRM, a multiplexer or a contender.
    Machine(Event),
    /// A CRM.
    Crm(master::Event),
}

impl From<Event> for Said {
    fn from(event: Event) -> Self {
        Self::Machine(event)
    }
}

/// What reaches a CRM but news of its watch and the time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FromStore {
    /// The answer to a read.
    Read {
        /// Which.
        request: RequestId,
        /// What stood there.
        snapshot: Snapshot,
    },
    /// The answer to a write.
    Written {
        /// Which.
        request: RequestId,
        /// What became of it.
        outcome: Outcome,
    },
    /// The answer of a fence agent.
    Fenced {
        /// To which order.
        request: RequestId,
        /// What became of it.
        fenced: Fenced,
    },
}

impl FromStore {
    /// The request that this answers.
    #[must_use]
    pub const fn answers(&self) -> RequestId {
        match self {
            Self::Read { request, .. }
            | Self::Written { request, .. }
            | Self::Fenced { request, .. } => *request,
        }
    }
}

impl FromStore {
    /// What became of a write, if that is what it tells.
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Read { .. } | Self::Fenced { .. } => None,
            Self::Written { outcome, .. } => Some(*outcome),
        }
    }
}

impl Visit for FromStore {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Read { request, snapshot } => {
                request.visit(visitor);
                snapshot.visit(visitor);
            }
            Self::Written { request, outcome } => {
                request.visit(visitor);
                outcome.visit(visitor);
            }
            Self::Fenced { request, .. } => request.visit(visitor),
        }
    }
}

/// What a CRM takes in.
enum Taken<'a> {
    Started,
    Answer(&'a FromStore),
    Watched(&'a Snapshot),
    Timer,
    Leave,
}

impl World {
    /// A CRM process begins; its predecessor of this boot, if there was one, is gone.
    pub(crate) fn start_crm(&mut self, setup: &Setup, host: usize) -> Vec<Said> {
        let incarnation = self.incarnation(host);
        let value = &mut self.hosts[host];
        let me = value.holder(incarnation);
        let mut process = Process::new(incarnation, Master::new(me));
        process.notified = true;
        value.crm = Some(Shared::new(process));
        self.step_crm(setup, host, &Taken::Started)
    }

    fn step_crm(&mut self, setup: &Setup, host: usize, taken: &Taken<'_>) -> Vec<Said> {
        let config = setup.config(self.reconfigured);
        let (Some(process), Some(cluster)) = (&mut self.hosts[host].crm, &setup.cluster) else {
            return Vec::new();
        };
        let files = &cluster.files(&setup.fenceable);
        let input = match *taken {
            Taken::Started => Input::Started,
            Taken::Answer(&FromStore::Read {
                request,
                ref snapshot,
            }) => Input::Read {
                request,
                snapshot,
                files,
            },
            Taken::Answer(&FromStore::Written { request, outcome }) => {
                Input::Written { request, outcome }
            }
            Taken::Answer(&FromStore::Fenced { request, fenced }) => {
                Input::Fenced { request, fenced }
            }
            Taken::Watched(snapshot) => Input::Watched { snapshot, files },
            Taken::Timer => Input::Timer,
            Taken::Leave => Input::Leave,
        };
        let mut out = Outbox::default();
        process
            .machine
            .step(config, Self::now(setup), input, &mut out);
        process.machine.forget_buffers();
        process.outbox.append(&mut out.effects);
        out.events.into_iter().map(Said::Crm).collect()
    }

    pub(crate) fn execute_crm(
        &mut self,
        setup: &Setup,
        host: usize,
        effect: Effect,
        delayed: bool,
    ) -> Vec<Said> {
        match effect {
            Effect::Write(write) => self.send_write(setup, host, Proc::Crm, write, delayed),
            Effect::Read(request) => self.send_read(setup, host, Proc::Crm, request, delayed),
            Effect::Fence(order) => self.hosts[host].agents.push(order),
            Effect::Exit => self.hosts[host].crm = None,
        }
        // What is answered in time is taken in at once: another order is that of a delayed request.
        if setup.reduce
            && self.hosts[host]
                .crm
                .as_ref()
                .is_some_and(|it| !it.inbox.is_empty())
        {
            return self.deliver_crm(setup, host, 0);
        }
        Vec::new()
    }

    pub(crate) fn deliver_crm(&mut self, setup: &Setup, host: usize, input: usize) -> Vec<Said> {
        let Some(crm) = &mut self.hosts[host].crm else {
            return Vec::new();
        };
        let input = crm.inbox.remove(input);
        self.step_crm(setup, host, &Taken::Answer(&input))
    }

    pub(crate) fn watch_crm(&mut self, setup: &Setup, host: usize) -> Vec<Said> {
        if let Some(crm) = &mut self.hosts[host].crm {
            crm.notified = false;
        }
        let snapshot = self.store.snapshot();
        self.step_crm(setup, host, &Taken::Watched(&snapshot))
    }

    pub(crate) fn wake_crm(&mut self, setup: &Setup, host: usize) -> Vec<Said> {
        self.step_crm(setup, host, &Taken::Timer)
    }

    pub(crate) fn stop_crm(&mut self, setup: &Setup, host: usize) -> Vec<Said> {
        self.step_crm(setup, host, &Taken::Leave)
    }

    /// Somebody's command is added to those that no master has taken in yet.
    pub(crate) fn give_command(&mut self, setup: &Setup, which: usize) {
        let Some(command) = setup.cluster.as_ref().and_then(|it| it.commands.get(which)) else {
            return;
        };
        let mut commands = self.commands().to_vec();
        commands.push(command.clone());
        let key = Key::Data(DataKey::Commands);
        let record = Record::Data(Box::new(Data::Commands(commands)));
        self.write_by_hand(setup, vec![Put { key, record }]);
    }

    /// Somebody changes the configuration.
    pub(crate) fn edit(&mut self, setup: &Setup, which: usize) {
        let edits = setup.cluster.as_ref().map(|cluster| &cluster.edits);
        let Some(edit) = edits.and_then(|edits| edits.get(which)) else {
            return;
        };
        let put = Put {
            key: Key::Data(edit.key),
            record: Record::Data(Box::new(edit.data.clone())),
        };
        self.write_by_hand(setup, vec![put]);
    }

    /// Somebody who has seen that a node is dead says so.
    pub(crate) fn confirm_dead(&mut self, setup: &Setup, host: usize) {
        let node = self.hosts[host].node;
        let (sender, request) = self.nobody();
        if let Some(write) = person::confirm_dead(&self.store.snapshot(), node, request) {
            self.apply(setup, &sender, write);
        }
    }
}

impl Host {
    /// The CRM's effects that may be executed next: the first.
    pub(crate) fn executable_crm(&self) -> Vec<usize> {
        let waits = self.crm.as_ref().is_some_and(|crm| !crm.outbox.is_empty());
        if waits { vec![0] } else { Vec::new() }
    }
}
