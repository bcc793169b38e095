//! What people tell the manager: one line each (`protocol.md` 8.4).

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::status::{DisarmMode, Task};
use crate::id::{NodeId, ServiceId};
use crate::name::Names;

/// A line, as received, and what it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Command {
    /// The line, for the answer.
    pub text: String,
    /// What it says; none if it isn't a command.
    pub parsed: Option<Parsed>,
}

/// What a command says. A node or service of an unknown name is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Parsed {
    /// Move a service.
    Move {
        /// How.
        task: Task,
        /// Which.
        service: Option<ServiceId>,
        /// Where to.
        target: Option<NodeId>,
    },
    /// Stop a service.
    Stop {
        /// Which.
        service: Option<ServiceId>,
        /// Within so many seconds.
        timeout: u64,
    },
    /// Put a node into maintenance, or take it out.
    Maintenance {
        /// Which.
        node: Option<NodeId>,
        /// In or out.
        enable: bool,
    },
    /// Let go of every lock and watchdog.
    Disarm(DisarmMode),
    /// Take them again.
    Arm,
}

impl Command {
    /// Reads a line: words separated by white space, none missing and none left over.
    #[must_use]
    pub fn parse(text: &str, names: &Names) -> Self {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        Self {
            text: text.to_string(),
            parsed: parse_words(&words, names),
        }
    }
}

fn parse_words(words: &[&str], names: &Names) -> Option<Parsed> {
    let moved = |task, sid: &str, node: &str| Parsed::Move {
        task,
        service: names.find_service(sid),
        target: names.find_node(node),
    };
    let maintenance = |node: &str, enable| Parsed::Maintenance {
        node: names.find_node(node),
        enable,
    };
    match words {
        ["migrate", sid, node] => Some(moved(Task::Migrate, sid, node)),
        ["relocate", sid, node] => Some(moved(Task::Relocate, sid, node)),
        ["stop", sid, timeout] => Some(Parsed::Stop {
            service: names.find_service(sid),
            timeout: timeout.parse().ok()?,
        }),
        ["enable-node-maintenance", node] => Some(maintenance(node, true)),
        ["disable-node-maintenance", node] => Some(maintenance(node, false)),
        ["disarm-ha", "freeze"] => Some(Parsed::Disarm(DisarmMode::Freeze)),
        ["disarm-ha", "ignore"] => Some(Parsed::Disarm(DisarmMode::Ignore)),
        ["arm-ha"] => Some(Parsed::Arm),
        _ => None,
    }
}
