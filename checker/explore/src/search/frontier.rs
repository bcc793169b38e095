//! The states that wait to be expanded.

use std::collections::VecDeque;

/// States in one chunk: the grain in which work is dealt to the workers.
const CHUNK: usize = 64;

/// Chunks in one batch. A batch does not depend on the number of workers, so
/// neither does the place where a search stops.
const BATCH: usize = 64;

/// A queue of states in chunks, whose memory is given back as it is worked off.
#[derive(Debug)]
pub(super) struct Frontier<S> {
    chunks: VecDeque<Vec<S>>,
    states: usize,
    heap_bytes: u64,
}

impl<S> Frontier<S> {
    /// An empty queue.
    pub(super) fn new() -> Self {
        Self {
            chunks: VecDeque::new(),
            states: 0,
            heap_bytes: 0,
        }
    }

    /// Moves `states`, which own `heap_bytes` elsewhere, to the queue's end.
    pub(super) fn append(&mut self, states: &mut Vec<S>, heap_bytes: u64) {
        self.heap_bytes += heap_bytes;
        self.states += states.len();
        let mut states = states.drain(..);
        while states.len() > 0 {
            match self.chunks.back_mut() {
                Some(last) if last.len() < CHUNK => {
                    let room = CHUNK - last.len();
                    last.extend(states.by_ref().take(room));
                }
                Some(_) | None => self.chunks.push_back(Vec::with_capacity(CHUNK)),
            }
        }
    }

    /// Takes the next batch off the queue, dealt in order to as many hands as
    /// `hands` has, and returns its number of states.
    pub(super) fn deal(&mut self, hands: &mut [Vec<Vec<S>>]) -> usize {
        let chunks = self.chunks.len().min(BATCH);
        let workers = hands.len();
        let mut dealt = 0;
        for (index, hand) in hands.iter_mut().enumerate() {
            assert!(hand.is_empty());
            let share = chunks * (index + 1) / workers - chunks * index / workers;
            hand.extend(self.chunks.drain(..share));
            dealt += hand.iter().map(Vec::len).sum::<usize>();
        }
        self.states -= dealt;
        dealt
    }

    /// The number of states that wait.
    pub(super) fn len(&self) -> usize {
        self.states
    }

    /// Bytes in use. What the states own elsewhere is counted until the whole
    /// queue is worked off: too much, never too little.
    pub(super) fn bytes(&self) -> u64 {
        (self.chunks.len() * CHUNK * size_of::<S>()) as u64 + self.heap_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_the_order_whatever_the_hands() {
        for workers in 1..5 {
            let mut frontier = Frontier::new();
            let mut next = 0;
            for size in [1, 63, 64, 65, 0, 9000] {
                frontier.append(&mut (next..next + size).collect(), 0);
                next += size;
            }
            assert_eq!(frontier.len(), next);
            let mut seen = Vec::new();
            let mut batches = Vec::new();
            while frontier.len() > 0 {
                let mut hands = vec![Vec::new(); workers];
                batches.push(frontier.deal(&mut hands));
                seen.extend(hands.into_iter().flatten().flatten());
            }
            assert_eq!(seen, (0..next).collect::<Vec<_>>());
            assert_eq!(batches, [4096, 4096, 1001]);
        }
    }
}
