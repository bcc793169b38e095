//! What an onlooker sees of a holder and a contender, at every moment at which time can pass.
//!
//! Two models of the same rules have different states, and so different numbers of them. What they
//! must have in common is what is seen from outside: who holds the lock and for how long it has been
//! silent, device and timer, what runs, and what the processes rely on. The Promela twin in
//! `tests/promela` notes down the same; `docs/promela.md` compares.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use lockstep_model::id::{LockId, NodeId};
use lockstep_model::record::Wanted;
use lockstep_model::time::Instant;
use lockstep_world::state::{Device, Host, Instance};
use lockstep_world::{Action, Setup, World};
use stateright::{Model, Property};

use crate::cluster::Cluster;
use crate::configuration::Findings;
use crate::search::{Checked, Options, StopAt, search};

/// What is seen of a world, in the order in which `tests/promela/l1.pml` notes it down.
pub type Seen = [u8; 24];

/// The lock whose holder is looked at.
const LOCK: NodeId = NodeId(0);

/// A cluster whose worlds are noted down on the way.
struct Observed {
    cluster: Cluster,
    seen: Mutex<BTreeSet<Seen>>,
}

/// Explores a setup to its end and says what was seen whenever time could pass.
///
/// # Panics
///
/// If the setup isn't one of a holder and a contender.
#[must_use]
pub fn observe(setup: &Setup, options: &Options) -> (Findings, BTreeSet<Seen>) {
    assert_eq!(setup.hosts.len(), 2, "one host holds, one contends");
    let observed = Observed {
        cluster: Cluster::new(setup.clone()),
        seen: Mutex::new(BTreeSet::new()),
    };
    let options = Options {
        stop_at: StopAt::Closure,
        ..options.clone()
    };
    let report = search(&observed, &options, |_| ());
    let seen = observed.seen.into_inner();
    (report, seen.unwrap_or_else(PoisonError::into_inner))
}

impl Model for Observed {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        self.cluster.init_states()
    }

    fn actions(&self, state: &World, actions: &mut Vec<Action>) {
        self.cluster.actions(state, actions);
    }

    fn next_state(&self, state: &World, action: Action) -> Option<World> {
        self.cluster.next_state(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        Vec::new()
    }
}

impl Checked for Observed {
    fn successors(&self, state: &World, out: &mut Vec<(Action, World)>) {
        let before = out.len();
        self.cluster.successors(state, out);
        if out[before..].iter().any(|(action, _)| action.is_time()) {
            let seen = see(self.cluster.setup(), state);
            let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(seen);
        }
    }

    fn property_names(&self) -> Vec<&'static str> {
        self.cluster.property_names()
    }

    fn judge_state(&self, state: &World) -> u64 {
        self.cluster.judge_state(state)
    }

    fn judge_step(&self, from: &World, action: &Action, to: &World) -> u64 {
        self.cluster.judge_step(from, action, to)
    }
}

/// A number of ticks, as a byte.
fn byte(ticks: u64) -> u8 {
    u8::try_from(ticks).unwrap_or(u8::MAX)
}

/// What is seen of a world.
fn see(setup: &Setup, world: &World) -> Seen {
    let now = World::now(setup);
    let left = |at: Instant| byte(at.0.saturating_sub(now.0));
    let one_more = |at: Option<Instant>| at.map_or(0, |at| left(at) + 1);
    let (holder, contender) = (&world.hosts[0], &world.hosts[1]);
    let (owner, held) = owner(world);
    let ttl = setup.configs[0].timing().lock_ttl.0;
    let age = world
        .store
        .history(LockId::Agent(LOCK))
        .map_or(0, |lock| lock.age);
    let elapsed = match holder.device {
        Device::Off => 0,
        Device::Counting { elapsed, .. } => elapsed + 1,
    };
    let lrm = holder.lrms.first();
    let hold = lrm.and_then(|lrm| lrm.machine.lock().hold());
    let wanted = world
        .store
        .entries
        .iter()
        .filter_map(|entry| entry.record.as_service());
    let wanted = wanted.map(|service| service.wanted).next();
    let mux = holder.mux.as_ref();
    let rival = contender.contender.as_ref();
    let rival_holds = rival.is_some_and(|rival| rival.machine.lock().hold().is_some());
    [
        owner,
        u8::from(held),
        byte(age.min(ttl)),
        byte(elapsed),
        one_more(holder.last_deadline),
        one_more(holder.kill_timer),
        u8::from(holder.marker),
        u8::from(holder.instances[0] != Instance::Absent),
        byte(holder.trailing[0]),
        u8::from(!holder.intents.is_empty()),
        u8::from(holder.on),
        u8::from(lrm.is_some()),
        u8::from(mux.is_some()),
        u8::from(rival.is_some()),
        u8::from(holder.isolated),
        u8::from(contender.isolated),
        u8::from(hold.is_some()),
        hold.and_then(|hold| hold.expires).map_or(0, left),
        one_more(lrm.and_then(|lrm| lrm.machine.armed_until())),
        u8::from(rival_holds),
        u8::from(wanted == Some(Wanted::Started)),
        u8::from(mux.is_some_and(|mux| mux.machine.is_expired())),
        one_more(mux.and_then(|mux| mux.machine.deadline(setup.config(world.reconfigured)))),
        byte(world.store.delayed.len() as u64),
    ]
}

/// Who holds or held the lock, and whether it is held.
fn owner(world: &World) -> (u8, bool) {
    let Some(grant) = world.grant(LOCK) else {
        return (0, false);
    };
    let lives = |host: &Host| {
        let lrm = host.lrms.iter().map(|lrm| lrm.incarnation);
        let rival = host.contender.iter().map(|rival| rival.incarnation);
        let mut all = lrm.chain(rival);
        all.any(|incarnation| incarnation == grant.holder.incarnation)
    };
    let host = usize::from(grant.holder.node != LOCK);
    let same_boot = grant.holder.boot == world.hosts[host].boot;
    let owner = match (host, lives(&world.hosts[host]), same_boot) {
        (0, true, _) => 1,
        (0, false, true) => 2,
        (0, false, false) => 3,
        (_, true, _) => 4,
        (_, false, _) => 5,
    };
    (owner, grant.state.is_held())
}
