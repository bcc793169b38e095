//! The contract behind a limit, and what only a limit survives.

use std::fs::OpenOptions;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use lockstep_store::contract::{Fixture, Job};
use lockstep_store::{Bounded, Error, Store as _};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::stopped::{GRACE, now};
use super::{File, INDEX, open, write_number};

lockstep_store::contract_tests!(BoundedFile(File::new()));

struct BoundedFile(File);

impl Fixture for BoundedFile {
    type Store = Bounded;

    fn open(&self) -> Bounded {
        Bounded::new(self.0.open(), "bounded", Duration::from_secs(60)).unwrap()
    }

    fn spawn(&self, job: Job) -> Child {
        self.0.spawn(job)
    }

    fn watch_lag(&self) -> Duration {
        self.0.watch_lag()
    }
}

/// The helper's part: holds what a process holds that stops while it changes the log's index, for
/// which SQLite waits 10 s, until its input ends.
pub(super) fn hold_index(path: &Path) {
    let mut name = path.as_os_str().to_owned();
    name.push("-shm");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(name)
        .unwrap();
    // The five marks of readers: bytes 123 to 127 of the index.
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 123,
        l_len: 5,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_SETLKW(&lock)).unwrap();
    io::stderr().write_all(b"holding\n").unwrap();
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn held_index_is_unavailable_in_time() {
    let file = File::new();
    let limit = Duration::from_millis(300);
    let store = open(&file.path(), Duration::from_millis(100)).unwrap();
    let mut store = Bounded::new(store, "bounded", limit).unwrap();
    store.write(&write_number(1)).unwrap();
    let mut holder = file.helper(INDEX);
    let mut line = String::new();
    BufReader::new(holder.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "holding\n");

    for _ in 0..2 {
        let start = now();
        let error = store.read().unwrap_err();
        let elapsed = now() - start;
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains("within 300ms"), "{error}");
        assert!(elapsed < limit + GRACE, "{elapsed:?}");
    }
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    // The read that was given up ends within its next nap, 0.3 s at most.
    let written = (0..20).find_map(|_| store.write(&write_number(2)).ok());
    assert!(written.is_some(), "it goes on");
    assert_eq!(store.read().unwrap().entries.len(), 1);
}
