//! The store: where the locks and the services' locations stand, and the one way to change them.
//!
//! What this crate must not know: why anything is written. It moves records and answers honestly
//! whether a write was applied; every decision, including whether to try again, is the caller's.
//!
//! Where to start reading:
//!
//! 1. [`Store`]: the contract, which every backend keeps,
//! 2. [`Error`]: what may go wrong, and what an error says about a write,
//! 3. [`codec`]: the text of keys and records, and the bounds on both,
//! 4. [`Embedded`]: the backend for one machine,
//! 5. [`Bounded`]: a limit on how long the calls of any backend take,
//! 6. [`contract`]: the contract as tests, for every backend.

mod bounded;
pub mod codec;
pub mod contract;
mod embedded;
mod error;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use lockstep_model::id::Revision;
use lockstep_model::record::{Outcome, Snapshot, Write};

pub use bounded::Bounded;
pub use embedded::{Embedded, Options};
pub use error::{Doing, Error};

/// Which store this is: drawn at random when it is created, and never changed.
///
/// A store restored from a copy has the same id and a smaller revision; a store created anew in
/// its place has another id. Both are how a node notices that history isn't the one it knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u128);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for ClusterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_canonical = text.len() == 32
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_canonical {
            return Err("expected 32 lower-case hexadecimal digits".to_owned());
        }
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|error| error.to_string())
    }
}

/// One process's access to the store.
///
/// # The contract
///
/// **Records.** The store maps a [`Key`](lockstep_model::record::Key) to a record and the revision
/// of the write that put it. A key that was never put, or whose record was removed, has the
/// revision [`Revision::ABSENT`].
///
/// **Reading.** [`read`](Self::read) returns all records *at one moment* between its call and its
/// return: two records that are always written together are never seen apart, and whatever was
/// acknowledged to anyone before the call is in it. There is no cheaper, staler read.
///
/// **Writing.** [`write`](Self::write) changes all that the [`Write`] puts or nothing. It is
/// applied at one moment at which every [`Compare`](lockstep_model::record::Compare) holds, and
/// then every record that it puts gets the same new revision, greater than every revision before
/// it, also where the content is what it was. [`Outcome::Refused`] means that a condition did not
/// hold at one moment of the call, that nothing has been changed, and that nothing will be by this
/// request. A write that puts nothing changes nothing, and answers with the store's revision if
/// its conditions hold.
///
/// **Revisions** only grow, over all processes, restarts and removals, and none is used twice.
/// They need not be consecutive, and the first need not be 1.
///
/// **Acknowledged is durable.** [`Outcome::Applied`] is returned only after the write has survived
/// what the backend says that it survives.
///
/// **Unknown outcomes.** An error from [`write`](Self::write) says *nothing* about whether it was
/// applied, unless [`Error::is_certainly_not_applied`]. Worse, it may still be applied later, once,
/// at any time at which its conditions hold. A later read can show that it was applied (its
/// [`RequestId`](lockstep_model::id::RequestId) stands in what it put); no read can show that it
/// wasn't. Only a later confirmed write of a key that it compares settles it.
///
/// **No retries.** One call of [`write`](Self::write) sends one request. A backend whose client
/// library retries by itself must switch that off: the protocol counts a lock's life from the
/// moment before the request was sent, and numbers each request once.
///
/// **Time.** A call waits for other processes as long as the backend was told when it was opened,
/// and then ends with [`Error::Unavailable`]. Storage that itself stalls may stall the call.
/// [`Bounded`] limits both, whatever the reason. Calls belong on a thread that has nothing else to
/// do.
///
/// **Bounds** are the same for all backends and checked before anything is sent: see [`codec`].
///
/// **After an error** the handle stays usable where trying again can help
/// ([`Error::Unavailable`]); otherwise it answers with the same error until somebody acts.
pub trait Store: Send {
    /// Which store this is. Known since it was opened.
    fn cluster(&self) -> ClusterId;

    /// All records at one moment.
    ///
    /// # Errors
    ///
    /// Any but those of opening. No part of a snapshot is returned if one record is broken.
    fn read(&mut self) -> Result<Snapshot, Error>;

    /// Changes records if all conditions hold.
    ///
    /// # Errors
    ///
    /// Any but those of opening. The outcome is then unknown, unless
    /// [`Error::is_certainly_not_applied`].
    fn write(&mut self, write: &Write) -> Result<Outcome, Error>;

    /// The store's revision at one moment: that of a [`read`](Self::read), without the records.
    ///
    /// It is at least that of every write acknowledged before the call. Meant for polling: an
    /// unchanged revision means that a read would return what it returned before.
    ///
    /// # Errors
    ///
    /// Any but those of opening.
    fn revision(&mut self) -> Result<Revision, Error>;

    /// Waits until the store's revision is greater than `since`, for about `patience` at most.
    ///
    /// `Ok(Some(revision))`: something has changed, so reading is worth while; how many changes,
    /// and which, only a read tells. `Ok(None)`: nothing was noticed. It is a **hint**: it may
    /// come late, and a caller reads from time to time without one. The handle can do nothing else
    /// meanwhile; who must write at any moment gives watching a thread and handle of its own.
    ///
    /// # Errors
    ///
    /// Any but those of opening.
    fn watch(&mut self, since: Revision, patience: Duration) -> Result<Option<Revision>, Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_ids_have_one_text() {
        for id in [0, 1, u128::MAX] {
            let text = ClusterId(id).to_string();
            assert_eq!(text.parse(), Ok(ClusterId(id)), "{text}");
        }
        for text in ["", "1", &"A".repeat(32), &"+".repeat(32), &"0".repeat(33)] {
            assert!(text.parse::<ClusterId>().is_err(), "{text}");
        }
    }
}
