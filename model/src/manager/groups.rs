//! Groups, as long as there are any: rules in their place, and their migration (`protocol.md`
//! 8.10, `rules.md` 7).

use alloc::string::String;
use alloc::vec::Vec;

use super::event::{Event, GroupsError, GroupsEvent};
use super::status::{LrmMode, NodeState};
use super::{Round, View};
use crate::event::LrmState;
use crate::format::resources::{Resource, ResourceKind, Resources};
use crate::format::rules::Rules;
use crate::id::ServiceId;
use crate::mutation::Mutation;
use crate::rules::groups;
use crate::rules::version::Version;

/// In which round of a master the first attempt is made.
pub(super) const FIRST_ROUND: u32 = 3;

/// How many rounds lie between attempts.
const ROUNDS_BETWEEN: u32 = 6;

/// What a migration writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The rules.
    pub rules: Rules,
    /// The services that are in no group any more, with their failback.
    pub services: Vec<(ServiceId, bool)>,
}

/// The rules in force: those written and those in place of groups.
pub(super) fn with_groups(view: &View<'_>) -> Rules {
    let mut rules = view.rules.clone();
    if !view.groups.is_empty() {
        groups::add_rules(&mut rules, &members(view), view.groups);
    }
    rules
}

/// The services that are in a group, as their configuration has it.
fn members(view: &View<'_>) -> Resources {
    let mut resources = Resources::new();
    for (service, resource) in view.resources.iter() {
        let Some(group) = &resource.group else {
            continue;
        };
        let configured = Resource {
            kind: ResourceKind::VirtualMachine,
            state: None,
            group: Some(group.clone()),
            failback: None,
            max_restart: None,
            max_relocate: None,
            comment: None,
        };
        let sid = String::from(view.names.service(service));
        resources.insert(sid, None, configured);
    }
    resources
}

/// Whether a service goes back to a better node: its group says so, if it is in one.
pub(super) fn failback(view: &View<'_>, service: ServiceId) -> bool {
    let Some(resource) = view.resources.get(service) else {
        return true;
    };
    match &resource.group {
        None => resource.failback,
        Some(group) => view
            .groups
            .get(group)
            .is_none_or(|group| group.nofailback != Some(true)),
    }
}

impl<M: Mutation> Round<'_, M> {
    /// Whether a service goes back to a better node, groups that this round migrated being gone.
    pub(super) fn failback(&self, service: ServiceId) -> bool {
        let migrated = self.out.changes.migrated_groups.as_ref();
        let written = migrated.and_then(|migrated| {
            let mut services = migrated.services.iter();
            services.find(|(other, _)| *other == service)
        });
        match written {
            Some((_, failback)) => *failback,
            None => failback(self.view, service),
        }
    }

    fn say_groups(&mut self, event: GroupsEvent) {
        self.say(Event::Groups(event));
    }

    /// Migrates groups to rules, every few rounds, once the whole cluster is new enough.
    pub(super) fn try_groups(&mut self) {
        if self.view.groups.is_empty() {
            return;
        }
        let countdown = &mut self.manager.groups_countdown;
        *countdown = countdown.saturating_sub(u32::from(self.view.periodic));
        if *countdown > 0 {
            return;
        }
        *countdown = ROUNDS_BETWEEN;
        self.say_groups(GroupsEvent::Begin);
        if let Err(error) = self.may_migrate_groups() {
            self.say_groups(GroupsEvent::Abort(error));
            self.say_groups(GroupsEvent::Failed);
            self.say_groups(GroupsEvent::Retry);
            return;
        }
        let view = self.view;
        let services = view
            .resources
            .iter()
            .filter(|(_, resource)| resource.group.is_some())
            .map(|(service, resource)| {
                let stays = resource.failback && failback(view, service);
                (service, stays)
            })
            .collect();
        self.say_groups(GroupsEvent::RulesDone);
        self.say_groups(GroupsEvent::ResourcesDone);
        self.say_groups(GroupsEvent::GroupsDone);
        self.say_groups(GroupsEvent::Done);
        if let Some(rules) = &mut self.manager.rules {
            // The texts have changed, so they are compiled in this round, and not again for what
            // the next one reads.
            rules.digest = rules.digest.wrapping_add(1);
        }
        self.out.changes.migrated_groups = Some(Migrated {
            rules: with_groups(view),
            services,
        });
    }

    fn may_migrate_groups(&mut self) -> Result<(), GroupsError> {
        if !self.view.quorate {
            return Err(GroupsError::NoQuorum);
        }
        if self.manager.status.nodes.is_empty() {
            return Err(GroupsError::NoNodes);
        }
        for node in self.view.names.nodes() {
            let Some(state) = self.manager.status.nodes.get(node).copied() else {
                continue;
            };
            self.say_groups(GroupsEvent::Node(node, state));
            if state != NodeState::Online {
                return Err(GroupsError::NotOnline(node));
            }
            let published = self.view.lrms.get(node);
            let known = published.and_then(|lrm| Some((lrm.state?, lrm.mode?)));
            let (state, mode) = known.ok_or(GroupsError::NoLrm(node))?;
            self.say_groups(GroupsEvent::Lrm(node, state, mode));
            let is_idle = state == LrmState::WaitForAgentLock
                && self.manager.status.active_services(node) == 0;
            if state != LrmState::Active && !is_idle {
                return Err(GroupsError::LrmState(node));
            }
            if mode != LrmMode::Active {
                return Err(GroupsError::LrmMode(node));
            }
            let version = self.view.versions.get(node);
            let version = version.ok_or(GroupsError::NoVersion(node))?;
            self.say_groups(GroupsEvent::Version(node, version.clone()));
            let is_new = Version::parse(version)
                .is_some_and(|version| version.is_at_least(Version::FOR_RULES));
            if !is_new {
                return Err(GroupsError::OldVersion(node));
            }
        }
        Ok(())
    }
}
