//! What follows from rules, and the compiled form (specification, rules §4 to §6).

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::format::rules::{Demand, Rules};
use lockstep_model::rules::compile::Partners;

use super::{rules, translated};

/// Each rule with its order number and resources, by id.
fn rows(rules: &Rules) -> Vec<(String, u64, String)> {
    let row = |(id, rule): (&str, &lockstep_model::format::rules::Rule)| {
        let names = rule.resources.iter().map(|name| name.replace("r:", ""));
        let names: Vec<String> = names.collect();
        (id.to_owned(), rules.order(id).unwrap(), names.join(" "))
    };
    rules.iter().map(row).collect()
}

#[track_caller]
fn check(lines: &[&str], expected: &[(&str, u64, &str)]) {
    let translated = translated(lines);
    assert_eq!(translated.dropped, []);
    let expected = expected.iter();
    let expected: Vec<_> = expected
        .map(|(id, order, names)| ((*id).to_owned(), *order, (*names).to_owned()))
        .collect();
    assert_eq!(rows(&translated.rules), expected, "{lines:?}");
}

#[test]
fn connected_positive_rules_are_merged_in_the_order_of_joining() {
    check(
        &["zz - 7 9", "rb + 2 3", "ra + 3 4", "rc + 1 2", "rd + 5 6"],
        &[
            ("_merged-rc-rb-ra", 4, "1 2 3 4"),
            ("rd", 5, "5 6"),
            ("zz", 1, "7 9"),
        ],
    );
}

/// §4.1: the third joins the first; the second shares c with it, but stays.
#[test]
fn groups_are_not_joined_afterwards() {
    check(
        &["ra + a i", "rb + b c", "rc + c i"],
        &[("_merged-ra-rc", 1, "a c i"), ("rb", 2, "b c")],
    );
}

/// As the checks see it, rc joins ra, and rb stays alone: neither shares two resources with rd. ra
/// is dropped by check 5; then rc joins rb, and nothing looks at rd again.
#[test]
fn dropping_may_join() {
    let translated = translated(&[
        "ra + 3 a",
        "rb + 5 6",
        "rc + 6 a",
        "rd - 5 a",
        "na = n1:1 n2 = 3",
    ]);
    let dropped: Vec<&str> = translated
        .dropped
        .iter()
        .map(|one| one.rule.as_str())
        .collect();
    assert_eq!(dropped, ["na", "ra"]);
    let compiled = translated.compiled;
    assert!(compiled.positive["r:5"].contains("r:a"));
    assert!(compiled.negative["r:5"].contains("r:a"));
}

#[test]
fn separation_from_one_is_separation_from_all() {
    check(
        &["pa + 1 2 3", "ma - 3 8", "mb - 1 9"],
        &[
            ("_implicit-negative-pa-r:1-r:8", 2, "1 8"),
            ("_implicit-negative-pa-r:2-r:8", 2, "2 8"),
            ("_implicit-negative-pa-r:2-r:9", 2, "2 9"),
            ("_implicit-negative-pa-r:3-r:9", 2, "3 9"),
            ("ma", 2, "3 8"),
            ("mb", 3, "1 9"),
            ("pa", 1, "1 2 3"),
        ],
    );
}

/// §4.2: from {a,b}, {c,d} and a apart from c follow (b,c) and (d,a), but not (b,d).
#[test]
fn implied_rules_imply_nothing() {
    check(
        &["pa + a b", "pb + c d", "ma - a c"],
        &[
            ("_implicit-negative-pa-r:b-r:c", 2, "b c"),
            ("_implicit-negative-pb-r:d-r:a", 2, "a d"),
            ("ma", 3, "a c"),
            ("pa", 1, "a b"),
            ("pb", 2, "c d"),
        ],
    );
}

#[test]
fn merged_rules_imply_as_one() {
    check(
        &["pa + 1 2", "pb + 2 3", "ma - 1 9"],
        &[
            ("_implicit-negative-_merged-pa-pb-r:2-r:9", 2, "2 9"),
            ("_implicit-negative-_merged-pa-pb-r:3-r:9", 2, "3 9"),
            ("_merged-pa-pb", 1, "1 2 3"),
            ("ma", 3, "1 9"),
        ],
    );
}

/// The smallest number is taken after rules were dropped, and disabled rules have theirs.
#[test]
fn added_rules_come_after_the_first_that_is_left() {
    let with_first = |disable| {
        let mut rules = rules(&["xx + 1", "pa + 1 2", "ma - 1 9"]);
        rules.get_mut("xx").unwrap().disable = disable;
        let nodes = BTreeSet::from(["n1", "n2"]);
        let translated = lockstep_model::rules::translate(rules, &nodes).unwrap();
        translated.rules.order("_implicit-negative-pa-r:2-r:9")
    };
    assert_eq!(with_first(None), Some(3), "the first is dropped");
    assert_eq!(with_first(Some(true)), Some(2), "the first is disabled");
}

#[test]
fn node_affinity_is_that_of_all_that_is_kept_together() {
    check(
        &[
            "na = n1 = 2 9",
            "nb = n1 = 7",
            "pa + 1 2",
            "pb + 2 3",
            "pc + 4 5",
        ],
        &[
            ("_merged-pa-pb", 3, "1 2 3"),
            ("na", 1, "1 2 3 9"),
            ("nb", 2, "7"),
            ("pc", 5, "4 5"),
        ],
    );
}

#[test]
fn compiled_node_affinity_lists_other_nodes_unless_strict() {
    let compiled = translated(&["na = n1:3 n9 = 1", "nb ! n2 = 2"]).compiled;
    let priorities = |of: &[(&str, i64)]| {
        let pairs = of
            .iter()
            .map(|(node, priority)| ((*node).to_owned(), *priority));
        pairs.collect::<BTreeMap<String, i64>>()
    };
    let loose = priorities(&[("n1", 3), ("n2", -1), ("n3", -1), ("n4", -1), ("n9", 0)]);
    let strict = priorities(&[("n2", 0)]);
    let expected = [("r:1".to_owned(), loose), ("r:2".to_owned(), strict)];
    assert_eq!(compiled.node_affinity, expected.into());
    assert_eq!(compiled.positive, Partners::new());
    assert_eq!(compiled.negative, Partners::new());
}

#[test]
fn compiled_affinity_lists_all_others() {
    let compiled = translated(&["ma - 1 2", "mb - 2 3", "pa + 8 9"]).compiled;
    let partners = |of: &[(&str, &[&str])]| {
        let name = |name: &&str| format!("r:{name}");
        let pairs = of.iter();
        let pairs = pairs.map(|(one, others)| (name(one), others.iter().map(name).collect()));
        pairs.collect::<Partners>()
    };
    assert_eq!(
        compiled.negative,
        partners(&[("1", &["2"]), ("2", &["1", "3"]), ("3", &["2"])])
    );
    assert_eq!(compiled.positive, partners(&[("8", &["9"]), ("9", &["8"])]));
}

#[test]
fn rules_that_are_added_have_no_comment() {
    let mut rules = rules(&["pa + 1 2", "pb + 2 3"]);
    rules.get_mut("pa").unwrap().comment = Some("a".into());
    let translated = lockstep_model::rules::translate(rules, &BTreeSet::new()).unwrap();
    let merged = translated.rules.get("_merged-pa-pb").unwrap();
    assert_eq!(merged.comment, None);
    assert!(!matches!(merged.demand, Demand::Nodes { .. }));
}
