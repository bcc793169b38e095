//! The properties, judged while a case runs under an own profile (design: properties).
//!
//! They hold under every profile but `pve`: the first one that doesn't ends the run. Each is judged
//! where it can first be seen: instances after every input that changed anything, writes before they
//! are applied, jobs before they begin.
//!
//! # What people do
//!
//! A case's commands may make a second instance themselves: a service added as running on one node
//! while it runs on another, `service_status` that lists one on two nodes, or on another one than it
//! is configured on. What a person put somewhere isn't ours, and is left out of `single-instance`,
//! `run-needs-authority`, `watchdog-guards` and `taken-is-dead`, until the LRM of the node that the
//! service belongs to holds its lock guarded and armed and has read that it does: from then on it answers
//! for it. A person who says that a service belongs to another node disowns what runs of it elsewhere.
//!
//! While a service is ignored or not configured at all nothing is said about it. What the stack itself
//! left running then counts for `single-instance` again as soon as the service is managed again, and for
//! the others once an LRM answers for it.

mod instances;
mod jobs;
mod manager;
#[cfg(test)]
mod tests;
mod writes;

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::event::Violation;
use lockstep_model::id::{Revision, ServiceId, Uid};
use lockstep_model::rules::Compiled;
use lockstep_model::time::Instant;

use super::cluster::Cluster;
use crate::watch::{Property, Report};

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    /// The properties that didn't hold. The first ends the run.
    pub(crate) reports: Vec<Report>,
    /// The properties that are judged; none: all.
    judged: Vec<Property>,
    /// Whether instances have to be looked at again.
    pub(crate) dirty: bool,
    /// Whether the case has done anything that may make a reset necessary.
    pub(crate) faults: bool,
    /// How often a manager has answered a command, by its text.
    answered: BTreeMap<String, u64>,
    /// The services whose request a manager has answered, or begun to carry out.
    requests_answered: BTreeSet<ServiceId>,
    /// Since when a configured service is not managed though there is a master.
    unmanaged: BTreeMap<ServiceId, Instant>,
    /// Under which order a start was begun, by host and service; none: that by which it came here.
    starting: BTreeMap<(usize, ServiceId), Option<Uid>>,
    /// How often a start failed in a row, by host and service, for one order.
    failed_starts: BTreeMap<(usize, ServiceId), (Option<Uid>, u32)>,
    /// The rules in force, as of a revision of their record.
    rules: Option<(Revision, Compiled)>,
}

impl Watch {
    /// Judges the properties of these names, or all.
    pub(super) fn judging(names: &[String]) -> Self {
        let judged = names.iter().filter_map(|name| Property::named(name));
        Self {
            judged: judged.collect(),
            ..Self::default()
        }
    }
}

impl Cluster {
    /// A property doesn't hold.
    pub(super) fn report(&mut self, property: Property, what: String) {
        if !self.watch.judged.is_empty() && !self.watch.judged.contains(&property) {
            return;
        }
        let seconds = self.seconds();
        self.watch.reports.push(Report {
            property,
            seconds,
            what,
        });
    }

    pub(super) fn is_violated(&self) -> bool {
        !self.watch.reports.is_empty()
    }

    fn name_of(&self, host: usize) -> &str {
        self.names.node(self.hosts[host].id)
    }

    fn sid(&self, service: ServiceId) -> &str {
        self.names.service(service)
    }

    /// A machine has looked at itself.
    pub(super) fn judge_machine(&mut self, host: usize, checked: Result<(), Violation>) {
        if let Err(violation) = checked {
            let text = format!("on '{}': {violation}", self.name_of(host));
            self.report(Property::MachineInvariants, text);
        }
    }

    /// A device resets its host.
    pub(super) fn judge_reset(&mut self, host: usize) {
        let stuck = |service: &ServiceId| {
            let resource = self.store.resource(*service);
            self.is_unstoppable(*service)
                || resource.is_some_and(|resource| resource.guest_lock.is_some())
        };
        let excused = self.watch.faults || self.hosts[host].instances.keys().any(stuck);
        if !excused {
            let name = self.name_of(host);
            let text = format!("'{name}' is reset though nothing went wrong");
            self.report(Property::NoNeedlessReset, text);
        }
    }
}
