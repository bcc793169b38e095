//! The commands of a case's list under an own profile (`simulator.md` 6).
//!
//! What a person asks of the manager, or configures, is a record in the store. It is written as it
//! stands: nothing else happens in that moment that such a write could be refused for.

use lockstep_model::event::Level;
use lockstep_model::id::{NodeId, ServiceId, Uid};
use lockstep_model::manager::command::Command;
use lockstep_model::manager::status::{DisarmMode, GuestLock, Requested, Resource};
use lockstep_model::record::{Data, DataKey, Key, Put, Record, Service, Wanted};

use super::cluster::Cluster;
use super::host::{Instance, Owner, State};
use crate::asked::{self, Fault, Line, OfNode, OfService};
use crate::case::{QUEUE_MAX, SERVICES_MAX};
use crate::cluster::Fatal;
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
        let text = format!("execute {line}");
        match Line::of(&words, line)? {
            Line::Service { sid, rest } => {
                self.note("cmdlist", Level::Info, &text);
                self.service_command(sid, OfService::of(sid, rest)?)
            }
            Line::Node { name, kind, rest } => {
                let node = self.names.find_node(name);
                let host = node.and_then(|node| self.host_index(node));
                let host = host.ok_or_else(|| asked::no_such_node(name))?;
                self.note("cmdlist", Level::Info, &text);
                self.node_command(host, OfNode::of(name, kind, rest, line)?)
            }
        }
    }

    fn node_command(&mut self, host: usize, asked: OfNode<'_>) -> Result<(), Fatal> {
        let value = &mut self.hosts[host];
        match asked {
            OfNode::Power(true) => self.power_on(host),
            OfNode::Power(false) => {
                self.watch.faults = true;
                self.power_off(host);
            }
            OfNode::Network(on) => {
                value.network = on;
                self.watch.faults |= !on;
                self.reconnect();
            }
            OfNode::End(reason) => self.end_node(host, reason),
            OfNode::RestartLrm => self.restart_lrm(host),
            OfNode::Fault { fault, fails } => {
                match fault {
                    Fault::Store => value.store_fails = fails,
                    Fault::Update => value.update_fails = fails,
                }
                self.watch.faults |= fails;
                self.reconnect();
            }
            OfNode::StartCrm if value.crm.is_some() => {}
            OfNode::StartCrm => self.start_crm(host),
            OfNode::StopCrm => self.stop_crm(host),
            OfNode::Queue(line) => self.enqueue(&line)?,
            OfNode::Version(version) => version.clone_into(&mut value.version),
        }
        Ok(())
    }

    fn service_command(&mut self, sid: &str, asked: OfService<'_>) -> Result<(), Fatal> {
        match asked {
            OfService::Want(requested) => {
                self.configure(sid, |resource| resource.requested = requested)
            }
            OfService::Queue(line) => self.enqueue(&line),
            OfService::Add { node, more } => self.add_service(sid, node, more),
            OfService::Delete => self.delete_service(sid),
            OfService::Lock(name) => self.configure(sid, |resource| {
                resource.guest_lock = Some(GuestLock(name.to_owned()));
            }),
            OfService::Unlock(name) => self.configure(sid, |resource| {
                let lock = resource.guest_lock.as_ref().map(|lock| lock.0.as_str());
                if name.is_none() || lock == name {
                    resource.guest_lock = None;
                }
            }),
            OfService::StaticStats(pairs) => {
                let (id, _) = self.configured(sid)?;
                self.guests.set_static_stats(id, pairs)
            }
            OfService::DynamicStats(pairs) => {
                let (id, _) = self.configured(sid)?;
                self.guests.set_dynamic_stats(id, pairs)
            }
            OfService::Move(node) => self.move_by_hand(sid, node),
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

    /// Queues a line for the CRM.
    fn enqueue(&mut self, line: &str) -> Result<(), Fatal> {
        let mut commands = self.store.commands().to_vec();
        if commands.len() >= QUEUE_MAX {
            return Err(asked::queue_full(QUEUE_MAX));
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
        let (requested, runs) = asked::added(more).map_err(|what| unknown(&what))?;
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
            return Err(asked::not_by_hand());
        }
        let Some(mut record) = self.store.service(id).cloned() else {
            return Ok(());
        };
        let source = self.host_index(record.location);
        let runs = source.is_some_and(|host| self.hosts[host].instances.contains_key(&id));
        record.location = target;
        record.brought = false;
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
