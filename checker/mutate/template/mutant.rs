//! The switch of generated mutants: it stands in an instrumented copy of the model alone.
//!
//! One mutant is on at a time, for the whole process. With none on, every place behaves as it was
//! written, and notes whether it was reached and whether its mutant would have made a difference.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The most mutants there may be.
pub const POINTS_MAX: usize = 1 << 13;

/// Not asked for yet: the environment says.
const UNDECIDED: u32 = u32::MAX;

static ACTIVE: AtomicU32 = AtomicU32::new(UNDECIDED);
static REACHED: [AtomicBool; POINTS_MAX] = [const { AtomicBool::new(false) }; POINTS_MAX];
static DIFFERS: [AtomicBool; POINTS_MAX] = [const { AtomicBool::new(false) }; POINTS_MAX];

/// Switches a mutant on; 0 switches all off.
pub fn select(id: u32) {
    ACTIVE.store(id, Ordering::SeqCst);
}

/// Forgets what was noted.
pub fn forget() {
    for noted in REACHED.iter().chain(&DIFFERS) {
        noted.store(false, Ordering::SeqCst);
    }
}

/// Whether a place was reached, and whether its mutant would have made a difference there.
pub fn noted(id: u32) -> (bool, bool) {
    let at = id as usize;
    (
        REACHED[at].load(Ordering::SeqCst),
        DIFFERS[at].load(Ordering::SeqCst),
    )
}

#[cold]
fn decide() -> u32 {
    let asked = std::env::var("LOCKSTEP_MUTANT");
    let id = asked.ok().and_then(|id| id.parse().ok()).unwrap_or(0);
    select(id);
    id
}

#[inline]
fn active() -> u32 {
    match ACTIVE.load(Ordering::Relaxed) {
        UNDECIDED => decide(),
        id => id,
    }
}

#[inline]
fn set(noted: &AtomicBool) {
    // Read first: a line that is only read is shared between cores.
    if !noted.load(Ordering::Relaxed) {
        noted.store(true, Ordering::Relaxed);
    }
}

/// What a place gives: as written, or as broken.
#[inline]
fn choose(id: u32, written: bool, broken: impl FnOnce() -> bool) -> bool {
    let active = active();
    if active == id {
        return broken();
    }
    if active == 0 {
        set(&REACHED[id as usize]);
        if broken() != written {
            set(&DIFFERS[id as usize]);
        }
    }
    written
}

/// A condition that may read as its opposite.
#[inline]
pub fn guard(id: u32, written: bool) -> bool {
    choose(id, written, || !written)
}

/// Whether a pattern that has matched counts as matched.
#[inline]
pub fn pass(id: u32) -> bool {
    choose(id, true, || false)
}

/// Whether an effect is emitted.
#[inline]
pub fn keep(id: u32) -> bool {
    choose(id, true, || false)
}

/// What is counted in units.
pub trait Tick: PartialOrd {
    /// Whether this is less than the other even with one unit more.
    fn is_less_by_more_than_one(&self, other: &Self) -> bool;
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Tick for $number {
            fn is_less_by_more_than_one(&self, other: &Self) -> bool {
                self.checked_add(1).is_some_and(|next| next < *other)
            }
        })*
    };
}

numbers!(u8, u16, u32, u64, u128, usize, i32, i64, i128);

impl<T: Tick> Tick for &T {
    fn is_less_by_more_than_one(&self, other: &Self) -> bool {
        (**self).is_less_by_more_than_one(&**other)
    }
}

impl<T: Tick> Tick for Option<T> {
    fn is_less_by_more_than_one(&self, other: &Self) -> bool {
        match (self, other) {
            (Some(one), Some(other)) => one.is_less_by_more_than_one(other),
            (None, Some(_)) => true,
            (Some(_) | None, None) => false,
        }
    }
}

/// The two mutants of a comparison have the numbers `id` and `id + 1`.
#[inline]
fn compare(
    id: u32,
    written: bool,
    left_more: impl FnOnce() -> bool,
    right_more: impl FnOnce() -> bool,
) -> bool {
    let result = choose(id, written, left_more);
    let other = choose(id + 1, written, right_more);
    if result == written { other } else { result }
}

/// `left < right`
#[inline]
pub fn lt<T: Tick>(id: u32, left: &T, right: &T) -> bool {
    compare(
        id,
        left < right,
        || left.is_less_by_more_than_one(right),
        || left <= right,
    )
}

/// `left <= right`
#[inline]
pub fn le<T: Tick>(id: u32, left: &T, right: &T) -> bool {
    compare(
        id,
        left <= right,
        || left < right,
        || !right.is_less_by_more_than_one(left),
    )
}

/// `left > right`
#[inline]
pub fn gt<T: Tick>(id: u32, left: &T, right: &T) -> bool {
    compare(
        id,
        left > right,
        || left >= right,
        || right.is_less_by_more_than_one(left),
    )
}

/// `left >= right`
#[inline]
pub fn ge<T: Tick>(id: u32, left: &T, right: &T) -> bool {
    compare(
        id,
        left >= right,
        || !left.is_less_by_more_than_one(right),
        || left > right,
    )
}
