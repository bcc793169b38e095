//! What an LRM's process tells CRMs: its second lane to the store.
//!
//! Nothing safe rests on it, so its requests are carried out and answered in the step that they
//! follow from. They are lost where the store can't be reached.

use lockstep_model::event::Effects;
use lockstep_model::presence::{Effect, Input, Presence};
use lockstep_model::record::Write;

use crate::setup::Setup;
use crate::state::World;

impl World {
    /// The first LRM process of a host begins to publish, where CRMs read that.
    pub(crate) fn start_presence(&mut self, setup: &Setup, host: usize) {
        if setup.cluster.is_none() {
            return;
        }
        let incarnation = self.incarnation(host);
        let value = &mut self.hosts[host];
        value.presence = Some(Presence::new(value.node, incarnation));
    }

    /// What the LRM says of itself now is to stand in its record.
    pub(crate) fn publish_lrm(&mut self, setup: &Setup, host: usize) {
        let value = &self.hosts[host];
        let (Some(lrm), Some(_)) = (value.lrms.first(), &value.presence) else {
            return;
        };
        let config = setup.config(self.reconfigured);
        let beats = lrm.machine.lock().hold().is_some();
        if let Some(status) = lrm.machine.published(config, Self::now(setup)) {
            self.step_presence(setup, host, Input::Publish { status, beats });
        }
    }

    pub(crate) fn step_presence(&mut self, setup: &Setup, host: usize, input: Input) {
        let config = setup.config(self.reconfigured);
        let now = Self::now(setup);
        let Some(presence) = &mut self.hosts[host].presence else {
            return;
        };
        let mut out = Effects::new();
        presence.step(config, now, input, &mut out);
        for effect in out.effects {
            let answer = match effect {
                Effect::Write(write) => self.publish_write(setup, host, write),
                Effect::Read(request) => self.reaches_store(host).then(|| Input::Read {
                    request,
                    snapshot: self.store.snapshot(),
                }),
            };
            if let Some(answer) = answer {
                self.step_presence(setup, host, answer);
            }
        }
    }

    fn publish_write(&mut self, setup: &Setup, host: usize, write: Write) -> Option<Input> {
        if !self.reaches_store(host) {
            return None;
        }
        let request = write.request;
        let sender = self.hosts[host].holder(request.process);
        let outcome = self.apply(setup, &sender, write);
        Some(Input::Written { request, outcome })
    }
}
