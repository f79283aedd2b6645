//! What can be proved of the way to an address where netlink is forbidden: the kernel's tables of IPv4 neighbours and
//! routes, as files.
//!
//! They do not follow the rules that packets follow, so that only a neighbour that was asked in vain counts: nobody asks
//! one that is not on the way.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use super::trouble::{LocalNetworkFault, Trouble};

/// What keeps our packets from leaving for `target`.
pub(super) fn trouble(target: IpAddr) -> Option<Trouble> {
    let IpAddr::V4(target) = target.to_canonical() else { return None };
    let neighbours = fs::read_to_string("/proc/net/arp").ok()?;
    if is_silent(&neighbours, target) {
        return Some(Trouble::NobodyThere);
    }
    let gateway = gateway(&fs::read_to_string("/proc/net/route").ok()?, target)?;
    is_silent(&neighbours, gateway).then(|| Trouble::Local(LocalNetworkFault::NextHopSilent(gateway.into())))
}

/// Whether `address` is among the neighbours, asked and without an answer: its flags are 0 (`ATF_COM` is missing).
fn is_silent(neighbours: &str, address: Ipv4Addr) -> bool {
    neighbours.lines().skip(1).any(|line| {
        let mut words = line.split_ascii_whitespace();
        let (ip, _kind, flags) = (words.next(), words.next(), words.next());
        ip.and_then(|ip| ip.parse().ok()) == Some(address) && flags == Some("0x0")
    })
}

/// The next hop of the most special route that fits, of several the one with the lowest metric.
fn gateway(routes: &str, target: Ipv4Addr) -> Option<Ipv4Addr> {
    let fitting = routes.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_interface, network, gateway, _flags, _references, _use, metric, mask, ..] = words.as_slice() else {
            return None;
        };
        // In the byte order of the wire, written as a number of this host.
        let address = |hex: &str| Some(u32::from_str_radix(hex, 16).ok()?.to_ne_bytes());
        let (network, gateway, mask) = (address(network)?, address(gateway)?, address(mask)?);
        let mask = u32::from_be_bytes(mask);
        let fits = u32::from(target) & mask == u32::from_be_bytes(network) & mask;
        fits.then(|| (mask, std::cmp::Reverse(metric.parse::<u32>().unwrap_or(u32::MAX)), Ipv4Addr::from(gateway)))
    });
    let (_, _, gateway) = fitting.max_by_key(|(mask, metric, _)| (*mask, *metric))?;
    (!gateway.is_unspecified()).then_some(gateway)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn hex(address: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(address))
    }

    #[test]
    fn the_next_hop_is_that_of_the_most_special_route() {
        let mut routes = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n".to_owned();
        for (network, gateway, metric, mask) in [
            ([0, 0, 0, 0], [192, 0, 2, 1], 0, [0, 0, 0, 0]),
            ([10, 0, 0, 0], [192, 0, 2, 9], 200, [255, 0, 0, 0]),
            ([10, 0, 0, 0], [192, 0, 2, 2], 100, [255, 0, 0, 0]),
            ([10, 7, 0, 0], [0, 0, 0, 0], 0, [255, 255, 0, 0]),
        ] {
            let (network, gateway, mask) = (hex(network), hex(gateway), hex(mask));
            writeln!(routes, "eth0 {network} {gateway} 0003 0 0 {metric} {mask} 0 0 0").unwrap();
        }
        let next_hop = |target: [u8; 4]| gateway(&routes, target.into());
        assert_eq!(next_hop([198, 51, 100, 1]), Some([192, 0, 2, 1].into()));
        assert_eq!(next_hop([10, 1, 2, 3]), Some([192, 0, 2, 2].into()));
        assert_eq!(next_hop([10, 7, 2, 3]), None, "on the local network");
        assert_eq!(gateway("", [10, 1, 2, 3].into()), None);
        assert_eq!(gateway("a head\nof something else\n", [10, 1, 2, 3].into()), None);
    }

    #[test]
    fn a_neighbour_that_does_not_answer_has_no_flags() {
        let neighbours = "IP address HW type Flags HW address Mask Device\n\
             192.0.2.1 0x1 0x0 00:00:00:00:00:00 * eth0\n\
             192.0.2.2 0x1 0x2 02:00:00:00:00:01 * eth0\n";
        let check = |last, silent| assert_eq!(is_silent(neighbours, [192, 0, 2, last].into()), silent, "{last}");
        check(1, true);
        check(2, false);
        check(3, false);
    }
}
