//! From a service's state to what its LRM is to do.

use crate::manager::status::{DisarmMode, Entry, Resource, Status};
use crate::placement::state::ServiceState;
use crate::record::{MoveKind, Service, Wanted};

/// What a service's record is to say, at `service.location`, for a manager with this status.
pub(super) fn order(
    status: &Status,
    entry: Option<&Entry>,
    resource: Option<&Resource>,
    service: &Service,
) -> Service {
    let location = service.location;
    let Some(entry) = entry.filter(|_| !is_ignored(status, entry)) else {
        // What is nobody's concern may be run by anybody.
        return Service {
            wanted: Wanted::Ignored,
            brought: false,
            ..service.clone()
        };
    };
    let arrived = entry.state.is_moving() && entry.target == Some(location);
    if arrived && entry.node != entry.target {
        // Its LRM has moved it; until the manager knows, the order that moved it stands.
        return service.clone();
    }
    let wanted = match entry.node == Some(location) {
        true => wanted(entry, resource),
        false => Wanted::Untouched,
    };
    Service {
        location,
        brought: service.brought,
        wanted,
        uid: entry.uid,
        restarts_max: Some(resource.map_or(0, |resource| resource.max_restart)),
        timeout_seconds: entry.timeout,
    }
}

/// Whether LRMs are to have no concern with it: the stack is disarmed in that mode, and it isn't in
/// the middle of something, which comes first.
fn is_ignored(status: &Status, entry: Option<&Entry>) -> bool {
    let ignores = status
        .disarm
        .as_ref()
        .is_some_and(|disarm| disarm.mode == DisarmMode::Ignore);
    ignores
        && entry.is_some_and(|entry| {
            !entry.state.is_moving()
                && !matches!(entry.state, ServiceState::Fence | ServiceState::Recovery)
        })
}

fn wanted(entry: &Entry, resource: Option<&Resource>) -> Wanted {
    let moved = |kind| match entry.target {
        Some(target) => Wanted::Moved { target, kind },
        None => Wanted::Untouched,
    };
    match entry.state {
        ServiceState::Started => Wanted::Started,
        ServiceState::RequestStop | ServiceState::Stopped => Wanted::Stopped,
        ServiceState::Migrate => moved(
            match resource.is_some_and(|resource| resource.can_migrate) {
                true => MoveKind::Live,
                false => MoveKind::Stopped,
            },
        ),
        ServiceState::Relocate => moved(MoveKind::Stopped),
        ServiceState::RequestStartBalance => moved(MoveKind::BeforeStart),
        ServiceState::Fence => Wanted::Fenced,
        ServiceState::RequestStart
        | ServiceState::Freeze
        | ServiceState::Error
        | ServiceState::Recovery => Wanted::Untouched,
    }
}
