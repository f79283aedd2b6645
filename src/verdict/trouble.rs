//! The words for trouble of this host and its network, and for what packets meet on their way.

use crate::probe::{Bar, IcmpReason, LocalFault, LocalNetworkFault, Obstacle, Shortage, Trouble};
use crate::words::took;

#[must_use]
pub fn of_local_fault(fault: &LocalFault) -> String {
    match fault {
        LocalFault::Exhausted(shortage) => of_shortage(shortage),
        LocalFault::Overloaded { late } => format!("this host ran {} late during the probe", took(*late)),
        LocalFault::Network(fault) => of_local_network(fault),
    }
}

fn of_shortage(shortage: &Shortage) -> String {
    let words = match shortage {
        Shortage::ProcessDescriptors => "this process has no file descriptor left",
        Shortage::HostDescriptors => "this host has no file descriptor left",
        Shortage::Ports => "no free local port towards this address",
        Shortage::Memory => "no memory left for sockets",
        Shortage::Watches => "no room left to watch another socket",
        Shortage::TlsClient(error) => return format!("no TLS client can be made: {error}"),
    };
    words.to_owned()
}

#[must_use]
pub fn of_local_network(fault: &LocalNetworkFault) -> String {
    let words = match fault {
        LocalNetworkFault::Barred(bar) => of_bar(*bar),
        LocalNetworkFault::NoSource => "this host has no source address for it",
        LocalNetworkFault::InterfaceDown(None) => "the network interface towards it is down",
        LocalNetworkFault::InterfaceDown(Some(name)) => return format!("network interface {name} is down"),
        LocalNetworkFault::LinkDown(name) => return format!("the link of network interface {name} is down"),
        LocalNetworkFault::NextHopSilent(hop) => {
            return format!("the next hop {hop} does not answer on the local network");
        }
        LocalNetworkFault::NoScope => "a link-local address means nothing without its network interface",
        LocalNetworkFault::UnknownFamily => "this host does not speak its address family",
        LocalNetworkFault::SecurityPolicy => "a security policy of this host forbids it",
        LocalNetworkFault::OwnFirewall => "this host's own firewall forbids it",
        LocalNetworkFault::HeldBack => {
            "this host itself drops it: its own firewall, or its traffic control, lets no packet out"
        }
        LocalNetworkFault::OwnRejection(what) => {
            return format!("this host itself rejects it: {}", of_obstacle(*what));
        }
        LocalNetworkFault::System(error) => return format!("the system refuses to connect: {error}"),
        LocalNetworkFault::NoResolver { nameserver, why } => {
            return format!("no resolver could be asked: {} ({nameserver})", of_local_network(why));
        }
    };
    words.to_owned()
}

#[must_use]
pub fn of_bar(bar: Bar) -> &'static str {
    match bar {
        Bar::NoRoute => "this host has no route to it",
        Bar::Unreachable => "an unreachable route of this host forbids it",
        Bar::Prohibit => "a prohibit route of this host forbids it",
        Bar::Blackhole => "a blackhole route of this host swallows it",
        Bar::Broadcast => "it is a broadcast address, which nobody can connect to",
        Bar::Multicast => "it is a multicast address, which nobody can connect to",
    }
}

#[must_use]
pub fn of_obstacle(what: Obstacle) -> &'static str {
    match what {
        Obstacle::NobodyThere => "nobody answers for the address on the local network",
        Obstacle::Network => "network unreachable",
        Obstacle::NoRoute => "no route to the network",
        Obstacle::Host => "host unreachable",
        Obstacle::Protocol => "protocol unreachable",
        Obstacle::Port => "port unreachable",
        Obstacle::TooBig => "packet too big",
        Obstacle::NetworkUnknown => "network unknown",
        Obstacle::HostUnknown => "host unknown",
        Obstacle::SourceIsolated => "source host isolated",
        Obstacle::Prohibited => "administratively prohibited",
        Obstacle::BeyondScope => "beyond the scope of the source address",
        Obstacle::SourceRefused => "source address refused by policy",
        Obstacle::RouteRejected => "route rejected",
        Obstacle::HopsExceeded => "time to live exceeded, which is a routing loop",
        Obstacle::FragmentsLost => "fragments lost on the way",
        Obstacle::NotUnderstood => "packet not understood",
        Obstacle::Unreachable => "unreachable",
        Obstacle::Other => "an ICMP error",
    }
}

/// With who says so, as far as it is known.
#[must_use]
pub fn of_reason(reason: IcmpReason) -> String {
    let by = reason.from.map(|from| format!(", says {from}")).unwrap_or_default();
    format!("{}{by}", of_obstacle(reason.what))
}

#[must_use]
pub fn of_trouble(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Local(fault) => of_local_network(fault),
        Trouble::NobodyThere => of_obstacle(Obstacle::NobodyThere).to_owned(),
    }
}
