//! How threads beside the machine's speak to people: they hand their lines over, so that none of
//! them waits for whoever reads.

use std::fmt;
use std::sync::Arc;

/// Takes lines for people, from any thread, without waiting.
#[derive(Clone)]
pub struct Voice(Arc<dyn Fn(String) + Send + Sync>);

impl Voice {
    /// A voice that hands each line over like this.
    pub fn new(say: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Arc::new(say))
    }

    /// Has a line written.
    pub fn say(&self, text: impl Into<String>) {
        (self.0)(text.into());
    }
}

impl fmt::Debug for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Voice")
    }
}

/// What was said last of something that is tried again and again: the same cause is one line.
#[derive(Debug, Default)]
pub(crate) struct Once(Option<String>);

impl Once {
    /// Returns the line if it isn't what was said last.
    pub(crate) fn news(&mut self, text: String) -> Option<String> {
        if self.0.as_ref() == Some(&text) {
            return None;
        }
        self.0 = Some(text.clone());
        Some(text)
    }

    /// It went well: the next trouble is news, whatever its cause.
    pub(crate) fn passed(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_news_once_and_again_after_it_has_passed() {
        let mut once = Once::default();
        let mut is_news = |text: &str| once.news(text.to_owned()).is_some();
        assert_eq!(
            ["a", "a", "b", "a"].map(&mut is_news),
            [true, false, true, true]
        );
        once.passed();
        assert!(once.news("a".to_owned()).is_some());
    }
}
