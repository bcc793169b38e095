//! Where text goes: colours on a terminal only, and as wide as it is.

use std::io::{self, IsTerminal as _, Write as _};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lockstep_explore::timeline::Tone;
use serde::Serialize;

use crate::cases::escaped;
use crate::failure::{End, Failure};

/// How wide text is off a terminal: a row of any table fits, and so can be searched for.
const WIDTH: usize = 160;

/// Narrower than this, nothing is legible.
const WIDTH_MIN: usize = 60;

/// Standard output and standard error.
pub(crate) struct Screen {
    out: AutoStream<io::Stdout>,
    colours: bool,
    width: usize,
    bar: Option<ProgressBar>,
}

impl Screen {
    /// What the process was given.
    pub(crate) fn new() -> Self {
        let out = AutoStream::auto(io::stdout());
        let columns = console::Term::stdout().size_checked();
        let width = columns.map_or(WIDTH, |(_, columns)| usize::from(columns));
        Self {
            colours: AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
            out,
            width: width.max(WIDTH_MIN),
            bar: None,
        }
    }

    /// How many characters fit beside each other.
    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    /// Writes a line to standard output, above the progress.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), Failure> {
        let out = &mut self.out;
        match &self.bar {
            Some(bar) => bar.suspend(|| writeln!(out, "{line}"))?,
            None => writeln!(out, "{line}")?,
        }
        Ok(())
    }

    /// Writes a text of whole lines.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.line(text.strip_suffix('\n').unwrap_or(text))
    }

    /// Writes a text of any origin as it is; on a terminal, control characters are shown as such.
    pub(crate) fn verbatim(&mut self, text: &str) -> Result<(), Failure> {
        // Past what takes escape sequences out, since this may be compared byte for byte.
        let mut out = io::stdout();
        match out.is_terminal() {
            true => out.write_all(escaped(text).as_bytes())?,
            false => out.write_all(text.as_bytes())?,
        }
        Ok(())
    }

    /// Writes one JSON document.
    pub(crate) fn json(&mut self, document: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(document)?;
        self.line(&text)
    }

    /// Writes what is still held back.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Says what went wrong, on standard error.
    pub(crate) fn fail(&mut self, failure: &Failure) -> End {
        let closed = matches!(failure, Failure::Output(error)
            if error.kind() == io::ErrorKind::BrokenPipe);
        if !closed {
            for line in failure.to_string().lines() {
                self.complain(line);
            }
        }
        failure.end()
    }

    /// Says something that a person has to know even if standard output is read by a program.
    pub(crate) fn complain(&self, line: &str) {
        self.say("error", AnsiColor::Red, line);
    }

    /// Says what may be a mistake.
    pub(crate) fn warn(&self, line: &str) {
        self.say("warning", AnsiColor::Yellow, line);
    }

    fn say(&self, label: &str, colour: AnsiColor, line: &str) {
        let mut err = AutoStream::auto(io::stderr());
        let style = Style::new().bold().fg_color(Some(colour.into()));
        // Where nobody can be told, the exit code is left.
        let mut write = || writeln!(err, "{style}{label}{style:#}: {line}");
        let _ = match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        };
    }

    /// Something that paints, apart from the screen.
    pub(crate) fn painter(&self) -> impl Fn(Tone, &str) -> String + use<> {
        let colours = self.colours;
        move |tone, text| paint(colours, tone, text)
    }

    /// Begins to show progress, if standard error is a terminal.
    pub(crate) fn begin_progress(&mut self) -> Ticker {
        if io::stderr().is_terminal() {
            let target = ProgressDrawTarget::stderr_with_hz(10);
            let bar = ProgressBar::with_draw_target(None, target);
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            self.bar = Some(bar);
        }
        Ticker(self.bar.clone())
    }

    /// Takes the progress off the screen.
    pub(crate) fn end_progress(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Shows how far something has come; nothing where nobody looks.
#[derive(Clone)]
pub(crate) struct Ticker(Option<ProgressBar>);

impl Ticker {
    /// Replaces what is shown.
    pub(crate) fn show(&self, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.0 {
            bar.set_message(message());
            bar.tick();
        }
    }
}

fn paint(colours: bool, tone: Tone, text: &str) -> String {
    if !colours || text.is_empty() {
        return text.to_owned();
    }
    let style = match tone {
        Tone::Routine => Style::new().dimmed(),
        Tone::Notable => Style::new(),
        Tone::Fault => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        Tone::Alarm => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
    };
    format!("{style}{text}{style:#}")
}
