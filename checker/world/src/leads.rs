//! What must happen at last: P leads to Q.
//!
//! Every promise is made about something, a service or a host, so that one service that runs
//! doesn't stand in for another. While something is wrong that nobody has to put right (a host
//! without power or network, a stopped process, an agent that hangs), a promise counts as kept: it is
//! made again when that has ended, and faults end up being spent. What [`crate::fairness`] forces is
//! no such excuse.

use lockstep_model::id::{LockId, NodeId, ServiceId};
use lockstep_model::manager::status::{Entry, Requested};
use lockstep_model::placement::state::ServiceState;
use lockstep_model::record::{Data, DataKey, Grant, Key, Wanted};
use serde::{Deserialize, Serialize};

use crate::named::named;
use crate::setup::{Admin, Setup};
use crate::shared::Shared;
use crate::stand_in::StandIn;
use crate::state::{Device, Host, Instance, World};

named! {
    /// A leads-to property.
    Leads:
    #[doc = "A service wanted started runs at last: where it belongs, or where a manager has moved it from a node that can't run it."]
    WantedRuns = "wanted-runs",
    #[doc = "A service wanted stopped stops at last."]
    StopCompletes = "stop-completes",
    #[doc = "A node on which nothing is wanted gives its lock back and disarms its watchdog at last."]
    IdleDisarms = "idle-disarms",
    #[doc = "A lock whose holder can't renew it is taken at last by who contends for it."]
    SilentTaken = "silent-taken",
    #[doc = "A CRM that can hold the manager lock holds it at last."]
    MasterExists = "master-exists",
    #[doc = "An LRM that is asked to end ends at last."]
    LeavingEnds = "leaving-ends",
    #[doc = "Services left running without a watchdog are guarded again, or moved or stopped properly, at last."]
    GuardedAgain = "guarded-again",
    #[doc = "A service whose node is to be fenced, or was, runs elsewhere or goes on there at last, unless it was left running unguarded, or nobody knows whether it runs."]
    FenceResolved = "fence-resolved",
    #[doc = "A stack that is to be disarmed is disarmed at last."]
    DisarmCompletes = "disarm-completes",
    #[doc = "A node that is put into maintenance runs nothing and gives its lock back at last."]
    MaintenanceEmpties = "maintenance-empties",
    #[doc = "A service that is configured to run runs, wherever a manager can have it run."]
    RequestedRuns = "requested-runs",
}

impl Leads {
    /// The property of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|leads| leads.name() == name)
    }
}

/// What a promise is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// A service.
    Service(ServiceId),
    /// A host.
    Host(usize),
    /// The whole.
    Cluster,
}

/// A leads-to property of one service or host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Promise {
    /// What it says.
    pub leads: Leads,
    /// Of what.
    pub about: About,
}

impl Promise {
    /// The name in reports and files.
    #[must_use]
    pub fn name(&self) -> String {
        match self.about {
            About::Service(service) => format!("{} of service {service}", self.leads.name()),
            About::Host(host) => format!("{} on host {host}", self.leads.name()),
            About::Cluster => self.leads.name().to_owned(),
        }
    }
}

/// What becomes of a promise in a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// P: it is made.
    pub made: bool,
    /// Q: it is kept, or nobody has to keep it now.
    pub kept: bool,
    /// How long it is open doesn't count, because a process has yet to be started again.
    pub uncounted: bool,
}

impl Setup {
    /// The promises that a leads-to property makes here.
    #[must_use]
    pub fn promises(&self, leads: Leads) -> Vec<Promise> {
        let of_hosts = |fits: &dyn Fn(usize) -> bool| {
            let hosts = (0..self.hosts.len()).filter(|&host| fits(host));
            hosts.map(About::Host).collect::<Vec<_>>()
        };
        let about = match leads {
            Leads::WantedRuns | Leads::StopCompletes => {
                self.service_ids().map(About::Service).collect()
            }
            Leads::FenceResolved if self.cluster.is_none() => Vec::new(),
            Leads::RequestedRuns if self.cluster.is_none() => Vec::new(),
            Leads::FenceResolved | Leads::RequestedRuns => {
                self.service_ids().map(About::Service).collect()
            }
            Leads::MaintenanceEmpties => of_hosts(&|index| {
                let host = &self.hosts[index];
                let cluster = self.cluster.as_deref();
                host.stand_in && cluster.is_some_and(|it| it.may_maintain(host.node))
            }),
            Leads::IdleDisarms | Leads::LeavingEnds | Leads::GuardedAgain => {
                of_hosts(&|host| self.hosts[host].lrm)
            }
            Leads::MasterExists | Leads::DisarmCompletes => {
                self.cluster.iter().map(|_| About::Cluster).collect()
            }
            Leads::SilentTaken => of_hosts(&|host| self.hosts[host].contends_for.is_some()),
        };
        about
            .into_iter()
            .map(|about| Promise { leads, about })
            .collect()
    }
}

impl World {
    /// What becomes of a promise here.
    #[must_use]
    pub fn standing(&self, setup: &Setup, promise: &Promise) -> Standing {
        match (promise.leads, promise.about) {
            (Leads::WantedRuns, About::Service(service)) => self.wanted_runs(setup, service),
            (Leads::StopCompletes, About::Service(service)) => self.stop_completes(setup, service),
            (Leads::IdleDisarms, About::Host(host)) => self.idle_disarms(setup, host),
            (Leads::SilentTaken, About::Host(host)) => self.silent_taken(setup, host),
            (Leads::LeavingEnds, About::Host(host)) => self.leaving_ends(setup, host),
            (Leads::GuardedAgain, About::Host(host)) => self.guarded_again(setup, host),
            (Leads::MasterExists, About::Cluster) => self.master_exists(setup),
            (Leads::FenceResolved, About::Service(service)) => self.fence_resolved(setup, service),
            (Leads::RequestedRuns, About::Service(service)) => self.requested_runs(setup, service),
            (Leads::DisarmCompletes, About::Cluster) => self.disarm_completes(setup),
            (Leads::MaintenanceEmpties, About::Host(host)) => self.maintenance_empties(setup, host),
            (
                Leads::WantedRuns
                | Leads::StopCompletes
                | Leads::FenceResolved
                | Leads::RequestedRuns,
                About::Host(_) | About::Cluster,
            )
            | (
                Leads::IdleDisarms
                | Leads::SilentTaken
                | Leads::LeavingEnds
                | Leads::GuardedAgain
                | Leads::MaintenanceEmpties,
                About::Service(_) | About::Cluster,
            )
            | (Leads::MasterExists | Leads::DisarmCompletes, About::Service(_) | About::Host(_)) => {
                unreachable!("{promise:?} is about the wrong kind of thing")
            }
        }
    }

    fn wanted_runs(&self, setup: &Setup, id: ServiceId) -> Standing {
        let wanted = self.store.service(id);
        let Some(service) = wanted.filter(|service| service.wanted == Wanted::Started) else {
            return Standing::over();
        };
        let node = service.location;
        let runs = self
            .hosts
            .iter()
            .any(|host| host.instances.get(usize::from(id.0)) == Some(&Instance::Running));
        let can = self.node_can(setup, node) || self.manager_can(setup, node, id);
        Standing {
            made: true,
            kept: runs || !can,
            uncounted: self.waits_for_init(setup, node),
        }
    }

    /// Whether a node's own LRM can run what belongs there: nothing ails it, and nobody else has its
    /// lock.
    fn node_can(&self, setup: &Setup, node: NodeId) -> bool {
        let free = |host: &Host| {
            self.grant(node).is_none_or(|grant| {
                let list = grant.state.unguarded();
                let foreign = list.is_some_and(|list| list.machine != host.machine);
                let elsewhere = grant.state.is_held() && grant.holder.node != node;
                let cloned = grant.holder.node == node && grant.holder.machine != host.machine;
                !elsewhere && !cloned && !foreign
            })
        };
        let mut hosts = self.hosts.iter().enumerate();
        hosts.any(|(index, host)| host.node == node && self.serves(setup, index) && free(host))
    }

    /// Whether a manager can move a service away from its node: it has its lock or can take it, the
    /// service isn't frozen there, and another node can run it.
    fn manager_can(&self, setup: &Setup, node: NodeId, service: ServiceId) -> bool {
        let contends = |host: usize| {
            setup.hosts[host].contends_for == Some(node) && self.contends(setup, host)
        };
        let frozen = self
            .grant(node)
            .is_some_and(|grant| grant.state.lists(service));
        let mut others = setup.hosts.iter().filter(|other| other.node != node);
        setup.admin.contains(&Admin::Move)
            && !frozen
            && (0..self.hosts.len()).any(contends)
            && others.any(|other| self.node_can(setup, other.node))
    }

    /// Whether nothing ails what runs services on a host but what is forced to end.
    fn serves(&self, setup: &Setup, index: usize) -> bool {
        let host = &self.hosts[index];
        setup.hosts[index].lrm
            && host.on
            && !host.stopped
            && self.reaches_store(index)
            && !host.lrms.iter().any(|lrm| lrm.paused)
            && !host.mux.as_ref().is_some_and(|mux| mux.paused)
            && !host.workers.iter().any(|worker| worker.hung)
    }

    /// Whether a host's contender wants its lock, and nothing ails it but what is forced to end.
    fn contends(&self, setup: &Setup, index: usize) -> bool {
        let host = &self.hosts[index];
        let wants = match &host.contender {
            Some(contender) => contender.machine.is_wanted() && !contender.paused,
            None => !setup.admin.contains(&Admin::LetGo),
        };
        wants && host.on && !host.stopped && self.reaches_store(index)
    }

    /// Whether a process is missing, or about to be, of those that a node and who contends for its
    /// lock need.
    fn waits_for_init(&self, setup: &Setup, node: NodeId) -> bool {
        let missing = |(index, host): (usize, &Shared<Host>)| {
            let setup = &setup.hosts[index];
            let own = setup.node == node && setup.lrm && host.on;
            let lrm = own && (host.lrms.is_empty() || host.mux.is_none() || is_leaving(host));
            let contends = setup.contends_for == Some(node) && host.on;
            lrm || (contends && host.contender.is_none())
        };
        self.hosts.iter().enumerate().any(missing)
    }

    fn stop_completes(&self, setup: &Setup, id: ServiceId) -> Standing {
        let wanted = self.store.service(id);
        let Some(service) = wanted.filter(|service| service.wanted == Wanted::Stopped) else {
            return Standing::over();
        };
        let number = usize::from(id.0);
        let present = |host: &Shared<Host>| {
            host.instances
                .get(number)
                .is_some_and(|it| *it != Instance::Absent)
                || host.workers.iter().any(|worker| worker.service == id)
        };
        // Where the watchdog counts, it ends what can't be stopped otherwise, but for an agent that
        // hangs while all else goes well.
        let ails = |(index, host): (usize, &Shared<Host>)| {
            let guarded = host.device != Device::Off && !host.workers.iter().any(|it| it.hung);
            present(host) && (host.stopped || (!self.serves(setup, index) && !guarded))
        };
        Standing {
            made: true,
            kept: !self.hosts.iter().any(present) || self.hosts.iter().enumerate().any(ails),
            uncounted: self.waits_for_init(setup, service.location),
        }
    }

    fn idle_disarms(&self, setup: &Setup, index: usize) -> Standing {
        let host = &self.hosts[index];
        let node = host.node;
        let services = self
            .store
            .entries
            .iter()
            .filter_map(|entry| entry.record.as_service());
        let idle = services
            .filter(|service| service.location == node)
            .all(|service| service.wanted == Wanted::Stopped);
        let held = self.grant(node).is_some_and(|grant| {
            grant.state.is_held() && grant.holder.node == node && grant.holder.boot == host.boot
        });
        Standing {
            made: idle,
            kept: !idle || (!held && host.device == Device::Off) || !self.serves(setup, index),
            uncounted: self.waits_for_init(setup, node),
        }
    }

    fn silent_taken(&self, setup: &Setup, index: usize) -> Standing {
        let Some(node) = setup.hosts[index].contends_for else {
            return Standing::over();
        };
        let silent = self.grant(node).is_some_and(|grant| {
            let renews = self
                .find_process(grant.holder.incarnation)
                .is_some_and(|(host, proc)| {
                    let value = &self.hosts[host];
                    let lives = value.on && value.boot == grant.holder.boot;
                    lives && !value.stopped && !value.isolated && !value.is_paused(proc)
                });
            grant.state.is_held() && !renews
        });
        Standing {
            made: silent,
            kept: !silent || !self.contends(setup, index),
            uncounted: self.hosts[index].contender.is_none(),
        }
    }

    /// Whether a host's CRM can be master: who can't renew, or isn't there, is none.
    fn can_decide(&self, setup: &Setup, index: usize) -> bool {
        let host = &self.hosts[index];
        let runs = host.crm.as_ref().is_none_or(|crm| !crm.paused);
        setup.hosts[index].crm && runs && host.on && !host.stopped && self.reaches_store(index)
    }

    /// Whether a host's stand-in can do what it is told.
    fn can_serve(&self, index: usize) -> bool {
        let host = &self.hosts[index];
        let lives = |stand_in: &StandIn| !stand_in.paused && stand_in.leaving.is_none();
        let there = host.stand_in.as_ref().is_some_and(lives);
        there && host.on && !host.stopped && self.reaches_store(index)
    }

    /// What the manager has to bring about, while there is one, and a node besides `node` for what
    /// leaves that.
    fn by_manager(&self, setup: &Setup, open: bool, node: Option<NodeId>) -> Standing {
        let mut hosts = 0..self.hosts.len();
        let decided = hosts.clone().any(|host| self.can_decide(setup, host));
        let serves = |host: usize| self.can_serve(host) || self.serves(setup, host);
        let other = |host: usize| Some(self.hosts[host].node) != node && serves(host);
        let taken = hosts.any(other);
        Standing {
            made: open,
            kept: !open || !decided || !taken,
            uncounted: false,
        }
    }

    fn fence_resolved(&self, setup: &Setup, id: ServiceId) -> Standing {
        let entry = self
            .entry_of(id)
            .filter(|it| matches!(it.state, ServiceState::Fence | ServiceState::Recovery))
            // Nobody knows where it runs: a person has to say.
            .filter(|it| !it.unowned || it.node.is_some_and(|node| self.is_confirmed_dead(node)));
        let Some(node) = entry.and_then(|entry| entry.node) else {
            return Standing::over();
        };
        let left = self.grant(node).is_some_and(|grant| grant.state.lists(id));
        self.by_manager(setup, !left, Some(node))
    }

    /// Nobody runs what is in error, what was left running and its node lost, and what its LRM left on
    /// purpose, or nobody has reported on, if its node can't.
    fn requested_runs(&self, setup: &Setup, id: ServiceId) -> Standing {
        let resource = self.resource_of(id);
        let requested = resource.is_some_and(|it| it.requested == Requested::Started);
        let entry = self.entry_of(id);
        let given_up = entry.is_some_and(|entry| {
            let left = entry.node.and_then(|node| self.grant(node));
            let mut hosts = self.hosts.iter().enumerate();
            let there = hosts.any(|(index, host)| {
                Some(host.node) == entry.node
                    && (self.can_serve(index) || self.serves(setup, index))
            });
            let confirmed = entry.node.is_some_and(|node| self.is_confirmed_dead(node));
            let frozen = entry.state == ServiceState::Freeze && self.was_left_on_purpose(entry);
            entry.state == ServiceState::Error
                || (frozen && !there)
                || (entry.unowned && !there && !confirmed)
                || left.is_some_and(|grant| grant.state.lists(id))
        });
        let disarmed = self.status().is_some_and(|status| status.disarm.is_some());
        let runs = |host: &Shared<Host>| {
            let instance = host.instances.get(usize::from(id.0));
            instance == Some(&Instance::Running)
        };
        let open = requested && !given_up && !disarmed && !self.hosts.iter().any(runs);
        self.by_manager(setup, open, None)
    }

    /// Whether a service's node gave its lock back, and nobody has said since that the node is dead.
    fn was_left_on_purpose(&self, entry: &Entry) -> bool {
        entry.node.is_some_and(|node| {
            let grant = self.grant(node);
            let left = |grant: &Grant| !grant.state.is_held() && grant.holder.node == node;
            grant.is_none_or(left) && !self.is_confirmed_dead(node)
        })
    }

    /// Whether a person has said that a node is dead, and it hasn't held its lock since.
    fn is_confirmed_dead(&self, node: NodeId) -> bool {
        let fence = self.data(DataKey::Fence(node)).and_then(Data::as_fence);
        let grant = self.grant(node);
        fence.is_some_and(|fence| {
            let since = |grant: &Grant| grant.holder.node == node && grant.epoch > fence.term.epoch;
            fence.confirmed && !grant.is_some_and(since)
        })
    }

    fn disarm_completes(&self, setup: &Setup) -> Standing {
        let disarm = self.status().and_then(|status| status.disarm.as_ref());
        let open = disarm.is_some_and(|disarm| !disarm.complete);
        self.by_manager(setup, open, None)
    }

    fn maintenance_empties(&self, setup: &Setup, index: usize) -> Standing {
        let host = &self.hosts[index];
        let wanted = self
            .status()
            .is_some_and(|status| status.wants_maintenance(host.node) && status.disarm.is_none());
        // What an earlier boot held runs out: nobody is left to give it back.
        let holds = self.grant(host.node).is_some_and(|grant| {
            let holder = &grant.holder;
            let of_this_boot = holder.machine == host.machine && holder.boot == host.boot;
            grant.state.is_held() && holder.node == host.node && of_this_boot
        });
        let runs = host.instances.iter().any(|it| *it != Instance::Absent);
        let open = wanted && self.can_serve(index) && (runs || holds);
        self.by_manager(setup, open, Some(host.node))
    }

    fn master_exists(&self, setup: &Setup) -> Standing {
        let can = |index: usize| self.can_decide(setup, index);
        let entry = self.store.entry(Key::Grant(LockId::Manager));
        let grant = entry.and_then(|entry| entry.record.as_grant());
        let exists = grant.is_some_and(|grant| {
            let holder = self.find_process(grant.holder.incarnation);
            grant.state.is_held() && holder.is_some_and(|(host, _)| can(host))
        });
        let mut crms = (0..self.hosts.len()).filter(|&index| can(index));
        Standing {
            made: true,
            kept: exists || !crms.any(|_| true),
            uncounted: (0..self.hosts.len())
                .any(|host| can(host) && self.hosts[host].crm.is_none()),
        }
    }

    fn leaving_ends(&self, setup: &Setup, index: usize) -> Standing {
        let host = &self.hosts[index];
        let leaving = is_leaving(host);
        Standing {
            made: leaving,
            kept: !leaving || !self.serves(setup, index),
            uncounted: host.mux.is_none(),
        }
    }

    fn guarded_again(&self, setup: &Setup, index: usize) -> Standing {
        let host = &self.hosts[index];
        let left = self.grant(host.node).is_some_and(|grant| {
            let mut lists = grant.state.unguarded().into_iter();
            let here = lists.any(|list| {
                list.boot == host.boot && list.machine == host.machine && !list.services.is_empty()
            });
            here && (!grant.state.is_held() || grant.holder.node == host.node)
        });
        Standing {
            made: left,
            kept: !left || !self.serves(setup, index),
            uncounted: self.waits_for_init(setup, host.node),
        }
    }
}

impl Standing {
    /// Nothing is to be done.
    const fn over() -> Self {
        Self {
            made: false,
            kept: true,
            uncounted: false,
        }
    }
}

/// Whether a host's LRM was asked to end.
fn is_leaving(host: &Host) -> bool {
    host.lrms.iter().any(|lrm| lrm.machine.leaving().is_some())
}
