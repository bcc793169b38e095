//! A contender for a node's lock: the model's machine on a store, in a thread.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lockstep_model::config::Config;
use lockstep_model::contender::{Contender, Effect, Fenced, Input};
use lockstep_model::id::{Holder, NodeId, Revision};
use lockstep_model::journal::Kind;
use lockstep_model::mutation::NoMutation;
use lockstep_model::time::Instant;
use lockstep_node::core::Core;
use lockstep_store::Store;
use lockstep_watchdog::clock::{self, Alarm};

const POLL: Duration = Duration::from_millis(10);

/// A contender at work. Ends when it is dropped.
pub struct Running {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    contends: AtomicBool,
    lets_go: AtomicBool,
    ends: AtomicBool,
    taken: Mutex<Option<Instant>>,
}

struct Driver {
    core: Core<Contender, NoMutation>,
    store: Box<dyn Store>,
    shared: Arc<Shared>,
    target: NodeId,
    /// When the last write was sent.
    sent: Instant,
}

impl Running {
    /// Begins to watch the lock of `lock`, without wanting it yet.
    #[must_use]
    pub fn begin(
        lock: NodeId,
        me: Holder,
        config: Config,
        store: Box<dyn Store>,
        journal: &Path,
    ) -> Self {
        let (rings, rung) = mpsc::channel();
        let alarm = Alarm::new(move || rings.send(()).is_ok()).expect("the kernel has timers");
        let kind = Kind::Contender { lock, me };
        let core = Core::new(Contender::new(lock, me), kind, config, journal, alarm)
            .expect("the journal is new");
        let shared = Arc::new(Shared::default());
        let driver = Driver {
            core,
            store,
            shared: Arc::clone(&shared),
            target: me.node,
            sent: clock::now(),
        };
        let thread = Some(thread::spawn(move || driver.run(&rung)));
        Self { shared, thread }
    }

    /// Wants the lock from now on.
    pub fn contend(&self) {
        self.shared.contends.store(true, Ordering::SeqCst);
    }

    /// Gives the lock back, and wants it no more.
    pub fn let_go(&self) {
        self.shared.lets_go.store(true, Ordering::SeqCst);
    }

    /// When the write was sent that took the lock; the take can't be earlier.
    #[must_use]
    pub fn taken(&self) -> Option<Instant> {
        let taken = self.shared.taken.lock();
        *taken.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Driver {
    fn run(mut self, rung: &mpsc::Receiver<()>) {
        let mut seen = Revision::ABSENT;
        let mut contends = false;
        while !self.shared.ends.load(Ordering::SeqCst) {
            if self.shared.contends.load(Ordering::SeqCst) && !contends {
                contends = true;
                self.feed(Input::Contend);
            }
            if self.shared.lets_go.swap(false, Ordering::SeqCst) {
                self.feed(Input::LetGo);
            }
            if let Ok(Some(revision)) = self.store.watch(seen, Duration::ZERO)
                && let Ok(snapshot) = self.store.read()
            {
                seen = revision;
                self.feed(Input::Watched(snapshot));
            }
            if rung.recv_timeout(POLL).is_ok() {
                self.feed(Input::Timer);
            }
        }
    }

    fn feed(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let effects = self.core.step(input);
            self.note_take();
            for effect in effects {
                inputs.extend(self.execute(effect));
            }
            let movable = self.core.machine().movable(self.core.config()).next();
            if let (Some(service), true) = (movable, inputs.is_empty()) {
                let target = self.target;
                inputs.push(Input::Move { service, target });
            }
        }
    }

    fn note_take(&mut self) {
        if self.core.machine().lock().hold().is_some() {
            let mut taken = self
                .shared
                .taken
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            taken.get_or_insert(self.sent);
        }
    }

    fn execute(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Write(write) => {
                if self.core.machine().lock().hold().is_none() {
                    self.sent = clock::now();
                }
                let outcome = self.store.write(&write).ok()?;
                let request = write.request;
                Some(Input::Written { request, outcome })
            }
            Effect::Read(request) => {
                let snapshot = self.store.read().ok()?;
                Some(Input::Read { request, snapshot })
            }
            // Nobody has told it of an agent.
            Effect::Fence(order) => Some(Input::Fenced {
                request: order.request,
                fenced: Fenced::Failed,
            }),
        }
    }
}
