//! Writing sections (specification, configuration §2.2).

use alloc::string::String;
use core::fmt;

use super::table::{Property, SectionType, Usage};
use super::{Content, Sections, Value, Values};
use crate::format::warning::{SkipReason, ValueError};

/// Why sections can't be written: what would stand in the file would not be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// A section has an id that its file doesn't allow.
    Id {
        /// The section's id.
        section: String,
        /// What is wrong with it.
        reason: SkipReason,
    },
    /// A required value is empty.
    MissingValue {
        /// The section's id.
        section: String,
        /// The property.
        key: &'static str,
    },
    /// A value goes over several lines.
    LineFeed {
        /// The property.
        key: &'static str,
    },
    /// A value is refused otherwise.
    Value {
        /// The section's id.
        section: String,
        /// The property.
        key: &'static str,
        /// What is wrong with it.
        error: ValueError,
    },
}

/// The text of a file.
pub(super) fn write<C: Content>(sections: &Sections<C>) -> Result<String, WriteError> {
    let mut text = String::new();
    for (id, content) in sections.in_order() {
        let type_name = content.type_name();
        let name = C::GRAMMAR.name_of(type_name, id);
        let section_type = C::GRAMMAR.check_header(type_name, name);
        let section_type = section_type.map_err(|reason| {
            let section = id.into();
            WriteError::Id { section, reason }
        })?;
        text.extend([type_name, ": ", name, "\n"]);
        write_values(&mut text, id, section_type, &content.values())?;
        text.push('\n');
    }
    Ok(text)
}

/// The comment, whether it is disabled, what is required, what else there is.
fn write_values(
    text: &mut String,
    id: &str,
    section_type: &SectionType,
    values: &Values,
) -> Result<(), WriteError> {
    for property in rows(section_type, |key| key == "comment") {
        write_value(text, id, property, values)?;
    }
    if values.flag("disable") == Some(true) {
        text.push_str("\tdisable\n");
    }
    for usage in [Usage::Required, Usage::Optional] {
        let rest = rows(section_type, |key| !matches!(key, "comment" | "disable"));
        for property in rest.filter(|property| property.usage == usage) {
            write_value(text, id, property, values)?;
        }
    }
    Ok(())
}

fn rows(
    section_type: &SectionType,
    wanted: impl Fn(&str) -> bool,
) -> impl Iterator<Item = &'static Property> {
    let properties = section_type.properties.iter();
    properties.filter(move |property| wanted(property.key))
}

fn write_value(
    text: &mut String,
    id: &str,
    property: &Property,
    values: &Values,
) -> Result<(), WriteError> {
    let key = property.key;
    let value = values.get(key);
    let value = value.map(|value: &Value| property.kind.text(value));
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        let section = id.into();
        return match property.usage {
            Usage::Required => Err(WriteError::MissingValue { section, key }),
            Usage::Optional | Usage::Refused => Ok(()),
        };
    };
    match property.kind.parse(Some(&value)) {
        Ok(_) => text.extend(["\t", key, " ", &value, "\n"]),
        Err(ValueError::LineFeed) => return Err(WriteError::LineFeed { key }),
        Err(error) => {
            let section = id.into();
            let error = WriteError::Value {
                section,
                key,
                error,
            };
            return Err(error);
        }
    }
    Ok(())
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id { section, reason } => write!(f, "section '{section}' - {reason}"),
            Self::MissingValue { section, key } => write!(
                f,
                "section '{section}' - missing value for required option '{key}'"
            ),
            Self::LineFeed { key } => write!(f, "property '{key}' contains a line feed"),
            Self::Value {
                section,
                key,
                error,
            } => write!(f, "section '{section}' - value of '{key}': {error}"),
        }
    }
}
