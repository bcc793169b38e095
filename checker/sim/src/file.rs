//! The files of a case, which may come from anybody: regular ones only, bounded, never waited for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;

/// The most bytes of a file.
pub const BYTES_MAX: u64 = 16 << 20;

/// Why a file can't be read or written. `Display` says what was expected.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// What the system says.
    #[error("{0}, expected a file")]
    Io(#[from] io::Error),
    /// A directory, a pipe, a device; or, if it is to be written, a link.
    #[error("not a regular file, expected one")]
    NotRegular,
    /// More than [`BYTES_MAX`].
    #[error("too large, expected at most {} MiB", BYTES_MAX >> 20)]
    TooLarge,
    /// Not UTF-8.
    #[error("not UTF-8, expected a text in UTF-8")]
    NotUtf8 {
        /// The line with the first byte that isn't, from 1.
        line: usize,
    },
}

impl FileError {
    /// The line that it is about, from 1.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        match self {
            Self::NotUtf8 { line } => Some(*line),
            Self::Io(_) | Self::NotRegular | Self::TooLarge => None,
        }
    }
}

/// A file's text; none if there is nothing of this name.
///
/// # Errors
///
/// [`FileError`]; a link to nothing is one too.
pub fn read(path: &Path) -> Result<Option<String>, FileError> {
    match fs::symlink_metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::Io(error)),
    }
    // Before it is opened, since that alone does something to some devices: a watchdog starts.
    if !fs::metadata(path)?.is_file() {
        return Err(FileError::NotRegular);
    }
    let file = open(OpenOptions::new().read(true), path, OFlag::O_NONBLOCK)?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(FileError::TooLarge);
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        FileError::NotUtf8 { line }
    })
}

/// Writes a file, a new one if need be. Links are not followed: they may lead anywhere.
///
/// # Errors
///
/// [`FileError`].
pub fn write(path: &Path, text: &str) -> Result<(), FileError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(FileError::NotRegular),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(FileError::Io(error)),
    }
    let mut options = OpenOptions::new();
    // Cut short only once it is known to be a regular file.
    options.write(true).create(true).truncate(false);
    let mut file = open(&mut options, path, OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW)?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

fn open(options: &mut OpenOptions, path: &Path, flags: OFlag) -> Result<File, FileError> {
    let file = options.custom_flags(flags.bits()).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(FileError::NotRegular),
    }
}
