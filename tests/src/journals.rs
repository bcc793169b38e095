//! What a node's processes wrote down.

use std::fs;
use std::path::{Path, PathBuf};

use lockstep_model::journal::{Entry, replay};
use lockstep_model::lrm;
use lockstep_model::time::Instant;
use lockstep_model::watchdog::Effect;
use lockstep_node::journal;

use crate::node::Node;

impl Node {
    fn journals(&self) -> Vec<PathBuf> {
        let inside = [self.path("."), self.path("state")];
        let files = inside.iter().filter_map(|path| fs::read_dir(path).ok());
        files
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|one| one == "journal"))
            .collect()
    }

    /// Whether an LRM of this node has wanted this done.
    #[must_use]
    pub fn lrm_wanted(&self, wanted: impl Fn(&lrm::Effect) -> bool) -> bool {
        let journals = self.journals();
        let entries = journals.iter().filter_map(|path| journal::read(path).ok());
        let mut entries = entries.flat_map(|(_, entries)| entries);
        entries.any(|entry| match entry {
            Entry::Lrm(step) => step.effects.iter().any(&wanted),
            Entry::Multiplexer(_) | Entry::Contender(_) => false,
        })
    }

    /// Replays all journals. Returns how many steps they have. Where `LOCKSTEP_JOURNALS` names a
    /// directory, they are put there, too.
    ///
    /// # Panics
    ///
    /// When one can't be read, gives other effects, or has no step.
    #[must_use]
    pub fn replay(&self) -> u64 {
        let journals = self.journals();
        assert!(journals.len() >= 2, "every process has a journal");
        if let Some(directory) = std::env::var_os("LOCKSTEP_JOURNALS") {
            self.put_journals(Path::new(&directory));
        }
        let steps = journals.iter().map(|path| {
            let (header, entries) =
                journal::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let steps = replay(&header, entries)
                .unwrap_or_else(|difference| panic!("{}: {difference:?}", path.display()));
            assert!(steps > 0, "{}: no step", path.display());
            steps
        });
        steps.sum()
    }

    fn put_journals(&self, directory: &Path) {
        fs::create_dir_all(directory).expect("the directory for journals is made");
        let own = self.path("");
        let node = own.file_name().unwrap_or_default();
        for journal in self.journals() {
            let mut name = node.to_owned();
            name.push("-");
            name.push(journal.file_name().unwrap_or_default());
            fs::copy(&journal, directory.join(name)).expect("the journal is copied");
        }
    }

    /// The last deadline D that a multiplexer enforced.
    #[must_use]
    pub fn last_deadline(&self) -> Option<Instant> {
        let journals = self
            .journals()
            .into_iter()
            .filter_map(|path| journal::read(&path).ok());
        let steps = journals.flat_map(|(_, entries)| entries);
        let deadlines = steps.filter_map(|entry| match entry {
            Entry::Multiplexer(step) => Some(step.effects),
            Entry::Lrm(_) | Entry::Contender(_) => None,
        });
        let last = deadlines.flatten().filter_map(|effect| match effect {
            Effect::SetTimer(at) => at,
            Effect::Reply(..)
            | Effect::Open { .. }
            | Effect::Ping
            | Effect::Resize { .. }
            | Effect::Close
            | Effect::Exit => None,
        });
        last.max()
    }
}
