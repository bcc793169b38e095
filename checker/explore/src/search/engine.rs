//! The level loop: deals batches of the frontier to the workers, numbers the
//! states that come back, and decides when to stop.

use super::checked::Checked;
use super::crew::Crew;
use super::fingerprint::{Fingerprint, Fingerprinter, collision_bound};
use super::frontier::Frontier;
use super::links::{Id, Links, Spot};
use super::options::{Options, Progress, StopAt, Why};
use super::report::{Count, DeadEnds, Maximum, PropertyResult, Report, Verdict};
use super::table::{SEGMENTS, Shard, owner_of};
use super::tally::{Names, Tally};
use super::trace::{Rebuilder, Trace};
use super::watch::Watch;
use super::worker::{Parcel, Worker, message_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Visits every state of `model` that can be reached, unless a limit or a
/// breach ends the search before, and calls `progress` now and then.
///
/// Memory is the limit in practice: 16 bytes over a load of 64 to 80 % and 6
/// bytes for the link, 26 to 31 bytes a state, beside the two frontiers.
///
/// # Panics
///
/// Only for faults of the engine itself and in `progress`; the model's panics
/// are reported.
pub fn search<M: Checked>(
    model: &M,
    options: &Options,
    progress: impl FnMut(&Progress),
) -> Report<M::State, M::Action> {
    assert!(options.threads > 0, "a search needs a worker");
    let threads = options.threads.min(SEGMENTS);
    let watch = Watch::start();
    let stop = AtomicBool::new(false);
    let mut shards: Vec<_> = (0..threads)
        .map(|index| Shard::new(index, threads))
        .collect();
    let prepared = catch_unwind(AssertUnwindSafe(|| {
        let names = Names::of(model);
        let start = Start::of(model, &names, options.properties, &mut shards);
        (names, start)
    }));
    let (names, start) = match prepared {
        Ok(prepared) => prepared,
        Err(panic) => {
            let (names, start) = (Names::default(), Start::nothing());
            let run = Run::new(options, watch, &stop, progress, start);
            let mut tally = Tally::new(&names);
            tally.see_panic(NOWHERE, message_of(&*panic));
            return run.report(model, &names, &tally, &[], threads);
        }
    };
    let mut tally = start.tally.clone();
    let mut run = Run::new(options, watch, &stop, progress, start);
    let shards = std::thread::scope(|scope| {
        let workers = shards
            .drain(..)
            .map(|shard| Worker::new(model, options.properties, &stop, shard));
        let parcels = (0..threads).map(|_| Parcel::new(threads, Tally::new(&names)));
        let mut crew = Crew::start(scope, workers.collect(), parcels.collect());
        run.expand_all(&mut crew, &mut tally);
        crew.dismiss()
    });
    run.report(model, &names, &tally, &shards, threads)
}

/// The spot of a panic that came before any state.
const NOWHERE: Spot = Spot::Initial(Id::MAX);

/// No batch is begun with more states than this: a batch finds at most 2^28 new
/// ones (4096 states with 65,536 successors each), whose numbers must not run
/// out.
const STATES_MAX: u64 = Id::MAX as u64 - (1 << 28);

/// The initial states, judged and numbered.
struct Start<S> {
    frontier: Frontier<S>,
    links: Links,
    tally: Tally,
}

impl<S> Start<S> {
    fn nothing() -> Self {
        Self {
            frontier: Frontier::new(),
            links: Links::default(),
            tally: Tally::new(&Names::default()),
        }
    }

    fn of<M>(model: &M, names: &Names, enabled: u64, shards: &mut [Shard]) -> Self
    where
        M: Checked<State = S>,
    {
        let mut start = Self {
            tally: Tally::new(names),
            ..Self::nothing()
        };
        let mut fingerprinter = Fingerprinter::default();
        let mut states = Vec::new();
        let mut heap_bytes = 0;
        for (root, state) in initial_states(model).into_iter().enumerate() {
            let fingerprint = fingerprinter.of(&state);
            let owner = owner_of(fingerprint, shards.len());
            if !shards[owner].insert(fingerprint) {
                continue;
            }
            let spot = Spot::Initial(start.links.roots.len() as Id);
            start.links.roots.push(root);
            // A panic here is reported with a way to this very state.
            let judged = catch_unwind(AssertUnwindSafe(|| model.judge_state(&state)));
            match judged {
                Ok(broken) => start.tally.see_broken(broken & enabled, spot),
                Err(panic) => start.tally.see_panic(spot, message_of(&*panic)),
            }
            heap_bytes += model.heap_bytes(&state) as u64;
            states.push(state);
        }
        start.frontier.append(&mut states, heap_bytes);
        start
    }
}

/// The model's initial states, as far as they are inside its boundary.
pub(super) fn initial_states<M: Checked>(model: &M) -> Vec<M::State> {
    let mut states = model.init_states();
    states.retain(|state| model.within_boundary(state));
    states
}

/// A search under way.
struct Run<'a, S, P> {
    options: &'a Options,
    watch: Watch,
    stop: &'a AtomicBool,
    progress: P,
    /// When progress was told last, and how many states there were.
    told: (Duration, u64),
    /// This level's states that are not yet expanded.
    current: Frontier<S>,
    /// The next level's states.
    next: Frontier<S>,
    links: Links,
    levels: Vec<u64>,
    transitions: u64,
    table_bytes: u64,
    bytes: u64,
    peak_bytes: u64,
    closed: bool,
    cut: Option<Why>,
}

impl<'a, S: Send, P: FnMut(&Progress)> Run<'a, S, P> {
    fn new(
        options: &'a Options,
        watch: Watch,
        stop: &'a AtomicBool,
        progress: P,
        start: Start<S>,
    ) -> Self {
        Self {
            options,
            watch,
            stop,
            progress,
            told: (Duration::ZERO, 0),
            levels: vec![start.frontier.len() as u64],
            current: start.frontier,
            next: Frontier::new(),
            links: start.links,
            transitions: 0,
            table_bytes: 0,
            bytes: 0,
            peak_bytes: 0,
            closed: false,
            cut: None,
        }
    }

    /// Expands level after level until there is a reason to stop. `tally` holds
    /// what was seen in the initial states and gets all the rest.
    fn expand_all(&mut self, crew: &mut Crew<'_, S>, tally: &mut Tally) {
        let start = tally.clone();
        while !self.is_over(tally) {
            if self.current.len() == 0 {
                self.levels.push(self.next.len() as u64);
                std::mem::swap(&mut self.current, &mut self.next);
                self.next = Frontier::new();
            }
            let mut first = self.first_waiting();
            let mut hands: Vec<_> = crew
                .parcels
                .iter_mut()
                .map(|parcel| std::mem::take(&mut parcel.parents))
                .collect();
            self.current.deal(&mut hands);
            for (parcel, hand) in crew.parcels.iter_mut().zip(hands) {
                parcel.first = first;
                first += hand.iter().map(Vec::len).sum::<usize>() as Id;
                parcel.parents = hand;
            }
            crew.work(|| self.pulse());
            *tally = start.clone();
            for parcel in &mut crew.parcels {
                self.gather(parcel);
                tally.merge(&parcel.tally);
            }
            self.transitions = tally.transitions;
            self.account(&crew.parcels);
        }
    }

    /// The number of the first state that waits in the current level.
    fn first_waiting(&self) -> Id {
        (self.links.states() - self.next.len() - self.current.len()) as Id
    }

    /// Numbers and queues the states that a worker found.
    fn gather(&mut self, parcel: &mut Parcel<S>) {
        assert_eq!(parcel.links.len(), parcel.fresh.len());
        for link in parcel.links.drain(..) {
            self.links.push(link);
        }
        self.next.append(&mut parcel.fresh, parcel.heap_bytes);
    }

    /// Adds up the memory in use.
    fn account(&mut self, parcels: &[Parcel<S>]) {
        let rest = self.links.bytes() as u64
            + self.current.bytes()
            + self.next.bytes()
            + sum(parcels, |parcel| parcel.buffer_bytes);
        self.table_bytes = sum(parcels, |parcel| parcel.table_bytes);
        self.bytes = rest + self.table_bytes;
        let table_bytes_max = sum(parcels, |parcel| parcel.table_bytes_max);
        self.peak_bytes = self.peak_bytes.max(rest + table_bytes_max);
    }

    /// Whether there is a reason to stop, which it notes. What ended the work
    /// on the last batch early comes first, then the end of the space; a limit
    /// counts only where something is left to do.
    fn is_over(&mut self, tally: &Tally) -> bool {
        let at_first = self.options.stop_at == StopAt::FirstBreach;
        let broken = at_first && tally.first_breach().is_some();
        if tally.panic.is_some() {
            return true;
        }
        if tally.too_wide {
            self.cut = Some(Why::Successors);
        } else if self.stop.load(Ordering::Relaxed) {
            self.cut = Some(Why::Time);
        } else if self.current.len() + self.next.len() == 0 {
            self.closed = true;
        } else if !broken {
            self.cut = self.limit_reached();
        }
        broken || self.closed || self.cut.is_some()
    }

    fn limit_reached(&self) -> Option<Why> {
        let limits = self.options.limits;
        let states_max = limits.states.unwrap_or(STATES_MAX).min(STATES_MAX);
        let reached = |limit: Option<u64>, value| limit.is_some_and(|limit| value > limit);
        if self.links.states() as u64 > states_max {
            Some(Why::States)
        } else if reached(limits.bytes, self.bytes) {
            Some(Why::Memory)
        } else if self.is_out_of_time() {
            Some(Why::Time)
        } else {
            None
        }
    }

    fn is_out_of_time(&self) -> bool {
        let limit = self.options.limits.time;
        limit.is_some_and(|limit| self.watch.elapsed() >= limit)
    }

    /// Looks at the clock: tells progress if it is time to, and has the workers
    /// stop if there is none left.
    fn pulse(&mut self) {
        if self.is_out_of_time() {
            self.stop.store(true, Ordering::Relaxed);
        }
        let elapsed = self.watch.elapsed();
        let (told_at, told_states) = self.told;
        let since = elapsed.saturating_sub(told_at);
        if since < self.options.progress_every {
            return;
        }
        let states = self.links.states() as u64;
        self.told = (elapsed, states);
        (self.progress)(&Progress {
            level: self.levels.len() as u64 - 1,
            states,
            transitions: self.transitions,
            queue: (self.current.len() + self.next.len()) as u64,
            states_per_second: (states - told_states) as f64 / since.as_secs_f64().max(1e-9),
            bytes: self.bytes,
            elapsed,
        });
    }

    /// Rebuilds the traces and puts everything together.
    fn report<M: Checked<State = S>>(
        self,
        model: &M,
        names: &Names,
        tally: &Tally,
        shards: &[Shard],
        threads: usize,
    ) -> Report<S, M::Action> {
        let states = self.links.states() as u64;
        let is_known = |fingerprint| {
            let owner = owner_of(fingerprint, shards.len());
            shards[owner].contains(fingerprint)
        };
        let mut traces = Rebuilder::new(model, &self.links, is_known);
        let properties: Vec<_> = (names.properties.iter().enumerate())
            .map(|(index, &name)| PropertyResult {
                name,
                judged: self.options.properties >> index & 1 == 1,
                trace: tally.breaches[index].and_then(|spot| traces.breach(spot, index)),
            })
            .collect();
        let first = tally.first_dead_end.and_then(|spot| traces.way_to(spot));
        let verdict = self.verdict(names, tally, &mut traces);
        let table_bytes = self.table_bytes + self.links.bytes() as u64;
        let levels = self.levels;
        Report {
            verdict: match traces.failure() {
                Some(message) => Verdict::Unrepeatable { message },
                None => verdict,
            },
            closed: self.closed,
            cut: self.cut,
            properties,
            initial_states: levels[0],
            states,
            transitions: tally.transitions,
            depth: levels.len() as u64 - 1,
            levels,
            threads,
            seconds: self.watch.elapsed().as_secs_f64(),
            peak_bytes: self.peak_bytes,
            table_bytes,
            bytes_per_state: table_bytes as f64 / states.max(1) as f64,
            collision_bound: collision_bound(states),
            kinds: counts(&names.kinds, &tally.kinds),
            coverage: counts(&names.coverage, &tally.coverage),
            measures: (names.measures.iter().zip(&tally.measures))
                .map(|(&name, &maximum)| Maximum { name, maximum })
                .collect(),
            dead_ends: DeadEnds {
                allowed: tally.ends_allowed,
                count: tally.dead_ends,
                first,
            },
        }
    }

    /// What the search comes to. Where both happened, the one that a sequential
    /// search would have met first decides, unless it was to go on after a
    /// breach: then the panic kept it from doing so.
    fn verdict<M: Checked<State = S>>(
        &self,
        names: &Names,
        tally: &Tally,
        traces: &mut Rebuilder<'_, M, impl Fn(Fingerprint) -> bool>,
    ) -> Verdict<S, M::Action> {
        let breach = tally.first_breach();
        if let Some((panic, message)) = &tally.panic {
            let decides = match (self.options.stop_at, breach) {
                (StopAt::FirstBreach, Some((spot, _))) => *panic <= spot,
                (StopAt::FirstBreach, None) | (StopAt::Closure, _) => true,
            };
            if decides {
                let known = *panic != NOWHERE;
                let trace: Option<Trace<_, _>> = known.then(|| traces.way_to(*panic)).flatten();
                let message = message.clone();
                return Verdict::Panicked { message, trace };
            }
        }
        let broken = breach.and_then(|(spot, property)| {
            let trace = traces.breach(spot, property)?;
            let name = names.properties[property];
            Some(Verdict::Violated {
                property,
                name,
                trace,
            })
        });
        match (broken, self.cut, self.closed) {
            (Some(violated), _, _) => violated,
            (None, Some(why), _) => Verdict::Truncated(why),
            (None, None, true) => Verdict::Exhausted,
            (None, None, false) => {
                // Only a breach that doesn't repeat leads here.
                let message = "a breach was not found again".to_owned();
                Verdict::Unrepeatable { message }
            }
        }
    }
}

fn counts(names: &[&'static str], counts: &[u64]) -> Vec<Count> {
    let pairs = names.iter().zip(counts);
    pairs.map(|(&name, &count)| Count { name, count }).collect()
}

fn sum<S>(parcels: &[Parcel<S>], bytes: impl Fn(&Parcel<S>) -> u64) -> u64 {
    parcels.iter().map(bytes).sum()
}
