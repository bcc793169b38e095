//! How commands ended, kept for as long as somebody may look for them.

use alloc::vec::Vec;
use core::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::id::{ServiceId, Uid};
use crate::manager::status::{ExitCode, LrmResult};
use crate::visit::{Visit, Visitor};

/// At most one result for each command, in the order of their uids.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Results(Vec<LrmResult>);

impl Results {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn all(&self) -> &[LrmResult] {
        &self.0
    }

    fn find(&self, uid: Uid) -> Result<usize, usize> {
        self.0.binary_search_by_key(&uid, |result| result.uid)
    }

    /// How this command ended, if it did.
    pub(super) fn of(&self, uid: Uid) -> Option<ExitCode> {
        let at = self.find(uid).ok()?;
        self.0.get(at).map(|result| result.code)
    }

    /// Keeps a result, unless nobody asked for it; a later one for the same command replaces it.
    pub(super) fn record(&mut self, result: LrmResult) {
        if result.uid == Uid::NONE {
            return;
        }
        match self.find(result.uid) {
            Ok(at) => {
                if let Some(slot) = self.0.get_mut(at) {
                    *slot = result;
                }
            }
            Err(at) => self.0.insert(at, result),
        }
    }

    /// Forgets the results of commands that don't stand any more.
    pub(super) fn retain(&mut self, stands: impl Fn(ServiceId, Uid) -> bool) {
        self.0.retain(|result| stands(result.service, result.uid));
    }

    /// Whether they are in order, each once.
    pub(super) fn are_sorted(&self) -> bool {
        self.0.is_sorted_by(|one, other| one.uid < other.uid)
    }
}

impl Visit for Results {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.0.visit(visitor);
    }
}

/// Whose worker begins first: of those passed over most often the first by name.
pub(super) type Turn = (Reverse<u32>, (u16, u16));

/// The turn of a service passed over so often, whose name has this rank.
pub(super) const fn turn(passes: u32, rank: (u16, u16)) -> Turn {
    (Reverse(passes), rank)
}
