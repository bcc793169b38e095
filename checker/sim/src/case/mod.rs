//! A case directory: what there is, and what happens when (`simulator.md` 2).
//!
//! Nothing is written into it. Cases may come from anybody: files are regular and bounded, amounts
//! are such that no sum of them overflows, and what can be known to be wrong before a run is said
//! with file and line.

mod check;
pub mod faults;
mod field;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lockstep_model::format::Warnings;
use lockstep_model::format::groups::Groups;
use lockstep_model::format::rules::Rules;
use lockstep_model::placement::state::ServiceState;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::file::{self, FileError};
use crate::guests::{CPU_MAX, MEM_MAX};
pub(crate) use field::{Flag, NodeStateCase, QueuedCase, cores, mebibytes};
use field::{
    maybe_bytes, maybe_cores, maybe_flag, maybe_number, maybe_ratio, nothing, queued, service_state,
};

/// The most services of a case: configured ones, and those that only the manager's status has.
pub const SERVICES_MAX: usize = 2_000;

/// The most commands that may wait for a CRM at a time.
pub const QUEUE_MAX: usize = 1_000;

/// A case, as read.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// What is done, a list for each slot.
    pub(crate) commands: Vec<Vec<String>>,
    pub(crate) nodes: BTreeMap<String, NodeCase>,
    pub(crate) services: BTreeMap<String, ServiceCase>,
    pub(crate) status: StatusCase,
    pub(crate) rules: Rules,
    pub(crate) groups: Groups,
    pub(crate) datacenter: Datacenter,
    pub(crate) static_stats: Option<BTreeMap<String, StaticStats>>,
    pub(crate) dynamic_stats: Option<BTreeMap<String, DynamicStats>>,
    /// Which services run at the beginning, by node.
    pub(crate) running: BTreeMap<String, BTreeSet<String>>,
    /// What goes wrong beside the commands, under an own profile.
    pub(crate) faults: Option<faults::Faults>,
    warnings: Vec<Warnings>,
}

/// The file that has faults.
const FAULTS: &str = "faults";

/// The file that has the commands.
const COMMANDS: &str = "cmdlist";

/// What is wrong with a case, and where.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {message}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct CaseError {
    /// The file, or the directory.
    pub path: PathBuf,
    /// The line, from 1, if it is about one.
    pub line: Option<usize>,
    /// What was found and what was expected.
    pub message: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeCase {
    power: OnOff,
    network: OnOff,
    #[serde(default, deserialize_with = "maybe_cores")]
    pub(crate) maxcpu: Option<f64>,
    #[serde(default, deserialize_with = "maybe_bytes")]
    pub(crate) maxmem: Option<f64>,
    #[serde(rename = "pve-manager-version")]
    pub(crate) version: Option<String>,
    #[serde(default, rename = "cfs", deserialize_with = "nothing")]
    _faults: (),
    #[serde(default, rename = "shutdown", deserialize_with = "nothing")]
    _ending: (),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnOff {
    On,
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
            _faults: (),
            _ending: (),
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
#[serde(deny_unknown_fields)]
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
    /// Means nothing to the simulator.
    #[serde(default, rename = "comment")]
    _comment: Option<String>,
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
    pub(crate) node_status: BTreeMap<String, NodeStateCase>,
    #[serde(default)]
    pub(crate) service_status: BTreeMap<String, EntryCase>,
    #[serde(default)]
    pub(crate) node_request: BTreeMap<String, BTreeMap<String, Flag>>,
    pub(crate) disarm: Option<DisarmCase>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct EntryCase {
    #[serde(deserialize_with = "service_state")]
    pub(crate) state: ServiceState,
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
    #[serde(default, deserialize_with = "queued")]
    pub(crate) cmd: Option<QueuedCase>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct DisarmCase {
    #[serde(default)]
    pub(crate) mode: String,
    #[serde(default)]
    pub(crate) state: DisarmState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DisarmState {
    #[default]
    Disarming,
    Disarmed,
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
        deserialize_with = "maybe_ratio"
    )]
    pub(crate) threshold: Option<f64>,
    #[serde(rename = "ha-auto-rebalance-method")]
    pub(crate) method: Option<String>,
    #[serde(
        default,
        rename = "ha-auto-rebalance-hold-duration",
        deserialize_with = "maybe_ratio"
    )]
    pub(crate) hold_rounds: Option<f64>,
    #[serde(
        default,
        rename = "ha-auto-rebalance-margin",
        deserialize_with = "maybe_ratio"
    )]
    pub(crate) margin: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct StaticStats {
    #[serde(default, deserialize_with = "maybe_cores")]
    pub(crate) maxcpu: Option<f64>,
    #[serde(default, deserialize_with = "maybe_bytes")]
    pub(crate) maxmem: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct DynamicStats {
    #[serde(default, deserialize_with = "maybe_cores")]
    pub(crate) cpu: Option<f64>,
    #[serde(default, deserialize_with = "maybe_bytes")]
    pub(crate) mem: Option<f64>,
}

impl Case {
    /// Reads the case in `directory`.
    ///
    /// # Errors
    ///
    /// The first file that can't be read or isn't what it should be, with the line where there is
    /// one.
    pub fn read(directory: &Path) -> Result<Self, CaseError> {
        let case = Files { directory };
        case.must_be_there()?;
        let commands = case.json(COMMANDS)?.value.ok_or_else(|| {
            case.error(
                COMMANDS,
                None,
                "isn't there, expected a list of lists of commands",
            )
        })?;
        let nodes = case.objects("hardware_status")?.or(default_nodes);
        case.check_nodes(&nodes)?;
        let mut running = BTreeMap::new();
        for node in nodes.value.keys() {
            running.insert(node.clone(), case.running_on(node)?);
        }
        let status = case.object("manager_status")?.or(StatusCase::default);
        let services = case.objects("service_config")?.or(default_services);
        case.check_services(&services, &nodes.value, &status)?;
        let file = |name: &str| directory.join(name).display().to_string();
        let rules = case.text("rules_config")?.unwrap_or_default();
        let (rules, of_rules) = Rules::read(&file("rules_config"), &rules);
        let groups = case.text("groups")?.unwrap_or_default();
        let (groups, of_groups) = Groups::read(&file("groups"), &groups);
        Ok(Self {
            commands,
            nodes: nodes.value,
            services: services.value,
            status: status.value,
            rules,
            groups,
            datacenter: case.object("datacenter.cfg")?.value.unwrap_or_default(),
            static_stats: case.objects("static_service_stats")?.value,
            dynamic_stats: case.objects("dynamic_service_stats")?.value,
            running,
            faults: case.faults()?,
            warnings: vec![of_rules, of_groups],
        })
    }

    /// What was left out of rules and groups because it can't be read: that stops no run.
    pub fn warnings(&self) -> impl Iterator<Item = &Warnings> {
        self.warnings.iter()
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
            _comment: None,
        };
        (format!("vm:{number}"), config)
    };
    (101..=106).zip([1, 2, 3, 1, 2, 3]).map(service).collect()
}

/// What a file says, with its text, in which lines are looked for.
struct Read<T> {
    value: T,
    text: String,
}

impl<T> Read<Option<T>> {
    fn or(self, default: impl FnOnce() -> T) -> Read<T> {
        Read {
            value: self.value.unwrap_or_else(default),
            text: self.text,
        }
    }
}

/// The files of a case.
struct Files<'a> {
    directory: &'a Path,
}

impl Files<'_> {
    fn error(&self, name: &str, line: Option<usize>, message: impl Into<String>) -> CaseError {
        CaseError {
            path: self.directory.join(name),
            line,
            message: message.into(),
        }
    }

    fn must_be_there(&self) -> Result<(), CaseError> {
        let message = match self.directory.metadata() {
            Ok(metadata) if metadata.is_dir() => return Ok(()),
            Ok(_) => String::from("not a directory, expected one with a cmdlist"),
            Err(error) => format!("{error}, expected a directory with a cmdlist"),
        };
        Err(CaseError {
            path: self.directory.to_owned(),
            line: None,
            message,
        })
    }

    fn running_on(&self, node: &str) -> Result<BTreeSet<String>, CaseError> {
        let flags: Read<Option<BTreeMap<String, Flag>>> =
            self.json(&format!("service_status_{node}"))?;
        let flags = flags.value.unwrap_or_default().into_iter();
        Ok(flags
            .filter(|(_, runs)| runs.is_set())
            .map(|(sid, _)| sid)
            .collect())
    }

    fn faults(&self) -> Result<Option<faults::Faults>, CaseError> {
        let faults: Option<faults::Faults> = self.object(FAULTS)?.value;
        let checked = faults.as_ref().map_or(Ok(()), faults::Faults::check);
        checked.map_err(|message| self.error(FAULTS, None, message))?;
        Ok(faults)
    }

    /// A file's text, unless there is none of that name.
    fn text(&self, name: &str) -> Result<Option<String>, CaseError> {
        file::read(&self.directory.join(name))
            .map_err(|error: FileError| self.error(name, error.line(), error.to_string()))
    }

    /// What an object says; a list of its fields' values, which serde would take too, says nothing.
    fn object<T: DeserializeOwned>(&self, name: &str) -> Result<Read<Option<T>>, CaseError> {
        self.json::<BTreeMap<String, IgnoredAny>>(name)?;
        self.json(name)
    }

    /// What an object of objects says.
    fn objects<T: DeserializeOwned>(&self, name: &str) -> Result<Read<Option<T>>, CaseError> {
        self.json::<BTreeMap<String, BTreeMap<String, IgnoredAny>>>(name)?;
        self.json(name)
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Read<Option<T>>, CaseError> {
        let Some(text) = self.text(name)? else {
            return Ok(Read {
                value: None,
                text: String::new(),
            });
        };
        // An empty file reads as an empty object (`protocol.md` 2). A list of commands is none.
        let json = match text.trim() {
            "" if name != COMMANDS => "{}",
            json => json,
        };
        match serde_json::from_str(json) {
            Ok(value) => Ok(Read { value, text }),
            Err(error) => {
                let message = error.to_string();
                // Its place is said in front, as everywhere.
                let place = format!(" at line {} column {}", error.line(), error.column());
                let message = message.strip_suffix(&place).unwrap_or(&message);
                Err(self.error(name, Some(error.line().max(1)), message))
            }
        }
    }
}
