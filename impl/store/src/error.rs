//! What may go wrong.

use std::error::Error as StdError;
use std::fmt;

use lockstep_model::id::Revision;

use crate::ClusterId;

/// What was being done to the store when it went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doing {
    /// Making a new one.
    Create,
    /// Opening it.
    Open,
    /// Reading records or the revision.
    Read,
    /// Changing records.
    Write,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// Why a call did not do what it should. The texts follow "failed to".
///
/// `store` names the store as it was opened, for example by its path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store can't be reached or can't do its work now; trying again later can help.
    #[error("{doing} the store {store}: {reason}")]
    Unavailable {
        /// What was tried.
        doing: Doing,
        /// Which store.
        store: String,
        /// Who or what is in the way.
        reason: String,
        /// What the backend said.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// There is nothing under this name.
    #[error("open the store {store}: there is none; expected one that was created before")]
    Missing {
        /// Which store.
        store: String,
    },
    /// There is something under the name that a new store is to have.
    #[error("create the store {store}: something of that name exists; expected nothing there")]
    Exists {
        /// Which store.
        store: String,
    },
    /// Something is there, but not a store of this kind.
    #[error("open the store {store}: found {found}; expected {expected}")]
    NotAStore {
        /// Which store.
        store: String,
        /// What is there instead.
        found: String,
        /// What should be there.
        expected: &'static str,
    },
    /// A store, but written by a version of this program that lays it out differently.
    #[error("open the store {store}: found schema version {found}; expected version {expected}")]
    OtherSchema {
        /// Which store.
        store: String,
        /// The version found.
        found: i64,
        /// The version that this program knows.
        expected: i64,
    },
    /// A store, but that of another cluster.
    #[error("open the store {store}: found that of cluster {found}; expected cluster {expected}")]
    OtherCluster {
        /// Which store.
        store: String,
        /// Whose it is.
        found: ClusterId,
        /// Whose it should be.
        expected: ClusterId,
    },
    /// The store was exchanged for another file under the feet of this handle.
    #[error(
        "{doing} the store {store}: it was replaced since it was opened; expected the same file, open it again to go on with the new one"
    )]
    Replaced {
        /// What was tried.
        doing: Doing,
        /// Which store.
        store: String,
    },
    /// The store's history is shorter than what was seen of it before.
    #[error("{doing} the store {store}: found revision {}, less than revision {} seen before; expected a store that was not rolled back", found.0, seen.0)]
    RolledBack {
        /// What was tried.
        doing: Doing,
        /// Which store.
        store: String,
        /// The revision seen before.
        seen: Revision,
        /// The revision found now.
        found: Revision,
    },
    /// The store's own structure is damaged.
    #[error(
        "{doing} the store {store}: it is damaged ({reason}); expected an intact one, restore it or create it anew"
    )]
    Damaged {
        /// What was tried.
        doing: Doing,
        /// Which store.
        store: String,
        /// What is wrong with it.
        reason: String,
        /// What the backend said.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// One record is not what its key promises.
    #[error("read the record {key:?}: found {found}; expected {expected}")]
    Broken {
        /// The record's key as it stands in the store, shortened if it is long.
        key: String,
        /// What is there, shortened if it is long.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// Something is larger than the bounds in [`codec`](crate::codec).
    #[error("{doing} {what}: it has {size}; expected at most {size_max}")]
    TooLarge {
        /// What was tried.
        doing: Doing,
        /// What is too large.
        what: String,
        /// Its size, in the unit that `what` says.
        size: u64,
        /// The bound.
        size_max: u64,
    },
    /// A write that contradicts itself; it was never sent.
    #[error("write the record {key:?}: {reason}")]
    Malformed {
        /// The key at fault.
        key: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// An option outside its range.
    #[error("open the store with {name} = {value}: expected {expected}")]
    Options {
        /// Which option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
}

impl Error {
    /// Whether a write that ended with this error was never sent, so that it can't be applied
    /// later either.
    ///
    /// Of every other error a caller must assume that it was applied, and that it wasn't.
    #[must_use]
    pub const fn is_certainly_not_applied(&self) -> bool {
        match self {
            Self::Malformed { .. } => true,
            Self::TooLarge { doing, .. } => matches!(doing, Doing::Write),
            Self::Unavailable { .. }
            | Self::Missing { .. }
            | Self::Exists { .. }
            | Self::NotAStore { .. }
            | Self::OtherSchema { .. }
            | Self::OtherCluster { .. }
            | Self::Replaced { .. }
            | Self::RolledBack { .. }
            | Self::Damaged { .. }
            | Self::Broken { .. }
            | Self::Options { .. } => false,
        }
    }
}
