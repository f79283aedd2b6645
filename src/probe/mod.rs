//! [`ProbeSpec`] → [`Observation`]: asks one server once, over a fresh connection, and writes down what happened.
//!
//! A probe records facts. It never judges them, and it never fails: whatever goes wrong is data, a [`Fault`]. No
//! backend can make it wait longer than the timeout or hold more than a bounded number of bytes.

mod body;
mod clock;
mod connection;
mod dial;
mod dns;
mod explore;
mod http;
mod icmp;
mod lateness;
mod revocation;
mod route;
mod run;
mod notes;
mod outlook;
mod protocol;
mod search;
mod tcp;
mod tls;
mod trust;
pub mod scan;
mod verifier;
mod memo;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::ServerName;

pub use crate::resolver::{DnsFault, Host, Stale};
pub use clock::Clock;
pub use dial::{Dial, HopAnswer, Opened, Over, Passage, Said, dial, hop, packet};
pub use explore::{Exploration, Wish};
pub use memo::{Acceptance, AcceptedChains};
pub use notes::Transcript;
pub use outlook::{Outlook, Route, outlook};
pub use protocol::{Feature, Part, Protocol, Stage};
pub use route::Neighbour;
pub use run::Prober;
pub use scan::ScanFacts;
pub use tcp::IcmpReason;
pub use tls::TlsFacts;
pub(crate) use tls::looks_like_tls;
pub use trust::{AcceptedPath, ClientCertificate, Trust, TrustMode, UnusableMaterial};

impl ResponseProgress {
    pub(crate) fn is_nothing(self) -> bool {
        self == Self::Nothing
    }
}

/// Everything that one probe of one row needs. Compared whole by a reload.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeSpec {
    pub protocol: Protocol,
    pub server: Host,
    pub port: u16,
    /// For the whole probe, name resolution included.
    pub timeout: Duration,
    /// Present for protocols with [`Stage::Http`].
    pub request: Option<Request>,
    pub expectation: Arc<Expectation>,
    /// Send a PROXY protocol v1 line first.
    pub proxy_protocol: bool,
    /// Present for protocols with [`Stage::Tls`].
    pub tls: Option<TlsSpec>,
}

/// The HTTP request: always GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The Host header.
    pub host: Arc<str>,
    pub path: Arc<str>,
}

/// What a response must be like to count as healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Inclusive ranges of status codes, in the order written.
    pub status_codes: Vec<(u16, u16)>,
    /// A substring of the body's first 64 KiB; empty: any body.
    pub body: String,
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

/// What one probe saw.
#[derive(Clone, Debug)]
pub struct Observation {
    /// When the probe started.
    pub at: SystemTime,
    /// The whole probe.
    pub duration: Duration,
    pub phases: Phases,
    /// The address that was connected to, or the last one that was tried.
    pub address: Option<SocketAddr>,
    /// Every address that failed, in the order in which they failed.
    pub failed_addresses: Vec<FailedAddress>,
    /// Set when the addresses are remembered ones, because the lookup failed.
    pub stale: Option<Stale>,
    /// Present when a TLS handshake was begun.
    pub tls: Option<Box<TlsFacts>>,
    /// Present when a whole response head arrived.
    pub response: Option<Response>,
    /// What ended the probe before its work was done.
    pub fault: Option<Fault>,
    /// What an extra ClientHello found out about an alert that explains nothing, now or a while ago.
    pub scan: Option<Arc<ScanFacts>>,
}

/// A response: its head and what was kept of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub version: &'static str,
    /// The `Location` of a redirect, at most 256 bytes.
    pub location: Option<String>,
    /// The first 64 KiB at most, without the framing.
    pub body: Vec<u8>,
}

/// Durations of the parts of a probe; zero when a part was not reached. They start where the one before ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    pub dns: Duration,
    pub connect: Duration,
    pub tls: Duration,
    /// From the request's first byte sent to the response's first byte received.
    pub first_byte: Duration,
    pub transfer: Duration,
}

/// An address that could not be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAddress {
    pub address: SocketAddr,
    pub fault: ConnectFault,
}

/// What happened, in the network's own terms; what it means is for the verdict to say.
#[derive(Clone, Debug)]
pub enum Fault {
    Local(LocalFault),
    Dns(DnsFault),
    /// No address could be connected to; the fault of the last one to fail.
    Connect(ConnectFault),
    /// The PROXY line was sent, and this came before anything else.
    AfterProxyLine(AfterProxyLine),
    Tls(TlsFault),
    Http(HttpFault),
}

/// Our own trouble: says nothing about the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalFault {
    /// No descriptor, port or memory; the system's own words.
    Exhausted(String),
    /// The timeout was over, but this host woke up too late to know whether an answer came in time.
    Overloaded { late: Duration },
    /// This host's network cannot send to that address; why, in words.
    Network(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectFault {
    Refused,
    Timeout,
    /// An ICMP message said so, or nobody answered for an on-link address.
    Unreachable(IcmpReason),
    Reset,
    Local(LocalFault),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterProxyLine {
    Closed,
    Reset,
    /// The first bytes were no TLS, at most 256 of them.
    NotTls(Vec<u8>),
    /// A TLS alert was the first message.
    Alert(rustls::AlertDescription),
}

#[derive(Clone, Debug)]
pub enum TlsFault {
    Timeout,
    Closed,
    Reset,
    /// What rustls said, with the bytes received in [`TlsFacts::received`].
    Rustls(rustls::Error),
    /// The handshake was over, and then the server sent an alert before anything else.
    AlertAfterHandshake(rustls::AlertDescription),
    /// The handshake was over, the server had asked for a client certificate, and it closed or reset before
    /// anything else.
    EndAfterHandshake {
        reset: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpFault {
    /// What of the response was in by then.
    Timeout(ResponseProgress),
    /// A reset at any time.
    Reset(ResponseProgress),
    /// Closed before a whole head.
    ClosedBeforeHead {
        received: usize,
    },
    /// Not HTTP or broken framing; what is wrong, in our words, never the backend's.
    Malformed(&'static str),
    /// Not HTTP at all: the first bytes, at most 256.
    NotHttp(Vec<u8>),
    BodyCutShort {
        received: u64,
        announced: Option<u64>,
    },
    HeadTooLarge,
    TooManyInterimResponses,
}

/// How far a response had come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseProgress {
    #[default]
    Nothing,
    /// Bytes of an incomplete head.
    Head { received: usize },
    /// Bytes of an incomplete body.
    Body { received: u64 },
}

/// Most of a body that is kept and searched, and most of a head that is read, in bytes.
pub const MAX_KEPT_BYTES: usize = 64 * 1024;
