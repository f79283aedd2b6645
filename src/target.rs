//! `expand`: pool × server × settings → [`Target`]. Pure.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{BackendSettings, Config, Pool};
use crate::discovery::{Host, Lists, Server};
pub use crate::probe::{NameSource, Protocol, TrustMode, VerifiedName};
use crate::probe::{ProbeSpec, Request, Stage, TlsSpec};
use crate::words;

/// Identity of a row that survives reloads and restarts: a hash of pool, setting and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetId(pub u64);

impl TargetId {
    fn of(pool: &str, setting: &str, server: &str) -> Self {
        let digest = words::sha256_of_parts([pool.as_bytes(), setting.as_bytes(), server.as_bytes()]);
        Self(digest[..8].iter().fold(0, |id, byte| id << 8 | u64::from(*byte)))
    }
}

impl TargetId {
    /// Reads what [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_one = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u64::from_str_radix(text, 16).ok().filter(|_| is_one).map(Self)
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One row: a server of a pool under a setting, with all that its probe needs. Compared whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub id: TargetId,
    pub pool: Arc<str>,
    pub setting: Arc<str>,
    /// As written, without brackets.
    pub server: Arc<str>,
    pub interval: Duration,
    /// The interval after a failed probe, and while the row is not Healthy; mostly the same one.
    pub unhealthy_interval: Duration,
    pub healthy_threshold: u32,
    pub unhealthy_threshold: u32,
    /// As configured for the pool; changes no state.
    pub min_servers: Option<u32>,
    pub probe: ProbeSpec,
}

/// Every row of a configuration whose pools have these servers, in the file's order: pools, then servers, then settings.
#[must_use]
pub fn expand(config: &Config, lists: &Lists) -> Vec<Arc<Target>> {
    config
        .pools
        .iter()
        .flat_map(|pool| lists.servers(&pool.name).iter().map(move |server| (pool, server)))
        .flat_map(|(pool, server)| pool.settings.iter().map(move |settings| (pool, server, settings)))
        .map(|(pool, server, settings)| Arc::new(target(config, pool, server, settings)))
        .collect()
}

/// The rows that a pool has, or would have, under a backend setting.
#[must_use]
pub fn expand_under(config: &Config, lists: &Lists, pool: &Pool, settings: &BackendSettings) -> Vec<Arc<Target>> {
    lists.servers(&pool.name).iter().map(|server| Arc::new(target(config, pool, server, settings))).collect()
}

fn target(config: &Config, pool: &Pool, server: &Server, settings: &BackendSettings) -> Target {
    let probe = &settings.probe;
    let host = host_header(server, settings);
    let request = settings.protocol.has(Stage::Http).then(|| Request { host, ask: probe.ask.clone() });
    let tls = settings.trust.as_ref().map(|trust| {
        let (name, source) = verified_name(server, settings);
        TlsSpec {
            name,
            name_source: source,
            trust: trust.clone(),
            client_certificate: settings.client_certificate.clone(),
            validate_chain: settings.validate_cert_chain_and_expiry,
            validate_name: settings.validate_sni,
            expiry_warning: config.certificate_expiry_warning,
        }
    });
    Target {
        id: TargetId::of(&pool.name, &settings.name, &server.written),
        pool: pool.name.clone(),
        setting: settings.name.clone(),
        server: server.written.clone(),
        interval: probe.interval,
        unhealthy_interval: probe.unhealthy_interval.unwrap_or(probe.interval),
        healthy_threshold: probe.healthy_threshold,
        unhealthy_threshold: probe.unhealthy_threshold,
        min_servers: pool.min_servers,
        probe: ProbeSpec {
            protocol: settings.protocol,
            server: server.host.clone(),
            port: probe.port.unwrap_or(settings.port),
            timeout: probe.timeout,
            request,
            expectation: probe.expectation.clone(),
            proxy_protocol: probe.enable_probe_proxy_protocol_header,
            tls,
        },
    }
}

/// The Host header: the probe's host, else the setting's host name, else (custom probe) the server as written, else
/// 127.0.0.1. Without a port; an IPv6 address in brackets (RFC 9110, section 7.2).
fn host_header(server: &Server, settings: &BackendSettings) -> Arc<str> {
    let probe = &settings.probe;
    let own_name = || match server.host {
        Host::Ip(ip @ std::net::IpAddr::V6(_)) => words::bracketed(&ip.to_string()).into(),
        Host::Ip(_) | Host::Name(_) => server.written.clone(),
    };
    if settings.pick_host_name_from_backend_address {
        return own_name();
    }
    match (&probe.host, &settings.host_name) {
        (Some(host), _) | (None, Some(host)) => host.clone(),
        (None, None) if probe.name.is_some() => own_name(),
        (None, None) => "127.0.0.1".into(),
    }
}

/// The name sent as SNI and validated: `sni_name`, else the probe's host, else the setting's host name, else the
/// server's own name.
fn verified_name(server: &Server, settings: &BackendSettings) -> (VerifiedName, NameSource) {
    let own = match &server.host {
        Host::Ip(ip) => VerifiedName::Ip(*ip),
        Host::Name(name) => VerifiedName::Dns(name.clone()),
    };
    let candidates = [
        (settings.sni_name.as_ref(), NameSource::SniName),
        (settings.probe.host.as_ref(), NameSource::ProbeHost),
        (settings.host_name.as_ref(), NameSource::SettingHostName),
    ];
    if settings.pick_host_name_from_backend_address && settings.sni_name.is_none() {
        return (own, NameSource::Server);
    }
    candidates
        .into_iter()
        .find_map(|(name, source)| Some((VerifiedName::of(name?), source)))
        .unwrap_or((own, NameSource::Server))
}

impl Target {
    /// A row of no pool, asked by nobody's clock: its first result decides.
    #[must_use]
    pub fn single(server: Arc<str>, probe: ProbeSpec) -> Self {
        Self {
            id: TargetId(0),
            pool: "".into(),
            setting: "".into(),
            server,
            interval: probe.timeout,
            unhealthy_interval: probe.timeout,
            healthy_threshold: 1,
            unhealthy_threshold: 1,
            min_servers: None,
            probe,
        }
    }

    /// Whether a verdict under `other` still says something of this row: the same question to the same server, though
    /// perhaps at other times or with newer certificates of ours.
    #[must_use]
    pub fn asks_the_same_as(&self, other: &Self) -> bool {
        let mut normal = other.clone();
        normal.interval = self.interval;
        normal.unhealthy_interval = self.unhealthy_interval;
        normal.healthy_threshold = self.healthy_threshold;
        normal.unhealthy_threshold = self.unhealthy_threshold;
        normal.min_servers = self.min_servers;
        normal.probe.timeout = self.probe.timeout;
        if let (Some(theirs), Some(ours)) = (&mut normal.probe.request, &self.probe.request)
            && ours.ask.asks_the_same_as(&theirs.ask)
        {
            theirs.ask = ours.ask.clone();
        }
        if let (Some(theirs), Some(ours)) = (&mut normal.probe.tls, &self.probe.tls) {
            theirs.trust = ours.trust.clone();
            theirs.client_certificate.clone_from(&ours.client_certificate);
            theirs.expiry_warning = ours.expiry_warning;
        }
        normal == *self
    }

    /// The port that is really probed.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.probe.port
    }

    /// The name that the certificate must be for, when the protocol has certificates; sent as SNI unless it is an IP
    /// address.
    #[must_use]
    pub fn verified_name(&self) -> Option<&VerifiedName> {
        self.probe.tls.as_ref().map(|tls| &tls.name)
    }

    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.probe.protocol
    }

    /// The CPU time that a probe takes, in plain probes, roughly.
    #[must_use]
    pub fn effort(&self) -> u64 {
        const HANDSHAKE: u64 = 4;
        if self.protocol().has(Stage::Tls) { HANDSHAKE } else { 1 }
    }
}
