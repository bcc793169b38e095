//! What resources, groups and rules say (specification, configuration §4 to §6).

use std::collections::BTreeMap;

use lockstep_model::format::groups::Group;
use lockstep_model::format::name::{Guest, GuestKind};
use lockstep_model::format::resources::{RequestState, Resource};
use lockstep_model::format::rules::Rule;

use super::{check, read};

#[test]
fn a_resource_has_what_is_written() {
    let text = "ct: 101\n\tmax_restart 3\n\tstate enabled\n\tgroup my-group\n\tmax_relocate 0\n\t\
                failback\n\tcomment a%3Ab: c\n";
    let written = "ct: 101\n\tcomment a%3Ab: c\n\tfailback 1\n\tgroup my-group\n\tmax_relocate 0\n\t\
                   max_restart 3\n\tstate enabled\n\n";
    check::<Resource>(text, &[], written);
}

#[test]
fn checked_resources_have_defaults_and_nodes() {
    let text = "vm: 100\n\nct: 101\n\tstate enabled\n\tfailback 0\n\tmax_restart 0\n\n\
                ct: 102\n\tstate ignored\n\tmax_relocate 7\n";
    let guest = Guest {
        node: "node2".into(),
        // Only the number is looked at.
        kind: GuestKind::Container,
    };
    let guests = BTreeMap::from([("100".to_owned(), guest)]);
    let checked = read::<Resource>(text, &[]).checked(&guests);
    let rows: Vec<_> = checked
        .iter()
        .map(|(sid, one)| {
            let counts = (one.max_restart, one.max_relocate);
            (
                sid.as_str(),
                one.state,
                one.failback,
                counts,
                one.node.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("ct:101", RequestState::Started, false, (0, 1), None),
            ("ct:102", RequestState::Ignored, true, (1, 7), None),
            ("vm:100", RequestState::Started, true, (1, 1), Some("node2")),
        ]
    );
}

#[test]
fn a_group_has_entries_and_priorities() {
    let text = "group: my_group\n\tnodes node3:02 node1;node10:3,node1\n\tnofailback 0\n";
    let groups = read::<Group>(text, &[]);
    let priorities = groups.get("my_group").unwrap().priorities();
    let expected = [("node1", 0), ("node10", 3), ("node3", 2)];
    assert_eq!(
        priorities,
        expected.map(|(node, one)| (node.to_owned(), one)).into()
    );
    let written = "group: my_group\n\tnodes node1,node10:3,node3:02\n\tnofailback 0\n\n";
    check::<Group>(text, &[], written);
}

/// The example of the specification.
#[test]
fn rules_are_written_with_sorted_lists_and_encoded_comments() {
    let text = "node-affinity: prefer-n3\n\tstrict\n\tresources vm:2 ct:1\n\tnodes node3:2,node1:0\n\t\
                comment main%3a db\n\nresource-affinity: apart\n\tresources vm:4;vm:3\n\t\
                affinity negative\n\tdisable 1\n";
    let written = "node-affinity: prefer-n3\n\tcomment main%3A db\n\tnodes node1,node3:2\n\t\
                   resources ct:1,vm:2\n\tstrict 1\n\nresource-affinity: apart\n\tdisable\n\t\
                   affinity negative\n\tresources vm:3,vm:4\n\n";
    check::<Rule>(text, &[], written);
}

#[test]
fn nodes_are_written_by_name_not_by_entry() {
    let text = "node-affinity: ab\n\tnodes node10 node1:3 node1-a\n\tresources a:b\n";
    let written = "node-affinity: ab\n\tnodes node1:3,node1-a,node10\n\tresources a:b\n\n";
    check::<Rule>(text, &[], written);
}

#[test]
fn a_rule_is_disabled_by_any_value() {
    let rules = |value: &str| {
        let text = format!("node-affinity: ab\n\tnodes a\n\tresources a:b\n\tdisable{value}\n");
        read::<Rule>(&text, &[])
    };
    for (value, disable) in [("", Some(true)), (" 1", Some(true)), (" 0", Some(false))] {
        let rules = rules(value);
        let rule = rules.get("ab").unwrap();
        assert_eq!(rule.disable, disable);
        assert!(!rule.is_enabled());
        let is_written = rules.write().unwrap().contains("\tdisable\n");
        assert_eq!(is_written, disable == Some(true));
    }
}

#[test]
fn strict_is_written_as_it_is_given() {
    for (given, written) in [
        ("", ""),
        ("\tstrict 0\n", "\tstrict 0\n"),
        ("\tstrict\n", "\tstrict 1\n"),
    ] {
        let text =
            |strict: &str| format!("node-affinity: ab\n\tnodes a\n\tresources a:b\n{strict}");
        check::<Rule>(&text(given), &[], &format!("{}\n", text(written)));
    }
}

#[test]
fn comments_of_rules_are_encoded() {
    for (written, comment) in [
        ("ä", "ä"),
        ("%C3%A4%0A%25", "ä\n%"),
        ("%", "%"),
        ("%4", "%4"),
        ("%zz%41", "%zzA"),
        // What isn't UTF-8 stays as it is.
        ("%41%ff", "%41%ff"),
        ("%20a %20", " a  "),
    ] {
        let text = |comment: &str| {
            format!(
                "resource-affinity: ab\n\tcomment {comment}\n\taffinity negative\n\tresources a:b\n\n"
            )
        };
        let rules = read::<Rule>(&text(written), &[]);
        assert_eq!(rules.get("ab").unwrap().comment.as_deref(), Some(comment));
        let again = read::<Rule>(&rules.write().unwrap(), &[]);
        assert_eq!(again, rules);
    }
}
