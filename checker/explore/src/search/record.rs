//! Numbers and texts in a file that is whole or refused: little-endian, a checksum at the end.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// Bytes that are hashed and written in one go.
const BLOCK: usize = 1 << 20;

/// No list in a file is longer, and no text; what claims to be is damaged.
const LENGTH_MAX: u64 = 1 << 40;

/// A file being written.
pub(super) struct Sink {
    path: PathBuf,
    /// Where it is written until it is whole.
    draft: PathBuf,
    file: File,
    block: Vec<u8>,
    hash: Xxh3,
}

impl Sink {
    /// Begins a file that is to have this path.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut draft = path.as_os_str().to_owned();
        draft.push(".draft");
        let draft = PathBuf::from(draft);
        Ok(Self {
            path: path.to_owned(),
            file: File::create(&draft)?,
            draft,
            block: Vec::with_capacity(BLOCK),
            hash: Xxh3::new(),
        })
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.block.extend_from_slice(bytes);
        if self.block.len() < BLOCK {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hash.update(&self.block);
        self.file.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }

    pub(super) fn u16(&mut self, value: u16) -> io::Result<()> {
        self.put(&value.to_le_bytes())
    }

    pub(super) fn u32(&mut self, value: u32) -> io::Result<()> {
        self.put(&value.to_le_bytes())
    }

    pub(super) fn u64(&mut self, value: u64) -> io::Result<()> {
        self.put(&value.to_le_bytes())
    }

    pub(super) fn u128(&mut self, value: u128) -> io::Result<()> {
        self.put(&value.to_le_bytes())
    }

    /// Bytes, with their length before them.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.u64(bytes.len() as u64)?;
        self.put(bytes)
    }

    /// A list, with its length before it.
    pub(super) fn list<T>(
        &mut self,
        list: &[T],
        mut each: impl FnMut(&mut Self, &T) -> io::Result<()>,
    ) -> io::Result<()> {
        self.u64(list.len() as u64)?;
        list.iter().try_for_each(|item| each(self, item))
    }

    /// Ends the file and gives it its name: the disk has it when this returns.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.file.write_all(&self.hash.digest128().to_le_bytes())?;
        self.file.sync_all()?;
        fs::rename(&self.draft, &self.path)?;
        match self.path.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => {
                File::open(directory)?.sync_all()
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// A file being read.
pub(super) struct Source {
    file: File,
    block: Vec<u8>,
    /// How much of the block was taken.
    taken: usize,
    /// Bytes not read yet, without the checksum.
    left: u64,
    hash: Xxh3,
}

fn damaged() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

impl Source {
    /// Begins to read.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let left = length.checked_sub(size_of::<u128>() as u64);
        Ok(Self {
            file,
            block: Vec::new(),
            taken: 0,
            left: left.ok_or_else(damaged)?,
            hash: Xxh3::new(),
        })
    }

    /// Reads another block. Whether there was one.
    pub(super) fn skip(&mut self) -> io::Result<bool> {
        let length = self.left.min(BLOCK as u64);
        self.block.resize(length as usize, 0);
        self.file.read_exact(&mut self.block)?;
        self.hash.update(&self.block);
        self.left -= length;
        self.taken = 0;
        Ok(length > 0)
    }

    fn fill(&mut self, mut bytes: &mut [u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.taken == self.block.len() && !self.skip()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let here = &self.block[self.taken..];
            let length = here.len().min(bytes.len());
            let (now, later) = bytes.split_at_mut(length);
            now.copy_from_slice(&here[..length]);
            self.taken += length;
            bytes = later;
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn u16(&mut self) -> io::Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> io::Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> io::Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn u128(&mut self) -> io::Result<u128> {
        self.array().map(u128::from_le_bytes)
    }

    fn length(&mut self) -> io::Result<u64> {
        let length = self.u64()?;
        if length > LENGTH_MAX {
            return Err(damaged());
        }
        Ok(length)
    }

    /// Bytes, with their length before them.
    pub(super) fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let length = self.length()?;
        let here = (self.block.len() - self.taken) as u64;
        if length > here + self.left {
            return Err(damaged());
        }
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn text(&mut self) -> io::Result<String> {
        String::from_utf8(self.bytes()?).map_err(|_| damaged())
    }

    /// A list, with its length before it.
    pub(super) fn list<T>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> io::Result<T>,
    ) -> io::Result<Vec<T>> {
        // Grown as it comes: what is damaged must not claim all memory.
        let mut list = Vec::new();
        for _ in 0..self.length()? {
            list.push(each(self)?);
        }
        Ok(list)
    }

    /// Whether everything was read and the checksum is right.
    pub(super) fn check(mut self) -> io::Result<()> {
        let rest = self.left > 0;
        let mut checksum = [0; size_of::<u128>()];
        self.file.read_exact(&mut checksum)?;
        if rest || self.hash.digest128() != u128::from_le_bytes(checksum) {
            return Err(damaged());
        }
        Ok(())
    }
}
