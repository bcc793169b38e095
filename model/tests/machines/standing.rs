//! What stays with its node, however long its lock is silent.

use lockstep_model::config::Config;
use lockstep_model::config::profile::Profile;
use lockstep_model::event::{Effects, Event};
use lockstep_model::id::{
    BootId, Epoch, Holder, Incarnation, LockId, MachineId, NodeId, Ranks, RequestId, Revision,
    ServiceId,
};
use lockstep_model::lock::{Client, Standing};
use lockstep_model::lrm::{Effect, Input, Lrm};
use lockstep_model::record::{Beat, Entry, Grant, GrantState, Key, Record, Snapshot, Unguarded};
use lockstep_model::time::{Instant, Span};

const NODE: NodeId = NodeId(0);

fn process(node: u16, machine: u128) -> Holder {
    Holder {
        node: NodeId(node),
        machine: MachineId(machine),
        boot: BootId(machine),
        incarnation: Incarnation(u64::from(node) * 100 + 1),
    }
}

/// Node 0's lock in a state that lists a service which runs on machine 0.
fn snapshot(holder: Holder, state: impl FnOnce(Unguarded) -> GrantState) -> Snapshot {
    let written_by = RequestId {
        process: holder.incarnation,
        number: 1,
    };
    let list = Unguarded {
        machine: MachineId(0),
        boot: BootId(0),
        services: vec![ServiceId(0)],
    };
    let grant = Grant {
        holder,
        epoch: Epoch::FIRST,
        ttl: Span(15_000),
        state: state(list),
        written_by,
    };
    let beat = Beat {
        epoch: Epoch::FIRST,
        written_by,
    };
    let entry = |key, record| Entry {
        key,
        revision: Revision(2),
        record,
    };
    Snapshot {
        revision: Revision(2),
        entries: vec![
            entry(Key::Grant(LockId::Agent(NODE)), Record::Grant(grant)),
            entry(Key::Beat(LockId::Agent(NODE)), Record::Beat(beat)),
        ],
    }
}

fn config() -> Config {
    let config = Config::new(Profile::Default.timing(), Ranks::default());
    config.unwrap_or_else(|broken| panic!("{broken:?}"))
}

/// Where `me` stands once the lock has been silent for a day.
fn stands(me: Holder, seen: &Snapshot) -> Standing {
    let (config, day) = (config(), Instant(86_400_000));
    let mut client = Client::new(LockId::Agent(NODE), me);
    client.observe(&config, Instant(1), seen);
    client.standing(&config, day)
}

#[test]
fn another_machine_never_takes_a_lock_that_lists_services_elsewhere() {
    let replacement = process(0, 7);
    for holder in [process(0, 0), process(1, 1)] {
        for state in [GrantState::HeldUnguarded, GrantState::ReleasedRunning] {
            let seen = snapshot(holder, state);
            assert_eq!(stands(replacement, &seen), Standing::OtherMachine);
        }
    }
}

#[test]
fn the_machine_that_was_left_takes_it() {
    let home = process(0, 0);
    for state in [GrantState::HeldUnguarded, GrantState::ReleasedRunning] {
        let seen = snapshot(process(1, 1), state);
        assert!(matches!(stands(home, &seen), Standing::Free(_)));
    }
}

#[test]
fn another_machine_is_told_of_once() {
    let config = config();
    let mut lrm = Lrm::new(process(0, 7));
    let mut told = 0;
    let mut shown = snapshot(process(0, 0), GrantState::ReleasedRunning);
    let mut inputs = vec![
        Input::Reaped,
        Input::KernelLock {
            intents: Vec::new(),
        },
    ];
    for second in 1..5 {
        while let Some(input) = inputs.pop() {
            let mut out = Effects::new();
            lrm.step(&config, Instant(second * 1000), input, &mut out);
            let other = |event: &&Event| matches!(event, Event::OtherMachine { .. });
            told += out.events.iter().filter(other).count();
            assert!(!out.effects.iter().any(|it| matches!(it, Effect::Write(_))));
        }
        shown.revision.0 += 1;
        inputs.push(Input::Watched(shown.clone()));
    }
    assert_eq!(told, 1);
}
