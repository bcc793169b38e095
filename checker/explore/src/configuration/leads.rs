//! What must happen, by configuration, and within which time.

use lockstep_model::config::Timing;
use lockstep_world::leads::Leads;

use super::{Configuration, Expectation};

/// How long a promise may stay open; the search must find just that: no longer, and no less.
type Bound = fn(&Timing) -> u64;

/// A lock has to be silent for T(1+ρ), as seen by who takes it.
const SILENCE: Bound = |timing| timing.silence(timing.lock_ttl).0;

/// Without anything to wait for.
const AT_ONCE: Bound = |_| 0;

/// A leads-to property, with its bound where it has one to name.
type Declared = (Leads, Option<Bound>);

/// Which leads-to properties are judged where.
const LEADS: &[(&str, &[Declared])] = &[
    ("l1/k1/undisturbed", &[(Leads::WantedRuns, Some(AT_ONCE))]),
    ("l1/k1/power", AFTER_A_FAULT),
    ("l1/k1/pause-lrm", AFTER_A_FAULT),
    ("l1/k1/crash-lrm", AFTER_A_FAULT),
    ("l1/k1/crash-mux", AFTER_A_FAULT),
    ("l1/k3/power", AFTER_A_FAULT),
    (
        "l1/k1/isolate",
        &[
            (Leads::WantedRuns, None),
            (Leads::SilentTaken, Some(SILENCE)),
        ],
    ),
    (
        "l1/k1/crash-contender",
        &[(Leads::SilentTaken, Some(SILENCE))],
    ),
    ("l1/k1/delay", &[(Leads::WantedRuns, None)]),
    ("l1/k1/device-fails", &[(Leads::WantedRuns, None)]),
    (
        "l2/k1/undisturbed",
        &[
            (Leads::WantedRuns, Some(AT_ONCE)),
            (Leads::StopCompletes, Some(AT_ONCE)),
            (Leads::IdleDisarms, Some(|timing| timing.idle.0)),
            (Leads::LeavingEnds, Some(AT_ONCE)),
            (Leads::GuardedAgain, Some(AT_ONCE)),
        ],
    ),
    ("l2/k1/recover-agent-fails", &[(Leads::WantedRuns, None)]),
    ("l2/k1/recover-service-ends", &[(Leads::WantedRuns, None)]),
    ("l2/k1/recover-delay", &[(Leads::WantedRuns, None)]),
    (
        "l2/k1/recover-power",
        &[
            (Leads::WantedRuns, None),
            (Leads::SilentTaken, Some(SILENCE)),
        ],
    ),
    ("l2/k1/stop-start-agent-fails", STOPPED_AND_STARTED),
    ("l2/k1/stop-start-isolate", STOPPED_AND_STARTED),
    ("l2/k1/stop-start-crash-mux", STOPPED_AND_STARTED),
    (
        "l2/k1/freeze-crash-lrm",
        &[
            (Leads::WantedRuns, Some(SILENCE)),
            (Leads::SilentTaken, Some(SILENCE)),
            (Leads::LeavingEnds, Some(AT_ONCE)),
            (Leads::GuardedAgain, None),
        ],
    ),
    (
        "l3/start",
        &[
            (Leads::MasterExists, Some(AT_ONCE)),
            (Leads::RequestedRuns, None),
        ],
    ),
    ("l3/run-crash-crm", &[(Leads::MasterExists, Some(AT_ONCE))]),
    (
        "l3/run-power",
        &[
            (Leads::MasterExists, Some(SILENCE)),
            (Leads::FenceResolved, None),
            (Leads::RequestedRuns, None),
        ],
    ),
    (
        "l3/confirmed-frozen",
        &[(Leads::FenceResolved, None), (Leads::RequestedRuns, None)],
    ),
    (
        "l3/confirmed",
        &[(Leads::FenceResolved, None), (Leads::RequestedRuns, None)],
    ),
    ("l3/run-service-ends", &[(Leads::RequestedRuns, None)]),
    (
        "l3/fenced-power",
        &[(Leads::FenceResolved, None), (Leads::RequestedRuns, None)],
    ),
    ("l3/armed-again-freeze", &[(Leads::DisarmCompletes, None)]),
    ("l3/armed-again-ignore", &[(Leads::DisarmCompletes, None)]),
    ("l3/maintenance-asked", &[(Leads::MaintenanceEmpties, None)]),
    ("l4/service-ends", &[(Leads::RequestedRuns, None)]),
    (
        "l3/maintenance-lost",
        &[
            (Leads::MaintenanceEmpties, None),
            (Leads::FenceResolved, None),
        ],
    ),
    ("l3/added-and-disarmed", &[(Leads::DisarmCompletes, None)]),
    ("l3/any-fault-disarm", &[(Leads::DisarmCompletes, None)]),
    (
        "l3/restart-power",
        &[(Leads::FenceResolved, None), (Leads::RequestedRuns, None)],
    ),
    ("l3/disarm-lost", &[(Leads::DisarmCompletes, None)]),
    (
        "l3/unowned-confirmed",
        &[(Leads::FenceResolved, None), (Leads::RequestedRuns, None)],
    ),
    ("l3/unowned-power", &[(Leads::FenceResolved, None)]),
    ("l3/disarm-freeze", &[(Leads::DisarmCompletes, None)]),
    ("l3/disarm-ignore", &[(Leads::DisarmCompletes, None)]),
    ("l3/maintenance", &[(Leads::MaintenanceEmpties, None)]),
];

/// A service runs again once its lock was silent, and so does who takes it.
const AFTER_A_FAULT: &[Declared] = &[
    (Leads::WantedRuns, Some(SILENCE)),
    (Leads::SilentTaken, Some(SILENCE)),
];

const STOPPED_AND_STARTED: &[Declared] = &[
    (Leads::WantedRuns, None),
    (Leads::StopCompletes, None),
    (Leads::IdleDisarms, None),
];

impl Configuration {
    /// The leads-to properties that are judged in it.
    #[must_use]
    pub fn leads(&self) -> Vec<Leads> {
        if let Expectation::NeverHappens(leads) = self.expectation {
            return vec![leads];
        }
        self.declared().map(|(leads, _)| *leads).collect()
    }

    /// The longest time for which a leads-to property's promises stay open here, in ticks, if one is
    /// declared.
    #[must_use]
    pub fn within(&self, leads: Leads) -> Option<u64> {
        let mut declared = self.declared();
        let (_, bound) = declared.find(|(other, _)| *other == leads)?;
        bound.map(|bound| bound(self.setup.config(false).timing()))
    }

    fn declared(&self) -> impl Iterator<Item = &'static Declared> {
        let here = LEADS.iter().filter(|(name, _)| *name == self.name);
        here.flat_map(|(_, leads)| leads.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::named;

    #[test]
    fn what_must_happen_does_so_where_there_is_something() {
        for (name, leads) in LEADS {
            let configuration = named(name).expect("a configuration of this name");
            assert_eq!(configuration.expectation, Expectation::Holds, "{name}");
            assert_eq!(configuration.leads().len(), leads.len(), "{name}");
        }
    }
}
