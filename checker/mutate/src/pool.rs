//! Worker processes: one mutant can take only its own down.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::job::{Fate, Result};
use crate::watch::Watch;
use crate::worker::{Answer, Request};

/// A worker, started when it is first asked and again after it was lost.
pub(crate) struct Worker {
    program: PathBuf,
    root: PathBuf,
    process: Option<Process>,
}

struct Process {
    child: Child,
    input: ChildStdin,
    answers: Receiver<io::Result<String>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // Whether it had ended already doesn't matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(program: &Path, root: &Path) -> io::Result<Self> {
        let mut child = Command::new(program)
            .current_dir(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let missing = || io::Error::other("the worker has no pipes");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            input,
            answers,
        })
    }
}

/// How much longer than allowed a worker may take before it counts as hanging: the search looks at
/// its clock only between steps of the model.
const GRACE: Duration = Duration::from_secs(20);

impl Worker {
    pub(crate) fn new(program: &Path, root: &Path) -> Self {
        Self {
            program: program.to_owned(),
            root: root.to_owned(),
            process: None,
        }
    }

    /// Has a job run. A worker that crashes or hangs was caught.
    pub(crate) fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        let watch = Watch::start();
        let mut process = match self.process.take() {
            Some(process) => process,
            None => Process::start(&self.program, &self.root)?,
        };
        let line = serde_json::to_string(request)?;
        writeln!(process.input, "{line}")?;
        process.input.flush()?;
        let limit = Duration::from_secs_f64(request.allowance.seconds) + GRACE;
        let by = match process.answers.recv_timeout(limit) {
            Ok(line) => {
                self.process = Some(process);
                return Ok(serde_json::from_str(&line?)?);
            }
            Err(RecvTimeoutError::Timeout) => "hangs within a step",
            Err(RecvTimeoutError::Disconnected) => "crashes",
        };
        Ok(Answer {
            result: Result {
                fate: Fate::Caught {
                    by: by.to_owned(),
                    steps: None,
                },
                size: (0, 0),
                seconds: watch.seconds(),
            },
            reached: Vec::new(),
            matter: Vec::new(),
        })
    }
}

/// Runs a test program with a mutant switched on; the first test that fails.
pub(crate) fn run_tests(
    program: &Path,
    root: &Path,
    mutant: u32,
    limit: Duration,
) -> io::Result<Option<String>> {
    let mut child = Command::new(program)
        .current_dir(root)
        .args(["--test-threads", "1"])
        .env("LOCKSTEP_MUTANT", mutant.to_string())
        .env("PROPTEST_MAX_SHRINK_TIME", "1")
        .env("PROPTEST_FAILURE_PERSISTENCE", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let output = child.stdout.take();
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let lines = output.into_iter().flat_map(|it| BufReader::new(it).lines());
        for line in lines.map_while(std::result::Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let watch = Watch::start();
    let mut failed = None;
    loop {
        let left = limit.saturating_sub(watch.elapsed());
        match lines.recv_timeout(left) {
            Ok(line) => {
                let test = line.strip_prefix("test ").unwrap_or_default();
                if let Some(name) = test.strip_suffix(" ... FAILED") {
                    failed = Some(name.to_owned());
                    break;
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                failed = Some("a test that doesn't end".to_owned());
                break;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    if failed.is_some() {
        // Whether it had ended already doesn't matter.
        let _ = child.kill();
        let _ = child.wait();
        return Ok(failed);
    }
    let status = child.wait()?;
    Ok((!status.success()).then(|| "a test that crashes".to_owned()))
}
