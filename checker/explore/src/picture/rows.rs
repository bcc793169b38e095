//! The rows: who holds each lock, and on each host what runs, who lives, what is trusted and what
//! counts.

use super::episodes::Episode;
use super::scale::{LEFT, Scale};
use super::svg::{Anchor, Svg};
use super::{EDGE, LINE};
use crate::timeline::{Frame, HostFrame, Life, Place, Running, Story};

/// From one row to the next, and the height of a bar.
const ROW: i64 = 22;
const BAR: i64 = 12;

/// What a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// A lock, by its place in the last frame.
    Lock(usize),
    People,
    Service {
        host: usize,
        service: usize,
    },
    Lrm(usize),
    Authority(usize),
    Mux(usize),
    Device(usize),
    Contender(usize),
    Crm(usize),
}

/// A part of the picture with a heading.
struct Block {
    heading: String,
    rows: Vec<Row>,
}

/// All rows of a picture.
pub(super) struct Rows {
    blocks: Vec<Block>,
}

/// The colour of a lock that a host holds.
pub(super) const fn owner(column: Option<usize>) -> &'static str {
    match column {
        Some(0) => "first",
        Some(_) => "second",
        None => "lives",
    }
}

impl Rows {
    pub(super) fn of(story: &Story) -> Self {
        let locks = story.frames.last().map_or(0, |frame| frame.locks.len());
        let mut store: Vec<Row> = (0..locks).map(Row::Lock).collect();
        let elsewhere = |place| place == Place::Elsewhere;
        if story.happenings.iter().any(|one| elsewhere(one.place)) {
            store.push(Row::People);
        }
        let mut blocks = vec![Block {
            heading: "store".into(),
            rows: store,
        }];
        for (host, what) in story.hosts.iter().enumerate() {
            blocks.push(Block {
                heading: format!("host {host}: {what}"),
                rows: rows_of_host(story, host),
            });
        }
        Self { blocks }
    }

    /// Draws everything between the heading and the words; where it ends.
    pub(super) fn draw(
        &self,
        svg: &mut Svg,
        story: &Story,
        scale: &Scale,
        episodes: &[Episode],
        top: i64,
    ) -> i64 {
        let first = top + LINE;
        let height: i64 = self.blocks.iter().map(Block::height).sum();
        let bottom = first + height;
        let mut y = first;
        for block in &self.blocks {
            let place = (EDGE, y + 2);
            let size = (scale.right() - EDGE, block.height() - 4);
            svg.rect("band", place, size);
            y += block.height();
        }
        moments(svg, scale, first, bottom);
        let mut y = first;
        let mut placed = Vec::new();
        for block in &self.blocks {
            svg.text(
                "ink strong",
                (EDGE + 4, y + 15),
                Anchor::Start,
                &block.heading,
            );
            for (index, row) in (0..).zip(&block.rows) {
                let middle = y + ROW * (index + 1) + ROW / 2;
                row.draw(svg, story, scale, middle);
                placed.push((*row, middle));
            }
            y += block.height();
        }
        svg.line("alarm-line", (scale.end(), top + 4), (scale.end(), bottom));
        svg.text("alarm strong", (scale.end(), top + 2), Anchor::Middle, "✗");
        numbers(svg, scale, episodes, &placed);
        bottom
    }
}

impl Block {
    fn height(&self) -> i64 {
        ROW * (super::svg::pixels(self.rows.len()) + 1) + 8
    }
}

fn rows_of_host(story: &Story, host: usize) -> Vec<Row> {
    let frames = || {
        story
            .frames
            .iter()
            .filter_map(|frame| frame.hosts.get(host))
    };
    let mut rows = Vec::new();
    let services = frames().map(|frame| frame.services.len()).max();
    for service in 0..services.unwrap_or(0) {
        let runs = |frame: &HostFrame| frame.services.get(service) != Some(&Running::No);
        if frames().any(runs) {
            rows.push(Row::Service { host, service });
        }
    }
    if frames().any(|frame| frame.lrm != Life::Absent) {
        rows.extend([
            Row::Lrm(host),
            Row::Authority(host),
            Row::Mux(host),
            Row::Device(host),
        ]);
    }
    if frames().any(|frame| frame.contender != Life::Absent) {
        rows.push(Row::Contender(host));
    }
    if frames().any(|frame| frame.crm != Life::Absent) {
        rows.push(Row::Crm(host));
    }
    rows
}

/// The ticks, with as many labels as there is room for.
fn moments(svg: &mut Svg, scale: &Scale, top: i64, bottom: i64) {
    let mut free = 0;
    for (tick, x) in scale.ticks().iter().enumerate() {
        svg.line("grid", (*x, top - 3), (*x, bottom));
        if *x >= free {
            let label = format!("t={tick}");
            svg.text("soft small", (*x, top - 6), Anchor::Middle, &label);
            free = x + 28;
        }
    }
}

/// The number of each episode, in the row of who it is about.
fn numbers(svg: &mut Svg, scale: &Scale, episodes: &[Episode], rows: &[(Row, i64)]) {
    for (index, episode) in episodes.iter().enumerate() {
        let Some((_, y)) = rows.iter().find(|(row, _)| row.is_of(episode)) else {
            continue;
        };
        let place = (scale.state(episode.step + 1), *y);
        svg.circle("paper", place, 9);
        svg.circle(episode.class(), place, 8);
        let below = (place.0, place.1 + 4);
        let number = (index + 1).to_string();
        svg.text("on-dark small strong", below, Anchor::Middle, &number);
    }
}

impl Row {
    /// Whether an episode's number stands here: in the first such row.
    fn is_of(&self, episode: &Episode) -> bool {
        let on = |host: usize| episode.place == Place::Host(host);
        let by = |name: &str| episode.who.ends_with(name) || episode.who.contains(name);
        match *self {
            Self::Lock(_) | Self::Authority(_) => false,
            Self::People => episode.place == Place::Elsewhere,
            Self::Service { host, .. } => on(host) && episode.who.is_empty(),
            Self::Lrm(host) => on(host) && (by("LRM") || episode.who.is_empty()),
            Self::Mux(host) => on(host) && by("mux"),
            Self::Device(host) => on(host) && episode.who.is_empty(),
            Self::Contender(host) => on(host) && (by("contender") || episode.who.is_empty()),
            Self::Crm(host) => on(host),
        }
    }

    fn label(&self, story: &Story) -> String {
        match *self {
            Self::Lock(lock) => {
                let last = story.frames.last();
                let lock = last.and_then(|frame| frame.locks.get(lock));
                lock.map_or_else(String::new, |lock| lock.name.clone())
            }
            Self::People => "people, late requests".into(),
            Self::Service { service, .. } => format!("service s{service}"),
            Self::Lrm(_) => "LRM".into(),
            Self::Authority(_) => "authority".into(),
            Self::Mux(_) => "multiplexer".into(),
            Self::Device(_) => "watchdog's device".into(),
            Self::Contender(_) => "contender".into(),
            Self::Crm(_) => "CRM".into(),
        }
    }

    /// The look of this row in a state; `None`: nothing there.
    fn look(&self, frame: &Frame) -> Option<&'static str> {
        let life = |host: usize, of: fn(&HostFrame) -> Life| {
            let host = frame.hosts.get(host)?;
            match of(host) {
                Life::Absent => None,
                Life::Lives if host.halted => Some("paused"),
                Life::Lives => Some("lives"),
                Life::Stopped => Some("paused"),
            }
        };
        match *self {
            Self::Lock(lock) => {
                let lock = frame.locks.get(lock).filter(|lock| lock.held)?;
                Some(owner(lock.holder))
            }
            Self::People => None,
            Self::Service { host, service } => {
                match frame.hosts.get(host)?.services.get(service)? {
                    Running::No => None,
                    Running::Yes => Some("runs"),
                    Running::Trails | Running::Paused => Some("paused"),
                }
            }
            Self::Lrm(host) => life(host, |host| host.lrm),
            Self::Mux(host) => life(host, |host| host.mux),
            Self::Contender(host) => life(host, |host| host.contender),
            Self::Crm(host) => life(host, |host| host.crm),
            Self::Authority(host) => {
                let expires = frame.hosts.get(host)?.expires?;
                let now = i64::try_from(frame.tick).unwrap_or(i64::MAX);
                (expires > now).then_some("trusts")
            }
            Self::Device(host) => frame.hosts.get(host)?.device.map(|_| "counts"),
        }
    }

    fn draw(&self, svg: &mut Svg, story: &Story, scale: &Scale, middle: i64) {
        let label = self.label(story);
        svg.text("ink", (LEFT - 8, middle + 4), Anchor::End, &label);
        let mut bar: Option<(&'static str, i64)> = None;
        let finish = |svg: &mut Svg, bar: Option<(&'static str, i64)>, end: i64| {
            if let Some((class, begin)) = bar
                && end > begin
            {
                svg.rect(class, (begin, middle - BAR / 2), (end - begin, BAR));
            }
        };
        for (index, frame) in story.frames.iter().enumerate() {
            let look = self.look(frame);
            if look != bar.map(|(class, _)| class) {
                let x = scale.state(index);
                finish(svg, bar, x);
                bar = look.map(|class| (class, x));
            }
        }
        finish(svg, bar, scale.right());
        self.draw_marks(svg, story, scale, middle);
    }

    /// Pings, beats, D and E.
    fn draw_marks(&self, svg: &mut Svg, story: &Story, scale: &Scale, middle: i64) {
        let half = BAR / 2;
        match *self {
            Self::Device(host) => {
                for x in self.fresh(story, scale, |frame| frame.hosts.get(host)?.device) {
                    svg.line("ping", (x, middle - half), (x, middle + half));
                }
            }
            Self::Lock(lock) => {
                let silent = |frame: &Frame| {
                    let lock = frame.locks.get(lock).filter(|lock| lock.held)?;
                    Some(lock.silent)
                };
                for x in self.fresh(story, scale, silent) {
                    svg.line("ping", (x, middle - half), (x, middle + half));
                }
            }
            Self::Authority(host) => {
                mark(svg, story, scale, middle, "E", |frame| {
                    frame.hosts.get(host)?.expires
                });
            }
            Self::Mux(host) => {
                mark(svg, story, scale, middle, "D", |frame| {
                    frame.hosts.get(host)?.deadline
                });
            }
            Self::People
            | Self::Service { .. }
            | Self::Lrm(_)
            | Self::Contender(_)
            | Self::Crm(_) => {}
        }
    }

    /// Where an age begins anew.
    fn fresh(&self, story: &Story, scale: &Scale, age: impl Fn(&Frame) -> Option<u64>) -> Vec<i64> {
        let pairs = story.frames.windows(2).enumerate();
        let begins = pairs.filter_map(|(index, pair)| {
            let [before, after] = pair else { return None };
            let advanced = after.tick.saturating_sub(before.tick);
            let anew = match (age(before), age(after)) {
                (None, Some(_)) => true,
                (Some(before), Some(after)) => after == 0 && before + advanced > 0,
                (_, None) => false,
            };
            anew.then(|| scale.state(index + 1))
        });
        begins.collect()
    }
}

/// Each moment that something ends at, unless it was put off or given up before.
fn mark(
    svg: &mut Svg,
    story: &Story,
    scale: &Scale,
    middle: i64,
    name: &str,
    of: impl Fn(&Frame) -> Option<i64>,
) {
    let last = story.frames.len().saturating_sub(1);
    let mut moments = Vec::new();
    for (index, frame) in story.frames.iter().enumerate() {
        let now = i64::try_from(frame.tick).unwrap_or(i64::MAX);
        let comes = |moment: &i64| *moment == now || index == last && *moment > now;
        moments.extend(of(frame).filter(comes));
    }
    moments.dedup();
    for moment in moments {
        if let Some(x) = scale.moment(moment) {
            let label = format!("{name}, t={moment}");
            let width = super::svg::pixels(label.chars().count()) * 6;
            // Nothing is written across the moment that breaks something.
            let crosses = x <= scale.end() && x + width > scale.end();
            let (begin, text, anchor) = match crosses {
                true => (x - width - 2, x - 4, Anchor::End),
                false => (x + 2, x + 4, Anchor::Start),
            };
            svg.rect("band", (begin, middle - 6), (width, BAR));
            svg.line("moment", (x, middle - 9), (x, middle + 9));
            svg.text("ink small", (text, middle + 4), anchor, &label);
        }
    }
}
