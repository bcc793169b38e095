//! Journals as files: a header and then one step a line, as JSON.
//!
//! A thread of its own writes them, so that a slow disk never delays a ping. What a killed process
//! had not handed over yet is missing at the end, and the last line may be torn; the rest replays.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};

use lockstep_model::journal::{Entry, Header};
use serde::Serialize;

/// How many steps may wait for the disk. Far more than a daemon takes in a lock's lifetime.
const WAITING_MAX: usize = 10_000;

enum Order {
    Line(Vec<u8>),
    Sync,
    Say(String),
}

/// A journal being written.
#[derive(Debug)]
pub struct Journal {
    orders: Option<SyncSender<Order>>,
    writer: Option<JoinHandle<()>>,
}

impl Journal {
    /// Begins a new journal.
    ///
    /// # Errors
    ///
    /// The file can't be made, or exists.
    pub fn begin(path: &Path, header: &Header) -> io::Result<Self> {
        let mut file = File::create_new(path)?;
        file.write_all(&line(header)?)?;
        let (orders, received) = mpsc::sync_channel(WAITING_MAX);
        let write = move || {
            for order in received {
                let written = match order {
                    Order::Line(line) => file.write_all(&line),
                    Order::Sync => file.sync_data(),
                    Order::Say(text) => {
                        // Where nobody can read it, nobody does.
                        let _ = writeln!(io::stderr(), "{text}");
                        Ok(())
                    }
                };
                if let Err(error) = written {
                    let _ = writeln!(io::stderr(), "error: the journal ends here: {error}");
                    return;
                }
            }
        };
        let writer = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(write)?;
        Ok(Self {
            orders: Some(orders),
            writer: Some(writer),
        })
    }

    /// Appends a step, without waiting for the disk. A journal that can't keep up ends.
    pub fn append(&mut self, entry: &Entry) {
        match line(entry) {
            Ok(line) => self.order(Order::Line(line)),
            Err(_) => self.orders = None,
        }
    }

    /// Has everything so far put on the disk soon: a reset may follow.
    pub fn sync(&mut self) {
        self.order(Order::Sync);
    }

    /// Has a line written for people, without waiting for whoever reads them.
    pub fn say(&mut self, text: String) {
        self.order(Order::Say(text));
    }

    /// Ends the journal, and waits until everything is written.
    pub fn finish(&mut self) {
        self.orders = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }

    fn order(&mut self, order: Order) {
        let Some(orders) = &self.orders else {
            return;
        };
        match orders.try_send(order) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.orders = None,
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.finish();
    }
}

fn line(document: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(document)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads a journal. A torn last line is left out.
///
/// # Errors
///
/// The file can't be read, has no header, or has a line that is none and isn't the torn last one.
pub fn read(path: &Path) -> io::Result<(Header, Vec<Entry>)> {
    let text = fs::read_to_string(path)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
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
    use lockstep_model::time::Instant;
    use lockstep_model::watchdog::Input;

    #[test]
    fn a_torn_last_line_is_left_out_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.journal");
        let header = Header {
            format: FORMAT,
            machine: Kind::Multiplexer(BootId(u128::MAX)),
            config: Config::new(Profile::Fast.timing(), Ranks::default()).unwrap(),
        };
        let entry = Entry::Multiplexer(Step {
            now: Instant(1),
            input: Input::Timer,
            effects: Vec::new(),
        });
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
}
