//! The source that never changes: servers that stand in the configuration file.

use super::{Server, Servers};

/// The servers of `servers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    servers: Servers,
}

impl Fixed {
    #[must_use]
    pub fn new(servers: Vec<Server>) -> Self {
        Self { servers: servers.into() }
    }

    pub(super) fn servers(&self) -> Servers {
        self.servers.clone()
    }
}
