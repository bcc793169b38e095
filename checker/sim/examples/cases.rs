//! Runs cases, compares their logs, and says what that took:
//! `cargo run --release -p lockstep-sim --example cases -- DIRECTORY…`.
//!
//! Each directory holds case directories. What is measured is the time on a processor, in user and
//! kernel mode, from reading a case to its whole log; waiting doesn't count.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use lockstep_sim::case::Case;

/// How many of the slowest cases are named.
const SLOWEST: usize = 3;

struct Measured {
    name: String,
    cpu_ns: u64,
    is_as_expected: bool,
}

/// The time that this thread has been on a processor, in nanoseconds.
fn cpu_ns() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next().ok_or("an empty schedstat")?;
    Ok(first.parse()?)
}

fn cases(directories: impl Iterator<Item = String>) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for directory in directories {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.join("log.expect").is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn measure(path: PathBuf) -> Result<Measured, Box<dyn Error>> {
    let expected = fs::read_to_string(path.join("log.expect"))?;
    let begun = cpu_ns()?;
    let run = lockstep_sim::run(&Case::read(&path)?);
    let cpu_ns = cpu_ns()? - begun;
    let name = path.file_name().unwrap_or_default();
    Ok(Measured {
        name: name.to_string_lossy().into_owned(),
        cpu_ns,
        is_as_expected: run.log.as_str() == expected,
    })
}

fn milliseconds(nanoseconds: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let nanoseconds = nanoseconds as f64;
    nanoseconds / 1e6
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let paths = cases(env::args().skip(1))?;
    let mut measured = paths
        .into_iter()
        .map(measure)
        .collect::<Result<Vec<_>, _>>()?;
    measured.sort_by_key(|one| core::cmp::Reverse(one.cpu_ns));
    let total_ns = measured.iter().map(|one| one.cpu_ns).sum();
    println!(
        "{} cases, {:.1} ms of CPU",
        measured.len(),
        milliseconds(total_ns)
    );
    for one in measured.iter().take(SLOWEST) {
        println!("{:10.1} ms  {}", milliseconds(one.cpu_ns), one.name);
    }
    let wrong = measured.iter().filter(|one| !one.is_as_expected);
    let wrong: Vec<&str> = wrong.map(|one| one.name.as_str()).collect();
    for name in &wrong {
        println!("not as expected: {name}");
    }
    let is_fine = wrong.is_empty() && !measured.is_empty();
    Ok(match is_fine {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
