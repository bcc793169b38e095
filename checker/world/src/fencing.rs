//! Fence agents: they switch machines off, any time after they were asked to.

use lockstep_model::contender::{self, Fenced, Order};
use lockstep_model::id::{LockId, NodeId};
use lockstep_model::master;
use lockstep_model::record::{DataKey, Grant, GrantState, Term};

use crate::action::Proc;
use crate::coverage::Tag;
use crate::crm::FromStore;
use crate::setup::Setup;
use crate::state::World;

impl World {
    /// An agent switches a node's machine off, in whichever boot it is by now, and says so.
    pub(crate) fn fence(&mut self, setup: &Setup, host: usize, agent: usize) {
        let node = self.hosts[host].agents[agent].node;
        self.agent_answers(host, agent, Fenced::Off);
        for index in 0..self.hosts.len() {
            if self.hosts[index].node == node && self.hosts[index].on {
                self.power_off(setup, index);
            }
        }
    }

    /// An agent is done, and says this to whoever asked, if that process is still there.
    pub(crate) fn agent_answers(&mut self, host: usize, agent: usize, fenced: Fenced) {
        let Order { request, .. } = self.hosts[host].agents.remove(agent);
        let Some((host, proc)) = self.find_process(request.process) else {
            return;
        };
        let value = &mut self.hosts[host];
        match proc {
            Proc::Contender => {
                if let Some(contender) = &mut value.contender {
                    let answer = contender::Input::Fenced { request, fenced };
                    contender.inbox.push(answer);
                }
            }
            Proc::Crm => {
                if let Some(crm) = &mut value.crm {
                    crm.inbox.push(FromStore::Fenced { request, fenced });
                }
            }
            Proc::Lrm(_) | Proc::Mux => {}
        }
    }

    /// What a process is about to ask a fence agent for, if that is what this effect is.
    pub(crate) fn order_of(&self, host: usize, proc: Proc, effect: usize) -> Option<&Order> {
        let host = &self.hosts[host];
        match proc {
            Proc::Contender => match host.contender.as_ref()?.outbox.get(effect)? {
                contender::Effect::Fence(order) => Some(order),
                contender::Effect::Write(_) | contender::Effect::Read(_) => None,
            },
            Proc::Crm => match host.crm.as_ref()?.outbox.get(effect)? {
                master::Effect::Fence(order) => Some(order),
                master::Effect::Write(_) | master::Effect::Read(_) | master::Effect::Exit => None,
            },
            Proc::Lrm(_) | Proc::Mux => None,
        }
    }

    /// The term of a node's lock that the store says is to be ended.
    pub(crate) fn fence_recorded(&self, node: NodeId) -> Option<Term> {
        let recorded = self.data(DataKey::Fence(node))?;
        recorded.as_fence().map(|fence| fence.term)
    }

    /// Whether the store names the term that is to be ended, or a later one.
    pub(crate) fn is_fence_recorded(&self, order: &Order) -> bool {
        let recorded = self.fence_recorded(order.node);
        recorded.is_some_and(|term| term.epoch >= order.term.epoch)
    }

    /// What an agent's deed is an instance of.
    pub(crate) fn tags_of_fence(&self, host: usize, agent: usize) -> u128 {
        let Order { node, term, .. } = self.hosts[host].agents[agent];
        let hit = self.hosts.iter().filter(|it| it.node == node && it.on);
        hit.fold(0, |tags, it| match it.boot == term.boot {
            true => tags | Tag::FencedByAgent.bit(),
            false => tags | Tag::FencedLate.bit(),
        })
    }

    /// Whether another takes a lock that only an agent can have made free.
    pub(crate) fn tags_of_fenced(&self, node: NodeId, old: &Grant, new: &Grant) -> u128 {
        if new.holder.node == node || old.holder.node != node {
            return 0;
        }
        let age = self.store.history(LockId::Agent(node)).map(|it| it.age);
        let silent = age.is_none_or(|age| age >= old.ttl.0);
        match (&old.state, old.state.is_held()) {
            (GrantState::ReleasedRunning(_), _) => Tag::TakenLeftRunning.bit(),
            (_, true) if !silent => Tag::TakenFenced.bit(),
            (_, true | false) => 0,
        }
    }
}
