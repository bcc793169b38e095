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

    /// Takes in news and returns what happened to the machine by it.
    ///
    /// # Errors
    ///
    /// Why a connection was closed, for the log; the inputs that follow from it come with the
    /// news of its end.
    pub fn on(&mut self, news: News) -> Result<Vec<Input>, wire::Error> {
        match news {
            News::Connected(serial, stream) => {
                if self.connections.len() < CONNECTIONS_MAX {
                    self.connections.insert(serial, stream);
                }
                Ok(Vec::new())
            }
            News::Request(serial, request) => self.on_request(serial, request).inspect_err(|_| {
                self.close(serial);
            }),
            News::Gone(serial, error) => {
                self.close(serial);
                let gone: Vec<ClientId> = self
                    .clients
                    .extract_if(.., |_, client| client.serial == serial)
                    .map(|(id, _)| id)
                    .collect();
                match (gone.is_empty(), error) {
                    (true, Some(error)) => Err(error),
                    (true, None) | (false, _) => {
                        Ok(gone.into_iter().map(Input::Vanished).collect())
                    }
                }
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
        peers.on(News::Connected(serial, here)).unwrap();
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
        let refused = peers.on(News::Request(1, request(2, attach_request())));
        assert!(matches!(refused, Err(wire::Error::OtherBoot { .. })));
        assert!(wire::next::<Reply>(&mut there).unwrap().is_none());
    }

    #[test]
    fn nobody_asks_before_attaching() {
        let mut peers = Peers::new(BootId(1));
        let _there = connect(&mut peers, 1);
        assert!(peers.on(News::Request(1, request(1, disarm()))).is_err());
    }

    #[test]
    fn a_later_connection_replaces_an_earlier_one_and_hears_only_its_own_answers() {
        let mut peers = Peers::new(BootId(1));
        let mut first = connect(&mut peers, 1);
        let attach = || request(1, attach_request());
        let attached = Input::Client(ClientId::Lrm, attach_request());
        let inputs = peers.on(News::Request(1, attach())).unwrap();
        assert_eq!(inputs, std::slice::from_ref(&attached));
        let mut second = connect(&mut peers, 2);
        let inputs = peers.on(News::Request(2, attach())).unwrap();
        assert_eq!(inputs, [Input::Vanished(ClientId::Lrm), attached]);
        assert!(wire::next::<Reply>(&mut first).unwrap().is_none());
        assert_eq!(peers.on(News::Gone(1, None)).unwrap(), []);

        let ToMultiplexer::Disarm { arm } = disarm() else {
            unreachable!()
        };
        peers.tell(ClientId::Lrm, FromMultiplexer::Disarmed(arm));
        peers.tell(ClientId::Lrm, FromMultiplexer::Attached(None));
        let heard = wire::next::<Reply>(&mut second).unwrap().unwrap();
        assert_eq!(heard.message, FromMultiplexer::Attached(None));
        let inputs = peers.on(News::Gone(2, None)).unwrap();
        assert_eq!(inputs, [Input::Vanished(ClientId::Lrm)]);
    }
}
