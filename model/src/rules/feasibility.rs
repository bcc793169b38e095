//! Which rules contradict each other, or can't be met (specification, rules §3).
//!
//! Every check sees all enabled rules; none sees what another one found.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::budget::{Budget, TooLarge};
use super::index::{Enabled, Group, Named};
use crate::format::rules::{Demand, Rule, Rules};

/// A rule that is left out. `Display` is the message that is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its id.
    pub rule: String,
    /// Why.
    pub reason: Reason,
}

/// Why a rule is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Check 1, at a node affinity rule: this resource is in another one, too.
    UsedTwice(String),
    /// Check 2, at a resource affinity rule.
    Ineffective,
    /// Check 3, at a negative rule.
    MoreThanNodes,
    /// Check 4, at the negative rule.
    SharesWithPositive,
    /// Check 4, at the positive rules.
    SharesWithNegative,
    /// Check 5, at the resource affinity rule.
    MultiplePriorities,
    /// Check 5, at the node affinity rules.
    PrioritiesWithResourceAffinity,
    /// Check 6, at the positive rules.
    MultipleNodeAffinity,
    /// Check 6, at the node affinity rules.
    NodeAffinityOfPositive,
    /// Check 7, at the negative rule.
    RestrictedTooMuch,
    /// Check 7, at the node affinity rules.
    RestrictsTooMuch,
}

/// What checks look at.
struct Scene<'a> {
    rules: Enabled<'a>,
    /// Connected positive rules, as they would be merged.
    groups: Vec<Group<'a>>,
    nodes: usize,
}

/// What checks found.
struct Findings<'a, 'b> {
    reasons: BTreeMap<&'a str, Vec<Reason>>,
    budget: &'b mut Budget,
}

/// A check finds rules, and gives each a reason.
type Check = for<'a> fn(&Scene<'a>, &mut Findings<'a, '_>) -> Result<(), TooLarge>;

/// Node affinity, resource affinity, and both together, in the order of their messages.
const CHECKS: [Check; 7] = [
    resources_used_twice,
    ineffective,
    more_resources_than_nodes,
    together_and_apart,
    affinity_and_priorities,
    together_on_several_nodes,
    apart_on_too_few_nodes,
];

/// The rules that can't be kept, by id, each once for every reason in the order of the checks, of
/// a cluster with so many nodes.
///
/// # Errors
///
/// If there are too many.
pub fn check(rules: &Rules, nodes: usize, budget: &mut Budget) -> Result<Vec<Dropped>, TooLarge> {
    let rules = Enabled::of(rules);
    let scene = Scene {
        groups: rules.groups(),
        rules,
        nodes,
    };
    let mut findings = Findings {
        reasons: BTreeMap::new(),
        budget,
    };
    for check in CHECKS {
        check(&scene, &mut findings)?;
    }
    let dropped = |(rule, reasons): (&str, Vec<Reason>)| {
        let rule = String::from(rule);
        let reasons = reasons.into_iter();
        reasons.map(move |reason| Dropped {
            rule: rule.clone(),
            reason,
        })
    };
    Ok(findings.reasons.into_iter().flat_map(dropped).collect())
}

impl<'a> Scene<'a> {
    /// The node affinity rules that share a resource with these, by id.
    fn node_affinity_of<'r>(
        &self,
        resources: impl Iterator<Item = &'r str>,
        findings: &mut Findings<'a, '_>,
    ) -> Result<Vec<Named<'a>>, TooLarge> {
        self.rules.node_affinity_of(resources, findings.budget)
    }
}

impl<'a> Findings<'a, '_> {
    fn add(&mut self, rule: &'a str, reason: Reason) -> Result<(), TooLarge> {
        self.budget.spend(rule.len())?;
        self.reasons.entry(rule).or_default().push(reason);
        Ok(())
    }

    fn add_each(&mut self, rules: &[Named<'a>], reason: &Reason) -> Result<(), TooLarge> {
        let mut rules = rules.iter();
        rules.try_for_each(|(rule, _)| self.add(rule, reason.clone()))
    }
}

/// Check 1: a resource is in several node affinity rules.
fn resources_used_twice<'a>(
    scene: &Scene<'a>,
    findings: &mut Findings<'a, '_>,
) -> Result<(), TooLarge> {
    for (resource, rules) in scene.rules.with_node_affinity() {
        if rules.len() > 1 {
            findings.add_each(&rules, &Reason::UsedTwice(resource.into()))?;
        }
    }
    Ok(())
}

/// Check 2: resource affinity of one resource, or none.
fn ineffective<'a>(scene: &Scene<'a>, findings: &mut Findings<'a, '_>) -> Result<(), TooLarge> {
    let mut rules = scene.rules.resource_affinity();
    rules.retain(|(_, rule)| rule.resources.len() < 2);
    findings.add_each(&rules, &Reason::Ineffective)
}

/// Check 3: more resources to keep apart than nodes.
fn more_resources_than_nodes<'a>(
    scene: &Scene<'a>,
    findings: &mut Findings<'a, '_>,
) -> Result<(), TooLarge> {
    let mut rules = scene.rules.negative.clone();
    rules.retain(|(_, rule)| rule.resources.len() > scene.nodes);
    findings.add_each(&rules, &Reason::MoreThanNodes)
}

/// Check 4: two resources are to be kept together and apart.
fn together_and_apart<'a>(
    scene: &Scene<'a>,
    findings: &mut Findings<'a, '_>,
) -> Result<(), TooLarge> {
    let mut groups_of: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, group) in scene.groups.iter().enumerate() {
        for resource in &group.resources {
            groups_of.entry(resource).or_default().push(number);
        }
    }
    for (negative, rule) in &scene.rules.negative {
        let mut shared: BTreeMap<usize, usize> = BTreeMap::new();
        let groups = names(rule).filter_map(|resource| groups_of.get(resource));
        for number in groups.flatten() {
            findings.budget.spend(0)?;
            *shared.entry(*number).or_insert(0) += 1;
        }
        let numbers = shared.into_iter().filter(|(_, shared)| *shared >= 2);
        for group in numbers.filter_map(|(number, _)| scene.groups.get(number)) {
            findings.add(negative, Reason::SharesWithPositive)?;
            for positive in &group.rules {
                findings.add(positive, Reason::SharesWithNegative)?;
            }
        }
    }
    Ok(())
}

/// Check 5: resource affinity, and node affinity with several priorities.
fn affinity_and_priorities<'a>(
    scene: &Scene<'a>,
    findings: &mut Findings<'a, '_>,
) -> Result<(), TooLarge> {
    for (id, rule) in scene.rules.resource_affinity() {
        let others = scene.node_affinity_of(names(rule), findings)?;
        if others
            .iter()
            .any(|(_, other)| has_several_priorities(other))
        {
            findings.add(id, Reason::MultiplePriorities)?;
            findings.add_each(&others, &Reason::PrioritiesWithResourceAffinity)?;
        }
    }
    Ok(())
}

/// Check 6: resources to be kept together are in several node affinity rules.
fn together_on_several_nodes<'a>(
    scene: &Scene<'a>,
    findings: &mut Findings<'a, '_>,
) -> Result<(), TooLarge> {
    for group in &scene.groups {
        let others = scene.node_affinity_of(group.resources.iter().copied(), findings)?;
        if others.len() < 2 {
            continue;
        }
        for positive in &group.rules {
            findings.add(positive, Reason::MultipleNodeAffinity)?;
        }
        findings.add_each(&others, &Reason::NodeAffinityOfPositive)?;
    }
    Ok(())
}

/// Check 7: resources to be kept apart are in node affinity rules with fewer nodes. Whether these
/// are strict isn't looked at.
fn apart_on_too_few_nodes<'a>(
    scene: &Scene<'a>,
    findings: &mut Findings<'a, '_>,
) -> Result<(), TooLarge> {
    for (id, rule) in &scene.rules.negative {
        let others = scene.node_affinity_of(names(rule), findings)?;
        let nodes = others.iter().flat_map(|(_, other)| nodes_of(other));
        let nodes: BTreeSet<&str> = nodes.collect();
        let restricted = names(rule).filter(|name| scene.rules.has_node_affinity(name));
        if nodes.len() < restricted.count() {
            findings.add(id, Reason::RestrictedTooMuch)?;
            findings.add_each(&others, &Reason::RestrictsTooMuch)?;
        }
    }
    Ok(())
}

fn names(rule: &Rule) -> impl Iterator<Item = &str> {
    rule.resources.iter().map(String::as_str)
}

/// The nodes of a node affinity rule.
fn nodes_of(rule: &Rule) -> impl Iterator<Item = &str> {
    let nodes = match &rule.demand {
        Demand::Nodes { nodes, .. } => Some(nodes),
        Demand::Affinity(_) => None,
    };
    nodes
        .into_iter()
        .flat_map(|nodes| nodes.keys().map(String::as_str))
}

fn has_several_priorities(rule: &Rule) -> bool {
    match &rule.demand {
        Demand::Nodes { nodes, .. } => {
            let mut priorities = nodes.values();
            let first = priorities.next();
            priorities.any(|priority| Some(priority) != first)
        }
        Demand::Affinity(_) => false,
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, reason } = self;
        write!(f, "Drop rule '{rule}', because {reason}.")
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UsedTwice(resource) => {
                let other = "is already used in another node affinity rule";
                return write!(f, "resource '{resource}' {other}");
            }
            Self::Ineffective => "rule is ineffective as there are less than two resources",
            Self::MoreThanNodes => "rule defines more resources than available nodes",
            Self::SharesWithPositive => {
                "rule shares two or more resources with a positive resource affinity rule"
            }
            Self::SharesWithNegative => {
                "rule shares two or more resources with a negative resource affinity rule"
            }
            Self::MultiplePriorities => {
                "resources are in node affinity rules with multiple priorities"
            }
            Self::PrioritiesWithResourceAffinity => {
                "resources are in a resource affinity rule and cannot be in a node affinity rule \
                 with multiple priorities"
            }
            Self::MultipleNodeAffinity => "resources are in multiple node affinity rules",
            Self::NodeAffinityOfPositive => {
                "at least one resource is in a positive resource affinity rule and there are other \
                 resources in at least one other node affinity rule already"
            }
            Self::RestrictedTooMuch => {
                "two or more resources are restricted to less nodes than available to the resources"
            }
            Self::RestrictsTooMuch => {
                "at least one resource is in a negative resource affinity rule and this rule would \
                 restrict these to less nodes than available to the resources"
            }
        })
    }
}
