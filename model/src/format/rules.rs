//! Affinity rules as they are written (specification, configuration §6).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};

use serde::{Deserialize, Serialize};

use super::name::node_entry;
use super::section::{
    Coding, Content, Grammar, IdKind, Property, SectionType, Sections, Value, ValueKind, Values,
};

/// The rules of a cluster by their ids.
pub type Rules = Sections<Rule>;

/// A rule about where resources may run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// Whom it concerns.
    pub resources: BTreeSet<String>,
    /// The rule is disabled if this is there, *whatever its value*. False isn't written, so a file
    /// that says so enables the rule when it is written again: the reference does likewise.
    pub disable: Option<bool>,
    /// What a person noted.
    pub comment: Option<String>,
    /// What it demands.
    pub demand: Demand,
}

/// What a rule demands of its resources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Demand {
    /// They are to run on these nodes.
    Nodes {
        /// The nodes with their priorities; higher is preferred.
        nodes: BTreeMap<String, u64>,
        /// Whether no other node is allowed; absent means others are.
        strict: Option<bool>,
    },
    /// They are to run on one node, or on as many as they are.
    Affinity(Affinity),
}

/// How resources are to be spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Affinity {
    /// All on one node.
    Positive,
    /// Each on another node.
    Negative,
}

const NODE_AFFINITY: &str = "node-affinity";
const RESOURCE_AFFINITY: &str = "resource-affinity";

const RESOURCES: Property = Property::required("resources", ValueKind::Resources);
const DISABLE: Property = Property::optional("disable", ValueKind::Flag);

impl Affinity {
    const NAMES: [&'static str; 2] = ["positive", "negative"];

    /// Its word in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        let [positive, negative] = Self::NAMES;
        match self {
            Self::Positive => positive,
            Self::Negative => negative,
        }
    }
}

impl Content for Rule {
    const GRAMMAR: Grammar = Grammar {
        id: IdKind::ConfigId,
        types: &[
            SectionType {
                name: NODE_AFFINITY,
                properties: &[
                    Property::comment(Coding::Percent),
                    DISABLE,
                    Property::required("nodes", ValueKind::Nodes),
                    RESOURCES,
                    Property::optional("strict", ValueKind::Flag),
                ],
            },
            SectionType {
                name: RESOURCE_AFFINITY,
                properties: &[
                    Property::required("affinity", ValueKind::Choice(&Affinity::NAMES)),
                    Property::comment(Coding::Percent),
                    DISABLE,
                    RESOURCES,
                ],
            },
        ],
    };

    /// Of several entries for a node the last one counts.
    fn from_values(type_name: &str, values: Values) -> Self {
        let demand = if type_name == NODE_AFFINITY {
            let entries = values.list("nodes").iter();
            let entries = entries.filter_map(|entry| node_entry(entry).ok());
            let nodes = entries.map(|(node, priority)| (node.into(), priority));
            Demand::Nodes {
                nodes: nodes.collect(),
                strict: values.flag("strict"),
            }
        } else if values.text("affinity") == Some(Affinity::Positive.name()) {
            Demand::Affinity(Affinity::Positive)
        } else {
            Demand::Affinity(Affinity::Negative)
        };
        Self {
            resources: values.list("resources").iter().cloned().collect(),
            disable: values.flag("disable"),
            comment: values.text("comment").map(String::from),
            demand,
        }
    }

    fn type_name(&self) -> &'static str {
        match self.demand {
            Demand::Nodes { .. } => NODE_AFFINITY,
            Demand::Affinity(_) => RESOURCE_AFFINITY,
        }
    }

    fn values(&self) -> Values {
        let resources = self.resources.iter().cloned().collect();
        let values = Values::new()
            .with("comment", self.comment.clone().map(Value::Text))
            .with("disable", self.disable.map(Value::Flag))
            .with("resources", Some(Value::List(resources)));
        match &self.demand {
            Demand::Nodes { nodes, strict } => {
                let entry = |(node, priority): (&String, &u64)| match priority {
                    0 => node.clone(),
                    priority => format!("{node}:{priority}"),
                };
                let nodes = nodes.iter().map(entry).collect();
                values
                    .with("nodes", Some(Value::List(nodes)))
                    .with("strict", strict.map(Value::Flag))
            }
            Demand::Affinity(affinity) => {
                let affinity = affinity.name().to_string();
                values.with("affinity", Some(Value::Text(affinity)))
            }
        }
    }
}

impl Rule {
    /// Whether it takes part in anything.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.disable.is_none()
    }

    /// A rule for these resources, enabled and without comment.
    #[must_use]
    pub const fn new(resources: BTreeSet<String>, demand: Demand) -> Self {
        Self {
            resources,
            disable: None,
            comment: None,
            demand,
        }
    }
}
