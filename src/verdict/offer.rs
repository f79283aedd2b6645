//! What we offer in a handshake, and what a server chose instead when it was offered everything.

use rustls::crypto::aws_lc_rs;
use rustls::{CipherSuite, NamedGroup, ProtocolVersion};

use super::Cause;
use crate::probe::scan::flight::{Flight, Hello};

/// What the server's choice says is missing from our offer: the cause, and the reason in words.
pub(super) fn missing(hello: Hello, flight: &Flight, is_about_the_offer: bool) -> Option<(Cause, String)> {
    let version = version_name(hello.version);
    let suite = suite_name(hello.suite);
    if hello.version < u16::from(ProtocolVersion::TLSv1_2) {
        return Some((Cause::TlsVersionMismatch, format!("offered every version, it chose {version} with {suite}")));
    }
    if !aws_lc_rs::ALL_CIPHER_SUITES.iter().any(|ours| u16::from(ours.suite()) == hello.suite) {
        return Some((
            Cause::TlsCipherMismatch,
            format!(
                "offered every cipher suite, it chose {suite} ({version}), and of that version we offer {}",
                our_suites(hello.version)
            ),
        ));
    }
    if let Some(group) = hello.group.or(flight.key_exchange_group)
        && !aws_lc_rs::default_provider().kx_groups.iter().any(|ours| u16::from(ours.name()) == group)
    {
        return Some((
            Cause::TlsCipherMismatch,
            format!(
                "offered every group, it chose {} with {suite} ({version}), and we offer {}",
                group_name(group),
                our_groups()
            ),
        ));
    }
    // Suite and group are ours: what is left of an offer is the signature schemes.
    is_about_the_offer.then(|| {
        (
            Cause::TlsCipherMismatch,
            format!(
                "offered every signature scheme, too, it goes on with {suite} ({version}), which we offer: what is left is \
                 a scheme that its certificate or key needs and we do not offer, such as SHA-1, DSA or an unusual curve"
            ),
        )
    })
}

/// For example `TLS 1.2`.
#[must_use]
pub fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301 => "TLS 1.0".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        0x0303 => "TLS 1.2".to_owned(),
        0x0304 => "TLS 1.3".to_owned(),
        other => format!("the version {other:#06x}"),
    }
}

/// IANA's name, or the number where the library knows none.
#[must_use]
pub fn suite_name(number: u16) -> String {
    CipherSuite::from(number).as_str().map_or_else(|| format!("the suite {number:#06x}"), iana)
}

/// rustls puts the version in front of the suites of TLS 1.3, unlike IANA.
fn iana(name: &str) -> String {
    name.strip_prefix("TLS13_").map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
}

/// IANA's name, or the number where neither the library nor we know one.
fn group_name(number: u16) -> String {
    let known = NamedGroup::from(number).as_str().or(match number {
        13 => Some("sect571k1"),
        14 => Some("sect571r1"),
        19 => Some("secp192r1"),
        21 => Some("secp224r1"),
        22 => Some("secp256k1"),
        26 => Some("brainpoolP256r1"),
        27 => Some("brainpoolP384r1"),
        28 => Some("brainpoolP512r1"),
        31 => Some("brainpoolP256r1tls13"),
        32 => Some("brainpoolP384r1tls13"),
        33 => Some("brainpoolP512r1tls13"),
        _ => None,
    });
    known.map_or_else(|| format!("the group {number:#06x}"), str::to_owned)
}

fn our_suites(version: u16) -> String {
    let suites = aws_lc_rs::default_provider().cipher_suites;
    let of_version = suites.iter().filter(|suite| u16::from(suite.version().version) == version);
    of_version.map(|suite| suite_name(u16::from(suite.suite()))).collect::<Vec<_>>().join(", ")
}

fn our_groups() -> String {
    let groups = aws_lc_rs::default_provider().kx_groups;
    groups.iter().map(|group| group_name(u16::from(group.name()))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_choice_tells_what_our_offer_lacks() {
        let check = |version, suite, group, cause, words: &str| {
            let hello = Hello { version, suite, group };
            let (found, why) = missing(hello, &Flight::default(), true).expect(words);
            assert_eq!(found, cause, "{why}");
            assert!(why.contains(words), "{why}");
        };
        let (version, cipher) = (Cause::TlsVersionMismatch, Cause::TlsCipherMismatch);
        check(0x0301, 0xc013, None, version, "it chose TLS 1.0 with TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA");
        check(0x0302, 0x002f, None, version, "TLS 1.1");
        check(0x0303, 0xc027, None, cipher, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256 (TLS 1.2)");
        check(0x0304, 0x1304, None, cipher, "of that version we offer TLS_AES_256_GCM_SHA384");
        check(0x0304, 0x1301, Some(25), cipher, "it chose secp521r1");
        check(0x0303, 0xc02f, Some(26), cipher, "it chose brainpoolP256r1");
        check(0x0304, 0x1301, Some(0x0201), cipher, "it chose MLKEM768");
        check(0x0303, 0xc02f, Some(999), cipher, "it chose the group 0x03e7");
        check(0x0303, 0x00a8, None, cipher, "it chose TLS_PSK_WITH_AES_128_GCM_SHA256");
        check(0x0303, 0xc02f, Some(23), cipher, "signature scheme");
    }

    #[test]
    fn a_choice_of_ours_explains_no_other_alert() {
        let hello = Hello { version: 0x0303, suite: 0xc02f, group: None };
        assert_eq!(missing(hello, &Flight::default(), false), None);
    }
}
