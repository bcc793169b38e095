//! The grammar that resources, groups and rules share (specification, configuration §2).
//!
//! Each kind of file gives a [`Grammar`], which is data, and a [`Content`], which turns the checked
//! values of a section into a type of its own and back. Reading and writing know nothing else.

mod read;
pub mod table;
pub mod value;
mod write;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::warning::Warnings;
pub use table::{Coding, Grammar, IdKind, Property, SectionType, Usage, ValueKind};
pub use value::{Value, Values};
pub use write::WriteError;

/// What a section says, as a type.
pub trait Content: Sized {
    /// What its file may hold.
    const GRAMMAR: Grammar;

    /// The content of a section of this type. Every value has been checked, and those that are
    /// required are there.
    fn from_values(type_name: &str, values: Values) -> Self;

    /// The name of the section's type.
    fn type_name(&self) -> &'static str;

    /// What is written.
    fn values(&self) -> Values;
}

/// A section's content with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Section<C> {
    /// Its order number. Several sections may have the same one; without one it comes last.
    pub order: Option<u64>,
    /// What it says.
    pub content: C,
}

/// The sections of a file by their ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sections<C>(BTreeMap<String, Section<C>>);

impl<C> Default for Sections<C> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<C> Sections<C> {
    /// No sections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The content of a section.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&C> {
        self.0.get(id).map(|section| &section.content)
    }

    /// The content of a section, to be changed. Its order number stays.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut C> {
        self.0.get_mut(id).map(|section| &mut section.content)
    }

    /// The order number of a section that has one.
    #[must_use]
    pub fn order(&self, id: &str) -> Option<u64> {
        self.0.get(id).and_then(|section| section.order)
    }

    /// Puts a section in, instead of one with that id.
    pub fn insert(&mut self, id: String, order: Option<u64>, content: C) {
        self.0.insert(id, Section { order, content });
    }

    /// Takes a section out.
    pub fn remove(&mut self, id: &str) -> Option<Section<C>> {
        self.0.remove(id)
    }

    /// All sections, by id in byte order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &C)> {
        let entries = self.0.iter();
        entries.map(|(id, section)| (id.as_str(), &section.content))
    }

    /// All contents, by id in byte order, to be changed.
    pub fn contents_mut(&mut self) -> impl Iterator<Item = (&str, &mut C)> {
        let entries = self.0.iter_mut();
        entries.map(|(id, section)| (id.as_str(), &mut section.content))
    }

    /// All sections by order number; those with the same one, or without any at the end, by id.
    #[must_use]
    pub fn in_order(&self) -> Vec<(&str, &C)> {
        let mut entries: Vec<_> = self.0.iter().collect();
        // The ids are in order already, and the sort is stable.
        entries.sort_by_key(|(_, section)| section.order.unwrap_or(u64::MAX));
        let entries = entries.into_iter();
        entries
            .map(|(id, section)| (id.as_str(), &section.content))
            .collect()
    }

    /// The order number that a new section gets: one more than the smallest, or 1.
    #[must_use]
    pub fn next_order(&self) -> u64 {
        next_order(self.0.values().filter_map(|section| section.order).min())
    }
}

/// The order number of a new section among others of which this is the smallest.
pub(crate) fn next_order(least: Option<u64>) -> u64 {
    least.map_or(1, |least| least.saturating_add(1))
}

impl<C: Content> Sections<C> {
    /// Reads a file's text. `file` is its name as warnings are to show it.
    #[must_use]
    pub fn read(file: &str, text: &str) -> (Self, Warnings) {
        read::read(file, text)
    }

    /// The text of the file, which reads as the same sections, in the same order. Blanks around a
    /// verbatim comment are lost.
    ///
    /// # Errors
    ///
    /// If a section couldn't be read again: its id is wrong, a required value is empty, or a value
    /// is one that its property can't have.
    pub fn write(&self) -> Result<String, WriteError> {
        write::write(self)
    }
}
