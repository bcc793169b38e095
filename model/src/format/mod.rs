//! The text forms of the configuration: what a person or the API writes, as typed values and back.
//!
//! Everything is a pure function of a text; files, JSON and digests are the caller's. Reading never
//! fails as a whole where the specification lets a reader go on: what is left out is returned as
//! [`Warnings`], in the order of the file, whose `Display` is the specified text. Every reader's time
//! is linear in the text, but for a logarithm.
//!
//! *Blank* means space, tab, carriage return, vertical tab or form feed; bytes outside ASCII are
//! never blank.
//!
//! * [`section`]: the grammar that three of the files share, driven by a table for each,
//! * [`resources`], [`groups`], [`rules`]: those tables, and what the sections mean,
//! * [`datacenter`]: the settings of the whole cluster,
//! * [`fence`]: fence devices, and the commands that they give.
//!
//! Source: the specification's chapter on configuration files.

pub mod datacenter;
pub mod fence;
pub mod groups;
pub mod list;
pub mod name;
pub mod resources;
pub mod rules;
pub mod section;
pub mod warning;

pub use section::{Section, Sections, WriteError};
pub use warning::{
    FormatError, Message, PropertyError, SettingError, SkipReason, ValueError, Warning, Warnings,
    What,
};

/// Whether a character separates words. A line feed never occurs within a line.
pub(crate) const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\x0b' | '\x0c')
}

/// A line's first word and what follows it, both without blanks around them.
pub(crate) fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_matches(is_blank);
    match text.split_once(is_blank) {
        Some((word, rest)) => (word, rest.trim_start_matches(is_blank)),
        None => (text, ""),
    }
}
