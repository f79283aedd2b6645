//! Every backend of the lab really does what its name says: seen by raw sockets and by a rustls client.

mod certificates;
mod demo;
mod handshakes;
mod plain;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a client saw of one connection.
#[derive(Debug)]
struct Visit {
    received: Vec<u8>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
    /// Ended inside TLS without a `close_notify`.
    Cut,
    /// Nothing more came.
    Quiet,
    /// More and more came.
    Endless,
}

/// Connects, sends this, and reads until the end is clear, or nothing more has come for as long as `patience`.
async fn visit(address: SocketAddr, sent: &[u8], patience: Duration) -> Visit {
    let mut tcp = TcpStream::connect(address).await.expect("the backend accepts");
    // A backend that resets at once may do so before this.
    let _reset_already = tcp.write_all(sent).await;
    read_to_the_end(&mut tcp, patience).await
}

async fn read_to_the_end(stream: &mut (impl AsyncRead + Unpin), patience: Duration) -> Visit {
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let end = loop {
        match timeout(patience, stream.read(&mut buffer)).await {
            Err(_) => break End::Quiet,
            Ok(Ok(0)) => break End::Closed,
            Ok(Ok(count)) => received.extend_from_slice(&buffer[..count]),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => break End::Reset,
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => break End::Cut,
            Ok(Err(error)) => panic!("reading failed: {error}"),
        }
        if received.len() > ENOUGH || (received.len() > 20 && started_dripping(&received)) {
            break End::Endless;
        }
    };
    Visit { received, end }
}

/// The dripping backends send this letter without end; nobody else sends so many of it in a row.
fn started_dripping(received: &[u8]) -> bool {
    received.ends_with(b"aaaaaaaaaa")
}

/// How long to wait for what must come; only silence itself is taken for granted soon.
fn patience_for(wanted: End) -> Duration {
    match wanted {
        End::Quiet => QUIET,
        End::Closed | End::Reset | End::Cut | End::Endless => DEADLINE,
    }
}

/// Waits until this holds.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("never came true: {what}"));
}

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A backend that says nothing for so long has nothing to say.
const QUIET: Duration = Duration::from_millis(300);

/// What has not come by then never comes, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(10);

/// More than any backend sends that comes to an end.
const ENOUGH: usize = 2 << 20;

const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: app.lab.test\r\nConnection: close\r\n\r\n";
