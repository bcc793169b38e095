//! Inputs and effects in a few words, for golden text.
//!
//! Requests to the store are `#n`, revisions `@n`, instants plain numbers.

use std::fmt::Write as _;

use lockstep_model::contender;
use lockstep_model::lrm::{self, Job, Report};
use lockstep_model::record::{
    Compare, GrantState, Key, Outcome, Put, Record, Snapshot, Wanted, Write,
};
use lockstep_model::time::Instant;
use lockstep_model::watchdog;
use lockstep_model::watchdog::message::{Armed, FromMultiplexer, ToMultiplexer};

use crate::bench::{Effect, Entered, Input};
use crate::command::Who;

fn list<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    let items: Vec<String> = items.iter().map(text).collect();
    items.join(" ")
}

fn state(state: &GrantState) -> String {
    let ids =
        |list: &lockstep_model::record::Unguarded| self::list(&list.services, ToString::to_string);
    match state {
        GrantState::HeldGuarded => "held guarded".into(),
        GrantState::HeldUnguarded(list) => format!("held, unguarded {}", ids(list)),
        GrantState::ReleasedClean => "released clean".into(),
        GrantState::ReleasedRunning(list) => format!("released, running {}", ids(list)),
    }
}

fn record(record: &Record) -> String {
    match record {
        Record::Grant(grant) => format!(
            "grant(term {} of {}, T {}, {})",
            grant.epoch,
            grant.holder.node,
            grant.ttl.0,
            state(&grant.state)
        ),
        Record::Beat(beat) => format!("beat(term {})", beat.epoch),
        Record::Service(service) => {
            let wanted = match service.wanted {
                Wanted::Started => "started",
                Wanted::Stopped => "stopped",
                Wanted::Untouched => "untouched",
                Wanted::Ignored => "ignored",
                Wanted::Fenced => "fenced",
                Wanted::Moved { .. } => "moved",
            };
            format!("service({wanted} on {})", service.location)
        }
        Record::Data(_) => "data".into(),
    }
}

fn compare(compare: &Compare) -> String {
    let key = match compare.key {
        Key::Grant(_) => "grant".into(),
        Key::Beat(_) => "beat".into(),
        Key::Service(service) => service.to_string(),
        Key::Data(_) => "data".into(),
    };
    format!("{key}@{}", compare.revision.0)
}

fn write(write: &Write) -> String {
    let put = |put: &Put| record(&put.record);
    format!(
        "write #{} if {}: {}",
        write.request.number,
        list(&write.compares, compare),
        list(&write.puts, put)
    )
}

fn snapshot(snapshot: &Snapshot) -> String {
    let entries = list(&snapshot.entries, |entry| {
        format!("{}@{}", record(&entry.record), entry.revision.0)
    });
    format!("@{}: {entries}", snapshot.revision.0)
}

fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Applied(revision) => format!("applied @{}", revision.0),
        Outcome::Refused => "refused".into(),
    }
}

const fn job(job: Job) -> &'static str {
    match job {
        Job::Query => "query",
        Job::Start => "start",
        Job::Stop => "stop",
        Job::Send { .. } => "send",
    }
}

fn until(at: Option<Instant>) -> String {
    at.map_or("never".into(), |at| at.0.to_string())
}

pub(crate) fn request(request: &ToMultiplexer) -> String {
    match request {
        ToMultiplexer::Attach { process } => format!("attach process {}", process.0),
        ToMultiplexer::Arm { arm, expires } => format!("arm {} E {}", arm.0.number, expires.0),
        ToMultiplexer::Extend {
            arm,
            renewal,
            expires,
        } => format!("extend {} by {renewal} E {}", arm.0.number, expires.0),
        ToMultiplexer::Disarm { arm } => format!("disarm {}", arm.0.number),
    }
}

fn armed(armed: &Armed) -> String {
    let Armed {
        arm,
        renewal,
        expires,
        deadline,
    } = armed;
    format!(
        "{} by {renewal} E {} D {}",
        arm.0.number, expires.0, deadline.0
    )
}

fn reply(reply: &FromMultiplexer) -> String {
    match reply {
        FromMultiplexer::Attached(None) => "attached, nothing armed".into(),
        FromMultiplexer::Attached(Some(arm)) => format!("attached, armed {}", armed(arm)),
        FromMultiplexer::Armed(arm) => format!("armed {}", armed(arm)),
        FromMultiplexer::Extended(arm) => format!("extended {}", armed(arm)),
        FromMultiplexer::Disarmed(arm) => format!("disarmed {}", arm.0.number),
        FromMultiplexer::Refused(Some(arm)) => format!("refused {}", arm.0.number),
        FromMultiplexer::Refused(None) => "refused".into(),
    }
}

fn lrm_input(input: &lrm::Input) -> String {
    match input {
        lrm::Input::Started => "started".into(),
        lrm::Input::KernelLock { intents } if intents.is_empty() => "kernel lock".into(),
        lrm::Input::KernelLock { intents } => {
            format!(
                "kernel lock, intents {}",
                list(intents, ToString::to_string)
            )
        }
        lrm::Input::Watched(shown) => format!("watched {}", snapshot(shown)),
        lrm::Input::Read {
            request,
            snapshot: read,
        } => format!("read #{} {}", request.number, snapshot(read)),
        lrm::Input::Written {
            request,
            outcome: done,
        } => format!("written #{} {}", request.number, outcome(*done)),
        lrm::Input::Watchdog(answer) => format!("watchdog {}", reply(answer)),
        lrm::Input::WatchdogConnected => "watchdog connected".into(),
        lrm::Input::WatchdogGone => "watchdog gone".into(),
        lrm::Input::Reaped => "reaped".into(),
        lrm::Input::IntentRecorded { service } => format!("intent recorded {service}"),
        lrm::Input::WorkerDone {
            service,
            job: done,
            report,
            ..
        } => {
            let report = match report {
                Report::Running => "running",
                Report::Stopped => "stopped",
                Report::Unclear => "unclear",
                Report::Sent => "sent",
            };
            format!("worker done {} {service}: {report}", job(*done))
        }
        lrm::Input::ServiceEnded { service } => format!("service ended {service}"),
        lrm::Input::ServicesKilled => "services killed".into(),
        lrm::Input::Timer => "timer".into(),
        lrm::Input::Leave(leave) => format!("leave {leave:?}").to_lowercase(),
    }
}

fn lrm_effect(effect: &lrm::Effect) -> String {
    match effect {
        lrm::Effect::Write(it) => write(it),
        lrm::Effect::Read(it) => format!("read #{}", it.number),
        lrm::Effect::Watchdog(it) => format!("watchdog {}", request(it)),
        lrm::Effect::Reap => "reap".into(),
        lrm::Effect::RecordIntent { service, job: it } => {
            format!("record intent {} {service}", job(*it))
        }
        lrm::Effect::Spawn {
            service,
            job: it,
            not_after,
            timeout_seconds,
            ..
        } => {
            let mut line = format!("spawn {} {service}", job(*it));
            if let Some(at) = not_after {
                let _ = write!(line, " not after {}", at.0);
            }
            if let Some(seconds) = timeout_seconds {
                let _ = write!(line, " within {seconds} s");
            }
            line
        }
        lrm::Effect::KillServices(services) => {
            format!("kill {}", list(services, ToString::to_string))
        }
        lrm::Effect::Exit => "exit".into(),
    }
}

pub(crate) fn mux_input(input: &watchdog::Input) -> String {
    match input {
        watchdog::Input::Started { marker: false } => "started".into(),
        watchdog::Input::Started { marker: true } => "started, marker found".into(),
        watchdog::Input::Client(_, it) => format!("client {}", request(it)),
        watchdog::Input::Vanished(_) => "client vanished".into(),
        watchdog::Input::TimerSet(at) => format!("timer set {}", until(*at)),
        watchdog::Input::Opened(Some(timeout)) => format!("opened W {}", timeout.0),
        watchdog::Input::Opened(None) => "not opened".into(),
        watchdog::Input::Closed => "closed".into(),
        watchdog::Input::Resized(timeout) => format!("resized W {}", timeout.0),
        watchdog::Input::Timer => "timer".into(),
        watchdog::Input::Terminate => "terminate".into(),
    }
}

pub(crate) fn mux_effect(effect: &watchdog::Effect) -> String {
    match effect {
        watchdog::Effect::Reply(_, it) => format!("reply {}", reply(it)),
        watchdog::Effect::SetTimer(at) => format!("set timer {}", until(*at)),
        watchdog::Effect::Open { timeout } => format!("open W {}", timeout.0),
        watchdog::Effect::Ping => "ping".into(),
        watchdog::Effect::Resize { timeout } => format!("resize W {}", timeout.0),
        watchdog::Effect::Close => "close".into(),
        watchdog::Effect::Exit => "exit".into(),
    }
}

fn contender_input(input: &contender::Input) -> String {
    match input {
        contender::Input::Contend => "contend".into(),
        contender::Input::Fence { agent } => format!("fence agent {agent}"),
        contender::Input::Fenced { request, fenced } => {
            format!("fenced #{} {fenced:?}", request.number)
        }
        contender::Input::Watched(it) => format!("watched {}", snapshot(it)),
        contender::Input::Read {
            request,
            snapshot: read,
        } => format!("read #{} {}", request.number, snapshot(read)),
        contender::Input::Written {
            request,
            outcome: done,
        } => format!("written #{} {}", request.number, outcome(*done)),
        contender::Input::Move { service, target } => format!("move {service} to {target}"),
        contender::Input::Recover { service, order } => {
            format!("recover {service} to {}", order.location)
        }
        contender::Input::LetGo => "let go".into(),
        contender::Input::Resign => "resign".into(),
        contender::Input::Timer => "timer".into(),
    }
}

const fn name(who: Who) -> &'static str {
    match who {
        Who::Lrm => "lrm",
        Who::Mux => "mux",
        Who::Contender => "con",
    }
}

/// A step as a line for the input and one for every effect and event.
pub(crate) fn lines(entered: &Entered) -> Vec<String> {
    let (now, input, effects, events) = match entered {
        Entered::Began(who, me) => {
            return vec![format!(
                "    {} begins as process {}",
                name(*who),
                me.incarnation.0
            )];
        }
        Entered::Ended(who) => return vec![format!("    {} ends", name(*who))],
        Entered::Step(now, input, effects, events) => (now, input, effects, events),
    };
    let (who, input) = match input {
        Input::Lrm(input) => (Who::Lrm, lrm_input(input)),
        Input::Mux(input) => (Who::Mux, mux_input(input)),
        Input::Contender(input) => (Who::Contender, contender_input(input)),
    };
    let effect = |effect: &Effect| match effect {
        Effect::Lrm(effect) => lrm_effect(effect),
        Effect::Mux(effect) => mux_effect(effect),
        Effect::Contender(contender::Effect::Write(it)) => write(it),
        Effect::Contender(contender::Effect::Read(it)) => format!("read #{}", it.number),
        Effect::Contender(contender::Effect::Fence(it)) => {
            format!("fence #{} {}", it.request.number, it.node)
        }
    };
    let mut lines = vec![format!("{:3} {} < {input}", now.0, name(who))];
    lines.extend(
        effects
            .iter()
            .map(|it| format!("          > {}", effect(it))),
    );
    lines.extend(events.iter().map(|it| format!("          \"{it}\"")));
    lines
}
