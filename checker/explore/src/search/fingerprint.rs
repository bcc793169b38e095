//! A state's fingerprint: 128 bits over what its `Hash` writes.

use std::hash::{Hash, Hasher};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// What stands for a state in the tables; never zero, which marks a free slot.
pub type Fingerprint = u128;

/// An upper bound on the probability that any two of `states` different states
/// share a fingerprint (l·n² / 2^129, the birthday bound).
///
/// `levels` is how many fingerprints lie one inside the other where a part of a
/// state is hashed as a fingerprint of its own: two states are taken for one if
/// on any way down to where they differ two fingerprints are the same.
pub fn collision_bound(states: u64, levels: u32) -> f64 {
    let states = states as f64;
    f64::from(levels) * states * states / 2_f64.powi(129)
}

/// Computes fingerprints, reusing one buffer.
///
/// The bytes are collected first and hashed in one go: xxh3 is fast on a run of
/// bytes and slow on many small writes. Integers are written in little-endian
/// order, so that fingerprints are the same on every machine.
#[derive(Clone, Debug, Default)]
pub struct Fingerprinter {
    bytes: Vec<u8>,
}

impl Fingerprinter {
    /// The fingerprint of `value`.
    #[inline]
    pub fn of<T: Hash>(&mut self, value: &T) -> Fingerprint {
        self.bytes.clear();
        value.hash(self);
        xxh3_128(&self.bytes).max(1)
    }
}

impl Hasher for Fingerprinter {
    fn finish(&self) -> u64 {
        xxh3_64(&self.bytes)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    #[inline]
    fn write_u16(&mut self, value: u16) {
        self.write(&value.to_le_bytes());
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.write(&value.to_le_bytes());
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.write(&value.to_le_bytes());
    }

    #[inline]
    fn write_u128(&mut self, value: u128) {
        self.write(&value.to_le_bytes());
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    // The signed writes go through the unsigned ones by default.
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_between_fields_matter() {
        let mut fingerprinter = Fingerprinter::default();
        let split_early = fingerprinter.of(&(vec![1_u8], vec![2_u8, 3]));
        let split_late = fingerprinter.of(&(vec![1_u8, 2], vec![3_u8]));
        assert_ne!(split_early, split_late);
    }

    #[test]
    fn the_buffer_leaves_no_trace() {
        let mut fingerprinter = Fingerprinter::default();
        let first = fingerprinter.of(&7_u64);
        fingerprinter.of(&"something longer in between");
        assert_eq!(first, fingerprinter.of(&7_u64));
    }

    #[test]
    fn the_bound_is_the_birthday_bound() {
        assert_eq!(collision_bound(0, 1), 0.0);
        let bound = collision_bound(1 << 32, 1);
        assert!((bound - 2_f64.powi(-65)).abs() < 1e-30);
        assert!((collision_bound(1 << 32, 3) - 3.0 * bound).abs() < 1e-30);
    }
}
