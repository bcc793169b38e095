//! Groups, the predecessor of node affinity rules (specification, configuration §5).
//!
//! Groups count as migrated when their file has no section.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::name::node_entry;
use super::section::{
    Coding, Content, Grammar, IdKind, Property, SectionType, Sections, Value, ValueKind, Values,
};

/// The groups of a cluster by their ids.
pub type Groups = Sections<Group>;

/// On which nodes the resources of a group run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group {
    /// `NODE` or `NODE:PRIORITY`, as they are written.
    pub nodes: BTreeSet<String>,
    /// Whether only these nodes are allowed; absent means no.
    pub restricted: Option<bool>,
    /// Whether resources stay when a better node appears; absent means no.
    pub nofailback: Option<bool>,
    /// What a person noted.
    pub comment: Option<String>,
}

const TYPE_NAME: &str = "group";

impl Content for Group {
    const GRAMMAR: Grammar = Grammar {
        id: IdKind::ConfigId,
        types: &[SectionType {
            name: TYPE_NAME,
            properties: &[
                Property::comment(Coding::Verbatim),
                Property::required("nodes", ValueKind::Nodes),
                Property::optional("nofailback", ValueKind::Flag),
                Property::optional("restricted", ValueKind::Flag),
            ],
        }],
    };

    fn from_values(_: &str, values: Values) -> Self {
        Self {
            nodes: values.list("nodes").iter().cloned().collect(),
            restricted: values.flag("restricted"),
            nofailback: values.flag("nofailback"),
            comment: values.text("comment").map(String::from),
        }
    }

    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn values(&self) -> Values {
        let nodes = self.nodes.iter().cloned().collect();
        Values::new()
            .with("comment", self.comment.clone().map(Value::Text))
            .with("nodes", Some(Value::List(nodes)))
            .with("nofailback", self.nofailback.map(Value::Flag))
            .with("restricted", self.restricted.map(Value::Flag))
    }
}

impl Group {
    /// The nodes with their priorities; higher is preferred. Entries that aren't nodes don't count,
    /// and of several entries for a node the last in byte order does.
    #[must_use]
    pub fn priorities(&self) -> BTreeMap<String, u64> {
        let entries = self.nodes.iter().filter_map(|entry| node_entry(entry).ok());
        entries
            .map(|(node, priority)| (node.into(), priority))
            .collect()
    }
}
