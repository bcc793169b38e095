//! What holds of random texts.
#![expect(clippy::disallowed_types, reason = "a stopwatch")]

use std::time::{Duration, Instant};

use lockstep_model::format::datacenter::Settings;
use lockstep_model::format::fence::FenceConfig;
use lockstep_model::format::groups::Group;
use lockstep_model::format::resources::Resource;
use lockstep_model::format::rules::Rule;
use lockstep_model::format::section::{Content, Sections};
use proptest::prelude::*;

/// Texts that are nearly configurations: words of the grammars between blanks and ends of lines.
fn near(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let separators = prop_oneof![
        4 => Just(" "), 3 => Just("\n"), 3 => Just("\n\t"), 1 => Just("\n\n"), 1 => Just(","),
        1 => Just(":"), 1 => Just("\0"), 1 => Just("\r"), 1 => Just("#"), 1 => Just(""),
    ];
    let word = prop_oneof![9 => prop::sample::select(words).prop_map(str::to_owned), 1 => ".{0,5}"];
    let parts = prop::collection::vec((word, separators), 0..40);
    parts.prop_map(|parts| {
        let parts = parts.into_iter();
        parts
            .flat_map(|(word, end)| [word, end.to_owned()])
            .collect()
    })
}

const SECTION_WORDS: &[&str] = &[
    "vm:",
    "ct:",
    "vm:100",
    "101",
    "group:",
    "node-affinity:",
    "resource-affinity:",
    "ab",
    "cd-1",
    "comment",
    "%41%20",
    "ä:%",
    "state",
    "started",
    "disabled",
    "failback",
    "0",
    "1",
    "max_restart",
    "+7",
    "nodes",
    "node1,node2:3",
    "node10",
    "restricted",
    "resources",
    "vm:1,ct:2",
    "vm:3\0vm:4,5",
    "affinity",
    "positive",
    "negative",
    "strict",
    "disable",
    "group",
];

const FENCE_WORDS: &[&str] = &[
    "device",
    "connect",
    "a",
    "a:2",
    "b",
    "b:10",
    "node=n1",
    "node=n2",
    "agent",
    "p=1",
    "'q r'",
    "\"x\\\"y\"",
    "'",
    "\\",
    "ä=''",
    "\\'",
    "device a agent x",
    "connect a node=n1 y",
];

const SETTING_WORDS: &[&str] = &[
    "ha:",
    "crs:",
    "ha=static",
    "ha-auto-rebalance=1",
    "ha-auto-rebalance-margin=0.25",
    "shutdown_policy=freeze",
    "max_workers: 3",
    "fencing: both",
    "notify:",
    "x=y",
    "-0.1",
    "#",
];

/// Sections as they are read are written, and read again as the same in the same order. Order
/// numbers are counted anew, and a flag that disables by being false isn't written; both are the
/// specification's.
fn survives<C: Content + PartialEq + std::fmt::Debug>(text: &str) -> Result<(), TestCaseError> {
    let (sections, _) = Sections::<C>::read("f", text);
    let Ok(written) = sections.write() else {
        // Only a list without entries can be read and not be written.
        return Ok(());
    };
    let (again, warnings) = Sections::<C>::read("f", &written);
    let warnings = super::shown(&warnings);
    prop_assert!(
        warnings.is_empty(),
        "{:?}: {:?}: {:?}",
        text,
        written,
        warnings
    );
    prop_assert_eq!(again.write(), Ok(written));
    if !text.contains("disable") {
        prop_assert_eq!(again.in_order(), sections.in_order());
    }
    Ok(())
}

proptest! {
    #[test]
    fn sections_survive(text in near(SECTION_WORDS)) {
        survives::<Resource>(&text)?;
        survives::<Group>(&text)?;
        survives::<Rule>(&text)?;
    }

    #[test]
    fn sections_survive_whole(rules in prop::collection::vec(rule(), 0..8)) {
        survives::<Rule>(&rules.concat())?;
    }

    #[test]
    fn resources_and_groups_survive_whole(sections in prop::collection::vec(resource_or_group(), 0..8)) {
        survives::<Resource>(&sections.concat())?;
        survives::<Group>(&sections.concat())?;
    }

    /// Priorities are counted anew; their order is the same.
    #[test]
    fn fence_devices_survive(text in near(FENCE_WORDS)) {
        let Ok((devices, _)) = FenceConfig::read("f", &text) else {
            return Ok(());
        };
        let Ok(written) = devices.write() else {
            return Ok(());
        };
        let (again, warnings) = FenceConfig::read("f", &written).unwrap();
        prop_assert!(warnings.is_empty(), "{}", written);
        prop_assert_eq!(again.write(), Ok(written));
        prop_assert_eq!(again.by_priority(), devices.by_priority());
        for (name, device) in devices.devices() {
            prop_assert_eq!(&again.devices()[name].sub_devices, &device.sub_devices);
        }
    }

    #[test]
    fn nothing_panics(text in prop_oneof![
        ".*", "\\PC*", near(SECTION_WORDS), near(FENCE_WORDS), near(SETTING_WORDS)
    ]) {
        super::shown(&Sections::<Resource>::read("f", &text).1);
        super::shown(&Sections::<Group>::read("f", &text).1);
        super::shown(&Sections::<Rule>::read("f", &text).1);
        let _ = Settings::read("f", &text).map_err(|error| error.to_string());
        let _ = FenceConfig::read("f", &text).map_err(|error| error.to_string());
    }
}

/// A whole rule, sound but for what it says.
fn rule() -> impl Strategy<Value = String> {
    let resources = prop::collection::btree_set("(vm|ct):[1-9][0-9]{0,2}", 1..5);
    let nodes = prop::collection::vec("node[1-9](:[0-9]{1,3})?", 1..4);
    let comment = prop::option::of("[ -~äß\u{a0}]{1,12}");
    let id = "[a-z][a-z0-9-]{1,3}";
    (id, resources, nodes, comment, 0..6_u8).prop_map(|(id, resources, nodes, comment, kind)| {
        let resources: Vec<String> = resources.into_iter().collect();
        let resources = resources.join(";");
        let comment = comment.map(|text| format!("\tcomment {text}\n"));
        let comment = comment.unwrap_or_default();
        let nodes = nodes.join(" ");
        match kind {
            0 => format!("resource-affinity: {id}\n\taffinity positive\n\tresources {resources}\n{comment}\n"),
            1 => format!("resource-affinity: {id}\n\taffinity negative\n\tresources {resources}\n{comment}\n"),
            kind => {
                let strict = if kind % 2 == 0 { "\tstrict 0\n" } else { "" };
                format!("node-affinity: {id}\n\tnodes {nodes}\n\tresources {resources}\n{strict}{comment}\n")
            }
        }
    })
}

fn resource_or_group() -> impl Strategy<Value = String> {
    let properties = prop::sample::subsequence(
        vec![
            "\tstate stopped\n",
            "\tmax_restart 4\n",
            "\tmax_relocate 0\n",
            "\tfailback 0\n",
            "\tgroup ab\n",
            "\tnodes n2:3,n1\n",
            "\tnodes n4\n",
            "\trestricted\n",
            "\tnofailback 1\n",
        ],
        0..9,
    );
    let comment = "[!-~ ]{0,9}";
    let header = prop_oneof![
        "vm: [1-9][0-9]{1,2}",
        "ct:[1-9][0-9]{1,2}",
        "group: [a-z]{2,3}"
    ];
    (header, properties, comment).prop_map(|(header, properties, comment)| {
        format!("{header}\n{}\tcomment {comment}\n\n", properties.concat())
    })
}

/// A mebibyte that is made to be slow is read in well under a second. The limit is far above what
/// it takes, for machines that are busy; what grows with the square is far above the limit.
#[test]
fn hostile_texts_are_read_in_time() {
    const SIZE: usize = 1 << 20;
    let repeated = |text: &str| text.repeat(SIZE / text.len());
    let long = "a".repeat(SIZE / 2);
    let texts = [
        repeated("\n"),
        repeated("a\n"),
        repeated("a:"),
        repeated(" "),
        repeated(" #"),
        repeated("vm:10\n\n"),
        repeated("group: ab\n nodes a\n\n"),
        format!("vm: 100\n{}", repeated(" comment a\n")),
        format!("node-affinity: {long}\n{}", repeated("x\n")),
        format!("node-affinity: {long}\n{}", repeated(" x y\n")),
        format!("node-affinity: ab\n resources {}", repeated("a:b,")),
        format!("node-affinity: ab\n resources {}", repeated("\0")),
        format!("node-affinity: ab\n nodes {}", repeated("a:1;")),
        format!("node-affinity: ab\n comment {}", repeated("%41")),
        format!("crs: {}", repeated("a=b,")),
        repeated("ha: shutdown_policy=freeze\n"),
        format!("device a b {}", repeated("'\\\"")),
        format!("device a b {}", repeated("\\'")),
        format!("connect a {}node= b", repeated("node=")),
        repeated("device a b c\n"),
        (0..SIZE / 16)
            .map(|number| format!("device d{number} b c\n"))
            .collect(),
        (0..SIZE / 16)
            .map(|number| format!("device d:{number} b c\n"))
            .collect(),
    ];
    for text in texts {
        let start = Instant::now();
        let _ = Sections::<Resource>::read("f", &text);
        let _ = Sections::<Group>::read("f", &text);
        let _ = Sections::<Rule>::read("f", &text);
        let _ = Settings::read("f", &text);
        let _ = FenceConfig::read("f", &text);
        let passed = start.elapsed();
        let begin: String = text.chars().take(40).collect();
        assert!(passed < Duration::from_secs(5), "{begin:?}: {passed:?}");
    }
}
