//! What the processes of a host can do next.

use lockstep_model::contender;
use lockstep_model::lrm;
use lockstep_model::master;
use lockstep_model::time::Instant;
use lockstep_model::watchdog;

use crate::action::Proc;
use crate::setup::Setup;
use crate::state::{Host, World};

impl Host {
    /// The processes there are.
    pub fn processes(&self) -> impl Iterator<Item = Proc> + use<> {
        let mux = self.mux.as_ref().map(|_| Proc::Mux);
        let contender = self.contender.as_ref().map(|_| Proc::Contender);
        let crm = self.crm.as_ref().map(|_| Proc::Crm);
        (0..self.lrms.len())
            .map(Proc::Lrm)
            .chain(mux)
            .chain(contender)
            .chain(crm)
    }

    /// Whether a process is stopped.
    #[must_use]
    pub fn is_paused(&self, proc: Proc) -> bool {
        match proc {
            Proc::Lrm(index) => self.lrms.get(index).is_some_and(|lrm| lrm.paused),
            Proc::Mux => self.mux.as_ref().is_some_and(|mux| mux.paused),
            Proc::Contender => self.contender.as_ref().is_some_and(|it| it.paused),
            Proc::Crm => self.crm.as_ref().is_some_and(|it| it.paused),
        }
    }

    /// Whether a process can act.
    pub(crate) fn runs(&self, proc: Proc) -> bool {
        self.on && !self.is_halted() && !self.is_paused(proc)
    }

    /// Whether nothing on it goes on.
    #[must_use]
    pub const fn is_halted(&self) -> bool {
        self.stopped || self.suspended
    }

    pub(crate) fn is_notified(&self, proc: Proc) -> bool {
        match proc {
            Proc::Lrm(index) => self.lrms.get(index).is_some_and(|lrm| lrm.notified),
            Proc::Mux => false,
            Proc::Contender => self.contender.as_ref().is_some_and(|it| it.notified),
            Proc::Crm => self.crm.as_ref().is_some_and(|it| it.notified),
        }
    }

    pub(crate) fn has_effects(&self, proc: Proc) -> bool {
        match proc {
            Proc::Lrm(index) => self
                .lrms
                .get(index)
                .is_some_and(|lrm| !lrm.outbox.is_empty()),
            Proc::Mux => self.mux.as_ref().is_some_and(|mux| !mux.outbox.is_empty()),
            Proc::Contender => self
                .contender
                .as_ref()
                .is_some_and(|it| !it.outbox.is_empty()),
            Proc::Crm => self.crm.as_ref().is_some_and(|it| !it.outbox.is_empty()),
        }
    }

    /// The effects that may be executed next: the first of each lane.
    pub(crate) fn executable(&self, proc: Proc) -> Vec<usize> {
        match proc {
            Proc::Lrm(index) => {
                let outbox = self.lrms.get(index).map_or(&[][..], |lrm| &lrm.outbox);
                let first = |position: &usize| {
                    let lane = outbox[*position].lane();
                    outbox[..*position]
                        .iter()
                        .all(|effect| effect.lane() != lane)
                };
                (0..outbox.len()).filter(first).collect()
            }
            Proc::Mux => {
                let empty = self.mux.as_ref().is_none_or(|mux| mux.outbox.is_empty());
                if empty { Vec::new() } else { vec![0] }
            }
            Proc::Contender => {
                let count = self.contender.as_ref().map_or(0, |it| it.outbox.len());
                (0..count).collect()
            }
            Proc::Crm => self.executable_crm(),
        }
    }

    /// The inputs that may be taken in next.
    pub(crate) fn deliverable(&self, proc: Proc) -> impl Iterator<Item = usize> {
        let count = match proc {
            Proc::Lrm(index) => self.lrms.get(index).map_or(0, |lrm| lrm.inbox.len()),
            Proc::Mux => self.mux.as_ref().map_or(0, |mux| mux.inbox.len()),
            Proc::Contender => self.contender.as_ref().map_or(0, |it| it.inbox.len()),
            Proc::Crm => self.crm.as_ref().map_or(0, |it| it.inbox.len()),
        };
        (0..count).filter(move |position| match proc {
            Proc::Lrm(index) => self.lrms.get(index).is_some_and(|lrm| {
                let turn = connection_turn(&lrm.inbox[*position]);
                lrm.inbox
                    .iter()
                    .map(connection_turn)
                    .all(|other| other == 0 || other >= turn)
            }),
            Proc::Mux => self.mux.as_ref().is_some_and(|mux| {
                // What one connection carries comes in order; connections overtake each other.
                let from = mux.inbox[*position].from;
                mux.inbox[..*position]
                    .iter()
                    .all(|earlier| earlier.from != from)
            }),
            Proc::Contender | Proc::Crm => true,
        })
    }

    pub(crate) fn wakeup(&self, setup: &Setup, reconfigured: bool, proc: Proc) -> Option<Instant> {
        let config = setup.config(reconfigured);
        let wakeup = match proc {
            Proc::Lrm(index) => {
                let published = self.presence.as_ref().filter(|_| index == 0);
                let published = published.and_then(|presence| presence.next_wakeup(config));
                let own = self.lrms.get(index)?.machine.next_wakeup(config);
                [own, published]
                    .into_iter()
                    .flatten()
                    .min_by_key(|it| it.at)
            }
            Proc::Mux => self.mux.as_ref()?.machine.next_wakeup(config),
            Proc::Contender => self.contender.as_ref()?.machine.next_wakeup(config),
            Proc::Crm => self.crm.as_ref()?.machine.next_wakeup(config),
        };
        wakeup.map(|wakeup| wakeup.at)
    }

    /// Whether a process is woken at once again, having done nothing.
    #[must_use]
    pub fn wakes_for_nothing(&self, setup: &Setup, reconfigured: bool, proc: Proc) -> bool {
        !self.has_effects(proc) && World::is_due(setup, self.wakeup(setup, reconfigured, proc))
    }

    pub(crate) fn is_request(&self, proc: Proc, effect: usize) -> bool {
        match proc {
            Proc::Lrm(index) => self
                .lrms
                .get(index)
                .is_some_and(|lrm| match lrm.outbox[effect] {
                    lrm::Effect::Write(_) | lrm::Effect::Read(_) => true,
                    lrm::Effect::Watchdog(_)
                    | lrm::Effect::Reap
                    | lrm::Effect::RecordIntent { .. }
                    | lrm::Effect::Spawn { .. }
                    | lrm::Effect::KillServices(_)
                    | lrm::Effect::Exit => false,
                }),
            Proc::Mux => false,
            Proc::Contender => self
                .contender
                .as_ref()
                .is_some_and(|it| match it.outbox[effect] {
                    contender::Effect::Write(_) | contender::Effect::Read(_) => true,
                    contender::Effect::Fence(_) => false,
                }),
            Proc::Crm => self
                .crm
                .as_ref()
                .is_some_and(|crm| match crm.outbox[effect] {
                    master::Effect::Write(_) | master::Effect::Read(_) => true,
                    master::Effect::Fence(_) | master::Effect::Exit => false,
                }),
        }
    }

    pub(crate) fn opens(&self, proc: Proc, effect: usize) -> bool {
        let mux = self.mux.as_ref().filter(|_| proc == Proc::Mux);
        let effect = mux.and_then(|mux| mux.outbox.get(effect));
        matches!(effect, Some(watchdog::Effect::Open { .. }))
    }

    pub(crate) fn is_ping(&self, proc: Proc, effect: usize) -> bool {
        proc == Proc::Mux
            && self
                .mux
                .as_ref()
                .is_some_and(|mux| mux.outbox.get(effect) == Some(&watchdog::Effect::Ping))
    }
}

/// What comes over the connection to the multiplexer comes in order: its answers, its end, and
/// only then another's beginning. 0: it comes some other way.
const fn connection_turn(input: &lrm::Input) -> u8 {
    match input {
        lrm::Input::Watchdog(_) => 1,
        lrm::Input::WatchdogGone => 2,
        lrm::Input::WatchdogConnected => 3,
        lrm::Input::Started
        | lrm::Input::KernelLock { .. }
        | lrm::Input::Watched(_)
        | lrm::Input::Read { .. }
        | lrm::Input::Written { .. }
        | lrm::Input::Reaped
        | lrm::Input::IntentRecorded { .. }
        | lrm::Input::WorkerDone { .. }
        | lrm::Input::ServiceEnded { .. }
        | lrm::Input::ServicesKilled
        | lrm::Input::Timer
        | lrm::Input::Leave(_) => 0,
    }
}
