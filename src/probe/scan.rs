//! One extra ClientHello after a handshake that ended in an alert which explains nothing: it offers every version, suite
//! and group that there is, so that the server's choice tells what it would have needed. Nothing is decrypted; TLS up to
//! 1.2 shows version, suite, group and certificates in clear, TLS 1.3 shows suite and group in its HelloRetryRequest; who
//! answers with that, or with an alert again, is asked once more without TLS 1.3, for the certificates, and who has no other
//! version in a whole handshake that offers every signature scheme.

pub mod flight;
mod hello;

use std::io;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::time::Instant;

use self::flight::Flight;
pub(super) use self::hello::SCHEMES;
use super::{TlsSpec, VerifiedName};

/// Most of an answer that is read, in bytes: more than a flight with the largest sensible chain.
const MAX_ANSWER: usize = 96 * 1024;

/// An answer is waited for no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanFacts {
    /// What could be read of the answer; empty when none came.
    pub flight: Flight,
}

/// TLS 1.3 down to 1.0.
pub(super) const EVERY_VERSION: [u16; 4] = [0x0304, 0x0303, 0x0302, 0x0301];

impl ScanFacts {
    /// With the certificates that another answer showed.
    pub(super) fn with_certificates(self, certificates: Vec<CertificateDer<'static>>) -> Self {
        Self { flight: Flight { certificates, ..self.flight } }
    }
}

/// Says hello over `stream` and listens until the answer is whole, ends, or has taken too long.
pub(super) async fn scan(
    stream: &TcpStream,
    spec: &TlsSpec,
    alpn: &[&str],
    versions: &[u16],
    timeout: Duration,
) -> ScanFacts {
    let hello = hello::client_hello(&spec.name, alpn, versions);
    ScanFacts { flight: answered(stream, &hello, timeout).await.flight }
}

/// What one ClientHello offers, when not everything.
#[derive(Clone, Debug)]
pub struct Greeting<'a> {
    /// Sent as SNI, unless it is an address.
    pub name: Option<&'a VerifiedName>,
    /// `0x0301` is TLS 1.0, `0x0304` TLS 1.3.
    pub version: u16,
    /// IANA's numbers.
    pub suites: &'a [u16],
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub flight: Flight,
    /// The first bytes, at most 256.
    pub first: Vec<u8>,
    /// The server had not ended the exchange when the time was over.
    pub is_unfinished: bool,
}

/// The suites that exist in this version: IANA's numbers, the better ones first.
#[must_use]
pub fn suites_of(version: u16) -> Vec<u16> {
    let of_tls13 = |suite: &u16| (0x1301..=0x13ff).contains(suite);
    hello::SUITES.iter().copied().filter(|suite| of_tls13(suite) == (version == 0x0304)).collect()
}

/// Offers just this over `stream`.
pub(super) async fn greet(stream: &TcpStream, greeting: &Greeting<'_>, timeout: Duration) -> Reply {
    let Greeting { name, version, suites } = *greeting;
    let hello = hello::encode(&hello::Offer { name, alpn: &[], versions: &[version], suites });
    answered(stream, &hello, timeout).await
}

async fn answered(stream: &TcpStream, hello: &[u8], timeout: Duration) -> Reply {
    let deadline = Instant::now() + timeout.min(PATIENCE);
    let mut answer = Vec::new();
    // Whatever ends the exchange, what came until then is the finding.
    let outcome = tokio::time::timeout_at(deadline, exchange(stream, hello, &mut answer)).await;
    let flight = flight::read(&answer);
    answer.truncate(256);
    Reply { flight, first: answer, is_unfinished: outcome.is_err() }
}

async fn exchange(stream: &TcpStream, hello: &[u8], answer: &mut Vec<u8>) -> io::Result<()> {
    let mut rest = hello;
    while !rest.is_empty() {
        match stream.try_write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    let mut buffer = [0; 4096];
    while answer.len() < MAX_ANSWER {
        match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                answer.extend_from_slice(&buffer[..count]);
                if flight::read(answer).is_over {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.readable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
