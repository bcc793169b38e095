//! The forms of names (specification, configuration §4 and §5).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use core::fmt;

use super::warning::FormatError;

/// The highest priority of a node that is told apart from higher ones: no entry may exceed it.
pub const PRIORITY_MAX: u64 = 999_999_999_999_999_999;

/// What the cluster knows of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The node that it is on.
    pub node: String,
    /// What it is.
    pub kind: GuestKind,
}

/// What a guest is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestKind {
    /// A virtual machine.
    VirtualMachine,
    /// A container.
    Container,
    /// Something else, by the cluster's word for it.
    Other(String),
}

/// The guests of a cluster by their numbers.
pub type Guests = BTreeMap<String, Guest>;

/// Why a text names no service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SidError {
    /// Digits, but there is no such guest.
    NoGuest(String),
    /// The guest is neither a virtual machine nor a container.
    UnknownType(String),
    /// Neither digits nor two parts.
    Unparsable(String),
}

/// Whether a text is the id of a group or rule: a letter, then at least one letter, digit, `_` or
/// `-`.
///
/// # Errors
///
/// The text, if it isn't.
pub fn check_config_id(text: &str) -> Result<(), FormatError> {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let more = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if first && text.len() > 1 && text.chars().all(more) {
        Ok(())
    } else {
        Err(FormatError::ConfigId(text.into()))
    }
}

/// Whether a text is a resource id: lower-case letters, a colon, and a rest without blanks.
///
/// # Errors
///
/// If it isn't.
pub fn check_resource_id(text: &str) -> Result<(), FormatError> {
    let (kind, name) = text.split_once(':').ok_or(FormatError::ResourceId)?;
    let of_letters = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_lowercase());
    let in_one = !name.is_empty() && !name.contains(|c| super::is_blank(c) || c == '\n');
    if of_letters && in_one {
        Ok(())
    } else {
        Err(FormatError::ResourceId)
    }
}

/// Whether a text is a resource id, or the number of a guest.
///
/// # Errors
///
/// If it isn't.
pub fn check_resource_or_guest_id(text: &str) -> Result<(), FormatError> {
    if is_digits(text) {
        return Ok(());
    }
    check_resource_id(text)
}

/// Whether a text is the number of a guest: decimal, no leading zero, at least two digits.
#[must_use]
pub fn is_guest_number(text: &str) -> bool {
    is_digits(text) && text.len() > 1 && !text.starts_with('0')
}

/// The service that a text names: itself if it has two parts around a colon, and what the guest
/// with that number is, if it is a number.
///
/// # Errors
///
/// If there is no such guest, it is of no type that can be a service, or the text is neither.
pub fn sid_of(text: &str, guests: &Guests) -> Result<String, SidError> {
    if is_digits(text) {
        let guest = guests.get(text);
        let guest = guest.ok_or_else(|| SidError::NoGuest(text.into()))?;
        return match &guest.kind {
            GuestKind::VirtualMachine => Ok(format!("vm:{text}")),
            GuestKind::Container => Ok(format!("ct:{text}")),
            GuestKind::Other(kind) => Err(SidError::UnknownType(kind.clone())),
        };
    }
    match text.split_once(':') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(text.into()),
        Some(_) | None => Err(SidError::Unparsable(text.into())),
    }
}

/// A node and its priority, from `NODE` or `NODE:PRIORITY`. Without one it is 0; higher is
/// preferred.
///
/// # Errors
///
/// If the name is not of letters, digits and inner dashes, or the priority is no number up to
/// [`PRIORITY_MAX`].
pub fn node_entry(text: &str) -> Result<(&str, u64), FormatError> {
    let (name, priority) = match text.split_once(':') {
        Some((name, priority)) => (name, Some(priority)),
        None => (text, None),
    };
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let edges = [name.chars().next(), name.chars().next_back()];
    let sound = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if !edges.into_iter().all(sound) || !name.chars().all(inner) {
        return Err(FormatError::Node);
    }
    let Some(priority) = priority else {
        return Ok((name, 0));
    };
    let number = Some(priority).filter(|text| is_digits(text));
    let number = number.and_then(|text| text.parse().ok());
    let number = number.filter(|number| *number <= PRIORITY_MAX);
    number.map(|number| (name, number)).ok_or(FormatError::Node)
}

/// Whether a text consists of digits, and of at least one.
pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for SidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGuest(number) => write!(
                f,
                "unable to detect SID from VMID - VM/CT {number} does not exist"
            ),
            Self::UnknownType(kind) => write!(f, "unknown PVE resource type '{kind}'"),
            Self::Unparsable(text) => write!(f, "unable to parse service id '{text}'"),
        }
    }
}
