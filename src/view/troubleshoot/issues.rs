//! What is wrong, in the words of Azure's connection troubleshoot, where it has one.

use crate::troubleshoot::{Examination, InsightKind, Severity};
use crate::verdict::{Cause, Code, Notice, Stage};

/// One thing that is wrong.
pub(in crate::view) struct Issue {
    pub(in crate::view) origin: &'static str,
    pub(in crate::view) severity: &'static str,
    pub(in crate::view) kind: &'static str,
    /// Keys and values.
    pub(in crate::view) context: Vec<(String, String)>,
}

/// The causes first, then what only the deep check sees, then warnings.
pub(in crate::view) fn of(examination: &Examination) -> Vec<Issue> {
    let verdict = &examination.verdict;
    let causes = verdict.cause.iter().chain(&verdict.also);
    let causes = causes.map(|finding| issue(Code::Cause(finding.code), &finding.detail, Severity::Error));
    let insights = examination.insights.iter().map(|insight| {
        let (origin, kind) = of_insight(insight.kind);
        let mut context =
            vec![("insight".to_owned(), insight.kind.code().to_owned()), ("detail".to_owned(), insight.detail.clone())];
        context.extend(insight.context.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        Issue { origin, severity: insight.severity.as_str(), kind, context }
    });
    let warnings = verdict.warnings.iter().map(|finding| issue(finding.code, &finding.detail, Severity::Warning));
    causes.chain(insights).chain(warnings).collect()
}

fn issue(code: Code, detail: &str, severity: Severity) -> Issue {
    let words = code.words();
    let origin = match words.stage {
        Stage::Local | Stage::Dns => "Local",
        Stage::Tcp => "Outbound",
        Stage::Tls | Stage::Http => "Inbound",
    };
    let kind = match code {
        Code::Cause(cause) => of_cause(cause, detail),
        Code::Notice(Notice::StaleAddress) => "DNSResolution",
        Code::Notice(Notice::AddressFailed) => "DestinationPartiallyReachable",
        Code::Notice(_) => CERTIFICATE,
    };
    let context = vec![("cause".to_owned(), words.code.to_owned()), ("detail".to_owned(), detail.to_owned())];
    Issue { origin, severity: severity.as_str(), kind, context }
}

/// Azure's types; what it has none for is ours: `TLS` and `Certificate`.
fn of_cause(cause: Cause, detail: &str) -> &'static str {
    match cause {
        Cause::NotProbedYet => "Unknown",
        Cause::LocalExhausted if detail.contains("port") => "SourcePortInUse",
        Cause::LocalExhausted => "SocketError",
        Cause::LocalOverloaded => "CPU",
        Cause::LocalNetwork => of_local_network(detail),
        Cause::DnsNameNotFound | Cause::DnsNoAddress | Cause::DnsUnusableAddress | Cause::DnsTimeout => "DNSResolution",
        Cause::DnsServerFailure => "DNSResponseValidationFailed",
        Cause::TcpRefused => "NoListenerOnDestination",
        Cause::TcpUnreachable if detail.contains("nobody answers for the address") => "ARPMissing",
        Cause::TcpTimeout | Cause::TcpUnreachable => "DestinationUnreachable",
        Cause::TcpReset
        | Cause::ProxyProtocolRejected
        | Cause::TlsNotTls
        | Cause::HttpTimeout
        | Cause::HttpToTlsPort
        | Cause::HttpVersionMismatch
        | Cause::HttpMalformed => "InvalidResponseFromServer",
        Cause::HttpStatusMismatch => "StatusCodeValidationFailed",
        Cause::HttpBodyMismatch => "ContentValidationFailed",
        Cause::TlsVersionMismatch
        | Cause::TlsCipherMismatch
        | Cause::TlsClientCertificateRequired
        | Cause::TlsClientCertificateRejected
        | Cause::TlsUnrecognizedName
        | Cause::TlsAlert
        | Cause::TlsClosed
        | Cause::TlsTimeout
        | Cause::TlsProtocolError => TLS,
        Cause::CertLeafMissing
        | Cause::CertLeafNotFirst
        | Cause::CertExpired
        | Cause::CertNotYetValid
        | Cause::CertIntermediateMissing
        | Cause::CertSelfSigned
        | Cause::CertRootNotWellKnown
        | Cause::CertIssuerNotWellKnown
        | Cause::CertRootMismatch
        | Cause::CertIssuerMismatch
        | Cause::CertNameMismatch
        | Cause::CertRevoked
        | Cause::CertInvalid => CERTIFICATE,
    }
}

fn of_local_network(detail: &str) -> &'static str {
    let says = |words: &str| detail.contains(words);
    if says("has no route") || says("no source address") {
        "RouteMissing"
    } else if says("route of this host") {
        "UserDefinedRoute"
    } else if says("next hop") {
        "ARPMissing"
    } else if says("firewall") || says("this host itself") || says("security policy") {
        "GuestFirewall"
    } else {
        "NetworkError"
    }
}

fn of_insight(kind: InsightKind) -> (&'static str, &'static str) {
    match kind {
        InsightKind::MtuBlackHole | InsightKind::Loss => ("Outbound", "NetworkError"),
        InsightKind::PortSilent => ("Inbound", "GuestFirewall"),
        InsightKind::LostBehind => ("Outbound", "DestinationUnreachable"),
        InsightKind::HostFilterFull => ("Local", "GuestFirewall"),
        InsightKind::PartlyReachable => ("Outbound", "DestinationPartiallyReachable"),
        InsightKind::ResolversDisagree => ("Local", "DNSResponseValidationFailed"),
        InsightKind::ResolverFails => ("Local", "DNSResolution"),
        InsightKind::OldTls => ("Inbound", TLS),
    }
}

const TLS: &str = "TLS";
const CERTIFICATE: &str = "Certificate";
