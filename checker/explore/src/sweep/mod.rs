//! The margin's formula against the search, over small timings.
//!
//! The safety argument subtracts a margin from the end of authority, and says by how much at least:
//! the latest reset after D, and the trailing I/O ([`Point::needed`]). A [`Point`] is a timing of a
//! few ticks with any margin, enough or not. The search must find a run in which the lock is taken
//! under a running service exactly where the margin is below what the formula asks for. If it found
//! one elsewhere, the formula would be unsafe; if it found none, it would ask for too much, or the
//! search would not see what it has to.
//!
//! What goes wrong in every point is what the formula is about, once each, at any moment: the LRM
//! is stopped for good while its service runs; then the multiplexer is stopped, goes on at any
//! moment, and dies (κ = 3), in any order. The kernel is late, and a clock a tick off, where the
//! point says so. A host that was reset stays off. Other faults, and an LRM that goes on, are left
//! to the configurations `l1/k1/tight` and `l1/k3/tight`, which take minutes.

mod plot;

use std::sync::atomic::{AtomicUsize, Ordering};

use lockstep_model::config::{DriftPpm, Kappa, Timing};
use lockstep_model::time::Span;
use lockstep_world::property::Property;
use lockstep_world::shared::Shared;
use lockstep_world::state::{Host, Instance};
use lockstep_world::{Action, Fault, Proc, Setup, World};
use stateright::Model;

use crate::cluster::Cluster;
use crate::configuration::{Findings, brisk_kappa_one, layer1};
use crate::search::{Checked, Options, StopAt, Verdict, search};

pub use plot::plot;

/// D − t0 in every point, the least with which the other numbers leave a tick of slack.
const GUARDED: u64 = 4;

/// How far below and above what is needed the margins go.
const BELOW: u64 = 2;
const ABOVE: u64 = 1;

/// A timing with a margin, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// κ.
    pub kappa: Kappa,
    /// W.
    pub watchdog: u64,
    /// W′, at least W.
    pub reset_max: u64,
    /// p, below W.
    pub ping: u64,
    /// δ.
    pub trail: u64,
    /// δ_k, a part of δ; zero for κ = 3.
    pub kernel_delay: u64,
    /// ρT in whole ticks, as the machines are told.
    pub drift: u64,
    /// Whether a clock skips a tick or counts it twice, once, whatever the machines are told.
    pub clock_errs: bool,
    /// E − D, whether it is enough or not.
    pub margin: u64,
}

impl Point {
    /// Every point of the sweep, in the order of its numbers.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for kappa in [Kappa::One, Kappa::Three] {
            for watchdog in 2..=4 {
                for reset_max in watchdog..=watchdog + 1 {
                    for ping in 1..watchdog {
                        all.extend(Self::of_device(kappa, watchdog, reset_max, ping));
                    }
                }
            }
        }
        all
    }

    /// The points of a device that is pinged so often.
    fn of_device(kappa: Kappa, watchdog: u64, reset_max: u64, ping: u64) -> Vec<Self> {
        let mut timings = Vec::new();
        for (trail, kernel_delay) in [(0, 0), (1, 0), (2, 0), (1, 1), (2, 1)] {
            for (drift, clock_errs) in [(0, false), (0, true), (1, true)] {
                let slow_kernel = kernel_delay > 0;
                // One kind of lateness at a time, and the kernel's only where it matters.
                let alone = !clock_errs || trail == 1 && !slow_kernel && reset_max == watchdog;
                if !alone || slow_kernel && kappa == Kappa::Three {
                    continue;
                }
                timings.push(Self {
                    kappa,
                    watchdog,
                    reset_max,
                    ping,
                    trail,
                    kernel_delay,
                    drift,
                    clock_errs,
                    margin: 0,
                });
            }
        }
        let with_margins = |timing: Self| {
            let needed = timing.needed();
            let margins = needed.saturating_sub(BELOW)..=needed + ABOVE;
            margins.map(move |margin| Self { margin, ..timing })
        };
        timings.into_iter().flat_map(with_margins).collect()
    }

    /// The least margin that is safe, in the form for ticks: the latest reset after D, and until
    /// nothing is written any more.
    ///
    /// κ = 1: the kernel kills the multiplexer at D, which pings the device a last time: W′. κ = 3:
    /// the last ping in time was checked p before the last check, which was a tick before D; the
    /// late ping is done W′ after it, the close that follows another W′ later, and the reset comes
    /// W′ after that: 3·W′ − p − 1.
    ///
    /// What trails takes δ, of which δ_k is the kernel's. Where nothing trails, the reset itself
    /// has to come before the take: two things of one moment have no order, so that a tick has to
    /// lie between them.
    ///
    /// E and the earliest take lie 2·ρT apart; a clock that is off uses up one tick of that.
    #[must_use]
    pub fn needed(&self) -> u64 {
        let last = self.trail.max(self.kernel_delay + 1);
        let latest = layer1::latest_reset(&self.told()) + last + u64::from(self.clock_errs);
        latest.saturating_sub(2 * self.drift)
    }

    /// Whether the formula says that two nodes can't run a service at once.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.margin >= self.needed()
    }

    /// T.
    #[must_use]
    pub const fn lock_ttl(&self) -> u64 {
        GUARDED + self.drift + self.margin
    }

    /// The numbers, without regard to the margin.
    fn told(&self) -> Timing {
        Timing {
            lock_ttl: Span(self.lock_ttl()),
            watchdog: Span(self.watchdog),
            reset_max: Span(self.reset_max),
            kappa: self.kappa,
            ping: Span(self.ping),
            renewal: Span(1),
            outage: Span(0),
            request_timeout: Span(1),
            stop_budget: Span(1),
            kill_budget: Span(1),
            io_trail: Span(self.trail),
            kernel_delay: Span(self.kernel_delay),
            drift: self.drift_rate(),
            ..brisk_kappa_one()
        }
    }

    /// A rate whose part of T is so many ticks, rounded up.
    fn drift_rate(&self) -> DriftPpm {
        let rate = 1_000_000 * self.drift / self.lock_ttl().max(1);
        DriftPpm(u32::try_from(rate).unwrap_or(u32::MAX))
    }

    /// The timing: the margin that the machines subtract is that of the point.
    #[must_use]
    pub fn timing(&self) -> Timing {
        let told = self.told();
        let full = told.margin(told.reset_max).0;
        Timing {
            trim: Span(full.saturating_sub(self.margin)),
            // What is subtracted beyond κ·W′ + δ is as if a hypervisor were allowed for.
            host_stop: Span(self.margin.saturating_sub(full)),
            ..told
        }
    }

    /// The setup.
    #[must_use]
    pub fn setup(&self) -> Setup {
        let mut faults = vec![Fault::PauseLrm, Fault::PauseMux];
        if self.kappa == Kappa::Three {
            faults.push(Fault::CrashMux);
        }
        if self.kernel_delay > 0 {
            faults.push(Fault::SlowPing);
        }
        if self.clock_errs {
            faults.push(Fault::Drift);
        }
        let budget = u8::try_from(faults.len()).unwrap_or(u8::MAX);
        let mut setup = layer1::holder(&self.timing(), &faults, budget);
        if !self.clock_errs {
            setup.fault_hosts = vec![0];
        }
        setup.each_fault_once = true;
        // What was only told to widen the margin doesn't happen.
        setup.physics.host_stop = 0;
        setup.physics.drift_spacing = self.clock_errs.then_some(self.lock_ttl());
        setup
    }

    /// Searches it.
    #[must_use]
    pub fn explore(&self) -> Findings {
        let options = Options {
            properties: Property::TakenIsDead.bit() | Property::SingleInstance.bit(),
            stop_at: StopAt::FirstBreach,
            threads: 1,
            ..Options::default()
        };
        search(&Silenced(Cluster::new(self.setup())), &options, |_| ())
    }
}

/// What the search said of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which.
    pub point: Point,
    /// Whether it found a run that breaks a property; the whole space was explored if not.
    pub violated: bool,
    /// The states that it took.
    pub states: u64,
    /// The latest reset after D that it met, where it explored everything.
    pub latest_reset: Option<i64>,
}

impl Answer {
    /// Whether the formula says the same.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.violated != self.point.is_safe()
    }
}

/// An answer, or a point without one and why it has none.
type Searched = Result<Answer, (Point, String)>;

/// Searches every point, on so many threads; the answers are in the points' order.
///
/// # Errors
///
/// A point whose search came to no verdict, and how it ended.
pub fn sweep(points: &[Point], threads: usize) -> Result<Vec<Answer>, (Point, String)> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut answers = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(point) = points.get(index) else {
                return answers;
            };
            answers.push((index, answer(point)));
        }
    };
    let mut answers: Vec<(usize, Searched)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined
            .flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    answers.sort_unstable_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn answer(point: &Point) -> Searched {
    let found = point.explore();
    let violated = match found.verdict {
        Verdict::Exhausted => false,
        Verdict::Violated { .. } => true,
        Verdict::Truncated(why) => return Err((*point, format!("truncated: {why:?}"))),
        Verdict::Panicked { message, .. } => return Err((*point, message)),
        Verdict::Unrepeatable { .. } => {
            let message = "the model answers differently when it is asked again";
            return Err((*point, message.into()));
        }
    };
    let latest = found.measures.first().and_then(|measure| measure.maximum);
    Ok(Answer {
        point: *point,
        violated,
        states: found.states,
        latest_reset: latest.filter(|_| !violated),
    })
}

/// A cluster in which the LRM is stopped for good, in a moment in which it has nothing to do, and
/// nothing else goes wrong before that.
struct Silenced(Cluster);

impl Silenced {
    fn concerns(state: &World, action: &Action) -> bool {
        let lrms = state.hosts.iter().flat_map(|host| &host.lrms);
        let silent = lrms.clone().any(|lrm| lrm.paused);
        let running = |host: &Shared<Host>| host.instances.contains(&Instance::Running);
        match action.fault() {
            Some(Fault::PauseLrm) => {
                let mut lrms = lrms;
                state.hosts.iter().any(running)
                    && lrms.all(|lrm| lrm.outbox.is_empty() && lrm.inbox.is_empty())
            }
            Some(_) => silent,
            None => !matches!(
                action,
                Action::Resume {
                    proc: Proc::Lrm(_),
                    ..
                } | Action::PowerOn { .. }
            ),
        }
    }
}

impl Model for Silenced {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        self.0.init_states()
    }

    fn actions(&self, state: &World, actions: &mut Vec<Action>) {
        self.0.actions(state, actions);
        actions.retain(|action| Self::concerns(state, action));
    }

    fn next_state(&self, state: &World, action: Action) -> Option<World> {
        self.0.next_state(state, action)
    }
}

impl Checked for Silenced {
    fn successors(&self, state: &World, out: &mut Vec<(Action, World)>) {
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        for action in actions {
            if let Some(next) = self.next_state(state, action.clone()) {
                out.push((action, next));
            }
        }
    }

    fn property_names(&self) -> Vec<&'static str> {
        self.0.property_names()
    }

    fn judge_state(&self, state: &World) -> u64 {
        self.0.judge_state(state)
    }

    fn judge_step(&self, from: &World, action: &Action, to: &World) -> u64 {
        self.0.judge_step(from, action, to)
    }

    fn measure_names(&self) -> Vec<&'static str> {
        self.0.measure_names()
    }

    fn measure(&self, from: &World, action: &Action, to: &World, maxima: &mut [Option<i64>]) {
        self.0.measure(from, action, to, maxima);
    }
}
