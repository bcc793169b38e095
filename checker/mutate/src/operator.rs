//! The ways in which one place of the code is broken.

use serde::{Deserialize, Serialize};

/// One way to break one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// A condition reads as its opposite.
    Negated,
    /// A pattern that guards (`if let`, `while let`, `let … else`) never matches.
    NeverMatches,
    /// The left side of a comparison counts one unit more.
    LeftPlusOne,
    /// The right side of a comparison counts one unit more.
    RightPlusOne,
    /// An effect isn't emitted, or what emits it isn't called.
    Dropped,
}

impl Operator {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Negated => "negated",
            Self::NeverMatches => "never-matches",
            Self::LeftPlusOne => "left-plus-one",
            Self::RightPlusOne => "right-plus-one",
            Self::Dropped => "dropped",
        }
    }
}
