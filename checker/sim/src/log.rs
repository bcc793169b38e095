//! The log: what is compared byte for byte (`simulator.md` 3).

use std::fmt;

use lockstep_model::event::Level;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// The simulator itself, under this name.
    Simulator(&'static str),
    /// A daemon of a node.
    Daemon(&'a str, Daemon),
}

/// A daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Daemon {
    /// The cluster's.
    Crm,
    /// The node's.
    Lrm,
}

/// The lines of a simulation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    text: String,
}

impl Log {
    /// The text, every line ended.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn line(
        &mut self,
        level: Level,
        seconds: u64,
        source: Source<'_>,
        message: &dyn fmt::Display,
    ) {
        let level = match source {
            Source::Simulator(_) => full_name(level),
            Source::Daemon(..) => short_name(level),
        };
        self.write(level, seconds, source, message);
    }

    /// A line whose level the reference spoils: it begins with a newline and a tab
    /// (`simulator.md` 18.10).
    pub(crate) fn spoiled_line(
        &mut self,
        seconds: u64,
        source: Source<'_>,
        message: &dyn fmt::Display,
    ) {
        self.write("\n\t", seconds, source, message);
    }

    fn write(&mut self, level: &str, seconds: u64, source: Source<'_>, message: &dyn fmt::Display) {
        use fmt::Write as _;
        let name = match source {
            Source::Simulator(name) => name.to_owned(),
            Source::Daemon(node, Daemon::Crm) => format!("{node}/crm"),
            Source::Daemon(node, Daemon::Lrm) => format!("{node}/lrm"),
        };
        let message = message.to_string();
        let message = message.strip_suffix('\n').unwrap_or(&message);
        let written = writeln!(self.text, "{level:<5} {seconds:>5} {name:>12}: {message}");
        debug_assert!(written.is_ok(), "a string takes everything");
    }
}

const fn full_name(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Notice => "notice",
        Level::Warning => "warning",
        Level::Error => "err",
        Level::Mail => "email",
    }
}

/// A daemon's level: four characters at most.
const fn short_name(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Notice => "noti",
        Level::Warning => "warn",
        Level::Error => "err",
        Level::Mail => "emai",
    }
}
