//! How each state was first reached, kept in five bytes a state.

use std::collections::BTreeMap;

/// A state's number: states are numbered in the order in which they are found.
pub(super) type Id = u32;

/// Links in one chunk. Chunks keep the log from ever being copied as a whole.
const CHUNK: usize = 1 << 16;

/// Where something was seen. Ordered as a sequential search comes across them:
/// it judges all initial states before it expands the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spot {
    /// In an initial state.
    Initial(Id),
    /// While a state was expanded.
    Within {
        /// The state.
        state: Id,
        /// Which of its successors it is about, if it is about one.
        choice: Option<u16>,
    },
}

/// The step that first reached a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The state it came from.
    pub(super) parent: Id,
    /// Which of that state's successors it is.
    pub(super) choice: u16,
}

/// The links of all states but the initial ones, in the states' order.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// For each unique initial state its place among the model's initial
    /// states; their numbers are the first ones.
    pub(super) roots: Vec<usize>,
    parents: Vec<Vec<Id>>,
    choices: Vec<Vec<u8>>,
    /// The choices that a byte can't hold, by the link's place. Few states have so many successors.
    wide: BTreeMap<u32, u16>,
    count: usize,
}

/// Stands for a choice that a byte can't hold.
const WIDE: u8 = u8::MAX;

/// What an entry of the table of wide choices takes, roughly.
const WIDE_BYTES: usize = 16;

impl Links {
    /// Appends the link of the next state.
    pub(super) fn push(&mut self, link: Link) {
        if self.count.is_multiple_of(CHUNK) {
            // A small search needs no full chunk, a large one many.
            let capacity = if self.count == 0 { 0 } else { CHUNK };
            self.parents.push(Vec::with_capacity(capacity));
            self.choices.push(Vec::with_capacity(capacity));
        }
        let chunk = self.count / CHUNK;
        self.parents[chunk].push(link.parent);
        let choice = u8::try_from(link.choice).unwrap_or(WIDE);
        if choice == WIDE {
            self.wide.insert(self.count as u32, link.choice);
        }
        self.choices[chunk].push(choice);
        self.count += 1;
    }

    /// The number of states.
    pub(super) fn states(&self) -> usize {
        self.roots.len() + self.count
    }

    /// Bytes in use.
    pub(super) fn bytes(&self) -> usize {
        let full = self.parents.len().saturating_sub(1) * CHUNK;
        let last = self.parents.last().map_or(0, Vec::capacity);
        (full + last) * (size_of::<Id>() + size_of::<u8>())
            + self.wide.len() * WIDE_BYTES
            + self.roots.capacity() * size_of::<usize>()
    }

    /// The way to a state: the place of an initial state and the choices from
    /// there.
    pub(super) fn way_to(&self, state: Id) -> (usize, Vec<u16>) {
        let mut choices = Vec::new();
        let mut at = state as usize;
        while at >= self.roots.len() {
            let link = self.get(at - self.roots.len());
            assert!((link.parent as usize) < at, "a parent is found first");
            choices.push(link.choice);
            at = link.parent as usize;
        }
        choices.reverse();
        (self.roots[at], choices)
    }

    /// All links, in the states' order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Link> {
        (0..self.count).map(|index| self.get(index))
    }

    /// The step that first reached a state; `None` for an initial one.
    pub(super) fn link_of(&self, state: Id) -> Option<Link> {
        let index = (state as usize).checked_sub(self.roots.len())?;
        Some(self.get(index))
    }

    fn get(&self, index: usize) -> Link {
        let choice = self.choices[index / CHUNK][index % CHUNK];
        Link {
            parent: self.parents[index / CHUNK][index % CHUNK],
            choice: match choice {
                WIDE => self.wide[&(index as u32)],
                narrow => u16::from(narrow),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_chain_is_followed_over_chunks() {
        let mut links = Links {
            roots: vec![3, 5],
            ..Links::default()
        };
        // State 2 hangs on the second initial state, every other on the one
        // before it.
        links.push(Link {
            parent: 1,
            choice: 9,
        });
        let last = 2 * CHUNK as Id;
        for state in 3..=last {
            let parent = state - 1;
            let choice = (state % 700) as u16;
            links.push(Link { parent, choice });
        }
        assert_eq!(links.states(), last as usize + 1);
        let (root, choices) = links.way_to(last);
        assert_eq!(root, 5);
        assert_eq!(choices.len(), last as usize - 1);
        assert_eq!(choices[..3], [9, 3, 4]);
        assert_eq!(links.way_to(0), (3, vec![]));
        assert!(links.bytes() >= 2 * CHUNK * 5);
        let known = links.iter().skip(1).zip(3..);
        for (link, state) in known {
            assert_eq!(u32::from(link.choice), state % 700);
        }
    }

    #[test]
    fn spots_are_ordered_as_they_are_met() {
        let within = |state, choice| Spot::Within { state, choice };
        assert!(Spot::Initial(0) < Spot::Initial(1));
        assert!(Spot::Initial(1) < within(0, None));
        assert!(within(1, None) < within(1, Some(0)));
        assert!(within(1, Some(9)) < within(2, None));
    }
}
