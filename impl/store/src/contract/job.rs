//! What other processes do to a store, and what they report.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStderr};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use lockstep_model::id::Revision;
use lockstep_model::record::{Key, Outcome};

use super::{COUNTER, PAIR, applied, number, outcome, put_service, read, write};
use crate::Store;

/// What a process is to do. Its text goes through the environment or the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Count up that often, each time by a read and a write conditional on it, until applied.
    Count {
        /// How often.
        times: u64,
    },
    /// Write a pair of records together for ever, and report every acknowledged write.
    Pairs,
    /// Report being there, wait, write once and report that.
    Once {
        /// How long to wait.
        delay_ms: u64,
    },
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { times } => write!(f, "count {times}"),
            Self::Pairs => write!(f, "pairs"),
            Self::Once { delay_ms } => write!(f, "once {delay_ms}"),
        }
    }
}

impl FromStr for Job {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().map_err(|error| format!("{text}: {error}"));
        match text.split_once(' ') {
            Some(("count", times)) => number(times).map(|times| Self::Count { times }),
            Some(("once", delay)) => number(delay).map(|delay_ms| Self::Once { delay_ms }),
            None if text == "pairs" => Ok(Self::Pairs),
            Some(_) | None => Err(format!("{text}: expected count N, once N or pairs")),
        }
    }
}

impl Job {
    /// Does it, reporting on standard error.
    pub fn run(self, store: &mut impl Store) {
        match self {
            Self::Count { times } => {
                report(Revision::ABSENT, 0);
                count(store, times);
            }
            Self::Pairs => {
                let next = number(&read(store), PAIR[0]) + 1;
                for number in next.. {
                    report(write_pair(store, number), number);
                }
            }
            Self::Once { delay_ms } => {
                report(Revision::ABSENT, 0);
                thread::sleep(Duration::from_millis(delay_ms));
                let puts = vec![put_service(COUNTER, 1)];
                report(applied(store, &write(1, &[], puts)), 1);
            }
        }
    }
}

/// Counts up, and returns how often it was refused in between.
pub(super) fn count(store: &mut impl Store, times: u64) -> u64 {
    let mut refused = 0;
    for request in 0..times {
        loop {
            let snapshot = read(store);
            let key = Key::Service(COUNTER);
            let conditions = [(key, snapshot.revision_of(key))];
            let puts = vec![put_service(COUNTER, number(&snapshot, COUNTER) + 1)];
            match outcome(store, &write(request, &conditions, puts)) {
                Outcome::Applied(_) => break,
                Outcome::Refused => refused += 1,
            }
        }
    }
    refused
}

/// Writes both records of the pair with one number.
pub(super) fn write_pair(store: &mut impl Store, number: u64) -> Revision {
    let puts = PAIR.map(|id| put_service(id, number)).to_vec();
    applied(store, &write(number, &[], puts))
}

fn report(revision: Revision, number: u64) {
    // A reader that is gone no longer wants to know.
    let _ = writeln!(io::stderr(), "reported {} {number}", revision.0);
}

/// Another process at work, killed when this is dropped.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    lines: BufReader<ChildStderr>,
    other: String,
}

impl Worker {
    /// Takes over a process that [`Fixture::spawn`](super::Fixture::spawn) started.
    #[must_use]
    pub fn new(mut child: Child) -> Self {
        let stderr = child.stderr.take().expect("its standard error is a pipe");
        Self {
            child,
            lines: BufReader::new(stderr),
            other: String::new(),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its next report: the revision of an acknowledged write and the number written; none if it
    /// has ended.
    pub fn next_report(&mut self) -> Option<(Revision, u64)> {
        loop {
            let mut line = String::new();
            let length = self.lines.read_line(&mut line).expect("a readable pipe");
            if length == 0 {
                return None;
            }
            // A line cut off by a kill is no report.
            let words = line
                .strip_suffix('\n')
                .and_then(|line| line.strip_prefix("reported "))
                .and_then(|line| line.split_once(' '));
            match words.map(|(revision, number)| (revision.parse(), number.parse())) {
                Some((Ok(revision), Ok(number))) => return Some((Revision(revision), number)),
                Some(_) | None => self.other.push_str(&line),
            }
        }
    }

    /// Waits for its end, which must be a success.
    pub fn finish(mut self) {
        while self.next_report().is_some() {}
        let status = self.child.wait().expect("a child to wait for");
        assert!(status.success(), "{status}: {}", self.other);
    }

    /// Kills it at once, and returns the last report that it made.
    pub fn kill(mut self) -> Option<(Revision, u64)> {
        self.child.kill().expect("a child to kill");
        let mut last = None;
        while let Some(report) = self.next_report() {
            last = Some(report);
        }
        last
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_travel_as_text() {
        for job in [
            Job::Count { times: 3 },
            Job::Pairs,
            Job::Once { delay_ms: 20 },
        ] {
            assert_eq!(job.to_string().parse(), Ok(job));
        }
        assert!("pairs 3".parse::<Job>().is_err());
    }
}
