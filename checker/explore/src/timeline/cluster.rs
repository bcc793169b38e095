//! Words for CRMs, for what stands for LRMs, and for what people tell them.

use lockstep_model::contender::{Fenced, Order};
use lockstep_model::id::ServiceId;
use lockstep_model::manager::status::{Entry, LrmMode, Status};
use lockstep_model::master::{Effect, Event};
use lockstep_model::record::{Data, DataKey};
use lockstep_world::crm::FromStore;
use lockstep_world::stand_in::Act;

use super::Tone;
use super::exchange::{decided, outcome};
use super::scene::{Scene, services};

/// What a CRM decided.
pub(super) fn said(scene: &Scene<'_>, event: &Event) -> (String, Tone) {
    if let Event::Lock(event) = event {
        return decided(scene, event);
    }
    let mut text = String::new();
    let names = scene.setup.cluster.as_ref().map(|cluster| &cluster.names);
    let written = names.map(|names| event.write(&mut text, names));
    debug_assert!(
        matches!(written, None | Some(Ok(()))),
        "a string takes everything"
    );
    (text, Tone::Notable)
}

/// What a CRM is about to do.
pub(super) fn effect(scene: &Scene<'_>, effect: &Effect, reads: String) -> (String, Tone) {
    match effect {
        Effect::Write(_) => ("writes".into(), Tone::Routine),
        Effect::Read(_) => (reads, Tone::Routine),
        Effect::Fence(order) => asks_agent(scene, order),
        Effect::Exit => ("exits".into(), Tone::Notable),
    }
}

/// What a CRM takes in.
pub(super) fn input(input: &FromStore) -> String {
    match input {
        FromStore::Read { .. } => "takes in what it read".into(),
        FromStore::Written { outcome: what, .. } => outcome(what).into(),
        FromStore::Fenced { fenced, .. } => answer(*fenced).into(),
    }
}

/// What somebody has a fence agent do.
pub(super) fn asks_agent(scene: &Scene<'_>, order: &Order) -> (String, Tone) {
    let node = scene.node(order.node);
    (
        format!("has a fence agent switch {node} off"),
        Tone::Notable,
    )
}

/// What a fence agent says.
pub(super) const fn answer(fenced: Fenced) -> &'static str {
    match fenced {
        Fenced::Off => "hears: it is off",
        Fenced::Failed => "hears: the agent failed",
    }
}

/// What a record of the manager's says.
pub(super) fn data(scene: &Scene<'_>, key: DataKey, data: &Data) -> String {
    match data {
        Data::Status(status) => status_words(scene, status),
        Data::Entry(entry) => match (key, entry) {
            (DataKey::Entry(id), Some(entry)) => entry_words(scene, id, entry),
            (DataKey::Entry(id), None) => format!("manages {id} no more"),
            (
                DataKey::Status
                | DataKey::Lrm(_)
                | DataKey::Resource(_)
                | DataKey::Commands
                | DataKey::Rules
                | DataKey::Groups
                | DataKey::Fence(_),
                _,
            ) => "writes an entry".into(),
        },
        Data::Lrm(published) => {
            let mode = published.status.mode.map_or("nothing", LrmMode::name);
            let results = published.status.results.iter();
            let results = results.map(|result| format!(", {}: {}", result.service, result.code));
            format!("says: {mode}{}", results.collect::<String>())
        }
        Data::Resource(Some(resource)) => format!("configures {}", resource.requested.name()),
        Data::Resource(None) => "removes a service".into(),
        Data::Commands(commands) if commands.is_empty() => "takes the commands".into(),
        Data::Commands(_) => "writes commands".into(),
        Data::Rules(_) => "writes rules".into(),
        Data::Groups(_) => "writes groups".into(),
        Data::Fence(fence) => format!("notes that term {} is to be ended", fence.term.epoch),
    }
}

fn status_words(scene: &Scene<'_>, status: &Status) -> String {
    let nodes = status.nodes.iter();
    let nodes = nodes.map(|(node, state)| format!("{} {state}", scene.node(node)));
    let disarm = status.disarm.as_ref();
    let disarm = disarm.map(|disarm| format!("; {} ({})", disarm.state_name(), disarm.mode.name()));
    let nodes = nodes.collect::<Vec<String>>().join(", ");
    format!("notes: {nodes}{}", disarm.unwrap_or_default())
}

fn entry_words(scene: &Scene<'_>, id: ServiceId, entry: &Entry) -> String {
    let node = entry.node.map_or("nowhere".into(), |node| scene.node(node));
    let target = entry
        .target
        .map(|target| format!(" to {}", scene.node(target)));
    let state = entry.state.name();
    format!("{id} is {state} on {node}{}", target.unwrap_or_default())
}

/// What a stand-in does.
pub(super) fn act(scene: &Scene<'_>, host: usize, act: Act) -> (String, Tone) {
    let node = scene.setup.hosts.get(host).map(|host| host.node);
    let lock = node.map_or(String::new(), |node| {
        format!("the lock of {}", scene.node(node))
    });
    let one = |id: ServiceId| services(&[id]);
    match act {
        Act::Take => (format!("takes {lock}"), Tone::Notable),
        Act::Guard => (
            format!("has armed its watchdog, writes {lock} guarded"),
            Tone::Notable,
        ),
        Act::Release => (format!("releases {lock}, nothing runs"), Tone::Notable),
        Act::LeaveRunning => (
            format!("releases {lock}, services left running"),
            Tone::Notable,
        ),
        Act::Carry(id) => (
            format!("carries out what {} is to do", one(id)),
            Tone::Notable,
        ),
        Act::Fail(id) => (
            format!("fails to do with {} what it is to", one(id)),
            Tone::Fault,
        ),
        Act::Stop(id) => (format!("stops {}", one(id)), Tone::Notable),
        Act::Publish => ("says what it is there for".into(), Tone::Routine),
        Act::PublishBefore => (
            "says that it waits for its lock, which it has".into(),
            Tone::Routine,
        ),
        Act::Return => ("comes back".into(), Tone::Notable),
        Act::GiveUp => (
            "is cut off, and has stopped its services".into(),
            Tone::Alarm,
        ),
        Act::Reset => (
            "is cut off, and its watchdog resets the host".into(),
            Tone::Alarm,
        ),
        Act::Pause => ("is stopped (SIGSTOP)".into(), Tone::Fault),
        Act::Resume => ("goes on (SIGCONT)".into(), Tone::Fault),
        Act::Crash => ("dies".into(), Tone::Fault),
    }
}
