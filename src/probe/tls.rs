//! The TLS handshake, driven by hand so that its facts outlive its failure: a full handshake every time, because a
//! resumed one sends no certificate.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection};
use tokio::net::TcpStream;

use super::clock::{Clock, system_time, unix_time};
use super::connection::{Connection, Socket, flush, is_reset, is_too_large, too_large};
use super::memo::AcceptedChains;
use super::verifier::{ClientCertificateAnswer, Presented, Recorder};
use super::{Fault, Flood, LocalFault, MAX_HANDSHAKE_BYTES, Shortage, TlsFacts, TlsFault, TlsSpec};

/// How much of what a server sends first is kept as evidence, in bytes.
const KEPT_FIRST_BYTES: usize = 512;

impl TlsFacts {
    /// The handshake is signed with the key of the first certificate: so it is the server's own.
    #[must_use]
    pub fn is_signed_by_first(&self) -> bool {
        matches!(self.signature, Some(Ok(())))
    }

    /// What a handshake would show of these certificates at `at`: for chains that come from elsewhere.
    #[must_use]
    pub fn of_chain(spec: &TlsSpec, chain: &[CertificateDer<'_>], at: SystemTime) -> Self {
        let mut facts = Self::default();
        if let (Some((leaf, intermediates)), Some(name)) = (chain.split_first(), spec.name.for_tls()) {
            facts.take(&Presented::judge(Some(&spec.trust), leaf, intermediates, &name, unix_time(at)));
        }
        facts
    }

    /// The same by way of what was `accepted` before, as a handshake does it.
    #[must_use]
    pub fn of_chain_again(
        accepted: &AcceptedChains,
        spec: &TlsSpec,
        chain: &[CertificateDer<'_>],
        at: SystemTime,
    ) -> Self {
        let mut facts = Self::default();
        if let (Some((leaf, intermediates)), Some(name)) = (chain.split_first(), spec.name.for_tls()) {
            let now = unix_time(at);
            facts.take(&Presented::judge_again(accepted, Some(&spec.trust), leaf, intermediates, &name, now));
        }
        facts
    }

    pub(super) fn take(&mut self, presented: &Presented) {
        let Presented { chain, path, name, leaf_is_trusted_itself, accepted_as, at } = presented;
        self.chain = chain.clone();
        self.path = Some(path.clone());
        self.name = Some(name.clone());
        self.leaf_is_trusted_itself = *leaf_is_trusted_itself;
        self.accepted_as = *accepted_as;
        self.judged_for = Some(system_time(*at));
    }
}

/// Makes handshakes; one for the whole program.
pub(super) struct Handshake {
    /// A template: verifier and client certificate are put in for each probe, which costs under a microsecond.
    pub(super) template: ClientConfig,
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) memo: Arc<AcceptedChains>,
}

impl Handshake {
    pub(super) fn new(clock: Clock) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let placeholder = Recorder::placeholder(provider.clone());
        let mut template = ClientConfig::builder_with_details(provider.clone(), Arc::new(clock))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider has suites for both versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(placeholder))
            .with_no_client_auth();
        template.resumption = Resumption::disabled();
        let this = Self { template, provider, memo: Arc::default() };
        this.warm_up();
        this
    }

    /// The first use of the cryptography gathers entropy for up to 90 ms; no probe's timing shall hold that.
    fn warm_up(&self) {
        let name = ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
        if let Ok(mut connection) = ClientConnection::new(Arc::new(self.template.clone()), name) {
            let _ = connection.write_tls(&mut io::sink());
        }
    }

    /// Shakes hands over `stream`. What is seen goes into `facts`, also when it fails.
    pub(super) async fn run(
        &self,
        stream: TcpStream,
        spec: &TlsSpec,
        alpn: &[&str],
        last_flight: LastFlight,
        facts: &mut TlsFacts,
    ) -> Result<Connection, Fault> {
        let Some(name) = spec.name.for_tls() else {
            return Err(Fault::Tls(TlsFault::Rustls(rustls::Error::UnsupportedNameType)));
        };
        let recorder = Arc::new(Recorder::new(self.provider.clone(), spec, self.memo.clone()));
        let answer = Arc::new(ClientCertificateAnswer::new(spec.client_certificate.as_deref()));
        let mut config = self.template.clone();
        config.dangerous().set_certificate_verifier(recorder.clone());
        config.client_auth_cert_resolver = answer.clone();
        // An IP address is never sent as SNI; rustls leaves it out by itself.
        config.alpn_protocols = wire_names(alpn);
        let mut connection = ClientConnection::new(Arc::new(config), name)
            .map_err(|error| Fault::Local(LocalFault::Exhausted(Shortage::TlsClient(error.to_string()))))?;
        let outcome = drive(&stream, &mut connection, last_flight, &mut facts.received).await;
        facts.version = connection.protocol_version();
        facts.cipher_suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        facts.client_certificate_requested = answer.was_asked();
        if let Some(presented) = recorder.presented() {
            facts.take(presented);
        }
        facts.signature = recorder.signature().cloned();
        outcome.map_err(Fault::Tls)?;
        Ok(Connection::over_tls(stream, connection))
    }
}

/// As rustls wants them.
pub(super) fn wire_names(alpn: &[&str]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.as_bytes().to_vec()).collect()
}

/// What we say last in a handshake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LastFlight {
    /// Goes out at once.
    Now,
    /// Goes out with what is sent first, in one packet.
    WithRequest,
}

/// Moves records until the handshake is over.
pub(super) async fn drive(
    stream: &TcpStream,
    connection: &mut ClientConnection,
    last_flight: LastFlight,
    received: &mut Vec<u8>,
) -> Result<(), TlsFault> {
    // The system tells of a reset only once; when a write was told, a read sees a mere end.
    let mut reset = false;
    let mut count = 0;
    loop {
        let is_over = !connection.is_handshaking();
        if is_over && last_flight == LastFlight::WithRequest {
            return Ok(());
        }
        // A failed write is no verdict yet: an alert that explains it may be waiting to be read.
        if let Err(error) = flush(stream, connection).await {
            reset |= is_reset(&error);
        }
        if is_over {
            return Ok(());
        }
        match connection.read_tls(&mut Recording { socket: Socket(stream), received }) {
            Ok(0) if reset => return Err(TlsFault::Reset),
            Ok(0) => return Err(TlsFault::Closed),
            Ok(more) => {
                count += more;
                if let Err(error) = connection.process_new_packets() {
                    // Tells the server why, as far as that goes without waiting.
                    let _ = connection.write_tls(&mut Socket(stream));
                    return Err(TlsFault::Rustls(error));
                }
                if count > MAX_HANDSHAKE_BYTES && connection.is_handshaking() {
                    return Err(TlsFault::Flood(Flood::Handshake));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.readable().await.map_err(|_| TlsFault::Reset)?;
            }
            Err(error) if is_too_large(&error) => {
                let _ = connection.write_tls(&mut Socket(stream));
                return Err(TlsFault::Rustls(too_large()));
            }
            Err(_) => return Err(TlsFault::Reset),
        }
    }
}

/// A socket that keeps the first bytes that came in.
struct Recording<'a> {
    socket: Socket<'a>,
    received: &'a mut Vec<u8>,
}

impl io::Read for Recording<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(buffer)?;
        let wanted = KEPT_FIRST_BYTES.saturating_sub(self.received.len()).min(count);
        self.received.extend_from_slice(&buffer[..wanted]);
        Ok(count)
    }
}
