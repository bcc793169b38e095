//! A store, some CRM processes, and nodes that do what they are told at once.

use std::collections::BTreeMap;

use lockstep_model::config::{Config, Profile};
use lockstep_model::id::{
    BootId, Epoch, Holder, Incarnation, LockId, MachineId, NodeId, RequestId, Revision, ServiceId,
    Uid,
};
use lockstep_model::manager::Settings;
use lockstep_model::manager::command::Command;
use lockstep_model::manager::status::{
    Entry as Managed, ExitCode, LrmMode, LrmResult, LrmStatus, Requested, Resource,
};
use lockstep_model::master::{Effect, Files, Input, Master, Outbox};
use lockstep_model::name::Names;
use lockstep_model::placement::state::ServiceState;
use lockstep_model::record::{
    Beat, Data, DataKey, Entry, Grant, GrantState, Key, Outcome, Published, Record, Service,
    Snapshot, Unguarded, Wanted, Write,
};
use lockstep_model::table::Table;
use lockstep_model::time::{Instant, Span};

/// A node: what stands for its LRM, and its CRM process.
pub(crate) struct Node {
    id: NodeId,
    /// Whether its LRM shows that it lives, and acts.
    pub(crate) lrm: bool,
    pub(crate) master: Option<Master>,
    /// Whether its CRM's requests reach the store.
    pub(crate) reaches: bool,
    results: Vec<LrmResult>,
    next_beat: Instant,
}

/// What is on its way to a process.
enum Message {
    Watched,
    Read(RequestId),
    Written(RequestId, Outcome),
}

pub(crate) struct Bench {
    pub(crate) now: Instant,
    pub(crate) config: Config,
    pub(crate) names: Names,
    pub(crate) nodes: Vec<Node>,
    revision: u64,
    pub(crate) entries: BTreeMap<Key, (Revision, Record)>,
    inboxes: Vec<(usize, Message)>,
    /// Applied in this order, by whom.
    pub(crate) log: Vec<String>,
    /// Answers of the next commits that are lost after they were applied.
    pub(crate) lose_answers: usize,
    /// How often CRMs have read.
    pub(crate) reads: usize,
    /// Whether what CRMs write to locks is lost.
    pub(crate) drop_locks: bool,
    /// A master that dies once so many parts of its commits were written from now on.
    pub(crate) die_after: Option<(usize, usize)>,
    /// How many writes of a CRM beside those to locks were applied.
    pub(crate) commits: usize,
    /// The most conditions or records of any write.
    pub(crate) largest: usize,
    incarnations: u64,
    settings: Settings,
    services: Table<ServiceId, lockstep_model::placement::stats::ServiceStats>,
    versions: Table<NodeId, String>,
    ids: Vec<NodeId>,
}

fn is_of_lock(write: &Write) -> bool {
    let mut puts = write.puts.iter();
    puts.any(|put| matches!(put.key, Key::Grant(_) | Key::Beat(_)))
}

fn holder(node: NodeId, incarnation: u64) -> Holder {
    Holder {
        node,
        machine: MachineId(u128::from(node.0)),
        boot: BootId(u128::from(node.0)),
        incarnation: Incarnation(incarnation),
    }
}

impl Node {
    pub(crate) const fn id(&self) -> NodeId {
        self.id
    }
}

impl Bench {
    pub(crate) fn new(nodes: usize) -> Self {
        let mut names = Names::new();
        let ids: Vec<NodeId> = (1..=nodes)
            .filter_map(|number| names.intern_node(&format!("node{number}")))
            .collect();
        let mut config = Config::of_profile(Profile::Default);
        config.nodes = names.node_ranks();
        let mut bench = Self {
            now: Instant(1_000),
            config,
            names,
            nodes: Vec::new(),
            revision: 0,
            entries: BTreeMap::new(),
            inboxes: Vec::new(),
            log: Vec::new(),
            lose_answers: 0,
            reads: 0,
            drop_locks: false,
            die_after: None,
            largest: 0,
            commits: 0,
            incarnations: 100,
            settings: Settings::default(),
            services: Table::new(),
            versions: Table::new(),
            ids: ids.clone(),
        };
        for id in ids {
            bench.nodes.push(Node {
                id,
                lrm: true,
                master: None,
                reaches: true,
                results: Vec::new(),
                next_beat: bench.now,
            });
        }
        for index in 0..nodes {
            bench.start(index);
        }
        bench
    }

    /// Begins a CRM process.
    pub(crate) fn start(&mut self, index: usize) {
        self.incarnations += 1;
        let me = holder(self.nodes[index].id, self.incarnations);
        self.nodes[index].master = Some(Master::new(me));
        self.step(index, |_, _| Input::Started);
    }

    /// Ends a CRM process without a word.
    pub(crate) fn kill(&mut self, index: usize) {
        self.nodes[index].master = None;
        self.inboxes.retain(|(to, _)| *to != index);
    }

    pub(crate) fn add(&mut self, sid: &str, node: usize) -> ServiceId {
        let id = self.names.intern_service(sid).expect("it is there");
        self.config.services = self.names.service_ranks();
        let resource = Resource {
            requested: Requested::Started,
            node: None,
            group: None,
            failback: true,
            max_restart: 1,
            max_relocate: 1,
            can_migrate: true,
            guest_lock: None,
        };
        let location = self.nodes[node].id;
        let service = Service::new(location, Wanted::Ignored, Uid::NONE);
        self.put(vec![
            (Key::Service(id), Record::Service(service)),
            data(DataKey::Resource(id), Data::Resource(Some(resource))),
        ]);
        id
    }

    pub(crate) fn command(&mut self, text: &str) {
        let command = Command::parse(text, &self.names);
        assert!(command.parsed.is_some(), "{text}");
        let key = Key::Data(DataKey::Commands);
        let present = self.record(key).and_then(Record::as_data);
        let present = present.and_then(Data::as_commands);
        let mut commands = present.unwrap_or_default().to_vec();
        commands.push(command);
        self.put(vec![data(DataKey::Commands, Data::Commands(commands))]);
    }

    pub(crate) fn record(&self, key: Key) -> Option<&Record> {
        self.entries.get(&key).map(|(_, record)| record)
    }

    pub(crate) fn service(&self, id: ServiceId) -> &Service {
        let record = self.record(Key::Service(id));
        record.and_then(Record::as_service).expect("it is there")
    }

    pub(crate) fn managed(&self, id: ServiceId) -> Option<&Managed> {
        self.record(Key::Data(DataKey::Entry(id)))?
            .as_data()?
            .as_entry()
    }

    /// Whether the status as written says that something waits for a node's lock.
    pub(crate) fn awaits_lock(&self, node: usize) -> bool {
        let id = self.nodes[node].id;
        let status = self.record(Key::Data(DataKey::Status));
        let fenced = matches!(status.and_then(Record::as_data), Some(Data::Status(status))
            if status.wants_fenced(id));
        let waits = |record: &Record| {
            matches!(record.as_data(), Some(Data::Entry(Some(entry)))
                if entry.node == Some(id)
                    && matches!(entry.state, ServiceState::Fence | ServiceState::Recovery))
        };
        fenced || self.entries.values().any(|(_, record)| waits(record))
    }

    pub(crate) fn grant(&self, lock: LockId) -> Option<&Grant> {
        self.record(Key::Grant(lock))?.as_grant()
    }

    pub(crate) fn grant_of(&self, node: usize) -> Option<&Grant> {
        self.grant(LockId::Agent(self.nodes[node].id))
    }

    /// A person wants something else of a service.
    pub(crate) fn want(&mut self, id: ServiceId, requested: Requested) {
        let key = DataKey::Resource(id);
        let present = self.record(Key::Data(key)).and_then(Record::as_data);
        let Some(Data::Resource(Some(resource))) = present.cloned() else {
            return;
        };
        let resource = Resource {
            requested,
            ..resource
        };
        self.put(vec![data(key, Data::Resource(Some(resource)))]);
    }

    /// Whether anything is configured.
    pub(crate) fn has_resources(&self) -> bool {
        self.entries
            .values()
            .any(|(_, record)| matches!(record.as_data(), Some(Data::Resource(Some(_)))))
    }

    /// A person has removed a service and added it again on another node.
    pub(crate) fn place(&mut self, id: ServiceId, node: usize) {
        let location = self.nodes[node].id;
        let service = Service::new(location, Wanted::Ignored, Uid::NONE);
        self.put(vec![(Key::Service(id), Record::Service(service))]);
    }

    /// A person removes a service.
    pub(crate) fn remove(&mut self, id: ServiceId) {
        self.put(vec![data(DataKey::Resource(id), Data::Resource(None))]);
    }

    /// Writes without conditions, as somebody who isn't watched.
    pub(crate) fn put(&mut self, puts: Vec<(Key, Record)>) {
        self.revision += 1;
        for (key, record) in puts {
            self.entries.insert(key, (Revision(self.revision), record));
        }
        for index in 0..self.nodes.len() {
            self.notify(index);
        }
    }

    /// A node's lock is held, with these services listed as running without a watchdog.
    pub(crate) fn leave_unguarded(&mut self, node: usize, services: &[ServiceId]) {
        let lock = LockId::Agent(self.nodes[node].id);
        let mut grant = self.grant(lock).expect("it is there").clone();
        grant.state = GrantState::HeldUnguarded(Unguarded {
            machine: grant.holder.machine,
            boot: grant.holder.boot,
            services: services.to_vec(),
        });
        self.put(vec![(Key::Grant(lock), Record::Grant(grant))]);
    }

    fn notify(&mut self, index: usize) {
        let watched =
            |(to, message): &(usize, Message)| *to == index && matches!(message, Message::Watched);
        if !self.inboxes.iter().any(watched) {
            self.inboxes.push((index, Message::Watched));
        }
    }

    fn snapshot(&self) -> Snapshot {
        let entry = |(key, (revision, record)): (&Key, &(Revision, Record))| Entry {
            key: *key,
            revision: *revision,
            record: record.clone(),
        };
        Snapshot {
            revision: Revision(self.revision),
            entries: self.entries.iter().map(entry).collect(),
        }
    }

    /// What holds of each write of a CRM that is applied.
    fn judge(&self, write: &Write) {
        let compares = |key| write.compares.iter().any(|compare| compare.key == key);
        for put in &write.puts {
            let locks = matches!(put.key, Key::Grant(_) | Key::Beat(_));
            assert!(
                locks || compares(Key::Grant(LockId::Manager)),
                "{:?} is written without the manager lock",
                put.key
            );
            assert!(compares(put.key) || locks, "{:?} blindly", put.key);
            let before = self.record(put.key).and_then(Record::as_service);
            let after = put.record.as_service();
            let (Some(before), Some(after)) = (before, after) else {
                continue;
            };
            if before.location == after.location {
                continue;
            }
            let lock = LockId::Agent(before.location);
            assert!(compares(Key::Grant(lock)), "{:?} leaves unlocked", put.key);
            let Key::Service(service) = put.key else {
                unreachable!("a service's record is under a service's key");
            };
            let listed = self
                .grant(lock)
                .is_some_and(|grant| grant.state.lists(service));
            assert!(!listed, "{service} may still run there");
        }
    }

    fn apply(&mut self, write: &Write) -> Outcome {
        let holds = write.compares.iter().all(|compare| {
            let found = self.entries.get(&compare.key);
            found.map_or(Revision::ABSENT, |(revision, _)| *revision) == compare.revision
        });
        if !holds {
            return Outcome::Refused;
        }
        self.judge(write);
        let puts = write.puts.iter();
        let puts = puts.map(|put| (put.key, put.record.clone())).collect();
        self.put(puts);
        Outcome::Applied(Revision(self.revision))
    }

    fn step<'a>(
        &mut self,
        index: usize,
        input: impl for<'b> FnOnce(&'b Snapshot, &'b Files<'b>) -> Input<'b>,
    ) {
        let snapshot = self.snapshot();
        let Some(mut master) = self.nodes[index].master.take() else {
            return;
        };
        let files = Files {
            names: &self.names,
            nodes: &self.ids,
            settings: &self.settings,
            node_stats: &[],
            service_stats: &self.services,
            versions: &self.versions,
            fenceable: &[],
        };
        let mut out = Outbox::default();
        let input = input(&snapshot, &files);
        master.step(&self.config, self.now, input, &mut out);
        master.check().expect("it is there");
        for event in &out.events {
            let mut text = String::new();
            event.write(&mut text, &self.names).expect("it is there");
            self.log
                .push(format!("{} node{}: {text}", self.now.0, index + 1));
        }
        self.nodes[index].master = Some(master);
        for effect in out.effects {
            self.execute(index, effect);
        }
    }

    fn execute(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::Exit => self.kill(index),
            Effect::Fence(order) => unreachable!("{order:?}: nobody has fence devices here"),
            Effect::Write(_) | Effect::Read(_) if !self.nodes[index].reaches => {}
            Effect::Write(write) if self.drop_locks && is_of_lock(&write) => {}
            Effect::Read(request) => {
                self.reads += 1;
                self.inboxes.push((index, Message::Read(request)));
            }
            Effect::Write(write) => {
                let outcome = self.apply(&write);
                let size = write.compares.len().max(write.puts.len());
                self.largest = self.largest.max(size);
                let commits = write.puts.iter().any(|put| matches!(put.key, Key::Data(_)));
                self.commits += usize::from(commits && outcome != Outcome::Refused);
                if let Some((victim, parts)) = &mut self.die_after
                    && (commits && *victim == index)
                {
                    *parts -= 1;
                    if *parts == 0 {
                        self.die_after = None;
                        self.kill(index);
                        return;
                    }
                }
                if commits && self.lose_answers > 0 {
                    self.lose_answers -= 1;
                } else {
                    let message = Message::Written(write.request, outcome);
                    self.inboxes.push((index, message));
                }
            }
        }
    }

    /// Delivers everything that is on its way, and what follows from it.
    pub(crate) fn settle(&mut self) {
        let mut deliveries = 0;
        while !self.inboxes.is_empty() {
            let (index, message) = self.inboxes.remove(0);
            deliveries += 1;
            assert!(
                deliveries < 20_000,
                "no end: {:#?}",
                self.log.iter().rev().take(30).collect::<Vec<_>>()
            );
            if !self.nodes[index].reaches {
                continue;
            }
            match message {
                Message::Watched => {
                    self.step(index, |snapshot, files| Input::Watched { snapshot, files })
                }
                Message::Read(request) => self.step(index, |snapshot, files| Input::Read {
                    request,
                    snapshot,
                    files,
                }),
                Message::Written(request, outcome) => {
                    self.step(index, |_, _| Input::Written { request, outcome });
                }
            }
            for node in 0..self.nodes.len() {
                self.act(node);
            }
        }
    }

    /// What a node's LRM does about its orders.
    fn act(&mut self, index: usize) {
        let node = &self.nodes[index];
        if !node.lrm {
            return;
        }
        let id = node.id;
        let orders: Vec<(ServiceId, Service)> = self
            .entries
            .iter()
            .filter_map(|(key, (_, record))| match key {
                Key::Service(service) => Some((*service, record.as_service()?.clone())),
                Key::Grant(_) | Key::Beat(_) | Key::Data(_) => None,
            })
            .filter(|(_, service)| service.location == id)
            .collect();
        for (service, order) in orders {
            let done = |result: &LrmResult| result.uid == order.uid;
            if order.uid == Uid::NONE || self.nodes[index].results.iter().any(done) {
                continue;
            }
            match order.wanted {
                Wanted::Started | Wanted::Stopped => {}
                Wanted::Moved { target, .. } if target != id => {
                    let location = target;
                    let moved = Service {
                        location,
                        ..order.clone()
                    };
                    self.put(vec![(Key::Service(service), Record::Service(moved))]);
                }
                Wanted::Moved { .. } | Wanted::Untouched | Wanted::Ignored | Wanted::Fenced => {
                    continue;
                }
            }
            let result = LrmResult {
                uid: order.uid,
                service,
                code: ExitCode::SUCCESS,
            };
            let results = &mut self.nodes[index].results;
            results.push(result);
            results.sort_by_key(|result| result.uid);
            self.publish(index);
        }
    }

    fn publish(&mut self, index: usize) {
        let node = &self.nodes[index];
        let status = LrmStatus {
            state: Some(lockstep_model::event::LrmState::Active),
            mode: Some(LrmMode::Active),
            results: node.results.clone(),
        };
        let written_by = RequestId {
            process: Incarnation(0),
            number: self.revision,
        };
        let id = node.id;
        let published = Data::Lrm(Published { status, written_by });
        self.put(vec![data(DataKey::Lrm(id), published)]);
    }

    /// A node's LRM shows that it lives, and holds its lock.
    fn beat(&mut self, index: usize) {
        let id = self.nodes[index].id;
        let lock = LockId::Agent(id);
        let written_by = RequestId {
            process: Incarnation(0),
            number: self.revision,
        };
        let free = self.grant(lock).is_none_or(|grant| {
            grant.state == GrantState::ReleasedClean && grant.holder.node != id
        });
        let mut puts = Vec::new();
        if free {
            let epoch = self
                .grant(lock)
                .map_or(Epoch::FIRST, |grant| grant.epoch.next());
            let grant = Grant {
                holder: holder(id, u64::from(id.0)),
                epoch,
                ttl: self.config.timing().lock_ttl,
                state: GrantState::HeldGuarded,
                written_by,
            };
            puts.push((Key::Grant(lock), Record::Grant(grant)));
        }
        let mine = self
            .grant(lock)
            .is_some_and(|grant| grant.holder.node == id);
        if free || mine {
            let epoch = self.grant(lock).map_or(Epoch::FIRST, |grant| grant.epoch);
            let beat = Beat { epoch, written_by };
            puts.push((Key::Beat(lock), Record::Beat(beat)));
        }
        if !puts.is_empty() {
            self.put(puts);
        }
        self.publish(index);
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Span) {
        let end = self.now + span;
        self.settle();
        while self.now < end {
            let wakeups = self.nodes.iter().filter_map(|node| {
                let wakeup = node.master.as_ref()?.next_wakeup(&self.config)?;
                Some(wakeup.at)
            });
            let beats = self
                .nodes
                .iter()
                .filter(|node| node.lrm)
                .map(|node| node.next_beat);
            let next = wakeups.chain(beats).min().unwrap_or(end);
            self.now = next.max(Instant(self.now.0 + 1)).min(end);
            for index in 0..self.nodes.len() {
                if self.nodes[index].lrm && self.nodes[index].next_beat <= self.now {
                    self.nodes[index].next_beat = self.now + Span(1_000);
                    self.beat(index);
                }
                let due = self.nodes[index].master.as_ref().is_some_and(|master| {
                    master
                        .next_wakeup(&self.config)
                        .is_some_and(|wakeup| wakeup.at <= self.now)
                });
                if due {
                    self.step(index, |_, _| Input::Timer);
                }
            }
            self.settle();
        }
    }

    /// Runs until something holds.
    pub(crate) fn until(&mut self, what: &str, most: Span, holds: impl Fn(&Self) -> bool) -> Span {
        let (from, end) = (self.now, self.now + most);
        while !holds(self) {
            assert!(
                self.now < end,
                "{what} within {most}; {:#?}\n{:#?}",
                self.log.iter().rev().take(60).rev().collect::<Vec<_>>(),
                self.entries
            );
            self.run(Span(100));
        }
        self.now.since(from)
    }

    pub(crate) fn masters(&self) -> Vec<usize> {
        let masters = self.nodes.iter().enumerate().filter(|(_, node)| {
            let master = node.master.as_ref();
            master.is_some_and(|master| master.state() == lockstep_model::crm::CrmState::Master)
        });
        masters.map(|(index, _)| index).collect()
    }
}

fn data(key: DataKey, data: Data) -> (Key, Record) {
    (Key::Data(key), Record::Data(Box::new(data)))
}
