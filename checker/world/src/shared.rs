//! Parts of worlds that several worlds share.
//!
//! A step changes one process, its host, perhaps the store. What it leaves alone isn't copied: both
//! worlds hold the same part. A part also remembers what is asked of it again and again: its
//! fingerprint, and the ids in it, so that one that didn't change is neither hashed nor walked through
//! once more.

use std::cell::Cell;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

use lockstep_model::id::{BootId, Epoch, Incarnation, LockId, Revision, Uid};
use lockstep_model::record::Key;
use lockstep_model::visit::{Visit, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_128;

/// A value that is copied when it is changed, if somebody else holds it too.
///
/// It compares, prints and is written as the value itself. What it hashes as is a fingerprint of 128
/// bits of what the value hashes as.
pub struct Shared<T>(Arc<Kept<T>>);

/// A value, and what was asked of it since it was changed last.
struct Kept<T> {
    value: T,
    fingerprint: OnceLock<u128>,
    ids: OnceLock<Box<[Id]>>,
}

impl<T> Kept<T> {
    const fn new(value: T) -> Self {
        Self {
            value,
            fingerprint: OnceLock::new(),
            ids: OnceLock::new(),
        }
    }
}

impl<T: Clone> Clone for Kept<T> {
    /// The copy is made to be changed: it remembers nothing.
    fn clone(&self) -> Self {
        Self::new(self.value.clone())
    }
}

impl<T> Shared<T> {
    /// A value that nobody else holds yet.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(Kept::new(value)))
    }

    /// Whether both hold the same value in the same place.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        let kept = Arc::make_mut(&mut self.0);
        kept.fingerprint.take();
        kept.ids.take();
        &mut kept.value
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Shared<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.value.fmt(formatter)
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0.value == other.0.value
    }
}

impl<T: Eq> Eq for Shared<T> {}

impl<T: Ord> PartialOrd for Shared<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> Ord for Shared<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.is_same(other) {
            true => Ordering::Equal,
            false => self.0.value.cmp(&other.0.value),
        }
    }
}

impl<T: Hash> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let fingerprint = self.0.fingerprint.get_or_init(|| {
            // A part in a part takes a buffer of its own.
            let mut bytes = Bytes(BUFFER.take());
            bytes.0.clear();
            self.0.value.hash(&mut bytes);
            let fingerprint = xxh3_128(&bytes.0);
            BUFFER.set(bytes.0);
            fingerprint
        });
        hasher.write_u128(*fingerprint);
    }
}

thread_local! {
    /// Room for what is hashed.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    /// Room for ids that are noted.
    static NOTED: Cell<Vec<Id>> = const { Cell::new(Vec::new()) };
}

/// Collects what is hashed, to be hashed in one go; the same on every machine. A number's first byte
/// tells how many follow, so different writes give different bytes.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn finish(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&self.0)
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    fn write_u8(&mut self, value: u8) {
        self.0.push(value);
    }
    fn write_u16(&mut self, value: u16) {
        self.write_u64(u64::from(value));
    }
    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }
    /// Most numbers of a world are small: a byte, or nine.
    fn write_u64(&mut self, value: u64) {
        match u8::try_from(value) {
            Ok(small) if small < u8::MAX => self.0.push(small),
            Ok(_) | Err(_) => {
                self.0.push(u8::MAX);
                self.0.extend_from_slice(&value.to_le_bytes());
            }
        }
    }
    fn write_u128(&mut self, value: u128) {
        self.write(&value.to_le_bytes());
    }
    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.value.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::new)
    }
}

impl<T: Visit + Clone> Visit for Shared<T> {
    /// Shows what is inside, as to somebody who changes it.
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.deref_mut().visit(visitor);
    }
}

impl<T: Clone> Shared<T> {
    /// Notes the ids in the value, as `walk` shows them, unless that was done since the
    /// value changed last.
    pub(crate) fn note(&mut self, walk: impl FnOnce(&mut T, &mut Noted)) {
        if self.is_noted() {
            return;
        }
        let mut noted = Noted(NOTED.take());
        match Arc::get_mut(&mut self.0) {
            Some(kept) => walk(&mut kept.value, &mut noted),
            None => walk(&mut self.0.value.clone(), &mut noted),
        }
        // Whoever else came first noted the same.
        let _ = self.0.ids.set(noted.0.as_slice().into());
        noted.0.clear();
        NOTED.set(noted.0);
    }
}

impl<T> Shared<T> {
    /// Whether the ids are noted.
    pub(crate) fn is_noted(&self) -> bool {
        self.0.ids.get().is_some()
    }

    /// The ids that are noted.
    pub(crate) fn noted(&self) -> &[Id] {
        self.0.ids.get().map_or(&[], |ids| ids)
    }
}

/// An id, with what it is compared with where that isn't all of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Id {
    Revision(Revision),
    RevisionUnder(Key, Revision),
    Horizon(Revision),
    Epoch(LockId, Epoch),
    Boot(BootId),
    Incarnation(Incarnation),
    Request(Incarnation, u64),
    Uid(Uid),
}

impl Id {
    /// Shows the id to a visitor.
    pub(crate) fn show<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        match self {
            Self::Revision(revision) => visitor.revision(revision),
            Self::RevisionUnder(key, revision) => visitor.revision_under(*key, revision),
            Self::Horizon(revision) => visitor.horizon(revision),
            Self::Epoch(lock, epoch) => visitor.epoch(*lock, epoch),
            Self::Boot(boot) => visitor.boot(boot),
            Self::Incarnation(incarnation) => visitor.incarnation(incarnation),
            Self::Request(process, number) => visitor.request(*process, number),
            Self::Uid(uid) => visitor.uid(uid),
        }
    }
}

/// Notes ids. What is no id, and what distinguishes ids of one sort further, is left out.
pub(crate) struct Noted(Vec<Id>);

impl Visitor for Noted {
    fn revision(&mut self, revision: &mut Revision) {
        self.0.push(Id::Revision(*revision));
    }
    fn revision_under(&mut self, key: Key, revision: &mut Revision) {
        self.0.push(Id::RevisionUnder(key, *revision));
    }
    fn horizon(&mut self, revision: &mut Revision) {
        self.0.push(Id::Horizon(*revision));
    }
    fn epoch(&mut self, lock: LockId, epoch: &mut Epoch) {
        self.0.push(Id::Epoch(lock, *epoch));
    }
    fn boot(&mut self, boot: &mut BootId) {
        self.0.push(Id::Boot(*boot));
    }
    fn incarnation(&mut self, incarnation: &mut Incarnation) {
        self.0.push(Id::Incarnation(*incarnation));
    }
    fn request(&mut self, process: Incarnation, request: &mut u64) {
        self.0.push(Id::Request(process, *request));
    }
    fn uid(&mut self, uid: &mut Uid) {
        self.0.push(Id::Uid(*uid));
    }
}
