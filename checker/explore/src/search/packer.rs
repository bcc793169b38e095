//! One worker's taking apart and putting together.

use super::dictionary::{Dictionary, Reader};
use super::encoding::{Encoding, Parts, Pieces, write_varint};
use super::frontier::Packed;

/// An encoding with a dictionary of its own: how states are kept, outside a search.
pub struct Packing<'a, S> {
    encoding: &'a dyn Encoding<S>,
    dictionary: Dictionary,
}

impl<'a, S> Packing<'a, S> {
    /// With an empty dictionary.
    #[must_use]
    pub fn new(encoding: &'a dyn Encoding<S>) -> Self {
        Self {
            encoding,
            dictionary: Dictionary::new(encoding.kinds()),
        }
    }

    /// Takes states apart and puts them together.
    #[must_use]
    pub fn packer(&self) -> Packer<'_, S> {
        Packer::new(self.encoding, &self.dictionary)
    }

    /// Bytes of the parts, each kept once.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.dictionary.bytes()
    }
}

/// What a worker needs to keep states as the numbers of their parts.
pub struct Packer<'a, S> {
    encoding: &'a dyn Encoding<S>,
    reader: Reader<'a>,
    /// Buffers.
    parts: Parts,
    numbers: Vec<u8>,
    /// The most bytes that any state took.
    longest: usize,
}

impl<'a, S> Packer<'a, S> {
    /// For states of this encoding, with parts in this dictionary.
    pub(super) fn new(encoding: &'a dyn Encoding<S>, dictionary: &'a Dictionary) -> Self {
        Self {
            encoding,
            reader: dictionary.reader(),
            parts: Parts::default(),
            numbers: Vec::new(),
            longest: 0,
        }
    }

    /// Appends a state.
    pub(super) fn pack(&mut self, state: &S, packed: &mut Packed) {
        self.parts.clear();
        self.numbers.clear();
        self.encoding.take_apart(state, &mut self.parts);
        for (kind, part) in self.parts.iter() {
            let number = self.reader.number(kind, part);
            write_varint(u64::from(number), &mut self.numbers);
        }
        self.longest = self.longest.max(self.numbers.len());
        packed.push(&self.numbers);
    }

    /// The most bytes that any state took so far.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// A state as the numbers of its parts.
    pub fn encode(&mut self, state: &S) -> Vec<u8> {
        let mut packed = Packed::default();
        self.pack(state, &mut packed);
        self.numbers.clone()
    }

    /// The state that [`Packer::encode`] was given.
    ///
    /// # Panics
    ///
    /// If the encoding doesn't give back what it was given: a fault of the model's.
    pub fn decode(&mut self, numbers: &[u8]) -> S {
        self.unpack(numbers)
    }

    /// The state that is made of these parts.
    ///
    /// # Panics
    ///
    /// As [`Packer::decode`].
    pub(super) fn unpack(&mut self, numbers: &[u8]) -> S {
        let mut pieces = Pieces::new(numbers, &mut self.reader);
        let state = self.encoding.put_together(&mut pieces);
        assert!(pieces.is_empty(), "a state's parts are all needed");
        state.expect("a state's parts make a state")
    }
}
