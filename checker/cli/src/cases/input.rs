//! A file as a text, with limits.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The most bytes of a file.
const BYTES_MAX: usize = 16 << 20;

/// Why a file isn't read. `Display` goes on after the file's name.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It isn't there, or isn't a file.
    Io(io::Error),
    /// More than [`BYTES_MAX`].
    TooLarge,
    /// Not UTF-8, on this line.
    NotUtf8 {
        /// From 1.
        line: usize,
    },
}

/// The whole text of a file.
pub(super) fn read(path: &Path) -> Result<String, Unreadable> {
    let file = File::open(path).map_err(Unreadable::Io)?;
    let mut bytes = Vec::new();
    let limit = BYTES_MAX as u64 + 1;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(Unreadable::Io)?;
    if bytes.len() > BYTES_MAX {
        return Err(Unreadable::TooLarge);
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Unreadable::NotUtf8 { line }
    })
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, ": failed to read: {error}, expected a file"),
            Self::TooLarge => {
                let most = BYTES_MAX >> 20;
                write!(f, ": too large, expected at most {most} MiB")
            }
            Self::NotUtf8 { line } => write!(f, ":{line}: not UTF-8, expected a text in UTF-8"),
        }
    }
}
