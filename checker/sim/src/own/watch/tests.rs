//! Each property can fire, and doesn't where nothing is wrong.

use std::fs;
use std::ops::ControlFlow;

use lockstep_model::config::Profile;
use lockstep_model::event::Violation;
use lockstep_model::id::{
    BootId, Epoch, Holder, Incarnation, LockId, MachineId, NodeId, RequestId, ServiceId, Uid,
};
use lockstep_model::lrm::Job;
use lockstep_model::manager::command::Command;
use lockstep_model::manager::status::{Entry, Queued, Requested, Task};
use lockstep_model::placement::state::ServiceState;
use lockstep_model::record::{
    Beat, Data, DataKey, Grant, GrantState, Key, MoveKind, Put, Record, Service, Unguarded, Wanted,
};
use lockstep_model::time::{Instant, Span};

use super::super::build::build;
use super::super::cluster::Cluster;
use super::super::host::{Device, Instance, Owner, State};
use super::super::run::{run, settle_within};
use super::super::store::Writer;
use crate::Options;
use crate::case::Case;
use crate::watch::Property;

const RULES: &str = "resource-affinity: apart\n\tresources vm:101,vm:102\n\taffinity negative\n\n\
     node-affinity: home\n\tresources vm:103\n\tnodes node3\n\tstrict 1\n";

/// Three nodes with a service each, after a minute in which all of them run.
fn cluster() -> Cluster {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let write = |name: &str, text: &str| {
        fs::write(directory.path().join(name), text).expect("a file can be written");
    };
    write(
        "cmdlist",
        r#"[["power node1 on", "power node2 on", "power node3 on"]]"#,
    );
    let service = |n: u32| format!(r#""vm:10{n}": {{"node": "node{n}", "state": "started"}}"#);
    let services: Vec<String> = (1..=3).map(service).collect();
    write("service_config", &format!("{{{}}}", services.join(",")));
    write("rules_config", RULES);
    let case = Case::read(directory.path()).expect("it is a case");
    let mut cluster = build(&case, Profile::Default).expect("there are few nodes");
    let options = Options {
        profile: Profile::Default,
        until_seconds: Some(60),
    };
    let ended = run(&mut cluster, &case, &options, &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(ended.is_ok());
    assert_eq!(cluster.watch.reports, []);
    for host in 0..3 {
        let instance = instance_of(&cluster, host, service_id(host));
        let runs = Instance {
            state: State::Running,
            owner: Owner::Stack,
        };
        assert_eq!(instance, Some(runs));
    }
    cluster
}

/// The service that belongs to a host.
fn service_id(host: usize) -> ServiceId {
    ServiceId(u16::try_from(host).expect("there are few"))
}

fn node_id(host: usize) -> NodeId {
    NodeId(u16::try_from(host).expect("there are few"))
}

fn instance_of(cluster: &Cluster, host: usize, service: ServiceId) -> Option<Instance> {
    cluster.hosts[host].instances.get(&service).copied()
}

fn place(cluster: &mut Cluster, host: usize, service: ServiceId, owner: Owner) {
    let state = State::Running;
    let instance = Instance { state, owner };
    cluster.hosts[host].instances.insert(service, instance);
    cluster.watch.dirty = true;
    cluster.watch_instances();
}

#[track_caller]
fn fires(cluster: &Cluster, property: Property) {
    let reports = &cluster.watch.reports;
    let fired = reports.iter().any(|report| report.property == property);
    assert!(fired, "{property} isn't among {reports:?}");
}

#[track_caller]
fn is_silent(cluster: &Cluster) {
    assert_eq!(cluster.watch.reports, []);
}

/// A process that nobody knows, on node2.
fn stranger() -> Holder {
    Holder {
        node: node_id(1),
        machine: MachineId(2),
        boot: BootId(77),
        incarnation: Incarnation(999),
    }
}

fn request() -> RequestId {
    RequestId {
        process: stranger().incarnation,
        number: 1,
    }
}

fn grant_put(cluster: &Cluster, lock: LockId, holder: Holder, state: GrantState) -> Put {
    let before = cluster.store.grant(lock);
    let grant = Grant {
        holder,
        epoch: before.map_or(Epoch::FIRST, |grant| grant.epoch.next()),
        ttl: Span(15_000),
        state,
        written_by: request(),
    };
    Put {
        key: Key::Grant(lock),
        record: Record::Grant(grant),
    }
}

/// Gives locks to the stranger, as if he had them all along.
fn give(cluster: &mut Cluster, locks: &[LockId]) {
    for lock in locks {
        let put = grant_put(cluster, *lock, stranger(), GrantState::HeldGuarded);
        cluster.write_by_hand(vec![put]);
    }
}

fn data(key: DataKey, data: Data) -> Put {
    Put {
        key: Key::Data(key),
        record: Record::Data(Box::new(data)),
    }
}

fn service_put(cluster: &Cluster, service: ServiceId, change: impl FnOnce(&mut Service)) -> Put {
    let mut record = cluster.store.service(service).expect("it is there").clone();
    change(&mut record);
    Put {
        key: Key::Service(service),
        record: Record::Service(record),
    }
}

fn writes(cluster: &mut Cluster, put: Put) {
    cluster.judge_write(&Writer::Process(stranger()), &[put]);
}

#[test]
fn a_second_instance_is_seen_unless_a_person_made_it() {
    let mut cluster = cluster();
    place(&mut cluster, 1, service_id(0), Owner::Person);
    is_silent(&cluster);
    place(&mut cluster, 1, service_id(0), Owner::Nobody);
    fires(&cluster, Property::SingleInstance);
}

#[test]
fn what_trails_a_reset_counts_too() {
    let mut cluster = cluster();
    let until = cluster.now + Span(1);
    cluster.hosts[1].trailing.insert(service_id(0), until);
    cluster.watch.dirty = true;
    cluster.watch_instances();
    fires(&cluster, Property::SingleInstance);
}

#[test]
fn what_runs_without_its_lock_is_seen() {
    let mut cluster = cluster();
    give(&mut cluster, &[LockId::Agent(node_id(0))]);
    cluster.watch_instances();
    fires(&cluster, Property::RunNeedsAuthority);
}

#[test]
fn what_runs_without_a_watchdog_is_seen() {
    let mut cluster = cluster();
    cluster.hosts[0].device = Device::Off;
    cluster.watch.dirty = true;
    cluster.watch_instances();
    fires(&cluster, Property::WatchdogGuards);
}

#[test]
fn a_watchdog_that_fires_too_late_is_none() {
    let mut cluster = cluster();
    let due = cluster.now + Span(15_000);
    cluster.hosts[0].device = Device::Counting { due };
    cluster.hosts[0].mux = None;
    cluster.watch.dirty = true;
    cluster.watch_instances();
    fires(&cluster, Property::WatchdogGuards);
}

#[test]
fn a_lock_that_is_taken_while_something_runs_is_seen() {
    let mut cluster = cluster();
    let lock = LockId::Agent(node_id(0));
    let put = grant_put(&cluster, lock, stranger(), GrantState::HeldGuarded);
    writes(&mut cluster, put);
    fires(&cluster, Property::TakenIsDead);
}

#[test]
fn a_start_without_a_reading_is_seen() {
    let mut cluster = cluster();
    cluster.start_lrm(0);
    cluster.judge_job(0, service_id(0), Job::Start);
    fires(&cluster, Property::StartAfterGrantRead);
}

#[test]
fn a_service_that_moves_without_its_nodes_lock_is_seen() {
    let mut cluster = cluster();
    give(&mut cluster, &[LockId::Manager]);
    let put = service_put(&cluster, service_id(0), |it| it.location = node_id(1));
    writes(&mut cluster, put);
    fires(&cluster, Property::LocChangesUnderLock);
}

#[test]
fn what_was_left_running_is_neither_moved_nor_dropped() {
    let list = Unguarded {
        machine: MachineId(1),
        boot: BootId(1),
        services: vec![service_id(0)],
    };
    let state = GrantState::HeldUnguarded(list);
    let lock = LockId::Agent(node_id(0));
    let mut moved = cluster();
    give(&mut moved, &[LockId::Manager]);
    let put = grant_put(&moved, lock, stranger(), state.clone());
    moved.write_by_hand(vec![put]);
    let put = service_put(&moved, service_id(0), |it| it.location = node_id(1));
    writes(&mut moved, put);
    fires(&moved, Property::UnguardedNeverRecovered);
    let mut dropped = cluster();
    let put = grant_put(&dropped, lock, stranger(), state);
    dropped.write_by_hand(vec![put]);
    let put = grant_put(&dropped, lock, stranger(), GrantState::HeldGuarded);
    writes(&mut dropped, put);
    fires(&dropped, Property::UnguardedNeverRecovered);
}

#[test]
fn who_holds_no_lock_writes_nothing() {
    let beat = |lock| Put {
        key: Key::Beat(lock),
        record: Record::Beat(Beat {
            epoch: Epoch::FIRST,
            written_by: request(),
        }),
    };
    let commands = data(DataKey::Commands, Data::Commands(Vec::new()));
    for put in [
        beat(LockId::Manager),
        beat(LockId::Agent(node_id(0))),
        commands,
    ] {
        let mut cluster = cluster();
        writes(&mut cluster, put);
        fires(&cluster, Property::SingleWriter);
    }
    let mut cluster = cluster();
    let put = service_put(&cluster, service_id(0), |it| it.uid = Uid(99));
    writes(&mut cluster, put);
    fires(&cluster, Property::SingleWriter);
}

/// A cluster in which the LRMs have read an entry in this state and this order.
fn with_state(state: ServiceState, wanted: Wanted) -> Cluster {
    let mut cluster = cluster();
    cluster.crms_paused = Instant(u64::MAX);
    let entry = Entry::new(state, Some(node_id(0)), Uid(99));
    let order = service_put(&cluster, service_id(0), |it| {
        it.wanted = wanted;
        it.uid = Uid(99);
    });
    let entry = data(DataKey::Entry(service_id(0)), Data::Entry(Some(entry)));
    cluster.write_by_hand(vec![entry, order]);
    let settled = settle_within(&mut cluster, 1_000, &mut |_| ControlFlow::Continue(()));
    assert!(settled.is_ok());
    is_silent(&cluster);
    cluster
}

#[test]
fn what_is_to_be_left_alone_is() {
    for (state, wanted, property) in [
        (
            ServiceState::Freeze,
            Wanted::Untouched,
            Property::FrozenUntouched,
        ),
        (
            ServiceState::Error,
            Wanted::Untouched,
            Property::ErrorUntouched,
        ),
        (
            ServiceState::Started,
            Wanted::Ignored,
            Property::IgnoredUntouched,
        ),
    ] {
        for job in [Job::Start, Job::Stop] {
            let mut cluster = with_state(state, wanted);
            cluster.judge_job(0, service_id(0), Job::Query);
            is_silent(&cluster);
            cluster.judge_job(0, service_id(0), job);
            fires(&cluster, property);
        }
    }
}

#[test]
fn a_disabled_service_that_is_recovered_is_seen() {
    let mut cluster = cluster();
    let (service, key) = (service_id(0), DataKey::Resource(service_id(0)));
    let resource = cluster.store.resource(service).expect("it is there");
    let resource = lockstep_model::manager::status::Resource {
        requested: Requested::Disabled,
        ..resource.clone()
    };
    cluster.write_by_hand(vec![data(key, Data::Resource(Some(resource)))]);
    give(&mut cluster, &[LockId::Manager, LockId::Agent(node_id(0))]);
    let moved = service_put(&cluster, service, |it| it.location = node_id(2));
    writes(&mut cluster, moved.clone());
    is_silent(&cluster);
    cluster.now += Span(1);
    writes(&mut cluster, moved);
    fires(&cluster, Property::DisabledNotRecovered);
}

#[test]
fn a_request_that_vanishes_is_seen() {
    let mut cluster = cluster();
    let (service, key) = (service_id(0), DataKey::Entry(service_id(0)));
    let mut entry = cluster.store.entry(service).expect("it is there").clone();
    let without = data(key, Data::Entry(Some(entry.clone())));
    entry.queued = Some(Queued::Move {
        task: Task::Migrate,
        target: node_id(1),
    });
    cluster.write_by_hand(vec![data(key, Data::Entry(Some(entry)))]);
    give(&mut cluster, &[LockId::Manager]);
    writes(&mut cluster, without);
    fires(&cluster, Property::NoLostCommand);
}

#[test]
fn a_command_that_vanishes_is_seen() {
    let mut cluster = cluster();
    cluster.crms_paused = Instant(u64::MAX);
    let command = Command::parse("migrate vm:101 node2", &cluster.names);
    let waiting = data(DataKey::Commands, Data::Commands(vec![command]));
    cluster.write_by_hand(vec![waiting]);
    give(&mut cluster, &[LockId::Manager]);
    writes(
        &mut cluster,
        data(DataKey::Commands, Data::Commands(Vec::new())),
    );
    fires(&cluster, Property::NoLostCommand);
}

#[test]
fn a_service_that_nobody_manages_is_seen() {
    let mut cluster = cluster();
    let key = DataKey::Entry(service_id(0));
    cluster.write_by_hand(vec![data(key, Data::Entry(None))]);
    cluster.watch_lost();
    cluster.now += Span(60_000);
    give(&mut cluster, &[LockId::Manager]);
    is_silent(&cluster);
    cluster.watch_lost();
    fires(&cluster, Property::NoLostService);
}

#[test]
fn policies_have_bounds() {
    let mut tried = cluster();
    let (service, key) = (service_id(0), DataKey::Entry(service_id(0)));
    let mut entry = tried.store.entry(service).expect("it is there").clone();
    entry.failed_nodes = vec![node_id(0), node_id(1)];
    give(&mut tried, &[LockId::Manager]);
    writes(&mut tried, data(key, Data::Entry(Some(entry))));
    fires(&tried, Property::PolicyBounds);
    let mut started = cluster();
    for _ in 0..2 {
        started.judge_job(0, service, Job::Start);
        started.note_start(0, service, false);
        is_silent(&started);
    }
    started.judge_job(0, service, Job::Start);
    fires(&started, Property::PolicyBounds);
}

#[test]
fn a_place_that_rules_forbid_is_seen() {
    let to = |host: usize| Wanted::Moved {
        target: node_id(host),
        kind: MoveKind::Live,
    };
    for (service, host, forbidden) in [(0, 1, true), (0, 2, false), (2, 0, true)] {
        let mut cluster = cluster();
        give(&mut cluster, &[LockId::Manager]);
        let put = service_put(&cluster, service_id(service), |it| it.wanted = to(host));
        writes(&mut cluster, put);
        match forbidden {
            true => fires(&cluster, Property::Affinity),
            false => is_silent(&cluster),
        }
    }
}

#[test]
fn a_reset_without_a_fault_is_seen() {
    let mut cluster = cluster();
    cluster.watch.faults = true;
    cluster.judge_reset(0);
    is_silent(&cluster);
    cluster.watch.faults = false;
    cluster.judge_reset(0);
    fires(&cluster, Property::NoNeedlessReset);
}

#[test]
fn daemons_that_do_not_come_to_rest_are_seen() {
    let mut cluster = cluster();
    cluster.reconnect();
    cluster.hosts[0].sees = false;
    cluster.reconnect();
    let settled = settle_within(&mut cluster, 0, &mut |_| ControlFlow::Continue(()));
    assert!(settled.is_ok());
    fires(&cluster, Property::TimeCanPass);
}

#[test]
fn a_machine_that_finds_itself_broken_is_seen() {
    let mut cluster = cluster();
    let violation = Violation {
        name: "an-invariant",
        why: "it doesn't hold",
    };
    cluster.judge_machine(0, Err(violation));
    fires(&cluster, Property::MachineInvariants);
}
