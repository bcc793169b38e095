//! The names of nodes and services, at the edges and in texts.
//!
//! Machines know ids. Whoever reads names from a file or a store interns them here, and whoever
//! writes a text looks them up; the byte order of the names is kept beside them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::id::{NodeId, Ranks, ServiceId};

/// Two tables of names, with their orders. An id once given keeps its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    nodes: Interned,
    services: Interned,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Interned {
    names: Vec<String>,
    /// All numbers in the byte order of their names. A vector, because a round walks through it
    /// several times, and names come rarely.
    order: Vec<u16>,
}

impl Interned {
    fn intern(&mut self, name: &str) -> Option<u16> {
        match self.place(name) {
            Ok(at) => self.order.get(at).copied(),
            Err(at) => {
                let number = u16::try_from(self.names.len()).ok()?;
                self.names.push(name.to_string());
                self.order.insert(at, number);
                Some(number)
            }
        }
    }

    fn find(&self, name: &str) -> Option<u16> {
        let at = self.place(name).ok()?;
        self.order.get(at).copied()
    }

    /// Where a name stands in the order, or would stand.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.order
            .binary_search_by(|number| self.name(*number).cmp(name))
    }

    fn name(&self, number: u16) -> &str {
        self.names
            .get(usize::from(number))
            .map_or("", String::as_str)
    }
}

impl Names {
    /// No names yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of the node `name`, a new one if need be; none when 65,536 are in use.
    pub fn intern_node(&mut self, name: &str) -> Option<NodeId> {
        self.nodes.intern(name).map(NodeId)
    }

    /// The id of the service `sid`, a new one if need be; none when 65,536 are in use.
    pub fn intern_service(&mut self, sid: &str) -> Option<ServiceId> {
        self.services.intern(sid).map(ServiceId)
    }

    /// The id of the node `name`, if it has one.
    #[must_use]
    pub fn find_node(&self, name: &str) -> Option<NodeId> {
        self.nodes.find(name).map(NodeId)
    }

    /// The id of the service `sid`, if it has one.
    #[must_use]
    pub fn find_service(&self, sid: &str) -> Option<ServiceId> {
        self.services.find(sid).map(ServiceId)
    }

    /// The name of a node; empty for an id that was never given.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &str {
        self.nodes.name(id.0)
    }

    /// The SID of a service; empty for an id that was never given.
    #[must_use]
    pub fn service(&self, id: ServiceId) -> &str {
        self.services.name(id.0)
    }

    /// All nodes in the byte order of their names.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.order.iter().copied().map(NodeId)
    }

    /// All services in the byte order of their SIDs.
    pub fn services(&self) -> impl Iterator<Item = ServiceId> {
        self.services.order.iter().copied().map(ServiceId)
    }

    /// How many nodes and services have names.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.nodes.names.len(), self.services.names.len())
    }

    /// All nodes' names, by id.
    #[must_use]
    pub fn node_names(&self) -> &[String] {
        &self.nodes.names
    }

    /// All services' SIDs, by id.
    #[must_use]
    pub fn service_names(&self) -> &[String] {
        &self.services.names
    }

    /// The byte order of the nodes' names.
    #[must_use]
    pub fn node_ranks(&self) -> Ranks {
        Ranks::of_names(&self.nodes.names)
    }

    /// The byte order of the services' SIDs.
    #[must_use]
    pub fn service_ranks(&self) -> Ranks {
        Ranks::of_names(&self.services.names)
    }
}
