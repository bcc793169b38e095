//! Fields of a case's files that are written in more than one way, or that have few values.

use std::fmt::Display;
use std::str::FromStr;

use lockstep_model::manager::status::{NodeState, Task};
use lockstep_model::placement::state::ServiceState;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// The most memory of a guest or node, in bytes: a pebibyte, so that no sum of them overflows.
const MEMORY_MAX: f64 = 1_125_899_906_842_624.0;

/// The most cores of a guest or node, likewise.
const CORES_MAX: f64 = 1_000_000.0;

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Number(serde_json::Number),
    Text(String),
    Flag(bool),
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Flag(flag) => String::from(if *flag { "1" } else { "0" }),
        }
    }
}

fn maybe_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Option::<Scalar>::deserialize(deserializer) {
        Ok(scalar) => Ok(scalar.map(|scalar| scalar.text())),
        // What serde says of untagged alternatives names a type of ours.
        Err(_) => Err(D::Error::custom("expected a number, a string or a flag")),
    }
}

/// A whole number that may be written as a string.
pub(super) fn maybe_number<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr + Bounded + Display,
{
    let Some(text) = maybe_text(deserializer)? else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        let max = T::LARGEST;
        D::Error::custom(format!("expected a number from 0 to {max}, found '{text}'"))
    })
}

/// A number with a largest one.
pub(super) trait Bounded {
    /// The largest.
    const LARGEST: Self;
}

impl Bounded for u32 {
    const LARGEST: Self = Self::MAX;
}

impl Bounded for u64 {
    const LARGEST: Self = Self::MAX;
}

/// Reads an amount, which is finite and not negative.
fn amount(text: &str, max: f64) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    let allowed = number.filter(|number| (0.0..=max).contains(number));
    allowed.ok_or_else(|| format!("expected a number from 0 to {max}, found '{text}'"))
}

/// A number of cores, as in files and commands.
pub(crate) fn cores(text: &str) -> Result<f64, String> {
    amount(text, CORES_MAX)
}

/// A number of bytes, as in files.
fn bytes(text: &str) -> Result<f64, String> {
    amount(text, MEMORY_MAX)
}

/// A number of mebibytes, as in commands, in bytes.
pub(crate) fn mebibytes(text: &str) -> Result<f64, String> {
    const MIB: f64 = 1_048_576.0;
    amount(text, MEMORY_MAX / MIB).map(|number| number * MIB)
}

pub(super) fn maybe_cores<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    let text = maybe_text(deserializer)?;
    text.map(|text| cores(&text))
        .transpose()
        .map_err(D::Error::custom)
}

pub(super) fn maybe_bytes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    let text = maybe_text(deserializer)?;
    text.map(|text| bytes(&text))
        .transpose()
        .map_err(D::Error::custom)
}

/// A number that others are compared with or multiplied by.
pub(super) fn maybe_ratio<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    const MOST: f64 = 1_000_000.0;
    let text = maybe_text(deserializer)?;
    text.map(|text| amount(&text, MOST))
        .transpose()
        .map_err(D::Error::custom)
}

/// A truth value in any of the usual spellings.
pub(super) fn maybe_flag<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<bool>, D::Error> {
    let Some(text) = maybe_text(deserializer)? else {
        return Ok(None);
    };
    match text.as_str() {
        "1" | "on" | "yes" | "true" => Ok(Some(true)),
        "0" | "off" | "no" | "false" | "" => Ok(Some(false)),
        other => Err(D::Error::custom(format!(
            "expected a truth value such as 0 or 1, found '{other}'"
        ))),
    }
}

/// A truth value of its own; what isn't there is false.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Flag(#[serde(deserialize_with = "maybe_flag")] Option<bool>);

impl Flag {
    pub(crate) fn is_set(&self) -> bool {
        self.0 == Some(true)
    }
}

/// What a file may not say yet: there is nothing that it would be true of.
pub(super) fn nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => Ok(()),
        serde_json::Value::Object(fields) if fields.is_empty() => Ok(()),
        serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => Err(D::Error::custom(
            "'cfs' and 'shutdown' of a node can't be given at the beginning, expected a command \
             in cmdlist",
        )),
    }
}

/// A node's state by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeStateCase(pub(crate) NodeState);

impl<'de> Deserialize<'de> for NodeStateCase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        NodeState::from_name(&name).map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "unknown node state '{name}', expected online, maintenance, unknown, fence or gone"
            ))
        })
    }
}

/// A service's state by its name.
pub(super) fn service_state<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<ServiceState, D::Error> {
    let name = String::deserialize(deserializer)?;
    ServiceState::from_name(&name).ok_or_else(|| {
        D::Error::custom(format!(
            "unknown service state '{name}', expected stopped, request_stop, request_start, \
             request_start_balance, started, fence, recovery, migrate, relocate, freeze or error"
        ))
    })
}

/// A command that waits for a service.
#[derive(Clone, Debug)]
pub(crate) enum QueuedCase {
    Move(Task, String),
    Stop(u64),
    Unknown(String),
}

/// A list of words; none if it is empty.
pub(super) fn queued<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<QueuedCase>, D::Error> {
    let words: Vec<Scalar> = Deserialize::deserialize(deserializer)
        .map_err(|_| D::Error::custom("expected a list of words for 'cmd'"))?;
    let words: Vec<String> = words.iter().map(Scalar::text).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(match words.as_slice() {
        [] => None,
        ["migrate", target] => Some(QueuedCase::Move(Task::Migrate, (*target).to_owned())),
        ["relocate", target] => Some(QueuedCase::Move(Task::Relocate, (*target).to_owned())),
        ["stop", timeout] => {
            let seconds = timeout.parse().map_err(|_| {
                D::Error::custom(format!("expected seconds for stop, found '{timeout}'"))
            })?;
            Some(QueuedCase::Stop(seconds))
        }
        [word, ..] => Some(QueuedCase::Unknown((*word).to_owned())),
    })
}
