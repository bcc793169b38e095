//! The state at the end of a story.

use lockstep_model::id::LockId;
use lockstep_model::record::{GrantState, Key, Record};
use lockstep_model::time::Instant;
use lockstep_world::state::{Device, Host, Instance};

use super::scene::{Scene, services, wanted};

/// Paragraphs with headings: locks, services, then each host.
pub(super) fn of(scene: &Scene<'_>) -> Vec<(String, Vec<String>)> {
    let mut paragraphs = vec![("store".to_owned(), store(scene))];
    let mut hosts: Vec<(usize, usize)> = scene
        .columns
        .iter()
        .copied()
        .enumerate()
        .map(|(host, column)| (column, host))
        .collect();
    hosts.sort_unstable();
    for (_, host) in hosts {
        paragraphs.push((scene.host(host), host_state(scene, host)));
    }
    paragraphs
}

fn store(scene: &Scene<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for history in &scene.world.store.locks {
        let lock = match history.lock {
            LockId::Manager => "manager lock".into(),
            LockId::Agent(node) => format!("lock of {}", scene.node(node)),
        };
        let Some(grant) = scene.world.grant_of(history.lock) else {
            continue;
        };
        let holder = scene.holder(&grant.holder);
        let term = format!("term {}", grant.epoch);
        let silent = format!("silent for {} of T = {}", history.age, grant.ttl.0);
        lines.push(match &grant.state {
            GrantState::HeldGuarded => {
                format!("{lock}: held by {holder}, {term}, {silent}")
            }
            GrantState::HeldUnguarded(list) => format!(
                "{lock}: held by {holder}, {term}, {silent}; {} may run unguarded",
                services(&list.services)
            ),
            GrantState::ReleasedClean => {
                format!("{lock}: free, released by {holder} with nothing running, {term}")
            }
            GrantState::ReleasedRunning(list) => format!(
                "{lock}: free, released by {holder} with {} left running, {term}",
                services(&list.services)
            ),
        });
    }
    for entry in &scene.world.store.entries {
        if let (Key::Service(id), Record::Service(service)) = (entry.key, &entry.record) {
            let wanted = wanted(service.wanted);
            lines.push(format!(
                "service {id}: {wanted} on {}",
                scene.node(service.location)
            ));
        }
    }
    if scene.world.store.down {
        lines.push("nobody can reach it".into());
    }
    if !scene.world.store.delayed.is_empty() {
        let count = scene.world.store.delayed.len();
        lines.push(format!("requests and answers still under way: {count}"));
    }
    lines
}

fn host_state(scene: &Scene<'_>, index: usize) -> Vec<String> {
    let Some(host) = scene.world.hosts.get(index) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    if !host.on {
        lines.push("off".into());
    }
    if host.stopped {
        lines.push("stopped by its hypervisor".into());
    }
    if host.isolated {
        lines.push("can't reach the store".into());
    }
    lines.extend(instances(scene, host));
    lines.extend(processes(scene, index, host));
    lines.extend(device(scene, host));
    if lines.is_empty() {
        lines.push("nothing runs".into());
    }
    lines
}

fn instances(scene: &Scene<'_>, host: &Host) -> Vec<String> {
    let each = scene
        .setup
        .service_ids()
        .zip(host.instances.iter().zip(&host.trailing));
    each.filter_map(|(service, (instance, trailing))| match instance {
        Instance::Running => Some(format!("service {service}: runs here")),
        Instance::Half => Some(format!(
            "service {service}: half-way, something may run here"
        )),
        Instance::Outgoing => Some(format!("service {service}: sent away, paused here")),
        Instance::Incoming => Some(format!("service {service}: has come here, paused")),
        Instance::Stale => Some(format!("service {service}: paused here, out of date")),
        Instance::Absent if *trailing > 0 => Some(format!(
            "service {service}: dead, its I/O trails for {trailing} more"
        )),
        Instance::Absent => None,
    })
    .collect()
}

fn processes(scene: &Scene<'_>, index: usize, host: &Host) -> Vec<String> {
    let moment = |name: &str, at: Option<Instant>| match at {
        Some(at) => format!(", {name} at {}", scene.at_and_ahead(at)),
        None => String::new(),
    };
    let paused = |paused: bool| if paused { ", stopped (SIGSTOP)" } else { "" };
    host.processes()
        .filter_map(|proc| {
            let name = scene.proc(index, proc);
            let (state, halted) = match proc {
                lockstep_world::Proc::Lrm(lrm) => {
                    let lrm = host.lrms.get(lrm)?;
                    let hold = lrm.machine.lock().hold();
                    let lock = if hold.is_some() {
                        ", holds its lock"
                    } else {
                        ""
                    };
                    let expires = hold.and_then(|hold| hold.expires);
                    let authority = moment("authority E", expires);
                    (
                        format!("{}{lock}{authority}", lrm.machine.state()),
                        lrm.paused,
                    )
                }
                lockstep_world::Proc::Mux => {
                    let mux = host.mux.as_ref()?;
                    let config = scene.setup.config(scene.world.reconfigured);
                    let deadline = mux.machine.deadline(config);
                    let state = match deadline {
                        Some(_) if mux.machine.is_expired() => "expired",
                        Some(_) => "armed",
                        None => "not armed",
                    };
                    (
                        format!("{state}{}", moment("deadline D", deadline)),
                        mux.paused,
                    )
                }
                lockstep_world::Proc::Crm => {
                    let crm = host.crm.as_ref()?;
                    (crm.machine.state().to_string(), crm.paused)
                }
                lockstep_world::Proc::Contender => {
                    let contender = host.contender.as_ref()?;
                    let hold = contender.machine.lock().hold();
                    let state = match hold {
                        Some(_) => "holds the lock",
                        None if contender.machine.is_wanted() => "wants the lock",
                        None => "idle",
                    };
                    let authority = moment("authority E", hold.and_then(|hold| hold.expires));
                    (format!("{state}{authority}"), contender.paused)
                }
            };
            Some(format!("{name}: {state}{}", paused(halted)))
        })
        .collect()
}

fn device(scene: &Scene<'_>, host: &Host) -> Option<String> {
    let Device::Counting { timeout, elapsed } = host.device else {
        return None;
    };
    let first = timeout.0.saturating_sub(elapsed);
    let last = (timeout.0 + scene.setup.physics.device_slack).saturating_sub(elapsed);
    let when = if last == 0 {
        "now".to_owned()
    } else if first == last {
        format!("in {last}")
    } else {
        format!("in {first} to {last}")
    };
    Some(format!(
        "device: counts, last ping {elapsed} ago, resets {when}"
    ))
}
