//! The judgement itself: what each fact means, stage by stage.

use std::sync::Arc;

use rustls::InvalidMessage;

use super::chain::Reading;
use super::diagnosis::Diagnosis;
use super::text::quoted;
use super::{
    Attempt, Case, Cause, Code, Evidence, Facts, Finding, Notice, PresentedChain, ResponseSummary, Slot, Verdict,
    certificate_notices, handshake, http, showing, trouble,
};
use crate::probe::{
    AfterProxyLine, ConnectFault, DnsFault, FailedAddress, Fault, LocalFault, Observation, ProbeSpec, TlsFacts,
    TlsFault,
};
use crate::words::{rough, took};

/// Bytes of a body that the report keeps.
const EXCERPT: usize = 256;

/// What one probe says about its row.
#[must_use]
pub fn judge(spec: &ProbeSpec, observation: &Observation) -> Verdict {
    let reading = match (&observation.tls, &observation.scan) {
        // Certificates that only the extra ClientHello drew are evidence, too; nothing was verified with them.
        (Some(facts), Some(scan)) if facts.chain.is_empty() => Reading::of(&scan.flight.certificates),
        (Some(facts), _) => Reading::of(&facts.chain),
        (None, _) => Reading::default(),
    };
    let certificates = Certificates::of(spec, observation, &reading);
    conclude(spec, observation, &reading, certificates)
}

/// The same when the certificates are known, and there is nothing to say of them.
pub(super) fn judge_spotless(spec: &ProbeSpec, observation: &Observation, chain: Arc<PresentedChain>) -> Verdict {
    let certificates = Certificates { chain: Some(chain), ..Certificates::default() };
    conclude(spec, observation, &Reading::default(), certificates)
}

/// What the certificates say.
#[derive(Default)]
struct Certificates {
    findings: Vec<Finding<Cause>>,
    warnings: Vec<Finding<Code>>,
    /// Why the first of them could not be used for the handshake.
    handshake: Option<Finding<Cause>>,
    chain: Option<Arc<PresentedChain>>,
}

impl Certificates {
    fn of(spec: &ProbeSpec, observation: &Observation, reading: &Reading<'_>) -> Self {
        let mut diagnosis = Diagnosis::default();
        let mut findings = Vec::new();
        let mut warnings = Vec::new();
        if let (Some(tls), Some(facts)) = (&spec.tls, &observation.tls) {
            diagnosis = Diagnosis::of(tls, facts, reading, observation.at);
            let named: Vec<_> = diagnosis.name_fault.iter().cloned().collect();
            for (faults, validated) in [(&diagnosis.path_faults, tls.validate_chain), (&named, tls.validate_name)] {
                let faults = faults.iter().map(|fault| fault.finding(reading));
                if validated {
                    findings.extend(faults);
                } else {
                    warnings.extend(faults.map(as_warning));
                }
            }
            let ended_in = match &observation.fault {
                Some(Fault::Tls(TlsFault::Rustls(error @ rustls::Error::InvalidCertificate(_))))
                    if findings.is_empty() =>
                {
                    Some(error)
                }
                _ => None,
            };
            // The handshake's signature is verified whatever else was found; that of another than the first certificate is
            // no fault of its own.
            let is_anothers =
                findings.iter().any(|finding| matches!(finding.code, Cause::CertLeafMissing | Cause::CertLeafNotFirst));
            let unsigned =
                facts.signature.as_ref().filter(|_| !is_anothers).and_then(|signature| signature.as_ref().err());
            if let Some(error) = unsigned.or(ended_in) {
                diagnosis.add_handshake_fault(error, reading);
            }
            if observation.fault.is_none() {
                warnings.extend(certificate_notices::of(tls, facts, reading, &diagnosis, observation.at));
            }
        }
        let trust = spec.tls.as_ref().map(|tls| &*tls.trust);
        let chain = (!reading.sent.is_empty()).then(|| {
            let first_signed = observation.tls.as_ref().is_some_and(|facts| facts.is_signed_by_first());
            let leaf = diagnosis.leaf.or(reading.leaf(first_signed));
            let on_path = diagnosis.on_path(trust, reading);
            Arc::new(reading.present(leaf, &diagnosis.elements(), &on_path, diagnosis.trusted_root(trust)))
        });
        let handshake = diagnosis.handshake_fault.as_ref().map(|fault| fault.finding(reading));
        Self { findings, warnings, handshake, chain }
    }
}

fn conclude(spec: &ProbeSpec, observation: &Observation, reading: &Reading<'_>, certificates: Certificates) -> Verdict {
    let Certificates { mut findings, mut warnings, handshake, chain } = certificates;
    match &observation.fault {
        // The chain's own faults say it better than the handshake's end that they caused.
        Some(Fault::Tls(_)) if let Some(fault) = handshake => {
            // It makes the certificate unusable, which weighs more than what is wrong with path and name.
            let weightier = findings.iter().take_while(|finding| finding.code < Cause::CertInvalid).count();
            if findings.iter().all(|finding| finding.detail != fault.detail) {
                findings.insert(weightier, fault);
            }
        }
        Some(Fault::Tls(_)) if !findings.is_empty() => {}
        Some(fault) => findings.insert(0, of_fault(spec, observation, reading, fault)),
        None => {}
    }
    if let Some(response) = &observation.response {
        let found = http::of_response(spec, observation.tls.as_deref(), response, observation.fault.is_none());
        // A server that says what is wrong, and then breaks off, has said why.
        let is_broken_off = matches!(observation.fault, Some(Fault::Http(_)));
        let found = found.into_iter().filter(|finding| findings.iter().all(|other| other.code != finding.code));
        let found: Vec<_> = found.collect();
        let place = if is_broken_off { 0 } else { findings.len() };
        findings.splice(place..place, found);
        warnings.extend(http::notices(response).map(|(code, detail)| notice(code, detail)));
    }
    warnings.extend(network_warnings(observation));
    let mut findings = findings.into_iter();
    Verdict { cause: findings.next(), also: findings.collect(), warnings, evidence: evidence(spec, observation, chain) }
}

fn evidence(spec: &ProbeSpec, observation: &Observation, chain: Option<Arc<PresentedChain>>) -> Evidence {
    let handshake_held = !matches!(observation.fault, Some(Fault::Tls(_)));
    let accepted = |facts: &TlsFacts| matches!((&facts.path, &facts.name), (Some(Ok(_)), Some(Ok(()))));
    let excerpt = |body: &[u8]| {
        let mut text = String::from_utf8_lossy(&body[..body.len().min(EXCERPT)]).into_owned();
        // A byte that is no UTF-8 became a sign of three.
        text.truncate(text.floor_char_boundary(EXCERPT));
        text
    };
    Evidence {
        at: observation.at,
        duration: observation.duration,
        phases: observation.phases,
        address: observation.address,
        attempts: attempts(spec, observation),
        response: observation.response.as_ref().map(|response| ResponseSummary {
            status: response.status,
            version: response.version,
            body_excerpt: excerpt(&response.body),
        }),
        tls: observation.tls.as_ref().and_then(|facts| handshake::session(facts)),
        verified: handshake_held && observation.tls.as_deref().is_some_and(accepted),
        chain,
    }
}

fn attempts(spec: &ProbeSpec, observation: &Observation) -> Vec<Attempt> {
    let of = |failed: &FailedAddress| {
        let (cause, detail) = of_attempt(spec, &failed.address.to_string(), &failed.fault);
        Attempt { address: failed.address, cause, detail }
    };
    observation.failed_addresses.iter().map(of).collect()
}

fn as_warning(finding: Finding<Cause>) -> Finding<Code> {
    finding.into_code()
}

fn notice(code: Notice, detail: String) -> Finding<Code> {
    Finding::new(Code::Notice(code), detail)
}

fn of_fault(spec: &ProbeSpec, observation: &Observation, reading: &Reading<'_>, fault: &Fault) -> Finding<Cause> {
    let (code, detail) = match fault {
        Fault::Local(fault) => of_local(fault),
        Fault::Dns(fault) => of_dns(spec, fault),
        Fault::Connect(fault) => of_connect(spec, observation, fault),
        Fault::AfterProxyLine(what) => (Cause::ProxyProtocolRejected, after_proxy_line(what)),
        Fault::Tls(fault) => match (&spec.tls, &observation.tls) {
            (Some(tls), Some(facts)) => handshake::judge(tls, facts, fault, spec, observation.scan.as_deref()),
            (None, _) | (_, None) => (Cause::TlsProtocolError, "TLS without a handshake".to_owned()),
        },
        Fault::Http(fault) => http::of_fault(spec, fault, observation.tls.as_deref()),
    };
    if let Fault::Tls(TlsFault::Rustls(rustls::Error::AlertReceived(_))) = fault
        && let Some(weak) = unusable_key(observation, reading)
    {
        return weak;
    }
    let facts = match (fault, reading.sent.first()) {
        (Fault::Tls(fault), Some(first)) if code == Cause::CertInvalid => {
            handshake::facts(fault, observation.tls.as_deref()).and(Facts::of(&first.certificate))
        }
        (Fault::Tls(fault), _) => handshake::facts(fault, observation.tls.as_deref()),
        (Fault::Local(fault), _) => Facts::of_issue(showing::of_local(fault)),
        (Fault::Dns(fault), _) => Facts::of_issue(showing::of_dns(fault)),
        (Fault::Connect(fault), _) => Facts::of_issue(showing::of_connect(fault)),
        (Fault::AfterProxyLine(_) | Fault::Http(_), _) => Facts::default(),
    };
    let is_too_large = matches!(
        fault,
        Fault::Tls(TlsFault::Rustls(rustls::Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge)))
    );
    let case = match (fault, &spec.tls, observation.tls.as_deref()) {
        (Fault::Tls(_), ..) if is_too_large => Some(Case::InvalidForUs),
        (Fault::Tls(fault), Some(tls), Some(facts)) => handshake::case(code, tls, facts, fault),
        (Fault::Http(fault), _, facts) => http::case_of_fault(spec, code, fault, facts),
        (_, _, _) => None,
    };
    Finding::new(code, detail).with(facts).in_case(case)
}

/// The server's certificate, as the extra `ClientHello` drew it, has a key that no handshake of ours can be signed with.
fn unusable_key(observation: &Observation, reading: &Reading<'_>) -> Option<Finding<Cause>> {
    observation.scan.as_ref()?;
    let certificate =
        &reading.sent.first().filter(|_| observation.tls.as_ref().is_some_and(|tls| tls.chain.is_empty()))?.certificate;
    let detail = format!("{} cannot be used: {}", certificate.title(), certificate.key().weakness_of_server()?);
    Some(Finding::new(Cause::CertInvalid, detail).with(Facts::of(certificate)).in_case(Case::InvalidKey))
}

fn of_local(fault: &LocalFault) -> (Cause, String) {
    let cause = match fault {
        LocalFault::Exhausted(_) => Cause::LocalExhausted,
        LocalFault::Overloaded { .. } => Cause::LocalOverloaded,
        LocalFault::Network(_) => Cause::LocalNetwork,
    };
    (cause, trouble::of_local_fault(fault))
}

fn of_dns(spec: &ProbeSpec, fault: &DnsFault) -> (Cause, String) {
    let cause = match fault {
        DnsFault::NameNotFound | DnsFault::AliasNotFound(_) => Cause::DnsNameNotFound,
        DnsFault::NoAddress | DnsFault::AliasWithoutAddress(_) => Cause::DnsNoAddress,
        DnsFault::Unusable(_) => Cause::DnsUnusableAddress,
        DnsFault::ServerFailure(_) => Cause::DnsServerFailure,
        DnsFault::Timeout => Cause::DnsTimeout,
        DnsFault::LocalExhausted(_) => Cause::LocalExhausted,
        DnsFault::LocalNetwork(_) => Cause::LocalNetwork,
    };
    (cause, format!("{}: {fault}", spec.server))
}

fn of_connect(spec: &ProbeSpec, observation: &Observation, fault: &ConnectFault) -> (Cause, String) {
    let whom = match observation.failed_addresses.iter().rev().find(|failed| &failed.fault == fault) {
        Some(failed) => failed.address.to_string(),
        None => format!("{} port {}", spec.server, spec.port),
    };
    of_attempt(spec, &whom, fault)
}

/// What became of connecting to `whom`.
fn of_attempt(spec: &ProbeSpec, whom: &str, fault: &ConnectFault) -> (Cause, String) {
    match fault {
        ConnectFault::Refused => (Cause::TcpRefused, format!("{whom} refused the connection")),
        ConnectFault::Timeout => (Cause::TcpTimeout, format!("no answer from {whom} within {}", took(spec.timeout))),
        ConnectFault::Unreachable(reason) => {
            (Cause::TcpUnreachable, format!("{whom}: {}", trouble::of_reason(*reason)))
        }
        ConnectFault::Reset => (Cause::TcpReset, format!("{whom} reset the connection while it opened")),
        ConnectFault::Local(fault) => of_local(fault),
    }
}

fn after_proxy_line(what: &AfterProxyLine) -> String {
    match what {
        AfterProxyLine::Closed => "the server closed the connection after the PROXY line".to_owned(),
        AfterProxyLine::Reset => "the server reset the connection after the PROXY line".to_owned(),
        AfterProxyLine::NotTls(bytes) => format!("the server answered the PROXY line with {}", quoted(bytes)),
        AfterProxyLine::Alert(alert) => {
            format!("the server answered the PROXY line with the TLS alert {}", handshake::alert_name(*alert))
        }
    }
}

fn network_warnings(observation: &Observation) -> Vec<Finding<Code>> {
    let stale = observation.stale.iter().map(|stale| {
        let age = rough(stale.age);
        notice(Notice::StaleAddress, format!("the addresses are {age} old, because the lookup fails: {}", stale.fault))
    });
    // Of a single address that did not open the cause says all.
    let none_opened = matches!(observation.fault, Some(Fault::Connect(_) | Fault::Local(_)));
    let cause_says_all = none_opened && observation.failed_addresses.len() == 1;
    let failed = observation.failed_addresses.iter().filter(|_| !cause_says_all).map(|failed| {
        let why = match &failed.fault {
            ConnectFault::Refused => "connection refused".to_owned(),
            ConnectFault::Timeout => "no answer".to_owned(),
            ConnectFault::Unreachable(reason) => trouble::of_obstacle(reason.what).to_owned(),
            ConnectFault::Reset => "reset".to_owned(),
            ConnectFault::Local(fault) => of_local(fault).1,
        };
        notice(Notice::AddressFailed, format!("{}: {why}", failed.address))
            .with(Facts::default().with(Slot::Address, failed.address.ip().to_string()))
    });
    stale.chain(failed).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::SocketAddr;
    use std::time::{Duration, SystemTime};

    use rustls::AlertDescription;

    use super::*;
    use crate::probe::{
        Bar, Host, HttpFault, IcmpReason, LocalNetworkFault, Obstacle, Phases, Protocol, ResponseProgress, Shortage,
        Stale,
    };
    use crate::verdict::ProbeResult;

    /// Without a request and TLS.
    pub(in crate::verdict) fn spec(protocol: Protocol) -> ProbeSpec {
        ProbeSpec::new(protocol, Host::Name("app.example.com".into()), 8443, Duration::from_secs(30))
    }

    pub(in crate::verdict) fn observed(fault: Option<Fault>) -> Observation {
        Observation {
            at: SystemTime::UNIX_EPOCH,
            duration: Duration::from_secs(1),
            phases: Phases::default(),
            address: None,
            failed_addresses: Vec::new(),
            stale: None,
            tls: None,
            response: None,
            fault,
            scan: None,
        }
    }

    fn failed(last: u8, fault: ConnectFault) -> FailedAddress {
        FailedAddress { address: SocketAddr::from(([192, 0, 2, last], 8443)), fault }
    }

    fn icmp(what: Obstacle, from: Option<[u8; 4]>) -> ConnectFault {
        ConnectFault::Unreachable(IcmpReason { what, from: from.map(Into::into) })
    }

    fn said(verdict: &Verdict) -> Option<(Cause, &str)> {
        verdict.cause.as_ref().map(|finding| (finding.code, finding.detail.as_str()))
    }

    /// The cause and its whole detail.
    fn check(fault: Fault, cause: Cause, detail: &str) {
        let (protocol, shown) = (Protocol::Http, format!("{fault:?}"));
        let verdict = judge(&spec(protocol), &observed(Some(fault)));
        assert_eq!(said(&verdict), Some((cause, detail)), "{shown}");
        assert_eq!((verdict.also, verdict.warnings), (Vec::new(), Vec::new()), "{shown}");
    }

    #[test]
    fn our_own_trouble_is_no_verdict() {
        let exhausted = LocalFault::Exhausted(Shortage::ProcessDescriptors);
        let late = LocalFault::Overloaded { late: Duration::from_millis(1500) };
        let network = LocalFault::Network(LocalNetworkFault::Barred(Bar::NoRoute));
        for (fault, cause, detail) in [
            (exhausted, Cause::LocalExhausted, "this process has no file descriptor left"),
            (late, Cause::LocalOverloaded, "this host ran 1.5 s late during the probe"),
            (network, Cause::LocalNetwork, "this host has no route to it"),
        ] {
            for fault in [Fault::Local(fault.clone()), Fault::Connect(ConnectFault::Local(fault))] {
                check(fault.clone(), cause, detail);
                for protocol in Protocol::ALL.iter().copied() {
                    let verdict = judge(&spec(protocol), &observed(Some(fault.clone())));
                    assert_eq!(verdict.result(), ProbeResult::NoVerdict, "{fault:?}");
                }
            }
        }
    }

    #[test]
    fn faults_of_the_resolver_name_the_server() {
        let dns = |fault, cause, said: &str| check(Fault::Dns(fault), cause, &format!("app.example.com: {said}"));
        dns(DnsFault::NameNotFound, Cause::DnsNameNotFound, "the name does not exist (NXDOMAIN)");
        let nothing = "the name exists but has neither an A nor an AAAA record";
        dns(DnsFault::NoAddress, Cause::DnsNoAddress, nothing);
        dns(DnsFault::ServerFailure("it said no".to_owned()), Cause::DnsServerFailure, "it said no");
        dns(DnsFault::Timeout, Cause::DnsTimeout, "no resolver answered in time");
    }

    #[test]
    fn faults_of_the_connection_name_who_said_what() {
        let connect = |fault: ConnectFault, cause, detail: &str| {
            let failed_addresses = vec![failed(7, fault.clone())];
            let observation = Observation { failed_addresses, ..observed(Some(Fault::Connect(fault))) };
            let verdict = judge(&spec(Protocol::Http), &observation);
            assert_eq!(said(&verdict), Some((cause, detail)));
            assert_eq!(verdict.warnings, Vec::new(), "the cause says all");
        };
        connect(ConnectFault::Refused, Cause::TcpRefused, "192.0.2.7:8443 refused the connection");
        connect(ConnectFault::Timeout, Cause::TcpTimeout, "no answer from 192.0.2.7:8443 within 30 s");
        connect(ConnectFault::Reset, Cause::TcpReset, "192.0.2.7:8443 reset the connection while it opened");
        let router = Some([192, 0, 2, 1]);
        for (what, words) in [
            (Obstacle::Host, "host unreachable"),
            (Obstacle::Port, "port unreachable"),
            (Obstacle::Prohibited, "administratively prohibited"),
        ] {
            let said = format!("192.0.2.7:8443: {words}, says 192.0.2.1");
            connect(icmp(what, router), Cause::TcpUnreachable, &said);
        }
        let nobody = "nobody answers for the address on the local network";
        connect(icmp(Obstacle::NobodyThere, None), Cause::TcpUnreachable, &format!("192.0.2.7:8443: {nobody}"));
    }

    #[test]
    fn what_the_proxy_line_met_is_told() {
        let check = |what, detail| check(Fault::AfterProxyLine(what), Cause::ProxyProtocolRejected, detail);
        check(AfterProxyLine::Closed, "the server closed the connection after the PROXY line");
        check(AfterProxyLine::Reset, "the server reset the connection after the PROXY line");
        check(
            AfterProxyLine::NotTls(b"500 no\r\n".to_vec()),
            "the server answered the PROXY line with \"500 no\\r\\n\"",
        );
        let alert = AfterProxyLine::Alert(AlertDescription::ProtocolVersion);
        check(alert, "the server answered the PROXY line with the TLS alert protocol_version (70)");
    }

    #[test]
    fn a_backends_own_words_are_escaped_and_cut() {
        let check = |bytes: &[u8], shown: &str| assert_eq!(quoted(bytes), shown);
        check(b"", "\"\"");
        check(b"a\"b\r\n\x1b[2J\0", "\"a\\\"b\\r\\n\\u{1b}[2J\\0\"");
        check(b"\xff\xfe", "\"\u{fffd}\u{fffd}\"");
        check(&[b'x'; 64], &format!("\"{}\"", "x".repeat(64)));
        check(&[b'x'; 65], &format!("\"{}\"…", "x".repeat(64)));
    }

    #[test]
    fn every_address_that_failed_is_a_warning_beside_the_others() {
        let local = ConnectFault::Local(LocalFault::Network(LocalNetworkFault::Barred(Bar::NoRoute)));
        let failed_addresses = vec![
            failed(1, ConnectFault::Refused),
            failed(2, ConnectFault::Timeout),
            failed(3, icmp(Obstacle::Host, None)),
            failed(4, ConnectFault::Reset),
            failed(5, local),
        ];
        let details = [
            "192.0.2.1:8443: connection refused",
            "192.0.2.2:8443: no answer",
            "192.0.2.3:8443: host unreachable",
            "192.0.2.4:8443: reset",
            "192.0.2.5:8443: this host has no route to it",
        ];
        // One more opened; then none did; then one did and the server failed later.
        for fault in [
            None,
            Some(Fault::Connect(ConnectFault::Timeout)),
            Some(Fault::Http(HttpFault::Timeout { progress: ResponseProgress::Nothing, quiet: Duration::ZERO })),
        ] {
            let observation = Observation { failed_addresses: failed_addresses.clone(), ..observed(fault) };
            let verdict = judge(&spec(Protocol::Http), &observation);
            let warnings: Vec<_> = verdict.warnings.iter().map(|warning| (warning.code, &*warning.detail)).collect();
            let expected = details.map(|detail| (Code::Notice(Notice::AddressFailed), detail));
            assert_eq!(warnings, expected, "{:?}", verdict.cause);
        }
    }

    #[test]
    fn stale_addresses_are_a_warning_with_their_age_and_the_resolvers_fault() {
        let stale = Some(Stale { age: Duration::from_mins(15), fault: DnsFault::Timeout });
        let verdict = judge(&spec(Protocol::Tcp), &Observation { stale, ..observed(None) });
        let detail = "the addresses are 15 minutes old, because the lookup fails: no resolver answered in time";
        assert_eq!(verdict.warnings, [notice(Notice::StaleAddress, detail.to_owned())]);
        assert_eq!(verdict.result(), ProbeResult::Success);
    }
}
