//! Certificates with their keys, and what can be asked of them.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints,
    PublicKeyData, RevocationReason, RevokedCertParams, RsaKeySize, SanType, SerialNumber, SignatureAlgorithm,
};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

/// A certificate and its private key. Any of them can issue others; whether it may is for who verifies to say.
#[derive(Debug)]
pub struct Credential {
    certificate: rcgen::Certificate,
    params: CertificateParams,
    serial: SerialNumber,
    key: KeyPair,
}

/// What stands in a certificate.
#[derive(Clone, Debug)]
pub struct Profile {
    pub common_name: String,
    /// The subject alternative names: DNS names and IP addresses.
    pub hosts: Vec<String>,
    pub validity: Validity,
    pub key: KeyAlgorithm,
    pub role: Role,
    /// Extended key usages; none: the extension is left out.
    pub usages: Vec<Usage>,
    /// A critical extension that nobody knows, by its object identifier.
    pub unknown_critical_extension: Option<Vec<u64>>,
}

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub from: SystemTime,
    pub until: SystemTime,
}

/// The kind of a certificate's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    EcdsaP256,
    EcdsaP384,
    EcdsaP521,
    Ed25519,
    /// Takes a noticeable time to generate.
    Rsa2048,
}

/// Whether a certificate may issue others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    EndEntity,
    Authority {
        path_length: Option<u8>,
        /// DNS subtrees that issued certificates must stay in; none: no constraint.
        permitted_names: Vec<String>,
    },
}

/// What a certificate's key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    Server,
    Client,
}

impl Credential {
    /// A certificate that is signed by its own key.
    ///
    /// # Errors
    /// When a host is no name, or the key cannot be made.
    pub fn self_signed(profile: &Profile) -> anyhow::Result<Self> {
        let (params, serial, key) = profile.draft()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self { certificate, params, serial, key })
    }

    /// A certificate that is signed by this one's key.
    ///
    /// # Errors
    /// When a host is no name, or the key cannot be made.
    pub fn issue(&self, profile: &Profile) -> anyhow::Result<Self> {
        let (params, serial, key) = profile.draft()?;
        let certificate = params.signed_by(&key, &self.issuer())?;
        Ok(Self { certificate, params, serial, key })
    }

    /// A certificate with this one's key, signed by that key, as when a self-signed one is renewed.
    ///
    /// # Errors
    /// When a host is no name, or the key cannot be read again.
    pub fn renewed(&self, profile: &Profile) -> anyhow::Result<Self> {
        let (params, serial, _) = profile.draft()?;
        let key = KeyPair::from_pem(&self.key.serialize_pem())?;
        let certificate = params.self_signed(&key)?;
        Ok(Self { certificate, params, serial, key })
    }

    /// A certificate that is signed by this one's key, for a key that is too weak: RSA with 1024 bits, which nobody has.
    ///
    /// # Errors
    /// When a host is no name.
    pub fn issue_for_weak_key(&self, profile: &Profile) -> anyhow::Result<CertificateDer<'static>> {
        let (params, _, _) = profile.draft()?;
        Ok(params.signed_by(&WeakKey::new(), &self.issuer())?.der().clone())
    }

    /// A list of these certificates, revoked since an hour ago (RFC 5280, section 5), valid for a week.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn revocation_list(&self, revoked: &[&Self]) -> anyhow::Result<CertificateRevocationListDer<'static>> {
        let now = SystemTime::now();
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let hour = Duration::from_hours(1);
        let params = CertificateRevocationListParams {
            this_update: epoch + since_1970(now - hour),
            next_update: epoch + since_1970(now + 7 * DAY),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .iter()
                .map(|credential| RevokedCertParams {
                    serial_number: credential.serial.clone(),
                    revocation_time: epoch + since_1970(now - hour),
                    reason_code: Some(RevocationReason::KeyCompromise),
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(&self.issuer())?.into())
    }

    #[must_use]
    pub fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// PKCS #8.
    #[must_use]
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.serialize_der().into())
    }

    /// PKCS #8.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }
}

impl Profile {
    /// A server's certificate for this name or IP address, valid since yesterday, for 90 days.
    #[must_use]
    pub fn server(host: &str) -> Self {
        Self {
            common_name: host.to_owned(),
            hosts: vec![host.to_owned()],
            validity: Validity::days(-1, 90),
            key: KeyAlgorithm::EcdsaP256,
            role: Role::EndEntity,
            usages: vec![Usage::Server],
            unknown_critical_extension: None,
        }
    }

    /// A client's certificate.
    #[must_use]
    pub fn client(name: &str) -> Self {
        Self { hosts: Vec::new(), usages: vec![Usage::Client], ..Self::server(name) }
    }

    /// A certificate that issues others, valid since a month ago, for ten years.
    #[must_use]
    pub fn authority(name: &str) -> Self {
        Self {
            hosts: Vec::new(),
            validity: Validity::days(-30, 3650),
            role: Role::Authority { path_length: None, permitted_names: Vec::new() },
            usages: Vec::new(),
            ..Self::server(name)
        }
    }

    fn draft(&self) -> anyhow::Result<(CertificateParams, SerialNumber, KeyPair)> {
        let serial = random_serial()?;
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let mut params = CertificateParams::default();
        params.not_before = epoch + since_1970(self.validity.from);
        params.not_after = epoch + since_1970(self.validity.until);
        params.serial_number = Some(serial.clone());
        params.use_authority_key_identifier_extension = true;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Lab");
        params.distinguished_name.push(DnType::CommonName, self.common_name.as_str());
        params.subject_alt_names = self.hosts.iter().map(|host| subject_name(host)).collect::<Result<_, _>>()?;
        params.extended_key_usages = self.usages.iter().map(|usage| usage.purpose()).collect();
        match &self.role {
            Role::EndEntity => {
                params.is_ca = IsCa::ExplicitNoCa;
                params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            }
            Role::Authority { path_length, permitted_names } => {
                let constraint = path_length.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained);
                params.is_ca = IsCa::Ca(constraint);
                params.key_usages =
                    vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
                params.name_constraints = (!permitted_names.is_empty()).then(|| NameConstraints {
                    permitted_subtrees: permitted_names.iter().cloned().map(GeneralSubtree::DnsName).collect(),
                    excluded_subtrees: Vec::new(),
                });
            }
        }
        if let Some(identifier) = &self.unknown_critical_extension {
            // ASN.1 NULL: any content will do, since nobody is to understand it.
            let mut extension = CustomExtension::from_oid_content(identifier, vec![0x05, 0x00]);
            extension.set_criticality(true);
            params.custom_extensions.push(extension);
        }
        Ok((params, serial, self.key.generate()?))
    }
}

impl Validity {
    /// From and until so many days from now; negative ones are in the past.
    #[must_use]
    pub fn days(from: i32, until: i32) -> Self {
        let now = SystemTime::now();
        let day = |count: i32| match count {
            0.. => now + DAY * count.unsigned_abs(),
            ..0 => now - DAY * count.unsigned_abs(),
        };
        Self { from: day(from), until: day(until) }
    }
}

impl KeyAlgorithm {
    fn generate(self) -> Result<KeyPair, rcgen::Error> {
        match self {
            Self::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            Self::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            Self::EcdsaP521 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512),
            Self::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519),
            Self::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
        }
    }
}

impl Usage {
    fn purpose(self) -> ExtendedKeyUsagePurpose {
        match self {
            Self::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Self::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }
    }
}

/// The public half of an RSA key with 1024 bits.
struct WeakKey(Vec<u8>);

impl WeakKey {
    fn new() -> Self {
        // RSAPublicKey (RFC 8017, appendix A.1.1): the modulus, any odd number of that length, and the exponent 65537.
        let mut key = vec![0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0];
        key.extend([0xc3; 128]);
        key.extend([0x02, 3, 1, 0, 1]);
        Self(key)
    }
}

impl PublicKeyData for WeakKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

fn subject_name(host: &str) -> anyhow::Result<SanType> {
    match host.parse::<IpAddr>() {
        Ok(ip) => Ok(SanType::IpAddress(ip)),
        Err(_) => Ok(SanType::DnsName(host.try_into().with_context(|| format!("`{host}` is no DNS name"))?)),
    }
}

fn random_serial() -> anyhow::Result<SerialNumber> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).context("no random bytes for a serial number")?;
    // Positive, and without leading zeros (RFC 5280, section 4.1.2.2).
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Time since 1970, in the whole seconds that certificates have. Added to a date of rcgen's it makes one of rcgen's.
fn since_1970(time: SystemTime) -> Duration {
    let elapsed = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(elapsed.as_secs())
}

const DAY: Duration = Duration::from_hours(24);
