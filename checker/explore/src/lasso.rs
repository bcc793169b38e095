//! A run that breaks a promise as a file: a way to a state, and one from it back to itself.
//!
//! The form is that of a [`crate::counterexample`], with another name:
//!
//! ```json
//! {
//!   "format": "lockstep-lasso",
//!   "version": 1,
//!   "configuration": "mutant/asked-for-ever",
//!   "mutants": ["asked-for-ever"],
//!   "leads": "wanted-runs",
//!   "about": {"service": 0},
//!   "made": 0,
//!   "prefix": ["tick"],
//!   "cycle": ["tick"]
//! }
//! ```
//!
//! `made` is after how many steps of the prefix the promise is made that is never kept. An empty
//! cycle is a run that stops where nothing is left that has to be done. Carrying it out again shows
//! all of that: that the cycle comes back to where it began, that the promise stays open, and that
//! the run is fair.

use lockstep_model::mutation::Mask;
use lockstep_world::leads::{About, Leads, Promise, Standing};
use lockstep_world::{Action, Setup, World};
use serde::{Deserialize, Serialize};
use stateright::Model as _;

use crate::configuration::Configuration;
use crate::counterexample::{
    self, ACTIONS_MAX, BYTES_MAX, Known, Malformed, Named, VERSION, mutant_names,
};
use crate::promised::Promised;
use crate::search::{Broken, Fairness, Live as _};
use crate::timeline::{Impossible, Story};

/// What the field `format` says.
pub const FORMAT: &str = "lockstep-lasso";

/// A run that breaks a promise.
#[derive(Clone, Debug)]
pub struct Lasso {
    /// Where it begins. Its own mutants are overruled by [`Self::mutants`].
    pub configuration: Configuration,
    /// The rules that are broken on purpose.
    pub mutants: Mask,
    /// What is never kept.
    pub promise: Promise,
    /// After how many steps of the prefix it is made.
    pub made: usize,
    /// What happens first.
    pub prefix: Vec<Action>,
    /// What happens then, again and again; nothing: the run stops.
    pub cycle: Vec<Action>,
}

/// What became of a lasso when it was carried out again.
#[derive(Clone, Debug)]
pub enum Replay {
    /// It is what it says.
    AsStated(Story),
    /// It can be carried out, but is not what it says; why.
    Differs(Story, String),
    /// An action can't happen where it stands.
    Impossible(Impossible),
}

impl Lasso {
    /// A run that was found in a configuration.
    #[must_use]
    pub fn new(
        configuration: Configuration,
        promise: Promise,
        broken: &Broken<World, Action>,
    ) -> Self {
        let actions = |steps: &[crate::search::Step<World, Action>]| {
            steps.iter().map(|step| step.action.clone()).collect()
        };
        Self {
            mutants: configuration.mutants,
            configuration,
            promise,
            made: broken.made,
            prefix: actions(&broken.lasso.prefix.steps),
            cycle: actions(&broken.lasso.cycle),
        }
    }

    /// The setup that it happens in: hosts stay where they are.
    #[must_use]
    pub fn setup(&self) -> Setup {
        let mut setup = counterexample::with_mutants(&self.configuration.setup, self.mutants);
        setup.symmetric.clear();
        setup
    }

    /// Carries it out again.
    #[must_use]
    pub fn replay(&self) -> Replay {
        let setup = self.setup();
        let story = match Story::of_lasso(&setup, &self.promise, &self.prefix, &self.cycle) {
            Ok(story) => story,
            Err(impossible) => return Replay::Impossible(impossible),
        };
        match self.differs(&setup) {
            None => Replay::AsStated(story),
            Some(why) => Replay::Differs(story, why),
        }
    }

    /// In what it is not what it says.
    fn differs(&self, setup: &Setup) -> Option<String> {
        let model = Promised::new(setup.clone(), &[self.promise.leads]);
        if !model.promises_made().contains(&self.promise) {
            return Some(format!("nobody makes the promise {}", self.promise.name()));
        }
        let mut worlds = model.init_states();
        for action in self.prefix.iter().chain(&self.cycle) {
            let next = worlds.last()?.after(setup, action).0;
            worlds.push(next);
        }
        let standings: Vec<Standing> = worlds
            .iter()
            .map(|world| world.standing(setup, &self.promise))
            .collect();
        let open = standings.get(self.made..).unwrap_or_default();
        let begins = self.made <= self.prefix.len() && open.first().is_some_and(|it| it.made);
        let round = worlds.get(self.prefix.len()..).unwrap_or_default();
        if !begins {
            Some(format!("the promise isn't made after {} steps", self.made))
        } else if let Some(kept) = open.iter().position(|standing| standing.kept) {
            let steps = self.made + kept;
            Some(format!("the promise is kept after {steps} steps"))
        } else if round.first() != round.last() {
            Some("the cycle doesn't come back to where it begins".to_owned())
        } else {
            self.unfair(&model, round)
        }
    }

    /// The first class to which it is not fair, if there is one.
    fn unfair(&self, model: &Promised, round: &[World]) -> Option<String> {
        let enabled: Vec<u64> = round
            .iter()
            .map(|world| model.enabled_classes(world, 0))
            .collect();
        let always = enabled.iter().fold(u64::MAX, |all, one| all & one);
        let ever = enabled.iter().fold(0, |all, one| all | one);
        let steps = round.iter().zip(&self.cycle);
        let taken = steps.fold(0, |all, (world, action)| all | world.classes_of(action));
        let unfair = |number: usize, fairness| {
            let due = match fairness {
                Fairness::Weak => always,
                Fairness::Strong => ever,
            };
            due >> number & 1 == 1 && taken >> number & 1 == 0
        };
        let classes = model.classes().into_iter().enumerate();
        let mut starved = classes.filter(|(number, class)| unfair(*number, class.fairness));
        let (_, class) = starved.next()?;
        Some(format!(
            "the run is not fair: {} never acts, and could",
            class.name
        ))
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
            message: counterexample::without_place(&error.to_string()),
        })?;
        let count = form.prefix.len() + form.cycle.len();
        if form.format != FORMAT || form.version != VERSION {
            let message = format!(
                "format and version are '{}' and {}, expected '{FORMAT}' and {VERSION}",
                form.format, form.version
            );
            return Err(whole(message));
        }
        if count > ACTIONS_MAX {
            let message = format!("{count} actions are too many, {ACTIONS_MAX} would do");
            return Err(whole(message));
        }
        let Some(leads) = Leads::named(&form.leads) else {
            let message = format!(
                "nothing leads to '{}', expected the name of a leads-to property",
                form.leads
            );
            return Err(whole(message));
        };
        Ok(Self {
            configuration: form.configuration.0,
            mutants: counterexample::mask(&form.mutants),
            promise: Promise {
                leads,
                about: form.about,
            },
            made: form.made,
            prefix: form.prefix,
            cycle: form.cycle,
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
             \"mutants\": {},\n  \"leads\": \"{}\",\n  \"about\": {},\n  \"made\": {},\n  \"prefix\": [",
            serde_json::to_string(&self.configuration.name)?,
            serde_json::to_string(&names)?,
            self.promise.leads.name(),
            serde_json::to_string(&self.promise.about)?,
            self.made,
        );
        push_actions(&mut text, &self.prefix)?;
        text.push_str("],\n  \"cycle\": [");
        push_actions(&mut text, &self.cycle)?;
        text.push_str("]\n}\n");
        Ok(text)
    }

    /// A name for the file.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.lasso.json", self.configuration.name.replace('/', "-"))
    }
}

/// One action a line.
fn push_actions(text: &mut String, actions: &[impl Serialize]) -> Result<(), serde_json::Error> {
    for (index, action) in actions.iter().enumerate() {
        text.push_str(if index == 0 { "\n    " } else { ",\n    " });
        text.push_str(&serde_json::to_string(action)?);
    }
    if !actions.is_empty() {
        text.push_str("\n  ");
    }
    Ok(())
}

/// The file's fields. Names are looked up while they are read, so that an error has their line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    format: String,
    version: u32,
    configuration: Known,
    mutants: Vec<Named<lockstep_model::mutation::Mutant>>,
    leads: String,
    about: About,
    made: usize,
    prefix: Vec<Action>,
    cycle: Vec<Action>,
}
