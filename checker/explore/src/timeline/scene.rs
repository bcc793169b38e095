//! A state with what is needed to speak of it: the moment, and which host is in which column.

use lockstep_model::config::{Field, Kappa};
use lockstep_model::id::{Holder, Incarnation, LockId, NodeId, ServiceId};
use lockstep_model::mutation::Mutant;
use lockstep_model::record::Wanted;
use lockstep_model::time::Instant;
use lockstep_world::setup::Physics;
use lockstep_world::shared::Shared;
use lockstep_world::state::{Host, World};
use lockstep_world::{Proc, Setup};

use super::Place;

/// A state of the world at a moment of a story.
pub(super) struct Scene<'a> {
    pub(super) setup: &'a Setup,
    pub(super) world: &'a World,
    /// Ticks since the beginning.
    pub(super) tick: u64,
    /// The column of each host.
    pub(super) columns: &'a [usize],
}

impl Scene<'_> {
    /// The column of a host.
    pub(super) fn place(&self, host: usize) -> Place {
        Place::Host(self.columns.get(host).copied().unwrap_or(host))
    }

    /// `host 1`.
    pub(super) fn host(&self, host: usize) -> String {
        format!("host {}", self.columns.get(host).copied().unwrap_or(host))
    }

    /// A node's name, where it is that of a host that has changed places, by its column.
    pub(super) fn node(&self, node: NodeId) -> String {
        let hosts = &self.setup.hosts;
        let host = hosts.iter().position(|host| host.node == node);
        let column = host.and_then(|host| self.columns.get(host));
        let named = column.and_then(|column| hosts.get(*column));
        named.map_or(node, |host| host.node).to_string()
    }

    /// `the lock of node1`.
    pub(super) fn lock(&self, lock: LockId) -> String {
        match lock {
            LockId::Manager => "the manager lock".into(),
            LockId::Agent(node) => format!("the lock of {}", self.node(node)),
        }
    }

    /// A moment of a host's clock, in ticks since the beginning, as if its rate were true from now
    /// on: `t=12`.
    pub(super) fn at(&self, at: Instant) -> String {
        let ahead = self.ahead(at);
        let tick = i64::try_from(self.tick).unwrap_or(i64::MAX);
        format!("t={}", tick.saturating_add(ahead))
    }

    /// How many ticks ahead a moment lies; negative if it is over.
    pub(super) fn ahead(&self, at: Instant) -> i64 {
        let signed = |ticks: u64| i64::try_from(ticks).unwrap_or(i64::MAX);
        signed(at.0).saturating_sub(signed(World::now(self.setup).0))
    }

    /// `t=12, in 3`.
    pub(super) fn at_and_ahead(&self, at: Instant) -> String {
        match self.ahead(at) {
            0 => format!("{}, now", self.at(at)),
            ahead if ahead < 0 => format!("{}, {} ago", self.at(at), -ahead),
            ahead => format!("{}, in {ahead}", self.at(at)),
        }
    }

    /// Who a lock's holder is: `host 0's LRM`, `host 0's LRM of an earlier boot`.
    pub(super) fn holder(&self, holder: &Holder) -> String {
        let found = self.world.find_process(holder.incarnation);
        if let Some((host, proc)) = found {
            return format!("the {} of {}", self.proc(host, proc), self.host(host));
        }
        let by_boot = |host: &Shared<Host>| host.boot == holder.boot && host.on;
        match self.world.hosts.iter().position(by_boot) {
            Some(host) => format!("an ended process of {}", self.host(host)),
            None => format!("an earlier boot of {}", self.node(holder.node)),
        }
    }

    /// What a process is called.
    pub(super) fn proc(&self, host: usize, proc: Proc) -> String {
        let several = self
            .world
            .hosts
            .get(host)
            .is_some_and(|host| host.lrms.len() > 1);
        match proc {
            Proc::Lrm(index) if several => format!("LRM {}", index + 1),
            Proc::Lrm(_) => "LRM".into(),
            Proc::Mux => "mux".into(),
            Proc::Contender => "contender".into(),
            Proc::Crm => "CRM".into(),
        }
    }

    /// A process by its identity.
    pub(super) fn process(&self, incarnation: Incarnation) -> String {
        match self.world.find_process(incarnation) {
            Some((host, proc)) => format!("{}'s {}", self.host(host), self.proc(host, proc)),
            None => "an ended process".into(),
        }
    }

    /// What each host is, by column.
    pub(super) fn hosts(&self) -> Vec<String> {
        let describe = |host: &lockstep_world::setup::HostSetup| {
            let mut parts = vec![host.node.to_string()];
            if u128::from(host.node.0) != host.machine.0 {
                parts.push(format!("machine {}", host.machine.0));
            }
            if host.lrm {
                parts.push("runs services".into());
            }
            if host.stand_in {
                parts.push("runs services, its LRM a stand-in".into());
            }
            if host.crm {
                parts.push("runs a CRM".into());
            }
            if let Some(lock) = host.contends_for {
                parts.push(format!("contends for the lock of {lock}"));
            }
            if !host.on {
                parts.push("off at first".into());
            }
            parts.join(", ")
        };
        self.setup.hosts.iter().map(describe).collect()
    }

    /// The numbers and the rules broken on purpose.
    pub(super) fn premises(&self) -> Vec<String> {
        let [first, second] = &self.setup.configs;
        let mut premises = vec![format!("in ticks: {}", numbers(first.timing()))];
        if first.timing() != second.timing() {
            premises.push(format!("later: {}", numbers(second.timing())));
        }
        let broken = Mutant::ALL.iter().filter(|mutant| first.broken(**mutant));
        premises.extend(surroundings(self.setup));
        premises.extend(broken.map(|mutant| format!("broken on purpose: {}", mutant.name())));
        premises
    }
}

/// The numbers of a timing that the checker's worlds depend on.
fn numbers(timing: &lockstep_model::config::Timing) -> String {
    let kappa = match timing.kappa {
        Kappa::One => 1,
        Kappa::Three => 3,
    };
    let fields = [
        Field::LockTtl,
        Field::Watchdog,
        Field::ResetMax,
        Field::Ping,
        Field::Renewal,
        Field::RequestTimeout,
        Field::StopBudget,
        Field::KillBudget,
        Field::IoTrail,
        Field::KernelDelay,
        Field::HostStop,
        Field::Trim,
    ];
    let always = |field: &Field| field.least() > 0 || *field == Field::IoTrail;
    let shown = fields
        .iter()
        .filter(|field| always(field) || field.of(timing) > 0);
    let texts: Vec<String> = shown
        .map(|field| format!("{field} = {}", field.of(timing)))
        .collect();
    format!("κ = {kappa}, {}", texts.join(", "))
}

/// Where the surroundings are worse than the machines were told, and whether clocks are off.
fn surroundings(setup: &Setup) -> Vec<String> {
    let timing = setup.config(false).timing();
    let (told, is) = (Physics::as_told(timing), &setup.physics);
    let mut lines = Vec::new();
    let mut compare = |what: &str, told: u64, is: u64| {
        if told != is {
            lines.push(format!("unlike what was told: {what} {is}, not {told}"));
        }
    };
    compare(
        "the device resets late by up to",
        told.device_slack,
        is.device_slack,
    );
    compare("I/O trails a reset for", told.trail, is.trail);
    compare(
        "the kernel is late by up to",
        told.kernel_delay,
        is.kernel_delay,
    );
    compare(
        "a hypervisor stops a host for up to",
        told.host_stop,
        is.host_stop,
    );
    if let Some(spacing) = is.drift_spacing {
        lines.push(format!(
            "a clock skips or doubles at most one tick in {spacing}"
        ));
    }
    lines
}

/// `s0 and s1`.
pub(super) fn services(ids: &[ServiceId]) -> String {
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [] => "nothing".into(),
        names => names.join(" and "),
    }
}

/// What a service is to do.
pub(super) const fn wanted(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Started => "to run",
        Wanted::Stopped => "to be stopped",
        Wanted::Untouched => "to stay as it is",
        Wanted::Ignored => "to be ignored",
        Wanted::Fenced => "to be stopped for good",
        Wanted::Moved { .. } => "to move",
    }
}
