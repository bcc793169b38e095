//! Where services belong: rules, loads, and the balance between nodes (`protocol.md` 8.9, 8.11).

use alloc::collections::BTreeSet;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::event::Event;
use super::status::{NodeState, Queued, Task};
use super::{Compiled, Round, Scheduler, groups};
use crate::event::Level;
use crate::format::rules::Rules;
use crate::id::{NodeId, ServiceId};
use crate::mutation::{Mutant, Mutation};
use crate::name::Names;
use crate::placement::affinity::{Affinity, Kind};
use crate::placement::note::{self, Note};
use crate::placement::state::{Guest, Managed, Unmanaged};
use crate::placement::usage::{self, Mode};
use crate::placement::{Preference, Request, balance, select};
use crate::rules;

impl<M: Mutation> Round<'_, M> {
    fn note_names(&self) -> note::Names<'_> {
        note::Names {
            nodes: self.view.names.node_names(),
            services: self.view.names.service_names(),
        }
    }

    fn say_note(&mut self, note: Option<Note>) {
        let Some(note) = note else {
            return;
        };
        let (level, text) = (note.level(), note.text(self.note_names()).to_string());
        self.say(Event::Advice { level, text });
    }

    pub(super) fn update_scheduler(&mut self) {
        let scheduler = &self.view.settings.scheduler;
        if self.manager.scheduler.as_ref() == Some(scheduler) {
            return;
        }
        if let Some(old) = self.manager.scheduler.replace(scheduler.clone()) {
            let (old, new) = (old.name(), scheduler.name());
            let text = alloc::format!("switching scheduler mode from '{old}' to '{new}'");
            let level = Level::Info;
            self.say(Event::Advice { level, text });
        }
    }

    /// Says which scheduler a new manager uses, if it isn't the ordinary one.
    pub(super) fn announce_scheduler(&mut self) {
        if self.manager.scheduler.is_some() {
            return;
        }
        let scheduler = &self.view.settings.scheduler;
        self.manager.scheduler = Some(scheduler.clone());
        if let Some(event) = scheduler.announcement() {
            self.say(event);
        }
    }

    /// Enters all nodes that are online, all services, and the other guests.
    pub(super) fn rebuild_usage(&mut self) {
        let mode = self.view.settings.scheduler.mode();
        if let Scheduler::Unknown(word) = &self.view.settings.scheduler {
            self.say_note(Some(Note::UnknownMode(word.clone())));
        }
        if mode == Mode::Dynamic {
            self.say(Event::Measured);
        }
        let mut online = core::mem::take(&mut self.manager.online);
        online.clear();
        let states = self.manager.status.nodes.iter();
        online.extend(
            states
                .filter(|(_, state)| **state == NodeState::Online)
                .map(|(node, _)| node),
        );
        let note = self.manager.usage.begin(usage::Round {
            mode,
            online: &online,
            ranks: &self.config.nodes,
            node_stats: Ok(self.view.node_stats),
        });
        self.manager.online = online;
        self.say_note(note);
        for service in self.view.names.services() {
            if let Some(managed) = self.managed(service) {
                self.enter(service, Guest::Managed(managed));
            }
        }
        for service in self.view.names.services() {
            if self.entry(service).is_some() {
                continue;
            }
            if let Some(resource) = self.view.resources.get(service) {
                let guest = Unmanaged {
                    requested: resource.requested,
                    node: resource.node,
                    running: resource.requested == super::status::Requested::Started,
                };
                self.enter(service, Guest::Unmanaged(guest));
            }
        }
    }

    fn enter(&mut self, service: ServiceId, guest: Guest) {
        let stats = self.view.service_stats.get(service);
        let note = self.manager.usage.set(service, guest, stats);
        self.say_note(note);
    }

    fn managed(&self, service: ServiceId) -> Option<Managed> {
        let entry = self.entry(service)?;
        Some(Managed {
            state: entry.state,
            node: entry.node,
            target: entry.target,
            running: entry.running,
        })
    }

    /// Enters a service anew, its state having changed.
    pub(super) fn use_again(&mut self, service: ServiceId) {
        if let Some(managed) = self.managed(service) {
            let note = self.manager.usage.change(service, Guest::Managed(managed));
            self.say_note(note);
        }
    }

    /// Compiles the rules if they or the nodes have changed, and says which can't be followed.
    pub(super) fn compile_rules(&mut self, nodes_changed: bool) {
        let known = self.manager.rules.as_ref();
        let same_digest = known.is_some_and(|rules| rules.digest == self.view.digest);
        let nodes_changed = nodes_changed || self.rules_miss_nodes();
        if same_digest && !nodes_changed {
            self.follow_names();
            return;
        }
        let source = groups::with_groups(self.view);
        // A migration of groups writes what was in force already.
        if !nodes_changed
            && let Some(rules) = &mut self.manager.rules
            && rules.is_migrated
            && rules.source == source
        {
            rules.digest = self.view.digest;
            rules.is_migrated = false;
            return;
        }
        self.compile(source);
    }

    /// Whether the rules in force were compiled for other nodes than are known now.
    fn rules_miss_nodes(&self) -> bool {
        let nodes = self.manager.status.nodes.iter().map(|(node, _)| node);
        let known = self.manager.rules.as_ref();
        !self.config.policy().compat.rules_miss_late_nodes
            && known.is_some_and(|rules| !nodes.eq(rules.nodes.iter().copied()))
    }

    pub(super) fn compile(&mut self, source: Rules) {
        let names = self.view.names;
        let nodes: BTreeSet<&str> = self
            .manager
            .status
            .nodes
            .iter()
            .map(|(node, _)| names.node(node))
            .collect();
        let by_name = match rules::translate(source.clone(), &nodes) {
            Ok(translated) => {
                for dropped in &translated.dropped {
                    let text = dropped.to_string();
                    let level = Level::Info;
                    self.say(Event::Advice { level, text });
                }
                self.heeded(translated.compiled)
            }
            Err(error) => self.keep_rules(error),
        };
        self.manager.rules = Some(Compiled {
            digest: self.view.digest,
            is_migrated: self.out.changes.migrated_groups.is_some(),
            source,
            names: names.counts(),
            nodes: self.manager.status.nodes.iter().map(|it| it.0).collect(),
            affinity: resolve(&by_name, names),
            by_name,
        });
    }

    fn heeded(&self, mut rules: rules::Compiled) -> rules::Compiled {
        if self.config.broken(Mutant::RulesUnheeded) {
            return rules::Compiled::default();
        }
        if self.config.broken(Mutant::PartnersUnheeded) {
            rules.positive.clear();
        }
        if self.config.broken(Mutant::PrioritiesUnheeded) {
            let nodes = rules.node_affinity.values_mut();
            nodes.flat_map(|it| it.values_mut()).for_each(|it| *it = 0);
        }
        rules
    }

    /// What is gone by instead of rules that are too large: those before, if there are any. They are
    /// by name, so they mean the same whatever has which id by now. A node that came since isn't in
    /// them: a service with a node affinity doesn't go there, even if that isn't strict.
    fn keep_rules(&mut self, error: rules::TooLarge) -> rules::Compiled {
        let last = self.manager.rules.take();
        let kept = last.map(|rules| rules.by_name).unwrap_or_default();
        let instead = match kept == rules::Compiled::default() {
            true => "there were none before, so none is in force",
            false => "those before stay in force",
        };
        let text = alloc::format!("the rules can't be followed: {error}; {instead}");
        let level = Level::Error;
        self.say(Event::Advice { level, text });
        kept
    }

    /// A service that a rule names may have come since: it has an id now.
    fn follow_names(&mut self) {
        let names = self.view.names;
        if let Some(rules) = &mut self.manager.rules
            && rules.names != names.counts()
        {
            rules.names = names.counts();
            rules.affinity = resolve(&rules.by_name, names);
        }
    }

    pub(super) fn select(&mut self, service: ServiceId, preference: Preference) -> Option<NodeId> {
        let failback = self.failback(service);
        let manager = &mut *self.manager;
        let entry = manager.status.services.get(service)?;
        let request = Request {
            service,
            node: entry.node,
            failed_nodes: &entry.failed_nodes,
            maintenance_node: entry.maintenance_node,
            failback,
            preference,
        };
        let none = Affinity::new();
        let affinity = manager
            .rules
            .as_ref()
            .map_or(&none, |rules| &rules.affinity);
        let selection = select(&manager.usage, affinity, &request, &mut manager.scratch);
        self.say_note(selection.note);
        selection.node
    }

    fn affinity(&self) -> Option<&Affinity> {
        self.manager.rules.as_ref().map(|rules| &rules.affinity)
    }

    /// The first service, by name, that must not be together with this one and is in the way.
    pub(super) fn blocker(&self, service: ServiceId, target: NodeId) -> Option<ServiceId> {
        let ranks = &self.config.services;
        let blocking = |one: &Affinity| one.blocking(|it| self.managed(it), service, target, ranks);
        self.affinity().map(blocking)?.first().copied()
    }

    /// The services, by name, that belong together with this one and aren't at `target` yet.
    pub(super) fn companions(&self, service: ServiceId, target: NodeId) -> Vec<ServiceId> {
        let ranks = &self.config.services;
        let follow =
            |one: &Affinity| one.taken_along(|it| self.managed(it), service, target, ranks);
        self.affinity().map(follow).unwrap_or_default()
    }

    /// How the manager moves a service of its own accord.
    pub(super) fn task_of(&self, service: ServiceId) -> Task {
        let resource = self.view.resources.get(service);
        match resource.is_some_and(|resource| resource.can_migrate) {
            true => Task::Migrate,
            false => Task::Relocate,
        }
    }

    /// Moves one service, with all that belong together with it, if nodes are unevenly loaded.
    pub(super) fn auto_rebalance(&mut self) {
        let settings = &self.view.settings.balance;
        if !settings.enabled || self.manager.usage.configured_mode() == Mode::Basic {
            return;
        }
        let pending = self.manager.status.services.iter().any(|(_, entry)| {
            matches!(entry.queued, Some(Queued::Move { .. })) || entry.state.is_moving()
        });
        let none = Affinity::new();
        let manager = &*self.manager;
        let cluster = balance::Cluster {
            table: &manager.usage,
            affinity: manager
                .rules
                .as_ref()
                .map_or(&none, |rules| &rules.affinity),
            services: &self.config.services,
        };
        let outcome = balance::rebalance(settings, cluster, pending, manager.uneven_rounds);
        self.manager.uneven_rounds = outcome.held_rounds;
        self.say_note(outcome.note);
        if let Some(step) = outcome.step {
            let (text, command) = {
                let names = self.note_names();
                (step.text(names).to_string(), step.command(names))
            };
            let level = Level::Info;
            self.say(Event::Advice { level, text });
            let task = self.task_of(step.service);
            self.queue_move(&command, task, step.service, step.target);
        }
    }
}

/// The compiled rules by id. What has no id is neither here nor there.
fn resolve(compiled: &rules::Compiled, names: &Names) -> Affinity {
    let mut affinity = Affinity::new();
    for (sid, nodes) in &compiled.node_affinity {
        let Some(service) = names.find_service(sid) else {
            continue;
        };
        // A service that may be nowhere is restricted all the same.
        for (node, priority) in nodes {
            let node = names.find_node(node);
            let priority = i32::try_from(*priority).unwrap_or(i32::MAX);
            if let Some(node) = node {
                affinity.restrict(service, node, priority);
            }
        }
        affinity.restrict_at_all(service);
    }
    for (kind, partners) in [
        (Kind::Positive, &compiled.positive),
        (Kind::Negative, &compiled.negative),
    ] {
        for (sid, others) in partners {
            for other in others {
                if let (Some(one), Some(other)) =
                    (names.find_service(sid), names.find_service(other))
                {
                    affinity.relate(kind, one, other);
                }
            }
        }
    }
    affinity
}
