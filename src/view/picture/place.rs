//! Which part of the picture each cause and notice marks, and the few words that stand there.
//!
//! What our settings have to change is marked in the gateway's block, what the server has to change in the server's, what
//! is on the way on the line, and this host's own trouble at "This host". Where the evidence is in a certificate, that
//! certificate is marked, too. A failed probe marks its step on the line as well, because that is where it shows.

use crate::verdict::{Cause, Code, Notice};

/// A part of the picture that can be marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the gateway's block: the exporter's own host.
    ThisHost,
    /// Likewise: the server as the pool names it.
    ServerName,
    Protocol,
    /// The name that is sent as SNI, and that the certificate must have.
    Name,
    Trust,
    ClientCertificate,
    /// The step on the line at which the probe ended.
    Line,
    /// The step on the line that looks up the name.
    Lookup,
    /// The step on the line that connects.
    Connection,
    /// In the server's block: what listens at the address.
    Listener,
    /// Likewise: its TLS, the certificates aside.
    Tls,
    /// The certificates as a whole.
    Chain,
    /// The certificate that the finding is about.
    Certificate,
    /// An empty place before the first certificate.
    LeafSlot,
    /// An empty place behind the certificate that the finding is about.
    IssuerSlot,
    Response,
}

/// What stands at a marked part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saying {
    Words(&'static str),
    /// Since when, or until when, the certificate is out of its dates.
    Dates,
    /// The finding's own detail.
    Detail,
}

use Place::{Certificate, ClientCertificate, Line, Listener, Name, Response, ServerName, ThisHost, Tls, Trust};
use Saying::{Dates, Detail, Words};

const NOT_ACCEPTED: (Place, Saying) = (Line, Words("certificate not accepted"));

/// Where a cause is marked; the first place is that of the side that has to act, or the line.
#[must_use]
pub fn of_cause(cause: Cause) -> &'static [(Place, Saying)] {
    match cause {
        Cause::NotProbedYet => &[(ThisHost, Words("the first probe has not ended yet"))],
        Cause::LocalExhausted => &[(ThisHost, Words("out of descriptors, ports or memory"))],
        Cause::LocalOverloaded => &[(ThisHost, Words("was too late to judge"))],
        Cause::LocalNetwork => &[(ThisHost, Words("cannot send to this address"))],

        Cause::DnsNameNotFound => &[(ServerName, Words("this name does not exist")), (Line, Words("no such name"))],
        Cause::DnsNoAddress => &[(ServerName, Words("this name has no address")), (Line, Words("no address"))],
        Cause::DnsUnusableAddress => {
            &[(ServerName, Words("no server can have its address")), (Line, Words("no usable address"))]
        }
        Cause::DnsServerFailure => &[(Line, Words("the resolver failed"))],
        Cause::DnsTimeout => &[(Line, Words("no resolver answered"))],

        Cause::TcpRefused => &[(Listener, Words("nothing listens on this port")), (Line, Words("refused"))],
        Cause::TcpTimeout => &[(Line, Words("nothing came back"))],
        Cause::TcpUnreachable => &[(Line, Words("unreachable"))],
        Cause::TcpReset => &[(Listener, Words("broke the connection off")), (Line, Words("broken off"))],
        Cause::ProxyProtocolRejected => {
            &[(Listener, Words("does not take the PROXY line")), (Line, Words("PROXY line rejected"))]
        }

        Cause::TlsNotTls => &[(Place::Protocol, Words("this port does not speak TLS")), (Line, Words("not TLS"))],
        Cause::TlsVersionMismatch => {
            &[(Tls, Words("accepts neither TLS 1.2 nor 1.3")), (Line, Words("no common version"))]
        }
        Cause::TlsCipherMismatch => {
            &[(Tls, Words("no cipher suite, group or signature in common")), (Line, Words("no common cipher suite"))]
        }
        Cause::TlsClientCertificateRequired => {
            &[(ClientCertificate, Words("the server wants one")), (Line, Words("client certificate required"))]
        }
        Cause::TlsClientCertificateRejected => {
            &[(ClientCertificate, Words("the server refused it")), (Line, Words("client certificate refused"))]
        }
        Cause::TlsUnrecognizedName => &[(Name, Words("the server refused this name")), (Line, Words("name refused"))],
        Cause::TlsAlert => &[(Tls, Words("refused the handshake with an alert")), (Line, Words("refused"))],
        Cause::TlsClosed => &[(Tls, Words("closed in the handshake")), (Line, Words("closed"))],
        Cause::TlsTimeout => &[(Tls, Words("did not finish the handshake in time")), (Line, Words("not over in time"))],
        Cause::TlsProtocolError => &[(Tls, Words("broke the TLS protocol")), (Line, Words("protocol broken"))],

        Cause::CertLeafMissing => &[(Place::LeafSlot, Words("missing: the server did not send it")), NOT_ACCEPTED],
        Cause::CertLeafNotFirst => &[(Certificate, Words("must be sent first")), NOT_ACCEPTED],
        Cause::CertInvalid => &[(Certificate, Detail), NOT_ACCEPTED],
        Cause::CertExpired | Cause::CertNotYetValid => &[(Certificate, Dates), NOT_ACCEPTED],
        Cause::CertIntermediateMissing => {
            &[(Place::IssuerSlot, Words("missing: the server did not send it")), NOT_ACCEPTED]
        }
        Cause::CertSelfSigned => &[(Certificate, Words("signed by itself, and not trusted here")), NOT_ACCEPTED],
        Cause::CertRootNotWellKnown => &[
            (Trust, Words("the root that was sent is not among them")),
            (Certificate, Words("this root is not well known")),
            NOT_ACCEPTED,
        ],
        Cause::CertIssuerNotWellKnown => &[
            (Trust, Words("the last issuer is not among them")),
            (Certificate, Words("its issuer is not well known")),
            NOT_ACCEPTED,
        ],
        Cause::CertRootMismatch => &[
            (Trust, Words("the root that was sent is not among them")),
            (Certificate, Words("this is not a root that is trusted here")),
            NOT_ACCEPTED,
        ],
        Cause::CertIssuerMismatch => &[
            (Trust, Words("none of them signed the last certificate")),
            (Certificate, Words("not issued by a root that is trusted here")),
            NOT_ACCEPTED,
        ],
        Cause::CertRevoked => &[(Certificate, Words("revoked by its issuer")), NOT_ACCEPTED],
        Cause::CertNameMismatch => &[
            (Name, Words("the certificate is not for this name")),
            (Certificate, Words("is for another name")),
            NOT_ACCEPTED,
        ],

        Cause::HttpTimeout => &[(Response, Words("not complete in time")), (Line, Words("no complete response"))],
        Cause::HttpStatusMismatch => &[(Response, Words("this status is not expected")), (Line, Words("wrong status"))],
        Cause::HttpBodyMismatch => &[(Response, Words("without the expected text")), (Line, Words("wrong body"))],
        Cause::HttpMalformed => &[(Response, Words("not valid HTTP")), (Line, Words("not valid HTTP"))],
        Cause::HttpToTlsPort => {
            &[(Place::Protocol, Words("this port speaks TLS")), (Line, Words("plain HTTP to a TLS port"))]
        }
        Cause::HttpVersionMismatch => {
            &[(Place::Protocol, Words("the port speaks another version")), (Line, Words("another version of HTTP"))]
        }
    }
}

/// Where a notice is marked.
#[must_use]
pub fn of_notice(notice: Notice) -> &'static [(Place, Saying)] {
    match notice {
        Notice::CertExpiresSoon => &[(Certificate, Dates)],
        Notice::StaleAddress => &[(Place::Lookup, Words("failed; a remembered address is in use"))],
        Notice::AddressFailed => &[(Place::Connection, Words("another address of this name failed"))],
        Notice::ChainExtraCertificate => &[(Certificate, Words("not needed, and outside its dates"))],
        Notice::ChainOutOfOrder => &[(Place::Chain, Words("valid, but not in order"))],
        Notice::ChainQuestionable => &[(Place::Chain, Detail)],
        Notice::HttpOddHeader => &[(Response, Detail)],
        Notice::RevocationListStale => &[(Trust, Words("a revocation list is out of date"))],
    }
}

/// The cause or notice with this code.
#[must_use]
pub fn parse(code: &str) -> Option<Code> {
    let cause = Cause::ALL.iter().find(|cause| cause.code() == code).map(|cause| Code::Cause(*cause));
    cause.or_else(|| Notice::ALL.iter().find(|notice| notice.words().code == code).map(|notice| Code::Notice(*notice)))
}
