//! Tables by id: ids are small and dense, so a vector serves better than a tree.

use alloc::vec::Vec;
use core::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::id::{NodeId, ServiceId};

/// An id that numbers the rows of a [`Table`].
pub trait Index: Copy {
    /// The row.
    fn row(self) -> usize;

    /// The id of a row, unless there are more rows than ids.
    fn of_row(row: usize) -> Option<Self>;
}

impl Index for NodeId {
    fn row(self) -> usize {
        usize::from(self.0)
    }

    fn of_row(row: usize) -> Option<Self> {
        u16::try_from(row).ok().map(Self)
    }
}

impl Index for ServiceId {
    fn row(self) -> usize {
        usize::from(self.0)
    }

    fn of_row(row: usize) -> Option<Self> {
        u16::try_from(row).ok().map(Self)
    }
}

/// Something for some of the ids. Rows that were never used cost the size of an empty one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Table<I, T> {
    rows: Vec<Option<T>>,
    #[serde(skip)]
    ids: PhantomData<I>,
}

impl<I, T> Default for Table<I, T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            ids: PhantomData,
        }
    }
}

impl<I: Index, T> Table<I, T> {
    /// A table without anything in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What stands under `id`.
    #[must_use]
    pub fn get(&self, id: I) -> Option<&T> {
        self.rows.get(id.row())?.as_ref()
    }

    /// What stands under `id`, to be changed.
    pub fn get_mut(&mut self, id: I) -> Option<&mut T> {
        self.rows.get_mut(id.row())?.as_mut()
    }

    /// Whether anything stands under `id`.
    #[must_use]
    pub fn contains(&self, id: I) -> bool {
        self.get(id).is_some()
    }

    /// Puts `value` under `id` and returns what stood there.
    pub fn insert(&mut self, id: I, value: T) -> Option<T> {
        let row = id.row();
        if row >= self.rows.len() {
            self.rows.resize_with(row + 1, || None);
        }
        self.rows.get_mut(row)?.replace(value)
    }

    /// Takes away what stands under `id`.
    pub fn remove(&mut self, id: I) -> Option<T> {
        self.rows.get_mut(id.row())?.take()
    }

    /// Everything, in the order of the ids' numbers, which is no order of names.
    pub fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.rows
            .iter()
            .enumerate()
            .filter_map(|(row, value)| Some((I::of_row(row)?, value.as_ref()?)))
    }

    /// Everything, to be changed, in the order of the ids' numbers.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (I, &mut T)> {
        self.rows
            .iter_mut()
            .enumerate()
            .filter_map(|(row, value)| Some((I::of_row(row)?, value.as_mut()?)))
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(Option::is_none)
    }

    /// Takes everything away and keeps the space.
    pub fn clear(&mut self) {
        self.rows.clear();
    }
}

impl<I, T> Table<I, T> {
    /// Every value, to be changed, in the order of the ids' numbers.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.rows.iter_mut().flatten()
    }
}

impl<I: Index, T> FromIterator<(I, T)> for Table<I, T> {
    fn from_iter<A: IntoIterator<Item = (I, T)>>(items: A) -> Self {
        let mut table = Self::new();
        for (id, value) in items {
            table.insert(id, value);
        }
        table
    }
}
