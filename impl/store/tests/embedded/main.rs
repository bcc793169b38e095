//! The embedded backend: the contract, and what is particular to a file.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod bounded;
mod broken;
mod mutants;
mod opening;
mod stopped;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lockstep_model::id::{Incarnation, NodeId, RequestId, Revision, ServiceId, Uid};
use lockstep_model::record::{Key, Put, Record, Service, Wanted, Write};
use lockstep_store::contract::{Fixture, Job};
use lockstep_store::{Embedded, Error, Options, Store};
use rusqlite::Connection;
use tempfile::TempDir;

const JOB: &str = "LOCKSTEP_STORE_TEST_JOB";
const STORE: &str = "LOCKSTEP_STORE_TEST_PATH";

/// A job of [`helper_process`] that isn't one of the contract's: hold a transaction open.
const HOLD: &str = "hold";
/// Another: hold the index of the log.
const INDEX: &str = "index";

lockstep_store::contract_tests!(File::new());

/// A new store in a directory of its own.
struct File {
    directory: TempDir,
}

impl File {
    fn new() -> Self {
        let file = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        Embedded::create(&file.path()).unwrap();
        file
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    /// A plain connection to the file, for what the product can't do.
    fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn helper(&self, job: &str) -> Child {
        Command::new(env::current_exe().unwrap())
            .args(["--exact", "helper_process", "--nocapture"])
            .env(JOB, job)
            .env(STORE, self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl Fixture for File {
    type Store = Embedded;

    fn open(&self) -> Embedded {
        open(&self.path(), Duration::from_secs(30)).unwrap()
    }

    fn spawn(&self, job: Job) -> Child {
        self.helper(&job.to_string())
    }

    fn watch_lag(&self) -> Duration {
        Duration::from_millis(20)
    }
}

fn open(path: &Path, busy_timeout: Duration) -> Result<Embedded, Error> {
    let options = Options {
        busy_timeout,
        poll_interval: Duration::from_millis(10),
        cluster: None,
        seen: Revision::ABSENT,
    };
    Embedded::open(path, options)
}

/// A write of service 7.
fn write_number(number: u64) -> Write {
    let service = Service::new(NodeId(1), Wanted::Started, Uid(number));
    Write {
        request: RequestId {
            process: Incarnation(1),
            number,
        },
        compares: Vec::new(),
        puts: vec![Put {
            key: Key::Service(ServiceId(7)),
            record: Record::Service(service),
        }],
    }
}

/// Reads the number of service 7.
fn number(store: &mut Embedded) -> u64 {
    let snapshot = store.read().unwrap();
    let numbers: Vec<u64> = snapshot
        .services()
        .map(|(_, _, service)| service.uid.0)
        .collect();
    assert!(numbers.len() <= 1, "{numbers:?}");
    numbers.first().copied().unwrap_or(0)
}

/// Not a test: what this binary does when another test starts it as a process of its own.
#[test]
fn helper_process() {
    let (Ok(job), Some(path)) = (env::var(JOB), env::var_os(STORE)) else {
        return;
    };
    let path = PathBuf::from(path);
    if job == HOLD {
        stopped::hold(&path);
        return;
    }
    if job == INDEX {
        bounded::hold_index(&path);
        return;
    }
    let mut store = open(&path, Duration::from_secs(30)).unwrap();
    job.parse::<Job>().unwrap().run(&mut store);
}
