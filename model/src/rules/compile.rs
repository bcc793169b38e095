//! The compiled form of rules (specification, rules §6).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::budget::{Budget, TooLarge};
use super::index::{Enabled, Named};
use crate::format::rules::{Demand, Rules};

/// What placement asks of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Compiled {
    /// For each resource of a node affinity rule, the nodes that it may run on.
    pub node_affinity: BTreeMap<String, Priorities>,
    /// For each resource, which others are to be on its node.
    pub positive: Partners,
    /// For each resource, which others are not to be on its node.
    pub negative: Partners,
}

/// Nodes with their priorities; higher is preferred.
pub type Priorities = BTreeMap<String, i64>;

/// For each resource that has some, others.
pub type Partners = BTreeMap<String, BTreeSet<String>>;

/// The priority of nodes that a rule doesn't list, if it isn't strict.
pub const UNLISTED: i64 = -1;

/// Compiles the enabled rules, of a cluster with these nodes.
///
/// # Errors
///
/// If there are too many pairs.
pub fn compile(
    rules: &Rules,
    nodes: &BTreeSet<&str>,
    budget: &mut Budget,
) -> Result<Compiled, TooLarge> {
    let enabled = Enabled::of(rules);
    let mut node_affinity: BTreeMap<String, Priorities> = BTreeMap::new();
    for (_, rule) in &enabled.node_affinity {
        let Demand::Nodes {
            nodes: listed,
            strict,
        } = &rule.demand
        else {
            continue;
        };
        let priority = |priority: u64| i64::try_from(priority).unwrap_or(i64::MAX);
        let others = nodes.iter().filter(|_| *strict != Some(true));
        let others = others.map(|node| (String::from(*node), UNLISTED));
        let mut priorities: Priorities = others.collect();
        priorities.extend(
            listed
                .iter()
                .map(|(node, number)| (node.clone(), priority(*number))),
        );
        let length: usize = priorities.keys().map(|node| node.len() + 32).sum();
        for resource in &rule.resources {
            budget.spend(resource.len() + length)?;
            node_affinity.insert(resource.clone(), priorities.clone());
        }
    }
    Ok(Compiled {
        node_affinity,
        positive: partners(&enabled.positive, budget)?,
        negative: partners(&enabled.negative, budget)?,
    })
}

fn partners(rules: &[Named<'_>], budget: &mut Budget) -> Result<Partners, TooLarge> {
    let mut partners = Partners::new();
    for (_, rule) in rules {
        for resource in &rule.resources {
            for other in rule.resources.iter().filter(|other| *other != resource) {
                budget.spend(other.len())?;
                let own = partners.entry(resource.clone()).or_default();
                own.insert(other.clone());
            }
        }
    }
    Ok(partners)
}
