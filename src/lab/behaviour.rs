//! What a backend's port does.

use crate::lab::script::{Mark, Script, Step};
use crate::lab::tls::ServerTls;

/// What a backend's port does.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// The port is reserved but nothing listens: every SYN is answered with RST.
    Refused,
    /// The accept queue is full and stays so: every SYN is dropped, as by a firewall.
    SilentSyn,
    /// Connections are accepted and served.
    Serves(Service),
}

/// How an accepted connection is served.
#[derive(Clone, Debug)]
pub struct Service {
    /// Played on the bare connection, before TLS; when it ends the connection, nothing follows.
    pub opening: Option<Script>,
    /// Wraps `script`.
    pub tls: Option<ServerTls>,
    pub script: Script,
}

impl Service {
    /// The script on the bare connection.
    #[must_use]
    pub fn plain(script: Script) -> Self {
        Self { opening: None, tls: None, script }
    }

    /// The script inside TLS.
    #[must_use]
    pub fn tls(tls: &ServerTls, script: Script) -> Self {
        Self { opening: None, tls: Some(tls.clone()), script }
    }

    /// The same behind a PROXY protocol v1 line, without which the connection is closed.
    #[must_use]
    pub fn behind_proxy_line(self) -> Self {
        Self { opening: Some(Script::new([Step::Await(Mark::ProxyLine)])), ..self }
    }
}

impl From<Service> for Behaviour {
    fn from(service: Service) -> Self {
        Self::Serves(service)
    }
}

impl From<Script> for Behaviour {
    fn from(script: Script) -> Self {
        Self::Serves(Service::plain(script))
    }
}
