//! Layer 3: masters that come and go, commits that are torn, profiles that change, more machines.

use lockstep_model::config::{Config, Policy, Timing};
use lockstep_model::id::{MachineId, NodeId, Ranks};
use lockstep_model::mutation::Mask;
use lockstep_model::time::Span;
use lockstep_world::coverage::Tag;
use lockstep_world::setup::HostSetup;
use lockstep_world::{Admin, Fault, Setup};

use super::Configuration;
use super::layer1::holds;
use super::layer3::{POLICY, cluster, timing};
use super::layer3_rules::{asked, settled, started};

pub(super) fn all() -> Vec<Configuration> {
    let mut all = torn();
    all.extend(profiles());
    all.extend(machines());
    all
}

/// The most that a write takes is so little that what was decided for a service comes after the
/// status that says so.
fn in_parts(mut setup: Setup) -> Setup {
    for config in &mut setup.configs {
        *config = config.clone().deciding(Policy {
            operations_max: 2,
            ..POLICY
        });
    }
    setup
}

/// A command is carried out by a commit that has several parts.
fn torn() -> Vec<Configuration> {
    let one = |name: &str, fault: Option<Fault>, tags: &[Tag]| {
        let fails = match fault {
            Some(_) => format!("one fault: {name}"),
            None => "nothing fails".into(),
        };
        let about =
            format!("A service is stopped by a command, in a commit of two parts; {fails}.");
        let setup = asked(settled(started(1), fault.as_slice()), &["stop vm:101 1"], 1);
        let full_name = match fault {
            Some(_) => format!("l3/torn-{name}"),
            None => "l3/torn".into(),
        };
        holds(full_name, &about, in_parts(setup)).meeting(tags)
    };
    let torn = [Tag::CommandTaken, Tag::CommitInParts, Tag::CommitTorn];
    vec![
        one("", None, &torn[..2]),
        one("crash-crm", Some(Fault::CrashCrm), &torn).in_full(),
        one(
            "pause-crm",
            Some(Fault::PauseCrm),
            &[Tag::CommandTaken, Tag::CommitInParts, Tag::MasterChanged],
        )
        .in_full(),
        one("isolate", Some(Fault::Isolate), &torn).in_deep(),
        one("power", Some(Fault::Power), &torn).in_deep(),
        one("delay", Some(Fault::Delay), &torn).in_full(),
    ]
}

/// Everybody is told longer, or shorter, times.
fn profiles() -> Vec<Configuration> {
    let told = |timing: &Timing, policy: Policy, like: &Setup| {
        let like = like.config(false);
        let mut config = Config::for_checking(timing.clone(), Ranks::default(), Mask::default());
        config.services = like.services.clone();
        config.nodes = like.nodes.clone();
        config.deciding(policy)
    };
    let one = |name: &str, about: &str, longer_at_last: bool, faults: &[Fault]| {
        let mut setup = settled(started(1), faults);
        let longer = Timing {
            lock_ttl: timing().lock_ttl + Span(1),
            fence_delay: timing().fence_delay + Span(1),
            ..timing()
        };
        let slower = Policy {
            round: POLICY.round + Span(1),
            ..POLICY
        };
        let [short, long] = [
            told(&timing(), POLICY, &setup),
            told(&longer, slower, &setup),
        ];
        setup.configs = match longer_at_last {
            true => [short, long],
            false => [long, short],
        };
        setup.rebase_bound = Setup::sufficient_bound(&setup.configs, true);
        setup.admin = vec![Admin::Reconfigure];
        setup.admin_budget = 1;
        holds(format!("l3/profile-{name}"), about, setup)
    };
    vec![
        one(
            "longer",
            "Everybody is told longer times; nothing fails.",
            true,
            &[],
        )
        .meeting(&[Tag::ProfileChanged]),
        one(
            "shorter",
            "Everybody is told shorter times; nothing fails.",
            false,
            &[],
        )
        .meeting(&[Tag::ProfileChanged]),
        one(
            "shorter-power",
            "Everybody is told shorter times; one fault: power.",
            false,
            &[Fault::Power],
        )
        .meeting(&[Tag::ProfileChanged, Tag::Recovered])
        .in_deep(),
        one(
            "shorter-pause-crm",
            "Everybody is told shorter times; one fault: pause-crm.",
            false,
            &[Fault::PauseCrm],
        )
        .meeting(&[Tag::ProfileChanged, Tag::MasterChanged]),
    ]
}

/// A third machine: another node, or one that says that it is the first.
fn machines() -> Vec<Configuration> {
    let three = |fault: Fault| {
        let mut setup = cluster(3, 3, started(1));
        setup.warm = 8;
        setup.fault_hosts = vec![0];
        setup.faults = vec![fault];
        setup.fault_budget = 1;
        // The host that fails decides nothing, and one of the others does.
        setup.hosts[0].crm = false;
        setup.hosts[2].crm = false;
        setup
    };
    let cloned = |faults: &[Fault]| {
        let mut setup = settled(started(1), faults);
        // Two that publish under one name would do so for ever before anything else happens.
        setup.warm = 0;
        setup.hosts[0].crm = false;
        setup.hosts.push(HostSetup {
            node: NodeId(0),
            machine: MachineId(0),
            ..setup.hosts[0].clone()
        });
        setup
    };
    vec![
        holds(
            "l3/three-hosts-power",
            "On three hosts, a service is recovered to one of two others; one fault: power.",
            three(Fault::Power),
        )
        .meeting(&[Tag::Fenced, Tag::Recovered, Tag::ReturnedUnfenced]),
        holds(
            "l3/three-hosts-isolate",
            "On three hosts, a service is recovered to one of two others; one fault: isolate.",
            three(Fault::Isolate),
        )
        .meeting(&[Tag::Fenced, Tag::Recovered]),
        holds(
            "l3/clone",
            "A clone of the first machine is on, under its name; nothing fails.",
            cloned(&[]),
        )
        .meeting(&[Tag::TwoOfOneName]),
        holds(
            "l3/clone-power",
            "A clone of the first machine is on, under its name, and the first one loses power.",
            cloned(&[Fault::Power]),
        )
        .meeting(&[Tag::TwoOfOneName, Tag::TakenByBoot])
        .in_deep(),
    ]
}
