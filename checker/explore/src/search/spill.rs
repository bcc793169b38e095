//! Waiting states on the disk.
//!
//! A file without a name: nothing is left of it when the process ends, however it ends.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes the names of one process's files different, for as long as they have names.
static FILES: AtomicU64 = AtomicU64::new(0);

/// A file for what doesn't fit into memory.
#[derive(Debug)]
pub(super) struct Spill {
    directory: PathBuf,
    /// How many bytes stay in memory.
    keep_bytes: u64,
    file: Option<File>,
    end: u64,
    failure: Option<String>,
}

/// Where something lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    start: u64,
    length: usize,
}

impl Spill {
    /// A file in this directory, made when it is needed: when more than so many bytes are in memory.
    pub(super) fn new(directory: &Path, keep_bytes: u64) -> Self {
        Self {
            directory: directory.to_owned(),
            keep_bytes,
            file: None,
            end: 0,
            failure: None,
        }
    }

    /// Another one like this, with nothing in it.
    pub(super) fn anew(&self) -> Self {
        Self::new(&self.directory, self.keep_bytes)
    }

    /// Writes `bytes` if `in_memory` is too much. `None` if they have to stay there, because there is
    /// room or because the disk refuses them.
    pub(super) fn write(&mut self, in_memory: u64, bytes: &[u8]) -> Option<Place> {
        if in_memory <= self.keep_bytes || self.failure.is_some() {
            return None;
        }
        match self.try_write(bytes) {
            Ok(place) => Some(place),
            Err(error) => {
                let directory = self.directory.display();
                self.failure = Some(format!("failed to write into {directory}: {error}"));
                None
            }
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<Place> {
        let start = self.end;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(nameless(&self.directory)?),
        };
        file.write_all_at(bytes, start)?;
        self.end += bytes.len() as u64;
        Ok(Place {
            start,
            length: bytes.len(),
        })
    }

    /// Reads what lies there.
    ///
    /// # Errors
    ///
    /// If the disk refuses it.
    pub(super) fn read(&self, place: Place) -> io::Result<Vec<u8>> {
        let file = self.file.as_ref().expect("what has a place was written");
        let mut bytes = vec![0; place.length];
        file.read_exact_at(&mut bytes, place.start)?;
        Ok(bytes)
    }

    /// Bytes written.
    pub(super) const fn bytes(&self) -> u64 {
        self.end
    }

    /// Why nothing more is written, if so.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }
}

fn nameless(directory: &Path) -> io::Result<File> {
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let path = directory.join(format!("queue-{}-{number}", process::id()));
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_refuses_leaves_things_in_memory() {
        let mut spill = Spill::new(Path::new("/proc/no/such/directory"), 10);
        assert_eq!(spill.write(10, b"fits"), None);
        assert_eq!(spill.failure(), None);
        assert_eq!(spill.write(11, b"doesn't"), None);
        let failure = spill.failure().expect("there is no such directory");
        assert!(failure.starts_with("failed to write into /proc/no/such/directory: "));
        assert_eq!(spill.bytes(), 0);
    }
}
