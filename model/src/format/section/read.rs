//! Reading sections (specification, configuration §2.1).

use alloc::boxed::Box;

use super::table::{SectionType, Usage};
use super::{Content, Sections, Value, Values};
use crate::format::warning::{PropertyError, SkipReason, ValueError, Warnings, What};
use crate::format::{first_word, is_blank};

/// Everything that a text says, and what was left out of it.
///
/// A section that lacks a required property counts as written for what is around it: it has used up
/// an order number, and it replaces an earlier one with its id.
pub(super) fn read<C: Content>(file: &str, text: &str) -> (Sections<C>, Warnings) {
    let mut lines = Lines {
        rest: text,
        number: 0,
    };
    let mut warnings = Warnings::new(file);
    let mut sections = Sections::new();
    let mut order = 0;
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let Some((type_name, name)) = header(line) else {
            warnings.add(lines.number, What::NoHeader(line.into()));
            continue;
        };
        let type_name = type_name.to_ascii_lowercase();
        let id = C::GRAMMAR.id_of(&type_name, name);
        let section_type = match C::GRAMMAR.check_header(&type_name, name) {
            Ok(section_type) => section_type,
            Err(reason) => {
                let section = warnings.section(&id);
                warnings.add(lines.number, What::Skipped(section, Box::new(reason)));
                lines.skip_section();
                continue;
            }
        };
        let values = properties(&mut lines, section_type, &id, &mut warnings);
        order += 1;
        let missing = section_type.required().find(|key| !values.contains(key));
        if let Some(key) = missing {
            let section = warnings.section(&id);
            let reason = Box::new(SkipReason::MissingValue(key));
            warnings.add(lines.number, What::Skipped(section, reason));
            sections.remove(&id);
        } else {
            let content = C::from_values(section_type.name, values);
            sections.insert(id, Some(order), content);
        }
    }
    (sections, warnings)
}

/// The lines of a text without comments.
struct Lines<'a> {
    rest: &'a str,
    /// How many physical lines were read.
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        while !self.rest.is_empty() {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            self.number += 1;
            if !line.trim_start_matches(is_blank).starts_with('#') {
                return Some(line);
            }
        }
        None
    }

    fn skip_section(&mut self) {
        while self.next().is_some_and(|line| !line.is_empty()) {}
    }
}

/// Type and name of a section's first line.
fn header(line: &str) -> Option<(&str, &str)> {
    if line.starts_with(is_blank) {
        return None;
    }
    let (first, second) = first_word(line);
    if second.is_empty() {
        // The last colon that leaves a name: one at the end does not.
        let before_last = first.char_indices().next_back()?.0;
        let colon = first.get(..before_last)?.rfind(':')?;
        let (type_name, name) = first.split_at(colon);
        return (colon > 0).then_some((type_name, name.strip_prefix(':')?));
    }
    let type_name = first.strip_suffix(':')?;
    let is_name = !type_name.is_empty() && !second.contains(is_blank);
    is_name.then_some((type_name, second))
}

/// Key and value of a property's line.
fn property(line: &str) -> Option<(&str, Option<&str>)> {
    if !line.starts_with(is_blank) {
        return None;
    }
    let (key, value) = first_word(line);
    let value = Some(value).filter(|value| !value.is_empty());
    (!key.is_empty()).then_some((key, value))
}

/// The sound properties of a section, up to the empty line after it.
fn properties(
    lines: &mut Lines<'_>,
    section_type: &SectionType,
    id: &str,
    warnings: &mut Warnings,
) -> Values {
    let mut values = Values::new();
    let mut known = None;
    while let Some(line) = lines.next() {
        if line.is_empty() {
            break;
        }
        let error = match property(line) {
            None => None,
            Some((key, text)) => match value(section_type, &values, key, text) {
                Ok((key, value)) => {
                    values.insert(key, value);
                    continue;
                }
                Err(error) => Some((key, error)),
            },
        };
        let section = *known.get_or_insert_with(|| warnings.section(id));
        let what = match error {
            None => What::NoProperty(section, line.into()),
            Some((key, error)) => {
                let key = key.into();
                What::Property(section, Box::new(PropertyError { key, error }))
            }
        };
        warnings.add(lines.number, what);
    }
    values
}

/// A property's value, if it is sound and the first that is.
fn value(
    section_type: &SectionType,
    before: &Values,
    key: &str,
    text: Option<&str>,
) -> Result<(&'static str, Value), ValueError> {
    let property = section_type.property(key).ok_or(ValueError::Unknown)?;
    if before.contains(key) {
        return Err(ValueError::Duplicate);
    }
    match property.usage {
        Usage::Refused => Err(ValueError::Unexpected(property.key)),
        Usage::Required | Usage::Optional => Ok((property.key, property.kind.parse(text)?)),
    }
}
