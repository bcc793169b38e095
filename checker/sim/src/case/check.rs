//! What one file alone doesn't show: names, and what they refer to.

use std::collections::{BTreeMap, BTreeSet};

use super::{CaseError, Files, NodeCase, Read, SERVICES_MAX, ServiceCase, StatusCase};
use crate::guests::Kind;

/// How many names a message lists.
const NAMES_MAX: usize = 10;

impl Files<'_> {
    /// Nodes have names that a command can be about and that are part of a file's name.
    pub(super) fn check_nodes(
        &self,
        nodes: &Read<BTreeMap<String, NodeCase>>,
    ) -> Result<(), CaseError> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        for name in nodes.value.keys() {
            if name.is_empty() || !name.chars().all(is_part) {
                let message = format!(
                    "a node can't be called '{name}', expected letters, digits, dots, hyphens and \
                     underscores"
                );
                return Err(self.error("hardware_status", line_of(&nodes.text, name), message));
            }
        }
        if nodes.value.is_empty() {
            let message = "no nodes, expected at least one";
            return Err(self.error("hardware_status", Some(1), message));
        }
        Ok(())
    }

    /// Services are of a known type, on nodes that the case knows, and not too many.
    pub(super) fn check_services(
        &self,
        services: &Read<BTreeMap<String, ServiceCase>>,
        nodes: &BTreeMap<String, NodeCase>,
        status: &Read<StatusCase>,
    ) -> Result<(), CaseError> {
        const FILE: &str = "service_config";
        for (sid, service) in &services.value {
            let place = || line_of(&services.text, sid);
            if Kind::of(sid).is_none() {
                let message =
                    format!("service '{sid}': expected vm:, ct: or fa: followed by digits");
                return Err(self.error(FILE, place(), message));
            }
            // A node that is gone lives on in the manager's status alone.
            let node = &service.node;
            if !nodes.contains_key(node) && !status.value.node_status.contains_key(node) {
                let message = format!(
                    "service '{sid}': unknown node '{node}', expected {}",
                    one_of(nodes)
                );
                return Err(self.error(FILE, place(), message));
            }
        }
        let sids: BTreeSet<&String> = services
            .value
            .keys()
            .chain(status.value.service_status.keys())
            .collect();
        if sids.len() > SERVICES_MAX {
            let count = sids.len();
            let message = format!("{count} services, expected at most {SERVICES_MAX}");
            let file = match services.value.len() > SERVICES_MAX {
                true => FILE,
                false => "manager_status",
            };
            return Err(self.error(file, None, message));
        }
        Ok(())
    }
}

/// Names to choose from.
fn one_of(nodes: &BTreeMap<String, NodeCase>) -> String {
    let names: Vec<&str> = nodes.keys().map(String::as_str).take(NAMES_MAX).collect();
    let more = if nodes.len() > NAMES_MAX { ", …" } else { "" };
    format!("one of {}{more}", names.join(", "))
}

/// The first line of a JSON text on which something is said of a key.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let quoted = serde_json::to_string(key).ok()?;
    let mut places = text.match_indices(&quoted);
    let (at, _) = places.find(|(at, _)| {
        let rest = text.get(at + quoted.len()..).unwrap_or_default();
        rest.trim_start().starts_with(':')
    })?;
    let before = text.get(..at)?;
    Some(1 + before.matches('\n').count())
}
