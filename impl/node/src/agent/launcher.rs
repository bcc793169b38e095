//! The process that becomes a service's command, after it has put itself on record.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use lockstep_model::id::BootId;

use super::group::Group;
use crate::state;

/// The first argument of `ha-lrm` when it runs as a launcher. Not for people.
pub const COMMAND: &str = "launch-service";

/// Launches: `RECORD BOOT PROGRAM [ARGUMENT …]`. Standard input carries the lock that says that a
/// launcher is at work; it ends with becoming the program, which gets an empty one instead.
#[must_use]
pub fn main(arguments: &[OsString]) -> ExitCode {
    let Err(error) = launch(arguments);
    let _ = writeln!(io::stderr(), "ha-lrm: failed to launch a service: {error}");
    ExitCode::from(1)
}

fn launch(arguments: &[OsString]) -> io::Result<std::convert::Infallible> {
    let [record, boot, program, arguments @ ..] = arguments else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let boot = boot
        .to_str()
        .and_then(|boot| u128::from_str_radix(boot, 16).ok());
    let boot = BootId(boot.ok_or(io::ErrorKind::InvalidInput)?);
    state::write(Path::new(record), boot, &Group::of_this_process()?)?;
    Err(Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .exec())
}
