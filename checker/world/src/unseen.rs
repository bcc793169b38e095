//! What a stand-in says before it knows what it has.

use lockstep_model::event::LrmState;
use lockstep_model::id::Holder;
use lockstep_model::manager::status::{LrmMode, LrmStatus};
use lockstep_model::record::{Data, DataKey};

use crate::setup::Setup;
use crate::state::World;

impl World {
    /// Whether it holds its lock, with what runs guarded, and its record says yet that it is about to.
    pub(crate) fn returns_unseen(&self, setup: &Setup, host: usize, me: Holder) -> bool {
        let wanted = self.published_by(setup, host, me);
        let returns = |status: &LrmStatus| {
            status.state == Some(LrmState::WaitForAgentLock)
                && status.mode == Some(LrmMode::Restart)
        };
        let is = wanted.state == Some(LrmState::Active) && wanted.mode == Some(LrmMode::Active);
        match self.data(DataKey::Lrm(self.hosts[host].node)) {
            Some(Data::Lrm(published)) => is && returns(&published.status),
            Some(_) | None => false,
        }
    }

    /// Its record says that it is about to have its lock, which it has.
    pub(crate) fn publish_before(&mut self, setup: &Setup, host: usize) {
        let Some(me) = self.stand_in_holder(host) else {
            return;
        };
        let status = LrmStatus {
            state: Some(LrmState::WaitForAgentLock),
            ..self.published_by(setup, host, me)
        };
        self.write_published(setup, host, me, status);
    }
}
