//! Why mutants survive that do: kept beside the code, in a form that outlives shifted lines.

use serde::{Deserialize, Serialize};

use crate::operator::Operator;
use crate::places::Mutant;

/// The explanations, as kept.
const TEXT: &str = include_str!("../explained.json");

/// What kind of reason it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// No behaviour differs: what the place decides is decided elsewhere, too.
    Equivalent,
    /// It behaves otherwise, but only later or more often; nothing is promised about that.
    Pacing,
    /// What is wrong is that something never happens. Searches for breaches don't see that.
    Liveness,
    /// What differs is only said: to people, or to a manager that no search contains yet.
    Said,
    /// The place guards against what the world doesn't do, or not in a search that is small enough.
    NotInWorld,
    /// The place is a mutant made by hand, and is dead without it.
    HandMade,
}

impl Kind {
    /// In a few words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equivalent => "equivalent",
            Self::Pacing => "pacing",
            Self::Liveness => "liveness",
            Self::Said => "said only",
            Self::NotInWorld => "not in the world",
            Self::HandMade => "made by hand",
        }
    }
}

/// A reason, and whom it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// What kind of reason.
    pub kind: Kind,
    /// The reason, in sentences.
    pub why: String,
    /// The mutants that it explains.
    pub mutants: Vec<Pattern>,
}

/// Mutants by what they break, not by where that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// The file, from `model/src/`.
    pub file: String,
    /// The function after its type; all of the file's if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// How it is broken; in every way if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
    /// What is broken; everything if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snippet: Option<String>,
}

impl Pattern {
    /// Whether a mutant is meant.
    #[must_use]
    pub fn means(&self, mutant: &Mutant) -> bool {
        let file = mutant.file.strip_prefix("model/src/");
        file == Some(&self.file)
            && self
                .function
                .as_ref()
                .is_none_or(|it| *it == mutant.function)
            && self.operator.is_none_or(|it| it == mutant.operator)
            && self.snippet.as_ref().is_none_or(|it| *it == mutant.snippet)
    }
}

/// All explanations.
///
/// # Errors
///
/// What is kept isn't what it should be.
pub fn explanations() -> Result<Vec<Explanation>, serde_json::Error> {
    serde_json::from_str(TEXT)
}

/// The explanation of a mutant, if there is one.
#[must_use]
pub fn explanation_of<'a>(
    explanations: &'a [Explanation],
    mutant: &Mutant,
) -> Option<&'a Explanation> {
    let mut all = explanations.iter();
    all.find(|one| one.mutants.iter().any(|pattern| pattern.means(mutant)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_can_be_read() {
        for one in explanations().expect("it is JSON of this form") {
            assert!(one.why.ends_with('.'), "a sentence: {}", one.why);
            assert!(!one.mutants.is_empty(), "about somebody: {}", one.why);
        }
    }

    #[test]
    fn a_pattern_means_what_it_names() {
        let mutant = Mutant {
            file: "model/src/a.rs".into(),
            line: 7,
            function: "A::b".into(),
            operator: Operator::Dropped,
            snippet: "effects.push(c)".into(),
        };
        let mut pattern = Pattern {
            file: "a.rs".into(),
            function: None,
            operator: None,
            snippet: None,
        };
        assert!(pattern.means(&mutant));
        pattern.operator = Some(Operator::Negated);
        assert!(!pattern.means(&mutant));
        pattern.operator = None;
        pattern.function = Some("A::other".into());
        assert!(!pattern.means(&mutant));
    }
}
