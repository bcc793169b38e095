//! The set of known fingerprints: open addressing in small segments.
//!
//! A fingerprint's high bits choose one of [`SEGMENTS`] segments, its low half
//! the line. Each worker owns a run of segments (its shard). Segments grow one
//! by one and by a quarter, so neither a resize nor the slack after it ever
//! costs a large part of the memory. Lines keep the order of the fingerprints'
//! low halves, so growing is one sweep over memory.

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

/// One open-addressing table, probed line by line.
#[derive(Debug)]
struct Segment {
    lines: Vec<Line>,
    used: usize,
}

/// Slots in one cache line, so that most look-ups wait for memory once. Zero is
/// a free slot; a line fills from its front.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Line([Fingerprint; SLOTS]);

const SLOTS: usize = 4;

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
        if segment.is_full() {
            let before = segment.bytes();
            segment.grow();
            let after = segment.bytes();
            // While a segment moves, both copies exist.
            self.bytes_max = self.bytes_max.max(self.bytes + after);
            self.bytes = self.bytes - before + after;
        }
        segment.insert(fingerprint)
    }

    /// All fingerprints.
    pub(super) fn iter(&self) -> impl Iterator<Item = Fingerprint> {
        let lines = self.segments.iter().flat_map(|segment| &segment.lines);
        lines
            .flat_map(|line| line.0)
            .filter(|&fingerprint| fingerprint != 0)
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

impl Segment {
    fn new() -> Self {
        Self {
            lines: vec![Line([0; SLOTS]); 2],
            used: 0,
        }
    }

    fn bytes(&self) -> usize {
        self.lines.len() * size_of::<Line>()
    }

    /// Four fifths is where probing starts to cost more than memory.
    #[inline]
    fn is_full(&self) -> bool {
        (self.used + 1) * 5 > self.lines.len() * SLOTS * 4
    }

    /// The line at which the search for a fingerprint starts.
    #[inline]
    fn home(&self, fingerprint: Fingerprint) -> usize {
        let low_half = u128::from(fingerprint as u64);
        ((low_half * self.lines.len() as u128) >> 64) as usize
    }

    #[inline]
    fn peek(&self, fingerprint: Fingerprint) -> Fingerprint {
        self.lines[self.home(fingerprint)].0[0]
    }

    /// The slot that holds the fingerprint, or the free one where it belongs.
    #[inline]
    fn find(&self, fingerprint: Fingerprint) -> (usize, usize) {
        let mut line = self.home(fingerprint);
        // There is always a free slot, because a full segment grows first.
        loop {
            for (slot, &held) in self.lines[line].0.iter().enumerate() {
                if held == fingerprint || held == 0 {
                    return (line, slot);
                }
            }
            line += 1;
            if line == self.lines.len() {
                line = 0;
            }
        }
    }

    fn contains(&self, fingerprint: Fingerprint) -> bool {
        let (line, slot) = self.find(fingerprint);
        self.lines[line].0[slot] == fingerprint
    }

    #[inline]
    fn insert(&mut self, fingerprint: Fingerprint) -> bool {
        assert_ne!(fingerprint, 0, "zero marks a free slot");
        let (line, slot) = self.find(fingerprint);
        let held = &mut self.lines[line].0[slot];
        if *held == fingerprint {
            return false;
        }
        *held = fingerprint;
        self.used += 1;
        true
    }

    #[inline(never)]
    fn grow(&mut self) {
        let lines = self.lines.len() + (self.lines.len() / 4).max(2);
        let old = std::mem::replace(&mut self.lines, vec![Line([0; SLOTS]); lines]);
        for fingerprint in old.iter().flat_map(|line| line.0) {
            if fingerprint != 0 {
                let (line, slot) = self.find(fingerprint);
                self.lines[line].0[slot] = fingerprint;
            }
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
    }

    #[test]
    fn equal_low_halves_are_told_apart() {
        let mut shard = Shard::new(0, 1);
        // All of these start at the last line and wrap around.
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
