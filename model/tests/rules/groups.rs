//! Rules in place of groups (specification, rules §7).

use lockstep_model::format::groups::Groups;
use lockstep_model::format::resources::Resources;
use lockstep_model::format::rules::Rules;
use lockstep_model::rules::groups::{add_rules, migrated, set_failback};
use lockstep_model::rules::version::Version;

const RESOURCES: &str = "vm: 100\n\tgroup aa\n\tfailback 1\n\nvm: 101\n\tgroup bb\n\tfailback 0\n\n\
                         vm: 102\n\tgroup gone\n\tfailback 0\n\nct: 103\n\tfailback 0\n\n\
                         ct: 104\n\tgroup aa\n";

const GROUPS: &str = "group: bb\n\tnodes n2:0,n1:5\n\nunused: x\n\ngroup: aa\n\tnodes n3\n\t\
                      nofailback\n\trestricted\n\tcomment noted: 1\n\ngroup: unused\n\tnodes n1\n";

fn read() -> (Resources, Groups) {
    (
        Resources::read("r", RESOURCES).0,
        Groups::read("g", GROUPS).0,
    )
}

#[test]
fn failback_is_that_of_the_group() {
    let (mut resources, groups) = read();
    set_failback(&mut resources, &groups);
    let failback = resources.iter().map(|(sid, one)| (sid, one.failback));
    let expected = [
        ("ct:103", Some(false)),
        ("ct:104", Some(false)),
        ("vm:100", Some(false)),
        ("vm:101", Some(true)),
        ("vm:102", Some(true)),
    ];
    assert_eq!(failback.collect::<Vec<_>>(), expected);
}

#[test]
fn groups_with_resources_become_rules() {
    let (resources, groups) = read();
    let mut rules = Rules::new();
    add_rules(&mut rules, &resources, &groups);
    let written = "node-affinity: ha-group-aa\n\tcomment noted%3A 1\n\tnodes n3\n\t\
                   resources ct:104,vm:100\n\tstrict 1\n\nnode-affinity: ha-group-bb\n\t\
                   comment Generated from HA group 'bb'.\n\tnodes n1:5,n2\n\tresources vm:101\n\n";
    assert_eq!(rules.write().unwrap(), written);
    assert_eq!(rules.order("ha-group-aa"), Some(1));
    assert_eq!(rules.order("ha-group-bb"), Some(2));
}

#[test]
fn rules_of_groups_replace_and_come_after_the_first() {
    let (resources, groups) = read();
    let text = "node-affinity: ha-group-bb\n\tnodes n9\n\tresources vm:9\n\n\
                resource-affinity: cc\n\taffinity negative\n\tresources vm:1,vm:2\n";
    let (rules, _) = Rules::read("f", text);
    let mut added = rules;
    add_rules(&mut added, &resources, &groups);
    assert_eq!(added.order("ha-group-aa"), Some(2));
    assert_eq!(added.order("ha-group-bb"), Some(2));
    assert_eq!(added.order("cc"), Some(2));
    assert!(
        added
            .get("ha-group-bb")
            .unwrap()
            .resources
            .contains("vm:101")
    );
}

#[test]
fn migration_leaves_no_group() {
    let (resources, groups) = read();
    let (rules, resources) = migrated(&Rules::new(), &resources, &groups);
    assert_eq!(rules.len(), 2);
    let written = "vm: 100\n\tfailback 0\n\nvm: 101\n\tfailback 0\n\nvm: 102\n\tfailback 0\n\n\
                   ct: 103\n\tfailback 0\n\nct: 104\n\tfailback 0\n\n";
    assert_eq!(resources.write().unwrap(), written);
}

#[test]
fn versions_are_compared_by_numbers_then_revision() {
    for (text, is_enough) in [
        ("9.0.0~16", true),
        ("9.0.0~15", false),
        ("9.0.0~2", false),
        ("9.0.0", true),
        ("9.0-1", true),
        ("9.0-0~16", true),
        ("10.0.0~1", true),
        ("8.4.14", false),
    ] {
        let version = Version::parse(text).unwrap();
        assert_eq!(version.is_at_least(Version::FOR_RULES), is_enough, "{text}");
    }
    for text in [
        "", "9", "9.0", "9.0.", "9.0.0~", "9.0.0~x", "9.0.0.1", "a.0.0", "9.0.0-1", "-9.0.0",
    ] {
        assert_eq!(Version::parse(text), None, "{text}");
    }
    assert_eq!(Version::FOR_RULES.to_string(), "9.0.0~16");
}
