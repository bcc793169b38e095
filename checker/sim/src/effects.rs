//! Names for what processes do, by which a fault says between which effects it comes.

use lockstep_model::id::{Epoch, LockId};
use lockstep_model::record::{GrantState, Key, Record, Write};
use lockstep_model::watchdog::message::ToMultiplexer;
use lockstep_model::{lrm, watchdog};

/// The name of what an LRM does. `epoch` is that of the lock's grant as it stands.
#[must_use]
pub fn of_lrm(effect: &lrm::Effect, epoch: impl Fn(LockId) -> Option<Epoch>) -> &'static str {
    match effect {
        lrm::Effect::Write(write) => of_write(write, epoch),
        lrm::Effect::Read(_) => "read",
        lrm::Effect::Watchdog(request) => match request {
            ToMultiplexer::Attach { .. } => "attach",
            ToMultiplexer::Arm { .. } => "arm",
            ToMultiplexer::Extend { .. } => "extend",
            ToMultiplexer::Disarm { .. } => "disarm",
        },
        lrm::Effect::Reap => "reap",
        lrm::Effect::RecordIntent { .. } => "intent",
        lrm::Effect::Spawn { .. } => "spawn",
        lrm::Effect::KillServices(_) => "kill",
        lrm::Effect::Exit => "exit",
    }
}

fn of_write(write: &Write, epoch: impl Fn(LockId) -> Option<Epoch>) -> &'static str {
    for put in &write.puts {
        if let (Key::Grant(lock), Record::Grant(grant)) = (put.key, &put.record) {
            let new = epoch(lock).is_none_or(|present| grant.epoch > present);
            return match (&grant.state, new) {
                (GrantState::HeldGuarded | GrantState::HeldUnguarded(_), true) => "take",
                (GrantState::HeldGuarded | GrantState::HeldUnguarded(_), false) => "renew",
                (GrantState::ReleasedClean | GrantState::ReleasedRunning(_), _) => "release",
            };
        }
    }
    match write.puts.iter().any(|put| matches!(put.key, Key::Beat(_))) {
        true => "renew",
        false => "write",
    }
}

/// The name of what a multiplexer does.
#[must_use]
pub const fn of_mux(effect: &watchdog::Effect) -> &'static str {
    match effect {
        watchdog::Effect::Reply(..) => "reply",
        watchdog::Effect::SetTimer(_) => "set-timer",
        watchdog::Effect::Open { .. } => "open",
        watchdog::Effect::Ping => "ping",
        watchdog::Effect::Resize { .. } => "resize",
        watchdog::Effect::Close => "close",
        watchdog::Effect::Exit => "exit",
    }
}
