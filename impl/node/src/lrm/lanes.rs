//! The lanes to the store: each a thread with a handle of its own.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use lockstep_model::id::Revision;
use lockstep_model::lrm::{Effect, Input};
use lockstep_store::{Error, Store};

use super::history::{History, Remembering, Verdict};
use super::{Event, POLL_INTERVAL};
use crate::voice::{Once, Voice};

/// After which time without news the store is read all the same.
const ROUND: Duration = Duration::from_secs(10);

/// A thread that does one kind of request.
pub(super) struct Lane(Sender<Effect>);

impl Lane {
    pub(super) fn new(
        name: &str,
        history: &Arc<History>,
        events: Sender<Event>,
    ) -> io::Result<Self> {
        let (orders, ordered) = mpsc::channel();
        let mut handle = Handle::new(history, super::voice(&events));
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
pub(super) fn watch(history: &Arc<History>, events: Sender<Event>) -> io::Result<()> {
    let mut handle = Handle::new(history, super::voice(&events));
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
    history: Arc<History>,
    store: Option<Remembering>,
    voice: Voice,
    /// An outage is one line.
    trouble: Once,
}

impl Handle {
    fn new(history: &Arc<History>, voice: Voice) -> Self {
        Self {
            history: Arc::clone(history),
            store: None,
            voice,
            trouble: Once::default(),
        }
    }

    /// Does something with the store. `None`: there is no answer, and what became of it is unknown.
    fn with<T>(&mut self, work: impl FnOnce(&mut dyn Store) -> Result<T, Error>) -> Option<T> {
        if self.history.has_ended() {
            self.store = None;
            return None;
        }
        match self.try_with(work) {
            // Another lane may have found out meanwhile.
            Ok(_) if self.history.has_ended() => None,
            Ok(answer) => {
                self.trouble.passed();
                Some(answer)
            }
            Err(error) => {
                self.store = None;
                let text = match self.history.judge(&error) {
                    Verdict::MayPass => format!("warning: failed to {error}"),
                    Verdict::Ends => format!(
                        "error: failed to {error}; this process has no part in that store, begin ha-lrm anew once it is the right one"
                    ),
                    Verdict::HadEnded => return None,
                };
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
            none => none.insert(self.history.open()?),
        };
        work(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_model::id::{Incarnation, NodeId, RequestId, ServiceId, Uid};
    use lockstep_model::record::{Key, Put, Record, Service, Wanted, Write};
    use lockstep_store::Embedded;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;

    struct Fixture {
        directory: tempfile::TempDir,
        said: Arc<Mutex<Vec<String>>>,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            Embedded::create(&directory.path().join("store")).unwrap();
            let said = Arc::default();
            Self { directory, said }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn history(&self) -> Result<Arc<History>, crate::Error> {
            let store = self.path("store");
            let opener = crate::cli::embedded_at(store.clone(), Duration::from_secs(1));
            History::new(&store, self.path("cluster"), opener).map(Arc::new)
        }

        fn handle(&self, history: &Arc<History>) -> Handle {
            let said = Arc::clone(&self.said);
            Handle::new(
                history,
                Voice::new(move |text| said.lock().unwrap().push(text)),
            )
        }

        fn said(&self) -> String {
            self.said.lock().unwrap().join("\n")
        }

        /// Something else stands where the store was. Nobody has it open, so it is one file.
        fn put(&self, other: &Path) {
            fs::rename(self.path("store"), self.path("former")).unwrap();
            fs::copy(other, self.path("store")).unwrap();
        }
    }

    fn write(handle: &mut Handle, number: u64) -> Option<()> {
        let service = Service::new(NodeId(1), Wanted::Started, Uid(number));
        let write = Write {
            request: RequestId {
                process: Incarnation(1),
                number,
            },
            compares: Vec::new(),
            puts: vec![Put {
                key: Key::Service(ServiceId(1)),
                record: Record::Service(service),
            }],
        };
        handle.with(|store| store.write(&write)).map(drop)
    }

    fn read(handle: &mut Handle) -> Option<()> {
        handle.with(|store| store.read()).map(drop)
    }

    /// After this happened to the store, no lane has an answer any more, said once.
    fn check_ended(other: impl FnOnce(&Fixture) -> PathBuf, expect: &str) {
        let fixture = Fixture::new();
        let history = fixture.history().unwrap();
        let (mut one, mut another) = (fixture.handle(&history), fixture.handle(&history));
        write(&mut one, 1).unwrap();
        one.store = None;
        let other = other(&fixture);
        write(&mut one, 2).unwrap();
        read(&mut another).unwrap();
        // As after any error: nothing is left of what the handles have seen.
        (one.store, another.store) = (None, None);
        fixture.put(&other);
        assert_eq!(read(&mut one), None);
        assert_eq!(read(&mut another), None);
        fs::rename(fixture.path("former"), fixture.path("store")).unwrap();
        assert_eq!((read(&mut one), write(&mut another, 3)), (None, None));
        let said = fixture.said();
        assert!(said.contains(expect), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }

    #[test]
    fn an_old_copy_of_the_store_is_refused_for_good() {
        let copy = |fixture: &Fixture| {
            let copy = fixture.path("copy");
            fs::copy(fixture.path("store"), &copy).unwrap();
            copy
        };
        check_ended(copy, "less than revision");
    }

    #[test]
    fn another_store_is_refused_for_good() {
        let other = |fixture: &Fixture| {
            let other = fixture.path("other");
            Embedded::create(&other).unwrap();
            other
        };
        check_ended(other, "found that of cluster");
    }
}
