//! A table with a row of every kind, made by booking verdicts at fixed times.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backend_health_exporter::health::HealthTable;
use backend_health_exporter::probe::{
    Host, NameSource, Protocol, Request, Stage, TlsSpec, Trust, TrustMode, VerifiedName,
};
use backend_health_exporter::target::{Target, TargetId};
use backend_health_exporter::verdict::{
    Attempt, Cause, Code, Evidence, Finding, Notice, PresentedChain, ResponseSummary, Verdict,
};

use crate::sample;

/// What an attacker would like to see in somebody's JSON.
pub(crate) const HOSTILE: &str =
    "\"}]<script>alert(1)</script>\\u0000 \0\r\n\t\u{1b}[31m \u{2028}\u{202e}\u{7f} ü🦀 \\";

/// Five rows: Healthy with a warning, an expired certificate, a wrong status, a name that does not resolve, a new one.
pub(crate) fn sample() -> Arc<HealthTable> {
    let targets = [
        secure(0x11, "10.0.0.4"),
        secure(0x12, "10.0.0.5"),
        Arc::new(plain(0x13, "web", "http-80", "2001:db8::7", Protocol::Http)),
        Arc::new(plain(0x14, "data", "tcp", "db.example.com", Protocol::Tcp)),
        Arc::new(plain(0x15, "mail", "smtp", "mx.example.com", Protocol::Tcp)),
    ];
    let table = HealthTable::new();
    table.replace(&targets, at(60));
    for (seconds, (target, verdict)) in (0..).zip([
        (&targets[0], with_warning()),
        (&targets[1], sample::success(Protocol::Https)),
        (&targets[1], expired()),
        (&targets[1], expired()),
        (&targets[1], expired()),
        (&targets[2], wrong_status()),
        (&targets[3], without_address()),
        (&targets[3], with_attempt()),
    ]) {
        table.record(target, verdict, at(20 - seconds));
    }
    Arc::new(table)
}

fn at(seconds_ago: u64) -> SystemTime {
    sample::now() - Duration::from_secs(seconds_ago)
}

fn plain(id: u64, pool: &str, setting: &str, server: &str, protocol: Protocol) -> Target {
    let mut target = Arc::unwrap_or_clone(sample::new_row(pool, setting, server, protocol).target);
    target.id = TargetId(id);
    target.probe.server = server.parse().map_or_else(|_| Host::Name(server.into()), Host::Ip);
    target.probe.request = protocol.has(Stage::Http).then(|| Request::new("app.example.com", "/healthz"));
    target
}

fn secure(id: u64, server: &str) -> Arc<Target> {
    let mut target = plain(id, "web", "https-443", server, Protocol::Https);
    target.probe.tls = Some(TlsSpec {
        name: VerifiedName::of(&"app.example.com".into()),
        name_source: NameSource::ProbeHost,
        trust: Arc::new(Trust::new(TrustMode::Configured, Vec::new(), Vec::new()).unwrap()),
        client_certificate: None,
        validate_chain: true,
        validate_name: true,
        expiry_warning: Duration::from_hours(21 * 24),
    });
    Arc::new(target)
}

fn with_warning() -> Verdict {
    let success = sample::success(Protocol::Https);
    Verdict {
        warnings: vec![Finding::new(Code::Notice(Notice::CertExpiresSoon), "the certificate ends in 20 days")],
        evidence: Evidence { chain: Some(sample::chain("CN=app.example.com,O=Corp", 3)), ..success.evidence },
        ..success
    }
}

fn expired() -> Verdict {
    let failure =
        sample::failure(Protocol::Https, Cause::CertExpired, &format!("the certificate of {HOSTILE} has ended"));
    let mut chain = PresentedChain::clone(&sample::chain(&format!("CN={HOSTILE}"), 2));
    chain.certificates[0].faults = vec![Cause::CertExpired, Cause::CertNameMismatch];
    chain.certificates[0].ip_addresses = vec!["2001:db8::7".parse().unwrap()];
    Verdict {
        also: vec![Finding::new(Cause::CertNameMismatch, "app.example.com is not among its names")],
        evidence: Evidence { tls: Some(sample::SESSION), chain: Some(Arc::new(chain)), ..failure.evidence },
        ..failure
    }
}

fn wrong_status() -> Verdict {
    let failure = sample::failure(Protocol::Http, Cause::HttpStatusMismatch, "expected 200-399, received 503");
    let response = ResponseSummary { status: 503, version: "HTTP/1.1", body_excerpt: HOSTILE.to_owned() };
    Verdict { evidence: Evidence { response: Some(response), ..failure.evidence }, ..failure }
}

fn without_address() -> Verdict {
    let failure = sample::failure(Protocol::Tcp, Cause::DnsNameNotFound, "db.example.com does not exist");
    Verdict { evidence: Evidence { address: None, ..failure.evidence }, ..failure }
}

/// Our own trouble, after an address that could not be connected to.
fn with_attempt() -> Verdict {
    let failure = sample::failure(Protocol::Tcp, Cause::LocalNetwork, "no route");
    let attempt = Attempt {
        address: SocketAddr::from(([10, 0, 0, 9], 8080)),
        cause: Cause::TcpRefused,
        detail: "nothing listens".to_owned(),
    };
    Verdict { evidence: Evidence { attempts: vec![attempt], ..failure.evidence }, ..failure }
}
