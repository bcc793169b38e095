//! What the manager's records in the store say.

use lockstep_model::id::{LockId, ServiceId};
use lockstep_model::manager::command::Command;
use lockstep_model::manager::status::{Entry, Resource, Status};
use lockstep_model::record::{Data, DataKey, Grant, Key};

use crate::state::World;

impl World {
    /// The grant of a lock as it stands in the store.
    #[must_use]
    pub fn grant_of(&self, lock: LockId) -> Option<&Grant> {
        self.store.entry(Key::Grant(lock))?.record.as_grant()
    }

    /// The record under a key of the manager's.
    #[must_use]
    pub fn data(&self, key: DataKey) -> Option<&Data> {
        self.store.entry(Key::Data(key))?.record.as_data()
    }

    pub(crate) fn status(&self) -> Option<&Status> {
        self.data(DataKey::Status)?.as_status()
    }

    /// A service as it is managed, if it is.
    pub(crate) fn entry_of(&self, id: ServiceId) -> Option<&Entry> {
        self.data(DataKey::Entry(id))?.as_entry()
    }

    /// A service as it is configured, if it is.
    pub(crate) fn resource_of(&self, id: ServiceId) -> Option<&Resource> {
        self.data(DataKey::Resource(id))?.as_resource()
    }

    /// The commands that no master has taken in yet.
    pub(crate) fn commands(&self) -> &[Command] {
        let commands = self.data(DataKey::Commands).and_then(Data::as_commands);
        commands.unwrap_or_default()
    }
}
