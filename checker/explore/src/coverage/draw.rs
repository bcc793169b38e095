//! A state machine as a picture: a column for each state, a row for each edge, an arrow from the state
//! left to the state entered, and in how many steps it was taken.
//!
//! Edges with the same beginning stand together. One that is never taken is dashed and has the number
//! of its reason, which stands below.

use super::diagram::{Edge, Machine, Origin};
use super::judgement::{Coverage, Standing};
use crate::picture::svg::{Anchor, Svg, pixels};
use crate::picture::wrapped;

/// Around everything.
const MARGIN: i64 = 16;

/// From one state's column to the next.
const PITCH: i64 = 96;

/// A state's box.
const BOX: (i64, i64) = (91, 72);

/// Where the columns begin: left of them stand the state left and the count.
const LEFT: i64 = 262;

/// From one edge's row to the next.
const ROW: i64 = 20;

/// A line of text.
const LINE: i64 = 16;

/// The width of a letter, about.
const LETTER: i64 = 7;

/// What these pictures have beside the others.
const CLASSES: &[(&str, &str, &str)] = &[
    (
        "taken",
        "stroke:#1a7f37;stroke-width:2",
        "stroke:#3fb950;stroke-width:2",
    ),
    (
        "ours",
        "stroke:#0969da;stroke-width:2",
        "stroke:#58a6ff;stroke-width:2",
    ),
    (
        "untaken",
        "stroke:#8c959f;stroke-width:1.5;stroke-dasharray:4 4",
        "stroke:#768390;stroke-width:1.5;stroke-dasharray:4 4",
    ),
    (
        "state",
        "fill:#f3f5f8;stroke:#59636e",
        "fill:#161b22;stroke:#9198a1",
    ),
    (
        "absent",
        "fill:#f3f5f8;stroke:#8c959f;stroke-dasharray:4 4",
        "fill:#161b22;stroke:#768390;stroke-dasharray:4 4",
    ),
];

/// A machine with what was counted.
#[must_use]
pub(super) fn draw(machine: Machine, coverage: &Coverage) -> String {
    let mut picture = Picture {
        svg: Svg::default(),
        machine,
        coverage,
        notes: Vec::new(),
    };
    let bottom = picture.rows(MARGIN + BOX.1 + 14);
    picture.columns(MARGIN, bottom);
    let width = LEFT + PITCH * pixels(machine.states().len()) + MARGIN;
    let bottom = picture.legend(bottom + 24, width);
    let title = format!(
        "{}: states, edges, and how often each is taken",
        machine.title()
    );
    picture
        .svg
        .finish_with(&title, (width, bottom + MARGIN), CLASSES)
}

struct Picture<'a> {
    svg: Svg,
    machine: Machine,
    coverage: &'a Coverage,
    notes: Vec<String>,
}

/// The middle of a state's column.
fn column(state: usize) -> i64 {
    LEFT + PITCH * pixels(state) + PITCH / 2
}

impl Picture<'_> {
    /// The states, with a line down from each.
    fn columns(&mut self, top: i64, bottom: i64) {
        let (width, height) = BOX;
        for (state, name) in self.machine.states().iter().enumerate() {
            let middle = column(state);
            let entered = self.coverage.total.entered(self.machine, state);
            let known = self.is_known(state);
            let class = if known { "state" } else { "absent" };
            self.svg
                .rect(class, (middle - width / 2, top), (width, height));
            // What is no state has no weight.
            let weight = if name.starts_with('(') {
                "soft"
            } else {
                "ink strong"
            };
            let lines = broken(name);
            let first = top + (height - 14 - 14 * pixels(lines.len())) / 2 + 12;
            for (line, text) in lines.iter().enumerate() {
                let at = (middle, first + 14 * pixels(line));
                self.svg.text(weight, at, Anchor::Middle, text);
            }
            let at = (middle, top + height - 5);
            self.svg
                .text("soft small", at, Anchor::Middle, &grouped(entered));
            self.svg
                .line("grid", (middle, top + height), (middle, bottom));
        }
    }

    /// Whether a state was left or entered.
    fn is_known(&self, state: usize) -> bool {
        let mut edges = self.coverage.total.edges(self.machine);
        edges.any(|(from, to, _)| from == state || to == state)
    }

    /// The edges, from `top` down. Where they end.
    fn rows(&mut self, top: i64) -> i64 {
        let mut edges: Vec<Edge> = self.machine.edges().collect();
        edges.sort_by_key(|edge| (edge.from, edge.to));
        let mut y = top;
        let mut last = None;
        for (index, edge) in edges.iter().enumerate() {
            if last != Some(edge.from) {
                let own = edges[index..].iter().take_while(|it| it.from == edge.from);
                let height = ROW * pixels(own.count()) + 2;
                y += if last.is_some() { 8 } else { 0 };
                let states = pixels(self.machine.states().len());
                let width = LEFT + PITCH * states - MARGIN;
                self.svg.rect("band", (MARGIN, y), (width, height));
                let name = self.machine.states()[edge.from];
                let at = (MARGIN + 6, y + 15);
                self.svg.text("ink strong", at, Anchor::Start, name);
                last = Some(edge.from);
            }
            self.edge(edge, y + ROW / 2);
            y += ROW;
        }
        y + 8
    }

    fn edge(&mut self, edge: &Edge, y: i64) {
        let (start, end) = (column(edge.from), column(edge.to));
        let head = if start < end { -8 } else { 8 };
        let standing = self.coverage.edge(edge);
        let (line, fill) = match (standing, edge.origin) {
            (Standing::Met(_), Origin::Protocol(_)) => ("taken", "fine"),
            (Standing::Met(_), Origin::Design(_)) => ("ours", "first"),
            (Standing::Explained(_), _) => ("untaken", "soft"),
            (Standing::Missing | Standing::Contradicted(..), _) => ("alarm-line", "alarm"),
        };
        let count = match standing {
            Standing::Met(count) | Standing::Contradicted(count, _) => grouped(count),
            Standing::Explained(reason) => format!("[{}]", self.note(reason)),
            Standing::Missing => "missing".to_owned(),
        };
        let at = (LEFT - 6, y + 5);
        self.svg.text("ink", at, Anchor::End, &count);
        self.svg.line(line, (start, y), (end + head, y));
        self.svg.circle(fill, (start, y), 4);
        let tip = [(end, y), (end + head, y - 5), (end + head, y + 5)];
        self.svg.path(fill, &tip);
    }

    /// The number of a reason below the picture.
    fn note(&mut self, reason: &str) -> usize {
        let reason = reason.replace('`', "");
        let known = self.notes.iter().position(|note| *note == reason);
        known.unwrap_or_else(|| {
            self.notes.push(reason);
            self.notes.len() - 1
        }) + 1
    }

    /// What lines and numbers mean, from `top` down. Where it ends.
    fn legend(&mut self, top: i64, width: i64) -> i64 {
        let mut y = top;
        let ours = self
            .machine
            .edges()
            .any(|edge| matches!(edge.origin, Origin::Design(_)));
        let mut keys = vec![("taken", "taken, in so many steps")];
        if ours {
            keys.push(("ours", "the same, of our own design"));
        }
        if !self.notes.is_empty() {
            keys.push(("untaken", "not taken, for the reason of this number"));
        }
        for (class, text) in keys {
            self.svg.line(class, (MARGIN, y - 4), (MARGIN + 36, y - 4));
            self.svg.text("soft", (MARGIN + 46, y), Anchor::Start, text);
            y += LINE;
        }
        let letters = usize::try_from((width - 2 * MARGIN - 30) / LETTER).unwrap_or(80);
        for (index, note) in std::mem::take(&mut self.notes).iter().enumerate() {
            y += 4;
            let number = format!("[{}]", index + 1);
            self.svg.text("ink", (MARGIN, y), Anchor::Start, &number);
            for line in wrapped(note, letters) {
                self.svg
                    .text("soft", (MARGIN + 30, y), Anchor::Start, &line);
                y += LINE;
            }
        }
        y
    }
}

/// A state's name in lines that fit into its box.
fn broken(name: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut words = name.split_inclusive('_');
    for word in words.by_ref() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() <= 11 => line.push_str(word),
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A number with its digits in groups of three.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_broken_where_they_may_be() {
        assert_eq!(
            broken("request_start_balance"),
            ["request_", "start_", "balance"]
        );
        assert_eq!(broken("maintenance"), ["maintenance"]);
        let numbers = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567"]);
    }
}
