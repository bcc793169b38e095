//! What is wrong in a configuration file, and how that is said.
//!
//! The texts are interface facts; each variant names the one it stands for.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What a reader left out of one file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warnings {
    file: String,
    /// Sections that are warned about. A name of any length is kept once, however many warnings
    /// its section has.
    sections: Vec<String>,
    list: Vec<Warning>,
}

/// Something that a reader left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The physical line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: What,
}

/// Which section of a [`Warnings`] a warning is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionIndex(usize);

/// What is wrong with a line. There may be as many as lines, so what is large is boxed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Section config: a line between sections that is no header.
    NoHeader(Box<str>),
    /// Section config: a line in a section that is no property.
    NoProperty(SectionIndex, Box<str>),
    /// Section config: a property that is dropped; its section stays.
    Property(SectionIndex, Box<PropertyError>),
    /// Section config: a section that is left out.
    Skipped(SectionIndex, Box<SkipReason>),
    /// Datacenter settings: a line that is no setting.
    NoSetting(Box<str>),
    /// Datacenter settings: a key that is dropped.
    Setting(Box<SettingError>),
    /// Fence devices: a line that neither declares nor connects one.
    NoDevice(Box<str>),
    /// Fence devices: a quote isn't closed, so no argument of the line counts.
    Unbalanced,
}

/// A property that is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyError {
    /// The property.
    pub key: String,
    /// Why.
    pub error: ValueError,
}

/// A key of the datacenter's settings that is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    /// The key.
    pub key: String,
    /// Its part that is wrong, where the value has parts.
    pub part: Option<String>,
    /// Why.
    pub error: ValueError,
}

/// Why a section is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// The file has no such type of section.
    UnsupportedType(String),
    /// Resources have no such type.
    NoResourceType(String),
    /// A resource isn't named by the number of a guest.
    InvalidGuestNumber,
    /// A name is not what the file needs.
    Format(FormatError),
    /// A property is missing.
    MissingValue(&'static str),
}

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// The file's sections of this type have no such key.
    Unknown,
    /// The key has a value already.
    Duplicate,
    /// The key is known, but not allowed here.
    Unexpected(&'static str),
    /// There is no value.
    Undefined,
    /// A value goes over several lines.
    LineFeed,
    /// Neither 0 nor 1 (in structured values: nor one of their words).
    NotBoolean(String),
    /// Not an integer in decimal digits.
    NotInteger(String),
    /// Not a decimal number.
    NotNumber(String),
    /// Not of the form that it needs.
    Format(FormatError),
    /// More characters than this.
    TooLong(usize),
    /// Less than this.
    BelowMinimum(i64),
    /// More than this.
    AboveMaximum(i64),
    /// None of the words that are possible.
    NotInEnumeration {
        /// The value.
        value: String,
        /// What is possible.
        choices: &'static [&'static str],
    },
    /// Another part of the value, the one named, needs this one.
    RequiredBy(&'static str),
}

/// A name or an entry of a list that isn't of the form that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// A configuration id.
    ConfigId(String),
    /// A resource.
    ResourceId,
    /// A node, with or without priority.
    Node,
}

/// A warning with the names it speaks of, to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    warnings: &'a Warnings,
    warning: &'a Warning,
}

impl Warnings {
    /// No warnings about this file. Its name is as messages are to show it.
    pub(super) fn new(file: &str) -> Self {
        Self {
            file: file.into(),
            sections: Vec::new(),
            list: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, line: usize, what: What) {
        self.list.push(Warning { line, what });
    }

    /// Makes a section known, so that warnings can be about it.
    pub(super) fn section(&mut self, id: &str) -> SectionIndex {
        self.sections.push(id.into());
        SectionIndex(self.sections.len() - 1)
    }

    /// The file's name, as messages show it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing was left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The warnings, to be shown, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        self.list.iter().map(|warning| Message {
            warnings: self,
            warning,
        })
    }

    /// A section's id.
    #[must_use]
    pub fn section_id(&self, section: SectionIndex) -> &str {
        self.sections.get(section.0).map_or("", String::as_str)
    }

    /// The properties that were dropped: line, section, key, and why. These alone are part of a
    /// configuration's dump.
    pub fn property_errors(&self) -> impl Iterator<Item = (usize, &str, &str, &ValueError)> {
        self.list.iter().filter_map(|warning| match &warning.what {
            What::Property(section, error) => {
                let PropertyError { key, error } = &**error;
                Some((warning.line, self.section_id(*section), key.as_str(), error))
            }
            What::NoHeader(_)
            | What::NoProperty(..)
            | What::Skipped(..)
            | What::NoSetting(_)
            | What::Setting(_)
            | What::NoDevice(_)
            | What::Unbalanced => None,
        })
    }
}

impl<'a> Message<'a> {
    /// What is wrong, and on which line.
    #[must_use]
    pub fn warning(&self) -> &'a Warning {
        self.warning
    }

    /// The section that it is about.
    #[must_use]
    pub fn section(&self) -> Option<&'a str> {
        let section = match &self.warning.what {
            What::NoProperty(section, _)
            | What::Property(section, _)
            | What::Skipped(section, _) => *section,
            What::NoHeader(_)
            | What::NoSetting(_)
            | What::Setting(_)
            | What::NoDevice(_)
            | What::Unbalanced => return None,
        };
        Some(self.warnings.section_id(section))
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.warnings.file;
        let line = self.warning.line;
        let id = self.section().unwrap_or_default();
        match &self.warning.what {
            What::NoHeader(text) => {
                write!(f, "file {file} line {line} - ignore config line: {text}")
            }
            What::NoProperty(_, text) => {
                write!(f, "file {file} line {line} (section '{id}') - ")?;
                write!(f, "ignore config line: {text}")
            }
            What::Property(_, error) => {
                let PropertyError { key, error } = &**error;
                write!(f, "file {file} line {line} (section '{id}') - ")?;
                write!(f, "unable to parse value of '{key}': {error}")
            }
            What::Skipped(_, reason) => {
                write!(f, "file {file} line {line} (skip section '{id}'): {reason}")
            }
            What::NoSetting(text) => write!(f, "ignore config line: {text}"),
            What::Setting(error) => {
                let SettingError { key, part, error } = &**error;
                write!(f, "parse error in '{file}' - '{key}': ")?;
                if let Some(part) = part {
                    write!(f, "{part}: ")?;
                }
                error.fmt(f)
            }
            What::NoDevice(text) => write!(f, "{file} ignore line {line}: {text}"),
            What::Unbalanced => write!(
                f,
                "{file} line {line}: a quote isn't closed, so none of the arguments counts"
            ),
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedType(name) => write!(f, "unsupported type '{name}'"),
            Self::NoResourceType(name) => write!(f, "no such resource type '{name}'"),
            Self::InvalidGuestNumber => f.write_str("invalid VMID"),
            Self::Format(error) => error.fmt(f),
            Self::MissingValue(key) => write!(f, "missing value for required option '{key}'"),
        }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown property type"),
            Self::Duplicate => f.write_str("duplicate attribute"),
            Self::Unexpected(key) => write!(f, "unexpected property '{key}'"),
            Self::Undefined => f.write_str("got undefined value"),
            Self::LineFeed => f.write_str("property contains a line feed"),
            Self::NotBoolean(value) => {
                write!(f, "type check ('boolean') failed - got '{value}'")
            }
            Self::NotInteger(value) => {
                write!(f, "type check ('integer') failed - got '{value}'")
            }
            Self::NotNumber(value) => write!(f, "type check ('number') failed - got '{value}'"),
            Self::Format(error) => write!(f, "invalid format - {error}"),
            Self::TooLong(most) => write!(f, "value may only be {most} characters long"),
            Self::BelowMinimum(least) => write!(f, "value must have a minimum value of {least}"),
            Self::AboveMaximum(most) => write!(f, "value must have a maximum value of {most}"),
            Self::NotInEnumeration { value, choices } => {
                let choices = choices.join(", ");
                write!(
                    f,
                    "value '{value}' does not have a value in the enumeration '{choices}'"
                )
            }
            Self::RequiredBy(key) => write!(f, "missing property required by '{key}'"),
        }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConfigId(id) => write!(f, "invalid configuration ID '{id}'"),
            Self::ResourceId => f.write_str("value does not look like a valid ha resource id"),
            Self::Node => f.write_str("value does not look like a valid ha node"),
        }
    }
}
