//! The Promela twin of layer 1 against the checker: the same verdicts, the same sights, the same
//! mutants killed, the same margin. Needs Debian's `spin` and a C compiler.
//!
//! `tests/promela/l1.pml` is the twin, `docs/promela.md` what the comparison says. What each run
//! found is printed: `cargo test -p lockstep-tests --test promela -- --nocapture`.

#![expect(clippy::print_stderr, reason = "each run is told as one line")]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use lockstep_explore::configuration::{Configuration, Judgement, named};
use lockstep_explore::mutants::{Case, Declared, cases};
use lockstep_explore::search::{Options, Verdict};
use lockstep_explore::sight::{Seen, observe};
use lockstep_model::config::Kappa;
use lockstep_model::mutation::Mutant;
use lockstep_world::property::Property;
use lockstep_world::{Admin, Fault, Setup};

/// Configurations that both explore to the end, and what is seen in them.
const COMPARED: &[&str] = &[
    "undisturbed",
    "power",
    "pause-mux",
    "pause-contender",
    "crash-lrm",
    "crash-mux",
    "crash-contender",
    "isolate",
    "delay",
    "zombie-and-boot",
];

/// The same, with more states; for κ = 1 alone.
const COMPARED_LARGE: &[&str] = &[
    "zombie-and-crash",
    "zombie-and-isolation",
    "crash-and-isolation",
];

/// The rules that the twin has, too, by what breaks them.
const TWINNED: &[Mutant] = &[
    Mutant::RenewBlindly,
    Mutant::TakeEarly,
    Mutant::TakeIgnoresBeat,
    Mutant::ObserveGrantOnly,
    Mutant::AuthorityFromReply,
    Mutant::AuthorityFromLatest,
    Mutant::ReadSettles,
    Mutant::StartDespiteRelease,
    Mutant::StartDespiteDisarm,
    Mutant::RelativeFeeding,
    Mutant::MarginOfOneReset,
    Mutant::MarginWithoutTrail,
    Mutant::PingPastDeadline,
    Mutant::ClosePastDeadline,
    Mutant::VanishedForgotten,
    Mutant::AttachExtends,
    Mutant::DisarmAny,
    Mutant::KillTimerLate,
    Mutant::MarkerIgnored,
    Mutant::StartUnarmed,
    Mutant::LossStopsNothing,
    Mutant::StopAtFirstTimeout,
];

/// Whether Spin can be used. Says so where it can't, which isn't allowed where nothing may be
/// skipped.
fn spin_is_here() -> bool {
    let runs = |program: &str| {
        let output = Command::new(program).arg("--version").output();
        output.is_ok()
    };
    let here = runs("spin") && runs("cc");
    if !here {
        let message = "skipped: spin or a C compiler isn't there\n";
        assert!(env::var_os("LOCKSTEP_NO_SKIP").is_none(), "{message}");
        eprint!("{message}");
    }
    here
}

/// What Spin found.
struct Found {
    /// The property that fails, as it stands in the twin.
    violated: Option<String>,
    states: u64,
    seen: BTreeSet<Seen>,
    /// The seconds that the search itself took.
    seconds: f64,
}

/// How the twin is told what may happen: one macro for each fault that it knows.
fn macro_of(fault: Fault) -> &'static str {
    match fault {
        Fault::Power => "POWER",
        Fault::PauseLrm => "PAUSE_LRM",
        Fault::PauseMux => "PAUSE_MUX",
        Fault::PauseContender => "PAUSE_CONTENDER",
        Fault::PauseAll => "PAUSE_ALL",
        Fault::CrashLrm => "CRASH_LRM",
        Fault::CrashMux => "CRASH_MUX",
        Fault::CrashContender => "CRASH_CONTENDER",
        Fault::Isolate => "ISOLATE",
        Fault::Delay => "DELAY",
        Fault::Outage
        | Fault::AgentFails
        | Fault::AgentHangs
        | Fault::ServiceEnds
        | Fault::Drift
        | Fault::DeviceFails
        | Fault::SlowPing
        | Fault::HostStop
        | Fault::PauseCrm
        | Fault::CrashCrm
        | Fault::Suspend
        | Fault::Rollback
        | Fault::HandEdit
        | Fault::FenceFails
        | Fault::FenceLies => panic!("the twin doesn't know {fault:?}"),
    }
}

/// The property by its name in the twin. The timer's is one of the multiplexer's own invariants.
fn check_of(property: Property) -> String {
    let name = if property == Property::MachineInvariants {
        "kill-timer-stands"
    } else {
        property.name()
    };
    format!("CHECK_{}", name.replace('-', "_").to_uppercase())
}

/// A setup in the twin's terms.
fn flags(setup: &Setup) -> Vec<String> {
    let timing = setup.configs[0].timing();
    assert_eq!(
        timing.watchdog, timing.reset_max,
        "the twin's device is exact"
    );
    let kappa = match timing.kappa {
        Kappa::One => 1,
        Kappa::Three => 3,
    };
    let mut flags = vec![
        format!("KAPPA={kappa}"),
        format!("T={}", timing.lock_ttl.0),
        format!("W={}", timing.watchdog.0),
        format!("P={}", timing.ping.0),
        format!("R={}", timing.renewal.0),
        format!("TAU={}", timing.request_timeout.0),
        format!("G={}", timing.stop_budget.0),
        format!("KILL={}", timing.kill_budget.0),
        format!("DELTA={}", timing.io_trail.0),
        format!("TRIM={}", timing.trim.0),
        format!("BUDGET={}", setup.fault_budget),
        format!("FAULTS_ON_0={}", u8::from(setup.fault_hosts.contains(&0))),
        format!("FAULTS_ON_1={}", u8::from(setup.fault_hosts.contains(&1))),
    ];
    flags.extend(setup.faults.iter().map(|fault| macro_of(*fault).to_owned()));
    if setup.each_fault_once {
        flags.push("EACH_ONCE".to_owned());
    }
    if let Some(max) = setup.outage_max {
        flags.push(format!("OUTAGE_MAX={max}"));
    }
    if !setup.admin.is_empty() {
        assert_eq!(setup.admin, [Admin::Want], "the twin knows no other people");
        flags.push(format!("WANTS={}", setup.admin_budget));
    }
    flags
}

fn twin() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("promela")
}

fn run_in(folder: &Path, program: &str, arguments: &[String]) -> String {
    let output = Command::new(program)
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} doesn't run: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {text}{errors}");
    text
}

/// Has Spin explore the twin with these macros.
fn spin(flags: &[String]) -> Found {
    let folder = tempfile::tempdir().expect("a folder");
    let source = twin().join("l1.pml").display().to_string();
    let mut arguments = vec!["-a".to_owned()];
    arguments.extend(flags.iter().map(|flag| format!("-D{flag}")));
    arguments.push(source);
    let said = run_in(folder.path(), "spin", &arguments);
    assert!(!said.contains("Error"), "{said}");
    // Compiling takes longer than most searches: without optimisation it is a third.
    let include = format!("-I{}", twin().display());
    let compile = [
        "-O0",
        "-w",
        "-DSAFETY",
        "-DNOREDUCE",
        "-DMEMLIM=3000",
        &include,
    ];
    let mut compile: Vec<String> = compile.map(str::to_owned).to_vec();
    compile.extend(["-o", "pan", "pan.c"].map(str::to_owned));
    run_in(folder.path(), "cc", &compile);
    let pan = folder.path().join("pan").display().to_string();
    let said = run_in(
        folder.path(),
        &pan,
        &["-m3000000", "-w22"].map(str::to_owned),
    );
    let seen = fs::read_to_string(folder.path().join("seen")).unwrap_or_default();
    parse(&said, &seen)
}

fn parse(said: &str, seen: &str) -> Found {
    for cut in [
        "too small",
        "out of memory",
        "max. depth",
        "reached -DMEMLIM",
        "invalid end",
    ] {
        let mut lines = said.lines().filter(|line| line.contains(cut));
        let cut_short = lines.any(|line| !line.trim_start().starts_with("invalid end states\t"));
        assert!(!cut_short, "pan was cut short: {said}");
    }
    let violated = said.lines().find_map(|line| {
        let (_, text) = line.split_once("assertion violated ")?;
        Some(text.to_owned())
    });
    if let Some(text) = &violated {
        assert!(
            !text.contains("room"),
            "the twin's bounds are too small: {said}"
        );
    }
    let number = |line: &str| line.split_whitespace().next()?.parse().ok();
    let mut stored = said.lines().filter(|line| line.contains("states, stored"));
    let states = stored
        .next()
        .and_then(number)
        .expect("pan says how many states");
    let mut times = said
        .lines()
        .filter_map(|line| line.strip_prefix("pan: elapsed time "));
    let seconds = times
        .next()
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    let errors = said
        .split("errors: ")
        .nth(1)
        .and_then(number)
        .unwrap_or(1_u64);
    assert_eq!(
        errors > 0,
        violated.is_some(),
        "an error of another kind: {said}"
    );
    Found {
        violated,
        states,
        seen: seen.lines().map(sight).collect(),
        seconds: seconds.unwrap_or_default(),
    }
}

/// A line that the twin noted down.
fn sight(line: &str) -> Seen {
    let numbers = line
        .split_whitespace()
        .map(|number| number.parse().expect("a number"));
    let numbers: Vec<u8> = numbers.collect();
    numbers
        .try_into()
        .expect("one number for each thing that is seen")
}

/// Does something with each, two at a time.
fn in_parallel<T: Sync>(items: &[T], each: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            each(item);
        }
    };
    thread::scope(|scope| {
        let other = scope.spawn(work);
        work();
        if let Err(panic) = other.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn one_thread() -> Options {
    Options {
        threads: 1,
        ..Options::default()
    }
}

fn configuration(name: &str) -> Configuration {
    named(name).unwrap_or_else(|| panic!("no configuration is called {name}"))
}

/// Both explore a configuration to its end, find nothing, and see the same.
fn compare(name: &str) {
    let setup = configuration(name).setup;
    let (ours, seen) = observe(&setup, &one_thread());
    let seconds = ours.seconds;
    assert!(matches!(ours.verdict, Verdict::Exhausted), "{name}: ours");
    let mut flags = flags(&setup);
    let always = [
        Property::TakenIsDead,
        Property::WatchdogGuards,
        Property::SingleWriter,
        Property::MachineInvariants,
    ];
    flags.extend(always.map(check_of));
    flags.push("OBSERVE".to_owned());
    let found = spin(&flags);
    flags.push("REDUCE".to_owned());
    let reduced = spin(&flags);
    eprintln!(
        "{name}: ours {} states, {seconds:.2} s; twin {} states, {:.2} s; reduced {}; {} sights",
        ours.states,
        found.states,
        found.seconds,
        reduced.states,
        seen.len(),
    );
    assert_eq!(
        (found.violated, reduced.violated),
        (None, None),
        "{name}: twin"
    );
    let unseen = UNSEEN.iter().find(|(known, _)| *known == name);
    if let Some((_, count)) = unseen {
        assert!(seen.is_subset(&found.seen), "{name}: nothing of our own");
        assert_eq!(found.seen.len() - seen.len(), *count, "{name}: unseen");
        let mut setup = setup;
        setup.reduce = false;
        let (_, all) = observe(&setup, &one_thread());
        assert_eq!(
            all, found.seen,
            "{name}: what is seen without our reduction"
        );
        return;
    }
    assert_eq!(seen.len(), found.seen.len(), "{name}: as many sights");
    assert_eq!(seen, found.seen, "{name}: what is seen");
    assert_eq!(
        seen, reduced.seen,
        "{name}: what is seen of the reduced twin"
    );
    assert!(seen.len() > 1, "{name}: something is seen");
}

/// Where the twin sees more than the search, and how many sights: our reduction takes some steps of a
/// tick in one order only, and without it nothing is unseen (docs/promela.md).
const UNSEEN: &[(&str, usize)] = &[("l1/k1/isolate", 2)];

#[test]
fn both_see_the_same() {
    if !spin_is_here() {
        return;
    }
    let both = |name: &&str| [format!("l1/k1/{name}"), format!("l1/k3/{name}")];
    let large = COMPARED_LARGE.iter().map(|name| format!("l1/k1/{name}"));
    let names: Vec<String> = large.chain(COMPARED.iter().flat_map(both)).collect();
    in_parallel(&names, |name| compare(name));
}

/// A sight that nobody has is found out: the comparison isn't empty.
#[test]
fn a_difference_is_seen() {
    if !spin_is_here() {
        return;
    }
    let setup = configuration("l1/k1/crash-mux").setup;
    let (_, seen) = observe(&setup, &one_thread());
    let mut flags = flags(&setup);
    flags.extend(["OBSERVE".to_owned(), "MARGIN_WITHOUT_TRAIL".to_owned()]);
    assert_ne!(seen, spin(&flags).seen);
}

fn case_of(mutant: Mutant) -> Case {
    let mut all = cases().into_iter();
    let case = all.find(|case| case.mutant == mutant);
    case.unwrap_or_else(|| panic!("{} has no case", mutant.name()))
}

#[test]
fn the_same_mutants_are_killed() {
    if !spin_is_here() {
        return;
    }
    let killed = |mutant: &Mutant| {
        let case = case_of(*mutant);
        let found = case.configuration.explore(&one_thread(), |_| ());
        let judgement = case.configuration.judge(&found);
        assert_eq!(judgement, Judgement::AsExpected, "{}: ours", mutant.name());
        let mut flags = flags(&case.configuration.setup);
        let Declared::Always(property) = case.property else {
            panic!("{} breaks nothing that the twin checks", mutant.name());
        };
        flags.extend(["REDUCE".to_owned(), check_of(property)]);
        let kept = spin(&flags);
        flags.push(mutant.name().replace('-', "_").to_uppercase());
        let broken = spin(&flags);
        eprintln!(
            "{}: ours {} states, twin {}; {} where the rule is kept",
            mutant.name(),
            found.states,
            broken.states,
            kept.states
        );
        assert_eq!(kept.violated, None, "{}: the rule is kept", mutant.name());
        assert!(
            broken.violated.is_some(),
            "{} survives in the twin",
            mutant.name()
        );
    };
    in_parallel(TWINNED, killed);
}

/// The least margin is the same in both: at it everything holds, a tick below it doesn't.
#[test]
fn the_margin_is_the_same() {
    if !spin_is_here() {
        return;
    }
    let kappas = ["k1", "k3"];
    in_parallel(&kappas, |kappa| {
        let mut tight = configuration(&format!("l1/{kappa}/tight"));
        tight.setup.each_fault_once = true;
        let short = configuration(&format!("short/{kappa}"));
        for (holds, configuration) in [(true, &tight), (false, &short)] {
            let name = &configuration.name;
            let found = configuration.explore(&one_thread(), |_| ());
            let verdict = found.verdict.is_exhausted();
            assert_eq!(verdict, holds, "{name}: ours");
            let mut flags = flags(&configuration.setup);
            flags.extend(["REDUCE".to_owned(), check_of(Property::TakenIsDead)]);
            let twin = spin(&flags);
            eprintln!("{name}: ours {} states, twin {}", found.states, twin.states);
            assert_eq!(twin.violated.is_none(), holds, "{name}: twin");
        }
    });
}
