//! A file line by line, with limits.

use std::io::{BufRead, Read as _};

use super::Trouble;

/// The longest line. A step of a daemon takes some hundred bytes, a snapshot of a large cluster
/// some hundred thousand.
const LINE_MAX: usize = 16 << 20;

/// The most bytes of a file. A daemon's journal ends at 64 MiB; this only keeps what is no journal
/// from being read for ever.
const FILE_MAX: u64 = 4 << 30;

/// Reads whole lines; a last one that is torn is left out.
pub(super) struct Lines<R> {
    inner: R,
    number: u64,
    read: u64,
    torn: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(inner: R) -> Self {
        Self {
            inner,
            number: 0,
            read: 0,
            torn: false,
        }
    }

    /// The number of the line read last, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Whether the file ended within a line.
    pub(super) const fn is_torn(&self) -> bool {
        self.torn
    }

    /// The next line, without its end; the first even if it is torn.
    pub(super) fn next_line(&mut self) -> Result<Option<String>, Trouble> {
        let mut line = Vec::new();
        let number = self.number + 1;
        let limit = LINE_MAX as u64 + 1;
        let read = self
            .inner
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut line)
            .map_err(|error| Trouble::broken(number, format!("failed to read: {error}")))?;
        if read == 0 {
            return Ok(None);
        }
        self.number = number;
        self.read += read as u64;
        if self.read > FILE_MAX {
            let message = format!("more than {FILE_MAX} bytes, expected fewer");
            return Err(Trouble::broken(number, message));
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if read > LINE_MAX {
            let message = format!("a line of more than {LINE_MAX} bytes, expected a shorter one");
            return Err(Trouble::broken(number, message));
        } else {
            self.torn = true;
            if number > 1 {
                return Ok(None);
            }
        }
        String::from_utf8(line)
            .map(Some)
            .map_err(|_| Trouble::broken(number, "not UTF-8, expected JSON"))
    }

    /// What was not read yet.
    pub(super) fn into_inner(self) -> R {
        self.inner
    }
}
