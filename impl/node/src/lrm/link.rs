//! The connection to the multiplexer.

use std::io::{self, BufReader};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use lockstep_model::id::BootId;
use lockstep_model::lrm::Input;
use lockstep_model::watchdog::message::{ClientId, ToMultiplexer};
use lockstep_watchdog::clock;
use lockstep_watchdog::wire::{self, Reply, Request};

use crate::core::say;

/// How long to wait before connecting again.
const AGAIN: Duration = Duration::from_millis(50);

/// What the connecting thread reports, in order.
pub(super) enum News {
    Connected(UnixStream),
    Reply(Reply),
    Gone(Option<wire::Error>),
}

/// The present connection, if there is one.
pub(super) struct Link {
    boot: BootId,
    stream: Option<UnixStream>,
}

impl Link {
    pub(super) const fn new(boot: BootId) -> Self {
        Self { boot, stream: None }
    }

    /// What the news mean to the machine.
    pub(super) fn on(&mut self, news: News) -> Result<Option<Input>, wire::Error> {
        match news {
            News::Connected(stream) => {
                self.stream = Some(stream);
                Ok(Some(Input::WatchdogConnected))
            }
            News::Reply(reply) => match wire::same_boot(reply.boot, self.boot) {
                Ok(()) => Ok(Some(Input::Watchdog(reply.message))),
                Err(error) => {
                    self.close();
                    Err(error)
                }
            },
            News::Gone(error) => {
                self.close();
                if let Some(error) = error {
                    say(clock::now(), &format!("warning: failed to {error}"));
                }
                Ok(Some(Input::WatchdogGone))
            }
        }
    }

    /// Sends a request. Returns whether there is anybody to send it to.
    pub(super) fn tell(&mut self, message: ToMultiplexer) -> bool {
        let request = Request {
            boot: self.boot,
            client: ClientId::Lrm,
            message,
        };
        let told = self
            .stream
            .as_ref()
            .is_some_and(|stream| wire::tell(stream, &request).is_ok());
        if !told {
            self.close();
        }
        told
    }

    fn close(&mut self) {
        if let Some(stream) = self.stream.take() {
            // Its reader then sees the end. An error means that the peer has ended it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Connects, reports what comes, and connects again, until `report` returns `false`.
pub(super) fn keep_connecting(
    socket: PathBuf,
    report: impl Fn(News) -> bool + Send + 'static,
) -> io::Result<()> {
    let keep = move || {
        loop {
            if let Ok((stream, mut read)) = connect(&socket) {
                let mut goes_on = report(News::Connected(stream));
                let end = loop {
                    match wire::next(&mut read) {
                        Ok(Some(reply)) => goes_on &= report(News::Reply(reply)),
                        Ok(None) => break None,
                        Err(error) => break Some(error),
                    }
                };
                if !report(News::Gone(end)) || !goes_on {
                    return;
                }
            }
            thread::sleep(AGAIN);
        }
    };
    thread::Builder::new().name("link".to_owned()).spawn(keep)?;
    Ok(())
}

fn connect(socket: &Path) -> io::Result<(UnixStream, BufReader<UnixStream>)> {
    let stream = UnixStream::connect(socket)?;
    let read = BufReader::new(stream.try_clone()?);
    Ok((stream, read))
}
