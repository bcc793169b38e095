//! The searches with every switch off: what each reaches, and that it is the same as without any.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::campaign::{Plan, Progress, heading, in_parallel, lines_of, lock};
use crate::copy::Built;
use crate::job::{Allowance, Fate, Job, exhaustive};
use crate::pool::Worker;
use crate::worker::Request;

/// A job as it is without a mutant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Baseline {
    /// Which.
    pub job: Job,
    /// Unique states and steps.
    pub size: (u64, u64),
    /// How long it takes.
    pub seconds: f64,
    /// The mutants whose places it reaches,
    pub reached: Vec<u32>,
    /// and those that make a difference where they are reached: all others would behave the same.
    pub matter: Vec<u32>,
}

/// Larger spaces aren't searched once more without switches: they hold no other code.
const COMPARED_MAX: u64 = 50_000;

/// What any search without a mutant may take.
const UNLIMITED: Allowance = Allowance {
    states: None,
    seconds: 3_600.0,
};

/// The searches without a mutant, the smallest first: as an earlier run noted them, or run now.
pub(crate) fn of(
    plan: &Plan,
    built: &Built,
    progress: &(dyn Fn(&Progress) + Sync),
) -> io::Result<Vec<Baseline>> {
    let path = plan.work.join("baseline.jsonl");
    let known = lines_of(&path, built.digest)?;
    let known = known
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok());
    let known: Vec<Baseline> = known.collect();
    let jobs = exhaustive();
    let is_known = |job: &Job| known.iter().any(|one| one.job == *job);
    let missing: VecDeque<Job> = jobs.into_iter().filter(|job| !is_known(job)).collect();
    // Written anew: the last line may be torn.
    let mut file = File::create(&path)?;
    writeln!(file, "{}", heading(built.digest)?)?;
    for one in &known {
        writeln!(file, "{}", serde_json::to_string(one)?)?;
    }
    let all = missing.len();
    let waiting = Mutex::new(missing);
    let recorded = Mutex::new((known, &mut file));
    let one = |worker: &mut Worker, job: Job| -> io::Result<()> {
        let last = job.to_string();
        let one = record(plan, built, worker, job)?;
        let (recorded, file) = &mut *lock(&recorded);
        writeln!(file, "{}", serde_json::to_string(&one)?)?;
        recorded.push(one);
        progress(&Progress {
            stage: "without a mutant",
            done: all - lock(&waiting).len(),
            all,
            last,
        });
        Ok(())
    };
    in_parallel(plan, built, || lock(&waiting).pop_front(), &one)?;
    let (mut baseline, _) = recorded
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    baseline.sort_by_key(|one| one.size);
    Ok(baseline)
}

/// Runs one search without a mutant, and notes what it reaches.
fn record(plan: &Plan, built: &Built, worker: &mut Worker, job: Job) -> io::Result<Baseline> {
    let mutants = u32::try_from(built.instrumented.mutants.len()).map_err(io::Error::other)?;
    let answer = worker.ask(&Request {
        mutant: 0,
        job: job.clone(),
        allowance: UNLIMITED,
        mutants,
    })?;
    let result = answer.result;
    assert_eq!(result.fate, Fate::AsExpected, "{job}: without any mutant");
    if result.size.0 <= COMPARED_MAX {
        // This process has the model as it was written.
        let plain = job.run(&plan.root, &UNLIMITED);
        assert_eq!(
            plain.size, result.size,
            "{job}: a model whose switches are off meets other states"
        );
    }
    Ok(Baseline {
        job,
        size: result.size,
        seconds: result.seconds,
        reached: answer.reached,
        matter: answer.matter,
    })
}
