//! Journals as files: a header and then one step a line, as JSON.
//!
//! A thread of its own writes them, so that a slow disk never delays a ping. What a killed process
//! had not handed over yet is missing at the end, and the last line may be torn; the rest replays.
//!
//! The same thread writes the lines for people. A journal that ends (a full disk, its limit) takes
//! nothing from them: they go on.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use lockstep_model::id::Incarnation;
use lockstep_model::journal::{Entry, Header, LIMIT_REACHED};
use serde::Serialize;

/// How many steps and lines may wait. Far more than a daemon takes in a lock's lifetime.
const WAITING_MAX: usize = 10_000;

/// The most bytes of one journal: days of a daemon on a quiet cluster. What follows isn't kept.
const BYTES_MAX: u64 = 64 << 20;

/// How many journals of earlier processes of a daemon are kept.
const KEPT_MAX: usize = 8;

/// How long the end of a process waits for the disk and for whoever reads its lines. Either may
/// hang for ever, and what the process is about to do must not.
const END_PATIENCE: Duration = Duration::from_millis(100);

enum Order {
    Line(Vec<u8>),
    Sync,
    Say(String),
    End(&'static str),
}

/// A journal being written.
#[derive(Debug)]
pub struct Journal {
    orders: Option<SyncSender<Order>>,
    /// Disconnected when everything is written.
    written: Receiver<()>,
    steps: Steps,
    /// How many lines for people found no room since one last did.
    dropped: u64,
}

/// What becomes of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Steps {
    /// They go to the writer.
    Written,
    /// One is missing, so that none may follow; nobody was told yet.
    Missing,
    /// Nothing any more.
    Dropped,
}

/// Where the journal of a process is.
#[must_use]
pub fn path(directory: &Path, daemon: &str, incarnation: Incarnation) -> PathBuf {
    directory.join(format!("{daemon}-{}.journal", incarnation.0))
}

/// Removes all but the newest journals of a daemon's earlier processes.
///
/// # Errors
///
/// The directory can't be read. A file that can't be removed is left.
pub fn prune(directory: &Path, daemon: &str) -> io::Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| {
            let rest = name.strip_prefix(daemon)?.strip_prefix('-')?;
            rest.strip_suffix(".journal")?.parse::<u64>().ok()
        });
        if number.is_some() {
            let modified = entry.metadata().map(|it| (it.mtime(), it.mtime_nsec()));
            found.push((modified.unwrap_or_default(), entry.path()));
        }
    }
    found.sort();
    for (_, path) in found.iter().rev().skip(KEPT_MAX) {
        let _ = fs::remove_file(path);
    }
    Ok(())
}

impl Journal {
    /// Begins a new journal.
    ///
    /// # Errors
    ///
    /// The file can't be made, or exists.
    pub fn begin(path: &Path, header: &Header) -> io::Result<Self> {
        let mut file = File::create_new(path)?;
        let header = line(header)?;
        file.write_all(&header)?;
        Self::write_with(Writer {
            file: Some(file),
            path: path.to_owned(),
            bytes: header.len() as u64,
            bytes_max: BYTES_MAX,
            people: io::stderr(),
        })
    }

    fn write_with(writer: Writer<impl Write + Send + 'static>) -> io::Result<Self> {
        let (orders, received) = mpsc::sync_channel(WAITING_MAX);
        let (done, written) = mpsc::channel();
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.serve(&received, done))?;
        Ok(Self {
            orders: Some(orders),
            written,
            steps: Steps::Written,
            dropped: 0,
        })
    }

    /// Appends a step, without waiting for the disk. A journal that can't keep up ends.
    pub fn append(&mut self, entry: &Entry) {
        match self.steps {
            Steps::Written => {}
            Steps::Missing | Steps::Dropped => return self.report_dropped(),
        }
        let is_written = line(entry).is_ok_and(|line| self.order(Order::Line(line)));
        if !is_written {
            self.steps = Steps::Missing;
        }
    }

    /// Has everything so far put on the disk soon: a reset may follow.
    pub fn sync(&mut self) {
        // Without room for it the disk is slow, and whatever waits would be missing anyway.
        let _ = self.order(Order::Sync);
    }

    /// Has a line written for people, without waiting for whoever reads them.
    pub fn say(&mut self, text: String) {
        self.report_dropped();
        if self.dropped > 0 || !self.order(Order::Say(text)) {
            self.dropped += 1;
        }
    }

    /// Ends the journal, and waits a little until everything is written.
    pub fn finish(&mut self) {
        self.report_dropped();
        self.orders = None;
        match self.written.recv_timeout(END_PATIENCE) {
            // In time or not: the process goes on to its end.
            Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }

    /// Says what was lost, once there is room to say it.
    fn report_dropped(&mut self) {
        let end = Order::End("the steps come faster than it is written");
        if self.steps == Steps::Missing && self.order(end) {
            self.steps = Steps::Dropped;
        }
        let dropped = self.dropped;
        if dropped > 0 {
            let text = format!("warning: {dropped} lines for people found no room and are lost");
            if self.order(Order::Say(text)) {
                self.dropped = 0;
            }
        }
    }

    /// Returns whether there was room for the order.
    fn order(&self, order: Order) -> bool {
        let Some(orders) = &self.orders else {
            return true;
        };
        match orders.try_send(order) {
            // The writer ends last of all threads.
            Ok(()) | Err(TrySendError::Disconnected(_)) => true,
            Err(TrySendError::Full(_)) => false,
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The thread's own part of a journal.
struct Writer<P> {
    /// `None` once the journal has ended.
    file: Option<File>,
    path: PathBuf,
    bytes: u64,
    bytes_max: u64,
    people: P,
}

impl<P: Write> Writer<P> {
    fn serve(mut self, orders: &Receiver<Order>, done: Sender<()>) {
        for order in orders {
            match order {
                Order::Line(line) => self.append(&line),
                Order::Sync => self.with_file(File::sync_data),
                Order::Say(text) => self.say(&text),
                Order::End(why) => self.end(why),
            }
        }
        drop(done);
    }

    fn append(&mut self, line: &[u8]) {
        self.bytes += line.len() as u64;
        if self.bytes <= self.bytes_max {
            self.with_file(|mut file| file.write_all(line));
            return;
        }
        let last = format!("{LIMIT_REACHED}\n");
        self.with_file(|mut file| file.write_all(last.as_bytes()));
        let max = self.bytes_max;
        self.end(format!("it has {max} bytes, which is its limit"));
    }

    fn with_file(&mut self, work: impl FnOnce(&File) -> io::Result<()>) {
        if let Some(file) = &self.file
            && let Err(error) = work(file)
        {
            self.end(error);
        }
    }

    /// Ends the journal; its end is told once.
    fn end(&mut self, why: impl Display) {
        if self.file.take().is_some() {
            let path = self.path.display();
            self.say(&format!("warning: the journal {path} ends here: {why}"));
        }
    }

    fn say(&mut self, text: &str) {
        // Where nobody can read it, nobody does.
        let _ = writeln!(self.people, "{text}");
    }
}

fn line(document: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(document)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads a journal. A torn last line is left out, and so is one that says that the limit was
/// reached.
///
/// # Errors
///
/// The file can't be read, has no header, or has a line that is none and isn't the torn last one.
pub fn read(path: &Path) -> io::Result<(Header, Vec<Entry>)> {
    let text = fs::read_to_string(path)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let whole = whole.strip_suffix(LIMIT_REACHED).unwrap_or(whole);
    let mut lines = whole.lines();
    let header = serde_json::from_str(lines.next().unwrap_or(""))?;
    let entries = lines.map(serde_json::from_str).collect::<Result<_, _>>()?;
    Ok((header, entries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_model::config::Config;
    use lockstep_model::config::profile::Profile;
    use lockstep_model::id::{BootId, Ranks};
    use lockstep_model::journal::{FORMAT, Kind, Step};
    use lockstep_model::time::{Instant, Span};
    use lockstep_model::watchdog::Input;
    use lockstep_watchdog::clock;
    use std::sync::{Arc, Mutex};

    fn header() -> Header {
        Header {
            format: FORMAT,
            machine: Kind::Multiplexer(BootId(u128::MAX)),
            config: Config::new(Profile::Fast.timing(), Ranks::default()).unwrap(),
        }
    }

    fn entry(ms: u64) -> Entry {
        Entry::Multiplexer(Step {
            now: Instant(ms),
            input: Input::Timer,
            effects: Vec::new(),
        })
    }

    /// Somebody who reads lines; while the lock is held, nobody does.
    #[derive(Clone, Default)]
    struct People(Arc<Mutex<Vec<u8>>>);

    impl Write for People {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl People {
        /// Waits until what was said contains all of these.
        fn heard(&self, parts: &[&str]) -> String {
            let until = clock::now() + Span(30_000);
            loop {
                let said = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
                if parts.iter().all(|part| said.contains(part)) {
                    return said;
                }
                assert!(clock::now() < until, "{parts:?} in: {said}");
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn journal(path: &Path, bytes_max: u64, people: &People) -> Journal {
        let writer = Writer {
            file: Some(File::options().append(true).open(path).unwrap()),
            path: path.to_owned(),
            bytes: 0,
            bytes_max,
            people: people.clone(),
        };
        Journal::write_with(writer).unwrap()
    }

    #[test]
    fn a_torn_last_line_is_left_out_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.journal");
        let (header, entry) = (header(), entry(1));
        let mut journal = Journal::begin(&path, &header).unwrap();
        journal.append(&entry);
        journal.sync();
        journal.finish();
        let whole = fs::read_to_string(&path).unwrap();
        let expect = (header, vec![entry]);
        assert_eq!(read(&path).unwrap(), expect);
        fs::write(&path, format!("{whole}{{\"Multi")).unwrap();
        assert_eq!(read(&path).unwrap(), expect);
        fs::write(&path, format!("{whole}{{\"Multi\n")).unwrap();
        assert!(read(&path).is_err());
        fs::write(&path, "").unwrap();
        assert!(read(&path).is_err());
    }
    #[test]
    fn a_journal_ends_at_its_limit_and_replays_until_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.journal");
        fs::write(&path, line(&header()).unwrap()).unwrap();
        let people = People::default();
        let mut journal = journal(&path, 3 * line(&entry(1)).unwrap().len() as u64, &people);
        for ms in 1..=9 {
            journal.append(&entry(ms));
        }
        journal.say("after it".to_owned());
        let said = people.heard(&["x.journal ends here: it has", "after it"]);
        assert_eq!(said.lines().count(), 2, "{said}");
        let expect = (header(), vec![entry(1), entry(2), entry(3)]);
        assert_eq!(read(&path).unwrap(), expect);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("\n\"journal ends: limit\"\n"), "{text}");
    }

    #[test]
    fn a_full_disk_ends_the_journal_and_no_line_for_people() {
        let people = People::default();
        let mut journal = journal(Path::new("/dev/full"), BYTES_MAX, &people);
        for ms in 1..=3 {
            journal.append(&entry(ms));
            journal.say(format!("line {ms}"));
        }
        let said = people.heard(&["line 1", "line 2", "line 3"]);
        assert_eq!(
            said.matches("ends here: No space left").count(),
            1,
            "{said}"
        );
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.journal");
        fs::write(&path, line(&header()).unwrap()).unwrap();
        let people = People::default();
        let mut journal = journal(&path, BYTES_MAX, &people);
        let nobody_reads = people.0.lock().unwrap();
        journal.say("first".to_owned());
        // The writer may hold one, and the channel the others.
        for ms in 0..=WAITING_MAX as u64 {
            journal.append(&entry(ms));
        }
        for _ in 0..7 {
            journal.say("unheard".to_owned());
        }
        drop(nobody_reads);
        let (_, kept) = loop {
            journal.say("last".to_owned());
            if people.0.lock().unwrap().ends_with(b"last\n") {
                break read(&path).unwrap();
            }
            thread::sleep(Duration::from_millis(1));
        };
        let said = people.heard(&["lines for people found no room", "faster than"]);
        assert!(!said.contains("unheard"), "{said}");
        let expect: Vec<Entry> = (0..kept.len() as u64).map(entry).collect();
        assert_eq!(kept, expect, "no step is missing between others");
    }

    #[test]
    fn the_end_waits_for_nobody_who_does_not_read() {
        let people = People::default();
        let mut journal = journal(Path::new("/dev/null"), BYTES_MAX, &people);
        let _nobody_reads = people.0.lock().unwrap();
        journal.say("unread".to_owned());
        let begun = clock::now();
        journal.finish();
        drop(journal);
        assert!(clock::now() < begun + Span(10_000));
    }

    #[test]
    fn only_the_newest_journals_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let others = [
            "ha-lrm-x.journal",
            "ha-lrm-1.other",
            "watchdog-mux-1.journal",
        ];
        for name in others {
            fs::write(at(name), "").unwrap();
        }
        let name = |number: u64| at(&format!("ha-lrm-{number}.journal"));
        for number in 1..=20 {
            let file = File::create(name(number)).unwrap();
            let age = Duration::from_secs(1000 - number);
            let now = file.metadata().unwrap().modified().unwrap();
            file.set_modified(now - age).unwrap();
        }
        prune(directory.path(), "ha-lrm").unwrap();
        let kept: Vec<u64> = (1..=20).filter(|number| name(*number).exists()).collect();
        assert_eq!(kept, (13..=20).collect::<Vec<u64>>());
        assert!(others.iter().all(|name| at(name).exists()));
    }
}
