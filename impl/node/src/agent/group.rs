//! A process group as the kernel shows it.

use std::fs;
use std::io;

use lockstep_model::lrm::Report;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// A process group, and its leader beyond doubt: ids are used again, a start time isn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    /// The leader's id, and the group's.
    id: i32,
    /// When the leader began, in the kernel's ticks since boot.
    start_time: u64,
}

/// What `/proc/ID/stat` says.
struct Stat {
    state: char,
    group: i32,
    start_time: u64,
}

impl Stat {
    /// `None`: there is no such process.
    fn read(id: i32) -> io::Result<Option<Self>> {
        let text = match fs::read_to_string(format!("/proc/{id}/stat")) {
            Ok(text) => text,
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    || error.raw_os_error() == Some(Errno::ESRCH as i32) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // The name, in parentheses, may contain anything; the fields follow the last one.
        let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
        match Self::parse(fields) {
            Some(stat) => Ok(Some(stat)),
            None => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn parse(fields: &str) -> Option<Self> {
        let mut fields = fields.split_whitespace();
        Some(Self {
            state: fields.next()?.chars().next()?,
            group: fields.nth(1)?.parse().ok()?,
            start_time: fields.nth(16)?.parse().ok()?,
        })
    }

    /// Whether it can still do anything.
    const fn lives(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

impl Group {
    /// The group that this process leads.
    pub(super) fn of_this_process() -> io::Result<Self> {
        let id = Pid::this().as_raw();
        let stat = Stat::read(id)?.ok_or(io::ErrorKind::NotFound)?;
        if stat.group != id {
            return Err(io::Error::other("this process leads no process group"));
        }
        let start_time = stat.start_time;
        Ok(Self { id, start_time })
    }

    /// Whether its leader lives. An error isn't a death.
    pub(super) fn is_led(&self) -> bool {
        match Stat::read(self.id) {
            Ok(Some(stat)) => stat.start_time == self.start_time && stat.lives(),
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// Running: its leader lives. Stopped: no process of it does. Otherwise unclear.
    pub(super) fn look(&self) -> Report {
        match Stat::read(self.id) {
            Err(_) => return Report::Unclear,
            // The kernel gives an id to another process only when no group has it either.
            Ok(Some(leader)) if leader.start_time != self.start_time => return Report::Stopped,
            Ok(Some(leader)) if leader.lives() => return Report::Running,
            Ok(Some(_) | None) => {}
        }
        // The kernel counts members at one moment, but dead ones too, until they are waited for.
        match killpg(Pid::from_raw(self.id), None) {
            Err(Errno::ESRCH) => Report::Stopped,
            Ok(()) | Err(_) => match (self.has_members(), self.has_members()) {
                (Ok(false), Ok(false)) => Report::Stopped,
                (Ok(_) | Err(_), _) => Report::Unclear,
            },
        }
    }

    /// Whether a living process belongs to the group.
    fn has_members(&self) -> io::Result<bool> {
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if let Some(stat) = Stat::read(id)?
                && stat.group == self.id
                && stat.lives()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Signals all members at one moment. Once the group has gone, nobody.
    pub(super) fn signal(&self, signal: Signal) {
        if self.look() != Report::Stopped {
            // Gone meanwhile is as good.
            let _ = killpg(Pid::from_raw(self.id), signal);
        }
    }
}

/// Kills a group whose leader is a child not yet waited for, so that its id is its own.
pub(super) fn kill(id: i32) {
    let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
}
