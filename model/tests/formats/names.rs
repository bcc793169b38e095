//! The forms of names (specification, configuration §4 and §5).

use std::collections::BTreeMap;

use lockstep_model::format::name::{
    Guest, GuestKind, check_config_id, check_resource_id, check_resource_or_guest_id,
    is_guest_number, node_entry, sid_of,
};

#[test]
fn config_ids() {
    for id in ["ab", "A-", "a_1"] {
        assert_eq!(check_config_id(id), Ok(()), "{id}");
    }
    for id in ["", "a", "1a", "_a", "a b", "aä", "äa"] {
        assert!(check_config_id(id).is_err(), "{id}");
    }
}

#[test]
fn resource_ids() {
    for id in ["vm:100", "a:b", "vm:a:b,c"] {
        assert_eq!(check_resource_id(id), Ok(()), "{id}");
    }
    for id in ["", "vm:", ":100", "VM:1", "v1:1", "vm:1 ", "100"] {
        assert!(check_resource_id(id).is_err(), "{id}");
    }
    assert_eq!(check_resource_or_guest_id("0100"), Ok(()));
    assert!(check_resource_or_guest_id("10a").is_err());
    assert!(is_guest_number("10") && !is_guest_number("01") && !is_guest_number("9"));
}

#[test]
fn node_entries() {
    for (text, entry) in [
        ("a", ("a", 0)),
        ("Node-1", ("Node-1", 0)),
        ("1:007", ("1", 7)),
    ] {
        assert_eq!(node_entry(text), Ok(entry));
    }
    for text in ["", "-", ":1", "a.b", "a:1:2", "a:+1"] {
        assert!(node_entry(text).is_err(), "{text}");
    }
}

#[test]
fn guests_name_services() {
    let guest = |kind| {
        let node = "node1".to_owned();
        Guest { node, kind }
    };
    let guests = BTreeMap::from([
        ("100".to_owned(), guest(GuestKind::VirtualMachine)),
        ("101".to_owned(), guest(GuestKind::Container)),
        ("102".to_owned(), guest(GuestKind::Other("pod".into()))),
    ]);
    let sid = |text| sid_of(text, &guests).map_err(|error| error.to_string());
    assert_eq!(sid("100"), Ok("vm:100".to_owned()));
    assert_eq!(sid("101"), Ok("ct:101".to_owned()));
    assert_eq!(sid("fa:b"), Ok("fa:b".to_owned()));
    for (text, error) in [
        ("102", "unknown PVE resource type 'pod'"),
        (
            "103",
            "unable to detect SID from VMID - VM/CT 103 does not exist",
        ),
        ("vm", "unable to parse service id 'vm'"),
        ("vm:", "unable to parse service id 'vm:'"),
    ] {
        assert_eq!(sid(text), Err(error.to_owned()));
    }
}
