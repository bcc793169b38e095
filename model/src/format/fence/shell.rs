//! Words as a shell splits and quotes them (specification, configuration §8.1, §8.4, §8.6).

use alloc::string::String;
use alloc::vec::Vec;

use crate::format::is_blank;

/// The words of a text, without their quotes, unless one isn't closed.
///
/// Blanks separate, single and double quotes group; a backslash takes the meaning from what follows
/// but within single quotes. One at the very end stands for itself.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (None, c) if is_blank(c) => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(c);
                // Quotes make a word even if nothing is between them.
                word.get_or_insert_default();
            }
            (Some(opened), c) if c == opened => quote = None,
            (None | Some('"'), '\\') => {
                let escaped = characters.next().unwrap_or('\\');
                word.get_or_insert_default().push(escaped);
            }
            (None | Some(_), c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// The command line of an agent.
pub(super) fn command<'a>(agent: &str, arguments: impl Iterator<Item = &'a String>) -> String {
    let mut line = String::from(agent);
    for argument in arguments {
        let mut parts = argument.split('=');
        let key = parts.next().unwrap_or_default();
        // What follows a second equals sign is lost; so it is in the reference.
        let value = parts.next();
        let is_short = key.chars().nth(1).is_none() && !key.is_empty();
        line.push_str(if is_short { " -" } else { " --" });
        line.push_str(key);
        if let Some(value) = value {
            line.push(if is_short { ' ' } else { '=' });
            line.push_str(&quoted(value));
        }
    }
    line
}

/// Appends words, each after a blank.
pub(super) fn append(text: &mut String, words: &[String], quote: fn(&str) -> String) {
    for word in words {
        text.push(' ');
        text.push_str(&quote(word));
    }
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_!%+,-./:=@^".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.into();
    }
    in_quotes(word)
}

/// A word of a device's line: what looks like an assignment is quoted as a whole.
pub(super) fn quoted_assignment(word: &str) -> String {
    if word.contains('=') {
        return in_quotes(word);
    }
    quoted(word)
}

/// A word of a connection's line: as it is, unless it would not be read as the same word.
pub(super) fn quoted_if_split(word: &str) -> String {
    let special = |c: char| is_blank(c) || matches!(c, '\'' | '"' | '\\');
    if word.is_empty() || word.contains(special) {
        return in_quotes(word);
    }
    word.into()
}

/// A word in single quotes, with quotes in it taken out of them.
fn in_quotes(word: &str) -> String {
    if word.is_empty() {
        return "''".into();
    }
    let mut text = String::from("'");
    let mut rest = word;
    while let Some(at) = rest.find('\'') {
        let (before, from) = rest.split_at(at);
        let after = from.trim_start_matches('\'');
        let quotes = from.len() - after.len();
        text.push_str(before);
        if quotes == 1 {
            text.push_str("'\\''");
        } else {
            text.push_str("'\"");
            text.extend(core::iter::repeat_n('\'', quotes));
            text.push_str("\"'");
        }
        rest = after;
    }
    text.push_str(rest);
    text.push('\'');
    // A pair without anything in it is left out at either end.
    let text = text.strip_prefix("''").unwrap_or(&text);
    let text = text.strip_suffix("''").unwrap_or(text);
    text.into()
}
