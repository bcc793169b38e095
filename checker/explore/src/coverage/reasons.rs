//! Why an edge that the specification allows is never taken in the quick tier, and why a fault never
//! meets a service in some phase there.
//!
//! Each entry is judged: one whose edge is taken after all, or whose pair is met, is out of date and
//! fails as much as an edge without an entry.

use lockstep_world::Fault;

use super::diagram::{Edge, Machine};
use super::pairs::Phase;

/// From these states to these, for this reason.
type Untaken = (
    Machine,
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
);

/// These faults in these phases, for this reason.
type Unmet = (&'static [Fault], &'static [Phase], &'static str);

const UNTAKEN: &[Untaken] = &[
    (
        Machine::Service,
        &["request_start"],
        &["(unmanaged)"],
        "A service leaves `request_start` in the round in which it comes to it, but for one that is added in \
         the round in which the stack is disarmed with services ignored. Then nothing is removed until it is \
         armed again, and in that round it is started first.",
    ),
    (
        Machine::Service,
        &["migrate", "relocate", "request_start_balance"],
        &["error"],
        "A move ends so where the LRM answers that the service isn't on its node (exit code 3). Ours never \
         does: where a service belongs stands in a record that leaves its node under that node's grant.",
    ),
    (
        Machine::Service,
        &["fence"],
        &["request_stop", "migrate", "relocate"],
        "An accident of the reference, which our manager avoids: `fence_and_move` in `model/DEVIATIONS.md`. \
         Profile `pve` has it, in simulated cases.",
    ),
    (
        Machine::Node,
        &["online"],
        &["fence"],
        "A node is fenced for a service that waits for it, and that comes to `fence` only once the node hasn't \
         been online for the fence delay.",
    ),
    (Machine::Node, &["unknown"], &["gone"], MEMBERS),
    (
        Machine::Node,
        &["gone"],
        &["online", "(forgotten)", "fence"],
        MEMBERS,
    ),
    (
        Machine::Node,
        &["maintenance"],
        &["unknown"],
        "Takes a master that misses the end of maintenance and every sign of life after it: the CRM is \
         stopped and the node lost within the same ticks, after two commands. `l3/maintenance-unseen` in the \
         deep tier is that; it hasn't been closed.",
    ),
    (
        Machine::Crm,
        &["lost_manager_lock"],
        &["master"],
        "The specification calls it practically unreachable: the state is left in the step in which it is \
         entered (7.3).",
    ),
];

const MEMBERS: &str = "The members of the cluster are the same throughout each configuration. The manager's own \
     tests and simulated cases remove nodes.";

const CONTENDER: &str = "A contender stands for the CRM in layer 1, where services are neither stopped nor moved, frozen \
     or disarmed. What meets the CRM itself stands in the rows of `pause-crm` and `crash-crm`.";

const ASSUMPTION: &str = "It makes an assumption of the safety argument false: it is explored in `assumption/…` alone, where \
     a property must fail.";

const UNMET: &[Unmet] = &[
    (
        &[Fault::PauseContender, Fault::CrashContender],
        &[
            Phase::Stopping,
            Phase::Migrating,
            Phase::Frozen,
            Phase::Disarmed,
        ],
        CONTENDER,
    ),
    (
        &[
            Fault::Rollback,
            Fault::HandEdit,
            Fault::Suspend,
            Fault::FenceLies,
        ],
        &Phase::ALL,
        ASSUMPTION,
    ),
    (
        &[
            Fault::PauseLrm,
            Fault::PauseMux,
            Fault::PauseAll,
            Fault::CrashLrm,
            Fault::Isolate,
            Fault::Outage,
            Fault::SlowPing,
        ],
        &[Phase::Migrating],
        "Met in the deep tier: `l2/k1/any-host-fault-move`, which isn't closed after two million states; those \
         of them that `l2/k1/order-live-…` names are closed in the full tier.",
    ),
    (
        &[Fault::ServiceEnds],
        &[Phase::Starting],
        "Only what runs can end, and what runs isn't to be started any more. No configuration of the quick \
         tier has a second service.",
    ),
    (
        &[Fault::FenceFails],
        &[
            Phase::Stopping,
            Phase::Migrating,
            Phase::Frozen,
            Phase::Disarmed,
        ],
        "An agent is asked about a node that is to be fenced. In layer 1, where a contender asks at once, \
         services are started and run; in layer 3 they wait for the fence.",
    ),
    (
        &[Fault::DeviceFails],
        &[
            Phase::Stopping,
            Phase::Migrating,
            Phase::Fencing,
            Phase::Disarmed,
        ],
        "The device is opened where the watchdog is armed: before a service is started, or when an LRM comes \
         back to one that was left running. Nothing is stopped, moved or given up before that, and who is to \
         be disarmed arms nothing.",
    ),
];

/// Why an edge isn't taken, if that is known.
#[must_use]
pub fn untaken(edge: &Edge) -> Option<&'static str> {
    let states = edge.machine.states();
    let mut known = UNTAKEN.iter().filter(|(machine, from, to, _)| {
        *machine == edge.machine
            && from.contains(&states[edge.from])
            && to.contains(&states[edge.to])
    });
    known.next().map(|(.., why)| *why)
}

/// Why a fault doesn't happen in a phase, if that is known.
#[must_use]
pub fn unmet(fault: Fault, phase: Phase) -> Option<&'static str> {
    let mut known = UNMET
        .iter()
        .filter(|(faults, phases, _)| faults.contains(&fault) && phases.contains(&phase));
    known.next().map(|(.., why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_of_edges_that_are_allowed() {
        for (machine, from, to, why) in UNTAKEN {
            for from in *from {
                for to in *to {
                    let place = |name: &str| machine.state(name).expect("a state");
                    let edge = (place(from), place(to));
                    assert!(machine.allows(edge.0, edge.1), "{from} → {to}: {why}");
                }
            }
        }
    }
}
