//! What happened in a run, for people: moments, hosts, words.
//!
//! A [`Story`] is made from a setup and the actions of a run, which are carried out again one by
//! one. What an action is depends on the world before it (which effect, which input), so the words
//! come from both, and from what the machines said that they decided. Moments count in ticks from
//! the beginning of the run: `t=7`.
//!
//! Hosts that a setup can't tell apart change places between two states of a search. A story keeps
//! each in one column, under the number that it had in the beginning.
//!
//! [`layout()`] makes a table of it, with one column for each host. This module knows no colours: a
//! [`Tone`] says how much something matters, and who prints decides what that looks like.

mod cluster;
mod ending;
mod exchange;
mod frame;
mod layout;
mod scene;
mod words;

use lockstep_world::leads::Promise;
use lockstep_world::property::Property;
use lockstep_world::{Action, Setup, World};

pub use frame::{Frame, HostFrame, Life, LockFrame, Running};
pub use layout::{Paint, layout, plain};

use scene::Scene;

/// How much something matters to who reads a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tone {
    /// Routine, without which the rest can't be understood.
    Routine,
    /// Locks, authority and services change.
    Notable,
    /// A fault, or a person's act.
    Fault,
    /// A reset, a kill, a broken property.
    Alarm,
}

/// Where something happens: a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// On a host, by its number in the beginning.
    Host(usize),
    /// In the store, or in front of a keyboard.
    Elsewhere,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// The moment, in ticks since the beginning.
    pub tick: u64,
    /// Which action of the run it is part of, counted from 0.
    pub step: usize,
    /// Where.
    pub place: Place,
    /// Which process does it; empty where it befalls the host.
    pub who: String,
    /// What, as the rest of a sentence that begins with who does it.
    pub what: String,
    /// How much it matters.
    pub tone: Tone,
}

/// A run, told.
#[derive(Clone, Debug)]
pub struct Story {
    /// The numbers that the hosts go by, and the rules that are broken on purpose.
    pub premises: Vec<String>,
    /// What each host is, in the order of the columns.
    pub hosts: Vec<String>,
    /// What happens, in order.
    pub happenings: Vec<Happening>,
    /// How many ticks pass.
    pub ticks: u64,
    /// The properties that the last state or the last step breaks.
    pub broken: Vec<Property>,
    /// What never comes, in a run that goes on for ever.
    pub never: Option<Never>,
    /// The first step before the last that breaks something, counted from 0, with what.
    pub broken_before: Option<(usize, Vec<Property>)>,
    /// The state at the end: paragraphs, each with a heading.
    pub ending: Vec<(String, Vec<String>)>,
    /// The states, from the first to the last: one more than there are steps.
    pub frames: Vec<Frame>,
}

/// What never comes in a run that goes on for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Never {
    /// Which promise is never kept.
    pub promise: Promise,
    /// The moment from which on all repeats.
    pub from: u64,
    /// How many actions are repeated; none: the run stops.
    pub steps: usize,
}

/// An action that can't happen where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impossible {
    /// Which, counted from 0.
    pub step: usize,
    /// The action.
    pub action: Action,
}

impl Story {
    /// Carries out a run from the beginning and tells it.
    ///
    /// # Errors
    ///
    /// The first action that can't happen in the state before it. Nothing is carried out then.
    pub fn of(setup: &Setup, actions: &[Action]) -> Result<Self, Impossible> {
        let mut teller = Teller::new(setup);
        teller.take_all(actions)?;
        Ok(teller.end())
    }

    /// Tells a run whose second part repeats for ever, and in which a promise is never kept.
    ///
    /// # Errors
    ///
    /// As [`Story::of`].
    pub fn of_lasso(
        setup: &Setup,
        promise: &Promise,
        prefix: &[Action],
        cycle: &[Action],
    ) -> Result<Self, Impossible> {
        let mut teller = Teller::new(setup);
        teller.take_all(prefix)?;
        let from = teller.tick;
        if !cycle.is_empty() {
            teller.remark("what follows repeats for ever");
        }
        teller.take_all(cycle)?;
        if !cycle.is_empty() {
            teller.remark(&format!("all is as it was at t={from}, and goes on so"));
        }
        Ok(Self {
            never: Some(Never {
                promise: *promise,
                from,
                steps: cycle.len(),
            }),
            ..teller.end()
        })
    }
}

/// Follows a run.
struct Teller<'a> {
    setup: &'a Setup,
    /// The setup without symmetry: hosts stay where they are.
    fixed: Setup,
    world: World,
    tick: u64,
    /// The column of each host of the present state.
    columns: Vec<usize>,
    happenings: Vec<Happening>,
    broken: u64,
    broken_before: Option<(usize, Vec<Property>)>,
    steps: usize,
    frames: Vec<Frame>,
}

impl<'a> Teller<'a> {
    fn new(setup: &'a Setup) -> Self {
        let mut fixed = setup.clone();
        fixed.symmetric.clear();
        let world = World::initial(setup);
        let columns: Vec<usize> = (0..setup.hosts.len()).collect();
        let first = Frame::of(&Scene {
            setup,
            world: &world,
            tick: 0,
            columns: &columns,
        });
        Self {
            broken: world.broken_here(setup),
            setup,
            fixed,
            world,
            tick: 0,
            columns,
            frames: vec![first],
            happenings: Vec::new(),
            broken_before: None,
            steps: 0,
        }
    }

    fn take_all(&mut self, actions: &[Action]) -> Result<(), Impossible> {
        for action in actions {
            let step = self.steps;
            if !self.world.enabled(self.setup).contains(action) {
                let action = action.clone();
                return Err(Impossible { step, action });
            }
            self.take(step, action);
        }
        Ok(())
    }

    /// Says something that no action is.
    fn remark(&mut self, what: &str) {
        self.happenings.push(Happening {
            tick: self.tick,
            step: self.steps,
            place: Place::Elsewhere,
            who: String::new(),
            what: what.to_owned(),
            tone: Tone::Alarm,
        });
    }

    fn take(&mut self, step: usize, action: &Action) {
        if self.broken != 0 && self.broken_before.is_none() {
            self.broken_before = Some((step.saturating_sub(1), properties(self.broken)));
        }
        let (after, events) = self.world.after(&self.fixed, action);
        let (next, _) = self.world.after(self.setup, action);
        self.tick += u64::from(action.is_time());
        let scene = Scene {
            setup: self.setup,
            world: &self.world,
            tick: self.tick,
            columns: &self.columns,
        };
        for said in words::of_action(&scene, action, &after, &events) {
            self.happenings.push(Happening {
                tick: self.tick,
                step,
                place: said.place,
                who: said.who,
                what: said.what,
                tone: said.tone,
            });
        }
        self.broken =
            next.broken_here(self.setup) | self.world.broken_by(self.setup, action, &next);
        self.follow_hosts(&after, &next);
        self.world = next;
        self.steps = step + 1;
        let frame = Frame::of(&self.scene());
        self.frames.push(frame);
    }

    /// Finds out which host went where when the symmetric ones were put in order.
    fn follow_hosts(&mut self, after: &World, next: &World) {
        if self.setup.symmetric.len() < 2 || after == next {
            return;
        }
        let hosts = self.columns.len();
        let moved = orders(&self.setup.symmetric).into_iter().find_map(|order| {
            let mut to: Vec<usize> = (0..hosts).collect();
            for (from, target) in self.setup.symmetric.iter().zip(order) {
                to[*from] = target;
            }
            (after.permuted(self.setup, &to) == *next).then_some(to)
        });
        if let Some(to) = moved {
            let before = self.columns.clone();
            for (from, target) in to.into_iter().enumerate() {
                self.columns[target] = before[from];
            }
        }
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            setup: self.setup,
            world: &self.world,
            tick: self.tick,
            columns: &self.columns,
        }
    }

    fn end(self) -> Story {
        let scene = Scene {
            setup: self.setup,
            world: &self.world,
            tick: self.tick,
            columns: &self.columns,
        };
        Story {
            premises: scene.premises(),
            hosts: scene.hosts(),
            ticks: self.tick,
            broken: properties(self.broken),
            never: None,
            broken_before: self.broken_before,
            ending: ending::of(&scene),
            frames: self.frames,
            happenings: self.happenings,
        }
    }
}

/// The properties in a mask.
fn properties(mask: u64) -> Vec<Property> {
    let all = Property::ALL.iter().copied();
    all.filter(|property| mask & property.bit() != 0).collect()
}

/// Every order of a few items, the given one first.
fn orders(items: &[usize]) -> Vec<Vec<usize>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (index, first) in items.iter().enumerate() {
        let mut rest = items.to_vec();
        rest.remove(index);
        for mut order in orders(&rest) {
            order.insert(0, *first);
            all.push(order);
        }
    }
    all
}
