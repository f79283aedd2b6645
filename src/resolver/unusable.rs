//! Addresses that no server can have: what a filter or a placeholder puts in the place of a real one. To connect to 0.0.0.0
//! would be to connect to this host.

use std::fmt;
use std::net::IpAddr;

use super::DnsFault;

/// Why no server can have an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// `0.0.0.0` or `::`.
    Unspecified,
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
        })
    }
}

/// Why no server can have this address; `None`: one can.
#[must_use]
pub fn unusable(address: IpAddr) -> Option<Unusable> {
    match address.to_canonical() {
        ip if ip.is_unspecified() => Some(Unusable::Unspecified),
        ip if ip.is_multicast() => Some(Unusable::Multicast),
        IpAddr::V4(ip) if ip.is_broadcast() => Some(Unusable::Broadcast),
        _ => None,
    }
}

/// Those that a server can have.
///
/// # Errors
/// When there are others only.
pub(super) fn usable(addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, DnsFault> {
    let (usable, others): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| unusable(*address).is_none());
    if usable.is_empty() && !others.is_empty() { Err(DnsFault::Unusable(others)) } else { Ok(usable) }
}

/// What a name resolves to that resolves to nothing else.
pub(super) fn words(addresses: &[IpAddr]) -> String {
    let named = addresses.iter().take(MOST_NAMED).map(|address| match unusable(*address) {
        Some(why) => format!("{address} ({why})"),
        None => address.to_string(),
    });
    let more = match addresses.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = named.collect::<Vec<_>>().join(", ");
    format!("the name resolves only to {named}{more}, which no server can have")
}

const MOST_NAMED: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_no_server_can_have_is_known_in_every_form() {
        for (address, why) in [
            ("0.0.0.0", Unusable::Unspecified),
            ("::", Unusable::Unspecified),
            ("::ffff:0.0.0.0", Unusable::Unspecified),
            ("224.0.0.1", Unusable::Multicast),
            ("239.255.255.255", Unusable::Multicast),
            ("ff02::1", Unusable::Multicast),
            ("::ffff:224.0.0.1", Unusable::Multicast),
            ("255.255.255.255", Unusable::Broadcast),
        ] {
            assert_eq!(unusable(address.parse().unwrap()), Some(why), "{address}");
        }
        for address in ["127.0.0.1", "10.0.0.255", "223.255.255.255", "240.0.0.1", "::1", "fe80::1", "fc00::1"] {
            assert_eq!(unusable(address.parse().unwrap()), None, "{address}");
        }
    }

    #[test]
    fn one_usable_address_is_enough() {
        assert_eq!(usable(ips(&["0.0.0.0", "10.0.0.4", "::"])), Ok(ips(&["10.0.0.4"])));
        assert_eq!(usable(Vec::new()), Ok(Vec::new()));
        let fault = usable(ips(&["0.0.0.0", "::"])).unwrap_err();
        let said = "the name resolves only to 0.0.0.0 (unspecified), :: (unspecified), which no server can have";
        assert_eq!(fault.to_string(), said);
        let many = usable((1..=6).map(|last| IpAddr::from([224, 0, 0, last])).collect()).unwrap_err().to_string();
        assert!(many.ends_with("224.0.0.4 (multicast) and 2 more, which no server can have"), "{many}");
    }
}
