//! Statistics of guests and nodes as integers: bytes, and millionths of a core.
//!
//! Exactness: what is given with up to six decimals (4.0, 2.5, 0.123456 cores) is held exactly,
//! and so is every sum, so that taking a service out of a sum gives back what was there before.
//! Finer values are rounded to the nearest millionth. A ratio of two values below 2⁵³ (nine
//! thousand million cores, eight pebibytes) is the double nearest to the true ratio.

use serde::{Deserialize, Serialize};

/// CPU in millionths of a core.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MicroCores(pub u64);

impl MicroCores {
    /// So many whole cores.
    #[must_use]
    pub const fn from_whole(cores: u32) -> Self {
        Self(cores as u64 * 1_000_000)
    }

    /// The nearest value to a number of cores. None for what is no number of cores: negative,
    /// not finite, or 2⁵³ millionths and more.
    #[must_use]
    pub fn from_cores(cores: f64) -> Option<Self> {
        const LIMIT: f64 = 9_007_199_254_740_992.0;
        let micro = libm::round(cores * 1e6);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number in the range of the type"
        )]
        (0.0..LIMIT).contains(&micro).then_some(Self(micro as u64))
    }
}

/// What is known of a guest (`scheduling.md` §2.5). What is missing is named in a warning.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ServiceStats {
    /// Its cores or limit; zero is unlimited.
    pub cpu_max: Option<MicroCores>,
    /// Its memory.
    pub mem_max_bytes: Option<u64>,
    /// Cores in use. Dynamic mode only.
    pub cpu: Option<MicroCores>,
    /// Memory in use. Dynamic mode only.
    pub mem_bytes: Option<u64>,
}

/// What is known of a node (`scheduling.md` §2.5).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct NodeStats {
    /// Its cores.
    pub cpu_max: Option<MicroCores>,
    /// Its memory.
    pub mem_max_bytes: Option<u64>,
    /// Cores in use. Dynamic mode only.
    pub cpu: MicroCores,
    /// Memory in use. Dynamic mode only.
    pub mem_bytes: u64,
}

/// A field of a guest's statistics, by its name in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Field {
    /// `cpu`
    Cpu,
    /// `maxcpu`
    CpuMax,
    /// `mem`
    Mem,
    /// `maxmem`
    MemMax,
}

impl Field {
    /// The name in files and texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::CpuMax => "maxcpu",
            Self::Mem => "mem",
            Self::MemMax => "maxmem",
        }
    }
}

/// A guest's statistics with nothing missing; in static mode what is in use is the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Zero is unlimited.
    pub(crate) cpu_max: u64,
    pub(crate) mem_max: u64,
    pub(crate) cpu: u64,
    pub(crate) mem: u64,
}

impl ServiceStats {
    /// The figures that static mode needs, or the first that is missing.
    pub(crate) fn static_demand(&self) -> Result<Demand, Field> {
        let MicroCores(cpu) = self.cpu_max.ok_or(Field::CpuMax)?;
        let mem = self.mem_max_bytes.ok_or(Field::MemMax)?;
        Ok(Demand {
            cpu_max: cpu,
            mem_max: mem,
            cpu,
            mem,
        })
    }

    /// The figures that dynamic mode needs, or the first that is missing, by name.
    pub(crate) fn dynamic_demand(&self) -> Result<Demand, Field> {
        let MicroCores(cpu) = self.cpu.ok_or(Field::Cpu)?;
        let MicroCores(cpu_max) = self.cpu_max.ok_or(Field::CpuMax)?;
        let mem = self.mem_bytes.ok_or(Field::Mem)?;
        let mem_max = self.mem_max_bytes.ok_or(Field::MemMax)?;
        Ok(Demand {
            cpu_max,
            mem_max,
            cpu,
            mem,
        })
    }
}

/// CPU and memory together: what something takes, or what there is.
///
/// Wide enough for every sum of `u64` figures over all ids there can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) cpu: u128,
    pub(crate) mem: u128,
}

impl Amount {
    pub(crate) fn new(cpu: u64, mem: u64) -> Self {
        Self {
            cpu: cpu.into(),
            mem: mem.into(),
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_add(other.cpu),
            mem: self.mem.saturating_add(other.mem),
        }
    }

    /// What remains, not below nothing.
    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(other.cpu),
            mem: self.mem.saturating_sub(other.mem),
        }
    }

    /// The shares of a capacity that this amount takes; may exceed one, and is not finite where
    /// the capacity is zero.
    pub(crate) fn share_of(self, capacity: Self) -> Share {
        Share {
            cpu: ratio(self.cpu, capacity.cpu),
            mem: ratio(self.mem, capacity.mem),
        }
    }
}

/// Loads of a node (`scheduling.md` §2.6). Lives only within a calculation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Share {
    pub(crate) cpu: f64,
    pub(crate) mem: f64,
}

impl Share {
    /// The mean of both, by which balance is judged.
    pub(crate) fn mean(self) -> f64 {
        f64::midpoint(self.cpu, self.mem)
    }
}

fn ratio(part: u128, whole: u128) -> f64 {
    to_f64(part) / to_f64(whole)
}

/// The nearest double. Converting the wide type is a call, and sums are hardly ever that large.
fn to_f64(value: u128) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "said at the top of the file")]
    match u64::try_from(value) {
        Ok(narrow) => narrow as f64,
        Err(_) => value as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_to_a_millionth() {
        for (cores, micro) in [
            (0.0, 0),
            (0.9, 900_000),
            (2.5, 2_500_000),
            (0.123_456, 123_456),
            (0.000_000_4, 0),
            (128.0, 128_000_000),
        ] {
            assert_eq!(MicroCores::from_cores(cores), Some(MicroCores(micro)));
        }
        assert_eq!(MicroCores::from_whole(2), MicroCores(2_000_000));
        for none in [-1.0, f64::NAN, f64::INFINITY, 1e30] {
            assert_eq!(MicroCores::from_cores(none), None);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let none = ServiceStats::default();
        assert_eq!(none.static_demand(), Err(Field::CpuMax));
        let no_memory = ServiceStats {
            cpu_max: Some(MicroCores(1)),
            ..none
        };
        assert_eq!(no_memory.static_demand(), Err(Field::MemMax));
        assert_eq!(no_memory.dynamic_demand(), Err(Field::Cpu));
    }

    #[test]
    fn what_is_taken_out_was_there() {
        let (one, other) = (Amount::new(u64::MAX, 7), Amount::new(u64::MAX, 5));
        assert_eq!(one.plus(other).minus(other), one);
        assert_eq!(other.minus(one).mem, 0);
    }
}
