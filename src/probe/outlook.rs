//! What the kernel would do with packets for an address, for people who look into a fault: route, source address,
//! interface, packet size, neighbour.

use std::net::IpAddr;

use nix::libc;

use super::route;
use super::route::{Kernel, Neighbour, Way};
use super::trouble::{Bar, Trouble};

/// What this host would do with packets for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    pub target: IpAddr,
    pub route: Route,
    /// What keeps packets from leaving for it, or nobody answering on the local network.
    pub trouble: Option<Trouble>,
}

/// The way that packets to an address take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The address is this host's own.
    Own,
    Through {
        interface: String,
        /// `None`: the address is on the local network.
        gateway: Option<IpAddr>,
        /// Ours, that others can answer to.
        source: Option<IpAddr>,
        /// The largest packet, in bytes: of the interface, or less where the kernel has learnt that.
        mtu: Option<u32>,
        /// Whether the next hop, or the address itself on the local network, answers ARP or neighbour discovery; `None`:
        /// nobody has asked lately.
        neighbour: Option<Neighbour>,
    },
    /// There is none, and why.
    Barred(Bar),
    /// The kernel does not tell.
    Unknown,
}

/// Asks the kernel; sends nothing.
#[must_use]
pub fn outlook(target: IpAddr) -> Outlook {
    Outlook { target, route: route_to(target), trouble: route::trouble(target) }
}

fn route_to(target: IpAddr) -> Route {
    let Some(mut kernel) = Kernel::open(libc::NETLINK_ROUTE) else { return Route::Unknown };
    match kernel.way(target) {
        None => Route::Unknown,
        Some(Way::Own) => Route::Own,
        Some(Way::Barred(bar)) => Route::Barred(bar),
        Some(Way::Through { interface: index, gateway, source, mtu }) => {
            let neighbour = kernel.neighbour(index, gateway.unwrap_or(target));
            let interface = kernel.interface(index);
            let (name, own_mtu) = interface.map_or((format!("#{index}"), None), |found| (found.name, found.mtu));
            Route::Through { interface: name, gateway, source, mtu: mtu.or(own_mtu), neighbour }
        }
    }
}

impl Route {
    /// The largest packet, in bytes, as far as this host knows.
    #[must_use]
    pub fn mtu(&self) -> Option<u32> {
        match self {
            Self::Through { mtu, .. } => *mtu,
            Self::Own | Self::Barred(_) | Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_needs_no_way_to_itself() {
        for own in ["127.0.0.1", "127.9.9.9"] {
            let own = own.parse().unwrap();
            assert_eq!(outlook(own), Outlook { target: own, route: Route::Own, trouble: None });
        }
    }
}
