//! Whether this process may be master.

use super::Master;
use crate::config::Config;
use crate::crm::CrmState;
use crate::lock::Standing;
use crate::mutation::{Mutant, Mutation};
use crate::record::Grant;
use crate::time::Instant;

impl Master {
    /// Whether it may be master: its own node is there, and is not to be fenced.
    pub(super) fn is_fit(&self) -> bool {
        let me = self.lock.me().node;
        self.members.is_online(me) && !self.mirror.status().wants_fenced(me)
    }

    /// How the manager lock stands for this process.
    pub(super) fn standing<M: Mutation>(&self, config: &Config<M>, now: Instant) -> Standing {
        let held = |grant: &Grant| grant.state.is_held();
        match self.lock.seen_grant().is_some_and(held) && config.broken(Mutant::SlaveForEver) {
            true => Standing::LeftRunning,
            false => self.lock.standing(config, now),
        }
    }

    /// Whether another one's lock has become free that this one was refused.
    pub(super) fn may_be_master<M: Mutation>(&self, config: &Config<M>, now: Instant) -> bool {
        self.crm.state() == CrmState::Slave
            && self.lock.hold().is_none()
            && !self.lock.is_busy()
            && self.is_fit()
            && matches!(self.standing(config, now), Standing::Free(_))
    }
}
