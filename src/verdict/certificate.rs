//! Reads one certificate: what stands in it, as far as it matters to whether and why a chain is refused.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::{GeneralName, NameConstraints, ParsedExtension};
use x509_parser::nom::Err as Nom;
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Version;

use super::text::{attribute_text, distinguished_name, oid, shown};
use crate::words::{cut, hex};

/// A certificate, read.
pub(super) struct Certificate<'a> {
    pub(super) der: &'a [u8],
    pub(super) parsed: X509Certificate<'a>,
    /// Bytes after its end.
    pub(super) trailing: usize,
    /// It says that it may issue others.
    pub(super) is_ca: bool,
    /// How many CAs there may be between it and the server's certificate.
    pub(super) path_length: Option<u32>,
    subject_key_id: Option<&'a [u8]>,
    authority_key_id: Option<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    /// `None` when it is not X.509 at all.
    pub(super) fn read(der: &'a CertificateDer<'_>) -> Option<Self> {
        let der: &'a [u8] = der.as_ref();
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        let constraints = parsed.basic_constraints().ok().flatten();
        let (is_ca, path_length) =
            constraints.map_or((false, None), |found| (found.value.ca, found.value.path_len_constraint));
        let (mut subject_key_id, mut authority_key_id) = (None, None);
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => subject_key_id = Some(id.0),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    authority_key_id = id.key_identifier.as_ref().map(|id| id.0);
                }
                _ => {}
            }
        }
        Some(Self { der, trailing: rest.len(), parsed, is_ca, path_length, subject_key_id, authority_key_id })
    }

    /// Not a CA, or with a server name.
    pub(super) fn can_be_leaf(&self) -> bool {
        !self.is_ca || self.names().next().is_some()
    }

    /// Subject and issuer, DER.
    pub(super) fn raw_subject(&self) -> &[u8] {
        self.parsed.subject().as_raw()
    }

    pub(super) fn raw_issuer(&self) -> &[u8] {
        self.parsed.issuer().as_raw()
    }

    /// Whether its issuer has this name: DER without the outermost tag and length, as webpki gives it.
    pub(super) fn names_as_issuer(&self, name: &[u8]) -> bool {
        Any::from_der(self.raw_issuer()).is_ok_and(|(_, issuer)| issuer.data == name)
    }

    /// It names itself as its issuer, by key, too, where it names keys.
    pub(super) fn names_itself_as_issuer(&self) -> bool {
        self.raw_subject() == self.raw_issuer() && self.names_key_of(self) != Some(false)
    }

    /// Whether the key that this certificate names as its issuer's is the one of `issuer`; `None` when one of them does
    /// not say.
    pub(super) fn names_key_of(&self, issuer: &Certificate<'_>) -> Option<bool> {
        Some(self.authority_key_id? == issuer.subject_key_id?)
    }

    pub(super) fn same_subject_and_key(&self, other: &Certificate<'_>) -> bool {
        self.raw_subject() == other.raw_subject() && self.parsed.public_key().raw == other.parsed.public_key().raw
    }

    /// The subject alternative names that a server can be known by.
    pub(super) fn names(&self) -> impl Iterator<Item = &GeneralName<'a>> {
        self.alternative_names()
            .iter()
            .filter(|name| matches!(name, GeneralName::DNSName(_) | GeneralName::IPAddress(_)))
    }

    /// All subject alternative names.
    pub(super) fn alternative_names(&self) -> &[GeneralName<'a>] {
        let extension = self.parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        });
        extension.map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn dns_names(&self) -> impl Iterator<Item = &'a str> {
        self.alternative_names().iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        })
    }

    pub(super) fn ip_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.alternative_names().iter().filter_map(|name| match name {
            GeneralName::IPAddress(bytes) => ip_address(bytes),
            _ => None,
        })
    }

    pub(super) fn common_name(&self) -> Option<Cow<'_, str>> {
        self.parsed.subject().iter_common_name().next().and_then(attribute_text)
    }

    /// Which part of it is not X.509, when it cannot be read.
    pub(super) fn why_unreadable(der: &CertificateDer<'_>) -> &'static str {
        match X509Certificate::from_der(der) {
            Err(Nom::Error(error) | Nom::Failure(error)) => match error {
                X509Error::InvalidVersion => "its version is not one of X.509",
                X509Error::InvalidSerial => "its serial number is malformed",
                X509Error::InvalidAlgorithmIdentifier => "the name of its signature's algorithm is malformed",
                X509Error::InvalidX509Name => "its subject's or issuer's name is malformed",
                X509Error::InvalidDate => "its dates are not written as X.509 has them",
                X509Error::InvalidSPKI => "its public key is malformed",
                X509Error::InvalidSubjectUID | X509Error::InvalidIssuerUID => "its unique identifiers are malformed",
                X509Error::InvalidExtensions | X509Error::DuplicateExtensions => "its extensions are malformed",
                X509Error::InvalidSignatureValue => "its signature is malformed",
                _ if der.first() == Some(&0x30) => "its encoding is broken",
                _ => "it is not X.509",
            },
            Ok(_) | Err(_) => "it is cut off",
        }
    }

    /// It is signed with its own key, under its own name.
    pub(super) fn is_self_issued(&self) -> bool {
        self.raw_subject() == self.raw_issuer()
    }

    /// What its certificates below may be named; `None` when it sets no bounds.
    pub(super) fn name_constraints(&self) -> Option<&NameConstraints<'a>> {
        self.parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::NameConstraints(constraints) => Some(constraints),
            _ => None,
        })
    }

    /// Where the certificate of its issuer can be had, as it says itself; only what can be shown and opened.
    pub(super) fn issuer_url(&self) -> Option<&'a str> {
        let access = self.parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityInfoAccess(access) => Some(access),
            _ => None,
        })?;
        access
            .accessdescs
            .iter()
            .filter(|description| description.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS)
            .find_map(|description| match description.access_location {
                GeneralName::URI(url) if is_fetchable(url) => Some(url),
                _ => None,
            })
    }

    /// Lower-case hex, without the zero that keeps DER's integers positive; cut after 64 bytes.
    pub(super) fn serial(&self) -> String {
        let bytes = match self.parsed.raw_serial() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        hex(&bytes[..bytes.len().min(MAX_SERIAL)])
    }

    /// RFC 4514.
    pub(super) fn subject(&self) -> String {
        distinguished_name(self.parsed.subject())
    }

    /// RFC 4514.
    pub(super) fn issuer(&self) -> String {
        distinguished_name(self.parsed.issuer())
    }

    /// The subject within a sentence.
    pub(super) fn title(&self) -> String {
        titled(&self.subject())
    }

    /// In a sentence of its own: the server's by its name, each with its subject.
    pub(super) fn described(&self, is_leaf: bool) -> String {
        match (is_leaf, self.first_name()) {
            (true, Some(name)) if self.subject().is_empty() => format!("the certificate of {name}"),
            (true, Some(name)) => format!("the certificate of {name} ({})", self.title()),
            (true, None) => format!("the certificate {}", self.known_as()),
            (false, _) if self.names_itself_as_issuer() => format!("the root certificate {}", self.known_as()),
            (false, _) => format!("the intermediate certificate {}", self.known_as()),
        }
    }

    /// The subject, or, when that is empty, the first name.
    pub(super) fn known_as(&self) -> String {
        match (self.subject(), self.first_name()) {
            (subject, _) if !subject.is_empty() => self.title(),
            (_, Some(name)) => format!("{name} (with an empty subject)"),
            (_, None) => "with an empty subject".to_owned(),
        }
    }

    fn first_name(&self) -> Option<String> {
        let ip = || self.ip_addresses().next().map(|ip| ip.to_string());
        let name =
            self.dns_names().next().map(shown).or_else(ip).or_else(|| self.common_name().map(|name| shown(&name)))?;
        (!name.is_empty()).then_some(name)
    }

    /// The issuer within a sentence.
    pub(super) fn issuer_title(&self) -> String {
        titled(&self.issuer())
    }

    pub(super) fn not_before(&self) -> SystemTime {
        system_time(self.parsed.validity().not_before)
    }

    pub(super) fn not_after(&self) -> SystemTime {
        system_time(self.parsed.validity().not_after)
    }

    /// 1, 2 or 3.
    pub(super) fn version(&self) -> u32 {
        match self.parsed.version() {
            X509Version(number) => number.saturating_add(1),
        }
    }

    /// For example `RSA 2048` or `ECDSA P-256`.
    pub(super) fn public_key(&self) -> String {
        self.key().to_string()
    }

    pub(super) fn key(&self) -> Key {
        let spki = self.parsed.public_key();
        match oid(&spki.algorithm.algorithm).as_str() {
            "1.2.840.113549.1.1.1" => match spki.parsed() {
                Ok(PublicKey::RSA(key)) => Key::Rsa { bits: bits(key.modulus) },
                Ok(_) | Err(_) => Key::Other("RSA, unreadable".to_owned()),
            },
            "1.2.840.10045.2.1" => {
                let parameters = spki.algorithm.parameters.as_ref();
                if parameters.is_some_and(|any| any.tag() == Tag::Sequence) {
                    return Key::ExplicitCurve;
                }
                let curve = parameters.filter(|any| any.tag() == Tag::Oid).and_then(|any| any.clone().oid().ok());
                match curve.map(|curve| oid(&curve)).as_deref() {
                    Some("1.2.840.10045.3.1.7") => Key::Usable("ECDSA P-256"),
                    Some("1.3.132.0.34") => Key::Usable("ECDSA P-384"),
                    Some("1.3.132.0.35") => Key::Usable("ECDSA P-521"),
                    Some("1.2.840.10045.3.1.1") => Key::Other("ECDSA P-192".to_owned()),
                    Some("1.3.132.0.33") => Key::Other("ECDSA P-224".to_owned()),
                    Some("1.3.132.0.10") => Key::Other("ECDSA secp256k1".to_owned()),
                    Some(other) => Key::Other(format!("ECDSA {other}")),
                    None => Key::Other("ECDSA with a curve of its own".to_owned()),
                }
            }
            "1.3.101.112" => Key::Usable("Ed25519"),
            "1.3.101.113" => Key::Other("Ed448".to_owned()),
            "1.2.840.113549.1.1.10" => Key::Other("RSA-PSS".to_owned()),
            "1.2.840.10040.4.1" => Key::Other("DSA".to_owned()),
            "2.16.840.1.101.3.4.3.17" => Key::ForChains("ML-DSA-44"),
            "2.16.840.1.101.3.4.3.18" => Key::ForChains("ML-DSA-65"),
            "2.16.840.1.101.3.4.3.19" => Key::ForChains("ML-DSA-87"),
            other => Key::Other(other.to_owned()),
        }
    }

    /// For example `SHA256 with RSA`.
    pub(super) fn signature_algorithm(&self) -> String {
        let kind = oid(&self.parsed.signature_algorithm.algorithm);
        let name = match kind.as_str() {
            "1.2.840.113549.1.1.2" => "MD2 with RSA",
            "1.2.840.113549.1.1.4" => "MD5 with RSA",
            "1.2.840.113549.1.1.5" => "SHA1 with RSA",
            "1.2.840.113549.1.1.10" => "RSA-PSS",
            "1.2.840.113549.1.1.11" => "SHA256 with RSA",
            "1.2.840.113549.1.1.12" => "SHA384 with RSA",
            "1.2.840.113549.1.1.13" => "SHA512 with RSA",
            "1.2.840.113549.1.1.14" => "SHA224 with RSA",
            "1.2.840.10040.4.3" => "DSA with SHA1",
            "1.2.840.10045.4.1" => "ECDSA with SHA1",
            "1.2.840.10045.4.3.1" => "ECDSA with SHA224",
            "1.2.840.10045.4.3.2" => "ECDSA with SHA256",
            "1.2.840.10045.4.3.3" => "ECDSA with SHA384",
            "1.2.840.10045.4.3.4" => "ECDSA with SHA512",
            "1.3.101.112" => "Ed25519",
            "1.3.101.113" => "Ed448",
            "2.16.840.1.101.3.4.3.17" => "ML-DSA-44",
            "2.16.840.1.101.3.4.3.18" => "ML-DSA-65",
            "2.16.840.1.101.3.4.3.19" => "ML-DSA-87",
            other => other,
        };
        name.to_owned()
    }
}

/// A public key, as far as its kind says whether TLS servers and CAs can be verified with it.
pub(super) enum Key {
    Rsa {
        bits: usize,
    },
    Usable(&'static str),
    /// Signatures of certificates by it are verified, those of handshakes not yet.
    ForChains(&'static str),
    ExplicitCurve,
    Other(String),
}

impl Key {
    /// Why signatures by it are not accepted, whoever made them.
    pub(super) fn weakness(&self) -> Option<String> {
        match self {
            Self::Rsa { bits } if *bits < 2048 => {
                Some(format!("its RSA key has only {bits} bits; at least 2048 are required"))
            }
            Self::Rsa { bits } if *bits > 8192 => {
                Some(format!("its RSA key has {bits} bits; more than 8192 are not accepted"))
            }
            Self::Rsa { .. } | Self::Usable(_) | Self::ForChains(_) => None,
            Self::ExplicitCurve => Some(
                "its ECDSA key has explicit curve parameters, which RFC 5480 forbids: the curve must be named"
                    .to_owned(),
            ),
            Self::Other(kind) => Some(format!(
                "its key is of a kind that is not accepted ({kind}); RSA, ECDSA with P-256, P-384 or P-521, and Ed25519 are"
            )),
        }
    }

    /// Why handshakes signed by it are not accepted.
    pub(super) fn weakness_of_server(&self) -> Option<String> {
        match self {
            Self::ForChains(kind) => Some(format!(
                "its key is of a kind that this exporter verifies in certificates, but not in handshakes ({kind})"
            )),
            other => other.weakness(),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::Usable(name) | Self::ForChains(name) => f.write_str(name),
            Self::ExplicitCurve => f.write_str("ECDSA with explicit curve parameters"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// Of an unsigned big-endian number.
fn bits(number: &[u8]) -> usize {
    let significant = number.iter().position(|byte| *byte != 0).map_or(&[][..], |first| &number[first..]);
    significant.first().map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize)
}

/// Bytes of a serial number that are kept; it should have at most 20 (RFC 5280, section 4.1.2.2).
const MAX_SERIAL: usize = 64;

fn titled(name: &str) -> String {
    const LONGEST: usize = 160;
    if name.is_empty() { "(no name)".to_owned() } else { cut(name, LONGEST).into_owned() }
}

/// Nothing but a plain address of the web, short enough to be shown whole.
fn is_fetchable(url: &str) -> bool {
    const LONGEST: usize = 250;
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https"))
        && url.len() <= LONGEST
        && url.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/%?=&+,@".contains(&byte))
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn system_time(time: ASN1Time) -> SystemTime {
    let seconds = Duration::from_secs(time.timestamp().unsigned_abs());
    let moment = if time.timestamp() < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    moment.unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_from_the_first_one_that_is_set() {
        for (number, expected) in
            [(&[][..], 0), (&[0], 0), (&[1], 1), (&[0, 0x80], 8), (&[0x7f, 0xff], 15), (&[0, 0xff, 0], 16)]
        {
            assert_eq!(bits(number), expected, "{number:?}");
        }
    }

    #[test]
    fn only_plain_addresses_of_the_web_are_passed_on() {
        for (url, expected) in [
            ("http://ca.example.com/ca.crt", true),
            ("HTTPS://ca.example.com/ca.crt?x=1&y=2", true),
            ("ldap://ca.example.com/cn=ca", false),
            ("javascript:alert(1)", false),
            ("http://x/\"onclick=", false),
            ("http://x/<b>", false),
            ("http://x/a b", false),
            ("http://x/\n", false),
            ("http://x/ä", false),
            ("", false),
        ] {
            assert_eq!(is_fetchable(url), expected, "{url}");
        }
        assert!(!is_fetchable(&format!("http://x/{}", "a".repeat(300))));
    }
}
