//! What can be asked of the simulator.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use lockstep_model::time::Span;

use crate::amount;
use crate::arguments::ProfileName;

/// Simulate a whole cluster: CRM, LRM, locks, watchdogs and guests of all nodes, second by second.
///
/// A case is a directory that says which nodes and services there are and what happens to them
/// when. The same case always gives the same log.
#[derive(Debug, Args)]
#[command(arg_required_else_help = false)]
pub(crate) struct Sim {
    #[command(subcommand)]
    pub(crate) command: SimCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SimCommand {
    Run(Run),
    Test(Test),
}

/// Run a case and show its log.
///
/// Lines appear when they are said. Nothing is written into DIR. Rules and groups that can't be
/// read are named on standard error and left out.
#[derive(Debug, Args)]
#[command(after_help = "\
Files in DIR, all but the first optional:
  cmdlist                list of lists of commands; one list every 100 simulated seconds
  hardware_status        the nodes, their power and network
  service_config         the services, on which node, and what is wanted of them
  manager_status         what the manager last wrote
  rules_config, groups   affinity rules; groups of nodes
  datacenter.cfg         shutdown policy and scheduler, as JSON
  static_service_stats, dynamic_service_stats, service_status_NODE
  faults                 what befalls single processes, not under pve

Examples:
  ha-checker sim run tests/scenarios/double-fault
  ha-checker sim run --until 300 tests/scenarios/double-fault
  ha-checker sim run --profile default tests/scenarios/double-fault
  ha-checker sim run --json tests/scenarios/double-fault | jq -r .message

Exit codes: 0 regular end, 1 an error of the simulation (the last line of the
log says which), 2 a property that doesn't hold under fast, default or
conservative, or bad input, 3 a limit was reached first, 4 internal error.")]
pub(crate) struct Run {
    /// The case
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// The timing and the rules to run with. pve: the reference's, by rounds; properties that don't
    /// hold are reported. The others: ours, on the machines that the daemons run; the first property
    /// that doesn't hold ends the run
    #[arg(long, value_enum, default_value_t = ProfileName::Pve, value_name = "PROFILE")]
    pub(crate) profile: ProfileName,
    /// One JSON document for each line, and a last one that says how it ended
    #[arg(long)]
    pub(crate) json: bool,
    /// End as soon as the simulated clock has reached so many seconds at the end of a loop
    #[arg(long, value_name = "SECONDS", value_parser = amount::seconds, allow_hyphen_values = true)]
    pub(crate) until: Option<u64>,
    #[command(flatten)]
    pub(crate) limit: Limit,
}

/// Compare the logs of cases with what is expected of them.
///
/// Each DIR with a file cmdlist is a case, and so is each such directory below any other DIR. Its
/// log is compared with the file log.expect in it, byte for byte. Under a profile of ours a
/// case passes if every property holds to its end; its log is compared only if there is a file
/// log.PROFILE.expect.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ha-checker sim test tests/scenarios                all of them
  ha-checker sim test tests/scenarios/double-fault   one
  ha-checker sim test --update tests/scenarios       after a change that is meant
  ha-checker sim test --profile default tests/scenarios

Exit codes: 0 every log is as expected, or has been written with --update; 1 one
isn't, or has no expectation, or a property didn't hold; 2 bad input, 3 a limit was reached first, 4
internal error.")]
pub(crate) struct Test {
    /// Cases, or directories of cases
    #[arg(value_name = "DIR", required = true)]
    pub(crate) directories: Vec<PathBuf>,
    /// The timing and the rules to run with: under pve logs are compared, under the others every
    /// property has to hold
    #[arg(long, value_enum, default_value_t = ProfileName::Pve, value_name = "PROFILE")]
    pub(crate) profile: ProfileName,
    /// Write each log that isn't as expected into log.expect, or log.PROFILE.expect
    #[arg(long)]
    pub(crate) update: bool,
    /// How many cases are run at a time, 1 to 64; what is shown doesn't depend on it [default: the
    /// cores, at most 2]
    #[arg(long, short = 'j', value_name = "N", value_parser = amount::threads, allow_hyphen_values = true)]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) limit: Limit,
}

/// What a run may take.
#[derive(Debug, Args)]
pub(crate) struct Limit {
    /// Give a case up after this time, looked at after each daemon's turn: 300ms, 90s, 10min
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = amount::span, allow_hyphen_values = true)]
    time: Span,
}

impl Limit {
    pub(crate) fn time(&self) -> Duration {
        Duration::from_millis(self.time.0)
    }
}
