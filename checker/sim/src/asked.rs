//! What a line of the command list asks for, whichever cluster carries it out (`simulator.md` 6).

use lockstep_model::lrm::rounds::Reason;
use lockstep_model::manager::status::Requested;

use crate::cluster::Fatal;

/// A line, taken apart as far as it goes without knowing the cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line<'a> {
    /// About a service.
    Service { sid: &'a str, rest: &'a [&'a str] },
    /// About a node.
    Node {
        name: &'a str,
        kind: &'a str,
        rest: &'a [&'a str],
    },
}

/// What is asked for a node.
#[derive(Clone, Debug)]
pub(crate) enum OfNode<'a> {
    Power(bool),
    Network(bool),
    End(Reason),
    RestartLrm,
    Fault {
        fault: Fault,
        fails: bool,
    },
    StartCrm,
    StopCrm,
    /// A line for the CRM.
    Queue(String),
    Version(&'a str),
}

/// What of the cluster's file system can fail on a node.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Reading and writing.
    Store,
    /// Being brought up to date.
    Update,
}

/// What is asked for a service.
#[derive(Clone, Debug)]
pub(crate) enum OfService<'a> {
    Want(Requested),
    /// A line for the CRM.
    Queue(String),
    Add {
        node: &'a str,
        more: &'a [&'a str],
    },
    Delete,
    Lock(&'a str),
    /// One of this name, or whichever there is.
    Unlock(Option<&'a str>),
    StaticStats(&'a [&'a str]),
    DynamicStats(&'a [&'a str]),
    /// A person moves it.
    Move(&'a str),
}

impl<'a> Line<'a> {
    /// Takes the words of a line apart.
    pub(crate) fn of(words: &'a [&'a str], line: &str) -> Result<Self, Fatal> {
        let [kind, object, rest @ ..] = words else {
            return Err(Fatal::new(format!(
                "sim_hardware_cmd: command '{line}' without an object\n"
            )));
        };
        if *kind != "service" {
            let name = object;
            return Ok(Self::Node { name, kind, rest });
        }
        if !is_service_id(object) {
            let text = "value does not look like a valid ha resource id\n";
            return Err(Fatal::new(text));
        }
        Ok(Self::Service { sid: object, rest })
    }
}

impl<'a> OfNode<'a> {
    pub(crate) fn of(
        name: &str,
        kind: &str,
        rest: &'a [&'a str],
        line: &str,
    ) -> Result<Self, Fatal> {
        let unknown = || Fatal::new(format!("sim_hardware_cmd: unknown command '{line}'\n"));
        Ok(match (kind, rest) {
            ("power", ["on"]) => Self::Power(true),
            ("power", ["off"]) => Self::Power(false),
            ("power", [action, ..]) => {
                let text = format!("sim_hardware_cmd: unknown action '{action}'\n");
                return Err(Fatal::new(text));
            }
            ("network", ["on"]) => Self::Network(true),
            ("network", ["off"]) => Self::Network(false),
            ("reboot", []) => Self::End(Reason::Reboot),
            ("shutdown", []) => Self::End(Reason::Shutdown),
            ("restart-lrm", []) => Self::RestartLrm,
            ("cfs", [fault, what]) => Self::fault(fault, what).ok_or_else(unknown)?,
            ("crm", [action, arguments @ ..]) => Self::of_crm(name, action, arguments, line)?,
            ("pve-manager-version", ["set", version]) => Self::Version(version),
            _ => return Err(unknown()),
        })
    }

    fn fault(fault: &str, what: &str) -> Option<Self> {
        let fails = match what {
            "fail" => true,
            "work" => false,
            _ => return None,
        };
        let fault = match fault {
            "rw" => Fault::Store,
            "update" => Fault::Update,
            _ => return None,
        };
        Some(Self::Fault { fault, fails })
    }

    fn of_crm(name: &str, action: &str, arguments: &[&str], line: &str) -> Result<Self, Fatal> {
        Ok(match (action, arguments) {
            ("start", []) => Self::StartCrm,
            ("stop", []) => Self::StopCrm,
            ("enable-node-maintenance" | "disable-node-maintenance", []) => {
                Self::Queue(format!("{action} {name}"))
            }
            ("disarm-ha", [mode @ ("freeze" | "ignore")]) => {
                Self::Queue(format!("disarm-ha {mode}"))
            }
            ("disarm-ha", [mode, ..]) => {
                let text = format!("sim_hardware_cmd: unknown resource mode '{mode}'\n");
                return Err(Fatal::new(text));
            }
            ("arm-ha", []) => Self::Queue(String::from("arm-ha")),
            _ => {
                let text = format!("sim_hardware_cmd: unknown command '{line}'\n");
                return Err(Fatal::new(text));
            }
        })
    }
}

impl<'a> OfService<'a> {
    pub(crate) fn of(sid: &str, rest: &'a [&'a str]) -> Result<Self, Fatal> {
        Ok(match rest {
            ["started"] => Self::Want(Requested::Started),
            ["stopped"] => Self::Want(Requested::Stopped),
            ["disabled"] => Self::Want(Requested::Disabled),
            ["ignored"] => Self::Want(Requested::Ignored),
            [task @ ("migrate" | "relocate"), node] => Self::Queue(format!("{task} {sid} {node}")),
            ["stop", timeout] => Self::Queue(format!("stop {sid} {timeout}")),
            ["add", node, more @ ..] => Self::Add { node, more },
            ["delete"] => Self::Delete,
            ["lock", name @ ..] if name.len() <= 1 => {
                Self::Lock(name.first().copied().unwrap_or("backup"))
            }
            ["unlock", name @ ..] if name.len() <= 1 => Self::Unlock(name.first().copied()),
            ["set-static-stats", pairs @ ..] => Self::StaticStats(pairs),
            ["set-dynamic-stats", pairs @ ..] => Self::DynamicStats(pairs),
            ["manual-migrate", node] => Self::Move(node),
            [action, ..] => {
                return Err(Fatal::new(format!(
                    "sim_hardware_cmd: unknown service action '{action}' - not implemented\n"
                )));
            }
            [] => {
                return Err(Fatal::new(format!(
                    "sim_hardware_cmd: service '{sid}' without an action\n"
                )));
            }
        })
    }
}

/// What is wanted of a service that is added, and whether it runs already.
pub(crate) fn added(more: &[&str]) -> Result<(Requested, bool), String> {
    let requested = match more.first().copied().unwrap_or("started") {
        "started" | "enabled" => Requested::Started,
        "stopped" => Requested::Stopped,
        "disabled" => Requested::Disabled,
        "ignored" => Requested::Ignored,
        other => return Err(format!("unknown state '{other}'")),
    };
    let runs = !matches!(more.get(1).copied().unwrap_or("0"), "0" | "");
    Ok((requested, runs))
}

/// Lower-case letters, a colon, and more.
fn is_service_id(word: &str) -> bool {
    word.split_once(':').is_some_and(|(kind, name)| {
        !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase()) && !name.is_empty()
    })
}

/// A node that nobody has.
pub(crate) fn no_such_node(name: &str) -> Fatal {
    Fatal::new(format!("sim_hardware_cmd: no such node '{name}'\n"))
}

/// Too many commands that no CRM took in.
pub(crate) fn queue_full(most: usize) -> Fatal {
    Fatal::new(format!("more than {most} commands wait for the CRM\n"))
}

/// A service that a person may not move: it is managed.
pub(crate) fn not_by_hand() -> Fatal {
    Fatal::new(
        "sim_hardware_cmd: manual-migrate requires service in 'ignored' state or disarm-ha ignore \
         mode\n",
    )
}
