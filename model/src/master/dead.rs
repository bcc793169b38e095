//! The locks of dead nodes: whoever holds one knows that nothing runs there under a watchdog.

use alloc::vec::Vec;

use super::types::pass_on;
use super::{Files, Master, Outbox};
use crate::config::Config;
use crate::contender::{self, Contender, Fenced};
use crate::event::Effects;
use crate::id::{NodeId, RequestId, ServiceId};
use crate::lock::Standing;
use crate::manager::LockView;
use crate::mutation::{Mutant, Mutation};
use crate::table::Table;
use crate::time::Instant;

impl Master {
    /// Gives back the locks of dead nodes: they are the present master's to take. Whatever this one
    /// still has under way under them is refused from then on.
    pub(super) fn let_go<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        out: &mut Outbox,
    ) {
        let mut effects = Effects::new();
        for contender in &mut self.contenders {
            if contender.is_wanted() {
                contender.step(config, now, contender::Input::Resign, &mut effects);
            }
        }
        pass_on(effects, out);
    }

    pub(super) fn know_nodes(&mut self, files: &Files<'_>) {
        let me = self.lock.me();
        for node in files.nodes {
            if *node == me.node || self.contender(*node).is_some() {
                continue;
            }
            let first = RequestId::LANE * (u64::from(node.0) + 1);
            let contender = Contender::new(*node, me).numbered_from(first);
            self.contenders.push(contender);
        }
        self.contenders.sort_by_key(Contender::node);
    }

    /// How each other node's lock stands for this process.
    pub(super) fn lock_views<M: Mutation>(
        &self,
        config: &Config<M>,
        now: Instant,
    ) -> Table<NodeId, LockView> {
        let mut views = Table::new();
        views.insert(self.lock.me().node, LockView::Held);
        for contender in &self.contenders {
            let lock = contender.lock();
            let view = match lock.hold() {
                Some(_) if !lock.may_be_released() => LockView::Mine,
                Some(_) => LockView::Held,
                None => match lock.standing(config, now) {
                    Standing::Free(_) => LockView::Free,
                    Standing::Unknown
                    | Standing::Silent(_)
                    | Standing::Mine
                    | Standing::LeftRunning
                    | Standing::OtherMachine => LockView::Held,
                },
            };
            views.insert(contender.node(), view);
        }
        views
    }

    /// The services that the grants held here list as left running, in the order of their ids.
    pub(super) fn unguarded(&self) -> Vec<ServiceId> {
        let holds = self.contenders.iter().filter_map(|one| one.lock().hold());
        let lists = holds.filter_map(|hold| hold.state.unguarded());
        let mut listed: Vec<ServiceId> = lists
            .flat_map(|list| list.services.iter().copied())
            .collect();
        listed.sort_unstable();
        listed
    }

    /// Contends for the locks that the manager asks for, and for no other. One that is held is kept
    /// until nothing waits for it as far as it was written.
    pub(super) fn contend<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        files: &Files<'_>,
        out: &mut Outbox,
    ) {
        let wanted = &out.crm.decisions.changes.contend;
        let status = self.mirror.status();
        let mut effects = Effects::new();
        for contender in &mut self.contenders {
            let node = contender.node();
            let kept = status.awaits_lock(node) && contender.is_wanted();
            let agent = files.fenceable.contains(&node);
            if agent != contender.is_to_fence() {
                contender.step(config, now, contender::Input::Fence { agent }, &mut effects);
            }
            let asked = wanted.contains(&node) && !config.broken(Mutant::NeverContends);
            let input = match (asked || kept, contender.is_wanted()) {
                (true, false) => contender::Input::Contend,
                (false, true) => contender::Input::LetGo,
                (true, true) | (false, false) => continue,
            };
            contender.step(config, now, input, &mut effects);
        }
        pass_on(effects, out);
    }

    /// A fence agent has answered whoever asked it.
    pub(super) fn on_fenced<M: Mutation>(
        &mut self,
        config: &Config<M>,
        now: Instant,
        (request, fenced): (RequestId, Fenced),
        out: &mut Outbox,
    ) {
        let mut effects = Effects::new();
        let input = contender::Input::Fenced { request, fenced };
        for contender in &mut self.contenders {
            if contender.awaits(request) {
                contender.step(config, now, input.clone(), &mut effects);
            }
        }
        pass_on(effects, out);
    }
}
