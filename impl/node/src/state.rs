//! Small files in the state directory that survive a crash, each with the boot it belongs to.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use lockstep_model::id::BootId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Tagged<T> {
    boot: BootId,
    content: T,
}

/// Writes what is true in this boot; on the disk when it returns.
pub(crate) fn write<T: Serialize>(path: &Path, boot: BootId, content: &T) -> io::Result<()> {
    replace(path, &serde_json::to_vec(&Tagged { boot, content })?)
}

/// Replaces the file as a whole; on the disk when it returns.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_directory(path)
}

/// What the file says in this boot; `None` where there is none, or one of another boot.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, boot: BootId) -> io::Result<Option<T>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let tagged: Tagged<T> = serde_json::from_slice(&text)?;
    Ok((tagged.boot == boot).then_some(tagged.content))
}

/// Removes the file, if it is there; for good when it returns.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_directory(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_boot_reads_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        assert_eq!(read::<u8>(&path, BootId(1)).unwrap(), None);
        write(&path, BootId(1), &7_u8).unwrap();
        assert_eq!(read::<u8>(&path, BootId(1)).unwrap(), Some(7));
        assert_eq!(read::<u8>(&path, BootId(2)).unwrap(), None);
        fs::write(&path, "{").unwrap();
        assert!(read::<u8>(&path, BootId(1)).is_err());
        remove(&path).unwrap();
        remove(&path).unwrap();
    }
}
