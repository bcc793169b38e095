//! All mutants, each against what reaches it.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::baseline::{self, Baseline};
use crate::copy::Built;
use crate::job::{Allowance, Fate, Job};
use crate::places::Mutant;
use crate::pool::{Worker, run_tests};
use crate::watch::Watch;
use crate::worker::Request;

/// What is run, and with what.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The workspace, from which cases are read.
    pub root: PathBuf,
    /// Where the copy and what is known so far lie.
    pub work: PathBuf,
    /// Only mutants that one of these [`means`]; all if there are none.
    pub only: Vec<String>,
    /// How many run at a time.
    pub jobs: usize,
    /// Only mutants whose number is a multiple of this.
    pub sample: u32,
    /// Searches that meet more states without a mutant are left out.
    pub largest: Option<u64>,
    /// The most time for one mutant in one search.
    pub limit: Duration,
    /// Directories of cases, from the workspace's root.
    pub cases: Vec<PathBuf>,
    /// The last line that is run.
    pub last: Line,
    /// Whether to go on with what an earlier run left.
    pub resume: bool,
}

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A search ended otherwise than it must.
    Killed {
        /// Which.
        job: Job,
        /// The property that failed first, or what else was wrong.
        by: String,
        /// How many steps lead to it, if steps do.
        steps: Option<usize>,
    },
    /// No search was enough, but a case or a test failed.
    Tested {
        /// Which.
        by: String,
    },
    /// Everything is as without it.
    Survives {
        /// Whether any search met other states or steps with it: if not, it is hardly a difference.
        differs: bool,
        /// The searches that weren't done when they had had what they were allowed.
        outgrown: Vec<Job>,
        /// The searches in which it would matter that were left out for their size.
        left_out: Vec<Job>,
    },
    /// No search reaches its place.
    Unreached,
    /// Searches reach its place, but never where it would make a difference.
    Indifferent,
}

/// What a mutant has to get past, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// Exhaustive searches.
    Searches,
    /// Simulated cases.
    Cases,
    /// The model's own tests.
    Tests,
}

/// A mutant, and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Its number.
    pub id: u32,
    /// What is broken.
    pub mutant: Mutant,
    /// What became of it.
    pub verdict: Verdict,
    /// How long that took.
    pub seconds: f64,
    /// How far it has come: what follows upon the searches is for those that they let pass.
    pub past: Line,
}

/// How far a campaign has come.
#[derive(Clone, Debug)]
pub struct Progress {
    /// In words: what is being done.
    pub stage: &'static str,
    /// How much of it is done.
    pub done: usize,
    /// How much there is.
    pub all: usize,
    /// What was done last.
    pub last: String,
}

/// What a campaign found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Each mutant asked for, in their order.
    pub outcomes: Vec<Outcome>,
    /// The searches as they are without a mutant, cheapest first.
    pub baseline: Vec<Baseline>,
}

/// How many times as many states as without a mutant a search may meet. What is broken is mostly
/// found among fewer; a mutant that only remembers more goes on for long.
const GROWTH_MAX: u64 = 3;

/// The states that any search may meet.
const STATES_MIN: u64 = 30_000;

/// A search that meets more than so many times as many states counts as one that doesn't close: no
/// tier would have the time or the memory for all of them.
const GROWTH_ENDLESS: u64 = 20;

/// Runs a campaign: all searches, then what isn't exhaustive for those that no search catches.
///
/// # Errors
///
/// A worker can't be started, the tests can't be built, or what is known can't be read or written.
///
/// # Panics
///
/// If a search doesn't come out as it must without a mutant: then nothing can be said.
pub fn run(plan: &Plan, built: &Built, progress: &(dyn Fn(&Progress) + Sync)) -> io::Result<Found> {
    fs::create_dir_all(&plan.work)?;
    let mut ledger = Ledger::open(plan, built.digest)?;
    let baseline = baseline::of(plan, built, progress)?;
    let chosen: Vec<u32> = (1..)
        .zip(&built.instrumented.mutants)
        .filter(|(id, mutant)| is_chosen(plan, *id, mutant))
        .map(|(id, _)| id)
        .collect();
    ledger.outcomes.retain(|id, _| chosen.contains(id));
    let stage = Stage {
        plan,
        built,
        progress,
        ledger: Mutex::new(ledger),
    };
    let searched = |id: &u32| {
        let ledger = lock(&stage.ledger);
        let known = ledger.outcomes.get(id);
        known.is_some_and(|known| !is_left_open(plan, &baseline, known))
    };
    let waiting: Vec<u32> = chosen.iter().filter(|id| !searched(id)).copied().collect();
    stage.all("searches", waiting, &|worker, id| {
        let before = lock(&stage.ledger).outcomes.get(&id).cloned();
        judge(plan, built, &baseline, worker, (id, before))
    })?;
    if plan.last >= Line::Cases {
        stage.all("cases", stage.alive(Line::Cases), &|worker, id| {
            simulate(plan, worker, stage.outcome(id)?)
        })?;
    }
    let alive = stage.alive(Line::Tests);
    if plan.last >= Line::Tests && !alive.is_empty() {
        let programs = built.tests(plan.jobs).map_err(io::Error::other)?;
        stage.all("tests", alive, &|_, id| {
            test(plan, &programs, stage.outcome(id)?)
        })?;
    }
    let ledger = stage.ledger.into_inner();
    let ledger = ledger.unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(Found {
        outcomes: ledger.outcomes.into_values().collect(),
        baseline,
    })
}

/// What the parts of a campaign share.
struct Stage<'a> {
    plan: &'a Plan,
    built: &'a Built,
    progress: &'a (dyn Fn(&Progress) + Sync),
    ledger: Mutex<Ledger>,
}

impl Stage<'_> {
    /// The mutants that are alive and haven't got past this line yet.
    fn alive(&self, line: Line) -> Vec<u32> {
        let ledger = lock(&self.ledger);
        let all = ledger.outcomes.values();
        let alive = all.filter(|one| one.verdict.is_alive() && one.past < line);
        alive.map(|one| one.id).collect()
    }

    /// What is known of a mutant.
    fn outcome(&self, id: u32) -> io::Result<Outcome> {
        let known = lock(&self.ledger).outcomes.get(&id).cloned();
        known.ok_or_else(|| io::Error::other("a mutant was lost"))
    }

    /// Does something about each of these mutants, and notes what came of it.
    fn all(
        &self,
        stage: &'static str,
        ids: Vec<u32>,
        act: &(impl Fn(&mut Worker, u32) -> io::Result<Outcome> + Sync),
    ) -> io::Result<()> {
        let all = ids.len();
        let waiting: Mutex<VecDeque<u32>> = Mutex::new(ids.into());
        let one = |worker: &mut Worker, id: u32| -> io::Result<()> {
            let outcome = act(worker, id)?;
            let mutant = &outcome.mutant;
            let now = Progress {
                stage,
                done: all - lock(&waiting).len(),
                all,
                last: format!("{}:{} {}", mutant.file, mutant.line, outcome.verdict.name()),
            };
            lock(&self.ledger).note(outcome)?;
            (self.progress)(&now);
            Ok(())
        };
        let next = || lock(&waiting).pop_front();
        in_parallel(self.plan, self.built, next, &one)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Hands what is next to as many workers as may be, until there is nothing or one fails.
pub(crate) fn in_parallel<T: Send>(
    plan: &Plan,
    built: &Built,
    next: impl Fn() -> Option<T> + Sync,
    act: &(impl Fn(&mut Worker, T) -> io::Result<()> + Sync),
) -> io::Result<()> {
    thread::scope(|scope| {
        let work = || {
            let mut worker = Worker::new(&built.runner, &plan.root);
            while let Some(one) = next() {
                act(&mut worker, one)?;
            }
            Ok(())
        };
        let threads: Vec<_> = (0..plan.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            let ended = thread.join();
            ended.unwrap_or_else(|_| Err(io::Error::other("a campaign's thread panicked")))
        })
    })
}

/// Whether a mutant is one of those that a plan is about.
#[must_use]
pub fn is_chosen(plan: &Plan, id: u32, mutant: &Mutant) -> bool {
    let mut only = plan.only.iter();
    let wanted = plan.only.is_empty() || only.any(|wanted| means(wanted, id, mutant));
    wanted && id.is_multiple_of(plan.sample)
}

/// Whether a mutant is one of those that somebody asked for: by its number (`#17`), its function,
/// or a part of its file's name.
#[must_use]
pub fn means(wanted: &str, id: u32, mutant: &Mutant) -> bool {
    match wanted.strip_prefix('#') {
        Some(number) => number == id.to_string(),
        None => mutant.function == wanted || mutant.file.contains(wanted),
    }
}

/// Whether a search isn't left out for its size.
fn is_small(plan: &Plan, one: &Baseline) -> bool {
    plan.largest.is_none_or(|largest| one.size.0 <= largest)
}

/// Whether searches were left out that now are not.
fn is_left_open(plan: &Plan, baseline: &[Baseline], outcome: &Outcome) -> bool {
    match &outcome.verdict {
        Verdict::Survives { left_out, .. } => baseline
            .iter()
            .any(|one| left_out.contains(&one.job) && is_small(plan, one)),
        Verdict::Killed { .. }
        | Verdict::Tested { .. }
        | Verdict::Unreached
        | Verdict::Indifferent => false,
    }
}

/// What is known of a mutant that has been through before: whether it met other states, where it
/// outgrew its limits, and what is left; `None` for all.
fn so_far(before: Option<Outcome>) -> (bool, Vec<Job>, Option<Vec<Job>>) {
    match before.map(|before| before.verdict) {
        Some(Verdict::Survives {
            differs,
            outgrown,
            left_out,
        }) => (differs, outgrown, Some(left_out)),
        Some(
            Verdict::Killed { .. }
            | Verdict::Tested { .. }
            | Verdict::Unreached
            | Verdict::Indifferent,
        )
        | None => (false, Vec::new(), None),
    }
}

/// Has a mutant run the gauntlet, cheapest first, until something catches it. One that has been
/// through before runs what was left out then.
fn judge(
    plan: &Plan,
    built: &Built,
    baseline: &[Baseline],
    worker: &mut Worker,
    (id, before): (u32, Option<Outcome>),
) -> io::Result<Outcome> {
    let watch = Watch::start();
    let (mut differs, mut outgrown, open) = so_far(before);
    let mut left_out = Vec::new();
    let is_open = |job: &Job| open.as_ref().is_none_or(|open| open.contains(job));
    let ended = |verdict| Outcome {
        id,
        mutant: built.instrumented.mutants[id as usize - 1].clone(),
        verdict,
        seconds: watch.seconds(),
        past: Line::Searches,
    };
    let matter = baseline.iter().filter(|one| one.matter.contains(&id));
    for one in matter.filter(|one| is_open(&one.job)) {
        if !is_small(plan, one) {
            left_out.push(one.job.clone());
            continue;
        }
        let states = STATES_MIN.max(one.size.0 * GROWTH_MAX);
        let allowed = one.seconds.mul_add(50.0, 10.0);
        let answer = worker.ask(&Request {
            mutant: id,
            job: one.job.clone(),
            allowance: Allowance {
                states: Some(states),
                seconds: allowed.min(plan.limit.as_secs_f64()),
            },
            mutants: 0,
        })?;
        differs |= answer.result.size != one.size;
        match answer.result.fate {
            Fate::AsExpected => {}
            Fate::Caught { by, steps } => {
                let job = one.job.clone();
                return Ok(ended(Verdict::Killed { job, by, steps }));
            }
            Fate::Outgrown if answer.result.size.0 > one.size.0 * GROWTH_ENDLESS => {
                return Ok(ended(Verdict::Killed {
                    job: one.job.clone(),
                    by: format!("doesn't close: {GROWTH_ENDLESS} times the states"),
                    steps: None,
                }));
            }
            Fate::Outgrown => outgrown.push(one.job.clone()),
        }
    }
    let any = |of: fn(&Baseline) -> &[u32]| baseline.iter().any(|one| of(one).contains(&id));
    Ok(ended(if any(|one| &one.matter) {
        Verdict::Survives {
            differs,
            outgrown,
            left_out,
        }
    } else if any(|one| &one.reached) {
        Verdict::Indifferent
    } else {
        Verdict::Unreached
    }))
}

/// Has cases simulated.
fn simulate(plan: &Plan, worker: &mut Worker, before: Outcome) -> io::Result<Outcome> {
    let watch = Watch::start();
    let mut verdict = before.verdict;
    for folder in &plan.cases {
        let job = Job::Cases(folder.clone());
        let answer = worker.ask(&Request {
            mutant: before.id,
            job: job.clone(),
            allowance: Allowance {
                states: None,
                seconds: plan.limit.as_secs_f64(),
            },
            mutants: 0,
        })?;
        if let Fate::Caught { by, .. } = answer.result.fate {
            let by = format!("{job}: {by}");
            verdict = Verdict::Tested { by };
            break;
        }
    }
    Ok(Outcome {
        verdict,
        seconds: before.seconds + watch.seconds(),
        past: Line::Cases,
        ..before
    })
}

/// Runs the model's own tests.
fn test(plan: &Plan, programs: &[PathBuf], before: Outcome) -> io::Result<Outcome> {
    let watch = Watch::start();
    let mut verdict = before.verdict;
    for program in programs {
        if let Some(test) = run_tests(program, &plan.root, before.id, plan.limit)? {
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            let name = name.rsplit_once('-').map_or(&*name, |(name, _)| name);
            let by = format!("{name}: {test}");
            verdict = Verdict::Tested { by };
            break;
        }
    }
    Ok(Outcome {
        verdict,
        seconds: before.seconds + watch.seconds(),
        past: Line::Tests,
        ..before
    })
}

/// What became of the mutants so far, in memory and in a file.
struct Ledger {
    outcomes: BTreeMap<u32, Outcome>,
    file: File,
}

impl Ledger {
    fn note(&mut self, outcome: Outcome) -> io::Result<()> {
        writeln!(self.file, "{}", serde_json::to_string(&outcome)?)?;
        self.outcomes.insert(outcome.id, outcome);
        Ok(())
    }
}

/// The first line of a file: what else is in it belongs to these sources.
#[derive(Serialize, Deserialize)]
struct Heading {
    digest: String,
}

impl Ledger {
    /// Reads what is known, unless it belongs to other sources or isn't to count.
    fn open(plan: &Plan, digest: u128) -> io::Result<Self> {
        let path = plan.work.join("outcomes.jsonl");
        let mut outcomes = BTreeMap::new();
        if plan.resume {
            for line in lines_of(&path, digest)? {
                // The last line may be torn.
                if let Ok(outcome) = serde_json::from_str::<Outcome>(&line) {
                    outcomes.insert(outcome.id, outcome);
                }
            }
        }
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .open(&path)?;
        writeln!(file, "{}", heading(digest)?)?;
        for outcome in outcomes.values() {
            writeln!(file, "{}", serde_json::to_string(outcome)?)?;
        }
        Ok(Self { outcomes, file })
    }
}

pub(crate) fn heading(digest: u128) -> io::Result<String> {
    let digest = format!("{digest:032x}");
    Ok(serde_json::to_string(&Heading { digest })?)
}

/// The lines of a file after its heading; none if it is missing or belongs to other sources.
pub(crate) fn lines_of(path: &Path, digest: u128) -> io::Result<Vec<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut lines = BufReader::new(file).lines();
    match lines.next().transpose()? {
        Some(first) if first == heading(digest)? => lines.collect(),
        Some(_) | None => Ok(Vec::new()),
    }
}
