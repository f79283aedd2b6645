//! TLS handshakes: terms that servers insist on, and servers that spoil it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backend_health_exporter::lab::tls::{
    Chain, ClientAuthentication, Credential, Offer, Pki, Profile, ServerTls, Terms, Versions,
};
use backend_health_exporter::lab::{Backend, Behaviour, Handshake, Script, Service, http, tcp, tls};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ProtocolVersion, RootCertStore, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{DEADLINE, End, LOCALHOST, QUIET, REQUEST, Visit, read_to_the_end, visit};

/// A TLS client that remembers the certificates it was sent, whether it accepts them or not.
pub struct Client {
    trust: Option<Arc<WebPkiServerVerifier>>,
    certificate: Option<(CertificateDer<'static>, rustls::pki_types::PrivateKeyDer<'static>)>,
    alpn: Vec<Vec<u8>>,
    proxy_line: &'static [u8],
    patience: Duration,
}

/// What a client saw of one TLS connection.
pub struct Seen {
    pub chain: Vec<Vec<u8>>,
    pub version: Option<ProtocolVersion>,
    /// What came after the request, or what went wrong, in rustls's words.
    pub outcome: Result<Visit, String>,
}

impl Client {
    pub fn accepting_anything() -> Self {
        Self { trust: None, certificate: None, alpn: Vec::new(), proxy_line: b"", patience: DEADLINE }
    }

    pub fn trusting(root: &Credential) -> Self {
        Self::trusting_less(root, Vec::new())
    }

    pub fn trusting_less(root: &Credential, lists: Vec<CertificateRevocationListDer<'static>>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(root.der()).expect("a root");
        let trust = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .with_crls(lists)
            .build()
            .expect("usable lists");
        Self { trust: Some(trust), ..Self::accepting_anything() }
    }

    fn showing(self, certificate: &Credential) -> Self {
        Self { certificate: Some((certificate.der(), certificate.key_der())), ..self }
    }

    pub async fn visit(&self, address: SocketAddr, host: &str) -> Seen {
        let recorder = Arc::new(Recorder { trust: self.trust.clone(), chain: Mutex::default() });
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("usual versions")
            .dangerous()
            .with_custom_certificate_verifier(recorder.clone());
        let mut config = match &self.certificate {
            Some((certificate, key)) => {
                builder.with_client_auth_cert(vec![certificate.clone()], key.clone_key()).expect("a usable key")
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols.clone_from(&self.alpn);
        let mut version = None;
        let outcome = self.converse(address, host, config, &mut version).await;
        let chain = std::mem::take(&mut *recorder.chain.lock().expect("no panic"));
        Seen { chain, version, outcome }
    }

    async fn converse(
        &self,
        address: SocketAddr,
        host: &str,
        config: ClientConfig,
        version: &mut Option<ProtocolVersion>,
    ) -> Result<Visit, String> {
        let mut tcp = TcpStream::connect(address).await.expect("the backend accepts");
        tcp.write_all(self.proxy_line).await.expect("the line is sent");
        let name = ServerName::try_from(host.to_owned()).expect("a name or an address");
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        let mut stream = match timeout(self.patience, handshake).await {
            Err(_) => return Err(SILENCE.to_owned()),
            Ok(Err(error)) => return Err(format!("{:?}: {error:?}", error.kind())),
            Ok(Ok(stream)) => stream,
        };
        *version = stream.get_ref().1.protocol_version();
        // In TLS 1.3 a server refuses a client certificate after the client's handshake is over.
        let _refused_already = stream.write_all(REQUEST).await;
        let mut first = [0];
        match timeout(self.patience, stream.read(&mut first)).await {
            Err(_) => Ok(Visit { received: Vec::new(), end: End::Quiet }),
            Ok(Err(error)) => Err(format!("after the handshake: {error:?}")),
            Ok(Ok(0)) => Ok(Visit { received: Vec::new(), end: End::Closed }),
            Ok(Ok(_)) => {
                let mut visit = read_to_the_end(&mut stream, self.patience).await;
                visit.received.insert(0, first[0]);
                Ok(visit)
            }
        }
    }
}

#[derive(Debug)]
struct Recorder {
    trust: Option<Arc<WebPkiServerVerifier>>,
    chain: Mutex<Vec<Vec<u8>>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let sent = std::iter::once(end_entity).chain(intermediates).map(|certificate| certificate.to_vec()).collect();
        *self.chain.lock().expect("no panic") = sent;
        match &self.trust {
            Some(trust) => trust.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.trust {
            Some(trust) => trust.verify_tls12_signature(message, certificate, signature),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.trust {
            Some(trust) => trust.verify_tls13_signature(message, certificate, signature),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

const HOST: &str = "app.lab.test";

const SILENCE: &str = "silence";

fn start(pki: &Pki, terms: Terms, script: Script) -> Backend {
    let tls = ServerTls::with(&pki.identity(Chain::Good, HOST).expect("a chain"), terms).expect("a usable key");
    Backend::start(LOCALHOST, Service::tls(&tls, script)).expect("the backend starts")
}

/// What a trusting client finds: the start of an answer, or an error that contains this.
async fn check(pki: &Pki, terms: Terms, client: &Client, wanted: Result<ProtocolVersion, &str>) {
    let name = format!("{terms:?}");
    let backend = start(pki, terms, http::ok());
    let seen = client.visit(backend.address(), HOST).await;
    match (seen.outcome, wanted) {
        (Ok(visit), Ok(version)) => {
            assert!(visit.received.starts_with(b"HTTP/1.1 200 "), "{name}");
            assert_eq!(seen.version, Some(version), "{name}");
        }
        (Err(error), Err(wanted)) => assert!(error.contains(wanted), "{name}: {error}"),
        (outcome, wanted) => panic!("{name}: {outcome:?}, not {wanted:?}"),
    }
}

#[tokio::test]
async fn servers_insist_on_their_versions_suites_and_protocols() {
    let pki = Pki::new().expect("a PKI");
    let client = Client::trusting(&pki.root);
    let versions = |versions| Terms { versions, ..Terms::default() };
    check(&pki, versions(Versions::Tls12And13), &client, Ok(ProtocolVersion::TLSv1_3)).await;
    check(&pki, versions(Versions::Tls12), &client, Ok(ProtocolVersion::TLSv1_2)).await;
    check(&pki, versions(Versions::Tls13), &client, Ok(ProtocolVersion::TLSv1_3)).await;

    let offer = |offer| Terms { offer, ..Terms::default() };
    check(&pki, offer(Offer::RsaSuites), &client, Err("AlertReceived(HandshakeFailure)")).await;
    check(&pki, offer(Offer::RareGroup), &client, Err("AlertReceived(HandshakeFailure)")).await;

    let h2 = || Terms { alpn: vec![b"h2".to_vec()], ..Terms::default() };
    let client = Client { alpn: vec![b"http/1.1".to_vec()], ..client };
    check(&pki, h2(), &client, Err("AlertReceived(NoApplicationProtocol)")).await;
}

#[tokio::test]
async fn client_certificates_are_optional_required_or_rejected() {
    let pki = Pki::new().expect("a PKI");
    let ours = pki.root.issue(&Profile::client("us")).expect("a client certificate");
    let without = || Client::trusting(&pki.root);
    let with = || without().showing(&ours);
    for (versions, version, required) in [
        (Versions::Tls12, ProtocolVersion::TLSv1_2, "AlertReceived("),
        (Versions::Tls13, ProtocolVersion::TLSv1_3, "after the handshake: "),
    ] {
        let terms = |client| Terms { versions, client, ..Terms::default() };
        let optional = || terms(ClientAuthentication::Optional(pki.root.der()));
        check(&pki, optional(), &without(), Ok(version)).await;
        check(&pki, optional(), &with(), Ok(version)).await;

        let wanting = || terms(ClientAuthentication::Required(pki.root.der()));
        check(&pki, wanting(), &without(), Err(required)).await;
        check(&pki, wanting(), &with(), Ok(version)).await;

        let rejecting = || terms(ClientAuthentication::Required(pki.strange_root.der()));
        check(&pki, rejecting(), &with(), Err("AlertReceived(UnknownCA)")).await;
    }
    let tls13 = Terms { client: ClientAuthentication::Required(pki.root.der()), ..Terms::default() };
    check(&pki, tls13, &without(), Err("AlertReceived(CertificateRequired)")).await;
}

#[tokio::test]
async fn a_spoiled_handshake_is_spoiled_in_the_way_that_it_is_named() {
    let rows: [(Script, &str); 14] = [
        (tls::alert(40), "AlertReceived(HandshakeFailure)"),
        (tls::alert(80), "AlertReceived(InternalError)"),
        (tls::alert(223), "AlertReceived(AlertDescription(0xdf))"),
        (tls::unrecognized_name(), "AlertReceived(UnrecognisedName)"),
        (tls::tls10_alert(), "AlertReceived(ProtocolVersion)"),
        (tls::tls10_server_hello(), "PeerIncompatible(ServerDoesNotSupportTls12Or13)"),
        (tls::garbage_server_hello(), "InvalidMessage("),
        (tls::closes_after_hello(), "UnexpectedEof"),
        (tls::resets_after_hello(), "ConnectionReset"),
        (tls::stalls_after_hello(), SILENCE),
        (tls::answers_plain_http(), "InvalidMessage(InvalidContentType)"),
        (tcp::ssh_banner(), "InvalidMessage("),
        (http::ok(), SILENCE),
        (tcp::resets(), "ConnectionReset"),
    ];
    for (script, wanted) in rows {
        let name = format!("{script:?}");
        let backend = Backend::start(LOCALHOST, script).expect("the backend starts");
        let patience = if wanted == SILENCE { QUIET } else { DEADLINE };
        let client = Client { patience, ..Client::accepting_anything() };
        let seen = client.visit(backend.address(), HOST).await;
        let error = seen.outcome.expect_err(&name);
        assert!(error.contains(wanted), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_backend_remembers_the_client_hello_of_a_handshake_that_it_spoiled() {
    let backend = Backend::start(LOCALHOST, tls::alert(80)).expect("the backend starts");
    Client::accepting_anything().visit(backend.address(), HOST).await.outcome.expect_err("an alert");
    let requests = backend.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with(&[22, 3, 1]), "a handshake record");
    assert!(requests[0].windows(HOST.len()).any(|window| window == HOST.as_bytes()), "the SNI");
}

#[tokio::test]
async fn a_backend_remembers_handshakes_and_the_requests_inside() {
    let pki = Pki::new().expect("a PKI");
    let ours = pki.root.issue(&Profile::client("us")).expect("a client certificate");
    let terms = Terms {
        client: ClientAuthentication::Optional(pki.root.der()),
        alpn: vec![b"http/1.1".to_vec()],
        ..Terms::default()
    };
    let backend = start(&pki, terms, http::ok());
    let alpn = vec![b"http/1.1".to_vec()];
    let first = Client { alpn, ..Client::trusting(&pki.root).showing(&ours) };
    first.visit(backend.address(), HOST).await.outcome.expect("an answer");
    Client::accepting_anything().visit(backend.address(), "127.0.0.1").await.outcome.expect("an answer");

    let named =
        Handshake { server_name: Some(HOST.to_owned()), alpn: Some(b"http/1.1".to_vec()), client_certificates: 1 };
    let nameless = Handshake { server_name: None, alpn: None, client_certificates: 0 };
    assert_eq!(backend.handshakes(), [named, nameless]);
    assert_eq!(backend.requests(), [REQUEST.to_vec(), REQUEST.to_vec()]);
}

#[tokio::test]
async fn inside_tls_an_end_in_good_order_a_cut_and_a_reset_differ() {
    let pki = Pki::new().expect("a PKI");
    for (script, wanted) in [
        (http::close_delimited(), End::Closed),
        (http::close_delimited_and_cut(), End::Cut),
        (http::resets_in_body(), End::Reset),
        (http::drips_body(Duration::from_millis(5)), End::Endless),
    ] {
        let backend = start(&pki, Terms::default(), script.clone());
        let seen = Client::trusting(&pki.root).visit(backend.address(), HOST).await;
        assert_eq!(seen.outcome.expect("the start of an answer").end, wanted, "{script:?}");
    }
}

#[tokio::test]
async fn tls_behind_a_proxy_line_wants_the_line_and_tls_without_it_does_not() {
    let pki = Pki::new().expect("a PKI");
    let tls = ServerTls::new(&pki.identity(Chain::Good, HOST).expect("a chain")).expect("a usable key");
    let direct = Service::tls(&tls, http::ok());
    let behind = direct.clone().behind_proxy_line();
    let line: &[u8] = b"PROXY UNKNOWN\r\n";
    for (service, proxy_line, wanted) in
        [(&behind, line, Ok(())), (&direct, b"", Ok(())), (&behind, b"", Err(())), (&direct, line, Err(()))]
    {
        let backend = Backend::start(LOCALHOST, service.clone()).expect("the backend starts");
        let client = Client { proxy_line, ..Client::trusting(&pki.root) };
        let outcome = client.visit(backend.address(), HOST).await.outcome;
        assert_eq!(outcome.as_ref().map(drop).map_err(drop), wanted, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_tls_server_answers_plain_text_with_an_alert_and_a_close() {
    let pki = Pki::new().expect("a PKI");
    let backend = start(&pki, Terms::default(), http::ok());
    let Visit { received, end } = visit(backend.address(), REQUEST, DEADLINE).await;
    assert_eq!((received.first(), end), (Some(&21), End::Closed));
}

#[tokio::test]
async fn a_backend_may_change_from_plain_to_tls() {
    let pki = Pki::new().expect("a PKI");
    let backend = Backend::start(LOCALHOST, http::ok()).expect("the backend starts");
    let client = Client { patience: QUIET, ..Client::trusting(&pki.root) };
    assert_eq!(client.visit(backend.address(), HOST).await.outcome.expect_err("plain HTTP waits on"), SILENCE);
    let tls = ServerTls::new(&pki.identity(Chain::Good, HOST).expect("a chain")).expect("a usable key");
    backend.set(Behaviour::from(Service::tls(&tls, http::ok()))).expect("another service");
    let client = Client { patience: DEADLINE, ..client };
    client.visit(backend.address(), HOST).await.outcome.expect("an answer");
}
