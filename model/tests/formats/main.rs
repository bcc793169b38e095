//! What the readers of configuration files say, and what the writers write.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers end it where they fail"
)]

mod datacenter;
mod fence;
mod files;
mod names;
mod properties;
mod sections;

use lockstep_model::format::Warnings;
use lockstep_model::format::section::{Content, Sections};

/// The warnings as they are shown.
fn shown(warnings: &Warnings) -> Vec<String> {
    warnings.iter().map(|warning| warning.to_string()).collect()
}

/// Reads a text, which gives these warnings.
#[track_caller]
fn read<C: Content>(text: &str, expected: &[&str]) -> Sections<C> {
    let (sections, warnings) = Sections::read("f", text);
    assert_eq!(shown(&warnings), expected, "{text:?}");
    sections
}

/// Reads a text, which gives these warnings, and is written like this.
#[track_caller]
fn check<C: Content>(text: &str, warnings: &[&str], written: &str) {
    let sections = read::<C>(text, warnings);
    assert_eq!(sections.write().unwrap(), written, "{text:?}");
}
