//! Listen addresses, as exporters write them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;

/// Listens at `:19115` (every address of both families), `10.0.0.1:19115`, `[::1]:19115` or `localhost:19115`.
///
/// # Errors
/// The address is not of these forms, the name has no address, or the system refuses to listen there.
pub async fn bind(address: &str) -> Result<TcpListener, BindError> {
    let wrong = |cause| BindError { address: address.to_owned(), cause };
    let (host, port) = address.rsplit_once(':').ok_or_else(|| wrong(Cause::Form))?;
    let port: u16 = port.parse().map_err(|_| wrong(Cause::Form))?;
    let unbracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let listener = match (host, unbracketed) {
        ("", _) => listen_everywhere(port),
        (_, Some(ip)) => {
            let ip: Ipv6Addr = ip.parse().map_err(|_| wrong(Cause::Form))?;
            listen(SocketAddr::from((ip, port)), Family::One)
        }
        (host, None) if host.contains(':') => return Err(wrong(Cause::Form)),
        (host, None) => {
            let ip: IpAddr = match host.parse() {
                Ok(ip) => ip,
                Err(_) => resolve(host).await.map_err(|error| wrong(Cause::System(error)))?,
            };
            listen(SocketAddr::from((ip, port)), Family::One)
        }
    };
    listener.map_err(|error| wrong(Cause::System(error)))
}

/// Why nothing listens at an address.
#[derive(Debug, Error)]
#[error("--web.listen-address {address:?}: {cause}")]
pub struct BindError {
    address: String,
    cause: Cause,
}

#[derive(Debug, Error)]
enum Cause {
    #[error("expected an address such as :19115, 127.0.0.1:19115 or [::1]:19115")]
    Form,
    #[error("{}", words(.0))]
    System(io::Error),
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the address is in use by another program, perhaps another exporter; the flag takes any free port, like :19116"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

#[derive(Clone, Copy)]
enum Family {
    One,
    Both,
}

/// One socket for both families; on a host without IPv6, IPv4 alone.
fn listen_everywhere(port: u16) -> io::Result<TcpListener> {
    match listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), Family::Both) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse && error.kind() != io::ErrorKind::PermissionDenied => {
            listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), Family::One)
        }
        outcome => outcome,
    }
}

fn listen(address: SocketAddr, family: Family) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(matches!(family, Family::One))?;
    }
    // A restart must not wait for the old connections' last minute.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn resolve(host: &str) -> io::Result<IpAddr> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
    // A name with both families means the older one to most readers, and to other exporters.
    let chosen = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    chosen.map(SocketAddr::ip).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
}

const BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_form_of_address_is_understood() {
        async fn check(address: &str, expected: &str) {
            let listener = bind(address).await.unwrap();
            assert_eq!(listener.local_addr().unwrap().ip().to_string(), expected, "{address}");
        }
        check("127.0.0.1:0", "127.0.0.1").await;
        check("localhost:0", "127.0.0.1").await;
        check("0.0.0.0:0", "0.0.0.0").await;
        check("[::1]:0", "::1").await;
        check(":0", "::").await;
    }

    #[tokio::test]
    async fn an_empty_host_takes_both_families() {
        let listener = bind(":0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let client = tokio::net::TcpStream::connect((ip, port)).await.unwrap();
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(peer.port(), client.local_addr().unwrap().port());
        }
    }

    #[tokio::test]
    async fn a_wrong_address_is_refused_with_the_flags_name() {
        for address in ["", "19115", "::1:19115", "[::1]", "[127.0.0.1]:1", "127.0.0.1:", "127.0.0.1:99999", ":http"] {
            let error = bind(address).await.unwrap_err().to_string();
            assert!(error.starts_with("--web.listen-address") && error.contains("expected"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let first = bind("127.0.0.1:0").await.unwrap();
        let error = bind(&first.local_addr().unwrap().to_string()).await.unwrap_err().to_string();
        assert!(error.contains("in use"), "{error}");
    }
}
