//! A case directory: what there is, and what happens when (`simulator.md` 2).
//!
//! Nothing is written into it. Files are bounded in size, since cases may come from anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};

use crate::guests::{CPU_MAX, MEM_MAX};

/// The largest file that is read, in bytes.
const FILE_MAX: u64 = 16 << 20;

/// A case, as read.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// What is done, a list for each slot.
    pub(crate) commands: Vec<Vec<String>>,
    pub(crate) nodes: BTreeMap<String, NodeCase>,
    pub(crate) services: BTreeMap<String, ServiceCase>,
    pub(crate) status: StatusCase,
    pub(crate) rules: String,
    pub(crate) groups: String,
    pub(crate) datacenter: Datacenter,
    pub(crate) static_stats: Option<BTreeMap<String, StaticStats>>,
    pub(crate) dynamic_stats: Option<BTreeMap<String, DynamicStats>>,
    /// Which services run at the beginning, by node.
    pub(crate) running: BTreeMap<String, BTreeSet<String>>,
}

/// What is wrong with a case.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// A file that must be there can't be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file is too large.
    #[error("{}: larger than {FILE_MAX} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A file isn't what it should be.
    #[error("{}:{line}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What was found and what was expected.
        message: String,
    },
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct NodeCase {
    #[serde(default)]
    power: OnOff,
    #[serde(default)]
    network: OnOff,
    #[serde(default, deserialize_with = "maybe_number")]
    pub(crate) maxcpu: Option<f64>,
    #[serde(default, deserialize_with = "maybe_number")]
    pub(crate) maxmem: Option<f64>,
    #[serde(rename = "pve-manager-version")]
    pub(crate) version: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnOff {
    On,
    #[default]
    Off,
}

impl NodeCase {
    fn off() -> Self {
        Self {
            power: OnOff::Off,
            network: OnOff::Off,
            maxcpu: Some(CPU_MAX),
            maxmem: Some(MEM_MAX),
            version: None,
        }
    }

    pub(crate) fn has_power(&self) -> bool {
        self.power == OnOff::On
    }

    pub(crate) fn has_network(&self) -> bool {
        self.network == OnOff::On
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ServiceCase {
    pub(crate) node: String,
    #[serde(default)]
    pub(crate) state: StateCase,
    pub(crate) group: Option<String>,
    #[serde(default, deserialize_with = "maybe_number")]
    pub(crate) max_restart: Option<u32>,
    #[serde(default, deserialize_with = "maybe_number")]
    pub(crate) max_relocate: Option<u32>,
    #[serde(default, deserialize_with = "maybe_number")]
    pub(crate) failback: Option<u32>,
    pub(crate) lock: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StateCase {
    Started,
    Enabled,
    Stopped,
    #[default]
    Disabled,
    Ignored,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct StatusCase {
    pub(crate) master_node: Option<String>,
    #[serde(default)]
    pub(crate) node_status: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) service_status: BTreeMap<String, EntryCase>,
    #[serde(default)]
    pub(crate) node_request: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    pub(crate) disarm: Option<DisarmCase>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct EntryCase {
    pub(crate) state: String,
    pub(crate) node: Option<String>,
    pub(crate) uid: Option<String>,
    pub(crate) target: Option<String>,
    #[serde(default, deserialize_with = "maybe_number")]
    pub(crate) timeout: Option<u64>,
    #[serde(default)]
    pub(crate) failed_nodes: Vec<String>,
    pub(crate) maintenance_node: Option<String>,
    #[serde(default, deserialize_with = "maybe_number")]
    pub(crate) running: Option<u32>,
    #[serde(default)]
    pub(crate) cmd: Vec<serde_json::Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct DisarmCase {
    #[serde(default)]
    pub(crate) mode: String,
    #[serde(default)]
    pub(crate) state: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Datacenter {
    #[serde(default)]
    pub(crate) ha: HaCase,
    #[serde(default)]
    pub(crate) crs: CrsCase,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct HaCase {
    pub(crate) shutdown_policy: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct CrsCase {
    pub(crate) ha: Option<String>,
    #[serde(
        default,
        rename = "ha-rebalance-on-start",
        deserialize_with = "maybe_flag"
    )]
    pub(crate) rebalance_on_start: Option<bool>,
    #[serde(default, rename = "ha-auto-rebalance", deserialize_with = "maybe_flag")]
    pub(crate) auto_rebalance: Option<bool>,
    #[serde(
        default,
        rename = "ha-auto-rebalance-threshold",
        deserialize_with = "maybe_number"
    )]
    pub(crate) threshold: Option<f64>,
    #[serde(rename = "ha-auto-rebalance-method")]
    pub(crate) method: Option<String>,
    #[serde(
        default,
        rename = "ha-auto-rebalance-hold-duration",
        deserialize_with = "maybe_number"
    )]
    pub(crate) hold_rounds: Option<f64>,
    #[serde(
        default,
        rename = "ha-auto-rebalance-margin",
        deserialize_with = "maybe_number"
    )]
    pub(crate) margin: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct StaticStats {
    #[serde(default, deserialize_with = "maybe_number")]
    pub(crate) maxcpu: Option<f64>,
    #[serde(default, deserialize_with = "maybe_number")]
    pub(crate) maxmem: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct DynamicStats {
    #[serde(default, deserialize_with = "maybe_number")]
    pub(crate) cpu: Option<f64>,
    #[serde(default, deserialize_with = "maybe_number")]
    pub(crate) mem: Option<f64>,
}

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

/// A number that may be written as a string.
fn maybe_number<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr,
{
    let Some(scalar) = Option::<Scalar>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let text = scalar.text();
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(D::Error::custom(format!(
            "expected a number, found '{text}'"
        ))),
    }
}

/// A truth value in any of the usual spellings.
fn maybe_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let Some(scalar) = Option::<Scalar>::deserialize(deserializer)? else {
        return Ok(None);
    };
    match scalar.text().as_str() {
        "1" | "on" | "yes" | "true" => Ok(Some(true)),
        "0" | "off" | "no" | "false" | "" => Ok(Some(false)),
        other => Err(D::Error::custom(format!(
            "expected a truth value such as 0 or 1, found '{other}'"
        ))),
    }
}

impl Case {
    /// Reads the case in `directory`.
    ///
    /// # Errors
    ///
    /// The first file that can't be read or isn't what it should be, with the line.
    pub fn read(directory: &Path) -> Result<Self, CaseError> {
        let commands = required(directory, "cmdlist")?;
        let nodes: BTreeMap<String, NodeCase> =
            json(directory, "hardware_status")?.unwrap_or_else(default_nodes);
        let running = nodes
            .keys()
            .map(|node| Ok((node.clone(), running_on(directory, node)?)))
            .collect::<Result<_, CaseError>>()?;
        Ok(Self {
            commands,
            nodes,
            services: json(directory, "service_config")?.unwrap_or_else(default_services),
            status: json(directory, "manager_status")?.unwrap_or_default(),
            rules: text(directory, "rules_config")?.unwrap_or_default(),
            groups: text(directory, "groups")?.unwrap_or_default(),
            datacenter: json(directory, "datacenter.cfg")?.unwrap_or_default(),
            static_stats: json(directory, "static_service_stats")?,
            dynamic_stats: json(directory, "dynamic_service_stats")?,
            running,
        })
    }
}

fn default_nodes() -> BTreeMap<String, NodeCase> {
    ["node1", "node2", "node3"]
        .map(|name| (name.to_owned(), NodeCase::off()))
        .into()
}

fn default_services() -> BTreeMap<String, ServiceCase> {
    let service = |(number, node): (u32, u32)| {
        let config = ServiceCase {
            node: format!("node{node}"),
            state: StateCase::Disabled,
            group: None,
            max_restart: None,
            max_relocate: None,
            failback: None,
            lock: None,
        };
        (format!("vm:{number}"), config)
    };
    (101..=106).zip([1, 2, 3, 1, 2, 3]).map(service).collect()
}

fn running_on(directory: &Path, node: &str) -> Result<BTreeSet<String>, CaseError> {
    let flags: Option<BTreeMap<String, Flag>> = json(directory, &format!("service_status_{node}"))?;
    let flags = flags.unwrap_or_default();
    Ok(flags
        .into_iter()
        .filter(|(_, Flag(runs))| *runs == Some(true))
        .map(|(sid, _)| sid)
        .collect())
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Flag(#[serde(deserialize_with = "maybe_flag")] Option<bool>);

fn required<T: DeserializeOwned>(directory: &Path, name: &str) -> Result<T, CaseError> {
    let missing = || CaseError::Unreadable {
        path: directory.join(name),
        error: std::io::Error::from(std::io::ErrorKind::NotFound),
    };
    json(directory, name)?.ok_or_else(missing)
}

/// A file's text, unless there is none of that name.
fn text(directory: &Path, name: &str) -> Result<Option<String>, CaseError> {
    let path = directory.join(name);
    let unreadable = |error| CaseError::Unreadable {
        path: directory.join(name),
        error,
    };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && directory.is_dir() => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
    };
    let mut bytes = Vec::new();
    let read = file.take(FILE_MAX + 1).read_to_end(&mut bytes);
    let read = read.map_err(unreadable)?;
    if read as u64 > FILE_MAX {
        return Err(CaseError::TooLarge { path });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..valid).unwrap_or_default();
            Err(CaseError::Malformed {
                path,
                line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
                message: String::from("not UTF-8"),
            })
        }
    }
}

fn json<T: DeserializeOwned>(directory: &Path, name: &str) -> Result<Option<T>, CaseError> {
    let Some(text) = text(directory, name)? else {
        return Ok(None);
    };
    // An empty file reads as an empty object (`protocol.md` 2).
    let text = match text.trim() {
        "" => "{}",
        text => text,
    };
    match serde_json::from_str(text) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(CaseError::Malformed {
            path: directory.join(name),
            line: error.line(),
            message: error.to_string(),
        }),
    }
}
