//! What the kernel says of the way to an address: the next hop, the link, whether anybody answers on it, and whether
//! our own packets leave this host.
//!
//! Asked over netlink, which needs no privileges and follows every rule that packets follow; only after something
//! failed. What cannot be found out is `None`, and then nobody is blamed for it.

use std::io;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};

use super::trouble::{Bar, LocalNetworkFault, Trouble};
use super::without_netlink;

/// The way that packets to an address take.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The address is this host's own.
    Own,
    Through {
        interface: u32,
        /// `None`: the address is on the local network.
        gateway: Option<IpAddr>,
        /// Ours, that others can answer to.
        source: Option<IpAddr>,
        /// The packet size that the kernel keeps to on this way, when that is not the interface's.
        mtu: Option<u32>,
    },
    /// There is no way, and why.
    Barred(Bar),
}

/// The way to `target`.
pub(super) fn way(target: IpAddr) -> Option<Way> {
    Kernel::open(libc::NETLINK_ROUTE)?.way(target)
}

/// Whether the kernel may be asked at all: a sandbox can forbid it.
#[must_use]
pub fn has_netlink() -> bool {
    let opened = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(libc::NETLINK_ROUTE)));
    // For want of a descriptor it is not forbidden.
    !opened.is_err_and(|error| {
        let forbidden = [libc::EAFNOSUPPORT, libc::EPERM, libc::EACCES, libc::EPROTONOSUPPORT];
        error.raw_os_error().is_some_and(|errno| forbidden.contains(&errno))
    })
}

/// Whether `address` is this host's own.
pub(super) fn is_own_address(address: IpAddr) -> bool {
    address.is_loopback() || way(address) == Some(Way::Own)
}

/// What keeps our packets from leaving for `target`.
pub(super) fn trouble(target: IpAddr) -> Option<Trouble> {
    let Some(mut kernel) = Kernel::open(libc::NETLINK_ROUTE) else { return without_netlink::trouble(target) };
    let (interface, gateway, source) = match kernel.way(target)? {
        Way::Own => return None,
        Way::Barred(bar) => return Some(Trouble::Local(LocalNetworkFault::Barred(bar))),
        Way::Through { interface, gateway, source, mtu: _ } => (interface, gateway, source),
    };
    if let Some(fault) = kernel.why_down(interface) {
        return Some(Trouble::Local(fault));
    }
    if source.is_none() {
        return Some(Trouble::Local(LocalNetworkFault::NoSource));
    }
    match (kernel.neighbour(interface, gateway.unwrap_or(target))?, gateway) {
        (Neighbour::Answers, _) => None,
        (Neighbour::Silent, None) => Some(Trouble::NobodyThere),
        (Neighbour::Silent, Some(gateway)) => Some(Trouble::Local(LocalNetworkFault::NextHopSilent(gateway))),
    }
}

/// Whether this host drops the SYNs of a connection that is still opening before they leave it, as the `drop` of an own
/// firewall does without a word. Known from the first repeated SYN on, after a second.
pub(super) fn drops_own_syn(local: SocketAddr, peer: SocketAddr) -> bool {
    /// Questions in a row without an answer. A kernel without socket diagnosis looks for the module at each of them:
    /// it is not asked for ever.
    static UNANSWERED: AtomicU32 = AtomicU32::new(0);
    const ENOUGH: u32 = 16;
    if UNANSWERED.load(Ordering::Relaxed) >= ENOUGH {
        return false;
    }
    let opening = Kernel::open(libc::NETLINK_SOCK_DIAG).and_then(|mut kernel| kernel.opening(local, peer));
    let unanswered = if opening.is_some() { 0 } else { UNANSWERED.load(Ordering::Relaxed) + 1 };
    UNANSWERED.store(unanswered, Ordering::Relaxed);
    opening == Some(Opening { repeated: true, sent: false })
}

/// How far a connection is from which nothing came back yet.
#[derive(Debug, PartialEq, Eq)]
struct Opening {
    /// It was time to send the SYN once more.
    repeated: bool,
    /// The latest SYN sent once more was taken by the network layer: dropping it is a failure that TCP sees.
    sent: bool,
}

/// Whether somebody answers ARP or neighbour discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// Or did a while ago, or need not be asked.
    Answers,
    /// Asked, without an answer so far.
    Silent,
}

/// What a network interface says of itself.
pub(super) struct Interface {
    pub(super) name: String,
    flags: u32,
    pub(super) mtu: Option<u32>,
}

/// A socket to ask over.
pub(super) struct Kernel {
    socket: Socket,
}

impl Kernel {
    pub(super) fn open(family: libc::c_int) -> Option<Self> {
        let (domain, kind) = (Domain::from(libc::AF_NETLINK), Type::RAW.nonblocking());
        let socket = Socket::new(domain, kind, Some(Protocol::from(family))).ok()?;
        Some(Self { socket })
    }

    pub(super) fn way(&mut self, target: IpAddr) -> Option<Way> {
        let (family, bytes) = on_the_wire(target);
        let length = u8::try_from(bytes.len() * 8).ok()?;
        let mut question = vec![family, length, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        push_attribute(&mut question, libc::RTA_DST, &bytes);
        match self.ask(libc::RTM_GETROUTE, &question)? {
            Answer::Error(errno) => barred_by(errno),
            Answer::Message(message) => read_way(&message),
        }
    }

    fn why_down(&mut self, interface: u32) -> Option<LocalNetworkFault> {
        let Interface { name, flags, mtu: _ } = self.interface(interface)?;
        let is_set = |flag: libc::c_int| flags & flag.cast_unsigned() != 0;
        if !is_set(libc::IFF_UP) {
            return Some(LocalNetworkFault::InterfaceDown(Some(name)));
        }
        (!is_set(libc::IFF_LOWER_UP)).then_some(LocalNetworkFault::LinkDown(name))
    }

    pub(super) fn interface(&mut self, index: u32) -> Option<Interface> {
        let mut question = vec![0; 16];
        question[4..8].copy_from_slice(&index.to_ne_bytes());
        let Answer::Message(message) = self.ask(libc::RTM_GETLINK, &question)? else { return None };
        let attributes = message.get(16..)?;
        let name = attribute(attributes, libc::IFLA_IFNAME).unwrap_or_default();
        Some(Interface {
            name: String::from_utf8_lossy(name).trim_end_matches('\0').to_owned(),
            flags: number(message.get(8..12)?)?,
            mtu: attribute(attributes, libc::IFLA_MTU).and_then(number),
        })
    }

    pub(super) fn neighbour(&mut self, interface: u32, address: IpAddr) -> Option<Neighbour> {
        let (family, bytes) = on_the_wire(address);
        let mut question = vec![0; 12];
        question[0] = family;
        question[4..8].copy_from_slice(&interface.to_ne_bytes());
        push_attribute(&mut question, libc::NDA_DST, &bytes);
        let Answer::Message(message) = self.ask(libc::RTM_GETNEIGH, &question)? else { return None };
        let state = u16::from_ne_bytes(message.get(8..10)?.try_into().ok()?);
        let silent = state & (libc::NUD_INCOMPLETE | libc::NUD_FAILED) != 0;
        Some(if silent { Neighbour::Silent } else { Neighbour::Answers })
    }

    fn opening(&mut self, local: SocketAddr, peer: SocketAddr) -> Option<Opening> {
        let info = self.tcp_info(local, peer)?;
        Some(Opening { repeated: *info.get(2)? > 0, sent: number(info.get(36..40)?)? > 0 })
    }

    /// Asks for the `tcp_info` of one socket (`inet_diag_req_v2`, `inet_diag_msg`).
    pub(super) fn tcp_info(&mut self, local: SocketAddr, peer: SocketAddr) -> Option<Vec<u8>> {
        let (family, local_bytes) = on_the_wire(local.ip());
        let (_, peer_bytes) = on_the_wire(peer.ip());
        let mut question = vec![0; 56];
        question[0] = family;
        question[1] = u8::try_from(libc::IPPROTO_TCP).ok()?;
        question[2] = 1 << (INET_DIAG_INFO - 1);
        question[4..8].fill(0xff);
        question[8..10].copy_from_slice(&local.port().to_be_bytes());
        question[10..12].copy_from_slice(&peer.port().to_be_bytes());
        question[12..12 + local_bytes.len()].copy_from_slice(&local_bytes);
        question[28..28 + peer_bytes.len()].copy_from_slice(&peer_bytes);
        // Any cookie.
        question[48..56].fill(0xff);
        let Answer::Message(message) = self.ask(SOCK_DIAG_BY_FAMILY, &question)? else { return None };
        attribute(message.get(72..)?, INET_DIAG_INFO).map(<[u8]>::to_vec)
    }

    /// Sends one question and reads its answer, which the kernel has ready when the question is taken.
    fn ask(&mut self, kind: u16, body: &[u8]) -> Option<Answer> {
        let length = u32::try_from(HEADER + body.len()).ok()?;
        let flags = u16::try_from(libc::NLM_F_REQUEST).ok()?;
        let mut message = Vec::with_capacity(HEADER + body.len());
        message.extend_from_slice(&length.to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&flags.to_ne_bytes());
        message.extend_from_slice(&[0; 8]);
        message.extend_from_slice(body);
        self.socket.send(&message).ok()?;
        let mut buffer = vec![0; LONGEST_ANSWER];
        let received = read(&mut self.socket, &mut buffer).ok()?;
        let kind = u16::from_ne_bytes(buffer[..received].get(4..6)?.try_into().ok()?);
        let body = buffer.get(HEADER..received)?;
        if i32::from(kind) == libc::NLMSG_ERROR {
            return Some(Answer::Error(number(body.get(..4)?)?.cast_signed().saturating_neg()));
        }
        Some(Answer::Message(body.to_vec()))
    }
}

enum Answer {
    /// Its header is taken off.
    Message(Vec<u8>),
    /// An errno.
    Error(i32),
}

fn read(socket: &mut Socket, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// What an error to the question for a route means (as `connect` would put it).
fn barred_by(errno: i32) -> Option<Way> {
    match errno {
        libc::ENETUNREACH => Some(Way::Barred(Bar::NoRoute)),
        libc::EHOSTUNREACH => Some(Way::Barred(Bar::Unreachable)),
        libc::EACCES => Some(Way::Barred(Bar::Prohibit)),
        libc::EINVAL => Some(Way::Barred(Bar::Blackhole)),
        _ => None,
    }
}

/// Reads the kernel's `rtmsg` and its attributes.
fn read_way(message: &[u8]) -> Option<Way> {
    let attributes = message.get(12..)?;
    let address = |kind| attribute(attributes, kind).and_then(off_the_wire);
    match *message.get(7)? {
        libc::RTN_LOCAL => Some(Way::Own),
        libc::RTN_UNICAST => Some(Way::Through {
            interface: number(attribute(attributes, libc::RTA_OIF)?)?,
            // An IPv4 route may lead over an IPv6 gateway, which then stands behind its address family.
            gateway: address(libc::RTA_GATEWAY)
                .or_else(|| off_the_wire(attribute(attributes, libc::RTA_VIA)?.get(2..)?)),
            // With nothing better at hand, IPv6 would send from the loopback interface's address.
            source: address(libc::RTA_PREFSRC).filter(|source| !source.is_loopback() && !source.is_unspecified()),
            mtu: attribute(attributes, libc::RTA_METRICS).and_then(|metrics| number(attribute(metrics, METRIC_MTU)?)),
        }),
        libc::RTN_BROADCAST => Some(Way::Barred(Bar::Broadcast)),
        libc::RTN_MULTICAST => Some(Way::Barred(Bar::Multicast)),
        libc::RTN_BLACKHOLE => Some(Way::Barred(Bar::Blackhole)),
        libc::RTN_PROHIBIT => Some(Way::Barred(Bar::Prohibit)),
        libc::RTN_UNREACHABLE => Some(Way::Barred(Bar::Unreachable)),
        libc::RTN_THROW => Some(Way::Barred(Bar::NoRoute)),
        _ => None,
    }
}

fn on_the_wire(address: IpAddr) -> (u8, Vec<u8>) {
    let (family, bytes) = match address {
        IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec()),
    };
    (u8::try_from(family).unwrap_or_default(), bytes)
}

fn off_the_wire(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

pub(super) fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// Appends length, type and value; every value that is asked with is a multiple of four bytes.
fn push_attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or_default();
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(value);
}

/// The value of the first attribute of this kind.
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?);
        let value = attributes.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

/// `RTAX_MTU` of `linux/rtnetlink.h`.
const METRIC_MTU: u16 = 2;

/// `linux/sock_diag.h` and `linux/inet_diag.h`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const INET_DIAG_INFO: u16 = 2;

/// The length of netlink's own header.
const HEADER: usize = 16;

/// What is read of an answer, in bytes; an interface has a lot to tell, the little that is wanted comes first.
const LONGEST_ANSWER: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_hosts_own_addresses_are_known() {
        let check = |address: &str, own| assert_eq!(is_own_address(address.parse().unwrap()), own, "{address}");
        check("127.0.0.1", true);
        check("127.9.9.9", true);
        check("::1", true);
        check("192.0.2.1", false);
        check("2001:db8::1", false);
        assert_eq!(way("127.0.0.1".parse().unwrap()), Some(Way::Own));
        assert_eq!(trouble("127.0.0.1".parse().unwrap()), None);
    }

    #[test]
    fn an_open_connection_does_not_look_like_one_that_is_held_back() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = listener.local_addr().unwrap();
        let connection = std::net::TcpStream::connect(peer).unwrap();
        assert!(!drops_own_syn(connection.local_addr().unwrap(), peer));
    }

    #[test]
    fn attributes_that_are_cut_off_are_not_there() {
        let mut attributes = Vec::new();
        push_attribute(&mut attributes, libc::RTA_OIF, &7_u32.to_ne_bytes());
        push_attribute(&mut attributes, libc::RTA_GATEWAY, &[192, 0, 2, 1]);
        assert_eq!(attribute(&attributes, libc::RTA_GATEWAY), Some(&[192, 0, 2, 1][..]));
        assert_eq!(attribute(&attributes, libc::RTA_PREFSRC), None);
        for length in 0..attributes.len() {
            assert_eq!(attribute(&attributes[..length], libc::RTA_GATEWAY), None, "{length} bytes");
        }
        assert_eq!(attribute(&[0; 64], libc::RTA_GATEWAY), None, "a length of 0 ends it");
    }
}
