//! Certificates that no honest library makes, written byte by byte (X.690, RFC 5280) and then signed as they are.

use backend_health_exporter::lab::tls::Credential;
use rcgen::{KeyPair, PublicKeyData, SigningKey};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

/// A CA that signs whatever it is given, and one key for all that it issues.
pub struct Forge {
    ca: KeyPair,
    ca_name: Vec<u8>,
    key: KeyPair,
}

/// What stands in a certificate, each part in DER, or in what its author takes for DER.
#[derive(Clone, Debug)]
pub struct Draft {
    pub version: Vec<u8>,
    pub serial: Vec<u8>,
    /// `None`: the CA.
    pub issuer: Option<Vec<u8>>,
    pub validity: Vec<u8>,
    pub subject: Vec<u8>,
    /// `None`: the forge's.
    pub key: Option<Vec<u8>>,
    pub extensions: Vec<Vec<u8>>,
}

impl Draft {
    /// Nothing is wrong with it: a server's certificate for this name.
    pub fn good(host: &str) -> Self {
        Self {
            version: tlv(0xa0, &integer(&[2])),
            serial: integer(&[0x4a, 0x5b]),
            issuer: None,
            validity: dates(&utc("200101000000Z"), &utc("491231235959Z")),
            subject: common_name(UTF8, host.as_bytes()),
            key: None,
            extensions: vec![names(&[dns(host.as_bytes())])],
        }
    }

    /// The same, but its time is over.
    pub fn expired(self) -> Self {
        Self { validity: dates(&utc("200101000000Z"), &utc("200201000000Z")), ..self }
    }

    pub fn with(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }
}

impl Forge {
    pub fn of(ca: &Credential) -> Self {
        let der = ca.der();
        let (_, parsed) = X509Certificate::from_der(&der).expect("the lab's are in order");
        Self {
            ca: KeyPair::from_pem(&ca.key_pem()).expect("the lab's are in order"),
            ca_name: parsed.subject().as_raw().to_vec(),
            key: KeyPair::generate().expect("a key"),
        }
    }

    /// The key of all certificates.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.serialize_der().into())
    }

    pub fn issue(&self, draft: &Draft) -> CertificateDer<'static> {
        let Draft { version, serial, issuer, validity, subject, key, extensions } = draft;
        let algorithm = sequence(&[&oid(ECDSA_WITH_SHA256)]);
        let key = key.clone().unwrap_or_else(|| self.key.subject_public_key_info());
        let extensions = match extensions.as_slice() {
            [] => Vec::new(),
            some => tlv(0xa3, &tlv(SEQUENCE, &some.concat())),
        };
        let issuer = issuer.as_ref().unwrap_or(&self.ca_name);
        let body = sequence(&[version, serial, &algorithm, issuer, validity, subject, &key, &extensions]);
        let signature = self.ca.sign(&body).expect("it can sign");
        sequence(&[&body, &algorithm, &tlv(BIT_STRING, &[&[0], &signature[..]].concat())]).into()
    }
}

/// Type, length and value; the length is right.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    let bytes = length.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
    if length < 128 {
        out.push(bytes[bytes.len() - 1]);
    } else {
        let bytes = &bytes[first..];
        out.push(0x80 | u8::try_from(bytes.len()).expect("at most 8"));
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(content);
    out
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

/// Two's complement, as it is.
pub fn integer(bytes: &[u8]) -> Vec<u8> {
    tlv(2, bytes)
}

pub fn utc(text: &str) -> Vec<u8> {
    tlv(23, text.as_bytes())
}

pub fn generalized(text: &str) -> Vec<u8> {
    tlv(24, text.as_bytes())
}

pub fn dates(not_before: &[u8], not_after: &[u8]) -> Vec<u8> {
    sequence(&[not_before, not_after])
}

/// A name of this one part.
pub fn common_name(tag: u8, value: &[u8]) -> Vec<u8> {
    sequence(&[&part(tag, value)])
}

/// A part of a name: a Common Name.
pub fn part(tag: u8, value: &[u8]) -> Vec<u8> {
    tlv(0x31, &sequence(&[&oid(COMMON_NAME), &tlv(tag, value)]))
}

pub fn dns(name: &[u8]) -> Vec<u8> {
    tlv(0x82, name)
}

pub fn ip(bytes: &[u8]) -> Vec<u8> {
    tlv(0x87, bytes)
}

/// The extension with the subject alternative names.
pub fn names(names: &[Vec<u8>]) -> Vec<u8> {
    extension(SUBJECT_ALT_NAME, false, &tlv(SEQUENCE, &names.concat()))
}

pub fn extension(identifier: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let flag: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    sequence(&[&oid(identifier), flag, &tlv(4, value)])
}

fn oid(encoded: &[u8]) -> Vec<u8> {
    tlv(6, encoded)
}

pub const UTF8: u8 = 12;
pub const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 3;

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
pub const SUBJECT_ALT_NAME: &[u8] = &[0x55, 29, 17];
pub const BASIC_CONSTRAINTS: &[u8] = &[0x55, 29, 19];
/// Below the arc for examples (2.999).
pub const UNKNOWN: &[u8] = &[0x88, 0x37, 1];
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
