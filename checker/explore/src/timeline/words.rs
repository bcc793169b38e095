//! Words for an action, from the state before it and what the machines decided in it.

use lockstep_model::contender;
use lockstep_model::lrm::{self, Leave};
use lockstep_model::record::Wanted;
use lockstep_model::time::Why;
use lockstep_world::state::{Delayed, Instance, Stage};
use lockstep_world::{Action, Proc, Said as Decided, World};

use super::cluster;
use super::exchange::{self, contender_input, lrm_input, mux_effect, to_mux};
use super::scene::{self, Scene, services};
use super::{Place, Tone};

/// A part of a sentence.
pub(super) struct Said {
    pub(super) place: Place,
    pub(super) who: String,
    pub(super) what: String,
    pub(super) tone: Tone,
}

/// What an action is, and what changes with it.
pub(super) fn of_action(
    scene: &Scene<'_>,
    action: &Action,
    after: &World,
    events: &[Decided],
) -> Vec<Said> {
    let mut said: Vec<Said> = act(scene, action).into_iter().collect();
    let (place, who) = speaker(scene, action, said.last());
    // What follows from an input says more than that it was taken in.
    if !events.is_empty() && matches!(action, Action::Wake { .. } | Action::Watch { .. }) {
        said.pop();
    }
    for event in events {
        let (what, tone) = match event {
            Decided::Machine(event) => exchange::decided(scene, event),
            Decided::Crm(event) => cluster::said(scene, event),
        };
        let who = who.clone();
        said.push(Said {
            place,
            who,
            what,
            tone,
        });
    }
    said.extend(instances(scene, action, after));
    said
}

/// Who decided what was decided in an action.
#[expect(clippy::wildcard_enum_match_arm, reason = "mostly it is who acted")]
fn speaker(scene: &Scene<'_>, action: &Action, last: Option<&Said>) -> (Place, String) {
    let process = |host, proc| (scene.place(host), scene.proc(host, proc));
    match *action {
        Action::RestartLrm { host } | Action::StopLrm { host } | Action::PowerOn { host } => {
            process(host, Proc::Lrm(0))
        }
        Action::StartLrm { host } | Action::SecondLrm { host } => {
            (scene.place(host), "new LRM".into())
        }
        Action::StartMux { host } | Action::TerminateMux { host } => process(host, Proc::Mux),
        Action::StartCrm { host } | Action::StopCrm { host } => process(host, Proc::Crm),
        _ => last.map_or((Place::Elsewhere, String::new()), |last| {
            (last.place, last.who.clone())
        }),
    }
}

fn act(scene: &Scene<'_>, action: &Action) -> Option<Said> {
    match *action {
        Action::Execute { .. }
        | Action::ExecuteDelayed { .. }
        | Action::Deliver { .. }
        | Action::Watch { .. }
        | Action::Wake { .. } => acts(scene, action),
        Action::Resume { .. }
        | Action::Pause { .. }
        | Action::Crash { .. }
        | Action::PingEnters { .. }
        | Action::OpenFails { .. }
        | Action::PingLands { .. }
        | Action::KillTimer { .. } => befalls_process(scene, action),
        Action::Work { .. }
        | Action::WorkFails { .. }
        | Action::WorkHangs { .. }
        | Action::Reset { .. }
        | Action::PauseAll { .. }
        | Action::StartLrm { .. }
        | Action::StartMux { .. }
        | Action::StartContender { .. }
        | Action::StartCrm { .. }
        | Action::StandIn { .. }
        | Action::PowerOff { .. }
        | Action::PowerOn { .. }
        | Action::Isolate { .. }
        | Action::Heal { .. }
        | Action::HostStops { .. }
        | Action::HostGoesOn { .. }
        | Action::Suspend { .. }
        | Action::WakeUp { .. }
        | Action::Fence { .. }
        | Action::FenceFails { .. }
        | Action::FenceLies { .. }
        | Action::ServiceEnds { .. }
        | Action::TickDrifting { .. } => befalls_host(scene, action),
        Action::Outage => Some(elsewhere("store: nobody can reach it", Tone::Fault)),
        Action::OutageEnds => Some(elsewhere("store: can be reached again", Tone::Notable)),
        Action::Rollback => Some(elsewhere("store: forgets its last write", Tone::Fault)),
        Action::Apply { delayed } => applies(scene, delayed),
        Action::Answer { delayed } => answers(scene, delayed),
        Action::HandEdit { .. }
        | Action::Want { .. }
        | Action::RestartLrm { .. }
        | Action::StopLrm { .. }
        | Action::EndLrm { .. }
        | Action::Maintain { .. }
        | Action::Disarm { .. }
        | Action::Arm
        | Action::Order { .. }
        | Action::Reconfigure
        | Action::TerminateMux { .. }
        | Action::SecondLrm { .. }
        | Action::Command { .. }
        | Action::Edit { .. }
        | Action::StopCrm { .. }
        | Action::ConfirmDead { .. }
        | Action::Contend { .. }
        | Action::Move { .. }
        | Action::LetGo { .. } => acts_of_people(scene, action),
        Action::Tick => None,
    }
}

/// What a process does.
#[expect(clippy::wildcard_enum_match_arm, reason = "`act` has sorted")]
fn acts(scene: &Scene<'_>, action: &Action) -> Option<Said> {
    let routine = |host, proc, what: &str| Some(by(scene, host, proc, what, Tone::Routine));
    match *action {
        Action::Execute { host, proc, effect } => {
            let (what, tone) = request(scene, host, proc, effect);
            Some(by(scene, host, proc, what, tone))
        }
        Action::ExecuteDelayed { host, proc, effect } => {
            let (what, _) = request(scene, host, proc, effect);
            let what = format!("{what}, but the request is delayed");
            Some(by(scene, host, proc, what, Tone::Fault))
        }
        Action::Deliver { host, proc, input } => {
            routine(host, proc, &takes_in(scene, host, proc, input)?)
        }
        Action::Watch { host, proc } => routine(host, proc, "hears from the store's watch"),
        Action::Wake { host, proc } => routine(host, proc, wakes(scene, host, proc)),
        _ => None,
    }
}

/// What befalls a process.
#[expect(clippy::wildcard_enum_match_arm, reason = "`act` has sorted")]
fn befalls_process(scene: &Scene<'_>, action: &Action) -> Option<Said> {
    let said = |host, proc, what, tone| Some(by(scene, host, proc, what, tone));
    match *action {
        Action::Resume { host, proc } => said(host, proc, "goes on (SIGCONT)", Tone::Fault),
        Action::Pause { host, proc } => said(host, proc, "is stopped (SIGSTOP)", Tone::Fault),
        Action::Crash { host, proc } => said(host, proc, "dies", Tone::Fault),
        Action::PingEnters { host, .. } => {
            let what = "pings the device, but the ping hangs in the kernel";
            said(host, Proc::Mux, what, Tone::Fault)
        }
        Action::OpenFails { host, longer, .. } => {
            let what = match longer {
                true => "opens the device, which counts for longer than was asked",
                false => "fails to open the device",
            };
            said(host, Proc::Mux, what, Tone::Fault)
        }
        Action::PingLands { host } => {
            let what = "the late ping reaches the device";
            said(host, Proc::Mux, what, Tone::Alarm)
        }
        Action::KillTimer { host } => {
            let what = "is killed by its timer; the kernel closes the device, which pings it";
            said(host, Proc::Mux, what, Tone::Alarm)
        }
        _ => None,
    }
}

/// What befalls a host, its agents, or its services.
#[expect(clippy::wildcard_enum_match_arm, reason = "`act` has sorted")]
fn befalls_host(scene: &Scene<'_>, action: &Action) -> Option<Said> {
    let said = |host: usize, what: String, tone| Some(on(scene, host, what, tone));
    let job = |host: usize, worker: usize| {
        let worker = scene.world.hosts.get(host)?.workers.get(worker)?;
        Some(format!(
            "agent: {} {}",
            exchange::job(worker.job),
            worker.service
        ))
    };
    match *action {
        Action::Reset { host } => said(host, "is reset by its watchdog".into(), Tone::Alarm),
        Action::PauseAll { host } => {
            said(host, "everything is stopped (SIGSTOP)".into(), Tone::Fault)
        }
        Action::StartLrm { host } => said(host, "LRM is started again".into(), Tone::Notable),
        Action::StartMux { host } => said(host, "mux is started again".into(), Tone::Notable),
        Action::StartContender { host } => {
            said(host, "contender is started again".into(), Tone::Notable)
        }
        Action::StartCrm { host } => said(host, "CRM is started again".into(), Tone::Notable),
        Action::StandIn { host, act } => {
            let (what, tone) = cluster::act(scene, host, act);
            said(host, format!("LRM {what}"), tone)
        }
        Action::PowerOff { host } => said(host, "loses power".into(), Tone::Fault),
        Action::PowerOn { host } => said(host, "boots".into(), Tone::Notable),
        Action::Isolate { host } => said(host, "can't reach the store".into(), Tone::Fault),
        Action::Heal { host } => said(host, "can reach the store again".into(), Tone::Notable),
        Action::HostStops { host } => {
            said(host, "is stopped by its hypervisor".into(), Tone::Fault)
        }
        Action::HostGoesOn { host } => said(host, "goes on".into(), Tone::Fault),
        Action::Suspend { host } => said(host, "is suspended".into(), Tone::Fault),
        Action::WakeUp { host } => said(host, "wakes up".into(), Tone::Fault),
        Action::Fence { host, agent } => {
            let node = scene.node(scene.world.hosts.get(host)?.agents.get(agent)?.node);
            said(
                host,
                format!("a fence agent switches {node} off"),
                Tone::Alarm,
            )
        }
        Action::FenceFails { host, .. } => said(host, "a fence agent fails".into(), Tone::Fault),
        Action::FenceLies { host, .. } => said(host, "a fence agent lies".into(), Tone::Fault),
        Action::ServiceEnds { host, service } => said(
            host,
            format!("service {service} ends by itself"),
            Tone::Fault,
        ),
        Action::Work { host, worker } => said(host, job(host, worker)?, Tone::Routine),
        Action::WorkFails { host, worker } => said(
            host,
            format!("{}, fails half-way", job(host, worker)?),
            Tone::Fault,
        ),
        Action::WorkHangs { host, worker } => {
            said(host, format!("{}, hangs", job(host, worker)?), Tone::Fault)
        }
        Action::TickDrifting { host, fast: true } => {
            said(host, "its clock counts two ticks".into(), Tone::Fault)
        }
        Action::TickDrifting { host, fast: false } => {
            said(host, "its clock skips a tick".into(), Tone::Fault)
        }
        _ => None,
    }
}

/// What administrators do, or the manager for them.
#[expect(clippy::wildcard_enum_match_arm, reason = "`act` has sorted")]
fn acts_of_people(scene: &Scene<'_>, action: &Action) -> Option<Said> {
    let person = |what: String| Some(elsewhere(what, Tone::Fault));
    match *action {
        Action::HandEdit { service, to } => {
            let node = scene.node(scene.setup.hosts.get(to)?.node);
            person(format!("somebody edits: {service} belongs to {node}"))
        }
        Action::Want { service, wanted } => {
            let wanted = scene::wanted(wanted);
            person(format!("somebody wants {service} {wanted}"))
        }
        Action::RestartLrm { host } => {
            person(format!("somebody restarts the LRM of {}", scene.host(host)))
        }
        Action::StopLrm { host } => {
            person(format!("somebody stops the LRM of {}", scene.host(host)))
        }
        Action::EndLrm { host, way } => {
            let how = match way {
                Leave::Restart => "restarts",
                Leave::Stop => "stops",
                Leave::StopAndFreeze => "stops, to come back,",
                Leave::Migrate => "ends, once it is empty,",
            };
            person(format!("somebody {how} the LRM of {}", scene.host(host)))
        }
        Action::Maintain { host } => person(format!(
            "somebody asks {} to do maintenance, or to end it",
            scene.host(host)
        )),
        Action::Disarm { ignore: true } => person("somebody disarms, ignoring services".into()),
        Action::Disarm { ignore: false } => person("somebody disarms, freezing services".into()),
        Action::Arm => person("somebody arms again".into()),
        Action::Order { service, wanted } => {
            let to = match wanted {
                Wanted::Moved { target, .. } => format!(" to {}", scene.node(target)),
                Wanted::Started
                | Wanted::Stopped
                | Wanted::Untouched
                | Wanted::Ignored
                | Wanted::Fenced => String::new(),
            };
            let wanted = scene::wanted(wanted);
            person(format!("the manager orders {service} {wanted}{to}"))
        }
        Action::Reconfigure => person("somebody puts other timings in force".into()),
        Action::TerminateMux { host } => person(format!(
            "somebody terminates the mux of {}",
            scene.host(host)
        )),
        Action::SecondLrm { host } => person(format!(
            "somebody starts a second LRM on {}",
            scene.host(host)
        )),
        _ => acts_in_cluster(scene, action),
    }
}

/// What people do with CRMs.
#[expect(clippy::wildcard_enum_match_arm, reason = "`act` has sorted")]
fn acts_in_cluster(scene: &Scene<'_>, action: &Action) -> Option<Said> {
    let person = |what: String| Some(elsewhere(what, Tone::Fault));
    match *action {
        Action::Command { which } => {
            let commands = scene.setup.cluster.as_ref().map(|it| &it.commands)?;
            person(format!("somebody commands: {}", commands.get(which)?.text))
        }
        Action::Edit { which } => {
            let edits = scene.setup.cluster.as_ref().map(|cluster| &cluster.edits)?;
            let edit = edits.get(which)?;
            let what = cluster::data(scene, edit.key, &edit.data);
            person(format!("somebody {what}"))
        }
        Action::StopCrm { host } => {
            person(format!("somebody stops the CRM of {}", scene.host(host)))
        }
        Action::ConfirmDead { host } => person(format!(
            "somebody confirms that {} is dead",
            scene.host(host)
        )),
        _ => acts_of_manager(scene, action),
    }
}

/// What the manager has a contender do.
#[expect(clippy::wildcard_enum_match_arm, reason = "`act` has sorted")]
fn acts_of_manager(scene: &Scene<'_>, action: &Action) -> Option<Said> {
    match *action {
        Action::Contend { host } => Some(by(
            scene,
            host,
            Proc::Contender,
            "is told by the manager to take the lock",
            Tone::Routine,
        )),
        Action::Move { host, service, to } => {
            let node = scene.node(scene.setup.hosts.get(to)?.node);
            let what = format!("is told by the manager to move {service} to {node}");
            Some(by(scene, host, Proc::Contender, what, Tone::Routine))
        }
        Action::LetGo { host } => Some(by(
            scene,
            host,
            Proc::Contender,
            "is told by the manager to give the lock back",
            Tone::Routine,
        )),
        _ => None,
    }
}

fn by(scene: &Scene<'_>, host: usize, proc: Proc, what: impl Into<String>, tone: Tone) -> Said {
    Said {
        place: scene.place(host),
        who: scene.proc(host, proc),
        what: what.into(),
        tone,
    }
}

fn on(scene: &Scene<'_>, host: usize, what: impl Into<String>, tone: Tone) -> Said {
    Said {
        place: scene.place(host),
        who: String::new(),
        what: what.into(),
        tone,
    }
}

fn elsewhere(what: impl Into<String>, tone: Tone) -> Said {
    Said {
        place: Place::Elsewhere,
        who: String::new(),
        what: what.into(),
        tone,
    }
}

/// What a process does with the effect of this number.
fn request(scene: &Scene<'_>, host: usize, proc: Proc, effect: usize) -> (String, Tone) {
    if let Some(write) = scene.world.write_of(host, proc, effect) {
        let (what, tone) = exchange::write(scene, write);
        return if !scene.world.reaches_store(host) {
            (
                format!("{what}: lost, the store can't be reached"),
                Tone::Routine,
            )
        } else if scene.world.store.would_apply(write) {
            (what, tone)
        } else {
            (format!("{what}: refused"), tone)
        };
    }
    let Some(value) = scene.world.hosts.get(host) else {
        return (String::new(), Tone::Routine);
    };
    let nothing = || ("does nothing".to_owned(), Tone::Routine);
    match proc {
        Proc::Lrm(index) => {
            let lrm = value.lrms.get(index);
            lrm.and_then(|lrm| lrm.outbox.get(effect))
                .map_or_else(nothing, |effect| lrm_effect(scene, host, effect))
        }
        Proc::Mux => {
            let mux = value.mux.as_ref();
            mux.and_then(|mux| mux.outbox.get(effect))
                .map_or_else(nothing, |effect| mux_effect(scene, effect))
        }
        Proc::Contender => {
            let contender = value.contender.as_ref();
            let effect = contender.and_then(|it| it.outbox.get(effect));
            match effect {
                Some(contender::Effect::Fence(order)) => cluster::asks_agent(scene, order),
                Some(contender::Effect::Write(_) | contender::Effect::Read(_)) | None => {
                    (reads(scene, host), Tone::Routine)
                }
            }
        }
        Proc::Crm => {
            let crm = value.crm.as_ref();
            crm.and_then(|crm| crm.outbox.get(effect))
                .map_or_else(nothing, |effect| {
                    cluster::effect(scene, effect, reads(scene, host))
                })
        }
    }
}

fn reads(scene: &Scene<'_>, host: usize) -> String {
    match scene.world.reaches_store(host) {
        true => "reads the store".into(),
        false => "asks the store in vain".into(),
    }
}

fn lrm_effect(scene: &Scene<'_>, host: usize, effect: &lrm::Effect) -> (String, Tone) {
    use lrm::Effect;
    match effect {
        Effect::Write(write) => exchange::write(scene, write),
        Effect::Read(_) => (reads(scene, host), Tone::Routine),
        Effect::Watchdog(request) => (
            format!("asks the mux: {}", to_mux(scene, request)),
            Tone::Routine,
        ),
        Effect::Reap => ("ends workers of its predecessor".into(), Tone::Routine),
        Effect::RecordIntent { service, job } => {
            let job = exchange::job(*job);
            (
                format!("records the intent to {job} {service}"),
                Tone::Routine,
            )
        }
        Effect::Spawn { service, job, .. } => {
            let job = exchange::job(*job);
            (format!("has an agent {job} {service}"), Tone::Routine)
        }
        Effect::KillServices(ids) => (format!("kills {}", services(ids)), Tone::Alarm),
        Effect::Exit => ("exits".into(), Tone::Notable),
    }
}

fn takes_in(scene: &Scene<'_>, host: usize, proc: Proc, input: usize) -> Option<String> {
    let value = scene.world.hosts.get(host)?;
    match proc {
        Proc::Lrm(index) => {
            let input = value.lrms.get(index)?.inbox.get(input)?;
            Some(lrm_input(scene, input))
        }
        Proc::Contender => {
            let input = value.contender.as_ref()?.inbox.get(input)?;
            Some(contender_input(scene, input))
        }
        Proc::Crm => {
            let input = value.crm.as_ref()?.inbox.get(input)?;
            Some(cluster::input(input))
        }
        Proc::Mux => {
            let message = value.mux.as_ref()?.inbox.get(input)?;
            Some(match &message.request {
                Some(request) => format!("is asked: {}", to_mux(scene, request)),
                None => "sees a connection end".into(),
            })
        }
    }
}

/// Why a process wakes up.
fn wakes(scene: &Scene<'_>, host: usize, proc: Proc) -> &'static str {
    let config = scene.setup.config(scene.world.reconfigured);
    let wakeup = scene.world.hosts.get(host).and_then(|host| match proc {
        Proc::Lrm(index) => host.lrms.get(index)?.machine.next_wakeup(config),
        Proc::Mux => host.mux.as_ref()?.machine.next_wakeup(config),
        Proc::Contender => host.contender.as_ref()?.machine.next_wakeup(config),
        Proc::Crm => host.crm.as_ref()?.machine.next_wakeup(config),
    });
    match wakeup.map(|wakeup| wakeup.why) {
        Some(Why::Renewal) => "a renewal is due",
        Some(Why::RequestTimeout) => "a request had no answer for τ",
        Some(Why::ObservationEnds) => "the lock was silent for T(1+ρ)",
        Some(Why::Ping) => "a ping is due",
        Some(Why::Deadline) => "D is over",
        Some(Why::StopServices) => "D − g is over",
        Some(Why::KillServices) => "the stop budget ends",
        Some(Why::FenceSettles) => "what the dead node wrote last has had δ",
        Some(Why::Retry) => "tries again",
        Some(Why::Idle) => "has nothing to run",
        Some(Why::Presence) => "shows that it lives",
        Some(Why::Round) => "is to decide anew",
        Some(Why::NodeSilent) => "a node was silent for 3b",
        None => "wakes",
    }
}

fn applies(scene: &Scene<'_>, delayed: usize) -> Option<Said> {
    let Delayed { from, stage } = scene.world.store.delayed.get(delayed)?;
    let who = scene.process(*from);
    let what = match stage {
        Stage::Sent { write, .. } => {
            let (what, _) = exchange::write(scene, write);
            let refused = if scene.world.store.would_apply(write) {
                ""
            } else {
                ": refused"
            };
            format!("store: a late request of {who} {what}{refused}")
        }
        Stage::Written(..) | Stage::Read(..) => format!("store: a late answer for {who}"),
    };
    Some(elsewhere(what, Tone::Fault))
}

fn answers(scene: &Scene<'_>, delayed: usize) -> Option<Said> {
    let Delayed { from, .. } = scene.world.store.delayed.get(delayed)?;
    let what = format!("store: the late answer reaches {}", scene.process(*from));
    Some(elsewhere(what, Tone::Fault))
}

/// What becomes of services' processes.
fn instances(scene: &Scene<'_>, action: &Action, after: &World) -> Vec<Said> {
    let mut said = Vec::new();
    let fate = if matches!(action, Action::ServiceEnds { .. }) {
        None
    } else if matches!(action, Action::PowerOff { .. } | Action::Reset { .. }) {
        Some("dies")
    } else {
        Some("stopped")
    };
    let hosts = scene.world.hosts.iter().zip(&after.hosts).enumerate();
    for (host, (old, new)) in hosts {
        let services = scene
            .setup
            .service_ids()
            .zip(old.instances.iter().zip(&new.instances));
        for (service, (old, new)) in services {
            let (what, tone) = match (old, new) {
                (Instance::Absent, Instance::Running) => ("started", Tone::Notable),
                (Instance::Outgoing | Instance::Incoming, Instance::Running) => {
                    ("goes on", Tone::Notable)
                }
                (Instance::Stale, Instance::Running) => ("goes on, out of date", Tone::Alarm),
                (_, Instance::Outgoing) if old != new => ("is paused and sent", Tone::Notable),
                (_, Instance::Incoming) if old != new => ("has come, paused", Tone::Notable),
                (_, Instance::Stale) if old != new => ("is out of date here", Tone::Routine),
                (Instance::Outgoing | Instance::Incoming | Instance::Stale, Instance::Absent) => {
                    ("destroyed", Tone::Notable)
                }
                (Instance::Half, Instance::Running) => ("runs", Tone::Notable),
                (_, Instance::Half) if old != new => ("is left half-way", Tone::Fault),
                (Instance::Running | Instance::Half, Instance::Absent) => match fate {
                    Some(fate) => (fate, Tone::Notable),
                    None => continue,
                },
                (
                    Instance::Absent
                    | Instance::Running
                    | Instance::Half
                    | Instance::Outgoing
                    | Instance::Incoming
                    | Instance::Stale,
                    _,
                ) => continue,
            };
            said.push(on(scene, host, format!("service {service} {what}"), tone));
        }
    }
    said
}
