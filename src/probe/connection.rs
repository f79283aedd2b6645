//! An open connection, plain or TLS, as the stages above it see it.

use std::io;
use std::io::BufRead;

use nix::libc;
use rustls::ProtocolVersion;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::{Fault, Flood, HttpFault, MAX_IDLE_RECORD_BYTES, ResponseProgress, TlsFault};

/// Reads and writes whole messages; errors say what they were.
pub(super) struct Connection {
    stream: TcpStream,
    tls: Option<Box<rustls::ClientConnection>>,
    /// Bytes of TLS records that were read and came to no data.
    idle: usize,
    /// A write was told of a reset; the system tells of it only once, and a read then sees a mere end.
    reset: bool,
}

/// Why reading or writing ended.
pub(super) enum Broken {
    Reset,
    Tls(rustls::Error),
    /// What comes holds no data, and has no end.
    Flood(Flood),
}

impl Broken {
    /// What this means while no or only a part of a response is in.
    pub(super) fn before_a_response(self, progress: ResponseProgress, after_client_certificate: bool) -> Fault {
        match self {
            Self::Reset if after_client_certificate => Fault::Tls(TlsFault::EndAfterHandshake { reset: true }),
            Self::Reset => Fault::Http(HttpFault::Reset(progress)),
            Self::Tls(rustls::Error::AlertReceived(alert)) => Fault::Tls(TlsFault::AlertAfterHandshake(alert)),
            Self::Tls(error) => Fault::Tls(TlsFault::Rustls(error)),
            Self::Flood(what) => Fault::Tls(TlsFault::Flood(what)),
        }
    }
}

impl Connection {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self { stream, tls: None, idle: 0, reset: false }
    }

    pub(super) fn over_tls(stream: TcpStream, tls: rustls::ClientConnection) -> Self {
        Self { stream, tls: Some(Box::new(tls)), idle: 0, reset: false }
    }

    /// Writes all of `bytes`. A write that fails is no verdict yet: what the server said before is still to be read.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            None => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    match self.stream.try_write(rest) {
                        Ok(written) => rest = &rest[written..],
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            if self.stream.writable().await.is_err() {
                                return;
                            }
                        }
                        Err(error) => {
                            self.reset = is_reset(&error);
                            return;
                        }
                    }
                }
            }
            Some(tls) => {
                if io::Write::write_all(&mut tls.writer(), bytes).is_ok()
                    && let Err(error) = flush(&self.stream, tls).await
                {
                    self.reset = is_reset(&error);
                }
            }
        }
    }

    /// Appends what is there, at least one byte; 0 at the end, with or without a TLS farewell. Tells in `renegotiation` when
    /// the server asks for that.
    pub(super) async fn read(&mut self, into: &mut Vec<u8>, renegotiation: &mut bool) -> Result<usize, Broken> {
        loop {
            // A server that always has more to say must not keep the deadline from being looked at.
            tokio::task::coop::consume_budget().await;
            if let Some(tls) = &mut self.tls {
                match take_plaintext(tls, into) {
                    Ok(count) => {
                        self.idle = self.idle.saturating_sub(count);
                        return Ok(count);
                    }
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                    Err(_) => {}
                }
                match tls.read_tls(&mut Socket(&self.stream)) {
                    Ok(0) => {
                        // Lets the reader above give out what it still holds, and then the end.
                        let _ = tls.process_new_packets();
                        return match take_plaintext(tls, into) {
                            Ok(0) | Err(_) if self.reset => Err(Broken::Reset),
                            Ok(count) => Ok(count),
                            Err(_) => Ok(0),
                        };
                    }
                    Ok(count) => {
                        self.idle += count;
                        tls.process_new_packets().map_err(Broken::Tls)?;
                        // Answers to key updates; before TLS 1.3 there is none but the refusal to renegotiate.
                        if tls.wants_write() {
                            *renegotiation |= tls.protocol_version() == Some(ProtocolVersion::TLSv1_2);
                            let _ = tls.write_tls(&mut Socket(&self.stream));
                        }
                        if self.idle > MAX_IDLE_RECORD_BYTES {
                            return Err(Broken::Flood(Flood::Records));
                        }
                        continue;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) if is_too_large(&error) => return Err(Broken::Flood(Flood::Messages)),
                    Err(_) => return Err(Broken::Reset),
                }
            } else {
                into.reserve(READ_AT_ONCE);
                match self.stream.try_read_buf(into) {
                    Ok(0) if self.reset => return Err(Broken::Reset),
                    Ok(count) => return Ok(count),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return Err(Broken::Reset),
                }
            }
            self.stream.readable().await.map_err(|_| Broken::Reset)?;
        }
    }

    /// Says farewell over TLS, as far as that goes without waiting; dropping the connection then closes it, and sends both
    /// in one packet.
    pub(super) fn close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let mut farewell = Vec::new();
            if tls.write_tls(&mut farewell).is_ok() {
                let _ = SockRef::from(&self.stream).send_with_flags(&farewell, libc::MSG_MORE | libc::MSG_DONTWAIT);
            }
        }
    }
}

/// Room for what is read from a socket at once, in bytes.
const READ_AT_ONCE: usize = 4096;

/// Appends what was decrypted; 0 after a farewell.
fn take_plaintext(tls: &mut rustls::ClientConnection, into: &mut Vec<u8>) -> io::Result<usize> {
    let mut reader = tls.reader();
    let plaintext = reader.fill_buf()?;
    let count = plaintext.len();
    into.extend_from_slice(plaintext);
    reader.consume(count);
    Ok(count)
}

/// Whether the peer reset the connection.
pub(super) fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

/// Whether the TLS library has no room for more of one message; the system's own errors are never of this kind.
pub(super) fn is_too_large(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

pub(super) fn too_large() -> rustls::Error {
    rustls::InvalidMessage::HandshakePayloadTooLarge.into()
}

/// Writes all that TLS has to say.
pub(super) async fn flush(stream: &TcpStream, tls: &mut rustls::ClientConnection) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(&mut Socket(stream)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A socket that never waits, as rustls wants it.
pub(super) struct Socket<'a>(pub(super) &'a TcpStream);

impl io::Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl io::Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    /// All records of a flight in one packet.
    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::pin::pin;
    use std::task::Poll;

    use tokio::task::coop::{consume_budget, has_budget_remaining};

    use super::*;

    #[tokio::test]
    async fn a_server_that_always_has_more_to_say_does_not_keep_the_deadline_waiting() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut server = listener.accept().await.unwrap().0.into_std().unwrap();
        server.write_all(b"more").unwrap();
        stream.readable().await.unwrap();
        let mut connection = Connection::plain(stream);
        let mut bytes = Vec::new();
        poll_fn(|context| {
            while has_budget_remaining() {
                let _ = pin!(consume_budget()).poll(context);
            }
            assert!(pin!(connection.read(&mut bytes, &mut false)).poll(context).is_pending(), "nobody else had a turn");
            Poll::Ready(())
        })
        .await;
        assert!(matches!(connection.read(&mut bytes, &mut false).await, Ok(4)));
        assert_eq!(bytes, b"more");
    }
}
