//! The texts of a round's events (`protocol.md` 8).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::event::{
    CommandEvent, Event, GROUPS_VERSION, GroupsError, GroupsEvent, NodeEvent, Parameters,
    PlaceEvent, RecoveryEvent, RequestEvent, ServiceEvent, StackEvent, StartEvent,
};
use crate::id::NodeId;
use crate::name::Names;

/// An event with the names that its text needs.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    event: &'a Event,
    names: &'a Names,
}

impl<'a> Text<'a> {
    pub(super) const fn new(event: &'a Event, names: &'a Names) -> Self {
        Self { event, names }
    }

    fn name(&self, node: NodeId) -> &str {
        self.names.node(node)
    }

    fn name_or_none(&self, node: Option<NodeId>) -> &str {
        node.map_or("", |node| self.names.node(node))
    }

    fn list(&self, nodes: &[NodeId]) -> String {
        let names: Vec<&str> = nodes.iter().map(|node| self.name(*node)).collect();
        names.join(", ")
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event {
            Event::Node(node, event) => self.node(f, *node, *event),
            Event::Service(service, event) => {
                let sid = self.names.service(*service);
                self.service(f, sid, event)
            }
            Event::Command(text, event) => self.command(f, text, event),
            Event::Stack(event) => self.stack(f, *event),
            Event::Groups(event) => self.groups(f, event),
            Event::MasterOffline => f.write_str("master seems offline"),
            Event::UnknownDisarm(mode) => write!(f, "unknown disarm-mode '{mode}', ignoring"),
            Event::Measured => f.write_str("loads measured"),
            Event::Advice { text, .. } => f.write_str(text),
        }
    }
}

impl Text<'_> {
    fn node(&self, f: &mut fmt::Formatter<'_>, node: NodeId, event: NodeEvent) -> fmt::Result {
        let name = self.name(node);
        match event {
            NodeEvent::State(from, to) => {
                write!(f, "node '{name}': state changed from '{from}' => '{to}'")
            }
            NodeEvent::Deleted => write!(
                f,
                "deleting gone node '{name}', not a cluster member anymore."
            ),
            NodeEvent::ToFence => write!(f, "FENCE: Try to fence node '{name}'"),
            NodeEvent::FenceWithoutServices => write!(
                f,
                "node '{name}' in fence state but no services to-fence! admin interference?!"
            ),
            NodeEvent::GotLock => write!(f, "got lock 'ha_agent_{name}_lock'"),
            NodeEvent::Fenced => write!(
                f,
                "fencing: acknowledged - got agent lock for node '{name}'"
            ),
            NodeEvent::FencedMail => write!(
                f,
                "SUCCEED: fencing: acknowledged - got agent lock for node '{name}'"
            ),
            NodeEvent::MaintenanceWhileDisarmed => write!(
                f,
                "ignoring maintenance command for node {name} - HA stack is disarmed"
            ),
            NodeEvent::AlreadyInMaintenance => write!(
                f,
                "ignoring crm command - node {name} is already in maintenance state"
            ),
            NodeEvent::NoMaintenanceToEnd(state) => write!(
                f,
                "clearing maintenance of node {name} requested, but it's in state {state}"
            ),
        }
    }

    fn service(&self, f: &mut fmt::Formatter<'_>, sid: &str, event: &ServiceEvent) -> fmt::Result {
        match event {
            ServiceEvent::Added(node) => {
                let node = self.name_or_none(*node);
                write!(f, "adding new service '{sid}' on node '{node}'")
            }
            ServiceEvent::Removed { ignored: false } => {
                write!(f, "removing stale service '{sid}' (no config)")
            }
            ServiceEvent::Removed { ignored: true } => {
                write!(
                    f,
                    "removing stale service '{sid}' (ignored state requested)"
                )
            }
            ServiceEvent::State { from, to, set } => {
                write!(f, "service '{sid}': state changed from '{from}' to '{to}'")?;
                self.parameters(f, *set)
            }
            ServiceEvent::Fixup(old, new) => {
                let (old, new) = (self.name_or_none(*old), self.name_or_none(*new));
                write!(f, "fixup service '{sid}' location ({old} => {new})")
            }
            ServiceEvent::UnknownState(requested) => {
                let requested = requested.name();
                write!(
                    f,
                    "service '{sid}' - unknown state '{requested}' in service configuration"
                )
            }
            ServiceEvent::StopFailed(code) => {
                write!(f, "service '{sid}' stop failed (exit code {code})")
            }
            ServiceEvent::Request(event) => self.request(f, sid, event),
            ServiceEvent::Start(event) => self.start(f, sid, event),
            ServiceEvent::Place(event) => self.place(f, sid, *event),
            ServiceEvent::Recovery(event) => self.recovery(f, sid, event),
        }
    }

    /// What a change of state set, in alphabetic order, or nothing.
    fn parameters(&self, f: &mut fmt::Formatter<'_>, set: Parameters) -> fmt::Result {
        let mut before = "  (";
        let mut any = false;
        for (key, node) in [("node", set.node), ("target", set.target)] {
            if let Some(node) = node {
                write!(f, "{before}{key} = {}", self.name(node))?;
                before = ", ";
                any = true;
            }
        }
        if let Some(timeout) = set.timeout {
            write!(f, "{before}timeout = {timeout}")?;
            any = true;
        }
        if any { f.write_str(")") } else { Ok(()) }
    }

    fn request(&self, f: &mut fmt::Formatter<'_>, sid: &str, event: &RequestEvent) -> fmt::Result {
        match event {
            RequestEvent::TargetOffline(task, target) => {
                let target = self.name(*target);
                write!(
                    f,
                    "ignore service '{sid}' {task} request - node '{target}' not online"
                )
            }
            RequestEvent::AlreadyThere(task, target) => {
                let target = self.name(*target);
                write!(
                    f,
                    "ignore service '{sid}' {task} request - service already on node '{target}'"
                )
            }
            RequestEvent::AlreadyStopped => write!(
                f,
                "ignore service '{sid}' stop request - service already stopped"
            ),
            RequestEvent::Moving(task, target) => {
                let target = self.name(*target);
                write!(f, "{task} service '{sid}' to node '{target}'")
            }
            RequestEvent::Stopping(0) => {
                write!(f, "request immediate service hard-stop for service '{sid}'")
            }
            RequestEvent::Stopping(timeout) => write!(
                f,
                "request graceful stop with timeout '{timeout}' for service '{sid}'"
            ),
            RequestEvent::Unknown(word) => {
                write!(f, "unknown command '{word}' for service '{sid}'")
            }
        }
    }

    fn start(&self, f: &mut fmt::Formatter<'_>, sid: &str, event: &StartEvent) -> fmt::Result {
        match event {
            StartEvent::Relocated(node, failed) => {
                let (node, failed) = (self.name(*node), self.list(failed));
                write!(
                    f,
                    "relocation policy successful for '{sid}' on node '{node}', failed nodes: {failed}"
                )
            }
            StartEvent::Failed(node) => {
                let node = self.name(*node);
                write!(
                    f,
                    "starting service {sid} on node '{node}' failed, relocating service."
                )
            }
            StartEvent::PolicyFailed(failed) => {
                let failed = self.list(failed);
                write!(
                    f,
                    "recovery policy for service {sid} failed, entering error state. Failed nodes: {failed}"
                )
            }
            StartEvent::Unrecoverable(code) => {
                write!(
                    f,
                    "service '{sid}' got unrecoverable error (exit code {code})"
                )
            }
            StartEvent::TriedAll(tried) => {
                let tried = self.list(tried);
                write!(
                    f,
                    "Start Error Recovery: Tried all available nodes for service '{sid}', retry start on current node. Tried nodes: {tried}"
                )
            }
        }
    }

    fn place(&self, f: &mut fmt::Formatter<'_>, sid: &str, event: PlaceEvent) -> fmt::Result {
        match event {
            PlaceEvent::Balanced { node, moved } => {
                let (node, which) = (self.name(node), if moved { "new" } else { "current" });
                write!(
                    f,
                    "service {sid}: re-balance selected {which} node {node} for startup"
                )
            }
            PlaceEvent::MovingBack(node) => {
                let node = self.name(node);
                write!(
                    f,
                    "moving service '{sid}' back to '{node}', node came back from maintenance."
                )
            }
            PlaceEvent::FallbackDropped(node) => {
                let node = self.name(node);
                write!(f, "dropping maintenance fallback node '{node}' for '{sid}'")
            }
            PlaceEvent::FallbackStale(node) => {
                let node = self.name(node);
                write!(
                    f,
                    "service '{sid}': clearing stale maintenance node '{node}' setting (is current node)"
                )
            }
            PlaceEvent::Placed(task, target) => {
                let target = self.name(target);
                let running = match task {
                    super::status::Task::Migrate => " (running)",
                    super::status::Task::Relocate => "",
                };
                write!(f, "{task} service '{sid}' to node '{target}'{running}")
            }
            PlaceEvent::WrongNode => write!(
                f,
                "service '{sid}' - migration failed: service registered on wrong node!"
            ),
            PlaceEvent::BalanceIgnored => write!(
                f,
                "service '{sid}' - rebalance-on-start request ignored - service already running"
            ),
            PlaceEvent::MoveFailed(code) => {
                write!(f, "service '{sid}' - migration failed (exit code {code})")
            }
        }
    }

    fn recovery(
        &self,
        f: &mut fmt::Formatter<'_>,
        sid: &str,
        event: &RecoveryEvent,
    ) -> fmt::Result {
        match event {
            RecoveryEvent::To { from, to } if *from == Some(*to) => {
                let node = self.name(*to);
                write!(
                    f,
                    "recover service '{sid}' to previous failed and fenced node '{node}' again"
                )
            }
            RecoveryEvent::To { from, to } => {
                let (from, to) = (self.name_or_none(*from), self.name(*to));
                write!(
                    f,
                    "recover service '{sid}' from fenced node '{from}' to node '{to}'"
                )
            }
            RecoveryEvent::NoNode(from) => {
                let from = self.name_or_none(*from);
                write!(
                    f,
                    "recovering service '{sid}' from fenced node '{from}' failed, no recovery node found"
                )
            }
            RecoveryEvent::Back(node) => write!(
                f,
                "leaving service '{sid}' to node '{}', which is back with its lock",
                self.name(*node)
            ),
            RecoveryEvent::LeftRunning { from, back } => {
                let from = self.name_or_none(*from);
                write!(
                    f,
                    "service '{sid}' was left running on node '{from}' without a watchdog and may \
                     still run there, {}",
                    whose_turn(*back)
                )
            }
            RecoveryEvent::Unowned { from, back } => {
                let from = self.name_or_none(*from);
                write!(
                    f,
                    "no LRM has reported on service '{sid}' of node '{from}' since it came to be \
                     managed, so it may run there, {}",
                    whose_turn(*back)
                )
            }
            RecoveryEvent::LockRemoved(lock) => write!(
                f,
                "removed leftover lock '{lock}' from recovered service '{sid}' to allow its start."
            ),
            RecoveryEvent::NotThere { status, config } => {
                let (status, config) = (self.name_or_none(*status), self.name_or_none(*config));
                write!(
                    f,
                    "current_node for '{sid}' does not match ({status} != {config})"
                )
            }
            RecoveryEvent::NoConfig => write!(f, "no such service '{sid}'"),
        }
    }

    fn command(&self, f: &mut fmt::Formatter<'_>, text: &str, event: &CommandEvent) -> fmt::Result {
        match event {
            CommandEvent::Got => write!(f, "got crm command: {text}"),
            CommandEvent::Unparsable => write!(f, "unable to parse crm command: {text}"),
            CommandEvent::NoSuchService => {
                write!(f, "crm command error - no such service: {text}")
            }
            CommandEvent::NodeNotOnline => {
                write!(f, "crm command error - node not online: {text}")
            }
            CommandEvent::AlreadyThere => write!(
                f,
                "ignore crm command - service already on target node: {text}"
            ),
            CommandEvent::Blocked {
                service,
                by,
                target,
            } => {
                let (service, by) = (self.names.service(*service), self.names.service(*by));
                let target = self.name(*target);
                write!(
                    f,
                    "crm command '{text}' error - service '{by}' on node '{target}' in negative affinity with service '{service}'"
                )
            }
            CommandEvent::Together {
                task,
                service,
                target,
                leader,
            } => {
                let (service, target) = (self.names.service(*service), self.name(*target));
                let leader = self.names.service(*leader);
                write!(
                    f,
                    "crm command '{text}' - {task} service '{service}' to node '{target}' (service '{service}' in positive affinity with service '{leader}')"
                )
            }
            CommandEvent::AlreadyDisarmed(disarm) => write!(
                f,
                "ignoring disarm-ha command - already in disarm state ({})",
                disarm.state_name()
            ),
            CommandEvent::NotDisarmed => {
                f.write_str("ignoring arm-ha command - HA stack is not disarmed")
            }
        }
    }

    fn stack(&self, f: &mut fmt::Formatter<'_>, event: StackEvent) -> fmt::Result {
        match event {
            StackEvent::Suspending(service) => write!(
                f,
                "disarm: suspending HA tracking for service '{}'",
                self.names.service(service)
            ),
            StackEvent::Moved(service, old, new) => {
                let (old, new) = (self.name_or_none(old), self.name_or_none(new));
                write!(
                    f,
                    "service '{}': updating node '{old}' => '{new}' (changed while disarmed)",
                    self.names.service(service)
                )
            }
            StackEvent::Deferred(service, state) => write!(
                f,
                "deferring disarm - service '{}' is in '{state}' state",
                self.names.service(service)
            ),
            StackEvent::Freezing(service, state) => write!(
                f,
                "disarm: freezing service '{}' (was '{state}')",
                self.names.service(service)
            ),
            StackEvent::Complete => {
                f.write_str("all LRMs disarmed, HA stack is now fully disarmed")
            }
        }
    }

    fn groups(&self, f: &mut fmt::Formatter<'_>, event: &GroupsEvent) -> fmt::Result {
        match event {
            GroupsEvent::Begin => f.write_str("start ha group migration..."),
            GroupsEvent::Node(node, state) => {
                let node = self.name(*node);
                write!(
                    f,
                    "ha groups migration: node '{node}' is in state '{state}'"
                )
            }
            GroupsEvent::Lrm(node, state, mode) => {
                let (node, mode) = (self.name(*node), mode.name());
                write!(
                    f,
                    "ha groups migration: lrm '{node}' is in state '{state}' and mode '{mode}'"
                )
            }
            GroupsEvent::Version(node, version) => {
                let node = self.name(*node);
                write!(
                    f,
                    "ha groups migration: node '{node}' has version '{version}'"
                )
            }
            GroupsEvent::Abort(error) => {
                f.write_str("abort ha groups migration: ")?;
                self.groups_error(f, *error)
            }
            GroupsEvent::Failed => f.write_str("ha groups migration failed"),
            GroupsEvent::Retry => {
                f.write_str("retry ha groups migration in 6 rounds (~ 60 seconds)")
            }
            GroupsEvent::RulesDone => {
                f.write_str("ha groups migration: migration to rules config successful")
            }
            GroupsEvent::ResourcesDone => {
                f.write_str("ha groups migration: migration to resources config successful")
            }
            GroupsEvent::GroupsDone => {
                f.write_str("ha groups migration: group config deletion successful")
            }
            GroupsEvent::Done => f.write_str("ha groups migration successful"),
        }
    }

    fn groups_error(&self, f: &mut fmt::Formatter<'_>, error: GroupsError) -> fmt::Result {
        match error {
            GroupsError::NoQuorum => f.write_str("cluster is not quorate"),
            GroupsError::NoNodes => f.write_str("node list is empty"),
            GroupsError::NotOnline(node) => write!(f, "node '{}' is not online", self.name(node)),
            GroupsError::NoLrm(node) => {
                write!(f, "could not retrieve state for lrm '{}'", self.name(node))
            }
            GroupsError::LrmState(node) => {
                write!(
                    f,
                    "lrm '{}' is not in state 'active' or 'idle'",
                    self.name(node)
                )
            }
            GroupsError::LrmMode(node) => {
                write!(f, "lrm '{}' is not in mode 'active'", self.name(node))
            }
            GroupsError::NoVersion(node) => write!(
                f,
                "could not retrieve version from node '{}'",
                self.name(node)
            ),
            GroupsError::OldVersion(node) => write!(
                f,
                "node '{}' needs at least pve-manager version '{GROUPS_VERSION}'",
                self.name(node)
            ),
        }
    }
}

/// Who ends the wait for a service that may still run.
const fn whose_turn(back: bool) -> &'static str {
    match back {
        true => "leaving it to that node",
        false => "not recovering it before the node is back or a person confirms that it is dead",
    }
}
