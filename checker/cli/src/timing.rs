//! `ha-checker timing`: what follows from numbers.

use lockstep_model::config::{self, Certificate, Profile};
use serde::Serialize;

use crate::arguments::Timing;
use crate::failure::{End, Failure};
use crate::screen::Screen;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    version: u32,
    /// The profile that the numbers began as.
    profile: Profile,
    accepted: bool,
    safe: bool,
    timing: &'a config::Timing,
    certificate: &'a Certificate,
}

/// Certifies a timing, or refuses it.
pub(crate) fn run(asked: &Timing, screen: &mut Screen) -> Result<End, Failure> {
    let profile = Profile::from(asked.profile);
    let mut timing = profile.timing();
    if let Some(kappa) = asked.kappa {
        timing.kappa = kappa.into();
    }
    for (field, value) in asked.numbers.given() {
        timing = field.with(&timing, value);
    }
    let certificate = Certificate::of(&timing);
    let accepted = certificate.is_accepted();
    if asked.json {
        screen.json(&Document {
            format: "lockstep-timing",
            version: 1,
            profile,
            accepted,
            safe: certificate.is_safe(),
            timing: &timing,
            certificate: &certificate,
        })?;
    } else if accepted {
        screen.text(&certificate.to_string())?;
    }
    if accepted {
        return Ok(End::AsExpected);
    }
    if certificate.broken.is_empty() {
        let slack = certificate.slack_worst_clocks;
        return Err(Failure::input(format!(
            "the slack of safety is {slack}, but must not be negative"
        )));
    }
    let lines = certificate.broken.iter().map(ToString::to_string);
    Err(Failure::Input(lines.collect()))
}
