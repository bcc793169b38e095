//! Fence devices, and the commands that they give (specification, configuration §8.1–8.4, 8.6).
//!
//! A device has sub-devices that act in parallel; each may be connected to nodes. A node is fenced
//! by its first device, then, if that fails, by its next one. Nothing here starts anything.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::first_word;
use super::is_blank;
use super::warning::{Warnings, What};

mod shell;

/// All fence devices of a cluster, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FenceConfig(BTreeMap<String, Device>);

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Device {
    /// The lower, the earlier it is tried.
    pub priority: usize,
    /// What acts in parallel.
    pub sub_devices: BTreeMap<Number, SubDevice>,
}

/// A part of a device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SubDevice {
    /// The program that fences.
    pub agent: String,
    /// Its arguments for every node.
    pub arguments: Vec<String>,
    /// Its further arguments, by node.
    pub connections: BTreeMap<String, Vec<String>>,
}

/// The number of a sub-device: decimal digits without leading zeros, of any length. Its order is
/// that of the *text*: 1, 10, 2.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Number(String);

/// A command that fences a node, or takes part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The sub-device that it is of.
    pub number: Number,
    /// The command with its arguments, quoted for a shell.
    pub line: String,
}

/// All errors of a file: it doesn't count as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceErrors {
    /// What was left out besides; it knows the file's name.
    pub warnings: Warnings,
    /// The physical lines, from 1, and what is wrong there.
    pub errors: Vec<(usize, FenceError)>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FenceError {
    /// The sub-device is declared already.
    Declared(String, Number),
    /// A connection to a device that isn't declared.
    NoDevice(String),
    /// A connection to a sub-device that isn't declared.
    NoSubDevice(String, Number),
    /// A connection that names no node.
    NoNode(String),
    /// The sub-device is connected to the node already.
    Connected {
        /// The node.
        node: String,
        /// The device.
        device: String,
        /// Its part.
        number: Number,
    },
}

/// Why devices can't be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FenceWriteError {
    /// Two devices have the same priority; this is the second by name.
    ReusedPriority(String),
    /// A sub-device, or its connection to a node, has no arguments, and a line without would not
    /// be read again.
    NoArguments(String, Number),
}

impl FenceConfig {
    /// Reads the file's text. `file` is its name as messages are to show it.
    ///
    /// # Errors
    ///
    /// All that is wrong with lines that declare or connect.
    pub fn read(file: &str, text: &str) -> Result<(Self, Warnings), FenceErrors> {
        let mut reader = Reader {
            devices: BTreeMap::new(),
            priority_next: 0,
        };
        let mut warnings = Warnings::new(file);
        let mut errors = Vec::new();
        for (number, line) in (1..).zip(text.split('\n')) {
            let line = line.trim_matches(is_blank);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some(statement) = Statement::parse(line) else {
                warnings.add(number, What::NoDevice(line.into()));
                continue;
            };
            let arguments = shell::words(statement.rest).unwrap_or_else(|| {
                warnings.add(number, What::Unbalanced);
                Vec::new()
            });
            let done = match statement.verb {
                Verb::Device => reader.declare(&statement, arguments),
                Verb::Connect => reader.connect(&statement, arguments),
            };
            errors.extend(done.err().map(|error| (number, error)));
        }
        if errors.is_empty() {
            return Ok((Self(reader.devices), warnings));
        }
        Err(FenceErrors { warnings, errors })
    }

    /// The devices by name.
    #[must_use]
    pub fn devices(&self) -> &BTreeMap<String, Device> {
        &self.0
    }

    /// The names of the devices in the order in which they are tried.
    #[must_use]
    pub fn by_priority(&self) -> Vec<&str> {
        let mut devices: Vec<_> = self.0.iter().collect();
        devices.sort_by_key(|(_, device)| device.priority);
        devices.into_iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The devices of a node in the order in which they are tried: those with a part that is
    /// connected to it.
    #[must_use]
    pub fn devices_of(&self, node: &str) -> Vec<&str> {
        let connected = |name: &&str| {
            let parts = self.0.get(*name).map(|device| device.sub_devices.values());
            let mut parts = parts.into_iter().flatten();
            parts.any(|part| part.connections.contains_key(node))
        };
        self.by_priority().into_iter().filter(connected).collect()
    }

    /// The tries of a node, each with its commands by the texts of the sub-devices' numbers. All
    /// commands of a try have to succeed.
    pub fn tries(&self, node: &str) -> impl Iterator<Item = Vec<Command>> {
        let devices = self.devices_of(node).into_iter();
        let devices = devices.filter_map(|name| self.0.get(name));
        devices.map(move |device| device.commands(node))
    }

    /// The commands of one try, the first being number 0. None: there is no such try.
    #[must_use]
    pub fn commands(&self, node: &str, attempt: usize) -> Vec<Command> {
        self.tries(node).nth(attempt).unwrap_or_default()
    }

    /// The text of the file, which reads as the same devices.
    ///
    /// # Errors
    ///
    /// If two devices have the same priority, or something has no arguments.
    pub fn write(&self) -> Result<String, FenceWriteError> {
        let mut priorities = BTreeMap::new();
        for (name, device) in &self.0 {
            if priorities.insert(device.priority, name).is_some() {
                return Err(FenceWriteError::ReusedPriority(name.clone()));
            }
        }
        let mut text = String::new();
        for name in priorities.into_values() {
            let parts = self.0.get(name).map(|device| device.sub_devices.iter());
            for (number, part) in parts.into_iter().flatten() {
                let arguments =
                    || core::iter::once(&part.arguments).chain(part.connections.values());
                if arguments().any(Vec::is_empty) {
                    let (name, number) = (name.clone(), number.clone());
                    return Err(FenceWriteError::NoArguments(name, number));
                }
                let agent = &part.agent;
                text.extend(["\ndevice ", name, ":", &number.0, " ", agent]);
                shell::append(&mut text, &part.arguments, shell::quoted_assignment);
                for (node, arguments) in &part.connections {
                    text.extend(["\nconnect ", name, ":", &number.0, " node=", node]);
                    shell::append(&mut text, arguments, shell::quoted_if_split);
                }
                text.push('\n');
            }
        }
        Ok(text)
    }
}

impl Device {
    fn commands(&self, node: &str) -> Vec<Command> {
        let command = |(number, part): (&Number, &SubDevice)| {
            let connected = part.connections.get(node)?;
            let arguments = part.arguments.iter().chain(connected);
            let number = number.clone();
            let line = shell::command(&part.agent, arguments);
            Some(Command { number, line })
        };
        self.sub_devices.iter().filter_map(command).collect()
    }
}

impl Number {
    /// The number of these digits; without, or 0, it is 1.
    fn of_digits(digits: &str) -> Self {
        let digits = digits.trim_start_matches('0');
        Self(if digits.is_empty() { "1" } else { digits }.into())
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The order of the numbers, not of their texts.
    #[must_use]
    pub fn cmp_number(&self, other: &Self) -> Ordering {
        let length = self.0.len().cmp(&other.0.len());
        length.then_with(|| self.0.cmp(&other.0))
    }
}

/// What a line does.
enum Verb {
    Device,
    Connect,
}

/// A line of the right shape.
struct Statement<'a> {
    verb: Verb,
    device: &'a str,
    number: Number,
    /// The third word.
    third: &'a str,
    /// Everything after it.
    rest: &'a str,
}

impl<'a> Statement<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (verb, rest) = first_word(line);
        let (device, rest) = first_word(rest);
        let (third, rest) = first_word(rest);
        let verb = match verb {
            "device" => Verb::Device,
            "connect" => Verb::Connect,
            _ => return None,
        };
        let end = device.find(|c: char| !is_word(c)).unwrap_or(device.len());
        let (device, after) = device.split_at(end);
        let digits = after.strip_prefix(':').unwrap_or_default();
        let end = digits.find(|c: char| !c.is_ascii_digit());
        let digits = digits.get(..end.unwrap_or(digits.len()))?;
        let whole = !device.is_empty() && !third.is_empty() && !rest.is_empty();
        whole.then(|| Self {
            verb,
            device,
            number: Number::of_digits(digits),
            third,
            rest,
        })
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The node that a word names after the first `node=` that a name follows. Names may have dashes
/// but at their beginning.
fn node_in(word: &str) -> Option<&str> {
    let mut after = word.match_indices("node=").filter_map(|(at, found)| {
        let rest = word.get(at + found.len()..)?;
        rest.starts_with(is_word).then_some(rest)
    });
    let rest = after.next()?;
    let end = rest.find(|c: char| !is_word(c) && c != '-');
    rest.get(..end.unwrap_or(rest.len()))
}

/// The devices so far.
struct Reader {
    devices: BTreeMap<String, Device>,
    priority_next: usize,
}

impl Reader {
    fn declare(
        &mut self,
        statement: &Statement<'_>,
        arguments: Vec<String>,
    ) -> Result<(), FenceError> {
        let (name, number) = (statement.device, &statement.number);
        let device = self.devices.entry(name.into()).or_insert_with(|| Device {
            priority: 0,
            sub_devices: BTreeMap::new(),
        });
        if device.sub_devices.contains_key(number) {
            return Err(FenceError::Declared(name.into(), number.clone()));
        }
        // 0 counts as none: the next part of the first device gives it another one (§8.3).
        if device.priority == 0 {
            device.priority = self.priority_next;
            self.priority_next += 1;
        }
        let part = SubDevice {
            agent: statement.third.into(),
            arguments,
            connections: BTreeMap::new(),
        };
        device.sub_devices.insert(number.clone(), part);
        Ok(())
    }

    fn connect(
        &mut self,
        statement: &Statement<'_>,
        arguments: Vec<String>,
    ) -> Result<(), FenceError> {
        let (name, number) = (statement.device, &statement.number);
        let device = self.devices.get_mut(name);
        let device = device.ok_or_else(|| FenceError::NoDevice(name.into()))?;
        let part = device.sub_devices.get_mut(number);
        let part = part.ok_or_else(|| FenceError::NoSubDevice(name.into(), number.clone()))?;
        let node = node_in(statement.third);
        let node = node.ok_or_else(|| FenceError::NoNode(name.into()))?;
        if part.connections.contains_key(node) {
            return Err(FenceError::Connected {
                node: node.into(),
                device: name.into(),
                number: number.clone(),
            });
        }
        part.connections.insert(node.into(), arguments);
        Ok(())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FenceErrors {
    /// The text, with another name for the file.
    #[must_use]
    pub fn message(&self, file: &str) -> String {
        let mut text = format!("Encountered error(s) on parsing '{file}':");
        for (line, error) in &self.errors {
            text.push_str(&format!("\nline {line}: {error}"));
        }
        text
    }
}

impl fmt::Display for FenceErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(self.warnings.file()))
    }
}

impl fmt::Display for FenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared(name, number) => {
                write!(f, "device '{name}:{number}' already declared")
            }
            Self::NoDevice(name) => write!(
                f,
                "device '{name}' must be declared before you can connect to it"
            ),
            Self::NoSubDevice(name, number) => {
                write!(f, "No parallel device '{name}:{number}' found")
            }
            Self::NoNode(name) => {
                write!(f, "node=nodename needed to connect device '{name}' to node")
            }
            Self::Connected {
                node,
                device,
                number,
            } => write!(
                f,
                "node '{node}' already connected to device '{device}:{number}'"
            ),
        }
    }
}

impl fmt::Display for FenceWriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReusedPriority(name) => write!(
                f,
                "Device '{name}' reuses priority! Priorities must be unique"
            ),
            Self::NoArguments(name, number) => {
                write!(f, "device '{name}:{number}' lacks arguments")
            }
        }
    }
}
