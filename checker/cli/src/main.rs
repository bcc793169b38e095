//! `ha-checker`: whether the rules of the protocol hold, on the command line.
//!
//! It chooses configurations, hands them to `lockstep-explore`, and shows what comes out: tables,
//! time lines, JSON, exit codes. It decides nothing about the protocol and nothing about a verdict.
//!
//! Start reading with `arguments` (what can be asked), then `failure` (how it can end), then the
//! command that interests you: `check`, `coverage`, `mutants`, `mutate`, `timing`, `replay`, `rules`, `fence`, `sim`.

mod amount;
mod arguments;
mod budget;
mod cases;
mod check;
mod coverage;
mod failure;
mod fence;
mod layout;
mod mutants;
mod mutate;
mod replay;
mod rules;
mod screen;
mod sim;
mod sweep;
mod timing;

use std::panic::catch_unwind;
use std::process::ExitCode;

use arguments::{Arguments, Command};
use failure::{End, Failure};
use screen::Screen;

/// Half of a search's time goes into allocating states.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let ended = catch_unwind(|| {
        let mut screen = Screen::new();
        let ended = Arguments::read().and_then(|arguments| match arguments {
            Some(arguments) => run(arguments, &mut screen),
            None => Ok(End::AsExpected),
        });
        let flushed = screen.flush().map_err(Failure::from);
        let ended = ended.and_then(|end| flushed.map(|()| end));
        ended.unwrap_or_else(|failure| screen.fail(&failure))
    });
    // The panic's message is on stderr already.
    ExitCode::from(ended.unwrap_or(End::Internal))
}

fn run(arguments: Arguments, screen: &mut Screen) -> Result<End, Failure> {
    match arguments.command {
        Command::Check(check) => check::run(&check, screen),
        Command::Coverage(asked) => coverage::run(&asked, screen),
        Command::Mutants(mutants) => mutants::run(&mutants, screen),
        Command::Mutate(mutate) => mutate::run(&mutate, screen),
        Command::Timing(timing) => timing::run(&timing, screen),
        Command::Replay(replay) => replay::run(&replay, screen),
        Command::Rules(asked) => cases::run(&asked.cases, rules::show, screen),
        Command::Sim(asked) => sim::run(&asked, screen),
        Command::Sweep(asked) => sweep::run(&asked, screen),
        Command::Fence(asked) => cases::run(&asked.cases, fence::show, screen),
    }
}
