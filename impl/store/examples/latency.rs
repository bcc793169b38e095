//! Measures how long reading and writing take on the file system of a directory.
//!
//! `cargo run --release -p lockstep-store --example latency -- DIRECTORY [SERVICES] [ROUNDS]`
//!
//! The store holds a beat for each of ten nodes, and the services. One process
//! alone; the writes are what a renewal is: two conditions, one record.
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use lockstep_model::id::{Epoch, Incarnation, LockId, NodeId, RequestId, Revision, ServiceId, Uid};
use lockstep_model::record::{Beat, Compare, Key, Outcome, Put, Record, Service, Wanted, Write};
use lockstep_store::{Embedded, Options, Store};
use nix::time::{ClockId, clock_gettime};

const NODES: u16 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let directory = arguments.next().ok_or("expected a directory")?;
    let services = arguments
        .next()
        .map_or(Ok(100), |text| text.parse::<u16>())?;
    let rounds = arguments
        .next()
        .map_or(Ok(500), |text| text.parse::<u64>())?;
    let path = PathBuf::from(directory).join("latency.db");
    Embedded::create(&path)?;
    let options = Options {
        busy_timeout: Duration::from_secs(1),
        poll_interval: Duration::from_millis(10),
        cluster: None,
        seen: Revision::ABSENT,
    };
    let mut store = Embedded::open(&path, options)?;
    for id in 0..services {
        apply(&mut store, &[], put_service(id))?;
    }
    for node in 0..NODES {
        apply(&mut store, &[], put_beat(node, 0))?;
    }

    let mut times = [const { Vec::new() }; 3];
    for round in 1..=rounds {
        let revision = measure(&mut times[0], || store.revision())?;
        let snapshot = measure(&mut times[1], || store.read())?;
        let key = Key::Beat(LockId::Agent(NodeId(0)));
        let conditions = [
            (key, snapshot.revision_of(key)),
            (Key::Grant(LockId::Agent(NodeId(0))), Revision::ABSENT),
        ];
        let put = put_beat(0, round);
        let written = measure(&mut times[2], || apply(&mut store, &conditions, put))?;
        if written <= revision {
            return Err("revisions don't grow".into());
        }
    }
    for (name, times) in ["revision", "read", "write"].iter().zip(&mut times) {
        times.sort_unstable();
        let at = |share: usize| times.get((times.len() - 1) * share / 100).copied();
        println!(
            "{name:9} median {:?}, 99 % within {:?}, longest {:?}",
            at(50).unwrap_or_default(),
            at(99).unwrap_or_default(),
            at(100).unwrap_or_default()
        );
    }
    Ok(())
}

fn measure<T, E: Into<Box<dyn Error>>>(
    times: &mut Vec<Duration>,
    body: impl FnOnce() -> Result<T, E>,
) -> Result<T, Box<dyn Error>> {
    let now = || clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
    let start = now()?;
    let result = body().map_err(Into::into)?;
    times.push(now()?.saturating_sub(start));
    Ok(result)
}

fn apply(
    store: &mut Embedded,
    conditions: &[(Key, Revision)],
    put: Put,
) -> Result<Revision, Box<dyn Error>> {
    let write = Write {
        request: request(),
        compares: conditions
            .iter()
            .map(|&(key, revision)| Compare { key, revision })
            .collect(),
        puts: vec![put],
    };
    match store.write(&write)? {
        Outcome::Applied(revision) => Ok(revision),
        Outcome::Refused => Err("refused, though nobody else writes".into()),
    }
}

fn request() -> RequestId {
    RequestId {
        process: Incarnation(1),
        number: 1,
    }
}

fn put_beat(node: u16, epoch: u64) -> Put {
    Put {
        key: Key::Beat(LockId::Agent(NodeId(node))),
        record: Record::Beat(Beat {
            epoch: Epoch(epoch),
            written_by: request(),
        }),
    }
}

fn put_service(id: u16) -> Put {
    Put {
        key: Key::Service(ServiceId(id)),
        record: Record::Service(Service::new(NodeId(id % NODES), Wanted::Started, Uid(1))),
    }
}
