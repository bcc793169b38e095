//! Resources: the services that the cluster manages (specification, configuration §4).

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};

use serde::{Deserialize, Serialize};

use super::name::Guests;
use super::section::{
    Coding, Content, Grammar, IdKind, Property, SectionType, Sections, Value, ValueKind, Values,
};

/// The resources of a cluster by their SIDs, `TYPE:NUMBER`.
pub type Resources = Sections<Resource>;

/// A resource as it is written. What is absent has the default that [`Checked`] names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Resource {
    /// What it is.
    pub kind: ResourceKind,
    /// What it is to do.
    pub state: Option<RequestState>,
    /// Its group, while groups are not migrated.
    pub group: Option<String>,
    /// Whether it returns when a preferred node does.
    pub failback: Option<bool>,
    /// How often a failed start is tried again on its node.
    pub max_restart: Option<u64>,
    /// How often it is then started on another one.
    pub max_relocate: Option<u64>,
    /// What a person noted.
    pub comment: Option<String>,
}

/// What a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ResourceKind {
    /// A virtual machine, `vm`.
    VirtualMachine,
    /// A container, `ct`.
    Container,
}

/// What a resource is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RequestState {
    /// Run, and be recovered.
    Started,
    /// Not run, but be moved away from failed nodes.
    Stopped,
    /// An old word for [`RequestState::Started`].
    Enabled,
    /// Not run, and not be recovered.
    Disabled,
    /// Be left alone, as if it were absent.
    Ignored,
}

/// A resource with its defaults, as the manager reads it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Checked {
    /// What it is.
    pub kind: ResourceKind,
    /// What it is to do: started by default, and never [`RequestState::Enabled`].
    pub state: RequestState,
    /// Its group, none by default.
    pub group: Option<String>,
    /// Whether it returns when a preferred node does: yes by default.
    pub failback: bool,
    /// How often a failed start is tried again on its node: once by default.
    pub max_restart: u64,
    /// How often it is then started on another one: once by default.
    pub max_relocate: u64,
    /// What a person noted.
    pub comment: Option<String>,
    /// Where the guest with its number is, if there is one. Its type isn't looked at.
    pub node: Option<String>,
}

const PROPERTIES: &[Property] = &[
    Property::comment(Coding::Verbatim),
    Property::optional("failback", ValueKind::Flag),
    Property::optional("group", ValueKind::ConfigId),
    Property::optional("max_relocate", ValueKind::Integer { least: 0 }),
    Property::optional("max_restart", ValueKind::Integer { least: 0 }),
    Property::refused("sid"),
    Property::optional("state", ValueKind::Choice(&RequestState::NAMES)),
    Property::refused("type"),
];

impl RequestState {
    const NAMES: [&'static str; 5] = ["started", "stopped", "enabled", "disabled", "ignored"];

    const ALL: [Self; 5] = [
        Self::Started,
        Self::Stopped,
        Self::Enabled,
        Self::Disabled,
        Self::Ignored,
    ];

    /// Its word in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        let [started, stopped, enabled, disabled, ignored] = Self::NAMES;
        match self {
            Self::Started => started,
            Self::Stopped => stopped,
            Self::Enabled => enabled,
            Self::Disabled => disabled,
            Self::Ignored => ignored,
        }
    }

    /// The state that a word stands for.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl ResourceKind {
    /// Its word in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::VirtualMachine => "vm",
            Self::Container => "ct",
        }
    }
}

impl Content for Resource {
    const GRAMMAR: Grammar = Grammar {
        id: IdKind::Guest,
        types: &[
            SectionType {
                name: ResourceKind::Container.name(),
                properties: PROPERTIES,
            },
            SectionType {
                name: ResourceKind::VirtualMachine.name(),
                properties: PROPERTIES,
            },
        ],
    };

    fn from_values(type_name: &str, values: Values) -> Self {
        let kind = if type_name == ResourceKind::Container.name() {
            ResourceKind::Container
        } else {
            ResourceKind::VirtualMachine
        };
        Self {
            kind,
            state: values.text("state").and_then(RequestState::of_name),
            group: values.text("group").map(String::from),
            failback: values.flag("failback"),
            max_restart: values.integer("max_restart"),
            max_relocate: values.integer("max_relocate"),
            comment: values.text("comment").map(String::from),
        }
    }

    fn type_name(&self) -> &'static str {
        self.kind.name()
    }

    fn values(&self) -> Values {
        let state = self.state.map(|state| state.name().to_string());
        Values::new()
            .with("comment", self.comment.clone().map(Value::Text))
            .with("failback", self.failback.map(Value::Flag))
            .with("group", self.group.clone().map(Value::Text))
            .with("max_relocate", self.max_relocate.map(Value::Integer))
            .with("max_restart", self.max_restart.map(Value::Integer))
            .with("state", state.map(Value::Text))
    }
}

impl Resource {
    /// A resource of this kind that says nothing else.
    #[must_use]
    pub const fn new(kind: ResourceKind) -> Self {
        Self {
            kind,
            state: None,
            group: None,
            failback: None,
            max_restart: None,
            max_relocate: None,
            comment: None,
        }
    }
}

impl Resources {
    /// The resources as the manager reads them: with defaults, and where their guests are.
    #[must_use]
    pub fn checked(&self, guests: &Guests) -> BTreeMap<String, Checked> {
        let checked = |(id, resource): (&str, &Resource)| {
            let number = Resource::GRAMMAR.name_of(resource.kind.name(), id);
            let state = match resource.state {
                None | Some(RequestState::Enabled) => RequestState::Started,
                Some(
                    state @ (RequestState::Started
                    | RequestState::Stopped
                    | RequestState::Disabled
                    | RequestState::Ignored),
                ) => state,
            };
            let checked = Checked {
                kind: resource.kind,
                state,
                group: resource.group.clone(),
                failback: resource.failback.unwrap_or(true),
                max_restart: resource.max_restart.unwrap_or(1),
                max_relocate: resource.max_relocate.unwrap_or(1),
                comment: resource.comment.clone(),
                node: guests.get(number).map(|guest| guest.node.clone()),
            };
            (id.into(), checked)
        };
        self.iter().map(checked).collect()
    }
}
