//! The cluster that a case describes, as it is before anything happens.

use lockstep_model::config::{Config, Profile};
use lockstep_model::id::{ServiceId, Uid};
use lockstep_model::manager::status::Status;
use lockstep_model::name::Names;
use lockstep_model::record::{Data, DataKey, Key, Put, Record, Service, Wanted};
use lockstep_model::table::Table;
use lockstep_model::time::Instant;

use super::cluster::Cluster;
use super::host::Host;
use super::people::{resource_put, service_put};
use super::store::Store;
use super::watch::Watch;
use crate::case::Case;
use crate::cluster::Fatal;
use crate::guests::{self, Guests};
use crate::log::Log;
use crate::schedule::{LOOP_MAX, intern_node, read_status};

/// The version of a node of which the case says none.
pub(crate) const VERSION: &str = "9.0.0~2";

/// The cluster of a case.
pub(super) fn build(case: &Case, profile: Profile) -> Result<Cluster, Fatal> {
    let mut names = Names::new();
    for name in case.nodes.keys() {
        intern_node(&mut names, name)?;
    }
    if 2 * case.nodes.len() as u64 >= LOOP_MAX {
        let most = LOOP_MAX / 2 - 1;
        return Err(Fatal::new(format!("more than {most} nodes\n")));
    }
    let guests = Guests::of_case(case, &mut names)?;
    let status = read_status(case, &mut names)?;
    let mut hosts = Vec::new();
    for name in case.nodes.keys() {
        hosts.push(host(case, name, &mut names)?);
    }
    let faults = case.faults.clone().unwrap_or_default();
    let timing = faults.timing.clone().unwrap_or_else(|| profile.timing());
    let mut config = Config::for_checking(timing, names.service_ranks(), faults.mask());
    config.nodes = names.node_ranks();
    let mut store = Store::default();
    store.put(Instant(0), records(case, &guests, status));
    Ok(Cluster {
        log: Log::default(),
        now: Instant(0),
        config,
        names,
        ids: hosts.iter().map(|host| host.id).collect(),
        hosts,
        guests,
        datacenter: case.datacenter.clone(),
        store,
        crms_paused: Instant(0),
        lrms_paused: Instant(0),
        next_incarnation: 0,
        next_boot: 1,
        deliveries: 0,
        watch: Watch::judging(&faults.judged),
        hardware_last: faults.hardware_last,
        faults: faults.faults.into(),
        traps: Vec::new(),
    })
}

/// A node that has power has no daemons until it is turned off and on (`simulator.md` 2).
fn host(case: &Case, name: &str, names: &mut Names) -> Result<Host, Fatal> {
    let mut host = Host::new(intern_node(names, name)?);
    let version = String::from(VERSION);
    host.version = version;
    if let Some(config) = case.nodes.get(name) {
        host.power = config.has_power();
        host.network = config.has_network();
        host.cpu_max = config.maxcpu;
        host.mem_max = config.maxmem;
        host.version = config.version.clone().unwrap_or(host.version);
    }
    let running = case.running.get(name).into_iter().flatten();
    host.found = running
        .map(|sid| guests::intern(names, sid))
        .collect::<Result<_, _>>()?;
    if host.power {
        host.place_found();
    }
    Ok(host)
}

/// What stands in the store: the manager's status, in parts, and what people have configured.
fn records(case: &Case, guests: &Guests, status: Status) -> Vec<Put> {
    let data = |key, data| Put {
        key: Key::Data(key),
        record: Record::Data(Box::new(data)),
    };
    let mut puts = vec![
        data(DataKey::Rules, Data::Rules(case.rules.clone())),
        data(DataKey::Groups, Data::Groups(case.groups.clone())),
        data(DataKey::Commands, Data::Commands(Vec::new())),
    ];
    for (id, guest) in &guests.configured {
        puts.push(resource_put(*id, Some(guest.resource())));
        let wanted = match status.services.contains(*id) {
            true => Wanted::Untouched,
            false => Wanted::Ignored,
        };
        puts.push(service_put(
            *id,
            Service::new(guest.node, wanted, Uid::NONE),
        ));
    }
    let only_managed = |id: &ServiceId| !guests.configured.contains_key(id);
    for (id, entry) in status.services.iter() {
        let entry_data = Data::Entry(Some(entry.clone()));
        puts.push(data(DataKey::Entry(id), entry_data));
        if let (true, Some(node)) = (only_managed(&id), entry.node) {
            puts.push(service_put(
                id,
                Service::new(node, Wanted::Untouched, Uid::NONE),
            ));
        }
    }
    let bare = Status {
        services: Table::new(),
        ..status
    };
    puts.push(data(DataKey::Status, Data::Status(bare)));
    puts
}
