//! A world as parts: each host's hardware, each process's machine and its mail, each record.
//!
//! Few of these differ between two worlds, so a world is a few dozen small numbers. Every structure
//! is taken apart with all its fields named: one that is added must be put somewhere, or nothing
//! compiles. What is inside a part goes through serde, in postcard's format.

use lockstep_world::shared::Shared;
use lockstep_world::state::{Host, Process, Store, World};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::search::{Encoding, Parts, Pieces};

/// Worlds as parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Worlds;

/// The kinds of parts.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// How many hosts there are, and what may still happen.
    Budget,
    /// What a host is, and which processes run on it.
    Power,
    /// The watchdog's device and what the kernel does for the multiplexer.
    Device,
    /// The services' processes and workers.
    Services,
    Lrm,
    LrmMail,
    Mux,
    MuxMail,
    Contender,
    ContenderMail,
    Crm,
    CrmMail,
    StandIn,
    /// What an LRM's process publishes with.
    Presence,
    /// The store without its records.
    Store,
    Record,
    Delayed,
    /// The locks' history.
    Locks,
    /// What stood before the last write.
    Before,
}

impl Encoding<World> for Worlds {
    fn kinds(&self) -> usize {
        Kind::Before as usize + 1
    }

    fn take_apart(&self, world: &World, parts: &mut Parts) {
        let World {
            hosts,
            store,
            faults_left,
            faults_spent,
            admin_left,
            orders_left,
            unowned,
            reconfigured,
        } = world;
        let asked = (admin_left, orders_left, reconfigured);
        let left = (faults_left, faults_spent, asked, unowned);
        put(parts, Kind::Budget, &(hosts.len(), left));
        for host in hosts {
            take_host(host, parts);
        }
        take_store(store, parts);
    }

    fn put_together(&self, parts: &mut Pieces<'_, '_>) -> Option<World> {
        let (hosts, left) = get(parts, Kind::Budget)?;
        let (faults_left, faults_spent, asked, unowned) = left;
        let (admin_left, orders_left, reconfigured) = asked;
        let hosts: usize = hosts;
        Some(World {
            hosts: (0..hosts)
                .map(|_| put_host(parts).map(Shared::new))
                .collect::<Option<_>>()?,
            store: Shared::new(put_store(parts)?),
            faults_left,
            faults_spent,
            admin_left,
            orders_left,
            unowned,
            reconfigured,
        })
    }
}

/// Appends a part.
fn put(parts: &mut Parts, kind: Kind, value: &impl Serialize) {
    parts.push(kind as usize, |bytes| {
        let written = postcard::to_extend(value, std::mem::take(bytes));
        *bytes = written.expect("a world's part has a length, and memory takes it");
    });
}

/// The next part.
fn get<T: DeserializeOwned>(parts: &mut Pieces<'_, '_>, kind: Kind) -> Option<T> {
    let bytes = parts.next_of(kind as usize)?;
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(value)
}

/// What is there only if it `is` there.
fn optional<T>(is: bool, make: impl FnOnce() -> Option<T>) -> Option<Option<T>> {
    match is {
        true => make().map(Some),
        false => Some(None),
    }
}

/// How many processes of each sort a host has.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Processes {
    lrms: usize,
    mux: bool,
    contender: bool,
    crm: bool,
    presence: bool,
    stand_in: bool,
}

fn take_host(host: &Host, parts: &mut Parts) {
    let Host {
        node,
        machine,
        on,
        boot,
        next_incarnation,
        device,
        kill_timer,
        marker,
        slow_ping,
        lrms,
        mux,
        mux_peer,
        contender,
        crm,
        presence,
        stand_in,
        instances,
        trailing,
        workers,
        agents,
        intents,
        failed,
        isolated,
        stopped,
        suspended,
        stop_left,
        drift_wait,
        last_deadline,
    } = host;
    let processes = Processes {
        lrms: lrms.len(),
        mux: mux.is_some(),
        contender: contender.is_some(),
        crm: crm.is_some(),
        presence: presence.is_some(),
        stand_in: stand_in.is_some(),
    };
    let identity = (node, machine, on, boot, next_incarnation);
    let clock = (isolated, stopped, suspended, stop_left, drift_wait);
    put(parts, Kind::Power, &(processes, identity, clock));
    let kernel = (kill_timer, marker, slow_ping, mux_peer, last_deadline);
    put(parts, Kind::Device, &(device, kernel));
    let services = (instances, trailing, workers, intents, failed, agents);
    put(parts, Kind::Services, &services);
    for lrm in lrms {
        take_process(lrm, Kind::Lrm, Kind::LrmMail, parts);
    }
    if let Some(mux) = mux {
        take_process(mux, Kind::Mux, Kind::MuxMail, parts);
    }
    if let Some(contender) = contender {
        take_process(contender, Kind::Contender, Kind::ContenderMail, parts);
    }
    if let Some(crm) = crm {
        take_process(crm, Kind::Crm, Kind::CrmMail, parts);
    }
    if let Some(presence) = presence {
        put(parts, Kind::Presence, presence);
    }
    if let Some(stand_in) = stand_in {
        put(parts, Kind::StandIn, stand_in);
    }
}

fn put_host(parts: &mut Pieces<'_, '_>) -> Option<Host> {
    let (processes, identity, clock) = get(parts, Kind::Power)?;
    let (node, machine, on, boot, next_incarnation) = identity;
    let (isolated, stopped, suspended, stop_left, drift_wait) = clock;
    let (device, kernel) = get(parts, Kind::Device)?;
    let (kill_timer, marker, slow_ping, mux_peer, last_deadline) = kernel;
    let (instances, trailing, workers, intents, failed, agents) = get(parts, Kind::Services)?;
    let Processes {
        lrms,
        mux,
        contender,
        crm,
        presence,
        stand_in,
    } = processes;
    Some(Host {
        node,
        machine,
        on,
        boot,
        next_incarnation,
        device,
        kill_timer,
        marker,
        slow_ping,
        lrms: (0..lrms)
            .map(|_| put_process(parts, Kind::Lrm, Kind::LrmMail))
            .collect::<Option<_>>()?,
        mux: optional(mux, || put_process(parts, Kind::Mux, Kind::MuxMail))?,
        mux_peer,
        contender: optional(contender, || {
            put_process(parts, Kind::Contender, Kind::ContenderMail)
        })?,
        crm: optional(crm, || put_process(parts, Kind::Crm, Kind::CrmMail))?,
        presence: optional(presence, || get(parts, Kind::Presence))?,
        stand_in: optional(stand_in, || get(parts, Kind::StandIn))?,
        instances,
        trailing,
        workers,
        agents,
        intents,
        failed,
        isolated,
        stopped,
        suspended,
        stop_left,
        drift_wait,
        last_deadline,
    })
}

/// A process is two parts: its machine changes seldom, what it has yet to do often.
fn take_process<M: Serialize, I: Serialize, E: Serialize>(
    process: &Process<M, I, E>,
    kind: Kind,
    mail: Kind,
    parts: &mut Parts,
) {
    let Process {
        incarnation,
        machine,
        paused,
        outbox,
        inbox,
        notified,
    } = process;
    put(parts, kind, machine);
    put(parts, mail, &(incarnation, paused, outbox, inbox, notified));
}

fn put_process<M: DeserializeOwned, I: DeserializeOwned, E: DeserializeOwned>(
    parts: &mut Pieces<'_, '_>,
    kind: Kind,
    mail: Kind,
) -> Option<Shared<Process<M, I, E>>> {
    let machine = get(parts, kind)?;
    let (incarnation, paused, outbox, inbox, notified) = get(parts, mail)?;
    Some(Shared::new(Process {
        incarnation,
        machine,
        paused,
        outbox,
        inbox,
        notified,
    }))
}

fn take_store(store: &Store, parts: &mut Parts) {
    let Store {
        revision,
        entries,
        down,
        outage,
        delayed,
        locks,
        before,
    } = store;
    let counts = (entries.len(), delayed.len(), before.is_some());
    put(parts, Kind::Store, &(revision, down, outage, counts));
    for entry in entries {
        put(parts, Kind::Record, entry);
    }
    for delayed in delayed {
        put(parts, Kind::Delayed, delayed);
    }
    put(parts, Kind::Locks, locks);
    if let Some(before) = before {
        put(parts, Kind::Before, before);
    }
}

fn put_store(parts: &mut Pieces<'_, '_>) -> Option<Store> {
    let (revision, down, outage, counts) = get(parts, Kind::Store)?;
    let (entries, delayed, before): (usize, usize, bool) = counts;
    Some(Store {
        revision,
        entries: (0..entries)
            .map(|_| get(parts, Kind::Record))
            .collect::<Option<_>>()?,
        down,
        outage,
        delayed: (0..delayed)
            .map(|_| get(parts, Kind::Delayed))
            .collect::<Option<_>>()?,
        locks: get(parts, Kind::Locks)?,
        before: optional(before, || get(parts, Kind::Before))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::{
        Configuration, brisk_kappa_one, layer2, layer3, layer4, with_mutants,
    };
    use crate::search::{Checked, Fingerprinter, Packing};
    use lockstep_model::id::{MachineId, NodeId};
    use lockstep_model::manager::status::Requested;
    use lockstep_model::record::Wanted;
    use lockstep_world::setup::{HostSetup, ServiceSetup};
    use lockstep_world::{Admin, Fault, Setup};

    /// Walks from the beginning, at random; each world comes back from its parts. The longest
    /// encoded state.
    fn walk(
        packing: &Packing<'_, World>,
        (name, setup): (&str, &Setup),
        steps: usize,
        seed: u64,
    ) -> Vec<u8> {
        let mut packer = packing.packer();
        let cluster = crate::cluster::Cluster::new(setup.clone());
        let mut world = World::initial(setup);
        let (mut random, mut longest) = (seed, Vec::new());
        for step in 0..steps {
            let encoded = packer.encode(&world);
            assert!(encoded == packer.encode(&world), "{name}, step {step}");
            let back = packer.decode(&encoded);
            assert!(back == world, "{name}, step {step}: {world:?}");
            let same = |world: &World| Fingerprinter::default().of(world);
            assert_eq!(same(&back), same(&world));
            if encoded.len() > longest.len() {
                longest = encoded;
            }
            let mut successors = Vec::new();
            cluster.successors(&world, &mut successors);
            random = random
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(seed | 1);
            let Some(choice) = (random >> 33).checked_rem(successors.len() as u64) else {
                break;
            };
            world = successors.swap_remove(choice as usize).1;
        }
        longest
    }

    #[test]
    fn every_world_comes_back() {
        for Configuration { name, setup, .. } in with_mutants() {
            let packing = Packing::new(&Worlds);
            for seed in 1..4 {
                walk(&packing, (&name, &setup), 120, seed);
            }
        }
    }

    /// Walks with one dictionary for all; the longest state is short.
    fn check_size(setup: &Setup) {
        let packing = Packing::new(&Worlds);
        let walks = (1..40).map(|seed| walk(&packing, ("three hosts", setup), 1_000, seed));
        let longest = walks.max_by_key(Vec::len).expect("walks");
        // In a large space numbers are longer: a report says how long the longest state was.
        let parts = longest.iter().filter(|&&byte| byte < 0x80).count();
        assert!((20..=48).contains(&parts), "{parts} parts");
        assert!(longest.len() <= 128, "{} bytes", longest.len());
    }

    /// Three hosts that all run services, of which two contend; two services, and everything that
    /// people do.
    #[test]
    fn three_hosts_with_lrms_and_two_services_are_short() {
        let faults = [
            Fault::Power,
            Fault::PauseLrm,
            Fault::PauseMux,
            Fault::CrashLrm,
            Fault::CrashMux,
            Fault::Isolate,
            Fault::Outage,
            Fault::Delay,
            Fault::AgentFails,
            Fault::AgentHangs,
            Fault::ServiceEnds,
        ];
        let mut setup = layer2::pair(&brisk_kappa_one(), &faults, 9);
        setup.hosts.push(HostSetup {
            node: NodeId(2),
            machine: MachineId(2),
            ..setup.hosts[1].clone()
        });
        setup.hosts[0].contends_for = Some(NodeId(1));
        setup.services.push(ServiceSetup {
            location: NodeId(1),
            wanted: Wanted::Started,
        });
        setup.fault_hosts = vec![0, 1, 2];
        let people = [Admin::Want, Admin::RestartLrm, Admin::StopLrm];
        setup.admin.extend(people);
        setup.admin_budget = 9;
        check_size(&setup);
    }

    #[test]
    fn three_hosts_with_everything_and_two_services_are_short() {
        let mut setup = layer4::whole(3, 3, 2);
        setup.faults = vec![Fault::Power, Fault::PauseAll, Fault::CrashLrm];
        setup.faults.extend([Fault::CrashCrm, Fault::Delay]);
        setup.fault_budget = 2;
        setup.warm = 12;
        check_size(&setup);
    }

    #[test]
    fn three_hosts_with_crms_and_two_services_are_short() {
        let resources =
            vec![lockstep_world::cluster::ClusterSetup::resource(Requested::Started); 2];
        let mut setup = layer3::cluster(3, 3, resources);
        setup.faults = vec![
            Fault::Power,
            Fault::PauseCrm,
            Fault::CrashCrm,
            Fault::Isolate,
            Fault::Delay,
        ];
        setup.fault_budget = 9;
        setup.warm = 12;
        check_size(&setup);
    }
}
