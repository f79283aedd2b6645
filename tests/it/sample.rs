//! Snapshots made by hand, for everything that renders one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backend_health_exporter::discovery::Server;
use backend_health_exporter::health::{Configuration, LatencyHistogram, PoolTotals, Row, Snapshot, State};
use backend_health_exporter::probe::{ProbeSpec, Protocol, Stage};
use backend_health_exporter::target::Target;
use backend_health_exporter::verdict::{
    Cause, Evidence, Finding, Phases, PresentedCertificate, PresentedChain, ResponseSummary, Role, TlsSession, Verdict,
};
use backend_health_exporter::view::page;
use backend_health_exporter::view::page::Place;

/// 2026-11-22 03:12:05 UTC: when every sample is looked at.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_317_125)
}

pub const SESSION: TlsSession = TlsSession { version: "TLS 1.3", cipher: "TLS_AES_128_GCM_SHA256" };

/// The rows, and the totals of the pools and settings that they name.
pub fn snapshot(rows: Vec<Row>) -> Arc<Snapshot> {
    let mut pools: Vec<Arc<PoolTotals>> = Vec::new();
    for Row { target, .. } in &rows {
        if !pools.iter().any(|known| known.pool == target.pool && known.setting == target.setting) {
            let possible = Cause::ALL.iter().filter(|cause| cause.possible_for(target.protocol()));
            pools.push(Arc::new(PoolTotals {
                pool: target.pool.clone(),
                setting: target.setting.clone(),
                failures: possible.map(|cause| (*cause, 0)).collect(),
                latency: LatencyHistogram::default(),
            }));
        }
    }
    let configuration = Configuration { loaded_at: now() - Duration::from_hours(3), error: None };
    Arc::new(Snapshot { at: now(), revision: 1, changed_at: now(), configuration, rows: rows.into(), pools })
}

/// The page `/` of these rows.
pub fn page(rows: Vec<Row>) -> String {
    page_of(&snapshot(rows))
}

pub fn page_of(snapshot: &Snapshot) -> String {
    asked(snapshot, "").expect("nothing is asked for")
}

/// A page in which nothing keeps words of code in one line.
pub fn without_kept_words(page: &str) -> String {
    let mut parts = page.split("<span class=\"nb\">");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| whole + &part.replacen("</span>", "", 1))
}

/// The page for this query, or what it says is wrong with it.
pub fn asked(snapshot: &Snapshot, query: &str) -> Result<String, String> {
    page::render(snapshot, Place { root: ".", metrics_path: "/metrics" }, Some(query), 0)
}

/// A row that no probe has ended for, on port 8080.
pub fn new_row(pool: &str, setting: &str, server: &str, protocol: Protocol) -> Row {
    let host = Server::parse("10.0.0.1").expect("this is an address").host;
    let target = Target {
        pool: pool.into(),
        setting: setting.into(),
        unhealthy_threshold: 3,
        ..Target::single(server.into(), ProbeSpec::new(protocol, host, 8080, Duration::from_secs(30)))
    };
    Row {
        target: Arc::new(target),
        state: State::Unknown,
        since: now() - Duration::from_secs(5),
        cause: Some(finding(Cause::NotProbedYet, "the first probe has not ended yet")),
        consecutive_failures: 0,
        consecutive_successes: 0,
        probes: 0,
        failures: Vec::new(),
        transitions: [0; 3],
        last_transition: None,
        last_probe: None,
        history: Arc::default(),
        timeline: Arc::default(),
        advanced_at: None,
        presented: None,
    }
}

/// A row whose one probe succeeded, an hour ago.
pub fn healthy_row(pool: &str, setting: &str, server: &str, protocol: Protocol) -> Row {
    Row {
        state: State::Healthy,
        since: now() - Duration::from_hours(1),
        cause: None,
        probes: 1,
        transitions: [1, 0, 0],
        last_transition: Some(now() - Duration::from_hours(1)),
        last_probe: Some(Arc::new(success(protocol))),
        ..new_row(pool, setting, server, protocol)
    }
}

/// A row that failed its threshold of probes, the last one with `cause`.
pub fn unhealthy_row(pool: &str, setting: &str, server: &str, protocol: Protocol, cause: Cause, detail: &str) -> Row {
    Row {
        state: State::Unhealthy,
        since: now() - Duration::from_mins(2),
        cause: Some(finding(cause, detail)),
        consecutive_failures: 3,
        probes: 12,
        failures: vec![(cause, 3)],
        transitions: [1, 1, 0],
        last_transition: Some(now() - Duration::from_mins(2)),
        last_probe: Some(Arc::new(failure(protocol, cause, detail))),
        ..new_row(pool, setting, server, protocol)
    }
}

pub fn finding(cause: Cause, detail: &str) -> Arc<Finding<Cause>> {
    Arc::new(Finding::new(cause, detail))
}

pub fn success(protocol: Protocol) -> Verdict {
    let spent = |micros, has| if has { Duration::from_micros(micros) } else { Duration::ZERO };
    let response = ResponseSummary { status: 200, version: "HTTP/1.1", body_excerpt: "ok".to_owned() };
    Verdict {
        cause: None,
        also: Vec::new(),
        warnings: Vec::new(),
        evidence: Evidence {
            at: now() - Duration::from_millis(12_250),
            duration: Duration::from_micros(15_200),
            phases: Phases {
                dns: Duration::ZERO,
                connect: Duration::from_micros(1_200),
                tls: spent(3_000, protocol.has(Stage::Tls)),
                first_byte: spent(10_000, protocol.has(Stage::Http)),
                transfer: spent(1_000, protocol.has(Stage::Http)),
            },
            address: Some(SocketAddr::from(([10, 0, 0, 1], 8080))),
            attempts: Vec::new(),
            response: protocol.has(Stage::Http).then_some(response),
            tls: protocol.has(Stage::Tls).then_some(SESSION),
            verified: protocol.has(Stage::Tls),
            chain: None,
        },
    }
}

/// A probe that got no response.
pub fn failure(protocol: Protocol, cause: Cause, detail: &str) -> Verdict {
    let Verdict { evidence, .. } = success(protocol);
    Verdict {
        cause: Some(Finding::new(cause, detail)),
        also: Vec::new(),
        warnings: Vec::new(),
        evidence: Evidence { response: None, tls: None, verified: false, ..evidence },
    }
}

/// A chain of `length` certificates: the leaf, intermediates, the root.
pub fn chain(subject: &str, length: usize) -> Arc<PresentedChain> {
    let certificate = |position: usize| PresentedCertificate {
        position,
        on_path: true,
        role: match position {
            0 => Role::Leaf,
            _ if position + 1 == length => Role::Root,
            _ => Role::Intermediate,
        },
        subject: subject.to_owned(),
        issuer: "CN=Issuing CA,O=Corp".to_owned(),
        serial: "0a1b2c".to_owned(),
        fingerprint_sha256: "5e".repeat(32),
        not_before: now() - Duration::from_hours(24 * 30),
        not_after: now() + Duration::from_hours(24 * 60),
        dns_names: vec!["app.example.com".to_owned()],
        ip_addresses: Vec::new(),
        public_key: "EC P-256".to_owned(),
        signature_algorithm: "ecdsa-with-SHA256".to_owned(),
        faults: Vec::new(),
    };
    Arc::new(PresentedChain { certificates: (0..length).map(certificate).collect(), trusted_root: None })
}
