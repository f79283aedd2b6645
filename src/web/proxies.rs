//! Whose word about a client counts: the proxies that `--web.trusted-proxy` names say for whom they ask, and how.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::uri::Authority;
use thiserror::Error;

use crate::web::paths::Scheme;

/// `--web.trusted-proxy`; none by default, because anybody can send `X-Forwarded-For`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<Block>);

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    first: IpAddr,
    bits: u32,
}

/// A value of `--web.trusted-proxy` that names no addresses.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("--web.trusted-proxy {0:?}: expected an address such as 10.0.0.4 or a block of addresses such as 10.0.0.0/24")]
pub struct ProxiesError(String);

impl Proxies {
    /// Reads addresses and blocks of them.
    ///
    /// # Errors
    /// One of `given` is neither.
    pub fn parse(given: &[String]) -> Result<Self, ProxiesError> {
        let blocks = given.iter().map(|text| Block::parse(text).ok_or_else(|| ProxiesError(text.clone())));
        blocks.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|block| block.has(address))
    }

    /// For whom `peer` asks: the last address of `X-Forwarded-For` that is no trusted proxy's, as whatever stands before
    /// it was written by who is not trusted.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let mut hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(',').map(str::trim));
        while self.trusts(client) {
            match hops.next().and_then(address) {
                Some(before) => client = before,
                None => break,
            }
        }
        client
    }

    /// How the client speaks to the first proxy, `own` where that is not told.
    pub(super) fn scheme(&self, peer: IpAddr, headers: &HeaderMap, own: Scheme) -> Scheme {
        let told = self.told(peer, headers, "x-forwarded-proto").and_then(Scheme::parse);
        told.unwrap_or(own)
    }

    /// The host that the client asked the first proxy for.
    pub(super) fn host(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Authority> {
        self.told(peer, headers, "x-forwarded-host")?.parse().ok()
    }

    fn told<'a>(&self, peer: IpAddr, headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        if !self.trusts(peer) {
            return None;
        }
        headers.get(name)?.to_str().ok()?.split(',').next().map(str::trim)
    }
}

impl Block {
    fn parse(text: &str) -> Option<Self> {
        let (first, bits) = match text.split_once('/') {
            Some((first, bits)) if bits.bytes().all(|byte| byte.is_ascii_digit()) => (first, Some(bits.parse().ok()?)),
            Some(_) => return None,
            None => (text, None),
        };
        let first: IpAddr = first.parse().ok()?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { first, bits })
    }

    fn has(&self, address: IpAddr) -> bool {
        let same =
            |length: u32, different: u128| length.checked_sub(self.bits).is_some_and(|rest| shifted(different, rest));
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => same(32, u128::from(first.to_bits() ^ address.to_bits())),
            (IpAddr::V6(first), IpAddr::V6(address)) => same(128, first.to_bits() ^ address.to_bits()),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether nothing is left of it without its last bits.
fn shifted(bits: u128, without: u32) -> bool {
    bits.checked_shr(without).unwrap_or(0) == 0
}

/// An address of `X-Forwarded-For`, to which some proxies add the port.
fn address(text: &str) -> Option<IpAddr> {
    let parsed = text.parse().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    parsed.or_else(with_port).or_else(in_brackets).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(given: &[&str]) -> Proxies {
        Proxies::parse(&given.iter().map(|&text| text.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn addresses_and_blocks_are_understood() {
        let check = |block: &str, address: &str, expected: bool| {
            assert_eq!(proxies(&[block]).trusts(address.parse().unwrap()), expected, "{block} {address}");
        };
        check("10.0.0.4", "10.0.0.4", true);
        check("10.0.0.4", "10.0.0.5", false);
        check("10.0.0.0/24", "10.0.0.255", true);
        check("10.0.0.0/24", "10.0.1.0", false);
        check("10.0.0.9/24", "10.0.0.1", true);
        check("0.0.0.0/0", "192.0.2.1", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("2001:db8::/32", "2001:db8:ffff::1", true);
        check("2001:db8::/32", "2001:db9::", false);
        check("::/0", "::1", true);
        check("::1", "::1", true);
        for wrong in ["", "proxy", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0", "::/129", "10.0.0.0/24/8"] {
            let error = Proxies::parse(&[wrong.to_owned()]).unwrap_err().to_string();
            assert!(error.starts_with("--web.trusted-proxy") && error.contains("expected"), "{error}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_says_whom_it_asks_for() {
        let check = |peer: &str, lines: &[&str], expected: &str| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            let client = proxies(&["10.0.0.0/8"]).client(peer.parse().unwrap(), &headers);
            assert_eq!(client.to_string(), expected, "{peer} {lines:?}");
        };
        check("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["1.2.3.4, 198.51.100.7, 10.0.0.2"], "198.51.100.7");
        check("10.0.0.1", &["1.2.3.4", "198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7");
        check("10.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1");
        check("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["unknown"], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.7, nonsense"], "10.0.0.1");
    }

    #[test]
    fn the_first_proxys_scheme_and_host_count_when_a_trusted_one_hands_them_on() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-proto", "https, http".parse().unwrap());
        headers.insert("x-forwarded-host", "outer.example:8443".parse().unwrap());
        let (proxies, trusted, other) =
            (proxies(&["10.0.0.1"]), "10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        assert_eq!(proxies.scheme(trusted, &headers, Scheme::Http), Scheme::Https);
        assert_eq!(proxies.scheme(other, &headers, Scheme::Http), Scheme::Http);
        assert_eq!(proxies.host(trusted, &headers).unwrap().as_str(), "outer.example:8443");
        assert_eq!(proxies.host(other, &headers), None);
    }
}
