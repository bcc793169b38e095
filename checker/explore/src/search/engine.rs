//! The level loop: deals batches of the frontier to the workers, numbers the
//! states that come back, and decides when to stop.

use super::checked::Checked;
use super::checkpoint::{Rest, Saved};
use super::crew::Crew;
use super::dictionary::Dictionary;
use super::fingerprint::{Fingerprint, Fingerprinter, collision_bound};
use super::frontier::{BATCH, Chunk, Frontier, PIECE, Packed};
use super::keeper::Keeper;
use super::links::{Id, Links, Spot};
use super::options::{Options, Progress, StopAt, Why};
use super::packer::Packer;
use super::report::{Count, DeadEnds, Maximum, PropertyResult, Report, Verdict};
use super::spill::Spill;
use super::table::{SEGMENTS, Shard, owner_of};
use super::tally::{Names, Tally};
use super::trace::{Rebuilder, Trace};
use super::watch::Watch;
use super::worker::{Parcel, Worker, message_of};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Visits every state of `model` that can be reached, unless a limit or a
/// breach ends the search before, and calls `progress` now and then.
///
/// Memory is the limit in practice: 16 bytes over a load of 85 to 92 % and 5
/// bytes for the link, 22 to 24 bytes a state, beside the two frontiers.
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
    search_from(model, options, None, progress)
}

/// As [`search`]; goes on with a search that was interrupted, if one is given.
///
/// # Panics
///
/// As [`search`].
pub fn search_from<M: Checked>(
    model: &M,
    options: &Options,
    saved: Option<Saved<M::State>>,
    progress: impl FnMut(&Progress),
) -> Report<M::State, M::Action> {
    assert!(options.threads > 0, "a search needs a worker");
    let threads = options.threads.min(SEGMENTS);
    let watch = Watch::start();
    let stop = AtomicBool::new(false);
    let wants_packed = options.pack || options.checkpoint.is_some();
    let encoding = wants_packed.then(|| model.encoding()).flatten();
    let (mut shards, dictionary, start) = match saved {
        Some(saved) => (saved.shards, Some(saved.dictionary), Some(saved.start)),
        None => {
            let new = |index| Shard::new(index, threads);
            let dictionary = encoding.map(|encoding| Dictionary::new(encoding.kinds()));
            ((0..threads).map(new).collect(), dictionary, None)
        }
    };
    assert_eq!(shards.len(), threads, "opened for so many threads");
    let packer = || Some(Packer::new(encoding?, dictionary.as_ref()?));
    let prepared = catch_unwind(AssertUnwindSafe(|| {
        let names = Names::of(model);
        let start =
            start.unwrap_or_else(|| Start::of(model, &names, options, &mut shards, packer()));
        (names, start)
    }));
    let (names, start) = match prepared {
        Ok(prepared) => prepared,
        Err(panic) => {
            let (names, start) = (Names::default(), Start::nothing(None));
            let run = Run::new(options, watch, &stop, progress, start);
            let mut tally = Tally::new(&names);
            tally.see_panic(NOWHERE, message_of(&*panic));
            return run.report(model, &names, &tally, &[], threads);
        }
    };
    let mut tally = start.tally.clone();
    let mut run = Run::new(options, watch, &stop, progress, start);
    let keeper = Keeper::new(options, &names, dictionary.as_ref());
    let shards = std::thread::scope(|scope| {
        let workers = shards
            .drain(..)
            .map(|shard| Worker::new(model, options.properties, &stop, shard, packer()));
        let parcels =
            (0..threads).map(|_| Parcel::new(threads, dictionary.is_some(), Tally::new(&names)));
        let mut crew = Crew::start(scope, workers.collect(), parcels.collect());
        run.expand_all(&mut crew, &mut tally, &keeper);
        crew.dismiss()
    });
    run.keep_at_end(&keeper, &tally, shards.iter().collect());
    run.report(model, &names, &tally, &shards, threads)
}

/// The spot of a panic that came before any state.
const NOWHERE: Spot = Spot::Initial(Id::MAX);

/// No batch is begun with more states than this: a batch finds at most 2^28 new
/// ones (4096 states with 65,536 successors each), whose numbers must not run
/// out.
const STATES_MAX: u64 = Id::MAX as u64 - (1 << 28);

/// Where a search begins, or goes on: the initial states, judged and numbered, or all that was found
/// before it was interrupted.
pub(super) struct Start<S> {
    pub(super) current: Frontier<S>,
    pub(super) next: Frontier<S>,
    pub(super) links: Links,
    pub(super) tally: Tally,
    pub(super) levels: Vec<u64>,
    /// How long the search took so far.
    pub(super) before: Duration,
}

impl<S> Start<S> {
    fn nothing(spill: Option<Spill>) -> Self {
        Self {
            current: Frontier::new(None),
            next: Frontier::new(spill),
            links: Links::default(),
            tally: Tally::new(&Names::default()),
            levels: vec![0],
            before: Duration::ZERO,
        }
    }

    fn of<M>(
        model: &M,
        names: &Names,
        options: &Options,
        shards: &mut [Shard],
        mut packer: Option<Packer<'_, S>>,
    ) -> Self
    where
        M: Checked<State = S>,
    {
        let mut start = Self {
            tally: Tally::new(names),
            ..Self::nothing(options.spill())
        };
        let mut fingerprinter = Fingerprinter::default();
        let mut states = Vec::new();
        let mut packed = Packed::default();
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
                Ok(broken) => start.tally.see_broken(broken & options.properties, spot),
                Err(panic) => start.tally.see_panic(spot, message_of(&*panic)),
            }
            match &mut packer {
                Some(packer) => packer.pack(&state, &mut packed),
                None => {
                    heap_bytes += model.heap_bytes(&state) as u64;
                    states.push(state);
                }
            }
        }
        start.current.append(&mut Chunk::Plain(states), heap_bytes);
        start.current.append(&mut Chunk::Packed(packed), 0);
        start.levels = vec![start.current.len() as u64];
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
    /// What was seen before the workers began.
    begun_with: Tally,
    /// How long the search took before it was interrupted.
    before: Duration,
    /// When the search was kept last.
    kept_at: Duration,
    /// Whether the file holds the search as it is at its end.
    saved: bool,
    disk_failure: Option<String>,
    /// The most bytes of any packed state.
    longest: u64,
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
            levels: start.levels,
            current: start.current,
            next: start.next,
            links: start.links,
            transitions: start.tally.transitions,
            begun_with: start.tally,
            before: start.before,
            kept_at: Duration::ZERO,
            saved: false,
            disk_failure: None,
            longest: 0,
            table_bytes: 0,
            bytes: 0,
            peak_bytes: 0,
            closed: false,
            cut: None,
        }
    }

    /// Expands level after level until there is a reason to stop. `tally` holds
    /// what was seen before and gets all the rest.
    fn expand_all(&mut self, crew: &mut Crew<'_, S>, tally: &mut Tally, keeper: &Keeper<'_>) {
        while !self.is_over(tally) {
            if self.current.len() == 0 {
                self.levels.push(self.next.len() as u64);
                let queue = Frontier::new(self.options.spill());
                self.current = std::mem::replace(&mut self.next, queue);
            }
            for _ in 0..BATCH / PIECE {
                if let Err(error) = self.expand_piece(crew) {
                    self.cut = Some(Why::Disk);
                    self.disk_failure = Some(error.to_string());
                    break;
                }
                let ended = |parcel: &Parcel<S>| parcel.tally.ends_the_search();
                if self.current.len() == 0 || crew.parcels.iter().any(ended) {
                    break;
                }
            }
            tally.clone_from(&self.begun_with);
            for parcel in &crew.parcels {
                tally.merge(&parcel.tally);
            }
            self.transitions = tally.transitions;
            self.account(&crew.parcels, keeper);
            if keeper.is_due(self.watch.elapsed().saturating_sub(self.kept_at))
                && self.may_go_on(tally)
            {
                crew.with_shards(|shards| self.keep(keeper, tally, shards));
            }
        }
    }

    /// Expands so many states that their successors stay in the processor's cache.
    fn expand_piece(&mut self, crew: &mut Crew<'_, S>) -> io::Result<()> {
        let mut first = self.first_waiting();
        let mut hands: Vec<_> = crew
            .parcels
            .iter_mut()
            .map(|parcel| std::mem::take(&mut parcel.parents))
            .collect();
        self.current.deal(&mut hands)?;
        for (parcel, hand) in crew.parcels.iter_mut().zip(hands) {
            parcel.first = first;
            first += hand.iter().map(Chunk::len).sum::<usize>() as Id;
            parcel.parents = hand;
        }
        crew.work(|| self.pulse());
        for parcel in &mut crew.parcels {
            self.gather(parcel);
        }
        Ok(())
    }

    /// Whether the search, as it rests now, can be continued: nothing ended it, and no state was lost.
    fn may_go_on(&self, tally: &Tally) -> bool {
        let broken = self.options.stop_at == StopAt::FirstBreach && tally.first_breach().is_some();
        let lost = self.cut == Some(Why::Disk) || self.stop.load(Ordering::Relaxed);
        !broken && !lost && !tally.ends_the_search()
    }

    fn keep(&mut self, keeper: &Keeper<'_>, tally: &Tally, shards: Vec<&Shard>) {
        self.kept_at = self.watch.elapsed();
        let kept = keeper.keep(self.options, |names, dictionary| Rest {
            names,
            levels: &self.levels,
            tally,
            links: &self.links,
            shards,
            dictionary,
            current: &self.current,
            next: &self.next,
            elapsed: self.before + self.watch.elapsed(),
        });
        match kept {
            Ok(()) => self.saved = true,
            Err(failure) => self.disk_failure = Some(failure),
        }
    }

    /// Keeps a search that a limit ended.
    fn keep_at_end(&mut self, keeper: &Keeper<'_>, tally: &Tally, shards: Vec<&Shard>) {
        self.saved = false;
        if keeper.is_wanted() && self.cut.is_some() && self.may_go_on(tally) {
            self.keep(keeper, tally, shards);
        }
        let queues = [&self.current, &self.next];
        let failure = queues.iter().find_map(|queue| queue.failure());
        let failure = failure.map(str::to_owned);
        self.disk_failure = self.disk_failure.take().or(failure);
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
    fn account(&mut self, parcels: &[Parcel<S>], keeper: &Keeper<'_>) {
        let rest = self.links.bytes() as u64
            + keeper.dictionary_bytes()
            + self.current.bytes()
            + self.next.bytes()
            + sum(parcels, |parcel| parcel.buffer_bytes);
        let longest = parcels.iter().map(|parcel| parcel.longest).max();
        self.longest = longest.unwrap_or(0);
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
        if self.cut.is_some() {
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
        } else if self.options.is_interrupted() {
            Some(Why::Interrupted)
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
        // A search that is kept ends between two batches, so that nothing is done by halves.
        if self.is_out_of_time() && self.options.checkpoint.is_none() {
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
            disk_bytes: self.current.disk_bytes() + self.next.disk_bytes(),
            elapsed: self.before + elapsed,
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
            saved: (self.options.checkpoint.as_ref())
                .filter(|_| self.saved)
                .map(|checkpoint| checkpoint.file.clone()),
            disk_failure: self.disk_failure,
            state_bytes_max: self.longest,
            seconds_here: self.watch.elapsed().as_secs_f64(),
            seconds: (self.before + self.watch.elapsed()).as_secs_f64(),
            peak_bytes: self.peak_bytes,
            table_bytes,
            bytes_per_state: table_bytes as f64 / states.max(1) as f64,
            collision_bound: collision_bound(states, model.hash_levels()),
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
