//! The settings of the whole cluster that high availability uses (specification, configuration §7).
//!
//! The file has many more keys; they belong to others and are passed over. Of a key that is given
//! twice the first counts, as in the other files. A value with parts is *malformed*, and the whole
//! file unreadable, if a part isn't `KEY=VALUE` or comes twice; if it is well-formed and a part is
//! unknown or has a value that it can't have, the key is dropped.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::is_blank;
use super::name::is_digits;
use super::section::value::{choice, integer};
use super::warning::{SettingError, ValueError, Warnings, What};

/// What high availability is told of the cluster. [`Settings::default`] is what holds if nothing is
/// said, or nothing could be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Settings {
    /// What an LRM does with its services when its node shuts down.
    pub shutdown_policy: ShutdownPolicy,
    /// How a node is chosen.
    pub scheduler: Scheduler,
    /// Whether a node is chosen when a stopped service is to start.
    pub rebalance_on_start: bool,
    /// Automatic balancing.
    pub balancing: Balancing,
    /// How many workers an LRM has at the same time, 4 by default. A file gives at least 1.
    pub workers_max: u64,
    /// How nodes are fenced. Only the watchdog has an effect.
    pub fencing: Fencing,
}

/// Automatic balancing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Balancing {
    /// Whether there is any.
    pub is_on: bool,
    /// The imbalance that must be exceeded, as a ratio; 0.3 by default.
    pub threshold: Millionths,
    /// How a move is chosen.
    pub method: Method,
    /// For how many rounds the imbalance must last; 3 by default, not always whole.
    pub hold_rounds: Millionths,
    /// The least relative improvement that makes a move worth it; 0.1 by default.
    pub margin: Millionths,
}

/// A number that isn't negative, in millionths: 0.3 is 300,000.
///
/// What is finer is rounded to the nearest, halves upwards; what is above the largest is that. With
/// at most six decimals, [`Millionths::ratio`] is the very float that the decimal text stands for,
/// because both are the nearest to the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millionths(pub u64);

/// What an LRM does with its services when its node shuts down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ShutdownPolicy {
    /// Leave them frozen.
    Freeze,
    /// Let them be recovered.
    Failover,
    /// Freeze on a reboot, otherwise fail over.
    Conditional,
    /// Move them away first.
    Migrate,
    /// A word that isn't known. A file gives none: settings of other origin may.
    Other(String),
}

/// How a node is chosen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scheduler {
    /// By the number of services.
    Basic,
    /// By what guests are configured to use.
    Static,
    /// By what guests use.
    Dynamic,
    /// A word that isn't known. A file gives none: settings of other origin may.
    Other(String),
}

/// How automatic balancing chooses a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Method {
    /// The least imbalance afterwards.
    BruteForce,
    /// By several criteria.
    Topsis,
}

/// How nodes are fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Fencing {
    /// By their watchdogs.
    Watchdog,
    /// By fence devices.
    Hardware,
    /// By both.
    Both,
}

/// A value with parts that aren't `KEY=VALUE`. Nothing of such a file counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The physical line, from 1.
    pub line: usize,
    /// The key.
    pub key: String,
    /// The part that is wrong.
    pub part: String,
    /// Whether it is wrong because it comes twice.
    pub is_repeated: bool,
}

/// A part of a value that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The part.
    pub part: String,
    /// Why.
    pub error: ValueError,
}

/// Why a key has no effect.
enum Trouble {
    Malformed(Malformed),
    Part(Refused),
    Whole(ValueError),
}

/// The keys of the file that are looked at.
const KEYS: &[&str] = &["crs", "fencing", "ha", "max_workers", "notify"];

const SHUTDOWN_POLICY: &str = "shutdown_policy";
const SCHEDULER: &str = "ha";

const POLICIES: &[&str] = &["freeze", "failover", "conditional", "migrate"];
const SCHEDULERS: &[&str] = &["basic", "static", "dynamic"];
const METHODS: &[&str] = &["bruteforce", "topsis"];
const FENCINGS: &[&str] = &["watchdog", "hardware", "both"];

const BALANCING: &str = "ha-auto-rebalance";

/// The parts of `crs` that mean nothing without [`BALANCING`].
const OF_BALANCING: &[&str] = &[
    "ha-auto-rebalance-hold-duration",
    "ha-auto-rebalance-margin",
    "ha-auto-rebalance-method",
    "ha-auto-rebalance-threshold",
];

impl Default for Settings {
    fn default() -> Self {
        Self {
            shutdown_policy: ShutdownPolicy::Conditional,
            scheduler: Scheduler::Basic,
            rebalance_on_start: false,
            balancing: Balancing {
                is_on: false,
                threshold: Millionths(300_000),
                method: Method::BruteForce,
                hold_rounds: Millionths(3_000_000),
                margin: Millionths(100_000),
            },
            workers_max: 4,
            fencing: Fencing::Watchdog,
        }
    }
}

impl Settings {
    /// Reads the file's text. `file` is its name as warnings are to show it.
    ///
    /// # Errors
    ///
    /// The first malformed value. The caller goes on with [`Settings::default`].
    pub fn read(file: &str, text: &str) -> Result<(Self, Warnings), Malformed> {
        let mut settings = Self::default();
        let mut warnings = Warnings::new(file);
        let mut seen = BTreeSet::new();
        for (line, text) in (1..).zip(text.split('\n')) {
            let text = text.trim_matches(is_blank);
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let Some((key, value)) = setting(text) else {
                warnings.add(line, What::NoSetting(text.into()));
                continue;
            };
            if !KEYS.contains(&key) {
                continue;
            }
            let done = if seen.insert(key) {
                settings.set(line, key, value)
            } else {
                Err(Trouble::Whole(ValueError::Duplicate))
            };
            let (part, error) = match done {
                Ok(()) => continue,
                Err(Trouble::Malformed(malformed)) => return Err(malformed),
                Err(Trouble::Part(Refused { part, error })) => (Some(part), error),
                Err(Trouble::Whole(error)) => (None, error),
            };
            let key = key.into();
            let error = SettingError { key, part, error };
            warnings.add(line, What::Setting(Box::new(error)));
        }
        Ok((settings, warnings))
    }

    /// Sets what one of the [`KEYS`] says: all of it or nothing.
    fn set(&mut self, line: usize, key: &str, value: &str) -> Result<(), Trouble> {
        let mut changed = self.clone();
        match key {
            "ha" => changed.set_ha(&parts(line, key, value)?)?,
            "crs" => changed.set_crs(&parts(line, key, value)?)?,
            // It has to be well-formed, but has no effect.
            "notify" => drop(parts(line, key, value)?),
            "max_workers" => changed.workers_max = integer(value, 1).map_err(Trouble::Whole)?,
            _ => {
                choice(value, FENCINGS).map_err(Trouble::Whole)?;
                changed.fencing = match value {
                    "hardware" => Fencing::Hardware,
                    "both" => Fencing::Both,
                    _ => Fencing::Watchdog,
                };
            }
        }
        *self = changed;
        Ok(())
    }

    fn set_ha(&mut self, parts: &[(&str, &str)]) -> Result<(), Refused> {
        for (key, value) in parts {
            if *key == SHUTDOWN_POLICY {
                choice(value, POLICIES).map_err(|error| Refused::new(key, error))?;
            }
            self.set_ha_part(key, value)?;
        }
        Ok(())
    }

    fn set_crs(&mut self, parts: &[(&str, &str)]) -> Result<(), Refused> {
        for (key, value) in parts {
            if *key == SCHEDULER {
                choice(value, SCHEDULERS).map_err(|error| Refused::new(key, error))?;
            }
            self.set_crs_part(key, value)?;
        }
        let has = |wanted: &str| parts.iter().any(|(key, _)| *key == wanted);
        match OF_BALANCING.iter().find(|key| has(key)) {
            Some(key) if !has(BALANCING) => {
                let error = ValueError::RequiredBy(key);
                Err(Refused::new(BALANCING, error))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Sets one part of the value of `ha`, for settings of other origin than a file. A policy may
    /// be any word.
    ///
    /// # Errors
    ///
    /// If there is no such part.
    pub fn set_ha_part(&mut self, key: &str, value: &str) -> Result<(), Refused> {
        if key != SHUTDOWN_POLICY {
            return Err(Refused::new(key, ValueError::Unknown));
        }
        self.shutdown_policy = match value {
            "freeze" => ShutdownPolicy::Freeze,
            "failover" => ShutdownPolicy::Failover,
            "conditional" => ShutdownPolicy::Conditional,
            "migrate" => ShutdownPolicy::Migrate,
            other => ShutdownPolicy::Other(other.into()),
        };
        Ok(())
    }

    /// Sets one part of the value of `crs`, for settings of other origin than a file. A scheduler
    /// may be any word, and parts of automatic balancing may stand alone.
    ///
    /// # Errors
    ///
    /// If there is no such part, or it can't have this value.
    pub fn set_crs_part(&mut self, key: &str, value: &str) -> Result<(), Refused> {
        let balancing = &mut self.balancing;
        let done = match key {
            SCHEDULER => {
                self.scheduler = match value {
                    "basic" => Scheduler::Basic,
                    "static" => Scheduler::Static,
                    "dynamic" => Scheduler::Dynamic,
                    other => Scheduler::Other(other.into()),
                };
                Ok(())
            }
            "ha-rebalance-on-start" => boolean(value).map(|is| self.rebalance_on_start = is),
            BALANCING => boolean(value).map(|is| balancing.is_on = is),
            "ha-auto-rebalance-threshold" => {
                Millionths::parse(value).map(|number| balancing.threshold = number)
            }
            "ha-auto-rebalance-hold-duration" => {
                Millionths::parse(value).map(|number| balancing.hold_rounds = number)
            }
            "ha-auto-rebalance-margin" => {
                Millionths::parse(value).map(|number| balancing.margin = number)
            }
            "ha-auto-rebalance-method" => choice(value, METHODS).map(|word| {
                balancing.method = match word {
                    "topsis" => Method::Topsis,
                    _ => Method::BruteForce,
                };
            }),
            _ => Err(ValueError::Unknown),
        };
        done.map_err(|error| Refused::new(key, error))
    }
}

impl Millionths {
    /// The number that a decimal text stands for: digits, at most one point between them, a sign.
    ///
    /// # Errors
    ///
    /// If it is negative, or no such text. Exponents aren't accepted.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, decimals) = match digits.split_once('.') {
            Some((whole, decimals)) => (whole, Some(decimals)),
            None => (digits, None),
        };
        if !is_digits(whole) || !decimals.is_none_or(is_digits) {
            return Err(ValueError::NotNumber(text.into()));
        }
        let of_digit = |byte: u8| u64::from(byte - b'0');
        let mut more = decimals.unwrap_or_default().bytes().map(of_digit);
        let mut number = whole.bytes().map(of_digit).fold(0, append);
        for _ in 0..6 {
            number = append(number, more.next().unwrap_or(0));
        }
        let halves = more.next().unwrap_or(0);
        if halves >= 5 {
            number = number.saturating_add(1);
        }
        let is_zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        if negative && !is_zero {
            return Err(ValueError::BelowMinimum(0));
        }
        Ok(Self(number))
    }

    /// The number, for scoring within a function: no state holds a float.
    #[must_use]
    pub fn ratio(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// A number with one more digit.
const fn append(number: u64, digit: u64) -> u64 {
    number.saturating_mul(10).saturating_add(digit)
}

/// A line's key and value.
fn setting(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let is_key = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let sound = !key.is_empty() && key.chars().all(is_key);
    sound.then(|| (key, value.trim_matches(is_blank)))
}

/// The parts of a structured value. An empty one has none.
fn parts<'a>(line: usize, key: &str, value: &'a str) -> Result<Vec<(&'a str, &'a str)>, Trouble> {
    let mut seen = BTreeSet::new();
    let mut parts = Vec::new();
    for part in value.split(',').map(|part| part.trim_matches(is_blank)) {
        if part.is_empty() {
            continue;
        }
        let pair = part.split_once('=').filter(|(name, _)| !name.is_empty());
        let pair = pair.filter(|(_, value)| !value.is_empty());
        let is_repeated = pair.is_some_and(|(name, _)| !seen.insert(name));
        match pair {
            Some(pair) if !is_repeated => parts.push(pair),
            Some(_) | None => {
                return Err(Trouble::Malformed(Malformed {
                    line,
                    key: key.into(),
                    part: part.into(),
                    is_repeated,
                }));
            }
        }
    }
    Ok(parts)
}

/// A boolean of a structured value.
fn boolean(text: &str) -> Result<bool, ValueError> {
    match text {
        "1" | "on" | "yes" | "true" => Ok(true),
        "0" | "off" | "no" | "false" => Ok(false),
        _ => Err(ValueError::NotBoolean(text.into())),
    }
}

impl Refused {
    fn new(part: &str, error: ValueError) -> Self {
        let part = part.into();
        Self { part, error }
    }
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        Self::Part(refused)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.error)
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, key, part) = (self.line, &self.key, &self.part);
        let how = if self.is_repeated {
            "comes twice"
        } else {
            "is not KEY=VALUE"
        };
        write!(f, "line {line}: value of '{key}': '{part}' {how}")
    }
}

impl fmt::Display for ShutdownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Freeze => "freeze",
            Self::Failover => "failover",
            Self::Conditional => "conditional",
            Self::Migrate => "migrate",
            Self::Other(word) => word,
        })
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic => "basic",
            Self::Static => "static",
            Self::Dynamic => "dynamic",
            Self::Other(word) => word,
        })
    }
}
