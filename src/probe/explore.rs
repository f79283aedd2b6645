//! Handshakes that are made to learn what a server can do, not whether it is healthy: nothing is sent over them, no client
//! certificate is shown, and what the server presents is written down whether it is trusted or not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConnection, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::notes::Notes;
use super::run::send_proxy_line;
use super::scan::{Greeting, Reply, ScanFacts};
use super::tcp::Manner;
use super::tls::LastFlight;
use super::verifier::Recorder;
use super::{ConnectFault, LocalFault, ProbeSpec, Prober, Shortage, TlsFacts, TlsFault, TlsSpec, scan, tcp, tls};

/// What a handshake asks for, beside certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish<'a> {
    /// Names of application protocols, the best one first; none: nothing is said of them.
    pub protocols: &'a [&'a str],
    /// Send the name, if it is one.
    pub with_name: bool,
    /// Offer signature schemes, too, that cannot be verified here: a server that has a key for nothing else shows its
    /// certificate, and then the handshake ends.
    pub with_every_scheme: bool,
}

/// What a handshake showed.
#[derive(Clone, Debug)]
pub struct Exploration {
    /// `None`: it came to its end.
    pub fault: Option<TlsFault>,
    pub facts: TlsFacts,
    /// The application protocol that the server chose.
    pub protocol: Option<Vec<u8>>,
    /// Of a server that asks for a client certificate: the CAs that it accepts, DER names, at most 64.
    pub authorities: Vec<Vec<u8>>,
    pub took: Duration,
}

impl Prober {
    /// Shakes hands with the server behind `address`.
    ///
    /// # Errors
    /// When no connection opens.
    pub async fn explore(
        &self,
        spec: &ProbeSpec,
        tls: &TlsSpec,
        wish: Wish<'_>,
        address: SocketAddr,
        patience: Duration,
    ) -> Result<Exploration, ConnectFault> {
        let start = Instant::now();
        let deadline = start + patience;
        let stream = connect(spec, address, deadline).await?;
        let mut facts = TlsFacts::default();
        let Some(name) = tls.name.for_tls() else {
            let fault = Some(TlsFault::Rustls(rustls::Error::UnsupportedNameType));
            return Ok(Exploration { fault, facts, protocol: None, authorities: Vec::new(), took: start.elapsed() });
        };
        let unvalidated = TlsSpec { validate_chain: false, validate_name: false, ..tls.clone() };
        let handshake = &self.handshake;
        let recorder = Arc::new(Recorder::new(handshake.provider.clone(), &unvalidated, handshake.memo.clone()));
        let listener = Arc::new(Listener::default());
        let mut config = handshake.template.clone();
        if wish.with_every_scheme {
            config.dangerous().set_certificate_verifier(Arc::new(EveryScheme(recorder.clone())));
        } else {
            config.dangerous().set_certificate_verifier(recorder.clone());
        }
        config.client_auth_cert_resolver = listener.clone();
        config.alpn_protocols = tls::wire_names(wish.protocols);
        config.enable_sni = wish.with_name;
        let mut connection = ClientConnection::new(Arc::new(config), name)
            .map_err(|error| ConnectFault::Local(LocalFault::Exhausted(Shortage::TlsClient(error.to_string()))))?;
        let driven =
            timeout_at(deadline, tls::drive(&stream, &mut connection, LastFlight::Now, &mut facts.received)).await;
        facts.version = connection.protocol_version();
        facts.cipher_suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        if let Some(presented) = recorder.presented() {
            facts.take(presented);
        }
        let asked = listener.asked.lock().unwrap_or_else(PoisonError::into_inner).take();
        facts.client_certificate_requested = asked.is_some();
        let fault = match driven {
            Ok(Ok(())) => None,
            Ok(Err(fault)) => Some(fault),
            Err(_) => Some(TlsFault::Timeout),
        };
        if fault.is_none() {
            connection.send_close_notify();
            let _ = connection.write_tls(&mut super::connection::Socket(&stream));
        }
        Ok(Exploration {
            fault,
            protocol: connection.alpn_protocol().map(<[u8]>::to_vec),
            facts,
            authorities: asked.unwrap_or_default(),
            took: start.elapsed(),
        })
    }

    /// Sends one ClientHello that offers just this, and reads what comes back in clear.
    ///
    /// # Errors
    /// When no connection opens.
    pub async fn greet(
        &self,
        spec: &ProbeSpec,
        greeting: &Greeting<'_>,
        address: SocketAddr,
        patience: Duration,
    ) -> Result<Reply, ConnectFault> {
        let deadline = Instant::now() + patience;
        let stream = connect(spec, address, deadline).await?;
        Ok(scan::greet(&stream, greeting, deadline.saturating_duration_since(Instant::now())).await)
    }

    /// Asks the server behind `address` what it would have needed to shake hands; `None` when it cannot be asked.
    pub async fn scan(&self, spec: &ProbeSpec, address: SocketAddr) -> Option<ScanFacts> {
        let facts = self.scan_once(spec, address, &scan::EVERY_VERSION).await?;
        let hides = match facts.flight.hello {
            Some(hello) => hello.version == scan::EVERY_VERSION[0],
            None => facts.flight.alert.is_some(),
        };
        if !hides || !facts.flight.certificates.is_empty() {
            return Some(facts);
        }
        // TLS 1.3 hides the certificate, or ends before it, though its key may be all that the alert is about; TLS 1.2
        // shows it.
        let older = self.scan_once(spec, address, &scan::EVERY_VERSION[1..]).await;
        let shown = older.map(|older| older.flight.certificates).unwrap_or_default();
        if !shown.is_empty() || facts.flight.hello.is_none() {
            return Some(facts.with_certificates(shown));
        }
        let tls = spec.tls.as_ref()?;
        let wish = Wish { protocols: spec.protocol.row().alpn, with_name: true, with_every_scheme: true };
        let whole = Box::pin(self.explore(spec, tls, wish, address, spec.timeout)).await.ok();
        Some(facts.with_certificates(whole.map(|whole| whole.facts.chain.to_vec()).unwrap_or_default()))
    }

    async fn scan_once(&self, spec: &ProbeSpec, address: SocketAddr, versions: &[u16]) -> Option<ScanFacts> {
        let tls = spec.tls.as_ref()?;
        let now = Instant::now();
        let mut notes = Notes::new(now, now + spec.timeout);
        let addresses = [address.ip()];
        let connect = tcp::connect(&addresses, address.port(), &mut notes);
        let stream = tokio::time::timeout(spec.timeout, connect).await.ok()?.ok()?;
        if spec.proxy_protocol {
            send_proxy_line(&stream).await.ok()?;
        }
        Some(scan::scan(&stream, tls, spec.protocol.row().alpn, versions, spec.timeout).await)
    }
}

async fn connect(spec: &ProbeSpec, address: SocketAddr, deadline: Instant) -> Result<TcpStream, ConnectFault> {
    let stream = match timeout_at(deadline, tcp::attempt(address, deadline, Manner::default())).await {
        Err(_) => return Err(ConnectFault::Timeout),
        Ok(Err(failed)) => return Err(failed.fault(address)),
        Ok(Ok(stream)) => stream,
    };
    // Several small messages follow each other.
    let _ = stream.set_nodelay(true);
    if spec.proxy_protocol {
        send_proxy_line(&stream).await.map_err(|_| ConnectFault::Reset)?;
    }
    Ok(stream)
}

/// A recorder that offers more than it can verify.
#[derive(Debug)]
struct EveryScheme(Arc<Recorder>);

impl ServerCertVerifier for EveryScheme {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let ours = self.0.supported_verify_schemes();
        let others = scan::SCHEMES.map(SignatureScheme::from).into_iter().filter(|scheme| !ours.contains(scheme));
        ours.iter().copied().chain(others).collect()
    }
}

/// Has no client certificate; writes down which ones would be welcome.
#[derive(Debug, Default)]
struct Listener {
    asked: Mutex<Option<Vec<Vec<u8>>>>,
}

impl ResolvesClientCert for Listener {
    fn resolve(&self, root_hint_subjects: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let names = root_hint_subjects.iter().take(MAX_AUTHORITIES).map(|name| name.to_vec()).collect();
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(names);
        None
    }

    fn has_certs(&self) -> bool {
        // rustls asks resolve() only of those that say yes.
        true
    }
}

/// Names of one request that are kept.
const MAX_AUTHORITIES: usize = 64;
