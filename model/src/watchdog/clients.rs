//! The clients: which process is at the other end, and what it was promised.

use serde::{Deserialize, Serialize};

use super::message::{Armed, ClientId, FromMultiplexer};
use super::{Effect, Multiplexer};
use crate::config::Config;
use crate::event::{Effects, Event};
use crate::id::{ArmId, Incarnation};
use crate::mutation::{Mutant, Mutation};
use crate::time::Instant;
use crate::visit::{Visit, VisitDeadline, Visitor};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Client {
    pub(super) id: ClientId,
    /// The process at the other end of its connection, if there is one.
    pub(super) process: Option<Incarnation>,
    pub(super) arm: Option<Arm>,
}

/// What a client was promised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Arm {
    pub(super) id: ArmId,
    /// The renewal that the present end comes from.
    pub(super) renewal: u64,
    /// E.
    pub(super) expires: Instant,
}

impl Multiplexer {
    pub(super) fn on_attach<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        id: ClientId,
        process: Incarnation,
        effects: &mut Effects<Effect>,
    ) {
        let client = self.client(id);
        client.process = Some(process);
        if let (Some(arm), true) = (&mut client.arm, config.broken(Mutant::AttachExtends)) {
            arm.expires = now + config.timing().authority(config.timing().lock_ttl);
        }
        let armed = self.arm_of(id).map(|arm| self.as_armed(config, arm));
        effects.push(Effect::Reply(id, FromMultiplexer::Attached(armed)));
    }

    pub(super) fn disconnect(&mut self, id: ClientId, effects: &mut Effects<Effect>) {
        if let Some(client) = self.clients.iter_mut().find(|client| client.id == id) {
            client.process = None;
            if client.arm.is_some() {
                effects.say(Event::ClientVanished);
            }
        }
        self.retain_clients();
    }

    /// Forgets who is neither connected nor was promised anything.
    pub(super) fn retain_clients(&mut self) {
        self.clients
            .retain(|client| client.process.is_some() || client.arm.is_some());
    }

    /// What a multiplexer would do that takes a lost connection for a goodbye.
    pub(super) fn forget<M: Mutation>(
        &mut self,
        config: &Config<M>,
        id: ClientId,
        effects: &mut Effects<Effect>,
    ) {
        let arm = self.arm_of(id).map(|arm| arm.id);
        if let Some(arm) = arm {
            self.begin_disarm(config, id, arm, effects);
        }
    }

    pub(super) fn process_of(&self, id: ClientId) -> Option<Incarnation> {
        self.clients.iter().find(|client| client.id == id)?.process
    }

    pub(super) fn is_armed(&self) -> bool {
        self.clients.iter().any(|client| client.arm.is_some())
    }

    pub(super) fn arm_of(&self, id: ClientId) -> Option<&Arm> {
        self.clients
            .iter()
            .find(|client| client.id == id)?
            .arm
            .as_ref()
    }

    /// An arm as its client is told of it.
    pub(super) fn as_armed<M: Mutation>(&self, config: &Config<M>, arm: &Arm) -> Armed {
        Armed {
            arm: arm.id,
            renewal: arm.renewal,
            expires: arm.expires,
            deadline: self.deadline_of(config, arm),
        }
    }

    pub(super) fn client(&mut self, id: ClientId) -> &mut Client {
        let index = self.clients.iter().position(|client| client.id == id);
        let index = index.unwrap_or_else(|| {
            self.clients.push(Client {
                id,
                process: None,
                arm: None,
            });
            self.clients.len() - 1
        });
        &mut self.clients[index]
    }
}

impl Visit for Arm {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        // Renewals are numbered like the requests of the process that armed.
        if self.renewal != 0 {
            visitor.request(self.id.0.process, &mut self.renewal);
        }
        self.id.visit(visitor);
        self.expires.visit_deadline(visitor);
    }
}

impl Visit for Client {
    fn visit<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.process.visit(visitor);
        self.arm.visit(visitor);
    }
}
