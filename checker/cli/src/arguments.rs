//! What can be asked on the command line.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use lockstep_explore::configuration::Tier;
use lockstep_model::config::{Field, Kappa, Profile};
use lockstep_model::time::Span;
use lockstep_mutate::campaign::Line;

use crate::amount;
use crate::failure::Failure;
use crate::sim::arguments::Sim;

const EXIT_CODES: &str = "\
Exit codes:
  0  everything was explored, and is as it must be
  1  something is not as it must be: a property fails that must hold, or
     holds that must fail; a mutant survives; a file doesn't replay as it says
  2  bad input: an unknown name, a contradictory timing, a broken file
  3  a limit was reached first, so nothing is known
  4  an error inside the checker

Colours are for terminals only; NO_COLOR=1 turns them off.";

/// Checks that Lockstep never runs a service on two nodes at once.
///
/// Explores everything that can happen in small clusters, with every fault at every moment, and
/// shows step by step how a property breaks if one does.
#[derive(Debug, Parser)]
#[command(
    name = "ha-checker",
    version,
    after_help = EXIT_CODES,
    max_term_width = 100,
    arg_required_else_help = false
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// What the process was given. `Ok(None)`: help or the version was asked for, and shown.
    pub(crate) fn read() -> Result<Option<Self>, Failure> {
        match Self::try_parse() {
            Ok(arguments) => Ok(Some(arguments)),
            Err(error) if error.use_stderr() => Err(Failure::input(one_line(&error))),
            Err(error) => error.print().map(|()| None).map_err(Failure::from),
        }
    }
}

/// What is wrong and what would be right; the other commands write a line for each thing, too.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.join(" ")
    });
    let ours = |line: &String| !line.starts_with("Usage:") && !line.starts_with("For more info");
    let mut whole = String::new();
    for line in lines.take_while(ours).filter(|line| !line.is_empty()) {
        // Values that are possible stand in brackets; what belongs to a list follows its colon.
        if !whole.is_empty() {
            let goes_on = line.starts_with(['[', '<']) || whole.ends_with(':');
            whole.push_str(if goes_on { " " } else { "; " });
        }
        whole.push_str(&line);
    }
    let what = whole.strip_prefix("error: ").unwrap_or(&whole);
    let values = error.kind() == ErrorKind::InvalidValue && what.ends_with(']');
    if values || error.kind() == ErrorKind::ValueValidation {
        return what.to_owned();
    }
    format!("{what}; --help shows how it is called")
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(Check),
    Coverage(Coverage),
    Mutants(Mutants),
    Mutate(Mutate),
    Timing(Box<Timing>),
    Replay(Replay),
    Rules(Rules),
    Fence(Fence),
    Sim(Sim),
    Sweep(Sweep),
}

/// Compare the margin's formula with the search, over small timings.
///
/// Each timing has a margin between the last check before a ping and the end of authority, enough or
/// not. The search must find a run in which a lock is taken under a running service exactly where
/// the formula says that the margin is too small.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 the search and the formula agree everywhere, 1 they don't, 2 bad
input, 4 internal error.")]
pub(crate) struct Sweep {
    /// Write what was found as a picture (SVG)
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
}

/// Explore configurations exhaustively, and compare what is found with what must be.
///
/// A configuration is a small cluster with the faults that may happen in it. In most of them every
/// property must hold. In the others a rule or an assumption is broken on purpose and a property
/// must fail: the row then says `violates single-instance, as it must`, which is a success. If
/// --config asks for such a configuration, its counterexample is shown as a time line. mutant/NAME
/// is one, too, for each name that `ha-checker mutants --list` shows.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ha-checker check                       what has to pass on every change
  ha-checker check --list                what there is
  ha-checker check --config l1/k1/power  one of them
  ha-checker check --config reference/   all whose names begin so, with time lines
  ha-checker check --config mutant/start-unarmed
                                         what happens without a rule
  ha-checker check --config l1/k3/tight --checkpoint kept --memory 16GiB --time 2h
                                         and later again, with --resume

Exit codes: 0 all explored and as it must be, 1 a property fails that must hold
or holds that must fail, 2 bad input, 3 a limit was reached first, 4 internal
error.")]
pub(crate) struct Check {
    /// Which configurations. quick: for every change; full: for a release, quick included
    #[arg(long, value_enum, default_value_t = TierName::Quick, conflicts_with = "config")]
    pub(crate) tier: TierName,
    /// Only these, of any tier; a name that ends in / stands for all names that begin with it
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub(crate) config: Vec<String>,
    /// Explore nothing, list them: name, tier, what must come out, what it is about
    #[arg(long)]
    pub(crate) list: bool,
    /// One JSON document on standard output, with traces as actions
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) means: Means,
    /// Keep each search in a file in this directory, which is made if need be, so that it can go on:
    /// from time to time, at a limit, and when it is interrupted (Ctrl-C, SIGTERM). States that wait
    /// go there, too, where memory is short
    #[arg(long, value_name = "DIR", conflicts_with = "list")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Go on with the searches kept there. The program and the configuration must be the same
    #[arg(long, requires = "checkpoint")]
    pub(crate) resume: bool,
    /// How often a search is kept while it goes on
    #[arg(long, value_name = "DURATION", value_parser = amount::span, default_value = "10min",
        requires = "checkpoint")]
    pub(crate) checkpoint_every: Span,
    /// Judge what `ha-checker coverage` does, too, from the same searches
    #[arg(long, conflicts_with_all = ["list", "config", "checkpoint"])]
    pub(crate) coverage: bool,
    /// Write each counterexample into a file in this directory, which is made if need be
    #[arg(long, value_name = "DIR", conflicts_with = "list")]
    pub(crate) counterexample: Option<PathBuf>,
}

/// What a run may use.
#[derive(Debug, Args)]
pub(crate) struct Means {
    /// End the whole run after this time: 300ms, 90s, 10min, 2h
    #[arg(long, value_name = "DURATION", value_parser = amount::span, allow_hyphen_values = true)]
    pub(crate) time: Option<Span>,
    /// End a search whose tables and queue take more than this: 500MB, 4GiB
    #[arg(long, value_name = "SIZE", value_parser = amount::size, allow_hyphen_values = true)]
    pub(crate) memory: Option<u64>,
    /// Threads of each search, 1 to 64; results don't depend on it [default: the cores, at most 2]
    #[arg(long, value_name = "N", value_parser = amount::threads, allow_hyphen_values = true)]
    pub(crate) threads: Option<u16>,
}

/// Say which states and edges of the specification's state machines searches take, and which fault
/// meets a service in which phase.
///
/// Explores the configurations in which everything must hold, and counts. Each edge that the
/// specification allows must be taken in the quick tier, or a reason given why it isn't
/// (checker/explore/src/coverage/reasons.rs); one that it doesn't allow must not be taken. So with
/// every fault in every phase.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ha-checker coverage                    the quick tier, as tables
  ha-checker coverage --document docs    the same, and docs/coverage.md with its pictures
  ha-checker coverage --config l3/ --time 10min

Exit codes: 0 everything is taken or explained, 1 something isn't, or is taken
and not allowed (with --config only the latter), 2 bad input, 3 a limit was
reached first, 4 internal error.")]
pub(crate) struct Coverage {
    /// Which configurations. quick: for every change; full: for a release, quick included
    #[arg(long, value_enum, default_value_t = TierName::Quick, conflicts_with = "config")]
    pub(crate) tier: TierName,
    /// Only these, of any tier; a name that ends in / stands for all names that begin with it
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub(crate) config: Vec<String>,
    /// Explore nothing: judge and show what earlier runs counted (coverage.json), the later file first
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["tier", "config"])]
    pub(crate) figures: Vec<PathBuf>,
    /// Write coverage.md with its pictures and its figures (coverage.json) into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) document: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) means: Means,
}

/// Break each rule on purpose, and see that the property declared for it fails.
///
/// A rule that can be broken without anything failing is not needed or not checked. Each mutant
/// runs with its declared property alone; the table also says which property fails first when all
/// are judged.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 every mutant was killed, 1 one survives, 2 bad input, 3 a limit
was reached first, 4 internal error.")]
pub(crate) struct Mutants {
    /// Only these mutants
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub(crate) only: Vec<String>,
    /// Run nothing, list them: name, rule, configuration, declared property
    #[arg(long)]
    pub(crate) list: bool,
    /// One JSON document on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) means: Means,
}

/// Break every guard, comparison and effect of the model in turn, and see that something fails.
///
/// Builds one copy of the workspace in which each such place asks a switch, looks which searches
/// of the quick tier reach which places, and runs each mutant where it makes a difference,
/// cheapest first, until something fails. What survives needs an explanation in
/// checker/mutate/explained.json. Needs the sources and cargo; takes hours.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ha-checker mutate --list --only watchdog/       what there is
  ha-checker mutate --only lock/ --largest 50000  a part, without the largest searches
  ha-checker mutate --sample 5                    a fifth, of all parts
  ha-checker mutate --resume --table all.tsv      all, going on where it was stopped

Exit codes: 0 at least 95 % are caught and every other one is explained, 1 not,
2 bad input, 4 internal error.")]
pub(crate) struct Mutate {
    /// Only mutants whose file's name contains this, in this function (TYPE::NAME), or #NUMBER
    #[arg(long, value_name = "WHAT", num_args = 1..)]
    pub(crate) only: Vec<String>,
    /// Run nothing, list them
    #[arg(long)]
    pub(crate) list: bool,
    /// One JSON document on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// The workspace to break [default: the one around the working directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) source: Option<PathBuf>,
    /// Where the copy is built and what is known is kept [default: target/mutate in the workspace]
    #[arg(long, value_name = "DIR")]
    pub(crate) work: Option<PathBuf>,
    /// Go on with what an earlier run of the same sources left
    #[arg(long)]
    pub(crate) resume: bool,
    /// How many mutants run at a time, 1 to 64 [default: the cores, at most 2]
    #[arg(long, short, value_name = "N", value_parser = amount::threads, allow_hyphen_values = true)]
    pub(crate) jobs: Option<u16>,
    /// The most time of one mutant in one search
    #[arg(long, value_name = "DURATION", value_parser = amount::span, default_value = "5min", allow_hyphen_values = true)]
    pub(crate) each: Span,
    /// Only one mutant of so many, evenly spread: what share is caught is known much sooner
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) sample: Option<u32>,
    /// Leave out searches that meet more states than this without a mutant
    #[arg(long, value_name = "STATES")]
    pub(crate) largest: Option<u64>,
    /// Directories of simulated cases, as a second line after the searches
    #[arg(long, value_name = "DIR", num_args = 1.., default_value = "tests/scenarios")]
    pub(crate) cases: Vec<PathBuf>,
    /// The last thing that is run, for what those before it let pass
    #[arg(long, value_enum, default_value_t = LineName::Tests)]
    pub(crate) until: LineName,
    /// Write every mutant with what became of it into this file, fields apart by tabulators
    #[arg(long, value_name = "FILE")]
    pub(crate) table: Option<PathBuf>,
    /// Write the figures, and who survives why, into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) document: Option<PathBuf>,
}

/// Say what follows from the numbers of a timing, and whether they contradict each other.
///
/// Begins with a profile's numbers; each option replaces one of them. Spans have units: 300ms,
/// 1.5s, 2min. The certificate says when services are stopped, when the watchdog resets a node at
/// the latest, when another node may take over at the earliest, and how much time is to spare.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ha-checker timing --profile fast
  ha-checker timing --lease 12s --outage 3s

Exit codes: 0 accepted, 2 contradictory (one line for each broken inequality),
4 internal error.")]
pub(crate) struct Timing {
    /// The profile to begin with
    #[arg(long, value_enum, default_value_t = ProfileName::Default, value_name = "PROFILE")]
    pub(crate) profile: ProfileName,
    /// One JSON document on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// κ: 1 if a kernel timer kills the multiplexer at its deadline, otherwise 3
    #[arg(long, value_enum, value_name = "1|3", allow_hyphen_values = true)]
    pub(crate) kappa: Option<KappaName>,
    #[command(flatten)]
    pub(crate) numbers: Numbers,
}

macro_rules! numbers {
    ($($(#[doc = $doc:literal])* $name:ident: $field:ident,)*) => {
        /// The numbers of a timing that may be replaced.
        #[derive(Debug, Default, Args)]
        #[command(next_help_heading = "Numbers")]
        pub(crate) struct Numbers {
            $($(#[doc = $doc])*
            #[arg(long, value_name = "SPAN", value_parser = amount::span, allow_hyphen_values = true)]
            $name: Option<Span>,)*
            /// ρ: the most that a clock's rate is off, in parts per million
            #[arg(long, value_name = "PPM", value_parser = amount::parts_per_million, allow_hyphen_values = true)]
            drift: Option<u32>,
        }

        impl Numbers {
            /// What was given, W before W′: W takes W′ along where that isn't given too.
            pub(crate) fn given(&self) -> impl Iterator<Item = (Field, u64)> + use<> {
                let spans = [$((Field::$field, self.$name.map(|span| span.0)),)*];
                let drift = (Field::Drift, self.drift.map(u64::from));
                let all = spans.into_iter().chain([drift]);
                all.filter_map(|(field, value)| Some((field, value?)))
            }
        }
    };
}

numbers! {
    /// T: how long a lock must be silent before it may be taken
    lease: LockTtl,
    /// W: the time-out asked of the watchdog's device
    watchdog: Watchdog,
    /// W′: the longest time from a ping to the reset [default: follows W]
    reset_max: ResetMax,
    /// p: how often the device is pinged
    ping: Ping,
    /// How late the multiplexer may be scheduled
    scheduling_delay: SchedulingDelay,
    /// r: how often a lock is renewed
    renewal: Renewal,
    /// q: the longest store outage that must stop and reset nothing
    outage: Outage,
    /// τ: how long until a store request counts as unanswered
    request_timeout: RequestTimeout,
    /// 2·RTT: one read and one write of the store
    round_trips: RoundTrips,
    /// g: how long stopping all services may take
    stop_budget: StopBudget,
    /// The last part of g, in which services are killed
    kill_budget: KillBudget,
    /// δ: how long a node's I/O may trail its reset
    io_trail: IoTrail,
    /// δ_k: how late system calls and kernel timers may be
    kernel_delay: KernelDelay,
    /// h: how long a hypervisor may stop the machine
    host_stop: HostStop,
    /// b: how often a node without a lock shows that it is alive
    presence: Presence,
    /// f: how long a node must be silent before it is fenced
    fence_delay: FenceDelay,
    /// How long until an agent's failed job is tried again
    retry: Retry,
    /// How long a lock is kept with nothing to run
    idle: Idle,
}

/// Replay files: counterexamples, and journals of the daemons.
///
/// A counterexample is shown as a time line, and its property must break at the end. A journal's
/// inputs are fed to the same machine, which must give the effects that were written down. The
/// content of a file says which of the two it is.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 every file replays as it says, 1 one doesn't, 2 a file can't be
read or is broken, 4 internal error.")]
pub(crate) struct Replay {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Show no time lines, only say for each file whether it replays
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Draw the counterexample into a file (SVG)
    #[arg(long, value_name = "SVG")]
    pub(crate) picture: Option<PathBuf>,
    /// Make a case for `ha-checker sim run --profile default` of the counterexample, in a new
    /// directory; says which step has no counterpart there, if one hasn't
    #[arg(long, value_name = "DIR")]
    pub(crate) to_case: Option<PathBuf>,
}

/// Say what becomes of affinity rules in a cluster of node1, node2 and node3.
///
/// Shows the rules that are dropped and why, the rules that are left with those that they imply, and
/// what placement asks of them. What can't be read in a file is on standard error.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ha-checker rules rules.cfg
  ha-checker rules --test cases/*.cfg    compares each with cases/NAME.cfg.expect

Exit codes: 0 shown, or every file gives what is expected; 1 one doesn't, or has
no expectation; 2 a file can't be read or is broken, 4 internal error.")]
pub(crate) struct Rules {
    #[command(flatten)]
    pub(crate) cases: Cases,
}

/// Say with which commands node1, node2 and node3 would be fenced.
///
/// Shows for each try the commands that have to succeed for a node; nothing is carried out. A file
/// with errors gives these, with the name fence_cfgs/NAME for it, wherever it lies.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ha-checker fence fence.cfg
  ha-checker fence --test cases/*.cfg    compares each with cases/NAME.cfg.expect

Exit codes: 0 shown, or every file gives what is expected; 1 one doesn't, or has
no expectation; 2 a file can't be read or is broken, 4 internal error.")]
pub(crate) struct Fence {
    #[command(flatten)]
    pub(crate) cases: Cases,
}

/// Configuration files, each of which gives a text.
#[derive(Debug, Args)]
pub(crate) struct Cases {
    /// The configuration files
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Compare each with FILE.expect, show what differs, and count
    #[arg(long)]
    pub(crate) test: bool,
}

/// [`Line`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LineName {
    /// Exhaustive searches
    Searches,
    /// Simulated cases
    Cases,
    /// The model's own tests
    Tests,
}

impl From<LineName> for Line {
    fn from(name: LineName) -> Self {
        match name {
            LineName::Searches => Self::Searches,
            LineName::Cases => Self::Cases,
            LineName::Tests => Self::Tests,
        }
    }
}

/// [`Tier`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TierName {
    Quick,
    Full,
    Deep,
}

impl TierName {
    /// Whether configurations of this tier are explored.
    pub(crate) fn includes(self, tier: Tier) -> bool {
        match self {
            Self::Quick => tier == Tier::Quick,
            Self::Full => matches!(tier, Tier::Quick | Tier::Full),
            Self::Deep => true,
        }
    }
}

/// [`Profile`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ProfileName {
    Fast,
    Default,
    Conservative,
    Pve,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Fast => Self::Fast,
            ProfileName::Default => Self::Default,
            ProfileName::Conservative => Self::Conservative,
            ProfileName::Pve => Self::Pve,
        }
    }
}

/// [`Kappa`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KappaName {
    #[value(name = "1")]
    One,
    #[value(name = "3")]
    Three,
}

impl From<KappaName> for Kappa {
    fn from(name: KappaName) -> Self {
        match name {
            KappaName::One => Self::One,
            KappaName::Three => Self::Three,
        }
    }
}
