//! The rules, each broken once: what must fail, and where.
//!
//! A [`Case`] names a rule, the mutant that breaks it, the property that is declared to fail, and
//! the setup in which it does. The declared property is judged alone; then all are, to report
//! which fires first ([`crate::trial`]).

mod agents;
mod managers;
mod obeyed;

use lockstep_model::config::{Config, Timing};
use lockstep_model::id::Ranks;
use lockstep_model::manager::status::Requested;
use lockstep_model::mutation::{Mask, Mutant};
use lockstep_model::time::Span;
use lockstep_world::cluster::ClusterSetup;
use lockstep_world::leads::Leads;
use lockstep_world::property::Property;
use lockstep_world::setup::Order;
use lockstep_world::{Admin, Fault, Setup};

use crate::configuration::{
    Configuration, Expectation, Tier, brisk_kappa_one, brisk_kappa_three, layer1, layer2, layer3,
    orders, swift_kappa_one, with_drift,
};

/// A rule, broken.
#[derive(Clone, Debug)]
pub struct Case {
    /// What breaks it.
    pub mutant: Mutant,
    /// The part of the argument that it belongs to.
    pub rule: &'static str,
    /// What is declared to fail.
    pub property: Declared,
    /// Where: the mutant switched on, the declared property judged alone.
    pub configuration: Configuration,
}

/// What is declared to fail when a rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// A property of states and steps.
    Always(Property),
    /// A leads-to property, while all of the others hold.
    Leads(Leads),
}

impl Declared {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Always(property) => property.name(),
            Self::Leads(leads) => leads.name(),
        }
    }
}

/// Every setup with these rules broken in it.
pub(crate) fn break_rules(mut setup: Setup, mutants: Mask) -> Setup {
    for config in &mut setup.configs {
        *config = config.clone().breaking(mutants);
    }
    setup
}

/// One or more for each rule.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = locks();
    cases.extend(in_flight());
    cases.extend(who_is_who());
    cases.extend(other_numbers());
    cases.extend(multiplexer());
    cases.extend(device());
    cases.extend(free_locks());
    cases.extend(services());
    cases.extend(at_last());
    cases.extend(managers::managers());
    cases.extend(managers::promised());
    cases.extend(agents::agents());
    cases.extend(given_orders());
    cases.extend(obeyed::obeyed());
    cases
}

fn case(mutant: Mutant, rule: &'static str, property: Property, setup: Setup) -> Case {
    declared(mutant, rule, Declared::Always(property), setup)
}

/// A rule whose breach shows in what never happens, and in nothing else.
fn never(mutant: Mutant, rule: &'static str, leads: Leads, setup: Setup) -> Case {
    declared(mutant, rule, Declared::Leads(leads), setup)
}

fn declared(mutant: Mutant, rule: &'static str, property: Declared, setup: Setup) -> Case {
    let mutants = Mask::only(mutant);
    Case {
        mutant,
        rule,
        property,
        configuration: Configuration {
            name: format!("mutant/{}", mutant.name()),
            about: format!("The rule on {rule} is broken: {}.", mutant.name()),
            tier: Tier::Full,
            setup: break_rules(setup, mutants),
            mutants,
            expectation: match property {
                Declared::Always(property) => Expectation::RuleBroken(property),
                Declared::Leads(leads) => Expectation::NeverHappens(leads),
            },
            meets: Vec::new(),
            latest_reset: None,
        },
    }
}

/// Two CRMs, of which the one that was elected may lose power.
fn two_crms() -> Setup {
    let resource = ClusterSetup::resource(Requested::Started);
    let mut setup = layer3::cluster(2, 2, vec![resource]);
    setup.faults = vec![Fault::Power];
    setup.fault_budget = 1;
    setup.fault_hosts = vec![0];
    setup.warm = 12;
    setup
}

/// What must happen at last.
fn at_last() -> Vec<Case> {
    let rule = "what must happen at last";
    let k1 = brisk_kappa_one();
    vec![
        never(
            Mutant::AskedForEver,
            rule,
            Leads::WantedRuns,
            served(&[Fault::AgentFails], 1, &[Admin::Want], 2),
        ),
        never(
            Mutant::EndUnheeded,
            rule,
            Leads::WantedRuns,
            served(&[Fault::ServiceEnds], 1, &[], 0),
        ),
        never(Mutant::SlaveForEver, rule, Leads::MasterExists, two_crms()),
        never(
            Mutant::NewsUnread,
            rule,
            Leads::StopCompletes,
            served(&[], 0, &[Admin::Want], 1),
        ),
        never(
            Mutant::IdleKeepsLock,
            rule,
            Leads::IdleDisarms,
            served(&[], 0, &[Admin::Want], 1),
        ),
        never(
            Mutant::SilenceNotTimed,
            rule,
            Leads::SilentTaken,
            holder(&k1, &[Fault::Power], 1),
        ),
        never(
            Mutant::ReturnStaysUnguarded,
            rule,
            Leads::GuardedAgain,
            served(&[], 0, &[Admin::RestartLrm], 1),
        ),
        never(
            Mutant::EndStaysUnguarded,
            rule,
            Leads::LeavingEnds,
            served(&[], 0, &[Admin::RestartLrm, Admin::StopLrm], 2),
        ),
    ]
}

/// The holder of layer 1, faults on its host only.
fn holder(timing: &Timing, faults: &[Fault], budget: u8) -> Setup {
    let mut setup = layer1::holder(timing, faults, budget);
    setup.fault_hosts = vec![0];
    setup
}

fn served(faults: &[Fault], budget: u8, admin: &[Admin], admin_budget: u8) -> Setup {
    layer2::served(&brisk_kappa_one(), faults, budget, admin, admin_budget)
}

/// A change from one timing to another while the lock is held.
pub(crate) fn changing(before: &Timing, after: &Timing, faults: &[Fault], budget: u8) -> Setup {
    let mut setup = holder(before, faults, budget);
    setup.configs[1] = Config::for_checking(after.clone(), Ranks::default(), Mask::NONE);
    setup.rebase_bound = Setup::sufficient_bound(&setup.configs, false);
    setup.admin = vec![Admin::Reconfigure];
    setup.admin_budget = 1;
    setup
}

pub(crate) fn longer(timing: &Timing) -> Timing {
    Timing {
        lock_ttl: timing.lock_ttl + Span(4),
        ..timing.clone()
    }
}

/// One clock goes a tick wrong, with the margin a tick shorter: just what ρ makes up for.
fn drifting() -> Setup {
    let timing = Timing {
        trim: Span(1),
        ..with_drift(&brisk_kappa_one())
    };
    let mut setup = layer1::holder(&timing, &[Fault::PauseLrm, Fault::Drift], 2);
    setup.physics.drift_spacing = Some(timing.lock_ttl.0);
    setup
}

fn locks() -> Vec<Case> {
    let k1 = brisk_kappa_one();
    let rule = "locks";
    let shorter = changing(&longer(&k1), &k1, &[Fault::PauseLrm], 1);
    let mut take_late = layer1::holder(&k1, &[Fault::Isolate, Fault::PauseContender], 2);
    take_late.fault_hosts = vec![0, 1];
    vec![
        case(
            Mutant::RenewBlindly,
            rule,
            Property::SingleWriter,
            holder(&k1, &[Fault::PauseLrm], 1),
        ),
        case(
            Mutant::TakeEarly,
            rule,
            Property::TakenIsDead,
            holder(&k1, &[Fault::PauseLrm], 1),
        ),
        case(
            Mutant::TakeIgnoresBeat,
            rule,
            Property::TakenIsDead,
            take_late,
        ),
        case(
            Mutant::ObserveGrantOnly,
            rule,
            Property::TakenIsDead,
            holder(&k1, &[], 0),
        ),
        case(Mutant::ObserveOwnTtl, rule, Property::TakenIsDead, shorter),
        case(
            Mutant::AuthorityFromReply,
            rule,
            Property::WatchdogGuards,
            holder(&k1, &[Fault::PauseLrm], 1),
        ),
        case(
            Mutant::AuthorityFromLatest,
            rule,
            Property::WatchdogGuards,
            holder(&k1, &[Fault::Delay], 2),
        ),
        case(
            Mutant::AuthorityWithoutDrift,
            rule,
            Property::WatchdogGuards,
            holder(&with_drift(&k1), &[], 0),
        ),
        case(
            Mutant::SilenceWithoutDrift,
            rule,
            Property::TakenIsDead,
            drifting(),
        ),
    ]
}

/// An idle lock's release is under way while its service is wanted again.
pub(crate) fn zombie_release() -> Setup {
    served(&[Fault::Delay], 1, &[Admin::Want], 2)
}

fn in_flight() -> Vec<Case> {
    let rule = "requests in flight";
    vec![
        case(
            Mutant::ReadSettles,
            rule,
            Property::TakenIsDead,
            zombie_release(),
        ),
        case(
            Mutant::StartDespiteRelease,
            rule,
            Property::TakenIsDead,
            zombie_release(),
        ),
        case(
            Mutant::StartDespiteDisarm,
            rule,
            Property::WatchdogGuards,
            served(&[], 0, &[Admin::Want], 2),
        ),
        case(
            Mutant::MoveWithoutGrant,
            rule,
            Property::LocChangesUnderLock,
            {
                let mut setup = layer2::pair(&brisk_kappa_one(), &[Fault::Delay, Fault::Power], 2);
                setup.fault_hosts = vec![0, 1];
                setup
            },
        ),
        case(
            Mutant::MoveWithoutRevision,
            rule,
            Property::LocChangesUnderLock,
            moved_twice(),
        ),
    ]
}

/// A service of a dead host is moved to one of two others while an earlier move is under way.
fn moved_twice() -> Setup {
    let mut setup = layer2::pair(&brisk_kappa_one(), &[Fault::Delay, Fault::Power], 2);
    setup.admin = vec![Admin::Move];
    setup.fault_hosts = vec![0, 1];
    layer2::add_host(&mut setup);
    setup
}

fn who_is_who() -> Vec<Case> {
    let rule = "who is who";
    let k1 = brisk_kappa_one();
    let mut second = holder(&k1, &[Fault::PauseLrm], 1);
    second.admin = vec![Admin::SecondLrm];
    second.admin_budget = 1;
    vec![
        case(
            Mutant::BootTakesOver,
            rule,
            Property::TakenIsDead,
            layer1::twin(&k1, 0),
        ),
        case(
            Mutant::MachineIgnored,
            rule,
            Property::TakenIsDead,
            layer1::other_machine(&k1),
        ),
        case(Mutant::NoKernelLock, rule, Property::WatchdogGuards, second),
    ]
}

fn other_numbers() -> Vec<Case> {
    let rule = "another T or W";
    let k1 = brisk_kappa_one();
    let shorter = |faults: &[Fault], budget| changing(&longer(&k1), &k1, faults, budget);
    let (wider, narrow) = layer1::wider_and_narrow(&k1);
    vec![
        case(
            Mutant::ShorterTtlAtOnce,
            rule,
            Property::TakenIsDead,
            shorter(&[Fault::PauseLrm], 1),
        ),
        case(
            Mutant::ShorterTtlUncapped,
            rule,
            Property::WatchdogGuards,
            shorter(&[Fault::PauseLrm], 1),
        ),
        case(
            Mutant::TakeoverShortens,
            rule,
            Property::WatchdogGuards,
            shorter(&[Fault::CrashLrm], 1),
        ),
        case(
            Mutant::ResetTimeAtOnce,
            rule,
            Property::WatchdogGuards,
            changing(&wider, &narrow, &[Fault::PauseMux], 1),
        ),
    ]
}

fn multiplexer() -> Vec<Case> {
    let rule = "authority and multiplexer";
    let (k1, k3) = (brisk_kappa_one(), brisk_kappa_three());
    let dead = Property::TakenIsDead;
    let guards = Property::WatchdogGuards;
    let pause = [Fault::PauseLrm];
    let shorter = changing(&longer(&k1), &k1, &[Fault::CrashLrm], 1);
    vec![
        case(Mutant::RelativeFeeding, rule, dead, relative_feeding()),
        case(Mutant::MarginOfOneReset, rule, dead, slow_device()),
        case(
            Mutant::MarginWithoutTrail,
            rule,
            dead,
            holder(&k1, &pause, 1),
        ),
        case(
            Mutant::MarginWithoutHostStop,
            rule,
            dead,
            layer1::host_stop_setup(&k1),
        ),
        case(Mutant::PingPastDeadline, rule, dead, holder(&k3, &pause, 1)),
        case(
            Mutant::ClosePastDeadline,
            rule,
            dead,
            holder(&k3, &pause, 1),
        ),
        case(
            Mutant::VanishedForgotten,
            rule,
            guards,
            holder(&k1, &[Fault::CrashLrm], 1),
        ),
        case(
            Mutant::AttachExtends,
            rule,
            guards,
            holder(&k1, &[Fault::CrashLrm, Fault::Isolate], 2),
        ),
        case(
            Mutant::DisarmAny,
            rule,
            guards,
            served(&[Fault::CrashLrm], 1, &[Admin::Want], 2),
        ),
        case(Mutant::OlderExtends, rule, guards, shorter),
    ]
}

/// The device, the timer that stands in for it, and how the multiplexer ends.
fn device() -> Vec<Case> {
    let rule = "authority and multiplexer";
    let k1 = brisk_kappa_one();
    let guards = Property::WatchdogGuards;
    let (wider, narrow) = layer1::wider_and_narrow(&k1);
    let mut broken_device = holder(&k1, &[Fault::DeviceFails, Fault::Isolate], 2);
    broken_device.never_resets = true;
    let mut terminated = holder(&k1, &[], 0);
    terminated.admin = vec![Admin::TerminateMux];
    terminated.admin_budget = 1;
    vec![
        case(
            Mutant::KillTimerLate,
            rule,
            Property::MachineInvariants,
            holder(&k1, &[], 0),
        ),
        case(
            Mutant::TimerNotCompared,
            rule,
            guards,
            changing(&narrow, &wider, &[Fault::PauseMux], 1),
        ),
        case(
            Mutant::RefusedLeftOpen,
            rule,
            Property::NoNeedlessReset,
            broken_device,
        ),
        case(Mutant::TerminateArmed, rule, guards, terminated),
        case(
            Mutant::MarkerIgnored,
            rule,
            Property::TakenIsDead,
            holder(&k1, &[Fault::PauseLrm, Fault::CrashMux], 2),
        ),
    ]
}

/// The reference's 120 s, 60 s and 10 s in ticks of 5 s; its LRM renews and feeds every 10 s. It is
/// stopped between renewing and feeding, and again right after.
fn relative_feeding() -> Setup {
    let timing = Timing {
        lock_ttl: Span(24),
        io_trail: Span(0),
        ..brisk_kappa_three()
    };
    holder(&timing, &[Fault::PauseLrm], 2)
}

/// A device slow enough that a late ping alone is too much for a margin of one reset.
fn slow_device() -> Setup {
    let timing = Timing {
        watchdog: Span(4),
        reset_max: Span(4),
        io_trail: Span(0),
        ..brisk_kappa_three()
    };
    holder(&timing, &[Fault::PauseLrm, Fault::PauseMux], 2)
}

fn free_locks() -> Vec<Case> {
    let rule = "a free lock proves nothing";
    let restart = |faults: &[Fault], budget| served(faults, budget, &[Admin::RestartLrm], 1);
    let (dead, authority) = (Property::TakenIsDead, Property::RunNeedsAuthority);
    let (guards, recovered) = (Property::WatchdogGuards, Property::UnguardedNeverRecovered);
    let crash = [Fault::CrashLrm];
    let mut moving = layer2::pair(&brisk_kappa_one(), &crash, 1);
    moving.admin.push(Admin::RestartLrm);
    moving.admin_budget = 1;
    vec![
        case(Mutant::FrozenIsDead, rule, dead, restart(&[], 0)),
        case(Mutant::UnguardedIsDead, rule, recovered, restart(&crash, 1)),
        case(
            Mutant::DisarmBeforeRelease,
            rule,
            guards,
            restart(&[Fault::Delay], 1),
        ),
        case(
            Mutant::ReleaseForgetsRunning,
            rule,
            authority,
            restart(&[], 0),
        ),
        case(Mutant::ReturnGuarded, rule, dead, restart(&crash, 1)),
        case(Mutant::ReturnForgetsList, rule, authority, restart(&[], 0)),
        case(
            Mutant::GuardingIgnored,
            rule,
            guards,
            restart(&[Fault::Delay, Fault::Isolate], 2),
        ),
        case(
            Mutant::PredecessorTrusted,
            rule,
            guards,
            restart(&[Fault::Delay, Fault::CrashLrm], 2),
        ),
        case(
            Mutant::FrozenTouched,
            rule,
            Property::FrozenUntouched,
            restart(&[], 0),
        ),
        case(Mutant::AdoptUnarmed, rule, guards, restart(&[], 0)),
        case(Mutant::MoveUnguarded, rule, recovered, moving),
    ]
}

fn services() -> Vec<Case> {
    let rule = "starting, stopping, releasing";
    let k1 = brisk_kappa_one();
    let guards = Property::WatchdogGuards;
    let authority = Property::RunNeedsAuthority;
    let want = |faults: &[Fault], budget| served(faults, budget, &[Admin::Want], 1);
    let mut cut = layer1::holder(&k1, &[Fault::Isolate], 1);
    cut.never_resets = true;
    let mut short = cut.clone();
    short.outage_max = Some(k1.outage.0);
    vec![
        case(Mutant::StartUnarmed, rule, guards, holder(&k1, &[], 0)),
        case(
            Mutant::StaleView,
            rule,
            Property::StartAfterGrantRead,
            layer2::pair(&k1, &[Fault::Isolate], 1),
        ),
        case(
            Mutant::WorkersNotReaped,
            rule,
            Property::AtMostOnce,
            served(&[Fault::CrashLrm], 1, &[], 0),
        ),
        case(
            Mutant::AnyWorkerAnswers,
            rule,
            Property::AtMostOnce,
            served(&[Fault::CrashLrm], 1, &[Admin::Want], 2),
        ),
        case(
            Mutant::NoIntent,
            rule,
            Property::AtMostOnce,
            served(&[], 0, &[], 0),
        ),
        case(
            Mutant::FailedStopIsStopped,
            rule,
            authority,
            want(&[Fault::AgentFails], 1),
        ),
        case(
            Mutant::ReleaseDespiteWorker,
            rule,
            authority,
            want(&[Fault::AgentHangs], 1),
        ),
        case(
            Mutant::DisarmRunning,
            rule,
            guards,
            // A stop that takes its time: one that is over at once leaves nothing to guard.
            served(&[Fault::Isolate, Fault::AgentHangs], 1, &[], 0),
        ),
        case(
            Mutant::LossStopsNothing,
            rule,
            Property::NoNeedlessReset,
            cut,
        ),
        case(
            Mutant::StopAtFirstTimeout,
            rule,
            Property::OutageTolerated,
            short,
        ),
    ]
}

fn given_orders() -> Vec<Case> {
    let rule = "orders and moves";
    let timing = swift_kappa_one();
    let one = |given: &[Order], faults: &[Fault]| orders::in_turn(&timing, given, faults);
    let returns = [Order::Ignore, Order::Start];
    let cold = [orders::COLD];
    let live = [orders::LIVE];
    let mut stolen = orders::contended(one(&cold, &[Fault::Delay, Fault::Power]));
    stolen.fault_budget = 2;
    stolen.each_fault_once = true;
    stolen.orders_at_rest = true;
    let back = [orders::LIVE, Order::Start, orders::COLD, Order::Start];
    let dead = Property::RunNeedsAuthority;
    vec![
        case(
            Mutant::AdoptReleased,
            rule,
            dead,
            orders::contended(one(&returns, &[Fault::PauseLrm])),
        ),
        case(
            Mutant::ReportUnarmed,
            rule,
            Property::WatchdogGuards,
            one(&returns, &[]),
        ),
        case(
            Mutant::AnsweredUnguarded,
            rule,
            dead,
            one(&[Order::Ignore, orders::BEFORE_START], &[]),
        ),
        case(
            Mutant::ResumeEarly,
            rule,
            Property::SingleInstance,
            one(&live, &[]),
        ),
        case(
            Mutant::StaleResumed,
            rule,
            Property::ResumesLatest,
            orders::at_rest(one(&back, &[Fault::Delay])),
        ),
        case(
            Mutant::TargetNotAsked,
            rule,
            Property::TargetHoldsLock,
            one(&live, &[]),
        ),
        case(
            Mutant::LeaveWithoutGrant,
            rule,
            Property::LocChangesUnderLock,
            stolen,
        ),
        case(
            Mutant::LeaveWithoutRevision,
            rule,
            Property::SingleInstance,
            one(&[orders::LIVE, Order::Start], &[Fault::Delay]),
        ),
    ]
}
