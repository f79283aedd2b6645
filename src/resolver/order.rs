//! Which of a name's addresses is tried first: destination address selection by RFC 6724, section 6, as far as it goes
//! without knowledge of the interfaces (rules 3, 4 and 7 need it and are left out).

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// An address to connect to, with the address that this host would connect from; none: no route or no address of that
/// family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) address: IpAddr,
    pub(super) source: Option<IpAddr>,
}

/// `addresses` without duplicates, in the order in which they are to be tried.
///
/// A single address needs no order, so that the usual case costs no system call.
#[must_use]
pub fn ordered(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut unique: Vec<IpAddr> = Vec::with_capacity(addresses.len());
    for address in addresses {
        if !unique.contains(&address) {
            unique.push(address);
        }
    }
    if unique.len() < 2 {
        return unique;
    }
    let mut destinations: Vec<Destination> =
        unique.into_iter().map(|address| Destination { address, source: source_of(address) }).collect();
    sort(&mut destinations);
    destinations.into_iter().map(|destination| destination.address).collect()
}

/// Sorts by the rules 1, 2, 5, 6, 8 and 9; what they leave equal keeps its order (rule 10).
pub(super) fn sort(destinations: &mut [Destination]) {
    destinations.sort_by_cached_key(|destination| {
        let target = mapped(destination.address);
        let policy = policy(target);
        let source = destination.source.map(mapped);
        (
            // Rule 1: avoid unusable destinations.
            source.is_none(),
            // Rule 2: prefer matching scope.
            source.map(scope) != Some(scope(target)),
            // Rule 5: prefer matching label.
            source.map(|source| self::policy(source).label) != Some(policy.label),
            // Rule 6: prefer higher precedence.
            Reverse(policy.precedence),
            // Rule 8: prefer smaller scope.
            scope(target),
            // Rule 9: use longest matching prefix. Not for IPv4, where it would undo the rotation by which many
            // resolvers spread load, and where prefixes say little about distance.
            Reverse(source.filter(|_| target.to_ipv4_mapped().is_none()).map_or(0, |source| prefix(source, target))),
        )
    });
}

/// The address from which this host would reach `destination`: a connected UDP socket sends nothing, but the kernel
/// has to choose.
fn source_of(destination: IpAddr) -> Option<IpAddr> {
    let unspecified: IpAddr = match destination {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((unspecified, 0)).ok()?;
    // Any port but 0 will do; 9 is discard.
    socket.connect(SocketAddr::new(destination, 9)).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}

/// One line of the policy table.
struct Policy {
    prefix: Ipv6Addr,
    length: u32,
    precedence: u8,
    label: u8,
}

/// The line of the policy table with the longest prefix that holds `address`.
fn policy(address: Ipv6Addr) -> &'static Policy {
    POLICIES
        .iter()
        .filter(|policy| common_bits(policy.prefix, address) >= policy.length)
        .max_by_key(|policy| policy.length)
        .unwrap_or(&POLICIES[0])
}

/// How far an address reaches, as a multicast scope value (RFC 6724, sections 3.1 and 3.2): 2 link-local, 5 site-local,
/// 14 global. Private IPv4 addresses and unique local IPv6 addresses are global.
fn scope(address: Ipv6Addr) -> u8 {
    const LINK_LOCAL: u8 = 0x2;
    const SITE_LOCAL: u8 = 0x5;
    const GLOBAL: u8 = 0xe;
    if let Some(v4) = address.to_ipv4_mapped() {
        return if v4.is_loopback() || v4.is_link_local() { LINK_LOCAL } else { GLOBAL };
    }
    if address.is_multicast() {
        address.octets()[1] & 0x0f
    } else if address.is_loopback() || address.is_unicast_link_local() {
        LINK_LOCAL
    } else if address.segments()[0] & 0xffc0 == 0xfec0 {
        SITE_LOCAL
    } else {
        GLOBAL
    }
}

/// The length of the common prefix, without the interface identifier (RFC 6724, section 2.2), taken as 64 bits.
fn prefix(source: Ipv6Addr, destination: Ipv6Addr) -> u32 {
    common_bits(source, destination).min(64)
}

fn common_bits(one: Ipv6Addr, other: Ipv6Addr) -> u32 {
    (one.to_bits() ^ other.to_bits()).leading_zeros()
}

/// IPv4 addresses take part as IPv4-mapped ones (RFC 6724, section 3.2).
fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// The default policy table (RFC 6724, section 2.1), the one that holds every address first.
const POLICIES: [Policy; 9] = [
    Policy { prefix: Ipv6Addr::UNSPECIFIED, length: 0, precedence: 40, label: 1 },
    Policy { prefix: Ipv6Addr::LOCALHOST, length: 128, precedence: 50, label: 0 },
    Policy { prefix: Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), length: 96, precedence: 35, label: 4 },
    Policy { prefix: Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), length: 16, precedence: 30, label: 2 },
    Policy { prefix: Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), length: 32, precedence: 5, label: 5 },
    Policy { prefix: Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), length: 7, precedence: 3, label: 13 },
    Policy { prefix: Ipv6Addr::UNSPECIFIED, length: 96, precedence: 1, label: 3 },
    Policy { prefix: Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), length: 10, precedence: 1, label: 11 },
    Policy { prefix: Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), length: 16, precedence: 1, label: 12 },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// `rows`: destination and source, in the order expected; they are sorted from every rotation and from the reverse,
    /// so that the order cannot come from the input.
    #[track_caller]
    fn check(rows: &[(&str, Option<&str>)]) {
        let expected: Vec<Destination> =
            rows.iter().map(|(address, source)| Destination { address: ip(address), source: source.map(ip) }).collect();
        let mut given = expected.clone();
        given.reverse();
        for _ in 0..=expected.len() {
            let mut sorted = given.clone();
            sort(&mut sorted);
            assert_eq!(sorted, expected, "given {given:?}");
            given.rotate_left(1);
        }
    }

    #[test]
    fn the_examples_of_rfc_6724_section_10_2_hold() {
        // Prefer matching scope.
        check(&[("2001:db8:1::1", Some("2001:db8:1::2")), ("198.51.100.121", Some("169.254.13.78"))]);
        check(&[("198.51.100.121", Some("198.51.100.117")), ("2001:db8:1::1", Some("fe80::1"))]);
        // Prefer higher precedence.
        check(&[("2001:db8:1::1", Some("2001:db8:1::2")), ("10.1.2.3", Some("10.1.2.4"))]);
        // Prefer smaller scope.
        check(&[("fe80::1", Some("fe80::2")), ("2001:db8:1::1", Some("2001:db8:1::2"))]);
        // Longest matching prefix.
        check(&[("2001:db8:1::1", Some("2001:db8:1::2")), ("2001:db8:3ffe::1", Some("2001:db8:3f44::2"))]);
        // Prefer matching label.
        check(&[("2002:c633:6401::1", Some("2002:c633:6401::2")), ("2001:db8:1::1", Some("2002:c633:6401::2"))]);
        // Prefer higher precedence.
        check(&[("2001:db8:1::1", Some("2001:db8:1::2")), ("2002:c633:6401::1", Some("2002:c633:6401::2"))]);
    }

    #[test]
    fn an_address_without_a_way_to_it_comes_last() {
        check(&[("10.1.2.3", Some("10.1.2.4")), ("2001:db8::1", None)]);
        check(&[("2001:db8::1", Some("2001:db8::2")), ("10.1.2.3", None)]);
        check(&[("127.0.0.1", Some("127.0.0.1")), ("::1", None)]);
    }

    #[test]
    fn loopback_goes_by_ipv6_first_and_unique_local_after_ipv4() {
        check(&[("::1", Some("::1")), ("127.0.0.1", Some("127.0.0.1"))]);
        check(&[("10.0.0.1", Some("10.0.0.9")), ("fd00::1", Some("fd00::9"))]);
    }

    #[test]
    fn ipv4_addresses_keep_the_order_of_the_answer() {
        let given = ["10.9.0.1", "10.1.0.1", "192.0.2.1"]
            .map(|address| Destination { address: ip(address), source: Some(ip("10.1.0.2")) });
        let mut sorted = given;
        sort(&mut sorted);
        assert_eq!(sorted, given);
    }

    #[test]
    fn interface_identifiers_do_not_count_as_prefix() {
        let given = ["2001:db8::9:1", "2001:db8::1:1"]
            .map(|address| Destination { address: ip(address), source: Some(ip("2001:db8::1:2")) });
        let mut sorted = given;
        sort(&mut sorted);
        assert_eq!(sorted, given);
    }

    #[test]
    fn duplicates_are_tried_once() {
        assert_eq!(ordered(vec![ip("10.0.0.1"), ip("10.0.0.1")]), [ip("10.0.0.1")]);
        assert_eq!(
            ordered(vec![ip("127.0.0.1"), ip("127.0.0.2"), ip("127.0.0.1")]),
            [ip("127.0.0.1"), ip("127.0.0.2")]
        );
        assert_eq!(ordered(vec![]), [] as [IpAddr; 0]);
    }

    #[test]
    fn the_kernel_names_the_source_without_a_packet() {
        assert_eq!(source_of(ip("127.0.0.1")), Some(ip("127.0.0.1")));
    }
}
