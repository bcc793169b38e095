//! A short life of node 0's LRM, and what came of it.

use lockstep_model::config::scaled::scaled_kappa_one;
use lockstep_model::id::{LockId, NodeId, ServiceId};
use lockstep_model::lrm::{self, Job};
use lockstep_model::manager::status::{ExitCode, LrmMode, LrmStatus};
use lockstep_model::record::{GrantState, Key};
use lockstep_model::time::Instant;

use crate::bench::{Bench, Effect, Entered};

pub(crate) const S0: ServiceId = ServiceId(0);
pub(crate) const HERE: Option<NodeId> = Some(NodeId(0));
pub(crate) const THERE: Option<NodeId> = Some(NodeId(1));
pub(crate) const DONE: Option<ExitCode> = Some(ExitCode::SUCCESS);
pub(crate) const FAILED: Option<ExitCode> = Some(ExitCode::ERROR);
pub(crate) const SEND: Job = Job::Send { target: NodeId(1) };

/// A life so far.
pub(crate) struct Life(pub(crate) Bench);

/// A life that begins with these commands.
pub(crate) fn life(lines: &[&str]) -> Life {
    let mut life = Life(Bench::new(scaled_kappa_one(), Instant(1000)));
    life.go(&["start mux"]);
    life.go(lines);
    life
}

/// One in which service 0 was ordered to run before the LRM began, and does.
pub(crate) fn running() -> Life {
    let life = life(&["order 0 started restarts 1", "start lrm", "tick 10"]);
    assert!(life.runs(0), "service 0 runs");
    life
}

impl Life {
    pub(crate) fn go(&mut self, lines: &[&str]) {
        for line in lines {
            self.0.perform(&line.parse().expect("a command"));
        }
    }

    pub(crate) fn runs(&self, service: u16) -> bool {
        self.0.running.get(&ServiceId(service)) == Some(&true)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.0.paused.get(&S0) == Some(&true)
    }

    pub(crate) fn published(&self) -> LrmStatus {
        let lrm = self.0.lrm.as_ref().expect("the LRM lives");
        lrm.published(&self.0.config, self.0.now)
            .unwrap_or_default()
    }

    pub(crate) fn mode(&self) -> Option<LrmMode> {
        self.published().mode
    }

    /// How the present order of a service ended.
    pub(crate) fn result(&self, service: u16) -> Option<ExitCode> {
        let snapshot = self.0.snapshot();
        let uid = snapshot.service(ServiceId(service))?.uid;
        let results = self.published().results;
        let found = results.iter().find(|result| result.uid == uid)?;
        Some(found.code)
    }

    /// Forgets what happened so far.
    pub(crate) fn forget(&mut self) {
        self.0.log.clear();
    }

    /// The jobs of a service since then.
    pub(crate) fn jobs(&self, service: u16) -> Vec<Job> {
        let effects = self.0.log.iter().flat_map(|entered| match entered {
            Entered::Step(_, _, effects, _) => effects.as_slice(),
            Entered::Began(..) | Entered::Ended(_) => &[],
        });
        effects
            .filter_map(|effect| match effect {
                Effect::Lrm(lrm::Effect::Spawn {
                    service: it, job, ..
                }) if *it == ServiceId(service) => Some(*job),
                Effect::Lrm(_) | Effect::Mux(_) | Effect::Contender(_) => None,
            })
            .collect()
    }

    pub(crate) fn starts(&self) -> usize {
        let jobs = self.jobs(0);
        jobs.iter().filter(|job| **job == Job::Start).count()
    }

    /// How often a service was written as another node's.
    pub(crate) fn location_writes(&self) -> usize {
        let effects = self.0.log.iter().flat_map(|entered| match entered {
            Entered::Step(_, _, effects, _) => effects.as_slice(),
            Entered::Began(..) | Entered::Ended(_) => &[],
        });
        let moves = effects.filter(|effect| match effect {
            Effect::Lrm(lrm::Effect::Write(write)) => write
                .puts
                .iter()
                .any(|put| matches!(put.key, Key::Service(_))),
            Effect::Lrm(_) | Effect::Mux(_) | Effect::Contender(_) => false,
        });
        moves.count()
    }

    pub(crate) fn grant(&self) -> Option<GrantState> {
        let snapshot = self.0.snapshot();
        let grant = snapshot.grant(LockId::Agent(NodeId(0)))?;
        Some(grant.state.clone())
    }

    pub(crate) fn is_held(&self) -> bool {
        self.grant().is_some_and(|state| state.is_held())
    }

    pub(crate) fn left(&self) -> Vec<ServiceId> {
        match self.grant() {
            Some(GrantState::ReleasedRunning(list)) => list.services,
            Some(
                GrantState::HeldGuarded | GrantState::HeldUnguarded(_) | GrantState::ReleasedClean,
            )
            | None => Vec::new(),
        }
    }

    pub(crate) fn is_armed(&self) -> bool {
        let lrm = self.0.lrm.as_ref().expect("the LRM lives");
        lrm.armed_until().is_some()
    }

    pub(crate) fn lives(&self) -> bool {
        self.0.lrm.is_some()
    }
}
