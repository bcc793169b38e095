//! What an LRM's process publishes: when it writes, and what it makes of answers.

use lockstep_model::config::Config;
use lockstep_model::config::scaled::scaled_kappa_one;
use lockstep_model::event::Effects;
use lockstep_model::id::{Incarnation, NodeId, Ranks, RequestId, Revision};
use lockstep_model::manager::status::{LrmMode, LrmStatus};
use lockstep_model::presence::{Effect, Input, Presence};
use lockstep_model::record::{
    Data, DataKey, Entry, Key, Outcome, Published, Record, Snapshot, Write,
};
use lockstep_model::time::{Instant, Span, Why};
use lockstep_model::visit::{Visit, Visitor};
use proptest::prelude::*;

const NODE: NodeId = NodeId(0);

/// A writer, the record, and what of its requests had no answer yet.
#[derive(Clone)]
struct Life {
    config: Config,
    now: Instant,
    presence: Presence,
    revision: Revision,
    record: Option<(Revision, Published)>,
    asked: Vec<Effect>,
}

fn status(mode: LrmMode) -> LrmStatus {
    LrmStatus {
        state: None,
        mode: Some(mode),
        results: Vec::new(),
    }
}

impl Life {
    fn new() -> Self {
        Self {
            config: Config::new(scaled_kappa_one(), Ranks::default()).expect("a sound timing"),
            now: Instant(1000),
            presence: Presence::new(NODE, Incarnation(7)),
            revision: Revision(3),
            record: None,
            asked: Vec::new(),
        }
    }

    fn feed(&mut self, input: Input) {
        let mut out = Effects::new();
        self.presence.step(&self.config, self.now, input, &mut out);
        self.presence.check().expect("its invariants hold");
        self.asked.extend(out.effects);
    }

    fn publish(&mut self, mode: LrmMode, beats: bool) {
        let status = status(mode);
        self.feed(Input::Publish { status, beats });
    }

    fn snapshot(&self) -> Snapshot {
        let entry = self.record.clone().map(|(revision, published)| Entry {
            key: Key::Data(DataKey::Lrm(NODE)),
            revision,
            record: Record::Data(Box::new(Data::Lrm(published))),
        });
        Snapshot {
            revision: self.revision,
            entries: entry.into_iter().collect(),
        }
    }

    fn put(&mut self, published: Published) {
        self.revision.0 += 1;
        self.record = Some((self.revision, published));
    }

    /// Somebody else writes the record.
    fn overwrite(&mut self) {
        self.put(Published {
            status: status(LrmMode::Shutdown),
            written_by: RequestId {
                process: Incarnation(1),
                number: 1,
            },
        });
    }

    fn apply(&mut self, write: &Write) -> Outcome {
        let revision = self.record.as_ref().map_or(Revision::ABSENT, |it| it.0);
        if write.compares.iter().any(|it| it.revision != revision) {
            return Outcome::Refused;
        }
        for put in &write.puts {
            if let Some(Data::Lrm(published)) = put.record.as_data() {
                self.put(published.clone());
            }
        }
        Outcome::Applied(self.revision)
    }

    /// Carries out what was asked for first; `answered`: and says so.
    fn execute(&mut self, answered: bool) {
        let input = match self.asked.remove(0) {
            Effect::Write(write) => Input::Written {
                request: write.request,
                outcome: self.apply(&write),
            },
            Effect::Read(request) => Input::Read {
                request,
                snapshot: self.snapshot(),
            },
        };
        if answered {
            self.feed(input);
        }
    }

    fn settle(&mut self) {
        while !self.asked.is_empty() {
            self.execute(true);
        }
    }

    /// Time passes, and everything is answered at once.
    fn pass(&mut self, ticks: u64) {
        for _ in 0..ticks {
            self.now += Span(1);
            let due = self.presence.next_wakeup(&self.config);
            if due.is_some_and(|wakeup| wakeup.at <= self.now) {
                self.feed(Input::Timer);
                self.settle();
                let due = self.presence.next_wakeup(&self.config);
                assert!(due.is_none_or(|wakeup| wakeup.at > self.now));
            }
        }
    }

    fn mode(&self) -> Option<LrmMode> {
        self.record.as_ref().and_then(|(_, it)| it.status.mode)
    }

    /// How often the record was written.
    fn writes(&self) -> u64 {
        self.revision.0 - 3
    }
}

/// A writer whose first status stands there.
fn settled(beats: bool) -> Life {
    let mut life = Life::new();
    life.publish(LrmMode::Active, beats);
    life.settle();
    assert_eq!((life.mode(), life.writes()), (Some(LrmMode::Active), 1));
    life
}

#[test]
fn nothing_is_written_before_there_is_something_to_say() {
    let mut life = Life::new();
    life.feed(Input::Timer);
    life.feed(Input::Watched(life.snapshot()));
    assert_eq!(life.asked, []);
    assert_eq!(life.presence.next_wakeup(&life.config), None);
}

#[test]
fn a_sign_of_life_is_given_every_b() {
    let mut life = settled(false);
    let b = life.config.timing().presence.0;
    let wakeup = life.presence.next_wakeup(&life.config);
    assert_eq!(wakeup.map(|it| it.why), Some(Why::Presence));
    life.pass(4 * b);
    assert_eq!(life.writes(), 5);
}

#[test]
fn a_lock_s_beat_is_sign_enough() {
    let mut life = settled(true);
    life.pass(50);
    assert_eq!(life.writes(), 1);
    life.publish(LrmMode::Active, false);
    life.settle();
    assert_eq!(life.writes(), 2, "the last is long ago");
}

#[test]
fn a_change_is_written_at_once_and_once() {
    let mut life = settled(true);
    life.publish(LrmMode::Maintenance, true);
    life.settle();
    assert_eq!(life.mode(), Some(LrmMode::Maintenance));
    life.publish(LrmMode::Maintenance, true);
    life.pass(50);
    assert_eq!(life.writes(), 2);
}

#[test]
fn a_change_during_a_write_follows_it() {
    let mut life = settled(true);
    life.publish(LrmMode::Maintenance, true);
    life.publish(LrmMode::Restart, true);
    assert_eq!(life.asked.len(), 1, "one request at a time");
    life.settle();
    assert_eq!((life.mode(), life.writes()), (Some(LrmMode::Restart), 3));
}

#[test]
fn a_refused_write_is_read_and_written_again() {
    let mut life = settled(true);
    life.overwrite();
    life.publish(LrmMode::Restart, true);
    life.execute(true);
    assert!(matches!(life.asked[..], [Effect::Read(_)]));
    life.settle();
    assert_eq!(life.mode(), Some(LrmMode::Restart));
}

#[test]
fn what_somebody_else_wrote_is_overwritten() {
    let mut life = settled(true);
    life.overwrite();
    life.feed(Input::Watched(life.snapshot()));
    life.settle();
    assert_eq!(life.mode(), Some(LrmMode::Active));
}

#[test]
fn an_unanswered_write_is_read_and_written_again() {
    for applied in [false, true] {
        let mut life = settled(false);
        let timeout = life.config.timing().request_timeout.0;
        life.publish(LrmMode::Restart, false);
        if applied {
            life.execute(false);
        }
        let lost = life.asked.pop();
        life.pass(timeout);
        assert_eq!(life.mode(), Some(LrmMode::Restart));
        // Too late, its condition has failed.
        if let Some(Effect::Write(write)) = lost {
            assert_eq!(life.apply(&write), Outcome::Refused);
            life.feed(Input::Written {
                request: write.request,
                outcome: Outcome::Refused,
            });
            assert_eq!(life.asked, []);
        }
    }
}

#[test]
fn an_older_watch_changes_nothing() {
    let mut life = Life::new();
    let old = life.snapshot();
    life.publish(LrmMode::Active, true);
    life.settle();
    life.feed(Input::Watched(old));
    assert_eq!(life.asked, []);
    assert!(life.presence.shows(&status(LrmMode::Active)));
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Publish(LrmMode, bool),
    Answer,
    Lose,
    Apply,
    Overwrite,
    Watch,
    Tick(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let mode = prop_oneof![Just(LrmMode::Active), Just(LrmMode::Restart)];
    let act = prop_oneof![
        (mode, any::<bool>()).prop_map(|(mode, beats)| Act::Publish(mode, beats)),
        Just(Act::Answer),
        Just(Act::Answer),
        Just(Act::Lose),
        Just(Act::Apply),
        Just(Act::Overwrite),
        Just(Act::Watch),
        (1..5_u64).prop_map(Act::Tick),
    ];
    prop::collection::vec(act, 0..80)
}

impl Life {
    fn perform(&mut self, act: Act) {
        match act {
            Act::Publish(mode, beats) => self.publish(mode, beats),
            Act::Answer if !self.asked.is_empty() => self.execute(true),
            Act::Lose if !self.asked.is_empty() => drop(self.asked.remove(0)),
            Act::Apply if !self.asked.is_empty() => self.execute(false),
            Act::Answer | Act::Lose | Act::Apply => {}
            Act::Overwrite => self.overwrite(),
            Act::Watch => self.feed(Input::Watched(self.snapshot())),
            Act::Tick(ticks) => {
                self.now += Span(ticks);
                self.feed(Input::Timer);
            }
        }
    }
}

struct Later(u64);

impl Visitor for Later {
    fn instant(&mut self, instant: &mut Instant) {
        instant.0 += self.0;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happened: once answers come again, what was published last stands there.
    #[test]
    fn the_last_word_comes_to_stand(acts in acts()) {
        let mut life = Life::new();
        for act in acts {
            life.perform(act);
        }
        life.publish(LrmMode::Disarm, true);
        life.pass(10);
        life.feed(Input::Watched(life.snapshot()));
        life.settle();
        life.pass(10);
        prop_assert_eq!(life.mode(), Some(LrmMode::Disarm));
        prop_assert!(life.presence.shows(&status(LrmMode::Disarm)));
    }

    #[test]
    fn behaviour_does_not_depend_on_the_origin(acts in acts(), by in 1..(1_u64 << 40)) {
        let mut here = Life::new();
        let mut there = here.clone();
        there.now += Span(by);
        for act in acts {
            here.perform(act);
            there.perform(act);
            let mut shifted = here.presence.clone();
            shifted.visit(&mut Later(by));
            prop_assert_eq!(&shifted, &there.presence);
            prop_assert_eq!(&here.asked, &there.asked);
        }
    }
}
