//! The commands of a case's list (`simulator.md` 6).

use lockstep_model::event::Level;
use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::manager::status::{DisarmMode, Requested};

use crate::asked::{self, Fault, Line, OfNode, OfService};
use crate::case::{self, QUEUE_MAX, SERVICES_MAX};
use crate::cluster::{Cluster, Fatal};
use crate::guests::{self, Guest, Guests, Kind};

impl Cluster {
    /// Carries out a command, which is logged first.
    pub(crate) fn command(&mut self, line: &str) -> Result<(), Fatal> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match Line::of(&words, line)? {
            Line::Service { sid, rest } => {
                self.say_executing(line);
                self.service_command(sid, OfService::of(sid, rest)?)
            }
            Line::Node { name, kind, rest } => {
                let node = self.named(name).ok_or_else(|| asked::no_such_node(name))?;
                self.say_executing(line);
                self.node_command(node, OfNode::of(name, kind, rest, line)?)
            }
        }
    }

    fn say_executing(&mut self, line: &str) {
        self.note("cmdlist", Level::Info, &format!("execute {line}"));
    }

    fn node_command(&mut self, node: usize, asked: OfNode<'_>) -> Result<(), Fatal> {
        let value = &mut self.nodes[node];
        match asked {
            OfNode::Power(true) => self.power_on(node),
            OfNode::Power(false) => self.power_off(node),
            OfNode::Network(on) => value.network = on,
            OfNode::End(reason) => self.end_node(node, reason)?,
            OfNode::RestartLrm => self.restart_lrm(node)?,
            OfNode::Fault { fault, fails } => match fault {
                Fault::Store => value.store_fails = fails,
                Fault::Update => value.update_fails = fails,
            },
            OfNode::StartCrm if value.crm.is_some() => {}
            OfNode::StartCrm => self.create_crm(node),
            OfNode::StopCrm => self.stop_crm(node),
            OfNode::Queue(line) => self.enqueue(line)?,
            OfNode::Version(version) => version.clone_into(&mut value.version),
        }
        Ok(())
    }

    fn service_command(&mut self, sid: &str, asked: OfService<'_>) -> Result<(), Fatal> {
        let no_such = || Fatal::new(format!("no such service '{sid}'\n"));
        match asked {
            OfService::Want(requested) => {
                self.guest(sid).ok_or_else(no_such)?.requested = requested;
            }
            OfService::Queue(line) => self.enqueue(line)?,
            OfService::Add { node, more } => self.add_service(sid, node, more)?,
            OfService::Delete => self.delete_service(sid)?,
            OfService::Lock(name) => {
                self.guest(sid).ok_or_else(no_such)?.lock = Some(name.to_owned());
            }
            OfService::Unlock(name) => {
                let guest = self.guest(sid).ok_or_else(no_such)?;
                if name.is_none() || guest.lock.as_deref() == name {
                    guest.lock = None;
                }
            }
            OfService::StaticStats(pairs) => {
                let id = self.configured(sid).ok_or_else(no_such)?;
                self.guests.set_static_stats(id, pairs)?;
            }
            OfService::DynamicStats(pairs) => {
                let id = self.configured(sid).ok_or_else(no_such)?;
                self.guests.set_dynamic_stats(id, pairs)?;
            }
            OfService::Move(node) => self.move_by_hand(sid, node)?,
        }
        Ok(())
    }

    fn configured(&self, sid: &str) -> Option<ServiceId> {
        let id = self.names.find_service(sid)?;
        self.guests.configured.contains_key(&id).then_some(id)
    }

    /// Queues a line for the CRM.
    fn enqueue(&mut self, line: String) -> Result<(), Fatal> {
        if self.queue.len() >= QUEUE_MAX {
            return Err(asked::queue_full(QUEUE_MAX));
        }
        self.queue.push(line);
        Ok(())
    }

    fn guest(&mut self, sid: &str) -> Option<&mut Guest> {
        let id = self.names.find_service(sid)?;
        self.guests.configured.get_mut(&id)
    }

    fn add_service(&mut self, sid: &str, node: &str, more: &[&str]) -> Result<(), Fatal> {
        if self.guest(sid).is_some() {
            return Err(Fatal::new(format!("resource ID '{sid}' already defined\n")));
        }
        let unknown = |what: &str| Fatal::new(format!("service '{sid}' add: {what}\n"));
        if self.guests.configured.len() >= SERVICES_MAX {
            return Err(unknown(&format!("more than {SERVICES_MAX} services")));
        }
        let (requested, runs) = asked::added(more).map_err(|what| unknown(&what))?;
        let kind = Kind::of(sid).ok_or_else(|| unknown("expected vm:, ct: or fa: and digits"))?;
        let id = guests::intern(&mut self.names, sid)?;
        self.config.services = self.names.service_ranks();
        let place = self.place(node)?;
        let guest = Guest::new(kind, place, requested);
        self.guests.configured.insert(id, guest);
        // On a node that there isn't nobody looks at what runs.
        if let Some(index) = self.node_index(place) {
            if runs {
                self.nodes[index].running.insert(id);
            } else {
                self.nodes[index].running.remove(&id);
            }
        }
        Ok(())
    }

    /// The node of this name. A configuration may name one that there isn't.
    fn place(&mut self, name: &str) -> Result<NodeId, Fatal> {
        let place = self.names.intern_node(name);
        self.config.nodes = self.names.node_ranks();
        place.ok_or_else(|| Fatal::new("too many nodes"))
    }

    fn delete_service(&mut self, sid: &str) -> Result<(), Fatal> {
        let id = self.names.find_service(sid);
        let removed = id.and_then(|id| {
            self.guests.static_stats.remove(&id);
            self.guests.configured.remove(&id)
        });
        match removed {
            Some(_) => Ok(()),
            None => Err(Fatal::new(format!("no such service '{sid}'\n"))),
        }
    }

    fn move_by_hand(&mut self, sid: &str, node: &str) -> Result<(), Fatal> {
        let disarmed = self
            .status
            .disarm
            .as_ref()
            .is_some_and(|disarm| disarm.mode == DisarmMode::Ignore);
        let target = self.place(node)?;
        let Some(guest) = self.guest(sid) else {
            return Err(Fatal::new(format!(
                "sim_hardware_cmd: service '{sid}' not configured\n"
            )));
        };
        if guest.requested != Requested::Ignored && !disarmed {
            return Err(asked::not_by_hand());
        }
        guest.node = target;
        Ok(())
    }
}

impl Guests {
    /// Sets what a command says of a service's limits.
    pub(crate) fn set_static_stats(&mut self, id: ServiceId, words: &[&str]) -> Result<(), Fatal> {
        let stats = self.static_stats.entry(id).or_default();
        for (key, value) in pairs(words)? {
            match key {
                "maxcpu" => stats.maxcpu = Some(case::cores(value).map_err(malformed)?),
                "maxmem" => stats.maxmem = Some(case::mebibytes(value).map_err(malformed)?),
                other => return Err(unknown_key(other, "maxcpu or maxmem")),
            }
        }
        Ok(())
    }

    /// Sets what a command says of a service's load.
    pub(crate) fn set_dynamic_stats(&mut self, id: ServiceId, words: &[&str]) -> Result<(), Fatal> {
        let stats = self.dynamic_stats.entry(id).or_default();
        for (key, value) in pairs(words)? {
            match key {
                "cpu" => stats.cpu = Some(case::cores(value).map_err(malformed)?),
                "mem" => stats.mem = Some(case::mebibytes(value).map_err(malformed)?),
                other => return Err(unknown_key(other, "cpu or mem")),
            }
        }
        Ok(())
    }
}

fn unknown_key(key: &str, expected: &str) -> Fatal {
    Fatal::new(format!(
        "sim_hardware_cmd: unknown statistic '{key}', expected {expected}\n"
    ))
}

fn malformed(what: String) -> Fatal {
    Fatal::new(format!("sim_hardware_cmd: {what}\n"))
}

/// Keys with values, at least one.
fn pairs<'a>(words: &[&'a str]) -> Result<Vec<(&'a str, &'a str)>, Fatal> {
    let (pairs, rest) = words.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        let text = words.join(" ");
        return Err(malformed(format!(
            "expected pairs of a statistic and a number, found '{text}'"
        )));
    }
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}
