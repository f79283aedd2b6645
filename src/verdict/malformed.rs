//! Which field of a certificate webpki cannot read although the rest of it is X.509, in words of people: the library only
//! says that something is not as it should be.

use webpki::Error;
use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use super::certificate::Certificate;
use super::text::oid;

/// What stands behind the certificate's name in a sentence.
pub(super) fn what(error: &Error, certificate: &Certificate<'_>) -> String {
    let field = match error {
        Error::SignatureAlgorithmMismatch => return "names two different algorithms for its signature".to_owned(),
        Error::BadDerTime => {
            return "writes its dates (validity) in another way than X.509 has them: in UTC and with seconds, \
                    UTCTime until 2049 and GeneralizedTime from 2050 on"
                .to_owned();
        }
        Error::InvalidCertValidity => return "ends before it begins (validity)".to_owned(),
        Error::InvalidSerialNumber => return serial(certificate),
        Error::EmptyEkuExtension => return "has an extended key usage that is empty".to_owned(),
        Error::MalformedNameConstraint | Error::InvalidNetworkMaskConstraint => "its name constraints".to_owned(),
        Error::MalformedDnsIdentifier => "its subject alternative name".to_owned(),
        Error::UnsupportedCertVersion => "its version".to_owned(),
        _ => match (odd_extension(certificate), serial_is_odd(certificate)) {
            (Some(extension), _) => extension,
            (None, true) => return serial(certificate),
            (None, false) if matches!(error, Error::MalformedExtensions | Error::ExtensionValueInvalid) => {
                "one of its extensions".to_owned()
            }
            (None, false) => "its names, its public key or its signature".to_owned(),
        },
    };
    format!("is malformed: {field} is not encoded as DER has it")
}

fn serial(certificate: &Certificate<'_>) -> String {
    format!(
        "has a serial number that is not allowed ({}): it must be positive, of at most 20 bytes",
        certificate.serial()
    )
}

fn serial_is_odd(certificate: &Certificate<'_>) -> bool {
    let serial = certificate.parsed.raw_serial();
    serial.len() > 20 || serial.first().is_none_or(|first| first & 0x80 != 0) || serial == [0]
}

/// The first extension that nobody can read, or whose Booleans are neither true nor false.
fn odd_extension(certificate: &Certificate<'_>) -> Option<String> {
    let extensions = certificate.parsed.extensions().iter();
    let mut odd = extensions.filter(|extension| {
        let unparsed =
            matches!(extension.parsed_extension(), ParsedExtension::ParseError { .. } | ParsedExtension::Unparsed);
        unparsed || has_odd_boolean(extension.value)
    });
    odd.next().map(|extension| format!("its extension {}", name(&oid(&extension.oid))))
}

fn has_odd_boolean(value: &[u8]) -> bool {
    let Ok((_, sequence)) = Any::from_der(value) else { return true };
    let first = Any::from_der(sequence.data).ok().map(|(_, first)| first);
    sequence.tag() == Tag::Sequence
        && first.is_some_and(|first| first.tag() == Tag::Boolean && !matches!(first.data, [0 | 0xff]))
}

/// As people call it.
fn name(oid: &str) -> String {
    let known = match oid {
        "2.5.29.14" => "subjectKeyIdentifier",
        "2.5.29.15" => "keyUsage",
        "2.5.29.17" => "subjectAltName",
        "2.5.29.19" => "basicConstraints",
        "2.5.29.30" => "nameConstraints",
        "2.5.29.31" => "cRLDistributionPoints",
        "2.5.29.35" => "authorityKeyIdentifier",
        "2.5.29.37" => "extKeyUsage",
        other => return other.to_owned(),
    };
    known.to_owned()
}
