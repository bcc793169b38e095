//! Pictures of runs: time goes to the right, a row for everything that matters.
//!
//! A tick has the same width everywhere. Within a tick the steps that matter have a width of their
//! own, in their order: what stands further right happens later, even if no time passes. Steps are
//! numbered where they happen, and told in words below.

mod episodes;
mod rows;
mod scale;
pub(crate) mod svg;

use crate::counterexample::{Counterexample, Replay};
use crate::timeline::Story;
use episodes::{Episode, episodes};
use rows::Rows;
use scale::Scale;
use svg::{Anchor, Svg, pixels};

/// Around everything.
const EDGE: i64 = 16;

/// A line of text.
const LINE: i64 = 17;

/// The least width, so that words fit.
const WIDTH_MIN: i64 = 860;

/// The width of a letter, about.
const LETTER: i64 = 7;

/// A picture of a counterexample, if it can be carried out.
#[must_use]
pub fn picture(example: &Counterexample) -> Option<String> {
    let story = match example.replay() {
        Replay::AsStated(story) | Replay::NotBroken(story) => story,
        Replay::Impossible(_) => return None,
    };
    let about = &example.configuration.about;
    Some(draw(&story, &example.configuration.name, about))
}

fn draw(story: &Story, name: &str, about: &str) -> String {
    let mut svg = Svg::default();
    let scale = Scale::of(story);
    let width = (scale.right() + EDGE).max(WIDTH_MIN);
    let letters = usize::try_from((width - 2 * EDGE) / LETTER).unwrap_or(80);
    let mut top = EDGE + 12;
    svg.text(
        "ink strong",
        (EDGE, top),
        Anchor::Start,
        &format!("{name}: {about}"),
    );
    for premise in &story.premises {
        for line in wrapped(premise, letters) {
            top += LINE;
            svg.text("soft", (EDGE, top), Anchor::Start, &line);
        }
    }
    top += LINE;
    let episodes = episodes(story);
    let rows = Rows::of(story);
    let bottom = rows.draw(&mut svg, story, &scale, &episodes, top);
    top = key(&mut svg, story, bottom + 8);
    top = words(&mut svg, story, &episodes, letters, top + 6);
    let title = format!("{name}: {about} Ends with {}.", broken(story));
    svg.finish(&title, (width, top + EDGE))
}

/// What is broken at the end, by name.
fn broken(story: &Story) -> String {
    let names: Vec<&str> = story.broken.iter().map(|one| one.name()).collect();
    match names.as_slice() {
        [] => "nothing broken".into(),
        names => names.join(", "),
    }
}

/// What the looks of bars mean.
fn key(svg: &mut Svg, story: &Story, top: i64) -> i64 {
    let entries: &[(&str, &str)] = &[
        ("runs", "the service runs"),
        ("lives", "the process runs"),
        ("paused", "it is stopped"),
        ("trusts", "authority, until E"),
        ("counts", "the device counts; a stroke is a ping"),
    ];
    let (mut x, mut y) = (EDGE, top + 10);
    let mut entry = |class: &str, text: &str| {
        let width = 23 + pixels(text.chars().count()) * 6 + 10;
        if x + width > WIDTH_MIN {
            (x, y) = (EDGE, y + LINE);
        }
        svg.rect(class, (x, y - 9), (18, 10));
        svg.text("soft small", (x + 23, y), Anchor::Start, text);
        x += width;
    };
    for (class, text) in entries {
        entry(class, text);
    }
    for (column, _) in story.hosts.iter().enumerate() {
        entry(
            rows::owner(Some(column)),
            &format!("host {column} holds the lock"),
        );
    }
    y + 8
}

/// The episodes in words, and what is broken.
fn words(svg: &mut Svg, story: &Story, all: &[Episode], letters: usize, top: i64) -> i64 {
    const INDENT: i64 = 70;
    let mut y = top;
    let indented = letters.saturating_sub(10);
    for (index, episode) in all.iter().enumerate() {
        y += LINE;
        svg.circle(episode.class(), (EDGE + 8, y - 4), 8);
        let number = (index + 1).to_string();
        svg.text(
            "on-dark small strong",
            (EDGE + 8, y),
            Anchor::Middle,
            &number,
        );
        let moment = format!("t={}", episode.tick);
        svg.text("soft", (EDGE + 24, y), Anchor::Start, &moment);
        for (line, text) in wrapped(&episode.text(), indented).iter().enumerate() {
            y += if line == 0 { 0 } else { LINE };
            svg.text("ink", (EDGE + INDENT, y), Anchor::Start, text);
        }
    }
    for property in &story.broken {
        let statement = property.statement().trim();
        let text = format!("{}: {statement}", property.name());
        for (line, text) in wrapped(&text, indented).iter().enumerate() {
            y += LINE;
            if line == 0 {
                let moment = format!("t={}", story.ticks);
                svg.text("alarm strong", (EDGE + 24, y), Anchor::Start, &moment);
                svg.text("alarm strong", (EDGE + 8, y), Anchor::Middle, "✗");
            }
            svg.text("alarm", (EDGE + INDENT, y), Anchor::Start, text);
        }
    }
    y
}

/// Breaks a text at spaces.
pub(crate) fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let used = lines.last().map_or(0, |line| line.chars().count());
        if used > 0 && used + 1 + word.chars().count() > letters {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
