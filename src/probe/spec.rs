//! What one probe is to do: whom it asks, what, how, and what has to come back.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::expectation::Expectation;
use super::protocol::Protocol;
use super::request::Request;
use super::trust::{ClientCertificate, Trust};
use crate::resolver::Host;

/// Everything that one probe of one row needs. Compared whole by a reload.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeSpec {
    pub protocol: Protocol,
    pub server: Host,
    pub port: u16,
    /// For the whole probe, name resolution included.
    pub timeout: Duration,
    /// Present for protocols with [`Stage::Http`](super::Stage::Http).
    pub request: Option<Request>,
    pub expectation: Arc<Expectation>,
    /// Send a PROXY protocol v1 line first.
    pub proxy_protocol: bool,
    /// Present for protocols with [`Stage::Tls`](super::Stage::Tls).
    pub tls: Option<TlsSpec>,
}

impl ProbeSpec {
    /// A probe that only connects, until it is told more.
    #[must_use]
    pub fn new(protocol: Protocol, server: Host, port: u16, timeout: Duration) -> Self {
        Self {
            protocol,
            server,
            port,
            timeout,
            request: None,
            expectation: Arc::default(),
            proxy_protocol: false,
            tls: None,
        }
    }
}

/// How a TLS connection is made and what is checked of it.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsSpec {
    /// Sent as SNI (names only) and validated against the certificate.
    pub name: VerifiedName,
    pub name_source: NameSource,
    pub trust: Arc<Trust>,
    pub client_certificate: Option<Arc<ClientCertificate>>,
    /// Off: faults of the chain and its dates are only warnings.
    pub validate_chain: bool,
    /// Off: a fault of the name is only a warning.
    pub validate_name: bool,
    pub expiry_warning: Duration,
}

/// The name that the server's certificate must carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifiedName {
    Dns(Arc<str>),
    /// Never sent as SNI (RFC 6066, section 3); matched against the certificate's IP addresses.
    Ip(IpAddr),
}

impl VerifiedName {
    /// An IP address when the text is one, bracketed or not, else a name.
    #[must_use]
    pub fn of(text: &Arc<str>) -> Self {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        bare.parse().map_or_else(|_| Self::Dns(text.clone()), Self::Ip)
    }

    /// As TLS libraries want it; `None` when it is neither a DNS name nor an address.
    #[must_use]
    pub fn for_tls(&self) -> Option<ServerName<'static>> {
        match self {
            Self::Ip(ip) => Some(ServerName::IpAddress((*ip).into())),
            Self::Dns(name) => ServerName::try_from(name.to_string()).ok(),
        }
    }
}

impl fmt::Display for VerifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => name.fmt(f),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

/// Which key of the configuration the name came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameSource {
    SniName,
    ProbeHost,
    SettingHostName,
    Server,
}
