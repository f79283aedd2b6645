//! What a failed handshake means: a total reading of rustls' errors and of the alerts of RFC 8446, section 6.

use rustls::{
    AlertDescription, CertificateError, Error, HandshakeType, InvalidMessage, PeerIncompatible, ProtocolVersion,
};

use super::text::quoted;
use super::{Case, Cause, Facts, Slot, TlsSession, offer};
use crate::probe::{
    Fault, Flood, MAX_HANDSHAKE_BYTES, MAX_IDLE_RECORD_BYTES, Observation, ProbeSpec, ScanFacts, TlsFacts, TlsFault,
    TlsSpec, VerifiedName, alert_in_clear, looks_like_tls,
};
use crate::words::took;

/// The cause and the detail.
pub(super) fn judge(
    spec: &TlsSpec,
    facts: &TlsFacts,
    fault: &TlsFault,
    probe: &ProbeSpec,
    scan: Option<&ScanFacts>,
) -> (Cause, String) {
    let (cause, detail) = without_scan(spec, facts, fault, probe);
    let Some(scan) = scan else { return (cause, detail) };
    let flight = &scan.flight;
    match (flight.hello, flight.alert.map(AlertDescription::from)) {
        (Some(hello), _) => match offer::missing(hello, flight, minds_the_offer(fault, facts)) {
            Some((cause, why)) => (cause, format!("{detail}; {why}")),
            None => (cause, detail),
        },
        // It was told everything that there is, and says now what it minds.
        (None, Some(AlertDescription::UnrecognisedName)) => (
            Cause::TlsUnrecognizedName,
            format!(
                "{detail}; offered everything, it sent the alert {}",
                alert_name(AlertDescription::UnrecognisedName)
            ),
        ),
        (None, Some(alert)) if cause == Cause::TlsAlert => (
            cause,
            format!(
                "{detail}; offered every version, suite and group, it sent the alert {}, so that these are not the reason",
                alert_name(alert)
            ),
        ),
        (None, _) => (cause, detail),
    }
}

/// Whether it is an alert by which servers say that nothing of an offer suits them.
fn minds_the_offer(fault: &TlsFault, facts: &TlsFacts) -> bool {
    let alert = alert_of(fault, facts);
    matches!(alert, Some(AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity))
}

/// The number of the alert that ended a handshake without saying what the server would have needed.
#[must_use]
pub fn unexplained_alert(observation: &Observation) -> Option<u8> {
    let Some(Fault::Tls(fault)) = &observation.fault else { return None };
    let facts = observation.tls.as_ref()?;
    let alert = alert_of(fault, facts)?;
    let may_be_the_offer = matches!(
        alert,
        AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity
            | AlertDescription::InternalError
            | AlertDescription::IllegalParameter
            | AlertDescription::DecodeError
            | AlertDescription::MissingExtension
    );
    (may_be_the_offer && facts.version.is_none() && !facts.client_certificate_requested).then(|| u8::from(alert))
}

/// The alert that ended the handshake: what the library understood, or one that came in a record of an odd version.
fn alert_of(fault: &TlsFault, facts: &TlsFacts) -> Option<AlertDescription> {
    match fault {
        TlsFault::Rustls(Error::AlertReceived(alert)) => Some(*alert),
        TlsFault::Rustls(Error::InvalidMessage(_)) => alert_in_clear(&facts.received).map(AlertDescription::from),
        TlsFault::Rustls(_)
        | TlsFault::AlertAfterHandshake(_)
        | TlsFault::EndAfterHandshake { .. }
        | TlsFault::Flood(_)
        | TlsFault::Timeout
        | TlsFault::Closed
        | TlsFault::Reset => None,
    }
}

fn without_scan(spec: &TlsSpec, facts: &TlsFacts, fault: &TlsFault, probe: &ProbeSpec) -> (Cause, String) {
    if let Some(alert) = alert_of(fault, facts) {
        return of_alert(alert, spec, facts);
    }
    if !looks_like_tls(&facts.received) {
        return (Cause::TlsNotTls, not_tls(&facts.received));
    }
    let asked = facts.client_certificate_requested;
    let sent = spec.client_certificate.is_some();
    match fault {
        TlsFault::Timeout => {
            let came = if facts.received.is_empty() { "not a byte" } else { "no complete handshake" };
            (Cause::TlsTimeout, format!("{came} came from the server within {}", took(probe.timeout)))
        }
        TlsFault::Closed | TlsFault::Reset if asked && !sent => (
            Cause::TlsClientCertificateRequired,
            "the server asked for a client certificate, got none and closed".to_owned(),
        ),
        TlsFault::Closed => (Cause::TlsClosed, format!("the server closed the connection {}", how_far(facts))),
        TlsFault::Reset => (Cause::TlsClosed, format!("the server reset the connection {}", how_far(facts))),
        TlsFault::AlertAfterHandshake(alert) => of_late_alert(*alert, spec, facts),
        TlsFault::EndAfterHandshake { reset } => {
            let did = if *reset { "reset" } else { "closed" };
            if facts.renegotiation_requested {
                let detail = format!("the server asked to renegotiate TLS, and then {did} the connection");
                return (Cause::TlsClientCertificateRequired, format!("{detail}{NO_RENEGOTIATION}"));
            }
            let when = if probe.request.is_some() { "without a response" } else { "right after the handshake" };
            if sent {
                let detail =
                    format!("the server asked for a client certificate, got ours, and {did} the connection {when}");
                (Cause::TlsClientCertificateRejected, detail)
            } else {
                let detail =
                    format!("the server asked for a client certificate, got none, and {did} the connection {when}");
                (Cause::TlsClientCertificateRequired, detail)
            }
        }
        TlsFault::Flood(what) => (Cause::TlsProtocolError, flooded(*what)),
        TlsFault::Rustls(error) => of_error(error),
    }
}

fn flooded(what: Flood) -> String {
    match what {
        Flood::Handshake => format!(
            "the server sent more than {} KiB and the handshake was still not over; the exporter read no further",
            MAX_HANDSHAKE_BYTES / 1024
        ),
        Flood::Records => format!(
            "after the handshake the server sent more than {} MiB of TLS records that carry no data, such as session \
             tickets or key updates; the exporter read no further",
            MAX_IDLE_RECORD_BYTES / 1024 / 1024
        ),
        Flood::Messages => {
            "after the handshake the server sent more TLS messages at once, such as session tickets, than \
                            the 64 KiB that this exporter keeps of them"
                .to_owned()
        }
    }
}

/// What is particular to this failure: the alert, when one ended it.
pub(super) fn facts(fault: &TlsFault, facts: Option<&TlsFacts>) -> Facts {
    let alert = match fault {
        TlsFault::AlertAfterHandshake(alert) => Some(*alert),
        other => facts.and_then(|facts| alert_of(other, facts)),
    };
    alert.map_or_else(Facts::default, |alert| Facts::default().with(Slot::Alert, alert_name(alert)))
}

/// What the facts make of it: who sends no name, or one that a server may not know, looks there first.
pub(super) fn case(cause: Cause, spec: &TlsSpec, facts: &TlsFacts, fault: &TlsFault) -> Option<Case> {
    let has_no_name = matches!(spec.name, VerifiedName::Ip(_));
    let is_first_answer = facts.version.is_none();
    match (cause, alert_of(fault, facts)) {
        (Cause::TlsClientCertificateRequired, _) if !facts.client_certificate_requested && is_late(fault, facts) => {
            Some(Case::RequiredLate)
        }
        (Cause::TlsAlert, Some(AlertDescription::NoApplicationProtocol)) => Some(Case::AlertProtocol),
        (Cause::TlsAlert, Some(AlertDescription::HandshakeFailure | AlertDescription::InternalError))
            if has_no_name && is_first_answer =>
        {
            Some(Case::AlertWithoutName)
        }
        (Cause::TlsAlert, Some(AlertDescription::HandshakeFailure)) => Some(Case::AlertName),
        (Cause::TlsUnrecognizedName, _) if has_no_name => Some(Case::UnrecognizedWithoutName),
        (Cause::TlsClosed, None) if has_no_name && is_first_answer => Some(Case::ClosedWithoutName),
        (_, _) => None,
    }
}

/// Whether the certificate was asked for after the handshake.
fn is_late(fault: &TlsFault, facts: &TlsFacts) -> bool {
    facts.renegotiation_requested || matches!(fault, TlsFault::Rustls(Error::InappropriateHandshakeMessage { .. }))
}

/// Version and cipher suite in the field's names, as soon as both are known.
pub(super) fn session(facts: &TlsFacts) -> Option<TlsSession> {
    let version = match facts.version? {
        ProtocolVersion::TLSv1_2 => "TLS 1.2",
        ProtocolVersion::TLSv1_3 => "TLS 1.3",
        _ => return None,
    };
    // rustls names the suites of TLS 1.3 with the version in front, unlike IANA.
    let cipher = facts.cipher_suite?.as_str()?;
    let cipher = match cipher {
        "TLS13_AES_128_GCM_SHA256" => "TLS_AES_128_GCM_SHA256",
        "TLS13_AES_256_GCM_SHA384" => "TLS_AES_256_GCM_SHA384",
        "TLS13_CHACHA20_POLY1305_SHA256" => "TLS_CHACHA20_POLY1305_SHA256",
        other => other,
    };
    Some(TlsSession { version, cipher })
}

fn how_far(facts: &TlsFacts) -> &'static str {
    match (facts.received.is_empty(), facts.version) {
        (true, _) => "in answer to our ClientHello",
        (false, None) => "before its ServerHello was complete",
        (false, Some(_)) => "in the middle of the handshake",
    }
}

fn not_tls(received: &[u8]) -> String {
    let speaks = match received {
        [b'H', b'T', b'T', b'P', ..] => "plain HTTP",
        [b'S', b'S', b'H', b'-', ..] => "SSH",
        [b'2', b'2', b'0', b' ' | b'-', ..] => "SMTP or FTP",
        _ => "something else",
    };
    format!("the port speaks {speaks}: it answered {}", quoted(received))
}

fn of_error(error: &Error) -> (Cause, String) {
    match error {
        Error::PeerIncompatible(why) => incompatible(why),
        Error::InvalidCertificate(why) => (Cause::CertInvalid, invalid_certificate(why)),
        Error::NoCertificatesPresented => (Cause::CertLeafMissing, "the server sent no certificate at all".to_owned()),
        Error::NoApplicationProtocol => {
            (Cause::TlsAlert, "the server chose an application protocol that we did not offer".to_owned())
        }
        Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge) => (
            Cause::CertInvalid,
            "the server's certificates are larger together than the 64 KiB that this exporter reads of a TLS message"
                .to_owned(),
        ),
        Error::InvalidMessage(why) => {
            (Cause::TlsProtocolError, format!("a TLS message of the server is malformed ({why:?})"))
        }
        Error::PeerMisbehaved(why) => (Cause::TlsProtocolError, format!("the server broke the TLS protocol ({why:?})")),
        Error::InappropriateMessage { got_type, .. } => {
            (Cause::TlsProtocolError, format!("the server sent a TLS message out of turn ({got_type:?})"))
        }
        // Not within a handshake: there the library takes it.
        Error::InappropriateHandshakeMessage { got_type: HandshakeType::CertificateRequest, .. } => (
            Cause::TlsClientCertificateRequired,
            "the server asked for a client certificate after the handshake, which is not done".to_owned(),
        ),
        Error::InappropriateHandshakeMessage { got_type, .. } => {
            (Cause::TlsProtocolError, format!("the server sent a handshake message out of turn ({got_type:?})"))
        }
        Error::DecryptError => (Cause::TlsProtocolError, "a TLS record of the server cannot be decrypted".to_owned()),
        Error::PeerSentOversizedRecord => {
            (Cause::TlsProtocolError, "a TLS record of the server is too large".to_owned())
        }
        // What is left is trouble of our own library or host: no random bytes, no clock.
        other => (Cause::LocalExhausted, format!("the TLS library cannot work: {other}")),
    }
}

fn invalid_certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::BadSignature => {
            "the handshake's signature does not fit the certificate: the server's key is another one, or too weak"
                .to_owned()
        }
        CertificateError::BadEncoding => "the server's certificate cannot be read".to_owned(),
        other => format!("the server's certificate cannot be used in the handshake: {other}"),
    }
}

fn incompatible(why: &PeerIncompatible) -> (Cause, String) {
    match why {
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::Tls13RequiredForQuic => {
            (Cause::TlsVersionMismatch, "the server chose a TLS version below 1.2; we offer 1.2 and 1.3".to_owned())
        }
        PeerIncompatible::NoCipherSuitesInCommon
        | PeerIncompatible::NoKxGroupsInCommon
        | PeerIncompatible::NoSignatureSchemesInCommon
        | PeerIncompatible::NoEcPointFormatsInCommon
        | PeerIncompatible::UncompressedEcPointsRequired
        | PeerIncompatible::KeyShareExtensionRequired
        | PeerIncompatible::NamedGroupsExtensionRequired
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired
        | PeerIncompatible::ExtendedMasterSecretExtensionRequired => {
            (Cause::TlsCipherMismatch, format!("the server's choice is none of those that we offer ({why:?})"))
        }
        PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon => (
            Cause::TlsClientCertificateRejected,
            "the server accepts no signature scheme that our client certificate's key can make".to_owned(),
        ),
        other => (Cause::TlsProtocolError, format!("the server needs something that we do not speak ({other:?})")),
    }
}

fn of_alert(alert: AlertDescription, spec: &TlsSpec, facts: &TlsFacts) -> (Cause, String) {
    let name = alert_name(alert);
    if facts.client_certificate_requested
        && let Some(refused) = of_client_certificate(alert, spec, "in the handshake")
    {
        return refused;
    }
    match alert {
        AlertDescription::CertificateRequired => {
            (Cause::TlsClientCertificateRequired, format!("the server sent the alert {name} in the handshake"))
        }
        AlertDescription::InsufficientSecurity => (
            Cause::TlsCipherMismatch,
            format!("the server sent the alert {name}: our suites and groups are too weak for it"),
        ),
        AlertDescription::ProtocolVersion => {
            (Cause::TlsVersionMismatch, format!("the server sent the alert {name}; we offer TLS 1.2 and 1.3"))
        }
        AlertDescription::UnrecognisedName => {
            (Cause::TlsUnrecognizedName, format!("the server sent the alert {name}; {}", name_sent(spec)))
        }
        AlertDescription::HandshakeFailure => (
            Cause::TlsAlert,
            format!("the server sent the alert {name}, which does not say what it minds; {}", name_sent(spec)),
        ),
        _ => (Cause::TlsAlert, format!("the server sent the alert {name} in the handshake; {}", name_sent(spec))),
    }
}

/// What the server was told of the name that it is asked for.
fn name_sent(spec: &TlsSpec) -> String {
    match &spec.name {
        VerifiedName::Dns(name) => format!("the name sent (SNI) was {name}"),
        VerifiedName::Ip(_) => "no name was sent (SNI), because an IP address is not a name".to_owned(),
    }
}

/// After the handshake version, suite and name are agreed on: what is left to mind is our certificate.
fn of_late_alert(alert: AlertDescription, spec: &TlsSpec, facts: &TlsFacts) -> (Cause, String) {
    const WHEN: &str = "right after the handshake";
    let name = alert_name(alert);
    if facts.renegotiation_requested {
        let detail = format!("the server asked to renegotiate TLS, and then sent the alert {name}");
        return (Cause::TlsClientCertificateRequired, format!("{detail}{NO_RENEGOTIATION}"));
    }
    let refused = of_client_certificate(alert, spec, WHEN);
    match refused.filter(|_| facts.client_certificate_requested) {
        Some(refused) => refused,
        None if alert == AlertDescription::CertificateRequired => {
            (Cause::TlsClientCertificateRequired, format!("the server sent the alert {name} {WHEN}"))
        }
        None => (Cause::TlsAlert, format!("the server sent the alert {name} {WHEN}")),
    }
}

/// Having asked for a certificate, the server had already agreed on version and suite: these alerts are about ours.
fn of_client_certificate(alert: AlertDescription, spec: &TlsSpec, when: &str) -> Option<(Cause, String)> {
    let name = alert_name(alert);
    match alert {
        AlertDescription::HandshakeFailure
        | AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => Some(if spec.client_certificate.is_some() {
            let detail = format!("the server answered our client certificate with the alert {name} {when}");
            (Cause::TlsClientCertificateRejected, detail)
        } else {
            let detail =
                format!("the server asked for a client certificate, got none, and sent the alert {name} {when}");
            (Cause::TlsClientCertificateRequired, detail)
        }),
        _ => None,
    }
}

/// The name and number of an alert, as RFC 8446 and IANA write them.
#[must_use]
pub fn alert_name(alert: AlertDescription) -> String {
    let number = u8::from(alert);
    let name = match number {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "encrypted_client_hello_required",
        _ => return format!("number {number}"),
    };
    format!("{name} ({number})")
}

/// Why a client certificate does not get to a server that asks for it late.
pub(super) const NO_RENEGOTIATION: &str =
    ": that is how a client certificate is asked for after the request, and it is not done";

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::pki_types::{PrivateKeyDer, UnixTime};
    use rustls::{
        CertRevocationListError, ContentType, EncryptedClientHelloError, HandshakeType, InconsistentKeys, OtherError,
        PeerMisbehaved,
    };

    use super::*;
    use crate::probe::{ClientCertificate, NameSource, Protocol, Request, Stage, Trust, TrustMode, VerifiedName};

    /// Whether the server asked for a client certificate, and whether we have one.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Ours {
        NotAskedFor,
        Missing,
        Sent,
    }

    fn client_certificate() -> Arc<ClientCertificate> {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Arc::new(ClientCertificate::new(vec![certificate.into()], der).unwrap())
    }

    fn spec(protocol: Protocol, client_certificate: Option<Arc<ClientCertificate>>) -> ProbeSpec {
        let name: Arc<str> = "app.example.com".into();
        let tls = TlsSpec {
            name: VerifiedName::Dns(name.clone()),
            name_source: NameSource::Server,
            trust: Arc::new(Trust::new(TrustMode::Configured, Vec::new(), Vec::new()).unwrap()),
            client_certificate,
            validate_chain: true,
            validate_name: true,
            expiry_warning: Duration::ZERO,
        };
        let request = protocol.has(Stage::Http).then(|| Request::new(name, "/"));
        ProbeSpec { tls: Some(tls), request, ..crate::verdict::judge::tests::spec(protocol) }
    }

    fn judged(fault: &TlsFault, ours: Ours, facts: TlsFacts) -> (Cause, String) {
        judged_over(Protocol::Tls, fault, ours, facts)
    }

    fn judged_over(protocol: Protocol, fault: &TlsFault, ours: Ours, facts: TlsFacts) -> (Cause, String) {
        let certificate = (ours == Ours::Sent).then(client_certificate);
        let spec = spec(protocol, certificate);
        let facts = TlsFacts { client_certificate_requested: ours != Ours::NotAskedFor, ..facts };
        judge(spec.tls.as_ref().unwrap(), &facts, fault, &spec, None)
    }

    #[test]
    fn every_alert_has_its_cause_whatever_was_said_of_our_certificate() {
        let certificates = [Ours::NotAskedFor, Ours::Missing, Ours::Sent].map(|ours| {
            let spec = spec(Protocol::Tls, (ours == Ours::Sent).then(client_certificate));
            (ours, spec)
        });
        for number in 0..=u8::MAX {
            let alert = AlertDescription::from(number);
            for (ours, spec) in &certificates {
                let in_handshake = match (number, ours) {
                    (116, _) | (40..=46 | 48 | 49, Ours::Missing) => Cause::TlsClientCertificateRequired,
                    // 42 to 46, 48 and 49 say so by their names; 40 and 41 come where nothing else is left to mind.
                    (40..=46 | 48 | 49, Ours::Sent) => Cause::TlsClientCertificateRejected,
                    (71, _) => Cause::TlsCipherMismatch,
                    (70, _) => Cause::TlsVersionMismatch,
                    (112, _) => Cause::TlsUnrecognizedName,
                    _ => Cause::TlsAlert,
                };
                let facts =
                    TlsFacts { client_certificate_requested: *ours != Ours::NotAskedFor, ..TlsFacts::default() };
                let tls = spec.tls.as_ref().unwrap();
                // Version, suite and name were agreed on by then.
                let after = if matches!(number, 70 | 71 | 112) { Cause::TlsAlert } else { in_handshake };
                for (fault, expected) in [
                    (TlsFault::Rustls(Error::AlertReceived(alert)), in_handshake),
                    (TlsFault::AlertAfterHandshake(alert), after),
                ] {
                    let (cause, detail) = judge(tls, &facts, &fault, spec, None);
                    assert_eq!(cause, expected, "alert {number}, {ours:?}: {detail}");
                    assert!(detail.contains(&number.to_string()), "alert {number}: {detail}");
                }
            }
        }
    }

    #[test]
    fn every_error_of_the_tls_library_has_its_cause() {
        let check = |error: Error, expected| {
            let (cause, detail) = judged(&TlsFault::Rustls(error.clone()), Ours::NotAskedFor, TlsFacts::default());
            assert_eq!(cause, expected, "{error:?}: {detail}");
            assert!(!detail.is_empty(), "{error:?}");
        };
        let broken = Cause::TlsProtocolError;
        check(Error::InappropriateMessage { expect_types: Vec::new(), got_type: ContentType::ApplicationData }, broken);
        check(
            Error::InappropriateHandshakeMessage { expect_types: Vec::new(), got_type: HandshakeType::Finished },
            broken,
        );
        check(Error::InvalidMessage(InvalidMessage::InvalidContentType), broken);
        check(Error::InvalidMessage(InvalidMessage::MessageTooLarge), broken);
        check(Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge), Cause::CertInvalid);
        check(Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedCipherSuite), broken);
        check(Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare), broken);
        check(Error::DecryptError, broken);
        check(Error::PeerSentOversizedRecord, broken);
        check(Error::NoCertificatesPresented, Cause::CertLeafMissing);
        check(Error::NoApplicationProtocol, Cause::TlsAlert);

        let version = Cause::TlsVersionMismatch;
        let suite = Cause::TlsCipherMismatch;
        for (why, cause) in [
            (PeerIncompatible::ServerDoesNotSupportTls12Or13, version),
            (PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig, version),
            (PeerIncompatible::SupportedVersionsExtensionRequired, version),
            (PeerIncompatible::Tls12NotOffered, version),
            (PeerIncompatible::Tls12NotOfferedOrEnabled, version),
            (PeerIncompatible::Tls13RequiredForQuic, version),
            (PeerIncompatible::NoCipherSuitesInCommon, suite),
            (PeerIncompatible::NoKxGroupsInCommon, suite),
            (PeerIncompatible::NoSignatureSchemesInCommon, suite),
            (PeerIncompatible::NoEcPointFormatsInCommon, suite),
            (PeerIncompatible::UncompressedEcPointsRequired, suite),
            (PeerIncompatible::KeyShareExtensionRequired, suite),
            (PeerIncompatible::NamedGroupsExtensionRequired, suite),
            (PeerIncompatible::SignatureAlgorithmsExtensionRequired, suite),
            (PeerIncompatible::ExtendedMasterSecretExtensionRequired, suite),
            (PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon, Cause::TlsClientCertificateRejected),
            (PeerIncompatible::EcPointsExtensionRequired, broken),
            (PeerIncompatible::IncorrectCertificateTypeExtension, broken),
            (PeerIncompatible::NullCompressionRequired, broken),
            (PeerIncompatible::ServerSentHelloRetryRequestWithUnknownExtension, broken),
            (PeerIncompatible::UnsolicitedCertificateTypeExtension, broken),
            (PeerIncompatible::ServerRejectedEncryptedClientHello(None), broken),
        ] {
            check(Error::PeerIncompatible(why), cause);
        }

        let now = UnixTime::now();
        for why in [
            CertificateError::BadEncoding,
            CertificateError::Expired,
            CertificateError::ExpiredContext { time: now, not_after: now },
            CertificateError::NotValidYet,
            CertificateError::NotValidYetContext { time: now, not_before: now },
            CertificateError::Revoked,
            CertificateError::UnhandledCriticalExtension,
            CertificateError::UnknownIssuer,
            CertificateError::UnknownRevocationStatus,
            CertificateError::ExpiredRevocationList,
            CertificateError::BadSignature,
            CertificateError::NotValidForName,
            CertificateError::InvalidPurpose,
            CertificateError::InvalidOcspResponse,
            CertificateError::ApplicationVerificationFailure,
        ] {
            check(Error::InvalidCertificate(why), Cause::CertInvalid);
        }

        // Trouble of our own, which no server can make.
        let ours = Cause::LocalExhausted;
        check(Error::FailedToGetCurrentTime, ours);
        check(Error::FailedToGetRandomBytes, ours);
        check(Error::HandshakeNotComplete, ours);
        check(Error::EncryptError, ours);
        check(Error::BadMaxFragmentSize, ours);
        check(Error::UnsupportedNameType, ours);
        check(Error::General("signing failed".to_owned()), ours);
        check(Error::InconsistentKeys(InconsistentKeys::Unknown), ours);
        check(Error::InvalidCertRevocationList(CertRevocationListError::ParseError), ours);
        check(Error::InvalidEncryptedClientHello(EncryptedClientHelloError::SniRequired), ours);
        check(Error::Other(OtherError(Arc::new(std::io::Error::other("something")))), ours);
    }

    #[test]
    fn an_end_without_an_alert_is_told_by_what_went_before() {
        let facts = |received: &[u8], version| TlsFacts { received: received.to_vec(), version, ..TlsFacts::default() };
        let hello = &[22, 3, 3, 0, 80];
        let check = |fault: TlsFault, ours, facts: TlsFacts, expected, words: &str| {
            let (cause, detail) = judged(&fault, ours, facts);
            assert_eq!(cause, expected, "{fault:?}, {ours:?}: {detail}");
            assert!(detail.contains(words), "{fault:?}, {ours:?}: {detail}");
        };
        let closed = Cause::TlsClosed;
        let tls13 = Some(ProtocolVersion::TLSv1_3);
        let tls12 = Some(ProtocolVersion::TLSv1_2);
        for (fault, did) in [(TlsFault::Closed, "closed"), (TlsFault::Reset, "reset")] {
            check(fault.clone(), Ours::NotAskedFor, facts(b"", None), closed, "in answer to our ClientHello");
            check(fault.clone(), Ours::NotAskedFor, facts(hello, None), closed, "before its ServerHello was complete");
            check(fault.clone(), Ours::NotAskedFor, facts(hello, tls12), closed, "in the middle of the handshake");
            check(fault.clone(), Ours::Sent, facts(hello, tls12), closed, did);
            check(fault.clone(), Ours::Missing, facts(hello, tls12), Cause::TlsClientCertificateRequired, "got none");
            check(fault, Ours::NotAskedFor, facts(b"220 mail", None), Cause::TlsNotTls, "SMTP or FTP");
        }
        check(TlsFault::Timeout, Ours::NotAskedFor, facts(b"", None), Cause::TlsTimeout, "not a byte");
        check(TlsFault::Timeout, Ours::NotAskedFor, facts(hello, None), Cause::TlsTimeout, "no complete handshake");
        check(TlsFault::Timeout, Ours::NotAskedFor, facts(b"SSH-2.0", None), Cause::TlsNotTls, "SSH");
        check(TlsFault::Timeout, Ours::NotAskedFor, facts(b"HTTP/1.1", None), Cause::TlsNotTls, "plain HTTP");
        for (reset, did) in [(false, "closed"), (true, "reset")] {
            let end = TlsFault::EndAfterHandshake { reset };
            check(end.clone(), Ours::Missing, facts(hello, tls13), Cause::TlsClientCertificateRequired, did);
            check(end.clone(), Ours::Sent, facts(hello, tls13), Cause::TlsClientCertificateRejected, did);
            check(end.clone(), Ours::Missing, facts(hello, tls12), Cause::TlsClientCertificateRequired, did);
            check(end.clone(), Ours::Sent, facts(hello, tls12), Cause::TlsClientCertificateRejected, did);
            let (cause, detail) = judged_over(Protocol::Https, &end, Ours::Missing, facts(hello, tls12));
            assert_eq!(cause, Cause::TlsClientCertificateRequired, "{detail}");
            assert!(detail.contains("without a response"), "{detail}");
            let asked_late = TlsFacts { renegotiation_requested: true, ..facts(hello, tls12) };
            let (cause, detail) = judged_over(Protocol::Https, &end, Ours::NotAskedFor, asked_late);
            assert_eq!(cause, Cause::TlsClientCertificateRequired, "{detail}");
            assert!(detail.contains("asked to renegotiate"), "{detail}");
        }
    }

    #[test]
    fn a_session_is_named_as_iana_names_it() {
        for suite in default_provider().cipher_suites {
            let version = suite.version().version;
            let facts = TlsFacts { version: Some(version), cipher_suite: Some(suite.suite()), ..TlsFacts::default() };
            let session = session(&facts).expect("a session");
            assert!(session.cipher.starts_with("TLS_"), "{}", session.cipher);
            assert_eq!(session.version, if version == ProtocolVersion::TLSv1_3 { "TLS 1.3" } else { "TLS 1.2" });
        }
        assert_eq!(session(&TlsFacts::default()), None);
        let version_only = TlsFacts { version: Some(ProtocolVersion::TLSv1_3), ..TlsFacts::default() };
        assert_eq!(session(&version_only), None);
    }
}
