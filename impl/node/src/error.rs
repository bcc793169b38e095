//! Why a daemon ends.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Why a daemon ends. The texts follow "failed to".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line or the configuration is wrong.
    #[error("{0}")]
    Settings(String),
    /// The store can't be what the configuration says.
    #[error("{0}")]
    Store(#[from] lockstep_store::Error),
    /// Another process of this daemon runs on this node.
    #[error("start: another {0} of this node runs; expected none")]
    Running(&'static str),
    /// The marker of a multiplexer that ended while it was armed is there.
    #[error(
        "start: the watchdog is active since an earlier watchdog-mux of this boot; it will reset the node"
    )]
    Marked,
    /// The watchdog's device is in a state that nobody knows. It was not closed.
    #[error("drive the watchdog: {doing}: {source}")]
    Watchdog {
        /// What was tried.
        doing: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// The operating system refused something that is needed.
    #[error("{doing} {}: {source}", path.display())]
    System {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl Error {
    /// 2 for what a person has to put right in what they wrote, 1 for everything else.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Settings(_) | Self::Store(_) => ExitCode::from(2),
            Self::Running(_) | Self::Marked | Self::Watchdog { .. } | Self::System { .. } => {
                ExitCode::from(1)
            }
        }
    }
}

/// Adds what was tried to an error of the operating system.
pub(crate) fn system<T>(
    doing: &'static str,
    path: impl Into<PathBuf>,
    result: io::Result<T>,
) -> Result<T, Error> {
    result.map_err(|source| Error::System {
        doing,
        path: path.into(),
        source,
    })
}
