//! Words for what goes between processes, store and device, and for what machines decide.

use lockstep_model::event::{Event, LrmState};
use lockstep_model::lrm::{Job, Report};
use lockstep_model::record::{GrantState, Key, Outcome, Record, Wanted, Write};
use lockstep_model::watchdog;
use lockstep_model::watchdog::message::{Armed, FromMultiplexer, ToMultiplexer};
use lockstep_model::{contender, lrm};

use super::Tone;
use super::cluster;
use super::scene::{Scene, services, wanted};

/// What a write does, by what stands in the store.
pub(super) fn write(scene: &Scene<'_>, write: &Write) -> (String, Tone) {
    let mut parts = Vec::new();
    let mut tone = Tone::Notable;
    for put in &write.puts {
        match (put.key, &put.record) {
            (Key::Grant(id), Record::Grant(new)) => {
                let key = Key::Grant(id);
                let old = scene.world.store.entry(key);
                let old = old.and_then(|entry| entry.record.as_grant());
                let lock = scene.lock(id);
                let taking = old.is_none_or(|old| new.epoch > old.epoch);
                parts.push(match (&new.state, taking) {
                    (GrantState::HeldGuarded, true) => format!("takes {lock}"),
                    (GrantState::HeldUnguarded(list), true) => {
                        format!(
                            "takes {lock}, {} listed as unguarded",
                            services(&list.services)
                        )
                    }
                    (GrantState::HeldGuarded, false) => match old.map(|old| &old.state) {
                        Some(GrantState::HeldUnguarded(_)) => {
                            format!("writes {lock} guarded again")
                        }
                        _ => format!("renews {lock} with another T"),
                    },
                    (GrantState::HeldUnguarded(list), false) => {
                        format!("renews {lock}, {} unguarded", services(&list.services))
                    }
                    (GrantState::ReleasedClean, _) => format!("releases {lock}, nothing runs"),
                    (GrantState::ReleasedRunning(list), _) => {
                        format!("releases {lock}, {} left running", services(&list.services))
                    }
                });
            }
            (Key::Beat(lock), Record::Beat(_)) if write.puts.len() == 1 => {
                parts.push(format!("renews {}", scene.lock(lock)));
                tone = Tone::Routine;
            }
            (Key::Service(id), Record::Service(new)) => {
                let wanted = match new.wanted {
                    Wanted::Started => String::new(),
                    other @ (Wanted::Stopped
                    | Wanted::Untouched
                    | Wanted::Ignored
                    | Wanted::Fenced
                    | Wanted::Moved { .. }) => format!(", {}", wanted(other)),
                };
                parts.push(format!(
                    "moves {id} to {}{wanted}",
                    scene.node(new.location)
                ));
            }
            (Key::Data(key), Record::Data(data)) => {
                parts.push(cluster::data(scene, key, data));
            }
            (Key::Grant(_) | Key::Beat(_) | Key::Service(_) | Key::Data(_), _) => {}
        }
    }
    (parts.join(" and "), tone)
}

/// What a request to the multiplexer asks.
pub(super) fn to_mux(scene: &Scene<'_>, request: &ToMultiplexer) -> String {
    match request {
        ToMultiplexer::Attach { .. } => "attach".into(),
        ToMultiplexer::Arm { expires, .. } => format!("arm, E at {}", scene.at(*expires)),
        ToMultiplexer::Extend { expires, .. } => format!("extend, E at {}", scene.at(*expires)),
        ToMultiplexer::Disarm { .. } => "disarm".into(),
    }
}

/// What the multiplexer answers.
pub(super) fn from_mux(scene: &Scene<'_>, reply: &FromMultiplexer) -> String {
    let until = |armed: &Armed| format!("D at {}", scene.at(armed.deadline));
    match reply {
        FromMultiplexer::Attached(None) => "attached, nothing is armed".into(),
        FromMultiplexer::Attached(Some(armed)) => {
            format!("attached, still armed, {}", until(armed))
        }
        FromMultiplexer::Armed(armed) => format!("armed, {}", until(armed)),
        FromMultiplexer::Extended(armed) => format!("extended, {}", until(armed)),
        FromMultiplexer::Disarmed(_) => "disarmed".into(),
        FromMultiplexer::Refused(_) => "refused".into(),
    }
}

/// What a job does.
pub(super) const fn job(job: Job) -> &'static str {
    match job {
        Job::Query => "ask about",
        Job::Start => "start",
        Job::Stop => "stop",
        Job::Send { .. } => "send away",
    }
}

/// What an agent says.
pub(super) const fn report(report: Report) -> &'static str {
    match report {
        Report::Running => "runs",
        Report::Stopped => "is stopped",
        Report::Unclear => "is unclear",
        Report::Sent => "is paused and was sent",
    }
}

pub(super) const fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Applied(_) => "hears: applied",
        Outcome::Refused => "hears: refused",
    }
}

/// What an LRM takes in.
pub(super) fn lrm_input(scene: &Scene<'_>, input: &lrm::Input) -> String {
    use lrm::Input;
    match input {
        Input::Started => "begins".into(),
        Input::KernelLock { .. } => "gets the kernel lock".into(),
        Input::Watched(_) => "sees the store".into(),
        Input::Read { .. } => "has read".into(),
        Input::Written { outcome: it, .. } => outcome(it).into(),
        Input::Watchdog(reply) => format!("hears: {}", from_mux(scene, reply)),
        Input::WatchdogConnected => "sees the mux again".into(),
        Input::WatchdogGone => "sees that the mux is gone".into(),
        Input::Reaped => "hears: no workers are left".into(),
        Input::IntentRecorded { service } => format!("intent for {service} is on the disk"),
        Input::WorkerDone {
            service,
            report: it,
            ..
        } => {
            format!("hears: {service} {}", report(*it))
        }
        Input::ServiceEnded { service } => format!("sees that {service} has ended"),
        Input::ServicesKilled => "hears: killed".into(),
        Input::Timer => "wakes".into(),
        Input::Leave(lrm::Leave::Restart) => "is told to restart".into(),
        Input::Leave(lrm::Leave::Stop) => "is told to stop".into(),
        Input::Leave(lrm::Leave::StopAndFreeze) => "is told to stop and come back".into(),
        Input::Leave(lrm::Leave::Migrate) => "is told to end when nothing is left".into(),
    }
}

/// What a contender takes in.
pub(super) fn contender_input(scene: &Scene<'_>, input: &contender::Input) -> String {
    use contender::Input;
    match input {
        Input::Contend => "is to take the lock".into(),
        Input::Fence { agent: true } => "is to ask a fence agent".into(),
        Input::Fence { agent: false } => "is to ask no fence agent".into(),
        Input::Fenced { fenced, .. } => cluster::answer(*fenced).into(),
        Input::Watched(_) => "sees the store".into(),
        Input::Read { .. } => "has read".into(),
        Input::Written { outcome: it, .. } => outcome(it).into(),
        Input::Move { service, target } => {
            format!("is to move {service} to {}", scene.node(*target))
        }
        Input::Recover { service, order } => {
            format!("is to recover {service} to {}", scene.node(order.location))
        }
        Input::LetGo => "is to give the lock back".into(),
        Input::Resign => "is to leave the lock to another one".into(),
        Input::Timer => "wakes".into(),
    }
}

/// What the multiplexer does.
pub(super) fn mux_effect(scene: &Scene<'_>, effect: &watchdog::Effect) -> (String, Tone) {
    use watchdog::Effect;
    match effect {
        Effect::Reply(_, reply) => (
            format!("answers: {}", from_mux(scene, reply)),
            Tone::Routine,
        ),
        Effect::SetTimer(Some(at)) => (
            format!("sets the kill timer to {}", scene.at(*at)),
            Tone::Routine,
        ),
        Effect::SetTimer(None) => ("ends the kill timer".into(), Tone::Routine),
        Effect::Open { timeout } => (
            format!("opens the device, W = {}: it counts", timeout.0),
            Tone::Notable,
        ),
        Effect::Ping => ("pings the device".into(), Tone::Routine),
        Effect::Resize { timeout } => (
            format!("sets the device to W = {}", timeout.0),
            Tone::Notable,
        ),
        Effect::Close => ("closes the device: it stops counting".into(), Tone::Notable),
        Effect::Exit => ("exits".into(), Tone::Notable),
    }
}

/// What a machine decided.
pub(super) fn decided(scene: &Scene<'_>, event: &Event) -> (String, Tone) {
    let notable = |what: String| (what, Tone::Notable);
    let alarm = |what: &str| (what.to_owned(), Tone::Alarm);
    match event {
        Event::LockTaken { lock, epoch } => {
            notable(format!("has {}, term {epoch}", scene.lock(*lock)))
        }
        Event::LockReleased { .. } => notable("has given the lock back".into()),
        Event::LockLost { lock } => (format!("has lost {}", scene.lock(*lock)), Tone::Alarm),
        Event::SecondBoot { .. } => alarm("another boot of its node renews the lock"),
        Event::OtherMachine { .. } => alarm("another machine held the lock: refuses to take it"),
        Event::FencingByAgent { .. } => notable("has an agent asked".into()),
        Event::FencedByAgent { .. } => notable("hears that its holder is off".into()),
        Event::AgentDidNotFence { .. } => alarm("hears that the agent failed"),
        Event::RequestUnanswered => notable("gives a request up".into()),
        Event::LrmState { to, .. } => notable(match to {
            LrmState::Startup => "starts up".into(),
            LrmState::WaitForAgentLock => "waits for its lock".into(),
            LrmState::Active => "is active".into(),
            LrmState::LostAgentLock => "is losing its lock".into(),
            LrmState::Maintenance => "is in maintenance".into(),
        }),
        Event::Starting(service) => notable(format!("is to start {service}")),
        Event::Stopping(service) => notable(format!("is to stop {service}")),
        Event::Running(service) => notable(format!("knows that {service} runs")),
        Event::Stopped(service) => notable(format!("knows that {service} is stopped")),
        Event::Unclear(service) => notable(format!("doesn't know about {service}")),
        Event::Retries { service, .. } => notable(format!("is to start {service} once more")),
        Event::GivesUpStart { service, .. } => {
            (format!("gives up starting {service}"), Tone::Alarm)
        }
        Event::Sending { service, target } => {
            notable(format!("sends {service} to {}", scene.node(*target)))
        }
        Event::Moved { service, target } => notable(format!(
            "knows that {service} belongs to {}",
            scene.node(*target)
        )),
        Event::NotMoved(service) => (format!("keeps {service}"), Tone::Alarm),
        Event::Killing => alarm("services didn't stop in time"),
        Event::Armed { deadline } => notable(format!("is armed, D at {}", scene.at(*deadline))),
        Event::Disarmed => notable("is disarmed".into()),
        Event::ArmRefused => alarm("refuses to arm: that end is over"),
        Event::DeadlinePassed => alarm("touches the device no more"),
        Event::ClientVanished => alarm("its client vanished: the deadline stays"),
        Event::TerminateIgnored => notable("ignores the request to terminate".into()),
        Event::MarkerFound => alarm("finds the marker of an armed one: must not open the device"),
        Event::DeviceRefused { .. } => alarm("the device refuses"),
    }
}
