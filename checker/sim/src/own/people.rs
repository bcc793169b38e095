//! The commands of a case's list under an own profile (`simulator.md` 6).
//!
//! What a person asks of the manager, or configures, is a record in the store. It is written as it
//! stands: nothing else happens in that moment that such a write could be refused for.

use lockstep_model::event::Level;
use lockstep_model::id::{NodeId, ServiceId, Uid};
use lockstep_model::lrm::rounds::Reason;
use lockstep_model::manager::command::Command;
use lockstep_model::manager::status::{DisarmMode, GuestLock, Requested, Resource};
use lockstep_model::record::{Data, DataKey, Key, Put, Record, Service, Wanted};

use super::cluster::Cluster;
use super::host::{Instance, Owner, State};
use crate::case::{QUEUE_MAX, SERVICES_MAX};
use crate::cluster::Fatal;
use crate::command::{is_service_id, state_of_added};
use crate::guests::{self, Guest, Kind};

fn data(key: DataKey, data: Data) -> Put {
    Put {
        key: Key::Data(key),
        record: Record::Data(Box::new(data)),
    }
}

pub(super) fn resource_put(service: ServiceId, resource: Option<Resource>) -> Put {
    data(DataKey::Resource(service), Data::Resource(resource))
}

pub(super) fn service_put(service: ServiceId, record: Service) -> Put {
    Put {
        key: Key::Service(service),
        record: Record::Service(record),
    }
}

impl Cluster {
    /// Carries out a command, which is logged first.
    pub(super) fn command(&mut self, line: &str) -> Result<(), Fatal> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind, object, rest @ ..] = words.as_slice() else {
            return Err(Fatal::new(format!(
                "sim_hardware_cmd: command '{line}' without an object\n"
            )));
        };
        let text = format!("execute {line}");
        if *kind == "service" {
            if !is_service_id(object) {
                let text = "value does not look like a valid ha resource id\n";
                return Err(Fatal::new(text));
            }
            self.note("cmdlist", Level::Info, &text);
            return self.service_command(object, rest);
        }
        let node = self.names.find_node(object);
        let Some(host) = node.and_then(|node| self.host_index(node)) else {
            let text = format!("sim_hardware_cmd: no such node '{object}'\n");
            return Err(Fatal::new(text));
        };
        self.note("cmdlist", Level::Info, &text);
        self.node_command(host, object, kind, rest, line)
    }

    fn node_command(
        &mut self,
        host: usize,
        name: &str,
        kind: &str,
        rest: &[&str],
        line: &str,
    ) -> Result<(), Fatal> {
        let unknown = || Fatal::new(format!("sim_hardware_cmd: unknown command '{line}'\n"));
        match (kind, rest) {
            ("power", ["on"]) => self.power_on(host),
            ("power", ["off"]) => {
                self.watch.faults = true;
                self.power_off(host);
            }
            ("power", [action, ..]) => {
                let text = format!("sim_hardware_cmd: unknown action '{action}'\n");
                return Err(Fatal::new(text));
            }
            ("network", ["on"]) => self.set_network(host, true),
            ("network", ["off"]) => self.set_network(host, false),
            ("reboot", []) => self.end_node(host, Reason::Reboot),
            ("shutdown", []) => self.end_node(host, Reason::Shutdown),
            ("restart-lrm", []) => self.restart_lrm(host),
            ("cfs", [fault, what]) => self.set_fault(host, fault, what).ok_or_else(unknown)?,
            ("crm", [action, arguments @ ..]) => {
                self.crm_command(host, name, action, arguments, line)?;
            }
            ("pve-manager-version", ["set", version]) => {
                self.hosts[host].version = (*version).to_owned();
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }

    fn set_network(&mut self, host: usize, on: bool) {
        self.watch.faults |= !on;
        self.hosts[host].network = on;
        self.reconnect();
    }

    fn set_fault(&mut self, host: usize, fault: &str, what: &str) -> Option<()> {
        let fails = match what {
            "fail" => true,
            "work" => false,
            _ => return None,
        };
        match fault {
            "rw" => self.hosts[host].store_fails = fails,
            "update" => self.hosts[host].update_fails = fails,
            _ => return None,
        }
        self.watch.faults |= fails;
        self.reconnect();
        Some(())
    }

    fn crm_command(
        &mut self,
        host: usize,
        name: &str,
        action: &str,
        arguments: &[&str],
        line: &str,
    ) -> Result<(), Fatal> {
        match (action, arguments) {
            ("start", []) if self.hosts[host].crm.is_none() => self.start_crm(host),
            ("start", []) => {}
            ("stop", []) => self.stop_crm(host),
            ("enable-node-maintenance" | "disable-node-maintenance", []) => {
                self.enqueue(&format!("{action} {name}"))?;
            }
            ("disarm-ha", [mode @ ("freeze" | "ignore")]) => {
                self.enqueue(&format!("disarm-ha {mode}"))?;
            }
            ("disarm-ha", [mode, ..]) => {
                let text = format!("sim_hardware_cmd: unknown resource mode '{mode}'\n");
                return Err(Fatal::new(text));
            }
            ("arm-ha", []) => self.enqueue("arm-ha")?,
            _ => {
                let text = format!("sim_hardware_cmd: unknown command '{line}'\n");
                return Err(Fatal::new(text));
            }
        }
        Ok(())
    }

    fn service_command(&mut self, sid: &str, rest: &[&str]) -> Result<(), Fatal> {
        match rest {
            ["started"] => self.want(sid, Requested::Started),
            ["stopped"] => self.want(sid, Requested::Stopped),
            ["disabled"] => self.want(sid, Requested::Disabled),
            ["ignored"] => self.want(sid, Requested::Ignored),
            [task @ ("migrate" | "relocate"), node] => {
                self.enqueue(&format!("{task} {sid} {node}"))
            }
            ["stop", timeout] => self.enqueue(&format!("stop {sid} {timeout}")),
            ["add", node, more @ ..] => self.add_service(sid, node, more),
            ["delete"] => self.delete_service(sid),
            ["lock", name @ ..] if name.len() <= 1 => {
                let name = name.first().copied().unwrap_or("backup").to_owned();
                self.configure(sid, |resource| resource.guest_lock = Some(GuestLock(name)))
            }
            ["unlock", name @ ..] if name.len() <= 1 => self.configure(sid, |resource| {
                let lock = resource.guest_lock.as_ref().map(|lock| lock.0.as_str());
                if name.is_empty() || lock == name.first().copied() {
                    resource.guest_lock = None;
                }
            }),
            ["set-static-stats", pairs @ ..] => {
                let (id, _) = self.configured(sid)?;
                self.guests.set_static_stats(id, pairs)
            }
            ["set-dynamic-stats", pairs @ ..] => {
                let (id, _) = self.configured(sid)?;
                self.guests.set_dynamic_stats(id, pairs)
            }
            ["manual-migrate", node] => self.move_by_hand(sid, node),
            [action, ..] => Err(Fatal::new(format!(
                "sim_hardware_cmd: unknown service action '{action}' - not implemented\n"
            ))),
            [] => Err(Fatal::new(format!(
                "sim_hardware_cmd: service '{sid}' without an action\n"
            ))),
        }
    }

    fn configured(&self, sid: &str) -> Result<(ServiceId, Resource), Fatal> {
        let id = self.names.find_service(sid);
        let found = id.and_then(|id| Some((id, self.store.resource(id)?.clone())));
        found.ok_or_else(|| Fatal::new(format!("no such service '{sid}'\n")))
    }

    fn configure(&mut self, sid: &str, change: impl FnOnce(&mut Resource)) -> Result<(), Fatal> {
        let (id, mut resource) = self.configured(sid)?;
        change(&mut resource);
        self.write_by_hand(vec![resource_put(id, Some(resource))]);
        Ok(())
    }

    fn want(&mut self, sid: &str, requested: Requested) -> Result<(), Fatal> {
        self.configure(sid, |resource| resource.requested = requested)
    }

    /// Queues a line for the CRM.
    fn enqueue(&mut self, line: &str) -> Result<(), Fatal> {
        let mut commands = self.store.commands().to_vec();
        if commands.len() >= QUEUE_MAX {
            let text = format!("more than {QUEUE_MAX} commands wait for the CRM\n");
            return Err(Fatal::new(text));
        }
        commands.push(Command::parse(line, &self.names));
        self.write_by_hand(vec![data(DataKey::Commands, Data::Commands(commands))]);
        Ok(())
    }

    /// The node of this name. A configuration may name one that there isn't.
    fn place(&mut self, name: &str) -> Result<NodeId, Fatal> {
        let place = self.names.intern_node(name);
        self.config.nodes = self.names.node_ranks();
        place.ok_or_else(|| Fatal::new("too many nodes"))
    }

    fn add_service(&mut self, sid: &str, node: &str, more: &[&str]) -> Result<(), Fatal> {
        if self.configured(sid).is_ok() {
            return Err(Fatal::new(format!("resource ID '{sid}' already defined\n")));
        }
        let unknown = |what: &str| Fatal::new(format!("service '{sid}' add: {what}\n"));
        if self.store.configured().count() >= SERVICES_MAX {
            return Err(unknown(&format!("more than {SERVICES_MAX} services")));
        }
        let requested = state_of_added(more.first().copied().unwrap_or("started"));
        let requested = requested.map_err(|what| unknown(&what))?;
        let runs = !matches!(more.get(1).copied().unwrap_or("0"), "0" | "");
        let kind = Kind::of(sid).ok_or_else(|| unknown("expected vm:, ct: or fa: and digits"))?;
        let id = guests::intern(&mut self.names, sid)?;
        self.config.services = self.names.service_ranks();
        let place = self.place(node)?;
        let resource = Guest::new(kind, place, requested).resource();
        let record = match self.store.service(id) {
            Some(record) if record.location == place => record.clone(),
            Some(_) | None => Service::new(place, Wanted::Ignored, Uid::NONE),
        };
        self.disown_elsewhere(id, place);
        self.write_by_hand(vec![
            resource_put(id, Some(resource)),
            service_put(id, record),
        ]);
        if let Some(host) = self.host_index(place)
            && self.hosts[host].power
        {
            self.put_by_hand(host, id, runs);
        }
        Ok(())
    }

    /// What runs on other nodes than the one that a person has just said it belongs to isn't ours.
    fn disown_elsewhere(&mut self, service: ServiceId, place: NodeId) {
        for host in &mut self.hosts {
            if host.id == place {
                continue;
            }
            host.trailing.remove(&service);
            if let Some(instance) = host.instances.get_mut(&service) {
                instance.owner = Owner::Person;
            }
        }
    }

    fn put_by_hand(&mut self, host: usize, service: ServiceId, runs: bool) {
        self.watch.dirty = true;
        let instances = &mut self.hosts[host].instances;
        if runs {
            let instance = Instance {
                state: State::Running,
                owner: Owner::Person,
            };
            instances.insert(service, instance);
        } else {
            instances.remove(&service);
        }
    }

    fn delete_service(&mut self, sid: &str) -> Result<(), Fatal> {
        let (id, _) = self.configured(sid)?;
        self.guests.static_stats.remove(&id);
        self.write_by_hand(vec![resource_put(id, None)]);
        Ok(())
    }

    /// A person moves a service that nobody manages, and what runs of it.
    fn move_by_hand(&mut self, sid: &str, node: &str) -> Result<(), Fatal> {
        let disarm = self
            .store
            .status()
            .and_then(|status| status.disarm.as_ref());
        let disarmed = disarm.is_some_and(|disarm| disarm.mode == DisarmMode::Ignore);
        let target = self.place(node)?;
        let Ok((id, resource)) = self.configured(sid) else {
            let text = format!("sim_hardware_cmd: service '{sid}' not configured\n");
            return Err(Fatal::new(text));
        };
        if resource.requested != Requested::Ignored && !disarmed {
            return Err(Fatal::new(
                "sim_hardware_cmd: manual-migrate requires service in 'ignored' state or \
                 disarm-ha ignore mode\n",
            ));
        }
        let Some(mut record) = self.store.service(id).cloned() else {
            return Ok(());
        };
        let source = self.host_index(record.location);
        let runs = source.is_some_and(|host| self.hosts[host].instances.contains_key(&id));
        record.location = target;
        self.write_by_hand(vec![service_put(id, record)]);
        if let Some(source) = source {
            self.put_by_hand(source, id, false);
        }
        if let Some(host) = self.host_index(target)
            && self.hosts[host].power
        {
            self.put_by_hand(host, id, runs);
        }
        self.disown_elsewhere(id, target);
        Ok(())
    }
}
