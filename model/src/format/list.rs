//! Lists in one value (specification, configuration §2.3).

use alloc::string::String;

use super::is_blank;

/// The only separator in a text that holds one.
const NUL: char = '\0';

fn separates(c: char) -> bool {
    is_blank(c) || matches!(c, ',' | ';' | '\n')
}

/// The entries of a list: between commas, semicolons and blanks in any mix and number, or between
/// NUL characters alone where there is one. Empty entries don't count.
pub fn entries(text: &str) -> impl Iterator<Item = &str> {
    let by_nul = text.contains(NUL);
    let between = move |c: char| if by_nul { c == NUL } else { separates(c) };
    text.split(between).filter(|entry| !entry.is_empty())
}

/// The text of a list with these entries, separated by commas.
///
/// An entry that holds a separator itself can only have come from a list with NUL characters; so
/// that it stays one entry, the text is such a list, too.
#[must_use]
pub fn text(entries: &[String]) -> String {
    if entries.iter().any(|entry| entry.contains(separates)) {
        // The last one, too: a single entry needs a NUL character as well.
        return entries.iter().flat_map(|entry| [entry, "\0"]).collect();
    }
    entries.join(",")
}
