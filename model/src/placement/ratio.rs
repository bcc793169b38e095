//! A number without unit that can be compared, hashed and kept in a state.

use core::fmt;

use serde::{Deserialize, Serialize};

/// A finite number, zero or more: an imbalance, a threshold, a margin.
///
/// Held by its bits. Doubles that are not negative are ordered as their bits are, so equality,
/// order and hash are those of the numbers, and nothing is lost that a setting said.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Ratio(u64);

impl Ratio {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// The number, unless it is negative or not finite.
    #[must_use]
    pub const fn new(value: f64) -> Option<Self> {
        if value == 0.0 {
            // Minus zero has other bits.
            return Some(Self::ZERO);
        }
        if value > 0.0 && value.is_finite() {
            return Some(Self(value.to_bits()));
        }
        None
    }

    /// A count as a number.
    #[must_use]
    pub fn whole(count: u32) -> Self {
        Self(f64::from(count).to_bits())
    }

    /// A decimal fraction, exactly as its text would read: `of(3, 10)` is 0.3.
    ///
    /// # Panics
    ///
    /// If `denominator` is zero.
    #[must_use]
    pub const fn of(numerator: u32, denominator: u32) -> Self {
        assert!(denominator > 0, "a fraction of nothing");
        Self((numerator as f64 / denominator as f64).to_bits())
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// With as many decimals as asked for, or else as many as it takes.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn ordered_as_the_numbers_are() {
        let ratios = [0.0, 1e-300, 0.3, 0.300_000_000_000_000_04, 1.0, 1e300];
        let ratios = ratios.map(|value| Ratio::new(value).unwrap());
        assert!(ratios.is_sorted_by(|a, b| a < b));
        assert_eq!(Ratio::new(-0.0), Some(Ratio::ZERO));
        assert_eq!(Ratio::of(3, 10).get(), 0.3);
        assert_eq!(Ratio::whole(3).get(), 3.0);
        for none in [-0.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Ratio::new(none), None);
        }
    }

    #[test]
    fn two_decimals_as_c_prints_them() {
        for (value, text) in [(0.934_9, "0.93"), (0.125, "0.12"), (0.375, "0.38")] {
            assert_eq!(format!("{:.2}", Ratio::new(value).unwrap()), text);
        }
    }
}
