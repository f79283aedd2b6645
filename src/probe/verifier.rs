//! Records the certificates of a handshake and webpki's verdict on them. Trust is decided by webpki alone; the only rule
//! of our own is that a leaf that equals a trusted certificate byte for byte is its own anchor.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use webpki::EndEntityCert;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::memo::{Acceptance, AcceptedChains};
use super::{AcceptedPath, ClientCertificate, TlsSpec, Trust, memo};

/// A verifier for one handshake.
#[derive(Debug)]
pub(super) struct Recorder {
    provider: Arc<CryptoProvider>,
    trust: Option<Arc<Trust>>,
    validate_chain: bool,
    validate_name: bool,
    memo: Arc<AcceptedChains>,
    presented: OnceLock<Presented>,
}

/// What was presented, and what webpki says of it.
#[derive(Debug)]
pub(super) struct Presented {
    pub(super) chain: Arc<[CertificateDer<'static>]>,
    pub(super) path: Result<AcceptedPath, webpki::Error>,
    pub(super) name: Result<(), webpki::Error>,
    pub(super) leaf_is_trusted_itself: bool,
    pub(super) accepted_as: Option<Acceptance>,
    /// The moment that it was judged for.
    pub(super) at: UnixTime,
}

impl Recorder {
    pub(super) fn new(provider: Arc<CryptoProvider>, spec: &TlsSpec, memo: Arc<AcceptedChains>) -> Self {
        Self {
            provider,
            memo,
            trust: Some(spec.trust.clone()),
            validate_chain: spec.validate_chain,
            validate_name: spec.validate_name,
            presented: OnceLock::new(),
        }
    }

    /// Trusts nothing; stands in the template that each handshake's configuration is made from.
    pub(super) fn placeholder(provider: Arc<CryptoProvider>) -> Self {
        let (memo, presented) = (Arc::default(), OnceLock::new());
        Self { provider, trust: None, validate_chain: true, validate_name: true, memo, presented }
    }

    pub(super) fn presented(&self) -> Option<&Presented> {
        self.presented.get()
    }
}

impl Presented {
    /// webpki's verdict on what was presented, or what it said of the very same before.
    pub(super) fn judge_again(
        memo: &AcceptedChains,
        trust: Option<&Trust>,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Self {
        let Some(trust) = trust else { return Self::judge(None, leaf, intermediates, name, now) };
        let key = memo::key(trust, name, std::iter::once(leaf).chain(intermediates));
        if let Some(path) = memo.recall(&key, now) {
            let leaf_is_trusted_itself = path.links == [0] && trust.roots()[path.root] == *leaf;
            let (chain, accepted_as) = (owned(leaf, intermediates), Some(key));
            return Self { chain, path: Ok(path), name: Ok(()), leaf_is_trusted_itself, accepted_as, at: now };
        }
        let mut presented = Self::judge(Some(trust), leaf, intermediates, name, now);
        if let (Ok(path), Ok(())) = (&presented.path, &presented.name) {
            memo.keep(key, path, &presented.chain, trust, now);
            presented.accepted_as = Some(key);
        }
        presented
    }

    /// webpki's verdict on what was presented; the whole of it, also where one fault would do.
    pub(super) fn judge(
        trust: Option<&Trust>,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Self {
        let own_root = trust.and_then(|trust| trust.roots().iter().position(|root| root == leaf));
        // A trusted CA that was sent first is not the server's own certificate.
        let own_root = own_root.filter(|_| can_be_a_servers(leaf));
        let (path, name) = match EndEntityCert::try_from(leaf) {
            Err(error) => (Err(error.clone()), Err(error)),
            Ok(parsed) => {
                let path = match (trust, own_root) {
                    (_, Some(root)) => within_dates(leaf, now).map(|()| AcceptedPath { links: vec![0], root }),
                    (Some(trust), None) => trust.verify_path(&parsed, intermediates, now),
                    (None, None) => Err(webpki::Error::UnknownIssuer),
                };
                (path, parsed.verify_is_valid_for_subject_name(name))
            }
        };
        let chain = owned(leaf, intermediates);
        Self { chain, path, name, leaf_is_trusted_itself: own_root.is_some(), accepted_as: None, at: now }
    }
}

/// The chain as sent, to keep.
fn owned(leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Arc<[CertificateDer<'static>]> {
    std::iter::once(leaf).chain(intermediates).map(|der| der.clone().into_owned()).collect()
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let presented = self.presented.get_or_init(|| {
            Presented::judge_again(&self.memo, self.trust.as_deref(), end_entity, intermediates, server_name, now)
        });
        // The error only chooses the alert that the server gets; the verdict reads what was recorded.
        if self.validate_chain
            && let Err(error) = &presented.path
        {
            return Err(rustls::Error::InvalidCertificate(alert_for(error)));
        }
        if self.validate_name && presented.name.is_err() {
            return Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForName));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Not a CA, or with the name of a server.
fn can_be_a_servers(certificate: &CertificateDer<'_>) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return false };
    let names = parsed.subject_alternative_name().ok().flatten();
    let has_name = names.is_some_and(|names| {
        names.value.general_names.iter().any(|name| matches!(name, GeneralName::DNSName(_) | GeneralName::IPAddress(_)))
    });
    has_name || !parsed.is_ca()
}

/// The dates of a certificate that is its own anchor, which webpki does not look at.
fn within_dates(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), webpki::Error> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| webpki::Error::BadDer)?;
    let (not_before, not_after) = super::clock::dates(&parsed);
    if now < not_before {
        Err(webpki::Error::CertNotValidYet { time: now, not_before })
    } else if now > not_after {
        Err(webpki::Error::CertExpired { time: now, not_after })
    } else {
        Ok(())
    }
}

/// What to tell the server (RFC 8446, section 6.2).
fn alert_for(error: &webpki::Error) -> CertificateError {
    match error {
        webpki::Error::CertExpired { .. } => CertificateError::Expired,
        webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
        webpki::Error::CertRevoked => CertificateError::Revoked,
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
        _ => CertificateError::BadEncoding,
    }
}

/// Our answer to a server that asks for a client certificate; remembers that it asked.
#[derive(Debug)]
pub(super) struct ClientCertificateAnswer {
    certificate: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl ClientCertificateAnswer {
    pub(super) fn new(certificate: Option<&ClientCertificate>) -> Self {
        Self {
            certificate: certificate.map(|certificate| certificate.certified_key().clone()),
            asked: AtomicBool::new(false),
        }
    }

    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for ClientCertificateAnswer {
    fn resolve(&self, _root_hint_subjects: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.certificate.clone()
    }

    fn has_certs(&self) -> bool {
        // rustls asks resolve() only of those that say yes.
        true
    }
}
