//! What only a person can know, as conditional writes.
//!
//! Whoever runs a command is shown what is believed, and says that it is otherwise. The write compares
//! what was shown: should anything have happened since, it is refused, and they are to look again.

use alloc::vec;

use crate::id::{LockId, NodeId, RequestId};
use crate::record::{
    Compare, Data, DataKey, Fence, Grant, GrantState, Key, Put, Record, Snapshot, Term, Write,
};

/// A person says that a node is dead: whatever it left running is gone, and the term in which it did
/// so has ended. What was frozen there is recovered; a node that comes back holds its lock anew.
///
/// `None` if the node never held its lock: then nothing rests on it.
#[must_use]
pub fn confirm_dead(snapshot: &Snapshot, node: NodeId, request: RequestId) -> Option<Write> {
    let grants = Key::Grant(LockId::Agent(node));
    let grant = snapshot.grant(LockId::Agent(node))?;
    let fences = Key::Data(DataKey::Fence(node));
    let compare = |key| Compare {
        key,
        revision: snapshot.revision_of(key),
    };
    let fence = Fence {
        term: Term::of(grant),
        confirmed: true,
        written_by: request,
    };
    let released = Grant {
        state: GrantState::ReleasedClean,
        written_by: request,
        ..grant.clone()
    };
    Some(Write {
        request,
        // A node that gives any sign of life isn't dead.
        compares: vec![
            compare(grants),
            compare(Key::Beat(LockId::Agent(node))),
            compare(Key::Data(DataKey::Lrm(node))),
            compare(fences),
        ],
        puts: vec![
            Put {
                key: grants,
                record: Record::Grant(released),
            },
            Put {
                key: fences,
                record: Record::Data(Data::Fence(fence).into()),
            },
        ],
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::id::{BootId, Epoch, Holder, Incarnation, MachineId, Revision, ServiceId};
    use crate::record::{Entry, Unguarded};
    use crate::time::Span;

    const NODE: NodeId = NodeId(1);

    const REQUEST: RequestId = RequestId {
        process: Incarnation(9),
        number: 1,
    };

    fn left_running() -> Grant {
        let holder = Holder {
            node: NODE,
            machine: MachineId(3),
            boot: BootId(4),
            incarnation: Incarnation(5),
        };
        Grant {
            holder,
            epoch: Epoch(6),
            ttl: Span(7),
            state: GrantState::ReleasedRunning(Unguarded {
                machine: holder.machine,
                boot: holder.boot,
                services: vec![ServiceId(0)],
            }),
            written_by: REQUEST,
        }
    }

    fn snapshot(entries: Vec<Entry>) -> Snapshot {
        Snapshot {
            revision: Revision(20),
            entries,
        }
    }

    #[test]
    fn what_was_left_is_gone_and_its_term_has_ended() {
        let grant = left_running();
        let key = Key::Grant(LockId::Agent(NODE));
        let entry = Entry {
            key,
            revision: Revision(11),
            record: Record::Grant(grant.clone()),
        };
        let write = confirm_dead(&snapshot(vec![entry]), NODE, REQUEST).expect("a grant");
        let fences = Key::Data(DataKey::Fence(NODE));
        let compared: Vec<_> = write
            .compares
            .iter()
            .map(|it| (it.key, it.revision))
            .collect();
        let absent = |key| (key, Revision::ABSENT);
        let beat = Key::Beat(LockId::Agent(NODE));
        let said = Key::Data(DataKey::Lrm(NODE));
        assert_eq!(
            compared,
            [
                (key, Revision(11)),
                absent(beat),
                absent(said),
                absent(fences)
            ]
        );
        let [released, fenced] = &write.puts[..] else {
            panic!("two records: {:?}", write.puts);
        };
        let released = released.record.as_grant().expect("the grant");
        assert_eq!(released.state, GrantState::ReleasedClean);
        assert_eq!(
            (released.epoch, released.holder),
            (grant.epoch, grant.holder)
        );
        let fence = fenced.record.as_data().and_then(Data::as_fence);
        let fence = fence.expect("the fence");
        assert_eq!((fence.term, fence.confirmed), (Term::of(&grant), true));
    }

    #[test]
    fn of_a_node_that_never_held_its_lock_there_is_nothing_to_say() {
        assert_eq!(confirm_dead(&snapshot(Vec::new()), NODE, REQUEST), None);
    }
}
