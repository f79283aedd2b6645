//! What keeps packets from leaving this host, or from coming further: facts, for which the verdict has the words.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Our own trouble: says nothing about the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalFault {
    /// No descriptor, port or memory.
    Exhausted(Shortage),
    /// The timeout was over, but this host woke up too late to know whether an answer came in time.
    Overloaded { late: Duration },
    /// This host's network cannot send to that address.
    Network(LocalNetworkFault),
}

/// What this host has no more of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shortage {
    ProcessDescriptors,
    HostDescriptors,
    /// Local ports towards one address.
    Ports,
    Memory,
    /// Room to watch another socket.
    Watches,
    /// What it takes to make a TLS client: the library's words.
    TlsClient(String),
}

/// Why this host cannot send to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalNetworkFault {
    /// There is no way that packets could take.
    Barred(Bar),
    /// There is a way, but no address of ours to send from.
    NoSource,
    /// The interface is switched off; `None`: the kernel does not say which one.
    InterfaceDown(Option<String>),
    /// The interface has no carrier.
    LinkDown(String),
    /// The next hop does not answer ARP or neighbour discovery.
    NextHopSilent(IpAddr),
    /// A link-local address without its interface.
    NoScope,
    UnknownFamily,
    SecurityPolicy,
    /// The call was refused.
    OwnFirewall,
    /// No packet left, and nobody said why.
    HeldBack,
    /// This host itself sent the ICMP message.
    OwnRejection(Obstacle),
    /// Anything else: the system's words.
    System(String),
    /// This holds for every resolver; the last one, and why it could not be asked.
    NoResolver {
        nameserver: SocketAddr,
        why: Box<LocalNetworkFault>,
    },
}

/// Why the kernel knows no way to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    NoRoute,
    /// The next three are routes that somebody set.
    Unreachable,
    Prohibit,
    Blackhole,
    Broadcast,
    Multicast,
}

/// Why an address cannot be reached, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpReason {
    pub what: Obstacle,
    /// The router or host that sent the message, when the kernel tells.
    pub from: Option<IpAddr>,
}

/// What packets meet on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// No message: the address is on the local network, and nobody there answers for it.
    NobodyThere,
    /// The kernel's own word for it, where no message is at hand.
    Network,
    /// From here on, RFC 792, RFC 1812 (section 5.2.7.1) and RFC 4443 (section 3).
    NoRoute,
    Host,
    Protocol,
    Port,
    TooBig,
    NetworkUnknown,
    HostUnknown,
    SourceIsolated,
    Prohibited,
    BeyondScope,
    SourceRefused,
    RouteRejected,
    HopsExceeded,
    FragmentsLost,
    NotUnderstood,
    Unreachable,
    Other,
}

/// Why nothing came back from an address, as far as this host can prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    Local(LocalNetworkFault),
    /// The address is on the local network, and nobody there answers for it.
    NobodyThere,
}
