//! How a command can end.

use std::fmt;
use std::io;
use std::process::ExitCode;

use lockstep_explore::timeline::Tone;

/// How a command ended, as its exit code. A run in which several apply ends with the first of
/// [`End::Internal`], [`End::Violated`], [`End::Truncated`], [`End::AsExpected`] that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Everything was as it must be.
    AsExpected,
    /// Something wasn't: a property, a mutant, a replay.
    Violated,
    /// What was asked makes no sense.
    Usage,
    /// A limit was reached before everything was explored.
    Truncated,
    /// A bug, or an output that can't be written.
    Internal,
}

impl End {
    /// The exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::AsExpected => 0,
            Self::Violated => 1,
            Self::Usage => 2,
            Self::Truncated => 3,
            Self::Internal => 4,
        }
    }

    /// Its name in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AsExpected => "as-expected",
            Self::Violated => "violated",
            Self::Truncated => "truncated",
            Self::Usage | Self::Internal => "failed",
        }
    }

    /// How much it matters.
    pub(crate) const fn tone(self) -> Tone {
        match self {
            Self::AsExpected => Tone::Notable,
            Self::Truncated => Tone::Fault,
            Self::Violated | Self::Usage | Self::Internal => Tone::Alarm,
        }
    }

    /// Which of two ends a run has.
    pub(crate) fn and(self, other: Self) -> Self {
        let rank = |end: Self| match end {
            Self::AsExpected => 0,
            Self::Truncated => 1,
            Self::Violated => 2,
            Self::Usage => 3,
            Self::Internal => 4,
        };
        if rank(self) >= rank(other) {
            self
        } else {
            other
        }
    }
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        Self::from(end.code())
    }
}

/// Why a command could not be carried out.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Bad input: one line for each thing that is wrong.
    Input(Vec<String>),
    /// The output can't be written.
    Output(io::Error),
    /// A bug.
    Bug(String),
}

impl Failure {
    /// One thing is wrong with what was asked.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::Input(vec![message.into()])
    }

    /// How the command ends.
    pub(crate) const fn end(&self) -> End {
        match self {
            Self::Input(_) => End::Usage,
            Self::Output(_) | Self::Bug(_) => End::Internal,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() {
            return Self::Output(error.into());
        }
        Self::Bug(format!("failed to write JSON: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(messages) => f.write_str(&messages.join("\n")),
            Self::Output(error) => write!(f, "failed to write the output: {error}"),
            Self::Bug(message) => f.write_str(message),
        }
    }
}
