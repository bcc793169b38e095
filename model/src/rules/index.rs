//! The enabled rules by kind, and which of them concern a resource.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::budget::{Budget, TooLarge};
use crate::format::rules::{Affinity, Demand, Rule, Rules};

/// What looking at a node costs of the budget.
const PER_NODE: usize = 16;

/// A rule with its id.
pub(super) type Named<'a> = (&'a str, &'a Rule);

/// The enabled rules, each kind by id.
pub(super) struct Enabled<'a> {
    pub(super) node_affinity: Vec<Named<'a>>,
    pub(super) positive: Vec<Named<'a>>,
    pub(super) negative: Vec<Named<'a>>,
    /// For each resource, which of the node affinity rules concern it.
    nodes_of: BTreeMap<&'a str, Vec<usize>>,
}

/// Positive rules that are connected by resources, found in one pass.
pub(super) struct Group<'a> {
    /// Its rules, in the order in which they joined.
    pub(super) rules: Vec<&'a str>,
    /// All their resources.
    pub(super) resources: BTreeSet<&'a str>,
}

impl<'a> Enabled<'a> {
    pub(super) fn of(rules: &'a Rules) -> Self {
        let mut enabled = Self {
            node_affinity: Vec::new(),
            positive: Vec::new(),
            negative: Vec::new(),
            nodes_of: BTreeMap::new(),
        };
        for (id, rule) in rules.iter().filter(|(_, rule)| rule.is_enabled()) {
            match &rule.demand {
                Demand::Nodes { .. } => {
                    for resource in &rule.resources {
                        let rules = enabled.nodes_of.entry(resource).or_default();
                        rules.push(enabled.node_affinity.len());
                    }
                    enabled.node_affinity.push((id, rule));
                }
                Demand::Affinity(Affinity::Positive) => enabled.positive.push((id, rule)),
                Demand::Affinity(Affinity::Negative) => enabled.negative.push((id, rule)),
            }
        }
        enabled
    }

    /// Positive and negative resource affinity rules, by id.
    pub(super) fn resource_affinity(&self) -> Vec<Named<'a>> {
        let mut rules: Vec<_> = self
            .positive
            .iter()
            .chain(&self.negative)
            .copied()
            .collect();
        rules.sort_by_key(|(id, _)| *id);
        rules
    }

    /// The resources that have node affinity rules, each with the numbers of these.
    pub(super) fn with_node_affinity(&self) -> impl Iterator<Item = (&'a str, Vec<Named<'a>>)> {
        let named = |numbers: &Vec<usize>| self.named(numbers.iter().copied());
        let entries = self.nodes_of.iter();
        entries.map(move |(resource, numbers)| (*resource, named(numbers)))
    }

    /// The node affinity rules that share a resource with these, by id.
    ///
    /// # Errors
    ///
    /// If too much has been looked at by now: many rules may concern one resource, and have many
    /// nodes.
    pub(super) fn node_affinity_of<'r>(
        &self,
        resources: impl Iterator<Item = &'r str>,
        budget: &mut Budget,
    ) -> Result<Vec<Named<'a>>, TooLarge> {
        let found = resources.filter_map(|resource| self.nodes_of.get(resource));
        let mut numbers = BTreeSet::new();
        for number in found.flatten() {
            budget.spend(0)?;
            numbers.insert(*number);
        }
        let rules = self.named(numbers.into_iter());
        for (_, rule) in &rules {
            budget.spend(match &rule.demand {
                Demand::Nodes { nodes, .. } => nodes.len().saturating_mul(PER_NODE),
                Demand::Affinity(_) => 0,
            })?;
        }
        Ok(rules)
    }

    /// Whether a node affinity rule concerns this resource.
    pub(super) fn has_node_affinity(&self, resource: &str) -> bool {
        self.nodes_of.contains_key(resource)
    }

    fn named(&self, numbers: impl Iterator<Item = usize>) -> Vec<Named<'a>> {
        let rules = numbers.filter_map(|number| self.node_affinity.get(number));
        rules.copied().collect()
    }

    /// The positive rules in groups: by their smallest resources, and by id where these are the
    /// same, each joins the *first* group that it shares a resource with, or begins one. Groups are
    /// not joined with each other afterwards, even if a rule connects them: so it is in the
    /// reference (§4.1).
    pub(super) fn groups(&self) -> Vec<Group<'a>> {
        let mut rules = self.positive.clone();
        rules.sort_by_key(|(id, rule)| (rule.resources.first(), *id));
        let mut groups: Vec<Group<'a>> = Vec::new();
        let mut first_of: BTreeMap<&str, usize> = BTreeMap::new();
        for (id, rule) in rules {
            let resources = || rule.resources.iter().map(alloc::string::String::as_str);
            let joined = resources().filter_map(|resource| first_of.get(resource));
            let number = joined.min().copied().unwrap_or(groups.len());
            if number == groups.len() {
                groups.push(Group {
                    rules: Vec::new(),
                    resources: BTreeSet::new(),
                });
            }
            let group = groups.get_mut(number);
            let group = group.expect("a group was found or has just been begun");
            group.rules.push(id);
            group.resources.extend(resources());
            for resource in resources() {
                let first = first_of.entry(resource).or_insert(number);
                *first = number.min(*first);
            }
        }
        groups
    }
}
