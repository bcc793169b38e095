//! Changes to a text, by where they are: what stands around them stays as it is.

use std::ops::Range;

/// A change.
#[derive(Clone, Debug)]
enum Edit {
    /// Something before a stretch and something after it.
    Around {
        stretch: Range<usize>,
        before: String,
        after: String,
    },
    /// Something in place of a stretch.
    Instead { stretch: Range<usize>, with: String },
}

/// Changes to one text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edits(Vec<Edit>);

/// Where in the order of what is inserted at one place a piece stands: what closes before what
/// opens, inner stretches closed first and opened last.
type Order = (usize, u8, isize, isize);

impl Edits {
    /// Puts something around a stretch. Of two changes to the same stretch, the one that came first
    /// is the outer one.
    pub(crate) fn around(&mut self, stretch: Range<usize>, before: String, after: &str) {
        let after = after.to_owned();
        self.0.push(Edit::Around {
            stretch,
            before,
            after,
        });
    }

    /// Puts something in place of a stretch.
    pub(crate) fn instead(&mut self, stretch: Range<usize>, with: &str) {
        let with = with.to_owned();
        self.0.push(Edit::Instead { stretch, with });
    }

    /// The text with the changes made.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mut pieces: Vec<(Order, Range<usize>, &str)> = Vec::new();
        for (index, edit) in self.0.iter().enumerate() {
            let index = index.cast_signed();
            match edit {
                Edit::Around {
                    stretch,
                    before,
                    after,
                } => {
                    let (start, end) = (stretch.start, stretch.end);
                    let opens = (start, 1, -end.cast_signed(), index);
                    pieces.push((opens, start..start, before));
                    let closes = (end, 0, -start.cast_signed(), -index);
                    pieces.push((closes, end..end, after));
                }
                Edit::Instead { stretch, with } => {
                    pieces.push(((stretch.start, 2, 0, index), stretch.clone(), with));
                }
            }
        }
        pieces.sort_by_key(|(order, ..)| *order);
        let mut result = String::with_capacity(text.len() * 2);
        let mut at = 0;
        for (_, range, with) in pieces {
            assert!(range.start >= at, "changes don't overlap");
            result.push_str(&text[at..range.start]);
            result.push_str(with);
            at = range.end;
        }
        result.push_str(&text[at..]);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_nest() {
        let mut edits = Edits::default();
        edits.around(0..5, "outer(".into(), ")");
        edits.around(0..5, "same(".into(), ")");
        edits.around(0..1, "left(".into(), ")");
        edits.around(4..5, "right(".into(), ")");
        edits.instead(2..3, "+");
        assert_eq!(edits.apply("a < b;"), "outer(same(left(a) + right(b)));");
    }

    #[test]
    fn what_closes_comes_before_what_opens() {
        let mut edits = Edits::default();
        edits.around(0..1, "<".into(), ">");
        edits.around(1..2, "[".into(), "]");
        assert_eq!(edits.apply("ab"), "<a>[b]");
    }
}
