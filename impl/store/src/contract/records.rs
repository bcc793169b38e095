//! What one process can see of the contract.

use std::time::Duration;

use lockstep_model::id::{BootId, LockId, MachineId, NodeId, Revision, ServiceId};
use lockstep_model::record::{GrantState, Key, Outcome, Put, Record, Unguarded};

use super::{
    COUNTER, Fixture, applied, entry, number, outcome, put_beat, put_grant, put_service, read,
    revision, watch, write,
};
use crate::codec::OPERATIONS_MAX;
use crate::{Doing, Error, Store};

/// A new store has no records, and every handle on it agrees which store it is.
pub fn empty_at_first(fixture: &impl Fixture) {
    let mut store = fixture.open();
    let snapshot = read(&mut store);
    assert_eq!(snapshot.entries, []);
    assert_eq!(revision(&mut store), snapshot.revision);
    assert_eq!(fixture.open().cluster(), store.cluster());
}

/// All records put by one write have one new revision, greater than any before.
pub fn one_write_one_revision(fixture: &impl Fixture) {
    let mut store = fixture.open();
    let before = revision(&mut store);
    let first = applied(
        &mut store,
        &write(1, &[], vec![put_service(COUNTER, 1), put_beat(3, 1)]),
    );
    assert!(before < first);
    let second = applied(
        &mut store,
        &write(
            2,
            &[],
            vec![put_beat(3, 2), put_grant(10, GrantState::HeldGuarded)],
        ),
    );
    assert!(first < second);
    let snapshot = read(&mut store);
    assert_eq!(snapshot.revision, second);
    let together = snapshot.revision_of(Key::Service(COUNTER));
    assert_eq!(together, first, "one write, one revision");
    assert_eq!(
        snapshot.revision_of(Key::Beat(LockId::Agent(NodeId(3)))),
        second
    );
    assert_eq!(
        snapshot.revision_of(Key::Grant(LockId::Agent(NodeId(10)))),
        second
    );
    assert_eq!(snapshot.entries.len(), 3);
}

/// A condition that a record is absent holds once.
pub fn absent_compare(fixture: &impl Fixture) {
    let mut store = fixture.open();
    let key = Key::Service(COUNTER);
    let create = |number| {
        write(
            number,
            &[(key, Revision::ABSENT)],
            vec![put_service(COUNTER, number)],
        )
    };
    let created = applied(&mut store, &create(1));
    let again = outcome(&mut store, &create(2));
    assert_eq!(again, Outcome::Refused, "absent only once");
    let snapshot = read(&mut store);
    assert_eq!(number(&snapshot, COUNTER), 1, "refused is not written");
    assert_eq!(snapshot.revision_of(key), created);
}

/// One condition that fails among many refuses all of it, whatever its place among them.
pub fn refused_changes_nothing(fixture: &impl Fixture) {
    let mut store = fixture.open();
    let old = applied(&mut store, &write(1, &[], vec![put_beat(1, 1)]));
    let puts = || vec![put_beat(1, 2), put_beat(2, 2), put_service(COUNTER, 2)];
    let new = applied(&mut store, &write(2, &[], vec![put_beat(1, 1)]));
    let before = read(&mut store);
    let (one, two) = (
        Key::Beat(LockId::Agent(NodeId(1))),
        Key::Beat(LockId::Agent(NodeId(2))),
    );
    let refused: &[&[(Key, Revision)]] = &[
        &[(one, old)],
        &[(one, Revision::ABSENT)],
        &[(one, Revision(new.0 + 1))],
        &[(one, Revision(u64::MAX))],
        &[(two, new)],
        &[(one, new), (two, Revision::ABSENT), (one, old)],
        &[(two, new), (one, new)],
    ];
    for (number, conditions) in (3..).zip(refused) {
        let request = write(number, conditions, puts());
        let answer = outcome(&mut store, &request);
        assert_eq!(answer, Outcome::Refused, "one fails in {request:?}");
        assert_eq!(read(&mut store), before, "nothing of {request:?}");
    }
    let right = write(
        99,
        &[(one, new), (two, Revision::ABSENT), (one, new)],
        puts(),
    );
    let last = applied(&mut store, &right);
    let after = read(&mut store);
    for key in [one, two, Key::Service(COUNTER)] {
        assert_eq!(after.revision_of(key), last, "{key:?}");
    }
}

/// Conditions on keys that aren't put count; a write that puts nothing changes nothing.
pub fn conditions_without_puts(fixture: &impl Fixture) {
    let mut store = fixture.open();
    let grant = Key::Grant(LockId::Agent(NodeId(1)));
    let held = applied(
        &mut store,
        &write(1, &[], vec![put_grant(1, GrantState::HeldGuarded)]),
    );
    let under = |number, revision| {
        let puts = vec![put_service(COUNTER, number)];
        write(number, &[(grant, revision)], puts)
    };
    let first = applied(&mut store, &under(2, held));
    let before = read(&mut store);
    assert_eq!(before.revision_of(grant), held, "compared, not changed");
    assert_eq!(before.revision, first);
    let ask = |revision| write(3, &[(grant, revision)], vec![]);
    assert_eq!(
        outcome(&mut store, &ask(held)),
        Outcome::Applied(before.revision)
    );
    assert_eq!(outcome(&mut store, &ask(first)), Outcome::Refused);
    assert_eq!(read(&mut store), before);
}

/// Writing what stands there already is a change.
pub fn same_content_is_a_change(fixture: &impl Fixture) {
    let mut store = fixture.open();
    let first = applied(&mut store, &write(1, &[], vec![put_beat(1, 1)]));
    let second = applied(&mut store, &write(2, &[], vec![put_beat(1, 1)]));
    assert!(first < second, "a new revision for the same content");
    assert_eq!(
        read(&mut store).revision_of(Key::Beat(LockId::Agent(NodeId(1)))),
        second
    );
}

/// Every kind of content comes back as it was, at the edges of its numbers too.
pub fn contents_survive(fixture: &impl Fixture) {
    let mut store = fixture.open();
    let unguarded = Unguarded {
        machine: MachineId(u128::MAX),
        boot: BootId(0),
        services: (0..1000).chain([u16::MAX]).map(ServiceId).collect(),
    };
    let puts = vec![
        put_grant(0, GrantState::HeldGuarded),
        put_grant(1, GrantState::HeldUnguarded(unguarded.clone())),
        put_grant(2, GrantState::ReleasedClean),
        put_grant(u16::MAX, GrantState::ReleasedRunning(unguarded)),
        put_beat(u16::MAX, u64::MAX),
        put_service(ServiceId(0), 0),
        put_service(ServiceId(u16::MAX), u64::MAX),
    ];
    applied(&mut store, &write(1, &[], puts.clone()));
    let snapshot = read(&mut fixture.open());
    assert_eq!(snapshot.entries.len(), puts.len());
    for put in puts {
        let found = entry(&snapshot, put.key).map(|entry| &entry.record);
        assert_eq!(found, Some(&put.record));
    }
}

/// What contradicts itself or the bounds is refused before it is sent, and says so.
pub fn unsendable_writes(fixture: &impl Fixture) {
    let mut store = fixture.open();
    applied(&mut store, &write(1, &[], vec![put_beat(1, 1)]));
    let before = read(&mut store);
    let Put { record: beat, .. } = put_beat(1, 2);
    let other_kind = Put {
        key: Key::Service(COUNTER),
        record: beat,
    };
    let services = |count: u16| (0..count).map(|n| put_service(ServiceId(n), 1)).collect();
    let large = |node| put_grant(node, GrantState::ReleasedRunning(many_services(10_500)));
    let too_large = put_grant(1, GrantState::ReleasedRunning(many_services(30_000)));
    let many = vec![(Key::Beat(LockId::Agent(NodeId(1))), before.revision); OPERATIONS_MAX + 1];
    let cases = [
        ("another kind", write(2, &[], vec![other_kind])),
        ("twice", write(3, &[], vec![put_beat(1, 2), put_beat(1, 3)])),
        ("puts", write(4, &[], services(129))),
        ("compares", write(5, &many, vec![put_beat(1, 2)])),
        ("value", write(6, &[], vec![put_beat(1, 2), too_large])),
        ("sum", write(7, &[], (0..40).map(large).collect())),
    ];
    for (name, request) in cases {
        let error = store.write(&request).expect_err(name);
        assert!(error.is_certainly_not_applied(), "never sent: {error}");
        assert_eq!(read(&mut store), before, "{name}");
    }
    let most = applied(&mut store, &write(8, &many[1..], services(128)));
    assert!(before.revision < most);
    applied(&mut store, &write(9, &[], vec![large(1)]));
    let read_too_large = Error::TooLarge {
        doing: Doing::Read,
        what: String::new(),
        size: 0,
        size_max: 0,
    };
    assert!(!read_too_large.is_certainly_not_applied());
}

fn many_services(count: u16) -> Unguarded {
    Unguarded {
        machine: MachineId(1),
        boot: BootId(1),
        services: (0..count).map(ServiceId).collect(),
    }
}

/// A write acknowledged to one handle is seen by every read that begins later on another.
pub fn acknowledged_is_seen(fixture: &impl Fixture) {
    let (mut writer, mut reader) = (fixture.open(), fixture.open());
    for number in 1..=50 {
        let written = applied(
            &mut writer,
            &write(number, &[], vec![put_service(COUNTER, number)]),
        );
        assert!(written <= revision(&mut reader));
        let snapshot = read(&mut reader);
        let found = super::number(&snapshot, COUNTER);
        assert_eq!(found, number, "acknowledged before the read");
        assert_eq!(snapshot.revision_of(Key::Service(COUNTER)), written);
    }
}

/// Revisions go on growing when everyone has left the store and comes back.
pub fn revisions_grow_across_handles(fixture: &impl Fixture) {
    let mut last = Revision::ABSENT;
    for number in 1..=5 {
        let mut store = fixture.open();
        assert!(last <= revision(&mut store));
        let written = applied(
            &mut store,
            &write(number, &[], vec![put_service(COUNTER, number)]),
        );
        assert!(last < written, "revisions grow: {last:?}, {written:?}");
        let snapshot = read(&mut store);
        assert!(matches!(
            entry(&snapshot, Key::Service(COUNTER)).map(|entry| &entry.record),
            Some(Record::Service(service)) if service.uid.0 == number
        ));
        last = written;
    }
}

/// A watch reports what has changed already, and nothing while nothing changes.
pub fn watch_reports(fixture: &impl Fixture) {
    let mut store = fixture.open();
    let before = revision(&mut store);
    let quiet = fixture.watch_lag() * 2;
    let noticed = watch(&mut store, before, quiet);
    assert_eq!(noticed, None, "nothing has changed");
    assert_eq!(watch(&mut store, before, Duration::ZERO), None);
    let written = applied(&mut store, &write(1, &[], vec![put_beat(1, 1)]));
    let noticed = watch(&mut store, before, quiet);
    assert_eq!(noticed, Some(written), "changed already");
    assert_eq!(watch(&mut store, written, quiet), None);
    assert_eq!(
        outcome(
            &mut store,
            &write(
                2,
                &[(Key::Beat(LockId::Agent(NodeId(1))), before)],
                vec![put_beat(1, 2)]
            )
        ),
        Outcome::Refused
    );
    assert_eq!(watch(&mut store, written, quiet), None, "refused is quiet");
}
