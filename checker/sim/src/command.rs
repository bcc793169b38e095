//! The commands of a case's list (`simulator.md` 6).

use lockstep_model::event::Level;
use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::lrm::rounds::Reason;
use lockstep_model::manager::status::{DisarmMode, Requested};

use crate::case::{self, QUEUE_MAX, SERVICES_MAX};
use crate::cluster::{Cluster, Fatal};
use crate::guests::{self, Guest, Guests, Kind};

impl Cluster {
    /// Carries out a command, which is logged first.
    pub(crate) fn command(&mut self, line: &str) -> Result<(), Fatal> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind, object, rest @ ..] = words.as_slice() else {
            return Err(Fatal::new(format!(
                "sim_hardware_cmd: command '{line}' without an object\n"
            )));
        };
        if *kind == "service" {
            if !is_service_id(object) {
                return Err(Fatal::new(
                    "value does not look like a valid ha resource id\n",
                ));
            }
            self.say_executing(line);
            return self.service_command(object, rest);
        }
        let Some(node) = self.named(object) else {
            return Err(Fatal::new(format!(
                "sim_hardware_cmd: no such node '{object}'\n"
            )));
        };
        self.say_executing(line);
        let unknown = || Fatal::new(format!("sim_hardware_cmd: unknown command '{line}'\n"));
        match (*kind, rest) {
            ("power", ["on"]) => self.power_on(node),
            ("power", ["off"]) => self.power_off(node),
            ("power", [action, ..]) => {
                let text = format!("sim_hardware_cmd: unknown action '{action}'\n");
                return Err(Fatal::new(text));
            }
            ("network", ["on"]) => self.nodes[node].network = true,
            ("network", ["off"]) => self.nodes[node].network = false,
            ("reboot", []) => self.end_node(node, Reason::Reboot)?,
            ("shutdown", []) => self.end_node(node, Reason::Shutdown)?,
            ("restart-lrm", []) => self.restart_lrm(node)?,
            ("cfs", [fault, what]) => self.set_fault(node, fault, what).ok_or_else(unknown)?,
            ("crm", [action, arguments @ ..]) => {
                self.crm_command(node, object, action, arguments, line)?;
            }
            ("pve-manager-version", ["set", version]) => {
                self.nodes[node].version = (*version).to_owned();
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }

    fn say_executing(&mut self, line: &str) {
        self.note("cmdlist", Level::Info, &format!("execute {line}"));
    }

    fn set_fault(&mut self, node: usize, fault: &str, what: &str) -> Option<()> {
        let fails = match what {
            "fail" => true,
            "work" => false,
            _ => return None,
        };
        match fault {
            "rw" => self.nodes[node].store_fails = fails,
            "update" => self.nodes[node].update_fails = fails,
            _ => return None,
        }
        Some(())
    }

    fn crm_command(
        &mut self,
        node: usize,
        name: &str,
        action: &str,
        arguments: &[&str],
        line: &str,
    ) -> Result<(), Fatal> {
        match (action, arguments) {
            ("start", []) if self.nodes[node].crm.is_none() => self.create_crm(node),
            ("start", []) => {}
            ("stop", []) => self.stop_crm(node),
            ("enable-node-maintenance" | "disable-node-maintenance", []) => {
                self.enqueue(format!("{action} {name}"))?;
            }
            ("disarm-ha", [mode @ ("freeze" | "ignore")]) => {
                self.enqueue(format!("disarm-ha {mode}"))?;
            }
            ("disarm-ha", [mode, ..]) => {
                let text = format!("sim_hardware_cmd: unknown resource mode '{mode}'\n");
                return Err(Fatal::new(text));
            }
            ("arm-ha", []) => self.enqueue(String::from("arm-ha"))?,
            _ => {
                let text = format!("sim_hardware_cmd: unknown command '{line}'\n");
                return Err(Fatal::new(text));
            }
        }
        Ok(())
    }

    fn service_command(&mut self, sid: &str, rest: &[&str]) -> Result<(), Fatal> {
        let no_such = || Fatal::new(format!("no such service '{sid}'\n"));
        match rest {
            ["started"] => self.want(sid, Requested::Started),
            ["stopped"] => self.want(sid, Requested::Stopped),
            ["disabled"] => self.want(sid, Requested::Disabled),
            ["ignored"] => self.want(sid, Requested::Ignored),
            [task @ ("migrate" | "relocate"), node] => self.enqueue(format!("{task} {sid} {node}")),
            ["stop", timeout] => self.enqueue(format!("stop {sid} {timeout}")),
            ["add", node, more @ ..] => self.add_service(sid, node, more),
            ["delete"] => self.delete_service(sid),
            ["lock", name @ ..] if name.len() <= 1 => {
                let name = name.first().copied().unwrap_or("backup").to_owned();
                self.guest(sid).ok_or_else(no_such)?.lock = Some(name);
                Ok(())
            }
            ["unlock", name @ ..] if name.len() <= 1 => {
                let guest = self.guest(sid).ok_or_else(no_such)?;
                if name.is_empty() || guest.lock.as_deref() == name.first().copied() {
                    guest.lock = None;
                }
                Ok(())
            }
            ["set-static-stats", pairs @ ..] => self.set_static_stats(sid, pairs),
            ["set-dynamic-stats", pairs @ ..] => self.set_dynamic_stats(sid, pairs),
            ["manual-migrate", node] => self.move_by_hand(sid, node),
            [action, ..] => Err(Fatal::new(format!(
                "sim_hardware_cmd: unknown service action '{action}' - not implemented\n"
            ))),
            [] => Err(Fatal::new(format!(
                "sim_hardware_cmd: service '{sid}' without an action\n"
            ))),
        }
    }

    fn configured(&self, sid: &str) -> Option<ServiceId> {
        let id = self.names.find_service(sid)?;
        self.guests.configured.contains_key(&id).then_some(id)
    }

    /// Queues a line for the CRM.
    fn enqueue(&mut self, line: String) -> Result<(), Fatal> {
        if self.queue.len() >= QUEUE_MAX {
            let text = format!("more than {QUEUE_MAX} commands wait for the CRM\n");
            return Err(Fatal::new(text));
        }
        self.queue.push(line);
        Ok(())
    }

    fn guest(&mut self, sid: &str) -> Option<&mut Guest> {
        let id = self.names.find_service(sid)?;
        self.guests.configured.get_mut(&id)
    }

    fn want(&mut self, sid: &str, requested: Requested) -> Result<(), Fatal> {
        let no_such = || Fatal::new(format!("no such service '{sid}'\n"));
        self.guest(sid).ok_or_else(no_such)?.requested = requested;
        Ok(())
    }

    fn add_service(&mut self, sid: &str, node: &str, more: &[&str]) -> Result<(), Fatal> {
        if self.guest(sid).is_some() {
            return Err(Fatal::new(format!("resource ID '{sid}' already defined\n")));
        }
        let unknown = |what: &str| Fatal::new(format!("service '{sid}' add: {what}\n"));
        if self.guests.configured.len() >= SERVICES_MAX {
            return Err(unknown(&format!("more than {SERVICES_MAX} services")));
        }
        let requested = state_of_added(more.first().copied().unwrap_or("started"));
        let requested = requested.map_err(|what| unknown(&what))?;
        let runs = !matches!(more.get(1).copied().unwrap_or("0"), "0" | "");
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

    fn set_static_stats(&mut self, sid: &str, words: &[&str]) -> Result<(), Fatal> {
        let no_such = || Fatal::new(format!("no such service '{sid}'\n"));
        let id = self.configured(sid).ok_or_else(no_such)?;
        self.guests.set_static_stats(id, words)
    }

    fn set_dynamic_stats(&mut self, sid: &str, words: &[&str]) -> Result<(), Fatal> {
        let no_such = || Fatal::new(format!("no such service '{sid}'\n"));
        let id = self.configured(sid).ok_or_else(no_such)?;
        self.guests.set_dynamic_stats(id, words)
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
            return Err(Fatal::new(
                "sim_hardware_cmd: manual-migrate requires service in 'ignored' state or \
                 disarm-ha ignore mode\n",
            ));
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

/// What a command says is wanted of a service that it adds.
pub(crate) fn state_of_added(word: &str) -> Result<Requested, String> {
    match word {
        "started" | "enabled" => Ok(Requested::Started),
        "stopped" => Ok(Requested::Stopped),
        "disabled" => Ok(Requested::Disabled),
        "ignored" => Ok(Requested::Ignored),
        other => Err(format!("unknown state '{other}'")),
    }
}

/// Lower-case letters, a colon, and more.
pub(crate) fn is_service_id(word: &str) -> bool {
    word.split_once(':').is_some_and(|(kind, name)| {
        !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase()) && !name.is_empty()
    })
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
