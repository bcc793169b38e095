//! How commands ended, as the LRMs published it: what a round looks up for every service.

use alloc::vec::Vec;

use super::status::{ExitCode, LrmMode, LrmResult, LrmStatus};
use crate::id::{NodeId, Uid};
use crate::table::Table;

/// A buffer of one round, kept for its space.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    /// The results of all nodes by uid; of several for one uid, the first node's comes first. Made
    /// when it is needed first, since most services are answered by their own node.
    all: Vec<LrmResult>,
    is_complete: bool,
    /// The greatest uid that has an answer.
    last: Option<Uid>,
}

impl Answers {
    /// Forgets the last round's.
    pub(super) fn begin(
        &mut self,
        known: &Table<NodeId, LrmMode>,
        lrms: &Table<NodeId, LrmStatus>,
    ) {
        self.all.clear();
        self.is_complete = false;
        let last = published(known, lrms).filter_map(|results| results.last());
        self.last = last.map(|result| result.uid).max();
    }

    /// The answer to `uid`: that of `node` if it gave one, else any.
    pub(super) fn find(
        &mut self,
        uid: Uid,
        node: NodeId,
        known: &Table<NodeId, LrmMode>,
        lrms: &Table<NodeId, LrmStatus>,
    ) -> Option<ExitCode> {
        // A uid that was given in this round is greater than all that were answered.
        if Some(uid) > self.last {
            return None;
        }
        let own = lrms.get(node).filter(|_| known.contains(node));
        if let Some(code) = own.and_then(|lrm| code_in(&lrm.results, uid)) {
            return Some(code);
        }
        // The service may have been moved by hand since, while nobody looked.
        if !self.is_complete {
            self.is_complete = true;
            self.all.extend(published(known, lrms).flatten());
            self.all.sort_by_key(|result| result.uid);
            self.all.dedup_by_key(|result| result.uid);
        }
        code_in(&self.all, uid)
    }
}

/// The results of the nodes that are known.
fn published<'a>(
    known: &'a Table<NodeId, LrmMode>,
    lrms: &'a Table<NodeId, LrmStatus>,
) -> impl Iterator<Item = &'a [LrmResult]> {
    let nodes = known.iter().map(|(node, _)| node);
    nodes.filter_map(|node| Some(lrms.get(node)?.results.as_slice()))
}

fn code_in(results: &[LrmResult], uid: Uid) -> Option<ExitCode> {
    let at = results
        .binary_search_by_key(&uid, |result| result.uid)
        .ok()?;
    results.get(at).map(|result| result.code)
}
