//! The watchdog's device as a port, and the client of a stand-in for it.
//!
//! The stand-in is a process outside the node that listens on a Unix socket. One connection is one
//! open device. Requests are lines, each answered by a line, so that a ping has taken effect when
//! it returns, like an ioctl:
//!
//! | request | answer | meaning |
//! |---|---|---|
//! | `open MS` | `ok MS` or `busy` | arm with this time-out, which pings; the time-out read back |
//! | `ping` | `ok` | |
//! | `timeout MS` | `ok MS` | another time-out, which pings |
//! | `V` | `ok` | the close that follows disarms |
//!
//! A connection that ends without `V` pings once more and leaves the device counting, as the
//! kernel does.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use lockstep_model::time::Span;

/// The watchdog's device, one that resets this node when it isn't pinged for its time-out.
pub trait Device {
    /// Opens and arms it, which pings it. Returns the time-out as read back.
    ///
    /// # Errors
    ///
    /// `NotFound`, `ConnectionRefused`, `PermissionDenied` or `ResourceBusy`: it could not be opened
    /// and is **not** armed. Any other: whether it is armed is unknown.
    fn open(&mut self, timeout: Span) -> io::Result<Span>;

    /// Pings it. In effect when it returns.
    ///
    /// # Errors
    ///
    /// Whether it was pinged is unknown.
    fn ping(&mut self) -> io::Result<()>;

    /// Sets another time-out, which pings, and returns it as read back.
    ///
    /// # Errors
    ///
    /// Which time-out it has is unknown.
    fn set_timeout(&mut self, timeout: Span) -> io::Result<Span>;

    /// Closes it so that it stops counting.
    ///
    /// # Errors
    ///
    /// Whether it still counts is unknown.
    fn close(&mut self) -> io::Result<()>;
}

/// A stand-in's socket.
#[derive(Debug)]
pub struct StandIn {
    path: PathBuf,
    connection: Option<BufReader<UnixStream>>,
}

impl StandIn {
    /// The stand-in that listens at `path`. Touches nothing.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self {
            path,
            connection: None,
        }
    }

    fn ask(&mut self, request: &str) -> io::Result<String> {
        let connection = self
            .connection
            .as_mut()
            .ok_or(io::ErrorKind::NotConnected)?;
        connection
            .get_mut()
            .write_all(format!("{request}\n").as_bytes())?;
        let mut answer = String::new();
        connection.read_line(&mut answer)?;
        Ok(answer.trim_end().to_owned())
    }

    fn ask_for_ok(&mut self, request: &str) -> io::Result<()> {
        let answer = self.ask(request)?;
        match answer.as_str() {
            "ok" => Ok(()),
            _ => Err(unexpected(request, &answer)),
        }
    }
}

fn span_of(answer: &str) -> Option<Span> {
    answer.strip_prefix("ok ")?.parse().ok().map(Span)
}

fn unexpected(request: &str, answer: &str) -> io::Error {
    io::Error::other(format!("the stand-in answered '{answer}' to '{request}'"))
}

impl Device for StandIn {
    fn open(&mut self, timeout: Span) -> io::Result<Span> {
        self.connection = Some(BufReader::new(UnixStream::connect(&self.path)?));
        let request = format!("open {}", timeout.0);
        let answer = self.ask(&request)?;
        if answer == "busy" {
            self.connection = None;
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        span_of(&answer).ok_or_else(|| unexpected(&request, &answer))
    }

    fn ping(&mut self) -> io::Result<()> {
        self.ask_for_ok("ping")
    }

    fn set_timeout(&mut self, timeout: Span) -> io::Result<Span> {
        let request = format!("timeout {}", timeout.0);
        let answer = self.ask(&request)?;
        span_of(&answer).ok_or_else(|| unexpected(&request, &answer))
    }

    fn close(&mut self) -> io::Result<()> {
        self.ask_for_ok("V")?;
        self.connection = None;
        Ok(())
    }
}
