//! The properties that can be seen from outside, watched while a case runs (design: properties).
//!
//! Under profile `pve` they are reported and the run goes on: the reference breaks some of them,
//! and people's commands in a case may break others (a guest added as running on two nodes).

use std::collections::BTreeSet;
use std::fmt;

use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::lrm::rounds::work::Command;
use lockstep_model::manager::event::{Event, RecoveryEvent, ServiceEvent};
use lockstep_model::manager::status::{Requested, Status};
use lockstep_model::placement::state::ServiceState;

use crate::cluster::Cluster;

/// A property, by its name in the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    /// A service runs on one node at most.
    SingleInstance,
    /// Whoever takes a node's lock may rely on nothing running there.
    TakenIsDead,
    /// A frozen service is neither started nor stopped, but by the shutdown of its node.
    FrozenUntouched,
    /// A service in error is neither started nor stopped.
    ErrorUntouched,
    /// An ignored service is neither started nor stopped.
    IgnoredUntouched,
    /// A disabled service is not recovered.
    DisabledNotRecovered,
    /// A command that was accepted is carried out or answered.
    NoLostCommand,
    /// Every service that is to be managed is.
    NoLostService,
    /// A service is tried on no more nodes than its configuration allows.
    PolicyBounds,
    /// What runs does so under its host's lock, or is listed as left running.
    RunNeedsAuthority,
    /// What runs under a lock has a watchdog behind it that fires before the lock can be taken.
    WatchdogGuards,
    /// A start rests on a location that was read after the present grant.
    StartAfterGrantRead,
    /// A service leaves a node only under that node's lock.
    LocChangesUnderLock,
    /// What was left running unguarded is not moved by others.
    UnguardedNeverRecovered,
    /// Nobody writes what he doesn't hold the lock for.
    SingleWriter,
    /// What the manager decides obeys the rules that must be obeyed.
    Affinity,
    /// Without a fault no watchdog fires.
    NoNeedlessReset,
    /// The daemons come to rest.
    TimeCanPass,
    /// Every machine's own invariants hold.
    MachineInvariants,
}

impl Property {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::SingleInstance,
        Self::TakenIsDead,
        Self::FrozenUntouched,
        Self::ErrorUntouched,
        Self::IgnoredUntouched,
        Self::DisabledNotRecovered,
        Self::NoLostCommand,
        Self::NoLostService,
        Self::PolicyBounds,
        Self::RunNeedsAuthority,
        Self::WatchdogGuards,
        Self::StartAfterGrantRead,
        Self::LocChangesUnderLock,
        Self::UnguardedNeverRecovered,
        Self::SingleWriter,
        Self::Affinity,
        Self::NoNeedlessReset,
        Self::TimeCanPass,
        Self::MachineInvariants,
    ];

    /// The property of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|property| property.name() == name)
    }

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SingleInstance => "single-instance",
            Self::TakenIsDead => "taken-is-dead",
            Self::FrozenUntouched => "frozen-untouched",
            Self::ErrorUntouched => "error-untouched",
            Self::IgnoredUntouched => "ignored-untouched",
            Self::DisabledNotRecovered => "disabled-not-recovered",
            Self::NoLostCommand => "no-lost-command",
            Self::NoLostService => "no-lost-service",
            Self::PolicyBounds => "policy-bounds",
            Self::RunNeedsAuthority => "run-needs-authority",
            Self::WatchdogGuards => "watchdog-guards",
            Self::StartAfterGrantRead => "start-after-grant-read",
            Self::LocChangesUnderLock => "loc-changes-under-lock",
            Self::UnguardedNeverRecovered => "unguarded-never-recovered",
            Self::SingleWriter => "single-writer",
            Self::Affinity => "affinity",
            Self::NoNeedlessReset => "no-needless-reset",
            Self::TimeCanPass => "time-can-pass",
            Self::MachineInvariants => "machine-invariants",
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A property that didn't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which.
    pub property: Property,
    /// When, on the hardware's clock.
    pub seconds: u64,
    /// What was seen.
    pub what: String,
}

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    pub(crate) reports: Vec<Report>,
    /// Services that run twice now: said once.
    twice: BTreeSet<ServiceId>,
}

impl Cluster {
    fn report(&mut self, property: Property, what: String) {
        let seconds = self.clock;
        self.watch.reports.push(Report {
            property,
            seconds,
            what,
        });
    }

    /// Looks at what runs where.
    pub(crate) fn watch_instances(&mut self) {
        let mut once = BTreeSet::new();
        let mut twice = BTreeSet::new();
        for node in self.nodes.iter().filter(|node| node.power) {
            for service in &node.running {
                if !once.insert(*service) {
                    twice.insert(*service);
                }
            }
        }
        let new: Vec<ServiceId> = twice.difference(&self.watch.twice).copied().collect();
        self.watch.twice = twice;
        for service in new {
            let sid = self.names.service(service).to_owned();
            let text = format!("service '{sid}' runs on two nodes");
            self.report(Property::SingleInstance, text);
        }
    }

    /// A master takes a node's lock, or relies on it.
    pub(crate) fn watch_taken(&mut self, lock: NodeId) {
        let Some(node) = self.node_index(lock) else {
            return;
        };
        if !self.nodes[node].power {
            return;
        }
        let running: Vec<ServiceId> = self.nodes[node].running.iter().copied().collect();
        for service in running {
            let (sid, name) = (self.names.service(service), self.names.node(lock));
            let text = format!("the lock of '{name}' was taken while service '{sid}' runs there");
            self.report(Property::TakenIsDead, text);
        }
    }

    /// An agent has started or stopped a service, as it was told.
    pub(crate) fn watch_touched(&mut self, command: &Command) {
        // Without a uid it is a stop at the node's shutdown, which stops whatever runs there.
        if command.uid.is_none() {
            return;
        }
        let service = command.service;
        let state = self.status.services.get(service).map(|entry| entry.state);
        let ignored = self
            .guests
            .configured
            .get(&service)
            .is_some_and(|guest| guest.requested == Requested::Ignored);
        let property = match state {
            Some(ServiceState::Freeze) => Property::FrozenUntouched,
            Some(ServiceState::Error) => Property::ErrorUntouched,
            _ if ignored => Property::IgnoredUntouched,
            _ => return,
        };
        let sid = self.names.service(service).to_owned();
        self.report(property, format!("service '{sid}' was started or stopped"));
    }

    /// A master has written its round.
    pub(crate) fn watch_round(&mut self, before: &Status, events: &[Event]) {
        self.watch_requests(before, events);
        self.watch_bounds();
        for event in events {
            let Event::Service(service, ServiceEvent::Recovery(RecoveryEvent::To { .. })) = event
            else {
                continue;
            };
            let disabled = self
                .guests
                .configured
                .get(service)
                .is_some_and(|guest| guest.requested == Requested::Disabled);
            if disabled {
                let sid = self.names.service(*service).to_owned();
                let text = format!("service '{sid}' is disabled and was recovered");
                self.report(Property::DisabledNotRecovered, text);
            }
        }
        // In the round that arms the stack, services that came meanwhile are not looked at yet.
        if self.status.disarm.is_some() || before.disarm.is_some() {
            return;
        }
        let lost: Vec<ServiceId> = self
            .guests
            .configured
            .iter()
            .filter(|(id, guest)| {
                guest.requested != Requested::Ignored && !self.status.services.contains(**id)
            })
            .map(|(id, _)| *id)
            .collect();
        for service in lost {
            let sid = self.names.service(service).to_owned();
            self.report(
                Property::NoLostService,
                format!("service '{sid}' is not managed"),
            );
        }
    }

    /// What was queued and is no more was begun, or answered.
    fn watch_requests(&mut self, before: &Status, events: &[Event]) {
        for (service, entry) in before.services.iter() {
            if entry.queued.is_none() {
                continue;
            }
            let Some(after) = self.status.services.get(service) else {
                continue;
            };
            let answered = events.iter().any(|event| {
                matches!(event, Event::Service(other, ServiceEvent::Request(_))
                    if *other == service)
            });
            let began = after.target.is_some() && after.uid != entry.uid;
            if after.queued.is_none() && !answered && !began {
                let sid = self.names.service(service).to_owned();
                let text = format!("what was asked for service '{sid}' was dropped");
                self.report(Property::NoLostCommand, text);
            }
        }
    }

    fn watch_bounds(&mut self) {
        let exceeded: Vec<ServiceId> = self
            .status
            .services
            .iter()
            .filter(|(id, entry)| {
                let allowed = self
                    .guests
                    .configured
                    .get(id)
                    .map_or(u32::MAX, |guest| guest.max_relocate);
                entry.state != ServiceState::Error
                    && entry.failed_nodes.len() as u64 > u64::from(allowed)
            })
            .map(|(id, _)| id)
            .collect();
        for service in exceeded {
            let sid = self.names.service(service).to_owned();
            let text = format!("service '{sid}' was tried on more nodes than allowed");
            self.report(Property::PolicyBounds, text);
        }
    }
}
