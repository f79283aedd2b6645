//! Opens the connection: every address in order, the next one after 250 ms (RFC 8305), and the reason when none opens.
//!
//! `IP_RECVERR` is set on every socket, so that an ICMP message names itself and its sender instead of becoming a
//! timeout, or a refusal that nobody uttered.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::icmp::{Icmp, hear_errors, queued_icmp};
use super::notes::Notes;
use super::route::Way;
use super::trouble::{Bar, IcmpReason, LocalFault, LocalNetworkFault, Obstacle, Shortage, Trouble};
use super::{ConnectFault, FailedAddress, Fault, route};

/// How long an attempt may take before the next address is tried beside it (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How long before the deadline an attempt without an answer is looked at.
const LAST_LOOK: Duration = Duration::from_millis(10);

/// The first connection that opens.
pub(super) async fn connect(addresses: &[IpAddr], port: u16, notes: &mut Notes) -> Result<TcpStream, Fault> {
    let deadline = notes.deadline;
    let manner = Manner { segment: notes.segment, ..Manner::default() };
    if let [only] = addresses {
        let address = SocketAddr::new(*only, port);
        notes.address = Some(address);
        notes.pending_addresses.push(address);
        return attempt(address, deadline, manner).await.map_err(|failed| {
            notes.pending_addresses.clear();
            notes.failed_addresses.push(FailedAddress { address, fault: failed.fault(address) });
            weightiest(&notes.failed_addresses)
        });
    }
    Box::pin(race(addresses, port, manner, notes)).await
}

/// One attempt after the other, until one of them succeeds or all have failed.
async fn race(addresses: &[IpAddr], port: u16, manner: Manner, notes: &mut Notes) -> Result<TcpStream, Fault> {
    let deadline = notes.deadline;
    let mut waiting = addresses.iter().map(|ip| SocketAddr::new(*ip, port));
    let mut attempts = JoinSet::new();
    loop {
        // The next address starts when an attempt failed, or when none has ended for a while.
        if let Some(address) = waiting.next() {
            notes.address = Some(address);
            notes.pending_addresses.push(address);
            attempts.spawn(async move { (address, attempt(address, deadline, manner).await) });
        } else if attempts.is_empty() {
            return Err(weightiest(&notes.failed_addresses));
        }
        let ended = if waiting.len() == 0 {
            attempts.join_next().await
        } else {
            match tokio::time::timeout(ATTEMPT_DELAY, attempts.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        };
        let Some(Ok((address, result))) = ended else { continue };
        match result {
            Ok(stream) => {
                notes.address = Some(address);
                notes.pending_addresses.clear();
                return Ok(stream);
            }
            Err(failed) => {
                notes.pending_addresses.retain(|pending| *pending != address);
                notes.failed_addresses.push(FailedAddress { address, fault: failed.fault(address) });
            }
        }
    }
}

/// The fault that speaks for all: the last one that says something about the way to the server, unless an address could
/// not be asked for want of something that will be there again. What our network can never reach says the least.
pub(super) fn weightiest(failed: &[FailedAddress]) -> Fault {
    let weight = |failed: &&FailedAddress| match failed.fault {
        ConnectFault::Local(LocalFault::Exhausted(_) | LocalFault::Overloaded { .. }) => 2,
        ConnectFault::Refused | ConnectFault::Timeout | ConnectFault::Unreachable(_) | ConnectFault::Reset => 1,
        ConnectFault::Local(LocalFault::Network(_)) => 0,
    };
    match failed.iter().max_by_key(weight).map(|failed| failed.fault.clone()) {
        Some(ConnectFault::Local(fault)) => Fault::Local(fault),
        Some(fault) => Fault::Connect(fault),
        None => Fault::Connect(ConnectFault::Timeout),
    }
}

/// What nobody answering means for an address, if this host can prove more than that.
pub(super) fn silence(address: SocketAddr) -> ConnectFault {
    match route::trouble(address.ip()) {
        Some(trouble) => trouble.into(),
        None => ConnectFault::Timeout,
    }
}

/// What is out of the ordinary about an attempt.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// Routers that the packets may pass.
    pub(super) hops: Option<u8>,
    /// Bytes that a segment may have at most, in both directions.
    pub(super) segment: Option<u32>,
}

/// Why an attempt failed.
pub(super) enum Failed {
    /// The call itself failed: no packet was sent.
    AtOnce(io::Error),
    /// The system's error later on, and what the socket's error queue held.
    Later { error: io::Error, icmp: Option<Icmp> },
    /// No SYN ever left this host.
    HeldBack,
}

/// One connection to one address; waits longer than the deadline when nothing comes.
pub(super) async fn attempt(address: SocketAddr, deadline: Instant, manner: Manner) -> Result<TcpStream, Failed> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))
        .map_err(Failed::AtOnce)?;
    // A refinement: a kernel without it still connects.
    let _ = hear_errors(&socket, address);
    if let Some(segment) = manner.segment {
        let _ = socket.set_tcp_mss(segment);
    }
    if let Some(hops) = manner.hops {
        allow_hops(&socket, address, hops).map_err(Failed::AtOnce)?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(Failed::AtOnce(error)),
    }
    let stream = TcpStream::from_std(socket.into()).map_err(Failed::AtOnce)?;
    // The last look at what the kernel knows of this socket; the deadline itself ends the probe, and with it the socket.
    match timeout_at(deadline - LAST_LOOK, opened(&stream)).await {
        Ok(outcome) => outcome?,
        Err(_) => match stream.local_addr() {
            Ok(local) if route::drops_own_syn(local, address) => return Err(Failed::HeldBack),
            Ok(_) | Err(_) => opened(&stream).await?,
        },
    }
    // From here on a stray ICMP message must not end the exchange.
    let _ = match address {
        SocketAddr::V4(_) => setsockopt(&stream, sockopt::Ipv4RecvErr, &false),
        SocketAddr::V6(_) => setsockopt(&stream, sockopt::Ipv6RecvErr, &false),
    };
    Ok(stream)
}

/// Lets the socket's packets pass so many routers.
pub(super) fn allow_hops(socket: &Socket, address: SocketAddr, hops: u8) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => socket.set_ttl_v4(hops.into()),
        SocketAddr::V6(_) => socket.set_unicast_hops_v6(hops.into()),
    }
}

/// Waits for the connection to open.
async fn opened(stream: &TcpStream) -> Result<(), Failed> {
    loop {
        let failed = |error| Failed::Later { error, icmp: queued_icmp(stream) };
        let ready = stream.ready(Interest::WRITABLE | Interest::ERROR).await.map_err(failed)?;
        if ready.is_writable() && !ready.is_error() {
            return Ok(());
        }
        match stream.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => return Err(failed(error)),
        }
        match stream.peer_addr() {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => return Err(failed(error)),
        }
        // The kernel only takes note of a message that comes while it is busy with the socket, and tries on.
        if let Some(icmp) = queued_icmp(stream) {
            return Err(Failed::Later { error: io::ErrorKind::HostUnreachable.into(), icmp: Some(icmp) });
        }
        // Woken although the handshake is still under way.
        let _ = stream
            .try_io(Interest::WRITABLE | Interest::ERROR, || Err::<(), _>(io::Error::from(io::ErrorKind::WouldBlock)));
    }
}

impl Failed {
    /// Translates the system's error, once and for all.
    pub(super) fn fault(&self, address: SocketAddr) -> ConnectFault {
        match self {
            // A packet that waits for the next hop's address has not left either.
            Self::HeldBack => match route::trouble(address.ip()) {
                Some(trouble) => trouble.into(),
                None => network(LocalNetworkFault::HeldBack),
            },
            Self::AtOnce(error) => at_once(address, error),
            Self::Later { icmp: Some(icmp), .. } => rejected(icmp, address.ip()),
            Self::Later { error, icmp: None } => later(address, error),
        }
    }
}

/// What an error of the call itself means: it is always about this host.
fn at_once(address: SocketAddr, error: &io::Error) -> ConnectFault {
    match errno(error) {
        Some(Errno::EADDRNOTAVAIL) if lacks_source_address(address) => network(LocalNetworkFault::NoSource),
        Some(Errno::EADDRNOTAVAIL | Errno::EAGAIN | Errno::EADDRINUSE) => exhausted(Shortage::Ports),
        Some(Errno::ENETUNREACH) => barred(bar(address).unwrap_or(Bar::NoRoute)),
        Some(Errno::EHOSTUNREACH) => barred(bar(address).unwrap_or(Bar::Unreachable)),
        Some(Errno::EACCES) => bar(address).map_or_else(|| network(LocalNetworkFault::SecurityPolicy), barred),
        Some(Errno::EINVAL) if is_link_local(address.ip()) => network(LocalNetworkFault::NoScope),
        Some(Errno::EINVAL) if let Some(bar) = bar(address) => barred(bar),
        Some(Errno::EAFNOSUPPORT) => network(LocalNetworkFault::UnknownFamily),
        // The server's own answer, if it is on this host.
        Some(Errno::ECONNREFUSED) => ConnectFault::Refused,
        _ => ours(error),
    }
}

/// What an error means that came later and without an ICMP message.
fn later(address: SocketAddr, error: &io::Error) -> ConnectFault {
    match errno(error) {
        Some(Errno::ECONNREFUSED) => ConnectFault::Refused,
        Some(Errno::ETIMEDOUT) => silence(address),
        Some(Errno::ECONNRESET | Errno::ECONNABORTED | Errno::EPIPE) => ConnectFault::Reset,
        Some(Errno::ENETUNREACH) => unreachable(Obstacle::Network),
        Some(Errno::EHOSTUNREACH | Errno::EHOSTDOWN) => match route::trouble(address.ip()) {
            Some(trouble) => trouble.into(),
            None => unreachable(Obstacle::Host),
        },
        Some(Errno::EACCES) => unreachable(Obstacle::Prohibited),
        Some(Errno::ENOPROTOOPT | Errno::EPROTO) => unreachable(Obstacle::Protocol),
        _ => ours(error),
    }
}

/// What is this host's own trouble whenever it comes.
fn ours(error: &io::Error) -> ConnectFault {
    match errno(error) {
        Some(Errno::EMFILE) => exhausted(Shortage::ProcessDescriptors),
        Some(Errno::ENFILE) => exhausted(Shortage::HostDescriptors),
        Some(Errno::ENOBUFS | Errno::ENOMEM) => exhausted(Shortage::Memory),
        Some(Errno::ENOSPC) => exhausted(Shortage::Watches),
        Some(Errno::EPERM) => network(LocalNetworkFault::OwnFirewall),
        Some(Errno::ENETDOWN) => network(LocalNetworkFault::InterfaceDown(None)),
        Some(other) => network(LocalNetworkFault::System(other.desc().to_owned())),
        None => network(LocalNetworkFault::System(error.kind().to_string())),
    }
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw)
}

/// What an ICMP message means: whether this host or another one sent it counts.
pub(super) fn rejected(icmp: &Icmp, target: IpAddr) -> ConnectFault {
    let what = icmp.what();
    // What the error queue tells by itself holds in a sandbox without netlink, too.
    let is_own = |from| from != target && (icmp.from_ourselves || route::is_own_address(from));
    let is_our_own = icmp.from.is_some_and(is_own);
    if !is_our_own {
        return ConnectFault::Unreachable(IcmpReason { what, from: icmp.from });
    }
    // This host says so itself: either nobody answers ARP or neighbour discovery, or its firewall rejects.
    let is_about_a_neighbour = icmp.is_host_unreachable();
    match is_about_a_neighbour.then(|| route::trouble(target)).flatten() {
        Some(trouble) => trouble.into(),
        None => network(LocalNetworkFault::OwnRejection(what)),
    }
}

impl From<Trouble> for ConnectFault {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Local(fault) => network(fault),
            Trouble::NobodyThere => unreachable(Obstacle::NobodyThere),
        }
    }
}

fn exhausted(shortage: Shortage) -> ConnectFault {
    ConnectFault::Local(LocalFault::Exhausted(shortage))
}

fn network(fault: LocalNetworkFault) -> ConnectFault {
    ConnectFault::Local(LocalFault::Network(fault))
}

fn barred(bar: Bar) -> ConnectFault {
    network(LocalNetworkFault::Barred(bar))
}

fn unreachable(what: Obstacle) -> ConnectFault {
    ConnectFault::Unreachable(IcmpReason { what, from: None })
}

fn bar(address: SocketAddr) -> Option<Bar> {
    match route::way(address.ip())? {
        Way::Barred(bar) => Some(bar),
        Way::Own | Way::Through { .. } => None,
    }
}

/// Whether the kernel knows a way, but no address of ours to send from.
fn lacks_source_address(target: SocketAddr) -> bool {
    matches!(route::way(target.ip()), Some(Way::Through { source: None, .. }))
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}
