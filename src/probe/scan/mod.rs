//! One extra ClientHello after a handshake that ended in an alert which explains nothing: it offers every version, suite
//! and group that there is, so that the server's choice tells what it would have needed. Nothing is decrypted; TLS up to
//! 1.2 shows version, suite, group and certificates in clear, TLS 1.3 shows suite and group in its HelloRetryRequest.

pub mod flight;
mod hello;

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use self::flight::Flight;
use super::TlsSpec;

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

/// Says hello over `stream` and listens until the answer is whole, ends, or has taken too long.
pub(super) async fn scan(stream: &TcpStream, spec: &TlsSpec, offer_http: bool, timeout: Duration) -> ScanFacts {
    let deadline = Instant::now() + timeout.min(PATIENCE);
    let hello = hello::client_hello(&spec.name, offer_http);
    let mut answer = Vec::new();
    // Whatever ends the exchange, what came until then is the finding.
    let _ = tokio::time::timeout_at(deadline, exchange(stream, &hello, &mut answer)).await;
    ScanFacts { flight: flight::read(&answer) }
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
