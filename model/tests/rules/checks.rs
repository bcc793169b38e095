//! The seven checks (specification, rules §3).

use std::collections::BTreeSet;

use lockstep_model::rules::translate;

use super::{dropped, rules};

/// These rules give these messages, without what is the same in all.
#[track_caller]
fn check(lines: &[&str], expected: &[(&str, &str)]) {
    let expected = expected.iter();
    let expected: Vec<String> = expected
        .map(|(rule, reason)| format!("Drop rule '{rule}', because {reason}."))
        .collect();
    assert_eq!(dropped(lines), expected, "{lines:?}");
}

const INEFFECTIVE: &str = "rule is ineffective as there are less than two resources";
const MORE_THAN_NODES: &str = "rule defines more resources than available nodes";
const WITH_POSITIVE: &str =
    "rule shares two or more resources with a positive resource affinity rule";
const WITH_NEGATIVE: &str =
    "rule shares two or more resources with a negative resource affinity rule";
const PRIORITIES: &str = "resources are in node affinity rules with multiple priorities";
const OF_AFFINITY: &str = "resources are in a resource affinity rule and cannot be in a node \
                           affinity rule with multiple priorities";
const MULTIPLE: &str = "resources are in multiple node affinity rules";
const OF_POSITIVE: &str = "at least one resource is in a positive resource affinity rule and there \
                           are other resources in at least one other node affinity rule already";
const TOO_FEW: &str =
    "two or more resources are restricted to less nodes than available to the resources";
const RESTRICTS: &str = "at least one resource is in a negative resource affinity rule and this \
                         rule would restrict these to less nodes than available to the resources";

#[test]
fn a_resource_is_in_one_node_affinity_rule() {
    let used = |name| format!("resource 'r:{name}' is already used in another node affinity rule");
    let (one, two) = (used("1"), used("2"));
    check(
        &[
            "nb = n1 = 2 1",
            "na ! n2 = 1 2 3",
            "nc = n1 = 2",
            "nd = n1 = 4",
        ],
        &[
            ("na", &one),
            ("na", &two),
            ("nb", &one),
            ("nb", &two),
            ("nc", &two),
        ],
    );
}

#[test]
fn resource_affinity_needs_two_resources() {
    let expected = [
        ("ra", INEFFECTIVE),
        ("rb", INEFFECTIVE),
        ("rc", INEFFECTIVE),
    ];
    check(&["ra + 1", "rb - 2", "rc +", "rd + 3 4"], &expected);
}

#[test]
fn negative_rules_need_as_many_nodes_as_resources() {
    check(
        &["ra - 1 2 3 4 5", "rb - 11 12 13 14", "rc + 21 22 23 24 25"],
        &[("ra", MORE_THAN_NODES)],
    );
    let translated = translate(rules(&["ra - 1 2", "rb + 3 4"]), &BTreeSet::new()).unwrap();
    let dropped: Vec<&str> = translated
        .dropped
        .iter()
        .map(|one| one.rule.as_str())
        .collect();
    assert_eq!(dropped, ["ra"], "without nodes");
}

#[test]
fn resources_are_not_kept_together_and_apart() {
    check(&["ra + 1 2", "rb - 1 3"], &[]);
    check(
        &["ra + 1 2", "rb + 2 3", "rc - 1 3", "rd - 1 2", "re + 8 9"],
        &[
            ("ra", WITH_NEGATIVE),
            ("ra", WITH_NEGATIVE),
            ("rb", WITH_NEGATIVE),
            ("rb", WITH_NEGATIVE),
            ("rc", WITH_POSITIVE),
            ("rd", WITH_POSITIVE),
        ],
    );
}

#[test]
fn resource_affinity_goes_with_one_priority() {
    let several = [("na", OF_AFFINITY), ("ra", PRIORITIES)];
    check(&["na = n1 n2:1 = 1 9", "ra + 1 2"], &several);
    check(&["na = n1 n2:1 = 1 9", "ra - 1 2"], &several);
    check(&["na = n1:3 n2:3 = 1 2", "ra + 1 2"], &[]);
    // The other rule has one priority, but is dropped with the first.
    check(
        &["na = n1 n2:1 n3 = 1", "nb = n4 = 2", "ra - 1 2"],
        &[("na", OF_AFFINITY), ("nb", OF_AFFINITY), ("ra", PRIORITIES)],
    );
}

#[test]
fn what_is_kept_together_is_in_one_node_affinity_rule() {
    check(
        &[
            "na = n1 = 1",
            "nb = n1 = 3",
            "nc = n1 = 4",
            "ra + 1 2",
            "rb + 2 3",
            "rc + 4 5",
        ],
        &[
            ("na", OF_POSITIVE),
            ("nb", OF_POSITIVE),
            ("ra", MULTIPLE),
            ("rb", MULTIPLE),
        ],
    );
}

#[test]
fn what_is_kept_apart_has_enough_nodes() {
    // Strict or not makes no difference; what is in no node affinity rule doesn't count.
    check(
        &["na = n1 = 1", "nb ! n1 = 2", "ra - 1 2 3"],
        &[("na", RESTRICTS), ("nb", RESTRICTS), ("ra", TOO_FEW)],
    );
    check(&["na = n1 = 1", "nb = n2 = 2", "ra - 1 2 3"], &[]);
    check(&["na = n1 n2 = 1 2", "ra - 1 2"], &[]);
}

/// A rule that one check drops still makes another check drop others.
#[test]
fn no_check_sees_what_another_one_found() {
    let used = "resource 'r:1' is already used in another node affinity rule";
    check(
        &["na = n1 = 1", "nb = n2 = 1", "ra + 1 2"],
        &[
            ("na", used),
            ("na", OF_POSITIVE),
            ("nb", used),
            ("nb", OF_POSITIVE),
            ("ra", MULTIPLE),
        ],
    );
}

/// So what is left may still be too tight: of the three nodes that check 7 counts, one is left.
#[test]
fn checks_are_not_repeated_on_what_is_left() {
    let used = "resource 'r:4' is already used in another node affinity rule";
    let rules = ["na = n1 = 6 9", "ra - 4 6 9", "nb = n2 = 4", "nc = n3 = 4"];
    check(&rules, &[("nb", used), ("nc", used)]);
    check(&rules[..2], &[("na", RESTRICTS), ("ra", TOO_FEW)]);
}

#[test]
fn disabled_rules_take_no_part_and_stay() {
    let mut rules = rules(&["na = n1 = 1", "nb = n2 = 1", "ra + 1"]);
    for id in ["nb", "ra"] {
        rules.get_mut(id).unwrap().disable = Some(false);
    }
    let translated = translate(rules, &BTreeSet::from(["n1"])).unwrap();
    assert_eq!(translated.dropped, []);
    assert_eq!(translated.rules.len(), 3);
    assert_eq!(translated.compiled.node_affinity.len(), 1);
}

#[test]
fn what_implies_too_much_is_refused() {
    let resources: String = (0..10_000).map(|number| format!(" {number}")).collect();
    let one = format!("ra +{resources}");
    let error = translate(rules(&[&one]), &BTreeSet::new()).unwrap_err();
    assert!(error.to_string().contains("256 MiB"), "{error}");
    let resources: String = (0..1000).map(|number| format!(" {number}")).collect();
    let one = format!("ra +{resources}");
    let translated = translate(rules(&[&one]), &BTreeSet::new()).unwrap();
    assert_eq!(translated.compiled.positive.len(), 1000);
}
