//! What holds of random rules.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::format::rules::{Affinity, Demand, Rule, Rules};
use lockstep_model::rules::compile::Partners;
use lockstep_model::rules::translate;
use proptest::prelude::*;

use super::rules;

/// Lines of rules with few names, so that they meet; each id occurs once.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let names = |resources: BTreeSet<String>| resources.into_iter().collect::<Vec<_>>().join(" ");
    let resources = || prop::collection::btree_set("[1-9a-f]", 1..5).prop_map(names);
    let priority = prop_oneof![3 => Just(0), 1 => 0..3_u8];
    let nodes = prop::collection::btree_map("n[1-4]", priority, 1..4);
    let nodes = nodes.prop_map(|nodes: BTreeMap<String, u8>| {
        let nodes = nodes
            .iter()
            .map(|(node, priority)| format!("{node}:{priority}"));
        nodes.collect::<Vec<_>>().join(" ")
    });
    let affinity = (prop::sample::select(vec!["+", "-"]), resources());
    let of_nodes = (prop::sample::select(vec!["=", "!"]), nodes, resources());
    let rule = prop_oneof![
        2 => affinity.prop_map(|(kind, resources)| format!("{kind} {resources}")),
        1 => of_nodes.prop_map(|(kind, nodes, resources)| format!("{kind} {nodes} = {resources}")),
    ];
    prop::collection::vec(rule, 0..9).prop_map(|rules| {
        let numbered = rules.iter().enumerate();
        let numbered = numbered.map(|(number, rule)| format!("r{number} {rule}"));
        numbered.collect()
    })
}

fn permuted() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    lines().prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle()))
}

fn read(lines: &[String]) -> Rules {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    rules(&lines)
}

fn contents(rules: &Rules) -> Vec<(&str, &Rule)> {
    rules.iter().collect()
}

fn is_symmetric(partners: &Partners) -> bool {
    let has = |one: &str, other: &str| {
        partners
            .get(one)
            .is_some_and(|others| others.contains(other))
    };
    let mut pairs = partners
        .iter()
        .flat_map(|(one, others)| others.iter().map(move |other| (one, other)));
    pairs.all(|(one, other)| one != other && has(other, one))
}

proptest! {
    /// The order of sections with different ids decides order numbers, and nothing else: not the
    /// messages, not which rules are left or added, not the compiled form. (Of sections with the
    /// same id the last counts, so their order does matter.)
    #[test]
    fn order_decides_numbers_alone((one, other) in permuted(), count in 0..5_usize) {
        let nodes = ["n1", "n2", "n3", "n4"].into_iter().take(count).collect();
        let one = translate(read(&one), &nodes).unwrap();
        let other = translate(read(&other), &nodes).unwrap();
        prop_assert_eq!(&one.dropped, &other.dropped);
        prop_assert_eq!(contents(&one.rules), contents(&other.rules));
        prop_assert_eq!(&one.compiled, &other.compiled);
    }

    /// Partners are partners of each other, and nothing is kept together with what it is kept
    /// apart from. (Not so where a rule connects groups without their being joined: then what is
    /// in both isn't separated, and dropping a rule may join them after all. See
    /// `transform::dropping_may_join`.)
    #[test]
    fn nothing_is_kept_together_and_apart(lines in lines()) {
        let positive: Vec<String> = lines.iter().filter(|line| line.contains('+')).cloned().collect();
        let groups = translate(read(&positive), &BTreeSet::new()).unwrap().compiled.positive;
        let whole = |(one, others): (&String, &BTreeSet<String>)| {
            let with = |name: &String| others.iter().chain([one]).filter(|other| *other != name).cloned().collect();
            others.iter().all(|other| groups.get(other) == Some(&with(other)))
        };
        prop_assume!(groups.iter().all(whole));
        let nodes = BTreeSet::from(["n1", "n2", "n3", "n4"]);
        let translated = translate(read(&lines), &nodes).unwrap();
        let compiled = &translated.compiled;
        prop_assert!(is_symmetric(&compiled.positive));
        prop_assert!(is_symmetric(&compiled.negative));
        let positive = translated.rules.iter().map(|(_, rule)| rule);
        let positive = positive.filter(|rule| rule.demand == Demand::Affinity(Affinity::Positive));
        for rule in positive {
            for one in &rule.resources {
                let apart = compiled.negative.get(one).cloned().unwrap_or_default();
                prop_assert!(apart.is_disjoint(&rule.resources), "{}: {:?}", one, apart);
            }
        }
    }
}
