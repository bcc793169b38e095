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
    /// A node's watchdog multiplexer; never under profile `pve`.
    Multiplexer(&'a str),
}

/// A daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Daemon {
    /// The cluster's.
    Crm,
    /// The node's.
    Lrm,
}

/// An entry of the log. `Display` is its text as it is compared, without the line feed at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// The time of whoever says it, in seconds.
    pub seconds: u64,
    /// Who says it: `NODE/crm`, `NODE/lrm`, or the simulator's name for itself.
    pub source: String,
    /// What is said; more than one line only if a name or an error has more.
    pub message: String,
    /// The level as it is written: a daemon's is cut short.
    label: &'static str,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (label, seconds) = (self.label, self.seconds);
        write!(f, "{label:<5} {seconds:>5} {:>12}: ", self.source)?;
        f.write_str(&self.message)
    }
}

/// The name of a level in full.
#[must_use]
pub const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Notice => "notice",
        Level::Warning => "warning",
        Level::Error => "err",
        Level::Mail => "email",
    }
}

/// The lines of a simulation that nobody has been told yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    lines: Vec<Line>,
}

impl Log {
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(crate) fn clear(&mut self) {
        self.lines.clear();
    }

    pub(crate) fn line(
        &mut self,
        level: Level,
        seconds: u64,
        source: Source<'_>,
        message: &dyn fmt::Display,
    ) {
        let label = match source {
            Source::Simulator(_) => level_name(level),
            Source::Daemon(..) | Source::Multiplexer(_) => short_name(level),
        };
        self.push(level, label, seconds, source, message);
    }

    /// A line whose level the reference spoils: it begins with a newline and a tab
    /// (`simulator.md` 18.10).
    pub(crate) fn spoiled_line(
        &mut self,
        seconds: u64,
        source: Source<'_>,
        message: &dyn fmt::Display,
    ) {
        self.push(Level::Info, "\n\t", seconds, source, message);
    }

    fn push(
        &mut self,
        level: Level,
        label: &'static str,
        seconds: u64,
        source: Source<'_>,
        message: &dyn fmt::Display,
    ) {
        let source = match source {
            Source::Simulator(name) => name.to_owned(),
            Source::Daemon(node, Daemon::Crm) => format!("{node}/crm"),
            Source::Daemon(node, Daemon::Lrm) => format!("{node}/lrm"),
            Source::Multiplexer(node) => format!("{node}/mux"),
        };
        let mut message = message.to_string();
        if message.ends_with('\n') {
            message.pop();
        }
        self.lines.push(Line {
            level,
            seconds,
            source,
            message,
            label,
        });
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
