//! What webpki does not say of a server's own certificate: whether it can be one at all, and its names where webpki does
//! not read it.

use std::net::IpAddr;

use rustls::pki_types::{CertificateDer, ServerName};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Not a CA, or with the name of a server, or nothing but itself: alone, and signed by itself.
pub(super) fn can_be_a_servers(certificate: &CertificateDer<'_>, is_alone: bool) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return false };
    let has_name =
        names(&parsed).iter().any(|name| matches!(name, GeneralName::DNSName(_) | GeneralName::IPAddress(_)));
    has_name || !parsed.is_ca() || (is_alone && parsed.subject().as_raw() == parsed.issuer().as_raw())
}

/// Whether it has this name: exactly, or with `*` as its whole first label.
pub(super) fn is_named(certificate: &CertificateDer<'_>, expected: &ServerName<'_>) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return false };
    names(&parsed).iter().any(|name| match (name, expected) {
        (GeneralName::DNSName(name), ServerName::DnsName(expected)) => covers(name, expected.as_ref()),
        (GeneralName::IPAddress(bytes), ServerName::IpAddress(expected)) => {
            let expected = match IpAddr::from(*expected) {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            *bytes == expected
        }
        _ => false,
    })
}

/// Whether a DNS name of a certificate stands for `expected`.
pub(crate) fn covers(name: &str, expected: &str) -> bool {
    let expected = expected.strip_suffix('.').unwrap_or(expected);
    match name.strip_prefix("*.") {
        Some(parent) => {
            expected.split_once('.').is_some_and(|(first, rest)| !first.is_empty() && rest.eq_ignore_ascii_case(parent))
        }
        None => name.eq_ignore_ascii_case(expected),
    }
}

fn names<'c>(certificate: &'c X509Certificate<'c>) -> Vec<GeneralName<'c>> {
    let names = certificate.subject_alternative_name().ok().flatten();
    names.map(|names| names.value.general_names.clone()).unwrap_or_default()
}
