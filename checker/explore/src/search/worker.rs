//! What a worker does to its share of a batch, in three phases.
//!
//! 1. *Expand*: take its parents' successors, judge the steps, and sort the
//!    successors' fingerprints into one bucket for each owner.
//! 2. *Insert*: put the fingerprints of the buckets it was given, in the order
//!    of the workers that filled them, into its own shard.
//! 3. *Harvest*: keep those of its successors whose fingerprints were new.
//!
//! Because shares and buckets are worked off in order, the successor that wins
//! among equal ones is the one that a sequential search would have met first.

use super::checked::Checked;
use super::fingerprint::{Fingerprint, Fingerprinter};
use super::frontier::{Chunk, Packed};
use super::links::{Id, Link, Spot};
use super::packer::Packer;
use super::table::{Shard, owner_of};
use super::tally::Tally;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// A step of the work on a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Expand the parents into buckets.
    Expand,
    /// Insert the buckets' fingerprints.
    Insert,
    /// Keep the new successors.
    Harvest,
    /// All three: nothing need be exchanged if there is one worker.
    Whole,
    /// Lend the shard to the coordinator.
    Lend,
    /// Take it back.
    Return,
}

/// What goes back and forth between the coordinator and one worker.
#[derive(Debug)]
pub(super) struct Parcel<S> {
    /// The states to expand, whose numbers follow each other.
    pub(super) parents: Vec<Chunk<S>>,
    /// The number of the first of them.
    pub(super) first: Id,
    /// After *expand* one bucket for each owner; for *insert* one from each
    /// worker; for *harvest* one back from each owner.
    pub(super) buckets: Vec<Bucket>,
    /// The new states.
    pub(super) fresh: Chunk<S>,
    /// Their links.
    pub(super) links: Vec<Link>,
    /// The bytes that they own elsewhere.
    pub(super) heap_bytes: u64,
    /// The worker's shard, while it is lent.
    pub(super) shard: Option<Shard>,
    /// What this worker has counted since the search began.
    pub(super) tally: Tally,
    /// Bytes of the worker's shard.
    pub(super) table_bytes: u64,
    /// The most bytes that shard ever took.
    pub(super) table_bytes_max: u64,
    /// Bytes of the worker's buffers.
    pub(super) buffer_bytes: u64,
    /// The most bytes of any state that it packed.
    pub(super) longest: u64,
}

/// Fingerprints on their way from the worker that computed them to the one that
/// owns them, and the answer on its way back.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    fingerprints: Vec<Fingerprint>,
    /// For each of them the place of its state among the worker's candidates.
    candidates: Vec<u32>,
    /// Those of the candidates that are new.
    fresh: Vec<u32>,
}

const PACKS: &str = "who gets packed states can pack";

/// A worker with its shard and its buffers.
pub(super) struct Worker<'a, M: Checked> {
    model: &'a M,
    enabled: u64,
    stop: &'a AtomicBool,
    /// The fingerprints that it owns.
    pub(super) shard: Shard,
    fingerprinter: Fingerprinter,
    /// Takes states apart and puts them together, where they wait as numbers.
    packer: Option<Packer<'a, M::State>>,
    /// The successors of the parents expanded last.
    candidates: Vec<(M::Action, M::State)>,
    /// For each of those parents where its successors start.
    starts: Vec<u32>,
    is_fresh: Vec<bool>,
    /// Where in the model's space it is, should the model panic.
    at: Spot,
}

impl<S> Parcel<S> {
    /// An empty parcel for one of `workers` workers.
    pub(super) fn new(workers: usize, packs: bool, tally: Tally) -> Self {
        let mut buckets = Vec::new();
        buckets.resize_with(workers, Bucket::default);
        Self {
            parents: Vec::new(),
            first: 0,
            buckets,
            fresh: match packs {
                true => Chunk::Packed(Packed::default()),
                false => Chunk::Plain(Vec::new()),
            },
            links: Vec::new(),
            heap_bytes: 0,
            shard: None,
            tally,
            table_bytes: 0,
            table_bytes_max: 0,
            buffer_bytes: 0,
            longest: 0,
        }
    }
}

impl Bucket {
    fn clear(&mut self) {
        self.fingerprints.clear();
        self.candidates.clear();
        self.fresh.clear();
    }

    fn bytes(&self) -> usize {
        self.fingerprints.capacity() * size_of::<Fingerprint>()
            + (self.candidates.capacity() + self.fresh.capacity()) * size_of::<u32>()
    }
}

impl<'a, M: Checked> Worker<'a, M> {
    /// A worker that judges the `enabled` properties and gives up its share
    /// once `stop` is set.
    pub(super) fn new(
        model: &'a M,
        enabled: u64,
        stop: &'a AtomicBool,
        shard: Shard,
        packer: Option<Packer<'a, M::State>>,
    ) -> Self {
        Self {
            model,
            enabled,
            stop,
            shard,
            fingerprinter: Fingerprinter::default(),
            packer,
            candidates: Vec::new(),
            starts: Vec::new(),
            is_fresh: Vec::new(),
            at: Spot::Within {
                state: 0,
                choice: None,
            },
        }
    }

    /// Performs one phase. A panic of the model is noted, and ends this
    /// worker's share of the batch.
    pub(super) fn perform(&mut self, phase: Phase, parcel: &mut Parcel<M::State>) {
        match phase {
            Phase::Expand => self.guarded(parcel, Self::expand),
            Phase::Insert => self.insert(parcel),
            Phase::Lend => parcel.shard = Some(std::mem::replace(&mut self.shard, Shard::none())),
            Phase::Return => {
                self.shard = parcel.shard.take().expect("what was lent comes back");
            }
            Phase::Harvest => self.guarded(parcel, Self::harvest),
            Phase::Whole => {
                self.guarded(parcel, Self::expand);
                self.insert(parcel);
                self.guarded(parcel, Self::harvest);
            }
        }
    }

    fn guarded(
        &mut self,
        parcel: &mut Parcel<M::State>,
        work: fn(&mut Self, &mut Parcel<M::State>),
    ) {
        // Whatever a panic leaves half done is never read as done: candidates
        // without a fingerprint count as known, and the search ends.
        let outcome = catch_unwind(AssertUnwindSafe(|| work(self, parcel)));
        if let Err(panic) = outcome {
            parcel.tally.see_panic(self.at, message_of(&*panic));
        }
    }

    fn expand(&mut self, parcel: &mut Parcel<M::State>) {
        let Parcel {
            parents,
            first,
            buckets,
            tally,
            ..
        } = parcel;
        self.candidates.clear();
        self.starts.clear();
        buckets.iter_mut().for_each(Bucket::clear);
        let mut state = *first;
        for chunk in parents {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            match chunk {
                Chunk::Plain(parents) => {
                    for parent in parents {
                        self.expand_one(state, parent, buckets, tally);
                        state += 1;
                    }
                }
                Chunk::Packed(parents) => {
                    for numbers in parents.iter() {
                        self.at = Spot::Within {
                            state,
                            choice: None,
                        };
                        let parent = self.packer.as_mut().expect(PACKS).unpack(numbers);
                        self.expand_one(state, &parent, buckets, tally);
                        state += 1;
                    }
                }
            }
        }
    }

    #[inline]
    fn expand_one(
        &mut self,
        state: Id,
        parent: &M::State,
        buckets: &mut [Bucket],
        tally: &mut Tally,
    ) {
        let at = |choice| Spot::Within { state, choice };
        self.at = at(None);
        let start = self.candidates.len();
        self.starts.push(start as u32);
        self.model.successors(parent, &mut self.candidates);
        assert!(
            self.candidates.len() >= start,
            "`successors` took away what others had put there"
        );
        if self.candidates.len() == start {
            return tally.see_end(self.model.may_end(parent), self.at);
        }
        let choices_max = usize::from(u16::MAX) + 1;
        if self.candidates.len() - start > choices_max {
            tally.too_wide = true;
            self.candidates.truncate(start + choices_max);
        }
        let workers = buckets.len();
        for (choice, (action, to)) in self.candidates[start..].iter().enumerate() {
            self.at = at(Some(choice as u16));
            tally.see_step(self.model, self.enabled, self.at, (parent, action, to));
            let fingerprint = self.fingerprinter.of(to);
            let bucket = &mut buckets[owner_of(fingerprint, workers)];
            bucket.fingerprints.push(fingerprint);
            bucket.candidates.push((start + choice) as u32);
        }
    }

    fn insert(&mut self, parcel: &mut Parcel<M::State>) {
        for bucket in &mut parcel.buckets {
            let Bucket {
                fingerprints,
                candidates,
                fresh,
            } = bucket;
            self.shard.insert_all(fingerprints, candidates, fresh);
        }
        parcel.table_bytes = self.shard.bytes() as u64;
        parcel.table_bytes_max = self.shard.bytes_max() as u64;
    }

    fn harvest(&mut self, parcel: &mut Parcel<M::State>) {
        parcel.buffer_bytes = self.buffer_bytes(&parcel.buckets);
        let longest = self.packer.as_ref().map_or(0, Packer::longest);
        parcel.longest = longest as u64;
        parcel.parents.clear();
        parcel.heap_bytes = 0;
        self.is_fresh.clear();
        self.is_fresh.resize(self.candidates.len(), false);
        for &candidate in parcel.buckets.iter().flat_map(|bucket| &bucket.fresh) {
            self.is_fresh[candidate as usize] = true;
        }
        // The parent of the candidate at hand, counted from the share's first.
        let mut parent = 0;
        for (index, (_, state)) in self.candidates.drain(..).enumerate() {
            while self
                .starts
                .get(parent + 1)
                .is_some_and(|&start| start as usize <= index)
            {
                parent += 1;
            }
            if !self.is_fresh[index] {
                continue;
            }
            let link = Link {
                parent: parcel.first + parent as Id,
                choice: (index - self.starts[parent] as usize) as u16,
            };
            self.at = Spot::Within {
                state: link.parent,
                choice: Some(link.choice),
            };
            let broken = self.model.judge_state(&state) & self.enabled;
            parcel.tally.see_broken(broken, self.at);
            match &mut parcel.fresh {
                Chunk::Plain(fresh) => {
                    parcel.heap_bytes += self.model.heap_bytes(&state) as u64;
                    fresh.push(state);
                }
                Chunk::Packed(fresh) => {
                    let packer = self.packer.as_mut();
                    packer.expect(PACKS).pack(&state, fresh);
                }
            }
            parcel.links.push(link);
        }
    }

    fn buffer_bytes(&self, buckets: &[Bucket]) -> u64 {
        let candidates = self.candidates.capacity() * size_of::<(M::Action, M::State)>();
        let notes = self.starts.capacity() * size_of::<u32>() + self.is_fresh.capacity();
        let buckets: usize = buckets.iter().map(Bucket::bytes).sum();
        (candidates + notes + buckets) as u64
    }
}

/// The message of a panic, which is text unless the model made it something
/// else.
pub(super) fn message_of(panic: &(dyn Any + Send)) -> String {
    if let Some(message) = panic.downcast_ref::<&str>() {
        (*message).to_owned()
    } else if let Some(message) = panic.downcast_ref::<String>() {
        message.clone()
    } else {
        "a panic without a message".to_owned()
    }
}
