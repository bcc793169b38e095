//! Versions of the manager's package (specification, rules §7.2).

use core::fmt;

/// A version: `MAJOR.MINOR.PATCH` or `MAJOR.MINOR-PATCH`, with or without `~REVISION`.
///
/// A revision counts what was built before the version itself, so it is the older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Major, minor and patch.
    pub numbers: [u32; 3],
    /// What follows the tilde.
    pub revision: Option<u32>,
}

impl Version {
    /// The least version on which groups may be migrated.
    pub const FOR_RULES: Self = Self {
        numbers: [9, 0, 0],
        revision: Some(16),
    };

    /// The version that a text names, if it does.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let digits = crate::format::name::is_digits(text);
            digits.then(|| text.parse().ok()).flatten()
        };
        let (version, revision) = match text.split_once('~') {
            Some((version, revision)) => (version, Some(number(revision)?)),
            None => (text, None),
        };
        let (major, rest) = version.split_once('.')?;
        let (minor, patch) = rest.split_once(['.', '-'])?;
        Some(Self {
            numbers: [number(major)?, number(minor)?, number(patch)?],
            revision,
        })
    }

    /// Whether it is new enough where `least` is asked for.
    #[must_use]
    pub fn is_at_least(self, least: Self) -> bool {
        if self.numbers != least.numbers {
            return self.numbers > least.numbers;
        }
        match (self.revision, least.revision) {
            (None, _) => true,
            (Some(own), Some(least)) => own >= least,
            (Some(_), None) => false,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        if let Some(revision) = self.revision {
            write!(f, "~{revision}")?;
        }
        Ok(())
    }
}
