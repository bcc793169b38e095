//! The shared grammar (specification, configuration §2).

use lockstep_model::format::groups::{Group, Groups};
use lockstep_model::format::list;
use lockstep_model::format::resources::{Resource, ResourceKind, Resources};
use lockstep_model::format::rules::{Affinity, Demand, Rule, Rules};
use lockstep_model::format::section::{Content, Grammar};

use super::{check, read, shown};

#[test]
fn headers_are_read_with_and_without_blanks() {
    for header in ["vm:100", "vm: 100", "VM:   100", "Vm:\t100 \t"] {
        check::<Resource>(header, &[], "vm: 100\n\n");
    }
}

#[test]
fn the_last_colon_that_leaves_an_id_ends_the_type() {
    for (header, type_name, id) in [
        ("a:b:c", "a:b", "c"),
        ("a:b:", "a", "b:"),
        ("a:: b", "a:", "b"),
        ("::b", ":", "b"),
        ("a: b:c", "a", "b:c"),
    ] {
        let warning =
            format!("file f line 1 (skip section '{id}'): unsupported type '{type_name}'");
        check::<Group>(header, &[&warning], "");
    }
}

#[test]
fn lines_between_sections_that_are_no_headers_are_ignored() {
    for line in [
        " vm: 100",
        "vm",
        "vm:",
        ":",
        ":100",
        "vm: 100 x",
        "vm 100",
        " ",
        "\r",
    ] {
        let warning = format!("file f line 2 - ignore config line: {line}");
        check::<Resource>(&format!("\n{line}\n\nct: 10"), &[&warning], "ct: 10\n\n");
    }
}

#[test]
fn comments_are_skipped_everywhere_and_count_as_lines() {
    let text = "# a\n  #b\nvm: 100\n\t# no property\n\tcomment #x\n#\n!\n\n# c\n";
    let warning = "file f line 7 (section 'vm:100') - ignore config line: !";
    check::<Resource>(text, &[warning], "vm: 100\n\tcomment #x\n\n");
}

#[test]
fn only_an_empty_line_ends_a_section() {
    let text = "vm: 100\n\tfailback 0\n \nct: 101\n\tcomment a\n\nct: 102";
    let warnings = [
        "file f line 3 (section 'vm:100') - ignore config line:  ",
        "file f line 4 (section 'vm:100') - ignore config line: ct: 101",
    ];
    let written = "vm: 100\n\tcomment a\n\tfailback 0\n\nct: 102\n\n";
    check::<Resource>(text, &warnings, written);
}

#[test]
fn values_begin_and_end_with_what_is_not_blank() {
    let text = "vm: 100\n \t comment \t a  b\t \n";
    check::<Resource>(text, &[], "vm: 100\n\tcomment a  b\n\n");
}

/// A bad property of a group: its warning, and that the rest of the section stays.
#[track_caller]
fn drops<C: Content>(header: &str, id: &str, property: &str, key: &str, error: &str) {
    let text = format!("{header}\n\t{property}\n");
    let (_, warnings) = lockstep_model::format::Sections::<C>::read("f", &text);
    let warning =
        format!("file f line 2 (section '{id}') - unable to parse value of '{key}': {error}");
    assert_eq!(shown(&warnings).first(), Some(&warning));
    let errors: Vec<_> = warnings.property_errors().collect();
    let [(2, section, dropped, cause)] = errors.as_slice() else {
        panic!("one property is dropped: {errors:?}");
    };
    assert_eq!((*section, *dropped), (id, key));
    assert_eq!(cause.to_string(), error);
}

#[test]
fn every_check_of_a_word_has_its_text() {
    for (property, key, error) in [
        ("nothing 1", "nothing", "unknown property type"),
        ("sid vm:100", "sid", "unexpected property 'sid'"),
        ("type vm", "type", "unexpected property 'type'"),
        ("state", "state", "got undefined value"),
        ("comment", "comment", "got undefined value"),
        ("comment a\rb", "comment", "property contains a line feed"),
        (
            "failback yes",
            "failback",
            "type check ('boolean') failed - got 'yes'",
        ),
        (
            "failback 00",
            "failback",
            "type check ('boolean') failed - got '00'",
        ),
        (
            "max_restart 1.5",
            "max_restart",
            "type check ('integer') failed - got '1.5'",
        ),
        (
            "max_restart +",
            "max_restart",
            "type check ('integer') failed - got '+'",
        ),
        (
            "group x",
            "group",
            "invalid format - invalid configuration ID 'x'",
        ),
        (
            "max_restart -1",
            "max_restart",
            "value must have a minimum value of 0",
        ),
        (
            "state on",
            "state",
            "value 'on' does not have a value in the enumeration 'started, stopped, enabled, \
             disabled, ignored'",
        ),
    ] {
        drops::<Resource>("vm: 100", "vm:100", property, key, error);
    }
}

#[test]
fn every_check_of_a_list_or_text_has_its_text() {
    let long = format!("comment {}", "ä".repeat(4097));
    let error = "value may only be 4096 characters long";
    drops::<Resource>("vm: 100", "vm:100", &long, "comment", error);
    let error = "invalid format - value does not look like a valid ha resource id";
    drops::<Rule>(
        "node-affinity: ab",
        "ab",
        "resources vm:1,100",
        "resources",
        error,
    );
    let error = "invalid format - value does not look like a valid ha node";
    for nodes in [
        "-a",
        "a-",
        "a_b",
        "a:",
        "a:-1",
        "a:b",
        "a,b:1:2",
        "a:1000000000000000000",
    ] {
        let property = format!("nodes {nodes}");
        drops::<Group>("group: ab", "ab", &property, "nodes", error);
    }
    let error = "unknown property type";
    drops::<Rule>(
        "node-affinity: ab",
        "ab",
        "affinity positive",
        "affinity",
        error,
    );
    drops::<Rule>("resource-affinity: ab", "ab", "strict 1", "strict", error);
}

#[test]
fn the_first_sound_value_of_a_property_counts() {
    let text = "vm: 100\n\tstate on\n\tstate stopped\n\tstate started\n\tstate\n";
    let of_state = "(section 'vm:100') - unable to parse value of 'state':";
    let (_, warnings) = Resources::read("f", text);
    let shown = shown(&warnings);
    assert_eq!(shown.len(), 3);
    assert_eq!(
        shown[1],
        format!("file f line 4 {of_state} duplicate attribute")
    );
    assert_eq!(
        shown[2],
        format!("file f line 5 {of_state} duplicate attribute")
    );
}

#[test]
fn integers_have_signs_and_any_length() {
    for (text, number) in [
        ("+5", 5),
        ("-0", 0),
        ("007", 7),
        ("99999999999999999999", u64::MAX),
    ] {
        let text = format!("vm: 100\n\tmax_restart {text}\n");
        let resources = read::<Resource>(&text, &[]);
        assert_eq!(resources.get("vm:100").unwrap().max_restart, Some(number));
    }
}

#[test]
fn a_flag_without_value_is_true() {
    check::<Group>(
        "group: ab\n\tnodes a\n\trestricted\n",
        &[],
        "group: ab\n\tnodes a\n\trestricted 1\n\n",
    );
}

#[test]
fn sections_with_bad_headers_are_skipped_without_their_lines() {
    let rest = "\n\tnothing\nx\n\n";
    for (header, id, reason) in [
        ("x: 100", "x:100", "no such resource type 'x'"),
        ("vm: x", "vm:x", "invalid VMID"),
        ("vm: 1", "vm:1", "invalid VMID"),
        ("vm: 010", "vm:010", "invalid VMID"),
    ] {
        let warning = format!("file f line 1 (skip section '{id}'): {reason}");
        check::<Resource>(&format!("{header}{rest}ct: 10"), &[&warning], "ct: 10\n\n");
    }
    for (header, id, reason) in [
        ("rule: ab", "ab", "unsupported type 'rule'"),
        ("rule: a", "a", "unsupported type 'rule'"),
        ("node-affinity: a", "a", "invalid configuration ID 'a'"),
        ("node-affinity: 1a", "1a", "invalid configuration ID '1a'"),
        ("node-affinity: aä", "aä", "invalid configuration ID 'aä'"),
    ] {
        let warning = format!("file f line 1 (skip section '{id}'): {reason}");
        check::<Rule>(&format!("{header}{rest}"), &[&warning], "");
    }
}

#[test]
fn sections_without_what_is_required_are_skipped() {
    for (text, line, key) in [
        ("node-affinity: ab\n\tresources vm:1\n\n", 3, "nodes"),
        ("node-affinity: ab\n\tresources vm:1\n#\n", 3, "nodes"),
        ("node-affinity: ab", 1, "nodes"),
        (
            "resource-affinity: ab\n\taffinity positive\n",
            2,
            "resources",
        ),
    ] {
        let reason = format!("missing value for required option '{key}'");
        let warning = format!("file f line {line} (skip section 'ab'): {reason}");
        check::<Rule>(text, &[&warning], "");
    }
}

#[test]
fn a_repeated_section_replaces_the_earlier_one_and_comes_later() {
    let text = "vm: 100\n\tfailback 0\n\nct: 101\n\nvm: 100\n\n";
    let resources = read::<Resource>(text, &[]);
    assert_eq!(resources.order("ct:101"), Some(2));
    assert_eq!(resources.order("vm:100"), Some(3));
    assert_eq!(resources.write().unwrap(), "ct: 101\n\nvm: 100\n\n");
    let text = "group: ab\n\tnodes a\n\ngroup: ab\n\ngroup: cd\n\tnodes a\n";
    let warning = "file f line 5 (skip section 'ab'): missing value for required option 'nodes'";
    let groups = read::<Group>(text, &[warning]);
    assert_eq!(groups.get("ab"), None);
    assert_eq!(groups.order("cd"), Some(3));
}

#[test]
fn sections_are_written_by_number_then_by_id_and_without_number_last() {
    let mut resources = Resources::new();
    let orders = [
        ("vm:10", None),
        ("vm:20", Some(2)),
        ("vm:30", Some(1)),
        ("vm:15", Some(2)),
    ];
    for (sid, order) in orders {
        let resource = Resource::new(ResourceKind::VirtualMachine);
        resources.insert(sid.into(), order, resource);
    }
    let written = "vm: 30\n\nvm: 15\n\nvm: 20\n\nvm: 10\n\n";
    assert_eq!(resources.write().unwrap(), written);
}

#[test]
fn what_would_not_be_read_again_is_not_written() {
    let rule = |comment: &str| {
        let nodes = [("node1".to_owned(), 0)].into();
        let demand = Demand::Nodes {
            nodes,
            strict: None,
        };
        Rule {
            comment: Some(comment.into()),
            ..Rule::new(["vm:1".to_owned()].into(), demand)
        }
    };
    let refuses = |id: &str, rule: Rule, error: &str| {
        let mut rules = Rules::new();
        rules.insert(id.into(), None, rule);
        assert_eq!(rules.write().unwrap_err().to_string(), error);
    };
    let empty = Rule::new([].into(), Demand::Affinity(Affinity::Positive));
    let error = "section 'ab' - missing value for required option 'resources'";
    refuses("ab", empty, error);
    refuses(
        "_x",
        rule(""),
        "section '_x' - invalid configuration ID '_x'",
    );
    let error = "section 'ab' - value of 'comment': value may only be 4096 characters long";
    refuses("ab", rule(&"a".repeat(4097)), error);
    let mut resources = Resources::new();
    let mut resource = Resource::new(ResourceKind::Container);
    resource.comment = Some("a\nb".into());
    resources.insert("ct:10".into(), None, resource);
    let error = resources.write().unwrap_err().to_string();
    assert_eq!(error, "property 'comment' contains a line feed");
}

#[test]
fn lists_have_any_separators() {
    let entries = |text| list::entries(text).collect::<Vec<_>>();
    assert_eq!(entries(" ,;a,b;;c d\t,e,"), ["a", "b", "c", "d", "e"]);
    assert_eq!(entries("\0a,b\0\0c d\0"), ["a,b", "c d"]);
    assert_eq!(entries(",; "), [""; 0]);
    for text in ["a,b", "a,b\0", "a;b\0c\0"] {
        let entries: Vec<String> = list::entries(text).map(str::to_owned).collect();
        assert_eq!(list::text(&entries), text);
    }
}

/// The reader and the writer look through the tables in their order.
#[test]
fn tables_are_sorted() {
    fn is_sorted(grammar: Grammar) {
        assert!(grammar.types.is_sorted_by_key(|one| one.name));
        for one in grammar.types {
            assert!(
                one.properties.is_sorted_by_key(|property| property.key),
                "{}",
                one.name
            );
        }
    }
    is_sorted(Resource::GRAMMAR);
    is_sorted(Group::GRAMMAR);
    is_sorted(Rule::GRAMMAR);
    assert_eq!(Groups::new().write().unwrap(), "");
}
