//! Handshakes that are made to learn what a server can do, not whether it is healthy: nothing is sent over them, no client
//! certificate is shown, and what the server presents is written down whether it is trusted or not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConnection, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::run::send_proxy_line;
use super::scan::{Greeting, Reply};
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
        config.dangerous().set_certificate_verifier(recorder.clone());
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
