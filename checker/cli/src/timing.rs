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
        screen.text(&fitting(&certificate.to_string(), screen.width()))?;
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

/// A certificate as it is, or without its drawing and with formulas below their quantities where
/// it is too wide.
fn fitting(certificate: &str, width: usize) -> String {
    let length = |text: &str| text.chars().count();
    if certificate.lines().all(|line| length(line) <= width) {
        return certificate.to_owned();
    }
    let rows = certificate.lines().filter(|line| !line.starts_with(' '));
    let rows = rows.map(|row| {
        let cells = row.split("  ").map(str::trim);
        cells.filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    });
    let rows: Vec<Vec<&str>> = rows.collect();
    let quantity = rows.iter().filter_map(|cells| cells.first());
    let quantity = quantity.map(|cell| length(cell)).max().unwrap_or(0);
    let mut text = String::new();
    for cells in rows {
        match cells.as_slice() {
            [name, formula, value] => {
                text.push_str(&format!("{name:quantity$}  {value:>10}\n    {formula}\n"));
            }
            [] => {}
            cells => text.push_str(&format!("{}\n\n", cells.join("  "))),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_fits_the_width() {
        for profile in Profile::ALL {
            let whole = Certificate::of(&profile.timing()).to_string();
            assert_eq!(fitting(&whole, 160), whole);
            let narrow = fitting(&whole, 60);
            let fits = |line: &str| line.chars().count() <= 60;
            assert!(narrow.lines().all(fits), "{narrow}");
            let values = |text: &str| text.matches(" s\n").count();
            assert!(values(&narrow) > 10, "{narrow}");
            assert!(narrow.starts_with("safe and live\n\n"), "{narrow}");
        }
    }
}
