//! The values of a section: checked against the table when read, and as they are written.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::table::{Coding, ValueKind};
use crate::format::list;
use crate::format::name::{check_config_id, check_resource_id, is_digits, node_entry};
use crate::format::warning::{FormatError, ValueError};

/// A value of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of [`ValueKind::Flag`].
    Flag(bool),
    /// Of [`ValueKind::Integer`].
    Integer(u64),
    /// Of [`ValueKind::Text`], [`ValueKind::Choice`] and [`ValueKind::ConfigId`].
    Text(String),
    /// Of [`ValueKind::Resources`] and [`ValueKind::Nodes`].
    List(Vec<String>),
}

/// The values of a section by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<&'static str, Value>);

impl Values {
    /// No values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is a value under this key.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Adds a value if there is one.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: Option<Value>) -> Self {
        if let Some(value) = value {
            self.insert(key, value);
        }
        self
    }

    pub(super) fn insert(&mut self, key: &'static str, value: Value) {
        self.0.insert(key, value);
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// A flag, if it is there.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.0.get(key)? {
            Value::Flag(flag) => Some(*flag),
            Value::Integer(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// An integer, if it is there.
    #[must_use]
    pub fn integer(&self, key: &str) -> Option<u64> {
        match self.0.get(key)? {
            Value::Integer(number) => Some(*number),
            Value::Flag(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// A text, if it is there.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key)? {
            Value::Text(text) => Some(text),
            Value::Flag(_) | Value::Integer(_) | Value::List(_) => None,
        }
    }

    /// The entries of a list, none if it isn't there.
    #[must_use]
    pub fn list(&self, key: &str) -> &[String] {
        match self.0.get(key) {
            Some(Value::List(list)) => list,
            Some(Value::Flag(_) | Value::Integer(_) | Value::Text(_)) | None => &[],
        }
    }
}

impl ValueKind {
    /// The value that a property's line gives, by the checks of the specification in their order.
    pub(super) fn parse(&self, text: Option<&str>) -> Result<Value, ValueError> {
        let Some(text) = text else {
            return match self {
                Self::Flag => Ok(Value::Flag(true)),
                Self::Integer { .. }
                | Self::Choice(_)
                | Self::Text { .. }
                | Self::ConfigId
                | Self::Resources
                | Self::Nodes => Err(ValueError::Undefined),
            };
        };
        if text.contains(['\r', '\n']) {
            return Err(ValueError::LineFeed);
        }
        match self {
            Self::Flag => match text {
                "0" => Ok(Value::Flag(false)),
                "1" => Ok(Value::Flag(true)),
                _ => Err(ValueError::NotBoolean(text.into())),
            },
            Self::Integer { least } => integer(text, *least).map(Value::Integer),
            Self::Choice(choices) => choice(text, choices).map(|text| Value::Text(text.into())),
            Self::Text {
                characters_max,
                coding,
            } => {
                let text = coding.decoded(text);
                if text.chars().count() > *characters_max {
                    return Err(ValueError::TooLong(*characters_max));
                }
                Ok(Value::Text(text))
            }
            Self::ConfigId => check_config_id(text)
                .map(|()| Value::Text(text.into()))
                .map_err(ValueError::Format),
            Self::Resources => entries(text, |entry| check_resource_id(entry).is_ok())
                .ok_or(ValueError::Format(FormatError::ResourceId)),
            Self::Nodes => entries(text, |entry| node_entry(entry).is_ok())
                .ok_or(ValueError::Format(FormatError::Node)),
        }
    }

    /// The text of a value in a property's line.
    pub(super) fn text(&self, value: &Value) -> String {
        match value {
            Value::Flag(flag) => if *flag { "1" } else { "0" }.into(),
            Value::Integer(number) => alloc::format!("{number}"),
            Value::Text(text) => match self {
                Self::Text { coding, .. } => coding.encoded(text),
                Self::Flag
                | Self::Integer { .. }
                | Self::Choice(_)
                | Self::ConfigId
                | Self::Resources
                | Self::Nodes => text.clone(),
            },
            Value::List(entries) => list::text(entries),
        }
    }
}

/// A list all of whose entries are sound.
fn entries(text: &str, is_sound: impl Fn(&str) -> bool) -> Option<Value> {
    let entries: Vec<String> = list::entries(text).map(String::from).collect();
    let sound = entries.iter().all(|entry| is_sound(entry));
    sound.then_some(Value::List(entries))
}

/// A word out of an enumeration.
pub(crate) fn choice<'a>(
    text: &'a str,
    choices: &'static [&'static str],
) -> Result<&'a str, ValueError> {
    if choices.contains(&text) {
        return Ok(text);
    }
    Err(ValueError::NotInEnumeration {
        value: text.into(),
        choices,
    })
}

/// An integer of decimal digits with or without a sign. What is above [`u64::MAX`] counts as that:
/// nothing that the protocol counts comes near it.
pub(crate) fn integer(text: &str, least: u64) -> Result<u64, ValueError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !is_digits(digits) {
        return Err(ValueError::NotInteger(text.into()));
    }
    // Digits alone can only be too many.
    let number = digits.parse().unwrap_or(u64::MAX);
    if (negative && number > 0) || number < least {
        let least = i64::try_from(least).unwrap_or(i64::MAX);
        return Err(ValueError::BelowMinimum(least));
    }
    Ok(number)
}

impl Coding {
    /// The text in memory of one in a file. A percent sign without two hexadecimal digits stays;
    /// where the whole wouldn't be UTF-8, it stays as it is.
    #[must_use]
    pub fn decoded(self, text: &str) -> String {
        match self {
            Self::Verbatim => text.into(),
            Self::Percent => percent_decoded(text).unwrap_or_else(|| text.into()),
        }
    }

    /// The text in a file of one in memory.
    ///
    /// With percent signs, a blank at either end is encoded, too: it would be taken for one around
    /// the value.
    #[must_use]
    pub fn encoded(self, text: &str) -> String {
        match self {
            Self::Verbatim => text.into(),
            Self::Percent => percent_encoded(text),
        }
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = (digit(bytes.get(at + 1)), digit(bytes.get(at + 2)));
        let code = match digits {
            (Some(high), Some(low)) if *byte == b'%' => u8::try_from(high * 16 + low).ok(),
            (Some(_) | None, Some(_) | None) => None,
        };
        decoded.push(code.unwrap_or(*byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).ok()
}

fn percent_encoded(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let mut encoded = String::new();
    for (index, byte) in text.bytes().enumerate() {
        let inside = byte != b' ' || (index != 0 && index != last);
        if (b' '..=b'~').contains(&byte) && byte != b'%' && byte != b':' && inside {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = fmt::Write::write_fmt(&mut encoded, format_args!("%{byte:02X}"));
        }
    }
    encoded
}
