//! What must happen, by configuration.

use lockstep_world::leads::Leads;

use super::{Configuration, Expectation};

/// Which leads-to properties are judged where.
const LEADS: &[(&str, &[Leads])] = &[
    ("l1/k1/undisturbed", &[Leads::WantedRuns]),
    ("l1/k1/power", &[Leads::WantedRuns, Leads::SilentTaken]),
    ("l1/k1/pause-lrm", &[Leads::WantedRuns, Leads::SilentTaken]),
    ("l1/k1/crash-lrm", &[Leads::WantedRuns, Leads::SilentTaken]),
    ("l1/k1/isolate", &[Leads::WantedRuns, Leads::SilentTaken]),
    (
        "l2/k1/undisturbed",
        &[
            Leads::WantedRuns,
            Leads::StopCompletes,
            Leads::IdleDisarms,
            Leads::LeavingEnds,
            Leads::GuardedAgain,
        ],
    ),
];

impl Configuration {
    /// The leads-to properties that are judged in it.
    #[must_use]
    pub fn leads(&self) -> Vec<Leads> {
        if let Expectation::NeverHappens(leads) = self.expectation {
            return vec![leads];
        }
        let here = LEADS.iter().filter(|(name, _)| *name == self.name);
        here.flat_map(|(_, leads)| leads.iter().copied()).collect()
    }
}
