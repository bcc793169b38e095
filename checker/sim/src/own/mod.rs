//! Cases under the own profiles: event-driven, on the machines that the daemons run.
//!
//! Every node has a multiplexer with a watchdog device, an LRM's process and a CRM's; between them
//! is one linearizable store. No log is expected: every property is enforced to the end, and the
//! first that doesn't hold ends the run.
//!
//! What a case says means the same as under `pve` as far as it can: commands keep their times, a
//! skipped round is a pause, a fault of the cluster's file system is a store that can't be reached.
//! Requests to the store take no time. They are lost if their host can't reach it at that moment:
//! power, network and a majority are needed, and no fault of the file system.
//!
//! Start reading at `run`; `host` has what there is, `lrm`, `crm` and `mux` the processes, `agent`
//! what becomes of services, `people` what commands do, `watch` the properties.

mod agent;
mod build;
mod cluster;
mod crm;
mod faults;
mod host;
mod lrm;
mod mux;
mod people;
mod power;
mod run;
mod say;
mod store;
mod watch;

use lockstep_model::config::Profile;
use lockstep_model::event::Level;

use crate::case::Case;
use crate::cluster::Fatal;
use crate::log::{Log, Source};
use crate::schedule::{Halt, Watch, last_words, show};
use crate::{Ended, Options, Outcome};

/// Ends a run under the reference's profile, which knows no faults of single processes.
pub(crate) fn refuse(watch: &mut Watch<'_>) -> Outcome {
    let error = "the case has a file 'faults', expected a run with --profile fast, default or \
                 conservative";
    let mut log = Log::default();
    let source = Source::Simulator("hardware");
    log.line(Level::Error, 0, source, &last_words(error));
    let ended = match show(&mut log, watch) {
        Ok(()) => Ended::Error(error.to_owned()),
        Err(_) => Ended::Stopped,
    };
    Outcome {
        ended,
        reports: Vec::new(),
        end: None,
    }
}

/// Runs a case to its end under an own profile.
pub(crate) fn run(
    case: &Case,
    profile: Profile,
    options: &Options,
    watch: &mut Watch<'_>,
) -> Outcome {
    let mut log = Log::default();
    let source = Source::Simulator("hardware");
    log.line(Level::Info, 0, source, &"starting simulation");
    if show(&mut log, watch).is_err() {
        return Outcome {
            ended: Ended::Stopped,
            reports: Vec::new(),
            end: None,
        };
    }
    let (ended, seconds, reports, end) = match build::build(case, profile) {
        Err(error) => (Err(Halt::Fatal(error)), 0, Vec::new(), None),
        Ok(mut cluster) => {
            let ended = run::run(&mut cluster, case, options, watch);
            log = std::mem::take(&mut cluster.log);
            let reports = std::mem::take(&mut cluster.watch.reports);
            (ended, cluster.seconds(), reports, Some(cluster.end()))
        }
    };
    let ended = match ended {
        Ok(Ended::Regular) => {
            log.line(Level::Info, seconds, source, &"exit simulation - done");
            Ended::Regular
        }
        Ok(ended) => ended,
        Err(Halt::Fatal(Fatal(error))) => {
            log.line(Level::Error, seconds, source, &last_words(&error));
            Ended::Error(error.trim_end().to_owned())
        }
        Err(Halt::Stopped) => Ended::Stopped,
    };
    let ended = match show(&mut log, watch) {
        Ok(()) => ended,
        Err(_) => Ended::Stopped,
    };
    Outcome {
        ended,
        reports,
        end,
    }
}
