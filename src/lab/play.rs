//! Plays a script on one accepted connection.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::lab::behaviour::Service;
use crate::lab::journal::{Handshake, Recording};
use crate::lab::script::{Mark, Script, Step};

/// Serves one connection to its end. Whatever the peer does ends it; there is nobody to tell.
pub(super) async fn serve(tcp: TcpStream, service: Service, recording: Recording) {
    let _ended_by_peer = converse(tcp, &service, &recording).await;
}

async fn converse(tcp: TcpStream, service: &Service, recording: &Recording) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut channel = Channel::Plain(tcp);
    if let Some(opening) = &service.opening
        && channel.play(opening, recording).await? == Outcome::Over
    {
        return Ok(());
    }
    if let Some(tls) = &service.tls {
        channel = match channel.into_tls(tls.acceptor(), recording).await {
            Ok(channel) => channel,
            // The alert is out; closing without reading on would send RST after it and could destroy it.
            Err(mut bare) => return bare.finish(recording).await,
        };
    }
    match channel.play(&service.script, recording).await? {
        Outcome::GoesOn => channel.finish(recording).await,
        Outcome::Over => Ok(()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    GoesOn,
    Over,
}

enum Channel {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Channel {
    async fn play(&mut self, script: &Script, recording: &Recording) -> io::Result<Outcome> {
        for step in script.steps() {
            match step {
                Step::Await(mark) => {
                    if self.read_until(*mark, recording).await? == Outcome::Over {
                        self.finish(recording).await?;
                        return Ok(Outcome::Over);
                    }
                }
                Step::Send(bytes) => self.send(bytes).await?,
                Step::Drip { bytes, pause } => {
                    for byte in bytes.iter() {
                        tokio::time::sleep(*pause).await;
                        self.send(&[*byte]).await?;
                    }
                }
                Step::Repeat { bytes, pause } => loop {
                    if !pause.is_zero() {
                        tokio::time::sleep(*pause).await;
                    }
                    self.send(bytes).await?;
                },
                Step::Pause(duration) => tokio::time::sleep(*duration).await,
                Step::Hold => {
                    while self.read(&mut [0; 4096], recording).await? > 0 {}
                    return Ok(Outcome::Over);
                }
                Step::Finish => {
                    self.finish(recording).await?;
                    return Ok(Outcome::Over);
                }
                Step::Cut => {
                    self.tcp().shutdown().await?;
                    self.drain(recording).await?;
                    return Ok(Outcome::Over);
                }
                Step::Reset => {
                    self.tcp().set_zero_linger()?;
                    return Ok(Outcome::Over);
                }
            }
        }
        Ok(Outcome::GoesOn)
    }

    async fn into_tls(self, acceptor: TlsAcceptor, recording: &Recording) -> Result<Self, Self> {
        let tcp = match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(_) => return Ok(self),
        };
        match acceptor.accept(tcp).into_fallible().await {
            Ok(stream) => {
                let connection = stream.get_ref().1;
                recording.handshake(Handshake {
                    server_name: connection.server_name().map(str::to_owned),
                    alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
                    client_certificates: connection.peer_certificates().map_or(0, <[_]>::len),
                });
                Ok(Self::Tls(Box::new(stream)))
            }
            Err((_, tcp)) => Err(Self::Plain(tcp)),
        }
    }

    async fn read_until(&mut self, mark: Mark, recording: &Recording) -> io::Result<Outcome> {
        let mut seen = Vec::new();
        // What follows a PROXY line belongs to TLS, so not a byte more may be taken off the socket.
        let step = if mark == Mark::ProxyLine { 1 } else { 4096 };
        let mut buffer = vec![0; step];
        loop {
            match mark.progress(&seen) {
                Progress::Complete => return Ok(Outcome::GoesOn),
                Progress::Never => return Ok(Outcome::Over),
                Progress::Incomplete => {}
            }
            match self.read(&mut buffer, recording).await? {
                0 => return Ok(Outcome::Over),
                count => seen.extend_from_slice(&buffer[..count]),
            }
        }
    }

    async fn read(&mut self, buffer: &mut [u8], recording: &Recording) -> io::Result<usize> {
        let count = match self {
            Self::Plain(tcp) => tcp.read(buffer).await?,
            Self::Tls(stream) => stream.read(buffer).await?,
        };
        if count > 0 {
            recording.received(&buffer[..count]);
        }
        Ok(count)
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    async fn finish(&mut self, recording: &Recording) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.shutdown().await?,
            Self::Tls(stream) => stream.shutdown().await?,
        }
        self.drain(recording).await
    }

    /// Reads until the peer closes too: closing with unread bytes would turn our FIN into RST.
    async fn drain(&mut self, recording: &Recording) -> io::Result<()> {
        let reading = async {
            while self.read(&mut [0; 4096], recording).await? > 0 {}
            Ok(())
        };
        tokio::time::timeout(DRAIN_TIMEOUT, reading).await.unwrap_or(Ok(()))
    }

    fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(stream) => stream.get_mut().0,
        }
    }
}

enum Progress {
    Incomplete,
    Complete,
    /// No more bytes can complete it.
    Never,
}

impl Mark {
    fn progress(self, seen: &[u8]) -> Progress {
        let complete = match self {
            Self::Anything => !seen.is_empty(),
            Self::RequestHead => seen.windows(4).any(|window| window == b"\r\n\r\n"),
            // RFC 8446, section 5.1: type, version, then two bytes of length.
            Self::ClientHello => match seen {
                [_, _, _, high, low, fragment @ ..] => fragment.len() >= usize::from(u16::from_be_bytes([*high, *low])),
                _ => false,
            },
            Self::ProxyLine => {
                let compared = seen.len().min(PROXY_SIGNATURE.len());
                if seen[..compared] != PROXY_SIGNATURE[..compared] {
                    return Progress::Never;
                }
                seen.ends_with(b"\r\n")
            }
        };
        let limit = match self {
            Self::Anything | Self::RequestHead | Self::ClientHello => MAX_AWAITED_BYTES,
            Self::ProxyLine => MAX_PROXY_LINE_BYTES,
        };
        match complete {
            true => Progress::Complete,
            false if seen.len() >= limit => Progress::Never,
            false => Progress::Incomplete,
        }
    }
}

const PROXY_SIGNATURE: &[u8] = b"PROXY ";

/// The longest PROXY protocol v1 line, CRLF included (PROXY protocol specification, section 2.1).
const MAX_PROXY_LINE_BYTES: usize = 107;

/// Longer requests are not waited for.
const MAX_AWAITED_BYTES: usize = 64 * 1024;

/// How long a closed connection waits for the peer's own close.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
