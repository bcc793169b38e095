//! The states that wait to be expanded.

use super::encoding::{read_varint, write_varint};
use super::spill::{Place, Spill};
use std::collections::VecDeque;
use std::io;

/// States in one chunk: the grain in which work is dealt to the workers.
const CHUNK: usize = 64;

/// Chunks in one batch. A batch does not depend on the number of workers, so
/// neither does the place where a search stops.
pub(super) const BATCH: usize = 64;

/// Chunks in one piece of a batch, after which all its successors are dropped or
/// queued: so few that they stay in the processor's cache.
pub(super) const PIECE: usize = 4;

/// A run of states, as they are or as the numbers of their parts.
#[derive(Debug)]
pub(super) enum Chunk<S> {
    /// As they are.
    Plain(Vec<S>),
    /// As numbers.
    Packed(Packed),
}

/// States as the numbers of their parts, each with its length in bytes before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packed {
    bytes: Vec<u8>,
    states: usize,
}

/// A queue of states in chunks, whose memory is given back as it is worked off.
#[derive(Debug)]
pub(super) struct Frontier<S> {
    chunks: VecDeque<Slot<S>>,
    states: usize,
    /// Bytes of the chunks in memory.
    chunk_bytes: u64,
    /// Bytes that states own elsewhere.
    heap_bytes: u64,
    spill: Option<Spill>,
}

/// A chunk in memory or on the disk.
#[derive(Debug)]
enum Slot<S> {
    Here(Chunk<S>),
    There { place: Place, states: usize },
}

impl Packed {
    /// States that were packed elsewhere. `None` if these bytes are not so many states.
    pub(super) fn of(bytes: Vec<u8>, states: usize) -> Option<Self> {
        let packed = Self { bytes, states };
        let mut rest = &packed.bytes[..];
        for _ in 0..states {
            let length = read_varint(&mut rest)?;
            rest = rest.get(usize::try_from(length).ok()?..)?;
        }
        rest.is_empty().then_some(packed)
    }

    /// Appends a state.
    pub(super) fn push(&mut self, numbers: &[u8]) {
        write_varint(numbers.len() as u64, &mut self.bytes);
        self.bytes.extend_from_slice(numbers);
        self.states += 1;
    }

    /// The number of states.
    pub(super) const fn len(&self) -> usize {
        self.states
    }

    /// All of it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Each state.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let length = read_varint(&mut rest)?;
            let (state, after) = rest.split_at(length as usize);
            rest = after;
            Some(state)
        })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.states = 0;
    }
}

impl<S> Chunk<S> {
    /// The number of states.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Plain(states) => states.len(),
            Self::Packed(packed) => packed.len(),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Plain(_) => (CHUNK * size_of::<S>()) as u64,
            Self::Packed(packed) => packed.bytes.capacity() as u64,
        }
    }
}

impl<S> Frontier<S> {
    /// An empty queue. With a `spill`, packed states go to the disk where they would take too much.
    pub(super) fn new(spill: Option<Spill>) -> Self {
        Self {
            chunks: VecDeque::new(),
            states: 0,
            chunk_bytes: 0,
            heap_bytes: 0,
            spill,
        }
    }

    /// Moves states, which own `heap_bytes` elsewhere, to the queue's end.
    pub(super) fn append(&mut self, states: &mut Chunk<S>, heap_bytes: u64) {
        self.heap_bytes += heap_bytes;
        self.states += states.len();
        match states {
            Chunk::Plain(states) => self.append_plain(states),
            Chunk::Packed(packed) => self.append_packed(packed),
        }
    }

    fn append_plain(&mut self, states: &mut Vec<S>) {
        let mut states = states.drain(..);
        while states.len() > 0 {
            match self.chunks.back_mut() {
                Some(Slot::Here(Chunk::Plain(last))) if last.len() < CHUNK => {
                    let room = CHUNK - last.len();
                    last.extend(states.by_ref().take(room));
                }
                Some(_) | None => self.push(Chunk::Plain(Vec::with_capacity(CHUNK))),
            }
        }
    }

    fn append_packed(&mut self, packed: &mut Packed) {
        for state in packed.iter() {
            let has_room = matches!(self.chunks.back(),
                Some(Slot::Here(Chunk::Packed(last))) if last.len() < CHUNK);
            if !has_room {
                self.spill_last();
                self.push(Chunk::Packed(Packed::default()));
            }
            if let Some(Slot::Here(Chunk::Packed(last))) = self.chunks.back_mut() {
                let before = last.bytes.capacity();
                last.push(state);
                self.chunk_bytes += (last.bytes.capacity() - before) as u64;
            }
        }
        packed.clear();
    }

    fn push(&mut self, chunk: Chunk<S>) {
        self.chunk_bytes += chunk.bytes();
        self.chunks.push_back(Slot::Here(chunk));
    }

    /// Writes the last chunk, which is full, to the disk if memory is short. One that can't be
    /// written stays in memory.
    fn spill_last(&mut self) {
        let Some(spill) = &mut self.spill else { return };
        let Some(Slot::Here(Chunk::Packed(last))) = self.chunks.back() else {
            return;
        };
        if let Some(place) = spill.write(self.chunk_bytes, &last.bytes) {
            self.chunk_bytes -= last.bytes.capacity() as u64;
            let states = last.len();
            self.chunks.pop_back();
            self.chunks.push_back(Slot::There { place, states });
        }
    }

    /// Takes the next piece off the queue, dealt in order to as many hands as
    /// `hands` has, and returns its number of states.
    ///
    /// # Errors
    ///
    /// If what lies on the disk can't be read. The queue is of no use then.
    pub(super) fn deal(&mut self, hands: &mut [Vec<Chunk<S>>]) -> io::Result<usize> {
        let chunks = self.chunks.len().min(PIECE);
        let workers = hands.len();
        let mut dealt = 0;
        for (index, hand) in hands.iter_mut().enumerate() {
            assert!(hand.is_empty());
            let share = chunks * (index + 1) / workers - chunks * index / workers;
            for slot in self.chunks.drain(..share) {
                let chunk = match slot {
                    Slot::Here(chunk) => {
                        self.chunk_bytes -= chunk.bytes();
                        chunk
                    }
                    Slot::There { place, states } => read(self.spill.as_ref(), place, states)?,
                };
                dealt += chunk.len();
                hand.push(chunk);
            }
        }
        self.states -= dealt;
        Ok(dealt)
    }

    /// Calls `each` with every chunk of packed states, in order.
    ///
    /// # Errors
    ///
    /// Those of `each`, and if what lies on the disk can't be read.
    ///
    /// # Panics
    ///
    /// If the states aren't packed.
    pub(super) fn for_each(
        &self,
        mut each: impl FnMut(&Packed) -> io::Result<()>,
    ) -> io::Result<()> {
        for slot in &self.chunks {
            match slot {
                Slot::Here(Chunk::Packed(packed)) => each(packed)?,
                Slot::Here(Chunk::Plain(_)) => unreachable!("only packed states are kept"),
                Slot::There { place, states } => {
                    each(&read_packed(self.spill.as_ref(), *place, *states)?)?;
                }
            }
        }
        Ok(())
    }

    /// The number of states that wait.
    pub(super) fn len(&self) -> usize {
        self.states
    }

    /// Bytes in use. What the states own elsewhere is counted until the whole
    /// queue is worked off: too much, never too little.
    pub(super) fn bytes(&self) -> u64 {
        self.chunk_bytes + (self.chunks.len() * size_of::<Slot<S>>()) as u64 + self.heap_bytes
    }

    /// Bytes on the disk, those worked off included.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.spill.as_ref().map_or(0, Spill::bytes)
    }

    /// Why nothing more is written to the disk, if so.
    pub(super) fn failure(&self) -> Option<&str> {
        self.spill.as_ref()?.failure()
    }
}

fn read<S>(spill: Option<&Spill>, place: Place, states: usize) -> io::Result<Chunk<S>> {
    read_packed(spill, place, states).map(Chunk::Packed)
}

fn read_packed(spill: Option<&Spill>, place: Place, states: usize) -> io::Result<Packed> {
    let spill = spill.expect("who wrote it is still there");
    Packed::of(spill.read(place)?, states).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "other states came back than were written",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_the_order_whatever_the_hands() {
        for workers in 1..5 {
            let mut frontier = Frontier::new(None);
            let mut next = 0;
            for size in [1, 63, 64, 65, 0, 9000] {
                frontier.append(&mut Chunk::Plain((next..next + size).collect()), 0);
                next += size;
            }
            assert_eq!(frontier.len(), next);
            let mut seen = Vec::new();
            let mut pieces = Vec::new();
            while frontier.len() > 0 {
                let mut hands = Vec::new();
                hands.resize_with(workers, Vec::new);
                pieces.push(frontier.deal(&mut hands).expect("all in memory"));
                for chunk in hands.into_iter().flatten() {
                    match chunk {
                        Chunk::Plain(states) => seen.extend(states),
                        Chunk::Packed(_) => unreachable!("nothing was packed"),
                    }
                }
            }
            assert_eq!(seen, (0..next).collect::<Vec<_>>());
            let (last, whole) = pieces.split_last().expect("there are some");
            assert!(whole.iter().all(|&states| states == PIECE * CHUNK));
            assert_eq!((whole.len(), *last), (35, 233));
            assert_eq!(frontier.chunk_bytes, 0);
        }
    }

    /// Packed states come back in order, from memory and from the disk.
    #[test]
    fn what_is_spilled_comes_back() {
        let directory = std::env::temp_dir();
        for keep in [0, 5_000, u64::MAX] {
            let mut frontier: Frontier<()> = Frontier::new(Some(Spill::new(&directory, keep)));
            let state = |number: u32| number.to_le_bytes()[..(number % 4) as usize + 1].to_vec();
            for start in [0, 1, 700, 5_000_u32] {
                let mut packed = Packed::default();
                (start..10_000).for_each(|number| packed.push(&state(number)));
                frontier.append(&mut Chunk::Packed(packed), 0);
            }
            assert_eq!(frontier.failure(), None);
            assert_eq!(frontier.disk_bytes() > 0, keep < u64::MAX);
            assert!(frontier.chunk_bytes <= keep.saturating_add(1 << 10) || keep == u64::MAX);
            let mut expected = [0, 1, 700, 5_000]
                .into_iter()
                .flat_map(|start| start..10_000);
            let mut counted = 0;
            frontier
                .for_each(|packed| {
                    counted += packed.len();
                    Ok(())
                })
                .expect("readable");
            assert_eq!(counted, frontier.len());
            while frontier.len() > 0 {
                let mut hands = [Vec::new(), Vec::new()];
                frontier.deal(&mut hands).expect("readable");
                for chunk in hands.into_iter().flatten() {
                    let Chunk::Packed(packed) = chunk else {
                        unreachable!("all were packed");
                    };
                    for bytes in packed.iter() {
                        assert_eq!(Some(bytes.to_vec()), expected.next().map(state));
                    }
                }
            }
            assert_eq!(expected.next(), None);
        }
    }

    #[test]
    fn what_is_cut_off_is_no_run_of_states() {
        let mut packed = Packed::default();
        packed.push(&[1, 2, 3]);
        packed.push(&[]);
        assert_eq!(Packed::of(packed.bytes.clone(), 2), Some(packed.clone()));
        assert_eq!(Packed::of(packed.bytes.clone(), 1), None);
        assert_eq!(Packed::of(packed.bytes.clone(), 3), None);
        packed.bytes.truncate(3);
        assert_eq!(Packed::of(packed.bytes, 1), None);
    }
}
