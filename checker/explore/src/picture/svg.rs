//! A small writer of SVG: whole pixels, classes instead of colours, one style for light and dark.
//!
//! The same calls give the same text. Every picture has its own ground, so that it can be read
//! wherever it is shown; who prefers dark gets dark.

use std::fmt::Write as _;

/// What every class looks like, in light and in dark.
const CLASSES: &[(&str, &str, &str)] = &[
    ("paper", "fill:#ffffff", "fill:#0d1117"),
    ("ink", "fill:#1f2328", "fill:#e6edf3"),
    ("soft", "fill:#59636e", "fill:#9198a1"),
    ("grid", "stroke:#d8dee4", "stroke:#2b3138"),
    ("band", "fill:#f3f5f8", "fill:#161b22"),
    ("runs", "fill:#2da44e", "fill:#3fb950"),
    ("lives", "fill:#afb8c1", "fill:#57606a"),
    ("paused", "fill:url(#hatch)", "fill:url(#hatch)"),
    ("hatch", "stroke:#9a6700", "stroke:#e3b341"),
    ("trusts", "fill:#79c0ff", "fill:#1f6feb"),
    ("counts", "fill:#c297ff", "fill:#8957e5"),
    ("ping", "stroke:#4c2889", "stroke:#e2c5ff"),
    ("first", "fill:#0969da", "fill:#58a6ff"),
    ("second", "fill:#e16f24", "fill:#f0883e"),
    ("moment", "stroke:#0550ae", "stroke:#a5d6ff"),
    ("alarm", "fill:#cf222e", "fill:#ff7b72"),
    ("alarm-line", "stroke:#cf222e", "stroke:#ff7b72"),
    ("on-dark", "fill:#ffffff", "fill:#0d1117"),
    ("fine", "fill:#1a7f37", "fill:#3fb950"),
    (
        "ring",
        "fill:none;stroke:#1a7f37",
        "fill:none;stroke:#3fb950",
    ),
    (
        "step",
        "fill:none;stroke:#1f2328",
        "fill:none;stroke:#e6edf3",
    ),
];

/// Which end of a text stands where it is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture under way.
#[derive(Debug, Default)]
pub(crate) struct Svg {
    body: String,
}

impl Svg {
    fn line_of(&mut self, arguments: std::fmt::Arguments<'_>) {
        let written = self.body.write_fmt(arguments);
        written.unwrap_or_else(|_| unreachable!("a string can be written to"));
        self.body.push('\n');
    }

    pub(crate) fn rect(&mut self, class: &str, (x, y): (i64, i64), (width, height): (i64, i64)) {
        self.line_of(format_args!(
            r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"/>"#
        ));
    }

    pub(crate) fn line(&mut self, class: &str, (x1, y1): (i64, i64), (x2, y2): (i64, i64)) {
        self.line_of(format_args!(
            r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#
        ));
    }

    pub(crate) fn circle(&mut self, class: &str, (x, y): (i64, i64), radius: i64) {
        self.line_of(format_args!(
            r#"<circle class="{class}" cx="{x}" cy="{y}" r="{radius}"/>"#
        ));
    }

    /// A line through points.
    pub(crate) fn path(&mut self, class: &str, points: &[(i64, i64)]) {
        let mut data = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            data.push_str(&format!("{command}{x} {y}"));
        }
        self.line_of(format_args!(r#"<path class="{class}" d="{data}"/>"#));
    }

    pub(crate) fn text(&mut self, class: &str, (x, y): (i64, i64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let text = escaped(text);
        self.line_of(format_args!(
            r#"<text class="{class}" x="{x}" y="{y}"{anchor}>{text}</text>"#
        ));
    }

    /// The whole file. `title` is what is read out where the picture can't be seen.
    pub(crate) fn finish(self, title: &str, size: (i64, i64)) -> String {
        self.finish_with(title, size, &[])
    }

    /// The same, with more classes: each with what it looks like in light and in dark.
    pub(crate) fn finish_with(
        self,
        title: &str,
        (width, height): (i64, i64),
        more: &[(&str, &str, &str)],
    ) -> String {
        let title = escaped(title);
        let (mut light, mut dark) = (String::new(), String::new());
        for (class, bright, dim) in CLASSES.iter().chain(more) {
            light.push_str(&format!(".{class}{{{bright}}}\n"));
            dark.push_str(&format!(".{class}{{{dim}}}\n"));
        }
        let body = self.body;
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>{title}</title>
<style>
text{{font:12px system-ui,"DejaVu Sans",sans-serif}}
.small{{font-size:10px}}
.strong{{font-weight:bold}}
.grid,.hatch{{stroke-width:1}}
.ping,.alarm-line,.step,.ring,.moment{{stroke-width:2}}
.dashed{{stroke-dasharray:5 3}}
{light}@media (prefers-color-scheme:dark){{
{dark}}}
</style>
<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="band" width="6" height="6"/><line class="hatch" x1="1" y1="0" x2="1" y2="6"/></pattern></defs>
<rect class="paper" width="{width}" height="{height}"/>
{body}</svg>
"#
        )
    }
}

/// A text that stands for itself.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

/// A length in pixels.
pub(crate) fn pixels(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_for_themselves() {
        let mut svg = Svg::default();
        svg.text("ink", (1, 2), Anchor::End, "a<b & \"c\"");
        let text = svg.finish("<>", (3, 4));
        assert!(text.contains(">a&lt;b &amp; &quot;c&quot;</text>"));
        assert!(text.contains("<title>&lt;&gt;</title>"));
    }
}
