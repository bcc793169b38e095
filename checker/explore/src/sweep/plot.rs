//! The sweep as a picture: margins above timings, what the search found in each, and the line that
//! the formula draws between them.

use lockstep_model::config::Kappa;

use super::{Answer, Point};
use crate::picture::svg::{Anchor, Svg, pixels};

/// The width of a column and the height of a tick.
const CELL: i64 = 10;

/// Left of the columns.
const LEFT: i64 = 78;

/// Around everything.
const EDGE: i64 = 16;

/// A row of numbers under the columns.
const ROW: i64 = 13;

/// A name of a number and how it is read off a point.
type Number = (&'static str, fn(&Point) -> u64);

/// What makes a column.
const NUMBERS: &[Number] = &[
    ("W", |point| point.watchdog),
    ("W′", |point| point.reset_max),
    ("p", |point| point.ping),
    ("δ", |point| point.trail),
    ("δ_k", |point| point.kernel_delay),
    ("ρT", |point| point.drift),
    ("off", |point| u64::from(point.clock_errs)),
];

/// A timing without its margin, with all of its answers.
struct Column<'a> {
    timing: Point,
    answers: Vec<&'a Answer>,
}

/// A picture of what a sweep found.
#[must_use]
pub fn plot(answers: &[Answer]) -> String {
    let mut svg = Svg::default();
    let mut top = EDGE + 12;
    svg.text(
        "ink strong",
        (EDGE, top),
        Anchor::Start,
        "How much earlier than the end of authority must the watchdog's last ping be decided?",
    );
    top += 20;
    let (violated, held) = tally(answers);
    let text = |svg: &mut Svg, x, text: &str| svg.text("ink", (EDGE + x, top), Anchor::Start, text);
    let middle = top - 4;
    svg.circle("alarm", (EDGE + 4, middle), 3);
    text(
        &mut svg,
        14,
        &format!("a double run was found ({violated})"),
    );
    svg.circle("ring", (EDGE + 254, middle), 3);
    text(
        &mut svg,
        264,
        &format!("all was explored, there is none ({held})"),
    );
    svg.path("step", &[(EDGE + 540, middle), (EDGE + 564, middle)]);
    text(&mut svg, 572, "the formula: safe from here upwards");
    top += 18;
    let mut width = 860;
    for kappa in [Kappa::One, Kappa::Three] {
        let columns = columns(answers, kappa);
        let (right, bottom) = panel(&mut svg, kappa, &columns, top);
        width = width.max(right + EDGE);
        top = bottom + EDGE;
    }
    let title = format!(
        "Margins found unsafe ({violated}) and safe ({held}) by the search, and the formula's line"
    );
    svg.finish(&title, (width, top))
}

fn tally(answers: &[Answer]) -> (usize, usize) {
    let violated = answers.iter().filter(|answer| answer.violated).count();
    (violated, answers.len() - violated)
}

/// The timings of a κ, those that need the same margin side by side.
fn columns(answers: &[Answer], kappa: Kappa) -> Vec<Column<'_>> {
    let mut columns: Vec<Column<'_>> = Vec::new();
    for answer in answers.iter().filter(|answer| answer.point.kappa == kappa) {
        let timing = Point {
            margin: 0,
            ..answer.point
        };
        match columns.iter_mut().find(|column| column.timing == timing) {
            Some(column) => column.answers.push(answer),
            None => columns.push(Column {
                timing,
                answers: vec![answer],
            }),
        }
    }
    columns.sort_by_key(|column| (column.timing.needed(), column.timing));
    columns
}

/// One κ; where it ends on the right and at the bottom.
fn panel(svg: &mut Svg, kappa: Kappa, columns: &[Column<'_>], top: i64) -> (i64, i64) {
    let (name, form) = match kappa {
        Kappa::One => ("κ = 1", "E − D ≥ W′ + max(δ, δ_k + 1)"),
        Kappa::Three => ("κ = 3", "E − D ≥ 3·W′ − p − 1 + max(δ, 1)"),
    };
    let margins = columns.iter().flat_map(|column| &column.answers);
    let margins = margins.map(|answer| answer.point.margin);
    let least = margins.clone().min().unwrap_or(0);
    let most = margins.max().unwrap_or(0);
    let rows = i64::try_from(most - least + 1).unwrap_or(0);
    let (plot_top, left) = (top + 24, EDGE + LEFT);
    let bottom = plot_top + rows * CELL;
    let right = left + pixels(columns.len()) * CELL;
    let y_of = |margin: u64| bottom - i64::try_from(margin - least).unwrap_or(0) * CELL;
    let formula = format!("{form}, + 1 where a clock is off by a tick, − 2·ρT where that is told");
    svg.text("ink strong", (EDGE, top + 12), Anchor::Start, name);
    svg.text("ink", (left, top + 12), Anchor::Start, &formula);
    svg.rect("band", (left, plot_top), (right - left, bottom - plot_top));
    for margin in least..=most {
        let y = y_of(margin);
        svg.line("grid", (left, y), (right, y));
        let label = margin.to_string();
        svg.text("soft small", (left - 4, y - 1), Anchor::End, &label);
    }
    svg.text("soft small", (EDGE, plot_top + 9), Anchor::Start, "E − D");
    svg.text(
        "soft small",
        (EDGE, plot_top + 20),
        Anchor::Start,
        "in ticks",
    );
    let mut line = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let x = left + pixels(index) * CELL;
        for answer in &column.answers {
            let class = if answer.violated { "alarm" } else { "ring" };
            let center = (x + CELL / 2, y_of(answer.point.margin) - CELL / 2);
            svg.circle(class, center, 3);
        }
        let y = y_of(column.timing.needed().max(least));
        line.extend([(x, y), (x + CELL, y)]);
        for (row, (_, of)) in NUMBERS.iter().enumerate() {
            let at = (x + CELL / 2, bottom + ROW * pixels(row + 1));
            let number = of(&column.timing).to_string();
            svg.text("soft small", at, Anchor::Middle, &number);
        }
    }
    svg.path("step", &line);
    for (row, (name, _)) in NUMBERS.iter().enumerate() {
        let at = (left - 4, bottom + ROW * pixels(row + 1));
        svg.text("ink small", at, Anchor::End, name);
    }
    (right, bottom + ROW * pixels(NUMBERS.len()))
}
