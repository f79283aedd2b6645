//! The hosts file (hosts(5)): names that are resolved without asking anybody.

use std::collections::HashMap;
use std::net::IpAddr;

/// Addresses by name, in the file's order.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    addresses: HashMap<Box<str>, Vec<IpAddr>>,
}

impl Hosts {
    /// Reads the file's text; lines that say nothing are passed over, as the system does.
    pub(super) fn parse(text: &str) -> Self {
        let mut addresses: HashMap<Box<str>, Vec<IpAddr>> = HashMap::new();
        for line in text.lines() {
            let entry = line.split('#').next().unwrap_or_default();
            let mut words = entry.split_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
            for name in words {
                let name = name.strip_suffix('.').unwrap_or(name).to_lowercase();
                let known = addresses.entry(name.into()).or_default();
                if known.len() < MAX_ADDRESSES {
                    known.push(address);
                }
            }
        }
        Self { addresses }
    }

    /// The addresses of `name` (lower case, without the final dot); none: the file does not have it.
    pub(super) fn find(&self, name: &str) -> Option<&[IpAddr]> {
        self.addresses.get(name).map(Vec::as_slice)
    }
}

/// More addresses than this for one name are of no use to anybody.
const MAX_ADDRESSES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_behind_their_addresses() {
        let hosts = Hosts::parse(
            "127.0.0.1\tlocalhost\n\
             # 10.0.0.9 commented\n\
             \n\
             10.0.0.1 app.example.com App db. # trailing 10.0.0.2\n\
             10.0.0.2 app\n\
             2001:db8::1 app\n\
             not-an-address ghost\n\
             fe80::1%eth0 scoped\n\
             10.0.0.3\n",
        );
        let rows: [(&str, Option<&[&str]>); 8] = [
            ("localhost", Some(&["127.0.0.1"])),
            ("app.example.com", Some(&["10.0.0.1"])),
            ("app", Some(&["10.0.0.1", "10.0.0.2", "2001:db8::1"])),
            ("db", Some(&["10.0.0.1"])),
            ("commented", None),
            ("ghost", None),
            ("scoped", None),
            ("trailing", None),
        ];
        for (name, expected) in rows {
            let expected: Option<Vec<IpAddr>> =
                expected.map(|addresses| addresses.iter().map(|address| address.parse().unwrap()).collect());
            assert_eq!(hosts.find(name), expected.as_deref(), "{name}");
        }
    }
}
