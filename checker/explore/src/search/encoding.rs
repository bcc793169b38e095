//! States taken apart into parts, and put together again.
//!
//! A state of a large model is a deep structure of which most parts look like those of many other
//! states. While a state waits it is kept as the numbers of its parts, each a varint; the parts
//! themselves are kept once, in a dictionary ([`super::dictionary`]). What comes back is the same
//! state exactly.

use super::dictionary::Reader;

/// How a model's states are taken apart and put together.
///
/// Parts are sequences of bytes. Each is of a kind, and each kind has numbers of its own, so that
/// the numbers stay short. Equal states must give equal parts, and parts must give back a state
/// that equals the one that they were taken from.
pub trait Encoding<S>: Sync {
    /// How many kinds of parts there are.
    fn kinds(&self) -> usize;

    /// Appends the parts of `state` to `parts`.
    fn take_apart(&self, state: &S, parts: &mut Parts);

    /// Makes a state of parts, asked for in the order in which they were appended. `None` if they
    /// are no state.
    fn put_together(&self, parts: &mut Pieces<'_, '_>) -> Option<S>;
}

/// The parts of one state.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    bytes: Vec<u8>,
    /// Each part's kind, and where its bytes end.
    ends: Vec<(usize, usize)>,
}

impl Parts {
    /// Appends a part: whatever `write` appends to the buffer, which holds other parts already.
    pub fn push(&mut self, kind: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        assert!(self.bytes.len() >= start, "a part takes nothing away");
        self.ends.push((kind, self.bytes.len()));
    }

    /// Each part with its kind.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(kind, end)| {
            let part = &self.bytes[start..end];
            start = end;
            (kind, part)
        })
    }

    /// Takes all parts away.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// The parts of one state, on their way back.
#[derive(Debug)]
pub struct Pieces<'a, 'd> {
    numbers: &'a [u8],
    reader: &'a mut Reader<'d>,
}

impl<'a, 'd> Pieces<'a, 'd> {
    pub(super) const fn new(numbers: &'a [u8], reader: &'a mut Reader<'d>) -> Self {
        Self { numbers, reader }
    }

    /// The next part, which is of this kind. `None` if there is none.
    pub fn next_of(&mut self, kind: usize) -> Option<&[u8]> {
        let number = read_varint(&mut self.numbers)?;
        self.reader.part(kind, u32::try_from(number).ok()?)
    }

    /// Whether all parts were asked for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

/// Appends a number: seven bits a byte, the lowest first.
pub(super) fn write_varint(mut value: u64, bytes: &mut Vec<u8>) {
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Takes a number off the front. `None` if there is no whole one.
pub fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [0, 1, 127, 128, 16_383, 16_384, 1 << 32, u64::MAX];
        let mut bytes = Vec::new();
        for number in numbers {
            write_varint(number, &mut bytes);
        }
        let mut rest = &bytes[..];
        for number in numbers {
            assert_eq!(read_varint(&mut rest), Some(number));
        }
        assert_eq!(read_varint(&mut rest), None);
        assert_eq!(read_varint(&mut &[0x80][..]), None);
        assert_eq!(read_varint(&mut &[0xff; 11][..]), None);
    }

    #[test]
    fn parts_are_told_apart() {
        let mut parts = Parts::default();
        parts.push(2, |bytes| bytes.extend([1, 2]));
        parts.push(0, |_| ());
        parts.push(2, |bytes| bytes.push(3));
        let seen: Vec<_> = parts.iter().collect();
        assert_eq!(seen, [(2, &[1, 2][..]), (0, &[]), (2, &[3])]);
        parts.clear();
        assert_eq!(parts.iter().count(), 0);
    }
}
