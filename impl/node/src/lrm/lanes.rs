//! The lanes to the store: each a thread with a handle of its own.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use lockstep_model::id::Revision;
use lockstep_model::lrm::{Effect, Input};
use lockstep_store::{Error, Store};

use super::{Event, Opener, POLL_INTERVAL};
use crate::voice::{Once, Voice};

/// After which time without news the store is read all the same.
const ROUND: Duration = Duration::from_secs(10);

/// A thread that does one kind of request.
pub(super) struct Lane(Sender<Effect>);

impl Lane {
    pub(super) fn new(name: &str, opener: &Opener, events: Sender<Event>) -> io::Result<Self> {
        let (orders, ordered) = mpsc::channel();
        let mut handle = Handle::new(opener, super::voice(&events));
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                while let Some(effect) = latest(&ordered) {
                    let input = handle.with(|store| execute(store, &effect));
                    if let Some(input) = input.flatten() {
                        let _ = events.send(Event::Input(input));
                    }
                }
            })?;
        Ok(Self(orders))
    }

    pub(super) fn order(&self, effect: Effect) {
        // The thread lasts as long as the process.
        let _ = self.0.send(effect);
    }
}

/// The youngest order. Those that a hung one kept from being sent were given up by the machine;
/// unsent, they can never be applied.
fn latest(ordered: &Receiver<Effect>) -> Option<Effect> {
    let first = ordered.recv().ok()?;
    Some(ordered.try_iter().last().unwrap_or(first))
}

fn execute(store: &mut dyn Store, effect: &Effect) -> Result<Option<Input>, Error> {
    Ok(match effect {
        Effect::Write(write) => Some(Input::Written {
            request: write.request,
            outcome: store.write(write)?,
        }),
        Effect::Read(request) => Some(Input::Read {
            request: *request,
            snapshot: store.read()?,
        }),
        Effect::Watchdog(_)
        | Effect::Reap
        | Effect::RecordIntent { .. }
        | Effect::Spawn { .. }
        | Effect::KillServices(_)
        | Effect::Exit => None,
    })
}

/// Shows the store after every change, and every [`ROUND`] without one.
pub(super) fn watch(opener: &Opener, events: Sender<Event>) -> io::Result<()> {
    let mut handle = Handle::new(opener, super::voice(&events));
    let watch = move || {
        let mut seen = Revision::ABSENT;
        loop {
            let shown = handle.with(|store| {
                store.watch(seen, ROUND)?;
                store.read()
            });
            let Some(snapshot) = shown else {
                thread::sleep(POLL_INTERVAL);
                continue;
            };
            seen = snapshot.revision;
            if events.send(Event::Input(Input::Watched(snapshot))).is_err() {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("watch".to_owned())
        .spawn(watch)?;
    Ok(())
}

/// A store that is opened when it is needed, and anew after an error.
struct Handle {
    opener: Opener,
    store: Option<Box<dyn Store>>,
    voice: Voice,
    /// An outage is one line.
    trouble: Once,
}

impl Handle {
    fn new(opener: &Opener, voice: Voice) -> Self {
        Self {
            opener: Opener::clone(opener),
            store: None,
            voice,
            trouble: Once::default(),
        }
    }

    /// Does something with the store. `None`: there is no answer, and what became of it is unknown.
    fn with<T>(&mut self, work: impl FnOnce(&mut dyn Store) -> Result<T, Error>) -> Option<T> {
        let result = self.try_with(work);
        match result {
            Ok(answer) => {
                self.trouble.passed();
                Some(answer)
            }
            Err(error) => {
                self.store = None;
                let text = format!("warning: failed to {error}");
                if let Some(text) = self.trouble.news(text) {
                    self.voice.say(text);
                }
                None
            }
        }
    }

    fn try_with<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Store) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let store = match &mut self.store {
            Some(store) => store,
            none => none.insert((self.opener)()?),
        };
        work(store.as_mut())
    }
}
