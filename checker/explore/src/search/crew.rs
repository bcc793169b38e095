//! The worker threads and the parcels that go to them and come back.
//!
//! Work is handed over by value, so nothing is shared and nothing is locked. A
//! coordinator that unwinds drops its ends of the channels, on which the
//! workers leave: no one is ever left waiting.

use super::checked::Checked;
use super::table::Shard;
use super::worker::{Parcel, Phase, Worker};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

/// How long the coordinator waits for a parcel before it looks at the clock.
const PATIENCE: Duration = Duration::from_millis(20);

/// The threads of a search.
pub(super) struct Crew<'scope, S> {
    /// One parcel for each worker; here between two phases.
    pub(super) parcels: Vec<Parcel<S>>,
    members: Vec<Member<'scope, S>>,
}

struct Member<'scope, S> {
    orders: Sender<(Phase, Parcel<S>)>,
    results: Receiver<Parcel<S>>,
    thread: ScopedJoinHandle<'scope, Shard>,
}

impl<'scope, S: Send + 'scope> Crew<'scope, S> {
    /// Starts a thread for each worker.
    pub(super) fn start<'env, M>(
        scope: &'scope Scope<'scope, 'env>,
        workers: Vec<Worker<'env, M>>,
        parcels: Vec<Parcel<S>>,
    ) -> Self
    where
        M: Checked<State = S>,
    {
        assert_eq!(workers.len(), parcels.len());
        let members = workers.into_iter().map(|mut worker| {
            let (orders, inbox) = channel::<(Phase, Parcel<S>)>();
            let (outbox, results) = channel();
            let thread = scope.spawn(move || {
                for (phase, mut parcel) in inbox {
                    worker.perform(phase, &mut parcel);
                    if outbox.send(parcel).is_err() {
                        break;
                    }
                }
                worker.shard
            });
            Member {
                orders,
                results,
                thread,
            }
        });
        Self {
            parcels,
            members: members.collect(),
        }
    }
}

impl<S> Crew<'_, S> {
    /// Has every worker perform all phases on its parcel, and calls `wait` now
    /// and then.
    pub(super) fn work(&mut self, mut wait: impl FnMut()) {
        if self.members.len() == 1 {
            self.perform(Phase::Whole, &mut wait);
            return;
        }
        self.perform(Phase::Expand, &mut wait);
        self.exchange();
        self.perform(Phase::Insert, &mut wait);
        self.exchange();
        self.perform(Phase::Harvest, &mut wait);
    }

    /// Calls `look` with the workers' shards.
    pub(super) fn with_shards<T>(&mut self, look: impl FnOnce(Vec<&Shard>) -> T) -> T {
        self.perform(Phase::Lend, &mut || ());
        let shards = self.parcels.iter().map(|parcel| parcel.shard.as_ref());
        let seen = look(shards.flatten().collect());
        self.perform(Phase::Return, &mut || ());
        seen
    }

    /// Ends the threads and returns their shards.
    pub(super) fn dismiss(self) -> Vec<Shard> {
        let threads = self.members.into_iter().map(|member| {
            drop(member.orders);
            member.thread
        });
        threads
            .map(|thread| thread.join().expect("a worker catches the model's panics"))
            .collect()
    }

    fn perform(&mut self, phase: Phase, wait: &mut impl FnMut()) {
        for (member, parcel) in self.members.iter().zip(self.parcels.drain(..)) {
            let sent = member.orders.send((phase, parcel));
            assert!(sent.is_ok(), "a worker stays until it is dismissed");
        }
        for member in &self.members {
            let parcel = loop {
                match member.results.recv_timeout(PATIENCE) {
                    Ok(parcel) => break parcel,
                    Err(RecvTimeoutError::Timeout) => wait(),
                    Err(RecvTimeoutError::Disconnected) => {
                        panic!("a worker catches the model's panics")
                    }
                }
            };
            self.parcels.push(parcel);
        }
        wait();
    }

    /// Gives each worker the buckets that the others have for it: the bucket
    /// that worker `a` has for `b` changes places with the one `b` has for `a`.
    fn exchange(&mut self) {
        for b in 1..self.parcels.len() {
            let (before, rest) = self.parcels.split_at_mut(b);
            for (a, parcel) in before.iter_mut().enumerate() {
                std::mem::swap(&mut parcel.buckets[b], &mut rest[0].buckets[a]);
            }
        }
    }
}
