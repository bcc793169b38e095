//! What is counted and noted while states are expanded.

use super::checked::Checked;
use super::links::Spot;
use super::record::{Sink, Source};
use std::io;

/// Counts and first sights of one worker, or of all of them merged.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) transitions: u64,
    pub(super) kinds: Vec<u64>,
    pub(super) coverage: Vec<u64>,
    pub(super) measures: Vec<Option<i64>>,
    /// The first breach of each property.
    pub(super) breaches: Vec<Option<Spot>>,
    pub(super) ends_allowed: u64,
    pub(super) dead_ends: u64,
    pub(super) first_dead_end: Option<Spot>,
    /// The first panic of the model, with its message.
    pub(super) panic: Option<(Spot, String)>,
    /// Whether a state had more successors than a link can name.
    pub(super) too_wide: bool,
}

/// The names behind a tally's numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) properties: Vec<&'static str>,
    pub(super) kinds: Vec<&'static str>,
    pub(super) coverage: Vec<&'static str>,
    pub(super) measures: Vec<&'static str>,
}

impl Names {
    /// All of them.
    pub(super) fn lists(&self) -> [&[&'static str]; 4] {
        let Self {
            properties,
            kinds,
            coverage,
            measures,
        } = self;
        [properties, kinds, coverage, measures]
    }

    /// Asks the model.
    pub(super) fn of<M: Checked>(model: &M) -> Self {
        let names = Self {
            properties: model.property_names(),
            kinds: model.action_kind_names(),
            coverage: model.coverage_names(),
            measures: model.measure_names(),
        };
        assert!(names.properties.len() <= 64, "at most 64 properties");
        assert!(names.coverage.len() <= 128, "at most 128 coverage tags");
        names
    }
}

impl Tally {
    /// An empty tally.
    pub(super) fn new(names: &Names) -> Self {
        Self {
            transitions: 0,
            kinds: vec![0; names.kinds.len()],
            coverage: vec![0; names.coverage.len()],
            measures: vec![None; names.measures.len()],
            breaches: vec![None; names.properties.len()],
            ends_allowed: 0,
            dead_ends: 0,
            first_dead_end: None,
            panic: None,
            too_wide: false,
        }
    }

    /// Judges and counts one step.
    #[inline]
    pub(super) fn see_step<M: Checked>(
        &mut self,
        model: &M,
        enabled: u64,
        spot: Spot,
        (from, action, to): (&M::State, &M::Action, &M::State),
    ) {
        self.transitions += 1;
        self.kinds[model.action_kind(action)] += 1;
        let mut tags = model.coverage(from, action, to);
        while tags != 0 {
            self.coverage[tags.trailing_zeros() as usize] += 1;
            tags &= tags - 1;
        }
        model.measure(from, action, to, &mut self.measures);
        self.see_broken(model.judge_step(from, action, to) & enabled, spot);
    }

    /// Notes the properties broken at a spot.
    #[inline]
    pub(super) fn see_broken(&mut self, mut broken: u64, spot: Spot) {
        while broken != 0 {
            let property = broken.trailing_zeros() as usize;
            earliest(&mut self.breaches[property], spot);
            broken &= broken - 1;
        }
    }

    /// Notes a state without successors.
    pub(super) fn see_end(&mut self, allowed: bool, spot: Spot) {
        if allowed {
            self.ends_allowed += 1;
        } else {
            self.dead_ends += 1;
            earliest(&mut self.first_dead_end, spot);
        }
    }

    /// Notes a panic of the model.
    pub(super) fn see_panic(&mut self, spot: Spot, message: String) {
        if self.panic.as_ref().is_none_or(|(known, _)| spot < *known) {
            self.panic = Some((spot, message));
        }
    }

    /// Whether nothing that is expanded from here on counts.
    pub(super) fn ends_the_search(&self) -> bool {
        self.panic.is_some() || self.too_wide
    }

    /// The first breach of any property, with the property's number.
    pub(super) fn first_breach(&self) -> Option<(Spot, usize)> {
        let breaches = self.breaches.iter().enumerate();
        breaches
            .filter_map(|(property, spot)| spot.map(|spot| (spot, property)))
            .min()
    }

    /// Adds what another tally holds.
    pub(super) fn merge(&mut self, other: &Self) {
        self.transitions += other.transitions;
        add(&mut self.kinds, &other.kinds);
        add(&mut self.coverage, &other.coverage);
        for (maximum, &value) in self.measures.iter_mut().zip(&other.measures) {
            // `None` is less than any value.
            *maximum = (*maximum).max(value);
        }
        for (known, &spot) in self.breaches.iter_mut().zip(&other.breaches) {
            if let Some(spot) = spot {
                earliest(known, spot);
            }
        }
        self.ends_allowed += other.ends_allowed;
        self.dead_ends += other.dead_ends;
        if let Some(spot) = other.first_dead_end {
            earliest(&mut self.first_dead_end, spot);
        }
        if let Some((spot, message)) = &other.panic {
            self.see_panic(*spot, message.clone());
        }
        self.too_wide |= other.too_wide;
    }
}

/// What stands for no spot and no measure in a file.
const NONE: u64 = 0;
const SOME: u64 = 1;

impl Tally {
    /// Writes it into a file. There is none of a search that ended by a panic.
    pub(super) fn write(&self, sink: &mut Sink) -> io::Result<()> {
        let Self {
            transitions,
            kinds,
            coverage,
            measures,
            breaches,
            ends_allowed,
            dead_ends,
            first_dead_end,
            panic: _,
            too_wide: _,
        } = self;
        assert!(!self.ends_the_search(), "nothing is left to go on with");
        for count in [transitions, ends_allowed, dead_ends] {
            sink.u64(*count)?;
        }
        kinds.iter().try_for_each(|&count| sink.u64(count))?;
        coverage.iter().try_for_each(|&count| sink.u64(count))?;
        for measure in measures {
            sink.u64(measure.map_or(NONE, |_| SOME))?;
            sink.u64(measure.unwrap_or_default().cast_unsigned())?;
        }
        let spots = breaches.iter().chain([first_dead_end]);
        spots.copied().try_for_each(|spot| write_spot(sink, spot))
    }

    /// Reads what [`Tally::write`] wrote.
    pub(super) fn read(source: &mut Source, names: &Names) -> io::Result<Self> {
        let mut tally = Self::new(names);
        tally.transitions = source.u64()?;
        tally.ends_allowed = source.u64()?;
        tally.dead_ends = source.u64()?;
        for count in tally.kinds.iter_mut().chain(&mut tally.coverage) {
            *count = source.u64()?;
        }
        for measure in &mut tally.measures {
            let (is_some, value) = (source.u64()? == SOME, source.u64()?);
            *measure = is_some.then_some(value.cast_signed());
        }
        for spot in &mut tally.breaches {
            *spot = read_spot(source)?;
        }
        tally.first_dead_end = read_spot(source)?;
        Ok(tally)
    }
}

/// Which of a spot's forms it is, the state, and the choice after one; 0 for no choice.
fn write_spot(sink: &mut Sink, spot: Option<Spot>) -> io::Result<()> {
    let (form, state, choice) = match spot {
        None => (0, 0, None),
        Some(Spot::Initial(state)) => (1, state, None),
        Some(Spot::Within { state, choice }) => (2, state, choice),
    };
    sink.u16(form)?;
    sink.u32(state)?;
    sink.u32(choice.map_or(0, |choice| u32::from(choice) + 1))
}

fn read_spot(source: &mut Source) -> io::Result<Option<Spot>> {
    let (form, state, choice) = (source.u16()?, source.u32()?, source.u32()?);
    let choice = choice.checked_sub(1).map(u16::try_from).transpose();
    let damaged = |_| io::Error::from(io::ErrorKind::InvalidData);
    let choice = choice.map_err(damaged)?;
    match form {
        0 => Ok(None),
        1 => Ok(Some(Spot::Initial(state))),
        2 => Ok(Some(Spot::Within { state, choice })),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn earliest(known: &mut Option<Spot>, spot: Spot) {
    *known = Some(known.map_or(spot, |known| known.min(spot)));
}

fn add(sums: &mut [u64], values: &[u64]) {
    assert_eq!(sums.len(), values.len());
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}
