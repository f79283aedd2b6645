//! Certificate chains as they are judged, without a handshake: a workshop that makes them, and what each one says.

mod cases;
mod table;
mod hostile;
mod random;
mod remembered;
mod served;
mod workshop;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backend_health_exporter::probe::{
    Expectation, Fault, Host, NameSource, Observation, Phases, ProbeSpec, Protocol, TlsFacts, TlsFault, TlsSpec, Trust,
    VerifiedName,
};
use backend_health_exporter::verdict::{Verdict, judge};
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;

/// Everything is validated.
pub fn tls(trust: Trust, name: &str) -> TlsSpec {
    TlsSpec {
        name: VerifiedName::of(&Arc::from(name)),
        name_source: NameSource::SniName,
        trust: Arc::new(trust),
        client_certificate: None,
        validate_chain: true,
        validate_name: true,
        expiry_warning: Duration::from_hours(24 * 21),
    }
}

/// A TLS probe of a port of this host.
pub fn probe(tls: TlsSpec, port: u16) -> ProbeSpec {
    ProbeSpec {
        expectation: Arc::new(Expectation { status_codes: Vec::new(), ..Expectation::default() }),
        tls: Some(tls),
        ..ProbeSpec::new(Protocol::Tls, Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)), port, Duration::from_secs(20))
    }
}

/// What webpki says.
pub fn is_refused(tls: &TlsSpec, facts: &TlsFacts) -> bool {
    (tls.validate_chain && facts.path.as_ref().is_none_or(Result::is_err))
        || (tls.validate_name && facts.name.as_ref().is_none_or(Result::is_err))
}

/// The verdict that a handshake with this chain would end in.
pub fn verdict(tls: &TlsSpec, chain: &[CertificateDer<'static>], at: SystemTime) -> Verdict {
    let facts = TlsFacts::of_chain(tls, chain, at);
    judge(&probe(tls.clone(), 443), &observation(tls, facts, at))
}

/// What a handshake shows that showed these facts.
pub fn observation(tls: &TlsSpec, facts: TlsFacts, at: SystemTime) -> Observation {
    let error = rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
    let fault = is_refused(tls, &facts).then_some(Fault::Tls(TlsFault::Rustls(error)));
    ended_in(fault, facts, at)
}

pub fn verdict_on(tls: &TlsSpec, facts: TlsFacts, fault: Option<Fault>, at: SystemTime) -> Verdict {
    judge(&probe(tls.clone(), 443), &ended_in(fault, facts, at))
}

fn ended_in(fault: Option<Fault>, facts: TlsFacts, at: SystemTime) -> Observation {
    Observation {
        at,
        duration: Duration::ZERO,
        phases: Phases::default(),
        address: None,
        failed_addresses: Vec::new(),
        stale: None,
        tls: Some(Box::new(facts)),
        response: None,
        fault,
        scan: None,
    }
}
