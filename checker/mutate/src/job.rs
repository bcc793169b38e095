//! What a mutant has to get past.

use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use lockstep_explore::cluster::Cluster;
use lockstep_explore::configuration::{
    Configuration, ENDLESS, Expectation, Judgement, Tier, all, named,
};
use lockstep_explore::search::{Endless, Limits, Options, Verdict, endless};
use lockstep_model::config::Profile;
use lockstep_sim::case::Case;
use lockstep_sim::{Ended, run_watched};
use lockstep_world::Action;
use serde::{Deserialize, Serialize};

use crate::watch::Watch;

/// One thing that is run with a mutant switched on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Job {
    /// A configuration of the quick tier must come out as it does.
    Check(String),
    /// No run of this configuration may go on for ever without time passing.
    Endless(String),
    /// The cases of this directory must give the logs that are expected, and under our own profiles
    /// every property.
    Cases(PathBuf),
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check(name) => f.write_str(name),
            Self::Endless(name) => write!(f, "endless runs of {name}"),
            Self::Cases(folder) => write!(f, "cases of {}", folder.display()),
        }
    }
}

/// What a job may use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Allowance {
    /// Unique states.
    pub states: Option<u64>,
    /// Time.
    pub seconds: f64,
}

/// The most memory that one search may take.
const BYTES_MAX: u64 = 2 << 30;

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Result {
    /// How it ended.
    pub fate: Fate,
    /// Unique states, and steps; 0 where there are none.
    pub size: (u64, u64),
    /// How long it took.
    pub seconds: f64,
}

/// Whether what must come out came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// As it must.
    AsExpected,
    /// Something else: the property that fails, or what else is wrong, and the steps to it.
    Caught {
        /// What fails, in a few words.
        by: String,
        /// How many steps lead to it, if steps do.
        steps: Option<usize>,
    },
    /// What was allowed wasn't enough.
    Outgrown,
}

impl Fate {
    fn caught(by: impl Into<String>) -> Self {
        Self::Caught {
            by: by.into(),
            steps: None,
        }
    }
}

/// The checker's own: the quick tier, and what the tests look for in it.
#[must_use]
pub fn exhaustive() -> Vec<Job> {
    // Where something must fail, a mutant may well leave it failing for another reason.
    let holds = |one: &Configuration| one.expectation == Expectation::Holds;
    let quick = all()
        .into_iter()
        .filter(|one| one.tier == Tier::Quick && holds(one));
    let checks = quick.map(|one| Job::Check(one.name));
    let endless = ENDLESS.iter().map(|name| Job::Endless((*name).to_owned()));
    checks.chain(endless).collect()
}

impl Job {
    /// Runs it with whatever is switched on now.
    #[must_use]
    pub fn run(&self, root: &Path, allowance: &Allowance) -> Result {
        let watch = Watch::start();
        let (fate, size) = match self {
            Self::Check(name) => match named(name) {
                Some(configuration) => check(&configuration, allowance),
                None => (Fate::caught("no such configuration"), (0, 0)),
            },
            Self::Endless(name) => match named(name) {
                Some(configuration) => look_for_endless(configuration, allowance),
                None => (Fate::caught("no such configuration"), (0, 0)),
            },
            Self::Cases(folder) => (cases(&root.join(folder)), (0, 0)),
        };
        Result {
            fate,
            size,
            seconds: watch.seconds(),
        }
    }
}

fn limits(allowance: &Allowance) -> Limits {
    Limits {
        time: Some(std::time::Duration::from_secs_f64(allowance.seconds)),
        bytes: Some(BYTES_MAX),
        states: allowance.states,
    }
}

fn check(configuration: &Configuration, allowance: &Allowance) -> (Fate, (u64, u64)) {
    let options = Options {
        threads: 1,
        limits: limits(allowance),
        ..Options::default()
    };
    let found = configuration.explore(&options, |_| ());
    let size = (found.states, found.transitions);
    let steps = match &found.verdict {
        Verdict::Violated { trace, .. } => Some(trace.len()),
        Verdict::Exhausted
        | Verdict::Truncated(_)
        | Verdict::Panicked { .. }
        | Verdict::Unrepeatable { .. } => None,
    };
    let by = match configuration.judge(&found) {
        Judgement::AsExpected => return (Fate::AsExpected, size),
        Judgement::Truncated => return (Fate::Outgrown, size),
        Judgement::Violated(name) => name.to_owned(),
        Judgement::NotViolated(name) => format!("no longer breaks {name}"),
        Judgement::NotMet(tags) => format!("never meets {}", tags.join(", ")),
        Judgement::OtherLatestReset(got, expected) => {
            format!("latest reset {got:?}, expected {expected}")
        }
        Judgement::PromiseBroken(promise) => format!("never keeps {promise}"),
        Judgement::NeverOpen(promises) => format!("never promises {}", promises.join(", ")),
        Judgement::OtherLongest(promise, got, expected) => {
            format!("{promise} for {got:?}, expected {expected}")
        }
        Judgement::DeadEnd => "dead end".to_owned(),
        Judgement::Failed(message) => format!("panics: {message}"),
    };
    (Fate::Caught { by, steps }, size)
}

fn look_for_endless(configuration: Configuration, allowance: &Allowance) -> (Fate, (u64, u64)) {
    debug_assert_expected(&configuration);
    let model = Cluster::new(configuration.setup);
    match endless(&model, Action::is_time, &limits(allowance)) {
        Endless::Free { states, steps } => (Fate::AsExpected, (states, steps)),
        Endless::Found(lasso) => {
            let fate = Fate::Caught {
                by: "time-can-pass".into(),
                steps: Some(lasso.prefix.len() + lasso.cycle.len()),
            };
            (fate, (0, 0))
        }
        Endless::Truncated(_) => (Fate::Outgrown, (0, 0)),
        Endless::Panicked { message, .. } => (Fate::caught(format!("panics: {message}")), (0, 0)),
        Endless::Unrepeatable { message } => {
            (Fate::caught(format!("unrepeatable: {message}")), (0, 0))
        }
    }
}

fn debug_assert_expected(configuration: &Configuration) {
    let holds = configuration.expectation == Expectation::Holds;
    assert!(holds, "endless runs are looked for where all holds");
}

/// The first case below a folder that doesn't give what is expected.
fn cases(folder: &Path) -> Fate {
    let mut found = Vec::new();
    find_cases(folder, &mut found);
    if found.is_empty() {
        return Fate::caught(format!("no cases in {}", folder.display()));
    }
    found.sort();
    for path in &found {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for profile in Profile::ALL {
            if let Some(wrong) = judge_case(path, profile) {
                return Fate::caught(format!("{name}, {profile}: {wrong}"));
            }
        }
    }
    Fate::AsExpected
}

fn find_cases(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.join("cmdlist").is_file() {
            found.push(path);
        } else if path.is_dir() {
            find_cases(&path, found);
        }
    }
}

/// The most lines of a log: a mutant may say the same for ever.
const LINES_MAX: usize = 100_000;

fn judge_case(path: &Path, profile: Profile) -> Option<String> {
    let case = match Case::read(path) {
        Ok(case) => case,
        Err(error) => return Some(error.to_string()),
    };
    let options = lockstep_sim::Options {
        profile,
        until_seconds: None,
    };
    let mut log = String::new();
    let mut count = 0;
    let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run_watched(&case, &options, &mut |lines| {
            log.extend(lines.iter().map(|line| format!("{line}\n")));
            count += lines.len();
            match count > LINES_MAX {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    }));
    let Ok(outcome) = run else {
        return Some("panics".into());
    };
    let is_own = profile != Profile::Pve;
    if outcome.ended == Ended::Stopped {
        return Some("doesn't end".into());
    }
    if let Some(report) = outcome.reports.first().filter(|_| is_own) {
        return Some(format!("{report:?}"));
    }
    let expectation = match is_own {
        true => format!("log.{}.expect", profile.name()),
        false => "log.expect".to_owned(),
    };
    let expected = fs::read_to_string(path.join(expectation)).ok()?;
    (expected != log).then(|| "another log".into())
}
