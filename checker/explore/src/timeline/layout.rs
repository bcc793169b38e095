//! A story as a table for a terminal or a log.

use super::{Happening, Place, Story, Tone};

/// Makes a text look like its tone; gives plain text back where there are no colours.
pub type Paint<'a> = &'a dyn Fn(Tone, &str) -> String;

/// No colours.
#[must_use]
pub fn plain(_: Tone, text: &str) -> String {
    text.to_owned()
}

/// Between two columns.
const GAP: &str = "  ";

/// The least that words can be broken into.
const COLUMN_MIN: usize = 16;

/// A word with its tone.
type Word = (Tone, String);

/// What happens in one go in one column.
struct Row<'a> {
    tick: u64,
    column: usize,
    cell: Vec<&'a Happening>,
}

/// A table in which time goes down: what stands lower happens later, in whatever column. `width` is
/// that of the terminal, in characters.
#[must_use]
pub fn layout(story: &Story, width: usize, paint: Paint<'_>) -> String {
    let mut text = String::new();
    for line in premises(story) {
        push_line(&mut text, &wrapped(&line, width, "  "));
    }
    text.push('\n');
    text.push_str(&table(story, width, paint));
    text.push('\n');
    text.push_str(&ending(story, width, paint));
    text
}

fn premises(story: &Story) -> Vec<String> {
    let hosts = story.hosts.iter().enumerate();
    let mut lines: Vec<String> = hosts
        .map(|(number, what)| format!("host {number}: {what}"))
        .collect();
    lines.extend(story.premises.iter().cloned());
    lines
}

fn table(story: &Story, width: usize, paint: Paint<'_>) -> String {
    let mut headings: Vec<String> = (0..story.hosts.len())
        .map(|number| format!("host {number}"))
        .collect();
    if story
        .happenings
        .iter()
        .any(|one| one.place == Place::Elsewhere)
    {
        headings.push("store, people".into());
    }
    let moments = story.ticks.to_string().len().max(1) + 2;
    let gaps = GAP.len() * headings.len();
    let rest = width.saturating_sub(moments + gaps);
    let column = (rest / headings.len().max(1)).max(COLUMN_MIN);
    let mut text = format!("{:moments$}", "");
    for heading in &headings {
        text.push_str(&format!("{GAP}{heading:column$}"));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    let mut before = None;
    for row in rows(story) {
        let mut label = match before {
            Some(tick) if tick == row.tick => String::new(),
            Some(_) | None => format!("t={}", row.tick),
        };
        before = Some(row.tick);
        let left = (column + GAP.len()) * row.column + GAP.len();
        for line in wrap(&words(&row.cell), column) {
            let cell = painted(&line, paint);
            push_line(&mut text, &format!("{label:moments$}{:left$}{cell}", ""));
            label.clear();
        }
    }
    text
}

/// Puts what happens in one go in one column together.
fn rows(story: &Story) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for happening in &story.happenings {
        let column = match happening.place {
            Place::Host(host) => host,
            Place::Elsewhere => story.hosts.len(),
        };
        let tick = happening.tick;
        match rows.last_mut() {
            Some(row) if row.tick == tick && row.column == column => row.cell.push(happening),
            Some(_) | None => rows.push(Row {
                tick,
                column,
                cell: vec![happening],
            }),
        }
    }
    rows
}

/// What a cell says, line by line: one for each process in turn.
fn words(cell: &[&Happening]) -> Vec<Vec<Word>> {
    let mut lines: Vec<Vec<Word>> = Vec::new();
    let mut speaker: Option<&str> = None;
    for happening in cell {
        let same = speaker == Some(&happening.who) && !happening.who.is_empty();
        if same {
            if let Some((_, last)) = lines.last_mut().and_then(|line| line.last_mut()) {
                last.push(';');
            }
        } else {
            lines.push(Vec::new());
            if !happening.who.is_empty() {
                push_words(&mut lines, Tone::Routine, &format!("{}:", happening.who));
            }
        }
        speaker = Some(&happening.who);
        push_words(&mut lines, happening.tone, &happening.what);
    }
    lines
}

fn push_words(lines: &mut [Vec<Word>], tone: Tone, text: &str) {
    if let Some(line) = lines.last_mut() {
        line.extend(text.split(' ').map(|word| (tone, word.to_owned())));
    }
}

/// Breaks lines so that each fits; what goes on is indented by one.
fn wrap(lines: &[Vec<Word>], column: usize) -> Vec<Vec<Word>> {
    let mut wrapped = Vec::new();
    for line in lines {
        let mut present: Vec<Word> = Vec::new();
        let mut used = 0;
        let pieces = line.iter().flat_map(|(tone, word)| {
            let pieces = pieces(word, column.saturating_sub(1));
            pieces.into_iter().map(move |piece| (tone, piece))
        });
        for (tone, word) in pieces {
            let length = word.chars().count();
            let space = usize::from(!present.is_empty());
            if used + space + length > column && !present.is_empty() {
                wrapped.push(std::mem::take(&mut present));
                present.push((Tone::Routine, String::new()));
                used = 0;
            }
            used += usize::from(!present.is_empty()) + length;
            present.push((*tone, word));
        }
        wrapped.push(present);
    }
    wrapped
}

/// A word in pieces of at most so many characters.
fn pieces(word: &str, longest: usize) -> Vec<String> {
    let characters: Vec<char> = word.chars().collect();
    if characters.is_empty() {
        return vec![String::new()];
    }
    let pieces = characters.chunks(longest.max(1));
    pieces.map(|piece| piece.iter().collect()).collect()
}

/// A line of a cell.
fn painted(line: &[Word], paint: Paint<'_>) -> String {
    let runs = line.chunk_by(|left, right| left.0 == right.0);
    let painted = runs.map(|run| {
        let words: Vec<&str> = run.iter().map(|(_, word)| word.as_str()).collect();
        let tone = run.first().map_or(Tone::Routine, |(tone, _)| *tone);
        paint(tone, &words.join(" "))
    });
    painted.collect::<Vec<String>>().join(" ")
}

fn ending(story: &Story, width: usize, paint: Paint<'_>) -> String {
    let mut text = String::new();
    if let Some((step, properties)) = &story.broken_before {
        let names: Vec<&str> = properties.iter().map(|property| property.name()).collect();
        let line = format!(
            "broken already after {} steps: {}",
            step + 1,
            names.join(", ")
        );
        push_line(&mut text, &wrapped(&line, width, "  "));
    }
    for property in &story.broken {
        let line = format!("broken at t={}: {}", story.ticks, property.name());
        push_line(&mut text, &paint(Tone::Alarm, &line));
        push_line(
            &mut text,
            &wrapped(&format!("  {}", property.statement().trim()), width, "  "),
        );
    }
    if let Some(never) = &story.never {
        let line = format!("never kept: {}", never.promise.name());
        push_line(&mut text, &paint(Tone::Alarm, &line));
        let statement = format!("  {}", never.promise.leads.statement().trim());
        push_line(&mut text, &wrapped(&statement, width, "  "));
        let how = match never.steps {
            0 => "  Nothing is left that has to be done.".to_owned(),
            steps => format!(
                "  The last {steps} steps, from t={} on, repeat for ever.",
                never.from
            ),
        };
        push_line(&mut text, &wrapped(&how, width, "  "));
    } else if story.broken.is_empty() {
        push_line(
            &mut text,
            &format!("at t={} nothing is broken", story.ticks),
        );
    }
    let heading = |(heading, _): &(String, Vec<String>)| heading.chars().count() + 2;
    let indent = story.ending.iter().map(heading).max().unwrap_or(0);
    for (heading, lines) in &story.ending {
        for (number, line) in lines.iter().enumerate() {
            let label = if number == 0 { heading.as_str() } else { "" };
            let line = format!("{label:indent$}{line}");
            push_line(&mut text, &wrapped(&line, width, &" ".repeat(indent + 2)));
        }
    }
    text
}

/// Breaks a line at spaces; what goes on is indented.
fn wrapped(line: &str, width: usize, indent: &str) -> String {
    let mut text = String::new();
    let mut used = 0;
    for (index, word) in line.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 {
            if used + 1 + length > width {
                text.push('\n');
                text.push_str(indent);
                used = indent.len();
            } else {
                text.push(' ');
                used += 1;
            }
        }
        text.push_str(word);
        used += length;
    }
    text
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
