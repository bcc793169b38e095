//! Rules in place of groups, and what their migration writes (specification, rules §7).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;

use crate::format::groups::{Group, Groups};
use crate::format::resources::{Resource, Resources};
use crate::format::rules::{Demand, Rule, Rules};
use crate::format::section::next_order;

/// What a resource's group says about failback, whatever its own property says. None: it is in no
/// group. A group that isn't there says yes.
#[must_use]
pub fn failback(resource: &Resource, groups: &Groups) -> Option<bool> {
    let group = groups.get(resource.group.as_ref()?);
    Some(group.is_none_or(|group| group.nofailback != Some(true)))
}

/// Gives every resource in a group that group's failback: in memory, in every round.
pub fn set_failback(resources: &mut Resources, groups: &Groups) {
    for (_, resource) in resources.contents_mut() {
        if let Some(failback) = failback(resource, groups) {
            resource.failback = Some(failback);
        }
    }
}

/// Adds a node affinity rule for every group that has resources, by the names of the groups. One
/// with the same id is replaced.
pub fn add_rules(rules: &mut Rules, resources: &Resources, groups: &Groups) {
    let mut members: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (sid, resource) in resources.iter() {
        if let Some(group) = &resource.group {
            members.entry(group).or_default().insert(sid.into());
        }
    }
    // In their order: looking for the smallest anew each time would take too long.
    let numbered = rules.iter().map(|(id, _)| (rules.order(id), id));
    let numbered = numbered.filter_map(|(order, id)| Some((order?, String::from(id))));
    let mut orders: BTreeSet<(u64, String)> = numbered.collect();
    for (name, group) in groups.iter() {
        let Some(resources) = members.remove(name) else {
            continue;
        };
        let id = rule_id(name);
        let order = next_order(orders.first().map(|(order, _)| *order));
        if let Some(replaced) = rules.order(&id) {
            orders.remove(&(replaced, id.clone()));
        }
        orders.insert((order, id.clone()));
        rules.insert(id, Some(order), rule_of(name, group, resources));
    }
}

/// The id of the rule in place of a group.
#[must_use]
pub fn rule_id(group: &str) -> String {
    format!("ha-group-{group}")
}

fn rule_of(name: &str, group: &Group, resources: BTreeSet<String>) -> Rule {
    let demand = Demand::Nodes {
        nodes: group.priorities(),
        strict: group.restricted,
    };
    let own = group.comment.clone().filter(|comment| !comment.is_empty());
    let generated = || format!("Generated from HA group '{name}'.");
    let comment = Some(own.unwrap_or_else(generated));
    Rule {
        comment,
        ..Rule::new(resources, demand)
    }
}

/// What the migration of groups writes instead of them: the rules with those of [`add_rules`], and
/// the resources without groups. These get `failback 0` where their groups say so; where their
/// groups say yes, their own property stays as it is.
#[must_use]
pub fn migrated(rules: &Rules, resources: &Resources, groups: &Groups) -> (Rules, Resources) {
    let mut rules = rules.clone();
    add_rules(&mut rules, resources, groups);
    let mut resources = resources.clone();
    for (_, resource) in resources.contents_mut() {
        if failback(resource, groups) == Some(false) {
            resource.failback = Some(false);
        }
        resource.group = None;
    }
    (rules, resources)
}
