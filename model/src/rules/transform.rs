//! What follows from the rules that can be kept (specification, rules §4).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::budget::{Budget, TooLarge};
use super::index::Enabled;
use crate::format::rules::{Affinity, Demand, Rule, Rules};

/// What a rule costs of the budget, beside its names.
const RULE_BYTES: usize = 1024;

/// Merges positive rules, adds implied negative ones, and extends node affinity: each on the
/// result of the one before.
///
/// # Errors
///
/// If too much follows.
pub fn transform(rules: &mut Rules, budget: &mut Budget) -> Result<(), TooLarge> {
    merge_positive(rules, budget)?;
    add_implied_negative(rules, budget)?;
    extend_node_affinity(rules, budget)
}

/// Positive rules that are connected become one (§4.1). Its order number is that of the first that
/// joined.
fn merge_positive(rules: &mut Rules, budget: &mut Budget) -> Result<(), TooLarge> {
    let mut merged = Vec::new();
    for group in Enabled::of(rules).groups() {
        if group.rules.len() > 1 {
            let length: usize = group.rules.iter().map(|id| id.len() + 1).sum();
            budget.spend(length)?;
            let ids: Vec<String> = group.rules.iter().copied().map(String::from).collect();
            let resources: BTreeSet<String> =
                group.resources.iter().copied().map(String::from).collect();
            merged.push((ids, resources));
        }
    }
    for (ids, resources) in merged {
        let order = ids.first().and_then(|first| rules.order(first));
        for id in &ids {
            rules.remove(id);
        }
        let id = format!("_merged-{}", ids.join("-"));
        let rule = Rule::new(resources, Demand::Affinity(Affinity::Positive));
        rules.insert(id, order, rule);
    }
    Ok(())
}

/// What is to be kept apart from one of several that are kept together, is to be kept apart from
/// all of them (§4.2). What follows from the rules added here isn't added. All get one order number.
fn add_implied_negative(rules: &mut Rules, budget: &mut Budget) -> Result<(), TooLarge> {
    let mut implied = Vec::new();
    let enabled = Enabled::of(rules);
    let mut negative_of: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for (_, rule) in &enabled.negative {
        for resource in &rule.resources {
            negative_of.entry(resource).or_default().push(rule);
        }
    }
    for (id, positive) in &enabled.positive {
        // For each that is separated, from whom.
        let mut separated: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for resource in &positive.resources {
            let negative = negative_of.get(resource.as_str()).into_iter().flatten();
            let others = negative.flat_map(|rule| &rule.resources);
            for other in others.filter(|other| *other != resource) {
                budget.spend(0)?;
                separated.entry(other).or_default().insert(resource);
            }
        }
        for (other, from) in separated {
            let resources = positive.resources.iter();
            for resource in resources.filter(|resource| !from.contains(resource.as_str())) {
                budget.spend(RULE_BYTES + id.len() + 2 * (resource.len() + other.len()))?;
                let id = format!("_implicit-negative-{id}-{resource}-{other}");
                let resources = BTreeSet::from([resource.clone(), other.into()]);
                implied.push((id, resources));
            }
        }
    }
    let order = rules.next_order();
    for (id, resources) in implied {
        let rule = Rule::new(resources, Demand::Affinity(Affinity::Negative));
        rules.insert(id, Some(order), rule);
    }
    Ok(())
}

/// Node affinity of one of several that are kept together is that of all of them (§4.3).
///
/// The checks leave at most one such rule for each positive one. Where groups that weren't joined
/// meet there may be another by now; then the first by id is extended.
fn extend_node_affinity(rules: &mut Rules, budget: &mut Budget) -> Result<(), TooLarge> {
    let enabled = Enabled::of(rules);
    let positive: Vec<BTreeSet<String>> = enabled
        .positive
        .iter()
        .map(|(_, rule)| rule.resources.clone())
        .collect();
    let mut owner_of: BTreeMap<String, String> = BTreeMap::new();
    for (id, rule) in enabled.node_affinity.iter().rev() {
        for resource in &rule.resources {
            owner_of.insert(resource.clone(), (*id).into());
        }
    }
    for resources in positive {
        let owners = resources.iter().filter_map(|name| owner_of.get(name));
        let Some(owner) = owners.min().cloned() else {
            continue;
        };
        for resource in &resources {
            budget.spend(resource.len() + owner.len())?;
            let earlier = owner_of.entry(resource.clone()).or_insert(owner.clone());
            if *earlier > owner {
                earlier.clone_from(&owner);
            }
        }
        if let Some(rule) = rules.get_mut(&owner) {
            rule.resources.extend(resources);
        }
    }
    Ok(())
}
