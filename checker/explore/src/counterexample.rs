//! A counterexample as a file: it names a configuration and lists the actions that break a
//! property in it, so that everybody can carry them out again.
//!
//! The form is JSON, one action a line:
//!
//! ```json
//! {
//!   "format": "lockstep-counterexample",
//!   "version": 1,
//!   "configuration": "l1/k1/power",
//!   "mutants": ["margin-without-trail"],
//!   "property": "single-instance",
//!   "actions": [
//!     {"execute": {"host": 0, "proc": {"Lrm": 0}, "effect": 0}},
//!     "tick"
//!   ]
//! }
//! ```
//!
//! `mutants` are all rules that are broken on purpose, those of the configuration included. Actions
//! count effects, inputs and hosts as the states of a search do. Unknown fields, versions and names
//! are refused, so a file either means what it meant when it was written, or nothing.

use std::fmt;

use lockstep_model::mutation::{Mask, Mutant, Mutation};
use lockstep_world::property::Property;
use lockstep_world::{Action, Setup};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use crate::configuration::{self, Configuration};
use crate::timeline::{Impossible, Story};

/// What the field `format` says.
pub const FORMAT: &str = "lockstep-counterexample";

/// The version of the form that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// The most bytes of a file that is read.
pub const BYTES_MAX: usize = 16 << 20;

/// The most actions of a file that is read.
pub const ACTIONS_MAX: usize = 100_000;

/// A run that breaks a property.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// Where it begins. Its own mutants are overruled by [`Self::mutants`].
    pub configuration: Configuration,
    /// The rules that are broken on purpose.
    pub mutants: Mask,
    /// What the last action breaks.
    pub property: Property,
    /// What happens.
    pub actions: Vec<Action>,
}

/// Why a text is not a counterexample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The line, from 1; 0 where it is about the whole.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Malformed {}

/// What became of a counterexample when it was carried out again.
#[derive(Clone, Debug)]
pub enum Replay {
    /// Its property breaks at the end, as stated.
    AsStated(Story),
    /// It can be carried out, but doesn't break its property at the end.
    NotBroken(Story),
    /// An action can't happen where it stands.
    Impossible(Impossible),
}

impl Counterexample {
    /// A run that a search of a configuration found.
    #[must_use]
    pub const fn new(
        configuration: Configuration,
        property: Property,
        actions: Vec<Action>,
    ) -> Self {
        Self {
            mutants: configuration.mutants,
            configuration,
            property,
            actions,
        }
    }

    /// Carries it out again.
    #[must_use]
    pub fn replay(&self) -> Replay {
        match Story::of(&self.setup(), &self.actions) {
            Ok(story) if story.broken.contains(&self.property) => Replay::AsStated(story),
            Ok(story) => Replay::NotBroken(story),
            Err(impossible) => Replay::Impossible(impossible),
        }
    }

    /// The setup that it happens in.
    #[must_use]
    pub fn setup(&self) -> Setup {
        with_mutants(&self.configuration.setup, self.mutants)
    }

    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// Where it is not in this form, or names what there isn't.
    pub fn from_json(text: &str) -> Result<Self, Malformed> {
        let whole = |message: String| Malformed { line: 0, message };
        if text.len() > BYTES_MAX {
            let message = format!("{} bytes are too many, {BYTES_MAX} would do", text.len());
            return Err(whole(message));
        }
        let form: Form = serde_json::from_str(text).map_err(|error| Malformed {
            line: error.line(),
            message: without_place(&error.to_string()),
        })?;
        if form.actions.len() > ACTIONS_MAX {
            let count = form.actions.len();
            return Err(whole(format!(
                "{count} actions are too many, {ACTIONS_MAX} would do"
            )));
        }
        Ok(Self {
            configuration: form.configuration.0,
            mutants: mask(&form.mutants),
            property: form.property.0,
            actions: form.actions,
        })
    }

    /// The file's text.
    ///
    /// # Errors
    ///
    /// If an action can't be written as JSON, which would be a bug.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let names: Vec<&str> = mutant_names(&self.mutants).collect();
        let mut text = format!(
            "{{\n  \"format\": \"{FORMAT}\",\n  \"version\": {VERSION},\n  \"configuration\": {},\n  \
             \"mutants\": {},\n  \"property\": \"{}\",\n  \"actions\": [",
            serde_json::to_string(&self.configuration.name)?,
            serde_json::to_string(&names)?,
            self.property.name(),
        );
        for (index, action) in self.actions.iter().enumerate() {
            text.push_str(if index == 0 { "\n    " } else { ",\n    " });
            text.push_str(&serde_json::to_string(action)?);
        }
        text.push_str("\n  ]\n}\n");
        Ok(text)
    }

    /// A name for the file.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.json", self.configuration.name.replace('/', "-"))
    }
}

/// A setup with just these rules broken in it.
pub(crate) fn with_mutants(setup: &Setup, mutants: Mask) -> Setup {
    let mut setup = setup.clone();
    for config in &mut setup.configs {
        *config = config.clone().breaking(mutants);
    }
    setup
}

/// The mask of the rules that a file names.
pub(crate) fn mask(named: &[Named<Mutant>]) -> Mask {
    let mut masks = named.iter().map(|Named(mutant)| Mask::only(*mutant));
    masks.by_ref().fold(Mask::NONE, Mask::and)
}

/// The names of the rules in a mask.
pub fn mutant_names(mask: &Mask) -> impl Iterator<Item = &'static str> + use<> {
    let mask = *mask;
    let all = Mutant::ALL
        .iter()
        .filter(move |mutant| mask.contains(**mutant));
    all.map(|mutant| mutant.name())
}

/// serde_json ends its messages with the place, which stands elsewhere in ours.
pub(crate) fn without_place(message: &str) -> String {
    message
        .split(" at line ")
        .next()
        .unwrap_or(message)
        .to_owned()
}

/// The file's fields. Names are looked up while they are read, so that an error has their line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(rename = "format", deserialize_with = "this_format")]
    _format: (),
    #[serde(rename = "version", deserialize_with = "this_version")]
    _version: (),
    configuration: Known,
    mutants: Vec<Named<Mutant>>,
    property: Named<Property>,
    actions: Vec<Action>,
}

/// A configuration, by its name.
pub(crate) struct Known(pub(crate) Configuration);

/// Something that is known by its name.
pub(crate) struct Named<T>(pub(crate) T);

fn this_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    let found = String::deserialize(deserializer)?;
    if found == FORMAT {
        return Ok(());
    }
    Err(D::Error::custom(format!(
        "format is '{found}', expected '{FORMAT}'"
    )))
}

fn this_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    let found = u64::deserialize(deserializer)?;
    if found == u64::from(VERSION) {
        return Ok(());
    }
    Err(D::Error::custom(format!(
        "version is {found}, expected {VERSION}"
    )))
}

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = configuration::named(&name);
        known.map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "no configuration is called '{name}', expected one that `check --list` shows"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Named<Mutant> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = Mutant::ALL.iter().find(|mutant| mutant.name() == name);
        known.copied().map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "no rule is called '{name}', expected a mutant's name"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Named<Property> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Property::named(&name).map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "no property is called '{name}', expected one's name"
            ))
        })
    }
}

/// An action as it stands in a file.
#[must_use]
pub fn action_text(action: &impl Serialize) -> String {
    serde_json::to_string(action).unwrap_or_default()
}
