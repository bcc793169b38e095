//! A search under way as a file, from which it goes on.
//!
//! The file holds everything that the search knows: fingerprints, links, counts, and the states that
//! wait, as numbers, with the dictionary behind these. It is written beside its final name and
//! renamed, so there is always a whole one. It says what it is a search of; another binary, another
//! setup or other properties are refused, because what they would add up means nothing. So is a
//! file whose checksum is wrong.
//!
//! A search that is continued, with however many threads, ends as if it had never been interrupted.

use super::dictionary::Dictionary;
use super::engine::Start;
use super::frontier::{Chunk, Frontier, Packed};
use super::links::{Link, Links};
use super::options::{Options, StopAt};
use super::record::{Sink, Source};
use super::spill::Spill;
use super::table::{SEGMENTS, Shard, owner_of};
use super::tally::{Names, Tally};
use super::{Checked, Fingerprint};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What begins every file; the last byte is the format's version.
const MAGIC: u64 = u64::from_be_bytes(*b"lockchk\x01");

/// Where and how a search is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The file. Waiting states that don't fit into memory go into its directory, too.
    pub file: PathBuf,
    /// So many bytes of waiting states stay in memory.
    pub queue_bytes: u64,
    /// What is searched, for people.
    pub name: String,
    /// What is searched, exactly: a hash of the program and of all that it was given.
    pub subject: u128,
    /// How often the file is written while the search goes on.
    pub every: Duration,
}

/// A search that was interrupted.
pub struct Saved<S> {
    pub(super) shards: Vec<Shard>,
    pub(super) dictionary: Dictionary,
    pub(super) start: Start<S>,
}

/// Why a search can't go on from a file.
#[derive(Debug)]
pub enum Refused {
    /// It can't be read.
    Io(io::Error),
    /// It is no checkpoint, or one of another version.
    Foreign,
    /// It is damaged; the checksum or what it says about itself is wrong.
    Damaged,
    /// It is about something else: what, as found there, as wanted here.
    Other(&'static str, String, String),
    /// The model has no encoding of its states.
    NoEncoding,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Foreign => f.write_str("it is no checkpoint of this version"),
            Self::Damaged => f.write_str("it is damaged"),
            Self::Other(what, found, wanted) => {
                write!(f, "it is of another {what}: {found} instead of {wanted}")
            }
            Self::NoEncoding => f.write_str("states of this model can't be kept in a file"),
        }
    }
}

impl std::error::Error for Refused {}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        let damages = [io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidData];
        if damages.contains(&error.kind()) {
            return Self::Damaged;
        }
        Self::Io(error)
    }
}

impl<S> fmt::Debug for Saved<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let states = self.start.links.states();
        f.debug_struct("Saved").field("states", &states).finish()
    }
}

impl<S> Saved<S> {
    /// The states found so far.
    #[must_use]
    pub fn states(&self) -> u64 {
        self.start.links.states() as u64
    }

    /// Reads the file that `options` name.
    ///
    /// # Errors
    ///
    /// If there is none that this search can go on from.
    ///
    /// # Panics
    ///
    /// If `options` name none.
    pub fn open<M: Checked<State = S>>(model: &M, options: &Options) -> Result<Self, Refused> {
        let checkpoint = options.checkpoint.as_ref();
        let checkpoint = checkpoint.expect("a checkpoint to go on from");
        let encoding = model.encoding().ok_or(Refused::NoEncoding)?;
        let names = Names::of(model);
        // The checksum stands at the end, and nothing is believed before it.
        let mut source = Source::open(&checkpoint.file)?;
        if source.u64().ok() != Some(MAGIC) {
            return Err(Refused::Foreign);
        }
        while source.skip()? {}
        source.check()?;
        let mut source = Source::open(&checkpoint.file)?;
        source.u64()?;
        accept(&mut source, checkpoint, options, &names)?;
        let seconds = f64::from_bits(source.u64()?);
        let levels = source.list(Source::u64)?;
        let tally = Tally::read(&mut source, &names)?;
        let links = read_links(&mut source)?;
        let threads = options.threads.clamp(1, SEGMENTS);
        let shards = read_fingerprints(&mut source, threads, links.states())?;
        let dictionary = read_dictionary(&mut source, encoding.kinds())?;
        let spill = options.spill();
        let current = read_frontier(&mut source, spill.as_ref().map(Spill::anew))?;
        let next = read_frontier(&mut source, spill)?;
        source.check()?;
        let start = Start {
            current,
            next,
            links,
            tally,
            levels,
            before: Duration::try_from_secs_f64(seconds).map_err(|_| Refused::Damaged)?,
        };
        Ok(Self {
            shards,
            dictionary,
            start,
        })
    }
}

/// A search at rest, between two batches.
pub(super) struct Rest<'a, S> {
    pub(super) names: &'a Names,
    pub(super) levels: &'a [u64],
    pub(super) tally: &'a Tally,
    pub(super) links: &'a Links,
    pub(super) shards: Vec<&'a Shard>,
    pub(super) dictionary: &'a Dictionary,
    pub(super) current: &'a Frontier<S>,
    pub(super) next: &'a Frontier<S>,
    pub(super) elapsed: Duration,
}

/// Writes the file.
///
/// # Errors
///
/// If it can't be written; one that was there before still is.
pub(super) fn write<S>(
    checkpoint: &Checkpoint,
    options: &Options,
    rest: &Rest<'_, S>,
) -> io::Result<()> {
    let mut sink = Sink::create(&checkpoint.file)?;
    sink.u64(MAGIC)?;
    introduce(&mut sink, checkpoint, options, rest.names)?;
    sink.u64(rest.elapsed.as_secs_f64().to_bits())?;
    sink.list(rest.levels, |sink, &level| sink.u64(level))?;
    rest.tally.write(&mut sink)?;
    write_links(&mut sink, rest.links)?;
    for shard in &rest.shards {
        for fingerprint in shard.iter() {
            sink.u128(fingerprint)?;
        }
    }
    for kind in 0..rest.dictionary.kinds() {
        sink.list(&rest.dictionary.parts(kind), |sink, part| sink.bytes(part))?;
    }
    for frontier in [rest.current, rest.next] {
        sink.u64(frontier.len() as u64)?;
        frontier.for_each(|packed| {
            sink.u64(packed.len() as u64)?;
            sink.bytes(packed.bytes())
        })?;
    }
    sink.finish()
}

/// Says what the file is about.
fn introduce(
    sink: &mut Sink,
    checkpoint: &Checkpoint,
    options: &Options,
    names: &Names,
) -> io::Result<()> {
    sink.bytes(checkpoint.name.as_bytes())?;
    sink.u128(checkpoint.subject)?;
    sink.u64(options.properties)?;
    sink.u64(stop_number(options.stop_at))?;
    for names in names.lists() {
        sink.list(names, |sink, name| sink.bytes(name.as_bytes()))?;
    }
    Ok(())
}

const fn stop_number(stop_at: StopAt) -> u64 {
    match stop_at {
        StopAt::FirstBreach => 0,
        StopAt::Closure => 1,
    }
}

/// Whether the file is about what is wanted.
fn accept(
    source: &mut Source,
    checkpoint: &Checkpoint,
    options: &Options,
    names: &Names,
) -> Result<(), Refused> {
    let same = |what, found: String, wanted: String| {
        if found == wanted {
            Ok(())
        } else {
            Err(Refused::Other(what, found, wanted))
        }
    };
    let name = source.text()?;
    same("configuration", name, checkpoint.name.clone())?;
    let hex = |number: u128| format!("{number:032x}");
    let subject = hex(source.u128()?);
    same("program or setup", subject, hex(checkpoint.subject))?;
    let properties = format!("{:b}", source.u64()?);
    same(
        "set of properties",
        properties,
        format!("{:b}", options.properties),
    )?;
    let stop = source.u64()?.to_string();
    same("end", stop, stop_number(options.stop_at).to_string())?;
    for wanted in names.lists() {
        let found = source.list(Source::text)?;
        same("set of names", found.join(", "), wanted.join(", "))?;
    }
    Ok(())
}

fn write_links(sink: &mut Sink, links: &Links) -> io::Result<()> {
    sink.list(&links.roots, |sink, &root| sink.u64(root as u64))?;
    sink.u64(links.states() as u64)?;
    for link in links.iter() {
        sink.u32(link.parent)?;
        sink.u16(link.choice)?;
    }
    Ok(())
}

fn read_links(source: &mut Source) -> Result<Links, Refused> {
    let mut links = Links::default();
    for root in source.list(Source::u64)? {
        let root = usize::try_from(root).map_err(|_| Refused::Damaged)?;
        links.roots.push(root);
    }
    let states = source.u64()?;
    while (links.states() as u64) < states {
        let (parent, choice) = (source.u32()?, source.u16()?);
        if parent as usize >= links.states() {
            return Err(Refused::Damaged);
        }
        links.push(Link { parent, choice });
    }
    Ok(links)
}

fn read_fingerprints(
    source: &mut Source,
    threads: usize,
    states: usize,
) -> Result<Vec<Shard>, Refused> {
    let mut shards: Vec<_> = (0..threads)
        .map(|index| Shard::new(index, threads))
        .collect();
    for _ in 0..states {
        let fingerprint: Fingerprint = source.u128()?;
        let is_new = fingerprint != 0 && shards[owner_of(fingerprint, threads)].insert(fingerprint);
        if !is_new {
            return Err(Refused::Damaged);
        }
    }
    Ok(shards)
}

fn read_dictionary(source: &mut Source, kinds: usize) -> Result<Dictionary, Refused> {
    let dictionary = Dictionary::new(kinds);
    for kind in 0..kinds {
        let count = source.u64()?;
        for expected in 0..count {
            let (number, _) = dictionary.number(kind, &source.bytes()?);
            if u64::from(number) != expected {
                return Err(Refused::Damaged);
            }
        }
    }
    Ok(dictionary)
}

fn read_frontier<S>(source: &mut Source, spill: Option<Spill>) -> Result<Frontier<S>, Refused> {
    let mut frontier = Frontier::new(spill);
    let states = source.u64()?;
    while (frontier.len() as u64) < states {
        let count = usize::try_from(source.u64()?).map_err(|_| Refused::Damaged)?;
        let packed = Packed::of(source.bytes()?, count).filter(|packed| packed.len() > 0);
        let packed = packed.ok_or(Refused::Damaged)?;
        frontier.append(&mut Chunk::Packed(packed), 0);
    }
    Ok(frontier)
}
