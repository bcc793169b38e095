//! What a file of sections may hold, as data.

use alloc::format;
use alloc::string::String;

use crate::format::name::{check_config_id, is_guest_number};
use crate::format::warning::SkipReason;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grammar {
    /// How sections are named.
    pub id: IdKind,
    /// The types of sections.
    pub types: &'static [SectionType],
}

/// How the sections of a file are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// By a configuration id.
    ConfigId,
    /// By type and number of a guest, the type being part of the id.
    Guest,
}

/// A type of section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionType {
    /// Its name, in lower case.
    pub name: &'static str,
    /// What it may say, by key.
    pub properties: &'static [Property],
}

/// Something that a section may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its key.
    pub key: &'static str,
    /// What values it may have.
    pub kind: ValueKind,
    /// Whether it must or may be there.
    pub usage: Usage,
}

/// Whether a property must or may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Without it the section doesn't count.
    Required,
    /// It may be absent.
    Optional,
    /// It is known, but not in the file: a name of the section itself.
    Refused,
}

/// What values a property may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `0` or `1`; without a value it is true.
    Flag,
    /// A decimal integer with a minimum.
    Integer {
        /// The least.
        least: u64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any text of at most so many characters.
    Text {
        /// The most characters, as the text is in memory.
        characters_max: usize,
        /// How it is written.
        coding: Coding,
    },
    /// A configuration id.
    ConfigId,
    /// A list of resource ids.
    Resources,
    /// A list of nodes, each with or without a priority.
    Nodes,
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Verbatim,
    /// Percent-encoded.
    Percent,
}

/// The comment of every kind of section has this many characters at most.
pub const COMMENT_CHARACTERS_MAX: usize = 4096;

impl Property {
    /// A property that may be absent.
    #[must_use]
    pub const fn optional(key: &'static str, kind: ValueKind) -> Self {
        let usage = Usage::Optional;
        Self { key, kind, usage }
    }

    /// A property that must be there.
    #[must_use]
    pub const fn required(key: &'static str, kind: ValueKind) -> Self {
        let usage = Usage::Required;
        Self { key, kind, usage }
    }

    /// A name that is no property of the file.
    #[must_use]
    pub const fn refused(key: &'static str) -> Self {
        let (kind, usage) = (ValueKind::Flag, Usage::Refused);
        Self { key, kind, usage }
    }

    /// The section's comment.
    #[must_use]
    pub const fn comment(coding: Coding) -> Self {
        let characters_max = COMMENT_CHARACTERS_MAX;
        let kind = ValueKind::Text {
            characters_max,
            coding,
        };
        Self::optional("comment", kind)
    }
}

impl SectionType {
    /// The property of that name.
    #[must_use]
    pub fn property(&self, key: &str) -> Option<&'static Property> {
        self.properties.iter().find(|property| property.key == key)
    }

    /// The keys that must be there, in byte order.
    pub fn required(&self) -> impl Iterator<Item = &'static str> + use<> {
        let required = |property: &&Property| property.usage == Usage::Required;
        let properties = self.properties.iter().filter(required);
        properties.map(|property| property.key)
    }
}

impl Grammar {
    /// The type of that name, in lower case.
    #[must_use]
    pub fn section_type(&self, name: &str) -> Option<&'static SectionType> {
        self.types.iter().find(|one| one.name == name)
    }

    /// The id of the section with this type and name.
    pub(super) fn id_of(&self, type_name: &str, name: &str) -> String {
        match self.id {
            IdKind::ConfigId => name.into(),
            IdKind::Guest => format!("{type_name}:{name}"),
        }
    }

    /// What follows a header's colon for the section with this id.
    #[must_use]
    pub fn name_of<'a>(&self, type_name: &str, id: &'a str) -> &'a str {
        match self.id {
            IdKind::ConfigId => id,
            IdKind::Guest => {
                let name = id.strip_prefix(type_name);
                name.and_then(|name| name.strip_prefix(':')).unwrap_or(id)
            }
        }
    }

    /// The type of a section with this header. Where both its type and its name are wrong, the
    /// type is what is said to be.
    pub(super) fn check_header(
        &self,
        type_name: &str,
        name: &str,
    ) -> Result<&'static SectionType, SkipReason> {
        let found = self.section_type(type_name);
        match self.id {
            IdKind::ConfigId => {
                let found = found.ok_or_else(|| SkipReason::UnsupportedType(type_name.into()))?;
                check_config_id(name).map_err(SkipReason::Format)?;
                Ok(found)
            }
            IdKind::Guest => {
                let found = found.ok_or_else(|| SkipReason::NoResourceType(type_name.into()))?;
                if !is_guest_number(name) {
                    return Err(SkipReason::InvalidGuestNumber);
                }
                Ok(found)
            }
        }
    }
}
