//! TLS handshakes that fail, by what the server does; and client certificates.

use std::sync::Arc;

use backend_health_exporter::lab::tls::{
    Chain, ClientAuthentication, Credential, Offer, Profile, ServerTls, Terms, Versions,
};
use backend_health_exporter::lab::{Script, Service, http, tcp, tls};
use backend_health_exporter::probe::ClientCertificate;
use backend_health_exporter::verdict::Role::{Intermediate, Leaf};
use backend_health_exporter::verdict::{Cause, unexplained_alert};

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
        // It does not say what it minds, and nothing else is known.
        (40, other, "handshake_failure (40)"),
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
        let expected = fault(Cause::TlsAlert, "handshake_failure (40)");
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

#[tokio::test]
async fn an_alert_is_one_whatever_version_its_record_has() {
    let secure = Secure::new();
    let mut rows = Vec::new();
    for version in [[0, 0], [3, 0], [3, 5], [2, 0], [0x7f, 0x1c], [255, 255]] {
        let odd = |code| tls::alert_of_odd_version(version, code);
        for (code, cause, words) in [
            (40, Cause::TlsAlert, "handshake_failure (40)"),
            (70, Cause::TlsVersionMismatch, "protocol_version (70)"),
            (112, Cause::TlsUnrecognizedName, "unrecognized_name (112)"),
        ] {
            rows.extend(both(&format!("{version:?} {code}"), &odd(code), &secure, &fault(cause, words)));
        }
    }
    check(rows).await;
}

#[tokio::test]
async fn what_an_extra_hello_does_not_prove_is_not_said() {
    let secure = Secure::new();
    let prober = prober();
    let identity = secure.pki.identity(Chain::Good, HOST).unwrap();
    let rare = ServerTls::with(&identity, Terms { offer: Offer::RareGroup, ..Terms::default() }).unwrap();
    let unfit = ServerTls::with(&identity, Terms { offer: Offer::RsaSuites, ..Terms::default() }).unwrap();
    let refuses = tls::alert(40);
    let table: [(super::Behaviour, &str, Cause, &[&str]); 5] = [
        (Service::tls(&rare, http::ok()).into(), HOST, Cause::TlsCipherMismatch, &["it chose MLKEM768"]),
        // Refused whatever was offered: suites and groups are not the reason.
        (
            Service::tls(&unfit, http::ok()).into(),
            HOST,
            Cause::TlsAlert,
            &["the name sent (SNI) was app.lab.test", "these are not the reason"],
        ),
        (refuses.clone().into(), HOST, Cause::TlsAlert, &["SNI) was app.lab.test", "these are not the reason"]),
        (refuses.into(), "127.0.0.1", Cause::TlsAlert, &["no name was sent (SNI)", "these are not the reason"]),
        (tls::alert(112).into(), HOST, Cause::TlsUnrecognizedName, &["SNI) was app.lab.test"]),
    ];
    for (behaviour, name, cause, words) in table {
        let backend = super::Backend::start(super::LOCALHOST, behaviour).unwrap();
        let spec = Probe::https(&secure.trust).named(name).of(backend.address());
        let (mut observation, _) = judged(&prober, &spec).await;
        if unexplained_alert(&observation).is_some() {
            observation.scan = prober.scan(&spec, backend.address()).await.map(Arc::new);
        }
        let verdict = super::judge(&spec, &observation);
        let finding = verdict.cause.expect("a fault");
        assert_eq!(finding.code, cause, "{}", finding.detail);
        for words in words {
            assert!(finding.detail.contains(words), "{words}: {}", finding.detail);
        }
    }
}

/// Carries bytes to the server behind it, and back, each this much later.
async fn slow_road(to: std::net::SocketAddr, one_way: std::time::Duration) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    async fn carry(
        mut from: tokio::net::tcp::OwnedReadHalf,
        mut to: tokio::net::tcp::OwnedWriteHalf,
        one_way: std::time::Duration,
    ) {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<(tokio::time::Instant, Vec<u8>)>();
        tokio::spawn(async move {
            while let Some((due, bytes)) = receiver.recv().await {
                tokio::time::sleep_until(due).await;
                if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        });
        loop {
            let mut buffer = vec![0; 16 * 1024];
            let count = from.read(&mut buffer).await.unwrap_or(0);
            buffer.truncate(count);
            if sender.send((tokio::time::Instant::now() + one_way, buffer)).is_err() || count == 0 {
                return;
            }
        }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = tokio::net::TcpStream::connect(to).await.expect("the server takes connections");
            let ((client_in, client_out), (server_in, server_out)) = (client.into_split(), server.into_split());
            tokio::spawn(carry(client_in, server_out, one_way));
            tokio::spawn(carry(server_in, client_out, one_way));
        }
    });
    address
}

#[tokio::test]
async fn a_late_refusal_is_waited_for_as_long_as_the_road_takes() {
    let secure = Secure::new();
    let identity = secure.pki.identity(Chain::Good, HOST).unwrap();
    let ours = client_certificate(&secure.pki.root);
    let serving = |client| {
        let terms = Terms { versions: Versions::Tls13, client, ..Terms::default() };
        let tls = ServerTls::with(&identity, terms).unwrap();
        super::Backend::start(super::LOCALHOST, Service::tls(&tls, tcp::holds())).unwrap()
    };
    let required = serving(ClientAuthentication::Required(secure.pki.root.der()));
    let others = serving(ClientAuthentication::Required(secure.pki.strange_root.der()));
    let optional = serving(ClientAuthentication::Optional(secure.pki.root.der()));
    let prober = prober();
    for one_way in [0, 100, 150, 300].map(std::time::Duration::from_millis) {
        for (backend, certificate, cause) in [
            (&required, None, Some(Cause::TlsClientCertificateRequired)),
            (&others, Some(&ours), Some(Cause::TlsClientCertificateRejected)),
            (&required, Some(&ours), None),
            (&optional, None, None),
        ] {
            let road = slow_road(backend.address(), one_way).await;
            let probe = Probe::tls(&secure.trust);
            let probe = certificate.into_iter().fold(probe, Probe::showing);
            let (_, verdict) = judged(&prober, &probe.of(road)).await;
            let found = verdict.cause.as_ref().map(|finding| finding.code);
            assert_eq!(found, cause, "{one_way:?} each way: {:?}", super::told(&verdict));
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

/// A record that holds just one of the lab's tickets: a head of 5 bytes, and 81 of ticket.
const ONE_TICKET: usize = 5 + 81;

#[tokio::test]
async fn a_flood_of_session_tickets_ends_the_probe_and_a_few_are_usual() {
    let secure = Secure::new();
    let identity = secure.pki.identity(Chain::Good, HOST).unwrap();
    let sending = |tickets, record_size| {
        let terms = Terms { versions: Versions::Tls13, tickets: Some(tickets), record_size, ..Terms::default() };
        Service::tls(&ServerTls::with(&identity, terms).unwrap(), http::ok())
    };
    let of_size = |tickets, record_size, probe, expected: Expected| {
        let name = format!("{tickets} tickets in records of {record_size:?}");
        row(name, sending(tickets, record_size), probe, expected.chain(&[Leaf, Intermediate]))
    };
    let of = |tickets, probe, expected| of_size(tickets, None, probe, expected);
    let flood = |words| fails(Cause::TlsProtocolError, Part::FirstByte).saying(words);
    let (https, tls) = (|| Probe::https(&secure.trust), || Probe::tls(&secure.trust));
    check([
        // As large as records may be, in which the tickets run on into each other.
        of(30_000, https(), flood("TLS messages at once")),
        // Each ticket in a record of its own.
        of_size(30_000, Some(ONE_TICKET), https(), flood("more than 2 MiB of TLS records")),
        // Nothing is read after the handshake.
        of(30_000, tls(), succeeds()),
        of(0, https(), succeeds().status(200)),
        of(16, https(), succeeds().status(200)),
        of(16, tls(), succeeds()),
    ])
    .await;
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
        // So do servers that look at the certificate by themselves, after a handshake that takes any.
        rows.extend(asking(&secure, terms(Versions::Tls12), None, after(Cause::TlsClientCertificateRequired)));
        rows.extend(asking(&secure, terms(Versions::Tls12), Some(&ours), after(Cause::TlsClientCertificateRejected)));
        // Who did not ask may close as it likes.
        let terms = Asking { versions: Versions::Tls13, client: ClientAuthentication::None, script: script.clone() };
        rows.extend(asking(&secure, terms, None, |probe| match probe.spec.request {
            Some(_) => fails(Cause::TcpReset, Part::FirstByte).saying(did),
            None => succeeds(),
        }));
    }
    check(rows).await;
}
