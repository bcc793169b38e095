//! The messages between the multiplexer and its clients: one JSON document a line over a Unix
//! stream socket.
//!
//! Instants travel absolute, so the boot stands beside every message; another boot's is refused,
//! and ends the connection. So does whatever isn't a message of at most [`LINE_MAX`] bytes.

use std::io::{self, BufRead, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;

use lockstep_model::id::BootId;
use lockstep_model::watchdog::message::{ClientId, FromMultiplexer, ToMultiplexer};
use nix::sys::socket::{MsgFlags, send};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// No message is longer, its end of line included.
pub const LINE_MAX: u64 = 4096;

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The boot that its instants belong to.
    pub boot: BootId,
    /// Which client it is.
    pub client: ClientId,
    /// The message.
    pub message: ToMultiplexer,
}

/// What the multiplexer says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The boot that its instants belong to.
    pub boot: BootId,
    /// The message.
    pub message: FromMultiplexer,
}

/// Why a connection is given up. The texts follow "failed to".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket's own error.
    #[error("talk to the peer: {0}")]
    Io(#[from] io::Error),
    /// What came is no message.
    #[error("understand the peer: {0}")]
    Malformed(String),
    /// The peer is one more than are served.
    #[error("serve one more peer; expected at most {0} at a time")]
    TooMany(usize),
    /// The peer lives in another boot.
    #[error("trust the peer: its boot is {found:032x}; expected {:032x}", expected.0)]
    OtherBoot {
        /// The peer's.
        found: u128,
        /// This one.
        expected: BootId,
    },
}

/// Sends a message without ever waiting for the peer: one that doesn't read is as good as gone.
///
/// # Errors
///
/// The message was not sent as a whole; the connection is of no use any more.
pub fn tell(stream: &UnixStream, message: &impl Serialize) -> Result<(), Error> {
    let mut line =
        serde_json::to_vec(message).map_err(|error| Error::Malformed(error.to_string()))?;
    line.push(b'\n');
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let sent = send(stream.as_raw_fd(), &line, flags).map_err(io::Error::from)?;
    if sent < line.len() {
        return Err(Error::Io(io::ErrorKind::WriteZero.into()));
    }
    Ok(())
}

/// Waits for the next message; `None` when the peer has ended the connection.
///
/// # Errors
///
/// The connection is of no use any more.
pub fn next<T: DeserializeOwned>(stream: &mut impl BufRead) -> Result<Option<T>, Error> {
    let mut line = Vec::new();
    stream.take(LINE_MAX).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        let length = line.len();
        return Err(Error::Malformed(format!(
            "found {length} bytes without an end of line; expected one within {LINE_MAX}"
        )));
    }
    serde_json::from_slice(&line)
        .map(Some)
        .map_err(|error| Error::Malformed(error.to_string()))
}

/// Refuses a message of another boot.
///
/// # Errors
///
/// [`Error::OtherBoot`].
pub const fn same_boot(found: BootId, expected: BootId) -> Result<(), Error> {
    if found.0 == expected.0 {
        return Ok(());
    }
    Err(Error::OtherBoot {
        found: found.0,
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_model::id::{ArmId, Incarnation, RequestId};
    use lockstep_model::time::Instant;
    use std::io::BufReader;

    fn check(text: &str, expect: &str) {
        let found = match next::<Request>(&mut text.as_bytes()) {
            Ok(Some(request)) => format!("{:?}", request.message),
            Ok(None) => "end".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(found.contains(expect), "{text:?}: {found}");
    }

    #[test]
    fn only_messages_are_understood() {
        check("", "end");
        check(
            "{\"boot\":1,\"client\":\"Lrm\",\"message\":{\"Attach\":{\"process\":1}}}\n",
            "Attach { process: Incarnation(1) }",
        );
        check(
            "{\"boot\":1,\"client\":\"Lrm\",\"message\":{\"Attach\":{\"process\":1}}}",
            "without an end of line",
        );
        check(
            "{\"boot\":1,\"client\":\"Lrm\",\"message\":{\"Attach\":{\"process\":1}},\"x\":1}\n",
            "unknown field",
        );
        check("{\"boot\":1}\n", "missing field");
        check(&"x".repeat(10_000), "4096 bytes without an end of line");
    }

    #[test]
    fn a_message_arrives_as_it_was_sent() {
        let (here, there) = UnixStream::pair().unwrap();
        let request = Request {
            boot: BootId(u128::MAX),
            client: ClientId::Lrm,
            message: ToMultiplexer::Arm {
                arm: ArmId(RequestId {
                    process: Incarnation(u64::MAX),
                    number: 7,
                }),
                expires: Instant(123_456),
            },
        };
        tell(&here, &request).unwrap();
        let received = next(&mut BufReader::new(there)).unwrap();
        assert_eq!(received, Some(request));
    }

    #[test]
    fn a_peer_that_does_not_read_is_given_up() {
        let (here, _there) = UnixStream::pair().unwrap();
        let reply = Reply {
            boot: BootId(1),
            message: FromMultiplexer::Refused(None),
        };
        assert!((0..1_000_000).any(|_| tell(&here, &reply).is_err()));
    }
}
