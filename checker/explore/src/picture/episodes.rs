//! What is worth a number: happenings that matter, put together where one process has several in a
//! row.

use crate::timeline::{Happening, Place, Story, Tone};

/// Happenings that follow each other in one place.
#[derive(Clone, Debug)]
pub(super) struct Episode {
    pub(super) tick: u64,
    /// The step of the first.
    pub(super) step: usize,
    pub(super) place: Place,
    pub(super) who: String,
    tone: Tone,
    what: Vec<String>,
}

impl Episode {
    /// The colour of its number.
    pub(super) const fn class(&self) -> &'static str {
        match self.tone {
            Tone::Routine | Tone::Notable => "soft",
            Tone::Fault => "first",
            Tone::Alarm => "alarm",
        }
    }

    /// It, in words.
    pub(super) fn text(&self) -> String {
        let what = self.what.join("; ");
        match (self.place, self.who.is_empty()) {
            (Place::Elsewhere, _) => what,
            (Place::Host(host), true) => format!("host {host}: {what}"),
            (Place::Host(host), false) => format!("host {host}, {}: {what}", self.who),
        }
    }
}

/// Whether a happening has a number, and its step a width.
pub(super) fn matters(happening: &Happening) -> bool {
    happening.tone >= Tone::Notable
}

/// Those of a story, in order.
pub(super) fn episodes(story: &Story) -> Vec<Episode> {
    let mut all: Vec<Episode> = Vec::new();
    for happening in story.happenings.iter().filter(|one| matters(one)) {
        match all.last_mut() {
            Some(last)
                if last.tick == happening.tick
                    && last.place == happening.place
                    && last.who == happening.who
                    && last.tone == happening.tone =>
            {
                last.what.push(happening.what.clone());
            }
            Some(_) | None => all.push(Episode {
                tick: happening.tick,
                step: happening.step,
                place: happening.place,
                who: happening.who.clone(),
                tone: happening.tone,
                what: vec![happening.what.clone()],
            }),
        }
    }
    all
}
