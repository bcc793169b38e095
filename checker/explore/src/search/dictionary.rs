//! The parts of states, each kept once and known by a number.
//!
//! The workers share one [`Dictionary`]. Each looks first in what it has seen itself, a [`Reader`],
//! and takes a lock only for what is new to it. Which number a part gets depends on who came first;
//! nothing that a search reports depends on it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The bytes of a part.
type Part = Arc<[u8]>;

type Numbers = HashMap<Part, u32, BuildHasherDefault<PartHasher>>;

/// What a part costs beside its bytes: two counters, its places in the list and in the table, and
/// those in one reader. Tables are between seven sixteenths and seven eighths full.
const BY_PART: u64 = 16 + 2 * (16 + 36);

/// All parts of all states that wait.
#[derive(Debug)]
pub(super) struct Dictionary {
    kinds: Vec<Mutex<Kind>>,
    bytes: AtomicU64,
}

/// The parts of one kind.
#[derive(Debug, Default)]
struct Kind {
    numbers: Numbers,
    parts: Vec<Part>,
}

impl Dictionary {
    /// An empty dictionary for so many kinds of parts.
    pub(super) fn new(kinds: usize) -> Self {
        Self {
            kinds: (0..kinds).map(|_| Mutex::default()).collect(),
            bytes: AtomicU64::new(0),
        }
    }

    /// A worker's view of it.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            dictionary: self,
            numbers: self.kinds.iter().map(|_| Numbers::default()).collect(),
            parts: self.kinds.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// Bytes in use, readers included.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The number of kinds.
    pub(super) fn kinds(&self) -> usize {
        self.kinds.len()
    }

    /// The parts of one kind, in the order of their numbers.
    pub(super) fn parts(&self, kind: usize) -> Vec<Part> {
        self.kind(kind).parts.clone()
    }

    /// The number of a part, which it gets now if it has none.
    pub(super) fn number(&self, kind: usize, part: &[u8]) -> (u32, Part) {
        let mut kind = self.kind(kind);
        if let Some((part, &number)) = kind.numbers.get_key_value(part) {
            return (number, Arc::clone(part));
        }
        let number = u32::try_from(kind.parts.len()).expect("memory ends before the numbers do");
        let part: Part = part.into();
        kind.numbers.insert(Arc::clone(&part), number);
        kind.parts.push(Arc::clone(&part));
        self.bytes
            .fetch_add(part.len() as u64 + BY_PART, Ordering::Relaxed);
        (number, part)
    }

    fn kind(&self, kind: usize) -> MutexGuard<'_, Kind> {
        // Nothing of the model's runs under the lock, so a panic leaves nothing half done.
        let lock = self.kinds[kind].lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one worker has seen of a dictionary.
#[derive(Debug)]
pub(super) struct Reader<'d> {
    dictionary: &'d Dictionary,
    numbers: Vec<Numbers>,
    parts: Vec<Vec<Option<Part>>>,
}

impl Reader<'_> {
    /// The number of a part, which it gets now if it has none.
    pub(super) fn number(&mut self, kind: usize, part: &[u8]) -> u32 {
        if let Some(&number) = self.numbers[kind].get(part) {
            return number;
        }
        let (number, part) = self.dictionary.number(kind, part);
        self.numbers[kind].insert(part, number);
        number
    }

    /// The part with this number, if there is one.
    pub(super) fn part(&mut self, kind: usize, number: u32) -> Option<&[u8]> {
        let index = number as usize;
        let parts = self.parts.get_mut(kind)?;
        if parts.get(index).is_none_or(Option::is_none) {
            let part = self.dictionary.kind(kind).parts.get(index).cloned()?;
            if parts.len() <= index {
                parts.resize(index + 1, None);
            }
            parts[index] = Some(part);
        }
        parts[index].as_deref()
    }
}

/// Hashes a part in one go.
#[derive(Default)]
struct PartHasher(u64);

impl Hasher for PartHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_usize(&mut self, length: usize) {
        self.0 ^= length as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_keeps_its_number() {
        let dictionary = Dictionary::new(2);
        let (mut one, mut other) = (dictionary.reader(), dictionary.reader());
        assert_eq!(one.number(0, b"first"), 0);
        assert_eq!(one.number(0, b"second"), 1);
        assert_eq!(one.number(1, b"second"), 0);
        assert_eq!(other.number(0, b"second"), 1);
        assert_eq!(other.number(0, b""), 2);
        assert_eq!(other.part(0, 0), Some(&b"first"[..]));
        assert_eq!(one.part(0, 2), Some(&b""[..]));
        assert_eq!(one.part(1, 0), Some(&b"second"[..]));
        assert_eq!(one.part(1, 1), None);
        assert_eq!(one.part(2, 0), None);
        let parts = dictionary.parts(0);
        assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), 11);
        assert!(dictionary.bytes() >= 4 * BY_PART + 17);
    }
}
