//! Where the file is, and whether it still is the one that was opened.

use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::sys::statfs::statfs;

use crate::error::{Doing, Error};

/// File systems that processes of several kernels may share, by their magic numbers.
///
/// FUSE counts among them: what is behind it can't be told.
const SHARED_FILE_SYSTEMS: [(u64, &str); 13] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0x786f_4256, "vboxsf"),
    (0xbacb_acbc, "VMware HGFS"),
];

/// A store's file, as it was found on opening.
pub(super) struct Place {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Place {
    /// The file at `path`, which may be a symbolic link to it.
    pub(super) fn find(path: &Path) -> Result<Self, Error> {
        // Absolute, so that a name that looks like a URI isn't taken for one.
        let path = std::path::absolute(path).map_err(|error| unavailable(path, error))?;
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Missing {
                    store: path.display().to_string(),
                });
            }
            Err(error) => return Err(unavailable(&path, error)),
        };
        if !metadata.is_file() {
            return Err(not_a_store(
                &path,
                "something that is no file",
                "a regular file",
            ));
        }
        if metadata.nlink() != 1 {
            let found = format!("a file with {} names", metadata.nlink());
            return Err(not_a_store(
                &path,
                found,
                "a file with one name (symbolic links aside)",
            ));
        }
        refuse_shared_file_system(&path)?;
        Ok(Self::of(path, &metadata))
    }

    fn of(path: PathBuf, metadata: &Metadata) -> Self {
        Self {
            path,
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses to go on with a file that others no longer find under this path.
    pub(super) fn check(&self, doing: Doing) -> Result<(), Error> {
        let metadata = fs::metadata(&self.path).map_err(|error| Error::Unavailable {
            doing,
            store: self.to_string(),
            reason: format!("its file is out of reach ({error}); expected it where it was opened"),
            source: Some(error.into()),
        })?;
        if metadata.dev() != self.device || metadata.ino() != self.inode {
            return Err(Error::Replaced {
                doing,
                store: self.to_string(),
            });
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// Refuses a file or directory that another kernel might write to as well.
pub(super) fn refuse_shared_file_system(path: &Path) -> Result<(), Error> {
    let status = statfs(path).map_err(|error| unavailable(path, error.into()))?;
    match shared_file_system(status.filesystem_type().0 as u64) {
        Some(name) => Err(not_a_store(
            path,
            format!("a file system of type {name}"),
            "a local one, which no other machine writes to",
        )),
        None => Ok(()),
    }
}

/// The name of a file system that several kernels may share.
fn shared_file_system(magic: u64) -> Option<&'static str> {
    // The number has 32 bits; the type that carries it differs by platform, also in its sign.
    let magic = magic & 0xffff_ffff;
    let known = SHARED_FILE_SYSTEMS.iter().find(|known| known.0 == magic);
    known.map(|(_, name)| *name)
}

/// An [`Error::NotAStore`].
pub(super) fn not_a_store(path: &Path, found: impl ToString, expected: &'static str) -> Error {
    Error::NotAStore {
        store: path.display().to_string(),
        found: found.to_string(),
        expected,
    }
}

fn unavailable(path: &Path, error: io::Error) -> Error {
    Error::Unavailable {
        doing: Doing::Open,
        store: path.display().to_string(),
        reason: error.to_string(),
        source: Some(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_file_systems_are_known_whatever_the_sign() {
        let smb2 = 0xfe53_4d42_u32;
        for magic in [u64::from(smb2), i64::from(smb2.cast_signed()) as u64] {
            assert_eq!(shared_file_system(magic), Some("SMB2"), "{magic:#x}");
        }
        let (ext4, tmpfs, overlay) = (0xef53, 0x0102_1994, 0x794c_7630);
        for magic in [ext4, tmpfs, overlay] {
            assert_eq!(shared_file_system(magic), None, "{magic:#x}");
        }
    }
}
