//! The way into service: nothing is done while a predecessor may live, or its workers still run.

use super::{Effect, Input, Local, Lrm, Phase};
use crate::config::Config;
use crate::event::{Effects, LrmState};
use crate::mutation::{Mutant, Mutation};
use crate::time::Instant;

impl Lrm {
    pub(super) fn on_input_new<M: Mutation>(
        &mut self,
        config: &Config<M>,
        input: Input,
        effects: &mut Effects<Effect>,
    ) {
        match input {
            Input::Started if config.broken(Mutant::NoKernelLock) => self.begin(config, effects),
            Input::KernelLock { intents } => {
                for service in intents {
                    self.services.insert(service, Local::unknown());
                }
                self.begin(config, effects);
            }
            Input::Leave(_) => {
                self.phase = Phase::Gone;
                effects.push(Effect::Exit);
            }
            Input::Started
            | Input::Watched(_)
            | Input::Read { .. }
            | Input::Written { .. }
            | Input::Watchdog(_)
            | Input::WatchdogConnected
            | Input::WatchdogGone
            | Input::Reaped
            | Input::IntentRecorded { .. }
            | Input::WorkerDone { .. }
            | Input::ServiceEnded { .. }
            | Input::ServicesKilled
            | Input::Timer => {}
        }
    }

    fn begin<M: Mutation>(&mut self, config: &Config<M>, effects: &mut Effects<Effect>) {
        if config.broken(Mutant::WorkersNotReaped) {
            self.serve(effects);
            return;
        }
        self.phase = Phase::Reaping;
        effects.push(Effect::Reap);
    }

    fn serve(&mut self, effects: &mut Effects<Effect>) {
        self.phase = Phase::Serving;
        self.reading.want();
        self.watchdog.attach(self.lock.me().incarnation, effects);
        self.publish(LrmState::WaitForAgentLock, effects);
    }

    pub(super) fn on_input_reaping<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        input: Input,
        effects: &mut Effects<Effect>,
    ) {
        match input {
            Input::Reaped => {
                self.serve(effects);
                self.proceed(config, now, effects);
            }
            Input::Leave(leave) => self.leaving = Some(leave),
            Input::Started
            | Input::KernelLock { .. }
            | Input::Watched(_)
            | Input::Read { .. }
            | Input::Written { .. }
            | Input::Watchdog(_)
            | Input::WatchdogConnected
            | Input::WatchdogGone
            | Input::IntentRecorded { .. }
            | Input::WorkerDone { .. }
            | Input::ServiceEnded { .. }
            | Input::ServicesKilled
            | Input::Timer => {}
        }
    }
}
