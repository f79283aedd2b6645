//! A backend that presents another certificate at every handshake: leaves of one key that differ in their serials, made
//! before the first probe comes.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use backend_health_exporter::lab::tls::Validity;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};

use crate::material::HOST;

/// Leaves that take turns.
#[derive(Debug)]
pub struct Leaves {
    all: Vec<CertificateDer<'static>>,
    issuer: CertificateDer<'static>,
    key: Arc<dyn SigningKey>,
    shown: AtomicUsize,
}

impl Leaves {
    /// So many of them for this key, issued by the intermediate in these files.
    pub fn issue(count: usize, key: &Path, issuer: &Path, issuer_key: &Path) -> anyhow::Result<Self> {
        let issuer = CertificateDer::from_pem_file(issuer).context("the issuer")?;
        let signer = Issuer::from_ca_cert_der(&issuer, KeyPair::from_pem(&fs::read_to_string(issuer_key)?)?)?;
        let subject = KeyPair::from_pem(&fs::read_to_string(key)?)?;
        let mut params = CertificateParams::new([HOST.to_owned()])?;
        // As long as what the lab makes, so that the length does not differ either.
        params.distinguished_name.push(DnType::OrganizationName, "Lab");
        params.distinguished_name.push(DnType::CommonName, HOST);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let Validity { from, until } = Validity::days(-1, 90);
        let seconds = |time: SystemTime| -> anyhow::Result<Duration> {
            Ok(Duration::from_secs(time.duration_since(SystemTime::UNIX_EPOCH)?.as_secs()))
        };
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        (params.not_before, params.not_after) = (epoch + seconds(from)?, epoch + seconds(until)?);
        let leaves = (0..count as u64).map(|number| {
            params.serial_number = Some(SerialNumber::from(FIRST_SERIAL + number));
            Ok(params.signed_by(&subject, &signer)?.der().clone())
        });
        let leaves = leaves.collect::<anyhow::Result<_>>()?;
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&PrivateKeyDer::from_pem_file(key)?)?;
        Ok(Self { all: leaves, issuer, key, shown: AtomicUsize::new(0) })
    }

    /// Handshakes that were shown a leaf that another one had seen before.
    pub fn repeated(&self) -> u64 {
        self.shown.load(Ordering::Relaxed).saturating_sub(self.all.len()) as u64
    }
}

const FIRST_SERIAL: u64 = 1 << 40;

impl ResolvesServerCert for Leaves {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let turn = self.shown.fetch_add(1, Ordering::Relaxed);
        let leaf = self.all.get(turn % self.all.len().max(1))?;
        Some(Arc::new(CertifiedKey::new(vec![leaf.clone(), self.issuer.clone()], self.key.clone())))
    }
}
