//! The set of known fingerprints: ordered linear probing in small segments.
//!
//! A fingerprint's high bits choose one of [`SEGMENTS`] segments, its low half
//! the slot. Each worker owns a run of segments (its shard). Within a segment
//! all fingerprints stand in the order of their low halves: a search for one
//! that is absent ends at the first greater one, so a segment may be almost
//! full, and growing is one sweep over memory without any search. Segments grow
//! one by one and by a twelfth, so neither a resize nor the slack after it ever
//! costs a large part of the memory: 17.4 to 18.9 bytes a fingerprint.

use super::fingerprint::Fingerprint;
use std::hint::black_box;
use std::ops::Range;

/// The number of segments, and so of workers at most.
pub(super) const SEGMENTS: usize = 64;

/// How many look-ups are under way at once: their cache misses overlap.
const LOOKAHEAD: usize = 32;

/// The segments that one worker owns.
#[derive(Debug)]
pub(super) struct Shard {
    first_segment: usize,
    segments: Vec<Segment>,
    bytes: usize,
    bytes_max: usize,
}

/// One table. Zero is a free slot.
#[derive(Debug)]
struct Segment {
    slots: Vec<Fingerprint>,
    /// Fingerprints have their homes in so many slots; those after them take what is pushed out.
    homes: usize,
    used: usize,
}

/// Slots after the last home, at least.
const OVERFLOW: usize = 16;

/// The segment of a fingerprint.
#[inline]
fn segment_of(fingerprint: Fingerprint) -> usize {
    (fingerprint >> (u128::BITS - SEGMENTS.ilog2())) as usize
}

/// The worker, of `workers`, that owns a fingerprint.
#[inline]
pub(super) fn owner_of(fingerprint: Fingerprint, workers: usize) -> usize {
    segment_of(fingerprint) * workers / SEGMENTS
}

/// The segments that worker `owner` out of `workers` owns.
fn owned_segments(owner: usize, workers: usize) -> Range<usize> {
    assert!(owner < workers);
    assert!(workers <= SEGMENTS);
    let start = |worker: usize| (worker * SEGMENTS).div_ceil(workers);
    start(owner)..start(owner + 1)
}

impl Shard {
    /// The empty shard of worker `index` out of `workers`.
    pub(super) fn new(index: usize, workers: usize) -> Self {
        let owned = owned_segments(index, workers);
        let mut shard = Self {
            first_segment: owned.start,
            segments: owned.map(|_| Segment::new()).collect(),
            bytes: 0,
            bytes_max: 0,
        };
        shard.bytes = shard.segments.iter().map(Segment::bytes).sum();
        shard.bytes_max = shard.bytes;
        shard
    }

    /// What stands in for a shard that is elsewhere: it owns nothing.
    pub(super) const fn none() -> Self {
        Self {
            first_segment: 0,
            segments: Vec::new(),
            bytes: 0,
            bytes_max: 0,
        }
    }

    /// Inserts all `fingerprints` in order and pushes to `fresh` the `indices`
    /// of those that were not there before.
    pub(super) fn insert_all(
        &mut self,
        fingerprints: &[Fingerprint],
        indices: &[u32],
        fresh: &mut Vec<u32>,
    ) {
        assert_eq!(fingerprints.len(), indices.len());
        let blocks = fingerprints.chunks(LOOKAHEAD);
        for (block, indices) in blocks.zip(indices.chunks(LOOKAHEAD)) {
            // The loads below don't depend on each other, so the processor
            // waits for all of them together instead of for one at a time.
            let mut touched = 0;
            for &fingerprint in block {
                touched ^= self.segment(fingerprint).peek(fingerprint);
            }
            black_box(touched);
            for (&fingerprint, &index) in block.iter().zip(indices) {
                if self.insert(fingerprint) {
                    fresh.push(index);
                }
            }
        }
    }

    /// Inserts one fingerprint; whether it was not there before.
    #[inline]
    pub(super) fn insert(&mut self, fingerprint: Fingerprint) -> bool {
        let index = segment_of(fingerprint) - self.first_segment;
        let segment = &mut self.segments[index];
        let before = segment.bytes();
        if segment.is_full() {
            segment.grow();
            // While a segment moves, both copies exist.
            self.bytes_max = self.bytes_max.max(self.bytes + segment.bytes());
        }
        let is_new = segment.insert(fingerprint);
        self.bytes = self.bytes - before + segment.bytes();
        is_new
    }

    /// All fingerprints.
    pub(super) fn iter(&self) -> impl Iterator<Item = Fingerprint> {
        let slots = self.segments.iter().flat_map(|segment| &segment.slots);
        slots.copied().filter(|&fingerprint| fingerprint != 0)
    }

    /// Whether a fingerprint is there.
    pub(super) fn contains(&self, fingerprint: Fingerprint) -> bool {
        self.segment(fingerprint).contains(fingerprint)
    }

    /// Bytes in use.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The most bytes ever in use.
    pub(super) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    #[inline]
    fn segment(&self, fingerprint: Fingerprint) -> &Segment {
        &self.segments[segment_of(fingerprint) - self.first_segment]
    }
}

/// What fingerprints are ordered by: the low half, which says where they belong, then the high one.
#[inline]
const fn key(fingerprint: Fingerprint) -> u128 {
    fingerprint.rotate_left(64)
}

impl Segment {
    fn new() -> Self {
        let homes = 8;
        Self {
            slots: vec![0; homes + OVERFLOW],
            homes,
            used: 0,
        }
    }

    fn bytes(&self) -> usize {
        self.slots.len() * size_of::<Fingerprint>()
    }

    /// Beyond 23 twenty-fifths, making room for another one costs more than the memory is worth.
    #[inline]
    fn is_full(&self) -> bool {
        (self.used + 1) * 25 > self.homes * 23
    }

    /// The slot at which the search for a fingerprint starts.
    #[inline]
    fn home(&self, fingerprint: Fingerprint) -> usize {
        let low_half = u128::from(fingerprint as u64);
        ((low_half * self.homes as u128) >> 64) as usize
    }

    #[inline]
    fn peek(&self, fingerprint: Fingerprint) -> Fingerprint {
        self.slots[self.home(fingerprint)]
    }

    /// The slot that holds the fingerprint, or the one where it belongs.
    #[inline]
    fn find(&self, fingerprint: Fingerprint) -> usize {
        let home = self.home(fingerprint);
        let after = self.slots[home..]
            .iter()
            .position(|&held| held == 0 || key(held) >= key(fingerprint));
        after.map_or(self.slots.len(), |after| home + after)
    }

    fn contains(&self, fingerprint: Fingerprint) -> bool {
        self.slots.get(self.find(fingerprint)) == Some(&fingerprint)
    }

    #[inline]
    fn insert(&mut self, fingerprint: Fingerprint) -> bool {
        assert_ne!(fingerprint, 0, "zero marks a free slot");
        let at = self.find(fingerprint);
        if self.slots.get(at) == Some(&fingerprint) {
            return false;
        }
        let free = self.slots[at..].iter().position(|&held| held == 0);
        let free = at + free.unwrap_or_else(|| self.extend(at));
        self.slots.copy_within(at..free, at + 1);
        self.slots[at] = fingerprint;
        self.used += 1;
        true
    }

    /// More slots at the end; the distance from `at` to the first of them.
    #[cold]
    fn extend(&mut self, at: usize) -> usize {
        let end = self.slots.len();
        self.slots.resize(end + OVERFLOW, 0);
        end - at
    }

    #[inline(never)]
    fn grow(&mut self) {
        let homes = self.homes + (self.homes / 12).max(8);
        let slots = vec![0; homes + OVERFLOW];
        let old = std::mem::replace(&mut self.slots, slots);
        self.homes = homes;
        let mut next = 0;
        for fingerprint in old.into_iter().filter(|&held| held != 0) {
            // They come in order, so each stands at home or right after the one before.
            next = next.max(self.home(fingerprint));
            if next == self.slots.len() {
                self.extend(next);
            }
            self.slots[next] = fingerprint;
            next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fingerprint::Fingerprinter;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_segment_has_one_owner() {
        for workers in 1..=SEGMENTS {
            let mut next = 0;
            for index in 0..workers {
                let shard = Shard::new(index, workers);
                assert_eq!(shard.first_segment, next);
                next += shard.segments.len();
                for segment in shard.first_segment..next {
                    let fingerprint = (segment as u128) << 122;
                    assert_eq!(owner_of(fingerprint, workers), index);
                }
            }
            assert_eq!(next, SEGMENTS);
        }
    }

    #[test]
    fn it_is_a_set() {
        let mut fingerprinter = Fingerprinter::default();
        let mut shard = Shard::new(0, 1);
        let mut expect = BTreeSet::new();
        for number in 0..20_000_u64 {
            let fingerprint = fingerprinter.of(&(number * number % 15_013));
            assert_eq!(shard.insert(fingerprint), expect.insert(fingerprint));
        }
        assert!(expect.iter().all(|&known| shard.contains(known)));
        assert!(!shard.contains(fingerprinter.of(&u64::MAX)));
        assert!(shard.bytes_max() >= shard.bytes());
        assert!(shard.bytes() >= expect.len() * 16);
        assert_eq!(shard.iter().count(), expect.len());
        assert!(shard.iter().all(|known| expect.contains(&known)));
        for segment in &shard.segments {
            let held: Vec<_> = segment.slots.iter().filter(|&&held| held != 0).collect();
            assert!(held.is_sorted_by(|a, b| key(**a) < key(**b)));
            assert_eq!(held.len(), segment.used);
        }
    }

    /// What a report says about memory rests on this.
    #[test]
    fn a_large_set_has_little_slack() {
        let mut fingerprinter = Fingerprinter::default();
        let mut shard = Shard::new(0, 1);
        for number in 1..=400_000_u64 {
            shard.insert(fingerprinter.of(&number));
            if number >= 100_000 && number % 1_000 == 0 {
                let by_one = shard.bytes() as f64 / number as f64;
                assert!((17.3..19.0).contains(&by_one), "{by_one} at {number}");
            }
        }
        assert!(shard.bytes_max() < shard.bytes() + shard.bytes() / 16);
    }

    #[test]
    fn equal_low_halves_are_told_apart() {
        let mut shard = Shard::new(0, 1);
        // All of these belong into the last slot.
        for high in 0..500_u128 {
            assert!(shard.insert(high << 64 | u128::from(u64::MAX)));
        }
        for high in 0..500_u128 {
            assert!(!shard.insert(high << 64 | u128::from(u64::MAX)));
        }
    }

    #[test]
    fn a_batch_reports_each_new_fingerprint_once() {
        let mut shard = Shard::new(0, 1);
        shard.insert(5);
        let mut fresh = Vec::new();
        shard.insert_all(&[5, 6, 7, 6, 8], &[10, 11, 12, 13, 14], &mut fresh);
        assert_eq!(fresh, [11, 12, 14]);
    }
}
