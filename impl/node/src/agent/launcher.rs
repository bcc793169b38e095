//! The process that becomes a service's command, after it has put itself on record.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
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
    let [record, boot, program, arguments @ ..] = arguments else {
        return refuse("RECORD BOOT PROGRAM [ARGUMENT …]; it is ha-lrm's own");
    };
    let number = boot
        .to_str()
        .and_then(|boot| u128::from_str_radix(boot, 16).ok());
    let Some(boot) = number else {
        return refuse("a boot of hexadecimal digits");
    };
    let Err(error) = launch(Path::new(record), BootId(boot), program, arguments);
    let program = Path::new(program).display();
    let _ = writeln!(io::stderr(), "ha-lrm: failed to launch {program}: {error}");
    ExitCode::from(1)
}

fn refuse(expected: &str) -> ExitCode {
    let command = COMMAND;
    let _ = writeln!(
        io::stderr(),
        "ha-lrm: failed to understand the command line: {command}: expected {expected}"
    );
    ExitCode::from(2)
}

fn launch(
    record: &Path,
    boot: BootId,
    program: &OsStr,
    arguments: &[OsString],
) -> io::Result<Infallible> {
    state::write(record, boot, &Group::of_this_process()?)?;
    Err(Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .exec())
}
