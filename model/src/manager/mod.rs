//! The manager: what the CRM that is master decides in a round.
//!
//! [`Manager::decide`] is pure: a [`View`] of everything it rests on and the time go in, events and
//! [`Changes`] come out. Between rounds it keeps its status as last written, and what it has itself
//! observed: when each node was last online, how long the load has been uneven. Whoever drives it
//! writes the changes in one commit that compares the manager lock's grant and what was consumed,
//! and has it read the status again if that was refused.
//!
//! The order inside a round is that of `protocol.md` 8.2. Where a rule of the safety argument
//! forbids what the reference does, a switch in [`Compat`](crate::config::Compat) keeps it for the
//! profile `pve`.

mod answers;
pub mod command;
mod disarm;
pub mod event;
mod fence;
mod groups;
mod node;
mod place;
mod request;
mod service;
pub mod status;
pub mod text;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::aside::Aside;
use crate::config::Config;
use crate::event::Level;
use crate::format::groups::Groups;
use crate::format::rules::Rules;
use crate::id::{NodeId, ServiceId, Uid};
use crate::mutation::Mutation;
use crate::name::Names;
use crate::placement::affinity::Affinity;
use crate::placement::state::ServiceState;
use crate::placement::stats::{NodeStats, ServiceStats};
use crate::placement::usage::{self, Mode};
use crate::placement::{Scratch, balance};
use crate::table::Table;
use crate::time::Instant;
use crate::visit::visit_fields;
use answers::Answers;
use command::Command;
use event::{Event, Parameters, RecoveryEvent, ServiceEvent};
pub use groups::Migrated;
use status::{Entry, ExitCode, LrmMode, LrmStatus, NodeState, Requested, Resource, Status};

/// Everything that a round rests on, read at one moment.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The names behind the ids, for rules and texts.
    pub names: &'a Names,
    /// The status as it was last written.
    pub status: &'a Status,
    /// The members of the cluster, and whether each is online.
    pub members: &'a Table<NodeId, bool>,
    /// When members last gave a sign of life, where that is known better than that those that are
    /// online do so now.
    pub seen: Option<&'a Table<NodeId, Instant>>,
    /// Whether this node is in the part of the cluster that has a majority.
    pub quorate: bool,
    /// Whether this is one of the rounds by which time is counted, and not one between them that
    /// something else has asked for.
    pub periodic: bool,
    /// What each LRM published.
    pub lrms: &'a Table<NodeId, LrmStatus>,
    /// The configured services.
    pub resources: &'a Table<ServiceId, Resource>,
    /// What the groups say that some of them are in.
    pub groups: &'a Groups,
    /// The rules.
    pub rules: &'a Rules,
    /// Another number whenever rules or groups have changed.
    pub digest: u64,
    /// What people asked for since the last round, in order.
    pub commands: &'a [Command],
    /// Whose lock can be had.
    pub locks: &'a Table<NodeId, LockView>,
    /// The services that the locks held by this manager list as left running without a watchdog, in
    /// the order of their ids: nothing proves them dead.
    pub unguarded: &'a [ServiceId],
    /// The services that the grant of any node lists as left running, in the order of their ids: what
    /// is frozen stays so until its node guards it again.
    pub left: &'a [ServiceId],
    /// The nodes whose lock is held, or was another's last, or that are confirmed dead, in the order of
    /// their ids. What is frozen on any other was left there on purpose, and waits for it. The
    /// reference's locks don't say.
    pub unreleased: &'a [NodeId],
    /// The nodes that a person has confirmed dead, and that haven't held their lock since, in the order
    /// of their ids.
    pub confirmed: &'a [NodeId],
    /// The cluster's settings.
    pub settings: &'a Settings,
    /// The nodes' loads and capacities, by id; not needed with the basic scheduler.
    pub node_stats: &'a [Option<NodeStats>],
    /// The services' loads and limits; not needed with the basic scheduler.
    pub service_stats: &'a Table<ServiceId, ServiceStats>,
    /// The version of each node, as far as it is known.
    pub versions: &'a Table<NodeId, String>,
}

/// What the cluster's settings say to the manager (`config.md` 7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How nodes are scored.
    pub scheduler: Scheduler,
    /// Whether a node is chosen for each start.
    pub rebalance_on_start: bool,
    /// Whether and how uneven loads are evened.
    pub balance: balance::Settings,
}

/// The scheduler that the settings name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scheduler {
    /// One that there is.
    Known(Mode),
    /// A word that names none: the basic one is used.
    Unknown(String),
}

impl Default for Scheduler {
    fn default() -> Self {
        Self::Known(Mode::Basic)
    }
}

impl Scheduler {
    /// The scheduler of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        match Mode::from_name(name) {
            Some(mode) => Self::Known(mode),
            None => Self::Unknown(String::from(name)),
        }
    }

    /// The name in settings and texts.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Known(mode) => mode.name(),
            Self::Unknown(word) => word,
        }
    }

    /// What a manager that begins says about it: nothing of the ordinary one.
    #[must_use]
    pub fn announcement(&self) -> Option<Event> {
        if *self == Self::default() {
            return None;
        }
        let text = alloc::format!("using scheduler mode '{}'", self.name());
        let level = Level::Info;
        Some(Event::Advice { level, text })
    }

    /// What is used.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        match self {
            Self::Known(mode) => *mode,
            Self::Unknown(_) => Mode::Basic,
        }
    }
}

/// A node's agent lock, as this manager could have it. A lock without an entry is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockView {
    /// Somebody else holds it, or may.
    Held,
    /// It may be taken.
    Free,
    /// This manager holds it.
    Mine,
}

/// What a round wants written. The status is written with it unless the round ended early.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Whether the status is to be written.
    pub commit: bool,
    /// Whether the commands were taken in.
    pub commands_taken: bool,
    /// Services that are to be configured as stopped from now on.
    pub stopped: Vec<ServiceId>,
    /// Services whose configuration moves, from where to where.
    pub stolen: Vec<(ServiceId, NodeId, NodeId)>,
    /// Services whose left-over lock is removed.
    pub unlocked: Vec<ServiceId>,
    /// Agent locks that are taken, or renewed if they are this manager's.
    pub locks: Vec<NodeId>,
    /// Agent locks to contend for.
    pub contend: Vec<NodeId>,
    /// What is written in place of groups, which are deleted.
    pub migrated_groups: Option<Migrated>,
}

impl Changes {
    fn clear(&mut self) {
        self.commit = false;
        self.commands_taken = false;
        self.stopped.clear();
        self.stolen.clear();
        self.unlocked.clear();
        self.locks.clear();
        self.contend.clear();
        self.migrated_groups = None;
    }
}

/// Why a round ended before its end; nothing of it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Halt {
    /// For a reason that is the last event.
    Said,
    /// A service's configuration can't be moved: the reference gives the whole round up.
    Service(ServiceId, RecoveryEvent),
}

impl Halt {
    /// What is said of it.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        match self {
            Self::Said => None,
            Self::Service(service, event) => {
                let event = ServiceEvent::Recovery(event.clone());
                Some(Event::Service(*service, event))
            }
        }
    }
}

/// The outbox of a round. Kept between rounds, so that a steady one allocates nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// What was decided, for people.
    pub events: Vec<Event>,
    /// What is to be written.
    pub changes: Changes,
}

/// The manager of one master.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Manager {
    me: NodeId,
    status: Status,
    last_online: Table<NodeId, Instant>,
    /// The modes of the nodes that were known when the round began.
    #[serde(skip)]
    modes: Aside<Table<NodeId, LrmMode>>,
    #[serde(skip)]
    answers: Aside<Answers>,
    rules: Option<Compiled>,
    #[serde(skip)]
    usage: Aside<usage::Table>,
    /// Services whose last move failed: another one is tried in the next regular round, or a node
    /// in maintenance and a guest that can't be moved would keep everybody busy for ever.
    unmoved: BTreeSet<ServiceId>,
    /// Buffers of a round.
    #[serde(skip)]
    scratch: Aside<Scratch>,
    #[serde(skip)]
    online: Aside<Vec<NodeId>>,
    groups_countdown: u32,
    uneven_rounds: u32,
    scheduler: Option<Scheduler>,
    disarmed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Compiled {
    digest: u64,
    /// The nodes that were known then.
    nodes: Vec<NodeId>,
    /// Whether they stand for groups that were migrated since.
    is_migrated: bool,
    source: Rules,
    /// By name, and how many names there were when it was made out by id.
    by_name: crate::rules::Compiled,
    names: (usize, usize),
    affinity: Affinity,
}

impl Manager {
    /// A new master's manager: it goes on with what its predecessor wrote. When each node was last
    /// online it has to see for itself.
    #[must_use]
    pub fn new(me: NodeId, status: Status) -> Self {
        Self {
            me,
            status: Status {
                master: Some(me),
                ..status
            },
            last_online: Table::new(),
            modes: Aside(Table::new()),
            answers: Aside::default(),
            rules: None,
            usage: Aside(usage::Table::new()),
            unmoved: BTreeSet::new(),
            scratch: Aside(Scratch::new()),
            online: Aside(Vec::new()),
            groups_countdown: groups::FIRST_ROUND,
            uneven_rounds: 0,
            scheduler: None,
            disarmed: false,
        }
    }

    /// The status as this manager has it, written or not.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// Takes a status in that isn't what was decided last, since that was not written, or not all
    /// of it. What it has itself observed it keeps.
    pub fn go_on_from(&mut self, status: &Status) {
        let mine = Status {
            master: status.master,
            written: status.written.clone(),
            ..core::mem::take(&mut self.status)
        };
        self.status = match mine == *status {
            true => mine,
            false => status.clone(),
        };
        self.status.master = Some(self.me);
    }

    /// Forgets what is made anew in every round.
    pub fn forget_buffers(&mut self) {
        self.modes.clear();
        self.answers = Aside::default();
        self.usage = Aside(usage::Table::new());
        self.scratch = Aside(Scratch::new());
        self.online = Aside::default();
        self.status.written = Aside(None);
    }

    /// Whether the whole stack is disarmed, as of the last round.
    #[must_use]
    pub const fn is_disarmed(&self) -> bool {
        self.disarmed
    }

    /// One round.
    ///
    /// # Errors
    ///
    /// Why nothing of the round may be written; what was decided until then is among the events.
    pub fn decide<M: Mutation>(
        &mut self,
        config: &Config<M>,
        view: &View<'_>,
        now: Instant,
        decisions: &mut Decisions,
    ) -> Result<(), Halt> {
        decisions.events.clear();
        decisions.changes.clear();
        let mut round = Round {
            manager: self,
            config,
            view,
            now,
            out: decisions,
        };
        round.run()
    }
}

/// A round under way.
struct Round<'a, M> {
    manager: &'a mut Manager,
    config: &'a Config<M>,
    view: &'a View<'a>,
    now: Instant,
    out: &'a mut Decisions,
}

impl<M: Mutation> Round<'_, M> {
    fn run(&mut self) -> Result<(), Halt> {
        if self.view.periodic {
            self.manager.unmoved.clear();
        }
        self.announce_scheduler();
        let nodes_changed = self.nodes_changed();
        self.read_modes();
        self.update_nodes();
        let mine = self.node_state(self.manager.me);
        if !matches!(mine, NodeState::Online | NodeState::Maintenance) {
            self.say(Event::MasterOffline);
            return Err(Halt::Said);
        }
        self.update_scheduler();
        self.try_groups();
        if self.manager.status.disarm.is_none() {
            self.add_services();
            self.remove_services();
            self.follow_locations();
        }
        self.rebuild_usage();
        self.compile_rules(nodes_changed);
        self.take_commands();
        let mut only = None;
        if self.manager.status.disarm.is_some() {
            match self.disarm() {
                disarm::Outcome::Finished => {
                    self.commit();
                    return Ok(());
                }
                disarm::Outcome::Abandoned => return Err(Halt::Said),
                disarm::Outcome::Deferred(services) => only = Some(services),
            }
        } else {
            self.auto_rebalance();
        }
        self.manager.disarmed = false;
        self.run_passes(only.as_deref())?;
        self.commit();
        Ok(())
    }

    fn say(&mut self, event: Event) {
        self.out.events.push(event);
    }

    fn say_of(&mut self, service: ServiceId, event: ServiceEvent) {
        self.say(Event::Service(service, event));
    }

    fn commit(&mut self) {
        self.manager.status.master = Some(self.manager.me);
        self.manager.status.written = Aside(Some(self.now));
        self.out.changes.commit = true;
    }

    fn next_uid(&mut self) -> Uid {
        let last = &mut self.manager.status.last_uid;
        *last = last.saturating_add(1);
        Uid(*last)
    }

    fn entry(&self, service: ServiceId) -> Option<&Entry> {
        self.manager.status.services.get(service)
    }

    fn entry_mut(&mut self, service: ServiceId) -> Option<&mut Entry> {
        self.manager.status.services.get_mut(service)
    }

    fn requested(&self, service: ServiceId) -> Requested {
        self.view
            .resources
            .get(service)
            .map_or(Requested::Disabled, |resource| resource.requested)
    }

    /// How the present command of a service ended, if its LRM has said so.
    fn result(&mut self, service: ServiceId) -> Option<ExitCode> {
        let manager = &mut *self.manager;
        let entry = manager.status.services.get(service)?;
        let (uid, node) = (entry.uid, entry.node?);
        let lrms = self.view.lrms;
        let code = manager.answers.find(uid, node, &manager.modes, lrms)?;
        if let Some(entry) = manager.status.services.get_mut(service) {
            entry.unowned &= !code.shows_service();
        }
        Some(code)
    }

    fn add_services(&mut self) {
        for service in self.view.names.services() {
            let Some(resource) = self.view.resources.get(service) else {
                continue;
            };
            if resource.requested == Requested::Ignored || self.entry(service).is_some() {
                continue;
            }
            let state = match resource.requested {
                Requested::Started => ServiceState::RequestStart,
                Requested::Stopped | Requested::Disabled | Requested::Ignored => {
                    ServiceState::RequestStop
                }
            };
            let node = resource.node;
            self.say_of(service, ServiceEvent::Added(node));
            let uid = self.next_uid();
            let entry = Entry {
                unowned: true,
                ..Entry::new(state, node, uid)
            };
            self.manager.status.services.insert(service, entry);
        }
    }

    fn remove_services(&mut self) {
        for service in self.view.names.services() {
            if self.entry(service).is_none() {
                continue;
            }
            let ignored = match self.view.resources.get(service) {
                None => false,
                Some(resource) if resource.requested == Requested::Ignored => true,
                Some(_) => continue,
            };
            self.say_of(service, ServiceEvent::Removed { ignored });
            self.manager.status.services.remove(service);
        }
    }

    /// Changes a service's state, and gives it a new command.
    fn change(&mut self, service: ServiceId, to: ServiceState, set: Parameters) {
        let uid = self.next_uid();
        let keeps_request = !self.config.policy().compat.change_drops_request;
        let Some(entry) = self.entry_mut(service) else {
            return;
        };
        let from = entry.state;
        assert_ne!(from, to, "a change of state changes the state");
        entry.state = to;
        entry.node = set.node.or(entry.node);
        entry.target = set.target;
        entry.timeout = set.timeout;
        entry.running = false;
        entry.uid = uid;
        if !keeps_request {
            entry.queued = None;
        }
        self.use_again(service);
        self.say_of(service, ServiceEvent::State { from, to, set });
    }
}

visit_fields!(Manager {
    status,
    last_online
});
