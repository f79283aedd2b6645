//! [`ProbeSpec`] → [`Observation`]: asks one server once, over a fresh connection, and writes down what happened.
//!
//! A probe records facts. It never judges them, and it never fails: whatever goes wrong is data, a [`Fault`]. No
//! backend can make it wait longer than the timeout or hold more than a bounded number of bytes.

mod body;
mod clear;
mod client;
mod clock;
mod connection;
mod content;
mod dial;
mod dns;
mod expectation;
mod explore;
mod head;
mod http;
mod icmp;
mod lateness;
mod revocation;
mod route;
mod run;
mod notes;
mod observation;
mod outlook;
mod own;
mod phases;
mod request;
mod protocol;
mod search;
mod signatures;
mod spec;
mod tcp;
mod tls;
mod trouble;
mod trust;
mod unusable;
pub mod scan;
mod without_netlink;
mod verifier;
mod memo;

pub use crate::resolver::{DnsFault, Host, Stale, Unasked};
pub(crate) use clear::{alert_in_clear, looks_like_tls};
pub use client::ServerVerifier;
pub use clock::Clock;
pub use dial::{Dial, HopAnswer, Opened, Over, Passage, Said, dial, hop, packet};
pub use expectation::{Expectation, Path, Pattern, Rule, Wanted};
pub use explore::{Exploration, Wish};
pub use memo::{Acceptance, AcceptedChains};
pub use notes::Transcript;
pub use observation::{
    AfterProxyLine, BodyEnd, Coding, ConnectFault, FailedAddress, Fault, Flood, HttpFault, MAX_HANDSHAKE_BYTES,
    MAX_IDLE_RECORD_BYTES, MAX_KEPT_BYTES, Observation, OddField, Response, ResponseProgress, TlsFacts, TlsFault,
};
pub use outlook::{Outlook, Route, outlook};
pub(crate) use own::covers;
pub use phases::{Part, Phases};
pub use protocol::{Feature, Protocol, Stage};
pub use request::{Ask, Asked, Body, Header, Login, Method, Request, Value};
pub use route::{Neighbour, has_netlink};
pub use run::Prober;
pub use scan::ScanFacts;
pub(crate) use signatures::signatures;
pub use spec::{NameSource, ProbeSpec, TlsSpec, VerifiedName};
pub use trouble::{Bar, IcmpReason, LocalFault, LocalNetworkFault, Obstacle, Shortage, Trouble};
pub use trust::{AcceptedPath, ClientCertificate, Trust, TrustMode};
pub use unusable::UnusableMaterial;
