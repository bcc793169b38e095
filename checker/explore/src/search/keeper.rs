//! When and where a search is kept.

use super::checkpoint::{Checkpoint, Rest, write};
use super::dictionary::Dictionary;
use super::options::Options;
use super::tally::Names;
use std::time::Duration;

/// What is needed to keep a search.
pub(super) struct Keeper<'a> {
    /// `None` if the search isn't kept.
    checkpoint: Option<&'a Checkpoint>,
    names: &'a Names,
    /// `None` if states aren't packed.
    dictionary: Option<&'a Dictionary>,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(
        options: &'a Options,
        names: &'a Names,
        dictionary: Option<&'a Dictionary>,
    ) -> Self {
        Self {
            checkpoint: options.checkpoint.as_ref(),
            names,
            dictionary,
        }
    }

    /// Whether the search is to be kept.
    pub(super) const fn is_wanted(&self) -> bool {
        self.checkpoint.is_some()
    }

    /// Whether it is time to, this long after the last time.
    pub(super) fn is_due(&self, since: Duration) -> bool {
        self.checkpoint
            .is_some_and(|checkpoint| since >= checkpoint.every)
    }

    /// Bytes of the dictionary.
    pub(super) fn dictionary_bytes(&self) -> u64 {
        self.dictionary.map_or(0, Dictionary::bytes)
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// Why it couldn't be written.
    pub(super) fn keep<'r, S>(
        &self,
        options: &Options,
        rest: impl FnOnce(&'r Names, &'r Dictionary) -> Rest<'r, S>,
    ) -> Result<(), String>
    where
        'a: 'r,
        S: 'r,
    {
        let checkpoint = self.checkpoint.expect("only asked for what is wanted");
        let Some(dictionary) = self.dictionary else {
            return Err("states of this model can't be kept in a file".into());
        };
        let kept = write(checkpoint, options, &rest(self.names, dictionary));
        kept.map_err(|error| {
            let file = checkpoint.file.display();
            format!("failed to write {file}: {error}")
        })
    }
}
