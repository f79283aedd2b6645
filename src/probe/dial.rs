//! Single packets and connections to one address, for people who look into a fault: does it open, who answers at which
//! distance, does a large packet pass. Nothing of it needs privileges.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::icmp::{Icmp, hear_errors, queued_icmp};
use super::route::{Kernel, number};
use super::tcp::{Failed, Manner};
use super::trouble::{IcmpReason, LocalFault, LocalNetworkFault};
use super::{ConnectFault, tcp};

/// One connection that was tried and given up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    pub took: Duration,
    pub result: Result<Opened, ConnectFault>,
}

/// What the kernel knows of a connection that just opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub source: IpAddr,
    /// SYNs that had to be sent once more; `None`: the kernel does not tell.
    pub resent: Option<u32>,
    /// The largest segment, in bytes, that we may send.
    pub segment: Option<u32>,
    /// The largest packet that the kernel believes to pass.
    pub path_mtu: Option<u32>,
}

/// Connects once, and closes.
pub async fn dial(address: SocketAddr, patience: Duration) -> Dial {
    let start = Instant::now();
    let deadline = start + patience;
    let outcome = timeout_at(deadline, tcp::attempt(address, deadline, Manner::default())).await;
    let took = start.elapsed();
    let result = match outcome {
        Err(_) => Err(tcp::silence(address)),
        Ok(Err(failed)) => Err(failed.fault(address)),
        Ok(Ok(stream)) => Ok(opened(stream.local_addr().ok(), address)),
    };
    Dial { took, result }
}

fn opened(local: Option<SocketAddr>, peer: SocketAddr) -> Opened {
    let info = local.and_then(|local| Kernel::open(libc::NETLINK_SOCK_DIAG)?.tcp_info(local, peer));
    // `struct tcp_info` of `linux/tcp.h`.
    let field = |at: usize| info.as_ref().and_then(|info| number(info.get(at..at + 4)?));
    let unspecified: IpAddr = match peer {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    Opened {
        source: local.map_or(unspecified, |local| local.ip()),
        resent: field(100),
        segment: field(16),
        path_mtu: field(60),
    }
}

/// What is sent to find a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A SYN to the very port.
    Tcp,
    /// A datagram to a port that nobody uses.
    Udp,
}

/// What came back from one packet that may pass so many routers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HopAnswer {
    pub took: Duration,
    pub said: Said,
}

/// Who answered, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Nothing,
    /// A router: the packet has passed enough of them.
    Passing(IpAddr),
    /// The target itself; how it shows.
    Arrived(&'static str),
    /// A router or the target refuses to bring it further.
    Refused(IcmpReason),
    /// No packet left this host, or none came to its next hop.
    Local(LocalFault),
}

/// Sends one packet that may pass `hops` routers less one.
pub async fn hop(target: SocketAddr, over: Over, hops: u8, patience: Duration) -> HopAnswer {
    let start = Instant::now();
    let deadline = start + patience;
    let said = match over {
        Over::Tcp => {
            let manner = Manner { hops: Some(hops), ..Manner::default() };
            match timeout_at(deadline, tcp::attempt(target, deadline, manner)).await {
                // Only what a neighbour that is known to be absent explains is more than silence.
                Err(_) => Said::Nothing,
                Ok(Ok(_)) => Said::Arrived("the port is open"),
                Ok(Err(Failed::Later { icmp: Some(icmp), .. })) => of_icmp(&icmp, target.ip()),
                Ok(Err(failed)) => of_fault(failed.fault(target)),
            }
        }
        Over::Udp => {
            let target = SocketAddr::new(target.ip(), UNUSED_PORT + u16::from(hops));
            match timeout_at(deadline, datagram(target, &[0; 32], Some(hops))).await {
                Err(_) => Said::Nothing,
                Ok(Ok(Some(icmp))) => of_icmp(&icmp, target.ip()),
                Ok(Ok(None)) => Said::Arrived("something answers there"),
                Ok(Err(error)) => Said::Local(LocalFault::Network(LocalNetworkFault::System(error.to_string()))),
            }
        }
    };
    HopAnswer { took: start.elapsed(), said }
}

fn of_icmp(icmp: &Icmp, target: IpAddr) -> Said {
    match icmp.from {
        Some(from) if icmp.is_out_of_hops() => Said::Passing(from),
        Some(from) if from == target && icmp.is_closed_port() => Said::Arrived("the port is closed, says the target"),
        // This host may say so itself: of a neighbour that does not answer, or out of its own firewall.
        _ => of_fault(tcp::rejected(icmp, target)),
    }
}

fn of_fault(fault: ConnectFault) -> Said {
    match fault {
        ConnectFault::Refused => Said::Arrived("the port refuses connections"),
        ConnectFault::Reset => Said::Arrived("the port resets connections"),
        ConnectFault::Timeout | ConnectFault::Local(LocalFault::Overloaded { .. }) => Said::Nothing,
        ConnectFault::Unreachable(reason) => Said::Refused(reason),
        ConnectFault::Local(fault) => Said::Local(fault),
    }
}

/// What became of one packet of a certain size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// The target answered it.
    Passed,
    /// A router could not forward it, and says what fits.
    TooBig { fits: u32, from: Option<IpAddr> },
    /// Nothing came back.
    Lost,
    /// It could not be sent, or something else came back.
    Unclear,
}

/// Sends one datagram that makes a packet of `size` bytes, which no router may cut.
pub async fn packet(target: IpAddr, size: u32, patience: Duration) -> Passage {
    let headers = match target {
        IpAddr::V4(_) => 20 + 8,
        IpAddr::V6(_) => 40 + 8,
    };
    let payload = vec![0; usize::try_from(size).unwrap_or_default().saturating_sub(headers)];
    let address = SocketAddr::new(target, UNUSED_PORT);
    match timeout_at(Instant::now() + patience, datagram(address, &payload, None)).await {
        Err(_) => Passage::Lost,
        Ok(Ok(None)) => Passage::Passed,
        Ok(Ok(Some(icmp))) => match icmp.fitting() {
            Some(fits) => Passage::TooBig { fits, from: icmp.from },
            None if icmp.from == Some(target) => Passage::Passed,
            None => Passage::Unclear,
        },
        Ok(Err(_)) => Passage::Unclear,
    }
}

/// Sends a datagram and waits for whatever comes back; `None`: an answer in kind.
async fn datagram(target: SocketAddr, payload: &[u8], hops: Option<u8>) -> io::Result<Option<Icmp>> {
    let socket = Socket::new(Domain::for_address(target), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    hear_errors(&socket, target)?;
    if let Some(hops) = hops {
        tcp::allow_hops(&socket, target, hops)?;
    }
    socket.connect(&target.into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    socket.send(payload).await?;
    loop {
        let ready = socket.ready(Interest::READABLE | Interest::ERROR).await?;
        if let Some(icmp) = queued_icmp(&socket) {
            return Ok(Some(icmp));
        }
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        if ready.is_readable() {
            match socket.try_recv(&mut [0; 1]) {
                Ok(_) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        // Woken for nothing: what was said of the socket's state holds no longer.
        let _ = socket.try_io(Interest::ERROR, || Err::<(), _>(io::Error::from(io::ErrorKind::WouldBlock)));
    }
}

/// Where nobody listens, as a rule; the first port of traceroute.
const UNUSED_PORT: u16 = 33434;

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_port_of_this_host_is_one_hop_away() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let Dial { result, .. } = dial(open, PATIENCE).await;
        assert_eq!(result.map(|opened| opened.source), Ok(open.ip()));
        assert_eq!(hop(open, Over::Tcp, 1, PATIENCE).await.said, Said::Arrived("the port is open"));
        drop(listener);
        assert_eq!(dial(open, PATIENCE).await.result, Err(ConnectFault::Refused));
        assert_eq!(hop(open, Over::Tcp, 1, PATIENCE).await.said, Said::Arrived("the port refuses connections"));
    }

    #[tokio::test]
    async fn a_datagram_to_this_host_arrives_at_once() {
        let here = SocketAddr::from(([127, 0, 0, 1], 1));
        let closed = Said::Arrived("the port is closed, says the target");
        assert_eq!(hop(here, Over::Udp, 1, PATIENCE).await.said, closed);
        assert_eq!(packet(here.ip(), 1500, PATIENCE).await, Passage::Passed);
    }
}
