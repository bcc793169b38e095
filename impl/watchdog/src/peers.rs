//! Which connection is which client of the multiplexer.
//!
//! A client is one connection at a time: the last that attached. An earlier one is closed and
//! counts as vanished. Answers to what an earlier connection asked are not for a later one: until
//! its own attaching was answered, it hears nothing else.

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use lockstep_model::id::BootId;
use lockstep_model::watchdog::Input;
use lockstep_model::watchdog::message::{ClientId, FromMultiplexer, ToMultiplexer};

use crate::wire::{self, Reply, Request};

/// No more connections are kept at a time; there are two clients.
const CONNECTIONS_MAX: usize = 16;

/// How long to wait before accepting again after an error.
const AGAIN: Duration = Duration::from_millis(100);

/// What connections report to the thread that owns the [`Peers`].
#[derive(Debug)]
pub enum News {
    /// A connection was accepted.
    Connected(u64, UnixStream),
    /// A message came.
    Request(u64, Request),
    /// The connection ended, or has to.
    Gone(u64, Option<wire::Error>),
}

/// Accepts connections for ever and reports what they bring, in order for each of them.
///
/// # Errors
///
/// No thread could be spawned.
pub fn accept(
    listener: UnixListener,
    report: impl Fn(News) + Clone + Send + 'static,
) -> io::Result<()> {
    let accept = move || {
        for (serial, stream) in (1..).zip(listener.incoming()) {
            let Ok((stream, read)) = stream.and_then(|one| Ok((one.try_clone()?, one))) else {
                // Too many open files, or the like: it may pass.
                thread::sleep(AGAIN);
                continue;
            };
            report(News::Connected(serial, stream));
            let reports = report.clone();
            let spawned = thread::Builder::new()
                .name("peer".to_owned())
                .spawn(move || listen(serial, &mut BufReader::new(read), &reports));
            if let Err(error) = spawned {
                report(News::Gone(serial, Some(error.into())));
            }
        }
    };
    thread::Builder::new()
        .name("accept".to_owned())
        .spawn(accept)?;
    Ok(())
}

fn listen(serial: u64, stream: &mut BufReader<UnixStream>, report: &impl Fn(News)) {
    loop {
        match wire::next(stream) {
            Ok(Some(request)) => report(News::Request(serial, request)),
            Ok(None) => return report(News::Gone(serial, None)),
            Err(error) => return report(News::Gone(serial, Some(error))),
        }
    }
}

/// The connections, and which of them is which client.
#[derive(Debug)]
pub struct Peers {
    boot: BootId,
    connections: BTreeMap<u64, UnixStream>,
    clients: BTreeMap<ClientId, Client>,
}

#[derive(Debug)]
struct Client {
    serial: u64,
    /// Whether its attaching was answered.
    attached: bool,
}

impl Peers {
    /// No connections, in this boot.
    #[must_use]
    pub const fn new(boot: BootId) -> Self {
        Self {
            boot,
            connections: BTreeMap::new(),
            clients: BTreeMap::new(),
        }
    }

    /// Takes in news and returns what happened to the machine by it, and why a connection was
    /// closed, for the log. The inputs that follow from a closing come with the news of its end.
    pub fn on(&mut self, news: News) -> (Vec<Input>, Option<wire::Error>) {
        match news {
            News::Connected(serial, stream) => {
                self.connections.insert(serial, stream);
                if self.connections.len() > CONNECTIONS_MAX {
                    self.close(serial);
                    return (Vec::new(), Some(wire::Error::TooMany(CONNECTIONS_MAX)));
                }
                (Vec::new(), None)
            }
            News::Request(serial, request) => match self.on_request(serial, request) {
                Ok(inputs) => (inputs, None),
                Err(error) => {
                    self.close(serial);
                    (Vec::new(), Some(error))
                }
            },
            News::Gone(serial, error) => {
                self.close(serial);
                let gone = self
                    .clients
                    .extract_if(.., |_, client| client.serial == serial);
                let inputs = gone.map(|(id, _)| Input::Vanished(id)).collect();
                (inputs, error)
            }
        }
    }

    fn on_request(&mut self, serial: u64, request: Request) -> Result<Vec<Input>, wire::Error> {
        let Request {
            boot,
            client,
            message,
        } = request;
        wire::same_boot(boot, self.boot)?;
        if !self.connections.contains_key(&serial) {
            return Ok(Vec::new());
        }
        let present = self.clients.get(&client).map(|present| present.serial);
        let mut inputs = Vec::new();
        if let ToMultiplexer::Attach { .. } = message {
            if let Some(earlier) = present.filter(|present| *present != serial) {
                self.close(earlier);
                inputs.push(Input::Vanished(client));
            }
            let attached = false;
            self.clients.insert(client, Client { serial, attached });
        } else if present != Some(serial) {
            let text = "it asked before it attached".to_owned();
            return Err(wire::Error::Malformed(text));
        }
        inputs.push(Input::Client(client, message));
        Ok(inputs)
    }

    /// Tells a client, if it is there. One that can't be told is closed; news of its end follow.
    pub fn tell(&mut self, id: ClientId, message: FromMultiplexer) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.attached |= match &message {
            FromMultiplexer::Attached(_) | FromMultiplexer::Refused(None) => true,
            FromMultiplexer::Armed(_)
            | FromMultiplexer::Extended(_)
            | FromMultiplexer::Disarmed(_)
            | FromMultiplexer::Refused(Some(_)) => false,
        };
        if !client.attached {
            return;
        }
        let serial = client.serial;
        let boot = self.boot;
        let told = self
            .connections
            .get(&serial)
            .is_some_and(|stream| wire::tell(stream, &Reply { boot, message }).is_ok());
        if !told {
            self.close(serial);
        }
    }

    fn close(&mut self, serial: u64) {
        if let Some(stream) = self.connections.remove(&serial) {
            // Its reader then sees the end. An error means that the peer has ended it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_model::id::{ArmId, Incarnation, RequestId};

    fn attach_request() -> ToMultiplexer {
        ToMultiplexer::Attach {
            process: Incarnation(1),
        }
    }

    fn request(boot: u128, message: ToMultiplexer) -> Request {
        Request {
            boot: BootId(boot),
            client: ClientId::Lrm,
            message,
        }
    }

    fn connect(peers: &mut Peers, serial: u64) -> BufReader<UnixStream> {
        let (here, there) = UnixStream::pair().unwrap();
        there.set_nonblocking(true).unwrap();
        assert!(peers.on(News::Connected(serial, here)).1.is_none());
        BufReader::new(there)
    }

    fn disarm() -> ToMultiplexer {
        let arm = ArmId(RequestId {
            process: Incarnation(1),
            number: 1,
        });
        ToMultiplexer::Disarm { arm }
    }

    #[test]
    fn another_boot_is_refused() {
        let mut peers = Peers::new(BootId(1));
        let mut there = connect(&mut peers, 1);
        let (_, refused) = peers.on(News::Request(1, request(2, attach_request())));
        assert!(matches!(refused, Some(wire::Error::OtherBoot { .. })));
        assert!(wire::next::<Reply>(&mut there).unwrap().is_none());
    }

    #[test]
    fn nobody_asks_before_attaching() {
        let mut peers = Peers::new(BootId(1));
        let _there = connect(&mut peers, 1);
        let (inputs, refused) = peers.on(News::Request(1, request(1, disarm())));
        assert_eq!(inputs, []);
        assert!(matches!(refused, Some(wire::Error::Malformed(_))));
    }

    #[test]
    fn a_later_connection_replaces_an_earlier_one_and_hears_only_its_own_answers() {
        let mut peers = Peers::new(BootId(1));
        let mut first = connect(&mut peers, 1);
        let attach = || request(1, attach_request());
        let attached = Input::Client(ClientId::Lrm, attach_request());
        let (inputs, _) = peers.on(News::Request(1, attach()));
        assert_eq!(inputs, std::slice::from_ref(&attached));
        let mut second = connect(&mut peers, 2);
        let (inputs, _) = peers.on(News::Request(2, attach()));
        assert_eq!(inputs, [Input::Vanished(ClientId::Lrm), attached]);
        assert!(wire::next::<Reply>(&mut first).unwrap().is_none());
        assert_eq!(peers.on(News::Gone(1, None)).0, []);

        let ToMultiplexer::Disarm { arm } = disarm() else {
            unreachable!()
        };
        peers.tell(ClientId::Lrm, FromMultiplexer::Disarmed(arm));
        peers.tell(ClientId::Lrm, FromMultiplexer::Attached(None));
        let heard = wire::next::<Reply>(&mut second).unwrap().unwrap();
        assert_eq!(heard.message, FromMultiplexer::Attached(None));
        let (inputs, _) = peers.on(News::Gone(2, None));
        assert_eq!(inputs, [Input::Vanished(ClientId::Lrm)]);
    }

    #[test]
    fn what_an_attached_client_says_wrong_is_told_and_it_has_vanished() {
        let mut peers = Peers::new(BootId(1));
        let _there = connect(&mut peers, 1);
        let _ = peers.on(News::Request(1, request(1, attach_request())));
        let malformed = wire::Error::Malformed("x".to_owned());
        let (inputs, told) = peers.on(News::Gone(1, Some(malformed)));
        assert_eq!(inputs, [Input::Vanished(ClientId::Lrm)]);
        assert!(matches!(told, Some(wire::Error::Malformed(_))));
    }

    #[test]
    fn one_connection_too_many_is_closed() {
        let mut peers = Peers::new(BootId(1));
        let kept: Vec<_> = (1..=CONNECTIONS_MAX as u64)
            .map(|serial| connect(&mut peers, serial))
            .collect();
        let (here, there) = UnixStream::pair().unwrap();
        there.set_nonblocking(true).unwrap();
        let (_, told) = peers.on(News::Connected(99, here));
        assert!(matches!(told, Some(wire::Error::TooMany(CONNECTIONS_MAX))));
        let mut there = BufReader::new(there);
        assert!(wire::next::<Reply>(&mut there).unwrap().is_none());
        drop(kept);
    }
}
