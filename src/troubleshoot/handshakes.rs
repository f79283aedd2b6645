//! What a server can do in TLS: versions and cipher suites, each tried by itself, application protocols, whether it needs a
//! name, which client certificates it asks for, and the chain as it should be.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::probe::scan::flight::Flight;
use crate::probe::scan::{Greeting, Reply, suites_of};
use crate::probe::{ConnectFault, Exploration, ProbeSpec, Prober, TlsFacts, TlsSpec, VerifiedName, Wish};
use crate::verdict::{RightLink, right_chain};

/// What one address of the server can do.
#[derive(Clone, Debug)]
pub struct Handshakes {
    pub address: SocketAddr,
    /// From TLS 1.0 to TLS 1.3.
    pub versions: Vec<VersionFacts>,
    /// A whole handshake, with the name as the probe sends it.
    pub usual: Result<Exploration, ConnectFault>,
    /// The same without the name; `None` when there is no name to send.
    pub without_name: Option<Result<Exploration, ConnectFault>>,
    /// The same with an offer of HTTP/2 and HTTP/1.1.
    pub with_protocols: Result<Exploration, ConnectFault>,
    /// The server's own first.
    pub right_chain: Vec<RightLink>,
}

/// One version of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionFacts {
    /// `0x0301` is TLS 1.0, `0x0304` TLS 1.3.
    pub version: u16,
    pub support: Support,
}

/// Whether the server takes a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support {
    Accepted {
        /// IANA's numbers, in the order in which the server chose them.
        suites: Vec<u16>,
        /// There may be more.
        is_cut_short: bool,
        /// Of the group for the key exchange, IANA's number.
        group: Option<u16>,
        /// Of TLS before 1.3, where it is in clear.
        client_certificate_requested: bool,
    },
    /// It answers with an alert, whose number this is.
    Alert(u8),
    /// It chooses another version.
    Other(u16),
    /// It ends the connection.
    Closed,
    Silent,
    /// It answers with something else; the first bytes.
    NotTls(Vec<u8>),
    /// No connection opened, or there was no time left.
    NotTried,
}

impl Support {
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }
}

pub(super) async fn explore(
    prober: &Prober,
    spec: &ProbeSpec,
    tls: &TlsSpec,
    address: SocketAddr,
    deadline: Instant,
) -> Handshakes {
    let explorer = Explorer { prober, spec, tls, address, deadline };
    let own = spec.protocol.row().alpn;
    let usual = explorer.shake(own, true).await;
    // A server that says nothing at all is not asked fifty times more.
    let is_mute = usual.as_ref().is_ok_and(|usual| usual.fault.is_some() && usual.facts.received.is_empty());
    let without_name = async {
        match &tls.name {
            VerifiedName::Dns(_) => Some(explorer.shake(own, false).await),
            VerifiedName::Ip(_) => None,
        }
    };
    let (without_name, with_protocols, tls10, tls11, tls12, tls13) = tokio::join!(
        without_name,
        explorer.shake(&["h2", "http/1.1"], true),
        explorer.version(0x0301, is_mute),
        explorer.version(0x0302, is_mute),
        explorer.version(0x0303, is_mute),
        explorer.version(0x0304, is_mute),
    );
    let versions: Vec<(VersionFacts, Flight)> = vec![tls10, tls11, tls12, tls13];
    let chain_of_old = || {
        // A server of TLS 1.0 shows its chain in clear, though rustls does not speak with it.
        let flight = versions.iter().map(|(_, flight)| flight).find(|flight| !flight.certificates.is_empty())?;
        Some(TlsFacts::of_chain(tls, &flight.certificates, SystemTime::now()))
    };
    let facts = usual.as_ref().ok().map(|usual| usual.facts.clone()).filter(|facts| !facts.chain.is_empty());
    let right_chain = facts.or_else(chain_of_old).map(|facts| right_chain(tls, &facts, SystemTime::now()));
    Handshakes {
        address,
        versions: versions.into_iter().map(|(facts, _)| facts).collect(),
        usual,
        without_name,
        with_protocols,
        right_chain: right_chain.unwrap_or_default(),
    }
}

struct Explorer<'a> {
    prober: &'a Prober,
    spec: &'a ProbeSpec,
    tls: &'a TlsSpec,
    address: SocketAddr,
    deadline: Instant,
}

impl Explorer<'_> {
    /// `None` when there is no time left.
    fn patience(&self) -> Option<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        (left > SHORTEST).then(|| left.min(PATIENCE))
    }

    async fn shake(&self, protocols: &[&str], with_name: bool) -> Result<Exploration, ConnectFault> {
        let patience = self.patience().ok_or(ConnectFault::Timeout)?;
        let wish = Wish { protocols, with_name, with_every_scheme: false };
        self.prober.explore(self.spec, self.tls, wish, self.address, patience).await
    }

    async fn greet(&self, version: u16, suites: &[u16]) -> Option<Reply> {
        let patience = self.patience()?;
        let greeting = Greeting { name: Some(&self.tls.name), version, suites };
        self.prober.greet(self.spec, &greeting, self.address, patience).await.ok()
    }

    /// Offers all suites of a version, then all but the one that was chosen, and so on.
    async fn version(&self, version: u16, is_mute: bool) -> (VersionFacts, Flight) {
        let mut left = suites_of(version);
        let first = if is_mute { None } else { self.greet(version, &left).await };
        let Some(first) = first else {
            let support = if is_mute { Support::Silent } else { Support::NotTried };
            return (VersionFacts { version, support }, Flight::default());
        };
        let flight = first.flight.clone();
        let support = match (first.flight.hello, first.flight.alert) {
            (Some(hello), _) if hello.version != version => Support::Other(hello.version),
            (Some(hello), _) => {
                let mut suites = vec![hello.suite];
                let mut is_cut_short = false;
                loop {
                    left.retain(|suite| !suites.contains(suite));
                    if suites.len() >= MOST_SUITES || left.is_empty() {
                        is_cut_short = !left.is_empty();
                        break;
                    }
                    let Some(reply) = self.greet(version, &left).await else {
                        is_cut_short = true;
                        break;
                    };
                    match reply.flight.hello {
                        Some(hello) if hello.version == version && left.contains(&hello.suite) => {
                            suites.push(hello.suite);
                        }
                        Some(_) => break,
                        None => {
                            is_cut_short = reply.is_unfinished;
                            break;
                        }
                    }
                }
                Support::Accepted {
                    suites,
                    is_cut_short,
                    group: hello.group.or(flight.key_exchange_group),
                    client_certificate_requested: flight.client_certificate_requested,
                }
            }
            (None, Some(alert)) => Support::Alert(alert),
            (None, None) => match first.first.as_slice() {
                [] if first.is_unfinished => Support::Silent,
                [] | [22, 3, ..] => Support::Closed,
                other => Support::NotTls(other.to_vec()),
            },
        };
        (VersionFacts { version, support }, flight)
    }
}

/// For one connection.
const PATIENCE: Duration = Duration::from_secs(3);

const SHORTEST: Duration = Duration::from_millis(20);

/// Of one version that are found out.
const MOST_SUITES: usize = 24;
