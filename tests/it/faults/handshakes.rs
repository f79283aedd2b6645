//! TLS handshakes that fail, by what the server does; and client certificates.

use std::sync::Arc;

use backend_health_exporter::lab::tls::{
    Chain, ClientAuthentication, Credential, Offer, Profile, ServerTls, Terms, Versions,
};
use backend_health_exporter::lab::{Script, Service, http, tcp, tls};
use backend_health_exporter::probe::ClientCertificate;
use backend_health_exporter::verdict::Cause;
use backend_health_exporter::verdict::Role::{Intermediate, Leaf};

use super::{Expected, HOST, Part, Probe, Row, Secure, check, fails, judged, prober, row, succeeds};

/// The same handshake, over https and tls.
fn both(name: &str, script: &Script, secure: &Secure, expected: &Expected) -> [Row; 2] {
    [Probe::https(&secure.trust), Probe::tls(&secure.trust)]
        .map(|probe| row(name, script.clone(), probe, expected.clone()))
}

fn fault(cause: Cause, words: &str) -> Expected {
    fails(cause, Part::Tls).saying(words)
}

#[tokio::test]
async fn what_does_not_speak_tls_is_told_by_what_it_speaks() {
    let secure = Secure::new();
    let table = [
        ("plain HTTP", tls::answers_plain_http(), fault(Cause::TlsNotTls, "plain HTTP").saying("400 Bad Request")),
        ("SSH", tcp::ssh_banner(), fault(Cause::TlsNotTls, "SSH").saying("OpenSSH_9.2p1")),
        ("SMTP", tcp::smtp_banner(), fault(Cause::TlsNotTls, "SMTP").saying("mail.lab.test")),
        ("a short banner", tcp::banner("hi"), fault(Cause::TlsNotTls, "\"hi\"")),
        ("noise", tcp::garbage(), fault(Cause::TlsNotTls, "something else")),
    ];
    let rows = table.iter().flat_map(|(name, script, expected)| both(name, script, &secure, expected));
    check(rows.map(|row| Row { probe: row.probe.within(super::SHORT), ..row })).await;
}

#[tokio::test]
async fn a_handshake_that_breaks_is_named_by_how_it_breaks() {
    let secure = Secure::new();
    let table = [
        (
            "closes",
            tls::closes_after_hello(),
            fault(Cause::TlsClosed, "closed the connection in answer to our ClientHello"),
        ),
        ("resets", tls::resets_after_hello(), fault(Cause::TlsClosed, "reset the connection")),
        ("noise as ServerHello", tls::garbage_server_hello(), fault(Cause::TlsProtocolError, "")),
        ("TLS 1.0 by alert", tls::tls10_alert(), fault(Cause::TlsVersionMismatch, "protocol_version (70)")),
        ("TLS 1.0 by ServerHello", tls::tls10_server_hello(), fault(Cause::TlsVersionMismatch, "below 1.2")),
        (
            "refuses the name",
            tls::unrecognized_name(),
            fault(Cause::TlsUnrecognizedName, "unrecognized_name (112)").saying(HOST),
        ),
    ];
    check(table.iter().flat_map(|(name, script, expected)| both(name, script, &secure, expected))).await;
}

#[tokio::test]
async fn alerts_are_named_with_their_number() {
    let secure = Secure::new();
    let other = Cause::TlsAlert;
    let table = [
        (10, other, "unexpected_message (10)"),
        (20, other, "bad_record_mac (20)"),
        (22, other, "record_overflow (22)"),
        (40, Cause::TlsCipherMismatch, "handshake_failure (40)"),
        // Nobody asked us for a certificate, so it cannot be ours.
        (42, other, "bad_certificate (42)"),
        (46, other, "certificate_unknown (46)"),
        (47, other, "illegal_parameter (47)"),
        (48, other, "unknown_ca (48)"),
        (49, other, "access_denied (49)"),
        (50, other, "decode_error (50)"),
        (51, other, "decrypt_error (51)"),
        (70, Cause::TlsVersionMismatch, "protocol_version (70)"),
        (71, Cause::TlsCipherMismatch, "insufficient_security (71)"),
        (80, other, "internal_error (80)"),
        (86, other, "inappropriate_fallback (86)"),
        (90, other, "user_canceled (90)"),
        (109, other, "missing_extension (109)"),
        (110, other, "unsupported_extension (110)"),
        (112, Cause::TlsUnrecognizedName, "unrecognized_name (112)"),
        (116, Cause::TlsClientCertificateRequired, "certificate_required (116)"),
        (120, other, "no_application_protocol (120)"),
        (223, other, "number 223"),
        (0, other, "close_notify (0)"),
    ];
    let rows = table.iter().flat_map(|(number, cause, words)| {
        both(&format!("alert {number}"), &tls::alert(*number), &secure, &fault(*cause, words))
    });
    check(rows).await;
}

#[tokio::test]
async fn versions_and_suites_in_common_are_healthy_and_others_not() {
    let secure = Secure::new();
    let identity = secure.pki.identity(Chain::Good, HOST).unwrap();
    let serving = |terms| Service::tls(&ServerTls::with(&identity, terms).unwrap(), http::ok());
    let healthy = || succeeds().chain(&[Leaf, Intermediate]);
    let mut rows = Vec::new();
    for versions in [Versions::Tls12, Versions::Tls13, Versions::Tls12And13] {
        let service = serving(Terms { versions, ..Terms::default() });
        rows.push(row(format!("{versions:?}"), service.clone(), Probe::https(&secure.trust), healthy().status(200)));
        rows.push(row(format!("{versions:?}"), service, Probe::tls(&secure.trust), healthy()));
    }
    for offer in [Offer::RsaSuites, Offer::RareGroup] {
        let service = serving(Terms { offer, ..Terms::default() });
        let expected = fault(Cause::TlsCipherMismatch, "handshake_failure (40)");
        rows.push(row(format!("{offer:?}"), service.clone(), Probe::https(&secure.trust), expected.clone()));
        rows.push(row(format!("{offer:?}"), service, Probe::tls(&secure.trust), expected));
    }
    let h2_only = serving(Terms { alpn: vec![b"h2".to_vec()], ..Terms::default() });
    rows.push(row(
        "h2 only",
        h2_only.clone(),
        Probe::https(&secure.trust),
        fault(Cause::TlsAlert, "no_application_protocol (120)"),
    ));
    rows.push(row("h2 only, and no ALPN", h2_only, Probe::tls(&secure.trust), healthy()));
    check(rows).await;
}

#[tokio::test]
async fn version_and_suite_are_kept_also_when_the_certificate_is_refused() {
    let secure = Secure::new();
    let prober = prober();
    for (versions, version, suite) in
        [(Versions::Tls12, "TLS 1.2", "TLS_ECDHE_"), (Versions::Tls13, "TLS 1.3", "TLS_A")]
    {
        for chain in [Chain::Good, Chain::Expired] {
            let identity = secure.pki.identity(chain, HOST).unwrap();
            let tls = ServerTls::with(&identity, Terms { versions, ..Terms::default() }).unwrap();
            let backend = super::Backend::start(super::LOCALHOST, Service::tls(&tls, http::ok())).unwrap();
            let (_, verdict) = judged(&prober, &Probe::https(&secure.trust).of(backend.address())).await;
            let session = verdict.evidence.tls.unwrap_or_else(|| panic!("{versions:?} {chain:?}: no session"));
            assert_eq!(session.version, version);
            assert!(session.cipher.starts_with(suite), "{}", session.cipher);
        }
    }
}

/// Over https and tls.
struct Asking {
    versions: Versions,
    client: ClientAuthentication,
    script: Script,
}

fn asking(
    secure: &Secure,
    asking: Asking,
    certificate: Option<&Arc<ClientCertificate>>,
    expected: impl Fn(&Probe) -> Expected,
) -> [Row; 2] {
    let Asking { versions, client, script } = asking;
    let identity = secure.pki.identity(Chain::Good, HOST).expect("a chain");
    let kind = match client {
        ClientAuthentication::None => "not asked for",
        ClientAuthentication::Optional(_) => "optional",
        ClientAuthentication::Required(_) => "required",
    };
    let name = format!("{versions:?}, certificate {kind}, ours: {}", certificate.is_some());
    let tls = ServerTls::with(&identity, Terms { versions, client, ..Terms::default() }).expect("a usable key");
    [Probe::https(&secure.trust), Probe::tls(&secure.trust)].map(|probe| {
        let expected = expected(&probe);
        let probe = match certificate {
            Some(certificate) => probe.showing(certificate),
            None => probe,
        };
        row(name.clone(), Service::tls(&tls, script.clone()), probe, expected.chain(&[Leaf, Intermediate]))
    })
}

fn client_certificate(issuer: &Credential) -> Arc<ClientCertificate> {
    let ours = issuer.issue(&Profile::client("us")).expect("a certificate");
    Arc::new(ClientCertificate::new(vec![ours.der()], ours.key_der()).expect("a usable pair"))
}

#[tokio::test]
async fn a_client_certificate_is_required_optional_rejected_or_accepted() {
    let secure = Secure::new();
    let ours = client_certificate(&secure.pki.root);
    let optional = || ClientAuthentication::Optional(secure.pki.root.der());
    let required = || ClientAuthentication::Required(secure.pki.root.der());
    let others = || ClientAuthentication::Required(secure.pki.strange_root.der());
    let healthy = |probe: &Probe| if probe.spec.request.is_some() { succeeds().status(200) } else { succeeds() };
    let mut rows = Vec::new();
    for versions in [Versions::Tls12, Versions::Tls13] {
        let terms = |client| Asking { versions, client, script: http::ok() };
        // Under TLS 1.3 the refusal comes after the handshake.
        let refused = |cause| {
            move |probe: &Probe| match (versions, &probe.spec.request) {
                (Versions::Tls13, Some(_)) => fails(cause, Part::FirstByte),
                _ => fails(cause, Part::Tls),
            }
        };
        rows.extend(asking(&secure, terms(optional()), None, healthy));
        rows.extend(asking(&secure, terms(optional()), Some(&ours), healthy));
        rows.extend(asking(&secure, terms(required()), Some(&ours), healthy));
        rows.extend(asking(&secure, terms(required()), None, refused(Cause::TlsClientCertificateRequired)));
        rows.extend(asking(&secure, terms(others()), None, refused(Cause::TlsClientCertificateRequired)));
        let rejected = refused(Cause::TlsClientCertificateRejected);
        rows.extend(asking(&secure, terms(others()), Some(&ours), |probe| rejected(probe).saying("unknown_ca (48)")));
        // Nobody asks, so nothing is sent.
        rows.extend(asking(&secure, terms(ClientAuthentication::None), Some(&ours), healthy));
    }
    check(rows).await;
}

#[tokio::test]
async fn a_server_that_asked_and_ends_right_after_the_handshake_minds_the_certificate() {
    let secure = Secure::new();
    let ours = client_certificate(&secure.pki.root);
    let client = || ClientAuthentication::Optional(secure.pki.root.der());
    let mut rows = Vec::new();
    for (script, did) in [(tcp::closes(), "closed"), (tcp::resets(), "reset")] {
        let terms = |versions| Asking { versions, client: client(), script: script.clone() };
        let part = |probe: &Probe| if probe.spec.request.is_some() { Part::FirstByte } else { Part::Tls };
        let after = |cause| move |probe: &Probe| fails(cause, part(probe)).saying(did);
        rows.extend(asking(&secure, terms(Versions::Tls13), None, after(Cause::TlsClientCertificateRequired)));
        rows.extend(asking(&secure, terms(Versions::Tls13), Some(&ours), after(Cause::TlsClientCertificateRejected)));
        // Under TLS 1.2 it has accepted our answer before the handshake was over.
        let tls12 = |probe: &Probe| match probe.spec.request {
            Some(_) => fails(Cause::TcpReset, Part::FirstByte).saying(did),
            None => fails(Cause::TlsClosed, Part::Tls).saying(did),
        };
        rows.extend(asking(&secure, terms(Versions::Tls12), None, tls12));
        rows.extend(asking(&secure, terms(Versions::Tls12), Some(&ours), tls12));
        // Who did not ask may close as it likes.
        let terms = Asking { versions: Versions::Tls13, client: ClientAuthentication::None, script: script.clone() };
        rows.extend(asking(&secure, terms, None, |probe| match probe.spec.request {
            Some(_) => fails(Cause::TcpReset, Part::FirstByte).saying(did),
            None => succeeds(),
        }));
    }
    check(rows).await;
}
