//! Texts in as many columns as there are.

/// How far a line that belongs to the one above is indented.
pub(crate) const INDENT: usize = 4;

/// Breaks a text at its spaces; what goes on is indented.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    lines(text, width, 0).join("\n")
}

/// Breaks a text at its spaces into lines that are all indented.
pub(crate) fn indented(text: &str, width: usize) -> Vec<String> {
    lines(text, width, INDENT)
}

/// A word that is longer than a line stays whole.
fn lines(text: &str, width: usize, first: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = " ".repeat(first);
    let mut used = first;
    let mut is_empty = true;
    for word in text.split(' ') {
        let length = word.chars().count();
        if !is_empty && used + 1 + length > width {
            lines.push(line);
            line = " ".repeat(INDENT);
            used = INDENT;
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
        is_empty = false;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrapped("one two three", 13), "one two three");
        assert_eq!(wrapped("one two three", 12), "one two\n    three");
        assert_eq!(indented("one two three", 11), ["    one two", "    three"]);
        assert_eq!(indented("longer than four", 4).len(), 3);
        assert_eq!(wrapped("T ≥ W′", 6), "T ≥ W′");
    }
}
