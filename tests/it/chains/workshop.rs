//! Makes certificates of every kind, good and bad, out of a few keys.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use backend_health_exporter::probe::{Trust, TrustMode};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints,
    RevokedCertParams, SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

/// When all chains are looked at: 2026-06-01.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(494_520)
}

pub const HOST: &str = "app.example.com";

/// What stands in a certificate, and who signs it.
#[derive(Clone, Debug)]
pub struct Draft {
    pub subject: String,
    /// Which of the workshop's keys it has.
    pub key: usize,
    pub issuer: String,
    /// Which of the workshop's keys signs it.
    pub signer: usize,
    /// Which key it says that it is signed with.
    pub named_signer: usize,
    pub authority: Option<BasicConstraints>,
    /// The years at whose start it begins and ends.
    pub years: (i32, i32),
    pub names: Vec<String>,
    pub usages: Vec<ExtendedKeyUsagePurpose>,
    pub key_usages: Vec<KeyUsagePurpose>,
    pub permitted: Vec<String>,
    pub excluded: Vec<String>,
    /// With the identifiers of its own key and its issuer's.
    pub key_identifiers: bool,
    pub issuer_url: Option<String>,
    pub unknown_critical: bool,
    pub serial: u64,
}

pub const VALID: (i32, i32) = (2025, 2040);
pub const EXPIRED: (i32, i32) = (2024, 2025);
pub const FUTURE: (i32, i32) = (2027, 2040);

impl Draft {
    /// A server's certificate for [`HOST`].
    pub fn server(key: usize, issuer: &Draft) -> Self {
        Self {
            names: vec![HOST.to_owned()],
            usages: vec![ExtendedKeyUsagePurpose::ServerAuth],
            key_usages: vec![KeyUsagePurpose::DigitalSignature],
            authority: None,
            ..Self::authority(HOST, key, issuer)
        }
    }

    pub fn authority(subject: &str, key: usize, issuer: &Draft) -> Self {
        Self {
            issuer: issuer.subject.clone(),
            signer: issuer.key,
            named_signer: issuer.key,
            ..Self::root(subject, key)
        }
    }

    pub fn root(subject: &str, key: usize) -> Self {
        Self {
            subject: subject.to_owned(),
            key,
            issuer: subject.to_owned(),
            signer: key,
            named_signer: key,
            authority: Some(BasicConstraints::Unconstrained),
            years: VALID,
            names: Vec::new(),
            usages: Vec::new(),
            key_usages: vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign],
            permitted: Vec::new(),
            excluded: Vec::new(),
            key_identifiers: true,
            issuer_url: None,
            unknown_critical: false,
            serial: 7,
        }
    }

    /// The same each time.
    pub fn made(&self) -> CertificateDer<'static> {
        static MADE: Mutex<BTreeMap<String, CertificateDer<'static>>> = Mutex::new(BTreeMap::new());
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry(format!("{self:?}")).or_insert_with(|| self.make()).clone()
    }

    fn make(&self) -> CertificateDer<'static> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = named(&self.subject);
        parameters.not_before = rcgen::date_time_ymd(self.years.0, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(self.years.1, 1, 1);
        parameters.serial_number = Some(SerialNumber::from(self.serial));
        parameters.is_ca = self.authority.map_or(IsCa::NoCa, IsCa::Ca);
        parameters.extended_key_usages.clone_from(&self.usages);
        parameters.key_usages.clone_from(&self.key_usages);
        parameters.subject_alt_names = self.names.iter().map(|name| alternative_name(name)).collect();
        let subtrees = |names: &[String]| names.iter().cloned().map(GeneralSubtree::DnsName).collect();
        if !self.permitted.is_empty() || !self.excluded.is_empty() {
            parameters.name_constraints = Some(NameConstraints {
                permitted_subtrees: subtrees(&self.permitted),
                excluded_subtrees: subtrees(&self.excluded),
            });
        }
        if self.key_identifiers {
            parameters.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier(self.key));
            // [0] IMPLICIT OCTET STRING within a SEQUENCE.
            let mut authority = vec![0x30, 10, 0x80, 8];
            authority.extend(key_identifier(self.named_signer));
            parameters.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 35], authority));
        } else if self.authority.is_some() {
            // It cannot be left out by the library, so at least it is empty.
            parameters.key_identifier_method = KeyIdMethod::PreSpecified(Vec::new());
        }
        if let Some(url) = &self.issuer_url {
            parameters
                .custom_extensions
                .push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access(url)));
        }
        if self.unknown_critical {
            let mut extension = CustomExtension::from_oid_content(&[2, 999, 1], vec![5, 0]);
            extension.set_criticality(true);
            parameters.custom_extensions.push(extension);
        }
        let mut issuer = CertificateParams::default();
        issuer.distinguished_name = named(&self.issuer);
        parameters.signed_by(key(self.key), &Issuer::new(issuer, key(self.signer))).unwrap().into()
    }

    /// A list of what this one revoked, by serial number.
    pub fn list(&self, revoked: &[u64], years: (i32, i32)) -> CertificateRevocationListDer<'static> {
        let mut issuer = CertificateParams::default();
        issuer.distinguished_name = named(&self.subject);
        issuer.key_usages = vec![KeyUsagePurpose::CrlSign];
        let revoked = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: rcgen::date_time_ymd(years.0, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let parameters = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(years.0, 1, 1),
            next_update: rcgen::date_time_ymd(years.1, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::PreSpecified(key_identifier(self.key)),
        };
        parameters.signed_by(&Issuer::new(issuer, key(self.key))).unwrap().into()
    }
}

pub fn configured(roots: &[&Draft]) -> Trust {
    with_lists(roots, Vec::new())
}

pub fn with_lists(roots: &[&Draft], lists: Vec<CertificateRevocationListDer<'static>>) -> Trust {
    Trust::new(TrustMode::Configured, roots.iter().map(|root| root.made()).collect(), lists).unwrap()
}

pub fn well_known(roots: &[&Draft]) -> Trust {
    Trust::new(TrustMode::WellKnown, roots.iter().map(|root| root.made()).collect(), Vec::new()).unwrap()
}

/// Runs openssl in `directory` and gives the certificate in the file `cert.pem` there.
pub fn by_openssl(directory: &Path, commands: &[&str]) -> CertificateDer<'static> {
    for command in commands {
        let output = Command::new("openssl").args(command.split_whitespace()).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    CertificateDer::from_pem_file(directory.join("cert.pem")).unwrap()
}

pub fn key(index: usize) -> &'static KeyPair {
    static KEYS: OnceLock<Vec<KeyPair>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| (0..KEYS_MADE).map(|_| KeyPair::generate().unwrap()).collect());
    &keys[index % KEYS_MADE]
}

fn key_identifier(index: usize) -> Vec<u8> {
    let mut identifier = vec![0xab; 7];
    identifier.push(u8::try_from(index % KEYS_MADE).unwrap());
    identifier
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn alternative_name(name: &str) -> SanType {
    match name.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into().unwrap()),
    }
}

/// One place to get the issuer from: id-ad-caIssuers and a URI (RFC 5280, section 4.2.2.1).
fn access(url: &str) -> Vec<u8> {
    let length = |count: usize| u8::try_from(count).unwrap();
    assert!(url.len() < 100, "short lengths are enough here");
    let mut description = vec![0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 2, 0x86, length(url.len())];
    description.extend(url.bytes());
    let mut access = vec![0x30, length(description.len() + 2), 0x30, length(description.len())];
    access.extend(description);
    access
}

const KEYS_MADE: usize = 64;
