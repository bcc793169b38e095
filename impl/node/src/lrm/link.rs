//! The connection to the multiplexer.

use std::fmt::Display;
use std::io::{self, BufReader};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use lockstep_model::id::BootId;
use lockstep_model::lrm::Input;
use lockstep_model::watchdog::message::{ClientId, ToMultiplexer};
use lockstep_watchdog::wire::{self, Reply, Request};

use crate::voice::Once;

/// How long to wait before connecting again.
const AGAIN: Duration = Duration::from_millis(50);

/// What the connecting thread reports, in order.
pub(super) enum News {
    Unreachable(io::Error),
    Connected(UnixStream),
    Reply(Reply),
    Gone(Option<wire::Error>),
}

/// The present connection, if there is one.
pub(super) struct Link {
    boot: BootId,
    socket: PathBuf,
    stream: Option<UnixStream>,
    trouble: Once,
}

impl Link {
    pub(super) fn new(boot: BootId, socket: PathBuf) -> Self {
        Self {
            boot,
            socket,
            stream: None,
            trouble: Once::default(),
        }
    }

    /// What the news mean to the machine, and to people: a cause of trouble is told once.
    pub(super) fn on(&mut self, news: News) -> (Option<Input>, Option<String>) {
        match news {
            News::Unreachable(error) => (None, self.trouble(error)),
            News::Connected(stream) => {
                self.stream = Some(stream);
                (Some(Input::WatchdogConnected), None)
            }
            News::Reply(reply) => match wire::same_boot(reply.boot, self.boot) {
                Ok(()) => {
                    self.trouble.passed();
                    (Some(Input::Watchdog(reply.message)), None)
                }
                Err(error) => {
                    self.close();
                    (None, self.trouble(error))
                }
            },
            News::Gone(error) => {
                self.close();
                let text = error.and_then(|error| self.trouble(error));
                (Some(Input::WatchdogGone), text)
            }
        }
    }

    fn trouble(&mut self, error: impl Display) -> Option<String> {
        let socket = self.socket.display();
        self.trouble.news(format!(
            "warning: failed to reach watchdog-mux at {socket}: {error}; without it no service starts"
        ))
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
            let goes_on = match connect(&socket) {
                Ok((stream, read)) => report_all(stream, read, &report),
                Err(error) => report(News::Unreachable(error)),
            };
            if !goes_on {
                return;
            }
            thread::sleep(AGAIN);
        }
    };
    thread::Builder::new().name("link".to_owned()).spawn(keep)?;
    Ok(())
}

/// Reports what comes over one connection. Returns whether anybody still wants to know.
fn report_all(
    stream: UnixStream,
    mut read: BufReader<UnixStream>,
    report: &impl Fn(News) -> bool,
) -> bool {
    let mut goes_on = report(News::Connected(stream));
    let end = loop {
        match wire::next(&mut read) {
            Ok(Some(reply)) => goes_on &= report(News::Reply(reply)),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    report(News::Gone(end)) && goes_on
}

fn connect(socket: &Path) -> io::Result<(UnixStream, BufReader<UnixStream>)> {
    let stream = UnixStream::connect(socket)?;
    let read = BufReader::new(stream.try_clone()?);
    Ok((stream, read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_model::watchdog::message::FromMultiplexer;

    fn reply(boot: u128) -> News {
        News::Reply(Reply {
            boot: BootId(boot),
            message: FromMultiplexer::Attached(None),
        })
    }

    #[test]
    fn trouble_is_told_once_until_it_has_passed() {
        let mut link = Link::new(BootId(1), PathBuf::from("/socket"));
        let mut said = |news| link.on(news).1;
        let unreachable = || News::Unreachable(io::ErrorKind::NotFound.into());
        let text = said(unreachable()).expect("it is news");
        assert!(text.contains("/socket: entity not found"), "{text}");
        assert_eq!(said(unreachable()), None);
        // A multiplexer of another boot, every time that it is connected to.
        assert!(said(reply(2)).is_some_and(|text| text.contains("its boot is")));
        assert_eq!(said(News::Gone(None)), None);
        assert_eq!(said(reply(2)), None);
        assert_eq!(said(reply(1)), None);
        assert!(said(unreachable()).is_some());
    }
}
